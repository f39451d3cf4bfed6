//! Products by lattices: opened, held against their definition, priced, counted, and refused by name.

use super::*;
use crate::correlation::pair::choice::{Way, largest_distance};
use crate::lattice::{MessageKind, PRIVACY_BITS, Uses};
use Product::{Elementwise, Matrix};

fn small(may_run_again: bool) -> Setting {
    Setting { small: Some(Small::DEFAULT), may_run_again, ..Setting::default() }
}

fn shapes() -> [(Product, Shape, Shape); 5] {
    let shape = Shape::new;
    [
        (Matrix, shape(9, 16), shape(16, 7)),
        (Matrix, shape(40, 11), shape(11, 3)),
        (Matrix, shape(2, 33), shape(33, 30)),
        (Elementwise, shape(8, 60), shape(8, 60)),
        (Elementwise, shape(1, 60), shape(9, 60)),
    ]
}

#[test]
fn products_by_lattices_add_up_for_every_holder() {
    for ring in Ring::ALL {
        for may_run_again in [false, true] {
            let (demand, products) = products(ring, &shapes());
            let setting = small(may_run_again);
            let choice = Choice::new(&demand, may_run_again, &setting.lattices());
            let (matrices, vectors) = choice.by_lattices();
            // What one party has whole needs no other; over Z_2^32 transfers have fewer bytes for vectors.
            assert_eq!(matrices, 12, "{ring:?}");
            assert_eq!(vectors > 0, ring == Ring::Z64 && !may_run_again, "{ring:?}: {vectors} vectors");
            let made = made_in(&demand, &setting).remove(0);
            products.iter().for_each(|(entry, spec)| made.check_product(*entry, spec));
        }
    }
}

#[test]
fn products_that_are_cut_into_pieces_add_up() {
    let (demand, products) = products(Ring::Z64, &shapes());
    let small_pieces = Small { most_elements: 90, vector_piece: 77, ..Small::DEFAULT };
    let setting = Setting { small: Some(small_pieces), ..Setting::default() };
    let choice = Choice::new(&demand, false, &setting.lattices());
    let is_cut = |entry: &EntryId| match choice.way(*entry) {
        Way::Matrices(crossings) => crossings.iter().all(|crossing| crossing.cut.pieces.len() > 1),
        _ => false,
    };
    assert!(products.iter().any(|(entry, _)| is_cut(entry)), "pieces");
    let made = made_in(&demand, &setting).remove(0);
    products.iter().for_each(|(entry, spec)| made.check_product(*entry, spec));
}

#[test]
fn later_runs_take_what_the_first_has_drawn_and_fresh_parts_of_the_rest() {
    for setting in [small(true), Setting { may_run_again: true, ..Setting::default() }] {
        let (shape, plane) = (Shape::new(6, 20), Shape::new(6, 20));
        let mut demand = Demand::new(Ring::Z64);
        let resident = mask(&mut demand, Shape::new(20, 7), &[0, 1]);
        let scale = mask(&mut demand, shape, &[1]);
        let bit = demand.push(Correlation::Bit(BitSpec { shape: plane }));
        let trunc = demand.push(Correlation::TruncPair(TruncPairSpec { shape, bits: 9, width: 64 }));
        demand.once = (0..4).map(EntryId).collect();
        let x = mask(&mut demand, shape, &[0, 1]);
        let product =
            |demand: &mut Demand, product: Product, shape: Shape, terms: Vec<(EntryId, EntryId)>| {
                let spec = ProductSpec { product, shape, terms };
                (demand.push(Correlation::Product(spec.clone())), spec)
            };
        let products = [
            product(&mut demand, Matrix, Shape::new(6, 7), vec![(x, resident)]),
            product(&mut demand, Elementwise, shape, vec![(x, scale)]),
        ];
        let of_bit = demand.push(Correlation::BitProduct(BitProductSpec { bit, mask: x, shape }));
        let table = TableSpec { mask: trunc, shape, bits: 8, top: false };
        let tabled = demand.push(Correlation::Table(table));
        let seldom = demand.push(Correlation::Bit(BitSpec { shape: plane }));
        demand.seldom = [seldom].into();

        let later = |seldom| Turn { first: false, seldom, hidden: BTreeSet::new() };
        let turns = vec![first_turn(), later(false), later(true)];
        let made = made_in(&demand, &Setting { turns, ..setting });
        assert_eq!(made.len(), 3);
        for (run, made) in made.iter().enumerate() {
            products.iter().for_each(|(entry, spec)| made.check_product(*entry, spec));
            let rho = made.bits(bit, planes(Ring::Z64, 1, shape.len()));
            let rho = |index: usize| plane_bit(&rho, rho.len(), 0, index);
            let (a, opened) = (made.mask(x), made.opened(of_bit, Part::Product, 0, shape));
            assert!((0..shape.len()).all(|index| opened[index] == a[index] * rho(index)), "run {run}");
            let tables = made.opened_planes(tabled, table.planes(Ring::Z64));
            let width = table.planes(Ring::Z64).cols;
            for (index, r) in made.mask(trunc).iter().enumerate() {
                assert_eq!(plane_bit(&tables, width, 14, index), u64::from(r & 15 == 15), "run {run}");
            }
            assert_eq!(made.sent(seldom, 0).is_some(), run != 1, "run {run}");
            assert_eq!(made.sent(bit, 0).is_some(), run == 0, "run {run}");
        }
        assert_eq!(made[0].mask(resident), made[1].mask(resident));
        assert_ne!(made[0].mask(x), made[1].mask(x));
        assert_ne!(made[1].mask(x), made[2].mask(x));
    }
}

