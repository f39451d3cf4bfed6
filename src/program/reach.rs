//! The reach of inputs: the flow of data through a program's ops, whatever its values are.

use super::{Init, Input, Op, Output, Program, State};
use crate::share::PartyId;

impl Program {
    /// An input of `party` that reaches an output of another party, and that output; `None` where no other party
    /// learns anything that depends on what `party` brings.
    pub fn reach_of(&self, party: PartyId) -> Option<(&Input, &Output)> {
        let mut states: Vec<Option<usize>> = vec![None; self.states.len()];
        let reached = loop {
            let reached = self.reached(party, &states);
            // A run reaches the next by what it leaves, and so on.
            let left = |(state, known): (&State, &Option<usize>)| {
                let first = match state.init {
                    Init::Value(value) => reached[value.index()],
                    _ => None,
                };
                known.or(first).or(state.update.and_then(|update| reached[update.index()]))
            };
            let next: Vec<Option<usize>> = self.states.iter().zip(&states).map(left).collect();
            if next == states {
                break reached;
            }
            states = next;
        };
        let others = self.outputs.iter().filter(|output| output.to.iter().any(|to| to != party));
        others.filter_map(|output| Some((&self.inputs[reached[output.value.index()]?], output))).next()
    }

    /// For each value an input of `party` that reaches it in a run, where states are reached by these.
    fn reached(&self, party: PartyId, states: &[Option<usize>]) -> Vec<Option<usize>> {
        let mut reached: Vec<Option<usize>> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            let by = match value.op {
                Op::Input(index) => Some(index).filter(|&index| self.inputs[index].owner == party),
                Op::State(index) => states[index],
                op if self.keeps_nothing(op) => None,
                op => op.operands().find_map(|operand| reached[operand.index()]),
            };
            reached.push(by);
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::expression::{Names, add_step};
    use crate::ring::{FixedPoint, Ring, Shape};

    #[test]
    fn an_input_reaches_what_is_computed_from_it_and_only_other_parties_outputs_count() {
        let mut program = Program::new(3, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
        let mut names = Names::new();
        for (name, owner) in [("x", 0), ("w", 1), ("unused", 2)] {
            let value = program.input(name, PartyId(owner), Shape::new(2, 2), None).expect("an input");
            names.insert(name.to_owned(), value);
        }
        for (number, step) in (1..).zip(["h = relu(x @ w)", "z = sum(h)", "own = x * 2"]) {
            add_step(&mut program, &mut names, number, step).expect("a step");
        }
        for (name, to) in [("own", 0), ("z", 0)] {
            program.output(name, names[name], PartyId(to).alone()).expect("an output");
        }
        let reach = |program: &Program, party| {
            let reach = program.reach_of(PartyId(party));
            reach.map(|(input, output)| (input.name.clone(), output.name.clone()))
        };
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(reach(&program, 0), None, "x reaches party 0's outputs alone");
        assert_eq!(reach(&program, 1), pair("w", "z"));
        assert_eq!(reach(&program, 2), None, "nothing is computed from it");
        program.output("h", names["h"], PartyId(2).alone()).expect("an output");
        assert_eq!(reach(&program, 0), pair("x", "h"));
    }
}
