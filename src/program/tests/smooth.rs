//! Steps that multiply, divide and approximate: within their stated errors.

use super::draw::{Draw, Drawn, Error, Expected, Kind, Known, Setting, broadcast, drawn};
use super::shapes::constant;
use super::tensor::Tensor;
use crate::program::{Image, Side, Window};

pub(crate) const KINDS: [Kind; 23] = [
    product,
    product,
    matrix_product,
    matrix_product,
    multiple,
    multiple,
    quotient,
    quotient,
    constant_over,
    leaky,
    mean,
    variance,
    elementwise,
    elementwise,
    elementwise,
    elementwise,
    softmax,
    layernorm,
    batchnorm,
    convolution,
    pooled,
    affine,
    assumed,
];

fn product(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |_| true)?;
    let b = if draw.chance(15) { a } else { draw.value(known, |b| broadcast(&known[a].dims, &b.dims))? };
    drawn(format!("{} * {}", known[a].name, known[b].name), vec![a, b], |of, setting| {
        let value = of[0].both(of[1], |a, b| a * b);
        let reach = value.reach();
        Expected::new(setting, value, Error::Units(2.0, 0.0)).product(reach)
    })
}

fn matrix_product(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| !a.dims.is_empty())?;
    let inner = *known[a].dims.last()?;
    let batch = |dims: &[usize]| dims[..dims.len().saturating_sub(2)].to_vec();
    let fits = |b: &Known| {
        let rows = if b.dims.len() < 2 { b.dims.last() } else { b.dims.get(b.dims.len() - 2) };
        rows == Some(&inner) && broadcast(&batch(&known[a].dims), &batch(&b.dims))
    };
    let (b, turned) = match draw.value(known, fits) {
        Some(b) => (b, false),
        // With its own transpose, if it is a matrix.
        None => (a, known[a].dims.len() == 2),
    };
    if !turned && !fits(&known[b]) {
        return None;
    }
    let text = format!("{} @ {}{}", known[a].name, known[b].name, if turned { ".T" } else { "" });
    drawn(text, vec![a, b], move |of, setting| {
        let right = if turned { of[1].permuted(&[1, 0]) } else { of[1].clone() };
        let value = of[0].product(&right, |a, b| a * b);
        let reach = of[0].product(&right, |a, b| (a * b).abs()).reach();
        let bound = of[0].dims.last().map_or(0, |&inner| inner) as f64 * of[0].reach() * right.reach();
        Expected::new(setting, value, Error::Units(2.0, 0.0)).product(reach).bound(bound)
    })
}

/// Whether the true multiple says what rounding leaves of a product with a public number.
fn multiple(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, factor) = (draw.value(known, |_| true)?, constant(draw, setting));
    let name = &known[a].name;
    let (text, factor) = match draw.below(3) {
        0 => (format!("{name} / {factor}"), 1.0 / factor),
        1 => (format!("{factor} * {name}"), factor),
        _ => (format!("{name} * {factor:e}"), factor),
    };
    drawn(text, vec![a], move |of, setting| {
        let error = Error::Units(3.0, setting.of_multiples());
        Expected::new(setting, of[0].each(|x| x * factor), error)
    })
}

fn quotient(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |_| true)?;
    let b = draw.value(known, |b| broadcast(&known[a].dims, &b.dims))?;
    drawn(format!("{} / {}", known[a].name, known[b].name), vec![a, b], |of, setting| {
        let value = of[0].both(of[1], |a, b| if b == 0.0 { 0.0 } else { a / b });
        let reach = value.reach();
        Expected::new(setting, value, Error::Stated(8e-5, 4e-5, 2e-2)).quotient(reach)
    })
}

fn constant_over(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, constant) = (draw.value(known, |_| true)?, constant(draw, setting));
    let is_one = draw.chance(40);
    let (text, constant) = match is_one {
        true => (format!("reciprocal({})", known[a].name), 1.0),
        false => (format!("{constant} / {}", known[a].name), constant),
    };
    drawn(text, vec![a], move |of, setting| {
        let value = of[0].each(|x| if x == 0.0 { 0.0 } else { constant / x });
        // The least divisors count as zero where the quotient would leave the ring.
        let outside = value.reach() * 4.0 >= setting.codec.limit();
        Expected::new(setting, value, Error::Stated(3e-5, 3e-6, 6e-3)).outside(outside)
    })
}