#[test]
fn a_session_s_products_are_counted_together_and_refused_beyond_their_distance() {
    let (demand, _) = products(Ring::Z64, &shapes()[..1]);
    let all = small(false).lattices();
    let of_few = Choice::new(&demand, false, &all);
    assert_eq!(of_few.uses, Uses::Few);
    let distance = of_few.distance(&demand, &first_turn());
    assert!(distance > 0.0 && distance < largest_distance());
    // Where that is too much, parameters for many products make less of it.
    let told = largest_distance() - distance / 2.0;
    let setting = Setting { told, ..small(false) };
    let of_many = Choice::new(&demand, false, &setting.lattices());
    assert_eq!(of_many.uses, Uses::Many);
    assert!(of_many.distance(&demand, &first_turn()) < distance * (-30f64).exp2());
    let [first, second] = runs(&demand, &setting, [None, None]);
    assert!(first.is_ok() && second.is_ok());
    // Nothing is left at all.
    let setting = Setting { told: largest_distance(), ..small(false) };
    for ended in runs(&demand, &setting, [None, None]) {
        assert_eq!(ended.err(), Some(PairError::TooManyProducts));
    }
    let per_run = Choice::new(&demand, true, &small(true).lattices()).distance(&demand, &first_turn());
    assert!(per_run * 1e9 < largest_distance(), "a billion runs");
}

#[test]
fn keys_are_made_once_in_a_session() {
    let (demand, _) = products(Ring::Z64, &shapes()[..1]);
    let mut pricer = Pricer {
        demand: &demand,
        choice: Choice::new(&demand, true, &small(true).lattices()),
        lattices: small(true).lattices(),
    };
    let later = Turn { first: false, ..first_turn() };
    let [first, second, third] = [&first_turn(), &later, &later].map(|turn| pricer.run(turn).bytes());
    assert!(first > second && second == third, "{first}, {second}, {third}");
}

/// At real parameters.
#[test]
fn large_products_are_made_by_lattices_and_small_ones_by_transfers() {
    let price = |product: Product, left: Shape, right: Shape, ring: Ring| {
        let mut demand = Demand::new(ring);
        let terms = vec![(mask(&mut demand, left, &[0, 1]), mask(&mut demand, right, &[0, 1]))];
        let shape = product.shape(left, right).expect("shapes that fit");
        demand.push(Correlation::Product(ProductSpec { product, shape, terms }));
        let mut pricer = Pricer::new(&demand, false);
        let by_lattices = pricer.choice().by_lattices() != (0, 0);
        (by_lattices, pricer.run(&first_turn()).bytes())
    };
    let square = |side: usize, ring| price(Matrix, Shape::new(side, side), Shape::new(side, side), ring);
    for ring in Ring::ALL {
        assert!(!square(4, ring).0 && square(32, ring).0, "{ring:?}");
        // Keys of both parties' Galois keys among them.
        let (by_lattices, bytes) = square(256, ring);
        assert!(by_lattices && bytes < 16_000_000, "{ring:?}: {bytes}");
    }
    let vector = |len: usize, ring| price(Elementwise, Shape::new(1, len), Shape::new(1, len), ring);
    assert!(!vector(1000, Ring::Z64).0 && vector(100_000, Ring::Z64).0);
    assert!(!vector(100_000, Ring::Z32).0, "fewer bytes by transfers");
    // The weights are encrypted, and not the data.
    let (by_lattices, bytes) = price(Matrix, Shape::new(10_000, 64), Shape::new(64, 10), Ring::Z64);
    assert!(by_lattices && bytes < 20_000_000, "{bytes}");
}

