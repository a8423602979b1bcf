//! The handbook's chapter about scaling, run: each shipped runbook as it stands, on game servers and a load balancer with a real nginx, over
//! SSH, by a person at a terminal or without one; Terraform and AWS are stand-ins, which know the calls that are expected and refuse others.

use crate::lab::edge::{Host, write};
use crate::lab::games::{Game, Games, PLAYERS, TOKEN};
use crate::lab::monitoring::alertmanager_of;
use crate::lab::nodes::start_scraping;
use crate::lab::postgres::{Postgres, own_postgres};
use crate::lab::service::{Service, folder, free_port, run_at_end};
use crate::lab::sshd::HOST;
use crate::lab::{self, http, poll};
use crate::pty::{PATIENCE, Session};
use crate::support::{Home, said, say, vars};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Where it is done, and from where.
struct Site {
    games: Games,
    home: Home,
    terraform: PathBuf,
}

impl Site {
    fn start(count: usize, more: &str) -> Result<Self, String> {
        let games = Games::start(count)?;
        let home = Home::under(&format!("environment = \"lab\"\n{}{more}", games.config()), games.wrapper());
        Ok(Self { games, home, terraform: folder("terraform") })
    }

    /// The parameters, with where the lab has what they name.
    fn vars(&self, given: &[&str]) -> Vec<String> {
        [vars(given), vars(&[&self.games.site()])].concat()
    }

    fn infrastructure(&self) -> String {
        format!("infrastructure={}", self.terraform.display())
    }

    fn planned(&self, id: &str, vars: &[String]) -> Output {
        let words = ["runbook", "plan", id].into_iter().chain(vars.iter().map(String::as_str));
        self.home.run(&words.collect::<Vec<_>>())
    }

    fn ok(&self, id: &str, vars: &[String]) -> String {
        let (code, said) = self.home.unattended(id, vars);
        assert_eq!(code, Some(0), "{id}: {said}");
        said
    }

    /// A run by a person.
    fn person(&self, id: &str, vars: &[String]) -> Person {
        let words = ["runbook", "run", id].into_iter().chain(vars.iter().map(String::as_str));
        Person { screen: self.home.on_terminal(&words.collect::<Vec<_>>()), asked: BTreeMap::new() }
    }
}

/// The site, or the test of this name is skipped.
fn site(test: &str, count: usize) -> Option<Site> {
    had(test, Site::start(count, ""))
}

/// What can be had, or the test of this name is skipped.
fn had<T>(test: &str, made: Result<T, String>) -> Option<T> {
    made.map_err(|why| lab::skip(&format!("it::handbook_scale::{test}"), &why)).ok()
}

/// The config of an Alertmanager that tells nobody.
const NOBODY: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

/// A site with such an Alertmanager, and its port.
fn alerted(count: usize) -> Result<(Site, u16, Service), String> {
    let (port, service) = alertmanager_of(NOBODY)?;
    let site = Site::start(count, &format!("[alertmanager.main]\nurl = \"http://127.0.0.1:{port}\"\n"))?;
    Ok((site, port, service))
}

/// The lines of the load balancer's upstream for these servers.
fn lines(games: &[Game]) -> Vec<String> {
    games.iter().map(|game| format!("server {};", game.place())).collect()
}

#[test]
fn players_are_moved_and_a_server_leaves_the_load_balancer_and_comes_back() {
    let Some(site) = site("players_are_moved_and_a_server_leaves_the_load_balancer_and_comes_back", 2) else { return };
    let (first, second) = (&site.games.servers[0], &site.games.servers[1]);
    let both = lines(&site.games.servers[..2]);
    let (code, said) = site.home.unattended("server-drain", &site.vars(&["server=game-1", "target=game-1"]));
    assert!(code.is_none() && said.contains("params.server != params.target"), "{said}");
    let drain = site.vars(&["server=game-1", "target=game-2"]);
    let said = site.ok("server-drain", &drain);
    assert!(said.contains("of 40 requests none came to game-1"), "{said}");
    assert_eq!((first.state(), second.state()), ((true, 0), (false, PLAYERS)));
    assert_eq!(first.told(), format!("{{\"target_server\": \"{}:8080\"}}", second.address));
    assert_eq!(site.games.balancer.upstream(), [format!("# drained: {}", both[0]), both[1].clone()]);
    let (code, said) = site.home.unattended("server-drain", &drain);
    assert!(code.is_none() && said.contains("is not in spacetime_backend"), "{said}");
    assert!(
        said.contains("0 players on game-1:") && !said.contains("1 affected"),
        "its rows are not who is affected: {said}"
    );

    site.ok("server-return", &site.vars(&["server=game-1"]));
    assert_eq!((first.state(), site.games.balancer.upstream()), ((false, PLAYERS), both.clone()));
    site.ok("server-drain", &drain);
    let (code, said) = site.home.undo("server-drain");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((first.state(), site.games.balancer.upstream()), ((false, PLAYERS), both));
    assert_eq!(
        first.reopened(),
        [false, false, true],
        "it takes players before any is sent, and is told once more at last"
    );
    let kept = site.home.records().iter().map(Value::to_string).collect::<String>();
    assert!(!kept.contains(TOKEN), "the secret is told nobody");
}

/// A person at a terminal, who answers one question after the other, also one that is asked again.
struct Person {
    screen: Session,
    asked: BTreeMap<String, usize>,
}

impl Person {
    /// Waits until it is asked, once more than so far.
    fn is_asked(&mut self, question: &str) {
        let times = self.asked.entry(question.to_owned()).or_default();
        *times += 1;
        let wanted = |screen: &vt100::Screen| screen.contents().matches(question).count() >= *times;
        self.screen.wait_screen(question, PATIENCE, wanted);
    }

    fn answers(&mut self, question: &str, line: &str) {
        self.is_asked(question);
        say(&mut self.screen, line);
    }

