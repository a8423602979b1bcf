//! The default keymap, overlaid by a user's, with every mistake named: line, what, mend.

use super::{Binding, Chord, Keymap, Scope, chord::print};
use crate::action::{ACTIONS, Action};
use crate::domain::text::line_column;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const DEFAULT: &str = include_str!("../../keymaps/default.toml");
const DEFAULT_NAME: &str = "keymaps/default.toml";

/// The keymaps that are part of the program: name, file, and what it lays over the default one.
pub const PRESETS: [(&str, &str, &str); 3] = [
    ("default", DEFAULT_NAME, ""),
    ("k9s", "keymaps/k9s.toml", include_str!("../../keymaps/k9s.toml")),
    ("arrows", "keymaps/arrows.toml", include_str!("../../keymaps/arrows.toml")),
];
/// The key of a file that names the preset below it.
const INHERITS: &str = "inherits";

/// One mistake in a keymap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `file:line`.
    pub at: String,
    /// What is wrong and how to mend it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// Where something stands. In words only when they are asked for: finding the line of every key was a part of the start.
#[derive(Clone, Copy)]
struct At<'a> {
    name: &'a str,
    text: &'a str,
    offset: usize,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, line_column(self.text, self.offset).0)
    }
}

/// One line of a file: where it stands, and the binding; `None` takes the binding away.
struct Line<'a> {
    at: At<'a>,
    scope: Scope,
    keys: Vec<Chord>,
    action: Option<Action>,
}

/// A keymap that is part of the program, by its name.
pub fn load_named(name: &str) -> Result<Keymap, Vec<Problem>> {
    let known = PRESETS.map(|(known, ..)| known);
    match PRESETS.iter().find(|(known, ..)| *known == name) {
        Some((_, file, text)) => load(Some((file, text))),
        None => {
            let what = format!("there is no keymap of this name{}, or name the path of a file", nearest(name, &known));
            Err(vec![Problem { at: format!("keymap {name:?}"), what }])
        }
    }
}

/// The default keymap, overlaid by a user's (name and text), and below that by the preset that it inherits.
pub fn load(user: Option<(&str, &str)>) -> Result<Keymap, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut lines = read(DEFAULT_NAME, DEFAULT, &mut problems);
    let inherited = user.and_then(|(name, text)| inherited(name, text, &mut problems));
    for (name, text) in inherited.into_iter().chain(user) {
        let mut over = read(name, text, &mut problems);
        same_twice(&over, &mut problems);
        lines.retain(|line| !over.iter().any(|o| o.scope == line.scope && o.keys == line.keys));
        lines.append(&mut over);
    }
    lines.retain(|line| line.action.is_some());
    clashes(&lines, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let bind = |line: Line<'_>| line.action.map(|action| Binding { scope: line.scope, keys: line.keys, action });
    Ok(Keymap::new(lines.into_iter().filter_map(bind).collect()))
}

/// The preset that a file names with `inherits`: file and text. What is wrong with the rest of the file is found later.
fn inherited(name: &str, text: &str, problems: &mut Vec<Problem>) -> Option<(&'static str, &'static str)> {
    let table = DeTable::parse(text).ok()?;
    let wanted = table.get_ref().get(INHERITS)?;
    let word = wanted.get_ref().as_str().unwrap_or_default();
    let found = PRESETS.iter().find(|(known, ..)| *known == word).map(|(_, file, text)| (*file, *text));
    if found.is_none() {
        let known = PRESETS.map(|(known, ..)| known).join(", ");
        let at = At { name, text, offset: wanted.span().start }.to_string();
        problems.push(Problem { at, what: format!("inherits what is not there; there are: {known}") });
    }
    found
}

fn read<'a>(name: &'a str, text: &'a str, problems: &mut Vec<Problem>) -> Vec<Line<'a>> {
    let at = |offset: usize| At { name, text, offset };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            problems.push(Problem { at: at(offset).to_string(), what: format!("not valid TOML: {}", error.message()) });
            return Vec::new();
        }
    };
    let mut lines = Vec::new();
    for (key, value) in table.get_ref().iter().filter(|(key, _)| key.get_ref() != INHERITS) {
        match scope_table(key.get_ref(), value) {
            Ok((scope, bindings)) => {
                for (keys, word) in bindings {
                    match line(scope, keys.get_ref(), word) {
                        Ok((keys, action)) => lines.push(Line { at: at(word.span().start), scope, keys, action }),
                        Err(what) => problems.push(Problem { at: at(keys.span().start).to_string(), what }),
                    }
                }
            }
            Err(what) => problems.push(Problem { at: at(key.span().start).to_string(), what }),
        }
    }
    lines
}

