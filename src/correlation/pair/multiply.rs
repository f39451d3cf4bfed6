//! Multiplication: shares of the products of party 1's elements with vectors of party 0.
//!
//! **Steps**, for an element y of k bits and a vector x: for each bit b of y one transfer, whose pads p_c are vectors modulo
//! 2^(k−b). 1. Party 1 sends its bits, each under a random bit. 2. Party 0 sends x + p_0 − p_1, and has −2^b·p_0; party 1 has
//! 2^b·(p_c + c·what it was sent) = 2^b·(p_0 + c·x) modulo 2^k. The sums over b are shares of y·x.
//!
//! **Bytes.** For a vector of n elements k bits to party 0, and n·⌈(k−b)/8⌉ for each b to party 1: 36·n with k = 8·8.
//! **Rounds.** One message each.

use super::{Batch, End};
use crate::ot::{BLOCK_BYTES, Blocks, Channel, OtError};
use crate::ring::Ring;
use bytemuck::cast_slice;
use std::ops::Range;
use zeroize::Zeroizing;

const STEP: &str = "the vectors of multiplications";

/// Bytes of pads that are in memory at once, unless one element takes more.
const PAD_BYTES: usize = 16 << 20;

/// Elements of a vector that are multiplied at once: more take the element's bits a second time.
const PIECE: usize = 1 << 14;

/// Where the elements of a vector lie in party 0's matrix, and their products in the result: two nested runs.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// The first element, and the first product.
    pub first: [usize; 2],
    /// The outer run, and the inner one.
    pub runs: [Run; 2],
}

/// A run: how many, and how far from one to the next, among the elements and among the products.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub count: usize,
    pub steps: [usize; 2],
}

impl Run {
    pub const ONE: Run = Run { count: 1, steps: [0, 0] };
}

impl Places {
    pub fn len(&self) -> usize {
        self.runs[0].count * self.runs[1].count
    }

    /// The places of these elements of the vector, and of their products.
    fn of(self, piece: Range<usize>) -> impl Iterator<Item = [usize; 2]> {
        let [outer, inner] = self.runs;
        piece.map(move |index| {
            let (o, i) = (index / inner.count, index % inner.count);
            [0, 1].map(|kind: usize| self.first[kind] + o * outer.steps[kind] + i * inner.steps[kind])
        })
    }
}

/// What multiplications take: the price of [`End::multiply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Multiplications {
    /// Correlated transfers.
    pub transfers: u64,
    /// Bytes in both directions, without those of the transfers.
    pub bytes: u64,
    /// Blocks of pads that both parties draw.
    pub blocks: u64,
}

impl Multiplications {
    /// Of so many elements with vectors of this length.
    pub fn new(ring: Ring, count: usize, len: usize) -> Multiplications {
        let (bits, count, len) = (u64::from(ring.bits()), count as u64, len as u64);
        let transfers = count * bits * len.div_ceil(PIECE as u64);
        let each_bytes: u64 = (0..bits).map(|bit| (bits - bit).div_ceil(8)).sum();
        let blocks = 3 * count * bits * (8 * len).div_ceil(BLOCK_BYTES as u64);
        Multiplications { transfers, bytes: count * len * each_bytes + transfers / 8, blocks }
    }
}

