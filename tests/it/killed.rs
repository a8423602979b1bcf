//! A run of ten steps over scripts here and on a host, a database, a web service and an engine is killed (`kill -9`) at each of its records,
//! and at moments that chance chooses, some of its rests too. Then a person's answers are given by the command line: it is looked after, what is
//! unknown is counted and said, it is gone on with, and taken back. Judged from outside: every effect came once or is told as not done, each
//! that came is taken back once, the chains of the journal hold, and no lock stays.

use crate::lab::docker::{Container, Docker};
use crate::lab::postgres::Postgres;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{need, own_postgres, own_sshd, poll};
use crate::pty::Session;
use crate::support::{Home, LONG, leave, postgres_config, press, say};
use crate::team::prepare;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

/// `TRACES` stands for the folder where scripts leave a line for each time.
const PAGE: &str = include_str!("killed/ten-steps.md");
const STEPS: usize = 10;
/// The records of a run that nothing disturbs: its start, its lock, ten steps of four records each and of two the number of their transaction, its
/// lock given back, its end.
const RECORDS: usize = 46;

/// How often each step was done, and how often it was taken back.
type Effects = [[usize; 2]; STEPS];

/// What all rounds act on.
struct Lab<'a> {
    docker: &'a Docker,
    stopped: Container<'a>,
    started: Container<'a>,
    database: Postgres,
    sshd: Sshd,
    /// The journal is the team's, in that database server.
    team: bool,
}

impl<'a> Lab<'a> {
    fn new(docker: &'a Docker, database: Postgres, sshd: Sshd) -> Self {
        let [stopped, started] = ["stopped", "started"].map(|name| docker.container(name).start());
        Self { docker, stopped, started, database, sshd, team: false }
    }

    /// As it was before the first round; when that was.
    fn reset(&self) -> String {
        self.database.run(
            "DROP TABLE IF EXISTS ledger, stock; CREATE TABLE ledger (what text); CREATE TABLE stock (taken int, back int);
             INSERT INTO stock VALUES (0, 0); GRANT ALL ON ledger, stock TO qd_act",
        );
        self.docker.cli(&["start", &self.stopped.id]);
        self.docker.cli(&["stop", "-t", "0", &self.started.id]);
        jiff::Timestamp::now().to_string()
    }

    fn config(&self, web: u16) -> String {
        let mut config = postgres_config(self.database.port)
            + &format!(
                "[docker.lab]\nhost = \"unix://{}\"\n[http.shop]\nurl = \"http://127.0.0.1:{web}\"\n\
                 [ssh.{HOST}]\nhost = \"{HOST}\"\nconfig = \"{}\"\n[runbooks]\npaths = [\"books\"]\n",
                self.docker.socket.display(),
                self.sshd.config().display(),
            );
        if self.team {
            let _ = write!(
                config,
                "[journal.postgres]\ndsn = \"postgres://ada@127.0.0.1:{}/team?sslmode=disable\"\npassword = {{ env = \"QD_READ\" }}\n",
                self.database.port
            );
        }
        config
    }
}

/// What one run acts on, and what counts what it did.
struct World<'a> {
    lab: &'a Lab<'a>,
    since: String,
    web: Scripted,
    home: Home,
    /// Runs that were there before.
    earlier: usize,
}

/// What became of a run in the end.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// It was killed before it had begun.
    Nothing,
    /// All ten came once, and it is ok.
    Whole,
    /// One did not come, or came too late, and is told as failed; all others came once.
    ButOne,
}

impl<'a> World<'a> {
    fn new(lab: &'a Lab<'a>) -> Self {
        let web = counting();
        let home = Home::new(&lab.config(web.port()));
        std::fs::create_dir(home.path().join("books")).unwrap();
        let page = PAGE.replace("TRACES", home.path().to_str().unwrap());
        std::fs::write(home.path().join("books/ten-steps.md"), page).unwrap();
        // The journal's file is there before its first record is to be held up.
        assert!(home.run(&["runbook", "resume"]).status.success());
        let mut world = Self { lab, since: lab.reset(), web, home, earlier: 0 };
        world.earlier = world.runs().len();
        world
    }

