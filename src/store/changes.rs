//! What changed lately: read off the times that the sources themselves tell (a container's start, an alert's beginning, a
//! machine's boot), so that it is known from the first answer on; and, for what nobody writes a time to, seen by comparing one
//! answer with the one before it.
//!
//! Pure. Of the same thing there is one line: a container that starts every second is one change, not a thousand.

use super::{Away, Feed, Store};
use crate::domain::{
    Alert, AlertState, Change, Container, ContainerState, Database, Engine, EngineEvent, Now, Server, Severity,
    Snapshot, SourceError, Subject, ThingId, time,
};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// How a change begins that says that a source is back.
const AGAIN: &str = "answers again";
/// Changes seen that are kept.
const KEPT: usize = 500;

/// What was seen by comparing answers; the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(VecDeque<Change>);

impl Seen {
    /// Compares a feed with what it was before its newest answer.
    pub(super) fn compare(&mut self, before: &Before, feed: &Feed, at: Now) {
        if let (Some((since, _)), None) = (&before.error, &feed.error) {
            let what = format!("{AGAIN}, after {} without", time::words(at.since(*since)));
            self.push(feed, at.wall, feed.id.to_string(), what, Severity::Info);
        }
        let pair = before.good.as_deref().zip(feed.snapshot());
        match pair {
            Some((Snapshot::Database(was), Snapshot::Database(is))) if feed.error.is_none() => {
                for (what, severity) in of_database(was, is) {
                    self.push(feed, at.wall, feed.id.name().to_owned(), what, severity);
                }
            }
            Some((Snapshot::Alerts(was), Snapshot::Alerts(is))) if feed.error.is_none() => {
                // Of each sample, however many alerts there are: so by hash.
                let now: HashSet<&str> = is.alerts.iter().map(|alert| &*alert.fingerprint).collect();
                let over = was.alerts.iter().filter(|alert| alert.state == AlertState::Firing);
                let over = over.filter(|alert| !now.contains(&*alert.fingerprint));
                for alert in over {
                    let mut change = of_alert(feed, alert, at.wall);
                    let took =
                        alert.active_at.map(|since| format!(" after {}", time::words(time::between(since, at.wall))));
                    change.what = format!("fires no more{}", took.unwrap_or_default());
                    change.severity = Severity::Ok;
                    self.keep(change);
                }
            }
            Some(_) | None => {}
        }
    }

    fn push(&mut self, feed: &Feed, at: Timestamp, name: String, what: String, severity: Severity) {
        let (source, subject) = (feed.id.clone(), feed.subject);
        self.keep(Change { at, subject, source, thing: None, name, what, severity });
    }

    /// Several sources may tell of the same: only the newest of a thing stays.
    fn keep(&mut self, change: Change) {
        if change.thing.is_some() {
            self.0.retain(|other| other.thing != change.thing);
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }
}

/// A feed as it was, cheap to keep: the snapshot is shared.
pub(super) struct Before {
    good: Option<Arc<Snapshot>>,
    error: Option<(Now, SourceError)>,
}

impl Before {
    pub(super) fn of(feed: &Feed) -> Self {
        Self { good: feed.good.as_ref().map(|(_, good)| Arc::clone(good)), error: feed.error.clone() }
    }
}

impl Store {
    /// What changed within the last `back`, the newest first; each thing once.
    pub fn changes(&self, now: Now, back: Duration) -> Vec<Change> {
        let is_new = |at: Timestamp| time::between(at, now.wall) <= back;
        let mut changes = once(self.seen.0.iter().filter(|change| is_new(change.at)));
        // An alert that came back is not over.
        changes.retain(|change| !self.all_alerts().any(|alert| is_of(change, alert)));
        changes.extend(self.all_servers().filter_map(|server| of_server(self, server, now, &is_new)));
        for feed in &self.feeds {
            match feed.snapshot() {
                Some(Snapshot::Containers(engine)) => changes.extend(of_engine(feed, engine, &is_new)),
                Some(Snapshot::Alerts(_)) => {
                    let began = |alert: &Arc<Alert>| Some(of_alert(feed, alert, alert.active_at?));
                    changes.extend(self.alerts(feed).iter().filter_map(began));
                }
                Some(Snapshot::Database(database)) => changes.extend(restarted(feed, database)),
                Some(Snapshot::Servers(_)) | None => {}
            }
        }
        changes.retain(|change| is_new(change.at));
        changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.name.cmp(&b.name)));
        changes
    }
}

