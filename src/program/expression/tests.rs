//! Steps, the calls in them, and the errors that they give.

use super::*;
use crate::program::{Dims, Op};
use crate::ring::{FixedPoint, Ring, Shape};
use crate::share::PartyId;

fn program(fraction_bits: u32) -> (Program, Names) {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, fraction_bits).unwrap());
    let mut names = Names::new();
    for (name, shape) in [("x", (5, 3)), ("w", (3, 2)), ("b", (1, 2))] {
        let shape = Shape::new(shape.0, shape.1);
        names.insert(name.into(), program.input(name, PartyId(0), shape, None).unwrap());
    }
    (program, names)
}

fn error(fraction_bits: u32, text: &str) -> String {
    let (mut program, mut names) = program(fraction_bits);
    add_step(&mut program, &mut names, 1, text).unwrap_err().to_string()
}

#[test]
fn a_linear_layer_is_a_product_a_truncation_and_a_sum() {
    let (mut program, mut names) = program(16);
    let scores = add_step(&mut program, &mut names, 1, "scores = x @ w + b").unwrap();
    assert_eq!(program.value(scores).shape, Shape::new(5, 2));
    assert_eq!(program.value(scores).label, "x @ w + b");
    let ops: Vec<&str> = program.values()[3..].iter().map(|value| value.op.name()).collect();
    assert_eq!(ops, ["matrix product", "truncate", "add"]);
    let twice = add_step(&mut program, &mut names, 2, "twice = scores * 2").unwrap();
    assert!(matches!(program.value(twice).op, Op::Scale(_, 2)), "an integer factor needs no truncation");
}

#[test]
fn labels_are_the_whole_text() {
    let (mut program, mut names) = program(16);
    for (number, text) in [(1, "x * 2.125"), (2, "12345 + x"), (3, "sum(x, axis=0)"), (4, "x.T * 1e-2")] {
        let value = add_step(&mut program, &mut names, number, &format!("z{number} = {text}")).unwrap();
        assert_eq!(program.value(value).label, text);
    }
}

#[test]
fn constants_keep_their_sign() {
    let half = 1i128 << 63;
    assert!(error(16, &format!("z = x * {half}")).ends_with("does not fit into 64 bits"));
    assert!(error(0, &format!("z = x * {}", 2 * half)).ends_with("does not fit into 64 bits"));
    let (mut program, mut names) = program(0);
    let value = add_step(&mut program, &mut names, 1, &format!("z = x * {half}")).unwrap();
    assert!(matches!(program.value(value).op, Op::Scale(_, factor) if factor == 1 << 63));
    let message = error(16, "z = x + 1e30");
    assert!(message.ends_with("the constant 1e30 is too large: magnitudes must be below 7.0368744177664e13 with 16 fraction bits in 64 bits"), "{message}");
    assert!(error(16, "z = x + 1e999").ends_with("the number '1e999' is too large"));
}

#[test]
fn operators_bind_as_in_python() {
    let (mut program, mut names) = program(0);
    let value = add_step(&mut program, &mut names, 1, "z = -x.T @ x * 2 - 3 + 2*4").unwrap();
    assert!(matches!(program.value(value).op, Op::AddConstant(_, 8)));
    let total = add_step(&mut program, &mut names, 2, "s = sum(z, axis=0) - sum(z) * (1 - 2)").unwrap();
    assert_eq!(program.value(total).shape, Shape::new(1, 3));
}

