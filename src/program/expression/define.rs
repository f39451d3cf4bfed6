//! Functions that steps define: `layer(x, w, b) = relu(x @ w + b)`, or with inner steps
//! `block(x, w) = { h = relu(x @ w); x + h }`.
//!
//! A call reads the body anew with its arguments in the place of the parameters, so a body fits every shape that its ops fit.
//! A body knows the functions defined before it alone: no call comes back to itself, and calls end.

use super::functions::Function;
use super::parse::{Located, Operand, Parser, Scope, is_word};
use super::token::{Token, Word, words};
use super::{LONGEST_STEP, StepErrorKind, column, shown};
use std::collections::BTreeMap;

/// The calls of one step add at most so many values to a program: functions that call others twice double with every one.
pub const MOST_VALUES: usize = 1_000_000;

/// A function that a step defines.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    name: String,
    parameters: Vec<String>,
    /// The step's number, counted from 1, and its text.
    number: usize,
    text: String,
    words: Vec<Word>,
    /// The place of the body's first word.
    body: usize,
}

impl Definition {
    /// The form of its call.
    fn call(&self) -> String {
        format!("{}({})", self.name, self.parameters.join(", "))
    }
}

/// The definition of this name, and those before it.
pub(super) fn of<'a>(
    definitions: &'a [Definition],
    name: &str,
) -> Option<(&'a Definition, &'a [Definition])> {
    let index = definitions.iter().position(|definition| definition.name == name)?;
    Some((&definitions[index], &definitions[..index]))
}

/// Reads the name, the parameters and the inner names of a definition; what its expressions are is read where they are called.
pub(super) fn definition(earlier: &[Definition], number: usize, text: &str) -> Result<Definition, Located> {
    if text.len() > LONGEST_STEP {
        return Err((0, StepErrorKind::TooLong));
    }
    let mut head = Head { words: words(text)?, at: 0 };
    let (offset, name) = head.name("the name of the function")?;
    if is_word(&name) {
        return Err((offset, StepErrorKind::Taken(name)));
    }
    if Function::of(&name).is_some() || of(earlier, &name).is_some() {
        return Err((offset, StepErrorKind::Defined(name)));
    }
    head.expect('(', "'('")?;
    let mut parameters = Vec::new();
    while !head.takes(')') {
        let (offset, parameter) = head.name("the name of a parameter")?;
        if is_word(&parameter) {
            return Err((offset, StepErrorKind::Taken(parameter)));
        }
        if parameters.contains(&parameter) {
            return Err((offset, StepErrorKind::Twice { function: name, name: parameter }));
        }
        parameters.push(parameter);
        if !head.takes(',') {
            head.expect(')', "')'")?;
            break;
        }
    }
    head.expect('=', "'='")?;
    let Head { words, at: body } = head;
    let calls_itself =
        |pair: &&[Word]| pair[0].token == Token::Name(name.clone()) && pair[1].token == Token::Symbol('(');
    if let Some(pair) = words[body..].windows(2).find(calls_itself) {
        return Err((pair[0].start, StepErrorKind::Recursion(name)));
    }
    Ok(Definition { name, parameters, number, text: text.to_owned(), words, body })
}

/// The words of a definition before its body.
struct Head {
    words: Vec<Word>,
    at: usize,
}

impl Head {
    fn name(&mut self, expected: &'static str) -> Result<(usize, String), Located> {
        let Word { token, start, .. } = &self.words[self.at];
        let Token::Name(name) = token else { return Err(self.unexpected(expected)) };
        let named = (*start, name.clone());
        self.at += 1;
        Ok(named)
    }

