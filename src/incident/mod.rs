//! Incidents as the journal tells them: a pure fold over records, and what follows from it: clocks, a timeline, a post-mortem, a handover.
//!
//! Owns what an incident's records mean together. Must not know how they are kept, shown or made; nothing here reads a clock.

pub mod clocks;
pub mod corrected;
pub mod edits;
mod find;
pub mod handover;
pub mod json;
pub mod line;
mod marks;
pub mod merge;
pub mod report;
pub mod said;
#[cfg(test)]
mod tests;
mod twice;
pub mod twins;
pub mod watch;

pub use marks::{Assessment, Detected, Document, Ended, Judged, Mark};
pub use watch::Watch;

use self::corrected::{Anchors, Here, Writers};
use self::line::{Kind, Line, Titles};
use self::marks::{detected, keep_first, mark, said};
use self::said::{Said, Turn};
use self::twice::Echoes;
use crate::domain::incident::{Agreed, ClosedAs, Duty, Priority, Rules, Speed};
use crate::domain::record::{Record, RecordKind};
use crate::domain::{IncidentId, Now, RunId};
use crate::runbook::{RunView, Runs};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// So many of the newest records that belong to incidents are read at most: some hundred incidents.
pub const READ: u32 = 50_000;

/// All incidents known, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    list: Vec<Incident>,
    writers: Writers,
    titles: Titles,
    /// Runs that were begun before their incident was declared, and were said to belong to it.
    included: HashMap<RunId, IncidentId>,
    revision: u64,
}

/// One incident.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Id.
    pub id: IncidentId,
    /// What it is called now.
    pub title: String,
    /// What it was called when it was declared.
    pub declared_title: String,
    /// How bad it is thought to be now.
    pub priority: Priority,
    /// How bad it was thought to be at first.
    pub declared_as: Priority,
    /// By when something is due in it, as was agreed when it was declared; `None`: that was not recorded then.
    agreed: Option<Agreed>,
    /// Its environment's name.
    pub env: String,
    /// When it was declared, and by whom.
    pub declared: Mark,
    /// When it was detected: as the alert says that it was declared from, or who declared it.
    pub detected: Option<Detected>,
    /// One that somebody declared before who did not know of this one, nor this one's of that: of the same alert, or called the same.
    pub twin: Option<IncidentId>,
    /// Somebody is on it.
    pub acknowledged: Option<Mark>,
    /// The first change that was sent.
    pub first_change: Option<Mark>,
    /// Nobody suffers any more.
    pub mitigated: Option<Mark>,
    /// It is over.
    pub resolved: Option<Mark>,
    /// It was closed as none of its own.
    pub closed_as: Option<ClosedAs>,
    /// Ends that were none, oldest first.
    pub ended: Vec<Ended>,
    /// How bad it was thought to be after it was declared, oldest first.
    pub judged: Vec<Judged>,
    /// Its post-mortem was written after it was over, with nothing left to fill in.
    pub reported: Option<Mark>,
    /// Where it was last written, finished or not.
    pub document: Option<Document>,
    /// Who does what.
    pub duties: BTreeMap<Duty, String>,
    /// The assessment.
    pub assessment: Assessment,
    /// What others were told, oldest first.
    pub updates: Vec<Mark>,
    /// Who was called: levels (from 1), each with when.
    pub called: BTreeMap<usize, Mark>,
    /// What is to be done afterwards.
    pub actions: Vec<Mark>,
    /// All who did something, in the order in which they first did.
    pub people: Vec<String>,
    /// All who were named for a duty.
    pub named: Vec<String>,
    /// Everything, in the order of corrected time.
    pub lines: Vec<Line>,
    /// Everybody who was off by more than two seconds, with by how much: `ben's clock on bastion-2 is 3.1 s behind`.
    pub skews: BTreeSet<String>,
    said: Said,
    /// What was said before somebody else said it again.
    echoes: Echoes,
    anchors: Anchors,
    /// Alerts that fire now, by fingerprint: what was recorded of them.
    firing: BTreeMap<String, Value>,
}

impl Incident {
    /// Its last six hex digits.
    pub fn short(&self) -> String {
        self.id.short()
    }

    /// It is not over.
    pub const fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// The lowest level of the escalation (from 1) of which nobody was called. Whoever acknowledged it is the first.
    pub fn next_level(&self) -> usize {
        let mut level = 1 + usize::from(self.acknowledged.is_some());
        while self.called.contains_key(&level) {
            level += 1;
        }
        level
    }

