//! NumPy's `.npz`: a ZIP archive of `.npy` files, stored or deflated.

use super::{DataError, Matrix, Source, npy};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Deflate never shrinks data by more than about this factor: an entry that claims more is not believed.
const LARGEST_RATIO: u64 = 1032;

/// An archive, opened for all that is read from it.
pub(super) struct Archive {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// The arrays, without `.npy`.
    names: Vec<String>,
    length: u64,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Archive, DataError> {
        let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let length = file.metadata().map_err(|error| unreadable(error.to_string()))?.len();
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| unreadable(format!("not an .npz file: {error}")))?;
        let names: Vec<String> = (0..archive.len())
            .filter_map(|index| {
                let name = archive.name_for_index(index)?.map_err(|error| unreadable(error.to_string()));
                Some(name.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Archive { path: path.to_owned(), archive, names, length })
    }

    /// Reads one array; `tensor` is its name without `.npy`.
    pub(super) fn matrix(&mut self, tensor: Option<&str>) -> Result<Matrix, DataError> {
        let Archive { path, archive, names, length } = self;
        let unreadable = |reason: String| DataError::Unreadable { path: path.clone(), reason };
        let index = super::choose(path, tensor, names)?;
        let entry =
            archive.by_index(index).map_err(|error| unreadable(format!("{}: {error}", names[index])))?;
        let size = entry.size();
        if size / LARGEST_RATIO > *length {
            return Err(unreadable(format!("{} claims {size} bytes, in a file of {length}", names[index])));
        }
        npy::read_from(BufReader::new(entry), size, &Source::label(path, &names[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Numbers;
    use ndarray::{Array1, Array2, array};
    use ndarray_npy::WriteNpyExt;
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// An archive of a matrix `w`, deflated if so, and a vector `b`, stored.
    fn archive(method: zip::CompressionMethod) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, array: &dyn Fn(&mut Vec<u8>), method| {
            let mut bytes = Vec::new();
            array(&mut bytes);
            let options = SimpleFileOptions::default().compression_method(method);
            archive.start_file(name, options).unwrap();
            archive.write_all(&bytes).unwrap();
        };
        let w: Array2<f32> = array![[1.5, -2.0], [0.0, 4.0]];
        let b: Array1<u32> = array![7, 8, 9];
        add("w.npy", &|bytes| w.write_npy(bytes).unwrap(), method);
        add("b.npy", &|bytes| b.write_npy(bytes).unwrap(), zip::CompressionMethod::Stored);
        archive.finish().unwrap().into_inner()
    }

    fn read_bytes(bytes: &[u8], tensor: Option<&str>) -> Result<Matrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npz");
        std::fs::write(&path, bytes).unwrap();
        Archive::open(&path)
            .and_then(|mut archive| archive.matrix(tensor))
            .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn arrays_are_read_by_name() {
        for method in [zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored] {
            let bytes = archive(method);
            let w = read_bytes(&bytes, Some("w")).unwrap();
            assert_eq!(w.numbers, Numbers::Real(vec![1.5, -2.0, 0.0, 4.0]));
            let b = read_bytes(&bytes, Some("b")).unwrap();
            assert_eq!((b.dims.rows(), b.dims.cols(), b.numbers), (1, 3, Numbers::Unsigned(vec![7, 8, 9])));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let bytes = archive(zip::CompressionMethod::Deflated);
        assert_eq!(
            read_bytes(&bytes, Some("v")).unwrap_err(),
            "data.npz: there is no 'v' in it; there are: b, w"
        );
        assert_eq!(
            read_bytes(&bytes, None).unwrap_err(),
            "data.npz: say which of its matrices is meant by `tensor`; there are: b, w"
        );
        assert!(read_bytes(b"no archive", Some("w")).unwrap_err().starts_with("data.npz: not an .npz file"));
        let mut flipped = bytes;
        let at = flipped.windows(5).position(|bytes| bytes == b"b.npy").unwrap() + 5 + 128;
        flipped[at] ^= 1;
        let message = read_bytes(&flipped, Some("b")).unwrap_err();
        assert!(message.starts_with("data.npz[b]: "), "a changed byte is noticed: {message}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(at in 0usize..1000, byte: u8, length in 0usize..1000) {
            let mut bytes = archive(zip::CompressionMethod::Deflated);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read_bytes(&bytes, Some("w"));
            bytes.truncate(length);
            let _ = read_bytes(&bytes, Some("w"));
        }
    }
}
