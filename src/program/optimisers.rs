//! The steps of optimisers: new values of parameters and moments from the old ones and a gradient.
//!
//! Each is a function of values: what is kept from one step to the next is what the caller keeps. A learning rate is a
//! public number, or a value such as one that a schedule gives.

use super::build::whole;
use super::gradient::Composite;
use super::range::Interval;
use super::{Dims, Number, Op, Program, ProgramError, PublicId, Test, ValueId};

/// A learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// The same public number in every step.
    Number(Number),
    /// A single number, or values that broadcast to the parameters.
    Value(ValueId),
    /// A public number for each run.
    Public(PublicId),
}

/// Units that a sum of a second moment and epsilon may be too small by; epsilon is as many at least.
const LEAST_EPSILON_UNITS: f64 = 4.0;

/// Units of the least mean square that a norm is clipped to: so it is right to 1 in 64.
const LEAST_NORM_UNITS: f64 = 32.0;

impl Program {
    /// w − rate·(gradient + decay·w): a step of gradient descent (Robbins and Monro, "A Stochastic Approximation Method",
    /// 1951) with weight decay.
    ///
    /// *Rounds:* those of a multiple by a public number, or of a product; none where the gradient
    /// ends with a multiple by another number, or with a truncation and the rate is a power of two: they are one then.
    ///
    /// # Errors
    /// Where the shapes do not broadcast, or a constant cannot be written in the ring.
    pub fn sgd(
        &mut self,
        w: ValueId,
        gradient: ValueId,
        rate: Rate,
        decay: f64,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("sgd({}, {})", self.short(w), self.short(gradient));
        let step = self.rated(gradient, rate)?;
        let kept = self.decayed(w, rate, decay)?;
        let result = self.sub(kept, step)?;
        self.called(result, label, None)
    }

    /// beta·velocity + gradient: the next velocity (Polyak, "Some methods of speeding up the convergence of iteration
    /// methods", 1964).
    ///
    /// # Errors
    /// As [`Program::sgd`].
    pub fn momentum(
        &mut self,
        velocity: ValueId,
        gradient: ValueId,
        beta: f64,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("momentum({}, {})", self.short(velocity), self.short(gradient));
        let kept = self.scaled(velocity, beta)?;
        let result = self.add(kept, gradient)?;
        self.called(result, label, None)
    }

    /// beta·next + gradient for the next velocity, that of [`Program::momentum`]: the direction of a step (Nesterov, 1983, as
    /// Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, write it).
    ///
    /// # Errors
    /// As [`Program::sgd`].
    pub fn nesterov(
        &mut self,
        velocity: ValueId,
        gradient: ValueId,
        beta: f64,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("nesterov({}, {})", self.short(velocity), self.short(gradient));
        let next = self.momentum(velocity, gradient, beta)?;
        let kept = self.scaled(next, beta)?;
        let result = self.add(kept, gradient)?;
        self.called(result, label, None)
    }

    /// moment + (1 − beta)·(x − moment): the moving average of a gradient or of its square.
    ///
    /// # Errors
    /// As [`Program::sgd`].
    pub fn moving_average(
        &mut self,
        moment: ValueId,
        x: ValueId,
        beta: f64,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("average({}, {})", self.short(moment), self.short(x));
        let difference = self.sub(x, moment)?;
        let moved = self.scaled(difference, 1.0 - beta)?;
        let result = self.add(moment, moved)?;
        self.called(result, label, None)
    }

    /// w − rate·(first/√(second + epsilon) + decay·w): a step of Adam with its weight decay apart from the gradient (Kingma
    /// and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019). Epsilon is added below
    /// the root, so that one function gives the inverse of it. The moments are as [`Program::moving_average`] gives them:
    /// the correction of their bias, √(1 − β₂^t)/(1 − β₁^t), belongs to the rate.
    ///
    /// The second moment is taken for no less than zero, as an average of squares that began there is; in fixed point a
    /// gradient of less than 2^−f/2 has the square 0, so it helps to scale gradients up first, which changes no step.
    ///
    /// *Rounds:* those of [`Program::rsqrt`] and two products.
    ///
    /// # Errors
    /// As [`Program::sgd`], in integer programs, and where epsilon is less than four units or no small number.
    pub fn adam(
        &mut self,
        w: ValueId,
        (first, second): (ValueId, ValueId),
        rate: Rate,
        epsilon: f64,
        decay: f64,
    ) -> Result<ValueId, ProgramError> {
        let label = format!("adam({}, {}, {})", self.short(w), self.short(first), self.short(second));
        let second = self.argument(second, &label)?;
        let unit = self.codec().resolution();
        let least = LEAST_EPSILON_UNITS * unit;
        if !(least..1.0).contains(&epsilon) {
            return Err(ProgramError::Epsilon { epsilon, least });
        }
        let sum = self.add_constant(second, Number::Real(epsilon))?;
        let inverse = self.rsqrt(sum)?;
        let direction = self.mul(first, inverse)?;
        let step = self.rated(direction, rate)?;
        let kept = self.decayed(w, rate, decay)?;
        let result = self.sub(kept, step)?;
        self.called(result, label, None)
    }

