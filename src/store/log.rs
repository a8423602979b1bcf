//! The lines of the log that is open: the newest, as many as fit into so many bytes.
//!
//! In pieces, so that a line that comes costs a copy of its text and now and then an allocation, and the oldest go a piece at a time.
//! A clone shares the pieces: what is saved to a file is what stood there at the key, while new lines come in.

use crate::domain::LogLine;
use crate::domain::log::{Level, LogTarget};
use crate::domain::text::Veil;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Bytes of text in one piece; a ring holds some hundred.
const PIECE: usize = 128 << 10;
/// Seconds for which errors and warnings are counted: a minute, and room for lines that come late.
const SECONDS: usize = 128;

/// A line that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Its number, counted from 0 since the log was opened.
    pub number: u64,
    /// As of a [`LogLine`], likewise below.
    pub at: Option<Timestamp>,
    /// How bad.
    pub level: Option<Level>,
    /// From which place.
    pub place: u16,
    /// Its text.
    pub text: &'a str,
}

#[derive(Clone, Copy, Debug)]
struct Meta {
    /// Where its text ends in the piece.
    end: u32,
    place: u16,
    level: Option<Level>,
    at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Piece {
    first: u64,
    text: String,
    lines: Vec<Meta>,
}

impl Piece {
    fn bytes(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<Meta>()
    }

    fn line(&self, index: usize) -> Option<Kept<'_>> {
        let meta = self.lines.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.lines[before].end as usize);
        let text = self.text.get(start..meta.end as usize)?;
        Some(Kept { number: self.first + index as u64, at: meta.at, level: meta.level, place: meta.place, text })
    }
}

/// The lines that are kept.
#[derive(Clone, Debug)]
pub struct LogRing {
    pieces: VecDeque<Arc<Piece>>,
    /// Bytes of all pieces but the last.
    bytes: usize,
    limit: usize,
    first: u64,
    next: u64,
    recent: Recent,
    /// By place: the time of the last line that has one.
    last: Vec<Option<Timestamp>>,
}

impl LogRing {
    /// An empty one for at most so many bytes, the pieces' own needs included; never less than a few pieces.
    pub fn new(limit: usize) -> Self {
        let (pieces, recent) = (VecDeque::new(), Recent::default());
        Self { pieces, bytes: 0, limit: limit.max(6 * PIECE), first: 0, next: 0, recent, last: Vec::new() }
    }

    /// Adds a line; the oldest fall out when there is no room. `came` stands for the time of a line that does not say, where it came
    /// as it was written; `None`: it was there before, and is as old as the last one of its place that says.
    pub fn push(&mut self, line: &LogLine, came: Option<Timestamp>) {
        let place = usize::from(line.place);
        if self.last.len() <= place {
            self.last.resize(place + 1, None);
        }
        self.last[place] = line.at.or(self.last[place]);
        if let Some(at) = line.at.or(came).or(self.last[place]) {
            self.recent.count(at, line.level);
        }
        let piece = self.room(line.text.len());
        piece.text.push_str(&line.text);
        piece.lines.push(Meta { end: piece.text.len() as u32, place: line.place, level: line.level, at: line.at });
        self.next += 1;
    }

    /// The last piece, with room for so many bytes of text.
    fn room(&mut self, length: usize) -> &mut Piece {
        let fits = self.pieces.back_mut().and_then(Arc::get_mut).is_some_and(|piece| {
            let lines = piece.lines.len() < PIECE / size_of::<Meta>();
            lines && piece.text.len() + length <= PIECE.max(length)
        });
        if !fits {
            self.bytes += self.pieces.back().map_or(0, |piece| piece.bytes());
            let text = String::with_capacity(PIECE.max(length));
            self.pieces.push_back(Arc::new(Piece { first: self.next, text, lines: Vec::new() }));
            self.forget();
        }
        // Just made, or looked at above: nobody else has it.
        let last = self.pieces.back_mut().and_then(Arc::get_mut);
        last.unwrap_or_else(|| unreachable!("the last piece is ours"))
    }

    /// Lets the oldest pieces go until there is room for a whole new one.
    fn forget(&mut self) {
        let full = PIECE * 2;
        while self.bytes + full > self.limit && self.pieces.len() > 1 {
            let Some(oldest) = self.pieces.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.first = self.pieces.front().map_or(self.next, |piece| piece.first);
        }
    }

    /// The number of the oldest line that is kept: so many are gone.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next line will have.
    pub const fn end(&self) -> u64 {
        self.next
    }

    /// Lines that are kept.
    pub const fn len(&self) -> usize {
        (self.next - self.first) as usize
    }

