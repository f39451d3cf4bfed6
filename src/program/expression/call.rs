//! The functions that steps can call.

use super::StepErrorKind;
use super::parse::Operand;
use crate::program::{Dims, Image, Number, Program, ValueId, Window};

/// Their names, in alphabetical order.
pub(super) const FUNCTIONS: [&str; 35] = [
    "abs",
    "argmax",
    "argmin",
    "assume",
    "avgpool2d",
    "batchnorm",
    "clip",
    "concat",
    "conv2d",
    "exp",
    "gather",
    "gelu",
    "layernorm",
    "leaky_relu",
    "log",
    "lookup",
    "max",
    "maxpool2d",
    "mean",
    "min",
    "one_hot",
    "reciprocal",
    "relu",
    "reshape",
    "rsqrt",
    "select",
    "sigmoid",
    "silu",
    "softmax",
    "sqrt",
    "squeeze",
    "sum",
    "tanh",
    "transpose",
    "var",
];

/// What a function is called with.
#[derive(Default)]
pub(super) struct Arguments {
    /// In their order.
    pub(super) positional: Vec<Operand>,
    /// With their names.
    pub(super) named: Vec<(String, Number)>,
    /// Numbers in brackets.
    pub(super) list: Option<Vec<i128>>,
}

/// How a function is called, for its error.
fn usage(function: &str) -> (&'static str, &'static str) {
    let usage = USAGE.into_iter().zip(FUNCTIONS).find(|(_, name)| *name == function);
    usage.map_or(("a function", "f(x)"), |(usage, name)| (name, usage))
}

/// How they are called, in the same order.
const USAGE: [&str; FUNCTIONS.len()] = [
    "abs(x)",
    "argmax(x, axis=1)",
    "argmin(x, axis=1)",
    "assume(x, low, high) with constants low and high",
    "avgpool2d(x, size=2, stride=2) with x of shape (n, c, h, w), or avgpool2d(x, channels=1, height=8, width=8, size=2, stride=2) with a row for each image",
    "batchnorm(x, mean, var, scale, offset, eps=1e-5)",
    "clip(x, low, high) with constants low and high",
    "concat(x, y, …, axis=0)",
    "conv2d(x, w, b, stride=1, padding=0) with x of shape (n, c, h, w) and w of shape (o, c, height, width), or conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0) with a row for each image; b may be left out",
    "exp(x)",
    "gather(x, [2, 0, 1], axis=0)",
    "gelu(x)",
    "layernorm(x, axis=-1, eps=1e-5) or layernorm(x, scale, offset, axis=-1, eps=1e-5)",
    "leaky_relu(x, slope) with a constant slope",
    "log(x)",
    "lookup(table, index)",
    "max(x, y) or max(x, axis=1)",
    "maxpool2d(x, size=2, stride=2) with x of shape (n, c, h, w), or maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2) with a row for each image",
    "mean(x) or mean(x, axis=1)",
    "min(x, y) or min(x, axis=1)",
    "one_hot(index, 10)",
    "reciprocal(x)",
    "relu(x)",
    "reshape(x, rows, cols), or up to four extents",
    "rsqrt(x)",
    "select(condition, x, y) with matrices",
    "sigmoid(x)",
    "silu(x)",
    "softmax(x, axis=1)",
    "sqrt(x)",
    "squeeze(x, axis=1) of an axis of extent 1",
    "sum(x) or sum(x, axis=1)",
    "tanh(x)",
    "transpose(x), or transpose(x, 0, 2, 1) with the axes in their new order",
    "var(x, axis=1)",
];

/// Adds the call of a function that exists.
pub(super) fn call(
    program: &mut Program,
    function: &str,
    arguments: Arguments,
) -> Result<ValueId, StepErrorKind> {
    let (function, usage) = usage(function);
    let wrong = StepErrorKind::Arguments { function, usage };
    let Some(call) = Call::new(arguments) else { return Err(wrong) };
    match call.apply(program, function) {
        Some(result) => result.map_err(StepErrorKind::from),
        None => Err(wrong),
    }
}

