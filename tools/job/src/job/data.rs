//! A job's inputs as they are read: each file once for all that is in it, held against what the job declares and what
//! the first batch was.

use super::{BATCH, Job, is_by_batch, of_batch};
use crate::data::{DataError, DataFile, Matrix, Source, ValueError};
use crate::{JobError, Notice};
use std::collections::BTreeMap;
use std::path::PathBuf;
use symbolon::program::Kind;
use symbolon::ring::{Elements, FixedPoint};
use symbolon::session::Offer;

/// An input that has been read.
pub struct InputData {
    /// Its name.
    pub name: String,
    source: Source,
    /// Its numbers.
    pub matrix: Matrix,
    /// The kind that the job declares, or else the file's; integers no wider than the ring.
    kind: Kind,
    /// Whether the program has it as integers, whatever its other numbers are.
    is_integer: bool,
}

impl InputData {
    /// Its elements.
    ///
    /// # Errors
    /// Where a number does not fit; the error names the file and the place in it.
    pub fn encode(&self, codec: FixedPoint) -> Result<Elements, JobError> {
        self.encode_as(codec, self.kind)
    }

    /// A later batch's elements, of the shape and the kind of the first batch's, which the program was made for.
    ///
    /// # Errors
    /// Where its shape or its kind is another, or a number does not fit.
    pub fn encode_later(&self, first: &Offer, codec: FixedPoint) -> Result<Elements, JobError> {
        let found = self.matrix.dims;
        if found != first.shape {
            return Err(self.failed(ValueError::LaterShape { found, first: first.shape }));
        }
        if codec.fraction_bits() == 0 || self.is_integer {
            self.matrix.check_kind(first.kind).map_err(|error| match error {
                ValueError::Kind { at, value, kind } => {
                    self.failed(ValueError::LaterKind { at, value, first: kind })
                }
                other => self.failed(other),
            })?;
        }
        self.encode_as(codec, first.kind)
    }

    fn encode_as(&self, codec: FixedPoint, kind: Kind) -> Result<Elements, JobError> {
        let codec = if self.is_integer { codec.whole() } else { codec };
        self.matrix.encode(codec, kind).map_err(|error| self.failed(error))
    }

    /// The offer of it to the other parties.
    pub fn offer(&self) -> Offer {
        Offer { shape: self.matrix.dims, kind: self.kind }
    }

    fn failed(&self, error: ValueError) -> JobError {
        JobError::Value { input: self.name.clone(), file: self.source.name(), error: Box::new(error) }
    }
}

impl Job {
    /// Reads inputs of a batch, each from the given source or from where the job says, checks them against what the job
    /// declares, and hands them to `each`. A file is opened once for all that is read from it. Assumptions about tables go
    /// to `notify`.
    ///
    /// # Errors
    /// Where an input has no file, cannot be read, or does not fit, and as `each` says.
    pub fn read_inputs<'a>(
        &self,
        inputs: impl IntoIterator<Item = (&'a str, Option<Source>)>,
        batch: u32,
        notify: &dyn Fn(Notice),
        mut each: impl FnMut(InputData) -> Result<(), JobError>,
    ) -> Result<(), JobError> {
        let mut sources: Vec<(&str, Source)> = inputs
            .into_iter()
            .map(|(name, source)| Ok((name, self.batch_source(name, source, batch)?)))
            .collect::<Result<_, JobError>>()?;
        sources.sort_by(|(_, a), (_, b)| a.file.cmp(&b.file));
        let mut opened: Option<(PathBuf, DataFile)> = None;
        for (name, source) in sources {
            let failed = |error: DataError| JobError::Data { input: name.to_owned(), error };
            let file = match &mut opened {
                Some((path, file)) if *path == source.file => file,
                _ => {
                    let file = DataFile::open(&source.file).map_err(failed)?;
                    &mut opened.insert((source.file.clone(), file)).1
                }
            };
            let declared = self.described(name);
            let mut tell = |text: String| notify(Notice::Assumed { input: name.to_owned(), text });
            let matrix =
                file.matrix(source.tensor.as_deref(), &declared.table(), &mut tell).map_err(failed)?;
            let (is_integer, codec) = (declared.is_integer(), self.codec);
            let kind = match declared.kind.filter(|_| !is_integer).unwrap_or(matrix.kind) {
                kind if is_integer => kind.within(codec.ring()),
                kind => self.kind_in_ring(kind),
            };
            let data = InputData { name: name.to_owned(), source, matrix, kind, is_integer };
            let checked = data.matrix.check(declared.shape, declared.bound);
            let checked =
                checked.and_then(|()| declared.kind.map_or(Ok(()), |kind| data.matrix.check_kind(kind)));
            checked.map_err(|error| data.failed(error))?;
            let vanishing = if is_integer { 0 } else { data.matrix.vanishing(codec) };
            if vanishing > 0 {
                let bits = self.codec.fraction_bits();
                tell(format!(
                    "{vanishing} of its numbers are nearer to zero than to 2^-{bits}, the least that {bits} fraction bits \
                     hold, and count as zero"
                ));
            }
            each(data)?;
        }
        Ok(())
    }

