//! A document of which parts are written by the program and the rest by hand, and how it is written again without losing either.
//!
//! A part stands between `<!-- quarterdeck NAME SHA LINES -->` and `<!-- end NAME -->`. The mark keeps the SHA-256 (12 digits) of what was written, so that a part
//! that somebody has changed is known as theirs, and digests of its lines, so that what is new is merged with what they wrote.

use super::merge::{Base, Merged, merge};
use crate::domain::text::counted;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write};

/// A part that somebody has changed by hand: what they wrote stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// So many of its other lines are new, or went.
    pub new: usize,
    /// So many of their lines say something else than the journal now: that stands behind them, marked.
    pub disputed: usize,
}

impl Display for Kept {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, new, disputed } = self;
        write!(f, "the part {name:?} was changed by hand, and what was written there stays")?;
        if *new > 0 {
            write!(f, "; {} in it {} new", counted(*new, "other line"), if *new == 1 { "is" } else { "are" })?;
        }
        if *disputed > 0 {
            let say = if *disputed == 1 { "says" } else { "say" };
            write!(
                f,
                "; {} {say} something else than the journal, which stands behind as **journal:**",
                counted(*disputed, "line")
            )?;
        }
        Ok(())
    }
}

/// A part as it is written.
pub fn part(name: &str, text: &str) -> String {
    whole(name, text.trim_end(), text.trim_end())
}

/// A part with this text, of which `generated` comes from the program.
fn whole(name: &str, generated: &str, text: &str) -> String {
    let (digest, lines) = (digest(generated), Base::of(generated).words());
    format!("<!-- quarterdeck {name} {digest} {lines} -->\n{text}\n<!-- end {name} -->\n")
}

/// `fresh` over what there is: parts that nobody has changed are new, everything else stays. Into a part that somebody has changed what is new comes line by line
/// ([`merge`]). A part that is not there any more was taken out by hand, and stays out.
pub fn renew(old: &str, fresh: &str) -> (String, Vec<Kept>) {
    let parts: BTreeMap<String, Part<'_>> = split(fresh).into_iter().filter_map(Piece::named).collect();
    let (mut out, mut kept) = (String::new(), Vec::new());
    for piece in split(old) {
        let Piece::Part(name, own) = piece else {
            out.push_str(piece.text());
            continue;
        };
        let Some(new) = parts.get(name) else {
            out.push_str(own.whole);
            continue;
        };
        // That somebody wrote the same by hand is no change.
        if own.digest == digest(own.text) || own.text == new.text {
            out.push_str(new.whole);
        } else {
            let (text, merged) = merged(name, &own, new.text);
            out.push_str(&text);
            kept.push(Kept { name: name.to_owned(), new: merged.new, disputed: merged.disputed });
        }
    }
    (out, kept)
}

fn merged(name: &str, own: &Part<'_>, new: &str) -> (String, Merged) {
    match Base::read(own.lines) {
        Some(base) => {
            let merged = merge(&base, own.text, new);
            (whole(name, new, &merged.text), merged)
        }
        None => with_new_items(name, own, new),
    }
}

/// Whether each part that begins ends, too: else it would stay as it is without a word.
///
/// # Errors
/// A sentence that names the part and its line.
pub fn check(document: &str) -> Result<(), String> {
    for piece in split(document) {
        let Piece::Text(text) = piece else { continue };
        // The one mark that has no end says whose document it is.
        let begins =
            |line: &&str| line.starts_with("<!-- quarterdeck ") && !line.starts_with("<!-- quarterdeck incident ");
        if let Some(mark) = text.lines().find(begins) {
            let line = document.lines().position(|line| line == mark).unwrap_or(0) + 1;
            return Err(format!(
                "line {line} begins a part whose end (`<!-- end … -->`) is not there: put it back, or take the beginning out"
            ));
        }
    }
    Ok(())
}