impl End<'_> {
    /// Adds shares of the products of party 1's elements, `count` of them, with party 0's vectors. `own` are party 1's
    /// elements, or party 0's matrix; `places` says where an element's vector is: all have the same length.
    pub(super) fn multiply<C: Channel>(
        &mut self,
        count: usize,
        places: impl Fn(usize) -> Places,
        own: &[u64],
        sums: &mut [u64],
        channel: &mut C,
    ) -> Result<(), C::Error> {
        let len = if count == 0 { 0 } else { places(0).len() };
        for first in (0..len).step_by(PIECE) {
            let piece = first..len.min(first + PIECE);
            self.multiply_piece((count, piece), &places, own, sums, channel)?;
        }
        let ring = self.ring();
        sums.iter_mut().for_each(|sum| *sum = ring.reduce(*sum));
        Ok(())
    }

    /// The same with a piece of each vector.
    fn multiply_piece<C: Channel>(
        &mut self,
        (count, piece): (usize, Range<usize>),
        places: impl Fn(usize) -> Places,
        own: &[u64],
        sums: &mut [u64],
        channel: &mut C,
    ) -> Result<(), C::Error> {
        let (bits, len) = (self.ring().bits() as usize, piece.len());
        // Elements are 64 bits wide in pads.
        let blocks = (8 * len).div_ceil(BLOCK_BYTES);
        let at_once = (PAD_BYTES / (bits * blocks * BLOCK_BYTES)).max(1);
        let vector_bytes = |bit: usize| len * (bits - bit).div_ceil(8);
        let each_bytes = (0..bits).map(vector_bytes).sum::<usize>();
        let mut first = 0;
        while first < count {
            for batch in self.take((count - first).min(at_once), bits, channel)? {
                let here = batch.count / bits;
                self.count_round(batch.count, here * each_bytes);
                self.price.blocks += (3 * batch.count * blocks) as u64;
                let elements = first..first + here;
                first += here;
                match batch.cots {
                    Some(Batch::First(cots)) => {
                        let chosen = cots.chosen(&channel.receive(batch.count.div_ceil(8))?)?;
                        let pads = chosen.pads(blocks);
                        let mut message = Vec::with_capacity(here * each_bytes);
                        for transfer in 0..batch.count {
                            let (element, bit) = (elements.start + transfer / bits, transfer % bits);
                            let [zero, one] = pads.each_ref().map(|pads| vector(pads, transfer, blocks));
                            let kept = (bits - bit).div_ceil(8);
                            let vectors = zero.iter().zip(one);
                            for ([place, to], (zero, one)) in places(element).of(piece.clone()).zip(vectors) {
                                let sent = own[place].wrapping_add(*zero).wrapping_sub(*one);
                                message.extend_from_slice(&sent.to_le_bytes()[..kept]);
                                sums[to] = sums[to].wrapping_sub(*zero << bit);
                            }
                        }
                        channel.send(message)?;
                    }
                    Some(Batch::Second(cots)) => {
                        let numbers = &own[elements.clone()];
                        let bit = |index: usize| (numbers[index / bits] >> (index % bits) & 1) as u8;
                        let choices: Zeroizing<Vec<u8>> = Zeroizing::new((0..batch.count).map(bit).collect());
                        let (chosen, message) = cots.choose(choices.to_vec());
                        channel.send(message)?;
                        let pads = chosen.pads(blocks);
                        let message = channel.receive(here * each_bytes)?;
                        OtError::check_length(&message, here * each_bytes, STEP)?;
                        let mut rest = &message[..];
                        for transfer in 0..batch.count {
                            let (element, bit) = (elements.start + transfer / bits, transfer % bits);
                            let kept = (bits - bit).div_ceil(8);
                            let (sent, others) = rest.split_at(len * kept);
                            rest = others;
                            let mask = u64::from(std::hint::black_box(choices[transfer])).wrapping_neg();
                            let pads = vector(&pads, transfer, blocks);
                            let vectors = pads.iter().zip(sent.chunks_exact(kept));
                            for ([_, to], (pad, sent)) in places(element).of(piece.clone()).zip(vectors) {
                                let mut bytes = [0; 8];
                                bytes[..kept].copy_from_slice(sent);
                                let share = pad.wrapping_add(u64::from_le_bytes(bytes) & mask);
                                sums[to] = sums[to].wrapping_add(share << bit);
                            }
                        }
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }
}

/// The pad of a transfer as a vector.
fn vector(pads: &Blocks, transfer: usize, blocks: usize) -> &[u64] {
    cast_slice(&pads[transfer * blocks..][..blocks])
}
