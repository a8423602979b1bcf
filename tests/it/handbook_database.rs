//! The handbook's chapter about the database, run: each shipped runbook as it stands, planned and answered as a script or a person does, on
//! a PostgreSQL of the test's own and over SSH on its host.

use crate::desk::insist;
use crate::lab::cloud::Cloud;
use crate::lab::postgres::{Postgres, own_postgres};
use crate::lab::service::{folder, free_port};
use crate::lab::sshd::{HOST, Sshd, own_sshd};
use crate::lab::{self, is_root, poll, program};
use crate::pty::Session;
use crate::support::{Home, LONG, answer, look_at, press, said, say, vars};
use quarterdeck::runbook::Library;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A game's database on a host of its own, and a home that knows both.
struct Site {
    server: Postgres,
    home: Home,
    _sshd: Sshd,
}

const TABLES: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) AS i;
    CREATE SCHEMA \"odd one\"; CREATE TABLE \"odd one\".\"it's\" (x int); INSERT INTO \"odd one\".\"it's\" VALUES (1), (2);
    ALTER TABLE users OWNER TO qd_act; ALTER TABLE \"odd one\".\"it's\" OWNER TO qd_act; GRANT USAGE ON SCHEMA \"odd one\" TO qd_act";

impl Site {
    fn start() -> Result<Self, String> {
        if !is_root() {
            return Err("root, who becomes postgres on the host".to_owned());
        }
        program(&["sudo"], &[]).ok_or("sudo is not installed (sudo)")?;
        let (server, sshd) = (own_postgres()?, own_sshd()?);
        server.run_in("postgres", "CREATE ROLE spacetime");
        server.run_in("postgres", "CREATE DATABASE spacetime OWNER spacetime");
        server.run_in("postgres", "ALTER ROLE qd_act REPLICATION");
        server.run_in("spacetime", TABLES);
        let config = format!(
            "environment = \"lab\"\n{}[ssh.db-1]\nhost = \"{HOST}\"\nconfig = \"{}\"\n[[server]]\nname = \"db-1\"\n",
            logins("primary", server.port),
            sshd.config().display()
        );
        Ok(Self { server, home: Home::new(&config), _sshd: sshd })
    }

    /// Where the server's socket is, for runbooks that ask it on its host.
    fn socket(&self) -> Vec<String> {
        let socket = format!("socket={}", self.server.socket.display());
        vars(&["server=db-1", &socket, &format!("port={}", self.server.port)])
    }

    fn ok(&self, id: &str, vars: &[String]) -> String {
        let (code, said) = self.home.unattended(id, vars);
        assert_eq!(code, Some(0), "{id}: {said}");
        said
    }

    fn refused(&self, id: &str, vars: &[String], why: &str) {
        let (code, said) = self.home.unattended(id, vars);
        assert!(code != Some(0) && said.contains(why), "{id}: {why}: {code:?} {said}");
    }

    /// The first column of what the game's database answers.
    fn asked(&self, sql: &str) -> String {
        asked(&self.server.socket, self.server.port, "spacetime", sql)
    }

    fn databases(&self) -> String {
        let sql = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'spacetime%'";
        asked(&self.server.socket, self.server.port, "postgres", sql)
    }
}

/// How the database is set up that somebody asks.
const SET_UP: &str = "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datconnlimit, datcollate, to_jsonb(d) ->> 'daticulocale', datacl,
    (SELECT string_agg(concat_ws(' ', nullif(setrole, 0)::regrole, setconfig), ' ' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))
    FROM pg_database AS d WHERE datname = current_database()";

