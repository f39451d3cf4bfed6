//! A network's layers by their shapes, and each as a small program of its own.
//!
//! Activations are shared: two parties each bring a part, and the sum costs nothing. The last party owns the weights. A
//! layer's result is revealed to party 0, since a program must end somewhere: that adds a round, and one element a value
//! to the traffic.

use serde::Deserialize;
use symbolon::program::{Image, Kernels, Program, ProgramError, ValueId, Window};
use symbolon::protocol::Protocol;
use symbolon::ring::{Axis, FixedPoint, Shape};
use symbolon::share::{Parties, PartyId};

/// The bound of each party's part of a smooth function's argument.
const MOST: f64 = 4.0;

/// A description file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub name: String,
    /// The source of the shapes.
    pub source: String,
    /// The unit of a batch, such as `image`.
    pub item: String,
    /// Figures that others have published for the same network, as text.
    #[serde(default)]
    pub published: Vec<String>,
    pub layers: Vec<Layer>,
}

/// A number of equal layers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Layer {
    pub name: String,
    /// The number of such layers in the network.
    #[serde(default = "once")]
    pub times: u32,
    #[serde(flatten)]
    pub shape: LayerShape,
}

fn once() -> u32 {
    1
}

/// A layer's computation on one item.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerShape {
    /// A convolution of an image by square windows.
    Conv {
        channels: usize,
        side: usize,
        kernels: usize,
        window: usize,
        #[serde(default = "one")]
        stride: usize,
        #[serde(default)]
        padding: usize,
        #[serde(default)]
        then: Then,
    },
    /// The largest of each square window.
    MaxPool { channels: usize, side: usize, window: usize, stride: usize },
    /// The mean of each square window.
    AvgPool { channels: usize, side: usize, window: usize, stride: usize },
    /// Rows by a matrix of weights.
    Dense {
        #[serde(default = "one")]
        rows: usize,
        inputs: usize,
        outputs: usize,
        #[serde(default)]
        then: Then,
    },
    /// Rows by columns, both activations; one product for each item, one after the other.
    Product { rows: usize, inner: usize, cols: usize },
    /// A function of every element, or of every row.
    Every { function: Function, rows: usize, cols: usize },
}

fn one() -> usize {
    1
}

/// A function applied to a layer's result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    #[default]
    Nothing,
    Relu,
    Gelu,
}

/// A function of elements or rows.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Two activations added.
    Add,
    /// Two activations multiplied.
    Multiply,
    Gelu,
    /// x · sigmoid(x)
    Silu,
    /// Along rows.
    Softmax,
    /// Rows less their mean, divided by their deviation, times a row of weights.
    LayerNorm,
    /// Rows divided by their root mean square, times a row of weights.
    RmsNorm,
}

impl Layer {
    /// The number of runs of the layer's program for a batch.
    pub fn runs(&self, batch: usize) -> u64 {
        let each = if matches!(self.shape, LayerShape::Product { .. }) { batch } else { 1 };
        u64::from(self.times) * each as u64
    }

    /// Elements of weights, of all layers alike.
    pub fn weights(&self) -> u64 {
        let one = match self.shape {
            LayerShape::Conv { channels, kernels, window, .. } => {
                channels * window * window * kernels + kernels
            }
            LayerShape::Dense { inputs, outputs, .. } => inputs * outputs + outputs,
            LayerShape::Every { function: Function::LayerNorm | Function::RmsNorm, cols, .. } => cols,
            _ => 0,
        };
        one as u64 * u64::from(self.times)
    }

    /// The layer for a batch as a program.
    pub fn program(
        &self,
        protocol: Protocol,
        codec: FixedPoint,
        batch: usize,
    ) -> Result<Program, ProgramError> {
        let mut build = Build { program: Program::new(protocol.parties(), codec), owner: PartyId(1) };
        let result = build.layer(self.shape, batch)?;
        build.program.output("out", result, Parties::first(1))?;
        Ok(build.program)
    }
}

struct Build {
    program: Program,
    /// The owner of the weights.
    owner: PartyId,
}

