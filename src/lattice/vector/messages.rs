//! The messages of elementwise products.

use super::{PLAINTEXT_BITS, Vectors};
use crate::lattice::answer::Switched;
use crate::lattice::error::{LatticeError, MessageKind};
use crate::lattice::parameters::{Parameters, answer_bits};
use crate::lattice::wire::{Reader, Writer, header_size};
use std::sync::Arc;

/// Numbers of a message's header.
const HEADER: usize = 3;

/// An encrypted vector, as it is sent.
#[derive(Clone)]
pub struct VectorQuery {
    pub(super) parameters: Arc<Parameters>,
    pub(super) header: [u32; HEADER],
    pub(super) seed: [u8; 32],
    /// c_0 in slots: all plaintext moduli of the first N elements, then of the next.
    pub(super) polynomials: Vec<Vec<u32>>,
}

/// An encrypted vector of products, masked by the evaluator's share.
#[derive(Clone)]
pub struct VectorAnswer {
    pub(super) parameters: Arc<Parameters>,
    pub(super) header: [u32; HEADER],
    pub(super) polynomials: Vec<Switched>,
}

impl Vectors {
    /// The first numbers of a message for so many elements.
    ///
    /// # Errors
    /// Where there are more than one product may have.
    pub(super) fn header(&self, len: usize) -> Result<[u32; HEADER], LatticeError> {
        let (elements, most) = (len, self.most_elements());
        match u32::try_from(len) {
            Ok(len) if elements <= most => Ok([self.ring.bits(), self.parameters.degree() as u32, len]),
            _ => Err(LatticeError::TooManyElements { elements, most }),
        }
    }

    /// Refuses a message whose header is not that of its number of elements over this ring.
    pub(super) fn check_message(
        &self,
        header: [u32; HEADER],
        message: MessageKind,
    ) -> Result<(), LatticeError> {
        let same = self.header(header[2] as usize)? == header;
        if same { Ok(()) } else { Err(LatticeError::Header(message)) }
    }

    fn polynomials(&self, len: usize) -> usize {
        self.batches(len) * self.plaintexts.len()
    }

    /// Bytes of a query of so many elements.
    pub(super) fn query_bytes(&self, len: usize) -> usize {
        header_size(HEADER) + 32 + self.polynomials(len) * self.parameters.polynomial_bytes()
    }

    /// Bytes of an answer of so many elements.
    pub(super) fn answer_bytes(&self, len: usize) -> usize {
        let degree = self.parameters.degree();
        let (first, second) = answer_bits(PLAINTEXT_BITS, degree);
        let bytes = |bits: u32| (degree * bits as usize).div_ceil(8);
        header_size(HEADER) + self.polynomials(len) * (bytes(second) + bytes(first))
    }
}

impl VectorQuery {
    /// The elements that are encrypted.
    pub(super) fn len(&self) -> usize {
        self.header[2] as usize
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size_bytes = self.polynomials.len() * self.parameters.polynomial_bytes();
        let mut writer = Writer::new(MessageKind::VectorQuery, &self.header, size_bytes);
        writer.bytes(&self.seed);
        for polynomial in &self.polynomials {
            writer.polynomial(&self.parameters, polynomial);
        }
        writer.finish()
    }

    /// Reads the query that is expected for so many elements.
    ///
    /// # Errors
    /// Where the bytes are of another kind, ring, dimension or length, a coefficient is not below its modulus, or the
    /// elements are more than one product may have.
    pub fn from_bytes(vectors: &Vectors, len: usize, bytes: &[u8]) -> Result<VectorQuery, LatticeError> {
        let (header, parameters) = (vectors.header(len)?, &vectors.parameters);
        let mut reader = Reader::new(MessageKind::VectorQuery, &header, bytes, vectors.query_bytes(len))?;
        let seed = reader.bytes();
        let polynomials: Result<_, _> =
            (0..vectors.polynomials(len)).map(|_| reader.polynomial(parameters)).collect();
        Ok(VectorQuery { parameters: parameters.clone(), header, seed, polynomials: polynomials? })
    }
}

impl VectorAnswer {
    /// The elements that are answered.
    pub(super) fn len(&self) -> usize {
        self.header[2] as usize
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bits = answer_bits(PLAINTEXT_BITS, self.parameters.degree());
        let size_bytes = self.polynomials.len() * self.parameters.degree() * (bits.0 + bits.1) as usize / 8;
        let mut writer = Writer::new(MessageKind::VectorAnswer, &self.header, size_bytes);
        self.polynomials.iter().for_each(|polynomial| polynomial.write(&mut writer, bits));
        writer.finish()
    }

    /// Reads the answer that is expected for so many elements.
    ///
    /// # Errors
    /// Where the bytes are of another kind, ring, dimension or length, or the elements are more than one product may have.
    pub fn from_bytes(vectors: &Vectors, len: usize, bytes: &[u8]) -> Result<VectorAnswer, LatticeError> {
        let (header, parameters) = (vectors.header(len)?, &vectors.parameters);
        let mut reader = Reader::new(MessageKind::VectorAnswer, &header, bytes, vectors.answer_bytes(len))?;
        let (bits, degree) = (answer_bits(PLAINTEXT_BITS, parameters.degree()), parameters.degree());
        let polynomials = (0..vectors.polynomials(len))
            .map(|_| Switched::read(&mut reader, bits, (degree, degree)))
            .collect();
        Ok(VectorAnswer { parameters: parameters.clone(), header, polynomials })
    }
}

impl std::fmt::Debug for VectorQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VectorQuery({} elements)", self.len())
    }
}

impl std::fmt::Debug for VectorAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VectorAnswer({} elements)", self.len())
    }
}
