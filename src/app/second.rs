//! The second person, on either side: what others ask to have approved or handed over is told above the keys and opened by the key that answers;
//! what was asked from here is told when it is decided.

use super::answer::Arming;
use super::{Overlay, PlanDialog, State, calls, planning, way};
use crate::action::Action;
use crate::domain::record::{Record, RecordKind};
use crate::domain::{Now, RunId, reason, text};
use crate::effect::{Effect, Effects};
use crate::keymap::Chord;
use crate::runbook::approvals::{Approvals, Request, State as Standing};
use crate::runbook::wants::{Want, Wants};
use crate::runbook::{Approval, PlanRequest, Refusal, Writes};
use crate::widgets::field::Field;
use crate::widgets::scroll::Scroll;
use crossterm::event::KeyCode;
use uuid::Uuid;

/// What is known of what takes two.
#[derive(Debug, Default)]
pub struct Second {
    /// There is a team's journal, by which somebody can approve.
    pub team: bool,
    /// What was asked for, by whomever.
    pub approvals: Approvals,
    wants: Wants,
    /// The requests of this screen.
    own: Vec<Uuid>,
    /// What somebody here has looked at and not granted.
    aside: Vec<Uuid>,
    /// As whom this screen writes; `None`: it has written nothing.
    me: Option<String>,
}

/// What somebody else asks.
#[derive(Clone, Debug)]
pub enum About {
    /// That a plan is approved.
    Request(Request),
    /// That a run hands over what it holds.
    Want(Want),
}

/// The dialog in which it is looked at and answered.
#[derive(Debug)]
pub struct SecondDialog {
    /// What.
    pub about: About,
    /// First line shown.
    pub scroll: Scroll,
    /// When it takes answers.
    pub(super) arming: Arming,
    /// It takes answers now.
    pub armed: bool,
    /// Approving (true) or refusing: why, as it is typed.
    pub verdict: Option<(bool, Field)>,
    /// Why the last key did nothing.
    pub refusal: Option<String>,
}

impl SecondDialog {
    fn new(about: About) -> Self {
        let (arming, scroll) = (Arming::default(), Scroll::default());
        Self { about, scroll, arming, armed: false, verdict: None, refusal: None }
    }
}

impl Second {
    /// Nothing is known yet.
    pub fn new(team: bool) -> Self {
        Self { team, ..Self::default() }
    }

    /// What somebody else asks and nobody here has answered: the oldest request for approval, else the newest want of a run of this screen.
    fn waits(&self, started: &[RunId], now: Now) -> Option<About> {
        let others = |request: &&Request| !self.own.contains(&request.id) && self.me.as_ref() != Some(&request.by.name);
        let seen = |id: &Uuid| self.aside.contains(id);
        let request = self.approvals.open(now.wall).filter(others).find(|request| !seen(&request.id));
        let want = || started.iter().rev().find_map(|run| self.wants.of_run(*run)).filter(|want| !seen(&want.id));
        request.cloned().map(About::Request).or_else(|| want().cloned().map(About::Want))
    }

    /// The request of this screen for a plan, newest first.
    pub fn own_of(&self, plan_hash: &str) -> Option<&Request> {
        self.approvals.of_plan(plan_hash).filter(|request| self.own.contains(&request.id))
    }
}

impl State {
    /// What somebody else asks of whoever sits here, in a line.
    pub fn second_asks(&self) -> Option<String> {
        let about = self.second.waits(&self.started, self.now).filter(|_| self.replay.is_none())?;
        Some(match about {
            About::Request(request) => format!("? {}: it takes a second person", request.line()),
            About::Want(want) => format!("? {}", want.line()),
        })
    }
}

/// A record of this process.
pub(super) fn written(state: &mut State, record: &Record) {
    state.second.me = Some(record.actor.name.clone());
    if record.entry.kind == RecordKind::ApprovalAsked {
        state.second.own.push(record.id);
    }
    known(state, record);
}

/// A record from before.
pub(super) fn known(state: &mut State, record: &Record) {
    state.second.approvals.apply(record);
    state.second.wants.apply(record);
}

