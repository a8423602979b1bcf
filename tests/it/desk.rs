//! A desk to sit at: a home of its own, a config, and the program started on them.

use crate::lab::postgres::{DATABASE, password};
use crate::pty::{Launch, PATIENCE, Session};
use rustix::process::Pid;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Where the passwords of the reading and of the acting login are looked for.
const READ: &str = "QD_READ";
const ACT: &str = "QD_ACT";

/// A private home, with or without a config. Removed when dropped.
pub struct Desk {
    home: TempDir,
    config: Option<PathBuf>,
    path: Option<String>,
}

impl Desk {
    /// Nothing but an empty home.
    pub fn bare() -> Self {
        let home = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
        Self { home, config: None, path: None }
    }

    /// A home with this config.
    pub fn with(config: &str) -> Self {
        let mut desk = Self::bare();
        desk.config = Some(desk.file("config.toml", config));
        desk
    }

    /// What is started here finds programs by this `PATH`.
    pub fn find_by(&mut self, path: String) {
        self.path = Some(path);
    }

    /// Writes a file that only its owner may touch.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The dashboard, to be described further.
    pub fn launch(&self) -> Launch {
        self.describe(Launch::quarterdeck())
    }

    /// The dashboard under a shell with job control, which says what became of it: `stopped`, then, after a line is typed,
    /// goes on with it, and at last `ended with` the exit code.
    pub fn launch_under_shell(&self) -> Launch {
        let script = "set -m; \"$@\"; echo \"stopped with $?\"; read -r line; fg >/dev/null; echo \"ended with $?\"";
        let shell = Launch::program("/bin/sh").args(&["-c", script, "sh", env!("CARGO_BIN_EXE_quarterdeck")]);
        self.describe(shell)
    }

    /// The dashboard in a session of its own, which the terminal does not belong to: nothing sends it a signal.
    pub fn launch_in_its_own_session(&self) -> Launch {
        let setsid = Launch::program("/usr/bin/setsid").args(&["--fork", "--wait", env!("CARGO_BIN_EXE_quarterdeck")]);
        self.describe(setsid)
    }

    /// Starts the dashboard, and waits until it has painted.
    pub fn start(&self) -> Session {
        painted(self.launch())
    }

    /// The dashboard, started by another program (its words); by itself when there are none.
    pub fn launch_under(&self, wrapper: &[String]) -> Launch {
        let Some((first, rest)) = wrapper.split_first() else { return self.launch() };
        let launch = rest.iter().fold(Launch::program(first), |launch, word| launch.arg(word));
        self.describe(launch.arg(env!("CARGO_BIN_EXE_quarterdeck")))
    }

    /// Runs a subcommand without a terminal.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_under(&[], arguments)
    }

    /// The same, started by another program (its words).
    pub fn run_under(&self, wrapper: &[String], arguments: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_quarterdeck");
        let mut command = Command::new(wrapper.first().map_or(program, String::as_str));
        if let Some(rest) = wrapper.get(1..) {
            command.args(rest).arg(program);
        }
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
        command.envs(self.variables()).stdin(Stdio::null());
        command.args(self.config_argument()).args(arguments).output().unwrap()
    }

    /// Adds this desk's config and variables.
    fn describe(&self, launch: Launch) -> Launch {
        let launch = self.config_argument().iter().fold(launch, |launch, argument| launch.arg(argument));
        self.variables().into_iter().fold(launch, |launch, (name, value)| launch.env(name, &value))
    }

    fn config_argument(&self) -> Vec<String> {
        let named = |path: &PathBuf| vec!["--config".to_owned(), path.display().to_string()];
        self.config.as_ref().map(named).unwrap_or_default()
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let home = self.home.path().display().to_string();
        let passwords = [(READ, password("qd_read")), (ACT, password("qd_act"))];
        let path = self.path.iter().map(|path| ("PATH", path.clone()));
        [("XDG_STATE_HOME", format!("{home}/state")), ("HOME", home)].into_iter().chain(passwords).chain(path).collect()
    }
}

/// Starts what is launched, and waits for its first frame.
pub fn painted(launch: Launch) -> Session {
    let session = launch.start();
    session.wait_text("4 Databases");
    session
}

/// A table of a config: an engine.
pub fn docker(name: &str, host: &str, interval: &str) -> String {
    format!("[docker.{name}]\nhost = \"{host}\"\ninterval = \"{interval}\"\ntimeout = \"1s\"\n")
}

/// A table of a config: a PostgreSQL server on a port of loopback.
pub fn postgres(name: &str, port: u16) -> String {
    format!(
        "[postgres.{name}]\ndsn = \"postgres://qd_read@127.0.0.1:{port}/{DATABASE}?sslmode=disable\"\n\
         password = {{ env = \"{READ}\" }}\ninterval = \"250ms\"\ntimeout = \"2s\"\n"
    )
}