#[test]
fn what_a_peer_cuts_or_alters_of_lattices_is_refused_by_name() {
    // One product of each kind: two crossings of matrices, of which each party holds a key, and one of vectors.
    let mut demand = Demand::new(Ring::Z64);
    for (product, left, right) in
        [(Matrix, Shape::new(9, 40), Shape::new(40, 7)), (Elementwise, Shape::new(8, 80), Shape::new(8, 80))]
    {
        let terms = vec![(mask(&mut demand, left, &[0, 1]), mask(&mut demand, right, &[0, 1]))];
        let shape = product.shape(left, right).expect("shapes that fit");
        demand.push(Correlation::Product(ProductSpec { product, shape, terms }));
    }
    let changes: [Change; 3] = [
        |message| message.truncate(message.len() - 1),
        |message| message[3] ^= 1,
        |message| message[68..].fill(0xff),
    ];
    let mut kinds = Vec::new();
    for party in [0, 1] {
        for number in 0.. {
            let errors = changes.map(|change| {
                let mut alter = [None, None];
                alter[party] = Some((number, change));
                let [first, second] = runs(&demand, &small(false), alter);
                let error = if party == 0 { second } else { first }.err()?;
                let PairError::Lattice(error) = error else { panic!("message {number} of {party}: {error}") };
                Some(error)
            });
            use LatticeError::{Coefficient, Header, Length};
            match &errors {
                [Some(Length { message, .. }), Some(Header(of_header)), last] => {
                    assert_eq!(message, of_header, "message {number} of party {party}");
                    let is_answer = matches!(message, MessageKind::Answer | MessageKind::VectorAnswer);
                    // Every string of bits is an answer.
                    let is_right =
                        if is_answer { last.is_none() } else { matches!(last, Some(Coefficient { .. })) };
                    assert!(is_right, "message {number} of party {party}: {last:?}");
                    kinds.push(*message);
                }
                [None, None, None] => break,
                _ => panic!("message {number} of party {party}: {errors:?}"),
            }
        }
    }
    use MessageKind::{Answer, Keys, Query, VectorAnswer, VectorQuery};
    for kind in [Keys, Query, Answer, VectorQuery, VectorAnswer] {
        assert!(kinds.contains(&kind), "{kind:?} among {kinds:?}");
    }
}

/// The bytes on the wire, with all randomness fixed: a changed format needs new hashes.
#[test]
fn transcripts_of_lattices_are_pinned() {
    let hashes = [(Ring::Z64, false), (Ring::Z64, true), (Ring::Z32, false)].map(|(ring, may_run_again)| {
        let (demand, _) = products(ring, &shapes()[..4]);
        let ended = runs(&demand, &small(may_run_again), [None, None]);
        ended.map(|ended| ended.expect("honest parties").remove(0).1)
    });
    let expected = [
        ["c2339646d6e4ba0f", "6685c0218ba0d39c"],
        ["d7e722cd09e6f180", "9a0be444d00ae1b2"],
        ["84204e34e727b5c5", "90e24109f4a3683a"],
    ];
    assert_eq!(hashes, expected);
}

/// Party 1's sums are uniform whatever is multiplied.
#[test]
fn corrections_by_lattices_look_random() {
    let (demand, products) = products(Ring::Z64, &[(Matrix, Shape::new(40, 16), Shape::new(16, 40))]);
    let made = made_in(&demand, &small(false)).remove(0);
    for (entry, _) in products {
        let bytes = made.sent(entry, 0).expect("a correction");
        let (ones, bits): (u32, _) =
            (bytes.iter().map(|byte| byte.count_ones()).sum(), 8.0 * bytes.len() as f64);
        assert!((2.0 * f64::from(ones) - bits).abs() < 6.0 * bits.sqrt(), "{ones} of {bits}");
    }
    assert_eq!(PRIVACY_BITS, 40.0);
}
