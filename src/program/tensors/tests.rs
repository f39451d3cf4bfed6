//! Tensor ops against their definitions, index by index.

use super::*;
use crate::program::{Kernels, Window, oracle};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;

/// A tensor in the clear.
#[derive(Clone, Debug, PartialEq)]
struct Array {
    extents: Vec<usize>,
    data: Vec<i64>,
}

impl Array {
    /// Each element from its indices.
    fn of(extents: &[usize], element: impl Fn(&[usize]) -> i64) -> Array {
        let len = extents.iter().product();
        let indices = |place: usize| {
            let mut rest = place;
            let mut indices: Vec<usize> = extents
                .iter()
                .rev()
                .map(|&extent| {
                    let index = rest % extent;
                    rest /= extent;
                    index
                })
                .collect();
            indices.reverse();
            indices
        };
        Array { extents: extents.to_vec(), data: (0..len).map(|place| element(&indices(place))).collect() }
    }

    /// Small numbers of either sign that look random.
    fn drawn(extents: &[usize], seed: i64) -> Array {
        let mut array = Array::of(extents, |_| 0);
        for (place, element) in array.data.iter_mut().enumerate() {
            let mixed =
                (place as i64 + 1).wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed * 0x1405_7b7e);
            *element = (mixed >> 33) % 11 - 5;
        }
        array
    }

    /// The element at the last of these indices; an axis of extent 1 repeats.
    fn at(&self, indices: &[usize]) -> i64 {
        let own = &indices[indices.len() - self.extents.len()..];
        let place = own
            .iter()
            .zip(&self.extents)
            .fold(0, |place, (&index, &extent)| place * extent + if extent == 1 { 0 } else { index });
        self.data[place]
    }

    fn dims(&self) -> Dims {
        Dims::new(&self.extents).expect("few axes")
    }
}

/// Evaluates the op on integers by the oracle and holds extents and elements against what they should be.
fn holds(
    inputs: &[&Array],
    op: impl FnOnce(&mut Program, &[ValueId]) -> Result<ValueId, ProgramError>,
    expected: &Array,
) {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let values: Vec<ValueId> = inputs
        .iter()
        .enumerate()
        .map(|(index, array)| {
            program.input(&format!("x{index}"), PartyId(0), array.dims(), None).expect("an input")
        })
        .collect();
    let result = op(&mut program, &values).expect("an op that fits");
    program.output("z", result, Parties::first(1)).expect("an output");
    assert_eq!(program.dims(result), expected.dims());
    let encoded = |array: &Array| Elements::from_integers(Ring::Z64, array.data.iter().map(|&x| x as u64));
    let data: Vec<Elements> = inputs.iter().map(|array| encoded(array)).collect();
    assert_eq!(oracle::evaluate(&program, &data)[0].elements, encoded(expected));
}

/// So many extents, with empty, single and prime axes.
fn extents(ranks: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    let extent = prop_oneof![2 => Just(1usize), 3 => Just(2), 3 => Just(3), 1 => Just(5), 1 => Just(0)];
    prop::collection::vec(extent, ranks)
}

/// Those of an operand that broadcasts to these.
fn narrower(extents: &[usize], single: u8, missing: usize) -> Vec<usize> {
    let one = |(axis, &extent): (usize, &usize)| if single >> axis & 1 == 1 { 1 } else { extent };
    let all: Vec<usize> = extents.iter().enumerate().map(one).collect();
    all[missing.min(all.len())..].to_vec()
}

