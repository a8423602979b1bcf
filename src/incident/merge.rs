//! Three texts made one, line by line: what was generated last, what is generated now, and what somebody made of it meanwhile.
//!
//! Of what was generated last only digests are kept, two of each line: what the line is about, and what it says. That is enough, because nothing of it is ever
//! written again.

use sha2::{Digest as _, Sha256};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::HashSet;

/// What stands before a line that the journal tells in another way than somebody has written it.
pub const MARK: &str = "**journal:** ";

/// Hex digits for what a line is about, and of both.
const ABOUT: usize = 6;
const BOTH: usize = 14;

/// The digests of a line: what it is about, what it says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Digest(String);

impl Digest {
    fn of(line: &str) -> Self {
        Self(format!("{}{}", hex(about(line), ABOUT), hex(line, BOTH - ABOUT)))
    }

    fn about(&self) -> &str {
        &self.0[..ABOUT]
    }
}

fn hex(text: &str, digits: usize) -> String {
    let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    digest[..digits].to_owned()
}

/// What a line is about, which stays the same when it says something else: where a moment is recorded, the name of a fact, the head of an item.
fn about(line: &str) -> &str {
    let row = line.strip_prefix('|').and_then(|row| row.trim_end().strip_suffix('|'));
    if let Some(row) = row {
        let first = row.split('|').next().unwrap_or(row);
        let is_moment = first.trim_start().starts_with(|letter: char| letter.is_ascii_digit());
        return if is_moment { row.rsplit('|').next().unwrap_or(row) } else { first };
    }
    let link = line.rfind(" (").filter(|_| line.ends_with(')')).map(|at| &line[at..]);
    if let Some(link) = link.filter(|link| link.contains("record ") || link.contains("(run ")) {
        return link;
    }
    line.split_once(": ").map_or(line, |(head, _)| head)
}

/// A text as it was generated, by digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(Vec<Digest>);

impl Base {
    /// Of the text itself.
    pub fn of(text: &str) -> Self {
        Self(text.lines().map(Digest::of).collect())
    }

    /// From words, as [`Self::words`] makes them; `None`: there are none, or they are something else.
    pub fn read(words: &str) -> Option<Self> {
        let is_digest = |word: &&str| word.len() == BOTH && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let words: Vec<&str> = words.split_whitespace().collect();
        let whole = !words.is_empty() && words.iter().all(is_digest);
        whole.then(|| Self(words.into_iter().map(|word| Digest(word.to_owned())).collect()))
    }

    /// One for each line, with blanks between.
    pub fn words(&self) -> String {
        self.0.iter().map(|digest| digest.0.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The text.
    pub text: String,
    /// So many lines came, changed or went.
    pub new: usize,
    /// So many lines are told in another way than somebody has written them, newly: each stands behind that one with a mark.
    pub disputed: usize,
}

/// What was generated last (`base`) and is generated now (`new`), with what somebody made of it (`own`). What they wrote or changed stays, what they took out stays
/// out, and the rest is new. Where both changed a line, the new one stands behind theirs with a [`MARK`] until somebody takes it away. Merged again it is the same.
pub fn merge(base: &Base, own: &str, new: &str) -> Merged {
    let new: Vec<&str> = new.lines().collect();
    let (own, notes) = without_notes(own, base);
    let (mine, theirs) = (Side::of(base, &own), Side::of(base, &new).behind());
    let noted = notes.iter().map(|note| note.of).collect();
    let mut merge =
        Merge { base, own: &own, new: &new, mine, theirs, notes, noted, out: Vec::new(), came: 0, disputed: 0 };
    merge.notes_after(0);
    for at in 0..=base.0.len() {
        merge.between(at);
        if at < base.0.len() {
            merge.line(at);
        }
    }
    Merged { text: merge.out.join("\n"), new: merge.came, disputed: merge.disputed }
}

/// A marked line that an earlier merge wrote.
struct Note {
    /// So many lines of somebody's stand before it.
    after: usize,
    /// The line of the base that it says.
    of: usize,
}

/// Somebody's lines without those that an earlier merge marked. What is marked and was never generated is somebody's.
fn without_notes<'a>(own: &'a str, base: &Base) -> (Vec<&'a str>, Vec<Note>) {
    let (mut lines, mut notes, mut free) = (Vec::new(), Vec::new(), base.0.iter().map(Some).collect::<Vec<_>>());
    for line in own.lines() {
        let plain = unmarked(line).map(|plain| Digest::of(&plain));
        let of = plain.and_then(|plain| free.iter().position(|digest| *digest == Some(&plain)));
        match of {
            Some(of) => {
                free[of] = None;
                notes.push(Note { after: lines.len(), of });
            }
            None => lines.push(line),
        }
    }
    (lines, notes)
}

/// A line with the mark behind what makes it a row or an item.
fn marked(line: &str) -> String {
    let lead = ["| ", "- [ ] ", "- [x] ", "  - ", "- "].into_iter().find(|lead| line.starts_with(lead)).unwrap_or("");
    format!("{lead}{MARK}{}", &line[lead.len()..])
}

fn unmarked(line: &str) -> Option<String> {
    line.contains(MARK).then(|| line.replacen(MARK, "", 1))
}

/// Where the lines of a text stand against the base.
struct Side {
    digests: Vec<Digest>,
    /// Of each line of the base, the line about the same.
    same: Vec<Option<usize>>,
    /// Lines that came in before each line of the base, and behind the last.
    between: Vec<Vec<usize>>,
    /// Lines that stand in place of lines of the base, at the first of those.
    instead: Vec<Vec<usize>>,
    /// A line of the base that was replaced by others.
    replaced: Vec<bool>,
}

impl Side {
    fn of(base: &Base, lines: &[&str]) -> Self {
        let digests: Vec<Digest> = lines.iter().map(|line| Digest::of(line)).collect();
        let abouts = |digests: &[Digest]| digests.iter().map(|digest| digest.about().to_owned()).collect::<Vec<_>>();
        let count = base.0.len();
        let (same, replaced) = (vec![None; count], vec![false; count]);
        let (between, instead) = (vec![Vec::new(); count + 1], vec![Vec::new(); count + 1]);
        let ops = capture_diff_slices(Algorithm::Patience, &abouts(&base.0), &abouts(&digests));
        let mut side = Self { digests, same, between, instead, replaced };
        for op in ops {
            side.take(op);
        }
        side
    }

