//! Locks: who waits for whom, as a tree. Who waits for nobody and is waited for by most stands on top: there a mend begins.

use super::postgres::{self, database, text};
use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Database, LockNode, Party, Prepared, Session, Severity, Subject, ThingId, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Locks",
    doc: "who waits for whose lock in PostgreSQL, as a tree: the one to look at on top of each",
    scope: Scope::Databases,
    action: Action::Locks,
    subject: Some(Subject::Databases),
    beside: false,
    make: || Box::new(DataPane::<Locks>::default()),
};

const WHO: usize = 0;
const ON: usize = 1;
const USER: usize = 2;
const APPLICATION: usize = 3;
const DATABASE: usize = 4;
const STATE: usize = 5;
const BLOCKS: usize = 6;
const WAITS: usize = 7;
const XACT: usize = 8;
const LOCK: usize = 9;

/// The tree, line by line.
pub struct Locks;

/// Who stands in a line.
enum Who<'a> {
    Session(&'a Session),
    Prepared(&'a Prepared),
    Unlisted(i32),
}

fn who(row: Row<'_, LockNode>) -> Who<'_> {
    let database = database(row.feed);
    let found = match row.item.who {
        Party::Session(index) => database.and_then(|d| d.sessions.get(index as usize)).map(Who::Session),
        Party::Prepared(index) => database.and_then(|d| d.prepared.get(index as usize)).map(Who::Prepared),
        Party::Unlisted(pid) => Some(Who::Unlisted(pid)),
    };
    found.unwrap_or(Who::Unlisted(0))
}

fn session(row: Row<'_, LockNode>) -> Option<&Session> {
    match who(row) {
        Who::Session(session) => Some(session),
        Who::Prepared(_) | Who::Unlisted(_) => None,
    }
}

impl Tabular for Locks {
    type Item = LockNode;
    const SUBJECT: Subject = Subject::Databases;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("WHO", 16, 1, 9).of(Measure::Number),
        Column::text("ON", 8, 1, 8),
        Column::text("USER", 10, 1, 4),
        Column::text("APP", 10, 1, 5),
        Column::text("DB", 8, 1, 1),
        Column::text("STATE", 10, 0, 8),
        Column::figure("BLOCKS", 8, 9),
        Column::figure("WAITS", 5, 9).of(Measure::Time),
        Column::figure("XACT", 5, 3).of(Measure::Time),
        Column::text("LOCK", 20, 3, 7),
        Column::text("QUERY", 12, 6, 6),
    ];
    const NONE: &'static str = "nobody waits for a lock";
    const UNSURE: &'static str = "nobody is seen to wait for a lock";

    fn blind(feed: &Feed) -> Option<&'static str> {
        let hides = database(feed).is_some_and(Database::hides_waits);
        hides.then_some("whether others' sessions wait is not known: their state, or who blocks them, is not seen")
    }

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != ON || cx.many(Subject::Databases)
    }

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [LockNode] {
        store.lock_tree(feed)
    }

    fn id(row: Row<'_, LockNode>) -> ThingId {
        let entry = |key: String| ThingId::Entry { source: row.feed.id.clone(), key: key.into() };
        match who(row) {
            Who::Session(session) => postgres::session_id(row.feed, session),
            Who::Prepared(prepared) => entry(format!("prepared/{}", prepared.gid)),
            Who::Unlisted(pid) => entry(format!("backend/{pid}")),
        }
    }

    fn is(row: Row<'_, LockNode>, id: &ThingId) -> bool {
        match session(row) {
            Some(session) => postgres::is_session(row.feed, session, id),
            None => Self::id(row) == *id,
        }
    }

    fn name(row: Row<'_, LockNode>, out: &mut String) {
        let on = row.feed.id.name();
        let _ = match who(row) {
            Who::Session(session) => write!(out, "session {} on {on}", session.pid),
            Who::Prepared(prepared) => write!(out, "prepared transaction {} on {on}", prepared.gid),
            Who::Unlisted(0) => write!(out, "a prepared transaction on {on}"),
            Who::Unlisted(pid) => write!(out, "process {pid} on {on}"),
        };
    }

    /// A tree stands or moves as a whole, so all its lines are as bad as its longest wait.
    fn severity(row: Row<'_, LockNode>) -> Severity {
        let waited = row.item.since.zip(database(row.feed)).map(|(since, database)| time::between(since, database.now));
        waited.map_or(Severity::Unknown, |age| row.cx.limits.blocked_seconds.judge(age.as_secs()).max(Severity::Info))
    }

    fn order(column: usize, a: Row<'_, LockNode>, b: Row<'_, LockNode>) -> Ordering {
        let place = || a.feed.id.cmp(&b.feed.id).then(a.item.place.cmp(&b.item.place));
        let by = |of: fn(&Session) -> &str| session(a).map(of).cmp(&session(b).map(of));
        match column {
            USER => by(|s| &s.user).then_with(place),
            APPLICATION => by(|s| &s.application).then_with(place),
            DATABASE => by(|s| &s.database).then_with(place),
            STATE => session(a).map(|s| s.state).cmp(&session(b).map(|s| s.state)).then_with(place),
            BLOCKS => (a.item.all, a.item.direct).cmp(&(b.item.all, b.item.direct)).then_with(place),
            WAITS => waited(a).cmp(&waited(b)).then_with(place),
            XACT => session(b).map(|s| s.xact_start).cmp(&session(a).map(|s| s.xact_start)).then_with(place),
            LOCK => by(|s| s.waits_for.as_deref().unwrap_or_default()).then_with(place),
            _ => place(),
        }
    }

    fn cell(column: usize, row: Row<'_, LockNode>, out: &mut String) -> Role {
        match column {
            WHO => tree(row, out),
            ON => text(out, row.feed.id.name(), Role::Text),
            BLOCKS => blocks(row.item, out),
            WAITS => figure_cell(out, waited(row), Self::severity(row), figure::age),
            _ => match who(row) {
                Who::Session(session) => of_session(column, session, row, out),
                Who::Prepared(prepared) => of_prepared(column, prepared, row, out),
                Who::Unlisted(_) => text(out, "", Role::Faint),
            },
        }
    }

    fn haystack(row: Row<'_, LockNode>, out: &mut String) {
        Self::name(row, out);
        if let Some(s) = session(row) {
            let lock = s.waits_for.as_deref().unwrap_or_default();
            let _ = write!(out, " {} {} {} {} {lock} {}", s.user, s.application, s.database, s.state.word(), s.query);
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let lines = || cx.store.about(Subject::Databases).flat_map(|feed| cx.store.lock_tree(feed));
        let roots = lines().filter(|line| line.rails.is_empty()).count();
        let doubtful = cx.store.about(Subject::Databases).map(|feed| doubtful_roots(cx.store, feed)).sum::<usize>();
        let waiting = counts.total().saturating_sub(roots);
        if roots > 0 {
            let _ = write!(out, "{waiting} waiting, {roots} in the way");
        }
        if doubtful > 0 {
            let _ = write!(out, " ({doubtful} {MAY_WAIT})");
        }
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        let known = cx.store.about(Subject::Databases).filter_map(|feed| Some((feed, database(feed)?)));
        for (feed, what) in known.flat_map(|(feed, database)| database.hidden.iter().map(move |what| (feed, what))) {
            out.push((Severity::Unknown, postgres::named(feed, cx, what.clone())));
        }
    }

    fn fields(row: Row<'_, LockNode>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, LockNode>) -> Vec<Section> {
        match who(row) {
            Who::Session(session) => postgres::session_details(row.feed, session, row.cx),
            Who::Prepared(prepared) => postgres::prepared_details(row.feed, prepared, row.cx),
            Who::Unlisted(pid) => {
                let what = match pid {
                    0 => "a prepared transaction; which one is not known".to_owned(),
                    pid => format!(
                        "process {pid} is not among the sessions: it ended just now, or is one of the server's own"
                    ),
                };
                let mut sections = vec![Section::Facts(vec![("blocker".to_owned(), what)])];
                sections.extend(postgres::server_details(row.feed, row.cx));
                sections
            }
        }
    }
}

