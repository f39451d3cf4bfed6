//! Products by lattices, as [`crate::lattice`] states them. Names are those of [`super`].
//!
//! **Steps**, for each piece of a product of one party's factor by the other's: 1. The holder of the key sends its factor,
//! encrypted. 2. The other answers with the encrypted product less its share, which is uniform. Either party may hold the key:
//! whoever has the factor that is cheaper to encrypt. Where party 0 answers last, its share is what its part of the
//! correlation lacks: then party 1's sum is its correction, and nothing needs to be told. Elementwise products are of
//! vectors with all terms of both crossings one behind the other, and party 1 holds the key.
//!
//! **Bytes and rounds.** Those of [`crate::lattice::Layout::cost`], two messages for each piece.

use super::choice::{Crossing, crossing_terms, pieces};
use super::lattices::{KeyEnd, KeyName, of_lattices, receive_whole, send_whole};
use super::product::broadcast;
use super::{DRAWS, Elements, End, EntryId, IS_SENT, Own, PairChannel};
use crate::correlation::ProductSpec;
use crate::lattice::{Answer, Cost, MessageKind, Query, Uses, VectorAnswer, VectorQuery};
use crate::ring::{Element, Ring, Shape};
use crate::share::PartyId;
use bytemuck::cast_slice_mut;
use zeroize::{Zeroize, Zeroizing};

/// Where an evaluator's share of a product goes.
#[derive(Clone, Copy)]
struct Settled<'a> {
    /// Party 0's part of the correlation.
    share: &'a [u64],
    /// Whether this product is the last that party 0 answers.
    is_last: bool,
}

