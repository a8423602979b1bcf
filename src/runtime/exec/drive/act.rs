//! Sending a change, once, and finding out what came of it.

use super::super::live;
use super::super::scene::{Pins, Seen, step_of};
use super::Run;
use crate::domain::text::clean;
use crate::runbook::language::http;
use crate::runbook::machine::{Effect, Rechecked, Watched};
use crate::runbook::model::Role;
use crate::runbook::plan::Rows;
use crate::steps::{Acted, Settled};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So long it is still waited and verified after the operator wants what is in flight to be cut off.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// The longest that is waited before something is sent once more: who wants more is sent nothing.
const LONGEST: Duration = Duration::from_secs(120);

/// From one look to the next at what goes on over there.
const LOOK: Duration = Duration::from_secs(1);

impl Run {
    /// Waits as long as the other side wants to be left alone before it is asked once more; why it is not asked, when that is longer than
    /// anybody waits.
    pub(super) async fn breathe(&mut self, step: usize) -> Option<Rechecked> {
        let until = self.step.later.filter(|_| self.at == Some(step))?;
        let left = until.saturating_duration_since(Instant::now());
        let seconds = left.as_secs_f64().ceil();
        if left > LONGEST {
            let most = LONGEST.as_secs();
            let why = format!(
                "it wants to be asked again in {seconds} s, and {most} s are the longest that is waited: try again then"
            );
            return Some(Rechecked::Blocked(why));
        }
        if left > LOOK {
            self.teller(step)(format!("waits {seconds} s, as it was asked to, before this is sent again"));
        }
        tokio::time::sleep_until(until).await;
        self.step.later = None;
        None
    }

    pub(super) async fn act(&mut self, step: usize) -> Effect {
        let effect = self.send(step).await;
        self.step.not_sent = effect.is_nothing();
        effect
    }

