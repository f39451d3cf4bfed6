//! Formulas of public numbers: `0.1 * 0.95 ^ floor(run / 10)`.
//!
//! All parties must get the same numbers to the bit, whatever machine they compute on. So there is nothing in a formula but
//! what IEEE 754 fixes: sums, products, quotients, square roots, whole powers as products, and choices.

/// The longest formula, in bytes.
const LONGEST: usize = 1024;

/// The deepest nesting.
const DEEPEST: usize = 32;

/// A formula in the number of the run.
#[derive(Debug)]
pub(super) struct Formula(Term);

#[derive(Debug)]
enum Term {
    Number(f64),
    Run,
    Of(Operation, Vec<Term>),
}

/// An operation: its name or sign, how many terms it is of, and what it gives.
type Row = (&'static str, usize, fn(&[f64]) -> f64);

type Operation = &'static Row;

const OPERATIONS: [Row; 10] = [
    ("+", 2, |of| of[0] + of[1]),
    ("-", 2, |of| of[0] - of[1]),
    ("*", 2, |of| of[0] * of[1]),
    ("/", 2, |of| of[0] / of[1]),
    ("^", 2, |of| power(of[0], of[1])),
    ("%", 2, |of| of[0] - of[1] * (of[0] / of[1]).floor()),
    ("min", 2, |of| of[0].min(of[1])),
    ("max", 2, |of| of[0].max(of[1])),
    ("floor", 1, |of| of[0].floor()),
    ("sqrt", 1, |of| of[0].sqrt()),
];

/// A whole power, by squares; no number where the exponent is not whole.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.fract() != 0.0 || exponent.abs() > f64::from(u32::MAX) {
        return f64::NAN;
    }
    let (mut left, mut square, mut product) = (exponent.abs() as u64, base, 1.0);
    while left > 0 {
        if left % 2 == 1 {
            product *= square;
        }
        square *= square;
        left /= 2;
    }
    if exponent < 0.0 { 1.0 / product } else { product }
}

fn operation(name: &str) -> Option<Operation> {
    OPERATIONS.iter().find(|(other, ..)| *other == name)
}

impl Formula {
    /// Reads a formula.
    pub(super) fn parse(text: &str) -> Result<Formula, String> {
        if text.len() > LONGEST {
            return Err(format!("a formula has at most {LONGEST} characters"));
        }
        let mut reader = Reader { text, depth: 0 };
        let term = reader.sum()?;
        match reader.peek() {
            None => Ok(Formula(term)),
            Some(_) => Err(reader.unexpected()),
        }
    }

    /// The numbers of the first runs, counted from 0.
    pub(super) fn numbers(&self, runs: u32) -> Result<Vec<f64>, String> {
        let number = |run: u32| {
            let number = value(&self.0, run.into());
            if number.is_finite() { Ok(number) } else { Err(format!("it is no number in run {run}")) }
        };
        (0..runs).map(number).collect()
    }
}

fn value(term: &Term, run: f64) -> f64 {
    match term {
        Term::Number(number) => *number,
        Term::Run => run,
        Term::Of((_, _, of), terms) => {
            let values: Vec<f64> = terms.iter().map(|term| value(term, run)).collect();
            of(&values)
        }
    }
}

