//! Ops on each element: arithmetic, activations, comparisons and choices.

use crate::call::{Call, Shared, Value};
use crate::fold::{self, Folded, paired};
use crate::lower::{Lowered, Lowering, NEVER, literal};
use crate::moves::expanded;
use crate::read::Attribute;
use crate::tensor::{Data, Tensor, broadcast};

/// The extents of what two inputs give together.
fn both(call: &Call, a: usize, b: usize) -> Result<Vec<usize>, String> {
    let (left, right) = (call.dims(a)?, call.dims(b)?);
    broadcast(&left, &right).ok_or_else(|| format!("{left:?} and {right:?} do not broadcast"))
}

/// The texts of two operands of an elementwise step. A public number stands for a constant, so the other operand is
/// repeated to the extents of the result where it has not got them.
fn operands(l: &mut Lowering, call: &Call, a: usize, b: usize) -> Result<([String; 2], Vec<usize>), String> {
    let dims = both(call, a, b)?;
    let mut texts = [String::new(), String::new()];
    for (text, (own, other)) in texts.iter_mut().zip([(a, b), (b, a)]) {
        let value = call.value(own)?.clone();
        let is_number = match call.value(other)? {
            Value::Constant(tensor) => l.number(&tensor.clone()).is_some(),
            _ => false,
        };
        *text = match value {
            Value::Shared(shared) if is_number && shared.dims != dims => {
                let moves = expanded(&shared.dims, &dims)?;
                wide(l, &shared, &moves)?
            }
            _ => l.operand_of(call, own, &dims)?,
        };
    }
    Ok((texts, dims))
}

fn wide(l: &mut Lowering, shared: &Shared, moves: &[crate::moves::Move]) -> Result<String, String> {
    let hint = l.hint().to_owned();
    l.turn_to("", &format!("{hint}_wide"));
    let moved = l.moved(shared, moves)?;
    l.turn_to("", &hint);
    l.plain(&moved)
}

/// Whether a job has a value without a fraction.
fn is_whole(l: &mut Lowering, value: &Value) -> bool {
    match value {
        Value::Shared(shared) => shared.is_whole,
        Value::Constant(tensor) => l.number(tensor).is_some_and(|number| number.fract() == 0.0),
        Value::Unknown => false,
    }
}

/// A sum or a difference.
pub(crate) fn infix(l: &mut Lowering, call: &Call, sign: &str) -> Lowered {
    // What vanishes in fixed point is left out.
    if let (Value::Shared(shared), Value::Constant(tensor)) = (call.value(0)?.clone(), call.value(1)?.clone())
    {
        let least = f64::from(l.fraction_bits + 1).exp2().recip();
        let vanishes = l.number(&tensor).is_some_and(|number| number.abs() < least);
        if vanishes && both(call, 0, 1)? == shared.dims {
            return Ok(vec![Value::Shared(shared)]);
        }
    }
    let whole = is_whole(l, call.value(0)?) && is_whole(l, call.value(1)?);
    let ([a, b], dims) = operands(l, call, 0, 1)?;
    Ok(vec![l.step(format!("{a} {sign} {b}"), &dims, whole)])
}

pub(crate) fn mul(l: &mut Lowering, call: &Call) -> Lowered {
    let whole = is_whole(l, call.value(0)?) && is_whole(l, call.value(1)?);
    let ([a, b], dims) = operands(l, call, 0, 1)?;
    Ok(vec![l.step(format!("{a} * {b}"), &dims, whole)])
}

/// A quotient: of integers it is rounded towards zero.
pub(crate) fn fold_div(call: &Call) -> Folded {
    let (a, b) = (call.constant(0)?, call.constant(1)?);
    if matches!((&a.data, &b.data), (Data::Whole(_), Data::Whole(_))) {
        has_no_zero(b)?;
        return paired(a, b, |a, b| (a / b).trunc());
    }
    paired(a, b, |a, b| a / b)
}

