//! The journal's record: one thing that was decided, done or found, by whom, and where it stands in its writer's chain.

use super::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Host that quarterdeck ran on.
    pub host: String,
}

/// What a record is about. The words are stable: exports and later versions read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecordKind {
    /// A process opened the journal.
    #[serde(rename = "journal.open")]
    JournalOpen,
    /// The team's journal can't be written any more, and this chain goes on in a file of its machine (`data.why`, `data.since`, and the process as
    /// in `journal.open`).
    #[serde(rename = "journal.away")]
    JournalAway,
    /// Records that were kept on a machine while the team's journal was away are in it now (`data.chains`: for each writer from and to which
    /// number, and the hash of the last; `data.records`: how many).
    #[serde(rename = "journal.merge")]
    JournalMerge,
    /// Writes were unlocked or locked by hand or by the timer (`data.state`).
    #[serde(rename = "writes.lock")]
    WritesLock,
    /// The config was read again with another policy (`data.before`, `data.after`: the answer that each risk takes).
    #[serde(rename = "policy.change")]
    PolicyChange,
    /// A plan was shown and answered; the run exists from here (`data`: runbook, title, hash, phrase, params, steps).
    #[serde(rename = "run.start")]
    RunStart,
    /// One person does what the policy wants two for (`data.reason`, `data.steps`: what was let through by that).
    #[serde(rename = "operator.break_glass")]
    BreakGlass,
    /// Whoever was there while a run went on is not any more: its terminal was closed, or quarterdeck was told to end (`data.signal`). Nothing new
    /// begins from here.
    #[serde(rename = "operator.detached")]
    Detached,
    /// Somebody asks for a second person's approval of a plan (`data`: the plan's hash and its text, targets, `ttl_ms`). Its id is that of the
    /// request.
    #[serde(rename = "run.approval.asked")]
    ApprovalAsked,
    /// A second person has approved it (`data.approval`: the id of the request, `data.plan_hash`, `data.reason`).
    #[serde(rename = "run.approval.given")]
    ApprovalGiven,
    /// A second person has refused it, in the same form.
    #[serde(rename = "run.approval.refused")]
    ApprovalRefused,
    /// Whoever asked for it wants it no more.
    #[serde(rename = "run.approval.withdrawn")]
    ApprovalWithdrawn,
    /// A pre-check or plan fence was asked again right before its step.
    #[serde(rename = "step.recheck")]
    StepRecheck,
    /// What is about to be done; durable before a byte leaves (`data.sent`).
    #[serde(rename = "step.intent")]
    StepIntent,
    /// What must be known of a change right before it may take effect, beside what its intent noted (`data.facts`: of a statement the number of
    /// its transaction, or that it has none).
    #[serde(rename = "step.sent")]
    StepSent,
    /// What came of it (`data.state`: see [`StepState`], `data.output`).
    #[serde(rename = "step.exit")]
    StepExit,
    /// An item of a list was ticked by hand or a choice was made (`data.output`: which, `data.ticked` or `data.chosen`).
    #[serde(rename = "step.tick")]
    StepTick,
    /// A batch of hosts of a rollout begins.
    #[serde(rename = "run.batch")]
    RunBatch,
    /// What a restart found out about an intent without an exit.
    #[serde(rename = "step.reconcile")]
    StepReconcile,
    /// A run has what its runbook locks (`data.locks`: what, and the number of the grant).
    #[serde(rename = "lock.taken")]
    LockTaken,
    /// It has given that back.
    #[serde(rename = "lock.released")]
    LockReleased,
    /// Somebody wants what a run holds (`data.run`, `data.resources`, `data.reason`, `data.for_run`: for which run; `data.take`: after `data.grace_ms` it is
    /// taken over, also when nobody hands it over).
    #[serde(rename = "lock.wanted")]
    LockWanted,
    /// What a run held (`data.run`) is another run's now (`data.wanted`: the id of the request, `data.to`, `data.for_run`, `data.how`: `handed over`, `taken over`).
    #[serde(rename = "lock.passed")]
    LockPassed,
    /// A run that had been cut off or was over is taken up again, or somebody says what they saw of it (`data.way`: `go on`, `undo`, `saw`,
    /// `abandon`, `data.reason`). It is open from here until its next `run.finish`.
    #[serde(rename = "run.resume")]
    RunResume,
    /// The run ended (`data.outcome`: see [`RunOutcome`], `data.reason`; `data.left`: its own changes that can still be taken back, and by what).
    #[serde(rename = "run.finish")]
    RunFinish,
    /// An incident begins (`data.title`, `data.priority`; `data.agreed`: by when what is due, by the names of `[incident]`; `data.speed`: of a rehearsal that
    /// goes faster than the clock; `data.alert`: the one it was declared from, with `name`, `fingerprint`, `since`; `data.detected`: when it was detected, as
    /// who declared it says; `data.beside`: the id of one that is open and that it is not the same as). Its id stands in the record's `incident`, as in all that
    /// belongs to it.
    #[serde(rename = "incident.declare")]
    IncidentDeclare,
    /// Somebody is on it.
    #[serde(rename = "incident.acknowledge")]
    IncidentAcknowledge,
    /// Who does what (`data.duty`, `data.name`; empty: nobody any more).
    #[serde(rename = "incident.role")]
    IncidentRole,
    /// What was seen or said (`data.text`; `data.action`: it is something to be done afterwards; `data.called`: the title from then on;
    /// `data.beside`: the id of one that it is not the same as).
    #[serde(rename = "incident.note")]
    IncidentNote,
    /// It is worse or better than was thought (`data.priority`, `data.before`, `data.reason`).
    #[serde(rename = "incident.severity")]
    IncidentSeverity,
    /// The assessment (`data.impact`, `data.scope`, `data.changed`).
    #[serde(rename = "incident.assess")]
    IncidentAssess,
    /// What others were told (`data.text`).
    #[serde(rename = "incident.update")]
    IncidentUpdate,
    /// Somebody was called (`data.level`: from 1, `data.role`, `data.contact`).
    #[serde(rename = "incident.escalate")]
    IncidentEscalate,
    /// A run that was begun before the incident was declared belongs to it (`data.run`, and what it was: `data.title`, `data.runbook`, `data.by`,
    /// `data.started`).
    #[serde(rename = "incident.run")]
    IncidentRun,
    /// What an earlier record of the incident says does not hold (`data.record`: its id, `data.what`: what it said, `data.text`: why).
    #[serde(rename = "incident.take_back")]
    IncidentTakeBack,
    /// Nobody suffers from it any more (`data.text`: by what).
    #[serde(rename = "incident.mitigate")]
    IncidentMitigate,
    /// It is over (`data.text`).
    #[serde(rename = "incident.resolve")]
    IncidentResolve,
    /// It was not (`data.reason`).
    #[serde(rename = "incident.reopen")]
    IncidentReopen,
    /// Its post-mortem was written (`data.file`, `data.sha256` of the text, `data.complete`: nothing in it is left to fill in,
    /// `data.left`: so many places are).
    #[serde(rename = "incident.report")]
    IncidentReport,
    /// An alert fired while an incident was under way, as seen from here (`data`: name, fingerprint, severity, labels, since).
    #[serde(rename = "alert.fired")]
    AlertFired,
    /// It does not any more (the same).
    #[serde(rename = "alert.resolved")]
    AlertResolved,
    /// Figures at a decision (`data.why`, `data.marks`: `name`, `value` as shown, `limit`, `severity`).
    #[serde(rename = "metric.mark")]
    MetricMark,
}

