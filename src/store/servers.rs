//! One row per server, whoever knows it: what a Prometheus, an exporter, ssh and a health address tell of the same machine is
//! joined by name and by address.
//!
//! Figures are those of the first source, in the config's order, that answers and knows them. What a source said that is
//! silent now is never mixed with what others say now: the row names that source instead. A row whose sources are all
//! silent keeps its last figures, and stands with one of them, so that the screen can grey it. A server that the config
//! names has a row before anybody answered.
//!
//! Who belongs to which row changes seldom, so that is worked out only when a source names other servers than before, or
//! gains or loses trust. A row that one source alone tells of is not copied: it shares the snapshot.

use super::history::{Figure, History};
use super::outages::{Away, Outages};
use super::{Feed, Health, Trend};
use crate::domain::{Limits, Now, Server, Severity, Snapshot, SourceId, Subject, host};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A server that the config names.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// What the config says of it; no figure.
    pub server: Server,
    /// The sources that the config makes for it alone.
    pub feeds: Vec<SourceId>,
}

/// One row.
#[derive(Clone, Debug)]
pub struct ServerRow(Shown);

#[derive(Clone, Debug)]
enum Shown {
    /// As its one source told it.
    Told(Arc<Snapshot>, usize),
    /// Of several sources, or of the config.
    Joined(Box<Made>),
}

/// A row that no source alone tells.
#[derive(Clone, Debug)]
struct Made {
    server: Server,
    is_told: bool,
    unheard: Vec<SourceId>,
    /// The sources that tell of it, or ought to.
    sources: Vec<SourceId>,
}

impl ServerRow {
    /// A source told of it, be it long ago; else only the config does.
    pub fn is_told(&self) -> bool {
        match &self.0 {
            Shown::Told(..) => true,
            Shown::Joined(made) => made.is_told,
        }
    }

    /// The source that can read its processes: this machine's own, else one over SSH. `feed` is the one that the row stands with.
    pub fn reads_processes<'a>(&'a self, feed: &'a Feed) -> Option<&'a SourceId> {
        let sources = match &self.0 {
            Shown::Told(..) => std::slice::from_ref(&feed.id),
            Shown::Joined(made) => &made.sources,
        };
        let of = |kind: &str| sources.iter().find(|source| source.kind() == kind);
        of("local").or_else(|| of("ssh"))
    }

    /// The sources that the config makes for it alone and that never told of it.
    pub fn unheard(&self) -> &[SourceId] {
        match &self.0 {
            Shown::Told(..) => &[],
            Shown::Joined(made) => &made.unheard,
        }
    }
}

impl Deref for ServerRow {
    type Target = Server;

    fn deref(&self) -> &Server {
        static NOBODY: LazyLock<Server> = LazyLock::new(Server::default);
        match &self.0 {
            Shown::Told(snapshot, at) => snapshot.servers().and_then(|servers| servers.get(*at)).unwrap_or(&NOBODY),
            Shown::Joined(made) => &made.server,
        }
    }
}

/// Who tells of one row.
#[derive(Clone, Debug, Default)]
struct Member {
    /// Index of the named server.
    named: Option<usize>,
    /// Feed and index in its snapshot, in the order of the feeds.
    told: Vec<(usize, usize)>,
    /// Feeds that the config makes for it alone, whether they ever answered or not.
    own: Vec<usize>,
    /// Where its row stands: feed, and index among the rows of that feed.
    place: (usize, usize),
}

