//! A record as a line of an incident's timeline.

use crate::domain::incident::{ClosedAs, TITLE};
use crate::domain::record::{Record, RecordKind};
use crate::domain::{IncidentId, RunId, Severity, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

mod runs;

pub(super) use self::runs::why;
use self::runs::{around, of_a_run};
use super::said::can_be_taken_back;
use super::twice::Echo;
use super::{Incident, Mark};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The incident itself.
    Incident,
    /// An alert that came or went.
    Alert,
    /// Figures at a decision.
    Figures,
    /// A run began or ended.
    Run,
    /// Something was changed, or taken back.
    Change,
    /// Something was looked at, ticked or passed over.
    Step,
    /// What somebody wrote.
    Note,
    /// Others were told.
    Update,
    /// The journal, locks, approvals, the right to act.
    Around,
}

impl Kind {
    /// The word of it, for JSON and filters.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Alert => "alert",
            Self::Figures => "figures",
            Self::Run => "run",
            Self::Change => "change",
            Self::Step => "step",
            Self::Note => "note",
            Self::Update => "update",
            Self::Around => "around",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, by corrected time.
    pub at: Timestamp,
    /// Who; empty: nobody did, it happened.
    pub by: String,
    /// What it is about.
    pub kind: Kind,
    /// What happened, harmless, in one row, with what is known of it since: that it was taken back, that somebody had said it before.
    pub what: String,
    /// Its own words, in as many lines as somebody wrote.
    own: String,
    /// What was so when it was said.
    echo: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// It goes off the path that was written down: a step passed over, the glass broken, something that nobody knows, a check that only warned.
    pub off_path: bool,
    /// A run that ended as it should.
    pub ended_well: bool,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// Where it is recorded: `record 7f3a21/12`, with its run and step.
    pub link: String,
    /// The record's id.
    pub record: Uuid,
    /// That its post-mortem was written: no part of what a post-mortem tells.
    pub is_of_the_report: bool,
    /// It is something that can be taken back.
    pub can_be_taken_back: bool,
    /// It was: it says so, and does not count.
    pub taken_back: bool,
}

/// What runs and their steps are called.
#[derive(Clone, Debug, Default)]
pub struct Titles {
    runs: HashMap<RunId, Run>,
    updates: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Run {
    runbook: String,
    title: String,
    steps: HashMap<String, String>,
}

impl Titles {
    /// Takes in what a run is called.
    pub fn learn(&mut self, record: &Record) {
        let id = match record.entry.kind {
            RecordKind::RunStart => record.entry.run,
            RecordKind::IncidentRun => included(record).filter(|run| !self.runs.contains_key(run)),
            _ => None,
        };
        let Some(id) = id else { return };
        let data = &record.entry.data;
        let steps = data["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |step: &Value| Some((step["id"].as_str()?.to_owned(), step["title"].as_str()?.to_owned()));
        let run = Run {
            runbook: of(data, "runbook"),
            title: of(data, "title"),
            steps: steps.iter().filter_map(named).collect(),
        };
        self.runs.insert(id, run);
    }

    /// These runbooks tell others how it stands.
    pub fn count(&mut self, updates: &[String]) {
        self.updates = updates.to_vec();
    }

    /// That others were told, when the run that has ended is one that does so.
    pub fn update_of(&self, record: &Record, at: Timestamp) -> Option<Mark> {
        let run = self.runs.get(&record.entry.run?)?;
        let tells = self.updates.contains(&run.runbook);
        let by = record.actor.name.clone();
        tells.then(|| Mark { at, by, text: run.title.clone(), link: link(record), record: record.id })
    }

    fn run(&self, record: &Record) -> String {
        let Some(id) = record.entry.run else { return String::new() };
        match self.runs.get(&id) {
            Some(run) => format!("{} (run {})", run.title, id.short()),
            None => format!("run {}", id.short()),
        }
    }

    fn step(&self, record: &Record) -> String {
        let (Some(id), Some(step)) = (record.entry.run, &record.entry.step) else { return String::new() };
        let title = self.runs.get(&id).and_then(|run| run.steps.get(step));
        let title = title.map_or(step.as_str(), String::as_str);
        match &record.entry.target {
            Some(target) if !target.is_empty() => format!("{title} on {target}"),
            _ => title.to_owned(),
        }
    }
}

/// Where a record is: `record 7f3a21/12`, the end of its writer's id and its number; of a run, that before it.
pub fn link(record: &Record) -> String {
    let writer = record.writer.simple().to_string();
    let own = format!("record {}/{}", &writer[writer.len() - 6..], record.seq);
    match record.entry.run {
        Some(run) => format!("run {}, {own}", run.short()),
        None => own,
    }
}

/// The run that a record says belongs to the incident.
pub fn included(record: &Record) -> Option<RunId> {
    record.entry.data["run"].as_str()?.parse().ok().map(RunId)
}

/// What says that this run, which began so, belongs to an incident.
pub fn of_run(run: RunId, start: &Record) -> Value {
    let (data, by) = (&start.entry.data, &start.actor.name);
    let started = start.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    json!({ "run": run, "title": data["title"], "runbook": data["runbook"], "by": by, "started": started })
}

/// The note that another incident, which is the same as this one, has of it.
pub fn same(this: &Incident, why: &str) -> Value {
    let text = format!("{} {} ({}) was the same, and is closed: {why}", this.priority.word(), this.title, this.short());
    json!({ "text": text, "same": this.id })
}

/// Where a declaration or a note says of which incidents that one is not the same, though it may look so.
pub const APART: &str = "beside";

/// What a declaration says of those that are open, beside which it is made knowingly.
pub fn beside<'a>(open: impl Iterator<Item = &'a Incident>) -> Value {
    open.map(|incident| json!(incident.id)).collect()
}

/// Those that it says that of: one, or a list.
pub(super) fn beside_which(data: &Value) -> impl Iterator<Item = IncidentId> {
    let named = &data[APART];
    let all = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice);
    all.iter().filter_map(|id| IncidentId::parse(id.as_str()?))
}

