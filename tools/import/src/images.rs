//! Convolutions, pools and padding.
//!
//! Steps convolve with one stride and the same number of zeros on all sides. Other strides are cut out of a denser
//! result, other zeros are joined to the image, and kernels with holes or groups are filled with zeros: exact, if dearer.

use crate::call::{Call, Shared, Value};
use crate::lower::{Lowered, Lowering, list};
use crate::moves::Move;
use crate::tensor::{Tensor, steps};

/// The window of a convolution or a pool along one axis.
#[derive(Clone, Copy, Debug)]
struct Side {
    /// Its extent, holes included.
    size: usize,
    stride: usize,
    /// Places before and behind the image.
    before: usize,
    behind: usize,
}

impl Side {
    /// The number of its places over an extent.
    fn places(self, extent: usize) -> Result<usize, String> {
        let padded = extent + self.before + self.behind;
        let moves =
            padded.checked_sub(self.size).ok_or_else(|| format!("a window of {} on {padded}", self.size))?;
        Ok(moves / self.stride + 1)
    }
}

/// The most that a stride, a dilation or a padding is: beyond, no image is.
const MOST: usize = 1 << 16;

/// The windows along each axis of an image; `kernel` has its extents.
fn sides(call: &Call, kernel: &[usize], image: &[usize]) -> Result<Vec<Side>, String> {
    let axes = kernel.len();
    if axes != image.len() || !(1..=2).contains(&axes) {
        return Err(format!("{} spatial axes", image.len()));
    }
    let numbers = |name: &str, count: usize, default: usize| -> Result<Vec<usize>, String> {
        let given = call.integers(name)?;
        if given.is_empty() {
            return Ok(vec![default; count]);
        }
        let numbers: Option<Vec<usize>> = given
            .iter()
            .map(|&number| usize::try_from(number).ok().filter(|&number| number <= MOST))
            .collect();
        numbers.filter(|numbers| numbers.len() == count).ok_or_else(|| format!("{name} = {given:?}"))
    };
    let (strides, dilations) = (numbers("strides", axes, 1)?, numbers("dilations", axes, 1)?);
    let pads = numbers("pads", 2 * axes, 0)?;
    let auto = call.text("auto_pad", "NOTSET")?;
    (0..axes)
        .map(|axis| {
            if strides[axis] == 0 || dilations[axis] == 0 || kernel[axis] == 0 {
                return Err("a window without extent or movement".to_owned());
            }
            let (size, stride) = ((kernel[axis] - 1) * dilations[axis] + 1, strides[axis]);
            let needed = (image[axis].div_ceil(stride).max(1) - 1) * stride + size;
            let missing = needed.saturating_sub(image[axis]);
            let (before, behind) = match auto.as_str() {
                "NOTSET" => (pads[axis], pads[axes + axis]),
                "VALID" => (0, 0),
                "SAME_UPPER" => (missing / 2, missing.div_ceil(2)),
                "SAME_LOWER" => (missing.div_ceil(2), missing / 2),
                other => return Err(format!("auto_pad = {}", other.escape_debug())),
            };
            Ok(Side { size, stride, before, behind })
        })
        .collect()
}

/// The text of a value with a number before and behind it along an axis.
fn bordered(text: &str, (axis, before, behind): (usize, usize, usize), value: f64) -> String {
    let value = if value == 0.0 { String::new() } else { format!(", value={value:?}") };
    format!("pad({text}, {before}, {behind}, axis={axis}{value})")
}

/// A value with zeros around it, as a step of its own where there are any.
fn padded(l: &mut Lowering, text: String, dims: &[usize], axes: &[(usize, usize, usize)]) -> String {
    let mut text = text;
    let mut dims = dims.to_vec();
    for &(axis, before, behind) in axes {
        if before + behind > 0 {
            dims[axis] += before + behind;
            text = l.part("padded", bordered(&text, (axis, before, behind), 0.0), &dims, false).name;
        }
    }
    text
}

/// Kernels (o, c/groups, …) as those of one group without holes.
fn dense(kernels: &Tensor, groups: usize, dilations: &[usize]) -> Result<Tensor, String> {
    let dims = &kernels.dims;
    if groups == 1 && dilations.iter().all(|&dilation| dilation == 1) {
        return Ok(kernels.clone());
    }
    let values = kernels.reals().ok_or("kernels of strings")?;
    let mut to = dims.clone();
    to[1] *= groups;
    for (extent, &dilation) in to[2..].iter_mut().zip(dilations) {
        *extent = (*extent - 1) * dilation + 1;
    }
    let count = crate::fold::count(&to)?;
    let (own, wide) = (steps(dims), steps(&to));
    let mut filled = vec![0.0; count];
    for (at, &value) in values.iter().enumerate() {
        let place: Vec<usize> = (0..dims.len()).map(|axis| at / own[axis] % dims[axis]).collect();
        let group = place[0] * groups / dims[0];
        let mut target = place[0] * wide[0] + (group * dims[1] + place[1]) * wide[1];
        for axis in 2..dims.len() {
            target += place[axis] * dilations[axis - 2] * wide[axis];
        }
        filled[target] = value;
    }
    Ok(Tensor::real(&to, filled).kept(kernels.private))
}

