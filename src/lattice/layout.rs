//! How a product of matrices is cut into polynomials, and what that costs.
//!
//! The key holder encrypts its factor, here always called X (rows × inner); the other's is W (inner × cols). Where the key
//! holder has the right factor, both are transposed: A·B = (Bᵀ·Aᵀ)ᵀ.
//!
//! A block of `block_rows` × `block_inner` elements of X is one polynomial, and one of `block_inner` × `block_cols` of W
//! another (Huang et al., "Cheetah: Lean and Fast Secure Two-Party Deep Neural Network Inference", USENIX Security 2022,
//! section 3.1, in the order that leaves results at multiples of `block_inner`):
//!
//! ```text
//! x̂ = Σ X[i, j]·X^(i·c·h − j)      ŵ = Σ W[j, l]·X^(l·h + j)      h = block_inner, c = block_cols
//! x̂·ŵ has Σ_j X[i, j]·W[j, l] at i·c·h + l·h
//! ```
//!
//! since exponents that are multiples of h arise only where both j agree; `block_rows`·c·h ≤ N, and X^N = −1 touches none of
//! them. `packed` products are then interleaved into one polynomial (`pack`), at distances of h/`packed`.
//!
//! **Bytes.** X's polynomials once (N·log2 Q bits each, a seed for all their other halves), and for each answer all of c_1
//! and of c_0 one coefficient for each element of the product: rows·inner + rows·cols coefficients in order of magnitude
//! where blocks are full, never rows·inner·cols.

use super::error::{LatticeError, MessageKind};
use super::parameters::{PRIVACY_BITS, Parameters, Uses, answer_bits, set_number};
use super::wire::header_size;
use crate::ring::Ring;

/// Which factor the key holder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// A of A·B.
    Left,
    /// B of A·B.
    Right,
}

/// One way to cut a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of the parameters for which it was chosen.
    pub(super) ring: Ring,
    pub(super) uses: Uses,
    pub(super) degree: usize,
    /// Pieces of a plain element: the inner size counts every one.
    pub(super) pieces: usize,
    pub(super) held: Held,
    /// Of the encrypted factor, turned so that it is the left one.
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) cols: usize,
    pub(super) block_rows: usize,
    pub(super) block_inner: usize,
    pub(super) block_cols: usize,
    pub(super) packed: usize,
}

/// What one product costs both parties together, in the units that a plan prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Bytes from the key holder.
    pub query_bytes: usize,
    /// Bytes to the key holder.
    pub answer_bytes: usize,
    /// Bytes of the keys from the key holder, sent once for all products of a job with these shifts or fewer.
    pub key_bytes: usize,
    /// Messages one after the other, without the keys: the query and the answer.
    pub rounds: usize,
    /// Butterflies of transforms, both parties'.
    pub butterflies: u64,
    /// Multiply-adds modulo a prime, pointwise.
    pub multiply_adds: u64,
    /// Key switches, which are counted in both of the above as well.
    pub key_switches: u64,
    /// log2 of the worst-case noise below the flood.
    pub noise_bits: f64,
    /// −log2 of the statistical distance of all answers of this product to simulated ones. Over the products of a job the
    /// distances add up: 2^j products of b bits each have b − j together.
    pub privacy_bits: f64,
    /// The largest error that an answer can have, by the parameters, in units of Q/t: a wrong result needs ½.
    pub error_share: f64,
}

/// By what layouts are compared: seconds for a byte on the link, and on the cores for a butterfly and for a multiply-add.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Seconds for a byte.
    pub byte_s: f64,
    /// Seconds for a butterfly.
    pub butterfly_s: f64,
    /// Seconds for a multiply-add modulo a prime.
    pub multiply_add_s: f64,
}

impl Default for Rates {
    /// A link of 200 Mbit/s, and two cores with AVX2 or more.
    fn default() -> Rates {
        Rates { byte_s: 40e-9, butterfly_s: 0.15e-9, multiply_add_s: 0.2e-9 }
    }
}

impl Cost {
    /// Seconds at these rates, without the keys and the link's latency.
    pub fn seconds(&self, rates: &Rates) -> f64 {
        (self.query_bytes + self.answer_bytes) as f64 * rates.byte_s
            + self.butterflies as f64 * rates.butterfly_s
            + self.multiply_adds as f64 * rates.multiply_add_s
    }
}