impl Site {
    /// The game's database, made anew in a way that is not the server's own: a dump has nothing of that. It sorts otherwise, too.
    fn set_up_otherwise(&self) {
        let icu =
            asked(&self.server.socket, self.server.port, "postgres", "SHOW server_version_num").as_str() >= "150000";
        let locale = if icu { "LOCALE_PROVIDER icu ICU_LOCALE 'en'" } else { "" };
        self.server.run_in("postgres", "DROP DATABASE spacetime");
        let create = format!(
            "CREATE DATABASE spacetime OWNER spacetime TEMPLATE template0 ENCODING 'LATIN1' {locale} CONNECTION LIMIT 40"
        );
        self.server.run_in("postgres", &create);
        self.server.run_in("spacetime", TABLES);
        for sql in [
            "CREATE SCHEMA \"Zed\" CREATE TABLE t (x int)",
            "REVOKE ALL ON DATABASE spacetime FROM PUBLIC",
            "GRANT CONNECT ON DATABASE spacetime TO qd_read, qd_act WITH GRANT OPTION",
            "ALTER DATABASE spacetime SET search_path TO \"$user\", public, \"odd one\"",
            "ALTER DATABASE spacetime SET work_mem TO '8MB'",
            "ALTER ROLE qd_act IN DATABASE spacetime SET application_name TO 'it''s = mine'",
        ] {
            self.server.run_in("spacetime", sql);
        }
    }
}

/// A database as the config has it: who looks, and who acts.
fn logins(name: &str, port: u16) -> String {
    let login = |table: &str, role: &str, variable: &str| {
        format!(
            "[postgres.{name}{table}]\ndsn = \"postgres://{role}@127.0.0.1:{port}/spacetime?sslmode=disable\"\n\
             password = {{ env = \"{variable}\" }}\n"
        )
    };
    login("", "qd_read", "QD_READ") + "interval = \"250ms\"\n" + &login(".act_as", "qd_act", "QD_ACT")
}

fn asked(socket: &Path, port: u16, database: &str, sql: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["-XAtq", "-U", "postgres", "-d", database, "-c", sql, "-p", &port.to_string(), "-h"]).arg(socket);
    said(&psql.output().unwrap()).trim().to_owned()
}

/// A folder in which the server's user may write.
fn open_folder(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    folder
}

fn named(folder: &Path, end: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        all.filter(|path| path.to_string_lossy().ends_with(end) && !path.is_symlink()).collect();
    found.sort();
    found
}

/// The site, or the test of this name is skipped.
fn site(test: &str) -> Option<Site> {
    Site::start().map_err(|why| lab::skip(&format!("it::handbook_database::{test}"), &why)).ok()
}

pub fn asks(screen: &mut Session, question: &str, line: &str) {
    screen.wait_text(question);
    say(screen, line);
}

