//! The parties of a session, and what they run.
//!
//! The graph's lock is held for moments and by whoever holds the interpreter; the parties' lock for as long as a run
//! takes, and only without the interpreter, which others use meanwhile. A signal's handler is called at every wait.

use crate::errors::{self, Raised};
use crate::graph::{Described, Graph, Inner, Leaf, Node};
use crate::numbers;
use pyo3::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use symbolon::program::{Dims, Kind, Truncation};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint};
use symbolon::session::Devices;
use symbolon::share::{PartyId, Terms};
use symbolon_cli::Failure;
use symbolon_cli::embed::{self, Settings};
use symbolon_cli::worker::{Check, Crew, Ran, Run};
use symbolon_job::PartyConfig;

/// Programs that are kept at once; the one that was used the longest ago makes room.
const MOST_KEPT: usize = 16;

/// Where the parties of a session are.
enum Place {
    /// Processes of this program.
    Processes(PathBuf),
    /// Threads of this process.
    Threads,
    /// One is here, and the others elsewhere.
    Deployment(Box<PartyConfig>),
}

/// The parties, and the programs that they keep.
#[derive(Default)]
struct Parties {
    crew: Option<Crew>,
    kept: HashMap<(String, Vec<u64>), Kept>,
    /// Programs kept so far.
    numbers: u32,
    /// Runs so far.
    runs: u64,
}

/// A program that is kept.
struct Kept {
    number: u32,
    /// The run that used it last.
    used: u64,
}

/// A session: its parties and its values.
#[pyclass(frozen, module = "symbolon._native")]
pub struct World {
    place: Place,
    protocol: Protocol,
    codec: FixedPoint,
    terms: Terms,
    settings: Settings,
    devices: OnceLock<Devices>,
    graph: Mutex<Graph>,
    parties: Mutex<Parties>,
    closed: AtomicBool,
}

/// What a session is opened with. `place` is "processes", "threads" or "deployment"; `path` the command's program or the
/// party's file.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Opening {
    place: String,
    path: Option<PathBuf>,
    protocol: String,
    ring_bits: u32,
    fraction_bits: u32,
    truncation: String,
    check: bool,
    flags: Vec<String>,
}

/// What is declared of an input.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Declared {
    shape: Vec<usize>,
    owner: u8,
    bound: Option<f64>,
    kind: Option<String>,
    resident: bool,
    name: Option<String>,
    digest: Option<String>,
}

/// What may fail: failures are large.
type Outcome<T> = Result<T, Box<Failure>>;

/// Values, and the parties that are to learn each.
type Outputs<'py> = Vec<(Bound<'py, Node>, Vec<u8>)>;

/// Fails where the user wants to stop; why is kept until the wait has ended.
type Stopped = Arc<Mutex<Option<PyErr>>>;

#[pymethods]
impl World {
    /// A session that nobody has met for yet.
    #[new]
    fn new(py: Python<'_>, opening: Opening) -> PyResult<World> {
        let Opening { place, path, protocol, ring_bits, fraction_bits, truncation, check, flags } = opening;
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let usage = |line: String| Raised::new("UsageError", line).into_error(py);
        let protocol = Protocol::from_str(&protocol).map_err(|error| usage(error.to_string()))?;
        let ring = numbers::ring(py, ring_bits)?;
        let codec = FixedPoint::new(ring, fraction_bits).map_err(|error| usage(error.to_string()))?;
        let truncation = match truncation.as_str() {
            "stochastic" => Truncation::Stochastic,
            "exact" => Truncation::Exact,
            other => return Err(usage(format!("truncation is \"stochastic\" or \"exact\", not {other:?}"))),
        };
        let raised = |failure: Failure| errors::of_failure(&failure).into_error(py);
        let settings = Settings::parse(flags.iter().map(String::as_str)).map_err(raised)?;
        let path = path.unwrap_or_default();
        let place = match place.as_str() {
            "processes" => Place::Processes(path),
            "threads" => Place::Threads,
            _ => {
                let config = PartyConfig::read(&path).map_err(|error| raised(error.into()))?;
                Place::Deployment(Box::new(config))
            }
        };
        let mut terms = Terms::default();
        terms.add("kind of session", "values by script");
        terms.add("protocol", protocol);
        terms.add("ring_bits", ring_bits);
        terms.add("fraction_bits", fraction_bits);
        terms.add("truncation", format!("{truncation:?}").to_lowercase());
        terms.add("check", check);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let graph = Mutex::new(Graph::new(id, protocol, codec, truncation, check));
        let (devices, parties, closed) = (OnceLock::new(), Mutex::default(), AtomicBool::new(false));
        Ok(World { place, protocol, codec, terms, settings, devices, graph, parties, closed })
    }

