//! `docker` fences, through the engine's API. The target is a full container id from the plan on, so that a name that moves to
//! another container moves nothing.
//!
//! Whether an effect happened is told from `State.StartedAt` and `State.Running`, noted right before it was sent.

mod pull;
mod view;

use self::pull::Progress;
use super::live::Teller;
use super::{Acted, Call, Found, Pinned, Settled, Step, StepKind};
use crate::connect::Engine;
use crate::domain::{SourceError, nearest};
use crate::runbook::StepPermit;
use crate::runbook::expr::Names;
use crate::runbook::language::docker::{Command, LANGUAGE, Target, Verb, is_image, parse};
use crate::runbook::machine::Effect;
use crate::runbook::params::split_container;
use async_trait::async_trait;
use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    PruneImagesOptionsBuilder, RemoveContainerOptionsBuilder, RestartContainerOptionsBuilder, StatsOptionsBuilder,
    StopContainerOptionsBuilder,
};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Lines that are kept of what an engine said meanwhile.
const KEPT: usize = 500;

/// Registry line.
pub const KIND: StepKind = StepKind { language: &LANGUAGE, step: &DockerStep };

/// Lines of a log when the fence names no number.
const TAIL: u32 = 50;
/// The engine's own grace when a line has no `-t`, in seconds.
const GRACE: u32 = 10;
/// Beyond its grace, an engine needs this long at most to be done with a request whose sender has died.
const LATE: Duration = Duration::from_secs(10);

/// The way to a Docker engine.
struct DockerStep;

/// A container as a name was resolved to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The full id.
    pub id: String,
    /// The name, without the slash.
    pub name: String,
}

/// Finds the container that a name, a short or a full id means on an engine.
pub async fn resolve(engine: &Engine, name: &str) -> Result<Resolved, SourceError> {
    let docker = engine.client().await?;
    let found = match docker.inspect_container(name, None).await {
        Ok(found) => view::container(&found),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            // Without the list the name is wrong all the same.
            let known = Box::pin(list(engine, true)).await.unwrap_or_default();
            return Err(absent(engine.name(), name, &known));
        }
        Err(error) => return Err(explain(engine, name, &error)),
    };
    Ok(Resolved { id: text(&found, "Id"), name: view::name(&found) })
}

/// That an engine has no container of this name, and which is near.
fn absent(engine: &str, name: &str, known: &[Value]) -> SourceError {
    let near = nearest(name, known.iter().filter_map(|one| one["Name"].as_str()));
    let mend = near.map_or_else(
        || "name one that it has, as ENGINE/NAME or ENGINE/ID".to_owned(),
        |near| format!("did you mean {engine}/{near}?"),
    );
    // As it is typed: so the form finds its field.
    SourceError::new(format!("there is no container {:?}", format!("{engine}/{name}")), mend)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

async fn inspect(engine: &Engine, id: &str) -> Result<Value, SourceError> {
    let answer = engine.client().await?.inspect_container(id, None).await;
    answer.map(|found| view::container(&found)).map_err(|error| explain(engine, id, &error))
}

fn explain(engine: &Engine, id: &str, error: &Error) -> SourceError {
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => SourceError::new(
            format!("there is no container {id} on {} any more", engine.name()),
            "it was removed, or made again under its name: plan again",
        ),
        other => engine.explain("a docker fence", other),
    }
}

/// What a call needs, taken apart.
struct Parts<'a> {
    engine: &'a Engine,
    command: Command,
}

fn parts<'a>(call: &Call<'a>) -> Result<Parts<'a>, SourceError> {
    let command = parse(&call.fence.body).map_err(|fault| SourceError::new(fault.what, fault.mend))?;
    Ok(Parts { engine: call.connections.need_docker(call.on)?, command })
}