    fn runs(&self) -> Vec<String> {
        let begun = self.home.records().into_iter().filter(|record| record["kind"] == "run.start");
        begun.map(|record| record["run"].as_str().unwrap().to_owned()).collect()
    }

    /// The words behind `runbook plan` and `runbook run`.
    fn values(&self) -> [String; 5] {
        let [stopped, started] = [("stopped", &self.lab.stopped), ("started", &self.lab.started)]
            .map(|(name, container)| format!("{name}=lab/{}", container.name));
        ["ten-steps".to_owned(), "--var".to_owned(), stopped, "--var".to_owned(), started]
    }

    fn plan(&self) -> Value {
        let values = self.values();
        let words = ["runbook", "plan", "--json"].into_iter().chain(values.iter().map(String::as_str));
        let plan = json(&self.home.run(&words.collect::<Vec<_>>()));
        assert_eq!(plan["blocked"], serde_json::json!([]), "{plan}");
        plan
    }

    fn start(&self) -> Session {
        let (plan, values) = (self.plan(), self.values());
        let hash = plan["hash"].as_str().unwrap();
        let words = ["runbook", "run", "--plan", hash, "--confirm", "y"].into_iter();
        self.home.on_terminal(&words.chain(values.iter().map(String::as_str)).collect::<Vec<_>>())
    }