    /// Has the last change taken back, by its phrase.
    fn takes_back(&mut self, target: &str) {
        let phrase = format!("undo on {target}");
        self.answers(&format!("to undo it type  {phrase} :"), &phrase);
    }

    /// Types the phrase that a plan asks for.
    fn begins(&mut self, phrase: &str) {
        self.answers(&format!("to run it type  {phrase} "), phrase);
    }

    /// Types the phrases that steps ask for.
    fn goes_on(&mut self, phrases: &[&str]) {
        for phrase in phrases {
            self.answers(&format!("type  {phrase}  to go on"), phrase);
        }
    }

    /// Has the plan made of a runbook that is called.
    fn calls(&mut self, title: &str) {
        self.answers(&format!("runs {title} "), "plan");
    }

    /// Ticks the items of a step that is done by hand, and ends it.
    fn ticks(&mut self, items: &[&str]) {
        for (at, item) in (1..).zip(items) {
            self.answers(&format!("tick {at}: {item}"), &format!("tick {at}"));
            self.is_asked(&format!("[x] {item}"));
        }
        say(&mut self.screen, "done");
    }

    /// How it ended, and all that was said.
    fn ends(mut self) -> (u32, String) {
        let code = self.screen.wait_exit().exit_code();
        (code, self.screen.text())
    }
}

/// What Terraform says of a saved plan: what happens to which resource, and what becomes of `server_ips` where it knows.
fn shown(changes: &[(&str, Option<usize>, &str)], before: &Value, after: Option<&Value>) -> String {
    let change = |(address, index, action): &(&str, Option<usize>, &str)| {
        let actions: Vec<&str> = action.split(' ').collect();
        let mut change = json!({"address": address, "mode": "managed", "change": {"actions": actions}});
        if let Some(index) = index {
            change["index"] = json!(index);
        }
        change
    };
    let mut ips = json!({"actions": ["update"], "before": before, "after_unknown": after.is_none()});
    if let Some(after) = after {
        ips["after"] = after.clone();
    }
    let changes: Vec<Value> = changes.iter().map(change).collect();
    json!({"resource_changes": changes, "output_changes": {"server_ips": ips}}).to_string()
}

const OUTPUT: [&str; 4] = ["terraform", "output", "-json", "server_ips"];

impl Site {
    /// Terraform has these servers, from the second question on, or at once where it was never asked.
    fn has(&self, ips: &Value) {
        self.games.cloud.answers(&OUTPUT, &ips.to_string());
    }

    /// Terraform has these servers from the next question on.
    fn gone(&self, ips: &Value) {
        self.has(ips);
        let asked = Command::new(self.games.cloud.bin().join("terraform")).args(&OUTPUT[1..]).status();
        assert!(asked.unwrap().success());
    }

    /// Terraform makes a plan for so many servers into a file, which holds this.
    fn plans(&self, count: usize, file: &str, holds: &str) {
        let (count, out) = (format!("-var=server_count={count}"), format!("-out={file}"));
        let plan = ["terraform", "plan", "-input=false", "-no-color", "-lock-timeout=30s", &count, &out];
        self.games.cloud.answers(&plan, "Plan: as it is\n");
        self.games.cloud.answers(&["terraform", "show", "-json", file], holds);
    }

    /// Terraform takes this file.
    fn applies(&self, file: &str) {
        let apply = ["terraform", "apply", "-input=false", "-no-color", "-lock-timeout=30s", file];
        self.games.cloud.answers(&apply, "Apply complete!\n");
    }

    /// The files that Terraform was told to apply.
    fn applied(&self) -> Vec<String> {
        let calls = self.games.cloud.calls();
        let apply = calls.iter().filter(|call| call[0] == "terraform" && call[1] == "apply");
        apply.map(|call| call.last().unwrap().clone()).collect()
    }
}

const GAME_3: [(&str, Option<usize>, &str); 2] =
    [("aws_instance.game[1]", Some(1), "no-op"), ("aws_instance.game[2]", Some(2), "create")];

#[test]
fn a_server_is_added_as_the_saved_plan_says_and_taken_away_again() {
    let Some(site) = site("a_server_is_added_as_the_saved_plan_says_and_taken_away_again", 2) else { return };
    let (games, new) = (&site.games, &site.games.servers[2]);
    let (two, three) = (games.ips(2), games.ips(3));
    site.has(&two);
    site.plans(3, "scale-up.tfplan", &shown(&GAME_3, &two, None));
    site.applies("scale-up.tfplan");
    let given = site.vars(&["server_count=3", &site.infrastructure()]);
    let mut person = site.person("scale-up", &given);
    person.begins("add on local");
    person.is_asked("type  add on local  to go on");
    // The next question is what there was before, and is answered as until now.
    site.has(&three);
    say(&mut person.screen, "add on local");
    person.goes_on(&["add on lb-1"]);
    person.calls("Take a new game server into service");
    let address = new.address.to_string();
    person.answers("address of scale-up-join", &address);
    let join = format!("join on {address}");
    person.begins(&join);
    person.goes_on(&[&join, "join on lb-1"]);
    person.ticks(&["It is in this dashboard's config", "Its log"]);
    let (code, said) = person.ends();
    assert!(code == 0 && said.contains(&format!("came to {address}")), "{said}");
    let joined = "join_mesh.sh --coordinator coordinator.spacetime.internal:9090";
    assert_eq!(new.called(), ["provision_server.sh ", joined]);
    assert_eq!(
        (games.balancer.upstream(), site.applied()),
        (lines(&games.servers), vec!["scale-up.tfplan".to_owned()])
    );

    let (code, said) = site.home.undo("scale-up-join");
    assert_eq!((code, games.balancer.upstream()), (Some(0), lines(&games.servers[..2])), "{said}");
    // Somebody puts it behind the load balancer again.
    let file = games.balancer.file();
    let known = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, known.replacen('}', &format!("  server {};\n}}", new.place()), 1)).unwrap();
    let (code, said) = site.taken_back("scale-up").ends();
    let sends = format!("spacetime_backend sends players to {}", new.place());
    assert!(code != 0 && said.contains(&sends), "{said}");
    std::fs::write(&file, known).unwrap();
    // Whoever plays there plays on. Now nobody does.
    new.is_new();
    let more = [("aws_db_instance.spacetime", None, "delete"), ("aws_instance.game[2]", Some(2), "delete")];
    site.plans(2, "scale-up.undo.tfplan", &shown(&more, &three, Some(&two)));
    // The load balancers are asked once more, before anything else.
    let mut back = site.taken_back("scale-up");
    back.goes_on(&["undo on local"]);
    let (code, said) = back.ends();
    assert!(code != 0 && said.contains("the way back would destroy"), "{said}");
    assert_eq!(site.applied().len(), 1, "it destroys nothing else");
}

