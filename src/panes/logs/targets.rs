//! Which logs belong to a thing.

use super::Settings;
use crate::cx::Cx;
use crate::domain::{Container, LogPlace, LogTarget, Server, SourceId, Subject, ThingId};
use crate::panes::links;
use crate::store::{Feed, ServerRow};

/// Places merged at most: each is a stream of its own.
const MOST: usize = 50;

/// The logs of a thing, and whether the first of them is what was asked for without further ado. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// In the order of choice.
    pub all: Vec<LogTarget>,
    /// Which one is meant must be chosen first.
    pub choose: bool,
}

/// Finds them.
///
/// # Errors
/// A sentence: why there are none, and what to do.
pub fn of(thing: &ThingId, cx: &Cx<'_>, settings: &Settings) -> Result<Targets, String> {
    match thing {
        ThingId::Container { source, id } => {
            let all = of_container(source, id, cx);
            if all.is_empty() {
                Err("this container is not reported any more".to_owned())
            } else {
                Ok(Targets { all, choose: false })
            }
        }
        ThingId::Server { name } => {
            let all = of_server(name, cx, settings)?;
            Ok(Targets { choose: all.len() > 1, all })
        }
        ThingId::Alert { .. } => of_alert(thing, cx, settings),
        ThingId::Session { .. }
        | ThingId::Process { .. }
        | ThingId::Entry { .. }
        | ThingId::Run(_)
        | ThingId::Runbook(_) => Err("logs are those of containers and servers: choose one of them".to_owned()),
    }
}

/// The logs of several things merged by time, then each by itself; and how many are left out, for there are too many.
///
/// # Errors
/// A sentence: why there are none, and what to do.
pub fn of_marked(things: &[ThingId], cx: &Cx<'_>, settings: &Settings) -> Result<(Targets, usize), String> {
    let (mut all, mut why) = (Vec::new(), String::new());
    for thing in things {
        match of(thing, cx, settings) {
            Ok(targets) => all.extend(targets.all.into_iter().next()),
            Err(what) => why = what,
        }
    }
    let places: Vec<LogPlace> = all.iter().flat_map(|target| target.places.iter().cloned()).take(MOST).collect();
    let left_out = all.len().saturating_sub(MOST);
    if all.is_empty() {
        return Err(why);
    }
    if all.len() > 1 {
        let name = format!("{} marked", places.len());
        all.insert(0, LogTarget { name: name.into(), places: places.into() });
    }
    Ok((Targets { all, choose: false }, left_out))
}

fn containers<'a>(cx: &Cx<'a>) -> impl Iterator<Item = (&'a Feed, &'a Container)> {
    let engines = cx.store.about(Subject::Containers);
    engines
        .filter_map(|feed| Some((feed, feed.snapshot()?.engine()?)))
        .flat_map(|(feed, engine)| engine.containers.iter().map(move |container| (feed, container)))
}

fn place(feed: &Feed, container: &Container) -> LogPlace {
    LogPlace::Container { source: feed.id.clone(), id: container.id.clone(), name: container.name.as_str().into() }
}

/// The container's own, then its service's, then its project's.
fn of_container(source: &SourceId, id: &str, cx: &Cx<'_>) -> Vec<LogTarget> {
    let Some((feed, own)) = containers(cx).find(|(feed, container)| feed.id == *source && *container.id == *id) else {
        return Vec::new();
    };
    let mut all = vec![LogTarget::one(own.name.as_str(), place(feed, own))];
    let Some(compose) = &own.compose else { return all };
    let (project, service) = (&compose.project, &compose.service);
    let of_project = |other: &Container| other.compose.as_ref().is_some_and(|compose| compose.project == *project);
    let of_service =
        |other: &Container| of_project(other) && other.compose.as_ref().is_some_and(|c| c.service == *service);
    let merged = |name: &str, wanted: &dyn Fn(&Container) -> bool| {
        let places: Vec<LogPlace> = containers(cx)
            .filter(|(_, other)| wanted(other))
            .map(|(feed, other)| place(feed, other))
            .take(MOST)
            .collect();
        let name = format!("{name}, {} containers", places.len());
        LogTarget { name: name.into(), places: places.into() }
    };
    for target in [merged(&format!("{project}/{service}"), &of_service), merged(project, &of_project)] {
        if all.last().is_some_and(|last| last.places.len() < target.places.len()) {
            all.push(target);
        }
    }
    all
}

/// The journal, each file that the config names, and all of them by time.
fn of_server(name: &str, cx: &Cx<'_>, settings: &Settings) -> Result<Vec<LogTarget>, String> {
    let row = cx.store.all_servers().find(|row| row.name == name);
    let Some(source) = way_to(name, row, cx) else {
        return Err(format!(
            "nothing here can read logs on {name}: in the config, give its [[server]] the line ssh = \"user@host\""
        ));
    };
    let journal = LogPlace::Journal { source: source.clone(), server: name.into() };
    let mut all = vec![LogTarget::one(format!("{name} journal"), journal)];
    for path in settings.files.get(name).into_iter().flatten() {
        let place = LogPlace::File { source: source.clone(), server: name.into(), path: path.as_str().into() };
        all.push(LogTarget::one(format!("{name} {path}"), place));
    }
    if all.len() > 1 {
        let places: Vec<LogPlace> = all.iter().flat_map(|target| target.places.iter().cloned()).collect();
        all.push(LogTarget { name: format!("{name}, all of them by time").into(), places: places.into() });
    }
    Ok(all)
}

/// The source through which something can be run on a server: ssh, or this machine's own.
fn way_to(name: &str, row: Option<&ServerRow>, cx: &Cx<'_>) -> Option<SourceId> {
    let is_it = |server: &Server| server.name == name || row.is_some_and(|row| links::is_called(row, &server.name));
    let tells = |feed: &&Feed| {
        let told = feed.snapshot().and_then(|snapshot| snapshot.servers()).unwrap_or_default();
        feed.id.name() == name || told.iter().any(is_it)
    };
    let of_kind = |kind: &str| cx.store.about(Subject::Servers).filter(|feed| feed.id.kind() == kind).find(tells);
    of_kind("ssh").or_else(|| of_kind("local")).map(|feed| feed.id.clone())
}

/// Those of what the alert is certainly about.
fn of_alert(thing: &ThingId, cx: &Cx<'_>, settings: &Settings) -> Result<Targets, String> {
    let linked = links::things_of(thing, cx);
    let mut all = Vec::new();
    for thing in linked.iter().filter(|thing| matches!(thing, ThingId::Container { .. })) {
        all.extend(of(thing, cx, settings).map(|targets| targets.all).unwrap_or_default().into_iter().take(1));
    }
    let mut why = None;
    for thing in linked.iter().filter(|thing| matches!(thing, ThingId::Server { .. })) {
        match of(thing, cx, settings) {
            Ok(targets) => all.extend(targets.all),
            Err(what) => why = Some(what),
        }
    }
    if all.is_empty() {
        let unnamed = "the labels of this alert name no container and no server that is known here".to_owned();
        return Err(why.unwrap_or(unnamed));
    }
    Ok(Targets { choose: all.len() > 1, all })
}