/// A remainder, with the sign of the divisor, or of the dividend where `fmod` says so.
pub(crate) fn fold_mod(call: &Call) -> Folded {
    let (a, b) = (call.constant(0)?, call.constant(1)?);
    has_no_zero(b)?;
    match call.whole("fmod", 0)? {
        0 => paired(a, b, |a, b| a - b * (a / b).floor()),
        _ => paired(a, b, |a, b| a % b),
    }
}

fn has_no_zero(divisor: &Tensor) -> Result<(), String> {
    match divisor.reals() {
        Some(values) if !values.contains(&0.0) => Ok(()),
        _ => Err("it divides by zero".to_owned()),
    }
}

/// Whether one of a node's inputs is a constant of integers, so that all are integers.
fn is_of_integers(call: &Call) -> bool {
    let is_whole =
        |value: &Value| matches!(value, Value::Constant(tensor) if matches!(tensor.data, Data::Whole(_)));
    call.inputs.iter().flatten().any(is_whole)
}

/// Refuses constants beside which a ring holds nothing, where a smaller number in their place would change a result.
fn no_mask(call: &Call) -> Result<(), String> {
    for value in call.inputs.iter().flatten() {
        if let Value::Constant(tensor) = value
            && tensor.reals().is_some_and(|values| values.iter().any(|value| value.abs() >= NEVER))
        {
            return Err(format!("a constant has a number beyond {NEVER:e}, which no ring holds"));
        }
    }
    Ok(())
}

pub(crate) fn div(l: &mut Lowering, call: &Call) -> Lowered {
    no_mask(call)?;
    let is_count = |at: usize| matches!(call.value(at), Ok(Value::Shared(shared)) if shared.is_whole);
    if is_of_integers(call) || (is_count(0) && is_count(1)) {
        return Err("shared integers are divided, which rounds".to_owned());
    }
    if let Value::Constant(divisor) = call.value(1)? {
        let divisor = divisor.clone();
        has_no_zero(&divisor)?;
        if l.number(&divisor).is_none() {
            // A private divisor becomes a factor.
            let inverse = divisor.mapped(|value| 1.0 / value).ok_or("it divides by strings")?;
            let dims = both(call, 0, 1)?;
            let x = call.value(0)?.clone();
            let (x, like) = (l.operand(&x, &dims)?, format!("{}_inverse", l.hint()));
            let text = l.times(&x, &inverse, &like)?;
            return Ok(vec![l.step(text, &dims, false)]);
        }
    }
    let ([a, b], dims) = operands(l, call, 0, 1)?;
    Ok(vec![l.step(format!("{a} / {b}"), &dims, false)])
}

pub(crate) fn sum(l: &mut Lowering, call: &Call) -> Lowered {
    let (texts, dims) = all(l, call)?;
    Ok(vec![l.step(texts.join(" + "), &dims, false)])
}

pub(crate) fn mean(l: &mut Lowering, call: &Call) -> Lowered {
    let (texts, dims) = all(l, call)?;
    Ok(vec![l.step(format!("({}) / {}", texts.join(" + "), texts.len()), &dims, false)])
}

/// The texts of any number of operands of the same extents.
fn all(l: &mut Lowering, call: &Call) -> Result<(Vec<String>, Vec<usize>), String> {
    let dims = call.dims(0)?;
    let mut texts = Vec::new();
    for at in 0..call.inputs.len() {
        if call.dims(at)? != dims {
            return Err("its inputs differ in shape".to_owned());
        }
        let value = call.value(at)?.clone();
        texts.push(l.operand(&value, &dims)?);
    }
    Ok((texts, dims))
}

