//! Steps that move, choose, compare and add: exact but for the rounding of their constants.

use super::draw::Setting;
use super::draw::{Draw, Drawn, Error, Expected, Kind, Known, broadcast, drawn};
use super::drawn_language as language;
use super::tensor::Tensor;

pub(crate) const KINDS: [Kind; 30] = [
    sum_of_two,
    sum_of_two,
    sum_with_constant,
    negative,
    integer_multiple,
    compared,
    compared_with_constant,
    larger,
    larger_than_constant,
    clipped,
    magnitude,
    chosen,
    summed,
    extreme,
    place_of_extreme,
    reordered,
    sliced,
    gathered,
    concatenated,
    one_hot,
    looked_up,
    language::sorted,
    language::placed,
    language::connected,
    language::any_or_all,
    language::summed_up,
    language::turned,
    language::floored,
    language::divided,
    language::listed,
];

pub(super) fn pair(draw: &mut Draw, known: &[Known]) -> Option<(usize, usize)> {
    let a = draw.value(known, |_| true)?;
    let b = draw.value(known, |b| broadcast(&known[a].dims, &b.dims))?;
    Some((a, b))
}

pub(super) fn exact(setting: &Setting, value: Tensor) -> Expected {
    Expected::new(setting, value, Error::None)
}

fn sum_of_two(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, b) = pair(draw, known)?;
    let sign = if draw.chance(50) { 1.0 } else { -1.0 };
    let text = format!("{} {} {}", known[a].name, if sign > 0.0 { '+' } else { '-' }, known[b].name);
    drawn(text, vec![a, b], move |of, setting| exact(setting, of[0].both(of[1], |a, b| a + sign * b)))
}

fn sum_with_constant(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, constant) = (draw.value(known, |_| true)?, constant(draw, setting));
    let name = &known[a].name;
    let (text, signs) = match draw.below(3) {
        0 => (format!("{name} + {constant}"), (1.0, 1.0)),
        1 => (format!("{name} - {constant}"), (1.0, -1.0)),
        _ => (format!("{constant} - {name}"), (-1.0, 1.0)),
    };
    drawn(text, vec![a], move |of, setting| {
        let value = of[0].each(|x| signs.0 * x + signs.1 * constant);
        Expected::new(setting, value, Error::Units(0.51, 0.0)).all(constant.abs())
    })
}

/// A constant, without a fraction among integers.
pub(super) fn constant(draw: &mut Draw, setting: &Setting) -> f64 {
    let constant = draw.constant();
    if setting.is_integer() { constant.round() } else { constant }
}

fn negative(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |_| true)?;
    drawn(format!("-{}", known[a].name), vec![a], |of, setting| exact(setting, of[0].each(|x| -x)))
}

fn integer_multiple(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, factor) = (draw.value(known, |_| true)?, draw.below(3000) as f64 - 400.0);
    drawn(format!("{} * {factor}", known[a].name), vec![a], move |of, setting| {
        exact(setting, of[0].each(|x| x * factor))
    })
}

type Relation = (&'static str, fn(f64, f64) -> bool);

const RELATIONS: [Relation; 6] = [
    ("<", |a, b| a < b),
    ("<=", |a, b| a <= b),
    (">", |a, b| a > b),
    (">=", |a, b| a >= b),
    ("==", |a, b| a == b),
    ("!=", |a, b| a != b),
];

fn compared(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let ((a, b), (sign, relation)) = (pair(draw, known)?, draw.pick(&RELATIONS));
    drawn(format!("{} {sign} {}", known[a].name, known[b].name), vec![a, b], move |of, setting| {
        let reach = of[0].both(of[1], |a, b| a - b).reach();
        exact(setting, of[0].both(of[1], |a, b| relation(a, b).into())).all(reach)
    })
}

fn compared_with_constant(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, (sign, relation)) = (draw.value(known, |_| true)?, draw.pick(&RELATIONS));
    let constant = setting.rounded(constant(draw, setting));
    drawn(format!("{} {sign} {constant}", known[a].name), vec![a], move |of, setting| {
        let reach = of[0].each(|x| x - constant).reach();
        exact(setting, of[0].each(|x| relation(x, constant).into())).all(reach)
    })
}

fn larger(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let ((a, b), largest) = (pair(draw, known)?, draw.chance(50));
    let text = format!("{}({}, {})", if largest { "max" } else { "min" }, known[a].name, known[b].name);
    drawn(text, vec![a, b], move |of, setting| {
        let reach = of[0].both(of[1], |a, b| a - b).reach();
        exact(setting, of[0].both(of[1], if largest { f64::max } else { f64::min })).all(reach)
    })
}

