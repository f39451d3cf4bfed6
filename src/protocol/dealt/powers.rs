//! Comparisons of one value with several powers of two, as a function makes that finds the one which its argument reaches.
//! The formulas are those of [`crate::protocol::beaver`], and the layout is that of [`crate::step::bits`].

use super::UsesToolkit;
use super::shares::{COMPUTING, is_leader};
use super::widths::Widths;
use crate::correlation::TableSpec;
use crate::program::{Op, Program, Test, ValueId};
use crate::protocol::compared;
use crate::protocol::lowering::{Block, Lowering, Tile};
use crate::ring::{MINUS_ONE, Ring};
use crate::step::bits::{FAN_IN, Lanes, Level, Predicate, digits, planes};
use crate::step::{Action, Kernel, MemoryClass};
use std::collections::{BTreeMap, HashMap};

/// Powers whose groups are looked up and joined together, so that what this takes is held for few at a time.
const POWERS_AT_ONCE: usize = 8;

/// Comparisons of one value that are made together.
#[derive(Clone, Copy)]
struct Search {
    /// The value that is opened.
    base: ValueId,
    /// t with |x| < 2^t for each compared x.
    bits: u32,
    /// The powers, each the bit of its exponent.
    exponents: u64,
    /// They are added, and the answer is a number below zero; otherwise subtracted.
    rising: bool,
}

/// The comparisons of a program that are made together.
pub(super) struct Searches {
    searches: Vec<Search>,
    /// By compared value and test: the search and the exponent.
    members: HashMap<(ValueId, Test), (usize, u32)>,
    /// By search and tile: the public number that the powers move.
    numbers: HashMap<(usize, Tile), [Block; 2]>,
    /// By search and tile: the results of lanes.
    results: HashMap<(usize, Tile, Lanes), [Block; 2]>,
}

impl Searches {
    /// Those of a program that cost less together than one by one.
    pub(super) fn new(program: &Program, widths: &Widths) -> Searches {
        let compared = compared(program);
        let needed = program.values().iter().zip(program.needed()).filter(|(_, needed)| *needed);
        let asked: Vec<_> = needed
            .filter_map(|(value, _)| {
                let Op::Compare(x, test) = value.op else { return None };
                let (base, constant) = compared[x.index()];
                let exponent = exponent(program.ring(), test, constant)?;
                (exponent < widths.magnitude_bits(x)).then_some((x, test, base, exponent))
            })
            .collect();
        let mut bits: HashMap<ValueId, u32> = HashMap::new();
        let mut exponents: BTreeMap<(ValueId, bool), u64> = BTreeMap::new();
        for &(x, test, base, exponent) in &asked {
            let of_base = bits.entry(base).or_default();
            *of_base = widths.magnitude_bits(x).max(*of_base);
            *exponents.entry((base, is_rising(test))).or_default() |= 1 << exponent;
        }
        let searches = exponents.into_iter().map(|((base, rising), exponents)| Search {
            base,
            bits: bits[&base],
            exponents,
            rising,
        });
        let searches: Vec<Search> = searches.filter(Search::is_worthwhile).collect();
        let search_of = |test, base| {
            searches.iter().position(|search| search.base == base && search.rising == is_rising(test))
        };
        let members = asked
            .iter()
            .filter_map(|&(x, test, base, exponent)| Some(((x, test), (search_of(test, base)?, exponent))));
        let members = members.collect();
        Searches { searches, members, numbers: HashMap::new(), results: HashMap::new() }
    }
}

/// e of the tests x − 2^e ≥ 0 and x + 2^e − 1 < 0.
fn exponent(ring: Ring, test: Test, constant: u64) -> Option<u32> {
    let power = match test {
        Test::NonNegative => ring.reduce(constant.wrapping_neg()),
        Test::Negative => ring.reduce(constant.wrapping_add(1)),
        Test::Zero | Test::NonZero => return None,
    };
    power.is_power_of_two().then_some(power.trailing_zeros())
}

fn is_rising(test: Test) -> bool {
    test == Test::Negative
}

impl Search {
    /// The number of lanes.
    fn lanes(&self) -> u32 {
        digits(self.bits).div_ceil(FAN_IN)
    }

    /// What the comparisons share.
    fn base(&self) -> Lanes {
        Lanes::base(self.lanes(), self.rising)
    }

