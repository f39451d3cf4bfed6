//! The nodes of a model in an order in which each finds what it takes.

use crate::read::{Model, Node};
use std::collections::{BTreeMap, BTreeSet};

impl Model {
    /// Puts the nodes in order, without those that no output needs.
    ///
    /// # Errors
    /// Where a value is defined twice or not at all, or by itself.
    pub(crate) fn sort(&mut self) -> Result<(), String> {
        let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
        let given: BTreeSet<&str> = self
            .inputs
            .iter()
            .map(|input| input.name.as_str())
            .chain(self.parameters.keys().map(String::as_str))
            .collect();
        for (index, node) in self.nodes.iter().enumerate() {
            for output in node.outputs.iter().filter(|output| !output.is_empty()) {
                if given.contains(output.as_str()) || makers.insert(output, index).is_some() {
                    return Err(format!("the value '{}' is defined twice", output.escape_debug()));
                }
            }
        }
        let order = order(&self.nodes, &self.outputs, &makers, &given)?;
        let mut nodes: Vec<Option<Node>> = std::mem::take(&mut self.nodes).into_iter().map(Some).collect();
        self.nodes = order.into_iter().filter_map(|index| nodes[index].take()).collect();
        Ok(())
    }
}

/// The order of the nodes that the outputs need, depth first without recursion: a file may nest as deep as it likes.
fn order(
    nodes: &[Node],
    outputs: &[String],
    makers: &BTreeMap<&str, usize>,
    given: &BTreeSet<&str>,
) -> Result<Vec<usize>, String> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Begun,
        Done,
    }
    let mut states = vec![State::New; nodes.len()];
    let mut order = Vec::new();
    let maker = |value: &str| match makers.get(value) {
        Some(&index) => Ok(Some(index)),
        None if value.is_empty() || given.contains(value) => Ok(None),
        None => Err(format!("the value '{}' is defined nowhere", value.escape_debug())),
    };
    for output in outputs {
        let mut stack: Vec<(usize, usize)> = maker(output)?.map(|index| (index, 0)).into_iter().collect();
        while let Some((index, next)) = stack.pop() {
            if next == 0 {
                match states[index] {
                    State::Done => continue,
                    State::Begun => {
                        return Err(format!(
                            "the node '{}' depends on itself",
                            nodes[index].name.escape_debug()
                        ));
                    }
                    State::New => states[index] = State::Begun,
                }
            }
            let Some(input) = nodes[index].inputs.get(next) else {
                states[index] = State::Done;
                order.push(index);
                continue;
            };
            stack.push((index, next + 1));
            if let Some(before) = maker(input)?
                && states[before] != State::Done
            {
                stack.push((before, 0));
            }
        }
    }
    Ok(order)
}
