//! Functions that are composed of several ops and differentiated as a whole.

use super::{Adjoint, Passed};
use crate::program::{Program, ProgramError, ValueId};
use crate::ring::Axis;

/// A function of earlier values, recorded beside its result. Its rule stands beside its definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::program) enum Composite {
    /// A value, of which the result is a copy that passes nothing on.
    Constant,
    /// A value times a public number.
    Multiple(ValueId, f64),
    /// Two values of extents that broadcast, multiplied.
    Product(ValueId, ValueId),
    /// The sums of a matrix over an axis, or over both, divided by a number: a mean.
    Mean(ValueId, Option<Axis>, f64),
    /// The mean square of all elements.
    MeanSquare(ValueId),
    /// The mean of the squared distances of a value from its mean along an axis, and the distances.
    Variance {
        of: ValueId,
        distance: ValueId,
        axis: usize,
    },
    /// Distances from the mean along an axis times the inverse of the deviation, which is a value of its own.
    Normal {
        of: ValueId,
        inverse: ValueId,
        axis: usize,
        /// Whether the mean is subtracted; otherwise it is the elements themselves that are divided.
        centred: bool,
    },
    /// The inverse of the root of a value and a small number.
    InverseDeviation(ValueId, f64),
    /// |a|.
    Magnitude(ValueId),
    /// The first divided by the second.
    Quotient(ValueId, ValueId),
    /// A public number divided by a value.
    ConstantOver(f64, ValueId),
    Exp(ValueId),
    Log(ValueId),
    Sqrt(ValueId),
    Rsqrt(ValueId),
    Sigmoid(ValueId),
    Tanh(ValueId),
    Sin(ValueId),
    Cos(ValueId),
    Gelu(ValueId),
    Silu(ValueId),
    /// Along an axis.
    Softmax(ValueId, usize),
    /// Along an axis.
    LogSoftmax(ValueId, usize),
    /// The mean logistic loss of logits and labels.
    LogisticLoss(ValueId, ValueId),
    /// The mean cross-entropy of logits and labels along the last axis.
    CrossEntropy(ValueId, ValueId),
}

impl Composite {
    /// The values that it is of.
    pub(super) fn arguments(self) -> Vec<ValueId> {
        match self {
            Composite::Constant => Vec::new(),
            Composite::Multiple(a, _)
            | Composite::Mean(a, ..)
            | Composite::MeanSquare(a)
            | Composite::Variance { of: a, .. }
            | Composite::Normal { of: a, .. }
            | Composite::InverseDeviation(a, _)
            | Composite::Magnitude(a)
            | Composite::ConstantOver(_, a)
            | Composite::Exp(a)
            | Composite::Log(a)
            | Composite::Sqrt(a)
            | Composite::Rsqrt(a)
            | Composite::Sigmoid(a)
            | Composite::Tanh(a)
            | Composite::Sin(a)
            | Composite::Cos(a)
            | Composite::Gelu(a)
            | Composite::Silu(a)
            | Composite::Softmax(a, _)
            | Composite::LogSoftmax(a, _) => vec![a],
            Composite::Product(a, b)
            | Composite::Quotient(a, b)
            | Composite::LogisticLoss(a, b)
            | Composite::CrossEntropy(a, b) => vec![a, b],
        }
    }
}

impl Program {
    /// What the result `y` of a function passes on to an argument, once for each place of that.
    pub(super) fn passed_by_composite(
        &mut self,
        composite: Composite,
        y: ValueId,
        adjoint: Adjoint,
        to: ValueId,
    ) -> Passed {
        let passed = match composite {
            Composite::Constant => return Ok(Vec::new()),
            Composite::Product(a, b) => return self.passed_by_product([a, b], adjoint, to),
            Composite::Quotient(a, b) => return self.passed_by_quotient([a, b], y, adjoint, to),
            Composite::LogisticLoss(z, t) => return self.passed_by_logistic_loss([z, t], adjoint, to),
            Composite::CrossEntropy(z, t) => return self.passed_by_cross_entropy([z, t], y, adjoint, to),
            Composite::Multiple(_, factor) => Ok(adjoint.times(factor)),
            Composite::Mean(a, axis, count) => self.passed_by_mean(a, axis, count, adjoint),
            Composite::MeanSquare(a) => self.passed_by_mean_square(a, adjoint),
            Composite::Variance { of, distance, axis } => {
                self.passed_by_variance((of, distance), axis, adjoint)
            }
            Composite::Normal { inverse, axis, centred, .. } => {
                self.passed_by_normal((y, inverse), (axis, centred), adjoint)
            }
            Composite::InverseDeviation(..) => self.passed_by_inverse_root(y, adjoint),
            Composite::ConstantOver(constant, a) => self.passed_by_constant_over((constant, a), y, adjoint),
            Composite::Magnitude(a) => self.passed_by_magnitude(a, adjoint),
            Composite::Exp(_) => self.scaled_by(adjoint, y),
            Composite::Log(a) => self.passed_by_log(a, adjoint),
            Composite::Sqrt(a) => self.passed_by_sqrt(a, adjoint),
            Composite::Rsqrt(_) => self.passed_by_inverse_root(y, adjoint),
            Composite::Sigmoid(_) => self.passed_by_sigmoid(y, adjoint),
            Composite::Tanh(_) => self.passed_by_tanh(y, adjoint),
            Composite::Sin(a) => self.passed_by_sine(a, adjoint),
            Composite::Cos(a) => self.passed_by_cosine(a, adjoint),
            Composite::Gelu(a) => self.passed_by_gelu(a, adjoint),
            Composite::Silu(a) => self.passed_by_silu(a, adjoint),
            Composite::LogSoftmax(a, axis) => self.passed_by_log_softmax(a, axis, adjoint),
            Composite::Softmax(_, axis) => self.passed_by_softmax(y, axis, adjoint),
        };
        Ok(vec![passed?])
    }

    /// The adjoint times a derivative, elementwise.
    pub(in crate::program) fn scaled_by(
        &mut self,
        adjoint: Adjoint,
        derivative: ValueId,
    ) -> Result<Adjoint, ProgramError> {
        let dims = self.dims(derivative);
        self.product_summed(adjoint, derivative, dims, dims)
    }
}
