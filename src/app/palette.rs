//! Actions by name: fuzzy over everything that works here.

use crate::action::{ACTIONS, Action, RUNBOOK_PREFIX};
use crate::cx::Cx;
use crate::domain::Alert;
use crate::keymap::{Keymap, Scope};
use crate::runbook::{Library, Runbook, offer};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use std::sync::Arc;

/// What people of k9s and others type for an action, beside its name.
const ALSO: [(&str, &str); 14] = [
    ("pods", "containers"),
    ("po", "containers"),
    ("docker", "containers"),
    ("nodes", "servers"),
    ("no", "servers"),
    ("hosts", "servers"),
    ("sessions", "databases"),
    ("pg", "databases"),
    ("ps", "processes"),
    ("top", "processes"),
    ("pulses", "overview"),
    ("aliases", "palette"),
    ("q!", "quit"),
    ("exit", "quit"),
];

/// One thing that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What.
    pub action: Action,
    /// Its name in keymaps.
    pub name: String,
    /// In one line.
    pub doc: String,
    /// Its key here.
    pub key: String,
    /// It is a runbook about things of other views: what is of this one comes first.
    pub elsewhere: bool,
}

/// The palette.
#[derive(Debug)]
pub struct Palette {
    /// Title.
    pub title: String,
    /// What is typed.
    pub field: Field,
    /// Tab writes the chosen name out; else it reads the runbook.
    pub completes: bool,
    items: Vec<Item>,
    matches: Vec<usize>,
    /// The row under the cursor, within the matches.
    pub cursor: usize,
    /// What is under the cursor is meant: its name begins as was typed, or somebody moved there. What only looks alike is not done by
    /// an Enter that was meant for something else.
    pub is_chosen: bool,
    /// The runbook that is read before it is chosen, in place of the list.
    pub reading: Option<Reading>,
}

/// A runbook's page, open for reading.
#[derive(Debug)]
pub struct Reading {
    /// Which.
    pub runbook: Arc<Runbook>,
    /// First line shown.
    pub scroll: Scroll,
}

fn with_state(runbook: &Arc<Runbook>, scope: Scope, cx: &Cx<'_>) -> Item {
    let doc = format!("{}  ({})", runbook.title, super::offers::told(runbook, cx));
    Item { doc, ..runbook_item(runbook, scope, cx.keymap) }
}

impl Palette {
    /// All actions that work in `scope`, its runbooks, and behind them all others: of what those are about a form asks.
    pub fn all(scope: Scope, keymap: &Keymap, library: &Library) -> Self {
        let plain = ACTIONS.iter().map(|(action, name, doc)| item(action, name, doc, scope, keymap));
        let runbooks = library.iter().map(|runbook| {
            let elsewhere = !is_for(runbook, scope, keymap);
            Item { elsewhere, ..runbook_item(runbook, scope, keymap) }
        });
        let mut items: Vec<Item> = plain.chain(runbooks).collect();
        items.sort_by_key(|item| item.elsewhere);
        Self { completes: true, ..Self::new("all actions".to_owned(), items) }
    }

    /// The runbooks that fit the things of `scope`, or name the alert; each with its risk and last result, or why it can't be run here.
    pub fn runbooks(cx: &Cx<'_>, scope: Scope, alert: Option<&Alert>, thing: &str) -> Self {
        let names = |runbook: &Runbook, alert: &Alert| runbook.alerts.iter().any(|glob| glob.matches(&alert.name));
        let named = |runbook: &Runbook| alert.is_some_and(|alert| names(runbook, alert));
        let fits = cx.library.iter().filter(|runbook| is_for(runbook, scope, cx.keymap) || named(runbook));
        let ordered = offer::in_order(cx.library, fits, alert).into_iter();
        Self::new(format!("actions for {thing}"), ordered.map(|runbook| with_state(runbook, scope, cx)).collect())
    }

    /// One runbook, on which the cursor is.
    pub fn runbook(cx: &Cx<'_>, scope: Scope, runbook: &Arc<Runbook>) -> Self {
        Self::new(format!("actions for {}", runbook.title), vec![with_state(runbook, scope, cx)])
    }

    fn new(title: String, items: Vec<Item>) -> Self {
        let matches = (0..items.len()).collect();
        Self {
            title,
            field: Field::default(),
            completes: false,
            items,
            matches,
            cursor: 0,
            is_chosen: true,
            reading: None,
        }
    }

