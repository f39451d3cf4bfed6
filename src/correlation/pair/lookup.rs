//! Lookups: party 1 learns that message of party 0's table which its number names.
//!
//! **Steps.** 1. Party 1 sends its number's bits, each under a random bit. 2. Party 0 sends the table, every message under
//! the pad of its place. **Bytes.** For numbers of b bits and messages of w bits, b bits to party 0 and w·2^b, in whole bytes,
//! to party 1. **Rounds.** One message each.

use super::{Batch, End, Own};
use crate::ot::{Channel, OtError};
use zeroize::Zeroizing;

const STEP: &str = "the tables of lookups";

/// Pads that are in memory at once.
const PADS: usize = 1 << 20;

/// The tables of some elements.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    /// How many.
    pub count: usize,
    /// b.
    pub log_n: usize,
    /// w, at most 64.
    pub width: u32,
}

impl End<'_> {
    /// Looks up for every element. `table` gives message j of element i, at party 0; `number` gives an element's number, at
    /// party 1, which is returned the messages.
    pub(super) fn lookup<C: Channel>(
        &mut self,
        lookup: Lookup,
        table: impl Fn(usize, u64) -> u64,
        number: impl Fn(usize) -> u64,
        channel: &mut C,
    ) -> Result<Zeroizing<Vec<u64>>, C::Error> {
        let Lookup { count, log_n, width } = lookup;
        let mut found = Zeroizing::new(Vec::with_capacity(if self.is(super::IS_SENT) { count } else { 0 }));
        let (each_bytes, mut first) = (((width as usize) << log_n).div_ceil(8), 0);
        while first < count {
            for batch in self.take((count - first).min(PADS >> log_n), log_n, channel)? {
                let here = batch.count / log_n;
                self.count_round(batch.count, here * each_bytes);
                // Party 0 draws the pads of all places, party 1 of one.
                self.price.blocks += (here * log_n.max(1) * ((1 << log_n) + 1)) as u64;
                let elements = first..first + here;
                first += here;
                match batch.cots {
                    Some(Batch::First(cots)) => {
                        let chosen = cots.chosen(&channel.receive(batch.count.div_ceil(8))?)?;
                        let pads = chosen.pads_of_many(log_n);
                        let mut packer = Packer::with_capacity(here * each_bytes);
                        for (element, pads) in elements.zip(pads.chunks_exact(1 << log_n)) {
                            for (place, pad) in (0..).zip(pads) {
                                packer.push(table(element, place) ^ pad.bits() as u64, width);
                            }
                            packer.align();
                        }
                        channel.send(packer.finish())?;
                    }
                    Some(Batch::Second(cots)) => {
                        let numbers: Zeroizing<Vec<u64>> = Zeroizing::new(elements.map(&number).collect());
                        let bit = |index: usize| (numbers[index / log_n] >> (index % log_n) & 1) as u8;
                        let (chosen, message) = cots.choose((0..batch.count).map(bit).collect());
                        channel.send(message)?;
                        let pads = chosen.pads_of_many(log_n);
                        let tables = channel.receive(here * each_bytes)?;
                        OtError::check_length(&tables, here * each_bytes, STEP)?;
                        let tables = tables.chunks_exact(each_bytes);
                        for ((table, pad), &number) in tables.zip(pads.iter()).zip(numbers.iter()) {
                            found.push(chosen_message(table, lookup, number) ^ low(pad.bits() as u64, width));
                        }
                    }
                    None => {}
                }
            }
        }
        Ok(found)
    }

    /// Adds a round to the price: a choice for each transfer, and the answer to all of them.
    pub(super) fn count_round(&mut self, transfers: usize, answer_bytes: usize) {
        self.price.second_bytes += transfers.div_ceil(8) as u64;
        self.price.first_bytes += answer_bytes as u64;
        self.price.messages += 2;
    }

    /// Takes correlated transfers for so many uses of `each`.
    pub(super) fn take<C: Channel>(
        &mut self,
        uses: usize,
        each: usize,
        channel: &mut C,
    ) -> Result<Vec<Taken>, C::Error> {
        let transfers = uses * each;
        self.price.transfers += transfers as u64;
        Ok(match &mut self.own {
            Own::First { supply, .. } => {
                let supply = supply.as_mut().expect("a course where there are transfers");
                let taken = supply.take(transfers, each, channel)?.into_iter();
                taken.map(|cots| Taken { count: cots.left(), cots: Some(Batch::First(cots)) }).collect()
            }
            Own::Second { supply, .. } => {
                let supply = supply.as_mut().expect("a course where there are transfers");
                let taken = supply.take(transfers, each, channel)?.into_iter();
                taken.map(|cots| Taken { count: cots.left(), cots: Some(Batch::Second(cots)) }).collect()
            }
            Own::Nobody => vec![Taken { count: transfers, cots: None }],
        })
    }
}

/// Transfers of one batch; where nobody is there, their number alone.
pub(super) struct Taken {
    pub count: usize,
    pub cots: Option<Batch>,
}

/// The message at a secret place of a table: all are read.
fn chosen_message(table: &[u8], lookup: Lookup, number: u64) -> u64 {
    let mut unpacker = Unpacker::new(table);
    let mut chosen = 0;
    for place in 0..1u64 << lookup.log_n {
        let message = unpacker.next(lookup.width);
        chosen ^= message & mask_of(place ^ number);
    }
    chosen
}

/// All ones where a number below 2^63 is zero, else none.
fn mask_of(number: u64) -> u64 {
    (std::hint::black_box(number).wrapping_sub(1) as i64 >> 63) as u64
}

/// The low `width` bits.
pub(super) fn low(value: u64, width: u32) -> u64 {
    if width == 64 { value } else { value & ((1 << width) - 1) }
}

/// Writes numbers of any number of bits one behind the other, from the least significant bit on.
pub(super) struct Packer {
    bytes: Vec<u8>,
    pending: u128,
    bits: u32,
}

impl Packer {
    pub fn with_capacity(bytes: usize) -> Packer {
        Packer { bytes: Vec::with_capacity(bytes), pending: 0, bits: 0 }
    }

    pub fn push(&mut self, value: u64, width: u32) {
        self.pending |= u128::from(low(value, width)) << self.bits;
        self.bits += width;
        while self.bits >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.bits -= 8;
        }
    }

    /// What follows begins with a byte of its own.
    pub fn align(&mut self) {
        if self.bits > 0 {
            self.push(0, 8 - self.bits);
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// Reads what a [`Packer`] has written.
pub(super) struct Unpacker<'a> {
    bytes: std::slice::Iter<'a, u8>,
    pending: u128,
    bits: u32,
}

impl Unpacker<'_> {
    pub fn new(bytes: &[u8]) -> Unpacker<'_> {
        Unpacker { bytes: bytes.iter(), pending: 0, bits: 0 }
    }

    /// The next number; what lies beyond the end reads as zero.
    pub fn next(&mut self, width: u32) -> u64 {
        while self.bits < width {
            self.pending |= u128::from(self.bytes.next().copied().unwrap_or(0)) << self.bits;
            self.bits += 8;
        }
        let value = low(self.pending as u64, width);
        self.pending >>= width;
        self.bits -= width;
        value
    }
}
