//! Every correlation that two parties make is opened, and held against its definition.

mod lattices;
mod ole;

use super::lattices::Small;
use super::*;
use crate::correlation::{
    BitProductSpec, BitSpec, CarrySpec, MonomialsSpec, Product, ProductSpec, TableSpec, TransferSpec,
    TruncPairSpec,
};
use crate::share::Parties;
use crate::step::bits::{Level, digits, planes, table_planes};
use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

/// A change of a message.
type Change = fn(&mut Vec<u8>);

/// The number of a message, and what is done to it.
type Alter = Option<(usize, Change)>;

/// A peer that has gone.
const BROKEN: PairError = PairError::Transfer(OtError::Exhausted { wanted: 0, left: 0 });

/// One end of a channel in memory.
struct Wire {
    to: mpsc::Sender<Vec<u8>>,
    from: mpsc::Receiver<Vec<u8>>,
    bytes: u64,
    hasher: blake3::Hasher,
    /// Alters the message with this number.
    alter: Alter,
    sent: usize,
}

impl Channel for Wire {
    type Error = PairError;

    fn send(&mut self, mut message: Vec<u8>) -> Result<(), PairError> {
        self.bytes += message.len() as u64;
        self.hasher.update(&(message.len() as u64).to_le_bytes()).update(&message);
        if let Some((_, alter)) = self.alter.filter(|&(number, _)| number == self.sent) {
            alter(&mut message);
        }
        self.sent += 1;
        self.to.send(message).map_err(|_| BROKEN)
    }

    fn receive(&mut self, _: usize) -> Result<Vec<u8>, PairError> {
        let message = self.from.recv_timeout(Duration::from_secs(120));
        message.map_err(|_| BROKEN)
    }
}

#[derive(Default)]
struct Corrected(HashMap<u32, Vec<u8>>);

impl Corrections for Corrected {
    fn take(&mut self, message: MessageId, bytes: Zeroizing<Vec<u8>>) {
        assert!(self.0.insert(message.0, bytes.to_vec()).is_none(), "a correction comes once");
    }
}

/// What two parties have made.
struct Made<'a> {
    demand: &'a Demand,
    /// By entry, the number of the run whose keys drew it.
    run_of: Box<dyn Fn(EntryId) -> usize>,
    corrections: HashMap<u32, Vec<u8>>,
    /// What party 0 is sent: its parts of what is delivered.
    of_first: HashMap<u32, Vec<u8>>,
}

/// Runs of one demand.
#[derive(Clone)]
struct Setting {
    /// Lattices that hide nothing, and are taken where they have fewer bytes.
    small: Option<Small>,
    turns: Vec<Turn>,
    may_run_again: bool,
    /// What lattices have told before.
    told: f64,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting { small: None, turns: vec![first_turn()], may_run_again: false, told: 0.0 }
    }
}

impl Setting {
    fn lattices(&self) -> Lattices {
        self.small.map_or_else(Lattices::default, Lattices::insecure).having_told(self.told)
    }
}

/// What a party has of a run: the bytes that it has sent, a hash of all so far, and its corrections.
type Ended = (u64, String, HashMap<u32, Vec<u8>>);

fn runs(demand: &Demand, setting: &Setting, alter: [Alter; 2]) -> [Result<Vec<Ended>, PairError>; 2] {
    demand.check().expect("a demand that is well formed");
    let ((to_second, from_first), (to_first, from_second)) = (mpsc::channel(), mpsc::channel());
    let ends = [(to_second, from_second), (to_first, from_first)];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0u8..)
            .zip(ends)
            .zip(alter)
            .map(|((party, (to, from)), alter)| {
                scope.spawn(move || {
                    let mut wire = Wire { to, from, bytes: 0, hasher: blake3::Hasher::new(), alter, sent: 0 };
                    let (mut lattices, mut kept) = (setting.lattices(), Kept::default());
                    let choice = &Choice::new(demand, setting.may_run_again, &lattices);
                    let mut ended = Vec::new();
                    for (run, turn) in setting.turns.iter().enumerate() {
                        let random = Random::from_key(PrgKey::from_bytes([40 + party + 2 * run as u8; 32]));
                        let mut corrections = Corrected::default();
                        let (session, key) = (SessionId([5 + run as u8; 32]), key(party, run));
                        let party = PartyId(party);
                        let making = Making { demand, choice, turn, party, session, key: &key };
                        let state = (&mut lattices, &mut kept);
                        make(making, state, random, &mut wire, &mut corrections)?;
                        let hash = wire.hasher.finalize().to_hex()[..16].to_owned();
                        ended.push((std::mem::take(&mut wire.bytes), hash, corrections.0));
                    }
                    Ok(ended)
                })
            })
            .collect();
        let mut ended = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        [(); 2].map(|()| ended.next().expect("two parties"))
    })
}

