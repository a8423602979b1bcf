//! Hostile text through every type of parameter, and through captured rows, into every language and every place: the judges are the real
//! shell, PostgreSQL, Prometheus, Docker and a web server that records. A value is refused with a sentence, or it arrives byte for byte and
//! does nothing else.
//!
//! `QUARTERDECK_INJECTION_CASES` says how many for each test; without it there are as many as take some seconds.

use crate::desk::Desk;
use crate::lab::docker::IMAGE;
use crate::lab::http;
use crate::lab::postgres::DATABASE;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::{Service, folder, free_port};
use crate::lab::sshd::HOST;
use crate::lab::{need, program, skip, wait};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use quarterdeck::connect::http::BaseUrl;
use quarterdeck::connect::named::SiteSettings;
use quarterdeck::connect::postgres::LoginSettings;
use quarterdeck::connect::{Access, Connections, Engine, Postgres, Prometheus, Server, Web};
use quarterdeck::domain::SourceError;
use quarterdeck::runbook::language::types_of;
use quarterdeck::runbook::model::{ParamType, Place, Role};
use quarterdeck::runbook::plan::Rows;
use quarterdeck::runbook::{Runbook, params, parse::parse};
use quarterdeck::steps::{self, Call, Found, Pinned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Pieces that mean something to a shell, a database, a web server, a template, a terminal.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "`touch CANARY`",
    "$(touch CANARY)",
    "; touch CANARY;",
    "\n touch CANARY\n",
    "| touch CANARY",
    "&& touch CANARY",
    "${IFS}",
    "\\",
    "\\'",
    "'\\''",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\t",
    " ",
    "-",
    "--",
    "--help",
    "-oProxyCommand=touch CANARY",
    "#",
    "~",
    "*",
    "?",
    "!",
    "{{ y }}",
    "{{",
    "}}",
    "{% raw %}",
    "'; DROP TABLE canary; --",
    "'); DROP TABLE canary; --",
    "\"; DROP TABLE canary; --",
    "$$",
    "$1",
    ":x",
    "::text",
    "/*",
    "*/",
    "E'\\047",
    "\u{2019}",
    "%27",
    "%0a",
    "%0d%0aX-Evil: 1",
    "\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
    "%00",
    "%2e%2e",
    "..",
    "/../",
    "/",
    "//evil",
    "?",
    "&evil=1",
    "=",
    "+",
    "@evil",
    ":80",
    "http://evil/",
    "#frag",
    "\",\"evil\":\"1",
    "\\u0000",
    "}",
    "]",
    "\"} or vector(1) or up{a=\"",
    "\",job=~\".*",
    ".*",
    "|.+",
    "(",
    ")",
    "[",
    "QUARTERDECK_END",
    "\nQUARTERDECK_END\n",
    "EOF",
    "null",
    "true",
    "0",
    "1e9",
    "é",
    "日本",
    "\u{202e}",
    "\u{200b}",
    "\u{1b}[31m",
    "\u{1b}]0;x\u{7}",
    "\u{7f}",
    "\u{85}",
    "\u{fffd}",
    "a",
    "A",
    "_",
    ".",
    "local/",
    "primary",
];

