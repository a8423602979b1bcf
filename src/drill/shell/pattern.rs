//! Patterns of a shell: `*`, `?`, `[…]` and the groups `@(…)`, `?(…)`, `*(…)`, `+(…)`. A character behind a backslash is itself.
//!
//! They are matched as regular expressions, in time that grows with the text alone.

use regex::Regex;
use std::fmt::Write as _;

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Star,
    One,
    Literal(char),
    /// A class, as a regular expression writes it.
    Class(String),
    /// What stands before the bracket, and the ways within.
    Group(char, Vec<Vec<Piece>>),
}

/// A pattern that has been read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

/// Text as a pattern that matches just that.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if "*?[]\\()|@+!-^".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

impl Pattern {
    /// Reads one. There is none that can't be read: what is no pattern is text.
    pub(super) fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        Self(pieces(&characters, &mut 0, 0))
    }

    /// Whether it is more than text.
    pub(super) fn is_special(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Literal(_)))
    }

    /// What it says, backslashes taken off.
    pub(super) fn text(&self) -> Option<String> {
        self.0.iter().map(|piece| if let Piece::Literal(one) = piece { Some(*one) } else { None }).collect()
    }

    /// Whether it matches all of a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self.text() {
            Some(plain) => plain == text,
            None => self.regex("^", "$", true, false).is_some_and(|regex| regex.is_match(text)),
        }
    }

    /// How many bytes at the beginning it matches, as few or as many as it can.
    pub(super) fn prefix(&self, text: &str, longest: bool) -> Option<usize> {
        Some(self.regex("^", "", longest, false)?.find(text)?.end())
    }

    /// How many bytes at the end it matches, as few or as many as it can.
    pub(super) fn suffix(&self, text: &str, longest: bool) -> Option<usize> {
        let turned: String = text.chars().rev().collect();
        Some(self.regex("^", "", longest, true)?.find(&turned)?.end())
    }

    /// As a regular expression that finds it in a text, as much as it can.
    pub(super) fn finder(&self, before: &str, behind: &str) -> Option<Regex> {
        self.regex(before, behind, true, false)
    }

    fn regex(&self, before: &str, behind: &str, greedy: bool, turned: bool) -> Option<Regex> {
        let mut out = format!("(?s){before}(?:");
        write(&self.0, greedy, turned, &mut out);
        out.push(')');
        out.push_str(behind);
        Regex::new(&out).ok()
    }
}

fn pieces(all: &[char], at: &mut usize, depth: usize) -> Vec<Piece> {
    let mut out = Vec::new();
    while let Some(&one) = all.get(*at) {
        if depth > 0 && (one == '|' || one == ')') {
            break;
        }
        *at += 1;
        if "@?*+!".contains(one)
            && all.get(*at) == Some(&'(')
            && depth < 8
            && let Some(group) = group(one, all, at, depth)
        {
            out.push(group);
            continue;
        }
        out.push(match one {
            '*' => Piece::Star,
            '?' => Piece::One,
            '\\' => {
                *at += 1;
                Piece::Literal(all.get(*at - 1).copied().unwrap_or('\\'))
            }
            '[' => class(all, at).map_or(Piece::Literal('['), Piece::Class),
            one => Piece::Literal(one),
        });
    }
    out
}

/// `@(a|b)`, from the bracket on.
fn group(kind: char, all: &[char], at: &mut usize, depth: usize) -> Option<Piece> {
    let begin = *at;
    let mut ways = Vec::new();
    *at += 1;
    loop {
        ways.push(pieces(all, at, depth + 1));
        match all.get(*at) {
            Some('|') => *at += 1,
            Some(')') => {
                *at += 1;
                return Some(Piece::Group(kind, ways));
            }
            _ => {
                *at = begin;
                return None;
            }
        }
    }
}

/// `[a-z]`, behind its bracket.
fn class(all: &[char], at: &mut usize) -> Option<String> {
    let mut index = *at;
    let mut out = String::from("[");
    if matches!(all.get(index), Some('!' | '^')) {
        out.push('^');
        index += 1;
    }
    let begin = index;
    loop {
        let one = *all.get(index)?;
        index += 1;
        match one {
            ']' if index > begin + 1 => break,
            '[' if all.get(index) == Some(&':') => {
                let end = (index + 1..all.len()).find(|end| all[*end] == ':' && all.get(end + 1) == Some(&']'))?;
                let name: String = all[index + 1..end].iter().collect();
                let _ = write!(out, "[:{name}:]");
                index = end + 2;
            }
            '-' if index > begin + 1 && all.get(index).is_some_and(|next| *next != ']') => out.push('-'),
            '\\' => {
                out.push_str(&regex::escape(&all.get(index)?.to_string()));
                index += 1;
            }
            one => out.push_str(&in_class(one)),
        }
    }
    out.push(']');
    // `[z-a]` is nothing that a regular expression takes.
    Regex::new(&out).ok()?;
    *at = index;
    Some(out)
}

/// A character as it stands within brackets of a regular expression.
pub(super) fn in_class(one: char) -> String {
    if "[]\\^-&~".contains(one) { format!("\\{one}") } else { one.to_string() }
}

fn write(pieces: &[Piece], greedy: bool, turned: bool, out: &mut String) {
    let mut one = |piece: &Piece| match piece {
        Piece::Star => out.push_str(if greedy { ".*" } else { ".*?" }),
        Piece::One => out.push('.'),
        Piece::Literal(one) => out.push_str(&regex::escape(&one.to_string())),
        Piece::Class(class) => out.push_str(class),
        Piece::Group(kind, ways) => {
            out.push_str("(?:");
            for (index, way) in ways.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                write(way, greedy, turned, out);
            }
            out.push(')');
            match kind {
                '@' => {}
                // The other of a group is no regular expression: nothing matches.
                '!' => out.push_str("[^\\s\\S]"),
                kind => out.push(*kind),
            }
        }
    };
    if turned { pieces.iter().rev().for_each(&mut one) } else { pieces.iter().for_each(&mut one) }
}
