//! What fences are asked with: the connections, the values and the rows so far; and the asking itself.

use crate::connect::Connections;
use crate::domain::SourceError;
use crate::runbook::expr::{Condition, Names};
use crate::runbook::language::Types;
use crate::runbook::machine::Watched;
use crate::runbook::model::{Fence, On, Role, Step};
use crate::runbook::params::split_container;
use crate::runbook::plan::Rows;
use crate::steps::{self, Call, Found, within};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Everything that a fence may see.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) connections: &'a Connections,
    pub(super) types: &'a Types,
    pub(super) values: &'a BTreeMap<String, Value>,
    pub(super) outs: &'a BTreeMap<String, Rows>,
    pub(super) label: &'a str,
}

/// What a condition came to.
pub(super) enum Truth {
    Yes(String),
    No(String),
    /// It could not be asked, or not be judged.
    Unclear(String),
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
        })
    }

    fn on(&self, fence: &'a Fence) -> Result<&'a str, SourceError> {
        let name = match &fence.attrs.on {
            On::Name(name) => return Ok(name),
            On::Param(name) => name,
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

    /// The names that a condition on `found` sees.
    fn names(&self, found: &Found) -> Names {
        let mut names = found.names.clone();
        let params: Map<String, Value> = self.values.clone().into_iter().collect();
        names.insert("params".to_owned(), Value::Object(params));
        names.extend(self.outs.iter().map(|(name, rows)| (name.clone(), Value::Array(rows.rows.clone()))));
        names
    }

    /// Asks a read-only fence once, within its timeout.
    pub(super) async fn ask(&self, fence: &'a Fence, pinned: Option<&'a str>) -> Result<Found, SourceError> {
        let step = step_of(fence)?;
        let question = step.ask(self.call(fence, pinned)?);
        within(fence.attrs.timeout, fence.role.word(), question).await
    }

    /// Asks once and judges by a condition.
    pub(super) async fn holds(&self, fence: &'a Fence, pinned: Option<&'a str>, condition: &Condition) -> Truth {
        let found = match self.ask(fence, pinned).await {
            Ok(found) => found,
            Err(error) => return Truth::Unclear(format!("could not be asked: {error}")),
        };
        let names = self.names(&found);
        let shown = fence.attrs.show.as_ref().and_then(|show| show.value(&names).ok());
        let text = match shown {
            Some(value) => format!(
                "{}; {} = {value}",
                found.text,
                fence.attrs.show.as_ref().map_or_else(String::new, ToString::to_string)
            ),
            None => found.text.clone(),
        };
        match condition.holds(&names) {
            Ok(true) => Truth::Yes(text),
            Ok(false) => Truth::No(format!("`{condition}` is not true: {text}")),
            Err(error) => Truth::Unclear(format!("could not be judged: {error}")),
        }
    }

    /// Judges a plan fence's `expect`; without one it is true.
    pub(super) fn expected(&self, fence: &Fence, found: &Found) -> Result<bool, String> {
        fence.attrs.expect.as_ref().map_or(Ok(true), |expect| expect.holds(&self.names(found)))
    }

    /// Waits and verifies as a step says, fence by fence. `pins` are those of its fences.
    pub(super) async fn watch(&self, step: &'a Step, pins: &'a [Option<String>]) -> Watched {
        let mut said = Vec::new();
        for (index, fence) in step.fences.iter().enumerate() {
            if !matches!(fence.role, Role::Wait | Role::Verify) {
                continue;
            }
            let pinned = pins.get(index).and_then(Option::as_deref);
            let role = fence.role.word();
            match self.poll(fence, pinned).await {
                Truth::Yes(text) => said.push(format!("{role}: {text}")),
                Truth::Unclear(why) => return Watched::CannotTell(format!("{role} {why}")),
                Truth::No(why) if fence.role == Role::Wait || fence.attrs.every.is_some() => {
                    return Watched::TimedOut(format!("{role}: not within {:?}: {why}", fence.attrs.timeout));
                }
                Truth::No(why) => return Watched::Failed(format!("{role}: {why}")),
            }
        }
        if said.is_empty() {
            said.push("every check holds".to_owned());
        }
        Watched::Passed(said.join("; "))
    }

    /// Asks until true (and, with `for=`, for that long), at most for the fence's timeout; once when it has no `every`.
    async fn poll(&self, fence: &'a Fence, pinned: Option<&'a str>) -> Truth {
        let attrs = &fence.attrs;
        let Some(condition) = attrs.until.as_ref().or(attrs.expect.as_ref()) else {
            return Truth::Unclear("has no condition".to_owned());
        };
        let start = Instant::now();
        let hold = attrs.hold.unwrap_or(Duration::ZERO);
        let mut since: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            let truth = self.holds(fence, pinned, condition).await;
            if let Truth::Yes(text) = &truth {
                let since = *since.get_or_insert(asked);
                if asked.duration_since(since) >= hold {
                    return Truth::Yes(text.clone());
                }
            } else {
                since = None;
            }
            let Some(every) = attrs.every else { return truth };
            let next = asked + every;
            if next.duration_since(start) > attrs.timeout {
                return match truth {
                    Truth::Yes(text) => Truth::No(format!("true, but not for {hold:?}: {text}")),
                    Truth::No(_) | Truth::Unclear(_) => truth,
                };
            }
            tokio::time::sleep_until(next).await;
        }
    }
}

/// The way out for a fence's language.
pub(super) fn step_of(fence: &Fence) -> Result<&'static dyn steps::Step, SourceError> {
    steps::of(fence.language).ok_or_else(|| {
        SourceError::new(format!("nothing runs fences of {}", fence.language.name), "this is a defect: report it")
    })
}
