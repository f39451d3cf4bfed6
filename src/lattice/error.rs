//! What is wrong with a message, or with a product that is asked for.

use crate::ring::{Element, Ring};

/// The messages of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A public key and Galois keys.
    Keys,
    /// An encrypted factor.
    Query,
    /// An encrypted, masked product.
    Answer,
    /// An encrypted vector.
    VectorQuery,
    /// An encrypted, masked vector of products.
    VectorAnswer,
}

impl MessageKind {
    /// The message's name in errors.
    pub const fn name(self) -> &'static str {
        match self {
            MessageKind::Keys => "the keys",
            MessageKind::Query => "the query",
            MessageKind::Answer => "the answer",
            MessageKind::VectorQuery => "the query of a vector",
            MessageKind::VectorAnswer => "the answer of a vector",
        }
    }
}

/// A product that cannot be, or a peer's message that is malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatticeError {
    /// The operating system has no entropy to give.
    #[error("the operating system has no entropy to give")]
    NoEntropy,
    /// No layout keeps the noise of a product within what the parameters cover, or a matrix has too many elements.
    #[error("a product of {rows}x{inner} by {inner}x{cols} is more than the parameters cover: cut it")]
    TooLarge {
        /// Rows of the left factor.
        rows: usize,
        /// The inner size.
        inner: usize,
        /// Columns of the right factor.
        cols: usize,
    },
    /// A factor has another number of elements than the layout says.
    #[error("a factor has {actual} elements, and the layout takes {expected}")]
    Factor {
        /// By the layout.
        expected: usize,
        /// As it is.
        actual: usize,
    },
    /// So many elementwise products would tell more of the other's vector than 2^−40: a product of vectors is cut then, and
    /// the pieces' distances add up.
    #[error("{elements} elements are more than the {most} that one product of vectors hides: cut it")]
    TooManyElements {
        /// Elements that were asked for.
        elements: usize,
        /// The most of one product over this ring.
        most: usize,
    },
    /// Elements are of another ring than the product.
    #[error("elements are of Z_2^{given}, and the product is over Z_2^{expected}")]
    Elements {
        /// Bits of the product's ring.
        expected: u32,
        /// Bits of the elements' ring.
        given: u32,
    },
    /// A layout is of another ring or dimension than the keys or parameters it is used with.
    #[error("the layout is of another ring or dimension than the keys")]
    Layout,
    /// The tables of elementwise products are of another dimension than the keys, or the keys are those of Z_2^32.
    #[error("the tables of elementwise products are of other parameters than the keys")]
    Tables,
    /// A message's first bytes are not those that are expected: of another kind, ring, dimension or layout.
    #[error("{} of lattices is of another kind, ring, dimension or layout", .0.name())]
    Header(MessageKind),
    /// A message has another length.
    #[error("{} of lattices has {actual} bytes, and {expected} are expected", .message.name())]
    Length {
        /// The message.
        message: MessageKind,
        /// Bytes by the parameters and the layout.
        expected: usize,
        /// Bytes as it is.
        actual: usize,
    },
    /// A coefficient is not below its modulus.
    #[error("coefficient {index} of {} of lattices is not below its modulus", .message.name())]
    Coefficient {
        /// The message.
        message: MessageKind,
        /// Which coefficient, counted over the whole message.
        index: usize,
    },
    /// The key holder has sent no Galois key for a shift that the layout needs.
    #[error("the keys of lattices have no Galois key for a shift by {0}")]
    NoGaloisKey(usize),
}

/// Refuses elements of another ring than the product's.
pub(super) fn same_ring<E: Element>(ring: Ring) -> Result<(), LatticeError> {
    if E::RING == ring {
        return Ok(());
    }
    Err(LatticeError::Elements { expected: ring.bits(), given: E::RING.bits() })
}