#[test]
fn a_backup_is_proved_by_restoring_it_and_one_that_can_not_be_proved_fails() {
    let Some(site) = site("a_backup_is_proved_by_restoring_it_and_one_that_can_not_be_proved_fails") else { return };
    let folder = open_folder("backup");
    let vars = [site.socket(), vars(&[&format!("folder={}", folder.display())])].concat();
    let said = site.ok("db-backup", &vars);
    let [dump] = &named(&folder, ".sql.gz")[..] else { panic!("one dump: {said}") };
    let counts = fs::read_to_string(format!("{}.counts", dump.display())).unwrap();
    assert_eq!(counts, "\"odd one\".\"it's\" 2\npublic.users 1000\n");
    assert_eq!(fs::read_link(folder.join("spacetime_latest.sql.gz")).unwrap(), Path::new(dump.file_name().unwrap()));
    assert_eq!(fs::metadata(dump).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(site.databases(), "spacetime", "the scratch database is gone");
    assert!(named(&folder, ".part").is_empty());

    site.server.run_in("postgres", "CREATE DATABASE spacetime_restore_check");
    site.refused("db-backup", &vars, "another proof is under way");
    site.server.run_in("postgres", "DROP DATABASE spacetime_restore_check");
    // A check that asks a table by its bare name: the dump is whole, and can't be restored.
    site.server.run_in(
        "spacetime",
        "CREATE FUNCTION anybody() RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM users); END';
         CREATE TABLE joined (id int CHECK (anybody())); INSERT INTO joined VALUES (1)",
    );
    let (code, said) = site.home.unattended("db-backup", &vars);
    assert!(code.is_some_and(|code| code != 0), "a dump that does not restore is no backup: {said}");
    assert!(!said.contains("every step is ok"), "{said}");
}

#[test]
fn a_database_is_restored_beside_the_old_one_and_put_back() {
    let Some(site) = site("a_database_is_restored_beside_the_old_one_and_put_back") else { return };
    let folder = open_folder("backup");
    site.set_up_otherwise();
    let set_up = site.asked(SET_UP);
    assert!(set_up.contains("LATIN1 40 ") && set_up.contains("search_path=") && set_up.contains("= mine"), "{set_up}");
    site.ok("db-backup", &[site.socket(), vars(&[&format!("folder={}", folder.display())])].concat());
    let dump = named(&folder, ".sql.gz").pop().unwrap();
    site.server.run_in("spacetime", "DELETE FROM users WHERE id > 500");
    let restore = [site.socket(), vars(&[&format!("dump={}", dump.display()), "silence=false"])].concat();
    let command: Vec<&str> =
        ["runbook", "run", "db-restore"].into_iter().chain(restore.iter().map(String::as_str)).collect();
    let mut screen = site.home.on_terminal(&command);
    asks(&mut screen, "to run it type  restore on db-1", "restore on db-1");
    asks(&mut screen, "tick 1: Every application server is stopped", "tick 1");
    asks(&mut screen, "[x] Every application server is stopped", "tick 2");
    asks(&mut screen, "[x] The status page", "done");
    asks(&mut screen, "type  restore on db-1  to go on", "restore on db-1");
    asks(&mut screen, "tick 1: The status page says what was lost", "tick 1");
    asks(&mut screen, "[x] The status page says what was lost", "pick 1");
    asks(&mut screen, "chosen: it is started", "done");
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    assert_eq!(site.databases(), "spacetime spacetime_before_restore");
    assert_eq!(site.asked("SELECT count(*) FROM users"), "1000");
    assert_eq!(site.asked("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'spacetime'"), "spacetime");
    assert_eq!(site.asked(SET_UP), set_up, "it is set up as the one before");

    let (code, said) = site.home.undo_newest();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((site.databases().as_str(), site.asked("SELECT count(*) FROM users").as_str()), ("spacetime", "500"));
    // A dump that broke off is compressed without a fault.
    let cut = folder.join("cut.sql.gz");
    let script = "gunzip -c \"$1\" | head -n 20 | gzip > \"$2\" && chmod 644 \"$2\" && gunzip -t \"$2\"";
    assert!(Command::new("sh").args(["-c", script, "sh"]).arg(&dump).arg(&cut).status().unwrap().success());
    let vars = [site.socket(), vars(&[&format!("dump={}", cut.display()), "silence=false"])].concat();
    site.refused("db-restore", &vars, "it has no end");
}

#[test]
fn the_nightly_backup_is_installed_runs_once_and_is_taken_back() {
    let Some(site) = site("the_nightly_backup_is_installed_runs_once_and_is_taken_back") else { return };
    let (backup, etc) = (open_folder("backup"), folder("etc"));
    fs::set_permissions(&etc, Permissions::from_mode(0o755)).unwrap();
    let (script, cron) = (etc.join("backup_database.sh"), etc.join("spacetime-backup"));
    fs::write(&cron, "# somebody's own\n").unwrap();
    let at = |name: &str, path: &Path| format!("{name}={}", path.display());
    let given = [at("folder", &backup), at("script", &script), at("cron", &cron), "bucket=".to_owned()];
    let vars = [site.socket(), vars(&given.each_ref().map(String::as_str))].concat();
    // Of eight days ago, of six days ago, and one of eight days ago that nobody made like that.
    let old = |name: &str, days: u32| {
        let path = backup.join(name);
        fs::write(&path, "x").unwrap();
        assert!(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(&path).status().unwrap().success());
        path
    };
    let gone = old("spacetime_20261101_020000.sql.gz", 8);
    let kept = [old("spacetime_20261102_020000.sql.gz", 6), old("spacetime_pre_scale.sql.gz", 8)];
    refuses_a_line_of_the_handbook();
    site.ok("db-backup-schedule", &vars);
    let line = fs::read_to_string(&cron).unwrap();
    assert!(line.ends_with(&format!("\n0 2 * * * postgres {}\n", script.display())), "{line}");
    assert!(!gone.exists() && kept.iter().all(|path| path.exists()), "a week is kept");
    assert_eq!(named(&backup, ".sql.gz").len(), 3);
    let [counts] = &named(&backup, ".counts")[..] else { panic!("what db-restore compares") };
    assert_eq!(fs::read_to_string(counts).unwrap(), "\"odd one\".\"it's\" 2\npublic.users 1000\n");
    // A night on which the server is away: the script fails, and deletes nothing.
    let wrong = fs::read_to_string(&script).unwrap().replace(&format!("-p {}", site.server.port), "-p 1");
    let gone = old("spacetime_20261101_020000.sql.gz", 8);
    let night = Command::new("bash").args(["-c", &wrong]).output().unwrap();
    assert!(!night.status.success() && gone.exists(), "{night:?}");
    // Cron gives it next to nothing; and while one dumps no other does.
    let mut alone = Command::new("flock");
    alone.arg(backup.join(".nightly.lock")).args(["env", "-i"]).arg(&script);
    let second = alone.output().unwrap();
    assert!(said(&second).contains("another dump is under way") && !second.status.success(), "{second:?}");
    assert_eq!((named(&backup, ".sql.gz").len(), named(&backup, ".part").len()), (4, 0));
    uploads(&site, &fs::read_to_string(&script).unwrap(), &gone);
    let (code, said) = site.home.undo_newest();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((fs::read_to_string(&cron).unwrap().as_str(), script.exists()), ("# somebody's own\n", false));
}

/// Its look at the crontabs of before, at one that has the handbook's line.
fn refuses_a_line_of_the_handbook() {
    let pages = Library::builtin();
    let page = pages.iter().find(|page| page.id == "db-backup-schedule").unwrap();
    let step = page.steps.iter().find(|step| step.title == "Nothing else dumps it at night").unwrap();
    let cloud = Cloud::new(&["crontab"]);
    let script = "/opt/spacetime/scripts/backup_database.sh";
    let look = || {
        let mut bash = Command::new("bash");
        bash.args(["-c", &step.fences[0].body]).env("PATH", cloud.path()).env("script", script).output().unwrap()
    };
    let call = ["crontab", "-l", "-u", "postgres"];
    cloud.answers(&call, &format!("# 0 2 * * * {script}\n5 4 * * * /usr/bin/true\n"));
    assert!(look().status.success(), "root has none, and postgres a comment");
    cloud.answers(&call, &format!("0 2 * * * {script}\n"));
    let [_, refused] = [(); 2].map(|()| look());
    assert!(!refused.status.success() && said(&refused).contains("the crontab of postgres dumps too"), "{refused:?}");
}

/// The installed script with a bucket: what can't be uploaded stays, and so does what is old.
fn uploads(site: &Site, script: &str, old: &Path) {
    let cloud = Cloud::new(&["aws"]);
    let upload = ["aws", "s3", "cp", "--only-show-errors", "*", "s3://spacetime-backups/database/"];
    cloud.ends(&upload, "", "no route to the bucket\n", 1);
    cloud.answers(&upload, "");
    let script = script.replace("\nbucket=\n", "\nbucket=s3://spacetime-backups/database/\n");
    let script = script.replace("\nPATH=", &format!("\nPATH={}:", cloud.bin().display()));
    let night = || Command::new("bash").args(["-c", &script]).env("PGUSER", "postgres").output().unwrap();
    let refused = night();
    assert!(!refused.status.success() && old.exists(), "{refused:?}");
    let sent = night();
    assert!(sent.status.success() && !old.exists(), "{sent:?}");
    assert_eq!(cloud.calls().len(), 2);
    assert!(cloud.calls().iter().all(|call| Path::new(&call[4]).exists()), "{:?}", cloud.calls());
    assert_eq!(site.databases(), "spacetime");
}

#[test]
fn tables_are_vacuumed_analyzed_rewritten_and_reindexed() {
    let Some(site) = site("tables_are_vacuumed_analyzed_rewritten_and_reindexed") else { return };
    site.server.run_in(
        "spacetime",
        "INSERT INTO users SELECT i, 'user' FROM generate_series(1001, 50000) AS i; DELETE FROM users WHERE id > 1000 AND id % 50 <> 0",
    );
    let database = vars(&["database=primary"]);
    let said = site.ok("db-vacuum", &database);
    assert!(said.contains("every table is vacuumed and analyzed"), "{said}");
    let counted =
        |column: &str| site.asked(&format!("SELECT {column} FROM pg_stat_user_tables WHERE relname = 'users'"));
    assert_eq!((counted("vacuum_count"), counted("analyze_count")), ("1".to_owned(), "1".to_owned()));
    site.ok("db-analyze", &database);
    assert_eq!(counted("analyze_count"), "2");

    let table = [&database[..], &site.socket(), &vars(&["table=public.users"])].concat();
    let size = || site.asked("SELECT pg_table_size('users')").parse::<u64>().unwrap();
    let before = size();
    let holder = asking(&site, "BEGIN; SELECT 1 FROM users LIMIT 1; SELECT pg_sleep(600)");
    site.refused("db-vacuum-full", &table, "used_by");
    site.asked("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'match'");
    drop(holder);
    poll(LONG, || {
        (site.asked("SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass") == "0").then_some(())
    })
    .unwrap();
    let said = site.ok("db-vacuum-full", &table);
    assert!(size() < before / 5 && said.contains(" before, "), "{before} {}: {said}", size());

    let file = || site.asked("SELECT pg_relation_filenode('users_pkey')");
    let before = file();
    // PostgreSQL passes over what an exclusion constraint has.
    let excluded =
        "ALTER TABLE users ADD COLUMN span int4range, ADD CONSTRAINT spans EXCLUDE USING gist (span WITH &&)";
    site.server.run_in("spacetime", excluded);
    let said = site.ok("db-reindex", &table);
    assert!(file() != before && said.contains("1 rebuilt, 0 invalid"), "{said}");
    site.server.run_in("spacetime", "ALTER TABLE users DROP COLUMN span");

    // A table that the acting login does not own is passed over, which PostgreSQL calls a warning.
    site.server.run_in("spacetime", "CREATE TABLE other (x int)");
    site.refused("db-vacuum", &database, "left\":\"other");
    site.refused("db-analyze", &database, "left\":\"other");
    // What a rebuild that broke off leaves is dropped by the undo, and nothing else.
    site.server.run_in("spacetime", "CREATE INDEX left_ccnew ON users (name); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_ccnew'::regclass");
    let (_, said) = site.home.unattended("db-reindex", &table);
    let (code, undone) = site.home.undo_newest();
    assert_eq!(code, Some(0), "{said}{undone}");
    let left = site
        .asked("SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE indrelid = 'users'::regclass");
    assert_eq!(left, "users_pkey", "{undone}");
}

/// A session that goes on until it is dropped.
struct Asking(std::process::Child);

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Site {
    fn slots(&self) -> String {
        self.asked("SELECT slot_name || ' ' || active FROM pg_replication_slots")
    }

    /// A replica is given up while somebody reads through its slot: that stays, and the run says so.
    fn keeps_a_slot_in_use(&self, command: &[&str]) {
        let mut screen = self.home.on_terminal(command);
        asks(&mut screen, "to run it type  add on primary", "add on primary");
        screen.wait_text("type  add on db-1  to go on");
        let mut reads = Command::new("pg_receivewal");
        reads.args(["-U", "postgres", "-S", "replica_1", "-n", "-p", &self.server.port.to_string(), "-D"]);
        let reader = Asking(reads.arg(folder("wal")).arg("-h").arg(&self.server.socket).spawn().unwrap());
        poll(LONG, || (self.slots() == "replica_1 true").then_some(())).expect("it reads");
        say(&mut screen, "stop");
        asks(&mut screen, "to undo it type  undo on primary :", "undo on primary");
        assert_ne!(screen.wait_exit().exit_code(), 0);
        let text = screen.text();
        assert!(text.contains("\"replica_1\" is active for PID") && self.slots() == "replica_1 true", "{text}");
        drop(reader);
        poll(LONG, || (self.slots() == "replica_1 false").then_some(())).expect("nobody reads");
        self.asked("SELECT pg_drop_replication_slot('replica_1')");
    }
}

/// As the role `app`, whom the runbooks may end.
fn asking(site: &Site, sql: &str) -> Asking {
    let mut psql = Command::new("psql");
    site.server.run_in("spacetime", "GRANT SELECT, UPDATE ON users TO app");
    psql.args(["-XAtq", "-U", "app", "-d", "spacetime", "-p", &site.server.port.to_string(), "-h"])
        .arg(&site.server.socket);
    let asking = asking_by(psql, sql);
    poll(LONG, || (!pid(site).is_empty()).then_some(())).expect("it sleeps");
    asking
}

/// The same, of a `psql` that knows where.
fn asking_by(mut psql: Command, sql: &str) -> Asking {
    for statement in sql.split("; ") {
        psql.args(["-c", statement]);
    }
    Asking(psql.env("PGAPPNAME", "match").stdout(std::process::Stdio::null()).spawn().unwrap())
}

/// The one session of [`asking`], once it sleeps.
fn pid(site: &Site) -> String {
    site.asked("SELECT pid FROM pg_stat_activity WHERE application_name = 'match' AND query LIKE '%pg_sleep%'")
}

#[test]
fn a_query_is_cancelled_and_a_session_ended_by_key_and_no_other_one() {
    let Some(site) = site("a_query_is_cancelled_and_a_session_ended_by_key_and_no_other_one") else { return };
    let mut asking = asking(&site, "SELECT pg_sleep(600); BEGIN; SELECT 1 FROM users FOR UPDATE; SELECT pg_sleep(601)");
    let own = pid(&site);
    let mut screen = site.home.start(&[]);
    look_at(&mut screen, "4", "db-kill-idle", "match");
    screen.wait_text(&own);
    press(&mut screen, "C");
    screen.wait_text("plan: Cancel a session's query");
    screen.wait_text("SELECT pg_sleep");
    insist(&mut screen, "y", "cancelled");
    // psql goes on to the next statement, in the same session.
    let next = || {
        (site.asked("SELECT query FROM pg_stat_activity WHERE application_name = 'match'").contains("601"))
            .then_some(())
    };
    poll(LONG, next).expect("the session is still there");
    assert_eq!(pid(&site), own);
    drop(screen);
    let mut screen = site.home.start(&[]);
    look_at(&mut screen, "4", "db-kill-idle", "match");
    screen.wait_text(&own);
    press(&mut screen, "K");
    screen.wait_text("plan: End a database session");
    screen.wait_text("to run it type  end 1 on primary");
    answer(&mut screen, "end 1 on primary");
    poll(LONG, || pid(&site).is_empty().then_some(())).expect("it is ended");
    assert!(!asking.0.wait().unwrap().success());
    // The number alone does not do when the session's start is said.
    let vars = vars(&["database=primary", &format!("pid={own}"), "started=2020-01-01T00:00:00Z"]);
    site.refused("db-terminate-session", &vars, "found");
}

#[test]
fn a_replica_is_added_follows_and_is_taken_back_with_its_slot() {
    let Some(site) = site("a_replica_is_added_follows_and_is_taken_back_with_its_slot") else { return };
    let (home, port) = (open_folder("replica"), free_port());
    let given = [
        "database=primary".to_owned(),
        "server=db-1".to_owned(),
        format!("primary_host={}", site.server.socket.display()),
        format!("primary_port={}", site.server.port),
        "primary_user=postgres".to_owned(),
        format!("data={}", home.join("data").display()),
        format!("socket={}", home.display()),
        format!("port={port}"),
        "service=".to_owned(),
    ];
    let given = vars(&given.each_ref().map(String::as_str));
    // No disk has two petabytes to spare.
    let spare = [given.clone(), vars(&["spare_mib=2000000000"])].concat();
    let (_, said) = site.home.unattended("db-add-replica", &spare);
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(" MiB free: the copy takes ") && flat.contains("and 2000000000 are to be left"), "{said}");
    let command: Vec<&str> =
        ["runbook", "run", "db-add-replica"].into_iter().chain(given.iter().map(String::as_str)).collect();
    site.keeps_a_slot_in_use(&command);
    let mut screen = site.home.on_terminal(&command);
    asks(&mut screen, "to run it type  add on primary", "add on primary");
    asks(&mut screen, "type  add on db-1  to go on", "add on db-1");
    screen.wait_text("2-copy-the-data: verify");
    asks(&mut screen, "start-it-without-a-service: still as planned", "add on db-1");
    screen.wait_text("tick 1: The API reads from it");
    site.server.run_in("spacetime", "INSERT INTO users VALUES (5000, 'after')");
    let there = || (asked(&home, port, "spacetime", "SELECT count(*) FROM users WHERE id = 5000") == "1").then_some(());
    poll(LONG, there).expect("what is written on the primary arrives");
    asks(&mut screen, "tick 1: The API reads from it", "tick 1");
    asks(&mut screen, "[x] The API reads from it", "tick 2");
    asks(&mut screen, "[x] It is in the dashboard's config", "done");
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    assert_eq!(site.slots(), "replica_1 true");
    site.refused("db-add-replica", &given, "taken");
    replays_again(&site, (&home, port));

    let (code, said) = site.home.undo_newest();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((site.slots().as_str(), home.join("data").exists()), ("", false));
}

