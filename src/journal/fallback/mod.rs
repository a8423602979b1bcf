//! A team's journal that goes on in a file of this machine while its server is away, and brings there what was recorded meanwhile.
//!
//! One chain for both places: a record has its number before it is sent, and what the server may have or not is written to the file as the
//! same record. What the server took is written to the file too before an append returns, so that the file knows all that was done from this
//! machine: a start while the server is away can tell what an earlier process left unfinished.

mod file;
mod locks;
mod merge;
mod others;
#[cfg(test)]
mod tests;

pub use merge::Merged;

use super::attending::{Attending, Meant};
use super::chain::Hand;
use super::lease::{Grant, Lease, Taken};
use super::postgres::{Failed, PostgresJournal};
use super::process::{Process, actor};
use super::sqlite::SqliteJournal;
use super::{Away, Journal, JournalError, Others, chain};
use crate::clock;
use crate::connect::postgres::LoginSettings;
use crate::domain::record::{Actor, Entry, Record, RecordKind};
use crate::domain::{IncidentId, RunId};
use crate::redact::Redactor;
use crate::runbook::Approval;
use crate::runbook::approvals::Request;
use async_trait::async_trait;
use file::Here;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use locks::Locks;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Plain, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// For so long an append waits for the server before it is made durable here.
const BOUND: Duration = Duration::from_secs(2);
/// For so long it goes on over a broken line: a little less, so that the server is asked once more whether it is there.
const OVER_A_BREAK: Duration = Duration::from_millis(1500);
/// For so long a question waits for the server before it is answered from here.
const ANSWER: Duration = Duration::from_secs(4);
/// For so long appends wait at most while the last records are brought to the server that is back.
const RETURN: Duration = Duration::from_secs(10);
/// Time between two looks whether the server is back: it doubles up to the second.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A team's journal with a file to fall back to. A clone is the same writer.
#[derive(Clone)]
pub struct Fallback {
    inner: Arc<Inner>,
}

struct Inner {
    team: PostgresJournal,
    here: Here,
    env: String,
    redactor: Redactor,
    writer: Uuid,
    process: Process,
    /// Host and user of this machine; the name in records is the login's, once the server has said it.
    actor: Actor,
    attending: Attending,
    chain: Mutex<Chain>,
    away: Plain<Option<Left>>,
    /// The server was left.
    left: Arc<Notify>,
    locks: Mutex<Locks>,
    /// The runs that this process has taken over.
    claimed: Plain<BTreeSet<RunId>>,
    /// What earlier processes have left in the file is on the server.
    settled: AtomicBool,
}

/// That the server is away.
#[derive(Clone, Debug)]
struct Left {
    away: Away,
    /// The server is there, and this login may not act any more: why.
    looks: Option<String>,
}

/// Where this process's chain stands, wherever its last record is.
struct Chain {
    seq: u64,
    hash: String,
    /// Who writes, once the server has said it.
    login: Option<String>,
    /// How far the server's clock is ahead, when it said so.
    ahead_ms: Option<i64>,
    /// The next record, which the server may have or not.
    doubt: Option<Record>,
    /// That the server is away is recorded.
    noted: bool,
}

impl Chain {
    fn advance(&mut self, record: &Record) {
        self.seq = record.seq;
        self.hash.clone_from(&record.hash);
        self.doubt = None;
    }
}

impl Fallback {
    /// Begins nothing yet: the first use does. `file`: where it falls back to; none: it can't, and says so then. To be called inside an async runtime.
    ///
    /// # Errors
    /// When the login can't be one.
    pub fn new(
        settings: &LoginSettings,
        file: Option<PathBuf>,
        env: &str,
        redactor: Redactor,
    ) -> Result<Self, JournalError> {
        Self::new_as(settings, file, env, redactor, actor(), Process::this())
    }