    /// How it stands, in a word.
    pub const fn word(&self) -> &'static str {
        match (&self.resolved, &self.mitigated, &self.acknowledged) {
            (Some(_), _, _) => "resolved",
            (None, Some(_), _) => "mitigated",
            (None, None, Some(_)) => "acknowledged",
            (None, None, None) => "declared",
        }
    }

    /// The same, and as what it was closed: `resolved as a duplicate of 3a21ab`.
    pub fn standing(&self) -> String {
        let closed_as = self.closed_as.map(|closed| format!(" as {}", closed.told())).unwrap_or_default();
        format!("{}{closed_as}", self.word())
    }

    /// Ends that were none, each with what it is called: `outage 2`; `closed` of one that was closed as none of its own.
    pub fn ends(&self) -> impl Iterator<Item = (String, &Ended)> {
        let mut number = 0;
        self.ended.iter().map(move |ended| {
            if ended.closed_as.is_some() {
                return ("closed".to_owned(), ended);
            }
            number += 1;
            (format!("outage {number}"), ended)
        })
    }

    /// Its runs, as far as they are known, by their ids.
    fn own_runs<'a>(&self, runs: &'a Runs) -> impl Iterator<Item = &'a RunView> {
        let own: BTreeSet<RunId> = self.lines.iter().filter_map(|line| line.run).collect();
        own.into_iter().filter_map(|id| runs.get(id))
    }

    /// Its runs that are not over: `Restart a container (run 1a2b3c): asks`.
    pub fn open_runs(&self, runs: &Runs) -> Vec<String> {
        let open = self.own_runs(runs).filter(|run| run.outcome.is_none() || run.is_in_doubt());
        open.map(|run| {
            let verdict = run.verdict().unwrap_or_else(|| run.word().to_owned());
            format!("{} (run {}): {verdict}", run.title, run.id.short())
        })
        .collect()
    }

    /// It is over, and its post-mortem is not written: one that was none of its own needs none.
    pub const fn owes_report(&self) -> bool {
        self.resolved.is_some() && self.reported.is_none() && self.closed_as.is_none()
    }

    /// How bad it was thought to be at a moment, and since when it was at least as bad: what is due counts from then.
    pub fn severity_at(&self, at: Timestamp) -> (Priority, Timestamp) {
        let until = self.judged.iter().take_while(|judged| judged.mark.at <= at);
        until.fold((self.declared_as, self.begun()), |(before, since), judged| {
            let since = if judged.priority < before { judged.mark.at } else { since };
            (judged.priority, since)
        })
    }

    /// From when its clocks run: from its declaration, or from when it was detected, if who declared it says so. An alert's beginning is no such moment: it may
    /// have fired for days before somebody called it an incident.
    fn begun(&self) -> Timestamp {
        let said = self.detected.as_ref().filter(|detected| detected.alert.is_none());
        said.map_or(self.declared.at, |detected| detected.mark.at.min(self.declared.at))
    }

    /// Since when it is as bad as it is now, or worse.
    pub(super) fn worse_since(&self) -> Timestamp {
        self.severity_at(Timestamp::MAX).1
    }

    /// By when something is due in it: as was agreed when it was declared, else as is now.
    pub fn agreed<'a>(&'a self, rules: &'a Rules) -> &'a Agreed {
        self.agreed.as_ref().unwrap_or(&rules.agreed)
    }

    /// A moment of it by the clock of who looks: the same, but in a rehearsal that goes faster.
    pub fn by_the_clock(&self, at: Timestamp) -> Timestamp {
        self.anchors.scale().by_the_clock(at)
    }

    /// How long something took that took so long by a clock.
    pub fn length(&self, took: Duration) -> Duration {
        self.anchors.scale().length(took)
    }

    /// Its clocks run from when it was detected, and that was before it was declared; nobody said later that it is worse.
    fn counts_from_detection(&self) -> bool {
        self.begun() < self.declared.at && self.worse_since() == self.begun()
    }

    /// When it began to be known: when it was detected, else when it was declared.
    pub fn first_sign(&self) -> &Mark {
        self.detected.as_ref().map_or(&self.declared, |detected| &detected.mark)
    }

    fn fingerprint(&self) -> Option<&str> {
        self.detected.as_ref()?.alert.as_deref()
    }

    /// The alert that it was declared from, by its fingerprint.
    fn is_of_alert(&self, fingerprint: &str) -> bool {
        self.fingerprint() == Some(fingerprint)
    }

    /// Alerts that fire now, as far as was recorded, by name.
    pub fn firing(&self) -> impl Iterator<Item = &str> {
        self.firing.values().filter_map(|alert| alert["name"].as_str())
    }

    /// What was recorded of an alert that fires, by its fingerprint.
    pub fn firing_alert(&self, fingerprint: &str) -> Option<&Value> {
        self.firing.get(fingerprint)
    }

    /// It was recorded of this alert that it fires.
    pub fn knows_firing(&self, fingerprint: &str) -> bool {
        self.firing.contains_key(fingerprint)
    }

    /// This moment on the incident's scale of time: by the machine's start when the incident has records of this boot, so that nobody who sets a clock moves
    /// it. Never before its newest record.
    pub fn now(&self, here: &Here, now: Now) -> Timestamp {
        let latest = self.lines.last().map_or(self.declared.at, |line| line.at);
        self.anchors.now(here, now).max(latest)
    }

    fn begin(record: &Record, id: IncidentId, writers: &Writers) -> Self {
        let data = &record.entry.data;
        let priority = priority(data, "priority").unwrap_or(Priority::P3);
        let mut anchors = Anchors::default();
        let at = anchors.begin(writers, record, Speed::read(data));
        let detected = detected(record).map(|detected| detected.scaled(anchors.scale(), at));
        Self {
            id,
            title: said(data, "title"),
            declared_title: said(data, "title"),
            priority,
            declared_as: priority,
            agreed: Agreed::read(data),
            env: record.entry.env.clone(),
            declared: mark(record, at, String::new()),
            detected,
            twin: None,
            acknowledged: None,
            first_change: None,
            mitigated: None,
            resolved: None,
            closed_as: None,
            ended: Vec::new(),
            judged: Vec::new(),
            reported: None,
            document: None,
            duties: BTreeMap::new(),
            assessment: Assessment::default(),
            updates: Vec::new(),
            called: BTreeMap::new(),
            actions: Vec::new(),
            people: Vec::new(),
            named: Vec::new(),
            lines: Vec::new(),
            skews: BTreeSet::new(),
            said: Said::default(),
            echoes: Echoes::default(),
            anchors,
            firing: BTreeMap::new(),
        }
    }

    /// Takes in what a record of its own changes.
    fn take(&mut self, record: &Record, at: Timestamp) {
        let (kind, data) = (record.entry.kind, &record.entry.data);
        let told = |key: &str| mark(record, at, said(data, key));
        for other in line::beside_which(data) {
            said::put(&mut self.said.apart, (other, told("text")), |(_, mark)| mark.order());
        }
        match kind {
            RecordKind::IncidentAcknowledge => said::put(&mut self.said.acknowledged, told("text"), Mark::order),
            RecordKind::IncidentRole => self.give(data, told("name")),
            RecordKind::IncidentNote if data["action"] == true => {
                said::put(&mut self.said.actions, told("text"), Mark::order);
            }
            RecordKind::IncidentNote if data[line::CALLED].is_string() => {
                said::put(&mut self.said.titles, told(line::CALLED), Mark::order);
            }
            RecordKind::IncidentSeverity => self.judge(data, told("reason")),
            RecordKind::IncidentAssess => self.assess(data),
            RecordKind::IncidentUpdate => said::put(&mut self.said.updates, told("text"), Mark::order),
            RecordKind::IncidentEscalate => {
                let level = data["level"].as_u64().and_then(|level| usize::try_from(level).ok()).unwrap_or(0);
                let called = (level, mark(record, at, line::whom(data)));
                said::put(&mut self.said.called, called, |(_, mark)| mark.order());
            }
            RecordKind::IncidentMitigate => said::put(&mut self.said.mitigated, told("text"), Mark::order),
            RecordKind::IncidentTakeBack => {
                if let Some(record) = data["record"].as_str().and_then(|id| id.parse().ok()) {
                    self.take_back(record);
                }
            }
            RecordKind::IncidentResolve => self.turn(told("text"), Turn::Resolved(ClosedAs::read(data))),
            RecordKind::IncidentReopen => self.turn(told("reason"), Turn::Reopened),
            RecordKind::IncidentReport => self.report(record, told("file")),
            RecordKind::StepIntent if line::changes(record) => keep_first(&mut self.first_change, told("detail")),
            RecordKind::AlertFired => drop(self.firing.insert(said(data, "fingerprint"), data.clone())),
            RecordKind::AlertResolved => drop(self.firing.remove(&said(data, "fingerprint"))),
            _ => {}
        }
        self.settle();
    }

    fn give(&mut self, data: &Value, mark: Mark) {
        let Some(duty) = data["duty"].as_str().and_then(Duty::parse) else { return };
        if !mark.text.is_empty() && !self.named.contains(&mark.text) {
            self.named.push(mark.text.clone());
        }
        said::put(&mut self.said.duties, (duty, mark), |(_, mark)| mark.order());
    }

    fn judge(&mut self, data: &Value, mark: Mark) {
        let Some(priority) = priority(data, "priority") else { return };
        said::put(&mut self.said.judged, Judged { priority, mark }, |judged| judged.mark.order());
    }

    fn turn(&mut self, mark: Mark, turn: Turn) {
        said::put(&mut self.said.turns, (mark, turn), |(mark, _)| mark.order());
    }

    fn report(&mut self, record: &Record, mark: Mark) {
        let complete = record.entry.data["complete"] == true;
        let left = if complete { Some(0) } else { record.entry.data["left"].as_u64() };
        let host = record.actor.host.clone();
        self.document = Some(Document { host, file: mark.text.clone(), left });
        self.reported = (complete && self.resolved.is_some()).then_some(mark);
    }

    fn assess(&mut self, data: &Value) {
        let Assessment { impact, scope, changed } = &mut self.assessment;
        for (key, kept) in [("impact", impact), ("scope", scope), ("changed", changed)] {
            if let Some(text) = data[key].as_str() {
                text.clone_into(kept);
            }
        }
    }

    /// Puts a line where it belongs by its time; of the same moment, behind those that are there.
    fn tell(&mut self, mut line: Line) {
        if self.is_taken_back(line.record) {
            line.take_back_if(line.record);
        }
        line.hear(self.echoes.get(&line.record));
        // Who writes the post-mortem is no part of what it tells.
        if !line.by.is_empty() && !line.is_of_the_report && !self.people.contains(&line.by) {
            self.people.push(line.by.clone());
        }
        let place = self.lines.partition_point(|other| other.at <= line.at);
        self.lines.insert(place, line);
    }

    /// Whether it is a second telling of an alert's coming or going, by another session that saw it too.
    fn is_told(&self, record: &Record) -> bool {
        let firing = self.knows_firing(&said(&record.entry.data, "fingerprint"));
        match record.entry.kind {
            RecordKind::AlertFired => firing,
            RecordKind::AlertResolved => !firing,
            _ => false,
        }
    }
}