fn run(demand: &Demand, alter: [Alter; 2]) -> [Result<Vec<Ended>, PairError>; 2] {
    runs(demand, &Setting::default(), alter)
}

fn key(party: u8, run: usize) -> PrgKey {
    PrgKey::from_bytes([20 + party + 2 * run as u8; 32])
}

fn made(demand: &Demand) -> Made<'_> {
    made_in(demand, &Setting::default()).remove(0)
}

fn made_in<'a>(demand: &'a Demand, setting: &Setting) -> Vec<Made<'a>> {
    let [first, second] = runs(demand, setting, [None, None]).map(|ended| ended.expect("honest parties"));
    let lattices = setting.lattices();
    let choice = Choice::new(demand, setting.may_run_again, &lattices);
    let mut pricer = Pricer { demand, choice, lattices };
    let run = |((run, turn), (first, second)): ((usize, &Turn), (Ended, Ended))| {
        // Where a batch of transfers ends in the midst of a step, the choices of both parts take whole bytes.
        let (sent, priced) = (first.0 + second.0, pricer.run(turn).bytes());
        assert!((priced..priced + 4).contains(&sent), "{sent} bytes, and {priced} as the price says");
        let bytes: usize = first.2.values().chain(second.2.values()).map(Vec::len).sum();
        let due = demand.of_turn(turn).correction_bytes();
        assert_eq!(bytes as u64, due, "as many corrections as a dealer's");
        let once = demand.once.clone();
        let run_of = move |entry| if once.contains(&entry) { 0 } else { run };
        Made { demand, run_of: Box::new(run_of), corrections: second.2, of_first: first.2 }
    };
    setting.turns.iter().enumerate().zip(first.into_iter().zip(second)).map(run).collect()
}

impl Made<'_> {
    fn draw(&self, party: usize, entry: EntryId, part: Part, shape: Shape) -> Vec<u64> {
        let mut bytes = vec![0; shape.len() * self.demand.ring.element_bytes()];
        let key = key(party as u8, (self.run_of)(entry));
        key.fill(u64::from(entry.0) * STREAMS + part as u64, 0, &mut bytes);
        elements(self.demand.ring, &bytes).to_vec()
    }

    /// A mask.
    fn mask(&self, entry: EntryId) -> Vec<u64> {
        let (shape, part, parties) = match &self.demand.entries[entry.0 as usize] {
            Correlation::Mask(spec) => (spec.shape, Part::Mask, spec.parts),
            Correlation::TruncPair(spec) => (spec.shape, Part::TruncMask, Parties::first(2)),
            _ => unreachable!("no mask"),
        };
        let parts = parties.iter().map(|party| self.draw(party.index(), entry, part, shape));
        parts.fold(vec![0; shape.len()], |sum, part| self.add(&sum, &part))
    }

    fn add(&self, left: &[u64], right: &[u64]) -> Vec<u64> {
        let sum = |(left, right): (&u64, &u64)| self.demand.ring.reduce(left.wrapping_add(*right));
        left.iter().zip(right).map(sum).collect()
    }

    /// A correction's bytes; none where there is none of this number.
    fn sent(&self, entry: EntryId, number: u32) -> Option<&Vec<u8>> {
        self.corrections.get(&(crate::correlation::CORRECTIONS * entry.0 + number))
    }

    fn correction(&self, entry: EntryId, number: u32) -> Vec<u64> {
        elements(self.demand.ring, self.sent(entry, number).expect("a correction")).to_vec()
    }

    /// Both shares of a dependent part of elements, added up.
    fn opened(&self, entry: EntryId, part: Part, number: u32, shape: Shape) -> Vec<u64> {
        self.add(&self.draw(0, entry, part, shape), &self.correction(entry, number))
    }

    /// The same where only so many low bits are right.
    fn opened_low(&self, entry: EntryId, part: Part, number: u32, (shape, width): (Shape, u32)) -> Vec<u64> {
        let correction = match narrower(self.demand.ring, width, shape) {
            None => self.correction(entry, number),
            Some(_) => {
                let mut unpacker = lookup::Unpacker::new(self.sent(entry, number).expect("a correction"));
                (0..shape.len()).map(|_| unpacker.next(width)).collect()
            }
        };
        let sums = self.add(&self.draw(0, entry, part, shape), &correction);
        sums.into_iter().map(|sum| lookup::low(sum, width)).collect()
    }

    /// Both shares of planes, added up.
    fn opened_planes(&self, entry: EntryId, shape: Shape) -> Vec<u64> {
        let share = self.draw(0, entry, Part::Product, shape);
        share.iter().zip(self.correction(entry, 0)).map(|(share, correction)| share ^ correction).collect()
    }

    /// A delivered part, as planes.
    fn delivered(&self, party: usize, entry: EntryId, number: u32) -> Vec<u64> {
        let of_party = [&self.of_first, &self.corrections][party];
        elements(self.demand.ring, &of_party[&(crate::correlation::CORRECTIONS * entry.0 + number)]).to_vec()
    }

    /// Both delivered parts, added up.
    fn both_delivered(&self, entry: EntryId, number: u32) -> Vec<u64> {
        let [first, second] = [0, 1].map(|party| self.delivered(party, entry, number));
        first.iter().zip(second).map(|(first, second)| first ^ second).collect()
    }

    /// The masks of bits: both parts, added up.
    fn bits(&self, entry: EntryId, shape: Shape) -> Vec<u64> {
        let [first, second] = [0, 1].map(|party| self.draw(party, entry, Part::Mask, shape));
        first.iter().zip(second).map(|(first, second)| first ^ second).collect()
    }
}

