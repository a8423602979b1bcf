//! The handbook's chapter about disasters, run: a region that is gone, pages that are really damaged, servers in a real quarantine, and the
//! quarterly test of a backup.

use crate::handbook_response::{Hosts, UP, asks, had, on_terminal, refused, tick, undone, unfolded};
use crate::lab::cloud::Cloud;
use crate::lab::postgres::{Postgres, own_postgres};
use crate::lab::service::{Service, folder};
use crate::lab::sshd::{HOST, Sshd};
use crate::lab::{is_root, poll, program};
use crate::pty::PATIENCE;
use crate::support::{Home, said, say, vars};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) AS i;
    ALTER TABLE users OWNER TO spacetime";

/// A game's database, and the folder in which its dumps are.
struct Database {
    server: Postgres,
    dumps: PathBuf,
}

impl Database {
    fn start() -> Result<Self, String> {
        Self::with(own_postgres()?)
    }

    fn with(server: Postgres) -> Result<Self, String> {
        server.run_in("postgres", "CREATE ROLE spacetime");
        server.run_in("postgres", "CREATE DATABASE spacetime OWNER spacetime");
        server.run_in("spacetime", USERS);
        let dumps = folder("dumps");
        fs::set_permissions(&dumps, Permissions::from_mode(0o777)).map_err(|why| why.to_string())?;
        Ok(Self { server, dumps })
    }

    /// A dump of now, under this name.
    fn dump(&self, name: &str) -> PathBuf {
        let file = self.dumps.join(name);
        let script = "pg_dump -U postgres -h \"$1\" -p \"$2\" -d spacetime | gzip > \"$3\" && chmod 644 \"$3\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&self.server.socket).arg(self.server.port.to_string()).arg(&file);
        assert!(command.status().unwrap().success());
        file
    }

    fn asked(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-U", "postgres", "-d", database, "-c", sql, "-p", &self.server.port.to_string(), "-h"]);
        said(&psql.arg(&self.server.socket).output().unwrap()).trim().to_owned()
    }

    fn names(&self) -> String {
        self.asked(
            "postgres",
            "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'spacetime%'",
        )
    }

    /// How runbooks reach it on its host.
    fn place(&self) -> [String; 2] {
        [format!("socket={}", self.server.socket.display()), format!("port={}", self.server.port)]
    }
}