    /// The number of parties.
    #[getter]
    fn parties(&self) -> usize {
        self.protocol.parties()
    }

    /// The parties that this process knows the data of.
    #[getter]
    fn own(&self) -> Vec<u8> {
        match &self.place {
            Place::Deployment(config) => vec![config.party().0],
            _ => (0..self.protocol.parties() as u8).collect(),
        }
    }

    /// The bits of fractions.
    #[getter]
    fn fraction_bits(&self) -> u32 {
        self.codec.fraction_bits()
    }

    /// The bits of the ring.
    #[getter]
    fn ring_bits(&self) -> u32 {
        self.codec.ring().bits()
    }

    /// The magnitude below which numbers are.
    #[getter]
    fn limit(&self) -> f64 {
        self.codec.limit()
    }

    /// Whether the session has ended.
    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// An input: of an array, or of a shape where the data is another's.
    fn secret(&self, py: Python<'_>, array: Option<&Bound<'_, PyAny>>, declared: Declared) -> PyResult<Node> {
        let Declared { shape, owner, bound, kind, resident, name, digest } = declared;
        self.open(py)?;
        let kind = match kind.as_deref() {
            None => None,
            Some("i32") => Some(Kind::I32),
            Some("u32") => Some(Kind::U32),
            Some("u64") => Some(Kind::U64),
            Some(_) => Some(Kind::I64),
        };
        let data = array.map(|array| numbers::encode(self.codec, array)).transpose()?;
        let (shape, data) = data.map_or((shape, None), |(shape, elements)| (shape, Some(elements)));
        let dims = Dims::new(&shape);
        let dims = dims.map_err(|error| Raised::new("ProgramError", error.to_string()).into_error(py))?;
        let leaf = Leaf { name, digest, owner, bound, kind, resident, data };
        self.graph().input(leaf, dims).map_err(|raised| raised.into_error(py))
    }

    /// A step of the job language: `template` has its operands as `{0}`, `{1}`.
    fn apply(&self, py: Python<'_>, template: &str, operands: Vec<Bound<'_, Node>>) -> PyResult<Node> {
        self.open(py)?;
        let operands: Vec<Arc<Inner>> = operands.iter().map(|node| node.get().inner.clone()).collect();
        self.graph().apply(template, operands).map_err(|raised| raised.into_error(py))
    }

    /// The text of the job by which parties learn these values.
    fn job(&self, py: Python<'_>, outputs: Outputs<'_>) -> PyResult<String> {
        Ok(self.describe(py, &outputs, false)?.text)
    }

    /// What it takes to learn these values: JSON and a table.
    fn plan(&self, py: Python<'_>, outputs: Outputs<'_>, keep: bool) -> PyResult<(String, String)> {
        let described = self.describe(py, &outputs, keep)?;
        let planned =
            py.detach(|| -> Outcome<_> { Ok(self.settings.plan(&described.text, self.devices()?)?) });
        planned.map_err(|failure| errors::of_failure(&failure).into_error(py))
    }

