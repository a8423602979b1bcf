//! What a silence would hide: the labels of what was selected, each with or without, and the alerts that match just now. It
//! only looks and copies; making a silence is a runbook's.

use super::{Overlay, State};
use crate::action::{Action, Verb};
use crate::domain::{Alert, AlertState, Matcher, Matchers, Severity, matcher};
use crate::effect::{Effect, Effects};
use crate::keymap::Chord;
use crate::panes::{self, Presence};
use crate::store::Store;
use crate::widgets::scroll::Scroll;
use crossterm::event::KeyCode;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A label with more values than this is not offered as a list of them.
const MOST_VALUES: usize = 20;
/// Rows by which the list is scrolled at once.
const PAGE: isize = 10;
/// Rows kept above the cursor while it goes down.
const ABOVE: usize = 6;

/// The preview.
#[derive(Debug)]
pub struct SilencePreview {
    /// What was selected.
    pub of: String,
    /// The labels that can be asked for.
    pub choices: Vec<Choice>,
    /// The choice under the cursor.
    pub cursor: usize,
    /// First line shown.
    pub scroll: Scroll,
}

/// A label that the silence may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As a matcher.
    pub matcher: Matcher,
    /// The silence asks for it.
    pub included: bool,
}

/// What would be hidden if the silence were made now.
#[derive(Debug)]
pub struct WouldHide<'a> {
    /// The alerts that match, the worst first.
    pub alerts: Vec<&'a Arc<Alert>>,
    /// Those of them that fire and nobody holds back.
    pub firing: usize,
    /// Those that are held back already.
    pub suppressed: usize,
    /// Those of the firing ones that are critical.
    pub critical: usize,
    /// All alerts that there are, though there are several.
    pub all: bool,
    /// Its matchers ask for nothing: Alertmanager refuses such a silence.
    pub refused: bool,
    /// Each Alertmanager with how many of them it has: a silence holds for its own.
    pub by_source: Vec<(String, usize)>,
}

impl SilencePreview {
    /// Of some alerts: the labels that all of them share are asked for; where they differ, their values can be. `None` when
    /// there are none.
    pub fn new(of: String, alerts: &[Arc<Alert>]) -> Option<Self> {
        let (first, others) = alerts.split_first()?;
        let mut choices: Vec<Choice> = Vec::new();
        for (name, value) in &first.labels {
            if others.iter().any(|other| !other.labels.contains_key(name)) {
                continue;
            }
            let values: BTreeSet<&str> =
                alerts.iter().filter_map(|alert| alert.labels.get(name)).map(String::as_str).collect();
            let included = values.len() == 1;
            if included {
                choices.push(Choice { matcher: Matcher::equal(name, value), included });
            } else if values.len() <= MOST_VALUES {
                choices.push(Choice { matcher: Matcher::one_of(name, values.into_iter()), included });
            }
        }
        choices.sort_by_key(|choice| (choice.matcher.name != "alertname", !choice.included));
        Some(Self { of, choices, cursor: 0, scroll: Scroll::default() })
    }

    /// The matchers that are asked for.
    pub fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        self.choices.iter().filter(|choice| choice.included).map(|choice| &choice.matcher)
    }

    /// What matches just now, wherever it is from.
    pub fn would_hide<'a>(&self, store: &'a Store) -> WouldHide<'a> {
        // They are values of labels or lists of them, so that all can be read.
        let mut matchers = Matchers::default();
        let unread = self.matchers().any(|matcher| matchers.add(matcher.clone()).is_err());
        let mut alerts: Vec<&Arc<Alert>> =
            store.all_alerts().filter(|alert| !unread && matchers.hold(&alert.labels)).collect();
        alerts.sort_by_key(|alert| (Reverse(alert.judge()), Reverse(alert.state)));
        let fires = |alert: &&&Arc<Alert>| alert.state == AlertState::Firing;
        let all = store.all_alerts().nth(1).is_some() && store.all_alerts().count() == alerts.len();
        let told = panes::alerts_of_alertmanagers(store);
        WouldHide {
            firing: alerts.iter().filter(fires).count(),
            suppressed: alerts.iter().filter(|alert| alert.state == AlertState::Suppressed).count(),
            critical: alerts.iter().filter(fires).filter(|alert| alert.severity == Severity::Critical).count(),
            all,
            refused: matchers.hold_for_nothing(),
            by_source: told
                .map(|(name, alerts)| (name, alerts.iter().filter(|alert| matchers.hold(&alert.labels)).count()))
                .collect(),
            alerts,
        }
    }

    /// The matchers as text.
    pub fn text(&self) -> String {
        let mut out = String::from("{");
        matcher::write_all(self.matchers(), &mut out);
        out.push('}');
        out
    }

    /// The command that would make it. Why and for how long is to be filled in.
    pub fn amtool(&self, store: &Store) -> String {
        let mut out = String::from("amtool silence add");
        for matcher in self.matchers() {
            let mut text = String::new();
            matcher.write(&mut text);
            out.push(' ');
            out.push_str(&quoted(&text));
        }
        out.push_str(" --duration=1h --comment='why'");
        if let Some(address) = panes::address_of_alertmanager(store) {
            out.push_str(" --alertmanager.url=");
            out.push_str(&quoted(address));
        }
        out
    }

    fn go(&mut self, to: usize) {
        self.cursor = to.min(self.choices.len().saturating_sub(1));
        self.scroll.to(self.cursor.saturating_sub(ABOVE));
    }
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Opens it for what is selected.
pub(super) fn open(state: &mut State) {
    let selected = state.pane().selected().filter(|selected| selected.presence == Presence::Here);
    let preview = selected.and_then(|selected| {
        let alerts = panes::alerts_of(&selected.id, &state.store);
        SilencePreview::new(selected.name, &alerts)
    });
    match preview {
        Some(preview) => state.overlay = Some(Overlay::SilencePreview(Box::new(preview))),
        None => {
            let why = "choose an alert, a group or a rule that fires: a silence asks for its labels";
            state.toasts.say(state.now, why);
        }
    }
}

