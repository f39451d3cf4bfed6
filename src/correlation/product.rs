//! Masks and shares of their products: multiplication triples in pieces (Beaver, "Efficient Multiparty Protocols Using
//! Circuit Randomization", CRYPTO 1991; matrices and reused masks as in Mohassel and Zhang, "SecureML", S&P 2017).
//!
//! **Functionality.** A *mask* is a uniform matrix of which each named party draws a part; where one party draws it
//! alone, that party knows it. A *product* is a pair of shares of Σ A_κ·B_κ over masks, elementwise or of matrices.
//!
//! **Steps of the dealer.** Draw the parts of the masks and C_0; send C_1 = Σ A_κ·B_κ − C_0 to party 1.
//! **Bytes.** One element for each element of a product, to party 1 only; none for masks. **Rounds.** One message,
//! before the inputs.
//!
//! A party's share of a product of masks is where its share of the values' product is then accumulated, so it is booked
//! under shares.

use super::{Acquisition, DRAWS, EntryId, IS_SENT, Part, Writer};
use crate::ring::Shape;
use crate::share::{Parties, PartyId};
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass, StepList};
use serde::{Deserialize, Serialize};

/// The product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Elementwise, broadcasting.
    Elementwise,
    /// Of matrices.
    Matrix,
}

impl Product {
    /// The shape of the product, if the factors fit.
    pub fn shape(self, left: Shape, right: Shape) -> Option<Shape> {
        match self {
            Product::Elementwise => left.broadcast(right),
            Product::Matrix => (left.cols == right.rows).then_some(Shape::new(left.rows, right.cols)),
        }
    }

    /// out (+)= Σ left · right, as a kernel.
    pub fn kernel(
        self,
        out: Matrix<BufferId>,
        terms: Vec<(Matrix<BufferId>, Matrix<BufferId>)>,
        accumulate: bool,
    ) -> Action {
        Action::Kernel(match self {
            Product::Elementwise => Kernel::Hadamard { out, terms, accumulate },
            Product::Matrix => Kernel::Gemm { out, terms, accumulate },
        })
    }
}

/// A mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSpec {
    /// Its shape.
    pub shape: Shape,
    /// Who draws a part of it.
    pub parts: Parties,
}

/// A sum of products of masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductSpec {
    /// The product.
    pub product: Product,
    /// The shape of the sum.
    pub shape: Shape,
    /// Its factors: earlier entries of the demand, each a mask.
    pub terms: Vec<(EntryId, EntryId)>,
}

/// A party's share of a product of masks, consumed by move.
#[derive(Debug)]
pub struct ProductShare(pub Matrix<BufferId>);

impl MaskSpec {
    pub(super) fn malformed(&self) -> Option<&'static str> {
        let two = Parties::from_iter([DRAWS, IS_SENT]);
        let valid = !self.parts.is_empty() && self.parts.union(two) == two;
        (!valid).then_some("a mask that no party draws")
    }

    /// The step by which `party` comes by its part, if it has one.
    pub fn acquire(
        &self,
        list: &mut StepList,
        acquisition: Acquisition,
        party: PartyId,
    ) -> Option<Matrix<BufferId>> {
        let mut writer = Writer { list, acquisition };
        let mut draw = || writer.draw(self.shape, party, Part::Mask, MemoryClass::Correlations);
        self.parts.contains(party).then(&mut draw)
    }

    /// The dealer's steps: the whole mask.
    pub(super) fn deal(&self, list: &mut StepList, acquisition: Acquisition) -> Matrix<BufferId> {
        let mut writer = Writer { list, acquisition };
        let class = MemoryClass::Correlations;
        let parts =
            self.parts.iter().map(|party| writer.draw(self.shape, party, Part::Mask, class)).collect();
        writer.total(self.shape, parts)
    }
}

impl ProductSpec {
    /// `mask` gives the shape of an earlier entry that is a mask.
    pub(super) fn malformed(&self, mask: impl Fn(EntryId) -> Option<Shape>) -> Option<&'static str> {
        if self.terms.is_empty() {
            return Some("a product without factors");
        }
        for &(left, right) in &self.terms {
            let Some((left, right)) = mask(left).zip(mask(right)) else {
                return Some("a factor that is no earlier mask");
            };
            if self.product.shape(left, right) != Some(self.shape) {
                return Some("factors whose shapes do not fit");
            }
        }
        None
    }

    /// The step by which `party` comes by its share.
    pub fn acquire(&self, list: &mut StepList, acquisition: Acquisition, party: PartyId) -> ProductShare {
        let mut writer = Writer { list, acquisition };
        ProductShare(writer.dependent(self.shape, party, Part::Product, MemoryClass::Shares, 0))
    }

    /// The dealer's steps; `mask` gives an earlier mask.
    pub(super) fn deal(
        &self,
        list: &mut StepList,
        acquisition: Acquisition,
        mask: impl Fn(EntryId) -> Matrix<BufferId>,
    ) {
        let mut writer = Writer { list, acquisition };
        let product = writer.buffer(self.shape, MemoryClass::Correlations);
        for (index, &(left, right)) in self.terms.iter().enumerate() {
            writer.push(self.product.kernel(product, vec![(mask(left), mask(right))], index > 0));
        }
        writer.correct_product(product);
    }
}
