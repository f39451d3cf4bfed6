//! Tensors of floats, as NumPy computes on them: what random programs are held against.

use crate::program::{Image, Side, Window};

/// A tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dims: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// All places of a tensor, in row-major order.
fn places(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![Vec::new()], |all, &extent| {
        let longer = |place: Vec<usize>| (0..extent).map(move |index| [&place[..], &[index]].concat());
        all.into_iter().flat_map(longer).collect()
    })
}

impl Tensor {
    pub(crate) fn new(dims: &[usize], data: Vec<f64>) -> Tensor {
        assert_eq!(dims.iter().product::<usize>(), data.len(), "as many elements as places");
        Tensor { dims: dims.to_vec(), data }
    }

    /// The tensor whose elements a function gives by their places.
    pub(crate) fn of(dims: &[usize], element: impl Fn(&[usize]) -> f64) -> Tensor {
        Tensor::new(dims, places(dims).iter().map(|place| element(place)).collect())
    }

    pub(crate) fn rank(&self) -> usize {
        self.dims.len()
    }

    pub(crate) fn at(&self, place: &[usize]) -> f64 {
        let index = place.iter().zip(&self.dims).fold(0, |index, (place, extent)| index * extent + place);
        self.data[index]
    }

    pub(crate) fn each(&self, of: impl Fn(f64) -> f64) -> Tensor {
        Tensor::new(&self.dims, self.data.iter().map(|&x| of(x)).collect())
    }

    /// Elementwise, broadcasting.
    pub(crate) fn both(&self, other: &Tensor, of: impl Fn(f64, f64) -> f64) -> Tensor {
        let rank = self.rank().max(other.rank());
        let lifted = |tensor: &Tensor| {
            let dims = [&vec![1; rank - tensor.rank()][..], &tensor.dims].concat();
            Tensor::new(&dims, tensor.data.clone())
        };
        let (a, b) = (lifted(self), lifted(other));
        let extent = |(&a, &b): (&usize, &usize)| if a == 1 { b } else { a };
        let dims: Vec<usize> = a.dims.iter().zip(&b.dims).map(extent).collect();
        Tensor::of(&dims, |place| {
            let own = |tensor: &Tensor| {
                let index = |(&index, &extent): (&usize, &usize)| if extent == 1 { 0 } else { index };
                tensor.at(&place.iter().zip(&tensor.dims).map(index).collect::<Vec<_>>())
            };
            of(own(&a), own(&b))
        })
    }

    pub(crate) fn reach(&self) -> f64 {
        self.data.iter().map(|x| x.abs()).fold(0.0, f64::max)
    }

    pub(crate) fn reshaped(&self, dims: &[usize]) -> Tensor {
        Tensor::new(dims, self.data.clone())
    }

    pub(crate) fn permuted(&self, order: &[usize]) -> Tensor {
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        Tensor::of(&dims, |place| {
            let mut from = vec![0; place.len()];
            order.iter().zip(place).for_each(|(&axis, &index)| from[axis] = index);
            self.at(&from)
        })
    }

    /// What a function gives of the elements along an axis, which is dropped or kept with extent 1.
    pub(crate) fn along(&self, axis: usize, keep: bool, of: impl Fn(&[f64]) -> f64) -> Tensor {
        let mut kept = self.dims.clone();
        kept[axis] = 1;
        let reduced = Tensor::of(&kept, |place| {
            let mut place = place.to_vec();
            let along = (0..self.dims[axis]).map(|index| {
                place[axis] = index;
                self.at(&place)
            });
            of(&along.collect::<Vec<_>>())
        });
        if keep {
            return reduced;
        }
        kept.remove(axis);
        reduced.reshaped(&kept)
    }

    /// The elements along an axis, which a function turns into as many others.
    pub(crate) fn through(&self, axis: usize, of: impl Fn(&[f64]) -> Vec<f64>) -> Tensor {
        Tensor::of(&self.dims, |place| {
            let mut at = place.to_vec();
            let along = (0..self.dims[axis]).map(|index| {
                at[axis] = index;
                self.at(&at)
            });
            of(&along.collect::<Vec<_>>())[place[axis]]
        })
    }

    /// Some indices along an axis.
    pub(crate) fn taken(&self, axis: usize, indices: &[usize]) -> Tensor {
        let mut dims = self.dims.clone();
        dims[axis] = indices.len();
        Tensor::of(&dims, |place| {
            let mut from = place.to_vec();
            from[axis] = indices[place[axis]];
            self.at(&from)
        })
    }

