//! Rows of a table, or a thing's page, as text to be taken elsewhere: plain, Markdown, JSON. Pure; what is in it was made harmless by
//! those who filled it, and secrets are hidden by [`Sheet::redacted`] before anything is written.

use crate::domain::{Severity, json, text};
use crate::redact::Redactor;
use serde_json::Value;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Rows, with their headings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// What it is of, with what its pane says in its title.
    pub title: String,
    /// One for each cell of a row.
    pub headings: Vec<String>,
    /// Which columns are figures, and stand at the right.
    pub right: Vec<bool>,
    /// Rows.
    pub rows: Vec<SheetRow>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRow {
    /// How bad it is.
    pub severity: Severity,
    /// Its cells, whole.
    pub cells: Vec<String>,
    /// Its fields.
    pub fields: Value,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Columns under each other.
    Text,
    /// A Markdown table.
    Markdown,
    /// A list of objects.
    Json,
}

impl Sheet {
    /// Without secrets.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        for row in &mut self.rows {
            for cell in &mut row.cells {
                *cell = redactor.text(cell).into_owned();
            }
            row.fields = redactor.json(std::mem::take(&mut row.fields));
        }
        self.title = redactor.text(&self.title).into_owned();
        self
    }

    /// As many of the first rows as fit into so many bytes, and how many these are.
    pub fn written(&self, form: Form, most: usize) -> (String, usize) {
        let mut count = self.rows.len();
        loop {
            let text = self.first(form, count);
            if text.len() <= most || count == 0 {
                return (text, count);
            }
            count = (count * most / text.len()).min(count - 1);
        }
    }

    /// Adds a row of a label and a text, which may have several lines.
    pub fn push_fact(&mut self, label: &str, given: &str) {
        let (label, given) = (text::clean(label), text::clean_lines(given));
        let fields = serde_json::json!({ "fact": label, "value": given });
        self.rows.push(SheetRow { severity: Severity::None, cells: vec![label.into_owned(), given], fields });
    }

    fn first(&self, form: Form, count: usize) -> String {
        let rows = &self.rows[..count];
        match form {
            Form::Text => self.plain(rows),
            Form::Markdown => self.markdown(rows),
            Form::Json => {
                let fields: Vec<Value> = rows.iter().map(|row| row.fields.clone()).collect();
                json::text(&Value::Array(fields)).unwrap_or_default()
            }
        }
    }

    fn plain(&self, rows: &[SheetRow]) -> String {
        let widths: Vec<usize> = (0..self.headings.len()).map(|column| self.width(rows, column)).collect();
        let mut out = String::new();
        self.line(&mut out, " ", &self.headings, &widths);
        for row in rows {
            self.line(&mut out, row.severity.symbol(), &row.cells, &widths);
        }
        out
    }

    fn width(&self, rows: &[SheetRow], column: usize) -> usize {
        let cells = rows.iter().flat_map(|row| row.cells[column].lines().map(UnicodeWidthStr::width));
        cells.max().unwrap_or(0).max(self.headings[column].width())
    }

    fn line(&self, out: &mut String, symbol: &str, cells: &[String], widths: &[usize]) {
        for at in 0..cells.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1) {
            let start = out.len();
            out.push_str(if at == 0 { symbol } else { " " });
            for ((cell, width), right) in cells.iter().zip(widths).zip(&self.right) {
                let part = cell.lines().nth(at).unwrap_or("");
                let gap = " ".repeat(width.saturating_sub(part.width()));
                let (before, after) = if *right { (gap.as_str(), "") } else { ("", gap.as_str()) };
                let _ = write!(out, "  {before}{part}{after}");
            }
            out.truncate(start + out[start..].trim_end().len());
            out.push('\n');
        }
    }

    fn markdown(&self, rows: &[SheetRow]) -> String {
        let mut out = String::from("|");
        self.headings.iter().for_each(|heading| push_cell(&mut out, heading));
        out.push_str("\n|");
        for right in &self.right {
            out.push_str(if *right { " ---: |" } else { " --- |" });
        }
        out.push('\n');
        for row in rows {
            out.push('|');
            row.cells.iter().for_each(|cell| push_cell(&mut out, cell));
            out.push('\n');
        }
        out
    }
}

/// A cell of a Markdown table. What would begin a link, a picture, code or a tag is taken as it stands: the text comes from outside, and a picture
/// in it would tell somebody who reads it.
fn push_cell(out: &mut String, cell: &str) {
    out.push(' ');
    text::push_markdown(out, cell);
    out.push_str(" |");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;
    use serde_json::json;

    fn sheet(names: &[&str]) -> Sheet {
        let row = |name: &&str| SheetRow {
            severity: Severity::Critical,
            cells: vec![(*name).to_owned(), "7".to_owned()],
            fields: json!({ "name": name }),
        };
        Sheet {
            title: "2 Containers".to_owned(),
            headings: vec!["NAME".to_owned(), "PIDS".to_owned()],
            right: vec![false, true],
            rows: names.iter().map(row).collect(),
        }
    }

    #[test]
    fn rows_are_written_in_three_forms() {
        let sheet = sheet(&["api", "日本|[x](y)"]);
        assert_eq!(
            sheet.written(Form::Text, 999).0,
            "   NAME         PIDS\n▲  api             7\n▲  日本|[x](y)     7\n"
        );
        let table = "| NAME | PIDS |\n| --- | ---: |\n| api | 7 |\n| 日本\\|\\[x\\](y) | 7 |\n";
        assert_eq!(sheet.written(Form::Markdown, 999), (table.to_owned(), 2));
        let (text, _) = sheet.written(Form::Json, 999);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!([{ "name": "api" }, { "name": "日本|[x](y)" }])
        );
    }

    #[test]
    fn what_is_too_large_is_cut_at_a_row() {
        let many = sheet(&["api-0123456789"; 1000]);
        for form in [Form::Text, Form::Markdown, Form::Json] {
            let (text, count) = many.written(form, 2000);
            assert!(
                text.len() <= 2000 && text.len() > 1800 && count > 10,
                "{form:?}: {count} rows, {} bytes",
                text.len()
            );
        }
    }

    #[test]
    fn secrets_are_hidden() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::from("s3cret-thing"));
        let hidden = sheet(&["token s3cret-thing"]).redacted(&redactor);
        for form in [Form::Text, Form::Markdown, Form::Json] {
            let text = hidden.written(form, 999).0;
            assert!(!text.contains("s3cret") && text.contains("redacted"), "{text}");
        }
    }
}
