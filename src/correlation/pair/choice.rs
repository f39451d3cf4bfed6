//! The choice between transfers and lattices for each product: a rule that both parties follow alike.
//!
//! **Rule.** Each way has a price in seconds, from counts alone (bytes, butterflies, multiply-adds, transfers and pads) at rates
//! that are written down here, of two cores and a link of 200 Mbit/s: no party measures anything, so both choose the same.
//! Keys are paid once, by all products together: those of the shifts of a layout's Galois keys above all. So the whole demand is
//! priced with at most 1, 2, 4 … products interleaved, and with keys of both parties or of one alone, each product taking its
//! cheaper way, and the cheapest of these is taken; or transfers alone. Elementwise products need no Galois keys, and are made by lattices where all together save more
//! than a key.
//!
//! **What is hidden.** Each product by lattices tells its key holder of the other's factor what a statistical distance allows,
//! and the distances add up over all products of a session ([`Choice::distance`] of a run). They stay below 2^−40 together:
//! a program that runs once takes parameters for few products where they suffice, and else those for many; one that may run
//! again takes those for many at once, and no lattices for vectors, of which a job may have more than these hide. Where
//! all would come to more, the run is refused ([`super::PairError::TooManyProducts`]).

use super::lattices::{KeyName, Lattices};
use super::multiply::Multiplications;
use super::product::places;
use super::{DRAWS, EntryId, IS_SENT};
use crate::correlation::{Correlation, Demand, Product, ProductSpec};
use crate::lattice::{Held, Keys, Layout, PRIVACY_BITS, Parameters, Rates, Uses};
use crate::ring::{Ring, Shape};
use crate::share::{PartyId, Turn};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// The largest distance of all products of a session together.
pub(super) fn largest_distance() -> f64 {
    (-PRIVACY_BITS).exp2()
}

/// Elements of a factor, or of a product, that lattices multiply at once: what is larger is cut.
pub(super) const MOST_ELEMENTS: usize = 1 << 21;

/// Elements of vectors that lattices multiply at once.
pub(super) const VECTOR_PIECE: usize = 1 << 17;

/// Doublings of interleaved products that are priced.
const LEVELS: usize = 8;

/// By what ways are compared.
#[derive(Clone, Copy)]
pub(super) struct Prices {
    pub lattices: Rates,
    /// Seconds for a correlated transfer, both parties together.
    pub transfer_s: f64,
    /// Seconds for a block of a pad, drawn and added.
    pub block_s: f64,
}

impl Prices {
    /// Those of two cores with AVX2 and AES instructions, and of a link of 200 Mbit/s.
    pub fn usual() -> Prices {
        Prices { lattices: Rates::default(), transfer_s: 80e-9, block_s: 4e-9 }
    }
}

/// One product of a left factor that one party has by a right one that the other has, cut into pieces.
pub(super) struct Cut {
    /// The factor that is encrypted.
    pub held: Held,
    /// In the order in which they are made: pieces of one block of the product one behind the other.
    pub pieces: Vec<Piece>,
    seconds: f64,
    distance: f64,
    shifts: BTreeSet<usize>,
}

/// One piece of it.
pub(super) struct Piece {
    pub rows: Range<usize>,
    pub inner: Range<usize>,
    pub cols: Range<usize>,
    pub layout: Layout,
}

/// A cut product, and the party that has the left factor.
#[derive(Clone)]
pub(super) struct Crossing {
    pub left: PartyId,
    pub cut: Arc<Cut>,
}

impl Crossing {
    /// The party whose factor is encrypted.
    pub fn holder(&self) -> PartyId {
        match self.cut.held {
            Held::Left => self.left,
            Held::Right => other(self.left),
        }
    }
}

/// The way in which a product is made.
pub(super) enum Way {
    /// By multiplication through transfers.
    Transfers,
    /// By lattices: both parties' left factors by the other's right ones. Where the last has party 0 as evaluator, party 0's
    /// share of all is fixed by it.
    Matrices(Vec<Crossing>),
    /// By lattices, elementwise.
    Vectors,
}

/// The ways of all products of a demand, and what they need.
pub struct Choice {
    pub(super) uses: Uses,
    ways: HashMap<EntryId, (Way, f64)>,
    /// The shifts of the keys that are needed, by key.
    pub(super) keys: BTreeMap<KeyName, BTreeSet<usize>>,
}

