mod scope;

use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const MARK: &str = "mark-1";
const LIMIT: Duration = Duration::from_secs(20);

/// A host with a shell of its own as `sh`, and a home of its own.
struct Host {
    home: tempfile::TempDir,
    boot: Option<PathBuf>,
    /// The folder that says that systemd runs.
    systemd: Option<PathBuf>,
}

/// The shells that a host may have, where this machine has them.
fn shells() -> Vec<(&'static str, Host)> {
    let hosts = ["dash", "bash", "busybox"].into_iter().filter_map(|shell| Some((shell, Host::with(shell)?)));
    let hosts: Vec<_> = hosts.collect();
    assert!(!hosts.is_empty());
    hosts
}

impl Host {
    fn with(shell: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let found =
            std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(shell)).find(|it| it.exists())?;
        fs::create_dir(home.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(found, home.path().join("bin/sh")).unwrap();
        Some(Self { home, boot: None, systemd: None })
    }

    fn any() -> Self {
        shells().remove(0).1
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    /// Its run is this host's alone: on a real one nobody else has a step of the same name, but here all are one machine, and what ends a step
    /// looks for its mark among all processes.
    fn key(&self, step: &str) -> Key {
        Key::new(&self.run(), step, "box", None)
    }

    fn run(&self) -> String {
        let name = self.path().file_name().unwrap_or_default();
        format!("run{}", name.to_string_lossy().trim_start_matches('.'))
    }

    fn spawn(&self, input: &str) -> Child {
        let path = format!("{}/bin:{}", self.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.path().join("bin/sh"));
        command.arg("-s").env("HOME", self.path()).env("PATH", path);
        if let Some(boot) = &self.boot {
            command.env("QUARTERDECK_LAB_BOOT_ID", boot);
        }
        if let Some(systemd) = &self.systemd {
            command.env("QUARTERDECK_LAB_SYSTEMD", systemd);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that ends before it has read all says why by its output.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        child
    }

    fn say(&self, ask: &Ask<'_>, step: &str) -> Vec<Word> {
        let input = ask.input(&self.key(step), None, MARK);
        let output = self.spawn(input.expose_secret()).wait_with_output().unwrap();
        said(&output.stdout).unwrap_or_else(|| panic!("{output:?}"))
    }

    fn start(&self, step: &str, body: &str) -> Vec<Word> {
        self.say(&Ask::Start(&script(body)), step)
    }

    fn state(&self, step: &str) -> State {
        let words = self.say(&Ask::Poll { wait: 0, out: 0, err: 0 }, step);
        let Some(Word::State(state)) = words.last() else { panic!("{words:?}") };
        state.clone()
    }

    /// Waits until it is over: its end and both outputs.
    fn end(&self, step: &str) -> (End, String, String) {
        let (mut outputs, end) = ([Vec::new(), Vec::new()], Instant::now() + LIMIT);
        loop {
            let ask = Ask::Poll { wait: 2, out: outputs[0].len() as u64, err: outputs[1].len() as u64 };
            for word in self.say(&ask, step) {
                match word {
                    Word::Piece { errors, from, bytes } => {
                        let output = &mut outputs[usize::from(errors)];
                        assert_eq!(from, output.len() as u64);
                        output.extend(bytes);
                    }
                    Word::State(State::Done(done))
                        if [&done.out, &done.err]
                            .into_iter()
                            .zip(&outputs)
                            .all(|(said, had)| said.bytes == had.len() as u64) =>
                    {
                        let [out, err] = outputs.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                        return (done, out, err);
                    }
                    Word::State(State::Running | State::Claimed | State::Done(_)) if Instant::now() < end => {}
                    other => panic!("{step}: {other:?}"),
                }
            }
        }
    }

    fn dir(&self, step: &str) -> PathBuf {
        self.path().join(".local/state/quarterdeck/steps").join(self.key(step).digits)
    }

    /// The process that a file in its directory names.
    fn process(&self, step: &str, file: &str) -> i32 {
        let text = fs::read_to_string(self.dir(step).join(file)).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    fn cancel(&self, step: &str) -> (String, State) {
        match self.say(&Ask::Cancel { grace: 1 }, step).as_slice() {
            [Word::Left(left), Word::State(state)] => (left.clone(), state.clone()),
            other => panic!("{other:?}"),
        }
    }
}

/// What is answered, without the time of it.
fn said(answer: &[u8]) -> Option<Vec<Word>> {
    let mut words = words(answer, MARK)?;
    words.retain(|word| !matches!(word, Word::Date(_)));
    Some(words)
}

fn script(body: &str) -> Script<'_> {
    Script { variables: &[], body, dir: None, timeout: 6 * LIMIT }
}

fn running() -> Vec<Word> {
    vec![Word::Started(State::Running)]
}

/// Waits until a file is there and says something.
fn wait_file(path: &Path) -> String {
    let end = Instant::now() + LIMIT;
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(Instant::now() < end, "{} does not come", path.display()),
        }
        std::thread::yield_now();
    }
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, "--", pid.trim()]).status().unwrap().success());
}