/// Said of a root of which nobody knows whether it is one: a mend may have to begin with somebody else.
const MAY_WAIT: &str = "may itself be waiting";

/// The roots that may wait for somebody who is not seen.
fn doubtful_roots(store: &Store, feed: &Feed) -> usize {
    let sessions = database(feed).map_or(&[][..], |database| &database.sessions);
    let may_wait = |line: &LockNode| match line.who {
        Party::Session(index) => sessions.get(index as usize).is_some_and(Session::may_wait),
        Party::Prepared(_) | Party::Unlisted(_) => false,
    };
    store.lock_tree(feed).iter().filter(|line| line.rails.is_empty() && may_wait(line)).count()
}

/// How long it has waited.
fn waited(row: Row<'_, LockNode>) -> Option<std::time::Duration> {
    let database = database(row.feed)?;
    database.waiting_since(row.item.who).map(|since| time::between(since, database.now))
}

/// `│ └ 4711`.
fn tree(row: Row<'_, LockNode>, out: &mut String) -> Role {
    if let Some((own, above)) = row.item.rails.split_last() {
        for more in above {
            out.push_str(if *more { "│ " } else { "  " });
        }
        out.push_str(if *own { "├ " } else { "└ " });
    }
    let _ = match who(row) {
        Who::Session(session) => write!(out, "{}", session.pid),
        Who::Prepared(prepared) => write!(out, "prepared {}", prepared.gid),
        Who::Unlisted(0) => write!(out, "prepared ?"),
        Who::Unlisted(pid) => write!(out, "{pid} (not listed)"),
    };
    if row.item.ring {
        out.push_str(" ring");
    }
    if session(row).is_some_and(Session::may_wait) {
        out.push_str(" ?");
    }
    if row.item.rails.is_empty() { Locks::severity(row).into() } else { Role::Text }
}