    fn effects(&self) -> Effects {
        let [here, there, talk, think] = ["here", "there", "talk", "think"].map(|name| {
            let text = std::fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
            ["run", "undo"].map(|word| text.lines().filter(|line| *line == word).count())
        });
        let counted =
            "SELECT count(*) FILTER (WHERE what = 'run') || ' ' || count(*) FILTER (WHERE what = 'undo') FROM ledger
                       UNION ALL SELECT taken || ' ' || back FROM stock";
        let rows: Vec<[usize; 2]> = self.lab.database.column(counted).iter().map(|row| two(row)).collect();
        let asked = self.web.asked();
        let [post, put] = ["post", "put"].map(|name| {
            ["run", "undo"].map(|word| asked.iter().filter(|path| **path == format!("/{name}/{word}")).count())
        });
        let events = self.events();
        let seen = |container: &Container<'_>, action: &str| {
            events.lines().filter(|line| **line == format!("{} {action}", container.id)).count()
        };
        let stop = ["die", "start"].map(|action| seen(&self.lab.stopped, action));
        let start = ["start", "die"].map(|action| seen(&self.lab.started, action));
        [here, there, rows[0], post, stop, talk, rows[1], put, start, think]
    }

    /// What the engine says of both containers in this round.
    fn events(&self) -> String {
        let of = [&self.lab.stopped, &self.lab.started].map(|container| format!("container={}", container.id));
        let now = jiff::Timestamp::now().to_string();
        let span = ["events", "--since", &self.since, "--until", &now, "--format", "{{.Actor.ID}} {{.Action}}"];
        self.lab.docker.cli(&[&span[..], &["--filter", &of[0], "--filter", &of[1]]].concat())
    }

    fn at_most_once(&self, at: &str) -> Effects {
        let effects = self.effects();
        assert!(effects.iter().all(|[run, undo]| *run <= 1 && *undo == 0), "{at}: {effects:?}");
        effects
    }

    /// How the run stands, by what `resume` says of it.
    fn stands(&self, run: &str) -> Value {
        let told = json(&self.home.run(&["runbook", "resume", run, "--json"]));
        told["runs"][0].clone()
    }

    /// The words that take a run up on a way, with the answer to its plan; or why there is no plan.
    fn answered<'w>(&self, run: &'w str, way: &'w str) -> Result<[String; 8], String> {
        let planned = self.home.run(&["runbook", "resume", run, way, "--plan-only", "--json"]);
        if planned.status.code() == Some(5) {
            return Err(String::from_utf8_lossy(&planned.stdout).into_owned());
        }
        let plan = json(&planned);
        assert_eq!(plan["blocked"], serde_json::json!([]), "{plan}");
        let hash = plan["hash"].as_str().unwrap();
        Ok(["runbook", "resume", run, way, "--plan", hash, "--confirm", "y"].map(str::to_owned))
    }

    /// Takes a run up on a way, with nobody there to answer: the exit code, or why no plan can be run.
    fn again(&self, run: &str, way: &str) -> Result<i32, String> {
        let done = self.home.run(&self.answered(run, way)?.each_ref().map(String::as_str));
        assert_ne!(done.status.code(), Some(5), "{done:?}");
        Ok(done.status.code().unwrap())
    }

    /// The same on a terminal.
    fn again_on_terminal(&self, run: &str, way: &str) -> Result<Session, String> {
        Ok(self.home.on_terminal(&self.answered(run, way)?.each_ref().map(String::as_str)))
    }

    /// What a person does with what is in doubt: counts, and says what they saw.
    fn say_what_was_seen(&self, run: &str, stands: &Value, at: &str) {
        let unknown = |step: &Value| step["state"] == "unknown";
        let step =
            stands["steps"].as_array().unwrap().iter().position(unknown).unwrap_or_else(|| panic!("{at}: {stands}"));
        assert!(self.again(run, "--go-on").is_err(), "{at}: what nobody knows blocks");
        let saw = if self.effects()[step][0] > 0 { "happened" } else { "nothing" };
        let said = self.home.run(&["runbook", "resume", run, "--saw", saw, "--reason", "the test has counted"]);
        assert_ne!(said.status.code(), Some(5), "{at}: {said:?}");
    }

    /// What a person does with a step that failed after it was sent: looks again, and then goes on without it.
    fn go_on_by_hand(&self, run: &str, at: &str) {
        let mut screen =
            self.again_on_terminal(run, "--go-on").unwrap_or_else(|why| panic!("{at}: {why} {}", self.stands(run)));
        let asked = |screen: &vt100::Screen| screen.contents().matches(", stop:").count();
        for (number, answer) in (1..).zip(["again", "continue the test has counted none of it"]) {
            let seen = poll(LONG, || (screen.look(asked) == number || screen.ends(Duration::ZERO)).then_some(()));
            assert!(seen.is_some(), "{at}: {}", screen.text());
            if screen.look(asked) == number {
                say(&mut screen, answer);
            }
        }
        assert!(screen.ends(LONG), "{at}: {}", screen.text());
    }

    /// As often as it takes: what one look leaves in doubt, the next one may tell.
    fn go_on_to_its_end(&self, run: &str, at: &str) {
        for _ in 0..4 {
            let stands = self.stands(run);
            match stands["outcome"].as_str() {
                Some("ok") => return,
                Some("unknown") => self.say_what_was_seen(run, &stands, at),
                _ => match self.again(run, "--go-on") {
                    Ok(0) => return,
                    Ok(_) if self.stands(run)["outcome"] == "failed" => return self.go_on_by_hand(run, at),
                    Ok(_) => drop(self.at_most_once(at)),
                    Err(why) => panic!("{at}: {why} {stands}"),
                },
            }
        }
    }

    /// After the kill: it is looked after and gone on with until it has come to its end.
    fn set_right(&self, at: &str) -> Came {
        let told = self.home.run(&["runbook", "resume", "--json"]);
        assert!(told.status.code().is_some_and(|code| [0, 1, 3, 4].contains(&code)), "{at}: {told:?}");
        self.at_most_once(at);
        let Some(run) = self.runs().into_iter().nth(self.earlier) else {
            assert_eq!(self.effects(), [[0, 0]; STEPS], "{at}");
            return Came::Nothing;
        };
        self.go_on_to_its_end(&run, at);
        let (after, effects) = (self.stands(&run), self.at_most_once(at));
        let states: Vec<&str> =
            after["steps"].as_array().unwrap().iter().filter_map(|step| step["state"].as_str()).collect();
        let missed = states.iter().filter(|state| **state != "ok").count();
        for (state, [count, _]) in states.iter().zip(effects) {
            assert!(*state == "failed" || (*state, count) == ("ok", 1), "{at}: {states:?} {effects:?} {after}");
        }
        assert!(states.len() == STEPS && missed <= 1, "{at}: {states:?}");
        assert_eq!(after["outcome"], if missed == 0 { "ok" } else { "failed" }, "{at}: {after}");
        self.is_whole_and_free(at);
        if missed == 0 { Came::Whole } else { Came::ButOne }
    }

    /// The chains hold, and nothing is locked.
    fn is_whole_and_free(&self, at: &str) {
        self.home.story();
        let held = json(&self.home.run(&["lock", "list", "--json"]));
        assert_eq!(held, serde_json::json!([]), "{at}");
    }

    /// All of it is taken back, once.
    fn take_back(&self, at: &str) {
        let Some(run) = self.runs().into_iter().nth(self.earlier) else { return };
        let done = self.effects();
        assert_eq!(self.again(&run, "--undo"), Ok(0), "{at}");
        assert_eq!(self.stands(&run)["outcome"], "undone", "{at}");
        for (step, ([was, _], [run, undo])) in done.into_iter().zip(self.effects()).enumerate() {
            // What is told as failed may have come to nothing: taking it back is once all the same.
            assert!(
                run == was && undo <= 1 && (run == 0 || undo == 1),
                "{at}: step {step} came {run} times, taken back {undo}"
            );
        }
        assert!(self.again(&run, "--undo").is_err(), "{at}: nothing is left to take back");
        self.is_whole_and_free(at);
    }

    /// The run, or the rest of it, is killed when so many of its records are durable and the next is not.
    fn killed_after(&self, count: usize, begin: impl FnOnce(&Self) -> Session) {
        self.home.stand_still(count);
        let mut screen = begin(self);
        let there = || (self.home.story_now().len() == count && self.home.is_being_written()).then_some(());
        poll(LONG, there).unwrap_or_else(|| panic!("{count}: {:?}\n{}", self.home.story_now(), screen.text()));
        kill(&mut screen);
        assert_eq!(self.home.story_now().len(), count);
        self.home.tamper("DROP TRIGGER stands_still");
    }

    /// What is begun is killed when its last record is the `count`th of those that say `last`, and it is about to write one of this kind.
    fn killed_before(&self, kind: &str, (last, count): (&str, usize), begin: impl FnOnce(&Self) -> Session) {
        self.home.stand_still_when(&format!("NEW.kind = '{kind}'"));
        let mut screen = begin(self);
        let all = |story: &[String]| story.iter().filter(|line| *line == last).count() == count;
        let stands = |story: Vec<String>| all(&story) && story.last().is_some_and(|line| line == last);
        let there = || (stands(self.home.story_now()) && self.home.is_being_written()).then_some(());
        poll(LONG, there).unwrap_or_else(|| panic!("{kind}: {:?}\n{}", self.home.story_now(), screen.text()));
        kill(&mut screen);
        assert!(stands(self.home.story_now()), "{kind}: {:?}", self.home.story_now());
        self.home.tamper("DROP TRIGGER stands_still");
    }

    /// The rest of the run is begun, and killed after a while, if it can be gone on with as it stands.
    fn kill_the_rest(&self, moment: Duration) {
        self.home.run(&["runbook", "resume", "--json"]);
        let Some(run) = self.runs().into_iter().nth(self.earlier) else { return };
        if let Ok(mut screen) = self.again_on_terminal(&run, "--go-on") {
            kill_at(&mut screen, moment);
        }
    }
}

