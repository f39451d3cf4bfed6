//! Numbers in lines of text: a row a line, its cells between separators, with or without a line of names at the top.
//!
//! Every line is accounted for: it is a row, names the columns, or is refused or spoken of. Cells are read as exactly
//! as they are written.

use super::decimal::{Decimal, Exact, Refusal};
use super::records::{Record, Records, Wrong};
use super::table::{Column, TableOptions};
use super::{DataError, Matrix, Numbers};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use symbolon::ring::Shape;
use zeroize::Zeroizing;

/// Words that stand for a value that is not there, in lower case.
const MISSING: [&str; 13] =
    ["", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "?", ".", "-"];

/// Words that stand for values, and so for names less clearly than others, in lower case.
const VALUES: [&str; 8] = ["true", "false", "yes", "no", "inf", "infinity", "t", "f"];

/// Names of columns, and signs of a cell, that a message shows at most.
const MOST_SHOWN: usize = 8;
const LONGEST_SHOWN: usize = 40;

/// A file's text.
pub(super) struct Text {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

impl Text {
    pub(super) fn open(path: &Path) -> Result<Text, DataError> {
        let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let length = file.metadata().map_err(|error| unreadable(error.to_string()))?.len();
        // As much as there is and a byte, so that the text never moves and leaves a copy behind.
        let capacity =
            usize::try_from(length + 1).map_err(|_| unreadable(format!("{length} bytes are too many")))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        file.take(length + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
        if bytes.len() as u64 > length {
            return Err(unreadable("it grows while it is read".to_owned()));
        }
        Ok(Text { path: path.to_owned(), bytes })
    }

    /// Reads a matrix: of integers if every cell is one, of real numbers otherwise. `tell` is given what was taken for
    /// granted.
    pub(super) fn matrix(
        &self,
        options: &TableOptions,
        tell: &mut dyn FnMut(String),
    ) -> Result<Matrix, DataError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let before = &self.bytes[..error.valid_up_to()];
            self.wrong((
                1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64,
                "not text".to_owned(),
            ))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut said = |text: String| tell(format!("{}: {text}", self.path.display()));
        let mut table = Table::new(options, &mut said);
        let mut records = Records::new(text, options.separator());
        while let Some(record) = records.next().map_err(|wrong| self.wrong(wrong))? {
            table.take(&record).map_err(|wrong| self.wrong(wrong))?;
        }
        let nothing =
            || DataError::Unreadable { path: self.path.clone(), reason: "there are no numbers in it".into() };
        table.finish().map_err(|wrong| self.wrong(wrong))?.ok_or_else(nothing)
    }

    fn wrong(&self, (line, reason): Wrong) -> DataError {
        DataError::Line { path: self.path.clone(), line, reason }
    }
}

/// The rows so far.
struct Table<'a> {
    options: &'a TableOptions,
    tell: &'a mut dyn FnMut(String),
    /// The layout, once the first line that is not blank has been read.
    layout: Option<Layout>,
    /// Lines that are blank, behind the last row.
    blank: Vec<u64>,
    rows: usize,
    cells: Cells,
}

/// The layout of every row.
struct Layout {
    width: usize,
    /// The columns that are read, from zero.
    columns: Vec<usize>,
    /// The line without names that would have them, if any.
    first_line: u64,
}