type Added = Result<ValueId, crate::program::ProgramError>;

/// The functions of one matrix and nothing else.
fn elementwise(function: &str) -> Option<fn(&mut Program, ValueId) -> Added> {
    Some(match function {
        "abs" => Program::abs,
        "exp" => Program::exp,
        "gelu" => Program::gelu,
        "reciprocal" => Program::reciprocal,
        "relu" => Program::relu,
        "sigmoid" => Program::sigmoid,
        "log" => Program::log,
        "rsqrt" => Program::rsqrt,
        "silu" => Program::silu,
        "sqrt" => Program::sqrt,
        "tanh" => Program::tanh,
        "transpose" => Program::transpose,
        _ => return None,
    })
}

/// The functions that reduce an axis, and those of them that reduce all of them.
fn reduction(function: &str) -> Option<Reduction> {
    let (along, all): (Along, Option<All>) = match function {
        "argmax" => (Program::argmax_along, None),
        "argmin" => (Program::argmin_along, None),
        "max" => (Program::max_along, None),
        "min" => (Program::min_along, None),
        "mean" => (Program::mean_along, Some(|program, a| program.mean(a, None))),
        "sum" => (Program::sum_along, Some(|program, a| program.sum(a, None))),
        "var" => (Program::var_along, None),
        _ => return None,
    };
    Some(Reduction { along, all })
}

type Along = fn(&mut Program, ValueId, usize) -> Added;
type All = fn(&mut Program, ValueId) -> Added;

struct Reduction {
    along: Along,
    all: Option<All>,
}

/// Arguments whose names are all different.
struct Call {
    positional: Vec<Operand>,
    named: Vec<(String, Number)>,
    list: Option<Vec<i128>>,
}

impl Call {
    fn new(Arguments { positional, named, list }: Arguments) -> Option<Call> {
        let is_twice = |(index, (name, _)): (usize, &(String, Number))| {
            named[..index].iter().any(|(earlier, _)| earlier == name)
        };
        let twice = named.iter().enumerate().any(is_twice);
        (!twice).then_some(Call { positional, named, list })
    }

    /// Nothing where the arguments are not those that the function takes.
    fn apply(&self, program: &mut Program, function: &str) -> Option<Added> {
        if self.list.is_some() != (function == "gather") {
            return None;
        }
        if let &[Operand::Matrix(a)] = &self.positional[..] {
            if self.named.is_empty()
                && let Some(elementwise) = elementwise(function)
            {
                return Some(elementwise(program, a));
            }
            if let Some(reduction) = reduction(function) {
                return self.reduced(program, a, reduction);
            }
        }
        self.chosen(program, function)
            .or_else(|| self.shaped(program, function))
            .or_else(|| self.layer(program, function))
    }

    /// What chooses between values.
    fn chosen(&self, program: &mut Program, function: &str) -> Option<Added> {
        use Operand::{Constant, Matrix};
        self.only(&[])?;
        Some(match (function, &self.positional[..]) {
            ("leaky_relu", &[Matrix(a), Constant(slope)]) => program.leaky_relu(a, slope),
            ("clip", &[Matrix(a), Constant(low), Constant(high)]) => program.clip(a, low, high),
            ("assume", &[Matrix(a), Constant(low), Constant(high)]) => {
                program.assume(a, low.value(), high.value())
            }
            ("select", &[Matrix(c), Matrix(x), Matrix(y)]) => program.select(c, x, y),
            ("max", &[Matrix(a), Matrix(b)]) => program.max(a, b),
            ("min", &[Matrix(a), Matrix(b)]) => program.min(a, b),
            ("max", &[Matrix(a), Constant(c)] | &[Constant(c), Matrix(a)]) => program.max_constant(a, c),
            ("min", &[Matrix(a), Constant(c)] | &[Constant(c), Matrix(a)]) => program.min_constant(a, c),
            ("one_hot", &[Matrix(index), Constant(count)]) => program.one_hot(index, whole(count)?),
            ("lookup", &[Matrix(table), Matrix(index)]) => program.lookup(table, index),
            _ => return None,
        })
    }