/// A service that counts what it was asked to do, and says how often that was.
fn counting() -> Scripted {
    let counts = std::sync::Mutex::new(BTreeMap::from([("post", 0), ("put", 0)]));
    Scripted::start(move |path| {
        let mut counts = counts.lock().unwrap();
        for (name, count) in counts.iter_mut() {
            *count += usize::from(path == format!("/{name}/run"));
        }
        Say::good(serde_json::to_vec(&*counts).unwrap())
    })
}

/// Two numbers.
fn two(row: &str) -> [usize; 2] {
    let (one, other) = row.split_once(' ').unwrap();
    [one.parse().unwrap(), other.parse().unwrap()]
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
}

fn kill(screen: &mut Session) {
    screen.signal(Signal::KILL);
    screen.wait_exit();
}

/// It may be quicker than chance: then it has ended by itself.
fn kill_at(screen: &mut Session, moment: Duration) {
    if !screen.ends(moment) {
        let _ = kill_process(screen.pid(), Signal::KILL);
        screen.wait_exit();
    }
}

fn killed_after(lab: &Lab<'_>, count: usize) {
    let (world, at) = (World::new(lab), format!("killed after record {count}"));
    world.killed_after(count, World::start);
    world.set_right(&at);
    world.take_back(&at);
}

/// A test for some of the records, where a language's change may or may not have been sent: its intent, and what was heard of it.
macro_rules! killed {
    ($($name:ident at $records:expr;)+) => {$(
        #[test]
        fn $name() {
            let (docker, database) = (need!(docker), need!(own_postgres));
            let lab = Lab::new(docker, database, need!(own_sshd));
            for count in $records {
                killed_after(&lab, count);
            }
        }
    )+};
}

