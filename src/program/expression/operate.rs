//! Operators on what a step's text has named: constants fold until they meet a value.

use super::StepErrorKind;
use super::parse::{Operand, Parser};
use crate::program::{Dims, MOST_LISTED, Number, Program, ProgramError, PublicId, Relation, Stride, ValueId};

/// What two truths become.
type Connective = fn(&mut Program, ValueId, ValueId) -> Result<ValueId, ProgramError>;

/// The words between truths; the first binds least.
pub(super) const CONNECTIVES: [(&str, Connective); 3] =
    [("or", Program::or), ("xor", Program::xor), ("and", Program::and)];

/// The operator `//`.
pub(super) const WHOLE_QUOTIENT: char = '÷';

/// An item of a list.
pub(super) enum Item {
    Operand(Operand),
    List(Vec<Item>),
}

impl Parser<'_> {
    pub(super) fn connect(
        &mut self,
        connective: Connective,
        left: Operand,
        right: Operand,
    ) -> Result<Operand, StepErrorKind> {
        let (a, b) = (self.value(left)?, self.value(right)?);
        Ok(Operand::Matrix(connective(self.program, a, b)?))
    }

    pub(super) fn not(&mut self, operand: Operand) -> Result<Operand, StepErrorKind> {
        let value = self.value(operand)?;
        Ok(Operand::Matrix(self.program.not(value)?))
    }

    pub(super) fn raise(&mut self, base: Operand, exponent: Operand) -> Result<Operand, StepErrorKind> {
        let Operand::Constant(exponent) = exponent else { return Err(StepErrorKind::PrivatePower) };
        match base {
            Operand::Matrix(a) => Ok(Operand::Matrix(self.program.power(a, exponent)?)),
            Operand::Constant(base) => raised(base, exponent).map(Operand::Constant),
            Operand::Public(public) => Err(self.misplaced(public)),
        }
    }

    /// An operand as a value: a constant becomes a public number.
    fn value(&mut self, operand: Operand) -> Result<ValueId, StepErrorKind> {
        match operand {
            Operand::Matrix(value) => Ok(value),
            Operand::Constant(number) => Ok(self.program.filled(Dims::SCALAR, number)?),
            Operand::Public(public) => Err(self.misplaced(public)),
        }
    }

    /// A public value where it has no place.
    pub(super) fn misplaced(&self, public: PublicId) -> StepErrorKind {
        StepErrorKind::Public(self.program.publics()[public.index()].name.clone())
    }

    /// The entries that a run takes.
    pub(super) fn rows(&mut self, operand: Operand, rows: PublicId) -> Result<Operand, StepErrorKind> {
        let Operand::Matrix(a) = operand else { return Err(StepErrorKind::NoMatrix("a range")) };
        Ok(Operand::Matrix(self.program.rows_by_run(a, rows)?))
    }

    /// The tensor that a list is: of public numbers alone, or of values, which are joined along a new first axis.
    pub(super) fn value_of(&mut self, items: &[Item]) -> Result<ValueId, StepErrorKind> {
        if let Some((extents, numbers)) = listed(items)? {
            if numbers.len() > MOST_LISTED {
                return Err(StepErrorKind::LongList(numbers.len()));
            }
            let dims = Dims::new(&extents).map_err(|_| StepErrorKind::DeepList)?;
            return Ok(self.program.listed(&numbers, dims)?);
        }
        let value = |item: &Item| match item {
            Item::Operand(operand) => self.value(*operand),
            Item::List(items) => self.value_of(items),
        };
        let values = items.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        Ok(self.program.stack(&values, 0)?)
    }

    pub(super) fn compare(
        &mut self,
        relation: Relation,
        left: Operand,
        right: Operand,
    ) -> Result<Operand, StepErrorKind> {
        use Operand::{Constant, Matrix};
        let value = match (left, right) {
            (Matrix(a), Matrix(b)) => self.program.compare(a, relation, b)?,
            (Matrix(a), Constant(b)) => self.program.compare_constant(a, relation, b)?,
            (Constant(a), Matrix(b)) => self.program.compare_constant(b, relation.mirrored(), a)?,
            (Constant(_), Constant(_)) => return Err(StepErrorKind::Constant),
            (Operand::Public(by), _) | (_, Operand::Public(by)) => return Err(self.misplaced(by)),
        };
        Ok(Matrix(value))
    }

    pub(super) fn slice(&mut self, operand: Operand, ranges: &[Range]) -> Result<Operand, StepErrorKind> {
        let Operand::Matrix(a) = operand else { return Err(StepErrorKind::NoMatrix("a range")) };
        let dims = self.program.dims(a);
        let out_of_range = |what: String| {
            let label = self.program.value(a).label.clone();
            StepErrorKind::from(ProgramError::OutOfRange { label, shape: dims, what })
        };
        if ranges.len() > dims.rank() {
            return Err(out_of_range(format!("{} axes", ranges.len())));
        }
        let (mut strides, mut turned, first) = (Vec::new(), Vec::new(), self.program.values().len());
        for (axis, (range, &extent)) in ranges.iter().zip(dims.extents()).enumerate() {
            let word = match (axis, dims.rank()) {
                (0, 2) => "rows".to_owned(),
                (1, 2) => "columns".to_owned(),
                _ => format!("index along axis {axis}:"),
            };
            let (stride, backwards) =
                range.stride(extent)?.ok_or_else(|| out_of_range(format!("{word} {range}")))?;
            strides.push(stride);
            if backwards {
                turned.push(axis);
            }
        }
        let mut result = self.program.slice_axes(a, &strides)?;
        for axis in turned {
            result = self.program.reversed(result, axis)?;
        }
        let is_index = |(axis, range): (usize, &Range)| matches!(range, Range::Index(_)).then_some(axis);
        let indexed: Vec<usize> = ranges.iter().enumerate().filter_map(is_index).collect();
        Ok(Operand::Matrix(self.program.without_axes(result, &indexed, first)?))
    }

    pub(super) fn combine(
        &mut self,
        operator: char,
        left: Operand,
        right: Operand,
    ) -> Result<Operand, StepErrorKind> {
        use Operand::{Constant, Matrix, Public};
        if let (Public(by), other) | (other, Public(by)) = (left, right) {
            return match (operator, other) {
                ('*', Matrix(a)) => Ok(Matrix(self.program.scale_by_run(a, by)?)),
                _ => Err(self.misplaced(by)),
            };
        }
        let program = &mut *self.program;
        let value = match (operator, left, right) {
            ('@', Matrix(a), Matrix(b)) => program.matmul(a, b)?,
            ('@', ..) => return Err(StepErrorKind::NoMatrix("'@'")),
            (_, Constant(a), Constant(b)) => return fold(operator, a, b).map(Constant),
            (WHOLE_QUOTIENT, Matrix(a), Constant(c)) => program.floor_div(a, c)?,
            ('%', Matrix(a), Constant(c)) => program.remainder(a, c)?,
            (WHOLE_QUOTIENT | '%', ..) => return Err(StepErrorKind::PrivateDivisor),
            ('/', Matrix(a), Matrix(b)) => program.div(a, b)?,
            ('/', Matrix(a), Constant(c)) => program.div_constant(a, c)?,
            ('/', Constant(c), Matrix(a)) => program.constant_over(c, a)?,
            ('+', Matrix(a), Matrix(b)) => program.add(a, b)?,
            ('-', Matrix(a), Matrix(b)) => program.sub(a, b)?,
            (_, Matrix(a), Matrix(b)) => program.mul(a, b)?,
            ('*', Matrix(a), Constant(c)) | ('*', Constant(c), Matrix(a)) => program.scale(a, c)?,
            ('+', Matrix(a), Constant(c)) | ('+', Constant(c), Matrix(a)) => program.add_constant(a, c)?,
            (_, Matrix(a), Constant(c)) => program.add_constant(a, negated(c)?)?,
            (_, Constant(c), Matrix(a)) => {
                let negative = program.neg(a)?;
                program.add_constant(negative, c)?
            }
            (_, Public(_), _) | (_, _, Public(_)) => unreachable!("public values are handled before"),
        };
        Ok(Matrix(value))
    }

    pub(super) fn negate(&mut self, operand: Operand) -> Result<Operand, StepErrorKind> {
        match operand {
            Operand::Matrix(a) => Ok(Operand::Matrix(self.program.neg(a)?)),
            Operand::Constant(c) => negated(c).map(Operand::Constant),
            Operand::Public(public) => Err(self.misplaced(public)),
        }
    }

    pub(super) fn transpose(&mut self, operand: Operand) -> Result<Operand, StepErrorKind> {
        match operand {
            Operand::Matrix(a) => Ok(Operand::Matrix(self.program.transpose(a)?)),
            Operand::Constant(_) | Operand::Public(_) => Err(StepErrorKind::NoMatrix("transpose")),
        }
    }
}

