//! What the keys of a log do.

use super::sieve::Hunt;
use super::{LogFlow, LogView, Mode};
use crate::action::{Action, Motion};
use crate::cx::Cx;
use crate::domain::Now;
use crate::domain::log::{Anchor, Level, mask, pretty};
use crate::store::log::LogExport;

/// Bytes that go to the clipboard at most: terminals refuse more.
const COPIED: usize = 64 << 10;

impl LogView {
    /// Moves, searches, filters, shows otherwise.
    pub fn act(&mut self, action: &Action, cx: &Cx<'_>) -> LogFlow {
        if let Some(motion) = action.motion() {
            self.go(motion);
            return LogFlow::Done;
        }
        match action {
            Action::Follow => self.following = !self.following || !matches!(self.mode, Mode::Lines),
            Action::NextMatch | Action::PreviousMatch => return self.next_match(*action == Action::NextMatch),
            Action::LogZone => self.utc = !self.utc,
            Action::LogTimes => self.times = !self.times,
            Action::LogWrap => self.wrap = !self.wrap,
            Action::LogErrors => self.turn_floor(Level::Error),
            Action::LogWarnings => self.turn_floor(Level::Warn),
            Action::LogPatterns => self.patterns(),
            Action::OtherLogs => return self.other(),
            Action::Since(anchor) => return self.since(*anchor),
            Action::PollNow => self.again += 1,
            Action::Details => return self.enter(),
            Action::Copy | Action::LogCopyLine => return self.copy(),
            Action::LogCopyAll => return self.copy_visible(),
            Action::LogSave => return self.save(cx.now),
            // These are about the table that lies behind.
            Action::NextPane
            | Action::PreviousPane
            | Action::Zoom
            | Action::Sort
            | Action::Reverse
            | Action::Group
            | Action::Logs => {}
            _ => return LogFlow::Pass,
        }
        if *action == Action::Follow && matches!(self.mode, Mode::Whole { .. }) {
            self.mode = Mode::Lines;
        }
        LogFlow::Done
    }

    /// One step back; false: there is none within the view.
    pub fn back(&mut self) -> bool {
        match self.mode {
            Mode::Whole { .. } | Mode::Patterns(_) => self.mode = Mode::Lines,
            Mode::Pick { .. } if self.number.is_some() => self.mode = Mode::Lines,
            Mode::Pick { .. } => return false,
            Mode::Lines if self.sieve.pattern().is_some() => self.sieve.set_pattern(None),
            Mode::Lines if self.sieve.floor().is_some() => self.sieve.set_floor(None),
            Mode::Lines if !self.sieve.is_open() => self.sieve.set(""),
            Mode::Lines if !self.search.is_empty() => self.set_search(""),
            Mode::Lines => return false,
        }
        true
    }

    fn go(&mut self, motion: Motion) {
        let here = self.place_of_cursor();
        match &mut self.mode {
            Mode::Pick { cursor } => {
                *cursor = motion.apply(*cursor, self.page).min(self.targets.all.len().saturating_sub(1));
            }
            Mode::Whole { scroll, lines, .. } => {
                *scroll = motion.apply(*scroll, self.page).min(lines.len().saturating_sub(self.page));
            }
            Mode::Patterns(patterns) => patterns.go(motion.apply(patterns.cursor, self.page)),
            Mode::Lines => {
                let last = self.sieve.len(&self.ring).saturating_sub(1);
                let to = motion.apply(here, self.page).min(last);
                // Down to the last line by steps is reading on; only the key for the end wants all that comes.
                self.following = motion == Motion::Bottom || self.following && to == last;
                self.stand_at(to);
                (self.hunt, self.said) = (None, "");
            }
        }
    }

    pub(super) fn stand_at(&mut self, place: usize) {
        self.cursor = self.sieve.at(place, &self.ring).unwrap_or(self.cursor);
    }

    fn next_match(&mut self, down: bool) -> LogFlow {
        if self.needle.is_empty() {
            return LogFlow::Say("nothing is searched for yet: / searches".to_owned());
        }
        let here = self.place_of_cursor();
        let at = if down { here + 1 } else { here.checked_sub(1).unwrap_or(usize::MAX) };
        self.hunt = Some(Hunt { at, down, turn: None });
        LogFlow::Done
    }

