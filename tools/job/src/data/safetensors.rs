//! Hugging Face's `.safetensors`: eight bytes with the length of a header, the header as JSON, the tensors' bytes.
//!
//! Only the tensor that is asked for is read; its place is held against the file before anything is allocated.

use super::types::ElementType;
use super::{DataError, Matrix, Source, dims_of};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longest header, as in the format's reference implementation.
const LONGEST_HEADER: u64 = 100_000_000;

/// The header's one entry that is no tensor.
const METADATA: &str = "__metadata__";

/// A tensor in the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    /// The range of its bytes, from the end of the header.
    data_offsets: (u64, u64),
}

/// A file, opened for all that is read from it.
pub(super) struct Tensors {
    path: PathBuf,
    file: File,
    length: u64,
    /// The header's tensors as they are described.
    entries: BTreeMap<String, Value>,
    /// The beginning of the tensors' bytes.
    data_offset: u64,
}

impl Tensors {
    pub(super) fn open(path: &Path) -> Result<Tensors, DataError> {
        let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
        let mut file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let length = file.metadata().map_err(|error| unreadable(error.to_string()))?.len();
        let (entries, data_offset) = header(&mut file, length).map_err(unreadable)?;
        Ok(Tensors { path: path.to_owned(), file, length, entries, data_offset })
    }

    /// Reads one tensor.
    pub(super) fn matrix(&mut self, tensor: Option<&str>) -> Result<Matrix, DataError> {
        let names: Vec<String> = self.entries.keys().cloned().collect();
        let name = &names[super::choose(&self.path, tensor, &names)?];
        let label = Source::label(&self.path, name);
        let unreadable = |reason: String| DataError::Unreadable { path: label.clone(), reason };
        let entry = Entry::deserialize(&self.entries[name]).map_err(|error| unreadable(error.to_string()))?;
        let dims = dims_of(&label, &entry.shape)?;
        let Some(of) = ElementType::of_safetensors(&entry.dtype) else {
            return Err(DataError::Type { path: label, dtype: entry.dtype });
        };
        let (start, end) = entry.data_offsets;
        let there = end.checked_sub(start).filter(|_| end <= self.length - self.data_offset);
        let there = there.ok_or_else(|| unreadable("its bytes lie outside the file".to_owned()))?;
        let needed = dims.checked_len().and_then(|len| (len as u64).checked_mul(of.bytes as u64));
        if needed != Some(there) {
            return Err(unreadable(format!("{dims} of {} does not fill {there} bytes", entry.dtype)));
        }
        let begin = SeekFrom::Start(self.data_offset + start);
        self.file.seek(begin).map_err(|error| unreadable(error.to_string()))?;
        let count = dims.folded().len();
        let numbers = of.read(&mut self.file, count, false).map_err(unreadable)?;
        Ok(Matrix { dims, kind: of.kind, is_table: false, numbers })
    }
}

/// The header's tensors, and where their bytes begin.
fn header(file: &mut File, length: u64) -> Result<(BTreeMap<String, Value>, u64), String> {
    let not_safetensors = || "not a .safetensors file".to_owned();
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(|_| not_safetensors())?;
    let header_bytes = u64::from_le_bytes(prefix);
    if header_bytes > LONGEST_HEADER {
        return Err(not_safetensors());
    }
    let data_offset = prefix.len() as u64 + header_bytes;
    if data_offset > length {
        return Err("the file is truncated in its header".to_owned());
    }
    let mut text = vec![0; header_bytes as usize];
    file.read_exact(&mut text).map_err(|error| error.to_string())?;
    let mut entries: BTreeMap<String, Value> =
        serde_json::from_slice(&text).map_err(|error| format!("its header cannot be read: {error}"))?;
    entries.remove(METADATA);
    Ok((entries, data_offset))
}

#[cfg(test)]
mod tests {
    use super::super::Numbers;
    use super::*;
    use safetensors::Dtype;
    use safetensors::tensor::{TensorView, serialize};
    use symbolon::ring::Shape;

