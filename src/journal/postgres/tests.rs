//! The team's journal on databases of a real server, made by an owner who is no superuser, written by two logins.

mod approval;
mod lease;

use super::super::conformance::{Place, all, begin_run, ended, entry, grants, new_run, note};
use super::super::lease::TTL;
use super::super::{Reader, Store};
use super::*;
use crate::lab::need;
use crate::lab::postgres::Postgres as Server;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One at a time makes roles: they are the whole server's.
static ROLES: Mutex<()> = Mutex::const_new(());
static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// A database of its own, with the journal's tables.
pub(crate) struct Team {
    socket: String,
    port: u16,
    database: String,
}

impl Team {
    pub(crate) async fn new(server: &Server) -> Self {
        let team = Self::bare(server).await;
        schema::make(&team.login("owner")).await.unwrap();
        team.run("owner", "GRANT quarterdeck_writer TO ada, ben; GRANT quarterdeck_reader TO eve").await.unwrap();
        team
    }

    /// Without the tables.
    async fn bare(server: &Server) -> Self {
        let turn = ROLES.lock().await;
        let database = format!("journal_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let missing = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'owner') THEN \
            CREATE ROLE owner LOGIN CREATEROLE; CREATE ROLE ada LOGIN; CREATE ROLE ben LOGIN; CREATE ROLE eve LOGIN; CREATE ROLE ivy LOGIN; END IF; END $$";
        server.run(missing);
        server.run(&format!("CREATE DATABASE {database} OWNER owner"));
        drop(turn);
        Self { socket: server.socket.display().to_string(), port: server.port, database }
    }

    fn dsn(&self, role: &str) -> String {
        format!("postgres://{role}@localhost:{}/{}?host={}", self.port, self.database, self.socket)
    }

    pub(crate) fn settings(&self, role: &str) -> LoginSettings {
        LoginSettings { dsn: Some(self.dsn(role)), password: None }
    }

    fn store_as(&self, role: &str) -> Store {
        Store::Team(Box::new(super::super::Team { login: self.settings(role), file: None }))
    }

    fn login(&self, role: &str) -> Login {
        login(&self.settings(role), &Redactor::default()).unwrap()
    }

    async fn session(&self, role: &str) -> PgConnection {
        let options = PgConnectOptions::from_str(&self.dsn(role)).unwrap();
        PgConnection::connect_with(&options.disable_statement_logging()).await.unwrap()
    }

    /// Statements of somebody with a shell on the database.
    pub(crate) async fn run(&self, role: &str, sql: &str) -> Result<(), String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.session(role).await).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    fn open(&self, role: &str, process: Process) -> PostgresJournal {
        let here = Actor { name: "root".to_owned(), uid: 0, host: "bastion".to_owned() };
        PostgresJournal::new_as(&self.settings(role), "test", Redactor::default(), here, process).unwrap()
    }

    async fn rights(&self, role: &str) -> Rights {
        rights(&super::Reader::over(Arc::new(self.login(role)))).await.unwrap()
    }

    /// That a process was not heard of for a minute.
    async fn silence(&self, journal: &PostgresJournal) {
        let past = format!(
            "UPDATE quarterdeck.process SET seen = seen - interval '1 minute' WHERE writer = '{}'",
            journal.writer()
        );
        self.run("postgres", &past).await.unwrap();
    }
}

#[async_trait(?Send)]
impl Place for Team {
    fn store(&self) -> Store {
        self.store_as("eve")
    }

    async fn open_as(&self, name: &str, host: &str, process: Process, redactor: Redactor) -> Arc<dyn Journal> {
        // What the machine says of its user is no name: the server knows who logged in.
        let here = Actor { name: "root".to_owned(), uid: 1000, host: host.to_owned() };
        let journal = PostgresJournal::new_as(&self.settings(name), "test", redactor, here, process).unwrap();
        journal.inner.ready().await.unwrap();
        Arc::new(journal)
    }
}

