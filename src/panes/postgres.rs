//! What the tables about PostgreSQL share: the server of a row, sentences and charts about it, everything about one session.

use super::{Chart, Link, Section, Unit};
use crate::cx::Cx;
use crate::domain::{Database, Prepared, Session, SessionState, Severity, Snapshot, Subject, ThingId, time};
use crate::store::history::KEPT;
use crate::store::{Feed, Ring};
use crate::theme::Role;
use crate::widgets::figure;
use jiff::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// The server that a feed reports on.
pub fn database(feed: &Feed) -> Option<&Database> {
    feed.snapshot().and_then(Snapshot::database)
}

/// All servers that are known, the worst first.
pub fn worst_first<'a>(cx: &Cx<'a>) -> Vec<(&'a Feed, &'a Database)> {
    let mut known: Vec<_> =
        cx.store.about(Subject::Databases).filter_map(|feed| Some((feed, database(feed)?))).collect();
    if known.len() > 1 {
        known.sort_by_cached_key(|(_, database)| std::cmp::Reverse(database.judge(cx.limits)));
    }
    known
}

/// Before a sentence, where there are several servers: which one it is about.
pub fn named(feed: &Feed, cx: &Cx<'_>, text: String) -> String {
    if cx.many(Subject::Databases) { format!("{}: {text}", feed.id.name()) } else { text }
}

/// What is wrong with the servers, the worst first, and what their logins may not see.
pub fn troubles(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
    let mut found = Vec::new();
    for (feed, database) in cx.store.about(Subject::Databases).filter_map(|feed| Some((feed, database(feed)?))) {
        for trouble in database.troubles(cx.limits) {
            found.push((trouble.severity, named(feed, cx, trouble.what)));
        }
        found.extend(database.hidden.iter().map(|what| (Severity::Unknown, named(feed, cx, what.clone()))));
    }
    found.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    out.extend(found);
}

/// The text, or a dash where there is none.
pub fn text(out: &mut String, text: &str, role: Role) -> Role {
    if text.is_empty() {
        out.push('—');
        return Role::Faint;
    }
    out.push_str(text);
    role
}

/// A number with its thousands in one letter, at most five cells: `7`, `0.40`, `18.2`, `975`, `12.3k`, `1.2M`.
pub fn short(out: &mut String, value: f64) {
    let _ = match value {
        v if v < 999.5 && v.fract() == 0.0 => write!(out, "{v:.0}"),
        v if v < 10.0 => write!(out, "{v:.2}"),
        v if v < 99.95 => write!(out, "{v:.1}"),
        v if v < 999.5 => write!(out, "{v:.0}"),
        v if v < 99_950.0 => write!(out, "{:.1}k", v / 1e3),
        v if v < 999_500.0 => write!(out, "{:.0}k", v / 1e3),
        v if v < 99_950_000.0 => write!(out, "{:.1}M", v / 1e6),
        v if v < 999_500_000.0 => write!(out, "{:.0}M", v / 1e6),
        v => write!(out, "{:.1}G", v / 1e9),
    };
}

fn age_text(age: Option<Duration>, none: &str) -> String {
    age.map_or_else(|| none.to_owned(), |age| figure::text(|out| figure::age(out, age)))
}

fn since(at: Option<Timestamp>, server_now: Timestamp) -> Option<String> {
    at.map(|at| format!("since {at:.0}, {}", age_text(Some(time::between(at, server_now)), "—")))
}

/// Since when its transaction is open. PostgreSQL forgets the start of one that is aborted: it is open for longer than that.
fn transaction(session: &Session, server_now: Timestamp) -> Option<String> {
    let open = since(session.xact_start, server_now);
    let idle = session.state.is_in_transaction().then(|| match since(session.state_change, server_now) {
        Some(since) => format!("idle {since}: its start is not told"),
        None => "open: its start is not told".to_owned(),
    });
    open.or(idle)
}

/// The identity of a session.
pub fn session_id(feed: &Feed, session: &Session) -> ThingId {
    ThingId::Session { source: feed.id.clone(), pid: session.pid, backend_start: session.backend_start }
}

/// The same, compared without making one.
pub fn is_session(feed: &Feed, session: &Session, id: &ThingId) -> bool {
    matches!(id, ThingId::Session { source, pid, backend_start }
        if *pid == session.pid && *backend_start == session.backend_start && *source == feed.id)
}

