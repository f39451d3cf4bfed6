//! Public inputs, those with `owner = "public"`: every party has them, each from a file of its own.
//!
//! Their numbers are part of the program, so parties compare them before anything secret moves; see
//! [`symbolon::program::Program::public_tensor`].

use super::program::Build;
use super::{Input, Job, State, is_by_batch};
use crate::JobError;
use crate::data::Source;
use std::collections::BTreeMap;

/// Makes sure that a public input is described as one.
pub(super) fn check(
    tables: &BTreeMap<String, Input>,
    states: &BTreeMap<String, State>,
) -> Result<(), String> {
    for (name, table) in tables {
        let by_batch = table.file.as_ref().is_some_and(|file| is_by_batch(file));
        let refused = [
            (table.resident, "is resident as it is"),
            (table.bits.is_some(), "has no `bits`: its numbers say of how many they are"),
            (table.is_integer(), "has no `kind`: whole numbers of its file are integers"),
            (by_batch, "has one file for all batches"),
            (states.contains_key(name), "has the name of a state"),
        ];
        if let Some((_, reason)) = refused.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(format!("public input '{name}' {reason}"));
        }
    }
    Ok(())
}

impl Job {
    /// Reads a public input from another file than the job's, which may be relative to the working folder.
    pub(crate) fn take_table(&mut self, name: &str, source: Source) -> Result<(), JobError> {
        let path = std::path::absolute(&source.file)
            .map_err(|error| JobError::File { path: source.file.clone(), reason: error.to_string() })?;
        if let Some(table) = self.tables.get_mut(name) {
            (table.file, table.tensor) = (Some(path), source.tensor);
        }
        Ok(())
    }
}

impl Build<'_> {
    /// Adds the public inputs, in the order of their names.
    pub(super) fn tables(&mut self) -> Result<(), JobError> {
        let job = self.job;
        let (mut read, codec) = (BTreeMap::new(), job.codec);
        let wanted = job.tables.keys().map(|name| (name.as_str(), None));
        job.read_inputs(wanted, 0, &|_| {}, |data| {
            let signed = codec.fraction_bits() > 0 || data.offer().kind.is_signed();
            let (dims, elements) = (data.offer().shape, data.encode(codec)?);
            read.insert(data.name, (dims, elements, signed));
            Ok(())
        })?;
        for (name, (dims, elements, signed)) in read {
            let value = self.program.public_tensor(&name, dims, &elements, signed)?;
            self.names.insert(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::program::Schedule;

    fn job(folder: &std::path::Path, inputs: &str, fraction_bits: u32) -> Result<Job, String> {
        let text = format!(
            "[job]\nname = \"t\"\nprotocol = \"beaver\"\nring_bits = 64\nfraction_bits = {fraction_bits}\n[inputs]\n\
             x = {{ owner = 0, shape = [2, 2] }}\n{inputs}\n[program]\nsteps = [\"z = x @ t\"]\n\
             [outputs]\nz = {{ to = [1] }}\n"
        );
        Job::parse(&folder.join("job.toml"), &text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_public_input_is_a_tensor_of_the_program_and_nobodys() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("t.csv"), "1,-2\n3,4\n").expect("a file");
        for fraction_bits in [0, 16] {
            let input = "t = { owner = \"public\", file = \"t.csv\", header = false }";
            let job = job(folder.path(), input, fraction_bits).expect("a job");
            let offers =
                job.inputs.keys().map(|name| (name.clone(), job.declared_offer(name).expect("a shape")));
            let program = job.program(&offers.collect()).expect("a program");
            assert_eq!(program.inputs().len(), 1, "x alone is an input");
            let [public] = program.publics() else { panic!("one public tensor") };
            assert!(matches!(public.schedule, Schedule::Tensor(_)), "t is a tensor");
            assert_eq!(job.declared().len(), 1, "nobody offers t");
            let text = public.schedule.to_string();
            std::fs::write(folder.path().join("t.csv"), "1,-2\n3,5\n").expect("a file");
            let other =
                job.program(&BTreeMap::from([("x".to_owned(), job.declared_offer("x").expect("a shape"))]));
            let other = other.expect("a program").publics()[0].schedule.to_string();
            assert_ne!(text, other, "parties that have other numbers see it");
            std::fs::write(folder.path().join("t.csv"), "1,-2\n3,4\n").expect("a file");
        }
    }

    #[test]
    fn what_no_public_input_is_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |input: &str| job(folder.path(), input, 0).map(drop).expect_err("it is refused");
        assert!(refused("t = { owner = \"public\", file = \"t_{batch}.npy\" }").contains("one file for all"));
        assert!(refused("t = { owner = \"public\", resident = true }").contains("resident as it is"));
        assert!(refused("t = { owner = \"public\", kind = \"integer\" }").contains("no `kind`"));
        assert!(refused("t = { owner = \"all\" }").contains("owner"));
    }
}
