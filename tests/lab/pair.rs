//! Alerting as productions run it: two Prometheus with external labels of their own, which evaluate the same rules and notify
//! two Alertmanagers that form a cluster.
//!
//! | alert | in Prometheus | in Alertmanager |
//! |---|---|---|
//! | `Watchdog` | firing | active, for the receiver `deadman` |
//! | `ServiceDown` | firing for each of two targets that are down | active |
//! | `ServiceSlow` | firing for both | suppressed: `ServiceDown` inhibits it |
//! | `DiskFilling` | firing | suppressed, by one silence |
//! | `MemoryHigh` | pending for an hour | absent |
//! | `ManyToMany` | its rule can't be evaluated | absent, or not yet over |
//!
//! Silences: one covers `DiskFilling`, one covers nothing, one begins in an hour, one is over.

use super::monitoring::is_ready;
use super::service::{Service, folder, free_port};
use super::{http, poll, program};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const RULES: &str = r#"
groups:
  - name: lab
    rules:
      - alert: Watchdog
        expr: vector(1)
        labels: {severity: none}
      - alert: ServiceDown
        expr: up{job="game"} < 1
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.instance }} does not answer", runbook_url: "https://runbooks.example/service-down"}
      - alert: ServiceSlow
        expr: scrape_duration_seconds{job="game"} >= 0
        labels: {severity: warning}
      - alert: DiskFilling
        expr: vector(86) > bool 85
        labels: {severity: warning, instance: "db-1:9100"}
      - alert: MemoryHigh
        expr: vector(91) > 90
        for: 1h
        labels: {severity: warning, instance: "game-1:9100"}
      - alert: ManyToMany
        expr: scrape_duration_seconds * on(job) up > 0
"#;

const ROUTES: &str = r#"
route:
  receiver: ops
  group_by: [alertname, cluster]
  group_wait: 0s
  routes:
    - {matchers: ['severity="none"'], receiver: deadman, group_by: ['...']}
receivers: [{name: ops}, {name: deadman}]
inhibit_rules:
  - {source_matchers: ['alertname="ServiceDown"'], target_matchers: ['alertname="ServiceSlow"'], equal: [instance]}
"#;

/// All four services.
#[derive(Debug)]
pub struct Pair {
    /// Ports of the two Prometheus on loopback.
    pub prometheus: [u16; 2],
    /// Ports of the two Alertmanagers on loopback.
    pub alertmanager: [u16; 2],
    /// Addresses that are scraped, and where nothing listens.
    pub down: [String; 2],
    _services: Vec<Service>,
}

/// The pair of this test process, settled, or what is missing. Tests share it and must not change it.
pub fn pair() -> Result<&'static Pair, String> {
    static SHARED: OnceLock<Result<Pair, String>> = OnceLock::new();
    let start = || Pair::start().map_err(|why| format!("two Prometheus and two Alertmanagers: {why}"));
    SHARED.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Pair {
    fn start() -> Result<Self, String> {
        let alertmanager = [free_port(), free_port()];
        let gossip = [free_port(), free_port()];
        let prometheus = [free_port(), free_port()];
        let down = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let mut services = Vec::new();
        for (index, port) in alertmanager.into_iter().enumerate() {
            services.push(start_alertmanager(port, gossip[index], gossip[1 - index])?);
        }
        make_silences(alertmanager[0])?;
        for (port, replica) in prometheus.into_iter().zip(["a", "b"]) {
            services.push(start_prometheus(port, replica, prometheus, alertmanager, &down)?);
        }
        let this = Self { prometheus, alertmanager, down, _services: services };
        // All run, so this is no reason to skip a test.
        poll(Duration::from_secs(90), || this.is_settled().then_some(())).expect("the alerts of the pair settle");
        Ok(this)
    }

    fn is_settled(&self) -> bool {
        let suppressed = |alerts: &[Value], name: &str, count: usize| {
            let of = alerts.iter().filter(|alert| alert["labels"]["alertname"] == name);
            of.filter(|alert| alert["status"]["state"] == "suppressed").count() == count
        };
        let in_alertmanager = self.alertmanager.iter().all(|port| {
            let alerts = list(*port, "/api/v2/alerts", "");
            let silences = list(*port, "/api/v2/silences", "");
            let silenced = |state: &str| silences.iter().filter(|silence| silence["status"]["state"] == state).count();
            // Each silence comes to the second one by gossip of its own, in any order.
            let gossiped = ["active", "pending", "expired"].map(silenced) == [2, 1, 1];
            suppressed(&alerts, "DiskFilling", 1) && suppressed(&alerts, "ServiceSlow", 2) && gossiped
        });
        in_alertmanager && self.prometheus.iter().all(|port| fails_a_rule(*port) && is_pending(*port))
    }
}

