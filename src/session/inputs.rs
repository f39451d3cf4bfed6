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
    if codec.fraction_bits() == 0 {
        let Some(found) = input.first_outside(elements) else { return Ok(()) };
        return Err(SessionError::InputInteger {
            name: name(),
            kind: input.kind,
            span: input.span(ring),
            found,
        });
    }
    let Some(bound) = input.bound else { return Ok(()) };
    let most = bound + codec.resolution() / 2.0;
    let largest = elements.largest_magnitude(codec);
    if largest > most {
        return Err(SessionError::InputBound { name: name(), bound, found: largest });
    }
    Ok(())
}
