//! `bash` fences, through a host's shell over SSH, or this machine's. Script and variables come on that shell's input; status and
//! output come back, the beginning and the end of a long one.
//!
//! A change over SSH is kept by its host (`remote`, `durable`): it outlives the line, and its result waits there. What a script did whose host
//! lost it, or that was ended half-way, nobody knows: then `verify` tells.

mod cut;
mod durable;
mod remote;
mod script;
pub mod sent;

use super::live::Lines;
use super::{Acted, Call, Cut, Found, Judged, Pinned, Settled, Step, StepKind};
use crate::connect::Shell;
use crate::connect::ssh::{Ended, Job, Output, Tap, Unanswered};
use crate::domain::SourceError;
use crate::domain::text::{clean, clean_lines};
use crate::runbook::StepPermit;
use crate::runbook::expr::Names;
use crate::runbook::language::bash::{LANGUAGE, shown, variables};
use crate::runbook::language::{NameType, Secrets};
use crate::runbook::machine::Effect;
use crate::runbook::model::{Fence, ParamType, Place, Role};
use async_trait::async_trait;
use durable::Script;
use remote::Remote;
use script::{Task, Told, look, told};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Registry line.
pub const KIND: StepKind = StepKind { language: &LANGUAGE, step: &BashStep };

/// Kept of the beginning and of the end of what a script says, in bytes.
const KEPT: usize = 64 << 10;
/// Longest look for what is left of a script.
const SETTLE: Duration = Duration::from_secs(8);
/// The mark of a look, whose output is known.
const MARK: &str = "quarterdeck-look";
/// Told of its error output when it failed: lines, from the last.
const LINES: usize = 3;
/// A check that ends with it passes, and warns.
const WARNS: i64 = 2;

/// The way to a shell.
struct BashStep;

/// What a script came to.
struct Answer {
    told: Told,
    stdout: String,
    stderr: String,
}

#[async_trait]
impl Step for BashStep {
    async fn pin(&self, call: Call<'_>) -> Result<Pinned, SourceError> {
        let shell = shell(&call)?;
        let attrs = &call.fence.attrs;
        let outs = call.lists();
        let given = shown(attrs.vars.as_deref(), call.types, &call.scope(&outs, Secrets::Named));
        // What an earlier step captures is not there yet.
        let given = given.unwrap_or_default();
        let place =
            [attrs.dir.as_ref().map(|dir| format!(" in {dir}")), attrs.sudo.as_ref().map(|user| format!(" as {user}"))];
        let place: String = place.into_iter().flatten().collect();
        let place = if place.is_empty() { place } else { format!("# runs{place}\n") };
        let (values, body) = (given.iter().map(|line| format!("{line}\n")).collect::<String>(), &call.fence.body);
        let (sent, bare) = (format!("{place}{values}{body}"), format!("{place}{body}"));
        Ok(Pinned { sent, given, bare, address: shell.address().await, ..Pinned::default() })
    }

    async fn ask(&self, call: Call<'_>) -> Result<Found, SourceError> {
        let answer = send(&call).await.map_err(|unanswered| unanswered.why)?;
        match answer.told {
            Told::Ended(code) => found(call.fence, code, &answer),
            Told::NotBegun => {
                let what = format!("the script did not begin on {}{}", call.on, last_words(&answer.stderr));
                Err(SourceError::new(what, "it takes bash, the folder of `dir`, and `sudo` without a password"))
            }
            Told::Late(_) | Told::Silent => {
                let what = format!("the script did not end on {} within {:?}", call.on, call.fence.attrs.timeout);
                Err(SourceError::new(what, "see what it waits for, or raise the fence's timeout"))
            }
        }
    }

    async fn facts(&self, call: Call<'_>) -> Result<Value, SourceError> {
        let kept = Remote::of(&call, &shell(&call)?).is_some();
        Ok(json!({ "host": call.on, KEPT_THERE: kept }))
    }

