//! Which things belong together: an alert to its server, a server to what runs on it, a session to where it comes from.
//!
//! Joined by what both sides say of themselves: labels, names and addresses. A link that is not certain is not made: at 03:00 a
//! wrong one costs more than none. A loopback address is no machine's name: it means that of whoever wrote it. Behind one a server is known only
//! by its exporter, port and all, and a session that comes from one comes from the database's own machine.

use super::{Link, Section};
use crate::cx::Cx;
use crate::domain::alert::Labels;
use crate::domain::{Alert, Container, Database, Engine, Server, Session, Subject, ThingId, host};
use crate::store::Feed;
use std::net::IpAddr;

/// Links of one kind at most; the worst come first.
const MOST: usize = 12;

/// Labels that name a machine, as exporters and relabelling write them.
const HOST_LABELS: [&str; 7] = ["instance", "host", "hostname", "node", "nodename", "server", "exported_instance"];
/// Labels that name a container.
const CONTAINER_LABELS: [&str; 4] = ["container", "container_name", "container_label_name", "name"];
/// Labels that name a container's full id.
const ID_LABELS: [&str; 2] = ["container_id", "id"];
/// Labels that name a Compose service.
const SERVICE_LABELS: [&str; 2] = ["service", "container_label_com_docker_compose_service"];

/// The sections of a thing's page that lead to others; none when nothing is known to belong to it.
pub fn of(thing: &ThingId, cx: &Cx<'_>) -> Vec<Section> {
    let found = match thing {
        ThingId::Alert { fingerprint } => {
            find(alerts(cx), |alert| alert.fingerprint == *fingerprint).map(|alert| of_alert(alert, cx))
        }
        ThingId::Server { name } => {
            find(servers(cx), |server| *server.name == **name).map(|server| of_server(server, cx))
        }
        ThingId::Container { source, id } => containers(cx)
            .find(|(feed, _, container)| feed.id == *source && container.id == *id)
            .map(|(_, engine, container)| of_container(engine, container, cx)),
        ThingId::Session { source, pid, backend_start } => sessions(cx)
            .find(|(feed, _, session)| {
                feed.id == *source && session.pid == *pid && session.backend_start == *backend_start
            })
            .map(|(_, database, session)| of_session(database, session, cx)),
        ThingId::Process { .. } | ThingId::Entry { .. } | ThingId::Run(_) | ThingId::Runbook(_) => None,
    };
    found
        .into_iter()
        .flatten()
        .filter(|section| !matches!(section, Section::Links { links, .. } if links.is_empty()))
        .collect()
}

/// The things themselves that belong to a thing, as [`of`] shows them.
pub(super) fn things_of(thing: &ThingId, cx: &Cx<'_>) -> Vec<ThingId> {
    let sections = of(thing, cx);
    let links = sections.into_iter().flat_map(|section| match section {
        Section::Links { links, .. } => links,
        Section::Facts(_)
        | Section::Text { .. }
        | Section::Prose { .. }
        | Section::Lines { .. }
        | Section::Chart(_) => Vec::new(),
    });
    links.map(|link| link.to).collect()
}

fn of_alert(alert: &Alert, cx: &Cx<'_>) -> Vec<Section> {
    let named = containers(cx).filter(|(_, engine, container)| alert_is_about(alert, engine, container, cx));
    let others = alerts(cx).filter(|other| other.fingerprint != alert.fingerprint && same_target(alert, other));
    vec![
        section(
            "server",
            servers(cx).filter(|server| alert_is_on(alert, server, cx)).map(|server| server_link(server, cx)),
        ),
        section("containers", named.map(|(feed, _, container)| container_link(feed, container, cx))),
        section("other alerts on it", others.map(alert_link)),
    ]
}

fn of_server(server: &Server, cx: &Cx<'_>) -> Vec<Section> {
    let on = containers(cx).filter(|(_, engine, _)| runs_on(server, engine));
    let of_it = sessions(cx).filter(|(_, database, session)| {
        is_called(server, &database.host) || is_called(server, client(database, session))
    });
    vec![
        section("alerts", alerts(cx).filter(|alert| alert_is_on(alert, server, cx)).map(alert_link)),
        section("containers", on.map(|(feed, _, container)| container_link(feed, container, cx))),
        section("database sessions", of_it.map(|(feed, database, session)| session_link(feed, database, session, cx))),
    ]
}

