//! One incident walked on the lab's SpaceTime, from the alert to the post-mortem, by keyboard alone and by two people at two terminals:
//! what docs/incident.md tells.

use crate::desk::insist;
use crate::incident::{menu, ok, typed};
use crate::lab::need;
use crate::lab::spacetime::{FIRST, SpaceTime};
use crate::playbooks::{confirm, done, tick, wait_over};
use crate::support::{Home, leave, look_at, press};

/// With one figure of what is promised.
const SLO: &str = "[[prometheus.main.slo]]\nname = \"availability\"\nquery = 'avg(up{job=\"godot\"})'\nlimit = 1\nbad = \"below\"\nunit = \"ratio\"\n";

fn watched(spacetime: &SpaceTime) -> Home {
    let password = |role: &str| format!("{{ env = \"{}\" }}", role.to_uppercase());
    Home::new(&(spacetime.config(password) + SLO))
}

#[test]
fn from_the_alert_to_the_post_mortem_by_two_people() {
    let spacetime = need!(spacetime);
    let home = watched(&spacetime);
    let mut second = home.start(&[]);
    spacetime.kill(FIRST).unwrap();
    spacetime.wait_alert("ServiceDown");
    // Declared from the alert: its name stands in the field already.
    let mut first = home.start(&[]);
    look_at(&mut first, "3", "R plan", "ServiceDown");
    first.wait_text("ServiceDown");
    menu(&mut first, "1", "declare P1");
    first.wait_text("ServiceDown ");
    press(&mut first, "\r");
    first.wait_text("P1 ServiceDown ");
    // The other one sees it, answers it, and writes down what both see.
    second.wait_text("P1 ServiceDown ");
    menu(&mut second, "a", "acknowledged");
    menu(&mut second, "n", "What was seen, said or decided?");
    typed(&mut second, "players see 503, one server of two");
    menu(&mut second, "i", "Who suffers, how many");
    typed(&mut second, "half of the players are cut off");
    // Mended by the alert's runbook.
    insist(&mut first, "R", "plan: A game server is down");
    confirm(&mut first, &format!("restart {FIRST} on production-server"));
    tick(&mut first, &["The reason is in", "If it is memory"]);
    done(&mut first);
    wait_over(&first, &home, 1);
    spacetime.wait_no_alert("ServiceDown");
    insist(&mut second, "7", "7 Timeline");
    second.wait_text("does not fire any more");
    menu(&mut second, "m", "By what?");
    typed(&mut second, "the server is restarted");
    menu(&mut second, "t", "What is to be done afterwards");
    typed(&mut second, "find out who killed it");
    menu(&mut second, "e", "How did it end?");
    typed(&mut second, "all servers answer");
    first.wait_text("): resolved");
    leave(&mut first);
    leave(&mut second);

    let report = ok(&home, &["incident", "report"]);
    for told in [
        "| Detected |",
        "ServiceDown began",
        "P1 declared: ServiceDown ",
        "players see 503, one server of two",
        "- Impact: half of the players are cut off",
        "began A game server is down (run ",
        "Restart the container on ",
        "does not fire any more",
        "mitigated: the server is restarted",
        "- [ ] find out who killed it",
        "availability ",
        "Nothing: every step was done as it is written.",
    ] {
        assert!(report.contains(told), "{told}: {report}");
    }
    // Every moment has its evidence, and they are in order.
    let moments: Vec<&str> = report.lines().filter(|line| line.contains(", by ") && line.contains("| ")).collect();
    assert!(moments.len() >= 5 && moments.iter().all(|line| line.contains("record ")), "{moments:#?}");
}
