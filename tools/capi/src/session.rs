//! Sessions: the parties, and what they run.

use crate::handles::{give, lock, of};
use crate::memory::{put, put_text, read, text, write};
use crate::numbers::{Numbers, brought};
use crate::program::{Builder, check_words, share_in, share_out};
use crate::signals::ignore_broken_pipes;
use crate::status::{Fault, SymbolonStatus, call};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_char;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint};
use symbolon::session::Devices;
use symbolon::share::{PartyId, Terms};
use symbolon_cli::Failure;
use symbolon_cli::embed::{self, Settings};
use symbolon_cli::worker::{Check, Crew, Ran, Run};
use symbolon_job::PartyConfig;
use zeroize::Zeroizing;

/// The most flags of a session.
const MOST_FLAGS: usize = 64;

/// The most programs that a session keeps.
const MOST_KEPT: usize = 64;

/// The place of the parties.
enum Place {
    Processes(PathBuf),
    Threads,
    Deployment(Box<PartyConfig>),
}

struct Session {
    place: Place,
    protocol: Protocol,
    settings: Settings,
    devices: OnceLock<Devices>,
    parties: Mutex<Parties>,
    stopped: Arc<AtomicBool>,
}

/// The parties at work, and the programs that they keep, by their text.
#[derive(Default)]
struct Parties {
    crew: Option<Crew>,
    kept: HashMap<String, u32>,
    numbers: u32,
    is_closed: bool,
}

/// Data by input.
type Inputs = Mutex<BTreeMap<String, Numbers>>;

/// The results of a run.
struct Outcome {
    codec: FixedPoint,
    /// Outputs, and shares by the names that programs give them.
    values: BTreeMap<String, Elements>,
    report: String,
}

impl Session {
    fn check(&self) -> Check {
        let stopped = self.stopped.clone();
        Arc::new(move || !stopped.load(Ordering::SeqCst))
    }

    fn devices(&self) -> Result<&Devices, Fault> {
        if let Some(devices) = self.devices.get() {
            return Ok(devices);
        }
        let opened = self.settings.open_devices()?;
        Ok(self.devices.get_or_init(|| opened))
    }

    /// The parties at work.
    fn started<'a>(&self, parties: &'a mut Parties) -> Result<&'a mut Crew, Fault> {
        if parties.is_closed {
            return Err(Fault::usage("the session is closed: open another one"));
        }
        if parties.crew.is_none() {
            parties.crew = Some(match &self.place {
                Place::Processes(command) => self.settings.processes(command, self.protocol, self.check())?,
                Place::Threads => self.settings.threads(self.protocol, self.devices()?, self.check())?,
                Place::Deployment(config) => {
                    let mut terms = Terms::default();
                    terms.add("kind of session", "values by program");
                    terms.add("protocol", self.protocol);
                    let devices = self.devices()?.clone();
                    self.settings.party(config, self.protocol, terms, devices, self.check())?
                }
            });
        }
        Ok(parties.crew.as_mut().expect("it was started"))
    }

    fn run(
        &self,
        builder: &Builder,
        inputs: &BTreeMap<String, Numbers>,
        keep: bool,
    ) -> Result<Outcome, Fault> {
        let [of_program, here] = [builder.protocol, self.protocol].map(|protocol| protocol.to_string());
        if of_program != here {
            return Err(Fault::usage(format!("the program is for {of_program}, the session for {here}")));
        }
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted.into());
        }
        let text = builder.job()?;
        embed::check(&text)?;
        let mut parties = lock(&self.parties);
        let own = self.started(&mut parties)?.parties().to_vec();
        let (data, mut values) = brought(builder, inputs, &own)?;
        let known = parties.kept.get(&text).copied();
        let number = match (keep, known) {
            (false, _) => None,
            (true, Some(number)) => Some(number),
            (true, None) if parties.kept.len() == MOST_KEPT => {
                return Err(Fault::usage(format!("a session keeps {MOST_KEPT} programs: release it")));
            }
            (true, None) => {
                parties.numbers += 1;
                let number = parties.numbers;
                parties.kept.insert(text.clone(), number);
                Some(number)
            }
        };
        let is_first = number.is_none() || known.is_none();
        let run =
            |(party, inputs)| (party, Run { job: is_first.then(|| text.clone()), keep: number, inputs });
        let crew = parties.crew.as_mut().expect("it is at work");
        match crew.run(data.into_iter().map(run).collect()) {
            Ok(ran) => {
                learn(&ran, &mut values)?;
                let report = embed::Report::merge(ran.values().map(|ran| ran.report.as_str()))?.json();
                Ok(Outcome { codec: builder.codec, values, report })
            }
            Err(failure) => {
                // The parties of this machine start anew with the next run; those elsewhere are to be met again.
                let is_closed = matches!(self.place, Place::Deployment(_));
                *parties = Parties { is_closed, ..Parties::default() };
                Err(failure.into())
            }
        }
    }
}

