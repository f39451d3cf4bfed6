//! What does not fit of images, windows and kernels, in the words of who wrote them.

use super::images::Kernels;
use super::window::{Image, Side, Way, Window};
use super::{Program, ProgramError, ValueId};

/// Groups are refused above this many: each is a product of its own.
const MOST_GROUPS: usize = 4096;

/// An axis by its name, with the extent of images and the window along it.
pub(super) type Along = (&'static str, usize, Side);

/// An argument of each axis: one number where all are the same.
fn of_all(numbers: &[usize]) -> String {
    if numbers.iter().all(|number| *number == numbers[0]) {
        return numbers[0].to_string();
    }
    let all: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("({})", all.join(", "))
}

fn extents(axes: &[Along], of: fn(&Along) -> usize) -> String {
    let each: Vec<String> = axes.iter().map(|along| format!("{} {}", along.0, of(along))).collect();
    each.join(" and ")
}

/// Images by their extents, with what surrounds them where it is not nothing.
fn images(axes: &[Along]) -> (String, String) {
    let noun = if axes.len() == 1 { "sequences" } else { "images" };
    let around: Vec<usize> = axes.iter().flat_map(|(_, _, side)| [side.before, side.behind]).collect();
    let padding = if around.iter().any(|&places| places > 0) {
        format!(" with a padding of {}", of_all(&around))
    } else {
        String::new()
    };
    (format!("has {noun} of {}", extents(axes, |along| along.1)), padding)
}

/// Windows by their extents, with the distance of their elements where these are no neighbours.
fn windows(axes: &[Along]) -> String {
    let dilations: Vec<usize> = axes.iter().map(|(_, _, side)| side.dilation).collect();
    let apart = if dilations.iter().any(|&dilation| dilation != 1) {
        format!(" with a dilation of {}", of_all(&dilations))
    } else {
        String::new()
    };
    format!("windows of {}{apart}", extents(axes, |along| along.2.size))
}

impl Program {
    /// Places of a window in an image.
    pub(super) fn ways(&self, a: ValueId, image: Image, window: Window) -> Result<[Way; 2], ProgramError> {
        let axes = [("height", image.height, window.height), ("width", image.width, window.width)];
        let ways = image.ways(window).ok_or_else(|| self.misfit(a, &axes))?;
        let [height, width] = ways.map(|way| way.wide);
        let wide = Image { height, width, ..image };
        wide.elements().map(|_| ways).ok_or_else(|| self.unaddressable(a))
    }

    /// The reason why windows have no place.
    pub(super) fn misfit(&self, a: ValueId, axes: &[Along]) -> ProgramError {
        if let Some(unmoved) = self.unmoved(a, axes) {
            return unmoved;
        }
        let (images, padding) = images(axes);
        self.unfit(a, format!("{images}{padding}: {} are larger", windows(axes)))
    }

    /// The reason why a transposed convolution has no result.
    pub(super) fn unspread(&self, a: ValueId, axes: &[Along]) -> ProgramError {
        if let Some(unmoved) = self.unmoved(a, axes) {
            return unmoved;
        }
        let (images, padding) = images(axes);
        self.unfit(a, format!("{images}{padding}: {} leave nothing of the result", windows(axes)))
    }

    /// The reason why a pool has a window without an element.
    pub(super) fn unfilled(&self, a: ValueId, image: Image, window: Window) -> ProgramError {
        let axes = [("height", image.height, window.height), ("width", image.width, window.width)];
        let (images, padding) = images(&axes);
        self.unfit(
            a,
            format!("{images}{padding}: some of the {} have no element of an image", windows(&axes)),
        )
    }

    fn unmoved(&self, a: ValueId, axes: &[Along]) -> Option<ProgramError> {
        axes.iter().find(|(_, _, side)| !side.moves())?;
        let strides: Vec<usize> = axes.iter().map(|(_, _, side)| side.stride).collect();
        let (images, windows) = (images(axes).0, windows(axes));
        let what = format!("{images}: {windows} cannot move by {}, all must be at least 1", of_all(&strides));
        Some(self.unfit(a, what))
    }

    pub(super) fn check_images(&self, a: ValueId, image: Image) -> Result<(), ProgramError> {
        let (cols, Image { channels, height, width }) = (self.value(a).shape.cols, image);
        if image.elements() == Some(cols) {
            return Ok(());
        }
        let what = format!(
            "has rows of {cols} elements, which are no images of {channels} channel(s), height {height} and width {width}"
        );
        Err(self.unfit(a, what))
    }

    /// The channels and the length of sequences, and the extents of kernels of one axis.
    pub(super) fn sequences(
        &self,
        a: ValueId,
        kernels: Kernels,
        due: &str,
    ) -> Result<[usize; 5], ProgramError> {
        let &[_, channels, length] = self.dims(a).extents() else {
            return Err(self.unfit(a, "is no tensor of sequences (n, c, l)".to_owned()));
        };
        let &[outer, inner, size] = self.dims(kernels.weights).extents() else {
            return Err(self.unfit(kernels.weights, format!("is no tensor of kernels {due}")));
        };
        Ok([channels, length, outer, inner, size])
    }

    /// Refuses groups that do not divide the channels of images, and of results.
    pub(super) fn check_groups(
        &self,
        a: ValueId,
        channels: usize,
        kernels: Kernels,
        results: usize,
    ) -> Result<(), ProgramError> {
        let (noun, groups) = (self.noun(a), kernels.groups);
        if groups > MOST_GROUPS {
            let what = format!("is convolved in {groups} groups: there are at most {MOST_GROUPS}");
            return Err(self.unfit(a, what));
        }
        let divides = |count: usize| count.checked_rem(groups) == Some(0);
        if !divides(channels) {
            let what = format!("has {noun} of {channels} channel(s), which {groups} groups do not divide");
            return Err(self.unfit(a, what));
        }
        if !divides(results) {
            let what = format!("has kernels for {results} channel(s), which {groups} groups do not divide");
            return Err(self.unfit(kernels.weights, what));
        }
        Ok(())
    }

    /// Refuses kernels of so many results, each of so many channels, that are not those of a group.
    pub(super) fn check_kernels(
        &self,
        a: ValueId,
        channels: usize,
        kernels: Kernels,
        (results, of): (usize, usize),
    ) -> Result<(), ProgramError> {
        self.check_groups(a, channels, kernels, results)?;
        let groups = kernels.groups;
        if of.checked_mul(groups) == Some(channels) {
            return Ok(());
        }
        let fitting = channels.checked_div(of).filter(|&fitting| fitting * of == channels);
        let fitting = fitting.filter(|&fitting| fitting > 0 && results % fitting == 0);
        let due = match groups {
            1 => "a kernel spans all channels".to_owned(),
            _ => format!("a kernel spans the {} of one of {groups} groups", channels / groups),
        };
        let remedy = fitting.map_or(String::new(), |fitting| format!("; with groups={fitting} they fit"));
        let what = format!("has kernels of {of} channel(s), and {}: {due}{remedy}", self.have(a, channels));
        Err(self.unfit(kernels.weights, what))
    }

    /// Refuses kernels of a transposed convolution that are not those of so many channels.
    pub(super) fn check_transposed(
        &self,
        a: ValueId,
        channels: usize,
        kernels: Kernels,
        from: usize,
    ) -> Result<(), ProgramError> {
        if from != channels {
            let what = format!("has kernels for {from} channel(s), and {}", self.have(a, channels));
            return Err(self.unfit(kernels.weights, what));
        }
        self.check_groups(a, channels, kernels, channels)
    }

    fn have(&self, a: ValueId, channels: usize) -> String {
        format!("the {} of {} of shape {} have {channels}", self.noun(a), self.short(a), self.dims(a))
    }

    fn noun(&self, a: ValueId) -> &'static str {
        if self.dims(a).rank() == 3 { "sequences" } else { "images" }
    }

    pub(super) fn unfit_bias(&self, bias: ValueId, kernels: usize) -> ProgramError {
        self.unfit(bias, format!("has not one number for each of the {kernels} kernels"))
    }

    pub(super) fn unfit(&self, a: ValueId, what: String) -> ProgramError {
        let value = self.value(a);
        ProgramError::Images { label: value.label.clone(), shape: value.dims, what }
    }

    pub(super) fn unaddressable(&self, a: ValueId) -> ProgramError {
        let value = self.value(a);
        ProgramError::TooLarge { label: value.label.clone(), shape: value.dims }
    }
}
