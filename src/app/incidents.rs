//! Incidents on the screen: the menu of `X`, what is typed for it, and what is recorded by itself while one is under way.

mod alerts;
mod asked;
mod facts;
mod header;
mod menu;
mod news;

pub(super) use alerts::seen;
pub use facts::Fact;
pub use header::{IncidentClock, IncidentLine};
pub(super) use menu::open;

use self::menu::selected_alert;
use super::{NameDialog, Overlay, State, Topic};
use crate::domain::incident::{ClosedAs, TITLE};
use crate::domain::record::{Entry, Record, RecordKind};
use crate::domain::slo::Slo;
use crate::domain::time::between;
use crate::domain::{Alert, Change, IncidentId, Severity, SourceId, Subject, ThingId, reason, text};
use crate::effect::{Effect, Effects};
use crate::incident::{Incident, handover, line};
use crate::panes::overview;
use crate::widgets::field::Field;
use serde_json::{Value, json};
use std::time::Duration;

/// What changed in this time before an incident is what may have set it off.
const BEFORE: Duration = Duration::from_mins(30);
/// So many of those changes are written into the assessment, to be cut down by whoever writes it.
const CHANGES: usize = 3;

/// What a line of the menu does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is typed first.
    Ask(Box<Ask>),
    /// Another menu.
    Priorities,
    /// The same.
    Duties,
    /// One more is declared.
    Declare,
    /// It is declared, though one that is open is about the same.
    Anyway(Box<Ask>, String),
    /// As what it can be closed that is none of its own.
    NotOne,
    /// The incidents that are open, to attend to one.
    Open,
    /// Attend to this one.
    Attend(IncidentId),
    /// What can be taken back.
    Said,
    /// Runs that were begun before it was declared.
    Runs,
    /// It is recorded at once.
    Say(RecordKind, Value),
    /// The handover is copied.
    Handover,
    /// The post-mortem is saved.
    Report,
}

/// What is typed, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which incident; one that is yet to be declared has its id already.
    pub incident: IncidentId,
    /// What is recorded.
    pub kind: RecordKind,
    /// What stands in the record besides.
    pub data: Value,
    /// Where the text goes.
    pub key: &'static str,
    /// The dialog's title.
    pub title: String,
    /// What is asked.
    pub question: &'static str,
    /// Whether the alert that it is declared from told of it, as somebody has said; `None`: as its title says.
    pub of_alert: Option<bool>,
}

/// All incidents, as the journal knows them.
pub(super) fn known(state: &mut State, records: &[Record], effects: &mut Effects) {
    state.watch.begin(records);
    turn(state, effects);
}

/// A record of one, from here or elsewhere.
pub(super) fn apply(state: &mut State, record: &Record, effects: &mut Effects) {
    let before = news::before(state, record);
    state.watch.apply(record);
    if record.incident.is_none() {
        return;
    }
    news::tell(state, record, &before);
    state.dirty = true;
    if record.entry.kind == RecordKind::IncidentRun {
        effects.push(Effect::RecallIncidents);
    }
    turn(state, effects);
}

/// What is recorded from here belongs to another incident from now on.
fn turn(state: &mut State, effects: &mut Effects) {
    if !state.watch.turn() {
        return;
    }
    let now = state.watch.open().map(|incident| incident.id);
    effects.push(Effect::Attend(now));
    if now.is_some() {
        let sources: Vec<SourceId> = state.store.about(Subject::Alerts).map(|feed| feed.id.clone()).collect();
        for source in &sources {
            seen(state, source, effects);
        }
    }
}

fn of_alert(alert: &Alert) -> Value {
    json!({
        "name": alert.name,
        "fingerprint": alert.fingerprint,
        "severity": alert.severity,
        "labels": alert.labels,
        "since": alert.active_at,
    })
}

fn entry(state: &State, kind: RecordKind, data: Value) -> Entry {
    Entry { kind, run: None, step: None, role: None, target: None, env: state.environment.clone(), data }
}

