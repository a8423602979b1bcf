//! The config was read again, or the runbooks were. What may change while the program runs is taken over at once; what may not is told. An edit never
//! unlocks anything: a guarded environment stays guarded until the next start.

use super::{State, planning, presenter, update, views, writes};
use crate::domain::record::{Entry, RecordKind};
use crate::domain::risk::Policy;
use crate::domain::text;
use crate::effect::{Effect, Effects};
use crate::event::{Reloaded, Renewed, Shelf, reload::Sources};
use crate::runbook::Writes;
use serde_json::json;
use std::mem::replace;

/// How a mistake is told.
const WRONG: &str = "the config is wrong";
/// The same of runbooks.
const MISTAKE: &str = "a runbook has a mistake";
/// Names in one list at most; the others are counted.
const NAMED: usize = 3;

/// Takes it in, and says what changed.
pub(super) fn take(state: &mut State, reloaded: Reloaded, effects: &mut Effects) {
    state.dirty = true;
    match reloaded {
        Reloaded::Runbooks(shelf) => take_runbooks(state, shelf, effects),
        Reloaded::Wrong { first, others } => {
            let more = if others == 0 { String::new() } else { format!(" (and {others} more: `quarterdeck check`)") };
            state.toasts.withdraw(WRONG);
            state.toasts.bad(state.now, format!("{WRONG}, and the one before stays in force: {first}{more}"));
        }
        Reloaded::Read(renewed) => {
            state.toasts.withdraw(WRONG);
            let mut renewed = *renewed;
            let refused = refused(state, &renewed);
            let mut changed = judging(state, &mut renewed, effects);
            changed.extend(screen(state, &mut renewed, effects));
            changed.extend(guard(state, &renewed, effects));
            changed.extend(renewed.sources.take().map(|sources| take_sources(state, sources)));
            let changed = if changed.is_empty() { "nothing changed".to_owned() } else { changed.join("; ") };
            state.toasts.say(state.now, format!("config read again: {changed}"));
            for refused in refused {
                state.toasts.bad(state.now, refused);
            }
        }
    }
}

/// Runs under way go on with the pages that they began with. A plan that was made of another page is made anew.
fn take_runbooks(state: &mut State, shelf: Shelf, effects: &mut Effects) {
    let Shelf { library, added, removed, prose, changed, marked, wrong } = shelf;
    // What it calls counts too: a plan tells what that would change, and is blocked when it can't be run.
    let unmarked = prose.iter().map(|(id, _)| id);
    let own: Vec<&String> = changed.iter().chain(&removed).chain(unmarked).chain(&marked).collect();
    let other = planning::about(state)
        .is_some_and(|id| own.iter().any(|own| *own == id) || state.library.standing(id) != library.standing(id));
    state.library = library;
    state.toasts.withdraw(MISTAKE);
    let (broken, mended): (Vec<_>, Vec<_>) = marked.into_iter().partition(|id| state.library.mistake(id).is_some());
    let changed: Vec<String> = changed.into_iter().filter(|id| !mended.contains(id)).collect();
    let lists = [
        (&added, "added"),
        (&removed, "removed"),
        (&changed, "changed"),
        (&broken, "stays as it was, its file having a mistake"),
        (&mended, "mended"),
    ];
    let mut words: Vec<String> = lists.into_iter().filter_map(|(names, what)| list(names, what)).collect();
    let why = "the runbook, or one that it calls, was changed: this plan was made anew, nothing was done";
    if other && planning::again(state, why, effects) {
        words.push("the plan is made anew".to_owned());
    }
    if words.is_empty() && wrong.is_empty() && prose.is_empty() {
        words.push("nothing changed".to_owned());
    }
    if !words.is_empty() {
        state.toasts.say(state.now, format!("runbooks read again: {}", words.join("; ")));
    }
    for (id, file) in prose {
        let what = format!("{id} is no runbook any more: {file} has no `runbook: 1` line at its top");
        state.toasts.bad(state.now, what);
    }
    if let Some(first) = wrong.first() {
        let more = match wrong.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more: view 5 lists them)"),
        };
        state.toasts.bad(state.now, format!("{MISTAKE}: {}{more}", text::clean(first)));
    }
    if let Some(page) = &mut state.page {
        page.compose_anew();
    }
}

/// What is not taken over, each with the reason.
fn refused(state: &mut State, renewed: &Renewed) -> Vec<String> {
    let mut refused = Vec::new();
    if state.guarded && !renewed.guarded {
        let what = "this environment stays guarded: an edit of the config never unlocks writes, a new start does";
        refused.push(what.to_owned());
    }
    if state.environment != renewed.environment {
        let names = format!("{} and not {}", state.environment, renewed.environment);
        refused.push(format!("the environment is called {names} until the next start: records carry its name"));
    }
    if let Some(path) = &renewed.journal {
        refused.push(format!("the journal goes to {path} from the next start on: a run's records stay in one file"));
    }
    if state.habits.team != renewed.views {
        refused.extend(views::troubles(&renewed.views));
    }
    if replace(&mut state.habits.configured_mouse, renewed.mouse) != renewed.mouse {
        refused.push("mouse under [screen] counts from the next start on: M turns it on or off now".to_owned());
    }
    refused
}

