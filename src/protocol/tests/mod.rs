//! A protocol that is not in the house, to prove that its door is open.

pub(super) mod insecure_clear;
