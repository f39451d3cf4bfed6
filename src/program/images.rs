//! Convolution and pooling of images.
//!
//! A row of a matrix is an image: its channels one after the other, each row by row, so that n images of c channels of
//! height h and width w are a matrix (n, c·h·w); or they are a tensor (n, c, h, w), whose elements lie in the same order.
//! Windows are gathered by public loops and then multiplied, summed or compared like any matrix.

use super::error::rows_as_factor;
use super::{Dims, Gather, Loop, Program, ProgramError, ValueId};
use crate::ring::{Axis, Shape};

/// The extents of an image in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// c.
    pub channels: usize,
    /// h.
    pub height: usize,
    /// w.
    pub width: usize,
}

/// A window that moves over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its rows.
    pub height: usize,
    /// Its columns.
    pub width: usize,
    /// The distance of two places of it.
    pub stride: usize,
}

impl Image {
    /// Elements of an image, or `None` where there are too many to count.
    pub fn elements(self) -> Option<usize> {
        self.channels.checked_mul(self.height)?.checked_mul(self.width)
    }

    /// The image with so many zeros on each side, or `None` where an address cannot name its extents.
    fn surrounded(self, padding: usize) -> Option<Image> {
        let both = padding.checked_mul(2)?;
        let (height, width) = (self.height.checked_add(both)?, self.width.checked_add(both)?);
        Some(Image { height, width, ..self })
    }

    /// Places of a window: rows and columns of them, or `None` where it does not fit or does not move.
    pub fn places(self, window: Window) -> Option<(usize, usize)> {
        let places = |extent: usize, of: usize| Some(extent.checked_sub(of)?.checked_div(window.stride)? + 1);
        let valid = window.height > 0 && window.width > 0;
        places(self.height, window.height).zip(places(self.width, window.width)).filter(|_| valid)
    }
}

