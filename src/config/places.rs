//! Where in which file a value stands, although several files are laid over each other.
//!
//! A file laid over another is parsed with as much blank space before it as the ones below it are long. Every span then tells
//! by its position alone which file it is of, also after the tables were merged.

use super::find::Text;
use crate::domain::text::line_column;
use std::ops::Range;

/// The files, one after the other on one line of positions.
pub struct Places<'a> {
    texts: &'a [Text],
    padded: Vec<String>,
}

impl<'a> Places<'a> {
    /// Lays the texts out.
    pub fn new(texts: &'a [Text]) -> Self {
        let mut start = 0;
        let mut padded = Vec::new();
        for text in texts {
            padded.push(format!("{}{}", " ".repeat(start), text.content));
            // One more, so that a span at the very end of a file is not taken for the start of the next.
            start += text.content.len() + 1;
        }
        Self { texts, padded }
    }

    /// Each text as it is to be parsed, the lowest first.
    pub fn parseable(&self) -> impl Iterator<Item = &str> {
        self.padded.iter().map(String::as_str)
    }

    /// File, line and column (characters, from 1) of a span.
    pub fn of(&self, span: Range<usize>) -> (String, (usize, usize)) {
        let mut start = 0;
        for text in self.texts {
            let end = start + text.content.len();
            if span.start <= end {
                return (text.name.clone(), line_column(&text.content, span.start - start));
            }
            start = end + 1;
        }
        (self.texts.last().map(|text| text.name.clone()).unwrap_or_default(), (1, 1))
    }
}