    /// Only lines as grave as that, or all again.
    fn turn_floor(&mut self, floor: Level) {
        self.sieve.set_floor(Some(floor).filter(|floor| self.sieve.floor() != Some(*floor)));
        self.mode = Mode::Lines;
    }

    fn patterns(&mut self) {
        self.mode = if matches!(self.mode, Mode::Patterns(_)) { Mode::Lines } else { Mode::Patterns(Box::default()) };
    }

    /// The next log of the same thing.
    fn other(&mut self) -> LogFlow {
        let count = self.targets.all.len();
        if count < 2 {
            return LogFlow::Say("there is only this log".to_owned());
        }
        self.at = (self.at + 1) % count;
        self.mode = Mode::Lines;
        LogFlow::Done
    }

    fn since(&mut self, anchor: Anchor) -> LogFlow {
        self.anchor = anchor;
        self.mode = Mode::Lines;
        if anchor.back().is_some() && self.target().has_files() {
            let what = "a file can't be asked for a time: lines are left out by the time that they begin with, the others are shown";
            return LogFlow::Say(what.to_owned());
        }
        LogFlow::Done
    }

    fn enter(&mut self) -> LogFlow {
        match &self.mode {
            Mode::Pick { cursor } => {
                self.at = *cursor;
                self.mode = Mode::Lines;
            }
            Mode::Whole { .. } => self.mode = Mode::Lines,
            Mode::Patterns(patterns) => {
                let chosen = patterns.chosen().map(|pattern| pattern.text.clone());
                self.sieve.set_pattern(chosen);
                self.mode = Mode::Lines;
            }
            Mode::Lines => self.open_line(),
        }
        LogFlow::Done
    }

    /// The line under the cursor, as it came, and taken apart when it is JSON.
    fn open_line(&mut self) {
        let number = self.sieve.at(self.place_of_cursor(), &self.ring);
        let Some(line) = number.and_then(|number| self.ring.get(number)) else { return };
        let place = self.target().places.get(usize::from(line.place)).map(|place| place.name().to_owned());
        let at = line.at.map_or_else(|| "without a time".to_owned(), |at| format!("{at}"));
        let level = line.level.map_or("", |level| level.word());
        let title = format!("{at}  {}  {level}", place.unwrap_or_default());
        let text = line.text.to_owned();
        let mut pattern = String::new();
        mask(&text, &mut pattern);
        let whole = pretty(&text);
        let body = if whole == text { text.clone() } else { format!("{whole}\nas it came:\n{text}") };
        let body = format!("{body}\n\npattern:\n{pattern}");
        // What is being read must not move.
        self.following = false;
        self.cursor = line.number;
        self.mode = Mode::Whole { title, body, text, lines: Vec::new(), scroll: 0 };
    }

    fn copy(&self) -> LogFlow {
        if let Mode::Whole { text, .. } = &self.mode {
            return LogFlow::Copy(text.clone(), "the line".to_owned());
        }
        let number = self.sieve.at(self.place_of_cursor(), &self.ring);
        match number.and_then(|number| self.ring.get(number)) {
            Some(line) => LogFlow::Copy(line.text.to_owned(), "the line under the cursor".to_owned()),
            None => LogFlow::Say("there is no line to copy".to_owned()),
        }
    }

    /// The lines on the screen, as they came.
    fn copy_visible(&self) -> LogFlow {
        let mut out = String::new();
        let mut count = 0;
        let rows = self.rows[..self.shown].iter().filter(|row| row.is_first);
        for line in rows.filter_map(|row| self.ring.get(row.number)) {
            if out.len() + line.text.len() > COPIED {
                break;
            }
            count += 1;
            out.push_str(line.text);
            out.push('\n');
        }
        LogFlow::Copy(out, format!("{count} lines"))
    }

    fn save(&self, now: Now) -> LogFlow {
        if self.sieve.len(&self.ring) == 0 {
            return LogFlow::Say("there is no line to save".to_owned());
        }
        LogFlow::Save(Box::new(LogExport {
            target: self.target().clone(),
            ring: self.ring.clone(),
            numbers: self.sieve.numbers(),
            filter: self.sieve.words(),
            at: now.wall,
            veil: None,
        }))
    }
}