pub(crate) fn conv(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let kernels = call.constant(1).map_err(|_| "kernels that depend on data".to_owned())?.clone();
    let (image, window) = (&x.dims, &kernels.dims);
    if image.len() != window.len() || image.len() < 3 {
        return Err(format!("images {image:?} and kernels {window:?}"));
    }
    let groups =
        usize::try_from(call.whole("group", 1)?).ok().filter(|&groups| groups > 0 && window[0] % groups == 0);
    let groups = groups.ok_or("group does not divide the kernels")?;
    if window[1].checked_mul(groups) != Some(image[1]) {
        return Err(format!("images {image:?} and kernels {window:?} in {groups} group(s)"));
    }
    let sides = sides(call, &window[2..], &image[2..])?;
    let holes: Vec<usize> = call.integers("dilations")?.iter().map(|&dilation| dilation as usize).collect();
    let holes = if holes.is_empty() { vec![1; sides.len()] } else { holes };
    let mut kernels = dense(&kernels, groups, &holes)?;
    let places: Vec<usize> =
        sides.iter().zip(&image[2..]).map(|(side, &extent)| side.places(extent)).collect::<Result<_, _>>()?;
    let dims = [&[image[0], window[0]], &places[..]].concat();
    let mut text = l.plain(&x)?;
    // A sequence is an image of one row.
    let mut flat = image.clone();
    let (height, width) = match sides[..] {
        [width] => {
            flat = vec![image[0], image[1], 1, image[2]];
            text = format!("reshape({text}, {})", list(&flat));
            let own = kernels.dims.clone();
            kernels = kernels.with_dims(vec![own[0], own[1], 1, own[2]]);
            (Side { size: 1, stride: width.stride, before: 0, behind: 0 }, width)
        }
        [height, width] => (height, width),
        _ => return Err("more than two spatial axes".to_owned()),
    };
    let around = [height.before, height.behind, width.before, width.behind];
    let padding = if around == [around[0]; 4] { around[0] } else { 0 };
    if padding != around[0] || padding != around[3] || padding != around[1] {
        text = padded(l, text, &flat, &[(2, height.before, height.behind), (3, width.before, width.behind)]);
    }
    let stride = if height.stride == width.stride { height.stride } else { 1 };
    let input = &call.node.inputs[1];
    let weights = l.parameter_called(&kernels, input.rsplit("::").next().unwrap_or(input))?;
    let mut arguments = format!("{text}, {weights}");
    if call.has(2) {
        let bias = call.constant(2)?.clone();
        let input = &call.node.inputs[2];
        arguments += &format!(", {}", l.parameter_called(&bias, input.rsplit("::").next().unwrap_or(input))?);
    }
    if stride != 1 {
        arguments += &format!(", stride={stride}");
    }
    if padding != 0 {
        arguments += &format!(", padding={padding}");
    }
    let mut text = format!("conv2d({arguments})");
    if stride == 1 && (height.stride, width.stride) != (1, 1) {
        text = format!("{text}[:, :, ::{}, ::{}]", height.stride, width.stride);
    }
    if sides.len() == 1 {
        text = format!("reshape({text}, {})", list(&dims));
    }
    Ok(vec![l.step(text, &dims, false)])
}

/// The windows of a pool over images (n, c, h, w), or sequences (n, c, l) as images of one row.
struct Pool {
    text: String,
    /// The extents as an image.
    image: Vec<usize>,
    sides: [Side; 2],
    /// The extents of the result.
    dims: Vec<usize>,
}

fn pool(l: &Lowering, call: &Call) -> Result<Pool, String> {
    call.only("storage_order", 0)?;
    if call.integers("dilations")?.iter().any(|&dilation| dilation != 1) {
        return Err(format!("dilations = {:?}", call.integers("dilations")?));
    }
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
    if call.whole("ceil_mode", 0)? != 0 {
        for (side, &extent) in sides.iter_mut().zip(image) {
            let padded = extent + side.before + side.behind;
            if padded.saturating_sub(side.size) % side.stride != 0 {
                return Err("ceil_mode = 1 with a window that ends outside".to_owned());
            }
        }
    }
    let places: Vec<usize> =
        sides.iter().zip(image).map(|(side, &extent)| side.places(extent)).collect::<Result<_, _>>()?;
    if sides.iter().any(|side| side.before >= side.size || side.behind >= side.size) {
        return Err("a padding that is as wide as its window".to_owned());
    }
    let dims = [&x.dims[..2], &places[..]].concat();
    let name = l.plain(&x)?;
    Ok(match sides[..] {
        [side] => {
            let image = vec![x.dims[0], x.dims[1], 1, x.dims[2]];
            let text = format!("reshape({name}, {})", list(&image));
            Pool { text, image, sides: [Side { size: 1, stride: 1, before: 0, behind: 0 }, side], dims }
        }
        [height, width] => Pool { text: name, image: x.dims.clone(), sides: [height, width], dims },
        _ => return Err("more than two spatial axes".to_owned()),
    })
}