fn larger_than_constant(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, constant, largest) = (draw.value(known, |_| true)?, constant(draw, setting), draw.chance(50));
    let text = format!("{}({}, {constant})", if largest { "max" } else { "min" }, known[a].name);
    drawn(text, vec![a], move |of, setting| {
        let reach = of[0].each(|x| x - constant).reach();
        let of = of[0].each(|x| if largest { x.max(constant) } else { x.min(constant) });
        Expected::new(setting, of, Error::Units(0.51, 0.0)).all(reach)
    })
}

fn clipped(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let (a, low) = (draw.value(known, |_| true)?, constant(draw, setting));
    let high = low + constant(draw, setting).abs();
    drawn(format!("clip({}, {low}, {high})", known[a].name), vec![a], move |of, setting| {
        let reach = of[0].each(|x| x.abs() + low.abs() + high.abs()).reach();
        Expected::new(setting, of[0].each(|x| x.max(low).min(high)), Error::Units(0.51, 0.0)).all(reach)
    })
}

fn magnitude(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, is_abs) = (draw.value(known, |_| true)?, draw.chance(50));
    let text = format!("{}({})", if is_abs { "abs" } else { "relu" }, known[a].name);
    drawn(text, vec![a], move |of, setting| {
        let twice = if is_abs { 2.0 * of[0].reach() } else { 0.0 };
        exact(setting, of[0].each(|x| if is_abs { x.abs() } else { x.max(0.0) })).all(twice)
    })
}

fn chosen(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let condition = draw.value(known, |known| known.integer)?;
    let fits = |other: &Known| broadcast(&known[condition].dims, &other.dims);
    let x = draw.value(known, fits)?;
    let y = draw.value(known, |y| fits(y) && broadcast(&known[x].dims, &y.dims))?;
    let [c, a, b] = [condition, x, y].map(|index| &known[index].name);
    drawn(format!("select({c}, {a}, {b})"), vec![condition, x, y], |of, setting| {
        let (kept, left) = (of[0].each(|c| f64::from(c != 0.0)), of[0].each(|c| f64::from(c == 0.0)));
        let (x, y) = (kept.both(of[1], |c, x| c * x), left.both(of[2], |c, y| c * y));
        let apart = of[1].both(of[2], |x, y| x - y).reach();
        exact(setting, x.both(&y, |x, y| x + y)).all(apart)
    })
}

fn summed(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |_| true)?;
    let name = known[a].name.clone();
    let all = |of: &[&Tensor]| of[0].data.iter().map(|x| x.abs()).sum();
    if draw.chance(30) {
        return drawn(format!("sum({name})"), vec![a], move |of, setting| {
            exact(setting, Tensor::new(&[], vec![of[0].data.iter().sum()])).all(all(of))
        });
    }
    let ((axis, text), keep) = (draw.axis(&known[a])?, draw.chance(40));
    let keepdims = if keep { ", keepdims=1" } else { "" };
    drawn(format!("sum({name}, axis={text}{keepdims})"), vec![a], move |of, setting| {
        exact(setting, of[0].along(axis, keep, |x| x.iter().sum())).all(all(of))
    })
}

fn extreme(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| !known.dims.is_empty())?;
    let ((axis, text), keep, largest) = (draw.axis(&known[a])?, draw.chance(40), draw.chance(50));
    let function = if largest { "max" } else { "min" };
    let keepdims = if keep { ", keepdims=1" } else { "" };
    drawn(format!("{function}({}, axis={text}{keepdims})", known[a].name), vec![a], move |of, setting| {
        let best = if largest { f64::max } else { f64::min };
        let reduced = of[0].along(axis, keep, |x| x.iter().copied().reduce(best).unwrap_or(0.0));
        exact(setting, reduced).all(2.0 * of[0].reach())
    })
}

fn place_of_extreme(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| !known.dims.is_empty())?;
    let ((axis, text), largest) = (draw.axis(&known[a])?, draw.chance(50));
    let function = if largest { "argmax" } else { "argmin" };
    drawn(format!("{function}({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        let place = |x: &[f64]| {
            let sign = if largest { 1.0 } else { -1.0 };
            let best = x.iter().map(|x| sign * x).fold(f64::MIN, f64::max);
            x.iter().position(|x| sign * x == best).unwrap_or(0) as f64
        };
        exact(setting, of[0].along(axis, false, place)).all(2.0 * of[0].reach())
    })
}

