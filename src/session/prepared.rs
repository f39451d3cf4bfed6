//! Runs: a program is prepared, that is planned and allocated; run once or many times; and released.
//!
//! A [`Prepared`] program has its memory from the start and keeps it, so no run allocates anything on the device. Its
//! first run takes all inputs. Where some are resident, it keeps what depends on them alone, and later runs take the
//! others only: they open what is new, and order masks and products for that.
//!
//! **Order of a run.** The parties compare plan digest and number of the run, agree on fresh keys, have their source of
//! correlations supply what the run consumes (see the module `source`), and execute. A store deals for first runs: it does
//! for prepared programs without resident inputs, whose runs are all alike. The first two are one for a program that runs
//! once, and are done once for runs that are announced together (see the module `covered`).

use super::answers::CheckAnswers;
use super::checkpoint::{Lineage, Parts};
use super::covered::{Covered, Due};
use super::keys::Way;
use super::offer::{check_host, over_limit};
use super::order::PlanName;
use super::source::{Draw, Means, Supplied};
use super::{Devices, Session, SessionError};
use crate::memory::wipe;
use crate::plan::Plans;
use crate::program::{Passes, Program};
use crate::protocol::Protocol;
use crate::ring::Elements;
use crate::run::{Answers, Execution, HostMatrix, Memory, RunError, RunReport, Stage, execute};
use crate::share::{Role, Terms, Turn};
use crate::step::OpId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A program of one session, ready to run. Dropping it wipes and frees this party's memory; [`Session::release`] the
/// dealer's too.
pub struct Prepared {
    /// The session that it belongs to.
    session: u64,
    pub(super) protocol: Protocol,
    pub(super) program: Program,
    /// The orders in which its runs take rows.
    pub(super) passes: Passes,
    /// Of all runs.
    pub(super) whole: Arc<Plans>,
    /// Of the next run.
    next: Arc<Plans>,
    /// Of runs that differ from each other.
    turns: HashMap<Turn, Arc<Plans>>,
    name: PlanName,
    pub(super) memory: Memory,
    devices: Devices,
    /// Its number in the session, by which the dealer keeps it; `None` where it runs once.
    pub(super) number: Option<u32>,
    /// Runs that are announced.
    pub(super) announced: u32,
    /// Runs in this session.
    runs: u32,
    /// Runs in earlier sessions, whose states the first run finds.
    start: u32,
    /// This party's parts of these states, until the first run.
    pub(super) parts: Parts,
    /// Of the states that this session makes.
    pub(super) lineage: Lineage,
}

impl Prepared {
    /// The plans of the next run.
    pub fn plans(&self) -> &Arc<Plans> {
        &self.next
    }

    /// Goes on behind so many runs of earlier sessions, from the parts of the states that they left to this party, and
    /// the lineage of these.
    pub(super) fn go_on_from(&mut self, start: u32, lineage: Lineage, parts: Parts) {
        (self.start, self.parts) = (start, parts);
        self.lineage = self.lineage.behind(start, lineage);
        self.turns.clear();
        self.plan_next();
    }

    /// Plans the next run, unless one like it has been.
    fn plan_next(&mut self) {
        if self.whole.varies() {
            let turn = Turn { first: self.runs == 0, ..self.program.turn(self.runs()) };
            let (plans, resumes) = (&self.whole, self.start > 0 && turn.first);
            let of_turn = |turn: &Turn| {
                let plans = plans.of_turn(turn);
                Arc::new(if resumes { plans.resumed() } else { plans })
            };
            self.next = self.turns.entry(turn).or_insert_with_key(of_turn).clone();
        }
    }

    /// The inputs that the next run takes from their owners, by name.
    pub fn awaited(&self) -> impl Iterator<Item = &str> {
        let awaited = self.program.inputs().iter().filter(|input| self.runs == 0 || !input.resident);
        awaited.map(|input| input.name.as_str())
    }

    /// The number of runs so far, those of earlier sessions among them from whose checkpoints this one goes on.
    pub fn runs(&self) -> u32 {
        self.start + self.runs
    }

