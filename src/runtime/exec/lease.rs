//! What a run holds while it goes on: taken before it begins, renewed while it lives, looked at again before each change, given back
//! at its end.
//!
//! `database/NAME` is locked on that database itself too, where a config names it and it can be reached: other teams have other journals. A run that
//! begins while the database can't be reached goes on without, and says so: it may be the one that brings the database back.

use super::Exec;
use crate::connect::Postgres;
use crate::connect::advisory::{self, Advisory, Not};
use crate::domain::RunId;
use crate::domain::text::clean;
use crate::journal::Journal;
use crate::journal::lease::{Grant, Lease, TTL, Taken};
use crate::journal::process::actor;
use crate::runbook::model::{Name, Runbook};
use crate::runbook::params;
use crate::runbook::plan::PlannedLock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

/// So many times within its time a lease is renewed: one renewal that fails does no harm.
const RENEWALS: u32 = 3;

/// Time between two looks at who holds a lock, and how often: a second in all.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 10;

/// What a runbook locks, with the values of its parameters; the error names a parameter that has none.
pub(super) fn resources(runbook: &Runbook, values: &BTreeMap<String, Value>) -> Result<BTreeSet<String>, String> {
    let mut resources = BTreeSet::new();
    for lock in &runbook.lock {
        let names: Vec<String> = match &lock.name {
            Name::Is(name) => vec![name.clone()],
            Name::Param(param) => match values.get(param) {
                Some(Value::Array(list)) if !list.is_empty() => list.iter().map(params::show).collect(),
                Some(value) if !value.is_null() && !value.is_array() => vec![params::show(value)],
                Some(_) | None => {
                    return Err(format!("it locks {}/${param}, and {param:?} has no value", lock.kind));
                }
            },
        };
        resources.extend(names.iter().map(|name| format!("{}/{name}", lock.kind)));
    }
    Ok(resources)
}

impl Exec {
    /// What a runbook locks, and who holds that just now; `family`: the runs that this one is to belong to. The error says why the
    /// plan can't be approved.
    pub(super) async fn locks(
        &self,
        runbook: &Runbook,
        values: &BTreeMap<String, Value>,
        family: &[RunId],
    ) -> Result<Vec<PlannedLock>, String> {
        let resources: Vec<String> = resources(runbook, values)?.into_iter().collect();
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.journal.held(&resources).await.map_err(|error| format!("its locks are not known: {error}"))?;
        let mut locks: Vec<PlannedLock> = resources
            .into_iter()
            .map(|resource| {
                let lease = held.iter().find(|lease| lease.resource == resource);
                // What was passed on to a run that is to begin here is as good as free.
                let lease = lease.filter(|lease| !self.runs.is_passed(lease.run));
                let ours = lease.is_some_and(|lease| family.contains(&lease.run));
                let others = lease.filter(|_| !ours);
                let (holder, held_by) = (others.map(ToString::to_string), others.map(|lease| lease.run));
                PlannedLock { resource, holder, held_by, ours }
            })
            .collect();
        for lock in locks.iter_mut().filter(|lock| lock.holder.is_none() && !lock.ours) {
            if let Some(server) = self.database(&lock.resource) {
                // What can't be asked now is tried when the run begins.
                lock.holder = advisory::holder(server, &lock.resource).await.unwrap_or_default();
            }
        }
        Ok(locks)
    }

    /// The server that a lock is about: `database/primary` is `[postgres.primary]`.
    fn database(&self, resource: &str) -> Option<&Postgres> {
        resource.strip_prefix("database/").and_then(|name| self.connections.postgres(name))
    }

    /// Why what is locked binds nobody on another machine, if so.
    pub(super) async fn unbound(&self, locks: &[PlannedLock]) -> Option<String> {
        if locks.is_empty() {
            return None;
        }
        self.journal.away().await.map(|away| away.unbound())
    }
}

/// What a run holds.
pub(super) struct Held {
    run: RunId,
    grants: Vec<Grant>,
    /// What the runs hold that called this one.
    family: Option<Arc<Self>>,
    renewing: Option<AbortHandle>,
    /// Databases that are locked themselves, by their resource.
    databases: Mutex<BTreeMap<String, Advisory>>,
    /// Databases that could not be: why.
    without: Vec<String>,
    /// One person has said why changes are made though nobody knows whether the locks are still this run's.
    glass: AtomicBool,
}

