//! Incidents on the screen: the menu of `X`, what is typed for it, and what is recorded by itself while one is under way.

use super::menu::{Choice, Menu, MenuKind, MenuLine};
use super::{NameDialog, Overlay, State, Topic};
use crate::domain::incident::{Duty, Priority};
use crate::domain::record::{Entry, Record, RecordKind};
use crate::domain::slo::Slo;
use crate::domain::{Alert, AlertState, IncidentId, Severity, SourceId, Subject, ThingId, text};
use crate::effect::{Effect, Effects};
use crate::incident::{Incident, clocks, handover, report};
use crate::panes::overview;
use crate::store::{Feed, Health};
use crate::widgets::field::Field;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What changed in this time before an incident is what may have set it off.
const BEFORE: Duration = Duration::from_mins(30);
/// So many of those changes are written into the assessment, to be cut down by whoever writes it.
const CHANGES: usize = 3;
/// Alerts that one answer adds to the record at most: a storm is told by its first ones.
const STORM: usize = 50;

/// What a line of the menu does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something is typed first.
    Ask(Box<Ask>),
    /// Another menu.
    Priorities,
    /// The same.
    Duties,
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
}

/// All incidents, as the journal knows them.
pub(super) fn known(state: &mut State, records: &[Record], effects: &mut Effects) {
    state.watch.begin(records);
    turn(state, effects);
}

/// A record of one, from here or elsewhere.
pub(super) fn apply(state: &mut State, record: &Record, effects: &mut Effects) {
    state.watch.apply(record);
    if record.incident.is_some() {
        state.dirty = true;
        turn(state, effects);
    }
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

/// A source of alerts has answered: what fires now and did not, and the other way round, is part of the record.
pub(super) fn seen(state: &mut State, source: &SourceId, effects: &mut Effects) {
    let is_about = |feed: &Feed| feed.subject == Subject::Alerts && feed.error.is_none();
    if state.replay.is_some() || state.writes.looks().is_some() || !state.store.feed(source).is_some_and(is_about) {
        return;
    }
    let Some(id) = state.watch.open().map(|incident| incident.id) else { return };
    let mut entries = fired(state, id);
    entries.extend(gone(state, id));
    if !entries.is_empty() {
        effects.push(Effect::Incident { id, entries });
    }
}

/// Alerts that fire and are not known to, from now on seen from here.
fn fired(state: &mut State, id: IncidentId) -> Vec<Entry> {
    let Some(incident) = state.watch.open() else { return Vec::new() };
    let is_new = |alert: &&Arc<Alert>| {
        let loud = alert.state == AlertState::Firing && alert.severity > Severity::Info;
        loud && !state.seen_alerts.contains(&(id, alert.fingerprint.to_string()))
    };
    let new: Vec<Arc<Alert>> = state.store.all_alerts().filter(is_new).take(STORM).cloned().collect();
    // Another session may have told of it before.
    let untold = new.iter().filter(|alert| !incident.knows_firing(&alert.fingerprint));
    let entries = untold.map(|alert| entry(state, RecordKind::AlertFired, of_alert(alert))).collect();
    state.seen_alerts.extend(new.iter().map(|alert| (id, alert.fingerprint.to_string())));
    entries
}

/// Alerts that were seen from here, and do not fire any more: a source that does not answer, or has not yet, may know better, and so may another session
/// of an alert that was never seen here. One that is silenced fires.
fn gone(state: &mut State, id: IncidentId) -> Vec<Entry> {
    let Some(incident) = state.watch.open() else { return Vec::new() };
    let now = state.seen();
    if state.store.about(Subject::Alerts).any(|feed| feed.health(now) != Health::Fresh) {
        return Vec::new();
    }
    let fires = |alert: &Arc<Alert>| matches!(alert.state, AlertState::Firing | AlertState::Suppressed);
    let still: BTreeSet<&str> =
        state.store.all_alerts().filter(|alert| fires(alert)).map(|alert| &*alert.fingerprint).collect();
    let over = |(of, print): &&(IncidentId, String)| *of == id && !still.contains(print.as_str());
    let over: Vec<(IncidentId, String)> = state
        .seen_alerts
        .iter()
        .filter(over)
        .filter(|(_, print)| incident.knows_firing(print))
        .take(STORM)
        .cloned()
        .collect();
    let told = over.iter().filter_map(|(_, print)| incident.firing_alert(print));
    let entries = told.map(|alert| entry(state, RecordKind::AlertResolved, alert.clone())).collect();
    for seen in &over {
        state.seen_alerts.remove(seen);
    }
    entries
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

/// `X`.
pub(super) fn open(state: &mut State) {
    if state.replay.is_some() {
        return state.toasts.say(state.now, "this is a recording: nothing is recorded of it");
    }
    if let Some(why) = state.writes.looks() {
        let why = why.to_owned();
        return state.toasts.bad(state.now, why);
    }
    let (title, lines) = match state.watch.open() {
        Some(incident) => (heading(incident), under_way(state, incident)),
        None => ("no incident is open: declare one".to_owned(), declarations(state)),
    };
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Incident, title, lines, cursor: 0 }));
}