/// Two tables of a config: Prometheus and Alertmanager on ports of loopback.
pub fn alerts(prometheus: u16, alertmanager: u16) -> String {
    let table = |kind: &str, port: u16| {
        format!("[{kind}.main]\nurl = \"http://127.0.0.1:{port}\"\ninterval = \"250ms\"\ntimeout = \"2s\"\n")
    };
    table("prometheus", prometheus) + &table("alertmanager", alertmanager)
}

/// The rows of panes that hold `text`: panes stand beside each other, with a frame between.
pub fn rows_with<'a>(contents: &'a str, text: &str) -> impl Iterator<Item = &'a str> {
    contents.lines().flat_map(|line| line.split('│')).filter(move |part| part.contains(text))
}

/// Waits until a row that holds `text` holds all of `words` too, and returns it.
pub fn wait_row(session: &Session, text: &str, words: &[&str]) -> String {
    let mut found = None;
    session.wait_screen(&format!("row of “{text}” with {words:?}"), PATIENCE, |screen| {
        let contents = screen.contents();
        let row = rows_with(&contents, text).find(|row| words.iter().all(|word| row.contains(word)));
        found = row.map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}

/// Shows only what passes a filter in the focused pane, and puts the cursor on the first of it.
pub fn filter(session: &mut Session, text: &str) {
    // Once more from the start, should another filter be in force.
    session.send("/");
    session.wait_text("filter: ");
    session.send("\x1b");
    session.wait_no_text("filter: ");
    session.send("/");
    session.wait_text("filter: ");
    session.send(text);
    session.wait_text(&format!("filter: {text}"));
    session.send("\r");
    session.wait_no_text("filter: ");
    lull(session);
    session.send("g");
    lull(session);
}

/// Longer than the program takes two keys for a burst that nobody typed, and waits for what follows a key that leaves.
pub const LULL: Duration = Duration::from_millis(60);

/// Lets as much time pass as between two keys of a person.
pub fn lull(session: &Session) {
    session.sees(LULL, |_| false);
}

/// Types a key that counts only when it stands alone, until `text` shows. On a machine under load the program may take
/// it together with the key before, refuse it, and ask for it once more.
pub fn insist(session: &mut Session, key: &str, text: &str) {
    for _ in 0..5 {
        lull(session);
        session.send(key);
        if session.sees(Duration::from_secs(4), |screen| screen.contents().contains(text)) {
            return;
        }
    }
    session.wait_text(text);
}

/// Types `q`, as insistently, and waits for the end, which must be a good one that leaves the terminal clean.
pub fn quit(mut session: Session) {
    for _ in 0..5 {
        lull(&session);
        session.send("q");
        if session.ends(Duration::from_secs(4)) {
            break;
        }
    }
    assert_eq!(session.wait_exit().exit_code(), 0);
    assert_eq!(session.left_behind(), [""; 0]);
}

/// Asks for help and closes it again. What was typed before has been taken in when this returns; `look` sees the screen
/// at that moment.
pub fn fence(session: &mut Session, look: impl FnOnce(&str)) {
    // What a reply that never ended swallows, and what still has text in it, takes more than one attempt.
    let mut shown = false;
    for _ in 0..8 {
        session.send("\x1b");
        session.sees(Duration::from_millis(100), |_| false);
        session.send("?");
        shown = session.sees(Duration::from_secs(2), |screen| screen.contents().contains("help: the keys"));
        if shown {
            break;
        }
    }
    let text = session.text();
    assert!(shown, "no key has an effect any more\n{text}");
    look(&text);
    session.send("\x1b");
    session.wait_no_text("help: the keys");
}

/// The process that `parent` started.
pub fn child_of(parent: Pid) -> Pid {
    let path = format!("/proc/{parent}/task/{parent}/children", parent = parent.as_raw_nonzero());
    let children = std::fs::read_to_string(path).unwrap();
    let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    first.expect("it has a child")
}

/// Whether a stream of bytes sets a colour: SGR 30–37, 38, 40–47, 48, 90–97, 100–107. The default ones (39, 49) are none.
pub fn has_colour(raw: &[u8]) -> bool {
    let colour = |code: u16| matches!(code, 30..=38 | 40..=48 | 90..=97 | 100..=107);
    crate::pty::control_sequences(raw)
        .iter()
        .filter_map(|sequence| sequence.strip_suffix('m'))
        .any(|parameters| parameters.split(';').filter_map(|code| code.parse().ok()).any(colour))
}
