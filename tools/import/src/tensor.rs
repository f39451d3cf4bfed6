//! Constant tensors: what a model's file holds, and what is computed of it alone.

use std::rc::Rc;

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// Floats of any width.
    Real(Rc<[f64]>),
    /// Integers of any width, and truth values.
    Whole(Rc<[i64]>),
    /// Strings, such as the labels of classes.
    Text(Rc<[String]>),
}

/// A constant tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    /// Its extents.
    pub(crate) dims: Vec<usize>,
    /// Its elements.
    pub(crate) data: Data,
    /// Whether it stems from the model's parameters, which the job keeps private.
    pub(crate) private: bool,
}

impl Tensor {
    /// A public tensor of floats.
    pub(crate) fn real(dims: &[usize], values: Vec<f64>) -> Tensor {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        Tensor { dims: dims.to_vec(), data: Data::Real(values.into()), private: false }
    }

    /// A public tensor of integers.
    pub(crate) fn whole(dims: &[usize], values: Vec<i64>) -> Tensor {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        Tensor { dims: dims.to_vec(), data: Data::Whole(values.into()), private: false }
    }

    /// The same tensor, private where `private` is.
    pub(crate) fn kept(mut self, private: bool) -> Tensor {
        self.private |= private;
        self
    }

    /// The number of its elements.
    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::Real(values) => values.len(),
            Data::Whole(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// Its elements as floats; none where it is of strings.
    pub(crate) fn reals(&self) -> Option<Rc<[f64]>> {
        match &self.data {
            Data::Real(values) => Some(values.clone()),
            Data::Whole(values) => Some(values.iter().map(|&value| value as f64).collect()),
            Data::Text(_) => None,
        }
    }

    /// Its elements as integers; none where one is no integer.
    pub(crate) fn wholes(&self) -> Option<Rc<[i64]>> {
        match &self.data {
            Data::Whole(values) => Some(values.clone()),
            Data::Real(values) if values.iter().all(|value| value.fract() == 0.0) => {
                Some(values.iter().map(|&value| value as i64).collect())
            }
            _ => None,
        }
    }

    /// Its only element, or the one that all are.
    pub(crate) fn uniform(&self) -> Option<f64> {
        let values = match &self.data {
            Data::Text(_) => return None,
            _ => self.reals()?,
        };
        let first = *values.first()?;
        values.iter().all(|&value| value == first).then_some(first)
    }

    /// The same elements with other extents.
    pub(crate) fn with_dims(&self, dims: Vec<usize>) -> Tensor {
        debug_assert_eq!(dims.iter().product::<usize>(), self.len());
        Tensor { dims, ..self.clone() }
    }

    /// The elements at these places of this one, with these extents.
    pub(crate) fn picked(&self, dims: Vec<usize>, places: &[usize]) -> Tensor {
        let data = match &self.data {
            Data::Real(values) => Data::Real(places.iter().map(|&place| values[place]).collect()),
            Data::Whole(values) => Data::Whole(places.iter().map(|&place| values[place]).collect()),
            Data::Text(values) => Data::Text(places.iter().map(|&place| values[place].clone()).collect()),
        };
        Tensor { dims, data, private: self.private }
    }

    /// Each element by a function of it.
    pub(crate) fn mapped(&self, of: impl Fn(f64) -> f64) -> Option<Tensor> {
        let values = self.reals()?.iter().map(|&value| of(value)).collect();
        Some(Tensor { dims: self.dims.clone(), data: Data::Real(values), private: self.private })
    }
}

/// The most axes of a value while a model is read: more than any op of a network gives.
pub(crate) const MOST_RANK: usize = 16;

/// Whether extents can be dealt with: they are few, their product is no more than a file can hold,
/// and none is large beside a zero.
pub(crate) fn is_bearable(dims: &[usize]) -> bool {
    const MOST: usize = 1 << 31;
    const MOST_EMPTY: usize = 1 << 26;
    let most = if dims.contains(&0) { MOST_EMPTY } else { MOST };
    let product = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim.max(1)));
    dims.len() <= MOST_RANK && product.is_some_and(|product| product <= most)
}

/// The extents that two tensors broadcast to.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |at| dims[at]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// For each element of `to`, row-major, the place of the element of `from` that broadcasts to it.
pub(crate) fn places(from: &[usize], to: &[usize]) -> Vec<usize> {
    let lead = to.len() - from.len();
    let mut steps = vec![0; to.len()];
    let mut step = 1;
    for axis in (0..from.len()).rev() {
        if from[axis] != 1 {
            steps[lead + axis] = step;
        }
        step *= from[axis];
    }
    strided(0, to, &steps)
}

/// Places of a grid of these extents, of which each axis moves by so many elements.
pub(crate) fn strided(start: usize, dims: &[usize], steps: &[usize]) -> Vec<usize> {
    let mut places = vec![start];
    for (&extent, &step) in dims.iter().zip(steps) {
        places = places.iter().flat_map(|&place| (0..extent).map(move |at| place + at * step)).collect();
    }
    places
}

/// The number of elements between neighbours along each axis.
pub(crate) fn steps(dims: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        steps[axis - 1] = steps[axis] * dims[axis];
    }
    steps
}
