//! Products of tensors by the names of their indices, as NumPy's `einsum`.
//!
//! Of two values an index of both that is not the result's is summed in a matrix product, one of both that is makes a batch,
//! and one of either alone is kept, or summed first. More than two values are multiplied from the left.

use super::{Dims, Program, ProgramError, ValueId};

/// The letters of a value's axes.
type Letters = Vec<char>;

impl Program {
    /// The sum of products that indices such as `ij,jk->ik` name: a letter for each axis of each value, and those of the
    /// result; without an arrow the result has the letters that occur once, in alphabetical order.
    ///
    /// *Error:* that of the products. *Rounds:* those of one product less than there are values.
    ///
    /// # Errors
    /// Where the indices do not fit the values, or a value has one twice.
    pub fn einsum(&mut self, indices: &str, values: &[ValueId]) -> Result<ValueId, ProgramError> {
        let wrong = |what: String| ProgramError::Einsum { indices: indices.to_owned(), what };
        let (operands, result) = read(indices).map_err(wrong)?;
        if operands.len() != values.len() {
            return Err(wrong(format!("it is of {} values, and there are {}", operands.len(), values.len())));
        }
        for (letters, &value) in operands.iter().zip(values) {
            let dims = self.dims(value);
            if dims.rank() != letters.len() {
                let name: String = letters.iter().collect();
                return Err(wrong(format!("{} of shape {dims} has not the axes {name}", self.short(value))));
            }
            for (index, letter) in letters.iter().enumerate() {
                let own = dims.extents()[index];
                let other = operands.iter().zip(values).find_map(|(letters, &value)| {
                    let at = letters.iter().position(|other| other == letter)?;
                    Some(self.dims(value).extents()[at]).filter(|&extent| extent != own)
                });
                if let Some(other) = other {
                    return Err(wrong(format!("{letter} has extents {own} and {other}")));
                }
            }
        }
        let first = self.values.len();
        let mut terms = operands.iter().cloned().zip(values.iter().copied());
        let mut product = terms.next().expect("at least one value");
        let rest: Vec<(Letters, ValueId)> = terms.collect();
        for (place, term) in rest.iter().enumerate() {
            let is_kept = |letter: &char| {
                result.contains(letter)
                    || rest[place + 1..].iter().any(|(letters, _)| letters.contains(letter))
            };
            let letters = product.0.iter().chain(&term.0);
            let mut kept: Letters = letters.filter(|letter| is_kept(letter)).copied().collect();
            let mut seen = Vec::new();
            kept.retain(|letter| {
                !seen.contains(letter) && {
                    seen.push(*letter);
                    true
                }
            });
            product = self.product_of_two(product, term.clone(), &kept, &wrong)?;
        }
        let (letters, value) = product;
        let value = self.summed_but(value, &letters, &result)?;
        let left: Letters = letters.into_iter().filter(|letter| result.contains(letter)).collect();
        let order: Vec<usize> = result.iter().map(|letter| at(&left, *letter)).collect();
        let value = self.permute(value, &order)?;
        if value.index() < first {
            Ok(value)
        } else {
            self.called(value, format!("einsum(\"{indices}\")"), None)
        }
    }

