//! Ending what runs: a script hears of it before each command, and in the middle of a wait.

use crate::drill::shell::Ended;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The way to end a script.
#[derive(Clone, Debug)]
pub struct Control(Arc<(Mutex<Option<Ended>>, Condvar)>, Instant);

impl Control {
    /// Of a script that ends itself after so long.
    pub fn new(limit: Duration) -> Self {
        Self(Arc::default(), Instant::now() + limit)
    }

    /// Ends it.
    pub fn end(&self, how: Ended) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.0.1.notify_all();
    }

    /// Whether its time is over.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.1
    }

    /// Whether it was ended, and how.
    pub fn ended(&self) -> Option<Ended> {
        let said = *self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.or_else(|| self.is_late().then_some(Ended::Term))
    }

    /// Waits so long, or until it is ended.
    ///
    /// # Errors
    /// When it was ended meanwhile.
    pub fn wait(&self, length: Duration) -> Result<(), Ended> {
        let until = (Instant::now() + length).min(self.1);
        let said = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.0.1.wait_timeout_while(said, left, |said| said.is_none());
        drop(waited);
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
        assert_eq!(Control::new(Duration::ZERO).wait(Duration::from_secs(500)), Err(Ended::Term));
    }
}
