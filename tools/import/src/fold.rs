//! Ops on constants, as ONNX defines them: what a model computes of its shapes and parameters alone.

use crate::call::{Call, Value};
use crate::moves::index;
use crate::read::Attribute;
use crate::tensor::{Data, Tensor, broadcast, places, steps, strided};

/// The most elements that ops on constants make of fewer, in one result.
pub(crate) const MOST_ELEMENTS: usize = 1 << 26;

/// A result of constants.
pub(crate) type Folded = Result<Tensor, String>;

/// The number of elements of these extents, where they are not too many.
pub(crate) fn count(dims: &[usize]) -> Result<usize, String> {
    let count = dims.iter().try_fold(1usize, |all, &dim| all.checked_mul(dim));
    count
        .filter(|&count| count <= MOST_ELEMENTS)
        .ok_or_else(|| format!("a constant of extents {dims:?} is too large"))
}

/// An elementwise op on one constant.
pub(crate) fn unary(call: &Call, of: fn(f64) -> f64) -> Folded {
    let tensor = call.constant(0)?;
    let result = tensor.mapped(of).ok_or_else(|| "strings are not computed with".to_owned())?;
    // Integers stay integers where the results are.
    match (&tensor.data, result.wholes()) {
        (Data::Whole(_), Some(wholes)) => Ok(Tensor { data: Data::Whole(wholes), ..result }),
        _ => Ok(result),
    }
}

/// An elementwise op on two or more constants. Integers stay integers where the results of all are.
pub(crate) fn binary(call: &Call, of: fn(f64, f64) -> f64) -> Folded {
    let mut all = call.constant(0)?.clone();
    for at in 1..call.inputs.len() {
        all = paired(&all, call.constant(at)?, of)?;
    }
    Ok(all)
}

/// An elementwise op on two constants.
pub(crate) fn paired(a: &Tensor, b: &Tensor, of: fn(f64, f64) -> f64) -> Folded {
    let dims = broadcast(&a.dims, &b.dims)
        .ok_or_else(|| format!("{:?} and {:?} do not broadcast", a.dims, b.dims))?;
    count(&dims)?;
    let (Some(x), Some(y)) = (a.reals(), b.reals()) else {
        return Err("strings are not computed with".to_owned());
    };
    let (left, right) = (places(&a.dims, &dims), places(&b.dims, &dims));
    let values = left.iter().zip(&right).map(|(&at, &other)| of(x[at], y[other]));
    let both_whole = matches!((&a.data, &b.data), (Data::Whole(_), Data::Whole(_)));
    let data = match both_whole {
        true => Data::Whole(values.map(|value| value as i64).collect()),
        false => Data::Real(values.collect()),
    };
    Ok(Tensor { dims, data, private: a.private || b.private })
}

/// An elementwise comparison or an op on truth values, whose results are integers.
pub(crate) fn truth(call: &Call, of: fn(f64, f64) -> f64) -> Folded {
    let result = paired(call.constant(0)?, call.constant(1)?, of)?;
    let values = result.wholes().ok_or("no truth values")?;
    Ok(Tensor { data: Data::Whole(values), ..result })
}

/// `Constant`.
pub(crate) fn constant(call: &Call) -> Folded {
    match call.node.attributes.iter().next() {
        Some((_, Attribute::Tensor(tensor))) => Ok(tensor.clone()),
        Some((_, Attribute::Real(real))) => Ok(Tensor::real(&[], vec![*real])),
        Some((_, Attribute::Whole(whole))) => Ok(Tensor::whole(&[], vec![*whole])),
        Some((_, Attribute::Reals(reals))) => Ok(Tensor::real(&[reals.len()], reals.to_vec())),
        Some((_, Attribute::Wholes(wholes))) => Ok(Tensor::whole(&[wholes.len()], wholes.to_vec())),
        _ => Err("its value is of another kind".to_owned()),
    }
}

/// `ConstantOfShape`.
pub(crate) fn filled(call: &Call) -> Folded {
    let dims = call.wholes(0, "shape")?.ok_or("the shape is missing")?;
    let dims: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let dims = dims.ok_or("the shape has a negative extent")?;
    let count = count(&dims)?;
    Ok(match call.node.attributes.get("value") {
        Some(Attribute::Tensor(value)) if value.len() == 1 => value.picked(dims, &vec![0; count]),
        None => Tensor::real(&dims, vec![0.0; count]),
        Some(_) => return Err("its value is no single number".to_owned()),
    })
}

