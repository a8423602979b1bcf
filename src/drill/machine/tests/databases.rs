//! Databases: dumps, a standby, damaged pages.

use super::*;

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