    /// What moves elements.
    fn shaped(&self, program: &mut Program, function: &str) -> Option<Added> {
        use Operand::Matrix;
        let (first, rest) = self.positional.split_first()?;
        let &Matrix(a) = first else { return None };
        let numbers =
            || rest.iter().map(|operand| if let Operand::Constant(c) = operand { whole(*c) } else { None });
        Some(match function {
            "reshape" if !rest.is_empty() => {
                self.only(&[])?;
                program.reshape_to(a, Dims::new(&numbers().collect::<Option<Vec<_>>>()?).ok()?)
            }
            "transpose" if !rest.is_empty() => {
                self.only(&[])?;
                program.permute(a, &numbers().collect::<Option<Vec<_>>>()?)
            }
            "squeeze" if rest.is_empty() => {
                let axis = self.axis(program, a, &["axis"])?;
                program.squeeze(a, axis)
            }
            "gather" if rest.is_empty() => {
                let axis = self.axis(program, a, &["axis"])?;
                let extent = program.dims(a).extents()[axis] as i128;
                let from_start = |&index: &i128| if index < 0 { index + extent } else { index };
                // Beyond the beginning as beyond the end: the program says which is not there.
                let index = |index: &i128| usize::try_from(from_start(index)).unwrap_or(usize::MAX);
                program.take(a, &self.list.as_ref()?.iter().map(index).collect::<Vec<_>>(), axis)
            }
            "concat" => {
                let axis = self.axis(program, a, &["axis"])?;
                let matrix = |operand: &Operand| if let Matrix(a) = operand { Some(*a) } else { None };
                let rest: Option<Vec<ValueId>> = rest.iter().map(matrix).collect();
                rest?.into_iter().try_fold(a, |all, next| program.concat_along(all, next, axis))
            }
            _ => return None,
        })
    }

    /// Layers of networks.
    fn layer(&self, program: &mut Program, function: &str) -> Option<Added> {
        use Operand::Matrix;
        Some(match (function, &self.positional[..]) {
            ("softmax", &[Matrix(a)]) => program.softmax(a, self.axis(program, a, &["axis"])?),
            ("layernorm", &[Matrix(a)]) => {
                program.layernorm(a, None, self.last_axis(program, a)?, self.epsilon()?)
            }
            ("layernorm", &[Matrix(a), Matrix(scale), Matrix(offset)]) => {
                let axis = self.last_axis(program, a)?;
                program.layernorm(a, Some((scale, offset)), axis, self.epsilon()?)
            }
            ("batchnorm", &[Matrix(a), Matrix(mean), Matrix(var), Matrix(scale), Matrix(offset)]) => {
                self.only(&["eps"])?;
                program.batchnorm(a, [mean, var, scale, offset], self.epsilon()?)
            }
            ("conv2d", &[Matrix(a), Matrix(w)]) => self.conv2d(program, a, (w, None))?,
            ("conv2d", &[Matrix(a), Matrix(w), Matrix(b)]) => self.conv2d(program, a, (w, Some(b)))?,
            ("maxpool2d" | "avgpool2d", &[Matrix(a)]) => self.pool(program, a, function == "maxpool2d")?,
            _ => return None,
        })
    }

