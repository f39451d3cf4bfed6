use super::{Sha2, aes128, sha2};
use crate::circuit::Circuit;

/// The bits of bytes, as circuits take them.
fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).map(move |at| byte >> at & 1 != 0)).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).expect("digits"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
}

fn result(circuit: &Circuit, inputs: &[u8]) -> Vec<u8> {
    let found = circuit.evaluate(&bits(inputs));
    found.chunks(8).map(|byte| byte.iter().rev().fold(0, |value, &bit| value << 1 | u8::from(bit))).collect()
}

/// FIPS 197 (2001), Appendices B and C.1.
#[test]
fn aes_has_the_published_vectors() {
    let circuit = aes128();
    assert_eq!(circuit.and_count(), 6400);
    for (key, block, expected) in [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "3243f6a8885a308d313198a2e0370734",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
    ] {
        assert_eq!(result(&circuit, &[hex(key), hex(block)].concat()), hex(expected));
    }
}

/// FIPS 180-2, Appendices B and C: one block and two, for each function.
#[test]
fn hashes_have_the_published_vectors() {
    let short = &b"abc"[..];
    let long_256 = &b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"[..];
    let long_512 = &b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"[..];
    let cases = [
        (Sha2::Sha256, short, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Sha2::Sha256, long_256, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        (
            Sha2::Sha512,
            short,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            Sha2::Sha512,
            long_512,
            "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
        ),
    ];
    for (function, message, expected) in cases {
        let circuit = sha2(function, 2, message.len() - 2);
        assert_eq!(result(&circuit, message), hex(expected), "{function:?} of {} bytes", message.len());
    }
}

/// No more than the circuits that the field has: 22,573 and 57,947 AND gates a block.
#[test]
fn hashes_have_few_gates() {
    for (function, bytes, most) in [(Sha2::Sha256, 32, 22_573), (Sha2::Sha512, 64, 57_947)] {
        let found = sha2(function, bytes, 0).and_count();
        assert!(found <= most, "{found} AND gates of {function:?}");
    }
}
