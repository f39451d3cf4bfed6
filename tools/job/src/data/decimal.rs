//! Decimal numbers, as exactly as they are written.

/// Magnitudes from here on fit no ring.
const LARGEST: u128 = 10u128.pow(36);

/// Digits of a number with a fraction that is read exactly: so many, scaled by the few fraction bits that leave room
/// for such a number, fit 128 bits.
const LONGEST_MANTISSA: u128 = 10u128.pow(33);

/// From here on f64 has no fractions, and does not have every integer.
const EXACT_LIMIT: f64 = (1u64 << 53) as f64;

/// A number: the nearest f64, and what the text says exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimal {
    pub real: f64,
    pub exact: Exact,
}

/// The exact value of a decimal number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exact {
    /// An integer, however it was written.
    Integer(i128),
    /// mantissa / 10^decimals, no integer, with a magnitude of at least 2^53.
    Large { mantissa: i128, decimals: u32 },
    /// No integer, with a magnitude below 2^53: the nearest f64 stands for it.
    Fraction,
}

/// Why a text is no number to compute on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    NotANumber,
    NotFinite,
    TooLarge,
    TooManyDigits,
}

impl Decimal {
    /// Reads `[+-] digits [. digits] [e [+-] digits]`.
    ///
    /// # Errors
    /// Where the text is something else, and where it is no number that can be computed on.
    pub fn parse(text: &str) -> Result<Decimal, Refusal> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if ["inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
            return Err(Refusal::NotFinite);
        }
        let Scanned { mantissa, exponent } = Scanned::of(unsigned).ok_or(Refusal::NotANumber)?;
        let sign = if text.starts_with('-') { -1 } else { 1 };
        if mantissa == Some(0) {
            return Ok(Decimal { real: 0.0, exact: Exact::Integer(0) });
        }
        if exponent >= 0 {
            let factor = u32::try_from(exponent).ok().and_then(|exponent| 10u128.checked_pow(exponent));
            let value = mantissa.zip(factor).and_then(|(mantissa, factor)| mantissa.checked_mul(factor));
            let value = value.filter(|&value| value <= LARGEST).ok_or(Refusal::TooLarge)?;
            let value = sign * value as i128;
            return Ok(Decimal { real: value as f64, exact: Exact::Integer(value) });
        }
        let real: f64 = text.parse().map_err(|_| Refusal::NotANumber)?;
        if real.abs() >= LARGEST as f64 {
            return Err(Refusal::TooLarge);
        }
        if real.abs() < EXACT_LIMIT {
            return Ok(Decimal { real, exact: Exact::Fraction });
        }
        let mantissa = mantissa.filter(|&mantissa| mantissa <= LONGEST_MANTISSA);
        let (mantissa, decimals) =
            mantissa.zip(u32::try_from(-exponent).ok()).ok_or(Refusal::TooManyDigits)?;
        Ok(Decimal { real, exact: Exact::Large { mantissa: sign * mantissa as i128, decimals } })
    }

    /// Whether the f64 is all that there is to know.
    pub fn is_real(self) -> bool {
        match self.exact {
            Exact::Integer(value) => self.real as i128 == value,
            Exact::Large { .. } => false,
            Exact::Fraction => self.real.fract() != 0.0,
        }
    }
}

impl Exact {
    /// The number times 2^fraction_bits, rounded to the nearest integer, of two the even one; `None` where the f64
    /// stands for it, or no element could hold it.
    pub fn scaled(self, fraction_bits: u32) -> Option<i128> {
        let factor = 1i128.checked_shl(fraction_bits)?;
        match self {
            Exact::Integer(value) => value.checked_mul(factor),
            Exact::Large { mantissa, decimals } => {
                let (scaled, unit) = (mantissa.checked_mul(factor)?, 10i128.checked_pow(decimals)?);
                let (floor, rest) = (scaled.div_euclid(unit), scaled.rem_euclid(unit));
                let up = rest > unit - rest || (rest == unit - rest && floor % 2 != 0);
                Some(floor + i128::from(up))
            }
            Exact::Fraction => None,
        }
    }

    /// Whether the magnitude is above `bound`; `None` where the f64 says it.
    pub fn is_above(self, bound: f64) -> Option<bool> {
        match self {
            Exact::Integer(value) => Some(is_above(value, bound)),
            Exact::Large { mantissa, decimals } => Some(match bound < EXACT_LIMIT {
                true => true,
                // Such a bound is an integer.
                false => {
                    let limit = 10u128.checked_pow(decimals).and_then(|unit| unit.checked_mul(bound as u128));
                    limit.is_some_and(|limit| mantissa.unsigned_abs() > limit)
                }
            }),
            Exact::Fraction => None,
        }
    }
}

/// Whether an integer's magnitude is above a positive bound, without rounding the integer.
pub fn is_above(value: i128, bound: f64) -> bool {
    // The conversion rounds down, and saturates where every integer is below the bound.
    value.unsigned_abs() > bound as u128
}

