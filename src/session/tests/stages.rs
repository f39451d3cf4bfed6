//! Where a session's time goes.

use super::{elements, product, world};
use crate::protocol::Protocol;
use crate::ring::Ring;
use crate::run::Stage;
use std::time::Duration;

#[test]
fn all_of_a_sessions_time_is_in_some_stage() {
    let program = product(Protocol::Beaver, Ring::Z64, 0, (4, 5, 6));
    let batch: Vec<_> =
        [20, 30].into_iter().zip(1..).map(|(len, seed)| elements(Ring::Z64, len, seed)).collect();
    let outcomes = world(Protocol::Beaver, 3).run_batches(&program, &[batch.clone(), batch]);
    let prepared = [Stage::Caller, Stage::Planning, Stage::Choosing, Stage::Agreeing, Stage::Allocating];
    let run = [
        Stage::Caller,
        Stage::Inputs,
        Stage::Agreeing,
        Stage::Keys,
        Stage::Preparing,
        Stage::Offline,
        Stage::Online,
        Stage::Wiping,
    ];
    // Agreed on with the first, and with the same kernels.
    let later = [Stage::Caller, Stage::Inputs, Stage::Keys, Stage::Offline, Stage::Online, Stage::Wiping];
    for runs in outcomes.expect("runs without faults") {
        let mut last = Duration::ZERO;
        for (outcome, expected) in runs.iter().zip([[&prepared[..], &run].concat(), later.to_vec()]) {
            let (role, stages) = (outcome.report.role, &outcome.report.stages);
            assert_eq!(stages.iter().map(|span| span.stage).collect::<Vec<_>>(), expected, "{role}");
            for span in stages {
                assert_eq!(span.begin, last, "{role}: {:?} begins where the stage before ends", span.stage);
                last = span.end;
            }
            let length = |stage| {
                let spans = stages.iter().filter(|span| span.stage == stage);
                spans.map(|span| span.end - span.begin).sum::<Duration>()
            };
            assert_eq!(length(Stage::Online), outcome.report.online, "{role}");
            assert!(length(Stage::Preparing) + length(Stage::Offline) >= outcome.report.offline, "{role}");
        }
    }
}