impl Incidents {
    /// Of all of a journal's records, the same in whichever order they are.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        Self::default().with(records)
    }

    /// Takes in all of a journal's records: what two stores that have the same records say is the same.
    #[must_use]
    pub fn with<'a>(mut self, records: impl IntoIterator<Item = &'a Record>) -> Self {
        let (writers, records) = corrected::in_order(records);
        self.writers = writers;
        for record in records {
            self.take(record);
        }
        self.pair();
        self
    }

    /// Takes in one record that comes; those of one writer come in order.
    pub fn apply(&mut self, record: &Record) {
        self.writers.learn(record);
        self.take(record);
        if twins::may_change(record.entry.kind) {
            self.pair();
        }
    }

    fn take(&mut self, record: &Record) {
        self.titles.learn(record);
        let own = record.incident.as_deref().and_then(IncidentId::parse);
        let Some(id) = own.or_else(|| self.includes(record)) else { return };
        self.revision += 1;
        if let (RecordKind::IncidentRun, Some(run)) = (record.entry.kind, line::included(record)) {
            self.included.insert(run, id);
        }
        let place = match self.list.iter().position(|incident| incident.id == id) {
            Some(place) => place,
            None if record.entry.kind == RecordKind::IncidentDeclare => {
                self.list.push(Incident::begin(record, id, &self.writers));
                self.list.len() - 1
            }
            None => return,
        };
        let incident = &mut self.list[place];
        if incident.is_told(record) {
            return;
        }
        let at = incident.anchors.correct(&self.writers, record);
        if record.entry.kind != RecordKind::IncidentReport {
            incident.skews.extend(self.writers.skew(record));
        }
        incident.take(record, at);
        if let Some(line) = Line::of(record, at, &self.titles) {
            if line.kind == Kind::Run && line.ended_well {
                if let Some(told) = self.titles.update_of(record, at) {
                    said::put(&mut incident.said.updates, told, Mark::order);
                }
                incident.settle();
            }
            incident.tell(line);
        }
    }

    /// The incident that a record's run was said to belong to.
    fn includes(&self, record: &Record) -> Option<IncidentId> {
        self.included.get(&record.entry.run?).copied()
    }

    /// The runbooks that tell others how an incident stands: those that end well count as status updates from here on.
    #[must_use]
    pub fn counting(mut self, updates: &[String]) -> Self {
        self.titles.count(updates);
        self
    }
}

fn priority(data: &Value, key: &str) -> Option<Priority> {
    data[key].as_str().and_then(Priority::parse)
}
