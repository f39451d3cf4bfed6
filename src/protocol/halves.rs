//! Values as parties 0 and 1 hold them between themselves, and what they open to each other.
//!
//! What is not linear is computed by these two with dealt correlations, whatever the protocol: each has a part of the
//! value, and where a third party has one as well, it tells both what is left of it under masks that it shares with one
//! of them each: x₀ − s₀, x₁ − s₁, and x₂ + s₀ + s₁ for both. Neither learns anything by that, and openings take no
//! round more.

use super::Content;
use super::lowering::{Block, Lowering, Parts, Tile};
use crate::correlation::{Correlation, EntryId, MaskSpec};
use crate::share::{Parties, PartyId, Sharing};
use crate::step::bits::packed;
use crate::step::{Action, Kernel, MemoryClass};

/// The two who compute what is not linear; the first adds what is public.
pub(super) const PAIR: [PartyId; 2] = [PartyId(0), PartyId(1)];

/// The third party, where there is one.
const THIRD: PartyId = PartyId(2);

/// A value between parties 0 and 1: the sum of their parts and of what the third told both.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    /// Their parts; absent ones are zero.
    pub(super) parts: [Option<Block>; 2],
    /// What the third told them. The value is what the sum is modulo 2^w of this.
    pub(super) told: Option<Told>,
}

/// A third party's part under masks, modulo 2^w.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// Each one's copy.
    copies: [Block; 2],
    /// w.
    width: u32,
    /// Whether copies are packed: where w is less than k.
    is_packed: bool,
}

impl Halves {
    /// Who has a part.
    pub(super) fn holders(&self) -> Parties {
        PAIR.into_iter().filter(|party| self.parts[party.index()].is_some()).collect()
    }

    /// The part of a party that has one.
    pub(super) fn of(&self, party: PartyId) -> Option<&Block> {
        self.parts[party.index()].as_ref()
    }

    /// A party's copy of what the third told, if it did.
    ///
    /// # Panics
    /// Where it told less than all bits: whoever multiplies has to have asked for them.
    pub(super) fn told(&self, party: PartyId) -> Option<Block> {
        self.told.map(|told| {
            assert!(!told.is_packed, "all bits of the third party's part are told");
            told.copies[party.index()]
        })
    }
}

/// Which opening of a tile: who learns it, whose parts are masked, and modulo which power of two.
pub(super) type OpenedKey = (Tile, Parties, Parties, u32);

/// A tile under a mask, opened.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    /// The mask, unless nothing needed hiding, and its parts.
    pub(super) mask: Option<EntryId>,
    pub(super) masks: [Option<Block>; 2],
    /// The masked tile, at those who learnt it; of what was opened modulo 2^w the low w bits count.
    pub(super) sum: [Option<Block>; 2],
}

/// Which component of a value is whose part of its halves: each is in one of them.
fn half_of(holders: Parties) -> Option<PartyId> {
    holders.lowest().filter(|party| PAIR.contains(party))
}

