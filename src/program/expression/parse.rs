//! From the words of a step to the ops of a program, by recursive descent.

use super::call::{Arguments, Call};
use super::functions::Function;
use super::token::{Token, Word, words};
use super::{DEEPEST_NESTING, LONGEST_STEP, Names, StepErrorKind};
use crate::program::{Number, Program, ProgramError, Relation, Stride, ValueId};
use std::collections::BTreeSet;

/// Byte offset of what is wrong, and what it is.
type Located = (usize, StepErrorKind);

/// The value of an expression: constants fold until they meet a matrix.
#[derive(Clone, Copy)]
pub(super) enum Operand {
    Matrix(ValueId),
    Constant(Number),
}

/// Reads `name = expression`; a name in `anew` may be one that is there, and is taken out of these.
pub(super) fn statement(
    program: &mut Program,
    names: &mut Names,
    anew: &mut BTreeSet<String>,
    text: &str,
) -> Result<ValueId, Located> {
    if text.len() > LONGEST_STEP {
        return Err((0, StepErrorKind::TooLong));
    }
    let mut parser = Parser { program, names, text, words: words(text)?, at: 0, depth: 0 };
    let (offset, name) = parser.name("the name that the step defines")?;
    if Function::of(&name).is_some() {
        return Err((offset, StepErrorKind::FunctionAsName(name)));
    }
    if parser.names.contains_key(&name) && !anew.remove(&name) {
        return Err((offset, ProgramError::Duplicate { name }.into()));
    }
    parser.expect('=')?;
    let start = parser.offset();
    let result = parser.comparison()?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    match result {
        Operand::Matrix(value) => {
            program.end_step(&name);
            names.insert(name, value);
            Ok(value)
        }
        Operand::Constant(_) => Err((start, StepErrorKind::Constant)),
    }
}

