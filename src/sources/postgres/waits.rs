//! The locks that somebody waits for: what each waiter wants, who holds it.

use super::parse::{relation, time};
use crate::domain::{Database, Prepared};
use std::collections::HashMap;

/// A row of `pg_locks`: a lock that is waited for, or one that is in the way. What does not apply is 0, -1 or empty.
#[derive(Clone, Debug, sqlx::FromRow)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(super) struct Row {
    /// None for a prepared transaction.
    pid: Option<i32>,
    /// `virtualtransaction`; a prepared transaction keeps that of its session until the server is started again, then it is `-1/XID`.
    holder: Option<String>,
    granted: bool,
    mode: Option<String>,
    kind: Option<String>,
    xid: String,
    vxid: String,
    db: i64,
    rel: i64,
    page: i32,
    tup: i32,
    classid: i64,
    objid: i64,
    objsubid: i32,
    since: Option<i64>,
    schema: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
}

type Object<'a> = (&'a str, &'a str, &'a str, [i64; 7]);

impl Row {
    fn object(&self) -> Object<'_> {
        let numbers = [
            self.db,
            self.rel,
            i64::from(self.page),
            i64::from(self.tup),
            self.classid,
            self.objid,
            i64::from(self.objsubid),
        ];
        (self.kind.as_deref().unwrap_or_default(), &self.xid, &self.vxid, numbers)
    }

    fn relation(&self) -> String {
        let name = relation(self.schema.clone(), self.name.clone(), self.rel);
        if self.name.is_none() && self.db != 0 { format!("{name} in database {}", self.db) } else { name }
    }

    /// `RowExclusiveLock on relation public.players`.
    fn words(&self) -> String {
        let kind = self.kind.as_deref().unwrap_or_default();
        let on = match kind {
            "relation" => format!("relation {}", self.relation()),
            "extend" => format!("the extension of relation {}", self.relation()),
            "page" => format!("page {} of {}", self.page, self.relation()),
            "tuple" => format!("row ({},{}) of {}", self.page, self.tup, self.relation()),
            "transactionid" => format!("transaction {}", self.xid),
            "virtualxid" => format!("virtual transaction {}", self.vxid),
            "advisory" if self.objsubid == 1 => format!("advisory lock {}", (self.classid << 32) | self.objid),
            "advisory" => format!("advisory lock ({}, {})", self.classid, self.objid),
            "object" => format!("object {} of class {}", self.objid, self.classid),
            other => other.to_owned(),
        };
        format!("{} on {on}", self.mode.as_deref().unwrap_or("a lock"))
    }
}

/// The transaction id of the prepared transaction that holds a lock.
fn prepared(holder: Option<&str>, rows: &[Row]) -> Option<u32> {
    let holder = holder?;
    let own = |row: &&Row| {
        row.granted
            && row.pid.is_none()
            && row.kind.as_deref() == Some("transactionid")
            && row.holder.as_deref() == Some(holder)
    };
    let known = rows.iter().find(own).map(|row| row.xid.as_str());
    known.or_else(|| holder.strip_prefix("-1/"))?.parse().ok()
}

/// Notes what each waiter waits for, and what those in the way hold.
pub(super) fn note(database: &mut Database, rows: &[Row]) {
    let mut wanted: HashMap<Object<'_>, Vec<i32>> = HashMap::new();
    for row in rows.iter().filter(|row| !row.granted) {
        wanted.entry(row.object()).or_default().extend(row.pid);
    }
    let wants: HashMap<i32, &Row> =
        rows.iter().filter(|row| !row.granted).filter_map(|row| Some((row.pid?, row))).collect();
    // Who waits for a row waits for the transaction that changed it, and holds the row's place in the queue meanwhile.
    let queued =
        |pid: i32| rows.iter().find(|row| row.granted && row.pid == Some(pid) && row.kind.as_deref() == Some("tuple"));
    let mut holds: HashMap<i32, Vec<String>> = HashMap::new();
    for row in rows.iter().filter(|row| row.granted) {
        let Some(waiters) = wanted.get(&row.object()) else { continue };
        match row.pid {
            Some(pid) if waiters.iter().any(|waiter| *waiter != pid) => holds.entry(pid).or_default().push(row.words()),
            Some(_) => {}
            None => {
                if let Some(xid) = prepared(row.holder.as_deref(), rows) {
                    blame(&mut database.prepared, xid, waiters);
                }
            }
        }
    }
    for session in &mut database.sessions {
        if let Some(row) = wants.get(&session.pid) {
            let of = queued(session.pid).map_or_else(String::new, |row| format!(" (a row of {})", row.relation()));
            session.waits_for = Some(row.words() + &of);
            session.waiting_since = row.since.map(time);
        }
        session.holds = holds.remove(&session.pid).unwrap_or_default();
    }
}

