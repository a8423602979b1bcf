//! Alertmanager's HTTP API (v2): alerts, groups, silences, status. Source: its OpenAPI description.

use super::wire;
use crate::domain::alert::fingerprint;
use crate::drill::alerting::{Held, Posted, Silence, held};
use crate::drill::metrics::series::Labels;
use crate::drill::stage::{Shared, Stage};
use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::net::TcpListener;

/// Serves it.
pub async fn serve(listener: TcpListener, stage: Shared) {
    wire::on_port(listener, router(stage)).await;
}

fn router(stage: Shared) -> Router {
    Router::new()
        .route("/api/v2/alerts", get(alerts))
        .route("/api/v2/alerts/groups", get(groups))
        .route("/api/v2/silences", get(silences).post(post))
        .route("/api/v2/silence/{id}", get(silence).delete(expire))
        .route("/api/v2/status", get(status))
        .route("/-/healthy", get(|| async { "OK" }))
        .route("/-/ready", get(|| async { "OK" }))
        .fallback(unknown)
        .with_state(stage)
}

/// The time by which silences begin and end: everybody's.
fn now() -> Timestamp {
    Timestamp::now()
}

fn all(stage: &Stage) -> Vec<Held> {
    held(&stage.rules, &stage.silences, stage.clock, now())
}

fn print(labels: &Labels) -> String {
    fingerprint(&labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()).to_string()
}

fn told(one: &Held) -> Value {
    let suppressed = !one.silenced.is_empty() || !one.inhibited.is_empty();
    let now = now();
    json!({
        "labels": &one.alert.labels,
        "annotations": &one.alert.annotations,
        "fingerprint": print(&one.alert.labels),
        "startsAt": one.starts.to_string(),
        "updatedAt": now.to_string(),
        // Prometheus says so of one that still fires: in four minutes, unless it says it again.
        "endsAt": now.checked_add(jiff::SignedDuration::from_mins(4)).unwrap_or(now).to_string(),
        "generatorURL": "http://prometheus.drill/graph",
        "receivers": one.receivers.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "status": {
            "state": if suppressed { "suppressed" } else { "active" },
            "silencedBy": one.silenced,
            "inhibitedBy": one.inhibited.iter().map(print).collect::<Vec<_>>(),
            "mutedBy": [],
        },
    })
}

async fn alerts(State(stage): State<Shared>) -> Response {
    Json(all(&stage.lock()).iter().map(told).collect::<Vec<_>>()).into_response()
}

/// By alert and instance, once for each receiver.
async fn groups(State(stage): State<Shared>) -> Response {
    let mut groups: BTreeMap<(Labels, &'static str), Vec<Value>> = BTreeMap::new();
    for one in all(&stage.lock()) {
        let by =
            |(name, _): &(&std::sync::Arc<str>, &std::sync::Arc<str>)| matches!(&***name, "alertname" | "instance");
        let labels: Labels =
            one.alert.labels.iter().filter(by).map(|(name, value)| (name.clone(), value.clone())).collect();
        for receiver in &one.receivers {
            groups.entry((labels.clone(), receiver)).or_default().push(told(&one));
        }
    }
    let group = |((labels, receiver), alerts): (_, Vec<Value>)| {
        let labels: Labels = labels;
        let receiver: &str = receiver;
        json!({ "labels": labels, "receiver": { "name": receiver }, "alerts": alerts })
    };
    Json(groups.into_iter().map(group).collect::<Vec<_>>()).into_response()
}

fn listed(one: &Silence) -> Value {
    let posted = &one.posted;
    json!({
        "id": one.id, "matchers": posted.matchers, "createdBy": posted.created_by, "comment": posted.comment,
        "startsAt": posted.starts_at.to_string(), "endsAt": posted.ends_at.to_string(),
        "updatedAt": one.updated.to_string(), "status": { "state": one.state(now()) },
    })
}

async fn silences(State(stage): State<Shared>) -> Response {
    Json(stage.lock().silences.all.iter().map(listed).collect::<Vec<_>>()).into_response()
}

async fn silence(State(stage): State<Shared>, Path(id): Path<String>) -> Response {
    match stage.lock().silences.all.iter().find(|one| one.id == id) {
        Some(one) => Json(listed(one)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What is not understood, with the code and the words that go-openapi has for it.
fn wrong(status: StatusCode, code: u16, why: &str) -> Response {
    (status, Json(json!({ "code": code, "message": why }))).into_response()
}

async fn unknown(OriginalUri(uri): OriginalUri) -> Response {
    wrong(StatusCode::NOT_FOUND, 404, &format!("path {} was not found", uri.path()))
}

async fn post(State(stage): State<Shared>, body: Bytes) -> Response {
    let posted: Posted = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(why) if why.is_data() => return wrong(StatusCode::UNPROCESSABLE_ENTITY, 602, &why.to_string()),
        Err(why) => return wrong(StatusCode::BAD_REQUEST, 400, &format!("parsing silence body failed: {why}")),
    };
    match stage.lock().silences.post(posted, now()) {
        Ok(id) => Json(json!({ "silenceID": id })).into_response(),
        Err(why) if why == "silence not found" => (StatusCode::NOT_FOUND, Json(why)).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, Json(why)).into_response(),
    }
}

async fn expire(State(stage): State<Shared>, Path(id): Path<String>) -> Response {
    match stage.lock().silences.expire(&id, now()) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn status(State(stage): State<Shared>) -> Response {
    let up = stage.lock().clock.moment(-86_400 * 30).to_string();
    Json(json!({
        "cluster": { "name": "01JDRILL", "status": "ready", "peers": [{ "name": "01JDRILL", "address": "127.0.0.1:9094" }] },
        "versionInfo": { "version": "0.28.1", "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "" },
        "config": { "original": "" },
        "uptime": up,
    }))
    .into_response()
}
