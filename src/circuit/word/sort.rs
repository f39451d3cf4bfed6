//! Sorting networks: which rows are compared does not depend on what they hold.
//!
//! [`Builder::sort`] is Batcher's merge exchange for any number of rows (Knuth, The Art of Computer Programming, Volume 3,
//! Section 5.2.2, Algorithm M), [`Builder::merge`] his odd-even merge of two sorted lists (Section 5.3.4). Neither is
//! stable: of rows with equal keys, any may come first.

use super::{Sign, Word};
use crate::circuit::builder::Builder;
use std::ops::Range;

impl Builder {
    /// Sorts rows, the least first, by the number in these bits of each.
    ///
    /// # Panics
    /// Where rows are not of the same width or have no such bits.
    pub fn sort(&mut self, rows: &mut [Word], key: Range<usize>, sign: Sign) {
        let count = rows.len();
        let top = count.next_power_of_two() / 2;
        let mut phase = top;
        while phase > 0 {
            let (mut step, mut group, mut distance) = (top, 0, phase);
            loop {
                for at in (0..count - distance).filter(|at| at & phase == group) {
                    self.order(rows, at, at + distance, &key, sign);
                }
                if step == phase {
                    break;
                }
                (distance, group) = (step - phase, phase);
                step /= 2;
            }
            phase /= 2;
        }
    }

    /// Merges rows of which the first `split` and the others are sorted.
    ///
    /// # Panics
    /// Where rows are not of the same width or have no such bits, or there are not so many.
    pub fn merge(&mut self, rows: &mut [Word], split: usize, key: Range<usize>, sign: Sign) {
        let (first, second): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&at| at < split);
        let places = self.merge_places(rows, &first, &second, &key, sign);
        let merged: Vec<Word> = places.into_iter().map(|at| std::mem::take(&mut rows[at])).collect();
        rows.iter_mut().zip(merged).for_each(|(row, merged)| *row = merged);
    }

    /// Merges the rows at two lists of places, and says at which place each is then, in order.
    fn merge_places(
        &mut self,
        rows: &mut [Word],
        first: &[usize],
        second: &[usize],
        key: &Range<usize>,
        sign: Sign,
    ) -> Vec<usize> {
        match (first, second) {
            ([], places) | (places, []) => places.to_vec(),
            (&[a], &[b]) => {
                self.order(rows, a, b, key, sign);
                vec![a, b]
            }
            _ => {
                let every_other =
                    |places: &[usize], from| places.iter().copied().skip(from).step_by(2).collect::<Vec<_>>();
                let [odd, even] = [0, 1].map(|from| {
                    let (first, second) = (every_other(first, from), every_other(second, from));
                    self.merge_places(rows, &first, &second, key, sign)
                });
                let mut merged = vec![odd[0]];
                let (mut odd, mut even) = (odd[1..].iter(), even.iter());
                loop {
                    match (even.next(), odd.next()) {
                        (Some(&even), Some(&odd)) => {
                            self.order(rows, even, odd, key, sign);
                            merged.extend([even, odd]);
                        }
                        (Some(&alone), None) | (None, Some(&alone)) => merged.push(alone),
                        (None, None) => return merged,
                    }
                }
            }
        }
    }

    /// Exchanges two rows where the second is less than the first.
    fn order(&mut self, rows: &mut [Word], first: usize, second: usize, key: &Range<usize>, sign: Sign) {
        let is_less = self.less(&rows[second][key.clone()], &rows[first][key.clone()], sign);
        let (mut a, mut b) = (std::mem::take(&mut rows[first]), std::mem::take(&mut rows[second]));
        self.exchange(is_less, &mut a, &mut b);
        (rows[first], rows[second]) = (a, b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{signed, values};
    use super::*;

    /// By the zero-one principle a network that sorts all zeros and ones sorts everything.
    #[test]
    fn every_network_sorts_zeros_and_ones() {
        for count in 0..=9usize {
            let rows: Vec<Vec<u64>> =
                (0..1u64 << count).map(|row| (0..count).map(|at| row >> at & 1).collect()).collect();
            let found = values(&vec![1; count], &rows, |builder, words| {
                let mut words = words.to_vec();
                builder.sort(&mut words, 0..1, Sign::Unsigned);
                words
            });
            for (row, found) in rows.iter().zip(found) {
                let mut expected = row.clone();
                expected.sort();
                assert_eq!(found, expected, "{row:?}");
            }
        }
    }

    #[test]
    fn every_merge_of_sorted_zeros_and_ones_is_sorted() {
        for (first, second) in (0..6usize).flat_map(|first| (0..6usize).map(move |second| (first, second))) {
            let ones = |count: usize, ones: usize| (0..count).map(move |at| u64::from(at + ones >= count));
            let rows: Vec<Vec<u64>> = (0..=first)
                .flat_map(|a| (0..=second).map(move |b| ones(first, a).chain(ones(second, b)).collect()))
                .collect();
            let found = values(&vec![1; first + second], &rows, |builder, words| {
                let mut words = words.to_vec();
                builder.merge(&mut words, first, 0..1, Sign::Unsigned);
                words
            });
            for (row, found) in rows.iter().zip(found) {
                let mut expected = row.clone();
                expected.sort();
                assert_eq!(found, expected, "{row:?} of {first} and {second}");
            }
        }
    }

    #[test]
    fn rows_go_with_their_keys() {
        let rows: Vec<Vec<u64>> = (0..20u64)
            .map(|row| (0..7).map(|at| row.wrapping_mul(0x9e37_79b9) >> (3 * at) & 0x7ff).collect())
            .collect();
        let found = values(&[11; 7], &rows, |builder, words| {
            let mut words = words.to_vec();
            builder.sort(&mut words, 3..8, Sign::Signed);
            words
        });
        for (row, found) in rows.iter().zip(found) {
            let key = |value: &u64| signed(value >> 3 & 31, 5);
            assert!(found.is_sorted_by_key(key), "{found:?}");
            let sorted = |mut values: Vec<u64>| {
                values.sort();
                values
            };
            assert_eq!(sorted(found), sorted(row.clone()), "the same rows");
        }
    }
}