/// Of a document that an earlier version wrote, which kept no lines: what was changed by hand, with the items of a list that it has not yet.
fn with_new_items(name: &str, own: &Part<'_>, new: &str) -> (String, Merged) {
    let item = |line: &str| line.strip_prefix("- [").and_then(|rest| Some(rest.split_once("] ")?.1.trim().to_owned()));
    let known: Vec<String> = own.text.lines().filter_map(item).collect();
    let (mut text, mut came) = (own.text.to_owned(), 0);
    for line in new.lines().filter(|line| item(line).is_some_and(|item| !known.contains(&item))) {
        let _ = write!(text, "\n{line}");
        came += 1;
    }
    // The old digest: it stays somebody's.
    let part = format!("<!-- quarterdeck {name} {} -->\n{text}\n<!-- end {name} -->\n", own.digest);
    (part, Merged { new: came, ..Merged::default() })
}

#[derive(Clone, Copy)]
struct Part<'a> {
    whole: &'a str,
    digest: &'a str,
    /// Digests of the lines that were written; empty: none were kept.
    lines: &'a str,
    text: &'a str,
}

enum Piece<'a> {
    Text(&'a str),
    Part(&'a str, Part<'a>),
}

impl<'a> Piece<'a> {
    const fn text(&self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Part(_, part) => part.whole,
        }
    }

    fn named(self) -> Option<(String, Part<'a>)> {
        match self {
            Self::Text(_) => None,
            Self::Part(name, part) => Some((name.to_owned(), part)),
        }
    }
}

