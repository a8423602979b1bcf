//! What the team configures: TOML, typed, with defaults. Found, overlaid by an environment, every mistake told at once with
//! file, line, column and how to mend it.
//!
//! Without a file the program runs on `assets/config.default.toml`, read by the same code. Each source's table is read by
//! its kind through the registry. Opens nothing and asks nobody: that is the sources' business.

mod explain;
mod find;
mod library;
mod places;
mod problem;
mod read;
mod schema;
mod written;

pub use find::{Choice, FOLDER, choose, files, read_safely};
pub use library::{is_prose, library, library_after, pages};
pub use problem::{Problem, Problems};
pub use read::KEYS;
pub use schema::schema;

use crate::connect::postgres::LoginSettings;
use crate::connect::{Reach, SiteSettings};
use crate::domain::incident::Rules;
use crate::domain::notify::Notify;
use crate::domain::risk::Policy;
use crate::domain::secret::SecretRef;
use crate::domain::view::View;
use crate::domain::{Limits, SourceId, Subject};
use crate::sources::{ServerSettings, Settings, SourceKind};
use crate::theme;
use jiff::tz::TimeZone;
use regex::Regex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What is in force when no file is found.
const BUILTIN: &str = include_str!("../../assets/config.default.toml");
/// Its name in messages.
const BUILTIN_NAME: &str = "(built in)";

/// A config as read.
#[derive(Debug)]
pub struct Config {
    /// The environment's name, shown in the header and written into every record.
    pub environment: String,
    /// Red frame, writes locked at start. When the file does not say: true for a name that begins with `prod`.
    pub guarded: bool,
    /// A theme's name, or the path of a file.
    pub theme: Option<String>,
    /// A keymap's name, or the path of one that overlays the default one.
    pub keymap: Option<String>,
    /// How many colours, whatever the terminal seems to show.
    pub colors: Option<theme::Choice>,
    /// Only ASCII on the screen, or all characters; absent: by locale and terminal.
    pub ascii: Option<bool>,
    /// How somebody who looks elsewhere is told.
    pub notify: Notify,
    /// How long writes stay unlocked, 1 to 1440 minutes.
    pub relock: Duration,
    /// Where warnings begin.
    pub limits: Limits,
    /// What answer a risk takes.
    pub policy: Policy,
    /// What is hidden while the screen is shared.
    pub presenter: PresenterTable,
    /// Where the journal is.
    pub journal: JournalChoice,
    /// What is agreed about incidents.
    pub incident: Rules,
    /// Folders of runbooks beside those built in.
    pub runbooks: Vec<PathBuf>,
    /// Where they may go beside what they name.
    pub reach: Reach,
    /// Those that are not for this place, by id, and why.
    pub not_here: BTreeMap<String, String>,
    /// The mouse is listened to from the start.
    pub mouse: bool,
    /// The screen begins as it was left.
    pub remember: bool,
    /// The team's named views.
    pub views: Vec<View>,
    /// Bytes that the lines of an open log may take.
    pub log_memory: usize,
    /// Where lines of files were written that tell a time without an offset.
    pub log_zone: TimeZone,
    /// The servers that it names, in its order.
    pub servers: Vec<ServerSettings>,
    /// The web services that runbooks ask, by name.
    pub sites: BTreeMap<String, SiteSettings>,
    /// Where secrets of runbooks are, by name.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Every source, in the order of the kinds, then by name; those of named servers among them.
    pub sources: Vec<SourceConfig>,
    /// The files it was read from: none when it is the built-in one.
    pub files: Vec<PathBuf>,
}

/// `[journal]`: where what is done is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalChoice {
    /// A file; absent: in the state folder.
    pub path: Option<PathBuf>,
    /// A team's database, in the place of the file.
    pub postgres: Option<LoginSettings>,
}

/// `[presenter]`: a screen that others see.
#[derive(Debug, Default)]
pub struct PresenterTable {
    /// On from the start, and for good.
    pub always: bool,
    /// Regular expressions: what they find is hidden, beside what always is.
    pub hide: Vec<Regex>,
}

/// One source's table.
#[derive(Debug)]
pub struct SourceConfig {
    /// `kind/name`.
    pub id: SourceId,
    /// The kind's registry line.
    pub kind: &'static SourceKind,
    /// Its settings.
    pub settings: Box<dyn Settings>,
    /// The same as long as the file says the same of it.
    pub written: u64,
}

impl Config {
    /// True when no file was found, and what is looked at is only what may be there.
    pub fn is_builtin(&self) -> bool {
        self.files.is_empty()
    }

    /// The servers that it names and of which no source can tell anything.
    pub fn untold_servers(&self) -> impl Iterator<Item = &str> {
        let tells = |source: &SourceConfig| source.settings.parts().iter().any(|part| part.subject == Subject::Servers);
        let anybody = self.sources.iter().any(|source| source.kind.of_server.is_none() && tells(source));
        let own = move |name: &str| self.sources.iter().any(|source| tells(source) && source.id.name() == name);
        self.servers.iter().map(|server| server.name.as_str()).filter(move |name| !anybody && !own(name))
    }
}

/// Reads the chosen files, or the built-in config; with `env`, `ENV.toml` beside the file overlays it.
///
/// # Errors
/// Every problem there is: a file that is missing, unreadable, open to others' writing or not TOML; a key that is unknown or holds
/// what it can't.
pub fn load(choice: &Choice, env: Option<&str>) -> Result<Config, Problems> {
    let texts = find::texts(choice, env)?;
    read::config(&texts)
}

/// The config in a text, as if it were a file of that name: for `check` on an example and for tests.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str) -> Result<Config, Problems> {
    read::config(&[find::Text { name: name.to_owned(), path: None, content: text.to_owned() }])
}

#[cfg(test)]
mod tests;
