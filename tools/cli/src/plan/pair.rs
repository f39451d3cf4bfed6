//! What two parties take to make the correlations of a job between themselves.

use crate::table::bytes;
use serde::Serialize;
use symbolon::correlation::Source;
use symbolon::correlation::pair::{Price, Pricer};
use symbolon::net::LinkShape;
use symbolon::plan::Plans;
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::session::pair_link_s;
use symbolon::share::Turn;
use symbolon_job::Job;

/// The prices of a job's runs.
pub struct PairPrices<'a> {
    pricer: Pricer<'a>,
    first: Price,
}

impl<'a> PairPrices<'a> {
    /// Those of plans whose source is the pair.
    pub fn new(job: &Job, program: &Program, plans: &'a Plans) -> PairPrices<'a> {
        let mut pricer = Pricer::new(&plans.demand, job.may_run_again());
        let first = pricer.run(&program.turn(0));
        PairPrices { pricer, first }
    }

    /// Of the first run.
    pub fn first(&self) -> Price {
        self.first
    }

    /// Of one run.
    pub fn of_turn(&mut self, turn: &Turn) -> Price {
        if turn.first { self.first } else { self.pricer.run(turn) }
    }

    /// Of a run like most, where the job has several.
    pub fn usual(&mut self, job: &Job, program: &Program) -> Price {
        if job.may_run_again() { self.pricer.run(&program.typical_turn()) } else { self.first }
    }

    /// The first run.
    pub fn plan(&self, link: LinkShape) -> PairPlan {
        let (matrices, vectors) = self.pricer.choice().by_lattices();
        let link_s = pair_link_s(&self.first, link);
        PairPlan {
            bytes: self.first.bytes(),
            messages: self.first.rounds(),
            transfers: self.first.transfers,
            matrices_by_lattices: matrices,
            vectors_by_lattices: vectors,
            link_s,
            processor_s: self.first.processor_s(),
        }
    }
}

/// The source that is priced beside that of a plan: the pair beside any other, where it serves the protocol, and the protocol's own
/// beside the pair.
pub fn priced_beside(protocol: Protocol, source: Source) -> Option<Source> {
    match source {
        Source::Pair | Source::PairStore => Some(protocol.default_source()),
        _ => protocol.check_source(Source::Pair).ok().map(|()| Source::Pair),
    }
}

/// What the first run takes; later ones take as much but for keys, and what the first alone consumes.
#[derive(Serialize)]
pub struct PairPlan {
    /// In both directions.
    bytes: u64,
    /// Messages one behind the other.
    messages: u64,
    /// Correlated transfers.
    transfers: u64,
    /// Products that are made by lattices.
    matrices_by_lattices: usize,
    vectors_by_lattices: usize,
    /// The time of bytes and messages on the link.
    link_s: f64,
    /// The time of both parties' processors, by counts, at two cores' rates.
    processor_s: f64,
}

impl PairPlan {
    /// The whole time.
    pub fn seconds(&self) -> f64 {
        self.link_s + self.processor_s
    }

    /// In a line for people.
    pub fn text(&self) -> String {
        format!(
            "  the parties make the correlations themselves: {} bytes in both directions, {} messages one behind the other, \
             {} transfers; by lattices {} products of matrices and {} of vectors; {:.2} s on the link, about {:.2} s of \
             processors\n",
            bytes(self.bytes),
            self.messages,
            self.transfers,
            self.matrices_by_lattices,
            self.vectors_by_lattices,
            self.link_s,
            self.processor_s
        )
    }
}