pub(crate) fn extreme(l: &mut Lowering, call: &Call, function: &str) -> Lowered {
    match call.inputs.len() {
        1 => Ok(vec![Value::Shared(call.shared(0)?.clone())]),
        2 => {
            let dims = both(call, 0, 1)?;
            for (own, other) in [(0, 1), (1, 0)] {
                if let (Value::Shared(x), Value::Constant(end)) = (call.value(own)?, call.value(other)?)
                    && x.dims == dims
                    && let Some(end) = end.uniform()
                    && (if function == "max" { end <= -NEVER } else { end >= NEVER })
                {
                    return Ok(vec![Value::Shared(x.clone())]);
                }
            }
            no_mask(call)?;
            let ([mut a, mut b], dims) = operands(l, call, 0, 1)?;
            for (at, text) in [&mut a, &mut b].into_iter().enumerate() {
                if let Value::Constant(tensor) = call.value(at)?
                    && let Some(number) = l.number(&tensor.clone())
                {
                    *text = literal(l.rounded(number));
                }
            }
            Ok(vec![l.step(format!("{function}({a}, {b})"), &dims, false)])
        }
        count => Err(format!("it is of {count} values, and 2 at most are compared")),
    }
}

pub(crate) fn pow(l: &mut Lowering, call: &Call) -> Lowered {
    const MOST: f64 = 16.0;
    let exponent = call.constant(1)?.uniform().ok_or("its exponents differ")?;
    let shared = call.shared(0)?.clone();
    let (x, dims) = (l.plain(&shared)?, shared.dims.clone());
    if both(call, 0, 1)? != dims {
        return Err(format!("exponents of shape {:?} for {dims:?}", call.dims(1)?));
    }
    let text = match exponent {
        0.5 => format!("sqrt({x})"),
        -0.5 => format!("rsqrt({x})"),
        -1.0 => format!("reciprocal({x})"),
        1.0 => return Ok(vec![Value::Shared(shared)]),
        exponent if exponent.fract() == 0.0 && (2.0..=MOST).contains(&exponent) => {
            return power(l, &x, exponent as u32, &dims);
        }
        exponent => return Err(format!("exponent {exponent}")),
    };
    Ok(vec![l.step(text, &dims, false)])
}

/// A power by repeated squares.
fn power(l: &mut Lowering, x: &str, exponent: u32, dims: &[usize]) -> Lowered {
    let (mut square, mut rest, mut product) = (x.to_owned(), exponent, None::<String>);
    loop {
        if rest & 1 == 1 {
            product = Some(match product {
                None => square.clone(),
                Some(product) if rest == 1 => {
                    return Ok(vec![l.step(format!("{product} * {square}"), dims, false)]);
                }
                Some(product) => l.part("power", format!("{product} * {square}"), dims, false).name,
            });
        }
        rest >>= 1;
        let text = format!("{square} * {square}");
        if rest == 1 && product.is_none() {
            return Ok(vec![l.step(text, dims, false)]);
        }
        square = l.part("square", text, dims, false).name;
    }
}

pub(crate) fn neg(l: &mut Lowering, call: &Call) -> Lowered {
    one(l, call, |x| format!("-{x}"))
}

pub(crate) fn sign(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let name = l.plain(&x)?;
    Ok(vec![l.step(format!("sign({name})"), &x.dims, true)])
}

/// A step of one value of the same extents.
fn one(l: &mut Lowering, call: &Call, text: impl Fn(&str) -> String) -> Lowered {
    let x = call.shared(0)?.clone();
    let name = l.plain(&x)?;
    Ok(vec![l.step(text(&name), &x.dims, false)])
}

pub(crate) fn cast(l: &mut Lowering, call: &Call) -> Lowered {
    const BOOL: i64 = 9;
    const REAL: [i64; 4] = [1, 10, 11, 16];
    let x = call.shared(0)?.clone();
    match call.whole("to", 1)? {
        BOOL if !l.is_bits(&x) => {
            let name = l.plain(&x)?;
            Ok(vec![l.bits(format!("{name} != 0"), &x.dims)])
        }
        to if x.is_whole || REAL.contains(&to) => Ok(vec![Value::Shared(x)]),
        _ => Err("shared numbers are not rounded to integers".to_owned()),
    }
}

