//! Comma-separated numbers: one row a line, with or without a line of names at the top.

use super::{DataError, Matrix, Numbers};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::path::Path;
use symbolon::ring::Shape;

/// Reads a matrix. It holds integers if every cell does, and real numbers otherwise.
pub(super) fn read(path: &Path) -> Result<Matrix, DataError> {
    let line_error = |line: u64, reason: String| DataError::Line { path: path.to_owned(), line, reason };
    let unreadable = |error: csv::Error| match error.position() {
        Some(position) => line_error(position.line(), plain(&error)),
        None => DataError::Unreadable { path: path.to_owned(), reason: plain(&error) },
    };
    let mut reader =
        ReaderBuilder::new().has_headers(false).trim(Trim::All).from_path(path).map_err(unreadable)?;
    let mut cells = Cells::default();
    let (mut rows, mut cols) = (0, 0);
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        if index == 0 {
            cols = record.len();
            if is_header(&record) {
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        for (column, cell) in (1..).zip(&record) {
            let wrong = || line_error(line, format!("column {column}: {}", no_number(cell)));
            cells.push(cell).ok_or_else(wrong)?;
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(DataError::Unreadable {
            path: path.to_owned(),
            reason: "there are no numbers in it".into(),
        });
    }
    Ok(Matrix { dims: Shape::new(rows, cols).into(), numbers: cells.numbers() })
}

/// A first line in which no cell begins as a number does names the columns.
fn is_header(record: &StringRecord) -> bool {
    let begins_as_number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    record.iter().all(|cell| !cell.is_empty() && !begins_as_number(cell) && cell.parse::<f64>().is_err())
}

fn no_number(cell: &str) -> String {
    let advice = if cell.contains(';') { "; columns are separated by commas, not semicolons" } else { "" };
    format!("'{cell}' is not a number{advice}")
}

fn plain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the lines before have {expected_len}")
        }
        csv::ErrorKind::Io(error) => error.to_string(),
        csv::ErrorKind::Utf8 { .. } => "not text".to_owned(),
        _ => error.to_string(),
    }
}

/// The cells so far, as exactly as they were written.
#[derive(Default)]
struct Cells {
    reals: Vec<f64>,
    /// `None` once a cell was no integer of 64 bits.
    integers: Option<Vec<i128>>,
    started: bool,
}

impl Cells {
    fn push(&mut self, cell: &str) -> Option<()> {
        let real = cell.parse::<f64>().ok()?;
        if !self.started {
            (self.started, self.integers) = (true, Some(Vec::new()));
        }
        let integer = cell
            .parse::<i128>()
            .ok()
            .filter(|&integer| integer >= i64::MIN.into() && integer <= u64::MAX.into());
        match (&mut self.integers, integer) {
            (Some(integers), Some(integer)) => integers.push(integer),
            _ => self.integers = None,
        }
        self.reals.push(real);
        Some(())
    }

    fn numbers(self) -> Numbers {
        let Some(integers) = self.integers else { return Numbers::Real(self.reals) };
        if let Ok(signed) = integers.iter().map(|&value| i64::try_from(value)).collect() {
            return Numbers::Signed(signed);
        }
        match integers.iter().map(|&value| u64::try_from(value)).collect() {
            Ok(unsigned) => Numbers::Unsigned(unsigned),
            // Both beyond i64 and below zero: no integer type of 64 bits has them all.
            Err(_) => Numbers::Real(self.reals),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Matrix, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn numbers_are_read_as_written() {
        let matrix = parse("1, 2\n-3,4\n").unwrap();
        assert_eq!(
            (matrix.dims.folded(), matrix.numbers),
            (Shape::new(2, 2), Numbers::Signed(vec![1, 2, -3, 4]))
        );
        let matrix = parse("a,b\n1.5,2\n").unwrap();
        assert_eq!((matrix.dims.folded(), matrix.numbers), (Shape::new(1, 2), Numbers::Real(vec![1.5, 2.0])));
        let matrix = parse("18446744073709551615\n").unwrap();
        assert_eq!(matrix.numbers, Numbers::Unsigned(vec![u64::MAX]));
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(parse("1,2\n3,x\n").unwrap_err(), "data.csv, line 2: column 2: 'x' is not a number");
        assert_eq!(
            parse("1,2\n3\n").unwrap_err(),
            "data.csv, line 2: 1 columns where the lines before have 2"
        );
        assert_eq!(parse("1.5x,2\n3,4\n").unwrap_err(), "data.csv, line 1: column 1: '1.5x' is not a number");
        assert_eq!(
            parse("1;2\n3;4\n").unwrap_err(),
            "data.csv, line 1: column 1: '1;2' is not a number; columns are separated by commas, not semicolons"
        );
        assert!(parse("a;b\n1,5;2\n").is_err(), "decimal commas are not read");
        assert_eq!(parse("").unwrap_err(), "data.csv: there are no numbers in it");
        assert_eq!(parse("a,b\n").unwrap_err(), "data.csv: there are no numbers in it");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9a-z,.\n\"-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
