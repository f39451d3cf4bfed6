//! Products of both parties, held against plain wrapping ones.

use super::*;
use crate::ring::{Element, Ring};
use proptest::prelude::*;
use std::sync::Arc;

/// The plain product.
fn plain<E: Element>((m, k, n): (usize, usize, usize), a: &[E], b: &[E]) -> Vec<E> {
    let mut product = vec![E::ZERO; m * n];
    for row in 0..m {
        for inner in 0..k {
            for col in 0..n {
                let at = &mut product[row * n + col];
                *at = at.add(a[row * k + inner].mul(b[inner * n + col]));
            }
        }
    }
    product
}

fn elements<E: Element>(seed: u64, count: usize) -> Vec<E> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        E::from_u64(state ^ state >> 29)
    };
    (0..count).map(|_| next()).collect()
}

/// Runs a product through bytes, and checks the sum of shares and the answer's error.
fn check<E: Element>(parameters: &Arc<Parameters>, layout: &Layout, (a, b): (&[E], &[E])) {
    let (mut holder, keys) = KeyHolder::insecure(parameters, &layout.shifts(), 1);
    let keys = Keys::from_bytes(parameters, &layout.shifts(), &keys.to_bytes()).unwrap();
    let mut evaluator = Evaluator::insecure(&keys, 2);
    let (held, other) = if layout.held() == Held::Left { (a, b) } else { (b, a) };
    let query = holder.query(layout, held).unwrap().to_bytes();
    let cost = layout.cost(parameters);
    assert_eq!(query.len(), cost.query_bytes);
    let query = Query::from_bytes(parameters, layout, &query).unwrap();
    let (answer, share) = evaluator.answer(&query, other).unwrap();
    let answer = answer.to_bytes();
    assert_eq!(answer.len(), cost.answer_bytes);
    let answer = Answer::from_bytes(parameters, layout, &answer).unwrap();
    let opened: Vec<E> = holder.open(&answer).unwrap();
    let sum: Vec<E> = opened.iter().zip(&share).map(|(&x, &y)| x.add(y)).collect();
    assert_eq!(sum, plain(layout.product(), a, b), "{layout:?}");
    let (error, bound) = (holder.error_share(&answer), cost.error_share);
    assert!(error <= bound, "{error} above {bound}: {layout:?}");
}

