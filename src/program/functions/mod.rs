//! Smooth functions, composed of products, comparisons and truncations: each is an approximation in fixed point, for
//! arguments of a stated domain. Beyond it results are wrong: see [`super::range`] for who says so. Errors are the
//! largest that were measured with 16 fraction bits in 64 bits, by the oracle, over the domain; a test holds them, and
//! so does `symbolon bench accuracy`. Rounds are those of the protocol `beaver` with stochastic truncation; an exact one
//! takes two more each time. What is sent follows from the ops and the declared bounds: `plan` prints it, and `bench
//! accuracy` for one element of every function and by every protocol. Rings of 32 bits leave room for 12 fraction bits
//! within functions, and for arguments that are smaller in proportion; what is said of them is with 8 fraction bits, that
//! is units of 4·10⁻³, over the ranges that `bench accuracy --ring-bits 32` prints, divided by results above 1.

mod activations;
mod coefficients;
mod exponents;
mod fixed;
mod lookup;
mod multiple;
mod polynomial;
mod powers;
mod quotient;
mod statistics;

#[cfg(test)]
mod tests;
