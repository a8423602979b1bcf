//! Long trials of a large production: what it costs to watch a thousand servers, and a log of 50,000 lines a second.

use crate::desk::{Desk, painted, quit};
use crate::lab::fleet::Fleet;
use crate::pty::{PATIENCE, Session};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// For how long the time of the processor is measured.
const WATCHED: Duration = Duration::from_secs(60);
/// Most of one core that it may take.
const SHARE: f64 = 0.10;

/// What the kernel counts such time in for programs, on every Linux: hundredths of a second.
const TICKS: f64 = 100.0;

/// Of the log, each second; with lines so long that it is a gigabyte when it ends.
const LINES: usize = 50_000;
const LINE: usize = 358;
/// Most of it that may be resident: what a log may keep (32 MB by default), and the program.
const RESIDENT: u64 = 128 << 20;
/// A key is painted within this, but for one in a hundred: another process may have had the processor.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Time that a process took of the processors so far, and what of its memory is resident, in bytes.
fn taken(session: &Session) -> (Duration, u64) {
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", session.pid().as_raw_nonzero())).unwrap();
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
    session.wait_screen("all servers", PATIENCE, |screen| screen.contents().contains("1200 in all"));
    // The first answers make every row; what follows goes on for as long as somebody watches.
    std::thread::sleep(Duration::from_secs(15));
    let ((before, _), asked, start) = (taken(&session), fleet.asked(), Instant::now());
    std::thread::sleep(WATCHED);
    let ((after, resident), now) = (taken(&session), fleet.asked());
    let share = after.saturating_sub(before).as_secs_f64() / start.elapsed().as_secs_f64();
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

/// Writes a gigabyte of lines at an even pace.
fn flood(path: &Path) {
    const APART: Duration = Duration::from_millis(10);
    let mut file = File::options().append(true).open(path).unwrap();
    let start = Instant::now();
    let a_time = LINES / 100;
    for number in 0..WATCHED.as_secs() as usize * 100 {
        let mut lines = String::with_capacity(a_time * LINE);
        for line in number * a_time..(number + 1) * a_time {
            let level = if line.is_multiple_of(97) { "ERROR" } else { "INFO" };
            let head = format!("2026-11-25T03:00:00Z {level} request {line} took {} ms ", line % 900);
            lines.push_str(&head);
            lines.extend(std::iter::repeat_n('x', LINE - 1 - head.len()));
            lines.push('\n');
        }
        file.write_all(lines.as_bytes()).unwrap();
        std::thread::sleep((APART * (number as u32 + 1)).saturating_sub(start.elapsed()));
    }
}

/// The log is paused and followed again, over and over; how long each key takes until it is seen.
fn keys_for(session: &mut Session, time: Duration) -> Vec<Duration> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        for shows in ["PAUSED", "following"] {
            std::thread::sleep(Duration::from_millis(50));
            let sent = Instant::now();
            session.send("f");
            session.wait_screen(shows, PATIENCE, |screen| screen.contents().contains(shows));
            times.push(sent.elapsed());
        }
    }
    times
}

#[test]
#[ignore = "long: a minute and more; a release build"]
fn long_a_gigabyte_of_log_at_50_000_lines_a_second_slows_no_key_and_takes_bounded_memory() {
    let desk = Desk::bare();
    let log = desk.file("flood.log", "the first line\n");
    let config = format!("[local.host]\nname = \"here\"\n\n[[server]]\nname = \"here\"\nlogs = [{log:?}]\n");
    let mut session = painted(desk.launch().args(&["--config", desk.file("config.toml", &config).to_str().unwrap()]));
    session.wait_text("here");
    session.send("l");
    session.wait_text("which log?");
    session.send("\x1b[B\r");
    session.wait_text("the first line");
    let start = Instant::now();
    let mut times = std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&log));
        let times = keys_for(&mut session, WATCHED);
        flood.join().unwrap();
        times
    });
    let written = start.elapsed();
    let last = format!("request {} took", LINES * WATCHED.as_secs() as usize - 1);
    session.wait_screen("the last line", PATIENCE, |screen| screen.contents().contains(&last));
    let behind = start.elapsed().saturating_sub(written);
    let (taken, resident) = taken(&session);
    times.sort_unstable();
    let share = |part: usize| times[(times.len() - 1) * part / 100];
    eprintln!(
        "{} MB written in {written:.1?}, read {behind:.1?} after; {} keys: half within {:?}, 99 of 100 within {:?}, the worst {:?}; \
         {:.1} s of a core, {} MB resident",
        log.metadata().unwrap().len() >> 20,
        times.len(),
        share(50),
        share(99),
        share(100),
        taken.as_secs_f64(),
        resident >> 20,
    );
    quit(session);
    assert!(share(99) < AT_ONCE, "{times:?}");
    assert!(resident < RESIDENT, "{resident} bytes resident");
}
