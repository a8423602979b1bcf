//! What is wrong now, of every sort: sources that do not answer, alerts that fire, servers, databases, containers.

use super::line::Line;
use crate::cx::Cx;
use crate::domain::{Container, Database, Server, Session, Severity, Snapshot, Subject, ThingId};
use crate::panes::{Lead, Link};
use crate::store::{Feed, Health};
use crate::widgets::figure;
use std::fmt::Write;
use std::sync::Arc;

/// Sessions of one database that are told; a line says how many more there are.
const SESSIONS: usize = 5;

/// The worst first; of the same severity in the order of the sorts, the newest first.
pub(super) fn lines(cx: &Cx<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = cx.store.feeds().iter().filter_map(|feed| of_source(feed, cx)).collect();
    lines.extend(of_slos(cx));
    lines.extend(of_alerts(cx));
    lines.extend(cx.store.about(Subject::Servers).flat_map(|feed| of_servers(feed, cx)));
    lines.extend(cx.store.about(Subject::Databases).flat_map(|feed| of_database(feed, cx)));
    lines.extend(cx.store.about(Subject::Containers).flat_map(|feed| of_containers(feed, cx)));
    lines.sort_by_key(|line| std::cmp::Reverse(line.severity));
    lines
}

fn stale(feed: &Feed, cx: &Cx<'_>) -> bool {
    matches!(feed.health(cx.now), Health::Stale | Health::Failed)
}

/// What a source does not tell may be worse than all that the others do.
fn of_source(feed: &Feed, cx: &Cx<'_>) -> Option<Line> {
    let (severity, since, what) = match (feed.health(cx.now), &feed.error) {
        (Health::Failed, Some((since, error))) => {
            (Severity::Critical, Some(since.wall), format!("{} → {}", error.what, error.hint))
        }
        (Health::Stale, _) => {
            let since = feed.good.as_ref().map(|(at, _)| at.wall);
            (Severity::Warning, since, "does not answer any more; what it told is that old".to_owned())
        }
        (Health::Waiting | Health::Fresh | Health::Failed, _) => return None,
    };
    let (name, lead) = (feed.id.to_string(), Lead::Pane(feed.subject));
    Some(Line { severity, stale: false, name, kind: "source", since, what, lead })
}

/// An expression that the server refuses: nobody knows how that figure is. The figures themselves stand above the lists.
fn of_slos<'a>(cx: &'a Cx<'_>) -> impl Iterator<Item = Line> + 'a {
    let slos = cx.store.alert_reports().flat_map(|(feed, report)| report.slos.iter().map(move |slo| (feed, slo)));
    slos.filter_map(|(feed, slo)| {
        let trouble = slo.trouble.as_ref()?;
        let what = format!("{} → {}", trouble.what, trouble.hint);
        let lead = Lead::Pane(Subject::Alerts);
        let (severity, name) = (Severity::Unknown, slo.name.clone());
        Some(Line { severity, stale: stale(feed, cx), name, kind: "slo", since: None, what, lead })
    })
}

fn of_alerts<'a>(cx: &'a Cx<'_>) -> impl Iterator<Item = Line> + 'a {
    let feeds = cx.store.about(Subject::Alerts);
    let all = feeds.flat_map(|feed| cx.store.alerts(feed).iter().map(move |alert| (feed, alert)));
    let mut alerts: Vec<_> = all.filter(|(_, alert)| alert.judge() >= Severity::Warning).collect();
    alerts.sort_by_key(|(_, alert)| std::cmp::Reverse(alert.active_at));
    alerts.into_iter().map(|(feed, alert)| {
        let name = alert.title();
        let what = alert.summary().to_owned();
        let severity = alert.judge();
        let to = ThingId::Alert { fingerprint: Arc::clone(&alert.fingerprint) };
        let lead = thing(to, Subject::Alerts, &name, &what, severity);
        Line { severity, stale: stale(feed, cx), name, kind: "alert", since: alert.active_at, what, lead }
    })
}

fn of_servers<'a>(feed: &'a Feed, cx: &'a Cx<'_>) -> impl Iterator<Item = Line> + 'a {
    cx.store.servers(feed).iter().filter_map(move |row| {
        let server: &Server = row;
        let severity = server.judge(cx.limits).0;
        if severity < Severity::Unknown {
            return None;
        }
        let what = server_text(server, cx);
        let to = ThingId::Server { name: server.name.as_str().into() };
        let lead = thing(to, Subject::Servers, &server.name, &what, severity);
        let name = server.name.clone();
        let since = cx.store.outages(&name).0.last().filter(|outage| outage.to.is_none()).map(|outage| outage.from);
        Some(Line { severity, stale: stale(feed, cx), name, kind: "server", since, what, lead })
    })
}

/// Every figure that is past its limit, with its value.
fn server_text(server: &Server, cx: &Cx<'_>) -> String {
    let mut text = String::new();
    if let Some(reach) = server.unreached() {
        let _ = write!(text, "does not answer {}: {}", reach.by, reach.why);
    }
    for (severity, what) in server.judgements(cx.limits) {
        if severity < Severity::Warning || what == "down" {
            continue;
        }
        let gap = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{gap}{what}");
        value(server, what, &mut text);
    }
    if text.is_empty() {
        let _ = write!(text, "not heard of: {}", server.silent.join(", "));
    }
    text
}

