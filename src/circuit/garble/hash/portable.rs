//! AES by the crate `aes`, on any processor.

use super::gates::Cipher;
use crate::circuit::garble::label::Label;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

/// The crate's AES-128.
pub(super) struct Portable;

impl Cipher for Portable {
    fn encrypt<const R: usize>(keys: [Label; 4], mut rows: [[Label; 4]; R]) -> [[Label; 4]; R] {
        for (at, key) in keys.into_iter().enumerate() {
            let cipher = Aes128::new(&key.to_bytes().into());
            for row in &mut rows {
                let mut block = row[at].to_bytes().into();
                cipher.encrypt_block(&mut block);
                row[at] = Label::from_bytes(block.into());
            }
        }
        rows
    }
}
