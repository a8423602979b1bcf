//! Keys that mean something in k9s, lazydocker or pg_activity and nothing here: what does it here is said.

use super::State;
use crate::action::Action;
use crate::keymap::{Chord, Found, Scope};

/// Where, the key, what does it here, and what that does. Without an action nothing does.
type Habit = (Scope, &'static str, Option<Action>, &'static str);

const ACTIONS: &str = "lists actions";
const HABITS: &[Habit] = &[
    (Scope::Containers, "m", Some(Action::Logs), "shows the log"),
    (Scope::Containers, "s", None, "no shell is opened here"),
    (Scope::Containers, "E", None, "no shell is opened here"),
    (Scope::Containers, "w", Some(Action::Columns), "chooses columns"),
    (Scope::Servers, "w", Some(Action::Columns), "chooses columns"),
    (Scope::Alerts, "w", Some(Action::Columns), "chooses columns"),
    (Scope::Databases, "f2", Some(Action::Locks), "shows who waits"),
    (Scope::Databases, "f3", Some(Action::Locks), "shows who blocks"),
    (Scope::All, "K", Some(Action::Actions), ACTIONS),
    (Scope::All, "x", Some(Action::Actions), ACTIONS),
    (Scope::All, "ctrl-k", Some(Action::Actions), ACTIONS),
    (Scope::All, "ctrl-a", Some(Action::Palette), "finds an action"),
    (Scope::All, "h", Some(Action::PreviousPane), "goes there"),
    (Scope::All, "left", Some(Action::PreviousPane), "goes there"),
    (Scope::All, "right", Some(Action::NextPane), "goes there"),
    (Scope::All, "_", Some(Action::Zoom), "shows it alone"),
    (Scope::All, "ctrl-f", Some(Action::PageDown), "does that"),
    (Scope::All, "ctrl-b", Some(Action::PageUp), "does that"),
    (Scope::All, "Q", Some(Action::Quit), "quits"),
];

/// What to press instead of a key that is bound to nothing: `R plans container-restart`.
pub(super) fn instead(state: &State, chord: Chord) -> Option<String> {
    capital(state, chord).or_else(|| {
        let pressed = chord.to_string();
        let fits = |scope: Scope| scope == Scope::All || scope == state.scope();
        let (.., action, what) = HABITS.iter().find(|(scope, key, ..)| fits(*scope) && *key == pressed)?;
        match action {
            Some(action) => Some(format!("{} {what}", state.keymap.key_of(state.scope(), action)?)),
            None => Some((*what).to_owned()),
        }
    })
}

/// A small letter whose capital acts here: elsewhere the small one does.
fn capital(state: &State, chord: Chord) -> Option<String> {
    let letter = chord.char().filter(char::is_ascii_lowercase)?.to_ascii_uppercase();
    let capital = Chord::parse(&letter.to_string())?;
    match state.keymap.find(state.scope(), &[capital]) {
        Found::Action(Action::Runbook(id)) => Some(format!("{capital} plans {id}")),
        Found::Action(Action::Do(verb)) => Some(format!("{capital} plans to {}", verb.word())),
        Found::Action(_) | Found::Pending | Found::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Chord, HABITS, Scope};
    use crate::keymap::{Found, load_named};

    #[test]
    fn they_are_keys_and_bound_to_nothing() {
        let keymap = load_named("default").unwrap();
        for (scope, key, ..) in HABITS {
            let chord = Chord::parse(key).unwrap_or_else(|| panic!("{key} is no key"));
            assert_eq!(chord.to_string(), *key);
            let scopes = if *scope == Scope::All { vec![Scope::Servers, Scope::Containers] } else { vec![*scope] };
            for scope in scopes {
                assert!(matches!(keymap.find(scope, &[chord]), Found::Nothing), "{key} in {scope:?}");
            }
        }
    }
}
