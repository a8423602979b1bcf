//! Activity: who holds the connections of PostgreSQL, by application and state.

use super::postgres::{self, database, text};
use super::table::{Counts, Tabular, figure_cell};
use super::{DataPane, Link, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Clients, Session, Severity, Subject, ThingId, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
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
    title: "Connections",
    doc: "PostgreSQL's connections by application, user and database, and what they do",
    scope: Scope::Databases,
    action: Action::Activity,
    subject: Some(Subject::Databases),
    beside: false,
    make: || Box::new(DataPane::<Activity>::default()),
};

const APPLICATION: usize = 0;
const ON: usize = 1;
const USER: usize = 2;
const DATABASE: usize = 3;
const TOTAL: usize = 4;
const SHARE: usize = 5;
const BLOCKED: usize = 6;
const IN_TX: usize = 7;
const ACTIVE: usize = 8;
const IDLE: usize = 9;
const HIDDEN: usize = 10;

/// Sessions of a group that its page leads to.
const LISTED: usize = 50;

/// The groups.
pub struct Activity;

impl Tabular for Activity {
    type Item = Clients;
    const SUBJECT: Subject = Subject::Databases;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("APP", 14, 2, 9),
        Column::text("ON", 8, 1, 8),
        Column::text("USER", 12, 1, 6),
        Column::text("DB", 10, 1, 5),
        Column::figure("CONNS", 5, 9),
        Column::figure("OF MAX", 6, 8).of(Measure::Share),
        Column::figure("BLOCKED", 7, 8),
        Column::figure("IN TX", 5, 8),
        Column::figure("ACTIVE", 6, 8),
        Column::figure("IDLE", 5, 8),
        Column::figure("HIDDEN", 6, 1),
        Column::figure("XACT", 5, 7).of(Measure::Time),
    ];
    const NONE: &'static str = "no client is connected";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != ON || cx.many(Subject::Databases)
    }

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [Clients] {
        store.activity(feed)
    }

    fn id(row: Row<'_, Clients>) -> ThingId {
        let group = row.item;
        let key = format!("group/{}/{}/{}", group.application, group.user, group.database).into();
        ThingId::Entry { source: row.feed.id.clone(), key }
    }

    fn is(row: Row<'_, Clients>, id: &ThingId) -> bool {
        // Made only where it may be the one.
        matches!(id, ThingId::Entry { source, key } if *source == row.feed.id && key.starts_with("group/"))
            && Self::id(row) == *id
    }

    fn name(row: Row<'_, Clients>, out: &mut String) {
        let group = row.item;
        let application = if group.application.is_empty() { "no name" } else { &group.application };
        let _ = write!(out, "{application} as {} in {} on {}", group.user, group.database, row.feed.id.name());
    }

    fn severity(row: Row<'_, Clients>) -> Severity {
        if row.item.own {
            return Severity::None;
        }
        let transaction =
            oldest(row).map_or(Severity::Ok, |age| row.cx.limits.transaction_minutes.judge(age.as_secs() / 60));
        let share = row.cx.limits.connections.judge(share(row).unwrap_or(0.0));
        let blocked = if row.item.blocked > 0 { Severity::Info } else { Severity::Ok };
        transaction.max(share).max(blocked).max(idle(row))
    }

    fn order(column: usize, a: Row<'_, Clients>, b: Row<'_, Clients>) -> Ordering {
        let (x, y) = (a.item, b.item);
        let name = || (&x.application, &x.user, &x.database).cmp(&(&y.application, &y.user, &y.database));
        match column {
            APPLICATION => name(),
            ON => a.feed.id.cmp(&b.feed.id).then_with(name),
            USER => x.user.cmp(&y.user).then_with(name),
            DATABASE => x.database.cmp(&y.database).then_with(name),
            TOTAL | SHARE => x.total.cmp(&y.total).then_with(name),
            BLOCKED => x.blocked.cmp(&y.blocked).then_with(name),
            IN_TX => x.in_transaction.cmp(&y.in_transaction).then_with(name),
            ACTIVE => x.active.cmp(&y.active).then_with(name),
            IDLE => x.idle.cmp(&y.idle).then_with(name),
            HIDDEN => x.hidden.cmp(&y.hidden).then_with(name),
            _ => oldest(a).cmp(&oldest(b)).then_with(name),
        }
    }

    /// The largest first.
    fn natural(a: Row<'_, Clients>, b: Row<'_, Clients>) -> Ordering {
        b.item.total.cmp(&a.item.total).then_with(|| Self::order(APPLICATION, a, b))
    }

    fn cell(column: usize, row: Row<'_, Clients>, out: &mut String) -> Role {
        let role = cell(column, row, out);
        if row.item.own { Role::Faint } else { role }
    }

    fn haystack(row: Row<'_, Clients>, out: &mut String) {
        Self::name(row, out);
    }

    fn summary(cx: &Cx<'_>, _: &Counts, out: &mut String) {
        for (index, (feed, database)) in postgres::worst_first(cx).into_iter().enumerate() {
            let gap = if index > 0 { "  " } else { "" };
            let server = if cx.many(Subject::Databases) { feed.id.name() } else { "" };
            let space = if server.is_empty() { "" } else { " " };
            let (used, max, reserved) = (database.used, database.max, database.reserved);
            let _ = write!(out, "{gap}{server}{space}{used} of {max} in use, {reserved} kept for superusers");
        }
    }

    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        postgres::troubles(cx, out);
    }

    fn fields(row: Row<'_, Clients>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, Clients>) -> Vec<Section> {
        let group = row.item;
        let facts = [
            ("source", row.feed.id.to_string()),
            ("application", group.application.clone()),
            ("user", group.user.clone()),
            ("database", group.database.clone()),
            ("connections", group.total.to_string()),
        ];
        let facts = facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        let mut sections = vec![Section::Facts(facts), sessions(row)];
        sections.extend(postgres::server_details(row.feed, row.cx));
        sections
    }
}