/// The container that the fence names: the pinned id, else what the name in it says.
fn target(call: &Call<'_>, command: &Command) -> Result<Option<String>, SourceError> {
    if let Some(id) = call.pinned {
        return Ok(Some(id.to_owned()));
    }
    match &command.target {
        None => Ok(None),
        Some(Target::Name(name)) => Ok(Some(name.clone())),
        Some(Target::Param(param)) => {
            let value = call.values.get(param).and_then(Value::as_str).and_then(split_container);
            let (engine, name) = value.ok_or_else(|| {
                SourceError::new(format!("no container is given as {param:?}"), "give one as ENGINE/NAME")
            })?;
            if engine == call.on {
                return Ok(Some(name.to_owned()));
            }
            let what = format!("{name} is on the engine {engine}, and the fence asks {}", call.on);
            Err(SourceError::new(what, format!("write on=${param} in the runbook")))
        }
    }
}

/// The image of `pull`.
fn image(call: &Call<'_>, command: &Command) -> Result<String, SourceError> {
    let reference = match &command.target {
        Some(Target::Name(name)) => Some(name.as_str()),
        Some(Target::Param(param)) => call.values.get(param).and_then(Value::as_str),
        None => None,
    };
    let reference = reference.filter(|text| is_image(text)).map(str::to_owned);
    reference.ok_or_else(|| SourceError::new("the docker line names no image", "write it as in registry/team/api:1.2"))
}

fn named(call: &Call<'_>, command: &Command) -> Result<String, SourceError> {
    target(call, command)?.ok_or_else(|| SourceError::new("the docker line names no container", "name one"))
}

#[async_trait]
impl Step for DockerStep {
    async fn pin(&self, call: Call<'_>) -> Result<Pinned, SourceError> {
        let Parts { engine, command } = parts(&call)?;
        if command.verb == Verb::Pull {
            let (sent, address) = (command.line(Some(&image(&call, &command)?)), engine.host().to_owned());
            return Ok(Pinned { sent, address, ..Pinned::default() });
        }
        let Some(name) = target(&call, &command)? else {
            return Ok(Pinned { sent: command.line(None), address: engine.host().to_owned(), ..Pinned::default() });
        };
        let found = resolve(engine, &name).await?;
        let (sent, address) = (command.line(Some(&found.id)), engine.host().to_owned());
        Ok(Pinned { sent, id: Some(found.id), name: Some(found.name), address, ..Pinned::default() })
    }

    async fn ask(&self, call: Call<'_>) -> Result<Found, SourceError> {
        let Parts { engine, command } = parts(&call)?;
        match command.verb {
            Verb::Inspect => {
                let container = inspect(engine, &named(&call, &command)?).await?;
                let text = view::sentence(&container);
                let names = Names::from([("container".to_owned(), container.clone())]);
                Ok(found(names, vec![container], &["Name", "Id", "RestartCount"], text))
            }
            Verb::Ps => {
                let rows = list(engine, command.all).await?;
                let text = format!("{} containers", rows.len());
                Ok(found(Names::new(), rows, &["Name", "Id", "Image", "State", "Status"], text))
            }
            Verb::Logs => {
                let rows = logs(engine, &named(&call, &command)?, command.tail.unwrap_or(TAIL)).await?;
                let text = format!("{} lines", rows.len());
                Ok(found(Names::new(), rows, &["line"], text))
            }
            Verb::Stats => {
                let rows = stats(engine, target(&call, &command)?.as_deref()).await?;
                let text = format!("{} containers", rows.len());
                Ok(found(Names::new(), rows, &["Name", "Id", "CPUPerc", "MemUsage", "MemLimit", "PIDs"], text))
            }
            _ => Err(SourceError::new("this docker line changes something", "it can only stand in a run fence")),
        }
    }

    async fn facts(&self, call: Call<'_>) -> Result<Value, SourceError> {
        let Parts { engine, command } = parts(&call)?;
        if !command.verb.acts_on_container() {
            return Ok(json!({ "engine": call.on }));
        }
        let before = inspect(engine, &named(&call, &command)?).await?;
        Ok(json!({
            "engine": call.on,
            "container": before["Id"],
            "started_at": before["State"]["StartedAt"],
            "running": before["State"]["Running"],
        }))
    }