fn of_container(engine: &Engine, container: &Container, cx: &Cx<'_>) -> Vec<Section> {
    let host = |server: &&Server| engine.server.as_deref().is_some_and(|host| is_called(server, host));
    let from = sessions(cx).filter(|(_, _, session)| container.addresses.contains(&session.client));
    let about = alerts(cx).filter(|alert| alert_is_about(alert, engine, container, cx));
    vec![
        section("server", servers(cx).filter(host).map(|server| server_link(server, cx))),
        section("alerts", about.map(alert_link)),
        section("database sessions", from.map(|(feed, database, session)| session_link(feed, database, session, cx))),
    ]
}

fn of_session(database: &Database, session: &Session, cx: &Cx<'_>) -> Vec<Section> {
    let from = containers(cx).filter(|(_, _, container)| container.addresses.contains(&session.client));
    let link = |server| server_link(server, cx);
    let client = client(database, session);
    vec![
        section("comes from", servers(cx).filter(|server| is_called(server, client)).map(link)),
        section("comes from container", from.map(|(feed, _, container)| container_link(feed, container, cx))),
        section("database server", servers(cx).filter(|server| is_called(server, &database.host)).map(link)),
    ]
}

fn section(title: &str, links: impl Iterator<Item = Link>) -> Section {
    let mut links: Vec<Link> = links.collect();
    links.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    let title = match links.len() {
        count if count > MOST => format!("{title}: {MOST} of {count}, the worst"),
        _ => title.to_owned(),
    };
    links.truncate(MOST);
    Section::Links { title, links }
}

fn server_link(server: &Server, cx: &Cx<'_>) -> Link {
    let (severity, text) = server.judged(cx.limits);
    let to = ThingId::Server { name: server.name.as_str().into() };
    Link { to, subject: Subject::Servers, name: server.name.clone(), text, severity }
}

fn container_link(feed: &Feed, container: &Container, cx: &Cx<'_>) -> Link {
    Link {
        to: ThingId::Container { source: feed.id.clone(), id: container.id.clone() },
        subject: Subject::Containers,
        name: container.name.clone(),
        text: format!("{}  {}", container.state_word(), container.image),
        severity: container.judge(cx.limits),
    }
}

fn alert_link(alert: &Alert) -> Link {
    Link {
        to: ThingId::Alert { fingerprint: alert.fingerprint.clone() },
        subject: Subject::Alerts,
        name: alert.name.clone(),
        text: format!("{}  {}", alert.word(), alert.target()),
        severity: alert.judge(),
    }
}

fn session_link(feed: &Feed, database: &Database, session: &Session, cx: &Cx<'_>) -> Link {
    Link {
        to: ThingId::Session { source: feed.id.clone(), pid: session.pid, backend_start: session.backend_start },
        subject: Subject::Databases,
        name: format!("session {} on {}", session.pid, feed.id.name()),
        text: format!("{}  {}  {}", session.state.word(), session.user, session.application),
        severity: session.judge(database.now, cx.limits),
    }
}

fn servers<'a>(cx: &Cx<'a>) -> impl Iterator<Item = &'a Server> {
    let store = cx.store;
    store.all_servers().map(|row| &**row)
}

fn alerts<'a>(cx: &Cx<'a>) -> impl Iterator<Item = &'a Alert> {
    let store = cx.store;
    store.all_alerts().map(|alert| &**alert)
}

fn containers<'a>(cx: &Cx<'a>) -> impl Iterator<Item = (&'a Feed, &'a Engine, &'a Container)> {
    let engines = cx.store.about(Subject::Containers);
    engines
        .filter_map(|feed| Some((feed, feed.snapshot()?.engine()?)))
        .flat_map(|(feed, engine)| engine.containers.iter().map(move |container| (feed, engine, container)))
}