/// The note that an incident is not the same as another one.
pub fn apart(from: &Incident, why: Option<&str>) -> Value {
    let other = format!("{} {} ({})", from.priority.word(), from.title, from.short());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    json!({ "text": format!("it is not the same as {other}{why}"), APART: from.id })
}

/// Where a note says what the incident is called from then on. It is a note so that an earlier version, which knows nothing of that, tells it too.
pub const CALLED: &str = "called";

/// The note that calls an incident something else.
///
/// # Errors
/// A sentence, when that can't be a title, or is it already.
pub fn called(incident: &Incident, title: &str) -> Result<Value, String> {
    let title = as_title(title)?;
    if title == incident.title {
        return Err(format!("{} is called that already", incident.short()));
    }
    Ok(json!({ CALLED: title, "text": format!("calls it {title:?} from now on, no more {:?}", incident.title) }))
}

/// A title as it is recorded.
///
/// # Errors
/// A sentence, when it is none.
pub fn as_title(text: &str) -> Result<&str, String> {
    let (text, why) =
        (text.trim(), || format!("an incident needs a title of 1 to {TITLE} letters: what others call it"));
    if text.is_empty() || text.chars().count() > TITLE { Err(why()) } else { Ok(text) }
}

/// What takes back what a line says, and why.
///
/// # Errors
/// A sentence, when it can't be, or was already.
pub fn taken_back(line: &Line, reason: &str) -> Result<Value, String> {
    if line.taken_back {
        return Err(format!("{:?} was taken back already", line.what));
    }
    if !line.can_be_taken_back {
        return Err(format!("{:?} happened, and can't be taken back: say in a note what is wrong with it", line.what));
    }
    Ok(json!({ "record": line.record, "what": line.what, "text": reason }))
}

/// It is about a change: what was sent, or taken back.
pub fn changes(record: &Record) -> bool {
    matches!(record.entry.role.as_deref(), Some("run" | "undo"))
}

fn of(data: &Value, key: &str) -> String {
    data[key].as_str().unwrap_or_default().to_owned()
}

/// What a line says, and how bad that is.
struct Said {
    kind: Kind,
    what: String,
    severity: Severity,
    off_path: bool,
}

