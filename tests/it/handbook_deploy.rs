//! The handbook's chapters about deployments and the way back, run: each shipped runbook as it stands, on the lab's SpaceTime with its players.
//! GitHub can't be reached: there a stand-in for `gh` takes the exact words of each call, and no others.

use crate::desk::insist;
use crate::lab::cloud::Cloud;
use crate::lab::spacetime::{BROKEN, GOOD, HOTFIX, NEXT, SICK, SpaceTime};
use crate::lab::{need, poll};
use crate::pty::Session;
use crate::support::{Home, LONG, answer, leave, say, vars};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const REPO: &str = "spacetime/game";
/// A commit, and a run of the workflow that deploys it.
const COMMIT: &str = "4f2c9d1e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d";
const RUN: &str = "9000000001";
const QUIET: &str = "ALERTS{alertname!=\"Watchdog\"}";

/// The checklist is not gone through a second time.
const CHECKED: (&str, &str) = ("runs May this be deployed?", "skip the checklist was gone through a minute ago");
/// What a failure asks, when something can be taken back.
const LEFT: (&str, &str) = ("; to undo it type ", "stop");
/// The phrase of a step that changes something.
const DEPLOY: (&str, &str) = ("type  deploy on production-server  to go on", "deploy on production-server");
const MIGRATE: (&str, &str) = ("type  migrate on production-server  to go on", "migrate on production-server");

/// SpaceTime, and somebody who deploys it.
struct Site {
    spacetime: SpaceTime,
    home: Home,
    gh: Cloud,
}

impl Site {
    fn new(spacetime: SpaceTime) -> Self {
        let gh = Cloud::new(&["gh"]);
        let config = spacetime.config(|role| format!("{{ env = \"{}\" }}", role.to_uppercase()));
        let home = Home::finding(&config, gh.path());
        Self { spacetime, home, gh }
    }

    /// The parameters of a deployment to green, with the handbook's times made short.
    fn to_green(&self, version: &str, more: &[&str]) -> Vec<String> {
        // No deployment begins while an alert fires, as one does for a moment on a slow machine.
        self.is_quiet();
        let urls = [("green", 8083), ("blue", 8081)];
        let urls = urls.map(|(name, port)| format!("{name}_url=http://{}:{port}", self.spacetime.address));
        let [version, previous] = [format!("version={version}"), format!("previous={GOOD}")];
        let given = ["server=production-server", &version, &previous, &urls[0], &urls[1], "wait_seconds=1"];
        [vars(&given), vars(more)].concat()
    }

    /// A run that ends ill, for this reason.
    fn fails(&self, id: &str, vars: &[String], why: &str) {
        let (code, said) = self.home.unattended(id, vars);
        assert!(code == Some(1) && said.contains(why), "{why}: {code:?} {said}");
    }

    /// A deployment by a person, for whom the checklist was gone through before; then what else is asked, and how it ends.
    fn deploys(&self, vars: &[String], answers: &[(&str, &str)]) -> (u32, String) {
        let screen = self.begins(vars);
        Self::ends(screen, &[&[CHECKED], answers].concat())
    }

    /// The plan of a deployment is answered.
    fn begins(&self, vars: &[String]) -> Session {
        // For some seconds nginx leaves out servers that have failed it, and no deployment is planned while nobody is served.
        poll(LONG, || (self.spacetime.play().0 == 200).then_some(())).expect("players are served");
        let words = ["runbook", "run", "deploy-standard"].into_iter().chain(vars.iter().map(String::as_str));
        let mut screen = self.home.on_terminal(&words.collect::<Vec<_>>());
        asked(&mut screen, "to run it type  deploy on production-server", "deploy on production-server");
        screen
    }

    fn ends(mut screen: Session, answers: &[(&str, &str)]) -> (u32, String) {
        let mut asked = BTreeMap::<&str, usize>::new();
        for (question, line) in answers {
            let times = asked.entry(question).or_default();
            *times += 1;
            screen.wait_screen(question, LONG, |screen| screen.contents().matches(question).count() >= *times);
            say(&mut screen, line);
        }
        let code = screen.wait_exit().exit_code();
        (code, screen.text())
    }

