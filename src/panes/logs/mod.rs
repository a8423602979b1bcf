//! The log view: the log of a container, a service, a server or a file, live, over the whole screen. Not a pane: it shows what
//! belongs to the thing under a pane's cursor.
//!
//! Owns the lines that are kept and how they are looked at: following, filter, search, patterns. Must not read a log: it says what
//! it wants ([`LogView::wants`]), and lines come to it. Only what is visible is formatted.

mod arrivals;
mod draw;
mod keys;
mod lines;
mod patterns;
mod sieve;
mod tally;
mod targets;

pub use targets::{Targets, of, of_marked};

use self::arrivals::Arrivals;
use self::lines::Row;
use self::patterns::Patterns;
use self::sieve::{Found, Hunt, Sieve};
use self::tally::Tally;
use crate::domain::log::{Anchor, PlaceState, Stage};
use crate::domain::{LogLine, LogRequest, LogTarget, time};
use crate::store::log::{LogExport, LogRing};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

/// What comes within this of the beginning was there before.
const SETTLED: Duration = Duration::from_secs(2);

/// What the config says about logs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes that the lines of the open log may take.
    pub memory: usize,
    /// Files by the server's name.
    pub files: BTreeMap<String, Vec<String>>,
    /// Where lines of files were written that tell a time without an offset.
    pub files_zone: TimeZone,
    /// Tells the zone where the operator is. Not the zone itself: finding it reads the system's list of zones, which no start waits for.
    pub zone: fn() -> TimeZone,
}

impl Default for Settings {
    fn default() -> Self {
        let files = BTreeMap::new();
        Self { memory: 32 << 20, files, files_zone: TimeZone::UTC, zone: || TimeZone::UTC }
    }
}

/// What the view did with an action.
#[derive(Debug)]
pub enum LogFlow {
    /// Done; something may look different.
    Done,
    /// Not for the view.
    Pass,
    /// Somebody should know.
    Say(String),
    /// To the clipboard, and what was copied in words.
    Copy(String, String),
    /// Into a file.
    Save(Box<LogExport>),
}

/// What of it is on the screen.
#[derive(Debug)]
enum Mode {
    /// Which log?
    Pick {
        cursor: usize,
    },
    Lines,
    /// One line, whole.
    Whole {
        title: String,
        body: String,
        text: String,
        lines: Vec<String>,
        scroll: usize,
    },
    Patterns(Box<Patterns>),
}

/// The view.
#[derive(Debug)]
pub struct LogView {
    targets: Targets,
    /// Which of them.
    at: usize,
    mode: Mode,
    anchor: Anchor,
    again: u32,
    /// Of the request that lines are an answer to.
    number: Option<u64>,
    ring: LogRing,
    memory: usize,
    states: Vec<Option<PlaceState>>,
    /// By place: since when it is followed.
    followed: Vec<Option<Timestamp>>,
    sieve: Sieve,
    search: String,
    /// In lower case.
    needle: String,
    hunt: Option<Hunt>,
    /// What came of a search.
    said: &'static str,
    tally: Tally,
    /// The search with its hits and what came of it, in words.
    search_line: String,
    following: bool,
    /// The line under the cursor, by number, and the first one on the screen.
    cursor: u64,
    top: u64,
    page: usize,
    utc: bool,
    times: bool,
    wrap: bool,
    zone: TimeZone,
    files_zone: TimeZone,
    arrivals: Arrivals,
    /// There is more to look at than was looked at.
    unfinished: bool,
    rows: Vec<Row>,
    /// Rows in use: the others are kept for their memory.
    shown: usize,
    dated: bool,
    title: String,
    scratch: String,
}

impl LogView {
    /// Opens the log of a thing.
    pub fn new(targets: Targets, settings: &Settings) -> Self {
        let mode = if targets.choose { Mode::Pick { cursor: 0 } } else { Mode::Lines };
        Self {
            targets,
            at: 0,
            mode,
            anchor: Anchor::default(),
            again: 0,
            number: None,
            ring: LogRing::new(settings.memory),
            memory: settings.memory,
            states: Vec::new(),
            followed: Vec::new(),
            sieve: Sieve::default(),
            search: String::new(),
            needle: String::new(),
            hunt: None,
            said: "",
            tally: Tally::default(),
            search_line: String::new(),
            following: true,
            cursor: 0,
            top: 0,
            page: 1,
            utc: true,
            times: true,
            wrap: false,
            zone: (settings.zone)(),
            files_zone: settings.files_zone.clone(),
            arrivals: Arrivals::default(),
            unfinished: false,
            rows: Vec::new(),
            shown: 0,
            dated: false,
            title: String::new(),
            scratch: String::new(),
        }
    }

    /// Opens it at the log that was open when it was left.
    pub fn again(targets: Targets, at: usize, settings: &Settings) -> Self {
        let mut view = Self::new(targets, settings);
        view.at = at.min(view.targets.all.len().saturating_sub(1));
        view.mode = Mode::Lines;
        view
    }

    /// What it was opened for, and which of it is open: enough to open it again.
    pub fn place(&self) -> (&Targets, usize) {
        (&self.targets, self.at)
    }

    fn target(&self) -> &LogTarget {
        &self.targets.all[self.at]
    }

    /// What is to be read for it; `None` as long as it is not chosen.
    pub fn wants(&self) -> Option<LogRequest> {
        let chosen = self.number.is_some() || !matches!(self.mode, Mode::Pick { .. });
        chosen.then(|| LogRequest {
            target: self.target().clone(),
            anchor: self.anchor,
            zone: self.files_zone.clone(),
            again: self.again,
        })
    }

