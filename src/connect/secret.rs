//! Finds the secrets that a config names: an environment variable, a command, a file.
//!
//! A secret never reaches an error: neither do the first bytes of it, nor what the command wrote to standard error.

use crate::domain::SourceError;
use crate::domain::secret::{Secret, SecretRef};
use crate::redact::Redactor;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Longest wait for a command: a key agent may have to ask a person, in a window of its own.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest secret read, in bytes.
const LONGEST: u64 = 64 << 10;

/// A secret that is found when it is first needed, kept, and found again after it was refused.
pub struct Keeper {
    reference: SecretRef,
    found: Mutex<Found>,
    redactor: Redactor,
}

/// How far the search for a secret has got. It is a task of its own, so that a poll that was given up does not start
/// a slow command over and over.
enum Found {
    NotYet,
    Sought(JoinHandle<Result<Secret, SourceError>>),
    Known(Secret),
}

impl Keeper {
    /// Of the secret that the config names.
    pub fn new(reference: SecretRef) -> Self {
        Self { reference, found: Mutex::new(Found::NotYet), redactor: Redactor::default() }
    }

    /// From now on what is found is hidden by `redactor` too.
    pub fn hide_with(&mut self, redactor: &Redactor) {
        self.redactor = redactor.clone();
    }

    /// The secret.
    ///
    /// # Errors
    /// When there is none: where it was looked for, and how to mend it.
    pub async fn get(&self) -> Result<Secret, SourceError> {
        let mut found = self.found.lock().await;
        loop {
            match &mut *found {
                Found::Known(secret) => return Ok(secret.clone()),
                Found::NotYet => {
                    let reference = self.reference.clone();
                    *found = Found::Sought(tokio::spawn(async move { resolve(&reference).await }));
                }
                Found::Sought(task) => {
                    let outcome = task.await;
                    *found = Found::NotYet;
                    let broken = |_| Err(SourceError::new("finding the secret was broken off", "try again"));
                    let secret = outcome.unwrap_or_else(broken)?;
                    self.redactor.learn(&secret);
                    *found = Found::Known(secret);
                }
            }
        }
    }

    /// It was refused: the next use finds it anew. Somebody finding it just now will find the new one.
    pub fn forget(&self) {
        if let Ok(mut found) = self.found.try_lock()
            && matches!(*found, Found::Known(_))
        {
            *found = Found::NotYet;
        }
    }
}

/// Finds one secret. Never blocks the executor.
///
/// # Errors
/// When there is none: where it was looked for, and how to mend it.
pub async fn resolve(reference: &SecretRef) -> Result<Secret, SourceError> {
    match reference {
        SecretRef::Env(name) => from_env(name, std::env::var(name).ok()),
        SecretRef::Command(command) => from_command(command, PATIENCE).await,
        SecretRef::File(path) => {
            let path = expand(path, std::env::var_os("HOME").map(PathBuf::from))?;
            let read = tokio::task::spawn_blocking(move || from_file(&path)).await;
            read.unwrap_or_else(|_| Err(SourceError::new("reading a secret's file was broken off", "try again")))
        }
    }
}

fn from_env(name: &str, value: Option<String>) -> Result<Secret, SourceError> {
    value.filter(|value| !value.is_empty()).map(Secret::from).ok_or_else(|| {
        SourceError::new(
            format!("the environment variable {name} is not set, or empty"),
            format!("export {name} before starting quarterdeck"),
        )
    })
}

/// Only absolute paths and `~/`: a relative one would mean another file in every directory.
fn expand(path: &str, home: Option<PathBuf>) -> Result<PathBuf, SourceError> {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        _ if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(SourceError::new(
            format!("the secret's file {path} is not named from the root"),
            "write the whole path, or one that starts with ~/",
        )),
    }
}

fn from_file(path: &Path) -> Result<Secret, SourceError> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "make it, or name the right one",
            _ => "check who may read it and the directories above it",
        };
        SourceError::new(format!("the secret's file {shown} can't be read: {error}"), hint)
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SourceError::new(format!("{shown} is no ordinary file"), "name a file that holds the secret"));
    }
    let file = File::open(path).map_err(failed)?;
    // Judged by the open file, so that it can't be exchanged in between.
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        let what = format!("the secret's file {shown} is open to others than its owner");
        return Err(SourceError::new(what, format!("chmod 600 {shown}")));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    first_line(bytes).ok_or_else(|| {
        SourceError::new(format!("the first line of the secret's file {shown} is empty"), "write the secret there")
    })
}

async fn from_command(command: &str, patience: Duration) -> Result<Secret, SourceError> {
    let failed = |why: String| {
        SourceError::new(
            format!("the command for a secret {why}: {command}"),
            "run it by hand with </dev/null: it must print the secret and ask nothing on the terminal",
        )
    };
    let child = start(command).map_err(|error| failed(format!("does not start ({error})")))?;
    let mut group = Group(child);
    let (status, bytes) = tokio::time::timeout(patience, group.finish())
        .await
        .map_err(|_| failed(format!("gave no answer in {} s", patience.as_secs())))?
        .map_err(|error| failed(format!("can't be read ({error})")))?;
    if !status.success() {
        let code = status.code().map_or_else(|| "was killed".to_owned(), |code| format!("ended with {code}"));
        return Err(failed(code));
    }
    first_line(bytes).ok_or_else(|| failed("printed nothing".to_owned()))
}

