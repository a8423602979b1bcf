//! Steps that run another runbook (`**Run:** [title](file.md)`): a run of its own, with its own plan, its own answer and its own
//! records, which names the run that calls it. The calling step is ok only when that run ended ok.
//!
//! The caller asks for the run; whoever faces the operator plans it, shows it and has it answered, as for any other, and the gate
//! knows no difference. Here is what ties the two together: who waits for whom, what the called one may take for granted (what its
//! callers hold), and how deep that may go.

use super::drive::{Over, Run};
use super::lease::Held;
use super::{Exec, Running};
use crate::domain::RunId;
use crate::domain::record::{RecordKind, RunOutcome};
use crate::domain::text::clean;
use crate::effect::RunAnswer;
use crate::event::{RunEvent, TaskList};
use crate::runbook::foreseen::DEPTH;
use crate::runbook::machine::Answered;
use crate::runbook::model::{Call, Param, ParamType};
use crate::runbook::plan::{Caller, Onward, Resumption};
use crate::runbook::reach::Reached;
use crate::runbook::{PlanRequest, Runbook};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the caller hears of the run that it called.
#[derive(Debug)]
pub(super) enum News {
    /// It has been approved, and begins.
    Began(RunId),
    /// It is over; `None`: it was not begun after all.
    Ended(RunId, Option<Over>),
}

/// What is known of a run under way beside where its answers go.
#[derive(Default)]
pub(super) struct Kin {
    /// The runbook's id.
    runbook: String,
    /// What it holds.
    held: Option<Arc<Held>>,
    /// The run that called it.
    caller: Option<RunId>,
    /// The step that waits for a run to be approved.
    waits: Option<String>,
    /// Where news of that run go.
    news: Option<UnboundedSender<News>>,
}

impl Running {
    /// A run begins to be driven. What comes back brings news of the runs that it calls.
    pub(super) fn known(&self, run: RunId, runbook: &str, caller: Option<RunId>) -> UnboundedReceiver<News> {
        let (sender, news) = unbounded_channel();
        let kin = Kin { runbook: runbook.to_owned(), caller, news: Some(sender), ..Kin::default() };
        self.kin(|all| all.insert(run, kin));
        news
    }

    pub(super) fn forget(&self, run: RunId) {
        self.kin(|all| all.remove(&run));
    }

    pub(super) fn holds(&self, run: RunId, held: &Arc<Held>) {
        self.kin(|all| all.get_mut(&run).map(|kin| kin.held = Some(Arc::clone(held))));
    }

    /// What all runs hold.
    #[cfg(test)]
    pub(super) fn all_held(&self) -> Vec<Arc<Held>> {
        self.kin(|all| all.values().filter_map(|kin| kin.held.clone()).collect())
    }

    /// What a run's caller holds, and those that called that one.
    pub(super) fn held_by(&self, caller: Option<&Caller>) -> Option<Arc<Held>> {
        self.kin(|all| all.get(&caller?.run)?.held.clone())
    }

    fn wait(&self, run: RunId, step: Option<&str>) {
        self.kin(|all| all.get_mut(&run).map(|kin| kin.waits = step.map(str::to_owned)));
    }

    /// An approved run takes its place under the step that waits for it; the error says that nobody does. One call takes one run.
    pub(super) fn adopt(&self, caller: &Caller, run: RunId) -> Result<(), String> {
        let gone = || "the run that called it does not wait for it any more: it was not begun".to_owned();
        self.kin(|all| {
            let kin = all.get_mut(&caller.run).ok_or_else(gone)?;
            kin.waits.take_if(|step| *step == caller.step).ok_or_else(gone)?;
            kin.news.as_ref().is_some_and(|news| news.send(News::Began(run)).is_ok()).then_some(()).ok_or_else(gone)
        })
    }

    pub(super) fn tell(&self, caller: RunId, news: News) {
        // The caller may have been cut off: then nobody wants to know.
        self.kin(|all| all.get(&caller).and_then(|kin| kin.news.as_ref()?.send(news).ok()));
    }

    /// A run and those that called it, nearest first, each with its runbook's id; empty when it is over.
    fn family(&self, run: RunId) -> Vec<(RunId, String)> {
        self.kin(|all| {
            let (mut family, mut at) = (Vec::new(), Some(run));
            while let Some((run, kin)) = at.and_then(|run| Some((run, all.get(&run)?))) {
                family.push((run, kin.runbook.clone()));
                at = kin.caller;
            }
            family
        })
    }
}