    /// Those among which is the group of a power.
    fn own(&self, exponent: u32) -> Lanes {
        let base = self.base();
        if base.exponents >> exponent & 1 == 1 {
            return base;
        }
        let others: Vec<u32> = (0..u64::BITS)
            .filter(|exponent| (self.exponents & !base.exponents) >> exponent & 1 == 1)
            .collect();
        let mut together = others.chunks(POWERS_AT_ONCE);
        let together = together.find(|chunk| chunk.contains(&exponent)).expect("one of the search's powers");
        let exponents = together.iter().map(|&exponent| 1u64 << exponent).sum();
        Lanes { own: 0, exponents, rising: self.rising }
    }

    /// The last level of each comparison.
    fn last(&self) -> Level {
        Level::new(self.lanes(), true)
    }

    /// Whether they open fewer bits than one by one, in as many rounds.
    fn is_worthwhile(&self) -> bool {
        if self.lanes() < 2 {
            return false;
        }
        let base = self.base();
        let others = Lanes { own: 0, exponents: self.exponents & !base.exponents, rising: self.rising };
        let first: u32 = [base, others].iter().map(|lanes| lanes.level().factors()).sum();
        let apart = std::iter::successors(Some(Predicate::Sign.level(self.bits)), |level| level.next());
        let apart: u32 = apart.filter(|level| level.digits > 1).map(Level::factors).sum();
        first + self.exponents.count_ones() * self.last().factors() < self.exponents.count_ones() * apart
    }
}

impl<P: UsesToolkit> Lowering<'_, P> {
    /// Shares of the answers about a tile, a plane, where its comparison is made together with others.
    pub(super) fn search(&mut self, x: Tile, test: Test) -> Option<[Block; 2]> {
        let searches = &self.rules.toolkit().searches;
        let &(number, exponent) = searches.members.get(&(x.value, test))?;
        let search = searches.searches[number];
        let tile = Tile { value: search.base, at: x.at };
        let opened = self.searched(number, tile);
        let (base, own) = (search.base(), search.own(exponent));
        let [of_base, of_own] = [base, own].map(|lanes| self.results(number, tile, lanes));
        let elements = self.grid(search.base).shape(x.at).len();
        let shape = planes(self.program.ring(), search.last().planes(), elements);
        let picked = COMPUTING.map(|party| {
            let out = self.buffer(party, shape, MemoryClass::Scratch);
            let index = party.index();
            let pick = Kernel::PickLanes {
                out,
                opened: opened[index],
                base: of_base[index],
                own: of_own[index],
                lanes: search.lanes(),
                exponent,
                rising: search.rising,
                group: own.group(exponent),
            };
            self.push(party, Action::Kernel(pick));
            out
        });
        Some(self.join(picked, search.last(), elements))
    }

    /// The public number that a search's powers move, at both; made once.
    fn searched(&mut self, number: usize, tile: Tile) -> [Block; 2] {
        if let Some(&found) = self.rules.toolkit().searches.numbers.get(&(number, tile)) {
            return found;
        }
        let rising = self.rules.toolkit().searches.searches[number].rising;
        let opened = self.open_compared(tile);
        let found = COMPUTING.map(|party| {
            let sum = opened.sum[party.index()].expect("both learn it");
            match rising {
                false => sum,
                true => self.combine(party, sum.shape, MemoryClass::Openings, vec![(1, sum)], MINUS_ONE),
            }
        });
        self.rules.toolkit().searches.numbers.insert((number, tile), found);
        found
    }

    /// Shares of the results of lanes; made once.
    fn results(&mut self, number: usize, tile: Tile, lanes: Lanes) -> [Block; 2] {
        let key = (number, tile, lanes);
        if let Some(&found) = self.rules.toolkit().searches.results.get(&key) {
            return found;
        }
        let bits = self.rules.toolkit().searches.searches[number].bits;
        let (shape, predicate) = (self.grid(tile.value).shape(tile.at), Predicate::Sign);
        let mask = self.open_compared(tile).mask.expect("both parts are masked");
        let tables = self.table(TableSpec { mask, shape, bits, top: predicate.has_top() });
        let opened = self.searched(number, tile);
        let ring = self.program.ring();
        let shares = COMPUTING.map(|party| {
            let index = party.index();
            let (opened, table, leader) = (opened[index], tables[index], is_leader(party));
            let out = planes(ring, lanes.level().planes(), shape.len());
            let out = self.buffer(party, out, MemoryClass::Scratch);
            let lanes = Some(lanes);
            let lookup = Kernel::LookupShares { out, opened, table, bits, predicate, lanes, leader };
            self.push(party, Action::Kernel(lookup));
            out
        });
        let found = self.join(shares, lanes.level(), shape.len());
        self.rules.toolkit().searches.results.insert(key, found);
        found
    }
}