    /// What stands in place of lines comes in behind them: there it stands behind what somebody put in their place.
    fn behind(mut self) -> Self {
        for at in (0..self.instead.len()).rev() {
            let lines = std::mem::take(&mut self.instead[at]);
            let end = (at..self.replaced.len()).find(|end| !self.replaced[*end]).unwrap_or(self.replaced.len());
            self.between[end].splice(0..0, lines);
        }
        self
    }

    fn take(&mut self, op: DiffOp) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                for at in 0..len {
                    self.same[old_index + at] = Some(new_index + at);
                }
            }
            DiffOp::Delete { .. } => {}
            DiffOp::Insert { old_index, new_index, new_len } => {
                self.between[old_index].extend(new_index..new_index + new_len);
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                self.instead[old_index].extend(new_index..new_index + new_len);
                self.replaced[old_index..old_index + old_len].fill(true);
            }
        }
    }

    /// It says of a line of the base the same as that; `None`: nothing.
    fn keeps(&self, base: &Base, at: usize) -> Option<bool> {
        self.same[at].map(|line| self.digests[line] == base.0[at])
    }
}

struct Merge<'a> {
    base: &'a Base,
    own: &'a [&'a str],
    new: &'a [&'a str],
    mine: Side,
    theirs: Side,
    notes: Vec<Note>,
    /// Lines of the base that a note says.
    noted: HashSet<usize>,
    out: Vec<String>,
    came: usize,
    disputed: usize,
}

