//! Smooth functions, composed of products, comparisons and truncations: each is an approximation in fixed point. Most are
//! right for every number that the ring holds; where one is not, see [`super::range`] for who says so. Where a function
//! has no value it has a stated one: roots, logarithms and inverses say which. Errors are the
//! largest that were measured with 16 fraction bits in 64 bits, by the oracle; tests hold them, and
//! so does `symbolon bench accuracy`. Rounds are those of the protocol `beaver` with stochastic truncation; an exact one
//! takes two more each time. What is sent follows from the ops and from what is known of their arguments: `plan` prints
//! it, and `bench accuracy` for one element of every function and by every protocol. A root, logarithm or quotient
//! compares its argument with a power of two for each bracket of its magnitude (see [`exponents`]), at 34 bits online
//! each: 31 of them where nothing is known, twice as many where the sign is open as well, and as many as there are powers
//! of two between the ends of a known range of up to 32. Rings of 32 bits leave room for 12 fraction bits
//! within functions; what is said of them is with 8 fraction bits, that
//! is units of 4·10⁻³, over the ranges that `bench accuracy` prints, divided by results above 1.

mod activations;
mod coefficients;
mod deviations;
mod exponents;
mod fixed;
mod lookup;
mod losses;
mod multiple;
mod polynomial;
mod powers;
mod quotient;
mod solve;
mod statistics;
mod waves;

#[cfg(test)]
mod tests;
