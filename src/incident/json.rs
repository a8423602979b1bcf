//! Incidents as JSON: what `incident list`, `show` and `handover` print with `--json`. Names stay; a new one may come.

use super::clocks::{self, Clock};
use super::line::Line;
use super::{Ended, Incident, Mark};
use crate::domain::incident::{ClosedAs, Rules};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One incident without its timeline. `now` is by the incident's own time.
pub fn summary(incident: &Incident, rules: &Rules, now: Timestamp) -> Value {
    let duties: Map<String, Value> =
        incident.duties.iter().map(|(duty, name)| (duty.word().to_owned(), json!(name))).collect();
    let assessment = &incident.assessment;
    json!({
        "id": incident.id,
        "short": incident.short(),
        "title": incident.title,
        "priority": incident.priority,
        "state": incident.word(),
        "environment": incident.env,
        "detected": incident.detected.as_ref().map(|detected| with(mark(&detected.mark), "fingerprint", &detected.alert)),
        "declared": mark(&incident.declared),
        "acknowledged": incident.acknowledged.as_ref().map(mark),
        "first_change": incident.first_change.as_ref().map(mark),
        "mitigated": incident.mitigated.as_ref().map(mark),
        "resolved": incident.resolved.as_ref().map(mark),
        "closed_as": incident.closed_as.map(ClosedAs::word),
        "perhaps_duplicate_of": incident.twin,
        "duplicate_of": incident.closed_as.and_then(ClosedAs::of),
        "duties": duties,
        "assessment": { "impact": assessment.impact, "scope": assessment.scope, "changed": assessment.changed },
        "firing": incident.firing().collect::<Vec<_>>(),
        "updates": incident.updates.iter().map(mark).collect::<Vec<_>>(),
        "earlier_ends": incident.ended.iter().map(ended).collect::<Vec<_>>(),
        "severities": incident.judged.iter().map(|judged| with(mark(&judged.mark), "priority", judged.priority.word())).collect::<Vec<_>>(),
        "channel": rules.channel,
        "post_mortem": incident.document.as_ref().map(|document| json!({
            "host": document.host, "file": document.file, "left": document.left, "complete": incident.reported.is_some(),
        })),
        "actions": incident.actions.iter().map(mark).collect::<Vec<_>>(),
        "clocks": clocks::running(incident, rules, now).iter().map(clock).collect::<Vec<_>>(),
    })
}

/// The same with its timeline.
pub fn whole(incident: &Incident, rules: &Rules, now: Timestamp) -> Value {
    let mut value = summary(incident, rules, now);
    value["timeline"] = incident.lines.iter().map(line).collect();
    value
}

fn mark(mark: &Mark) -> Value {
    json!({ "at": mark.at, "by": mark.by, "text": mark.text, "link": mark.link })
}

fn with(mut value: Value, key: &str, more: impl Serialize) -> Value {
    value[key] = json!(more);
    value
}

fn ended(ended: &Ended) -> Value {
    let Ended { mitigated, resolved, reopened, closed_as } = ended;
    json!({
        "mitigated": mitigated.as_ref().map(mark),
        "resolved": mark(resolved),
        "closed_as": closed_as.map(ClosedAs::word),
        "reopened": mark(reopened),
    })
}

fn clock(clock: &Clock) -> Value {
    json!({
        "what": clock.word(),
        "due": clock.at,
        "left_seconds": clock.left.as_secs(),
        "late": clock.is_late(),
        "call": clock.whom(),
    })
}

fn line(line: &Line) -> Value {
    json!({
        "at": line.at,
        "by": line.by,
        "kind": line.kind.word(),
        "what": line.in_full(),
        "severity": line.severity,
        "off_path": line.off_path,
        "taken_back": line.taken_back,
        "record": line.record,
        "run": line.run,
        "link": line.link,
    })
}
