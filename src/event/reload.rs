//! What reading the config and the runbooks again came to: plain data, of which `update` takes what may change while the program runs.

use crate::domain::incident::Rules;
use crate::domain::notify::Notify;
use crate::domain::risk::Policy;
use crate::domain::view::View;
use crate::domain::{Limits, SourceId};
use crate::keymap::Keymap;
use crate::runbook::Library;
use crate::store::{Feed, Named};
use crate::theme::{Glyphs, Themes};
use jiff::tz::TimeZone;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The config was read again, or the runbooks were.
#[derive(Debug)]
pub enum Reloaded {
    /// The runbooks, each as far as its file is right.
    Runbooks(Shelf),
    /// The config is right.
    Read(Box<Renewed>),
    /// The config is wrong: the one before stays in force.
    Wrong {
        /// The first mistake: where, what, how to mend it.
        first: String,
        /// How many more there are.
        others: usize,
    },
}

/// Runbooks in place of those before; by their ids.
#[derive(Debug)]
pub struct Shelf {
    /// All that there are.
    pub library: Arc<Library>,
    /// What came.
    pub added: Vec<String>,
    /// What went.
    pub removed: Vec<String>,
    /// What is no runbook any more though its file is there, and that file.
    pub prose: Vec<(String, String)>,
    /// What says something else.
    pub changed: Vec<String>,
    /// Those whose file has a mistake now and had none, or had one and is mended.
    pub marked: Vec<String>,
    /// What can't be used and could, or is new: where, what, how to mend it.
    pub wrong: Vec<String>,
}

/// What it says now. `None` where it says the same as before.
#[derive(Debug)]
pub struct Renewed {
    /// The environment's name.
    pub environment: String,
    /// It is guarded.
    pub guarded: bool,
    /// How long writes stay unlocked.
    pub relock: Duration,
    /// Where warnings begin.
    pub limits: Limits,
    /// What answer a risk takes.
    pub policy: Policy,
    /// What a team agreed about incidents.
    pub incident: Rules,
    /// How somebody who looks elsewhere is told; decided for this terminal.
    pub notify: Notify,
    /// The team's views.
    pub views: Vec<View>,
    /// The screen as it is left is kept.
    pub remember: bool,
    /// The mouse is listened to from the start.
    pub mouse: bool,
    /// Bytes that the lines of an open log may take.
    pub log_memory: usize,
    /// Where lines of files were written that tell a time without an offset.
    pub log_zone: TimeZone,
    /// Files that are logs, by the server's name.
    pub log_files: BTreeMap<String, Vec<String>>,
    /// The folders of runbooks are others; what is in them is told by itself.
    pub runbooks: bool,
    /// Where the journal is to go, in words; `None`: where it goes already.
    pub journal: Option<String>,
    /// Keys.
    pub keymap: Option<Keymap>,
    /// Themes to turn through, the wanted one first; and whether it follows the terminal's ground.
    pub themes: Option<(Themes, bool)>,
    /// The characters that are drawn with.
    pub glyphs: Glyphs,
    /// Presenter mode is on for good.
    pub always_presenting: bool,
    /// What the team hides while the screen is shared.
    pub hide: Option<Vec<Regex>>,
    /// Whatever a runbook reaches things by is another one now: a service, a server, a source, a secret.
    pub ways: bool,
    /// Sources and servers.
    pub sources: Option<Sources>,
}

/// Sources and servers, where any of them changed. The pollers have changed by then.
#[derive(Debug, Default)]
pub struct Sources {
    /// All feeds, in the config's order.
    pub feeds: Vec<Feed>,
    /// Those that were opened anew: what was known of them was told by another source of that name.
    pub anew: Vec<SourceId>,
    /// The servers that the config names.
    pub servers: Vec<Named>,
    /// What came, as people call it: `docker.game-2`, `server game-1`.
    pub added: Vec<String>,
    /// What went.
    pub removed: Vec<String>,
    /// What is asked otherwise.
    pub changed: Vec<String>,
}
