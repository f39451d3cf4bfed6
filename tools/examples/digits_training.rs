//! Trains a network with two hidden layers on handwritten digits, from random weights: one party has the images, another
//! what they show, and nobody sees a gradient. Beside it trains the same network in `f64` from the same weights.
//!
//! ```sh
//! cargo run --release --example digits_training -- beaver 24 30 nearest
//! ```
//!
//! The arguments are the protocol, the fraction bits, the number of epochs and the truncation. A turn of the loop is an epoch: its mini-batches
//! are slices of the images, which are shared and opened once.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use symbolon::program::expression::{Names, add_step};
use symbolon::program::{Init, Kind};
use symbolon::{
    Cpu, Elements, FixedPoint, Parties, PartyId, Program, Protocol, Ring, Shape, Truncation, World,
};

type Failure = Box<dyn std::error::Error>;

/// The learning rate and the momentum: a power of two, and a number that few bits hold.
const RATE: f64 = 0.125;
const BETA: f64 = 0.875;

/// A network, the images that it is trained on, and how often.
struct Training {
    /// Units of each layer, that of the images first.
    layers: Vec<usize>,
    rows: usize,
    batch: usize,
    epochs: u32,
    /// A row for each image.
    images: Vec<f64>,
    /// A row for each image, with a 1 at the digit.
    labels: Vec<f64>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize, default: &'static str| arguments.get(index).map_or(default, String::as_str);
    let protocol: Protocol = argument(0, "beaver").parse()?;
    let codec = FixedPoint::new(Ring::Z64, argument(1, "24").parse()?)?;
    let training = Training {
        layers: vec![64, 64, 32, 10],
        rows: 1408,
        batch: 128,
        epochs: argument(2, "30").parse()?,
        images: floats("train_x.npy")?,
        labels: one_hot(&integers("train_y.npy")?),
    };
    let truncation = match argument(3, "nearest") {
        "nearest" => Truncation::Nearest,
        "exact" => Truncation::Exact,
        "stochastic" => Truncation::Stochastic,
        other => return Err(format!("there is no truncation '{other}'").into()),
    };
    let weights = training.first_weights();

    let program = training.program(protocol, codec, truncation, &weights)?;
    let inputs = training.inputs(codec)?;
    let world = World::new(protocol, Arc::new(Cpu::open(None, None)?));
    let (start, turns) = (Instant::now(), training.epochs);
    let outcomes = world.run_turns(&program, &inputs, turns)?;
    let seconds = start.elapsed().as_secs_f64();
    let learnt = |name: &str| outcomes[0].outputs[name].decode(codec);
    for (epoch, loss) in (1..).zip(learnt("loss")) {
        println!("epoch {epoch}: loss {loss:.4}");
    }
    let trained: Vec<Vec<f64>> = training.names().map(|name| learnt(&name)).collect();
    let (images, digits) = (floats("test_x.npy")?, integers("test_y.npy")?);
    let right = |weights: &[Vec<f64>]| 100.0 * training.right(weights, &images, &digits);
    println!("right on the test images: {:.2} %", right(&trained));
    println!("trained in f64: {:.2} %", right(&training.in_f64(weights)));
    let sent: u64 = outcomes.iter().map(|outcome| outcome.report.tally.sent_bytes).sum();
    println!(
        "an epoch: {:.3} s, {:.2} MB sent by all parties, dealing and planning counted",
        seconds / f64::from(turns),
        sent as f64 / 1e6 / f64::from(turns)
    );
    Ok(())
}

impl Training {
    /// The names of weights and biases, layer by layer.
    fn names(&self) -> impl Iterator<Item = String> {
        (1..self.layers.len()).flat_map(|layer| [format!("w{layer}"), format!("b{layer}")])
    }