fn value(server: &Server, what: &str, out: &mut String) {
    let ratio = match what {
        "cpu" => server.cpu,
        "memory" => server.memory.map(|memory| memory.ratio()),
        "swap" => server.swap.map(|swap| swap.ratio()),
        "disk" => server.worst_disk().map(|disk| disk.usage.ratio()),
        "mem wait" => server.pressure.map(|pressure| pressure.memory),
        "io wait" => server.pressure.map(|pressure| pressure.io),
        "cpu wait" => server.pressure.map(|pressure| pressure.cpu),
        _ => None,
    };
    if let Some(ratio) = ratio {
        out.push(' ');
        figure::percent(out, ratio);
    }
    match (what, server.worst_disk(), server.fills_first(), server.load_per_core()) {
        ("disk", Some(disk), ..) => {
            let _ = write!(out, " {}", disk.mount);
        }
        ("fills", _, Some((disk, left)), _) => {
            let _ = write!(out, " {} in ", disk.mount);
            figure::coarse_age(out, left);
        }
        ("load", .., Some(load)) => {
            let _ = write!(out, " {load:.1} a core");
        }
        _ => {}
    }
}

fn of_database(feed: &Feed, cx: &Cx<'_>) -> Vec<Line> {
    let Some(database) = feed.snapshot().and_then(Snapshot::database) else { return Vec::new() };
    let whole = |severity, what| Line {
        severity,
        stale: stale(feed, cx),
        name: feed.id.name().to_owned(),
        kind: "database",
        since: None,
        what,
        lead: Lead::Pane(Subject::Databases),
    };
    let troubles = database.troubles(cx.limits).into_iter().map(|trouble| whole(trouble.severity, trouble.what));
    let mut lines: Vec<Line> = troubles.collect();
    let judged = database.sessions.iter().map(|session| (session.judge(database.now, cx.limits), session));
    let mut bad: Vec<_> = judged.filter(|(severity, _)| *severity >= Severity::Warning).collect();
    bad.sort_by_key(|(severity, session)| std::cmp::Reverse((*severity, session.blocks)));
    let more = bad.len().saturating_sub(SESSIONS);
    let worst_left = bad.get(SESSIONS).map(|(severity, _)| *severity);
    lines.extend(
        bad.iter()
            .take(SESSIONS)
            .map(|(severity, session)| of_session(feed, database, session, *severity, stale(feed, cx))),
    );
    lines.extend(worst_left.map(|severity| whole(severity, format!("{more} more sessions are in trouble"))));
    lines
}

fn of_session(feed: &Feed, database: &Database, session: &Session, severity: Severity, stale: bool) -> Line {
    let name = format!("session {} on {}", session.pid, feed.id.name());
    let mut what = format!("{} {} {}", session.user, session.application, session.state.word());
    if session.blocks > 0 {
        let _ = write!(what, ", blocks {}", session.blocks);
    }
    if let Some(waited) = session.blocked_for(database.now) {
        what.push_str(", waits for a lock for ");
        figure::coarse_age(&mut what, waited);
    }
    let to = ThingId::Session { source: feed.id.clone(), pid: session.pid, backend_start: session.backend_start };
    let lead = thing(to, Subject::Databases, &name, &what, severity);
    Line { severity, stale, name, kind: "session", since: session.state_change, what, lead }
}

fn of_containers<'a>(feed: &'a Feed, cx: &'a Cx<'_>) -> impl Iterator<Item = Line> + 'a {
    let engine = feed.snapshot().and_then(Snapshot::engine);
    let containers = engine.map_or(&[][..], |engine| &engine.containers);
    containers.iter().filter_map(move |container| {
        let severity = container.judge(cx.limits);
        if severity < Severity::Unknown {
            return None;
        }
        let what = container_text(container);
        // As in its own pane: three machines may have a postgres.
        let name = if cx.many(Subject::Containers) {
            format!("{}/{}", feed.id.name(), container.name)
        } else {
            container.name.clone()
        };
        let to = ThingId::Container { source: feed.id.clone(), id: Arc::clone(&container.id) };
        let lead = thing(to, Subject::Containers, &name, &what, severity);
        let since = container.since();
        Some(Line { severity, stale: stale(feed, cx), name, kind: "container", since, what, lead })
    })
}

fn container_text(container: &Container) -> String {
    let mut text = container.state_word().to_owned();
    if let Some(code) = container.exit_code.filter(|code| *code != 0) {
        let _ = write!(text, ", exit code {code}");
    }
    if let Some(restarts) = container.restarts.filter(|restarts| *restarts > 0) {
        let _ = write!(text, ", {restarts} restarts");
    }
    if let Some(memory) = container.memory.filter(|memory| memory.total > 0) {
        text.push_str(", memory ");
        figure::percent(&mut text, memory.ratio());
    }
    if let Some(probe) = container.probe.as_ref().filter(|probe| probe.failing > 0) {
        let said = probe.output.lines().next().filter(|line| !line.trim().is_empty());
        let _ = write!(text, ", {} probes in a row failed: {}", probe.failing, said.unwrap_or("it printed nothing"));
    }
    text
}

fn thing(to: ThingId, subject: Subject, name: &str, text: &str, severity: Severity) -> Lead {
    Lead::Thing(Link { to, subject, name: name.to_owned(), text: text.to_owned(), severity })
}
