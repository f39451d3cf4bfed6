//! Reductions along axes.

use crate::call::{Call, Shared, Value};
use crate::lower::{Lowered, Lowering, list};
use crate::moves::index;

/// The axes that a node reduces, in rising order, and whether it keeps them.
fn axes(call: &Call, rank: usize) -> Result<(Vec<usize>, bool), String> {
    let given = call.wholes(1, "axes")?.unwrap_or_default();
    let keeps = call.whole("keepdims", 1)? != 0;
    if given.is_empty() {
        let all = if call.whole("noop_with_empty_axes", 0)? == 0 { (0..rank).collect() } else { Vec::new() };
        return Ok((all, keeps));
    }
    let mut axes: Vec<usize> = given.iter().map(|&axis| index(axis, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok((axes, keeps))
}

/// The text of a function along axes, and the extents of the result. Neighbouring axes are reduced as one.
fn text(
    l: &Lowering,
    call: &Call,
    x: &Shared,
    name: &str,
    function: &str,
) -> Result<(String, Vec<usize>), String> {
    l.plain(x)?;
    let (axes, keeps) = axes(call, x.dims.len())?;
    let kept = |axis: usize| if axes.contains(&axis) { keeps.then_some(1) } else { Some(x.dims[axis]) };
    let dims: Vec<usize> = (0..x.dims.len()).filter_map(kept).collect();
    if axes.is_empty() {
        return Ok((name.to_owned(), dims));
    }
    if let [axis] = axes[..] {
        let keep = if keeps { ", keepdims=1" } else { "" };
        return Ok((format!("{function}({name}, axis={axis}{keep})"), dims));
    }
    let (first, count) = (axes[0], axes.len());
    if axes[count - 1] + 1 - first != count {
        return Err(format!("{function} along axes {axes:?}, which are no neighbours"));
    }
    let merged: usize = x.dims[first..first + count].iter().product();
    let flat = [&x.dims[..first], &[merged], &x.dims[first + count..]].concat();
    let reduced = format!("{function}(reshape({name}, {}), axis={first})", list(&flat));
    let text = if keeps { format!("reshape({reduced}, {})", list(&dims)) } else { reduced };
    Ok((text, dims))
}

pub(crate) fn along(l: &mut Lowering, call: &Call, function: &str) -> Lowered {
    let x = call.shared(0)?.clone();
    let name = l.plain(&x)?;
    let (text, dims) = text(l, call, &x, &name, function)?;
    let whole = x.is_whole && function != "mean";
    Ok(vec![if text == name { Value::Shared(x) } else { l.step(text, &dims, whole) }])
}

fn of(l: &mut Lowering, call: &Call, inner: (&str, String), outer: Option<&str>) -> Lowered {
    let x = call.shared(0)?.clone();
    let part = l.part(inner.0, inner.1, &x.dims, false);
    let (sum, dims) = text(l, call, &part, &part.name, "sum")?;
    let sum = outer.map_or(sum.clone(), |function| format!("{function}({sum})"));
    Ok(vec![l.step(sum, &dims, false)])
}

pub(crate) fn l1(l: &mut Lowering, call: &Call) -> Lowered {
    let name = l.plain(call.shared(0)?)?;
    of(l, call, ("magnitude", format!("abs({name})")), None)
}

pub(crate) fn squares(l: &mut Lowering, call: &Call) -> Lowered {
    let name = l.plain(call.shared(0)?)?;
    of(l, call, ("square", format!("{name} * {name}")), None)
}

pub(crate) fn l2(l: &mut Lowering, call: &Call) -> Lowered {
    let name = l.plain(call.shared(0)?)?;
    of(l, call, ("square", format!("{name} * {name}")), Some("sqrt"))
}

/// The place of an extreme element: of equal ones the first.
pub(crate) fn place(l: &mut Lowering, call: &Call, function: &str) -> Lowered {
    call.only("select_last_index", 0)?;
    let x = call.shared(0)?.clone();
    let (axis, keeps) = (call.axis(0)?, call.whole("keepdims", 1)? != 0);
    let name = l.plain(&x)?;
    let mut dims = x.dims.clone();
    if keeps {
        dims[axis] = 1;
    } else {
        dims.remove(axis);
    }
    let keep = if keeps { ", keepdims=1" } else { "" };
    Ok(vec![l.step(format!("{function}({name}, axis={axis}{keep})"), &dims, true)])
}