    async fn act(&self, call: Call<'_>, permit: StepPermit) -> Acted {
        let mut outs = call.outs.clone();
        // Whatever the caller has captured: a change gets the rows that its permit names, and no others.
        outs.extend(permit.rows().map(|rows| (rows.name.clone(), rows.clone())));
        let call = Call { outs: &outs, ..call };
        tracing::info!(step = permit.step(), host = call.on, "sending");
        match begin(&call).await {
            Ok(Some(acted)) => return acted,
            Ok(None) => {}
            Err(why) => return Acted::silent(Effect::NotSent(why.to_string())),
        }
        match send(&call).await {
            Ok(answer) => acted(&call, &answer),
            Err(Unanswered { left: false, why }) => Acted::silent(Effect::NotSent(why.to_string())),
            Err(Unanswered { left: true, why }) => Acted::broken(why.to_string()),
        }
    }

    async fn cut(&self, call: Call<'_>) -> Cut {
        match kept(&call) {
            Some(remote) => remote.cut().await,
            None => cut::cut(&call).await,
        }
    }

    async fn settle(&self, call: Call<'_>, facts: &Value, _age: Duration) -> Settled {
        let shell = match shell(&call) {
            Ok(shell) => shell,
            Err(why) => return Settled::CannotTell(why.to_string()),
        };
        // One that was begun by an earlier quarterdeck was kept by nobody.
        if let Some(remote) = Remote::of(&call, &shell).filter(|_| facts[KEPT_THERE] == true) {
            return remote.settle().await;
        }
        match by_key(&call, &look(), SETTLE).await {
            Ok(Answer { told: Told::Ended(0), stdout, .. }) if stdout.trim().is_empty() => Settled::AskVerify,
            Ok(Answer { told: Told::Ended(0), stdout, .. }) => {
                Settled::NotYet(format!("the script is still running on {}, as {}", call.on, stdout.trim()))
            }
            Ok(_) => Settled::CannotTell(format!("nobody can tell on {} whether the script goes on", call.on)),
            Err(why) => Settled::CannotTell(why.to_string()),
        }
    }

    async fn can_keep(&self, call: Call<'_>) -> Result<(), SourceError> {
        match Remote::of(&call, &shell(&call)?) {
            Some(remote) => remote.can().await,
            None => Ok(()),
        }
    }

    async fn forget(&self, call: Call<'_>, again: bool) {
        if let Some(remote) = kept(&call) {
            remote.forget(again).await;
        }
    }
}

/// The name of a fact: the host was asked to keep the change.
const KEPT_THERE: &str = "kept";

/// What keeps a change on its host; `None`: nothing does, or its host is not known.
fn kept<'a>(call: &'a Call<'a>) -> Option<Remote<'a>> {
    Remote::of(call, &shell(call).ok()?)
}

/// A change that its host keeps; `None`: it is none.
async fn begin(call: &Call<'_>) -> Result<Option<Acted>, SourceError> {
    let shell = shell(call)?;
    let Some(remote) = Remote::of(call, &shell) else { return Ok(None) };
    let variables = given(call).await?;
    let attrs = &call.fence.attrs;
    let (body, dir) = (call.fence.body.as_str(), attrs.dir.as_deref());
    Ok(Some(remote.act(&Script { variables: &variables, body, dir, timeout: attrs.timeout }).await))
}

/// Asks about a script, or ends it, by what its processes are known by. What this says itself is none of the script's output.
async fn by_key(call: &Call<'_>, body: &str, timeout: Duration) -> Result<Answer, SourceError> {
    let variables = [("key".to_owned(), key(call))];
    let user = call.fence.attrs.sudo.as_deref();
    let task = Task { variables: &variables, body, dir: None, user, timeout, mark: MARK, key: None };
    let call = Call { live: None, ..*call };
    deliver(&call, &shell(&call)?, &task).await.map_err(|unanswered| unanswered.why)
}

/// What the processes of a script are known by.
fn key(call: &Call<'_>) -> String {
    format!("{}/{}/{}", call.run, call.step, call.on)
}