    /// The gradient times min(1, most/‖gradient‖), with the norm over all of its elements (Pascanu, Mikolov and Bengio, "On
    /// the difficulty of training recurrent neural networks", 2013). Gradients of several parameters that have one norm are
    /// joined first.
    ///
    /// *Error:* the factor is right to 10⁻⁴, or to 1 in 64 where `most` is as small as it can be. *Rounds:* those of a
    /// variance, a comparison, [`Program::rsqrt`] and two products.
    ///
    /// # Errors
    /// In integer programs, where there is no element, and where `most` is not positive or so small that its square, divided
    /// by the number of elements, is no number of the ring.
    pub fn clip_norm(&mut self, gradient: ValueId, most: Number) -> Result<ValueId, ProgramError> {
        let label = format!("clip_norm({}, {})", self.short(gradient), most.value());
        let first = self.values.len();
        let gradient = self.argument(gradient, &label)?;
        let (fine, bits) = (self.fine_bits(), self.codec().fraction_bits());
        let (count, most) = (self.value(gradient).shape.len() as f64, most.value());
        if count == 0.0 {
            return Err(ProgramError::NoElement { label: self.short(gradient), shape: self.dims(gradient) });
        }
        // Of the mean square.
        let unit = (-f64::from(fine)).exp2();
        let (square, least) = (most * most / count, LEAST_NORM_UNITS * unit);
        let largest = f64::from(self.ring().bits() - 3 - fine).exp2();
        if most <= 0.0 || !(least..largest).contains(&square) {
            let (least, most) = ((least * count).sqrt(), (largest * count).sqrt());
            return Err(ProgramError::Norm { label, least, most });
        }
        let row = Dims::new(&[self.value(gradient).shape.len()]).expect("one axis");
        let all = self.reshape_to(gradient, row)?;
        let start = self.values.len();
        let mean = self.mean_square_along(all, 0, fine)?;
        self.composed(start, mean, Composite::MeanSquare(all));
        let above = self.offset(mean, -square)?;
        let over = self.test(above, Test::NonNegative)?;
        let excess = self.raw_product(over, above)?;
        let larger = self.offset(excess, square)?;
        let low = square - 2.0 * unit;
        self.refine(larger, Some(Interval::new(low, f64::INFINITY)));
        let inverse = self.inverse_root_from(larger, low, fine)?;
        let factor = self.multiple(inverse, most / count.sqrt(), bits)?;
        let factor = self.reshape_to(factor, Dims::SCALAR)?;
        self.refine(factor, Some(Interval::new(0.0, 1.0 + 1.0 / 64.0)));
        self.parts_of(first, &label);
        let result = self.mul(gradient, factor)?;
        self.called(result, label, None)
    }

    /// `x`, as a constant to which gradients pass nothing on.
    ///
    /// # Errors
    /// None as yet.
    pub fn held_constant(&mut self, x: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("constant({})", self.short(x)));
        let copy = self.push_like(x, Op::Scale(x, 1), self.value(x).shape, label.clone())?;
        self.composed(first, copy, Composite::Constant);
        self.called(copy, label, self.interval(x))
    }

    /// rate·direction.
    fn rated(&mut self, direction: ValueId, rate: Rate) -> Result<ValueId, ProgramError> {
        match rate {
            Rate::Number(rate) => match self.multiple_at_end(direction, rate.value()) {
                Some(step) => {
                    let label = format!("({} * {})", self.short(direction), rate.value());
                    self.called(step, label, None)
                }
                None => self.scale(direction, rate),
            },
            Rate::Value(rate) => self.mul(direction, rate),
            Rate::Public(rate) => self.scale_by_run(direction, rate),
        }
    }

    /// (1 − rate·decay)·w.
    fn decayed(&mut self, w: ValueId, rate: Rate, decay: f64) -> Result<ValueId, ProgramError> {
        if decay == 0.0 {
            return Ok(w);
        }
        let lost = match rate {
            Rate::Number(rate) => self.scaled(w, rate.value() * decay)?,
            Rate::Public(rate) => {
                let rated = self.scale_by_run(w, rate)?;
                self.scaled(rated, decay)?
            }
            Rate::Value(rate) => {
                let share = self.scaled(rate, decay)?;
                self.mul(w, share)?
            }
        };
        self.sub(w, lost)
    }

    /// a · factor, of an integer factor without a truncation.
    fn scaled(&mut self, a: ValueId, factor: f64) -> Result<ValueId, ProgramError> {
        let number = Number::Real(factor);
        self.scale(a, whole(number).map_or(number, Number::Integer))
    }
}
