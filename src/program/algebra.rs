//! Powers, running sums, sums of groups, and products of vectors.

use super::build::whole;
use super::range::Interval;
use super::{Dims, Number, Op, Program, ProgramError, Stride, ValueId};

/// The largest whole power.
const MOST_POWER: i128 = 64;

impl Program {
    /// a to a public power: a whole number, or half a one. Method: squares, and a product of those that the exponent has;
    /// of negative powers the inverse first, of halves the root.
    ///
    /// *Error:* that of the products: a unit and |a|^(n−1) · n · ε for an error ε of the base; those of
    /// [`Program::reciprocal`], [`Program::sqrt`] and [`Program::rsqrt`] count as that of the base. *Rounds:* two for each
    /// bit of the exponent.
    ///
    /// # Errors
    /// For other powers, and in integer programs for negative ones and halves.
    pub fn power(&mut self, a: ValueId, exponent: Number) -> Result<ValueId, ProgramError> {
        let (first, label) = (self.values.len(), format!("({} ** {})", self.short(a), exponent.value()));
        let twice = whole(Number::Real(2.0 * exponent.value())).filter(|twice| twice.abs() <= 2 * MOST_POWER);
        let Some(twice) = twice else {
            return Err(ProgramError::Power { label, exponent: exponent.value(), most: MOST_POWER });
        };
        let result = match (twice % 2 == 0, twice) {
            (true, 0) => self.filled(self.dims(a), Number::Integer(1))?,
            (true, 1..) => self.whole_power(a, twice / 2)?,
            (true, _) => {
                let inverse = self.reciprocal(a)?;
                self.whole_power(inverse, -twice / 2)?
            }
            (false, 1..) => {
                let root = self.sqrt(a)?;
                match twice / 2 {
                    0 => root,
                    power => {
                        let power = self.whole_power(a, power)?;
                        self.mul(power, root)?
                    }
                }
            }
            (false, _) => {
                let root = self.rsqrt(a)?;
                self.whole_power(root, -twice)?
            }
        };
        if result.index() < first { Ok(result) } else { self.called(result, label, None) }
    }

    /// a to a power from 1 on.
    fn whole_power(&mut self, a: ValueId, exponent: i128) -> Result<ValueId, ProgramError> {
        let (mut square, mut rest, mut product) = (a, exponent, None);
        loop {
            if rest % 2 == 1 {
                product = Some(match product {
                    None => square,
                    Some(product) => self.mul(product, square)?,
                });
            }
            rest /= 2;
            if rest == 0 {
                return Ok(product.expect("the exponent is not zero"));
            }
            square = self.mul(square, square)?;
        }
    }

