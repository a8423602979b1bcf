//! Right before a step: its conditions, its checks and its plan fence once more, and the permit that comes of it.

use super::super::plan;
use super::super::progress::Progress;
use super::super::scene::step_of;
use super::super::when::{self, Decided};
use super::Run;
use crate::domain::record::RecordKind;
use crate::domain::text::{self, clean};
use crate::event::RunEvent;
use crate::runbook::Recheck;
use crate::runbook::machine::Rechecked;
use crate::runbook::model::{OnFail, Role};
use crate::runbook::plan::{Finding, Rows};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lines that are told of each end of what a look has found.
const SEEN: usize = 20;

impl Run {
    /// Decides by the conditions of a step which of its fences are left out; `Some` when it does not begin.
    fn decide(&mut self, step: usize) -> Option<Rechecked> {
        match when::decide(self.scene(step), self.read(step), self.planned(step)) {
            Ok(Decided::Fences(left_out)) => {
                self.step.left_out = left_out;
                None
            }
            Ok(Decided::Skip(why)) => Some(Rechecked::LeftOut(why)),
            Err(why) => Some(Rechecked::Blocked(why)),
        }
    }

    pub(super) async fn recheck(&mut self, step: usize) -> Rechecked {
        if self.at.replace(step) != Some(step) {
            let answer = self.answer_of(step);
            self.step = Progress { answer, ..Progress::default() };
        }
        if let Some(why) = &self.planned(step).lost {
            let why = format!("its host could not be reached when the plan was made: {why}");
            return self.rechecked(step, Rechecked::Blocked(why), None).await;
        }
        if let Some(result) = self.decide(step) {
            return self.rechecked(step, result, None).await;
        }
        let checks = self.ask_checks(step).await;
        self.tell_seen(step).await;
        let fresh = match self.fences(step, Role::Plan).next() {
            Some((fence, pinned)) => plan::rows(self.scene(step), fence, pinned).await.map(|(rows, _)| Some(rows)),
            None => Ok(None),
        };
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(why) => return self.rechecked(step, Rechecked::Blocked(why), None).await,
        };
        let result = match (self.moved(step, Role::Run).await, self.over_limit(step, fresh.as_ref())) {
            (Some(what), _) => self.leads_elsewhere(what),
            (None, Some(why)) => Rechecked::Blocked(why),
            (None, None) => self.judge(step, &checks, fresh.as_ref()).await,
        };
        self.rechecked(step, result, fresh.map(|rows| rows.rows.len())).await
    }

    /// Asks its checks. What one finds is known by its name from then on, to the next of them too.
    async fn ask_checks(&mut self, step: usize) -> Vec<Finding> {
        let plan = Arc::clone(&self.plan);
        let (read, pinned) = (&plan.body().script.steps[step], &plan.body().steps[step].fences);
        let (mut checks, mut said, mut told) = (self.spared(step), Vec::new(), Vec::new());
        self.step.warned.clear();
        for (at, fence) in read.fences.iter().enumerate() {
            if fence.role != Role::Check || self.step.left_out.get(at) == Some(&true) {
                continue;
            }
            let checked = plan::check(self.scene(step), fence, pinned[at].pinned.as_deref()).await;
            let text = &checked.finding.text;
            let tells = fence.attrs.on_fail == Some(OnFail::Continue) && !checked.warns;
            told.extend(tells.then(|| text.clone()));
            self.step.warned.extend(checked.warns.then(|| text.clone()));
            // Of a script all that it printed; of anything else what its page makes of the answer.
            let shows = checked.said.is_empty() && fence.attrs.show.is_some();
            said.push(if shows { text.clone() } else { checked.said });
            checked.seen.into_iter().for_each(|rows| self.outs.insert(read.host.as_deref(), rows));
            checks.push(checked.finding);
        }
        // Of a step that changes something its own output is kept, and nothing else.
        said.retain(|text| !text.is_empty());
        self.step.keep_text(&said.join("\n"));
        self.step.told = told.join("; ");
        checks
    }

    /// What a step that looks alone has found, for who is asked about it next without the page on the screen.
    async fn tell_seen(&self, step: usize) {
        if self.planned(step).changes() || self.step.output.is_empty() {
            return;
        }
        let lines = text::ends(&self.step.output, SEEN, "the journal has them");
        let step = self.planned(step).id.clone();
        self.exec.tell(RunEvent::Output { run: self.id, step, lines, lost: 0 }).await;
    }

    /// As long as nothing was sent the plan can be made anew, shown and asked. Later it would begin once more with what is done.
    fn leads_elsewhere(&mut self, what: String) -> Rechecked {
        let request = &self.plan.body().request;
        let alone = request.caller.is_none() && request.resumes.is_none();
        if !alone || !self.made.is_empty() || !self.called.is_empty() {
            return Rechecked::Blocked(format!("{what}: plan it again"));
        }
        self.changed = Some(what.clone());
        Rechecked::Grew(what)
    }

    /// That a fence does not go where its plan says any more: the config of `ssh`, say, leads elsewhere by now. An engine is pinned by its host.
    pub(super) async fn moved(&self, step: usize, role: Role) -> Option<String> {
        let (fence, pinned) = self.fences(step, role).next().filter(|(fence, _)| fence.language.name != "docker")?;
        let planned = self.planned(step).fences.iter().find(|planned| planned.role == role)?;
        let call = self.scene(step).call(fence, pinned).ok()?;
        let now = step_of(fence).ok()?.pin(call).await.ok()?;
        let (now, then) = (clean(&now.address), &planned.address);
        let moved = !then.is_empty() && !now.is_empty() && now != then.as_str();
        moved.then(|| format!("{} leads to {now} by now, and the plan says {then}", planned.on))
    }

    /// Why the runbook's limits let no change begin.
    fn over_limit(&self, step: usize, fresh: Option<&Rows>) -> Option<String> {
        let limits = self.plan.body().runbook.limits;
        let rows = fresh.and_then(|rows| limits.against_rows(rows.rows.len()));
        let taken = self.started.map(|started| (self.exec.clock)().since(started)).unwrap_or_default();
        let late = || {
            let why = limits.against_time(taken).filter(|_| self.planned(step).changes())?;
            let rest = format!("`quarterdeck runbook resume {} --go-on`", self.id.short());
            Some(format!(
                "{why} in it. Stop it; the rest is done by {rest} (on the screen by R on the run), with its time counted anew"
            ))
        };
        rows.or_else(late)
    }

    /// Checks that the plan asked and that are left out now: nothing is against them.
    fn spared(&self, step: usize) -> Vec<Finding> {
        let fences = self.planned(step).fences.iter().zip(&self.step.left_out);
        let spared = fences.filter(|(fence, out)| fence.role == Role::Check && **out && !fence.is_left_out());
        spared.map(|_| Finding::of(true, "left out")).collect()
    }

    async fn judge(&mut self, step: usize, checks: &[Finding], fresh: Option<&Rows>) -> Rechecked {
        if !self.planned(step).changes() {
            let failed = checks.iter().find(|finding| !finding.passed);
            return failed.map_or(Rechecked::Passed, |finding| Rechecked::Blocked(finding.text.clone()));
        }
        let passed = match self.plan.recheck(&self.planned(step).id, checks, fresh) {
            Recheck::Passed(passed) => passed,
            Recheck::Empty => return Rechecked::Empty,
            Recheck::Grew(count) => {
                let what = format!("{count} came that nobody has seen");
                self.changed = Some(what.clone());
                return Rechecked::Grew(what);
            }
            Recheck::Blocked(why) => return Rechecked::Blocked(why),
        };
        if let Some(rows) = passed.rows() {
            let host = self.read(step).host.clone();
            self.outs.insert(host.as_deref(), rows.clone());
        }
        if let Err(why) = self.note_facts(step).await {
            return Rechecked::Blocked(why);
        }
        let asks = self.plan.asks_for_itself(&self.planned(step).id);
        if asks && self.step.answer.is_none() {
            return Rechecked::Passed;
        }
        match self.plan.permit(passed, self.step.answer.as_ref()) {
            Ok(permit) => {
                self.step.permit = Some(permit);
                Rechecked::Passed
            }
            Err(refusal) => Rechecked::Blocked(refusal.to_string()),
        }
    }

    /// Notes what a restart would need to tell whether the change happened.
    async fn note_facts(&mut self, step: usize) -> Result<(), String> {
        let Some((fence, pinned)) = self.fences(step, Role::Run).next() else { return Ok(()) };
        let noted = async {
            let facts = step_of(fence)?.facts(self.scene(step).call(fence, pinned)?);
            crate::steps::within(fence.attrs.timeout, "the look before the change", facts).await
        };
        let facts = noted.await.map_err(|error: crate::domain::SourceError| error.to_string())?;
        self.step.facts = self.facts(step, &facts);
        Ok(())
    }

    /// All that a restart needs to look at a change.
    pub(super) fn facts(&self, step: usize, before: &Value) -> Value {
        let outs = self.outs.seen_on(self.host(step));
        let outs: BTreeMap<&String, Value> =
            outs.iter().map(|(name, rows)| (name, json!({ "key": rows.key, "rows": rows.rows }))).collect();
        let pins: Vec<&Option<String>> = self.planned(step).fences.iter().map(|fence| &fence.pinned).collect();
        let left_out = &self.step.left_out;
        json!({ "before": before, "values": self.values, "outs": outs, "pins": pins, "left_out": left_out })
    }

    async fn rechecked(&mut self, step: usize, result: Rechecked, fresh: Option<usize>) -> Rechecked {
        let approved = self.planned(step).rows.as_ref().map(|rows| rows.rows.len());
        let detail = match (&result, approved, fresh) {
            (Rechecked::Passed, Some(approved), Some(fresh)) if fresh < approved => {
                format!("{} of {approved} are gone; goes on with {fresh}", approved - fresh)
            }
            (Rechecked::Passed, _, _) if !self.step.warned.is_empty() => self.step.warned.join("; "),
            (Rechecked::Passed, _, _) if !self.step.told.is_empty() => self.step.told.clone(),
            (Rechecked::Passed, _, _) => "still as planned".to_owned(),
            (Rechecked::Empty, _, _) => "nothing left to do".to_owned(),
            (Rechecked::Grew(what) | Rechecked::Blocked(what) | Rechecked::LeftOut(what), _, _) => what.clone(),
        };
        let data = json!({ "detail": clean(&detail), "rows": fresh });
        if self.write(RecordKind::StepRecheck, Some(step), data).await {
            return result;
        }
        let why = self.fault.clone().unwrap_or_default();
        Rechecked::Blocked(why)
    }
}