/// `Range`.
pub(crate) fn range(call: &Call) -> Folded {
    let [start, limit, step] =
        [call.reals(0)?, call.reals(1)?, call.reals(2)?].map(|ends| ends.first().copied());
    let (Some(start), Some(limit), Some(step)) = (start, limit, step) else {
        return Err("an end is missing".to_owned());
    };
    let steps = ((limit - start) / step).ceil().max(0.0);
    if !steps.is_finite() || steps > MOST_ELEMENTS as f64 {
        return Err("a range is too long".to_owned());
    }
    let values: Vec<f64> = (0..steps as usize).map(|at| start + at as f64 * step).collect();
    Ok(match call.constant(0)?.data {
        Data::Whole(_) => Tensor::whole(&[values.len()], values.iter().map(|&value| value as i64).collect()),
        _ => Tensor::real(&[values.len()], values),
    })
}

/// `Shape`, also of what is computed.
pub(crate) fn shape(call: &Call) -> Folded {
    let dims = call.dims(0)?;
    let end =
        |at: i64| (if at < 0 { at + dims.len() as i64 } else { at }).clamp(0, dims.len() as i64) as usize;
    let (start, end) = (end(call.whole("start", 0)?), end(call.whole("end", i64::MAX)?));
    let dims: Vec<i64> = dims[start..end.max(start)].iter().map(|&dim| dim as i64).collect();
    Ok(Tensor::whole(&[dims.len()], dims))
}

/// `Size`, also of what is computed.
pub(crate) fn size(call: &Call) -> Folded {
    Ok(Tensor::whole(&[], vec![call.dims(0)?.iter().product::<usize>() as i64]))
}

/// `Cast`: floats become integers towards zero.
pub(crate) fn cast(call: &Call) -> Folded {
    const WHOLE: [i64; 9] = [2, 3, 4, 5, 6, 7, 12, 13, 9];
    let (tensor, to) = (call.constant(0)?, call.whole("to", 1)?);
    Ok(match (&tensor.data, to) {
        (Data::Real(values), 9) => {
            let data = Data::Whole(values.iter().map(|&value| i64::from(value != 0.0)).collect());
            Tensor { data, ..tensor.clone() }
        }
        (Data::Whole(values), 9) => {
            let data = Data::Whole(values.iter().map(|&value| i64::from(value != 0)).collect());
            Tensor { data, ..tensor.clone() }
        }
        (Data::Real(values), to) if WHOLE.contains(&to) => {
            let data = Data::Whole(values.iter().map(|&value| value as i64).collect());
            Tensor { data, ..tensor.clone() }
        }
        (Data::Whole(_), to) if !WHOLE.contains(&to) => tensor.mapped(|value| value).ok_or("no numbers")?,
        _ => tensor.clone(),
    })
}

/// `Concat`.
pub(crate) fn concat(call: &Call) -> Folded {
    let tensors: Vec<&Tensor> =
        (0..call.inputs.len()).map(|at| call.constant(at)).collect::<Result<_, _>>()?;
    let axis = call.axis(0)?;
    let first = tensors.first().ok_or("it joins nothing")?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for tensor in &tensors {
        let fits = tensor.dims.len() == dims.len()
            && (0..dims.len()).all(|at| at == axis || tensor.dims[at] == dims[at]);
        if !fits {
            return Err(format!("{:?} and {:?} cannot be joined", first.dims, tensor.dims));
        }
        dims[axis] += tensor.dims[axis];
    }
    count(&dims)?;
    let outer: usize = dims[..axis].iter().product();
    let private = tensors.iter().any(|tensor| tensor.private);
    let row = |tensor: &Tensor| tensor.len().checked_div(outer).unwrap_or(0);
    if tensors.iter().all(|tensor| matches!(tensor.data, Data::Whole(_))) {
        let all: Vec<_> = tensors.iter().filter_map(|tensor| Some((tensor.wholes()?, row(tensor)))).collect();
        let values = (0..outer).flat_map(|at| {
            all.iter().flat_map(move |(values, row)| values[at * row..(at + 1) * row].iter().copied())
        });
        return Ok(Tensor { dims, data: Data::Whole(values.collect()), private });
    }
    let all: Option<Vec<_>> = tensors.iter().map(|tensor| Some((tensor.reals()?, row(tensor)))).collect();
    let all = all.ok_or("strings are not joined")?;
    let values = (0..outer).flat_map(|at| {
        all.iter().flat_map(move |(values, row)| values[at * row..(at + 1) * row].iter().copied())
    });
    Ok(Tensor { dims, data: Data::Real(values.collect()), private })
}

/// `Where`.
pub(crate) fn choose(call: &Call) -> Folded {
    let (condition, x, y) = (call.constant(0)?, call.constant(1)?, call.constant(2)?);
    let all = |a: &Tensor, b: &Tensor| paired(a, b, |a, _| a);
    let (x, y) = (all(x, y)?, all(y, x)?);
    let (condition, x, y) = (all(condition, &x)?, all(&x, condition)?, all(&y, condition)?);
    let (Some(chosen), Some(a), Some(b)) = (condition.reals(), x.reals(), y.reals()) else {
        return Err("strings are not chosen".to_owned());
    };
    let values = (0..chosen.len()).map(|at| if chosen[at] != 0.0 { a[at] } else { b[at] });
    let private = condition.private || x.private || y.private;
    let data = match (&x.data, &y.data) {
        (Data::Whole(_), Data::Whole(_)) => Data::Whole(values.map(|value| value as i64).collect()),
        _ => Data::Real(values.collect()),
    };
    Ok(Tensor { dims: condition.dims, data, private })
}

