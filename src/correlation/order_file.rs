//! The file of a stored order: what a dealer would send to one party, made ahead of time.
//!
//! A file is a header of 144 bytes and chunks, the last of which is empty; all numbers are little-endian:
//!
//! | bytes | header | |
//! |---|---|---|
//! | 0..8 | `symbolon` | |
//! | 8..12 | version | 1 |
//! | 12 | party | whose file it is |
//! | 13 | ring | 32 or 64, its bits |
//! | 14 | lowering | of the programs that it is for: 0 as for a dealer, 1 as for two parties that make correlations themselves |
//! | 15 | zero | |
//! | 16..32 | store | which store it is of: random |
//! | 32..36 | order | its number within the store |
//! | 36..40 | zero | |
//! | 40..48 | side | of the tiles that the demand was planned with; 2^64 − 1 where matrices stay whole |
//! | 48..80 | demand | the digest of the demand that the order satisfies |
//! | 80..112 | key | the party's generator key |
//! | 112..144 | tag 0 | |
//!
//! | bytes | chunk | |
//! |---|---|---|
//! | 0..4 | length | of the pieces, in bytes; 0 ends the file |
//! | … | pieces | for each, its message, its length as `u32` and where it lies within the message as `u64`, and its bytes |
//! | 32 | tag i | of the i-th chunk, from 1 |
//!
//! **Tags** are BLAKE3 keyed by the file's key, over the number of the tag as `u64` and the length and pieces of the
//! chunk. The file's key is derived from the store's key, which the dealer and the party share, and bytes 0 to 112: so a
//! file that was altered, cut, put together from others or is another party's is refused, chunk by chunk, before any of
//! it is used.
//!
//! **Secrets.** The key and the pieces are; a file is to be read by its party alone. Who knows both parties' files of an
//! order knows every mask of the run that uses it.

use super::LoweredFor;
use crate::memory::wipe::Wiped;
use crate::ring::Ring;
use crate::ring::prg::PrgKey;
use crate::share::PartyId;
use crate::step::MessageId;
use bytes::{Buf, Bytes};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 144;

/// Where the generator key lies in a file.
pub const KEY_BYTES: std::ops::Range<usize> = 80..112;

/// Most bytes of a chunk's pieces: one piece as large as any, with what is before it.
pub const MOST_CHUNK_BYTES: usize = (1 << 20) + PIECE_HEADER_BYTES;

const MAGIC: &[u8; 8] = b"symbolon";
const VERSION: u32 = 1;
/// By number.
const LOWERINGS: [LoweredFor; 2] = [LoweredFor::Dealer, LoweredFor::Pair];
const PIECE_HEADER_BYTES: usize = 16;
const TAG_BYTES: usize = blake3::OUT_LEN;
const KEY_CONTEXT: &str = "symbolon stored order v1";

/// The store's name, drawn at random for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

/// The key of one party's part of a store, which the dealer and that party share. It is never printed, and wiped when
/// dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

/// The purpose of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderHeader {
    /// The party whose file it is.
    pub party: PartyId,
    /// The ring of all elements.
    pub ring: Ring,
    /// The store that it is of.
    pub store: StoreId,
    /// Its number there.
    pub order: u32,
    /// The side of the tiles that the demand was planned with.
    pub tile_side: u64,
    /// For whom the programs are lowered that it is for.
    pub lowered_for: LoweredFor,
    /// The digest of the demand, see [`super::Demand::digest`].
    pub demand: [u8; 32],
}

/// A part of a message from the dealer.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// The message.
    pub message: MessageId,
    /// Where the bytes lie within it.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// Why a file is no order for this party.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(String),
    /// It does not begin as an order does.
    #[error("it is no stored order")]
    NoOrder,
    /// It was written by another version.
    #[error("it has format {found}, this program reads format {VERSION}")]
    Version {
        /// Which.
        found: u32,
    },
    /// It ends before its end.
    #[error("it is cut short")]
    Cut,
    /// A tag is wrong.
    #[error("it was altered, in {}, or is not of this store and party", place(*.tag))]
    Altered {
        /// Which tag: 0 is the header's.
        tag: u64,
    },
    /// It has what no dealer writes.
    #[error("it has {0}")]
    Malformed(&'static str),
}

fn place(tag: u64) -> String {
    if tag == 0 { "its header".to_owned() } else { format!("chunk {tag}") }
}

impl StoreKey {
    /// A fresh key from the operating system's entropy.
    ///
    /// # Errors
    /// Where the operating system has no entropy to give.
    pub fn from_entropy() -> Result<StoreKey, getrandom::Error> {
        let mut key = StoreKey([0; 32]);
        getrandom::fill(&mut key.0)?;
        Ok(key)
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> StoreKey {
        StoreKey(bytes)
    }

    /// The key's bytes, to be kept where its party alone reads them.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl StoreId {
    /// A new store's.
    ///
    /// # Errors
    /// Where the operating system has no entropy to give.
    pub fn from_entropy() -> Result<StoreId, getrandom::Error> {
        let mut id = StoreId([0; 16]);
        getrandom::fill(&mut id.0)?;
        Ok(id)
    }
}

impl OrderHeader {
    /// Bytes 0 to 80.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        let lowering = LOWERINGS.iter().position(|lowering| *lowering == self.lowered_for);
        let lowering = lowering.expect("every lowering has a number") as u8;
        bytes.extend([self.party.0, self.ring.bits() as u8, lowering, 0]);
        bytes.extend(self.store.0);
        bytes.extend(self.order.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.tile_side.to_le_bytes());
        bytes.extend(self.demand);
        bytes
    }

