//! The ops that are supported, one row each: their attributes, what they are of constants, and their steps.

use crate::call::Call;
use crate::fold::{self, Folded};
use crate::lower::{Lowered, Lowering};
use crate::moves::{self, Moves};
use crate::{classic, elementwise, images, linear, reduce, trees};

/// An op, or several that differ in nothing but names.
pub(crate) struct Rule {
    ops: &'static [&'static str],
    /// The attributes that are read, or that change nothing.
    pub(crate) attributes: &'static [&'static str],
    pub(crate) fold: Fold,
    pub(crate) lower: Lower,
}

/// An op on constants.
#[derive(Clone, Copy)]
pub(crate) enum Fold {
    /// It has none.
    No,
    /// Known whatever its inputs are.
    Always(fn(&Call) -> Folded),
    Unary(fn(f64) -> f64),
    Binary(fn(f64, f64) -> f64),
    Truth(fn(f64, f64) -> f64),
    Reduce(fn(&[f64]) -> f64),
    Moves(fn(&Call) -> Moves),
    By(fn(&Call) -> Folded),
}

/// An op on shared values.
#[derive(Clone, Copy)]
pub(crate) enum Lower {
    /// It has none.
    No,
    /// A function of steps, of the first input.
    Function(&'static str),
    /// The movements that it folds by.
    Moves,
    By(fn(&mut Lowering, &Call) -> Lowered),
}

impl Rule {
    /// The rule of an op.
    pub(crate) fn of(op: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.ops.contains(&op))
    }
}

const fn rule(
    ops: &'static [&'static str],
    attributes: &'static [&'static str],
    fold: Fold,
    lower: Lower,
) -> Rule {
    Rule { ops, attributes, fold, lower }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

const CONV: &[&str] = &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
const TRANSPOSED: &[&str] =
    &["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"];
const POOL: &[&str] = &[
    "auto_pad",
    "ceil_mode",
    "count_include_pad",
    "dilations",
    "kernel_shape",
    "pads",
    "storage_order",
    "strides",
];
const REDUCE: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];
const CONSTANT: &[&str] = &["value", "value_float", "value_floats", "value_int", "value_ints"];
const LINEAR: &[&str] = &[
    "classlabels_ints",
    "classlabels_strings",
    "coefficients",
    "intercepts",
    "multi_class",
    "post_transform",
    "targets",
];

