//! Breaking text into lines of a width, at spaces where there are some.

use crate::domain::text;
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

/// Appends `text`, cleaned and broken to `width` cells, as lines. Keeps line breaks; continuation lines get `indent` spaces.
pub fn lines(out: &mut Vec<String>, text: &str, width: usize, indent: usize) {
    for line in text.lines() {
        let line = text::clean(line);
        for (index, range) in ranges(&line, width, indent).into_iter().enumerate() {
            let pad = if index == 0 { 0 } else { indent };
            out.push(format!("{:pad$}{}", "", &line[range]));
        }
    }
}

/// Where one line of clean text is broken: its pieces, at least one, without the spaces between them. All but the first have `indent`
/// cells less.
pub fn ranges(line: &str, width: usize, indent: usize) -> Vec<Range<usize>> {
    let width = width.max(indent + 8);
    let end = line.trim_end().len();
    let (mut out, mut at) = (Vec::new(), 0);
    loop {
        let pad = if out.is_empty() { 0 } else { indent };
        let head = head(&line[at..end], width - pad);
        out.push(at..at + head.len());
        at += head.len();
        at += line[at..end].len() - line[at..end].trim_start().len();
        if at >= end {
            return out;
        }
    }
}

/// The first piece of `text` that fits, ending before a space if one is near enough.
fn head(text: &str, width: usize) -> &str {
    if text.width() <= width {
        return text;
    }
    let hard = text::truncate(text, width);
    // A single grapheme wider than the line still has to go somewhere.
    let hard = if hard.is_empty() { &text[..text.chars().next().map_or(0, char::len_utf8)] } else { hard };
    match hard.rfind(' ') {
        Some(at) if at > hard.len() / 3 && !text[hard.len()..].starts_with(' ') => hard[..at].trim_end(),
        _ => hard,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn breaks_at_spaces_and_hard_where_there_are_none() {
        let mut out = Vec::new();
        super::lines(&mut out, "the quick brown fox jumps\nabcdefghijklmnopqrstuvwxyz", 12, 2);
        assert_eq!(out, ["the quick", "  brown fox", "  jumps", "abcdefghijkl", "  mnopqrstuv", "  wxyz"]);
    }
}
