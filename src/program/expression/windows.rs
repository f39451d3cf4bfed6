//! Windows of calls: convolutions and pools, and the numbers that say how they move.
//!
//! A number stands for both axes, and two for height and width. Places around an image are one number for all sides, two
//! for those above and below and those beside, or four in the order top, bottom, left, right; around a sequence, one
//! number, or two in the order before, behind.

use super::StepErrorKind;
use super::call::{Applied, Call, Given};
use crate::program::{Image, Kernels, Program, ProgramError, Side, ValueId, Window};

type Added = Result<ValueId, ProgramError>;

impl Call {
    /// The numbers of a named argument.
    fn several(&self, name: &str, default: usize) -> Result<Vec<usize>, StepErrorKind> {
        match self.given(name) {
            None => Ok(vec![default]),
            Some(Given::One(number)) => Ok(vec![self.as_whole(*number, name)?]),
            Some(Given::Several(all)) => all.iter().map(|number| self.as_whole(*number, name)).collect(),
        }
    }

    /// A number for height and width.
    fn pair(&self, name: &str, default: usize) -> Result<[usize; 2], StepErrorKind> {
        match self.several(name, default)?[..] {
            [both] => Ok([both; 2]),
            [height, width] => Ok([height, width]),
            ref all => {
                let due = "one number is due, or two for height and width";
                Err(self.wrong(&format!("{name} has {} numbers, and {due}", all.len())))
            }
        }
    }

    /// The places around an image: before and behind its rows, and its columns.
    fn around(&self) -> Result<[[usize; 2]; 2], StepErrorKind> {
        match self.several("padding", 0)?[..] {
            [all] => Ok([[all; 2]; 2]),
            [rows, cols] => Ok([[rows; 2], [cols; 2]]),
            [top, bottom, left, right] => Ok([[top, bottom], [left, right]]),
            ref all => {
                let due =
                    "one number is due, two for height and width, or four for top, bottom, left and right";
                Err(self.wrong(&format!("padding has {} numbers, and {due}", all.len())))
            }
        }
    }

    /// A window of these extents, which moves by so much where the call does not say how far.
    fn window(&self, size: [usize; 2], stride: [usize; 2]) -> Result<Window, StepErrorKind> {
        let strides = if self.is_given("stride") { self.pair("stride", 1)? } else { stride };
        let (dilations, around) = (self.pair("dilation", 1)?, self.around()?);
        let overhangs = self.flag("ceil_mode")?;
        let [height, width] = [0, 1].map(|at| {
            let [before, behind] = around[at];
            let side = Side::new(size[at], strides[at]).dilated(dilations[at]).padded(before, behind);
            Side { overhangs, ..side }
        });
        Ok(Window { height, width })
    }

    /// The window of a sequence, without its length, which is that of the kernels.
    fn side(&self) -> Result<Side, StepErrorKind> {
        let (before, behind) = match self.several("padding", 0)?[..] {
            [both] => (both, both),
            [before, behind] => (before, behind),
            ref all => {
                let due = "one number is due, or two for before and behind";
                return Err(self.wrong(&format!("padding has {} numbers, and {due}", all.len())));
            }
        };
        let side = Side::new(1, self.number_or("stride", 1)?).dilated(self.number_or("dilation", 1)?);
        Ok(side.padded(before, behind))
    }

    fn kernels(&self) -> Result<Kernels, StepErrorKind> {
        let bias = if self.count() == 2 { None } else { Some(self.matrix(2)?) };
        Ok(Kernels::new(self.matrix(1)?, bias).in_groups(self.number_or("groups", 1)?))
    }

    /// A convolution of images in rows, where their extents are given, or of a tensor.
    pub(super) fn conv2d(&self, program: &mut Program) -> Applied {
        let (a, kernels) = (self.matrix(0)?, self.kernels()?);
        let Some(image) = self.image(program, a)? else {
            return Ok(program.conv2d_tensor(a, kernels, self.window([1; 2], [1; 2])?)?);
        };
        let size = self.size("kernel")?;
        Ok(program.conv2d(a, image, kernels, self.window(size, [1; 2])?)?)
    }

    /// A convolution of sequences.
    pub(super) fn conv1d(&self, program: &mut Program) -> Applied {
        Ok(program.conv1d(self.matrix(0)?, self.kernels()?, self.side()?)?)
    }

    /// A transposed convolution of a tensor of images.
    pub(super) fn conv_transpose2d(&self, program: &mut Program) -> Applied {
        let [rows, cols] = self.pair("output_padding", 0)?;
        let window = self.window([1; 2], [1; 2])?;
        Ok(program.conv_transpose2d(self.matrix(0)?, self.kernels()?, window, (rows, cols))?)
    }

    /// A transposed convolution of sequences.
    pub(super) fn conv_transpose1d(&self, program: &mut Program) -> Applied {
        let more = self.number_or("output_padding", 0)?;
        Ok(program.conv_transpose1d(self.matrix(0)?, self.kernels()?, self.side()?, more)?)
    }

    /// A pool of a tensor, or of images in rows, where their extents are given.
    pub(super) fn pool(
        &self,
        program: &mut Program,
        of_tensor: impl FnOnce(&mut Program, ValueId, Window) -> Added,
        of_rows: impl FnOnce(&mut Program, ValueId, Image, Window) -> Added,
    ) -> Applied {
        let (a, size) = (self.matrix(0)?, self.size("size")?);
        let window = self.window(size, size)?;
        Ok(match self.image(program, a)? {
            None => of_tensor(program, a, window)?,
            Some(image) => of_rows(program, a, image, window)?,
        })
    }

    /// The extents of a window, which must be given.
    fn size(&self, name: &str) -> Result<[usize; 2], StepErrorKind> {
        if self.is_given(name) { self.pair(name, 1) } else { Err(self.wrong(&format!("{name} is missing"))) }
    }

    /// The extents of images in rows; none where none are given.
    fn image(&self, program: &Program, a: ValueId) -> Result<Option<Image>, StepErrorKind> {
        const OF_ROWS: [&str; 4] = ["channels", "height", "width", "kernel"];
        let Some(name) = OF_ROWS.into_iter().find(|name| self.is_given(name)) else { return Ok(None) };
        let dims = program.dims(a);
        if dims.rank() == 4 {
            let label = &program.value(a).label;
            return Err(self.wrong(&format!("{label} of shape {dims} has its extents: leave out {name}")));
        }
        let [channels, height, width] = ["channels", "height", "width"].map(|name| self.number(name));
        Ok(Some(Image { channels: channels?, height: height?, width: width? }))
    }
}