fn scope_table<'a, 'i>(key: &str, value: &'a Spanned<DeValue<'i>>) -> Result<(Scope, &'a DeTable<'i>), String> {
    let Some(scope) = Scope::EVERY.into_iter().find(|scope| scope.word() == key) else {
        let known = Scope::EVERY.map(Scope::word);
        return Err(format!("there is no table [{key}]{}", nearest(key, &known)));
    };
    value.get_ref().as_table().map(|table| (scope, table)).ok_or_else(|| format!("{key} must be a table: [{key}]"))
}

fn line(_: Scope, keys: &str, word: &Spanned<DeValue<'_>>) -> Result<(Vec<Chord>, Option<Action>), String> {
    let chords: Option<Vec<_>> = keys.split_whitespace().map(Chord::parse).collect();
    let chords = chords
        .filter(|chords| !chords.is_empty())
        .ok_or_else(|| format!("{keys:?} is no key: write one character, a name such as enter or f5, or ctrl-x"))?;
    let word =
        word.get_ref().as_str().ok_or_else(|| format!("{keys:?} must be bound to an action's name in quotes"))?;
    if word == "none" {
        return Ok((chords, None));
    }
    let action = Action::parse(word).ok_or_else(|| {
        let known: Vec<_> = ACTIONS.iter().map(|(_, name, _)| *name).collect();
        format!("there is no action {word:?}{}", nearest(word, &known))
    })?;
    Ok((chords, Some(action)))
}

/// `; did you mean …?`, or the whole list when nothing is near.
fn nearest(word: &str, known: &[&str]) -> String {
    match crate::domain::nearest(word, known.iter().copied()) {
        Some(near) => format!("; did you mean {near:?}?"),
        None => format!("; there are: {}", known.join(", ")),
    }
}

