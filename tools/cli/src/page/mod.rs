//! Reports as one HTML page: self-contained, so that it can be mailed, archived and opened without a network.

pub mod chart;
pub mod run;

use crate::failure::Failure;
use crate::files;
use chart::escape;
use std::path::{Path, PathBuf};
use symbolon_job::JobError;

/// The page's file in the folder that `--report` names.
const FILE: &str = "report.html";

/// All styles. Tables and charts that are wider than the screen scroll by themselves, not the page.
const STYLE: &str = "
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f4f5f7;color:#1d2329;font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}
header{background:#17324d;color:#fff;padding:28px 0}
header p{margin:4px 0 0;color:#c5d3e0}
header div,main{max-width:1000px;margin:0 auto;padding:0 20px}
h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 12px}
section{background:#fff;border:1px solid #e1e4e8;border-radius:8px;padding:20px;margin:20px 0}
.wide{overflow-x:auto;-webkit-overflow-scrolling:touch}
.long{overflow-y:auto;max-height:70vh}
.long th{position:sticky;top:0;background:#fff;z-index:1}
table{border-collapse:collapse;font-size:13.5px;min-width:100%}
th,td{padding:6px 10px;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left;padding-left:0;position:sticky;left:0;background:#fff}
.long th:first-child{z-index:2}
th{border-bottom:2px solid #d5d9de;color:#566069;font-weight:600}
td{border-bottom:1px solid #edeff1}
tr:last-child td{border-bottom:0}
svg{display:block;max-width:none}
@media(min-width:960px){.wide>svg{max-width:100%;height:auto}}
p{margin:0 0 12px}
td:only-child{white-space:normal;position:static}
.note{color:#566069;font-size:13.5px;margin:12px 0 0}
.figures{display:flex;flex-wrap:wrap;gap:12px;margin:0}
.figures div{flex:1 1 140px;background:#f4f6f9;border-radius:6px;padding:12px}
.figures dt{color:#566069;font-size:12.5px}
.figures dd{margin:2px 0 0;font-size:19px;font-weight:600;overflow-wrap:anywhere}
@media(max-width:600px){th:first-child,td:first-child{white-space:normal;max-width:42vw;overflow-wrap:anywhere}
header{padding:20px 0}h1{font-size:20px}section{padding:16px 14px;margin:14px 0}
header div,main{padding:0 12px}}
";

/// A page under construction.
pub struct Page {
    title: String,
    subtitle: String,
    body: String,
}

impl Page {
    pub fn new(title: &str, subtitle: &str) -> Page {
        Page { title: title.to_owned(), subtitle: subtitle.to_owned(), body: String::new() }
    }

    /// A row of headline figures.
    pub fn figures(&mut self, figures: &[(&str, String)]) {
        let figure = |(name, value): &(&str, String)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
        };
        let figures: String = figures.iter().map(figure).collect();
        self.section("In short", &format!("<dl class=\"figures\">{figures}</dl>"));
    }

    /// A table under a heading, with a note below it. One that is long scrolls in its card, below its first row.
    pub fn table(&mut self, heading: &str, rows: &[Vec<String>], note: &str) {
        const LONG: usize = 40;
        let class = if rows.len() > LONG { "wide long" } else { "wide" };
        let cell = |tag: &str, cell: &String| format!("<{tag}>{}</{tag}>", escape(cell));
        let row = |(index, cells): (usize, &Vec<String>)| {
            let tag = if index == 0 { "th" } else { "td" };
            let cells: String = cells.iter().map(|text| cell(tag, text)).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let rows: String = rows.iter().enumerate().map(row).collect();
        let table = format!("<div class=\"{class}\"><table>\n{rows}</table></div>{}", note_of(note));
        self.section(heading, &table);
    }

    /// A chart under a heading, with a note below it.
    pub fn chart(&mut self, heading: &str, svg: &str, note: &str) {
        self.section(heading, &format!("<div class=\"wide\">{svg}</div>{}", note_of(note)));
    }

    /// The page's footer: its origin and version.
    pub fn environment(&mut self, facts: &[(&str, String)]) {
        let mut rows = vec![vec!["environment".to_owned(), String::new()]];
        let own = [
            ("symbolon", env!("CARGO_PKG_VERSION").to_owned()),
            ("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            ("cores", std::thread::available_parallelism().map_or(1, usize::from).to_string()),
        ];
        rows.extend(own.iter().chain(facts).map(|(name, value)| vec![(*name).to_owned(), value.clone()]));
        self.table("Environment", &rows, "");
    }

    fn section(&mut self, heading: &str, content: &str) {
        self.body += &format!("<section><h2>{}</h2>\n{content}</section>\n", escape(heading));
    }

    /// The whole page.
    pub fn html(&self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <header><div><h1>{title}</h1><p>{subtitle}</p></div></header>\n<main>\n{body}</main>\n</body>\n</html>\n",
            title = escape(&self.title),
            subtitle = escape(&self.subtitle),
            body = self.body
        )
    }

    /// Writes the page into a folder, which is made where it is not there; returns the file.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let path = folder.join(FILE);
        let failed = |error: std::io::Error| JobError::File { path: path.clone(), reason: error.to_string() };
        std::fs::create_dir_all(folder).map_err(failed)?;
        files::write(&path, self.html().as_bytes())?;
        Ok(path)
    }
}

fn note_of(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>", escape(note)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let mut page = Page::new("a <job>", "one & only");
        page.table("memory", &[vec!["class".into(), "bytes".into()], vec!["<i>".into(), "7".into()]], "");
        page.environment(&[("device", "cpu".into())]);
        let html = page.html();
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
        assert!(html.contains("a &lt;job&gt;") && html.contains("<td>&lt;i&gt;</td>"), "{html}");
    }
}
