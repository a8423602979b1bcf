//! DO: one folder per language of a runbook's fences. A step asks one service, or changes one thing in it, and says what
//! came of it.
//!
//! A step owns its protocol and the question "did it happen?". It must not decide whether it may act (a [`StepPermit`]
//! says so, and only the gate makes one), must not retry, must not write the journal, and must never call an effect failed
//! that may have happened. To add one: copy the smallest folder, add a `mod` line and a line in [`STEPS`]; the text side of
//! the language is a file in `runbook/language/`.

pub mod bash;
pub mod docker;
pub mod http;
pub mod live;
pub mod manual;
pub mod promql;
pub mod sql;

use crate::connect::Connections;
use crate::domain::SourceError;
use crate::domain::secret::Secret;
use crate::runbook::StepPermit;
use crate::runbook::expr::Names;
use crate::runbook::language::{Language, NameType, Scope, Secrets, Types};
use crate::runbook::machine::Effect;
use crate::runbook::model::{Fence, OnDisconnect};
use crate::runbook::plan::Rows;
use async_trait::async_trait;
use live::Live;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Every way to do something, one for each language.
pub const STEPS: &[StepKind] = &[docker::KIND, sql::KIND, bash::KIND, http::KIND, promql::KIND];

/// A kind of step, as a registry line.
#[derive(Clone, Copy)]
pub struct StepKind {
    /// The language whose fences it does.
    pub language: &'static Language,
    /// The way out.
    pub step: &'static dyn Step,
}

/// The step of a language; every language has one (a test holds it).
pub fn of(language: &Language) -> Option<&'static dyn Step> {
    STEPS.iter().find(|kind| kind.language.name == language.name).map(|kind| kind.step)
}

/// A fence with everything that it needs to be sent.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Everything that can be reached.
    pub connections: &'a Connections,
    /// The fence.
    pub fence: &'a Fence,
    /// The connection or the server, by the config's name; an address that it does not know; `local`.
    pub on: &'a str,
    /// What the names in the body stand for.
    pub types: &'a Types,
    /// The parameters' values.
    pub values: &'a BTreeMap<String, Value>,
    /// The identity that its target was resolved to when the plan was made.
    pub pinned: Option<&'a str>,
    /// The rows captured so far, by their `out` name.
    pub outs: &'a BTreeMap<String, Rows>,
    /// Who asks, for the other side's logs: `quarterdeck`, or `quarterdeck run 1a2b3c`.
    pub label: &'a str,
    /// The run's id: the same whenever the same run sends something again. `plan` while there is none.
    pub run: &'a str,
    /// The step's id.
    pub step: &'a str,
    /// The run takes back what an earlier life of it has done: what it sends are undos.
    pub back: bool,
    /// So often an undo of this step was sent before and did not go well: it is sent again, and is another one.
    pub tried: u32,
    /// Where it says what it does while it runs; `None`: nobody listens.
    pub live: Option<&'a Live>,
}

impl<'a> Call<'a> {
    /// Where it goes, for people: the connection, with the database when the fence names another one than the config.
    pub fn place(&self) -> String {
        let part = self.fence.attrs.on.part.as_ref().filter(|_| self.fence.language.name == sql::KIND.language.name);
        part.map_or_else(|| self.on.to_owned(), |database| format!("{}/{database}", self.on))
    }

    /// The captured rows as values, for [`Self::scope`].
    pub fn lists(&self) -> BTreeMap<String, Value> {
        self.outs.iter().map(|(name, rows)| (name.clone(), Value::Array(rows.rows.clone()))).collect()
    }

    /// What fills the body.
    pub fn scope<'s>(&self, outs: &'s BTreeMap<String, Value>, secrets: Secrets<'s>) -> Scope<'s>
    where
        'a: 's,
    {
        Scope { values: self.values, outs, run: self.run, step: self.step, secrets }
    }

    /// The secrets among these names.
    ///
    /// # Errors
    /// When one is not defined, or not to be found.
    pub async fn secrets(&self, names: &[String]) -> Result<BTreeMap<String, Secret>, SourceError> {
        let is_secret = |name: &&String| self.types.get(*name) == Some(&NameType::Secret);
        let names: Vec<String> = names.iter().filter(is_secret).cloned().collect();
        self.connections.secrets(&names).await
    }
}

/// A fence resolved for the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinned {
    /// Exactly what would be sent, its parameters beside it.
    pub sent: String,
    /// The lines of it that give values to a script, each as a shell sets a variable.
    pub given: Vec<String>,
    /// The rest of it; empty where no values are given.
    pub bare: String,
    /// The identity of its target, when there is one beside the connection.
    pub id: Option<String>,
    /// The target's name, for people: `api`. None: it acts on the connection itself.
    pub name: Option<String>,
    /// Where the connection leads: `10.0.1.4:5432`, `unix:///var/run/docker.sock`.
    pub address: String,
}

/// In the facts of an intent, where it is `true`: before the change can take effect the step has more recorded (`step.sent`). Where that is
/// missing, nothing was sent.
pub const NOTES: &str = "notes";

/// What a read-only fence found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The names it gives to conditions.
    pub names: Names,
    /// Its rows.
    pub rows: Vec<Value>,
    /// Their columns, in order.
    pub columns: Vec<String>,
    /// In one sentence.
    pub text: String,
    /// What it comes to whatever the condition says.
    pub judged: Option<Judged>,
    /// The other side says that it wants to be asked again after so long, and not before.
    pub later: Option<Duration>,
}

