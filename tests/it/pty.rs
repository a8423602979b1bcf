//! The real program in a pseudo-terminal: types, looks at the screen, sends signals, and sees how the terminal is left.
//!
//! Nothing here sleeps: each wait ends when the program prints, when it exits, or at its limit with a picture of the
//! screen. Use [`Session::wait_text`] before typing: what is typed ahead of the program's raw mode is echoed.

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::termios::{LocalModes, tcgetattr};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a wait lasts when not said otherwise: far beyond what a slow machine needs, since only a failing test
/// waits so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program to be started.
#[derive(Debug)]
pub struct Launch {
    command: CommandBuilder,
    columns: u16,
    rows: u16,
}

impl Launch {
    /// quarterdeck itself, at 160×45 on a terminal of 256 colours, with no variable of this process but `PATH`, so
    /// that neither a config nor a database of the person who runs the tests is found.
    pub fn quarterdeck() -> Self {
        Self::program(env!("CARGO_BIN_EXE_quarterdeck"))
    }

    /// Any program, in the same way.
    pub fn program(path: &str) -> Self {
        let mut command = CommandBuilder::new(path);
        command.env_clear();
        let launch = Self { command, columns: 160, rows: 45 };
        let path = std::env::var("PATH").unwrap_or_default();
        launch.env("PATH", &path).env("TERM", "xterm-256color").env("LANG", "C.UTF-8")
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, |launch, argument| launch.arg(argument))
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the size of the terminal in cells.
    #[must_use]
    pub fn size(mut self, columns: u16, rows: u16) -> Self {
        (self.columns, self.rows) = (columns, rows);
        self
    }

    /// Starts it.
    pub fn start(self) -> Session {
        Session::start(self)
    }
}

