//! Convolution and pooling, against the sums and maxima by their definition, and in private.

use super::equivalence::check;
use super::{elements, numbers, world};
use crate::program::{Image, Kernels, Program, Truncation, ValueId, Window, oracle};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::share::{Parties, PartyId};

const IMAGE: Image = Image { channels: 2, height: 5, width: 4 };
const COUNT: usize = 3;

/// Small integers of either sign.
fn small(len: usize, seed: u64) -> Vec<i64> {
    elements(Ring::Z64, len, seed).to_u64().into_iter().map(|raw| (raw % 21) as i64 - 10).collect()
}

fn encoded(values: &[i64]) -> Elements {
    Elements::from_integers(Ring::Z64, values.iter().map(|&value| value as u64))
}

/// A pixel, zero around the image.
fn pixel(data: &[i64], image: usize, channel: usize, row: isize, col: isize) -> i64 {
    let Image { channels, height, width } = IMAGE;
    let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&col);
    let plane = (image * channels + channel) * height * width;
    if inside { data[plane + row as usize * width + col as usize] } else { 0 }
}

fn program(protocol: Protocol) -> (Program, ValueId) {
    let mut program = Program::new(protocol.parties(), FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let x = program.input("x", PartyId(0), Shape::new(COUNT, 40), None).expect("x");
    (program, x)
}

/// What a channel of the result is at a place, by definition.
fn convolved(
    data: &[i64],
    kernels: &[i64],
    (image, out): (usize, usize),
    (row, col): (usize, usize),
    Window { height, width }: Window,
) -> i64 {
    let size = height.size * width.size;
    let term = |at: usize| {
        let (channel, rest) = (at / size, at % size);
        let y = (row * height.stride + rest / width.size) as isize - height.before as isize;
        let x = (col * width.stride + rest % width.size) as isize - width.before as isize;
        pixel(data, image, channel, y, x) * kernels[at * 3 + out]
    };
    (0..IMAGE.channels * size).map(term).sum()
}

#[test]
fn convolutions_are_their_sums() {
    let cases = [
        (Window::new(3, 3, 1).padded(1), (5, 4)),
        (Window::new(2, 2, 2), (2, 2)),
        (Window::new(3, 2, 2).padded(2), (4, 4)),
    ];
    let cases = Protocol::ALL.into_iter().flat_map(|protocol| cases.map(|case| (protocol, case)));
    for (protocol, (window, places)) in cases {
        let (mut program, x) = program(protocol);
        let inner = 2 * window.height.size * window.width.size;
        let w = program.input("w", PartyId(1), Shape::new(inner, 3), None).expect("w");
        let b = program.input("b", PartyId(1), Shape::new(1, 3), None).expect("b");
        let z = program.conv2d(x, IMAGE, Kernels::new(w, Some(b)), window).expect("a convolution");
        assert_eq!(program.value(z).shape, Shape::new(COUNT, 3 * places.0 * places.1));
        program.output("z", z, Parties::first(1)).expect("an output");
        let [data, kernels, bias] =
            [(COUNT * 40, 1), (inner * 3, 2), (3, 3)].map(|(len, seed)| small(len, seed));
        let inputs = [&data, &kernels, &bias].map(|values| encoded(values));
        let mut expected = Vec::new();
        for (image, out) in (0..COUNT).flat_map(|image| (0..3).map(move |out| (image, out))) {
            for place in (0..places.0).flat_map(|row| (0..places.1).map(move |col| (row, col))) {
                expected.push(bias[out] + convolved(&data, &kernels, (image, out), place, window));
            }
        }
        assert_eq!(oracle::evaluate(&program, &inputs)[0].elements, encoded(&expected), "{window:?}");
        check(&program, &inputs, 17);
    }
}

#[test]
fn pools_are_their_maxima() {
    let (mut program, x) = program(Protocol::Replicated);
    let window = Window::new(2, 3, 1);
    let z = program.maxpool2d(x, IMAGE, window).expect("a pool");
    program.output("z", z, Parties::first(1)).expect("an output");
    let data = small(COUNT * 40, 5);
    let mut expected = Vec::new();
    for plane in 0..COUNT * 2 {
        for (row, col) in (0..4).flat_map(|row| (0..2).map(move |col| (row, col))) {
            let of = |at: isize| pixel(&data, plane / 2, plane % 2, row + at / 3, col + at % 3);
            expected.push((0..6).map(of).max().expect("a window"));
        }
    }
    let outcome =
        &world(Protocol::Replicated, 18).run(&program, &[encoded(&data)]).expect("a run without faults")[0];
    assert_eq!(outcome.outputs["z"], encoded(&expected));
}

/// The network of LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998, as
/// far as its sizes go: two convolutions with pooling and two dense layers, here with random weights.
fn lenet(protocol: Protocol, images: usize) -> (Program, Vec<Elements>) {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec).with_truncation(Truncation::Exact);
    let mut data = Vec::new();
    let mut input = |program: &mut Program, name: &str, owner: u8, shape: Shape, bound: f64| {
        data.push(numbers(codec, shape.len(), bound, data.len() as u64 + 1));
        program.input(name, PartyId(owner), shape, Some(bound)).expect("an input")
    };
    let mut x = input(&mut program, "x", 0, Shape::new(images, 28 * 28), 1.0);
    let (five, two) = (Window::new(5, 5, 1), Window::new(2, 2, 2));
    for (name, image, filters) in [
        ("c1", Image { channels: 1, height: 28, width: 28 }, 6),
        ("c2", Image { channels: 6, height: 12, width: 12 }, 16),
    ] {
        let w = input(&mut program, name, 1, Shape::new(25 * image.channels, filters), 0.2);
        x = program.conv2d(x, image, Kernels::new(w, None), five).expect("a convolution");
        x = program.relu(x).expect("a relu");
        let filtered = Image { channels: filters, height: image.height - 4, width: image.width - 4 };
        x = program.maxpool2d(x, filtered, two).expect("a pool");
    }
    for (name, shape) in [("d1", Shape::new(256, 120)), ("d2", Shape::new(120, 10))] {
        let w = input(&mut program, name, 1, shape, 0.1);
        x = program.matmul(x, w).expect("a dense layer");
        if name == "d1" {
            x = program.relu(x).expect("a relu");
        }
    }
    program.output("scores", x, Parties::first(1)).expect("an output");
    (program, data)
}

#[test]
fn a_convolutional_network_gives_what_the_plain_one_gives() {
    for protocol in Protocol::ALL {
        let (program, inputs) = lenet(protocol, 2);
        let expected = &oracle::evaluate(&program, &inputs)[0];
        assert!(expected.slack.iter().all(|&slack| slack == 0), "nothing is left open");
        check(&program, &inputs, 19);
    }
}