fn with(given: &[&str], more: &[String]) -> Vec<String> {
    vars(&given.iter().copied().chain(more.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// As the dumps are named, and as the handbook writes times.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%d_%H%M%S").to_string()
}

const ZONE: &str = "Z123456ABCDEFG";
const RECORD: &str = r#"{
    "Name": "spacetime.example.com.",
    "Type": "A",
    "TTL": 300,
    "ResourceRecords": [
        {
            "Value": "192.0.2.1"
        }
    ]
}
"#;

#[test]
fn the_second_region_is_restored_proved_and_named_and_the_name_is_turned_back() {
    let test = "the_second_region_is_restored_proved_and_named_and_the_name_is_turned_back";
    let Some(hosts) = had(test, Hosts::start(&["dr-db-1", "dr-1", "dr-2"], &["aws", "dig"])) else { return };
    let Some(database) = had(test, Database::start()) else { return };
    let (cloud, restore) = (&hosts.cloud, folder("restore"));
    fs::set_permissions(&restore, Permissions::from_mode(0o755)).unwrap();
    let down = Timestamp::now() - SignedDuration::from_mins(20);
    let name = format!("spacetime_{}.sql.gz", stamp(down - SignedDuration::from_mins(30)));
    fs::rename(database.dump(&name), restore.join(format!("{name}.part"))).unwrap();
    database.server.run_in("spacetime", "DELETE FROM users");
    let bucket = "s3://spacetime-backups/database/";
    let old =
        "2026-11-01 02:00:09    1234 spacetime_20261101_020000.sql.gz\n2026-11-01 02:10:00 7 spacetime_notes.txt\n";
    cloud.answers(&["aws", "s3", "ls", bucket], &format!("{old}2026-11-29 02:00:09    1234 {name}\n"));
    let (from, to) = (format!("{bucket}{name}"), restore.join(format!("{name}.part")));
    cloud.answers(&["aws", "s3", "cp", "--only-show-errors", &from, to.to_str().unwrap()], "");
    let compose = ["docker-compose", "-f", "docker-compose.production.yml", "-p", "spacetime-blue"];
    cloud.answers(&[&compose[..], &["up", "-d"]].concat(), "");
    cloud.answers(&[&compose[..], &["stop"]].concat(), "");
    hosts.lists(&["-a"], &["--format", "{{.Image}} {{.Names}} {{.Status}}"], &format!("spacetime/godot:v2.5.0 {UP}"));
    cloud.answers(&["curl", "-fsS", "--max-time", "15", "https://dr.spacetime.example.com/metrics"], "up 1\n");
    let listed = [
        "aws",
        "route53",
        "list-resource-record-sets",
        "--hosted-zone-id",
        ZONE,
        "--start-record-name",
        "spacetime.example.com",
        "--start-record-type",
        "A",
        "--max-items",
        "1",
        "--query",
        "ResourceRecordSets[0]",
        "--output",
        "json",
    ];
    cloud.answers(&listed, RECORD);
    let batch = r#"{"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {"Name": "spacetime.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "203.0.113.7"}]}}]}"#;
    let change = |batch| {
        [
            "aws",
            "route53",
            "change-resource-record-sets",
            "--hosted-zone-id",
            ZONE,
            "--change-batch",
            batch,
            "--query",
            "ChangeInfo.Id",
            "--output",
            "text",
        ]
    };
    cloud.answers(&change(batch), "/change/C2682N5HXP0BZ4\n");
    cloud.answers(&["aws", "route53", "wait", "resource-record-sets-changed", "--id", "/change/C2682N5HXP0BZ4"], "");
    cloud.answers(&["dig", "+short", "spacetime.example.com"], "203.0.113.7\n");
    let (since, place) =
        (format!("down_since={}", down.strftime("%Y-%m-%dT%H:%M:%SZ")), format!("restore={}", restore.display()));
    let given =
        ["database_server=dr-db-1", "servers=dr-1,dr-2", "target=203.0.113.7", "version=v2.5.0", &since, &place];
    let given = [hosts.at(&given), with(&[], &database.place())].concat();
    let home = hosts.home("");
    let planned = said(&home.run(
        &[&["runbook", "plan", "dr-failover"], &given.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
    ));
    assert!(unfolded(&planned).contains("RPO: 30 minutes are lost") && unfolded(&planned).contains(batch), "{planned}");
    assert!(planned.contains("192.0.2.1"), "what the record is before is shown: {planned}");
    assert!(
        cloud.calls().iter().all(|call| ["ls", "list-resource-record-sets", "-fsS", "ps"].contains(&call[1].as_str())
            || call.get(2).is_some_and(|word| word == "ls")
            || call.get(2).is_some_and(|word| word == "list-resource-record-sets")),
        "{:?}",
        cloud.calls()
    );

    let mut screen = on_terminal(&home, "dr-failover", &given);
    asks(&mut screen, "to run it type  failover 1 on dr-db-1", "failover 1 on dr-db-1");
    tick(
        &mut screen,
        &["The cloud's own status page", "Nothing there can take writes", "The engineering manager knows"],
    );
    asks(&mut screen, "'Restore it beside what is there' on", "failover on dr-db-1");
    asks(&mut screen, "'Put it in its place' on", "failover on dr-db-1");
    asks(&mut screen, "type  failover on 2 hosts  to go on", "failover on 2 hosts");
    asks(&mut screen, "type  failover 1 on local  to go on", "failover 1 on local");
    tick(
        &mut screen,
        &["RTO and RPO", "The status page says since", "Backups of the second region", "Who plans the way back"],
    );
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    assert!(screen.text().contains("RTO: SpaceTime was away for 2"), "{}", screen.text());
    assert_eq!(database.names(), "spacetime spacetime_before_failover");
    assert_eq!(database.asked("spacetime", "SELECT count(*) FROM users"), "1000");
    assert!(hosts.scripts_called().iter().all(|call| call == "smoke https://dr.spacetime.example.com"));
    let changed = |cloud: &Cloud| {
        cloud
            .calls()
            .into_iter()
            .filter(|call| call.get(2).is_some_and(|word| word == "change-resource-record-sets"))
            .collect::<Vec<_>>()
    };
    assert_eq!(changed(cloud).len(), 1);

    cloud.answers(&change("*192.0.2.1*"), "/change/C3\n");
    cloud.answers(&["aws", "route53", "wait", "resource-record-sets-changed", "--id", "/change/C3"], "");
    undone(&home);
    let back: Value = serde_json::from_str(&changed(cloud).last().unwrap()[6]).unwrap();
    let record: Value = serde_json::from_str(RECORD).unwrap();
    assert_eq!(back, json!({"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}));
    assert_eq!(
        (database.names().as_str(), database.asked("spacetime", "SELECT count(*) FROM users").as_str()),
        ("spacetime", "0")
    );
    assert_eq!(cloud.called("docker-compose").iter().filter(|call| call.ends_with("stop")).count(), 2);

    // A dump that is a day old is said to lose a day; one of after the outage can't be.
    let late = format!("spacetime_{}.sql.gz", stamp(down - SignedDuration::from_hours(24)));
    let other = Cloud::new(&["aws", "dig", "curl", "docker", "docker-compose"]);
    other.answers(&["aws", "s3", "ls", bucket], &format!("{old}2026-11-28 02:00:09 1234 {late}\n"));
    let again = Home::finding(&hosts.config, other.path());
    let planned = said(&again.run(
        &[&["runbook", "plan", "dr-failover"], &given.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
    ));
    assert!(unfolded(&planned).contains("RPO: 1440 minutes are lost, and the target is less than 60"), "{planned}");
}

#[test]
fn a_standby_is_promoted_when_its_primary_is_gone_and_the_failover_begins_with_the_servers() {
    let test = "a_standby_is_promoted_when_its_primary_is_gone_and_the_failover_begins_with_the_servers";
    let Some(hosts) = had(test, Hosts::start(&["dr-db-1", "dr-1"], &["aws", "dig"])) else { return };
    let Some(mut database) = had(test, Database::start()) else { return };
    let Some(standby) = had(test, database.server.standby()) else { return };
    database.server.run_in("spacetime", "DELETE FROM users WHERE id > 990");
    let follows = || standby.column_in("spacetime", "SELECT count(*)::text FROM users") == ["990"];
    poll(PATIENCE, || follows().then_some(())).expect("it follows");
    let place = [format!("socket={}", standby.socket.display()), format!("port={}", standby.port)];
    let since = format!("down_since={}", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
    let home = hosts.home("");
    let promote = with(&["server=dr-db-1", &since], &place);
    let failover =
        ["database_server=dr-db-1", "servers=dr-1", "target=203.0.113.7", "version=v2.5.0", "data=standby", &since];
    let failover = [hosts.at(&failover), with(&[], &place)].concat();
    refused(&home, "dr-promote", &promote, "it still receives from its primary: that one lives");
    refused(&home, "dr-failover", &failover, "it is a standby: promote it first");
    database.server.stop();
    let mut screen = on_terminal(&home, "dr-promote", &promote);
    asks(&mut screen, "to run it type  promote on dr-db-1", "promote on dr-db-1");
    tick(&mut screen, &["It is off", "Nothing starts it again", "Of several standbys"]);
    tick(&mut screen, &["The failover", "The old primary", "Backups are made here"]);
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    assert!(screen.text().contains("RPO: the last transaction came 0 minutes before the outage"), "{}", screen.text());
    standby.run_in("spacetime", "INSERT INTO users VALUES (2000, 'after')");
    refused(&home, "dr-promote", &promote, "it is no standby");
    let words: Vec<&str> =
        ["runbook", "plan", "dr-failover"].into_iter().chain(failover.iter().map(String::as_str)).collect();
    let planned = unfolded(&said(&home.run(&words)));
    assert!(planned.matches("`params.data == 'dump'` is not true").count() >= 3, "{planned}");
    assert!(!hosts.cloud.called("aws").iter().any(|call| call.contains("s3")), "no dump is asked for");
}

/// A PostgreSQL with checksums on its pages; ended whoever runs it at last.
struct Checked {
    database: Database,
    data: PathBuf,
    bin: PathBuf,
}

impl Checked {
    fn start() -> Result<Self, String> {
        let server = Postgres::checked()?;
        let (data, bin) = (server.data().to_owned(), server.programs().to_owned());
        Ok(Self { database: Database::with(server)?, data, bin })
    }

    /// The handbook's disaster: a page of the table's file is written over, while nobody looks.
    fn corrupt(&mut self, table: &str) {
        let path = self.database.asked("spacetime", &format!("CHECKPOINT; SELECT pg_relation_filepath('{table}')"));
        self.database.server.stop();
        let mut file = fs::OpenOptions::new().read(true).write(true).open(self.data.join(path)).unwrap();
        let mut page = [0; 64];
        file.seek(SeekFrom::Start(8192 + 4000)).unwrap();
        file.read_exact(&mut page).unwrap();
        file.seek(SeekFrom::Start(8192 + 4000)).unwrap();
        file.write_all(&page.map(|byte| !byte)).unwrap();
        drop(file);
        self.database.server.start_again();
    }
}

impl Drop for Checked {
    /// The runbook stops it and starts it again, and then nobody's child is it any more.
    fn drop(&mut self) {
        let mut ctl = Command::new("sudo");
        ctl.args(["-u", "postgres", "--"]).arg(self.bin.join("pg_ctl")).arg("-D").arg(&self.data);
        let _ =
            ctl.args(["-m", "immediate", "stop"]).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_damaged_page_is_found_by_checksums_and_the_dump_takes_its_place() {
    let test = "a_damaged_page_is_found_by_checksums_and_the_dump_takes_its_place";
    let Some(hosts) = had(test, Hosts::start(&["game-1", "db-1"], &["aws"])) else { return };
    let Some(mut checked) = had(test, Checked::start()) else { return };
    let dump = checked.database.dump("spacetime_20251202_020000.sql.gz");
    checked.corrupt("users");
    let broken = checked.database.asked("spacetime", "SELECT count(*) FROM users");
    assert!(broken.contains("invalid page"), "{broken}");
    hosts.has_blue();
    let (dump, data) = (format!("dump={}", dump.display()), format!("data={}", checked.data.display()));
    let aside = folder("aside");
    let keep = format!("keep={}", aside.join("damaged").display());
    let given = ["servers=game-1", "server=db-1", "service=", &dump, &data, &keep];
    let given = [hosts.at(&given), with(&[], &checked.database.place())].concat();
    let home = hosts.home("");
    let mut screen = on_terminal(&home, "dr-corruption", &given);
    asks(&mut screen, "to run it type  stop on game-1", "stop on game-1");
    asks(&mut screen, "'Keep the files, and ask the checksums of their pages' on", "stop on db-1");
    screen.wait_text("damaged pages: 1");
    asks(&mut screen, "'Have amcheck in the database' on", "install on db-1");
    asks(&mut screen, "tick 1: The database's owner", "tick 1");
    screen.wait_text("[x] The database's owner");
    say(&mut screen, "tick 2");
    screen.wait_text("[x] No standby");
    say(&mut screen, "pick 1");
    screen.wait_text("chosen: tables");
    say(&mut screen, "done");
    asks(&mut screen, "'Have the dump on the server' on", "fetch on db-1");
    asks(&mut screen, "'Restore it beside the damaged one'", "plan");
    asks(&mut screen, "to run it type  restore on db-1", "restore on db-1");
    tick(&mut screen, &["Every application server is stopped", "The status page"]);
    asks(&mut screen, "'Rename both' on", "restore on db-1");
    asks(&mut screen, "tick 1: The status page says what was lost", "tick 1");
    screen.wait_text("[x] The status page says what was lost");
    say(&mut screen, "pick 2");
    screen.wait_text("chosen: it stays stopped");
    say(&mut screen, "done");
    asks(&mut screen, "'The data is there, and whole' on", "prove on db-1");
    assert_eq!(hosts.turned(), ["docker stop 1f0c"], "nothing is started before it is proved");
    asks(&mut screen, "type  start on game-1  to go on", "start on game-1");
    assert!(screen.text().contains("amcheck finds nothing in spacetime"), "{}", screen.text());
    tick(&mut screen, &["Somebody has logged in", "The status page says since", "It stands in the incident"]);
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    let database = &checked.database;
    assert_eq!(database.names(), "spacetime spacetime_before_restore");
    assert_eq!(database.asked("spacetime", "SELECT count(*) FROM users"), "1000");
    let kept = String::from_utf8(home.run(&["journal", "export"]).stdout).unwrap();
    assert!(kept.contains("amcheck finds damage") && kept.contains("checksum verification failed in file"), "{kept}");
    assert_eq!(hosts.turned(), ["docker stop 1f0c", "docker start 1f0c"]);
    // The copy is a server of its own, damaged as it was.
    let copies: Vec<PathBuf> = fs::read_dir(aside.join("damaged")).unwrap().map(|one| one.unwrap().path()).collect();
    let [copy] = &copies[..] else { panic!("one copy: {copies:?}") };
    let mut sums = Command::new(checked.bin.join("pg_checksums"));
    let found = said(&sums.args(["--check", "-D"]).arg(copy).output().unwrap());
    assert!(found.contains("Bad checksums:  1"), "{found}");
    assert!(hosts.cloud.called("aws").is_empty(), "the dump was there");
}

/// A machine with a network of its own: an sshd for each line, begun inside it, which nothing that is cut there can cut.
struct Island {
    sshd: Sshd,
    holder: Service,
}

impl Island {
    /// `from`: where its sshd says that lines come from, and the port they come to; none: it can't tell.
    fn start(from: Option<&str>) -> Result<Self, String> {
        if !is_root() {
            return Err("root, for a network of its own".to_owned());
        }
        let tables = program(&["iptables"], &[]).ok_or("iptables is not installed (iptables)")?;
        let holder = Service::start("island", Command::new("unshare").args(["--net", "sleep", "600"]))?;
        let says = |from| format!("ForceCommand SSH_CONNECTION='{from}' exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n");
        let sshd = Sshd::start(&from.map(says).unwrap_or_default())?;
        let server = program(&["sshd"], &[]).ok_or("sshd is not installed (openssh-server)")?;
        let config = sshd.config().with_file_name("sshd_config");
        let inside = format!("nsenter --net=/proc/{}/ns/net", holder.pid().as_raw_nonzero());
        sshd.client(&format!("ProxyCommand {inside} {} -i -f {}", server.display(), config.display()));
        let island = Self { sshd, holder };
        let may = island.inside(&[tables.to_str().unwrap_or_default(), "-w", "-S"]);
        if may.contains("-P INPUT ACCEPT") {
            Ok(island)
        } else {
            Err(format!("iptables in a network of its own: {may}"))
        }
    }

    fn inside(&self, words: &[&str]) -> String {
        let net = format!("--net=/proc/{}/ns/net", self.holder.pid().as_raw_nonzero());
        said(&Command::new("nsenter").arg(net).args(words).output().unwrap())
    }

    fn config(&self) -> String {
        let config = self.sshd.config();
        format!(
            "environment = \"lab\"\n[ssh.game-1]\nhost = \"{HOST}\"\nconfig = \"{}\"\n[[server]]\nname = \"game-1\"\n",
            config.display()
        )
    }

    fn rules(&self, table: &str) -> Vec<String> {
        self.inside(&[table, "-w", "-S"]).lines().map(str::to_owned).collect()
    }
}

#[test]
fn servers_are_isolated_before_anything_else_and_what_is_found_is_kept() {
    let test = "servers_are_isolated_before_anything_else_and_what_is_found_is_kept";
    let Some(island) = had(test, Island::start(None)) else { return };
    island.inside(&["iptables", "-w", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "ACCEPT"]);
    let before = island.rules("iptables");
    let infected = folder("infected");
    for name in ["save.db.encrypted", "DECRYPT_INSTRUCTIONS.txt", "readme.md"] {
        fs::write(infected.join(name), "pay").unwrap();
    }
    let cloud = Cloud::new(&["aws"]);
    cloud.answers(
        &["aws", "s3", "ls", "s3://spacetime-backups/database/", "--recursive"],
        "2026-11-01 02:00:09 1234 database/spacetime_20251201_020000.sql.gz\n",
    );
    let home = Home::finding(&island.config(), cloud.path());
    let look = format!("look_in={}", infected.display());
    let given = vars(&["servers=game-1", "from=198.51.100.9", &look]);
    let begun = std::time::Instant::now();
    let planned = said(&home.run(&[
        "runbook",
        "plan",
        "dr-ransomware",
        "--var",
        "servers=game-1",
        "--var",
        "from=198.51.100.9",
        "--var",
        &look,
    ]));
    assert!(
        planned.contains("198.51.100.9") && !planned.contains("encrypted: 1"),
        "no plan waits for evidence: {planned}"
    );
    assert!(cloud.calls().is_empty() && begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", cloud.calls());
    let mut screen = on_terminal(&home, "dr-ransomware", &given);
    asks(&mut screen, "to run it type  isolate 1 on game-1", "isolate 1 on game-1");
    screen.wait_text("tick 1: The security group");
    let rules = island.rules("iptables");
    let first = |chain: &str| rules.iter().find(|rule| rule.starts_with(&format!("-A {chain} "))).cloned();
    for chain in ["INPUT", "OUTPUT", "FORWARD"] {
        assert_eq!(first(chain), Some(format!("-A {chain} -j QUARANTINE")), "{rules:?}");
    }
    assert!(
        rules.contains(&"-A QUARANTINE -s 198.51.100.9/32 -p tcp -m tcp --dport 22 -j ACCEPT".to_owned()),
        "{rules:?}"
    );
    assert_eq!(rules.iter().rfind(|rule| rule.starts_with("-A QUARANTINE")).unwrap(), "-A QUARANTINE -j DROP");
    assert!(rules.contains(&"-A QUARANTINE -i lo -j ACCEPT".to_owned()), "what is inside goes on: {rules:?}");
    let six = island.rules("ip6tables");
    let kept: Vec<&String> = six.iter().filter(|rule| rule.starts_with("-A")).collect();
    let closed = ["-A INPUT -j QUARANTINE", "-A FORWARD -j QUARANTINE", "-A OUTPUT -j QUARANTINE"];
    let inside = ["-A QUARANTINE -i lo -j ACCEPT", "-A QUARANTINE -o lo -j ACCEPT", "-A QUARANTINE -j DROP"];
    assert_eq!(kept, closed.iter().chain(&inside).collect::<Vec<_>>(), "IPv6 is closed to all");
    tick(&mut screen, &["The security group", "From a machine", "Backups can't be deleted", "A snapshot of each disk"]);
    screen.wait_text("encrypted: 1, notes: 1");
    tick(&mut screen, &["New servers stand", "The dump was restored", "It was scanned", "SpaceTime plays"]);
    tick(&mut screen, &["The cloud's keys", "Passwords of the database", "SSH keys", "Sessions of players"]);
    tick(&mut screen, &["The access logs", "Legal has decided", "How they came in"]);
    assert_eq!(screen.wait_exit().exit_code(), 0, "{}", screen.text());
    let kept = String::from_utf8(home.run(&["journal", "export"]).stdout).unwrap();
    assert!(
        kept.contains("save.db.encrypted")
            && kept.contains("DECRYPT_INSTRUCTIONS.txt")
            && !kept.contains("infected/readme.md")
    );
    assert!(
        kept.contains("PPID") && kept.contains("spacetime_20251201_020000.sql.gz"),
        "processes and dumps are in the journal"
    );
    undone(&home);
    assert_eq!(island.rules("iptables"), before, "what was there is in force again");
    refused(&home, "dr-ransomware", &vars(&["servers=game-1", "from=all"]), "from");
    refused(&home, "dr-ransomware", &vars(&["servers=game-1"]), "this server can't tell where your line comes from");
}

/// What the kernel says of both families, again and again while something is done: each time the quarantine is whole, and the first rule.
fn is_closed_all_the_time(island: &Island, act: impl FnOnce()) {
    let seen = folder("seen");
    let looks = "until [ -e stop ]; do iptables-save -t filter; ip6tables-save -t filter; done > looks; touch done";
    let net = format!("--net=/proc/{}/ns/net", island.holder.pid().as_raw_nonzero());
    let mut look = Command::new("nsenter");
    let _looking = Service::start("looks", look.args([&net, "bash", "-c", looks]).current_dir(&seen)).unwrap();
    act();
    fs::write(seen.join("stop"), "").unwrap();
    poll(PATIENCE, || seen.join("done").exists().then_some(())).expect("it looks no more");
    let looks = fs::read_to_string(seen.join("looks")).unwrap();
    let tables: Vec<&str> = looks.split("COMMIT\n").filter(|table| table.contains("*filter")).collect();
    assert!(tables.len() > 6, "{}", tables.len());
    for table in tables {
        let rules: Vec<&str> = table.lines().filter(|line| line.starts_with("-A ")).collect();
        for chain in ["INPUT", "OUTPUT", "FORWARD"] {
            let first = rules.iter().find(|rule| rule.starts_with(&format!("-A {chain} ")));
            assert_eq!(first, Some(&format!("-A {chain} -j QUARANTINE").as_str()), "{table}");
        }
        assert_eq!(
            rules.iter().rfind(|rule| rule.starts_with("-A QUARANTINE")),
            Some(&"-A QUARANTINE -j DROP"),
            "{table}"
        );
    }
}

#[test]
fn a_line_of_ipv6_is_kept_by_itself_a_quarantine_with_a_hole_is_none_and_evidence_that_is_not_to_be_had_opens_nothing()
{
    let test = "a_line_of_ipv6_is_kept_by_itself_a_quarantine_with_a_hole_is_none_and_evidence_that_is_not_to_be_had_opens_nothing";
    let Some(island) = had(test, Island::start(Some("2001:db8::9 50022 2001:db8::1 2222"))) else { return };
    let cloud = Cloud::new(&["aws"]);
    cloud.ends(&["aws", "s3", "ls", "s3://spacetime-backups/database/", "--recursive"], "", "no credentials\n", 255);
    let home = Home::finding(&island.config(), cloud.path());
    refused(&home, "dr-ransomware", &vars(&["servers=game-1", "from=2001:db8::7"]), "it would be cut");
    let mut screen = on_terminal(&home, "dr-ransomware", &vars(&["servers=game-1", "look_in=/none"]));
    screen.wait_text("2001:db8::9");
    asks(&mut screen, "to run it type  isolate 1 on game-1", "isolate 1 on game-1");
    screen.wait_text("tick 1: The security group");
    let six = island.rules("ip6tables");
    for rule in ["-s 2001:db8::9/128 -p tcp -m tcp --dport 2222", "-d 2001:db8::9/128 -p tcp -m tcp --sport 2222"] {
        assert!(six.contains(&format!("-A QUARANTINE {rule} -j ACCEPT")), "{six:?}");
    }
    assert!(six.iter().any(|rule| rule.contains("icmpv6-type 135")), "neighbours are found: {six:?}");
    assert!(!island.rules("iptables").iter().any(|rule| rule.contains("--dport")), "no address of IPv4 is yours");
    tick(&mut screen, &["The security group", "From a machine", "Backups can't be deleted", "A snapshot of each disk"]);
    // There are no dumps to be listed: the run goes on, and offers nothing.
    tick(&mut screen, &["New servers stand", "The dump was restored", "It was scanned", "SpaceTime plays"]);
    let text = screen.text();
    assert!(text.contains("it warns: ") && !text.contains("to undo it type"), "{text}");
    say(&mut screen, "stop");
    screen.wait_text("OPENS THIS SERVER'S NETWORK AGAIN");
    asks(&mut screen, "to undo it type  undo on game-1 :", "u");
    asks(&mut screen, "stop; to undo it type  undo on game-1 :", "stop");
    screen.wait_exit();
    assert!(island.rules("ip6tables").contains(&"-A INPUT -j QUARANTINE".to_owned()), "a letter opens nothing");
    is_closed_all_the_time(&island, || {
        let mut screen = on_terminal(&home, "dr-ransomware", &vars(&["servers=game-1", "look_in=/none"]));
        asks(&mut screen, "to run it type  isolate 1 on game-1", "isolate 1 on game-1");
        asks(&mut screen, "tick 1: The security group", "stop");
        asks(&mut screen, "to undo it type  undo on game-1 :", "stop");
        screen.wait_exit();
    });
    assert_eq!(island.rules("ip6tables"), six, "it is as it was");
    // What can't be removed is named, and the undo has failed.
    for rule in [["-N", "OWN"].as_slice(), &["-A", "OWN", "-j", "QUARANTINE"]] {
        island.inside(&[&["ip6tables", "-w"], rule].concat());
    }
    let (code, text) = home.undo_newest();
    assert!(code != Some(0) && text.contains("to be removed by hand: ip6tables: the chain QUARANTINE"), "{text}");
}

#[test]
fn a_backup_is_restored_with_a_clock_beside_it_and_both_numbers_are_written_down() {
    let test = "a_backup_is_restored_with_a_clock_beside_it_and_both_numbers_are_written_down";
    let Some(hosts) = had(test, Hosts::start(&["dr-db-1"], &[])) else { return };
    let Some(database) = had(test, Database::start()) else { return };
    let name = format!("spacetime_{}.sql.gz", stamp(Timestamp::now() - SignedDuration::from_hours(13)));
    let dump = database.dump(&name);
    fs::write(format!("{}.counts", dump.display()), "public.users 1000\n").unwrap();
    std::os::unix::fs::symlink(&name, database.dumps.join("spacetime_latest.sql.gz")).unwrap();
    let home = hosts.home("");
    let place = format!("folder={}", database.dumps.display());
    let given = with(&["server=dr-db-1", &place], &database.place());
    let test_it = |outcome: i32| {
        let mut screen = on_terminal(&home, "dr-backup-test", &given);
        asks(&mut screen, "plan ", "y");
        tick(&mut screen, &["It is a day with few players"]);
        if outcome == 0 {
            tick(&mut screen, &["A server of the second region", "What did not work"]);
        } else {
            asks(&mut screen, "again (a), undo (u), stop", "undo");
        }
        assert_eq!(screen.wait_exit().exit_code(), u32::try_from(outcome).unwrap(), "{}", screen.text());
        screen.text()
    };
    let seen = test_it(0);
    assert!(seen.contains("RTO met: ") && seen.contains("RPO missed: 468"), "{seen}");
    let report = fs::read_to_string(database.dumps.join("restore-tests.tsv")).unwrap();
    let line: Vec<&str> = report.lines().next_back().unwrap().split('\t').collect();
    assert_eq!((line[1], line[3], line[5]), (name.as_str(), "14400", "3600"), "{report}");
    let (took, age) = (line[2].parse::<u64>().unwrap(), line[4].parse::<u64>().unwrap());
    assert!(took < 60 && (46_800..47_000).contains(&age), "{report}");
    assert_eq!(database.names(), "spacetime", "the scratch database is gone");
    undone(&home);
    let report = fs::read_to_string(database.dumps.join("restore-tests.tsv")).unwrap();
    assert_eq!(report.lines().count(), 1, "{report}");
    // A dump in which a row is missing is no backup, whatever the clock says.
    fs::write(format!("{}.counts", dump.display()), "public.users 1001\n").unwrap();
    let seen = test_it(1);
    assert!(seen.contains("the restored database differs from the dump"), "{seen}");
    let _ = Path::new(&place);
}