/// A record of somebody else's.
pub(super) fn came(state: &mut State, record: &Record) {
    state.second.approvals.apply(record);
    renew_dialog(state);
    let wanted = state.second.wants.apply(record).map(|want| (want.run, want.line()));
    let decided = matches!(record.entry.kind, RecordKind::ApprovalGiven | RecordKind::ApprovalRefused);
    let id = record.entry.data["approval"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    if let Some(id) = id.filter(|id| decided && state.second.own.contains(id)) {
        tell_decided(state, id);
    }
    let key = state.keymap.key_of(state.scope(), &Action::Answer).unwrap_or_default();
    if record.entry.kind == RecordKind::ApprovalAsked && state.second_asks().is_some() {
        let line = state.second.approvals.get(record.id).map(Request::line).unwrap_or_default();
        state.toasts.say(state.now, format!("{line}; {key} shows the plan"));
    }
    if let Some((_, line)) = wanted.filter(|(run, _)| state.started.contains(run)) {
        state.toasts.bad(state.now, format!("{line}; {key} answers"));
    }
}

/// What is looked at is as it stands by now: it may be withdrawn, or somebody else's answer was sooner.
fn renew_dialog(state: &mut State) {
    if let Some(Overlay::Second(dialog)) = &mut state.overlay
        && let About::Request(request) = &mut dialog.about
        && let Some(now) = state.second.approvals.get(request.id).filter(|now| now.state != request.state)
    {
        *request = now.clone();
        state.dirty = true;
    }
}

/// What was asked for from here is decided.
fn tell_decided(state: &mut State, id: Uuid) {
    let Some(request) = state.second.approvals.get(id).cloned() else { return };
    let hash = request.plan_hash.clone();
    let open = match &mut state.overlay {
        Some(Overlay::Plan(dialog)) if dialog.plan.body().hash == hash => {
            dialog.sought = false;
            true
        }
        _ => false,
    };
    let stands = request.standing(state.now.wall);
    let what = format!("{}: {stands}", request.title);
    match (&request.state, open) {
        (Standing::Approved(..), true) => state.toasts.say(state.now, what),
        (Standing::Approved(..), false) => {
            state.toasts.bad(state.now, format!("{what}; plan {} again to run it", request.runbook));
        }
        _ => state.toasts.bad(state.now, what),
    }
}

/// An approval can be used: the plan that it is of takes its answer, if it is on the screen.
pub(super) fn approved(state: &mut State, approval: Approval) {
    if let Some(Overlay::Plan(dialog)) = &mut state.overlay {
        dialog.take_approval(approval);
    }
}

/// Asks, once for each plan that is on the screen, whether somebody has approved it.
pub(super) fn seek(state: &mut State, effects: &mut Effects) {
    let team = state.second.team;
    if let Some(Overlay::Plan(dialog)) = &mut state.overlay
        && team
        && dialog.lacks_second()
        && !std::mem::replace(&mut dialog.sought, true)
    {
        effects.push(Effect::SeekApproval(dialog.plan.body().hash.clone()));
    }
}

/// Opens what somebody else asks; false: nobody does.
pub(super) fn answer(state: &mut State) -> bool {
    let Some(about) = state.second.waits(&state.started, state.now) else { return false };
    state.overlay = Some(Overlay::Second(Box::new(SecondDialog::new(about))));
    true
}

/// A key in the dialog; false: it is closed.
pub(super) fn key(
    state: &mut State,
    dialog: &mut SecondDialog,
    chord: Chord,
    burst: bool,
    effects: &mut Effects,
) -> bool {
    dialog.refusal = None;
    if let Some((_, field)) = &mut dialog.verdict {
        if chord.is(KeyCode::Esc) {
            dialog.verdict = None;
        } else if chord.is(KeyCode::Enter) {
            return !decide(dialog, effects);
        } else {
            field.key(chord);
        }
        return true;
    }
    let id = match &dialog.about {
        About::Request(request) => request.id,
        About::Want(want) => want.id,
    };
    match chord.char() {
        _ if chord.is(KeyCode::Esc) => {
            state.second.aside.push(id);
            return false;
        }
        Some('y' | 'n') if burst || !dialog.arming.armed(state.now) => {
            dialog.refusal = Some("too soon or too fast to be meant: read, then answer".to_owned());
        }
        Some('y' | 'n') if state.writes.state() == Writes::ReadOnly => {
            dialog.refusal = Some(Refusal::ReadOnly.to_string());
        }
        Some(answer @ ('y' | 'n')) => match &dialog.about {
            About::Request(request) if !request.is_open(state.now.wall) => {
                dialog.refusal =
                    Some(format!("there is nothing to answer any more: {}", request.standing(state.now.wall)));
            }
            About::Request(_) => dialog.verdict = Some((answer == 'y', Field::default())),
            About::Want(want) => {
                state.second.aside.push(id);
                if answer == 'y' {
                    effects.push(Effect::HandOver { run: want.run, want: Box::new(want.clone()) });
                }
                return false;
            }
        },
        _ => super::overlay_keys::scroll_by(&mut dialog.scroll, chord, true),
    }
    true
}

/// The reason is typed; true: it counts.
fn decide(dialog: &mut SecondDialog, effects: &mut Effects) -> bool {
    let (About::Request(request), Some((approves, field))) = (&dialog.about, &dialog.verdict) else { return false };
    let Some(reason) = reason::read(field.text()) else {
        dialog.refusal =
            Some("say why, in at least two words and 10 characters (500 at most): it is recorded".to_owned());
        return false;
    };
    effects.push(Effect::Decide { request: Box::new(request.clone()), approves: *approves, reason });
    true
}

/// A key in a plan that takes a second person, or that a lock blocks; false: it means nothing there.
pub(super) fn plan_key(state: &mut State, dialog: &mut PlanDialog, chord: Chord, effects: &mut Effects) -> Taken {
    let letter = chord.char();
    if dialog.refuses() == Some(Refusal::NeedsTwo) && dialog.plan.body().blocked.is_empty() && letter == Some('+') {
        ask_second(state, dialog, effects);
        return Taken::Stays;
    }
    if dialog.refuses() == Some(Refusal::NeedsTwo) && letter == Some('-') {
        withdraw(state, dialog, effects);
        return Taken::Stays;
    }
    let Some((run, _)) = dialog.holder() else { return Taken::No };
    match letter {
        Some('>') => {
            calls::declined(&dialog.plan.body().request, effects);
            way::open_run(state, run, effects);
            Taken::Leaves
        }
        Some('+' | '!') if dialog.writes != Writes::Unlocked => {
            dialog.refusal = Some("writes are locked, or this is read-only: nobody is asked for a lock".to_owned());
            Taken::Stays
        }
        Some('+') => {
            dialog.ask_why(super::Why::AskLock);
            Taken::Stays
        }
        Some('!') => {
            dialog.ask_why(super::Why::TakeLock);
            Taken::Stays
        }
        _ => Taken::No,
    }
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It means nothing here.
    No,
    /// The dialog stays.
    Stays,
    /// The dialog is closed.
    Leaves,
}

fn ask_second(state: &mut State, dialog: &mut PlanDialog, effects: &mut Effects) {
    let open = state.second.own_of(&dialog.plan.body().hash).filter(|request| request.is_open(state.now.wall));
    if let Some(request) = open {
        dialog.refusal = Some(format!("it is asked for: {}", request.standing(state.now.wall)));
    } else if !dialog.armed {
        dialog.refusal = Some("too soon or too fast to be meant: read, then ask".to_owned());
    } else if !state.second.team {
        dialog.refusal = Some(Refusal::NeedsTwo.to_string());
    } else {
        effects.push(Effect::AskApproval(Box::new(dialog.plan.clone())));
    }
}

/// Takes the request back that was made for this plan.
fn withdraw(state: &State, dialog: &mut PlanDialog, effects: &mut Effects) {
    let open = state.second.own_of(&dialog.plan.body().hash).filter(|request| request.is_open(state.now.wall));
    match open {
        None => dialog.refusal = Some("nothing is asked for from here that could be withdrawn".to_owned()),
        Some(_) if !dialog.armed => {
            dialog.refusal = Some("too soon or too fast to be meant: read, then withdraw".to_owned());
        }
        Some(request) => effects.push(Effect::Withdraw(Box::new(request.clone()))),
    }
}

/// Why somebody wants a lock is typed: it is asked for, and the plan comes again when it is theirs. False: that is no reason.
pub(super) fn want(state: &mut State, dialog: &mut PlanDialog, effects: &mut Effects) -> bool {
    let (Some((run, resources)), Some(field)) = (dialog.holder(), &dialog.reason) else { return false };
    let Some(reason) = reason::read(field.text()) else {
        dialog.refusal =
            Some("say why, in at least two words and 10 characters (500 at most): it is recorded".to_owned());
        return false;
    };
    let take = dialog.why == super::Why::TakeLock;
    let request = dialog.plan.body().request.clone();
    let what = text::clean(&resources.join(", ")).into_owned();
    state.toasts.say(state.now, format!("{what} is asked for; the plan comes again when it is yours"));
    effects.push(Effect::Want { request: Box::new(request), run, resources, take, reason });
    true
}

/// What was asked for is held for a run that is to begin: its plan is made anew.
pub(super) fn yours(state: &mut State, request: PlanRequest, what: &str, effects: &mut Effects) {
    state.toasts.bad(state.now, what);
    planning::ask(state, request, effects);
}