pub(crate) fn gelu(l: &mut Lowering, call: &Call) -> Lowered {
    match call.text("approximate", "none")?.as_str() {
        "none" => one(l, call, |x| format!("gelu({x})")),
        "tanh" => {
            let x = call.shared(0)?.clone();
            let name = l.plain(&x)?;
            let cube = l.part("cube", format!("{name} * {name} * {name}"), &x.dims, false).name;
            let text =
                format!("{name} * (tanh(({name} + {cube} * 0.044715) * 0.7978845608028654) + 1) * 0.5");
            Ok(vec![l.step(text, &x.dims, false)])
        }
        other => Err(format!("approximate = {}", other.escape_debug())),
    }
}

pub(crate) fn erf(_: &mut Lowering, _: &Call) -> Lowered {
    Err("the error function is there as part of Gelu alone: x · (erf(x / √2) + 1) · ½".to_owned())
}

pub(crate) fn leaky_relu(l: &mut Lowering, call: &Call) -> Lowered {
    let slope = literal(call.real("alpha", 0.01)?);
    one(l, call, |x| format!("leaky_relu({x}, {slope})"))
}

pub(crate) fn prelu(l: &mut Lowering, call: &Call) -> Lowered {
    let dims = both(call, 0, 1)?;
    let x = call.shared(0)?.clone();
    let slope = call.value(1)?.clone();
    let (name, slope) = (l.plain(&x)?, l.operand(&slope, &dims)?);
    let positive = l.part("positive", format!("relu({name})"), &x.dims, false).name;
    Ok(vec![l.step(format!("{positive} + ({name} - {positive}) * {slope}"), &dims, false)])
}

pub(crate) fn elu(l: &mut Lowering, call: &Call) -> Lowered {
    let (alpha, gamma, inner) = match call.node.op.as_str() {
        "Selu" => (call.real("alpha", 1.673_263_2)?, call.real("gamma", 1.050_701)?, 1.0),
        "Celu" => {
            let alpha = call.real("alpha", 1.0)?;
            (alpha, 1.0, alpha)
        }
        _ => (call.real("alpha", 1.0)?, 1.0, 1.0),
    };
    let x = call.shared(0)?.clone();
    let name = l.plain(&x)?;
    let positive = l.part("positive", format!("relu({name})"), &x.dims, false).name;
    let negative = format!("(exp(({name} - {positive}) / {}) - 1) * {}", literal(inner), literal(alpha));
    Ok(vec![l.step(format!("({positive} + {negative}) * {}", literal(gamma)), &x.dims, false)])
}

pub(crate) fn hard_sigmoid(l: &mut Lowering, call: &Call) -> Lowered {
    let (alpha, beta) = (literal(call.real("alpha", 0.2)?), literal(call.real("beta", 0.5)?));
    one(l, call, |x| format!("clip({x} * {alpha} + {beta}, 0, 1)"))
}

pub(crate) fn hard_swish(l: &mut Lowering, call: &Call) -> Lowered {
    one(l, call, |x| format!("{x} * clip({x} / 6 + 0.5, 0, 1)"))
}

/// ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|).
pub(crate) fn softplus(l: &mut Lowering, call: &Call) -> Lowered {
    one(l, call, |x| format!("relu({x}) + log(exp(-abs({x})) + 1)"))
}

pub(crate) fn softsign(l: &mut Lowering, call: &Call) -> Lowered {
    one(l, call, |x| format!("{x} / (abs({x}) + 1)"))
}

/// An end of `Clip`.
enum End {
    Number(f64),
    Parameter(Tensor),
}

/// The end of this name, if it has one: beyond what a ring holds there is none.
fn end(l: &mut Lowering, call: &Call, at: usize, name: &str) -> Result<Option<End>, String> {
    let (number, tensor) = match call.node.attributes.get(name) {
        Some(Attribute::Real(number)) => (*number, None),
        _ if call.has(at) => {
            let tensor = call.constant(at)?.clone();
            (tensor.uniform().ok_or_else(|| format!("{name} is no single number"))?, Some(tensor))
        }
        _ => return Ok(None),
    };
    if number.is_nan() {
        return Err(format!("{name} is not a number"));
    }
    if number.abs() >= NEVER {
        let is_none = (number < 0.0) == (name == "min");
        return if is_none { Ok(None) } else { Err(format!("{name} = {number:e}")) };
    }
    Ok(Some(match tensor {
        Some(tensor) if l.number(&tensor).is_none() => End::Parameter(tensor.picked(Vec::new(), &[0])),
        _ => End::Number(l.rounded(number)),
    }))
}

