//! Convolutions and pools against their definitions, place by place, as PyTorch has them.

use crate::program::expression::{Names, add_step};
use crate::program::{Dims, Op, Program, oracle};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::{Parties, PartyId};
use proptest::prelude::*;

/// A tensor of four axes in the clear.
#[derive(Clone, Debug, PartialEq)]
struct Images {
    extents: [usize; 4],
    data: Vec<i64>,
}

impl Images {
    fn zeros(extents: [usize; 4]) -> Images {
        Images { extents, data: vec![0; extents.iter().product()] }
    }

    /// Small numbers of either sign that look random.
    fn drawn(extents: [usize; 4], seed: u64) -> Images {
        let mut images = Images::zeros(extents);
        for (place, element) in images.data.iter_mut().enumerate() {
            let mixed = (place as u64 + 1 + seed * 977).wrapping_mul(0x5851_f42d_4c95_7f2d);
            *element = (mixed >> 40) as i64 % 11 - 5;
        }
        images
    }

    fn place(&self, at: [usize; 4]) -> usize {
        at.iter().zip(self.extents).fold(0, |place, (&index, extent)| place * extent + index)
    }

    fn at(&self, at: [usize; 4]) -> i64 {
        self.data[self.place(at)]
    }

    /// All places, in row-major order.
    fn places(&self) -> Vec<[usize; 4]> {
        let [a, b, c, d] = self.extents;
        let all = (0..a).flat_map(|a| (0..b).map(move |b| (a, b)));
        let all = all.flat_map(|(a, b)| (0..c).map(move |c| (a, b, c)));
        all.flat_map(|(a, b, c)| (0..d).map(move |d| [a, b, c, d])).collect()
    }
}

/// Numbers of a convolution or a pool along both axes.
#[derive(Clone, Debug)]
struct Moves {
    size: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Top, bottom, left, right.
    padding: [usize; 4],
}

impl Moves {
    fn text(&self) -> String {
        let Moves { stride, dilation, padding: [top, bottom, left, right], .. } = self;
        format!(
            "stride=({}, {}), padding=({top}, {bottom}, {left}, {right}), dilation=({}, {})",
            stride[0], stride[1], dilation[0], dilation[1]
        )
    }

    /// The extent from the first element of a window to its last along an axis.
    fn reach(&self, axis: usize) -> usize {
        (self.size[axis] - 1) * self.dilation[axis] + 1
    }