    /// Wipes and frees the memory.
    fn free(&mut self) -> Result<(), RunError> {
        self.memory.free(self.devices.all())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // A device that failed has nobody left to tell.
        let _ = self.free();
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct SessionOutcome {
    /// The outputs that this party learns, by name.
    pub outputs: BTreeMap<String, Elements>,
    /// The run's figures.
    pub report: RunReport,
    /// The plans of all roles for this run, or for the last of several.
    pub plans: Arc<Plans>,
    /// The number of runs that the figures are of.
    pub runs: u32,
    /// The bytes that the plans of all of them had this party send online, and those of their offline phases.
    pub planned: PlannedTraffic,
}

/// Bytes as planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannedTraffic {
    /// Sent online by this party.
    pub sent_bytes: u64,
    /// Corrections, by whoever deals; or all that two parties send each other to make them.
    pub offline_bytes: u64,
}

impl Session {
    /// Runs a program on this party's inputs, given by name: it is prepared, run once, and released. What this party sends
    /// is queued when this returns: [`Session::finish`] makes sure that it arrives.
    ///
    /// # Errors
    /// Where an input is missing or does not fit, the program has no plan, a peer has another one, or the run fails.
    /// The session cannot be used after a failure.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn run(
        &mut self,
        protocol: Protocol,
        program: &Program,
        inputs: BTreeMap<String, Elements>,
    ) -> Result<SessionOutcome, SessionError> {
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            session.check_nothing_due()?;
            session.check_roles(protocol)?;
            // Before anybody else is bothered.
            let mut inputs = session.own_inputs(program, inputs, 0)?;
            session.add_first_states(protocol, program, &mut inputs)?;
            session.stages.end(Stage::Inputs);
            let mut prepared = session.plan_and_allocate(protocol, program, None)?;
            session.add_publics(&mut prepared, &mut inputs)?;
            let mut outcome = session.run_plan(&mut prepared, inputs, Covered::ALONE)?;
            session.let_go(prepared)?;
            session.stages.end(Stage::Wiping);
            outcome.report.stages = session.stages.take();
            Ok(outcome)
        })
    }

    /// Plans a program to be run many times, agrees on the plan with the other parties, and allocates its memory. Where the
    /// session has [checkpoints](Session::set_checkpoints), its runs go on behind those of which all parties have the states.
    ///
    /// # Errors
    /// Where the program has no plan, a peer has another one, the device does not hold it, or checkpoints cannot be used. The
    /// session cannot be used after a failure.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn prepare(&mut self, protocol: Protocol, program: &Program) -> Result<Prepared, SessionError> {
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            session.check_nothing_due()?;
            session.check_roles(protocol)?;
            let number = session.prepared;
            session.prepared += 1;
            let mut prepared = session.plan_and_allocate(protocol, program, Some(number))?;
            session.resume(&mut prepared)?;
            Ok(prepared)
        })
    }

    /// Runs a prepared program of this session on this party's inputs, given by name: all of them the first time, then
    /// those that are not resident. All parties run the same programs in the same order.
    ///
    /// # Errors
    /// As [`Session::run`], and where a resident input is given again, or the program was prepared in another session or
    /// is not the one that the peers run.
    ///
    /// # Panics
    /// As [`Session::run`].
    pub fn run_prepared(
        &mut self,
        prepared: &mut Prepared,
        inputs: BTreeMap<String, Elements>,
    ) -> Result<SessionOutcome, SessionError> {
        self.attempt(|session| {
            if prepared.session != session.id {
                return Err(SessionError::OtherSession);
            }
            session.stages.end(Stage::Caller);
            let covered = session.covered(prepared)?;
            let mut inputs = session.own_inputs(&prepared.program, inputs, prepared.runs)?;
            if prepared.start > 0 {
                prepared.add_parts(&mut inputs);
            } else if prepared.runs == 0 {
                session.add_first_states(prepared.protocol, &prepared.program, &mut inputs)?;
            }
            session.add_publics(prepared, &mut inputs)?;
            session.stages.end(Stage::Inputs);
            // Two programs may have one plan, and keep values of their own.
            let number = prepared.number.expect("it was prepared");
            if covered.is_first() {
                session.agree_on_runs(prepared, number, covered.of)?;
            }
            let mut outcome = session.run_plan(prepared, inputs, covered)?;
            session.keep_states(prepared)?;
            prepared.announced = prepared.announced.saturating_sub(1);
            session.due = covered.next().map(|covered| Due { number, covered });
            outcome.report.stages = session.stages.take();
            Ok(outcome)
        })
    }

    /// Ends the use of a prepared program, and frees its memory here and at the dealer. All parties release it.
    ///
    /// # Errors
    /// Where the dealer cannot be told, or the program was prepared in another session.
    pub fn release(&mut self, prepared: Prepared) -> Result<(), SessionError> {
        self.attempt(|session| {
            session.check_nothing_due()?;
            match prepared.session == session.id {
                true => session.let_go(prepared),
                false => Err(SessionError::OtherSession),
            }
        })
    }

    /// Makes sure that all parties are about to run the same program so many times at once.
    fn agree_on_runs(&mut self, prepared: &Prepared, number: u32, runs: u32) -> Result<(), SessionError> {
        let digest = blake3::Hash::from(prepared.whole.agreement.digest).to_hex().to_string();
        let mut terms = Terms::default();
        terms.add("plan digest", digest);
        terms.add("number of the prepared program", number);
        terms.add("number of the run", prepared.runs);
        terms.add("runs at once", runs);
        if self.checkpoints.is_some() {
            terms.add("runs of earlier sessions", prepared.start);
            terms.add("lineage of the states", prepared.lineage);
        }
        self.confirm(prepared.whole.source, terms)?;
        if prepared.runs == 0 {
            self.drop_later(prepared)?;
        }
        self.stages.end(Stage::Agreeing);
        Ok(())
    }

    /// Wipes and frees the memory, and tells a dealer that keeps something for later runs.
    fn let_go(&mut self, mut prepared: Prepared) -> Result<(), SessionError> {
        prepared.free()?;
        // Before its first run nobody else knows of it.
        let Some(number) = prepared.number.filter(|_| prepared.runs > 0) else { return Ok(()) };
        let to = Way { from: self.role, to: Role::Dealer, run: self.runs };
        let means = Means { wire: &self.wire, links: &mut self.links, keys: self.keys };
        self.suppliers.of(prepared.whole.source).release(number, to, means)
    }

    /// Plans a program, agrees on the plan with the other parties, and allocates its memory; `None` for a program that runs
    /// once.
    fn plan_and_allocate(
        &mut self,
        protocol: Protocol,
        program: &Program,
        number: Option<u32>,
    ) -> Result<Prepared, SessionError> {
        let chosen_bytes = self.check_shapes(program)?;
        let budget_bytes = self.options.budget_bytes.or(chosen_bytes);
        let plans = self.plan(protocol, program, budget_bytes).and_then(|plans| {
            plans.of(self.role).check_budget(self.devices.staging_bytes(), budget_bytes)?;
            Ok(Arc::new(plans))
        });
        let plans = plans.map_err(|error| over_limit(error, chosen_bytes, self.options.budget_bytes))?;
        let plan = plans.of(self.role);
        chosen_bytes.map_or(Ok(()), |most_bytes| check_host(plan, most_bytes))?;
        self.suppliers.of(plans.source).check(&plans, number.is_some())?;
        let mut facts = plans.agreement.fields.clone();
        facts.add("checkpoints", self.checkpoint_terms(number.is_some()));
        let nonces = self.confirm(plans.source, facts)?;
        self.stages.end(Stage::Agreeing);
        let lineage = Lineage::new(&nonces);
        // A dealer that knows no nonce cannot guess; and it finds whether a party has told the others different ones. Where
        // there is none they would break a run between two that do as they should, and keep nothing from anybody.
        let nonces = if plans.source.has_own_steps() { nonces } else { BTreeMap::new() };
        let name = PlanName::new(&plans.agreement.digest, &nonces);
        let memory = Memory::allocate(plan, self.devices.all())?;
        self.stages.end(Stage::Allocating);
        let (program, devices) = (program.clone(), self.devices.clone());
        let session = self.id;
        let (next, turns) = (plans.clone(), HashMap::new());
        let mut prepared = Prepared {
            session,
            protocol,
            program,
            passes: Passes::default(),
            whole: plans,
            next,
            turns,
            name,
            memory,
            devices,
            number,
            announced: 0,
            runs: 0,
            start: 0,
            parts: Parts::new(),
            lineage,
        };
        prepared.plan_next();
        Ok(prepared)
    }

    /// Runs a program whose run all parties have confirmed, by itself or among others.
    fn run_plan(
        &mut self,
        prepared: &mut Prepared,
        inputs: BTreeMap<usize, HostMatrix>,
        covered: Covered,
    ) -> Result<SessionOutcome, SessionError> {
        let plans = prepared.plans().clone();
        let Prepared { program, name, memory, number, runs, start, whole: all, .. } = &mut *prepared;
        let run = name.run_number(self.runs);
        let mut seldom = Vec::new();
        if covered.is_first() {
            self.show_contributions(all.of(self.role))?;
            let next = *start + *runs;
            seldom.extend((0..covered.of).map(|ahead| program.turn(next.saturating_add(ahead)).seldom));
        }
        let mut keys = self.shared_keys(name);
        if covered.is_last() {
            self.shown.clear();
        }
        let (number, demand, before) = (*number, &all.demand, *runs);
        let (role, session_before) = (self.role, self.runs);
        let is_seldom = program.turn(start.saturating_add(before)).seldom;
        let name = *name;
        let draw = Draw {
            role,
            run: session_before,
            name,
            demand,
            number,
            runs: before,
            covered,
            seldom,
            is_seldom,
        };
        let means = Means { wire: &self.wire, links: &mut self.links, keys: self.keys };
        let supplier = self.suppliers.of(plans.source);
        let Supplied { key, messages, offline, made_bytes } = supplier.supply(&draw, means)?;
        keys.extend(key);
        wipe::stack();
        self.stages.end(if offline.is_zero() { Stage::Keys } else { Stage::Offline });
        let label = |op: OpId| program.values()[op.0 as usize].label.clone();
        let execution = Execution {
            plan: plans.of(self.role),
            devices: self.devices.all(),
            models: self.devices.models(),
            memory,
            keys: &keys,
            inputs,
            outputs: program.outputs().iter().map(|output| program.value(output.value).shape).collect(),
            answers: program.check().map(|check| {
                let (role, run, ring, keys) = (self.role, self.runs, program.ring(), self.keys);
                Box::new(CheckAnswers { check, role, run, ring, keys }) as Box<dyn Answers>
            }),
            links: &mut self.links,
            source: messages,
            sinks: Vec::new(),
            activity: &self.wire.links.activity,
            interrupt: self.wire.links.interrupt,
            progress: &self.progress,
            stages: &mut self.stages,
            run,
            follows: !covered.is_first(),
            goes_on: !covered.is_last(),
            stall: self.options.deadlines.stall,
            overlap: self.options.overlap,
            trace: self.options.trace,
            label: &label,
        };
        let mut outcome = execute(self.wire.handle(), execution).map_err(|error| supplier.explain(error))?;
        outcome.report.offline += offline;
        self.runs = self.runs.wrapping_add(1);
        *runs += 1;
        self.stages.end(Stage::Wiping);
        if let Some(step) = outcome.failed_check {
            return Err(SessionError::Check { step });
        }
        let name = |(index, elements): (usize, Elements)| (program.outputs()[index].name.clone(), elements);
        let outputs = outcome.outputs.into_iter().map(name).collect();
        prepared.plan_next();
        let planned = PlannedTraffic {
            sent_bytes: plans.traffic.of(self.role).sent_bytes,
            offline_bytes: made_bytes.unwrap_or_else(|| plans.demand.correction_bytes()),
        };
        Ok(SessionOutcome { outputs, report: outcome.report, plans, runs: 1, planned })
    }
}