fn leaky(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, slope) = (draw.value(known, |_| true)?, constant(draw, setting));
    drawn(format!("leaky_relu({}, {slope})", known[a].name), vec![a], move |of, setting| {
        let value = of[0].each(|x| if x < 0.0 { x * slope } else { x });
        Expected::new(setting, value, Error::Units(3.0, setting.of_multiples()))
    })
}

fn mean(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| !a.dims.contains(&0))?;
    let of_all = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (name, error) = (&known[a].name, |setting: &Setting| Error::Units(5.0, setting.of_multiples()));
    let all = |of: &[&Tensor]| of[0].data.iter().map(|x| x.abs()).sum();
    if draw.chance(30) {
        return drawn(format!("mean({name})"), vec![a], move |of, setting| {
            let value = Tensor::new(&[], vec![of_all(&of[0].data)]);
            Expected::new(setting, value, error(setting)).all(all(of))
        });
    }
    let ((axis, text), keep) = (draw.axis(&known[a])?, draw.chance(40));
    let keepdims = if keep { ", keepdims=1" } else { "" };
    drawn(format!("mean({name}, axis={text}{keepdims})"), vec![a], move |of, setting| {
        Expected::new(setting, of[0].along(axis, keep, of_all), error(setting)).all(all(of))
    })
}

fn variance_of(x: &[f64]) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64
}

fn variance(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| !a.dims.contains(&0))?;
    let ((axis, text), keep) = (draw.axis(&known[a])?, draw.chance(40));
    let keepdims = if keep { ", keepdims=1" } else { "" };
    drawn(format!("var({}, axis={text}{keepdims})", known[a].name), vec![a], move |of, setting| {
        let value = of[0].along(axis, keep, variance_of);
        let reach = value.reach();
        let all = of[0].dims[axis] as f64 * of[0].reach();
        Expected::new(setting, value, Error::Stated(4e-5, 4e-5, 1e-2)).product(reach).all(all)
    })
}

/// A function of each element: its name, itself, its errors, and where it is.
type Function = (&'static str, fn(f64, &Setting) -> f64, Error, fn(f64, &Setting) -> bool);

const EVERYWHERE: fn(f64, &Setting) -> bool = |_, _| true;
const NOT_NEGATIVE: fn(f64, &Setting) -> bool = |x, _| x >= 0.0;

const FUNCTIONS: [Function; 8] = [
    (
        "exp",
        |x, _| x.exp(),
        Error::Stated(7e-5, 7e-5, 2.2e-2),
        |x, setting| {
            let is_far = setting.is_wide() && setting.codec.fraction_bits() <= 16;
            x <= if is_far { 20.0 } else { 8.0 }
        },
    ),
    ("log", |x, setting| x.max(setting.unit()).ln(), Error::Stated(3e-5, 0.0, 6.5e-3), NOT_NEGATIVE),
    ("sqrt", |x, _| x.max(0.0).sqrt(), Error::Stated(3e-5, 1e-6, 4.1e-3), NOT_NEGATIVE),
    (
        "rsqrt",
        |x, _| if x > 0.0 { 1.0 / x.sqrt() } else { 0.0 },
        Error::Stated(3e-5, 1e-6, 4.2e-3),
        NOT_NEGATIVE,
    ),
    ("sigmoid", |x, _| sigmoid(x), Error::Stated(3e-5, 0.0, 5e-3), EVERYWHERE),
    ("tanh", |x, _| x.tanh(), Error::Stated(6e-5, 0.0, 1e-2), EVERYWHERE),
    ("gelu", |x, _| gelu(x), Error::Stated(4e-5, 0.0, 6e-3), EVERYWHERE),
    ("silu", |x, _| x * sigmoid(x), Error::Stated(7e-5, 0.0, 5.7e-3), EVERYWHERE),
];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// x·Φ(x), by the series of Φ.
fn gelu(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.max(0.0);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    x * (0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt())
}

fn elementwise(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, (name, truth, error, is_inside)) = (draw.value(known, |_| true)?, draw.pick(&FUNCTIONS));
    drawn(format!("{name}({})", known[a].name), vec![a], move |of, setting| {
        let outside = !of[0].data.iter().all(|&x| is_inside(x, setting));
        let value = of[0].each(|x| truth(x, setting));
        Expected::new(setting, value, error).all(2.0 * of[0].reach()).outside(outside)
    })
}

