//! The shipped runbooks' own scripts, run on these machines.

use super::*;
use crate::drill::Scenario;
use crate::drill::shell::{Job, Stream};
use crate::drill::stage::Stage;
use crate::drill::world::Size;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Seconds of the world in one of ours.
const SPEED: f64 = 60.0;

/// A production whose time goes by.
struct Lab {
    stage: Shared,
    machines: Vec<Machine>,
    over: Arc<AtomicBool>,
}

impl Lab {
    fn new(scenario: &str) -> Self {
        let lab = Self::still(scenario);
        let (time, ends) = (lab.stage.clone(), Arc::clone(&lab.over));
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                time.lock().until(now());
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        lab
    }

    /// One whose time stands still.
    fn still(scenario: &str) -> Self {
        let scenario = Scenario::built_in(scenario).unwrap();
        let stage = Shared::new(Stage::new(1, Size::default(), scenario, jiff::Timestamp::now(), SPEED).unwrap());
        let count = stage.lock().world.servers.len();
        let machines = (0..count).map(|at| Machine::new(stage.clone(), at, Token("t".to_owned()))).collect();
        Self { stage, machines, over: Arc::default() }
    }

    fn on(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).unwrap()
    }

    /// Until the world is at that second at least.
    fn pass(&self, second: i64) {
        while self.stage.lock().world.at < second {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its status, and what it said.
    fn run(&self, on: &str, script: &str, user: &str, folder: &str, vars: &[(&str, &str)]) -> (i32, String) {
        let run = ("QUARTERDECK_RUN", "0198f0aa");
        let env = vars.iter().chain([&run]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (script, user, folder) = (script.to_owned(), user.to_owned(), folder.to_owned());
        let job = Job { script, env, user, folder, ..Job::default() };
        let mut said = Vec::new();
        let mut told = |_: Stream, bytes: &[u8]| said.extend_from_slice(bytes);
        let code = self.on(on).run(&job, &Control::new(Duration::from_secs(60)), &mut told);
        (code, String::from_utf8_lossy(&said).into_owned())
    }

    /// Every script of a runbook, one after the other, as it is with these values. What fails where it should not is told.
    fn play(&self, text: &str, on: &[(&str, &str)], vars: &[(&str, &str)], leave: &[&str]) {
        for (head, body) in
            fences(text).into_iter().filter(|(head, _)| !leave.iter().any(|word| head.starts_with(word)))
        {
            let place = head.split_whitespace().find_map(|word| word.strip_prefix("on=")).unwrap();
            let machine = on.iter().find(|(name, _)| *name == place).map(|(_, to)| *to);
            let Some(machine) = machine else { continue };
            let user = if head.contains("sudo=postgres") {
                "postgres"
            } else if head.contains("sudo") {
                "root"
            } else {
                USER
            };
            let folder = head.split_whitespace().find_map(|word| word.strip_prefix("dir=")).unwrap_or("/home/ops");
            let asked_again = Instant::now() + Duration::from_secs(if head.contains("every=") { 60 } else { 0 });
            let (code, said) = loop {
                let (code, said) = self.run(machine, &body, user, folder, vars);
                if code == 0 || Instant::now() >= asked_again {
                    break (code, said);
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            println!("--- {head}\n{said}= {code}");
            assert!(code == 0 || code == 2 && head.contains("check"), "{head}\n{body}\n{said}= {code}");
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The `bash` fences of a page: what stands behind the word, and the script.
fn fences(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for rest in text.split("\n```bash ").skip(1) {
        let (head, rest) = rest.split_once('\n').unwrap();
        let (body, _) = rest.split_once("\n```").unwrap();
        all.push((head.to_owned(), body.to_owned()));
    }
    all
}

macro_rules! runbook {
    ($name:literal) => {
        include_str!(concat!("../../../assets/runbooks/", $name, ".md"))
    };
}

#[test]
fn a_rollback_takes_a_bad_build_back_everywhere() {
    let lab = Lab::new("bad-deploy");
    lab.pass(40);
    let version = |at: usize| lab.stage.lock().world.main(at).map(|one| one.version.clone());
    assert_eq!(version(1).as_deref(), Some("v2.6.0"));
    lab.play(
        runbook!("rollback-quick"),
        &[("$server", "game-2")],
        &[("server", "game-2"), ("again", "false")],
        &["undo "],
    );
    let stage = lab.stage.lock();
    for at in stage.world.rented() {
        let one = stage.world.main(at).unwrap();
        assert!(one.version == "v2.5.0" && one.flaw.is_none() && stage.world.serves(at), "{}", one.version);
    }
    drop(stage);
    // Not twice.
    let again = &fences(runbook!("rollback-quick"))[0].1;
    let (code, said) = lab.run("game-1", again, USER, PRODUCTION, &[("server", "game-1"), ("again", "false")]);
    assert!(code == 1 && said.contains("it was rolled back already"), "{code} {said}");
}

#[test]
fn a_server_is_taken_out_of_the_load_balancer_and_put_back() {
    let lab = Lab::new("steady");
    let vars = [
        ("server", "game-3"),
        ("server_addr", "10.0.1.6"),
        ("target", "game-1"),
        ("target_addr", "10.0.1.4"),
        ("port", "8081"),
        ("admin_port", "8080"),
        ("conf", "/etc/nginx/conf.d/spacetime.conf"),
        ("upstream", "spacetime_backend"),
        ("site", "http://localhost/health"),
        ("admin_token", "t"),
    ];
    let at = lab.on("game-3").server;
    lab.stage.lock().order(&Order::Drain(at, true)).unwrap();
    let places = [("role:lb", "lb-1"), ("host", "lb-1")];
    lab.play(runbook!("server-drain"), &places, &vars, &["undo "]);
    assert!(!lab.stage.lock().world.servers[at].upstream);
    lab.play(runbook!("server-drain"), &places, &vars, &["run ", "verify ", "check "]);
    let taken_back = lab.stage.lock().world.servers[at].clone();
    assert!(taken_back.upstream && !taken_back.draining);
    lab.stage.lock().order(&Order::Drain(at, true)).unwrap();
    lab.play(runbook!("server-drain"), &places, &vars, &["undo "]);
    lab.stage.lock().order(&Order::Drain(at, false)).unwrap();
    lab.play(runbook!("server-return"), &places, &vars, &["undo "]);
    assert!(lab.stage.lock().world.servers[at].upstream);
}

#[test]
fn a_disk_is_cleaned() {
    let lab = Lab::new("disk-filling");
    let at = lab.on("game-1").server;
    lab.stage.lock().order(&Order::Fill { server: at, growth: 4e9, used: None }).unwrap();
    let full = |lab: &Lab| {
        let stage = lab.stage.lock();
        stage.world.servers[at].disk_used / stage.world.servers[at].disk
    };
    while full(&lab) < 0.92 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let main = lab.stage.lock().world.service(at, "godot-server").unwrap();
    lab.stage.lock().order(&Order::Restart(main)).unwrap();
    let vars = [
        ("server", "game-1"),
        ("mountpoint", "/"),
        ("limit", "85"),
        ("logs", "/opt/spacetime/production/logs"),
        ("days", "7"),
        ("images", "true"),
    ];
    let gone = fences(runbook!("disk-usage")).into_iter().find(|(_, body)| body.contains("dangling")).unwrap().1;
    let (code, said) = lab.run("game-1", &gone, USER, "/", &vars);
    assert!(code == 1 && said.contains("still there: "), "{said}");
    lab.play(runbook!("disk-usage"), &[("$server", "game-1")], &vars, &[]);
    assert!(full(&lab) < 0.85, "{}", full(&lab));
}

#[test]
fn a_version_is_brought_out_in_the_other_colour() {
    let lab = Lab::new("steady");
    let vars = [
        ("server", "game-1"),
        ("version", "v2.5.1"),
        ("previous", "v2.5.0"),
        ("to", "green"),
        ("migrate", "false"),
        ("wait_tries", "30"),
        ("wait_seconds", "2"),
        ("green_url", "http://localhost:8080"),
        ("blue_url", "http://localhost:8080"),
        ("watch_seconds", "20"),
        ("log_errors", "5"),
        ("backup_hours", "24"),
    ];
    let leave = ["undo ", "run on=$server timeout=30m", "verify on=$server timeout=15m"];
    lab.play(runbook!("deploy-standard"), &[("$server", "game-1")], &vars, &leave);
    let stage = lab.stage.lock();
    assert_eq!(stage.world.main(1).unwrap().version, "v2.5.1");
    assert!(stage.world.edge.idle_since.is_none());
}

#[test]
fn both_colours_are_stopped_and_the_one_in_use_is_started() {
    let lab = Lab::new("steady");
    let on = |script: &str| lab.run("game-1", script, USER, PRODUCTION, &[("folder", PRODUCTION)]);
    let run = |colour: &str| {
        let (code, said) = on(&format!("docker ps -q --filter label=com.docker.compose.project=spacetime-{colour}"));
        assert_eq!(code, 0, "{said}");
        !said.is_empty()
    };
    let page = fences(runbook!("maintenance-run"));
    let first = page.iter().position(|(head, _)| head.starts_with("run on=host")).unwrap();
    let [stop, verify, start] = [0, 1, 2].map(|at| page[first + at].1.as_str());
    assert!(stop.contains("docker stop") && start.contains("docker start"), "{stop}{start}");
    assert!(run("blue") && run("green"), "both run");
    let (code, said) = on(verify);
    assert!(code == 1 && said.contains("still running: "), "{said}");
    for script in [stop, verify] {
        let (code, said) = on(script);
        assert_eq!(code, 0, "{said}");
    }
    assert!(!run("blue") && !run("green"));
    let (code, said) = on(start);
    assert!(code == 0 && run("blue") && !run("green"), "{said}");
    let (code, said) = on("docker-compose -f docker-compose.production.yml -p spacetime-green up -d");
    assert!(code == 0 && run("green"), "{said}");
}

#[test]
fn a_call_of_compose_that_names_no_project_means_that_of_its_folder() {
    let lab = Lab::still("steady");
    let on = |script: &str| lab.run("game-2", script, USER, PRODUCTION, &[]);
    let colour = format!("spacetime-{}", lab.stage.lock().world.edge.active.word());
    // Both colours have a name of their own: the folder's has nothing.
    assert_eq!(on("docker-compose ps --services"), (0, String::new()));
    assert_eq!(on("docker-compose stop"), (0, String::new()));
    assert_eq!(on("docker-compose logs"), (0, String::new()));
    for (script, why) in [
        ("docker-compose restart godot-server", "no container found for project \"production\""),
        ("docker-compose exec -T godot-api true", "service \"godot-api\" is not running"),
        ("docker-compose up -d", "production would be a third set"),
    ] {
        let (code, said) = on(script);
        assert!(code == 1 && said.contains(why), "{script}: {said}");
    }
    assert!(on("docker-compose down").1.contains("No resource found to remove for project \"production\""));
    let is_up = |stage: &Stage| {
        let mut servers = stage.world.servers.iter().enumerate();
        servers.all(|(at, server)| server.gone || stage.world.serves(at))
    };
    assert!(is_up(&lab.stage.lock()), "what players are on was left alone");
    for named in [
        format!("docker-compose -p {colour} ps --services"),
        format!("COMPOSE_PROJECT_NAME={colour} docker-compose ps --services"),
        format!("echo COMPOSE_PROJECT_NAME={colour} >> .env; docker-compose ps --services"),
    ] {
        let (code, said) = on(&named);
        assert!(code == 0 && said.contains("godot-server"), "{named}: {said}");
    }
}

#[test]
fn a_database_is_dumped_and_the_dump_is_proved() {
    let lab = Lab::new("steady");
    let vars = [
        ("server", "db-primary"),
        ("dbname", "spacetime"),
        ("folder", "/backup/database"),
        ("socket", "/var/run/postgresql"),
        ("port", "5432"),
        ("rto_minutes", "60"),
        ("rpo_minutes", "1440"),
    ];
    lab.play(runbook!("db-backup"), &[("$server", "db-primary")], &vars, &["undo "]);
    lab.play(runbook!("dr-backup-test"), &[("$server", "db-primary")], &vars, &["undo "]);
}

#[test]
fn the_playbooks_look_at_what_there_is() {
    let lab = Lab::new("bad-deploy");
    lab.pass(60);
    let vars = [("server", "game-1"), ("container", "game-1/godot-server")];
    lab.play(runbook!("high-error-rate"), &[("$server", "game-1")], &vars, &[]);
    lab.play(runbook!("service-down"), &[("$server", "game-2")], &vars, &[]);
}

#[test]
fn the_last_game_server_is_removed_and_only_that_one() {
    let lab = Lab::new("steady");
    let vars = |server: &'static str, address: &'static str| {
        vec![
            ("server", server),
            ("server_addr", address),
            ("server_count", "3"),
            ("infrastructure", "/opt/spacetime/infrastructure/terraform"),
            ("backups", "/backup/server"),
            ("bucket", "s3://spacetime-backups/server/"),
            ("quiet", "4h"),
        ]
    };
    let page = runbook!("scale-down");
    let first = &fences(page)[0].1;
    let (code, said) = lab.run("lb-1", first, USER, "/home/ops", &vars("game-1", "10.0.1.4"));
    assert!(code == 1 && said.contains("Terraform would destroy 10.0.1.7"), "{code} {said}");
    lab.play(page, &[("local", "lb-1"), ("$server", "game-4")], &vars("game-4", "10.0.1.7"), &["undo "]);
    let stage = lab.stage.lock();
    let at = stage.world.servers.iter().position(|server| server.name == "game-4").unwrap();
    assert!(stage.world.servers[at].gone && stage.world.rented().len() == 3);
    assert_eq!(stage.world.cloud.objects.len(), 1);
}

#[test]
fn a_server_gets_a_larger_machine() {
    let lab = Lab::new("steady");
    let id = lab.stage.lock().world.instance(3);
    let vars = [
        ("server", "game-3"),
        ("server_addr", "10.0.1.6"),
        ("instance", &id),
        ("from_type", "c5.2xlarge"),
        ("to_type", "c5.4xlarge"),
        ("cpus", "16"),
        ("memory_gib", "32"),
        ("quiet", "1h"),
    ];
    lab.play(runbook!("resize-instance"), &[("local", "lb-1"), ("$server", "game-3")], &vars, &["undo "]);
    let stage = lab.stage.lock();
    assert_eq!((stage.world.servers[3].cores, stage.world.servers[3].up), (16.0, true));
}

#[test]
fn the_database_that_others_run_gets_a_larger_machine() {
    let lab = Lab::new("steady");
    let vars = [
        ("instance", "spacetime-db"),
        ("from_class", "db.m5.4xlarge"),
        ("to_class", "db.m5.8xlarge"),
        ("snapshot", "spacetime-pre-scale"),
        ("quiet", "2h"),
    ];
    let page = runbook!("resize-database-rds");
    lab.play(page, &[("local", "lb-1")], &vars, &["undo ", "wait "]);
    let wait = fences(page).into_iter().find(|(head, _)| head.starts_with("wait ")).unwrap().1;
    let ask = || lab.run("lb-1", &wait, USER, "/home/ops", &vars);
    let (code, said) = ask();
    assert!(code == 1 && said.contains("db.m5.4xlarge, 1 pending"), "{code} {said}");
    let now = lab.stage.lock().world.at;
    lab.pass(now + 70);
    assert_eq!(ask(), (0, "available, db.m5.8xlarge, 0 pending\n".to_owned()));
}

#[test]
fn a_deployment_is_approved_and_seen_through() {
    let lab = Lab::new("steady");
    lab.pass(35);
    let number = lab.stage.lock().world.cloud.pipeline.number.to_string();
    let vars = [
        ("repo", "spacetime/game"),
        ("workflow_run", &number),
        ("version", "v2.5.2"),
        ("gate", "production"),
        ("workflow", "deploy-production.yml"),
        ("interval_seconds", "10"),
    ];
    lab.play(runbook!("deploy-ci"), &[("local", "lb-1")], &vars, &[]);
    let now = lab.stage.lock().world.at;
    lab.pass(now + 40);
    let stage = lab.stage.lock();
    assert_eq!(stage.world.main(1).map(|one| one.version.clone()).as_deref(), Some("v2.5.2"));
    drop(stage);
    let commit = lab.stage.lock().world.cloud.pipeline.commit.clone();
    let checks = [("repo", "spacetime/game"), ("commit", &commit)];
    lab.play(runbook!("deploy-checklist"), &[("local", "lb-1")], &checks, &[]);
}

#[test]
fn a_database_is_backed_up_every_night() {
    let lab = Lab::new("steady");
    let vars = [
        ("script", "/opt/spacetime/scripts/backup_database.sh"),
        ("cron", "/etc/cron.d/spacetime-backup"),
        ("folder", "/backup/database"),
        ("dbname", "spacetime"),
        ("bucket", "s3://spacetime-backups/database/"),
        ("socket", "/var/run/postgresql"),
        ("port", "5432"),
    ];
    lab.play(runbook!("db-backup-schedule"), &[("$server", "db-primary")], &vars, &["undo "]);
    assert!(
        lab.stage
            .lock()
            .world
            .cloud
            .objects
            .keys()
            .any(|key| key.starts_with("s3://spacetime-backups/database/spacetime_"))
    );
}

/// What the runbooks for a database want to know.
const DATABASE: [(&str, &str); 8] = [
    ("server", "db-primary"),
    ("dbname", "spacetime"),
    ("owner", "spacetime"),
    ("table", "inventory"),
    ("socket", "/var/run/postgresql"),
    ("port", "5432"),
    ("data", "/var/lib/postgresql/data"),
    ("service", "postgresql"),
];

#[test]
fn a_standby_whose_primary_lives_is_not_promoted_and_one_that_is_left_takes_writes() {
    let lab = Lab::new("failover");
    let down = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let vars = [DATABASE.as_slice(), &[("down_since", &down)]].concat();
    let ready = &fences(runbook!("dr-promote"))[0].1;
    let (code, said) = Lab::new("steady").run("db-replica-1", ready, "postgres", "/", &vars);
    assert!(code == 1 && said.contains("that one lives"), "{code} {said}");
    lab.pass(30);
    lab.play(runbook!("dr-promote"), &[("$server", "db-replica-1")], &vars, &[]);
    let at = lab.stage.lock().world.at;
    lab.pass(at + 5);
    let stage = lab.stage.lock();
    assert_eq!((stage.world.primary, stage.world.databases[1].turned_away), (1, 0.0));
    assert!(!stage.world.databases[1].sessions.is_empty());
}

#[test]
fn damaged_pages_are_found_and_a_dump_that_is_whole_takes_their_place() {
    let lab = Lab::new("corruption");
    lab.pass(30);
    let with = |dump: &'static str| {
        let more = [("dump", dump), ("bucket", "s3://none/"), ("folder", PRODUCTION), ("keep", "/backup/damaged")];
        [DATABASE.as_slice(), &more].concat()
    };
    let (latest, weekly) =
        (with("/backup/database/spacetime_latest.sql.gz"), with("/backup/database/spacetime_weekly.sql.gz"));
    let stop = "for one in blue green; do docker-compose -p spacetime-$one stop; done";
    for machine in lab.machines.iter().filter(|one| one.has_folder(PRODUCTION)) {
        let (code, said) = lab.run(&machine.name, stop, USER, PRODUCTION, &[]);
        assert_eq!(code, 0, "{said}");
    }
    let (assess, prove) = runbook!("dr-corruption").split_once("## Prove it").unwrap();
    let amcheck = fences(assess).into_iter().find(|(_, body)| body.contains("pg_amcheck")).unwrap().1;
    let (code, said) = lab.run("db-primary", &amcheck, "postgres", "/", &weekly);
    assert!(code == 2 && said.contains("spacetime.public.inventory"), "{code} {said}");
    lab.play(assess, &[("$server", "db-primary")], &weekly, &["undo "]);
    let kept = "/backup/damaged/0198f0aa/PG_VERSION";
    assert_eq!(lab.run("db-primary", &format!("cat {kept}"), "root", "/", &[]), (0, "16\n".to_owned()));
    // This night's dump has no end, and is refused.
    let whole = &fences(runbook!("db-restore")).into_iter().find(|(_, body)| body.contains("it has no end")).unwrap().1;
    let (code, said) = lab.run("db-primary", whole, "postgres", "/", &latest);
    assert!(code == 1 && said.contains("it has no end"), "{code} {said}");
    lab.play(runbook!("db-restore"), &[("$server", "db-primary")], &weekly, &["undo "]);
    let (proof, _) = prove.split_once("## Start").unwrap();
    lab.play(proof, &[("$server", "db-primary")], &weekly, &[]);
    assert!(lab.stage.lock().world.databases.iter().all(|one| one.damaged.is_none()));
    // What was damaged is kept beside it, and comes back with the undo.
    let undo = fences(runbook!("db-restore")).into_iter().rfind(|(head, _)| head.starts_with("undo ")).unwrap().1;
    let (code, said) = lab.run("db-primary", &undo, "postgres", "/", &weekly);
    assert_eq!(code, 0, "{said}");
    assert_eq!(lab.stage.lock().world.databases[0].damaged.as_deref(), Some("inventory"));
}

#[test]
fn a_machine_is_isolated_and_opened_again() {
    let lab = Lab::new("ransomware");
    lab.pass(80);
    let at = lab.on("game-1").server;
    let way = "[{\"from\": \"127.0.0.1\", \"ssh_port\": 22}]";
    let vars = [
        ("way", way),
        ("look_in", "/opt/spacetime"),
        ("from", ""),
        ("ssh_port", "22"),
        ("SSH_CONNECTION", "127.0.0.1 50022 127.0.0.1 22"),
    ];
    lab.play(runbook!("dr-ransomware"), &[("host", "game-1")], &vars, &["undo "]);
    assert!(lab.stage.lock().world.servers[at].isolated);
    let encrypted = fences(runbook!("dr-ransomware")).into_iter().find(|(_, body)| body.contains(".locked")).unwrap().1;
    let (code, said) = lab.run("game-1", &encrypted, "root", "/", &vars);
    assert!(
        code == 2 && said.contains("HOW_TO_RECOVER_FILES.txt") && said.contains("/production/.env.locked"),
        "{code} {said}"
    );
    let undo = fences(runbook!("dr-ransomware")).into_iter().find(|(head, _)| head.starts_with("undo ")).unwrap().1;
    let (code, said) = lab.run("game-1", &undo, "root", "/", &[]);
    assert_eq!(code, 0, "{said}");
    assert!(!lab.stage.lock().world.servers[at].isolated);
}

#[test]
fn a_game_server_is_made_and_taken_into_service() {
    let lab = Lab::new("steady");
    let vars = [
        ("server_count", "5"),
        ("infrastructure", "/opt/spacetime/infrastructure/terraform"),
        ("address", "10.0.1.11"),
        ("coordinator", "coordinator.spacetime.internal:9090"),
        ("port", "8081"),
        ("admin_port", "8080"),
        ("conf", "/etc/nginx/conf.d/spacetime.conf"),
        ("upstream", "spacetime_backend"),
        ("site", "http://localhost/health"),
    ];
    lab.play(runbook!("scale-up"), &[("local", "lb-1")], &vars, &["undo "]);
    let on = [("local", "lb-1"), ("role:lb", "lb-1"), ("$address", "game-5"), ("host", "lb-1")];
    lab.play(runbook!("scale-up-join"), &on, &vars, &["undo "]);
    let stage = lab.stage.lock();
    let new = stage.world.servers.iter().find(|server| server.name == "game-5").unwrap();
    assert!(new.upstream && !new.gone && stage.world.rented().len() == 5);
}

#[test]
fn the_machine_of_the_database_gets_larger() {
    let lab = Lab::new("steady");
    let (at, id) = {
        let stage = lab.stage.lock();
        let at = stage.world.databases[0].server;
        (at, stage.world.instance(at))
    };
    let vars = [
        ("server", "db-primary"),
        ("server_addr", "10.0.1.9"),
        ("instance", &id),
        ("from_type", "m5.4xlarge"),
        ("to_type", "m5.8xlarge"),
        ("cpus", "32"),
        ("memory_gib", "128"),
        ("service", "postgresql"),
        ("quiet", "2h"),
    ];
    let on = [("local", "lb-1"), ("$server", "db-primary"), ("host", "game-1")];
    lab.play(runbook!("resize-database"), &on, &vars, &["undo "]);
    let stage = lab.stage.lock();
    assert_eq!((stage.world.servers[at].cores, stage.world.servers[at].up), (32.0, true));
}

#[test]
fn lists_are_as_gh_and_awscli_write_them() {
    // Or the build would be over before a slow machine has listed it.
    let lab = Lab::still("steady");
    let number = lab.stage.lock().world.cloud.pipeline.number;
    let told = |script: &str| lab.run("lb-1", script, USER, "/home/ops", &[]).1;
    let runs = told("gh run list --workflow deploy-production.yml");
    assert!(runs.starts_with("in_progress\t\tRelease v2.5.2\tDeploy to production\tmain\tpush\t"), "{runs}");
    assert!(runs.contains(&format!("\t{number}\t")) && runs.lines().count() == 1, "{runs}");
    let ids = told("gh run list --json databaseId --jq '.[].databaseId'");
    assert_eq!(ids, format!("{number}\n{}\n{}\n", number - 1, number - 2));
    assert_eq!(told("gh run list --limit 1 --json status | head -c 26"), "[{\"status\":\"in_progress\"},");
    let instances = told("aws ec2 describe-instances --output text");
    assert!(instances.starts_with("INSTANCES\ti-") && instances.contains("\nTAGS\tName\tgame-1\n"), "{instances}");
    // Who deploys from there has the images of both colours.
    let images = told("docker images --format '{{.Repository}}:{{.Tag}}'");
    assert!(images.contains("godot-server:v2.5.0") && images.contains("godot-api:v2.4.9"), "{images}");
}

#[test]
fn issues_are_opened_commented_listed_and_closed() {
    let lab = Lab::new("steady");
    let told = |script: &str| lab.run("lb-1", script, USER, "/home/ops", &[]).1;
    let address = told("gh issue create --repo a/b --title 'The window' --label maintenance --body 'from 2 to 5'");
    assert_eq!(address, "https://github.com/a/b/issues/71\n");
    assert_eq!(told("gh issue list --label maintenance --state open --json title --jq '.[].title'"), "The window\n");
    assert_eq!(told("gh issue list --label hotfix"), "");
    assert!(told("gh issue comment 71 --repo a/b --body done").contains("/a/b/issues/71#issuecomment-"));
    assert_eq!(told("gh issue view 71 --json comments --jq '.comments[].body'"), "done\n");
    assert_eq!(told("gh issue close 71 --repo a/b --comment off"), "✓ Closed issue a/b#71 (The window)\n");
    assert_eq!(told("gh issue list; gh issue list --state closed --json number --jq '.[].number'"), "71\n");
    let page = told("gh issue view 71");
    assert!(page.starts_with("title:\tThe window\nstate:\tCLOSED\n") && page.ends_with("--\nfrom 2 to 5\n"), "{page}");
    let (code, said) = lab.run("lb-1", "gh issue view 99", USER, "/home/ops", &[]);
    assert!(code == 1 && said.contains("Could not resolve to an issue"), "{code} {said}");
}

#[test]
fn the_load_balancer_has_a_game_server_answer() {
    use tower_service::Service as _;
    let lab = Lab::new("steady");
    let mut pages = lab.on("lb-1").pages();
    let asked = axum::http::Request::get("/lb-1/status").body(axum::body::Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(async {
        let response = pages.call(asked).await.unwrap();
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap()
    });
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(told["version"] == "v2.5.0" && told["player_count"].as_u64() > Some(0), "{told}");
}