/// Adds what the parties here have learnt; all of them the same.
fn learn(ran: &BTreeMap<PartyId, Ran>, values: &mut BTreeMap<String, Elements>) -> Result<(), Fault> {
    for (name, elements) in ran.values().flat_map(|ran| &ran.outputs) {
        if values.insert(name.clone(), elements.clone()).is_some_and(|other| other != *elements) {
            return Err(Fault::new(
                SymbolonStatus::Wrong,
                format!("the parties have learnt different numbers of {name}"),
            ));
        }
    }
    Ok(())
}

/// Settings of the caller's flags.
///
/// # Safety
/// `flags` has `count` texts.
unsafe fn settings(flags: *const *const c_char, count: usize) -> Result<Settings, Fault> {
    if count > MOST_FLAGS {
        return Err(Fault::usage(format!("there are at most {MOST_FLAGS} flags")));
    }
    // SAFETY: the caller of this function vouches for `count` texts.
    let flags = unsafe { read(flags, count, "flags") }?;
    // SAFETY: as above.
    let words: Result<Vec<&str>, Fault> = flags.iter().map(|&flag| unsafe { text(flag, "a flag") }).collect();
    Ok(Settings::parse(words?)?)
}

fn opened(place: Place, protocol: &str, settings: Settings) -> Result<Session, Fault> {
    ignore_broken_pipes();
    let protocol = Protocol::from_str(protocol).map_err(Fault::usage)?;
    let (devices, parties, stopped) = (OnceLock::new(), Mutex::default(), Arc::default());
    Ok(Session { place, protocol, settings, devices, parties, stopped })
}

/// All parties on this machine, as processes of the program `command`, which is the `symbolon` command; where that is null,
/// as threads of this process, which then knows everything: for trials. `flags` are those of `symbolon run`, such as
/// `--device`, `cpu`. Where the process takes the signal SIGPIPE by its default, it ignores it from then on.
///
/// # Safety
/// `command` is null or a text, `protocol` a text; `flags` has `count` texts; `session` has room for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_session_local(
    command: *const c_char,
    protocol: *const c_char,
    flags: *const *const c_char,
    count: usize,
    session: *mut u64,
) -> SymbolonStatus {
    call(|| {
        // SAFETY: the caller vouches for the room.
        unsafe { put(session, 0, "session") }?;
        let place = match command.is_null() {
            true => Place::Threads,
            // SAFETY: the caller vouches for the text.
            false => Place::Processes(unsafe { text(command, "command") }?.into()),
        };
        // SAFETY: the caller vouches for the texts and the room.
        unsafe {
            let opened = opened(place, text(protocol, "protocol")?, settings(flags, count)?)?;
            put(session, give(opened), "session")
        }
    })
}

/// One party of a deployment, as its file says, once it has met the others; the file is such as `symbolon init` makes. The
/// wait for them is as long as the flag `--deadline` says. SIGPIPE as for `symbolon_session_local`.
///
/// # Safety
/// `config` and `protocol` are texts; `flags` has `count` texts; `session` has room for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_session_connect(
    config: *const c_char,
    protocol: *const c_char,
    flags: *const *const c_char,
    count: usize,
    session: *mut u64,
) -> SymbolonStatus {
    call(|| {
        // SAFETY: the caller vouches for the room.
        unsafe { put(session, 0, "session") }?;
        // SAFETY: the caller vouches for the texts.
        let (config, protocol, settings) =
            unsafe { (text(config, "config")?, text(protocol, "protocol")?, settings(flags, count)?) };
        let config = PartyConfig::read(config.as_ref()).map_err(Failure::from)?;
        let opened = opened(Place::Deployment(Box::new(config)), protocol, settings)?;
        opened.started(&mut lock(&opened.parties))?;
        // SAFETY: the caller vouches for the room.
        unsafe { put(session, give(opened), "session") }
    })
}

