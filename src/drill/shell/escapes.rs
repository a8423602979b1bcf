//! Backslashes in text, and quotes around it.

use std::fmt::Write as _;

/// What stands within `$'…'`.
pub(super) fn ansi(text: &str) -> String {
    decoded(text, false).0
}

/// What `printf %b` and `echo -e` make of a text, and whether `\c` ended it.
pub(super) fn decoded(text: &str, zero: bool) -> (String, bool) {
    let mut out = String::new();
    let mut all = text.chars().peekable();
    while let Some(one) = all.next() {
        if one != '\\' {
            out.push(one);
            continue;
        }
        let number = |all: &mut std::iter::Peekable<std::str::Chars<'_>>, base: u32, most: usize, first: u32| {
            let mut value = first;
            for _ in 0..most {
                let Some(digit) = all.peek().and_then(|next| next.to_digit(base)) else { break };
                value = value.wrapping_mul(base).wrapping_add(digit);
                all.next();
            }
            char::from_u32(value).unwrap_or('\u{fffd}')
        };
        match all.next() {
            None => out.push('\\'),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('e' | 'E') => out.push('\u{1b}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('\\') => out.push('\\'),
            Some('\'') if !zero => out.push('\''),
            Some('"') if !zero => out.push('"'),
            Some('c') if zero => return (out, true),
            Some('x') => out.push(number(&mut all, 16, 2, 0)),
            Some('u') => out.push(number(&mut all, 16, 4, 0)),
            Some('U') => out.push(number(&mut all, 16, 8, 0)),
            Some('0') if zero => out.push(number(&mut all, 8, 3, 0)),
            Some(digit @ '0'..='7') => out.push(number(&mut all, 8, 2, digit as u32 - 48)),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    (out, false)
}

/// As `${name@Q}` writes it.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().any(char::is_control) { controlled(text) } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// As `printf %q` and `set -x` write it: no quotes where none are needed.
pub(super) fn spare(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if text.chars().any(char::is_control) {
        return controlled(text);
    }
    let mut out = String::new();
    for (index, one) in text.chars().enumerate() {
        let plain = one.is_alphanumeric() || "_-./:=@%+,".contains(one);
        if !plain && (index == 0 || !"#~".contains(one)) {
            out.push('\\');
        }
        out.push(one);
    }
    out
}

fn controlled(text: &str) -> String {
    let mut out = String::from("$'");
    for one in text.chars() {
        match one {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\u{1b}' => out.push_str("\\E"),
            one if one.is_control() => drop(write!(out, "\\{:03o}", one as u32)),
            one => out.push(one),
        }
    }
    out.push('\'');
    out
}