    /// Name, type, shape and bytes.
    type Written<'a> = (&'a str, Dtype, &'a [usize], &'a [u8]);

    /// A file as the reference implementation writes it.
    fn file(tensors: &[Written]) -> Vec<u8> {
        let views = tensors.iter().map(|&(name, dtype, shape, bytes)| {
            (name.to_owned(), TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
        });
        serialize(views.collect::<Vec<_>>(), None).unwrap()
    }

    fn read_bytes(bytes: &[u8], tensor: Option<&str>) -> Result<Matrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.safetensors");
        std::fs::write(&path, bytes).unwrap();
        Tensors::open(&path)
            .and_then(|mut tensors| tensors.matrix(tensor))
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn every_type_is_read() {
        let (long, short) = ((-3i64).to_le_bytes(), (-3i32).to_le_bytes());
        let cases: [(Dtype, &[u8], Numbers); 13] = [
            (Dtype::F64, &1.5f64.to_le_bytes(), Numbers::Real(vec![1.5])),
            (Dtype::F32, &1.5f32.to_le_bytes(), Numbers::Real(vec![1.5])),
            (Dtype::I64, &long, Numbers::Signed(vec![-3])),
            (Dtype::I32, &short, Numbers::Signed(vec![-3])),
            (Dtype::U64, &long, Numbers::Unsigned(vec![u64::MAX - 2])),
            (Dtype::U32, &short, Numbers::Unsigned(vec![u64::from(u32::MAX) - 2])),
            (Dtype::F16, &[0, 0x3e], Numbers::Real(vec![1.5])),
            (Dtype::BF16, &[0xc0, 0x3f], Numbers::Real(vec![1.5])),
            (Dtype::I16, &short[..2], Numbers::Signed(vec![-3])),
            (Dtype::U16, &short[..2], Numbers::Unsigned(vec![65533])),
            (Dtype::I8, &short[..1], Numbers::Signed(vec![-3])),
            (Dtype::U8, &short[..1], Numbers::Unsigned(vec![253])),
            (Dtype::BOOL, &[1], Numbers::Unsigned(vec![1])),
        ];
        for (dtype, bytes, numbers) in cases {
            let matrix = read_bytes(&file(&[("a", dtype, &[1], bytes)]), None).unwrap();
            assert_eq!((matrix.dims.folded(), matrix.numbers), (Shape::new(1, 1), numbers), "{dtype:?}");
        }
    }

    #[test]
    fn tensors_are_read_by_name() {
        let bytes: Vec<u8> = (0..6u32).flat_map(u32::to_le_bytes).collect();
        let file = file(&[
            ("fc1.weight", Dtype::U32, &[3, 2], &bytes),
            ("fc1.bias", Dtype::U32, &[2], &bytes[8..16]),
            ("conv", Dtype::U32, &[1, 1, 1, 3, 2], &bytes),
            ("quarter", Dtype::F8_E5M2, &[2], &bytes[..2]),
        ]);
        let weight = read_bytes(&file, Some("fc1.weight")).unwrap();
        let expected = Numbers::Unsigned(vec![0, 1, 2, 3, 4, 5]);
        assert_eq!((weight.dims.folded(), weight.numbers), (Shape::new(3, 2), expected));
        let bias = read_bytes(&file, Some("fc1.bias")).unwrap();
        assert_eq!((bias.dims.folded(), bias.numbers), (Shape::new(1, 2), Numbers::Unsigned(vec![2, 3])));
        let message = |tensor| read_bytes(&file, tensor).unwrap_err();
        assert!(
            message(Some("fc2"))
                .ends_with("there is no 'fc2' in it; there are: conv, fc1.bias, fc1.weight, quarter")
        );
        assert!(message(None).contains("say which of its matrices is meant by `tensor`"));
        assert!(
            message(Some("conv")).contains("data.safetensors[conv]: an array of 5 dimensions is not read")
        );
        assert!(message(Some("quarter")).contains("elements of type 'F8_E5M2' are not read"));
    }

    #[test]
    fn what_the_header_claims_is_not_believed() {
        let bytes = [0; 8];
        let whole = file(&[("a", Dtype::F64, &[1], &bytes)]);
        let message = |bytes: &[u8]| read_bytes(bytes, Some("a")).unwrap_err();
        assert!(message(&whole[..whole.len() - 1]).ends_with("[a]: its bytes lie outside the file"));
        assert!(message(&whole[..20]).ends_with("the file is truncated in its header"));
        assert!(message(b"").ends_with("not a .safetensors file"));
        assert!(message(&[0xff; 16]).ends_with("not a .safetensors file"));
        let claim = String::from_utf8_lossy(&whole).replace("[1]", "[9]");
        assert!(message(claim.as_bytes()).ends_with("(9,) of F64 does not fill 8 bytes"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(at in 0usize..200, byte: u8, length in 0usize..200) {
            let mut bytes = file(&[("a", Dtype::F64, &[1, 2], &[7; 16])]);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(length);
            let _ = read_bytes(&bytes, Some("a"));
        }
    }
}
