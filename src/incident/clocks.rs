//! What is due in an incident: by when, and who is called then. By the incident's own time, so that neither a restart nor who sets a clock moves it.

use super::{Incident, Mark};
use crate::domain::incident::{Priority, Rules};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What something is due for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Somebody says that they are on it.
    Respond,
    /// Others are told how it stands.
    Update,
    /// Somebody is called: the level (from 1), their role, and how to reach them.
    Call {
        /// From 1.
        level: usize,
        /// `senior SRE`.
        role: String,
        /// Name and number; empty: nobody has written it down.
        contact: String,
    },
    /// The post-mortem is written.
    Report,
}

/// One clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// For what.
    pub due: Due,
    /// By when, on the incident's scale of time.
    pub at: Timestamp,
    /// From now until then; negative: it is late by so much.
    pub left: SignedDuration,
}

impl Clock {
    /// It is past its time.
    pub const fn is_late(&self) -> bool {
        self.left.is_negative()
    }

    /// What is to be done, in a word or two.
    pub fn word(&self) -> String {
        match &self.due {
            Due::Respond => "respond".to_owned(),
            Due::Update => "update".to_owned(),
            Due::Call { level, .. } => format!("call L{level}"),
            Due::Report => "post-mortem".to_owned(),
        }
    }

    /// Whom it says to call, and how.
    pub fn whom(&self) -> Option<String> {
        let Due::Call { role, contact, .. } = &self.due else { return None };
        Some(if contact.is_empty() { role.clone() } else { format!("{role}, {contact}") })
    }

    /// `4:31`, `1h 04m`, `late 2:10`.
    pub fn figure(&self) -> String {
        let left = self.left.unsigned_abs().as_secs();
        let figure = match left {
            0..3600 => format!("{}:{:02}", left / 60, left % 60),
            3600..360_000 => format!("{}h {:02}m", left / 3600, left / 60 % 60),
            _ => format!("{}d", left / 86_400),
        };
        if self.is_late() { format!("late {figure}") } else { figure }
    }
}

/// Those that run, the next one first.
pub fn running(incident: &Incident, rules: &Rules, now: Timestamp) -> Vec<Clock> {
    let mut clocks: Vec<Clock> = match &incident.resolved {
        Some(resolved) => report(incident, rules, resolved).into_iter().collect(),
        None => {
            [respond(incident, rules), update(incident, rules), call(incident, rules)].into_iter().flatten().collect()
        }
    };
    for clock in &mut clocks {
        clock.left = clock.at.duration_since(now);
    }
    clocks.sort_by_key(|clock| clock.at);
    clocks
}

fn due(due: Due, from: Timestamp, after: Duration) -> Option<Clock> {
    Some(Clock { due, at: from.checked_add(after).ok()?, left: SignedDuration::ZERO })
}

fn respond(incident: &Incident, rules: &Rules) -> Option<Clock> {
    let waits = incident.acknowledged.is_none();
    waits.then(|| due(Due::Respond, incident.worse_since(), incident.agreed(rules).of(incident.priority).respond))?
}

fn update(incident: &Incident, rules: &Rules) -> Option<Clock> {
    let told = incident.updates.last().map(|told| told.at);
    due(
        Due::Update,
        incident.worse_since().max(told.unwrap_or(Timestamp::MIN)),
        incident.agreed(rules).of(incident.priority).update?,
    )
}

/// The lowest level that nobody has called yet, also when a higher one was, until nobody suffers any more. The first one is whoever answered, once somebody has. What can wait for hours
/// (P2, P3) gets nobody out of bed.
fn call(incident: &Incident, rules: &Rules) -> Option<Clock> {
    if incident.mitigated.is_some() || incident.priority > Priority::P1 {
        return None;
    }
    let next = incident.next_level();
    let level = rules.escalation.get(next - 1)?;
    let call = Due::Call { level: next, role: level.role.clone(), contact: level.contact.clone() };
    due(call, incident.worse_since(), level.after)
}

/// Whom to call next, once somebody was: `call next: L3 engineering manager, Ada, in 29:00`; or why nobody is.
pub fn call_next(incident: &Incident, rules: &Rules, now: Timestamp) -> String {
    let next = running(incident, rules, now).into_iter().find(|clock| matches!(clock.due, Due::Call { .. }));
    if let Some((clock, Due::Call { level, contact, .. })) = next.as_ref().map(|clock| (clock, &clock.due)) {
        let nobody = if contact.is_empty() { " (nobody is named in the config)" } else { "" };
        let whom = format!("L{level} {}{nobody}", clock.whom().unwrap_or_default());
        let figure = clock.figure();
        return if clock.is_late() {
            format!("call now: {whom}, {figure}")
        } else {
            format!("call next: {whom}, in {figure}")
        };
    }
    let all_called = incident.next_level() > rules.escalation.len();
    match (&incident.mitigated, incident.priority) {
        (_, _) if all_called => {
            format!("nobody is left to call: L{} is the last of the config", rules.escalation.len())
        }
        (Some(_), _) => "nobody else is called: it is mitigated".to_owned(),
        (None, priority) => format!("nobody has to be called next: it is {}", priority.word()),
    }
}

fn report(incident: &Incident, rules: &Rules, resolved: &Mark) -> Option<Clock> {
    incident.owes_report().then(|| due(Due::Report, resolved.at, incident.agreed(rules).report))?
}

/// How long something took, and how long it was allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// From the declaration, or from when it was said to be worse.
    pub took: Duration,
    /// What was agreed.
    pub within: Duration,
    /// How bad it was thought to be by then.
    pub priority: Priority,
}

impl Response {
    /// It took longer than was agreed.
    pub fn is_late(self) -> bool {
        self.took > self.within
    }
}

/// How long it took until somebody answered, or until it was over without; `None`: it goes on, and nobody has. What was agreed is that of the severity of
/// then: what it was thought to be later changes nothing of it.
pub fn response(incident: &Incident, rules: &Rules) -> Option<Response> {
    let answered = incident.acknowledged.as_ref().or(incident.resolved.as_ref())?;
    let (priority, since) = incident.severity_at(answered.at);
    let took = crate::domain::time::between(since, answered.at);
    Some(Response { took, within: incident.agreed(rules).of(priority).respond, priority })
}