impl Pool {
    fn padding(&self) -> [(usize, usize, usize); 2] {
        let [height, width] = self.sides;
        [(2, height.before, height.behind), (3, width.before, width.behind)]
    }

    /// The arguments of a function that pools by square windows, if these are.
    fn square(&self) -> Option<String> {
        let [height, width] = self.sides;
        let is_square = height.size == width.size && height.stride == width.stride;
        is_square.then(|| format!("size={}, stride={}", height.size, height.stride))
    }

    /// The windows along one axis: one slice for each place in them.
    fn slices(&self, text: &str, at: usize) -> Vec<String> {
        let (side, axis) = (self.sides[at], at + 2);
        let count = self.image[axis] + side.before + side.behind - side.size;
        let stride = if side.stride == 1 { String::new() } else { format!(":{}", side.stride) };
        (0..side.size)
            .map(|start| format!("{text}[{}{start}:{}{stride}]", ":, ".repeat(axis), start + count + 1))
            .collect()
    }

    fn done(self, l: &mut Lowering, text: String) -> Lowered {
        let text = if self.dims.len() == 3 { format!("reshape({text}, {})", list(&self.dims)) } else { text };
        Ok(vec![l.step(text, &self.dims, false)])
    }
}

pub(crate) fn max_pool(l: &mut Lowering, call: &Call) -> Lowered {
    let pool = pool(l, call)?;
    // The outermost elements, repeated, are in every window that reaches beyond them.
    let mut text = pool.text.clone();
    let mut dims = pool.image.clone();
    for (axis, before, behind) in pool.padding() {
        if before + behind > 0 {
            let extent = dims[axis];
            let places: Vec<usize> =
                (0..before + extent + behind).map(|at| at.saturating_sub(before).min(extent - 1)).collect();
            dims[axis] = places.len();
            text = l
                .part("padded", format!("gather({text}, [{}], axis={axis})", list(&places)), &dims, false)
                .name;
        }
    }
    if let Some(window) = pool.square() {
        return pool.done(l, format!("maxpool2d({text}, {window})"));
    }
    for at in 0..2 {
        if pool.sides[at].size == 1 && pool.sides[at].stride == 1 {
            continue;
        }
        let mut all = pool.slices(&text, at);
        while all.len() > 1 {
            all = all
                .chunks(2)
                .map(|pair| if let [a, b] = pair { format!("max({a}, {b})") } else { pair[0].clone() })
                .collect();
        }
        dims[at + 2] = pool.sides[at].places(pool.image[at + 2])?;
        text = l.part("largest", all.remove(0), &dims, false).name;
    }
    pool.done(l, text)
}

pub(crate) fn average_pool(l: &mut Lowering, call: &Call) -> Lowered {
    let pool = pool(l, call)?;
    let counts_padding = call.whole("count_include_pad", 0)? != 0;
    let text = padded(l, pool.text.clone(), &pool.image, &pool.padding());
    let [height, width] = pool.sides;
    let mut means = match pool.square() {
        Some(window) => format!("avgpool2d({text}, {window})"),
        None => {
            let mut dims = pool.image.clone();
            let mut text = text;
            for at in 0..2 {
                dims[at + 2] = pool.sides[at].places(pool.image[at + 2])?;
                text = l.part("sum", pool.slices(&text, at).join(" + "), &dims, false).name;
            }
            format!("{text} / {}", height.size * width.size)
        }
    };
    if pool.padding().iter().any(|&(_, before, behind)| before + behind > 0) && !counts_padding {
        // Means of what is there: windows at the border have less.
        let there = |side: Side, extent: usize| -> Result<Vec<f64>, String> {
            let inside = |at: usize| {
                (at * side.stride..at * side.stride + side.size)
                    .filter(|&at| at >= side.before && at < side.before + extent)
                    .count()
            };
            Ok((0..side.places(extent)?).map(|at| side.size as f64 / inside(at) as f64).collect())
        };
        let (rows, cols) = (there(height, pool.image[2])?, there(width, pool.image[3])?);
        let factors = rows.iter().flat_map(|row| cols.iter().map(move |col| row * col)).collect();
        let factors = l.parameter(&Tensor::real(&[rows.len(), cols.len()], factors), "border")?;
        means = format!("({means}) * {factors}");
    }
    pool.done(l, means)
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