    async fn act(&self, call: Call<'_>, permit: StepPermit) -> Acted {
        let (mut broke, mut said) = (false, Said { teller: Teller::of(&call), kept: Vec::new() });
        let effect = match prepare(&call).await {
            Err(error) => Effect::NotSent(error.to_string()),
            Ok((docker, id, command)) => {
                tracing::info!(step = permit.step(), container = %id, verb = command.verb.word(), "sending");
                let limit = call.fence.attrs.timeout;
                said.teller.say(&format!("sent to {}: the engine is at it", call.on));
                match tokio::time::timeout(limit, send(&docker, &id, &command, &mut said)).await {
                    Ok(Ok(())) => Effect::Done("the engine says that it is done".to_owned()),
                    Ok(Err(error)) => {
                        broke = !matches!(error, Error::DockerResponseServerError { .. });
                        classify(&error)
                    }
                    Err(_) => {
                        broke = true;
                        Effect::Unknown(format!("the engine did not answer within {limit:?}"))
                    }
                }
            }
        };
        Acted { broke, output: said.kept.join("\n"), ..Acted::silent(effect) }
    }

    async fn settle(&self, call: Call<'_>, facts: &Value, age: Duration) -> Settled {
        let Ok(Parts { engine, command }) = parts(&call) else {
            return Settled::CannotTell(format!("there is no engine {} in the config any more", call.on));
        };
        if !command.verb.acts_on_container() {
            return Settled::AskVerify;
        }
        if command.verb == Verb::Rm && is_gone(engine, &text(facts, "container")).await {
            return Settled::Happened("the container is gone".to_owned());
        }
        match inspect(engine, &text(facts, "container")).await {
            Ok(now) => settled(&command, facts, &now, age),
            Err(error) => Settled::CannotTell(error.to_string()),
        }
    }
}

fn found(names: Names, rows: Vec<Value>, columns: &[&str], text: String) -> Found {
    let mut names = names;
    names.insert("rows".to_owned(), Value::Array(rows.clone()));
    Found {
        names,
        rows,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        text,
        judged: None,
        later: None,
    }
}

async fn list(engine: &Engine, all: bool) -> Result<Vec<Value>, SourceError> {
    let options = ListContainersOptionsBuilder::new().all(all).build();
    let answer = engine.client().await?.list_containers(Some(options)).await;
    answer.map(|list| list.iter().map(view::summary).collect()).map_err(|error| explain(engine, "", &error))
}

async fn logs(engine: &Engine, id: &str, tail: u32) -> Result<Vec<Value>, SourceError> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&tail.to_string()).build();
    let stream = engine.client().await?.logs(id, Some(options));
    let chunks: Result<Vec<_>, Error> = stream.try_collect().await;
    let chunks = chunks.map_err(|error| explain(engine, id, &error))?;
    let text: String = chunks.iter().map(ToString::to_string).collect();
    Ok(text.lines().map(|line| json!({ "line": line })).collect())
}

/// The engine knows no such container.
async fn is_gone(engine: &Engine, id: &str) -> bool {
    let Ok(docker) = engine.client().await else { return false };
    let answer = docker.inspect_container(id, None).await;
    matches!(answer, Err(Error::DockerResponseServerError { status_code: 404, .. }))
}

/// One reading of a container, or of each that runs.
async fn stats(engine: &Engine, id: Option<&str>) -> Result<Vec<Value>, SourceError> {
    let ids = match id {
        Some(id) => vec![id.to_owned()],
        None => list(engine, false).await?.iter().map(|row| text(row, "Id")).collect(),
    };
    let docker = engine.client().await?;
    let options = StatsOptionsBuilder::new().stream(false).build();
    let mut rows = Vec::new();
    for id in ids {
        let read = docker.stats(&id, Some(options.clone())).try_next().await;
        match read {
            Ok(reading) => rows.extend(reading.as_ref().map(view::usage)),
            // It ended while the others were asked.
            Err(Error::DockerResponseServerError { status_code: 404, .. }) if rows.len() > 1 => {}
            Err(error) => return Err(explain(engine, &id, &error)),
        }
    }
    Ok(rows)
}