/// The extents and the numbers of a list.
type Listed = (Vec<usize>, Vec<Number>);

/// The extents and the numbers of a list that has nothing else.
fn listed(items: &[Item]) -> Result<Option<Listed>, StepErrorKind> {
    let (mut inner, mut numbers) = (None, Vec::new());
    for item in items {
        let (extents, own) = match item {
            Item::Operand(Operand::Constant(number)) => (Vec::new(), vec![*number]),
            Item::Operand(Operand::Matrix(_) | Operand::Public(_)) => return Ok(None),
            Item::List(items) => match listed(items)? {
                Some(listed) => listed,
                None => return Ok(None),
            },
        };
        if inner.get_or_insert_with(|| extents.clone()) != &extents {
            return Err(StepErrorKind::Ragged);
        }
        numbers.extend(own);
    }
    let extents = [&[items.len()], &inner.unwrap_or_default()[..]].concat();
    Ok(Some((extents, numbers)))
}

/// The range or index of one axis between brackets.
#[derive(Clone, Copy)]
pub(super) enum Range {
    Index(i128),
    /// Beginning, end and step.
    Between(Option<i128>, Option<i128>, Option<i128>),
}

impl Range {
    /// The indices along an axis of this extent, as Python counts: negative ones from the end, and what lies beyond the
    /// ends of a range is cut; in rising order, and whether they are meant in the opposite one. `None` for a single index
    /// that is not there.
    fn stride(self, extent: usize) -> Result<Option<(Stride, bool)>, StepErrorKind> {
        let extent = extent as i128;
        let from_end = |index: i128| if index < 0 { index.saturating_add(extent) } else { index };
        let (start, end, step) = match self {
            Range::Index(index) => {
                let there = (0..extent).contains(&from_end(index));
                let stride = || Stride { start: from_end(index) as usize, step: 1, count: 1 };
                return Ok(there.then(|| (stride(), false)));
            }
            Range::Between(start, end, step) => (start, end, step.unwrap_or(1)),
        };
        let distance = step.saturating_abs().min(extent.max(1));
        let count = |from: i128, to: i128| (to - from).max(0).saturating_add(distance - 1) / distance;
        Ok(Some(match step {
            0 => return Err(StepErrorKind::Range),
            1.. => {
                let inside = |index: i128| from_end(index).clamp(0, extent);
                let (start, end) = (start.map_or(0, inside), end.map_or(extent, inside));
                let count = count(start, end);
                (Stride { start: start as usize, step: distance as usize, count: count as usize }, false)
            }
            _ => {
                // The end is the place before the last one.
                let inside = |index: i128| from_end(index).clamp(-1, extent - 1);
                let (start, end) = (start.map_or(extent - 1, inside), end.map_or(-1, inside));
                let count = count(end, start);
                let least = if count == 0 { 0 } else { start - (count - 1) * distance };
                (Stride { start: least as usize, step: distance as usize, count: count as usize }, true)
            }
        }))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::Index(index) => write!(f, "{index}"),
            Range::Between(..) => f.write_str("in that range"),
        }
    }
}