fn mask(demand: &mut Demand, shape: Shape, parties: &[u8]) -> EntryId {
    let parts = parties.iter().map(|&party| PartyId(party)).collect();
    demand.push(Correlation::Mask(MaskSpec { shape, parts }))
}

/// A demand of products of two terms each, of every kind of holder.
fn products(ring: Ring, shapes: &[(Product, Shape, Shape)]) -> (Demand, Vec<(EntryId, ProductSpec)>) {
    let mut demand = Demand::new(ring);
    let mut products = Vec::new();
    for &(product, left, right) in shapes {
        for (of_left, of_right) in
            [(&[0, 1][..], &[0, 1][..]), (&[0], &[1]), (&[1], &[0]), (&[0, 1], &[1]), (&[1], &[1])]
        {
            let shape = product.shape(left, right).expect("shapes that fit");
            let terms: Vec<_> = (0..2)
                .map(|_| (mask(&mut demand, left, of_left), mask(&mut demand, right, of_right)))
                .collect();
            let spec = ProductSpec { product, shape, terms };
            products.push((demand.push(Correlation::Product(spec.clone())), spec));
        }
    }
    (demand, products)
}

impl Made<'_> {
    /// Opens a product, and holds it against those of its masks.
    fn check_product(&self, entry: EntryId, spec: &ProductSpec) {
        let ring = self.demand.ring;
        let mut expected = vec![0u64; spec.shape.len()];
        let shape_of = |entry: EntryId| self.demand.entries[entry.0 as usize].shape(ring);
        for &(left, right) in &spec.terms {
            let (a, b) = (self.mask(left), self.mask(right));
            let (left, right) = (shape_of(left), shape_of(right));
            for (index, sum) in expected.iter_mut().enumerate() {
                let (row, col) = (index / spec.shape.cols, index % spec.shape.cols);
                let inner = if spec.product == Product::Matrix { left.cols } else { 1 };
                for k in 0..inner {
                    let at = |shape: Shape, row: usize, col: usize| {
                        (row % shape.rows) * shape.cols + col % shape.cols
                    };
                    let places = match spec.product {
                        Product::Matrix => [row * left.cols + k, k * right.cols + col],
                        Product::Elementwise => [at(left, row, col), at(right, row, col)],
                    };
                    *sum = sum.wrapping_add(a[places[0]].wrapping_mul(b[places[1]]));
                }
            }
        }
        let expected: Vec<u64> = expected.into_iter().map(|sum| ring.reduce(sum)).collect();
        assert_eq!(self.opened(entry, Part::Product, 0, spec.shape), expected, "{spec:?}");
    }
}

