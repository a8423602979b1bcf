//! What the machines answer themselves: node_exporter, and the game's /health, /status, /metrics and /admin/drain. Each machine has a port, on
//! which it stands under its name; a service that hangs hangs up, and where none runs nobody listens.

use super::door::Door;
use super::wire::{self, HangUp};
use crate::drill::machine::balanced;
use crate::drill::metrics::exposed::{Job, Target, page};
use crate::drill::stage::{Shared, Stage};
use crate::drill::world::{Order, Role};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What /admin/ wants as a bearer token.
#[derive(Clone, Debug)]
pub struct Token(pub String);

/// Serves those of a machine.
pub async fn serve(door: Door<TcpListener>, stage: Shared, server: usize, token: Token) {
    let router = router(stage.clone(), token);
    door.keep(stage, |world| world.listens(server), |listener| wire::on_port(listener, router.clone())).await;
}

/// Their pages.
pub fn router(stage: Shared, token: Token) -> Router {
    Router::new()
        .route("/{host}/node/metrics", get(node))
        .route("/{host}/health", get(health))
        .route("/{host}/status", get(status))
        .route("/{host}/metrics", get(metrics))
        .route("/{host}/admin/drain", post(drain).delete(undrain))
        .with_state((stage, token))
}

type Held = State<(Shared, Token)>;

fn find(stage: &Stage, name: &str) -> Option<usize> {
    stage.world.servers.iter().position(|server| server.name == name)
}

/// The machine of that name, when its service answers.
fn serving(stage: &Stage, name: &str) -> Result<usize, Box<Response>> {
    let at = find(stage, name).ok_or_else(|| Box::new(StatusCode::NOT_FOUND.into_response()))?;
    if stage.world.claims(at) { Ok(at) } else { Err(Box::new(HangUp.into_response())) }
}

async fn node(State((stage, _)): Held, Path(host): Path<String>) -> Response {
    let stage = stage.lock();
    let Some(server) = find(&stage, &host) else { return StatusCode::NOT_FOUND.into_response() };
    tell(&stage, Target { job: Job::Node, server })
}

async fn metrics(State((stage, _)): Held, Path(host): Path<String>) -> Response {
    let stage = stage.lock();
    match serving(&stage, &host) {
        Ok(server) => tell(&stage, Target { job: Job::Godot, server }),
        Err(response) => *response,
    }
}

fn tell(stage: &Stage, target: Target) -> Response {
    match target.answers(&stage.world) {
        Ok(()) => {
            let text = page(&target.tell(&stage.world, stage.clock), stage.clock);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
        }
        Err(_) => HangUp.into_response(),
    }
}

/// The same; a load balancer has somebody behind it answer.
fn answering(stage: &mut Stage, name: &str) -> Result<usize, Box<Response>> {
    let at = serving(stage, name)?;
    match stage.world.servers[at].role {
        Role::Balancer => balanced(stage, at).ok_or_else(|| Box::new(StatusCode::BAD_GATEWAY.into_response())),
        _ => Ok(at),
    }
}

async fn health(State((stage, _)): Held, Path(host): Path<String>) -> Response {
    match answering(&mut stage.lock(), &host) {
        Ok(_) => Json(json!({ "status": "healthy" })).into_response(),
        Err(response) => *response,
    }
}

async fn status(State((stage, _)): Held, Path(host): Path<String>) -> Response {
    let mut stage = stage.lock();
    match answering(&mut stage, &host) {
        Ok(at) => Json(body(&stage, at)).into_response(),
        Err(response) => *response,
    }
}

fn body(stage: &Stage, at: usize) -> Value {
    let server = &stage.world.servers[at];
    let main = stage.world.main(at);
    json!({
        "status": if server.draining { "draining" } else { "ok" },
        "player_count": server.players as u64,
        "version": main.map(|one| one.version.clone()),
        "draining": server.draining,
    })
}

async fn drain(held: Held, path: Path<String>, headers: HeaderMap, body: String) -> Response {
    // A body that names a target drains; `{"drain": false}` lets players in again.
    let wanted: Value = serde_json::from_str(&body).unwrap_or_default();
    let draining = wanted.get("drain").and_then(Value::as_bool).unwrap_or(true);
    set_draining(held, path, &headers, draining)
}

async fn undrain(held: Held, path: Path<String>, headers: HeaderMap) -> Response {
    set_draining(held, path, &headers, false)
}

fn set_draining(
    State((stage, token)): Held,
    Path(host): Path<String>,
    headers: &HeaderMap,
    draining: bool,
) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(&format!("Bearer {}", token.0)) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "a bearer token is needed" }))).into_response();
    }
    let mut stage = stage.lock();
    let at = match serving(&stage, &host) {
        Ok(at) if stage.world.servers[at].role == Role::Game => at,
        Ok(_) => return StatusCode::NOT_FOUND.into_response(),
        Err(response) => return *response,
    };
    match stage.order(&Order::Drain(at, draining)) {
        Ok(()) => (StatusCode::ACCEPTED, Json(json!({ "draining": draining }))).into_response(),
        Err(why) => (StatusCode::CONFLICT, Json(json!({ "error": why.0 }))).into_response(),
    }
}
