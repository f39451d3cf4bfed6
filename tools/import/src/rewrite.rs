//! Groups of nodes that stand for one: Gelu by the error function, Silu, a layer norm by its mean and variance, the largest
//! of probabilities, and a convolution with the batch norm behind it.
//!
//! Exports spell these out; as one node they cost fewer rounds, and the error function has a counterpart in no other form.

use crate::read::{Attribute, Model, Node};
use crate::tensor::{Data, Tensor};
use std::collections::BTreeMap;

/// Replaces the groups.
pub(crate) fn rewrite(model: &mut Model) {
    let mut graph = Rewrite::new(model);
    for index in 0..graph.model.nodes.len() {
        match graph.model.nodes[index].op.as_str() {
            "Erf" => drop(graph.gelu(index)),
            "Sigmoid" => drop(graph.silu(index)),
            "ArgMax" => drop(graph.argmax(index)),
            "Sqrt" => drop(graph.layernorm(index)),
            "BatchNormalization" => drop(graph.batchnorm(index)),
            _ => {}
        }
    }
}

struct Rewrite<'a> {
    model: &'a mut Model,
    makers: BTreeMap<String, usize>,
    /// The nodes that take a value; an output of the model is taken by no node, and counts as one more.
    takers: BTreeMap<String, Vec<usize>>,
}

/// What stands for a model's output among the takers.
const OUTSIDE: usize = usize::MAX;

