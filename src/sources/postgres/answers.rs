//! The rows of the slow answers, and what they mean. Nearly everything may be NULL: what the login may not see is.

use super::parse::{count, relation, span, text, time};
use crate::domain::{Archiver, Prepared, Progress, Receiver, Replica, Slot};

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct ReplicaRow {
    pid: i32,
    name: Option<Vec<u8>>,
    client: Option<String>,
    state: Option<String>,
    sync: Option<String>,
    behind: Option<i64>,
    write_lag: Option<i64>,
    flush_lag: Option<i64>,
    replay_lag: Option<i64>,
}

/// A row of `pg_stat_replication`.
pub(super) fn replica(row: ReplicaRow) -> Replica {
    let client = if row.state.is_some() { "local" } else { "" };
    Replica {
        pid: row.pid,
        name: text(row.name),
        client: row.client.unwrap_or_else(|| client.to_owned()),
        state: row.state.unwrap_or_default(),
        sync: row.sync.unwrap_or_default(),
        behind: row.behind.map(count),
        lag: [row.write_lag, row.flush_lag, row.replay_lag].map(|lag| lag.map(span)),
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct ReceiverRow {
    pid: Option<i32>,
    status: Option<String>,
    host: Option<Vec<u8>>,
    port: Option<i32>,
    behind: Option<i64>,
    replayed: Option<i64>,
    heard: Option<i64>,
    paused: bool,
}

/// The row about a WAL receiver, or about there being none.
pub(super) fn receiver(row: ReceiverRow) -> Receiver {
    // One that runs, and whose state the login may not see.
    let hidden = row.pid.is_some().then(|| "hidden".to_owned());
    let port = row.port.map_or_else(String::new, |port| format!(":{port}"));
    Receiver {
        status: row.status.or(hidden),
        sender: text(row.host) + &port,
        behind: row.behind.map(count),
        replayed: row.replayed.map(span),
        heard: row.heard.map(span),
        paused: row.paused,
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct SlotRow {
    name: Option<Vec<u8>>,
    kind: Option<String>,
    active: Option<bool>,
    held: Option<i64>,
    wal_status: Option<String>,
    xmin_age: Option<i64>,
}

/// A row of `pg_replication_slots`.
pub(super) fn slot(row: SlotRow) -> Slot {
    Slot {
        name: text(row.name),
        kind: row.kind.unwrap_or_default(),
        active: row.active.unwrap_or_default(),
        held: row.held.map(count),
        wal_status: row.wal_status,
        xmin_age: row.xmin_age,
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct ProgressRow {
    pid: i32,
    command: Option<String>,
    phase: Option<String>,
    done: Option<i64>,
    total: Option<i64>,
    relation: Option<i64>,
    database: Option<Vec<u8>>,
    schema: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
}

/// A row of one of the `pg_stat_progress_*`.
pub(super) fn progress(row: ProgressRow) -> Progress {
    let share = |done: i64, total: i64| (total > 0).then(|| (done as f64 / total as f64).clamp(0.0, 1.0));
    let known = row.name.is_some();
    let on = match row.relation.filter(|relation| *relation != 0) {
        Some(number) => relation(row.schema, row.name, number),
        None => String::new(),
    };
    let on = match row.database {
        Some(database) if !known && !on.is_empty() => format!("relation {on} of {}", text(Some(database))),
        Some(_) | None => on,
    };
    Progress {
        pid: row.pid,
        command: row.command.unwrap_or_default(),
        on,
        phase: row.phase.unwrap_or_default(),
        done: row.done.zip(row.total).and_then(|(done, total)| share(done, total)),
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct ArchiverRow {
    enabled: bool,
    archived: Option<i64>,
    failed: Option<i64>,
    last_failed: Option<String>,
    last_failed_at: Option<i64>,
    failing: bool,
}

/// The row of `pg_stat_archiver`; `None` when archiving is off.
pub(super) fn archiver(row: ArchiverRow) -> Option<Archiver> {
    row.enabled.then(|| Archiver {
        archived: row.archived.map_or(0, count),
        failed: row.failed.map_or(0, count),
        failing: row.failing,
        last_failed: row.last_failed,
        last_failed_at: row.last_failed_at.map(time),
    })
}

#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct PreparedRow {
    gid: Option<Vec<u8>>,
    owner: Option<Vec<u8>>,
    database: Option<Vec<u8>>,
    prepared: Option<i64>,
    transaction: Option<i64>,
    xmin_age: Option<i64>,
}

/// A row of `pg_prepared_xacts`.
pub(super) fn prepared(row: PreparedRow) -> Prepared {
    Prepared {
        gid: text(row.gid),
        owner: text(row.owner),
        database: text(row.database),
        since: time(row.prepared.unwrap_or(0)),
        transaction: row.transaction.and_then(|id| u32::try_from(id).ok()).unwrap_or(0),
        xmin_age: row.xmin_age,
        blocks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::Counters;
    use super::*;
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;
    use std::collections::HashMap;

    fn rows<T: DeserializeOwned>(key: &str) -> Vec<T> {
        let text = include_str!("../../../tests/fixtures/postgres/server.json");
        let mut fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(fixture[key].take()).unwrap()
    }

    #[test]
    fn a_primary_tells_of_its_standbys_and_slots() {
        let replicas: Vec<Replica> = rows("replicas").into_iter().map(replica).collect();
        let standby = replicas.iter().find(|replica| replica.name == "db-standby").unwrap();
        assert_eq!(
            (standby.state.as_str(), standby.sync.as_str(), standby.client.as_str()),
            ("streaming", "async", "127.0.0.1")
        );
        assert!(standby.behind.is_some());
        let backup = replicas.iter().find(|replica| replica.name == "pg_basebackup").unwrap();
        assert_eq!((backup.state.as_str(), backup.behind), ("backup", None));
        let slots: Vec<Slot> = rows("slots").into_iter().map(slot).collect();
        let forgotten = slots.iter().find(|slot| slot.name == "forgotten").unwrap();
        assert_eq!((forgotten.active, forgotten.wal_status.as_deref()), (false, Some("reserved")));
        assert!(forgotten.held.is_some_and(|held| held > 1 << 20), "{forgotten:?}");
        assert!(slots.iter().any(|slot| slot.active && slot.xmin_age.is_some()), "{slots:?}");
    }

    #[test]
    fn a_standby_tells_of_its_receiver() {
        let seen = receiver(rows("receiver").remove(0));
        assert_eq!((seen.status.as_deref(), seen.sender.as_str()), (Some("streaming"), "127.0.0.1:5711"));
        assert!(seen.behind.is_some() && seen.heard.is_some() && !seen.paused);
        let hidden = receiver(rows("receiver_hidden").remove(0));
        assert_eq!((hidden.status.as_deref(), hidden.sender.as_str(), hidden.heard), (Some("hidden"), "", None));
        let absent = ReceiverRow {
            pid: None,
            status: None,
            host: None,
            port: None,
            behind: None,
            replayed: None,
            heard: None,
            paused: false,
        };
        assert_eq!(receiver(absent).status, None);
    }

    #[test]
    fn without_the_right_a_replica_is_known_by_name_alone() {
        let hidden: Vec<Replica> = rows("replicas_hidden").into_iter().map(replica).collect();
        let standby = hidden.iter().find(|replica| replica.name == "db-standby").unwrap();
        assert_eq!((standby.state.as_str(), standby.client.as_str(), standby.behind), ("", "", None));
    }

    #[test]
    fn long_commands_say_on_what_and_how_far() {
        let seen: Vec<Progress> = rows("progress").into_iter().map(progress).collect();
        let of = |command: &str| seen.iter().find(|progress| progress.command == command).unwrap();
        assert_eq!((of("COPY FROM").on.as_str(), of("COPY FROM").done), ("public.c", None));
        let index = of("CREATE INDEX CONCURRENTLY");
        assert_eq!((index.on.as_str(), index.phase.as_str()), ("public.big", "waiting for writers before build"));
        assert!(of("BASE BACKUP").done.is_some_and(|done| done > 0.0 && done < 1.0) && of("BASE BACKUP").on.is_empty());
        let elsewhere = ProgressRow {
            pid: 1,
            command: None,
            phase: None,
            done: Some(3),
            total: Some(0),
            relation: Some(16_412),
            database: Some(b"other".to_vec()),
            schema: None,
            name: None,
        };
        let elsewhere = progress(elsewhere);
        assert_eq!((elsewhere.on.as_str(), elsewhere.done), ("relation 16412 of other", None));
    }

    #[test]
    fn archiver_and_prepared_transactions_are_read() {
        let failing = archiver(rows("archiver").remove(0)).unwrap();
        assert!(failing.failing && failing.failed > 0 && failing.last_failed.is_some());
        let off = ArchiverRow {
            enabled: false,
            archived: None,
            failed: None,
            last_failed: None,
            last_failed_at: None,
            failing: false,
        };
        assert_eq!(archiver(off), None);
        let pay = prepared(rows("prepared").remove(0));
        assert_eq!((pay.gid.as_str(), pay.owner.as_str(), pay.database.as_str()), ("pay-4711", "postgres", "app"));
    }

    #[test]
    fn the_databases_of_a_real_server_have_rates_at_the_second_reading() {
        let mut counters = Counters::default();
        let sizes = HashMap::new();
        let first = counters.take(rows("databases"), &sizes);
        assert!(first.iter().all(|stats| stats.commits.is_none() && stats.frozen_age >= 0));
        let later = counters.take(rows("databases_later"), &sizes);
        let app = later.iter().find(|stats| stats.name == "app").unwrap();
        assert!(app.commits.is_some_and(|rate| rate > 0.0) && app.size.is_none(), "{app:?}");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(numbers in prop::array::uniform6(any::<Option<i64>>()), bytes in any::<Option<Vec<u8>>>(), flag: bool) {
            let [a, b, c, d, e, f] = numbers;
            let text = bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let row = ReplicaRow { pid: 0, name: bytes.clone(), client: text.clone(), state: text.clone(), sync: None, behind: a, write_lag: b, flush_lag: c, replay_lag: d };
            replica(row).judge(&crate::domain::Limits::default());
            let row = ReceiverRow { pid: None, status: text.clone(), host: bytes.clone(), port: a.map(|a| a as i32), behind: b, replayed: c, heard: d, paused: flag };
            receiver(row).judge(&crate::domain::Limits::default());
            let row = ProgressRow { pid: 0, command: text.clone(), phase: text.clone(), done: a, total: b, relation: c, database: bytes.clone(), schema: bytes.clone(), name: bytes.clone() };
            progress(row);
            prepared(PreparedRow { gid: bytes.clone(), owner: None, database: bytes.clone(), prepared: e, transaction: f, xmin_age: a });
            archiver(ArchiverRow { enabled: flag, archived: a, failed: b, last_failed: text, last_failed_at: c, failing: flag });
            slot(SlotRow { name: bytes, kind: None, active: Some(flag), held: d, wal_status: None, xmin_age: e }).judge(&crate::domain::Limits::default());
        }
    }
}
