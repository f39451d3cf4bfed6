//! Calls of functions: their arguments, held against the forms of the function.

use super::StepErrorKind;
use super::functions::Function;
use super::parse::Operand;
use crate::program::{Dims, Image, Number, Program, ProgramError, Rate, ValueId, Window};

/// The result of a call in a program.
pub(super) type Applied = Result<ValueId, StepErrorKind>;

type Added = Result<ValueId, ProgramError>;

/// A function, and the arguments of a call.
pub(super) struct Call {
    function: &'static Function,
    arguments: Arguments,
}

/// The arguments of a call.
#[derive(Default)]
pub(super) struct Arguments {
    /// In their order.
    pub(super) positional: Vec<Operand>,
    /// With their names.
    pub(super) named: Vec<(String, Number)>,
    /// Numbers in brackets.
    pub(super) list: Option<Vec<i128>>,
}

/// Names that other libraries give to arguments, and the remedy here.
const ELSEWHERE: [(&str, &str); 6] = [
    ("dim", "write axis"),
    ("keepdim", "write keepdims"),
    ("ddof", "multiply by n/(n − ddof)"),
    ("kernel_size", "write size, or kernel for images in rows"),
    ("padding", "put zeros around x by concat"),
    ("groups", "convolve slices of the channels, and join the results by concat"),
];

/// One form of a call: how many values it takes at most, and the names of its numbers.
struct Form {
    most: usize,
    names: Vec<&'static str>,
    has_list: bool,
}

impl Form {
    fn read(form: &'static str) -> Form {
        let (_, rest) = form.split_once('(').expect("a call");
        let (inside, _) = rest.split_once(')').expect("a call");
        let (before, list) = inside.split_once('[').unwrap_or((inside, ""));
        let after = list.split_once(']').map_or("", |(_, after)| after);
        let words = || before.split(", ").chain(after.split(", ")).filter(|word| !word.is_empty());
        let names = words().filter_map(|word| Some(word.split_once('=')?.0)).collect();
        let values = words().filter(|word| !word.contains('=')).count();
        let most = if before.contains('…') { usize::MAX } else { values };
        Form { most, names, has_list: !list.is_empty() }
    }
}

impl Call {
    /// A call whose arguments are those of one form at least, by number and by name.
    pub(super) fn new(function: &'static Function, arguments: Arguments) -> Result<Call, StepErrorKind> {
        let call = Call { function, arguments };
        let forms: Vec<Form> = function.forms.iter().map(|form| Form::read(form)).collect();
        let Arguments { named, list, .. } = &call.arguments;
        for (index, (name, _)) in named.iter().enumerate() {
            if !forms.iter().any(|form| form.names.contains(&name.as_str())) {
                let remedy = ELSEWHERE.iter().find(|(other, _)| other == name);
                let remedy = remedy.map_or(String::new(), |(_, remedy)| format!(": {remedy}"));
                return Err(call.wrong(&format!("{} has no {name}{remedy}", function.name())));
            }
            if named[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(call.wrong(&format!("{name} is given twice")));
            }
        }
        let most = forms.iter().map(|form| form.most).max().expect("a form");
        if call.count() > most {
            let values = if most == 1 { "value" } else { "values" };
            return Err(call.wrong(&format!("{most} {values} at most, and there are {}", call.count())));
        }
        let fits = |form: &Form| {
            let has = |(name, _): &(String, Number)| form.names.contains(&name.as_str());
            call.count() <= form.most && named.iter().all(has) && (form.has_list || list.is_none())
        };
        if forms.iter().any(fits) { Ok(call) } else { Err(call.error(None)) }
    }

    /// Adds the call to a program.
    pub(super) fn apply(&self, program: &mut Program) -> Applied {
        (self.function.apply)(program, self)
    }

    /// The error of this call, by its cause.
    pub(super) fn wrong(&self, cause: &str) -> StepErrorKind {
        self.error(Some(cause.to_owned()))
    }

    fn error(&self, cause: Option<String>) -> StepErrorKind {
        let Function { forms, .. } = self.function;
        // A note may have commas of its own.
        let or = if forms.iter().all(|form| form.ends_with(')')) { " or " } else { "; or " };
        StepErrorKind::Arguments { function: self.function.name(), cause, usage: forms.join(or) }
    }