    /// The same in the name of another person or process: for tests of what happens when a process has died.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_as(
        settings: &LoginSettings,
        file: Option<PathBuf>,
        env: &str,
        redactor: Redactor,
        actor: Actor,
        process: Process,
    ) -> Result<Self, JournalError> {
        let team = PostgresJournal::new_as(settings, env, redactor.clone(), actor.clone(), process.clone())?;
        let (writer, left) = (team.writer(), Arc::new(Notify::new()));
        let inner = Arc::new(Inner {
            here: Here::new(file, writer, actor.clone()),
            team,
            env: env.to_owned(),
            redactor,
            writer,
            process,
            actor,
            attending: Attending::default(),
            chain: Mutex::new(Chain {
                seq: 0,
                hash: chain::GENESIS.to_owned(),
                login: None,
                ahead_ms: None,
                doubt: None,
                noted: false,
            }),
            away: Plain::default(),
            left: Arc::clone(&left),
            locks: Mutex::default(),
            claimed: Plain::default(),
            settled: AtomicBool::new(false),
        });
        tokio::spawn(look_for(Arc::downgrade(&inner), left));
        Ok(Self { inner })
    }

    /// The id of this process's chain.
    pub fn writer(&self) -> Uuid {
        self.inner.writer
    }

    /// Brings to the server what the file has and the server lacks, of all processes of this login.
    ///
    /// # Errors
    /// When the server is away, or lets this login not write.
    pub async fn merge(&self) -> Result<Merged, JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.bring().await.map_err(Failed::why) }).await
    }
}

impl Fallback {
    async fn append_meant(&self, meant: Meant) -> Result<Record, JournalError> {
        let inner = Arc::clone(&self.inner);
        let none = || JournalError::new("the journal has not taken a record", "this is a defect: report it");
        whole(async move { inner.append(meant, None).await?.ok_or_else(none) }).await
    }
}

/// Only the server can judge it: an approval, and what begins by one.
fn takes_server(entry: &Entry) -> bool {
    let asks = matches!(
        entry.kind,
        RecordKind::ApprovalAsked
            | RecordKind::ApprovalGiven
            | RecordKind::ApprovalRefused
            | RecordKind::ApprovalWithdrawn
    );
    let begins = matches!(entry.kind, RecordKind::RunStart | RecordKind::RunResume);
    asks || begins && entry.data["approval"].is_string()
}

/// Does it in a task of its own: a caller that stops waiting leaves it done or not done.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, JournalError>> + Send + 'static,
) -> Result<T, JournalError> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|cut| Err(JournalError::new(format!("the journal: it was cut off ({cut})"), "try again")))
}

#[async_trait]
impl Journal for Fallback {
    async fn attend(&self, incident: Option<IncidentId>) {
        self.inner.attending.set(incident);
    }