/// Of calls one is made at a time, so that news are for whoever waits.
async fn next_news(news: &Mutex<UnboundedReceiver<News>>) -> Option<News> {
    news.lock().await.recv().await
}

impl Exec {
    /// The runs that a planned one would belong to; the error says why it can't.
    pub(super) fn family(&self, request: &PlanRequest) -> Result<Vec<RunId>, String> {
        let Some(caller) = &request.caller else { return Ok(Vec::new()) };
        let family = self.runs.family(caller.run);
        if family.is_empty() {
            return Err(format!("the run {} that calls it is over", caller.run.short()));
        }
        if family.iter().any(|(_, runbook)| *runbook == request.runbook) {
            let way: Vec<&str> = family.iter().rev().map(|(_, runbook)| runbook.as_str()).collect();
            return Err(format!("{} → {}: a runbook that calls itself never ends", way.join(" → "), request.runbook));
        }
        if family.len() > DEPTH {
            return Err(format!("calls go {DEPTH} runs deep at most"));
        }
        Ok(family.into_iter().map(|(run, _)| run).collect())
    }
}

impl Run {
    /// Runs another runbook in the place of a step.
    pub(super) async fn call(&mut self, step: usize, call: &Call) -> Answered {
        loop {
            let back = self.called_before(step);
            let called = self.exec.library.called(&self.plan.body().runbook, call);
            let what = match &called {
                Ok(runbook) if let Some(run) = back => {
                    let (title, run) = (&runbook.title, run.short());
                    format!("takes back what run {run} of {title} did, with a plan and an answer of its own")
                }
                Ok(runbook) => {
                    let (title, id) = (&runbook.title, &runbook.id);
                    format!("runs {title} ({id}) here, with a plan and an answer of its own")
                }
                Err(why) => format!("can't be run: {why}"),
            };
            self.put_call(step, &what).await;
            match self.answer().await {
                None | Some(RunAnswer::Leave) => return self.leave(),
                Some(RunAnswer::Stop) => return Answered::Stop,
                Some(RunAnswer::Skip(why)) => {
                    if let Some(skipped) = self.skip(&why).await {
                        return skipped;
                    }
                }
                Some(RunAnswer::Done) => {
                    if let Ok(runbook) = called
                        && let Some(answered) = self.run_called(step, &runbook).await
                    {
                        return answered;
                    }
                }
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
        }
    }

    async fn put_call(&self, step: usize, what: &str) {
        let ask = RunEvent::Ask {
            run: self.id,
            step: self.planned(step).id.clone(),
            prompt: format!("{} {}", self.about(self.planned(step)), clean(what)),
            phrase: None,
            manual: true,
            list: TaskList { plans: true, ..TaskList::default() },
            ways: Vec::new(),
        };
        self.exec.tell(ask).await;
    }

    /// Asks for its plan, and waits for who answers it. `notice`: why once more.
    async fn ask_for(&mut self, step: usize, runbook: &Runbook, notice: Option<String>) {
        let id = self.planned(step).id.clone();
        self.exec.runs.wait(self.id, Some(&id));
        let caller = Caller { run: self.id, step: id };
        let resumes = self.called_before(step).map(|run| Resumption { run, way: Onward::Undo });
        let args = if resumes.is_some() { BTreeMap::new() } else { self.args_for(step, runbook) };
        let request = PlanRequest { caller: Some(caller), resumes, ..PlanRequest::new(runbook.id.clone(), args) };
        self.exec.tell(RunEvent::Call { run: self.id, request: Box::new(request), notice }).await;
    }

    /// `None`: it was not begun, and the operator is asked once more.
    async fn run_called(&mut self, step: usize, runbook: &Runbook) -> Option<Answered> {
        self.ask_for(step, runbook, None).await;
        let (mut under_way, mut pauses) = (None, self.answers.pauses());
        loop {
            tokio::select! {
                biased;
                news = next_news(&self.news) => match news? {
                    News::Began(run) => {
                        let detail = format!("run {} of {} begins", run.short(), runbook.id);
                        let data = json!({ "output": detail, "called": run });
                        if !self.write(RecordKind::StepTick, Some(step), data).await {
                            self.exec.answer(run, RunAnswer::Stop);
                        }
                        if *pauses.borrow_and_update() {
                            self.exec.answer(run, RunAnswer::Pause(true));
                        }
                        under_way = Some(run);
                    }
                    News::Ended(_, None) => return None,
                    // Rows come and go: one more plan, and not the end of ours.
                    News::Ended(_, Some(Over { grew: Some(what), .. })) if !self.leaving => {
                        under_way = None;
                        self.ask_for(step, runbook, Some(what)).await;
                    }
                    News::Ended(run, Some(over)) => {
                        let counts = self.taken_back_by(run, over.outcome).await;
                        return Some(self.came(step, run, runbook, over, counts));
                    }
                },
                // What holds a run holds the one that it called.
                Ok(()) = pauses.changed(), if under_way.is_some() => {
                    let paused = *pauses.borrow_and_update();
                    under_way.inspect(|run| self.exec.answer(*run, RunAnswer::Pause(paused)));
                }
                answer = self.answers.recv() => match (answer, under_way) {
                    // It ends before its next change, and then this one does.
                    (Some(RunAnswer::Stop), Some(run)) => self.exec.answer(run, self.answers.stop()),
                    (Some(RunAnswer::Leave) | None, Some(run)) => {
                        self.leaving = true;
                        self.exec.leave(run);
                        if self.answers.is_closed() {
                            return Some(Answered::Stop);
                        }
                    }
                    (Some(RunAnswer::Declined), None) => return self.turned_down(None),
                    (Some(RunAnswer::Stop), None) => return self.turned_down(Some(Answered::Stop)),
                    (Some(RunAnswer::Leave) | None, None) => {
                        let left = self.leave();
                        return self.turned_down(Some(left));
                    }
                    (Some(RunAnswer::Skip(why)), None) => {
                        if let Some(skipped) = self.skip(&why).await {
                            return self.turned_down(Some(skipped));
                        }
                    }
                    (Some(_), _) => {}
                },
            }
        }
    }

    /// A plan that is approved after all has nobody to belong to any more. One that was approved at the same moment is waited for.
    fn turned_down(&self, answered: Option<Answered>) -> Option<Answered> {
        self.exec.runs.wait(self.id, None);
        answered
    }

    /// Its parameters of the same name as ours have our values; a server called `host` is the one that our step is about.
    fn args_for(&self, step: usize, runbook: &Runbook) -> BTreeMap<String, Value> {
        let host = self.planned(step).host.as_deref();
        let about = |param: &Param| {
            let is_host = param.name == "host" && param.kind == ParamType::Server && !param.many;
            host.filter(|_| is_host).map(Value::from).or_else(|| self.values.get(&param.name).cloned())
        };
        let given = runbook.params.iter().filter_map(|param| Some((param.name.clone(), about(param)?)));
        given.filter(|(_, value)| !value.is_null()).collect()
    }

    /// Of a run that takes its call back what counts is whether something of it is left.
    async fn taken_back_by(&self, run: RunId, outcome: RunOutcome) -> RunOutcome {
        if !self.backwards {
            return outcome;
        }
        match self.exec.past(run).await {
            Ok((past, _)) if !past.has_left() => RunOutcome::Ok,
            Ok(_) | Err(_) if outcome.is_well() => RunOutcome::Failed,
            Ok(_) | Err(_) => outcome,
        }
    }

    /// `counts`: what its end is for our step.
    fn came(&mut self, step: usize, run: RunId, runbook: &Runbook, over: Over, counts: RunOutcome) -> Answered {
        let host = self.planned(step).host.as_ref().map(|host| format!(" for {host}")).unwrap_or_default();
        let told = format!("run {} of {}{host}", run.short(), runbook.id);
        let number = self.plan.body().number(self.planned(step)).to_string();
        let by = |one: &Reached| one.by.clone().or_else(|| Some(told.clone()));
        let made = over.made.into_iter().map(|one| Reached { by: by(&one), over: true, ..one }.under(&number));
        self.called.extend(made);
        Answered::Came(counts, format!("{told} ended {}: {}", over.outcome.word(), over.reason))
    }
}
