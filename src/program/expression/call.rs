//! The functions that steps can call.

use super::StepErrorKind;
use super::parse::Operand;
use crate::program::{Image, Number, Program, ValueId, Window};
use crate::ring::{Axis, Shape};

/// Their names, in alphabetical order.
pub(super) const FUNCTIONS: [&str; 27] = [
    "abs",
    "argmax",
    "argmin",
    "avgpool2d",
    "clip",
    "concat",
    "conv2d",
    "exp",
    "gelu",
    "leaky_relu",
    "log",
    "max",
    "maxpool2d",
    "mean",
    "min",
    "reciprocal",
    "relu",
    "reshape",
    "rsqrt",
    "select",
    "sigmoid",
    "silu",
    "softmax",
    "sqrt",
    "sum",
    "tanh",
    "transpose",
];

/// What a function is called with.
#[derive(Default)]
pub(super) struct Arguments {
    /// In their order.
    pub(super) positional: Vec<Operand>,
    /// With their names.
    pub(super) named: Vec<(String, Number)>,
}

/// How a function is called, for its error.
fn usage(function: &str) -> (&'static str, &'static str) {
    match function {
        "abs" => ("abs", "abs(x)"),
        "argmax" => ("argmax", "argmax(x, axis=1)"),
        "argmin" => ("argmin", "argmin(x, axis=1)"),
        "avgpool2d" => ("avgpool2d", "avgpool2d(x, channels=1, height=8, width=8, size=2, stride=2)"),
        "clip" => ("clip", "clip(x, low, high) with constants low and high"),
        "concat" => ("concat", "concat(x, y, …, axis=0)"),
        "conv2d" => (
            "conv2d",
            "conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0), where b may be left out",
        ),
        "exp" => ("exp", "exp(x)"),
        "gelu" => ("gelu", "gelu(x)"),
        "reciprocal" => ("reciprocal", "reciprocal(x)"),
        "log" => ("log", "log(x)"),
        "rsqrt" => ("rsqrt", "rsqrt(x)"),
        "sigmoid" => ("sigmoid", "sigmoid(x)"),
        "silu" => ("silu", "silu(x)"),
        "softmax" => ("softmax", "softmax(x, axis=1)"),
        "sqrt" => ("sqrt", "sqrt(x)"),
        "tanh" => ("tanh", "tanh(x)"),
        "leaky_relu" => ("leaky_relu", "leaky_relu(x, slope) with a constant slope"),
        "max" => ("max", "max(x, y) or max(x, axis=1)"),
        "maxpool2d" => ("maxpool2d", "maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2)"),
        "mean" => ("mean", "mean(x) or mean(x, axis=1)"),
        "min" => ("min", "min(x, y) or min(x, axis=1)"),
        "relu" => ("relu", "relu(x)"),
        "reshape" => ("reshape", "reshape(x, rows, cols)"),
        "select" => ("select", "select(condition, x, y) with matrices"),
        "sum" => ("sum", "sum(x) or sum(x, axis=1)"),
        _ => ("transpose", "transpose(x)"),
    }
}

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

/// Arguments whose names are all different.
struct Call {
    positional: Vec<Operand>,
    named: Vec<(String, Number)>,
}

impl Call {
    fn new(Arguments { positional, named }: Arguments) -> Option<Call> {
        let is_twice = |(index, (name, _)): (usize, &(String, Number))| {
            named[..index].iter().any(|(earlier, _)| earlier == name)
        };
        let twice = named.iter().enumerate().any(is_twice);
        (!twice).then_some(Call { positional, named })
    }

