//! The write lock: whether this screen may change anything, and until when.

use super::{Overlay, State};
use crate::domain::Now;
use crate::domain::record::{Entry, RecordKind};
use crate::effect::{Effect, Effects};
use crate::runbook::Writes;
use serde_json::json;
use std::time::Duration;

/// The lock.
#[derive(Clone, Debug)]
pub struct WriteLock {
    state: Writes,
    relock: Duration,
    until: Option<Duration>,
    looks: Option<String>,
}

impl WriteLock {
    /// Guarded environments start locked; read-only stays so.
    pub fn new(read_only: bool, guarded: bool, relock: Duration) -> Self {
        let state = match (read_only, guarded) {
            (true, _) => Writes::ReadOnly,
            (false, true) => Writes::Locked,
            (false, false) => Writes::Unlocked,
        };
        Self { state, relock, until: None, looks: None }
    }

    /// As the gate asks.
    pub fn state(&self) -> Writes {
        self.state
    }

    /// The journal takes nothing from this login, and why; `None`: it does. The gate need not ask: a plan is blocked by it.
    pub fn only_looks(&mut self, why: Option<String>) {
        self.looks = why;
    }

    /// Why the journal takes nothing from this login, if so.
    pub fn looks(&self) -> Option<&str> {
        self.looks.as_deref()
    }

    /// How long until it locks by itself.
    pub fn left(&self, now: Now) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(now.mono))
    }

    /// After a manual unlock it locks by itself after this time.
    pub fn relock_after(&self) -> Duration {
        self.relock
    }

    /// Unlocked writes lock by themselves after this time from now on, and what is unlocked already no later than that.
    pub fn set_relock(&mut self, relock: Duration, now: Now) {
        self.relock = relock;
        self.until = self.until.map(|until| until.min(now.mono + relock));
    }

    /// Locks; false when there was nothing to lock.
    pub fn lock(&mut self) -> bool {
        self.until = None;
        let was = self.state == Writes::Unlocked;
        if was {
            self.state = Writes::Locked;
        }
        was
    }

    /// Unlocks until the timer; not when read-only.
    pub fn unlock(&mut self, now: Now) {
        if self.state == Writes::Locked {
            self.state = Writes::Unlocked;
            self.until = Some(now.mono + self.relock);
        }
    }

    /// Locks when the time is over; true when it just did.
    pub fn expire(&mut self, now: Now) -> bool {
        self.until.is_some_and(|until| now.mono >= until) && self.lock()
    }

    /// When it locks by itself.
    pub fn deadline(&self) -> Option<Duration> {
        self.until
    }
}

pub(super) fn toggle(state: &mut State, effects: &mut Effects) {
    match state.writes.state() {
        Writes::ReadOnly => super::replay::refuse(state),
        _ if state.writes.looks().is_some() => {
            let why = state.writes.looks().unwrap_or_default().to_owned();
            state.toasts.bad(state.now, why);
        }
        Writes::Locked => state.overlay = Some(Overlay::Unlock(Box::default())),
        Writes::Unlocked => {
            state.writes.lock();
            state.toasts.say(state.now, "writes are locked");
            effects.push(record_lock(state, "locked"));
        }
    }
}

pub(super) fn record_lock(state: &State, what: &str) -> Effect {
    Effect::Journal(Entry {
        kind: RecordKind::WritesLock,
        run: None,
        step: None,
        role: None,
        target: None,
        env: state.environment.clone(),
        data: json!({ "state": what }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn locks_by_itself() {
        let mut lock = WriteLock::new(false, true, Duration::from_secs(60));
        assert_eq!(lock.state(), Writes::Locked);
        lock.unlock(at(10));
        assert_eq!((lock.state(), lock.left(at(30))), (Writes::Unlocked, Some(Duration::from_secs(40))));
        assert!(!lock.expire(at(69)));
        assert!(lock.expire(at(70)));
        assert_eq!(lock.state(), Writes::Locked);
    }

    #[test]
    fn read_only_never_unlocks() {
        let mut lock = WriteLock::new(true, false, Duration::from_secs(60));
        lock.unlock(at(0));
        assert_eq!(lock.state(), Writes::ReadOnly);
        assert!(!lock.lock());
    }
}
