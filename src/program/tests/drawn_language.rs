//! Steps that sort, connect, accumulate, turn and divide: exact.

use super::draw::{Draw, Drawn, Expected, Known, Setting, drawn};
use super::shapes::{exact, pair};
use super::tensor::Tensor;

/// A value with an axis, and one of its axes.
fn along(draw: &mut Draw, known: &[Known]) -> Option<(usize, usize, String)> {
    let a = draw.value(known, |known| !known.dims.is_empty())?;
    let (axis, text) = draw.axis(&known[a])?;
    Some((a, axis, text))
}

pub(super) fn sorted(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, axis, text) = along(draw, known)?;
    drawn(format!("sort({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        let sorted = of[0].through(axis, |x| {
            let mut x = x.to_vec();
            x.sort_by(f64::total_cmp);
            x
        });
        exact(setting, sorted).all(2.0 * of[0].reach())
    })
}

pub(super) fn placed(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, axis, text) = along(draw, known)?;
    drawn(format!("argsort({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        let places = of[0].through(axis, |x| {
            let mut places: Vec<usize> = (0..x.len()).collect();
            places.sort_by(|&a, &b| x[a].partial_cmp(&x[b]).expect("numbers"));
            places.into_iter().map(|place| place as f64).collect()
        });
        exact(setting, places).all(2.0 * of[0].reach())
    })
}

/// A word between truths, and what it says of two of them.
type Connective = (&'static str, fn(bool, bool) -> bool);

pub(super) fn connected(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, b) = pair(draw, known)?;
    let connectives: [Connective; 4] =
        [("and", |a, b| a && b), ("or", |a, b| a || b), ("xor", |a, b| a != b), ("and not", |a, b| a && !b)];
    let (word, connect) = draw.pick(&connectives);
    drawn(format!("{} {word} {}", known[a].name, known[b].name), vec![a, b], move |of, setting| {
        let value = of[0].both(of[1], |a, b| connect(a != 0.0, b != 0.0).into());
        exact(setting, value).all(of[0].reach().max(of[1].reach()))
    })
}

pub(super) fn any_or_all(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let ((a, axis, text), any) = (along(draw, known)?, draw.chance(50));
    let name = if any { "any" } else { "all" };
    drawn(format!("{name}({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        let holds = |x: &[f64]| {
            if any { x.iter().any(|x| *x != 0.0) } else { x.iter().all(|x| *x != 0.0) }
        };
        exact(setting, of[0].along(axis, false, |x| holds(x).into())).all(of[0].reach())
    })
}

pub(super) fn summed_up(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, axis, text) = along(draw, known)?;
    drawn(format!("cumsum({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        let sums = |x: &[f64]| {
            let mut sum = 0.0;
            x.iter()
                .map(|x| {
                    sum += x;
                    sum
                })
                .collect()
        };
        let reach = of[0].through(axis, |x| vec![x.iter().map(|x| x.abs()).sum(); x.len()]).reach();
        exact(setting, of[0].through(axis, sums)).all(reach)
    })
}

pub(super) fn turned(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, axis, text) = along(draw, known)?;
    let extent = known[a].dims[axis];
    drawn(format!("flip({}, axis={text})", known[a].name), vec![a], move |of, setting| {
        exact(setting, of[0].taken(axis, &(0..extent).rev().collect::<Vec<_>>()))
    })
}

pub(super) fn floored(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, rounds) = (draw.value(known, |_| true)?, draw.chance(50));
    let name = if rounds { "round" } else { "floor" };
    drawn(format!("{name}({})", known[a].name), vec![a], move |of, setting| {
        let half = if rounds { 0.5 } else { 0.0 };
        exact(setting, of[0].each(|x| (x + half).floor())).all(2.0 * of[0].reach())
    })
}

/// By a power of two, or another number whose quotients are right up to a magnitude.
pub(super) fn divided(draw: &mut Draw, known: &[Known], _: &Setting) -> Option<Drawn> {
    let (a, rest) = (draw.value(known, |_| true)?, draw.chance(50));
    let (divisor, integer) = (draw.pick(&[1.0, 2.0, 3.0, 7.0, 8.0, 10.0, 100.0, 1000.0]), known[a].integer);
    let text = format!("{} {} {divisor}", known[a].name, if rest { "%" } else { "//" });
    drawn(text, vec![a], move |of, setting| {
        let unit = if integer { 1.0 } else { setting.unit() };
        let (bits, elements): (f64, f64) = (f64::from(setting.codec.ring().bits()), divisor / unit);
        let room = ((bits - 2.0 + elements.log2()) / 2.0).ceil() - 1.0;
        let is_power = elements.log2().fract() == 0.0;
        let outside = !is_power && of[0].reach() >= room.exp2() * unit;
        let value = of[0].each(|x| {
            let quotient = (x / divisor).floor();
            if rest { x - quotient * divisor } else { quotient }
        });
        Expected::outside(exact(setting, value), outside).all(2.0 * of[0].reach())
    })
}

/// A list of numbers beside a value.
pub(super) fn listed(draw: &mut Draw, known: &[Known], setting: &Setting) -> Option<Drawn> {
    let a = draw.value(known, |known| known.dims.last().is_some_and(|&extent| extent > 0))?;
    let extent = *known[a].dims.last()?;
    let scale = if setting.is_integer() { 1.0 } else { 2.0 };
    let numbers: Vec<f64> = (0..extent).map(|_| (draw.below(40) as f64 - 12.0) / scale).collect();
    let list = numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    drawn(format!("{} + [{list}]", known[a].name), vec![a], move |of, setting| {
        let list = Tensor::new(&[numbers.len()], numbers.clone());
        exact(setting, of[0].both(&list, |a, b| a + b)).all(40.0)
    })
}