#[test]
fn products_of_every_shape_and_every_holder_add_up() {
    use Product::{Elementwise, Matrix};
    let shape = Shape::new;
    let shapes = [
        (Matrix, shape(3, 4), shape(4, 2)),
        (Matrix, shape(1, 5), shape(5, 1)),
        (Matrix, shape(2, 0), shape(0, 3)),
        (Elementwise, shape(3, 4), shape(3, 4)),
        (Elementwise, shape(1, 4), shape(3, 4)),
        (Elementwise, shape(3, 1), shape(3, 4)),
        (Elementwise, shape(3, 1), shape(1, 4)),
        (Elementwise, shape(1, 1), shape(3, 4)),
        (Elementwise, shape(3, 4), shape(1, 1)),
    ];
    for ring in Ring::ALL {
        let (demand, products) = products(ring, &shapes);
        let made = made(&demand);
        products.iter().for_each(|(entry, spec)| made.check_product(*entry, spec));
    }
}

#[test]
fn matrices_without_elements_take_no_transfers_and_have_their_corrections() {
    let mut demand = Demand::new(Ring::Z64);
    for (left, right) in [((2, 0), (0, 3)), ((0, 4), (4, 2))] {
        let [left, right] = [left, right].map(|(rows, cols)| Shape::new(rows, cols));
        let shape = Product::Matrix.shape(left, right).expect("shapes that fit");
        let terms = vec![(mask(&mut demand, left, &[0]), mask(&mut demand, right, &[1]))];
        demand.push(Correlation::Product(ProductSpec { product: Product::Matrix, shape, terms }));
    }
    assert_eq!(Pricer::new(&demand, false).run(&first_turn()).transfers, 0);
    let made = made(&demand);
    let opened = made.opened(EntryId(2), Part::Product, 0, Shape::new(2, 3));
    assert_eq!(opened, [0; 6], "a sum of nothing");
    assert!(made.correction(EntryId(5), 0).is_empty(), "an empty correction is one");
}

#[test]
fn truncation_pairs_have_the_top_and_middle_bits_of_their_masks() {
    for ring in Ring::ALL {
        let k = ring.bits();
        let mut demand = Demand::new(ring);
        let shape = Shape::new(7, 11);
        let specs: Vec<_> = [(1, 3), (1, k), (k - 2, k), (16, k), (13, 24), (4, 10), (8, 31)]
            .into_iter()
            .map(|(bits, width)| TruncPairSpec { shape, bits, width })
            .map(|spec| (demand.push(Correlation::TruncPair(spec)), spec))
            .collect();
        let made = made(&demand);
        for (entry, spec) in specs {
            let r = made.mask(entry);
            let top_bits = k + 1 + spec.bits - spec.width;
            let tops = made.opened_low(entry, Part::Top, 0, (shape, top_bits.min(k)));
            let highs = made.opened(entry, Part::High, 1, shape);
            for index in 0..shape.len() {
                assert_eq!(
                    tops[index],
                    r[index] >> (spec.width - 1) & 1,
                    "the top bit of {} for {spec:?}",
                    r[index]
                );
                let middle = lookup::low(r[index], spec.width - 1) >> spec.bits;
                assert_eq!(highs[index], middle, "the middle bits of {} for {spec:?}", r[index]);
            }
        }
    }
}

