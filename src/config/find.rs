//! Which file is read, and whether it may be trusted.
//!
//! Never one of the current folder: a cloned repository could hold one that runs a command or unguards production. A file, or a
//! folder of it, that others can write is refused: who can change the config can run commands as its owner.

use super::problem::{Problem, Problems};
use super::{BUILTIN, BUILTIN_NAME};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The program's folder under `$XDG_CONFIG_HOME` (`~/.config`) and `$XDG_STATE_HOME` (`~/.local/state`).
pub const FOLDER: &str = "quarterdeck";

/// Which config is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Somebody named it: it must be there.
    Named(PathBuf),
    /// The usual place: the built-in config when nothing is there.
    Usual(PathBuf),
    /// There is not even a home folder.
    Builtin,
}

/// One file's text.
#[derive(Clone, Debug)]
pub struct Text {
    /// As people call it.
    pub name: String,
    /// Where it is; `None`: built in.
    pub path: Option<PathBuf>,
    /// Content.
    pub content: String,
}

/// Decides by `--config` and the environment's variables, in this order: `--config`, `$QUARTERDECK_CONFIG`,
/// `$XDG_CONFIG_HOME/quarterdeck/config.toml` (`~/.config` when the variable is not set).
pub fn choose(given: Option<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Choice {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = given.or_else(|| set("QUARTERDECK_CONFIG")) {
        return Choice::Named(path);
    }
    // The specification says that a relative path in the variable is to be ignored.
    let base = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| set("HOME").map(|home| home.join(".config")));
    base.map_or(Choice::Builtin, |base| Choice::Usual(base.join(FOLDER).join("config.toml")))
}

/// The files that a choice stands for, whether they are there or not.
pub fn files(choice: &Choice, env: Option<&str>) -> Vec<PathBuf> {
    let (Choice::Named(path) | Choice::Usual(path)) = choice else { return Vec::new() };
    let overlay = env.filter(|env| is_plain(env)).map(|env| path.with_file_name(format!("{env}.toml")));
    [path.clone()].into_iter().chain(overlay).collect()
}

/// The chosen text, and the overlay of `env` above it.
pub(super) fn texts(choice: &Choice, env: Option<&str>) -> Result<Vec<Text>, Problems> {
    let builtin = || Text { name: BUILTIN_NAME.to_owned(), path: None, content: BUILTIN.to_owned() };
    let base = match choice {
        Choice::Named(path) => read(path).map_err(|problem| Problems(vec![problem]))?,
        Choice::Usual(path) if !exists(path) => builtin(),
        Choice::Usual(path) => read(path).map_err(|problem| Problems(vec![problem]))?,
        Choice::Builtin => builtin(),
    };
    let overlay = env.map(|env| overlay(&base, choice, env)).transpose().map_err(|problem| Problems(vec![problem]))?;
    Ok([Some(base), overlay].into_iter().flatten().collect())
}

/// Also true of a file that cannot be looked at: that is a mistake to be told, not an absence.
fn exists(path: &Path) -> bool {
    !matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

fn overlay(base: &Text, choice: &Choice, env: &str) -> Result<Text, Problem> {
    if !is_plain(env) {
        return Err(whole("--env", format!("{env:?} is no name of an environment"), "write a-z, 0-9 and - only"));
    }
    let beside = match (&base.path, choice) {
        (Some(path), _) | (None, Choice::Usual(path)) => path.with_file_name(format!("{env}.toml")),
        (None, _) => return Err(whole("--env", "there is no config to lay it over".into(), "name one with --config")),
    };
    read(&beside).map_err(|mut problem| {
        problem.hint = format!("--env {env} needs it; {}", problem.hint);
        problem
    })
}

/// What an environment may be called: it becomes part of a file's name, and of every record.
pub(super) fn is_plain(env: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    !env.is_empty() && env.chars().all(plain)
}

fn read(path: &Path) -> Result<Text, Problem> {
    Ok(Text { name: path.display().to_string(), path: Some(path.to_owned()), content: read_safely(path)? })
}

/// A file's text, refused when others than its owner and root could change or replace it.
///
/// # Errors
/// When it cannot be read, or is not safe.
pub fn read_safely(path: &Path) -> Result<String, Problem> {
    let name = path.display().to_string();
    let real = path.canonicalize().map_err(|error| unreadable(&name, &error))?;
    safe(&name, &real)?;
    fs::read_to_string(&real).map_err(|error| unreadable(&name, &error))
}

/// Refuses a folder that others than its owner and root could put files into.
pub(super) fn folder_safely(path: &Path) -> Result<(), Problem> {
    let name = path.display().to_string();
    let data = fs::metadata(path).map_err(|error| unreadable(&name, &error))?;
    let Some(what) = open_to_others(&data, false) else { return Ok(()) };
    Err(whole(&name, format!("others can put files into it: {what}"), &format!("chmod go-w {name}")))
}

fn unreadable(name: &str, error: &std::io::Error) -> Problem {
    let hint = match error.kind() {
        ErrorKind::NotFound => "`quarterdeck config example` prints one to begin with",
        ErrorKind::PermissionDenied => "it must be readable by whoever runs quarterdeck",
        _ => "it must be a file of UTF-8 text",
    };
    whole(name, format!("cannot be read: {error}"), hint)
}

/// Refuses what others could change.
fn safe(name: &str, real: &Path) -> Result<(), Problem> {
    let look = |path: &Path| fs::metadata(path).map_err(|error| unreadable(name, &error));
    if let Some(what) = open_to_others(&look(real)?, false) {
        return Err(whole(name, format!("others can change it: {what}"), &format!("chmod go-w {}", real.display())));
    }
    let Some(folder) = real.parent() else { return Ok(()) };
    if let Some(what) = open_to_others(&look(folder)?, true) {
        let hint = format!("chmod go-w {}", folder.display());
        return Err(whole(name, format!("others can replace it, its folder being open: {what}"), &hint));
    }
    Ok(())
}

fn open_to_others(data: &Metadata, folder: bool) -> Option<String> {
    let (mode, me) = (data.mode(), rustix::process::geteuid().as_raw());
    // In a folder such as /tmp (sticky) only a file's owner can replace it.
    let sticky = folder && mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        Some(format!("its mode is {:o}", mode & 0o7777))
    } else if data.uid() != me && data.uid() != 0 {
        Some(format!("it belongs to user {}", data.uid()))
    } else {
        None
    }
}

fn whole(file: &str, what: String, hint: &str) -> Problem {
    Problem { file: file.to_owned(), place: None, what, hint: hint.to_owned() }
}