#[test]
fn a_plan_that_destroys_something_is_never_applied() {
    let Some(site) = site("a_plan_that_destroys_something_is_never_applied", 1) else { return };
    let one = site.games.ips(1);
    site.has(&one);
    let given = site.vars(&["server_count=3", &site.infrastructure()]);
    let refused = said(&site.planned("scale-up", &given));
    assert!(refused.contains("server_count would be 2"), "{refused}");
    let replaced = [("aws_instance.game[0]", Some(0), "delete create"), ("aws_instance.game[1]", Some(1), "create")];
    site.plans(2, "scale-up.tfplan", &shown(&replaced, &one, None));
    let mut person = site.person("scale-up", &site.vars(&["server_count=2", &site.infrastructure()]));
    person.begins("add on local");
    person.answers("this plan destroys 1 things", "stop");
    let (code, said) = person.ends();
    assert_eq!(code, 1, "{said}");
    assert!(site.applied().is_empty());

    site.plans(2, "scale-up.tfplan", &shown(&[("aws_instance.game[1]", Some(1), "create")], &one, None));
    // The answer of before is given once more.
    let show = ["show", "-json", "scale-up.tfplan"];
    assert!(Command::new(site.games.cloud.bin().join("terraform")).args(show).status().unwrap().success());
    site.applies("scale-up.tfplan");
    let two = site.games.ips(2);
    let gone = ("aws_instance.game[1]", Some(1), "delete");
    let changed = shown(&[("aws_instance.game[0]", Some(0), "update"), gone], &two, Some(&one));
    site.plans(1, "scale-up.undo.tfplan", &changed);
    site.applies("scale-up.undo.tfplan");
    let said = site.gives_up(&two, &["lb-1", "local"]);
    assert!(said.contains("the way back would do more than destroy: update aws_instance.game[0]"), "{said}");
    assert_eq!(site.applied(), ["scale-up.tfplan"]);

    site.gone(&one);
    site.plans(1, "scale-up.undo.tfplan", &shown(&[gone], &two, Some(&one)));
    let show = ["show", "-json", "scale-up.undo.tfplan"];
    assert!(Command::new(site.games.cloud.bin().join("terraform")).args(show).status().unwrap().success());
    // The machine, and then the plan's file.
    let said = site.gives_up(&two, &["lb-1", "local", "local"]);
    assert_eq!(site.applied(), ["scale-up.tfplan", "scale-up.tfplan", "scale-up.undo.tfplan"], "{said}");
}

impl Site {
    /// A server more, from one to these two, by somebody who stops before it is set up and takes back what was done on these.
    fn gives_up(&self, two: &Value, targets: &[&str]) -> String {
        let mut person = self.person("scale-up", &self.vars(&["server_count=2", &self.infrastructure()]));
        person.begins("add on local");
        person.is_asked("type  add on local  to go on");
        self.has(two);
        say(&mut person.screen, "add on local");
        person.goes_on(&["add on lb-1"]);
        person.answers("runs Take a new game server into service ", "stop");
        for target in targets {
            person.takes_back(target);
        }
        person.ends().1
    }

    /// Somebody who takes back the newest run of a runbook, and has typed the phrase of its plan.
    fn taken_back(&self, id: &str) -> Person {
        let run = self.home.newest_of(id);
        let mut screen = self.home.on_terminal(&["runbook", "resume", &run, "--undo"]);
        screen.wait_text("to run it type  undo on ");
        let text = screen.text();
        let (_, phrase) = text.rsplit_once("to run it type  ").unwrap();
        let phrase = phrase.split("  ").next().unwrap().trim_end_matches([' ', ':']).to_owned();
        say(&mut screen, &phrase);
        Person { screen, asked: BTreeMap::new() }
    }
}

/// Asked before anything is planned, without a lock: what would go.
const LOOK: [&str; 5] = ["terraform", "plan", "-json", "-input=false", "-lock=false"];

/// What Terraform says while it plans that this goes.
fn told(index: usize, action: &str) -> String {
    let resource = json!({"addr": format!("aws_instance.game[{index}]"), "resource_key": index});
    let change = json!({"type": "planned_change", "change": {"resource": resource, "action": action}});
    format!("{{\"type\": \"version\"}}\n{change}\n{{\"type\": \"outputs\"}}\n")
}

impl Site {
    /// Terraform would do this with one of the servers to come to so many.
    fn would(&self, count: usize, index: usize, action: &str) {
        let count = format!("-var=server_count={count}");
        self.games.cloud.answers(&[&LOOK[..], &[&count]].concat(), &told(index, action));
    }

