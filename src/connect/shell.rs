//! A POSIX shell that reads its script from its standard input: of a host, over SSH, or of this machine.

use super::ssh::{Ended, Job, Kept, Output, Ssh, Unanswered};
use crate::clock;
use crate::domain::SourceError;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Where a script runs.
#[derive(Clone)]
pub enum Shell {
    /// On a host.
    There(Arc<Ssh>),
    /// On this machine.
    Here,
}

impl Shell {
    /// Where it is, as [`Ssh::target`] tells.
    pub async fn address(&self) -> String {
        match self {
            Self::There(ssh) => ssh.target().await,
            Self::Here => "this machine".to_owned(),
        }
    }

    /// Runs something, and waits for its end or for the job's limit. What is given up on goes on by itself.
    ///
    /// # Errors
    /// When no shell can be had, or the line to it broke.
    pub async fn send(&self, job: &Job<'_>) -> Result<Output, Unanswered> {
        match self {
            Self::There(ssh) => ssh.send(job).await,
            Self::Here => here(job).await.map_err(|why| Unanswered { left: false, why }),
        }
    }
}

async fn here(job: &Job<'_>) -> Result<Output, SourceError> {
    let input = job.input()?;
    let mut command = Command::new("sh");
    // In a group of its own: what the keyboard sends to this program is not meant for it.
    command.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let unstarted = |why| SourceError::new(format!("no shell can be started here: {why}"), "look for `sh` on the PATH");
    let (sent, mut child) = (clock::now(), command.spawn().map_err(unstarted)?);
    let (mut out, mut err) = (Kept::output(job), Kept::errors(job));
    let talking = talk(&mut child, &input, &mut out, &mut err);
    let ended = timeout(job.limit, talking).await.unwrap_or(Ended::GivenUp);
    Ok(Output::of(ended, out, err, sent, Duration::ZERO))
}

async fn talk(child: &mut Child, input: &[u8], out: &mut Kept<'_>, err: &mut Kept<'_>) -> Ended {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A shell that is gone reads nothing: its exit status says more than the broken pipe.
            let _ = stdin.write_all(input).await;
        }
    };
    tokio::join!(write, out.read(stdout), err.read(stderr));
    let status = child.wait().await.ok();
    status.and_then(|status| status.code()).map_or(Ended::Killed, Ended::Exit)
}
