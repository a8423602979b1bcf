//! Replication: to whom PostgreSQL sends WAL, where it gets it from, and for whom it keeps it.

use super::postgres::{self, database, text};
use super::table::{Counts, Tabular, figure_cell, sure};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Receiver, Replica, Severity, Slot, Subject, ThingId};
use crate::keymap::Scope;
use crate::store::{Feed, Store, Stream};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;
use std::time::Duration;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Replication",
    doc: "PostgreSQL's standbys and how far they are behind, WAL receivers, replication slots and what they hold",
    scope: Scope::Databases,
    action: Action::Replication,
    subject: Some(Subject::Databases),
    beside: false,
    make: || Box::new(DataPane::<Replication>::default()),
};

const NAME: usize = 0;
const ON: usize = 1;
const KIND_OF: usize = 2;
const CLIENT: usize = 3;
const STATE: usize = 4;
const SYNC: usize = 5;
const BEHIND: usize = 6;
const WRITE: usize = 7;
const FLUSH: usize = 8;
const REPLAY: usize = 9;

/// The streams.
pub struct Replication;

/// What a row is.
enum What<'a> {
    Replica(&'a Replica),
    Receiver(&'a Receiver),
    Slot(&'a Slot),
    Gone,
}

fn what(row: Row<'_, Stream>) -> What<'_> {
    let database = database(row.feed);
    let found = match *row.item {
        Stream::Replica(index) => database.and_then(|d| d.replicas.get(index as usize)).map(What::Replica),
        Stream::Receiver => database.and_then(|d| d.receiver.as_ref()).map(What::Receiver),
        Stream::Slot(index) => database.and_then(|d| d.slots.get(index as usize)).map(What::Slot),
    };
    found.unwrap_or(What::Gone)
}

/// What the columns of a row say, for all kinds alike.
#[derive(Default)]
struct Line<'a> {
    name: &'a str,
    kind: &'static str,
    client: &'a str,
    state: &'a str,
    sync: &'a str,
    behind: Option<u64>,
    lag: [Option<Duration>; 3],
    xmin: Option<i64>,
    severity: Severity,
}

fn line(row: Row<'_, Stream>) -> Line<'_> {
    let limits = row.cx.limits;
    match what(row) {
        What::Replica(r) => Line {
            name: &r.name,
            kind: "standby",
            client: &r.client,
            state: &r.state,
            sync: &r.sync,
            behind: r.behind,
            lag: r.lag,
            xmin: None,
            severity: r.judge(limits),
        },
        What::Receiver(r) => Line {
            name: &r.sender,
            kind: "receiver",
            state: if r.paused { "paused" } else { r.status.as_deref().unwrap_or("not running") },
            behind: r.behind,
            lag: [None, None, r.replayed],
            severity: r.judge(limits),
            ..Line::default()
        },
        What::Slot(slot) => Line {
            name: &slot.name,
            kind: if slot.kind == "logical" { "logical slot" } else { "slot" },
            state: match (slot.wal_status.as_deref(), slot.active) {
                (Some(bad @ ("lost" | "unreserved")), _) => bad,
                (_, true) => "active",
                (_, false) => "inactive",
            },
            behind: slot.held,
            xmin: slot.xmin_age,
            severity: slot.judge(limits),
            ..Line::default()
        },
        What::Gone => Line { severity: Severity::Unknown, ..Line::default() },
    }
}

impl Tabular for Replication {
    type Item = Stream;
    const SUBJECT: Subject = Subject::Databases;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 16, 2, 9),
        Column::text("ON", 8, 1, 8),
        Column::text("WHAT", 12, 0, 8),
        Column::text("CLIENT", 14, 1, 4),
        Column::text("STATE", 11, 0, 9),
        Column::text("SYNC", 9, 0, 5),
        Column::figure("BEHIND", 6, 9).of(Measure::Bytes),
        Column::figure("WRITE", 5, 3).of(Measure::Time),
        Column::figure("FLUSH", 5, 3).of(Measure::Time),
        Column::figure("REPLAY", 6, 7).of(Measure::Time),
        Column::figure("XMIN", 6, 2),
    ];
    const NONE: &'static str = "no standby is connected, and no replication slot exists";
    const UNSURE: &'static str = "no standby and no replication slot is seen";

    fn blind(feed: &Feed) -> Option<&'static str> {
        let hidden = database(feed).is_some_and(|database| database.replication_hidden);
        hidden.then_some("whether there are others is not known: see what is said above")
    }

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != ON || cx.many(Subject::Databases)
    }

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [Stream] {
        store.streams(feed)
    }

    fn id(row: Row<'_, Stream>) -> ThingId {
        let key = match what(row) {
            What::Replica(replica) => format!("replica/{}", replica.pid),
            What::Receiver(_) | What::Gone => "receiver".to_owned(),
            What::Slot(slot) => format!("slot/{}", slot.name),
        };
        ThingId::Entry { source: row.feed.id.clone(), key: key.into() }
    }

    fn name(row: Row<'_, Stream>, out: &mut String) {
        let line = line(row);
        let _ = write!(out, "{} {} on {}", line.kind, line.name, row.feed.id.name());
    }

    fn severity(row: Row<'_, Stream>) -> Severity {
        line(row).severity
    }

    fn order(column: usize, a: Row<'_, Stream>, b: Row<'_, Stream>) -> Ordering {
        let (x, y) = (line(a), line(b));
        let name = || (x.kind, x.name, &a.feed.id).cmp(&(y.kind, y.name, &b.feed.id));
        match column {
            NAME => x.name.cmp(y.name).then_with(name),
            ON => a.feed.id.cmp(&b.feed.id).then_with(name),
            KIND_OF => name(),
            CLIENT => x.client.cmp(y.client).then_with(name),
            STATE => x.state.cmp(y.state).then_with(name),
            SYNC => x.sync.cmp(y.sync).then_with(name),
            BEHIND => x.behind.cmp(&y.behind).then_with(name),
            WRITE => x.lag[0].cmp(&y.lag[0]).then_with(name),
            FLUSH => x.lag[1].cmp(&y.lag[1]).then_with(name),
            REPLAY => x.lag[2].cmp(&y.lag[2]).then_with(name),
            _ => x.xmin.cmp(&y.xmin).then_with(name),
        }
    }

    /// Of the same severity the one that is furthest behind.
    fn natural(a: Row<'_, Stream>, b: Row<'_, Stream>) -> Ordering {
        line(b).behind.cmp(&line(a).behind).then_with(|| Self::order(KIND_OF, a, b))
    }

    fn cell(column: usize, row: Row<'_, Stream>, out: &mut String) -> Role {
        let line = line(row);
        let judged: Role = if line.severity >= Severity::Warning { line.severity.into() } else { Role::Text };
        match column {
            NAME => text(out, line.name, Role::Text),
            ON => text(out, row.feed.id.name(), Role::Text),
            KIND_OF => text(out, line.kind, Role::Muted),
            CLIENT => text(out, line.client, Role::Muted),
            STATE => text(out, line.state, judged),
            SYNC => text(out, line.sync, Role::Text),
            BEHIND => figure_cell(out, line.behind, line.severity, figure::bytes),
            WRITE => figure_cell(out, line.lag[0], Severity::None, figure::age),
            FLUSH => figure_cell(out, line.lag[1], Severity::None, figure::age),
            REPLAY => figure_cell(out, line.lag[2], line.severity, figure::age),
            _ => figure_cell(out, line.xmin, Severity::None, |out, age| postgres::short(out, age as f64)),
        }
    }

    const SYNONYMS: &'static [(&'static str, usize)] = &[("lag", REPLAY), ("kind", KIND_OF), ("server", ON)];

    fn haystack(row: Row<'_, Stream>, out: &mut String) {
        let line = line(row);
        let _ = write!(out, "{} {} {} {} {} {}", row.feed.id, line.name, line.kind, line.client, line.state, line.sync);
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let bad = counts.of(Severity::Warning) + counts.of(Severity::Critical);
        let standbys = postgres::worst_first(cx).iter().filter(|(_, database)| database.standby).count();
        let unknown = counts.of(Severity::Unknown);
        let _ = write!(out, "{} streams and slots", counts.total());
        // That none is in trouble is said only where all of them are seen.
        if bad > 0 || unknown == 0 && sure::<Self>(cx) {
            let _ = write!(out, ", {bad} in trouble");
        }
        if unknown > 0 {
            let _ = write!(out, ", {unknown} not known");
        }
        if standbys > 0 {
            let _ = write!(out, ", {standbys} of the servers standby");
        }
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        postgres::troubles(cx, out);
    }

    fn details(row: Row<'_, Stream>) -> Vec<Section> {
        let facts = match what(row) {
            What::Replica(replica) => replica_facts(replica),
            What::Receiver(receiver) => receiver_facts(receiver),
            What::Slot(slot) => slot_facts(slot),
            What::Gone => Vec::new(),
        };
        let facts = facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        let mut sections = vec![Section::Facts(facts)];
        sections.extend(postgres::server_details(row.feed, row.cx));
        sections
    }
}

