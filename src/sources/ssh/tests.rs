use super::*;
use crate::sources::machine::{VIRTUAL_DEVICES, VIRTUAL_INTERFACES};
use std::process::Command;

fn answer(text: &str, sent: f64, took: Duration) -> Output {
    let wall = jiff::Timestamp::from_nanosecond((sent * 1e9) as i128).unwrap();
    let sent = crate::domain::Now { mono: Duration::from_secs(1000), wall };
    let first = Some(crate::domain::Now { mono: sent.mono + took, wall });
    let (ended, round_trip) = (Ended::Exit(0), took / 4);
    Output { ended, stdout: text.into(), stderr: Vec::new(), cut: false, sent, round_trip, first }
}

#[test]
fn the_probe_leaves_out_what_is_not_counted() {
    for name in VIRTUAL_INTERFACES.iter().chain(&VIRTUAL_DEVICES) {
        let listed = |mark: &str| PROBE.contains(&format!("{mark}{name}|")) || PROBE.contains(&format!("|{name})"));
        assert!(listed("(") || listed("|"), "{name} would be sent for nothing");
    }
}

/// The probe on this machine, by the shells that it has.
#[test]
fn the_probe_runs_here_and_tells_everything() {
    for shell in [&["sh"][..], &["bash"], &["busybox", "sh"]] {
        let script = format!("set -- df\n{PROBE}");
        let Ok(output) = Command::new(shell[0]).args(&shell[1..]).args(["-c", &script]).output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout);
        let reading = parse::reading(&text).unwrap();
        assert!(reading.complete && !reading.df_hangs, "{shell:?}: {text}");
        assert!(reading.memory.is_some() && reading.load.is_some() && reading.cores > 0, "{shell:?}: {text}");
        assert!(
            reading.counters.cpu.is_some() && reading.counters.boot.is_some() && !reading.disks.is_empty(),
            "{text}"
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    }
}

#[test]
fn the_clock_is_compared_half_a_round_trip_before_the_first_word() {
    let output = answer("", 1_795_621_400.0, Duration::from_millis(800));
    let skew = output.ahead(1_795_621_403.7).unwrap();
    assert!((skew - 3.0).abs() < 1e-3, "{skew}");
}

#[test]
fn what_every_machine_calls_itself_is_no_address() {
    let told = addresses([
        Some("127.0.0.1"),
        Some("localhost.localdomain"),
        Some("game-1"),
        None,
        Some("game-1"),
        Some("::1"),
    ]);
    assert_eq!(told, ["game-1"]);
}

#[test]
fn an_answer_that_is_none_says_what_came() {
    let mut connections = Connections::default();
    let ssh = connections.add_ssh("ops@game-1", None).unwrap();
    let remote = Remote { name: "game-1".into(), ssh, limit: Duration::from_secs(7), past: Past::default() };
    let told = |output: &Output| remote.understand(output).unwrap_err().what;
    let output = answer("This account is currently not available.\n", 0.0, Duration::ZERO);
    let expected = "the server at ops@game-1 gave no figures: it says \"This account is currently not available.\"";
    assert_eq!(told(&output), expected);
    let output = Output { ended: Ended::GivenUp, ..answer("", 0.0, Duration::ZERO) };
    assert!(told(&output).ends_with("did not answer within 7.0 s"));
    let output = answer("@@ date\n1.0\n@@ uptime\n", 0.0, Duration::ZERO);
    assert!(told(&output).ends_with("broke off in the middle of its answer"));
    let output = Output { cut: true, ..answer("@@ date\n1.0\n@@ end\n", 0.0, Duration::ZERO) };
    assert!(told(&output).contains("sent more than 256 KiB"));
}
