//! What stands outside of the production and is told how it stands: the status page, the chat, the pager, a webhook. They do as the services
//! do that the shipped runbooks are written for, keep what they were told, and tell it to nobody.

use super::wire;
use crate::drill::alerting;
use crate::drill::stage::{Shared, Stage};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;

/// What was told, and what has become of it.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Books>>);

/// What they keep.
#[derive(Default)]
struct Books {
    /// To whom, and what; oldest first.
    all: Vec<(&'static str, Value)>,
    /// Of the status page: incidents and maintenances, by id.
    pages: BTreeMap<String, Map<String, Value>>,
    /// Of the chat: channels by id, and messages: channel, time, text.
    channels: BTreeMap<String, Map<String, Value>>,
    messages: Vec<(String, String, Value)>,
    /// Of the pager: what is acknowledged.
    acknowledged: BTreeSet<String>,
}

impl Told {
    /// All of it: to whom, and what.
    pub fn all(&self) -> Vec<(&'static str, Value)> {
        self.books().all.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Keeps it; how many there are now, which is an id of its own.
    fn take(&mut self, whom: &'static str, what: Value) -> usize {
        self.all.push((whom, what));
        self.all.len()
    }
}

/// What all of them share.
#[derive(Clone)]
struct Web {
    told: Told,
    stage: Shared,
}

impl Web {
    /// Keeps what was told, in the books and in the transcript.
    fn take(&self, whom: &'static str, what: &Value, words: &str) -> usize {
        self.stage.lock().tell(whom, words);
        self.told.books().take(whom, what.clone())
    }
}

/// Serves them.
pub async fn serve(listener: TcpListener, stage: Shared, told: Told) {
    wire::on_port(listener, router(Web { told, stage })).await;
}

fn router(web: Web) -> Router {
    Router::new()
        .route("/status/api/{kind}", get(pages).post(open))
        .route("/status/api/{kind}/{id}", get(page).patch(update))
        .route("/slack/api/{method}", get(ask).post(chat))
        .route("/pagerduty/v2/enqueue", post(enqueue))
        .route("/pagerduty/incidents", get(paged))
        .route("/webhook/{hook}", post(hook))
        .route("/", get(|| async { "the drill's web services\n" }))
        .with_state(web)
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The status page's incidents, or its maintenances.
async fn pages(State(web): State<Web>, Path(kind): Path<String>) -> Response {
    let books = web.told.books();
    let of = books.pages.iter().filter(|(id, _)| id.starts_with(prefix(&kind)));
    Json(of.map(|(_, page)| page).collect::<Vec<_>>()).into_response()
}

fn prefix(kind: &str) -> &'static str {
    if kind == "maintenances" { "mnt-" } else { "inc-" }
}

async fn open(State(web): State<Web>, Path(kind): Path<String>, Json(body): Json<Value>) -> Response {
    let Value::Object(mut page) = body.clone() else { return StatusCode::UNPROCESSABLE_ENTITY.into_response() };
    let words = format!("{}: {} ({})", word(&body, "name"), word(&body, "message"), word(&body, "status"));
    let id = format!("{}{}", prefix(&kind), web.take("status page", &body, &words));
    page.insert("id".to_owned(), Value::String(id.clone()));
    page.entry("status").or_insert_with(|| json!("scheduled"));
    web.told.books().pages.insert(id, page.clone());
    (StatusCode::CREATED, Json(page)).into_response()
}

async fn page(State(web): State<Web>, Path((_, id)): Path<(String, String)>) -> Response {
    match web.told.books().pages.get(&id) {
        Some(page) => Json(page).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn update(
    State(web): State<Web>,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Map<String, Value>>,
) -> Response {
    if !web.told.books().pages.contains_key(&id) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let told = Value::Object(body.clone());
    web.take("status page", &told, &format!("{id}: {} ({})", word(&told, "message"), word(&told, "status")));
    let mut books = web.told.books();
    let Some(page) = books.pages.get_mut(&id) else { return StatusCode::NOT_FOUND.into_response() };
    page.extend(body);
    Json(&*page).into_response()
}

/// The chat answers 200 to everything, and says in the body whether it was done.
async fn chat(State(web): State<Web>, Path(method): Path<String>, Json(body): Json<Value>) -> Response {
    let channel = word(&body, "channel");
    let answer = match method.as_str() {
        "conversations.create" => create(&web, &body),
        "conversations.archive" => match web.told.books().channels.get_mut(&channel) {
            Some(found) => {
                found.insert("is_archived".to_owned(), json!(true));
                json!({ "ok": true })
            }
            None => refused("channel_not_found"),
        },
        "chat.postMessage" => {
            let ts = format!("{}.000100", web.take("chat", &body, &word(&body, "text")));
            let id = web.told.books().channel(&channel);
            web.told.books().messages.push((id.clone(), ts.clone(), body["text"].clone()));
            json!({ "ok": true, "channel": id, "ts": ts })
        }
        "chat.delete" => {
            let ts = word(&body, "ts");
            web.told.books().messages.retain(|(of, at, _)| (of, at) != (&channel, &ts));
            json!({ "ok": true })
        }
        _ => refused("unknown_method"),
    };
    Json(answer).into_response()
}

fn refused(why: &str) -> Value {
    json!({ "ok": false, "error": why })
}

fn create(web: &Web, body: &Value) -> Value {
    let name = word(body, "name");
    let taken = web.told.books().channels.values().any(|channel| channel["name"].as_str() == Some(&name));
    if taken {
        return refused("name_taken");
    }
    let id = format!("C0DRILL{}", web.take("chat", body, &format!("#{name} is opened")));
    let channel = json!({ "id": id, "name": name, "is_archived": false });
    web.told.books().channels.extend(channel.as_object().map(|channel| (id, channel.clone())));
    json!({ "ok": true, "channel": channel })
}

impl Books {
    /// The id of a channel by its name or its id; one that was always there gets one.
    fn channel(&mut self, said: &str) -> String {
        let name = said.trim_start_matches('#');
        let found = self.channels.iter().find(|(id, one)| *id == name || one["name"].as_str() == Some(name));
        found.map_or_else(|| format!("C0{}", name.to_ascii_uppercase()), |(id, _)| id.clone())
    }
}

async fn ask(
    State(web): State<Web>,
    Path(method): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let channel = asked.get("channel").cloned().unwrap_or_default();
    let books = web.told.books();
    let answer = match method.as_str() {
        "conversations.info" => {
            let found = books.channels.get(&channel);
            found.map_or_else(|| refused("channel_not_found"), |found| json!({ "ok": true, "channel": found }))
        }
        "conversations.history" => {
            let of = books.messages.iter().filter(|(of, ..)| *of == channel);
            let told: Vec<Value> = of.map(|(_, ts, text)| json!({ "ts": ts, "text": text })).collect();
            json!({ "ok": true, "messages": told })
        }
        _ => refused("unknown_method"),
    };
    Json(answer).into_response()
}

/// The pager takes every event; of one for an incident that it does not have nothing comes.
async fn enqueue(State(web): State<Web>, Json(body): Json<Value>) -> Response {
    let (action, key) = (word(&body, "event_action"), word(&body, "dedup_key"));
    web.take("pager", &body, &action);
    if action == "acknowledge" && pages_somebody(&web.stage.lock()) {
        web.told.books().acknowledged.insert(key.clone());
    }
    let answer = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

/// Only critical alerts are routed to it.
fn pages_somebody(stage: &Stage) -> bool {
    let held = alerting::held(&stage.rules, &stage.silences, stage.clock, stage.now());
    held.iter().any(|one| one.receivers.contains(&"pagerduty-critical"))
}

async fn paged(State(web): State<Web>, Query(asked): Query<Vec<(String, String)>>) -> Response {
    let keys = asked.iter().filter(|(name, _)| name == "incident_key").map(|(_, key)| key);
    let books = web.told.books();
    let known = keys.filter(|key| books.acknowledged.contains(*key));
    let incidents: Vec<Value> =
        known.map(|key| json!({ "id": "PDRILL", "status": "acknowledged", "incident_key": key })).collect();
    Json(json!({ "incidents": incidents, "limit": 25, "offset": 0, "more": false })).into_response()
}

async fn hook(State(web): State<Web>, Path(hook): Path<String>, body: String) -> Response {
    let what: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    web.take("webhook", &what, &format!("{hook}: {}", word(&what, "text")));
    Json(json!({ "ok": true })).into_response()
}