/// The pieces of a document, in order; together they are all of it. A part without its end is text.
fn split(document: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), document);
    let mut from = 0;
    while let Some(found) = rest[from..].find("<!-- quarterdeck ") {
        let start = from + found;
        match part_at(&rest[start..]) {
            Some((name, part)) => {
                pieces.push(Piece::Text(&rest[..start]));
                rest = &rest[start + part.whole.len()..];
                pieces.push(Piece::Part(name, part));
                from = 0;
            }
            None => from = start + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn part_at(text: &str) -> Option<(&str, Part<'_>)> {
    let (head, body) = text.strip_prefix("<!-- quarterdeck ")?.split_once(" -->\n")?;
    let (name, digests) = head.split_once(' ')?;
    let (digest, lines) = digests.split_once(' ').unwrap_or((digests, ""));
    let end = format!("<!-- end {name} -->");
    let length = body.find(&end)?;
    let inner = body[..length].strip_suffix('\n').unwrap_or(&body[..length]);
    let mut whole = text.len() - body.len() + length + end.len();
    whole += usize::from(text[whole..].starts_with('\n'));
    Some((name, Part { whole: &text[..whole], digest, lines, text: inner }))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document(facts: &str, actions: &str) -> String {
        format!("# Title\n\nby hand\n\n{}\n## Next\n\n{}\nthe end\n", part("facts", facts), part("actions", actions))
    }

    #[test]
    fn what_nobody_changed_is_new_and_the_rest_stays() {
        let old = document("| a | 1 |", "- [ ] one").replace("by hand", "mine, with | pipes");
        let (new, kept) = renew(&old, &document("| a | 2 |", "- [ ] one\n- [ ] two"));
        assert_eq!(kept, []);
        assert_eq!(new, document("| a | 2 |", "- [ ] one\n- [ ] two").replace("by hand", "mine, with | pipes"));
    }

    fn kept(name: &str, new: usize, disputed: usize) -> Kept {
        Kept { name: name.to_owned(), new, disputed }
    }

    #[test]
    fn a_part_that_somebody_changed_gets_what_is_new_and_keeps_what_they_wrote() {
        let old = document("| a | 1 |\n| b | 1 |", "- [ ] one\n- [ ] two")
            .replace("- [ ] one", "- [x] one")
            .replace("| a | 1 |", "| a | 1, about |");
        let fresh = document("| a | 1 |\n| b | 2 |", "- [ ] one\n- [ ] two\n- [ ] three");
        let (new, told) = renew(&old, &fresh);
        assert_eq!(told, [kept("facts", 1, 0), kept("actions", 1, 0)]);
        assert!(new.contains("| a | 1, about |\n| b | 2 |\n<!-- end"), "{new}");
        assert!(new.contains("- [x] one\n- [ ] two\n- [ ] three\n<!-- end"), "{new}");
        // And again: it is still theirs, nothing comes twice, and nothing is said to be new.
        assert_eq!(renew(&new, &fresh), (new.clone(), vec![kept("facts", 0, 0), kept("actions", 0, 0)]));
        // Where both say something else the journal's word stands behind theirs, the newest alone.
        for (now, disputed) in [("7", 1), ("8", 1), ("8", 0)] {
            let fresh = document(&format!("| a | {now} |\n| b | 2 |"), "- [ ] one\n- [ ] two\n- [ ] three");
            let (again, told) = renew(&new, &fresh);
            let text = format!("| a | 1, about |\n| **journal:** a | {now} |\n| b | 2 |\n<!-- end");
            assert!(again.contains(&text), "{again}");
            if disputed == 0 {
                assert_eq!(told[0], kept("facts", 0, 1));
            }
        }
    }

    #[test]
    fn what_is_told_of_a_part_is_what_happened_to_it() {
        assert_eq!(
            kept("facts", 0, 0).to_string(),
            "the part \"facts\" was changed by hand, and what was written there stays"
        );
        assert!(kept("facts", 1, 0).to_string().ends_with("stays; 1 other line in it is new"));
        assert!(kept("facts", 2, 1).to_string().ends_with("2 other lines in it are new; 1 line says something else than the journal, which stands behind as **journal:**"));
    }

    #[test]
    fn a_document_of_an_earlier_version_gets_new_items_as_it_did() {
        let bare = |text: String| {
            let lines = text.lines().map(|line| match line.strip_prefix("<!-- quarterdeck ") {
                Some(rest) => format!("<!-- quarterdeck {} -->", rest.split(' ').take(2).collect::<Vec<_>>().join(" ")),
                None => line.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n") + "\n"
        };
        let old =
            bare(document("| a | 1 |", "- [ ] one")).replace("- [ ] one", "- [x] one").replace("| 1 |", "| one |");
        let (new, told) = renew(&old, &document("| a | 2 |", "- [ ] one\n- [ ] two"));
        assert_eq!(told, [kept("facts", 0, 0), kept("actions", 1, 0)]);
        assert!(new.contains("- [x] one\n- [ ] two\n") && new.contains("| one |"), "{new}");
    }

    #[test]
    fn a_part_that_was_taken_out_stays_out_and_half_a_mark_is_text() {
        let fresh = document("| a | 1 |", "- [ ] one");
        let without = fresh.replace(&part("facts", "| a | 1 |"), "");
        assert_eq!(renew(&without, &fresh).0, without);
        for text in
            ["<!-- quarterdeck facts", "<!-- quarterdeck facts 12 -->\nno end", "<!-- quarterdeck  -->\n<!-- end  -->"]
        {
            assert_eq!(renew(text, &fresh).0, text);
        }
    }

    proptest! {
        #[test]
        fn written_again_it_is_the_same(facts in "[a-z |\\n-]{0,40}", hand in "[a-z<!> \\n-]{0,40}") {
            let old = document(&facts, "- [ ] one").replace("by hand", &hand);
            prop_assert_eq!(renew(&old, &old).0, old);
        }

        #[test]
        fn whatever_it_is_no_line_of_a_hand_is_lost(old in "(<!-- quarterdeck a 0 -->\\n|<!-- end a -->\\n|[a-z]{1,3}\\n){0,8}") {
            let (new, _) = renew(&old, &part("a", "fresh"));
            // What has another digest than was written is somebody's, and stays.
            let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(lines(&new), lines(&old));
        }
    }
}