/// The figures of the service at a decision, if there are any.
fn figures(state: &State, why: &str) -> Option<Entry> {
    let marks: Vec<Value> = overview::objectives(&state.cx()).map(mark).collect();
    let data = json!({ "why": why, "marks": marks });
    (!marks.is_empty()).then(|| entry(state, RecordKind::MetricMark, data))
}

fn mark(slo: &Slo) -> Value {
    let figure = |value: f64| overview::figure(slo, value);
    json!({
        "name": slo.name,
        "value": slo.value.map_or_else(|| "no data".to_owned(), figure),
        "limit": figure(slo.limit),
        "severity": slo.judge(),
    })
}

/// Records that end a stretch of an incident: what the service was like then belongs to them.
const DECISIONS: [RecordKind; 4] = [
    RecordKind::IncidentDeclare,
    RecordKind::IncidentSeverity,
    RecordKind::IncidentMitigate,
    RecordKind::IncidentResolve,
];

fn say(state: &State, id: IncidentId, kind: RecordKind, data: Value, effects: &mut Effects) {
    let mut entries = vec![entry(state, kind, data)];
    if DECISIONS.contains(&kind) {
        entries.extend(figures(state, kind.word().trim_start_matches("incident.")));
    }
    effects.push(Effect::Incident { id, entries });
}

/// A line was chosen; false closes the menu.
pub(super) fn choose(state: &mut State, step: &Step, effects: &mut Effects) {
    match step {
        Step::Ask(ask) => {
            let given = given(state, ask);
            let field = if is_suggested(ask) { Field::replacing(&given) } else { Field::with(&given) };
            state.overlay = Some(Overlay::Name(NameDialog { field, topic: Topic::Incident(ask.clone()) }));
        }
        Step::Say(kind, data) => {
            let Some(id) = state.watch.shown().map(|incident| incident.id) else { return };
            say(state, id, *kind, data.clone(), effects);
            state.toasts.say(state.now, told(*kind, data));
        }
        Step::Anyway(ask, title) => {
            let mut ask = ask.clone();
            ask.data[line::APART] = line::beside(state.watch.incidents().open());
            record(state, &ask, title, effects);
        }
        Step::NotOne => menu::not_one(state),
        Step::Declare => menu::declare(state),
        Step::Open => menu::all_open(state),
        Step::Attend(id) => {
            state.watch.choose(*id);
            turn(state, effects);
            state.dirty = true;
        }
        Step::Said => menu::said(state),
        Step::Runs => menu::runs(state),
        Step::Priorities => menu::priorities(state),
        Step::Duties => menu::duty_menu(state),
        Step::Handover => hand_over(state, effects),
        Step::Report => save_report(state, effects),
    }
}

/// What stands in the field is a suggestion: who else is meant, what others call it, or what is known better, is typed over it.
fn is_suggested(ask: &Ask) -> bool {
    let kinds = [RecordKind::IncidentDeclare, RecordKind::IncidentRole, RecordKind::IncidentAssess];
    kinds.contains(&ask.kind) || ask.key == line::CALLED
}

/// What stands in the field already.
fn given(state: &State, ask: &Ask) -> String {
    let incident = state.watch.incidents().get(ask.incident);
    if let Some(ClosedAs::DuplicateOf(id)) = ClosedAs::read(&ask.data) {
        return state
            .watch
            .incidents()
            .get(id)
            .map(|same| format!("the same as {}", menu::title(same)))
            .unwrap_or_default();
    }
    match (ask.kind, ask.key) {
        (RecordKind::IncidentDeclare, _) => {
            let alert = selected_alert(state);
            alert.map(menu::place).unwrap_or_default()
        }
        (RecordKind::IncidentRole, _) => state.who.split('@').next().unwrap_or_default().to_owned(),
        (RecordKind::IncidentEscalate, _) => ask.data["contact"].as_str().unwrap_or_default().to_owned(),
        (_, line::CALLED) => {
            state.watch.incidents().get(ask.incident).map(|incident| incident.title.clone()).unwrap_or_default()
        }
        (_, "impact") => incident.map(|incident| text::one_row(&incident.assessment.impact)).unwrap_or_default(),
        (_, "scope") => {
            incident.map(|incident| kept_or(&incident.assessment.scope, || firing(incident))).unwrap_or_default()
        }
        (_, "changed") => incident
            .map(|incident| kept_or(&incident.assessment.changed, || changed(state, incident)))
            .unwrap_or_default(),
        _ => String::new(),
    }
}

