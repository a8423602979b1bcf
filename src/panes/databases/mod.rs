//! Databases: who is connected, what they do, for how long, and who waits for whom.

use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Database, Session, SessionState, Severity, Snapshot, Subject, ThingId};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(4),
    title: "Databases",
    doc: "PostgreSQL sessions: state, age in it, what they wait for, the query; connections used",
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
const WAIT: usize = 8;

/// The table.
pub struct Databases;

impl Tabular for Databases {
    type Item = Session;
    const SUBJECT: Subject = Subject::Databases;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("PID", 7, 0, 9),
        Column::text("ON", 8, 1, 8),
        Column::text("USER", 10, 1, 5),
        Column::text("APP", 10, 2, 4),
        Column::text("CLIENT", 12, 0, 2),
        Column::text("DB", 8, 1, 1),
        Column::text("STATE", 10, 0, 9),
        Column::figure("AGE", 5, 8),
        Column::text("WAIT", 12, 1, 6),
        Column::text("QUERY", 12, 8, 7),
    ];
    const NONE: &'static str = "asked, and no client session is open but quarterdeck's own";

    /// Which server it is on is said only where there are several.
    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != ON || cx.many(Subject::Databases)
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Session] {
        database(feed).map_or(&[], |database| &database.sessions)
    }

    fn id(row: Row<'_, Session>) -> ThingId {
        ThingId::Session { source: row.feed.id.clone(), pid: row.item.pid, backend_start: row.item.backend_start }
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
            WAIT => x.wait.cmp(&y.wait).then_with(pid),
            _ => x.query.cmp(&y.query).then_with(pid),
        }
    }

    /// What is in the way first: blocked and in a transaction, then active, then idle; of these the oldest.
    fn natural(a: Row<'_, Session>, b: Row<'_, Session>) -> Ordering {
        let by_state = b.item.state.cmp(&a.item.state);
        by_state.then_with(|| a.item.state_change.cmp(&b.item.state_change)).then_with(|| a.item.pid.cmp(&b.item.pid))
    }

    fn cell(column: usize, row: Row<'_, Session>, out: &mut String) -> Role {
        let session = row.item;
        let text = |out: &mut String, text: &str, role: Role| {
            out.push_str(if text.is_empty() { "—" } else { text });
            role
        };
        match column {
            PID => {
                let _ = write!(out, "{}", session.pid);
                Role::Text
            }
            ON => text(out, row.feed.id.name(), Role::Text),
            USER => text(out, &session.user, Role::Text),
            APPLICATION => text(out, &session.application, Role::Text),
            CLIENT => text(out, &session.client, Role::Muted),
            DATABASE => text(out, &session.database, Role::Muted),
            STATE => {
                out.push_str(session.state.word());
                let severity = Self::severity(row);
                if severity >= Severity::Warning { severity.into() } else { state_role(session.state) }
            }
            AGE => {
                let age = database(row.feed).and_then(|database| session.age(database.now));
                figure_cell(out, age, Self::severity(row), figure::age)
            }
            WAIT => wait(session, out),
            _ => text(out, &session.query, Role::Muted),
        }
    }

    fn haystack(row: Row<'_, Session>, out: &mut String) {
        let s = row.item;
        let _ = write!(
            out,
            "{} {} {} {} {} {} {} {}",
            row.feed.id,
            s.pid,
            s.user,
            s.application,
            s.client,
            s.database,
            s.state.word(),
            s.query
        );
    }

    fn summary(cx: &Cx<'_>, _: &Counts, out: &mut String) {
        let many = cx.many(Subject::Databases);
        let known =
            cx.store.about(Subject::Databases).filter_map(|feed| database(feed).map(|database| (feed, database)));
        for (index, (feed, database)) in known.enumerate() {
            let gap = if index > 0 { "  " } else { "" };
            out.push_str(gap);
            if many {
                let _ = write!(out, "{} ", feed.id.name());
            }
            let severity = cx.limits.connections.judge(database.fullness());
            let mark = if severity >= Severity::Warning { severity.symbol() } else { "" };
            let _ = write!(out, "{mark}{}/{} conns", database.used, database.max);
        }
    }

    fn details(row: Row<'_, Session>) -> Vec<Section> {
        let s = row.item;
        let mut facts = vec![
            ("source".to_owned(), row.feed.id.to_string()),
            ("pid".to_owned(), s.pid.to_string()),
            ("user".to_owned(), s.user.clone()),
            ("application".to_owned(), s.application.clone()),
            ("client".to_owned(), s.client.clone()),
            ("database".to_owned(), s.database.clone()),
            ("backend start".to_owned(), format!("{:.0}", s.backend_start)),
            ("state".to_owned(), s.state.word().to_owned()),
            ("since".to_owned(), s.state_change.map_or_else(|| "not known".into(), |at| format!("{at:.0}"))),
            ("transaction".to_owned(), s.xact_start.map_or_else(|| "none".into(), |at| format!("since {at:.0}"))),
            (
                "waits for".to_owned(),
                figure::text(|out| {
                    wait(s, out);
                }),
            ),
            ("query".to_owned(), s.query.clone()),
        ];
        if let Some(database) = database(row.feed) {
            let role = if database.standby { "standby" } else { "primary" };
            let text = format!(
                "PostgreSQL {}, {role}, {} of {} connections used",
                database.version, database.used, database.max
            );
            facts.push(("server".to_owned(), text));
        }
        if s.state == SessionState::Hidden {
            let text = "the reading login may not see it: GRANT pg_monitor to it";
            facts.push(("hidden".to_owned(), text.to_owned()));
        }
        vec![Section::Facts(facts)]
    }
}

fn database(feed: &Feed) -> Option<&Database> {
    feed.snapshot().and_then(Snapshot::database)
}

fn state_role(state: SessionState) -> Role {
    match state {
        SessionState::Active | SessionState::Fastpath => Role::SeverityOk,
        SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted => Role::SeverityInfo,
        SessionState::Hidden => Role::SeverityUnknown,
        SessionState::Idle => Role::Muted,
    }
}

/// The wait event, or who blocks it.
fn wait(session: &Session, out: &mut String) -> Role {
    match (session.blocked_by.first(), &session.wait) {
        (Some(first), _) => {
            let _ = write!(out, "by {first}");
            if session.blocked_by.len() > 1 {
                let _ = write!(out, " +{}", session.blocked_by.len() - 1);
            }
            Role::SeverityWarning
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
