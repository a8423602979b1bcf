//! Plans for a run that was begun before: the rest of it, or what it did taken back, last first. What was done is known from its records
//! and asked of nobody; what is to be done is planned, shown and answered like any other change.

use super::super::Exec;
use super::super::when;
use super::{Planner, left_out, planned};
use crate::domain::RunId;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::risk::{Level, Policy};
use crate::domain::text::{clean, clean_lines};
use crate::redact::REDACTED;
use crate::runbook::machine::{self, Was};
use crate::runbook::model::{Fence, Manual, Role, Runbook, Step};
use crate::runbook::past::{StepPast, fingerprint};
use crate::runbook::plan::{Again, ByHand, Onward, PlanBody, PlannedStep, Resumption, Rows, UNDO, When};
use crate::runbook::script::{Fleet, Script, without_host};
use crate::runbook::{Draft, Past, Plan, PlanRequest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Targets are named in a phrase up to so many characters, and counted where they take more.
const PHRASE: usize = 40;

impl Exec {
    /// What the records say of a run; the error says that there is none.
    ///
    /// # Errors
    /// When the journal can't be read, or holds no such run.
    pub async fn past(&self, run: RunId) -> Result<(Past, usize), String> {
        let records = self.journal.of_run(run).await.map_err(|error| error.to_string())?;
        let none = || format!("the journal holds no run {}", run.short());
        Past::of(run, &records).map(|past| (past, records.len())).ok_or_else(none)
    }

    pub(super) async fn plan_again(&self, request: &PlanRequest, of: Resumption) -> Result<Plan<Draft>, String> {
        if self.is_driven(of.run).await {
            return Err(format!("run {} is under way", of.run.short()));
        }
        let (past, records) = self.past(of.run).await?;
        if let Some(driven) = self.elsewhere(&past).await? {
            return Err(driven);
        }
        self.of_this_machine(&past).await?;
        past.settled()?;
        let family = self.family(request)?;
        let runbook = self
            .library
            .get(&request.runbook)
            .ok_or_else(|| format!("its runbook {:?} is not there any more; {}", request.runbook, by_hand(&past)))?;
        let values = past.values(runbook)?;
        let fleet: Fleet = serde_json::from_value(past.start.entry.data["fleet"].clone()).unwrap_or_default();
        let whole = Script::new(runbook, &values, &fleet, self.guarded)?;
        let mut was = past.was();
        let half = self.follow_calls(&past, &mut was).await?;
        if was.len() != whole.steps.len() && of.way == Onward::GoOn {
            was.resize_with(whole.steps.len(), Was::default);
        }
        let left = machine::left(&whole.rollings, &was);
        let outs = past.outs(&whole);
        let script = match of.way {
            Onward::GoOn => {
                let otherwise = match self.backwards(&past, &whole).await {
                    Ok(_) => "Undo it, or leave it and plan anew".to_owned(),
                    Err(_) => format!("It can't be taken back here either; {}", by_hand(&past)),
                };
                past.can_go_on(runbook, &whole, (&left, &was), &otherwise)?;
                whole
            }
            Onward::Undo => self.backwards(&past, &whole).await?,
        };
        let shown = past.params();
        let mut planner = Planner::new(self, &script, runbook, (&shown, values));
        planner.warnings.push(told(&past, of.way, was.len() - left.len()));
        if of.way == Onward::Undo {
            planner.warnings.extend(past.tried_again());
            planner.warnings.extend(past.stuck_words().map(|stuck| clean(&stuck).into_owned()));
        }
        planner.behind = (0..was.len()).filter(|at| of.way == Onward::GoOn && !left.contains(at)).collect();
        for (host, rows) in &outs {
            planner.outs.insert(host.as_deref(), rows.clone());
        }
        // What takes a step back is the one that the run was begun with, whatever its file says by now.
        let mistake = self.library.mistake(&runbook.id).filter(|_| of.way == Onward::GoOn);
        planner.blocked.extend(mistake.map(|mistake| clean(&mistake.why(runbook)).into_owned()));
        // A journal that can't be read says so elsewhere.
        planner.blocked.extend(self.in_the_way(&runbook.id).await.unwrap_or_default());
        planner.suits(runbook);
        planner.blocked.extend(self.journal.only_looks().await);
        let half = half.filter(|(step, _)| of.way == Onward::GoOn && left.contains(step));
        planner.blocked.extend(half.map(|(_, why)| why));
        let locks = self.locks(runbook, &planner.values, &[&[of.run], family.as_slice()].concat()).await;
        let locks = locks.unwrap_or_else(|why| {
            planner.blocked.push(clean(&why).into_owned());
            Vec::new()
        });
        planner.blocked.extend(locks.iter().filter_map(|lock| lock.holder.clone()));
        let mut steps = Vec::new();
        for (number, step) in script.steps.iter().enumerate() {
            match of.way {
                Onward::GoOn if !left.contains(&number) => {
                    // It may have to be taken back: there, and nowhere else.
                    let done = done_before(step, &past);
                    let now = planner.address_of_change(step).await;
                    planner.blocked.extend(elsewhere(&past, &PlannedStep { address: now, ..done.clone() }));
                    steps.push(done);
                }
                Onward::GoOn => {
                    let planned = planner.plan(runbook, number).await?;
                    planner.blocked.extend(elsewhere(&past, &planned));
                    steps.push(planned);
                    planner.rest(number).await;
                }
                Onward::Undo => steps.push(planner.back(runbook, step, &past).await),
            }
        }
        planner.blocked.extend(runbook.limits.against_hosts(&planner.changes));
        let Planner { values, blocked, warnings, .. } = planner;
        let called = past.steps.iter().filter_map(|(id, known)| Some((id.clone(), known.called?))).collect();
        let tried = past.steps.iter().filter(|(_, known)| known.undo_failed > 0);
        let tried = tried.map(|(id, known)| (id.clone(), known.undo_failed)).collect();
        let again = Again { was, outs, records, called, numbers: numbers(&past), tried, outcome: past.outcome };
        Ok(Plan::new(PlanBody {
            runbook: Arc::clone(runbook),
            request: request.clone(),
            params: shown,
            values,
            script,
            fleet,
            unbound: self.unbound(&locks).await,
            locks,
            steps,
            blocked,
            warnings,
            again: Some(again),
            hash: String::new(),
        }))
    }

    /// A step that called a run is what that has come to since. Where it did a part and has not ended ok, that must be gone on with first: the
    /// step, and why.
    async fn follow_calls(&self, past: &Past, was: &mut [Was]) -> Result<Option<(usize, String)>, String> {
        let mut half = None;
        for (number, id) in past.ids().enumerate() {
            let Some(called) = past.step(id).and_then(|known| known.called) else { continue };
            let (child, _) = self.past(called).await?;
            if child.outcome == Some(RunOutcome::Ok) {
                was[number].state = StepState::Ok;
            } else if child.outcome.is_none() || child.has_left() {
                let run = called.short();
                half =
                    Some((number, format!("{id}: run {run}, which it called, did a part of it: take that up first")));
            }
        }
        Ok(half)
    }

    /// The steps that take back what was done, last first: the undo of each is what it runs. A run that was called is taken back in its
    /// place by a run of its own.
    async fn backwards(&self, past: &Past, whole: &Script) -> Result<Script, String> {
        let mut steps = Vec::new();
        for (id, known) in past.undoable() {
            let Some(step) = whole.step(id) else {
                return Err(format!("its runbook has no step {id:?} any more; {}", by_hand(past)));
            };
            if let Some(called) = known.called {
                let (called, _) = self.past(called).await?;
                if called.has_left() {
                    steps.push(Step { fences: Vec::new(), ..step.clone() });
                }
                continue;
            }
            if !past.is_as_it_was(step) {
                return Err(format!("{:?} was changed since in the runbook's file; {}", step.title, by_hand(past)));
            }
            let undo = step.fences.iter().filter(|fence| fence.role == Role::Undo);
            let fences: Vec<Fence> = undo.map(|fence| Fence { role: Role::Run, ..fence.clone() }).collect();
            if !fences.is_empty() {
                steps.push(Step { fences, manual: Manual::default(), ..step.clone() });
            }
        }
        if let Some(stuck) = past.stuck_words().filter(|_| steps.is_empty()) {
            return Err(format!("{stuck}: {}", say_it(past)));
        }
        if steps.is_empty() {
            return Err("nothing of it is left that can be taken back".to_owned());
        }
        Ok(Script { steps, rollings: Vec::new() })
    }
}

/// By the page: the hosts of a step share one.
fn numbers(past: &Past) -> BTreeMap<String, usize> {
    let mut numbers = BTreeMap::new();
    for id in past.ids() {
        let next = numbers.len() + 1;
        numbers.entry(without_host(id).to_owned()).or_insert(next);
    }
    numbers
}

impl Planner<'_> {
    /// Where a step's change would go now; empty: that can't be told, or it has none.
    async fn address_of_change(&self, step: &Step) -> String {
        let Some(run) = step.run() else { return String::new() };
        self.pin(step, run).await.map_or_else(|_| String::new(), |(pinned, _)| clean(&pinned.address).into_owned())
    }

    /// What takes a step back, as it would be sent. Whatever keeps it from being sent blocks the plan: what comes after it waits for it.
    async fn back(&mut self, runbook: &Runbook, step: &Step, past: &Past) -> PlannedStep {
        let known = past.step(&step.id).cloned().unwrap_or_default();
        let title = format!("{UNDO}{}", step.title);
        let mut planned_step =
            PlannedStep { title: clean(&title).into_owned(), past: None, takes_back: true, ..done_before(step, past) };
        (planned_step.undo, planned_step.rows) = (None, None);
        let Some(fence) = step.fences.first() else {
            let called = known.called.map(|run| run.short()).unwrap_or_default();
            let prose = format!("run {called} is taken back here, with a plan and an answer of its own");
            planned_step.by_hand = Some(ByHand { prose, ..ByHand::default() });
            return planned_step;
        };
        match self.back_fence(step, fence, &known).await {
            Ok(fence) => {
                self.changes.insert(fence.on.split('/').next().unwrap_or_default().to_owned());
                planned_step.address.clone_from(&fence.address);
                // What was done somewhere is taken back there, or not at all. An undo that goes elsewhere than its change has nothing to compare.
                if change_of(runbook, &step.id).is_some_and(|run| run.attrs.on == step.fences[0].attrs.on) {
                    self.blocked.extend(elsewhere(past, &planned_step));
                }
                planned_step.fences = vec![fence];
            }
            Err(why) => self.blocked.push(clean(&format!("{title}: {why}")).into_owned()),
        }
        planned_step.level = level_back(self.exec.policy, runbook, &step.id);
        planned_step.phrase = Some(self.phrase_back(step, past));
        planned_step
    }

    /// What is typed to take it back. The first step's phrase is that of the plan, and tells all that the plan touches; a later one's is asked at its
    /// step, and one answer is for all hosts of a rollout.
    fn phrase_back(&self, step: &Step, past: &Past) -> String {
        let sent = || self.script.steps.iter().filter(|step| !step.fences.is_empty());
        let is_first = sent().next().is_some_and(|first| without_host(&first.id) == without_host(&step.id));
        let meant = sent().filter(|other| is_first || without_host(&other.id) == without_host(&step.id));
        let mut targets: Vec<String> = Vec::new();
        let mut hosts = true;
        for other in meant {
            let target = past.target(&other.id);
            hosts &= other.host.is_some();
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        phrase_of(&targets, hosts)
    }

    async fn back_fence(
        &self,
        step: &Step,
        fence: &Fence,
        known: &StepPast,
    ) -> Result<crate::runbook::plan::PlannedFence, String> {
        let spared = when::spares(self.scene(step.host.as_deref()), fence)?;
        let when = match (&fence.attrs.when, spared) {
            (_, Some(why)) => return Err(format!("there is nothing to take back: {why}")),
            (Some(condition), None) => When::Holds(clean(&condition.to_string()).into_owned()),
            (None, None) => When::Always,
        };
        let (mut pinned, on) = self.pin(step, fence).await?;
        // The last of a step's identities is that of its undo.
        let then = known.facts["pins"].as_array().and_then(|pins| pins.last()).and_then(Value::as_str);
        if let (Some(then), Some(now)) = (then, &pinned.id)
            && then != now
        {
            return Err(format!("its target is another one by now ({} and not {})", short(now), short(then)));
        }
        pinned.id = then.map(str::to_owned).or(pinned.id);
        Ok(planned(fence, &on, when, &pinned, None))
    }
}

/// `undo api on local`, `undo on primary`, `undo on web-1, web-2`, `undo on 3 hosts`.
pub(in super::super) fn phrase_of(targets: &[String], hosts: bool) -> String {
    let (count, all) = (targets.len(), targets.join(", "));
    let what = if hosts { "hosts" } else { "targets" };
    match all {
        _ if count > 1 && (hosts && count > 2 || all.chars().count() > PHRASE) => format!("undo on {count} {what}"),
        _ if targets.iter().any(|target| target.contains(" on ")) => format!("undo {all}"),
        _ => format!("undo on {all}"),
    }
}

/// The answer that it takes to take a step back: that of the change itself, and more where its `undo` wants more.
pub(in super::super) fn level_back(policy: Policy, runbook: &Runbook, id: &str) -> Level {
    let step = runbook.steps.iter().find(|step| step.id == without_host(id));
    let changes = step.into_iter().flat_map(|step| &step.fences).filter(|fence| fence.role.changes());
    let confirm = changes.filter_map(|fence| fence.attrs.confirm).max();
    policy.level(runbook.risk).max(confirm.unwrap_or(Level::None))
}

/// The fence that made a change.
fn change_of<'a>(runbook: &'a Runbook, id: &str) -> Option<&'a Fence> {
    runbook.steps.iter().find(|step| step.id == without_host(id)).and_then(Step::run)
}

