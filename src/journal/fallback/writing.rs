//! The one chain for both places: what is appended to it, there or here.

use super::super::attending::Meant;
use super::super::chain::{self, Hand};
use super::super::postgres::Failed;
use super::super::{Journal as _, JournalError};
use super::patience::within;
use super::{BOUND, Chain, Inner, Left, takes_server};
use crate::clock;
use crate::domain::RunId;
use crate::domain::record::{Actor, Entry, Record, RecordKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;
use uuid::Uuid;

/// For so long it goes on over a broken line: a little less, so that the server is asked once more whether it is there.
const OVER_A_BREAK: Duration = Duration::from_millis(1500);

impl Inner {
    /// The chain has begun on the server; `false`: the server is away.
    pub(super) fn begun(self: &Arc<Self>) -> BoxFuture<'_, Result<bool, JournalError>> {
        async move {
            self.settle().await;
            if self.is_left().is_some() {
                return Ok(false);
            }
            let mut chain = self.chain.lock().await;
            let begun = within(BOUND, self.begin(&mut chain)).await;
            match begun.unwrap_or_else(|_| Err(Failed::Away(self.silent(BOUND)))) {
                Ok(()) => {
                    self.here.catch_up().await;
                    Ok(true)
                }
                Err(Failed::Refused(error)) => Err(error),
                Err(Failed::Away(why)) => {
                    self.leave(&why);
                    Ok(false)
                }
            }
        }
        .boxed()
    }

    pub(super) async fn claim(self: &Arc<Self>, run: RunId) -> Result<bool, JournalError> {
        if self.begun().await?
            && let Some(claimed) = self.ask(self.team.claim(run)).await?
        {
            if claimed {
                self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(run);
            }
            return Ok(claimed);
        }
        self.file().await?.claim(run).await
    }

    /// As [`PostgresJournal::reopen`], over this chain.
    pub(super) async fn reopen(self: &Arc<Self>, meant: Meant) -> Result<Option<Record>, JournalError> {
        let run = meant.entry.run.unwrap_or(RunId(Uuid::nil()));
        if self.begun().await? {
            let driven = self.ask(self.team.is_driven(run)).await?;
            if driven == Some(true) && !self.claim(run).await? {
                return Ok(None);
            }
        }
        match self.append(meant, Some(run)).await {
            Err(error) => match self.ask(self.team.is_driven(run)).await? {
                Some(true) => Ok(None),
                Some(false) | None => Err(error),
            },
            appended => appended,
        }
    }

    /// Here or there; `None`: another living process drives the run that it `resumes`.
    pub(super) fn append(
        self: &Arc<Self>,
        meant: Meant,
        resumes: Option<RunId>,
    ) -> BoxFuture<'_, Result<Option<Record>, JournalError>> {
        async move {
            self.settle().await;
            let mut entry = self.redactor.entry(meant.entry);
            entry.data = chain::settle(entry.data);
            let meant = Meant { entry, ..meant };
            let mut chain = self.chain.lock().await;
            if self.is_left().is_none() {
                match self.append_there(&mut chain, &meant).await {
                    Ok(record) => return Ok(Some(record)),
                    Err(Failed::Refused(error)) => return Err(error),
                    Err(Failed::Away(why)) => self.leave(&why),
                }
            }
            if takes_server(&meant.entry) {
                return Err(self.takes_two());
            }
            self.append_here(&mut chain, meant, resumes).await
        }
        .boxed()
    }

    pub(super) fn takes_two(&self) -> JournalError {
        let why = self.is_left().map(|left| left.away.why.what).unwrap_or_default();
        let what =
            format!("who approves what takes two is judged by the team's journal alone, and that is away ({why})");
        JournalError::new(what, "wait until it is back, or break the glass")
    }

    async fn append_there(&self, chain: &mut Chain, meant: &Meant) -> Result<Record, Failed> {
        let sent = async {
            // Sent into a line that is gone nobody knows whether it was judged: it may be used, and may begin nothing.
            if takes_server(&meant.entry) {
                self.team.hello().await?;
            }
            self.begin(chain).await?;
            let record = self.link(chain, meant.clone());
            self.send(chain, record).await
        };
        let record = within(BOUND, sent).await.unwrap_or_else(|_| Err(Failed::Away(self.silent(BOUND))))?;
        self.here.lags(&record).await;
        self.here.catch_up().await;
        Ok(record)
    }

    pub(super) async fn begin(&self, chain: &mut Chain) -> Result<(), Failed> {
        if chain.login.is_none() {
            let hello = self.team.hello().await?;
            (chain.login, chain.ahead_ms) = (Some(hello.login), Some(hello.ahead_ms));
        }
        // What the server may have or not comes before anything else.
        let first = match chain.doubt.clone() {
            None if chain.seq == 0 => Some(self.link(chain, self.opening(chain))),
            doubt => doubt,
        };
        if let Some(record) = first {
            let record = self.send(chain, record).await?;
            self.here.lags(&record).await;
        }
        Ok(())
    }

    pub(super) async fn send(&self, chain: &mut Chain, record: Record) -> Result<Record, Failed> {
        chain.doubt = Some(record.clone());
        let sent = self.team.send(&record, OVER_A_BREAK).await;
        match sent {
            Ok(()) => chain.advance(&record),
            Err(Failed::Refused(_)) => chain.doubt = None,
            Err(Failed::Away(_)) => {}
        }
        sent.map(|()| record)
    }

    /// What the server may have or not goes first, as the same record: when it is this entry's, nothing else is written for it.
    async fn append_here(
        &self,
        chain: &mut Chain,
        meant: Meant,
        resumes: Option<RunId>,
    ) -> Result<Option<Record>, JournalError> {
        let (seq, hash) = (chain.seq, chain.hash.clone());
        let mut batch: Vec<Record> = Vec::new();
        let doubt = chain.doubt.clone();
        let sent =
            doubt.as_ref().is_some_and(|doubt| (&doubt.entry, &doubt.incident) == (&meant.entry, &meant.incident));
        let opening = (seq == 0 && doubt.is_none()).then(|| self.opening(chain));
        let note = (!chain.noted).then(|| self.why_here());
        let rest = opening.into_iter().chain(note).chain((!sent).then_some(meant));
        batch.extend(doubt);
        for meant in rest {
            let last = batch.last().map_or((seq, hash.clone()), |last| (last.seq, last.hash.clone()));
            batch.push(self.link_after(chain, last, meant));
        }
        let Some(last) = batch.last().cloned() else { return Ok(None) };
        let ours = if sent { batch.first().cloned() } else { Some(last.clone()) };
        if !self.file().await?.adopt(batch, BTreeMap::default(), resumes).await? {
            return Ok(None);
        }
        chain.advance(&last);
        chain.noted = true;
        Ok(ours.map(|mut record| {
            record.kept.local = true;
            record
        }))
    }

    pub(super) fn link(&self, chain: &Chain, meant: Meant) -> Record {
        self.link_after(chain, (chain.seq, chain.hash.clone()), meant)
    }

    fn link_after(&self, chain: &Chain, (seq, hash): (u64, String), meant: Meant) -> Record {
        let name = chain.login.clone().unwrap_or_else(|| self.actor.name.clone());
        let actor = Actor { name, ..self.actor.clone() };
        let hand = Hand { writer: self.writer, actor, incident: meant.incident };
        chain::link(clock::now(), hand, seq + 1, hash, meant.entry)
    }

    fn opening(&self, chain: &Chain) -> Meant {
        let mut data = serde_json::to_value(&self.process).unwrap_or_default();
        data["user"] = json!(self.actor.name);
        if let Some(ahead_ms) = chain.ahead_ms {
            data["clock_ahead_ms"] = json!(ahead_ms);
        }
        self.of_its_own(self.entry(RecordKind::JournalOpen, data))
    }

    /// That the chain goes on here, since when and why.
    fn why_here(&self) -> Meant {
        let mut data = serde_json::to_value(&self.process).unwrap_or_default();
        if let Some(Left { away, .. }) = self.is_left() {
            data["since"] = json!(away.since.to_string());
            data["why"] = json!(away.why.what);
        }
        self.of_its_own(self.redactor.entry(self.entry(RecordKind::JournalAway, data)))
    }

    /// What the journal says by itself belongs to what is attended to.
    pub(super) fn of_its_own(&self, entry: Entry) -> Meant {
        Meant { entry, incident: self.attending.now() }
    }

    pub(super) fn entry(&self, kind: RecordKind, data: Value) -> Entry {
        Entry { kind, run: None, step: None, role: None, target: None, env: self.env.clone(), data }
    }
}