    /// The sums of the elements up to each one along an axis. Method: sums of 2, then of 4, and so on.
    ///
    /// *Error:* none. *Rounds:* none.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn running_sum(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        let label = format!("cumsum({})", self.short(a));
        let known = self.interval(a);
        let sums = self.running(a, axis, |count| known.map(|known| known.hull(known.times(count))))?;
        if sums == a { Ok(a) } else { self.called(sums, label, None) }
    }

    /// The same, where it is known in which interval sums of at most so many neighbours lie.
    pub(super) fn running(
        &mut self,
        a: ValueId,
        axis: usize,
        known: impl Fn(f64) -> Option<Interval>,
    ) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let own = self.dims(a);
        let extent = own.extents()[axis];
        let (mut sums, mut distance) = (a, 1);
        while distance < extent {
            let part = self.slice_axes(sums, &along(own, axis, 0, extent - distance))?;
            let zeros = self.zeros_like(own.with(axis, distance), a)?;
            let moved = self.concat_along(zeros, part, axis)?;
            sums = self.add(sums, moved)?;
            self.refine(sums, known(extent.min(2 * distance) as f64));
            distance *= 2;
        }
        Ok(sums)
    }

    /// The products of the elements up to each one along an axis. Method: products of 2, then of 4, and so on.
    ///
    /// *Error:* that of the products. *Rounds:* two for each doubling of the extent.
    ///
    /// # Errors
    /// Where there is no such axis.
    pub fn running_product(&mut self, a: ValueId, axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let (own, label) = (self.dims(a), format!("cumprod({})", self.short(a)));
        let extent = own.extents()[axis];
        let (mut products, mut distance) = (a, 1);
        while distance < extent {
            let first = self.slice_axes(products, &along(own, axis, 0, distance))?;
            let rest = self.slice_axes(products, &along(own, axis, distance, extent))?;
            let before = self.slice_axes(products, &along(own, axis, 0, extent - distance))?;
            let longer = self.mul(before, rest)?;
            products = self.concat_along(first, longer, axis)?;
            distance *= 2;
        }
        if products == a { Ok(a) } else { self.called(products, label, None) }
    }

    /// The sums of groups along an axis: each index along it belongs to the group of this number.
    ///
    /// *Error:* none. *Rounds:* none.
    ///
    /// # Errors
    /// Where there is no such axis, or its extent is not the number of groups listed.
    pub fn group_sums(&mut self, a: ValueId, groups: &[usize], axis: usize) -> Result<ValueId, ProgramError> {
        self.check_axis(a, axis)?;
        let (own, label) = (self.dims(a), format!("group_sum({})", self.short(a)));
        let count = groups.iter().max().map_or(0, |&last| last.saturating_add(1));
        if own.extents()[axis] != groups.len() || count > super::MOST_LISTED {
            let what =
                format!("axis {axis} of extent {}, with groups below {}", groups.len(), super::MOST_LISTED);
            return Err(ProgramError::OutOfRange { label: self.short(a), shape: own, what });
        }
        let mut sums = Vec::new();
        for group in 0..count {
            let members: Vec<usize> = (0..groups.len()).filter(|&index| groups[index] == group).collect();
            sums.push(if members.is_empty() {
                self.zeros_like(own.with(axis, 1), a)?
            } else {
                let members = self.take(a, &members, axis)?;
                self.sum_along(members, axis)?
            });
        }
        if sums.is_empty() {
            return self.zeros_like(own.with(axis, 0), a);
        }
        let result = self.joined_all(sums, axis)?;
        self.called(result, label, None)
    }

    /// The matrix product, or the product where one of them is a single number (NumPy's `dot`).
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn dot(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        match self.dims(a).rank().min(self.dims(b).rank()) {
            0 => self.mul(a, b),
            _ => self.matmul(a, b),
        }
    }

    /// All products of an element of the one and an element of the other, a row for each of the first.
    ///
    /// # Errors
    /// Where there are too many elements.
    pub fn outer(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("outer({}, {})", self.short(a), self.short(b));
        let [rows, cols] = [a, b].map(|value| self.value(value).shape.len());
        let column = self.reshape_to(a, Dims::new(&[rows, 1]).expect("two axes"))?;
        let row = self.reshape_to(b, Dims::new(&[1, cols]).expect("two axes"))?;
        let result = self.mul(column, row)?;
        self.called(result, label, None)
    }

    /// The sum of a matrix's diagonal.
    ///
    /// # Errors
    /// Where the value is no matrix.
    pub fn trace(&mut self, a: ValueId) -> Result<ValueId, ProgramError> {
        let label = format!("trace({})", self.short(a));
        let diagonal = self.diagonal(a)?;
        let sum = self.sum(diagonal, None)?;
        self.called(sum, label, None)
    }

    /// Zeros that join a value without more ado.
    pub(super) fn zeros_like(&mut self, dims: Dims, like: ValueId) -> Result<ValueId, ProgramError> {
        let (zeros, bits) = (self.zeros(dims)?, self.value(like).fraction_bits);
        match bits {
            0 => Ok(zeros),
            _ => self.push_scaled(Op::Scale(zeros, 1), dims.folded(), bits, "0".to_owned()),
        }
    }
}

/// All of a value but along an axis.
fn along(dims: Dims, axis: usize, start: usize, end: usize) -> Vec<Stride> {
    let of = |(index, &extent): (usize, &usize)| match index == axis {
        true => Stride::range(start, end),
        false => Stride::range(0, extent),
    };
    dims.extents().iter().enumerate().map(of).collect()
}
