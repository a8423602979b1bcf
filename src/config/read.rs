//! From TOML to [`Config`], collecting every mistake on the way.

use super::explain;
use super::find::{Text, is_plain};
use super::places::Places;
use super::problem::{Problem, Problems};
use super::written::digest;
use super::{Config, JournalChoice, PresenterTable, SourceConfig};
use crate::connect::postgres::LoginSettings;
use crate::connect::{Reach, SiteSettings};
use crate::domain::incident::Rules;
use crate::domain::notify::{Notify, Zone};
use crate::domain::risk::Policy;
use crate::domain::secret::SecretRef;
use crate::domain::view::View;
use crate::domain::{Limits, SourceId};
use crate::sources::{ReadSettings, SOURCES, ServerSettings, Settings, SourceKind};
use crate::theme::Choice;
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// The keys of a config that are not a kind of source.
pub const KEYS: [&str; 20] = [
    "environment",
    "guarded",
    "theme",
    "keymap",
    "colors",
    "ascii",
    "notify",
    "relock_minutes",
    "limits",
    "policy",
    "presenter",
    "journal",
    "incident",
    "runbooks",
    "logs",
    "screen",
    "view",
    "server",
    "http",
    "secret",
];
/// The keys of a `[[server]]` that only describe it: its sources need not be opened anew when they change.
const DESCRIBES: [&str; 4] = ["roles", "labels", "logs", "endpoints"];
/// How long writes stay unlocked when the file does not say.
const RELOCK_MINUTES: u64 = 15;
/// What the lines of an open log may take, in MB: the least, what holds when nothing is said, and the most.
const LOG_MEMORY: (usize, usize, usize) = (1, 32, 1024);

type Value<'i> = Spanned<DeValue<'i>>;

/// Reads the texts, each laid over those before it.
pub fn config(texts: &[Text]) -> Result<Config, Problems> {
    let places = Places::new(texts);
    let mut reader = Reader { places: &places, problems: Vec::new() };
    let mut root = DeTable::new();
    for text in places.parseable() {
        match DeTable::parse(text) {
            Ok(table) => lay_over(&mut root, table.into_inner()),
            Err(error) => reader.toml(&error),
        }
    }
    if !reader.problems.is_empty() {
        return Err(reader.end());
    }
    let config = reader.config(root, texts);
    if reader.problems.is_empty() { Ok(config) } else { Err(reader.end()) }
}

/// Tables are merged key by key; anything else replaces what was there.
fn lay_over<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        match (base.get_mut(&key).map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(below)), DeValue::Table(above)) => lay_over(below, above.clone()),
            _ => {
                // Out with the old key too: its place is that of the file below.
                base.remove(&key);
                base.insert(key, value);
            }
        }
    }
}