/// Ends the waits of a session, for good: a run of another thread returns `SYMBOLON_STATUS_INTERRUPTED`, as all later ones
/// do.
#[unsafe(no_mangle)]
pub extern "C" fn symbolon_session_interrupt(session: u64) -> SymbolonStatus {
    call(|| {
        let session: Arc<Session> = of(session, "a session")?;
        session.stopped.store(true, Ordering::SeqCst);
        Ok(())
    })
}

/// Ends a session in order: returns once every party has everything. The handle is still to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn symbolon_session_close(session: u64) -> SymbolonStatus {
    call(|| {
        let session: Arc<Session> = of(session, "a session")?;
        let mut parties = lock(&session.parties);
        let crew = std::mem::take(&mut *parties).crew;
        parties.is_closed = true;
        crew.map_or(Ok(()), |crew| Ok(crew.finish()?))
    })
}

/// What a program will take, as the JSON of `symbolon plan --json`: nothing runs. `needed` is as for `symbolon_program_job`.
///
/// # Safety
/// `json` has `room` bytes; `needed` is null, or has room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_session_plan(
    session: u64,
    program: u64,
    json: *mut c_char,
    room: usize,
    needed: *mut usize,
) -> SymbolonStatus {
    call(|| {
        let session: Arc<Session> = of(session, "a session")?;
        let builder: Arc<Mutex<Builder>> = of(program, "a program")?;
        let job = lock(&builder).job()?;
        let (plan, _) = session.settings.plan(&job, session.devices()?)?;
        // SAFETY: the caller vouches for the room.
        unsafe { put_text(json, room, needed, &plan) }
    })
}

/// Runs a program on inputs. With `keep` it is planned once and stays allocated for runs of the same program.
///
/// # Safety
/// `result` has room for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_session_run(
    session: u64,
    program: u64,
    inputs: u64,
    keep: bool,
    result: *mut u64,
) -> SymbolonStatus {
    call(|| {
        // SAFETY: the caller vouches for the room.
        unsafe { put(result, 0, "result") }?;
        let session: Arc<Session> = of(session, "a session")?;
        let builder: Arc<Mutex<Builder>> = of(program, "a program")?;
        let inputs: Arc<Inputs> = of(inputs, "inputs")?;
        let (builder, inputs) = (lock(&builder).clone(), lock(&inputs).clone());
        let outcome = session.run(&builder, &inputs, keep)?;
        // SAFETY: the caller vouches for the room.
        unsafe { put(result, give(outcome), "result") }
    })
}

/// Frees the memory of a program that was kept.
#[unsafe(no_mangle)]
pub extern "C" fn symbolon_session_release(session: u64, program: u64) -> SymbolonStatus {
    call(|| {
        let session: Arc<Session> = of(session, "a session")?;
        let builder: Arc<Mutex<Builder>> = of(program, "a program")?;
        let text = lock(&builder).job()?;
        let mut parties = lock(&session.parties);
        if let Some(number) = parties.kept.remove(&text) {
            parties.crew.iter_mut().for_each(|crew| crew.release(number));
        }
        Ok(())
    })
}

/// Inputs of a run: none yet.
///
/// # Safety
/// `inputs` has room for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_inputs_new(inputs: *mut u64) -> SymbolonStatus {
    // SAFETY: the caller vouches for the room.
    call(|| unsafe {
        put(inputs, 0, "inputs")?;
        put(inputs, give(Inputs::default()), "inputs")
    })
}

/// Sets an input.
///
/// # Safety
/// `name` is a text.
unsafe fn set(inputs: u64, name: *const c_char, numbers: Numbers, party: Option<u8>) -> Result<(), Fault> {
    let inputs: Arc<Inputs> = of(inputs, "inputs")?;
    // SAFETY: the caller of this function vouches for the text.
    let name = unsafe { text(name, "name") }?;
    check_words(name)?;
    let name = party.map_or(name.to_owned(), |party| share_in(name, party));
    lock(&inputs).insert(name, numbers);
    Ok(())
}