    /// Their shapes.
    fn shapes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.layers.windows(2).flat_map(|pair| [(pair[0], pair[1]), (1, pair[1])])
    }

    /// Weights that are uniform, as wide as He's initialisation says, and biases of zero (He et al., "Delving Deep into
    /// Rectifiers", 2015).
    fn first_weights(&self) -> Vec<Vec<f64>> {
        let mut state = 1u64;
        let mut drawn = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1u32 << 23) - 1.0
        };
        let weights = |(rows, cols): (usize, usize)| {
            let width = if rows == 1 { 0.0 } else { (6.0 / rows as f64).sqrt() };
            (0..rows * cols).map(|_| ((width * drawn()) * 256.0).round() / 256.0).collect()
        };
        self.shapes().map(weights).collect()
    }

    /// An epoch of mini-batches: gradient descent with momentum on the mean cross-entropy.
    fn program(
        &self,
        protocol: Protocol,
        codec: FixedPoint,
        truncation: Truncation,
        weights: &[Vec<f64>],
    ) -> Result<Program, Failure> {
        let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
        let (mut names, classes) = (Names::new(), self.layers[self.layers.len() - 1]);
        let x = program.input("x", PartyId(0), Shape::new(self.rows, self.layers[0]), Some(1.0))?;
        let t = program.input("t", PartyId(1), Shape::new(self.rows, classes), Some(1.0))?;
        program.reside(x)?;
        program.reside(t)?;
        names.extend([("x".to_owned(), x), ("t".to_owned(), t)]);
        let mut states = Vec::new();
        for ((name, (rows, cols)), weights) in self.names().zip(self.shapes()).zip(weights) {
            for (name, first) in
                [(name.clone(), weights.clone()), (format!("v_{name}"), vec![0.0; weights.len()])]
            {
                let first = Init::Public(Elements::encode(codec, &first)?);
                let state = program.state(&name, Shape::new(rows, cols), Kind::Real, first)?;
                names.insert(format!("{name}_0"), state);
                states.push((name, state));
            }
        }
        let batches = self.rows / self.batch;
        for (number, step) in (1..).zip((0..batches).flat_map(|batch| self.steps(batch))) {
            add_step(&mut program, &mut names, number, &step)?;
        }
        for (name, state) in states {
            program.update(state, names[&format!("{name}_{batches}")])?;
        }
        for name in self.names() {
            let owner = Parties::from_iter([PartyId(0)]);
            program.output(&name, names[&format!("{name}_{batches}")], owner)?;
            program.reveal_every(&name, self.epochs)?;
        }
        program.output("loss", names[&format!("loss_{batches}")], Parties::first(2))?;
        Ok(program)
    }

    /// The steps of a mini-batch. Behind the underscore stands the number of the batches before.
    fn steps(&self, batch: usize) -> Vec<String> {
        let (n, next, layers) = (batch, batch + 1, self.layers.len() - 1);
        let rows = format!("{}:{}", n * self.batch, (n + 1) * self.batch);
        let mut steps = vec![format!("h0_{n} = x[{rows}]")];
        for layer in 1..=layers {
            let sum = format!("h{}_{n} @ w{layer}_{n} + b{layer}_{n}", layer - 1);
            steps.push(match layer == layers {
                true => format!("z_{n} = {sum}"),
                false => format!("h{layer}_{n} = relu({sum})"),
            });
        }
        steps.push(format!("loss_{next} = cross_entropy(z_{n}, t[{rows}])"));
        for name in self.names() {
            let gradient = format!("grad(loss_{next}, {name}_{n})");
            steps.push(format!("v_{name}_{next} = momentum(v_{name}_{n}, {gradient}, beta={BETA})"));
            steps.push(format!("{name}_{next} = sgd({name}_{n}, v_{name}_{next}, {RATE})"));
        }
        steps
    }

    fn inputs(&self, codec: FixedPoint) -> Result<[Elements; 2], Failure> {
        let (images, classes) = (self.rows * self.layers[0], self.layers[self.layers.len() - 1]);
        let labels = &self.labels[..self.rows * classes];
        Ok([Elements::encode(codec, &self.images[..images])?, Elements::encode(codec, labels)?])
    }

    /// The same training in `f64`.
    fn in_f64(&self, mut weights: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let shapes: Vec<(usize, usize)> = self.shapes().collect();
        let mut velocities: Vec<Vec<f64>> = weights.iter().map(|weights| vec![0.0; weights.len()]).collect();
        let (inner, classes) = (self.layers[0], self.layers[self.layers.len() - 1]);
        let starts = (0..self.epochs).flat_map(|_| (0..self.rows).step_by(self.batch));
        for start in starts {
            let values = self.forward(&weights, &self.images[start * inner..(start + self.batch) * inner]);
            let logits = values.last().expect("a layer");
            let labels = &self.labels[start * classes..(start + self.batch) * classes];
            let mut slope: Vec<f64> = Vec::new();
            for (row, labels) in logits.chunks(classes).zip(labels.chunks(classes)) {
                let largest = row.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = row.iter().map(|z| (z - largest).exp()).sum();
                slope.extend(row.iter().zip(labels).map(|(z, t)| (z - largest).exp() / sum - t));
            }
            for layer in (1..self.layers.len()).rev() {
                let (rows, cols) = shapes[2 * layer - 2];
                let below = &values[layer - 1];
                let mut passed = vec![0.0; self.batch * rows];
                let mut steps = [vec![0.0; rows * cols], vec![0.0; cols]];
                for image in 0..self.batch {
                    for (col, g) in slope[image * cols..(image + 1) * cols].iter().enumerate() {
                        steps[1][col] += g;
                        for row in 0..rows {
                            let active = f64::from(u8::from(below[image * rows + row] > 0.0));
                            steps[0][row * cols + col] += below[image * rows + row] * g;
                            passed[image * rows + row] +=
                                active * g * weights[2 * layer - 2][row * cols + col];
                        }
                    }
                }
                for (index, step) in steps.iter().enumerate() {
                    let (w, v) =
                        (&mut weights[2 * layer - 2 + index], &mut velocities[2 * layer - 2 + index]);
                    for ((w, v), g) in w.iter_mut().zip(v).zip(step) {
                        *v = BETA * *v + g / self.batch as f64;
                        *w -= RATE * *v;
                    }
                }
                slope = passed;
            }
        }
        weights
    }

    /// What each layer gives, the images first.
    fn forward(&self, weights: &[Vec<f64>], images: &[f64]) -> Vec<Vec<f64>> {
        let mut values = vec![images.to_vec()];
        for (layer, pair) in self.layers.windows(2).enumerate() {
            let below = values.last().expect("the images");
            let (w, b) = (&weights[2 * layer], &weights[2 * layer + 1]);
            let is_last = layer + 2 == self.layers.len();
            let unit = |row: &[f64], col: usize| {
                let sum: f64 = row.iter().enumerate().map(|(at, x)| x * w[at * pair[1] + col]).sum();
                if is_last { sum + b[col] } else { (sum + b[col]).max(0.0) }
            };
            let rows = below.chunks(pair[0]);
            let next = rows.flat_map(|row| (0..pair[1]).map(|col| unit(row, col)).collect::<Vec<f64>>());
            let next = next.collect();
            values.push(next);
        }
        values
    }

    /// The share of images whose largest logit is that of their digit.
    fn right(&self, weights: &[Vec<f64>], images: &[f64], digits: &[usize]) -> f64 {
        let values = self.forward(weights, images);
        let classes = self.layers[self.layers.len() - 1];
        let logits = values.last().expect("a layer").chunks(classes);
        let largest = |row: &[f64]| (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b]));
        let right = logits.zip(digits).filter(|&(row, &digit)| largest(row) == Some(digit)).count();
        right as f64 / digits.len() as f64
    }
}

