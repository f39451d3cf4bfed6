//! The types of elements in arrays: how files name them, and the numbers that their bytes are.

use super::Numbers;
use half::{bf16, f16};
use std::io::Read;
use symbolon::program::Kind;

/// A type of elements.
pub(super) struct ElementType {
    /// Its name in `.npy`, without the order of bytes; none where NumPy has no such type.
    npy: Option<&'static str>,
    /// Its name in `.safetensors`.
    safetensors: &'static str,
    /// The bytes of an element.
    pub(super) bytes: usize,
    /// The kind of numbers.
    pub(super) kind: Kind,
    /// The numbers of little-endian bytes; none where they are of no such element.
    numbers: fn(&[u8]) -> Option<Numbers>,
}

/// The numbers that a function makes of the bytes of each element.
fn each<const BYTES: usize, T>(bytes: &[u8], of: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&element| of(element)).collect()
}

/// False and true.
fn truths(bytes: &[u8]) -> Option<Numbers> {
    bytes.iter().all(|&byte| byte < 2).then(|| Numbers::Unsigned(each(bytes, |[byte]| byte.into())))
}

const fn of(
    npy: Option<&'static str>,
    safetensors: &'static str,
    (bytes, kind): (usize, Kind),
    numbers: fn(&[u8]) -> Option<Numbers>,
) -> ElementType {
    ElementType { npy, safetensors, bytes, kind, numbers }
}

/// Elements that are read at once: a file's bytes never lie beside all of its numbers.
const MOST_AT_ONCE: usize = 1 << 16;

/// All that are read.
const TYPES: [ElementType; 13] = [
    of(Some("f8"), "F64", (8, Kind::Real), |bytes| Some(Numbers::Real(each(bytes, f64::from_le_bytes)))),
    of(Some("f4"), "F32", (4, Kind::Real), |bytes| {
        Some(Numbers::Real(each(bytes, |element| f32::from_le_bytes(element).into())))
    }),
    of(Some("f2"), "F16", (2, Kind::Real), |bytes| {
        Some(Numbers::Real(each(bytes, |element| f16::from_le_bytes(element).to_f64())))
    }),
    of(None, "BF16", (2, Kind::Real), |bytes| {
        Some(Numbers::Real(each(bytes, |element| bf16::from_le_bytes(element).to_f64())))
    }),
    of(Some("i8"), "I64", (8, Kind::I64), |bytes| Some(Numbers::Signed(each(bytes, i64::from_le_bytes)))),
    of(Some("i4"), "I32", (4, Kind::I32), |bytes| {
        Some(Numbers::Signed(each(bytes, |element| i32::from_le_bytes(element).into())))
    }),
    of(Some("i2"), "I16", (2, Kind::I32), |bytes| {
        Some(Numbers::Signed(each(bytes, |element| i16::from_le_bytes(element).into())))
    }),
    of(Some("i1"), "I8", (1, Kind::I32), |bytes| {
        Some(Numbers::Signed(each(bytes, |element| i8::from_le_bytes(element).into())))
    }),
    of(Some("u8"), "U64", (8, Kind::U64), |bytes| Some(Numbers::Unsigned(each(bytes, u64::from_le_bytes)))),
    of(Some("u4"), "U32", (4, Kind::U32), |bytes| {
        Some(Numbers::Unsigned(each(bytes, |element| u32::from_le_bytes(element).into())))
    }),
    of(Some("u2"), "U16", (2, Kind::U32), |bytes| {
        Some(Numbers::Unsigned(each(bytes, |element| u16::from_le_bytes(element).into())))
    }),
    of(Some("u1"), "U8", (1, Kind::U32), |bytes| Some(Numbers::Unsigned(each(bytes, |[byte]| byte.into())))),
    of(Some("b1"), "BOOL", (1, Kind::U32), truths),
];

