//! Figures of a database server over time, for the charts of its pages: as many samples as a wide screen can show.

use super::Ring;
use super::history::KEPT;
use crate::domain::{Database, Now, SessionState};
use std::time::Duration;

/// Figures over time, one for each poll; NaN where the poll failed or nobody knows.
#[derive(Clone, Debug, Default)]
pub struct DatabaseTrend {
    /// Client connections in use.
    pub connections: Ring<KEPT>,
    /// Sessions at work.
    pub active: Ring<KEPT>,
    /// Sessions that wait for a lock.
    pub waiting: Ring<KEPT>,
    /// Transactions a second.
    pub transactions: Ring<KEPT>,
    /// Bytes of WAL that the standby furthest behind has not replayed; on a standby, that it has not replayed itself.
    pub behind: Ring<KEPT>,
    /// When each was taken, in seconds of the monotonic clock.
    taken: Ring<KEPT>,
}

impl DatabaseTrend {
    /// Takes in one poll; `None`: it failed.
    pub(super) fn record(&mut self, at: Now, database: Option<&Database>) {
        let figures = database.map_or([f32::NAN; 5], figures);
        let rings =
            [&mut self.connections, &mut self.active, &mut self.waiting, &mut self.transactions, &mut self.behind];
        for (ring, figure) in rings.into_iter().zip(figures) {
            ring.push(figure);
        }
        self.taken.push(at.mono.as_secs_f32());
    }

    /// How long ago the first of the figures was taken.
    pub fn span(&self, now: Now) -> Duration {
        let first = self.taken.last(KEPT).next().map(Duration::from_secs_f32);
        first.map_or(Duration::ZERO, |first| now.mono.saturating_sub(first))
    }
}

fn figures(database: &Database) -> [f32; 5] {
    let count = |of: fn(&crate::domain::Session) -> bool| database.sessions.iter().filter(|s| of(s)).count() as f32;
    let behind = database.replicas.iter().map(|replica| replica.behind);
    let behind = behind.chain(database.receiver.iter().map(|receiver| receiver.behind)).flatten().max();
    [
        database.used as f32,
        count(|s| s.state == SessionState::Active && s.is_client() && !s.own && s.blocked_by.is_empty()),
        count(|session| !session.blocked_by.is_empty()),
        database.transactions().map_or(f32::NAN, |rate| rate as f32),
        behind.map_or(f32::NAN, |bytes| bytes as f32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_that_failed_is_a_gap_and_memory_is_bounded() {
        let mut trend = DatabaseTrend::default();
        let at = |second| Now { mono: Duration::from_secs(second), wall: jiff::Timestamp::UNIX_EPOCH };
        let database = Database { used: 7, ..Database::default() };
        trend.record(at(10), Some(&database));
        trend.record(at(12), None);
        let points: Vec<f32> = trend.connections.last(9).collect();
        assert!(points[..1] == [7.0] && points[1].is_nan() && points.len() == 2, "{points:?}");
        assert!(trend.transactions.last(1).all(f32::is_nan), "a rate that is not known is no zero");
        assert_eq!(trend.span(at(15)), Duration::from_secs(5));
        for second in 0..1000 {
            trend.record(at(100 + second), Some(&database));
        }
        assert_eq!((trend.connections.len(), trend.span(at(1100))), (KEPT, Duration::from_secs(KEPT as u64)));
    }
}
