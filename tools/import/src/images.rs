//! Convolutions, pools and padding.

use crate::call::{Call, Shared, Value};
use crate::lower::{Lowered, Lowering, list};
use crate::moves::Move;

/// The window of a convolution or a pool along one axis.
#[derive(Clone, Copy, Debug)]
struct Side {
    /// Its elements.
    kernel: usize,
    dilation: usize,
    stride: usize,
    /// Places before and behind the image.
    before: usize,
    behind: usize,
}

impl Side {
    /// Its extent, holes included.
    fn size(self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// The number of its places over an extent; the last may reach beyond what surrounds an image, where `overhangs`.
    fn places(self, extent: usize, overhangs: bool) -> Result<usize, String> {
        let padded = extent + self.before + self.behind;
        let more = if overhangs { self.stride - 1 } else { 0 };
        let moves = (padded + more)
            .checked_sub(self.size())
            .ok_or_else(|| format!("a window of {} on {padded}", self.size()))?;
        let last = moves / self.stride;
        // A place begins in the image or before it.
        let begun = (extent + self.before).saturating_sub(1) / self.stride;
        Ok(if overhangs { last.min(begun) } else { last } + 1)
    }
}

/// The most that a stride, a dilation or a padding is: beyond, no image is.
const MOST: usize = 1 << 16;

/// An attribute with so many numbers.
fn numbers(call: &Call, name: &str, count: usize, default: usize) -> Result<Vec<usize>, String> {
    let given = call.integers(name)?;
    if given.is_empty() {
        return Ok(vec![default; count]);
    }
    let numbers: Option<Vec<usize>> =
        given.iter().map(|&number| usize::try_from(number).ok().filter(|&number| number <= MOST)).collect();
    numbers.filter(|numbers| numbers.len() == count).ok_or_else(|| format!("{name} = {given:?}"))
}

/// Windows along each axis by their strides and dilations, with nothing around the image.
fn bare(call: &Call, kernel: &[usize], image: &[usize]) -> Result<Vec<Side>, String> {
    let axes = kernel.len();
    if axes != image.len() || !(1..=2).contains(&axes) {
        return Err(format!("{} spatial axes", image.len()));
    }
    let (strides, dilations) = (numbers(call, "strides", axes, 1)?, numbers(call, "dilations", axes, 1)?);
    let side = |axis: usize| {
        if strides[axis] == 0 || dilations[axis] == 0 || kernel[axis] == 0 {
            return Err("a window without extent or movement".to_owned());
        }
        Ok(Side {
            kernel: kernel[axis],
            dilation: dilations[axis],
            stride: strides[axis],
            before: 0,
            behind: 0,
        })
    };
    (0..axes).map(side).collect()
}

/// What surrounds an image along each axis, before and behind; `missing` is as much as `auto_pad` puts there.
fn surrounded(
    call: &Call,
    sides: Vec<Side>,
    missing: impl Fn(usize, Side) -> usize,
) -> Result<Vec<Side>, String> {
    let pads = numbers(call, "pads", 2 * sides.len(), 0)?;
    let auto = call.text("auto_pad", "NOTSET")?;
    let count = sides.len();
    let around = |(axis, side): (usize, Side)| {
        let missing = missing(axis, side);
        let (before, behind) = match auto.as_str() {
            "NOTSET" => (pads[axis], pads[count + axis]),
            "VALID" => (0, 0),
            "SAME_UPPER" => (missing / 2, missing.div_ceil(2)),
            "SAME_LOWER" => (missing.div_ceil(2), missing / 2),
            other => return Err(format!("auto_pad = {}", other.escape_debug())),
        };
        Ok(Side { before, behind, ..side })
    };
    sides.into_iter().enumerate().map(around).collect()
}

/// The windows along each axis of an image; `kernel` has its extents.
fn sides(call: &Call, kernel: &[usize], image: &[usize]) -> Result<Vec<Side>, String> {
    surrounded(call, bare(call, kernel, image)?, |axis, side| {
        let needed = (image[axis].div_ceil(side.stride).max(1) - 1) * side.stride + side.size();
        needed.saturating_sub(image[axis])
    })
}

/// A named argument of all axes, if it is not what it is otherwise.
fn argument(name: &str, numbers: &[usize], default: usize) -> String {
    match numbers {
        all if all.iter().all(|&number| number == default) => String::new(),
        [first, rest @ ..] if rest.iter().all(|number| number == first) => format!(", {name}={first}"),
        all => format!(", {name}=({})", list(all)),
    }
}

/// The arguments by which windows move, but for their strides.
fn moving(sides: &[Side]) -> String {
    let around: Vec<usize> = sides.iter().flat_map(|side| [side.before, side.behind]).collect();
    let dilations: Vec<usize> = sides.iter().map(|side| side.dilation).collect();
    argument("padding", &around, 0) + &argument("dilation", &dilations, 1)
}

fn strides(sides: &[Side], default: usize) -> String {
    argument("stride", &sides.iter().map(|side| side.stride).collect::<Vec<_>>(), default)
}

/// The text of a value with a number before and behind it along an axis.
fn bordered(text: &str, (axis, before, behind): (usize, usize, usize), value: f64) -> String {
    let value = if value == 0.0 { String::new() } else { format!(", value={value:?}") };
    format!("pad({text}, {before}, {behind}, axis={axis}{value})")
}

/// A name for the parameter that an input of a node is.
fn parameter(l: &mut Lowering, call: &Call, at: usize) -> Result<String, String> {
    let tensor = call.constant(at)?.clone();
    let input = &call.node.inputs[at];
    l.parameter_called(&tensor, input.rsplit("::").next().unwrap_or(input))
}

/// Images, kernels and the number that stands for all results, as arguments, with the groups of channels.
fn factors(l: &mut Lowering, call: &Call, x: &Shared) -> Result<String, String> {
    let mut text = format!("{}, {}", l.plain(x)?, parameter(l, call, 1)?);
    if call.has(2) {
        text += &format!(", {}", parameter(l, call, 2)?);
    }
    Ok(text)
}

/// The extents of images and of kernels, and the number of groups, which divides the channels.
fn grouped(call: &Call) -> Result<(Shared, Vec<usize>, usize), String> {
    let x = call.shared(0)?.clone();
    let window = call.constant(1).map_err(|_| "kernels that depend on data".to_owned())?.dims.clone();
    if x.dims.len() != window.len() || x.dims.len() < 3 {
        return Err(format!("images {:?} and kernels {window:?}", x.dims));
    }
    let divides = |groups: &usize| *groups > 0 && window[0] % groups == 0 && x.dims[1] % groups == 0;
    let groups = usize::try_from(call.whole("group", 1)?).ok().filter(divides);
    Ok((x, window, groups.ok_or("group does not divide the channels")?))
}

pub(crate) fn conv(l: &mut Lowering, call: &Call) -> Lowered {
    let (x, window, groups) = grouped(call)?;
    if window[1].checked_mul(groups) != Some(x.dims[1]) {
        return Err(format!("images {:?} and kernels {window:?} in {groups} group(s)", x.dims));
    }
    let sides = sides(call, &window[2..], &x.dims[2..])?;
    let places = sides.iter().zip(&x.dims[2..]).map(|(side, &extent)| side.places(extent, false));
    let dims = [vec![x.dims[0], window[0]], places.collect::<Result<_, _>>()?].concat();
    let function = if sides.len() == 1 { "conv1d" } else { "conv2d" };
    let mut text = format!("{function}({}", factors(l, call, &x)?);
    text += &(strides(&sides, 1) + &moving(&sides) + &argument("groups", &[groups], 1));
    Ok(vec![l.step(text + ")", &dims, false)])
}

/// `ConvTranspose`: `output_shape` says what is cut off, or put behind.
pub(crate) fn conv_transpose(l: &mut Lowering, call: &Call) -> Lowered {
    let (x, window, groups) = grouped(call)?;
    if window[0] != x.dims[1] {
        return Err(format!("images {:?} and kernels {window:?} in {groups} group(s)", x.dims));
    }
    let image = &x.dims[2..];
    let bare = bare(call, &window[2..], image)?;
    let mut more = numbers(call, "output_padding", bare.len(), 0)?;
    let due = numbers(call, "output_shape", bare.len(), 0)?;
    let spread = |axis: usize, side: Side| {
        let last = image[axis].checked_sub(1).ok_or_else(|| "an image without elements".to_owned())?;
        let wide = last.checked_mul(side.stride).and_then(|wide| wide.checked_add(side.size() + more[axis]));
        wide.ok_or_else(|| format!("images {image:?}"))
    };
    let wide = bare.iter().enumerate().map(|(axis, &side)| spread(axis, side));
    let mut wide = wide.collect::<Result<Vec<_>, _>>()?;
    let sides = if due.iter().all(|&extent| extent == 0) {
        surrounded(call, bare, |axis, side| {
            wide[axis].saturating_sub(image[axis].saturating_mul(side.stride))
        })?
    } else {
        // What is too wide is cut off on both sides, and what is not wide enough has zeros behind it.
        let upper = call.text("auto_pad", "NOTSET")? == "SAME_UPPER";
        let mut sides = bare;
        for (axis, side) in sides.iter_mut().enumerate() {
            let off = wide[axis].saturating_sub(due[axis]);
            let (less, larger) = (off / 2, off.div_ceil(2));
            (side.before, side.behind) = if upper { (less, larger) } else { (larger, less) };
            let missing = due[axis].saturating_sub(wide[axis]);
            more[axis] += missing;
            wide[axis] += missing;
        }
        sides
    };
    let kept = sides.iter().zip(&wide).map(|(side, &wide)| {
        wide.checked_sub(side.before + side.behind)
            .filter(|&kept| kept > 0)
            .ok_or("nothing is left of its result")
    });
    let channels = window[1].checked_mul(groups).ok_or_else(|| format!("kernels {window:?}"))?;
    let dims = [vec![x.dims[0], channels], kept.collect::<Result<_, _>>()?].concat();
    let function = if sides.len() == 1 { "conv_transpose1d" } else { "conv_transpose2d" };
    let mut text = format!("{function}({}", factors(l, call, &x)?);
    text += &(strides(&sides, 1) + &moving(&sides));
    text += &(argument("output_padding", &more, 0) + &argument("groups", &[groups], 1));
    Ok(vec![l.step(text + ")", &dims, false)])
}

/// A pool over images (n, c, h, w), or over sequences (n, c, l) as images of one row.
fn pool(l: &mut Lowering, call: &Call, function: &str, more: &str) -> Lowered {
    call.only("storage_order", 0)?;
    if call.node.outputs.iter().skip(1).any(|output| !output.is_empty()) {
        return Err("its indices are taken".to_owned());
    }
    let x = call.shared(0)?.clone();
    let kernel: Option<Vec<usize>> = call
        .integers("kernel_shape")?
        .iter()
        .map(|&size| usize::try_from(size).ok().filter(|&size| size <= MOST))
        .collect();
    let kernel = kernel.ok_or("kernel_shape is negative")?;
    let image =
        x.dims.get(2..).filter(|image| !image.is_empty()).ok_or_else(|| format!("images {:?}", x.dims))?;
    let mut sides = sides(call, &kernel, image)?;
    let overhangs = call.whole("ceil_mode", 0)? != 0;
    let places = sides.iter().zip(image).map(|(side, &extent)| side.places(extent, overhangs));
    let dims = [x.dims[..2].to_vec(), places.collect::<Result<_, _>>()?].concat();
    if sides.iter().any(|side| side.before >= side.size() || side.behind >= side.size()) {
        return Err("a padding that is as wide as its window".to_owned());
    }
    let mut name = l.plain(&x)?;
    let is_line = sides.len() == 1;
    if is_line {
        name = format!("reshape({name}, {})", list(&[x.dims[0], x.dims[1], 1, x.dims[2]]));
        sides.insert(0, Side { kernel: 1, dilation: 1, stride: 1, before: 0, behind: 0 });
    }
    let kernels: Vec<usize> = sides.iter().map(|side| side.kernel).collect();
    let mut text = format!("{function}({name}{}", argument("size", &kernels, 0));
    // Without a stride windows move by their own extents.
    text += &(strides(&sides, 0) + &moving(&sides));
    if overhangs {
        text += ", ceil_mode=True";
    }
    if sides.iter().any(|side| side.before + side.behind > 0) {
        text += more;
    }
    text += ")";
    let text = if is_line { format!("reshape({text}, {})", list(&dims)) } else { text };
    Ok(vec![l.step(text, &dims, false)])
}

pub(crate) fn max_pool(l: &mut Lowering, call: &Call) -> Lowered {
    pool(l, call, "maxpool2d", "")
}

pub(crate) fn average_pool(l: &mut Lowering, call: &Call) -> Lowered {
    let counts = call.whole("count_include_pad", 0)? != 0;
    pool(l, call, "avgpool2d", if counts { "" } else { ", count_include_pad=False" })
}

/// A mean or the largest of all places of each channel.
pub(crate) fn global_pool(l: &mut Lowering, call: &Call, function: &str) -> Lowered {
    let x = call.shared(0)?.clone();
    let places =
        x.dims.get(2..).filter(|places| !places.is_empty()).ok_or_else(|| format!("images {:?}", x.dims))?;
    let flat = [x.dims[0], x.dims[1], places.iter().product()];
    let dims = [&x.dims[..2], &vec![1; places.len()][..]].concat();
    let name = l.plain(&x)?;
    let text = format!("reshape({function}(reshape({name}, {}), axis=2), {})", list(&flat), list(&dims));
    Ok(vec![l.step(text, &dims, false)])
}

/// `Pad`: by zeros, or by elements that are there.
pub(crate) fn pad(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let rank = x.dims.len();
    let pads = call.wholes(1, "pads")?.ok_or("pads are missing")?;
    let axes: Vec<usize> = match call.wholes(3, "pads_axes")? {
        Some(axes) => axes.iter().map(|&axis| crate::moves::index(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let pads: Option<Vec<usize>> =
        pads.iter().map(|&pad| usize::try_from(pad).ok().filter(|&pad| pad <= MOST)).collect();
    let pads = pads.filter(|pads| pads.len() == 2 * axes.len()).ok_or("pads are negative or too few")?;
    let mode = call.text("mode", "constant")?;
    let sides = || {
        axes.iter()
            .enumerate()
            .map(|(at, &axis)| (axis, pads[at], pads[axes.len() + at]))
            .filter(|side| side.1 + side.2 > 0)
    };
    if mode == "constant" {
        let value = if call.has(2) {
            call.constant(2)?.uniform().ok_or("its value is no number")?
        } else {
            call.real("value", 0.0)?
        };
        let (mut text, mut dims) = (l.plain(&x)?, x.dims.clone());
        let all: Vec<(usize, usize, usize)> = sides().collect();
        let Some((&last, others)) = all.split_last() else { return Ok(vec![Value::Shared(x)]) };
        for &side in others {
            dims[side.0] += side.1 + side.2;
            text = l.part("padded", bordered(&text, side, value), &dims, false).name;
        }
        dims[last.0] += last.1 + last.2;
        return Ok(vec![l.step(bordered(&text, last, value), &dims, false)]);
    }
    let place = |at: i64, extent: i64| match mode.as_str() {
        "edge" => Some(at.clamp(0, extent - 1)),
        "wrap" => Some(at.rem_euclid(extent)),
        "reflect" if extent > 1 => {
            let turn = at.rem_euclid(2 * extent - 2);
            Some(turn.min(2 * extent - 2 - turn))
        }
        _ => None,
    };
    let mut moves = Vec::new();
    for (axis, before, behind) in sides() {
        let extent = x.dims[axis] as i64;
        let places =
            (-(before as i64)..extent + behind as i64).map(|at| place(at, extent).map(|at| at as usize));
        let places: Option<Vec<usize>> = places.collect();
        moves.push(Move::Take {
            axis,
            places: places.ok_or_else(|| format!("mode = {}", mode.escape_debug()))?,
        });
    }
    let moved: Shared = l.moved(&x, &moves)?;
    Ok(vec![Value::Shared(moved)])
}