    async fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        self.append_meant(self.inner.attending.meant(entry, self).await).await
    }

    async fn append_to(&self, incident: IncidentId, entry: Entry) -> Result<Record, JournalError> {
        self.append_meant(Meant::to(incident, entry)).await
    }

    async fn recent(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.recent(limit)).await? {
            Some(records) => Ok(records),
            None => self.inner.here.marked(self.inner.file().await?.recent(limit).await?).await,
        }
    }

    async fn of_incidents(&self, limit: u32) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.of_incidents(limit)).await? {
            Some(records) => Ok(records),
            None => self.inner.here.marked(self.inner.file().await?.of_incidents(limit).await?).await,
        }
    }

    async fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.unfinished()).await? {
            Some(records) => Ok(records),
            None => self.inner.file().await?.unfinished().await,
        }
    }

    async fn open_runs(&self) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.open_runs()).await? {
            Some(records) => Ok(records),
            None => self.inner.file().await?.open_runs().await,
        }
    }

    async fn host(&self) -> Option<String> {
        Some(self.inner.actor.host.clone())
    }

    async fn only_looks(&self) -> Option<String> {
        match self.inner.is_left() {
            Some(left) => left.looks,
            None => self.inner.only_looks().await,
        }
    }

    async fn away(&self) -> Option<Away> {
        self.inner.is_left().map(|left| left.away)
    }

    async fn clock(&self) -> Option<(Uuid, i64)> {
        // Nobody waits for that while something is recorded.
        let chain = self.inner.chain.try_lock().ok()?;
        Some((self.inner.writer, chain.ahead_ms?))
    }

    async fn claim(&self, run: RunId) -> Result<bool, JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.claim(run).await }).await
    }

    async fn reopen(&self, entry: Entry) -> Result<Option<Record>, JournalError> {
        let inner = Arc::clone(&self.inner);
        let meant = inner.attending.meant(entry, self).await;
        whole(async move { inner.reopen(meant).await }).await
    }

    async fn of_run(&self, run: RunId) -> Result<Vec<Record>, JournalError> {
        match self.inner.ask(self.inner.team.of_run(run)).await? {
            Some(records) => Ok(records),
            None => self.inner.here.marked(self.inner.file().await?.of_run(run).await?).await,
        }
    }

    async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> Result<Taken, JournalError> {
        let (inner, resources) = (Arc::clone(&self.inner), resources.to_vec());
        whole(async move { inner.take(run, resources, ttl).await }).await
    }

    async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        let (inner, grants) = (Arc::clone(&self.inner), grants.to_vec());
        whole(async move { inner.renew(run, &grants, ttl).await }).await
    }

    async fn release(&self, run: RunId) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.release(run).await }).await
    }

    async fn held(&self, resources: &[String]) -> Result<Vec<Lease>, JournalError> {
        match self.inner.ask(self.inner.team.held(resources)).await? {
            Some(held) => Ok(self.inner.held_here_too(held, resources).await),
            None => self.inner.file().await?.held(resources).await,
        }
    }

    async fn locked(&self) -> Result<Vec<String>, JournalError> {
        match self.inner.ask(self.inner.team.locked()).await? {
            Some(locked) => Ok(locked),
            None => self.inner.file().await?.locked().await,
        }
    }

    async fn pass(&self, wanted: Uuid) -> Result<Option<String>, JournalError> {
        let inner = Arc::clone(&self.inner);
        whole(async move { inner.pass(wanted).await }).await
    }

    async fn decide(&self, entry: Entry) -> Result<Record, JournalError> {
        self.append(entry).await
    }

    async fn approval(&self, plan_hash: &str) -> Result<Option<Approval>, JournalError> {
        Ok(self.inner.ask(self.inner.team.approval(plan_hash)).await?.flatten())
    }

    async fn approvals(&self) -> Result<Vec<Request>, JournalError> {
        self.inner.ask(self.inner.team.approvals()).await?.ok_or_else(|| self.inner.takes_two())
    }

    async fn others(&self, after: Option<Uuid>) -> Result<Option<Box<dyn Others>>, JournalError> {
        Ok(Some(Box::new(others::Both::new(Arc::clone(&self.inner), after).await)))
    }
}

impl Drop for Inner {
    /// Whoever looks for the server ends.
    fn drop(&mut self) {
        self.left.notify_one();
    }
}