/// That the team's journal was away and is back.
pub const JOURNAL_BACK: &str = "the team's journal is back, and has what was recorded on this machine meanwhile";

impl RecordKind {
    /// All kinds.
    pub const ALL: [Self; 42] = [
        Self::JournalOpen,
        Self::JournalAway,
        Self::JournalMerge,
        Self::WritesLock,
        Self::PolicyChange,
        Self::RunStart,
        Self::BreakGlass,
        Self::Detached,
        Self::ApprovalAsked,
        Self::ApprovalGiven,
        Self::ApprovalRefused,
        Self::ApprovalWithdrawn,
        Self::StepRecheck,
        Self::StepIntent,
        Self::StepSent,
        Self::StepExit,
        Self::StepTick,
        Self::RunBatch,
        Self::StepReconcile,
        Self::LockTaken,
        Self::LockReleased,
        Self::LockWanted,
        Self::LockPassed,
        Self::RunResume,
        Self::RunFinish,
        Self::IncidentDeclare,
        Self::IncidentAcknowledge,
        Self::IncidentRole,
        Self::IncidentNote,
        Self::IncidentSeverity,
        Self::IncidentAssess,
        Self::IncidentUpdate,
        Self::IncidentEscalate,
        Self::IncidentRun,
        Self::IncidentTakeBack,
        Self::IncidentMitigate,
        Self::IncidentResolve,
        Self::IncidentReopen,
        Self::IncidentReport,
        Self::AlertFired,
        Self::AlertResolved,
        Self::MetricMark,
    ];

