//! Locks while the server may be away. One that was taken there is kept for its time, counted from when the server last said so; one that is
//! taken here binds the processes of this machine and nobody else, until the server is back and grants it too.

use super::super::lease::{Grant, Lease, TTL, Taken};
use super::super::{Journal as _, JournalError};
use super::Inner;
use crate::clock;
use crate::domain::RunId;
use futures_util::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What the runs of this process hold.
#[derive(Default)]
pub(super) struct Locks {
    held: BTreeMap<RunId, Held>,
    /// To be given back on the server once it is there.
    owed: BTreeSet<RunId>,
}

#[derive(Clone)]
struct Held {
    resources: Vec<String>,
    there: Option<Vec<Grant>>,
    here: Option<Vec<Grant>>,
    /// Until then what the server granted is nobody else's: since this process began, the sleep of its machine counted.
    until: Duration,
}

impl Inner {
    pub(super) async fn take(
        self: &Arc<Self>,
        run: RunId,
        resources: Vec<String>,
        ttl: Duration,
    ) -> Result<Taken, JournalError> {
        if self.begun().await? {
            // A process of this machine for which the server is away.
            let here = self.held_here_too(Vec::new(), &resources).await;
            if let Some(lease) = here.into_iter().find(|lease| lease.run != run) {
                return Ok(Taken::Held(Box::new(lease)));
            }
            let until = clock::now().mono + ttl;
            if let Some(taken) = self.ask(self.team.take(run, &resources, ttl)).await? {
                if let Taken::All(grants) = &taken {
                    self.note(run, Held { resources, there: Some(grants.clone()), here: None, until }).await;
                }
                return Ok(taken);
            }
        }
        let taken = self.file().await?.take(run, &resources, ttl).await?;
        if let Taken::All(grants) = &taken {
            self.note(run, Held { resources, there: None, here: Some(grants.clone()), until: Duration::ZERO }).await;
        }
        Ok(taken)
    }

    /// While the server is away a lock changes hands among the processes of this machine alone.
    pub(super) async fn pass(self: &Arc<Self>, wanted: Uuid) -> Result<Option<String>, JournalError> {
        if self.begun().await?
            && let Some(passed) = self.ask(self.team.pass(wanted)).await?
        {
            return Ok(passed);
        }
        self.file().await?.pass(wanted).await
    }

    async fn note(&self, run: RunId, held: Held) {
        let mut locks = self.locks.lock().await;
        locks.owed.remove(&run);
        locks.held.insert(run, held);
    }

    /// What was granted here is asked of the server once it is back: it may be somebody else's there.
    pub(super) async fn renew(
        self: &Arc<Self>,
        run: RunId,
        grants: &[Grant],
        ttl: Duration,
    ) -> Result<bool, JournalError> {
        let Some(held) = self.locks.lock().await.held.get(&run).cloned() else {
            return match self.ask(self.team.renew(run, grants, ttl)).await? {
                Some(renewed) => Ok(renewed),
                None => self.file().await?.renew(run, grants, ttl).await,
            };
        };
        if self.is_left().is_none() {
            let renewed = match &held.there {
                Some(there) => self.ask(self.renew_there(run, there, ttl)).await?,
                None => self.ask(self.grant_there(run, &held, ttl)).await?,
            };
            if let Some(renewed) = renewed {
                return Ok(renewed);
            }
        }
        self.renew_here(run, &held, ttl).await
    }

    async fn renew_there(&self, run: RunId, there: &[Grant], ttl: Duration) -> Result<bool, JournalError> {
        let asked = clock::now().mono;
        let granted = self.team.grant(run, there, ttl).boxed().await?;
        if let Some(granted) = granted
            && let Some(held) = self.locks.lock().await.held.get_mut(&run)
        {
            held.until = asked + granted;
        }
        Ok(granted.is_some())
    }