    /// A deployment that fails for this reason; what it has changed is left.
    fn deploys_in_vain(&self, vars: &[String], answers: &[(&str, &str)], why: &str) {
        let (code, said) = self.deploys(vars, answers);
        assert!(code == 1 && said.contains(why), "{why}: {code} {said}");
    }

    fn goes_well(&self, id: &str, vars: &[String]) -> String {
        let (code, said) = self.home.unattended(id, vars);
        assert_eq!(code, Some(0), "{id}: {said}");
        said
    }

    /// What can't even be planned, and why.
    fn is_refused(&self, id: &str, vars: &[String], why: &str) {
        let (code, said) = self.home.unattended(id, vars);
        assert!(code.is_none() && said.contains(why), "{why}: {code:?} {said}");
    }

    /// How often players were begun to be watched, of all deployments.
    fn watches(&self) -> usize {
        let watch = |record: &&Value| record["kind"] == "step.recheck" && record.to_string().contains("watch-them");
        self.home.records().iter().filter(watch).count()
    }

    fn takes_back(&self) {
        let (code, said) = self.home.undo_newest();
        assert_eq!(code, Some(0), "{said}");
    }

    /// Waits until the alerts of what was done before are over: no deployment begins while one fires.
    fn is_quiet(&self) {
        // What has just happened is scraped, and judged, within two seconds.
        let mut since = Instant::now();
        let quiet = || {
            if !self.spacetime.asks(QUIET).is_empty() {
                since = Instant::now();
            }
            (since.elapsed() > Duration::from_secs(3)).then_some(())
        };
        assert!(poll(LONG, quiet).is_some(), "{:?}", self.spacetime.asks(QUIET));
    }

    /// Players get this version, and the containers are those of this colour alone.
    fn is_on(&self, version: &str, colour: &str) {
        let (status, body) = self.spacetime.play();
        assert!(status == 200 && body.ends_with(version), "{version}: {status} {body}");
        let names = self.spacetime.docker.cli(&["ps", "-a", "--format", "{{.Names}}"]);
        assert!(names.lines().all(|name| name.contains(colour)), "{names}");
    }

    /// How often players were not served since this was asked last.
    fn failed_since(&self, before: usize) -> usize {
        self.spacetime.players().1 - before
    }

    /// How many dumps were made so far.
    fn dumps(&self) -> usize {
        let listed = self.spacetime.on_production("ls backups", &[]).output().unwrap().stdout;
        String::from_utf8(listed).unwrap().lines().filter(|name| name.ends_with(".sql.gz")).count()
    }