impl<'a> Table<'a> {
    fn new(options: &'a TableOptions, tell: &'a mut dyn FnMut(String)) -> Table<'a> {
        Table { options, tell, layout: None, blank: Vec::new(), rows: 0, cells: Cells::default() }
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Wrong> {
        if record.is_blank {
            self.blank.push(record.line);
            return Ok(());
        }
        if self.layout.is_none() {
            let header = header(record, self.options)?;
            let names = header.is_some().then_some(&record.cells[..]);
            let columns =
                columns(self.options, record.cells.len(), names).map_err(|why| (record.line, why))?;
            self.layout = Some(Layout { width: record.cells.len(), columns, first_line: record.line });
            if header.is_some() || record.cells.len() > 1 {
                self.skip_blank();
            }
            if header == Some(Header::Guessed) {
                let names = shown(&record.cells);
                let line = record.line;
                (self.tell)(format!(
                    "line {line} is taken for names of columns ({names}); `header = true` or `false` on the input says so"
                ));
            }
            if header.is_some() {
                return Ok(());
            }
        }
        self.fill_blank()?;
        let Some(Layout { width, columns, first_line }) = &self.layout else { return Ok(()) };
        if record.cells.len() != *width {
            let len = record.cells.len();
            return Err((record.line, format!("{len} columns where the lines before have {width}")));
        }
        for &column in columns {
            let cell = record.cells[column].as_ref();
            let number = number(cell, self.options).map_err(|reason| {
                let advice = match record.line == *first_line && self.options.header.is_none() {
                    true if !is_missing(cell) && !is_number_like(cell) => {
                        "; if the line names the columns, say header = true on the input"
                    }
                    _ => "",
                };
                (record.line, format!("column {}: {reason}{advice}", column + 1))
            })?;
            self.cells.push(number);
        }
        self.rows += 1;
        Ok(())
    }

    /// Blank lines between rows, and all of them where there is one column, are rows whose values are missing.
    fn fill_blank(&mut self) -> Result<(), Wrong> {
        let count = self.layout.as_ref().map_or(0, |layout| layout.columns.len());
        for line in std::mem::take(&mut self.blank) {
            let Some(fill) = self.options.fill() else {
                let whose =
                    if count == 1 { "column 1: the value is" } else { "the line is blank: its values are" };
                return Err((line, format!("{whose} missing; {HOW_TO_FILL}")));
            };
            (0..count).for_each(|_| self.cells.push(fill));
            self.rows += 1;
        }
        Ok(())
    }

    /// Blank lines around rows of several columns are no rows.
    fn skip_blank(&mut self) {
        let lines: Vec<String> = std::mem::take(&mut self.blank).iter().map(u64::to_string).collect();
        if !lines.is_empty() {
            let shown = lines[..lines.len().min(MOST_SHOWN)].join(", ");
            let rest = lines.len().saturating_sub(MOST_SHOWN);
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            (self.tell)(format!("blank lines are skipped: {shown}{rest}"));
        }
    }

    fn finish(mut self) -> Result<Option<Matrix>, Wrong> {
        match self.layout.as_ref().map(|layout| layout.width) {
            Some(1) => self.fill_blank()?,
            _ => self.skip_blank(),
        }
        let Some(Layout { columns, .. }) = self.layout.filter(|_| self.rows > 0) else { return Ok(None) };
        let (dims, numbers) = (Shape::new(self.rows, columns.len()).into(), self.cells.numbers());
        Ok(Some(Matrix { dims, kind: numbers.kind(), is_table: true, numbers }))
    }
}

/// The text of a message about a missing value.
const HOW_TO_FILL: &str = "`missing = NUMBER` on the input fills it in";

/// Why a first line names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Said,
    Guessed,
}

/// Whether the first line names the columns: where nothing says so, if every cell that is read is clearly a name.
fn header(record: &Record<'_>, options: &TableOptions) -> Result<Option<Header>, Wrong> {
    let by_name =
        || options.columns.iter().flatten().any(|column| matches!(column, Column::Name(_))).then_some(true);
    if let Some(said) = options.header.or_else(by_name) {
        return Ok(said.then_some(Header::Said));
    }
    let read = columns(options, record.cells.len(), None).map_err(|why| (record.line, why))?;
    let cells = || read.iter().map(|&column| (column, record.cells[column].as_ref()));
    if cells().all(|(_, cell)| is_name(cell)) {
        return Ok(Some(Header::Guessed));
    }
    let unnamed = cells().find(|(_, cell)| cell.is_empty());
    match unnamed {
        Some((column, _))
            if cells().all(|(_, cell)| cell.is_empty() || is_name(cell))
                && cells().any(|(_, cell)| is_name(cell)) =>
        {
            Err((
                record.line,
                format!(
                    "the line looks like names of columns, but column {} has none, as where pandas writes its index: write \
                 with index=False, or say header = true and which `columns` on the input",
                    column + 1
                ),
            ))
        }
        _ => Ok(None),
    }
}

