//! From the words of a step to the ops of a program, by recursive descent.

use super::token::{Token, Word, words};
use super::{DEEPEST_NESTING, LONGEST_STEP, Names, StepErrorKind};
use crate::program::{Number, Program, ProgramError, ValueId};
use crate::ring::Axis;

/// Byte offset of what is wrong, and what it is.
type Located = (usize, StepErrorKind);

/// What an expression stands for: constants fold until they meet a matrix.
#[derive(Clone, Copy)]
enum Operand {
    Matrix(ValueId),
    Constant(Number),
}

const FUNCTIONS: [&str; 2] = ["sum", "transpose"];

/// Reads `name = expression`.
pub(super) fn statement(program: &mut Program, names: &mut Names, text: &str) -> Result<ValueId, Located> {
    if text.len() > LONGEST_STEP {
        return Err((0, StepErrorKind::TooLong));
    }
    let mut parser = Parser { program, names, text, words: words(text)?, at: 0, depth: 0 };
    let (offset, name) = parser.name("the name that the step defines")?;
    if FUNCTIONS.contains(&name.as_str()) {
        return Err((offset, StepErrorKind::FunctionAsName(name)));
    }
    if parser.names.contains_key(&name) {
        return Err((offset, ProgramError::Duplicate { name }.into()));
    }
    parser.expect('=')?;
    let start = parser.offset();
    let result = parser.sum()?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    match result {
        Operand::Matrix(value) => {
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
    fn sum(&mut self) -> Result<Operand, Located> {
        self.nested(|parser| {
            let start = parser.offset();
            let mut left = parser.product()?;
            while let Token::Symbol(operator @ ('+' | '-')) = *parser.peek() {
                let offset = parser.advance().0;
                let right = parser.product()?;
                let result = parser.combine(operator, left, right).map_err(|kind| (offset, kind))?;
                left = parser.labelled(result, start);
            }
            Ok(left)
        })
    }

    fn product(&mut self) -> Result<Operand, Located> {
        let start = self.offset();
        let mut left = self.unary()?;
        while let Token::Symbol(operator @ ('*' | '@')) = *self.peek() {
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
        while *self.peek() == Token::Transposed {
            let offset = self.advance().0;
            let result = self.transpose(operand).map_err(|kind| (offset, kind))?;
            operand = self.labelled(result, start);
        }
        Ok(operand)
    }

    fn atom(&mut self) -> Result<Operand, Located> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.advance();
                Ok(Operand::Constant(number))
            }
            Token::Symbol('(') => {
                self.advance();
                let inner = self.sum()?;
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
        if FUNCTIONS.contains(&name.as_str()) {
            return Err(StepErrorKind::FunctionAsName(name));
        }
        Err(StepErrorKind::UnknownName { name, known: self.names.keys().cloned().collect() })
    }

    fn call(&mut self, function: &str, start: usize) -> Result<Operand, Located> {
        if !FUNCTIONS.contains(&function) {
            return Err((start, StepErrorKind::UnknownFunction(function.to_owned())));
        }
        self.expect('(')?;
        let operand = self.sum()?;
        let result = match function {
            "transpose" => self.transpose(operand),
            _ => {
                let axis = self.axis()?;
                self.total(operand, axis)
            }
        };
        self.expect(')')?;
        result.map_err(|kind| (start, kind))
    }

    /// `, axis = 0` or `, axis = 1`, or nothing.
    fn axis(&mut self) -> Result<Option<Axis>, Located> {
        if *self.peek() != Token::Symbol(',') {
            return Ok(None);
        }
        self.advance();
        let (offset, word) = self.name("'axis'")?;
        if word != "axis" {
            return Err((offset, unexpected("'axis'", &Token::Name(word))));
        }
        self.expect('=')?;
        let axis = match self.peek() {
            Token::Number(Number::Integer(0)) => Axis::Rows,
            Token::Number(Number::Integer(1)) => Axis::Cols,
            _ => return Err(self.unexpected("axis 0 or 1")),
        };
        self.advance();
        Ok(Some(axis))
    }

    fn combine(&mut self, operator: char, left: Operand, right: Operand) -> Result<Operand, StepErrorKind> {
        use Operand::{Constant, Matrix};
        let program = &mut *self.program;
        let value = match (operator, left, right) {
            ('@', Matrix(a), Matrix(b)) => program.matmul(a, b)?,
            ('@', ..) => return Err(StepErrorKind::NoMatrix("'@'")),
            (_, Constant(a), Constant(b)) => return fold(operator, a, b).map(Constant),
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

    fn total(&mut self, operand: Operand, axis: Option<Axis>) -> Result<Operand, StepErrorKind> {
        match operand {
            Operand::Matrix(a) => Ok(Operand::Matrix(self.program.sum(a, axis)?)),
            Operand::Constant(_) => Err(StepErrorKind::NoMatrix("sum")),
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

fn unexpected(expected: &'static str, found: &Token) -> StepErrorKind {
    StepErrorKind::Unexpected { expected, found: found.describe() }
}

fn fold(operator: char, a: Number, b: Number) -> Result<Number, StepErrorKind> {
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