    async fn renew_here(&self, run: RunId, held: &Held, ttl: Duration) -> Result<bool, JournalError> {
        // Whoever goes on here for a reason keeps at least the processes of this machine from it.
        let here = match &held.here {
            Some(grants) => self.file().await?.renew(run, grants, ttl).await?,
            None => self.take_here(run, held).await,
        };
        if here && held.there.is_some() && clock::now().mono >= held.until {
            let what = format!(
                "the team's journal is away, and the lock on {}, kept for at most {} s after it last answered, may be somebody else's by now",
                held.resources.join(", "),
                TTL.as_secs()
            );
            let hint = format!(
                "when you know that nobody else is at it: `quarterdeck runbook resume {} --go-on --break-glass REASON`",
                run.short()
            );
            return Err(JournalError::new(what, hint));
        }
        Ok(here)
    }

    /// So that the other processes of this machine see it.
    async fn take_here(&self, run: RunId, held: &Held) -> bool {
        let taken = match self.file().await {
            Ok(file) => file.take(run, &held.resources, TTL).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(Taken::All(grants)) => {
                if let Some(held) = self.locks.lock().await.held.get_mut(&run) {
                    held.here = Some(grants);
                }
                true
            }
            Ok(Taken::Held(_)) => false,
            // The file is for the others; the server has granted it.
            Err(error) => {
                tracing::warn!(%error, "a lock is not seen by other processes of this machine");
                true
            }
        }
    }

    /// Of a run that holds something here alone.
    async fn grant_there(&self, run: RunId, held: &Held, ttl: Duration) -> Result<bool, JournalError> {
        let until = clock::now().mono + ttl;
        match self.team.take(run, &held.resources, ttl).await? {
            Taken::All(grants) => {
                if let Some(held) = self.locks.lock().await.held.get_mut(&run) {
                    (held.there, held.until) = (Some(grants), until);
                }
                Ok(true)
            }
            Taken::Held(lease) => {
                tracing::error!(run = %run.short(), %lease, "a lock that was taken here is somebody else's on the server");
                Ok(false)
            }
        }
    }

    pub(super) async fn release(self: &Arc<Self>, run: RunId) -> Result<(), JournalError> {
        let held = self.locks.lock().await.held.remove(&run);
        if held.as_ref().is_some_and(|held| held.here.is_some())
            && let Ok(file) = self.file().await
        {
            file.release(run).await?;
        }
        if let Some(done) = self.ask(self.team.release(run)).await? {
            return Ok(done);
        }
        if held.is_none_or(|held| held.there.is_some()) {
            self.locks.lock().await.owed.insert(run);
        }
        Ok(())
    }

    /// With what processes of this machine hold for which the server is away.
    pub(super) async fn held_here_too(&self, mut held: Vec<Lease>, resources: &[String]) -> Vec<Lease> {
        let missing: Vec<String> =
            resources.iter().filter(|name| !held.iter().any(|lease| &lease.resource == *name)).cloned().collect();
        if missing.is_empty() || !self.here.is_there() {
            return held;
        }
        match self.here.held(&missing).await {
            // What a process that is gone left behind is the server's to judge: its run may have been given up from elsewhere.
            Ok(here) => held.extend(here.into_iter().filter(|lease| !lease.cut_off)),
            Err(error) => tracing::warn!(%error, "what other processes of this machine hold is not known"),
        }
        held
    }

    /// The server was left: what runs of this process hold there is shown to the others of this machine.
    pub(super) async fn hold_here(&self) {
        let all = self.locks.lock().await.held.clone();
        for (run, held) in all.iter().filter(|(_, held)| held.here.is_none()) {
            self.take_here(*run, held).await;
        }
    }

    /// The server is back: what was taken here is taken there, before anybody here is told.
    pub(super) async fn hold_there(&self) {
        let (all, owed) = {
            let mut locks = self.locks.lock().await;
            (locks.held.clone(), std::mem::take(&mut locks.owed))
        };
        for run in owed {
            if let Err(error) = self.team.release(run).await {
                tracing::warn!(%error, "a lock is not given back; it lapses");
            }
        }
        for (run, held) in all.iter().filter(|(_, held)| held.there.is_none()) {
            if let Err(error) = self.grant_there(*run, held, TTL).await {
                tracing::warn!(%error, "a lock that was taken here is not yet taken on the server");
            }
        }
    }
}
