//! What the cloud and the hosting of code are asked for: machines that come, go and grow, lists and issues.

use super::*;

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