/// A source that failed and came back several times is one change.
fn once<'a>(seen: impl DoubleEndedIterator<Item = &'a Change>) -> Vec<Change> {
    let mut kept: Vec<(Change, u32)> = Vec::new();
    for change in seen.rev() {
        let same = |(other, _): &&mut (Change, u32)| other.source == change.source && other.what.starts_with(AGAIN);
        match kept.iter_mut().find(same).filter(|_| change.what.starts_with(AGAIN)) {
            Some((_, before)) => *before += 1,
            None => kept.push((change.clone(), 0)),
        }
    }
    let told = kept.into_iter().rev().map(|(mut change, before)| {
        match before {
            0 => {}
            1 => change.what.push_str(", and once before"),
            _ => _ = write!(change.what, ", and {before} times before"),
        }
        change
    });
    told.collect()
}

fn is_of(change: &Change, alert: &Alert) -> bool {
    matches!(&change.thing, Some(ThingId::Alert { fingerprint }) if *fingerprint == alert.fingerprint)
}

fn of_alert(feed: &Feed, alert: &Alert, at: Timestamp) -> Change {
    let what = match alert.state {
        AlertState::Pending => "is pending".to_owned(),
        AlertState::Firing | AlertState::Suppressed => format!("began: {}", alert.summary()),
    };
    Change {
        at,
        subject: Subject::Alerts,
        source: feed.id.clone(),
        thing: Some(ThingId::Alert { fingerprint: Arc::clone(&alert.fingerprint) }),
        name: alert.title(),
        what: what.trim_end_matches(": ").to_owned(),
        severity: alert.judge(),
    }
}

/// A machine that booted, or was down and is up again.
fn of_server(store: &Store, server: &Server, now: Now, is_new: &impl Fn(Timestamp) -> bool) -> Option<Change> {
    let up = server.uptime.and_then(|uptime| jiff::SignedDuration::try_from(uptime).ok());
    let booted = up.and_then(|up| now.wall.checked_sub(up).ok()).filter(|at| is_new(*at));
    let back = downs(store, &server.name, is_new);
    let at = booted.max(back.as_ref().map(|(at, _)| *at))?;
    let told: Vec<String> = booted.map(|_| "booted".to_owned()).into_iter().chain(back.map(|(_, what)| what)).collect();
    let feed = store.about(Subject::Servers).next()?;
    Some(Change {
        at,
        subject: Subject::Servers,
        source: feed.id.clone(),
        thing: Some(ThingId::Server { name: server.name.as_str().into() }),
        name: server.name.clone(),
        what: told.join(", "),
        severity: Severity::Warning,
    })
}

/// When a server's health address said for the last time that it is up again, and for how long it had said DOWN. One that is down now
/// is wrong now; that none of its sources answered is told of them.
fn downs(store: &Store, server: &str, is_new: &impl Fn(Timestamp) -> bool) -> Option<(Timestamp, String)> {
    let all = store.outages(server).0.iter().filter(|outage| outage.away == Away::Down);
    let over: Vec<(Timestamp, Timestamp)> =
        all.filter_map(|outage| Some((outage.from, outage.to?))).filter(|(_, to)| is_new(*to)).collect();
    let (from, to) = over.last()?;
    let number = u32::try_from(over.len()).unwrap_or(u32::MAX);
    let last = if number > 1 { ", the last time" } else { "" };
    Some((*to, format!("was down{}{last} for {}", times(number), time::words(time::between(*from, *to)))))
}

fn restarted(feed: &Feed, database: &Database) -> Option<Change> {
    Some(Change {
        at: database.started?,
        subject: Subject::Databases,
        source: feed.id.clone(),
        thing: None,
        name: feed.id.name().to_owned(),
        what: format!("PostgreSQL {} was started", database.version),
        severity: Severity::Warning,
    })
}

fn of_database(was: &Database, is: &Database) -> Vec<(String, Severity)> {
    let mut told = Vec::new();
    if was.standby && !is.standby {
        told.push(("was promoted: it is the primary now".to_owned(), Severity::Critical));
    } else if is.standby && !was.standby {
        told.push(("became a standby".to_owned(), Severity::Critical));
    }
    let names = |database: &Database| -> Vec<String> { database.replicas.iter().map(|r| r.name.clone()).collect() };
    let (before, after) = (names(was), names(is));
    // Where it is not known to whom WAL is sent, none is lost.
    if !is.replication_hidden && !was.replication_hidden {
        for name in before.iter().filter(|name| !after.contains(name)) {
            told.push((format!("standby {name} is not connected any more"), Severity::Warning));
        }
        for name in after.iter().filter(|name| !before.contains(name)) {
            told.push((format!("standby {name} connected"), Severity::Info));
        }
    }
    told
}

/// What happened to one container, as its engine told event by event.
#[derive(Default)]
struct Story<'a> {
    last: Option<&'a EngineEvent>,
    /// The image of the last one that was made; empty where that is not told. `None`: none was.
    created: Option<&'a str>,
    started: u32,
    died: u32,
    out_of_memory: u32,
    destroyed: bool,
    health: Option<&'a EngineEvent>,
    exit_code: Option<i64>,
    /// As they came, also one that came back: the last two tell what it is and what it was.
    images: Vec<&'a str>,
}

