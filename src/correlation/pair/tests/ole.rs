//! Products of the parties' random bits: opened, priced, and held against chance.

use super::*;
use crate::correlation::OleSpec;
use std::collections::HashSet;

#[test]
fn products_of_bits_are_those_of_each_partys_own() {
    for ring in Ring::ALL {
        let mut demand = Demand::new(ring);
        let specs: Vec<_> = [(1, 1), (1, 200), (7, 64), (63, 65), (3, 0)]
            .into_iter()
            .map(|(bits, elements)| OleSpec { bits, elements })
            .map(|spec| (demand.push(Correlation::Ole(spec)), spec))
            .collect();
        let made = made(&demand);
        for (entry, spec) in specs {
            let [first, second] = [0, 1].map(|party| made.delivered(party, entry, 0));
            let products: Vec<u64> = first.iter().zip(second).map(|(v, c)| v & c).collect();
            assert_eq!(made.both_delivered(entry, 1), products, "{spec:?}");
        }
    }
}

/// Cheetah's (Huang et al., USENIX Security 2022) takes 690 bits, of which the transfers' setup is spread over the values.
#[test]
fn a_sign_of_64_bits_takes_fewer_bits_than_cheetahs() {
    let elements = 1_000_000;
    let mut demand = Demand::new(Ring::Z64);
    demand.push(Correlation::Ole(OleSpec { bits: 63, elements }));
    let mut opened = 63;
    let levels = std::iter::successors(Some(Level::pairwise(63, true)), |level| level.next());
    for level in levels.filter(|level| level.digits > 1) {
        opened += level.factors();
        demand.push(Correlation::Monomials(MonomialsSpec { level, elements }));
    }
    let price = Pricer::new(&demand, false).run(&first_turn());
    let (offline, online) = (8.0 * price.bytes() as f64 / elements as f64, 2.0 * f64::from(opened));
    println!("{offline:.1} bits before a run and {online} in it");
    assert!(offline + online < 640.0, "{offline} and {online} bits");
}

#[test]
fn what_falls_to_the_parties_looks_random() {
    let mut demand = Demand::new(Ring::Z64);
    let elements = 64 * 40;
    demand.push(Correlation::Ole(OleSpec { bits: 2, elements }));
    let level = Level::pairwise(6, true);
    demand.push(Correlation::Monomials(MonomialsSpec { level, elements }));
    let made = made(&demand);
    for (message, bytes) in made.of_first.iter().chain(&made.corrections) {
        // Of every plane: no row repeats another, and each is balanced.
        for (row, plane) in bytes.chunks(elements / 8).enumerate() {
            let ones: u32 = plane.iter().map(|byte| byte.count_ones()).sum();
            let off = (2.0 * f64::from(ones) - elements as f64).abs();
            assert!(off < 6.0 * (elements as f64).sqrt(), "row {row} of message {message}: {ones} ones");
        }
    }
    let planes: Vec<&[u8]> = made
        .of_first
        .values()
        .chain(made.corrections.values())
        .flat_map(|bytes| bytes.chunks(elements / 8))
        .collect();
    let distinct: HashSet<&[u8]> = planes.iter().copied().collect();
    assert_eq!(distinct.len(), planes.len(), "no two planes are alike");
}
