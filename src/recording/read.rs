//! Reads a recording, however it ends: whole, cut off in the middle of a line, or damaged.

use super::line::{Answer, Gap, Glance, Line, Told};
use super::moment::shown;
use super::{FORMAT, Header, Moment, Span, change, exact};
use crate::domain::{Sample, Snapshot, SourceError};
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A line is no longer than this, or the file is none of ours: what is compressed may be small and claim to be endless.
const LONGEST: u64 = 256 << 20;

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was ended.
    Ended,
    /// It was cut off, or is still being written.
    Cut,
    /// What follows can't be read.
    Damaged,
}

impl Ending {
    /// As the screen says it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ended => "the recording ends here",
            Self::Cut => "the recording was cut off here",
            Self::Damaged => "the recording is damaged from here on",
        }
    }
}

/// Where a segment lies, and what it spans.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    span: Span,
}

/// A recording that can be read: its header, and where its segments lie.
#[derive(Debug)]
pub struct Tape {
    path: PathBuf,
    header: Arc<Header>,
    segments: Vec<Segment>,
    ending: Ending,
}

impl Tape {
    /// Opens a recording and looks through it once.
    ///
    /// # Errors
    /// When it can't be read, is no recording, is of a newer quarterdeck, or holds nothing.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let named = |what: &str, hint: &str| SourceError::new(format!("{}: {what}", path.display()), hint);
        let unread =
            |error: &io::Error| named(&format!("can't be read: {error}"), "name a file that `record` has written");
        let mut file = BufReader::new(File::open(path).map_err(|error| unread(&error))?);
        let (header, mut ending) = header(&mut file).map_err(|(what, hint)| named(&what, hint))?;
        let mut segments = Vec::new();
        while ending == Ending::Ended && !file.fill_buf().map_err(|error| unread(&error))?.is_empty() {
            let offset = file.stream_position().map_err(|error| unread(&error))?;
            let (span, how) = look_through(&mut file);
            segments.extend(span.map(|span| Segment { offset, span }));
            ending = how;
        }
        if segments.is_empty() {
            return Err(named("the recording holds nothing", "it was ended or cut off before any source had answered"));
        }
        let ended = ending == Ending::Ended && is_ended(path, &segments);
        let ending = if ending == Ending::Ended && !ended { Ending::Cut } else { ending };
        Ok(Self { path: path.to_owned(), header: Arc::new(header), segments, ending })
    }

    /// What the recording says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How it ends.
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// From its first moment to its last.
    pub fn span(&self) -> Span {
        let start = Moment { t: 0, at: self.header.began };
        Span { from: start, until: self.segments.last().map_or(start, |segment| segment.span.until) }
    }

    /// How far from the beginning it was this wall time; the first such moment, should the clock have been set back.
    pub fn find(&self, at: jiff::Timestamp) -> Duration {
        let segment = self.segments.iter().rfind(|segment| segment.span.from.at <= at);
        let from = segment.map_or(self.span().from, |segment| segment.span.from);
        let on = Duration::try_from(at.duration_since(from.at)).unwrap_or_default();
        let until = self.span().until.since_start();
        (from.since_start() + on).min(until)
    }

    /// Begins to read at the last segment that begins at or before `since_start`.
    ///
    /// # Errors
    /// When the file can't be read any more.
    pub fn cursor(&self, since_start: Duration) -> io::Result<Cursor> {
        let behind = self.segments.iter().rfind(|segment| segment.span.from.since_start() <= since_start);
        let offset = behind.or(self.segments.first()).map_or(0, |segment| segment.offset);
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let feeds = self.header.feeds.len();
        Ok(Cursor {
            lines: BufReader::new(MultiGzDecoder::new(BufReader::new(file))),
            header: Arc::clone(&self.header),
            known: vec![Known::default(); feeds],
            until: self.span().until.t,
        })
    }
}

/// The first member: the header and nothing else.
fn header(file: &mut BufReader<File>) -> Result<(Header, Ending), (String, &'static str)> {
    const HINT: &str = "name a file that `record` has written";
    let none = || ("no recording of quarterdeck".to_owned(), HINT);
    let mut lines = BufReader::new(GzDecoder::new(file));
    let line = next_line(&mut lines).ok().flatten().ok_or_else(none)?;
    let value: Value = serde_json::from_slice(&line).map_err(|_| none())?;
    let header = value.get("header").ok_or_else(none)?;
    let format = header.get("format").and_then(Value::as_u64).ok_or_else(none)?;
    if format > u64::from(FORMAT) {
        let version = header.get("version").and_then(Value::as_str).unwrap_or("a newer version");
        let version = crate::domain::text::clean(version);
        let what = format!("written by quarterdeck {version} in format {format}; this one reads up to format {FORMAT}");
        return Err((what, "replay it with that version, or a newer one"));
    }
    let unread = |error: serde_json::Error| (format!("its header can't be read: {error}"), HINT);
    let header = serde_json::from_value(header.clone()).map_err(unread)?;
    let ending = match next_line(&mut lines) {
        Ok(_) => Ending::Ended,
        Err(error) => ending_of(&error),
    };
    Ok((header, ending))
}