fn kept_or(kept: &str, other: impl FnOnce() -> String) -> String {
    if kept.is_empty() { other() } else { text::one_row(kept) }
}

/// Of one that is over nobody records what fires.
fn firing(incident: &Incident) -> String {
    let names: Vec<&str> = incident.firing().collect();
    if names.is_empty() || !incident.is_open() { String::new() } else { format!("fires: {}", names.join(", ")) }
}

/// The last of what changed before it began, oldest first: what was done since is no cause of it.
fn changed(state: &State, incident: &Incident) -> String {
    let began = incident.by_the_clock(incident.first_sign().at);
    let back = BEFORE + between(began, state.seen().wall);
    let before = state.store.changes(state.seen(), back).into_iter();
    let before = before.filter(|change| change.at <= began && !asks_for_nothing(state, change));
    let told =
        before.take(CHANGES).map(|change| format!("{} {} {}", change.at.strftime("%H:%MZ"), change.name, change.what));
    let mut told: Vec<String> = told.collect();
    told.reverse();
    text::clean(&told.join("; ")).into_owned()
}

/// An alert whose rule asks for nothing: a watchdog fires always.
fn asks_for_nothing(state: &State, change: &Change) -> bool {
    let Some(ThingId::Alert { fingerprint }) = &change.thing else { return false };
    let alert = state.store.all_alerts().find(|alert| alert.fingerprint == *fingerprint);
    alert.is_some_and(|alert| alert.severity <= Severity::Info)
}

/// What is typed is taken; false: it stays open.
pub(super) fn typed(state: &mut State, ask: &Ask, text: &str, effects: &mut Effects) -> bool {
    let text = text.trim();
    state.toasts.withdraw(NO_WORDS);
    state.toasts.withdraw(TOO_LONG);
    state.toasts.withdraw(reason::WANTED);
    if text.is_empty() && ask.kind != RecordKind::IncidentRole {
        state.toasts.say(state.now, NO_WORDS);
        return false;
    }
    if ask.kind == RecordKind::IncidentDeclare && text.chars().count() > TITLE {
        state.toasts.say(state.now, format!("{TOO_LONG} {TITLE} letters at most: it stands in one line everywhere"));
        return false;
    }
    if REASONS.contains(&ask.kind) && reason::read(text).is_none() {
        state.toasts.bad(state.now, reason::WANTED);
        return false;
    }
    if ask.kind == RecordKind::IncidentDeclare && facts::same_as(state, ask, text).is_some() {
        menu::once_more(state, ask, text);
        return true;
    }
    if ask.key == line::CALLED {
        return call(state, ask, text, effects);
    }
    record(state, ask, text, effects);
    true
}

/// It is called something else from now on; false: it can't be.
fn call(state: &mut State, ask: &Ask, title: &str, effects: &mut Effects) -> bool {
    let Some(called) = state.watch.incidents().get(ask.incident).map(|incident| line::called(incident, title)) else {
        return true;
    };
    match called {
        Ok(data) => {
            say(state, ask.incident, ask.kind, data, effects);
            state.toasts.say(state.now, "it is called that from now on: recorded");
            true
        }
        Err(why) => {
            state.toasts.bad(state.now, why);
            false
        }
    }
}

/// Records that say why: it has to be a reason.
const REASONS: [RecordKind; 3] =
    [RecordKind::IncidentReopen, RecordKind::IncidentSeverity, RecordKind::IncidentTakeBack];