    /// The number of its values.
    pub(super) fn count(&self) -> usize {
        self.arguments.positional.len()
    }

    fn operand(&self, index: usize) -> Result<Operand, StepErrorKind> {
        let operand = self.arguments.positional.get(index);
        operand.copied().ok_or_else(|| self.wrong(&format!("argument {} is missing", index + 1)))
    }

    /// A value of the program.
    pub(super) fn matrix(&self, index: usize) -> Applied {
        match self.operand(index)? {
            Operand::Matrix(value) => Ok(value),
            Operand::Constant(_) => {
                Err(self.wrong(&format!("argument {} is a constant, and a value is due", index + 1)))
            }
        }
    }

    /// A public number.
    pub(super) fn constant(&self, index: usize) -> Result<Number, StepErrorKind> {
        match self.operand(index)? {
            Operand::Constant(number) => Ok(number),
            Operand::Matrix(_) => {
                Err(self.wrong(&format!("argument {} is a value, and a constant is due", index + 1)))
            }
        }
    }

    /// A public whole number.
    pub(super) fn whole(&self, index: usize) -> Result<usize, StepErrorKind> {
        self.as_whole(self.constant(index)?, &format!("argument {}", index + 1))
    }

    /// The public whole numbers from one argument on.
    pub(super) fn whole_from(&self, index: usize) -> Result<Vec<usize>, StepErrorKind> {
        (index..self.count()).map(|index| self.whole(index)).collect()
    }

    /// A count that an address can name.
    fn as_whole(&self, number: Number, what: &str) -> Result<usize, StepErrorKind> {
        let whole = match number {
            Number::Integer(value) => usize::try_from(value).ok(),
            Number::Real(_) => None,
        };
        whole.ok_or_else(|| {
            self.wrong(&format!("{what} is {}, and a whole number from 0 on is due", number.value()))
        })
    }

    fn given(&self, name: &str) -> Option<Number> {
        self.arguments.named.iter().find(|(other, _)| other == name).map(|&(_, number)| number)
    }

    fn number(&self, name: &str) -> Result<usize, StepErrorKind> {
        let number = self.given(name).ok_or_else(|| self.wrong(&format!("{name} is missing")))?;
        self.as_whole(number, name)
    }

    fn number_or(&self, name: &str, default: usize) -> Result<usize, StepErrorKind> {
        self.given(name).map_or(Ok(default), |number| self.as_whole(number, name))
    }

    /// A named number, or what it is otherwise.
    pub(super) fn number_given(&self, name: &str, default: f64) -> f64 {
        self.given(name).map_or(default, Number::value)
    }

    /// A learning rate: a constant or a value.
    pub(super) fn rate(&self, index: usize) -> Result<Rate, StepErrorKind> {
        Ok(match self.operand(index)? {
            Operand::Matrix(value) => Rate::Value(value),
            Operand::Constant(number) => Rate::Number(number),
        })
    }

    /// The small number that keeps a variance from zero.
    pub(super) fn epsilon(&self) -> f64 {
        self.number_given("eps", 1e-5)
    }

    /// The axis of a value; a negative one is counted from the last.
    pub(super) fn axis(&self, program: &Program, a: ValueId) -> Result<usize, StepErrorKind> {
        let axis = self.given("axis").ok_or_else(|| self.wrong("axis is missing"))?;
        self.axis_at(program, a, axis)
    }

    /// The axis of a value, or its last one.
    pub(super) fn last_axis(&self, program: &Program, a: ValueId) -> Result<usize, StepErrorKind> {
        self.axis_at(program, a, self.given("axis").unwrap_or(Number::Integer(-1)))
    }

    fn axis_at(&self, program: &Program, a: ValueId, axis: Number) -> Result<usize, StepErrorKind> {
        let (dims, label) = (program.dims(a), &program.value(a).label);
        let rank = dims.rank() as i128;
        match axis {
            Number::Integer(axis) if (-rank..rank).contains(&axis) => Ok(axis.rem_euclid(rank) as usize),
            _ => Err(self.wrong(&format!("{label} of shape {dims} has no axis {}", axis.value()))),
        }
    }

