//! Dealing: turns a demand into the steps that satisfy it.
//!
//! A dealer of its own is one more role with a step list: it runs on the same devices and the same executor as the
//! parties, entry by entry, so its memory is that of the largest entry and not of the list. Where a party deals to the
//! two others, the same steps are written into its list.

use super::{Acquisition, Correlation, Demand, DemandError, EntryId, Purpose, Source};
use crate::share::Role;
use crate::step::{BufferId, Matrix, OpId, StepList};
use std::collections::{HashMap, HashSet};

/// The steps of a dealer of its own for `demand`.
///
/// # Errors
/// Where the demand is malformed or too large.
pub fn deal(demand: &Demand) -> Result<StepList, DemandError> {
    demand.check()?;
    let mut list = StepList::new(Role::Dealer, demand.ring);
    deal_into(&mut list, demand, Source::Dealer, |entry| Purpose {
        op: OpId(entry.0),
        tile: entry.0,
        taken: demand.taken(entry),
    });
    Ok(list)
}

/// Writes the steps that satisfy `demand` into the list of the role that deals; `purpose` says what an entry is for.
///
/// # Panics
/// Where the demand is malformed: it is one of the caller's own.
pub fn deal_into(list: &mut StepList, demand: &Demand, source: Source, purpose: impl Fn(EntryId) -> Purpose) {
    let mut masks: HashMap<EntryId, Matrix<BufferId>> = HashMap::new();
    let mut bits: HashMap<EntryId, Matrix<BufferId>> = HashMap::new();
    let tabled: HashSet<EntryId> = demand.entries.iter().filter_map(tabled_mask).collect();
    for (entry, correlation) in (0..).map(EntryId).zip(&demand.entries) {
        let acquisition = Acquisition { entry, source, purpose: purpose(entry) };
        match correlation {
            Correlation::Mask(spec) => drop(masks.insert(entry, spec.deal(list, acquisition))),
            Correlation::Product(spec) => spec.deal(list, acquisition, |mask| masks[&mask]),
            Correlation::TruncPair(spec) => {
                let mask = spec.deal(list, acquisition, tabled.contains(&entry));
                masks.extend(mask.map(|mask| (entry, mask)));
            }
            Correlation::Table(spec) => spec.deal(list, acquisition, masks[&spec.mask]),
            Correlation::Monomials(spec) => spec.deal(list, acquisition),
            Correlation::Ole(spec) => spec.deal(list, acquisition),
            Correlation::Bit(spec) => drop(bits.insert(entry, spec.deal(list, acquisition))),
            Correlation::Carry(spec) => spec.deal(list, acquisition, masks[&spec.mask]),
            Correlation::Transfer(spec) => spec.deal(list, acquisition),
            Correlation::BitProduct(spec) => spec.deal(list, acquisition, bits[&spec.bit], masks[&spec.mask]),
        }
    }
}

fn tabled_mask(correlation: &Correlation) -> Option<EntryId> {
    match correlation {
        Correlation::Table(spec) => Some(spec.mask),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::{MaskSpec, Product, ProductSpec, TruncPairSpec};
    use crate::ring::{Ring, Shape};
    use crate::share::{Parties, PartyId};
    use crate::step::Action;

    /// Masks of these shapes and their product, which claims to be of `shape`.
    fn product(ring: Ring, left: Shape, right: Shape, shape: Shape) -> Demand {
        let mut demand = Demand::new(ring);
        let parts = Parties::first(2);
        let left = demand.push(Correlation::Mask(MaskSpec { shape: left, parts }));
        let parts = Parties::from_iter([PartyId(1)]);
        let right = demand.push(Correlation::Mask(MaskSpec { shape: right, parts }));
        let spec = ProductSpec { product: Product::Matrix, shape, terms: vec![(left, right)] };
        demand.push(Correlation::Product(spec));
        demand
    }

    #[test]
    fn only_dependent_parts_are_sent() {
        let shape = Shape::new(3, 4);
        let mut demand = product(Ring::Z64, Shape::new(3, 100), Shape::new(100, 4), shape);
        demand.push(Correlation::TruncPair(TruncPairSpec { shape, bits: 16, width: 64 }));
        let list = deal(&demand).unwrap();
        let sent: usize = list
            .steps
            .iter()
            .filter_map(|step| match step.action {
                Action::Send { from, peer, .. } => {
                    assert_eq!(peer, Role::party(1), "corrections go to party 1");
                    Some(from.shape.len())
                }
                _ => None,
            })
            .sum();
        // The product, the middle bits, and 17 bits each of the shares of top bits.
        assert_eq!(sent, 12 + 12 + 4);
        assert_eq!(demand.correction_bytes(), 28 * 8);
    }

    #[test]
    fn a_demand_from_outside_is_checked() {
        let refused = |demand: &Demand| deal(demand).unwrap_err().to_string();
        let out = Shape::new(3, 4);
        let unfit = product(Ring::Z32, Shape::new(3, 5), Shape::new(6, 4), out);
        assert_eq!(refused(&unfit), "correlation 2 is malformed: factors whose shapes do not fit");
        let mut forward = product(Ring::Z32, Shape::new(3, 5), Shape::new(5, 4), out);
        forward.entries.swap(1, 2);
        assert_eq!(refused(&forward), "correlation 1 is malformed: a factor that is no earlier mask");
        let huge = product(Ring::Z32, Shape::new(usize::MAX, 2), Shape::new(2, 2), out);
        assert!(refused(&huge).contains("too large"));
        let mut lasting = product(Ring::Z32, Shape::new(3, 5), Shape::new(5, 4), out);
        lasting.once.insert(EntryId(2));
        assert!(refused(&lasting).contains("depends on what they do not find"));
        let mut deep = Demand::new(Ring::Z32);
        deep.push(Correlation::TruncPair(TruncPairSpec { shape: Shape::SCALAR, bits: 31, width: 32 }));
        assert!(refused(&deep).contains("malformed"));
        for (bits, width) in [(5, 6), (0, 9), (5, 33), (5, 1)] {
            let spec = TruncPairSpec { shape: Shape::SCALAR, bits, width };
            let demand = Demand { entries: vec![Correlation::TruncPair(spec)], ..Demand::new(Ring::Z32) };
            assert!(refused(&demand).contains("malformed"), "by {bits} bits modulo 2^{width}");
        }
    }
}
