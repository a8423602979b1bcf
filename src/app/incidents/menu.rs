//! The menus of `X`: what can be declared, and what can be said of the incident that is open.

use super::asked::{CHANGED, FALSE_ALARM, IMPACT, MITIGATED, NOTE, REOPENED, RESOLVED, SCOPE, TITLE, TO_DO, TOLD};
use super::facts::{same_as, since};
use super::{Ask, Step, of_alert};
use crate::app::menu::{Choice, Menu, MenuKind, MenuLine};
use crate::app::{Overlay, State};
use crate::domain::incident::{ClosedAs, Duty, Priority};
use crate::domain::record::RecordKind;
use crate::domain::{Alert, IncidentId, Severity, ThingId, text};
use crate::incident::line::{apart, taken_back};
use crate::incident::{Document, Incident, clocks};
use crate::runbook::Writes;
use serde_json::{Value, json};
use uuid::Uuid;

/// `X`.
pub fn open(state: &mut State) {
    if state.replay.is_some() {
        return state.toasts.say(state.now, "this is a recording: nothing is recorded of it");
    }
    if let Some(why) = records_nothing(state) {
        return look(state, &why);
    }
    let (title, lines) = match state.watch.shown() {
        Some(incident) if incident.is_open() => (heading(incident), under_way(state, incident)),
        Some(over) if state.watch.open().is_some() => (heading(over), afterwards(state, over)),
        Some(over) => {
            let mut others = declarations(state);
            for line in &mut others {
                line.text = format!("declare another: {}", line.text);
            }
            (heading(over), [others, afterwards(state, over)].concat())
        }
        None => ("no incident is open: declare one".to_owned(), declarations(state)),
    };
    show(state, title, lines);
}

/// Why nothing is recorded from here, if it is not.
fn records_nothing(state: &State) -> Option<String> {
    let read_only = || "READ-ONLY: this quarterdeck records nothing".to_owned();
    let looks = state.writes.looks().map(str::to_owned);
    looks.or_else(|| (state.writes.state() == Writes::ReadOnly).then(read_only))
}

/// Where nothing is recorded: what only reads.
fn look(state: &mut State, why: &str) {
    let Some(incident) = state.watch.shown() else { return state.toasts.bad(state.now, why) };
    let others = state.watch.others().is_some() || state.watch.unwritten().any(|other| other.id != incident.id);
    let mut lines = vec![hand_over()];
    lines.extend(others.then(|| line("g", "look at another", "that is open, or whose post-mortem is due", Step::Open)));
    let word = if state.writes.state() == Writes::ReadOnly { "READ-ONLY" } else { "MAY LOOK ONLY" };
    show(state, format!("{} ({word})", heading(incident)), lines);
}

fn hand_over() -> MenuLine {
    line("h", "hand over", "copies what the next shift must know", Step::Handover)
}

fn show(state: &mut State, title: String, lines: Vec<MenuLine>) {
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Incident, title, lines, cursor: 0 }));
}

/// `P1 Players can't log in (3a21ab): acknowledged`.
fn heading(incident: &Incident) -> String {
    format!("{}: {}", title(incident), incident.standing())
}

/// `P1 Players can't log in (3a21ab)`.
pub fn title(incident: &Incident) -> String {
    format!("{} {} ({})", incident.priority.word(), text::clean(&incident.title), incident.short())
}

pub(super) fn line(mark: &'static str, text: impl Into<String>, note: impl Into<String>, step: Step) -> MenuLine {
    MenuLine { mark, text: text.into(), note: note.into(), choice: Choice::Incident(step) }
}