    /// The listed indices along an axis of this extent, of which negative ones count from the end.
    pub(super) fn indices(&self, extent: usize) -> Result<Vec<usize>, StepErrorKind> {
        let list = self.arguments.list.as_ref();
        let list = list.ok_or_else(|| self.wrong("the indices are missing, such as [2, 0, 1]"))?;
        let from_start = |&index: &i128| if index < 0 { index + extent as i128 } else { index };
        // An index beyond the beginning becomes one beyond the end: the program says that it is not there.
        let index = |index: &i128| usize::try_from(from_start(index)).unwrap_or(usize::MAX);
        Ok(list.iter().map(index).collect())
    }

    /// A reduction along an axis, which is dropped unless `keepdims=1` keeps it with extent 1; or of all elements, where
    /// the function has such a form.
    pub(super) fn reduce(
        &self,
        program: &mut Program,
        along: fn(&mut Program, ValueId, usize) -> Added,
        all: Option<fn(&mut Program, ValueId) -> Added>,
    ) -> Applied {
        let a = self.matrix(0)?;
        let keep = match self.number_or("keepdims", 0)? {
            0 => false,
            1 => true,
            _ => return Err(self.wrong("keepdims is neither 0 nor 1")),
        };
        let (first, dims) = (program.values().len(), program.dims(a));
        if let (Some(all), None) = (all, self.given("axis")) {
            let result = all(program, a)?;
            let ones = Dims::new(&[1; Dims::MOST_AXES][..dims.rank()]).expect("as many axes");
            return Ok(if keep { program.with_dims(result, ones) } else { result });
        }
        let axis = self.axis(program, a)?;
        let reduced = along(program, a, axis)?;
        if keep { Ok(reduced) } else { Ok(program.without_axes(reduced, &[axis], first)?) }
    }

    /// The larger or the smaller of two values, or of a value and a constant.
    pub(super) fn extreme(
        &self,
        program: &mut Program,
        two: fn(&mut Program, ValueId, ValueId) -> Added,
        constant: fn(&mut Program, ValueId, Number) -> Added,
    ) -> Applied {
        match (self.operand(0)?, self.operand(1)?) {
            (Operand::Matrix(a), Operand::Matrix(b)) => Ok(two(program, a, b)?),
            (Operand::Matrix(a), Operand::Constant(c)) | (Operand::Constant(c), Operand::Matrix(a)) => {
                Ok(constant(program, a, c)?)
            }
            (Operand::Constant(_), Operand::Constant(_)) => self.matrix(0),
        }
    }

    /// A convolution of images in rows, where their extents are given, or of a tensor.
    pub(super) fn conv2d(
        &self,
        program: &mut Program,
        a: ValueId,
        kernels: (ValueId, Option<ValueId>),
    ) -> Applied {
        let (stride, padding) = (self.number_or("stride", 1)?, self.number_or("padding", 0)?);
        let Some(image) = self.image(program, a)? else {
            return Ok(program.conv2d_tensor(a, kernels, stride, padding)?);
        };
        let size = self.number("kernel")?;
        Ok(program.conv2d(a, image, kernels, Window { height: size, width: size, stride }, padding)?)
    }

    /// A pool of a tensor, or of images in rows, where their extents are given.
    pub(super) fn pool(
        &self,
        program: &mut Program,
        of_tensor: fn(&mut Program, ValueId, Window) -> Added,
        of_rows: fn(&mut Program, ValueId, Image, Window) -> Added,
    ) -> Applied {
        let (a, size) = (self.matrix(0)?, self.number("size")?);
        let window = Window { height: size, width: size, stride: self.number_or("stride", size)? };
        Ok(match self.image(program, a)? {
            None => of_tensor(program, a, window)?,
            Some(image) => of_rows(program, a, image, window)?,
        })
    }

    /// The extents of images in rows; none where none are given.
    fn image(&self, program: &Program, a: ValueId) -> Result<Option<Image>, StepErrorKind> {
        const OF_ROWS: [&str; 4] = ["channels", "height", "width", "kernel"];
        let Some(name) = OF_ROWS.into_iter().find(|name| self.given(name).is_some()) else { return Ok(None) };
        let dims = program.dims(a);
        if dims.rank() == 4 {
            let label = &program.value(a).label;
            return Err(self.wrong(&format!("{label} of shape {dims} has its extents: leave out {name}")));
        }
        let [channels, height, width] = ["channels", "height", "width"].map(|name| self.number(name));
        Ok(Some(Image { channels: channels?, height: height?, width: width? }))
    }
}
