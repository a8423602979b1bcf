//! Time as it passed: each record's wall clock, put right by what does not jump.
//!
//! A record holds its writer's wall clock (which somebody may set) and its monotonic clock, which counts on while the machine sleeps. The first record of an
//! incident from a machine's boot anchors that boot: from there its records stand where its monotonic clock puts them. Where a team's server has told how
//! far a machine's clock is behind its own, the anchor is moved by that. In a rehearsal that goes faster than a clock ([`Scale`]) it is the rehearsal's time.

use crate::domain::Now;
use crate::domain::incident::Speed;
use crate::domain::record::{Record, RecordKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// A clock that is further than this from the server's is told.
const SKEW: Duration = Duration::from_secs(2);

/// The clock of this process, for what is asked of now.
#[derive(Clone, Debug, Default)]
pub struct Here {
    /// Id of the boot; `None`: nobody knows.
    pub boot: Option<String>,
    /// From the boot to the zero of [`Now::mono`].
    pub booted: Duration,
}

/// What the writers said of themselves when they began.
#[derive(Clone, Debug, Default)]
pub struct Writers(HashMap<Uuid, Writer>);

#[derive(Clone, Debug, Default)]
struct Writer {
    boot: Option<String>,
    booted: Option<Duration>,
    /// How far the server's clock is ahead of its own.
    ahead: SignedDuration,
}

impl Writers {
    /// Takes in what a process says of its clocks.
    pub fn learn(&mut self, record: &Record) {
        let data = &record.entry.data;
        match record.entry.kind {
            RecordKind::JournalOpen | RecordKind::JournalAway => {
                let known = self.0.entry(record.writer).or_default();
                known.boot = data["boot"].as_str().map(str::to_owned).or(known.boot.take());
                known.booted = data["booted_ms"].as_u64().map(Duration::from_millis).or(known.booted);
            }
            RecordKind::JournalMerge => {}
            _ => return,
        }
        if let Some(ahead) = data["clock_ahead_ms"].as_i64() {
            self.0.entry(record.writer).or_default().ahead = SignedDuration::from_millis(ahead);
        }
    }

    fn of(&self, record: &Record) -> Place {
        let unknown = Writer::default();
        let writer = self.0.get(&record.writer).unwrap_or(&unknown);
        let (mono, ahead) = (Duration::from_millis(record.mono_ms), writer.ahead);
        // Of whose boot nothing is known, its own beginning is the scale.
        match (&writer.boot, writer.booted) {
            (Some(boot), Some(booted)) => Place { boot: boot.clone(), since: booted + mono, ahead },
            _ => Place { boot: record.writer.to_string(), since: mono, ahead },
        }
    }

    /// `ben's clock on bastion-2 is 3.1 s behind the server's`, when it is further off than matters.
    pub fn skew(&self, record: &Record) -> Option<String> {
        let ahead = self.0.get(&record.writer)?.ahead;
        (ahead.unsigned_abs() > SKEW).then(|| {
            let (who, side) = (&record.actor, if ahead.is_positive() { "behind" } else { "ahead of" });
            let by = ahead.unsigned_abs().as_secs_f64();
            format!("{}'s clock on {} is {by:.1} s {side} the server's", who.name, who.host)
        })
    }
}

/// The same order wherever the records were read and however they came there: declarations, what belongs to incidents, and what was done before and said to
/// belong to one; each by corrected time, and of one writer as it wrote. With what the writers said of their clocks.
pub fn in_order<'a>(records: impl IntoIterator<Item = &'a Record>) -> (Writers, Vec<&'a Record>) {
    let mut records: Vec<&Record> = records.into_iter().collect();
    records.sort_by_key(|record| (record.writer, record.seq));
    let mut writers = Writers::default();
    for record in &records {
        writers.learn(record);
    }
    // The first of a boot anchors it, whichever of its processes wrote that.
    let mut of_boot = records.clone();
    of_boot.sort_by_key(|record| (writers.of(record).since, record.writer, record.seq));
    let mut anchors = Anchors::default();
    let times: HashMap<Uuid, Timestamp> =
        of_boot.into_iter().map(|record| (record.id, anchors.correct(&writers, record))).collect();
    records.sort_by_key(|record| (rank(record), times[&record.id], record.writer, record.seq));
    (writers, records)
}

/// What has to be known before what.
fn rank(record: &Record) -> u8 {
    match record.entry.kind {
        RecordKind::IncidentDeclare => 0,
        _ if record.incident.is_some() => 1,
        _ => 2,
    }
}

/// Where a record stands on the scale of its machine's boot.
struct Place {
    boot: String,
    since: Duration,
    ahead: SignedDuration,
}

/// How an incident's time is made of a clock's: it is the same at the declaration, and goes by so fast from there, both ways.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scale {
    /// The declaration; `None`: the two are the same.
    from: Option<Timestamp>,
    speed: Speed,
}

impl Scale {
    fn new(from: Timestamp, speed: Speed) -> Self {
        Self { from: (speed != Speed::default()).then_some(from), speed }
    }

    fn moved(self, at: Timestamp, by: impl Fn(Speed, SignedDuration) -> SignedDuration) -> Timestamp {
        let Some(from) = self.from else { return at };
        from.checked_add(by(self.speed, at.duration_since(from))).unwrap_or(at)
    }

    /// What a clock shows, on the incident's scale.
    pub fn of_the_clock(self, at: Timestamp) -> Timestamp {
        self.moved(at, Speed::stretch)
    }

    /// And back.
    pub fn by_the_clock(self, at: Timestamp) -> Timestamp {
        self.moved(at, Speed::shrink)
    }

    /// How long that is for the incident.
    pub fn length(self, took: Duration) -> Duration {
        let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
        self.from.map_or(took, |_| self.speed.stretch(took)).unsigned_abs()
    }
}

/// Where an incident's boots begin by the clock, and what its own time is to that.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    boots: HashMap<String, Timestamp>,
    scale: Scale,
}

impl Anchors {
    /// When it was declared; its time goes by so fast from there.
    pub fn begin(&mut self, writers: &Writers, declaration: &Record, speed: Speed) -> Timestamp {
        let at = self.correct(writers, declaration);
        self.scale = Scale::new(at, speed);
        at
    }

    /// How its time is made of a clock's.
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// When a record was written. That a post-mortem was anchors nothing: who writes it once more does not move what it tells.
    pub fn correct(&mut self, writers: &Writers, record: &Record) -> Timestamp {
        let Place { boot, since, ahead } = writers.of(record);
        let known = self.boots.get(&boot).copied();
        let begun = || record.at.checked_add(ahead).and_then(|at| at.checked_sub(since)).unwrap_or(record.at);
        let begun = known.unwrap_or_else(begun);
        if record.entry.kind != RecordKind::IncidentReport {
            self.boots.entry(boot).or_insert(begun);
        }
        self.scale.of_the_clock(begun.checked_add(since).unwrap_or(record.at))
    }

    /// This moment: by the boot when there are records of it, else by the wall clock.
    pub fn now(&self, here: &Here, now: Now) -> Timestamp {
        let begun = here.boot.as_ref().and_then(|boot| self.boots.get(boot));
        let at = begun.and_then(|begun| begun.checked_add(here.booted + now.mono).ok());
        self.scale.of_the_clock(at.unwrap_or(now.wall))
    }
}
