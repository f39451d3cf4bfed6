//! Ciphers and hash functions, built gate by gate: AES-128, SHA-256 and SHA-512.
//!
//! Bytes stand in order, and of each byte the lowest bit first: bit k of byte j is bit 8j + k. (Files of other projects
//! often have another order.)

mod aes;
mod sha2;

pub use aes::aes128;
pub use sha2::{Sha2, sha2};

#[cfg(test)]
mod tests;
