//! Prometheus' HTTP API (v1): queries, alerts, rules, targets, and what else a dashboard asks. Source: "HTTP API" in Prometheus'
//! documentation.

use super::wire;
use crate::drill::metrics::exposed::Target;
use crate::drill::metrics::promql::{self, Run, Sample, Value};
use crate::drill::metrics::rules::{Alert, Rule};
use crate::drill::stage::{Shared, Stage};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use promql_parser::parser::Expr;
use serde::Deserialize;
use serde_json::{Value as Data, json};
use tokio::net::TcpListener;

/// Points of a range that are told at most, as there.
const MOST_POINTS: f64 = 11_000.0;

/// Serves it.
pub async fn serve(listener: TcpListener, stage: Shared, alertmanager: String) {
    wire::on_port(listener, router(stage, &alertmanager)).await;
}

fn router(stage: Shared, alertmanager: &str) -> Router {
    let managers = json!({
        "activeAlertmanagers": [{ "url": format!("{alertmanager}/api/v2/alerts") }],
        "droppedAlertmanagers": [],
    });
    Router::new()
        .route("/api/v1/query", get(query).post(query))
        .route("/api/v1/query_range", get(range).post(range))
        .route("/api/v1/alerts", get(alerts))
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/alertmanagers", get(move || async move { success(&managers) }))
        .route("/api/v1/status/config", get(|| async { success(&json!({ "yaml": "global: {}\n" })) }))
        .route(
            "/api/v1/status/buildinfo",
            get(|| async { success(&json!({ "version": "3.5.0", "goVersion": "none" })) }),
        )
        .route("/-/healthy", get(|| async { "Prometheus Server is Healthy.\n" }))
        .route("/-/ready", get(|| async { "Prometheus Server is Ready.\n" }))
        .route("/-/reload", post(|| async { "" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "404 page not found\n") })
        .with_state(stage)
}

fn success(data: &Data) -> Response {
    Json(json!({ "status": "success", "data": data })).into_response()
}

fn error(status: StatusCode, kind: &str, why: &str) -> Response {
    (status, Json(json!({ "status": "error", "errorType": kind, "error": why }))).into_response()
}

#[derive(Deserialize)]
struct Asked {
    query: Option<String>,
    time: Option<f64>,
    start: Option<f64>,
    end: Option<f64>,
    step: Option<f64>,
}

impl Asked {
    fn expr(&self) -> Result<Expr, String> {
        let text = self.query.as_deref().unwrap_or_default();
        promql::parse(text).map_err(|why| format!("invalid parameter \"query\": {why}"))
    }
}

async fn query(State(stage): State<Shared>, Form(asked): Form<Asked>) -> Response {
    let expr = match asked.expr() {
        Ok(expr) => expr,
        Err(why) => return error(StatusCode::BAD_REQUEST, "bad_data", &why),
    };
    let stage = stage.lock();
    let query = asked.time.map_or_else(|| stage.query(), |at| stage.query_at(at));
    match query.run(&expr) {
        Ok(value) => success(&told(query.at, value)),
        Err(why) => error(StatusCode::UNPROCESSABLE_ENTITY, "execution", &why),
    }
}

async fn range(State(stage): State<Shared>, Form(asked): Form<Asked>) -> Response {
    let expr = match asked.expr() {
        Ok(expr) => expr,
        Err(why) => return error(StatusCode::BAD_REQUEST, "bad_data", &why),
    };
    let (Some(start), Some(end), Some(step)) = (asked.start, asked.end, asked.step.filter(|step| *step > 0.0)) else {
        return error(StatusCode::BAD_REQUEST, "bad_data", "start, end and a step above zero are needed");
    };
    if (end - start) / step > MOST_POINTS {
        let why = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
        return error(StatusCode::BAD_REQUEST, "bad_data", why);
    }
    let stage = stage.lock();
    let steps = ((end - start) / step).max(0.0) as usize;
    match stage.query_at(end).over(&expr, (0..=steps).map(|at| start + at as f64 * step)) {
        Ok(runs) => success(&json!({ "resultType": "matrix", "result": runs.iter().map(run).collect::<Vec<_>>() })),
        Err(why) => error(StatusCode::UNPROCESSABLE_ENTITY, "execution", &why),
    }
}