fn softmax(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| !a.dims.contains(&0))?;
    let (axis, text) = draw.axis(&known[a])?;
    drawn(format!("softmax({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        let powers = |x: &[f64]| {
            let most = x.iter().copied().fold(f64::MIN, f64::max);
            let powers: Vec<f64> = x.iter().map(|x| (x - most).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(|power| power / sum).collect()
        };
        let value = of[0].through(axis, powers);
        Expected::new(setting, value, Error::Stated(3e-5, 0.0, 6e-3)).all(2.0 * of[0].reach())
    })
}

fn layernorm(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| !a.dims.contains(&0))?;
    let (axis, text) = draw.axis(&known[a])?;
    let epsilon = draw.pick(&[1e-5, 1e-3, 0.125]);
    let text = format!("layernorm({}, axis={text}, eps={epsilon})", known[a].name);
    drawn(text, vec![a], move |of, setting| {
        let variances = of[0].along(axis, true, variance_of);
        let value = of[0].through(axis, |x| {
            let (mean, variance) = (x.iter().sum::<f64>() / x.len() as f64, variance_of(x));
            x.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
        });
        // Of less the distances themselves have few bits, and of more the variance has too many.
        let inside = setting.least_variance()..setting.most_of_layers();
        let outside = !variances.data.iter().all(|variance| inside.contains(variance));
        let all = of[0].dims[axis] as f64 * of[0].reach();
        Expected::new(setting, value, Error::Stated(1e-4, 0.0, 6e-3))
            .product(variances.reach())
            .all(all)
            .unstated(outside)
    })
}

/// A normalisation with scale and offset.
fn affine(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| !a.dims.is_empty() && !a.dims.contains(&0))?;
    let last = &known[a].dims[known[a].dims.len() - 1..];
    let mut part = || draw.value(known, |part| part.dims == last);
    let (scale, offset) = (part()?, part()?);
    let text = format!("layernorm({}, {}, {})", known[a].name, known[scale].name, known[offset].name);
    drawn(text, vec![a, scale, offset], |of, setting| {
        let axis = of[0].rank() - 1;
        let normal = of[0].through(axis, |x| {
            let (mean, variance) = (x.iter().sum::<f64>() / x.len() as f64, variance_of(x));
            x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt()).collect()
        });
        let value = normal.both(of[1], |x, scale| x * scale).both(of[2], |x, offset| x + offset);
        let variances = of[0].along(axis, true, variance_of);
        let inside = setting.least_variance()..setting.most_of_layers();
        let few = !variances.data.iter().all(|variance| inside.contains(variance));
        let mut expected = Expected::new(setting, value, Error::Stated(1e-4, 0.0, 6e-3));
        // The scale multiplies the error.
        expected.slack = expected.slack.both(of[1], |slack, scale| slack * (1.0 + scale.abs()));
        let all = of[0].dims[axis] as f64 * of[0].reach();
        let reach = variances.reach().max(2.0 * normal.reach() * of[1].reach());
        expected.product(reach).all(all).unstated(few)
    })
}

fn assumed(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, low) = (draw.value(known, |_| true)?, constant(draw, setting));
    let high = low + draw.real(0.0, 20.0).exp2().ceil();
    drawn(format!("assume({}, {low}, {high})", known[a].name), vec![a], move |of, setting| {
        let outside = !of[0].data.iter().all(|x| (low..=high).contains(x));
        Expected::new(setting, of[0].clone(), Error::None).assumed(outside)
    })
}

fn batchnorm(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| a.dims.len() > 1)?;
    let channels = known[a].dims[1];
    let mut part = || draw.value(known, |part| part.dims == [channels]);
    let parts = [part()?, part()?, part()?, part()?];
    let [mean, variance, scale, offset] = parts;
    let text = format!(
        "batchnorm({}, {}, {}, {}, {})",
        known[a].name, known[mean].name, known[variance].name, known[scale].name, known[offset].name
    );
    drawn(text, vec![a, mean, variance, scale, offset], move |of, setting| {
        let mut extents = vec![1; of[0].rank() - 1];
        extents[0] = channels;
        let channel = |index: usize| of[index].reshaped(&extents);
        let distance = of[0].both(&channel(1), |x, mean| x - mean);
        let inverse = channel(2).each(|variance| 1.0 / (variance.max(0.0) + 1e-5).sqrt());
        let factor = inverse.both(&channel(3), |inverse, scale| inverse * scale);
        let scaled = distance.both(&factor, |distance, factor| distance * factor);
        let inside = setting.least_variance()..=setting.most_variance();
        let outside = !of[2].data.iter().all(|variance| inside.contains(variance));
        let reach = scaled.reach().max(factor.reach());
        let value = scaled.both(&channel(4), |scaled, offset| scaled + offset);
        Expected::new(setting, value, Error::Stated(1e-4, 1e-4, 6.3e-3)).product(reach).unstated(outside)
    })
}

