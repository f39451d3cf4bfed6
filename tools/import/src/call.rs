//! A node with the values that it takes.

use crate::read::{Attribute, Node};
use crate::tensor::Tensor;
use std::rc::Rc;

/// A value of the model on its way to a job.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Known here.
    Constant(Tensor),
    /// Computed by a step, of data that its owner alone knows.
    Shared(Shared),
    /// Of a node that is not supported.
    Unknown,
}

impl Value {
    /// Its extents.
    pub(crate) fn dims(&self) -> &[usize] {
        match self {
            Value::Constant(tensor) => &tensor.dims,
            Value::Shared(shared) => &shared.dims,
            Value::Unknown => &[],
        }
    }
}

/// A value that an input of the job brings, or a step defines.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// Its name in the job.
    pub(crate) name: String,
    /// Its extents in the model; in the job, where these are more than four, those that are not 1.
    pub(crate) dims: Vec<usize>,
    /// Whether its elements are 0 and 1, or counts: the job then has them without a fraction.
    pub(crate) is_whole: bool,
}

/// A node and the values that it takes.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a Node,
    pub(crate) inputs: Vec<Option<Value>>,
    /// The version of the standard's ops.
    pub(crate) opset: i64,
}

impl Call<'_> {
    /// An input that is there.
    pub(crate) fn value(&self, at: usize) -> Result<&Value, String> {
        self.inputs
            .get(at)
            .and_then(Option::as_ref)
            .ok_or_else(|| format!("input {} is missing", at.saturating_add(1)))
    }

    /// Whether an input is there.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.value(at).is_ok()
    }

    /// The extents of an input.
    pub(crate) fn dims(&self, at: usize) -> Result<Vec<usize>, String> {
        self.value(at).map(|value| value.dims().to_vec())
    }

    /// An input that is computed.
    pub(crate) fn shared(&self, at: usize) -> Result<&Shared, String> {
        match self.value(at)? {
            Value::Shared(shared) => Ok(shared),
            _ => Err(format!("input {} is a constant, and data is due", at + 1)),
        }
    }

    /// An input that is known here.
    pub(crate) fn constant(&self, at: usize) -> Result<&Tensor, String> {
        match self.value(at)? {
            Value::Constant(tensor) => Ok(tensor),
            _ => Err(format!(
                "'{}' depends on data, and must be a constant",
                self.node.inputs[at].escape_debug()
            )),
        }
    }

    /// The elements of an input that is known here.
    pub(crate) fn reals(&self, at: usize) -> Result<Rc<[f64]>, String> {
        self.constant(at)?.reals().ok_or_else(|| format!("input {} is of strings", at + 1))
    }

    /// Integers that later versions of an op take as an input, and earlier ones as an attribute.
    pub(crate) fn wholes(&self, at: usize, name: &str) -> Result<Option<Vec<i64>>, String> {
        if self.has(at) {
            let wholes = self.constant(at)?.wholes().ok_or_else(|| format!("{name} is not of integers"))?;
            return Ok(Some(wholes.to_vec()));
        }
        match self.node.attributes.get(name) {
            None => Ok(None),
            Some(Attribute::Wholes(wholes)) => Ok(Some(wholes.to_vec())),
            Some(Attribute::Whole(whole)) => Ok(Some(vec![*whole])),
            Some(_) => Err(format!("{name} is not of integers")),
        }
    }

    /// An attribute that is an integer.
    pub(crate) fn whole(&self, name: &str, default: i64) -> Result<i64, String> {
        match self.node.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Whole(whole)) => Ok(*whole),
            Some(_) => Err(format!("{name} is no integer")),
        }
    }

    /// An attribute that is a number.
    pub(crate) fn real(&self, name: &str, default: f64) -> Result<f64, String> {
        match self.node.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Real(real)) if real.is_finite() => Ok(*real),
            Some(_) => Err(format!("{name} is no number")),
        }
    }

    /// An attribute of numbers.
    pub(crate) fn numbers(&self, name: &str) -> Result<Rc<[f64]>, String> {
        match self.node.attributes.get(name) {
            None => Ok(Rc::new([])),
            Some(Attribute::Reals(reals)) => Ok(reals.clone()),
            Some(Attribute::Tensor(tensor)) => {
                tensor.reals().ok_or_else(|| format!("{name} is not of numbers"))
            }
            Some(_) => Err(format!("{name} is not of numbers")),
        }
    }

    /// An attribute of integers.
    pub(crate) fn integers(&self, name: &str) -> Result<Rc<[i64]>, String> {
        match self.node.attributes.get(name) {
            None => Ok(Rc::new([])),
            Some(Attribute::Wholes(wholes)) => Ok(wholes.clone()),
            Some(_) => Err(format!("{name} is not of integers")),
        }
    }

    /// An attribute of strings.
    pub(crate) fn texts(&self, name: &str) -> Result<Rc<[String]>, String> {
        match self.node.attributes.get(name) {
            None => Ok(Rc::new([])),
            Some(Attribute::Texts(texts)) => Ok(texts.clone()),
            Some(_) => Err(format!("{name} is not of strings")),
        }
    }

    /// An attribute that is a string.
    pub(crate) fn text(&self, name: &str, default: &str) -> Result<String, String> {
        match self.node.attributes.get(name) {
            None => Ok(default.to_owned()),
            Some(Attribute::Text(text)) => Ok(text.clone()),
            Some(_) => Err(format!("{name} is no string")),
        }
    }

    /// An attribute that must be what it is.
    pub(crate) fn only(&self, name: &str, due: i64) -> Result<(), String> {
        match self.whole(name, due)? {
            found if found == due => Ok(()),
            found => Err(format!("{name} = {found}")),
        }
    }

    /// The axis that an attribute names.
    pub(crate) fn axis(&self, default: i64) -> Result<usize, String> {
        let rank = self.dims(0)?.len();
        let axis = self.whole("axis", default)?;
        crate::moves::index(axis, rank).map_err(|_| format!("axis = {axis} of {rank} axes"))
    }
}