#[test]
fn errors_name_the_step_and_what_is_wrong() {
    assert_eq!(
        error(16, "z = x @ b"),
        "step 1 `z = x @ b`, column 7: x of shape (5, 3) cannot be multiplied by b of shape (1, 2): 3 columns against 1 rows"
    );
    assert!(
        error(16, "z = x.sum(axis=1)")
            .contains("column 6: '.sum' is not there: behind a point stands T alone")
    );
    assert!(error(16, "z = x + y").ends_with("column 9: unknown name 'y'; known are: b, w, x"));
    assert!(error(16, "z = rely(x)").contains("unknown function 'rely'; there are abs, adam"));
    assert!(error(16, "z = x[3:1:0]").ends_with("the step of a range is zero"));
    assert!(error(16, "and = x").ends_with("'and' is a word of steps: choose another name"));
    assert!(error(16, "z = [[1, 2], [3]] + x").ends_with("the rows of a list differ in length"));
    assert!(error(16, "z = x ** w").ends_with("the power after '**' is a public number"));
    assert!(
        error(16, "z = x ** 0.3")
            .contains("or 0.5 more or less; of positive numbers others are exp(0.3 * log(…))")
    );
    assert!(error(16, "z = x[:, 7]").contains("x of shape (5, 3) has no columns 7"));
    assert!(error(16, "z = x < w").contains("do not broadcast"));
    assert!(error(16, "z = x < 0 < w").contains("expected an operator or the end, found '<'"));
    assert!(error(16, "x = w").ends_with("'x' is defined twice"));
    assert!(error(16, "z = 3").contains("the result is a constant"));
    assert!(error(16, "z = x + ").contains("expected a name, a number, '-' or '(', found the end"));
    assert!(error(16, "z = x / 0").ends_with("x / 0) divides by zero"));
    assert!(error(16, "z = x + 1 / 0").ends_with("the constants overflow"));
    assert!(error(0, "z = x / 2").contains("(x / 2) has a fraction, and this program computes on integers"));
    assert!(error(0, "z = x * 0.5").contains("0.5 is not an integer"));
    assert!(error(16, "z = x * 1e-20").contains("x times 1e-20 is zero for every number that 64 bits hold"));
}

/// The forms of a function follow the cause, if the call itself is wrong.
#[test]
fn wrong_calls_name_their_cause() {
    let cases = [
        ("relu(x, 3)", "1 value at most, and there are 2; relu is called as relu(x)"),
        ("relu(3)", "argument 1 is a constant, and a value is due; relu is called as relu(x)"),
        (
            "sum(x, axis=2)",
            "x of shape (5, 3) has no axis 2; sum is called as sum(x) or sum(x, axis=1, keepdims=False)",
        ),
        (
            "max(x, axis=2)",
            "x of shape (5, 3) has no axis 2; max is called as max(x, y) or max(x) or max(x, axis=1, keepdims=False)",
        ),
        ("softmax(x, axis=5)", "x of shape (5, 3) has no axis 5; softmax is called as softmax(x, axis=1)"),
        (
            "argmax(x, axis=-3)",
            "x of shape (5, 3) has no axis -3; argmax is called as argmax(x) or argmax(x, axis=1, keepdims=False)",
        ),
        ("squeeze(x, axis=0.5)", "x of shape (5, 3) has no axis 0.5; squeeze is called as"),
        ("softmax(x)", "axis is missing; softmax is called as softmax(x, axis=1)"),
        ("softmax(x, dim=1)", "softmax has no dim: write axis; softmax is called as"),
        ("sum(x, axis=0, axis=1)", "axis is given twice; sum is called as"),
        ("softmax(x, axis=(0, 1))", "axis is one number, and there are several"),
        ("sum(x, axis=(0, -2))", "an axis is given twice; sum is called as"),
        ("sum(x, axis=(0, 2))", "x of shape (5, 3) has no axis 2; sum is called as"),
        ("sum(x, keepdims=2)", "keepdims is neither True nor False; sum is called as"),
        (
            "max(x, w, axis=1)",
            "column 5: max is called as max(x, y) or max(x) or max(x, axis=1, keepdims=False)",
        ),
        ("var(x, axis=0, ddof=1)", "var has no ddof: multiply by n/(n − ddof); var is called as"),
        ("reshape(x, -2)", "argument 2 is -2, and a whole number from 0 on is due; reshape is called as"),
        ("reshape(x, -1, -1)", "more than one extent is -1; reshape is called as"),
        ("reshape(x, -1, 4)", "x of shape (5, 3) cannot have shape (3, 4): 15 elements against 12"),
        ("reshape(x)", "the extents are missing; reshape is called as"),
        ("reshape(x, 1, 1, 1, 1, 15)", "5 axes: there are at most four; reshape is called as"),
        ("einsum(\"ij,jk->il\", x, w)", "einsum \"ij,jk->il\": l is an index of no value"),
        ("einsum(\"ij,ik\", x, w)", "einsum \"ij,ik\": i has extents 5 and 3"),
        ("einsum(\"ii\", x)", "i stands twice in one value: products are computed, and no diagonals"),
        ("einsum(\"ij,jk\", x)", "it is of 2 values, and there are 1"),
        ("split(x, 2, 0, axis=0)", "5 indices have no part 0 of 2 equal ones; split is called as"),
        ("gather(x, [0.5], axis=0)", "the index 0.5 is no whole number; gather is called as"),
        ("clip(x, 0, x)", "argument 3 is a value, and a constant is due; clip is called as"),
        (
            "leaky_relu(x)",
            "argument 2 is missing; leaky_relu is called as leaky_relu(x, slope) with a constant slope",
        ),
        ("gather(x, axis=0)", "the indices are missing, such as [2, 0, 1]; gather is called as"),
        (
            "concat(x, w, axis=0)",
            "x of shape (5, 3) and w of shape (3, 2) cannot be joined along axis 0: all other extents must be equal",
        ),
        (
            "concat(x, x[0], axis=0)",
            "x of shape (5, 3) and x[0] of shape (3,) cannot be joined along axis 0: all other extents must be equal",
        ),
        ("maxpool2d(x, size=1)", "x of shape (5, 3) is no tensor of images (n, c, h, w)"),
        (
            "maxpool2d(x, kernel_size=1)",
            "maxpool2d has no kernel_size: write size, or kernel for images in rows; maxpool2d is called as maxpool2d(x, size=2, stride=2, padding=0, dilation=1, ceil_mode=False) with x of shape (n, c, h, w); or maxpool2d(x, channels=1",
        ),
        (
            "avgpool2d(x, channels=1, height=2, width=2, size=1)",
            "x of shape (5, 3) has rows of 3 elements, which are no images of 1 channel(s), height 2 and width 2",
        ),
        (
            "maxpool2d(x, channels=1, height=1, width=3, size=2)",
            "x of shape (5, 3) has images of height 1 and width 3: windows of height 2 and width 2 are larger",
        ),
        (
            "conv2d(x, w, channels=1, height=1, width=3, kernel=1)",
            "w of shape (3, 2) has 3 rows, and a window of all channels has 1 elements",
        ),
        (
            "conv2d(x, w[:1], x, channels=1, height=1, width=3, kernel=1)",
            "x of shape (5, 3) has not one number for each of the 2 kernels",
        ),
        ("conv2d(x, w)", "x of shape (5, 3) is no tensor of images (n, c, h, w)"),
    ];
    for (call, cause) in cases {
        let message = error(16, &format!("z = {call}"));
        let (_, found) = message.split_once("`, ").expect("the step's text");
        assert!(found.contains(cause), "{call}: {found}");
    }
}