fn random<E: Element>(degree: usize, product: (usize, usize, usize), held: Held, seed: u64) {
    for uses in [Uses::Few, Uses::Many] {
        let parameters = Parameters::insecure_for_uses(E::RING, uses, degree);
        let layout = Layout::choose(&parameters, product, held, &Rates::default()).unwrap();
        assert_eq!(layout.product(), product);
        let (m, k, n) = product;
        let (a, b) = (elements::<E>(seed, m * k), elements::<E>(seed ^ 7, k * n));
        check(&parameters, &layout, (&a, &b));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn shares_of_products_add_up(m in 0..20usize, k in 0..40usize, n in 0..20usize, seed: u64, right: bool) {
        let held = if right { Held::Right } else { Held::Left };
        random::<u64>(64, (m, k, n), held, seed);
        random::<u32>(256, (m, k, n), held, seed);
    }

    #[test]
    fn every_layout_gives_the_same_product(
        inner in 0..7u32, cols in 0..4usize, rows in 1..20usize, packed in 0..7u32, seed: u64,
    ) {
        let parameters = Parameters::insecure(Ring::Z64, 128);
        let (block_inner, block_cols) = (1usize << inner, cols + 1);
        let most = 128 / (block_inner * block_cols);
        prop_assume!(most > 0);
        let layout = Layout {
            block_rows: rows.min(most),
            block_inner,
            block_cols,
            packed: 1 << packed.min(inner),
            ..Layout::choose(&parameters, (9, 33, 17), Held::Left, &Rates::default()).unwrap()
        };
        let (a, b) = (elements::<u64>(seed, 9 * 33), elements::<u64>(seed ^ 7, 33 * 17));
        check(&parameters, &layout, (&a, &b));
    }
}

/// All factors of −1, of −2^(k−1) and of ones: sums wrap and noise is largest.
fn extremes<E: Element>(uses: Uses) {
    let parameters = Parameters::insecure_for_uses(E::RING, uses, 64);
    let top = E::from_u64(1 << (E::RING.bits() - 1));
    let values = [E::ZERO, E::ONE, E::ZERO.sub(E::ONE), top, top.sub(E::ONE)];
    let product = (5, 19, 6);
    let layout = Layout::choose(&parameters, product, Held::Left, &Rates::default()).unwrap();
    for a in values {
        for b in values {
            check(&parameters, &layout, (&[a; 5 * 19], &[b; 19 * 6]));
        }
    }
}

#[test]
fn extreme_factors_have_exact_products() {
    for uses in [Uses::Few, Uses::Many] {
        extremes::<u32>(uses);
        extremes::<u64>(uses);
    }
}

/// Elementwise products, through bytes.
fn check_vector<E: Element>(degree: usize, x: &[E], y: &[E]) {
    let parameters = Parameters::insecure(Ring::Z64, degree);
    let vectors = Vectors::new(&parameters, E::RING);
    let (mut holder, keys) = KeyHolder::insecure(&parameters, &[], 1);
    let mut evaluator = Evaluator::insecure(&keys, 2);
    let query = holder.query_vector(&vectors, x).unwrap().to_bytes();
    let cost = vectors.cost(x.len());
    assert_eq!(query.len(), cost.query_bytes);
    let query = VectorQuery::from_bytes(&vectors, x.len(), &query).unwrap();
    let (answer, share) = evaluator.answer_vector(&vectors, &query, y).unwrap();
    let answer = answer.to_bytes();
    assert_eq!(answer.len(), cost.answer_bytes);
    let answer = VectorAnswer::from_bytes(&vectors, x.len(), &answer).unwrap();
    let opened: Vec<E> = holder.open_vector(&vectors, &answer).unwrap();
    assert_eq!((opened.len(), share.len()), (x.len(), y.len()));
    for (index, (&a, &b)) in opened.iter().zip(&share).enumerate() {
        assert_eq!(a.add(b), x[index].mul(y[index]), "element {index}");
    }
    let (error, bound) = (holder.vector_error_share(&vectors, &answer), cost.error_share);
    assert!(error <= bound && bound < 0.5, "{error} above {bound}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn shares_of_elementwise_products_add_up(len in 0..200usize, seed: u64) {
        check_vector::<u64>(64, &elements(seed, len), &elements(seed ^ 7, len));
        check_vector::<u32>(64, &elements(seed, len), &elements(seed ^ 7, len));
    }
}

#[test]
fn extreme_elements_have_exact_products() {
    let extremes = |bits: u32| [0, 1, u64::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1];
    let all = |bits: u32| extremes(bits).into_iter().flat_map(move |x| extremes(bits).map(|y| (x, y)));
    let (x, y): (Vec<u64>, Vec<u64>) = all(64).unzip();
    check_vector(64, &x, &y);
    let (x, y): (Vec<u32>, Vec<u32>) = all(32).map(|(x, y)| (x as u32, y as u32)).unzip();
    check_vector(64, &x, &y);
}

#[test]
fn elementwise_products_at_real_parameters() {
    check_vector::<u64>(8192, &elements(1, 9000), &elements(2, 9000));
}

#[test]
fn malformed_messages_of_vectors_are_named() {
    let parameters = Parameters::insecure(Ring::Z64, 64);
    let vectors = Vectors::new(&parameters, Ring::Z32);
    let (mut holder, _) = KeyHolder::insecure(&parameters, &[], 1);
    let query = holder.query_vector(&vectors, &[5u32; 70]).unwrap().to_bytes();
    let read = |len: usize, bytes: &[u8]| VectorQuery::from_bytes(&vectors, len, bytes).map(drop);
    assert_eq!(read(70, &query), Ok(()));
    assert_eq!(read(71, &query), Err(LatticeError::Header(MessageKind::VectorQuery)));
    let (expected, actual) = (query.len(), query.len() - 1);
    let short = LatticeError::Length { message: MessageKind::VectorQuery, expected, actual };
    assert_eq!(read(70, &query[..actual]), Err(short));
    let mut large = query.clone();
    large[16 + 32..].fill(0xff);
    assert_eq!(
        read(70, &large),
        Err(LatticeError::Coefficient { message: MessageKind::VectorQuery, index: 0 })
    );
    let answer = VectorAnswer::from_bytes(&vectors, 70, &query).map(drop);
    assert_eq!(answer, Err(LatticeError::Header(MessageKind::VectorAnswer)));
}

/// A pair of parties with one product between them.
fn parties(ring: Ring) -> (Arc<Parameters>, Layout, KeyHolder, Keys) {
    let parameters = Parameters::insecure(ring, 64);
    let layout = Layout::choose(&parameters, (6, 10, 8), Held::Left, &Rates::default()).unwrap();
    let (holder, keys) = KeyHolder::insecure(&parameters, &layout.shifts(), 3);
    (parameters, layout, holder, keys)
}

/// The hash of all messages of one product for fixed seeds.
fn transcript(ring: Ring) -> String {
    let (_, layout, mut holder, keys) = parties(ring);
    let mut evaluator = Evaluator::insecure(&keys, 4);
    let (query, answer) = match ring {
        Ring::Z32 => {
            let query = holder.query(&layout, &elements::<u32>(5, 60)).unwrap();
            let (answer, _) = evaluator.answer(&query, &elements::<u32>(6, 80)).unwrap();
            (query, answer)
        }
        Ring::Z64 => {
            let query = holder.query(&layout, &elements::<u64>(5, 60)).unwrap();
            let (answer, _) = evaluator.answer(&query, &elements::<u64>(6, 80)).unwrap();
            (query, answer)
        }
    };
    let all = [keys.to_bytes(), query.to_bytes(), answer.to_bytes()].concat();
    blake3::hash(&all).to_hex()[..16].to_owned()
}

/// The wire format, and everything that is drawn, in one number for fixed seeds.
#[test]
fn the_transcript_is_pinned() {
    assert_eq!(Ring::ALL.map(transcript), ["f7c9e6f03eecd278", "bdfbba414c2f2bba"]);
}

/// Every set of vector instructions computes the same.
#[cfg(target_arch = "x86_64")]
#[test]
fn transcripts_are_the_same_at_every_level() {
    use super::simd::{ALLOWED, Level};
    let one = Threads::new(1).unwrap();
    for ring in Ring::ALL {
        let expected = transcript(ring);
        for level in [Level::Baseline, Level::Avx2] {
            one.run(|| ALLOWED.set(level));
            assert_eq!(one.run(|| transcript(ring)), expected, "{ring:?} at {level:?}");
        }
    }
}

#[test]
fn malformed_messages_are_named() {
    let (parameters, layout, mut holder, keys) = parties(Ring::Z64);
    let query = holder.query(&layout, &elements::<u64>(5, 60)).unwrap().to_bytes();
    let read = |bytes: &[u8]| Query::from_bytes(&parameters, &layout, bytes).map(drop);
    assert_eq!(read(&query), Ok(()));
    let (expected, actual) = (query.len(), query.len() - 1);
    let short = LatticeError::Length { message: MessageKind::Query, expected, actual };
    assert_eq!(read(&query[..actual]), Err(short));
    assert_eq!(read(&query[..5]), Err(LatticeError::Header(MessageKind::Query)));
    let mut large = query.clone();
    large[36 + 32..].fill(0xff);
    assert_eq!(read(&large), Err(LatticeError::Coefficient { message: MessageKind::Query, index: 0 }));
    // A message for another dimension, another layout, or of another kind.
    let other = Layout::choose(&parameters, (6, 10, 9), Held::Left, &Rates::default()).unwrap();
    let wide = Parameters::insecure(Ring::Z64, 128);
    let wide_layout = Layout::choose(&wide, (6, 10, 8), Held::Left, &Rates::default()).unwrap();
    for (parameters, layout) in [(&parameters, &other), (&wide, &wide_layout)] {
        let read = Query::from_bytes(parameters, layout, &query).map(drop);
        assert_eq!(read, Err(LatticeError::Header(MessageKind::Query)));
    }
    let read = Answer::from_bytes(&parameters, &layout, &query).map(drop);
    assert_eq!(read, Err(LatticeError::Header(MessageKind::Answer)));
    let read = Keys::from_bytes(&parameters, &[1, 2], &keys.to_bytes()[..70]).map(drop);
    assert!(matches!(read, Err(LatticeError::Header(MessageKind::Keys) | LatticeError::Length { .. })));
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let (parameters, layout, mut holder, _) = parties(Ring::Z64);
    assert_eq!(
        holder.query(&layout, &[0u64; 59]).map(drop),
        Err(LatticeError::Factor { expected: 60, actual: 59 })
    );
    let query = holder.query(&layout, &[0u64; 60]).unwrap();
    let (_, no_keys) = KeyHolder::insecure(&parameters, &[], 3);
    let refused = Evaluator::insecure(&no_keys, 4).answer(&query, &[0u64; 80]).map(drop);
    assert_eq!(refused, Err(LatticeError::NoGaloisKey(layout.shifts()[0])));
    let huge = Layout::choose(&parameters, (1 << 30, 1 << 40, 1 << 30), Held::Left, &Rates::default());
    assert!(matches!(huge, Err(LatticeError::TooLarge { .. })));
}

/// One query, answered twice: nothing in the answers or the shares comes again, and shares look uniform.
#[test]
fn answers_are_fresh() {
    let (parameters, layout, mut holder, keys) = parties(Ring::Z64);
    let mut evaluator = Evaluator::insecure(&keys, 4);
    let query = holder.query(&layout, &[0u64; 60]).unwrap();
    let answers: Vec<_> = (0..64).map(|_| evaluator.answer(&query, &[0u64; 80]).unwrap()).collect();
    let mut shares: Vec<u64> = answers.iter().flat_map(|(_, share)| share.iter().copied()).collect();
    let ones: u32 = shares.iter().map(|share| share.count_ones()).sum();
    let (bits, ones) = (64.0 * shares.len() as f64, f64::from(ones));
    assert!(
        (ones - bits / 2.0).abs() < 4.0 * bits.sqrt() / 2.0,
        "half of all bits are set: {ones} of {bits}"
    );
    shares.sort_unstable();
    assert!(shares.windows(2).all(|pair| pair[0] != pair[1]), "no share comes twice");
    let mut second: Vec<u128> =
        answers.iter().flat_map(|(answer, _)| answer.polynomials[0].second.iter().copied()).collect();
    second.sort_unstable();
    assert!(second.windows(2).all(|pair| pair[0] != pair[1]), "no coefficient of c_1 comes twice");
    assert_eq!(parameters.degree(), 64);
}

/// Shares that the evaluator has from elsewhere, such as a generator's.
#[test]
fn the_evaluator_may_give_its_share() {
    let (parameters, layout, mut holder, keys) = parties(Ring::Z64);
    let mut evaluator = Evaluator::insecure(&keys, 4);
    let (a, b, share) = (elements::<u64>(5, 60), elements::<u64>(6, 80), elements::<u64>(7, 48));
    let query = holder.query(&layout, &a).unwrap();
    let opened = holder.open::<u64>(&evaluator.answer_for(&query, &b, &share).unwrap()).unwrap();
    let sum: Vec<u64> = opened.iter().zip(&share).map(|(x, y)| x.wrapping_add(*y)).collect();
    assert_eq!(sum, plain((6, 10, 8), &a, &b));
    let short = evaluator.answer_for(&query, &b, &share[1..]).map(drop);
    assert_eq!(short, Err(LatticeError::Factor { expected: 48, actual: 47 }));

    for ring in Ring::ALL {
        let vectors = Vectors::new(&parameters, ring);
        let (x, y) = (&a[..60], &b[..60]);
        match ring {
            Ring::Z64 => {
                let query = holder.query_vector(&vectors, x).unwrap();
                let answer = evaluator.answer_vector_for(&vectors, &query, y, &[9; 60]).unwrap();
                let opened = holder.open_vector::<u64>(&vectors, &answer).unwrap();
                assert!((0..60).all(|at| opened[at].wrapping_add(9) == x[at].wrapping_mul(y[at])));
            }
            Ring::Z32 => {
                let [x, y] = [x, y].map(|x| x.iter().map(|&x| x as u32).collect::<Vec<u32>>());
                let query = holder.query_vector(&vectors, &x).unwrap();
                let answer = evaluator.answer_vector_for(&vectors, &query, &y, &[9; 60]).unwrap();
                let opened = holder.open_vector::<u32>(&vectors, &answer).unwrap();
                assert!((0..60).all(|at| opened[at].wrapping_add(9) == x[at].wrapping_mul(y[at])));
            }
        }
    }
}

#[test]
fn a_product_at_real_parameters() {
    random::<u64>(8192, (40, 70, 30), Held::Left, 1);
    random::<u32>(8192, (40, 70, 30), Held::Right, 1);
}

/// Keys, layouts, tables, elements and messages of another ring or dimension: named, whoever meets them.
#[test]
fn what_is_of_other_parameters_is_refused() {
    let (parameters, layout, mut holder, keys) = parties(Ring::Z64);
    let (narrow, narrow_layout, mut narrow_holder, narrow_keys) = parties(Ring::Z32);
    let mut evaluator = Evaluator::insecure(&keys, 4);
    let mut narrow_evaluator = Evaluator::insecure(&narrow_keys, 4);
    let elements = LatticeError::Elements { expected: 64, given: 32 };
    assert_eq!(holder.query(&layout, &[0u32; 60]).map(drop), Err(elements.clone()));
    assert_eq!(holder.query(&narrow_layout, &[0u64; 60]).map(drop), Err(LatticeError::Layout));
    let query = holder.query(&layout, &[1u64; 60]).unwrap();
    let narrow_query = narrow_holder.query(&narrow_layout, &[1u32; 60]).unwrap();
    let bytes = query.to_bytes();
    assert_eq!(Query::from_bytes(&narrow, &layout, &bytes).map(drop), Err(LatticeError::Layout));
    let of_query = Err(LatticeError::Header(MessageKind::Query));
    assert_eq!(evaluator.answer(&narrow_query, &[1u64; 80]).map(drop), of_query);
    assert_eq!(evaluator.answer(&query, &[1u32; 80]).map(drop), Err(elements.clone()));
    let (narrow_answer, _) = narrow_evaluator.answer(&narrow_query, &[1u32; 80]).unwrap();
    let of_answer = Err(LatticeError::Header(MessageKind::Answer));
    assert_eq!(holder.open::<u64>(&narrow_answer), of_answer);

    let [narrow_vectors, vectors] = Ring::ALL.map(|ring| Vectors::new(&parameters, ring));
    let wide = Vectors::new(&Parameters::insecure(Ring::Z64, 128), Ring::Z64);
    assert_eq!(holder.query_vector(&vectors, &[0u32; 9]).map(drop), Err(elements));
    assert_eq!(holder.query_vector(&wide, &[0u64; 9]).map(drop), Err(LatticeError::Tables));
    assert_eq!(narrow_holder.query_vector(&vectors, &[0u64; 9]).map(drop), Err(LatticeError::Tables));
    let query = holder.query_vector(&vectors, &[1u64; 9]).unwrap();
    let of_query = Err(LatticeError::Header(MessageKind::VectorQuery));
    assert_eq!(evaluator.answer_vector(&narrow_vectors, &query, &[1u32; 9]).map(drop), of_query);
    let (answer, _) = evaluator.answer_vector(&vectors, &query, &[1u64; 9]).unwrap();
    let of_answer = Err(LatticeError::Header(MessageKind::VectorAnswer));
    assert_eq!(holder.open_vector::<u32>(&narrow_vectors, &answer), of_answer);
}

/// One product of vectors keeps 2^−40 whatever its length, or is refused with the most that it may have.
#[test]
fn vectors_that_are_not_hidden_are_refused() {
    let parameters = Parameters::new(Ring::Z64);
    let (mut holder, _) = KeyHolder::insecure(&parameters, &[], 1);
    for (ring, least, below) in [(Ring::Z32, 1 << 16, 1 << 17), (Ring::Z64, 1 << 24, 1 << 26)] {
        let vectors = Vectors::new(&parameters, ring);
        let most = vectors.most_elements();
        assert!(least <= most && most < below, "{ring:?}: {most} elements");
        let bits = |len: usize| vectors.cost(len).privacy_bits;
        assert!(bits(most) >= PRIVACY_BITS && bits(most + 1) < PRIVACY_BITS, "{ring:?}");
        let elements = most + 1;
        let refused = Err(LatticeError::TooManyElements { elements, most });
        assert_eq!(VectorQuery::from_bytes(&vectors, elements, &[]).map(drop), refused);
        assert_eq!(VectorAnswer::from_bytes(&vectors, elements, &[]).map(drop), refused);
        if ring == Ring::Z32 {
            assert_eq!(holder.query_vector(&vectors, &vec![1u32; elements]).map(drop), refused);
        }
    }
}