/// The shell that the fence goes to.
fn shell(call: &Call<'_>) -> Result<Shell, SourceError> {
    let address = |name: &String| call.types.get(name) == Some(&NameType::Param(ParamType::Address));
    match &call.fence.attrs.on.place {
        Place::Local => call.connections.here(),
        Place::Param(name) if address(name) => call.connections.ssh_to(call.on).map(Shell::There),
        Place::Name(_) | Place::Param(_) | Place::Role(_) | Place::Host => {
            call.connections.need_ssh(call.on).map(|ssh| Shell::There(Arc::clone(ssh)))
        }
    }
}

/// The run's id, by which a script can name what is to be found again, also by what takes it back. In capitals, as no parameter is.
const RUN: &str = "QUARTERDECK_RUN";

/// The variables of a script, secrets among them.
async fn given(call: &Call<'_>) -> Result<Vec<(String, String)>, SourceError> {
    let vars = call.fence.attrs.vars.as_deref();
    let secrets = call.secrets(vars.unwrap_or_default()).await?;
    let outs = call.lists();
    let mut given = variables(vars, call.types, &call.scope(&outs, Secrets::Given(&secrets)))
        .map_err(|why| SourceError::new(why, "give it a value, or leave it out of `vars`"))?;
    given.push((RUN.to_owned(), call.run.to_owned()));
    Ok(given)
}

async fn send(call: &Call<'_>) -> Result<Answer, Unanswered> {
    let early = |why| Unanswered { left: false, why };
    let attrs = &call.fence.attrs;
    let shell = shell(call).map_err(early)?;
    let (variables, mark) = (given(call).await.map_err(early)?, format!("quarterdeck-{}", Uuid::new_v4().simple()));
    let (body, dir, user) = (call.fence.body.as_str(), attrs.dir.as_deref(), attrs.sudo.as_deref());
    let key = key(call);
    let task = Task { variables: &variables, body, dir, user, timeout: attrs.timeout, mark: &mark, key: Some(&key) };
    deliver(call, &shell, &task).await
}

async fn deliver(call: &Call<'_>, shell: &Shell, task: &Task<'_>) -> Result<Answer, Unanswered> {
    let input = task.input();
    let lines = call.live.map(|live| Lines::new(live, call.connections.redactor(), task.mark));
    let tap = lines.as_ref().map(|lines| lines as &dyn Tap);
    let job = Job::script(input.expose_secret(), &[], task.patience()).keep(KEPT).keep_end(KEPT).heard_by(tap);
    let sent = shell.send(&job).await;
    if let Some(lines) = &lines {
        lines.end();
    }
    let output = sent?;
    Ok(read(call, &output, task.mark))
}

fn read(call: &Call<'_>, output: &Output, mark: &str) -> Answer {
    let (told, errors) = told(&String::from_utf8_lossy(&output.stderr), mark);
    let told = match (told, output.ended) {
        // Given up before it had said that it began.
        (Told::NotBegun, Ended::GivenUp | Ended::Killed) => Told::Silent,
        (told, _) => told,
    };
    Answer { told, stdout: harmless(call, &output.stdout), stderr: harmless(call, errors.as_bytes()) }
}

/// What a script said: whatever it says of a secret is said to nobody.
fn harmless(call: &Call<'_>, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    clean_lines(&call.connections.redactor().text(text.trim_end_matches('\n')))
}

fn names(code: i64, answer: &Answer) -> Names {
    Names::from([
        ("rc".to_owned(), json!(code)),
        ("stdout".to_owned(), json!(answer.stdout)),
        ("stderr".to_owned(), json!(answer.stderr)),
    ])
}

