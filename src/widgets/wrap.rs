//! Breaking text into lines of a width, at spaces where there are some.

use crate::domain::text;
use unicode_width::UnicodeWidthStr;

/// Appends `text`, cleaned and broken to `width` cells, as lines. Keeps line breaks; continuation lines get `indent` spaces.
pub fn lines(out: &mut Vec<String>, text: &str, width: usize, indent: usize) {
    let width = width.max(indent + 8);
    for line in text.lines() {
        let line = text::clean(line);
        let mut rest = line.trim_end();
        let mut first = true;
        loop {
            let pad = if first { 0 } else { indent };
            let head = head(rest, width - pad);
            out.push(format!("{:pad$}{head}", ""));
            rest = rest[head.len()..].trim_start();
            if rest.is_empty() {
                break;
            }
            first = false;
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
