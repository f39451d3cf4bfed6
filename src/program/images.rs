//! Convolution of images.
//!
//! A row of a matrix is an image: its channels one after the other, each row by row, so that n images of c channels of
//! height h and width w are a matrix (n, c·h·w); or they are a tensor (n, c, h, w), whose elements lie in the same order.
//! Windows are gathered by public loops and then multiplied like any matrix, for each group of channels by its own
//! kernels; a transposed convolution multiplies first, and adds the products at their places. So no zero is multiplied
//! but those that surround an image.

use super::range::Interval;
use super::window::{Image, Side, Way, Window};
use super::{Dims, Gather, Loop, Op, Program, ProgramError, Stride, ValueId};
use crate::ring::Shape;

/// The kernels of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// Their elements.
    pub weights: ValueId,
    /// A number for each channel of the result, which is added to it.
    pub bias: Option<ValueId>,
    /// The channels of images and results are cut into so many groups of neighbours, and the results of each are those of
    /// its own images alone; 1 where every result is one of all channels.
    pub groups: usize,
}

impl Kernels {
    /// Kernels that span all channels.
    pub const fn new(weights: ValueId, bias: Option<ValueId>) -> Kernels {
        Kernels { weights, bias, groups: 1 }
    }

    /// The same kernels in so many groups.
    #[must_use]
    pub const fn in_groups(self, groups: usize) -> Kernels {
        Kernels { groups, ..self }
    }
}

/// So many turns of a loop, each of which moves that far.
pub(super) const fn turn(count: usize, step: usize) -> Loop {
    Loop { count, step }
}