fn sessions<'a>(cx: &Cx<'a>) -> impl Iterator<Item = (&'a Feed, &'a Database, &'a Session)> {
    let servers = cx.store.about(Subject::Databases);
    servers
        .filter_map(|feed| Some((feed, feed.snapshot()?.database()?)))
        .flat_map(|(feed, database)| database.sessions.iter().map(move |session| (feed, database, session)))
}

/// Where a session comes from: from the loopback address of the database's machine, from there.
fn client<'a>(database: &'a Database, session: &'a Session) -> &'a str {
    if host::is_here(&session.client) { &database.host } else { &session.client }
}

fn find<'a, T>(mut things: impl Iterator<Item = &'a T>, is: impl Fn(&T) -> bool) -> Option<&'a T> {
    things.find(|thing| is(thing))
}

/// The machines that an alert's labels name, without ports.
fn alert_hosts(alert: &Alert) -> impl Iterator<Item = &str> {
    HOST_LABELS
        .iter()
        .filter_map(|label| alert.labels.get(*label))
        .map(|value| host::of(value))
        .filter(|host| !host.is_empty())
}

/// Two Prometheuses may mean two machines by the same loopback address: then it is on neither of them for certain.
fn alert_is_on(alert: &Alert, server: &Server, cx: &Cx<'_>) -> bool {
    let alone = || servers(cx).filter(|other| is_scraped_as(other, &alert.labels)).nth(1).is_none();
    alert_hosts(alert).any(|host| is_called(server, host)) || is_scraped_as(server, &alert.labels) && alone()
}

/// These labels are of the exporter that the server is known for, and it is behind a loopback address: then its port and its job must be the same.
fn is_scraped_as(server: &Server, labels: &Labels) -> bool {
    let Some(instance) = labels.get("instance").filter(|instance| host::is_here(instance)) else { return false };
    let of_exporter = |name: &str| server.labels.get(name);
    let job = labels.get("job").zip(of_exporter("job"));
    server.past.is_some() && of_exporter("instance") == Some(instance) && job.is_none_or(|(a, b)| a == b)
}

/// The one server that goes by a name or address, or is known for the exporter with these labels.
pub(super) fn server_at<'a>(cx: &Cx<'a>, host: &str, labels: &Labels) -> Option<&'a Server> {
    alone(servers(cx).filter(|server| is_called(server, host) || is_scraped_as(server, labels)))
}

/// The engine's containers are on this server.
fn runs_on(server: &Server, engine: &Engine) -> bool {
    engine.server.as_deref().is_some_and(|host| is_called(server, host))
}

/// All containers, with the sources that tell of them.
pub fn every_container<'a>(cx: &Cx<'a>) -> impl Iterator<Item = (&'a Feed, &'a Container)> {
    containers(cx).map(|(feed, _, container)| (feed, container))
}

/// Those on the server of this name; none when there is no such server.
pub fn containers_on<'a>(cx: &Cx<'a>, server: &str) -> impl Iterator<Item = (&'a Feed, &'a Container)> {
    let row = cx.store.server(server).map(|(_, row)| &**row);
    let here = move |(_, engine, _): &(&Feed, &Engine, &Container)| row.is_some_and(|row| runs_on(row, engine));
    containers(cx).filter(here).map(|(feed, _, container)| (feed, container))
}

/// The first one, if there is no other.
pub fn alone<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Whether an alert is about a container. An id says so by itself. A name is a container's only on the machine that the alert
/// is about, and a service has containers on many: there the machine must be the same for certain.
fn alert_is_about(alert: &Alert, engine: &Engine, container: &Container, cx: &Cx<'_>) -> bool {
    if names_id(alert, container) {
        return true;
    }
    let bare = alert_hosts(alert).next().is_none();
    let host = engine.server.as_deref().unwrap_or_default();
    let is_host = |server: &Server| is_called(server, host) && alert_is_on(alert, server, cx);
    let here = || {
        alert_hosts(alert).any(|named| same(named, host) || container.addresses.iter().any(|address| address == named))
            || servers(cx).any(is_host)
    };
    let unknown = engine.server.is_none();
    names_container(alert, container) && (bare || unknown || here())
        || names_service(alert, container) && (bare || here())
}

