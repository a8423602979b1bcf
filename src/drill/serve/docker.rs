//! Docker's Engine API (1.47), as much of it as a dashboard and its runbooks use: containers, their statistics, logs and events, and what
//! is done to one. One engine a machine, each on a socket of its own. Source: "Engine API" in Docker's documentation.

mod answers;
mod streams;

use super::door::Door;
use super::wire;
use crate::drill::stage::{Shared, Stage};
use crate::drill::world::{Order, Refused, World};
use axum::extract::{OriginalUri, Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::ops::Range;
use tokio::net::UnixListener;
use tower_service::Service as _;

/// The version of the API, and the oldest that is understood.
const API: &str = "1.47";
const OLDEST: &str = "1.24";
/// Of the engine.
const ENGINE: &str = "27.5.1";

/// An engine: which machines' containers it tells of. A large production has engines that several machines share.
#[derive(Clone)]
pub struct Engine {
    stage: Shared,
    /// The machines.
    pub servers: Range<usize>,
}

impl Engine {
    /// Of those machines.
    pub fn new(stage: Shared, servers: Range<usize>) -> Self {
        Self { stage, servers }
    }

    /// The indices of its containers.
    fn containers(&self, stage: &Stage) -> Range<usize> {
        stage.world.on(self.servers.start).start..stage.world.on(self.servers.end.max(1) - 1).end
    }

    /// A row of the list.
    pub fn summary(&self, stage: &Stage, at: usize) -> serde_json::Value {
        answers::summary(self, stage, at)
    }

    /// All of a container.
    pub fn inspection(&self, stage: &Stage, at: usize) -> serde_json::Value {
        answers::inspection(self, stage, at)
    }

    /// The container that an id, the beginning of one, or a name means.
    fn find(&self, stage: &Stage, word: &str) -> Result<usize, Box<Response>> {
        let all = &stage.world.containers;
        let name = word.trim_start_matches('/');
        let mut own = self.containers(stage);
        let of = own.clone().find(|at| all[*at].id == word || answers::name(self, stage, *at) == name);
        of.or_else(|| own.find(|at| word.len() >= 4 && all[*at].id.starts_with(word)))
            .ok_or_else(|| Box::new(message(StatusCode::NOT_FOUND, &format!("No such container: {word}"))))
    }
}

/// Serves one, while there is power where it runs.
pub async fn serve(door: Door<UnixListener>, engine: Engine) {
    let (stage, servers, router) = (engine.stage.clone(), engine.servers.clone(), router(engine));
    let is_up = |world: &World| world.servers[servers.clone()].iter().any(|server| server.up);
    door.keep(stage, is_up, |listener| wire::on_socket(listener, router.clone())).await;
}

/// All paths may begin with a version, which says nothing here.
fn router(engine: Engine) -> Router {
    let plain = Router::new()
        .route("/_ping", get(ping).head(ping))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/events", get(streams::events))
        .route("/containers/json", get(list))
        .route("/containers/{id}/json", get(inspect))
        .route("/containers/{id}/stats", get(streams::stats))
        .route("/containers/{id}/logs", get(streams::logs))
        .route("/containers/{id}/{verb}", post(act))
        .fallback(unknown)
        .with_state(engine);
    Router::new().fallback(move |request: Request| {
        let mut plain = plain.clone();
        async move { introduced(plain.call(without_version(request)).await.unwrap_or_else(|never| match never {})) }
    })
}

/// Every answer says whose it is.
fn introduced(mut response: Response) -> Response {
    let own = [
        ("api-version", API),
        ("docker-experimental", "false"),
        ("ostype", "linux"),
        ("server", "Docker/27.5.1 (linux)"),
    ];
    let own = own.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    response.headers_mut().extend(own);
    response
}

/// `/v1.47/containers/json` is `/containers/json`.
fn without_version(mut request: Request) -> Request {
    let text = request.uri().to_string();
    let path = text.trim_start_matches('/');
    let versioned = path.split_once('/').filter(|(first, _)| {
        first.strip_prefix('v').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    });
    if let Some(uri) = versioned.and_then(|(_, rest)| format!("/{rest}").parse::<Uri>().ok()) {
        *request.uri_mut() = uri;
    }
    request
}

/// As the engine says what is wrong.
fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

async fn unknown(OriginalUri(uri): OriginalUri) -> Response {
    message(StatusCode::NOT_FOUND, &format!("a drill's engine does not know {}", uri.path()))
}

async fn ping() -> Response {
    "OK".into_response()
}

async fn version() -> Response {
    let component =
        json!({ "Name": "Engine", "Version": ENGINE, "Details": { "ApiVersion": API, "MinAPIVersion": OLDEST } });
    Json(json!({
        "Platform": { "Name": "Docker Engine - Drill" }, "Components": [component], "Version": ENGINE, "ApiVersion": API,
        "MinAPIVersion": OLDEST, "GitCommit": "drill", "GoVersion": "none", "Os": "linux", "Arch": "amd64",
        "KernelVersion": "6.12.48-drill", "BuildTime": "2026-01-01T00:00:00.000000000+00:00",
    }))
    .into_response()
}

async fn info(State(engine): State<Engine>) -> Response {
    let stage = engine.stage.lock();
    let server = &stage.world.servers[engine.servers.start];
    Json(json!({
        "ID": server.name, "Name": server.name, "Containers": engine.containers(&stage).len(), "ServerVersion": ENGINE,
        "NCPU": server.cores as u64, "MemTotal": server.memory as u64, "OperatingSystem": "Drill", "OSType": "linux",
    }))
    .into_response()
}

#[derive(Deserialize)]
struct Listing {
    all: Option<String>,
}

async fn list(State(engine): State<Engine>, Query(asked): Query<Listing>) -> Response {
    let stage = engine.stage.lock();
    let all = matches!(asked.all.as_deref(), Some("1" | "true" | "True"));
    let wanted = engine.containers(&stage).filter(|at| all || stage.world.containers[*at].runs());
    Json(wanted.map(|at| answers::summary(&engine, &stage, at)).collect::<Vec<_>>()).into_response()
}

async fn inspect(State(engine): State<Engine>, Path(id): Path<String>) -> Response {
    let stage = engine.stage.lock();
    match engine.find(&stage, &id) {
        Ok(at) => Json(answers::inspection(&engine, &stage, at)).into_response(),
        Err(none) => *none,
    }
}

async fn act(
    State(engine): State<Engine>,
    Path((id, verb)): Path<(String, String)>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let mut stage = engine.stage.lock();
    let at = match engine.find(&stage, &id) {
        Ok(at) => at,
        Err(none) => return *none,
    };
    let runs = stage.world.containers[at].runs();
    let order = match verb.as_str() {
        "start" if runs => return StatusCode::NOT_MODIFIED.into_response(),
        "stop" if !runs => return StatusCode::NOT_MODIFIED.into_response(),
        "start" => Order::Start(at),
        "stop" => Order::Stop(at),
        "restart" => Order::Restart(at),
        "kill" if asked.get("signal").is_none_or(|signal| matches!(signal.as_str(), "SIGKILL" | "KILL" | "9")) => {
            Order::Kill(at)
        }
        "kill" => Order::Stop(at),
        other => return message(StatusCode::NOT_IMPLEMENTED, &format!("a drill's engine can't {other} a container")),
    };
    match stage.order(&order) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(Refused(why)) => message(StatusCode::CONFLICT, &why),
    }
}