    /// None came, or none is kept.
    pub const fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.pieces.back().map_or(0, |piece| piece.bytes())
    }

    /// A line by its number; `None` when it is gone or has not come.
    pub fn get(&self, number: u64) -> Option<Kept<'_>> {
        let piece = self.pieces.partition_point(|piece| piece.first <= number).checked_sub(1)?;
        let piece = self.pieces.get(piece)?;
        piece.line(usize::try_from(number - piece.first).ok()?)
    }

    /// All lines from a number on.
    pub fn from(&self, number: u64) -> impl Iterator<Item = Kept<'_>> {
        let number = number.max(self.first);
        let start = self.pieces.partition_point(|piece| piece.first <= number).saturating_sub(1);
        self.pieces.iter().skip(start).flat_map(move |piece| {
            let skip = usize::try_from(number.saturating_sub(piece.first)).unwrap_or(usize::MAX);
            (skip..piece.lines.len()).filter_map(|index| piece.line(index))
        })
    }

    /// Errors and warnings of the minute before `now`.
    pub fn per_minute(&self, now: Timestamp) -> (u32, u32) {
        self.recent.minute(now)
    }
}

/// Errors and warnings by second.
#[derive(Clone, Debug)]
struct Recent {
    seconds: [(i64, u32, u32); SECONDS],
}

impl Default for Recent {
    fn default() -> Self {
        Self { seconds: [(i64::MIN, 0, 0); SECONDS] }
    }
}

impl Recent {
    fn count(&mut self, at: Timestamp, level: Option<Level>) {
        let Some(level) = level.filter(|level| *level >= Level::Warn) else { return };
        let second = at.as_second();
        let slot = &mut self.seconds[second.rem_euclid(SECONDS as i64) as usize];
        if slot.0 < second {
            *slot = (second, 0, 0);
        }
        if slot.0 == second {
            let count = if level >= Level::Error { &mut slot.1 } else { &mut slot.2 };
            *count = count.saturating_add(1);
        }
    }

    fn minute(&self, now: Timestamp) -> (u32, u32) {
        let now = now.as_second();
        // A clock over there may be a little ahead of ours.
        let in_it = |slot: &&(i64, u32, u32)| slot.0 > now - 60 && slot.0 <= now + 30;
        self.seconds.iter().filter(in_it).fold((0, 0), |sum, slot| (sum.0 + slot.1, sum.1 + slot.2))
    }
}

/// What is to be saved: lines as they stood when it was asked for.
#[derive(Clone)]
pub struct LogExport {
    /// Whose they are: names the file too.
    pub target: LogTarget,
    /// The lines.
    pub ring: LogRing,
    /// Those that pass the filter; `None`: all.
    pub numbers: Option<Vec<u64>>,
    /// What was filtered by, in words; empty when nothing was.
    pub filter: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// What all of it goes behind, its name too: the screen is one that others see.
    pub veil: Option<Arc<dyn Veil>>,
}

impl fmt::Debug for LogExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogExport").field("target", &self.target).field("at", &self.at).finish_non_exhaustive()
    }
}

impl LogExport {
    /// The file's name: what it is, and when.
    pub fn file_name(&self) -> String {
        let plain = |char: char| if char.is_ascii_alphanumeric() || "-_.".contains(char) { char } else { '-' };
        let name: String = self.hidden(self.target.name.to_string()).chars().take(60).map(plain).collect();
        format!("{}-{}.log", name.trim_matches(['-', '.']), self.at.strftime("%Y%m%dT%H%M%S%.3fZ"))
    }

    /// Writes a head that says what it is, then the lines, each with its time in UTC.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "# {}, saved {}", self.hidden(self.target.name.to_string()), self.at)?;
        if self.veil.is_some() {
            writeln!(out, "# saved in presenter mode: addresses, names, tokens and literals are hidden")?;
        }
        if !self.filter.is_empty() {
            writeln!(out, "# only what passes: {}", self.hidden(self.filter.clone()))?;
        }
        if self.ring.first() > 0 {
            writeln!(out, "# {} older lines were not kept any more", self.ring.first())?;
        }
        match &self.numbers {
            Some(numbers) => {
                numbers.iter().filter_map(|number| self.ring.get(*number)).try_for_each(|line| self.line(line, out))
            }
            None => self.ring.from(0).try_for_each(|line| self.line(line, out)),
        }
    }

    fn line(&self, line: Kept<'_>, out: &mut impl Write) -> io::Result<()> {
        let mut text = String::new();
        push_time(&mut text, line.at, &TimeZone::UTC);
        let place = self.target.places.get(usize::from(line.place)).filter(|_| self.target.places.len() > 1);
        let said = self.hidden(line.text.to_owned());
        match place {
            Some(place) => writeln!(out, "{text} {} {said}", self.hidden(place.name().to_owned())),
            None => writeln!(out, "{text} {said}"),
        }
    }

    fn hidden(&self, text: String) -> String {
        self.veil.as_ref().and_then(|veil| veil.hide(&text)).unwrap_or(text)
    }
}