#[tokio::test]
async fn a_writer_can_append_and_nothing_else() {
    let team = Team::new(need!(postgres)).await;
    let journal = team.open("ada", Process::this());
    journal.append(note(json!(1))).await.unwrap();
    for forbidden in [
        "UPDATE quarterdeck.record SET env = 'x'",
        "DELETE FROM quarterdeck.record",
        "TRUNCATE quarterdeck.record",
        "ALTER TABLE quarterdeck.record DISABLE TRIGGER ALL",
        "DROP TABLE quarterdeck.record",
        "UPDATE quarterdeck.process SET seen = now() + interval '1 day'",
        "INSERT INTO quarterdeck.lease VALUES ('database/a', 1, NULL, NULL, now(), now())",
        "DELETE FROM quarterdeck.claim",
        "BEGIN; LOCK TABLE quarterdeck.turn IN ACCESS SHARE MODE",
        "INSERT INTO quarterdeck.record (place) OVERRIDING SYSTEM VALUE VALUES (1)",
        "CREATE TABLE quarterdeck.mine ()",
    ] {
        let said = team.run("ada", forbidden).await.expect_err(forbidden);
        assert!(said.contains("permission denied") || said.contains("must be owner"), "{forbidden}: {said}");
    }
    // The owner must take down the guard first: a slip does not do.
    let said = team.run("owner", "UPDATE quarterdeck.record SET env = 'x'").await.unwrap_err();
    assert!(said.contains("never changed or deleted"), "{said}");
    let said = team.run("eve", "SELECT * FROM quarterdeck.record; SELECT quarterdeck.beat(gen_random_uuid())").await;
    assert!(said.unwrap_err().contains("permission denied for function"));
}

#[tokio::test]
async fn who_wrote_a_record_is_what_the_server_says() {
    let team = Team::new(need!(postgres)).await;
    let ada = team.open("ada", Process::this());
    let record = ada.append(note(json!(1))).await.unwrap();
    assert_eq!(record.actor.name, "ada");
    let opened = &ada.recent(10).await.unwrap()[0];
    assert_eq!(opened.entry.data["user"], "root", "who it is on the machine is told beside");
    assert!(opened.entry.data["clock_ahead_ms"].as_i64().unwrap().abs() < 5000);
    let insert = |column: &str| {
        format!(
            "INSERT INTO quarterdeck.record (writer, seq, id, prev, hash, at, mono_ms, {column} actor_uid, actor_host, kind, env, data) \
             SELECT writer, 3, gen_random_uuid(), hash, hash, at, 0, {} 0, 'x', 'writes.lock', 'x', '1' \
             FROM quarterdeck.record WHERE seq = 2",
            if column.is_empty() { "" } else { "'ada'," }
        )
    };
    let said = team.run("ada", &insert("actor_name,")).await.unwrap_err();
    assert!(said.contains("permission denied"), "{said}");
    let said = team.run("ben", &insert("")).await.unwrap_err();
    assert!(said.contains("is not that of ben"), "nobody continues another's chain: {said}");
    // Even who may write every column.
    let said = team.run("postgres", &insert("actor_name,")).await.unwrap_err();
    assert!(said.contains("is not that of postgres"), "{said}");
}