    /// The stable word, as stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::JournalOpen => "journal.open",
            Self::JournalAway => "journal.away",
            Self::JournalMerge => "journal.merge",
            Self::WritesLock => "writes.lock",
            Self::PolicyChange => "policy.change",
            Self::RunStart => "run.start",
            Self::BreakGlass => "operator.break_glass",
            Self::Detached => "operator.detached",
            Self::ApprovalAsked => "run.approval.asked",
            Self::ApprovalGiven => "run.approval.given",
            Self::ApprovalRefused => "run.approval.refused",
            Self::ApprovalWithdrawn => "run.approval.withdrawn",
            Self::StepRecheck => "step.recheck",
            Self::StepIntent => "step.intent",
            Self::StepSent => "step.sent",
            Self::StepExit => "step.exit",
            Self::StepTick => "step.tick",
            Self::RunBatch => "run.batch",
            Self::StepReconcile => "step.reconcile",
            Self::LockTaken => "lock.taken",
            Self::LockReleased => "lock.released",
            Self::LockWanted => "lock.wanted",
            Self::LockPassed => "lock.passed",
            Self::RunResume => "run.resume",
            Self::RunFinish => "run.finish",
            Self::IncidentDeclare => "incident.declare",
            Self::IncidentAcknowledge => "incident.acknowledge",
            Self::IncidentRole => "incident.role",
            Self::IncidentNote => "incident.note",
            Self::IncidentSeverity => "incident.severity",
            Self::IncidentAssess => "incident.assess",
            Self::IncidentUpdate => "incident.update",
            Self::IncidentEscalate => "incident.escalate",
            Self::IncidentRun => "incident.run",
            Self::IncidentTakeBack => "incident.take_back",
            Self::IncidentMitigate => "incident.mitigate",
            Self::IncidentResolve => "incident.resolve",
            Self::IncidentReopen => "incident.reopen",
            Self::IncidentReport => "incident.report",
            Self::AlertFired => "alert.fired",
            Self::AlertResolved => "alert.resolved",
            Self::MetricMark => "metric.mark",
        }
    }

    /// It is no part of a run: it tells of an incident, or of what was seen in one.
    pub const fn is_of_an_incident(self) -> bool {
        matches!(
            self,
            Self::IncidentDeclare
                | Self::IncidentAcknowledge
                | Self::IncidentRole
                | Self::IncidentNote
                | Self::IncidentSeverity
                | Self::IncidentAssess
                | Self::IncidentUpdate
                | Self::IncidentEscalate
                | Self::IncidentRun
                | Self::IncidentTakeBack
                | Self::IncidentMitigate
                | Self::IncidentResolve
                | Self::IncidentReopen
                | Self::IncidentReport
                | Self::AlertFired
                | Self::AlertResolved
                | Self::MetricMark
        )
    }

    /// From the stable word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What became of a step on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    Planned,
    /// Its checks are asked.
    Checking,
    /// The intent is durable; it may have been sent.
    Intent,
    /// Sent; waiting for it, or for its `wait` and `verify`.
    Running,
    /// Done, and verified.
    Ok,
    /// Known not to have worked, or not sent.
    Failed,
    /// `wait` or `verify` did not become true in time; the effect itself happened.
    TimedOut,
    /// Stopped on request before it was sent.
    Cancelled,
    /// Nobody knows whether it happened.
    Unknown,
    /// Passed over by a person, or not needed any more.
    Skipped,
    /// Taken back.
    Undone,
    /// Was to be taken back, and nobody knows whether it was, or it is known that it was not.
    UndoFailed,
}

impl StepState {
    /// The word shown and recorded.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Checking => "checking",
            Self::Intent => "intent",
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Undone => "undone",
            Self::UndoFailed => "undo failed",
        }
    }
    /// Nothing more happens to it by itself.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Planned | Self::Checking | Self::Intent | Self::Running)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every step is ok or skipped.
    Ok,
    /// A step failed or timed out.
    Failed,
    /// A step's effect is not known.
    Unknown,
    /// Ended on request, or because the plan changed before anything was sent.
    Stopped,
    /// It was taken up to be taken back, and nothing of it is left.
    Undone,
}

