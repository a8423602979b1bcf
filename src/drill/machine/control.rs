//! Ending what runs: a script hears of it before each command, and in the middle of a wait.

use crate::drill::shell::Ended;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a script stands.
#[derive(Debug, Default)]
struct State {
    said: Option<Ended>,
    late: bool,
    over: bool,
}

/// The way to end a script.
#[derive(Clone, Debug)]
pub struct Control {
    state: Arc<(Mutex<State>, Condvar)>,
    until: Instant,
}

impl Control {
    /// Of a script that ends itself after so long.
    pub fn new(limit: Duration) -> Self {
        Self { state: Arc::default(), until: Instant::now() + limit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it.
    pub fn end(&self, how: Ended) {
        self.state().said = Some(how);
        self.state.1.notify_all();
    }

    /// It has ended.
    pub fn over(&self) {
        self.state().over = true;
    }

    /// Whether it has.
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    /// It was ended because its time was over.
    pub fn was_late(&self) -> bool {
        self.state().late
    }

    /// Whether it was ended, and how.
    pub fn ended(&self) -> Option<Ended> {
        let mut state = self.state();
        if state.said.is_none() && Instant::now() >= self.until {
            state.late = true;
            return Some(Ended::Term);
        }
        state.said
    }

    /// Waits so long, or until it is ended.
    ///
    /// # Errors
    /// When it was ended meanwhile.
    pub fn wait(&self, length: Duration) -> Result<(), Ended> {
        let now = Instant::now();
        let left = length.min(self.until.saturating_duration_since(now));
        drop(self.state.1.wait_timeout_while(self.state(), left, |state| state.said.is_none()));
        self.ended().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_script() {
        let control = Control::new(Duration::from_secs(600));
        assert_eq!(control.wait(Duration::ZERO), Ok(()));
        let other = control.clone();
        let waits = std::thread::spawn(move || other.wait(Duration::from_secs(500)));
        control.end(Ended::Kill);
        assert_eq!(waits.join().unwrap(), Err(Ended::Kill));
        let late = Control::new(Duration::ZERO);
        assert_eq!(
            (late.wait(Duration::from_secs(500)), late.was_late(), control.was_late()),
            (Err(Ended::Term), true, false)
        );
    }
}