fn cell(column: usize, row: Row<'_, Clients>, out: &mut String) -> Role {
    let group = row.item;
    match column {
        APPLICATION => text(out, &group.application, Role::Text),
        ON => text(out, row.feed.id.name(), Role::Text),
        USER => text(out, &group.user, Role::Text),
        DATABASE => text(out, &group.database, Role::Muted),
        TOTAL => count(group.total, Role::Text, out),
        SHARE => figure_cell(out, share(row), Activity::severity(row).min(Severity::Ok), figure::percent),
        BLOCKED => count(group.blocked, Role::SeverityWarning, out),
        IN_TX => count(group.in_transaction, Role::SeverityInfo, out),
        ACTIVE => count(group.active, Role::SeverityOk, out),
        IDLE => count(group.idle, Role::Muted, out),
        HIDDEN => count(group.hidden, Role::SeverityUnknown, out),
        _ => figure_cell(out, oldest(row), Activity::severity(row), figure::age),
    }
}

/// A count; nothing is a dash, so that what there is stands out.
fn count(count: u32, role: Role, out: &mut String) -> Role {
    if count == 0 {
        out.push('·');
        return Role::Faint;
    }
    let _ = write!(out, "{count}");
    role
}

/// Its share of the connections that ordinary users can get.
fn share(row: Row<'_, Clients>) -> Option<f64> {
    let database = database(row.feed)?;
    Some(f64::from(row.item.total) / f64::from(database.max.saturating_sub(database.reserved).max(1)))
}

/// Age of its oldest transaction.
fn oldest(row: Row<'_, Clients>) -> Option<Duration> {
    let database = database(row.feed)?;
    row.item.oldest_transaction.map(|since| time::between(since, database.now))
}

/// By the one that is idle in a transaction for longest, as that session is judged itself.
fn idle(row: Row<'_, Clients>) -> Severity {
    let since = row.item.idle_in_transaction_since.zip(database(row.feed));
    let minutes = since.map(|(since, database)| time::between(since, database.now).as_secs() / 60);
    minutes.map_or(Severity::Ok, |minutes| row.cx.limits.idle_in_transaction_minutes.judge(minutes))
}

fn sessions(row: Row<'_, Clients>) -> Section {
    let group = row.item;
    let theirs = |session: &&Session| {
        session.is_client()
            && (&session.application, &session.user, &session.database)
                == (&group.application, &group.user, &group.database)
    };
    let Some(database) = database(row.feed) else { return Section::Links { title: String::new(), links: Vec::new() } };
    let mut found: Vec<&Session> = database.sessions.iter().filter(theirs).collect();
    found.sort_by_cached_key(|session| std::cmp::Reverse(session.judge(database.now, row.cx.limits)));
    let title = match found.len() {
        many if many > LISTED => format!("The worst {LISTED} of its {many} sessions"),
        _ => "Its sessions".to_owned(),
    };
    let links: Vec<Link> =
        found.into_iter().take(LISTED).map(|session| postgres::link(row.feed, session, database, row.cx)).collect();
    Section::Links { title, links }
}
