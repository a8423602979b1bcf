//! Prometheus and Alertmanager with alerts in every state that matters.
//!
//! | alert | in Prometheus | in Alertmanager |
//! |---|---|---|
//! | [`FIRING`] | firing | active |
//! | [`SILENCED`] | firing | suppressed, by one silence |
//! | [`PENDING`] | pending for an hour | absent |

use super::service::{Service, folder, free_port};
use super::{http, poll, program};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Fires from the start; severity critical.
pub const FIRING: &str = "LabServiceDown";
/// Fires from the start; severity warning; silenced.
pub const SILENCED: &str = "LabDiskFilling";
/// Stays pending for an hour; severity warning.
pub const PENDING: &str = "LabMemoryHigh";
/// What the silence says.
pub const SILENCE_COMMENT: &str = "disk ordered, arrives Thursday";

const RULES: &str = r#"
groups:
  - name: lab
    rules:
      - alert: LabServiceDown
        expr: vector(1)
        labels: {severity: critical, instance: "game-3:9100", job: game}
        annotations: {summary: "game-3 does not answer", runbook_url: "docs/service-down.md"}
      - alert: LabDiskFilling
        expr: vector(1)
        labels: {severity: warning, instance: "db-1:9100", job: postgres}
        annotations: {summary: "the disk of db-1 fills"}
      - alert: LabMemoryHigh
        expr: vector(1)
        for: 1h
        labels: {severity: warning, instance: "game-1:9100", job: game}
        annotations: {summary: "game-1 uses much memory"}
"#;

/// Both services.
#[derive(Debug)]
pub struct Monitoring {
    /// Port of Prometheus on loopback.
    pub prometheus: u16,
    /// Port of Alertmanager on loopback.
    pub alertmanager: u16,
    /// The id of the one silence.
    pub silence: String,
    _services: [Service; 2],
}

/// An Alertmanager of the test's own, which knows no alert yet, and its port; or what is missing.
pub fn own_alertmanager() -> Result<(u16, Service), String> {
    start_alertmanager().map_err(|why| format!("Alertmanager: {why}"))
}