/// A pause and a query hold the standby's replay up: both are ended, and what was written on the primary is seen.
fn replays_again(site: &Site, (socket, port): (&Path, u16)) {
    let standby = |sql: &str| asked(socket, port, "spacetime", sql);
    let is = |what: &str, sql: &str, wanted: &str| {
        poll(LONG, || (standby(sql) == wanted).then_some(())).unwrap_or_else(|| panic!("{what}: {}", standby(sql)));
    };
    let config = format!("environment = \"lab\"\n{}", logins("replica", port));
    let home = Home::new(&config);
    let given = vars(&["database=replica", "minutes=0", "behind_mib=0"]);
    standby("ALTER SYSTEM SET max_standby_streaming_delay = -1");
    standby("SELECT pg_reload_conf()");
    let grants = "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume(), pg_wal_replay_pause() TO qd_act; GRANT SELECT ON users TO app";
    site.server.run_in("spacetime", grants);
    is("the grants", "SELECT has_table_privilege('app', 'users', 'SELECT')", "t");
    let mut psql = Command::new("psql");
    psql.args(["-XAtq", "-U", "app", "-d", "spacetime", "-p", &port.to_string(), "-h"]).arg(socket);
    let mut holds =
        asking_by(psql, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users; SELECT pg_sleep(600)");
    is(
        "it holds",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
        "1",
    );
    site.server.run_in("spacetime", "DELETE FROM users WHERE id = 5000");
    site.server.run_in("spacetime", "VACUUM users");
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event LIKE 'RecoveryConflict%'";
    is("its replay waits", waits, "1");
    standby("SELECT pg_wal_replay_pause()");
    let (code, said) = home.unattended("db-replica-replay", &given);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("resumed") && said.contains("1 ended"), "{said}");
    assert!(!holds.0.wait().unwrap().success());
    assert_eq!(standby("SELECT count(*) FROM users WHERE id = 5000"), "0");
    let (code, said) = home.unattended("db-replica-replay", &given);
    assert!(code == Some(0) && said.contains("it was not paused"), "{code:?} {said}");
}

#[test]
fn a_disk_is_given_room_by_deleting_old_logs_and_no_others() {
    let Some(site) = site("a_disk_is_given_room_by_deleting_old_logs_and_no_others") else { return };
    let logs = folder("spacetime").join("logs");
    fs::create_dir_all(&logs).unwrap();
    let file = |name: &str, days: u32| {
        let path = logs.join(name);
        fs::write(&path, "x").unwrap();
        assert!(Command::new("touch").args(["-d", &format!("{days} days ago")]).arg(&path).status().unwrap().success());
        path
    };
    let (old, kept) = (file("api.1.log", 9), [file("api.log", 1), file("api.sql", 9)]);
    let given = |limit: u32| {
        let logs = format!("logs={}", logs.display());
        vars(&["server=db-1", "mountpoint=/tmp", &format!("limit={limit}"), &logs, "images=false"])
    };
    let said = site.ok("disk-usage", &given(99));
    assert!(!old.exists() && kept.iter().all(|path| path.exists()), "{said}");
    let said = site.home.run(&["journal", "export"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("api.1.log"), "what was deleted is recorded");
    site.refused("disk-usage", &given(1), "is still ");
}