/// The words of a NumPy array, behind its header.
fn words<const BYTES: usize>(name: &str) -> Result<Vec<[u8; BYTES]>, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/digits");
    let bytes = std::fs::read(folder.join(name))?;
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    Ok(bytes[header..].as_chunks().0.to_vec())
}

fn floats(name: &str) -> Result<Vec<f64>, Failure> {
    Ok(words(name)?.into_iter().map(|word| f64::from(f32::from_le_bytes(word))).collect())
}

fn integers(name: &str) -> Result<Vec<usize>, Failure> {
    Ok(words(name)?.into_iter().map(|word| i64::from_le_bytes(word) as usize).collect())
}

fn one_hot(digits: &[usize]) -> Vec<f64> {
    digits.iter().flat_map(|&digit| (0..10).map(move |class| f64::from(u8::from(class == digit)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::program::oracle::Runs;

    /// A smaller network on few images, for two epochs of two mini-batches.
    fn small() -> Training {
        Training {
            layers: vec![64, 6, 10],
            rows: 16,
            batch: 8,
            epochs: 2,
            images: floats("train_x.npy").expect("images"),
            labels: one_hot(&integers("train_y.npy").expect("digits")),
        }
    }

    /// Weights and losses are those of the plain oracle bit for bit, and near those of `f64`.
    #[test]
    fn training_equals_the_oracle() {
        let (training, codec) = (small(), FixedPoint::new(Ring::Z64, 24).expect("a codec"));
        let weights = training.first_weights();
        let inputs = training.inputs(codec).expect("numbers in range");
        for protocol in Protocol::ALL {
            let program =
                training.program(protocol, codec, Truncation::Nearest, &weights).expect("a program");
            let world = World::new(protocol, Arc::new(Cpu::open(None, None).expect("a device")));
            let outcomes = world.run_turns(&program, &inputs, 2).expect("a run without faults");
            let mut runs = Runs::new(&program);
            let plain = [runs.run(&inputs), runs.run(&inputs)];
            let in_f64 = training.in_f64(weights.clone());
            for (index, name) in training.names().enumerate() {
                let found = &outcomes[0].outputs[&name];
                assert_eq!(*found, plain[1][index].elements, "{name} by {protocol}");
                for (found, due) in found.decode(codec).iter().zip(&in_f64[index]) {
                    assert!((found - due).abs() < 1e-4, "{name}: {found} for {due}");
                }
            }
            let loss = |run: usize| plain[run].last().expect("the loss").elements.decode(codec)[0];
            assert_eq!(outcomes[1].outputs["loss"].decode(codec), [loss(0), loss(1)]);
        }
    }
}