impl<'a> Story<'a> {
    fn take(&mut self, event: &'a EngineEvent) {
        let image = event.attributes.get("image").map(String::as_str);
        match event.action.as_str() {
            "create" => self.created = Some(image.unwrap_or_default()),
            "start" => self.started += 1,
            "die" | "died" => {
                self.died += 1;
                self.exit_code = event.exit_code();
            }
            "oom" => self.out_of_memory += 1,
            "destroy" | "remove" => self.destroyed = true,
            action if action.starts_with("health_status") => self.health = Some(event),
            _ => return,
        }
        self.last = Some(event);
        self.images.extend(image.filter(|image| self.images.last() != Some(image)));
    }

    /// In words, the worst first, and how bad it is.
    fn tell(&self, container: Option<&Container>) -> (String, Severity) {
        let (mut what, mut severity) = (String::new(), Severity::Info);
        let mut say = |text: String, how: Severity| {
            let gap = if what.is_empty() { "" } else { ", " };
            let _ = write!(what, "{gap}{text}");
            severity = severity.max(how);
        };
        if self.out_of_memory > 0 {
            say("out of memory".to_owned() + &times(self.out_of_memory), Severity::Critical);
        }
        if let Some(health) = self.health {
            let word = health.action.rsplit(' ').next().unwrap_or_default();
            say(format!("became {word}"), health.judge().max(Severity::Info));
        }
        if let Some(is) = self.created {
            let was = self.images.iter().rev().find(|was| **was != is).filter(|_| !is.is_empty());
            match (container, was) {
                (_, Some(was)) => say(format!("re-created with {is}, was {was}"), Severity::Warning),
                (Some(container), _) => say(format!("created from {}", container.image), Severity::Info),
                (None, _) => say("created".to_owned(), Severity::Info),
            }
        }
        if self.died > 0 {
            let code = self.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
            let asked = matches!(self.exit_code, Some(0 | 137 | 143) | None);
            let how = if asked && self.died < 3 { Severity::Info } else { Severity::Warning };
            say(format!("ended{}{code}", times(self.died)), how);
        }
        let runs = container.is_some_and(|container| container.state == ContainerState::Running);
        if self.started > 0 && self.created.is_none() && (runs || self.died == 0) {
            say("started".to_owned() + &times(self.started), Severity::Info);
        }
        if self.destroyed && container.is_none() {
            say("removed".to_owned(), Severity::Info);
        }
        (what, severity)
    }
}

fn times(number: u32) -> String {
    if number > 1 { format!(" {number} times") } else { String::new() }
}

/// By name: one that was re-created has another id, and is the same to everybody.
fn of_engine(feed: &Feed, engine: &Engine, is_new: &impl Fn(Timestamp) -> bool) -> Vec<Change> {
    let mut stories: HashMap<&str, Story<'_>> = HashMap::new();
    for event in engine.events.iter().filter(|event| event.is_of_container() && is_new(event.at)) {
        stories.entry(event.name.as_str()).or_default().take(event);
    }
    let named: HashMap<&str, &Container> = engine.containers.iter().map(|c| (c.name.as_str(), c)).collect();
    let told = stories.iter().filter_map(|(name, story)| {
        let (container, last) = (named.get(name).copied(), story.last?);
        let (what, severity) = story.tell(container);
        Some(container_change(feed, name, container, (last.at, what, severity)))
    });
    // An engine that forgot, or does not tell events: a container's own times are still there.
    let untold = engine.containers.iter().filter(|container| !stories.contains_key(container.name.as_str()));
    let untold = untold.filter_map(|container| {
        let (at, what) = [
            (container.created_at, "created"),
            (container.started_at, "started"),
            (container.finished_at.filter(|_| container.state == ContainerState::Exited), "ended"),
        ]
        .into_iter()
        .filter_map(|(at, what)| at.filter(|at| is_new(*at)).map(|at| (at, what)))
        .max_by_key(|(at, _)| *at)?;
        let told = (at, what.to_owned(), Severity::Info);
        Some(container_change(feed, &container.name, Some(container), told))
    });
    told.chain(untold).collect()
}

fn container_change(
    feed: &Feed,
    name: &str,
    container: Option<&Container>,
    (at, what, severity): (Timestamp, String, Severity),
) -> Change {
    let thing = container.map(|c| ThingId::Container { source: feed.id.clone(), id: c.id.clone() });
    let (source, subject) = (feed.id.clone(), feed.subject);
    Change { at, subject, source, thing, name: name.to_owned(), what, severity }
}

#[cfg(test)]
mod tests;
