//! POSIX regular expressions, as the ones of this program's library. Of several ways the first that fits is taken, not the longest.

use super::super::pattern::in_class;
use regex::{Regex, RegexBuilder};
use std::fmt::Write as _;

/// An extended one: of `grep -E`, `sed -E`, awk and `[[ =~ ]]`.
pub(in super::super) fn extended(text: &str, anycase: bool) -> Result<Regex, String> {
    build(&translated(text, true)?, anycase)
}

/// A basic one: of `grep` and `sed`.
pub(in super::super) fn basic(text: &str, anycase: bool) -> Result<Regex, String> {
    build(&translated(text, false)?, anycase)
}

pub(in super::super) fn build(text: &str, anycase: bool) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).case_insensitive(anycase).size_limit(1 << 20).build();
    built.map_err(|_| "Invalid regular expression".to_owned())
}

/// As the library writes it.
pub(in super::super) fn translated(text: &str, extended: bool) -> Result<String, String> {
    let all: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    // Where a `*` would have nothing before it.
    let mut begin = true;
    while at < all.len() {
        let one = all[at];
        at += 1;
        let first = std::mem::replace(&mut begin, false);
        match one {
            '[' => class(&all, &mut at, &mut out)?,
            '\\' => {
                let next = *all.get(at).ok_or("Trailing backslash")?;
                at += 1;
                begin = escape(next, extended, &mut out)?;
            }
            '*' if first && !extended => out.push_str("\\*"),
            '*' if first => return Err("Invalid preceding regular expression".to_owned()),
            '^' if !extended && !first => out.push_str("\\^"),
            '^' => {
                out.push('^');
                begin = true;
            }
            '$' if !extended
                && at < all.len()
                && !all[at..].starts_with(&['\\', ')'])
                && !all[at..].starts_with(&['\\', '|']) =>
            {
                out.push_str("\\$");
            }
            '(' | '|' if extended => {
                out.push(one);
                begin = true;
            }
            '{' if extended && !all.get(at).is_some_and(char::is_ascii_digit) => out.push_str("\\{"),
            '+' | '?' | '(' | ')' | '{' | '}' | '|' if !extended => {
                out.push('\\');
                out.push(one);
            }
            '}' if extended => out.push('}'),
            '#' | '&' | '~' | '-' | ' ' => out.push(one),
            one => out.push(one),
        }
    }
    Ok(out)
}

/// What stands behind a backslash; `true`: a beginning.
fn escape(next: char, extended: bool, out: &mut String) -> Result<bool, String> {
    match next {
        '(' | '|' if !extended => {
            out.push(next);
            return Ok(true);
        }
        ')' | '{' | '}' | '+' | '?' if !extended => out.push(next),
        '1'..='9' => return Err("this drill knows no references back within a regular expression".to_owned()),
        'w' | 'W' | 's' | 'S' | 'b' | 'B' | 'n' | 't' => {
            out.push('\\');
            out.push(next);
        }
        '<' => out.push_str("\\b{start}"),
        '>' => out.push_str("\\b{end}"),
        other => out.push_str(&regex::escape(&other.to_string())),
    }
    Ok(false)
}

/// `[…]`: a backslash in it is one.
fn class(all: &[char], at: &mut usize, out: &mut String) -> Result<(), String> {
    out.push('[');
    if all.get(*at) == Some(&'^') {
        out.push('^');
        *at += 1;
    }
    let begin = *at;
    loop {
        let one = *all.get(*at).ok_or("Unmatched [, [^, [:, [., or [=")?;
        *at += 1;
        match one {
            ']' if *at > begin + 1 => break,
            '[' if matches!(all.get(*at), Some(':')) => {
                let end = (*at + 1..all.len())
                    .find(|end| all[*end] == ':' && all.get(end + 1) == Some(&']'))
                    .ok_or("Unmatched [")?;
                let name: String = all[*at + 1..end].iter().collect();
                let _ = write!(out, "[:{name}:]");
                *at = end + 2;
            }
            '-' if *at > begin + 1 && all.get(*at).is_some_and(|next| *next != ']') => out.push('-'),
            // awk and the editors take it for a newline or tab.
            '\\' if matches!(all.get(*at), Some('n' | 't')) => {
                out.push('\\');
                out.push(all[*at]);
                *at += 1;
            }
            one => out.push_str(&in_class(one)),
        }
    }
    out.push(']');
    Ok(())
}
