//! Reads config, keymap and theme again while the dashboard runs, and the runbooks, and says what is other than before. What did not change
//! keeps its connections.

use super::{Global, look, places, setup};
use crate::app::Setup;
use crate::config::{self, Choice, Config, JournalChoice, SourceConfig};
use crate::connect::Connections;
use crate::event::reload::Sources;
use crate::event::{Reloaded, Renewed, Shelf};
use crate::keymap::Keymap;
use crate::runbook::{Library, Mistake};
use crate::runtime::reload::{Fresh, Renew, Swap};
use crate::theme::Themes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Who reads it.
pub struct Renewer {
    global: Global,
    choice: Choice,
    /// In force.
    config: Config,
    /// The keys and themes in force: compared as text, and nothing else.
    look: (Keymap, Themes),
    connections: Connections,
    /// The files of keymap and theme that the newest readable config names, whether it was right or not.
    looks: Vec<PathBuf>,
    shelves: Known,
}

/// What the config in force says of runbooks.
#[derive(Clone, Debug)]
pub struct Shelves {
    folders: Vec<PathBuf>,
    /// By id, why some are not for this place.
    not_here: BTreeMap<String, String>,
}

impl Shelves {
    fn of(config: &Config) -> Self {
        Self { folders: config.runbooks.clone(), not_here: config.not_here.clone() }
    }
}

/// It, as both readers know it.
pub type Known = Arc<Mutex<Shelves>>;

/// Who reads the runbooks.
pub struct Librarian {
    known: Known,
    /// In force.
    library: Arc<Library>,
}

impl Librarian {
    /// With what the dashboard starts with.
    pub fn new(config: &Config, library: &Arc<Library>) -> Self {
        Self { known: Arc::new(Mutex::new(Shelves::of(config))), library: Arc::clone(library) }
    }

    /// Kept as the config is read again.
    pub fn shelves(&self) -> Known {
        Arc::clone(&self.known)
    }