impl Choice {
    /// The choice for a demand that is made once, or may be made over and over, by parties that have made others before.
    pub fn new(demand: &Demand, may_run_again: bool, lattices: &Lattices) -> Choice {
        let options: &[(Uses, bool)] = match may_run_again {
            false => &[(Uses::Few, true), (Uses::Few, false), (Uses::Many, true), (Uses::Many, false)],
            true => &[(Uses::Many, false)],
        };
        let mut choices = options.iter().map(|&(uses, vectors)| {
            let mut pricing = Pricing { demand, lattices, uses, cuts: HashMap::new() };
            pricing.choose(vectors)
        });
        let fits = |choice: &Choice| lattices.distance() + choice.all_distance() < largest_distance();
        let mut choice = choices.next().expect("an option");
        while !fits(&choice) {
            let Some(next) = choices.next() else { break };
            choice = next;
        }
        choice
    }

    /// The way of a product.
    pub(super) fn way(&self, entry: EntryId) -> &Way {
        self.ways.get(&entry).map_or(&Way::Transfers, |(way, _)| way)
    }

    /// What the products of a run may tell, as a statistical distance.
    pub fn distance(&self, demand: &Demand, turn: &Turn) -> f64 {
        let taken = self.sorted().filter(|(entry, _)| turn.takes(demand.taken(*entry)));
        taken.map(|(_, distance)| distance).sum()
    }

    fn all_distance(&self) -> f64 {
        self.sorted().map(|(_, distance)| distance).sum()
    }

    /// In the order of entries: sums of doubles depend on it.
    fn sorted(&self) -> impl Iterator<Item = (EntryId, f64)> {
        let by_entry: BTreeMap<EntryId, f64> =
            self.ways.iter().map(|(&entry, &(_, distance))| (entry, distance)).collect();
        by_entry.into_iter()
    }

    /// Products of matrices, and of vectors, that lattices make.
    pub fn by_lattices(&self) -> (usize, usize) {
        let matrices = self.ways.values().filter(|(way, _)| matches!(way, Way::Matrices(_))).count();
        (matrices, self.ways.len() - matrices)
    }
}

/// The terms of a product in which this party has a part of the left mask, and the other one of the right.
pub(super) fn crossing_terms(demand: &Demand, spec: &ProductSpec, left: PartyId) -> Vec<(EntryId, EntryId)> {
    let has_part = |entry: EntryId, party: PartyId| match &demand.entries[entry.0 as usize] {
        Correlation::Mask(spec) => spec.parts.contains(party),
        _ => true,
    };
    let crosses = |(a, b): &(EntryId, EntryId)| has_part(*a, left) && has_part(*b, other(left));
    spec.terms.iter().copied().filter(crosses).collect()
}

/// The other one of the two.
pub(super) fn other(party: PartyId) -> PartyId {
    if party == DRAWS { IS_SENT } else { DRAWS }
}

/// (m, k, n) of a product.
type Sizes = (usize, usize, usize);

/// The ways of one product.
struct Candidate {
    entry: EntryId,
    /// Seconds by transfers.
    transfers_s: f64,
    /// Who has the left factors, and the sizes of all terms together.
    crossings: Vec<(PartyId, Sizes)>,
}

/// Prices of a demand.
struct Pricing<'a> {
    demand: &'a Demand,
    lattices: &'a Lattices,
    uses: Uses,
    /// By sizes and the encrypted factor, the cheapest cuts that interleave at most 1, 2, 4 … products.
    cuts: HashMap<(Sizes, Held), Vec<Arc<Cut>>>,
}