    fn takes(&mut self, symbol: char) -> bool {
        let is_next = self.words[self.at].token == Token::Symbol(symbol);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, symbol: char, expected: &'static str) -> Result<(), Located> {
        if self.takes(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> Located {
        let Word { token, start, .. } = &self.words[self.at];
        (*start, super::parse::unexpected(expected, token))
    }
}

impl Parser<'_> {
    /// The result of a call: the body of a definition, with these operands as its parameters.
    pub(super) fn called(
        &mut self,
        definition: &Definition,
        earlier: &[Definition],
        arguments: Vec<Operand>,
    ) -> Result<Operand, StepErrorKind> {
        let Definition { name, parameters, number, text, words, body } = definition;
        if arguments.len() != parameters.len() {
            let (call, given) = (definition.call(), arguments.len());
            return Err(StepErrorKind::Count { call, parameters: parameters.len(), given });
        }
        let locals: BTreeMap<String, Operand> = parameters.iter().cloned().zip(arguments).collect();
        let mut body = Parser {
            first: self.first,
            program: &mut *self.program,
            scope: Scope::Body { function: name, locals, definitions: earlier },
            text,
            words: words.clone(),
            at: *body,
            depth: self.depth,
        };
        body.body().map_err(|(offset, kind)| StepErrorKind::Called {
            function: definition.call(),
            number: *number,
            text: shown(text),
            column: column(text, offset),
            kind: Box::new(kind),
        })
    }

    /// An expression, or inner steps and an expression between braces, to the end of the text.
    fn body(&mut self) -> Result<Operand, Located> {
        if self.program.values().len() - self.first > MOST_VALUES {
            return Err((self.offset(), StepErrorKind::TooManyValues));
        }
        let has_steps = self.takes('{');
        while has_steps && self.is_inner_step() {
            self.inner_step()?;
        }
        let result = self.expression()?;
        if has_steps {
            self.expect('}')?;
        }
        match *self.peek() {
            Token::End => Ok(result),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    /// True where a name and `=` follow.
    fn is_inner_step(&self) -> bool {
        let next = self.words.get(self.at + 1).map(|word| &word.token);
        matches!(self.peek(), Token::Name(_)) && next == Some(&Token::Symbol('='))
    }

    /// `name = expression;`, whose name is then the body's own.
    fn inner_step(&mut self) -> Result<(), Located> {
        let (offset, name) = self.name("the name of an inner step")?;
        if is_word(&name) {
            return Err((offset, StepErrorKind::Taken(name)));
        }
        if self.scope.knows(&name) {
            let function = self.scope.function().unwrap_or_default().to_owned();
            return Err((offset, StepErrorKind::Twice { function, name }));
        }
        self.expect('=')?;
        let operand = self.expression()?;
        self.expect(';')?;
        if let Scope::Body { locals, .. } = &mut self.scope {
            locals.insert(name, operand);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::program::expression::{Names, add_definition, add_step};
    use crate::program::{Number, Program};
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::PartyId;

    fn begun(definitions: &[&str]) -> Result<(Program, Names), String> {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
        let mut names = Names::new();
        for (name, shape) in [("x", Shape::new(4, 3)), ("w", Shape::new(3, 3)), ("b", Shape::new(1, 3))] {
            let value = program.input(name, PartyId(0), shape, Some(4.0)).expect("an input");
            names.insert(name.to_owned(), value);
        }
        for (number, text) in (1..).zip(definitions) {
            let is_definition =
                add_definition(&mut names, number, text).map_err(|error| error.to_string())?;
            assert!(is_definition, "{text}");
        }
        Ok((program, names))
    }

    /// The program of these definitions and this step.
    fn program(definitions: &[&str], step: &str) -> Result<Program, String> {
        let (mut program, mut names) = begun(definitions)?;
        let number = definitions.len() + 1;
        add_step(&mut program, &mut names, number, step).map_err(|error| error.to_string())?;
        Ok(program)
    }

    fn ops(program: &Program) -> Vec<crate::program::Op> {
        program.values().iter().map(|value| value.op).collect()
    }

    #[test]
    fn a_call_is_the_body_with_its_arguments() {
        const LAYER: &str = "layer(x, w, b) = relu(x @ w + b)";
        const BLOCK: &str = "block(x, w, b, k) = { h = layer(x, w, b); y = h * k;\n x + y }";
        for (definitions, call, written_out) in [
            (&[LAYER][..], "z = layer(x, w, b) * 2", "z = relu(x @ w + b) * 2"),
            (&[LAYER], "z = layer(layer(x, w, b), w, b)", "z = relu(relu(x @ w + b) @ w + b)"),
            (&[LAYER, BLOCK], "z = block(x, w, b, 2 + 1)", "z = x + relu(x @ w + b) * 3"),
            (&["last(x, i) = x[:, i]"], "z = last(x, 2) + 1", "z = x[:, 2] + 1"),
            (&["along(x, k) = sum(x, axis=k)"], "z = along(x, -1) + 1", "z = sum(x, axis=-1) + 1"),
            (&["half() = 1 / 2"], "z = x * half()", "z = x * 0.5"),
        ] {
            let called = program(definitions, call).unwrap_or_else(|error| panic!("{error}"));
            let written = program(&[], written_out).expect("a step");
            assert_eq!(ops(&called), ops(&written), "{call} is {written_out}");
        }
        let labels = program(&[LAYER], "z = layer(x, w, b) * 2").expect("a step");
        let labels: Vec<&str> = labels.values().iter().map(|value| value.label.as_str()).collect();
        assert!(labels.contains(&"layer: x @ w + b"), "values are called after their line: {labels:?}");
    }

    #[test]
    fn errors_name_the_definition_and_the_call() {
        let refused = |definitions: &[&str], step| program(definitions, step).expect_err("it is refused");
        assert_eq!(
            refused(&["layer(x, w) = relu(x @ w.T)"], "z = 1 + layer(x, x[:, :2])"),
            "step 2 `z = 1 + layer(x, x[:, :2])`, column 9: in layer(x, w), which step 1 defines, \
             `layer(x, w) = relu(x @ w.T)`, column 22: x of shape (4, 3) cannot be multiplied by \
             layer: w.T of shape (2, 4): 3 columns against 2 rows"
        );
        assert_eq!(
            refused(&["f(x, y) = x + y"], "z = f(x)"),
            "step 2 `z = f(x)`, column 5: f(x, y) is a function of 2 argument(s), and there are 1"
        );
        let unknown = refused(&["f(y) = y + b"], "z = f(x)");
        assert!(unknown.ends_with("column 12: unknown name 'b'; known are: y"), "{unknown}");
        let recursive = refused(&["f(x) = f(x) + 1"], "z = f(x)");
        assert!(recursive.contains("'f' calls itself"), "{recursive}");
        let backwards = refused(&["g(x) = f(x)", "f(x) = g(x)"], "z = f(x)");
        assert!(backwards.contains("unknown function 'f'"), "{backwards}");
        assert!(refused(&["relu(x) = x"], "z = x").contains("'relu' is there already"));
        assert!(refused(&["f(x) = x", "f(x) = x"], "z = x").contains("'f' is there already"));
        assert!(refused(&["f(x, x) = x"], "z = x").contains("'x' is there twice"));
        assert!(refused(&["f(x) = { x = 1; x }"], "z = f(x)").contains("'x' is there twice"));
        assert!(refused(&["f(x) = x"], "z = f + 1").contains("write f(…)"));
        let (mut program, mut names) = begun(&[]).expect("inputs");
        let misplaced = add_step(&mut program, &mut names, 1, "f(x) = x").expect_err("no step");
        assert!(misplaced.to_string().contains("a definition stands among the steps"));
        assert!(program.filled(crate::program::Dims::SCALAR, Number::Integer(1)).is_ok());
    }

    #[test]
    fn calls_that_double_are_bounded() {
        let mut definitions = vec!["f0(x) = (x * x) * (x * x)".to_owned()];
        definitions.extend((1..40).map(|n| format!("f{n}(x) = f{m}(x) + f{m}(x)", m = n - 1)));
        let texts: Vec<&str> = definitions.iter().map(String::as_str).collect();
        let (mut program, mut names) = begun(&texts).expect("definitions");
        let step = add_step(&mut program, &mut names, 41, "z = f39(x)").expect_err("it is too much");
        assert!(step.to_string().contains("values") || step.to_string().contains("deep"), "{step}");
    }
}