/// Everything that can fail before a byte of the change leaves.
async fn prepare(call: &Call<'_>) -> Result<(Docker, String, Command), SourceError> {
    let Parts { engine, command } = parts(call)?;
    let id = match command.verb {
        Verb::Pull => image(call, &command)?,
        Verb::ImagePrune => String::new(),
        _ => named(call, &command)?,
    };
    let docker = engine.client().await?;
    // An answer just before the change: an engine that is not there fails here, where it is known that nothing was sent.
    docker.ping().await.map_err(|error| explain(engine, &id, &error))?;
    Ok((docker, id, command))
}

/// What was said while it ran: at once to who listens, and kept for the record.
struct Said<'a> {
    teller: Teller<'a>,
    kept: Vec<String>,
}

impl Said<'_> {
    fn say(&mut self, line: String) {
        self.teller.say(&line);
        if self.kept.len() < KEPT {
            self.kept.push(line);
        }
    }
}

async fn send(docker: &Docker, id: &str, command: &Command, said: &mut Said<'_>) -> Result<(), Error> {
    let grace = command.grace.and_then(|seconds| i32::try_from(seconds).ok());
    match command.verb {
        Verb::Restart => {
            let options = RestartContainerOptionsBuilder::new();
            let options = if let Some(seconds) = grace { options.t(seconds) } else { options };
            docker.restart_container(id, Some(options.build())).await
        }
        Verb::Stop => {
            let options = StopContainerOptionsBuilder::new();
            let options = if let Some(seconds) = grace { options.t(seconds) } else { options };
            docker.stop_container(id, Some(options.build())).await
        }
        Verb::Start => docker.start_container(id, None).await,
        Verb::Kill => {
            let signal = command.signal.as_deref().unwrap_or("KILL");
            docker.kill_container(id, Some(KillContainerOptionsBuilder::new().signal(signal).build())).await
        }
        Verb::Pause => docker.pause_container(id).await,
        Verb::Unpause => docker.unpause_container(id).await,
        Verb::Rm => {
            let options = RemoveContainerOptionsBuilder::new().force(command.force).v(command.volumes).build();
            docker.remove_container(id, Some(options)).await
        }
        Verb::Pull => pull(docker, id, said).await,
        Verb::ImagePrune => {
            // Docker's own default: only images without a name.
            let dangling = HashMap::from([("dangling", vec![if command.all { "false" } else { "true" }])]);
            docker.prune_images(Some(PruneImagesOptionsBuilder::new().filters(&dangling).build())).await.map(drop)
        }
        Verb::Inspect | Verb::Ps | Verb::Logs | Verb::Stats => Ok(()),
    }
}

/// Without a tag or a digest `latest` is meant: an engine asked for a bare name would fetch every tag.
async fn pull(docker: &Docker, image: &str, said: &mut Said<'_>) -> Result<(), Error> {
    let last = image.rsplit('/').next().unwrap_or(image);
    let image = if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") };
    let options = CreateImageOptionsBuilder::new().from_image(&image).build();
    let (mut news, mut progress) = (docker.create_image(Some(options), None, None), Progress::default());
    while let Some(info) = news.try_next().await? {
        if let Some(line) = progress.line(&info) {
            said.say(line);
        }
    }
    Ok(())
}

