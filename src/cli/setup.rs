//! From a config to sources that can be asked.

use super::Global;
use super::look::Look;
use crate::app::{Habits, Presenting, Setup, view_troubles};
use crate::clock;
use crate::config::{self, Choice, Config, Problems, SourceConfig};
use crate::connect::{Connections, Server, SiteSettings};
use crate::domain::record::Actor;
use crate::domain::{Snapshot, SourceError, SourceId, Subject};
use crate::incident::corrected::Here;
use crate::journal::process;
use crate::panes::logs;
use crate::redact::{Mask, Redactor};
use crate::runbook::Library;
use crate::runtime::crash;
use crate::sources::{Pace, Part, ServerSettings, Source};
use crate::store::{Feed, Named};
use async_trait::async_trait;
use color_eyre::eyre::eyre;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The config that the command line and the environment choose.
///
/// # Errors
/// Every problem of it, a line each.
pub fn config(global: &Global) -> color_eyre::Result<Config> {
    read(global).1.map_err(|problems| {
        eyre!("the config can't be used\n{problems}\n`quarterdeck check` asks the sources too, once it can be read")
    })
}

/// Which config is meant.
pub fn choice(global: &Global) -> Choice {
    config::choose(global.config.clone(), |name| std::env::var_os(name))
}

/// Which config is meant, and what it says or what is wrong with it.
pub fn read(global: &Global) -> (Choice, Result<Config, Problems>) {
    let choice = choice(global);
    let config = config::load(&choice, global.env.as_deref());
    (choice, config)
}

/// What the screen starts with.
pub fn screen(config: &Config, look: Look, feeds: Vec<Feed>, read_only: bool, library: Library) -> Setup {
    let presenting = presenting(config, Redactor::default());
    Setup {
        logs: logs(config),
        servers: named(config),
        environment: config.environment.clone(),
        guarded: config.guarded,
        read_only,
        relock: config.relock,
        limits: config.limits,
        policy: config.policy,
        feeds,
        keymap: look.keymap,
        themes: look.themes,
        looks: look.looks,
        library: Arc::new(library),
        presenting,
        redactor: Redactor::default(),
        incident: config.incident.clone(),
        here: here(),
        team: config.journal.postgres.is_some(),
        who: who(),
        habits: Habits {
            team: config.views.clone(),
            remember: config.remember,
            mouse: config.mouse,
            configured_mouse: config.mouse,
            ..Habits::default()
        },
        troubles: look.troubles.into_iter().chain(view_troubles(&config.views)).collect(),
    }
}

/// This process's clock, as an incident's scale of time knows it.
pub fn here() -> Here {
    Here { boot: process::Process::this().boot, booted: clock::booted() }
}

/// Who sits here, as the journal names them.
pub fn who() -> String {
    let Actor { name, host, .. } = process::actor();
    format!("{name}@{host}")
}

/// What is hidden while the screen is shared.
pub fn presenting(config: &Config, secrets: Redactor) -> Presenting {
    // Drawn anew at each start, so that nobody can make a list of all marks.
    let salt = Uuid::new_v4().as_u64_pair().0;
    // Whom to call, and at which number, is on the screen for as long as an incident is open.
    let contacts = config.incident.escalation.iter().map(|level| &level.contact).filter(|contact| !contact.is_empty());
    let contacts = contacts.filter_map(|contact| Regex::new(&regex::escape(contact)).ok());
    let hide = config.presenter.hide.iter().cloned().chain(contacts).collect();
    Presenting { always: config.presenter.always, mask: Mask::new(salt, hide, secrets) }
}

/// What the log view needs to know.
pub fn logs(config: &Config) -> logs::Settings {
    let files = config.servers.iter().filter(|server| !server.logs.is_empty());
    logs::Settings {
        memory: config.log_memory,
        files: files.map(|server| (server.name.clone(), server.logs.clone())).collect(),
        files_zone: config.log_zone.clone(),
        zone: jiff::tz::TimeZone::system,
    }
}

