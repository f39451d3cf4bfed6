//! What a party brings to a run beside its inputs: its parts of states' first values, and public values.

use super::{Prepared, Session, SessionError};
use crate::program::{Init, Op, Program, uniform};
use crate::protocol::Protocol;
use crate::ring::Elements;
use crate::run::HostMatrix;
use crate::share::Role;
use std::collections::BTreeMap;

impl Session {
    /// Adds the public values of a run to its inputs, behind these and the states.
    pub(super) fn add_publics(
        &self,
        prepared: &mut Prepared,
        inputs: &mut BTreeMap<usize, HostMatrix>,
    ) -> Result<(), SessionError> {
        let run = prepared.runs();
        let Prepared { program, passes, .. } = prepared;
        let behind = program.inputs().len() + program.states().len();
        for (index, public) in program.publics().iter().enumerate() {
            let shape = program.public_shape(index);
            let elements = program.public_elements(index, run, passes);
            let ended = || SessionError::PublicEnds { name: public.name.clone(), run: run + 1 };
            inputs.insert(behind + index, HostMatrix { shape, elements: elements.ok_or_else(ended)? });
        }
        Ok(())
    }

    /// Adds this party's parts of first values to its inputs, behind these.
    pub(super) fn add_first_states(
        &self,
        protocol: Protocol,
        program: &Program,
        inputs: &mut BTreeMap<usize, HostMatrix>,
    ) -> Result<(), SessionError> {
        let Role::Party(own) = self.role else { return Ok(()) };
        let ring = program.ring();
        for (index, state) in program.states().iter().enumerate() {
            let keepers = protocol.keepers(program, index);
            if !keepers.contains(own) {
                continue;
            }
            let shape = state.shape();
            let zeros = || Elements::zeros(ring, shape.len());
            let elements = match &state.init {
                Init::Value(value) => match program.value(*value).op {
                    Op::Input(input) => inputs.get(&input).map_or_else(zeros, |given| given.elements.clone()),
                    _ => zeros(),
                },
                Init::Random { magnitude } => {
                    let key = self.keys.first_state(self.role, index)?;
                    uniform(program.codec(), &key, magnitude / keepers.len() as f64, shape.len())
                }
                public if keepers.lowest() == Some(own) => {
                    public.public(program, shape.len()).expect("it is public")
                }
                _ => zeros(),
            };
            inputs.insert(program.inputs().len() + index, HostMatrix { shape, elements });
        }
        Ok(())
    }
}