/// `Trilu`.
pub(crate) fn triangle(call: &Call) -> Folded {
    let tensor = call.constant(0)?;
    let [.., rows, cols] = tensor.dims[..] else { return Err("it is of fewer than two axes".to_owned()) };
    let upper = call.whole("upper", 1)? != 0;
    let offset = if call.has(1) {
        call.constant(1)?.wholes().and_then(|at| at.first().copied()).unwrap_or(0)
    } else {
        0
    };
    let keeps = |at: usize| {
        let (row, col) = ((at / cols % rows) as i64, (at % cols) as i64);
        if upper { col - row >= offset } else { col - row <= offset }
    };
    let data = match &tensor.data {
        Data::Whole(values) => Data::Whole(
            values.iter().enumerate().map(|(at, &value)| if keeps(at) { value } else { 0 }).collect(),
        ),
        Data::Real(values) => Data::Real(
            values.iter().enumerate().map(|(at, &value)| if keeps(at) { value } else { 0.0 }).collect(),
        ),
        Data::Text(_) => return Err("it is of strings".to_owned()),
    };
    Ok(Tensor { data, ..tensor.clone() })
}

/// A reduction along axes, of all of them where none are named.
pub(crate) fn reduce(call: &Call, of: fn(&[f64]) -> f64) -> Folded {
    let tensor = call.constant(0)?;
    let values = tensor.reals().ok_or("it is of strings")?;
    let given = call.wholes(1, "axes")?;
    let given = given.filter(|axes| !axes.is_empty());
    if given.is_none() && call.whole("noop_with_empty_axes", 0)? != 0 {
        return Ok(tensor.clone());
    }
    let axes: Vec<usize> = match given {
        Some(axes) => axes.iter().map(|&axis| index(axis, tensor.dims.len())).collect::<Result<_, _>>()?,
        None => (0..tensor.dims.len()).collect(),
    };
    let keeps = call.whole("keepdims", 1)? != 0;
    let own = steps(&tensor.dims);
    let (mut kept, mut along) = ((vec![], vec![]), (vec![], vec![]));
    for (axis, &step) in own.iter().enumerate() {
        let part = if axes.contains(&axis) { &mut along } else { &mut kept };
        part.0.push(tensor.dims[axis]);
        part.1.push(step);
    }
    let offsets = strided(0, &along.0, &along.1);
    let result = strided(0, &kept.0, &kept.1).into_iter().map(|start| {
        let group: Vec<f64> = offsets.iter().map(|offset| values[start + offset]).collect();
        of(&group)
    });
    let dims: Vec<usize> = (0..tensor.dims.len())
        .filter_map(|axis| if axes.contains(&axis) { keeps.then_some(1) } else { Some(tensor.dims[axis]) })
        .collect();
    let data = match &tensor.data {
        Data::Whole(_) => Data::Whole(result.map(|value| value as i64).collect()),
        _ => Data::Real(result.collect()),
    };
    Ok(Tensor { dims, data, private: tensor.private })
}

/// `MatMul` of two matrices.
pub(crate) fn matmul(call: &Call) -> Folded {
    let (a, b) = (call.constant(0)?, call.constant(1)?);
    let ([rows, inner], [same, cols]) = (&a.dims[..], &b.dims[..]) else {
        return Err("a product of constants of other than two axes".to_owned());
    };
    let (Some(x), Some(y)) = (a.reals(), b.reals()) else {
        return Err("strings are not multiplied".to_owned());
    };
    if inner != same || count(&[*rows, *cols])?.checked_mul(*inner).is_none_or(|work| work > 1 << 30) {
        return Err(format!("{:?} and {:?} cannot be multiplied", a.dims, b.dims));
    }
    let element = |at: usize| (0..*inner).map(|k| x[at / cols * inner + k] * y[k * cols + at % cols]).sum();
    let values = (0..rows * cols).map(element).collect();
    Ok(Tensor { dims: vec![*rows, *cols], data: Data::Real(values), private: a.private || b.private })
}

/// The values of a node all of whose inputs are constants, by movements.
pub(crate) fn moved(call: &Call, moves: fn(&Call) -> crate::moves::Moves) -> Result<Vec<Value>, String> {
    let tensor = call.constant(0)?;
    let part = |moves: Vec<crate::moves::Move>| {
        let mut moved = tensor.clone();
        for movement in moves {
            count(&movement.dims(&moved.dims))?;
            moved = movement.apply(&moved);
        }
        Ok(Value::Constant(moved))
    };
    moves(call)?.into_iter().map(part).collect()
}
