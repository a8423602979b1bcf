//! Presenter mode: the screen is shared. What tells of people and places is hidden, one pane has all the room, and the key just
//! pressed is shown with what it does.
//!
//! Only keys that are bound to an action are shown: what is typed into a field may be anything.

use super::State;
use crate::action::Action;
use crate::domain::text::Veil;
use crate::domain::{Now, Snapshot};
use crate::redact::Mask;
use crate::widgets::field::Field;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a key stays on the screen.
const SHOWN: Duration = Duration::from_secs(4);
/// What must be typed to show everything again.
pub const PHRASE: &str = "show all";

/// What presenter mode starts with.
#[derive(Clone, Debug, Default)]
pub struct Presenting {
    /// On from the start, and for good: a shared terminal.
    pub always: bool,
    /// What is hidden, but for the names of people.
    pub mask: Mask,
}

/// The mode.
#[derive(Debug)]
pub struct Presenter {
    on: bool,
    always: bool,
    mask: Arc<Mask>,
    pressed: Option<(String, &'static str, Now)>,
}

impl Presenter {
    pub(super) fn new(with: Presenting) -> Self {
        Self { on: with.always, always: with.always, mask: Arc::new(with.mask), pressed: None }
    }

    /// It is on.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// What every text goes behind; `None` when the mode is off. While a filter or a search is `typed` it is not shown at all.
    pub fn veil(&self, typed: bool) -> Option<Arc<dyn Veil>> {
        let mask = || Arc::clone(&self.mask);
        self.on.then(|| if typed { Arc::new(Typing(mask())) as Arc<dyn Veil> } else { mask() })
    }

    /// The key pressed a moment ago, and what it does.
    pub fn pressed(&self, now: Now) -> Option<(&str, &'static str)> {
        let (key, doc, at) = self.pressed.as_ref().filter(|_| self.on)?;
        (now.since(*at) < SHOWN).then_some((key, doc))
    }

    /// Until when a key is shown; monotonic.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pressed.as_ref().filter(|_| self.on).map(|(.., at)| at.mono + SHOWN)
    }

    pub(super) fn press(&mut self, key: String, action: &Action, now: Now) {
        if self.on {
            self.pressed = Some((key, action.doc(), now));
        }
    }

    /// Another key was pressed that does nothing: what the one before did is no answer to it.
    pub(super) fn press_nothing(&mut self) {
        self.pressed = None;
    }

    /// Forgets a key that was shown long enough; true when it did.
    pub(super) fn pass(&mut self, now: Now) -> bool {
        self.pressed.take_if(|(.., at)| now.since(*at) >= SHOWN).is_some()
    }
}

/// A veil while something is being typed: half an address is no address, so that nothing of it is shown but how long it is.
struct Typing(Arc<Mask>);

impl Veil for Typing {
    fn hide(&self, text: &str) -> Option<String> {
        self.0.hide(text)
    }

    fn hide_typed(&self, text: &str) -> Option<String> {
        Some("•".repeat(text.chars().count()))
    }
}

/// Everything is about to be shown again: a stray key must not do it.
#[derive(Debug, Default)]
pub struct RevealDialog {
    /// The phrase being typed.
    pub field: Field,
    /// Why the last answer did not count.
    pub refusal: Option<String>,
}

/// Turns it on; to turn it off it asks.
pub(super) fn turn(state: &mut State) {
    if state.presenter.always {
        return state.toasts.say(state.now, "presenter mode is on for good: the config says so, under [presenter]");
    }
    if state.presenter.on {
        state.overlay = Some(super::Overlay::Reveal(RevealDialog::default()));
        return;
    }
    state.presenter.on = true;
    learn(state);
    redo(state);
    state.toasts.say(state.now, "presenter mode: addresses, names, tokens and literals are hidden");
}

/// The config was read again: whether it hides other things than before. It never shows what is hidden now.
pub(super) fn renew(state: &mut State, always: bool, hide: Option<Vec<Regex>>) -> bool {
    let changed = always != state.presenter.always || hide.is_some();
    state.presenter.always = always;
    state.presenter.on |= always;
    if let Some(hide) = hide {
        state.presenter.mask = Arc::new(state.presenter.mask.with_patterns(hide));
    }
    if changed {
        learn(state);
        redo(state);
    }
    changed
}

/// The phrase was typed.
pub(super) fn reveal(state: &mut State) {
    state.presenter.on = false;
    redo(state);
    state.toasts.say(state.now, "presenter mode is off: everything is shown");
}

/// All that is on the screen is made anew.
fn redo(state: &mut State) {
    if let Some(page) = &mut state.page {
        page.compose_anew();
    }
    state.dirty = true;
    state.repaint = true;
}

/// Whose names are to be hidden: those that the sources and the journal name as people.
pub(super) fn learn(state: &mut State) {
    if !state.presenter.on {
        return;
    }
    let mut people = BTreeSet::new();
    for feed in state.store.feeds() {
        match feed.snapshot() {
            Some(Snapshot::Database(database)) => {
                people.extend(database.sessions.iter().map(|session| session.user.clone()));
                people.extend(database.prepared.iter().map(|prepared| prepared.owner.clone()));
            }
            Some(Snapshot::Alerts(report)) => {
                people.extend(report.silences.iter().map(|silence| silence.created_by.clone()));
            }
            Some(Snapshot::Servers(_) | Snapshot::Containers(_)) | None => {}
        }
    }
    // `name@host`: the shape alone is hidden already, the name may stand without its host.
    people.extend(state.runs.iter().filter_map(|run| run.actor.split('@').next().map(str::to_owned)));
    people.retain(|name| name.len() > 1);
    if *state.presenter.mask.people() != people {
        state.presenter.mask = Arc::new(state.presenter.mask.with_people(people));
    }
}
