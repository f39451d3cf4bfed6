//! Random oblivious transfers of labels: one transfer for each, whatever the ring, whose choice is party 1's bit c.

use super::{Batch, DRAWS, Elements, End, EntryId, IS_SENT, Part, Take, plane_bit};
use crate::correlation::TransferSpec;
use crate::ot::{Channel, OtError};
use crate::ring::Ring;
use crate::step::bits::planes;
use zeroize::Zeroizing;

const STEP: &str = "the messages of random transfers";

/// Bytes of a message.
const MESSAGE_BYTES: usize = 16;

/// Transfers of which pads are in memory at once.
const PADS: usize = 1 << 19;

impl End<'_> {
    /// **Steps.** Party 1 sends its bits, each under a random bit; party 0 sends both messages of each, under the pads.
    /// **Bytes.** A bit to party 0 and 32 bytes to party 1 for each transfer. **Rounds.** One message each.
    pub(super) fn transfers<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: TransferSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let (ring, count) = (self.ring(), spec.shape.len());
        let plane = planes(ring, 1, count);
        let choices =
            if self.is(IS_SENT) { self.draw(entry, Part::Mask, plane) } else { self.zeros(plane.len()) };
        let [zeros, differences]: [Vec<Elements>; 2] = TransferSpec::streams(ring).map(|streams| {
            let streams = streams.filter(|_| self.is(DRAWS));
            streams.map(|stream| self.draw_stream(entry, stream, spec.shape)).collect()
        });
        let words = TransferSpec::words(ring) as usize;
        let mut chosen: Vec<Elements> = (0..words).map(|_| self.zeros(count)).collect();
        let mut first = 0;
        while first < count {
            for batch in self.take((count - first).min(PADS), 1, channel)? {
                let here = first..first + batch.count;
                first = here.end;
                self.count_round(batch.count, 2 * MESSAGE_BYTES * batch.count);
                self.price.blocks += 3 * batch.count as u64;
                match batch.cots {
                    Some(Batch::First(cots)) => {
                        let sender = cots.chosen(&channel.receive(batch.count.div_ceil(8))?)?;
                        let [zero_pads, one_pads] = sender.pads(1);
                        let mut message = Vec::with_capacity(2 * MESSAGE_BYTES * batch.count);
                        for (at, pads) in here.zip(zero_pads.iter().zip(one_pads.iter())) {
                            let [mut zero, mut one] = [0u128; 2];
                            for word in (0..words).rev() {
                                let (z, a) = (zeros[word][at], differences[word][at]);
                                zero = zero << ring.bits() | u128::from(z);
                                one = one << ring.bits() | u128::from(ring.reduce(z.wrapping_add(a)));
                            }
                            message.extend_from_slice(&(zero ^ pads.0.bits()).to_le_bytes());
                            message.extend_from_slice(&(one ^ pads.1.bits()).to_le_bytes());
                        }
                        channel.send(message)?;
                    }
                    Some(Batch::Second(cots)) => {
                        let bit = |at: usize| plane_bit(&choices, plane.cols, 0, at) as u8;
                        let bits: Zeroizing<Vec<u8>> = Zeroizing::new(here.clone().map(bit).collect());
                        let (receiver, message) = cots.choose(bits.to_vec());
                        channel.send(message)?;
                        let pads = receiver.pads(1);
                        let pairs = channel.receive(2 * MESSAGE_BYTES * batch.count)?;
                        OtError::check_length(&pairs, 2 * MESSAGE_BYTES * batch.count, STEP)?;
                        let (pairs, _) = pairs.as_chunks::<MESSAGE_BYTES>();
                        let pairs = pairs.as_chunks::<2>().0.iter().zip(bits.iter()).zip(pads.iter());
                        for (at, ((pair, &bit), pad)) in here.zip(pairs) {
                            let [zero, one] = pair.map(u128::from_le_bytes);
                            let mask = u128::from(std::hint::black_box(bit)).wrapping_neg();
                            put(ring, (zero ^ (zero ^ one) & mask) ^ pad.bits(), at, &mut chosen);
                        }
                    }
                    None => {}
                }
            }
        }
        (0..).zip(&chosen).for_each(|(word, values)| self.correct(entry, word, values, take));
        Ok(())
    }
}

/// Divides a message into its words.
fn put(ring: Ring, message: u128, at: usize, words: &mut [Elements]) {
    for (word, values) in words.iter_mut().enumerate() {
        values[at] = ring.reduce((message >> (word as u32 * ring.bits())) as u64);
    }
}
