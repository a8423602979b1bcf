//! What lines have in common: the line without what differs from one to the next.

use super::json;

/// What stands for a number, an id, an address.
const NUMBER: char = '#';
/// What stands for what was between quotes.
const QUOTED: &str = "\"…\"";
/// Bytes of a line that are compared: what lines have in common is at their beginning.
const HEAD: usize = 400;
/// Letters and digits of a UUID with its dashes.
const UUID: usize = 36;

/// Appends the pattern of a line: numbers, hexadecimal words, UUIDs, times and addresses are one `#`, quoted parts `"…"`. A
/// JSON line is taken for its message alone.
pub fn mask(line: &str, out: &mut String) {
    match json::message(line) {
        Some(message) => mask_text(&message, out),
        None => mask_text(line, out),
    }
}

fn mask_text(line: &str, out: &mut String) {
    let text = &line[..line.floor_char_boundary(HEAD)];
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        at += match next {
            '"' | '\'' | '`' => quoted(&text[at..], next, out),
            next if next.is_alphanumeric() => word(&text[at..], out),
            next if next.is_whitespace() => blanks(&text[at..], out),
            next => {
                out.push(next);
                next.len_utf8()
            }
        };
    }
}

/// What is between two quotes; a quote without an end, or an apostrophe in a word, is a character like any other.
fn quoted(text: &str, quote: char, out: &mut String) -> usize {
    let inside_word = quote == '\'' && out.ends_with(char::is_alphanumeric);
    match text[1..].find(quote).filter(|_| !inside_word) {
        Some(end) => {
            out.push_str(QUOTED);
            end + 2
        }
        None => {
            out.push(quote);
            1
        }
    }
}

fn blanks(text: &str, out: &mut String) -> usize {
    out.push(' ');
    text.find(|char: char| !char.is_whitespace()).unwrap_or(text.len())
}

fn word(text: &str, out: &mut String) -> usize {
    if is_uuid(text) {
        number(out);
        return UUID;
    }
    let end = text.find(|char: char| !char.is_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits == 0 {
        out.push_str(word);
    } else if hex || digits == word.len() || word.starts_with("0x") {
        number(out);
    } else {
        letters(word, out);
    }
    end
}

/// `web12ms` keeps its letters.
fn letters(word: &str, out: &mut String) {
    let mut in_number = false;
    for char in word.chars() {
        if !char.is_ascii_digit() {
            out.push(char);
        } else if !in_number {
            number(out);
        }
        in_number = char.is_ascii_digit();
    }
}

/// Numbers with a mark between them are one: a time, an address, a version.
fn number(out: &mut String) {
    let mut last = out.chars().rev();
    let joins = matches!(last.next(), Some('.' | ':' | '-' | '/' | ',')) && last.next() == Some(NUMBER);
    if joins {
        out.pop();
    } else if !out.ends_with(NUMBER) {
        out.push(NUMBER);
    }
}

fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(id) = bytes.get(..UUID) else { return false };
    let ends = bytes.get(UUID).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    ends && id.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(line: &str) -> String {
        let mut out = String::new();
        mask(line, &mut out);
        out
    }

    #[test]
    fn what_differs_from_line_to_line_is_masked() {
        let cases = [
            ("GET /users/42 took 12ms from 10.0.1.4:55012", "GET /users/# took #ms from #"),
            ("session 550e8400-e29b-41d4-a716-446655440000 closed", "session # closed"),
            ("key \"orders:7\" missing, can't go on", "key \"…\" missing, can't go on"),
            ("at 0x7f3a9c in deadbeef01", "at # in #"),
            ("2026-11-25 03:00:01.123  slow", "# # slow"),
            (r#"{"level":"error","msg":"no route to 10.0.0.7","n":3}"#, "no route to #"),
            ("a quote \" without an end", "a quote \" without an end"),
        ];
        for (line, expected) in cases {
            assert_eq!(masked(line), expected);
        }
        assert_eq!(masked("worker 7 died"), masked("worker 12 died"));
        assert_ne!(masked("worker 7 died"), masked("worker 7 lives"));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*|[a-f0-9\"'. :-]*") {
            let _ = masked(&line);
        }
    }
}