    /// Runs what these values depend on. For each its elements, where a party here learns them; and the run's report.
    fn reveal<'py>(
        &self,
        py: Python<'py>,
        outputs: Outputs<'py>,
        keep: bool,
    ) -> PyResult<(Vec<Option<Bound<'py, PyAny>>>, Report)> {
        let described = self.describe(py, &outputs, keep)?;
        let stopped: Stopped = Arc::default();
        let ran = py.detach(|| self.run(&described, keep, &stopped));
        let ran = ran.map_err(|failure| raised(py, &failure, &stopped))?;
        let report = Report::merge(&ran, &self.settings);
        let report = report.map_err(|failure| errors::of_failure(&failure).into_error(py))?;
        let mut arrays = Vec::new();
        for ((node, _), name) in outputs.iter().zip(&described.outputs) {
            let learnt = self.learnt(&ran, name).map_err(|raised| raised.into_error(py))?;
            let reading = node.get().inner.reading;
            arrays.push(learnt.map(|elements| numbers::decode(py, self.codec, reading, elements)));
        }
        Ok((arrays, report))
    }

    /// Releases all programs that are kept.
    fn release(&self, py: Python<'_>) {
        py.detach(|| {
            let mut parties = self.parties_here();
            let Parties { crew, kept, .. } = &mut *parties;
            for (_, Kept { number, .. }) in kept.drain() {
                crew.iter_mut().for_each(|crew| crew.release(number));
            }
        });
    }

    /// Meets the other parties, or starts those of this machine, if that was not done before.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        self.open(py)?;
        let stopped: Stopped = Arc::default();
        let started = py.detach(|| self.started(&mut self.parties_here(), &stopped).map(drop));
        started.map_err(|failure| raised(py, &failure, &stopped))
    }

    /// Ends the session: in order, or at once where something has failed.
    fn close(&self, py: Python<'_>, in_order: bool) -> PyResult<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let stopped: Stopped = Arc::default();
        let ended = py.detach(|| -> Outcome<()> {
            let crew = std::mem::take(&mut *self.parties_here()).crew;
            match crew.filter(|_| in_order) {
                Some(crew) => Ok(crew.with_check(check(&stopped)).finish()?),
                None => Ok(()),
            }
        });
        ended.map_err(|failure| raised(py, &failure, &stopped))
    }
}

