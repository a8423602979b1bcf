//! What a person says of a run that nobody drives any more: what they saw of a change that nothing else can tell of, or that it is given up.

use super::Exec;
use crate::domain::record::{Entry, Record, RecordKind, RunOutcome, StepState};
use crate::domain::text::clean;
use crate::domain::{RunId, reason};
use crate::event::Ended;
use crate::runbook::Past;
use serde_json::{Value, json};
use std::time::Duration;

/// From look to look whether a run that has ended is let go, and how often it is looked.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 100;

impl Exec {
    /// A person says whether a change of a run happened that nobody else can tell of, and what they saw. With that nothing of the run is in
    /// doubt: it has an end.
    ///
    /// # Errors
    /// When there is nothing in doubt, when another process drives it, when that is no reason, or the journal can't be written.
    pub async fn saw(&self, run: RunId, happened: bool, seen: &str) -> Result<Ended, String> {
        let seen = reason::given(seen)?;
        let past = self.untouched(run).await?;
        let of = past.asked_about().ok_or_else(|| format!("nothing of run {} is in doubt", run.short()))?;
        self.take_up(run, json!({ "way": "saw", "reason": seen, "happened": happened })).await?;
        let state = match (of.undo, happened) {
            (false, true) => StepState::Ok,
            (false, false) => StepState::Failed,
            (true, true) => StepState::Undone,
            (true, false) => StepState::UndoFailed,
        };
        let it = if of.undo { "the undo" } else { "it" };
        let word = if happened { "happened" } else { "did not happen" };
        let detail = format!("a person saw that {it} {word}: {seen}");
        let mut data = json!({ "state": state, "detail": detail, "by_hand": true });
        if !happened {
            data["happened"] = false.into();
        }
        let entry = Entry {
            step: Some(of.step),
            role: Some(of.role),
            target: of.target,
            ..self.entry_of(run, RecordKind::StepReconcile, data)
        };
        self.append(entry).await.map_err(|error| error.to_string())?;
        let (past, _) = self.past(run).await?;
        if let Some(doubt) = past.doubt() {
            return Ok(past.still_in_doubt(&doubt));
        }
        let (outcome, reason) = past.ending_by(&format!("a person saw that {} {word}: {seen}", of.subject), &detail);
        self.end(&past, outcome, &reason).await
    }

    /// Gives a run up: what it locks is free again, and whatever it did is left as it is.
    ///
    /// # Errors
    /// When another process drives it, when that is no reason, or the journal can't be written.
    pub async fn give_up(&self, run: RunId, why: &str) -> Result<Ended, String> {
        let why = reason::given(why)?;
        let past = self.untouched(run).await?;
        let taken = self.take_up(run, json!({ "way": "abandon", "reason": why })).await?;
        let outcome = match (past.open.is_empty(), past.outcome) {
            (false, _) => RunOutcome::Unknown,
            (true, Some(before)) => before,
            (true, None) => past.ending().0,
        };
        let by = &taken.actor;
        self.end(&past, outcome, &format!("given up by {}@{}: {why}", by.name, by.host)).await
    }

    /// This process drives it. One whose end is recorded is let go within moments.
    pub(super) async fn is_driven(&self, run: RunId) -> bool {
        for _ in 0..LOOKS {
            if !self.runs.with(|runs| runs.contains_key(&run)) {
                return false;
            }
            if !self.past(run).await.is_ok_and(|(past, _)| past.outcome.is_some()) {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// A run that this process does not drive.
    async fn untouched(&self, run: RunId) -> Result<Past, String> {
        if self.read_only {
            return Err("it is read-only: leave out --read-only to act".to_owned());
        }
        if let Some(why) = self.journal.only_looks().await {
            return Err(why);
        }
        if self.is_driven(run).await {
            return Err(format!("run {} is under way", run.short()));
        }
        let (past, _) = self.past(run).await?;
        self.elsewhere(&past).await?.map_or(Ok(past), Err)
    }

    /// That another session drives a run, and whose, since when; `None`: it is over, or nobody drives it.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub async fn elsewhere(&self, past: &Past) -> Result<Option<String>, String> {
        if past.outcome.is_some() || self.runs.with(|runs| runs.contains_key(&past.run)) {
            return Ok(None);
        }
        let left = self.journal.unfinished().await.map_err(|error| error.to_string())?;
        let nobody = left.iter().any(|record| record.entry.run == Some(past.run));
        Ok((!nobody).then(|| {
            let (who, since) = (clean(&past.writer.who), past.writer.since.strftime("%H:%M:%SZ"));
            format!("another session drives run {} ({who}, since {since})", past.run.short())
        }))
    }

    /// What a run did is looked at, gone on with and taken back on the machine that began it: on another one of a team the same name may mean
    /// another thing (`local`, a socket). What a person saw can be said anywhere.
    pub(super) async fn of_this_machine(&self, past: &Past) -> Result<(), String> {
        let host = &past.start.actor.host;
        match self.journal.host().await {
            Some(here) if here != *host => Err(format!(
                "run {} was begun on {}: go on with it there; here it can be given up, or what was seen be said",
                past.run.short(),
                clean(host)
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Says in the journal that a run is taken up, unless another living process drives it: the error says so.
    pub(super) async fn take_up(&self, run: RunId, data: Value) -> Result<Record, String> {
        let taken = self.journal.reopen(self.entry_of(run, RecordKind::RunResume, data)).await;
        let record = taken.map_err(|error| error.to_string())?.ok_or_else(|| {
            let run = run.short();
            format!("another session drives run {run}")
        })?;
        self.recorded(&record).await;
        Ok(record)
    }

    /// Writes the end of a run that nobody drives, and gives back what it held.
    pub(super) async fn end(&self, past: &Past, outcome: RunOutcome, reason: &str) -> Result<Ended, String> {
        let left = past.left_named();
        // What went well is taken back when somebody wants it, and is nothing that is left to do.
        let left = if left.is_empty() || outcome == RunOutcome::Ok {
            String::new()
        } else {
            format!("; left to undo: {left}")
        };
        let reason = clean(&format!("{reason}{left}")).into_owned();
        let data = json!({ "outcome": outcome, "reason": reason, "looked_after": true });
        self.append(self.entry_of(past.run, RecordKind::RunFinish, data)).await.map_err(|error| error.to_string())?;
        if past.locks
            && let Err(error) = self.journal.release(past.run).await
        {
            tracing::warn!(%error, "its locks are not given back; they lapse");
        }
        tracing::info!(run = %past.run.short(), outcome = outcome.word(), reason, "a run that was cut off is settled");
        Ok(Ended { run: past.run, outcome, reason })
    }

    pub(super) fn entry_of(&self, run: RunId, kind: RecordKind, data: Value) -> Entry {
        Entry { kind, run: Some(run), step: None, role: None, target: None, env: self.env.clone(), data }
    }
}
