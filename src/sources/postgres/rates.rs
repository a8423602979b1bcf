//! Counters to rates: what each database did between two readings.

use super::parse::{count, text};
use crate::domain::DatabaseStats;
use std::collections::HashMap;

/// A row of counters since the statistics were reset.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct Row {
    id: i64,
    name: Option<Vec<u8>>,
    now: i64,
    backends: i32,
    commits: i64,
    rollbacks: i64,
    blocks_read: i64,
    blocks_hit: i64,
    rows_read: i64,
    rows_written: i64,
    temp: i64,
    deadlocks: i64,
    conflicts: i64,
    checksum_failures: Option<i64>,
    reset: Option<i64>,
    frozen_age: i64,
    multixact_age: i64,
}

impl Row {
    /// Seconds since the earlier reading; `None` when there is none that this one goes on from: the statistics were reset, or lost in a
    /// crash.
    fn since(&self, earlier: Option<&Self>) -> Option<f64> {
        let earlier = earlier?;
        let pairs = [
            (self.commits, earlier.commits),
            (self.rollbacks, earlier.rollbacks),
            (self.blocks_read, earlier.blocks_read),
            (self.blocks_hit, earlier.blocks_hit),
            (self.rows_read, earlier.rows_read),
            (self.rows_written, earlier.rows_written),
            (self.temp, earlier.temp),
            (self.deadlocks, earlier.deadlocks),
        ];
        let goes_on = self.reset == earlier.reset && pairs.iter().all(|(new, old)| new >= old);
        let seconds = self.now.saturating_sub(earlier.now) as f64 / 1e6;
        (goes_on && seconds > 0.0).then_some(seconds)
    }
}

/// The readings of the last time.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    last: HashMap<i64, Row>,
}

impl Counters {
    /// Takes in a reading and says what happened since the one before it.
    pub(super) fn take(&mut self, rows: Vec<Row>, sizes: &HashMap<i64, u64>) -> Vec<DatabaseStats> {
        let stats = rows.iter().map(|row| stats(row, self.last.get(&row.id), sizes.get(&row.id).copied())).collect();
        self.last = rows.into_iter().map(|row| (row.id, row)).collect();
        stats
    }
}

fn stats(row: &Row, earlier: Option<&Row>, size: Option<u64>) -> DatabaseStats {
    let seconds = row.since(earlier);
    let rate = |of: fn(&Row) -> i64| Some(of(row).saturating_sub(of(earlier?)) as f64 / seconds?);
    let asked = rate(|row| row.blocks_hit.saturating_add(row.blocks_read)).filter(|asked| *asked > 0.0);
    let new_deadlocks = match (earlier, seconds) {
        (Some(earlier), Some(_)) => row.deadlocks.saturating_sub(earlier.deadlocks),
        // Counted anew: all of them came after the reset.
        (Some(_), None) => row.deadlocks,
        (None, _) => 0,
    };
    DatabaseStats {
        name: text(row.name.clone()),
        size,
        backends: u32::try_from(row.backends).unwrap_or(0),
        commits: rate(|row| row.commits),
        rollbacks: rate(|row| row.rollbacks),
        hit_ratio: asked.and_then(|asked| Some(rate(|row| row.blocks_hit)? / asked)),
        rows_read: rate(|row| row.rows_read),
        rows_written: rate(|row| row.rows_written),
        temp: rate(|row| row.temp),
        deadlocks: count(row.deadlocks),
        new_deadlocks: count(new_deadlocks),
        conflicts: count(row.conflicts),
        checksum_failures: row.checksum_failures.map(count),
        frozen_age: row.frozen_age,
        multixact_age: row.multixact_age,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(now: i64, commits: i64) -> Row {
        Row { id: 5, now, commits, blocks_hit: commits * 3, blocks_read: commits, ..Row::default() }
    }

    fn second(first: Row, then: Row) -> DatabaseStats {
        let mut counters = Counters::default();
        let sizes = HashMap::from([(5, 77)]);
        let before = counters.take(vec![first], &sizes).remove(0);
        assert_eq!((before.commits, before.hit_ratio, before.new_deadlocks), (None, None, 0));
        counters.take(vec![then], &sizes).remove(0)
    }

    #[test]
    fn a_rate_is_the_difference_by_the_servers_clock() {
        let stats = second(row(1_000_000, 100), row(11_000_000, 150));
        assert_eq!((stats.commits, stats.hit_ratio, stats.size), (Some(5.0), Some(0.75), Some(77)));
        assert_eq!(second(row(1_000_000, 100), row(11_000_000, 100)).hit_ratio, None);
    }

    #[test]
    fn a_reset_is_no_negative_rate() {
        let reset = Row { reset: Some(9), deadlocks: 2, ..row(11_000_000, 150) };
        let stats = second(Row { deadlocks: 1, ..row(1_000_000, 100) }, reset);
        assert_eq!((stats.commits, stats.new_deadlocks), (None, 2));
        assert_eq!(second(row(1_000_000, 100), row(11_000_000, 20)).commits, None);
        assert_eq!(second(row(1_000_000, 100), row(1_000_000, 100)).commits, None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(a in prop::array::uniform8(any::<i64>()), b in prop::array::uniform8(any::<i64>())) {
            let row = |[now, commits, blocks_read, blocks_hit, rows_read, temp, deadlocks, frozen_age]: [i64; 8]| Row {
                id: 1, now, commits, blocks_read, blocks_hit, rows_read, temp, deadlocks, frozen_age, ..Row::default()
            };
            let mut counters = Counters::default();
            counters.take(vec![row(a)], &HashMap::new());
            let stats = counters.take(vec![row(b)], &HashMap::new());
            prop_assert!(stats[0].commits.is_none_or(|rate| rate >= 0.0));
        }
    }
}
