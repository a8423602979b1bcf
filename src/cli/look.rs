//! The theme and the keymap that were asked for. A bad one is told and left out: it must not lock an engineer out.

use super::Global;
use crate::config::{Config, read_safely};
use crate::keymap::{self, Keymap};
use crate::theme::{BUILTIN, Depth, Theme, load, load_named};
use std::env::var;
use std::path::{Path, PathBuf};

/// What the screen is drawn and driven with.
pub struct Look {
    /// Keys in force.
    pub keymap: Keymap,
    /// Themes to turn through, the wanted one first.
    pub themes: Vec<Theme>,
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
    let depth = Depth::detect(var("COLORTERM").ok().as_deref(), var("TERM").ok().as_deref());
    let wanted = theme_name(global, config);
    let chosen = theme(&wanted, depth).map_err(|why| troubles.push(format!("{why}; another is in force"))).ok();
    let rest = BUILTIN.iter().filter(|(name, _)| *name != wanted).filter_map(|(name, _)| load_named(name, depth).ok());
    let themes = chosen.into_iter().chain(rest).collect();
    Look { keymap, themes, troubles }
}

/// The name or path of the theme that is asked for. `--theme` first; then `NO_COLOR` (no-color.org: set and not empty); then the config.
pub fn theme_name(global: &Global, config: &Config) -> String {
    let no_color = var("NO_COLOR").is_ok_and(|value| !value.is_empty()).then(|| "mono".to_owned());
    global.theme.clone().or(no_color).or_else(|| config.theme.clone()).unwrap_or_else(|| "dark".to_owned())
}

/// A theme by name, or by the path of a file.
///
/// # Errors
/// In words.
pub fn theme(wanted: &str, depth: Depth) -> Result<Theme, String> {
    let path = Path::new(wanted);
    if !wanted.contains('/') && path.extension().is_none() {
        return load_named(wanted, depth);
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("theme {wanted}: cannot be read: {error}"))?;
    load(wanted, &text, depth)
}

/// The path of the keymap that is asked for.
pub fn keymap_path(global: &Global, config: &Config) -> Option<PathBuf> {
    global.keymap.clone().or_else(|| config.keymap.clone())
}

/// The default keymap, overlaid by the one that is asked for.
///
/// # Errors
/// Every problem, one sentence each.
pub fn keymap(global: &Global, config: &Config) -> Result<Keymap, Vec<String>> {
    let overlay = match keymap_path(global, config) {
        Some(path) => {
            Some((path.display().to_string(), read_safely(&path).map_err(|problem| vec![problem.to_string()])?))
        }
        None => None,
    };
    let user = overlay.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    keymap::load(user).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}
