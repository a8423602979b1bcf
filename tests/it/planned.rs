//! A plan sends nothing with an effect: a runbook of every language and role, planned by the command line and by the screen. The judges are
//! outside of the program: a web server that records, PostgreSQL's statement log, a Docker Engine's events and what was asked of it, and
//! strace on the program and on sshd, with a command that records beside it.

use crate::desk::{Desk, insist, wait_row};
use crate::lab::docker::{Container, Docker};
use crate::lab::fault::Proxy;
use crate::lab::postgres::Postgres;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::{Service, folder};
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, poll, program};
use crate::support::{leave, look_at, postgres_config, press};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
/// What only changes, and what follows them.
const LATER: [&str; 4] = ["run", "undo", "wait", "verify"];

/// Everything that a plan could touch, and what watches it.
struct World {
    docker: &'static Docker,
    container: Container<'static>,
    engine: Proxy,
    database: Postgres,
    web: Scripted,
    sshd: Sshd,
    prometheus: Proxy,
    /// Where the command that records writes.
    said: PathBuf,
    traces: PathBuf,
    desk: Desk,
    watch: Option<Service>,
}

fn bash(on: &str, mark: &Path) -> String {
    let roles = [("check", ""), ("run", ""), ("wait", " every=1s"), ("verify", ""), ("undo", "")];
    let fence = |(role, more): (&str, &str)| {
        let mark = mark.display();
        format!(
            "```bash {role} on={on} timeout=20s{more}{}\nset -eu\n{mark} {role}-{on}\n```\n\n",
            if role == "wait" { " until=(rc == 0)" } else { "" }
        )
    };
    format!("### Shell {on}\n\n{}", roles.map(fence).concat())
}

fn page(mark: &Path) -> String {
    format!(
        r#"---
runbook: 1
id: all
title: All of it
owner: o
reviewed: 2026-11-20
risk: low
pane: containers
params:
  - {{name: x, type: string, default: "a b"}}
  - {{name: container, type: container}}
---

# All of it

Every language and every role.

## Do

### By hand

Look at it.

{local}{there}### Sql

```sql check on=primary timeout=10s expect=(rows[0].ok)
SELECT true AS ok, 'mark-check' AS mark
```

```sql plan on=primary timeout=10s out=found key=(n)
SELECT n, 'mark-plan' AS mark FROM generate_series(1, 3) AS n
```

```sql run on=primary timeout=10s
INSERT INTO things SELECT n FROM jsonb_to_recordset(:found) AS t(n int) -- mark-run
```

```sql wait on=primary timeout=10s every=1s until=(rows[0].n == 3)
SELECT count(*) AS n FROM things -- mark-wait
```

```sql verify on=primary timeout=10s expect=(rows[0].n == 3)
SELECT count(*) AS n FROM things -- mark-verify
```

```sql undo on=primary timeout=10s
DELETE FROM things -- mark-undo
```

{http}{through}### Docker

```docker check on=$container timeout=10s expect=(container.State.Running)
docker inspect $container
```

```docker plan on=$container timeout=10s out=before key=(Id)
docker inspect $container
```

```docker run on=$container timeout=10s
docker stop -t 1 $container
```

```docker wait on=$container timeout=10s every=1s until=(!container.State.Running)
docker inspect $container
```

```docker verify on=$container timeout=10s expect=(before[0].Id == container.Id)
docker inspect $container
```

```docker undo on=$container timeout=10s
docker start $container
```

### Prometheus

```promql check on=main timeout=10s nodata=fail
vector(1) + 0 * count(vector(1) == bool 1) or up{{job="{{{{ x }}}}"}} == bool 1
```

```bash run on=local timeout=10s undo=none vars=(x)
set -eu
{mark} run "$x"
```

```promql wait on=main timeout=10s every=1s nodata=wait
up{{job="mark-wait"}} == bool 1
```

```promql verify on=main timeout=10s nodata=fail
up{{job="mark-verify"}} == bool 1
```
"#,
        local = bash("local", mark),
        there = bash(HOST, mark),
        http = http("shop", "", "shop"),
        through = http(&format!("{HOST}/admin"), " via=ssh", "admin"),
        mark = mark.display(),
    )
}

fn http(on: &str, via: &str, name: &str) -> String {
    let get = |role: &str, more: &str| {
        format!("```http {role} on={on}{via} timeout=20s {more}\nGET /{name}/{role}?x={{{{ x }}}}\n```\n\n")
    };
    let change = |role: &str| {
        format!(
            "```http {role} on={on}{via} timeout=20s\nPOST /{name}/{role}\nContent-Type: application/json\n\n{{\"x\": \"{{{{ x }}}}\"}}\n```\n\n"
        )
    };
    [
        format!("### Http {name}\n\n"),
        get("check", "expect=(json.ok)"),
        get("plan", &format!("out=asked_{name} key=(ok)")),
        change("run"),
        get("wait", "every=1s until=(json.ok)"),
        get("verify", "expect=(json.ok)"),
        change("undo"),
    ]
    .concat()
}

