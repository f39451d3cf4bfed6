//! Sines and cosines.
//!
//! The argument is divided by 2π, and what is left of it below 1 is the argument of a polynomial of degree 15.

use super::super::gradient::{Adjoint, Composite};
use super::super::range::Interval;
use super::super::{Op, Program, ProgramError, Truncation, ValueId};
use super::coefficients::{COSINE, SINE};
use std::f64::consts::TAU;

impl Program {
    /// sin a for |a| ≤ 4096, or 64 in 32 bits.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 2·10⁻². *Rounds:* 15, or 16 where nothing is known of a.
    ///
    /// # Errors
    /// In integer programs.
    pub fn sin(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        self.wave(a, &SINE, "sin", Composite::Sin)
    }

    /// cos a for |a| ≤ 4096, or 64 in 32 bits.
    ///
    /// *Error:* at most 3·10⁻⁵. In 32 bits: 2·10⁻². *Rounds:* 15, or 16 where nothing is known of a.
    ///
    /// # Errors
    /// In integer programs.
    pub fn cos(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        self.wave(a, &COSINE, "cos", Composite::Cos)
    }

    fn wave(
        &mut self,
        a: ValueId,
        coefficients: &[f64],
        name: &str,
        composite: fn(ValueId) -> Composite,
    ) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values().len(), format!("{name}({})", self.short(a)));
        let a = self.argument(a, &label)?;
        let (fine, bits) = (self.fine_bits(), self.codec().fraction_bits());
        let most = if self.ring().bits() == 64 { 4096.0 } else { 64.0 };
        let turns = self.multiple(a, 1.0 / TAU, fine)?;
        let shape = self.value(turns).shape;
        let whole =
            self.push_scaled(Op::Truncate(turns, fine, Truncation::Exact), shape, 0, label.clone())?;
        let whole = self.push_scaled(Op::Scale(whole, 1 << fine), shape, fine, label.clone())?;
        let part = self.sub(turns, whole)?;
        self.refine(part, Some(Interval::new(0.0, 1.0 - self.value(part).unit())));
        // t = 2 · part − 1
        let twice = self.rescaled(part, 1, fine)?;
        let t = self.offset(twice, -1.0)?;
        let result = self.polynomial(t, coefficients, bits)?.value;
        self.parts_of(first, &label);
        self.composed(first, result, composite(a));
        self.demand(result, a, Interval::symmetric(most));
        self.called(result, label, None)
    }

    /// cos a times the adjoint.
    pub(in crate::program) fn passed_by_sine(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let slope = self.cos(a)?;
        self.scaled_by(adjoint, slope)
    }

    /// −sin a times the adjoint.
    pub(in crate::program) fn passed_by_cosine(
        &mut self,
        a: ValueId,
        adjoint: Adjoint,
    ) -> Result<Adjoint, ProgramError> {
        let slope = self.sin(a)?;
        self.scaled_by(adjoint.times(-1.0), slope)
    }
}
