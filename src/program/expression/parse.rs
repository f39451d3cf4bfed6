//! From the words of a step to the ops of a program, by recursive descent.

use super::call::{Arguments, Call, Given};
use super::define::{self, Definition};
use super::functions::Function;
use super::operate::{CONNECTIVES, Item, Range, WHOLE_QUOTIENT};
use super::token::{Token, Word, words};
use super::{DEEPEST_NESTING, LONGEST_STEP, Names, StepErrorKind};
use crate::program::{Number, Program, ProgramError, PublicId, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Byte offset of what is wrong, and what it is.
pub(super) type Located = (usize, StepErrorKind);

/// The value of an expression: constants fold until they meet a matrix.
#[derive(Clone, Copy)]
pub(super) enum Operand {
    Matrix(ValueId),
    Constant(Number),
    /// A public value that differs from run to run.
    Public(PublicId),
}

/// Words between truths.
const WORDS: [&str; 4] = ["and", "or", "xor", "not"];

/// Whether a word has a meaning of its own in steps, so that it names no value: `and`, `or`, `xor`, `not`, `True`, `False`.
pub fn is_word(name: &str) -> bool {
    WORDS.contains(&name) || truth(name).is_some()
}

/// The operator between factors that a word is.
fn factor(token: &Token) -> Option<char> {
    match *token {
        Token::Symbol(operator @ ('*' | '/' | '%' | '@')) => Some(operator),
        Token::Quotient => Some(WHOLE_QUOTIENT),
        _ => None,
    }
}

/// A truth value as a number, as Python or JSON writes it.
fn truth(name: &str) -> Option<Number> {
    match name {
        "True" | "true" => Some(Number::Integer(1)),
        "False" | "false" => Some(Number::Integer(0)),
        _ => None,
    }
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
    let scope = Scope::Names(names);
    let mut parser =
        Parser { first: program.values().len(), program, scope, text, words: words(text)?, at: 0, depth: 0 };
    let (offset, name) = parser.name("the name that the step defines")?;
    if is_word(&name) {
        return Err((offset, StepErrorKind::Taken(name)));
    }
    let is_public = parser.program.public_named(&name).is_some();
    if is_public || parser.scope.knows(&name) && !anew.remove(&name) {
        return Err((offset, ProgramError::Duplicate { name }.into()));
    }
    parser.expect('=')?;
    let start = parser.offset();
    let result = parser.expression()?;
    if *parser.peek() != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    match result {
        Operand::Matrix(value) => {
            program.end_step(&name);
            names.values.insert(name, value);
            Ok(value)
        }
        Operand::Constant(_) | Operand::Public(_) => Err((start, StepErrorKind::Constant)),
    }
}

/// The names that a text can use.
pub(super) enum Scope<'a> {
    /// Those of the steps.
    Names(&'a Names),
    /// Those of a definition's body: its parameters, what its inner steps define, and the functions defined before it.
    Body { function: &'a str, locals: BTreeMap<String, Operand>, definitions: &'a [Definition] },
}

impl<'a> Scope<'a> {
    pub(super) fn definitions(&self) -> &'a [Definition] {
        match self {
            Scope::Names(names) => &names.definitions,
            Scope::Body { definitions, .. } => definitions,
        }
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        match self {
            Scope::Names(names) => names.values.contains_key(name),
            Scope::Body { locals, .. } => locals.contains_key(name),
        }
    }

    fn operand(&self, name: &str) -> Option<Operand> {
        match self {
            Scope::Names(names) => names.values.get(name).copied().map(Operand::Matrix),
            Scope::Body { locals, .. } => locals.get(name).copied(),
        }
    }

    fn known(&self) -> Vec<String> {
        match self {
            Scope::Names(names) => names.values.keys().cloned().collect(),
            Scope::Body { locals, .. } => locals.keys().cloned().collect(),
        }
    }

    /// The function whose body it is.
    pub(super) fn function(&self) -> Option<&'a str> {
        match self {
            Scope::Names(_) => None,
            Scope::Body { function, .. } => Some(function),
        }
    }
}

