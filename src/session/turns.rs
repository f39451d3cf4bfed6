//! Several runs of a prepared program one after the other, as a loop takes them.

use super::{CheckpointError, Prepared, Session, SessionError, SessionOutcome};
use crate::program::Program;
use crate::ring::Elements;
use std::collections::BTreeMap;

impl Session {
    /// Runs a prepared program so many times, those of earlier sessions among them that this one goes on from (see
    /// [`Session::set_checkpoints`]), of which no run but the first awaits an input: the others go on from the states
    /// that each leaves to the next. An output that several of them reveal has its values one after the other, and the
    /// figures are those of all runs. [`Session::progress`] counts them meanwhile, and has the latest number of each output
    /// of one number.
    ///
    /// # Errors
    /// As [`Session::run_prepared`].
    ///
    /// # Panics
    /// As [`Session::run`], and without a turn.
    pub fn run_turns(
        &mut self,
        prepared: &mut Prepared,
        mut inputs: BTreeMap<String, Elements>,
        turns: u32,
    ) -> Result<SessionOutcome, SessionError> {
        let mut revealed: BTreeMap<String, Vec<Elements>> = BTreeMap::new();
        let mut all: Option<SessionOutcome> = None;
        let done = prepared.runs();
        if done >= turns {
            return self.attempt(|_| Err(CheckpointError::Beyond { run: done, turns }.into()));
        }
        prepared.announce(turns - done);
        self.progress.begin_turns(done, turns);
        for _ in done..turns {
            let mut outcome = self.run_prepared(prepared, std::mem::take(&mut inputs))?;
            self.progress.end_turn(prepared.runs(), numbers(&prepared.program, &outcome.outputs));
            for (name, elements) in std::mem::take(&mut outcome.outputs) {
                revealed.entry(name).or_default().push(elements);
            }
            all = Some(match all {
                None => outcome,
                Some(earlier) => earlier.then(outcome),
            });
        }
        self.done = Some(prepared.whole.agreement.program);
        let mut all = all.expect("a loop has a turn");
        all.outputs = revealed.into_iter().map(|(name, values)| (name, Elements::concat(&values))).collect();
        Ok(all)
    }
}

/// The outputs of one number.
fn numbers<'a>(
    program: &'a Program,
    outputs: &'a BTreeMap<String, Elements>,
) -> impl Iterator<Item = (String, f64)> + 'a {
    let single = outputs.iter().filter(|(_, elements)| elements.len() == 1);
    single.map(|(name, elements)| {
        let output =
            program.outputs().iter().find(|output| output.name == *name).expect("it is the program's");
        let kind = program.value(output.value).kind(program.ring());
        (name.clone(), kind.decode(program.codec(), elements)[0])
    })
}

impl SessionOutcome {
    /// The figures of this outcome and of that of a later run of the same program as one.
    fn then(mut self, later: SessionOutcome) -> SessionOutcome {
        self.planned.sent_bytes += later.planned.sent_bytes;
        self.planned.offline_bytes += later.planned.offline_bytes;
        SessionOutcome {
            outputs: self.outputs,
            report: self.report.then(later.report),
            plans: later.plans,
            runs: self.runs + later.runs,
            planned: self.planned,
        }
    }
}