/// Why nothing may be changed by a run.
enum Lost {
    /// What it locks is not its own any more.
    Gone(String),
    /// Nobody knows whether it is: the team's server is away.
    Unbound(String),
}

impl Held {
    /// Takes all that a plan locks, but what a run of its family holds. The error says who holds it. `glass`: one person has said why it is done
    /// though its locks may bind nobody else.
    pub(super) async fn take(
        exec: &Exec,
        run: RunId,
        locks: &[PlannedLock],
        family: Option<Arc<Self>>,
        glass: bool,
    ) -> Result<Self, String> {
        let wanted = locks.iter().map(|lock| &lock.resource);
        let ours = |resource: &String| family.as_ref().is_some_and(|family| family.has(resource));
        let wanted: Vec<String> = wanted.filter(|resource| !ours(resource)).cloned().collect();
        let (databases, without) = (Mutex::default(), Vec::new());
        let mut held =
            Self { run, grants: Vec::new(), family, renewing: None, databases, without, glass: glass.into() };
        if wanted.is_empty() {
            return Ok(held);
        }
        if let Some(away) = exec.journal.away().await.filter(|_| !glass) {
            return Err(format!("{}: plan it again, and say why it must be done now", away.unbound()));
        }
        match exec.journal.take(run, &wanted, TTL).await {
            Ok(Taken::All(grants)) => held.grants = grants,
            Ok(Taken::Held(lease)) => return Err(begun(exec, *lease).await.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        if let Err(why) = held.take_databases(exec).await {
            held.release(exec).await;
            return Err(why);
        }
        let renewing = tokio::spawn(renew(Arc::clone(&exec.journal), run, held.grants.clone()));
        held.renewing = Some(renewing.abort_handle());
        Ok(held)
    }

    async fn take_databases(&mut self, exec: &Exec) -> Result<(), String> {
        let actor = actor();
        let ours = format!("quarterdeck run {} by ", self.run.short());
        let name = format!("{ours}{}@{}", actor.name, actor.host);
        for grant in &self.grants {
            let Some(server) = exec.database(&grant.resource) else { continue };
            match Advisory::take(server, &grant.resource, &name).await {
                Ok(taken) => drop(self.databases.get_mut().insert(grant.resource.clone(), taken)),
                // Two names of one database.
                Err(Not::Held(who)) if who.contains(&ours) => {}
                Err(Not::Held(who)) => return Err(who),
                Err(Not::Unreached(why)) => {
                    tracing::warn!(resource = grant.resource, %why, "a database is not locked itself");
                    self.without.push(format!("{} not on the database itself: {why}", grant.resource));
                }
            }
        }
        Ok(())
    }

    /// The databases are still locked themselves, or are again.
    async fn check_databases(&self, exec: &Exec) -> Result<(), String> {
        for (resource, taken) in &*self.databases.lock().await {
            let Some(server) = exec.database(resource) else { continue };
            taken.check(server).await.map_err(|not| match not {
                Not::Held(who) => format!("the lock on the database was lost: {who}"),
                Not::Unreached(why) => {
                    format!("the lock on {} was lost, and can't be taken again: {why}", clean(resource))
                }
            })?;
        }
        Ok(())
    }

    fn has(&self, resource: &str) -> bool {
        self.grants.iter().any(|grant| grant.resource == resource)
            || self.family.as_ref().is_some_and(|family| family.has(resource))
    }

    /// It holds something of its own.
    pub(super) fn is_some(&self) -> bool {
        !self.grants.is_empty()
    }

    /// Looks in the store whether all of it, and of its family, is still held: whoever was asleep for too long must change nothing.
    pub(super) async fn check(&self, exec: &Exec) -> Result<(), String> {
        self.judge(exec).await.map_err(|lost| match lost {
            Lost::Gone(why) => why,
            Lost::Unbound(why) => format!("whether its locks are still held is not known: {why}"),
        })
    }

    /// Why nobody knows whether what it locks is still its own, because the team's server is away; `None`: it is, or is not any more.
    pub(super) async fn unbound(&self, exec: &Exec) -> Option<String> {
        exec.journal.away().await?;
        match self.judge(exec).await {
            Err(Lost::Unbound(why)) => Some(why),
            Ok(()) | Err(Lost::Gone(_)) => None,
        }
    }

    /// One person has said why it goes on without the server. What the runs hold that called this one they answer for themselves.
    pub(super) fn break_glass(&self) {
        self.glass.store(true, Ordering::Release);
    }

    async fn judge(&self, exec: &Exec) -> Result<(), Lost> {
        let glass = self.glass.load(Ordering::Acquire);
        let mut at = Some(self);
        while let Some(held) = at {
            if held.is_some() {
                match exec.journal.renew(held.run, &held.grants, TTL).await {
                    Ok(true) => {}
                    Ok(false) => return Err(Lost::Gone(held.lost(exec).await)),
                    Err(error) => match exec.journal.away().await {
                        // What could be lost by that was said to the one who gave the reason.
                        Some(_) if glass => {}
                        Some(_) => return Err(Lost::Unbound(error.to_string())),
                        None => {
                            return Err(Lost::Gone(format!("whether its locks are still held is not known: {error}")));
                        }
                    },
                }
                held.check_databases(exec).await.map_err(Lost::Gone)?;
            }
            at = held.family.as_deref();
        }
        Ok(())
    }

    async fn lost(&self, exec: &Exec) -> String {
        let mut resources: Vec<String> = self.grants.iter().map(|grant| grant.resource.clone()).collect();
        let held = exec.journal.held(&resources).await.unwrap_or_default();
        // What is still its own of several.
        let ours = |resource: &String| held.iter().any(|lease| lease.run == self.run && &lease.resource == resource);
        if !resources.iter().all(ours) {
            resources.retain(|resource| !ours(resource));
        }
        let who = held.iter().find(|lease| lease.run != self.run).map(|lease| format!(": {lease}")).unwrap_or_default();
        format!(
            "the lock on {} is lost: it was taken over, or this run was not heard of for too long{who}",
            resources.join(", ")
        )
    }

    /// For a record: what is held, and the number of each grant.
    pub(super) fn as_json(&self) -> Value {
        let own = self.grants.iter().map(|grant| json!({ "resource": grant.resource, "fence": grant.fence }));
        Value::Array(own.collect())
    }

    /// `database/primary, server/web-1`.
    pub(super) fn text(&self) -> String {
        let names = self.grants.iter().map(|grant| grant.resource.as_str());
        let names: Vec<&str> = names.chain(self.without.iter().map(String::as_str)).collect();
        clean(&names.join(", ")).into_owned()
    }

    /// Ends the sessions that hold databases.
    pub(super) async fn lose_sessions(&self) {
        for (_, taken) in std::mem::take(&mut *self.databases.lock().await) {
            taken.release().await;
        }
    }

    /// Gives it back. What can't be given back lapses.
    pub(super) async fn release(&self, exec: &Exec) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
        self.lose_sessions().await;
        if self.is_some()
            && let Err(error) = exec.journal.release(self.run).await
        {
            tracing::error!(%error, "locks are not given back; they lapse");
        }
    }
}

/// Who holds it, with the runbook and the step once they are known: whoever wins a race has the lock a moment before its run is written down.
async fn begun(exec: &Exec, mut lease: Lease) -> Lease {
    let resource = [lease.resource.clone()];
    let mut looks = interval(LOOK);
    for _ in 0..LOOKS {
        if lease.runbook.is_some() && lease.step.is_some() {
            break;
        }
        looks.tick().await;
        let held = exec.journal.held(&resource).await.unwrap_or_default();
        let Some(now) = held.into_iter().find(|held| held.run == lease.run) else { break };
        lease = now;
    }
    lease
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
    }
}

/// Renews until it is aborted, or until it is somebody else's.
async fn renew(journal: Arc<dyn Journal>, run: RunId, grants: Vec<Grant>) {
    let mut ticks = interval(TTL / RENEWALS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match journal.renew(run, &grants, TTL).await {
            Ok(true) => {}
            Ok(false) => return tracing::error!(run = %run.short(), "a lock is somebody else's by now"),
            Err(error) => tracing::warn!(run = %run.short(), %error, "a lock is not renewed"),
        }
    }
}