/// An axis replaced by another one.
fn with(extents: &[usize], axis: usize, extent: usize) -> Vec<usize> {
    let mut extents = extents.to_vec();
    extents[axis] = extent;
    extents
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn elementwise_ops_broadcast(extents in extents(0..5), single: [u8; 2], missing in 0..5usize, seed in 0..99i64) {
        let a = Array::drawn(&narrower(&extents, single[0], missing), seed);
        let b = Array::drawn(&narrower(&extents, single[1] & !single[0], 0), seed + 1);
        let missing = extents.len() - a.extents.len();
        let both = |(axis, &own): (usize, &usize)| match axis.checked_sub(missing) {
            Some(axis) if own == 1 => a.extents[axis],
            _ => own,
        };
        let both: Vec<usize> = b.extents.iter().enumerate().map(both).collect();
        let expected = Array::of(&both, |at| a.at(at) * 3 - b.at(at));
        holds(&[&a, &b], |p, x| {
            let tripled = p.scale(x[0], crate::program::Number::Integer(3))?;
            p.sub(tripled, x[1])
        }, &expected);
        let product = Array::of(&expected.extents, |at| a.at(at) * b.at(at));
        holds(&[&a, &b], |p, x| p.mul(x[0], x[1]), &product);
    }

    #[test]
    fn batches_of_matrices_multiply(extents in extents(2..5), single: [u8; 2], inner in 0..4usize, cols in 1..4usize, seed in 0..99i64) {
        let rank = extents.len();
        let left = with(&narrower(&extents, single[0] & !(3 << (rank - 2)), 0), rank - 1, inner);
        let right = with(&with(&narrower(&extents, single[1] & !(3 << (rank - 2)), 0), rank - 2, inner), rank - 1, cols);
        let (a, b) = (Array::drawn(&left, seed), Array::drawn(&right, seed + 1));
        let mut both: Vec<usize> = (0..rank).map(|axis| if left[axis] == 1 { right[axis] } else { left[axis] }).collect();
        (both[rank - 2], both[rank - 1]) = (left[rank - 2], cols);
        let expected = Array::of(&both, |at| {
            let replaced = |axis, index| with(at, axis, index);
            (0..inner).map(|k| a.at(&replaced(rank - 1, k)) * b.at(&replaced(rank - 2, k))).sum()
        });
        holds(&[&a, &b], |p, x| p.matmul(x[0], x[1]), &expected);
    }

    #[test]
    fn vectors_multiply_as_rows_and_columns(extents in extents(1..5), seed in 0..99i64) {
        let (rank, a) = (extents.len(), Array::drawn(&extents, seed));
        let column = Array::drawn(&extents[rank - 1..], seed + 1);
        let expected = Array::of(&extents[..rank - 1], |at| {
            (0..extents[rank - 1]).map(|k| a.at(&[at, &[k]].concat()) * column.at(&[k])).sum()
        });
        holds(&[&a, &column], |p, x| p.matmul(x[0], x[1]), &expected);
        if rank > 1 {
            let row = Array::drawn(&extents[rank - 2..rank - 1], seed + 2);
            let expected = Array::of(&[&extents[..rank - 2], &extents[rank - 1..]].concat(), |at| {
                let (batch, col) = at.split_at(rank - 2);
                (0..extents[rank - 2]).map(|k| row.at(&[k]) * a.at(&[batch, &[k], col].concat())).sum()
            });
            holds(&[&row, &a], |p, x| p.matmul(x[0], x[1]), &expected);
        }
    }

    #[test]
    fn axes_are_reordered_cut_joined_and_picked(extents in extents(1..5), axis: prop::sample::Index, turn in 0..24usize, seed in 0..99i64) {
        let (rank, a) = (extents.len(), Array::drawn(&extents, seed));
        let axis = axis.index(rank);
        let mut order: Vec<usize> = (0..rank).collect();
        order.rotate_left(turn % rank);
        if turn % 2 == 1 && rank > 1 { order.swap(0, 1); }
        let turned: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
        let expected = Array::of(&turned, |at| {
            let mut from = vec![0; rank];
            for (to, &axis) in order.iter().enumerate() { from[axis] = at[to]; }
            a.at(&from)
        });
        holds(&[&a], |p, x| p.permute(x[0], &order), &expected);
        let extent = extents[axis];
        let stride = Stride { start: extent.min(1), step: 2, count: extent / 2 };
        let mut strides: Vec<Stride> = extents.iter().map(|&extent| Stride::range(0, extent)).collect();
        strides[axis] = stride;
        let cut = Array::of(&with(&extents, axis, stride.count), |at| a.at(&with(at, axis, stride.start + 2 * at[axis])));
        holds(&[&a], |p, x| p.slice_axes(x[0], &strides), &cut);
        let joined = Array::of(&with(&extents, axis, extent + stride.count), |at| match at[axis].checked_sub(extent) {
            None => a.at(at),
            Some(beyond) => cut.at(&with(at, axis, beyond)),
        });
        holds(&[&a, &cut], |p, x| p.concat_along(x[0], x[1], axis), &joined);
        let indices: Vec<usize> = (0..if extent == 0 { 0 } else { 7 }).map(|at| at * at * turn % extent).collect();
        let picked = Array::of(&with(&extents, axis, indices.len()), |at| a.at(&with(at, axis, indices[at[axis]])));
        holds(&[&a], |p, x| p.take(x[0], &indices, axis), &picked);
    }

    #[test]
    fn axes_are_reduced(extents in extents(1..5), axis: prop::sample::Index, seed in 0..99i64) {
        let (axis, a) = (axis.index(extents.len()), Array::drawn(&extents, seed));
        let along = |at: &[usize]| (0..extents[axis]).map(|index| a.at(&with(at, axis, index))).collect::<Vec<_>>();
        let reduced = |of: fn(Vec<i64>) -> i64| Array::of(&with(&extents, axis, 1), |at| of(along(at)));
        let sums = reduced(|all| all.iter().sum());
        holds(&[&a], |p, x| p.sum_along(x[0], axis), &sums);
        let mut rest = extents.clone();
        rest.remove(axis);
        holds(&[&a], |p, x| {
            let sums = p.sum_along(x[0], axis)?;
            p.squeeze(sums, axis)
        }, &Array { extents: rest, data: sums.data.clone() });
        if extents[axis] > 0 {
            holds(&[&a], |p, x| p.max_along(x[0], axis), &reduced(|all| all.into_iter().max().expect("one")));
            holds(&[&a], |p, x| p.min_along(x[0], axis), &reduced(|all| all.into_iter().min().expect("one")));
            let first = |all: Vec<i64>| {
                let most = all.iter().max().expect("one");
                all.iter().position(|x| x == most).expect("the largest") as i64
            };
            holds(&[&a], |p, x| p.argmax_along(x[0], axis), &reduced(first));
        }
    }

    #[test]
    fn shared_indices_choose_rows(rows in 1..9usize, cols in 0..4usize, extents in extents(0..4), seed in 0..99i64) {
        let table = Array::drawn(&[rows, cols], seed);
        let (rank, index) = (extents.len(), Array::drawn(&extents, seed + 1));
        let hot = Array::of(&[&extents[..], &[rows]].concat(), |at| i64::from(index.at(&at[..rank]) == at[rank] as i64));
        holds(&[&index], |p, x| p.one_hot(x[0], rows), &hot);
        let chosen = Array::of(&[&extents[..], &[cols]].concat(), |at| {
            let row = usize::try_from(index.at(&at[..rank])).ok().filter(|&row| row < rows);
            row.map_or(0, |row| table.at(&[row, at[rank]]))
        });
        holds(&[&table, &index], |p, x| p.lookup(x[0], x[1]), &chosen);
    }
}