pub(crate) fn clip(l: &mut Lowering, call: &Call) -> Lowered {
    let (low, high) = (end(l, call, 1, "min")?, end(l, call, 2, "max")?);
    let x = call.shared(0)?.clone();
    let mut text = l.plain(&x)?;
    match (&low, &high) {
        (None, None) => return Ok(vec![Value::Shared(x)]),
        (Some(End::Number(low)), Some(End::Number(high))) => {
            text = format!("clip({text}, {}, {})", literal(*low), literal(*high));
        }
        _ => {
            for (end, function, like) in [(low, "max", "low"), (high, "min", "high")] {
                text = match end {
                    None => text,
                    Some(End::Number(0.0)) if function == "max" => format!("relu({text})"),
                    Some(End::Number(number)) => format!("{function}({text}, {})", literal(number)),
                    Some(End::Parameter(tensor)) => {
                        format!("{function}({text}, {})", l.parameter(&tensor, like)?)
                    }
                };
            }
        }
    }
    Ok(vec![l.step(text, &x.dims, false)])
}

pub(crate) fn softmax(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let old = call.opset < 13;
    let axis = call.axis(if old { 1 } else { -1 })?;
    // Before version 13 all axes from this one on were one.
    let flat = old && axis + 1 < x.dims.len() && x.dims[axis + 1..].iter().any(|&dim| dim != 1);
    if flat {
        return Err(format!("axis = {axis} of {} axes in version {}", x.dims.len(), call.opset));
    }
    let name = l.plain(&x)?;
    if call.node.op == "Softmax" {
        return Ok(vec![l.step(format!("softmax({name}, axis={axis})"), &x.dims, false)]);
    }
    Ok(vec![l.step(format!("log_softmax({name}, axis={axis})"), &x.dims, false)])
}

pub(crate) fn compare(l: &mut Lowering, call: &Call, sign: &str) -> Lowered {
    no_mask(call)?;
    let ([a, b], dims) = operands(l, call, 0, 1)?;
    Ok(vec![l.bits(format!("{a} {sign} {b}"), &dims)])
}

/// A truth value, as 0 or 1 without a fraction.
fn condition(l: &mut Lowering, value: &Value, dims: &[usize]) -> Result<String, String> {
    match value {
        Value::Shared(shared) if !l.is_bits(shared) => Ok(format!("({} != 0)", l.plain(shared)?)),
        value => l.operand(value, dims),
    }
}

pub(crate) fn not(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let text = condition(l, &Value::Shared(x.clone()), &x.dims)?;
    Ok(vec![l.bits(format!("1 - {text}"), &x.dims)])
}

fn conditions(l: &mut Lowering, call: &Call) -> Result<([String; 2], Vec<usize>), String> {
    let dims = both(call, 0, 1)?;
    let (a, b) = (call.shared(0)?.clone(), call.shared(1)?.clone());
    let a = condition(l, &Value::Shared(a), &dims)?;
    let b = condition(l, &Value::Shared(b), &dims)?;
    Ok(([a, b], dims))
}

pub(crate) fn and(l: &mut Lowering, call: &Call) -> Lowered {
    let ([a, b], dims) = conditions(l, call)?;
    Ok(vec![l.bits(format!("{a} * {b}"), &dims)])
}

pub(crate) fn or(l: &mut Lowering, call: &Call) -> Lowered {
    let ([a, b], dims) = conditions(l, call)?;
    Ok(vec![l.bits(format!("{a} + {b} - {a} * {b}"), &dims)])
}

