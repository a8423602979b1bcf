//! What fences are asked with: the connections, the values and the rows so far; and the asking itself.

use super::poll::{self, News, Told};
use super::when;
use crate::connect::Connections;
use crate::domain::SourceError;
use crate::domain::text::clean;
use crate::runbook::expr::{Condition, Names};
use crate::runbook::language::{NameType, Scope, Secrets, Types, said};
use crate::runbook::machine::{Effect, Watched};
use crate::runbook::model::{Fence, Place, Role, Step};
use crate::runbook::params::{self, split_container};
use crate::runbook::plan::Rows;
use crate::steps::{self, Acted, Call, Found, Judged, within};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The last of several looks may take so long, although the time for all of them is over.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// From a look without an answer to the next one (`retry`).
const BREATH: Duration = Duration::from_millis(500);

/// So many rows of what a check found are kept, the first ones: with each intent they go into the journal.
const SEEN: usize = 20;

/// What is said of a step that only checks, and has nothing to wait for or to verify.
pub(super) const EVERY: &str = "every check holds";

/// Everything that a fence may see.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) connections: &'a Connections,
    pub(super) types: &'a Types,
    pub(super) values: &'a BTreeMap<String, Value>,
    pub(super) outs: &'a BTreeMap<String, Rows>,
    pub(super) label: &'a str,
    /// The run's id, or `plan`.
    pub(super) run: &'a str,
    /// It takes back what an earlier life of the run has done.
    pub(super) back: bool,
    /// So often an undo of it was sent before and did not go well.
    pub(super) tried: u32,
    /// The steps whose fences these are.
    pub(super) steps: &'a [Step],
}

/// What is known of each fence of a step.
#[derive(Clone, Copy)]
pub(super) struct Pins<'a> {
    /// Its target's identity from the plan.
    pub(super) ids: &'a [Option<String>],
    /// Its `if` is not true.
    pub(super) left_out: &'a [bool],
}

/// What waiting and verifying came to, and the runbook's own sentence for it.
pub(super) struct Seen {
    pub(super) watched: Watched,
    /// From the `show` of a verify fence that passed.
    pub(super) result: Option<String>,
    /// The fence that did not come true.
    pub(super) at: Option<usize>,
}

impl Seen {
    fn not(at: usize, watched: Watched) -> Self {
        Self { watched, result: None, at: Some(at) }
    }
}

/// What a condition came to.
pub(super) enum Truth {
    /// In words, and the runbook's own sentence for it (`show` of a verify fence).
    Yes(String, Option<String>),
    No(String),
    /// It holds, and somebody should know: a check alone says so.
    Warns(String),
    /// It does not hold, and asking again is of no use.
    Never(String),
    /// It could not be asked, or not be judged.
    Unclear(String),
}

/// One look of a check.
pub(super) struct Asked {
    pub(super) truth: Truth,
    /// What a script printed that the words do not have.
    pub(super) printed: String,
    /// All that it printed, with its errors.
    pub(super) said: String,
    /// The rows that are captured.
    pub(super) seen: Option<Rows>,
}

impl Asked {
    fn unclear(why: &SourceError) -> Self {
        let truth = Truth::Unclear(format!("could not be asked: {why}"));
        Self { truth, printed: String::new(), said: String::new(), seen: None }
    }
}

/// What the words of a script's answer do not have of what it printed: they have its first line, or its errors if it failed.
fn below(printed: &str, went_well: bool) -> String {
    let lines = printed.lines().filter(|line| !line.trim().is_empty());
    lines.skip(usize::from(went_well)).collect::<Vec<_>>().join("\n")
}

/// One look of several.
struct Looked {
    truth: Truth,
    /// What was seen, where the text does not say it.
    value: Option<String>,
    /// The other side wants to be left alone for so long.
    later: Option<Duration>,
}