struct Reader<'a> {
    places: &'a Places<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self, mut root: DeTable<'_>, texts: &[Text]) -> Config {
        let home = texts.iter().rev().find_map(|text| text.path.as_deref()).and_then(Path::parent).map(Path::to_owned);
        let home = home.unwrap_or_default();
        let environment = self.take(&mut root, "environment", environment).unwrap_or_else(|| "local".to_owned());
        let guarded = self.take(&mut root, "guarded", simple::<bool>);
        let theme = self.take(&mut root, "theme", simple::<String>);
        let keymap = self.take(&mut root, "keymap", simple::<String>);
        let colors = self.take(&mut root, "colors", colors);
        let ascii = self.take(&mut root, "ascii", simple::<bool>);
        let notify = self.table::<Notify>(&mut root, "notify").unwrap_or_default();
        let relock = self.take(&mut root, "relock_minutes", minutes).unwrap_or(RELOCK_MINUTES);
        let limits = self.limits(&mut root);
        let policy = self.table::<Policy>(&mut root, "policy").unwrap_or_default();
        let presenter = root.remove("presenter").and_then(|value| self.striking(value, presenter)).unwrap_or_default();
        let journal = self.table::<JournalTable>(&mut root, "journal").unwrap_or_default();
        let incident = self.table::<Rules>(&mut root, "incident").unwrap_or_default();
        let runbooks = self.table::<RunbooksTable>(&mut root, "runbooks").unwrap_or_default();
        let screen = self.table::<ScreenTable>(&mut root, "screen").unwrap_or_default();
        let views = self.views(&mut root);
        let logs = self.table::<LogsTable>(&mut root, "logs").unwrap_or_default();
        let servers = self.servers(&mut root);
        let sites = self.named_tables::<SiteSettings>(&mut root, "http");
        let secrets = self.named_tables::<SecretRef>(&mut root, "secret");
        let sources = self.sources(root, &servers);
        Config {
            guarded: guarded.unwrap_or_else(|| environment.starts_with("prod")),
            environment,
            theme: theme.map(|theme| if is_path(&theme) { text_path(&home, &theme) } else { theme }),
            keymap: keymap.map(|keymap| if is_path(&keymap) { text_path(&home, &keymap) } else { keymap }),
            colors,
            ascii,
            notify,
            relock: Duration::from_mins(relock),
            limits,
            policy,
            presenter,
            journal: JournalChoice { path: journal.path.map(|path| resolve(&home, &path)), postgres: journal.postgres },
            incident,
            runbooks: runbooks.paths.iter().map(|path| resolve(&home, path)).collect(),
            reach: Reach {
                local: runbooks.local,
                only_configured: runbooks.only_configured,
                ssh_config: runbooks.ssh_config.map(|path| resolve(&home, &path)),
            },
            not_here: runbooks.not_here,
            mouse: screen.mouse,
            remember: screen.remember,
            views,
            log_memory: logs.memory.unwrap_or(LOG_MEMORY.1 << 20),
            log_zone: logs.zone.map_or(TimeZone::UTC, |zone| zone.0),
            servers,
            sites,
            secrets,
            sources,
            files: texts.iter().filter_map(|text| text.path.clone()).collect(),
        }
    }

    fn limits(&mut self, root: &mut DeTable<'_>) -> Limits {
        let written = root.get("limits").map(Spanned::get_ref).and_then(DeValue::as_table).cloned().unwrap_or_default();
        let limits = self.table::<Limits>(root, "limits").unwrap_or_default();
        for name in limits.inverted() {
            let span = written.get(name).map_or(0..0, Spanned::span);
            let smaller = if name == "disk_full_hours" { "critical" } else { "warn" };
            let hint = format!("the smaller one belongs to {smaller}");
            self.at(span, (format!("{name} would be critical before it is a warning"), hint));
        }
        limits
    }

    /// The servers that the config names. A second one of the same name or address could not be told from the first.
    fn servers(&mut self, root: &mut DeTable<'_>) -> Vec<ServerSettings> {
        let Some(value) = root.remove("server") else { return Vec::new() };
        let DeValue::Array(tables) = value.get_ref() else {
            let hint = "write [[server]] above its keys, once for each server".to_owned();
            self.at(value.span(), ("server is a list of tables".to_owned(), hint));
            return Vec::new();
        };
        let mut servers: Vec<ServerSettings> = Vec::new();
        for table in tables {
            let Some(mut server) = self.striking(table.clone(), simple::<ServerSettings>) else { continue };
            for (key, shared) in shared(&server, &servers) {
                let span = table.get_ref().get(key).map_or(table.span(), Spanned::span);
                self.at(span, (format!("there are two servers {shared:?}"), format!("give each its own {key}")));
            }
            server.written = digest(table.get_ref(), &DESCRIBES);
            servers.push(server);
        }
        servers
    }

    /// The team's views. Of two of one name nobody could open the second.
    fn views(&mut self, root: &mut DeTable<'_>) -> Vec<View> {
        let Some(value) = root.remove("view") else { return Vec::new() };
        let DeValue::Array(tables) = value.get_ref() else {
            let hint = "write [[view]] above its keys, once for each view".to_owned();
            self.at(value.span(), ("view is a list of tables".to_owned(), hint));
            return Vec::new();
        };
        let mut views: Vec<View> = Vec::new();
        for table in tables {
            let Some(view) = self.striking(table.clone(), simple::<View>) else { continue };
            if views.iter().any(|other| other.name == view.name) {
                let what = (format!("there are two views {:?}", view.name), "give each its own name".to_owned());
                self.at(table.span(), what);
            }
            views.push(view);
        }
        views
    }

    /// What is left of the root: sources, and keys that nobody knows.
    fn sources(&mut self, mut root: DeTable<'_>, servers: &[ServerSettings]) -> Vec<SourceConfig> {
        let mut sources = Vec::new();
        for kind in SOURCES {
            if let Some(value) = root.remove(kind.name) {
                self.twice(kind, &value, servers);
                self.named(kind, &value, &mut sources);
            }
            for (server, settings) in servers.iter().filter_map(|server| Some((server, (kind.of_server?)(server)?))) {
                let (id, written) = (SourceId::new(kind.name, &server.name), server.written);
                sources.push(SourceConfig { id, kind, settings, written });
            }
        }
        let known: Vec<&str> = KEYS.into_iter().chain(SOURCES.iter().map(|kind| kind.name)).collect();
        for (key, _) in &root {
            self.at(key.span(), explain::unknown("key or kind of source", key.get_ref(), &known));
        }
        sources
    }

    /// A source that a table of its own and a `[[server]]` both make would be asked twice under one name.
    fn twice(&mut self, kind: &SourceKind, value: &Value<'_>, servers: &[ServerSettings]) {
        let (Some(of_server), Some(named)) = (kind.of_server, value.get_ref().as_table()) else { return };
        let made = |name: &str| servers.iter().any(|server| server.name == name && of_server(server).is_some());
        for name in named.keys().filter(|name| made(name.get_ref())) {
            let hint = format!("leave out [{0}.{1}], or {0} of the [[server]]", kind.name, name.get_ref());
            self.at(name.span(), (format!("[[server]] {} is asked by {} already", name.get_ref(), kind.name), hint));
        }
    }

    /// The tables `[key.NAME]` of something that is no source.
    fn named_tables<T: DeserializeOwned>(&mut self, root: &mut DeTable<'_>, key: &str) -> BTreeMap<String, T> {
        let Some(value) = root.remove(key) else { return BTreeMap::new() };
        let DeValue::Table(named) = value.get_ref() else {
            self.at(value.span(), (format!("{key} is a table of tables"), format!("write [{key}.NAME]")));
            return BTreeMap::new();
        };
        let mut tables = BTreeMap::new();
        for (name, table) in named {
            if !is_name(name.get_ref()) {
                let what = format!("{:?} is no name here", name.get_ref());
                self.at(name.span(), (what, "write letters, digits and - _ . only".into()));
            } else if let Some(read) = self.striking(table.clone(), simple::<T>) {
                tables.insert(name.get_ref().to_string(), read);
            }
        }
        tables
    }

    /// The tables of one kind: `[kind.NAME]`.
    fn named(&mut self, kind: &'static SourceKind, value: &Value<'_>, sources: &mut Vec<SourceConfig>) {
        let Some(read) = kind.read else {
            let hint = format!("write [[server]] with its name, and below it what {} asks", kind.name);
            return self.at(value.span(), (format!("{} has no tables of its own", kind.name), hint));
        };
        let DeValue::Table(named) = value.get_ref() else {
            let what = format!("{} is a table of tables", kind.name);
            return self.at(value.span(), (what, format!("write [{}.NAME]", kind.name)));
        };
        for (name, table) in named {
            if let Some(settings) = self.source(kind, read, name, table) {
                let (id, written) = (SourceId::new(kind.name, name.get_ref()), digest(table.get_ref(), &[]));
                sources.push(SourceConfig { id, kind, settings, written });
            }
        }
    }

    fn source(
        &mut self,
        kind: &SourceKind,
        read: ReadSettings,
        name: &Spanned<Cow<'_, str>>,
        table: &Value<'_>,
    ) -> Option<Box<dyn Settings>> {
        if !is_name(name.get_ref()) {
            let what = format!("{:?} is no name for a source", name.get_ref());
            self.at(name.span(), (what, "write letters, digits and - _ . only".into()));
            return None;
        }
        if !table.get_ref().is_table() {
            let what = format!("{:?} stands outside a named table", name.get_ref());
            self.at(name.span(), (what, format!("write it under [{}.NAME]", kind.name)));
            return None;
        }
        self.striking(table.clone(), read)
    }

    /// Takes a key out of the root and reads it.
    fn take<'i, T>(
        &mut self,
        root: &mut DeTable<'i>,
        key: &str,
        read: impl FnOnce(Value<'i>) -> Result<T, Error>,
    ) -> Option<T> {
        let value = root.remove(key)?;
        let span = value.span();
        read(value).map_err(|error| self.error(&error, span)).ok()
    }

    fn table<T: DeserializeOwned>(&mut self, root: &mut DeTable<'_>, key: &str) -> Option<T> {
        self.striking(root.remove(key)?, simple::<T>)
    }

    /// Reads a table. What is wrong is told and struck out, and the rest is read again, so that one mistake does not hide the next.
    fn striking<'i, T>(&mut self, mut value: Value<'i>, read: impl Fn(Value<'i>) -> Result<T, Error>) -> Option<T> {
        let mut struck = Vec::new();
        loop {
            let span = value.span();
            let error = match read(value.clone()) {
                Ok(read) => return struck.is_empty().then_some(read),
                Err(error) => error,
            };
            // A key that had to be there and was wrong is told already.
            if struck.iter().any(|key| error.message() == format!("missing field `{key}`")) {
                return None;
            }
            self.error(&error, span);
            struck.push(error.span().and_then(|span| strike(&mut value, &span))?);
        }
    }

    fn error(&mut self, error: &Error, whole: Range<usize>) {
        self.at(error.span().unwrap_or(whole), explain::message(error.message()));
    }

    fn toml(&mut self, error: &Error) {
        let what = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        self.at(error.span().unwrap_or(0..0), (what, String::new()));
    }

    fn at(&mut self, span: Range<usize>, (what, hint): (String, String)) {
        let (file, place) = self.places.of(span);
        self.problems.push(Problem { file, place: Some(place), what, hint });
    }

    fn end(&mut self) -> Problems {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort();
        Problems(problems)
    }
}

