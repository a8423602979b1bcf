//! What somebody should see while they type something about an incident.

use super::Ask;
use super::menu::{place, title};
use crate::app::State;
use crate::domain::record::RecordKind;
use crate::domain::time::{between, moment, words};
use crate::domain::{Alert, AlertState, Severity, Subject, text};
use crate::incident::Incident;
use crate::panes::overview;
use crate::store::Health;
use jiff::Timestamp;

/// So many alerts are named.
const NAMED: usize = 5;

/// A sentence above the field, and how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Worse than [`Severity::Info`]: it should be read before Enter.
    pub severity: Severity,
    /// The sentence, harmless.
    pub text: String,
}

impl Fact {
    fn new(severity: Severity, text: String) -> Self {
        Self { severity, text }
    }
}

impl Ask {
    /// The alert that it is declared from, as it would be recorded, is what told of it: as long as the title says its name, or as somebody has said.
    pub(in crate::app) fn is_of_alert(&self, typed: &str) -> bool {
        let Some(name) = self.data["alert"]["name"].as_str() else { return false };
        self.of_alert.unwrap_or_else(|| typed.to_lowercase().contains(&name.to_lowercase()))
    }

    /// It is of that alert after all, or not.
    pub(in crate::app) fn turn(&mut self, typed: &str) {
        if self.data["alert"].is_object() {
            self.of_alert = Some(!self.is_of_alert(typed));
        }
    }
}

impl State {
    /// What stands above the field in which something about an incident is typed.
    pub fn incident_facts(&self, ask: &Ask, typed: &str) -> Vec<Fact> {
        match ask.kind {
            RecordKind::IncidentDeclare => {
                detected(self, ask, typed).into_iter().chain(same(self, ask, typed)).collect()
            }
            RecordKind::IncidentMitigate => still(self),
            RecordKind::IncidentResolve => still(self).into_iter().chain(open_runs(self, ask)).collect(),
            _ => Vec::new(),
        }
    }
}

/// What will be recorded as the moment at which it was detected.
fn detected(state: &State, ask: &Ask, typed: &str) -> Option<Fact> {
    let alert = &ask.data["alert"];
    let name = text::clean(alert["name"].as_str()?).into_owned();
    let told = if ask.is_of_alert(typed) {
        let since = alert["since"].as_str().and_then(|since| since.parse::<Timestamp>().ok());
        let since = since.map_or_else(String::new, |since| {
            format!(", {}, {} ago", moment(since, state.now.wall), words(between(since, state.now.wall)))
        });
        format!("detected: when {name} began{since} (Tab: this is something else)")
    } else {
        format!("no alert told of it, as the title does not name {name} (Tab: {name} did)")
    };
    Some(Fact::new(Severity::None, told))
}

/// One that is open and is about the same.
pub(super) fn same_as<'a>(state: &'a State, ask: &Ask, typed: &str) -> Option<&'a Incident> {
    let print = ask.data["alert"]["fingerprint"].as_str().filter(|_| ask.is_of_alert(typed));
    state.watch.incidents().same(typed, print)
}

fn same(state: &State, ask: &Ask, typed: &str) -> Option<Fact> {
    let same = same_as(state, ask, typed)?;
    let told = format!("open already: {}, {}", title(same), since(state, same));
    Some(Fact::new(Severity::Warning, told))
}

/// `declared 3 min ago by ada`.
pub(super) fn since(state: &State, incident: &Incident) -> String {
    let age = words(between(incident.declared.at, state.watch.at(incident, state.now)));
    format!("declared {age} ago by {}", text::clean(&incident.declared.by))
}

/// Its runs that are not over: they go on, and belong to it.
fn open_runs(state: &State, ask: &Ask) -> Vec<Fact> {
    let open = state.watch.incidents().get(ask.incident).map(|incident| incident.open_runs(&state.runs));
    let told = |run: String| Fact::new(Severity::Warning, text::clean(&format!("still open: {run}")).into_owned());
    open.unwrap_or_default().into_iter().map(told).collect()
}

/// What is still wrong, as far as is known here.
fn still(state: &State) -> Vec<Fact> {
    let mut facts: Vec<Fact> = state
        .store
        .about(Subject::Alerts)
        .filter(|feed| feed.health(state.seen()) != Health::Fresh)
        .map(|feed| {
            let told = format!("{} does not tell what fires now", feed.id);
            Fact::new(Severity::Warning, text::clean(&told).into_owned())
        })
        .collect();
    let fires = |alert: &&Alert| alert.state == AlertState::Firing && alert.severity > Severity::Info;
    let mut firing: Vec<&Alert> = state.store.all_alerts().map(|alert| &**alert).filter(fires).collect();
    firing.sort_by_key(|alert| std::cmp::Reverse(alert.severity));
    let worst = firing.first().map(|alert| alert.severity);
    let names: Vec<String> = firing.iter().take(NAMED).map(|alert| place(alert)).collect();
    let more = firing.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    match worst {
        Some(worst) => facts.push(Fact::new(worst, format!("still fires: {}{more}", names.join(", ")))),
        None if !facts.is_empty() => {}
        None if state.store.about(Subject::Alerts).next().is_none() => {
            facts.push(Fact::new(
                Severity::None,
                "no source of alerts is known here: whether any fires is not known".to_owned(),
            ));
        }
        None => facts.push(Fact::new(Severity::Ok, "no alert fires".to_owned())),
    }
    facts.extend(overview::objectives(&state.cx()).filter(|slo| slo.judge() > Severity::Info).map(|slo| {
        let figure = |value: f64| overview::figure(slo, value);
        let value = slo.value.map_or_else(|| "no data".to_owned(), figure);
        let told = format!("not as promised: {} {value} (limit {})", slo.name, figure(slo.limit));
        Fact::new(slo.judge(), text::clean(&told).into_owned())
    }));
    facts
}
