//! Calls of functions: their arguments, held against the forms of the function.

use super::StepErrorKind;
use super::functions::Function;
use super::parse::Operand;
use crate::program::{Dims, Number, Program, ProgramError, Rate, ValueId};

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
    pub(super) named: Vec<(String, Given)>,
    /// Numbers in brackets.
    pub(super) list: Option<Vec<Number>>,
    /// Text in quotation marks.
    pub(super) text: Option<String>,
}

/// What a name is given.
#[derive(Clone)]
pub(super) enum Given {
    One(Number),
    Several(Vec<Number>),
}

impl Arguments {
    pub(super) fn is_empty(&self) -> bool {
        self.positional.is_empty() && self.named.is_empty() && self.list.is_none() && self.text.is_none()
    }
}

/// Names that other libraries give to arguments, and the remedy here.
const ELSEWHERE: [(&str, &str); 4] = [
    ("dim", "write axis"),
    ("keepdim", "write keepdims"),
    ("ddof", "multiply by n/(n − ddof)"),
    ("kernel_size", "write size, or kernel for images in rows"),
];

/// One form of a call: how many values it takes at most, and the names of its numbers.
struct Form {
    most: usize,
    names: Vec<&'static str>,
    has_list: bool,
    has_text: bool,
}

impl Form {
    fn read(form: &'static str) -> Form {
        let (_, rest) = form.split_once('(').expect("a call");
        let (inside, _) = rest.split_once(')').expect("a call");
        let (before, list) = inside.split_once('[').unwrap_or((inside, ""));
        let after = list.split_once(']').map_or("", |(_, after)| after);
        let words = || before.split(", ").chain(after.split(", ")).filter(|word| !word.is_empty());
        let names = words().filter_map(|word| Some(word.split_once('=')?.0)).collect();
        let is_value = |word: &&str| !word.contains('=') && !word.starts_with('"');
        let values = words().filter(is_value).count();
        let most = if before.contains('…') || after.contains('…') { usize::MAX } else { values };
        Form { most, names, has_list: !list.is_empty(), has_text: inside.starts_with('"') }
    }
}

impl Function {
    /// Whether a form of it has a list of public numbers.
    pub(super) fn takes_list(&self) -> bool {
        self.forms.iter().any(|form| Form::read(form).has_list)
    }
}

