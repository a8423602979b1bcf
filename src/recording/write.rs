//! Writes a recording. What a full disk left half written is taken back, and a new segment begins when there is room again.

use super::line::{Answer, Gap, Line, Told};
use super::{FORMAT, Header, Moment, change, exact};
use crate::domain::{Now, Sample, Snapshot, SourceError, SourceId};
use crate::redact::Redactor;
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::time::Duration;

/// A segment holds this much time at most: going back in a recording reads it from a segment's beginning.
const SEGMENT: Duration = Duration::from_mins(2);
/// And this many bytes before they are compressed.
const SEGMENT_BYTES: u32 = 16 << 20;

/// What a recording is written onto.
pub trait Ground: Write {
    /// Takes back everything behind the first `length` bytes.
    ///
    /// # Errors
    /// When it can't, as a pipe can't.
    fn back_to(&mut self, length: u64) -> io::Result<()>;
}

impl Ground for File {
    fn back_to(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(|_| ())
    }
}

/// What is known of one source.
#[derive(Default)]
struct Known {
    /// Its last good answer, as it is written.
    good: Option<(Moment, Duration, Value)>,
    /// Since when it fails, and how.
    error: Option<(Moment, SourceError)>,
}

/// Writes one recording.
pub struct Writer<G> {
    ground: G,
    redactor: Redactor,
    began: Now,
    places: HashMap<SourceId, usize>,
    known: Vec<Known>,
    /// What is compressed and not written yet; none between two segments.
    segment: Option<GzEncoder<Vec<u8>>>,
    segment_began: Moment,
    /// Of the segment before it is compressed: what its end must say of it, and how long it is.
    sum: Crc,
    /// What makes a whole member of the one that is on the ground so far.
    closing: Vec<u8>,
    /// Bytes on the ground that are whole.
    written: u64,
    /// Samples that went into the segment and are not written yet.
    pending: u64,
    /// Samples lost since writing failed, and why it did.
    lost: Option<(u64, String)>,
}