    /// A file of what is deployed.
    fn file(&self, name: &str) -> String {
        let output = self.spacetime.on_production("cat \"$1\"", &[name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The migrations that are applied, the newest last.
    fn migrations(&self) -> Vec<String> {
        self.spacetime.primary.column_in("spacetime", "SELECT name FROM django_migrations ORDER BY name")
    }
}

/// A deployment that fails leaves players where they are, and all of it is taken back.
fn stops_before_players(site: &Site) {
    let before = site.spacetime.players();
    site.deploys_in_vain(&site.to_green(SICK, &["wait_tries=3"]), &[DEPLOY, DEPLOY, LEFT], "not healthy after 3 looks");
    site.takes_back();
    site.is_on(GOOD, "blue");
    site.deploys_in_vain(&site.to_green(BROKEN, &["wait_tries=60"]), &[DEPLOY, DEPLOY, LEFT], "FAILED http://");
    site.is_on(GOOD, "");
    site.takes_back();
    site.is_on(GOOD, "blue");
    let (asked, failed) = site.spacetime.players();
    assert!(asked > before.0 && failed == before.1, "players noticed nothing: {before:?} {asked} {failed}");
}

/// A deployment begins with what can be known before it.
fn is_held_back(site: &Site) {
    site.is_quiet();
    // Its migrations must have been read.
    let dumps = site.dumps();
    site.deploys_in_vain(&site.to_green(NEXT, &[]), &[], "players.0043_emotes");
    assert_eq!(site.dumps(), dumps, "nobody waited for a backup before that");
    assert_eq!(site.migrations().len(), 3);
    site.is_refused("deploy-standard", &site.to_green(NEXT, &["to=blue"]), "players are on blue");
    let wrong: Vec<String> =
        site.to_green(NEXT, &[]).iter().map(|given| given.replace("previous=v2.5.0", "previous=v2.4.9")).collect();
    site.is_refused("deploy-standard", &wrong, "json.version == params.previous");
}

/// Of two runs of one version each has its own way back: that of the first is not lost by the second.
fn keeps_the_way_back_of_each_run(site: &Site) {
    let given = site.to_green(NEXT, &["wait_tries=1", "migrate=true"]);
    site.deploys_in_vain(&given, &[DEPLOY, MIGRATE, DEPLOY, LEFT], "not healthy after 1 looks");
    assert_eq!(site.migrations().len(), 5);
    let first = site.home.newest_of("deploy-standard");
    let (code, said) = site.deploys(&site.to_green(NEXT, &[]), &[DEPLOY, (DEPLOY.0, "stop")]);
    assert_eq!(code, 4, "{said}");
    let (code, said) = site.home.take_back(&first);
    assert_eq!((code, site.migrations().len()), (Some(0), 3), "{said}");
    site.is_on(GOOD, "blue");
}

/// It goes through to its end without a player who notices, and back again.
fn goes_through_and_back(site: &Site) {
    let before = site.spacetime.players().1;
    let old = "mkdir logs; touch -d '8 days ago' logs/old.log; touch -d '6 days ago' logs/new.log";
    assert!(site.spacetime.on_production(old, &[]).status().unwrap().success());
    let given = site.to_green(NEXT, &["wait_tries=60", "watch_seconds=2", "migrate=true"]);
    // With the checklist, by the commit.
    let screen = site.begins(&given);
    let checks = [
        ("runs May this be deployed?", "plan"),
        ("repo of deploy-checklist", REPO),
        ("commit of deploy-checklist", COMMIT),
    ];
    let ticks: Vec<(String, String)> = ITEMS
        .iter()
        .enumerate()
        .map(|(at, item)| (format!("tick {}: {item}", at + 1), format!("tick {}", at + 1)))
        .collect();
    let ticks = ticks.iter().map(|(item, line)| (item.as_str(), line.as_str()));
    let last = format!("[x] {}", ITEMS[ITEMS.len() - 1]);
    let end = [
        (last.as_str(), "done"),
        // Its own plan is answered; then each step of it that changes something.
        DEPLOY,
        MIGRATE,
        DEPLOY,
        DEPLOY,
        DEPLOY,
        ("type  prune on production-server  to go on", "prune on production-server"),
        ("pick 1: delete the old logs", "pick 1"),
        ("chosen: delete the old logs", "done"),
        ("type  delete on production-server  to go on", "delete on production-server"),
    ];
    let (code, said) = Site::ends(screen, &checks.into_iter().chain(ticks).chain(end).collect::<Vec<_>>());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("logs/old.log") && !said.contains("logs/new.log"), "what goes is shown before: {said}");
    site.is_on(NEXT, "green");
    assert_eq!(site.failed_since(before), 0, "{said}");
    assert_eq!(site.migrations().last().unwrap(), "0043_emotes");
    assert!(site.file("deployments.log").lines().last().unwrap().starts_with("v2.6.0 deployed at "));
    let logs = site.spacetime.on_production("ls logs", &[]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(logs).unwrap(), "new.log\n");

    // The newest run is that of the checklist.
    let (code, said) = site.home.undo("deploy-standard");
    assert_eq!(code, Some(0), "{said}");
    site.is_on(GOOD, "blue");
    assert_eq!((site.failed_since(before), site.migrations().len()), (0, 3));
    assert!(site.file("deployments.log").contains("v2.6.0 taken back, v2.5.0 deployed at "));
    site.is_refused("rollback-quick", &vars(&["server=production-server"]), "that version was taken back");
}

/// A version that dies under players is seen while they are watched, and they go back.
fn dies_under_players(site: &Site) {
    let given = site.to_green(NEXT, &["wait_tries=60", "watch_seconds=60", "migrate=true"]);
    site.is_quiet();
    let before = site.watches();
    let ended = std::thread::scope(|scope| {
        let run = scope.spawn(|| site.deploys(&given, &[DEPLOY, MIGRATE, DEPLOY, DEPLOY, LEFT]));
        let watched = || (site.watches() > before).then_some(());
        poll(LONG, watched).expect("it is watched");
        for number in 1..=2 {
            site.spacetime.kill(&format!("spacetime-green-godot-server-{number}")).unwrap();
        }
        run.join().unwrap()
    });
    let (code, said) = ended;
    assert!(code == 1 && said.contains("of 60 s to go players are not served"), "{code} {said}");
    assert_eq!(site.spacetime.play().0, 502);
    site.takes_back();
    site.is_on(GOOD, "blue");
}

/// Types a phrase once it is asked for.
fn asked(screen: &mut Session, question: &str, line: &str) {
    screen.wait_text(question);
    say(screen, line);
}

/// Back by keyboard, then the migration too, and not further than it can be taken back.
fn goes_back(site: &Site) {
    assert!(
        site.spacetime
            .compose("spacetime-green", NEXT, &["run", "--rm", "-T", "godot-api", "python", "manage.py", "migrate"])
            .is_ok()
    );
    site.spacetime.deploy(NEXT).unwrap();
    let mut screen = site.home.start(&[]);
    screen.send("1");
    screen.wait_text("p processes");
    let ended = || site.home.story_now().iter().filter(|told| told.starts_with("run.finish")).count();
    let before = ended();
    insist(&mut screen, "B", "plan: Go back to the version before");
    screen.wait_text("type  rollback on production-server ");
    screen.sees(Duration::from_millis(500), |_| false);
    answer(&mut screen, "rollback on production-server");
    assert!(poll(LONG, || (ended() > before).then_some(())).is_some(), "{}", screen.text());
    assert_eq!(site.home.story_now().last().unwrap(), "run.finish ok", "{}", screen.text());
    leave(&mut screen);
    assert!(site.spacetime.play().1.ends_with(GOOD));
    site.takes_back();
    assert!(site.spacetime.play().1.ends_with(NEXT), "and forward again");
    assert!(site.file("deployments.log").lines().last().unwrap().starts_with("v2.6.0 taken forward again at "));
    // That was no rollback: one that is needed after it is done, and only the next one would lead to what was left.
    site.goes_well("rollback-quick", &vars(&["server=production-server"]));
    assert!(site.spacetime.play().1.ends_with(GOOD));
    site.is_refused("rollback-quick", &vars(&["server=production-server"]), "it was rolled back already");
    assert!(site.spacetime.play().1.ends_with(GOOD));

    let of = |app: &str, version: &str, migration: &str| {
        let given = [format!("app={app}"), format!("version={version}"), format!("migration={migration}")];
        vars(&["server=production-server", &given[0], &given[1], &given[2]])
    };
    let to = |version: &str, migration: &str| of("players", version, migration);
    let run = |given: &[String]| {
        let words: Vec<&str> =
            ["runbook", "run", "rollback-migration"].into_iter().chain(given.iter().map(String::as_str)).collect();
        let mut screen = site.home.on_terminal(&words);
        asked(&mut screen, "to run it type  unmigrate on production-server", "unmigrate on production-server");
        screen
    };
    site.is_refused("rollback-migration", &to(GOOD, "0042_sessions"), "nothing to take back that v2.5.0 knows");
    site.is_refused("rollback-migration", &to(NEXT, "0099_none"), "is not applied");
    let mut screen = run(&to(NEXT, "0001_initial"));
    // That of another app, which needs one of these, goes along.
    screen.wait_text("guild_2.0001_tags");
    asked(&mut screen, "type  unmigrate 4 on production-server  to go on", "unmigrate 4 on production-server");
    screen.wait_text("0041_merge_accounts is not reversible");
    asked(&mut screen, "to undo it type  undo on production-server :", "undo on production-server");
    screen.wait_exit();
    assert_eq!(site.migrations().last().unwrap(), "0043_emotes", "what was taken back is there again");
    let ends = |mut screen: Session, phrase: &str| {
        asked(&mut screen, &format!("type  {phrase}  to go on"), phrase);
        asked(&mut screen, "tick 1: The version in use", "tick 1");
        asked(&mut screen, "[x] The version in use", "tick 2");
        asked(&mut screen, "[x] The author of each", "done");
        assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    };
    let has_tags = || site.migrations().iter().any(|name| name == "0001_tags");
    ends(run(&of("guild_2", NEXT, "zero")), "unmigrate 1 on production-server");
    assert!(!has_tags(), "nothing of an app that goes back to zero is applied");
    site.takes_back();
    assert!(has_tags(), "and all of it again");
    ends(run(&to(NEXT, "0042_sessions")), "unmigrate 2 on production-server");
    assert_eq!(site.migrations().last().unwrap(), "0042_sessions");
    site.spacetime.compose("spacetime-green", NEXT, &["down"]).unwrap();
}

/// Both colours run after a rollback: a window stops both, and starts the one in use; a second region starts the version that it is told.
fn is_stopped_and_started(site: &Site) {
    site.spacetime.put_on_green(NEXT).unwrap();
    let said = |script: &str, version: &str| {
        let mut bash = site.spacetime.on_production(script, &[]);
        let output = bash.env("folder", "/opt/spacetime/production").env("version", version).output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let run = || said("docker ps --format '{{.Names}}'", "").1;
    let [stop, stopped, ..] = &scripts("maintenance-run", "Stop the containers")[..] else { panic!() };
    let [start, started, ..] = &scripts("maintenance-run", "Start the containers")[..] else { panic!() };
    let (well, told) = said(stopped, "");
    assert!(!well && told.contains("spacetime-green-") && told.contains("spacetime-blue-"), "{told}");
    for script in [stop, stopped] {
        assert!(said(script, "").0, "{:?}", run());
    }
    assert_eq!(run(), "");
    assert!(!said(started, "").0);
    assert!(said(start, "").0 && !run().contains("green"), "{}", run());
    site.spacetime.wait_healthy("spacetime-blue");
    assert!(said(started, "").0);
    let [up, is_up, ..] = &scripts("dr-failover", "Start the containers")[..] else { panic!() };
    assert!(said(up, GOOD).0 && said(is_up, GOOD).0, "{:?}", said(is_up, GOOD));
    let (well, told) = said(is_up, NEXT);
    assert!(!well && told.contains("not of v2.6.0: "), "{told}");
    site.spacetime.compose("spacetime-green", NEXT, &["down"]).unwrap();
}

/// A hotfix in place: one that is no better goes back, one that works is reported.
fn mends(site: &Site) {
    let given = |version: &str, settle: u32| {
        let [version, previous, repo] =
            [format!("version={version}"), format!("previous={GOOD}"), format!("repo={REPO}")];
        let times = [&format!("settle_seconds={settle}"), "watch_seconds=2"];
        let given = ["server=production-server", "colour=blue", "issue=#71", &version, &previous, &repo];
        [vars(&given), vars(&times)].concat()
    };
    let labels = ["gh", "label", "list", "--repo", REPO, "--search", "hotfix", "--json", "name", "--jq", ".[].name"];
    site.gh.answers(&labels, "hotfix\n");
    site.fails("deploy-hotfix", &given(SICK, 4), "not healthy after 4 s: ");
    site.takes_back();
    site.is_on(GOOD, "blue");
    site.is_refused("rollback-quick", &vars(&["server=production-server"]), "that version was taken back");
    let title = format!("Hotfix Deployed: {HOTFIX}");
    let body = "Critical fix for #71. Deployed at *.";
    let create = ["gh", "issue", "create", "--repo", REPO, "--title", &title, "--label", "hotfix", "--body", body];
    site.gh.answers(&create, "https://github.com/spacetime/game/issues/72\n");
    let list = [
        "gh",
        "issue",
        "list",
        "--repo",
        REPO,
        "--label",
        "hotfix",
        "--state",
        "open",
        "--json",
        "title",
        "--jq",
        ".[].title",
    ];
    site.gh.answers(&list, &format!("{title}\n"));
    site.goes_well("deploy-hotfix", &given(HOTFIX, 60));
    site.is_on(HOTFIX, "blue");
    let made = site.gh.calls().into_iter().filter(|call| call[2] == "create").count();
    assert_eq!(made, 1, "{:?}", site.gh.calls());
}

/// The runs of the commit.
const RUNS: [&str; 13] = [
    "gh",
    "run",
    "list",
    "--repo",
    REPO,
    "--commit",
    COMMIT,
    "--limit",
    "100",
    "--json",
    "workflowName,status,conclusion",
    "--jq",
    ".[] | \"\\(.status) \\(.conclusion) \\(.workflowName)\"",
];

/// What `gh` answers about the commit.
fn approved(gh: &Cloud) {
    let reviews = [
        "gh",
        "pr",
        "list",
        "--repo",
        REPO,
        "--state",
        "merged",
        "--search",
        COMMIT,
        "--json",
        "number,reviewDecision",
        "--jq",
        ".[] | \"\\(.number) \\(.reviewDecision)\"",
    ];
    gh.answers(&reviews, "70 APPROVED\n");
    gh.answers(&RUNS, "completed success build\ncompleted skipped docs\n");
    let deployments = format!("repos/{REPO}/deployments?sha={COMMIT}&environment=staging&per_page=1");
    gh.answers(&["gh", "api", &deployments, "--jq", ".[0].id // empty"], "55\n");
    let statuses = format!("repos/{REPO}/deployments/55/statuses?per_page=1");
    gh.answers(&["gh", "api", &statuses, "--jq", ".[0].state // \"unknown\""], "success\n");
}

/// What only people know.
const ITEMS: [&str; 5] =
    ["Database migrations", "Whoever goes back", "Stakeholders", "A maintenance window", "The documentation"];

/// The ten items: what can be looked at is, and the rest is ticked.
fn is_checked(site: &Site) {
    let given = [format!("repo={REPO}"), format!("commit={COMMIT}"), format!("previous={GOOD}")];
    let given = vars(&["server=production-server", &given[0], &given[1], &given[2]]);
    site.is_quiet();
    // One that failed, and was begun once more.
    site.gh.answers(&RUNS, "completed failure build\n");
    approved(&site.gh);
    site.is_refused("deploy-checklist", &given, "not passed: completed failure build");
    let words: Vec<&str> =
        ["runbook", "run", "deploy-checklist"].into_iter().chain(given.iter().map(String::as_str)).collect();
    let mut screen = site.home.on_terminal(&words);
    for (at, item) in ITEMS.iter().enumerate() {
        asked(&mut screen, &format!("tick {}: {item}", at + 1), &format!("tick {}", at + 1));
        screen.wait_text(&format!("[x] {item}"));
    }
    say(&mut screen, "done");
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
}

/// A workflow waits for an approval, which is given by GitHub's API, and is watched to its end.
fn is_approved(site: &Site) {
    let repo = format!("repo={REPO}");
    let given = |version: &str| {
        let [version, run] = [format!("version={version}"), format!("workflow_run={RUN}")];
        vars(&["server=production-server", "interval_seconds=1", &repo, &version, &run])
    };
    let (gh, run) = (&site.gh, format!("repos/{REPO}/actions/runs/{RUN}"));
    let what = "\"\\(.path) \\(.status) \\(.conclusion) \\(.head_branch) \\(.head_sha) by \\(.actor.login)\"";
    let told = |path: &str| format!("{path} waiting null main {COMMIT} by ada\n");
    gh.answers(&["gh", "api", &run, "--jq", what], &told(".github/workflows/tests.yml"));
    gh.answers(&["gh", "api", &run, "--jq", what], &told(".github/workflows/deploy-production.yml"));
    site.is_refused("deploy-ci", &given(GOOD), "is not of deploy-production.yml");
    gh.answers(&["gh", "run", "view", RUN, "--repo", REPO, "--json", "status", "--jq", ".status"], "waiting\n");
    let pending = format!("{run}/pending_deployments");
    let wants = ".[] | \"\\(.environment.id) \\(.environment.name) \\(.current_user_can_approve)\"";
    gh.answers(&["gh", "api", &pending, "--jq", wants], "161171787 production true\n");
    let comment = format!("comment={GOOD}");
    let approve = [
        "gh",
        "api",
        "--method",
        "POST",
        &pending,
        "-F",
        "environment_ids[]=161171787",
        "-f",
        "state=approved",
        "-f",
        &comment,
        "--jq",
        ".[].url",
    ];
    gh.answers(&approve, "https://api.github.com/repos/spacetime/game/deployments/56\n");
    gh.answers(&["gh", "api", &pending, "--jq", ".[].environment.name"], "");
    let watch = ["gh", "run", "watch", RUN, "--repo", REPO, "--exit-status", "--compact", "--interval", "1"];
    gh.ends(&watch, "X deploy\n", "", 1);
    gh.answers(&watch, "✓ deploy\n");
    gh.answers(&["gh", "run", "view", RUN, "--repo", REPO, "--log-failed"], "deploy  migrate  Error: no such column\n");
    let ends = |code: u32, why: &str| {
        let given = given(GOOD);
        let words: Vec<&str> =
            ["runbook", "run", "deploy-ci"].into_iter().chain(given.iter().map(String::as_str)).collect();
        let mut screen = site.home.on_terminal(&words);
        asked(&mut screen, "to run it type  approve on local", "approve on local");
        let (ended, said) = Site::ends(screen, &[CHECKED]);
        assert!(ended == code && said.contains(why), "{ended}: {said}");
    };
    ends(1, "Error: no such column");
    ends(0, "");
    let approved = gh.called("gh").into_iter().filter(|call| *call == approve.join(" ")).count();
    assert_eq!(approved, 2, "once for each of the two runs: {:?}", gh.calls());
}

/// The script of a step of a shipped page, by its heading and its place among the step's fences.
fn scripts(page: &str, heading: &str) -> Vec<String> {
    let file = format!("{}/assets/runbooks/{page}.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let step = text.split_once(&format!("\n### {heading}\n")).unwrap().1;
    let step = step.split_once("\n## ").map_or(step, |(step, _)| step);
    let bodies = step.split("\n```bash ").skip(1).map(|rest| rest.split_once('\n').unwrap().1);
    bodies.map(|body| body.split_once("\n```").unwrap().0.to_owned()).collect()
}

/// The first of them.
fn script(page: &str, heading: &str) -> String {
    scripts(page, heading).remove(0)
}

/// Where a rollback would lead, by the versions that the record names and not by its last words alone: the same in all that roll back.
#[test]
fn a_rollback_leads_back_and_never_to_what_was_left() {
    let cloud = Cloud::new(&["docker"]);
    let folder = crate::lab::service::folder("record");
    std::fs::create_dir(folder.join("deploy")).unwrap();
    std::fs::write(folder.join("deploy/rollback.sh"), "echo done\n").unwrap();
    let other = "label=com.docker.compose.project=spacetime-blue";
    cloud.answers(&["docker", "ps", "-a", "--filter", other, "--format", "{{.Image}}"], "");
    let all = [
        ("rollback-quick", "What was deployed", "leads to blue"),
        ("high-error-rate", "Roll back the last deployment", "done"),
        ("maintenance-run", "Bring the version before back", "done"),
    ];
    let tried = |page: &str, heading: &str, record: &[&str]| {
        let record: String = record.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.join("deployments.log"), record.replace('@', "at Sun Nov 29")).unwrap();
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script(page, heading)]).current_dir(&folder).env("PATH", cloud.path());
        let output = bash.env("again", "false").env("folder", &folder).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    for (record, refused) in [
        (&["v1 deployed @", "v2 deployed @"][..], ""),
        (&["v1 deployed @", "v2 deployed @", "v2 taken back, v1 deployed @"], "that version was taken back"),
        (&["v1 deployed @", "v2 deployed @", "v1 rolled back to @"], "it was rolled back already"),
        (&["v1 rolled back to @"], "it was rolled back already"),
        (&["v1 deployed @", "v2 deployed @", "v1 rolled back to @", "v2 rolled back to @"], ""),
        (&["v1 rolled back to @", "v2 rolled back to @", "v2 taken forward again @"], ""),
        (&["v1 deployed @", "v2 deployed @", "v3 deployed @ (hotfix)"], "a hotfix in its place"),
        (&["v2 deployed @", "v3 deployed @ (hotfix)", "v3 taken back, v2 deployed @"], "that version was taken back"),
        (&["v1 deployed @", "v2 deployed @", "v2 taken back, v1 deployed @", "v1 deployed @"], ""),
        (&["v1 deployed @", "v2 deployed @", "v1 rolled back to @", "v3 deployed @"], ""),
    ] {
        for (page, heading, leads) in all {
            let told = tried(page, heading, record);
            let fine = if refused.is_empty() { told.contains(leads) } else { !told.contains(leads) };
            assert!(fine && told.contains(refused), "{page} {record:?}: {told}");
        }
    }
    // What stands in the other colour is asked of the engine first.
    cloud.answers(&["docker", "ps", "-a", "--filter", other, "--format", "{{.Image}}"], "spacetime/godot:v2\n");
    let record = ["v1 deployed @", "v2 deployed @", "v2 taken back, v1 deployed @", "v1 deployed @"];
    for (page, heading, _) in all {
        tried(page, heading, &record);
        let told = tried(page, heading, &record);
        assert!(told.contains("v2 was left because it failed"), "{page}: {told}");
    }
}

/// The backup of an hour ago proves nothing of what is destroyed now.
#[test]
fn only_what_this_run_has_backed_up_is_its_backup() {
    let backups = crate::lab::service::folder("backups");
    let text =
        script("scale-down", "Back it up").replace("bash /opt/spacetime/scripts/backup_server.sh", "eval \"$make\"");
    assert!(text.contains("eval"), "{text}");
    let made = |run: &str, make: &str| {
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &text]).env("backups", &backups).env("make", make).env("QUARTERDECK_RUN", run);
        let output = bash.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let touch = |name: &str, when: &str| format!("touch -d '{when}' \"$backups/{name}.tar.gz\"");
    assert!(!made("r0", &touch("nightly", "2 seconds ago")).0);
    let (ok, why) = made("r1", "true");
    assert!(!ok && why.contains("backup_server.sh made no *.tar.gz"), "{why}");
    assert_eq!(made("r2", &touch("mine", "now")), (true, String::new()));
    let mine = std::fs::read_to_string(backups.join(".made-r2")).unwrap();
    assert!(mine.trim().ends_with("/mine.tar.gz"), "{mine}");
    let (ok, why) = made("r3", &format!("{}; {}", touch("a", "1 second"), touch("b", "1 second")));
    assert!(!ok && why.contains("two backups were made meanwhile"), "{why}");
}

#[test]
fn a_log_that_says_that_there_were_no_errors_has_none() {
    let script = script("deploy-standard", "The services are healthy, and their log is quiet");
    let judged = |log: &str| {
        let cloud = Cloud::new(&["docker", "docker-compose"]);
        let compose = ["docker-compose", "-f", "docker-compose.production.yml", "-p", "spacetime-green"];
        cloud.answers(&[&compose[..], &["ps"]].concat(), "");
        cloud.answers(&[&compose[..], &["logs", "--tail=100"]].concat(), log);
        let project = "label=com.docker.compose.project=spacetime-green";
        cloud.answers(
            &["docker", "ps", "-a", "--filter", project, "--filter", "health=unhealthy", "--format", "{{.Names}}"],
            "",
        );
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script]).env("PATH", cloud.path()).env("to", "green").env("log_errors", "0");
        let output = bash.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let quiet = "web | 0 errors\nweb | No errors found, errors=0\nweb | {\"status\": 200, \"error\": null}\nweb | done without any error\n";
    assert_eq!(judged(quiet), (true, String::new()));
    for loud in [
        "web | ERROR: no session\n",
        "web | 10 errors\n",
        "web | errors=07\n",
        "web | error: 0x5f\n",
        "web | {\"error\": \"nobody\"}\n",
    ] {
        let (ok, said) = judged(&format!("{quiet}{loud}"));
        assert!(!ok && said.contains("1 lines of errors, and 0 are allowed"), "{loud} {said}");
    }
}

// Two at once, each on a SpaceTime of its own: most of it is waiting.

#[test]
fn versions_are_deployed_watched_and_taken_back() {
    let site = Site::new(need!(spacetime));
    approved(&site.gh);
    for part in
        [stops_before_players, is_held_back, keeps_the_way_back_of_each_run, goes_through_and_back, dies_under_players]
    {
        part(&site);
    }
}

#[test]
fn a_version_is_checked_approved_rolled_back_and_mended() {
    let site = Site::new(need!(spacetime));
    for part in [is_checked, is_approved, goes_back, is_stopped_and_started, mends] {
        part(&site);
    }
}
