//! Smooth functions, composed of products, comparisons and truncations: each is an approximation in fixed point, for
//! arguments of a stated domain. Beyond it results are wrong: see [`super::range`] for who says so. Errors are the
//! largest that were measured with 16 fraction bits in 64 bits, by the oracle, over the domain; a test holds them, and
//! so does `symbolon bench accuracy`. Rounds are those of the protocol `beaver` with stochastic truncation; an exact one
//! takes two more each time.

mod activations;
mod coefficients;
mod fixed;
mod lookup;
mod powers;
mod statistics;

#[cfg(test)]
mod tests;