impl Build {
    fn layer(&mut self, shape: LayerShape, batch: usize) -> Result<ValueId, ProgramError> {
        let square = |channels, side| Image { channels, height: side, width: side };
        let moving = |side, stride| Window::new(side, side, stride);
        match shape {
            LayerShape::Conv { channels, side, kernels, window, stride, padding, then } => {
                let image = square(channels, side);
                let x = self.shared("x", batch, channels * side * side)?;
                let w = self.weights("w", channels * window * window, kernels)?;
                let b = self.weights("b", 1, kernels)?;
                let z = self.program.conv2d(
                    x,
                    image,
                    Kernels::new(w, Some(b)),
                    moving(window, stride).padded(padding),
                )?;
                self.then(z, then)
            }
            LayerShape::MaxPool { channels, side, window, stride } => {
                let x = self.shared("x", batch, channels * side * side)?;
                self.program.maxpool2d(x, square(channels, side), moving(window, stride))
            }
            LayerShape::AvgPool { channels, side, window, stride } => {
                let x = self.shared("x", batch, channels * side * side)?;
                self.program.avgpool2d(x, square(channels, side), moving(window, stride), true)
            }
            LayerShape::Dense { rows, inputs, outputs, then } => {
                let x = self.shared("x", batch * rows, inputs)?;
                let w = self.weights("w", inputs, outputs)?;
                let b = self.weights("b", 1, outputs)?;
                let product = self.program.matmul(x, w)?;
                let z = self.program.add(product, b)?;
                self.then(z, then)
            }
            LayerShape::Product { rows, inner, cols } => {
                let x = self.shared("x", rows, inner)?;
                let y = self.shared("y", inner, cols)?;
                self.program.matmul(x, y)
            }
            LayerShape::Every { function, rows, cols } => self.every(function, batch * rows, cols),
        }
    }

    fn every(&mut self, function: Function, rows: usize, cols: usize) -> Result<ValueId, ProgramError> {
        let bound = matches!(function, Function::Gelu | Function::Silu | Function::Softmax).then_some(MOST);
        let x = self.bounded("x", rows, cols, bound)?;
        match function {
            Function::Add | Function::Multiply => {
                let y = self.shared("y", rows, cols)?;
                if function == Function::Add { self.program.add(x, y) } else { self.program.mul(x, y) }
            }
            Function::Gelu => self.program.gelu(x),
            Function::Silu => {
                let gate = self.program.sigmoid(x)?;
                self.program.mul(x, gate)
            }
            Function::Softmax => self.program.softmax(x, 1),
            Function::LayerNorm => {
                let mean = self.program.mean(x, Some(Axis::Cols))?;
                let centred = self.program.sub(x, mean)?;
                self.normalised(centred, cols)
            }
            Function::RmsNorm => self.normalised(x, cols),
        }
    }

    /// Rows divided by their root mean square, times weights.
    fn normalised(&mut self, x: ValueId, cols: usize) -> Result<ValueId, ProgramError> {
        let square = self.program.mul(x, x)?;
        let mean = self.program.mean(square, Some(Axis::Cols))?;
        let root = self.program.sqrt(mean)?;
        let inverse = self.program.reciprocal(root)?;
        let scaled = self.program.mul(x, inverse)?;
        let w = self.weights("w", 1, cols)?;
        self.program.mul(scaled, w)
    }

    fn then(&mut self, z: ValueId, then: Then) -> Result<ValueId, ProgramError> {
        match then {
            Then::Nothing => Ok(z),
            Then::Relu => self.program.relu(z),
            Then::Gelu => self.program.gelu(z),
        }
    }

    /// A value that is shared already.
    fn shared(&mut self, name: &str, rows: usize, cols: usize) -> Result<ValueId, ProgramError> {
        self.bounded(name, rows, cols, None)
    }

    /// As [`Build::shared`], where no part has a larger magnitude.
    fn bounded(
        &mut self,
        name: &str,
        rows: usize,
        cols: usize,
        bound: Option<f64>,
    ) -> Result<ValueId, ProgramError> {
        let shape = Shape::new(rows, cols);
        let [first, second] = [0, 1].map(|party| (PartyId(party), format!("{name}{party}")));
        let a = self.program.input(&first.1, first.0, shape, bound)?;
        let b = self.program.input(&second.1, second.0, shape, bound)?;
        self.program.add(a, b)
    }

    fn weights(&mut self, name: &str, rows: usize, cols: usize) -> Result<ValueId, ProgramError> {
        self.program.input(name, self.owner, Shape::new(rows, cols), None)
    }
}