impl<'a> Scene<'a> {
    /// A fence ready to be sent. `pinned` is its target's identity from the plan.
    pub(super) fn call(&self, fence: &'a Fence, pinned: Option<&'a str>) -> Result<Call<'a>, SourceError> {
        Ok(Call {
            connections: self.connections,
            fence,
            on: self.on(fence)?,
            types: self.types,
            values: self.values,
            pinned,
            outs: self.outs,
            label: self.label,
            run: self.run,
            step: self.step_id(fence),
            back: self.back,
            tried: self.tried,
            live: None,
        })
    }

    /// The same, when everything that it says is known by now.
    pub(super) fn ready(&self, fence: &'a Fence, pinned: Option<&'a str>) -> Result<Call<'a>, SourceError> {
        let unknown = when::unknown(*self, fence);
        if !unknown.is_empty() {
            let what = format!("it depends on {}, which is not known", unknown.join(", "));
            return Err(SourceError::new(what, "the step that was to tell was skipped, or told nothing"));
        }
        self.call(fence, pinned)
    }

    /// The step that a fence belongs to.
    fn step_id(&self, fence: &Fence) -> &'a str {
        // The same line of the file is a fence of each host.
        let owner = self.steps.iter().find(|step| step.fences.iter().any(|other| std::ptr::eq(other, fence)));
        owner.map_or("", |step| step.id.as_str())
    }

    fn on(&self, fence: &'a Fence) -> Result<&'a str, SourceError> {
        let name = match &fence.attrs.on.place {
            Place::Name(name) => return Ok(name),
            Place::Local => return Ok("local"),
            Place::Param(name) => name,
            // The script names the hosts themselves.
            Place::Role(_) | Place::Host => {
                let what = format!("`on={}` is no single host", fence.attrs.on);
                return Err(SourceError::new(what, "this is a defect: report it"));
            }
        };
        let value = self.values.get(name).and_then(Value::as_str);
        let value = value.ok_or_else(|| {
            SourceError::new(
                format!("the parameter {name:?} is not given, and names the connection"),
                "give it a value",
            )
        })?;
        Ok(split_container(value).map_or(value, |(engine, _)| engine))
    }

    /// The names that a condition of a fence sees beside those of what it `found`.
    pub(super) fn names_with(&self, fence: &Fence, found: &Names) -> Names {
        let mut names = found.clone();
        names.insert("run".to_owned(), json!({ "id": self.run }));
        names.insert("step".to_owned(), json!({ "id": self.step_id(fence) }));
        names.extend(self.names());
        names
    }

    /// The words of a question of a step's page, with what was captured before in their place. `shown`: the parameters as people read them.
    pub(super) fn say(&self, step: &Step, shown: &[(String, String)], text: &str) -> String {
        let shown = shown.iter().map(|(name, text)| (name.clone(), Value::from(text.clone())));
        let values: BTreeMap<String, Value> = self.values.clone().into_iter().chain(shown).collect();
        let outs = self.outs.iter().map(|(name, rows)| (name.clone(), Value::from(rows.rows.clone()))).collect();
        let scope = Scope { values: &values, outs: &outs, run: self.run, step: &step.id, secrets: Secrets::Named };
        said::say(text, self.types, &scope)
    }

    /// The names that every condition sees: parameters, what was chosen, rows so far.
    fn names(&self) -> Names {
        let params: Map<String, Value> = self.values.clone().into_iter().collect();
        let mut names = Names::from([("params".to_owned(), Value::Object(params))]);
        let chosen = self.values.iter().filter(|(name, _)| self.types.get(*name) == Some(&NameType::Choice));
        names.extend(chosen.map(|(name, value)| (name.clone(), value.clone())));
        names.extend(self.outs.iter().map(|(name, rows)| (name.clone(), Value::Array(rows.rows.clone()))));
        names
    }

    /// Asks a read-only fence once, within its timeout.
    pub(super) async fn ask(&self, fence: &'a Fence, pinned: Option<&'a str>) -> Result<Found, SourceError> {
        self.ask_within(fence.attrs.timeout, fence, pinned).await
    }

    async fn ask_within(
        &self,
        limit: Duration,
        fence: &'a Fence,
        pinned: Option<&'a str>,
    ) -> Result<Found, SourceError> {
        let step = step_of(fence)?;
        let call = self.ready(fence, pinned)?;
        let started = Instant::now();
        let doing = format!("{} from {}", fence.role.word(), call.on);
        let found = within(limit, &doing, again(fence.attrs.retry, || step.ask(call))).await;
        let (role, ms) = (fence.role.word(), started.elapsed().as_millis());
        tracing::debug!(
            who = self.label,
            on = call.on,
            language = fence.language.name,
            role,
            ms,
            ok = found.is_ok(),
            "asked"
        );
        found
    }

    /// Asks once and judges by a condition.
    pub(super) async fn holds_and_says(
        &self,
        fence: &'a Fence,
        pinned: Option<&'a str>,
        condition: &Condition,
    ) -> Asked {
        let mut found = match self.ask(fence, pinned).await {
            Ok(found) => found,
            Err(error) => return Asked::unclear(&error),
        };
        let text = |name: &str| found.names.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (printed, errors) = (text("stdout"), text("stderr"));
        let gap = if printed.is_empty() || errors.is_empty() { "" } else { "\n" };
        let said = [&printed, gap, &errors].concat();
        let printed = below(&printed, found.names.get("rc") == Some(&Value::from(0)));
        let seen = fence.attrs.out.clone().map(|name| {
            let rows = std::mem::take(&mut found.rows).into_iter().take(SEEN).collect();
            Rows { name, rows, ..Rows::default() }
        });
        Asked { truth: self.truth(fence, found, condition), printed, said, seen }
    }

    /// Asks once, judges, and tells what was seen, where the text does not say it.
    async fn look(&self, limit: Duration, fence: &'a Fence, pinned: Option<&'a str>, condition: &Condition) -> Looked {
        let found = match self.ask_within(limit, fence, pinned).await {
            Ok(found) => found,
            Err(error) => {
                let truth = Truth::Unclear(format!("could not be asked: {error}"));
                return Looked { truth, value: None, later: None };
            }
        };
        let (value, later) = (poll::value(fence, &found), found.later);
        Looked { truth: self.truth(fence, found, condition), value, later }
    }

    fn truth(&self, fence: &Fence, found: Found, condition: &Condition) -> Truth {
        let names = self.names_with(fence, &found.names);
        match found.judged {
            Some(Judged::Warns(text)) => return Truth::Warns(text),
            Some(Judged::NotYet(text)) => return Truth::No(text),
            Some(Judged::Never(text)) => return Truth::Never(text),
            None => {}
        }
        let show = fence.attrs.show.as_ref();
        let shown = show.and_then(|show| Some((show, show.value(&names).ok()?)));
        let (text, sentence) = match shown {
            Some((_, value)) if fence.role == Role::Verify => (found.text, Some(params::show(&value))),
            Some((_, value)) if fence.role == Role::Check => (params::show(&value), None),
            Some((show, value)) => (format!("{}; {show} = {value}", found.text), None),
            None => (found.text, None),
        };
        match condition.holds(&names) {
            Ok(true) => Truth::Yes(text, sentence),
            Ok(false) => Truth::No(format!("`{condition}` is not true: {text}")),
            Err(error) => Truth::Unclear(format!("could not be judged: {error}")),
        }
    }

    /// The sentence that a run fence's `show` makes of what was answered, of the rows that came back and of those that were planned.
    /// `None`: it has none, or cannot make one of these.
    pub(super) fn sentence(
        &self,
        fence: &Fence,
        mut answered: Names,
        rows: Vec<Value>,
        planned: Option<&Rows>,
    ) -> Option<String> {
        let show = fence.attrs.show.as_ref()?;
        answered.insert("rows".to_owned(), Value::Array(rows));
        let mut names = self.names_with(fence, &answered);
        names.insert("planned".to_owned(), Value::Array(planned.map(|rows| rows.rows.clone()).unwrap_or_default()));
        show.value(&names)
            .inspect_err(|why| tracing::warn!(why, "a result cannot be told"))
            .ok()
            .map(|v| params::show(&v))
    }

    /// What the page makes of the rows that a plan fence found (`show`); `None`: nothing, or nothing of these.
    pub(super) fn told(&self, fence: &Fence, found: &Found) -> Option<String> {
        let value = fence.attrs.show.as_ref()?.value(&self.names_with(fence, &found.names));
        value
            .inspect_err(|why| tracing::warn!(why, "rows cannot be told"))
            .ok()
            .map(|v| clean(&params::show(&v)).into_owned())
    }

    /// Judges a plan fence's `expect`; without one it is true.
    pub(super) fn expected(&self, fence: &Fence, found: &Found) -> Result<bool, String> {
        fence.attrs.expect.as_ref().map_or(Ok(true), |expect| expect.holds(&self.names_with(fence, &found.names)))
    }

    /// Judges the answer to a change by the fence's `expect`. One that is not as expected leaves open what was done, unless it is a
    /// refusal, or a script that ended by itself: that has failed, and no `verify` makes it well.
    pub(super) fn judge(&self, fence: &Fence, mut acted: Acted) -> Acted {
        // Who says when it wants to be asked again would do it then.
        let no = if acted.later.is_some() { Effect::NotSent } else { Effect::Refused };
        if let Some(why) = self.refusal(fence, &acted) {
            acted.effect = no(why);
            return acted;
        }
        let (Effect::Done(said), Some(expect)) = (&acted.effect, &fence.attrs.expect) else { return acted };
        let wrong = match expect.holds(&self.names_with(fence, &acted.names)) {
            Ok(true) => return acted,
            Ok(false) => format!("{said}; `{expect}` is not true"),
            Err(why) => format!("{said}; what is expected of it can't be judged: {why}"),
        };
        acted.effect = match (acted.refused, acted.ended) {
            (true, _) => no(wrong),
            (false, true) => Effect::Failed(wrong),
            (false, false) => Effect::Unknown(wrong),
        };
        acted
    }

    /// A good answer that says by its body that nothing was done (`refused`): why. One that can't be read so says nothing about it, and
    /// neither does a service that failed.
    fn refusal(&self, fence: &Fence, acted: &Acted) -> Option<String> {
        let (Effect::Done(said), Some(refused)) = (&acted.effect, &fence.attrs.refused) else { return None };
        if acted.names.get("status").and_then(Value::as_u64).is_none_or(|status| status >= 500) {
            return None;
        }
        match refused.value(&self.names_with(fence, &acted.names)).ok()? {
            Value::Bool(true) => Some(format!("{said}; `{refused}` is true: it was refused")),
            Value::String(why) if !why.is_empty() => Some(format!("{said}; it was refused: {why}")),
            _ => None,
        }
    }

    /// Waits and verifies as a step says, fence by fence, but those that are left out. `spent`: how long ago the change was made,
    /// when an earlier process has waited already; each fence is asked once at least.
    /// `told`: what each look finds, while it goes on.
    pub(super) async fn watch(
        &self,
        step: &'a Step,
        Pins { ids, left_out }: Pins<'a>,
        mut spent: Duration,
        told: Told<'_>,
    ) -> Seen {
        let (mut said, mut result) = (Vec::new(), None);
        for (index, fence) in step.fences.iter().enumerate() {
            if !matches!(fence.role, Role::Wait | Role::Verify) || left_out.get(index) == Some(&true) {
                continue;
            }
            let pinned = ids.get(index).and_then(Option::as_deref);
            let role = fence.role.word();
            let left = fence.attrs.timeout.saturating_sub(spent);
            spent = spent.saturating_sub(fence.attrs.timeout);
            match self.poll(fence, pinned, left, told).await {
                Truth::Warns(text) => said.push(format!("{role}: {text}")),
                Truth::Never(why) => return Seen::not(index, Watched::Failed(format!("{role}: {why}"))),
                Truth::Yes(text, sentence) => {
                    result = sentence.or(result);
                    said.push(format!("{role}: {text}"));
                }
                Truth::Unclear(why) => return Seen::not(index, Watched::CannotTell(format!("{role} {why}"))),
                Truth::No(why) if fence.role == Role::Wait || fence.attrs.every.is_some() => {
                    let why = format!("{role}: not within {:?}: {why}", fence.attrs.timeout);
                    return Seen::not(index, Watched::TimedOut(why));
                }
                Truth::No(why) => return Seen::not(index, Watched::Failed(format!("{role}: {why}"))),
            }
        }
        if said.is_empty() {
            said.push(EVERY.to_owned());
        }
        Seen { watched: Watched::Passed(said.join("; ")), result, at: None }
    }

    /// Asks until true (and, with `for=`, for that long), at most for `limit`; once when it has no `every`.
    async fn poll(&self, fence: &'a Fence, pinned: Option<&'a str>, limit: Duration, told: Told<'_>) -> Truth {
        let attrs = &fence.attrs;
        let Some(condition) = attrs.until.as_ref().or(attrs.expect.as_ref()) else {
            return Truth::Unclear("has no condition".to_owned());
        };
        // What nobody knows now nobody will know by looking again.
        if let Err(error) = self.ready(fence, pinned) {
            return Truth::Unclear(format!("could not be asked: {error}"));
        }
        let start = Instant::now();
        let hold = attrs.hold.unwrap_or(Duration::ZERO);
        let mut since: Option<Instant> = None;
        let mut news = News::default();
        // Said before the first answer, which may take its time.
        poll::waits(fence, condition, limit).into_iter().for_each(told);
        loop {
            let asked = Instant::now();
            let left = limit.saturating_sub(start.elapsed()).max(attrs.timeout.min(LAST_LOOK));
            let Looked { truth, value, later } = self.look(left, fence, pinned, condition).await;
            if let Some(line) = news.line(fence, &truth, value.as_deref(), since.map(|since| asked - since)) {
                told(line);
            }
            if let Truth::Yes(..) = &truth {
                let since = *since.get_or_insert(asked);
                if asked.duration_since(since) >= hold {
                    return truth;
                }
            } else {
                since = None;
            }
            let (Some(every), false) = (attrs.every, matches!(truth, Truth::Never(_))) else { return truth };
            // Whoever is asked too often says when it wants to be asked again.
            let next = asked + later.map_or(every, |later| later.max(every));
            if next.duration_since(start) > limit {
                return match truth {
                    Truth::Yes(text, _) => Truth::No(format!("true, but not for {hold:?}: {text}")),
                    Truth::No(_) | Truth::Warns(_) | Truth::Never(_) | Truth::Unclear(_) => truth,
                };
            }
            tokio::time::sleep_until(next).await;
        }
    }
}

/// Asks so many times more when there is no answer: to look twice changes nothing.
async fn again<T, Asked: Future<Output = Result<T, SourceError>>>(
    mut more: u64,
    ask: impl Fn() -> Asked,
) -> Result<T, SourceError> {
    loop {
        match ask().await {
            Err(_) if more > 0 => more -= 1,
            asked => return asked,
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// The way out for a fence's language.
pub(super) fn step_of(fence: &Fence) -> Result<&'static dyn steps::Step, SourceError> {
    steps::of(fence.language).ok_or_else(|| {
        SourceError::new(format!("nothing runs fences of {}", fence.language.name), "this is a defect: report it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn a_look_without_an_answer_is_repeated_as_often_as_allowed() {
        let asked = Cell::new(0);
        let answers_third = async || {
            asked.set(asked.get() + 1);
            if asked.get() == 3 { Ok(()) } else { Err(SourceError::new("no answer", "")) }
        };
        assert!(again(2, answers_third).await.is_ok());
        asked.set(0);
        assert!(again(1, answers_third).await.is_err());
        assert_eq!(asked.get(), 2);
    }
}
