//! The linear models, scalers and normalizers of `ai.onnx.ml`.

use crate::call::{Call, Shared, Value};
use crate::linear::entry;
use crate::lower::{Lowered, Lowering, NEVER, literal};
use crate::moves::Move;
use crate::tensor::{Data, Tensor};
use std::rc::Rc;

/// The data as rows of features.
pub(crate) fn rows(l: &mut Lowering, call: &Call) -> Result<Shared, String> {
    let x = call.shared(0)?.clone();
    match x.dims[..] {
        [_, _] => Ok(x),
        [cols] => {
            let text = format!("reshape({}, 1, {cols})", l.plain(&x)?);
            Ok(l.part("rows", text, &[1, cols], x.is_whole))
        }
        _ => Err(format!("data of shape {:?} is no table", x.dims)),
    }
}

/// A private vector or matrix from an attribute.
fn private(values: Vec<f64>, dims: &[usize]) -> Tensor {
    Tensor::real(dims, values).kept(true)
}

/// Rows of features times the rows of the coefficients, and the number of results.
fn scores(l: &mut Lowering, call: &Call, targets: usize) -> Result<Shared, String> {
    let x = rows(l, call)?;
    let (count, features) = (x.dims[0], x.dims[1]);
    let coefficients = call.numbers("coefficients")?;
    if targets.checked_mul(features) != Some(coefficients.len()) {
        return Err(format!(
            "{} coefficients for {targets} results of {features} features",
            coefficients.len()
        ));
    }
    let columns = (0..features).flat_map(|at| (0..targets).map(move |target| target * features + at));
    let weights = private(columns.map(|at| coefficients[at]).collect(), &[features, targets]);
    let hint = l.hint().to_owned();
    let weights = l.precise(&weights, &format!("{hint}_coefficients"))?;
    let mut text = format!("{} @ {weights}", l.plain(&x)?);
    let intercepts = call.numbers("intercepts")?;
    if intercepts.iter().any(|&value| value != 0.0) {
        if intercepts.len() != targets {
            return Err(format!("{} intercepts for {targets} results", intercepts.len()));
        }
        let intercepts =
            l.parameter_called(&private(intercepts.to_vec(), &[targets]), &format!("{hint}_intercepts"))?;
        text = format!("{text} + {intercepts}");
    }
    Ok(l.part("scores", text, &[count, targets], false))
}

pub(crate) fn linear_regressor(l: &mut Lowering, call: &Call) -> Lowered {
    let targets = usize::try_from(call.whole("targets", 1)?).map_err(|_| "targets is negative")?;
    let scores = scores(l, call, targets)?;
    let transform = call.text("post_transform", "NONE")?;
    Ok(vec![transformed(l, &scores, &transform)?])
}

/// Scores, transformed as models are told to.
pub(crate) fn transformed(l: &mut Lowering, scores: &Shared, transform: &str) -> Result<Value, String> {
    let name = l.plain(scores)?;
    let text = match transform {
        "NONE" => name,
        "LOGISTIC" => format!("sigmoid({name})"),
        "SOFTMAX" => format!("softmax({name}, axis=1)"),
        other => return Err(format!("post_transform = {}", other.escape_debug())),
    };
    Ok(l.step(text, &scores.dims, false))
}

/// The labels of a classifier's classes.
pub(crate) fn labels(call: &Call, numbers: &str) -> Result<Tensor, String> {
    let (texts, wholes) = (call.texts("classlabels_strings")?, call.integers(numbers)?);
    Ok(match texts.is_empty() {
        true => Tensor::whole(&[wholes.len()], wholes.to_vec()),
        false => Tensor { dims: vec![texts.len()], data: Data::Text(texts), private: false },
    })
}

/// The label and the scores of a classifier: of two classes with one score, the second class's is that, and the first
/// class's what is left.
pub(crate) fn classified(
    l: &mut Lowering,
    call: &Call,
    labels: &Tensor,
    scores: &Shared,
    is_margin: bool,
) -> Lowered {
    let (rows, columns) = (scores.dims[0], scores.dims[1]);
    let transform = call.text("post_transform", "NONE")?;
    let like = call.node.outputs.first().cloned().unwrap_or_default();
    let probabilities = call.node.outputs.get(1).cloned().unwrap_or_default();
    let (text, value) = if columns == 1 && labels.len() == 2 {
        l.turn_to(&probabilities, &probabilities);
        let name = l.plain(scores)?;
        let (both, middle) = match (transform.as_str(), is_margin) {
            ("NONE", false) => (format!("concat(1 - {name}, {name}, axis=1)"), "0.5"),
            ("NONE", true) => (format!("concat(-{name}, {name}, axis=1)"), "0"),
            ("LOGISTIC", _) => {
                let positive = l.part("positive", format!("sigmoid({name})"), &scores.dims, false).name;
                (format!("concat(1 - {positive}, {positive}, axis=1)"), "0")
            }
            ("SOFTMAX", true) => (format!("softmax(concat(-{name}, {name}, axis=1), axis=1)"), "0"),
            (other, _) => return Err(format!("post_transform = {} of one score", other.escape_debug())),
        };
        let value = l.step(both, &[rows, 2], false);
        l.turn_to(&like, &like);
        let text = format!("squeeze({name} > {middle}, axis=1)");
        (text, value)
    } else {
        if columns != labels.len() {
            return Err(format!("{columns} scores for {} classes", labels.len()));
        }
        l.turn_to(&probabilities, &probabilities);
        let value = transformed(l, scores, &transform)?;
        l.turn_to(&like, &like);
        (format!("argmax({}, axis=1)", l.plain(scores)?), value)
    };
    let is_plain = matches!(labels.data, Data::Text(_))
        || labels.wholes().is_some_and(|all| all.iter().enumerate().all(|(at, &label)| label == at as i64));
    let index =
        if is_plain { l.shared_step(text, &[rows], true) } else { l.part("index", text, &[rows], true) };
    let label = entry(l, labels, &index, &format!("{like}_labels"))?;
    Ok(vec![Value::Shared(label), value])
}