type Facts = Vec<(&'static str, String)>;

fn bytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "not known".to_owned(), |bytes| figure::text(|out| figure::bytes(out, bytes)))
}

fn age(age: Option<Duration>) -> String {
    age.map_or_else(|| "none, or not known".to_owned(), |age| figure::text(|out| figure::age(out, age)))
}

fn replica_facts(replica: &Replica) -> Facts {
    vec![
        ("standby", replica.name.clone()),
        ("client", replica.client.clone()),
        ("sender's pid", replica.pid.to_string()),
        ("state", if replica.state.is_empty() { "hidden".to_owned() } else { replica.state.clone() }),
        ("sync", replica.sync.clone()),
        ("not replayed yet", bytes(replica.behind)),
        ("write lag", age(replica.lag[0])),
        ("flush lag", age(replica.lag[1])),
        ("replay lag", age(replica.lag[2])),
    ]
}

fn receiver_facts(receiver: &Receiver) -> Facts {
    vec![
        ("sender", if receiver.sender.is_empty() { "not known".to_owned() } else { receiver.sender.clone() }),
        ("status", receiver.status.clone().unwrap_or_else(|| "no receiver runs".to_owned())),
        ("received, not replayed", bytes(receiver.behind)),
        ("last transaction replayed", age(receiver.replayed)),
        ("last heard of the sender", age(receiver.heard)),
        ("replay paused", if receiver.paused { "yes" } else { "no" }.to_owned()),
    ]
}

fn slot_facts(slot: &Slot) -> Facts {
    vec![
        ("slot", slot.name.clone()),
        ("kind", slot.kind.clone()),
        ("in use", if slot.active { "yes" } else { "no: it holds WAL for nobody" }.to_owned()),
        ("WAL held", bytes(slot.held)),
        ("WAL status", slot.wal_status.clone().unwrap_or_else(|| "not known before version 13".to_owned())),
        ("holds vacuum back", slot.xmin_age.map_or_else(|| "no".to_owned(), |age| format!("by {age} transactions"))),
        ("to drop it", format!("SELECT pg_drop_replication_slot('{}'), if its standby never comes back", slot.name)),
    ]
}
