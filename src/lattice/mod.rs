//! Products of two parties' matrices by lattices: additively homomorphic encryption, without a dealer.
//!
//! **Functionality.** One party has A (m × k), another B (k × n), over Z_2^32 or Z_2^64. They learn additive shares of A·B
//! and nothing else: the evaluator's share is uniform, the key holder's is the product less that. Of the matrix triple
//! (A_0 + A_1)·(B_0 + B_1) two products are such cross ones; an inner product is one of 1 × k by k × 1.
//!
//! **Messages.**
//! 0. The key holder sends [`Keys`], once for any number of products within one job with one peer.
//! 1. The key holder sends a [`Query`]: its factor encrypted, in the blocks of a [`Layout`].
//! 2. The evaluator sends an [`Answer`]: the encrypted product less its share, made fresh and flooded.
//!
//! **Bytes.** [`Layout::cost`] gives them exactly. A query takes N·log2 Q bits for each block of the encrypted factor, an
//! answer some 2·(k + 9) bits for each element of the product where it is dense: never anything in the order of m·k·n.
//! **Rounds.** Two, and the keys before.
//!
//! **Security.** Semi-honest. The evaluator learns nothing under ring-LWE with circular security; the key holder learns
//! nothing but its share, within a statistical distance of 2^−40 for each product and ring-LWE for what makes c_1 fresh
//! ([`evaluator`] says how). Distances of several products add up: there are parameters for few and for many products
//! ([`Uses`]), and whoever makes several counts them. Parameters at 128 bits against classical attacks:
//! [`parameters`] has the tables, and says what of it holds against quantum ones. Timing depends on shapes alone.
//!
//! **What a party gains that deviates.** A key holder learns the evaluator's factor. It may encrypt at another scale than
//! Q/t, between the flood and there: the noise of an answer that it opens then has the low bits of sums of the evaluator's
//! elements, and a wrong Galois key can bring in sums that are no results. The uniform half p_1 of its public key comes from
//! a seed, but the other half is its free choice: with b = e − p_1·s + D the phase of an answer has D·u in it, which tells
//! it u; c_1 is then a known linear function of the factor with small errors, to be solved where the factor has few
//! unknowns or little entropy.
//!
//! An evaluator learns the secret key, and with it the key holder's factors. It answers with c_0 = 0 and
//! c_1 = ⌊2^h·v/t⌋·X^j: the key holder's share is then v·s_(p−j) at place p, up to signs. Whatever the key holder
//! does later that depends on that share, such as an opening or a failure, tells coefficients of s. It may also answer with a
//! wrong product. Nothing finds either. So this is for parties that follow the protocol, and **a key serves one job
//! with one peer**: whoever keeps it longer hands what one job gave away to all others under it.
//!
//! **Scheme.** BFV (J. Fan, F. Vercauteren, "Somewhat Practical Fully Homomorphic Encryption", eprint 2012/144) with
//! t = 2^k and Q of primes below 2^30, coefficients as Huang et al. ("Cheetah", USENIX Security 2022, section 3.1), answers
//! interleaved as Lu et al. ("BumbleBee", NDSS 2025, section IV). **Deviations.** Cheetah sends answers as LWE ciphertexts, one
//! sparse polynomial for each block, which takes bytes in the order of m·n·k/√N; here they are dense. Noise is bounded in
//! the worst case, so no result is wrong, ever; the sources take noise that is small with high probability. Key switches
//! have no special modulus, since products with elements of k bits leave far more noise. Answers have moduli 2^h, not of
//! primes: fewer bits, and every string of them is an answer.
//!
//! **Not taken.** Y. Bae et al. ("Plaintext-Ciphertext Matrix Multiplication and FHE Bootstrapping: Fast and Fused", eprint
//! 2024/1284) turn encrypted products into plain ones modulo Q, one for each part of the ciphertexts, which a GPU's matrix
//! units do. With Q of 210 bits and elements of 64 the two take some eight times the multiply-adds of the plain product, and
//! the second part is as wide as the secret's dimension: matrices must have thousands of rows before that is worth its bytes
//! and its work. Below, transforms are cheaper and answers dense.
//!
//! ```
//! use symbolon::Ring;
//! use symbolon::lattice::{Answer, Evaluator, Held, KeyHolder, Keys, Layout, Parameters, Query, Rates};
//!
//! // Party 0 has a (2 × 3), party 1 has b (3 × 2); party 0 holds the key.
//! let (a, b) = ([1u64, 2, 3, 4, 5, 6], [1u64, 0, 0, 1, u64::MAX, 7]);
//! let parameters = Parameters::new(Ring::Z64);
//! let layout = Layout::choose(&parameters, (2, 3, 2), Held::Left, &Rates::default())?;
//!
//! let (mut holder, keys) = KeyHolder::new(&parameters, &layout.shifts())?;
//! let mut evaluator = Evaluator::new(&Keys::from_bytes(&parameters, &layout.shifts(), &keys.to_bytes())?)?;
//!
//! let query = holder.query(&layout, &a)?.to_bytes();
//! let (answer, share_1) = evaluator.answer(&Query::from_bytes(&parameters, &layout, &query)?, &b)?;
//! let share_0 = holder.open::<u64>(&Answer::from_bytes(&parameters, &layout, &answer.to_bytes())?)?;
//!
//! let sum = |at: usize| share_0[at].wrapping_add(share_1[at]);
//! assert_eq!([sum(0), sum(1)], [1u64.wrapping_sub(3), 2 + 21]);
//! assert_eq!([sum(2), sum(3)], [4u64.wrapping_sub(6), 5 + 42]);
//! # Ok::<(), symbolon::lattice::LatticeError>(())
//! ```

mod answer;
mod encode;
mod error;
pub mod evaluator;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod holder;
mod keys;
pub mod layout;
mod messages;
mod modulus;
#[cfg(test)]
mod noise;
mod ntt;
mod pack;
pub mod parameters;
mod peak;
mod poly;
mod sample;
mod simd;
#[cfg(test)]
mod tests;
pub mod vector;
mod wire;

pub use error::{LatticeError, MessageKind};
pub use evaluator::Evaluator;
pub use holder::KeyHolder;
pub use keys::Keys;
pub use layout::{Cost, Held, Layout, Rates, cost};
pub use messages::{Answer, Query};
pub use parameters::{PRIVACY_BITS, Parameters, Uses};
pub use peak::{Peak, Threads};
pub use vector::{VectorAnswer, VectorQuery, Vectors};