    /// `game-3` is drained, stopped and backed up; up to the question whether it shall be destroyed, when the saved plan is good.
    fn removes(&self) -> Person {
        let third = &self.games.servers[2];
        let given = self.vars(&[
            "server=game-3",
            "target=game-1",
            "server_count=2",
            &self.infrastructure(),
            "backups=/opt/backup",
        ]);
        let cloud = &self.games.cloud;
        cloud.answers(&["aws", "s3", "cp", "--only-show-errors", "*", "s3://spacetime-backups/server/game-3/"], "");
        let mut person = self.person("scale-down", &given);
        person.begins("silence 1 on alertmanager");
        person.calls("Drain a game server");
        person.begins("drain 1 on game-3");
        person.goes_on(&["drain on lb-1", "remove on game-3", "remove on game-3"]);
        person.is_asked(" is whole: 2 files");
        assert!(!third.runs() && third.state() == (true, 0), "{third:?}");
        let text = person.screen.text();
        let (file, size) = text.rsplit_once(" is whole: 2 files, ").unwrap();
        let name = file.rsplit_once('/').unwrap().1;
        let size = size.split_once(" bytes").unwrap().0;
        let path = format!("s3://spacetime-backups/server/game-3/{name}");
        cloud.answers(&["aws", "s3", "ls", &path], &format!("2026-11-29 03:00:00 {size:>10} {name}\n"));
        person.goes_on(&["remove on game-3", "remove on local"]);
        person
    }
}

