//! The readers of demands and of stored orders, for fuzzing: none may panic, or take memory that the bytes do not pay for.

use super::order_file::{OrderReader, StoreKey, seal};
use super::{Demand, dealer};

/// Reads the bytes as an order: as they are, and with all tags put right, as somebody who has the key could write them.
pub fn order(bytes: &[u8]) {
    let key = StoreKey::from_bytes([7; 32]);
    for bytes in [bytes, &seal(bytes, &key)] {
        let Ok((mut reader, _)) = OrderReader::new(bytes, &key) else { continue };
        let mut read = 0;
        while let Ok(Some(pieces)) = reader.chunk() {
            read += pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        }
        assert!(read <= bytes.len(), "no more is read than there is");
    }
}

/// Reads the bytes as a demand, and makes the dealer's steps for it.
pub fn demand(bytes: &[u8]) {
    let Ok(demand) = serde_json::from_slice::<Demand>(bytes) else { return };
    let read = demand.check();
    let dealt = dealer::deal(&demand);
    assert_eq!(read.is_ok(), dealt.is_ok(), "what passes is dealt");
}

#[cfg(test)]
mod tests {
    use crate::testing::corpus;

    #[test]
    fn orders_of_the_corpus_are_survived() {
        corpus("stored_order", super::order);
    }

    #[test]
    fn demands_of_the_corpus_are_survived() {
        corpus("demand", super::demand);
    }
}