/// The servers that the config names, each with the sources that are made of it alone.
pub fn named(config: &Config) -> Vec<Named> {
    let of_servers = || config.sources.iter().filter(|source| source.kind.of_server.is_some());
    let feeds = |name: &str| {
        let own = of_servers().filter(|source| source.id.name() == name);
        own.flat_map(|source| source.settings.parts().into_iter().map(|part| part.id(&source.id))).collect()
    };
    config.servers.iter().map(|server| Named { server: server.server(), feeds: feeds(&server.name) }).collect()
}

/// A source with its pace.
pub type Made = (SourceId, Pace, Box<dyn Source>);

/// Sources with their pace, and the ways out that they share with the steps.
pub struct Opened {
    /// In the config's order.
    pub sources: Vec<Made>,
    /// For steps.
    pub connections: Connections,
    /// One for each source.
    pub feeds: Vec<Feed>,
}

/// Makes every source. One whose settings turn out to be wrong becomes a source that always fails with the reason: the
/// others are worth looking at. With `only`, sources about something else are left out.
pub fn open(config: &Config, only: Option<Subject>) -> Opened {
    let mut opened = Opened { sources: Vec::new(), connections: Connections::default(), feeds: Vec::new() };
    crash::hide(opened.connections.redactor());
    name_all(config, &mut opened.connections);
    for source in &config.sources {
        for (feed, made) in open_one(source, &mut opened.connections) {
            if only.is_none_or(|only| feed.subject == only) {
                opened.feeds.push(feed);
                opened.sources.push(made);
            }
        }
    }
    opened
}

/// Tells the connections what the config names for runbooks.
pub fn name_all(config: &Config, connections: &mut Connections) {
    let server = |server: &ServerSettings| Server {
        name: server.name.clone(),
        address: server.address.clone(),
        roles: server.roles.clone(),
        engine: server.docker.clone(),
        endpoints: server.endpoints.clone(),
        access: server.access.clone(),
    };
    connections.reach(config.reach.clone());
    connections.name_all(config.servers.iter().map(server).collect(), &sites(config), &config.secrets);
}

/// The web services that runbooks can ask: those of `[http.NAME]`, and by the name of its kind a source that is one, where there is one of
/// it. An Alertmanager is `on=alertmanager`.
pub fn sites(config: &Config) -> BTreeMap<String, SiteSettings> {
    let mut sites = config.sites.clone();
    for source in &config.sources {
        let kind = source.id.kind();
        let alone = config.sources.iter().filter(|other| other.id.kind() == kind).count() == 1;
        if let Some(site) = source.settings.site().filter(|_| alone) {
            sites.entry(kind.to_owned()).or_insert(site);
        }
    }
    sites
}

/// The feeds that a source makes, before anybody answered.
pub fn feeds(source: &SourceConfig) -> Vec<Feed> {
    let feed = |part: Part| Feed::new(part.id(&source.id), part.subject, part.pace.interval);
    source.settings.parts().into_iter().map(feed).collect()
}

/// Makes one source's parts, each with its feed.
pub fn open_one(source: &SourceConfig, connections: &mut Connections) -> Vec<(Feed, Made)> {
    let parts = source.settings.parts();
    let made = source.settings.open(&source.id, connections);
    let made = made.unwrap_or_else(|error| parts.iter().map(|_| Misconfigured::boxed(&error)).collect());
    let made = parts.iter().zip(made).map(|(part, made)| (part.id(&source.id), part.pace, made));
    feeds(source).into_iter().zip(made).collect()
}

struct Misconfigured(SourceError);

impl Misconfigured {
    fn boxed(error: &SourceError) -> Box<dyn Source> {
        Box::new(Self(error.clone()))
    }
}

#[async_trait]
impl Source for Misconfigured {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        Err(self.0.clone())
    }
}