    /// Ranks the items by what is typed: what is called so, what begins so, names that are alike, descriptions in which a word
    /// begins so. Only the first two are chosen by that.
    pub fn rank(&mut self) {
        let typed = self.field.text().trim();
        let pattern = Pattern::parse(self.field.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut scored: Vec<(Fit, bool, u32, usize)> = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let named = pattern.score(Utf32Str::new(&item.name, &mut buffer), &mut matcher);
            let fit = fit(item, typed).or_else(|| named.map(|_| Fit::Alike));
            let fit = fit.or_else(|| words_begin(&item.doc, typed).then_some(Fit::Described));
            scored.extend(fit.map(|fit| (fit, item.elsewhere, named.unwrap_or_default(), index)));
        }
        scored.sort_by_key(|(fit, elsewhere, score, index)| (*fit, *elsewhere, std::cmp::Reverse(*score), *index));
        self.is_chosen = typed.is_empty() || scored.first().is_some_and(|(fit, ..)| *fit <= Fit::Begins);
        self.matches = scored.into_iter().map(|(.., index)| index).collect();
        self.cursor = 0;
    }

    /// What passes, the best first.
    pub fn matches(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.matches.iter().map(|index| &self.items[*index])
    }

    /// What the cursor is on, if that is meant.
    pub fn chosen(&self) -> Option<&Item> {
        self.nearest().filter(|_| self.is_chosen)
    }

    /// What the cursor is on, or is nearest to what was typed.
    fn nearest(&self) -> Option<&Item> {
        self.matches.get(self.cursor).map(|index| &self.items[*index])
    }

    /// Writes out the name under the cursor. False: it is written already, or nothing matches.
    pub fn complete(&mut self) -> bool {
        let name = self.nearest().map(|item| item.name.clone()).filter(|name| name != self.field.text());
        if let Some(name) = &name {
            self.field = Field::with(name);
            self.rank();
        }
        name.is_some()
    }

    /// Opens the page of the runbook under the cursor, or goes back to the list. False: there is no page to read.
    pub fn read(&mut self, library: &Library) -> bool {
        if self.reading.take().is_some() {
            return true;
        }
        let runbook = match self.nearest().map(|item| &item.action) {
            Some(Action::Runbook(id)) => library.get(id),
            _ => None,
        };
        self.reading = runbook.map(|runbook| Reading { runbook: Arc::clone(runbook), scroll: Scroll::default() });
        self.is_chosen |= self.reading.is_some();
        self.reading.is_some()
    }

    /// Moves the cursor. Where nothing was chosen the first step goes to what is nearest.
    pub fn go(&mut self, by: isize) {
        if !std::mem::replace(&mut self.is_chosen, true) {
            return;
        }
        self.cursor = self.cursor.saturating_add_signed(by).min(self.matches.len().saturating_sub(1));
    }
}

/// How a name fits what was typed, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is that.
    Exact,
    /// It begins so.
    Begins,
    /// It has these letters in this order.
    Alike,
    /// What it does is told with such words.
    Described,
}

/// The name, of a runbook also without what stands before its id.
fn fit(item: &Item, typed: &str) -> Option<Fit> {
    let typed = typed.to_lowercase();
    let names = || [Some(item.name.as_str()), item.name.strip_prefix(RUNBOOK_PREFIX)].into_iter().flatten();
    if typed.is_empty() {
        None
    } else if is_also(item, &typed) || names().any(|name| name == typed) {
        Some(Fit::Exact)
    } else {
        names().any(|name| name.starts_with(&typed)).then_some(Fit::Begins)
    }
}

/// It is called so elsewhere.
fn is_also(item: &Item, typed: &str) -> bool {
    ALSO.iter().any(|(word, name)| *name == item.name && *word == typed)
}

/// Each word that was typed begins a word of the text.
fn words_begin(text: &str, typed: &str) -> bool {
    let text = text.to_lowercase();
    let words = || text.split(|char: char| !char.is_alphanumeric());
    typed.to_lowercase().split_whitespace().all(|typed| words().any(|word| word.starts_with(typed)))
}

fn item(action: &Action, name: &str, doc: &str, scope: Scope, keymap: &Keymap) -> Item {
    let key = keymap.key_of(scope, action).unwrap_or_default();
    Item { action: action.clone(), name: name.to_owned(), doc: doc.to_owned(), key, elsewhere: false }
}

/// It is for the pane, or a key of the pane runs it; where the runbooks themselves are, all of them fit.
fn is_for(runbook: &Runbook, scope: Scope, keymap: &Keymap) -> bool {
    let bound = || keymap.bindings(scope).any(|b| matches!(&b.action, Action::Runbook(id) if **id == *runbook.id));
    scope == Scope::Runbooks || runbook.pane.is_some_and(|pane| pane.word() == scope.word()) || bound()
}

fn runbook_item(runbook: &Runbook, scope: Scope, keymap: &Keymap) -> Item {
    let action = Action::Runbook(runbook.id.as_str().into());
    item(&action, &action.name(), &runbook.title, scope, keymap)
}