impl Merge<'_> {
    /// What came in before a line of the base.
    fn between(&mut self, at: usize) {
        for line in self.mine.between[at].clone() {
            self.put_own(line);
        }
        for line in self.theirs.between[at].clone() {
            self.put_new(line);
        }
    }

    /// What becomes of a line of the base.
    fn line(&mut self, at: usize) {
        for line in self.mine.instead[at].clone() {
            self.put_own(line);
        }
        let (mine, theirs) = (self.mine.keeps(self.base, at), self.theirs.keeps(self.base, at));
        let new = self.theirs.same[at];
        match (self.mine.same[at], mine) {
            // Nobody changed it: it is new, or gone.
            (Some(own), Some(true)) => {
                self.out.extend(new.map(|line| self.new[line].to_owned()));
                self.came += usize::from(theirs != Some(true));
                self.notes_after(own + 1);
            }
            (Some(own), _) => {
                self.out.push(self.own[own].to_owned());
                self.dispute(at, Some(own));
                self.notes_after(own + 1);
            }
            // Written anew by somebody, and by the journal.
            (None, _) if self.mine.replaced[at] => self.dispute(at, None),
            (None, _) => {}
        }
    }

    /// Says what the journal says now of a line that somebody has changed, if that is something else, and if it does not stand there already.
    fn dispute(&mut self, at: usize, own: Option<usize>) {
        let Some(new) = self.theirs.same[at].filter(|_| self.theirs.keeps(self.base, at) == Some(false)) else {
            return;
        };
        if self.noted.contains(&at) || own.is_some_and(|own| self.own[own] == self.new[new]) {
            return;
        }
        self.out.push(marked(self.new[new]));
        self.disputed += 1;
    }

    fn put_own(&mut self, line: usize) {
        self.out.push(self.own[line].to_owned());
        self.notes_after(line + 1);
    }

    /// A line that was not there; one that somebody has written already, or has changed or taken out where it stood before, does not come.
    fn put_new(&mut self, line: usize) {
        let text = self.new[line];
        let before = self.base.0.iter().position(|known| *known == self.theirs.digests[line]);
        let by_hand = match before {
            Some(at) => self.mine.keeps(self.base, at) != Some(true),
            None => self.own.contains(&text),
        };
        if by_hand && !text.trim().is_empty() {
            return;
        }
        self.out.push(text.to_owned());
        self.came += 1;
    }

    /// The marked lines that stand behind so many of somebody's, as the journal tells it now.
    fn notes_after(&mut self, lines: usize) {
        let of: Vec<usize> = self.notes.iter().filter(|note| note.after == lines).map(|note| note.of).collect();
        for at in of {
            let Some(new) = self.theirs.same[at] else { continue };
            let changed = self.theirs.keeps(self.base, at) == Some(false);
            // Whoever made their line what was generated gets the new one there.
            let agrees = self.mine.keeps(self.base, at) == Some(true)
                || self.mine.same[at].is_some_and(|own| self.own[own] == self.new[new]);
            if changed && agrees {
                continue;
            }
            self.out.push(marked(self.new[new]));
            self.disputed += usize::from(changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merged(base: &str, own: &str, new: &str) -> (String, usize, usize) {
        let Merged { text, new, disputed } = merge(&Base::of(base), own, new);
        (text, new, disputed)
    }

    fn told(text: &str, new: usize, disputed: usize) -> (String, usize, usize) {
        (text.to_owned(), new, disputed)
    }

    const FACTS: &str =
        "| State | open | |\n| Mitigated | not yet | |\n| Resolved | not yet | |\n| Response | in 4 min | |";

    #[test]
    fn a_fact_that_was_changed_by_hand_holds_up_none_of_its_neighbours() {
        let own = FACTS.replace("| Mitigated | not yet |", "| Mitigated | at four, Eve says |");
        let new = "| State | resolved | |\n| Mitigated | 03:10 | a/1 |\n| Resolved | 03:20 | a/2 |\n| Response | in 4 min | |\n| Due | soon | |";
        let want = "| State | resolved | |\n| Mitigated | at four, Eve says | |\n| **journal:** Mitigated | 03:10 | a/1 |\n| Resolved | 03:20 | a/2 |\n| Response | in 4 min | |\n| Due | soon | |";
        assert_eq!(merged(FACTS, &own, new), told(want, 3, 1));
        // Whoever takes what the journal says has its next word there.
        let took = want.replace("| Mitigated | at four, Eve says | |\n| **journal:** ", "| ");
        let newer = new.replace("| Mitigated | 03:10", "| Mitigated | 03:11");
        assert_eq!(merged(new, &took, &newer), told(&newer, 1, 0));
        // Whoever takes the mark away has their own line, until the journal says something else again.
        let kept = want.replace("| **journal:** Mitigated | 03:10 | a/1 |\n", "");
        assert_eq!(merged(new, &kept, new), told(&kept, 0, 0));
    }

    #[test]
    fn a_timeline_goes_on_behind_what_was_written_into_it() {
        let base = "| 2026 03:00 | began | a/1 |\n| 2026 03:01 | seen | a/2 |";
        let own =
            "| 2026 03:00 | began | a/1 |\n| 2026 03:01 | seen, by two | a/2 |\n| 03:02 | a call from the boss | |";
        let new = format!("{base}\n| 2026 03:05 | mended | b/1 |");
        assert_eq!(merged(base, own, &new), told(&format!("{own}\n| 2026 03:05 | mended | b/1 |"), 1, 0));
        // What came from another machine late stands in its place, and what moved by that comes once.
        let late = "| 2026 03:01 | seen | a/2 |\n| 2026 03:02 | began | a/1 |\n| 2026 03:03 | looked | c/1 |";
        let (text, ..) = merged(base, own, late);
        assert_eq!(
            (text.matches("a/1").count(), text.matches("a/2").count(), text.matches("c/1").count()),
            (1, 1, 1),
            "{text}"
        );
    }

    #[test]
    fn what_was_taken_out_stays_out_and_what_was_written_anew_is_shown_what_is_new() {
        let without = "| State | open | |\n| Resolved | not yet | |\n| Response | in 4 min | |";
        let new = FACTS.replace("| Mitigated | not yet |", "| Mitigated | 03:10 |");
        assert_eq!(merged(FACTS, without, &new), told(without, 0, 0));
        let anew = FACTS.replace("| Mitigated | not yet | |", "It is not mitigated at all.");
        let want = anew.replace("at all.", "at all.\n| **journal:** Mitigated | 03:10 | |");
        assert_eq!(merged(FACTS, &anew, &new), told(&want, 0, 1));
    }

    #[test]
    fn a_list_gets_what_is_new_in_place_of_what_stood_for_nothing() {
        let own = "- [ ] _…_\n- [ ] write it down";
        let new = "- [ ] alert on the disk (ada, record a/7)";
        assert_eq!(merged("- [ ] _…_", own, new).0, "- [ ] write it down\n- [ ] alert on the disk (ada, record a/7)");
        let ticked = "- [x] alert on all disks (ada, record a/7)";
        let more = format!("{new}\n- [ ] and on memory (ben, record b/9)");
        assert_eq!(merged(new, ticked, &more), told(&format!("{ticked}\n- [ ] and on memory (ben, record b/9)"), 1, 0));
    }

    #[test]
    fn digests_are_read_as_they_are_written_and_nothing_else_is() {
        let base = Base::of(FACTS);
        assert_eq!(Base::read(&base.words()), Some(base));
        for other in ["", "12", "the quick brown", "0123456789abcdef"] {
            assert_eq!(Base::read(other), None, "{other}");
        }
    }

    /// What is generated: facts, moments, items; each about something else.
    fn generated() -> impl Strategy<Value = String> {
        let line = (0_u8..9, 0_u8..4, 0_u8..3).prop_map(|(about, says, kind)| match kind {
            0 => format!("| F{about} | {says} | |"),
            1 => format!("| 2026 0{about} | {says} | record a/{about} |"),
            _ => format!("- [ ] {says} (ada, record b/{about})"),
        });
        let about = |line: &str| super::about(line).to_owned();
        proptest::collection::vec(line, 0..9).prop_map(move |mut lines| {
            let mut known = HashSet::new();
            lines.retain(|line| known.insert(about(line)));
            lines.join("\n")
        })
    }

    /// What somebody does to a text: each line stays, goes, says something else, or has something behind it.
    fn edited(text: &str, how: &[(u8, String)]) -> String {
        let mut out = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (what, word) = how.get(at).map_or((0, ""), |(what, word)| (*what, word.as_str()));
            match what {
                0..4 => out.push(line.to_owned()),
                4 => {}
                5 => out.push(line.replacen(" | ", &format!(" | {word} "), 1)),
                6 => out.push(format!("hand {word}")),
                _ => out.extend([line.to_owned(), format!("hand {word}")]),
            }
        }
        out.join("\n")
    }

    proptest! {
        #[test]
        fn however_often_it_is_merged_nothing_of_a_hand_is_lost_and_nothing_comes_twice(
            base in generated(),
            rounds in proptest::collection::vec((generated(), proptest::collection::vec((0_u8..8, "[a-z]{1,4}"), 0..9)), 1..4),
        ) {
            let (mut base, mut text) = (base.clone(), base);
            for (new, how) in rounds {
                let own = edited(&text, &how);
                let merged = merge(&Base::of(&base), &own, &new);
                let lines: Vec<&str> = merged.text.lines().collect();
                for line in own.lines() {
                    let theirs = !base.lines().any(|known| known == line) && !line.contains(MARK);
                    prop_assert!(!theirs || lines.contains(&line), "{line:?} of {own:?} in {:?}", merged.text);
                }
                // What is new is there, plain or marked; of what was known before, what somebody left.
                for line in new.lines().filter(|line| !base.lines().any(|known| about(known) == about(line))) {
                    let there = lines.iter().any(|own| *own == line || unmarked(own).as_deref() == Some(line));
                    prop_assert!(there, "{line:?} of {new:?} in {:?}", merged.text);
                }
                let again = merge(&Base::of(&new), &merged.text, &new);
                prop_assert_eq!((&again.text, again.new, again.disputed), (&merged.text, 0, 0), "{} over {}", new, own);
                (base, text) = (new, merged.text);
            }
        }

        #[test]
        fn what_nobody_changed_is_all_new_and_what_is_not_new_changes_nothing(
            base in generated(), new in generated(), how in proptest::collection::vec((0_u8..8, "[a-z]{1,4}"), 0..9),
        ) {
            prop_assert_eq!(merge(&Base::of(&base), &base, &new).text, new);
            let own = edited(&base, &how);
            let merged = merge(&Base::of(&base), &own, &base);
            prop_assert_eq!((merged.text, merged.new, merged.disputed), (own, 0, 0));
        }
    }
}