impl<'a> Rewrite<'a> {
    fn new(model: &'a mut Model) -> Rewrite<'a> {
        let (mut makers, mut takers) = (BTreeMap::new(), BTreeMap::<String, Vec<usize>>::new());
        for (index, node) in model.nodes.iter().enumerate() {
            for output in &node.outputs {
                makers.insert(output.clone(), index);
            }
            for input in &node.inputs {
                takers.entry(input.clone()).or_default().push(index);
            }
        }
        for output in &model.outputs {
            takers.entry(output.clone()).or_default().push(OUTSIDE);
        }
        Rewrite { model, makers, takers }
    }

    fn node(&self, index: usize) -> &Node {
        &self.model.nodes[index]
    }

    /// The node of this op that defines a value.
    fn made_by(&self, value: &str, op: &str) -> Option<usize> {
        self.makers.get(value).copied().filter(|&index| self.node(index).op == op)
    }

    /// The only node that takes a value.
    fn taker(&self, value: &str) -> Option<usize> {
        match self.takers.get(value)?[..] {
            [index] if index != OUTSIDE => Some(index),
            _ => None,
        }
    }

    /// The tensor that a value is, where that is known before anything is computed.
    fn constant(&self, value: &str) -> Option<&Tensor> {
        self.model.parameters.get(value).or_else(|| {
            match self.node(self.made_by(value, "Constant")?).attributes.get("value")? {
                Attribute::Tensor(tensor) => Some(tensor),
                _ => None,
            }
        })
    }

    /// A constant of which all elements are `number`, to six digits.
    fn is_number(&self, value: &str, number: f64) -> bool {
        self.constant(value)
            .and_then(Tensor::uniform)
            .is_some_and(|is| (is - number).abs() < 1e-6 * number.abs())
    }

    /// The two inputs of a node, the constant `number` second.
    fn with_number(&self, index: usize, number: f64) -> Option<&str> {
        match &self.node(index).inputs[..] {
            [a, b] if self.is_number(b, number) => Some(a),
            [a, b] if self.is_number(a, number) => Some(b),
            _ => None,
        }
    }

    /// The other input of a node of two.
    fn beside(&self, index: usize, value: &str) -> Option<&str> {
        match &self.node(index).inputs[..] {
            [a, b] if a == value => Some(b),
            [a, b] if b == value => Some(a),
            _ => None,
        }
    }

    fn output(&self, index: usize) -> &str {
        &self.node(index).outputs[0]
    }

    /// Puts a node in the place of the last one of a group.
    fn replace(
        &mut self,
        index: usize,
        op: &str,
        inputs: Vec<String>,
        attributes: BTreeMap<String, Attribute>,
    ) {
        let node = &mut self.model.nodes[index];
        op.clone_into(&mut node.op);
        node.inputs = inputs;
        node.attributes = attributes;
    }

    /// x · (erf(x / √2) + 1) · ½, in any order.
    fn gelu(&mut self, erf: usize) -> Option<()> {
        let scale = self.node(erf).inputs.first()?;
        let root = std::f64::consts::SQRT_2;
        let x = match self.makers.get(scale.as_str()).map(|&index| (index, self.node(index).op.as_str()))? {
            (index, "Div") if self.is_number(self.node(index).inputs.get(1)?, root) => {
                self.node(index).inputs.first()?
            }
            (index, "Mul") => self.with_number(index, 1.0 / root)?,
            _ => return None,
        };
        let x = x.to_owned();
        let sum = self.taker(self.output(erf)).filter(|&index| self.node(index).op == "Add")?;
        self.with_number(sum, 1.0)?;
        let mul = |value: &str| self.taker(value).filter(|&index| self.node(index).op == "Mul");
        let first = mul(self.output(sum))?;
        let other = self.beside(first, self.output(sum))?;
        let is_half_of_x = |value: &str| {
            self.made_by(value, "Mul").is_some_and(|index| self.with_number(index, 0.5) == Some(&x))
        };
        let last = if is_half_of_x(other) {
            first
        } else {
            let second = mul(self.output(first))?;
            let rest = self.beside(second, self.output(first))?;
            let fits = (other == x && self.is_number(rest, 0.5)) || (rest == x && self.is_number(other, 0.5));
            fits.then_some(second)?
        };
        self.replace(last, "Gelu", vec![x], BTreeMap::new());
        Some(())
    }

    /// The place of the largest probability is that of the largest score, which costs less and is never a tie of small ones.
    fn argmax(&mut self, index: usize) -> Option<()> {
        let mut scores = self.node(index).inputs.first()?.clone();
        while let Some(node) = self.made_by(&scores, "Identity") {
            scores.clone_from(self.node(node).inputs.first()?);
        }
        let softmax = self.made_by(&scores, "Softmax")?;
        let axis = |node: &Node| match node.attributes.get("axis") {
            Some(Attribute::Whole(axis)) => Some(*axis),
            _ => None,
        };
        // The data of scikit-learn's models has two axes, of which 1 is the last one.
        let own = axis(self.node(index))?;
        let of_table = self.model.nodes.iter().any(|node| node.op == "ArrayFeatureExtractor");
        let is_same = match axis(self.node(softmax)) {
            Some(axis) => axis == own,
            None => own == -1 || (own == 1 && of_table),
        };
        is_same.then_some(())?;
        self.model.nodes[index].inputs[0] = self.node(softmax).inputs.first()?.clone();
        Some(())
    }

    /// x · sigmoid(x).
    fn silu(&mut self, sigmoid: usize) -> Option<()> {
        let mul = self.taker(self.output(sigmoid)).filter(|&index| self.node(index).op == "Mul")?;
        let x = self.node(sigmoid).inputs.first()?.to_owned();
        (self.beside(mul, self.output(sigmoid))? == x).then_some(())?;
        self.replace(mul, "Silu", vec![x], BTreeMap::new());
        Some(())
    }

    /// (x − mean(x)) / √(mean((x − mean(x))²) + ε) over the last axis, with a scale and an offset where they follow.
    fn layernorm(&mut self, root: usize) -> Option<()> {
        let add = self.made_by(self.node(root).inputs.first()?, "Add")?;
        let [a, b] = &self.node(add).inputs[..] else { return None };
        let (variance, epsilon) = match (self.constant(a), self.constant(b)) {
            (None, Some(epsilon)) => (a, epsilon.uniform()?),
            (Some(epsilon), None) => (b, epsilon.uniform()?),
            _ => return None,
        };
        let squares = self.mean_of(variance)?;
        let square = *self.makers.get(squares)?;
        let distance = match (self.node(square).op.as_str(), &self.node(square).inputs[..]) {
            ("Pow", [distance, two]) if self.is_number(two, 2.0) => distance,
            ("Mul", [distance, same]) if distance == same => distance,
            _ => return None,
        };
        let x = self.distance_of(distance)?.to_owned();
        let divide = self.taker(self.output(root)).filter(|&index| self.node(index).op == "Div")?;
        let [numerator, denominator] = &self.node(divide).inputs[..] else { return None };
        if denominator != self.output(root) || self.distance_of(numerator)? != x {
            return None;
        }
        let attributes = BTreeMap::from([
            ("axis".to_owned(), Attribute::Whole(-1)),
            ("epsilon".to_owned(), Attribute::Real(epsilon)),
        ]);
        let affine = self.affine(divide);
        let (last, inputs) = match affine {
            Some((last, scale, offset)) => (last, vec![x, scale, offset]),
            None => (divide, vec![x]),
        };
        self.replace(last, "LayerNormalization", inputs, attributes);
        Some(())
    }

    /// The product and the sum with vectors that follow a node, and no other node takes part in.
    fn affine(&self, node: usize) -> Option<(usize, String, String)> {
        let is_vector = |value: &&str| self.constant(value).is_some_and(|tensor| tensor.dims.len() == 1);
        let mul = self.taker(self.output(node)).filter(|&index| self.node(index).op == "Mul")?;
        let scale = self.beside(mul, self.output(node)).filter(is_vector)?;
        let add = self.taker(self.output(mul)).filter(|&index| self.node(index).op == "Add")?;
        let offset = self.beside(add, self.output(mul)).filter(is_vector)?;
        Some((add, scale.to_owned(), offset.to_owned()))
    }

    /// The value whose mean over the last axis, which is kept, another is.
    fn mean_of(&self, value: &str) -> Option<&str> {
        let node = self.node(self.made_by(value, "ReduceMean")?);
        let axes = match node.attributes.get("axes") {
            Some(Attribute::Wholes(axes)) => axes.clone(),
            _ => self.constant(node.inputs.get(1)?)?.wholes()?,
        };
        let keeps = !matches!(node.attributes.get("keepdims"), Some(Attribute::Whole(0)));
        (keeps && axes[..] == [-1]).then(|| node.inputs.first().map(String::as_str)).flatten()
    }

    /// The value whose distance from its mean another is.
    fn distance_of(&self, value: &str) -> Option<&str> {
        let [x, mean] = &self.node(self.made_by(value, "Sub")?).inputs[..] else { return None };
        (self.mean_of(mean)? == x).then_some(x)
    }

    /// The convolution of which no other node takes the result, with the batch norm in its weights.
    fn batchnorm(&mut self, index: usize) -> Option<()> {
        let node = self.node(index);
        let conv = self.made_by(node.inputs.first()?, "Conv")?;
        if self.taker(self.output(conv)) != Some(index) || node.outputs.len() > 1 {
            return None;
        }
        // The norm of a batch in training, and what is not known, is left to the node itself.
        let is_plain = |(name, attribute): (&String, &Attribute)| {
            matches!(
                (name.as_str(), attribute),
                ("epsilon" | "momentum", Attribute::Real(_))
                    | ("training_mode", Attribute::Whole(0))
                    | ("spatial", Attribute::Whole(1))
            )
        };
        node.attributes.iter().all(is_plain).then_some(())?;
        let epsilon = match node.attributes.get("epsilon") {
            Some(Attribute::Real(epsilon)) => *epsilon,
            _ => 1e-5,
        };
        let reals = |at: usize| self.constant(self.node(index).inputs.get(at)?)?.reals();
        let (scale, offset, mean, variance) = (reals(1)?, reals(2)?, reals(3)?, reals(4)?);
        let convolution = self.node(conv);
        let weights = self.constant(convolution.inputs.get(1)?)?;
        let (dims, kernels) = (weights.dims.clone(), weights.reals()?);
        let channels = *dims.first()?;
        let bias = match convolution.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(name) => self.constant(name)?.reals()?,
            None => vec![0.0; channels].into(),
        };
        if channels == 0
            || [&scale, &offset, &mean, &variance, &bias].iter().any(|vector| vector.len() != channels)
        {
            return None;
        }
        let factor = |channel: usize| scale[channel] / (variance[channel] + epsilon).sqrt();
        let size = kernels.len() / channels;
        let kernels = kernels.iter().enumerate().map(|(at, kernel)| kernel * factor(at / size)).collect();
        let bias = (0..channels).map(|at| (bias[at] - mean[at]) * factor(at) + offset[at]).collect();
        let weights = &convolution.inputs[1];
        let names = ["folded", "offset"].map(|what| format!("{weights}.{what}"));
        if names.iter().any(|name| self.model.parameters.contains_key(name) || self.makers.contains_key(name))
        {
            return None;
        }
        let tensors = [(dims, kernels), (vec![channels], bias)];
        for (name, (dims, values)) in names.iter().zip(tensors) {
            let tensor = Tensor { dims, data: Data::Real(values), private: true };
            self.model.parameters.insert(name.clone(), tensor);
        }
        let [weights, bias] = names;
        let (inputs, attributes) =
            (vec![self.node(conv).inputs[0].clone(), weights, bias], self.node(conv).attributes.clone());
        let name = self.node(conv).name.clone();
        self.replace(index, "Conv", inputs, attributes);
        self.model.nodes[index].name = name;
        Some(())
    }
}