#[test]
fn a_server_is_removed_when_it_is_the_one_that_goes_and_its_backup_is_elsewhere() {
    let test = "a_server_is_removed_when_it_is_the_one_that_goes_and_its_backup_is_elsewhere";
    let Some((site, port, _alerts)) = had(test, alerted(3)) else { return };
    let (games, third) = (&site.games, &site.games.servers[2]);
    let (two, three) = (games.ips(2), games.ips(3));
    site.has(&three);
    site.would(2, 2, "delete");
    // With a count it is always the last one.
    let given = site.vars(&["server=game-1", "target=game-2", "server_count=2", &site.infrastructure()]);
    let refused = said(&site.planned("scale-down", &given));
    let given = site.vars(&["server=game-3", "target=game-2", "server_count=1", &site.infrastructure()]);
    let more = said(&site.planned("scale-down", &given));
    assert!(more.contains("server_count would be 2"), "{more}");
    let would = format!("game-1 is {}, and Terraform would destroy {}", games.servers[0].address, third.address);
    assert!(refused.contains(&would), "{refused}");
    assert!(games.servers[0].called().is_empty() && !games.servers[0].state().0);

    // Whoever moved its players by hand has not taken it out of the load balancer by that.
    let moved = ["-fsS", "-X", "POST", "-H", &format!("Authorization: Bearer {TOKEN}")].map(str::to_owned);
    let drain = format!("http://{}:8080/admin/drain", third.address);
    assert!(Command::new("curl").args(moved).arg(drain).output().unwrap().status.success());
    let given = site.vars(&["server=game-3", "target=game-1", "server_count=2", &site.infrastructure()]);
    let mut person = site.person("scale-down", &given);
    person.begins("silence 1 on alertmanager");
    person.answers("runs Drain a game server ", "skip its players were moved by hand");
    let (code, said) = person.ends();
    let there = format!("{} is still in spacetime_backend", third.place());
    assert!(code != 0 && said.contains(&there) && third.runs(), "{said}");

    site.plans(2, "scale-down.tfplan", &shown(&[("aws_instance.game[2]", Some(2), "delete")], &three, Some(&two)));
    site.applies("scale-down.tfplan");
    let mut person = site.removes();
    person.is_asked("type  destroy on local  to go on");
    assert!(site.applied().is_empty());
    let silences = http::get(port, "/api/v2/silences").unwrap().json();
    let [silence] = &silences.as_array().unwrap()[..] else { panic!("one silence: {silences}") };
    let place = third.address.to_string().replace('.', "[.]");
    let instance = json!({"name": "instance", "value": format!("[[]?(game-3|{place})[]]?(:[0-9]+)?"), "isRegex": true, "isEqual": true});
    assert_eq!((&silence["matchers"], &silence["status"]["state"]), (&json!([instance]), &json!("active")));
    let time = |name: &str| silence[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let lasts = time("endsAt").duration_since(time("startsAt"));
    assert!(
        lasts > SignedDuration::from_mins(239) && lasts <= SignedDuration::from_hours(4),
        "it ends by itself: {silence}"
    );
    // The first question is the check's of that step, were there one; none is, so the next one is after the end.
    site.gone(&two);
    say(&mut person.screen, "destroy on local");
    person.ticks(&["It is out of this dashboard's config", "Its commented line"]);
    let (code, said) = person.ends();
    assert_eq!((code, site.applied()), (0, vec!["scale-down.tfplan".to_owned()]), "{said}");
    assert_eq!(third.called(), ["docker stop 1f0c", "backup_server.sh"]);
    assert_eq!(
        games.balancer.upstream(),
        [&lines(&games.servers[..2])[..], &[format!("# drained: server {};", third.place())]].concat()
    );
}

#[test]
fn a_saved_plan_that_would_destroy_another_server_is_not_applied_and_the_server_comes_back() {
    let test = "a_saved_plan_that_would_destroy_another_server_is_not_applied_and_the_server_comes_back";
    let Some((site, port, _alerts)) = had(test, alerted(3)) else { return };
    let (games, third) = (&site.games, &site.games.servers[2]);
    let three = games.ips(3);
    site.has(&three);
    site.would(2, 2, "delete");
    let other: Value = [&games.servers[1], third].iter().map(|game| game.address.to_string()).collect();
    site.plans(2, "scale-down.tfplan", &shown(&[("aws_instance.game[0]", Some(0), "delete")], &three, Some(&other)));
    let mut person = site.removes();
    let would = format!("game-3 is {}, and this plan would destroy {}", third.address, games.servers[0].address);
    person.is_asked(&would);
    // Its plan, its containers, and the silence.
    for target in ["local", "game-3", "alertmanager"] {
        person.takes_back(target);
    }
    let (code, said) = person.ends();
    assert!(code != 0 && site.applied().is_empty(), "{said}");
    let silences = http::get(port, "/api/v2/silences").unwrap().json();
    assert_eq!(silences[0]["status"]["state"], "expired", "its alerts are told again: {silences}");
    assert!(third.runs(), "its containers are started again: {said}");
    let (code, said) = site.home.undo("server-drain");
    assert_eq!((code, games.balancer.upstream()), (Some(0), lines(&games.servers[..3])), "{said}");
}

#[test]
fn a_plan_that_changes_another_server_in_place_removes_none() {
    let test = "a_plan_that_changes_another_server_in_place_removes_none";
    let Some((site, _port, _alerts)) = had(test, alerted(3)) else { return };
    let games = &site.games;
    let (two, three) = (games.ips(2), games.ips(3));
    site.has(&three);
    let look = [&LOOK[..], &["-var=server_count=2"]].concat();
    games.cloud.answers(&look, &(told(2, "delete") + &told(0, "update")));
    let given = site.vars(&["server=game-3", "target=game-1", "server_count=2", &site.infrastructure()]);
    let refused = said(&site.planned("scale-down", &given));
    assert!(refused.contains("update aws_instance.game[0]") && refused.contains("in place neither"), "{refused}");
    // It came meanwhile: the saved plan is not applied either. The answer of before is given once more.
    site.would(2, 2, "delete");
    assert!(Command::new(games.cloud.bin().join("terraform")).args(&look[1..]).status().unwrap().success());
    let changed = [("aws_instance.game[0]", Some(0), "update"), ("aws_instance.game[2]", Some(2), "delete")];
    site.plans(2, "scale-down.tfplan", &shown(&changed, &three, Some(&two)));
    let mut person = site.removes();
    person.is_asked("this plan does more than remove a server: update aws_instance.game[0]");
    person.answers("to undo it type", "stop");
    let (code, said) = person.ends();
    assert!(code != 0 && site.applied().is_empty(), "{said}");
}

#[test]
fn a_drain_that_nobody_follows_and_a_config_that_nginx_refuses_stop_and_are_taken_back() {
    let test = "a_drain_that_nobody_follows_and_a_config_that_nginx_refuses_stop_and_are_taken_back";
    let Some(site) = site(test, 2) else { return };
    let (games, first, second) = (&site.games, &site.games.servers[0], &site.games.servers[1]);
    let both = lines(&games.servers[..2]);
    let mut person = site.person("server-drain", &site.vars(&["server=game-1", "target=game-2"]));
    person.begins("drain 1 on game-1");
    person.is_asked("type  drain on lb-1  to go on");
    let broken = games.balancer.file().with_file_name("zz.conf");
    std::fs::write(&broken, "no directive;\n").unwrap();
    say(&mut person.screen, "drain on lb-1");
    let (code, said) = person.ends();
    assert_eq!((code, games.balancer.upstream()), (1, both.clone()), "{said}");
    assert!(said.contains("unknown directive") && said.contains("left to undo"), "{said}");
    std::fs::remove_file(broken).unwrap();
    let (code, said) = site.home.undo("server-drain");
    assert_eq!((code, first.state()), (Some(0), (false, PLAYERS)), "{said}");

    second.keeps_players();
    let mut person = site.person("server-drain", &site.vars(&["server=game-2", "target=game-1"]));
    person.begins("drain 1 on game-2");
    person.takes_back("game-2");
    let (_, said) = person.ends();
    assert_eq!((second.state(), games.balancer.upstream()), ((false, PLAYERS), both), "{said}");
}

const INSTANCE: &str = "i-1234567890abcdef0";

impl Site {
    /// AWS says this of the instance, by a query.
    fn says(&self, query: &str, text: &str) {
        let call =
            ["aws", "ec2", "describe-instances", "--instance-ids", INSTANCE, "--query", query, "--output", "text"];
        self.games.cloud.answers(&call, &format!("{text}\n"));
    }

    /// AWS takes these words about the instance.
    fn takes(&self, verb: &str, option: &str, more: &[&str]) {
        self.games.cloud.answers(&[&["aws", "ec2", verb, option, INSTANCE], more].concat(), "");
    }

    /// AWS waits for a state of the instance, and finds it.
    fn waits(&self, state: &str) {
        self.games.cloud.answers(&["aws", "ec2", "wait", state, "--instance-ids", INSTANCE], "");
    }

    /// AWS knows a type that has what this machine has.
    fn knows_type(&self, name: &str) -> [String; 2] {
        let cpus = std::thread::available_parallelism().unwrap().get();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
        let kib: usize = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        let gib = (kib >> 20).max(1);
        let query = "InstanceTypes[0].[VCpuInfo.DefaultVCpus, MemoryInfo.SizeInMiB]";
        let call =
            ["aws", "ec2", "describe-instance-types", "--instance-types", name, "--query", query, "--output", "text"];
        self.games.cloud.answers(&call, &format!("{cpus}\t{}\n", gib << 10));
        [format!("cpus={cpus}"), format!("memory_gib={gib}")]
    }

    /// What AWS was told to change, without what it was asked.
    fn changed(&self) -> Vec<String> {
        let called = self.games.cloud.called("aws");
        let asks = |line: &String| line.contains(" describe-") || line.contains(" wait ");
        let lines = called.into_iter().filter(|line| !asks(line));
        lines.map(|line| line.replace(INSTANCE, "i").replace(" --output text", "").replacen("aws ", "", 1)).collect()
    }
}

const WHOLE: &str = "Reservations[0].Instances[0].[State.Name, InstanceType, PrivateIpAddress, RootDeviceType, \
    NetworkInterfaces[0].Association.IpOwnerId, Tags[?Key=='aws:autoscaling:groupName'].Value | [0]]";
const STATE: &str = "Reservations[0].Instances[0].State.Name";
const TYPE: &str = "Reservations[0].Instances[0].InstanceType";

/// A site with a Prometheus that can be told to read its rules again.
fn watched(count: usize) -> Result<(Site, Service), String> {
    let port = free_port();
    let jobs = format!("- {{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n");
    let prometheus = start_scraping(port, &jobs)?;
    let url = format!("url = \"http://127.0.0.1:{port}\"\n");
    Ok((Site::start(count, &format!("[prometheus.main]\n{url}[http.prometheus]\n{url}"))?, prometheus))
}

#[test]
fn a_machine_is_drained_made_larger_and_sent_players_again_or_put_back_when_it_does_not_come_up() {
    let test = "a_machine_is_drained_made_larger_and_sent_players_again_or_put_back_when_it_does_not_come_up";
    let Some((site, _prometheus)) = had(test, watched(2)) else { return };
    let (cloud, first) = (&site.games.cloud, &site.games.servers[0]);
    let address = first.address;
    site.says(WHOLE, &format!("running\tt3.large\t{address}\tebs\tNone\tNone"));
    // The way back finds it still stopping, and waits before it starts it.
    for state in ["stopped", "stopping", "stopped"] {
        site.says(STATE, state);
    }
    site.says(TYPE, "t3.xlarge");
    let public = "Reservations[0].Instances[0].[State.Name, PrivateIpAddress, PublicIpAddress]";
    site.says(public, &format!("running\t{address}\t203.0.113.7"));
    let [cpus, memory] = site.knows_type("t3.xlarge");
    for verb in ["stop-instances", "start-instances"] {
        site.takes(verb, "--instance-ids", &["--output", "text"]);
    }
    site.waits("instance-stopped");
    for kind in ["t3.large", "t3.xlarge"] {
        site.takes("modify-instance-attribute", "--instance-id", &["--instance-type", kind]);
    }
    let running = ["aws", "ec2", "wait", "instance-running", "--instance-ids", INSTANCE];
    cloud.ends(&running, "", "Waiter InstanceRunning failed: Max attempts exceeded\n", 255);
    site.waits("instance-running");
    let instance = format!("instance={INSTANCE}");
    let given = ["server=game-1", "target=game-2", &instance, "from_type=t3.large", &cpus, &memory, "silence=false"];
    let given = site.vars(&given);

    let mut person = site.person("resize-instance", &given);
    let resizes = |person: &mut Person| {
        person.begins("resize on local");
        person.calls("Drain a game server");
        person.begins("drain 1 on game-1");
        person.goes_on(&["drain on lb-1", "resize on local", "resize on local"]);
    };
    resizes(&mut person);
    person.is_asked("Waiter InstanceRunning failed");
    for _ in 0..3 {
        person.takes_back("local");
    }
    let (code, text) = person.ends();
    assert_ne!(code, 0, "{text}");
    let [stop, larger, start] = [
        "stop-instances --instance-ids i",
        "modify-instance-attribute --instance-id i --instance-type t3.xlarge",
        "start-instances --instance-ids i",
    ];
    let smaller = larger.replace("xlarge", "large");
    let tried = [stop, larger, start, stop, &smaller, start].map(|line| format!("ec2 {line}"));
    assert_eq!(site.changed(), tried, "{text}");
    let waits = || cloud.called("aws").iter().filter(|call| call.contains("wait instance-stopped")).count();
    assert_eq!(waits(), 3, "twice for a stop, and once before the start: {text}");
    assert_eq!(site.home.undo("server-drain").0, Some(0));

    let mut person = site.person("resize-instance", &given);
    resizes(&mut person);
    person.goes_on(&["resize on game-1"]);
    person.calls("Bring a drained game server back");
    person.begins("return on game-1");
    person.goes_on(&["return on lb-1"]);
    person.answers("pick 2: rules were edited", "pick 2");
    person.answers("chosen: rules were edited", "done");
    person.goes_on(&["resize on prometheus"]);
    let (code, text) = person.ends();
    assert_eq!(code, 0, "{text}");
    assert_eq!(site.changed()[6..], tried[..3], "{text}");
    assert_eq!((first.state(), site.games.balancer.upstream()), ((false, PLAYERS), lines(&site.games.servers[..2])));
    assert_eq!(first.called(), ["docker start 1f0c"]);
    // Who plays on it is not sent away by that, and it is not stopped under them: neither now nor when somebody tries once more.
    assert_eq!(site.home.undo("server-return").0, Some(0));
    for _ in 0..2 {
        let (code, text) = site.taken_back("resize-instance").ends();
        assert!(code != 0 && text.contains(&format!("{PLAYERS} play on game-1: drain it first")), "{text}");
        assert!(!text.contains("who are moved"), "the way back moves nobody: {text}");
    }
    assert_eq!((site.changed().len(), first.called().len()), (9, 1), "nothing was stopped");
    site.says(WHOLE, &format!("running\tt3.large\t{address}\tebs\tNone\tgame-servers"));
    // The first question is still answered as before.
    let [_, refused] = [(); 2].map(|()| said(&site.planned("resize-instance", &given)));
    assert!(refused.contains("auto scaling group game-servers"), "{refused}");
}

/// The host of a database, whose `systemctl` ends and starts the server of its unit.
fn host_of(server: &Postgres) -> Result<Host, String> {
    let (home, port) = (server.socket.display(), server.port);
    let script = format!(
        "#!/bin/sh\nset -eu\ncd /\n[ \"$(echo \"$*\" | tail -c 11)\" = postgresql ] || exit 5\n\
         ctl() {{ su postgres -s /bin/sh -c \"/usr/lib/postgresql/$(cat {home}/data/PG_VERSION)/bin/pg_ctl -D {home}/data $*\" </dev/null >/dev/null; }}\n\
         case $1 in\n  stop) ctl -m fast -w stop ;;\n  start) ctl -w -l {home}/log -o \"'-k {home} -p {port} -c listen_addresses=127.0.0.1'\" start ;;\n\
         show) if ctl status; then echo active; else echo inactive; fi ;;\n  *) exit 1 ;;\nesac\n"
    );
    let host = Host::with(&[])?;
    write(&host.folder("systemctl"), &script, 0o755)?;
    // What it starts belongs to nobody else.
    run_at_end(&format!("kill -INT $(head -n 1 {home}/data/postmaster.pid)"));
    Ok(host)
}

/// A site with a database on a host of its own; its config has `more`.
fn with_database(count: usize, more: &str) -> Result<(Site, Postgres, Host), String> {
    let server = own_postgres()?;
    server.run_in("postgres", "CREATE DATABASE spacetime");
    server.run_in("spacetime", "CREATE TABLE users AS SELECT generate_series(1, 10) AS id");
    let host = host_of(&server)?;
    let dsn = format!("dsn = \"postgres://qd_read@127.0.0.1:{}/spacetime?sslmode=disable\"", server.port);
    let config = format!(
        "[postgres.primary]\n{dsn}\npassword = {{ env = \"QD_READ\" }}\n[ssh.db-1]\nhost = \"{HOST}\"\nconfig = \"{}\"\n\
         [[server]]\nname = \"db-1\"\naddress = \"10.0.1.9\"\n{more}",
        host.sshd.config().display()
    );
    Ok((Site::start(count, &config)?, server, host))
}

#[test]
fn a_database_on_a_machine_of_its_own_is_backed_up_stopped_and_started_on_a_larger_one() {
    let test = "a_database_on_a_machine_of_its_own_is_backed_up_stopped_and_started_on_a_larger_one";
    let Some((site, server, _host)) = had(test, with_database(2, "")) else { return };
    let games = &site.games.servers[..2];
    site.says(
        "Reservations[0].Instances[0].[State.Name, InstanceType, PrivateIpAddress, RootDeviceType]",
        "running\tm5.xlarge\t10.0.1.9\tebs",
    );
    site.says(STATE, "stopped");
    site.says(TYPE, "m5.2xlarge");
    site.says("Reservations[0].Instances[0].[State.Name, PrivateIpAddress]", "running\t10.0.1.9");
    for verb in ["stop-instances", "start-instances"] {
        site.takes(verb, "--instance-ids", &["--output", "text"]);
    }
    site.waits("instance-stopped");
    site.waits("instance-status-ok");
    site.takes("modify-instance-attribute", "--instance-id", &["--instance-type", "m5.2xlarge"]);
    let [cpus, memory] = site.knows_type("m5.2xlarge");
    let backup = folder("backup");
    std::fs::set_permissions(&backup, std::fs::Permissions::from_mode(0o777)).unwrap();
    let where_it_is = [
        format!("instance={INSTANCE}"),
        format!("folder={}", backup.display()),
        format!("socket={}", server.socket.display()),
        format!("port={}", server.port),
    ];
    let stopped = ["servers=game-1,game-2", "silence=false"];
    let given: Vec<&str> = ["database=primary", "server=db-1", "from_type=m5.xlarge", &cpus, &memory]
        .into_iter()
        .chain(stopped)
        .chain(where_it_is.iter().map(String::as_str))
        .collect();
    let mut person = site.person("resize-database", &vars(&given));
    person.begins("resize on 2 hosts");
    person.calls("Back up a database, and prove that it restores");
    person.answers("run it? y, or", "y");
    person.goes_on(&["resize on db-1"]);
    person.is_asked("type  resize on local  to go on");
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err(), "PostgreSQL is stopped before its machine is");
    assert!(games.iter().all(|game| !game.runs()), "{games:?}");
    say(&mut person.screen, "resize on local");
    person.goes_on(&["resize on local", "resize on local"]);
    person.goes_on(&["resize on db-1", "resize on 2 hosts"]);
    let (code, text) = person.ends();
    assert_eq!(code, 0, "{text}");
    let done = [
        "stop-instances --instance-ids i",
        "modify-instance-attribute --instance-id i --instance-type m5.2xlarge",
        "start-instances --instance-ids i",
    ];
    assert_eq!(site.changed(), done.map(|line| format!("ec2 {line}")), "{text}");
    assert!(games.iter().all(|game| game.called() == ["docker stop 1f0c", "docker start 1f0c"]), "{games:?}");
    assert_eq!(server.column("SELECT pg_is_in_recovery()::text"), ["false"]);

    // The way back takes the database away from nobody: game servers, PostgreSQL and the machine are stopped in this order.
    site.takes("modify-instance-attribute", "--instance-id", &["--instance-type", "m5.xlarge"]);
    let mut person = site.taken_back("resize-database");
    person.is_asked("type  undo on db-1  to go on");
    assert!(games.iter().all(|game| !game.runs()), "{games:?}");
    say(&mut person.screen, "undo on db-1");
    person.is_asked("type  undo on local  to go on");
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err(), "PostgreSQL is stopped before its machine is");
    say(&mut person.screen, "undo on local");
    person.goes_on(&["undo on local", "undo on local", "undo on db-1", "undo on game-2, game-1"]);
    let started = || games.iter().all(|game| game.called().len() == 4 && game.runs());
    poll(PATIENCE, || started().then_some(())).expect("game servers are started again");
    let back = [done[0], "modify-instance-attribute --instance-id i --instance-type m5.xlarge", done[2]];
    assert_eq!(site.changed()[3..], back.map(|line| format!("ec2 {line}")));
    let twice = ["docker stop 1f0c", "docker start 1f0c"].repeat(2);
    assert!(games.iter().all(|game| game.called() == twice && game.runs()), "{games:?}");
    assert_eq!(server.column("SELECT pg_is_in_recovery()::text"), ["false"]);
}