fn heading(incident: &Incident) -> String {
    let (priority, name, word) = (incident.priority.word(), incident.short(), incident.word());
    format!("{priority} {} ({name}): {word}", text::clean(&incident.title))
}

fn line(mark: &'static str, text: impl Into<String>, note: impl Into<String>, step: Step) -> MenuLine {
    MenuLine { mark, text: text.into(), note: note.into(), choice: Choice::Incident(step) }
}

/// From the selected alert, if there is one.
fn declarations(state: &State) -> Vec<MenuLine> {
    let alert = selected_alert(state);
    let guess = alert.map_or(Priority::P2, |alert| Priority::of_alert(alert.severity));
    let ask = |priority: Priority| {
        let mut data = json!({ "priority": priority });
        if let Some(alert) = alert {
            data["alert"] = of_alert(alert);
        }
        Step::Ask(Box::new(Ask {
            incident: IncidentId(Uuid::now_v7()),
            kind: RecordKind::IncidentDeclare,
            data,
            key: "title",
            title: format!("declare {}: {}", priority.word(), priority.meaning()),
            question: "What do others call it? From now on what is done from here belongs to its record, and its clocks run.",
        }))
    };
    let digits = ["0", "1", "2", "3"];
    let lines = digits.into_iter().zip(Priority::ALL).map(|(digit, priority)| {
        let within = crate::domain::time::words(state.watch.rules.of(priority).respond);
        let guessed = if alert.is_some() && priority == guess { ", as the selected alert says" } else { "" };
        line(
            digit,
            format!("{}  {}", priority.word(), priority.meaning()),
            format!("respond within {within}{guessed}"),
            ask(priority),
        )
    });
    lines.collect()
}

fn selected_alert(state: &State) -> Option<&Alert> {
    let selected = state.pane().selected()?;
    let ThingId::Alert { fingerprint } = &selected.id else { return None };
    state.store.all_alerts().find(|alert| alert.fingerprint == *fingerprint).map(|alert| &**alert)
}

fn under_way(state: &State, incident: &Incident) -> Vec<MenuLine> {
    let id = incident.id;
    let ask = |kind, key, title: &str, question| {
        let data = if kind == RecordKind::IncidentNote && title.contains("afterwards") {
            json!({ "action": true })
        } else {
            json!({})
        };
        Step::Ask(Box::new(Ask { incident: id, kind, data, key, title: title.to_owned(), question }))
    };
    let mut lines = Vec::new();
    if incident.acknowledged.is_none() {
        lines.push(line("a", "acknowledge", "you are on it", Step::Say(RecordKind::IncidentAcknowledge, json!({}))));
    }
    lines.push(line(
        "n",
        "note",
        "what was seen or said",
        ask(RecordKind::IncidentNote, "text", "note", "What was seen, said or decided?"),
    ));
    lines.push(line(
        "u",
        "others were told",
        "the clock of the next update begins anew",
        ask(
            RecordKind::IncidentUpdate,
            "text",
            "status update",
            "What were they told? It is recorded here; a runbook as status-update sends it.",
        ),
    ));
    lines.extend(call(state, incident));
    lines.push(line("r", "roles", duties(incident), Step::Duties));
    lines.push(line("p", "severity", format!("{} now", incident.priority.word()), Step::Priorities));
    let assessment = &incident.assessment;
    for (mark, key, text, question) in [
        ("i", "impact", &assessment.impact, "Who suffers, how many, and what can't they do?"),
        ("s", "scope", &assessment.scope, "One server or all? One feature or the whole?"),
        (
            "w",
            "changed",
            &assessment.changed,
            "What changed before it began? What is known of the last 30 minutes stands here already.",
        ),
    ] {
        let label = format!("assess {}", if key == "changed" { "what changed" } else { key });
        lines.push(line(mark, label.clone(), text.as_str(), ask(RecordKind::IncidentAssess, key, &label, question)));
    }
    lines.push(line(
        "t",
        "to do afterwards",
        "an action item of the post-mortem",
        ask(RecordKind::IncidentNote, "text", "to do afterwards", "What is to be done afterwards, and by whom?"),
    ));
    if incident.mitigated.is_none() {
        lines.push(line(
            "m",
            "mitigated",
            "nobody suffers any more; nobody else is called",
            ask(RecordKind::IncidentMitigate, "text", "mitigated", "By what?"),
        ));
    }
    lines.push(line(
        "e",
        "end it: resolved",
        "the clock of the post-mortem begins",
        ask(RecordKind::IncidentResolve, "text", "resolved", "How did it end?"),
    ));
    lines.push(line("h", "hand over", "copies what the next shift must know", Step::Handover));
    lines.push(line("d", "post-mortem", "saves it as it is now", Step::Report));
    lines
}