/// What an error of a change means. The engine refuses with 4xx before it does anything; a 5xx can come from half-way (it
/// stopped the container and could not start it), and a broken line says nothing at all.
fn classify(error: &Error) -> Effect {
    match error {
        Error::DockerResponseServerError { status_code: 304, .. } => Effect::Done("it was so already".to_owned()),
        Error::DockerResponseServerError { status_code: 400..=499, message } => {
            Effect::NotSent(format!("the engine refused: {message}"))
        }
        Error::DockerResponseServerError { status_code, message } => {
            Effect::Unknown(format!("the engine answered {status_code}: {message}"))
        }
        Error::SocketNotFoundError(path) => Effect::NotSent(format!("there is no socket {path} any more")),
        other => Effect::Unknown(format!("the line to the engine broke: {other}")),
    }
}

/// Whether a command shows in what the container says now.
fn settled(command: &Command, facts: &Value, now: &Value, age: Duration) -> Settled {
    let started = text(&now["State"], "StartedAt");
    let running = now["State"]["Running"].as_bool() == Some(true);
    let moved = started != text(facts, "started_at");
    let happened = match command.verb {
        Verb::Restart => moved && running,
        Verb::Start => running,
        Verb::Stop => !running,
        Verb::Pause => now["State"]["Paused"].as_bool() == Some(true),
        Verb::Unpause => now["State"]["Paused"].as_bool() != Some(true),
        _ => return Settled::AskVerify,
    };
    let patience = Duration::from_secs(u64::from(command.grace.unwrap_or(GRACE))) + LATE;
    match (happened, age < patience) {
        (true, _) => Settled::Happened(format!("the container {}", view::sentence(now))),
        (false, true) => Settled::NotYet(format!("the container {}", view::sentence(now))),
        // It was stopped and has not come back: half of it happened, and the verification says that it did not work.
        (false, false) if command.verb == Verb::Restart && !running => Settled::AskVerify,
        (false, false) => Settled::DidNot(format!("did not happen: the container {}", view::sentence(now))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(started: &str, running: bool) -> Value {
        let status = if running { "running" } else { "exited" };
        json!({"Name": "/api", "State": {"StartedAt": started, "Running": running, "Status": status}})
    }

    #[test]
    fn a_container_that_is_not_there_is_told_with_the_near_one_of_its_engine() {
        let known = [json!({"Name": "svc-000"}), json!({"Name": "other"})];
        let told = absent("local", "svc-0000", &known).to_string();
        assert!(
            told.contains("there is no container \"local/svc-0000\"") && told.contains("did you mean local/svc-000?"),
            "{told}"
        );
        assert!(!told.contains("any more") && absent("local", "x", &[]).to_string().contains("ENGINE/NAME"));
    }

    #[test]
    fn a_restart_shows_in_a_later_start() {
        let facts = json!({"started_at": "2026-01-01T00:00:00Z", "running": true});
        let command = parse("docker restart -t 5 api").unwrap();
        let judge = |now: &Value, age| settled(&command, &facts, now, Duration::from_secs(age));
        assert!(matches!(judge(&now("2026-01-01T00:00:09Z", true), 0), Settled::Happened(_)));
        assert!(matches!(judge(&now("2026-01-01T00:00:00Z", true), 3), Settled::NotYet(_)));
        assert!(matches!(judge(&now("2026-01-01T00:00:00Z", true), 60), Settled::DidNot(_)));
        assert!(matches!(judge(&now("2026-01-01T00:00:00Z", false), 60), Settled::AskVerify));
    }

    #[test]
    fn a_refusal_was_not_done_and_a_broken_line_is_not_known() {
        let server = |status_code| Error::DockerResponseServerError { status_code, message: "m".to_owned() };
        assert!(matches!(classify(&server(404)), Effect::NotSent(_)));
        assert!(matches!(classify(&server(409)), Effect::NotSent(_)));
        assert!(matches!(classify(&server(304)), Effect::Done(_)));
        assert!(matches!(classify(&server(500)), Effect::Unknown(_)));
        assert!(matches!(classify(&Error::RequestTimeoutError), Effect::Unknown(_)));
    }
}