/// A judgement that no condition makes; each in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It holds, and somebody should know.
    Warns(String),
    /// It does not hold so far.
    NotYet(String),
    /// It does not hold, and asking again is of no use.
    Never(String),
}

/// What sending came to.
#[derive(Clone, Debug)]
pub struct Acted {
    /// Done, not sent, or unknown.
    pub effect: Effect,
    /// What came back, several lines.
    pub output: String,
    /// The rows that came back, for the sentence that the runbook makes of them.
    pub rows: Vec<Value>,
    /// The names that the answer gives to `expect`.
    pub names: Names,
    /// The answer says that nothing was done, unless it is what the fence expects.
    pub refused: bool,
    /// It ended by itself and says how: when that is not what the fence expects, it has failed.
    pub ended: bool,
    /// The line broke after it was sent: that is all that is known.
    pub broke: bool,
    /// Where it was done, its result is kept until [`Step::forget`].
    pub kept: bool,
    /// Before it is sent once more so long must pass: what the other side asked for, or what one leaves it.
    pub later: Option<Duration>,
    /// How far the clock where it was done is ahead of this machine's, in milliseconds, when that was measured.
    pub clock_ahead_ms: Option<i64>,
}

impl Acted {
    /// An effect of which nothing came back.
    pub const fn silent(effect: Effect) -> Self {
        Self {
            effect,
            output: String::new(),
            rows: Vec::new(),
            names: Names::new(),
            refused: false,
            ended: false,
            broke: false,
            kept: false,
            later: None,
            clock_ahead_ms: None,
        }
    }

    /// The line broke after it was sent: why nobody knows what came of it.
    pub fn broken(why: String) -> Self {
        Self { broke: true, ..Self::silent(Effect::Unknown(why)) }
    }

    /// A line that breaks because the runbook says that it will (a reboot, an isolation) is no failure by itself: `verify` tells.
    #[must_use]
    pub fn excused(mut self, fence: &Fence) -> Self {
        if let (true, Some(OnDisconnect::Expected), Effect::Unknown(why)) =
            (self.broke, fence.attrs.on_disconnect, &self.effect)
        {
            self.effect = Effect::Done(format!("as expected, {why}"));
        }
        self
    }
}

/// What can be told about an effect afterwards, without sending it again.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It has ended, and this is its whole result, as [`Step::act`] would have had it.
    Ended(Box<Acted>),
    /// It happened: how that shows.
    Happened(String),
    /// It did not happen, and will not any more: how that shows.
    DidNot(String),
    /// It has not happened so far, and may still be under way.
    NotYet(String),
    /// Only the step's `verify` can tell.
    AskVerify,
    /// Nobody can tell: why.
    CannotTell(String),
}

/// What cutting off a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It goes on no more, and that was looked at: how that shows.
    Gone(String),
    /// The other side was asked to end it, and says in its answer what became of it.
    Asked(String),
    /// It goes on all the same: what does.
    StillRunning(String),
    /// Nothing can end it: why.
    Cannot(String),
}

/// A way out. Every call may be dropped at any await.
#[async_trait]
pub trait Step: Send + Sync {
    /// Resolves the fence's target to an identity, and says what would be sent. Changes nothing.
    async fn pin(&self, call: Call<'_>) -> Result<Pinned, SourceError>;
    /// Asks a read-only fence once.
    async fn ask(&self, call: Call<'_>) -> Result<Found, SourceError>;
    /// What must be known beforehand to tell afterwards whether it happened. Goes into the intent.
    async fn facts(&self, call: Call<'_>) -> Result<Value, SourceError>;
    /// Sends it, once. `permit` is consumed: there is no second time.
    async fn act(&self, call: Call<'_>, permit: StepPermit) -> Acted;
    /// Ends what [`Self::act`] is doing meanwhile, and looks whether something of it is left. What nothing says can't be ended.
    async fn cut(&self, call: Call<'_>) -> Cut {
        Cut::Cannot(format!("nothing ends what {} was asked to do", call.on))
    }
    /// Tells from the intent's facts, `age` after it, whether it happened. Changes nothing.
    async fn settle(&self, call: Call<'_>, facts: &Value, age: Duration) -> Settled;

    /// Whether a change can be kept on its host while nobody is connected, asked while a plan is made. Changes nothing.
    ///
    /// # Errors
    /// Where it can't, with the reason. That nobody could be asked is no error: a check tells that.
    async fn can_keep(&self, _call: Call<'_>) -> Result<(), SourceError> {
        Ok(())
    }

    /// The journal holds the result ([`Acted::kept`]): what was kept of it where it was done is removed. `again`: it is to be sent once more,
    /// and so nothing may stay that says it was.
    async fn forget(&self, _call: Call<'_>, _again: bool) {}
}

/// Puts a limit on a question; the error says how long it took.
pub(crate) async fn within<T>(
    limit: Duration,
    doing: &str,
    question: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    tokio::time::timeout(limit, question).await.unwrap_or_else(|_| {
        let what = format!("no answer to {doing} within {limit:?}");
        Err(SourceError::new(what, "it hangs or is slow: look at the service itself, or raise the fence's timeout"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::language::LANGUAGES;

    #[test]
    fn every_language_has_its_step() {
        for language in LANGUAGES {
            assert!(of(language).is_some(), "{language:?}");
        }
        assert_eq!(STEPS.len(), LANGUAGES.len());
    }
}