fn reordered(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| !known.dims.is_empty())?;
    let (name, dims) = (known[a].name.clone(), known[a].dims.clone());
    let mut order: Vec<usize> = (0..dims.len()).rev().collect();
    if draw.chance(40) {
        return drawn(format!("{name}.T"), vec![a], move |of, setting| {
            exact(setting, of[0].permuted(&order))
        });
    }
    if draw.chance(50) {
        let turn = draw.below(order.len());
        order.rotate_left(turn);
        let axes = order.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        return drawn(format!("transpose({name}, {axes})"), vec![a], move |of, setting| {
            exact(setting, of[0].permuted(&order))
        });
    }
    // Another shape of as many elements.
    let len: usize = dims.iter().product();
    let divisors: Vec<usize> = (1..=len).filter(|divisor| len.is_multiple_of(*divisor)).collect();
    let first = if len > 0 { draw.pick(&divisors) } else { return None };
    let to = if draw.chance(50) { vec![first, len / first] } else { vec![1, first, len / first] };
    let extents = to.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    drawn(format!("reshape({name}, {extents})"), vec![a], move |of, setting| {
        exact(setting, of[0].reshaped(&to))
    })
}

fn sliced(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| !known.dims.is_empty() && !known.dims.contains(&0))?;
    let dims = known[a].dims.clone();
    let count = 1 + draw.below(dims.len());
    // For each of the first axes the indices that stay, and whether the axis is dropped.
    let (mut texts, mut parts) = (Vec::new(), Vec::new());
    for &extent in &dims[..count] {
        let start = draw.below(extent);
        let end = start + 1 + draw.below(extent - start);
        let step = 1 + draw.below(2);
        let (text, indices, dropped) = match draw.below(4) {
            0 => (start.to_string(), vec![start], true),
            1 => (format!("{}", start as i64 - extent as i64), vec![start], true),
            2 => (format!("{start}:{end}:{step}"), (start..end).step_by(step).collect(), false),
            _ => (":".to_owned(), (0..extent).collect(), false),
        };
        texts.push(text);
        parts.push((indices, dropped));
    }
    drawn(format!("{}[{}]", known[a].name, texts.join(", ")), vec![a], move |of, setting| {
        let taken = (0..count).fold(of[0].clone(), |tensor: Tensor, axis| tensor.taken(axis, &parts[axis].0));
        let kept = |(axis, &extent): (usize, &usize)| {
            (!parts.get(axis).is_some_and(|(_, dropped)| *dropped)).then_some(extent)
        };
        let dims: Vec<usize> = taken.dims.iter().enumerate().filter_map(kept).collect();
        exact(setting, taken.reshaped(&dims))
    })
}

fn gathered(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| !known.dims.is_empty() && !known.dims.contains(&0))?;
    let (axis, text) = draw.axis(&known[a])?;
    let extent = known[a].dims[axis];
    let indices: Vec<usize> = (0..1 + draw.below(4)).map(|_| draw.below(extent)).collect();
    let list = indices.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    drawn(format!("gather({}, [{list}], axis={text})", known[a].name), vec![a], move |of, setting| {
        exact(setting, of[0].taken(axis, &indices))
    })
}

fn concatenated(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| !known.dims.is_empty())?;
    let (axis, text) = draw.axis(&known[a])?;
    let dims = &known[a].dims;
    let fits = |other: &Known| {
        other.dims.len() == dims.len() && (0..dims.len()).all(|at| at == axis || dims[at] == other.dims[at])
    };
    let b = draw.value(known, fits)?;
    let text = format!("concat({}, {}, axis={text})", known[a].name, known[b].name);
    drawn(text, vec![a, b], move |of, setting| exact(setting, of[0].joined(of[1], axis)))
}

fn one_hot(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| known.integer && known.dims.len() < 4)?;
    let count = 1 + draw.below(5);
    drawn(format!("one_hot({}, {count})", known[a].name), vec![a], move |of, setting| {
        let dims = [&of[0].dims[..], &[count]].concat();
        let hit = |place: &[usize]| {
            let (&at, index) = place.split_last().expect("an axis");
            f64::from(of[0].at(index) == at as f64)
        };
        exact(setting, Tensor::of(&dims, hit)).all(of[0].reach())
    })
}

fn looked_up(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let index = draw.value(known, |known| known.integer && known.dims.len() < 4)?;
    let table = draw.value(known, |known| known.dims.len() == 2 && known.dims[0] > 0)?;
    let text = format!("lookup({}, {})", known[table].name, known[index].name);
    drawn(text, vec![table, index], |of, setting| {
        let dims = [&of[1].dims[..], &of[0].dims[1..]].concat();
        let row = |place: &[usize]| {
            let (&col, index) = place.split_last().expect("an axis");
            let row = of[1].at(index);
            let is_there = row >= 0.0 && row < of[0].dims[0] as f64;
            if is_there { of[0].at(&[row as usize, col]) } else { 0.0 }
        };
        exact(setting, Tensor::of(&dims, row)).all(of[1].reach())
    })
}
