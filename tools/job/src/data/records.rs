//! Lines of text as records of cells.

use std::borrow::Cow;

/// A line, and what is wrong with it.
pub(super) type Wrong = (u64, String);

/// One line's cells.
pub(super) struct Record<'a> {
    pub(super) line: u64,
    pub(super) cells: Vec<Cow<'a, str>>,
    pub(super) is_blank: bool,
}

/// Cuts a text into records and cells (RFC 4180, with any line ends, any separator and blanks around cells).
pub(super) struct Records<'a> {
    rest: &'a str,
    line: u64,
    separator: char,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str, separator: char) -> Records<'a> {
        Records { rest: text, line: 1, separator }
    }

    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, Wrong> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = Vec::new();
        let mut is_quoted = false;
        loop {
            let separator = self.separator;
            let body = self.rest.trim_start_matches(|c| matches!(c, ' ' | '\t') && c != separator);
            match body.strip_prefix('"') {
                Some(quoted) => {
                    cells.push(self.quoted(quoted)?);
                    is_quoted = true;
                }
                None => {
                    let (cell, rest) = self.rest.split_at(self.end_of(self.rest));
                    cells.push(Cow::Borrowed(cell.trim()));
                    self.rest = rest;
                }
            }
            match self.rest.strip_prefix(separator) {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        let behind_return = self.rest.strip_prefix('\r').unwrap_or(self.rest);
        self.rest = behind_return.strip_prefix('\n').unwrap_or(behind_return);
        self.line += 1;
        let is_blank = !is_quoted && cells.len() == 1 && cells[0].is_empty();
        Ok(Some(Record { line, cells, is_blank }))
    }

    /// The content of a cell behind its opening quote; what is left begins behind the cell.
    fn quoted(&mut self, text: &'a str) -> Result<Cow<'a, str>, Wrong> {
        let line = self.line;
        let mut end = 0;
        let mut is_doubled = false;
        loop {
            let quote = text[end..].find('"').ok_or_else(|| (line, "a quote is not closed".to_owned()))?;
            end += quote;
            if !text[end + 1..].starts_with('"') {
                break;
            }
            is_doubled = true;
            end += 2;
        }
        let (content, behind) = (&text[..end], &text[end + 1..]);
        self.line += content.matches('\n').count() as u64;
        let (nothing, rest) = behind.split_at(self.end_of(behind));
        if !nothing.trim().is_empty() {
            return Err((line, "there is text behind a quote that closes a cell".to_owned()));
        }
        self.rest = rest;
        let content = content.trim();
        Ok(if is_doubled { Cow::Owned(content.replace("\"\"", "\"")) } else { Cow::Borrowed(content) })
    }

    fn end_of(&self, text: &str) -> usize {
        text.find([self.separator, '\n', '\r']).unwrap_or(text.len())
    }
}