    async fn send(&mut self, step: usize) -> Effect {
        // The machine sends nothing without a recheck, and a recheck that passed has left the permit here.
        let Some(permit) = self.step.permit.take() else {
            return Effect::NotSent("there is no permit for this step".to_owned());
        };
        if self.exec.read_only {
            return Effect::NotSent("this dashboard is read-only".to_owned());
        }
        if let Err(why) = self.held.check(&self.exec).await {
            return Effect::NotSent(why);
        }
        let before = (self.exec.clock)();
        let sent = match self.fences(step, Role::Run).next() {
            Some((fence, pinned)) => match (step_of(fence), self.scene(step).ready(fence, pinned)) {
                (Ok(way), Ok(call)) => {
                    let (acted, noted) = live::act(&self.exec, self.note(step), way, call, permit, &self.answers).await;
                    Ok((self.scene(step).judge(fence, acted).excused(fence), noted))
                }
                (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
            },
            None => Err("the step has no run fence".to_owned()),
        };
        match sent {
            Ok((acted, noted)) => {
                add(&mut self.step.facts["before"], &noted);
                self.step.keep(&acted);
                self.step.millis = u64::try_from((self.exec.clock)().since(before).as_millis()).unwrap_or(u64::MAX);
                self.step.doubt = matches!(acted.effect, Effect::Unknown(_));
                self.step.later = acted.later.map(|later| Instant::now() + later);
                self.capture(step, &acted);
                self.tell_result(step, acted)
            }
            Err(why) => Effect::NotSent(why),
        }
    }

    /// The rows that a change gave back are known under their name from now on; of an answer that never came, or is none of those that were
    /// expected, there are none.
    fn capture(&mut self, step: usize, acted: &Acted) {
        let name = self.read(step).run().and_then(|run| run.attrs.out.clone());
        let came = matches!(acted.effect, Effect::Done(_)) && !acted.names.is_empty();
        let Some(name) = name.filter(|_| came) else { return };
        let rows = Rows { name, rows: acted.rows.clone(), ..Rows::default() };
        let host = self.host(step).map(str::to_owned);
        self.outs.insert(host.as_deref(), rows);
    }

    /// The rows that fences of a role in a step gave back, by name, for whoever goes on after a crash; null: none.
    pub(super) fn given(&self, step: usize, role: Role) -> Value {
        let fences = self.read(step).fences.iter().filter(|fence| fence.role == role);
        let known = self.outs.seen_on(self.host(step));
        let rows = fences.filter_map(|fence| known.get(fence.attrs.out.as_ref()?));
        let given: serde_json::Map<String, Value> =
            rows.map(|rows| (rows.name.clone(), json!({ "key": rows.key, "rows": rows.rows }))).collect();
        if given.is_empty() { Value::Null } else { given.into() }
    }

    /// What was done is told in the runbook's own words, where it has some.
    fn tell_result(&mut self, step: usize, acted: Acted) -> Effect {
        let Effect::Done(plain) = acted.effect else { return acted.effect };
        let planned = self.planned(step).rows.as_ref();
        let fence = self.fences(step, Role::Run).next();
        let said = fence.and_then(|(fence, _)| self.scene(step).sentence(fence, acted.names, acted.rows, planned));
        self.step.said = said.map(|said| clean(&said).into_owned());
        Effect::Done(self.step.said.clone().unwrap_or(plain))
    }

    /// As [`Self::watch`], unless the operator wants what is in flight to be cut off: then one more look is all.
    pub(super) async fn watch_until_cut(&mut self, step: usize) -> (Watched, Option<usize>) {
        let answers = self.answers.clone();
        let until = async {
            answers.until_cut().await;
            tokio::time::sleep(LAST_LOOK).await;
        };
        let watched = tokio::select! {
            biased;
            watched = self.watch(step) => return watched,
            () = until => "cancelled on request while it waited: what was sent before is not verified",
        };
        let doubt = self.step.doubt;
        let watched = watched.to_owned();
        (if doubt { Watched::CannotTell(watched) } else { Watched::Failed(watched) }, None)
    }

    pub(super) async fn watch(&mut self, step: usize) -> (Watched, Option<usize>) {
        if self.step.doubt {
            self.let_finish(step).await;
        }
        if self.backwards {
            return (self.watch_back(step).await, None);
        }
        self.remember(step);
        let pins: Vec<Option<String>> = self.planned(step).fences.iter().map(|fence| fence.pinned.clone()).collect();
        let known = Pins { ids: &pins, left_out: &self.step.left_out };
        let Seen { watched, result, at } =
            self.scene(step).watch(self.read(step), known, Duration::ZERO, &self.teller(step)).await;
        self.step.said = self.step.said.take().or(result.map(|said| clean(&said).into_owned()));
        if !self.step.doubt {
            return (watched, at);
        }
        // Nobody knows whether it happened, so the service is asked for traces beside the verification.
        let settled = self.settle(step).await;
        let watched = match (watched, settled) {
            (watched, Settled::Ended(acted)) => self.learn(*acted).unwrap_or(watched),
            (Watched::Passed(_), Settled::DidNot(why) | Settled::NotYet(why)) => Watched::Failed(why),
            (Watched::TimedOut(text) | Watched::Failed(text), Settled::DidNot(why)) => {
                Watched::Failed(format!("{why}; {text}"))
            }
            (Watched::Passed(text), Settled::Happened(how)) => Watched::Passed(format!("{how}; {text}")),
            (Watched::CannotTell(why), _) if self.carries_its_key(step) => Watched::Again(why),
            (watched, _) => watched,
        };
        (watched, at)
    }

    /// It is a request by whose key the service knows one that it has had: to send it again does nothing that was done already.
    fn carries_its_key(&self, step: usize) -> bool {
        self.read(step).run().is_some_and(|run| run.attrs.idempotent && run.language.name == http::LANGUAGE.name)
    }

    /// What nobody knew is known: the result was kept where it was made. `None`: it went well, and what was seen counts.
    pub(super) fn learn(&mut self, acted: Acted) -> Option<Watched> {
        self.step.keep(&acted);
        match acted.effect {
            Effect::Failed(why) | Effect::NotSent(why) | Effect::Refused(why) => Some(Watched::Failed(why)),
            Effect::Done(_) | Effect::Unknown(_) => None,
        }
    }

    /// The journal has the result of a step: what is kept of it where it was made is removed. `again`: it is to be sent once more.
    pub(super) async fn forget(&mut self, step: usize, role: Role, again: bool) {
        if !std::mem::take(&mut self.step.kept) {
            return;
        }
        let Some((fence, pinned)) = self.fences(step, role).next() else { return };
        if let (Ok(way), Ok(call)) = (step_of(fence), self.scene(step).call(fence, pinned)) {
            way.forget(call, again).await;
        }
    }

    /// What a look finds is told to whoever looks, and waits for nobody.
    fn teller(&self, step: usize) -> impl Fn(String) + Send + Sync + use<> {
        let (exec, run, step) = (Arc::clone(&self.exec), self.id, self.planned(step).id.clone());
        move |line| live::tell_line(&exec, run, &step, &line)
    }

    /// What goes on over there although nobody hears of it (`on-disconnect=finish`) is waited for, at most until its own time is over.
    async fn let_finish(&self, step: usize) {
        let Some(limit) = self.read(step).run().map(|run| run.attrs.timeout) else { return };
        while matches!(self.settle(step).await, Settled::NotYet(_)) {
            let age = self.step.intended.map(|then| (self.exec.clock)().since(then)).unwrap_or_default();
            if age > limit {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn settle(&self, step: usize) -> Settled {
        let Some((fence, pinned)) = self.fences(step, Role::Run).next() else { return Settled::AskVerify };
        let (Ok(way), Ok(call)) = (step_of(fence), self.scene(step).call(fence, pinned)) else {
            return Settled::AskVerify;
        };
        let now = (self.exec.clock)();
        let age = self.step.intended.map(|then| now.since(then)).unwrap_or_default();
        match way.settle(call, &self.step.facts["before"], age).await {
            Settled::Ended(acted) => Settled::Ended(Box::new(self.scene(step).judge(fence, *acted))),
            settled => settled,
        }
    }
}

/// Facts that were noted later stand beside those of the intent.
pub(in super::super) fn add(facts: &mut Value, noted: &Value) {
    if let (Some(facts), Some(noted)) = (facts.as_object_mut(), noted.as_object()) {
        facts.extend(noted.clone());
    }
}
