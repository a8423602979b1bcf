//! Databases: who is connected, what they do, for how long, and who waits for whom.

use super::postgres::{self, database, text};
use super::table::{Counts, Tabular, figure_cell, push_words};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::database::activity;
use crate::domain::{Session, SessionState, Severity, Subject, ThingId};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use crate::widgets::typed::Told;
use jiff::Timestamp;
use std::cmp::Ordering;
use std::fmt::Write;
use std::time::Duration;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(4),
    title: "Databases",
    doc: "PostgreSQL sessions: state, age in it, what they wait for, the query; connections used; what is wrong with the servers",
    scope: Scope::Databases,
    action: Action::Databases,
    subject: Some(Subject::Databases),
    beside: true,
    make: || Box::new(DataPane::<Databases>::default()),
};

const PID: usize = 0;
const ON: usize = 1;
const USER: usize = 2;
const APPLICATION: usize = 3;
const CLIENT: usize = 4;
const DATABASE: usize = 5;
const STATE: usize = 6;
const AGE: usize = 7;
const XACT: usize = 8;
const RUNS: usize = 9;
const WAIT: usize = 10;

/// The table.
pub struct Databases;

impl Tabular for Databases {
    type Item = Session;
    const SUBJECT: Subject = Subject::Databases;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("PID", 7, 0, 9).of(Measure::Number),
        Column::text("ON", 8, 1, 8),
        Column::text("USER", 10, 1, 5),
        Column::text("APP", 10, 2, 4),
        Column::text("CLIENT", 12, 0, 2),
        Column::text("DB", 8, 1, 1),
        Column::text("STATE", 10, 0, 9),
        Column::figure("AGE", 5, 8).of(Measure::Time),
        Column::figure("XACT", 5, 6).of(Measure::Time),
        Column::figure("RUNS", 5, 3).of(Measure::Time),
        Column::text("WAIT", 12, 1, 6),
        Column::text("QUERY", 12, 8, 7),
    ];
    const NONE: &'static str = "asked, and no session is open";

    /// Which server it is on is said only where there are several.
    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != ON || cx.many(Subject::Databases)
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Session] {
        database(feed).map_or(&[], |database| &database.sessions)
    }

    fn id(row: Row<'_, Session>) -> ThingId {
        postgres::session_id(row.feed, row.item)
    }

    fn is(row: Row<'_, Session>, id: &ThingId) -> bool {
        postgres::is_session(row.feed, row.item, id)
    }

    fn name(row: Row<'_, Session>, out: &mut String) {
        let _ = write!(out, "session {} on {}", row.item.pid, row.feed.id.name());
    }

    fn severity(row: Row<'_, Session>) -> Severity {
        database(row.feed).map_or(Severity::Unknown, |database| row.item.judge(database.now, row.cx.limits))
    }

    fn order(column: usize, a: Row<'_, Session>, b: Row<'_, Session>) -> Ordering {
        let (x, y) = (a.item, b.item);
        let pid = || x.pid.cmp(&y.pid);
        match column {
            PID => pid(),
            ON => a.feed.id.cmp(&b.feed.id).then_with(pid),
            USER => x.user.cmp(&y.user).then_with(pid),
            APPLICATION => x.application.cmp(&y.application).then_with(pid),
            CLIENT => x.client.cmp(&y.client).then_with(pid),
            DATABASE => x.database.cmp(&y.database).then_with(pid),
            STATE => x.state.cmp(&y.state).then_with(pid),
            // The oldest changed its state first.
            AGE => y.state_change.cmp(&x.state_change).then_with(pid),
            XACT => y.xact_start.cmp(&x.xact_start).then_with(pid),
            RUNS => running(y).cmp(&running(x)).then_with(pid),
            WAIT => x.wait.cmp(&y.wait).then_with(pid),
            _ => x.query.cmp(&y.query).then_with(pid),
        }
    }

    /// What is in the way first: whom most wait for, then in a transaction, then active, then idle; of these the oldest.
    fn natural(a: Row<'_, Session>, b: Row<'_, Session>) -> Ordering {
        let roots = |row: Row<'_, Session>| if row.item.is_root_blocker() { row.item.blocks } else { 0 };
        let by_blocks = roots(b).cmp(&roots(a)).then_with(|| a.item.own.cmp(&b.item.own));
        let by_state = by_blocks.then_with(|| b.item.state.cmp(&a.item.state));
        by_state.then_with(|| a.item.state_change.cmp(&b.item.state_change)).then_with(|| a.item.pid.cmp(&b.item.pid))
    }

    fn cell(column: usize, row: Row<'_, Session>, out: &mut String) -> Role {
        let role = cell(column, row, out);
        // Not anybody's to act on, nor a trouble: it only tells who else is connected.
        if row.item.own { Role::Faint } else { role }
    }

    const SYNONYMS: &'static [(&'static str, usize)] =
        &[("application", APPLICATION), ("database", DATABASE), ("transaction", XACT), ("server", ON)];

    fn told(column: usize, row: Row<'_, Session>) -> Told {
        let now = database(row.feed).map(|database| database.now);
        let seconds = |age: fn(&Session, Timestamp) -> Option<Duration>| {
            Told::Figure(now.and_then(|now| age(row.item, now)).map(|age| age.as_secs_f64()))
        };
        match column {
            PID => Told::Figure(Some(f64::from(row.item.pid))),
            AGE => seconds(Session::age),
            XACT => seconds(Session::transaction_age),
            RUNS => seconds(Session::query_age),
            _ => Told::Written,
        }
    }

    fn haystack(row: Row<'_, Session>, out: &mut String) {
        let s = row.item;
        let _ = write!(out, " {}", s.pid);
        // Who looks for a state by PostgreSQL's own word finds it.
        let states = [s.state.word(), s.state.postgres_word()];
        push_words(out, [row.feed.id.as_str(), &s.user, &s.application, &s.client, &s.database]);
        push_words(out, states.into_iter().chain([s.query.as_str()]));
    }

    fn summary(cx: &Cx<'_>, _: &Counts, out: &mut String) {
        let many = cx.many(Subject::Databases);
        for (index, (feed, database)) in postgres::worst_first(cx).into_iter().enumerate() {
            let gap = if index > 0 { "  " } else { "" };
            out.push_str(gap);
            if many {
                let _ = write!(out, "{} ", feed.id.name());
            }
            let severity = cx.limits.connections.judge(database.fullness());
            let mark = if severity >= Severity::Warning { severity.symbol() } else { "" };
            let _ = write!(out, "{mark}{}/{} conns", database.used, database.max);
            if !many {
                breakdown(feed, cx, out);
                continue;
            }
            let blocked = activity::sum(cx.store.activity(feed)).blocked;
            if blocked > 0 {
                let _ = write!(out, " ({blocked} blocked)");
            }
        }
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        postgres::troubles(cx, out);
    }

    fn fields(row: Row<'_, Session>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, Session>) -> Vec<Section> {
        postgres::session_details(row.feed, row.item, row.cx)
    }
}