/// From the selected alert, if there is one.
fn declarations(state: &State) -> Vec<MenuLine> {
    let alert = selected_alert(state);
    let guess = alert.map_or(Priority::P2, |alert| Priority::of_alert(alert.severity));
    let ask = |priority: Priority| {
        let mut data = state.watch.rules.declaration(priority);
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
            of_alert: None,
        }))
    };
    let digits = ["0", "1", "2", "3"];
    let lines = digits.into_iter().zip(Priority::ALL).map(|(digit, priority)| {
        let within = crate::domain::time::words(state.watch.rules.agreed.of(priority).respond);
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

/// The alert under the cursor, if there is one that asks for something: a watchdog, which fires always, is no incident, and began with none.
pub fn selected_alert(state: &State) -> Option<&Alert> {
    let selected = state.pane().selected()?;
    let ThingId::Alert { fingerprint } = &selected.id else { return None };
    let alert = state.store.all_alerts().find(|alert| alert.fingerprint == *fingerprint)?;
    (alert.severity > Severity::Info).then_some(&**alert)
}

/// `ServiceDown game-1:8081`: an alert and where it is, harmless.
pub fn place(alert: &Alert) -> String {
    text::clean(&format!("{} {}", alert.name, alert.target())).trim().to_owned()
}

fn under_way(state: &State, incident: &Incident) -> Vec<MenuLine> {
    // What Enter alone would choose asks for words first.
    let mut lines = vec![NOTE.line(incident)];
    lines.extend(twins(state, incident));
    if incident.acknowledged.is_none() {
        lines.push(line("a", "acknowledge", "you are on it", Step::Say(RecordKind::IncidentAcknowledge, json!({}))));
    }
    lines.push(TOLD.line(incident));
    lines.extend(call(state, incident));
    lines.push(line("r", "roles", duties(incident), Step::Duties));
    lines.push(TITLE.with(incident, &text::clean(&incident.title), json!({})));
    lines.push(line("p", "severity", format!("{} now", incident.priority.word()), Step::Priorities));
    lines.extend(assessments(incident));
    lines.push(TO_DO.with(incident, TO_DO.note, json!({ "action": true })));
    if incident.mitigated.is_none() {
        lines.push(MITIGATED.line(incident));
    }
    lines.push(RESOLVED.line(incident));
    lines.push(line("v", "it was none", "a false alarm, or the same as another: no post-mortem is owed", Step::NotOne));
    lines.push(hand_over());
    lines.push(document(incident));
    lines.push(line("b", "take back", "what was said by mistake", Step::Said));
    lines.push(line("f", "an earlier run belongs to it", "begun before it was declared", Step::Runs));
    lines.extend(elsewhere(state, incident));
    lines.push(line("x", "declare another", "and attend to that", Step::Declare));
    lines
}

fn assessments(incident: &Incident) -> [MenuLine; 3] {
    let known = &incident.assessment;
    let all = [(IMPACT, &known.impact), (SCOPE, &known.scope), (CHANGED, &known.changed)];
    all.map(|(typed, told)| typed.with(incident, &text::clean(told), json!({})))
}

/// Somebody else declared the same at the same moment: which of the two it is to be, or that they are two.
fn twins(state: &State, incident: &Incident) -> Vec<MenuLine> {
    let Some((first, later)) = state.watch.incidents().twins(incident) else { return Vec::new() };
    let other = if incident.id == first.id { later } else { first };
    let by = text::clean(&other.declared.by).into_owned();
    vec![
        line(
            "y",
            format!("the same as {}", title(other)),
            format!("of {by}: closes {}, which came later", later.short()),
            Step::Ask(Box::new(duplicate(later, first))),
        ),
        line("k", "they are two", "both stay", Step::Say(RecordKind::IncidentNote, apart(other, None))),
    ]
}

/// The way to the others: those that are open, and those whose post-mortem is due.
fn elsewhere(state: &State, from: &Incident) -> Option<MenuLine> {
    let open = state.watch.others().map(|(count, worst)| format!("{count} more open, the worst {}", worst.word()));
    let due = state.watch.unwritten().filter(|incident| incident.id != from.id).count();
    let due = (due > 0).then(|| format!("{} due", text::counted(due, "post-mortem")));
    let notes: Vec<String> = open.into_iter().chain(due).collect();
    (!notes.is_empty()).then(|| line("g", "attend to another", notes.join("; "), Step::Open))
}

/// What is left to do for one that is over.
fn afterwards(state: &State, incident: &Incident) -> Vec<MenuLine> {
    let mut lines = vec![REOPENED.line(incident), NOTE.line(incident)];
    // What was not known while it burned is known now, and the post-mortem wants it.
    lines.extend(assessments(incident));
    lines.extend([
        TO_DO.with(incident, TO_DO.note, json!({ "action": true })),
        hand_over(),
        document(incident),
        TITLE.with(incident, &text::clean(&incident.title), json!({})),
        line("b", "take back", "what was said by mistake", Step::Said),
        line("f", "an earlier run belongs to it", "begun before it was declared", Step::Runs),
    ]);
    lines.extend(elsewhere(state, incident));
    lines
}

fn document(incident: &Incident) -> MenuLine {
    let note = match (&incident.document, &incident.reported) {
        (_, Some(_)) => "written; anew over what is by hand".to_owned(),
        (Some(Document { left: Some(left), .. }), None) => {
            format!("{} left to fill in; anew over what is by hand", text::counted(*left as usize, "place"))
        }
        (Some(_), None) => "a draft; anew over what is by hand".to_owned(),
        (None, None) if incident.closed_as.is_some() => "none is owed; writes it as it is now".to_owned(),
        (None, None) => "writes it as it is now".to_owned(),
    };
    line("d", "post-mortem", note, Step::Report)
}

/// As what it can be closed: those that are open first, then the newest that are over.
pub fn not_one(state: &mut State) {
    let Some(incident) = state.watch.open() else { return };
    let mut lines = vec![FALSE_ALARM.with(incident, FALSE_ALARM.note, closed(ClosedAs::FalseAlarm))];
    let all = state.watch.incidents();
    let over = all.iter().rev().filter(|other| !other.is_open());
    let others = all.open().rev().chain(over).filter(|other| other.id != incident.id);
    lines.extend(DIGITS.into_iter().zip(others).map(|(mark, other)| {
        let ask = duplicate(incident, other);
        line(mark, format!("the same as {}", title(other)), other.standing(), Step::Ask(Box::new(ask)))
    }));
    show(state, format!("close {} as what?", incident.short()), lines);
}

fn closed(closed: ClosedAs) -> Value {
    let mut data = json!({});
    closed.write(&mut data);
    data
}

fn duplicate(this: &Incident, other: &Incident) -> Ask {
    Ask {
        incident: this.id,
        kind: RecordKind::IncidentResolve,
        data: closed(ClosedAs::DuplicateOf(other.id)),
        key: "text",
        title: format!("{} is the same as {}", this.short(), other.short()),
        question: "What makes it the same? It is closed, and that one says so; no post-mortem of this one is owed.",
        of_alert: None,
    }
}

/// One is open that is about the same: that one, or one more?
pub fn once_more(state: &mut State, ask: &Ask, typed: &str) {
    let Some(same) = same_as(state, ask, typed) else { return };
    let lines = vec![
        line("g", format!("attend to {}", title(same)), since(state, same), Step::Attend(same.id)),
        line(
            "y",
            format!("declare {typed} beside it"),
            "one more, with clocks of its own",
            Step::Anyway(Box::new(ask.clone()), typed.to_owned()),
        ),
    ];
    show(state, "one is open already that is about the same".to_owned(), lines);
}

/// One more, beside those that are open.
pub fn declare(state: &mut State) {
    let lines = declarations(state);
    show(state, "one more incident: declare it".to_owned(), lines);
}

/// Letters for lines of which nobody knows how many there are.
const DIGITS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Those that are open, the worst first, then those whose post-mortem is due.
pub fn all_open(state: &mut State) {
    let mut open: Vec<&Incident> = state.watch.incidents().open().collect();
    open.sort_by_key(|incident| incident.priority);
    open.extend(state.watch.unwritten());
    let now = state.watch.open().map(|incident| incident.id);
    let lines = DIGITS.into_iter().zip(open).map(|(digit, incident)| {
        let here = if Some(incident.id) == now { ", attended to from here" } else { "" };
        line(digit, title(incident), format!("{}{here}", incident.standing()), Step::Attend(incident.id))
    });
    let lines = lines.collect();
    let title = match records_nothing(state) {
        Some(_) => "look at which one?",
        None => "attend to which one? What is done from here belongs to it",
    };
    show(state, title.to_owned(), lines);
}

/// What can be taken back, the newest first.
pub fn said(state: &mut State) {
    let Some(incident) = state.watch.shown() else { return };
    let said = incident.lines.iter().rev().filter_map(|said| Some((said, taken_back(said, "").ok()?)));
    let lines: Vec<MenuLine> = DIGITS
        .into_iter()
        .zip(said)
        .map(|(digit, (said, data))| {
            let title = format!("take back: {}", said.what);
            let question = "Why? It stays in the record, and says that it was taken back.";
            let kind = RecordKind::IncidentTakeBack;
            let ask = Ask { incident: incident.id, kind, data, key: "text", title, question, of_alert: None };
            let by = format!("{}, {}", said.at.strftime("%H:%M:%SZ"), said.by);
            line(digit, said.what.clone(), by, Step::Ask(Box::new(ask)))
        })
        .collect();
    if lines.is_empty() {
        return state.toasts.say(state.now, "nothing was said that could be taken back");
    }
    show(state, "take back what?".to_owned(), lines);
}

/// Runs that no incident has, the newest first.
pub fn runs(state: &mut State) {
    let free = state.runs.iter().rev().filter(|run| state.watch.incidents().of_run(run.id).is_none());
    let lines: Vec<MenuLine> = DIGITS
        .into_iter()
        .zip(free)
        .map(|(digit, run)| {
            let by = run.actor.split('@').next().unwrap_or_default();
            let started = run.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
            let note = format!("{}, {started}, by {}", run.word(), text::clean(by));
            let data =
                json!({ "run": run.id, "title": run.title, "runbook": run.runbook, "by": by, "started": started });
            line(digit, text::clean(&run.title), note, Step::Say(RecordKind::IncidentRun, data))
        })
        .collect();
    if lines.is_empty() {
        return state.toasts.say(state.now, "no run is known that belongs to no incident");
    }
    show(state, "which run belongs to it?".to_owned(), lines);
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
    let clocks::Due::Call { level, role, contact } = clock.due.clone() else { return None };
    let when = if clock.is_late() { clock.figure() } else { format!("due in {}", clock.figure()) };
    let whom = clock.whom().unwrap_or_default();
    let ask = Ask {
        incident: incident.id,
        kind: RecordKind::IncidentEscalate,
        data: json!({ "level": level, "role": role, "contact": contact }),
        key: "contact",
        title: format!("L{level}, {role}, was called"),
        question: "Who was reached, and how?",
        of_alert: None,
    };
    Some(line("c", format!("L{level} was called"), format!("{whom}; {when}"), Step::Ask(Box::new(ask))))
}

pub fn priorities(state: &mut State) {
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
            of_alert: None,
        }))
    };
    let others = ["0", "1", "2", "3"].into_iter().zip(Priority::ALL).filter(|(_, priority)| *priority != before);
    let lines =
        others.map(|(digit, priority)| line(digit, priority.word(), priority.meaning(), ask(priority))).collect();
    let title = format!("how bad is it? {} now", before.word());
    show(state, title, lines);
}

pub fn duty_menu(state: &mut State) {
    let Some(incident) = state.watch.open() else { return };
    let ask = |duty: Duty| {
        Step::Ask(Box::new(Ask {
            incident: incident.id,
            kind: RecordKind::IncidentRole,
            data: json!({ "duty": duty }),
            key: "name",
            title: format!("who is {}?", duty.word()),
            question: "A name; none: nobody is any more.",
            of_alert: None,
        }))
    };
    let marks = ["c", "o", "s"].into_iter().zip(Duty::ALL);
    let lines = marks.map(|(mark, duty)| {
        let now = incident.duties.get(&duty).map_or("nobody", String::as_str);
        line(mark, duty.word(), text::clean(now), ask(duty))
    });
    let lines = lines.collect();
    show(state, "who does what?".to_owned(), lines);
}
