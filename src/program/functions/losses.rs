//! Losses: how far what a model says is from what is so, as one number.
//!
//! Each is computed without a large intermediate result, and its derivative is the fused one: 2·(y − t)/n, (sigmoid(z) −
//! t)/n and (softmax(z) − t)/n. So a loss that nobody learns is not computed at all, where only its gradient is asked for.

use super::super::gradient::{Adjoint, Composite, GradientError};
use super::super::{Dims, Program, ProgramError, ValueId};
use super::coefficients::SOFTPLUS;

impl Program {
    /// The mean of (y − t)² over all elements.
    ///
    /// *Error:* at most 4·10⁻⁵ of the larger of the result and 1. In 32 bits: 10⁻². *Rounds:* 2 where bounds show the
    /// squares to be small, otherwise 4.
    ///
    /// # Errors
    /// In integer programs, where there is no element, and where the shapes differ.
    pub fn mse(&mut self, y: ValueId, t: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("mse({}, {})", self.short(y), self.short(t)));
        let [y, t] = self.compared_with(y, t, &label)?;
        let difference = self.sub(y, t)?;
        let start = self.values().len();
        let all = self.in_a_row(difference)?;
        let mean = self.mean_square_along(all, 0, self.codec().fraction_bits())?;
        let result = self.reshape_to(mean, Dims::SCALAR)?;
        self.parts_of(first, &label);
        self.composed(start, result, Composite::MeanSquare(difference));
        self.called(result, label, None)
    }

    /// 2/n of the numbers.
    pub(in crate::program) fn passed_by_mean_square(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let adjoint = adjoint.times(2.0 / self.value(a).shape.len() as f64);
        match adjoint.value {
            None => Ok(adjoint.with(a)),
            Some(g) => Ok(adjoint.with(self.mul(a, g)?)),
        }
    }

    /// The mean over all elements of the logistic loss ln(1 + e^z) − t·z of logits z, of which labels t between 0 and 1 say
    /// how likely the answer is yes: that of t and sigmoid(z). Method: max(z, 0) − t·z, and a polynomial of degree 15 in
    /// min(|z|, 16) for ln(1 + e^−|z|).
    ///
    /// *Error:* at most 3·10⁻⁵ for logits below 64 in magnitude. In 32 bits: 10⁻². *Rounds:* 14.
    ///
    /// # Errors
    /// In integer programs, where there is no element, and where the shapes differ.
    pub fn logistic_loss(&mut self, z: ValueId, t: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values().len(), format!("logistic_loss({}, {})", self.short(z), self.short(t)));
        let [z, t] = self.compared_with(z, t, &label)?;
        let folded = self.folded(z, 16.0)?;
        let eighth = self.rescaled(folded.magnitude, -3, self.fine_bits())?;
        let at = self.offset(eighth, -1.0)?;
        let rest = self.polynomial(at, &SOFTPLUS, self.codec().fraction_bits())?.value;
        let positive = self.mul(folded.positive, z)?;
        self.refine(positive, Some(self.any_or_known(z).positive()));
        let start = self.values().len();
        let of_labels = self.mul(t, z)?;
        self.need_from(start);
        let above = self.sub(positive, of_labels)?;
        let losses = self.add(above, rest)?;
        let result = self.mean_of_all(losses)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::LogisticLoss(z, t));
        self.called(result, label, None)
    }

    /// (sigmoid(z) − t)/n to the logits, −z/n to the labels.
    pub(in crate::program) fn passed_by_logistic_loss(
        &mut self,
        [z, t]: [ValueId; 2],
        adjoint: Adjoint,
        to: ValueId,
    ) -> Result<Vec<Adjoint>, ProgramError> {
        let adjoint = adjoint.times(1.0 / self.value(z).shape.len() as f64);
        let mut all = Vec::new();
        if z == to {
            let likely = self.sigmoid(z)?;
            let slope = self.sub(likely, t)?;
            all.push(self.by_single(adjoint, slope)?);
        }
        if t == to {
            all.push(self.by_single(adjoint.times(-1.0), z)?);
        }
        Ok(all)
    }

    /// The mean of the cross-entropies −Σ t·ln softmax(z) along the last axis: of logits z and labels t, which are the
    /// probabilities of the classes and add up to 1, such as a 1 at the right class and zeros elsewhere. Method: the
    /// largest logit is subtracted first; then the logarithm of the sum of powers, less Σ t·z.
    ///
    /// *Error:* at most 2·10⁻⁴ for logits that are less than 16 apart, below which powers count as e^−16. In 32 bits:
    /// 2·10⁻². *Rounds:* 24 beside those of the largest logit.
    ///
    /// # Errors
    /// In integer programs, where there is no element, and where the shapes differ or have no axis.
    pub fn cross_entropy(&mut self, z: ValueId, t: ValueId) -> Result<ValueId, ProgramError> {
        let (first, label) =
            (self.values().len(), format!("cross_entropy({}, {})", self.short(z), self.short(t)));
        let [z, t] = self.compared_with(z, t, &label)?;
        self.check_axis(z, 0)?;
        let axis = self.dims(z).rank() - 1;
        let (below, all) = self.log_powers(z, axis)?;
        let start = self.values().len();
        let picked = self.raw_product(t, below)?;
        let picked = self.sum_along(picked, axis)?;
        self.need_from(start);
        let picked = self.truncated(picked, label.clone())?;
        let losses = self.sub(all, picked)?;
        let result = self.mean_of_all(losses)?;
        self.parts_of(first, &label);
        self.composed(first, result, Composite::CrossEntropy(z, t));
        self.called(result, label, None)
    }

    /// (softmax(z) − t)/n to the logits, for n rows.
    pub(in crate::program) fn passed_by_cross_entropy(
        &mut self,
        [z, t]: [ValueId; 2],
        y: ValueId,
        adjoint: Adjoint,
        to: ValueId,
    ) -> Result<Vec<Adjoint>, ProgramError> {
        if t == to {
            let function = self.value(y).label.clone();
            return Err(GradientError::NoDerivativeBy { function, argument: "labels" }.into());
        }
        let rows = self.value(z).shape.rows as f64;
        let likely = self.softmax(z, self.dims(z).rank() - 1)?;
        let slope = self.sub(likely, t)?;
        Ok(vec![self.by_single(adjoint.times(1.0 / rows), slope)?])
    }

    /// The adjoint of a single number times a value.
    fn by_single(&mut self, adjoint: Adjoint, slope: ValueId) -> Result<Adjoint, ProgramError> {
        Ok(adjoint.with(match adjoint.value {
            None => slope,
            Some(g) => self.mul(slope, g)?,
        }))
    }

    /// Numbers and what they should be, of one shape and with fractions.
    fn compared_with(&mut self, a: ValueId, b: ValueId, label: &str) -> Result<[ValueId; 2], ProgramError> {
        let dims = self.dims(a);
        if dims != self.dims(b) {
            return Err(ProgramError::Unequal(self.operands(a, b)));
        }
        if dims.checked_len() == Some(0) {
            return Err(ProgramError::NoElement { label: self.short(a), shape: dims });
        }
        Ok([self.argument(a, label)?, self.argument(b, label)?])
    }

    /// All elements one after the other.
    fn in_a_row(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let row = Dims::new(&[self.value(a).shape.len()]).expect("one axis");
        self.reshape_to(a, row)
    }

    /// The mean as a single number.
    fn mean_of_all(&mut self, losses: ValueId) -> Result<ValueId, ProgramError> {
        let mean = self.mean(losses, None)?;
        self.reshape_to(mean, Dims::SCALAR)
    }
}