killed! {
    nothing_comes_twice_however_it_is_cut_off_early at [4, 8, 13];
    nothing_comes_twice_however_it_is_cut_off_half_way at [17, 22];
    nothing_comes_twice_however_it_is_cut_off_late at [30, 41];
}

#[test]
#[ignore = "a long trial: a kill at each of its records"]
fn long_nothing_comes_twice_at_whichever_record_it_is_cut_off() {
    let (docker, database) = (need!(docker), need!(own_postgres));
    let lab = Lab::new(docker, database, need!(own_sshd));
    for count in 1..RECORDS {
        killed_after(&lab, count);
    }
}

#[test]
fn a_run_that_nothing_disturbs_has_these_records_and_can_be_taken_back() {
    let (docker, database) = (need!(docker), need!(own_postgres));
    let lab = Lab::new(docker, database, need!(own_sshd));
    let world = World::new(&lab);
    let mut screen = world.start();
    assert!(screen.wait_exit().success(), "{}", screen.text());
    assert_eq!(world.home.story().len(), RECORDS, "{:?}", world.home.story());
    assert_eq!(world.set_right("undisturbed"), Came::Whole);
    world.take_back("undisturbed");
    // Last first.
    let undone = world.home.records().into_iter().filter(|record| record["data"]["state"] == "undone");
    let steps: Vec<String> = undone.map(|record| record["step"].as_str().unwrap().replace("change/", "")).collect();
    let backwards =
        ["think-here", "start", "put", "count", "talk-there", "stop", "post", "row", "note-there", "note-here"];
    assert_eq!(steps, backwards);
}

/// Every step is behind it, and its end is not written: in a run, in its rest, and in what takes it back.
#[test]
fn what_is_cut_off_behind_its_last_step_is_ended_by_the_next_look() {
    let (docker, database) = (need!(docker), need!(own_postgres));
    let lab = Lab::new(docker, database, need!(own_sshd));
    for (kind, undone) in [("lock.released", ("step.exit undone", STEPS)), ("run.finish", ("lock.released", 2))] {
        let world = World::new(&lab);
        if kind == "run.finish" {
            // Its last step is left.
            world.killed_after(RECORDS - 6, World::start);
            assert_eq!(world.home.run(&["runbook", "resume"]).status.code(), Some(4), "it is looked after");
            let rest = |world: &World<'_>| world.again_on_terminal(&world.runs()[0], "--go-on").unwrap();
            world.killed_before(kind, ("lock.released", 1), rest);
        } else {
            world.killed_after(RECORDS - 2, World::start);
        }
        // Who goes on at once is told that it is done, and how it ended.
        let run = world.runs().pop().unwrap();
        let on = world.home.run(&["runbook", "resume", &run, "--go-on"]);
        let told = String::from_utf8_lossy(&on.stdout).into_owned();
        assert!(on.status.success() && told.contains("nothing is left to go on with"), "{kind}: {on:?}");
        assert_eq!(world.set_right(kind), Came::Whole);
        world.killed_before(kind, undone, |world| world.again_on_terminal(&run, "--undo").unwrap());
        assert!(world.home.run(&["runbook", "resume"]).status.success(), "{kind}");
        assert_eq!(world.stands(&run)["outcome"], "undone", "{kind}");
        assert_eq!(world.effects(), [[1, 1]; STEPS], "{kind}");
        assert!(world.again(&run, "--undo").is_err(), "{kind}: nothing is left to take back");
        world.is_whole_and_free(kind);
    }
}

/// The same rounds for the same seed: a linear congruential generator (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn moment(&mut self, span: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(span.as_millis()).unwrap()))
    }
}