impl ElementType {
    /// The type that a `.npy` file names, without the order of bytes.
    pub(super) fn of_npy(name: &str) -> Option<&'static ElementType> {
        TYPES.iter().find(|own| own.npy == Some(name))
    }

    /// The type that a `.safetensors` file names.
    pub(super) fn of_safetensors(name: &str) -> Option<&'static ElementType> {
        TYPES.iter().find(|own| own.safetensors == name)
    }

    /// So many elements, whose bytes are there as the caller has checked.
    pub(super) fn read(
        &self,
        reader: &mut impl Read,
        count: usize,
        is_big_endian: bool,
    ) -> Result<Numbers, String> {
        let mut bytes = vec![0; count.min(MOST_AT_ONCE) * self.bytes];
        let mut all: Option<Numbers> = None;
        let mut left = count;
        loop {
            let bytes = &mut bytes[..left.min(MOST_AT_ONCE) * self.bytes];
            reader.read_exact(bytes).map_err(|error| error.to_string())?;
            if is_big_endian {
                bytes.chunks_exact_mut(self.bytes).for_each(<[u8]>::reverse);
            }
            let more = (self.numbers)(bytes).ok_or_else(|| "a truth is neither 0 nor 1".to_owned())?;
            match &mut all {
                None => all = Some(more.with_room(left)),
                Some(all) => all.extend(more),
            }
            left -= left.min(MOST_AT_ONCE);
            if left == 0 {
                return Ok(all.expect("a part at least"));
            }
        }
    }
}

impl Numbers {
    /// The same, with room for so many in all.
    fn with_room(mut self, count: usize) -> Numbers {
        match &mut self {
            Numbers::Real(all) => all.reserve_exact(count - all.len()),
            Numbers::Signed(all) => all.reserve_exact(count - all.len()),
            Numbers::Unsigned(all) => all.reserve_exact(count - all.len()),
            Numbers::Mixed { .. } => {}
        }
        self
    }

    /// Appends numbers of the same type.
    fn extend(&mut self, more: Numbers) {
        match (self, more) {
            (Numbers::Real(all), Numbers::Real(more)) => all.extend(more),
            (Numbers::Signed(all), Numbers::Signed(more)) => all.extend(more),
            (Numbers::Unsigned(all), Numbers::Unsigned(more)) => all.extend(more),
            _ => unreachable!("an array has one type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_the_numbers_that_were_written() {
        let read = |name: &str, bytes: &[u8]| {
            let of = ElementType::of_safetensors(name).expect("a type");
            of.read(&mut &*bytes, bytes.len() / of.bytes, false)
        };
        let halves: Vec<u8> =
            [1.5f32, -0.25, 65504.0, 6e-8].iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        assert_eq!(read("F16", &halves), Ok(Numbers::Real(vec![1.5, -0.25, 65504.0, (-24f64).exp2()])));
        let wide: Vec<u8> = [1.5f32, -3e38]
            .iter()
            .flat_map(|&x| x.to_be_bytes()[..2].iter().rev().copied().collect::<Vec<_>>())
            .collect();
        let Ok(Numbers::Real(found)) = read("BF16", &wide) else { panic!("reals") };
        assert!(found[0] == 1.5 && (found[1] / -3e38 - 1.0).abs() < 0.01, "{found:?}");
        assert_eq!(read("I8", &[0xff, 0x7f, 0x80]), Ok(Numbers::Signed(vec![-1, 127, -128])));
        assert_eq!(read("U8", &[0xff, 0]), Ok(Numbers::Unsigned(vec![255, 0])));
        assert_eq!(read("I16", &[0xfe, 0xff, 0, 0x80]), Ok(Numbers::Signed(vec![-2, -32768])));
        assert_eq!(read("U16", &[0xfe, 0xff]), Ok(Numbers::Unsigned(vec![65534])));
        assert_eq!(read("BOOL", &[1, 0, 1]), Ok(Numbers::Unsigned(vec![1, 0, 1])));
        assert_eq!(read("BOOL", &[2]), Err("a truth is neither 0 nor 1".to_owned()));
        let many: Vec<u8> = (0..2 * MOST_AT_ONCE + 3).flat_map(|x| (x as u32).to_be_bytes()).collect();
        let of = ElementType::of_npy("u4").expect("a type");
        let all = (0..2 * MOST_AT_ONCE as u64 + 3).collect();
        assert_eq!(of.read(&mut &many[..], 2 * MOST_AT_ONCE + 3, true), Ok(Numbers::Unsigned(all)));
        assert_eq!(of.read(&mut &many[..0], 0, true), Ok(Numbers::Unsigned(Vec::new())));
    }
}