/// Removes the innermost entry whose key or value the span is in, and tells its key; `None` when there is none.
fn strike(value: &mut Value<'_>, span: &Range<usize>) -> Option<String> {
    let DeValue::Table(table) = value.get_mut() else { return None };
    let around = |other: Range<usize>| other.start <= span.start && span.end <= other.end;
    for (key, inner) in table.iter_mut() {
        if let Some(struck) = strike(inner, span) {
            return Some(struck);
        }
        if around(key.span()) || around(inner.span()) {
            let key = key.clone();
            return table.remove(&key).map(|_| key.get_ref().to_string());
        }
    }
    None
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PresenterKeys {
    /// On from the start, and for good.
    always: bool,
    /// Regular expressions: what they find is hidden, beside what always is.
    #[schemars(with = "Vec<String>")]
    hide: Vec<Spanned<String>>,
}

fn presenter(value: Value<'_>) -> Result<PresenterTable, Error> {
    let keys: PresenterKeys = simple(value)?;
    let pattern = |text: Spanned<String>| {
        let made = RegexBuilder::new(text.get_ref()).size_limit(1 << 20).build();
        made.map_err(|error| {
            let why = error.to_string().lines().last().unwrap_or_default().to_owned();
            serde::de::Error::custom(format!("{:?} is no regular expression: {why}", text.get_ref()))
        })
    };
    let hide = keys.hide.into_iter().map(pattern).collect::<Result<Vec<Regex>, Error>>()?;
    Ok(PresenterTable { always: keys.always, hide })
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JournalTable {
    /// The journal's file; absent: in the state folder.
    path: Option<String>,
    /// A team's journal on a PostgreSQL server, in the place of a file: all who name it see the same runs and locks.
    postgres: Option<LoginSettings>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RunbooksTable {
    /// Folders of runbooks, with all below them, seen from the config's own.
    paths: Vec<String>,
    /// The SSH connection, or the server, that stands for this machine: what is to run on `local` runs there.
    local: Option<String>,
    /// No host is reached that only a parameter names, and this machine runs nothing: runbooks reach what stands in this config.
    only_configured: bool,
    /// The file of `ssh` by which a host is reached that only a parameter names; with `only_configured`, if it has a `Host` of that name.
    ssh_config: Option<String>,
    /// Runbooks that are not for this place, by id, with the reason: they can be read, and not be run.
    not_here: BTreeMap<String, String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScreenTable {
    /// The mouse is listened to from the start.
    mouse: bool,
    /// The screen begins as it was left.
    remember: bool,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogsTable {
    /// What the lines of an open log may take, `1MB` to `1024MB`.
    #[serde(deserialize_with = "megabytes")]
    #[schemars(with = "Option<String>")]
    memory: Option<usize>,
    /// Of which place a line of a file tells the time, when it tells it without an offset from UTC; absent: UTC.
    #[schemars(with = "Option<String>")]
    zone: Option<Zone>,
}

/// A size such as `"32MB"`, in bytes.
fn megabytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text.strip_suffix("MB").and_then(|number| number.trim().parse::<usize>().ok());
    let (least, _, most) = LOG_MEMORY;
    let number = number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is no size: write megabytes, \"{least}MB\" to \"{most}MB\""))
    })?;
    Ok(Some(number << 20))
}