#[test]
fn images_and_kernels_that_do_not_fit_are_named() {
    let (mut program, mut names) = program(16);
    for (name, extents) in [("t", [2, 3, 9, 7]), ("k", [3, 1, 3, 3]), ("l", [4, 3, 3, 3])] {
        names.insert(
            name.into(),
            program.input(name, PartyId(0), Dims::new(&extents).unwrap(), None).unwrap(),
        );
    }
    let cases = [
        (
            "conv2d(t, k)",
            "k of shape (3, 1, 3, 3) has kernels of 1 channel(s), and the images of t of shape (2, 3, 9, 7) have 3: a kernel spans all channels; with groups=3 they fit",
        ),
        (
            "conv2d(t, l, groups=2)",
            "t of shape (2, 3, 9, 7) has images of 3 channel(s), which 2 groups do not divide",
        ),
        (
            "conv2d(t, l, groups=3)",
            "l of shape (4, 3, 3, 3) has kernels for 4 channel(s), which 3 groups do not divide",
        ),
        (
            "conv2d(t, concat(l, l, l, axis=0), groups=3)",
            "has kernels of 3 channel(s), and the images of t of shape (2, 3, 9, 7) have 3: a kernel spans the 1 of one of 3 groups; with groups=1 they fit",
        ),
        ("conv2d(t, k, groups=0)", "has images of 3 channel(s), which 0 groups do not divide"),
        ("conv2d(t, w)", "w of shape (3, 2) is no tensor of kernels (o, c/groups, height, width)"),
        (
            "conv2d(t, l, dilation=(5, 1), padding=(0, 0, 1, 0))",
            "has images of height 9 and width 7 with a padding of (0, 0, 1, 0): windows of height 3 and width 3 with a dilation of (5, 1) are larger",
        ),
        ("conv2d(t, l, dilation=5)", "windows of height 3 and width 3 with a dilation of 5 are larger"),
        (
            "conv2d(t, l, padding=(1, 2, 3))",
            "padding has 3 numbers, and one number is due, two for height and width, or four for top, bottom, left and right; conv2d is called as",
        ),
        ("conv1d(t, l)", "t of shape (2, 3, 9, 7) is no tensor of sequences (n, c, l)"),
        (
            "conv1d(t[:, 0], l[0])",
            "the sequences of t[:, 0] of shape (2, 9, 7) have 9: a kernel spans all channels",
        ),
        (
            "conv1d(t[:, 0, :3], l[:, :, 0], padding=(1, 0), dilation=5)",
            "has sequences of length 7 with a padding of (1, 0): windows of length 3 with a dilation of 5 are larger",
        ),
        (
            "conv1d(t[:, 0, :3], l[:, :, 0], padding=(1, 0, 1))",
            "padding has 3 numbers, and one number is due, or two",
        ),
        (
            "conv_transpose2d(t, l)",
            "l of shape (4, 3, 3, 3) has kernels for 4 channel(s), and the images of t of shape (2, 3, 9, 7) have 3",
        ),
        (
            "conv_transpose2d(t, k, padding=6)",
            "with a padding of 6: windows of height 3 and width 3 leave nothing of the result",
        ),
        (
            "maxpool2d(t, size=2, padding=2)",
            "with a padding of 2: some of the windows of height 2 and width 2 have no element of an image",
        ),
        (
            "avgpool2d(t, size=(2, 1, 1))",
            "size has 3 numbers, and one number is due, or two for height and width",
        ),
        (
            "conv2d(t[:, :, :2, :2], l)",
            "t[:, :, :2, :2] of shape (2, 3, 2, 2) has images of height 2 and width 2: windows of height 3 and width 3 are larger",
        ),
        ("conv2d(t[:, :, :1], l, padding=0)", "has images of height 1 and width 7: windows"),
        (
            "conv2d(t, l, stride=0)",
            "has images of height 9 and width 7: windows of height 3 and width 3 cannot move by 0, all must be at least 1",
        ),
        ("conv1d(t[:, 0], l[0], stride=(2, 1))", "stride is one number, and there are several"),
        ("conv2d(t, l, b)", "b of shape (1, 2) has not one number for each of the 4 kernels"),
        (
            "conv2d(t, l, channels=3, height=9, width=7, kernel=3)",
            "t of shape (2, 3, 9, 7) has its extents: leave out channels; conv2d is called as",
        ),
        (
            "maxpool2d(t, size=8)",
            "t of shape (2, 3, 9, 7) has images of height 9 and width 7: windows of height 8 and width 8 are larger",
        ),
        ("batchnorm(t, b, b, b, b)", "b of shape (1, 2) cannot have shape (3, 1, 1): 2 elements against 3"),
    ];
    for (call, cause) in cases {
        let step = format!("z = {call}");
        let message = add_step(&mut program, &mut names, 1, &step).unwrap_err().to_string();
        assert!(message.contains(cause), "{message}");
    }
    let first = program.values().len();
    add_step(&mut program, &mut names, 1, "z = conv2d(t * 1e6, l * 1e6)").unwrap();
    let labels: Vec<&str> = program.values()[first..].iter().map(|value| value.label.as_str()).collect();
    assert!(labels.iter().all(|label| !label.contains("gather")), "an overflow would be of {labels:?}");
}

