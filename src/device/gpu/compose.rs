//! Putting WGSL sources together.
//!
//! A line that is exactly `#import name`, from its first column, stands for the text of that name, put in where it
//! is imported first; later imports of the same name are dropped. There is nothing else: no conditions, no text
//! templates.

use std::fmt;

/// Why sources do not compose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// There is no source of that name.
    #[error("'{from}' imports '{name}', which is not there")]
    Unknown {
        /// The imports.
        name: String,
        /// Where.
        from: String,
    },
    /// A source imports itself, perhaps by way of others.
    #[error("'{name}' imports itself: {}", Path(.path))]
    Cyclic {
        /// The source.
        name: String,
        /// The imports that lead from it back to itself.
        path: Vec<String>,
    },
}

struct Path<'a>(&'a [String]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" -> "))
    }
}

/// The text of `root` with its imports, which `source` finds by name.
///
/// # Errors
/// Where an import is unknown or cyclic.
pub fn compose<'a>(root: &str, source: impl Fn(&str) -> Option<&'a str>) -> Result<String, ComposeError> {
    let mut composer = Composer { source, done: Vec::new(), open: Vec::new(), text: String::new() };
    composer.import(root, root)?;
    Ok(composer.text)
}

struct Composer<F> {
    source: F,
    done: Vec<String>,
    open: Vec<String>,
    text: String,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Composer<F> {
    fn import(&mut self, name: &str, from: &str) -> Result<(), ComposeError> {
        if let Some(start) = self.open.iter().position(|open| open == name) {
            let mut path = self.open[start..].to_vec();
            path.push(name.to_owned());
            return Err(ComposeError::Cyclic { name: name.to_owned(), path });
        }
        if self.done.iter().any(|done| done == name) {
            return Ok(());
        }
        let unknown = || ComposeError::Unknown { name: name.to_owned(), from: from.to_owned() };
        let source = (self.source)(name).ok_or_else(unknown)?;
        self.open.push(name.to_owned());
        for line in source.lines() {
            match line.strip_prefix("#import ") {
                Some(imported) => self.import(imported.trim(), name)?,
                None => {
                    self.text.push_str(line);
                    self.text.push('\n');
                }
            }
        }
        self.open.pop();
        self.done.push(name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(sources: &[(&str, &'static str)]) -> Result<String, ComposeError> {
        compose("root", |name| sources.iter().find(|(n, _)| *n == name).map(|(_, text)| *text))
    }

    #[test]
    fn a_source_is_put_in_once_before_its_first_use() {
        let text = composed(&[
            ("root", "#import a\n#import b\nroot"),
            ("a", "#import b\na // #import none"),
            ("b", "b"),
        ]);
        assert_eq!(text.unwrap(), "b\na // #import none\nroot\n");
    }

    #[test]
    fn unknown_and_cyclic_imports_are_errors() {
        let unknown = composed(&[("root", "#import a"), ("a", "#import b")]).unwrap_err();
        assert_eq!(unknown.to_string(), "'a' imports 'b', which is not there");
        let cyclic = composed(&[("root", "#import a"), ("a", "#import b"), ("b", "#import a")]).unwrap_err();
        assert_eq!(cyclic.to_string(), "'a' imports itself: a -> b -> a");
    }
}