impl World {
    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called without the interpreter alone.
    fn parties_here(&self) -> MutexGuard<'_, Parties> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, py: Python<'_>) -> PyResult<()> {
        if !self.closed() {
            return Ok(());
        }
        Err(Raised::new("ClosedError", "the session is closed: open another one").into_error(py))
    }

    fn describe(&self, py: Python<'_>, outputs: &Outputs<'_>, keep: bool) -> PyResult<Described> {
        self.open(py)?;
        let outputs: Vec<(Arc<Inner>, Vec<u8>)> =
            outputs.iter().map(|(node, to)| (node.get().inner.clone(), to.clone())).collect();
        self.graph().describe(&outputs, keep).map_err(|raised| raised.into_error(py))
    }

    fn devices(&self) -> Outcome<&Devices> {
        if let Some(devices) = self.devices.get() {
            return Ok(devices);
        }
        let opened = self.settings.open_devices()?;
        Ok(self.devices.get_or_init(|| opened))
    }

    /// The parties at work.
    fn started<'a>(&self, parties: &'a mut Parties, stopped: &Stopped) -> Outcome<&'a mut Crew> {
        let check = check(stopped);
        if let Some(crew) = parties.crew.take() {
            return Ok(parties.crew.insert(crew.with_check(check)));
        }
        let crew = match &self.place {
            Place::Processes(command) => self.settings.processes(command, self.protocol, check)?,
            Place::Threads => self.settings.threads(self.protocol, self.devices()?, check)?,
            Place::Deployment(config) => {
                let (terms, devices) = (self.terms.clone(), self.devices()?.clone());
                self.settings.party(config, self.protocol, terms, devices, check)?
            }
        };
        Ok(parties.crew.insert(crew))
    }

    /// Runs a program. After a failure the parties are started anew by the next run, unless they are elsewhere.
    fn run(&self, described: &Described, keep: bool, stopped: &Stopped) -> Outcome<BTreeMap<PartyId, Ran>> {
        let mut parties = self.parties_here();
        let key = described.key();
        let is_first = !keep || !parties.kept.contains_key(&key);
        if is_first {
            // Before anybody else is bothered.
            embed::check(&described.text)?;
        }
        self.started(&mut parties, stopped)?;
        let keep = keep.then(|| self.number(&mut parties, key));
        let crew = parties.crew.as_mut().expect("it is at work");
        let run = |&party: &PartyId| {
            let job = is_first.then(|| described.text.clone());
            (party, Run { job, keep, inputs: described.data(party, is_first) })
        };
        let runs = crew.parties().iter().map(run).collect();
        let ran = crew.run(runs);
        if ran.is_err() {
            *parties = Parties::default();
            if let Place::Deployment(_) = self.place {
                self.closed.store(true, Ordering::SeqCst);
            }
        }
        Ok(ran?)
    }

    /// The number of a program that is kept.
    fn number(&self, parties: &mut Parties, key: (String, Vec<u64>)) -> u32 {
        parties.runs += 1;
        let used = parties.runs;
        if let Some(kept) = parties.kept.get_mut(&key) {
            kept.used = used;
            return kept.number;
        }
        if parties.kept.len() == MOST_KEPT {
            let oldest = parties.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            let kept = oldest.and_then(|key| parties.kept.remove(&key)).expect("several are kept");
            parties.crew.iter_mut().for_each(|crew| crew.release(kept.number));
        }
        let number = parties.numbers;
        parties.numbers += 1;
        parties.kept.insert(key, Kept { number, used });
        number
    }

    /// What the parties here have learnt of an output; all of them the same.
    fn learnt<'a>(
        &self,
        ran: &'a BTreeMap<PartyId, Ran>,
        name: &str,
    ) -> Result<Option<&'a Elements>, Raised<'static>> {
        let mut learnt = ran.values().filter_map(|ran| ran.outputs.get(name));
        let first = learnt.next();
        if learnt.all(|other| Some(other) == first) {
            return Ok(first);
        }
        Err(Raised::new("CheckError", format!("the parties have learnt different numbers of {name}")))
    }
}

/// Has signals handled at every wait.
fn check(stopped: &Stopped) -> Check {
    let stopped = stopped.clone();
    Arc::new(move || {
        let raised = Python::attach(|py| py.check_signals()).err();
        let goes_on = raised.is_none();
        if !goes_on {
            *stopped.lock().unwrap_or_else(PoisonError::into_inner) = raised;
        }
        goes_on
    })
}

/// A failure as an exception: what a signal's handler raised, where that has ended the wait.
fn raised(py: Python<'_>, failure: &Failure, stopped: &Stopped) -> PyErr {
    let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
    stopped.unwrap_or_else(|| errors::of_failure(failure).into_error(py))
}

/// What a run took.
#[pyclass(frozen, module = "symbolon._native")]
pub struct Report {
    report: embed::Report,
    settings: Settings,
}

impl Report {
    fn merge(ran: &BTreeMap<PartyId, Ran>, settings: &Settings) -> Outcome<Report> {
        let report = embed::Report::merge(ran.values().map(|ran| ran.report.as_str()))?;
        Ok(Report { report, settings: settings.clone() })
    }
}

#[pymethods]
impl Report {
    /// As JSON.
    fn json(&self) -> String {
        self.report.json()
    }

    /// In a table.
    fn text(&self) -> String {
        self.report.text()
    }

    /// As a page.
    fn html(&self) -> String {
        self.report.html(&self.settings)
    }
}