struct Reader<'a> {
    /// What is left.
    text: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.text = self.text.trim_start();
        self.text.chars().next()
    }

    fn takes(&mut self, sign: char) -> bool {
        let is_there = self.peek() == Some(sign);
        if is_there {
            self.text = &self.text[sign.len_utf8()..];
        }
        is_there
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("'{sign}' is missing before '{}'", self.text)) }
    }

    fn unexpected(&self) -> String {
        format!(
            "'{}' is not understood: a formula has run, numbers, + - * / % ^, parentheses, min, max, floor and sqrt",
            self.text
        )
    }

    /// The longest beginning of which each character is one of these.
    fn word(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let end = self.text.find(|sign| !is_part(sign)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        word.to_owned()
    }

    fn sum(&mut self) -> Result<Term, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("a formula is nested at most {DEEPEST} deep"));
        }
        let sum = self.chain(&['+', '-'], |reader| reader.chain(&['*', '/', '%'], Reader::unary));
        self.depth -= 1;
        sum
    }

    fn chain(
        &mut self,
        signs: &[char],
        part: impl Fn(&mut Self) -> Result<Term, String>,
    ) -> Result<Term, String> {
        let mut left = part(self)?;
        while let Some(&sign) = signs.iter().find(|&&sign| self.takes(sign)) {
            let operation = operation(&sign.to_string()).expect("a sign of the table");
            left = Term::Of(operation, vec![left, part(self)?]);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Term, String> {
        let minus = self.takes('-');
        let mut term = self.atom()?;
        if self.takes('^') {
            let minus = self.takes('-');
            let exponent = negated_if(minus, self.atom()?);
            term = Term::Of(operation("^").expect("a sign of the table"), vec![term, exponent]);
        }
        Ok(negated_if(minus, term))
    }

    fn atom(&mut self) -> Result<Term, String> {
        match self.peek() {
            Some('(') => {
                self.expect('(')?;
                let inner = self.sum()?;
                self.expect(')')?;
                Ok(inner)
            }
            Some(sign) if sign.is_ascii_digit() || sign == '.' => self.number(),
            Some(sign) if sign.is_ascii_alphabetic() => self.named(),
            _ => Err(self.unexpected()),
        }
    }

    fn number(&mut self) -> Result<Term, String> {
        let mut text = self.word(|sign| sign.is_ascii_digit() || sign == '.');
        let exponent = self.text.strip_prefix(['e', 'E']);
        let is_exponent =
            |rest: &str| rest.trim_start_matches(['+', '-']).starts_with(|sign: char| sign.is_ascii_digit());
        if let Some(rest) = exponent.filter(|rest| is_exponent(rest)) {
            self.text = rest;
            text.push('e');
            if let Some(sign) = ['+', '-'].into_iter().find(|&sign| self.text.starts_with(sign)) {
                self.text = &self.text[1..];
                text.push(sign);
            }
            text += &self.word(|sign| sign.is_ascii_digit());
        }
        text.parse().map(Term::Number).map_err(|_| format!("'{text}' is not a number"))
    }

    fn named(&mut self) -> Result<Term, String> {
        let before = self.text;
        let name = self.word(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        if name == "run" {
            return Ok(Term::Run);
        }
        let Some(operation) = operation(&name) else {
            self.text = before;
            return Err(self.unexpected());
        };
        self.expect('(')?;
        let mut terms = vec![self.sum()?];
        while self.takes(',') {
            terms.push(self.sum()?);
        }
        self.expect(')')?;
        if terms.len() != operation.1 {
            return Err(format!("{name} is of {} number(s), and there are {}", operation.1, terms.len()));
        }
        Ok(Term::Of(operation, terms))
    }
}

fn negated_if(minus: bool, term: Term) -> Term {
    let times = operation("*").expect("a sign of the table");
    if minus { Term::Of(times, vec![Term::Number(-1.0), term]) } else { term }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, runs: u32) -> Result<Vec<f64>, String> {
        Formula::parse(text)?.numbers(runs)
    }

    #[test]
    fn formulas_are_arithmetic_in_the_number_of_the_run() {
        let halved = |run: i32| 0.5 * 0.25f64.powi(run / 2);
        assert_eq!(numbers("0.5 * 0.25 ^ floor(run / 2)", 4), Ok((0..4).map(halved).collect()));
        assert_eq!(numbers("min(1, (run + 1) / 4) * 1e-2", 5), Ok(vec![0.0025, 0.005, 0.0075, 0.01, 0.01]));
        assert_eq!(numbers("1 - 2 - 3", 1), Ok(vec![-4.0]));
        assert_eq!(numbers("-2 ^ 2 + 8 / 2 / 2", 1), Ok(vec![-2.0]));
        assert_eq!(numbers("(run * 5) % 7", 3), Ok(vec![0.0, 5.0, 3.0]));
        assert_eq!(numbers("2 ^ -run", 3), Ok(vec![1.0, 0.5, 0.25]));
        assert_eq!(numbers("max(sqrt(run), 1)", 3), Ok(vec![1.0, 1.0, 2f64.sqrt()]));
    }

    #[test]
    fn what_is_no_formula_is_refused_with_the_place() {
        for (text, part) in [
            ("", "'' is not understood"),
            ("0.1 * epoch", "'epoch' is not understood"),
            ("exp(run)", "'exp(run)' is not understood"),
            ("(run", "')' is missing"),
            ("min(run)", "min is of 2 number(s), and there are 1"),
            ("1..2", "'1..2' is not a number"),
            ("1 / run", "is no number in run 0"),
            ("2 ^ 0.5", "is no number in run 0"),
            ("run run", "'run' is not understood"),
        ] {
            let line = numbers(text, 2).expect_err(text);
            assert!(line.contains(part), "{text}: {line}");
        }
        assert!(numbers(&"(".repeat(100), 1).expect_err("it is deep").contains("32 deep"));
        assert!(numbers(&"1+".repeat(1000), 1).expect_err("it is long").contains("1024"));
    }
}