/// A file that holds `ada`'s password.
fn secret(folder: &Path) -> crate::domain::secret::SecretRef {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("password");
    std::fs::write(&path, "ada-hunter2\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    crate::domain::secret::SecretRef::File(path.display().to_string())
}

impl Team {
    /// `ada`, with a password, over TCP through a port that can be made to fail.
    async fn through(&self, port: u16, folder: &Path) -> PostgresJournal {
        let settings = self.settings_through("ada", port, folder).await;
        PostgresJournal::new(&settings, "test", Redactor::default()).unwrap()
    }

    /// The login of `ada` or `ben` for that.
    pub(crate) async fn settings_through(&self, role: &str, port: u16, folder: &Path) -> LoginSettings {
        let turn = ROLES.lock().await;
        self.run("postgres", &format!("ALTER ROLE {role} PASSWORD 'ada-hunter2'")).await.unwrap();
        drop(turn);
        let dsn = format!("postgres://{role}@127.0.0.1:{port}/{}?sslmode=disable", self.database);
        LoginSettings { dsn: Some(dsn), password: Some(secret(folder)) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_is_lost_stands_there_once() {
    let server = need!(postgres);
    let (team, proxy, folder) = (Team::new(server).await, server.proxy(), tempfile::tempdir().unwrap());
    let journal = team.through(proxy.port(), folder.path()).await;
    journal.append(note(json!("before"))).await.unwrap();
    proxy.lose_answer_to("over the line");
    let record = journal.append(note(json!("over the line"))).await.unwrap();
    proxy.wait_sprung(Duration::from_secs(1));
    assert_eq!((record.seq, journal.append(note(json!("after"))).await.unwrap().seq), (3, 4));
    let report = Reader::open(&team.store()).await.unwrap().verify().await.unwrap();
    assert!(report.is_intact() && report.count() == 4, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_at_the_start_is_used_when_it_comes() {
    let server = need!(postgres);
    let (team, proxy, folder) = (Team::new(server).await, server.proxy(), tempfile::tempdir().unwrap());
    proxy.cut();
    let journal = team.through(proxy.port(), folder.path()).await;
    let failed = journal.append(note(json!(1))).await.unwrap_err();
    assert!(failed.what.contains("the journal"), "{failed}");
    let mut others = journal.others(None).await.unwrap().unwrap();
    assert!(others.stirs());
    others.read().await.unwrap_err();
    assert!(others.stirs(), "it is tried again");
    proxy.open();
    assert_eq!(journal.append(note(json!(2))).await.unwrap().seq, 2);
    others.read().await.unwrap();
}

#[tokio::test]
async fn whoever_was_away_while_another_took_over_begins_nothing_more() {
    let team = Team::new(need!(postgres)).await;
    let elsewhere = |host: &str| Process { boot: Some(host.to_owned()), ..Process::this() };
    let (ada, ben) = (team.open("ada", elsewhere("a")), team.open("ben", elsewhere("b")));
    let (run, it) = (new_run(), all(&["database/a"]));
    begin_run(&ada, run, "x").await;
    let held = grants(ada.take(run, &it, TTL).await.unwrap());
    assert!(ben.unfinished().await.unwrap().is_empty(), "it is heard of");
    assert!(!ben.claim(run).await.unwrap());
    team.silence(&ada).await;
    assert_eq!(ben.unfinished().await.unwrap().len(), 1);
    assert!(ben.claim(run).await.unwrap());
    // It comes back: what it did is recorded, and it does nothing new.
    let said = ada.append(entry(RecordKind::StepIntent, Some(run), json!({}))).await.unwrap_err();
    assert!(said.what.ends_with("another process has taken over this run: it may change nothing any more"), "{said}");
    assert!(said.hint.starts_with(&format!("`quarterdeck runbook resume {}` ", run.short())), "{said}");
    ada.append(entry(RecordKind::StepExit, Some(run), json!({ "state": "ok" }))).await.unwrap();
    assert!(!ada.renew(run, &held, TTL).await.unwrap());
    ben.append(entry(RecordKind::StepReconcile, Some(run), json!({}))).await.unwrap();
    ben.release(run).await.unwrap();
    assert_eq!(ben.held(&it).await.unwrap(), []);
    let report = Reader::open(&team.store()).await.unwrap().verify().await.unwrap();
    assert!(report.is_intact(), "{report:?}");
}

#[tokio::test]
async fn another_machine_is_judged_by_what_is_heard_of_it_and_not_by_its_processes() {
    let team = Team::new(need!(postgres)).await;
    // The pid of one that ended, but of another machine: here nobody can see it.
    let elsewhere = Process { boot: Some("elsewhere".to_owned()), ..ended() };
    let (ada, ben) = (team.open("ada", elsewhere), team.open("ben", Process::this()));
    let run = new_run();
    begin_run(&ada, run, "x").await;
    assert!(!ben.claim(run).await.unwrap());
    // Nor is it believed when somebody says so.
    let said =
        format!("SELECT quarterdeck.take_over('{run}', '{}', ARRAY['{}']::uuid[])::text", ben.writer(), ada.writer());
    let mut session = team.session("ben").await;
    let taken: String = sqlx::query_scalar(AssertSqlSafe(said)).fetch_one(&mut session).await.unwrap();
    assert_eq!(taken, "false");
    team.silence(&ada).await;
    assert!(ben.claim(run).await.unwrap());
}

#[tokio::test]
async fn only_its_holder_gives_a_lock_back() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben) = (team.open("ada", Process::this()), team.open("ben", Process::this()));
    let (run, it) = (new_run(), all(&["database/a"]));
    begin_run(&ada, run, "x").await;
    grants(ada.take(run, &it, TTL).await.unwrap());
    ben.append(note(json!(1))).await.unwrap();
    ben.release(run).await.unwrap();
    assert_eq!(ben.held(&it).await.unwrap().len(), 1);
    let said = team.run("ben", &format!("SELECT quarterdeck.release('{run}', '{}')", ada.writer())).await.unwrap_err();
    assert!(said.contains("is not that of ben"), "{said}");
}

#[tokio::test]
async fn what_a_run_held_that_was_cut_off_stays_held_until_it_has_an_end() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben) = (team.open("ada", ended()), team.open("ben", Process::this()));
    let (run, it) = (new_run(), all(&["database/a"]));
    begin_run(&ada, run, "drain").await;
    grants(ada.take(run, &it, Duration::ZERO).await.unwrap());
    let Taken::Held(held) = ben.take(new_run(), &it, TTL).await.unwrap() else { panic!() };
    assert!(held.to_string().contains(&format!("run {} of drain", run.short())), "{held}");
    assert!(ben.claim(run).await.unwrap());
    ben.append(entry(RecordKind::RunFinish, Some(run), json!({}))).await.unwrap();
    assert_eq!(ben.held(&it).await.unwrap(), []);
    assert_eq!(grants(ben.take(new_run(), &it, TTL).await.unwrap())[0].fence, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_are_made_once_by_steps_and_a_newer_version_is_refused() {
    let server = need!(postgres);
    let team = Team::bare(server).await;
    let eve = || async { Reader::open(&team.store()).await.err().unwrap() };
    assert!(eve().await.what.ends_with("has no tables yet"));
    let may_not = schema::make(&team.login("ada")).await.unwrap_err();
    assert!(may_not.what.contains("ada may not (permission denied for database"), "{may_not}");
    assert!(may_not.hint.starts_with("run it as the owner of the database"), "{may_not}");
    assert!(
        may_not.hint.contains("GRANT CREATE ON DATABASE … TO \"ada\"") && !may_not.hint.contains("quarterdeck_writer")
    );
    assert_eq!(team.open("ada", Process::this()).append(note(json!(1))).await.unwrap_err().what, {
        let place = team.login("ada").place();
        format!("the journal at {place} has no tables yet")
    });
    // Two at once: one makes them, the other finds them made.
    let (owner, other) = (team.login("owner"), team.login("owner"));
    let (one, two) = tokio::join!(schema::make(&owner), schema::make(&other));
    let mut made = [one.unwrap(), two.unwrap()];
    made.sort_unstable();
    assert_eq!(made, [0, schema::VERSION]);
    let again = team.run("owner", &schema::script(0)).await.unwrap_err();
    assert!(again.contains("already exists"), "the printed text does nothing twice: {again}");
    let (here, before) = (schema::VERSION, schema::VERSION - 1);
    let older = format!("GRANT quarterdeck_reader TO eve; DELETE FROM quarterdeck.migration WHERE version = {here}");
    team.run("owner", &older).await.unwrap();
    let older = eve().await;
    let told = format!("was made by an older quarterdeck (schema {before}, here {here})");
    assert!(older.what.ends_with(&told), "{older}");
    team.run("owner", "INSERT INTO quarterdeck.migration (version) VALUES (99)").await.unwrap();
    let newer = eve().await;
    let told = format!("was made by a newer quarterdeck (schema 99, here {here})");
    assert!(newer.what.ends_with(&told), "{newer}");
    assert_eq!(newer.hint, "update quarterdeck");
    assert!(schema::make(&team.login("owner")).await.unwrap_err().what.contains("newer"));
}

#[tokio::test]
async fn what_is_printed_makes_a_whole_journal_step_by_step() {
    let team = Team::bare(need!(postgres)).await;
    let all = schema::script(0);
    let first = format!("{}COMMIT;\n", &all[..all.find("-- Who holds what").unwrap()]);
    team.run("owner", &first).await.unwrap();
    assert_eq!(schema::make(&team.login("owner")).await.unwrap(), 1, "the rest is made behind it");
    team.run("owner", "GRANT quarterdeck_writer TO ada").await.unwrap();
    team.open("ada", Process::this()).append(note(json!(1))).await.unwrap();
}

#[tokio::test]
async fn rights_that_are_too_wide_or_too_narrow_are_told() {
    let team = Team::new(need!(postgres)).await;
    let ada = team.rights("ada").await;
    assert_eq!((ada.advice(), ada.lacking()), (Vec::new(), None));
    let eve = team.rights("eve").await;
    let mend = "GRANT quarterdeck_writer TO \"eve\" if they are to act";
    assert_eq!(eve.lacking().unwrap(), ("eve may look and not act".to_owned(), mend.to_owned()));
    assert!(team.rights("owner").await.advice()[0].starts_with("owner owns the journal's tables"));
    assert!(team.rights("postgres").await.advice()[0].starts_with("postgres is a superuser"));
    team.run("owner", "GRANT UPDATE ON quarterdeck.record TO ben").await.unwrap();
    assert!(team.rights("ben").await.advice()[0].starts_with("ben may change what is recorded: REVOKE"));
    let others = &team.rights("ada").await.advice()[0];
    assert!(others.starts_with("others may change what is recorded: ben"), "{others}");
    let stranger = Reader::open(&team.store_as("web")).await.err().unwrap();
    assert!(stranger.hint.contains("GRANT quarterdeck_writer TO \"web\""), "{stranger}");
}

#[tokio::test]
async fn a_reader_sees_all_and_is_told_in_one_sentence_that_it_may_not_act() {
    let team = Team::new(need!(postgres)).await;
    let (ada, eve) = (team.open("ada", ended()), team.open("eve", Process::this()));
    let (run, it) = (new_run(), all(&["database/a"]));
    let mut others = eve.others(None).await.unwrap().unwrap();
    begin_run(&ada, run, "drain").await;
    grants(ada.take(run, &it, TTL).await.unwrap());
    assert_eq!(others.read().await.unwrap().len(), 2);
    assert_eq!(eve.recent(9).await.unwrap().len(), 2);
    assert_eq!(eve.of_run(run).await.unwrap().len(), 1);
    assert_eq!(eve.unfinished().await.unwrap().len(), 1);
    assert_eq!(eve.held(&it).await.unwrap()[0].run, run);
    let said = "eve may look and not act: GRANT quarterdeck_writer TO \"eve\" if they are to act";
    assert_eq!(eve.only_looks().await.as_deref(), Some(said));
    let looking = crate::journal::looking::Looking(team.store());
    assert_eq!(looking.only_looks().await.as_deref(), Some(said));
    eve.append(note(json!(1))).await.unwrap_err();
    // Who may act has said by then that it is there; and whoever may by now needs no new start.
    let ben = team.open("ben", Process::this());
    assert_eq!(ben.only_looks().await, None);
    assert_eq!(ben.recent(1).await.unwrap()[0].entry.kind, RecordKind::JournalOpen);
    // A role is the whole server's: what others test of eve must stay true meanwhile.
    team.run("owner", "GRANT quarterdeck_reader TO ivy").await.unwrap();
    let ivy = team.open("ivy", Process::this());
    assert!(ivy.only_looks().await.is_some());
    team.run("owner", "GRANT quarterdeck_writer TO ivy").await.unwrap();
    assert_eq!(ivy.only_looks().await, None);
}

#[tokio::test]
async fn somebody_who_changed_a_record_behind_the_guard_is_found_out() {
    let team = Team::new(need!(postgres)).await;
    let ada = team.open("ada", Process::this());
    ada.append(note(json!(1))).await.unwrap();
    team.run("owner", "ALTER TABLE quarterdeck.record DISABLE TRIGGER USER; UPDATE quarterdeck.record SET actor_name = 'ben' WHERE seq = 2")
        .await
        .unwrap();
    let report = Reader::open(&team.store()).await.unwrap().verify().await.unwrap();
    assert_eq!(report.chains[&ada.writer()].broken, Some(chain::Broken::Changed { seq: 2 }));
}

#[tokio::test]
async fn a_page_after_the_other_is_read() {
    let team = Team::new(need!(postgres)).await;
    let ada = team.open("ada", Process::this());
    ada.append(note(json!(1))).await.unwrap();
    let many = "ALTER TABLE quarterdeck.record DISABLE TRIGGER USER; \
        INSERT INTO quarterdeck.record (writer, seq, id, prev, hash, at, mono_ms, actor_uid, actor_host, kind, env, data) \
        SELECT writer, 2 + n, gen_random_uuid(), hash, hash, at, 0, 0, 'x', 'writes.lock', 'x', '1' \
        FROM quarterdeck.record, generate_series(1, 2100) n WHERE seq = 2";
    team.run("owner", many).await.unwrap();
    assert_eq!(Reader::open(&team.store()).await.unwrap().verify().await.unwrap().count(), 2102);
}

/// A process of its own that asks for a resource whenever it is told to, and who has it. Started by the race below, and nothing by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contender() {
    let Ok(dsn) = std::env::var("QD_TEAM_RACE") else { return };
    let settings = LoginSettings { dsn: Some(dsn), password: None };
    let journal = PostgresJournal::new(&settings, "test", Redactor::default()).unwrap();
    journal.recent(1).await.unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        if let Some(resource) = line.strip_prefix("who ") {
            println!("{}", journal.held(&[resource.to_owned()]).await.unwrap()[0]);
            continue;
        }
        let run = new_run();
        match journal.take(run, &[line], TTL).await.unwrap() {
            Taken::All(_) => {
                begin_run(&journal, run, "kill").await;
                let intent =
                    Entry { step: Some("kill/idle".into()), ..entry(RecordKind::StepIntent, Some(run), json!({})) };
                journal.append(intent).await.unwrap();
                println!("won {}", run.short());
            }
            Taken::Held(lease) => println!("{lease}"),
        }
    }
}

type Contender = (std::process::Child, std::io::Lines<BufReader<std::process::ChildStdout>>);

fn start_contender(dsn: &str) -> Contender {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "journal::postgres::tests::contender", "--nocapture", "--test-threads=1"]);
    command.env("QD_TEAM_RACE", dsn).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test runner says something first.
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));
    (child, lines)
}

