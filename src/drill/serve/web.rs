//! What stands outside of the production and is told how it stands: the status page, the chat, the pager. They keep what they were told,
//! and tell it to nobody.

use super::wire;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// What was told, oldest first.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<(String, Value)>>>);

impl Told {
    /// All of it: to whom, and what.
    pub fn all(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, whom: &str, what: Value) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((whom.to_owned(), what));
        all.len()
    }
}

/// Serves them.
pub async fn serve(listener: TcpListener, told: Told) {
    wire::on_port(listener, router(told)).await;
}

fn router(told: Told) -> Router {
    Router::new()
        .route("/status/incidents", post(open).get(incidents))
        .route("/status/incidents/{id}", patch(update))
        .route("/slack/{*method}", post(slack))
        .route("/pagerduty/v2/enqueue", post(page))
        .route("/webhook", post(hook))
        .route("/", get(|| async { "the drill's web services\n" }))
        .with_state(told)
}

async fn open(State(told): State<Told>, Json(body): Json<Value>) -> Response {
    let id = format!("drill-{}", told.take("status page", body.clone()));
    (StatusCode::CREATED, Json(json!({ "id": id, "incident": body }))).into_response()
}

async fn incidents(State(told): State<Told>) -> Response {
    let all: Vec<Value> =
        told.all().into_iter().filter(|(whom, _)| whom == "status page").map(|(_, what)| what).collect();
    Json(all).into_response()
}

async fn update(State(told): State<Told>, Path(id): Path<String>, Json(body): Json<Value>) -> Response {
    told.take("status page", body.clone());
    Json(json!({ "id": id, "incident": body })).into_response()
}

async fn slack(State(told): State<Told>, body: String) -> Response {
    let ts = told.take("chat", serde_json::from_str(&body).unwrap_or(Value::String(body)));
    Json(json!({ "ok": true, "ts": ts.to_string(), "channel": { "id": "C0DRILL", "name": "drill" } })).into_response()
}

async fn page(State(told): State<Told>, Json(body): Json<Value>) -> Response {
    let key = body.get("dedup_key").cloned().unwrap_or_else(|| json!("drill"));
    told.take("pager", body);
    (StatusCode::ACCEPTED, Json(json!({ "status": "success", "message": "Event processed", "dedup_key": key })))
        .into_response()
}

async fn hook(State(told): State<Told>, body: String) -> Response {
    told.take("webhook", serde_json::from_str(&body).unwrap_or(Value::String(body)));
    Json(json!({ "ok": true })).into_response()
}