fn duties(incident: &Incident) -> String {
    let told = incident.duties.iter().map(|(duty, name)| format!("{} {name}", duty.word()));
    let told: Vec<String> = told.collect();
    if told.is_empty() { "nobody has said who does what".to_owned() } else { told.join(", ") }
}

/// The next level that can be called.
fn call(state: &State, incident: &Incident) -> Option<MenuLine> {
    let due = clocks::running(incident, &state.watch.rules, state.watch.at(incident, state.now));
    let clock = due.into_iter().find(|clock| matches!(clock.due, clocks::Due::Call { .. }))?;
    let (clocks::Due::Call { level, role, contact }, when) = (clock.due.clone(), clock.figure()) else { return None };
    let data = json!({ "level": level, "role": role, "contact": contact });
    let whom = clock.whom().unwrap_or_default();
    Some(line(
        "c",
        format!("L{level} was called"),
        format!("{whom}; due {when}"),
        Step::Say(RecordKind::IncidentEscalate, data),
    ))
}

/// A line was chosen; false closes the menu.
pub(super) fn choose(state: &mut State, step: &Step, effects: &mut Effects) {
    match step {
        Step::Ask(ask) => {
            let field = Field::with(&given(state, ask));
            state.overlay = Some(Overlay::Name(NameDialog { field, topic: Topic::Incident(ask.clone()) }));
        }
        Step::Say(kind, data) => {
            let Some(id) = state.watch.open().map(|incident| incident.id) else { return };
            say(state, id, *kind, data.clone(), effects);
        }
        Step::Priorities => priorities(state),
        Step::Duties => duty_menu(state),
        Step::Handover => hand_over(state, effects),
        Step::Report => save_report(state, effects),
    }
}

/// What stands in the field already.
fn given(state: &State, ask: &Ask) -> String {
    let incident = state.watch.open();
    match (ask.kind, ask.key) {
        (RecordKind::IncidentDeclare, _) => {
            let alert = selected_alert(state);
            alert
                .map(|alert| text::clean(&format!("{} {}", alert.name, alert.target())).trim().to_owned())
                .unwrap_or_default()
        }
        (RecordKind::IncidentRole, _) => state.who.split('@').next().unwrap_or_default().to_owned(),
        (_, "impact") => incident.map(|incident| incident.assessment.impact.clone()).unwrap_or_default(),
        (_, "scope") => {
            incident.map(|incident| kept_or(&incident.assessment.scope, || firing(incident))).unwrap_or_default()
        }
        (_, "changed") => {
            incident.map(|incident| kept_or(&incident.assessment.changed, || changed(state))).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn kept_or(kept: &str, other: impl FnOnce() -> String) -> String {
    if kept.is_empty() { other() } else { kept.to_owned() }
}

fn firing(incident: &Incident) -> String {
    let names: Vec<&str> = incident.firing().collect();
    if names.is_empty() { String::new() } else { format!("fires: {}", names.join(", ")) }
}

fn changed(state: &State) -> String {
    let told = state.store.changes(state.seen(), BEFORE).into_iter().rev().take(CHANGES);
    let told = told.map(|change| format!("{} {} {}", change.at.strftime("%H:%MZ"), change.name, change.what));
    text::clean(&told.collect::<Vec<_>>().join("; ")).into_owned()
}

fn priorities(state: &mut State) {
    let Some(incident) = state.watch.open() else { return };
    let before = incident.priority;
    let ask = |priority: Priority| {
        Step::Ask(Box::new(Ask {
            incident: incident.id,
            kind: RecordKind::IncidentSeverity,
            data: json!({ "priority": priority, "before": before }),
            key: "reason",
            title: format!("{} is {} now", before.word(), priority.word()),
            question: "Why?",
        }))
    };
    let others = ["0", "1", "2", "3"].into_iter().zip(Priority::ALL).filter(|(_, priority)| *priority != before);
    let lines =
        others.map(|(digit, priority)| line(digit, priority.word(), priority.meaning(), ask(priority))).collect();
    let title = format!("how bad is it? {} now", before.word());
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Incident, title, lines, cursor: 0 }));
}