    fn now(&self) -> Shelves {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Renew for Librarian {
    fn files(&self) -> Vec<PathBuf> {
        self.now().folders.iter().flat_map(|folder| config::pages(folder).0).collect()
    }

    fn known(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn is_stale(&self) -> bool {
        self.now().not_here != *self.library.not_here()
    }

    /// Each page by itself: one with a mistake stays as it was, and is marked; all others are taken.
    fn read(&mut self) -> Option<Fresh> {
        let Shelves { folders, not_here } = self.now();
        let moved = moved(self.library.not_here(), &not_here);
        let library = config::library_after(&folders, &self.library).without(not_here);
        let (before, after) = (pages(&self.library), pages(&library));
        if before == after && moved.is_empty() && self.library.mistakes() == library.mistakes() {
            return None;
        }
        tracing::info!("the runbooks were read again");
        let only = |these: &BTreeMap<String, Written>, those: &BTreeMap<String, Written>| -> Vec<String> {
            these.keys().filter(|id| !those.contains_key(*id)).cloned().collect()
        };
        let changed = after
            .iter()
            .filter(|(id, page)| before.get(*id).is_some_and(|before| before != *page || moved.contains(*id)));
        let changed = changed.map(|(id, _)| id.clone()).collect();
        let new = library.mistakes().iter().filter(|mistake| !told_before(&self.library, mistake));
        let wrong: Vec<String> = new.map(ToString::to_string).collect();
        for what in &wrong {
            tracing::warn!(what, "a runbook");
        }
        let (added, gone) = (only(&after, &before), only(&before, &after));
        let file = |id: &String| before.get(id)?.1.clone().filter(|path| config::is_prose(path));
        let prose: Vec<(String, String)> =
            gone.iter().filter_map(|id| Some((id.clone(), file(id)?.display().to_string()))).collect();
        let removed = gone.into_iter().filter(|id| prose.iter().all(|(prose, _)| prose != id)).collect();
        let marked = |id: &&String| self.library.mistake(id).is_some() != library.mistake(id).is_some();
        let marked = after.keys().filter(marked).cloned().collect();
        self.library = Arc::new(library);
        let shelf = Shelf { library: Arc::clone(&self.library), added, removed, prose, changed, marked, wrong };
        Some(Fresh { told: Reloaded::Runbooks(shelf), swap: None })
    }
}

/// Those of which it is said otherwise than before whether they are for this place, and why not.
fn moved(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> BTreeSet<String> {
    before.keys().chain(now.keys()).filter(|id| before.get(*id) != now.get(*id)).cloned().collect()
}

fn told_before(library: &Library, mistake: &Mistake) -> bool {
    library.mistakes().iter().any(|known| known.to_string() == mistake.to_string())
}

/// What a runbook says, and which file says it.
type Written = (String, Option<PathBuf>);

fn pages(library: &Library) -> BTreeMap<String, Written> {
    library.iter().map(|runbook| (runbook.id.clone(), (runbook.hash.clone(), runbook.path.clone()))).collect()
}

impl Renewer {
    /// With what the dashboard starts with.
    pub fn new(global: &Global, config: Config, setup: &Setup, connections: Connections, shelves: Known) -> Self {
        let looks = look::files(global, &config);
        let look = (setup.keymap.clone(), setup.themes.clone());
        Self { global: global.clone(), choice: setup::choice(global), config, look, connections, looks, shelves }
    }

    fn renew(&mut self) -> Result<Fresh, Vec<String>> {
        let words = |problems: config::Problems| problems.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        let config = config::load(&self.choice, self.global.env.as_deref()).map_err(words)?;
        if config.is_builtin() && !self.config.is_builtin() {
            return Err(vec!["it is gone: put it back, or start again without it".to_owned()]);
        }
        self.looks = look::files(&self.global, &config);
        let problems = look::problems(&self.global, &config);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (sources, swap) = self.sources(&config);
        let told = Box::new(self.renewed(&config, sources));
        *self.shelves.lock().unwrap_or_else(PoisonError::into_inner) = Shelves::of(&config);
        self.config = config;
        Ok(Fresh { told: Reloaded::Read(told), swap: Some(swap) })
    }

    fn renewed(&mut self, config: &Config, sources: Option<Sources>) -> Renewed {
        let look = look::look(&self.global, config);
        let new = (look.keymap.clone(), look.themes.clone());
        let before = std::mem::replace(&mut self.look, new);
        let logs = setup::logs(config);
        Renewed {
            environment: config.environment.clone(),
            guarded: config.guarded,
            relock: config.relock,
            limits: config.limits,
            policy: config.policy,
            incident: config.incident.clone(),
            notify: look.looks.notify,
            views: config.views.clone(),
            remember: config.remember,
            mouse: config.mouse,
            log_memory: logs.memory,
            log_zone: logs.files_zone,
            log_files: logs.files,
            runbooks: config.runbooks != self.config.runbooks || config.not_here != self.config.not_here,
            journal: (config.journal != self.config.journal).then(|| journal(config)),
            keymap: (keys(&before.0) != keys(&look.keymap)).then_some(look.keymap),
            themes: (colours(&before.1) != colours(&look.themes)).then_some((look.themes, look.looks.auto)),
            glyphs: look.looks.glyphs,
            always_presenting: config.presenter.always,
            hide: (patterns(config) != patterns(&self.config)).then(|| config.presenter.hide.clone()),
            ways: sources.is_some() || ways(config) != ways(&self.config),
            sources,
        }
    }

    /// Closes and opens what changed, and only that.
    fn sources(&mut self, config: &Config) -> (Option<Sources>, Swap) {
        let (before, after) = (&self.config.sources, &config.sources);
        let mut swap = Swap {
            connections: self.connections.clone(),
            policy: config.policy,
            closed: Vec::new(),
            opened: Vec::new(),
        };
        setup::name_all(config, &mut swap.connections);
        for source in before.iter().filter(|source| !stays(source, after)) {
            swap.connections.forget(&source.id);
            swap.closed.extend(setup::feeds(source).into_iter().map(|feed| feed.id));
        }
        for source in after.iter().filter(|source| !stays(source, before)) {
            let made = setup::open_one(source, &mut swap.connections);
            swap.opened.extend(made.into_iter().map(|(_, made)| made));
        }
        self.connections = swap.connections.clone();
        let told = self.told(config, &swap);
        (told, swap)
    }

    fn told(&self, config: &Config, swap: &Swap) -> Option<Sources> {
        let (before, after) = (names(&self.config), names(config));
        let only = |these: &[(String, String)], those: &[(String, String)]| -> Vec<String> {
            let new = these.iter().filter(|(name, _)| !those.iter().any(|(other, _)| other == name));
            new.map(|(name, _)| name.clone()).collect()
        };
        let changed =
            |(name, says): &&(String, String)| before.iter().any(|(other, said)| other == name && said != says);
        let ordered = |config: &Config| config.sources.iter().map(|source| source.id.clone()).collect::<Vec<_>>();
        if before == after && ordered(config) == ordered(&self.config) {
            return None;
        }
        Some(Sources {
            feeds: config.sources.iter().flat_map(setup::feeds).collect(),
            anew: swap.opened.iter().map(|(id, ..)| id.clone()).collect(),
            servers: setup::named(config),
            added: only(&after, &before),
            removed: only(&before, &after),
            changed: after.iter().filter(changed).map(|(name, _)| name.clone()).collect(),
        })
    }
}

impl Renew for Renewer {
    fn files(&self) -> Vec<PathBuf> {
        let mut files = config::files(&self.choice, self.global.env.as_deref());
        files.extend(look::files(&self.global, &self.config));
        files.extend(self.looks.iter().cloned());
        files
    }

    fn read(&mut self) -> Option<Fresh> {
        let fresh = match self.renew() {
            Ok(fresh) => {
                tracing::info!("the config was read again");
                fresh
            }
            Err(problems) => {
                let first = problems.first().cloned().unwrap_or_default();
                tracing::warn!(first, count = problems.len(), "the config is wrong: the one before stays in force");
                let others = problems.len().saturating_sub(1);
                Fresh { told: Reloaded::Wrong { first, others }, swap: None }
            }
        };
        Some(fresh)
    }
}

/// The same source is among these, and they say the same of it.
fn stays(source: &SourceConfig, among: &[SourceConfig]) -> bool {
    among.iter().any(|other| other.id == source.id && other.written == source.written)
}

/// Sources and servers as people call them, each with what the config says of it.
fn names(config: &Config) -> Vec<(String, String)> {
    let of_server = |source: &&SourceConfig| {
        let made = source.kind.of_server.map(|of| move |server| of(server).is_some());
        made.is_some_and(|made| config.servers.iter().any(|server| server.name == source.id.name() && made(server)))
    };
    let own = config.sources.iter().filter(|source| !of_server(source));
    let own = own.map(|source| (source.id.as_str().replacen('/', ".", 1), source.written.to_string()));
    let servers = config.servers.iter().map(|server| (format!("server {}", server.name), format!("{server:?}")));
    own.chain(servers).collect()
}

/// What runbooks go by, beside the sources.
fn ways(config: &Config) -> String {
    format!("{:?} {:?} {:?}", setup::sites(config), config.secrets, config.servers)
}

fn patterns(config: &Config) -> Vec<&str> {
    config.presenter.hide.iter().map(regex::Regex::as_str).collect()
}

fn journal(config: &Config) -> String {
    match &config.journal {
        JournalChoice { path: None, postgres: None } => "its usual place".to_owned(),
        named => places::journal(named).map_or_else(|why| why, |store| store.to_string()),
    }
}

fn keys(keymap: &Keymap) -> String {
    format!("{keymap:?}")
}

fn colours(themes: &Themes) -> String {
    format!("{themes:?}")
}