/// Why a step does not go where the run's first plan said.
fn elsewhere(past: &Past, planned: &PlannedStep) -> Option<String> {
    let then = past.planned_of(&planned.id)?["address"].as_str()?;
    let (name, now) = (&planned.target, &planned.address);
    let moved = !then.is_empty() && !now.is_empty() && then != now;
    let why = "another place than when the run was begun";
    moved.then(|| {
        format!("{}: {name} is {why}: {now}, and not {then}; mend the config, or do it by hand", planned.title)
    })
}

fn short(id: &str) -> String {
    clean(id).chars().take(12).collect()
}

/// A step that was done before: nothing of it is asked or sent, but what takes it back is known.
fn done_before(step: &Step, past: &Past) -> PlannedStep {
    let known = past.step(&step.id).cloned().unwrap_or_default();
    let text = |key: &str| past.planned_of(&step.id).and_then(|planned| planned[key].as_str()).map(str::to_owned);
    let state = known.state.unwrap_or(StepState::Planned);
    let why = format!("done before: {}", state.word());
    let pins = known.facts["pins"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fences = step.fences.iter().enumerate().map(|(number, fence)| {
        let mut fence = left_out(fence, When::LeftOut(why.clone()));
        if fence.role == Role::Undo {
            fence.when = When::Always;
        }
        fence.pinned = pins.get(number).and_then(Value::as_str).map(str::to_owned);
        fence
    });
    let can_undo = known.happened && known.undo.is_none();
    PlannedStep {
        id: step.id.clone(),
        title: clean(&step.title).into_owned(),
        host: step.host.clone(),
        lost: None,
        target: text("target").unwrap_or_default(),
        address: text("address").unwrap_or_default(),
        fences: fences.collect(),
        rows: plan_rows(step, &known),
        undo: text("undo").filter(|_| can_undo).map(|undo| clean_lines(&undo)),
        level: Level::None,
        phrase: None,
        past: Some(state),
        takes_back: false,
        by_hand: None,
    }
}

/// The rows that a step was sent with.
fn plan_rows(step: &Step, known: &StepPast) -> Option<Rows> {
    let plan = step.fences.iter().find(|fence| fence.role == Role::Plan)?;
    let name = plan.attrs.out.as_deref()?;
    known.facts["outs"].get(name).map(|rows| Rows::remembered(name, rows))
}

/// The first thing that is said of such a plan.
fn told(past: &Past, way: Onward, behind: usize) -> String {
    let (run, all) = (past.run.short(), past.ids().count());
    let text = match way {
        Onward::GoOn => {
            format!("goes on with run {run}: {behind} of its {all} steps are behind it, and are not done again")
        }
        Onward::Undo => format!("takes back what run {run} did, last first; each is looked at and recorded by itself"),
    };
    clean(&text).into_owned()
}

/// How a person says what they saw of an undo that did not go well.
fn say_it(past: &Past) -> String {
    let saw = format!("quarterdeck runbook resume {} --saw", past.run.short());
    format!(
        "`{saw} happened --reason TEXT` when it is taken back (by you, or after all), `{saw} nothing --reason TEXT` when nothing of it is: then it is sent again"
    )
}

/// What a person does where nothing else can.
fn by_hand(past: &Past) -> String {
    let (left, run) = (past.left_to_undo(), past.run.short());
    let give_up = format!("give it up (`quarterdeck runbook resume {run} --abandon REASON`)");
    if left.is_empty() {
        format!("nothing of it is left to undo: {give_up} and plan anew")
    } else {
        format!("left to undo by hand: {}; then {give_up}\n{}", past.left_named(), left.join("\n"))
    }
}

impl Past {
    /// Nothing of it is in doubt, and it is over: what is to be known before anything of it is taken up. The error says what is to be done
    /// first.
    fn settled(&self) -> Result<(), String> {
        let run = self.run.short();
        if let Some(doubt) = self.doubt() {
            return Err(format!("{doubt}: `quarterdeck runbook resume {run}` looks once more, or say what you saw"));
        }
        if self.outcome.is_none() {
            return Err(format!("run {run} has no end yet: `quarterdeck runbook resume` finds out what became of it"));
        }
        Ok(())
    }

    /// That it has ended, how, and that nothing more is to do: of one that is.
    pub fn through(&self) -> String {
        let (run, outcome) = (self.run.short(), self.outcome.unwrap_or(RunOutcome::Unknown).word());
        let reason = clean(&self.reason);
        format!("run {run} has ended {outcome}: {reason}; every step is behind it, and nothing is left to go on with")
    }

    /// The values of its parameters and what was chosen on the way.
    fn values(&self, runbook: &Runbook) -> Result<BTreeMap<String, Value>, String> {
        let noted = self.steps.values().map(|step| &step.facts["values"]).find(|values| values.is_object());
        let values = Some(&self.start.entry.data["values"]).filter(|values| values.is_object()).or(noted);
        let mut values: BTreeMap<String, Value> = values
            .and_then(|values| serde_json::from_value(values.clone()).ok())
            .ok_or("its records do not hold the values of its parameters: an earlier version wrote them")?;
        for step in &runbook.steps {
            let chosen = self.step(&step.id).filter(|known| known.state == Some(StepState::Ok));
            let Some(chosen) = chosen.and_then(|known| known.chosen.as_deref()) else { continue };
            let written = step.manual.choices.iter().find(|choice| clean(choice) == chosen);
            values.extend(written.map(|written| (step.name(), Value::from(written.clone()))));
        }
        if values.values().any(|value| value.to_string().contains(REDACTED)) {
            return Err(
                "a value of its parameters was hidden in the journal as a secret: what it was is not known".to_owned()
            );
        }
        Ok(values)
    }

    /// What a step acts on, as its plan showed it.
    fn target(&self, id: &str) -> String {
        self.planned_of(id).and_then(|planned| planned["target"].as_str()).unwrap_or_default().to_owned()
    }

    /// Its parameters as they were shown.
    fn params(&self) -> Vec<(String, String)> {
        let params = self.start.entry.data["params"].as_object().into_iter().flatten();
        params.map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned())).collect()
    }

    /// The rows that it has found, and those that its changes gave back.
    fn outs(&self, whole: &Script) -> Vec<(Option<String>, Rows)> {
        let mut outs = Vec::new();
        for step in &whole.steps {
            let Some(known) = self.step(&step.id) else { continue };
            let given = [&known.facts["outs"], &known.outs].into_iter().filter_map(Value::as_object).flatten();
            outs.extend(given.map(|(name, rows)| (step.host.clone(), Rows::remembered(name, rows))));
        }
        outs
    }

    /// A step does what it did when it was begun.
    pub(in super::super) fn is_as_it_was(&self, step: &Step) -> bool {
        self.planned_of(&step.id).is_some_and(|planned| planned["hash"].as_str() == Some(&fingerprint(step)))
    }

    /// `left`: the steps that are still to be done, by what each `was`; `otherwise`: what can be done when it can't.
    fn can_go_on(
        &self,
        runbook: &Runbook,
        whole: &Script,
        (left, was): (&BTreeSet<usize>, &[Was]),
        otherwise: &str,
    ) -> Result<(), String> {
        let same_file = self.start.entry.data["source_hash"] == runbook.hash.as_str();
        let mut behind = self.ids().zip(&whole.steps).enumerate().filter(|(at, _)| !left.contains(at));
        let changed = behind.find(|(_, (id, step))| *id != step.id || !same_file && !self.is_as_it_was(step));
        if let Some((_, (id, _))) = changed {
            let state = self.step(id).and_then(|known| known.state).unwrap_or(StepState::Ok);
            let is = match state {
                StepState::Failed => "has failed",
                StepState::TimedOut => "has timed out",
                StepState::Skipped => "was skipped",
                _ => "is done",
            };
            let name = self.name_of(id);
            return Err(format!(
                "{name} {is} and was changed since in the runbook's file: it can't be gone on with. {otherwise}"
            ));
        }
        let same = self.ids().zip(&whole.steps).all(|(id, step)| id == step.id);
        if self.ids().count() != whole.steps.len() || !same {
            return Err(format!("its runbook has other steps by now: it can't be gone on with. {otherwise}"));
        }
        // One that has no end of its own yet is ended by this, with nothing sent.
        if left.is_empty() && !machine::ended_badly(&whole.rollings, was) && self.is_through() {
            return Err(self.through());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrase_of_an_undo_names_all_that_it_touches_or_counts_it() {
        let phrase = |targets: &[&str], hosts| {
            phrase_of(&targets.iter().map(|target| (*target).to_owned()).collect::<Vec<_>>(), hosts)
        };
        assert_eq!(phrase(&["primary"], false), "undo on primary");
        assert_eq!(phrase(&["api on local"], false), "undo api on local");
        assert_eq!(phrase(&["web-1", "primary"], false), "undo on web-1, primary");
        assert_eq!(phrase(&["primary", "api on local"], false), "undo primary, api on local");
        assert_eq!(phrase(&["web-1"], true), "undo on web-1");
        assert_eq!(phrase(&["web-1", "web-2"], true), "undo on web-1, web-2");
        assert_eq!(phrase(&["web-1", "web-2", "web-3"], true), "undo on 3 hosts");
        assert_eq!(
            phrase(&["a-database-with-a-long-name", "another-one"], false),
            "undo on a-database-with-a-long-name, another-one"
        );
        assert_eq!(phrase(&["a-database-with-a-long-name", "another-one-like-it"], false), "undo on 2 targets");
    }
}