/// Elements of a factor or a product, at most: counts of bytes and operations then stay far below 2^64.
const MOST_ELEMENTS: usize = 1 << 30;

/// Numbers of a message's header.
const HEADER: usize = 8;

/// The fewest low coefficients that a transform takes.
const LEAST_SUPPORT: usize = 8;

impl Layout {
    /// The cheapest layout of (m × k)·(k × n), whose `held` factor is encrypted, at these rates. Both parties must use the
    /// same ones. Costs are compared as doubles: where two machines round a logarithm apart, the parties may choose apart,
    /// and the headers of their messages then say so ([`LatticeError::Header`]); no result is wrong.
    ///
    /// # Errors
    /// Where no layout's noise is covered, or a matrix has more than 2^30 elements: cut the product then.
    pub fn choose(
        parameters: &Parameters,
        product: (usize, usize, usize),
        held: Held,
        rates: &Rates,
    ) -> Result<Layout, LatticeError> {
        let (m, k, n) = product;
        let best = Layout::by_packing(parameters, product, held, rates).pop();
        best.ok_or(LatticeError::TooLarge { rows: m, inner: k, cols: n })
    }

    /// The cheapest layouts that interleave at most 1, 2, 4 … products, in this order, as [`Layout::choose`] would choose
    /// them: those that interleave more need more Galois keys. The last is the cheapest of all; none where there is no
    /// layout.
    pub fn by_packing(
        parameters: &Parameters,
        (m, k, n): (usize, usize, usize),
        held: Held,
        rates: &Rates,
    ) -> Vec<Layout> {
        let (rows, cols) = match held {
            Held::Left => (m, n),
            Held::Right => (n, m),
        };
        let is_bearable = |x: usize, y: usize| x.checked_mul(y).is_some_and(|len| len <= MOST_ELEMENTS);
        if !(is_bearable(m, k) && is_bearable(k, n) && is_bearable(m, n)) {
            return Vec::new();
        }
        let (degree, inner) = (parameters.degree(), k * parameters.pieces);
        let powers = |most: usize| (0..=most.max(1).next_power_of_two().ilog2()).map(|bits| 1usize << bits);
        let mut best: Vec<Option<(f64, Layout)>> = Vec::new();
        for block_inner in powers(inner.min(degree)) {
            for block_cols in powers(cols.min(degree / block_inner)).map(|most| most.min(cols.max(1))) {
                let most = degree / (block_inner * block_cols);
                if most == 0 {
                    continue;
                }
                // Equal blocks, so that the last is not a sliver.
                let block_rows = rows.div_ceil(rows.div_ceil(most).max(1)).max(1);
                for (level, packed) in powers(block_inner).enumerate() {
                    let layout = Layout {
                        ring: parameters.ring(),
                        uses: parameters.uses(),
                        degree,
                        pieces: parameters.pieces,
                        held,
                        rows,
                        inner,
                        cols,
                        block_rows,
                        block_inner,
                        block_cols,
                        packed,
                    };
                    let cost = layout.cost(parameters);
                    let seconds = cost.seconds(rates);
                    best.resize(best.len().max(level + 1), None);
                    let is_best = best[level].as_ref().is_none_or(|&(least, _)| seconds < least);
                    if is_best && cost.privacy_bits >= PRIVACY_BITS && cost.error_share < 0.5 {
                        best[level] = Some((seconds, layout));
                    }
                }
            }
        }
        // What interleaves fewer may do so, too.
        let mut cheapest: Option<(f64, Layout)> = None;
        let mut levels = Vec::new();
        for level in best.into_iter().flatten() {
            if cheapest.as_ref().is_none_or(|&(least, _)| level.0 < least) {
                cheapest = Some(level);
            }
            levels.extend(cheapest.map(|(_, layout)| layout));
        }
        levels
    }

    /// k: the inner size of the whole factors.
    pub(super) fn whole_inner(&self) -> usize {
        self.inner / self.pieces
    }

    /// Of an index that counts every piece, that of the whole element, and which piece it is.
    pub(super) fn whole(&self, inner: usize) -> (usize, usize) {
        (inner % self.whole_inner(), inner / self.whole_inner())
    }