/// What the program has printed and how it ended.
struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// All was read: the program has ended and nothing else holds the terminal.
    over: bool,
    exit: Option<ExitStatus>,
    /// The line discipline right after the program ended; nothing when the terminal was gone by then.
    modes_after: Option<Modes>,
    /// The reader must let go of the terminal.
    hung_up: bool,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        // A failed wait panics in a test that then drops its session: a poisoned lock must not make that an abort.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// The guard once `holds`, or at the limit.
    fn wait(&self, limit: Duration, mut holds: impl FnMut(&Seen) -> bool) -> (MutexGuard<'_, Seen>, bool) {
        let end = Instant::now() + limit;
        let mut seen = self.lock();
        loop {
            if holds(&seen) {
                return (seen, true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (seen, false);
            }
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A running program and its terminal. Dropping it kills the program, and returns when that is gone.
pub struct Session {
    shared: Arc<Shared>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    device: PathBuf,
    /// The line discipline before the program started.
    modes_before: Modes,
    pid: Pid,
}

/// The modes of a terminal's line discipline: input, output, control, local, as the kernel's numbers.
type Modes = [u32; 4];

impl Session {
    fn start(launch: Launch) -> Self {
        let size = PtySize { rows: launch.rows, cols: launch.columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let device = pair.master.tty_name().expect("a pseudo-terminal has a device");
        let modes_before = modes(&device).expect("a new terminal has modes");
        let mut reader = pair.master.try_clone_reader().expect("a reader of the terminal");
        let writer = pair.master.take_writer().expect("a writer of the terminal");
        let child = pair.slave.spawn_command(launch.command).expect("the program starts");
        let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it has a process id");
        let parser = vt100::Parser::new(cells(launch.rows), cells(launch.columns), 0);
        let seen = Seen { parser, raw: Vec::new(), over: false, exit: None, modes_after: None, hung_up: false };
        let shared = Arc::new(Shared { seen: Mutex::new(seen), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || read_all(&theirs, reader.as_mut()));
        let (theirs, path) = (Arc::clone(&shared), device.clone());
        std::thread::spawn(move || await_end(&theirs, child, pair.slave, &path));
        Self { shared, master: Some(pair.master), writer: Some(writer), device, modes_before, pid }
    }

    /// Types bytes, exactly these.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let writer = self.writer.as_mut().expect("the terminal is still there");
        writer.write_all(bytes.as_ref()).and_then(|()| writer.flush()).expect("the terminal takes what is typed");
    }

    /// Pastes text as a terminal with bracketed paste does.
    pub fn paste(&mut self, text: &str) {
        self.send(format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Waits until `holds` for the screen. A panic with a picture of it at the limit, or when the program is gone.
    pub fn wait_screen(&self, what: &str, limit: Duration, mut holds: impl FnMut(&vt100::Screen) -> bool) {
        let (seen, _) = self.shared.wait(limit, |seen| holds(seen.parser.screen()) || seen.over);
        assert!(holds(seen.parser.screen()), "no {what} on the screen {}\n{}", until(&seen, limit), picture(&seen));
    }

    /// Waits until `holds` for the screen, or `limit` is over; whether it held.
    pub fn sees(&self, limit: Duration, mut holds: impl FnMut(&vt100::Screen) -> bool) -> bool {
        self.shared.wait(limit, |seen| holds(seen.parser.screen())).1
    }

    /// Whether the program ends within `limit`.
    pub fn ends(&self, limit: Duration) -> bool {
        self.shared.wait(limit, |seen| seen.exit.is_some()).1
    }

    /// Waits until `text` stands on the screen, within one line.
    pub fn wait_text(&self, text: &str) {
        self.wait_screen(&format!("“{text}”"), PATIENCE, |screen| screen.contents().contains(text));
    }

    /// Waits until `text` no longer stands on the screen.
    pub fn wait_no_text(&self, text: &str) {
        self.wait_screen(&format!("end of “{text}”"), PATIENCE, |screen| !screen.contents().contains(text));
    }

    /// Asserts that `text` does not come to stand on the screen for as long as `quiet`. Proves an absence, so it always
    /// lasts that long: choose what would have been enough by far for it to come.
    pub fn never_text(&self, text: &str, quiet: Duration) {
        let (seen, came) = self.shared.wait(quiet, |seen| seen.parser.screen().contents().contains(text));
        assert!(!came, "“{text}” came\n{}", picture(&seen));
    }

    /// The screen as lines of text, without trailing blanks.
    pub fn text(&self) -> String {
        self.shared.lock().parser.screen().contents()
    }

    /// The first line of the screen that holds `text`, and its number from 0.
    pub fn line(&self, text: &str) -> Option<(u16, String)> {
        let lines = self.text();
        let (row, line) = lines.lines().enumerate().find(|(_, line)| line.contains(text))?;
        Some((u16::try_from(row).ok()?, line.to_owned()))
    }

    /// Looks at the screen: cells with their colours and attributes, cursor, modes.
    pub fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self.shared.lock().parser.screen())
    }

    /// Everything that the program has printed, byte for byte.
    pub fn raw(&self) -> Vec<u8> {
        self.shared.lock().raw.clone()
    }

    /// Waits until the program has printed `bytes`.
    pub fn wait_raw(&self, bytes: &[u8]) {
        let holds = |seen: &Seen| seen.raw.windows(bytes.len()).any(|window| window == bytes);
        let (seen, _) = self.shared.wait(PATIENCE, |seen| holds(seen) || seen.over);
        assert!(
            holds(&seen),
            "no {:?} was printed {}\n{}",
            String::from_utf8_lossy(bytes),
            until(&seen, PATIENCE),
            picture(&seen)
        );
    }

    /// Changes the size of the terminal, in cells.
    pub fn resize(&self, columns: u16, rows: u16) {
        // First the picture, so that what the program paints for the new size finds room.
        self.shared.lock().parser.set_size(cells(rows), cells(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().expect("the terminal is still there").resize(size).expect("a terminal can be resized");
    }

    /// Process id of the program.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        assert!(
            self.shared.lock().exit.is_none(),
            "the program has ended, a signal could hit another\n{}",
            self.text()
        );
        kill_process(self.pid, signal).expect("the program can be signalled");
    }

    /// Closes the terminal under the program, as a closed window or a lost connection does.
    pub fn hang_up(&mut self) {
        self.shared.lock().hung_up = true;
        // A byte from this side wakes the reader, which holds the terminal open as long as it reads.
        let device = OpenOptions::new().write(true).open(&self.device).expect("the terminal is still there");
        (&device).write_all(b"\0").expect("the terminal takes a byte");
        let (seen, gone) = self.shared.wait(PATIENCE, |seen| seen.over);
        assert!(gone, "the reader holds on\n{}", picture(&seen));
        drop(seen);
        (self.writer, self.master) = (None, None);
    }

    /// Waits until the program has ended and all its output is read.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let (seen, ended) = self.shared.wait(PATIENCE, |seen| seen.exit.is_some());
        assert!(ended, "the program did not end within {PATIENCE:?}\n{}", picture(&seen));
        drop(seen);
        let (seen, over) = self.shared.wait(PATIENCE, |seen| seen.over);
        assert!(over, "something still holds the terminal after the program ended\n{}", picture(&seen));
        seen.exit.clone().expect("just seen")
    }

    /// Whether the line discipline hands on each key at once and unechoed, as a full-screen program wants it.
    pub fn is_raw(&self) -> bool {
        let [_, _, _, local] = modes(&self.device).expect("the terminal is still there");
        local & (LocalModes::ICANON | LocalModes::ECHO).bits() == 0
    }

    /// In words, everything that the program left changed in the terminal; empty when it is clean. After
    /// [`Session::wait_exit`].
    pub fn left_behind(&self) -> Vec<String> {
        let seen = self.shared.lock();
        assert!(seen.exit.is_some(), "the program still runs");
        let mut left = left_modes(&seen.raw);
        left.extend(left_style(seen.parser.screen()));
        if seen.modes_after.is_some_and(|after| after != self.modes_before) {
            left.push("the line discipline is changed (raw mode?)".to_owned());
        }
        left
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let ended = self.shared.lock().exit.is_some();
        if !ended {
            // It leads a session and so a group of its own: what it started goes with it.
            let _ = kill_process_group(self.pid, Signal::KILL);
            drop(self.shared.wait(PATIENCE, |seen| seen.exit.is_some()));
        }
    }
}

/// Waits for the program's end. The terminal is held open until its modes are read: the kernel resets them when nobody
/// has it open. Letting go of it then lets the reader see its end.
fn await_end(shared: &Shared, mut child: Box<dyn Child + Send + Sync>, slave: Box<dyn SlavePty + Send>, device: &Path) {
    let status = child.wait().expect("the program can be waited for");
    let modes_after = modes(device);
    shared.update(|seen| (seen.exit, seen.modes_after) = (Some(status), modes_after));
    drop(slave);
}

fn read_all(shared: &Shared, reader: &mut dyn Read) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = reader.read(&mut piece) {
        let mut seen = shared.lock();
        if seen.hung_up {
            break;
        }
        seen.raw.extend_from_slice(&piece[..length]);
        seen.parser.process(&piece[..length]);
        drop(seen);
        shared.changed.notify_all();
    }
    shared.update(|seen| seen.over = true);
}

/// The modes of a terminal, unless it is gone.
fn modes(device: &Path) -> Option<Modes> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let termios = tcgetattr(rustix::fs::open(device, flags, Mode::empty()).ok()?).ok()?;
    let (input, output) = (termios.input_modes.bits(), termios.output_modes.bits());
    Some([input, output, termios.control_modes.bits(), termios.local_modes.bits()])
}

/// When a wait gave up: at its limit, or before it because nothing more can come.
fn until(seen: &Seen, limit: Duration) -> String {
    if seen.over { "before the program ended".to_owned() } else { format!("within {limit:?}") }
}

/// The screen in a frame, and how the program ended, for a failed test.
fn picture(seen: &Seen) -> String {
    let screen = seen.parser.screen();
    let (_, columns) = screen.size();
    let edge = "─".repeat(columns.get().into());
    let exit = seen.exit.as_ref().map_or_else(|| "it runs".to_owned(), ToString::to_string);
    let lines: String = screen.rows(0, columns.get()).map(|line| format!("│{line}\n")).collect();
    format!("┌{edge}\n{lines}└{edge}\nprogram: {exit}")
}

/// The private modes (`ESC [ ? N h` and `l`) and keyboard protocols that a stream of bytes leaves other than a terminal
/// starts with. Wrapping (7) and the cursor (25) start set, all others not.
pub fn left_modes(raw: &[u8]) -> Vec<String> {
    let mut set = BTreeMap::from([(7, true), (25, true)]);
    let mut keyboards = 0;
    for sequence in control_sequences(raw) {
        let (parameters, last) = sequence.split_at(sequence.len() - 1);
        match (parameters.as_bytes().first(), last) {
            (Some(b'?'), "h" | "l") => {
                let modes = parameters[1..].split(';').filter_map(|mode| mode.parse::<u16>().ok());
                set.extend(modes.map(|mode| (mode, last == "h")));
            }
            (Some(b'>'), "u") => keyboards += 1,
            (Some(b'<'), "u") => keyboards -= parameters[1..].parse().unwrap_or(1),
            _ => {}
        }
    }
    let starts_set = |mode: u16| matches!(mode, 7 | 25);
    let left = set.into_iter().filter(|(mode, on)| *on != starts_set(*mode));
    let mut left: Vec<String> =
        left.map(|(mode, on)| format!("private mode {mode} is left {}", if on { "on" } else { "off" })).collect();
    if keyboards != 0 {
        left.push("a keyboard protocol is left pushed".to_owned());
    }
    left
}

/// The bodies of all control sequences (`ESC [ … letter`) in a stream of bytes, with their last letter.
pub fn control_sequences(raw: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = raw;
    while let Some(start) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        rest = &rest[start + 2..];
        let Some(end) = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { break };
        found.push(String::from_utf8_lossy(&rest[..=end]).into_owned());
        rest = &rest[end + 1..];
    }
    found
}

fn left_style(screen: &vt100::Screen) -> Option<String> {
    let plain = screen.fgcolor() == vt100::Color::Default && screen.bgcolor() == vt100::Color::Default;
    let attributes = screen.bold() || screen.dim() || screen.italic() || screen.underline() || screen.inverse();
    (!plain || attributes).then(|| "colours or attributes are left set".to_owned())
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}
