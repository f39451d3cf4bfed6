//! Elements, on the host, of a ring that is chosen at run time.

use super::{CodecError, Element, FixedPoint, Ring, Shape};
use crate::memory::huge;
use std::borrow::Cow;
use std::ops::Range;
use zeroize::Zeroize;

/// A row of elements of one ring: the form in which values enter and leave the engine.
///
/// `Debug` shows their number, never their values. They are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Elements {
    /// Of Z_2^32.
    Z32(Vec<u32>),
    /// Of Z_2^64.
    Z64(Vec<u64>),
}

impl Elements {
    /// The numbers modulo 2^k.
    pub fn from_integers(ring: Ring, integers: impl IntoIterator<Item = u64>) -> Elements {
        match ring {
            Ring::Z32 => Elements::Z32(gathered(integers.into_iter().map(u32::from_u64))),
            Ring::Z64 => Elements::Z64(gathered(integers.into_iter())),
        }
    }

    /// Real numbers in fixed point.
    ///
    /// # Errors
    /// As [`FixedPoint::encode`].
    pub fn encode(codec: FixedPoint, values: &[f64]) -> Result<Elements, CodecError> {
        Ok(match codec.ring() {
            Ring::Z32 => Elements::Z32(codec.encode(values)?),
            Ring::Z64 => Elements::Z64(codec.encode(values)?),
        })
    }

    /// The real numbers that the elements stand for.
    ///
    /// # Panics
    /// Where `codec` is of another ring.
    pub fn decode(&self, codec: FixedPoint) -> Vec<f64> {
        assert_eq!(self.ring(), codec.ring(), "elements are decoded in their own ring");
        match self {
            Elements::Z32(elements) => codec.decode(elements),
            Elements::Z64(elements) => codec.decode(elements),
        }
    }

    /// The largest magnitude among the signed integers that the elements are; 0 where there are none.
    pub fn largest_magnitude(&self) -> u64 {
        let magnitude = |element: u64| self.ring().signed(element).unsigned_abs();
        let largest = match self {
            Elements::Z32(elements) => elements.iter().map(|&e| magnitude(e.into())).max(),
            Elements::Z64(elements) => elements.iter().map(|&e| magnitude(e)).max(),
        };
        largest.unwrap_or(0)
    }

    /// Elements from their bytes in memory.
    ///
    /// # Panics
    /// Where `bytes` is not a whole number of elements.
    pub fn from_bytes(ring: Ring, bytes: &[u8]) -> Elements {
        assert!(bytes.len().is_multiple_of(ring.element_bytes()), "a whole number of elements");
        let mut elements = Elements::zeros(ring, bytes.len() / ring.element_bytes());
        elements.bytes_mut().copy_from_slice(bytes);
        elements
    }