impl Inner {
    fn is_left(&self) -> Option<Left> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server is away from now on, unless it is known to be.
    fn leave(self: &Arc<Self>, why: &JournalError) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_some() {
            return;
        }
        tracing::warn!(%why, "the team's journal is away: it goes on in a file of this machine");
        *away = Some(Left { away: Away { since: clock::now().wall, why: why.clone() }, looks: None });
        self.left.notify_one();
        let inner = Arc::clone(self);
        let settled = async move {
            inner.team.hang_up().await;
            inner.settle_in().await;
        };
        tokio::spawn(settled.boxed());
    }

    /// What others on this machine must see while the server is away: what this process drives and holds.
    async fn settle_in(&self) {
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let driven = match self.file().await {
            Ok(file) => file.drives(claimed).await,
            Err(error) => Err(error),
        };
        if let Err(error) = driven {
            tracing::warn!(%error, "other processes of this machine do not see what this one drives");
        }
        self.hold_here().await;
    }

    /// The file, with what it still lacks of this chain; why the server is away stands beside when it can't be had.
    fn file(&self) -> BoxFuture<'_, Result<SqliteJournal, JournalError>> {
        async move {
            let file = match self.here.caught_up().await {
                Ok(file) => return Ok(file),
                Err(error) => error,
            };
            let Some(left) = self.is_left() else { return Err(file) };
            let what = format!("{}; and there is no falling back: {}", left.away.why.what, file.what);
            Err(JournalError::new(what, format!("{}; or {}", left.away.why.hint, file.hint)))
        }
        .boxed()
    }

    /// What the server says; `None`: it is away, and the file is to be asked.
    async fn ask<T>(
        self: &Arc<Self>,
        question: impl Future<Output = Result<T, JournalError>>,
    ) -> Result<Option<T>, JournalError> {
        self.settle().await;
        if self.is_left().is_some() {
            return Ok(None);
        }
        match timeout(ANSWER, question).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) if self.is_away_by_now(&error).await => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.leave(&self.silent(ANSWER));
                Ok(None)
            }
        }
    }

    fn silent(&self, bound: Duration) -> JournalError {
        let what = format!("the journal at {} said nothing for {} s", self.team.place(), bound.as_secs());
        JournalError::new(what, "see whether it hangs")
    }

    /// After a failure: whether the server is away, or has judged.
    fn is_away_by_now<'a>(self: &'a Arc<Self>, error: &'a JournalError) -> BoxFuture<'a, bool> {
        async move {
            match timeout(BOUND, self.team.hello()).await {
                Ok(Ok(_) | Err(Failed::Refused(_))) => return false,
                Ok(Err(Failed::Away(_))) => self.leave(error),
                Err(_) => self.leave(&self.silent(BOUND)),
            }
            true
        }
        .boxed()
    }

    /// Before the first answer: what earlier processes have left in the file is brought to the server, if it is there.
    fn settle(self: &Arc<Self>) -> BoxFuture<'_, ()> {
        async move {
            if self.settled.load(Ordering::Acquire) || self.is_left().is_some() {
                return;
            }
            if !self.here.has_pending().await {
                return self.settled.store(true, Ordering::Release);
            }
            match timeout(RETURN, self.bring()).await {
                Ok(Ok(_)) => self.settled.store(true, Ordering::Release),
                Ok(Err(Failed::Away(why))) => self.leave(&why),
                Ok(Err(Failed::Refused(why))) => {
                    tracing::warn!(%why, "what is left in the file is not brought to the team's journal");
                    self.settled.store(true, Ordering::Release);
                }
                Err(_) => self.leave(&self.silent(RETURN)),
            }
        }
        .boxed()
    }

    /// Brings all that the file has to the server, and records that.
    fn bring(&self) -> BoxFuture<'_, Result<Merged, Failed>> {
        self.bring_all().boxed()
    }

    async fn bring_all(&self) -> Result<Merged, Failed> {
        let hello = self.team.hello().await?;
        let file = self.here.caught_up().await.map_err(Failed::Refused)?;
        let merged = merge::merge(&self.team, &file, None, merge::PAGE).await?;
        let mut chain = self.chain.lock().await;
        chain.login = Some(hello.login);
        chain.ahead_ms = Some(hello.ahead_ms);
        self.tell_merged(&mut chain, &merged).await?;
        Ok(merged)
    }

    async fn only_looks(self: &Arc<Self>) -> Option<String> {
        self.settle().await;
        let looks = timeout(ANSWER, self.team.may_only_look()).await.ok().flatten();
        if looks.is_none() && self.is_left().is_none() {
            // That it is here is recorded; if it can't be, the next append says why.
            let _ = self.begun().await;
        }
        looks
    }

    /// The chain has begun on the server; `false`: the server is away.
    fn begun(self: &Arc<Self>) -> BoxFuture<'_, Result<bool, JournalError>> {
        async move {
            self.settle().await;
            if self.is_left().is_some() {
                return Ok(false);
            }
            let mut chain = self.chain.lock().await;
            let begun = timeout(BOUND, self.begin(&mut chain)).await;
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

    async fn claim(self: &Arc<Self>, run: RunId) -> Result<bool, JournalError> {
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
    async fn reopen(self: &Arc<Self>, meant: Meant) -> Result<Option<Record>, JournalError> {
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
    fn append(
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

    fn takes_two(&self) -> JournalError {
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
        let record = timeout(BOUND, sent).await.unwrap_or_else(|_| Err(Failed::Away(self.silent(BOUND))))?;
        self.here.lags(&record).await;
        self.here.catch_up().await;
        Ok(record)
    }

    async fn begin(&self, chain: &mut Chain) -> Result<(), Failed> {
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

    async fn send(&self, chain: &mut Chain, record: Record) -> Result<Record, Failed> {
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

    fn link(&self, chain: &Chain, meant: Meant) -> Record {
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
    fn of_its_own(&self, entry: Entry) -> Meant {
        Meant { entry, incident: self.attending.now() }
    }

    fn entry(&self, kind: RecordKind, data: Value) -> Entry {
        Entry { kind, run: None, step: None, role: None, target: None, env: self.env.clone(), data }
    }

    /// Tries to go back to the server: what was recorded here is brought there first, and nothing is appended in between.
    fn come_back(self: &Arc<Self>) -> BoxFuture<'_, bool> {
        async move {
            let met = timeout(ANSWER, self.team.hello()).await;
            let hello = match met.unwrap_or_else(|_| Err(Failed::Away(self.silent(ANSWER)))) {
                Ok(hello) => hello,
                Err(failed) => return self.still_away(failed),
            };
            let back = async {
                let file = self.here.caught_up().await.map_err(Failed::Refused)?;
                // Most of it, while appends go on.
                let mut merged = merge::merge(&self.team, &file, Some(self.writer), merge::PAGE).await?;
                let mut chain = self.chain.lock().await;
                if let Some(doubt) = chain.doubt.clone() {
                    file.adopt(vec![doubt.clone()], BTreeMap::default(), None).await.map_err(Failed::Refused)?;
                    chain.advance(&doubt);
                }
                let rest = timeout(RETURN, merge::merge(&self.team, &file, Some(self.writer), merge::PAGE)).await;
                merged.and(rest.unwrap_or_else(|_| Err(Failed::Away(self.silent(RETURN))))?);
                if let Some(why) = merged.of(self.writer) {
                    return Err(Failed::Refused(JournalError::new(why, "run `quarterdeck journal verify`")));
                }
                (chain.login, chain.ahead_ms) = (Some(hello.login), Some(hello.ahead_ms));
                timeout(RETURN, self.tell_merged(&mut chain, &merged))
                    .await
                    .unwrap_or_else(|_| Err(Failed::Away(self.silent(RETURN))))?;
                self.hold_there().await;
                chain.noted = false;
                *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.settled.store(true, Ordering::Release);
                tracing::info!(records = merged.records, "the team's journal is back");
                Ok(())
            };
            match back.await {
                Ok(()) => true,
                Err(failed) => {
                    self.team.hang_up().await;
                    self.still_away(failed)
                }
            }
        }
        .boxed()
    }

    fn still_away(&self, failed: Failed) -> bool {
        let refused = matches!(failed, Failed::Refused(_));
        let why = failed.why();
        tracing::debug!(%why, "the team's journal is still away");
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = away.as_mut() {
            left.looks = refused.then(|| why.to_string());
            left.away.why = why;
        }
        false
    }

    /// The heads of what was brought to the server stand in this chain from now on, on both sides.
    async fn tell_merged(&self, chain: &mut Chain, merged: &Merged) -> Result<(), Failed> {
        if merged.records == 0 {
            return Ok(());
        }
        self.begin(chain).await?;
        let mut data = merged.as_json();
        data["clock_ahead_ms"] = json!(chain.ahead_ms);
        let record = self.link(chain, self.of_its_own(self.entry(RecordKind::JournalMerge, data)));
        let record = self.send(chain, record).await?;
        self.here.lags(&record).await;
        self.here.catch_up().await;
        Ok(())
    }
}

/// Whenever the server was left: looks now and then whether it is back, until it is.
async fn look_for(inner: Weak<Inner>, left: Arc<Notify>) {
    loop {
        left.notified().await;
        let mut wait = LOOKS.0;
        loop {
            sleep(wait).await;
            let Some(inner) = inner.upgrade() else { return };
            if inner.is_left().is_none() || inner.come_back().await {
                break;
            }
            wait = (wait * 2).min(LOOKS.1);
        }
    }
}