fn labels<'a>(alert: &'a Alert, names: &'static [&'static str]) -> impl Iterator<Item = &'a String> {
    names.iter().filter_map(|name| alert.labels.get(*name))
}

fn names_id(alert: &Alert, container: &Container) -> bool {
    labels(alert, &ID_LABELS).any(|value| {
        // cAdvisor writes the cgroup's path: its last part is the id.
        let id = value.rsplit('/').next().unwrap_or(value).trim_start_matches("docker-").trim_end_matches(".scope");
        id.len() >= 12 && container.id.starts_with(id)
    })
}

fn names_container(alert: &Alert, container: &Container) -> bool {
    labels(alert, &CONTAINER_LABELS).any(|name| name.trim_start_matches('/') == container.name)
}

fn names_service(alert: &Alert, container: &Container) -> bool {
    let service = container.compose.as_ref().map(|compose| &compose.service).filter(|service| !service.is_empty());
    service.is_some_and(|service| labels(alert, &SERVICE_LABELS).any(|label| label == service))
}

fn same_target(a: &Alert, b: &Alert) -> bool {
    let instance = a.labels.get("instance").filter(|instance| !instance.is_empty());
    alert_hosts(a).any(|host| alert_hosts(b).any(|other| same(host, other)))
        || instance.is_some() && instance == b.labels.get("instance")
}

/// The server goes by this name or address.
pub(super) fn is_called(server: &Server, called: &str) -> bool {
    !called.is_empty() && (same(&server.name, called) || server.addresses.iter().any(|address| same(address, called)))
}

/// The name of the server that a label's value means, by name, address or exporter; `None` when there is none, or more than one.
pub fn server_called<'a>(cx: &Cx<'a>, value: &str) -> Option<&'a str> {
    let labels = [("instance".to_owned(), value.to_owned())].into();
    let is_it = |server: &&Server| {
        is_called(server, value) || is_called(server, host::of(value)) || is_scraped_as(server, &labels)
    };
    alone(servers(cx).filter(is_it)).map(|server| server.name.as_str())
}

/// The same machine: equal but for case, or a short name and the full one that begins with it. Not by "here", which means another
/// machine to each who says it.
fn same(a: &str, b: &str) -> bool {
    if host::is_here(a) || host::is_here(b) {
        return false;
    }
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
    let short = |short: &str, full: &str| {
        let dot = full.find('.').unwrap_or(full.len());
        !short.contains('.') && short.eq_ignore_ascii_case(&full[..dot])
    };
    !is_address(a) && !is_address(b) && (short(a, b) || short(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_the_same_by_name_or_address_and_never_by_half_an_address() {
        assert!(same("game-1", "GAME-1") && same("game-1", "game-1.eu.example") && same("10.0.1.4", "10.0.1.4"));
        assert!(!same("127.0.0.1", "127.0.0.1") && !same("localhost", "localhost") && !same("", "game-1"));
        assert!(!same("10", "10.0.1.4") && !same("game-1", "game-10") && !same("game-1.eu", "game-1.us"));
    }

    #[test]
    fn an_alert_names_a_container_by_name_id_or_service() {
        let container = Container {
            id: "4f2a9c".repeat(10).into(),
            name: "game-1-api".into(),
            compose: Some(crate::domain::Compose { project: "spacetime".into(), service: "api".into() }),
            ..Container::default()
        };
        let alert =
            |label: &str, value: String| Alert { labels: [(label.to_owned(), value)].into(), ..Alert::default() };
        assert!(names_container(&alert("container", "game-1-api".into()), &container));
        assert!(names_id(&alert("id", format!("/system.slice/docker-{}.scope", "4f2a9c".repeat(10))), &container));
        assert!(names_service(&alert("service", "api".into()), &container));
        assert!(!names_service(&alert("service", "game-1-api".into()), &container));
        assert!(!names_id(&alert("id", "/".into()), &container));
    }
}
