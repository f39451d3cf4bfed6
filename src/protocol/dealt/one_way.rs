//! Truncation of large tiles, of which one of two parties knows the mask and the other learns the masked value. The formulas
//! are those of [`crate::protocol::beaver`].

use super::shares::{COMPUTING, from_parts};
use super::{HELPER, UsesToolkit};
use crate::correlation::{CarrySpec, Correlation, KnownMask, KnownSum, MaskSpec};
use crate::protocol::Content;
use crate::protocol::lowering::{Block, Lowering, Parts, Tile};
use crate::ring::{MINUS_ONE, Shape};
use crate::share::PartyId;
use crate::step::{Action, Kernel, MemoryClass};

/// Elements of a tile from which on the bytes that are saved take longer than the round more: a link of 10 Gbit/s and 0.2 ms,
/// and one of 100 Mbit/s and 40 ms, carry two to four hundred kilobytes while a message is under way. The crate's own tests
/// have so few that both ways are taken.
pub(super) const LARGE: usize = if cfg!(test) { 96 } else { 1 << 15 };

impl<P: UsesToolkit> Lowering<'_, P> {
    /// Truncation by which party 1 alone learns the value under a mask that party 0 knows.
    pub(super) fn truncate_one_way(&mut self, x: Tile, shape: Shape, bits: u32, width: u32) -> Parts {
        let [first, second] = COMPUTING;
        let spec = MaskSpec { shape, parts: first.alone() };
        let acquired = self.demand(Correlation::Mask(spec));
        let mask = spec.acquire(&mut self.lists[first.index()], acquired, first).expect("party 0 draws it");
        let spec = CarrySpec { mask: acquired.entry, shape, bits, width };
        let acquired = self.demand(Correlation::Carry(spec));
        let KnownMask { sign, high: masks_high } =
            spec.acquire_first(&mut self.lists[first.index()], acquired, mask);
        let KnownSum { mask: bit_mask, top, high } =
            spec.acquire_second(&mut self.lists[second.index()], acquired);
        let sum = self.open_to_second(x, shape, mask, width);
        self.add_top_bits(bit_mask, sum, width);
        let told = self.transfer(bit_mask, second, first, Content::Bits, MemoryClass::Openings);
        let second_share = self.buffer(second, shape, MemoryClass::Shares);
        let (out, opened, leader) = (second_share, vec![sum], true);
        self.push(
            second,
            Action::Kernel(Kernel::TruncFinish { out, opened, top, high, bits, width, leader }),
        );
        let carry = self.buffer(first, shape, MemoryClass::Scratch);
        let (out, hidden) = (carry, Some(sign));
        let mux = Kernel::Mux { out, bits: told, value: None, constant: 0, hidden, accumulate: false };
        self.push(first, Action::Kernel(mux));
        let terms = vec![(1 << (width - 1 - bits), carry), (MINUS_ONE, masks_high)];
        let first_share = self.combine(first, shape, MemoryClass::Shares, terms, 0);
        from_parts([first_share, second_share])
    }

    /// x + 2^(w−2) + r at party 1, where r is party 0's; the low w bits are right. The helper's part goes there as well,
    /// under a mask s that it shares with party 0, which takes s off.
    fn open_to_second(&mut self, x: Tile, shape: Shape, mask: Block, width: u32) -> Block {
        let ([first, second], class) = (COMPUTING, MemoryClass::Openings);
        let parts = self.parts(x);
        let own = COMPUTING.map(|party| self.part(&parts, party));
        let (mut mask, mut sum) = (mask, None);
        if let Some(rest) = parts.own(HELPER) {
            let [hidden, hiding] = self.common(first, HELPER, shape, MemoryClass::Correlations);
            let told = self.combine(HELPER, shape, class, vec![(1, rest), (1, hiding)], 0);
            sum = Some(self.add_received(None, told, (HELPER, second), width));
            mask = self.combine(first, shape, class, vec![(1, mask), (MINUS_ONE, hidden)], 0);
        }
        let part = own[first.index()].map(|part| (1, part));
        let terms = part.into_iter().chain([(1, mask)]).collect();
        let masked = self.combine(first, shape, class, terms, 1 << (width - 2));
        let sum = self.add_received(sum, masked, (first, second), width);
        match own[second.index()] {
            Some(part) => self.combine(second, shape, class, vec![(1, sum), (1, part)], 0),
            None => sum,
        }
    }

    /// Adds the low bits of a party's matrix to a sum that another has, if it has one.
    fn add_received(
        &mut self,
        sum: Option<Block>,
        from: Block,
        (sender, receiver): (PartyId, PartyId),
        width: u32,
    ) -> Block {
        let (content, class) = (Content::Masked { width }, MemoryClass::Openings);
        if !self.is_packed(width) {
            let received = self.transfer(from, sender, receiver, content, class);
            return match sum {
                Some(sum) => self.combine(receiver, from.shape, class, vec![(1, sum), (1, received)], 0),
                None => received,
            };
        }
        let packed = self.pack(sender, from, width);
        let operand = self.transfer(packed, sender, receiver, content, class);
        let (out, accumulate) = match sum {
            Some(sum) => (sum, true),
            None => (self.buffer(receiver, from.shape, class), false),
        };
        self.push(receiver, Action::Kernel(Kernel::Unpack { out, operand, width, accumulate }));
        out
    }

    /// Adds the top bits of numbers of w bits, at party 1, to a plane.
    fn add_top_bits(&mut self, plane: Block, sum: Block, width: u32) {
        let ([_, second], class, ring_bits) = (COMPUTING, MemoryClass::Scratch, self.program.ring().bits());
        let operand = match ring_bits - width {
            0 => sum,
            up => self.combine(second, sum.shape, class, vec![(1 << up, sum)], 0),
        };
        // 0 or −1.
        let sign = self.buffer(second, sum.shape, class);
        self.push(second, Action::Kernel(Kernel::Shift { out: sign, operand, bits: ring_bits - 1 }));
        self.push(second, Action::Kernel(Kernel::TruthTable { out: plane, mask: sign, bits: 1, top: false }));
    }
}