impl End<'_> {
    /// Adds shares of the products of both parties' left factors by the other's right ones. `share` is party 0's part of the
    /// correlation; whether its sums are that part already.
    pub(super) fn multiply_matrices<C: PairChannel>(
        &mut self,
        spec: &ProductSpec,
        crossings: &[Crossing],
        (share, sums): (&[u64], &mut [u64]),
        channel: &mut C,
    ) -> Result<bool, C::Error> {
        let is_settled = crossings.last().is_some_and(|crossing| crossing.holder() == IS_SENT);
        for (index, crossing) in crossings.iter().enumerate() {
            let settled = Settled { share, is_last: is_settled && index + 1 == crossings.len() };
            match self.ring() {
                Ring::Z32 => self.cross::<u32, C>(spec, crossing, (settled, sums), channel)?,
                Ring::Z64 => self.cross::<u64, C>(spec, crossing, (settled, sums), channel)?,
            }
        }
        Ok(is_settled)
    }

    fn cross<E: Element + Zeroize, C: PairChannel>(
        &mut self,
        spec: &ProductSpec,
        crossing: &Crossing,
        (settled, sums): (Settled<'_>, &mut [u64]),
        channel: &mut C,
    ) -> Result<(), C::Error> {
        let terms = crossing_terms(self.demand, spec, crossing.left);
        let (uses, holder) = (self.choice.uses, crossing.holder());
        let name = KeyName { ring: E::RING, uses, holder };
        let parameters = self.lattices.parameters(E::RING, uses);
        let inner: usize = terms.iter().map(|&(left, _)| self.shape_of(left).cols).sum();
        let is_left = self.is(crossing.left);
        let factor = self.factor::<E>(&terms, is_left, spec.shape, inner);
        for piece in &crossing.cut.pieces {
            let layout = &piece.layout;
            let cost = layout.cost(&parameters);
            self.count_product(holder, &cost);
            if matches!(self.own, Own::Nobody) {
                continue;
            }
            let (rows, cols, width) = match is_left {
                true => (piece.rows.clone(), piece.inner.clone(), inner),
                false => (piece.inner.clone(), piece.cols.clone(), spec.shape.cols),
            };
            let block = rows.flat_map(|row| &factor[row * width..][cols.clone()]).copied();
            let block: Zeroizing<Vec<E>> = Zeroizing::new(block.collect());
            let places = || {
                let width = spec.shape.cols;
                piece.rows.clone().flat_map(move |row| piece.cols.clone().map(move |col| row * width + col))
            };
            debug_assert_eq!(layout.held(), crossing.cut.held);
            if self.is(holder) {
                let KeyEnd::Holder(key) = self.lattices.key(name) else {
                    unreachable!("the holder's own key")
                };
                let query = of_lattices::<_, C>(key.query(layout, &block))?;
                send_whole(&query.to_bytes(), channel)?;
                let answer = receive_whole(MessageKind::Answer, cost.answer_bytes, channel)?;
                let answer = Answer::from_bytes(&parameters, layout, &answer);
                let opened = answer.and_then(|answer| key.open::<E>(&answer)).map(Zeroizing::new);
                add(sums, places(), &of_lattices::<_, C>(opened)?);
            } else {
                let query = receive_whole(MessageKind::Query, cost.query_bytes, channel)?;
                let query = of_lattices::<_, C>(Query::from_bytes(&parameters, layout, &query))?;
                let is_last = settled.is_last && piece.inner.end == inner;
                let share = self.shares::<E>(places(), sums, is_last.then_some(settled.share));
                let KeyEnd::Evaluator(key) = self.lattices.key(name) else { unreachable!("the peer's key") };
                let answer = of_lattices::<_, C>(key.answer_for(&query, &block, &share))?;
                send_whole(&answer.to_bytes(), channel)?;
            }
        }
        Ok(())
    }

    /// All terms' left factors beside each other, or their right ones below each other: this party's parts of them.
    fn factor<E: Element + Zeroize>(
        &self,
        terms: &[(EntryId, EntryId)],
        is_left: bool,
        product: Shape,
        inner: usize,
    ) -> Zeroizing<Vec<E>> {
        if matches!(self.own, Own::Nobody) {
            return Zeroizing::default();
        }
        let mut factor =
            Zeroizing::new(Vec::with_capacity(inner * if is_left { product.rows } else { product.cols }));
        let convert = |value: &u64| E::from_u64(*value);
        if is_left {
            let parts: Vec<(usize, Elements)> =
                terms.iter().map(|&(left, _)| (self.shape_of(left).cols, self.mask(left))).collect();
            for row in 0..product.rows {
                for (cols, part) in &parts {
                    factor.extend(part[row * cols..][..*cols].iter().map(convert));
                }
            }
        } else {
            terms.iter().for_each(|&(_, right)| factor.extend(self.mask(right).iter().map(convert)));
        }
        factor
    }

    /// Fresh shares of an evaluator, which are added to its sums; or those by which its sums become `all`.
    fn shares<E: Element + Zeroize>(
        &mut self,
        places: impl Iterator<Item = usize>,
        sums: &mut [u64],
        all: Option<&[u64]>,
    ) -> Zeroizing<Vec<E>> {
        let places: Vec<usize> = places.collect();
        let mut words = Zeroizing::new(vec![0u64; places.len()]);
        if all.is_none() {
            self.random.fill(cast_slice_mut(&mut words[..]));
        }
        for (&place, word) in places.iter().zip(words.iter_mut()) {
            if let Some(all) = all {
                *word = all[place].wrapping_sub(sums[place]);
            }
            sums[place] = E::RING.reduce(sums[place].wrapping_add(*word));
        }
        Zeroizing::new(words.iter().map(|&word| E::from_u64(word)).collect())
    }

    /// Adds shares of an elementwise product, by which party 0's sums become its part of the correlation.
    pub(super) fn multiply_vectors<C: PairChannel>(
        &mut self,
        spec: &ProductSpec,
        (share, sums): (&[u64], &mut [u64]),
        channel: &mut C,
    ) -> Result<(), C::Error> {
        match self.ring() {
            Ring::Z32 => self.vectors::<u32, C>(spec, (share, sums), channel),
            Ring::Z64 => self.vectors::<u64, C>(spec, (share, sums), channel),
        }
    }

    fn vectors<E: Element + Zeroize, C: PairChannel>(
        &mut self,
        spec: &ProductSpec,
        (share, sums): (&[u64], &mut [u64]),
        channel: &mut C,
    ) -> Result<(), C::Error> {
        let (factors, len) = (self.summands(spec), spec.shape.len());
        let all = factors.len() * len;
        let vectors = self.lattices.vectors(E::RING);
        let name = KeyName { ring: Ring::Z64, uses: Uses::Few, holder: IS_SENT };
        let parts: Vec<Elements> = if matches!(self.own, Own::Nobody) {
            Vec::new()
        } else {
            factors.iter().map(|&factor| self.mask(factor)).collect()
        };
        let element = |index: usize| {
            let (summand, at) = (index / len, index % len);
            let place =
                broadcast(self.shape_of(factors[summand]), (at / spec.shape.cols, at % spec.shape.cols));
            E::from_u64(parts[summand][place])
        };
        let own: Zeroizing<Vec<E>> =
            Zeroizing::new(if parts.is_empty() { Vec::new() } else { (0..all).map(element).collect() });
        for piece in pieces(all, self.lattices.at_once().1) {
            let cost = vectors.cost(piece.len());
            self.count_product(IS_SENT, &cost);
            let places = piece.clone().map(|index| index % len);
            match self.own {
                Own::Second { .. } => {
                    let KeyEnd::Holder(key) = self.lattices.key(name) else {
                        unreachable!("party 1's own key")
                    };
                    let query = of_lattices::<_, C>(key.query_vector(&vectors, &own[piece.clone()]))?;
                    send_whole(&query.to_bytes(), channel)?;
                    let answer = receive_whole(MessageKind::VectorAnswer, cost.answer_bytes, channel)?;
                    let answer = VectorAnswer::from_bytes(&vectors, piece.len(), &answer);
                    let opened = answer.and_then(|answer| key.open_vector::<E>(&vectors, &answer));
                    add(sums, places, &of_lattices::<_, C>(opened.map(Zeroizing::new))?);
                }
                Own::First { .. } => {
                    let query = receive_whole(MessageKind::VectorQuery, cost.query_bytes, channel)?;
                    let query = VectorQuery::from_bytes(&vectors, piece.len(), &query);
                    let query = of_lattices::<_, C>(query)?;
                    // Of the last summand the shares fix what all come to.
                    let last = (all - len).clamp(piece.start, piece.end);
                    let mut shares =
                        self.shares::<E>((piece.start..last).map(|index| index % len), sums, None);
                    let rest = (last..piece.end).map(|index| index % len);
                    shares.extend(self.shares::<E>(rest, sums, Some(share)).iter());
                    let KeyEnd::Evaluator(key) = self.lattices.key(name) else {
                        unreachable!("party 1's key")
                    };
                    let answer = key.answer_vector_for(&vectors, &query, &own[piece.clone()], &shares);
                    send_whole(&of_lattices::<_, C>(answer)?.to_bytes(), channel)?;
                }
                Own::Nobody => {}
            }
        }
        Ok(())
    }

    /// The masks whose parts meet, term by term, of both crossings: this party's ones.
    fn summands(&self, spec: &ProductSpec) -> Vec<EntryId> {
        let of_second = |(left, terms): (PartyId, Vec<(EntryId, EntryId)>)| {
            // Party 0's factor where it has the left one, and so on.
            let is_left = self.is(left) || (matches!(self.own, Own::Nobody) && left == DRAWS);
            terms.into_iter().map(move |(a, b)| if is_left { a } else { b }).collect::<Vec<_>>()
        };
        let crossing = |left| (left, crossing_terms(self.demand, spec, left));
        [IS_SENT, DRAWS].map(crossing).into_iter().flat_map(of_second).collect()
    }

    /// Counts a product, of which this party holds the key.
    fn count_product(&mut self, holder: PartyId, cost: &Cost) {
        self.price.butterflies += cost.butterflies;
        self.price.multiply_adds += cost.multiply_adds;
        self.count_message(holder, cost.query_bytes);
        self.count_message(super::choice::other(holder), cost.answer_bytes);
    }

    /// Counts a message from a party.
    pub(super) fn count_message(&mut self, from: PartyId, bytes: usize) {
        let of_party = if from == DRAWS { &mut self.price.first_bytes } else { &mut self.price.second_bytes };
        *of_party += bytes as u64;
        self.price.messages += 1;
    }
}

/// Adds what was opened.
fn add<E: Element + Zeroize>(sums: &mut [u64], places: impl Iterator<Item = usize>, opened: &[E]) {
    for (place, opened) in places.zip(opened) {
        sums[place] = E::RING.reduce(sums[place].wrapping_add(opened.to_u64()));
    }
}
