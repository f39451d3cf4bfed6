//! Trees of seeds of which one party has every leaf and the other all but one, which only the other knows.
//!
//! **Functionality.** For each of n trees of depth k the maker gets 2^k seeds, and the knower, who has chosen an x, all of them
//! but that of leaf x.
//!
//! **Steps** (Goldreich, Goldwasser and Micali, with the message of Boyle et al., "Efficient Two-Round OT Extension and
//! Silent Non-Interactive Secure Computation", CCS 2019, against malicious makers), with base transfers in which the knower chose the
//! complements of the bits of its x, highest first:
//! 1. The maker doubles a random root k times; for each level and side it sends the sum of the nodes of this side under the
//!    key of the base transfer. It expands each leaf to a seed and 256 bits that identify it, and sends the sum of the
//!    latter, and a hash of them all.
//! 2. The knower computes all nodes but those on the way to x, one sum a level giving the sibling of the node on it. From the
//!    sum of what identifies leaves it has that of leaf x, and holds the hash against all.
//!
//! **Bytes.** 32 k + 64 a tree, to the knower. **Rounds.** One message.
//!
//! **Security.** A maker whose sums do not belong to one tree is found out by the hash, unless it guesses bits of x: what it
//! learns is that its guess was right, the leakage that SoftSpoken's functionality has. The knower works in the same steps
//! for every x.

use super::random::{Random, SessionId};
use super::{Block, Blocks, OtError, checked};
use bytemuck::cast_slice;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

const STEP: &str = "the sums of the trees of seeds";

/// Bytes of what identifies a leaf.
const MARK_BYTES: usize = 32;

const SUM_BYTES: usize = size_of::<Block>();

/// Bytes of the message of one tree.
const fn message_bytes(depth: usize) -> usize {
    2 * depth * SUM_BYTES + 2 * MARK_BYTES
}

/// Makes `trees` trees, for base keys of `depth` transfers a tree; returns all leaves' seeds, tree by tree, and the message.
pub(super) fn make(
    session: &SessionId,
    depth: usize,
    keys: &[Block],
    random: &mut Random,
) -> (Blocks, Vec<u8>) {
    let (trees, leaves) = (keys.len() / (2 * depth), 1 << depth);
    let mut seeds = Blocks::zeroed(trees * leaves);
    let mut message = Vec::with_capacity(trees * message_bytes(depth));
    for tree in 0..trees {
        let seeds = &mut seeds[tree * leaves..][..leaves];
        seeds[0] = random.block();
        for level in 0..depth {
            let sums = double(session, tree, level, &mut seeds[..2 << level]);
            for (side, sum) in sums.into_iter().enumerate() {
                let key = keys[2 * (tree * depth + level) + side];
                message.extend((sum ^ key).bytes());
            }
        }
        let marks = mark(session, tree, seeds);
        message.extend(sum(&marks));
        message.extend(identity(session, tree, &marks));
    }
    (seeds, message)
}

/// Computes all leaves but one of each tree; the chosen keys are those of the complements of the bits of `points`, which has
/// one number a tree. In the place of leaf x is a seed that means nothing.
pub(super) fn know(
    session: &SessionId,
    depth: usize,
    points: &[u8],
    chosen: &[Block],
    message: &[u8],
) -> Result<Blocks, OtError> {
    let leaves = 1 << depth;
    let message = checked(message, points.len() * message_bytes(depth), STEP)?;
    let mut seeds = Blocks::zeroed(points.len() * leaves);
    let mut valid = subtle::Choice::from(1);
    for (tree, (&point, message)) in points.iter().zip(message.chunks(message_bytes(depth))).enumerate() {
        let seeds = &mut seeds[tree * leaves..][..leaves];
        let (sums, marked) = message.split_at(2 * depth * SUM_BYTES);
        let mut way = 0u16;
        for level in 0..depth {
            let nodes = &mut seeds[..2 << level];
            // The node on the way is zero: its children are, until one is put in.
            let computed = double(session, tree, level, nodes);
            let bit = u16::from(point >> (depth - 1 - level) & 1);
            let sums = &sums[2 * level * SUM_BYTES..][..2 * SUM_BYTES];
            let sides: [Block; 2] = [0, 1].map(|side| {
                let sum = sums[side * SUM_BYTES..][..SUM_BYTES].try_into().expect("a sum");
                Block::from_bytes(sum) ^ computed[side]
            });
            let other = 1 - bit;
            let key = chosen[tree * depth + level];
            let other_mask = Block::mask(other == 1);
            let missing = key ^ sides[0] ^ (other_mask & (sides[0] ^ sides[1]));
            for (index, node) in (0u16..).zip(nodes.iter_mut()) {
                let child = Block::mask(index.ct_eq(&(2 * way + other)).into());
                let off_way = Block::mask((!index.ct_eq(&(2 * way + bit))).into());
                // What was computed from zero in their place is in the sum, and leaves it here.
                *node = (*node ^ (child & missing)) & off_way;
            }
            way = 2 * way + bit;
        }
        let mut marks = mark(session, tree, seeds);
        let (total, id) = marked.split_at(MARK_BYTES);
        let computed = sum(&marks);
        for (index, mark) in (0u16..).zip(marks.iter_mut()) {
            let is_missing = index.ct_eq(&u16::from(point));
            for (byte, mark) in mark.iter_mut().enumerate() {
                // The sum of the others is the computed one less the mark of zeros.
                let others = computed[byte] ^ *mark;
                mark.conditional_assign(&(total[byte] ^ others), is_missing);
            }
        }
        valid &= identity(session, tree, &marks).ct_eq(id);
    }
    if bool::from(valid) { Ok(seeds) } else { Err(OtError::Check { step: STEP }) }
}

