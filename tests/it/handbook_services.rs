//! The runbooks that tell others, against services that answer as their APIs document it for bad days: too many requests (429 with
//! `Retry-After`), failures of their own (5xx), answers that get lost, logins that are refused (401), words that are not taken (422). What is
//! sent again is sent under the key that it had; what nobody can tell is unknown; and no draft leaves without the typed answer.

use crate::handbook_response::{KEY, TOKEN, asks, changes, header, on_terminal, opens, secret, site};
use crate::lab::scripted::{Say, Scripted};
use crate::support::{Home, vars};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The answers to what changes something, one after the other, and the last one for good; `reads` answers what only reads.
fn service(answers: Vec<Say>, reads: impl Fn(&str) -> Say + Send + Sync + 'static) -> Scripted {
    let answers = Mutex::new(answers.into_iter().collect::<std::collections::VecDeque<_>>());
    Scripted::start_whole(move |request| {
        if request.starts_with("GET ") {
            return reads(request);
        }
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    })
}

fn answer(status: u16, body: &Value) -> Say {
    Say::Answer(status, body.to_string().into_bytes())
}

/// The keys of what was sent, in their order: `Idempotency-Key`.
fn keys(service: &Scripted) -> Vec<String> {
    let sent =
        service.requests().into_iter().filter(|request| request.starts_with("POST ") || request.starts_with("PATCH "));
    sent.map(|request| header(&request, "idempotency-key").unwrap_or_default().to_owned()).collect()
}