/// Everything about one session.
pub fn session_details(feed: &Feed, session: &Session, cx: &Cx<'_>) -> Vec<Section> {
    let Some(database) = database(feed) else { return Vec::new() };
    let mut sections = vec![
        Section::Facts(session_facts(feed, session, database)),
        Section::Text { title: query_title(session).to_owned(), text: session.query.clone() },
    ];
    if !session.blocked_by.is_empty() || session.blocks > 0 {
        sections.push(Section::Facts(lock_facts(session, database)));
    }
    let of = |pid: &i32| database.session(*pid);
    links(&mut sections, "It waits for", feed, cx, session.blocked_by.iter().filter_map(of));
    let blocked = database.sessions.iter().filter(|other| other.blocked_by.contains(&session.pid));
    links(&mut sections, "These wait for it", feed, cx, blocked);
    sections.extend(server_details(feed, cx));
    sections
}

fn query_title(session: &Session) -> &'static str {
    match session.state {
        SessionState::Active | SessionState::Fastpath => "Query",
        SessionState::Hidden => "Query (hidden: GRANT pg_monitor to the reading login)",
        SessionState::Idle | SessionState::IdleInTransaction | SessionState::IdleInTransactionAborted => "Last query",
    }
}

fn session_facts(feed: &Feed, s: &Session, database: &Database) -> Vec<(String, String)> {
    let hidden = s.state == SessionState::Hidden;
    // Of a hidden session nobody says that there is none of it.
    let none = |word: &str| if hidden { "hidden".to_owned() } else { word.to_owned() };
    let begun = if hidden { "hidden".to_owned() } else { format!("{:.0}", s.backend_start) };
    let mut facts = vec![
        ("source", feed.id.to_string()),
        ("pid", s.pid.to_string()),
        ("user", s.user.clone()),
        ("application", s.application.clone()),
        ("client", s.client.clone()),
        ("database", s.database.clone()),
        ("kind", if s.kind.is_empty() { "hidden".to_owned() } else { s.kind.clone() }),
        ("backend start", begun),
        ("state", s.state.word().to_owned()),
        ("in it", since(s.state_change, database.now).unwrap_or_else(|| none("not known"))),
        ("transaction", transaction(s, database.now).unwrap_or_else(|| none("none"))),
        ("query", since(s.query_start, database.now).unwrap_or_else(|| none("none"))),
        ("waits", s.wait.clone().unwrap_or_else(|| none("for nothing"))),
    ];
    if let Some(age) = s.xmin_age {
        facts.push(("holds vacuum back", format!("by {age} transactions (backend_xmin)")));
    }
    if s.own {
        facts.push(("own", "one of quarterdeck's own: never acted on".to_owned()));
    }
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}

fn lock_facts(s: &Session, database: &Database) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut say = |label: &str, text: String| facts.push((label.to_owned(), text));
    if !s.blocked_by.is_empty() {
        say("waits for", s.waits_for.clone().unwrap_or_else(|| "a lock".to_owned()));
        say("for so long", age_text(s.blocked_for(database.now), "not known"));
        for prepared in database.prepared.iter().filter(|p| s.blocked_by.contains(&0) && p.blocks.contains(&s.pid)) {
            say("held by", format!("prepared transaction {}", prepared.gid));
        }
    }
    if s.may_wait() {
        say("waits for", "not known: it may itself be waiting".to_owned());
    }
    if s.blocks > 0 {
        say("in the way of", format!("{} sessions", s.blocks));
    }
    for lock in &s.holds {
        say("holds", lock.clone());
    }
    facts
}

/// Appends links to sessions, if there are any.
fn links<'a>(
    sections: &mut Vec<Section>,
    title: &str,
    feed: &Feed,
    cx: &Cx<'_>,
    sessions: impl Iterator<Item = &'a Session>,
) {
    let Some(database) = database(feed) else { return };
    let links: Vec<Link> = sessions.map(|session| link(feed, session, database, cx)).collect();
    if !links.is_empty() {
        sections.push(Section::Links { title: title.to_owned(), links });
    }
}

