//! The shipped rules and routes (`assets/monitoring`): read and tried by the services' own tools, then run by the services themselves.

use crate::desk::Desk;
use crate::lab::monitoring::alertmanager_of;
use crate::lab::nodes::start_scraping;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::{Service, folder, free_port};
use crate::lab::{self, http, poll, program};
use crate::support::LONG;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/monitoring").join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(shipped(file)).unwrap()
}

/// A tool, or the test of this name is skipped.
fn tool(test: &str, name: &str) -> Option<PathBuf> {
    let found = program(&[name], &[]);
    if found.is_none() {
        lab::skip(&format!("it::monitoring_rules::{test}"), &format!("{name} is not installed"));
    }
    found
}

/// Whether a tool is content, and all that it said.
fn asked(tool: &Path, arguments: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new(tool).args(arguments).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// The names of the alerting rules, in order.
fn alerts() -> Vec<String> {
    let text = text("alerts.yml");
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

#[test]
fn prometheus_reads_the_rules_and_the_example() {
    let Some(promtool) = tool("prometheus_reads_the_rules_and_the_example", "promtool") else { return };
    for (arguments, file) in [
        (["check", "rules"], "alerts.yml"),
        (["check", "config"], "prometheus.yml"),
        (["test", "rules"], "alerts.test.yml"),
    ] {
        let (well, said) = asked(&promtool, &arguments, &shipped(file));
        assert!(well && said.contains("SUCCESS"), "{file}: {said}");
    }
}

/// The threshold of each rule, and for how long it must be past it: another one is noticed by the rule's own test.
#[test]
fn a_threshold_or_a_time_that_is_another_one_is_noticed() {
    let Some(promtool) = tool("a_threshold_or_a_time_that_is_another_one_is_noticed", "promtool") else { return };
    let rules = text("alerts.yml");
    let changes = [
        ("up{job=\"godot\"} == 0", "up == 0"),
        ("expr: absent(up{job=\"godot\"})", "expr: absent(up)"),
        ("up{job=\"godot-api\"} == 0", "up{job=~\"godot.*\"} == 0"),
        ("up{job=\"godot-api\"} == 0\n        for: 1m", "up{job=\"godot-api\"} == 0\n        for: 0m"),
        ("> 0.05\n        for: 5m", "> 0.60\n        for: 5m"),
        ("> 0.05\n        for: 5m", "> 0.05\n        for: 9m"),
        ("[5m]))) > 2", "[5m]))) > 3"),
        ("sum by (job, instance, le)", "sum by (job, instance, path, le)"),
        ("> 0.90", "> 0.89"),
        ("> 0.85", "> 0.90"),
        ("fstype!~\"tmpfs|ramfs|overlay|squashfs|iso9660\"", "fstype!=\"tmpfs\""),
        ("> 0.80", "> 0.95"),
        ("for: 10m", "for: 20m"),
        (" or pg_up == 0", ""),
        ("pg_replication_lag_seconds > 60", "pg_replication_lag_seconds > 100"),
        (
            "pg_replication_slot_slot_is_active == 0\n        for: 5m",
            "pg_replication_slot_slot_is_active == 0\n        for: 8m",
        ),
        ("{datname!~\".+_before_(restore|failover)\"} > 0", " > 0"),
        ("{datname!~\".+_before_(restore|failover)\"} > 0", "{datname=\"spacetime\"} > 3"),
        ("vector(1)", "vector(1) == 2"),
    ];
    let folder = folder("rules");
    fs::write(folder.join("alerts.test.yml"), text("alerts.test.yml")).unwrap();
    for (from, to) in changes {
        assert!(rules.contains(from), "the rules have {from}");
        fs::write(folder.join("alerts.yml"), rules.replace(from, to)).unwrap();
        let (well, said) = asked(&promtool, &["test", "rules"], &folder.join("alerts.test.yml"));
        assert!(!well && said.contains("FAILED"), "{from} became {to}: {said}");
    }
}

#[test]
fn every_alert_says_what_where_and_which_runbook_and_is_documented() {
    let (rules, readme) = (text("alerts.yml"), text("README.md"));
    let names = alerts();
    assert_eq!(names.len(), 13, "{names:?}");
    for (name, rule) in names.iter().zip(rules.split("- alert: ").skip(1)) {
        assert!(readme.contains(&format!("| {name} |")), "{name} stands in the README");
        if name == "Watchdog" {
            continue;
        }
        for key in ["severity: ", "summary: ", "description: ", "runbook: ", "runbook_url: "] {
            assert!(rule.contains(key), "{name} has {key}");
        }
        let runbook = rule.lines().find_map(|line| line.trim().strip_prefix("runbook: ")).unwrap();
        assert!(rule.contains(&format!("/{runbook}\"")), "{name}: the address is that of {runbook}");
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/runbooks/{runbook}.md"));
        if let Ok(page) = fs::read_to_string(page) {
            let offers = page.lines().find(|line| line.starts_with("alerts: ")).unwrap_or_default();
            assert!(offers.contains(name.as_str()), "{runbook} is offered for {name}: {offers:?}");
        }
    }
}

/// Who would hear of an alert with these labels.
fn heard(amtool: &Path, labels: &[&str]) -> String {
    let file = shipped("alertmanager.yml");
    let output =
        Command::new(amtool).args(["config", "routes", "test", "--config.file"]).arg(file).args(labels).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn alertmanager_reads_the_routes_and_each_severity_reaches_who_must_hear() {
    let test = "alertmanager_reads_the_routes_and_each_severity_reaches_who_must_hear";
    let Some(amtool) = tool(test, "amtool") else { return };
    let (well, said) = asked(&amtool, &["check-config"], &shipped("alertmanager.yml"));
    assert!(well && said.contains("SUCCESS"), "{said}");
    let heard = |labels: &[&str]| heard(&amtool, labels);
    assert_eq!(heard(&["alertname=ServiceDown", "severity=critical"]), "pagerduty-critical,slack-alerts");
    assert_eq!(heard(&["alertname=HighErrorRate", "severity=warning"]), "email-alerts,slack-alerts");
    assert_eq!(heard(&["alertname=Watchdog", "severity=none"]), "deadman");
    assert_eq!(heard(&["alertname=Other"]), "slack-alerts", "what nobody thought of is heard");
}

#[test]
fn no_secret_stands_in_the_routes() {
    let text = text("alertmanager.yml");
    for key in ["api_url:", "auth_password:", "smtp_auth_password:", "service_key:", "routing_key:", "hooks.slack.com"]
    {
        assert!(!text.contains(key), "{key} is given by a file");
    }
    assert_eq!(text.matches("_file: /etc/alertmanager/secrets/").count(), 3);
}

/// The shipped rules and routes in real services that keep shorter times; Slack and PagerDuty are one stand-in.
struct Running {
    prometheus: u16,
    alertmanager: u16,
    told: Scripted,
    _services: [Service; 2],
}

/// Its secrets, which nobody may see.
const SLACK: &str = "slack-hunter2";
const PAGER: &str = "pager-hunter2";

impl Running {
    fn start(targets: &[String]) -> Result<Self, String> {
        let told = Scripted::start(|_| Say::Answer(202, b"ok".to_vec()));
        let at = format!("http://127.0.0.1:{}", told.port());
        let home = folder("monitoring-rules");
        let secret = |name: &str, value: &str| {
            let path = home.join(name);
            fs::write(&path, value).unwrap();
            path.display().to_string()
        };
        let routes = text("alertmanager.yml")
            .replace("/etc/alertmanager/secrets/slack-url", &secret("slack", &format!("{at}/{SLACK}")))
            .replace("/etc/alertmanager/secrets/pagerduty-key", &secret("pager", PAGER))
            .replace("/etc/alertmanager/secrets/smtp-password", &secret("smtp", "smtp-hunter2"))
            .replace("smtp.example.com:587", "127.0.0.1:9")
            .replace("global:\n", &format!("global:\n  pagerduty_url: {at}/pagerduty\n"))
            .replace("group_wait: 30s", "group_wait: 1s")
            .replace("group_wait: 10s", "group_wait: 1s");
        let (alertmanager, below) = alertmanager_of(&routes)?;
        let rules = home.join("alerts.yml");
        // Long enough for the first scrape: until then no server is known, and ServiceMissing is about to fire.
        let quick = text("alerts.yml").replace("interval: 30s", "interval: 1s").replace("for: 1m", "for: 5s");
        fs::write(&rules, quick).unwrap();
        let prometheus = free_port();
        let config = format!(
            "- job_name: godot\n  static_configs: [{{targets: [{}]}}]\nrule_files: ['{}']\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n",
            targets.join(", "),
            rules.display()
        );
        let mut above = start_scraping(prometheus, &config)?;
        above.ready(LONG, || lab::monitoring::is_ready(prometheus))?;
        Ok(Self { prometheus, alertmanager, told, _services: [above, below] })
    }

    fn rules(&self) -> Vec<Value> {
        let Ok(answer) = http::get(self.prometheus, "/api/v1/rules") else { return Vec::new() };
        let groups = answer.json()["data"]["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    fn config(&self) -> String {
        crate::desk::alerts(self.prometheus, self.alertmanager)
    }
}

#[test]
fn prometheus_runs_the_rules_and_a_server_that_is_down_reaches_slack_and_pagerduty() {
    let test = "it::monitoring_rules::prometheus_runs_the_rules_and_a_server_that_is_down_reaches_slack_and_pagerduty";
    let game = Scripted::start(|_| Say::good("http_requests_total{status=\"200\"} 5\n"));
    let (up, down) = (format!("'127.0.0.1:{}'", game.port()), format!("'127.0.0.1:{}'", free_port()));
    let running = match Running::start(&[up, down.clone()]) {
        Ok(running) => running,
        Err(why) => return lab::skip(test, &why),
    };
    let evaluated = || {
        let rules = running.rules();
        let all = rules.len() == alerts().len() && rules.iter().all(|rule| rule["health"] != "unknown");
        all.then_some(rules)
    };
    let rules = poll(LONG, evaluated).expect("all rules are evaluated");
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:#?}");
    // Before the first scrape there is no target: what is told of that may come first.
    let about = |request: &String, to: &str| request.starts_with(to) && request.contains("ServiceDown");
    let posted = |to: &str| running.told.requests().into_iter().find(|request| about(request, to));
    let slack = poll(LONG, || posted(&format!("POST /{SLACK} "))).expect("Slack hears of it");
    let pager = poll(LONG, || posted("POST /pagerduty ")).expect("PagerDuty hears of it");
    let instance = down.trim_matches('\'');
    assert!(slack.contains(&format!("{instance} has not answered Prometheus")), "{slack}");
    assert!(slack.contains("Runbook: service-down") && slack.contains("\"#alerts\""), "{slack}");
    assert!(pager.contains(&format!("ServiceDown {instance}")) && pager.contains(PAGER), "{pager}");
    let key = crate::handbook_response::dedup_key(&format!("{{alertname=\"ServiceDown\", instance=\"{instance}\"}}"));
    assert!(
        pager.contains(&format!("\"dedup_key\":\"{key}\"")),
        "alert-acknowledge names the incident as Alertmanager does: {pager}"
    );
    let desk = Desk::with(&running.config());
    let seen = desk.run(&["snapshot", "alerts", "--json"]);
    let seen = String::from_utf8(seen.stdout).unwrap();
    for words in ["ServiceDown", "service-down", instance, "Watchdog"] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    assert!(!seen.contains("hunter2"), "{seen}");
    let firing = http::get(running.prometheus, "/api/v1/alerts").unwrap().json();
    let firing = firing["data"]["alerts"].as_array().unwrap().iter();
    let mut firing: Vec<&str> = firing.filter_map(|alert| alert["labels"]["alertname"].as_str()).collect();
    firing.sort_unstable();
    assert_eq!(firing, ["ServiceDown", "Watchdog"], "and nothing else");
}