#[test]
fn every_function_is_called_as_it_says() {
    let (mut program, mut names) = program(16);
    let cases = [
        ("mean(x, axis=0)", "(3,)"),
        ("max(x, axis=1)", "(5,)"),
        ("min(x, 0.5)", "(5, 3)"),
        ("max(x, x * 2)", "(5, 3)"),
        ("argmin(x, axis=0)", "(3,)"),
        ("relu(x @ w + b)", "(5, 2)"),
        ("leaky_relu(x, 0.01) + abs(x) - clip(x, -1, 0.5)", "(5, 3)"),
        ("select(x < 1, x, -x)", "(5, 3)"),
        ("sqrt(assume(x, 0.5, 20))", "(5, 3)"),
        ("softmax(x, axis=1) * sigmoid(tanh(x)) + gelu(exp(x))", "(5, 3)"),
        ("sqrt(abs(x) + 1) * reciprocal(2 + relu(x)) + silu(log(x))", "(5, 3)"),
        ("x / 7 - 1 / (x / x[:1]) * rsqrt(x) + x * (3 / 4)", "(5, 3)"),
        ("reshape(x, 3, 5).T", "(5, 3)"),
        ("concat(x, x[1:3], b[:, :1] * (x[:1] >= 0), axis=0)", "(8, 3)"),
        ("x[1:, ::2]", "(4, 2)"),
        ("x[-2:, -1]", "(2,)"),
        ("1 - (x != x[0])", "(5, 3)"),
        ("var(x, axis=-2) + squeeze(mean(reshape(x, 1, 5, 3), axis=1), axis=0)", "(3,)"),
        ("layernorm(x, axis=1, eps=1e-3) + layernorm(x, x[0], x[1:2])", "(5, 3)"),
        ("batchnorm(x, x[0], abs(x[1]), x[2], x[3], eps=0.001)", "(5, 3)"),
        ("gather(x, [4, 0, 0, 1, -1], axis=0) @ gather(w, [1, 0, 1], axis=1)", "(5, 3)"),
        ("one_hot(argmax(x, axis=1), 3) - lookup(w.T, x[:, 0])", "(5, 3)"),
        ("sum(reshape(x, 1, 5, 3), axis=-1, keepdims=1)", "(1, 5, 1)"),
        ("conv2d(concat(x, x, x, axis=1), w[:1], b, channels=1, height=3, width=3, kernel=1)", "(5, 18)"),
        ("maxpool2d(x, channels=1, height=1, width=3, size=1, stride=2)", "(5, 2)"),
        ("avgpool2d(x[:, :1], channels=1, height=1, width=1, size=1)", "(5, 1)"),
    ];
    hold(&mut program, &mut names, &cases);
}