    /// Refuses parameters of another ring or degree than those for which the layout was chosen.
    pub(super) fn check(&self, parameters: &Parameters) -> Result<(), LatticeError> {
        let same = (self.ring, self.uses, self.degree)
            == (parameters.ring(), parameters.uses(), parameters.degree());
        if same { Ok(()) } else { Err(LatticeError::Layout) }
    }

    /// The same for the layout of a message.
    pub(super) fn check_message(
        &self,
        parameters: &Parameters,
        message: MessageKind,
    ) -> Result<(), LatticeError> {
        self.check(parameters).map_err(|_| LatticeError::Header(message))
    }

    /// Which factor the key holder has.
    pub fn held(&self) -> Held {
        self.held
    }

    /// (m, k, n) of the product.
    pub fn product(&self) -> (usize, usize, usize) {
        match self.held {
            Held::Left => (self.rows, self.whole_inner(), self.cols),
            Held::Right => (self.cols, self.whole_inner(), self.rows),
        }
    }

    /// The shifts for which it needs Galois keys: halves of `block_inner`, one for each doubling of the products that are
    /// interleaved.
    pub fn shifts(&self) -> Vec<usize> {
        (1..=self.most_packed().ilog2()).map(|level| self.block_inner >> level).collect()
    }

    /// Products that the fullest answer interleaves, as a power of two.
    fn most_packed(&self) -> usize {
        self.packed.min(self.leaves().max(1).next_power_of_two())
    }

    /// Blocks of rows.
    pub(super) fn row_blocks(&self) -> usize {
        self.rows.div_ceil(self.block_rows)
    }

    /// Blocks of inner indices.
    pub(super) fn inner_blocks(&self) -> usize {
        self.inner.div_ceil(self.block_inner)
    }

    /// Blocks of columns: each makes one product for each block of rows.
    pub(super) fn leaves(&self) -> usize {
        self.cols.div_ceil(self.block_cols)
    }

    /// Answers for each block of rows.
    pub(super) fn groups(&self) -> usize {
        self.leaves().div_ceil(self.packed)
    }

    /// The blocks of columns of one answer.
    pub(super) fn group(&self, group: usize) -> std::ops::Range<usize> {
        let first = group * self.packed;
        first..(first + self.packed).min(self.leaves())
    }

    /// Polynomials of a query.
    pub(super) fn queries(&self) -> usize {
        self.row_blocks() * self.inner_blocks()
    }

    /// Low coefficients of ŵ that are read, as a transform takes them.
    pub(super) fn support(&self) -> usize {
        (self.block_cols * self.block_inner).next_power_of_two().max(LEAST_SUPPORT)
    }

    /// The coefficients of one answer that are elements of the product: their exponent, and row and column of the turned
    /// product. Their order is that of c_0 on the wire.
    pub(super) fn places(&self, row_block: usize, group: usize) -> Vec<(usize, usize, usize)> {
        let leaves = self.group(group);
        let distance = self.block_inner / leaves.len().next_power_of_two();
        let first_row = row_block * self.block_rows;
        let mut places = Vec::new();
        for row in first_row..(first_row + self.block_rows).min(self.rows) {
            for (index, leaf) in leaves.clone().enumerate() {
                let first_col = leaf * self.block_cols;
                for col in first_col..(first_col + self.block_cols).min(self.cols) {
                    let at = (row - first_row) * self.block_cols + col - first_col;
                    places.push((at * self.block_inner + index * distance, row, col));
                }
            }
        }
        places
    }

    /// The index of an element of a row-major factor or product that the layout has turned.
    pub(super) fn index(&self, (row, col): (usize, usize), (rows, cols): (usize, usize)) -> usize {
        match self.held {
            Held::Left => row * cols + col,
            Held::Right => col * rows + row,
        }
    }

    /// What a message of this layout begins with.
    pub(super) fn header(&self) -> [u32; HEADER] {
        let sizes = [self.rows, self.inner, self.cols, self.block_rows, self.block_inner, self.block_cols];
        let mut header = [0; HEADER];
        header[0] = set_number(self.ring, self.uses) | (self.held as u32) << 8 | (self.packed as u32) << 16;
        header[1] = self.degree as u32;
        header[2..].copy_from_slice(&sizes.map(|size| size as u32));
        header
    }