/// Doubles the first half of `nodes`, which are a level, into all of them; returns the sums of the left and the right ones.
fn double(session: &SessionId, tree: usize, level: usize, nodes: &mut [Block]) -> [Block; 2] {
    let mut sums = [Block::ZERO; 2];
    for parent in (0..nodes.len() / 2).rev() {
        let mut hasher = session.hasher("symbolon 2026-11 trees of seeds, children");
        hasher.update(&[tree as u8, level as u8]).update(&nodes[parent].bytes());
        let mut children = Zeroizing::new([0; 2 * SUM_BYTES]);
        hasher.finalize_xof().fill(&mut *children);
        for side in [0, 1] {
            let bytes = children[side * SUM_BYTES..][..SUM_BYTES].try_into().expect("half of them");
            nodes[2 * parent + side] = Block::from_bytes(bytes);
            sums[side] ^= nodes[2 * parent + side];
        }
    }
    sums
}

/// Replaces the leaves by the seeds that they expand to; returns what identifies them.
fn mark(session: &SessionId, tree: usize, leaves: &mut [Block]) -> Zeroizing<Vec<[u8; MARK_BYTES]>> {
    let mut marks = Zeroizing::new(Vec::with_capacity(leaves.len()));
    for (leaf, node) in leaves.iter_mut().enumerate() {
        let mut hasher = session.hasher("symbolon 2026-11 trees of seeds, leaf");
        hasher.update(&[tree as u8, leaf as u8]).update(&node.bytes());
        let mut expanded = Zeroizing::new([0; SUM_BYTES + MARK_BYTES]);
        hasher.finalize_xof().fill(&mut *expanded);
        let (seed, mark) = expanded.split_at(SUM_BYTES);
        *node = Block::from_bytes(seed.try_into().expect("a seed"));
        marks.push(mark.try_into().expect("a mark"));
    }
    marks
}

fn sum(marks: &[[u8; MARK_BYTES]]) -> [u8; MARK_BYTES] {
    let mut sum = [0; MARK_BYTES];
    for mark in marks {
        for (sum, byte) in sum.iter_mut().zip(mark) {
            *sum ^= byte;
        }
    }
    sum
}

/// The hash of what identifies the leaves of a tree.
fn identity(session: &SessionId, tree: usize, marks: &[[u8; MARK_BYTES]]) -> [u8; MARK_BYTES] {
    let mut hasher = session.hasher("symbolon 2026-11 trees of seeds, identity");
    hasher.update(&[tree as u8]).update(cast_slice(marks));
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{SESSION, random};

    /// What a trusted party would give in the base transfers, for the points of trees.
    fn base(depth: usize, points: &[u8]) -> (Blocks, Blocks) {
        let keys = random(1).blocks(2 * depth * points.len());
        let mut chosen = Blocks::zeroed(depth * points.len());
        for (index, key) in chosen.iter_mut().enumerate() {
            let bit = points[index / depth] >> (depth - 1 - index % depth) & 1;
            *key = keys[2 * index + usize::from(1 - bit)];
        }
        (keys, chosen)
    }

    #[test]
    fn all_leaves_but_one_are_known() {
        for depth in 1..=8 {
            let last = ((1u16 << depth) - 1) as u8;
            let points = [0, last, last / 3];
            let (keys, chosen) = base(depth, &points);
            let (seeds, message) = make(&SESSION, depth, &keys, &mut random(2));
            assert_eq!(message.len(), 3 * (32 * depth + 64), "as the formula says");
            let known = know(&SESSION, depth, &points, &chosen, &message).expect("an honest maker");
            for (index, (seed, known)) in seeds.iter().zip(known.iter()).enumerate() {
                let (tree, leaf) = (index >> depth, index & usize::from(last));
                let is_missing = leaf == usize::from(points[tree]);
                assert_eq!(seed == known, !is_missing, "leaf {leaf} of tree {tree} of depth {depth}");
            }
        }
    }

    #[test]
    fn a_maker_that_alters_a_sum_is_found_out_or_has_guessed() {
        let (depth, points) = (4, [0b0101]);
        let (keys, chosen) = base(depth, &points);
        let (_, message) = make(&SESSION, depth, &keys, &mut random(2));
        for place in 0..message.len() {
            let mut spoilt = message.clone();
            spoilt[place] ^= 1;
            let found = know(&SESSION, depth, &points, &chosen, &spoilt);
            let (level, side) = (place / 32, place / 16 % 2);
            // A sum of the side that x is on is not used.
            let is_used = level >= depth || side != usize::from(points[0] >> (depth - 1 - level) & 1);
            assert_eq!(found.is_err(), is_used, "byte {place}");
        }
        let error = know(&SESSION, depth, &points, &chosen, &message[..9]).expect_err("too short");
        assert_eq!(error, OtError::Length { step: STEP, expected: 192, found: 9 });
    }
}