/// Adds steps, which must give values of these extents.
fn hold(program: &mut Program, names: &mut Names, cases: &[(&str, &str)]) {
    for (number, (text, dims)) in (names.keys().count()..).zip(cases) {
        let text = format!("z{number} = {text}");
        let value = add_step(program, names, number, &text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(program.dims(value).to_string(), *dims, "{text}");
    }
}

#[test]
fn vectors_have_one_axis_and_numbers_none() {
    let (mut program, mut names) = program(16);
    let cases = [
        ("x[0]", "(3,)"),
        ("x[0, 1]", "()"),
        ("sum(x)", "()"),
        ("sum(x, keepdims=True) + mean(x, axis=(0, 1), keepdims=true)", "(1, 1)"),
        ("max(x, axis=(1, 0)) - min(x) + argmax(x) + std(x) + var(x)", "()"),
        ("x[::-1] - x[3:-9:-1][:1] + x @ x[4:1].T @ x[4:1]", "(5, 3)"),
        ("[[1, 2, 3], [4, 5, 6]] + x[:2] ** 2 - [x[0], -x[1]]", "(2, 3)"),
        ("(x < 1 and not x > 0 or [1, 0, 1] xor x == x) * x ** -1.5", "(5, 3)"),
        ("reshape(x, -1) @ arange(15) + linspace(0, 1, 5)[2] + zeros(1)[0]", "()"),
        ("eye(5) @ x + ones(5, 3) - where(x > 0, 1, x)", "(5, 3)"),
        ("einsum(\"ij,jk\", x, w) + einsum('ij->i', x)[0] + [sum(x), 0.5]", "(5, 2)"),
        ("cumsum(x, axis=0) + stack(x, x, axis=-1)[:, :, 1] - group_sum(x, [1, 0, 2], axis=1)", "(5, 3)"),
        (
            "flip(x) + repeat(x[0], 5, axis=0)[:3] + tile(x[:1], 5, axis=0) + pad(x[1:-1], 1, 1, axis=0)",
            "(5, 3)",
        ),
        ("sum(x, axis=1, keepdims=1) * x + x[0] - x[1, 1]", "(5, 3)"),
        ("x @ x[0] + x[:, 1]", "(5,)"),
        ("x[0] @ w", "(2,)"),
        ("x[0] @ x[1] - max(x[2], axis=0)", "()"),
        ("x[0].T - transpose(x[1], 0)", "(3,)"),
        ("concat(x[0], x[1, :2], axis=0)[1::2]", "(2,)"),
        ("gather(x[0], [2, 0, 0], axis=-1) * relu(x[1])", "(3,)"),
        ("softmax(x[0], axis=0) + layernorm(x[1]) / x[2]", "(3,)"),
        ("argmax(x[0], axis=0) + sum(x[0, 0:0], axis=0)", "()"),
        ("one_hot(argmax(x[0], axis=0), 4)", "(4,)"),
        ("lookup(w, argmax(x, axis=1)) @ lookup(w, argmax(x[0], axis=0))", "(5,)"),
        ("max(reshape(x, 15)[2], x[0]) + clip(x[0, 0], 0, 1)", "(3,)"),
        ("squeeze(x[:1, :1], axis=1)[0] + squeeze(x[:1], axis=0)", "(3,)"),
    ];
    hold(&mut program, &mut names, &cases);
    assert!(error(16, "z = x[0, 0] @ w").ends_with("x[0, 0] of shape () has no axis 0"));
    assert!(error(16, "z = w @ x[0]").ends_with("2 columns against 3 rows"));
    assert!(error(16, "z = x[0][3]").ends_with("x[0] of shape (3,) has no index along axis 0: 3"));
    assert!(error(16, "z = sum(x)[0]").ends_with("sum(x) of shape () has no 1 axes"));
    assert!(error(16, "z = sum(x[0, 0], axis=0)").contains("sum is called as"));
    assert!(
        error(16, "z = x + x[:, 0]")
            .ends_with("x of shape (5, 3) and x[:, 0] of shape (5,) do not broadcast")
    );
    assert!(error(16, "z = squeeze(x, axis=1)").ends_with("x of shape (5, 3) has no axis 1 of extent 1"));
    assert!(error(16, "z = layernorm(x[0, 0])").contains("layernorm is called as"));
    assert!(error(16, "z = batchnorm(x[0], b, b, b, b)").ends_with("x[0] of shape (3,) has no axis 1"));
}

#[test]
fn tensors_have_up_to_four_axes() {
    let (mut program, mut names) = program(16);
    names
        .insert("t".into(), program.input("t", PartyId(0), Dims::new(&[2, 3, 6, 6]).unwrap(), None).unwrap());
    names
        .insert("k".into(), program.input("k", PartyId(1), Dims::new(&[4, 3, 3, 3]).unwrap(), None).unwrap());
    let cases = [
        ("t + t[:, :, :1] * 2 - t[0, 1:2, :, -1:]", "(2, 3, 6, 6)"),
        ("t @ t[:, :1] - t @ t[0, 0, :, :2] @ t[:1, :, :2]", "(2, 3, 6, 6)"),
        ("transpose(t, 0, 2, 3, 1) + t.T[:1, :, :1, :1]", "(2, 6, 6, 3)"),
        ("conv2d(t, k, stride=1, padding=1)", "(2, 4, 6, 6)"),
        ("maxpool2d(avgpool2d(t, size=2), size=3)", "(2, 3, 1, 1)"),
        ("concat(t, t[:, :1], axis=1)", "(2, 4, 6, 6)"),
        ("argmax(sum(t, axis=1), axis=-1)", "(2, 6)"),
        ("t[0] @ t[1, 0, 0] + t[1, 0, 0] @ t[0] - sum(t, axis=1, keepdims=1)[1, :, 0]", "(3, 6)"),
        ("softmax(t, axis=1) * layernorm(t) * gather(t, [2, 0, 1], axis=1)", "(2, 3, 6, 6)"),
        ("squeeze(gather(t, [5], axis=2), axis=2) + sum(t)", "(2, 3, 6)"),
    ];
    hold(&mut program, &mut names, &cases);
    let mut error = |text: &str| add_step(&mut program, &mut names, 1, text).unwrap_err().to_string();
    assert!(
        error("z = t + t[:, :2]").contains("of shape (2, 3, 6, 6) and t[:, :2] of shape (2, 2, 6, 6) do not")
    );
    assert!(error("z = t[0, 0, 0, 0, 0]").contains("t of shape (2, 3, 6, 6) has no 5 axes"));
    assert!(error("z = t[:, 3]").contains("has no index along axis 1: 3"));
    assert!(error("z = gather(t, [0, 3], axis=1)").contains("has no index 3 along axis 1"));
    assert!(error("z = reshape(t, 1, 1, 1, 1, 216)").contains("reshape is called as"));
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("z = {}x{}", "(".repeat(100), ")".repeat(100));
    assert!(error(16, &deep).contains("nested more than"));
    assert!(error(16, &format!("z = {}x", "-".repeat(100))).contains("nested more than"));
    assert!(error(16, &format!("z = x{}", " ".repeat(LONGEST_STEP))).contains("at most"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[ -~]{0,60}|[a-z0-9=@+*(). -]{0,60}|z = (max|relu|reshape|x)[(\\[][xw0-9:,=<-]{0,20}[)\\]]") {
        let (mut program, mut names) = program(16);
        for x in ["x", "x[0]", "x[0, 0]"] {
            let value = add_step(&mut program, &mut names, 1, &format!("z{} = {x}", x.len())).expect("a value");
            let mut names = names.clone();
            names.insert("x".into(), value);
            let _ = add_step(&mut program.clone(), &mut names, 1, &text);
        }
    }
}
