//! Pools of images: the largest element or the mean of each window of each channel. Images lie as in the module `images`.
//!
//! An element that surrounds an image is never the largest: there stands the nearest of the window's own elements. In a
//! mean it is a zero, which counts or not; windows that count differently are means of their own.

use super::images::{dims, turn};
use super::window::{Image, Way, Window};
use super::{Gather, Loop, Program, ProgramError, ValueId};
use crate::ring::{Axis, Shape};

/// Places one after the other at which a mean is of equally many elements.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    count: usize,
    elements: usize,
}

impl Run {
    fn all(elements: impl Iterator<Item = usize>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (start, elements) in elements.enumerate() {
            match runs.last_mut().filter(|last| last.elements == elements) {
                Some(last) => last.count += 1,
                None => runs.push(Run { start, count: 1, elements }),
            }
        }
        runs
    }
}

impl Program {
    /// The largest element of each window of each channel of a tensor (n, c, h, w).
    ///
    /// # Errors
    /// As [`Program::maxpool2d`].
    pub fn maxpool2d_tensor(&mut self, a: ValueId, window: Window) -> Result<ValueId, ProgramError> {
        self.pooled_tensor(a, window, |program, a, image| program.maxpool2d(a, image, window))
    }

    /// The mean of each window of each channel of a tensor (n, c, h, w); see [`Program::avgpool2d`].
    ///
    /// # Errors
    /// As [`Program::avgpool2d`].
    pub fn avgpool2d_tensor(
        &mut self,
        a: ValueId,
        window: Window,
        counts_padding: bool,
    ) -> Result<ValueId, ProgramError> {
        self.pooled_tensor(a, window, |program, a, image| program.avgpool2d(a, image, window, counts_padding))
    }

    fn pooled_tensor(
        &mut self,
        a: ValueId,
        window: Window,
        pool: impl FnOnce(&mut Program, ValueId, Image) -> Result<ValueId, ProgramError>,
    ) -> Result<ValueId, ProgramError> {
        let (count, image) = self.images(a)?;
        let [rows, cols] = self.filled_ways(a, image, window)?.map(|way| way.places);
        let matrix = self.image_rows(a, count, image)?;
        let result = pool(self, matrix, image)?;
        self.reshape_to(result, dims(&[count, image.channels, rows, cols]))
    }

    /// The largest element of each window of each channel. What surrounds an image has no part in it.
    ///
    /// # Errors
    /// If images and window do not fit together, or a window has no element of an image.
    pub fn maxpool2d(&mut self, a: ValueId, image: Image, window: Window) -> Result<ValueId, ProgramError> {
        let label = format!("maxpool2d({})", self.short(a));
        self.check_images(a, image)?;
        let ways = self.filled_ways(a, image, window)?;
        let (edged, wide) = self.edged(a, image, ways)?;
        let [rows, cols] = ways.map(|way| Run { start: 0, count: way.places, elements: way.side.size });
        let windows = self.channel_windows(edged, wide, ways, [rows, cols])?;
        let largest = self.max_over(windows, Axis::Cols)?;
        let shape = Shape::new(self.value(a).shape.rows, image.channels * rows.count * cols.count);
        let result = self.reshape(largest, shape)?;
        self.called(result, label, self.interval(a))
    }

    /// The mean of each window of each channel. The places around an image are zeros, and count as elements of a window
    /// or, without `counts_padding`, do not; what a window has beyond them never counts. So does PyTorch.
    ///
    /// # Errors
    /// If images and window do not fit together, a window has no element of an image, or the program computes on integers.
    pub fn avgpool2d(
        &mut self,
        a: ValueId,
        image: Image,
        window: Window,
        counts_padding: bool,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("avgpool2d({})", self.short(a));
        self.check_images(a, image)?;
        let ways = self.filled_ways(a, image, window)?;
        let (padded, wide) = self.padded(a, image, ways)?;
        let [rows, cols] = ways.map(|way| match counts_padding {
            true => Run::all(way.counted()),
            false => Run::all(way.inside()),
        });
        let first = self.values.len();
        let planes = self.value(a).shape.rows * image.channels;
        let is_one = rows.len() == 1 && cols.len() == 1;
        let mut bands = Vec::new();
        for &band in &rows {
            let mut parts = Vec::new();
            for &part in &cols {
                let windows = self.channel_windows(padded, wide, ways, [band, part])?;
                let means =
                    self.mean_of(windows, Some(Axis::Cols), (band.elements * part.elements) as f64)?;
                parts.push(match is_one {
                    true => means,
                    false => self.reshape_to(means, dims(&[planes, band.count, part.count]))?,
                });
            }
            bands.push(if is_one { parts[0] } else { self.joined_all(parts, 2)? });
        }
        let means = if is_one { bands[0] } else { self.joined_all(bands, 1)? };
        self.parts_of(first, &label);
        let [rows, cols] = ways.map(|way| way.places);
        let shape = Shape::new(self.value(a).shape.rows, image.channels * rows * cols);
        let result = self.reshape_to(means, shape.into())?;
        self.called(result, label, None)
    }

    /// The places of windows that all have elements of an image.
    fn filled_ways(&self, a: ValueId, image: Image, window: Window) -> Result<[Way; 2], ProgramError> {
        let ways = self.ways(a, image, window)?;
        let wide = dims(&[image.channels, ways[0].wide, ways[1].wide]);
        self.bearable(&self.value(a).label, wide)?;
        if ways.into_iter().any(|way| way.inside().any(|elements| elements == 0)) {
            return Err(self.unfilled(a, image, window));
        }
        Ok(ways)
    }

    /// The images as far as windows reach, with the nearest element of a window wherever it reaches beyond them.
    fn edged(
        &mut self,
        a: ValueId,
        image: Image,
        [rows, cols]: [Way; 2],
    ) -> Result<(ValueId, Image), ProgramError> {
        let larger = Image { height: rows.wide, width: cols.wide, ..image };
        if larger == image {
            return Ok((a, image));
        }
        let (count, size) =
            (self.value(a).shape.rows, larger.elements().ok_or_else(|| self.unaddressable(a))?);
        let planes = dims(&[count * image.channels, image.height, image.width]);
        let mut edged = self.reshape_to(a, planes)?;
        for (axis, way, extent) in [(1, rows, image.height), (2, cols, image.width)] {
            if way.wide > extent {
                edged = self.take(edged, &way.nearest(), axis)?;
            }
        }
        Ok((self.reshape_to(edged, Shape::new(count, size).into())?, larger))
    }

    /// A row for each of some places of the window in each channel of each image.
    fn channel_windows(
        &mut self,
        a: ValueId,
        image: Image,
        ways: [Way; 2],
        [rows, cols]: [Run; 2],
    ) -> Result<ValueId, ProgramError> {
        let [height, width] = ways.map(|way| way.side);
        let planes = self.value(a).shape.rows * image.channels;
        let windows = Gather {
            start: rows.start * height.stride * image.width + cols.start * width.stride,
            rows: [
                turn(planes, image.height * image.width),
                turn(rows.count, height.stride * image.width),
                turn(cols.count, width.stride),
            ],
            cols: [
                Loop::ONCE,
                turn(height.size, height.dilation * image.width),
                turn(width.size, width.dilation),
            ],
        };
        self.gather_from(a, windows)
    }
}
