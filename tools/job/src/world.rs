//! All parties of a job in one process.

use crate::data::{OutputData, Source};
use crate::{Job, JobError, Notice, parallel};
use std::collections::BTreeMap;
use symbolon::World;
use symbolon::program::{Dims, Program};
use symbolon::ring::Elements;
use symbolon::run::{Stage, Stages};
use symbolon::session::Offer;

impl Job {
    /// Runs all parties in this process, in a world of the job's protocol, on the files that the job names; for each batch
    /// its outputs by name. Nothing is written.
    ///
    /// # Errors
    /// Where an input cannot be used, or a role fails.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn run_in(
        &self,
        world: &World,
        notify: &dyn Fn(Notice),
    ) -> Result<Vec<BTreeMap<String, OutputData>>, JobError> {
        let mut offers = BTreeMap::new();
        let mut batches: Vec<Vec<Elements>> = Vec::new();
        for batch in 0..self.batches {
            let inputs = self.inputs.keys().map(|name| (name.as_str(), None));
            let mut stages = Stages::default();
            let elements = self.encode_batch(inputs, batch, &mut offers, notify, &mut stages)?;
            batches.push(elements.into_values().collect());
        }
        let program = self.program(&offers)?;
        let parties = match self.repeat() {
            Some(repeat) => {
                let outcomes = world.run_turns(&program, &batches[0], repeat.repeat)?;
                outcomes.into_iter().map(|outcome| vec![outcome]).collect()
            }
            None => world.run_batches(&program, &batches)?,
        };
        let mut learnt: Vec<BTreeMap<String, OutputData>> = batches.iter().map(|_| BTreeMap::new()).collect();
        for (batch, outcome) in parties.into_iter().flat_map(|outcomes| outcomes.into_iter().enumerate()) {
            learnt[batch].extend(self.output_data(&program, outcome.outputs));
        }
        Ok(learnt)
    }

    /// Inputs of a batch, read and encoded. Those of the first batch leave their offers, against which later ones are held.
    /// The time goes to [`Stage::Reading`] and [`Stage::Encoding`].
    pub(crate) fn encode_batch<'a>(
        &self,
        inputs: impl IntoIterator<Item = (&'a str, Option<Source>)>,
        batch: u32,
        offers: &mut BTreeMap<String, Offer>,
        notify: &dyn Fn(Notice),
        stages: &mut Stages,
    ) -> Result<BTreeMap<String, Elements>, JobError> {
        let mut read = Vec::new();
        self.read_inputs(inputs, batch, notify, |data| {
            read.push(data);
            Ok(())
        })?;
        stages.end(Stage::Reading);
        let encoded = parallel::each(read, |data| {
            let elements = match offers.get(&data.name) {
                None => data.encode(self.codec),
                Some(first) => data.encode_later(first, self.codec),
            };
            let offer = data.offer();
            elements.map(|elements| (data.name, offer, elements))
        });
        let mut batch = BTreeMap::new();
        for input in encoded {
            let (name, offer, elements) = input?;
            offers.entry(name.clone()).or_insert(offer);
            batch.insert(name, elements);
        }
        stages.end(Stage::Encoding);
        Ok(batch)
    }

    /// Outputs with all that it takes to write them.
    pub(crate) fn output_data(
        &self,
        program: &Program,
        outputs: BTreeMap<String, Elements>,
    ) -> BTreeMap<String, OutputData> {
        let data = |(name, elements): (String, Elements)| {
            let output = program.outputs().iter().find(|output| output.name == name).expect("an output");
            let kind = program.value(output.value).kind(self.codec.ring());
            let dims = program.dims(output.value);
            let dims = if self.is_series(&name) {
                // A loop that went on from a checkpoint has the later ones alone.
                let len = dims.folded().len();
                let all = (self.turns() / self.every(&name)) as usize;
                let turns = [elements.len().checked_div(len).unwrap_or(all)];
                Dims::new(&[&turns, dims.extents()].concat()).expect("it was checked with the program")
            } else {
                dims
            };
            (name, OutputData { dims, kind, codec: self.codec, elements })
        };
        outputs.into_iter().map(data).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;
    use symbolon::Cpu;

    fn run(folder: &Path) -> Result<Vec<Vec<f64>>, JobError> {
        let job = Job::read(&folder.join("job.toml"))?;
        let world = World::new(job.protocol, Arc::new(Cpu::open(Some(1), None).expect("a device")));
        Ok(job.run_in(&world, &|_| {})?.iter().map(|outputs| outputs["z"].decode()).collect())
    }

    #[test]
    fn every_batch_of_a_job_runs_in_one_process_and_is_held_against_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "job.toml",
            r#"
            job = { name = "batches", protocol = "replicated", ring_bits = 64, batches = 2 }
            inputs.x = { owner = 0, file = "x{batch}.csv" }
            inputs.w = { owner = 1, file = "w.csv", resident = true }
            program.steps = ["z = x @ w"]
            outputs.z = { to = [0, 2] }
            "#,
        );
        write("x0.csv", "1,2\n");
        write("x1.csv", "-3,4\n");
        write("w.csv", "10\n1\n");
        assert_eq!(run(folder.path()), Ok(vec![vec![12.0], vec![-26.0]]));
        write("x1.csv", "1,2\n3,4\n");
        let line = run(folder.path()).expect_err("another shape").to_string();
        assert!(line.contains("x1.csv: has shape (2, 2), in the first batch it was (1, 2)"), "{line}");
    }
}
