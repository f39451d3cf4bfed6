//! Labels of wires: 128 bits that stand for a bit to whoever does not know the other.

use crate::memory::huge;
use bytemuck::{Pod, Zeroable};
use std::fmt;
use std::ops::{BitXor, BitXorAssign, Deref, DerefMut};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a label.
pub const LABEL_BYTES: usize = 16;

/// A label: little-endian, the colour its lowest bit. It is never printed.
#[derive(Clone, Copy, Default, Pod, Zeroable, Zeroize)]
#[repr(C, align(16))]
pub struct Label(pub(super) [u64; 2]);

impl Label {
    /// A label of 16 bytes, little-endian.
    pub fn from_bytes(bytes: [u8; LABEL_BYTES]) -> Label {
        let number = u128::from_le_bytes(bytes);
        Label([number as u64, (number >> 64) as u64])
    }

    /// Its bytes, little-endian.
    pub fn to_bytes(self) -> [u8; LABEL_BYTES] {
        (u128::from(self.0[1]) << 64 | u128::from(self.0[0])).to_le_bytes()
    }

    /// Its lowest bit.
    pub(super) fn colour(self) -> u8 {
        (self.0[0] & 1) as u8
    }

    /// The label where the bit is 1, zero where it is 0; without a branch.
    pub(super) fn where_bit(self, bit: u8) -> Label {
        // The compiler must not see that it is one of two.
        let mask = u64::from(std::hint::black_box(bit) & 1).wrapping_neg();
        Label(self.0.map(|word| word & mask))
    }

    /// 1 where both are equal, else 0; without a branch.
    pub(super) fn is_equal(self, other: Label) -> u8 {
        let difference = (self.0[0] ^ other.0[0]) | (self.0[1] ^ other.0[1]);
        (1 ^ ((difference | difference.wrapping_neg()) >> 63)) as u8
    }

    /// The label with its lowest bit 1.
    pub(super) fn with_colour(self) -> Label {
        Label([self.0[0] | 1, self.0[1]])
    }
}

impl BitXor for Label {
    type Output = Label;

    fn bitxor(self, other: Label) -> Label {
        Label([self.0[0] ^ other.0[0], self.0[1] ^ other.0[1]])
    }
}

impl BitXorAssign for Label {
    fn bitxor_assign(&mut self, other: Label) {
        *self = *self ^ other;
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Label(..)")
    }
}

/// Labels that are wiped when dropped. `Debug` shows how many there are.
#[derive(Default)]
pub struct Labels(Vec<Label>);

impl Labels {
    /// So many of zero, to be set.
    pub fn zeros(count: usize) -> Labels {
        let mut labels = bytemuck::zeroed_vec(count);
        huge::advise(&mut labels);
        Labels(labels)
    }

    /// None, and room for so many.
    fn with_room(count: usize) -> Labels {
        let mut labels = Vec::with_capacity(count);
        huge::advise(labels.spare_capacity_mut());
        Labels(labels)
    }

    /// So many labels, from something that does not know how many it has: none is moved, and nothing is allocated beside them.
    ///
    /// # Panics
    /// Where there are more or fewer.
    pub(super) fn exactly(count: usize, labels: impl IntoIterator<Item = Label>) -> Labels {
        let mut all = Labels::with_room(count);
        for label in labels {
            assert!(all.0.len() < count, "{count} labels, and no more");
            all.0.push(label);
        }
        assert_eq!(all.0.len(), count, "as many labels as there should be");
        all
    }

    /// The labels in bytes, where they are whole ones.
    pub fn from_bytes(bytes: &[u8]) -> Option<Labels> {
        let (labels, rest) = bytes.as_chunks::<LABEL_BYTES>();
        rest.is_empty().then(|| labels.iter().map(|&bytes| Label::from_bytes(bytes)).collect())
    }

    /// Their bytes.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LABEL_BYTES * self.len()));
        self.iter().for_each(|label| bytes.extend_from_slice(&label.to_bytes()));
        bytes
    }
}

/// From labels whose number is known beforehand, so that none moves.
impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Labels {
        let labels = labels.into_iter();
        let (least, most) = labels.size_hint();
        let mut all = Labels::with_room(most.unwrap_or(least));
        for label in labels {
            if all.0.len() == all.0.capacity() {
                let mut larger = Labels::with_room(2 * all.0.len() + 4);
                larger.0.extend_from_slice(&all.0);
                all = larger;
            }
            all.0.push(label);
        }
        all
    }
}

impl Deref for Labels {
    type Target = [Label];

    fn deref(&self) -> &[Label] {
        &self.0
    }
}

impl DerefMut for Labels {
    fn deref_mut(&mut self) -> &mut [Label] {
        &mut self.0
    }
}

impl Drop for Labels {
    fn drop(&mut self) {
        // As words: labels are wiped one by one.
        bytemuck::cast_slice_mut::<Label, u64>(&mut self.0).zeroize();
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labels({})", self.0.len())
    }
}

/// Secret bits of several evaluations: bit k of evaluation i is at k · evaluations + i. They are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Bits {
    evaluations: usize,
    bits: Zeroizing<Vec<u8>>,
}

impl Bits {
    /// Bits, each 0 or 1, of so many evaluations.
    ///
    /// # Panics
    /// Where there are not equally many of each, or one is neither 0 nor 1.
    pub fn new(evaluations: usize, bits: Vec<u8>) -> Bits {
        assert!(evaluations > 0 && bits.len().is_multiple_of(evaluations), "bits of every evaluation");
        assert!(bits.iter().fold(0, |any, bit| any | bit) <= 1, "bits are 0 or 1");
        Bits { evaluations, bits: Zeroizing::new(bits) }
    }

    /// The lowest bits of numbers: one row of numbers for each evaluation, a number for each of these widths.
    ///
    /// # Panics
    /// Where a row has not a number for each width, or there is no row.
    pub fn from_numbers(widths: &[usize], rows: &[Vec<u64>]) -> Bits {
        let mut bits = Vec::with_capacity(widths.iter().sum::<usize>() * rows.len());
        for (at, &width) in widths.iter().enumerate() {
            for bit in 0..width {
                bits.extend(rows.iter().map(|row| (row[at] >> bit & 1) as u8));
            }
        }
        Bits::new(rows.len(), bits)
    }

    /// Numbers of these widths, a row for each evaluation.
    ///
    /// # Panics
    /// Where the widths are not those of the bits, or one is above 64.
    pub fn to_numbers(&self, widths: &[usize]) -> Vec<Vec<u64>> {
        assert_eq!(widths.iter().sum::<usize>(), self.bits_each(), "the bits have these widths");
        (0..self.evaluations)
            .map(|evaluation| {
                let mut bits = self.bits.iter().skip(evaluation).step_by(self.evaluations);
                let number = |&width: &usize| {
                    (0..width).map(|at| u64::from(*bits.next().expect("a bit")) << at).sum::<u64>()
                };
                widths.iter().map(number).collect()
            })
            .collect()
    }

    /// Evaluations.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Bits of each evaluation.
    pub fn bits_each(&self) -> usize {
        self.bits.len() / self.evaluations
    }
}

impl Deref for Bits {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bits
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bits({} × {})", self.bits_each(), self.evaluations)
    }
}