    /// The elements' bytes in memory, as devices and the wire take them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Elements::Z32(elements) => bytemuck::cast_slice(elements),
            Elements::Z64(elements) => bytemuck::cast_slice(elements),
        }
    }

    /// Elements of one ring, one row behind the other.
    ///
    /// # Panics
    /// Where there is no row, or rows are of different rings.
    pub fn concat(rows: &[Elements]) -> Elements {
        let ring = rows.first().expect("at least one row").ring();
        let mut all = Elements::zeros(ring, rows.iter().map(Elements::len).sum());
        let mut at = 0;
        for row in rows {
            assert_eq!(row.ring(), ring, "rows of one ring");
            let bytes = row.bytes();
            all.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        }
        all
    }

    /// `len` zeros.
    pub fn zeros(ring: Ring, len: usize) -> Elements {
        let mut elements = match ring {
            Ring::Z32 => Elements::Z32(vec![0; len]),
            Ring::Z64 => Elements::Z64(vec![0; len]),
        };
        huge::advise(elements.bytes_mut());
        elements
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Elements::Z32(elements) => bytemuck::cast_slice_mut(elements),
            Elements::Z64(elements) => bytemuck::cast_slice_mut(elements),
        }
    }

    /// The bytes of the `block` that begins at row and column `at` of these elements as a matrix of `shape`.
    ///
    /// # Panics
    /// Where the block does not lie within the matrix.
    pub fn block(&self, shape: Shape, at: (usize, usize), block: Shape) -> Cow<'_, [u8]> {
        let rows = block_rows(self.ring(), shape, at, block);
        if block.cols == shape.cols || block.rows <= 1 {
            let start = rows.clone().next().map_or(0, |row| row.start);
            return Cow::Borrowed(&self.bytes()[start..start + block.len() * self.ring().element_bytes()]);
        }
        let mut bytes = Vec::with_capacity(block.len() * self.ring().element_bytes());
        rows.for_each(|row| bytes.extend_from_slice(&self.bytes()[row]));
        Cow::Owned(bytes)
    }

    /// Writes the bytes of a block to where [`Elements::block`] reads it.
    ///
    /// # Panics
    /// Where the block does not lie within the matrix, or has another size.
    pub fn set_block(&mut self, shape: Shape, at: (usize, usize), block: Shape, bytes: &[u8]) {
        let ring = self.ring();
        assert_eq!(bytes.len(), block.len() * ring.element_bytes(), "the block's bytes");
        let own = self.bytes_mut();
        let row_bytes = block.cols * ring.element_bytes();
        for (index, row) in block_rows(ring, shape, at, block).enumerate() {
            own[row].copy_from_slice(&bytes[index * row_bytes..(index + 1) * row_bytes]);
        }
    }

    /// The ring.
    pub const fn ring(&self) -> Ring {
        match self {
            Elements::Z32(_) => Ring::Z32,
            Elements::Z64(_) => Ring::Z64,
        }
    }

    /// The number of elements.
    pub const fn len(&self) -> usize {
        match self {
            Elements::Z32(elements) => elements.len(),
            Elements::Z64(elements) => elements.len(),
        }
    }

    /// True where there is no element.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The representatives in 0..2^k.
    pub fn to_u64(&self) -> Vec<u64> {
        match self {
            Elements::Z32(elements) => elements.iter().map(|&e| u64::from(e)).collect(),
            Elements::Z64(elements) => elements.clone(),
        }
    }
}

/// Collects all of them, and leaves no copy behind where there are more than was foreseen.
fn gathered<E: Element>(elements: impl Iterator<Item = E>) -> Vec<E> {
    const LEAST: usize = 16;
    let room = |count: usize| {
        let mut room = Vec::with_capacity(count.max(LEAST));
        huge::advise(room.spare_capacity_mut());
        room
    };
    let mut all: Vec<E> = room(elements.size_hint().0);
    for element in elements {
        if all.len() == all.capacity() {
            let mut more = room(2 * all.len());
            more.extend_from_slice(&all);
            bytemuck::cast_slice_mut::<E, u8>(&mut all).zeroize();
            all = more;
        }
        all.push(element);
    }
    all
}

/// The byte range of each row of a block within a matrix.
fn block_rows(
    ring: Ring,
    shape: Shape,
    (row, col): (usize, usize),
    block: Shape,
) -> impl Iterator<Item = Range<usize>> + Clone {
    assert!(row + block.rows <= shape.rows && col + block.cols <= shape.cols, "a block within its matrix");
    let element_bytes = ring.element_bytes();
    (row..row + block.rows).map(move |row| {
        let start = (row * shape.cols + col) * element_bytes;
        start..start + block.cols * element_bytes
    })
}

impl Drop for Elements {
    fn drop(&mut self) {
        // Slices are wiped at once, a vector element by element.
        match self {
            Elements::Z32(elements) => elements.as_mut_slice().zeroize(),
            Elements::Z64(elements) => elements.as_mut_slice().zeroize(),
        }
    }
}

impl std::fmt::Debug for Elements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Elements({} of {} bits)", self.len(), self.ring().bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_and_written_where_they_lie() {
        let shape = Shape::new(3, 4);
        let matrix = Elements::from_integers(Ring::Z32, 0..12);
        let block = Shape::new(2, 2);
        let bytes = matrix.block(shape, (1, 1), block);
        assert_eq!(Elements::from_bytes(Ring::Z32, &bytes).to_u64(), [5, 6, 9, 10]);
        let mut copy = Elements::zeros(Ring::Z32, 12);
        copy.set_block(shape, (1, 1), block, &bytes);
        assert_eq!(copy.to_u64(), [0, 0, 0, 0, 0, 5, 6, 0, 0, 9, 10, 0]);
        assert!(matrix.block(shape, (3, 0), Shape::new(0, 4)).is_empty());
        assert_eq!(matrix.block(shape, (1, 0), Shape::new(2, 4)).len(), 32);
    }
}
