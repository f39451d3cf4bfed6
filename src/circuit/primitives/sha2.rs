//! SHA-256 and SHA-512 (FIPS 180-4, "Secure Hash Standard", Sections 4 to 6) of messages of whole bytes.
//!
//! Ch and Maj cost an AND a bit each: g ⊕ (e ∧ (f ⊕ g)), and c ⊕ ((a ⊕ c) ∧ (b ⊕ c)). The sums of a round are each one
//! addition of many words, of which only the last hands carries on.

use crate::circuit::Circuit;
use crate::circuit::builder::Builder;
use crate::circuit::gate::Bit;
use crate::circuit::word::shift::{rotated_right, shifted_right};
use crate::circuit::word::{Sign, Word, constant};
use crate::share::{Parties, PartyId};

/// Which of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha2 {
    /// SHA-256: words of 32 bits, blocks of 64 bytes.
    Sha256,
    /// SHA-512: words of 64 bits, blocks of 128 bytes.
    Sha512,
}

/// The square roots of the first 8 primes, 64 bits behind the point: where hashing starts (Sections 5.3.3 and 5.3.5).
const INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The cube roots of the first 80 primes, 64 bits behind the point: the constants of the rounds (Sections 4.2.2 and 4.2.3).
const ROUND: [u64; 80] = [
    0x428a_2f98_d728_ae22,
    0x7137_4491_23ef_65cd,
    0xb5c0_fbcf_ec4d_3b2f,
    0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538,
    0x59f1_11f1_b605_d019,
    0x923f_82a4_af19_4f9b,
    0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242,
    0x1283_5b01_4570_6fbe,
    0x2431_85be_4ee4_b28c,
    0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f,
    0x80de_b1fe_3b16_96b1,
    0x9bdc_06a7_25c7_1235,
    0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2,
    0xefbe_4786_384f_25e3,
    0x0fc1_9dc6_8b8c_d5b5,
    0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275,
    0x4a74_84aa_6ea6_e483,
    0x5cb0_a9dc_bd41_fbd4,
    0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab,
    0xa831_c66d_2db4_3210,
    0xb003_27c8_98fb_213f,
    0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2,
    0xd5a7_9147_930a_a725,
    0x06ca_6351_e003_826f,
    0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc,
    0x2e1b_2138_5c26_c926,
    0x4d2c_6dfc_5ac4_2aed,
    0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de,
    0x766a_0abb_3c77_b2a8,
    0x81c2_c92e_47ed_aee6,
    0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364,
    0xa81a_664b_bc42_3001,
    0xc24b_8b70_d0f8_9791,
    0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218,
    0xd699_0624_5565_a910,
    0xf40e_3585_5771_202a,
    0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8,
    0x1e37_6c08_5141_ab53,
    0x2748_774c_df8e_eb99,
    0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63,
    0x4ed8_aa4a_e341_8acb,
    0x5b9c_ca4f_7763_e373,
    0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc,
    0x78a5_636f_4317_2f60,
    0x84c8_7814_a1f0_ab72,
    0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28,
    0xa450_6ceb_de82_bde9,
    0xbef9_a3f7_b2c6_7915,
    0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c,
    0xd186_b8c7_21c0_c207,
    0xeada_7dd6_cde0_eb1e,
    0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba,
    0x0a63_7dc5_a2c8_98a6,
    0x113f_9804_bef9_0dae,
    0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84,
    0x32ca_ab7b_40c7_2493,
    0x3c9e_be0a_15c9_bebc,
    0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6,
    0x597f_299c_fc65_7e2a,
    0x5fcb_6fab_3ad6_faec,
    0x6c44_198c_4a47_5817,
];

/// A rotation's amounts: three rotations, or two and a shift.
type Amounts = [usize; 3];

impl Sha2 {
    /// Bits of a word.
    const fn word_bits(self) -> usize {
        match self {
            Sha2::Sha256 => 32,
            Sha2::Sha512 => 64,
        }
    }

    const fn rounds(self) -> usize {
        match self {
            Sha2::Sha256 => 64,
            Sha2::Sha512 => 80,
        }
    }

    /// Of Σ0, Σ1, σ0 and σ1 (Sections 4.1.2 and 4.1.3).
    const fn amounts(self) -> [Amounts; 4] {
        match self {
            Sha2::Sha256 => [[2, 13, 22], [6, 11, 25], [7, 18, 3], [17, 19, 10]],
            Sha2::Sha512 => [[28, 34, 39], [14, 18, 41], [1, 8, 7], [19, 61, 6]],
        }
    }