impl Said {
    fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), severity: Severity::None, off_path: false }
    }

    fn at(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    fn off_path(self) -> Self {
        Self { off_path: true, ..self }
    }

    /// Nobody wrote it in lines.
    fn in_a_row(self) -> Self {
        Self { what: text::clean(&self.what).into_owned(), ..self }
    }
}

impl Line {
    /// `None`: it tells nothing that somebody who reads the story wants to know.
    pub fn of(record: &Record, at: Timestamp, titles: &Titles) -> Option<Self> {
        let said =
            own(record).or_else(|| of_a_run(record, titles).or_else(|| around(record, titles)).map(Said::in_a_row))?;
        let happened = matches!(said.kind, Kind::Alert | Kind::Figures);
        let own = text::clean_lines(said.what.trim());
        Some(Self {
            at,
            by: if happened { String::new() } else { text::clean(&record.actor.name).into_owned() },
            kind: said.kind,
            what: text::one_row(&own),
            own,
            echo: None,
            severity: said.severity,
            off_path: said.off_path,
            ended_well: record.entry.kind == RecordKind::RunFinish && record.entry.data["outcome"] == "ok",
            run: match record.entry.kind {
                RecordKind::IncidentRun => included(record),
                _ => record.entry.run,
            },
            link: link(record),
            record: record.id,
            is_of_the_report: record.entry.kind == RecordKind::IncidentReport,
            can_be_taken_back: can_be_taken_back(record.entry.kind),
            taken_back: false,
        })
    }

    /// Says that it was taken back, when it is this record's and can be.
    pub(super) fn take_back_if(&mut self, record: Uuid) {
        if self.record == record && self.can_be_taken_back && !self.taken_back {
            self.taken_back = true;
            self.retell();
        }
    }

    /// Takes in what was so when it was said.
    pub(super) fn hear(&mut self, echo: Option<&Echo>) {
        let echo = echo.map(|echo| text::clean(echo.text()).into_owned());
        if echo != self.echo {
            self.echo = echo;
            self.retell();
        }
    }

    fn retell(&mut self) {
        self.what = text::one_row(&self.in_full());
    }

    /// What happened, in as many lines as somebody wrote.
    pub fn in_full(&self) -> String {
        let echo = self.echo.as_ref().map(|echo| format!(" ({echo})")).unwrap_or_default();
        format!("{}{echo}{}", self.own, if self.taken_back { " (taken back)" } else { "" })
    }
}

/// What is the incident's own.
fn own(record: &Record) -> Option<Said> {
    let data = &record.entry.data;
    let said = |key: &str| of(data, key);
    let told = |word: &str, key: &str| {
        let text = said(key);
        if text.is_empty() { word.to_owned() } else { format!("{word}: {text}") }
    };
    Some(match record.entry.kind {
        RecordKind::IncidentDeclare => {
            Said::new(Kind::Incident, format!("{} declared: {}", said("priority"), said("title")))
                .at(Severity::Critical)
        }
        RecordKind::IncidentAcknowledge => Said::new(Kind::Incident, told("acknowledged", "text")),
        RecordKind::IncidentRole => Said::new(Kind::Incident, duty(data, &record.actor.name)),
        RecordKind::IncidentNote if data["action"] == true => Said::new(Kind::Note, told("to do afterwards", "text")),
        RecordKind::IncidentNote if data[CALLED].is_string() => Said::new(Kind::Incident, said("text")),
        RecordKind::IncidentNote => Said::new(Kind::Note, said("text")),
        RecordKind::IncidentSeverity => {
            let (before, priority) = (said("before"), said("priority"));
            Said::new(Kind::Incident, format!("{before} is {priority} now: {}", said("reason")))
        }
        RecordKind::IncidentAssess => Said::new(Kind::Note, assessment(data)),
        RecordKind::IncidentUpdate => Said::new(Kind::Update, told("others were told", "text")),
        RecordKind::IncidentEscalate => {
            let level = data["level"].as_u64().unwrap_or(0);
            Said::new(Kind::Incident, format!("called L{level}: {}", whom(data)))
        }
        RecordKind::IncidentMitigate => Said::new(Kind::Incident, told("mitigated", "text")).at(Severity::Ok),
        RecordKind::IncidentResolve => {
            let word = ClosedAs::read(data)
                .map_or_else(|| "resolved".to_owned(), |closed| format!("closed as {}", closed.told()));
            Said::new(Kind::Incident, told(&word, "text")).at(Severity::Ok)
        }
        RecordKind::IncidentReopen => Said::new(Kind::Incident, told("open again", "reason")).at(Severity::Critical),
        RecordKind::IncidentReport => Said::new(Kind::Incident, told(&written(data), "file")),
        RecordKind::IncidentRun => {
            let (title, run) = (said("title"), included(record).map(|run| run.short()).unwrap_or_default());
            let (started, by) = (said("started"), said("by"));
            Said::new(Kind::Run, format!("{title} (run {run}), begun {started} by {by}, belongs to it"))
        }
        RecordKind::IncidentTakeBack => {
            Said::new(Kind::Incident, told(&format!("takes back {:?}", said("what")), "text"))
        }
        RecordKind::AlertFired => Said::new(Kind::Alert, format!("{} fires", alert(data))).at(severity(data)),
        RecordKind::AlertResolved => {
            Said::new(Kind::Alert, format!("{} does not fire any more", alert(data))).at(Severity::Ok)
        }
        RecordKind::MetricMark => Said::new(Kind::Figures, figures(data)),
        _ => return None,
    })
}

