//! Selections: shares of party 0's bits times party 1's elements, by transfers whose sender is party 1.
//!
//! **Steps**, for a bit c and an element x under the pads p_0 and p_1 of one transfer. 1. Party 0 sends c under a random bit. 2. Party 1
//! sends x + p_0 − p_1, and has −p_0; party 0 has p_c + c·what it was sent = p_0 + c·x.
//!
//! **Bytes.** One bit to party 1, an element to party 0. **Rounds.** One message each.
//!
//! **Security.** That of a multiplication (module `multiply`) with the parties exchanged, of one bit.

use super::lookup::Taken;
use super::{Batch, End, Own};
use crate::ot::{Channel, OtError, SessionId};
use zeroize::Zeroizing;

const STEP: &str = "the elements of selections";

/// Transfers whose pads are in memory at once.
const PADS: usize = 1 << 20;

/// The session of the transfers that party 1 sends, in that of those which party 0 sends.
pub(super) fn session(forward: SessionId) -> SessionId {
    SessionId(blake3::derive_key("symbolon 2026-11 session of transfers from party 1 to party 0", &forward.0))
}

impl End<'_> {
    /// Adds shares of the products of party 0's bits with party 1's elements, of each as many as there are sums; `own` are the
    /// party's.
    pub(super) fn select<C: Channel>(
        &mut self,
        count: usize,
        own: &[u64],
        sums: &mut [u64],
        channel: &mut C,
    ) -> Result<(), C::Error> {
        let element_bytes = self.ring().element_bytes();
        let mut first = 0;
        while first < count {
            for batch in self.take_backward((count - first).min(PADS), channel)? {
                let (here, due) = (first..first + batch.count, batch.count * element_bytes);
                first += batch.count;
                self.price.first_bytes += batch.count.div_ceil(8) as u64;
                self.price.second_bytes += due as u64;
                self.price.messages += 2;
                self.price.blocks += 3 * batch.count as u64;
                match batch.cots {
                    Some(Batch::First(cots)) => {
                        let chosen = cots.chosen(&channel.receive(batch.count.div_ceil(8))?)?;
                        let [zeros, ones] = chosen.pads(1);
                        let mut message = Vec::with_capacity(due);
                        for (index, (zero, one)) in here.zip(zeros.iter().zip(ones.iter())) {
                            let [zero, one] = [zero, one].map(|pad| pad.bits() as u64);
                            let sent = own[index].wrapping_add(zero).wrapping_sub(one);
                            message.extend_from_slice(&sent.to_le_bytes()[..element_bytes]);
                            sums[index] = sums[index].wrapping_sub(zero);
                        }
                        channel.send(message)?;
                    }
                    Some(Batch::Second(cots)) => {
                        let choices: Zeroizing<Vec<u8>> =
                            Zeroizing::new(own[here.clone()].iter().map(|&bit| bit as u8).collect());
                        let (chosen, message) = cots.choose(choices.to_vec());
                        channel.send(message)?;
                        let pads = chosen.pads(1);
                        let message = channel.receive(due)?;
                        OtError::check_length(&message, due, STEP)?;
                        let sent = message.chunks_exact(element_bytes);
                        for (index, ((pad, sent), &choice)) in
                            here.zip(pads.iter().zip(sent).zip(choices.iter()))
                        {
                            let mut bytes = [0; 8];
                            bytes[..element_bytes].copy_from_slice(sent);
                            let mask = u64::from(std::hint::black_box(choice)).wrapping_neg();
                            let share = (pad.bits() as u64).wrapping_add(u64::from_le_bytes(bytes) & mask);
                            sums[index] = sums[index].wrapping_add(share);
                        }
                    }
                    None => {}
                }
            }
        }
        let ring = self.ring();
        sums.iter_mut().for_each(|sum| *sum = ring.reduce(*sum));
        Ok(())
    }

    /// Takes so many of the transfers whose sender is party 1.
    fn take_backward<C: Channel>(&mut self, count: usize, channel: &mut C) -> Result<Vec<Taken>, C::Error> {
        const DUE: &str = "a course where there are transfers";
        self.price.backward += count as u64;
        Ok(match &mut self.own {
            Own::First { backward, .. } => {
                let taken = backward.as_mut().expect(DUE).take(count, 1, channel)?.into_iter();
                taken.map(|cots| Taken { count: cots.left(), cots: Some(Batch::Second(cots)) }).collect()
            }
            Own::Second { backward, .. } => {
                let taken = backward.as_mut().expect(DUE).take(count, 1, channel)?.into_iter();
                taken.map(|cots| Taken { count: cots.left(), cots: Some(Batch::First(cots)) }).collect()
            }
            Own::Nobody => vec![Taken { count, cots: None }],
        })
    }
}
