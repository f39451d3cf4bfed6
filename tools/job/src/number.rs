//! Numbers in messages.

/// A number as it is written, or in exponential form where that would be a long row of digits.
pub fn number(value: f64) -> String {
    const FEW_DIGITS: std::ops::Range<f64> = 1e-6..1e15;
    if value == 0.0 || !value.is_finite() || FEW_DIGITS.contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}
