//! What an engine goes on telling: events, statistics, logs.

use super::{Engine, answers};
use crate::drill::clock::{Clock, seconds};
use crate::drill::stage::Stage;
use crate::drill::world::EngineEvent;
use crate::drill::world::container::Line;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

/// What is new is looked for this often.
const TICK: Duration = Duration::from_millis(200);
/// Statistics come this often.
const SECOND: Duration = Duration::from_secs(1);

type Asked = Query<HashMap<String, String>>;

fn wants(asked: &HashMap<String, String>, key: &str, otherwise: bool) -> bool {
    asked.get(key).map_or(otherwise, |value| matches!(value.as_str(), "1" | "true" | "True"))
}

/// `1700000000.000000000`, or seconds alone.
fn moment(asked: &HashMap<String, String>, key: &str) -> Option<f64> {
    asked.get(key)?.parse::<f64>().ok().filter(|at| *at > 0.0)
}

/// A body that asks again and again; `None` ends it.
fn endless<S: Send + 'static>(
    state: S,
    next: impl FnMut(&mut S) -> Option<Vec<u8>> + Send + Clone + 'static,
    pace: Duration,
) -> Body {
    Body::from_stream(steps(state, next, pace))
}

fn steps<S: Send + 'static>(
    state: S,
    next: impl FnMut(&mut S) -> Option<Vec<u8>> + Send + Clone + 'static,
    pace: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold((state, next, true), move |(mut state, mut next, first)| async move {
        let mut first = first;
        loop {
            if !std::mem::take(&mut first) {
                tokio::time::sleep(pace).await;
            }
            let more = next(&mut state)?;
            if !more.is_empty() {
                return Some((Ok(Bytes::from(more)), (state, next, false)));
            }
        }
    })
}

fn lines(values: impl Iterator<Item = Value>) -> Vec<u8> {
    values.flat_map(|value| format!("{value}\n").into_bytes()).collect()
}

/// `GET /events`.
pub(super) async fn events(State(engine): State<Engine>, Query(asked): Asked) -> Response {
    let filters: HashMap<String, Value> =
        asked.get("filters").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let first = {
        let stage = engine.stage.lock();
        let since = moment(&asked, "since");
        let told = &stage.world.engine_events;
        since.map_or(told.len(), |since| told.partition_point(|event| stage.clock.wire(event.at) < since))
    };
    let next = move |(engine, filters, told): &mut (Engine, HashMap<String, Value>, usize)| {
        let stage = engine.stage.lock();
        let new = stage.world.engine_events.get(*told..).unwrap_or_default();
        let own = new.iter().filter(|event| engine.servers.contains(&event.server) && wanted(filters, event));
        let text = lines(own.map(|event| event_told(engine, &stage, event)));
        *told = stage.world.engine_events.len();
        Some(text)
    };
    ([(CONTENT_TYPE, "application/json")], endless((engine, filters, first), next, TICK)).into_response()
}

/// Filters are lists of words, or objects whose keys are the words.
fn wanted(filters: &HashMap<String, Value>, event: &EngineEvent) -> bool {
    let has = |key: &str, word: &str| match filters.get(key) {
        None => true,
        Some(Value::Array(words)) => words.iter().any(|one| one == word),
        Some(Value::Object(words)) => words.contains_key(word),
        Some(_) => false,
    };
    let action = event.action.split(':').next().unwrap_or_default();
    has("type", "container") && (has("event", action) || has("event", &event.action))
}

fn event_told(engine: &Engine, stage: &Stage, event: &EngineEvent) -> Value {
    let at = stage.clock.moment(event.at);
    let server = &stage.world.servers[event.server].name;
    let name = if engine.servers.len() == 1 { event.name.clone() } else { format!("{server}-{}", event.name) };
    let code = event.code.map(|code| code.to_string());
    let mut attributes = json!({ "name": name, "image": event.image });
    if let Some(code) = code {
        attributes["exitCode"] = json!(code);
    }
    json!({
        "status": event.action, "id": event.id, "from": event.image, "Type": "container", "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": attributes }, "scope": "local",
        "time": at.as_second(), "timeNano": i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX),
    })
}

/// `GET /containers/ID/stats`.
pub(super) async fn stats(State(engine): State<Engine>, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let found = engine.find(&engine.stage.lock(), &id);
    let at = match found {
        Ok(at) => at,
        Err(none) => return *none,
    };
    let json_type = [(CONTENT_TYPE, "application/json")];
    if !wants(&asked, "stream", true) {
        let stage = engine.stage.lock();
        return (json_type, lines(std::iter::once(figures(&engine, &stage, at, None)))).into_response();
    }
    let next = move |(engine, before): &mut (Engine, Option<Value>)| {
        let stage = engine.stage.lock();
        let now = figures(engine, &stage, at, before.take());
        *before = Some(now["cpu_stats"].clone());
        Some(lines(std::iter::once(now)))
    };
    (json_type, endless((engine, None), next, SECOND)).into_response()
}

