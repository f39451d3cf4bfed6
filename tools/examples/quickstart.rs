//! A private matrix product, with all parties in this process: nothing is private here, but the code of each party is
//! that of a real deployment.

use std::sync::Arc;
use symbolon::{Cpu, Elements, FixedPoint, Parties, PartyId, Program, Protocol, Ring, Shape, World};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // scores = x @ w: x is party 0's, w is party 1's, and party 0 alone learns the scores.
    let codec = FixedPoint::new(Ring::Z64, 16)?;
    let mut program = Program::new(2, codec);
    let x = program.input("x", PartyId(0), Shape::new(1, 2), None)?;
    let w = program.input("w", PartyId(1), Shape::new(2, 1), None)?;
    let scores = program.matmul(x, w)?;
    program.output("scores", scores, Parties::from_iter([PartyId(0)]))?;

    let world = World::new(Protocol::Beaver, Arc::new(Cpu::open(None, None)?));
    let inputs = [Elements::encode(codec, &[1.5, -2.0])?, Elements::encode(codec, &[4.0, 0.25])?];
    let outcomes = world.run(&program, &inputs)?;

    let scores = outcomes[0].outputs["scores"].decode(codec);
    println!("party 0 learns {scores:?}, party 1 learns {:?}", outcomes[1].outputs.keys());
    assert!((scores[0] - 5.5).abs() < 1e-4);
    assert!(outcomes[1].outputs.is_empty());
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_runs() {
        super::main().expect("the example runs");
    }
}
