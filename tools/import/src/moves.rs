//! Ops that move elements and compute nothing: the same description serves constants and shared values.

use crate::call::Call;
use crate::tensor::{MOST_RANK, Tensor, steps, strided};

/// A movement of elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Move {
    /// The same elements, row by row, with other extents.
    Reshape(Vec<usize>),
    /// The axes in another order.
    Permute(Vec<usize>),
    /// Some elements along an axis: the first, the step and the count.
    Range { axis: usize, start: usize, step: usize, count: usize },
    /// Elements at these places along an axis.
    Take { axis: usize, places: Vec<usize> },
}

impl Move {
    /// The extents of the result.
    pub(crate) fn dims(&self, of: &[usize]) -> Vec<usize> {
        let with = |axis: usize, extent: usize| {
            let mut dims = of.to_vec();
            dims[axis] = extent;
            dims
        };
        match self {
            Move::Reshape(dims) => dims.clone(),
            Move::Permute(order) => order.iter().map(|&axis| of[axis]).collect(),
            Move::Range { axis, count, .. } => with(*axis, *count),
            Move::Take { axis, places } => with(*axis, places.len()),
        }
    }

    /// A constant, moved.
    pub(crate) fn apply(&self, tensor: &Tensor) -> Tensor {
        let (dims, own) = (self.dims(&tensor.dims), steps(&tensor.dims));
        match self {
            Move::Reshape(_) => tensor.with_dims(dims),
            Move::Permute(order) => {
                let steps: Vec<usize> = order.iter().map(|&axis| own[axis]).collect();
                tensor.picked(dims.clone(), &strided(0, &dims, &steps))
            }
            Move::Range { axis, start, step, .. } => {
                let mut steps = own.clone();
                steps[*axis] *= step;
                tensor.picked(dims.clone(), &strided(start * own[*axis], &dims, &steps))
            }
            Move::Take { axis, places } => {
                let outer: usize = tensor.dims[..*axis].iter().product();
                let (inner, extent) = (own[*axis], tensor.dims[*axis]);
                let row = |at: usize| {
                    places.iter().flat_map(move |place| {
                        let start = (at * extent + place) * inner;
                        start..start + inner
                    })
                };
                tensor.picked(dims, &(0..outer).flat_map(row).collect::<Vec<_>>())
            }
        }
    }

    /// The shortest form of places along an axis.
    fn along(axis: usize, extent: usize, places: Vec<usize>) -> Option<Move> {
        if places.iter().copied().eq(0..extent) {
            return None;
        }
        let step = match places[..] {
            [first, second, ..] if second > first => second - first,
            _ => 1,
        };
        let start = places.first().copied().unwrap_or(0);
        let regular = places.iter().enumerate().all(|(at, &place)| place == start + at * step);
        Some(if regular && !places.is_empty() {
            Move::Range { axis, start, step, count: places.len() }
        } else {
            Move::Take { axis, places }
        })
    }
}

/// The movements that make each output of a node of its first input.
pub(crate) type Moves = Result<Vec<Vec<Move>>, String>;

fn one(movement: Move) -> Moves {
    Ok(vec![vec![movement]])
}

/// An index of so many, of which negative ones count from the end.
pub(crate) fn index(at: i64, extent: usize) -> Result<usize, String> {
    let from_start = if at < 0 { at.saturating_add(extent as i64) } else { at };
    let there = usize::try_from(from_start).ok().filter(|&at| at < extent);
    there.ok_or_else(|| format!("there is no {at} of {extent}"))
}

fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>, String> {
    let mut axes: Vec<usize> = given.iter().map(|&axis| index(axis, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

fn check_rank(rank: usize) -> Result<(), String> {
    if rank > MOST_RANK { Err(format!("a value of {rank} axes")) } else { Ok(()) }
}

/// The value as it is.
pub(crate) fn same(call: &Call) -> Moves {
    call.dims(0)?;
    Ok(vec![vec![]; call.node.outputs.len().min(1)])
}

pub(crate) fn reshape(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let count: usize = from.iter().product();
    let to = call.wholes(1, "shape")?.ok_or("the shape is missing")?;
    let zero_is_zero = call.whole("allowzero", 0)? != 0;
    check_rank(to.len())?;
    let mut dims = Vec::new();
    for (axis, &extent) in to.iter().enumerate() {
        dims.push(match extent {
            -1 => None,
            0 if !zero_is_zero => Some(*from.get(axis).ok_or("the shape keeps an axis that is not there")?),
            extent => Some(usize::try_from(extent).map_err(|_| "the shape has a negative extent")?),
        });
    }
    let known = dims.iter().flatten().try_fold(1usize, |known, &dim| known.checked_mul(dim));
    let known = known.ok_or("the shape is too large")?;
    let rest = count.checked_div(known).unwrap_or(0);
    let dims: Vec<usize> = dims.into_iter().map(|dim| dim.unwrap_or(rest)).collect();
    if dims.iter().try_fold(1usize, |all, &dim| all.checked_mul(dim)) != Some(count) {
        return Err(format!("{from:?} cannot become {dims:?}"));
    }
    one(Move::Reshape(dims))
}

pub(crate) fn flatten(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let axis = call.whole("axis", 1)?;
    let axis = if axis == from.len() as i64 { from.len() } else { index(axis, from.len())? };
    one(Move::Reshape(vec![from[..axis].iter().product(), from[axis..].iter().product()]))
}

pub(crate) fn squeeze(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let axes = match call.wholes(1, "axes")? {
        Some(given) => axes(&given, from.len())?,
        None => (0..from.len()).filter(|&axis| from[axis] == 1).collect(),
    };
    if axes.iter().any(|&axis| from[axis] != 1) {
        return Err(format!("axes {axes:?} of {from:?} are not all of extent 1"));
    }
    one(Move::Reshape((0..from.len()).filter(|axis| !axes.contains(axis)).map(|axis| from[axis]).collect()))
}

pub(crate) fn unsqueeze(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let given = call.wholes(1, "axes")?.ok_or("the axes are missing")?;
    let rank = from.len() + given.len();
    check_rank(rank)?;
    let axes = axes(&given, rank)?;
    if axes.len() != given.len() {
        return Err("an axis is named twice".to_owned());
    }
    let mut rest = from.into_iter();
    one(Move::Reshape(
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { rest.next().unwrap_or(1) }).collect(),
    ))
}

pub(crate) fn transpose(call: &Call) -> Moves {
    let rank = call.dims(0)?.len();
    let order: Vec<usize> = match call.wholes(usize::MAX, "perm")? {
        Some(order) => order.iter().map(|&axis| index(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(format!("perm = {order:?} is no order of {rank} axes"));
    }
    one(Move::Permute(order))
}

pub(crate) fn slice(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let starts = call.wholes(1, "starts")?.ok_or("the starts are missing")?;
    let ends = call.wholes(2, "ends")?.ok_or("the ends are missing")?;
    let axes = call.wholes(3, "axes")?.unwrap_or((0..starts.len() as i64).collect());
    let steps = call.wholes(4, "steps")?.unwrap_or(vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in number".to_owned());
    }
    let (mut moves, mut sliced) = (Vec::new(), vec![false; from.len()]);
    for at in 0..starts.len() {
        let axis = index(axes[at], from.len())?;
        if std::mem::replace(&mut sliced[axis], true) {
            return Err(format!("axis {axis} is sliced twice"));
        }
        let extent = from[axis] as i64;
        let from_end = |at: i64| if at < 0 { at.saturating_add(extent) } else { at };
        let (start, end, step) = (from_end(starts[at]), from_end(ends[at]), steps[at]);
        let places: Vec<usize> = match step {
            0 => return Err("a step is 0".to_owned()),
            1.. => (start.clamp(0, extent)..end.clamp(0, extent))
                .step_by(step as usize)
                .map(|at| at as usize)
                .collect(),
            _ => {
                let (start, end) = (start.clamp(-1, extent - 1), end.clamp(-1, extent - 1));
                let back = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
                (end + 1..=start).rev().step_by(back).map(|at| at as usize).collect()
            }
        };
        moves.extend(Move::along(axis, from[axis], places));
    }
    Ok(vec![moves])
}

pub(crate) fn gather(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let axis = index(call.whole("axis", 0)?, from.len())?;
    let indices = call.constant(1)?;
    let places = indices.wholes().ok_or("the indices are no integers")?;
    let places: Vec<usize> = places.iter().map(|&at| index(at, from[axis])).collect::<Result<_, _>>()?;
    let dims = [&from[..axis], &indices.dims, &from[axis + 1..]].concat();
    Ok(vec![Move::along(axis, from[axis], places).into_iter().chain([Move::Reshape(dims)]).collect()])
}

/// Columns by number, of `ai.onnx.ml`.
pub(crate) fn features(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let axis = from.len().checked_sub(1).ok_or("a single number has no features")?;
    let places = call.constant(1)?.wholes().ok_or("the indices are no integers")?;
    let places: Vec<usize> = places.iter().map(|&at| index(at, from[axis])).collect::<Result<_, _>>()?;
    let moves = Move::along(axis, from[axis], places);
    // A vector becomes a row.
    let row = |moves: &[Move]| moves.iter().fold(from.clone(), |dims, movement| movement.dims(&dims));
    let mut moves: Vec<Move> = moves.into_iter().collect();
    if from.len() == 1 {
        let dims = row(&moves);
        moves.push(Move::Reshape(vec![1, dims[0]]));
    }
    Ok(vec![moves])
}

pub(crate) fn split(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let axis = index(call.whole("axis", 0)?, from.len())?;
    let parts = call.node.outputs.len();
    let sizes = match call.wholes(1, "split")? {
        Some(sizes) => sizes.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>(),
        None if parts > 0 => {
            let size = from[axis].div_ceil(parts);
            let left = |part: usize| from[axis].saturating_sub(part * size).min(size);
            Some((0..parts).map(left).collect())
        }
        None => None,
    };
    let sum = |sizes: &[usize]| sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    let sizes = sizes.filter(|sizes| sizes.len() == parts && sum(sizes) == Some(from[axis]));
    let sizes = sizes.ok_or_else(|| format!("its parts are not {} together", from[axis]))?;
    let mut start = 0;
    let part = |count: usize| {
        let movement = Move::Range { axis, start, step: 1, count };
        start += count;
        vec![movement]
    };
    Ok(sizes.into_iter().map(part).collect())
}

/// The largest extent that repetition gives: the places are listed.
const MOST_PLACES: usize = 1 << 20;

pub(crate) fn expand(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let to = call.wholes(1, "shape")?.ok_or("the shape is missing")?;
    check_rank(to.len())?;
    let to: Vec<usize> = to
        .iter()
        .map(|&dim| usize::try_from(dim).map_err(|_| "the shape has a negative extent"))
        .collect::<Result<_, _>>()?;
    let both = crate::tensor::broadcast(&from, &to)
        .ok_or_else(|| format!("{from:?} does not broadcast to {to:?}"))?;
    expanded(&from, &both).map(|moves| vec![moves])
}

/// The movements that repeat a value to extents that it broadcasts to.
pub(crate) fn expanded(from: &[usize], to: &[usize]) -> Result<Vec<Move>, String> {
    let mut own = vec![1; to.len() - from.len()];
    own.extend(from);
    let mut moves = Vec::new();
    if own != from {
        moves.push(Move::Reshape(own.clone()));
    }
    for axis in 0..to.len() {
        if to[axis] > MOST_PLACES {
            return Err(format!("{} is too large an extent", to[axis]));
        }
        if own[axis] != to[axis] {
            moves.push(Move::Take { axis, places: vec![0; to[axis]] });
        }
    }
    Ok(moves)
}

pub(crate) fn tile(call: &Call) -> Moves {
    let from = call.dims(0)?;
    let repeats = call.wholes(1, "repeats")?.ok_or("the repeats are missing")?;
    if repeats.len() != from.len() {
        return Err("there is not one repeat for each axis".to_owned());
    }
    let mut moves = Vec::new();
    for (axis, &repeat) in repeats.iter().enumerate() {
        let count = usize::try_from(repeat).ok().and_then(|repeat| repeat.checked_mul(from[axis]));
        let count = count.filter(|&count| count <= MOST_PLACES).ok_or("a repeat is too large")?;
        moves.extend(Move::along(axis, from[axis], (0..count).map(|at| at % from[axis]).collect()));
    }
    Ok(vec![moves])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_their_shortest_form() {
        assert_eq!(Move::along(0, 3, vec![0, 1, 2]), None);
        assert_eq!(
            Move::along(1, 9, vec![2, 4, 6]),
            Some(Move::Range { axis: 1, start: 2, step: 2, count: 3 })
        );
        assert_eq!(Move::along(1, 9, vec![4]), Some(Move::Range { axis: 1, start: 4, step: 1, count: 1 }));
        assert_eq!(Move::along(0, 3, vec![2, 1, 0]), Some(Move::Take { axis: 0, places: vec![2, 1, 0] }));
    }
}