    /// Bytes of the query.
    pub(super) fn query_bytes(&self, parameters: &Parameters) -> usize {
        header_size(HEADER) + 32 + self.queries() * parameters.polynomial_bytes()
    }

    /// Bytes of the answer.
    pub(super) fn answer_bytes(&self, parameters: &Parameters) -> usize {
        let (first, second) = answer_bits(parameters.ring().bits(), parameters.degree());
        let second_bytes = (parameters.degree() * second as usize).div_ceil(8);
        let first_bytes = |places: usize| (places * first as usize).div_ceil(8);
        let mut size_bytes = header_size(HEADER);
        for (row_blocks, rows) in counted(self.rows, self.block_rows) {
            for (groups, cols) in counted(self.cols, self.block_cols * self.packed) {
                size_bytes += row_blocks * groups * (second_bytes + first_bytes(rows * cols));
            }
        }
        size_bytes
    }

    /// What the product costs.
    pub fn cost(&self, parameters: &Parameters) -> Cost {
        let (degree, primes) = (parameters.degree() as u64, parameters.transforms.len() as u64);
        let transform = degree / 2 * u64::from(parameters.degree().ilog2());
        let low = degree / 2 * u64::from(self.support().ilog2());
        let (row_blocks, leaves) = (self.row_blocks() as u64, self.leaves() as u64);
        let answers = row_blocks * self.groups() as u64;
        let groups = counted(self.leaves(), self.packed);
        let switches: usize = groups.map(|(groups, leaves)| groups * switches(leaves)).into_iter().sum();
        let key_switches = switches as u64 * row_blocks;
        let digits = parameters.digits() as u64;
        // The digit's own primes need no transform.
        let switch = primes + digits * primes - primes;
        let products = leaves * self.inner_blocks() as u64;
        // An answer: u, both parts back; and to open it, c_1 there and back modulo some primes.
        let opening = 2 * answer_primes(parameters) as u64;
        let terms = self.block_cols * self.inner;
        let noise_bits =
            parameters.noise_bits(f64::from(parameters.piece_bits() - 1), terms, self.most_packed());
        Cost {
            query_bytes: self.query_bytes(parameters),
            answer_bytes: self.answer_bytes(parameters),
            key_bytes: super::Keys::size_bytes(parameters, &self.shifts()),
            rounds: 2,
            butterflies: transform * (self.queries() as u64 * primes)
                + low * products * primes
                + transform * (key_switches * switch + answers * (3 * primes + opening)),
            multiply_adds: 2 * primes * degree * (products * row_blocks + key_switches * digits),
            key_switches,
            noise_bits,
            privacy_bits: parameters.privacy_bits(noise_bits, self.rows * self.cols),
            error_share: parameters.error_share(f64::from(parameters.ring().bits()), noise_bits),
        }
    }
}

/// The cost of a product (m × k)·(k × n) over a ring, by the side whose encryption is cheaper, at these rates.
///
/// # Errors
/// Where no layout's noise is covered.
pub fn cost(
    parameters: &Parameters,
    product: (usize, usize, usize),
    rates: &Rates,
) -> Result<(Held, Cost), LatticeError> {
    let of = |held: Held| Ok((held, Layout::choose(parameters, product, held, rates)?.cost(parameters)));
    let (left, right) = (of(Held::Left)?, of(Held::Right)?);
    Ok(if right.1.seconds(rates) < left.1.seconds(rates) { right } else { left })
}

/// How many blocks of `block` indices are whole, and how long that of the rest is.
fn counted(all: usize, block: usize) -> [(usize, usize); 2] {
    [(all / block, block), (usize::from(!all.is_multiple_of(block)), all % block)]
}

/// Automorphisms that interleaving so many products takes: one for each pair, with or without both partners.
fn switches(products: usize) -> usize {
    products.max(1).next_power_of_two() - 1
}