/// Two spellings of one key in one file.
fn same_twice(lines: &[Line<'_>], problems: &mut Vec<Problem>) {
    for (index, line) in lines.iter().enumerate() {
        if let Some(first) = lines[..index].iter().find(|l| l.scope == line.scope && l.keys == line.keys) {
            problems.push(clash(first, line));
        }
    }
}

/// One key with two meanings in one place, or a key that begins a longer one.
fn clashes(lines: &[Line<'_>], problems: &mut Vec<Problem>) {
    for (index, line) in lines.iter().enumerate() {
        let common = |l: &Line<'_>| l.scope == Scope::All || line.scope == Scope::All;
        let shadows = |l: &Line<'_>| l.scope.shadows() || line.scope.shadows();
        let together = |l: &&Line<'_>| l.scope == line.scope || common(l) && !shadows(l);
        let overlap = |l: &&Line<'_>| l.keys.starts_with(&line.keys) || line.keys.starts_with(&l.keys);
        if let Some(first) = lines[..index].iter().filter(together).find(overlap) {
            problems.push(clash(first, line));
        }
    }
}

fn clash(first: &Line<'_>, second: &Line<'_>) -> Problem {
    let name = |line: &Line<'_>| {
        let action = line.action.as_ref().map_or("none".into(), Action::name);
        format!("{:?} = {action:?} in [{}]", print(&line.keys), line.scope.word())
    };
    let what = format!(
        "{} clashes with {} ({}): change one of the keys, or take one away with = \"none\"",
        name(second),
        name(first),
        first.at
    );
    Problem { at: second.at.to_string(), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Verb;
    use crate::keymap::Found;

    fn errors(text: &str) -> Vec<String> {
        load(Some(("mine.toml", text))).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_binds_every_action() {
        let keymap = Keymap::builtin();
        for (action, name, _) in ACTIONS {
            // The key that answers acknowledges an alert, where nothing waits for an answer.
            let action = if *action == Action::Do(Verb::Acknowledge) { &Action::Answer } else { action };
            let bound = Scope::EVERY.iter().any(|scope| keymap.key_of(*scope, action).is_some());
            assert!(bound, "{name} has no key");
        }
    }

    #[test]
    fn a_user_file_overlays() {
        let keymap =
            load(Some(("mine.toml", "[all]\n\"x\" = \"quit\"\n\"q\" = \"none\"\n\"g\" = \"none\"\n\"g g\" = \"top\"")))
                .unwrap();
        let keys = |word: &str| word.split(' ').map(|w| Chord::parse(w).unwrap()).collect::<Vec<_>>();
        assert_eq!(keymap.find(Scope::Alerts, &keys("x")), Found::Action(&Action::Quit));
        assert_eq!(keymap.find(Scope::Alerts, &keys("q")), Found::Nothing);
        assert_eq!(keymap.find(Scope::Alerts, &keys("g")), Found::Pending);
        assert_eq!(keymap.find(Scope::Alerts, &keys("g g")), Found::Action(&Action::Top));
    }

    #[test]
    fn keys_of_a_log_go_before_those_that_work_everywhere() {
        let keymap = load(Some(("mine.toml", "[logs]\n\"q\" = \"follow\""))).unwrap();
        let find = |scope, key| keymap.find(scope, &[Chord::parse(key).unwrap()]);
        assert_eq!(find(Scope::Logs, "q"), Found::Action(&Action::Follow));
        assert_eq!(find(Scope::Servers, "q"), Found::Action(&Action::Quit));
        assert_eq!(find(Scope::Logs, "j"), Found::Action(&Action::Down));
        assert_eq!(keymap.key_of(Scope::Logs, &Action::Quit), None);
        assert!(errors("[logs]\n\"x\" = \"follow\"\n\"x x\" = \"wrap\"")[0].contains("clashes with"));
    }

    #[test]
    fn a_clash_names_both() {
        let line = DEFAULT.lines().position(|line| line.starts_with("\"I\" = ")).unwrap() + 1;
        let told = format!(
            r#"mine.toml:2: "I" = "poll-now" in [all] clashes with "I" = "runbook:db-kill-idle" in [databases] (keymaps/default.toml:{line}): change one of the keys, or take one away with = "none""#
        );
        assert_eq!(errors("[all]\n\"I\" = \"poll-now\""), [told]);
        assert!(errors("[runs]\n\"g g\" = \"top\"")[0].contains("\"g\" = \"top\" in [all]"));
        assert!(
            errors("[all]\n\"x\" = \"top\"\n\"ctrl-alt-x\" = \"top\"\n\"alt-ctrl-x\" = \"bottom\"")[0]
                .contains("clashes with")
        );
    }

    #[test]
    fn presets_load_have_a_way_to_help_and_out_and_never_end_anything_by_a_bare_key() {
        for (name, ..) in PRESETS {
            let keymap = load_named(name).unwrap();
            for action in [Action::Help, Action::Quit, Action::Details, Action::Filter, Action::Back] {
                assert!(keymap.key_of(Scope::All, &action).is_some(), "{name}: {action:?}");
            }
            for scope in Scope::EVERY {
                for binding in keymap.bindings(scope).filter(|binding| binding.action.acts()) {
                    let key = print(&binding.keys);
                    assert!(key.len() == 1 && key.chars().all(char::is_uppercase), "{name}: {key}");
                }
            }
        }
        assert_eq!(load_named("arrows").unwrap().key_of(Scope::All, &Action::Help).as_deref(), Some("f1"));
        let problem = load_named("k8s").unwrap_err();
        assert!(problem[0].to_string().contains("did you mean \"k9s\"?"), "{problem:?}");
    }

    #[test]
    fn what_the_k9s_keymap_takes_a_key_from_has_another() {
        let keymap = load_named("k9s").unwrap();
        for binding in load_named("default").unwrap().bindings(Scope::All) {
            assert!(keymap.key_of(Scope::All, &binding.action).is_some(), "no key for {:?}", binding.action);
        }
    }

    #[test]
    fn a_file_may_stand_on_a_preset() {
        let keymap = load(Some(("mine.toml", "inherits = \"k9s\"\n[all]\n\"x\" = \"zoom\""))).unwrap();
        let does = |word: &str| keymap.find(Scope::All, &[Chord::parse(word).unwrap()]);
        assert_eq!(does("d"), Found::Action(&Action::Details));
        assert_eq!(does("x"), Found::Action(&Action::Zoom));
        assert_eq!(
            errors("\ninherits = \"emacs\""),
            ["mine.toml:2: inherits what is not there; there are: default, k9s, arrows"]
        );
        assert_eq!(
            errors("inherits = \"k9s\"\n[alerts]\n\"ctrl-w\" = \"sort\""),
            [
                r#"mine.toml:3: "ctrl-w" = "sort" in [alerts] clashes with "ctrl-w" = "zoom" in [all] (keymaps/k9s.toml:8): change one of the keys, or take one away with = "none""#
            ]
        );
    }

    #[test]
    fn mistakes_have_a_line_and_a_mend() {
        assert_eq!(
            errors("[all]\n\"x\" = \"dwon\""),
            ["mine.toml:2: there is no action \"dwon\"; did you mean \"down\"?"]
        );
        assert_eq!(
            errors("[container]\n"),
            ["mine.toml:1: there is no table [container]; did you mean \"containers\"?"]
        );
        assert!(errors("[all]\n\"ctrl+x\" = \"top\"")[0].starts_with("mine.toml:2: \"ctrl+x\" is no key"));
        assert!(errors("[all\n")[0].starts_with("mine.toml:1: not valid TOML"));
    }
}
