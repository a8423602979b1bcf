//! What is typed about an incident that is there: lines of the list of `X` that ask for words.

use super::menu::line;
use super::{Ask, Step};
use crate::app::menu::MenuLine;
use crate::domain::record::RecordKind;
use crate::incident::Incident;
use crate::incident::line::CALLED;
use serde_json::{Value, json};

/// Something that is typed: its letter, what the line says and notes, what is recorded and where the text goes, and what is asked.
pub(super) struct Typed {
    mark: &'static str,
    text: &'static str,
    pub(super) note: &'static str,
    kind: RecordKind,
    key: &'static str,
    question: &'static str,
}

pub(super) const NOTE: Typed = Typed {
    mark: "n",
    text: "note",
    note: "what was seen or said",
    kind: RecordKind::IncidentNote,
    key: "text",
    question: "What was seen, said or decided?",
};
pub(super) const TOLD: Typed = Typed {
    mark: "u",
    text: "others were told",
    note: "the clock of the next update begins anew",
    kind: RecordKind::IncidentUpdate,
    key: "text",
    question: "What were they told? It is recorded here; a runbook as status-update sends it.",
};
pub(super) const IMPACT: Typed = Typed {
    mark: "i",
    text: "assess impact",
    note: "",
    kind: RecordKind::IncidentAssess,
    key: "impact",
    question: "Who suffers, how many, and what can't they do?",
};
pub(super) const SCOPE: Typed = Typed {
    mark: "s",
    text: "assess scope",
    note: "",
    kind: RecordKind::IncidentAssess,
    key: "scope",
    question: "One server or all? One feature or the whole?",
};
pub(super) const CHANGED: Typed = Typed {
    mark: "w",
    text: "assess what changed",
    note: "",
    kind: RecordKind::IncidentAssess,
    key: "changed",
    question: "What changed before it began? What is known of the last 30 minutes stands here already.",
};
pub(super) const TO_DO: Typed = Typed {
    mark: "t",
    text: "to do afterwards",
    note: "an action item of the post-mortem",
    kind: RecordKind::IncidentNote,
    key: "text",
    question: "What is to be done afterwards, and by whom?",
};
pub(super) const MITIGATED: Typed = Typed {
    mark: "m",
    text: "mitigated",
    note: "nobody suffers any more; nobody else is called",
    kind: RecordKind::IncidentMitigate,
    key: "text",
    question: "By what?",
};
pub(super) const RESOLVED: Typed = Typed {
    mark: "e",
    text: "end it: resolved",
    note: "the clock of the post-mortem begins",
    kind: RecordKind::IncidentResolve,
    key: "text",
    question: "How did it end?",
};
pub(super) const TITLE: Typed = Typed {
    mark: "l",
    text: "title",
    note: "",
    kind: RecordKind::IncidentNote,
    key: CALLED,
    question: "What do others call it now? The timeline keeps what it was called before.",
};
pub(super) const REOPENED: Typed = Typed {
    mark: "o",
    text: "open it again",
    note: "it was not over",
    kind: RecordKind::IncidentReopen,
    key: "reason",
    question: "Why was it not over?",
};
pub(super) const FALSE_ALARM: Typed = Typed {
    mark: "f",
    text: "a false alarm",
    note: "nothing was wrong",
    kind: RecordKind::IncidentResolve,
    key: "text",
    question: "How do you know? It is closed, and no post-mortem is owed.",
};

impl Typed {
    /// As a line of the list.
    pub(super) fn line(&self, incident: &Incident) -> MenuLine {
        self.with(incident, self.note, json!({}))
    }

    /// With another note, and more in the record.
    pub(super) fn with(&self, incident: &Incident, note: &str, data: Value) -> MenuLine {
        let Self { mark, text, kind, key, question, .. } = *self;
        let title = format!("{text} ({})", incident.short());
        let ask = Ask { incident: incident.id, kind, data, key, title, question, of_alert: None };
        line(mark, text, note, Step::Ask(Box::new(ask)))
    }
}