    /// The constant with as many bits as a word has: those of SHA-256 are the upper halves.
    fn constant(self, value: u64) -> Word {
        constant(value >> (64 - self.word_bits()), self.word_bits())
    }
}

/// The circuit of a hash of party 0's bytes followed by party 1's, which both learn.
pub fn sha2(function: Sha2, first_bytes: usize, second_bytes: usize) -> Circuit {
    let mut builder = Builder::new();
    let first = builder.input(PartyId(0), 8 * first_bytes);
    let second = builder.input(PartyId(1), 8 * second_bytes);
    let hash = builder.sha2(function, &[first, second].concat());
    builder.output(Parties::first(2), &hash);
    builder.finish()
}

impl Builder {
    /// The hash of a message.
    ///
    /// # Panics
    /// Where the message has not whole bytes.
    pub fn sha2(&mut self, function: Sha2, message: &[Bit]) -> Word {
        assert!(message.len().is_multiple_of(8), "a message of whole bytes");
        let word_bits = function.word_bits();
        let block_bits = 16 * word_bits;
        // A one, zeros, and the length as a number of two words (Section 5.1), the highest byte first.
        let mut padded = message.to_vec();
        padded.extend(constant(0x80, 8));
        while !(padded.len() + 2 * word_bits).is_multiple_of(block_bits) {
            padded.push(Bit::FALSE);
        }
        let length = (message.len() as u128).to_be_bytes();
        let length = length[16 - word_bits / 4..].iter();
        padded.extend(length.flat_map(|&byte| constant(u64::from(byte), 8)));
        let mut state: Vec<Word> = INITIAL.iter().map(|&value| function.constant(value)).collect();
        for block in padded.chunks(block_bits) {
            let words: Vec<Word> = block.chunks(word_bits).map(reversed_bytes).collect();
            state = self.compress(function, &state, words);
        }
        state.iter().flat_map(|word| reversed_bytes(word)).collect()
    }

    /// One block (Sections 6.2.2 and 6.4.2).
    fn compress(&mut self, function: Sha2, state: &[Word], mut words: Vec<Word>) -> Vec<Word> {
        let [upper_0, upper_1, lower_0, lower_1] = function.amounts();
        for at in 16..function.rounds() {
            let first = self.three(&words[at - 15], lower_0, true);
            let second = self.three(&words[at - 2], lower_1, true);
            let sum = self.sum(&[words[at - 16].clone(), words[at - 7].clone(), first, second]);
            words.push(sum);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] =
            <[Word; 8]>::try_from(state.to_vec()).expect("a state of 8 words");
        for (word, &round) in words.into_iter().zip(&ROUND) {
            let f_or_g = self.choose_words(&e, &f, &g);
            let turned = self.three(&e, upper_1, false);
            let sum = self.sum(&[h, turned, f_or_g, function.constant(round), word]);
            let majority = self.majority(&a, &b, &c);
            let turned = self.three(&a, upper_0, false);
            let next_e = self.add(&d, &sum);
            let next_a = self.sum(&[sum, turned, majority]);
            (h, g, f, e) = (g, f, e, next_e);
            (d, c, b, a) = (c, b, a, next_a);
        }
        let next = [a, b, c, d, e, f, g, h];
        state.iter().zip(&next).map(|(before, after)| self.add(before, after)).collect()
    }

    /// The exclusive or of a word rotated by the first two amounts, and rotated or shifted by the third.
    fn three(&mut self, word: &[Bit], [first, second, third]: Amounts, is_shift: bool) -> Word {
        let last = match is_shift {
            true => shifted_right(word, third, Sign::Unsigned),
            false => rotated_right(word, third),
        };
        let sum = self.xor_words(&rotated_right(word, first), &rotated_right(word, second));
        self.xor_words(&sum, &last)
    }

    /// Each bit of `a` where that of `condition` is 1, else of `b`.
    fn choose_words(&mut self, condition: &[Bit], a: &[Bit], b: &[Bit]) -> Word {
        let choose = |((&condition, &a), &b)| self.choose(condition, a, b);
        condition.iter().zip(a).zip(b).map(choose).collect()
    }

    fn majority(&mut self, a: &[Bit], b: &[Bit], c: &[Bit]) -> Word {
        let (a, b) = (self.xor_words(a, c), self.xor_words(b, c));
        let change = self.and_words(&a, &b);
        self.xor_words(c, &change)
    }
}

/// A word whose bytes stand highest first, and the other way round.
fn reversed_bytes(word: &[Bit]) -> Word {
    word.chunks(8).rev().flatten().copied().collect()
}