#[test]
fn a_script_runs_apart_from_whoever_began_it_and_its_end_waits_for_who_asks() {
    for (shell, host) in shells() {
        let odd = "it's $HOME `id` \\ \"x\"\n\u{e4}\u{201e}\u{1f600}\nQUARTERDECK_END\n";
        let variables = [("odd".to_owned(), odd.to_owned())];
        let body = "set -eu\nprintf '%s|' \"$odd\" \"$LINENO\" \"$QUARTERDECK_STEP\" \"$(umask)\" \"$PWD\"\ncat\necho oops >&2\nexit 3";
        let script = Script { variables: &variables, body, dir: Some("/"), timeout: LIMIT };
        let begun = host.say(&Ask::Start(&script), "a/b");
        assert!(matches!(begun.as_slice(), [Word::Started(State::Running | State::Done(_))]), "{shell} {begun:?}");
        let (end, out, err) = host.end("a/b");
        let umask = Command::new("sh").args(["-c", "umask"]).output().unwrap();
        let umask = String::from_utf8_lossy(&umask.stdout).trim().to_owned();
        assert_eq!(out, format!("{odd}|2|{}/a/b/box|{umask}|/|", host.run()), "{shell}");
        assert_eq!((err.as_str(), end.code, end.how), ("oops\n", Some(3), How::Ended), "{shell}");
        assert_eq!(end.out.sum.as_deref(), Some(hex(&Sha256::digest(&out)).as_str()), "{shell}");
        // Nothing in its directory holds the script or a variable.
        for file in fs::read_dir(host.dir("a/b")).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read(&path).unwrap();
            let holds = |word: &str| memchr::memmem::find(&text, word.as_bytes()).is_some();
            assert!(path.ends_with("out") || !holds("it's") && !holds("LINENO"), "{shell} {}", path.display());
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(host.dir("a/b")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700, "{shell}");
    }
}