impl Pricing<'_> {
    fn choose(&mut self, vectors: bool) -> Choice {
        let (demand, uses) = (self.demand, self.uses);
        let mut choice = Choice { uses, ways: HashMap::new(), keys: BTreeMap::new() };
        self.choose_matrices(&mut choice);
        if vectors {
            self.choose_vectors(&mut choice);
        }
        debug_assert!(choice.ways.keys().all(|entry| (entry.0 as usize) < demand.entries.len()));
        choice
    }

    fn products(&self, product: Product) -> impl Iterator<Item = (EntryId, &ProductSpec)> {
        (0..).map(EntryId).zip(&self.demand.entries).filter_map(move |(entry, correlation)| match correlation
        {
            Correlation::Product(spec) if spec.product == product => Some((entry, spec)),
            _ => None,
        })
    }

    fn shape_of(&self, mask: EntryId) -> Shape {
        self.demand.entries[mask.0 as usize].shape(self.demand.ring)
    }

    fn choose_matrices(&mut self, choice: &mut Choice) {
        let candidates: Vec<Candidate> =
            self.products(Product::Matrix).filter_map(|(entry, spec)| self.candidate(entry, spec)).collect();
        if candidates.is_empty() {
            return;
        }
        let parameters = self.lattices.parameters(self.demand.ring, self.uses);
        for candidate in &candidates {
            for &(_, sizes) in &candidate.crossings {
                for held in [Held::Left, Held::Right] {
                    let (rates, most) = (self.lattices.prices().lattices, self.lattices.at_once().0);
                    let cuts = || cuts(&parameters, sizes, held, (&rates, most));
                    self.cuts.entry((sizes, held)).or_insert_with(cuts);
                }
            }
        }
        // Without lattices all are made by transfers.
        let mut least = candidates.iter().map(|candidate| candidate.transfers_s).sum::<f64>();
        // Each party may hold a key, or one of them alone.
        let holders = [&Demand::PARTIES[..], &[IS_SENT], &[DRAWS]];
        for (level, holders) in (0..LEVELS).flat_map(|level| holders.map(|holders| (level, holders))) {
            let (mut seconds, mut keys, mut ways) = (0.0, BTreeMap::new(), HashMap::new());
            for candidate in &candidates {
                let crossings = self.crossings(candidate, level, holders);
                let of_all = crossings.iter().flatten().map(|crossing| crossing.cut.seconds).sum::<f64>();
                let Some(crossings) = crossings.filter(|_| of_all < candidate.transfers_s) else {
                    seconds += candidate.transfers_s;
                    continue;
                };
                seconds += of_all;
                let mut distance = 0.0;
                for crossing in &crossings {
                    let name = KeyName { ring: self.demand.ring, uses: self.uses, holder: crossing.holder() };
                    let shifts: &mut BTreeSet<usize> = keys.entry(name).or_default();
                    shifts.extend(&crossing.cut.shifts);
                    distance += crossing.cut.distance;
                }
                ways.insert(candidate.entry, (Way::Matrices(crossings), distance));
            }
            seconds += keys.values().map(|shifts| self.key_seconds(&parameters, shifts)).sum::<f64>();
            if seconds < least {
                least = seconds;
                (choice.ways, choice.keys) = (ways, keys);
            }
        }
    }

    /// Of a product that no elements are missing from, and that needs the other party.
    fn candidate(&self, entry: EntryId, spec: &ProductSpec) -> Option<Candidate> {
        let mut crossings = Vec::new();
        let mut transfers_s = 0.0;
        for left in [IS_SENT, DRAWS] {
            let terms = crossing_terms(self.demand, spec, left);
            let inner: usize = terms.iter().map(|&(left, _)| self.shape_of(left).cols).sum();
            if inner > 0 {
                crossings.push((left, (spec.shape.rows, inner, spec.shape.cols)));
                transfers_s += self.by_transfers(spec, &terms, left);
            }
        }
        (!crossings.is_empty() && !spec.shape.is_empty()).then_some(Candidate {
            entry,
            transfers_s,
            crossings,
        })
    }

    /// Seconds of these terms by transfers.
    fn by_transfers(&self, spec: &ProductSpec, terms: &[(EntryId, EntryId)], left: PartyId) -> f64 {
        let prices = self.lattices.prices();
        let of_term = |&(a, b): &(EntryId, EntryId)| {
            let shapes = [a, b].map(|factor| self.shape_of(factor));
            // Party 1's elements meet vectors of party 0's.
            let second = usize::from(left == DRAWS);
            let count = shapes[second].len();
            let len = if count == 0 { 0 } else { places(spec.product, shapes, spec.shape, second, 0).len() };
            let all = Multiplications::new(self.demand.ring, count, len);
            all.bytes as f64 * prices.lattices.byte_s
                + all.transfers as f64 * prices.transfer_s
                + all.blocks as f64 * prices.block_s
        };
        terms.iter().map(of_term).sum()
    }

    /// A product's crossings with so many products interleaved; that with party 0 as evaluator last. None where the
    /// parameters do not cover it.
    fn crossings(&self, candidate: &Candidate, level: usize, holders: &[PartyId]) -> Option<Vec<Crossing>> {
        let crossing = |&(left, sizes): &(PartyId, Sizes)| {
            let of = |held: Held| {
                let cuts = &self.cuts[&(sizes, held)];
                let cut = cuts.get(level.min(cuts.len().wrapping_sub(1)))?.clone();
                Some(Crossing { left, cut }).filter(|crossing| holders.contains(&crossing.holder()))
            };
            let both = [of(Held::Left), of(Held::Right)].into_iter().flatten();
            both.min_by(|a, b| a.cut.seconds.total_cmp(&b.cut.seconds))
        };
        let mut crossings: Vec<Crossing> = candidate.crossings.iter().map(crossing).collect::<Option<_>>()?;
        crossings.sort_by_key(|crossing| crossing.holder() == IS_SENT);
        Some(crossings)
    }

    fn key_seconds(&self, parameters: &Parameters, shifts: &BTreeSet<usize>) -> f64 {
        let shifts: Vec<usize> = shifts.iter().copied().collect();
        let bytes = Keys::size_bytes(parameters, &shifts);
        let rates = self.lattices.prices().lattices;
        // Each polynomial is transformed by both parties, about twice.
        let butterflies = 4 * bytes / parameters.polynomial_bytes() * parameters.degree() / 2
            * parameters.degree().ilog2() as usize
            * parameters.primes();
        bytes as f64 * rates.byte_s + butterflies as f64 * rates.butterfly_s
    }

    fn choose_vectors(&mut self, choice: &mut Choice) {
        let (mut saved, mut ways) = (0.0, Vec::new());
        let rates = self.lattices.prices().lattices;
        for (entry, spec) in self.products(Product::Elementwise) {
            let (mut transfers_s, mut summands) = (0.0, 0);
            for left in [IS_SENT, DRAWS] {
                let terms = crossing_terms(self.demand, spec, left);
                transfers_s += self.by_transfers(spec, &terms, left);
                summands += terms.len();
            }
            // Below that, no vector is worth a whole polynomial.
            if transfers_s < 2.0 * self.lattices.polynomial_bytes() as f64 * rates.byte_s {
                continue;
            }
            let vectors = self.lattices.vectors(self.demand.ring);
            let (mut seconds, mut distance) = (0.0, 0.0);
            for len in pieces(spec.shape.len() * summands, self.lattices.at_once().1).map(|piece| piece.len())
            {
                let cost = vectors.cost(len);
                seconds += cost.seconds(&rates);
                distance += (-cost.privacy_bits).exp2();
            }
            if seconds < transfers_s {
                saved += transfers_s - seconds;
                ways.push((entry, (Way::Vectors, distance)));
            }
        }
        let name = KeyName { ring: Ring::Z64, uses: Uses::Few, holder: IS_SENT };
        let parameters = self.lattices.parameters(name.ring, name.uses);
        if choice.keys.contains_key(&name) || saved > self.key_seconds(&parameters, &BTreeSet::new()) {
            if !ways.is_empty() {
                choice.keys.entry(name).or_default();
            }
            choice.ways.extend(ways);
        }
    }
}

