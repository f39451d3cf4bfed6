//! Words of a step.

use super::StepErrorKind;
use crate::program::{Number, Relation};

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(Number),
    /// One of `= + - * / % @ ( ) [ ] { } : , ;`.
    Symbol(char),
    /// One of `<`, `>`, `<=`, `>=`, `==`, `!=`.
    Compare(Relation),
    /// `**`
    Power,
    /// `//`
    Quotient,
    /// `.T`
    Transposed,
    /// What stands between quotation marks.
    Text(String),
    End,
}

impl Token {
    /// The word as an error shows it.
    pub(super) fn describe(&self) -> String {
        match self {
            Token::Name(name) => format!("'{name}'"),
            Token::Number(number) => format!("the number {}", number.value()),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::Compare(relation) => format!("'{}'", relation.sign()),
            Token::Power => "'**'".to_owned(),
            Token::Quotient => "'//'".to_owned(),
            Token::Transposed => "'.T'".to_owned(),
            Token::Text(text) => format!("\"{text}\""),
            Token::End => "the end".to_owned(),
        }
    }
}

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) token: Token,
    /// Byte offset of its beginning.
    pub(super) start: usize,
    /// Byte offset after its end.
    pub(super) end: usize,
}

/// The words of `text`, the last of them [`Token::End`].
pub(super) fn words(text: &str) -> Result<Vec<Word>, (usize, StepErrorKind)> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            words.push(Word { token: Token::End, start, end: start });
            return Ok(words);
        };
        let comparison = COMPARISONS.into_iter().find(|relation| rest.starts_with(relation.sign()));
        let (length, token) = match (first, comparison) {
            (_, Some(relation)) => (relation.sign().len(), Token::Compare(relation)),
            ('*', _) if rest.starts_with("**") => (2, Token::Power),
            ('"' | '\'', _) => quoted(rest, first).ok_or((start, StepErrorKind::Character(first)))?,
            ('/', _) if rest.starts_with("//") => (2, Token::Quotient),
            (
                '=' | '+' | '-' | '*' | '/' | '%' | '@' | '(' | ')' | '[' | ']' | '{' | '}' | ':' | ',' | ';',
                _,
            ) => (1, Token::Symbol(first)),
            ('a'..='z' | 'A'..='Z' | '_', _) => name(rest),
            ('.', _) if is_transposed(rest) => (2, Token::Transposed),
            ('.', _) if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
                let (length, _) = name(&rest[1..]);
                return Err((start, StepErrorKind::Attribute(rest[1..=length].to_owned())));
            }
            ('0'..='9' | '.', _) => number(rest).map_err(|kind| (start, kind))?,
            (other, _) => return Err((start, StepErrorKind::Character(other))),
        };
        words.push(Word { token, start, end: start + length });
        rest = &rest[length..];
    }
}

/// Longer ones first.
const COMPARISONS: [Relation; 6] = [
    Relation::AtMost,
    Relation::AtLeast,
    Relation::Equal,
    Relation::NotEqual,
    Relation::Less,
    Relation::Greater,
];

fn is_transposed(rest: &str) -> bool {
    let mut characters = rest.chars().skip(1);
    characters.next() == Some('T') && !characters.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Text between two of the same quotation mark.
fn quoted(rest: &str, mark: char) -> Option<(usize, Token)> {
    let length = rest[1..].find(mark)?;
    Some((length + 2, Token::Text(rest[1..=length].to_owned())))
}

fn name(rest: &str) -> (usize, Token) {
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    (length, Token::Name(rest[..length].to_owned()))
}

/// Up to this, 2^53, every integer is a float.
const F64_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// The integer that is written with a point or an exponent, such as `1e18`, if it is one.
fn whole(digits: &str) -> Option<i128> {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number: i128 = format!("{integer}{fraction}").parse().ok()?;
    let shift = exponent.parse::<i64>().ok()? - fraction.len() as i64;
    let scale = 10i128.checked_pow(shift.unsigned_abs().try_into().ok()?)?;
    match shift {
        0.. => number.checked_mul(scale),
        _ => (number % scale == 0).then_some(number / scale),
    }
}

/// Digits with an optional fraction and exponent.
fn number(rest: &str) -> Result<(usize, Token), StepErrorKind> {
    let mut length = 0;
    for (index, byte) in rest.bytes().enumerate() {
        let after_exponent = index > 0 && matches!(rest.as_bytes()[index - 1], b'e' | b'E');
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => {}
            b'.' if !is_transposed(&rest[index..]) => {}
            b'+' | b'-' if after_exponent => {}
            _ => break,
        }
        length = index + 1;
    }
    let digits = &rest[..length];
    let number = match digits.parse::<i128>() {
        Ok(integer) => Number::Integer(integer),
        Err(_) => match digits.parse::<f64>() {
            Ok(real) if real.is_finite() => match whole(digits) {
                // Not every integer from here on is a float.
                Some(integer) if real >= F64_INTEGERS => Number::Integer(integer),
                _ => Number::Real(real),
            },
            // Words such as `inf` do not come here: a number begins with a digit or a point.
            Ok(_) => return Err(StepErrorKind::NumberTooLarge(digits.to_owned())),
            Err(_) => return Err(StepErrorKind::Number(digits.to_owned())),
        },
    };
    Ok((length, Token::Number(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        words(text).unwrap().into_iter().map(|word| word.token).collect()
    }

    #[test]
    fn numbers_and_transposition_share_the_point() {
        assert_eq!(
            tokens("2.5e-3*x.T"),
            [
                Token::Number(Number::Real(0.0025)),
                Token::Symbol('*'),
                Token::Name("x".into()),
                Token::Transposed,
                Token::End
            ]
        );
        assert_eq!(tokens("18446744073709551615")[0], Token::Number(Number::Integer(u64::MAX.into())));
        for written in ["9007199254740993.0", "9.007199254740993e15", "90071992547409930e-1"] {
            let integer = Token::Number(Number::Integer(9_007_199_254_740_993));
            assert_eq!(tokens(written)[0], integer, "{written} is not rounded");
        }
        assert_eq!(tokens("2.0")[0], Token::Number(Number::Real(2.0)));
        assert_eq!(tokens("1e300")[0], Token::Number(Number::Real(1e300)));
    }

    #[test]
    fn what_is_no_word_is_named() {
        assert_eq!(words("a ? b").unwrap_err(), (2, StepErrorKind::Character('?')));
        assert_eq!(words("x.reshape(3)").unwrap_err(), (1, StepErrorKind::Attribute("reshape".into())));
        assert_eq!(words("12abc").unwrap_err(), (0, StepErrorKind::Number("12abc".into())));
        assert_eq!(words("1e999").unwrap_err(), (0, StepErrorKind::NumberTooLarge("1e999".into())));
    }
}