/// Tells an Alertmanager of an alert that fires from now on, critical, of instance `game-9`.
pub fn fire(alertmanager: u16, name: &str) {
    let labels = json!({"alertname": name, "severity": "critical", "instance": "game-9"});
    let annotations = json!({"summary": "the password is hunter2"});
    let body = json!([{"labels": labels, "annotations": annotations}]);
    let answer = http::post(alertmanager, "/api/v2/alerts", &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The pair of this test process, with all alerts settled, or what is missing. Tests share it and must not change it.
pub fn monitoring() -> Result<&'static Monitoring, String> {
    static SHARED: OnceLock<Result<Monitoring, String>> = OnceLock::new();
    let start = || Monitoring::start().map_err(|why| format!("Prometheus and Alertmanager: {why}"));
    SHARED.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Monitoring {
    fn start() -> Result<Self, String> {
        let (alertmanager, below) = start_alertmanager()?;
        let silence = make_silence(alertmanager)?;
        let (prometheus, above) = start_prometheus(alertmanager, "", "")?;
        let this = Self { prometheus, alertmanager, silence, _services: [above, below] };
        // Both run, so this is no reason to skip a test.
        poll(Duration::from_secs(60), || this.is_settled().then_some(())).expect("the alerts settle");
        Ok(this)
    }

    /// The state of an alert in Prometheus: `firing`, `pending`, or nothing.
    pub fn in_prometheus(&self, alert: &str) -> Option<String> {
        let answer = http::get(self.prometheus, "/api/v1/alerts").ok()?.json();
        let found = find(&answer["data"]["alerts"], alert)?;
        found["state"].as_str().map(str::to_owned)
    }

    /// The state of an alert in Alertmanager: `active`, `suppressed`, `unprocessed`, or nothing.
    pub fn in_alertmanager(&self, alert: &str) -> Option<String> {
        let answer = http::get(self.alertmanager, "/api/v2/alerts").ok()?.json();
        let found = find(&answer, alert)?;
        found["status"]["state"].as_str().map(str::to_owned)
    }

    fn is_settled(&self) -> bool {
        self.in_prometheus(PENDING).as_deref() == Some("pending")
            && self.in_alertmanager(FIRING).as_deref() == Some("active")
            && self.in_alertmanager(SILENCED).as_deref() == Some("suppressed")
    }
}

fn find(alerts: &Value, name: &str) -> Option<Value> {
    alerts.as_array()?.iter().find(|alert| alert["labels"]["alertname"] == name).cloned()
}

fn start_alertmanager() -> Result<(u16, Service), String> {
    alertmanager_of("route: {receiver: nobody, group_by: [alertname], group_wait: 0s}\nreceivers: [{name: nobody}]\n")
}

/// An Alertmanager with this config, and its port; or what is missing.
pub fn alertmanager_of(config: &str) -> Result<(u16, Service), String> {
    let program = program(&["prometheus-alertmanager", "alertmanager"], &[]);
    let program = program.ok_or("Alertmanager is not installed (prometheus-alertmanager)")?;
    let (home, port) = (folder("alertmanager"), free_port());
    let file = home.join("alertmanager.yml");
    fs::write(&file, config).map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", file.display())).arg(format!("--storage.path={}", home.display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
    let mut service = Service::start("alertmanager-log", &mut command)?;
    service.ready(Duration::from_secs(60), || is_ready(port))?;
    Ok((port, service))
}

/// A Prometheus that gives its alerts other labels on the way to its Alertmanager, and drops those of one job.
#[derive(Debug)]
pub struct Relabelled {
    prometheus: u16,
    alertmanager: u16,
    _services: [Service; 2],
}

/// What it does to labels on their way.
const RELABELLING: &str = r"  alert_relabel_configs:
  - {source_labels: [job], regex: game, action: drop}
  - {source_labels: [instance], regex: '([^:]+):.*', target_label: host}
  - {source_labels: [severity], target_label: severity, action: uppercase}
  - {regex: 'clu(.+)', replacement: 'by_$1', action: labelmap}
  - {regex: replica, action: labeldrop}
";

/// The one of this test process, with its alerts settled, or what is missing. Tests share it and must not change it.
pub fn relabelled() -> Result<&'static Relabelled, String> {
    static SHARED: OnceLock<Result<Relabelled, String>> = OnceLock::new();
    let start = || Relabelled::start().map_err(|why| format!("a Prometheus that relabels: {why}"));
    SHARED.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Relabelled {
    fn start() -> Result<Self, String> {
        let (alertmanager, below) = start_alertmanager()?;
        let (prometheus, above) =
            start_prometheus(alertmanager, "external_labels: {cluster: eu, replica: a}", RELABELLING)?;
        let alerts = || http::get(alertmanager, "/api/v2/alerts").ok().map(|answer| answer.json());
        let arrived = || alerts().and_then(|alerts| find(&alerts, SILENCED));
        poll(Duration::from_secs(60), arrived).expect("its alert arrives");
        Ok(Self { prometheus, alertmanager, _services: [above, below] })
    }

    /// Both as sources, `prometheus.a` and `alertmanager.eu`.
    pub fn config(&self) -> String {
        let at = |port: u16| format!("url = \"http://127.0.0.1:{port}\"\ntimeout = \"5s\"\n");
        format!("[prometheus.a]\n{}[alertmanager.eu]\n{}", at(self.prometheus), at(self.alertmanager))
    }
}

fn start_prometheus(alertmanager: u16, global: &str, relabelling: &str) -> Result<(u16, Service), String> {
    let program = program(&["prometheus"], &[]).ok_or("Prometheus is not installed (prometheus)")?;
    let (home, port) = (folder("prometheus"), free_port());
    let config = home.join("prometheus.yml");
    fs::write(home.join("rules.yml"), RULES).map_err(|why| why.to_string())?;
    let text = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n  {global}\n\
         rule_files: [rules.yml]\n\
         alerting:\n{relabelling}  alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]\n\
         scrape_configs: [{{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    );
    fs::write(&config, text).map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    // What it sends before it knows the Alertmanager is lost, and by default sent again only after a minute.
    command.arg("--rules.alert.resend-delay=1s");
    let mut service = Service::start("prometheus-log", &mut command)?;
    service.ready(Duration::from_secs(60), || is_ready(port))?;
    Ok((port, service))
}

/// It answers on its port, and says that it is ready.
pub fn is_ready(port: u16) -> bool {
    http::get(port, "/-/ready").is_ok_and(|answer| answer.status == 200)
}

fn make_silence(alertmanager: u16) -> Result<String, String> {
    let now = jiff::Timestamp::now();
    let body = json!({
        "matchers": [{"name": "alertname", "value": SILENCED, "isRegex": false, "isEqual": true}],
        "startsAt": now.to_string(),
        "endsAt": (now + Duration::from_secs(7200)).to_string(),
        "createdBy": "lab",
        "comment": SILENCE_COMMENT,
    });
    let answer = http::post(alertmanager, "/api/v2/silences", &body).map_err(|why| why.to_string())?;
    let id = answer.json()["silenceID"].as_str().map(str::to_owned);
    id.ok_or_else(|| format!("no silence was made: {}", answer.body))
}
