//! The messages of a product: a query and its answer.

use super::answer::Switched;
use super::error::{LatticeError, MessageKind};
use super::layout::Layout;
use super::parameters::{Parameters, answer_bits};
use super::wire::{Reader, Writer};
use std::sync::Arc;

/// An encrypted factor, as it is sent.
#[derive(Clone)]
pub struct Query {
    pub(super) parameters: Arc<Parameters>,
    pub(super) layout: Layout,
    pub(super) seed: [u8; 32],
    /// c_0 of every block, in slots; block rows first.
    pub(super) polynomials: Vec<Vec<u32>>,
}

/// An encrypted product, masked by the evaluator's share.
#[derive(Clone)]
pub struct Answer {
    pub(super) parameters: Arc<Parameters>,
    pub(super) layout: Layout,
    /// Of every block of rows and group, groups of one block of rows together.
    pub(super) polynomials: Vec<Switched>,
}

impl Query {
    /// Bytes of a query of this layout.
    pub fn size_bytes(parameters: &Parameters, layout: &Layout) -> usize {
        layout.query_bytes(parameters)
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = self.layout.header();
        let size_bytes = self.layout.query_bytes(&self.parameters);
        let mut writer = Writer::new(MessageKind::Query, &header, size_bytes);
        writer.bytes(&self.seed);
        for polynomial in &self.polynomials {
            writer.polynomial(&self.parameters, polynomial);
        }
        writer.finish()
    }

    /// Reads the query that is expected for this layout.
    ///
    /// # Errors
    /// Where the bytes are of another kind, ring, dimension, layout or length, a coefficient is not below its modulus, or the
    /// layout is of other parameters.
    pub fn from_bytes(
        parameters: &Arc<Parameters>,
        layout: &Layout,
        bytes: &[u8],
    ) -> Result<Query, LatticeError> {
        layout.check(parameters)?;
        let size_bytes = layout.query_bytes(parameters);
        let mut reader = Reader::new(MessageKind::Query, &layout.header(), bytes, size_bytes)?;
        let seed = reader.bytes();
        let polynomials: Result<_, _> =
            (0..layout.queries()).map(|_| reader.polynomial(parameters)).collect();
        Ok(Query { parameters: parameters.clone(), layout: *layout, seed, polynomials: polynomials? })
    }
}

impl Answer {
    /// Bytes of an answer of this layout.
    pub fn size_bytes(parameters: &Parameters, layout: &Layout) -> usize {
        layout.answer_bytes(parameters)
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = self.layout.header();
        let size_bytes = self.layout.answer_bytes(&self.parameters);
        let mut writer = Writer::new(MessageKind::Answer, &header, size_bytes);
        let bits = answer_bits(self.parameters.ring().bits(), self.parameters.degree());
        self.polynomials.iter().for_each(|polynomial| polynomial.write(&mut writer, bits));
        writer.finish()
    }

    /// Reads the answer that is expected for this layout.
    ///
    /// # Errors
    /// Where the bytes are of another kind, ring, dimension, layout or length, or the layout is of other parameters.
    pub fn from_bytes(
        parameters: &Arc<Parameters>,
        layout: &Layout,
        bytes: &[u8],
    ) -> Result<Answer, LatticeError> {
        layout.check(parameters)?;
        let size_bytes = layout.answer_bytes(parameters);
        let mut reader = Reader::new(MessageKind::Answer, &layout.header(), bytes, size_bytes)?;
        let bits = answer_bits(parameters.ring().bits(), parameters.degree());
        let mut polynomials = Vec::new();
        for row_block in 0..layout.row_blocks() {
            for group in 0..layout.groups() {
                let places = layout.places(row_block, group).len();
                polynomials.push(Switched::read(&mut reader, bits, (places, parameters.degree())));
            }
        }
        Ok(Answer { parameters: parameters.clone(), layout: *layout, polynomials })
    }
}

impl Switched {
    /// c_1, then c_0, each filled up to a whole byte.
    pub(super) fn write(&self, writer: &mut Writer, (first, second): (u32, u32)) {
        for (numbers, bits) in [(&self.second, second), (&self.first, first)] {
            numbers.iter().for_each(|&number| writer.number(number, bits));
            writer.align();
        }
    }

    /// So many coefficients of c_0 and of c_1.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        (first, second): (u32, u32),
        (places, degree): (usize, usize),
    ) -> Switched {
        let mut numbers = |count: usize, bits: u32| -> Vec<u128> {
            let numbers = (0..count).map(|_| reader.number(bits)).collect();
            reader.align();
            numbers
        };
        let second = numbers(degree, second);
        Switched { second, first: numbers(places, first) }
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({} polynomials)", self.polynomials.len())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} polynomials)", self.polynomials.len())
    }
}
