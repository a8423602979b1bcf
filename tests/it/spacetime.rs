//! The lab's SpaceTime: it starts in order, fails as it is told to, and is what people get by `tests/lab/up`.

use crate::lab::spacetime::{BROKEN, CONNECTIONS, FIRST, GOOD, SICK, SpaceTime};
use crate::lab::{need, poll};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until players are told something else.
fn wait_answer(spacetime: &SpaceTime, holds: impl Fn(u16, &str) -> bool) {
    let mut last = (0, String::new());
    let found = poll(LIMIT, || {
        last = spacetime.play();
        holds(last.0, &last.1).then_some(())
    });
    assert!(found.is_some(), "{last:?}");
}

#[test]
fn spacetime_starts_in_order_and_in_time_and_its_servers_fail_as_told() {
    let begun = Instant::now();
    let spacetime = need!(spacetime);
    let took = begun.elapsed();
    // Some ten seconds where nothing else runs; this is for a machine on which all tests run at once.
    assert!(took < 2 * LIMIT, "{took:?}");
    // nginx answers 502 for the first seconds on a busy machine.
    wait_answer(&spacetime, |status, body| status == 200 && body.ends_with(GOOD));
    assert!(spacetime.asks("ALERTS{alertname!=\"Watchdog\"}").is_empty());
    spacetime.wait_alert("Watchdog");
    assert_eq!(spacetime.status(8081)["player_count"], 3);

    spacetime.leak(FIRST).unwrap();
    spacetime.wait_alert("ContainerMemoryHigh");
    assert_eq!(spacetime.inspect(FIRST, "{{.State.Running}} {{.State.OOMKilled}}"), "true false");
    spacetime.docker.cli(&["restart", FIRST]);
    spacetime.wait_no_alert("ContainerMemoryHigh");
    spacetime.kill(FIRST).unwrap();
    spacetime.wait_alert("ServiceDown");
    assert_eq!(spacetime.inspect(FIRST, "{{.State.ExitCode}}"), "137");
    wait_answer(&spacetime, |status, body| status == 200 && body.contains(":8082 "));
    spacetime.docker.cli(&["start", FIRST]);
    spacetime.wait_no_alert("ServiceDown");
}

#[test]
fn a_bad_deployment_is_seen_by_players_and_a_rollback_mends_it() {
    let spacetime = need!(spacetime);
    spacetime.put_on_green(SICK).unwrap();
    let green = "spacetime-green-godot-server-1";
    let sick = || (spacetime.inspect(green, "{{.State.Health.Status}}") == "unhealthy").then_some(());
    assert!(poll(LIMIT, sick).is_some(), "{SICK} does not become unhealthy");
    assert_eq!(spacetime.play().0, 200, "players are not there");
    spacetime.deploy(BROKEN).unwrap();
    wait_answer(&spacetime, |status, _| status == 500);
    spacetime.wait_alert("HighErrorRate");
    let done = spacetime.on_production("deploy/rollback.sh --quick && deploy/smoke_tests.sh", &[]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    wait_answer(&spacetime, |status, body| status == 200 && body.ends_with(GOOD));
    spacetime.wait_no_alert("HighErrorRate");
    for (script, good) in [
        ("deploy/monitor.sh --duration 1", true),
        ("deploy/backup.sh --quick && gunzip -c backups/*.sql.gz | grep -q 'player 1000'", true),
        ("docker-compose logs --tail=5 godot-server | grep -q 'Error:'", false),
        ("docker-compose -p spacetime-green logs --tail=5 godot-server | grep -q 'Error: no session'", true),
        ("docker-compose exec godot-server sh", false),
    ] {
        let done = spacetime.on_production(script, &[]).output().unwrap();
        assert_eq!(done.status.success(), good, "{script}: {done:?}");
    }
}

#[test]
fn players_are_moved_and_connections_run_out() {
    let spacetime = need!(spacetime);
    let sessions = spacetime.leak_sessions(CONNECTIONS - 5);
    spacetime.wait_alert("DatabaseConnectionsHigh");
    drop(sessions);
    spacetime.wait_no_alert("DatabaseConnectionsHigh");
    let target = format!("{{\"target_server\": \"{}:8082\"}}", spacetime.address);
    let drain = |token: &str| {
        let script = "busybox wget -q -O - --header \"Authorization: Bearer $1\" --post-data \"$2\" \"http://$3:8081/admin/drain\"";
        let mut command = spacetime.on_production(script, &[token, &target, &spacetime.address.to_string()]);
        command.status().unwrap().success()
    };
    assert!(!drain("nobody"));
    assert!(drain(crate::lab::spacetime::TOKEN));
    let moved = || (spacetime.status(8081)["player_count"] == 0).then_some(());
    assert!(poll(LIMIT, moved).is_some(), "{}", spacetime.status(8081));
    assert_eq!(spacetime.status(8082)["player_count"], 5);
    let follows = spacetime.standby.column("SELECT pg_is_in_recovery()::text");
    assert_eq!(follows, ["true"]);
}

/// Not a test: what `tests/lab/up` runs, until it is told to end. `QUARTERDECK_SPACETIME` is the folder in which it says so.
#[test]
#[ignore = "for people: tests/lab/up"]
fn for_people() {
    let told = std::env::var_os("QUARTERDECK_SPACETIME").expect("tests/lab/up sets it");
    crate::lab::spacetime::for_people(told.as_ref()).unwrap();
}