const RULES: &[Rule] = &[
    // Constants and shapes.
    rule(&["Constant"], CONSTANT, Fold::Always(fold::constant), Lower::No),
    rule(&["ConstantOfShape"], &["value"], Fold::By(fold::filled), Lower::No),
    rule(&["Range"], &[], Fold::By(fold::range), Lower::No),
    rule(&["Shape"], &["start", "end"], Fold::Always(fold::shape), Lower::No),
    rule(&["Size"], &[], Fold::Always(fold::size), Lower::No),
    rule(&["Trilu"], &["upper"], Fold::By(fold::triangle), Lower::No),
    // Movements.
    rule(
        &["Identity", "ZipMap"],
        &["classlabels_int64s", "classlabels_strings"],
        Fold::Moves(moves::same),
        Lower::Moves,
    ),
    rule(&["Dropout"], &["ratio", "is_test", "seed"], Fold::Moves(moves::same), Lower::Moves),
    rule(&["Reshape"], &["allowzero", "shape"], Fold::Moves(moves::reshape), Lower::Moves),
    rule(&["Flatten"], &["axis"], Fold::Moves(moves::flatten), Lower::Moves),
    rule(&["Squeeze"], &["axes"], Fold::Moves(moves::squeeze), Lower::Moves),
    rule(&["Unsqueeze"], &["axes"], Fold::Moves(moves::unsqueeze), Lower::Moves),
    rule(&["Transpose"], &["perm"], Fold::Moves(moves::transpose), Lower::Moves),
    rule(&["Slice"], &["starts", "ends", "axes", "steps"], Fold::Moves(moves::slice), Lower::Moves),
    rule(&["Split"], &["axis", "split", "num_outputs"], Fold::Moves(moves::split), Lower::Moves),
    rule(&["Expand"], &[], Fold::Moves(moves::expand), Lower::Moves),
    rule(&["Tile"], &[], Fold::Moves(moves::tile), Lower::Moves),
    rule(&["Gather"], &["axis"], Fold::Moves(moves::gather), Lower::By(linear::gather)),
    rule(&["ArrayFeatureExtractor"], &[], Fold::Moves(moves::features), Lower::By(classic::features)),
    rule(&["Concat"], &["axis"], Fold::By(fold::concat), Lower::By(linear::concat)),
    rule(&["Pad"], &["mode", "pads", "value"], Fold::No, Lower::By(images::pad)),
    rule(&["Cast"], &["to", "saturate"], Fold::By(fold::cast), Lower::By(elementwise::cast)),
    // Elementwise.
    rule(&["Add"], &[], Fold::Binary(|a, b| a + b), Lower::By(|l, c| elementwise::infix(l, c, "+"))),
    rule(&["Sub"], &[], Fold::Binary(|a, b| a - b), Lower::By(|l, c| elementwise::infix(l, c, "-"))),
    rule(&["Mul"], &[], Fold::Binary(|a, b| a * b), Lower::By(elementwise::mul)),
    rule(&["Div"], &[], Fold::By(elementwise::fold_div), Lower::By(elementwise::div)),
    rule(&["Sum"], &[], Fold::Binary(|a, b| a + b), Lower::By(elementwise::sum)),
    rule(&["Mean"], &[], Fold::No, Lower::By(elementwise::mean)),
    rule(&["Max"], &[], Fold::Binary(f64::max), Lower::By(|l, c| elementwise::extreme(l, c, "max"))),
    rule(&["Min"], &[], Fold::Binary(f64::min), Lower::By(|l, c| elementwise::extreme(l, c, "min"))),
    rule(&["Pow"], &[], Fold::Binary(f64::powf), Lower::By(elementwise::pow)),
    rule(&["Mod"], &["fmod"], Fold::By(elementwise::fold_mod), Lower::No),
    rule(&["Neg"], &[], Fold::Unary(|x| -x), Lower::By(elementwise::neg)),
    rule(&["Abs"], &[], Fold::Unary(f64::abs), Lower::Function("abs")),
    rule(&["Floor"], &[], Fold::Unary(f64::floor), Lower::No),
    rule(&["Ceil"], &[], Fold::Unary(f64::ceil), Lower::No),
    rule(
        &["Sign"],
        &[],
        Fold::Unary(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        Lower::By(elementwise::sign),
    ),
    rule(&["Exp"], &[], Fold::Unary(f64::exp), Lower::Function("exp")),
    rule(&["Log"], &[], Fold::Unary(f64::ln), Lower::Function("log")),
    rule(&["Sqrt"], &[], Fold::Unary(f64::sqrt), Lower::Function("sqrt")),
    rule(&["Reciprocal"], &[], Fold::Unary(|x| 1.0 / x), Lower::Function("reciprocal")),
    rule(&["Relu"], &[], Fold::Unary(|x| x.max(0.0)), Lower::Function("relu")),
    rule(&["Sigmoid"], &[], Fold::Unary(|x| 1.0 / (1.0 + (-x).exp())), Lower::Function("sigmoid")),
    rule(&["Silu"], &[], Fold::No, Lower::Function("silu")),
    rule(&["Tanh"], &[], Fold::Unary(f64::tanh), Lower::Function("tanh")),
    rule(&["Gelu"], &["approximate"], Fold::No, Lower::By(elementwise::gelu)),
    rule(&["Erf"], &[], Fold::No, Lower::By(elementwise::erf)),
    rule(&["LeakyRelu"], &["alpha"], Fold::No, Lower::By(elementwise::leaky_relu)),
    rule(&["PRelu"], &[], Fold::No, Lower::By(elementwise::prelu)),
    rule(&["Elu", "Selu", "Celu"], &["alpha", "gamma"], Fold::No, Lower::By(elementwise::elu)),
    rule(&["HardSigmoid"], &["alpha", "beta"], Fold::No, Lower::By(elementwise::hard_sigmoid)),
    rule(&["HardSwish"], &[], Fold::No, Lower::By(elementwise::hard_swish)),
    rule(&["Softplus"], &[], Fold::No, Lower::By(elementwise::softplus)),
    rule(&["Softsign"], &[], Fold::No, Lower::By(elementwise::softsign)),
    rule(&["Clip"], &["min", "max"], Fold::No, Lower::By(elementwise::clip)),
    rule(&["Softmax", "LogSoftmax"], &["axis"], Fold::No, Lower::By(elementwise::softmax)),
    // Comparisons and choices.
    rule(&["Less"], &[], Fold::Truth(|a, b| truth(a < b)), Lower::By(|l, c| elementwise::compare(l, c, "<"))),
    rule(
        &["Greater"],
        &[],
        Fold::Truth(|a, b| truth(a > b)),
        Lower::By(|l, c| elementwise::compare(l, c, ">")),
    ),
    rule(
        &["LessOrEqual"],
        &[],
        Fold::Truth(|a, b| truth(a <= b)),
        Lower::By(|l, c| elementwise::compare(l, c, "<=")),
    ),
    rule(
        &["GreaterOrEqual"],
        &[],
        Fold::Truth(|a, b| truth(a >= b)),
        Lower::By(|l, c| elementwise::compare(l, c, ">=")),
    ),
    rule(
        &["Equal"],
        &[],
        Fold::Truth(|a, b| truth(a == b)),
        Lower::By(|l, c| elementwise::compare(l, c, "==")),
    ),
    rule(&["Not"], &[], Fold::Unary(|x| truth(x == 0.0)), Lower::By(elementwise::not)),
    rule(&["And"], &[], Fold::Truth(|a, b| truth(a != 0.0 && b != 0.0)), Lower::By(elementwise::and)),
    rule(&["Or"], &[], Fold::Truth(|a, b| truth(a != 0.0 || b != 0.0)), Lower::By(elementwise::or)),
    rule(&["Xor"], &[], Fold::Truth(|a, b| truth((a != 0.0) != (b != 0.0))), Lower::By(elementwise::xor)),
    rule(&["Where"], &[], Fold::By(fold::choose), Lower::By(elementwise::choose)),
    // Reductions.
    rule(
        &["ReduceSum"],
        REDUCE,
        Fold::Reduce(|x| x.iter().sum()),
        Lower::By(|l, c| reduce::along(l, c, "sum")),
    ),
    rule(
        &["ReduceMean"],
        REDUCE,
        Fold::Reduce(|x| x.iter().sum::<f64>() / x.len() as f64),
        Lower::By(|l, c| reduce::along(l, c, "mean")),
    ),
    rule(
        &["ReduceMax"],
        REDUCE,
        Fold::Reduce(|x| x.iter().copied().fold(f64::MIN, f64::max)),
        Lower::By(|l, c| reduce::along(l, c, "max")),
    ),
    rule(
        &["ReduceMin"],
        REDUCE,
        Fold::Reduce(|x| x.iter().copied().fold(f64::MAX, f64::min)),
        Lower::By(|l, c| reduce::along(l, c, "min")),
    ),
    rule(&["ReduceProd"], REDUCE, Fold::Reduce(|x| x.iter().product()), Lower::No),
    rule(&["ReduceL1"], REDUCE, Fold::No, Lower::By(reduce::l1)),
    rule(&["ReduceL2"], REDUCE, Fold::No, Lower::By(reduce::l2)),
    rule(&["ReduceSumSquare"], REDUCE, Fold::No, Lower::By(reduce::squares)),
    rule(
        &["ArgMax"],
        &["axis", "keepdims", "select_last_index"],
        Fold::No,
        Lower::By(|l, c| reduce::place(l, c, "argmax")),
    ),
    rule(
        &["ArgMin"],
        &["axis", "keepdims", "select_last_index"],
        Fold::No,
        Lower::By(|l, c| reduce::place(l, c, "argmin")),
    ),
    // Layers.
    rule(&["MatMul"], &[], Fold::By(fold::matmul), Lower::By(linear::matmul)),
    rule(&["Gemm"], &["alpha", "beta", "transA", "transB"], Fold::No, Lower::By(linear::gemm)),
    rule(&["Conv"], CONV, Fold::No, Lower::By(images::conv)),
    rule(&["ConvTranspose"], TRANSPOSED, Fold::No, Lower::By(images::conv_transpose)),
    rule(&["MaxPool"], POOL, Fold::No, Lower::By(images::max_pool)),
    rule(&["AveragePool"], POOL, Fold::No, Lower::By(images::average_pool)),
    rule(&["GlobalAveragePool"], &[], Fold::No, Lower::By(|l, c| images::global_pool(l, c, "mean"))),
    rule(&["GlobalMaxPool"], &[], Fold::No, Lower::By(|l, c| images::global_pool(l, c, "max"))),
    rule(
        &["BatchNormalization"],
        &["epsilon", "momentum", "spatial", "training_mode"],
        Fold::No,
        Lower::By(linear::batchnorm),
    ),
    rule(&["LayerNormalization"], &["axis", "epsilon", "stash_type"], Fold::No, Lower::By(linear::layernorm)),
    // Models of scikit-learn.
    rule(&["LinearRegressor"], LINEAR, Fold::No, Lower::By(classic::linear_regressor)),
    rule(&["LinearClassifier"], LINEAR, Fold::No, Lower::By(classic::linear_classifier)),
    rule(&["Scaler"], &["offset", "scale"], Fold::No, Lower::By(classic::scaler)),
    rule(&["Normalizer"], &["norm"], Fold::No, Lower::By(classic::normalizer)),
    rule(&["Binarizer"], &["threshold"], Fold::No, Lower::By(classic::binarizer)),
    rule(&["FeatureVectorizer"], &["inputdimensions"], Fold::No, Lower::By(classic::join)),
    rule(&["TreeEnsembleClassifier"], trees::ATTRIBUTES, Fold::No, Lower::By(trees::classifier)),
    rule(&["TreeEnsembleRegressor"], trees::ATTRIBUTES, Fold::No, Lower::By(trees::regressor)),
];