/// One member: when it begins and ends, if it begins at all, and how it ends.
fn look_through(file: &mut BufReader<File>) -> (Option<Span>, Ending) {
    let mut lines = BufReader::new(GzDecoder::new(file));
    let mut span: Option<Span> = None;
    loop {
        let line = match next_line(&mut lines) {
            Ok(Some(line)) => line,
            Ok(None) => return (span, Ending::Ended),
            Err(error) => return (span, ending_of(&error)),
        };
        let moment = match serde_json::from_slice(&line) {
            Ok(Glance::Segment(moment) | Glance::Sample(moment) | Glance::Gap(moment) | Glance::End(moment)) => moment,
            Ok(Glance::Header(_) | Glance::Known(_)) => continue,
            Err(_) => return (span, Ending::Damaged),
        };
        let from = span.map_or(moment, |span| span.from);
        let until = span.map_or(moment, |span| span.until.max(moment));
        span = Some(Span { from, until });
    }
}

/// The last segment says so when the recording was ended.
fn is_ended(path: &Path, segments: &[Segment]) -> bool {
    let last = || -> io::Result<Option<Vec<u8>>> {
        let mut file = BufReader::new(File::open(path)?);
        file.seek(SeekFrom::Start(segments.last().map_or(0, |segment| segment.offset)))?;
        let mut lines = BufReader::new(GzDecoder::new(file));
        let mut last = None;
        while let Some(line) = next_line(&mut lines)? {
            last = Some(line);
        }
        Ok(last)
    };
    let last = last().ok().flatten().unwrap_or_default();
    matches!(serde_json::from_slice(&last), Ok(Glance::End(_)))
}

fn ending_of(error: &io::Error) -> Ending {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ending::Cut } else { Ending::Damaged }
}

/// The next whole line; none at the end.
fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    lines.take(LONGEST).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// What the reader knows of one source.
#[derive(Clone, Default)]
struct Known {
    /// The newest moment that was read of it.
    newest: Option<u64>,
    /// Its last good answer: as written, and as it was.
    good: Option<(Value, Arc<Snapshot>)>,
}

/// What is found in a recording, in the order in which it came.
#[derive(Debug)]
pub enum Found {
    /// What a source said.
    Sample(Moment, Sample),
    /// Samples are missing.
    Gap(Moment, String),
}

impl Found {
    /// When.
    pub const fn moment(&self) -> Moment {
        match self {
            Self::Sample(moment, _) | Self::Gap(moment, _) => *moment,
        }
    }
}

/// A place in a recording, from which it is read forward.
pub struct Cursor {
    lines: BufReader<MultiGzDecoder<BufReader<File>>>,
    header: Arc<Header>,
    known: Vec<Known>,
    /// What came later was not looked through when the recording was opened.
    until: u64,
}

impl Iterator for Cursor {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            // What ends it was found when the recording was opened.
            let line = next_line(&mut self.lines).ok().flatten()?;
            match serde_json::from_slice(&line).ok()? {
                Line::Header(_) | Line::Segment(_) | Line::End(_) => {}
                Line::Known(told) => {
                    let newest = self.known.get(told.source).and_then(|known| known.newest);
                    if newest.is_none_or(|newest| newest < told.t)
                        && let Some(found) = self.sample(told)
                    {
                        return Some(found);
                    }
                }
                Line::Sample(told) if told.t > self.until => return None,
                Line::Sample(told) => {
                    if let Some(found) = self.sample(told) {
                        return Some(found);
                    }
                }
                Line::Gap(gap) => return Some(missing(&gap)),
            }
        }
    }
}

fn missing(gap: &Gap) -> Found {
    let (at, lost) = (shown(gap.at), gap.lost);
    let samples = if lost == 1 { "1 sample is".to_owned() } else { format!("{lost} samples are") };
    Found::Gap(Moment { t: gap.t, at: gap.at }, format!("{samples} missing before {at}: {}", gap.why))
}

impl Cursor {
    /// The sample that a line tells of; none when its source is not in the header.
    fn sample(&mut self, told: Told) -> Option<Found> {
        let (moment, took) = (told.moment(), Duration::from_micros(told.took));
        let feed = self.header.feeds.get(told.source)?;
        let known = self.known.get_mut(told.source)?;
        known.newest = Some(told.t);
        let outcome = match told.is {
            Answer::Error(error) => Err(error),
            Answer::Same => {
                known.good.as_ref().map(|(_, snapshot)| Arc::clone(snapshot)).ok_or_else(|| unread(&self.header))
            }
            Answer::Whole(value) => known.take(Some(value), &self.header),
            Answer::Change(change) => {
                let before = known.good.take();
                known.take(before.and_then(|(value, _)| change::apply(value, change)), &self.header)
            }
        };
        Some(Found::Sample(moment, Sample { source: feed.id.clone(), at: moment.now(), took, outcome }))
    }
}

impl Known {
    fn take(&mut self, value: Option<Value>, header: &Header) -> Result<Arc<Snapshot>, SourceError> {
        let read = value.and_then(|value| {
            let mut plain = value.clone();
            exact::unpack(&mut plain);
            Some((value, Arc::new(serde_json::from_value(plain).ok()?)))
        });
        match read {
            Some((value, snapshot)) => {
                self.good = Some((value, Arc::clone(&snapshot)));
                Ok(snapshot)
            }
            None => {
                // The next segment tells it whole, whenever it came.
                *self = Self::default();
                Err(unread(header))
            }
        }
    }
}

fn unread(header: &Header) -> SourceError {
    let what = format!("what was recorded by quarterdeck {} can't be read here", header.version);
    SourceError::new(what, "replay it with that version; what comes later may be readable")
}
