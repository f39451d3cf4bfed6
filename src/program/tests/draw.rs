//! What random programs are drawn from: numbers, values that fit, and what a step should give.

use super::tensor::Tensor;
use crate::ring::{FixedPoint, Ring};

/// Random choices that repeat themselves by their seed (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.word() % count.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// A number of a magnitude between two powers of two, of either sign.
    pub(crate) fn number(&mut self, low: f64, high: f64) -> f64 {
        let magnitude = self.real(low, high).exp2();
        if self.chance(50) { -magnitude } else { magnitude }
    }

    /// A constant as steps write it: few digits, or a small integer, or many digits.
    pub(crate) fn constant(&mut self) -> f64 {
        match self.below(4) {
            0 => (self.below(40) as f64) - 12.0,
            1 => self.number(-18.0, 22.0),
            2 => (self.number(-6.0, 10.0) * 1000.0).round() / 1000.0,
            _ => self.number(-2.0, 4.0),
        }
    }

    /// One of the values for which a condition holds.
    pub(crate) fn value(&mut self, known: &[Known], fits: impl Fn(&Known) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..known.len()).filter(|&index| fits(&known[index])).collect();
        // Of late ones more often, so that programs are deep.
        let from = if self.chance(50) { fitting.len() / 2 } else { 0 };
        fitting.get(from + self.below(fitting.len() - from)).copied()
    }

    /// An axis of a value that has one.
    pub(crate) fn axis(&mut self, known: &Known) -> Option<(usize, String)> {
        let rank = known.dims.len();
        let axis = self.below(rank);
        let text = if self.chance(30) { axis as i64 - rank as i64 } else { axis as i64 };
        (rank > 0).then(|| (axis, text.to_string()))
    }
}

/// A value that steps can use.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) dims: Vec<usize>,
    /// Whether it counts in integers.
    pub(crate) integer: bool,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) codec: FixedPoint,
}

impl Setting {
    pub(crate) fn unit(&self) -> f64 {
        self.codec.resolution()
    }

    pub(crate) fn is_wide(&self) -> bool {
        self.codec.ring() == Ring::Z64
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.codec.fraction_bits() == 0
    }

    /// From which on normalisations state their errors.
    pub(crate) fn least_variance(&self) -> f64 {
        if self.is_wide() { 1.0 / 256.0 } else { 1.0 }
    }

    /// Up to which a layer's variances may be, beside the limit of products.
    pub(crate) fn most_of_layers(&self) -> f64 {
        let fine = ((self.codec.ring().bits() - 8) / 2).min(24).max(self.codec.fraction_bits());
        (f64::from(self.codec.ring().bits()) - 5.0 - f64::from(fine) - 3.0).exp2()
    }

    /// Up to which a batch's variances may be.
    pub(crate) fn most_variance(&self) -> f64 {
        let fine = ((self.codec.ring().bits() - 8) / 2).min(24).max(self.codec.fraction_bits());
        f64::from(fine - fine / 6).exp2()
    }

    /// The number that stands for a constant.
    pub(crate) fn rounded(&self, constant: f64) -> f64 {
        (constant / self.unit()).round_ties_even() * self.unit()
    }

    /// What a multiple by a public number may be off by, beside units.
    pub(crate) fn of_multiples(&self) -> f64 {
        (2.0 - f64::from(self.codec.ring().bits()) / 2.0).exp2()
    }
}

/// That of 16 fraction bits, with which errors are stated.
const UNIT: f64 = 1.0 / 65536.0;

/// How far a result may lie from the true one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Error {
    /// Not at all.
    None,
    /// By so many units, and so much of the result.
    Units(f64, f64),
    /// By so much with 16 fraction bits in 64 bits, and so much of the result; with 8 in 32 bits by so much of the larger
    /// of the result and 1.
    Stated(f64, f64, f64),
}

impl Error {
    fn of(self, setting: &Setting, truth: f64) -> f64 {
        let unit = setting.unit();
        match self {
            Error::None => 0.0,
            Error::Units(units, relative) => units * unit + relative * truth.abs(),
            Error::Stated(absolute, relative, narrow) => {
                if setting.is_wide() {
                    absolute.max(5.0 * unit * f64::from(u8::from(unit > UNIT))) + relative * truth.abs()
                } else {
                    narrow.max(5.0 * unit * f64::from(u8::from(unit > 1.0 / 256.0))) * truth.abs().max(1.0)
                }
            }
        }
    }
}

/// The largest magnitudes that a step reaches on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    /// Of products of two values.
    pub(crate) product: f64,
    /// What bounds of all factors allow sums of products to reach.
    pub(crate) bound: f64,
    pub(crate) quotient: f64,
    /// Of anything else.
    pub(crate) all: f64,
    /// Whether an argument lies outside the function's domain, or outside what is assumed of it.
    pub(crate) outside: bool,
    /// Whether a stated range does not hold; a value of that is not held to anything.
    pub(crate) assumed: bool,
    /// Whether the function states no error for such arguments.
    pub(crate) unstated: bool,
}

/// What a step should give of what it was given.
pub(crate) struct Expected {
    pub(crate) value: Tensor,
    /// How far each element may be off.
    pub(crate) slack: Tensor,
    pub(crate) reach: Reach,
}

impl Expected {
    pub(crate) fn new(setting: &Setting, value: Tensor, error: Error) -> Expected {
        let slack = value.each(|truth| error.of(setting, truth));
        let reach = Reach { all: value.reach(), ..Reach::default() };
        Expected { value, slack, reach }
    }

    pub(crate) fn all(mut self, reach: f64) -> Expected {
        self.reach.all = self.reach.all.max(reach);
        self
    }

    pub(crate) fn product(mut self, reach: f64) -> Expected {
        self.reach.product = reach;
        self
    }

    pub(crate) fn bound(mut self, bound: f64) -> Expected {
        self.reach.bound = bound;
        self
    }

    pub(crate) fn quotient(mut self, reach: f64) -> Expected {
        self.reach.quotient = reach;
        self
    }

    pub(crate) fn unstated(mut self, unstated: bool) -> Expected {
        self.reach.unstated = unstated;
        self
    }

    pub(crate) fn assumed(mut self, assumed: bool) -> Expected {
        self.reach.assumed = assumed;
        self
    }

    pub(crate) fn outside(mut self, outside: bool) -> Expected {
        self.reach.outside = outside;
        self
    }
}

/// What a step gives of its operands' values.
pub(crate) type Truth = Box<dyn Fn(&[&Tensor], &Setting) -> Expected>;

/// A step without its name: an expression, the values that it is of, and what it should give.
pub(crate) struct Drawn {
    pub(crate) text: String,
    pub(crate) operands: Vec<usize>,
    pub(crate) truth: Truth,
}

/// Draws a step of one kind, where values fit it.
pub(crate) type Kind = fn(&mut Draw, &[Known], &Setting) -> Option<Drawn>;

pub(crate) fn drawn(
    text: String,
    operands: Vec<usize>,
    truth: impl Fn(&[&Tensor], &Setting) -> Expected + 'static,
) -> Option<Drawn> {
    Some(Drawn { text, operands, truth: Box::new(truth) })
}

/// The extents that two values broadcast to.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> bool {
    a.iter().rev().zip(b.iter().rev()).all(|(&a, &b)| a == b || a == 1 || b == 1)
}