fn busy(after: u32) -> Say {
    Say::Later(429, after.to_string(), br#"{"error": "too many requests"}"#.to_vec())
}

/// How it ends, how often it was sent, and what is said.
struct Day {
    name: &'static str,
    answers: Vec<Say>,
    code: i32,
    sent: usize,
    said: &'static str,
}

/// Runs it once on each of these days, with the services that there are then; the first is the one that is told.
fn through(id: &str, given: &[String], days: Vec<Day>, home: impl Fn(Vec<Say>) -> (Home, Vec<Scripted>)) {
    for day in days {
        let begun = Instant::now();
        let waits = matches!(day.answers[0], Say::Later(..)) && day.sent > 1;
        let (home, services) = home(day.answers);
        let (code, said) = home.unattended(id, given);
        let sent = changes(&services[0]);
        assert_eq!((code, sent.len()), (Some(day.code), day.sent), "{id}, {}: {said}", day.name);
        assert!(said.contains(day.said) && !said.contains("hunter2"), "{id}, {}: {said}", day.name);
        assert!(sent.windows(2).all(|pair| pair[0] == pair[1]), "the same is sent again: {sent:?}");
        let keys = keys(&services[0]);
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
        assert!(!waits || begun.elapsed() >= Duration::from_secs(1), "{id}, {}: it was left alone", day.name);
    }
}

/// What every service may do on a bad day; `good` is what it says on a good one. `again`: the key says that it is the same.
fn days(good: &Say, again: bool) -> Vec<Day> {
    let error = || answer(503, &json!({"error": "maintenance"}));
    let day = |name, answers, code, sent, said| Day { name, answers, code, sent, said };
    let more = |sent| if again { sent } else { 1 };
    vec![
        day("a good day", vec![good.clone()], 0, 1, "answered with 20"),
        day("one request too many", vec![busy(1), good.clone()], 0, 2, "asked again after 1 s (Retry-After)"),
        day("many too many", vec![busy(900)], 1, 1, "120 s are the longest that is waited"),
        day("it fails once", vec![error(), good.clone()], 0, more(2), "the answer is 503"),
        day("it fails all the time", vec![error()], 3, more(3), "the answer is 503"),
        day("its answer is lost", vec![Say::Nothing, good.clone()], 0, more(2), "no answer came"),
        day("it knows nobody", vec![answer(401, &json!({"error": "who are you"}))], 1, 1, "who are you"),
        day(
            "it takes no such words",
            vec![answer(422, &json!({"error": "name is too long"}))],
            1,
            1,
            "name is too long",
        ),
    ]
}

#[test]
fn a_status_page_on_bad_days_is_told_once() {
    let incident = json!({"id": "i1", "name": "Service Degradation", "status": "investigating"});
    let good = answer(201, &incident);
    through("status-open", &opens(), days(&good, true), |answers| {
        let incident = incident.clone();
        let page = service(answers, move |request| match request.split(' ').nth(1) {
            Some("/api/incidents") => Say::good("[]"),
            Some("/api/incidents/i1") => Say::good(incident.to_string()),
            _ => Say::Answer(404, Vec::new()),
        });
        let config = site("status", &page) + &secret("status_token", TOKEN);
        (Home::new(&format!("environment = \"lab\"\n{config}")), vec![page])
    });
}

#[test]
fn a_webhook_on_bad_days_is_told_once() {
    let given = vars(&["hook=ops", "level=P1", "message=Login fails for everybody"]);
    through("webhook-notify", &given, days(&Say::good("ok"), true), |answers| {
        let page = service(answers, |_| Say::Answer(405, Vec::new()));
        (Home::new(&format!("environment = \"lab\"\n{}", site("webhook", &page))), vec![page])
    });
}

#[test]
fn slack_on_bad_days_makes_no_second_channel() {
    let made = json!({"ok": true, "channel": {"id": "C1", "name": "inc-1", "is_archived": false}, "ts": "1.0", "messages": [{"ts": "1.0"}]});
    let given = vars(&["channel=inc-1", "message=Login fails for everybody"]);
    let refused = |error: &str| answer(200, &json!({"ok": false, "error": error}));
    let day = |name, answer, code, said| Day { name, answers: vec![answer], code, sent: 1, said };
    let days = vec![
        day("one request too many", busy(1), 1, "asked again after 1 s (Retry-After)"),
        day("the name is taken", refused("name_taken"), 1, "it was refused: name_taken"),
        day("it knows nobody", refused("invalid_auth"), 1, "it was refused: invalid_auth"),
        day("it fails", answer(500, &json!({"ok": false, "error": "internal_error"})), 3, "internal_error"),
        day("its answer is lost", Say::Nothing, 3, "no answer came"),
    ];
    through("incident-channel", &given, days, |answers| {
        let made = made.clone();
        let slack = service(answers, move |_| Say::good(made.to_string()));
        let config = site("slack", &slack) + &secret("slack_token", "slack-hunter2");
        (Home::new(&format!("environment = \"lab\"\n{config}")), vec![slack])
    });
}

#[test]
fn pagerduty_on_bad_days_is_sent_the_same_event() {
    let group = r#"{alertname="ServiceDown", instance="10.0.1.4:8080"}"#;
    let good = answer(202, &json!({"status": "success", "message": "Event processed"}));
    let error = || answer(500, &json!({"status": "error"}));
    let day = |name, answers, code, sent, said| Day { name, answers, code, sent, said };
    let days = vec![
        day("one request too many", vec![busy(1), good.clone()], 0, 2, "asked again after 1 s (Retry-After)"),
        day("it fails, and has done it", vec![error()], 0, 1, "the answer is 500"),
        day(
            "it takes no such event",
            vec![answer(400, &json!({"status": "invalid event", "errors": ["'routing_key' is blank"]}))],
            1,
            1,
            "invalid event",
        ),
    ];
    through("alert-acknowledge", &vars(&[&format!("group={group}")]), days, |answers| {
        let events = service(answers, |_| Say::Answer(404, Vec::new()));
        let api = Scripted::start(|_| Say::good(r#"{"incidents": [{"id": "Q1", "status": "acknowledged"}]}"#));
        let secrets = secret("pagerduty_key", KEY) + &secret("pagerduty_token", "read-hunter2");
        let config =
            format!("environment = \"lab\"\n{}{}{secrets}", site("pagerduty", &events), site("pagerduty_api", &api));
        (Home::new(&config), vec![events, api])
    });
}

#[test]
fn no_draft_leaves_without_the_typed_answer() {
    let page = service(vec![answer(201, &json!({"id": "i1"}))], |_| Say::good("[]"));
    let config = format!(
        "environment = \"lab\"\n[policy]\nhigh = \"yes\"\n{}{}{}",
        site("status", &page),
        site("webhook", &page),
        secret("status_token", TOKEN)
    );
    let home = Home::new(&config);
    let message = "message=Players can't log in";
    let (name, notify) = ("name=Login fails", "notify=false");
    for (id, given, phrase) in [
        ("status-open", vars(&[name, message]), "publish on status"),
        ("webhook-notify", vars(&["hook=ops", "level=P0", message]), "send on webhook"),
        ("maintenance-emergency", vars(&[message, notify]), "announce 1 on status"),
    ] {
        for wrong in ["y", "yes", phrase.rsplit_once(' ').unwrap().0] {
            let mut screen = on_terminal(&home, id, &given);
            asks(&mut screen, &format!("type  {phrase}"), wrong);
            let status = screen.wait_exit();
            assert!(!status.success(), "{id} {wrong}: {}", screen.text());
        }
        let words: Vec<&str> = ["runbook", "run", id].into_iter().chain(given.iter().map(String::as_str)).collect();
        assert_ne!(home.run(&[&words[..], &["--confirm", phrase]].concat()).status.code(), Some(0), "no plan was seen");
        assert!(changes(&page).is_empty(), "{id}: {:?}", changes(&page));
    }
}
