//! Messages as bytes: a header, then numbers of so many bits each, the lowest bit first.

use super::error::{LatticeError, MessageKind};
use super::parameters::{Parameters, bits_of};

/// The first bytes of every message: whose they are, and the format's version.
const MARK: [u8; 3] = [b'S', b'L', 1];

/// A message that is being written.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Bits that are no whole byte yet.
    pending: u128,
    pending_bits: u32,
}

impl Writer {
    /// A message with this header, and room for `size_bytes` in all.
    pub fn new(kind: MessageKind, header: &[u32], size_bytes: usize) -> Writer {
        let mut bytes = Vec::with_capacity(size_bytes);
        bytes.extend(header_bytes(kind, header));
        Writer { bytes, pending: 0, pending_bits: 0 }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.pending_bits, 0, "bytes begin at a byte");
        self.bytes.extend_from_slice(bytes);
    }

    /// A number below 2^`bits`; at most 64.
    #[inline]
    fn piece(&mut self, number: u64, bits: u32) {
        self.pending |= u128::from(number) << self.pending_bits;
        self.pending_bits += bits;
        if self.pending_bits >= 64 {
            self.bytes.extend((self.pending as u64).to_le_bytes());
            self.pending >>= 64;
            self.pending_bits -= 64;
        }
    }

    /// A number below 2^`bits`.
    #[inline]
    pub fn number(&mut self, number: u128, bits: u32) {
        self.piece(number as u64, bits.min(64));
        if bits > 64 {
            self.piece((number >> 64) as u64, bits - 64);
        }
    }

    /// Fills up the last byte.
    pub fn align(&mut self) {
        let whole = self.pending_bits.div_ceil(8) as usize;
        self.bytes.extend(&self.pending.to_le_bytes()[..whole]);
        (self.pending, self.pending_bits) = (0, 0);
    }

    /// A polynomial modulo Q.
    pub fn polynomial(&mut self, parameters: &Parameters, polynomial: &[u32]) {
        let residues = polynomial.chunks_exact(parameters.degree());
        for (transform, residues) in parameters.transforms.iter().zip(residues) {
            let bits = bits_of(transform.modulus.value) as u32;
            residues.iter().for_each(|&residue| self.piece(residue.into(), bits));
        }
        self.align();
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// A message that is being read. Its length is checked before the first number is read.
pub(super) struct Reader<'a> {
    kind: MessageKind,
    message: &'a [u8],
    /// The next bit.
    at: usize,
    /// Coefficients modulo Q so far.
    coefficients: usize,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// Where the header is another, or the message has not `size_bytes` bytes.
    pub fn new(
        kind: MessageKind,
        header: &[u32],
        message: &'a [u8],
        size_bytes: usize,
    ) -> Result<Reader<'a>, LatticeError> {
        let expected = header_bytes(kind, header);
        if !message.starts_with(&expected) {
            return Err(LatticeError::Header(kind));
        }
        if message.len() != size_bytes {
            return Err(LatticeError::Length { message: kind, expected: size_bytes, actual: message.len() });
        }
        Ok(Reader { kind, message, at: 8 * expected.len(), coefficients: 0 })
    }

    /// The next bytes of a message whose length has them.
    pub fn bytes<const LEN: usize>(&mut self) -> [u8; LEN] {
        std::array::from_fn(|_| self.piece(8) as u8)
    }

    /// A number of so many bits, at most 64, in a message whose length has it.
    #[inline]
    fn piece(&mut self, bits: u32) -> u64 {
        let rest = &self.message[self.at / 8..];
        let window = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut window = [0; 16];
            window[..rest.len()].copy_from_slice(rest);
            window
        });
        let number = (u128::from_le_bytes(window) >> (self.at % 8)) as u64;
        self.at += bits as usize;
        if bits == 64 { number } else { number & ((1 << bits) - 1) }
    }

    /// A number of so many bits.
    #[inline]
    pub fn number(&mut self, bits: u32) -> u128 {
        let low = self.piece(bits.min(64));
        let high = if bits > 64 { self.piece(bits - 64) } else { 0 };
        u128::from(low) | u128::from(high) << 64
    }

    /// Leaves out the rest of a begun byte.
    pub fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// A polynomial modulo Q.
    ///
    /// # Errors
    /// Where a coefficient is not below its modulus.
    pub fn polynomial(&mut self, parameters: &Parameters) -> Result<Vec<u32>, LatticeError> {
        let mut polynomial = Vec::with_capacity(parameters.words());
        for transform in &parameters.transforms {
            let modulus = transform.modulus.value;
            for _ in 0..parameters.degree() {
                let residue = self.piece(bits_of(modulus) as u32) as u32;
                if residue >= modulus {
                    return Err(LatticeError::Coefficient { message: self.kind, index: self.coefficients });
                }
                self.coefficients += 1;
                polynomial.push(residue);
            }
        }
        self.align();
        Ok(polynomial)
    }
}

fn header_bytes(kind: MessageKind, header: &[u32]) -> Vec<u8> {
    let words = header.iter().flat_map(|word| word.to_le_bytes());
    MARK.into_iter().chain([kind as u8]).chain(words).collect()
}

/// Bytes of a header with so many numbers.
pub(super) const fn header_size(numbers: usize) -> usize {
    MARK.len() + 1 + 4 * numbers
}
