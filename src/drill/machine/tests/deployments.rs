//! Deployments and what runs: versions, colours, compose, and the workflow that brings them out.

use super::*;

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