impl<G: Ground> Writer<G> {
    /// Begins a recording with its header. `header.format` and `header.version` are set here.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(ground: G, mut header: Header, began: Now, redactor: Redactor) -> io::Result<Self> {
        (header.format, header.began) = (FORMAT, began.wall);
        env!("CARGO_PKG_VERSION").clone_into(&mut header.version);
        let places = header.feeds.iter().enumerate().map(|(place, feed)| (feed.id.clone(), place)).collect();
        let known = header.feeds.iter().map(|_| Known::default()).collect();
        let segment_began = Moment::of(began, began);
        let mut this = Self {
            ground,
            redactor,
            began,
            places,
            known,
            segment: None,
            segment_began,
            sum: Crc::new(),
            closing: Vec::new(),
            written: 0,
            pending: 0,
            lost: None,
        };
        let value = this.redactor.json(serde_json::to_value(Line::Header(Box::new(header)))?);
        if serde_json::from_value::<Line>(value.clone()).is_err() {
            return Err(io::Error::other(
                "a password is the same as a word that every recording holds: choose another one",
            ));
        }
        this.segment = Some(encoder());
        this.push(&value)?;
        this.close_segment()?;
        Ok(this)
    }

    /// Takes in a sample; [`Writer::commit`] writes it. One of a source that the header does not name is ignored.
    ///
    /// # Errors
    /// When it can't be made JSON of, which is a defect.
    pub fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        let Some(source) = self.places.get(&sample.source).copied() else { return Ok(()) };
        let moment = Moment::of(sample.at, self.began);
        // A segment begins with what was known before: what the sample changes is told of that.
        if self.segment.is_none() && self.lost.is_none() {
            self.open_segment(moment)?;
        }
        let is = match &sample.outcome {
            Ok(snapshot) => self.learn(source, (moment, sample.took), snapshot)?,
            Err(error) => self.fail(source, moment, error),
        };
        if let Some((lost, _)) = &mut self.lost {
            *lost += 1;
            return Ok(());
        }
        self.pending += 1;
        self.line(&Line::Sample(told(source, moment, sample.took, is)))
    }

    /// Remembers a good answer; what is to be written of it.
    fn learn(&mut self, source: usize, (moment, took): (Moment, Duration), snapshot: &Snapshot) -> io::Result<Answer> {
        let plain = serde_json::to_value(snapshot)?;
        let mut value = self.redactor.json(plain.clone());
        // A secret can be the same as one of the words that make a snapshot.
        if value != plain && !is_readable(&value) {
            let hint = "choose a password that is no word of quarterdeck's own, such as a state's name";
            return Ok(self.fail(
                source,
                moment,
                &SourceError::new("not recorded: hiding secrets left no readable answer", hint),
            ));
        }
        exact::pack(&mut value);
        let known = &mut self.known[source];
        known.error = None;
        let answer = match known.good.as_ref().map(|(.., before)| change::between(before, &value)) {
            Some(None) => Answer::Same,
            Some(Some(change)) => Answer::Change(change),
            None => Answer::Whole(value.clone()),
        };
        known.good = Some((moment, took, value));
        Ok(answer)
    }

    fn fail(&mut self, source: usize, moment: Moment, error: &SourceError) -> Answer {
        let hide = |text: &str| self.redactor.text(text).into_owned();
        let error = SourceError::new(hide(&error.what), hide(&error.hint));
        let since = self.known[source].error.as_ref().map_or(moment, |(since, _)| *since);
        self.known[source].error = Some((since, error.clone()));
        Answer::Error(error)
    }

    /// Says that samples were lost before they came here.
    ///
    /// # Errors
    /// As [`Writer::sample`].
    pub fn gap(&mut self, now: Now, lost: u64, why: &str) -> io::Result<()> {
        if let Some((more, _)) = &mut self.lost {
            *more += lost;
            return Ok(());
        }
        let Moment { t, at } = Moment::of(now, self.began);
        if self.segment.is_none() {
            self.open_segment(Moment { t, at })?;
        }
        self.line(&Line::Gap(Gap { t, at, lost, why: why.to_owned() }))
    }

    /// Writes what was taken in, so that it can be read whatever happens next. After a failure everything is lost until a commit
    /// succeeds again; it then says how many samples were, beside why.
    ///
    /// # Errors
    /// When it can't be written. What was written before stays readable.
    pub fn commit(&mut self, now: Now) -> io::Result<Option<(u64, String)>> {
        let mended = self.lost.take();
        if let Some((lost, why)) = &mended {
            let done = self.mend().and_then(|()| self.gap(now, *lost, why)).and_then(|()| self.flush());
            return done.map(|()| mended.clone()).map_err(|error| self.failed(error, *lost));
        }
        let moment = Moment::of(now, self.began);
        let full = self.sum.amount() > SEGMENT_BYTES
            || moment.since_start().saturating_sub(self.segment_began.since_start()) >= SEGMENT;
        let done = if full { self.close_segment() } else { self.flush() };
        done.map(|()| None).map_err(|error| self.failed(error, 0))
    }

    /// Ends the member that was cut off, so that another can follow it.
    fn mend(&mut self) -> io::Result<()> {
        self.segment = None;
        let closing = std::mem::take(&mut self.closing);
        self.put(&closing).inspect_err(|_| self.closing.clone_from(&closing))
    }

    /// Takes back what may be half written. What can't be taken back is the last of the file.
    fn failed(&mut self, error: io::Error, lost: u64) -> io::Error {
        self.lost = Some((lost + std::mem::take(&mut self.pending), error.to_string()));
        self.segment = None;
        match self.ground.back_to(self.written) {
            Ok(()) => error,
            Err(_) => io::Error::new(io::ErrorKind::BrokenPipe, error.to_string()),
        }
    }

    /// Says that the recording ends here, and gives back what it was written onto.
    ///
    /// # Errors
    /// When that can't be written.
    pub fn finish(mut self, now: Now) -> io::Result<(G, u64)> {
        if self.lost.is_some() {
            self.commit(now)?;
        }
        let moment = Moment::of(now, self.began);
        if self.segment.is_none() {
            self.open_segment(moment)?;
        }
        self.line(&Line::End(moment))?;
        self.close_segment()?;
        Ok((self.ground, self.written))
    }

    #[cfg(test)]
    pub(super) fn ground_mut(&mut self) -> &mut G {
        &mut self.ground
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn open_segment(&mut self, moment: Moment) -> io::Result<()> {
        (self.segment, self.segment_began, self.sum) = (Some(encoder()), moment, Crc::new());
        self.line(&Line::Segment(moment))?;
        for source in 0..self.known.len() {
            let Known { good, error } = &self.known[source];
            let good =
                good.as_ref().map(|(moment, took, value)| told(source, *moment, *took, Answer::Whole(value.clone())));
            let error =
                error.as_ref().map(|(since, error)| told(source, *since, Duration::ZERO, Answer::Error(error.clone())));
            for known in good.into_iter().chain(error) {
                self.line(&Line::Known(known))?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let value = serde_json::to_value(line)?;
        self.push(&value)
    }

    fn push(&mut self, value: &Value) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.sum.update(&text);
        segment.write_all(&text)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.flush()?;
        let ready = std::mem::take(segment.get_mut());
        self.put(&ready)?;
        self.closing = closing(&self.sum);
        Ok(())
    }

    fn close_segment(&mut self) -> io::Result<()> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        let ready = segment.finish()?;
        self.put(&ready)?;
        self.closing.clear();
        Ok(())
    }

    fn put(&mut self, ready: &[u8]) -> io::Result<()> {
        self.ground.write_all(ready)?;
        self.ground.flush()?;
        self.written += ready.len() as u64;
        self.pending = 0;
        Ok(())
    }
}

/// It is read as it is written: neither is a state's name hidden, nor that of a member, which would then count as not told.
fn is_readable(value: &Value) -> bool {
    let read = serde_json::from_value::<Snapshot>(value.clone());
    read.is_ok_and(|read| serde_json::to_value(read).is_ok_and(|back| back == *value))
}

/// What ends a member after a flush (RFC 1951 and 1952): an empty last block, the sum and the length of what is in it.
fn closing(sum: &Crc) -> Vec<u8> {
    let mut out = vec![1, 0, 0, 0xff, 0xff];
    out.extend(sum.sum().to_le_bytes());
    out.extend(sum.amount().to_le_bytes());
    out
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::default())
}

fn told(source: usize, Moment { t, at }: Moment, took: Duration, is: Answer) -> Told {
    Told { t, at, source, took: u64::try_from(took.as_micros()).unwrap_or(u64::MAX), is }
}