/// `2`, or `2 (5)` where more wait for those.
fn blocks(node: &LockNode, out: &mut String) -> Role {
    if node.direct == 0 {
        return text(out, "", Role::Faint);
    }
    let _ = write!(out, "{}", node.direct);
    if let Some(all) = node.all.filter(|all| *all > node.direct) {
        let _ = write!(out, " ({all})");
    }
    if node.rails.is_empty() { Role::SeverityWarning } else { Role::Text }
}

fn of_session(column: usize, session: &Session, row: Row<'_, LockNode>, out: &mut String) -> Role {
    match column {
        USER => text(out, &session.user, Role::Text),
        APPLICATION => text(out, &session.application, Role::Text),
        DATABASE => text(out, &session.database, Role::Muted),
        STATE => text(out, session.state.word(), Role::Text),
        XACT => {
            let age = database(row.feed).and_then(|database| session.transaction_age(database.now));
            let judged = age.map_or(Severity::None, |age| row.cx.limits.transaction_minutes.judge(age.as_secs() / 60));
            figure_cell(out, age, judged, figure::age)
        }
        LOCK if session.may_wait() => text(out, MAY_WAIT, Role::SeverityUnknown),
        LOCK => match (&session.waits_for, session.holds.first()) {
            (Some(lock), _) => text(out, lock, Role::Muted),
            (None, Some(lock)) => {
                out.push_str("holds ");
                text(out, lock, Role::Muted)
            }
            (None, None) => text(out, "", Role::Faint),
        },
        _ => text(out, &session.query, Role::Muted),
    }
}

fn of_prepared(column: usize, prepared: &Prepared, row: Row<'_, LockNode>, out: &mut String) -> Role {
    match column {
        USER => text(out, &prepared.owner, Role::Text),
        DATABASE => text(out, &prepared.database, Role::Muted),
        STATE => text(out, "prepared", Role::Text),
        XACT => {
            let age = database(row.feed).map(|database| database.prepared_age(prepared));
            figure_cell(out, age, Severity::Warning, figure::age)
        }
        LOCK => text(out, "holds its locks until COMMIT or ROLLBACK PREPARED", Role::Muted),
        _ => text(out, "", Role::Faint),
    }
}
