//! Long trials of a large production: what it costs to watch a thousand servers.

use crate::desk::{Desk, painted, quit};
use crate::lab::fleet::Fleet;
use crate::pty::{PATIENCE, Session};
use std::time::{Duration, Instant};

/// For how long the time of the processor is measured.
const WATCHED: Duration = Duration::from_secs(60);
/// Most of one core that it may take.
const SHARE: f64 = 0.10;

/// What the kernel counts such time in for programs, on every Linux: hundredths of a second.
const TICKS: f64 = 100.0;

/// Time that a process took of the processors so far, and what of its memory is resident, in bytes.
fn taken(session: &Session) -> (Duration, u64) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", session.pid().as_raw_nonzero())).unwrap();
    let stat = read("stat");
    // Behind the name, which may hold anything: utime and stime are the 14th and 15th field of all.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (Duration::from_secs_f64(ticks as f64 / TICKS), kilobytes << 10)
}

#[test]
#[ignore = "long: a minute and more; a release build"]
fn long_a_thousand_servers_take_a_tenth_of_a_core_at_most() {
    let fleet = Fleet::start(1_000, 200).unwrap();
    let desk = Desk::with(&fleet.config("5s"));
    let session = painted(desk.launch().size(200, 50));
    session.wait_screen("all servers", PATIENCE, |screen| screen.contents().contains("1200"));
    // The first answers make every row; what follows goes on for as long as somebody watches.
    std::thread::sleep(Duration::from_secs(15));
    let ((before, _), asked, start) = (taken(&session), fleet.asked(), Instant::now());
    std::thread::sleep(WATCHED);
    let ((after, resident), now) = (taken(&session), fleet.asked());
    let share = (after - before).as_secs_f64() / start.elapsed().as_secs_f64();
    eprintln!(
        "{:.1} % of a core, {} MB resident; {} answers of Prometheus, {} of exporters",
        share * 100.0,
        resident >> 20,
        now[0] - asked[0],
        now[1] - asked[1]
    );
    assert!(now[1] - asked[1] > 200 * 10, "the exporters were asked every five seconds: {now:?} after {asked:?}");
    quit(session);
    assert!(share <= SHARE, "{:.1} % of a core", share * 100.0);
}