impl Lowering<'_> {
    /// A tile as halves.
    pub(super) fn halves(&mut self, tile: Tile) -> Halves {
        if let Some(&halves) = self.halves.get(&tile) {
            return halves;
        }
        let halves = self.for_value(tile.value, |lowering| lowering.in_halves(tile));
        self.halves.insert(tile, halves);
        halves
    }

    fn in_halves(&mut self, tile: Tile) -> Halves {
        let parts = self.parts(tile);
        let mut halves = Halves { parts: PAIR.map(|party| self.half(&parts, party)), told: None };
        if let Some(rest) = parts.own(THIRD) {
            let width = self.widths.halves(tile.value, rest.shape.len());
            self.tell(&mut halves, rest, width);
        }
        halves
    }

    /// The sum of the components that are one party's half.
    fn half(&mut self, parts: &Parts, party: PartyId) -> Option<Block> {
        let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
            whose == party && half_of(holders) == Some(party)
        };
        let terms = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
        self.total_at(party, MemoryClass::Shares, terms)
    }

    /// The third party's part, under masks, becomes something that both know, modulo 2^width.
    fn tell(&mut self, halves: &mut Halves, rest: Block, width: u32) {
        let (shape, class) = (rest.shape, MemoryClass::Openings);
        let mut told = rest;
        for party in PAIR {
            let [own, third] = self.common(party, THIRD, shape, MemoryClass::Correlations);
            told = self.combine(THIRD, shape, class, vec![(1, told), (1, third)], 0);
            let part = halves.of(party).map(|&part| (1, part));
            let terms = part.into_iter().chain([(u64::MAX, own)]).collect();
            halves.parts[party.index()] = Some(self.combine(party, shape, MemoryClass::Shares, terms, 0));
        }
        let is_packed = self.is_packed(width);
        if is_packed {
            told = self.pack(THIRD, told, width);
        }
        let content = Content::Told { width };
        let copies = PAIR.map(|party| self.transfer(told, THIRD, party, content, class));
        halves.told = Some(Told { copies, width, is_packed });
    }

    fn is_packed(&self, width: u32) -> bool {
        width < self.program.ring().bits()
    }

    /// The low bits of a party's matrix.
    fn pack(&mut self, party: PartyId, operand: Block, width: u32) -> Block {
        let shape = packed(self.program.ring(), width, operand.shape.len());
        let out = self.buffer(party, shape, MemoryClass::Openings);
        self.push(party, Action::Kernel(Kernel::Pack { out, operand, width }));
        out
    }

    /// Opens a tile to `learners`, hiding the parts of `masked`; once, however often it is asked for.
    pub(super) fn open_masked(&mut self, tile: Tile, learners: Parties, masked: Parties) -> Opened {
        self.open_modulo((tile, learners, masked, self.program.ring().bits()))
    }

    /// Opens a tile that is compared to parties 0 and 1: no more of its bits than are needed.
    pub(super) fn open_compared(&mut self, tile: Tile) -> Opened {
        let both = Parties::first(2);
        let width = self.widths.opened(tile.value, self.grid(tile.value).shape(tile.at).len());
        self.open_modulo((tile, both, both, width))
    }

    fn open_modulo(&mut self, key: OpenedKey) -> Opened {
        if let Some(&opened) = self.opened.get(&key) {
            return opened;
        }
        let opened = self.for_value(key.0.value, |lowering| lowering.open_tile(key));
        self.opened.insert(key, opened);
        opened
    }

    fn open_tile(&mut self, (tile, learners, masked, width): OpenedKey) -> Opened {
        let value = self.halves(tile);
        let mut opened = Opened { mask: None, masks: [None; 2], sum: [None; 2] };
        if !masked.is_empty() {
            let spec = MaskSpec { shape: self.grid(tile.value).shape(tile.at), parts: masked };
            let delivery = self.demand(Correlation::Mask(spec));
            opened.mask = Some(delivery.entry);
            opened.masks = PAIR.map(|party| spec.acquire(&mut self.lists[party.index()], delivery, party));
        }
        if !learners.is_empty() {
            let hidden = PAIR.map(|party| {
                let part = *value.of(party)?;
                let Some(mask) = opened.masks[party.index()] else { return Some(part) };
                let terms = vec![(1, part), (u64::MAX, mask)];
                Some(self.combine(party, part.shape, MemoryClass::Openings, terms, 0))
            });
            opened.sum = match hidden {
                [Some(first), Some(second)] if self.is_packed(width) => {
                    self.open_to_both([first, second], value.told, width).map(Some)
                }
                _ => self.open(Halves { parts: hidden, ..value }, learners),
            };
        }
        opened
    }

    /// Sends each part to the learner who does not have it; returns the sum, at the learners.
    fn open(&mut self, value: Halves, learners: Parties) -> [Option<Block>; 2] {
        let (content, class) = (Content::Masked { width: self.program.ring().bits() }, MemoryClass::Openings);
        PAIR.map(|learner| {
            if !learners.contains(learner) {
                return None;
            }
            let other = PAIR[1 - learner.index()];
            let received = value.of(other).map(|&part| self.transfer(part, other, learner, content, class));
            let told = value.told(learner);
            let terms = value.of(learner).copied().into_iter().chain(received).chain(told);
            self.total_at(learner, class, terms.map(|term| (1, term)).collect())
        })
    }

    /// A value that both have a part of, opened to both modulo 2^width; where that is less than 2^k, `parts` become the
    /// sums.
    pub(super) fn open_to_both(&mut self, parts: [Block; 2], told: Option<Told>, width: u32) -> [Block; 2] {
        if !self.is_packed(width) {
            let opened = self.open(Halves { parts: parts.map(Some), told }, Parties::first(2));
            return opened.map(|sum| sum.expect("both learn it"));
        }
        let (content, class) = (Content::Masked { width }, MemoryClass::Openings);
        let sent = PAIR.map(|party| self.pack(party, parts[party.index()], width));
        PAIR.map(|party| {
            let (out, other) = (parts[party.index()], PAIR[1 - party.index()]);
            let received = self.transfer(sent[other.index()], other, party, content, class);
            self.add_packed(party, out, received, width);
            match told.map(|told| (told, told.copies[party.index()])) {
                None => out,
                Some((Told { width, is_packed: true, .. }, told)) => {
                    self.add_packed(party, out, told, width);
                    out
                }
                Some((_, told)) => self.combine(party, out.shape, class, vec![(1, out), (1, told)], 0),
            }
        })
    }

    fn add_packed(&mut self, party: PartyId, out: Block, operand: Block, width: u32) {
        self.push(party, Action::Kernel(Kernel::Unpack { out, operand, width, accumulate: true }));
    }

    /// A value of which parties 0 and 1 have a part each.
    pub(super) fn from_halves(parts: [Block; 2]) -> Parts {
        Sharing::new(|holders, party| {
            let is_half = holders == party.alone() && PAIR.contains(&party);
            is_half.then(|| parts[party.index()])
        })
    }
}

/// Whether a party adds what is public.
pub(super) fn is_leader(party: PartyId) -> bool {
    party == PAIR[0]
}