#[test]
fn tables_have_the_digits_of_their_masks() {
    for ring in Ring::ALL {
        let k = ring.bits();
        let shape = Shape::new(1, 70);
        let mut demand = Demand::new(ring);
        let masks = [
            mask(&mut demand, shape, &[0, 1]),
            mask(&mut demand, shape, &[0]),
            mask(&mut demand, shape, &[1]),
            demand.push(Correlation::TruncPair(TruncPairSpec { shape, bits: 5, width: k })),
        ];
        let mut tables = Vec::new();
        for mask in masks {
            for (bits, top) in [(k - 1, true), (k, false), (1, true), (4, false), (5, true), (16, false)] {
                let spec = TableSpec { mask, shape, bits, top };
                tables.push((demand.push(Correlation::Table(spec)), spec));
            }
        }
        let made = made(&demand);
        for (entry, spec) in tables {
            let r = made.mask(spec.mask);
            let of = planes(ring, table_planes(spec.bits, spec.top), shape.len());
            let opened = made.opened_planes(entry, of);
            for (index, r) in r.iter().enumerate() {
                let mut row = 0;
                for digit in 0..digits(spec.bits) {
                    let size = (spec.bits - 4 * digit).min(4);
                    let value = lookup::low(r >> (4 * digit), size);
                    for least in 1..1u64 << size {
                        let bit = plane_bit(&opened, of.cols, row, index);
                        assert_eq!(
                            bit,
                            u64::from(value >= least),
                            "[digit {digit} of {r:x} >= {least}], {spec:?}"
                        );
                        row += 1;
                    }
                }
                if spec.top {
                    assert_eq!(
                        plane_bit(&opened, of.cols, row, index),
                        r >> spec.bits & 1,
                        "the bit behind them"
                    );
                }
            }
        }
    }
}

#[test]
fn monomials_are_the_products_of_their_masks() {
    for ring in Ring::ALL {
        let count = 67;
        let mut demand = Demand::new(ring);
        let mut specs = Vec::new();
        for digits in [2, 3, 4, 5, 8, 9, 16, 63, 64] {
            for order in [true, false] {
                let few = (digits <= 16).then(|| Level::new(digits, order));
                for level in few.into_iter().chain([Level::pairwise(digits, order)]) {
                    let spec = MonomialsSpec { level, elements: count };
                    specs.push((demand.push(Correlation::Monomials(spec)), spec));
                }
            }
        }
        let made = made(&demand);
        for (entry, spec) in specs {
            let (level, shape) = (spec.level, spec.planes(ring));
            let (masks, opened) = if spec.is_delivered() {
                (made.both_delivered(entry, 0), made.both_delivered(entry, 1))
            } else {
                (made.bits(entry, planes(ring, level.factors(), count)), made.opened_planes(entry, shape))
            };
            for element in 0..count {
                let mask = |plane: u32| plane_bit(&masks, shape.cols, plane as usize, element);
                let mut row = 0;
                let mut expect = |product: u64| {
                    let found = plane_bit(&opened, shape.cols, row, element);
                    assert_eq!(found, product, "row {row} of {level:?}, element {element}");
                    row += 1;
                };
                for group in 0..level.groups() {
                    let (first, eq) = (group * level.fan_in, level.eq_factors(group));
                    let of_subset = |subset: u32| {
                        (0..eq)
                            .filter(|factor| subset >> factor & 1 == 1)
                            .map(|factor| mask(first + factor))
                            .product::<u64>()
                    };
                    (1..1u32 << eq)
                        .filter(|subset| !subset.is_power_of_two())
                        .for_each(|s| expect(of_subset(s)));
                    for index in 1..if level.order { level.size(group) } else { 0 } {
                        let lt = mask(level.lt_plane(first + index));
                        (1..1u32 << index).for_each(|subset| expect(lt * of_subset(subset)));
                    }
                }
            }
        }
    }
}

#[test]
fn bits_their_products_and_carries_add_up() {
    for ring in Ring::ALL {
        let k = ring.bits();
        let shape = Shape::new(9, 8);
        let plane = planes(ring, 1, shape.len());
        let mut demand = Demand::new(ring);
        let bit = demand.push(Correlation::Bit(BitSpec { shape }));
        let masks = [&[0, 1][..], &[0], &[1]].map(|parties| mask(&mut demand, shape, parties));
        let products =
            masks.map(|mask| demand.push(Correlation::BitProduct(BitProductSpec { bit, mask, shape })));
        let carries: Vec<_> = [(16, k), (3, 20), (1, 3)]
            .into_iter()
            .map(|(bits, width)| CarrySpec { mask: masks[1], shape, bits, width })
            .map(|spec| (demand.push(Correlation::Carry(spec)), spec))
            .collect();
        let made = made(&demand);
        let rho = made.bits(bit, plane);
        let rho = |index| plane_bit(&rho, plane.cols, 0, index);
        let opened = made.opened(bit, Part::Product, 0, shape);
        assert!((0..shape.len()).all(|index| opened[index] == rho(index)), "shares of the bits");
        for (mask, product) in masks.into_iter().zip(products) {
            let (a, opened) = (made.mask(mask), made.opened(product, Part::Product, 0, shape));
            assert!(
                (0..shape.len()).all(|index| opened[index] == a[index] * rho(index)),
                "a product with {mask:?}"
            );
        }
        for (entry, spec) in carries {
            let width = k + spec.bits - spec.width;
            let (r, tau) = (made.mask(spec.mask), made.draw(1, entry, Part::Mask, plane));
            let opened = made.opened_low(entry, Part::Product, 0, (shape, width));
            for index in 0..shape.len() {
                let expected = plane_bit(&tau, plane.cols, 0, index) * (r[index] >> (spec.width - 1) & 1);
                assert_eq!(opened[index], expected, "{spec:?}");
            }
        }
    }
}