impl Member {
    /// The feeds that tell of it or ought to, each once.
    fn feeds(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.told.iter().map(|(feed, _)| *feed).chain(self.own.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// All rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Joined {
    named: Vec<Named>,
    members: Vec<Member>,
    /// By feed.
    rows: Vec<Vec<ServerRow>>,
    /// By feed: the members that it tells of, or ought to.
    told: Vec<Vec<usize>>,
    /// By feed, as of the last join: how far it could be trusted, and which servers it named.
    trust: Vec<(Health, u64)>,
    columns: Vec<String>,
    history: History,
    pub(super) outages: Outages,
    /// Where a figure is past its limit, for the history of it.
    pub(super) limits: Limits,
    /// One more for each join.
    pub(super) joins: u64,
}

impl Joined {
    /// With the servers that the config names.
    pub(super) fn new(named: Vec<Named>, feeds: &[Feed], now: Now) -> Self {
        let mut this = Self { named, ..Self::default() };
        this.join(feeds, now);
        this
    }

    /// Goes on with other named servers and other feeds. Figures over time and outages of servers that are still there stay.
    pub(super) fn reconfigure(&mut self, named: Vec<Named>, feeds: &[Feed], now: Now) {
        self.named = named;
        self.join(feeds, now);
    }

    /// Takes in what the feed at `index` has just said.
    pub(super) fn take(&mut self, feeds: &[Feed], index: usize, now: Now) {
        if !self.pass(feeds, now, Some(index)) {
            for at in 0..self.told[index].len() {
                self.renew(self.told[index][at], feeds);
                self.watch(self.told[index][at], now);
            }
        }
        if feeds[index].error.is_none() {
            self.record(feeds, index);
        }
    }

    /// Joins anew if a feed gained or lost trust, by an answer or by time alone, or if the one at `changed` names other
    /// servers than before; whether it did.
    pub(super) fn pass(&mut self, feeds: &[Feed], now: Now, changed: Option<usize>) -> bool {
        let known = self.trust.len() == feeds.len()
            && feeds.iter().enumerate().all(|(index, feed)| {
                let (health, names) = self.trust[index];
                feed.subject != Subject::Servers
                    || health == feed.health(now) && (changed != Some(index) || names == identity(feed))
            });
        if !known {
            self.join(feeds, now);
        }
        !known
    }

    /// The rows that stand with a feed.
    pub(super) fn of_feed(&self, index: usize) -> &[ServerRow] {
        self.rows.get(index).map_or(&[], Vec::as_slice)
    }

    /// All rows.
    pub(super) fn all(&self) -> impl Iterator<Item = &ServerRow> {
        self.rows.iter().flatten()
    }

    /// The names of the columns that status addresses are mapped to, in the order in which they were met.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What the config says of its servers, in its order.
    pub(super) fn configured(&self) -> impl Iterator<Item = &Server> {
        self.named.iter().map(|named| &named.server)
    }

    /// The config names a server so.
    pub(super) fn is_configured(&self, name: &str) -> bool {
        self.named.iter().any(|named| named.server.name == name)
    }

    pub(super) fn trend(&self, server: &str) -> Option<&Trend> {
        self.history.of(server)
    }

    fn join(&mut self, feeds: &[Feed], now: Now) {
        self.joins += 1;
        self.trust = feeds.iter().map(|feed| (feed.health(now), identity(feed))).collect();
        self.members = members(&self.named, feeds);
        self.told = vec![Vec::new(); feeds.len()];
        self.rows = vec![Vec::new(); feeds.len()];
        self.columns.clear();
        let first = feeds.iter().position(|feed| feed.subject == Subject::Servers);
        for index in 0..self.members.len() {
            let Some(feed) = self.stands_with(&self.members[index]).or(first) else { continue };
            self.members[index].place = (feed, self.rows[feed].len());
            for feed in self.members[index].feeds() {
                self.told[feed].push(index);
            }
            let row = self.row(&self.members[index], feeds);
            note_columns(&mut self.columns, &row);
            self.rows[feed].push(row);
        }
        for index in 0..self.members.len() {
            self.watch(index, now);
        }
        let names: std::collections::HashSet<&str> = self.rows.iter().flatten().map(|row| row.name.as_str()).collect();
        self.history.keep(|name| names.contains(name));
    }

    /// Notes whether a server is there.
    fn watch(&mut self, index: usize, now: Now) {
        let Self { members, rows, trust, outages, limits, .. } = self;
        outages.since.get_or_insert(now.wall);
        let member = &members[index];
        let Some(row) = rows.get(member.place.0).and_then(|rows| rows.get(member.place.1)) else { return };
        let all = || member.told.iter().map(|(feed, _)| feed).chain(&member.own).map(|feed| trust[*feed].0);
        let heard = all().any(|health| health == Health::Fresh);
        let lost = all().any(|health| matches!(health, Health::Failed | Health::Stale));
        let away = match (heard, lost, row.is_down()) {
            (true, _, true) => Some(Away::Down),
            (false, true, _) => Some(Away::Silent),
            (true, _, false) => match row.judge(limits) {
                (severity, what) if severity >= Severity::Warning => Some(Away::Past { severity, what }),
                _ => None,
            },
            (false, false, _) => None,
        };
        outages.note(&row.name, away, now.wall);
    }

    /// The first feed that tells of it and is fresh, else the first that ever told of it, else the first of its own.
    fn stands_with(&self, member: &Member) -> Option<usize> {
        let told = || member.told.iter().map(|(feed, _)| *feed);
        told().find(|feed| self.is_fresh(*feed)).or_else(|| told().next()).or_else(|| member.own.first().copied())
    }

    fn is_fresh(&self, feed: usize) -> bool {
        self.trust[feed].0 == Health::Fresh
    }

    /// Writes one row anew, in its place.
    fn renew(&mut self, index: usize, feeds: &[Feed]) {
        let row = self.row(&self.members[index], feeds);
        note_columns(&mut self.columns, &row);
        let (feed, at) = self.members[index].place;
        if let Some(place) = self.rows.get_mut(feed).and_then(|rows| rows.get_mut(at)) {
            *place = row;
        }
    }

    fn row(&self, member: &Member, feeds: &[Feed]) -> ServerRow {
        if let (None, [(feed, at)]) = (member.named, member.told.as_slice())
            && let Some((_, snapshot)) = &feeds[*feed].good
        {
            return ServerRow(Shown::Told(Arc::clone(snapshot), *at));
        }
        let mut server = member.named.map(|at| self.named[at].server.clone()).unwrap_or_default();
        // All of them when all are silent: nothing fresh is there to mix them with.
        let fresh = member.told.iter().any(|(feed, _)| self.is_fresh(*feed));
        for (feed, at) in &member.told {
            let Some(told) = told(feeds, *feed, *at) else { continue };
            if server.name.is_empty() {
                server.name.clone_from(&told.name);
            }
            know(&mut server, told);
            if !fresh || self.is_fresh(*feed) {
                fill(&mut server, told);
            }
        }
        server.silent = self.silent(member, feeds);
        let is_silent = |feed: &&usize| !member.told.iter().any(|(told, _)| told == *feed);
        let unheard = member.own.iter().filter(is_silent).map(|feed| feeds[*feed].id.clone()).collect();
        let sources = member.feeds().into_iter().map(|feed| feeds[feed].id.clone()).collect();
        ServerRow(Shown::Joined(Box::new(Made { server, is_told: !member.told.is_empty(), unheard, sources })))
    }

    /// The feeds that ought to tell of it and do not, each with the reason.
    fn silent(&self, member: &Member, feeds: &[Feed]) -> Vec<String> {
        let why = |index: usize| match (self.trust[index].0, &feeds[index].error) {
            (Health::Failed, Some((_, error))) => Some(format!("{}: {}", feeds[index].id, error.what)),
            (Health::Failed, None) | (Health::Stale, _) => Some(format!("{}: its answer is overdue", feeds[index].id)),
            (Health::Waiting | Health::Fresh, _) => None,
        };
        member.feeds().into_iter().filter_map(why).collect()
    }

    /// Notes the figures of which this feed is the one that tells them.
    fn record(&mut self, feeds: &[Feed], index: usize) {
        let Self { members, rows, told: tells, trust, history, .. } = self;
        for member in tells[index].iter().map(|at| &members[*at]) {
            let (feed, place) = member.place;
            let Some(row) = rows.get(feed).and_then(|rows| rows.get(place)) else { continue };
            let trend = history.trend(&row.name);
            for figure in Figure::ALL {
                let fresh = |(feed, _): &&(usize, usize)| trust[*feed].0 == Health::Fresh;
                let knows = |(feed, at): &&(usize, usize)| {
                    told(feeds, *feed, *at).is_some_and(|server| figure.of(server).is_some())
                };
                let teller = member.told.iter().filter(fresh).find(knows);
                if let (Some((teller, _)), Some(value)) = (teller, figure.of(row))
                    && *teller == index
                {
                    trend.push(figure, value as f32);
                }
            }
        }
    }
}

fn told(feeds: &[Feed], feed: usize, at: usize) -> Option<&Server> {
    feeds.get(feed)?.snapshot()?.servers()?.get(at)
}

/// Changes when a feed names other servers, or the same ones otherwise.
fn identity(feed: &Feed) -> u64 {
    let mut hasher = DefaultHasher::new();
    for server in feed.snapshot().and_then(Snapshot::servers).unwrap_or_default() {
        (&server.name, &server.addresses).hash(&mut hasher);
    }
    hasher.finish()
}

/// Who tells of which server. Two that one feed tells apart are never one.
fn members(named: &[Named], feeds: &[Feed]) -> Vec<Member> {
    let mut members = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (at, Named { server, feeds: own }) in named.iter().enumerate() {
        known.extend(names(server).map(|name| (name, at)));
        let own = own.iter().filter_map(|id| feeds.iter().position(|feed| feed.id == *id)).collect();
        members.push(Member { named: Some(at), own, ..Member::default() });
    }
    for (index, feed) in feeds.iter().enumerate().filter(|(_, feed)| feed.subject == Subject::Servers) {
        for (at, server) in feed.snapshot().and_then(Snapshot::servers).unwrap_or_default().iter().enumerate() {
            // Two machines that call themselves the same are two: a source that asks one machine never joins another of its kind.
            let twin = |other: usize| other == index || is_of_one(&feed.id) && feeds[other].id.kind() == feed.id.kind();
            let free = |member: &usize| !members[*member].told.iter().any(|(other, _)| twin(*other));
            let member = names(server).filter_map(|name| known.get(name).copied()).find(free);
            let member = member.unwrap_or_else(|| {
                members.push(Member::default());
                members.len() - 1
            });
            members[member].told.push((index, at));
            for name in names(server) {
                known.entry(name).or_insert(member);
            }
        }
    }
    members
}

/// A kind of source of which each asks one machine.
fn is_of_one(source: &SourceId) -> bool {
    matches!(source.kind(), "local" | "ssh" | "node_exporter" | "http_status")
}

/// What a server is known by. Every machine calls itself localhost: that names none.
fn names(server: &Server) -> impl Iterator<Item = &str> {
    let all = std::iter::once(&server.name).chain(&server.addresses).map(String::as_str);
    all.filter(|name| !host::is_here(name))
}

/// What does not change from one moment to the next, and so is worth knowing from a source that is silent, too.
fn know(row: &mut Server, told: &Server) {
    for name in std::iter::once(&told.name).chain(&told.addresses) {
        if *name != row.name && !row.addresses.contains(name) {
            row.addresses.push(name.clone());
        }
    }
    for (name, text) in &told.labels {
        row.labels.entry(name.clone()).or_insert_with(|| text.clone());
    }
    if row.system.is_none() {
        row.system.clone_from(&told.system);
    }
    if row.past.is_none() {
        row.past.clone_from(&told.past);
    }
}

/// Fills in what nobody before it could tell.
fn fill(row: &mut Server, told: &Server) {
    if row.load.is_none() || row.cores == 0 {
        row.cores = if told.cores > 0 { told.cores } else { row.cores };
    }
    row.load = row.load.or(told.load);
    row.cpu = row.cpu.or(told.cpu);
    row.memory = row.memory.or(told.memory);
    row.swap = row.swap.or(told.swap);
    row.network = row.network.or(told.network);
    row.disk_io = row.disk_io.or(told.disk_io);
    row.pressure = row.pressure.or(told.pressure);
    row.oom_kills = row.oom_kills.or(told.oom_kills);
    row.oom_recent = row.oom_recent.or(told.oom_recent);
    row.clock_skew = row.clock_skew.or(told.clock_skew);
    row.uptime = row.uptime.or(told.uptime);
    if row.disks.is_empty() {
        row.disks.clone_from(&told.disks);
    }
    if row.roles.is_empty() {
        row.roles.clone_from(&told.roles);
    }
    row.reach.extend(told.reach.iter().cloned());
    row.columns.extend(told.columns.iter().cloned());
    row.notes.extend(told.notes.iter().cloned());
}

fn note_columns(columns: &mut Vec<String>, row: &Server) {
    for (name, _) in &row.columns {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