fn fold(operator: char, a: Number, b: Number) -> Result<Number, StepErrorKind> {
    if operator == '/' {
        let quotient = a.value() / b.value();
        return if quotient.is_finite() {
            Ok(Number::Real(quotient))
        } else {
            Err(StepErrorKind::ConstantOverflow)
        };
    }
    if let WHOLE_QUOTIENT | '%' = operator {
        return whole_parts(operator, a, b);
    }
    let folded = match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => match operator {
            '+' => a.checked_add(b),
            '-' => a.checked_sub(b),
            _ => a.checked_mul(b),
        }
        .map(Number::Integer),
        _ => {
            let (a, b) = (a.value(), b.value());
            let real = match operator {
                '+' => a + b,
                '-' => a - b,
                _ => a * b,
            };
            real.is_finite().then_some(Number::Real(real))
        }
    };
    folded.ok_or(StepErrorKind::ConstantOverflow)
}

/// The quotient rounded down of two constants, or what it leaves.
fn whole_parts(operator: char, a: Number, b: Number) -> Result<Number, StepErrorKind> {
    let is_quotient = operator == WHOLE_QUOTIENT;
    if let (Number::Integer(a), Number::Integer(b)) = (a, b)
        && b > 0
    {
        return Ok(Number::Integer(if is_quotient { a.div_euclid(b) } else { a.rem_euclid(b) }));
    }
    let quotient = (a.value() / b.value()).floor();
    let result = if is_quotient { quotient } else { a.value() - quotient * b.value() };
    if result.is_finite() { Ok(Number::Real(result)) } else { Err(StepErrorKind::ConstantOverflow) }
}

pub(super) fn negated(number: Number) -> Result<Number, StepErrorKind> {
    fold('*', number, Number::Integer(-1))
}

fn raised(base: Number, exponent: Number) -> Result<Number, StepErrorKind> {
    if let (Number::Integer(base), Number::Integer(exponent)) = (base, exponent)
        && let Ok(exponent) = u32::try_from(exponent)
    {
        return base.checked_pow(exponent).map(Number::Integer).ok_or(StepErrorKind::ConstantOverflow);
    }
    let power = base.value().powf(exponent.value());
    if power.is_finite() { Ok(Number::Real(power)) } else { Err(StepErrorKind::ConstantOverflow) }
}