fn told(at: f64, value: Value) -> Data {
    let (kind, result) = match value {
        Value::Scalar(value) => ("scalar", json!([at, number(value)])),
        Value::Text(text) => ("string", json!([at, text])),
        Value::Vector(samples) => ("vector", samples.iter().map(|one| sample(at, one)).collect()),
        Value::Matrix(runs) => ("matrix", runs.iter().map(run).collect()),
    };
    json!({ "resultType": kind, "result": result })
}

fn sample(at: f64, one: &Sample) -> Data {
    json!({ "metric": &one.labels, "value": [at, number(one.value)] })
}

fn run(one: &Run) -> Data {
    let values: Vec<Data> = one.points.iter().map(|(at, value)| json!([at, number(*value)])).collect();
    json!({ "metric": &one.labels, "values": values })
}

/// As Go writes a number.
fn number(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

async fn alerts(State(stage): State<Shared>) -> Response {
    let stage = stage.lock();
    let all: Vec<Data> =
        stage.rules.iter().flat_map(|rule| rule.alerts.values()).map(|one| alert(&stage, one)).collect();
    success(&json!({ "alerts": all }))
}

fn alert(stage: &Stage, one: &Alert) -> Data {
    json!({
        "labels": &one.labels,
        "annotations": &one.annotations,
        "state": one.state(),
        "activeAt": stage.clock.moment(one.since).to_string(),
        "value": format!("{:e}", one.value),
    })
}

async fn rules(State(stage): State<Shared>) -> Response {
    let stage = stage.lock();
    let mut groups: Vec<(&str, Vec<Data>)> = Vec::new();
    for one in &stage.rules {
        match groups.last_mut().filter(|(name, _)| *name == one.group) {
            Some((_, rules)) => rules.push(rule(&stage, one)),
            None => groups.push((&one.group, vec![rule(&stage, one)])),
        }
    }
    let group = |(name, rules): (&str, Vec<Data>)| {
        json!({
            "name": name, "file": "alerts.yml", "rules": rules, "interval": 5, "limit": 0, "evaluationTime": 0.0004,
            "lastEvaluation": stage.clock.moment(stage.world.at).to_string(),
        })
    };
    success(&json!({ "groups": groups.into_iter().map(group).collect::<Vec<_>>() }))
}

fn rule(stage: &Stage, one: &Rule) -> Data {
    let alerts: Vec<Data> = one.alerts.values().map(|of| alert(stage, of)).collect();
    let state = match () {
        () if one.alerts.values().any(|of| of.fires.is_some()) => "firing",
        () if !one.alerts.is_empty() => "pending",
        () => "inactive",
    };
    json!({
        "type": "alerting", "name": one.name, "query": one.query, "duration": one.hold, "keepFiringFor": 0,
        "labels": one.labels, "annotations": one.annotations, "alerts": alerts, "state": state, "health": "ok",
        "evaluationTime": 0.0001, "lastEvaluation": stage.clock.moment(stage.world.at).to_string(),
    })
}

async fn targets(State(stage): State<Shared>) -> Response {
    let stage = stage.lock();
    let world = &stage.world;
    let target = |one: Target| {
        let answers = one.answers(world);
        let url = format!("http://{}/metrics", one.instance(world));
        json!({
            "discoveredLabels": { "__address__": one.instance(world), "job": one.job.word() },
            "labels": one.labels(world),
            "scrapePool": one.job.word(), "scrapeUrl": url, "globalUrl": url,
            "lastError": answers.as_ref().err().cloned().unwrap_or_default(),
            "lastScrape": stage.clock.moment(world.at).to_string(), "lastScrapeDuration": 0.004,
            "health": if answers.is_ok() { "up" } else { "down" },
            "scrapeInterval": "5s", "scrapeTimeout": "3s",
        })
    };
    let all: Vec<Data> = Target::all(world).map(target).collect();
    success(&json!({ "activeTargets": all, "droppedTargets": [], "droppedTargetCounts": {} }))
}
