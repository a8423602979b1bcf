//! Runs that go out through a shell, HTTP and Prometheus: a real sshd, this machine's shell, a scripted web service.

use super::lab::Sleeper;
use super::{Bridge, yes};
use crate::connect::http::BaseUrl;
use crate::connect::named::SiteSettings;
use crate::connect::{Access, Connections, Prometheus, Server, Web};
use crate::domain::record::RunOutcome;
use crate::domain::secret::SecretRef;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::free_port;
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll};
use crate::runbook::{Library, PlanRequest, RunView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The secret that nothing may show.
pub(super) const CANARY: &str = "canary-5e8f1c";

const FRONT: &str = "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\n";

/// A runbook of one step.
pub(super) fn page(front: &str, fences: &str) -> Library {
    let text = format!("{FRONT}{front}---\n\n## Do\n\n### It\n\n{fences}");
    Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(super) fn fence(info: &str, body: &str) -> String {
    format!("```{info}\n{body}\n```\n\n")
}

pub(super) const HOLDS: &str = "```bash verify on=local timeout=5s\nset -eu\n```\n";

fn url(port: u16) -> BaseUrl {
    BaseUrl::parse(&format!("http://127.0.0.1:{port}/api")).unwrap()
}

/// `[http.shop]`, the server `box` with the endpoint `admin`, and the secret `token`.
pub(super) fn connections(port: u16) -> Connections {
    let mut connections = Connections::default();
    let shop = SiteSettings { url: url(port), access: Access::default() };
    let endpoints = BTreeMap::from([("admin".to_owned(), url(port))]);
    let roles = vec!["game".to_owned()];
    let server =
        Server { name: HOST.to_owned(), address: Some("10.0.0.9".to_owned()), roles, endpoints, ..Server::default() };
    let secret = SecretRef::Command(format!("echo {CANARY}"));
    let secrets = BTreeMap::from([("token".to_owned(), secret)]);
    connections.name_all(vec![server], &BTreeMap::from([("shop".to_owned(), shop)]), &secrets);
    connections
}

pub(super) fn over(sshd: &Sshd, port: u16) -> Connections {
    let mut connections = connections(port);
    let ssh = connections.add_ssh(HOST, Some(&sshd.config())).unwrap();
    connections.name_host(HOST, &ssh);
    connections
}

async fn run(connections: Connections, library: Library, args: Value) -> (RunView, Bridge) {
    let mut bridge = Bridge::new(connections, library).await;
    let plan = bridge.plan("page", args).await;
    assert_eq!(plan.body().blocked, Vec::<String>::new());
    let view = bridge.run(yes(plan, None)).await;
    (view, bridge)
}

/// Whatever was shown, told or recorded.
async fn all_said(bridge: &Bridge) -> String {
    format!("{:?} {:?}", bridge.exec.journal.recent(1000).await.unwrap(), bridge.told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_on_a_host_with_its_values_and_nothing_on_a_command_line() {
    let sshd = need!(own_sshd);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("it's");
    let script = "set -eu\nprintf '%s|' \"$server\" \"$server_addr\" \"$word\" \"$token\" \"$PWD\" > \"$file\"\n\
                  for it in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < \"$it\" 2>/dev/null || true; done >> \"$file\"\n\
                  echo \"done: $token\"";
    let front = "params:\n  - {name: server, type: server, from: role:game}\n  - {name: word, type: string}\n  \
                 - {name: file, type: string}\nsecrets: [token]\n";
    let library = page(
        front,
        &[
            fence("bash check on=$server timeout=10s", "set -eu\n[ \"$server_addr\" = 10.0.0.9 ]"),
            fence(
                "bash run on=$server timeout=20s undo=none dir=/ vars=(server, server_addr, word, token, file)",
                script,
            ),
            fence(
                "bash verify on=$server timeout=10s expect=(rc == 0 && stdout == 'fine')",
                "set -eu\ntest -e \"$file\"\necho fine",
            ),
        ]
        .concat(),
    );
    let word = "a'b $HOME `id` \"c\"";
    let args = json!({"server": HOST, "word": word, "file": file.display().to_string()});
    let (view, bridge) = run(over(&sshd, 1), library, args).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let said = std::fs::read_to_string(&file).unwrap();
    let commands = said.strip_prefix(&format!("{HOST}|10.0.0.9|{word}|{CANARY}|/|")).expect(&said);
    assert!(commands.contains("sshd") && !commands.contains(CANARY) && !commands.contains("a'b"), "{commands}");
    assert!(view.steps[0].sent.contains("token='‹"), "{}", view.steps[0].sent);
    assert!(!all_said(&bridge).await.contains(CANARY));
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_there_gets_nothing() {
    let mut sshd = need!(own_sshd);
    let dir = tempfile::tempdir().unwrap();
    let began = dir.path().join("began");
    let script = format!("set -eu\ntouch {}", began.display());
    let fences = fence(&format!("bash run on={HOST} timeout=40s undo=none"), &script) + HOLDS;
    let mut bridge = Bridge::new(over(&sshd, 1), page("", &fences)).await;
    let plan = bridge.plan("page", json!({})).await;
    sshd.stop();
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed));
    assert!(view.reason.contains("SSH to box"), "{}", view.reason);
    assert!(!began.exists());
    bridge.exec.connections.close().await;
}

/// A script that goes on for long, whose line is broken once it has begun; what `verify` makes of it.
async fn line_breaks(
    seconds: u8,
    attrs: &str,
    verify: impl Fn(&std::path::Path) -> String,
) -> (RunView, Vec<String>, std::path::PathBuf, tempfile::TempDir) {
    let sshd = crate::lab::sshd::own_sshd().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script =
        format!("set -eu\necho $$ > {0}.new\nmv {0}.new {0}\nsleep {1}\ntouch {0}.ended", pid.display(), seconds);
    let fences = fence(&format!("bash run on={HOST} timeout=90s undo=none{attrs}"), &script) + &verify(&pid);
    let mut bridge = Bridge::new(over(&sshd, 1), page("", &fences)).await;
    let plan = bridge.plan("page", json!({})).await;
    let id = bridge.exec.start(yes(plan, None)).unwrap();
    let there = tokio::task::spawn_blocking({
        let pid = pid.clone();
        move || poll(Duration::from_secs(20), || pid.exists().then_some(()))
    });
    assert!(there.await.unwrap().is_some(), "it began");
    sshd.break_lines();
    let view = bridge.end(id).await;
    bridge.exec.connections.close().await;
    (view, bridge.story().await, pid, dir)
}

fn runs(pid: &std::path::Path) -> bool {
    let pid = std::fs::read_to_string(pid).unwrap();
    std::path::Path::new("/proc").join(pid.trim()).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_whose_line_breaks_goes_on_there_and_is_waited_for() {
    need!(own_sshd);
    // Looked for once.
    let ended = |pid: &std::path::Path| {
        fence("bash verify on=local timeout=5s", &format!("set -eu\ntest -e {}.ended", pid.display()))
    };
    let (view, story, ..) = line_breaks(4, "", ended).await;
    assert!(!story.contains(&"step.exit unknown".to_owned()), "{story:?}");
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_whose_line_breaks_is_ended_there_when_the_runbook_wants_that() {
    need!(own_sshd);
    let (view, story, pid, _dir) = line_breaks(60, " on-disconnect=stop", |_| HOLDS.to_owned()).await;
    assert!(story.contains(&"step.exit unknown".to_owned()), "{story:?}");
    assert!(format!("{view:?}").contains("what was left of it there was ended"), "{view:?}");
    assert!(!runs(&pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_excused_is_no_failure_and_verify_decides() {
    need!(own_sshd);
    let holds = |code: u8| fence("bash verify on=local timeout=3s every=500ms", &format!("set -eu\nexit {code}"));
    for (code, outcome) in [(0, RunOutcome::Ok), (1, RunOutcome::Failed)] {
        let (view, story, pid, _dir) = line_breaks(60, " on-disconnect=expected", |_| holds(code)).await;
        assert_eq!(view.outcome, Some(outcome), "{view:?}");
        assert!(!story.contains(&"step.exit unknown".to_owned()), "{story:?}");
        let pid: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        // What was meant to go away with its host is still there in the lab.
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_fails_has_failed_whatever_verify_says_and_one_that_hangs_is_ended() {
    let fails = fence("bash run on=local timeout=5s undo=none", "set -eu\necho why >&2\nexit 3") + HOLDS;
    let (view, bridge) = run(connections(1), page("", &fails), json!({})).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed), "{view:?}");
    assert!(bridge.story().await.contains(&"step.exit failed".to_owned()));
    let said = all_said(&bridge).await;
    assert!(said.contains("the script ended with 3: why; `rc == 0` is not true"), "{said}");
    let hangs = fence("bash run on=local timeout=1s undo=none", "set -eu\nsleep 300 & sleep 300")
        + &fence("bash verify on=local timeout=5s", "set -eu\nexit 1");
    let (view, bridge) = run(connections(1), page("", &hangs), json!({})).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed));
    assert!(all_said(&bridge).await.contains("was ended half-way after 1s, and nothing of it is left"), "{view:?}");
    let nowhere = fence("bash run on=local timeout=5s undo=none dir=/no/such", "set -eu\necho x") + HOLDS;
    let (view, _) = run(connections(1), page("", &nowhere), json!({})).await;
    assert_eq!(view.outcome, Some(RunOutcome::Failed));
    assert!(view.reason.contains("the script did not begin") && view.reason.contains("/no/such"), "{}", view.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_fails_is_not_taken_for_done() {
    for (code, state) in [(0, "undone"), (3, "undo_failed")] {
        let fences = [
            fence("bash run on=local timeout=5s", "set -eu"),
            fence("bash verify on=local timeout=5s on-fail=undo", "set -eu\nexit 1"),
            fence("bash undo on=local timeout=5s", &format!("set -eu\nexit {code}")),
        ];
        let (_, bridge) = run(connections(1), page("", &fences.concat()), json!({})).await;
        let story = bridge.story().await;
        assert!(story.iter().any(|record| record.ends_with(&format!(" {state}"))), "{state} {story:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_ends_with_two_warns_and_with_one_blocks() {
    for (code, passed) in [(0, true), (1, false), (2, true), (3, false)] {
        let check = fence("bash check on=local timeout=5s", &format!("set -eu\necho odd >&2\nexit {code}"));
        let run = fence("bash run on=local timeout=5s undo=none", "set -eu") + HOLDS;
        let bridge = Bridge::new(connections(1), page("", &(check + &run))).await;
        let plan = bridge.plan("page", json!({})).await;
        let body = plan.body();
        assert_eq!(body.blocked.is_empty(), passed, "{code} {:?}", body.blocked);
        assert_eq!(body.warnings.iter().any(|warning| warning.contains("odd")), code == 2, "{:?}", body.warnings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_out_once_with_its_values_and_its_secret() {
    let service = Scripted::start(|path| match path {
        "/api/orders" => Say::Answer(202, format!("{{\"id\": 7, \"echo\": \"{CANARY}\"}}").into_bytes()),
        "/api/old" => Say::Moved("/api/new?x=1".to_owned()),
        "/api/away" => Say::Moved("http://127.0.0.2:9/".to_owned()),
        _ => Say::good("{\"ok\": true}"),
    });
    let request = "POST /orders\nContent-Type: application/json\nX-Token: {{ secret.token }}\nX-Run: {{ run.id }} {{ step.id }}\n\n\
                   {\"who\": \"{{ who }}\"}";
    let library = page(
        "params:\n  - {name: who, type: string}\nsecrets: [token]\n",
        &[
            fence(
                "http check on=shop timeout=5s expect=(status == 200 && json.ok)",
                "GET /old\nX-Token: {{ secret.token }}",
            ),
            fence(
                "http check on=shop timeout=5s expect=(status == 302 && headers.location.startsWith('http'))",
                "GET /away",
            ),
            fence(
                "http run on=shop timeout=5s undo=none idempotent expect=(status == 202 && json.id == 7 && ms < 5000)",
                request,
            ),
            fence(&format!("http verify on={HOST}/admin timeout=5s expect=(json.ok)"), "GET /orders/7?who={{ who }}"),
        ]
        .concat(),
    );
    let (view, bridge) = run(connections(service.port()), library, json!({"who": "a\"b&c"})).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let requests = service.requests();
    let posts: Vec<&String> = requests.iter().filter(|request| request.starts_with("POST")).collect();
    let [post] = posts.as_slice() else { panic!("{requests:?}") };
    assert!(post.ends_with("{\"who\": \"a\\\"b&c\"}") && post.contains(&format!("x-token: {CANARY}")), "{post}");
    let key = format!("idempotency-key: {}/do/it/shop", view.id);
    assert!(post.contains(&key) && post.contains(&format!("x-run: {} do/it", view.id)), "{post}");
    assert!(requests.iter().any(|request| request.starts_with("GET /api/new?x=1 ") && request.contains(CANARY)));
    assert_eq!(service.asked().last().unwrap(), "/api/orders/7?who=a%22b%26c");
    assert!(!all_said(&bridge).await.contains(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_that_of_the_plan_whenever_it_is_sent() {
    let service = Scripted::start(|_| Say::good("{}"));
    let request = "POST /silences\nContent-Type: application/json\n\n\
                   {\"from\": \"{{ now }}\", \"until\": \"{{ now + lasts }}\", \"by\": \"{{ operator }}\"}";
    let fences = fence("bash check on=local timeout=5s", "set -eu\nprintf 'one\\ntwo\\n'")
        + &fence("http run on=shop timeout=5s undo=none", request)
        + HOLDS;
    let front = "params:\n  - {name: lasts, type: duration, required: true}\n";
    let mut bridge = Bridge::new(connections(service.port()), page(front, &fences)).await;
    let planned = async |bridge: &mut Bridge| {
        let plan = bridge.plan("page", json!({ "lasts": "90m" })).await;
        let body = plan.body().steps[0].fences[1].sent.rsplit('\n').next().unwrap().to_owned();
        (plan, body)
    };
    let (plan, body) = planned(&mut bridge).await;
    let finding = plan.body().steps[0].fences[0].finding.clone().unwrap();
    assert_eq!((finding.text.as_str(), finding.more), ("the script ended with 0: one", vec!["two".to_owned()]));
    let told: Value = serde_json::from_str(&body).unwrap();
    let time = |name: &str| told[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time("until").duration_since(time("from")).as_mins(), 90, "{body}");
    assert!(told["by"].as_str().unwrap().contains('@'), "{body}");
    let later = loop {
        let (plan, again) = planned(&mut bridge).await;
        if again != body {
            break plan;
        }
    };
    assert_eq!(later.body().hash, plan.body().hash, "it only moves");
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    let requests = service.requests();
    assert!(requests.iter().any(|request| request.starts_with("POST") && request.ends_with(&body)), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_request_is_told_apart() {
    let service = Scripted::start(|path| match path {
        "/api/refused" => Say::Answer(403, b"no".to_vec()),
        "/api/broken" => Say::Answer(500, b"oops".to_vec()),
        "/api/moved" => Say::Moved("/api/fine".to_owned()),
        "/api/lost" => Say::Nothing,
        _ => Say::good("fine"),
    });
    for (path, port, state, why) in [
        ("refused", service.port(), "failed", "the answer is 403"),
        ("broken", service.port(), "unknown", "the answer is 500"),
        ("moved", service.port(), "unknown", "the answer is 302"),
        ("lost", service.port(), "unknown", "no answer came"),
        ("fine", free_port(), "failed", "nothing listens there"),
    ] {
        let fences = fence("http run on=shop timeout=5s undo=none", &format!("POST /{path}")) + HOLDS;
        let (_, bridge) = run(connections(port), page("", &fences), json!({})).await;
        let story = bridge.story().await;
        assert_eq!(story[3], format!("step.exit {state}"), "{path} {story:?}");
        let said = all_said(&bridge).await;
        assert!(said.contains(why), "{path} {said}");
    }
    assert!(!service.asked().contains(&"/api/fine".to_owned()), "a change follows no redirect");
}

/// The first answer gets lost on its way back, before anything was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_answer_is_lost_is_sent_again_under_its_key_and_only_where_twice_is_once() {
    for (more, times, outcome) in [("idempotent retry=2", 2, RunOutcome::Ok), ("", 1, RunOutcome::Failed)] {
        let posts = std::sync::atomic::AtomicUsize::new(0);
        let service = Scripted::start(move |path| match path {
            "/api/order" if posts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => Say::Nothing,
            "/api/order" => Say::good("{}"),
            _ => Say::good(format!("{{\"ordered\": {}}}", posts.load(std::sync::atomic::Ordering::SeqCst) > 1)),
        });
        let fences = fence(&format!("http run on=shop timeout=5s undo=none {more}"), "POST /order")
            + &fence("http verify on=shop timeout=5s expect=(json.ordered)", "GET /state");
        let (view, bridge) = run(connections(service.port()), page("", &fences), json!({})).await;
        assert_eq!(view.outcome, Some(outcome), "{more} {view:?}");
        assert!(bridge.story().await.contains(&"step.exit unknown".to_owned()), "{more}");
        let requests = service.requests();
        let sent: Vec<&String> = requests.iter().filter(|request| request.starts_with("POST")).collect();
        let key = format!("idempotency-key: {}/do/it/shop", view.id);
        assert_eq!(sent.len(), times, "{more} {requests:?}");
        assert!(sent.iter().all(|request| request.contains(&key) != more.is_empty()), "{more} {requests:?}");
    }
}

/// A service that says no with a good answer has done nothing, and its own reason is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_answer_that_says_no_by_its_body_is_a_refusal_with_the_services_reason() {
    for (body, state, why) in [
        ("{\"ok\": false, \"error\": \"name_taken\"}", "failed", "it was refused: name_taken"),
        ("{\"ok\": true}", "running", ""),
        ("<html>a proxy</html>", "unknown", "can't be judged"),
    ] {
        let service = Scripted::start(move |_| Say::good(body));
        let info = "http run on=shop timeout=5s undo=none expect=(json.ok) refused=(json.ok ? '' : json.error)";
        let (_, bridge) =
            run(connections(service.port()), page("", &(fence(info, "POST /make") + HOLDS)), json!({})).await;
        assert_eq!(bridge.story().await[3], format!("step.exit {state}"), "{body}");
        let said = all_said(&bridge).await;
        assert!(said.contains(why), "{body} {said}");
    }
}

/// 429 says how long to wait: so long is waited, once more and under the same key, and what is too long is told instead.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_wants_to_be_left_alone_is_asked_again_when_it_said() {
    for (after, times, outcome) in [("1", 2, RunOutcome::Ok), ("3600", 1, RunOutcome::Failed)] {
        let posts = std::sync::Mutex::new(Vec::new());
        let sent = std::sync::Arc::new(posts);
        let seen = std::sync::Arc::clone(&sent);
        let service = Scripted::start(move |path| match path {
            "/api/order" => {
                let mut seen = seen.lock().unwrap();
                seen.push(std::time::Instant::now());
                if seen.len() == 1 { Say::Later(429, after.to_owned(), b"{}".to_vec()) } else { Say::good("{}") }
            }
            _ => Say::good("{\"ordered\": true}"),
        });
        let fences =
            fence("http run on=shop timeout=5s undo=none idempotent retry=2 expect=(status == 200)", "POST /order")
                + &fence("http verify on=shop timeout=5s expect=(json.ordered)", "GET /state");
        let (view, bridge) = run(connections(service.port()), page("", &fences), json!({})).await;
        assert_eq!(view.outcome, Some(outcome), "{after} {view:?}");
        let said = all_said(&bridge).await;
        assert!(said.contains(&format!("asked again after {after} s (Retry-After)")), "{said}");
        assert_eq!(said.contains("120 s are the longest that is waited"), after == "3600", "{said}");
        let sent = sent.lock().unwrap().clone();
        assert_eq!(sent.len(), times, "{after} {said}");
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)), "{sent:?}");
        let requests = service.requests();
        let keys =
            requests.iter().filter_map(|request| request.lines().find(|line| line.starts_with("idempotency-key")));
        assert_eq!(keys.collect::<std::collections::BTreeSet<_>>().len(), 1, "{requests:?}");
    }
}

/// What nobody can tell, because the lost answer held the id that is needed to ask, is sent again under its key; else it stays unknown.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_tell_is_sent_again_under_its_key_and_stays_unknown_without_one() {
    for (more, first, times, outcome) in [
        (" idempotent retry=1", 503, 2, RunOutcome::Ok),
        (" idempotent retry=1", 0, 2, RunOutcome::Ok),
        (" idempotent", 503, 1, RunOutcome::Unknown),
        ("", 0, 1, RunOutcome::Unknown),
    ] {
        let posts = std::sync::atomic::AtomicUsize::new(0);
        let service = Scripted::start(move |path| match path {
            "/api/order" if posts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => match first {
                0 => Say::Nothing,
                status => Say::Answer(status, b"busy".to_vec()),
            },
            "/api/order" => Say::Answer(201, b"{\"id\": 7}".to_vec()),
            "/api/order/7" => Say::good("{\"id\": 7}"),
            _ => Say::Answer(404, Vec::new()),
        });
        let fences = fence(
            &format!("http run on=shop timeout=5s undo=none out=made expect=(status == 201){more}"),
            "POST /order",
        ) + &fence("http verify on=shop timeout=5s expect=(json.id == 7)", "GET /order/{{ made[0].id }}");
        let (view, _bridge) = run(connections(service.port()), page("", &fences), json!({})).await;
        assert_eq!(view.outcome, Some(outcome), "{more} {first} {view:?}");
        let sent = service.requests().into_iter().filter(|request| request.starts_with("POST")).count();
        assert_eq!(sent, times, "{more} {first}");
    }
}

/// A look that only tells stops nothing, and behind the first change no plan waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_only_tells_warns_and_is_asked_at_its_step() {
    let service = Scripted::start(|path| match path {
        "/api/sick" => Say::Answer(500, b"oops".to_vec()),
        _ => Say::good("{\"n\": 3}"),
    });
    let tells = fence("http check on=shop timeout=5s on-fail=continue expect=(status == 200)", "GET /sick");
    let shows =
        fence("http check on=shop timeout=5s expect=(json.n == 3) show=('there are ' + string(json.n))", "GET /n");
    let fences =
        format!("{shows}{}{HOLDS}\n### Look\n\n{tells}", fence("http run on=shop timeout=5s undo=none", "POST /do"));
    let mut bridge = Bridge::new(connections(service.port()), page("", &fences)).await;
    let plan = bridge.plan("page", json!({})).await;
    let found = plan.body().steps[0].fences[0].finding.clone().unwrap();
    assert_eq!((found.passed, found.text.as_str()), (true, "there are 3"));
    let view = bridge.run(yes(plan, None)).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(service.asked().iter().filter(|path| *path == "/api/sick").count(), 1, "not for the plan");
    let said = all_said(&bridge).await;
    assert!(said.contains("it warns: `status == 200` is not true: the answer is 500"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_through_the_hosts_ssh_and_a_closed_port_is_told_before_a_change() {
    let sshd = need!(own_sshd);
    let service = Scripted::start(|_| Say::good("{\"ok\": true}"));
    let fences = [
        fence("http check on=$server/admin timeout=10s via=ssh expect=(json.ok)", "GET /health"),
        fence("http run on=$server/admin timeout=10s via=ssh undo=none", "POST /drain"),
    ]
    .concat();
    let front = "params:\n  - {name: server, type: server}\n";
    let library = || page(front, &(fences.clone() + HOLDS));
    let (view, bridge) = run(over(&sshd, service.port()), library(), json!({"server": HOST})).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    assert_eq!(service.asked().iter().filter(|path| *path == "/api/drain").count(), 1);
    bridge.exec.connections.close().await;
    let closed =
        page(front, &(fence("http run on=$server/admin timeout=10s via=ssh undo=none", "POST /drain") + HOLDS));
    let (view, bridge) = run(over(&sshd, free_port()), closed, json!({"server": HOST})).await;
    assert_eq!(bridge.story().await[3], "step.exit failed", "{view:?}");
    bridge.exec.connections.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_is_asked_for_a_value_and_no_data_is_not_false() {
    let monitoring = need!(monitoring);
    let base = BaseUrl::parse(&format!("http://127.0.0.1:{}", monitoring.prometheus)).unwrap();
    let mut connections = connections(1);
    let web = Web::plain(connections.http().unwrap());
    connections.add_prometheus(Prometheus::new("main", web, base, Duration::from_secs(5)));
    for (query, nodata, blocked) in [
        ("vector(1)", "fail", None),
        ("vector(0)", "fail", Some("`value == 1.0` is not true: the value is 0")),
        ("none{job=\"{{ job }}\"} == bool 1", "fail", Some("no data")),
        ("none{job=\"{{ job }}\"} == bool 1", "wait", Some("no data")),
        ("count(ALERTS{alertname=\"LabServiceDown\",job=\"{{ job }}\"} == 1) == bool 1", "fail", None),
    ] {
        let fences = fence(&format!("promql check on=main timeout=5s nodata={nodata}"), query)
            + &fence("bash run on=local timeout=5s undo=none", "set -eu\n: \"$job\"")
            + &fence("promql wait on=main timeout=1s every=100ms nodata=wait", "absent(none)");
        let (info, args) = ("params:\n  - {name: job, type: string}\n", json!({"job": "game"}));
        let mut bridge = Bridge::new(connections.clone(), page(info, &fences)).await;
        let plan = bridge.plan("page", args).await;
        let told = plan.body().blocked.concat();
        assert_eq!(told.is_empty(), blocked.is_none(), "{query}: {told}");
        if let Some(why) = blocked {
            assert!(told.contains(why), "{told}");
            continue;
        }
        let view = bridge.run(yes(plan, None)).await;
        assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_read_paused_killed_and_removed() {
    let sleeper = Sleeper::start(need!(docker), "verbs");
    let one = |fences: &[(&str, &str)]| -> String {
        fences.iter().map(|(info, body)| fence(&format!("docker {info} on=$container timeout=20s"), body)).collect()
    };
    let step = |title: &str, line: &str, state: &str| {
        let verify = format!("verify expect=(container.State.Status == '{state}')");
        format!("### {title}\n\n{}", one(&[("run undo=none", line), (&verify, "docker inspect $container")]))
    };
    let text = [
        FRONT,
        "verb: end\nparams:\n  - {name: container, type: container}\n---\n\n## Do\n\n### Read\n\n",
        &one(&[(
            "check expect=(rows.size() == 1 && rows[0].MemUsage > 0.0 && rows[0].PIDs >= 1.0)",
            "docker stats $container",
        )]),
        &step("Pause", "docker pause $container", "paused"),
        &step("Go on", "docker unpause $container", "running"),
        &step("Kill", "docker kill -s KILL $container", "exited"),
        "### Remove\n\n",
        &one(&[
            ("run undo=none", "docker rm -v $container"),
            ("verify expect=(!rows.exists(r, params.container.endsWith(r.Id)))", "docker ps -a"),
        ]),
    ]
    .concat();
    let library = Library::read([("page.md", text.as_str())]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let (view, _) = run(sleeper.connections(), library, json!({"container": format!("local/{}", sleeper.name)})).await;
    assert_eq!(view.outcome, Some(RunOutcome::Ok), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_secrets_are_those_of_the_config() {
    let library = page(
        "params:\n  - {name: server, type: server, from: role:game}\n  - {name: host, type: address}\nsecrets: [other]\n",
        &(fence(
            "bash run on=local timeout=5s undo=none vars=(server, host, other)",
            "set -eu\n: \"$server$host$other\"",
        ) + HOLDS),
    );
    let bridge = Bridge::new(connections(1), library).await;
    let plan = async |args: Value| {
        let args = args.as_object().unwrap().clone().into_iter().collect();
        bridge.exec.make_plan(&PlanRequest::new("page".to_owned(), args)).await
    };
    let error = plan(json!({"server": "other", "host": "h"})).await.unwrap_err();
    assert!(error.contains("there is no [[server]] \"other\"") && error.contains("there are: box"), "{error}");
    let made = plan(json!({"server": HOST, "host": "10.0.0.9"})).await.unwrap();
    assert!(made.body().blocked[0].starts_with("there is no [secret.other] in the config"));
    assert_eq!(made.body().warnings.last().unwrap(), "10.0.0.9 is the server box of the config");
    assert_eq!(made.body().values["server_addr"], "10.0.0.9");
}