impl World {
    fn new(docker: &'static Docker, database: Postgres, sshd: Sshd, prometheus: u16) -> Self {
        let home = folder("planned");
        let (said, traces, mark) = (home.join("said"), home.join("traces"), home.join("mark"));
        fs::create_dir(&traces).unwrap();
        fs::write(&mark, format!("#!/bin/sh\necho \"$*\" >> {}\n", said.display())).unwrap();
        fs::set_permissions(&mark, fs::Permissions::from_mode(0o755)).unwrap();
        database.run("CREATE TABLE things (n int); GRANT ALL ON things TO qd_act");
        let (engine, prometheus) = (docker.proxy(), Proxy::tcp(prometheus));
        let web = Scripted::start(|path| {
            Say::good(if path.contains("/plan") { "[{\"ok\": true}]" } else { "{\"ok\": true}" })
        });
        let config = postgres_config(database.port)
            + &format!(
                "[docker.lab]\nhost = \"unix://{}\"\n[prometheus.main]\nurl = \"http://127.0.0.1:{}\"\n[http.shop]\nurl = \"http://127.0.0.1:{port}\"\n\
                 [ssh.{HOST}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n[[server]]\nname = \"{HOST}\"\nendpoints = {{ admin = \"http://127.0.0.1:{port}\" }}\n\
                 [runbooks]\npaths = [\"books\"]\n",
                engine.socket().display(),
                prometheus.port(),
                sshd.config().display(),
                port = web.port(),
            );
        let desk = Desk::with(&config);
        fs::create_dir(desk.home().join("books")).unwrap();
        desk.file("books/all.md", &page(&mark));
        let container = docker.container("planned").start();
        let mut this =
            Self { docker, container, engine, database, web, sshd, prometheus, said, traces, desk, watch: None };
        this.watch = this.watch_sshd();
        this
    }

    fn strace(&self, name: &str) -> Option<Vec<String>> {
        let strace = program(&["strace"], &[])?.display().to_string();
        let trace = self.traces.join(name).display().to_string();
        Some(
            [&strace, "-f", "-qq", "-s", "4096", "-e", "trace=execve", "-o", &trace]
                .map(|word: &str| word.to_owned())
                .to_vec(),
        )
    }

    fn watch_sshd(&self) -> Option<Service> {
        let strace = self.strace("sshd")?;
        let mut command = Command::new(&strace[0]);
        command.args(&strace[1..]).arg("-p").arg(self.sshd.process().to_string());
        let mut service = Service::start("strace-log", &mut command).ok()?;
        let status = format!("/proc/{}/status", self.sshd.process());
        let traced = || {
            fs::read_to_string(&status)
                .is_ok_and(|text| text.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0")))
        };
        service.ready(LONG, traced).ok().map(|()| service)
    }

    fn arguments(&self) -> [String; 5] {
        let container = format!("container=lab/{}", self.container.name);
        ["runbook".to_owned(), "plan".to_owned(), "all".to_owned(), "--var".to_owned(), container]
    }

    /// What every judge has to say.
    fn nothing_happened(&self, before: &str) {
        assert_eq!(self.watch.is_some(), program(&["strace"], &[]).is_some(), "sshd is watched where it can be");
        self.no_change_was_asked_for();
        assert_eq!(self.container.started_at(), before);
        let events = self.docker.cli(&[
            "events",
            "--since",
            "10m",
            "--until",
            "0s",
            "--filter",
            &format!("container={}", self.container.id),
            "--format",
            "{{.Action}}",
        ]);
        assert!(events.lines().all(|event| ["create", "start", "attach"].contains(&event)), "{events}");
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        assert!(
            said.contains("check-local") && said.contains(&format!("check-{HOST}")),
            "the checks were asked: {said}"
        );
        assert!(!LATER.iter().any(|role| said.contains(role)), "{said}");
        for trace in fs::read_dir(&self.traces).unwrap() {
            let path = trace.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains("execve(") && text.contains("\"check-"), "{} has seen the checks", path.display());
            let marks: Vec<&str> =
                text.lines().filter(|line| line.contains("execve(") && line.contains("/mark\"")).collect();
            assert!(marks.iter().all(|line| line.contains("\"check-")), "{marks:?}");
        }
    }

    fn no_change_was_asked_for(&self) {
        let requests = self.web.requests();
        assert!(requests.iter().any(|request| request.starts_with("GET /shop/plan?x=a%20b ")), "{requests:?}");
        assert!(requests.iter().any(|request| request.starts_with("GET /admin/check?x=a%20b ")), "{requests:?}");
        for request in &requests {
            let line = request.lines().next().unwrap();
            assert!(line.starts_with("GET ") || line.starts_with("HEAD "), "{line}");
            assert!(!LATER.iter().any(|role| line.contains(&format!("/{role}"))), "{line}");
        }
        let sent = self.engine.sent();
        for verb in ["POST ", "DELETE ", "PUT ", "PATCH "] {
            assert!(!sent.contains(verb), "an engine was sent {verb}: {sent}");
        }
        let prometheus = self.prometheus.sent();
        assert!(prometheus.contains("vector") && !prometheus.contains("mark-"), "{prometheus}");
        let statements: Vec<String> =
            ["qd_act", "qd_read", "app", "web"].iter().flat_map(|role| self.database.statements(role)).collect();
        assert!(statements.iter().any(|sql| sql.contains("'mark-plan'")), "{statements:?}");
        for sql in &statements {
            let word = sql.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase();
            let reads = ["select", "show", "with", "values"].contains(&word.as_str());
            let around =
                sql.to_lowercase().starts_with("begin read only") || ["commit", "rollback"].contains(&word.as_str());
            // Of its own session, for as long as it lasts.
            let own = ["set", "reset"].contains(&word.as_str()) && !sql.contains(';');
            assert!(reads || around || own, "{sql}");
            assert!(!LATER.iter().any(|role| sql.contains(&format!("mark-{role}"))), "{sql}");
        }
        assert_eq!(self.database.column("SELECT count(*)::text FROM things"), ["0"]);
    }
}

