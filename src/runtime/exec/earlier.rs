//! An earlier run of the same runbook that was cut off, or of which something is in doubt: what it did may still go on, so that nothing begins
//! over it before somebody has found out what became of it.

use super::Exec;
use crate::domain::RunId;
use crate::domain::record::{Record, RecordKind};
use crate::domain::text::clean;
use crate::journal::JournalError;
use crate::runbook::Past;

impl Exec {
    /// Why a run of a runbook must not begin; `None`: no earlier one is in its way. Those that somebody drives are not: they are under way.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub(super) async fn in_the_way(&self, runbook: &str) -> Result<Option<String>, JournalError> {
        let left = self.journal.unfinished().await?;
        if let Some((run, records)) = self.of(runbook, &left).next() {
            return Ok(Some(told(run, runbook, &records)));
        }
        // Whoever looked at one in doubt keeps it while they live, and drives it no more than anybody else.
        let open = self.journal.open_runs().await?;
        let doubtful = self.of(runbook, &open).find(|(run, records)| is_in_doubt(*run, records));
        Ok(doubtful.map(|(run, records)| told(run, runbook, &records)))
    }

    /// The runs of a runbook that begin in these records and that this process does not drive, each with its own.
    fn of<'r>(
        &self,
        runbook: &'r str,
        records: &'r [Record],
    ) -> impl Iterator<Item = (RunId, Vec<Record>)> + use<'r, '_> {
        let begun = move |record: &&Record| {
            record.entry.kind == RecordKind::RunStart && record.entry.data["runbook"].as_str() == Some(runbook)
        };
        let runs = records.iter().filter(begun).filter_map(|record| record.entry.run);
        runs.filter(|run| !self.drives(*run)).map(|run| {
            let own = records.iter().filter(|record| record.entry.run == Some(run));
            (run, own.cloned().collect())
        })
    }
}

/// Somebody has looked since its last change was intended, and could not tell.
fn is_in_doubt(run: RunId, records: &[Record]) -> bool {
    let last = |kind: RecordKind| records.iter().rposition(|record| record.entry.kind == kind);
    let looked = last(RecordKind::StepReconcile) > last(RecordKind::StepIntent);
    looked && Past::of(run, records).is_some_and(|past| past.outcome.is_none() && !past.open.is_empty())
}

/// Which run, whose and since when, how it stands, and what can be done.
fn told(run: RunId, runbook: &str, records: &[Record]) -> String {
    let past = Past::of(run, records);
    let whose = past.as_ref().map(|past| {
        let since = past.writer.since.strftime("%H:%M:%SZ");
        format!(" ({}, since {since})", past.writer.who)
    });
    // Before somebody has looked nothing of it is known to be in doubt.
    let doubt = past.filter(|_| is_in_doubt(run, records)).and_then(|past| past.doubt());
    let stands = doubt.map_or_else(|| ", and what it did may still go on".to_owned(), |doubt| format!(": {doubt}"));
    let told = format!(
        "run {} of {runbook}{} was cut off{stands}; `R` on it in the list of runs, or `quarterdeck runbook resume`, tells what became of it, and what can be done with it",
        run.short(),
        whose.unwrap_or_default(),
    );
    clean(&told).into_owned()
}