fn list(port: u16, path: &str, pointer: &str) -> Vec<Value> {
    let answer = http::get(port, path).ok().map(|answer| answer.json());
    answer.and_then(|answer| answer.pointer(pointer).and_then(Value::as_array).cloned()).unwrap_or_default()
}

fn fails_a_rule(port: u16) -> bool {
    list(port, "/api/v1/rules", "/data/groups/0/rules").iter().any(|rule| rule["health"] == "err")
}

fn is_pending(port: u16) -> bool {
    list(port, "/api/v1/alerts", "/data/alerts").iter().any(|alert| alert["state"] == "pending")
}

fn start_alertmanager(port: u16, gossip: u16, peer: u16) -> Result<Service, String> {
    let program = program(&["prometheus-alertmanager", "alertmanager"], &[]);
    let program = program.ok_or("Alertmanager is not installed (prometheus-alertmanager)")?;
    let home = folder("alertmanager");
    let config = home.join("alertmanager.yml");
    fs::write(&config, ROUTES).map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display())).arg(format!("--storage.path={}", home.display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command.arg(format!("--cluster.listen-address=127.0.0.1:{gossip}"));
    command.arg(format!("--cluster.peer=127.0.0.1:{peer}")).arg("--cluster.settle-timeout=1s");
    // What the one is told the other knows at once.
    command.arg("--cluster.gossip-interval=50ms").arg("--cluster.pushpull-interval=1s");
    let mut service = Service::start("alertmanager-log", &mut command)?;
    service.ready(Duration::from_secs(60), || is_ready(port))?;
    Ok(service)
}

fn start_prometheus(
    port: u16,
    replica: &str,
    all: [u16; 2],
    alertmanager: [u16; 2],
    down: &[String; 2],
) -> Result<Service, String> {
    let program = program(&["prometheus"], &[]).ok_or("Prometheus is not installed (prometheus)")?;
    let home = folder("prometheus");
    let config = home.join("prometheus.yml");
    fs::write(home.join("rules.yml"), RULES).map_err(|why| why.to_string())?;
    let at = |ports: &[u16; 2]| ports.map(|port| format!("'127.0.0.1:{port}'")).join(", ");
    let text = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n  external_labels: {{cluster: eu, replica: {replica}}}\n\
         rule_files: [rules.yml]\n\
         alerting:\n  alert_relabel_configs: [{{action: labeldrop, regex: replica}}]\n  \
         alertmanagers: [{{static_configs: [{{targets: [{}]}}]}}]\n\
         scrape_configs:\n- {{job_name: prometheus, static_configs: [{{targets: [{}]}}]}}\n\
         - {{job_name: game, static_configs: [{{targets: ['{}', '{}']}}]}}\n",
        at(&alertmanager),
        at(&all),
        down[0],
        down[1],
    );
    fs::write(&config, text).map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command.arg("--rules.alert.resend-delay=1s");
    let mut service = Service::start("prometheus-log", &mut command)?;
    service.ready(Duration::from_secs(60), || is_ready(port))?;
    Ok(service)
}

fn make_silences(port: u16) -> Result<(), String> {
    let silence = |alert: &str, by: &str, why: &str, from: u64, until: u64| {
        let now = jiff::Timestamp::now();
        json!({
            "matchers": [{"name": "alertname", "value": alert, "isRegex": false, "isEqual": true}],
            "startsAt": (now + Duration::from_secs(from)).to_string(),
            "endsAt": (now + Duration::from_secs(until)).to_string(),
            "createdBy": by,
            "comment": why,
        })
    };
    let all = [
        silence("DiskFilling", "ada", "disk ordered, arrives Thursday", 0, 7200),
        // Longer than a whole suite takes.
        silence("NoSuchAlert", "grace", "old pool is being drained", 0, 7200),
        silence("Release", "linus", "release tonight", 3600, 7200),
        silence("Gone", "ada", "short", 0, 1),
    ];
    for body in all {
        let answer = http::post(port, "/api/v2/silences", &body).map_err(|why| why.to_string())?;
        if answer.status != 200 {
            return Err(format!("no silence was made: {}", answer.body));
        }
    }
    Ok(())
}