    fn parse(mut bytes: &[u8]) -> Result<OrderHeader, OrderError> {
        if bytes.get(..8) != Some(MAGIC) {
            return Err(OrderError::NoOrder);
        }
        bytes.advance(8);
        match bytes.get_u32_le() {
            VERSION => {}
            found => return Err(OrderError::Version { found }),
        }
        let party = PartyId(bytes.get_u8());
        let ring = Ring::from_bits(bytes.get_u8().into());
        let ring = ring.map_err(|_| OrderError::Malformed("elements of no ring"))?;
        let lowered_for = LOWERINGS.get(usize::from(bytes.get_u8())).copied();
        let lowered_for = lowered_for.ok_or(OrderError::Malformed("a lowering that does not exist"))?;
        let zeros = u32::from(bytes.get_u8());
        let mut store = StoreId([0; 16]);
        bytes.copy_to_slice(&mut store.0);
        let order = bytes.get_u32_le();
        let zeros = zeros | bytes.get_u32_le();
        let tile_side = bytes.get_u64_le();
        let mut demand = [0; 32];
        bytes.copy_to_slice(&mut demand);
        if zeros != 0 {
            return Err(OrderError::Malformed("header fields that do not exist"));
        }
        Ok(OrderHeader { party, ring, store, order, tile_side, lowered_for, demand })
    }
}

/// The tags of one file.
struct Tags {
    key: [u8; 32],
    next: u64,
}

impl Drop for Tags {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Tags {
    /// `header` is all of a header but its tag.
    fn new(store: &StoreKey, header: &[u8]) -> Tags {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
        hasher.update(&store.0).update(header);
        Tags { key: *hasher.finalize().as_bytes(), next: 0 }
    }

    fn next(&mut self, length: &[u8], pieces: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.next.to_le_bytes()).update(length).update(pieces);
        self.next += 1;
        hasher.finalize()
    }

    /// Holds the next tag against what a file says it is; the comparison takes the same time wherever they differ.
    fn check(&mut self, length: &[u8], pieces: &[u8], found: [u8; TAG_BYTES]) -> Result<(), OrderError> {
        let tag = self.next;
        if self.next(length, pieces) == blake3::Hash::from(found) {
            Ok(())
        } else {
            Err(OrderError::Altered { tag })
        }
    }
}

/// Writes an order's file.
pub struct OrderWriter<W> {
    to: W,
    tags: Tags,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> OrderWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Where `to` does not take it.
    pub fn new(
        mut to: W,
        store: &StoreKey,
        header: &OrderHeader,
        key: &PrgKey,
    ) -> Result<OrderWriter<W>, OrderError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_BYTES));
        bytes.extend(header.encode());
        bytes.extend(key.bytes());
        let mut tags = Tags::new(store, &bytes);
        to.write_all(&bytes).map_err(failed)?;
        to.write_all(tags.next(&[], &[]).as_bytes()).map_err(failed)?;
        Ok(OrderWriter { to, tags, chunk: Zeroizing::default() })
    }

    /// Writes a chunk.
    ///
    /// # Errors
    /// Where the file does not take it.
    ///
    /// # Panics
    /// Where there is no piece, or the pieces are too large for a chunk.
    pub fn chunk(&mut self, pieces: &[Piece]) -> Result<(), OrderError> {
        assert!(!pieces.is_empty(), "an empty chunk ends the file");
        self.chunk.clear();
        // At once, so that no part is left where it would have grown out of.
        self.chunk.reserve(pieces.iter().map(|piece| PIECE_HEADER_BYTES + piece.bytes.len()).sum());
        for piece in pieces {
            let length = u32::try_from(piece.bytes.len()).expect("a piece that fits a chunk");
            self.chunk.extend(piece.message.0.to_le_bytes());
            self.chunk.extend(length.to_le_bytes());
            self.chunk.extend(piece.offset.to_le_bytes());
            self.chunk.extend(&piece.bytes);
        }
        assert!(self.chunk.len() <= MOST_CHUNK_BYTES, "pieces that fit a chunk");
        self.write()
    }

    /// Writes the end, and returns what was written to.
    ///
    /// # Errors
    /// Where the file does not take it.
    pub fn finish(mut self) -> Result<W, OrderError> {
        self.chunk.clear();
        self.write()?;
        self.to.flush().map_err(failed)?;
        Ok(self.to)
    }

    fn write(&mut self) -> Result<(), OrderError> {
        let length = (self.chunk.len() as u32).to_le_bytes();
        let tag = self.tags.next(&length, &self.chunk);
        for part in [&length[..], &self.chunk, tag.as_bytes()] {
            self.to.write_all(part).map_err(failed)?;
        }
        self.chunk.zeroize();
        Ok(())
    }
}