const CLASS: &str = "DBInstances[0].[DBInstanceStatus, DBInstanceClass, length(keys(PendingModifiedValues))";

#[test]
fn a_database_of_amazon_is_resized_when_it_says_so_itself_and_not_by_being_available() {
    let test = "a_database_of_amazon_is_resized_when_it_says_so_itself_and_not_by_being_available";
    let Some((port, _alerts)) = had(test, alertmanager_of(NOBODY)) else { return };
    let alertmanager = format!("[alertmanager.main]\nurl = \"http://127.0.0.1:{port}\"\n");
    let Some((site, server, _host)) = had(test, with_database(2, &alertmanager)) else { return };
    let (cloud, games) = (&site.games.cloud, &site.games.servers[..2]);
    let rds = |words: &[&str], out: &str| cloud.answers(&[&["aws", "rds"], words].concat(), &format!("{out}\n"));
    let (before, during) = (format!("{CLASS}, MultiAZ]"), format!("{CLASS}]"));
    let describe = |query: &str, out: &str| {
        rds(
            &[
                "describe-db-instances",
                "--db-instance-identifier",
                "spacetime-db",
                "--query",
                query,
                "--output",
                "text",
            ],
            out,
        );
    };
    let (named, is) = ("spacetime-pre-scale", "--db-snapshot-identifier");
    let snapshot = "DBSnapshots[0].[DBInstanceIdentifier, Status, PercentProgress]";
    rds(&["create-db-snapshot", "--db-instance-identifier", "spacetime-db", is, named, "--output", "text"], "creating");
    rds(&["wait", "db-snapshot-available", is, named], "");
    rds(&["describe-db-snapshots", is, named, "--query", snapshot, "--output", "text"], "spacetime-db\tavailable\t100");
    let class = |class| {
        [
            "modify-db-instance",
            "--db-instance-identifier",
            "spacetime-db",
            "--db-instance-class",
            class,
            "--apply-immediately",
            "--output",
            "text",
        ]
    };
    rds(&class("db.m5.2xlarge"), "modifying");
    describe(&before, "available\tdb.m5.xlarge\t1\tFalse");
    describe(&before, "available\tdb.m5.xlarge\t0\tFalse");
    // Right after the order it is still available, as what it was.
    describe(&during, "available\tdb.m5.xlarge\t1");
    describe(&during, "available\tdb.m5.2xlarge\t0");
    let given = vars(&["database=primary", "from_class=db.m5.xlarge", "servers=game-1,game-2"]);
    let (code, text) = site.home.unattended("resize-database-rds", &given);
    assert!(code.is_none() && text.contains("1 other changes of spacetime-db are pending"), "{text}");
    site.ok("resize-database-rds", &given);
    let silences = || {
        let all = http::get(port, "/api/v2/silences").unwrap().json();
        let mut states: Vec<String> =
            all.as_array().unwrap().iter().map(|one| one["status"]["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        (states, all[0]["matchers"][0]["value"].as_str().unwrap().to_owned())
    };
    let (states, names) = silences();
    assert!(states == ["active"] && names.contains("ServiceDown|") && names.contains("|DatabaseDown|"), "{names}");
    let order = ["create-db-snapshot", "modify-db-instance"];
    assert_eq!(site.changed().iter().map(|line| line.split(' ').nth(1).unwrap()).collect::<Vec<_>>(), order);
    assert!(games.iter().all(|game| game.called() == ["docker stop 1f0c", "docker start 1f0c"]), "{games:?}");

    cloud.ends(&[&["aws", "rds"], &class("db.m5.2xlarge")[..]].concat(), "", "InsufficientDBInstanceCapacity\n", 254);
    rds(&class("db.m5.xlarge"), "modifying");
    describe(&during, "available\tdb.m5.xlarge\t0");
    // The answers of before are given once more.
    assert!(
        Command::new(cloud.bin().join("aws"))
            .args([&["rds"], &class("db.m5.2xlarge")[..]].concat())
            .status()
            .unwrap()
            .success()
    );
    let asked = [
        "rds",
        "describe-db-instances",
        "--db-instance-identifier",
        "spacetime-db",
        "--query",
        &during,
        "--output",
        "text",
    ];
    assert!(Command::new(cloud.bin().join("aws")).args(asked).status().unwrap().success());
    let (code, text) = site.home.unattended("resize-database-rds", &given);
    assert!(code == Some(1) && text.contains("InsufficientDBInstanceCapacity"), "{text}");
    assert!(games.iter().all(|game| !game.runs()), "{games:?}");
    let (code, text) = site.home.undo("resize-database-rds");
    assert!(code == Some(0) && games.iter().all(Game::runs), "{text}");
    assert_eq!(silences().0, ["active", "expired"], "what is taken back is silenced no more");
    // A server that nobody named goes on, and writes.
    let mut psql = Command::new("psql");
    psql.env("PGAPPNAME", "godot-api").args(["-U", "postgres", "-d", "spacetime", "-c", "SELECT pg_sleep(300)"]);
    psql.arg("-h").arg(&server.socket).args(["-p", &server.port.to_string()]);
    let _api = Service::start("godot-api", &mut psql).unwrap();
    let there =
        || !server.column("SELECT pid::text FROM pg_stat_activity WHERE application_name = 'godot-api'").is_empty();
    poll(PATIENCE, || there().then_some(())).expect("it is connected");
    let mut person = site.person("resize-database-rds", &given);
    person.begins("silence on alertmanager");
    person.goes_on(&["resize on 2 hosts"]);
    person.answers("again (a), continue REASON (c), stop; to undo it type  undo on game-", "stop");
    let (code, text) = person.ends();
    assert!(code != 0 && text.contains("godot-api"), "{text}");
}