/// The columns that are read, from zero.
fn columns(
    options: &TableOptions,
    width: usize,
    names: Option<&[Cow<'_, str>]>,
) -> Result<Vec<usize>, String> {
    let Some(wanted) = &options.columns else { return Ok((0..width).collect()) };
    let place = |column: &Column| match column {
        Column::Number(number) if (1..=width).contains(number) => Ok(number - 1),
        Column::Number(number) => Err(format!("there is no column {number}: there are {width}")),
        Column::Name(name) => {
            let names = names.ok_or_else(|| format!("without a header there is no column '{name}'"))?;
            let mut places = names.iter().enumerate().filter(|(_, there)| *there == name);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => {
                    Err(format!("several columns are called '{name}': say which by its number"))
                }
                _ => Err(format!("there is no column '{name}'; there are: {}", shown(names))),
            }
        }
    };
    wanted.iter().map(place).collect()
}

fn shown(names: &[Cow<'_, str>]) -> String {
    let rest = names.len().saturating_sub(MOST_SHOWN);
    let names: Vec<String> = names.iter().take(MOST_SHOWN).map(|name| short(name)).collect();
    names.join(", ") + &if rest > 0 { format!(" and {rest} more") } else { String::new() }
}

fn short(text: &str) -> String {
    let start: String = text.chars().take(LONGEST_SHOWN).collect();
    let end = if start.len() < text.len() { "…" } else { "" };
    format!("{}{end}", start.escape_debug())
}

fn is_missing(cell: &str) -> bool {
    MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

fn is_number_like(cell: &str) -> bool {
    Decimal::parse(cell) != Err(Refusal::NotANumber)
}

/// Whether a cell is clearly a name: it begins with a letter, and is no word for a value or for none.
fn is_name(cell: &str) -> bool {
    let is_value = is_missing(cell) || VALUES.iter().any(|word| cell.eq_ignore_ascii_case(word));
    cell.starts_with(|c: char| c.is_alphabetic() || c == '_') && !is_value
}

/// The number in a cell, or what the job fills it with.
fn number(cell: &str, options: &TableOptions) -> Result<Decimal, String> {
    if is_missing(cell) {
        let word = if cell.is_empty() { String::new() } else { format!(" ('{cell}')") };
        return options.fill().ok_or_else(|| format!("the value is missing{word}; {HOW_TO_FILL}"));
    }
    Decimal::parse(cell).map_err(|refusal| {
        let cell_shown = short(cell);
        match refusal {
            Refusal::NotANumber => format!("'{cell_shown}' is not a number{}", separators(cell, options)),
            Refusal::NotFinite => format!("'{cell_shown}' is not a finite number"),
            Refusal::TooLarge => format!("'{cell_shown}' is larger than any number that is computed on"),
            Refusal::TooManyDigits => format!("'{cell_shown}' has more digits than are read exactly"),
        }
    })
}

/// Advice where a cell looks like several.
fn separators(cell: &str, options: &TableOptions) -> String {
    let separator = options.separator();
    let other = [(';', "semicolons", ";"), ('\t', "tabs", "\\t"), ('|', "bars", "|"), (' ', "blanks", " ")]
        .into_iter()
        .find(|&(other, ..)| other != separator && cell.contains(other));
    match other {
        Some((_, name, written)) if separator == ',' => format!(
            "; columns are separated by commas, not {name}, unless the input says separator = \"{written}\""
        ),
        _ => String::new(),
    }
}

/// The cells so far, as exactly as they were written.
#[derive(Default)]
struct Cells {
    reals: Vec<f64>,
    /// Those that f64 does not hold.
    exact: BTreeMap<usize, Exact>,
    has_fractions: bool,
}

impl Cells {
    fn push(&mut self, number: Decimal) {
        if !number.is_real() {
            self.exact.insert(self.reals.len(), number.exact);
        }
        self.has_fractions |= !matches!(number.exact, Exact::Integer(_));
        self.reals.push(number.real);
    }

    fn numbers(self) -> Numbers {
        let Cells { reals, exact, has_fractions } = self;
        if !has_fractions {
            let integer = |(index, &real): (usize, &f64)| match exact.get(&index) {
                Some(&Exact::Integer(value)) => value,
                _ => real as i128,
            };
            let integers = || reals.iter().enumerate().map(integer);
            if let Ok(signed) = integers().map(i64::try_from).collect() {
                return Numbers::Signed(signed);
            }
            if let Ok(unsigned) = integers().map(u64::try_from).collect() {
                return Numbers::Unsigned(unsigned);
            }
        }
        if exact.is_empty() { Numbers::Real(reals) } else { Numbers::Mixed { reals, exact } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Missing, Separator};
    use std::cell::RefCell;

    /// What is read of a file with such options, and what was told about it.
    fn read(text: &str, options: &TableOptions) -> (Result<Matrix, String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, text).unwrap();
        let without_folder = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
        let told = RefCell::new(Vec::new());
        let matrix = Text::open(&path)
            .and_then(|file| file.matrix(options, &mut |text| told.borrow_mut().push(without_folder(text))))
            .map_err(|error| without_folder(error.to_string()));
        (matrix, told.into_inner())
    }

    fn parse(text: &str) -> Result<Matrix, String> {
        read(text, &TableOptions::default()).0
    }

    fn with_header(header: bool) -> TableOptions {
        TableOptions { header: Some(header), ..TableOptions::default() }
    }

    fn with_fill(fill: &str) -> TableOptions {
        let fill = Missing::Fill(Decimal::parse(fill).unwrap());
        TableOptions { missing: Some(fill), ..TableOptions::default() }
    }

    fn signed(rows: usize, cols: usize, values: &[i64]) -> (symbolon::program::Dims, Numbers) {
        (Shape::new(rows, cols).into(), Numbers::Signed(values.to_vec()))
    }

    fn content(matrix: Matrix) -> (symbolon::program::Dims, Numbers) {
        (matrix.dims, matrix.numbers)
    }

    #[test]
    fn numbers_are_read_as_written() {
        assert_eq!(content(parse("1, 2\n-3,4\n").unwrap()), signed(2, 2, &[1, 2, -3, 4]));
        let matrix = parse("a,b\n1.5,2\n").unwrap();
        assert_eq!((matrix.dims.folded(), matrix.numbers), (Shape::new(1, 2), Numbers::Real(vec![1.5, 2.0])));
        assert_eq!(parse("18446744073709551615\n").unwrap().numbers, Numbers::Unsigned(vec![u64::MAX]));
        for ends in ["\u{feff}1,2\r\n3,4\r\n", "1,2\r3,4\r", "1,2\n3,4", "\"1\",\" 2 \"\n\t3 ,4\n"] {
            assert_eq!(content(parse(ends).unwrap()), signed(2, 2, &[1, 2, 3, 4]), "{ends:?}");
        }
    }

    #[test]
    fn integers_stay_exact_beside_other_ways_to_write_them() {
        let large = i64::MAX;
        assert_eq!(parse("9223372036854775807,1e3\n").unwrap().numbers, Numbers::Signed(vec![large, 1000]));
        assert_eq!(
            parse("9007199254740993.0,1.0\n").unwrap().numbers,
            Numbers::Signed(vec![(1 << 53) + 1, 1])
        );
        let Numbers::Mixed { exact, .. } = parse("9007199254740993,0.5\n").unwrap().numbers else {
            panic!("an integer beyond 2^53 is kept beside a fraction")
        };
        assert_eq!(exact[&0], Exact::Integer((1 << 53) + 1));
        assert_eq!(parse("9007199254740992,0.5\n").unwrap().numbers, Numbers::Real(vec![2f64.powi(53), 0.5]));
    }

    #[test]
    fn errors_name_the_line() {
        let wrong = |text: &str| parse(text).unwrap_err();
        assert_eq!(wrong("1,2\n3,x\n"), "data.csv, line 2: column 2: 'x' is not a number");
        assert_eq!(wrong("1,2\n3\n"), "data.csv, line 2: 1 columns where the lines before have 2");
        assert_eq!(
            wrong("1,2\n1e400,3\n"),
            "data.csv, line 2: column 1: '1e400' is larger than any number that is computed on"
        );
        assert_eq!(wrong("1,2\n-inf,3\n"), "data.csv, line 2: column 1: '-inf' is not a finite number");
        assert_eq!(
            wrong("1,2\n1;2,4\n"),
            "data.csv, line 2: column 1: '1;2' is not a number; columns are separated by commas, not semicolons, \
             unless the input says separator = \";\""
        );
        for (text, name) in
            [("1\t2\n", "tabs"), ("1.5 2\n", "blanks"), ("1|2\n", "bars"), ("a;b\n1;2\n", "semicolons")]
        {
            assert!(wrong(text).contains(&format!("commas, not {name}")), "{text:?}");
        }
        assert!(parse("a;b\n1,5;2\n").is_err(), "decimal commas are not read");
        assert_eq!(wrong("1,\"2\n3,4\n"), "data.csv, line 1: a quote is not closed");
        assert_eq!(wrong("1,\"2\"3\n"), "data.csv, line 1: there is text behind a quote that closes a cell");
        for empty in ["", "a,b\n", "\n\n"] {
            assert_eq!(wrong(empty), "data.csv: there are no numbers in it");
        }
    }

    #[test]
    fn what_is_missing_has_a_row_and_a_column() {
        let missing = |line, column, word: &str| {
            let word = if word.is_empty() { String::new() } else { format!(" ('{word}')") };
            let fill = "`missing = NUMBER` on the input fills it in";
            format!("data.csv, line {line}: column {column}: the value is missing{word}; {fill}")
        };
        for word in ["NA", "?", "None", "NaN", "null", ""] {
            let text = format!("{word},{word}\n1,2\n");
            assert_eq!(parse(&text).unwrap_err(), missing(1, 1, word));
            assert_eq!(parse(&format!("1,2\n3,{word}\n")).unwrap_err(), missing(2, 2, word));
            let filled = read(&text, &with_fill("-7")).0.unwrap();
            assert_eq!(content(filled), signed(2, 2, &[-7, -7, 1, 2]), "{word}");
        }
        for text in ["1\n\n3\n", "1\n  \n3\n", "a\n\n3\n"] {
            assert_eq!(parse(text).unwrap_err(), missing(2, 1, ""), "a blank line of one column: {text:?}");
        }
        assert_eq!(parse("1\n2\n\n").unwrap_err(), missing(3, 1, ""));
        assert_eq!(parse("\n1\n2\n").unwrap_err(), missing(1, 1, ""));
        assert_eq!(content(read("1\n\n3\n", &with_fill("0")).0.unwrap()), signed(3, 1, &[1, 0, 3]));
        assert!(parse("1,2\n\n3,4\n").unwrap_err().starts_with("data.csv, line 2: the line is blank"));
        assert_eq!(
            content(read("1,2\n\n3,4\n", &with_fill("0")).0.unwrap()),
            signed(3, 2, &[1, 2, 0, 0, 3, 4])
        );
    }

    #[test]
    fn what_is_taken_for_granted_is_said() {
        let (matrix, told) = read("\nage,weight\n1,2\n\n", &TableOptions::default());
        assert_eq!(content(matrix.unwrap()), signed(1, 2, &[1, 2]));
        assert_eq!(
            told,
            [
                "data.csv: blank lines are skipped: 1",
                "data.csv: line 2 is taken for names of columns (age, weight); `header = true` or `false` on the input \
                 says so",
                "data.csv: blank lines are skipped: 4",
            ]
        );
        assert_eq!(read("age\n1\n", &with_header(true)).1, [""; 0], "what the job says is not said again");
    }

    #[test]
    fn only_clear_names_are_taken_for_names() {
        let header = "if the line names the columns, say header = true on the input";
        for text in
            ["1st,2nd\n1,2\n", "-log p,x\n1,2\n", "age,2020\n1,2\n", "true,false\n1,2\n", "#a,b\n1,2\n"]
        {
            let message = parse(text).unwrap_err();
            assert!(
                message.starts_with("data.csv, line 1: column 1: ") && message.ends_with(header),
                "{message}"
            );
            assert_eq!(content(read(text, &with_header(true)).0.unwrap()), signed(1, 2, &[1, 2]));
        }
        let message = parse(",a,b\n0,1,2\n").unwrap_err();
        assert!(message.contains("looks like names of columns, but column 1 has none"), "{message}");
        assert!(message.contains("index=False"), "{message}");
        assert!(
            read("a,b\n1,2\n", &with_header(false))
                .0
                .unwrap_err()
                .contains("line 1: column 1: 'a' is not a number")
        );
    }

    #[test]
    fn columns_are_chosen_by_name_or_number() {
        let with =
            |columns: &[Column]| TableOptions { columns: Some(columns.to_vec()), ..TableOptions::default() };
        let name = |name: &str| Column::Name(name.to_owned());
        let text = "id,age,weight\nA7,30,70\nB9,40,80\n";
        let expected = signed(2, 2, &[70, 30, 80, 40]);
        assert_eq!(content(read(text, &with(&[name("weight"), name("age")])).0.unwrap()), expected);
        assert_eq!(content(read(text, &with(&[Column::Number(3), Column::Number(2)])).0.unwrap()), expected);
        let wrong = |text: &str, column: Column| read(text, &with(&[column])).0.unwrap_err();
        assert_eq!(
            wrong(text, name("size")),
            "data.csv, line 1: there is no column 'size'; there are: id, age, weight"
        );
        assert_eq!(wrong(text, Column::Number(4)), "data.csv, line 1: there is no column 4: there are 3");
        assert!(wrong("a,a\n1,2\n", name("a")).contains("several columns are called 'a'"));
        let index = TableOptions { header: Some(true), ..with(&[name("b")]) };
        assert_eq!(content(read(",a,b\n0,1,2\n", &index).0.unwrap()), signed(1, 1, &[2]));
    }

    #[test]
    fn the_separator_can_be_another() {
        for (sign, text) in
            [(";", "1;2\n3;4\n"), ("\t", "1\t2\n3\t4\n"), (" ", "1 2\n3 4\n"), ("|", "1| 2\n3|4\n")]
        {
            let separator = Some(Separator::try_from(sign.to_owned()).unwrap());
            let options = TableOptions { separator, ..TableOptions::default() };
            assert_eq!(content(read(text, &options).0.unwrap()), signed(2, 2, &[1, 2, 3, 4]));
        }
        for sign in ["", ",,", "1", ".", "-", "\""] {
            assert!(Separator::try_from(sign.to_owned()).is_err(), "{sign:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9a-zA,.\n\r\"; -]{0,60}") {
            let _ = parse(&text);
            let _ = read(&text, &with_fill("0"));
        }
    }
}