/// How many, when nobody asks for more.
fn cases(few: u32) -> u32 {
    std::env::var("QUARTERDECK_INJECTION_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

fn hostile(canary: &Path) -> impl Strategy<Value = String> + use<> {
    let canary = canary.display().to_string();
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => "\\PC{1,6}",
        1 => (prop::sample::select(PIECES), 100_usize..2_000).prop_map(|(piece, times)| piece.repeat(times)),
    ];
    prop::collection::vec(piece, 1..5)
        .prop_map(move |pieces| pieces.concat().replace("CANARY", &canary).chars().take(4_000).collect())
}

/// As [`hostile`], of one line and not empty: what a parameter of type string takes.
fn line(canary: &Path) -> impl Strategy<Value = String> + use<> {
    hostile(canary)
        .prop_map(|text| text.replace(['\n', '\r', '\0'], " "))
        .prop_filter("not empty", |text| !text.is_empty())
}

fn run<S: Strategy>(few: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: cases(few), failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    TestRunner::new(config).run(strategy, test).unwrap_or_else(|why| panic!("{why}"));
}

/// A file that nothing but an injection makes, in a folder of its own.
fn canary() -> PathBuf {
    folder("canary").join("bird")
}

fn page(front: &str, steps: &str) -> Runbook {
    let text = format!(
        "---\nrunbook: 1\nid: page\ntitle: Page\nowner: o\nreviewed: 2026-11-20\nrisk: low\nverb: go\nparams:\n{front}---\n\n## Do\n\n{steps}"
    );
    parse("page.md", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

const WORD: &str = "  - {name: x, type: string}\n";

/// A step that captures `before`, of which only the name is used.
const CAPTURES: &str = "### Before\n\n```http plan on=shop timeout=5s out=before key=(v)\nGET /rows\n```\n\n\
    ```bash run on=local timeout=5s undo=none vars=(before)\nset -eu\n: \"$before\"\n```\n\n\
    ```bash verify on=local timeout=5s vars=(before)\nset -eu\n: \"$before\"\n```\n\n";

/// Asks the last step's only check.
fn ask(
    connections: &Connections,
    runbook: &Runbook,
    values: &BTreeMap<String, Value>,
    row: Option<&str>,
) -> Result<Found, SourceError> {
    with_call(connections, runbook, Role::Check, values, row, |step, call| wait(step.ask(call)))
}

fn with_call<T>(
    connections: &Connections,
    runbook: &Runbook,
    role: Role,
    values: &BTreeMap<String, Value>,
    row: Option<&str>,
    work: impl FnOnce(&dyn steps::Step, Call<'_>) -> T,
) -> T {
    let step = runbook.steps.last().unwrap();
    let fence = step.fences.iter().find(|fence| fence.role == role).unwrap();
    let row = row.map(|text| {
        let rows = vec![json!({"v": text})];
        (String::from("before"), Rows { name: "before".to_owned(), rows, ..Rows::default() })
    });
    let outs: BTreeMap<String, Rows> = row.into_iter().collect();
    let types = types_of(runbook);
    let on = match &fence.attrs.on.place {
        Place::Name(name) => name,
        Place::Local => "local",
        _ => "main",
    };
    let call = Call {
        connections,
        fence,
        on,
        types: &types,
        values,
        pinned: None,
        outs: &outs,
        label: "quarterdeck",
        run: "r",
        step: &step.id,
        back: false,
        tried: 0,
        live: None,
    };
    work(steps::of(fence.language).unwrap(), call)
}

/// What a parameter makes of a text, through the same door as everything that is given.
fn given(runbook: &Runbook, name: &str, text: Value) -> Result<BTreeMap<String, Value>, String> {
    params::resolve(&runbook.params, &BTreeMap::from([(name.to_owned(), text)]))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

const SHELL: &str = "set -eu\nprintf '%s' \"$x\" | od -An -v -tx1 | tr -d ' \\n'\necho\nprintf '%s' \"$xs\" | od -An -v -tx1 | tr -d ' \\n'\necho\n\
    printf '%s' \"$before\" | od -An -v -tx1 | tr -d ' \\n'";

fn shell_page(on: &str) -> Runbook {
    let front = format!("{WORD}  - {{name: xs, type: string, many: true}}\n");
    page(&front, &format!("{CAPTURES}### It\n\n```bash check on={on} timeout=20s\n{SHELL}\n```\n"))
}

/// Everything in bash variables, as they arrive in this shell.
fn shell_takes_everything(few: u32, connections: &Connections, on: &str) {
    let (canary, runbook) = (canary(), shell_page(on));
    run(few, &(line(&canary), hostile(&canary)), |(text, raw)| {
        let list = json!([text, "second"]);
        let args = BTreeMap::from([("x".to_owned(), json!(text)), ("xs".to_owned(), list)]);
        let values = params::resolve(&runbook.params, &args).map_err(TestCaseError::fail)?;
        let found =
            ask(connections, &runbook, &values, Some(&raw)).map_err(|why| TestCaseError::fail(why.to_string()))?;
        let said = found.names["stdout"].as_str().unwrap().to_owned();
        let lines: Vec<&str> = said.lines().collect();
        prop_assert!(lines.len() == 3, "{} {}", said, found.text);
        prop_assert_eq!(lines[0], hex(&text));
        prop_assert_eq!(lines[1], hex(&format!("{text}\nsecond")));
        let bytes = (0..lines[2].len()).step_by(2).map(|at| u8::from_str_radix(&lines[2][at..at + 2], 16).unwrap());
        let rows: Value =
            serde_json::from_slice(&bytes.collect::<Vec<u8>>()).map_err(|why| TestCaseError::fail(why.to_string()))?;
        prop_assert_eq!(rows, json!([{"v": raw}]));
        prop_assert!(!canary.exists(), "{:?} {:?}", text, raw);
        Ok(())
    });
}

#[test]
fn a_shell_gets_values_and_never_commands() {
    shell_takes_everything(24, &Connections::default(), "local");
}

/// Names that a shell, or what watches over the script, could use itself.
#[test]
fn a_parameter_of_any_name_arrives() {
    let names = [
        "late",
        "group",
        "clock",
        "state",
        "file",
        "mark",
        "code",
        "found",
        "path",
        "ifs",
        "tries",
        "signal",
        "quarterdeck_grace",
        "end",
    ];
    let front: String = names.iter().map(|name| format!("  - {{name: {name}, type: string}}\n")).collect();
    let words: String = names.iter().map(|name| format!(" \"${name}\"")).collect();
    let runbook =
        page(&front, &format!("### It\n\n```bash check on=local timeout=20s\nset -eu\nprintf '%s\\n'{words}\n```\n"));
    let args = names.iter().map(|name| ((*name).to_owned(), json!(format!("of {name}")))).collect();
    let values = params::resolve(&runbook.params, &args).unwrap();
    let found = ask(&Connections::default(), &runbook, &values, None).unwrap();
    let wanted: Vec<String> = names.iter().map(|name| format!("of {name}")).collect();
    assert_eq!(found.names["stdout"].as_str().unwrap().lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_shell_over_ssh_gets_values_and_never_commands() {
    let sshd = need!(own_sshd);
    let mut connections = Connections::default();
    let ssh = connections.add_ssh(HOST, Some(&sshd.config())).unwrap();
    connections.name_host(HOST, &ssh);
    shell_takes_everything(8, &connections, HOST);
    wait(connections.close());
}

#[test]
fn postgresql_gets_values_and_never_statements() {
    let server = need!(own_postgres);
    server.run("CREATE TABLE canary (n int); INSERT INTO canary VALUES (7); ALTER TABLE canary OWNER TO app");
    // The owner of the table reads here, so that nothing but the binding stands between it and the text.
    let dsn = format!("postgres://app@localhost:{}/{DATABASE}?host={}", server.port, server.socket.display());
    let login = LoginSettings { dsn: Some(dsn), password: None };
    let mut connections = Connections::default();
    connections.add_postgres(Postgres::new("primary", &login, None, Duration::from_secs(10)).unwrap());
    let query = "SELECT encode(convert_to(:x, 'UTF8'), 'hex') AS x, :xs AS xs, :before AS rows, (SELECT n FROM canary) AS n -- :x\n";
    let front = format!("{WORD}  - {{name: xs, type: string, many: true}}\n");
    let runbook = page(
        &front,
        &format!("{CAPTURES}### It\n\n```sql check on=primary timeout=10s expect=(rows.size() == 1)\n{query}```\n"),
    );
    let canary = canary();
    run(60, &(line(&canary), hostile(&canary)), |(text, raw)| {
        let args = BTreeMap::from([("x".to_owned(), json!(text)), ("xs".to_owned(), json!([text, "b"]))]);
        let values = params::resolve(&runbook.params, &args).map_err(TestCaseError::fail)?;
        let found = match ask(&connections, &runbook, &values, Some(&raw)) {
            Ok(found) => found,
            // PostgreSQL has no text with this character: refused, and not cut off.
            Err(_) if raw.contains('\0') => return Ok(()),
            Err(why) => return Err(TestCaseError::fail(why.to_string())),
        };
        prop_assert_eq!(&found.rows, &vec![json!({"x": hex(&text), "xs": [text, "b"], "rows": [{"v": raw}], "n": 7})]);
        Ok(())
    });
    assert_eq!(server.column("SELECT n::text FROM canary"), ["7"], "it is still there");
    wait(connections.close());
}

fn shop(port: u16) -> Connections {
    let url = BaseUrl::parse(&format!("http://127.0.0.1:{port}/api")).unwrap();
    let sites = BTreeMap::from([("shop".to_owned(), SiteSettings { url, access: Access::default() })]);
    let mut connections = Connections::default();
    connections.name_all(Vec::new(), &sites, &BTreeMap::new());
    connections
}

/// `%XX` undone; nothing else means anything.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_web_server_gets_one_request_with_the_values_in_their_places() {
    let service = Scripted::start(|_| Say::good("{}"));
    let connections = shop(service.port());
    let steps = |request: &str| {
        format!("{CAPTURES}### It\n\n```http check on=shop timeout=10s expect=(status == 200)\n{request}\n```\n")
    };
    let path = page(WORD, &steps("GET /a/{{ x }}/b?q={{ before[0].v }}&c=1"));
    let header = page(WORD, &steps("GET /a?q={{ before[0].v }}\nX-Value: {{ x }}\nX-After: fine"));
    let canary = canary();
    run(60, &(line(&canary), hostile(&canary)), |(text, raw)| {
        let asked = service.requests().len();
        let values = given(&path, "x", json!(text)).map_err(TestCaseError::fail)?;
        let found = ask(&connections, &path, &values, Some(&raw));
        let requests = service.requests().split_off(asked);
        if found.is_ok() {
            prop_assert_eq!(requests.len(), 1, "{:?}", requests);
            let target =
                requests[0].strip_prefix("GET /api/a/").and_then(|rest| rest.split_once(" HTTP/1.1\n")).unwrap().0;
            let (segment, query) = target.split_once("/b?q=").unwrap();
            prop_assert_eq!(decoded(segment), text.clone());
            let value = query.strip_suffix("&c=1").unwrap();
            prop_assert!(!value.contains(['&', '=', '#', ' ']));
            prop_assert_eq!(decoded(value), raw.clone());
        } else {
            prop_assert!(
                requests.is_empty() && (text == "." || text == ".." || text.len() + raw.len() > 8_000),
                "{:?} {:?}",
                text,
                found.err()
            );
        }
        let asked = service.requests().len();
        let found = ask(&connections, &header, &values, Some("v"));
        let requests = service.requests().split_off(asked);
        if found.is_ok() {
            prop_assert_eq!(requests.len(), 1);
            let lines: Vec<&str> = requests[0].lines().collect();
            prop_assert!(lines.contains(&format!("x-value: {text}").as_str()), "{:?}", lines);
            prop_assert!(lines.contains(&"x-after: fine") && !requests[0].to_lowercase().contains("\nx-evil"));
        } else {
            prop_assert!(requests.is_empty());
        }
        Ok(())
    });
}

/// The page of a POST, which only a run sends: through the command line, with the plan's hash and the answer.
#[test]
fn a_body_of_json_and_one_of_a_form_hold_the_value_and_nothing_else() {
    let service = Scripted::start(|_| Say::good("{}"));
    let config =
        format!("[http.shop]\nurl = \"http://127.0.0.1:{}\"\n[runbooks]\npaths = [\"books\"]\n", service.port());
    let desk = Desk::with(&config);
    std::fs::create_dir(desk.home().join("books")).unwrap();
    let step = |kind: &str, title: &str, body: &str| {
        format!(
            "### {title}\n\n```http run on=shop timeout=5s undo=none\nPOST /{title}\nContent-Type: {kind}\n\n{body}\n```\n\n\
             ```http verify on=shop timeout=5s expect=(status == 200)\nGET /\n```\n\n"
        )
    };
    let text = format!(
        "---\nrunbook: 1\nid: own\ntitle: Own\nowner: o\nreviewed: 2026-11-20\nrisk: low\nparams:\n{WORD}---\n\n## S\n\n{}{}",
        step("application/json", "json", "{\"v\": \"{{ x }}\", \"whole\": {{ x }}}"),
        step("application/x-www-form-urlencoded", "form", "v={{ x }}&c=1"),
    );
    desk.file("books/own.md", &text);
    let canary = canary();
    let short = line(&canary).prop_map(|text| text.chars().take(600).collect::<String>());
    run(5, &short, |text| {
        let var = format!("x={text}");
        let plan = desk.run(&["runbook", "plan", "own", "--var", &var, "--json"]);
        let plan: Value = serde_json::from_slice(&plan.stdout).map_err(|_| TestCaseError::fail(format!("{plan:?}")))?;
        let asked = service.requests().len();
        let hash = plan["hash"].as_str().unwrap();
        let done = desk.run(&["runbook", "run", "own", "--var", &var, "--plan", hash, "--confirm", "y"]);
        prop_assert!(done.status.success(), "{:?}", done);
        let requests = service.requests().split_off(asked);
        let posts: Vec<&str> =
            requests.iter().filter(|r| r.starts_with("POST")).map(|r| r.split_once("\n\n").unwrap().1).collect();
        prop_assert_eq!(posts.len(), 2, "{:?}", requests);
        let body: Value = serde_json::from_str(posts[0]).map_err(|why| TestCaseError::fail(why.to_string()))?;
        prop_assert_eq!(body, json!({"v": text, "whole": text}));
        let value = posts[1].strip_prefix("v=").and_then(|rest| rest.strip_suffix("&c=1")).unwrap();
        prop_assert!(!value.contains(['&', '=', '+', ' ']));
        prop_assert_eq!(decoded(value), text.clone());
        Ok(())
    });
    assert!(!canary.exists());
}

/// A Prometheus with a series for each of these label values.
struct Labelled {
    port: u16,
    _services: (Service, Scripted),
}

fn labelled(values: &[String]) -> Result<Labelled, String> {
    let program = program(&["prometheus"], &[]).ok_or("Prometheus is not installed (prometheus)")?;
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let lines: String = values
        .iter()
        .enumerate()
        .map(|(n, value)| format!("hostile{{n=\"{n}\",v=\"{}\"}} 1\n", escaped(value)))
        .collect();
    let exporter = Scripted::start(move |_| Say::good(lines.clone()));
    let (home, port) = (folder("labelled-prometheus"), free_port());
    let config = home.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- {{job_name: a, fallback_scrape_protocol: PrometheusText0.0.4, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}\n",
        exporter.port()
    );
    // Versions before 3 know no fallback, and need none.
    let version = Command::new(&program).arg("--version").output().map_err(|why| why.to_string())?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned() + &String::from_utf8_lossy(&version.stderr);
    let old = version.contains("version 2.");
    std::fs::write(
        &config,
        if old { text.replace(" fallback_scrape_protocol: PrometheusText0.0.4,", "") } else { text },
    )
    .map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut service = Service::start("labelled-prometheus-log", &mut command)?;
    let count = values.len().to_string();
    let all = || {
        let answer = http::get(port, "/api/v1/query?query=count(hostile)").ok().filter(|answer| answer.status == 200);
        answer.is_some_and(|answer| answer.json()["data"]["result"][0]["value"][1] == count)
    };
    service.ready(Duration::from_secs(60), all)?;
    Ok(Labelled { port, _services: (service, exporter) })
}

/// So many different values. One by one: a set that is asked of proptest as a whole is thrown away, and made anew, for each two values in it that
/// are the same, and of more than 200 there always are two.
fn distinct(count: usize) -> Result<Vec<String>, String> {
    let (mut runner, strategy) = (TestRunner::deterministic(), hostile(Path::new("/nowhere")));
    let mut values = BTreeSet::new();
    while values.len() < count {
        let value = strategy.new_tree(&mut runner).map_err(|why| why.to_string())?.current();
        // The exposition format cannot say these; a series without the label is none of them.
        let value = value.replace(['\r', '\0'], " ");
        if !value.trim().is_empty() {
            values.insert(value);
        }
    }
    Ok(values.into_iter().collect())
}

fn hostile_prometheus() -> Result<(Labelled, Vec<String>), String> {
    let values = distinct(usize::try_from(cases(250)).unwrap())?;
    Ok((labelled(&values)?, values))
}

#[test]
fn prometheus_gets_a_query_of_exactly_that_label() {
    let (prometheus, values) = match hostile_prometheus() {
        Ok(found) => found,
        Err(why) => return skip("it::injection::prometheus_gets_a_query_of_exactly_that_label", &why),
    };
    let base = BaseUrl::parse(&format!("http://127.0.0.1:{}", prometheus.port)).unwrap();
    let mut connections = shop(1);
    let web = Web::plain(connections.http().unwrap());
    connections.add_prometheus(Prometheus::new("main", web, base, Duration::from_secs(10)));
    for sign in ["=", "=~"] {
        let query = format!("hostile{{v{sign}\"{{{{ before[0].v }}}}\",n!=\"{{{{ x }}}}\"}} == bool 1");
        let steps = format!("{CAPTURES}### It\n\n```promql check on=main timeout=10s nodata=fail\n{query}\n```\n");
        let runbook = page(WORD, &steps);
        for value in &values {
            let found =
                match ask(&connections, &runbook, &given(&runbook, "x", json!("x\" or up")).unwrap(), Some(value)) {
                    Ok(found) => found,
                    // Prometheus takes this character for a broken one: it answers no query that holds it.
                    Err(why) if value.contains('\u{fffd}') && why.what.contains("400") => continue,
                    Err(why) => panic!("{sign} {value:?} {why}"),
                };
            let [series] = found.names["series"].as_array().unwrap().as_slice() else {
                panic!("{sign} {value:?} {found:?}")
            };
            assert_eq!(series["labels"]["v"], json!(value), "{sign}");
        }
    }
}

#[test]
fn docker_is_asked_for_the_container_that_was_given_or_not_at_all() {
    let docker = need!(docker);
    let proxy = docker.proxy();
    let mut connections = Connections::default();
    connections.add_docker(Engine::new("main", Some(&format!("unix://{}", proxy.socket().display()))).unwrap());
    let runbook = page(
        "  - {name: x, type: container}\n",
        "### It\n\n```docker check on=$x timeout=10s expect=(container.Id != '')\ndocker inspect $x\n```\n",
    );
    let canary = canary();
    run(100, &prop_oneof![hostile(&canary), hostile(&canary).prop_map(|text| format!("main/{text}"))], |text| {
        let before = proxy.sent().len();
        let Ok(values) = given(&runbook, "x", json!(text)) else { return Ok(()) };
        let (engine, name) = text.split_once('/').unwrap();
        prop_assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) && !name.starts_with(['.', '-', '_'])
        );
        if engine == "main" {
            let _ = ask(&connections, &runbook, &values, None);
            let sent = proxy.sent().split_off(before);
            let asked: Vec<&str> = sent
                .lines()
                .filter(|line| line.contains(" HTTP/1.1"))
                .filter(|line| line.contains("/containers/"))
                .collect();
            prop_assert!(asked.iter().all(|line| line.contains(&format!("/containers/{name}/json"))), "{:?}", asked);
        }
        Ok(())
    });
    let image = page(
        WORD,
        "### It\n\n```docker run on=main timeout=10s undo=none\ndocker pull $x\n```\n\n```docker verify on=main timeout=5s expect=(rows.size() >= 0)\ndocker ps\n```\n",
    );
    run(200, &hostile(&canary), |text| {
        let Ok(values) = given(&image, "x", json!(text)) else { return Ok(()) };
        let pinned = with_call(&connections, &image, Role::Run, &values, None, |step, call| wait(step.pin(call)));
        if let Ok(Pinned { sent, .. }) = pinned {
            prop_assert_eq!(&sent, &format!("docker pull {text}"));
            prop_assert!(
                text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c)) && !text.starts_with('-'),
                "{}",
                text
            );
        }
        Ok(())
    });
    assert!(given(&image, "x", json!(IMAGE)).is_ok());
}

/// What each type lets through is what it says; and what it lets through arrives as it is.
#[test]
fn every_type_refuses_what_it_is_not() {
    let types = ["int", "bool", "duration", "enum", "server", "container", "database", "address", "string"];
    let canary = canary();
    let connections = Connections::default();
    for name in types {
        let more = match name {
            "enum" => ", choices: [soft, hard]",
            "string" => ", pattern: '[a-z]+'",
            _ => "",
        };
        let runbook = page(
            &format!("  - {{name: x, type: {name}{more}}}\n"),
            "### It\n\n```bash check on=local timeout=10s\nset -eu\nprintf '%s' \"$x\" | od -An -v -tx1 | tr -d ' \\n'\n```\n",
        );
        let mostly = prop_oneof![
            4 => hostile(&canary),
            1 => ("[0-9]{1,9}", prop::sample::select(vec!["", "s", "m", " ", ";", "\n", "$(id)"])).prop_map(|(a, b)| a + b),
            1 => ("[a-z]{1,9}", prop::sample::select(vec!["", "/a", ".b", " ", ";", "\n", "'", "/$(id)"])).prop_map(|(a, b)| a + b),
        ];
        let arrived = std::cell::Cell::new(0);
        run(200, &mostly, |text| {
            let Ok(values) = given(&runbook, "x", json!(text)) else { return Ok(()) };
            let value = params::show(&values["x"]);
            let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c));
            prop_assert!(plain && !value.is_empty(), "{} lets {:?} through", name, value);
            prop_assert!(!value.starts_with('-') || name == "int", "{}", value);
            // A shell for each would take long: some are enough.
            if arrived.get() < 3 {
                arrived.set(arrived.get() + 1);
                let found =
                    ask(&connections, &runbook, &values, None).map_err(|why| TestCaseError::fail(why.to_string()))?;
                prop_assert_eq!(found.names["stdout"].as_str().unwrap(), hex(&value));
            }
            Ok(())
        });
    }
    let all = [
        ParamType::Int,
        ParamType::Bool,
        ParamType::Duration,
        ParamType::Enum,
        ParamType::Server,
        ParamType::Container,
        ParamType::Database,
        ParamType::Address,
        ParamType::String,
    ];
    assert_eq!(all.map(|kind| types.contains(&kind.word())), [true; 9], "all types are tried");
    assert!(!canary.exists());
}

#[test]
fn a_server_is_one_of_the_config_and_an_address_is_no_option() {
    let mut connections = Connections::default();
    connections.name_all(
        vec![Server { name: "box".to_owned(), ..Server::default() }],
        &BTreeMap::new(),
        &BTreeMap::new(),
    );
    let canary = canary();
    let connections = Arc::new(connections);
    let runbook =
        page("  - {name: x, type: address}\n", "### It\n\n```bash check on=$x timeout=2s\nset -eu\ntrue\n```\n");
    run(200, &hostile(&canary), |text| {
        if let Ok(values) = given(&runbook, "x", json!(text)) {
            let value = params::show(&values["x"]);
            prop_assert!(value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':'), "{}", value);
            prop_assert!(!value.contains(['@', '/', ' ', '=']), "{}", value);
        }
        Ok(())
    });
    assert!(connections.need_server("box").is_ok() && !canary.exists());
}