/// Who was called, as what, and how: `senior SRE, Grace by phone`.
pub(super) fn whom(data: &Value) -> String {
    let told = [of(data, "role"), of(data, "contact")].into_iter().filter(|text| !text.is_empty());
    told.collect::<Vec<_>>().join(", ")
}

/// A draft is no post-mortem.
fn written(data: &Value) -> String {
    match (data["complete"] == true, data["left"].as_u64()) {
        (true, _) => "post-mortem written".to_owned(),
        (false, Some(left)) => {
            format!("draft of the post-mortem, {} left to fill in", text::counted(left as usize, "place"))
        }
        (false, None) => "draft of the post-mortem".to_owned(),
    }
}

fn duty(data: &Value, by: &str) -> String {
    match (of(data, "duty"), of(data, "name")) {
        (duty, name) if name.is_empty() => format!("nobody is {duty} any more"),
        (duty, name) if name == by => format!("takes over as {duty}"),
        (duty, name) => format!("{name} is {duty}"),
    }
}

fn assessment(data: &Value) -> String {
    let told = ["impact", "scope", "changed"].into_iter().filter_map(|key| {
        let text = data[key].as_str().filter(|text| !text.is_empty())?;
        Some(format!("{key}: {text}"))
    });
    format!("assessed: {}", told.collect::<Vec<_>>().join("; "))
}

/// `ServiceDown (instance game-1:8081)`.
fn alert(data: &Value) -> String {
    let place = ["instance", "container", "database", "server"].into_iter().find_map(|label| {
        let value = data["labels"][label].as_str()?;
        Some(format!(" ({label} {value})"))
    });
    format!("{}{}", of(data, "name"), place.unwrap_or_default())
}

/// `ServiceDown (instance game-1:8081, job game)`: with all that its source says of it. Its name and how bad it is stand elsewhere.
pub(super) fn alert_in_full(data: &Value) -> String {
    let labels = data["labels"].as_object().into_iter().flatten();
    let told = labels.filter(|(label, _)| !matches!(label.as_str(), "alertname" | "severity"));
    let told: Vec<String> = told.filter_map(|(label, value)| Some(format!("{label} {}", value.as_str()?))).collect();
    let name = of(data, "name");
    if told.is_empty() { name } else { format!("{name} ({})", told.join(", ")) }
}

fn severity(data: &Value) -> Severity {
    serde_json::from_value(data["severity"].clone()).unwrap_or(Severity::Unknown)
}

fn figures(data: &Value) -> String {
    let marks = data["marks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told = marks.iter().map(|mark| {
        let limit = mark["limit"].as_str().map(|limit| format!(" (limit {limit})")).unwrap_or_default();
        format!("{} {}{limit}", of(mark, "name"), of(mark, "value"))
    });
    let why = of(data, "why");
    let before = if why.is_empty() { String::new() } else { format!("at \"{why}\": ") };
    format!("{before}{}", told.collect::<Vec<_>>().join(", "))
}