impl Program {
    /// Convolution: each window of each image, all channels of it as one row, times `kernels`, whose columns are the
    /// result's channels and whose rows run over channels, rows and columns of a window. `bias` has one row.
    /// `padding` zeros surround each image.
    ///
    /// # Errors
    /// If images, window and kernels do not fit together.
    pub fn conv2d(
        &mut self,
        a: ValueId,
        image: Image,
        (kernels, bias): (ValueId, Option<ValueId>),
        window: Window,
        padding: usize,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values.len(), format!("conv2d({}, {})", self.short(a), self.short(kernels)));
        self.check_images(a, image)?;
        self.places(a, image, window, padding)?;
        let (product, (rows, cols)) = self.convolved(a, image, (kernels, bias), window, padding)?;
        let turn = |count, step| Loop { count, step };
        // A row for each place of each image, and a column for each channel: channels come first in an image.
        let (count, places, channels) =
            (self.value(a).shape.rows, rows * cols, self.value(product).shape.cols);
        let images = Gather {
            start: 0,
            rows: [Loop::ONCE, Loop::ONCE, turn(count, places * channels)],
            cols: [Loop::ONCE, turn(channels, 1), turn(places, channels)],
        };
        let result = self.gather(product, images)?;
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// Convolution of a tensor (n, c, h, w) by kernels (o, c, height, width) into a tensor (n, o, …), as PyTorch's
    /// `conv2d`; `bias` has o elements. See [`Program::conv2d`] for the method.
    ///
    /// # Errors
    /// If images and kernels do not fit together.
    pub fn conv2d_tensor(
        &mut self,
        a: ValueId,
        (kernels, bias): (ValueId, Option<ValueId>),
        stride: usize,
        padding: usize,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values.len(), format!("conv2d({}, {})", self.short(a), self.short(kernels)));
        let ((count, image), own) = (self.images(a)?, self.dims(kernels));
        let &[channels, of, height, width] = own.extents() else {
            return Err(self.unfit(kernels, "is no tensor of kernels (o, c, height, width)".to_owned()));
        };
        if of != image.channels {
            let what = format!(
                "has kernels of {of} channel(s), and the images of {} of shape {} have {}: a kernel spans all channels, \
                 there are no groups",
                self.short(a),
                self.dims(a),
                image.channels
            );
            return Err(self.unfit(kernels, what));
        }
        let window = Window { height, width, stride };
        self.places(a, image, window, padding)?;
        let turn = |count, step| Loop { count, step };
        let size = of * height * width;
        let columns = Gather {
            start: 0,
            rows: [Loop::ONCE, Loop::ONCE, turn(size, 1)],
            cols: [Loop::ONCE, Loop::ONCE, turn(channels, size)],
        };
        let columns = self.gather_from(kernels, columns)?;
        let of_kernels = Dims::new(&[channels]).expect("one axis");
        let bias =
            bias.map(|bias| self.reshape_to(bias, of_kernels).map_err(|_| self.unfit_bias(bias, channels)));
        let bias = bias.transpose()?;
        let matrix = self.image_rows(a, count, image)?;
        let (product, (rows, cols)) = self.convolved(matrix, image, (columns, bias), window, padding)?;
        let images = Gather {
            start: 0,
            rows: [turn(count, rows * cols * channels), turn(channels, 1), turn(rows, cols * channels)],
            cols: [Loop::ONCE, Loop::ONCE, turn(cols, channels)],
        };
        let result = self.gather(product, images)?;
        let result = self.with_dims(result, dims([count, channels, rows, cols]));
        self.parts_of(first, &label);
        self.called(result, label, None)
    }

    /// The largest element of each window of each channel of a tensor (n, c, h, w).
    ///
    /// # Errors
    /// If images and window do not fit together.
    pub fn maxpool2d_tensor(&mut self, a: ValueId, window: Window) -> Result<ValueId, ProgramError> {
        self.pooled_tensor(a, window, Program::maxpool2d)
    }

    /// The mean of each window of each channel of a tensor (n, c, h, w).
    ///
    /// # Errors
    /// If images and window do not fit together.
    pub fn avgpool2d_tensor(&mut self, a: ValueId, window: Window) -> Result<ValueId, ProgramError> {
        self.pooled_tensor(a, window, Program::avgpool2d)
    }

    fn pooled_tensor(
        &mut self,
        a: ValueId,
        window: Window,
        pool: fn(&mut Program, ValueId, Image, Window) -> Result<ValueId, ProgramError>,
    ) -> Result<ValueId, ProgramError> {
        let (count, image) = self.images(a)?;
        let (rows, cols) = self.places(a, image, window, 0)?;
        let matrix = self.image_rows(a, count, image)?;
        let result = pool(self, matrix, image, window)?;
        self.reshape_to(result, dims([count, image.channels, rows, cols]))
    }

    /// The number of images in a tensor, and their extents.
    fn images(&self, a: ValueId) -> Result<(usize, Image), ProgramError> {
        let &[count, channels, height, width] = self.dims(a).extents() else {
            return Err(self.unfit(a, "is no tensor of images (n, c, h, w)".to_owned()));
        };
        Ok((count, Image { channels, height, width }))
    }

    /// The images of a tensor as rows.
    fn image_rows(&mut self, a: ValueId, count: usize, image: Image) -> Result<ValueId, ProgramError> {
        let size = image.elements().ok_or_else(|| self.unaddressable(a))?;
        self.reshape_to(a, Shape::new(count, size).into())
    }

    /// The product of windows and kernels, a row for each place of each image, and how many places an image has.
    fn convolved(
        &mut self,
        a: ValueId,
        image: Image,
        (kernels, bias): (ValueId, Option<ValueId>),
        window: Window,
        padding: usize,
    ) -> Result<(ValueId, (usize, usize)), ProgramError> {
        let (padded, image) = self.padded(a, image, padding)?;
        let count = self.value(a).shape.rows;
        let (rows, cols) = self.places(a, image, window, 0)?;
        let (step, plane) = (window.stride, image.height * image.width);
        let turn = |count, step| Loop { count, step };
        let windows = Gather {
            start: 0,
            rows: [turn(count, image.channels * plane), turn(rows, step * image.width), turn(cols, step)],
            cols: [turn(image.channels, plane), turn(window.height, image.width), turn(window.width, 1)],
        };
        let windows = self.gather_from(padded, windows)?;
        let first = self.values.len();
        let mut product = self.matmul(windows, kernels).map_err(|error| match error {
            ProgramError::Inner(operands) => {
                let [rows, due] = [rows_as_factor(operands.right), operands.left.cols()];
                let what = format!("has {rows} rows, and a window of all channels has {due} elements");
                self.unfit(kernels, what)
            }
            error => error,
        })?;
        if let Some(bias) = bias {
            product = self.add(product, bias).map_err(|error| match error {
                ProgramError::Broadcast(operands) => self.unfit_bias(bias, operands.left.cols()),
                error => error,
            })?;
        }
        self.need_from(first);
        Ok((product, (rows, cols)))
    }

    /// The largest element of each window of each channel.
    ///
    /// # Errors
    /// If images and window do not fit together.
    pub fn maxpool2d(&mut self, a: ValueId, image: Image, window: Window) -> Result<ValueId, ProgramError> {
        let label = format!("maxpool2d({})", self.short(a));
        let windows = self.channel_windows(a, image, window)?;
        let largest = self.max_over(windows, Axis::Cols)?;
        self.pooled(a, image, window, largest, label)
    }

    /// The mean of each window of each channel.
    ///
    /// # Errors
    /// If images and window do not fit together, or the program computes on integers.
    pub fn avgpool2d(&mut self, a: ValueId, image: Image, window: Window) -> Result<ValueId, ProgramError> {
        let label = format!("avgpool2d({})", self.short(a));
        let windows = self.channel_windows(a, image, window)?;
        let first = self.values.len();
        let means = self.mean(windows, Some(Axis::Cols))?;
        self.parts_of(first, &label);
        self.pooled(a, image, window, means, label)
    }

    /// A row for each place of the window in each channel of each image.
    fn channel_windows(&mut self, a: ValueId, image: Image, window: Window) -> Result<ValueId, ProgramError> {
        self.check_images(a, image)?;
        let (rows, cols) = self.places(a, image, window, 0)?;
        let turn = |count, step| Loop { count, step };
        let (planes, step) = (self.value(a).shape.rows * image.channels, window.stride);
        let windows = Gather {
            start: 0,
            rows: [
                turn(planes, image.height * image.width),
                turn(rows, step * image.width),
                turn(cols, step),
            ],
            cols: [Loop::ONCE, turn(window.height, image.width), turn(window.width, 1)],
        };
        self.gather_from(a, windows)
    }

    fn pooled(
        &mut self,
        a: ValueId,
        image: Image,
        window: Window,
        column: ValueId,
        label: String,
    ) -> Result<ValueId, ProgramError> {
        let (rows, cols) = self.places(a, image, window, 0)?;
        let shape = Shape::new(self.value(a).shape.rows, image.channels * rows * cols);
        let result = self.reshape(column, shape)?;
        self.called(result, label, None)
    }

    /// The images with zeros around them.
    fn padded(&mut self, a: ValueId, image: Image, padding: usize) -> Result<(ValueId, Image), ProgramError> {
        if padding == 0 {
            return Ok((a, image));
        }
        let larger = image.surrounded(padding).ok_or_else(|| self.unaddressable(a))?;
        let Image { height, width, .. } = larger;
        let (size, count) =
            (larger.elements().ok_or_else(|| self.unaddressable(a))?, self.value(a).shape.rows);
        let planes = count * image.channels;
        let lines = self.reshape(a, Shape::new(planes * image.height, image.width))?;
        let lines = self.pad(lines, (0, padding), Shape::new(planes * image.height, width))?;
        let whole = self.reshape(lines, Shape::new(planes, image.height * width))?;
        let whole = self.pad(whole, (0, padding * width), Shape::new(planes, height * width))?;
        Ok((self.reshape(whole, Shape::new(count, size))?, larger))
    }

    /// Places of a window in an image with this padding around it.
    fn places(
        &self,
        a: ValueId,
        image: Image,
        window: Window,
        padding: usize,
    ) -> Result<(usize, usize), ProgramError> {
        let places = image.surrounded(padding).ok_or_else(|| self.unaddressable(a))?.places(window);
        let Window { height, width, stride } = window;
        places.ok_or_else(|| {
            let (images, padded) = (
                format!("has images of height {} and width {}", image.height, image.width),
                if padding > 0 { format!(" with a padding of {padding}") } else { String::new() },
            );
            let windows = format!("windows of height {height} and width {width}");
            self.unfit(
                a,
                match height.min(width).min(stride) {
                    0 => format!("{images}: {windows} cannot move by {stride}, all must be at least 1"),
                    _ => format!("{images}{padded}: {windows} are larger"),
                },
            )
        })
    }

    fn check_images(&self, a: ValueId, image: Image) -> Result<(), ProgramError> {
        let (cols, Image { channels, height, width }) = (self.value(a).shape.cols, image);
        if image.elements() == Some(cols) {
            return Ok(());
        }
        let what = format!(
            "has rows of {cols} elements, which are no images of {channels} channel(s), height {height} and width {width}"
        );
        Err(self.unfit(a, what))
    }

    fn unfit_bias(&self, bias: ValueId, kernels: usize) -> ProgramError {
        self.unfit(bias, format!("has not one number for each of the {kernels} kernels"))
    }

    fn unfit(&self, a: ValueId, what: String) -> ProgramError {
        let value = self.value(a);
        ProgramError::Images { label: value.label.clone(), shape: value.dims, what }
    }

    fn unaddressable(&self, a: ValueId) -> ProgramError {
        let value = self.value(a);
        ProgramError::TooLarge { label: value.label.clone(), shape: value.dims }
    }
}

fn dims(extents: [usize; 4]) -> Dims {
    Dims::new(&extents).expect("four axes")
}