#[test]
fn convolutions_and_pools_of_tensors_are_their_sums_and_maxima() {
    let (x, w, b) = (Array::drawn(&[2, 3, 6, 5], 1), Array::drawn(&[4, 3, 3, 2], 2), Array::drawn(&[4], 3));
    for (stride, padding, rows, cols) in [(1, 0, 4, 4), (2, 1, 3, 3)] {
        let pixel = |n: usize, c: usize, row: usize, col: usize| {
            let inside = row >= padding && col >= padding && row - padding < 6 && col - padding < 5;
            if inside { x.at(&[n, c, row - padding, col - padding]) } else { 0 }
        };
        let expected = Array::of(&[2, 4, rows, cols], |at| {
            let terms = (0..18).map(|term| {
                let (c, y, z) = (term / 6, term / 2 % 3, term % 2);
                pixel(at[0], c, at[2] * stride + y, at[3] * stride + z) * w.at(&[at[1], c, y, z])
            });
            terms.sum::<i64>() + b.at(&[at[1]])
        });
        let window = Window::new(1, 1, stride).padded(padding);
        holds(&[&x, &w, &b], |p, v| p.conv2d_tensor(v[0], Kernels::new(v[1], Some(v[2])), window), &expected);
    }
    let largest = Array::of(&[2, 3, 2, 2], |at| {
        let window = (0..6).map(|place| x.at(&[at[0], at[1], at[2] * 2 + place / 2, at[3] * 2 + place % 2]));
        window.max().expect("a window")
    });
    let window = Window::new(3, 2, 2);
    holds(&[&x], |p, v| p.maxpool2d_tensor(v[0], window), &largest);
}

#[test]
fn runs_rise_evenly_or_stay() {
    let turn = |count, step| Loop { count, step };
    let single = turn(1, 1);
    assert_eq!(runs(&[3, 4, 5, 5, 5, 1, 0]), [(3, turn(3, 1)), (5, turn(2, 0)), (1, single), (0, single)]);
    assert_eq!(runs(&[0, 2, 4, 1]), [(0, turn(3, 2)), (1, single)]);
    assert_eq!(runs(&[]), []);
}