impl RunOutcome {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Undone, Self::Stopped, Self::Failed, Self::Unknown];

    /// Of the data of a `run.finish`. Earlier versions wrote of a run that was taken back how it had ended before, and `undone` beside it.
    /// `None`: it names none that is known here.
    pub fn of(data: &serde_json::Value) -> Option<Self> {
        let outcome = Self::deserialize(&data["outcome"]).ok()?;
        Some(if data["undone"].as_bool() == Some(true) { Self::Undone } else { outcome })
    }

    /// It came to what was wanted of it.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Ok | Self::Undone)
    }

    /// The word shown and recorded.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Stopped => "stopped",
            Self::Undone => "undone",
        }
    }
}

/// What a caller hands to the journal; the journal adds identity, order, time and actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Kind.
    pub kind: RecordKind,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The step, `section-slug/step-slug`.
    pub step: Option<String>,
    /// The fence's role (`run`, `verify`, …).
    pub role: Option<String>,
    /// What it acts on, in words: `local/api`, `primary`.
    pub target: Option<String>,
    /// The environment's name.
    pub env: String,
    /// The rest, by kind. Redacted: a secret appears as its name only.
    pub data: serde_json::Value,
}

/// One durable record. Keyed by `(writer, seq)`; `hash` covers everything else in it and `prev`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its own id (UUID version 7).
    pub id: Uuid,
    /// The process's chain it belongs to.
    pub writer: Uuid,
    /// 1, 2, 3 … within the writer.
    pub seq: u64,
    /// Hash of the writer's previous record, hex; 64 zeros for the first.
    pub prev: String,
    /// SHA-256 of this record, hex.
    pub hash: String,
    /// Wall time, UTC.
    pub at: Timestamp,
    /// Milliseconds of the writer's monotonic clock.
    pub mono_ms: u64,
    /// The incident it belongs to.
    pub incident: Option<String>,
    /// Who.
    pub actor: Actor,
    /// What.
    #[serde(flatten)]
    pub entry: Entry,
    /// How it came to where it was read; not part of the hash.
    #[serde(flatten)]
    pub kept: Kept,
}

impl Record {
    /// How far the clock of the journal's server was ahead of the writer's, in milliseconds, where the record says so.
    pub fn clock_ahead_ms(&self) -> Option<i64> {
        self.entry.data["clock_ahead_ms"].as_i64()
    }
}

/// A clock that is further than this from that of the journal's server, or of this machine, is told, in milliseconds.
const OFF_MS: u64 = 2000;

/// `42.0 s behind`: how a clock stands to another (that of the journal's server), which is so many milliseconds ahead of it. `None`: near enough.
pub fn clock_off(ahead_ms: i64) -> Option<String> {
    let off = ahead_ms.unsigned_abs();
    let which = if ahead_ms > 0 { "behind" } else { "ahead of" };
    (off > OFF_MS).then(|| format!("{:.1} s {which}", off as f64 / 1000.0))
}

/// How a record came to where it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// It is on this machine alone: the team's journal does not have it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// It was brought to the team's journal later, by this login of its server. Who acted is what the machine said then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{RecordKind, RunOutcome};
    use serde_json::json;

    #[test]
    fn every_kind_is_exported_with_the_word_it_is_stored_with() {
        for kind in RecordKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
            assert_eq!(RecordKind::parse(kind.word()), Some(kind));
        }
    }

    #[test]
    fn an_end_is_read_as_it_is_written_and_as_earlier_versions_wrote_it() {
        for outcome in RunOutcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
            assert_eq!(RunOutcome::of(&json!({ "outcome": outcome })), Some(outcome));
            assert_eq!(RunOutcome::of(&json!({ "outcome": outcome, "undone": false })), Some(outcome));
        }
        assert_eq!(RunOutcome::of(&json!({ "outcome": "stopped", "undone": true })), Some(RunOutcome::Undone));
        assert_eq!(RunOutcome::of(&json!({ "outcome": "of a later version" })), None);
        assert_eq!(RunOutcome::of(&json!({})), None);
    }
}