    /// The places of an axis: where each element of the window lies, counted from the first of the image.
    fn windows(&self, axis: usize, extent: usize, ceil: bool) -> Vec<Vec<i64>> {
        let (before, behind) = (self.padding[2 * axis] as i64, self.padding[2 * axis + 1] as i64);
        let window = |start: i64| {
            (0..self.size[axis]).map(|at| start + (at * self.dilation[axis]) as i64).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        let mut start = -before;
        let over = if ceil { self.stride[axis] as i64 - 1 } else { 0 };
        while start + self.reach(axis) as i64 <= extent as i64 + behind + over
            && (!ceil || start < extent as i64)
        {
            all.push(window(start));
            start += self.stride[axis] as i64;
        }
        all
    }
}

fn moves() -> impl Strategy<Value = Moves> {
    let two = |from: usize, to: usize| [from..to, from..to];
    (two(1, 4), two(1, 4), two(1, 3), [0usize..3, 0usize..3, 0usize..3, 0usize..3])
        .prop_map(|(size, stride, dilation, padding)| Moves { size, stride, dilation, padding })
}

/// The result of a step on integers, or the error that the step has; the extents, and the elements by the oracle.
fn result(step: &str, inputs: &[(&str, &Images)]) -> Result<Images, String> {
    let (program, inputs) = program(step, inputs, 0)?;
    let result = oracle::evaluate(&program, &inputs).remove(0);
    let dims = program.dims(program.outputs()[0].value);
    let extents: [usize; 4] = dims.extents().try_into().expect("images");
    Ok(Images { extents, data: result.elements.to_u64().into_iter().map(|raw| raw as i64).collect() })
}

fn program(
    step: &str,
    inputs: &[(&str, &Images)],
    fraction_bits: u32,
) -> Result<(Program, Vec<Elements>), String> {
    let codec = FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec");
    let (mut program, mut names, mut data) = (Program::new(2, codec), Names::new(), Vec::new());
    for (name, images) in inputs {
        let dims = Dims::new(&images.extents).expect("four axes");
        names.insert((*name).into(), program.input(name, PartyId(0), dims, None).expect("an input"));
        let scaled = images.data.iter().map(|&x| (x << fraction_bits) as u64);
        data.push(Elements::from_integers(Ring::Z64, scaled));
    }
    let value =
        add_step(&mut program, &mut names, 1, &format!("z = {step}")).map_err(|error| error.to_string())?;
    program.output("z", value, Parties::first(1)).expect("an output");
    Ok((program, data))
}

/// A convolution by its definition.
fn convolved(x: &Images, w: &Images, b: &Images, moves: &Moves, groups: usize) -> Images {
    let ([count, _, height, width], [results, depth, ..]) = (x.extents, w.extents);
    let (rows, cols) = (moves.windows(0, height, false), moves.windows(1, width, false));
    let mut z = Images::zeros([count, results, rows.len(), cols.len()]);
    for place @ [image, result, row, col] in z.places() {
        let group = result / (results / groups);
        let mut sum = b.data[result];
        for [_, channel, i, j] in Images::zeros([1, depth, moves.size[0], moves.size[1]]).places() {
            let (y, x_) = (rows[row][i], cols[col][j]);
            if (0..height as i64).contains(&y) && (0..width as i64).contains(&x_) {
                let pixel = x.at([image, group * depth + channel, y as usize, x_ as usize]);
                sum += pixel * w.at([result, channel, i, j]);
            }
        }
        let at = z.place(place);
        z.data[at] = sum;
    }
    z
}

/// A transposed convolution by its definition, of which something is left.
fn transposed(
    x: &Images,
    w: &Images,
    b: &Images,
    (moves, more): (&Moves, [usize; 2]),
    groups: usize,
) -> Option<Images> {
    let ([count, channels, height, width], [_, per_group, ..]) = (x.extents, w.extents);
    let extent = |axis: usize, own: usize| {
        let wide = (own - 1) * moves.stride[axis] + moves.reach(axis) + more[axis];
        wide.checked_sub(moves.padding[2 * axis] + moves.padding[2 * axis + 1]).filter(|&kept| kept > 0)
    };
    let mut z = Images::zeros([count, per_group * groups, extent(0, height)?, extent(1, width)?]);
    for [image, channel, row, col] in x.places() {
        for [_, own, i, j] in Images::zeros([1, per_group, moves.size[0], moves.size[1]]).places() {
            let y = (row * moves.stride[0] + i * moves.dilation[0]).checked_sub(moves.padding[0]);
            let x_ = (col * moves.stride[1] + j * moves.dilation[1]).checked_sub(moves.padding[2]);
            let (Some(y), Some(x_)) = (y, x_) else { continue };
            if y < z.extents[2] && x_ < z.extents[3] {
                let group = channel / (channels / groups);
                let at = z.place([image, group * per_group + own, y, x_]);
                z.data[at] += x.at([image, channel, row, col]) * w.at([channel, own, i, j]);
            }
        }
    }
    for (place, at) in z.places().into_iter().enumerate() {
        z.data[place] += b.data[at[1]];
    }
    Some(z)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_are_their_sums(
        moves in moves(),
        [count, groups, depth, per_group] in [1usize..3, 1usize..4, 1usize..3, 1usize..3],
        [height, width] in [1usize..7, 1usize..7],
        seed in 0u64..99,
    ) {
        let x = Images::drawn([count, groups * depth, height, width], seed);
        let w = Images::drawn([groups * per_group, depth, moves.size[0], moves.size[1]], seed + 1);
        let b = Images::drawn([groups * per_group, 1, 1, 1], seed + 2);
        let expected = convolved(&x, &w, &b, &moves, groups);
        let of_tensors = format!("conv2d(x, w, reshape(b, -1), {}, groups={groups})", moves.text());
        let found = result(&of_tensors, &[("x", &x), ("w", &w), ("b", &b)]);
        if expected.data.is_empty() {
            prop_assert!(found.expect_err("no place").contains(" are larger"));
            return Ok(());
        }
        prop_assert_eq!(found, Ok(expected.clone()), "{}", of_tensors);
        let [results, rows, cols] = [expected.extents[1], expected.extents[2], expected.extents[3]];
        let of_rows = format!(
            "reshape(conv2d(reshape(x, {count}, -1), reshape(w, {results}, -1).T, reshape(b, 1, -1), channels={}, \
             height={height}, width={width}, kernel=({}, {}), {}, groups={groups}), {count}, {results}, {rows}, {cols})",
            groups * depth, moves.size[0], moves.size[1], moves.text()
        );
        prop_assert_eq!(result(&of_rows, &[("x", &x), ("w", &w), ("b", &b)]), Ok(expected), "{}", of_rows);
    }

    #[test]
    fn transposed_convolutions_are_their_sums(
        moves in moves(),
        more in [0usize..2, 0usize..3],
        [count, groups, depth, per_group] in [1usize..3, 1usize..4, 1usize..3, 1usize..3],
        [height, width] in [1usize..5, 1usize..5],
        seed in 0u64..99,
    ) {
        let x = Images::drawn([count, groups * depth, height, width], seed);
        let w = Images::drawn([groups * depth, per_group, moves.size[0], moves.size[1]], seed + 1);
        let b = Images::drawn([groups * per_group, 1, 1, 1], seed + 2);
        let step = format!(
            "conv_transpose2d(x, w, reshape(b, -1), {}, output_padding=({}, {}), groups={groups})",
            moves.text(), more[0], more[1]
        );
        let found = result(&step, &[("x", &x), ("w", &w), ("b", &b)]);
        match transposed(&x, &w, &b, (&moves, more), groups) {
            Some(expected) => prop_assert_eq!(found, Ok(expected), "{}", step),
            None => prop_assert!(found.expect_err("nothing").contains("leave nothing of the result")),
        }
    }

    #[test]
    fn pools_are_maxima_and_means_of_what_is_there(
        moves in moves(),
        (ceil, counts) in any::<(bool, bool)>(),
        [height, width] in [1usize..8, 1usize..8],
        seed in 0u64..99,
    ) {
        let x = Images::drawn([2, 2, height, width], seed);
        let flag = |set: bool| if set { "True" } else { "False" };
        let of = format!("size=({}, {}), {}, ceil_mode={}", moves.size[0], moves.size[1], moves.text(), flag(ceil));
        let (rows, cols) = (moves.windows(0, height, ceil), moves.windows(1, width, ceil));
        if rows.is_empty() || cols.is_empty() {
            let found = result(&format!("maxpool2d(x, {of})"), &[("x", &x)]);
            prop_assert!(found.expect_err("no place").contains(" are larger"));
            return Ok(());
        }
        let inside = |at: &i64, extent: usize| (0..extent as i64).contains(at);
        let empty = |all: &[Vec<i64>], extent| all.iter().any(|window| !window.iter().any(|at| inside(at, extent)));
        if empty(&rows, height) || empty(&cols, width) {
            let message = result(&format!("maxpool2d(x, {of})"), &[("x", &x)]).expect_err("nothing in it");
            prop_assert!(message.contains("have no element of an image"), "{}", message);
            return Ok(());
        }
        let mut largest = Images::zeros([2, 2, rows.len(), cols.len()]);
        let mut means = Vec::new();
        for place @ [image, channel, row, col] in largest.places() {
            let own = |all: &[i64], extent: usize| -> Vec<usize> {
                all.iter().filter(|at| inside(at, extent)).map(|&at| at as usize).collect()
            };
            let (y, x_) = (own(&rows[row], height), own(&cols[col], width));
            let elements: Vec<i64> = y.iter().flat_map(|&y| {
                let x = &x;
                x_.iter().map(move |&x_| x.at([image, channel, y, x_]))
            }).collect();
            let at = largest.place(place);
            largest.data[at] = *elements.iter().max().expect("an element");
            let counted = |all: &[i64], extent: usize, axis: usize| {
                let end = (extent + moves.padding[2 * axis + 1]) as i64;
                all.iter().filter(|&&at| at < end).count()
            };
            let count = match counts {
                true => counted(&rows[row], height, 0) * counted(&cols[col], width, 1),
                false => elements.len(),
            };
            means.push(elements.iter().sum::<i64>() as f64 / count as f64);
        }
        prop_assert_eq!(result(&format!("maxpool2d(x, {of})"), &[("x", &x)]), Ok(largest), "{}", of);
        let step = format!("avgpool2d(x, {of}, count_include_pad={})", flag(counts));
        let (program, data) = program(&step, &[("x", &x)], 16).expect("a pool");
        let found = oracle::evaluate(&program, &data).remove(0).elements.to_u64();
        for (place, (found, mean)) in found.into_iter().zip(means).enumerate() {
            let found = found as i64 as f64 / 65536.0;
            prop_assert!((found - mean).abs() < 1e-3, "{step} at {place}: {found} for {mean}");
        }
    }
}

/// Sequences are images of one row.
#[test]
fn sequences_are_convolved_as_images_of_one_row() {
    let (x, w) = (Images::drawn([2, 4, 1, 7], 1), Images::drawn([6, 2, 1, 3], 2));
    let moves = Moves { size: [1, 3], stride: [1, 2], dilation: [1, 2], padding: [0, 0, 1, 2] };
    let b = Images::zeros([6, 1, 1, 1]);
    let options = "stride=2, padding=(1, 2), dilation=2, groups=2";
    let step = format!("reshape(conv1d(x[:, :, 0], w[:, :, 0], {options}), 2, 6, 1, -1)");
    assert_eq!(result(&step, &[("x", &x), ("w", &w)]), Ok(convolved(&x, &w, &b, &moves, 2)));
    let w = Images::drawn([4, 3, 1, 3], 3);
    let step = format!(
        "reshape(conv_transpose1d(x[:, :, 0], w[:, :, 0], output_padding=1, {options}), 2, 6, 1, -1)"
    );
    let expected = transposed(&x, &w, &b, (&moves, [0, 1]), 2).expect("a result");
    assert_eq!(result(&step, &[("x", &x), ("w", &w)]), Ok(expected));
}

/// What PyTorch 2 gives.
#[test]
fn results_are_those_of_pytorch() {
    let ones = Images { extents: [1, 1, 2, 2], data: vec![1; 4] };
    let nine = Images { extents: [1, 1, 3, 3], data: vec![1; 9] };
    let up = result(
        "conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)",
        &[("x", &ones), ("w", &nine)],
    );
    assert_eq!(up.expect("a result").data, [1, 2, 1, 1, 2, 4, 2, 2, 1, 2, 1, 1, 1, 2, 1, 1]);
    let counted = Images { extents: [1, 1, 3, 3], data: (1..10).collect() };
    let largest =
        |options: &str| result(&format!("maxpool2d(x, {options})"), &[("x", &counted)]).expect("a pool").data;
    assert_eq!(largest("size=2, stride=2, padding=1"), [1, 3, 7, 9]);
    assert_eq!(largest("size=2, stride=2, ceil_mode=True"), [5, 6, 8, 9]);
    assert_eq!(largest("size=2, dilation=2, stride=1"), [9]);
    assert_eq!(
        largest("size=4, stride=2, ceil_mode=True"),
        [9],
        "a window that is larger by less than its stride"
    );
    let means = |options: &str| -> Vec<f64> {
        let (program, data) =
            program(&format!("avgpool2d(x, {options})"), &[("x", &counted)], 16).expect("a pool");
        let found = oracle::evaluate(&program, &data).remove(0).elements.to_u64();
        found.into_iter().map(|raw| (raw as i64 as f64 / 65536.0 * 1e3).round() / 1e3).collect()
    };
    assert_eq!(means("size=2, stride=2, padding=1"), [0.25, 1.25, 2.75, 7.0]);
    assert_eq!(means("size=2, stride=2, padding=1, count_include_pad=False"), [1.0, 2.5, 5.5, 7.0]);
    assert_eq!(means("size=2, stride=2, ceil_mode=True"), [3.0, 4.5, 7.5, 9.0]);
}

/// Products of matrices, by the multiplications that they are.
fn multiplications(step: &str, inputs: &[(&str, &Images)]) -> usize {
    let (program, _) = program(step, inputs, 16).expect("a step that fits");
    let needed = program.needed();
    let products =
        program.values().iter().zip(needed).filter(|(_, needed)| *needed).map(|(value, _)| match value.op {
            Op::MatMul(a, b) => program.value(a).shape.len() * program.value(b).shape.cols,
            Op::Mul(..) => panic!("a product elementwise"),
            _ => 0,
        });
    products.sum()
}

#[test]
fn no_zero_is_multiplied_for_groups_holes_and_strides() {
    let x = Images::zeros([2, 6, 8, 8]);
    let w = Images::zeros([6, 2, 3, 3]);
    let inputs = [("x", &x), ("w", &w)];
    assert_eq!(multiplications("conv2d(x, w, groups=3)", &inputs), 2 * 36 * 2 * 9 * 6);
    assert_eq!(multiplications("conv2d(x, w, groups=3, dilation=2)", &inputs), 2 * 16 * 2 * 9 * 6);
    assert_eq!(multiplications("conv_transpose2d(x, w, stride=4)", &inputs), 2 * 64 * 6 * 2 * 9);
    assert_eq!(
        multiplications("conv_transpose2d(x, w, stride=4, groups=3)", &inputs),
        2 * 64 * 2 * 2 * 9 * 3
    );
}