#[test]
fn a_key_begins_once_whatever_happens_here() {
    for (shell, host) in shells() {
        let file = host.path().join("began");
        let body = format!("set -eu\necho x >> {}", file.display());
        let input = Ask::Start(&script(&body)).input(&host.key("once"), None, MARK);
        let all: Vec<Child> = (0..8).map(|_| host.spawn(input.expose_secret())).collect();
        let said: Vec<Vec<Word>> =
            all.into_iter().map(|child| said(&child.wait_with_output().unwrap().stdout).unwrap()).collect();
        assert_eq!(said.iter().filter(|words| matches!(words[..], [Word::Started(_)])).count(), 1, "{shell} {said:?}");
        host.end("once");
        assert!(matches!(host.start("once", &body)[..], [Word::Exists(State::Done(_))]), "{shell}");
        // What is known elsewhere is forgotten, and not begun again.
        assert!(
            matches!(host.say(&Ask::Forget { again: false }, "once")[..], [Word::State(State::Over(_))]),
            "{shell}"
        );
        let left: Vec<String> =
            fs::read_dir(host.dir("once")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(left.len(), 2, "{shell} {left:?}");
        assert!(matches!(host.start("once", &body)[..], [Word::Exists(State::Over(_))]), "{shell}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "x\n", "{shell}");
        // What is to be sent again is.
        host.start("again", &body);
        host.end("again");
        assert_eq!(host.say(&Ask::Forget { again: true }, "again"), [Word::State(State::None)], "{shell}");
        host.start("again", &body);
        host.end("again");
        assert_eq!(fs::read_to_string(&file).unwrap(), "x\nx\nx\n", "{shell}");
    }
}

#[test]
fn what_is_begun_is_told_with_the_time_there_first() {
    for (shell, host) in shells() {
        let input = Ask::Start(&script("true")).input(&host.key("timed"), None, MARK);
        let before = jiff::Timestamp::now();
        let output = host.spawn(input.expose_secret()).wait_with_output().unwrap();
        let Some(Word::Date(date)) = words(&output.stdout, MARK).unwrap().first().cloned() else { panic!("{shell}") };
        let (from, to) = [before, jiff::Timestamp::now()].map(|at| at.as_second() as f64).into();
        // Of a clock that is read in seconds, half of one is meant.
        assert!((from - 0.5..=to + 1.0).contains(&date), "{shell}: {from} {date} {to}");
    }
    let date = |text: &str| words(format!("{MARK} date {text}\n").as_bytes(), MARK);
    assert_eq!(date("1795951840.250000000"), Some(vec![Word::Date(1_795_951_840.25)]));
    assert_eq!(date("1795951840.N"), Some(vec![Word::Date(1_795_951_840.5)]));
    assert_eq!(date("1795951840"), Some(vec![Word::Date(1_795_951_840.5)]));
    assert_eq!(date("noon"), Some(Vec::new()));
}

#[test]
fn what_was_cut_off_or_changed_on_the_way_runs_nothing() {
    for (shell, host) in shells() {
        let file = host.path().join("began");
        let body = format!("touch {}", file.display());
        let input = Ask::Start(&script(&body)).input(&host.key("cut"), None, MARK);
        let input = input.expose_secret().trim_end();
        let step = (input.len() / 40).max(1);
        for length in (0..input.len()).step_by(step).chain([input.len() - 1]) {
            let output = host.spawn(&input[..length]).wait_with_output().unwrap();
            assert_eq!(words(&output.stdout, MARK), Some(Vec::new()), "{shell} {length} of {}", input.len());
        }
        let changed = input.replacen("touch ", "touch  ", 1);
        let output = host.spawn(&changed).wait_with_output().unwrap();
        assert_eq!(
            said(&output.stdout).unwrap(),
            [Word::Cannot("what arrived is not what was sent".to_owned())],
            "{shell}"
        );
        assert!(!file.exists() && host.state("cut") == State::None, "{shell}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_told_and_leaves_the_key_free() {
    for (shell, host) in shells() {
        let script = Script { dir: Some("/no/such"), ..script("echo x") };
        let said = host.say(&Ask::Start(&script), "dir");
        let [Word::Started(State::No(why))] = &said[..] else { panic!("{shell} {said:?}") };
        assert!(why.contains("/no/such"), "{shell} {why}");
        assert_eq!(host.state("dir"), State::None, "{shell}");
    }
}

#[test]
fn what_is_cancelled_ends_with_all_that_it_began_and_is_recorded_as_it_ended() {
    for (shell, host) in shells() {
        // One that takes the signal and ends well, and one that is deaf to it and has a child in a session of its own.
        let pid = host.path().join("pid");
        let kind = format!("trap 'exit 0' TERM\necho $$ > {}\nwhile :; do sleep 0.1; done", pid.display());
        assert_eq!(host.start("kind", &kind), running(), "{shell}");
        wait_file(&pid);
        let (left, state) = host.cancel("kind");
        let State::Done(end) = state else { panic!("{shell} {state:?}") };
        assert_eq!((left.as_str(), end.how, end.code), ("", How::Cancelled, Some(0)), "{shell}");
        fs::remove_file(&pid).unwrap();
        let deaf = format!(
            "trap '' TERM\nsetsid sleep 300 &\necho $! > {0}.new; mv {0}.new {0}\nsleep 300\nsleep 300",
            pid.display()
        );
        assert_eq!(host.start("deaf", &deaf), running(), "{shell}");
        let child = wait_file(&pid);
        let (left, state) = host.cancel("deaf");
        let State::Done(end) = state else { panic!("{shell} {state:?}") };
        assert_eq!((left.as_str(), end.how, end.code), ("", How::Cancelled, Some(137)), "{shell}");
        assert!(!lives(&child), "{shell}: a child that went its own way is ended too");
        assert_eq!(host.cancel("none"), (String::new(), State::None), "{shell}");
    }
}

#[test]
fn what_survives_is_named() {
    for (shell, host) in shells() {
        assert_eq!(host.start("deaf", "exec sleep 300"), running(), "{shell}");
        let body = host.process("deaf", "body");
        // Nothing that a test can make survives KILL, so no signal is sent.
        let input = Ask::Cancel { grace: 1 }.input(&host.key("deaf"), None, MARK);
        let input = input.expose_secret().replace("kill \"-$QD_SIGNAL\"", ": ");
        let output = host.spawn(&input).wait_with_output().unwrap();
        let said = words(&output.stdout, MARK).unwrap();
        assert_eq!(said, [Word::Left(format!("{body} (sleep)")), Word::State(State::Running)], "{shell}");
        let (left, state) = host.cancel("deaf");
        assert!(left.is_empty() && matches!(state, State::Done(End { how: How::Cancelled, .. })), "{shell} {state:?}");
    }
}

/// On a small disk of its own, in a mount namespace that goes with the shell: what each request answers.
fn on_a_small_disk(host: &Host, size: &str, fill: &str, asks: &[(&str, Ask<'_>)]) -> Option<Vec<Vec<Word>>> {
    let steps = host.path().join(".local/state/quarterdeck/steps");
    fs::create_dir_all(&steps).unwrap();
    fs::set_permissions(&steps, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut shell =
        format!("set -e\nmount -t tmpfs -o size={size},mode=700 none {0}\ncd {0}\n{fill}\n", steps.display());
    for (at, (step, ask)) in asks.iter().enumerate() {
        let file = host.path().join(format!("ask{at}"));
        fs::write(&file, ask.input(&host.key(step), None, MARK).expose_secret()).unwrap();
        writeln!(shell, "echo next\nHOME={} sh <{}", host.path().display(), file.display()).unwrap();
    }
    let output = Command::new("unshare").args(["-m", "sh", "-c", &shell]).output().ok()?;
    let answers: Vec<Vec<Word>> = split(&output.stdout, b"next\n").map(|answer| said(answer).unwrap()).collect();
    (answers.len() == asks.len()).then_some(answers)
}

fn split<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let starts: Vec<usize> = memchr::memmem::find_iter(text, word).map(|at| at + word.len()).collect();
    let ends: Vec<usize> = starts.iter().skip(1).map(|at| at - word.len()).chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &text[start..end])
}

#[test]
fn on_a_full_disk_nothing_begins_and_one_that_fills_up_hides_no_end() {
    let host = Host::any();
    let file = host.path().join("began");
    let body = format!("touch {}", file.display());
    let begin = script(&body);
    let full = "head -c 64k /dev/zero >fill 2>/dev/null || true";
    let Some(answers) = on_a_small_disk(
        &host,
        "64k",
        full,
        &[("full", Ask::Start(&begin)), ("full", Ask::Poll { wait: 0, out: 0, err: 0 })],
    ) else {
        return crate::lab::skip(
            "quarterdeck::steps::bash::durable::tests::on_a_full_disk",
            "unshare and mount (root)",
        );
    };
    assert!(matches!(&answers[0][..], [Word::Cannot(why)] if why.contains("has no room")), "{answers:?}");
    assert_eq!(answers[1], [Word::State(State::None)]);
    assert!(!file.exists());
    let body = "cd \"$HOME/.local/state/quarterdeck/steps\"\nhead -c 512k /dev/zero >fill\necho much\nexit 5";
    let begin = script(body);
    let asks = [("fills", Ask::Start(&begin)), ("fills", Ask::Poll { wait: 10, out: 1000, err: 1000 })];
    let answers = on_a_small_disk(&host, "128k", "true", &asks).unwrap();
    let Some(Word::State(State::Done(end))) = answers[1].last() else { panic!("{answers:?}") };
    assert_eq!((end.how, end.code), (How::Ended, Some(5)));
}

#[test]
fn a_script_whose_time_is_over_is_ended_with_its_children() {
    for (shell, host) in shells() {
        let pid = host.path().join("pid");
        let body = format!("trap '' TERM\nsleep 300 &\necho $! > {}\nsleep 300\nsleep 300", pid.display());
        let script = Script { timeout: Duration::from_secs(1), ..script(&body) };
        assert_eq!(host.say(&Ask::Start(&script), "late"), running(), "{shell}");
        let child = wait_file(&pid);
        let (end, ..) = host.end("late");
        assert_eq!((end.how, end.left.as_str()), (How::Late, ""), "{shell}");
        assert!(!lives(&child), "{shell}");
    }
}

#[test]
fn what_was_begun_hears_an_interrupt() {
    for (shell, host) in shells() {
        host.start("int", "trap 'echo heard; exit 7' INT\nkill -INT $$\nsleep 5");
        let (end, out, _) = host.end("int");
        assert_eq!((end.code, out.as_str()), (Some(7), "heard\n"), "{shell}");
    }
}

#[test]
fn one_that_is_gone_without_a_word_is_lost_whoever_has_its_process_id_now() {
    for (shell, host) in shells() {
        assert_eq!(host.start("gone", "exec sleep 300"), running(), "{shell}");
        assert_eq!(host.state("gone"), State::Running, "{shell}");
        let (keeper, body) = (host.process("gone", "pid"), host.process("gone", "body"));
        kill("-KILL", &keeper.to_string());
        assert_eq!(host.state("gone"), State::Running, "{shell}: its script goes on");
        kill("-KILL", &body.to_string());
        let gone = || matches!(host.state("gone"), State::Lost(_));
        let end = Instant::now() + LIMIT;
        while !gone() {
            assert!(Instant::now() < end, "{shell}");
        }
        // Another process has its id by now.
        for file in ["pid", "body"] {
            let path = host.dir("gone").join(file);
            let text = fs::read_to_string(&path).unwrap();
            let (_, rest) = text.split_once(' ').unwrap();
            fs::write(&path, format!("{} {rest}", std::process::id())).unwrap();
        }
        assert!(gone(), "{shell}");
    }
}

#[test]
fn a_host_that_was_started_again_has_lost_it() {
    for (shell, mut host) in shells() {
        let boot = host.path().join("boot");
        fs::write(&boot, "first\n").unwrap();
        host.boot = Some(boot.clone());
        assert_eq!(host.start("boot", "echo said; exec sleep 300"), running(), "{shell}");
        let body = host.process("boot", "body");
        fs::write(&boot, "second\n").unwrap();
        let State::Lost(why) = host.state("boot") else { panic!("{shell}") };
        assert!(why.contains("started again"), "{shell} {why}");
        kill("-KILL", &body.to_string());
    }
}

#[test]
fn of_a_flood_both_ends_are_handed_over_and_all_of_it_is_counted() {
    let host = Host::any();
    let body = "printf 'first\\n'\nhead -c 3000000 /dev/zero | tr '\\0' x\nprintf '\\nlast\\n'";
    host.start("flood", body);
    let (mut at, mut pieces) = (0, 0);
    let mut text = Vec::new();
    let end = loop {
        let words = host.say(&Ask::Poll { wait: 2, out: at, err: 0 }, "flood");
        for word in &words {
            let Word::Piece { from, bytes, .. } = word else { continue };
            at = from + bytes.len() as u64;
            pieces += 1;
            text.extend(bytes);
        }
        if let Some(Word::State(State::Done(end))) = words.last()
            && end.out.bytes == at
        {
            break end.clone();
        }
    };
    assert_eq!(end.out.bytes, 6 + 3_000_000 + 6);
    let all = format!("first\n{}\nlast\n", "x".repeat(3_000_000));
    assert_eq!(end.out.sum.as_deref(), Some(hex(&Sha256::digest(&all)).as_str()));
    assert!(pieces < 20 && text.starts_with(b"first\nxx") && text.ends_with(b"x\nlast\n"), "{pieces}");
}

#[test]
fn an_output_that_outgrows_its_file_is_begun_anew_and_counted_on() {
    for (shell, host) in shells() {
        let go = host.path().join("go");
        // Slowly, so that the keeper looks in between.
        let body = format!(
            "printf 'first\\n'\nhead -c 400000 /dev/zero | tr '\\0' x\nwhile [ ! -e {} ]; do sleep 0.1; done\necho last",
            go.display()
        );
        let input = Ask::Start(&script(&body)).input(&host.key("outgrown"), None, MARK);
        // The same with a limit that a test can reach: the sum is over what the keeper reads.
        let text = input.expose_secret().replace(&format!("QD_MOST_KEPT={MOST}"), "QD_MOST_KEPT=300000");
        let kept = script(&body).keeper(&host.key("outgrown"));
        let small = kept.expose_secret().replace(&format!("QD_MOST_KEPT={MOST}"), "QD_MOST_KEPT=300000");
        let sums = [kept.expose_secret(), small.as_str()].map(|text| hex(&Sha256::digest(text)));
        host.spawn(&text.replace(&sums[0], &sums[1])).wait_with_output().unwrap();
        wait_file(&host.dir("outgrown").join("out.base"));
        fs::write(&go, "").unwrap();
        let end = loop {
            if let State::Done(end) = host.state("outgrown") {
                break end;
            }
        };
        assert_eq!((end.out.bytes, end.out.sum), (6 + 400_000 + 5, None), "{shell}");
        let pieces = |from| {
            let words = host.say(&Ask::Poll { wait: 0, out: from, err: 0 }, "outgrown");
            let Word::Piece { from, bytes, .. } = words[0].clone() else { panic!("{shell} {words:?}") };
            (from, bytes)
        };
        let (from, head) = pieces(0);
        assert!(from == 0 && head.len() == HEAD && head.starts_with(b"first\n"), "{shell}");
        assert_eq!(pieces(HEAD as u64), (400_006, b"last\n".to_vec()), "{shell}");
    }
}

#[test]
fn what_nobody_wants_any_more_goes_after_a_week() {
    let host = Host::any();
    host.start("old", "true");
    host.end("old");
    host.say(&Ask::Forget { again: false }, "old");
    host.start("busy", "exec sleep 300");
    for step in ["old", "busy"] {
        let touched = Command::new("touch").args(["-d", "8 days ago"]).arg(host.dir(step)).status().unwrap();
        assert!(touched.success());
    }
    host.start("new", "true");
    host.end("new");
    assert!(!host.dir("old").exists(), "a tombstone");
    assert_eq!(host.state("busy"), State::Running);
    host.cancel("busy");
}

#[test]
fn a_host_that_cannot_keep_anything_says_why_and_is_left_as_it_is() {
    for (shell, host) in shells() {
        assert_eq!(host.say(&Ask::Probe, "x"), [Word::Can], "{shell}");
        assert!(!host.path().join(".local").exists(), "{shell}: asking makes nothing");
        // A place that others can open is not taken; the other one is.
        let steps = host.path().join(".local/state/quarterdeck/steps");
        fs::create_dir_all(&steps).unwrap();
        fs::set_permissions(&steps, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        host.start("open", "true");
        assert!(!host.dir("open").exists(), "{shell}");
        host.end("open");
        host.say(&Ask::Forget { again: true }, "open");
    }
}

#[test]
fn answers_that_are_cut_are_no_answers() {
    let mark = "m";
    let whole = b"m out 0 3\nabc\nm state running\n";
    assert_eq!(words(whole, mark).unwrap().len(), 2);
    for length in 3..whole.len() {
        let words = words(&whole[..length], mark);
        assert!(words.is_none_or(|words| !words.contains(&Word::State(State::Running))), "{length}");
    }
    let end = "done ended 3 5 aa 0 bb 12 (sleep), 13 (x)";
    let Some(State::Done(end)) = state(end) else { panic!() };
    assert_eq!((end.code, end.out.bytes, end.left.as_str()), (Some(3), 5, "12 (sleep), 13 (x)"));
}
