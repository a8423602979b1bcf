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
    /// `virtualtransaction`; `-1/XID` for a prepared one.
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

    /// The transaction id of the prepared transaction that holds it.
    fn prepared(&self) -> Option<u32> {
        let holder = self.holder.as_deref().filter(|_| self.pid.is_none())?;
        holder.strip_prefix("-1/")?.parse().ok()
    }
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
        match (row.pid, row.prepared()) {
            (Some(pid), _) if waiters.iter().any(|waiter| *waiter != pid) => {
                holds.entry(pid).or_default().push(row.words())
            }
            (None, Some(xid)) => blame(&mut database.prepared, xid, waiters),
            (Some(_) | None, _) => {}
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