pub(crate) fn xor(l: &mut Lowering, call: &Call) -> Lowered {
    let ([a, b], dims) = conditions(l, call)?;
    Ok(vec![l.bits(format!("{a} + {b} - 2 * ({a} * {b})"), &dims)])
}

/// `Where`: by a comparison, or by a mask that is known here.
pub(crate) fn choose(l: &mut Lowering, call: &Call) -> Lowered {
    let dims = broadcast(&call.dims(0)?, &both(call, 1, 2)?).ok_or("its inputs do not broadcast")?;
    if let Value::Constant(mask) = call.value(0)? {
        return by_mask(l, call, &mask.clone(), &dims);
    }
    let (x, y) = (call.value(1)?.clone(), call.value(2)?.clone());
    let chosen = call.value(0)?.clone();
    let chosen = condition(l, &chosen, &dims)?;
    // `select` takes values: numbers are put in by arithmetic.
    let mut number = |value: &Value| match value {
        Value::Constant(tensor) => l.number(tensor),
        _ => None,
    };
    let text = match (number(&x), number(&y)) {
        (Some(x), Some(y)) => format!("{chosen} * {} + {}", literal(x - y), literal(y)),
        (None, Some(y)) => {
            let y = literal(y);
            let x = l.operand(&x, &dims)?;
            format!("{chosen} * ({x} - {y}) + {y}")
        }
        (Some(x), None) => {
            let x = literal(x);
            let y = l.operand(&y, &dims)?;
            format!("(1 - {chosen}) * ({y} - {x}) + {x}")
        }
        (None, None) => {
            let (x, y) = (l.operand(&x, &dims)?, l.operand(&y, &dims)?);
            format!("select({chosen}, {x}, {y})")
        }
    };
    Ok(vec![l.step(text, &dims, false)])
}

fn by_mask(l: &mut Lowering, call: &Call, mask: &Tensor, dims: &[usize]) -> Lowered {
    let mask = mask.mapped(|value| f64::from(u8::from(value != 0.0))).ok_or("its condition is of strings")?;
    if let Some(everywhere) = mask.uniform() {
        let chosen = call.value(if everywhere == 1.0 { 1 } else { 2 })?.clone();
        if chosen.dims() == dims {
            return Ok(vec![chosen]);
        }
    }
    fold::count(dims)?;
    let text = match (call.value(1)?.clone(), call.value(2)?.clone()) {
        (Value::Constant(x), Value::Constant(y)) => {
            return Err(format!("constants of {} and {} elements by a mask", x.len(), y.len()));
        }
        (Value::Shared(x), Value::Constant(y)) => masked(l, &mask, &x, &y, |mask| mask)?,
        (Value::Constant(x), Value::Shared(y)) => masked(l, &mask, &y, &x, |mask| 1.0 - mask)?,
        (x, y) => {
            let mask = l.parameter(&mask, "mask")?;
            let (x, y) = (l.operand(&x, dims)?, l.operand(&y, dims)?);
            format!("{y} + ({x} - {y}) * {mask}")
        }
    };
    Ok(vec![l.step(text, dims, false)])
}

/// The shared value where the mask keeps it, and a constant elsewhere.
fn masked(
    l: &mut Lowering,
    mask: &Tensor,
    x: &Shared,
    other: &Tensor,
    keeps: fn(f64) -> f64,
) -> Result<String, String> {
    let name = l.plain(x)?;
    let kept = mask.mapped(keeps).ok_or("its condition is of strings")?;
    let rest = kept.mapped(|kept| 1.0 - kept).ok_or("its condition is of strings")?;
    // What is chosen nowhere may be infinite.
    let rest = paired(other, &rest, |other, rest| if rest == 0.0 { 0.0 } else { other })?;
    let kept = l.parameter(&kept, "mask")?;
    let rest = l.operand(&Value::Constant(rest.kept(true)), &[usize::MAX; 4])?;
    Ok(format!("{name} * {kept} + {rest}"))
}