/// Real numbers as an input of a program of fixed-point numbers; they are copied.
///
/// # Safety
/// `name` is a text; `numbers` has `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_inputs_reals(
    inputs: u64,
    name: *const c_char,
    numbers: *const f64,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the numbers.
    call(|| unsafe {
        let numbers = Zeroizing::new(read(numbers, count, "numbers")?.to_vec());
        set(inputs, name, Numbers::Reals(numbers), None)
    })
}

/// Integers as an input of a program of integers; they are copied.
///
/// # Safety
/// `name` is a text; `numbers` has `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_inputs_integers(
    inputs: u64,
    name: *const c_char,
    numbers: *const i64,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the numbers.
    call(|| unsafe {
        let numbers = Zeroizing::new(read(numbers, count, "numbers")?.to_vec());
        set(inputs, name, Numbers::Integers(numbers), None)
    })
}

/// A party's share of an input that was declared by `symbolon_program_share`: ring elements, which are copied.
///
/// # Safety
/// `name` is a text; `elements` has `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_inputs_share(
    inputs: u64,
    name: *const c_char,
    party: u8,
    elements: *const u64,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the elements.
    call(|| unsafe {
        let elements = Zeroizing::new(read(elements, count, "elements")?.to_vec());
        set(inputs, name, Numbers::Elements(elements), Some(party))
    })
}

/// A result's elements by name.
///
/// # Safety
/// `name` is a text.
unsafe fn learnt<T>(
    result: u64,
    name: *const c_char,
    party: Option<u8>,
    work: impl FnOnce(&Elements, FixedPoint) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let outcome: Arc<Outcome> = of(result, "a result")?;
    // SAFETY: the caller of this function vouches for the text.
    let name = unsafe { text(name, "name") }?;
    check_words(name)?;
    let elements = outcome.values.get(&party.map_or(name.to_owned(), |party| share_out(name, party)));
    let elements = elements.ok_or_else(|| {
        Fault::usage(match party {
            Some(party) => format!("party {party} is not here, or gets no share of '{name}'"),
            None => format!("no party here learns '{name}'"),
        })
    })?;
    work(elements, outcome.codec)
}

/// The number of elements of an output.
///
/// # Safety
/// `name` is a text; `count` has room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_result_count(
    result: u64,
    name: *const c_char,
    count: *mut usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the room.
    call(|| unsafe {
        let len = learnt(result, name, None, |elements, _| Ok(elements.len()))?;
        put(count, len, "count")
    })
}

/// The numbers of an output of a program of fixed-point numbers, row by row.
///
/// # Safety
/// `name` is a text; `numbers` has room for `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_result_reals(
    result: u64,
    name: *const c_char,
    numbers: *mut f64,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the room.
    call(|| unsafe {
        let reals = learnt(result, name, None, |elements, codec| Ok(elements.decode(codec)))?;
        write(numbers, count, &reals, "numbers")
    })
}

/// The numbers of an output of a program of integers, row by row.
///
/// # Safety
/// `name` is a text; `numbers` has room for `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_result_integers(
    result: u64,
    name: *const c_char,
    numbers: *mut i64,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the room.
    call(|| unsafe {
        let integers = learnt(result, name, None, |elements, codec| match codec.fraction_bits() {
            0 => Ok(Vec::from_iter(elements.to_u64().iter().map(|&element| codec.ring().signed(element)))),
            _ => Err(Fault::usage("the program is of fixed-point numbers: read reals")),
        })?;
        write(numbers, count, &integers, "numbers")
    })
}

/// A party's share of a value that leaves by `symbolon_program_output_share`, of a party that is here.
///
/// # Safety
/// `name` is a text; `elements` has room for `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_result_share(
    result: u64,
    name: *const c_char,
    party: u8,
    elements: *mut u64,
    count: usize,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the text and the room.
    call(|| unsafe {
        let share = learnt(result, name, Some(party), |elements, _| Ok(elements.to_u64()))?;
        write(elements, count, &share, "elements")
    })
}

/// What a run took, as the JSON of `symbolon run --json`. `needed` is as for `symbolon_program_job`.
///
/// # Safety
/// `json` has `room` bytes; `needed` is null, or has room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_result_report(
    result: u64,
    json: *mut c_char,
    room: usize,
    needed: *mut usize,
) -> SymbolonStatus {
    call(|| {
        let outcome: Arc<Outcome> = of(result, "a result")?;
        // SAFETY: the caller vouches for the room.
        unsafe { put_text(json, room, needed, &outcome.report) }
    })
}
