//! A prepared program: it is planned once, and the model's weights stay in device memory between its runs. Later runs
//! send less, since what was opened of the weights is used again.

use std::sync::Arc;
use symbolon::{Cpu, Elements, FixedPoint, Parties, PartyId, Program, Protocol, Ring, Shape, World};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let codec = FixedPoint::new(Ring::Z64, 16)?;
    let mut program = Program::new(2, codec);
    let x = program.input("x", PartyId(0), Shape::new(4, 64), Some(1.0))?;
    let w = program.input("w", PartyId(1), Shape::new(64, 32), Some(1.0))?;
    program.reside(w)?;
    let product = program.matmul(x, w)?;
    let hidden = program.relu(product)?;
    program.output("hidden", hidden, Parties::from_iter([PartyId(0)]))?;

    let numbers = |count: usize, step: f64| (0..count).map(|i| (i as f64 * step).sin()).collect::<Vec<_>>();
    let weights = Elements::encode(codec, &numbers(64 * 32, 0.37))?;
    let batch = |step| {
        Ok::<_, Box<dyn std::error::Error>>(vec![
            Elements::encode(codec, &numbers(4 * 64, step))?,
            weights.clone(),
        ])
    };
    let batches = [batch(0.11)?, batch(0.23)?, batch(0.41)?];

    let world = World::new(Protocol::Beaver, Arc::new(Cpu::open(None, None)?));
    let outcomes = world.run_batches(&program, &batches)?;
    for (run, outcome) in outcomes[1].iter().enumerate() {
        println!("run {run}: the owner of the weights sends {} bytes", outcome.report.tally.sent_bytes);
    }
    let sent = |run: usize| outcomes[1][run].report.tally.sent_bytes;
    assert!(sent(1) < sent(0) && sent(1) == sent(2), "the weights are opened once");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_runs() {
        super::main().expect("the example runs");
    }
}