#[test]
fn a_plan_by_the_command_line_and_one_by_the_screen_change_nothing() {
    let (docker, database, sshd, nodes) = (need!(docker), need!(own_postgres), need!(own_sshd), need!(nodes));
    let world = World::new(docker, database, sshd, nodes.prometheus);
    let before = world.container.started_at();
    let arguments = world.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let wrapper = world.strace("command").unwrap_or_default();
    let planned = world.desk.run_under(&wrapper, &arguments);
    let text = String::from_utf8_lossy(&planned.stdout);
    assert!(planned.status.success(), "{text}{}", String::from_utf8_lossy(&planned.stderr));
    for sent in ["INSERT INTO things", "POST /shop/run", "POST /admin/run", "docker stop -t 1", "run-local", "run-box"]
    {
        assert!(text.contains(sent), "{sent} is shown: {text}");
    }
    world.nothing_happened(&before);
    let wrapper = world.strace("screen").unwrap_or_default();
    let mut screen = world.desk.launch_under(&wrapper).start();
    screen.wait_text("4 Databases");
    look_at(&mut screen, "2", "container-restart", &world.container.name);
    wait_row(&screen, &world.container.name, &["running"]);
    insist(&mut screen, "a", "actions for planned");
    screen.send("All of");
    screen.wait_text("All of it");
    press(&mut screen, "\x1b[B");
    press(&mut screen, "\r");
    screen.wait_text("plan: All of it");
    screen.wait_screen("a whole plan", LONG, |screen| {
        screen.contents().contains("y runs it") || screen.contents().contains("asks")
    });
    world.nothing_happened(&before);
    // And given up it does nothing either.
    press(&mut screen, "\x1b");
    screen.wait_no_text("plan: All of it");
    leave(&mut screen);
    world.nothing_happened(&before);
    let tail = poll(LONG, || Some(world.desk.run(&["journal", "export"]).stdout)).unwrap();
    let kinds: Vec<Value> =
        String::from_utf8_lossy(&tail).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(kinds.iter().all(|record| !record["kind"].as_str().unwrap().starts_with("step.")), "{kinds:?}");
    the_judges_see_a_run(&world);
}

/// Each of the judges would see it: the same pages run for real, but for what is done by hand.
fn the_judges_see_a_run(world: &World) {
    let page = fs::read_to_string(world.desk.home().join("books/all.md")).unwrap();
    world
        .desk
        .file("books/most.md", &page.replace("id: all\n", "id: most\n").replace("### By hand\n\nLook at it.\n\n", ""));
    let container = format!("container=lab/{}", world.container.name);
    let plan = world.desk.run(&["runbook", "plan", "most", "--var", &container, "--json"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let hash = plan["hash"].as_str().unwrap();
    let wrapper = world.strace("run").unwrap_or_default();
    let run = ["runbook", "run", "most", "--var", &container, "--plan", hash, "--confirm", "y"];
    let done = world.desk.run_under(&wrapper, &run);
    // Its last step asks for what is not there.
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = fs::read_to_string(&world.said).unwrap();
    assert!(
        said.contains("run-local") && said.contains(&format!("verify-{HOST}")) && said.contains("run a b"),
        "{said}"
    );
    let requests = world.web.requests();
    for path in ["/shop/run", "/admin/run"] {
        let posted = requests.iter().any(|request| request.starts_with(&format!("POST {path} ")));
        assert!(
            posted,
            "{path} {:?}",
            requests.iter().filter_map(|request| request.lines().next()).collect::<Vec<_>>()
        );
    }
    assert!(world.engine.sent().contains("/stop") && world.container.state() == "exited");
    assert!(world.database.statements("qd_act").iter().any(|sql| sql.contains("mark-run")));
    let names: &[&str] = if wrapper.is_empty() { &[] } else { &["sshd", "run"] };
    for name in names {
        let trace = fs::read_to_string(world.traces.join(name)).unwrap();
        assert!(trace.lines().any(|line| line.contains("/mark\"") && line.contains("\"run-")), "{name}");
    }
}

#[test]
fn the_help_promises_it() {
    let help = Desk::bare().run(&["runbook", "plan", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("nothing that changes anything is sent"), "{text}");
}