fn figures(engine: &Engine, stage: &Stage, at: usize, before: Option<Value>) -> Value {
    let one = &stage.world.containers[at];
    let name = answers::name(engine, stage, at);
    let read = jiff::Timestamp::now().to_string();
    if !one.runs() {
        return json!({ "id": one.id, "name": format!("/{name}"), "read": "0001-01-01T00:00:00Z", "cpu_stats": {}, "precpu_stats": {}, "memory_stats": {} });
    }
    let server = &stage.world.servers[one.server];
    let nanos = |seconds: f64| (stage.clock.length(seconds) * 1e9) as u64;
    let host = server.cores * (stage.world.at - server.booted) as f64;
    let cpu = json!({
        "cpu_usage": { "total_usage": nanos(one.cpu_seconds), "usage_in_kernelmode": 0, "usage_in_usermode": nanos(one.cpu_seconds) },
        "system_cpu_usage": nanos(host), "online_cpus": server.cores as u64,
    });
    let bytes = one.io.map(|counter| stage.clock.length(counter) as u64);
    let limit = if one.limit > 0.0 { one.limit } else { server.memory };
    json!({
        "id": one.id, "name": format!("/{name}"), "read": read, "preread": "0001-01-01T00:00:00Z",
        "pids_stats": { "current": 12 }, "num_procs": 0, "storage_stats": {},
        "cpu_stats": cpu, "precpu_stats": before.unwrap_or_else(|| json!({})),
        "memory_stats": { "usage": one.memory as u64, "limit": limit as u64, "stats": { "inactive_file": 0 } },
        "networks": { "eth0": { "rx_bytes": bytes[0], "tx_bytes": bytes[1] } },
        "blkio_stats": { "io_service_bytes_recursive": [
            { "major": 253, "minor": 0, "op": "read", "value": bytes[2] },
            { "major": 253, "minor": 0, "op": "write", "value": bytes[3] },
        ] },
    })
}

/// `GET /containers/ID/logs`: frames of Docker's multiplexed stream.
pub(super) async fn logs(State(engine): State<Engine>, Path(id): Path<String>, Query(asked): Asked) -> Response {
    let (at, first) = {
        let stage = engine.stage.lock();
        match engine.find(&stage, &id) {
            Ok(at) => (at, first_line(&stage, at, &asked)),
            Err(none) => return *none,
        }
    };
    let raw = [(CONTENT_TYPE, "application/vnd.docker.multiplexed-stream")];
    let follow = wants(&asked, "follow", false);
    let next = move |(engine, asked, told, done): &mut (Engine, HashMap<String, String>, u64, bool)| {
        if std::mem::replace(done, !follow) {
            return None;
        }
        let stage = engine.stage.lock();
        let one = &stage.world.containers[at];
        let oldest = one.lines - one.log.len() as u64;
        let skip = told.saturating_sub(oldest) as usize;
        *told = one.lines;
        // A container that has ended has no more to say.
        *done |= !one.runs();
        Some(one.log.iter().skip(skip).flat_map(|line| frame(line, stage.clock, asked)).collect())
    };
    // What was done before counts as told: an ended one without lines gives an empty answer and ends.
    (raw, endless((engine, asked, first, false), next, TICK)).into_response()
}

/// The number of the first line that is wanted.
fn first_line(stage: &Stage, at: usize, asked: &HashMap<String, String>) -> u64 {
    let one = &stage.world.containers[at];
    let oldest = one.lines - one.log.len() as u64;
    let since = moment(asked, "since")
        .map_or(0, |since| one.log.partition_point(|line| seconds(stage.clock.moment(line.at)) < since) as u64);
    let tail = asked.get("tail").and_then(|tail| tail.parse::<u64>().ok());
    let first = tail.map_or(0, |tail| (one.log.len() as u64).saturating_sub(tail));
    oldest + since.max(first)
}

/// A header of eight bytes (which stream, and how long), and the line.
fn frame(line: &Line, clock: Clock, asked: &HashMap<String, String>) -> Vec<u8> {
    let stream = if line.error { "stderr" } else { "stdout" };
    if !wants(asked, stream, false) {
        return Vec::new();
    }
    let stamp =
        if wants(asked, "timestamps", false) { format!("{:.9} ", clock.moment(line.at)) } else { String::new() };
    let text = format!("{stamp}{}\n", line.text);
    let mut out = vec![1 + u8::from(line.error), 0, 0, 0];
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(text.into_bytes());
    out
}
