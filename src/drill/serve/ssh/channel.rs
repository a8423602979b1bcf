//! What somebody runs on a machine: the scripts that quarterdeck sends, or any command.

use super::{Host, probe};
use crate::drill::machine::{Control, Machine, USER};
use crate::drill::shell::{Job, Stream};
use crate::steps::bash::sent::{self, Script, Sent, Task};
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelWriteHalf};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// What quarterdeck has a login shell do: the script comes on its input.
const READS: [&str; 2] = ["exec sh -s", "sh -s"];
/// The longest input.
const LONGEST: usize = 8 << 20;
/// What was not said how long it may take ends after so long.
const LIMIT: Duration = Duration::from_secs(3_600);
/// The status of what ended because its time was over.
const LATE: i32 = 124;

/// Where a line comes from and leads to, as its script is told.
const FROM: &str = "127.0.0.1 50022 127.0.0.1 22";

/// Something that is said, or its end.
enum Said {
    Words(Stream, Vec<u8>),
    Ended(i32),
}

/// Runs what was asked for, and hands on what it says.
pub(super) async fn talk(host: Arc<Host>, channel: Channel<Msg>, command: String) {
    let (mut read, write) = channel.split();
    let reads = READS.contains(&command.as_str());
    let mut input = Vec::new();
    while reads && input.len() < LONGEST {
        match read.wait().await {
            Some(ChannelMsg::Data { data }) => input.extend_from_slice(&data),
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break,
            Some(_) => {}
        }
    }
    let text = if reads { String::from_utf8_lossy(&input).into_owned() } else { command };
    let code = match sent::read(&text) {
        Some(Sent::Ask(ask)) => {
            let answer = host.keeper.answer(&host, ask).await;
            let _ = write.data_bytes(answer).await;
            0
        }
        Some(Sent::Task(task)) => waited(&host, task, &write).await,
        None => match probe::answer(&host.machine, &text) {
            Some(answer) => {
                let _ = write.data_bytes(answer.into_bytes()).await;
                0
            }
            None => plain(&host, text, &write).await,
        },
    };
    let _ = write.exit_status(code.unsigned_abs()).await;
    let _ = write.eof().await;
    let _ = write.close().await;
}

/// What the shell is given to run.
pub(super) fn job(script: Script, user: Option<String>, step: Option<String>) -> Job {
    let user = user.unwrap_or_else(|| USER.to_owned());
    let home = home(&user);
    let mut env: BTreeMap<String, String> = script.variables.into_iter().collect();
    env.extend(step.map(|step| ("QUARTERDECK_STEP".to_owned(), step)));
    for (name, value) in [
        ("SSH_CONNECTION", FROM),
        ("HOME", home),
        ("USER", &user),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
    ] {
        env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    let folder = script.dir.unwrap_or_else(|| home.to_owned());
    Job { script: script.body, env, user: user.clone(), folder, ..Job::default() }
}

fn home(user: &str) -> &'static str {
    match user {
        "root" => "/root",
        "postgres" => "/var/lib/postgresql",
        _ => "/home/ops",
    }
}

/// Runs something on a thread of its own. Whatever becomes of it, its end is told.
pub(super) fn start(
    machine: Arc<Machine>,
    job: Job,
    control: Control,
    mut told: impl FnMut(Stream, &[u8]) + Send + 'static,
    ended: impl FnOnce(i32) + Send + 'static,
) {
    let work = move || {
        let run = AssertUnwindSafe(|| machine.run(&job, &control, &mut told));
        // A shell that breaks down must not leave somebody waiting.
        let code = catch_unwind(run).unwrap_or(70);
        control.over();
        ended(code);
    };
    let _ = std::thread::Builder::new().name("drill-script".to_owned()).spawn(work);
}

fn teller(to: &UnboundedSender<Said>) -> impl FnMut(Stream, &[u8]) + Send + use<> {
    let to = to.clone();
    // Who asked may have gone.
    move |stream, bytes| drop(to.send(Said::Words(stream, bytes.to_vec())))
}

async fn hand_on(host: &Host, job: Job, control: Control, write: &ChannelWriteHalf<Msg>) -> i32 {
    let (to, mut from) = unbounded_channel();
    let ended = to.clone();
    start(Arc::clone(&host.machine), job, control, teller(&to), move |code| drop(ended.send(Said::Ended(code))));
    drop(to);
    while let Some(said) = from.recv().await {
        match said {
            Said::Words(Stream::Out, bytes) => drop(write.data_bytes(bytes).await),
            Said::Words(Stream::Err, bytes) => drop(write.extended_data_bytes(1, bytes).await),
            Said::Ended(code) => return code,
        }
    }
    70
}

/// A script that is waited for, with what is said about it on the error output.
async fn waited(host: &Host, task: Task, write: &ChannelWriteHalf<Msg>) -> i32 {
    let Task { script, user, step, mark } = task;
    let say = async |text: String| drop(write.extended_data_bytes(1, text.into_bytes()).await);
    if let Some(dir) = script.dir.as_ref().filter(|dir| !host.machine.has_folder(dir)) {
        say(format!("bash: line 4: cd: {dir}: No such file or directory\n")).await;
        return 1;
    }
    // What looks for processes of a script, and ends them.
    if let Some((_, key)) =
        script.variables.iter().find(|(name, _)| name == "key" && script.body.contains("QUARTERDECK_STEP=$key"))
    {
        if script.body.contains("for signal in") {
            host.end(key);
        }
        say(format!("{mark} began 1\n{mark} ended 0\n")).await;
        return 0;
    }
    let control = host.begin(step.as_deref().unwrap_or_default(), Duration::from_secs(script.seconds));
    say(format!("{mark} began 4711\n")).await;
    let code = hand_on(host, job(script, user, step), control.clone(), write).await;
    if control.was_late() {
        say(format!("{mark} late\n")).await;
        return LATE;
    }
    say(format!("{mark} ended {code}\n")).await;
    code
}

/// Any other command, as somebody types it.
async fn plain(host: &Host, text: String, write: &ChannelWriteHalf<Msg>) -> i32 {
    let control = host.begin("", LIMIT);
    let script = Script { body: text, ..Script::default() };
    hand_on(host, job(script, None, None), control, write).await
}