/// What they do: ` (3 blocked, 5 in tx, 20 active, 150 idle)`.
fn breakdown(feed: &Feed, cx: &Cx<'_>, out: &mut String) {
    let sum = activity::sum(cx.store.activity(feed));
    let parts = [
        (sum.blocked, "blocked"),
        (sum.in_transaction, "in tx"),
        (sum.active, "active"),
        (sum.idle, "idle"),
        (sum.hidden, "hidden"),
    ];
    let mut before = " (";
    for (count, word) in parts.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(out, "{before}{count} {word}");
        before = ", ";
    }
    if before != " (" {
        out.push(')');
    }
}

fn cell(column: usize, row: Row<'_, Session>, out: &mut String) -> Role {
    let session = row.item;
    let now = database(row.feed).map(|database| database.now);
    match column {
        PID => {
            let _ = write!(out, "{}", session.pid);
            Role::Text
        }
        ON => text(out, row.feed.id.name(), Role::Text),
        USER => text(out, &session.user, Role::Text),
        APPLICATION if session.application.is_empty() && !session.is_client() => text(out, &session.kind, Role::Muted),
        APPLICATION => text(out, &session.application, Role::Text),
        CLIENT => text(out, &session.client, Role::Muted),
        DATABASE => text(out, &session.database, Role::Muted),
        STATE => {
            out.push_str(session.state.word());
            let severity = Databases::severity(row);
            if severity >= Severity::Warning { severity.into() } else { state_role(session.state) }
        }
        AGE => figure_cell(out, now.and_then(|now| session.age(now)), Databases::severity(row), figure::age),
        XACT => {
            let age = now.and_then(|now| session.transaction_age(now));
            let judged = age.map_or(Severity::None, |age| row.cx.limits.transaction_minutes.judge(age.as_secs() / 60));
            figure_cell(out, age, judged, figure::age)
        }
        RUNS => {
            let age = now.and_then(|now| session.query_age(now));
            let judged = age.map_or(Severity::None, |age| row.cx.limits.query_minutes.judge(age.as_secs() / 60));
            figure_cell(out, age, judged, figure::age)
        }
        WAIT => wait(session, out),
        _ => text(out, &session.query, Role::Muted),
    }
}

/// When the running query began.
fn running(session: &Session) -> Option<Timestamp> {
    session.query_start.filter(|_| matches!(session.state, SessionState::Active | SessionState::Fastpath))
}

fn state_role(state: SessionState) -> Role {
    match state {
        SessionState::Active | SessionState::Fastpath => Role::SeverityOk,
        SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted => Role::SeverityInfo,
        SessionState::Hidden => Role::SeverityUnknown,
        SessionState::Idle => Role::Muted,
    }
}

/// Who blocks it, how many it blocks, or the wait event.
fn wait(session: &Session, out: &mut String) -> Role {
    match (session.blocked_by.first(), &session.wait) {
        (Some(first), _) => {
            match first {
                0 => out.push_str("by prepared"),
                pid => {
                    let _ = write!(out, "by {pid}");
                }
            }
            if session.blocked_by.len() > 1 {
                let _ = write!(out, " +{}", session.blocked_by.len() - 1);
            }
            Role::SeverityWarning
        }
        (None, _) if session.blocks > 0 => {
            let _ = write!(out, "blocks {}", session.blocks);
            Role::SeverityCritical
        }
        // An idle session waits for its client: that is what idle means.
        (None, Some(wait)) if session.state == SessionState::Active || !wait.starts_with("Client") => {
            out.push_str(wait);
            Role::Muted
        }
        (None, _) => {
            out.push('—');
            Role::Faint
        }
    }
}