    /// What it wants was asked for under this number: what is there is of something else.
    pub fn begin(&mut self, number: u64) {
        self.number = Some(number);
        self.ring = LogRing::new(self.memory);
        self.states = vec![None; self.target().places.len()];
        self.followed = vec![None; self.states.len()];
        self.arrivals = Arrivals::default();
        self.sieve.again();
        (self.cursor, self.top, self.following) = (0, 0, true);
        (self.hunt, self.said) = (None, "");
        if matches!(self.mode, Mode::Patterns(_)) {
            self.mode = Mode::Patterns(Box::default());
        }
    }

    /// What it wants was asked for.
    pub const fn is_begun(&self) -> bool {
        self.number.is_some()
    }

    /// Takes in what was read; what answers an earlier request is left out. False: nothing changed.
    pub fn take(&mut self, number: u64, at: Timestamp, lines: &[LogLine], states: Vec<(u16, PlaceState)>) -> bool {
        if self.number != Some(number) {
            return false;
        }
        for (place, state) in states {
            self.stands(usize::from(place), state);
        }
        for line in lines {
            self.ring.push(line, self.came(line, at));
        }
        if let Some(last) = lines.iter().rev().find_map(|line| line.at) {
            self.arrivals.count(at, last);
        }
        true
    }

    fn stands(&mut self, place: usize, state: PlaceState) {
        let Some(known) = self.states.get_mut(place) else { return };
        if state.stage == Stage::Following {
            self.followed[place].get_or_insert(state.at);
        }
        // The same again does not make it newer.
        let same = known.as_ref().is_some_and(|known| known.stage == state.stage && known.why == state.why);
        if !same {
            *known = Some(state);
        }
    }

    /// When a line came that was written just then; `None` for one that was there when it was opened.
    fn came(&self, line: &LogLine, at: Timestamp) -> Option<Timestamp> {
        let since = self.followed.get(usize::from(line.place)).copied().flatten()?;
        (time::between(since, at) > SETTLED).then_some(at)
    }

    /// It has not looked at all that was asked for, and wants another frame soon.
    pub const fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// The filter in force.
    pub fn filter(&self) -> &str {
        self.sieve.text()
    }

    /// Sets the filter.
    pub fn set_filter(&mut self, text: &str) {
        self.sieve.set(text);
    }

    /// What is searched for.
    pub fn search(&self) -> &str {
        &self.search
    }

    /// Searches: from the cursor up, where the newest hit is, then down.
    pub fn set_search(&mut self, text: &str) {
        text.clone_into(&mut self.search);
        self.needle = text.to_lowercase();
        let here = self.place_of_cursor();
        self.hunt = (!text.is_empty()).then_some(Hunt { at: here, down: false, turn: Some(here + 1) });
        self.said = "";
    }

    fn place_of_cursor(&self) -> usize {
        let last = self.sieve.len(&self.ring).saturating_sub(1);
        if self.following { last } else { self.sieve.place(self.cursor, &self.ring).min(last) }
    }

    /// The text of the line under the cursor.
    pub fn cursor_line(&self) -> Option<&str> {
        let number = self.sieve.at(self.place_of_cursor(), &self.ring)?;
        self.ring.get(number).map(|line| line.text)
    }

    /// Looks at what has not been looked at: lines that may pass, patterns, a search.
    fn work(&mut self) {
        self.unfinished = !self.sieve.work(&self.ring);
        if let Mode::Patterns(patterns) = &mut self.mode {
            self.unfinished |= !patterns.work(&self.ring);
        }
        if let Some(hunt) = self.hunt.take() {
            self.go_on(hunt);
        }
        // Counting waits for the hit that somebody wants to see.
        if self.hunt.is_none() && !self.needle.is_empty() {
            self.unfinished |= !self.tally.work(&self.needle, &self.sieve, &self.ring, &mut self.scratch);
        }
    }

    fn go_on(&mut self, hunt: Hunt) {
        match hunt.work(&self.needle, &self.sieve, &self.ring, &mut self.scratch) {
            Found::At(place) => {
                (self.following, self.said) = (false, "");
                self.stand_at(place);
            }
            Found::Later(hunt) => {
                self.hunt = Some(hunt);
                self.unfinished = true;
                self.said = "searching …";
            }
            Found::Nothing => {
                self.said = if hunt.turn.is_some() {
                    "not found"
                } else if hunt.down {
                    "no further hit below"
                } else {
                    "no further hit above"
                };
            }
        }
    }

    /// Places that are not read as they should be.
    fn troubles(&self) -> impl Iterator<Item = (&str, &PlaceState)> {
        let named = self.target().places.iter().zip(&self.states);
        named
            .filter_map(|(place, state)| Some((place.name(), state.as_ref()?)))
            .filter(|(_, state)| state.why.is_some())
    }

    /// No place is read: that it is silent can't be said of it.
    fn is_unread(&self) -> bool {
        let is_read = |state: &PlaceState| matches!(state.stage, Stage::Following | Stage::Opening);
        !self.states.iter().any(|state| state.as_ref().is_none_or(is_read))
    }

    /// Nothing has been heard of any place yet.
    fn is_opening(&self) -> bool {
        self.states.iter().all(|state| state.as_ref().is_none_or(|state| state.stage == Stage::Opening))
    }
}
