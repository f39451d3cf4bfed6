//! Smooth functions, composed of products, comparisons and truncations: each is an approximation in fixed point, for
//! arguments of a stated range. Beyond it results are wrong, except where a function says that it clips. Errors were
//! measured with 16 fraction bits in 64 bits, by the oracle, over the range; a test holds them.

mod activations;
mod powers;

use super::{Number, Program, ProgramError, ValueId};

impl Program {
    /// Σ coefficients[i] · a^i, by Horner's rule: one product a degree.
    fn polynomial(&mut self, a: ValueId, coefficients: &[f64]) -> Result<ValueId, ProgramError> {
        let [rest @ .., last] = coefficients else { return self.scale(a, Number::Integer(0)) };
        let Some((&next, rest)) = rest.split_last() else {
            let zero = self.scale(a, Number::Integer(0))?;
            return self.add_constant(zero, Number::Real(*last));
        };
        let scaled = self.scale(a, Number::Real(*last))?;
        let mut sum = self.add_constant(scaled, Number::Real(next))?;
        for &coefficient in rest.iter().rev() {
            let product = self.mul(sum, a)?;
            sum = self.add_constant(product, Number::Real(coefficient))?;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use crate::program::{Program, ProgramError, Truncation, ValueId, oracle};
    use crate::ring::{Axis, Elements, FixedPoint, Ring, Shape};
    use crate::share::{Parties, PartyId};

    type Build = fn(&mut Program, ValueId) -> Result<ValueId, ProgramError>;

    /// The function's values at `points`.
    fn values(build: Build, points: &[f64]) -> Vec<f64> {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(2, codec).with_truncation(Truncation::Exact);
        let x = program.input("x", PartyId(0), Shape::new(1, points.len()), None).expect("x");
        let y = build(&mut program, x).expect("a function");
        program.output("y", y, Parties::first(1)).expect("an output");
        let data = Elements::encode(codec, points).expect("points in range");
        oracle::evaluate(&program, &[data])[0].elements.decode(codec)
    }

    /// A function, the true one, its range, and the largest error that it may have.
    type Case = (&'static str, Build, fn(f64) -> f64, (f64, f64), f64);

    /// The largest error over the range, each divided by the true value where that is above 1.
    fn worst(build: Build, truth: fn(f64) -> f64, (low, high): (f64, f64)) -> f64 {
        let count = 4000;
        let point = |index: usize| low + (high - low) * index as f64 / count as f64;
        // Points that the numbers hold exactly.
        let points: Vec<f64> = (0..=count).map(|index| (point(index) * 65536.0).round() / 65536.0).collect();
        let found = values(build, &points);
        let errors = points.iter().zip(found).map(|(&x, y)| (y - truth(x)).abs() / truth(x).abs().max(1.0));
        errors.fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_no_larger_than_said() {
        let cases: [Case; 6] = [
            ("exp", |p, x| p.exp(x), f64::exp, (-20.0, 8.0), 2e-3),
            ("reciprocal", |p, x| p.reciprocal(x), |x| 1.0 / x, (1.0 / 256.0, 256.0), 1e-3),
            ("sqrt", |p, x| p.sqrt(x), f64::sqrt, (1.0 / 256.0, 256.0), 1e-3),
            ("sigmoid", |p, x| p.sigmoid(x), |x| 1.0 / (1.0 + (-x).exp()), (-20.0, 20.0), 1e-3),
            ("tanh", |p, x| p.tanh(x), f64::tanh, (-20.0, 20.0), 2e-3),
            ("gelu", |p, x| p.gelu(x), gelu, (-8.0, 8.0), 2e-3),
        ];
        for (name, build, truth, range, most) in cases {
            let worst = worst(build, truth, range);
            println!("{name}: {worst:.2e}");
            assert!(worst <= most, "{name}: the worst error is {worst}");
        }
    }

    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
    fn gelu(x: f64) -> f64 {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
        x / 2.0 * (1.0 + inner.tanh())
    }

    #[test]
    fn a_softmax_adds_up_to_one() {
        let found = values(|p, x| p.softmax(x, Axis::Cols), &[1.0, 2.0, 3.0, -40.0, 2.5]);
        let powers = [1.0f64, 2.0, 3.0, -40.0, 2.5].map(f64::exp);
        let sum: f64 = powers.iter().sum();
        for (found, power) in found.iter().zip(powers) {
            assert!((found - power / sum).abs() < 1e-3, "{found} for {}", power / sum);
        }
    }
}