    /// The shape and kind of every input: those of its file, held against the declaration, or where there is no file here,
    /// the declared ones.
    ///
    /// # Errors
    /// Where an input has neither, or a file cannot be read or differs from what is declared.
    pub fn offers(&self, notify: &dyn Fn(Notice)) -> Result<BTreeMap<String, Offer>, JobError> {
        let file = |name: &str| self.input_source(name).map(|source| of_batch(&source.file, 0));
        let mut offers = BTreeMap::new();
        let mut read = Vec::new();
        for name in self.inputs.keys() {
            match (file(name).filter(|file| file.exists()), self.declared_offer(name)) {
                (Some(_), _) => read.push((name.as_str(), None)),
                (None, Some(declared)) => drop(offers.insert(name.clone(), declared)),
                (None, None) => return Err(self.unplanned(name, file(name))),
            }
        }
        self.read_inputs(read, 0, notify, |data| {
            let offer = data.offer();
            offers.insert(data.name, offer);
            Ok(())
        })?;
        Ok(offers)
    }

    /// The error of an input without a file here and without a declared shape.
    fn unplanned(&self, name: &str, file: Option<PathBuf>) -> JobError {
        let file = file
            .map_or_else(|| "names no file".to_owned(), |file| format!("{}: No such file", file.display()));
        let reason = format!(
            "input '{name}': {file}; where only its owner has it, declare its shape in the job, as shape = [rows, cols]"
        );
        JobError::Text { path: self.path.clone(), line: None, reason }
    }

    /// The place of an input in a batch.
    fn batch_source(&self, name: &str, source: Option<Source>, batch: u32) -> Result<Source, JobError> {
        let wrong = |reason: String| JobError::Text { path: self.path.clone(), line: None, reason };
        let Some(source) = source.or_else(|| self.input_source(name)) else {
            return Err(wrong(format!(
                "input '{name}' has no file: name one here, or under [inputs] of its party's file"
            )));
        };
        if self.described(name).resident && is_by_batch(&source.file) {
            return Err(wrong(format!(
                "input '{name}' is resident, so it has one file for all batches: {BATCH} in its path stands for one"
            )));
        }
        Ok(Source { file: of_batch(&source.file, batch), ..source })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use symbolon::program::Dims;
    use symbolon::ring::Ring;

    #[test]
    fn a_file_is_opened_once_for_all_that_is_read_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let job = r#"
            job = { name = "columns", protocol = "beaver", ring_bits = 64 }
            inputs.a = { owner = 0, file = "people.csv", columns = ["age"] }
            inputs.b = { owner = 0, file = "other.csv", header = false }
            inputs.c = { owner = 0, file = "people.csv", columns = [1] }
            program.steps = ["z = a + c"]
            outputs.z = { to = [0] }
        "#;
        std::fs::write(path("job.toml"), job).unwrap();
        std::fs::write(path("people.csv"), "weight,age\n70,30\n80,40\n").unwrap();
        std::fs::write(path("other.csv"), "1\n").unwrap();
        let job = Job::read(&path("job.toml")).unwrap();
        let codec = FixedPoint::new(Ring::Z64, 0).unwrap();
        let mut read = BTreeMap::new();
        let inputs = job.inputs.keys().map(|name| (name.as_str(), None));
        job.read_inputs(inputs, 0, &|_| {}, |data| {
            // What is gone can be read on only where it is open.
            std::fs::remove_file(&data.source.file).ok();
            read.insert(data.name.clone(), data.encode(codec)?.to_u64());
            Ok(())
        })
        .unwrap();
        assert_eq!(read["a"], [30, 40]);
        assert_eq!(read["b"], [1]);
        assert_eq!(read["c"], [70, 80]);
    }

    #[test]
    fn a_peers_input_is_of_the_kind_that_the_job_declares_and_no_wider_than_the_ring() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        let kinds = |ring_bits: u32, declared: &str, offered: Kind| {
            let job = format!(
                r#"
                job = {{ name = "kinds", protocol = "beaver", ring_bits = {ring_bits} }}
                inputs.b = {{ owner = 1{declared} }}
                program.steps = ["z = b < 7"]
                outputs.z = {{ to = [0] }}
                "#
            );
            std::fs::write(&path, job).unwrap();
            let job = Job::read(&path).unwrap();
            let offer = Offer { shape: Dims::new(&[2, 3]).unwrap(), kind: offered };
            let program = job.program(&BTreeMap::from([("b".to_owned(), offer)])).unwrap();
            (job.declared()["b"].kind, program.inputs()[0].kind)
        };
        assert_eq!(kinds(64, ", kind = \"u32\"", Kind::U32), (Some(Kind::U32), Kind::U32));
        assert_eq!(kinds(64, ", kind = \"real\"", Kind::I64), (Some(Kind::I64), Kind::I64));
        assert_eq!(kinds(64, "", Kind::U32), (None, Kind::U32));
        assert_eq!(kinds(64, "", Kind::Real), (None, Kind::I64));
        assert_eq!(kinds(32, "", Kind::U64), (None, Kind::U32), "whatever its owner offers");
    }
}