/// The digits of a number: mantissa · 10^exponent, where the mantissa does not end with a zero.
struct Scanned {
    /// `None` where it has more digits than are kept.
    mantissa: Option<u128>,
    exponent: i64,
}

impl Scanned {
    fn of(text: &str) -> Option<Scanned> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((digits, exponent)) => (digits, exponent_of(exponent)?),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let mut all = whole.bytes().chain(decimals.bytes());
        if !all.clone().all(|digit| digit.is_ascii_digit()) || all.next().is_none() {
            return None;
        }
        let mut mantissa = Some(0u128);
        let mut zeros = 0u32;
        for digit in whole.bytes().chain(decimals.bytes()).map(|digit| digit - b'0') {
            match (digit, mantissa) {
                (0, Some(0)) => {}
                (0, _) => zeros = zeros.saturating_add(1),
                (digit, _) => {
                    let factor = 10u128.checked_pow(zeros.saturating_add(1));
                    let longer = mantissa.zip(factor).and_then(|(so_far, factor)| so_far.checked_mul(factor));
                    mantissa = longer.and_then(|longer| longer.checked_add(digit.into()));
                    zeros = 0;
                }
            }
        }
        let decimals = i64::try_from(decimals.len()).ok()?;
        Some(Scanned { mantissa, exponent: exponent - decimals + i64::from(zeros) })
    }
}

/// An exponent; one that no digits make up for is as good as any other such.
fn exponent_of(text: &str) -> Option<i64> {
    const FAR: i64 = 1 << 40;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(FAR).min(FAR);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(text: &str) -> Option<i128> {
        match Decimal::parse(text).unwrap().exact {
            Exact::Integer(value) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn integers_are_exact_however_they_are_written() {
        let cases = [
            ("0", 0),
            ("-0.000", 0),
            ("+5", 5),
            ("007", 7),
            ("1.0", 1),
            ("1e3", 1000),
            ("1.25E+2", 125),
            ("120e-1", 12),
            ("5.", 5),
            ("9007199254740993.0", (1 << 53) + 1),
            ("-9223372036854775808", i64::MIN.into()),
            ("18446744073709551615", u64::MAX.into()),
            ("0.9007199254740993e16", (1 << 53) + 1),
            ("10000000000000000000000000000000000000e-37", 1),
        ];
        for (text, value) in cases {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in ["0.5", "1e-400", "1.00000000000000000000000000000001", "9007199254740993.5"] {
            assert_eq!(integer(text), None, "{text} is no integer");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", ".", "+", "-", "e5", "1e", "1e+", "1_000", "0x10", "1,5", "1.2.3", "--1", "١٢", "1 2", "nan"]
        {
            assert_eq!(Decimal::parse(text), Err(Refusal::NotANumber), "{text:?}");
        }
        assert_eq!(Decimal::parse("-Infinity"), Err(Refusal::NotFinite));
        for text in
            ["1e400", "-1e37", "1e999999999999999999999", &"9".repeat(40), &format!("{}.5", "9".repeat(40))]
        {
            assert_eq!(Decimal::parse(text), Err(Refusal::TooLarge), "{text}");
        }
        let long = format!("9007199254740993.{}1", "0".repeat(30));
        assert_eq!(Decimal::parse(&long), Err(Refusal::TooManyDigits));
    }

    #[test]
    fn large_numbers_with_fractions_are_scaled_exactly() {
        let exact = Decimal::parse("9007199254740993.5").unwrap().exact;
        assert_eq!(exact.scaled(8), Some((((1i128 << 53) + 1) << 8) + 128));
        // Half of a unit goes to the even one.
        assert_eq!(exact.scaled(0), Some((1 << 53) + 2));
        assert_eq!(Decimal::parse("-9007199254740992.5").unwrap().exact.scaled(0), Some(-(1 << 53)));
        assert_eq!(exact.is_above(9_007_199_254_740_994.0), Some(false));
        assert_eq!(exact.is_above(9_007_199_254_740_992.0), Some(true));
        assert!(is_above((1 << 53) + 1, EXACT_LIMIT), "the integer is not rounded to its bound");
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_those_of_rust(value: f64, integer: i64) {
            let text = format!("{value:e}");
            if value.abs() < 1e36 {
                proptest::prop_assert_eq!(Decimal::parse(&text).unwrap().real, value);
            }
            let parsed = Decimal::parse(&integer.to_string()).unwrap().exact;
            proptest::prop_assert_eq!(parsed, Exact::Integer(integer.into()));
        }

        #[test]
        fn no_text_panics(text in "[+-]?[0-9]{0,45}\\.?[0-9]{0,45}(e[+-]?[0-9]{0,22})?") {
            let ours = Decimal::parse(&text).map(|number| number.real);
            let is_number = text.parse::<f64>().is_ok();
            proptest::prop_assert_eq!(ours == Err(Refusal::NotANumber), !is_number);
        }
    }
}
