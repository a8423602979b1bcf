//! The handbook's chapters about the response to an incident, windows of maintenance and disaster recovery, run: each shipped runbook as it
//! stands. A status page, Slack and PagerDuty by servers that speak as these are documented to; clouds by stand-ins of their commands that
//! record each call; PostgreSQL, Alertmanager, sshd and iptables are real ones.

use crate::lab::cloud::Cloud;
use crate::lab::monitoring::alertmanager_of;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::folder;
use crate::lab::sshd::Sshd;
use crate::lab::{self, http, is_root, need, program};
use crate::pty::{PATIENCE, Session};
use crate::support::{Home, said, say, two_logins_config, vars};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Tokens that nobody may see.
pub const TOKEN: &str = "status-hunter2";
pub const KEY: &str = "pager-hunter2";

/// What could not be had skips the test of this name.
pub fn had<T>(test: &str, made: Result<T, String>) -> Option<T> {
    made.map_err(|why| lab::skip(&format!("it::handbook::{test}"), &why)).ok()
}

pub fn body(request: &str) -> &str {
    request.split_once("\n\n").map_or("", |(_, body)| body)
}

pub fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let head = request.split("\n\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The requests that changed something: the first line up to the version, and the body.
pub fn changes(service: &Scripted) -> Vec<(String, String)> {
    let all =
        service.requests().into_iter().filter(|request| !request.starts_with("GET ") && !request.starts_with("HEAD "));
    all.map(|request| {
        let line = request.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
        (line.to_owned(), body(&request).to_owned())
    })
    .collect()
}

/// A text in which every break of a line is a blank.
pub fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn pair(line: &str, body: &str) -> (String, String) {
    (line.to_owned(), body.to_owned())
}

/// A file for its owner alone, as a secret of the config.
pub fn secret(name: &str, value: &str) -> String {
    let file = folder("secret").join("value");
    fs::write(&file, value).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    format!("[secret.{name}]\nfile = \"{}\"\n", file.display())
}

pub fn site(name: &str, service: &Scripted) -> String {
    format!("[http.{name}]\nurl = \"http://127.0.0.1:{}\"\n", service.port())
}

/// A status page: incidents and maintenances that can be opened, read and changed, by those who have the token.
fn status_page() -> (Scripted, String) {
    let things: Mutex<BTreeMap<String, Value>> = Mutex::default();
    let page = Scripted::start_whole(move |request| {
        if header(request, "authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Say::Answer(401, br#"{"error": "who are you"}"#.to_vec());
        }
        let mut words = request.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut things = things.lock().unwrap();
        let thing = match method {
            "POST" => {
                let id = format!("{}{}", &path["/api/".len()..="/api/".len()], things.len() + 1);
                let mut new: Value = serde_json::from_str(body(request)).unwrap();
                new["id"] = json!(id);
                if new["status"].is_null() {
                    new["status"] = json!("scheduled");
                }
                things.insert(format!("{path}/{id}"), new.clone());
                return Say::Answer(201, new.to_string().into_bytes());
            }
            "PATCH" => things.get_mut(path).map(|thing| {
                let more: Value = serde_json::from_str(body(request)).unwrap();
                more.as_object().unwrap().iter().for_each(|(name, value)| thing[name] = value.clone());
                thing.clone()
            }),
            _ if matches!(path, "/api/incidents" | "/api/maintenances") => {
                let all = things.iter().filter(|(name, _)| name.starts_with(path)).map(|(_, thing)| thing.clone());
                Some(Value::Array(all.collect()))
            }
            _ => things.get(path).cloned(),
        };
        thing.map_or(Say::Answer(404, Vec::new()), |thing| Say::good(thing.to_string()))
    });
    let config = site("status", &page) + &secret("status_token", TOKEN);
    (page, config)
}

/// Hosts behind one sshd, whose scripts find the stand-ins; the folder is what the handbook has in `/opt/spacetime/production`.
pub struct Hosts {
    pub cloud: Cloud,
    folder: PathBuf,
    /// What a config says of them.
    pub config: String,
    _sshd: Sshd,
}

impl Hosts {
    pub fn start(names: &[&str], commands: &[&str]) -> Result<Self, String> {
        if !is_root() {
            return Err("root, who becomes postgres on a host".to_owned());
        }
        program(&["sudo"], &[]).ok_or("sudo is not installed (sudo)")?;
        let cloud = Cloud::new(&[commands, &["docker", "docker-compose", "curl"]].concat());
        let sshd = Sshd::start_finding(&cloud.path())?;
        sshd.many(names.iter().copied(), &[]);
        let table = |name: &&str| {
            let config = sshd.config();
            format!(
                "[ssh.{name}]\nhost = \"{name}\"\nconfig = \"{}\"\n[[server]]\nname = \"{name}\"\n",
                config.display()
            )
        };
        let config = format!("environment = \"lab\"\n{}", names.iter().map(table).collect::<String>());
        let production = folder("production");
        fs::create_dir(production.join("deploy")).unwrap();
        let hosts = Self { cloud, folder: production, config, _sshd: sshd };
        hosts.script("smoke_tests.sh", "echo smoke \"$@\" >> calls");
        hosts.script("rollback.sh", "echo rollback \"$@\" >> calls");
        Ok(hosts)
    }

    /// A script of the handbook's.
    pub fn script(&self, name: &str, text: &str) {
        fs::write(self.folder.join("deploy").join(name), format!("set -eu\n{text}\n")).unwrap();
    }

    /// What its docker says of blue to `docker ps` with these words: of green and of a project of the folder's name there is nothing.
    pub fn lists(&self, words: &[&str], format: &[&str], said: &str) {
        for (project, said) in [("spacetime-blue", said), ("*", "")] {
            let filter = format!("label=com.docker.compose.project={project}");
            self.cloud.answers(&[&["docker", "ps"], words, &["--filter", &filter], format].concat(), said);
        }
    }

    /// It has one container, of blue, which stops and starts.
    pub fn has_blue(&self) {
        let states = ["--format", "{{.Names}} {{.Status}}"];
        self.lists(&["-aq"], &[], "1f0c\n");
        self.lists(&[], &states, "");
        self.lists(&["-a"], &states, UP);
        for verb in ["stop", "start"] {
            self.cloud.answers(&["docker", verb, "1f0c"], "");
        }
    }

    /// What was stopped and started.
    pub fn turned(&self) -> Vec<String> {
        let called = self.cloud.called("docker");
        called.into_iter().filter(|call| !call.starts_with("docker ps ")).collect()
    }

    /// How the handbook's scripts were called.
    pub fn scripts_called(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    pub fn home(&self, more: &str) -> Home {
        // Tables come behind what is above all of them.
        Home::finding(&(self.config.clone() + more), self.cloud.path())
    }

    pub fn at(&self, given: &[&str]) -> Vec<String> {
        let place = format!("folder={}", self.folder.display());
        vars(&[given, &[&place]].concat())
    }
}

pub const UP: &str = "spacetime-blue-godot-server-1 Up 3 seconds (healthy)\n";

pub fn on_terminal(home: &Home, id: &str, given: &[String]) -> Session {
    let words: Vec<&str> = ["runbook", "run", id].into_iter().chain(given.iter().map(String::as_str)).collect();
    home.on_terminal(&words)
}

/// Waits until a question stands at the end of all that was said, with these words a few lines above at the most, and answers it.
pub fn asks(screen: &mut Session, words: &str, line: &str) {
    screen.wait_screen(&format!("a question with “{words}”"), PATIENCE, |screen| {
        let contents = screen.contents();
        let lines: Vec<&str> = contents.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let near = lines[lines.len().saturating_sub(45)..].iter().any(|line| line.contains(words));
        near && lines.last().is_some_and(|line| line.ends_with(':'))
    });
    say(screen, line);
}

/// Ticks all items of a step by hand, each by the words that it begins with, and ends the step.
pub fn tick(screen: &mut Session, items: &[&str]) {
    screen.wait_text(&format!("tick 1: {}", items[0]));
    for (at, item) in items.iter().enumerate() {
        say(screen, &format!("tick {}", at + 1));
        screen.wait_text(&format!("[x] {item}"));
    }
    say(screen, "done");
}

pub fn ok(home: &Home, id: &str, given: &[String]) -> String {
    let (code, said) = home.unattended(id, given);
    assert_eq!(code, Some(0), "{id}: {said}");
    said
}

pub fn undone(home: &Home) {
    let (code, said) = home.undo_newest();
    assert_eq!(code, Some(0), "{said}");
}

pub fn refused(home: &Home, id: &str, given: &[String], why: &str) {
    let (code, said) = home.unattended(id, given);
    assert!(code != Some(0) && said.contains(why), "{id}: {why}: {code:?} {said}");
}

#[test]
fn an_incident_is_opened_updated_and_taken_back_on_the_status_page() {
    let (page, config) = status_page();
    let home = Home::new(&format!("environment = \"lab\"\n{config}"));
    refused(&home, "status-open", &vars(&["name=Service Degradation"]), "message");
    let opens = opens();
    let words: Vec<&str> =
        ["runbook", "plan", "status-open"].into_iter().chain(opens.iter().map(String::as_str)).collect();
    let planned = said(&home.run(&words));
    assert!(changes(&page).is_empty());
    let told = ok(&home, "status-open", &opens);
    assert!(told.contains("the incident is i1") && !(planned.clone() + &told).contains(TOKEN), "{planned}{told}");
    let opened = r#"{"name": "Service Degradation", "status": "investigating", "message": "We are investigating connectivity issues.", "deliver_notifications": false}"#;
    assert!(unfolded(&planned).contains(opened), "the whole draft is shown: {planned}");
    assert_eq!(changes(&page), [pair("POST /api/incidents", opened)]);
    let posted = page.requests().into_iter().find(|request| request.starts_with("POST ")).unwrap();
    assert!(header(&posted, "idempotency-key").is_some_and(|key| !key.is_empty()), "{posted}");
    assert_eq!(header(&posted, "content-type"), Some("application/json"));

    let given =
        vars(&["incident=i1", "state=identified", "message=The database is \"slow\", we add one.", "notify=true"]);
    ok(&home, "status-update", &given);
    let updated = r#"{"status": "identified", "message": "The database is \"slow\", we add one.", "deliver_notifications": true}"#;
    assert_eq!(changes(&page)[1], pair("PATCH /api/incidents/i1", updated));
    undone(&home);
    let back = r#"{"status": "investigating", "deliver_notifications": false}"#;
    assert_eq!(changes(&page)[2], pair("PATCH /api/incidents/i1", back));
    refused(&home, "status-update", &vars(&["incident=i9", "state=monitoring", "message=It is so"]), "404");
    assert_eq!(changes(&page).len(), 3);
    // What is open is listed, and nobody opens it once more by mistake; what is public is not taken back by words that nobody wrote.
    refused(&home, "status-open", &opens, "open: i1, investigating: Service Degradation");
    ok(&home, "status-open", &[opens.clone(), vars(&["another=true"])].concat());
    let (code, said) = home.undo_newest();
    assert!(code != Some(0) && changes(&page).len() == 4, "{code:?} {said}");

    // What was opened by mistake is withdrawn with words, without a look at whether something is over that never was.
    let given = vars(&["incident=i2", "message=This was opened by mistake: nothing was wrong."]);
    let mut screen = on_terminal(&home, "status-withdraw", &given);
    asks(&mut screen, "to run it type  withdraw 1 on status", "withdraw 1 on status");
    tick(&mut screen, &["Nothing of it was ever noticed", "Whoever opened it"]);
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    let withdrawn = r#"{"status": "resolved", "message": "This was opened by mistake: nothing was wrong.", "deliver_notifications": false}"#;
    assert_eq!(changes(&page).last().unwrap(), &pair("PATCH /api/incidents/i2", withdrawn));

    // Nobody is let in by another token, and nothing is said of what it is.
    home.configure(&format!(
        "environment = \"lab\"\n{}{}",
        site("status", &page),
        secret("status_token", "other-hunter2")
    ));
    let (code, said) = home.unattended("status-open", &opens);
    assert!(code.is_none() && said.contains("401") && !said.contains("hunter2"), "{code:?} {said}");
}

/// What the handbook's incident is opened with.
pub fn opens() -> Vec<String> {
    vars(&["name=Service Degradation", "message=We are investigating connectivity issues."])
}

#[test]
fn an_incident_is_closed_only_when_smoke_tests_and_people_say_so_and_opened_again() {
    let test = "an_incident_is_closed_only_when_smoke_tests_and_people_say_so_and_opened_again";
    let Some(hosts) = had(test, Hosts::start(&["game-1"], &[])) else { return };
    let (page, config) = status_page();
    let home = hosts.home(&config);
    ok(&home, "status-open", &opens());
    hosts.cloud.answers(&["curl", "-fsS", "--max-time", "10", "https://spacetime.example.com/metrics"], "up 1\n");
    let message = "message=Issue has been resolved. All systems operational.";
    let given = hosts.at(&["incident=i1", "server=game-1", message]);
    let mut screen = on_terminal(&home, "status-resolve", &given);
    asks(&mut screen, "to run it type  publish 1 on status", "publish 1 on status");
    tick(&mut screen, &["For a quarter of an hour", "No alert about it"]);
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    let closed = r#"{"status": "resolved", "message": "Issue has been resolved. All systems operational.", "deliver_notifications": false}"#;
    assert_eq!(changes(&page)[1], pair("PATCH /api/incidents/i1", closed));
    assert!(hosts.scripts_called().iter().all(|call| call == "smoke"), "{:?}", hosts.scripts_called());
    undone(&home);
    let again = r#"{"status": "investigating", "deliver_notifications": false}"#;
    assert_eq!(changes(&page)[2], pair("PATCH /api/incidents/i1", again));
    hosts.script("smoke_tests.sh", "echo 'login fails' >&2; exit 1");
    refused(&home, "status-resolve", &given, "login fails");
    assert_eq!(changes(&page).len(), 3);
}

/// Slack, as far as its Web API is used here: 200 to everything, and `ok` in the body.
fn slack() -> Scripted {
    let named: Mutex<Vec<String>> = Mutex::default();
    Scripted::start_whole(move |request| {
        let path = request.split_whitespace().nth(1).unwrap_or_default();
        if header(request, "authorization") != Some("Bearer slack-hunter2") {
            return Say::good(r#"{"ok": false, "error": "invalid_auth"}"#);
        }
        let asked: Value = serde_json::from_str(body(request)).unwrap_or_default();
        let answer = match path.split('?').next().unwrap_or_default() {
            "/api/conversations.create" => {
                let name = asked["name"].as_str().unwrap().to_owned();
                let mut named = named.lock().unwrap();
                if named.contains(&name) {
                    json!({"ok": false, "error": "name_taken"})
                } else {
                    named.push(name.clone());
                    json!({"ok": true, "channel": {"id": "C012AB3CD", "name": name}})
                }
            }
            "/api/conversations.info" => json!({"ok": true, "channel": {"id": "C012AB3CD", "is_archived": false}}),
            "/api/chat.postMessage" => json!({"ok": true, "channel": "C0INCIDENTS", "ts": "1764388800.000100"}),
            "/api/conversations.history" => json!({"ok": true, "messages": [{"ts": "1764388800.000100"}]}),
            "/api/conversations.archive" | "/api/chat.delete" => json!({"ok": true}),
            _ => json!({"ok": false, "error": "unknown_method"}),
        };
        Say::good(answer.to_string())
    })
}

#[test]
fn a_channel_is_opened_told_of_and_taken_back() {
    let slack = slack();
    let config = site("slack", &slack) + &secret("slack_token", "slack-hunter2");
    let home = Home::new(&format!("environment = \"lab\"\n{config}"));
    refused(&home, "incident-channel", &vars(&["channel=inc-2026-11-29-login"]), "message");
    let given = vars(&["channel=inc-2026-11-29-login", "level=P0", "message=Production down - investigating"]);
    let said = ok(&home, "incident-channel", &given);
    assert!(said.contains("#inc-2026-11-29-login is C012AB3CD"), "{said}");
    let created = pair("POST /api/conversations.create", r#"{"name": "inc-2026-11-29-login", "is_private": false}"#);
    let told = r##"{"channel": "#incidents", "text": "P0: Production down - investigating\nAll about it in <#C012AB3CD>", "unfurl_links": false}"##;
    assert_eq!(changes(&slack), [created, pair("POST /api/chat.postMessage", told)]);
    undone(&home);
    let deleted = pair("POST /api/chat.delete", r#"{"channel": "C0INCIDENTS", "ts": "1764388800.000100"}"#);
    let archived = pair("POST /api/conversations.archive", r#"{"channel": "C012AB3CD"}"#);
    assert_eq!(changes(&slack)[2..], [deleted, archived]);
    // Slack says 200, and that it did not do it.
    let (code, said) = home.unattended("incident-channel", &given);
    assert!(code == Some(1) && said.contains("it was refused: name_taken"), "{code:?} {said}");
    let kept = String::from_utf8(home.run(&["journal", "export"]).stdout).unwrap();
    assert!(kept.contains("name_taken"), "why is in the journal: {kept}");
    assert_eq!(changes(&slack).len(), 5, "nobody is told of a channel that is not there");
}

/// PagerDuty: events are accepted whatever they name; the API tells of incidents that there are.
fn pagerduty(known: String) -> (Scripted, Scripted) {
    let acknowledged: Arc<Mutex<bool>> = Arc::default();
    let (mark, name) = (Arc::clone(&acknowledged), known.clone());
    let events = Scripted::start_whole(move |request| {
        let event: Value = serde_json::from_str(body(request)).unwrap_or_default();
        *mark.lock().unwrap() |= event["dedup_key"] == name.as_str();
        let answer = json!({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]});
        Say::Answer(202, answer.to_string().into_bytes())
    });
    let api = Scripted::start_whole(move |request| {
        if header(request, "authorization") != Some("Token token=read-hunter2") {
            return Say::Answer(401, Vec::new());
        }
        let is_it =
            request.contains(&format!("incident_key={known}&statuses%5B%5D=triggered&statuses%5B%5D=acknowledged"));
        let status = if *acknowledged.lock().unwrap() { "acknowledged" } else { "triggered" };
        let incidents = if is_it { json!([{"id": "Q1", "status": status}]) } else { json!([]) };
        Say::good(json!({ "incidents": incidents }).to_string())
    });
    (events, api)
}

/// What Alertmanager calls the incident of these labels: `monitoring_rules` holds a real one to it.
pub fn dedup_key(labels: &str) -> String {
    let sum = Sha256::digest(format!("{{}}/{{severity=\"critical\"}}:{labels}").as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_alert_is_acknowledged_at_pagerduty_and_an_event_that_was_only_accepted_is_no_acknowledgement() {
    let group = r#"{alertname="ServiceDown", instance="10.0.1.4:8080"}"#;
    let (events, api) = pagerduty(dedup_key(group));
    let secrets = secret("pagerduty_key", KEY) + &secret("pagerduty_token", "read-hunter2");
    let home = Home::new(&format!(
        "environment = \"lab\"\n{}{}{secrets}",
        site("pagerduty", &events),
        site("pagerduty_api", &api)
    ));
    let said = ok(&home, "alert-acknowledge", &vars(&[&format!("group={group}")]));
    assert!(!said.contains("hunter2"), "{said}");
    let sent =
        format!(r#"{{"routing_key": "{KEY}", "event_action": "acknowledge", "dedup_key": "{}"}}"#, dedup_key(group));
    assert_eq!(changes(&events), [("POST /v2/enqueue".to_owned(), sent)]);
    assert!(changes(&api).is_empty());
    assert_eq!(home.story().last().unwrap(), "run.finish ok", "who acknowledged is recorded");
    let (code, said) = home.unattended("alert-acknowledge", &vars(&[r#"group={alertname="Other"}"#]));
    assert!(
        code != Some(0) && said.contains("json.incidents.exists(i, i.status == 'acknowledged')` is not true"),
        "{code:?} {said}"
    );
}

#[test]
fn an_alert_is_silenced_for_a_time_and_the_silence_expires_when_it_is_taken_back() {
    let test = "an_alert_is_silenced_for_a_time_and_the_silence_expires_when_it_is_taken_back";
    let routes = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
    let Some((port, _service)) = had(test, alertmanager_of(routes)) else { return };
    let home = Home::new(&format!("environment = \"lab\"\n[alertmanager.main]\nurl = \"http://127.0.0.1:{port}\"\n"));
    let given = |matchers: &str| {
        vars(&[&format!("matchers={matchers}"), "duration=1h30m", "reason=it is being \"replaced\", see #7"])
    };
    let begun = Timestamp::now();
    let said =
        ok(&home, "alert-silence", &given(r#"{alertname="Down, or not", path="C:\\x", zone=~"a|b", team!="x"}"#));
    let silences = || http::get(port, "/api/v2/silences").unwrap().json();
    let made = silences();
    let [silence] = &made.as_array().unwrap()[..] else { panic!("one silence: {made}") };
    let matcher = |name: &str, value: &str, regex: bool, equal: bool| json!({"name": name, "value": value, "isRegex": regex, "isEqual": equal});
    let wanted = [
        matcher("alertname", "Down, or not", false, true),
        matcher("path", "C:\\x", false, true),
        matcher("team", "x", false, false),
        matcher("zone", "a|b", true, true),
    ];
    let mut found = silence["matchers"].as_array().unwrap().clone();
    found.sort_by_key(|matcher| matcher["name"].as_str().unwrap().to_owned());
    assert_eq!(found, wanted);
    assert_eq!(
        (&silence["status"]["state"], &silence["comment"]),
        (&json!("active"), &json!("it is being \"replaced\", see #7"))
    );
    let ends: Timestamp = silence["endsAt"].as_str().unwrap().parse().unwrap();
    let lasts = ends.duration_since(begun);
    assert!(lasts > SignedDuration::from_mins(89) && lasts < SignedDuration::from_mins(92), "{lasts:?}");
    assert!(silence["createdBy"].as_str().unwrap().contains('@'), "{silence}");
    assert!(said.contains("active until "), "{said}");
    undone(&home);
    assert_eq!(silences()[0]["status"]["state"], "expired");
    // One that would hide everything is refused by Alertmanager itself; what is no matcher comes as far as the plan.
    let (code, said) = home.unattended("alert-silence", &given(r#"{alertname=~".*"}"#));
    assert!(code == Some(1) && said.contains("400"), "{code:?} {said}");
    refused(&home, "alert-silence", &given("{alertname=Down}"), "this is no matcher: alertname=Down");
    assert_eq!(silences().as_array().unwrap().len(), 1);
}

#[test]
fn everything_is_looked_at_once_and_what_is_wrong_stops_nothing() {
    let test = "everything_is_looked_at_once_and_what_is_wrong_stops_nothing";
    let server = need!(postgres);
    let Some(hosts) = had(test, Hosts::start(&["game-1", "game-2"], &[])) else { return };
    let states = format!("{UP}spacetime-blue-godot-api-1 Exited (137) 2 minutes ago\n");
    hosts.lists(&["-a"], &["--format", "{{.Names}} {{.Status}}"], &states);
    hosts.lists(&["-a"], &["--format", "{{.Names}}"], "spacetime-blue-godot-api-1\n");
    let log = ["docker", "logs", "--tail=50", "spacetime-blue-godot-api-1"];
    hosts.cloud.answers(&log, "all is well\nERROR: no session for the player\n");
    let asked = [
        "curl",
        "-fsS",
        "--max-time",
        "10",
        "-o",
        "/dev/null",
        "-w",
        "%{time_total}",
        "https://spacetime.example.com/metrics",
    ];
    hosts.cloud.ends(&asked, "", "could not resolve\n", 6);
    let home = hosts.home(&two_logins_config(server.port).replace("environment = \"lab\"\n", ""));
    let said = ok(&home, "response-investigate", &hosts.at(&["servers=game-1,game-2", "database=primary"]));
    for words in ["1 containers do not run as they should", "errors among the last 50 lines: 1", "gives no answer"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let kept = String::from_utf8(home.run(&["journal", "export"]).stdout).unwrap();
    assert!(kept.contains("no session for the player"), "it is kept for the post-mortem: {kept}");
    assert!(hosts.turned().iter().all(|call| call.starts_with("docker logs ")), "{:?}", hosts.turned());
    // One that can't be read is no quiet one.
    hosts.cloud.ends(&log, "", "the log driver does not support reading\n", 1);
    let said = ok(&home, "response-investigate", &hosts.at(&["servers=game-1,game-2", "database=primary"]));
    assert!(said.contains("the log of spacetime-blue-godot-api-1 can't be read: the log driver"), "{said}");
}

/// The first Sunday that is so many days away at the least.
fn sunday(days: i64) -> Date {
    let from = jiff::tz::TimeZone::UTC.to_datetime(Timestamp::now()).date() + days.days();
    let wait = (7 - from.weekday().to_monday_one_offset()) % 7;
    from + i64::from(wait).days()
}

#[test]
fn a_window_is_announced_a_week_before_on_sunday_at_night_and_called_off() {
    let (page, config) = status_page();
    let cloud = Cloud::new(&["gh"]);
    let home = Home::finding(&format!("environment = \"lab\"\n{config}"), cloud.path());
    let day = sunday(8).to_string();
    let titles = [
        "gh",
        "issue",
        "list",
        "--repo",
        "spacetime/operations",
        "--label",
        "maintenance",
        "--state",
        "open",
        "--limit",
        "200",
    ];
    let asked = |json: &str, jq: &str| {
        [&titles[..], &["--json", json, "--jq", jq]].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let listed = asked("title", ".[].title");
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    let title = format!("Scheduled Maintenance: {day}");
    // In the step, and by its verification.
    for said in ["Scheduled Maintenance: 2025-12-07\n", &format!("{title}\n")] {
        cloud.answers(&listed, said);
    }
    let made = format!("Planned maintenance window on {day} from 02:00-05:00 UTC.");
    let create = [
        "gh",
        "issue",
        "create",
        "--repo",
        "spacetime/operations",
        "--title",
        &title,
        "--label",
        "maintenance",
        "--body",
        &made,
    ];
    cloud.answers(&create, "https://github.com/spacetime/operations/issues/12\n");
    let message = "message=We will be performing database maintenance.";
    let given = vars(&[&format!("day={day}"), message]);
    let words: Vec<&str> =
        ["runbook", "plan", "maintenance-schedule"].into_iter().chain(given.iter().map(String::as_str)).collect();
    let planned = unfolded(&said(&home.run(&words)));
    assert!(planned.contains("no subscriber is mailed") && planned.contains("no window is announced"), "{planned}");
    let given = [given, vars(&["notify=true"])].concat();
    let said = ok(&home, "maintenance-schedule", &given);
    assert!(said.contains("the maintenance is m1"), "{said}");
    assert_eq!(cloud.calls().iter().filter(|call| call[2] == "create").count(), 1);
    let posted = format!(
        r#"{{"name": "Scheduled Maintenance", "scheduled_for": "{day}T02:00:00Z", "scheduled_until": "{day}T05:00:00Z", "message": "We will be performing database maintenance.", "deliver_notifications": true}}"#
    );
    assert_eq!(changes(&page), [("POST /api/maintenances".to_owned(), posted)]);
    assert!(said.contains("the maintenance is m1; subscribers are mailed"), "{said}");
    refused(&home, "maintenance-schedule", &given, "blocked: Nobody has announced one for that day");

    let numbered = asked("number,title", r#".[] | "\(.number) \(.title)""#);
    let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
    cloud.answers(&numbered, &format!("9 Scheduled Maintenance: 2025-12-07\n12 {title}\n"));
    let close = [
        "gh",
        "issue",
        "close",
        "12",
        "--repo",
        "spacetime/operations",
        "--comment",
        "This window does not take place.",
    ];
    cloud.answers(&close, "");
    undone(&home);
    assert_eq!(cloud.calls().last().unwrap()[1..], close[1..]);
    assert_eq!(
        changes(&page)[1],
        pair("PATCH /api/maintenances/m1", r#"{"status": "cancelled", "deliver_notifications": true}"#)
    );

    // The issue is open, as after a run whose status page failed: it is taken, and no second one is opened.
    let (url, token) = (site("status", &page), secret("status_token", "other-hunter2"));
    let lab = |token: &str| format!("environment = \"lab\"\n{url}{token}");
    let again = ok(&home, "maintenance-schedule", &given);
    assert!(again.contains("the maintenance is m2"), "{again}");
    assert_eq!(cloud.calls().iter().filter(|call| call[2] == "create").count(), 1);
    home.configure(&lab(&token));
    refused(&home, "maintenance-schedule", &given, "401");
    home.configure(&lab(&secret("status_token", TOKEN)));
    undone(&home);
    let on =
        |day: Date, more: &[&str]| vars(&[&[format!("day={day}").as_str(), message, "notify=true"], more].concat());
    let next = sunday(1);
    refused(&home, "maintenance-schedule", &on(next, &[]), "players are told 7 days before");
    refused(&home, "maintenance-schedule", &on(sunday(8) + 1.day(), &[]), "is no Sunday");
    refused(&home, "maintenance-schedule", &on(sunday(8), &["until=06:00"]), "is not within 02:00 to 05:00 UTC");
    assert_eq!((changes(&page).len(), cloud.calls().iter().filter(|call| call[2] == "create").count()), (4, 1));
}

#[test]
fn an_emergency_is_announced_with_times_and_ended_on_the_page_and_in_the_issue() {
    let (page, config) = status_page();
    let cloud = Cloud::new(&["gh", "curl"]);
    let home = Home::finding(&format!("environment = \"lab\"\n{config}"), cloud.path());
    let begun = Timestamp::now();
    let message = "message=Emergency maintenance to address critical security issue.";
    let mut screen = on_terminal(&home, "maintenance-emergency", &vars(&[message, "notify=false"]));
    asks(&mut screen, "to run it type  announce 1 on status", "announce 1 on status");
    tick(&mut screen, &["It can't wait", "There is no workaround", "The risk of waiting", "The way back is known"]);
    // The hotfix is called from here; this one needs none.
    asks(&mut screen, "runs Deploy a hotfix", "skip a rule of the load balancer was enough");
    tick(&mut screen, &["It is done, and its own runbook", "maintenance-finish"]);
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    let [(line, posted)] = &changes(&page)[..] else { panic!("{:?}", changes(&page)) };
    assert_eq!(line, "POST /api/maintenances");
    let posted: Value = serde_json::from_str(posted).unwrap();
    let time = |name: &str| posted[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let (from, until) = (time("scheduled_for"), time("scheduled_until"));
    assert_eq!(until.duration_since(from), SignedDuration::from_mins(30));
    assert!(from.duration_since(begun).abs() < SignedDuration::from_mins(2), "{from}");

    let done = "Maintenance completed successfully. All systems operational.";
    cloud.answers(&["gh", "issue", "comment", "12", "--repo", "spacetime/operations", "--body", done], "");
    cloud.answers(
        &[
            "gh",
            "issue",
            "view",
            "12",
            "--repo",
            "spacetime/operations",
            "--json",
            "comments",
            "--jq",
            ".comments[].body",
        ],
        &format!("begun\n{done}\n"),
    );
    let looked = |site| ["curl", "-fsS", "--max-time", "15", site];
    cloud.ends(&looked("https://down.example.com/status"), "", "503\n", 22);
    cloud.answers(&looked("https://spacetime.example.com/status"), "{\"status\": \"ok\"}\n");
    let given = vars(&["maintenance=m1", "issue=12", &format!("done={done}")]);
    let down = [given.clone(), vars(&["site=https://down.example.com"])].concat();
    refused(&home, "maintenance-finish", &down, "503");
    assert_eq!(changes(&page).len(), 1, "what is not up is not ended");
    ok(&home, "maintenance-finish", &given);
    assert_eq!(changes(&page)[1], pair("PATCH /api/maintenances/m1", r#"{"status": "completed"}"#));
    assert_eq!(cloud.calls().iter().filter(|call| call[2] == "comment").count(), 1);
    undone(&home);
    assert_eq!(changes(&page)[2], pair("PATCH /api/maintenances/m1", r#"{"status": "scheduled"}"#));
}

#[test]
fn a_window_stops_everything_proves_it_and_goes_back_when_the_proof_fails() {
    let test = "a_window_stops_everything_proves_it_and_goes_back_when_the_proof_fails";
    let Some(hosts) = had(test, Hosts::start(&["game-1", "db-1"], &[])) else { return };
    let backups = folder("backups");
    // It is `postgres` who looks into it.
    fs::set_permissions(&backups, Permissions::from_mode(0o755)).unwrap();
    hosts.has_blue();
    hosts.lists(&["-a"], &["--format", "{{.Image}}"], "spacetime/godot:v2.5.0\n");
    let place = format!("backups={}", backups.display());
    let given = hosts.at(&["servers=game-1", "database_server=db-1", "anytime=true", "silence=false", &place]);
    let home = hosts.home("");
    refused(&home, "maintenance-run", &given, "has no dump of the last 24 hours");
    assert!(hosts.cloud.calls().is_empty(), "nothing was stopped: {:?}", hosts.cloud.calls());
    fs::write(backups.join("spacetime_20261129_020000.sql.gz"), "x").unwrap();
    let outside = hosts.at(&["servers=game-1", "database_server=db-1", "silence=false", &place]);
    let now = jiff::tz::TimeZone::UTC.to_datetime(Timestamp::now());
    let inside = now.weekday() == jiff::civil::Weekday::Sunday && (2..5).contains(&now.hour());
    if !inside {
        refused(&home, "maintenance-run", &outside, "the window is");
    }
    // What the window brought does not play; what was before does.
    hosts.script("smoke_tests.sh", "test -e rolled-back || { echo 'login fails' >&2; exit 1; }");
    hosts.script("rollback.sh", "touch rolled-back; echo rollback \"$@\" >> calls");
    let mut screen = on_terminal(&home, "maintenance-run", &given);
    asks(&mut screen, "to run it type  stop on game-1", "stop on game-1");
    tick(&mut screen, &["What is done, and how", "It is done, or taken back"]);
    asks(&mut screen, "type  start on game-1  to go on", "start on game-1");
    asks(&mut screen, "pick 2: roll back", "pick 2");
    screen.wait_text("chosen: roll back");
    say(&mut screen, "done");
    asks(&mut screen, "type  rollback on game-1  to go on", "rollback on game-1");
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    assert_eq!(hosts.scripts_called().iter().filter(|call| *call == "rollback").count(), 1);
    assert_eq!(hosts.turned(), ["docker stop 1f0c", "docker start 1f0c"]);
}