#[test]
fn random_transfers_give_all_words_of_one_choice() {
    for (ring, words) in [(Ring::Z32, 4), (Ring::Z64, 2)] {
        let shape = Shape::new(1, 300);
        let plane = planes(ring, 1, shape.len());
        let mut demand = Demand::new(ring);
        let entry = demand.push(Correlation::Transfer(TransferSpec { shape }));
        let mut price = Pricer::new(&demand, false);
        assert_eq!(price.run(&first_turn()).transfers, 300, "one transfer for each label");
        let made = made(&demand);
        let choices = made.draw(1, entry, Part::Mask, plane);
        let mut ones = 0;
        for word in 0..words {
            let stream = |number: u64| {
                let mut bytes = vec![0; shape.len() * ring.element_bytes()];
                key(0, 0).fill(u64::from(entry.0) * STREAMS + number, 0, &mut bytes);
                elements(ring, &bytes)
            };
            let (zeros, differences) = (stream(word), stream(words + word));
            let chosen = made.correction(entry, word as u32);
            for index in 0..shape.len() {
                let c = plane_bit(&choices, plane.cols, 0, index);
                let expected = ring.reduce(zeros[index].wrapping_add(c.wrapping_mul(differences[index])));
                assert_eq!(chosen[index], expected, "word {word} of transfer {index}, choice {c}");
                ones += c;
            }
        }
        assert!((1..300 * words).contains(&ones), "both choices occur");
    }
}

#[test]
fn corrections_look_random() {
    // Of a secret that is always the same: the bits of a carry whose mask's top bit nobody masks would show.
    let shape = Shape::new(64, 64);
    let mut demand = Demand::new(Ring::Z64);
    let left = mask(&mut demand, shape, &[0]);
    let right = mask(&mut demand, shape, &[1]);
    let terms = vec![(left, right)];
    demand.push(Correlation::Product(ProductSpec { product: Product::Elementwise, shape, terms }));
    let table = TableSpec { mask: left, shape, bits: 63, top: true };
    demand.push(Correlation::Table(table));
    let made = made(&demand);
    for (message, bytes) in &made.corrections {
        let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
        let bits = 8.0 * bytes.len() as f64;
        assert!(
            (2.0 * f64::from(ones) - bits).abs() < 6.0 * bits.sqrt(),
            "message {message}: {ones} of {bits}"
        );
    }
}

#[test]
fn what_a_peer_cuts_or_alters_is_refused_by_name() {
    let shape = Shape::new(5, 5);
    let mut demand = Demand::new(Ring::Z64);
    demand.push(Correlation::Bit(BitSpec { shape }));
    let other = mask(&mut demand, shape, &[0, 1]);
    let terms = vec![(other, other)];
    demand.push(Correlation::Product(ProductSpec { product: Product::Elementwise, shape, terms }));
    let cut: Change = |message| message.truncate(message.len() - 1);
    // Party 0 sends the base points, the challenge, a table, two vectors and a sum; party 1 its points, the corrections, the
    // answer, and choices.
    for (party, messages) in [(0, 6), (1, 6)] {
        for number in 0..messages {
            let mut alter = [None, None];
            alter[party] = Some((number, cut));
            let [first, second] = run(&demand, alter);
            let error = if party == 0 { second } else { first }.err();
            let named = matches!(error, Some(PairError::Transfer(OtError::Length { expected, found, .. })) if expected == found + 1);
            assert!(named, "message {number} of party {party}: {error:?}");
        }
    }
}