/// The way to one session, with its state in a few words.
pub fn link(feed: &Feed, session: &Session, database: &Database, cx: &Cx<'_>) -> Link {
    let age = age_text(session.age(database.now), "—");
    Link {
        to: session_id(feed, session),
        subject: Subject::Databases,
        name: format!("session {}", session.pid),
        text: format!("{} {} {}, {age}: {}", session.user, session.application, session.state.word(), session.query),
        severity: session.judge(database.now, cx.limits),
    }
}

/// Everything about a prepared transaction.
pub fn prepared_details(feed: &Feed, prepared: &Prepared, cx: &Cx<'_>) -> Vec<Section> {
    let Some(database) = database(feed) else { return Vec::new() };
    let facts = vec![
        ("prepared transaction".to_owned(), prepared.gid.clone()),
        ("transaction".to_owned(), prepared.transaction.to_string()),
        ("owner".to_owned(), prepared.owner.clone()),
        ("database".to_owned(), prepared.database.clone()),
        ("prepared".to_owned(), since(Some(prepared.since), database.now).unwrap_or_default()),
        ("to end it".to_owned(), "COMMIT PREPARED or ROLLBACK PREPARED, in its database, by its owner".to_owned()),
    ];
    let mut sections = vec![Section::Facts(facts)];
    links(
        &mut sections,
        "These wait for it",
        feed,
        cx,
        prepared.blocks.iter().filter_map(|pid| database.session(*pid)),
    );
    sections.extend(server_details(feed, cx));
    sections
}

/// The server itself: facts, troubles, charts.
pub fn server_details(feed: &Feed, cx: &Cx<'_>) -> Vec<Section> {
    let Some(database) = database(feed) else { return Vec::new() };
    let mut sections = vec![Section::Facts(server_facts(feed, database, cx))];
    let Some(trend) = cx.store.database_trend(feed) else { return sections };
    let points = |ring: &Ring<KEPT>| -> Vec<f64> { ring.last(KEPT).map(f64::from).collect() };
    let chart = |title: &str, ring, unit| Chart {
        title: title.to_owned(),
        points: points(ring),
        span: trend.span(cx.now),
        unit,
        ..Chart::default()
    };
    let room = f64::from(database.max.saturating_sub(database.reserved));
    let limit = Some(room * cx.limits.connections.warn / 100.0);
    let connections =
        Chart { top: Some(f64::from(database.max)), limit, ..chart("connections", &trend.connections, Unit::Count) };
    sections.push(Section::Chart(connections));
    sections.push(Section::Chart(chart("transactions a second", &trend.transactions, Unit::Number)));
    sections.push(Section::Chart(chart("sessions at work", &trend.active, Unit::Count)));
    sections.push(Section::Chart(chart("sessions that wait for a lock", &trend.waiting, Unit::Count)));
    if database.receiver.is_some() || !database.replicas.is_empty() {
        sections.push(Section::Chart(chart("WAL not replayed yet", &trend.behind, Unit::Bytes)));
    }
    sections
}

fn server_facts(feed: &Feed, database: &Database, cx: &Cx<'_>) -> Vec<(String, String)> {
    let role = if database.standby { "standby" } else { "primary" };
    let host = if database.host.is_empty() { String::new() } else { format!(" at {}", database.host) };
    let connections =
        format!("{} of {} in use, {} kept for superusers", database.used, database.max, database.reserved);
    let mut facts = vec![
        ("server".to_owned(), format!("{}: PostgreSQL {}, {role}{host}", feed.id, database.version)),
        ("connections".to_owned(), connections),
    ];
    if let Some((who, age)) = database.horizon() {
        facts.push(("vacuum held back".to_owned(), format!("by {age} transactions, by {who}")));
    }
    for trouble in database.troubles(cx.limits) {
        facts.push((trouble.severity.word().to_owned(), trouble.what));
    }
    facts.extend(database.hidden.iter().map(|what| ("not seen".to_owned(), what.clone())));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_take_five_cells_at_most() {
        let cases = [
            (7.0, "7"),
            (13.0, "13"),
            (0.4, "0.40"),
            (18.24, "18.2"),
            (975.4, "975"),
            (12_345.0, "12.3k"),
            (456_789.0, "457k"),
            (1.2e6, "1.2M"),
            (3e9, "3.0G"),
        ];
        for (value, shown) in cases {
            assert_eq!(figure::text(|out| short(out, value)), shown);
        }
    }
}