fn simple<T: DeserializeOwned>(value: Value<'_>) -> Result<T, Error> {
    T::deserialize(value.into_deserializer())
}

fn environment(value: Value<'_>) -> Result<String, Error> {
    let name: String = simple(value)?;
    if name.len() > 32 || !is_plain(&name) {
        let what = format!("{name:?} is no name of an environment: write a-z, 0-9 and -, at most 32 characters");
        return Err(serde::de::Error::custom(what));
    }
    Ok(name)
}

fn colors(value: Value<'_>) -> Result<Choice, Error> {
    let word: String = simple(value)?;
    word.parse().map_err(serde::de::Error::custom)
}

fn minutes(value: Value<'_>) -> Result<u64, Error> {
    let minutes: i64 = simple(value)?;
    u64::try_from(minutes).ok().filter(|minutes| (1..=1440).contains(minutes)).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{minutes} is out of bounds: write the minutes until writes lock again, 1 to 1440"
        ))
    })
}

/// What can stand behind the dot of a table.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
}

/// The keys whose text an earlier server has too.
fn shared<'a>(server: &'a ServerSettings, earlier: &[ServerSettings]) -> Vec<(&'static str, &'a str)> {
    let name = earlier.iter().any(|other| other.name == server.name).then_some(("name", server.name.as_str()));
    let address = server
        .address
        .as_deref()
        .filter(|address| earlier.iter().any(|other| other.address.as_deref() == Some(address)));
    name.into_iter().chain(address.map(|address| ("address", address))).collect()
}

/// What is not the name of something built in.
fn is_path(theme: &str) -> bool {
    theme.contains('/') || Path::new(theme).extension().is_some_and(|extension| extension == "toml")
}

fn text_path(home: &Path, path: &str) -> String {
    resolve(home, path).display().to_string()
}

/// From the home folder, the root, or the folder of the config.
fn resolve(config: &Path, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => config.join(path),
    }
}