pub(super) struct Parser<'a> {
    pub(super) program: &'a mut Program,
    pub(super) scope: Scope<'a>,
    pub(super) text: &'a str,
    pub(super) words: Vec<Word>,
    pub(super) at: usize,
    pub(super) depth: usize,
    /// The number of the program's values before the step.
    pub(super) first: usize,
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Operand, Located> {
        self.nested(|parser| parser.connected(0))
    }

    /// Truths that words connect, from this one of [`CONNECTIVES`] on.
    fn connected(&mut self, level: usize) -> Result<Operand, Located> {
        let Some(&(word, connect)) = CONNECTIVES.get(level) else { return self.negation() };
        let start = self.offset();
        let mut left = self.connected(level + 1)?;
        while self.is_word(word) {
            let offset = self.advance().0;
            let right = self.connected(level + 1)?;
            let result = self.connect(connect, left, right).map_err(|kind| (offset, kind))?;
            left = self.labelled(result, start);
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Operand, Located> {
        if !self.is_word("not") {
            return self.comparison();
        }
        self.nested(|parser| {
            let start = parser.advance().0;
            let operand = parser.negation()?;
            let result = parser.not(operand).map_err(|kind| (start, kind))?;
            Ok(parser.labelled(result, start))
        })
    }

    fn comparison(&mut self) -> Result<Operand, Located> {
        let start = self.offset();
        let left = self.sum()?;
        let Token::Compare(relation) = *self.peek() else { return Ok(left) };
        let offset = self.advance().0;
        let right = self.sum()?;
        let result = self.compare(relation, left, right).map_err(|kind| (offset, kind))?;
        Ok(self.labelled(result, start))
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
        while let Some(operator) = factor(self.peek()) {
            let offset = self.advance().0;
            let right = self.unary()?;
            let result = self.combine(operator, left, right).map_err(|kind| (offset, kind))?;
            left = self.labelled(result, start);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Operand, Located> {
        if *self.peek() != Token::Symbol('-') {
            return self.power();
        }
        self.nested(|parser| {
            let start = parser.advance().0;
            let operand = parser.unary()?;
            let result = parser.negate(operand).map_err(|kind| (start, kind))?;
            Ok(parser.labelled(result, start))
        })
    }

    /// A power binds more than the sign before it, and less than the one behind it.
    fn power(&mut self) -> Result<Operand, Located> {
        let start = self.offset();
        let base = self.postfix()?;
        if *self.peek() != Token::Power {
            return Ok(base);
        }
        let offset = self.advance().0;
        let exponent = self.nested(Self::unary)?;
        let result = self.raise(base, exponent).map_err(|kind| (offset, kind))?;
        Ok(self.labelled(result, start))
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
                    if let Some(rows) = self.public_rows() {
                        operand = self.rows(operand, rows).map_err(|kind| (offset, kind))?;
                        operand = self.labelled(operand, start);
                        continue;
                    }
                    let ranges = self.ranges()?;
                    self.slice(operand, &ranges)
                }
                _ => return Ok(operand),
            };
            let result = result.map_err(|kind| (offset, kind))?;
            operand = self.labelled(result, start);
        }
    }

    /// A public value alone between brackets, the closing one with it.
    fn public_rows(&mut self) -> Option<PublicId> {
        let Token::Name(name) = self.peek() else { return None };
        let rows = match self.scope.operand(name) {
            Some(Operand::Public(rows)) => rows,
            Some(_) => return None,
            None if self.scope.function().is_some() => return None,
            None => self.program.public_named(name)?,
        };
        let closes = self.words.get(self.at + 1).is_some_and(|word| word.token == Token::Symbol(']'));
        closes.then(|| {
            self.advance();
            self.advance();
            rows
        })
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
        let named = match self.peek() {
            Token::Name(name) => self.scope.operand(name),
            _ => None,
        };
        match *self.peek() {
            Token::Number(Number::Integer(index)) => {
                self.advance();
                Ok(Some(if negative { -index } else { index }))
            }
            Token::Name(_) if let Some(Operand::Constant(Number::Integer(index))) = named => {
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
                let inner = self.expression()?;
                self.expect(')')?;
                Ok(inner)
            }
            Token::Symbol('[') => {
                let start = self.advance().0;
                let items = self.items()?;
                let value = self.value_of(&items).map_err(|kind| (start, kind))?;
                Ok(self.labelled(Operand::Matrix(value), start))
            }
            Token::Name(name) => {
                let start = self.advance().0;
                if *self.peek() == Token::Symbol('(') {
                    let result = self.call(&name, start)?;
                    return Ok(self.labelled(result, start));
                }
                self.lookup(name).map_err(|kind| (start, kind))
            }
            _ => Err(self.unexpected("a name, a number, '-' or '('")),
        }
    }

    fn lookup(&self, name: String) -> Result<Operand, StepErrorKind> {
        if let Some(operand) = self.scope.operand(&name) {
            return Ok(operand);
        }
        if let Some(truth) = truth(&name) {
            return Ok(Operand::Constant(truth));
        }
        let is_step = self.scope.function().is_none();
        if let Some(public) = self.program.public_named(&name).filter(|_| is_step) {
            return Ok(Operand::Public(public));
        }
        if Function::of(&name).is_some() || define::of(self.scope.definitions(), &name).is_some() {
            return Err(StepErrorKind::FunctionAsName(name));
        }
        Err(StepErrorKind::UnknownName { name, known: self.scope.known() })
    }

    fn call(&mut self, function: &str, start: usize) -> Result<Operand, Located> {
        if let Some((definition, earlier)) = define::of(self.scope.definitions(), function) {
            let arguments = self.operands()?;
            return self.called(definition, earlier, arguments).map_err(|kind| (start, kind));
        }
        let Some(function) = Function::of(function) else {
            return Err((start, StepErrorKind::UnknownFunction(function.to_owned())));
        };
        let arguments = self.arguments(function)?;
        let result = Call::new(function, arguments).and_then(|call| call.apply(self.program));
        result.map(Operand::Matrix).map_err(|kind| (start, kind))
    }

    /// The arguments between a call's parentheses.
    fn arguments(&mut self, function: &'static Function) -> Result<Arguments, Located> {
        self.expect('(')?;
        let mut arguments = Arguments::default();
        loop {
            let offset = self.offset();
            let is_named = self.words.get(self.at + 1).is_some_and(|word| word.token == Token::Symbol('='));
            match self.peek().clone() {
                Token::Name(name) if is_named => {
                    self.advance();
                    self.advance();
                    let given = self.given()?;
                    arguments.named.push((name, given));
                }
                Token::Text(text) => {
                    self.advance();
                    arguments.text = Some(text);
                }
                Token::Symbol('[') if function.takes_list() => {
                    self.advance();
                    let list = self.numbers()?;
                    if arguments.list.replace(list).is_some() {
                        return Err((offset, unexpected("one list alone", &Token::Symbol('['))));
                    }
                }
                Token::Symbol(')') if arguments.is_empty() => break,
                _ => arguments.positional.push(self.expression()?),
            }
            if !self.takes(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(arguments)
    }

    /// The operands between the parentheses of a call of a defined function.
    fn operands(&mut self) -> Result<Vec<Operand>, Located> {
        self.expect('(')?;
        let mut operands = Vec::new();
        while *self.peek() != Token::Symbol(')') {
            operands.push(self.expression()?);
            if !self.takes(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(operands)
    }

    /// A public number behind a name, or several in parentheses, as Python writes tuples.
    fn given(&mut self) -> Result<Given, Located> {
        if !self.is_tuple() {
            return self.number().map(Given::One);
        }
        self.expect('(')?;
        let mut all = Vec::new();
        while *self.peek() != Token::Symbol(')') {
            all.push(self.number()?);
            if !self.takes(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(Given::Several(all))
    }

    /// An expression of constants alone.
    fn number(&mut self) -> Result<Number, Located> {
        let offset = self.offset();
        match self.expression()? {
            Operand::Constant(number) => Ok(number),
            Operand::Matrix(_) => Err((offset, unexpected("a number", &Token::Name("a matrix".into())))),
            Operand::Public(public) => Err((offset, self.misplaced(public))),
        }
    }

    /// True where numbers follow in parentheses, as Python writes tuples.
    fn is_tuple(&self) -> bool {
        let mut ahead = self.words[self.at..].iter().map(|word| &word.token);
        ahead.next() == Some(&Token::Symbol('('))
            && ahead.find(|&token| !matches!(token, Token::Number(_) | Token::Symbol('-')))
                == Some(&Token::Symbol(','))
    }

    /// Numbers and the closing bracket.
    fn numbers(&mut self) -> Result<Vec<Number>, Located> {
        let mut list = Vec::new();
        while *self.peek() != Token::Symbol(']') {
            list.push(self.number()?);
            if !self.takes(',') {
                break;
            }
        }
        self.expect(']')?;
        Ok(list)
    }

    /// The items of a list, lists among them, and its closing bracket.
    fn items(&mut self) -> Result<Vec<Item>, Located> {
        self.nested(|parser| {
            let mut items = Vec::new();
            while *parser.peek() != Token::Symbol(']') {
                items.push(if parser.takes('[') {
                    Item::List(parser.items()?)
                } else {
                    Item::Operand(parser.expression()?)
                });
                if !parser.takes(',') {
                    break;
                }
            }
            parser.expect(']')?;
            Ok(items)
        })
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(name) if name == word)
    }

    /// Takes the symbol if it is next.
    pub(super) fn takes(&mut self, symbol: char) -> bool {
        let is_next = *self.peek() == Token::Symbol(symbol);
        if is_next {
            self.advance();
        }
        is_next
    }

    /// Calls a fresh result by its own text, from `start` to here.
    fn labelled(&mut self, operand: Operand, start: usize) -> Operand {
        const LONGEST_LABEL: usize = 80;
        if let Operand::Matrix(value) = operand {
            let end = self.words[..self.at].last().map_or(start, |word| word.end);
            let text = self.text[start..end.max(start)].trim();
            let label = match self.scope.function() {
                None => text.to_owned(),
                Some(function) => format!("{function}: {text}"),
            };
            if label.len() <= LONGEST_LABEL {
                self.program.set_label(value, &label);
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

    pub(super) fn name(&mut self, expected: &'static str) -> Result<(usize, String), Located> {
        match self.peek().clone() {
            Token::Name(name) => Ok((self.advance().0, name)),
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn expect(&mut self, symbol: char) -> Result<(), Located> {
        if *self.peek() == Token::Symbol(symbol) {
            self.advance();
            return Ok(());
        }
        Err(self.unexpected(match symbol {
            '=' => "'='",
            '(' => "'('",
            ']' => "']'",
            '{' => "'{'",
            ';' => "';'",
            _ => "')'",
        }))
    }

    pub(super) fn peek(&self) -> &Token {
        &self.words[self.at].token
    }

    pub(super) fn offset(&self) -> usize {
        self.words[self.at].start
    }

    /// The present word; the last one, the end, stays.
    pub(super) fn advance(&mut self) -> (usize, Token) {
        let Word { token, start, .. } = self.words[self.at].clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        (start, token)
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> Located {
        (self.offset(), unexpected(expected, self.peek()))
    }
}

pub(super) fn unexpected(expected: &'static str, found: &Token) -> StepErrorKind {
    StepErrorKind::Unexpected { expected, found: found.describe() }
}