/// What was typed goes into the record.
fn record(state: &mut State, ask: &Ask, text: &str, effects: &mut Effects) {
    let mut data = ask.data.clone();
    data[ask.key] = text.into();
    if ask.kind == RecordKind::IncidentDeclare
        && !ask.is_of_alert(text)
        && let Some(data) = data.as_object_mut()
    {
        data.remove("alert");
    }
    if matches!(ask.kind, RecordKind::IncidentDeclare | RecordKind::IncidentReopen) {
        // Who declares one, or opens one again, attends to it.
        state.watch.expect(ask.incident);
    }
    let closed = ClosedAs::read(&data).filter(|_| ask.kind == RecordKind::IncidentResolve);
    let told = match (closed, state.watch.others()) {
        (Some(closed), _) => format!("closed as {}: recorded; no post-mortem is owed", closed.told()),
        // From here on another one is attended to.
        (None, Some(_)) if ask.kind == RecordKind::IncidentResolve => {
            "resolved: recorded; another one is attended to now, and X g leads back to this one's post-mortem"
                .to_owned()
        }
        _ => told(ask.kind, &data),
    };
    if let Some(ClosedAs::DuplicateOf(same)) = closed {
        if let Some(this) = state.watch.incidents().get(ask.incident) {
            say(state, same, RecordKind::IncidentNote, line::same(this, text), effects);
        }
        state.watch.choose(same);
    }
    say(state, ask.incident, ask.kind, data, effects);
    state.toasts.say(state.now, told);
}

const NO_WORDS: &str = "it needs some words: type them, or Esc leaves";
const TOO_LONG: &str = "a title has";

/// That it goes into the record; that it could not be written is told as trouble, by the journal.
fn told(kind: RecordKind, data: &Value) -> String {
    let word = |key: &str| data[key].as_str().unwrap_or_default();
    match kind {
        RecordKind::IncidentDeclare => "declared: its clocks run, and what is done here belongs to it".to_owned(),
        RecordKind::IncidentAcknowledge => "you are on it: recorded".to_owned(),
        RecordKind::IncidentRole if word("name").is_empty() => format!("nobody is {} any more: recorded", word("duty")),
        RecordKind::IncidentRole => format!("{} is {}: recorded", word("name"), word("duty")),
        RecordKind::IncidentNote if data["action"] == true => "an action item: recorded".to_owned(),
        RecordKind::IncidentNote if data[line::APART].is_string() => "they are two: recorded".to_owned(),
        RecordKind::IncidentNote => "the note is recorded".to_owned(),
        RecordKind::IncidentSeverity => format!("{} now: recorded", word("priority")),
        RecordKind::IncidentAssess => "the assessment is recorded".to_owned(),
        RecordKind::IncidentUpdate => "others were told: recorded, and the clock of the next update runs".to_owned(),
        RecordKind::IncidentEscalate => format!("L{} was called: recorded", data["level"]),
        RecordKind::IncidentRun => format!("{} belongs to it: recorded", word("title")),
        RecordKind::IncidentTakeBack => "taken back: recorded".to_owned(),
        RecordKind::IncidentMitigate => "mitigated: recorded".to_owned(),
        RecordKind::IncidentResolve => "resolved: recorded; the post-mortem is due, X d writes it".to_owned(),
        RecordKind::IncidentReopen => "open again: recorded".to_owned(),
        _ => "recorded".to_owned(),
    }
}

fn hand_over(state: &mut State, effects: &mut Effects) {
    let Some(incident) = state.watch.shown() else { return };
    let now = state.watch.at(incident, state.now);
    let told = handover::write(incident, &state.runs, &state.watch.rules, now);
    effects.push(Effect::Copy(told));
    state.toasts.say(state.now, "what the next shift must know is copied");
}

fn save_report(state: &State, effects: &mut Effects) {
    let Some(incident) = state.watch.shown() else { return };
    effects.push(Effect::PostMortem(incident.id));
}