struct Parser<'a> {
    program: &'a mut Program,
    names: &'a Names,
    text: &'a str,
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn comparison(&mut self) -> Result<Operand, Located> {
        self.nested(|parser| {
            let start = parser.offset();
            let left = parser.sum()?;
            let Token::Compare(relation) = *parser.peek() else { return Ok(left) };
            let offset = parser.advance().0;
            let right = parser.sum()?;
            let result = parser.compare(relation, left, right).map_err(|kind| (offset, kind))?;
            Ok(parser.labelled(result, start))
        })
    }

    fn sum(&mut self) -> Result<Operand, Located> {
        let start = self.offset();
        let mut left = self.product()?;
        while let Token::Symbol(operator @ ('+' | '-')) = *self.peek() {
            let offset = self.advance().0;
            let right = self.product()?;
            let result = self.combine(operator, left, right).map_err(|kind| (offset, kind))?;
            left = self.labelled(result, start);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Operand, Located> {
        let start = self.offset();
        let mut left = self.unary()?;
        while let Token::Symbol(operator @ ('*' | '/' | '@')) = *self.peek() {
            let offset = self.advance().0;
            let right = self.unary()?;
            let result = self.combine(operator, left, right).map_err(|kind| (offset, kind))?;
            left = self.labelled(result, start);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Operand, Located> {
        if *self.peek() != Token::Symbol('-') {
            return self.postfix();
        }
        self.nested(|parser| {
            let start = parser.advance().0;
            let operand = parser.unary()?;
            let result = parser.negate(operand).map_err(|kind| (start, kind))?;
            Ok(parser.labelled(result, start))
        })
    }

    fn postfix(&mut self) -> Result<Operand, Located> {
        let start = self.offset();
        let mut operand = self.atom()?;
        loop {
            let offset = self.offset();
            let result = match self.peek() {
                Token::Transposed => {
                    self.advance();
                    self.transpose(operand)
                }
                Token::Symbol('[') => {
                    self.advance();
                    let ranges = self.ranges()?;
                    self.slice(operand, &ranges)
                }
                _ => return Ok(operand),
            };
            let result = result.map_err(|kind| (offset, kind))?;
            operand = self.labelled(result, start);
        }
    }

    /// A range for each of the first axes, and the closing bracket.
    fn ranges(&mut self) -> Result<Vec<Range>, Located> {
        let mut ranges = vec![self.range()?];
        while self.takes(',') {
            ranges.push(self.range()?);
        }
        self.expect(']')?;
        Ok(ranges)
    }

    fn range(&mut self) -> Result<Range, Located> {
        let start = self.index()?;
        if !self.takes(':') {
            let only = start.ok_or_else(|| self.unexpected("an index or ':'"))?;
            return Ok(Range::Index(only));
        }
        let end = self.index()?;
        let step = if self.takes(':') { self.index()? } else { None };
        Ok(Range::Between(start, end, step))
    }

    /// A whole number, if there is one.
    fn index(&mut self) -> Result<Option<i128>, Located> {
        let negative = self.takes('-');
        match *self.peek() {
            Token::Number(Number::Integer(index)) => {
                self.advance();
                Ok(Some(if negative { -index } else { index }))
            }
            Token::Symbol(':' | ',' | ']') if !negative => Ok(None),
            _ => Err(self.unexpected("an index")),
        }
    }

    fn atom(&mut self) -> Result<Operand, Located> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.advance();
                Ok(Operand::Constant(number))
            }
            Token::Symbol('(') => {
                self.advance();
                let inner = self.comparison()?;
                self.expect(')')?;
                Ok(inner)
            }
            Token::Name(name) => {
                let start = self.advance().0;
                if *self.peek() == Token::Symbol('(') {
                    let result = self.call(&name, start)?;
                    return Ok(self.labelled(result, start));
                }
                self.lookup(name).map(Operand::Matrix).map_err(|kind| (start, kind))
            }
            _ => Err(self.unexpected("a name, a number, '-' or '('")),
        }
    }

    fn lookup(&self, name: String) -> Result<ValueId, StepErrorKind> {
        if let Some(&value) = self.names.get(&name) {
            return Ok(value);
        }
        if Function::of(&name).is_some() {
            return Err(StepErrorKind::FunctionAsName(name));
        }
        if ["True", "False", "true", "false"].contains(&name.as_str()) {
            return Err(StepErrorKind::Truth(name));
        }
        Err(StepErrorKind::UnknownName { name, known: self.names.keys().cloned().collect() })
    }

    fn call(&mut self, function: &str, start: usize) -> Result<Operand, Located> {
        let Some(function) = Function::of(function) else {
            return Err((start, StepErrorKind::UnknownFunction(function.to_owned())));
        };
        let arguments = self.arguments()?;
        let result = Call::new(function, arguments).and_then(|call| call.apply(self.program));
        result.map(Operand::Matrix).map_err(|kind| (start, kind))
    }

    /// The arguments between a call's parentheses.
    fn arguments(&mut self) -> Result<Arguments, Located> {
        self.expect('(')?;
        let mut arguments = Arguments::default();
        loop {
            let is_named = self.words.get(self.at + 1).is_some_and(|word| word.token == Token::Symbol('='));
            if let (Token::Name(name), true) = (self.peek().clone(), is_named) {
                self.advance();
                self.expect('=')?;
                let offset = self.offset();
                if self.is_tuple() {
                    return Err((offset, StepErrorKind::Several(name)));
                }
                let Operand::Constant(number) = self.comparison()? else {
                    return Err((offset, unexpected("a number", &Token::Name("a matrix".into()))));
                };
                arguments.named.push((name, number));
            } else if self.takes('[') {
                let offset = self.offset();
                if arguments.list.replace(self.list()?).is_some() {
                    return Err((offset, unexpected("one list alone", &Token::Symbol('['))));
                }
            } else {
                arguments.positional.push(self.comparison()?);
            }
            if !self.takes(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(arguments)
    }

    /// True where numbers follow in parentheses, as Python writes tuples.
    fn is_tuple(&self) -> bool {
        let mut ahead = self.words[self.at..].iter().map(|word| &word.token);
        let mut inside = ahead.by_ref().skip_while(|&token| *token == Token::Symbol('-'));
        inside.next() == Some(&Token::Symbol('('))
            && inside.find(|&token| !matches!(token, Token::Number(_) | Token::Symbol('-')))
                == Some(&Token::Symbol(','))
    }

    /// Whole numbers and the closing bracket.
    fn list(&mut self) -> Result<Vec<i128>, Located> {
        let mut list = Vec::new();
        while *self.peek() != Token::Symbol(']') {
            list.push(self.index()?.ok_or_else(|| self.unexpected("an index"))?);
            if !self.takes(',') {
                break;
            }
        }
        self.expect(']')?;
        Ok(list)
    }

    /// Takes the symbol if it is next.
    fn takes(&mut self, symbol: char) -> bool {
        let is_next = *self.peek() == Token::Symbol(symbol);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn compare(
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
        };
        Ok(Matrix(value))
    }

    fn slice(&mut self, operand: Operand, ranges: &[Range]) -> Result<Operand, StepErrorKind> {
        let Operand::Matrix(a) = operand else { return Err(StepErrorKind::NoMatrix("a range")) };
        let dims = self.program.dims(a);
        let out_of_range = |what: String| {
            let label = self.program.value(a).label.clone();
            StepErrorKind::from(ProgramError::OutOfRange { label, shape: dims, what })
        };
        if ranges.len() > dims.rank() {
            return Err(out_of_range(format!("{} axes", ranges.len())));
        }
        let (mut strides, first) = (Vec::new(), self.program.values().len());
        for (axis, (range, &extent)) in ranges.iter().zip(dims.extents()).enumerate() {
            let word = match (axis, dims.rank()) {
                (0, 2) => "rows".to_owned(),
                (1, 2) => "columns".to_owned(),
                _ => format!("index along axis {axis}:"),
            };
            strides.push(range.stride(extent)?.ok_or_else(|| out_of_range(format!("{word} {range}")))?);
        }
        let result = self.program.slice_axes(a, &strides)?;
        let is_index = |(axis, range): (usize, &Range)| matches!(range, Range::Index(_)).then_some(axis);
        let indexed: Vec<usize> = ranges.iter().enumerate().filter_map(is_index).collect();
        Ok(Operand::Matrix(self.program.without_axes(result, &indexed, first)?))
    }

    fn combine(&mut self, operator: char, left: Operand, right: Operand) -> Result<Operand, StepErrorKind> {
        use Operand::{Constant, Matrix};
        let program = &mut *self.program;
        let value = match (operator, left, right) {
            ('@', Matrix(a), Matrix(b)) => program.matmul(a, b)?,
            ('@', ..) => return Err(StepErrorKind::NoMatrix("'@'")),
            (_, Constant(a), Constant(b)) => return fold(operator, a, b).map(Constant),
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
        };
        Ok(Matrix(value))
    }

    fn negate(&mut self, operand: Operand) -> Result<Operand, StepErrorKind> {
        match operand {
            Operand::Matrix(a) => Ok(Operand::Matrix(self.program.neg(a)?)),
            Operand::Constant(c) => negated(c).map(Operand::Constant),
        }
    }

    fn transpose(&mut self, operand: Operand) -> Result<Operand, StepErrorKind> {
        match operand {
            Operand::Matrix(a) => Ok(Operand::Matrix(self.program.transpose(a)?)),
            Operand::Constant(_) => Err(StepErrorKind::NoMatrix("transpose")),
        }
    }

    /// Calls a fresh result by its own text, from `start` to here.
    fn labelled(&mut self, operand: Operand, start: usize) -> Operand {
        const LONGEST_LABEL: usize = 80;
        if let Operand::Matrix(value) = operand {
            let end = self.words[..self.at].last().map_or(start, |word| word.end);
            let text = self.text[start..end.max(start)].trim();
            if text.len() <= LONGEST_LABEL {
                self.program.set_label(value, text);
            }
        }
        operand
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Located>) -> Result<T, Located> {
        if self.depth == DEEPEST_NESTING {
            return Err((self.offset(), StepErrorKind::TooDeep));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn name(&mut self, expected: &'static str) -> Result<(usize, String), Located> {
        match self.peek().clone() {
            Token::Name(name) => Ok((self.advance().0, name)),
            _ => Err(self.unexpected(expected)),
        }
    }

    fn expect(&mut self, symbol: char) -> Result<(), Located> {
        if *self.peek() == Token::Symbol(symbol) {
            self.advance();
            return Ok(());
        }
        Err(self.unexpected(match symbol {
            '=' => "'='",
            '(' => "'('",
            ']' => "']'",
            _ => "')'",
        }))
    }

    fn peek(&self) -> &Token {
        &self.words[self.at].token
    }

    fn offset(&self) -> usize {
        self.words[self.at].start
    }

    /// The present word; the last one, the end, stays.
    fn advance(&mut self) -> (usize, Token) {
        let Word { token, start, .. } = self.words[self.at].clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        (start, token)
    }

    fn unexpected(&self, expected: &'static str) -> Located {
        (self.offset(), unexpected(expected, self.peek()))
    }
}

/// The range or index of one axis between brackets.
#[derive(Clone, Copy)]
enum Range {
    Index(i128),
    /// Beginning, end and step.
    Between(Option<i128>, Option<i128>, Option<i128>),
}

impl Range {
    /// The indices along an axis of this extent, as Python counts: negative ones from the end, and what lies beyond the
    /// ends of a range is cut; `None` for a single index that is not there.
    fn stride(self, extent: usize) -> Result<Option<Stride>, StepErrorKind> {
        let extent = extent as i128;
        let from_end = |index: i128| if index < 0 { index.saturating_add(extent) } else { index };
        match self {
            Range::Index(index) => {
                let there = (0..extent).contains(&from_end(index));
                Ok(there.then(|| Stride { start: from_end(index) as usize, step: 1, count: 1 }))
            }
            Range::Between(start, end, step) => {
                let inside = |index: i128| from_end(index).clamp(0, extent);
                let (start, end) = (start.map_or(0, inside), end.map_or(extent, inside));
                let step = step.unwrap_or(1).min(extent.max(1));
                if step < 1 || end < start {
                    return Err(StepErrorKind::Range);
                }
                let count = (end - start + step - 1) / step;
                Ok(Some(Stride { start: start as usize, step: step as usize, count: count as usize }))
            }
        }
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

fn unexpected(expected: &'static str, found: &Token) -> StepErrorKind {
    StepErrorKind::Unexpected { expected, found: found.describe() }
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

fn negated(number: Number) -> Result<Number, StepErrorKind> {
    fold('*', number, Number::Integer(-1))
}
