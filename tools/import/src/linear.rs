//! Products of matrices, norms, and what joins values or looks them up.

use crate::call::{Call, Shared, Value};
use crate::lower::{Lowered, Lowering, literal};
use crate::moves::Move;
use crate::tensor::{Data, Tensor, broadcast};

/// The extents of a product.
fn product(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let wrong = || format!("{a:?} and {b:?} cannot be multiplied");
    let rows = |dims: &[usize]| if dims.len() == 1 { dims[0] } else { dims[dims.len() - 2] };
    if a.is_empty() || b.is_empty() || a[a.len() - 1] != rows(b) {
        return Err(wrong());
    }
    let outer = |dims: &[usize]| dims[..dims.len().saturating_sub(2)].to_vec();
    let mut dims = broadcast(&outer(a), &outer(b)).ok_or_else(wrong)?;
    if a.len() > 1 {
        dims.push(a[a.len() - 2]);
    }
    if b.len() > 1 {
        dims.push(b[b.len() - 1]);
    }
    Ok(dims)
}

pub(crate) fn matmul(l: &mut Lowering, call: &Call) -> Lowered {
    let dims = product(&call.dims(0)?, &call.dims(1)?)?;
    let (a, b) = (l.weight(call, 0)?, l.weight(call, 1)?);
    Ok(vec![l.step(format!("{a} @ {b}"), &dims, false)])
}

/// α·A·B + β·C.
pub(crate) fn gemm(l: &mut Lowering, call: &Call) -> Lowered {
    let (alpha, beta) = (call.real("alpha", 1.0)?, call.real("beta", 1.0)?);
    let mut factors = Vec::new();
    for (at, turned) in [(0, call.whole("transA", 0)? != 0), (1, call.whole("transB", 0)? != 0)] {
        let dims = call.dims(at)?;
        let &[rows, cols] = &dims[..] else { return Err(format!("a factor of shape {dims:?}")) };
        let dims = if turned { vec![cols, rows] } else { dims };
        let name = match call.value(at)? {
            // A parameter is stored as it is needed.
            Value::Constant(tensor) if turned || (at == 1 && alpha != 1.0) => {
                let turned = if turned { Move::Permute(vec![1, 0]).apply(tensor) } else { tensor.clone() };
                let scaled = if at == 1 && alpha != 1.0 {
                    turned.mapped(|value| value * alpha).ok_or("strings")?
                } else {
                    turned
                };
                let input = call.node.inputs[at].clone();
                l.parameter_called(&scaled, input.rsplit("::").next().unwrap_or(&input))?
            }
            _ => {
                let name = l.weight(call, at)?;
                if turned { format!("{name}.T") } else { name }
            }
        };
        factors.push((name, dims));
    }
    let (a, b) = (factors.remove(0), factors.remove(0));
    let dims = product(&a.1, &b.1)?;
    let mut text = format!("{} @ {}", a.0, b.0);
    if alpha != 1.0 && !matches!(call.value(1)?, Value::Constant(_)) {
        text = format!("({text}) * {}", literal(alpha));
    }
    if call.has(2) && beta != 0.0 {
        let offset = match call.value(2)? {
            Value::Constant(tensor) => Value::Constant(tensor.mapped(|value| value * beta).ok_or("strings")?),
            Value::Shared(_) if beta != 1.0 => return Err(format!("beta = {beta}")),
            value => value.clone(),
        };
        if broadcast(&dims, offset.dims()).as_ref() != Some(&dims) {
            return Err(format!("an offset of shape {:?} for {dims:?}", offset.dims()));
        }
        let offset = match &offset {
            Value::Constant(tensor) => {
                let input = call.node.inputs[2].clone();
                l.parameter_called(tensor, input.rsplit("::").next().unwrap_or(&input))?
            }
            value => l.operand(value, &dims)?,
        };
        text = format!("{text} + {offset}");
    }
    Ok(vec![l.step(text, &dims, false)])
}

/// The norm of a batch at inference: a factor and an offset for each channel.
pub(crate) fn batchnorm(l: &mut Lowering, call: &Call) -> Lowered {
    call.only("training_mode", 0)?;
    call.only("spatial", 1)?;
    let epsilon = call.real("epsilon", 1e-5)?;
    let [scale, offset, mean, variance] = [call.reals(1)?, call.reals(2)?, call.reals(3)?, call.reals(4)?];
    let x = call.shared(0)?.clone();
    let channels = *x.dims.get(1).ok_or("a value without channels")?;
    if [&scale, &offset, &mean, &variance].iter().any(|vector| vector.len() != channels) {
        return Err(format!("its vectors have not one number for each of {channels} channels"));
    }
    let factor: Vec<f64> = (0..channels).map(|at| scale[at] / (variance[at] + epsilon).sqrt()).collect();
    let offset = (0..channels).map(|at| offset[at] - mean[at] * factor[at]).collect();
    let dims = [vec![channels], vec![1; x.dims.len() - 2]].concat();
    let (name, like) = (l.plain(&x)?, format!("{}_factor", l.hint()));
    let product = l.times(&name, &Tensor::real(&dims, factor).kept(true), &like)?;
    let offset = l.parameter(&Tensor::real(&dims, offset).kept(true), "offset")?;
    Ok(vec![l.step(format!("{product} + {offset}"), &x.dims, false)])
}

