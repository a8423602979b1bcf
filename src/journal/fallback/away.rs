//! Leaving a server that is away, answering without it, and coming back with what was recorded meanwhile.

use super::super::postgres::Failed;
use super::super::sqlite::SqliteJournal;
use super::super::{Away, JournalError};
use super::patience::within;
use super::{ANSWER, BOUND, Chain, Inner, Left, Merged, merge};
use crate::clock;
use crate::domain::record::RecordKind;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// For so long appends wait at most while the last records are brought to the server that is back.
const RETURN: Duration = Duration::from_secs(10);
/// Time between two looks whether the server is back: it doubles up to the second.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

impl Inner {
    pub(super) fn is_left(&self) -> Option<Left> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server is away from now on, unless it is known to be.
    pub(super) fn leave(self: &Arc<Self>, why: &JournalError) {
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
    pub(super) fn file(&self) -> BoxFuture<'_, Result<SqliteJournal, JournalError>> {
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
    pub(super) async fn ask<T>(
        self: &Arc<Self>,
        question: impl Future<Output = Result<T, JournalError>>,
    ) -> Result<Option<T>, JournalError> {
        self.settle().await;
        if self.is_left().is_some() {
            return Ok(None);
        }
        match within(ANSWER, question).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) if self.is_away_by_now(&error).await => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.leave(&self.silent(ANSWER));
                Ok(None)
            }
        }
    }

    pub(super) fn silent(&self, bound: Duration) -> JournalError {
        let what = format!("the journal at {} said nothing for {} s", self.team.place(), bound.as_secs());
        JournalError::new(what, "see whether it hangs")
    }

    /// After a failure: whether the server is away, or has judged.
    fn is_away_by_now<'a>(self: &'a Arc<Self>, error: &'a JournalError) -> BoxFuture<'a, bool> {
        async move {
            match within(BOUND, self.team.hello()).await {
                Ok(Ok(_) | Err(Failed::Refused(_))) => return false,
                Ok(Err(Failed::Away(_))) => self.leave(error),
                Err(_) => self.leave(&self.silent(BOUND)),
            }
            true
        }
        .boxed()
    }

    /// Before the first answer: what earlier processes have left in the file is brought to the server, if it is there.
    pub(super) fn settle(self: &Arc<Self>) -> BoxFuture<'_, ()> {
        async move {
            if self.settled.load(Ordering::Acquire) || self.is_left().is_some() {
                return;
            }
            if !self.here.has_pending().await {
                return self.settled.store(true, Ordering::Release);
            }
            match within(RETURN, self.bring()).await {
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
    pub(super) fn bring(&self) -> BoxFuture<'_, Result<Merged, Failed>> {
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

    pub(super) async fn only_looks(self: &Arc<Self>) -> Option<String> {
        self.settle().await;
        let looks = within(ANSWER, self.team.may_only_look()).await.ok().flatten();
        if looks.is_none() && self.is_left().is_none() {
            // That it is here is recorded; if it can't be, the next append says why.
            let _ = self.begun().await;
        }
        looks
    }

    /// Tries to go back to the server: what was recorded here is brought there first, and nothing is appended in between.
    pub(super) fn come_back(self: &Arc<Self>) -> BoxFuture<'_, bool> {
        async move {
            let met = within(ANSWER, self.team.hello()).await;
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
                let rest = within(RETURN, merge::merge(&self.team, &file, Some(self.writer), merge::PAGE)).await;
                merged.and(rest.unwrap_or_else(|_| Err(Failed::Away(self.silent(RETURN))))?);
                if let Some(why) = merged.of(self.writer) {
                    return Err(Failed::Refused(JournalError::new(why, "run `quarterdeck journal verify`")));
                }
                (chain.login, chain.ahead_ms) = (Some(hello.login), Some(hello.ahead_ms));
                within(RETURN, self.tell_merged(&mut chain, &merged))
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
pub(super) async fn look_for(inner: Weak<Inner>, left: Arc<Notify>) {
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