    /// The product of two values, of which the indices `kept` remain.
    fn product_of_two(
        &mut self,
        (left, a): (Letters, ValueId),
        (right, b): (Letters, ValueId),
        kept: &Letters,
        wrong: &dyn Fn(String) -> ProgramError,
    ) -> Result<(Letters, ValueId), ProgramError> {
        // An index of one value alone that is not kept is summed before.
        let stays = |own: &Letters, other: &Letters| -> Letters {
            own.iter().filter(|letter| kept.contains(letter) || other.contains(letter)).copied().collect()
        };
        let (of_a, of_b) = (stays(&left, &right), stays(&right, &left));
        let (a, b) = (self.summed_but(a, &left, &of_a)?, self.summed_but(b, &right, &of_b)?);
        let extent = |letters: &Letters, dims: Dims, wanted: &[char]| -> Vec<usize> {
            wanted.iter().map(|letter| dims.extents()[at(letters, *letter)]).collect()
        };
        let both = |letter: &&char| of_a.contains(letter) && of_b.contains(letter);
        let batch: Letters = kept.iter().filter(both).copied().collect();
        let inner: Letters =
            of_a.iter().filter(both).filter(|letter| !kept.contains(letter)).copied().collect();
        let own = |of: &Letters, other: &Letters| -> Letters {
            of.iter().filter(|letter| !other.contains(letter)).copied().collect()
        };
        let (rows, cols) = (own(&of_a, &of_b), own(&of_b, &of_a));
        let result: Letters = [&batch[..], &rows, &cols].concat();
        let (dims_a, dims_b) = (self.dims(a), self.dims(b));
        let extents =
            [extent(&of_a, dims_a, &batch), extent(&of_a, dims_a, &rows), extent(&of_b, dims_b, &cols)];
        let count = |extents: &[usize]| extents.iter().product::<usize>();
        let [planes, height, width] = [count(&extents[0]), count(&extents[1]), count(&extents[2])];
        let length = count(&extent(&of_a, dims_a, &inner));
        let to = Dims::new(&extents.concat()).map_err(|error| wrong(format!("a product has {error}")))?;
        let a = self.as_planes(a, &of_a, &[&batch, &rows, &inner], [planes, height, length])?;
        let product = if rows.is_empty() && cols.is_empty() {
            let b = self.as_planes(b, &of_b, &[&batch, &cols, &inner], [planes, width, length])?;
            let products = self.raw_product(a, b)?;
            let sums = self.sum_along(products, 2)?;
            self.truncated(sums, String::from("einsum"))?
        } else if inner.is_empty() {
            let b = self.as_planes(b, &of_b, &[&batch, &inner, &cols], [planes, length, width])?;
            self.mul(a, b)?
        } else {
            let b = self.as_planes(b, &of_b, &[&batch, &inner, &cols], [planes, length, width])?;
            let matrix = |program: &mut Program, value, rows, cols| {
                program.reshape_to(value, Dims::new(&[rows, cols]).expect("two axes"))
            };
            match planes {
                1 => {
                    let (a, b) = (matrix(self, a, height, length)?, matrix(self, b, length, width)?);
                    self.matmul(a, b)?
                }
                _ => self.matmul(a, b)?,
            }
        };
        Ok((result, self.reshape_to(product, to)?))
    }

    /// The value with three axes: these groups of its axes, in their order.
    fn as_planes(
        &mut self,
        a: ValueId,
        letters: &Letters,
        groups: &[&Letters; 3],
        extents: [usize; 3],
    ) -> Result<ValueId, ProgramError> {
        let order: Vec<usize> =
            groups.iter().flat_map(|group| group.iter()).map(|letter| at(letters, *letter)).collect();
        let turned = self.permute(a, &order)?;
        self.reshape_to(turned, Dims::new(&extents).expect("three axes"))
    }

    /// The value summed over all of its axes but these.
    fn summed_but(&mut self, a: ValueId, letters: &Letters, kept: &Letters) -> Result<ValueId, ProgramError> {
        let axes: Vec<usize> = (0..letters.len()).filter(|&axis| !kept.contains(&letters[axis])).collect();
        if axes.is_empty() {
            return Ok(a);
        }
        let (own, mut sums) = (self.dims(a), a);
        for &axis in &axes {
            sums = self.sum_along(sums, axis)?;
        }
        let dims = axes.iter().rev().fold(own, |dims, &axis| dims.without(axis));
        self.reshape_to(sums, dims)
    }
}

/// The place of a letter.
fn at(letters: &Letters, letter: char) -> usize {
    letters.iter().position(|other| *other == letter).expect("one of the letters")
}

/// The letters of each value, and of the result.
fn read(indices: &str) -> Result<(Vec<Letters>, Letters), String> {
    let text: String = indices.chars().filter(|letter| *letter != ' ').collect();
    let (before, after) = match text.split_once("->") {
        Some((before, after)) => (before, Some(after)),
        None => (&*text, None),
    };
    if let Some(other) =
        before.chars().chain(after.unwrap_or("").chars()).find(|c| !c.is_ascii_alphabetic() && *c != ',')
    {
        return Err(format!("'{other}' is no index: letters are"));
    }
    let operands: Vec<Letters> = before.split(',').map(|letters| letters.chars().collect()).collect();
    let twice = |letters: &Letters| {
        letters
            .iter()
            .enumerate()
            .find(|(place, letter)| letters[..*place].contains(letter))
            .map(|(_, letter)| *letter)
    };
    let result: Letters = match after {
        Some(after) => after.chars().collect(),
        None => {
            let all: Letters = operands.concat();
            let mut once: Letters = all
                .iter()
                .filter(|letter| all.iter().filter(|other| other == letter).count() == 1)
                .copied()
                .collect();
            once.sort_unstable();
            once
        }
    };
    if let Some(letter) = operands.iter().chain([&result]).find_map(twice) {
        return Err(format!("{letter} stands twice in one value: products are computed, and no diagonals"));
    }
    match result.iter().find(|letter| !operands.iter().any(|letters| letters.contains(letter))) {
        Some(letter) => Err(format!("{letter} is an index of no value")),
        None => Ok((operands, result)),
    }
}
