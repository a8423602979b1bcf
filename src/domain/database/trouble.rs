//! What is wrong with a database server as a whole, in sentences: what no single session shows.

use super::{Archiver, Database, DatabaseStats, Receiver, Replica, Slot};
use crate::domain::time::words;
use crate::domain::{Limits, Severity};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Something wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// How bad.
    pub severity: Severity,
    /// What, with the figure; and, after a colon, what follows or what to do.
    pub what: String,
}

impl Database {
    /// All that is wrong with it, the worst first; what is well is not told.
    pub fn troubles(&self, limits: &Limits) -> Vec<Trouble> {
        let mut found = Vec::new();
        let mut say = |severity: Severity, what: &dyn Fn() -> String| {
            if severity >= Severity::Warning {
                found.push(Trouble { severity, what: what() });
            }
        };
        say(limits.connections.judge(self.fullness()), &|| {
            let left = self.max.saturating_sub(self.reserved);
            // Those kept for superusers may be taken too: for everybody else more than all are no more than all.
            let used = self.used.min(left);
            format!("{used} of {left} connections are taken: the page of connections shows by whom")
        });
        if let Some(archiver) = self.archiver.as_ref().filter(|archiver| archiver.failing) {
            say(Severity::Critical, &|| archiving(archiver));
        }
        if let Some(receiver) = &self.receiver {
            say(receiver.judge(limits), &|| receiving(receiver));
        }
        for replica in &self.replicas {
            say(replica.judge(limits), &|| sending(replica));
        }
        for slot in &self.slots {
            say(slot.judge(limits), &|| holding(slot));
        }
        for database in &self.databases {
            database.tell(limits, &mut say);
        }
        for prepared in &self.prepared {
            let age = self.prepared_age(prepared);
            say(limits.transaction_minutes.judge(age.as_secs() / 60), &|| {
                let age = words(age);
                format!(
                    "transaction {} is prepared since {age}: it holds its locks and vacuum until somebody ends it",
                    prepared.gid
                )
            });
        }
        found.sort_by_key(|trouble| std::cmp::Reverse(trouble.severity));
        found
    }
}

impl DatabaseStats {
    fn tell(&self, limits: &Limits, say: &mut impl FnMut(Severity, &dyn Fn() -> String)) {
        let name = &self.name;
        say(limits.wraparound.judge(self.wraparound()), &|| {
            let percent = self.wraparound() * 100.0;
            format!(
                "{name} is {percent:.0} % of the way to wraparound: VACUUM FREEZE it; who holds vacuum back is on its page"
            )
        });
        if let Some(failures) = self.checksum_failures.filter(|failures| *failures > 0) {
            say(Severity::Critical, &|| format!("{failures} checksum failures in {name}: its files are damaged"));
        }
        if self.new_deadlocks > 0 {
            say(Severity::Warning, &|| format!("{} deadlocks in {name} just now", self.new_deadlocks));
        }
    }
}

fn archiving(archiver: &Archiver) -> String {
    let mut text = format!("archiving fails ({} times", archiver.failed);
    if let Some(at) = archiver.last_failed_at {
        let _ = write!(text, ", last {}", at.strftime("%H:%M:%SZ"));
    }
    if let Some(file) = &archiver.last_failed {
        let _ = write!(text, ", {file}");
    }
    text + "): WAL piles up until the disk is full; the server's log says why"
}

fn receiving(receiver: &Receiver) -> String {
    let age = receiver.replayed.map_or_else(|| "at no known time".to_owned(), |age| format!("{} ago", words(age)));
    match &receiver.status {
        None => format!(
            "no WAL receiver runs, the last transaction was replayed {age}: replication is broken, or fed from an archive"
        ),
        Some(_) if receiver.paused => "the replay of WAL is paused: pg_wal_replay_resume() goes on".to_owned(),
        Some(status) => {
            let heard = receiver.heard.map_or_else(|| "—".to_owned(), words);
            let behind = receiver.behind.map_or_else(|| "—".to_owned(), size);
            format!(
                "standby of {}: {status}, {behind} to replay, last transaction {age}, heard of {heard} ago",
                receiver.sender
            )
        }
    }
}

fn sending(replica: &Replica) -> String {
    let behind = replica.behind.map_or_else(|| "an unknown amount".to_owned(), size);
    let client = if replica.client.is_empty() { String::new() } else { format!(" ({})", replica.client) };
    let mut text = format!("standby {}{client} is {behind} behind", replica.name);
    if let Some(lag) = replica.lag[2] {
        let _ = write!(text, ", {} in replay", words(lag));
    }
    if replica.state != "streaming" && !replica.state.is_empty() {
        let _ = write!(text, ", {}", replica.state);
    }
    text
}

fn holding(slot: &Slot) -> String {
    let held = slot.held.map_or_else(|| "an unknown amount".to_owned(), size);
    match slot.wal_status.as_deref() {
        Some("lost") => format!("slot {} is lost: its WAL is gone, so its standby must be built anew", slot.name),
        Some("unreserved") => {
            format!("slot {} is about to be lost: it holds {held}, more than max_slot_wal_keep_size", slot.name)
        }
        Some(_) | None => format!("nobody uses slot {}, and it holds {held} of WAL on the disk", slot.name),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn told(database: &Database) -> Vec<(Severity, String)> {
        database.troubles(&Limits::default()).into_iter().map(|t| (t.severity, t.what)).collect()
    }

    #[test]
    fn a_server_that_is_well_is_not_talked_about() {
        let well = Database {
            max: 100,
            used: 10,
            slots: vec![Slot { name: "s".into(), active: true, ..Slot::default() }],
            archiver: Some(Archiver { archived: 9, failed: 2, ..Archiver::default() }),
            databases: vec![DatabaseStats { name: "app".into(), frozen_age: 180_000_000, ..DatabaseStats::default() }],
            ..Database::default()
        };
        assert_eq!(told(&well), []);
    }

    #[test]
    fn the_worst_comes_first_with_its_figure() {
        let sick = Database {
            max: 100,
            used: 80,
            archiver: Some(Archiver {
                failed: 3,
                failing: true,
                last_failed: Some("0001".into()),
                ..Archiver::default()
            }),
            slots: vec![Slot { name: "old".into(), held: Some(5 << 30), ..Slot::default() }],
            databases: vec![DatabaseStats {
                name: "app".into(),
                frozen_age: 1_800_000_000,
                new_deadlocks: 2,
                ..DatabaseStats::default()
            }],
            receiver: Some(Receiver {
                replayed: Some(Duration::from_secs(60)),
                behind: Some(0),
                ..Receiver::default()
            }),
            ..Database::default()
        };
        let told = told(&sick);
        let starts = [
            (Severity::Critical, "archiving fails (3 times, 0001): WAL piles up"),
            (Severity::Critical, "app is 84 % of the way to wraparound"),
            (Severity::Warning, "80 of 100 connections are taken"),
            (Severity::Warning, "no WAL receiver runs, the last transaction was replayed 60 s ago"),
            (Severity::Warning, "nobody uses slot old, and it holds 5.0 GiB of WAL"),
            (Severity::Warning, "2 deadlocks in app just now"),
        ];
        assert_eq!(told.len(), starts.len(), "{told:?}");
        for ((severity, what), (expected, start)) in told.iter().zip(starts) {
            assert!(*severity == expected && what.starts_with(start), "{severity:?} {what}");
        }
    }
}