/// One key for it; false when it is closed.
pub(super) fn key(state: &mut State, preview: &mut SilencePreview, chord: Chord, effects: &mut Effects) -> bool {
    let opened_by = state.keymap.key_of(state.scope(), &Action::SilencePreview);
    let makes = state.keymap.key_of(state.scope(), &Action::Do(Verb::Silence));
    if Some(chord.to_string()) == makes {
        super::offers::silence(state, &preview.text(), effects);
        return false;
    }
    if chord.is(KeyCode::Esc) || chord.char() == Some('q') || Some(chord.to_string()) == opened_by {
        return false;
    }
    if chord.is(KeyCode::Down) || chord.char() == Some('j') {
        preview.go(preview.cursor + 1);
    } else if chord.is(KeyCode::Up) || chord.char() == Some('k') {
        preview.go(preview.cursor.saturating_sub(1));
    } else if chord.is(KeyCode::PageDown) || chord.is_ctrl('d') {
        preview.scroll.by(PAGE);
    } else if chord.is(KeyCode::PageUp) || chord.is_ctrl('u') {
        preview.scroll.by(-PAGE);
    } else if chord.char() == Some(' ') {
        if let Some(choice) = preview.choices.get_mut(preview.cursor) {
            choice.included = !choice.included;
        }
    } else if chord.char() == Some('c') {
        effects.push(Effect::Copy(super::copy::hidden(state, &preview.text())));
        state.toasts.say(state.now, "the matchers are on the terminal's clipboard");
    } else if chord.char() == Some('C') {
        effects.push(Effect::Copy(super::copy::hidden(state, &preview.amtool(&state.store))));
        state.toasts.say(state.now, "the amtool line is on the terminal's clipboard: write why, and for how long");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Labels;

    fn alert(name: &str, instance: &str, more: &[(&str, &str)]) -> Arc<Alert> {
        let own = [("alertname", name), ("instance", instance)];
        let labels: Labels = own.iter().chain(more).map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Arc::new(Alert { name: name.to_owned(), labels, ..Alert::default() })
    }

    #[test]
    fn what_all_share_is_asked_for_and_where_they_differ_it_can_be() {
        let alerts = [alert("Down", "b", &[("job", "game"), ("x", "1")]), alert("Down", "a", &[("job", "game")])];
        let mut preview = SilencePreview::new("group".to_owned(), &alerts).unwrap();
        assert_eq!(preview.text(), r#"{alertname="Down", job="game"}"#);
        preview.go(9);
        preview.choices[preview.cursor].included = true;
        assert_eq!(preview.text(), r#"{alertname="Down", job="game", instance=~"a|b"}"#);
        assert!(SilencePreview::new(String::new(), &[]).is_none());
    }

    #[test]
    fn the_command_survives_a_shell() {
        let preview = SilencePreview::new(String::new(), &[alert("It's \"down\"", "$(rm)", &[])]).unwrap();
        let line = preview.amtool(&Store::default());
        assert_eq!(
            line,
            r#"amtool silence add 'alertname="It'\''s \"down\""' 'instance="$(rm)"' --duration=1h --comment='why'"#
        );
    }
}