fn found(fence: &Fence, code: i64, answer: &Answer) -> Result<Found, SourceError> {
    let said = if code == 0 { first_words(&answer.stdout) } else { last_words(&answer.stderr) };
    let text = format!("the script ended with {code}{said}");
    // The usual condition, or one that says the same.
    let usual = fence.attrs.expect.as_ref().is_none_or(|expect| expect.to_string() == "rc == 0");
    let judged = (fence.role == Role::Check && code == WARNS && usual).then(|| Judged::Warns(text.clone()));
    let rows = match fence.role {
        Role::Plan if code == 0 => rows(&answer.stdout)?,
        Role::Check => lines(&answer.stdout),
        _ => Vec::new(),
    };
    let columns = rows.first().and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()).collect();
    Ok(Found { names: names(code, answer), rows, columns, text, judged, later: None })
}

/// What a `check` captures: each line that it prints.
fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().filter(|line| !line.trim().is_empty()).map(|line| json!({ "line": line.trim() })).collect()
}

/// What a `plan` captures: all that it prints is an object of JSON or a list of them, or each line is one.
fn rows(stdout: &str) -> Result<Vec<Value>, SourceError> {
    let wrong = |what: String| {
        let mend = "print an object of JSON on each line, as in {\"id\": 7}, or one list of them, and all else on standard error";
        SourceError::new(what, mend)
    };
    match serde_json::from_str(stdout) {
        Ok(Value::Array(rows)) if rows.iter().all(Value::is_object) => return Ok(rows),
        Ok(row @ Value::Object(_)) => return Ok(vec![row]),
        _ => {}
    }
    let lines = stdout.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(row @ Value::Object(_)) => Ok(row),
        _ => Err(wrong(format!("line {} of what the script printed is no object of JSON", at + 1))),
    };
    lines.map(read).collect()
}

fn acted(call: &Call<'_>, answer: &Answer) -> Acted {
    let output = [answer.stdout.as_str(), answer.stderr.as_str()];
    let output = output.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    let limit = call.fence.attrs.timeout;
    let (effect, names) = match &answer.told {
        Told::Ended(code) => {
            let said = if *code == 0 { String::new() } else { last_words(&answer.stderr) };
            (Effect::Done(format!("the script ended with {code}{said}")), names(*code, answer))
        }
        Told::NotBegun => {
            let why = format!("the script did not begin{}", last_words(&answer.stderr));
            (Effect::NotSent(why), Names::new())
        }
        Told::Late(left) if left.is_empty() => {
            let why = format!("the script was ended half-way after {limit:?}, and nothing of it is left");
            (Effect::Failed(why), Names::new())
        }
        Told::Late(left) => {
            let why = format!("the script was to end after {limit:?}, and STILL RUNNING there: {}", clean(left));
            (Effect::Unknown(why), Names::new())
        }
        Told::Silent => {
            let why =
                format!("nothing says how the script ended, and it may go on: {limit:?} and some seconds are over");
            (Effect::Unknown(why), Names::new())
        }
    };
    let broke = answer.told == Told::Silent;
    let ended = matches!(answer.told, Told::Ended(_));
    Acted { effect, output, names, ended, broke, ..Acted::silent(Effect::Done(String::new())) }
}

fn first_words(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim())).unwrap_or_default()
}

fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!(": {}", lines[lines.len().saturating_sub(LINES)..].join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_takes_objects_line_by_line_as_a_list_or_as_one_and_nothing_else() {
        let read = |text: &str| rows(text).map(|rows| Value::Array(rows).to_string());
        for text in ["{\"a\": 1}\n\n{\"a\": 2}\n", "[{\"a\": 1},\n {\"a\": 2}]"] {
            assert_eq!(read(text).unwrap(), r#"[{"a":1},{"a":2}]"#);
        }
        assert_eq!(read("{\n  \"a\": 1\n}\n").unwrap(), r#"[{"a":1}]"#);
        assert_eq!(read("").unwrap(), "[]");
        assert_eq!(
            read("{\"a\": 1}\nnull\n").unwrap_err().what,
            "line 2 of what the script printed is no object of JSON"
        );
        assert!(read("[1]").is_err() && read("7").is_err() && read("{\"a\": ").is_err());
    }
}