/// The cheapest cuts of a product that interleave at most 1, 2, 4 … products; none where the parameters do not cover it.
fn cuts(
    parameters: &Parameters,
    (m, k, n): Sizes,
    held: Held,
    (rates, most_elements): (&Rates, usize),
) -> Vec<Arc<Cut>> {
    let mut sizes = [m, k, n];
    // The larger side of what is too large is halved.
    while let Some((a, b)) =
        [(0, 1), (1, 2), (0, 2)].into_iter().find(|&(a, b)| sizes[a] * sizes[b] > most_elements)
    {
        let larger = if sizes[a] >= sizes[b] { a } else { b };
        sizes[larger] = sizes[larger].div_ceil(2);
    }
    let [rows, inner, cols] = sizes;
    let mut layouts: HashMap<Sizes, Vec<Layout>> = HashMap::new();
    let mut cut = |level: usize| -> Option<Cut> {
        let mut cut = Cut { held, pieces: Vec::new(), seconds: 0.0, distance: 0.0, shifts: BTreeSet::new() };
        for rows in pieces(m, rows) {
            for cols in pieces(n, cols) {
                for inner in pieces(k, inner) {
                    let sizes = (rows.len(), inner.len(), cols.len());
                    let layouts = layouts
                        .entry(sizes)
                        .or_insert_with(|| Layout::by_packing(parameters, sizes, held, rates));
                    let layout = *layouts.get(level.min(layouts.len().wrapping_sub(1)))?;
                    let cost = layout.cost(parameters);
                    cut.seconds += cost.seconds(rates);
                    cut.distance += (-cost.privacy_bits).exp2();
                    cut.shifts.extend(layout.shifts());
                    cut.pieces.push(Piece { rows: rows.clone(), inner, cols: cols.clone(), layout });
                }
            }
        }
        Some(cut)
    };
    (0..LEVELS).map_while(|level| cut(level).map(Arc::new)).collect()
}

/// Indices below `len` in pieces of `most`.
pub(super) fn pieces(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(most.max(1)).map(move |first| first..len.min(first + most))
}