impl Call {
    /// A call whose arguments are those of one form at least, by number and by name.
    pub(super) fn new(function: &'static Function, arguments: Arguments) -> Result<Call, StepErrorKind> {
        let call = Call { function, arguments };
        let forms: Vec<Form> = function.forms.iter().map(|form| Form::read(form)).collect();
        let Arguments { named, list, text, .. } = &call.arguments;
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
            let has = |(name, _): &(String, Given)| form.names.contains(&name.as_str());
            let takes = (form.has_list || list.is_none()) && (form.has_text || text.is_none());
            call.count() <= form.most && named.iter().all(has) && takes
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
            Operand::Public(_) => {
                Err(self.wrong(&format!("argument {} is public, and a value is due", index + 1)))
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
            Operand::Public(_) => {
                Err(self
                    .wrong(&format!("argument {} differs from run to run, and a constant is due", index + 1)))
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
    pub(super) fn as_whole(&self, number: Number, what: &str) -> Result<usize, StepErrorKind> {
        let whole = match number {
            Number::Integer(value) => usize::try_from(value).ok(),
            Number::Real(_) => None,
        };
        whole.ok_or_else(|| {
            self.wrong(&format!("{what} is {}, and a whole number from 0 on is due", number.value()))
        })
    }

    pub(super) fn given(&self, name: &str) -> Option<&Given> {
        self.arguments.named.iter().find(|(other, _)| other == name).map(|(_, given)| given)
    }

    /// Whether a named argument is there.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// A named argument that is one number, if it is there.
    pub(super) fn one(&self, name: &str) -> Result<Option<Number>, StepErrorKind> {
        match self.given(name) {
            None => Ok(None),
            Some(Given::One(number)) => Ok(Some(*number)),
            Some(Given::Several(_)) => Err(StepErrorKind::Several(name.to_owned())),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<usize, StepErrorKind> {
        let number = self.one(name)?.ok_or_else(|| self.wrong(&format!("{name} is missing")))?;
        self.as_whole(number, name)
    }

    pub(super) fn number_or(&self, name: &str, default: usize) -> Result<usize, StepErrorKind> {
        self.one(name)?.map_or(Ok(default), |number| self.as_whole(number, name))
    }

    /// A named number, or what it is otherwise.
    pub(super) fn number_given(&self, name: &str, default: f64) -> Result<f64, StepErrorKind> {
        Ok(self.one(name)?.map_or(default, Number::value))
    }

    /// Text in quotation marks.
    pub(super) fn text(&self) -> Result<&str, StepErrorKind> {
        self.arguments.text.as_deref().ok_or_else(|| self.wrong("the text in quotation marks is missing"))
    }

    /// A value of the program, or a constant as one.
    pub(super) fn value(&self, program: &mut Program, index: usize) -> Applied {
        match self.operand(index)? {
            Operand::Matrix(value) => Ok(value),
            Operand::Constant(number) => Ok(program.filled(Dims::SCALAR, number)?),
            Operand::Public(_) => self.matrix(index),
        }
    }

    /// All values from one on.
    pub(super) fn values_from(&self, index: usize) -> Result<Vec<ValueId>, StepErrorKind> {
        (index..self.count()).map(|index| self.matrix(index)).collect()
    }

    /// A learning rate: a constant, a value, or a public number by run.
    pub(super) fn rate(&self, index: usize) -> Result<Rate, StepErrorKind> {
        Ok(match self.operand(index)? {
            Operand::Matrix(value) => Rate::Value(value),
            Operand::Constant(number) => Rate::Number(number),
            Operand::Public(public) => Rate::Public(public),
        })
    }

    /// The small number that keeps a variance from zero.
    pub(super) fn epsilon(&self) -> Result<f64, StepErrorKind> {
        self.number_given("eps", 1e-5)
    }

    /// The axis of a value; a negative one is counted from the last.
    pub(super) fn axis(&self, program: &Program, a: ValueId) -> Result<usize, StepErrorKind> {
        let axis = self.one("axis")?.ok_or_else(|| self.wrong("axis is missing"))?;
        self.axis_at(program, a, axis)
    }

    /// The axis of a value, or another one.
    pub(super) fn axis_or(
        &self,
        program: &Program,
        a: ValueId,
        default: i128,
    ) -> Result<usize, StepErrorKind> {
        self.axis_at(program, a, self.one("axis")?.unwrap_or(Number::Integer(default)))
    }

    /// The axis of a value, or its last one.
    pub(super) fn last_axis(&self, program: &Program, a: ValueId) -> Result<usize, StepErrorKind> {
        self.axis_or(program, a, -1)
    }

    /// The axes of a value, all of them where none is given.
    pub(super) fn axes(&self, program: &Program, a: ValueId) -> Result<Vec<usize>, StepErrorKind> {
        let mut axes = match self.given("axis") {
            None => return Ok((0..program.dims(a).rank()).collect()),
            Some(Given::One(axis)) => vec![self.axis_at(program, a, *axis)?],
            Some(Given::Several(axes)) => {
                axes.iter().map(|&axis| self.axis_at(program, a, axis)).collect::<Result<Vec<_>, _>>()?
            }
        };
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.wrong("an axis is given twice"));
        }
        Ok(axes)
    }

    fn axis_at(&self, program: &Program, a: ValueId, axis: Number) -> Result<usize, StepErrorKind> {
        let dims = program.dims(a);
        self.axis_of_rank(&program.value(a).label, dims, dims.rank(), axis)
    }

    /// One of so many axes of a value of these extents; a negative one is counted from the last.
    pub(super) fn axis_of_rank(
        &self,
        label: &str,
        dims: Dims,
        rank: usize,
        axis: Number,
    ) -> Result<usize, StepErrorKind> {
        let rank = rank as i128;
        match axis {
            Number::Integer(axis) if (-rank..rank).contains(&axis) => Ok(axis.rem_euclid(rank) as usize),
            _ => Err(self.wrong(&format!("{label} of shape {dims} has no axis {}", axis.value()))),
        }
    }

    /// The listed indices along an axis of this extent, of which negative ones count from the end.
    pub(super) fn indices(&self, extent: usize) -> Result<Vec<usize>, StepErrorKind> {
        let index = |number: &Number| match *number {
            // An index beyond the beginning becomes one beyond the end: the program says that it is not there.
            Number::Integer(index) if index < 0 => {
                Ok(usize::try_from(index.saturating_add(extent as i128)).unwrap_or(usize::MAX))
            }
            Number::Integer(index) => Ok(usize::try_from(index).unwrap_or(usize::MAX)),
            Number::Real(index) => Err(self.wrong(&format!("the index {index} is no whole number"))),
        };
        self.list("the indices are missing, such as [2, 0, 1]")?.iter().map(index).collect()
    }

    /// The listed numbers.
    pub(super) fn list(&self, missing: &str) -> Result<&[Number], StepErrorKind> {
        self.arguments.list.as_deref().ok_or_else(|| self.wrong(missing))
    }

    /// Whether a named argument is set; not where it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, StepErrorKind> {
        self.flag_or(name, false)
    }

    /// Whether a named argument is set, or what it is otherwise.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool, StepErrorKind> {
        match self.number_or(name, usize::from(default))? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.wrong(&format!("{name} is neither True nor False"))),
        }
    }

    /// The extents in a call, of which one may be −1: it is what the others leave of a value's elements.
    pub(super) fn extents(&self, program: &Program, a: ValueId) -> Result<Dims, StepErrorKind> {
        let open = |index: &usize| matches!(self.constant(*index), Ok(Number::Integer(-1)));
        let unknown: Vec<usize> = (1..self.count()).filter(open).collect();
        if unknown.len() > 1 {
            return Err(self.wrong("more than one extent is -1"));
        }
        let known = |index: usize| if unknown.contains(&index) { Ok(1) } else { self.whole(index) };
        let mut extents = (1..self.count()).map(known).collect::<Result<Vec<_>, _>>()?;
        if extents.is_empty() {
            return Err(self.wrong("the extents are missing"));
        }
        if let [unknown] = unknown[..] {
            let (all, others) = (
                program.value(a).shape.len(),
                extents.iter().fold(1, |all: usize, &own| all.saturating_mul(own)),
            );
            extents[unknown - 1] = all.checked_div(others).unwrap_or(0);
        }
        Dims::new(&extents).map_err(|error| self.wrong(&error.to_string()))
    }

    /// The extents that a call's numbers are.
    pub(super) fn shape(&self) -> Result<Dims, StepErrorKind> {
        Dims::new(&self.whole_from(0)?).map_err(|error| self.wrong(&error.to_string()))
    }

    /// A reduction along axes, or of all elements, where none is given. The axes are dropped, unless `keepdims=True` keeps
    /// them with extent 1.
    pub(super) fn reduce(
        &self,
        program: &mut Program,
        along: fn(&mut Program, ValueId, usize) -> Added,
        all: Option<fn(&mut Program, ValueId) -> Added>,
    ) -> Applied {
        let a = self.matrix(0)?;
        let (keep, axes) = (self.flag("keepdims")?, self.axes(program, a)?);
        let (first, dims) = (program.values().len(), program.dims(a));
        if let (Some(all), None) = (all, self.given("axis")) {
            let result = all(program, a)?;
            let ones = Dims::new(&[1; Dims::MOST_AXES][..dims.rank()]).expect("as many axes");
            return Ok(if keep { program.with_dims(result, ones) } else { result });
        }
        if let [axis] = axes[..] {
            let reduced = along(program, a, axis)?;
            return if keep { Ok(reduced) } else { Ok(program.without_axes(reduced, &[axis], first)?) };
        }
        let merged = program.merged_axes(a, &axes)?;
        let reduced = along(program, merged, dims.rank() - axes.len())?;
        let extents = dims.extents().iter().enumerate();
        let kept = extents.filter_map(|(axis, &extent)| match axes.contains(&axis) {
            true => keep.then_some(1),
            false => Some(extent),
        });
        let to = Dims::new(&kept.collect::<Vec<_>>()).expect("no more axes");
        Ok(program.reshape_to(reduced, to)?)
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
            (Operand::Public(_), _) => self.matrix(0),
            (_, Operand::Public(_)) => self.matrix(1),
            (Operand::Constant(_), Operand::Constant(_)) => self.matrix(0),
        }
    }
}
