//! The theme, the keymap and the characters that were asked for. A bad one is told and left out: it must not lock an engineer out.
//!
//! Reads files and the environment, and can be called again at any time: what it returns depends on them alone.

use super::Global;
use crate::app::Looks;
use crate::config::{Config, read_safely};
use crate::keymap::{self, Keymap};
use crate::theme::{Choice, Depth, Glyphs, Theme, Themes, from_colorfgbg, load, load_named};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// The theme that follows the terminal's own ground.
const AUTO: &str = "auto";

/// What the screen is drawn and driven with.
pub struct Look {
    /// Keys in force.
    pub keymap: Keymap,
    /// Themes to turn through, the wanted one shown.
    pub themes: Themes,
    /// How it looks and sounds beside them.
    pub looks: Looks,
    /// What was wrong, one sentence each.
    pub troubles: Vec<String>,
}

/// The look by command line, environment and config, with what was wrong.
pub fn look(global: &Global, config: &Config) -> Look {
    let mut troubles = Vec::new();
    let keymap = keymap(global, config).unwrap_or_else(|problems| {
        troubles.extend(problems);
        troubles.push("the default keys are in force".to_owned());
        Keymap::builtin()
    });
    let depth = depth(global, config);
    let themes = themes(&theme_name(global, config), depth, &mut troubles);
    let looks = Looks {
        auto: theme_name(global, config) == AUTO && answers(depth),
        glyphs: Glyphs::detect(global.ascii.then_some(true).or(config.ascii), variable),
        notify: config.notify.clone().decided(variable, TimeZone::system),
    };
    Look { keymap, themes, looks, troubles }
}

/// What is wrong with keymap and theme, one sentence each.
pub fn problems(global: &Global, config: &Config) -> Vec<String> {
    let theme = theme(&theme_name(global, config), Depth::True).err();
    keymap(global, config).err().into_iter().flatten().chain(theme).collect()
}

/// The files that keymap and theme are read from: none for those that are built in.
pub fn files(global: &Global, config: &Config) -> Vec<PathBuf> {
    let names = [keymap_name(global, config), theme_name(global, config)];
    names.iter().filter(|name| is_path(name)).map(PathBuf::from).collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How many colours: `--color` first; then `NO_COLOR` (no-color.org: set and not empty), unless a theme is asked for on the command
/// line; then the config; then what the terminal seems to show.
fn depth(global: &Global, config: &Config) -> Depth {
    let detected = Depth::detect(variable("COLORTERM").as_deref(), variable("TERM").as_deref());
    let no_color = global.theme.is_none() && variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let choice = global.color.or(no_color.then_some(Choice::Never)).or(config.colors).unwrap_or_default();
    // Who names a theme wants to see it.
    match choice.depth(detected) {
        Depth::Mono if global.theme.is_some() && choice == Choice::Auto => Depth::Ansi,
        depth => depth,
    }
}

/// The wanted one, and those to turn through after it. Without colours only one can be used.
fn themes(wanted: &str, depth: Depth, troubles: &mut Vec<String>) -> Themes {
    let wanted = match wanted {
        _ if depth == Depth::Mono => "mono",
        AUTO if variable("COLORFGBG").as_deref().and_then(from_colorfgbg) == Some(true) => "light",
        AUTO => "dark",
        wanted => wanted,
    };
    let chosen = theme(wanted, depth).or_else(|why| {
        troubles.push(format!("{why}; another is in force"));
        load_named(if depth == Depth::Mono { "mono" } else { "dark" }, depth)
    });
    let chosen = chosen.unwrap_or_else(|why| unreachable!("a test reads what is built in: {why}"));
    if depth == Depth::Mono { chosen.into() } else { Themes::with_builtin(chosen, depth) }
}

/// The terminal may know what it is asked. The Linux console and those of old do not.
fn answers(depth: Depth) -> bool {
    depth != Depth::Mono && variable("TERM").is_some_and(|term| !matches!(term.as_str(), "linux" | "ansi" | "cygwin"))
}

/// The name or path of the theme that is asked for: `--theme`, else the config's.
pub fn theme_name(global: &Global, config: &Config) -> String {
    global.theme.clone().or_else(|| config.theme.clone()).unwrap_or_else(|| AUTO.to_owned())
}

/// A theme by name, or by the path of a file; `auto` is the dark one until the terminal answers.
///
/// # Errors
/// In words.
pub fn theme(wanted: &str, depth: Depth) -> Result<Theme, String> {
    match wanted {
        AUTO => load_named("dark", depth),
        wanted if is_path(wanted) => {
            let text = read_safely(Path::new(wanted)).map_err(|problem| format!("theme {problem}"))?;
            load(wanted, &text, depth)
        }
        wanted => load_named(wanted, depth),
    }
}

/// The name or path of the keymap that is asked for: `--keymap`, else the config's.
pub fn keymap_name(global: &Global, config: &Config) -> String {
    global.keymap.clone().or_else(|| config.keymap.clone()).unwrap_or_else(|| "default".to_owned())
}

/// The default keymap, with what is laid over it.
///
/// # Errors
/// Every problem, one sentence each.
pub fn keymap(global: &Global, config: &Config) -> Result<Keymap, Vec<String>> {
    let name = keymap_name(global, config);
    let loaded = if is_path(&name) {
        let text = read_safely(Path::new(&name)).map_err(|problem| vec![problem.to_string()])?;
        keymap::load(Some((&name, &text)))
    } else {
        keymap::load_named(&name)
    };
    loaded.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// What is not the name of something built in.
fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some()
}
