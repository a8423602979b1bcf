//! A journal that is being opened: whoever needs it waits until it is there. The screen does not.

use super::lease::{Grant, Lease, Taken};
use super::{Away, Journal, JournalError, Others};
use crate::domain::record::{Entry, Record};
use crate::domain::{IncidentId, RunId};
use crate::runbook::Approval;
use crate::runbook::approvals::Request;
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use uuid::Uuid;

/// Stands for the journal that it becomes.
#[derive(Clone)]
pub struct Opening(Shared<BoxFuture<'static, Arc<dyn Journal>>>);

impl Opening {
    /// Begins to open it at once, on a thread where files may be slow. To be called inside an async runtime.
    pub fn start<F: Future<Output = Arc<dyn Journal>>>(open: impl FnOnce() -> F + Send + 'static) -> Self {
        let task = tokio::task::spawn_blocking(|| Handle::current().block_on(open()));
        let opened = async {
            task.await.unwrap_or_else(|cut| {
                let what = format!("opening the journal was cut off ({cut})");
                Arc::new(super::absent::Absent(JournalError::new(what, "start quarterdeck again")))
            })
        };
        Self(opened.boxed().shared())
    }
}

#[async_trait]
impl Journal for Opening {
    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        self.0.clone().await.append(entry).await
    }

    async fn append_to(&self, incident: IncidentId, entry: Entry) -> Result<Record, JournalError> {
        self.0.clone().await.append_to(incident, entry).await
    }

    async fn attend(&self, incident: Option<IncidentId>) {
        self.0.clone().await.attend(incident).await;
    }

    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        self.0.clone().await.of_incidents(limit).await
    }

    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        self.0.clone().await.recent(limit).await
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        self.0.clone().await.unfinished().await
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        self.0.clone().await.open_runs().await
    }

    async fn host(&self) -> Option<String> {
        self.0.clone().await.host().await
    }

    async fn away(&self) -> Option<Away> {
        self.0.clone().await.away().await
    }

    async fn clock(&self) -> Option<(Uuid, i64)> {
        self.0.clone().await.clock().await
    }

    async fn only_looks(&self) -> Option<String> {
        self.0.clone().await.only_looks().await
    }

    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        self.0.clone().await.claim(run).await
    }

    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        self.0.clone().await.reopen(entry).await
    }

    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        self.0.clone().await.of_run(run).await
    }

    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        self.0.clone().await.take(run, resources, ttl).await
    }

    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        self.0.clone().await.renew(run, grants, ttl).await
    }

    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        self.0.clone().await.release(run).await
    }

    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        self.0.clone().await.held(resources).await
    }

    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        self.0.clone().await.locked().await
    }

    async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        self.0.clone().await.pass(wanted).await
    }

    async fn decide(&self, entry: Entry) -> Result<Record, JournalError> {
        self.0.clone().await.decide(entry).await
    }

    async fn approval(&self, plan_hash: &str) -> Result<Option<Approval>, JournalError> {
        self.0.clone().await.approval(plan_hash).await
    }

    async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        self.0.clone().await.approvals().await
    }

    async fn others(&self, after: Option<Uuid>) -> Result<Option<Box<dyn Others>>, JournalError> {
        self.0.clone().await.others(after).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::absent::Absent;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn who_asks_early_waits_and_gets_what_it_became() {
        let (open, opened) = oneshot::channel();
        let journal = Opening::start(|| async { opened.await.unwrap_or_else(|_| unreachable!("it is sent")) });
        let early = tokio::spawn({
            let journal = journal.clone();
            async move { journal.recent(1).await }
        });
        let became: Arc<dyn Journal> = Arc::new(Absent(JournalError::new("no room", "make some")));
        assert!(open.send(became).is_ok());
        assert_eq!(early.await.unwrap().unwrap_err().what, "no room");
        assert_eq!(
            journal.claim(RunId(uuid::Uuid::nil())).await.ok(),
            Some(true),
            "the default of a journal that one process uses"
        );
    }

    #[tokio::test]
    async fn an_opening_that_panics_is_a_journal_that_is_absent() {
        let journal = Opening::start(|| async { panic!("on purpose") });
        assert!(journal.recent(1).await.unwrap_err().what.starts_with("opening the journal was cut off"));
    }
}
