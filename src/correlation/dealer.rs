//! The dealer: turns a demand into the steps that satisfy it.
//!
//! The dealer is one more role with a step list: it runs on the same devices and the same executor as the parties,
//! entry by entry, so its memory is that of the largest entry and not of the list.

use super::{Correlation, Demand, DemandError, EntryId, Purpose};
use crate::share::Role;
use crate::step::{BufferId, Matrix, OpId, StepList};
use std::collections::{HashMap, HashSet};

/// The dealer's steps for `demand`.
///
/// # Errors
/// Where the demand is malformed or too large.
pub fn deal(demand: &Demand) -> Result<StepList, DemandError> {
    demand.check()?;
    let mut list = StepList::new(Role::Dealer, demand.ring);
    let mut masks: HashMap<EntryId, Matrix<BufferId>> = HashMap::new();
    let mut bits: HashMap<EntryId, Matrix<BufferId>> = HashMap::new();
    let tabled: HashSet<EntryId> = demand.entries.iter().filter_map(tabled_mask).collect();
    for (index, correlation) in (0u32..).zip(&demand.entries) {
        let (entry, purpose) = (EntryId(index), purpose(demand, index));
        match correlation {
            Correlation::Mask(spec) => drop(masks.insert(entry, spec.deal(&mut list, entry, purpose))),
            Correlation::Product(spec) => spec.deal(&mut list, entry, purpose, |mask| masks[&mask]),
            Correlation::TruncPair(spec) => {
                let mask = spec.deal(&mut list, entry, purpose, tabled.contains(&entry));
                masks.extend(mask.map(|mask| (entry, mask)));
            }
            Correlation::Table(spec) => spec.deal(&mut list, entry, purpose, masks[&spec.mask]),
            Correlation::Monomials(spec) => spec.deal(&mut list, entry, purpose),
            Correlation::Bit(spec) => drop(bits.insert(entry, spec.deal(&mut list, entry, purpose))),
            Correlation::BitProduct(spec) => {
                spec.deal(&mut list, entry, purpose, bits[&spec.bit], masks[&spec.mask]);
            }
        }
    }
    Ok(list)
}

fn purpose(demand: &Demand, index: u32) -> Purpose {
    Purpose { op: OpId(index), tile: index, once: demand.once.contains(&EntryId(index)) }
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
        demand.push(Correlation::TruncPair(TruncPairSpec { shape, bits: 16 }));
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
        assert_eq!(sent, 3 * 12);
        assert_eq!(demand.correction_bytes(), 3 * 12 * 8);
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
        assert!(refused(&lasting).contains("depends on what every run takes"));
        let mut deep = Demand::new(Ring::Z32);
        deep.push(Correlation::TruncPair(TruncPairSpec { shape: Shape::SCALAR, bits: 31 }));
        assert!(refused(&deep).contains("malformed"));
    }
}