/// How a window of this size moves, and the arguments that say so.
fn moves(draw: &mut Draw, [height, width]: [usize; 2]) -> (Window, String) {
    let mut two = |least: usize, most: usize| [0; 2].map(|_| least + draw.below(most - least + 1));
    let (strides, dilations, [top, bottom], [left, right]) = (two(1, 2), two(1, 2), two(0, 1), two(0, 1));
    let side = |at: usize, size| Side::new(size, strides[at]).dilated(dilations[at]);
    let window =
        Window { height: side(0, height).padded(top, bottom), width: side(1, width).padded(left, right) };
    let text = format!(
        "stride=({}, {}), padding=({top}, {bottom}, {left}, {right}), dilation=({}, {})",
        strides[0], strides[1], dilations[0], dilations[1]
    );
    (window, text)
}

fn image(of: &Known) -> Image {
    let [_, channels, height, width] = of.dims[..] else { panic!("images") };
    Image { channels, height, width }
}

fn convolution(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| a.dims.len() == 4 && a.dims.iter().all(|&extent| extent > 0))?;
    let channels = known[a].dims[1];
    let fits = |w: &Known| {
        let has_all = w.dims.len() == 4 && w.dims.iter().all(|&extent| extent > 0);
        has_all && channels.is_multiple_of(w.dims[1]) && w.dims[0].is_multiple_of(channels / w.dims[1])
    };
    let w = draw.value(known, fits)?;
    let (window, text) = moves(draw, [known[w].dims[2], known[w].dims[3]]);
    image(&known[a]).places(window)?;
    let groups = channels / known[w].dims[1];
    let text = format!("conv2d({}, {}, {text}, groups={groups})", known[a].name, known[w].name);
    drawn(text, vec![a, w], move |of, setting| {
        let value = of[0].convolved(of[1], window, |x, w| x * w);
        let reach = of[0].convolved(of[1], window, |x, w| (x * w).abs()).reach();
        let inner: usize = of[1].dims[1..].iter().product();
        let bound = inner as f64 * of[0].reach() * of[1].reach();
        Expected::new(setting, value, Error::Units(2.0, 0.0)).product(reach).bound(bound)
    })
}

fn pooled(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |a| a.dims.len() == 4 && a.dims.iter().all(|&extent| extent > 0))?;
    let size = [2, 3].map(|axis| 1 + draw.below(known[a].dims[axis]));
    let (mut window, text) = moves(draw, size);
    let (largest, ceil, counts) = (draw.chance(50), draw.chance(50), draw.chance(50));
    [window.height.overhangs, window.width.overhangs] = [ceil; 2];
    let ways = image(&known[a]).ways(window)?;
    if ways.into_iter().any(|way| way.inside().any(|elements| elements == 0)) {
        return None;
    }
    let flag = |set: bool| if set { "True" } else { "False" };
    let text =
        format!("{}, size=({}, {}), {text}, ceil_mode={}", known[a].name, size[0], size[1], flag(ceil));
    let text = match largest {
        true => format!("maxpool2d({text})"),
        false => format!("avgpool2d({text}, count_include_pad={})", flag(counts)),
    };
    drawn(text, vec![a], move |of, setting| {
        let all = (size[0] * size[1]) as f64 * of[0].reach();
        if largest {
            let value = of[0].windows(window, |x| x.iter().flatten().copied().fold(f64::MIN, f64::max));
            return Expected::new(setting, value, Error::None).all(2.0 * of[0].reach());
        }
        let [rows, cols] = ways.map(|way| match counts {
            true => way.counted().collect::<Vec<_>>(),
            false => way.inside().collect(),
        });
        let sums = of[0].windows(window, |x| x.iter().flatten().sum());
        let value = Tensor::of(&sums.dims, |at| sums.at(at) / (rows[at[2]] * cols[at[3]]) as f64);
        Expected::new(setting, value, Error::Units(5.0, setting.of_multiples())).all(all)
    })
}