    /// Nothing where the arguments are not those that the function takes.
    fn apply(&self, program: &mut Program, function: &str) -> Option<Added> {
        use Operand::{Constant, Matrix};
        Some(match (function, &self.positional[..]) {
            (_, &[Matrix(a)]) if self.named.is_empty() && elementwise(function).is_some() => {
                elementwise(function)?(program, a)
            }
            ("softmax", &[Matrix(a)]) => self.axis().map(|axis| program.softmax(a, axis))?,
            ("leaky_relu", &[Matrix(a), Constant(slope)]) => {
                self.only(&[]).map(|()| program.leaky_relu(a, slope))?
            }
            ("clip", &[Matrix(a), Constant(low), Constant(high)]) => {
                self.only(&[]).map(|()| program.clip(a, low, high))?
            }
            ("select", &[Matrix(c), Matrix(x), Matrix(y)]) => {
                self.only(&[]).map(|()| program.select(c, x, y))?
            }
            ("sum", &[Matrix(a)]) => self.axis_or_both().map(|axis| program.sum(a, axis))?,
            ("mean", &[Matrix(a)]) => self.axis_or_both().map(|axis| program.mean(a, axis))?,
            ("argmax", &[Matrix(a)]) => self.axis().map(|axis| program.argmax(a, axis))?,
            ("argmin", &[Matrix(a)]) => self.axis().map(|axis| program.argmin(a, axis))?,
            ("max", &[Matrix(a)]) => self.axis().map(|axis| program.max_over(a, axis))?,
            ("min", &[Matrix(a)]) => self.axis().map(|axis| program.min_over(a, axis))?,
            ("max", &[Matrix(a), Matrix(b)]) => self.only(&[]).map(|()| program.max(a, b))?,
            ("min", &[Matrix(a), Matrix(b)]) => self.only(&[]).map(|()| program.min(a, b))?,
            ("max", &[Matrix(a), Constant(c)] | &[Constant(c), Matrix(a)]) => {
                self.only(&[]).map(|()| program.max_constant(a, c))?
            }
            ("min", &[Matrix(a), Constant(c)] | &[Constant(c), Matrix(a)]) => {
                self.only(&[]).map(|()| program.min_constant(a, c))?
            }
            ("reshape", &[Matrix(a), Constant(rows), Constant(cols)]) => {
                let shape = Shape::new(whole(rows)?, whole(cols)?);
                self.only(&[]).map(|()| program.reshape(a, shape))?
            }
            ("concat", [Matrix(first), rest @ ..]) => {
                let axis = self.axis()?;
                let rest: Option<Vec<ValueId>> = rest
                    .iter()
                    .map(|operand| if let Matrix(a) = operand { Some(*a) } else { None })
                    .collect();
                rest?.into_iter().try_fold(*first, |all, next| program.concat(all, next, axis))
            }
            ("conv2d", &[Matrix(a), Matrix(w)]) => self.conv2d(program, a, (w, None))?,
            ("conv2d", &[Matrix(a), Matrix(w), Matrix(b)]) => self.conv2d(program, a, (w, Some(b)))?,
            ("maxpool2d", &[Matrix(a)]) => {
                let (image, window) = self.pool()?;
                program.maxpool2d(a, image, window)
            }
            ("avgpool2d", &[Matrix(a)]) => {
                let (image, window) = self.pool()?;
                program.avgpool2d(a, image, window)
            }
            _ => return None,
        })
    }

    fn conv2d(
        &self,
        program: &mut Program,
        a: ValueId,
        kernels: (ValueId, Option<ValueId>),
    ) -> Option<Added> {
        self.only(&["channels", "height", "width", "kernel", "stride", "padding"])?;
        let size = self.number("kernel")?;
        let window = Window { height: size, width: size, stride: self.number_or("stride", 1)? };
        Some(program.conv2d(a, self.image()?, kernels, window, self.number_or("padding", 0)?))
    }

    fn pool(&self) -> Option<(Image, Window)> {
        self.only(&["channels", "height", "width", "size", "stride"])?;
        let size = self.number("size")?;
        let window = Window { height: size, width: size, stride: self.number_or("stride", size)? };
        Some((self.image()?, window))
    }

    fn image(&self) -> Option<Image> {
        let [channels, height, width] = ["channels", "height", "width"].map(|name| self.number(name));
        Some(Image { channels: channels?, height: height?, width: width? })
    }

    /// Whether no other names are used.
    fn only(&self, names: &[&str]) -> Option<()> {
        self.named.iter().all(|(name, _)| names.contains(&name.as_str())).then_some(())
    }

    fn axis(&self) -> Option<Axis> {
        self.only(&["axis"])?;
        match self.number("axis")? {
            0 => Some(Axis::Rows),
            1 => Some(Axis::Cols),
            _ => None,
        }
    }

    fn axis_or_both(&self) -> Option<Option<Axis>> {
        if self.named.is_empty() { Some(None) } else { self.axis().map(Some) }
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
