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

    /// The example's network on mini-batches of 8 of 24 images for three turns.
    #[test]
    fn digits_by_shuffled_batches_train_as_the_plain_oracle_does() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/training/digits.toml");
        let mut text = std::fs::read_to_string(&path).expect("the example");
        for (from, to) in [
            ("repeat = 330", "repeat = 3"),
            ("shuffle = 1437, take = 128", "shuffle = 24, take = 8"),
            ("every = 11", "every = 1"),
        ] {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        for protocol in ["replicated", "beaver"] {
            let text = text.replace("\"replicated\"", &format!("\"{protocol}\""));
            let job = Job::parse(&path, &text).expect("the example");
            let world = World::new(job.protocol, Arc::new(Cpu::open(Some(1), None).expect("a device")));
            let learnt = job.run_in(&world, &|_| {}).expect("a run without faults");
            let (mut offers, mut stages) = (BTreeMap::new(), Stages::default());
            let inputs = job.inputs.keys().map(|name| (name.as_str(), None));
            let read = job.encode_batch(inputs, 0, &mut offers, &|_| {}, &mut stages).expect("its data");
            let (program, inputs) =
                (job.program(&offers).expect("a program"), read.into_values().collect::<Vec<_>>());
            let mut runs = symbolon::program::oracle::Runs::new(&program);
            let plain: Vec<_> = (0..3).map(|_| runs.run(&inputs)).collect();
            for (index, output) in program.outputs().iter().enumerate() {
                let expected: Vec<Elements> = plain.iter().map(|run| run[index].elements.clone()).collect();
                let of_turns = if output.name == "loss" { &expected[..] } else { &expected[2..] };
                let found = &learnt[0][&output.name].elements;
                assert_eq!(*found, Elements::concat(of_turns), "{} by {protocol}", output.name);
            }
            let losses = learnt[0]["loss"].decode();
            assert!(losses.iter().all(|loss| (1.0..4.0).contains(loss)), "{losses:?}");
        }
    }

    #[test]
    fn what_public_values_and_loops_cannot_be_is_refused_by_name() {
        let refused = |public: &str, steps: &str| {
            let text = format!(
                "job = {{ name = \"p\", protocol = \"replicated\", ring_bits = 64, fraction_bits = 16 }}\n\
                 inputs.x = {{ owner = 0, shape = [4, 2] }}\n\
                 state.w = {{ shape = [2, 1], from = 0 }}\n{public}\n\
                 program.steps = [{steps}]\noutputs.w = {{ to = [0] }}\n"
            );
            let job = Job::parse(Path::new("job.toml"), &text);
            let built = job.and_then(|job| {
                let offers = job.offers(&|_| {})?;
                job.program(&offers).map(drop)
            });
            built.expect_err(public).to_string()
        };
        let turns = |text: &str| format!("{{ repeat = 3, steps = [\"{text}\"] }}");
        let body = turns("w = w + x[rows].T @ x[rows] @ w");
        for (public, steps, part) in [
            ("public.rows = { shuffle = 9, take = 2, seed = 1 }", body.as_str(), "row 8 of rows"),
            ("public.rows = { shuffle = 2, take = 3, seed = 1 }", &body, "takes more rows than there are"),
            ("public.rows = { from = \"run - 1\", take = 1 }", &body, "it is -1 in run 0, which is no row"),
            ("public.rows = [1.0, 2.0]", &body, "it is of 2 runs, and the job has 3"),
            ("public.rows = [1.0, 2.0, 3.0]", &body, "is a number, and numbers no rows"),
            ("public.rows = \"exp(run)\"", &body, "'exp(run)' is not understood"),
            ("public.x = [1.0, 2.0, 3.0]", &body, "'x' is a public value, and an input or a state"),
            ("public.rate = \"1 / 2 ^ (30 * run)\"", &turns("w = w * rate"), "public value"),
            ("public.rate = [1.0, 2.0, 3.0]", &turns("w = w + rate"), "'rate' is a public value by run"),
            ("public.rate = [1.0, 2.0, 3.0]", &turns("w = w * 2\", \"rate = w"), "rate"),
            ("update.w = \"w\"", &turns("w = w * 2"), "which [update] updates as well"),
            ("", &format!("\"y = w * 2\", {}", turns("w = w + y")), "'y' differs from turn to turn"),
        ] {
            let line = refused(public, steps);
            assert!(line.contains(part), "{public}: {line}");
        }
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