fn blame(prepared: &mut [Prepared], xid: u32, waiters: &[i32]) {
    for transaction in prepared.iter_mut().filter(|transaction| transaction.transaction == xid) {
        transaction.blocks.extend(waiters);
        transaction.blocks.sort_unstable();
        transaction.blocks.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Session;
    use proptest::prelude::*;

    fn rows() -> Vec<Row> {
        let text = include_str!("../../../tests/fixtures/postgres/server.json");
        let mut fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(fixture["waits"].take()).unwrap()
    }

    fn database(pids: impl Iterator<Item = i32>) -> Database {
        let session = |pid| Session { pid, ..Session::default() };
        Database { sessions: pids.map(session).collect(), ..Database::default() }
    }

    #[test]
    fn the_locks_of_a_real_server_are_named() {
        let rows = rows();
        let mut database = database(rows.iter().filter_map(|row| row.pid));
        let xid = rows.iter().find(|row| row.pid.is_none() && !row.xid.is_empty()).unwrap().xid.parse().unwrap();
        database.prepared = vec![Prepared { transaction: xid, ..Prepared::default() }];
        note(&mut database, &rows);
        let wanted: Vec<&str> = database.sessions.iter().filter_map(|session| session.waits_for.as_deref()).collect();
        for expected in ["AccessExclusiveLock on relation public.players", "RowExclusiveLock on relation public.orders"]
        {
            assert!(wanted.contains(&expected), "{wanted:?}");
        }
        assert!(
            wanted
                .iter()
                .any(|lock| lock.starts_with("ShareLock on transaction ")
                    && lock.ends_with(" (a row of public.players)"))
        );
        assert!(wanted.iter().any(|lock| lock.starts_with("ExclusiveLock on row (0,1) of public.players")));
        assert!(wanted.iter().any(|lock| lock.starts_with("ShareLock on virtual transaction ")), "{wanted:?}");
        assert!(
            database.sessions.iter().any(|session| session.holds.iter().any(|lock| lock.ends_with("public.players")))
        );
        assert!(database.sessions.iter().all(|session| session.waits_for.is_none() || session.waiting_since.is_some()));
        assert_eq!(database.prepared[0].blocks.len(), 1);
    }

    fn lock(kind: &str) -> Row {
        Row { kind: Some(kind.into()), granted: false, mode: Some("ExclusiveLock".into()), ..rows().remove(0) }
    }

    #[test]
    fn every_kind_of_lock_has_words() {
        let advisory = Row { classid: 1, objid: 2, objsubid: 1, ..lock("advisory") };
        assert_eq!(advisory.words(), "ExclusiveLock on advisory lock 4294967298");
        assert_eq!(Row { objsubid: 2, ..advisory }.words(), "ExclusiveLock on advisory lock (1, 2)");
        let elsewhere = Row { name: None, rel: 16_401, db: 5, ..lock("relation") };
        assert_eq!(elsewhere.words(), "ExclusiveLock on relation 16401 in database 5");
        assert_eq!(lock("frozenid").words(), "ExclusiveLock on frozenid");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(numbers in prop::array::uniform4(any::<i64>()), text in "\\PC{0,12}", pid in any::<Option<i32>>()) {
            let [classid, objid, rel, since] = numbers;
            for kind in ["advisory", "relation", "tuple", text.as_str()] {
                let row = Row { pid, classid, objid, rel, objsubid: 1, holder: Some(text.clone()), since: Some(since), name: None, ..lock(kind) };
                let granted = Row { granted: true, pid: None, ..row.clone() };
                note(&mut database(pid.into_iter()), &[row, granted]);
            }
        }
    }
}
