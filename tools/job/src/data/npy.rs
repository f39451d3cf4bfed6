//! NumPy's `.npy` (format: NumPy Enhancement Proposal 1).

use super::types::ElementType;
use super::{DataError, Matrix, Numbers, dims_of};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use symbolon::program::Dims;

/// Longest header that is read: a matrix needs about a hundred bytes.
const LONGEST_HEADER: usize = 64 * 1024;

/// The beginning of every file; the version follows.
const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// Reads an array of up to four axes.
pub(super) fn read(path: &Path) -> Result<Matrix, DataError> {
    let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let length = file.metadata().map_err(|error| unreadable(error.to_string()))?.len();
    read_from(BufReader::new(file), length, path)
}

/// Reads an array of `length` bytes, header and all; `path` is what errors call it.
pub(super) fn read_from(mut reader: impl Read, length: u64, path: &Path) -> Result<Matrix, DataError> {
    let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
    let header = Header::read(&mut reader).map_err(&unreadable)?;
    let dims = dims_of(path, &header.dimensions)?;
    let dtype = header.dtype.trim_start_matches(['<', '>', '=', '|']);
    let Some(of) = ElementType::of_npy(dtype) else {
        return Err(DataError::Type { path: path.to_owned(), dtype: header.dtype });
    };
    // What the header claims is held against the file before it is allocated.
    let needed = dims.checked_len().and_then(|len| (len as u64).checked_mul(of.bytes as u64));
    let there = length.saturating_sub(header.length);
    if needed != Some(there) {
        let word = if needed.is_none_or(|needed| needed > there) { "truncated" } else { "too long" };
        let reason = format!("the file is {word}: {dims} of {dtype} does not fill {there} bytes");
        return Err(unreadable(reason));
    }
    let is_big = match header.dtype.chars().next() {
        Some('>') => true,
        Some('=') => cfg!(target_endian = "big"),
        _ => false,
    };
    let numbers = of.read(&mut reader, dims.folded().len(), is_big).map_err(unreadable)?;
    // An archive holds its files against their checksums at their ends.
    if reader.read(&mut [0]).map_err(|error| unreadable(error.to_string()))? > 0 {
        return Err(unreadable("the file is too long".to_owned()));
    }
    let numbers = if header.is_column_major { numbers.row_major(dims) } else { numbers };
    Ok(Matrix { dims, kind: of.kind, is_table: false, numbers })
}

impl Numbers {
    /// Numbers of which the first axis moves fastest, in the order in which the last one does.
    fn row_major(self, dims: Dims) -> Numbers {
        match self {
            Numbers::Real(all) => Numbers::Real(row_major(&all, dims)),
            Numbers::Signed(all) => Numbers::Signed(row_major(&all, dims)),
            Numbers::Unsigned(all) => Numbers::Unsigned(row_major(&all, dims)),
            Numbers::Mixed { .. } => unreachable!("an array has one type"),
        }
    }
}

fn row_major<T: Copy>(all: &[T], dims: Dims) -> Vec<T> {
    let (extents, mut at) = (dims.extents(), vec![0; dims.rank()]);
    let next = |_| {
        let place = at.iter().zip(extents).rev().fold(0, |place, (index, extent)| place * extent + index);
        for (index, &extent) in at.iter_mut().zip(extents).rev() {
            *index += 1;
            if *index < extent {
                break;
            }
            *index = 0;
        }
        all[place]
    };
    (0..all.len()).map(next).collect()
}