impl Program {
    /// Convolution: each window of each image, the channels of a group as one row, times `kernels`, a matrix whose columns
    /// are the result's channels and whose rows run over channels of a group, rows and columns of a window. The bias has
    /// one row.
    ///
    /// # Errors
    /// If images, window and kernels do not fit together.
    pub fn conv2d(
        &mut self,
        a: ValueId,
        image: Image,
        kernels: Kernels,
        window: Window,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values.len(), format!("conv2d({}, {})", self.short(a), self.short(kernels.weights)));
        self.check_images(a, image)?;
        let ways = self.ways(a, image, window)?;
        let kernels = Kernels { weights: self.as_columns(kernels.weights)?, ..kernels };
        self.check_groups(a, image.channels, kernels, self.value(kernels.weights).shape.cols)?;
        let product = self.convolved(a, image, kernels, ways)?;
        let places = ways[0].places * ways[1].places;
        // A row for each place of each image, and a column for each channel: channels come first in an image.
        let (count, channels) = (self.value(a).shape.rows, self.value(product).shape.cols);
        let images = Gather {
            start: 0,
            rows: [Loop::ONCE, Loop::ONCE, turn(count, places * channels)],
            cols: [Loop::ONCE, turn(channels, 1), turn(places, channels)],
        };
        let result = self.gather(product, images)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// Convolution of a tensor (n, c, h, w) by kernels (o, c/groups, height, width) into a tensor (n, o, …), as PyTorch's
    /// `conv2d`; the bias has o elements. The window's extents are those of the kernels. See [`Program::conv2d`] for the
    /// method.
    ///
    /// # Errors
    /// If images and kernels do not fit together.
    pub fn conv2d_tensor(
        &mut self,
        a: ValueId,
        kernels: Kernels,
        window: Window,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values.len(), format!("conv2d({}, {})", self.short(a), self.short(kernels.weights)));
        let ((count, image), own) = (self.images(a)?, self.dims(kernels.weights));
        let &[channels, of, height, width] = own.extents() else {
            let what = "is no tensor of kernels (o, c/groups, height, width)".to_owned();
            return Err(self.unfit(kernels.weights, what));
        };
        self.check_kernels(a, image.channels, kernels, (channels, of))?;
        let ways = self.ways(a, image, window.sized(height, width))?;
        let size = of * height * width;
        let columns = Gather {
            start: 0,
            rows: [Loop::ONCE, Loop::ONCE, turn(size, 1)],
            cols: [Loop::ONCE, Loop::ONCE, turn(channels, size)],
        };
        let weights = self.gather_from(kernels.weights, columns)?;
        let bias = self.bias_of(kernels.bias, &[channels], channels)?;
        let matrix = self.image_rows(a, count, image)?;
        let product = self.convolved(matrix, image, Kernels { weights, bias, ..kernels }, ways)?;
        let [rows, cols] = ways.map(|way| way.places);
        let images = Gather {
            start: 0,
            rows: [turn(count, rows * cols * channels), turn(channels, 1), turn(rows, cols * channels)],
            cols: [Loop::ONCE, Loop::ONCE, turn(cols, channels)],
        };
        let result = self.gather(product, images)?;
        let result = self.with_dims(result, dims(&[count, channels, rows, cols]));
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// Convolution of a tensor (n, c, l) by kernels (o, c/groups, length) into a tensor (n, o, …), as PyTorch's `conv1d`.
    ///
    /// # Errors
    /// If sequences and kernels do not fit together.
    pub fn conv1d(&mut self, a: ValueId, kernels: Kernels, window: Side) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values.len(), format!("conv1d({}, {})", self.short(a), self.short(kernels.weights)));
        let [channels, length, results, of, size] = self.sequences(a, kernels, "(o, c/groups, length)")?;
        self.check_kernels(a, channels, kernels, (results, of))?;
        let window = Side { size, ..window };
        window.over(length).ok_or_else(|| self.misfit(a, &[("length", length, window)]))?;
        let kernels = Kernels { weights: self.as_line(kernels.weights)?, ..kernels };
        let line = self.as_line(a)?;
        let result = self.conv2d_tensor(line, kernels, Window { height: Side::new(1, 1), width: window })?;
        self.of_line(result, first, label)
    }

    /// Transposed convolution of a tensor (n, c, l) by kernels (c, o/groups, length); see
    /// [`Program::conv_transpose2d`].
    ///
    /// # Errors
    /// If sequences and kernels do not fit together, or nothing is left of the result.
    pub fn conv_transpose1d(
        &mut self,
        a: ValueId,
        kernels: Kernels,
        window: Side,
        more: usize,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (
            self.values.len(),
            format!("conv_transpose1d({}, {})", self.short(a), self.short(kernels.weights)),
        );
        let [channels, length, from, _, size] = self.sequences(a, kernels, "(c, o/groups, length)")?;
        self.check_transposed(a, channels, kernels, from)?;
        let window = Side { size, ..window };
        if left(window, length, more).is_none() {
            return Err(self.unspread(a, &[("length", length, window)]));
        }
        let kernels = Kernels { weights: self.as_line(kernels.weights)?, ..kernels };
        let (line, window) = (self.as_line(a)?, Window { height: Side::new(1, 1), width: window });
        let result = self.conv_transpose2d(line, kernels, window, (0, more))?;
        self.of_line(result, first, label)
    }

    /// Transposed convolution of a tensor (n, c, h, w) by kernels (c, o/groups, height, width) into a tensor (n, o, …), as
    /// PyTorch's `conv_transpose2d`: each element times each kernel of its group, at the places of the window, added up.
    /// What the window says to surround an image is cut off the result, and so many rows and columns of `more` are
    /// left of it behind that. The result has (h − 1)·stride + reach + more − before − behind rows, and likewise columns.
    ///
    /// # Errors
    /// If images and kernels do not fit together, or nothing is left of the result.
    pub fn conv_transpose2d(
        &mut self,
        a: ValueId,
        kernels: Kernels,
        window: Window,
        more: (usize, usize),
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (
            self.values.len(),
            format!("conv_transpose2d({}, {})", self.short(a), self.short(kernels.weights)),
        );
        let ((count, image), own) = (self.images(a)?, self.dims(kernels.weights));
        let &[from, of, height, width] = own.extents() else {
            let what = "is no tensor of kernels (c, o/groups, height, width)".to_owned();
            return Err(self.unfit(kernels.weights, what));
        };
        self.check_transposed(a, image.channels, kernels, from)?;
        let window = window.sized(height, width);
        let unspread = |program: &Program| {
            let axes = [("height", image.height, window.height), ("width", image.width, window.width)];
            program.unspread(a, &axes)
        };
        let rows = left(window.height, image.height, more.0).ok_or_else(|| unspread(self))?;
        let cols = left(window.width, image.width, more.1).ok_or_else(|| unspread(self))?;
        let channels = of.checked_mul(kernels.groups).ok_or_else(|| self.unaddressable(a))?;
        let bias = self.bias_of(kernels.bias, &[channels, 1, 1], channels)?;
        let spread = self.spread_out(a, (count, image), kernels, window, channels, [rows, cols])?;
        let result = self.truncated(spread, label.clone())?;
        let result = match bias {
            Some(bias) => self.add(result, bias)?,
            None => result,
        };
        self.parts_of(first, &label);
        self.need_from(first);
        self.called(result, label, None)
    }

    /// The products of a transposed convolution, added at their places and not yet truncated: a tensor (count, channels,
    /// rows, columns), of what is left.
    fn spread_out(
        &mut self,
        a: ValueId,
        (count, image): (usize, Image),
        kernels: Kernels,
        window: Window,
        channels: usize,
        left: [Left; 2],
    ) -> Result<ValueId, ProgramError> {
        let Window { height, width } = window;
        let (plane, depth) = (image.height * image.width, image.channels / kernels.groups);
        let columns = channels / kernels.groups * height.size * width.size;
        let matrix = self.image_rows(a, count, image)?;
        let weights = self.reshape_to(kernels.weights, Shape::new(image.channels, columns).into())?;
        let mut products = Vec::new();
        for group in 0..kernels.groups {
            // A row for each place, with the channels of a group.
            let pixels = Gather {
                start: group * depth * plane,
                rows: [Loop::ONCE, turn(count, image.channels * plane), turn(plane, 1)],
                cols: [Loop::ONCE, Loop::ONCE, turn(depth, plane)],
            };
            let pixels = self.gather_from(matrix, pixels)?;
            let own = Stride::range(group * depth, (group + 1) * depth);
            let weights = self.part(weights, own, Stride::range(0, columns))?;
            products.push(self.untruncated(pixels, weights)?);
        }
        let product = self.joined_all(products, 1)?;
        let known = self.interval(product);
        let [rows, cols] = left;
        let size = rows.wide.checked_mul(cols.wide).and_then(|plane| plane.checked_mul(channels));
        let size = size.ok_or_else(|| self.unaddressable(a))?;
        self.bearable(&self.value(a).label, dims(&[count, channels, rows.wide, cols.wide]))?;
        let windows = Gather {
            start: 0,
            rows: [
                turn(count, size),
                turn(image.height, height.stride * cols.wide),
                turn(image.width, width.stride),
            ],
            cols: [
                turn(channels, rows.wide * cols.wide),
                turn(height.size, height.dilation * cols.wide),
                turn(width.size, width.dilation),
            ],
        };
        let sums = self.scattered(product, windows, Shape::new(count, size))?;
        let sums = self.reshape_to(sums, dims(&[count, channels, rows.wide, cols.wide]))?;
        let all = |extent| Stride::range(0, extent);
        let inner = [
            all(count),
            all(channels),
            Stride::range(height.before, height.before + rows.kept),
            Stride::range(width.before, width.before + cols.kept),
        ];
        let kept = self.slice_axes(sums, &inner)?;
        let overlap = height.overlap(image.height) * width.overlap(image.width);
        self.refine(kept, known.map(|known| known.times(overlap as f64).hull(Interval::at(0.0))));
        Ok(kept)
    }

    /// The number of images in a tensor, and their extents.
    pub(super) fn images(&self, a: ValueId) -> Result<(usize, Image), ProgramError> {
        let &[count, channels, height, width] = self.dims(a).extents() else {
            return Err(self.unfit(a, "is no tensor of images (n, c, h, w)".to_owned()));
        };
        Ok((count, Image { channels, height, width }))
    }

    /// The images of a tensor as rows.
    pub(super) fn image_rows(
        &mut self,
        a: ValueId,
        count: usize,
        image: Image,
    ) -> Result<ValueId, ProgramError> {
        let size = image.elements().ok_or_else(|| self.unaddressable(a))?;
        self.reshape_to(a, Shape::new(count, size).into())
    }

    /// The product of windows and kernels: a row for each place of each image.
    fn convolved(
        &mut self,
        a: ValueId,
        image: Image,
        kernels: Kernels,
        ways: [Way; 2],
    ) -> Result<ValueId, ProgramError> {
        let (padded, wide) = self.padded(a, image, ways)?;
        let (count, plane) = (self.value(a).shape.rows, wide.height * wide.width);
        let [(rows, height), (cols, width)] = ways.map(|way| (way.places, way.side));
        let depth = image.channels / kernels.groups;
        let own = self.value(kernels.weights).shape;
        let due = depth * height.size * width.size;
        if own.rows != due {
            let of = if kernels.groups == 1 { "all channels" } else { "the channels of a group" };
            let what = format!("has {} rows, and a window of {of} has {due} elements", own.rows);
            return Err(self.unfit(kernels.weights, what));
        }
        let mut factors = Vec::new();
        for group in 0..kernels.groups {
            let windows = Gather {
                start: group * depth * plane,
                rows: [
                    turn(count, image.channels * plane),
                    turn(rows, height.stride * wide.width),
                    turn(cols, width.stride),
                ],
                cols: [
                    turn(depth, plane),
                    turn(height.size, height.dilation * wide.width),
                    turn(width.size, width.dilation),
                ],
            };
            let per_group = own.cols / kernels.groups;
            let columns = Stride::range(group * per_group, (group + 1) * per_group);
            let weights = self.part(kernels.weights, Stride::range(0, own.rows), columns)?;
            factors.push((self.gather_from(padded, windows)?, weights));
        }
        let first = self.values.len();
        let products = factors.into_iter().map(|(windows, weights)| self.untruncated(windows, weights));
        let products = products.collect::<Result<Vec<_>, _>>()?;
        let product = self.joined_all(products, 1)?;
        let mut product = self.truncated(product, String::new())?;
        if let Some(bias) = kernels.bias {
            product = self.add(product, bias).map_err(|error| match error {
                ProgramError::Broadcast(operands) => self.unfit_bias(bias, operands.left.cols()),
                error => error,
            })?;
        }
        self.need_from(first);
        Ok(product)
    }

    /// The product of two matrices before it is truncated.
    fn untruncated(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let shape = Shape::new(self.value(a).shape.rows, self.value(b).shape.cols);
        let bits = self.value(a).fraction_bits + self.value(b).fraction_bits;
        self.push_scaled(Op::MatMul(a, b), shape, bits, self.infix(a, "@", b))
    }

    /// Some rows and columns of a matrix; itself where they are all.
    fn part(&mut self, a: ValueId, rows: Stride, cols: Stride) -> Result<ValueId, ProgramError> {
        let shape = self.value(a).shape;
        let is_whole = rows == Stride::range(0, shape.rows) && cols == Stride::range(0, shape.cols);
        if is_whole { Ok(a) } else { self.slice(a, rows, cols) }
    }

    /// The images with zeros around them, as far as windows reach.
    pub(super) fn padded(
        &mut self,
        a: ValueId,
        image: Image,
        [rows, cols]: [Way; 2],
    ) -> Result<(ValueId, Image), ProgramError> {
        let larger = Image { height: rows.wide, width: cols.wide, ..image };
        if larger == image {
            return Ok((a, image));
        }
        let Image { height, width, .. } = larger;
        let (size, count) =
            (larger.elements().ok_or_else(|| self.unaddressable(a))?, self.value(a).shape.rows);
        let planes = count * image.channels;
        let lines = self.reshape(a, Shape::new(planes * image.height, image.width))?;
        let lines = self.pad(lines, (0, cols.side.before), Shape::new(planes * image.height, width))?;
        let whole = self.reshape(lines, Shape::new(planes, image.height * width))?;
        let whole = self.pad(whole, (0, rows.side.before * width), Shape::new(planes, height * width))?;
        Ok((self.reshape(whole, Shape::new(count, size))?, larger))
    }

    /// A tensor of sequences or of kernels of one axis as one of images or kernels of one row.
    fn as_line(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let &[outer, inner, length] = self.dims(a).extents() else { unreachable!("three axes") };
        self.reshape_to(a, dims(&[outer, inner, 1, length]))
    }

    /// Images of one row as sequences; values from `first` on are parts of what computes them.
    fn of_line(&mut self, a: ValueId, first: usize, label: String) -> Result<ValueId, ProgramError> {
        let result = self.without_axes(a, &[2], first)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// A matrix of kernels; a vector is that of one result.
    fn as_columns(&mut self, kernels: ValueId) -> Result<ValueId, ProgramError> {
        let own = self.dims(kernels);
        match own.rank() {
            0 | 1 => self.reshape_to(kernels, Shape::new(own.cols(), 1).into()),
            2 => Ok(kernels),
            _ => Err(self.unfit(kernels, "is no matrix with a column for each kernel".to_owned())),
        }
    }

    /// The numbers that are added to channels, with these extents.
    fn bias_of(
        &mut self,
        bias: Option<ValueId>,
        extents: &[usize],
        channels: usize,
    ) -> Result<Option<ValueId>, ProgramError> {
        let Some(bias) = bias else { return Ok(None) };
        self.reshape_to(bias, dims(extents)).map(Some).map_err(|_| self.unfit_bias(bias, channels))
    }
}

/// What a transposed convolution leaves along an axis.
#[derive(Clone, Copy)]
struct Left {
    /// The extent before anything is cut off, and of what is put behind it.
    wide: usize,
    kept: usize,
}

/// What a transposed convolution leaves of so many elements, if anything, with so many more behind.
fn left(side: Side, extent: usize, more: usize) -> Option<Left> {
    let all = side.spread(extent)?.checked_add(more)?;
    let kept = all.checked_sub(side.before)?.checked_sub(side.behind).filter(|&kept| kept > 0)?;
    Some(Left { wide: all.max(side.before + kept), kept })
}

pub(super) fn dims(extents: &[usize]) -> Dims {
    Dims::new(extents).expect("at most four axes")
}

#[cfg(test)]
mod tests;