/// A time with its date and milliseconds, RFC 3339 in UTC; `-` for none.
fn push_time(out: &mut String, at: Option<Timestamp>, zone: &TimeZone) {
    use std::fmt::Write as _;
    match at {
        Some(at) => {
            let _ = write!(out, "{}", at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3fZ"));
        }
        None => out.push('-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LogPlace, SourceId};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn line(text: &str) -> LogLine {
        LogLine { text: text.to_owned(), ..LogLine::default() }
    }

    #[test]
    fn the_oldest_go_when_it_is_full_and_their_number_is_known() {
        let mut ring = LogRing::new(8 * PIECE);
        let text = "x".repeat(100);
        for index in 0..100_000 {
            ring.push(&line(&format!("{index} {text}")), None);
        }
        assert!(ring.bytes() <= 8 * PIECE, "{}", ring.bytes());
        assert_eq!(ring.end(), 100_000);
        assert!(ring.first() > 90_000 && ring.len() > 1000);
        assert_eq!(ring.get(ring.first() - 1), None);
        assert_eq!(ring.get(100_000), None);
        for number in [ring.first(), 99_999] {
            assert!(ring.get(number).unwrap().text.starts_with(&format!("{number} ")));
        }
        let all: Vec<u64> = ring.from(0).map(|line| line.number).collect();
        assert_eq!(all, (ring.first()..100_000).collect::<Vec<_>>());
    }

    #[test]
    fn empty_lines_and_long_ones_are_bounded_too() {
        let mut ring = LogRing::new(8 * PIECE);
        (0..300_000).for_each(|_| ring.push(&line(""), None));
        assert!(ring.bytes() <= 8 * PIECE, "{}", ring.bytes());
        (0..500).for_each(|_| ring.push(&line(&"y".repeat(16 << 10)), None));
        assert!(ring.bytes() <= 8 * PIECE, "{}", ring.bytes());
        assert_eq!(ring.get(ring.end() - 1).unwrap().text.len(), 16 << 10);
    }

    #[test]
    fn a_clone_keeps_what_it_was_made_of() {
        let mut ring = LogRing::new(0);
        ring.push(&line("before"), None);
        let clone = ring.clone();
        ring.push(&line("after"), None);
        assert_eq!(clone.from(0).map(|line| line.text).collect::<Vec<_>>(), ["before"]);
        assert_eq!(ring.from(0).map(|line| line.text).collect::<Vec<_>>(), ["before", "after"]);
    }

    #[test]
    fn errors_and_warnings_of_the_last_minute_are_counted() {
        let mut ring = LogRing::new(0);
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        for (second, level) in [(10, Level::Error), (65, Level::Fatal), (70, Level::Warn), (70, Level::Info)] {
            ring.push(&LogLine { at: Some(at(second)), level: Some(level), ..LogLine::default() }, None);
        }
        assert_eq!(ring.per_minute(at(72)), (1, 1));
        assert_eq!(ring.per_minute(at(500)), (0, 0));
    }

    #[test]
    fn a_line_without_a_time_counts_when_it_came_or_with_the_one_before_it() {
        let at = |second: i64| Timestamp::from_second(second).ok();
        let error = |at: Option<Timestamp>, place: u16| LogLine { at, level: Some(Level::Error), place, ..line("x") };
        let mut ring = LogRing::new(0);
        ring.push(&error(None, 0), None);
        ring.push(&error(at(100), 0), None);
        ring.push(&error(None, 0), None);
        ring.push(&error(None, 1), None);
        assert_eq!(
            ring.per_minute(at(100).unwrap()),
            (2, 0),
            "of those that were there before, only where a time is near"
        );
        ring.push(&error(None, 0), at(900));
        assert_eq!(ring.per_minute(at(900).unwrap()), (1, 0));
    }

    #[test]
    fn what_is_saved_says_what_it_is() {
        let place = LogPlace::Container { source: SourceId::new("docker", "a"), id: "1".into(), name: "web".into() };
        let mut ring = LogRing::new(0);
        ring.push(&LogLine { at: Some(NOW), ..line("one") }, None);
        ring.push(&line("two"), None);
        let target = LogTarget::one("shop/web", place);
        let export = LogExport { target, ring, numbers: Some(vec![0]), filter: "one".to_owned(), at: NOW, veil: None };
        let mut out = Vec::new();
        export.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("# shop/web, saved 1970-01-01T00:00:00Z\n# only what passes: one\n"), "{text}");
        assert!(text.ends_with("1970-01-01T00:00:00.000Z one\n"), "{text}");
        assert_eq!(export.file_name(), "shop-web-19700101T000000.000Z.log");
    }
}
