//! A document of which parts are written by the program and the rest by hand, and how it is written again without losing either.
//!
//! A part stands between `<!-- quarterdeck NAME SHA -->` and `<!-- end NAME -->`. The mark keeps the SHA-256 (12 digits) of what was written, so that a part that
//! somebody has changed is known as theirs and stays as it is.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A part that somebody has changed by hand, which was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept(pub String);

/// A part as it is written.
pub fn part(name: &str, text: &str) -> String {
    let text = text.trim_end();
    format!("<!-- quarterdeck {name} {} -->\n{text}\n<!-- end {name} -->\n", digest(text))
}

/// `fresh` over what there is: parts that nobody has changed are new, everything else stays. Of a list that somebody has changed (`- [ ] …`), what is new in it
/// is added. A part that is not there any more was taken out by hand, and stays out.
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
            kept.push(Kept(name.to_owned()));
            out.push_str(&with_new_items(name, &own, new.text));
        }
    }
    (out, kept)
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

/// What was changed by hand, with the items of a list that it has not yet.
fn with_new_items(name: &str, own: &Part<'_>, new: &str) -> String {
    let item = |line: &str| line.strip_prefix("- [").and_then(|rest| Some(rest.split_once("] ")?.1.trim().to_owned()));
    let known: Vec<String> = own.text.lines().filter_map(item).collect();
    let mut text = own.text.to_owned();
    for line in new.lines().filter(|line| item(line).is_some_and(|item| !known.contains(&item))) {
        let _ = write!(text, "\n{line}");
    }
    // The old digest: it stays somebody's.
    format!("<!-- quarterdeck {name} {} -->\n{text}\n<!-- end {name} -->\n", own.digest)
}

#[derive(Clone, Copy)]
struct Part<'a> {
    whole: &'a str,
    digest: &'a str,
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
    let (name, digest) = head.split_once(' ')?;
    let end = format!("<!-- end {name} -->");
    let length = body.find(&end)?;
    let inner = body[..length].strip_suffix('\n').unwrap_or(&body[..length]);
    let mut whole = text.len() - body.len() + length + end.len();
    whole += usize::from(text[whole..].starts_with('\n'));
    Some((name, Part { whole: &text[..whole], digest, text: inner }))
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

    #[test]
    fn a_part_that_somebody_changed_is_theirs_and_a_list_gets_what_is_new() {
        let old = document("| a | 1 |", "- [ ] one\n- [ ] two")
            .replace("- [ ] one", "- [x] one")
            .replace("| 1 |", "| 1, about |");
        let fresh = document("| a | 2 |", "- [ ] one\n- [ ] two\n- [ ] three");
        let (new, kept) = renew(&old, &fresh);
        assert_eq!(kept, [Kept("facts".to_owned()), Kept("actions".to_owned())]);
        assert!(new.contains("| 1, about |") && new.contains("- [x] one\n- [ ] two\n- [ ] three\n<!-- end"), "{new}");
        // And again: it is still theirs, and nothing comes twice.
        assert_eq!(renew(&new, &fresh).0, new);
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