/// Starts the shell in a session of its own: without a terminal nothing can paint a prompt over the screen. Where the
/// program `setsid` is missing, a process group of its own has to do.
fn start(command: &str) -> std::io::Result<Child> {
    let set = |mut shell: Command| {
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).env_remove("GPG_TTY").spawn()
    };
    let mut session = Command::new("setsid");
    session.args(["sh", "-c", command]);
    match set(session) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut group = Command::new("sh");
            group.args(["-c", command]).process_group(0);
            set(group)
        }
        started => started,
    }
}

/// A command and all that it started. They are killed when this is dropped: a poll that was given up leaves nothing.
struct Group(Child);

impl Group {
    async fn finish(&mut self) -> std::io::Result<(std::process::ExitStatus, Vec<u8>)> {
        let mut bytes = Vec::new();
        if let Some(stdout) = self.0.stdout.take() {
            stdout.take(LONGEST).read_to_end(&mut bytes).await?;
        }
        Ok((self.0.wait().await?, bytes))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The id is gone once the child was waited for: then there is nothing to kill.
        let pid = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            let _ = self.0.start_kill();
        }
    }
}

fn first_line(bytes: Vec<u8>) -> Option<Secret> {
    let text = String::from_utf8(bytes).ok()?;
    let line = text.lines().next().unwrap_or_default();
    (!line.is_empty()).then(|| Secret::from(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[tokio::test]
    async fn a_file_gives_its_first_line() {
        let (_dir, path) = file("hunter2\r\nmore", 0o600);
        let secret = resolve(&SecretRef::File(path.display().to_string())).await.unwrap();
        assert_eq!(secret.expose_secret(), "hunter2");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_mend() {
        let (_dir, path) = file("hunter2", 0o640);
        let error = from_file(&path).unwrap_err();
        assert!(error.what.ends_with("is open to others than its owner"), "{}", error.what);
        assert_eq!(error.hint, format!("chmod 600 {}", path.display()));
        assert!(from_file(Path::new("/")).unwrap_err().what.contains("no ordinary file"));
        let (_dir, path) = file("\nx", 0o600);
        assert!(from_file(&path).unwrap_err().what.contains("is empty"));
    }

    #[test]
    fn a_file_is_named_from_the_root_or_from_home() {
        let home = || Some(PathBuf::from("/home/me"));
        assert_eq!(expand("~/pw", home()).unwrap(), PathBuf::from("/home/me/pw"));
        assert_eq!(expand("/pw", None).unwrap(), PathBuf::from("/pw"));
        assert!(expand("pw", home()).is_err());
        assert!(expand("~/pw", None).is_err());
    }

    #[test]
    fn an_empty_variable_is_no_secret() {
        assert_eq!(from_env("X", Some("a".into())).unwrap().expose_secret(), "a");
        assert!(from_env("X", Some(String::new())).is_err());
        assert!(from_env("X", None).unwrap_err().what.contains("variable X is not set"));
    }

    #[tokio::test]
    async fn a_command_gives_its_first_line_and_has_no_terminal() {
        let secret = from_command("cat; printf 'hunter2\\nmore'", PATIENCE).await.unwrap();
        assert_eq!(secret.expose_secret(), "hunter2");
        let tty = from_command("(: </dev/tty) 2>/dev/null && echo yes || echo no", PATIENCE).await.unwrap();
        assert_eq!(tty.expose_secret(), "no");
    }

    #[tokio::test]
    async fn a_command_that_fails_says_so_and_never_what_it_printed() {
        let error = from_command("v=hunter; echo ${v}2; echo ${v}2 >&2; exit 3", PATIENCE).await.unwrap_err();
        assert!(error.what.starts_with("the command for a secret ended with 3: "), "{}", error.what);
        assert!(!error.to_string().contains("hunter2"));
        assert!(from_command("true", PATIENCE).await.unwrap_err().what.contains("printed nothing"));
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        // The grandchild holds the pipe open, so that nothing ends before it does.
        let command = format!("sleep 1000 & echo $! > {}; wait", path.display());
        let error = from_command(&command, Duration::from_millis(300)).await.unwrap_err();
        assert!(error.what.contains("gave no answer"), "{}", error.what);
        let pid = std::fs::read_to_string(&path).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        let gone = || std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
        tokio::time::timeout(Duration::from_secs(5), async {
            while !gone() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the command's child outlived it");
    }

    #[tokio::test]
    async fn a_secret_is_found_once_and_again_when_it_was_refused() {
        let dir = tempfile::tempdir().unwrap();
        let count = dir.path().join("count");
        let command = format!("echo x >> {0}; wc -l < {0}", count.display());
        let keeper = Keeper::new(SecretRef::Command(command));
        let known = || async { keeper.get().await.unwrap().expose_secret().trim().to_owned() };
        assert_eq!((known().await, known().await), ("1".to_owned(), "1".to_owned()));
        keeper.forget();
        assert_eq!(known().await, "2");
    }

    #[tokio::test]
    async fn a_search_outlives_the_poll_that_began_it() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let command = format!("echo x >> {}/count; cat {}", dir.path().display(), pipe.display());
        let keeper = Keeper::new(SecretRef::Command(command));
        assert!(tokio::time::timeout(Duration::from_millis(50), keeper.get()).await.is_err());
        let write = tokio::task::spawn_blocking(move || std::fs::write(pipe, "hunter2\n"));
        keeper.get().await.unwrap();
        write.await.unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "x\n");
    }
}