pub(crate) fn linear_classifier(l: &mut Lowering, call: &Call) -> Lowered {
    let labels = labels(call, "classlabels_ints")?;
    let classes = match call.numbers("intercepts")?.len() {
        0 => labels.len(),
        count => count,
    };
    let scores = scores(l, call, classes)?;
    classified(l, call, &labels, &scores, true)
}

/// (x − offset) · scale.
pub(crate) fn scaler(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let width = x.dims.last().copied().ok_or("a single number has no features")?;
    let vector = |values: Rc<[f64]>, default: f64| match values.len() {
        0 => Ok(vec![default; width]),
        1 => Ok(vec![values[0]; width]),
        count if count == width => Ok(values.to_vec()),
        count => Err(format!("{count} numbers for {width} features")),
    };
    let (offset, scale) = (vector(call.numbers("offset")?, 0.0)?, vector(call.numbers("scale")?, 1.0)?);
    let (name, hint) = (l.plain(&x)?, l.hint().to_owned());
    let offset = l.parameter_called(&private(offset, &[width]), &format!("{hint}_offset"))?;
    let text =
        l.times(&format!("({name} - {offset})"), &private(scale, &[width]), &format!("{hint}_scale"))?;
    Ok(vec![l.step(text, &x.dims, false)])
}

pub(crate) fn normalizer(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let (name, axis) = (l.plain(&x)?, x.dims.len().saturating_sub(1));
    let text = match call.text("norm", "MAX")?.as_str() {
        "L1" => format!("{name} / sum(abs({name}), axis={axis}, keepdims=1)"),
        "L2" => format!("{name} * rsqrt(sum({name} * {name}, axis={axis}, keepdims=1))"),
        "MAX" => format!("{name} / max(abs({name}), axis={axis}, keepdims=1)"),
        other => return Err(format!("norm = {}", other.escape_debug())),
    };
    Ok(vec![l.step(text, &x.dims, false)])
}

pub(crate) fn binarizer(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    let threshold = call.real("threshold", 0.0)?;
    if threshold.abs() >= NEVER {
        return Err(format!("threshold = {threshold:e}"));
    }
    let text = format!("{} > {}", l.plain(&x)?, literal(threshold));
    Ok(vec![l.bits(text, &x.dims)])
}

/// `FeatureVectorizer`: columns beside each other.
pub(crate) fn join(l: &mut Lowering, call: &Call) -> Lowered {
    let (mut texts, mut dims) = (Vec::new(), call.dims(0)?);
    if dims.len() != 2 {
        return Err(format!("data of shape {dims:?} is no table"));
    }
    dims[1] = 0;
    for at in 0..call.inputs.len() {
        let own = call.dims(at)?;
        if own.len() != 2 || own[0] != dims[0] {
            return Err(format!("data of shape {own:?} beside {} rows", dims[0]));
        }
        dims[1] += own[1];
        let value = call.value(at)?.clone();
        texts.push(l.operand(&value, &own)?);
    }
    if let [one] = &texts[..] {
        return Ok(vec![Value::Shared(Shared { name: one.clone(), dims, is_whole: false })]);
    }
    Ok(vec![l.step(format!("concat({}, axis=1)", texts.join(", ")), &dims, false)])
}

/// `ArrayFeatureExtractor`: columns by public numbers, or labels by shared ones.
pub(crate) fn features(l: &mut Lowering, call: &Call) -> Lowered {
    if let Value::Shared(x) = call.value(0)? {
        let moves: Vec<Vec<Move>> = crate::moves::features(call)?;
        return moves.iter().map(|moves| Ok(Value::Shared(l.moved(&x.clone(), moves)?))).collect();
    }
    let table = call.constant(0)?.clone();
    let index = call.shared(1)?.clone();
    let rows = table.len();
    if table.dims.iter().filter(|&&dim| dim != 1).count() > 1 {
        return Err(format!("a table of shape {:?} by shared numbers", table.dims));
    }
    let label = entry(l, &table.with_dims(vec![rows]), &index, "labels")?;
    let count: usize = label.dims.iter().product();
    Ok(vec![Value::Shared(l.moved(&label, &[Move::Reshape(vec![1, count])])?)])
}