/// What is judged by it.
fn judging(state: &mut State, renewed: &mut Renewed, effects: &mut Effects) -> Vec<String> {
    let mut changed = Vec::new();
    if replace(&mut state.limits, renewed.limits) != renewed.limits {
        state.store.set_limits(&renewed.limits);
        changed.push("limits");
    }
    let before = replace(&mut state.policy, renewed.policy);
    if before != renewed.policy {
        effects.push(record_policy(state, before));
        let again =
            planning::again(state, "the policy was changed: this plan was made anew, nothing was done", effects);
        changed.push(if again { "policy, and the plan is made anew" } else { "policy" });
    }
    // What was planned would go where nobody has seen it go.
    if renewed.ways
        && before == renewed.policy
        && planning::again(state, "the config was changed: this plan was made anew, nothing was done", effects)
    {
        changed.push("the plan is made anew");
    }
    if state.writes.relock_after() != renewed.relock {
        state.writes.set_relock(renewed.relock, state.now);
        changed.push("relock_minutes");
    }
    if state.watch.rules != renewed.incident {
        state.watch.rules = renewed.incident.clone();
        // Which runbooks tell others is read into what is known of each incident.
        effects.push(Effect::RecallIncidents);
        changed.push("incident");
    }
    if state.looks.notify != renewed.notify {
        state.looks.notify = renewed.notify.clone();
        changed.push("notify");
    }
    changed.into_iter().map(str::to_owned).collect()
}

/// Who reads the journal later must see by which policy a plan was answered.
fn record_policy(state: &State, before: Policy) -> Effect {
    Effect::Journal(Entry {
        kind: RecordKind::PolicyChange,
        run: None,
        step: None,
        role: None,
        target: None,
        env: state.environment.clone(),
        data: json!({ "before": before, "after": state.policy }),
    })
}

/// What it looks like, and how it is driven.
fn screen(state: &mut State, renewed: &mut Renewed, effects: &mut Effects) -> Vec<String> {
    let mut changed = Vec::new();
    if let Some(keymap) = renewed.keymap.take() {
        state.keymap = keymap;
        // Half a sequence of the old keys means nothing now.
        state.pending.clear();
        changed.push("keymap");
    }
    if let Some((themes, auto)) = renewed.themes.take() {
        let same = themes.shown().name() == state.themes.shown().name();
        (state.themes, state.looks.auto) = (themes, auto);
        changed.push(if same { "colours" } else { "theme" });
        update::repaint(state, effects);
    }
    if replace(&mut state.looks.glyphs, renewed.glyphs) != renewed.glyphs {
        changed.push("characters");
        update::repaint(state, effects);
    }
    if replace(&mut state.habits.team, std::mem::take(&mut renewed.views)) != state.habits.team {
        changed.push("views");
    }
    if replace(&mut state.habits.remember, renewed.remember) != renewed.remember {
        changed.push("screen");
    }
    let files = std::mem::take(&mut renewed.log_files);
    let memory = replace(&mut state.log_settings.memory, renewed.log_memory) != renewed.log_memory;
    let zone = replace(&mut state.log_settings.files_zone, renewed.log_zone.clone()) != renewed.log_zone;
    if replace(&mut state.log_settings.files, files) != state.log_settings.files || memory || zone {
        changed.push("logs");
    }
    if renewed.runbooks {
        changed.push("runbooks");
    }
    if presenter::renew(state, renewed.always_presenting, renewed.hide.take()) {
        changed.push("presenter");
    }
    changed.into_iter().map(str::to_owned).collect()
}

/// An environment that becomes guarded locks at once.
fn guard(state: &mut State, renewed: &Renewed, effects: &mut Effects) -> Option<String> {
    if state.guarded || !renewed.guarded {
        return None;
    }
    state.guarded = true;
    if state.writes.state() == Writes::Unlocked {
        state.writes.lock();
        effects.push(writes::record_lock(state, "locked: the config guards this environment now"));
    }
    Some("guarded from now on, writes are locked".to_owned())
}

fn take_sources(state: &mut State, sources: Sources) -> String {
    let Sources { feeds, anew, servers, added, removed, changed } = sources;
    state.store.reconfigure(feeds, &anew, servers, state.now);
    state.news.forget(&anew);
    let lists = [(added, "added"), (removed, "removed"), (changed, "changed")];
    let mut words: Vec<String> = lists.iter().filter_map(|(names, what)| list(names, what)).collect();
    if state.recording.is_some() {
        words.push("the recording keeps to the sources that it began with".to_owned());
    }
    if words.is_empty() { "sources in another order".to_owned() } else { words.join("; ") }
}

/// `docker.a, docker.b added`.
fn list(names: &[String], what: &str) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let others = names.len().saturating_sub(NAMED);
    let others = if others == 0 { String::new() } else { format!(" and {others} others") };
    Some(format!("{shown}{others} {what}"))
}
