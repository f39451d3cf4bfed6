//! This party's inputs, held against what the program says of them.

use super::{Session, SessionError};
use crate::program::{Input, Program};
use crate::ring::Elements;
use crate::run::HostMatrix;
use std::collections::BTreeMap;

impl Session {
    /// This party's inputs to the program's `run`-th run by position, held against what the program says of them.
    pub(super) fn own_inputs(
        &self,
        program: &Program,
        mut given: BTreeMap<String, Elements>,
        run: u32,
    ) -> Result<BTreeMap<usize, HostMatrix>, SessionError> {
        let mut own = BTreeMap::new();
        for (index, input) in program.inputs().iter().enumerate() {
            if self.role != input.owner.into() {
                continue;
            }
            let name = input.name.clone();
            let elements = given.remove(&input.name);
            if input.resident && run > 0 {
                if elements.is_some() {
                    return Err(SessionError::ResidentInput { name });
                }
                continue;
            }
            let Some(elements) = elements else {
                return Err(SessionError::MissingInput { name, party: input.owner });
            };
            check_input(program, input, &elements)?;
            own.insert(index, HostMatrix { shape: input.shape, elements });
        }
        match given.into_keys().next() {
            None => Ok(own),
            Some(name) => Err(SessionError::UnknownInput { name, role: self.role }),
        }
    }
}

/// Holds an input against what the program says of it.
fn check_input(program: &Program, input: &Input, elements: &Elements) -> Result<(), SessionError> {
    let name = || input.name.clone();
    if elements.ring() != program.ring() {
        return Err(SessionError::InputRing {
            name: name(),
            expected: program.ring(),
            found: elements.ring(),
        });
    }
    let (expected, found) = (input.shape.len(), elements.len());
    if expected != found {
        return Err(SessionError::InputLength { name: name(), expected, found });
    }
    let (codec, ring) = (program.codec(), program.ring());
    if program.value(input.value).integers.is_some() {
        let Some(found) = input.first_outside(elements) else { return Ok(()) };
        return Err(SessionError::InputInteger {
            name: name(),
            kind: input.kind,
            span: input.span(ring),
            found,
        });
    }
    let Some(bound) = input.bound else { return Ok(()) };
    // Integers, as f64 does not hold every element: no number within the bound becomes a larger one than the bound does.
    let most = (bound / codec.resolution()).round_ties_even() as u128;
    let largest = elements.largest_magnitude();
    if u128::from(largest) > most {
        let found = largest as f64 * codec.resolution();
        return Err(SessionError::InputBound { name: name(), bound, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::PartyId;

    #[test]
    fn elements_are_held_against_bounds_exactly() {
        let check = |bound: f64, element: u64| {
            let codec = FixedPoint::new(Ring::Z64, 4).unwrap();
            let mut program = Program::new(2, codec);
            program.input("x", PartyId(0), Shape::new(1, 1), Some(bound)).unwrap();
            check_input(&program, &program.inputs()[0], &Elements::Z64(vec![element]))
        };
        let bound = (1u64 << 54) as f64;
        for (bound, most) in [(bound, 1u64 << 58), (0.1, 2), (2.5 / 16.0, 2)] {
            assert_eq!(check(bound, most), Ok(()), "{bound}");
            assert_eq!(check(bound, most.wrapping_neg()), Ok(()), "-{bound}");
            for beyond in [most + 1, (most + 1).wrapping_neg()] {
                let error = check(bound, beyond).expect_err("a unit more than the bound");
                assert!(matches!(error, SessionError::InputBound { .. }), "{error}");
            }
        }
    }
}