    pub(crate) fn joined(&self, other: &Tensor, axis: usize) -> Tensor {
        let mut dims = self.dims.clone();
        dims[axis] += other.dims[axis];
        Tensor::of(&dims, |place| match place[axis].checked_sub(self.dims[axis]) {
            None => self.at(place),
            Some(index) => {
                let mut from = place.to_vec();
                from[axis] = index;
                other.at(&from)
            }
        })
    }

    /// The matrix product of what a function makes of each two elements, as NumPy's `@`.
    pub(crate) fn product(&self, other: &Tensor, of: impl Fn(f64, f64) -> f64) -> Tensor {
        let a = if self.rank() == 1 { self.reshaped(&[1, self.dims[0]]) } else { self.clone() };
        let b = if other.rank() == 1 { other.reshaped(&[other.dims[0], 1]) } else { other.clone() };
        let (inner, batch) =
            (a.dims[a.rank() - 1], |tensor: &Tensor| Tensor::of(&tensor.dims[..tensor.rank() - 2], |_| 0.0));
        let mut dims = batch(&a).both(&batch(&b), |_, _| 0.0).dims;
        let leading = dims.len();
        dims.extend([a.dims[a.rank() - 2], b.dims[b.rank() - 1]]);
        let result = Tensor::of(&dims, |place| {
            let element = |tensor: &Tensor, row: usize, col: usize| {
                let axes = tensor.rank() - 2;
                let skipped = &place[leading - axes..leading];
                let index = |(&index, &extent): (&usize, &usize)| if extent == 1 { 0 } else { index };
                let mut at: Vec<usize> = skipped.iter().zip(&tensor.dims).map(index).collect();
                at.extend([row, col]);
                tensor.at(&at)
            };
            let (row, col) = (place[leading], place[leading + 1]);
            (0..inner).map(|index| of(element(&a, row, index), element(&b, index, col))).sum()
        });
        let mut dims = result.dims.clone();
        if other.rank() == 1 {
            dims.pop();
        }
        if self.rank() == 1 {
            dims.remove(leading);
        }
        result.reshaped(&dims)
    }

    /// The windows of images (n, c, h, w): for each place what a function gives of the elements of the window, none of
    /// which is where no image is.
    pub(crate) fn windows(&self, window: Window, of: impl Fn(&[Option<f64>]) -> f64) -> Tensor {
        let &[count, channels, height, width] = &self.dims[..] else { panic!("images") };
        let (rows, cols) = Image { channels, height, width }.places(window).expect("a place");
        let at = |side: Side, place: usize, index: usize, extent: usize| {
            let at = (place * side.stride + index * side.dilation).checked_sub(side.before)?;
            (at < extent).then_some(at)
        };
        let Window { height: high, width: wide } = window;
        Tensor::of(&[count, channels, rows, cols], |place| {
            let element = |row: usize, col: usize| {
                let row = at(high, place[2], row, height)?;
                Some(self.at(&[place[0], place[1], row, at(wide, place[3], col, width)?]))
            };
            let window = (0..high.size * wide.size).map(|at| element(at / wide.size, at % wide.size));
            of(&window.collect::<Vec<_>>())
        })
    }

    /// The convolution of images by kernels (o, c/groups, height, width), of what a function makes of each two elements.
    pub(crate) fn convolved(&self, kernels: &Tensor, window: Window, of: impl Fn(f64, f64) -> f64) -> Tensor {
        let [results, depth, height, width] = kernels.dims[..] else { panic!("kernels") };
        let groups = self.dims[1] / depth;
        let part = |channel: usize, kernel: usize| {
            let weights: Vec<f64> = (0..height * width)
                .map(|at| kernels.at(&[kernel, channel, at / width, at % width]))
                .collect();
            let image = self.taken(1, &[kernel / (results / groups) * depth + channel]);
            image.windows(window, |elements| {
                elements.iter().zip(&weights).map(|(&x, &w)| of(x.unwrap_or(0.0), w)).sum()
            })
        };
        let of_kernel = |kernel: usize| {
            let parts = (0..depth).map(|channel| part(channel, kernel));
            parts.reduce(|a, b| a.both(&b, |a, b| a + b)).expect("a channel")
        };
        (0..results).map(of_kernel).reduce(|a, b| a.joined(&b, 1)).expect("a kernel")
    }
}
