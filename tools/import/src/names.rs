//! Names of inputs, steps and outputs: those of the model, as far as a job can write them.

use std::collections::{BTreeMap, BTreeSet};

/// The longest name: a job takes 64 characters, and a number may follow.
const LONGEST: usize = 56;

/// The names of a job.
pub(crate) struct Names<'a> {
    taken: BTreeSet<String>,
    /// The next number behind a name that is taken.
    next: BTreeMap<String, u32>,
    /// Whether a word means something else to steps.
    is_reserved: &'a dyn Fn(&str) -> bool,
}

impl<'a> Names<'a> {
    pub(crate) fn new(is_reserved: &'a dyn Fn(&str) -> bool) -> Names<'a> {
        Names { taken: BTreeSet::new(), next: BTreeMap::new(), is_reserved }
    }

    /// A name like this one that nothing has yet.
    pub(crate) fn fresh(&mut self, like: &str) -> String {
        let base = identifier(like);
        let mut name = base.clone();
        while self.taken.contains(&name) || (self.is_reserved)(&name) {
            let next = self.next.entry(base.clone()).or_insert(2);
            name = format!("{base}_{next}");
            *next += 1;
        }
        self.taken.insert(name.clone());
        name
    }
}

/// Letters, digits and underscores of a text.
pub(crate) fn identifier(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => name.push(letter),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
        if name.len() == LONGEST {
            break;
        }
    }
    let name = name.trim_end_matches('_');
    match name.chars().next() {
        None => "value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("v{name}"),
        Some(_) => name.to_owned(),
    }
}

/// The name of what a node defines: its own where it is a path, as PyTorch writes it, without the op and without parts that
/// the next part repeats; otherwise the name of its result.
pub(crate) fn of_node(node: &str, op: &str, output: &str) -> String {
    let is_number = output.chars().all(|letter| !letter.is_ascii_alphabetic());
    if !node.contains('/') {
        let plain = if is_number { node } else { output };
        return plain.rsplit("::").next().unwrap_or(plain).to_owned();
    }
    let mut parts: Vec<&str> = node.split('/').filter(|part| !part.is_empty()).collect();
    let is_op = |part: &str| part == op || part.strip_prefix(op).is_some_and(|rest| rest.starts_with('_'));
    if parts.len() > 1 && parts.last().is_some_and(|part| is_op(part)) {
        parts.pop();
    }
    let kept = parts
        .iter()
        .enumerate()
        .filter(|(at, part)| parts.get(at + 1).is_none_or(|next| !next.starts_with(*part)));
    kept.map(|(_, part)| *part).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_that_nothing_else_has() {
        let mut names = Names::new(&|name| name == "relu");
        let like = ["fc1.weight", "fc1/weight", "relu", "12", "", "ä", "onnx::MatMul_7"];
        let fresh: Vec<String> = like.iter().map(|like| names.fresh(like)).collect();
        assert_eq!(
            fresh,
            ["fc1_weight", "fc1_weight_2", "relu_2", "v12", "value", "value_2", "onnx_MatMul_7"]
        );
    }

    #[test]
    fn nodes_are_called_by_their_module() {
        assert_eq!(
            of_node("/layer1/layer1.0/conv1/Conv", "Conv", "/layer1/layer1.0/conv1/Conv_output_0"),
            "layer1.0_conv1"
        );
        assert_eq!(of_node("MatMul_3", "MatMul", "scores"), "scores");
        assert_eq!(of_node("MatMul_3", "MatMul", "17"), "MatMul_3");
    }
}