/// So many runs are killed at any moment, and of every other one the rest too; each is set right, and every fifth taken back.
fn by_chance(lab: &Lab<'_>, rounds: u64, seed: u64) {
    let begun = Instant::now();
    let first = World::new(lab);
    let mut screen = first.start();
    let span = Instant::now();
    assert!(screen.wait_exit().success(), "{}", screen.text());
    let span = span.elapsed();
    let mut chance = Chance(seed);
    let mut came = BTreeMap::<Came, u64>::new();
    for round in 0..rounds {
        // Not all of them before it has begun.
        let moment = span / 5 + chance.moment(span * 4 / 5);
        let mut at = format!("seed {seed}, round {round}, killed after {moment:?}");
        let world = World::new(lab);
        kill_at(&mut world.start(), moment);
        if chance.below(2) == 0 {
            let moment = chance.moment(span);
            let _ = write!(at, ", its rest after {moment:?}");
            world.kill_the_rest(moment);
        }
        *came.entry(world.set_right(&at)).or_default() += 1;
        if round % 5 == 0 {
            world.take_back(&at);
        }
        if (round + 1) % 25 == 0 {
            println!("seed {seed}: {} rounds in {:.0?}: {came:?}", round + 1, begun.elapsed());
        }
    }
}

#[test]
fn nothing_comes_twice_at_whatever_moment_it_is_cut_off() {
    let (docker, database) = (need!(docker), need!(own_postgres));
    by_chance(&Lab::new(docker, database, need!(own_sshd)), 2, 20_261_128);
}

#[test]
#[ignore = "a long trial: 500 kills"]
fn long_nothing_comes_twice_in_five_hundred_kills() {
    let docker = need!(docker);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (seed, kills) = (number("QUARTERDECK_SEED").unwrap_or(1), number("QUARTERDECK_KILLS").unwrap_or(500));
    // Side by side: most of a round is waiting.
    let workers = number("QUARTERDECK_WORKERS").unwrap_or(4).max(1);
    let labs: Vec<_> = (0..workers).map(|_| (own_postgres(), own_sshd())).collect();
    std::thread::scope(|scope| {
        for (seed, (database, sshd)) in (seed..).zip(labs) {
            scope.spawn(move || by_chance(&Lab::new(docker, database.unwrap(), sshd.unwrap()), kills / workers, seed));
        }
    });
}

/// Kills of runs whose journal is the team's.
fn in_a_teams_journal(rounds: u64) {
    let (docker, database) = (need!(docker), need!(own_postgres));
    let mut lab = Lab::new(docker, database, need!(own_sshd));
    prepare(&lab.database, &Home::new("").run(&["journal", "setup"]));
    lab.team = true;
    by_chance(&lab, rounds, 20_261_129);
}

#[test]
fn nothing_comes_twice_when_the_journal_is_a_teams() {
    in_a_teams_journal(1);
}

#[test]
#[ignore = "a long trial: 50 kills"]
fn long_nothing_comes_twice_in_fifty_kills_when_the_journal_is_a_teams() {
    in_a_teams_journal(50);
}

#[test]
fn a_rest_that_is_killed_beside_an_open_dashboard_is_told_there_and_set_right() {
    let (docker, database) = (need!(docker), need!(own_postgres));
    let lab = Lab::new(docker, database, need!(own_sshd));
    let world = World::new(&lab);
    world.killed_after(20, World::start);
    let mut dashboard = world.home.start(&[]);
    dashboard.wait_text("1 run of another session was cut off");
    press(&mut dashboard, "6");
    let run = world.runs().pop().unwrap();
    let settled = || (world.stands(&run)["outcome"] == "stopped").then_some(());
    poll(LONG, settled).unwrap_or_else(|| panic!("{}", world.stands(&run)));
    let done = world.home.story_now().len();
    world.killed_after(done + 8, |world| world.again_on_terminal(&run, "--go-on").unwrap());
    dashboard.wait_text("was cut off");
    world.set_right("beside a dashboard");
    dashboard.wait_screen("its end", LONG, |screen| screen.contents().contains("last run: ten-steps ok"));
    world.take_back("beside a dashboard");
    leave(&mut dashboard);
}