/// Primes modulo whose product c_1·s of an answer is exact: N·2^bits in magnitude, with 20 bits to spare for rounding.
pub(super) fn answer_primes(parameters: &Parameters) -> usize {
    let (_, second) = answer_bits(parameters.ring().bits(), parameters.degree());
    let needed = f64::from(second + parameters.degree().ilog2() + 1 + 20);
    let mut bits = 0.0;
    let enough = |transform: &super::ntt::Transform| {
        bits += f64::from(transform.modulus.value).log2();
        bits >= needed
    };
    1 + parameters.transforms.iter().position(enough).expect("Q is far above an answer's modulus")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;

    fn chosen(product: (usize, usize, usize)) -> (Held, Cost) {
        cost(&Parameters::new(Ring::Z64), product, &Rates::default()).expect("a layout")
    }

    /// SPU's Cheetah sends 5.3 MB a party for a product of two shared 256 × 256 matrices: a query and an answer each.
    #[test]
    fn squares_take_fewer_bytes_than_cheetahs() {
        for (ring, most) in [(Ring::Z64, 3_000_000), (Ring::Z32, 2_000_000)] {
            let (_, cost) =
                cost(&Parameters::new(ring), (256, 256, 256), &Rates::default()).expect("a layout");
            assert!(cost.query_bytes + cost.answer_bytes <= most, "{ring:?}: {cost:?}");
            assert!(cost.privacy_bits >= PRIVACY_BITS);
        }
    }

    /// Bytes grow as the factors and the product do, not as the multiplications.
    #[test]
    fn traffic_is_linear_in_elements() {
        for side in [256, 512, 1024, 2048] {
            let (_, cost) = chosen((side, side, side));
            let bytes = (cost.query_bytes + cost.answer_bytes) as f64 / (side * side) as f64;
            assert!(bytes < 60.0, "{bytes} for each element at {side}");
        }
    }

    #[test]
    fn the_smaller_factor_is_encrypted() {
        assert_eq!(chosen((64, 512, 1024)).0, Held::Left);
        assert_eq!(chosen((1024, 512, 64)).0, Held::Right);
    }

    /// Over and over, a set for many uses hides what one for few does not.
    #[test]
    fn many_products_are_hidden_together() {
        let privacy = |ring: Ring, uses: Uses| {
            let parameters = Parameters::for_uses(ring, uses);
            let (_, cost) = cost(&parameters, (256, 256, 256), &Rates::default()).expect("a layout");
            cost.privacy_bits
        };
        for ring in Ring::ALL {
            let (few, many) = (privacy(ring, Uses::Few), privacy(ring, Uses::Many));
            assert!((PRIVACY_BITS..60.0).contains(&few), "{ring:?}: {few}");
            assert!(many >= PRIVACY_BITS + 30.0, "{ring:?}: {many}");
        }
    }

    #[test]
    fn layouts_that_interleave_more_are_cheaper_and_need_more_keys() {
        let parameters = Parameters::new(Ring::Z64);
        let rates = Rates::default();
        let layouts = Layout::by_packing(&parameters, (64, 64, 64), Held::Left, &rates);
        let seconds = |layout: &Layout| layout.cost(&parameters).seconds(&rates);
        assert!(layouts.len() > 4 && layouts[0].shifts().is_empty());
        assert!(layouts.windows(2).all(|pair| seconds(&pair[0]) >= seconds(&pair[1])));
        for (level, layout) in layouts.iter().enumerate() {
            assert!(layout.shifts().len() <= level, "at most {level} shifts");
        }
        assert_eq!(
            layouts.last().copied(),
            Layout::choose(&parameters, (64, 64, 64), Held::Left, &rates).ok()
        );
    }

    #[test]
    fn places_are_each_element_once() {
        let parameters = Parameters::insecure(Ring::Z32, 64);
        for product in [(1, 1, 1), (5, 9, 23), (40, 3, 2), (0, 4, 4), (3, 0, 5)] {
            let layout =
                Layout::choose(&parameters, product, Held::Right, &Rates::default()).expect("a layout");
            let mut seen = vec![0; product.0 * product.2];
            for row_block in 0..layout.row_blocks() {
                for group in 0..layout.groups() {
                    let places = layout.places(row_block, group);
                    let mut exponents: Vec<usize> = places.iter().map(|place| place.0).collect();
                    exponents.sort_unstable();
                    assert!(
                        exponents.windows(2).all(|pair| pair[0] < pair[1]) && exponents.last() < Some(&64)
                    );
                    for (_, row, col) in places {
                        seen[layout.index((row, col), (layout.rows, layout.cols))] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|&times| times == 1), "{layout:?}");
        }
    }
}
