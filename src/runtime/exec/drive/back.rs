//! After a failure or a stop: what the runbook says, what the operator is offered, and taking changes back.

use super::super::live;
use super::super::plan::again::{level_back, phrase_of};
use super::super::scene::step_of;
use super::super::when;
use super::Run;
use crate::domain::record::{RecordKind, StepState};
use crate::domain::risk::Level;
use crate::domain::text::{clean, clean_lines};
use crate::domain::{SourceError, reason};
use crate::effect::RunAnswer;
use crate::event::{RunEvent, TaskList};
use crate::runbook::history::{BACK, LEFT};
use crate::runbook::machine::{Effect, Event, Then, Watched, Way};
use crate::runbook::model::{Attrs, Fence, OnFail, OnTimeout, Role};
use crate::runbook::past::to_paste;
use crate::runbook::plan::{PlannedStep, UNDO};
use crate::runbook::reach::{Fate, Reached, in_order, named};
use serde_json::{Value, json};
use std::time::Duration;

/// From an undo that was not done to the next try (`retry`).
const BREATH: Duration = Duration::from_millis(500);

impl Run {
    /// What follows when sending came to nothing.
    pub(super) fn after_act(&self, step: usize) -> Then {
        self.read(step).run().and_then(|run| run.attrs.on_fail).map_or(Then::Offer, of_fail)
    }

    /// What follows when the fence at `at` did not come true: what it says itself, else what its `run` says.
    pub(super) fn after_watch(&self, step: usize, at: Option<usize>, watched: &Watched) -> Then {
        let Some(Fence { attrs: Attrs { on_fail, on_timeout, .. }, .. }) =
            at.and_then(|at| self.read(step).fences.get(at))
        else {
            return self.after_act(step);
        };
        let timed_out = on_timeout.filter(|_| matches!(watched, Watched::TimedOut(_))).map(of_timeout);
        timed_out.or(on_fail.map(of_fail)).unwrap_or_else(|| self.after_act(step))
    }