/// Reads an order's file, chunk by chunk: what it returns has passed its tag.
pub struct OrderReader<R> {
    from: R,
    tags: Tags,
    header: OrderHeader,
    ended: bool,
}

impl<R: Read> OrderReader<R> {
    /// Reads the header and the generator key.
    ///
    /// # Errors
    /// Where there is none, or it does not pass its tag.
    pub fn new(mut from: R, store: &StoreKey) -> Result<(OrderReader<R>, PrgKey), OrderError> {
        let mut bytes = Zeroizing::new([0; HEADER_BYTES]);
        fill(&mut from, &mut *bytes).map_err(|error| match error {
            // Whatever it is, it is shorter than any order.
            OrderError::Cut => OrderError::NoOrder,
            error => error,
        })?;
        let header = OrderHeader::parse(&bytes[..KEY_BYTES.start])?;
        let (known, found) = bytes.split_at(KEY_BYTES.end);
        let mut tags = Tags::new(store, known);
        tags.check(&[], &[], found.try_into().expect("a tag is behind the key"))?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&known[KEY_BYTES]);
        Ok((OrderReader { from, tags, header, ended: false }, PrgKey::from_bytes(*key)))
    }

    /// The order's purpose.
    pub const fn header(&self) -> &OrderHeader {
        &self.header
    }

    /// The pieces of the next chunk, or `None` at the end.
    ///
    /// # Errors
    /// Where the file is cut short or altered.
    pub fn chunk(&mut self) -> Result<Option<Vec<Piece>>, OrderError> {
        if self.ended {
            return Ok(None);
        }
        let mut length = [0; 4];
        fill(&mut self.from, &mut length)?;
        let count = u32::from_le_bytes(length) as usize;
        if count > MOST_CHUNK_BYTES {
            // Before memory is taken for it: no dealer writes such a chunk.
            return Err(OrderError::Altered { tag: self.tags.next });
        }
        let mut chunk = Wiped::zeroed(count);
        fill(&mut self.from, chunk.bytes_mut())?;
        let mut tag = [0; TAG_BYTES];
        fill(&mut self.from, &mut tag)?;
        self.tags.check(&length, &chunk, tag)?;
        self.ended = chunk.is_empty();
        if self.ended {
            return if self.is_at_end()? {
                Ok(None)
            } else {
                Err(OrderError::Malformed("bytes behind its end"))
            };
        }
        pieces(chunk.into()).map(Some)
    }

    fn is_at_end(&mut self) -> Result<bool, OrderError> {
        loop {
            match self.from.read(&mut [0]) {
                Ok(count) => return Ok(count == 0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// The pieces of a chunk, which share its memory.
fn pieces(mut chunk: Bytes) -> Result<Vec<Piece>, OrderError> {
    let mut pieces = Vec::new();
    while chunk.has_remaining() {
        if chunk.remaining() < PIECE_HEADER_BYTES {
            return Err(OrderError::Malformed("a chunk that ends within a piece"));
        }
        let (message, length) = (MessageId(chunk.get_u32_le()), chunk.get_u32_le() as usize);
        let offset = chunk.get_u64_le();
        if chunk.remaining() < length {
            return Err(OrderError::Malformed("a chunk that ends within a piece"));
        }
        pieces.push(Piece { message, offset, bytes: chunk.split_to(length) });
    }
    Ok(pieces)
}

/// Bytes for fuzzing: with the tags of a file of `store` where tags belong, as far as they are a file.
#[cfg(any(test, feature = "testing"))]
pub(super) fn seal(bytes: &[u8], store: &StoreKey) -> Vec<u8> {
    let Some((known, rest)) = bytes.split_at_checked(KEY_BYTES.end) else { return bytes.to_vec() };
    let (mut sealed, mut tags) = (known.to_vec(), Tags::new(store, known));
    sealed.extend(tags.next(&[], &[]).as_bytes());
    let mut rest = rest.get(TAG_BYTES..).unwrap_or_default();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let count = u32::from_le_bytes(*length) as usize;
        let Some((pieces, behind)) = behind.split_at_checked(count) else { break };
        sealed.extend([&length[..], pieces, tags.next(length, pieces).as_bytes()].concat());
        rest = behind.get(TAG_BYTES..).unwrap_or_default();
    }
    sealed.extend(rest);
    sealed
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), OrderError> {
    from.read_exact(bytes).map_err(failed)
}

fn failed(error: std::io::Error) -> OrderError {
    match error.kind() {
        ErrorKind::UnexpectedEof => OrderError::Cut,
        _ => OrderError::Io(error.to_string()),
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({:?}, {} bytes at {})", self.message, self.bytes.len(), self.offset)
    }
}

#[cfg(test)]
mod tests;
