//! The options of a job for reading a table of text.

use super::decimal::Decimal;
use serde::Deserialize;
use toml::Value;

/// The options of a table; those that are not given are found out, or have the usual value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableOptions {
    /// The replacement of a missing value, which is an error where none is given.
    pub missing: Option<Missing>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
    /// The columns that are read, in this order; all of them where none are given.
    pub columns: Option<Vec<Column>>,
    /// The sign between two cells; a comma where nothing is said.
    pub separator: Option<Separator>,
}

impl TableOptions {
    /// Makes sure that what is said goes together.
    pub fn check(&self) -> Result<(), String> {
        let columns = self.columns.as_deref().unwrap_or_default();
        if self.columns.is_some() && columns.is_empty() {
            return Err("`columns` names no column".to_owned());
        }
        if let Some(twice) = columns
            .iter()
            .enumerate()
            .find_map(|(at, column)| columns[..at].contains(column).then_some(column))
        {
            return Err(format!("`columns` names {twice} twice"));
        }
        if columns.contains(&Column::Number(0)) {
            return Err("`columns` are counted from 1".to_owned());
        }
        match columns.iter().find(|column| matches!(column, Column::Name(_))) {
            Some(name) if self.header == Some(false) => {
                Err(format!("`columns` names {name}, but header = false says that columns have no names"))
            }
            _ => Ok(()),
        }
    }

    /// The first option that only tables have, if the input gives any.
    pub fn of_tables(&self) -> Option<&'static str> {
        [
            ("header", self.header.is_some()),
            ("columns", self.columns.is_some()),
            ("separator", self.separator.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_said)| is_said.then_some(name))
    }

    /// The sign between two cells.
    pub fn separator(&self) -> char {
        self.separator.map_or(',', |separator| separator.0)
    }

    /// The replacement of missing values, if there is one.
    pub fn fill(&self) -> Option<Decimal> {
        match self.missing {
            Some(Missing::Fill(number)) => Some(number),
            Some(Missing::Error) | None => None,
        }
    }
}

/// The treatment of a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Missing {
    /// It is refused, as where nothing is said.
    Error,
    /// A number takes its place.
    Fill(Decimal),
}

impl TryFrom<Value> for Missing {
    type Error = String;

    fn try_from(value: Value) -> Result<Missing, String> {
        let text = match value {
            Value::String(word) if word == "error" => return Ok(Missing::Error),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => format!("{number:e}"),
            _ => String::new(),
        };
        Decimal::parse(&text).map(Missing::Fill).map_err(|_| {
            "missing is \"error\", or the number that takes the place of missing values".to_owned()
        })
    }
}

/// A column by its name, or by its number from 1 on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a column is a name, or a number counted from 1")]
pub enum Column {
    Number(usize),
    Name(String),
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Column::Number(number) => write!(f, "column {number}"),
            Column::Name(name) => write!(f, "'{}'", name.escape_debug()),
        }
    }
}

/// The separator of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Separator(char);

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(text: String) -> Result<Separator, String> {
        let mut signs = text.chars();
        match (signs.next(), signs.next()) {
            // What numbers, quotes and lines are made of separates nothing.
            (Some(sign), None) if !sign.is_alphanumeric() && !"+-.\"\r\n".contains(sign) => {
                Ok(Separator(sign))
            }
            _ => Err("a separator is one sign that no number has, as \",\", \";\" or \"\\t\"".to_owned()),
        }
    }
}