    /// Asks the operator what now. `at`: what it is at; `step`: what an undo would take back. While it goes backwards it is about that, and not
    /// about what it was at before.
    pub(super) async fn offer(&mut self, at: usize, step: usize, ways: Vec<Way>, why: &str) -> Event {
        let failed = || format!("{}: {}", self.about_one(self.planned(at)), clean_lines(why));
        let was = if ways.contains(&Way::Next) { self.next_batch() } else { failed() };
        let (back, undoes) = (self.back_named(), ways.contains(&Way::Undo));
        let backwards = undoes && !back.is_empty();
        let lead = if backwards { "Next to be undone" } else { "Can be undone" };
        let undo = if undoes { format!("{lead}: {}", self.undo_text(step)) } else { String::new() };
        let taken = if back.is_empty() { String::new() } else { format!("Taken back: {back}") };
        let parts = if backwards { [undo, taken, was] } else { [was, taken, undo] };
        let prompt = parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("\n\n");
        let about = if backwards { step } else { at };
        let wanted = self.undo_phrase(step).filter(|_| undoes);
        loop {
            let (prompt, ways) = (prompt.clone(), ways.clone());
            let (run, step, list) = (self.id, self.planned(about).id.clone(), TaskList::default());
            self.asks();
            let phrase = wanted.clone();
            self.exec.tell(RunEvent::Ask { run, step, prompt, phrase, manual: false, list, ways }).await;
            match self.answer().await {
                Some(RunAnswer::Choose { way: Way::GoOn, reason }) => match reason::given(&reason) {
                    Ok(reason) => return Event::Chosen(Way::GoOn, reason),
                    Err(why) => self.exec.trouble(Some(self.id), &format!("it does not go on: {why}")).await,
                },
                Some(RunAnswer::Choose { way: Way::Undo, reason }) => match wanted.as_deref() {
                    Some(phrase) if reason.trim() != phrase => {
                        let why = format!("nothing is undone: it takes {phrase:?}, typed");
                        self.exec.trouble(Some(self.id), &why).await;
                    }
                    _ => return Event::Chosen(Way::Undo, String::new()),
                },
                Some(RunAnswer::Choose { way, reason }) => return Event::Chosen(way, clean(&reason).into_owned()),
                Some(RunAnswer::Stop) => return Event::Stop,
                Some(RunAnswer::Leave) | None => return Event::Leave,
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
        }
    }

    /// What is typed to take a step back; `None`: a letter is enough. As much as the change took: what it opened again may be worse.
    pub(super) fn undo_phrase(&self, step: usize) -> Option<String> {
        let planned = self.planned(step);
        let level = level_back(self.exec.policy, &self.plan.body().runbook, &planned.id);
        let typed = planned.undo.is_some() && level > Level::Yes;
        typed.then(|| phrase_of(std::slice::from_ref(&planned.target), planned.host.is_some()))
    }

    /// `step 1 'Stop it' on game-2 (ops@10.0.0.4:22): docker start api`.
    fn undo_text(&self, step: usize) -> String {
        let planned = self.planned(step);
        to_paste(&self.about_one(planned), self.undo_of(planned).unwrap_or_default())
    }

    pub(super) async fn intend_undo(&mut self, step: usize) -> Event {
        self.undoing = true;
        let planned = self.planned(step);
        let before = self.undo_facts(step).await.unwrap_or(Value::Null);
        let data = json!({
            "sent": planned.undo,
            "detail": about_to(planned),
            "facts": self.facts(step, &before),
        });
        self.event(RecordKind::StepIntent, step, data).await
    }

    /// What a restart needs to tell whether it was taken back.
    async fn undo_facts(&self, step: usize) -> Result<Value, SourceError> {
        let Some((fence, pinned)) = self.fences(step, Role::Undo).next() else { return Ok(Value::Null) };
        let facts = step_of(fence)?.facts(self.scene(step).call(fence, pinned)?);
        crate::steps::within(fence.attrs.timeout, "the look before the undo", facts).await
    }

    /// The `if` of its undo is not true of what was done: there is nothing to take back. One that can't be judged takes nothing
    /// away from the operator, and is told when it is to be sent.
    pub(super) fn spares(&self, step: usize) -> bool {
        let undo = self.fences(step, Role::Undo).next();
        undo.is_some_and(|(fence, _)| matches!(when::spares(self.scene(step), fence), Ok(Some(_))))
    }

    /// Takes a step back; once more, as often as `retry` says, only when it is certain that it was not done.
    pub(super) async fn undo(&mut self, step: usize) -> Effect {
        let more = self.fences(step, Role::Undo).next().map_or(0, |(fence, _)| fence.attrs.retry);
        for tried in 1..=more {
            let effect = self.undo_once(step).await;
            let Effect::NotSent(why) = &effect else { return effect };
            self.step.not_sent = true;
            let detail = format!("not undone: {why}; it is sent again ({tried})");
            let data = json!({ "state": StepState::Checking, "detail": clean(&detail) });
            tokio::time::sleep(BREATH).await;
            let recorded = self.write(RecordKind::StepExit, Some(step), data).await
                && self.intend_undo(step).await == Event::Recorded;
            if !recorded {
                return effect;
            }
        }
        let effect = self.undo_once(step).await;
        self.step.not_sent = effect.is_nothing();
        effect
    }

    async fn undo_once(&mut self, step: usize) -> Effect {
        if self.exec.read_only {
            return Effect::NotSent("this dashboard is read-only".to_owned());
        }
        if let Err(why) = self.held.check(&self.exec).await {
            return Effect::NotSent(why);
        }
        if let Some(why) = self.moved(step, Role::Undo).await {
            return Effect::NotSent(format!("{why}: plan it again"));
        }
        let planned = self.planned(step);
        let sent = planned.rows.as_ref().and_then(|rows| self.outs.seen_on(self.host(step)).get(&rows.name));
        let permit = match self.plan.permit_undo(&planned.id, sent) {
            Ok(permit) => permit,
            Err(refusal) => return Effect::NotSent(refusal.to_string()),
        };
        let Some((fence, pinned)) = self.fences(step, Role::Undo).next() else {
            return Effect::NotSent("the step has no undo fence".to_owned());
        };
        match when::spares(self.scene(step), fence) {
            Ok(None) => {}
            Ok(Some(why)) | Err(why) => return Effect::NotSent(why),
        }
        let acted = match (step_of(fence), self.scene(step).ready(fence, pinned)) {
            (Ok(way), Ok(call)) => {
                let acted = live::back(&self.exec, self.note(step), way, call, permit).await;
                self.scene(step).judge(fence, acted)
            }
            (Err(error), _) | (_, Err(error)) => return Effect::NotSent(error.to_string()),
        };
        self.step.keep(&acted);
        acted.effect
    }

    /// The steps that are left to undo, last first: what the machine says, and of a run that goes backwards what it has not taken back.
    pub(super) fn left_steps(&self, left: Vec<usize>) -> Vec<usize> {
        if !self.backwards {
            return left;
        }
        let steps = self.plan.body().steps.iter().enumerate();
        steps.filter(|(at, _)| !self.back.contains(at)).map(|(at, _)| at).collect()
    }

    /// What was taken back so far, in that order; empty: nothing was.
    pub(super) fn back_named(&self) -> String {
        let back: Vec<Reached> = self.back.iter().map(|step| self.reached(*step)).collect();
        in_order(&back)
    }

    /// The same behind the reason of an end.
    pub(super) fn taken_back(&self) -> String {
        let back = self.back_named();
        if back.is_empty() { back } else { format!("{BACK}{back}") }
    }

    /// What is left to undo and what a called run has changed for good, by the steps' names; empty when nothing is. The scripts stand in the
    /// record's own field ([`Run::left_data`]).
    pub(super) fn left(&self, left: &[usize]) -> String {
        let own: Vec<Reached> = left.iter().map(|step| self.reached(*step)).collect();
        let called = || self.called.iter().rev();
        let left = named(own.iter().chain(called().filter(|one| one.can)), usize::MAX);
        let stays = named(called().filter(|one| !one.can), usize::MAX);
        let told = [left, stays].into_iter().zip(LEFT).filter(|(text, _)| !text.is_empty());
        told.map(|(text, lead)| format!("{lead}{text}")).collect()
    }

    /// What is left to undo of our own, with what takes it back.
    pub(super) fn left_data(&self, left: &[usize]) -> Value {
        let one = |step: &usize| {
            let planned = self.planned(*step);
            let (title, undo) = (without_undo(&planned.title), self.undo_of(planned));
            json!({ "step": planned.id, "title": title, "target": planned.target, "undo": undo })
        };
        left.iter().map(one).collect()
    }

    /// All that was changed and not taken back, in the order of the page.
    pub(super) fn all_made(&self) -> Vec<Reached> {
        let made = self.made.iter().copied().collect();
        let own: Vec<usize> =
            if self.backwards { self.left_steps(Vec::new()).into_iter().rev().collect() } else { made };
        own.into_iter().map(|step| self.reached(step)).chain(self.called.iter().cloned()).collect()
    }

    /// What takes a step back: of a run that goes backwards what the step sends.
    fn undo_of<'a>(&self, planned: &'a PlannedStep) -> Option<&'a str> {
        let sent = planned.fences.first().filter(|_| self.backwards).map(|fence| fence.sent.as_str());
        planned.undo.as_deref().or(sent)
    }

    fn reached(&self, step: usize) -> Reached {
        let planned = self.planned(step);
        let (title, target) = (without_undo(&planned.title).to_owned(), planned.target.clone());
        let number = self.number_of(planned);
        Reached {
            number,
            title,
            target,
            can: planned.undo.is_some() || self.backwards,
            fate: Fate::Made,
            over: false,
            by: None,
        }
    }
}

/// What is about to happen to a step that is to be taken back.
pub(super) fn about_to(planned: &PlannedStep) -> String {
    format!("about to undo on {}", planned.target)
}

/// A step's heading, without what says that it is taken back.
fn without_undo(title: &str) -> &str {
    title.strip_prefix(UNDO).unwrap_or(title)
}

const fn of_fail(then: OnFail) -> Then {
    match then {
        OnFail::Stop => Then::Stop,
        OnFail::Ask => Then::Ask,
        OnFail::Undo => Then::Undo,
        OnFail::Continue => Then::Continue,
    }
}

const fn of_timeout(then: OnTimeout) -> Then {
    match then {
        OnTimeout::Stop => Then::Stop,
        OnTimeout::Ask => Then::Ask,
        OnTimeout::Undo => Then::Undo,
    }
}