/// As much of a header as says how large the data is.
struct Header {
    dtype: String,
    dimensions: Vec<usize>,
    /// Whether the first axis moves fastest.
    is_column_major: bool,
    /// Its own bytes.
    length: u64,
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Header, String> {
        let cut = |_: std::io::Error| "the file is truncated in its header".to_owned();
        let mut prefix = [0; MAGIC.len() + 2];
        let there = fill(reader, &mut prefix)?;
        match there {
            0 => return Err("the file is empty".to_owned()),
            _ if prefix[..there.min(MAGIC.len())] != MAGIC[..there.min(MAGIC.len())] => {
                return Err("not an .npy file".to_owned());
            }
            _ if there < prefix.len() => return Err("the file is truncated in its header".to_owned()),
            _ => {}
        }
        let major = prefix[MAGIC.len()];
        // Version 1 has a length of two bytes, the later ones of four.
        let mut length_field = [0; 4];
        let length_bytes = if major == 1 { 2 } else { 4 };
        reader.read_exact(&mut length_field[..length_bytes]).map_err(cut)?;
        let length = u32::from_le_bytes(length_field) as usize;
        if length > LONGEST_HEADER {
            return Err(format!("a header of {length} bytes is too long"));
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(cut)?;
        let length = (prefix.len() + length_bytes + text.len()) as u64;
        let text = String::from_utf8_lossy(&text);
        let read = || Some((dtype(&text)?, dimensions(&text)?, is_column_major(&text)?));
        let (dtype, dimensions, is_column_major) = read().ok_or("its header cannot be read")?;
        Ok(Header { dtype, dimensions, is_column_major, length })
    }
}

/// Reads as many bytes as there are; says how many.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> Result<usize, String> {
    let mut there = 0;
    while there < bytes.len() {
        match reader.read(&mut bytes[there..]) {
            Ok(0) => break,
            Ok(more) => there += more,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(there)
}

/// The text after `'key':` in a header.
fn entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let rest = quoted.iter().find_map(|key| Some(text.split_once(key.as_str())?.1))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn dtype(text: &str) -> Option<String> {
    let value = entry(text, "descr")?;
    match value.chars().next()? {
        quote @ ('\'' | '"') => Some(value[1..].split_once(quote)?.0.to_owned()),
        // A record type: its text is all that an error needs.
        _ => Some(value.split_inclusive(']').next()?.to_owned()),
    }
}

fn is_column_major(text: &str) -> Option<bool> {
    let value = entry(text, "fortran_order")?;
    if value.starts_with("True") { Some(true) } else { value.starts_with("False").then_some(false) }
}

fn dimensions(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = entry(text, "shape")?.strip_prefix('(')?.split_once(')')?;
    let extents = inside.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    extents.map(|extent| extent.trim_end_matches('L').parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, ShapeBuilder, array};
    use ndarray_npy::WriteNpyExt;
    use symbolon::program::Kind;
    use symbolon::ring::Shape;

    fn read_bytes(bytes: &[u8]) -> Result<Matrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npy");
        std::fs::write(&path, bytes).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn bytes_of(array: impl WriteNpyExt) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn column_major_files_are_read_row_major() {
        let mut columns = Array2::<i64>::zeros((2, 3).f());
        columns.assign(&array![[1, 2, 3], [4, 5, 6]]);
        let matrix = read_bytes(&bytes_of(columns)).unwrap();
        let mut cube = ndarray::Array3::<i16>::zeros((2, 3, 2).f());
        cube.iter_mut().zip(0..).for_each(|(element, number)| *element = number);
        assert_eq!(read_bytes(&bytes_of(cube)).unwrap().numbers, Numbers::Signed((0..12).collect()));
        assert_eq!(
            (matrix.dims.folded(), matrix.numbers),
            (Shape::new(2, 3), Numbers::Signed(vec![1, 2, 3, 4, 5, 6]))
        );
    }

    #[test]
    fn tensors_of_four_axes_are_read() {
        let numbers =
            ndarray::Array4::<f64>::from_shape_fn((2, 1, 2, 3), |(a, _, b, c)| (a * 6 + b * 3 + c) as f64);
        let matrix = read_bytes(&bytes_of(numbers)).unwrap();
        assert_eq!(matrix.dims.extents(), [2, 1, 2, 3]);
        assert_eq!(matrix.numbers, Numbers::Real((0..12).map(f64::from).collect()));
    }

    #[test]
    fn vectors_have_one_axis_and_numbers_none() {
        let vector = read_bytes(&bytes_of(array![1, -2])).unwrap();
        assert_eq!((vector.dims.extents(), vector.numbers), (&[2][..], Numbers::Signed(vec![1, -2])));
        let number = read_bytes(&bytes_of(ndarray::arr0(7.5))).unwrap();
        assert_eq!((number.dims, number.numbers), (Dims::SCALAR, Numbers::Real(vec![7.5])));
    }

    #[test]
    fn narrow_types_widen() {
        let matrix = read_bytes(&bytes_of(array![1.5f32, -2.0])).unwrap();
        assert_eq!(matrix.numbers, Numbers::Real(vec![1.5, -2.0]));
        let matrix = read_bytes(&bytes_of(array![[7u32]])).unwrap();
        assert_eq!(matrix.numbers, Numbers::Unsigned(vec![7]));
        let matrix = read_bytes(&bytes_of(array![true, false])).unwrap();
        assert_eq!((matrix.numbers, matrix.kind), (Numbers::Unsigned(vec![1, 0]), Kind::U32));
        let matrix = read_bytes(&bytes_of(array![-7i8])).unwrap();
        assert_eq!((matrix.numbers, matrix.kind), (Numbers::Signed(vec![-7]), Kind::I32));
        // As NumPy writes float16, and big-endian int16.
        for (name, bytes, expected) in [
            ("<f2", [0, 0x3e, 0, 0xb4], Numbers::Real(vec![1.5, -0.25])),
            (">i2", [0xff, 0xfe, 1, 0], Numbers::Signed(vec![-2, 256])),
        ] {
            let mut file = bytes_of(array![0u16, 0]);
            file.truncate(file.len() - 4);
            let at = file.windows(3).position(|three| three == b"<u2").expect("the type");
            file[at..at + 3].copy_from_slice(name.as_bytes());
            file.extend(bytes);
            assert_eq!(read_bytes(&file).unwrap().numbers, expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let whole = bytes_of(array![[1.0f64, 2.0]]);
        let cut = &whole[..whole.len() - 3];
        assert_eq!(
            read_bytes(cut).unwrap_err(),
            "data.npy: the file is truncated: (1, 2) of f8 does not fill 13 bytes"
        );
        for length in [1, 7, 9, 20] {
            let message = read_bytes(&whole[..length]).unwrap_err();
            assert_eq!(message, "data.npy: the file is truncated in its header", "after {length} bytes");
        }
        assert_eq!(read_bytes(b"").unwrap_err(), "data.npy: the file is empty");
        assert_eq!(read_bytes(b"PK\x03\x04 zipped").unwrap_err(), "data.npy: not an .npy file");
        let mut text = whole.clone();
        let at = text.windows(3).position(|three| three == b"<f8").expect("the type");
        text[at..at + 3].copy_from_slice(b"<U2");
        assert!(read_bytes(&text).unwrap_err().contains("elements of type '<U2' are not read"));
        let many = bytes_of(ndarray::Array5::<f64>::zeros((1, 2, 1, 1, 3)));
        assert!(read_bytes(&many).unwrap_err().contains("an array of 5 dimensions is not read"));
        let claim = String::from_utf8_lossy(&whole).replace("(1, 2)", "(9999999999999, 9999999)");
        assert!(
            read_bytes(claim.as_bytes()).is_err(),
            "a claim beyond the file is refused before it is believed"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(at in 0usize..200, byte: u8, length in 0usize..200) {
            let mut bytes = bytes_of(array![[1.0f64, 2.0], [3.0, 4.0]]);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(length);
            let _ = read_bytes(&bytes);
        }
    }
}
