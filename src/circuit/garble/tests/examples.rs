//! What two parties compute: each with the plain result beside it.

use super::*;

/// What both learn of numbers of these widths, for one row of numbers of each party.
fn learnt(circuit: &Circuit, widths: [&[usize]; 2], inputs: [Vec<u64>; 2], outputs: &[usize]) -> Vec<u64> {
    let bits = [0, 1].map(|party| Bits::from_numbers(widths[party], std::slice::from_ref(&inputs[party])));
    let found = run(circuit, [&bits[0], &bits[1]], 9);
    assert!(*found[0] == *found[1], "both learn the same");
    found[0].to_numbers(outputs).remove(0)
}

fn numbers(count: usize, below: u64, seed: u64) -> Vec<u64> {
    let mut bytes = vec![0; 8 * count];
    PrgKey::from_bytes([0xe1; 32]).fill(seed, 0, &mut bytes);
    bytes.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes) % below).collect()
}

/// Several inputs of one width of a party.
fn inputs(builder: &mut Builder, party: u8, count: usize, bits: usize) -> Vec<Word> {
    (0..count).map(|_| builder.input(PartyId(party), bits)).collect()
}

#[test]
fn the_richer_of_two_is_found() {
    let mut builder = Builder::new();
    let (mine, yours) = (builder.input(PartyId(0), 32), builder.input(PartyId(1), 32));
    let richer = builder.less(&yours, &mine, Sign::Unsigned);
    builder.output(Parties::first(2), &[richer]);
    let circuit = builder.finish();
    for (mine, yours) in [(5, 7), (7, 5), (7, 7), (u64::from(u32::MAX), 0)] {
        let found = learnt(&circuit, [&[32], &[32]], [vec![mine], vec![yours]], &[1]);
        assert_eq!(found, [u64::from(mine > yours)]);
    }
}

/// Four bids of each party: who wins, and the second price.
#[test]
fn an_auction_sells_at_the_second_price() {
    const BIDS: usize = 4;
    let mut builder = Builder::new();
    let mut bids = inputs(&mut builder, 0, BIDS, 16);
    bids.extend(inputs(&mut builder, 1, BIDS, 16));
    let (winner, _) = builder.argmax(&bids, Sign::Unsigned);
    builder.sort(&mut bids, 0..16, Sign::Unsigned);
    builder.output(Parties::first(2), &winner);
    builder.output(Parties::first(2), &bids[2 * BIDS - 2].clone());
    let circuit = builder.finish();
    for seed in 0..4 {
        let bids = numbers(2 * BIDS, 1 << 16, seed);
        let (first, second) = bids.split_at(BIDS);
        let found = learnt(&circuit, [&[16; BIDS], &[16; BIDS]], [first.to_vec(), second.to_vec()], &[3, 16]);
        let mut sorted = bids.clone();
        sorted.sort();
        let winner = bids.iter().position(|bid| *bid == sorted[7]).expect("the highest bid") as u64;
        assert_eq!(found, [winner, sorted[6]], "{bids:?}");
    }
}

#[test]
fn numbers_of_both_are_sorted() {
    const EACH: usize = 15;
    let mut builder = Builder::new();
    let mut rows = inputs(&mut builder, 0, EACH, 12);
    rows.extend(inputs(&mut builder, 1, EACH, 12));
    builder.sort(&mut rows, 0..12, Sign::Signed);
    rows.iter().for_each(|row| builder.output(Parties::first(2), row));
    let circuit = builder.finish();
    let [first, second] = [1, 2].map(|seed| numbers(EACH, 1 << 12, seed));
    let found =
        learnt(&circuit, [&[12; EACH], &[12; EACH]], [first.clone(), second.clone()], &[12; 2 * EACH]);
    let mut sorted = [first, second].concat();
    sorted.sort_by_key(|value| value ^ 1 << 11);
    assert_eq!(found, sorted);
}

/// Each party sorts its own set; the merged list has equal neighbours where both have an element.
#[test]
fn sets_are_intersected_by_sorting() {
    const EACH: usize = 20;
    let mut builder = Builder::new();
    let mut rows = inputs(&mut builder, 0, EACH, 8);
    rows.extend(inputs(&mut builder, 1, EACH, 8));
    builder.merge(&mut rows, EACH, 0..8, Sign::Unsigned);
    let equal: Word = rows.windows(2).map(|pair| builder.equal(&pair[0], &pair[1])).collect();
    let size = builder.count_ones(&equal);
    builder.output(Parties::first(2), &size);
    let circuit = builder.finish();
    let [first, second] = [0, 1].map(|party| {
        let step = 3 + 2 * party;
        (0..EACH as u64).map(|at| 11 * party + step * at).collect::<Vec<u64>>()
    });
    let shared = first.iter().filter(|element| second.contains(element)).count() as u64;
    assert!(shared > 2, "{shared} elements in both");
    let found = learnt(&circuit, [&[8; EACH], &[8; EACH]], [first, second], &[size.len()]);
    assert_eq!(found, [shared]);
}

/// FIPS 197, Appendix C.1, twice side by side with Appendix B.
#[test]
fn a_block_is_encrypted_under_the_others_key() {
    let number = |text: &str| {
        let number = u128::from_str_radix(text, 16).expect("a number").swap_bytes();
        vec![number as u64, (number >> 64) as u64]
    };
    let vectors = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "3243f6a8885a308d313198a2e0370734",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
    ];
    let keys = Bits::from_numbers(&[64, 64], &vectors.map(|(key, _, _)| number(key)));
    let blocks = Bits::from_numbers(&[64, 64], &vectors.map(|(_, block, _)| number(block)));
    let found = run(&primitives::aes128(), [&keys, &blocks], 5);
    let expected = vectors.map(|(_, _, encrypted)| number(encrypted)).to_vec();
    assert_eq!(found.map(|bits| bits.to_numbers(&[64, 64])), [expected.clone(), expected]);
}

/// FIPS 180-4: "abc" of which party 0 has the first byte.
#[test]
fn a_split_message_is_hashed() {
    let circuit = primitives::sha2(primitives::Sha2::Sha256, 1, 2);
    let found = learnt(&circuit, [&[8], &[8, 8]], [vec![0x61], vec![0x62, 0x63]], &[64; 4]);
    let expected =
        [0xba78_16bf_8f01_cfea, 0x4141_40de_5dae_2223, 0xb003_61a3_9617_7a9c, 0xb410_ff61_f200_15ad_u64];
    assert_eq!(found, expected.map(u64::swap_bytes));
}
