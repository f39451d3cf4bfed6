//! The errors that functions state, between which numbers they state them, and the true functions in `f64`.

use crate::ring::Ring;

/// The true function of a row of `x` and one of `y`.
pub type Truth = fn(&[f64], &[f64]) -> Vec<f64>;

/// A call whose error is measured in either ring.
#[derive(Clone, Copy)]
pub struct Accuracy {
    /// The call in 64 bits.
    wide: Measured,
    /// The call in 32 bits.
    narrow: Measured,
    /// The inputs declare the ends as their bounds.
    pub declared: bool,
    /// The true function.
    pub truth: Truth,
}

/// A call as steps write it, and the error that it states.
#[derive(Clone, Copy)]
pub struct Measured {
    /// The call, on matrices `x` and `y`.
    pub call: &'static str,
    /// The elements of `x` and `y` lie between these.
    pub ends: (f64, f64),
    /// The largest |result − truth|, divided by |truth| where that is above 1, with a quarter of the ring's bits behind
    /// the point.
    pub most: f64,
}

/// A call on inputs that declare the ends as bounds; `most` is its largest error in 64 and in 32 bits.
pub const fn case(call: &'static str, ends: (f64, f64), most: [f64; 2], truth: Truth) -> Accuracy {
    let [wide, narrow] = most;
    Accuracy {
        wide: Measured { call, ends, most: wide },
        narrow: Measured { call, ends, most: narrow },
        declared: true,
        truth,
    }
}

impl Accuracy {
    /// The same with another call and other ends in 32 bits.
    #[must_use]
    pub const fn narrow(mut self, call: &'static str, ends: (f64, f64)) -> Accuracy {
        self.narrow = Measured { call, ends, most: self.narrow.most };
        self
    }

    /// The same on inputs that declare no bounds.
    #[must_use]
    pub const fn undeclared(mut self) -> Accuracy {
        self.declared = false;
        self
    }

    /// The call in a ring.
    pub const fn within(&self, ring: Ring) -> Measured {
        match ring {
            Ring::Z32 => self.narrow,
            Ring::Z64 => self.wide,
        }
    }
}

/// A function of each element.
pub fn each(x: &[f64], of: impl Fn(f64) -> f64) -> Vec<f64> {
    x.iter().map(|&x| of(x)).collect()
}

pub(super) fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

pub(super) fn variance(x: &[f64]) -> f64 {
    mean(&each(x, |element| (element - mean(x)).powi(2)))
}

pub(super) fn softmax(x: &[f64]) -> Vec<f64> {
    let largest = x.iter().copied().fold(f64::MIN, f64::max);
    let powers = each(x, |x| (x - largest).exp());
    let sum: f64 = powers.iter().sum();
    each(&powers, |power| power / sum)
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The normal distribution's Φ, by its series.
pub(super) fn normal(x: f64) -> f64 {
    if x.abs() > 7.0 {
        return if x < 0.0 { 0.0 } else { 1.0 };
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..300 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    0.5 + (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
}