fn duty_menu(state: &mut State) {
    let Some(incident) = state.watch.open() else { return };
    let ask = |duty: Duty| {
        Step::Ask(Box::new(Ask {
            incident: incident.id,
            kind: RecordKind::IncidentRole,
            data: json!({ "duty": duty }),
            key: "name",
            title: format!("who is {}?", duty.word()),
            question: "A name; none: nobody is any more.",
        }))
    };
    let marks = ["c", "o", "s"].into_iter().zip(Duty::ALL);
    let lines = marks.map(|(mark, duty)| {
        let now = incident.duties.get(&duty).map_or("nobody", String::as_str);
        line(mark, duty.word(), text::clean(now), ask(duty))
    });
    let lines = lines.collect();
    let title = "who does what?".to_owned();
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Incident, title, lines, cursor: 0 }));
}

/// What is typed is taken; false: it stays open.
pub(super) fn typed(state: &mut State, ask: &Ask, text: &str, effects: &mut Effects) -> bool {
    let text = text.trim();
    if text.is_empty() && ask.kind != RecordKind::IncidentRole {
        state.toasts.say(state.now, "it needs some words: type them, or Esc leaves");
        return false;
    }
    let mut data = ask.data.clone();
    data[ask.key] = text.into();
    say(state, ask.incident, ask.kind, data, effects);
    true
}

fn hand_over(state: &mut State, effects: &mut Effects) {
    let Some(incident) = state.watch.shown() else { return };
    let now = state.watch.at(incident, state.now);
    let told = handover::write(incident, &state.runs, &state.watch.rules, now);
    effects.push(Effect::Copy(told));
    state.toasts.say(state.now, "what the next shift must know is copied");
}

fn save_report(state: &mut State, effects: &mut Effects) {
    let Some(incident) = state.watch.shown() else { return };
    let text = report::write(incident, &state.runs, &state.watch.rules, report::Style::default());
    let name = format!("post-mortem-{}.md", incident.short());
    effects.push(Effect::Save { name, text });
}

/// What stands under the header while one is open: what it is, and its clocks, the next one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentLine {
    /// `P1 Players can't log in (3a21ab) acknowledged, 3 alerts fire`.
    pub text: String,
    /// `update 12:04`; whether it is late.
    pub clocks: Vec<(bool, String)>,
}

impl State {
    /// The line, if an incident is open.
    pub(super) fn incident_line(&self) -> Option<IncidentLine> {
        let incident = self.watch.open()?;
        let now = self.watch.at(incident, self.now);
        let clock = |clock: clocks::Clock| {
            let whom = clock.whom().map(|whom| format!(" {whom}")).unwrap_or_default();
            (clock.is_late(), format!("{}{whom} {}", clock.word(), clock.figure()))
        };
        let clocks = clocks::running(incident, &self.watch.rules, now).into_iter().map(clock).collect();
        let fires = match incident.firing().count() {
            0 => String::new(),
            1 => ", 1 alert fires".to_owned(),
            many => format!(", {many} alerts fire"),
        };
        Some(IncidentLine { text: format!("{}{fires}", heading(incident)), clocks })
    }
}