pub(crate) fn layernorm(l: &mut Lowering, call: &Call) -> Lowered {
    let x = call.shared(0)?.clone();
    if call.node.outputs.iter().skip(1).any(|output| !output.is_empty()) {
        return Err("its mean and deviation are taken".to_owned());
    }
    if call.axis(-1)? + 1 != x.dims.len() {
        return Err(format!(
            "axis = {} of {} axes: norms are along the last one",
            call.axis(-1)?,
            x.dims.len()
        ));
    }
    let width = x.dims[x.dims.len() - 1];
    let given = call.real("epsilon", 1e-5)?;
    // A smaller number would be none beside the variances that the ring holds.
    let least = if l.ring_bits == 64 { 1e-5 } else { 1e-3 };
    if given < least {
        let bits = l.ring_bits;
        l.note(format!(
            "layer norms: epsilon {given:e} is less than {bits} bits hold, and {least:e} in the job"
        ));
    }
    let epsilon = given.max(least);
    let name = l.plain(&x)?;
    let epsilon = literal(epsilon);
    let mut vector = |at: usize, default: f64| -> Result<String, String> {
        let tensor = if call.has(at) {
            call.constant(at)?.clone()
        } else {
            Tensor::real(&[width], vec![default; width])
        };
        if tensor.len() != width {
            return Err(format!("a vector of {} for rows of {width}", tensor.len()));
        }
        let like = call.node.inputs.get(at).filter(|name| !name.is_empty()).cloned();
        let like = like.unwrap_or_else(|| format!("{}_default", l.hint()));
        l.parameter_called(&tensor.with_dims(vec![width]), like.rsplit("::").next().unwrap_or(&like))
    };
    let text = if call.has(1) || call.has(2) {
        let (scale, offset) = (vector(1, 1.0)?, vector(2, 0.0)?);
        format!("layernorm({name}, {scale}, {offset}, eps={epsilon})")
    } else {
        format!("layernorm({name}, eps={epsilon})")
    };
    Ok(vec![l.step(text, &x.dims, false)])
}

/// `Gather`: a movement by public indices, or rows of a table by shared ones.
pub(crate) fn gather(l: &mut Lowering, call: &Call) -> Lowered {
    if let Value::Shared(x) = call.value(0)? {
        let moves = crate::moves::gather(call)?;
        return moves.iter().map(|moves| Ok(Value::Shared(l.moved(&x.clone(), moves)?))).collect();
    }
    if call.axis(0)? != 0 {
        return Err("rows by shared indices are looked up along axis 0".to_owned());
    }
    let table = call.constant(0)?.clone();
    let index = call.shared(1)?.clone();
    let like = call.node.inputs[0].clone();
    if table.dims.len() == 1 {
        return Ok(vec![Value::Shared(entry(l, &table, &index, &like)?)]);
    }
    let [_, cols] = table.dims[..] else { return Err(format!("a table of shape {:?}", table.dims)) };
    let table = l.parameter_called(&table, like.rsplit("::").next().unwrap_or(&like))?;
    let name = l.plain(&index)?;
    let dims = [&index.dims[..], &[cols]].concat();
    Ok(vec![l.step(format!("lookup({table}, {name})"), &dims, false)])
}

/// The number of a list that a shared index names, such as the label of a class.
pub(crate) fn entry(l: &mut Lowering, table: &Tensor, index: &Shared, like: &str) -> Result<Shared, String> {
    let labels = match &table.data {
        Data::Text(labels) => {
            let listed: Vec<String> =
                labels.iter().enumerate().map(|(at, label)| format!("{at} is {label:?}")).collect();
            let note = format!("'{}' counts labels: {}", l.hint(), listed.join(", "));
            l.notes.push(note);
            return Ok(index.clone());
        }
        _ => table.reals().ok_or("labels of no kind")?,
    };
    if labels.iter().enumerate().all(|(at, &label)| label == at as f64) {
        return Ok(index.clone());
    }
    let name = l.plain(index)?;
    let steps: Vec<f64> = labels.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if let (Some(first), Some(step)) = (labels.first(), steps.first())
        && steps.iter().all(|other| other == step)
        && first.fract() == 0.0
        && step.fract() == 0.0
    {
        return Ok(l.shared_step(
            format!("{name} * {} + {}", literal(*step), literal(*first)),
            &index.dims,
            true,
        ));
    }
    let column = l.parameter_called(&table.with_dims(vec![labels.len(), 1]), like)?;
    let text = format!("squeeze(lookup({column}, {name}), axis=-1)");
    Ok(l.shared_step(text, &index.dims, false))
}

pub(crate) fn concat(l: &mut Lowering, call: &Call) -> Lowered {
    let axis = call.axis(0)?;
    let mut dims = call.dims(0)?;
    dims[axis] = 0;
    let (mut texts, mut whole, mut last) = (Vec::new(), true, 0);
    for at in 0..call.inputs.len() {
        let own = call.dims(at)?;
        if own.len() != dims.len() {
            return Err(format!("{own:?} is joined to {} axes", dims.len()));
        }
        if own.contains(&0) {
            continue;
        }
        dims[axis] += own[axis];
        last = at;
        texts.push(match call.value(at)?.clone() {
            Value::Constant(tensor) => {
                whole = false;
                l.parameter(&tensor, "constant")?
            }
            value => {
                whole &= matches!(&value, Value::Shared(shared) if shared.is_whole);
                l.operand(&value, &own)?
            }
        });
    }
    if let [_] = &texts[..] {
        return Ok(vec![call.value(last)?.clone()]);
    }
    Ok(vec![l.step(format!("concat({}, axis={axis})", texts.join(", ")), &dims, whole)])
}