    /// A reduction, whose axes are dropped unless `keepdims=1` keeps them with extent 1.
    fn reduced(&self, program: &mut Program, a: ValueId, reduction: Reduction) -> Option<Added> {
        let keep = match self.number_or("keepdims", 0)? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (first, dims) = (program.values().len(), program.dims(a));
        if self.named.iter().all(|(name, _)| name == "keepdims") {
            let sum = (reduction.all?)(program, a);
            let ones = Dims::new(&[1; Dims::MOST_AXES][..dims.rank()]).expect("as many axes");
            return Some(sum.map(|sum| if keep { program.with_dims(sum, ones) } else { sum }));
        }
        let axis = self.axis(program, a, &["axis", "keepdims"])?;
        let reduced = (reduction.along)(program, a, axis);
        Some(reduced.and_then(
            |reduced| {
                if keep { Ok(reduced) } else { program.without_axes(reduced, &[axis], first) }
            },
        ))
    }

    fn conv2d(&self, program: &mut Program, a: ValueId, (w, b): (ValueId, Option<ValueId>)) -> Option<Added> {
        let (stride, padding) = (self.number_or("stride", 1)?, self.number_or("padding", 0)?);
        if program.dims(a).rank() == 4 {
            self.only(&["stride", "padding"])?;
            return Some(program.conv2d_tensor(a, (w, b), stride, padding));
        }
        self.only(&["channels", "height", "width", "kernel", "stride", "padding"])?;
        let size = self.number("kernel")?;
        let window = Window { height: size, width: size, stride };
        Some(program.conv2d(a, self.image()?, (w, b), window, padding))
    }

    fn pool(&self, program: &mut Program, a: ValueId, largest: bool) -> Option<Added> {
        let size = self.number("size")?;
        let window = Window { height: size, width: size, stride: self.number_or("stride", size)? };
        if program.dims(a).rank() == 4 {
            self.only(&["size", "stride"])?;
            let pool = if largest { Program::maxpool2d_tensor } else { Program::avgpool2d_tensor };
            return Some(pool(program, a, window));
        }
        self.only(&["channels", "height", "width", "size", "stride"])?;
        let pool = if largest { Program::maxpool2d } else { Program::avgpool2d };
        Some(pool(program, a, self.image()?, window))
    }

    fn image(&self) -> Option<Image> {
        let [channels, height, width] = ["channels", "height", "width"].map(|name| self.number(name));
        Some(Image { channels: channels?, height: height?, width: width? })
    }

    /// Whether no other names are used.
    fn only(&self, names: &[&str]) -> Option<()> {
        self.named.iter().all(|(name, _)| names.contains(&name.as_str())).then_some(())
    }

    /// The axis of a value; a negative one is counted from the last. No names but these are used.
    fn axis(&self, program: &Program, a: ValueId, names: &[&str]) -> Option<usize> {
        self.only(names)?;
        let Number::Integer(axis) = self.named.iter().find(|(name, _)| name == "axis")?.1 else {
            return None;
        };
        let rank = program.dims(a).rank() as i128;
        let axis = if axis < 0 { axis + rank } else { axis };
        (0..rank).contains(&axis).then_some(axis as usize)
    }

    /// The axis of a normalisation.
    fn last_axis(&self, program: &Program, a: ValueId) -> Option<usize> {
        if self.named.iter().any(|(name, _)| name == "axis") {
            return self.axis(program, a, &["axis", "eps"]);
        }
        self.only(&["eps"])?;
        program.dims(a).rank().checked_sub(1)
    }

    fn epsilon(&self) -> Option<f64> {
        let given = self.named.iter().find(|(name, _)| name == "eps");
        Some(given.map_or(1e-5, |(_, epsilon)| epsilon.value()))
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.named.iter().find(|(other, _)| other == name).and_then(|&(_, number)| whole(number))
    }

    fn number_or(&self, name: &str, default: usize) -> Option<usize> {
        let is_there = self.named.iter().any(|(other, _)| other == name);
        if is_there { self.number(name) } else { Some(default) }
    }
}

/// A count that an address can name.
fn whole(number: Number) -> Option<usize> {
    match number {
        Number::Integer(value) => usize::try_from(value).ok(),
        Number::Real(_) => None,
    }
}