fn ask(contender: &mut Contender, line: &str) {
    writeln!(contender.0.stdin.as_mut().unwrap(), "{line}").unwrap();
}

/// Exactly one of two processes, of two people, gets each resource; the other is told who has it, since when, and then on which step.
async fn race(team: &Team, rounds: usize) {
    let mut contenders = [start_contender(&team.dsn("ada")), start_contender(&team.dsn("ben"))];
    for round in 0..rounds {
        let resource = format!("database/{round}");
        for contender in &mut contenders {
            ask(contender, &resource);
        }
        let said = contenders.each_mut().map(|(_, lines)| lines.next().unwrap().unwrap());
        let winners: Vec<usize> = (0..2).filter(|index| said[*index].starts_with("won ")).collect();
        let [winner] = winners[..] else { panic!("round {round}: {said:?}") };
        let (name, run) = (["ada", "ben"][winner], said[winner].strip_prefix("won ").unwrap());
        let held = format!("{resource} is held by {name}@");
        assert!(said[1 - winner].starts_with(&held) && said[1 - winner].contains(" since "), "round {round}: {said:?}");
        ask(&mut contenders[1 - winner], &format!("who {resource}"));
        let told = contenders[1 - winner].1.next().unwrap().unwrap();
        assert!(told.ends_with(&format!(" UTC: run {run} of kill, at kill/idle")), "round {round}: {told}");
    }
    for (child, _) in &mut contenders {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
    assert!(Reader::open(&team.store()).await.unwrap().verify().await.unwrap().is_intact());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_ask_at_once_exactly_one_gets_it_and_the_other_is_told_whose_it_is() {
    let team = Team::new(need!(postgres)).await;
    race(&team, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "500 rounds: a long trial"]
async fn long_race_of_two_processes_for_one_lock() {
    let team = Team::new(need!(postgres)).await;
    race(&team, 500).await;
}
