//! Changes that a machine keeps, whatever becomes of the line: begun once at most, followed by offsets, ended, and forgotten when their
//! result is known elsewhere. What `durable.sh` does on a real host.

use super::Host;
use super::channel::{job, start};
use crate::drill::machine::Control;
use crate::drill::shell::{Ended, Stream};
use crate::steps::bash::sent::{Ask, Script, What};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// So many bytes are handed over at once.
const PIECE: usize = 128 << 10;
/// From the signal that nothing survives to the answer.
const KILLED: Duration = Duration::from_secs(3);

/// All that one machine keeps, by key.
#[derive(Default)]
pub(super) struct Keeper(Mutex<HashMap<String, Arc<Step>>>);

/// One change.
struct Step {
    seen: Mutex<Seen>,
    news: watch::Sender<u64>,
    control: Control,
}

/// What is known of it.
#[derive(Default)]
struct Seen {
    out: Vec<u8>,
    err: Vec<u8>,
    /// Its status.
    code: Option<i32>,
    cancelled: bool,
    /// Its result is known elsewhere: the sizes and sums stand here.
    over: Option<String>,
}

impl Step {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen());
        self.news.send_modify(|count| *count += 1);
    }

    /// As `durable.sh` says how it stands.
    fn state(&self) -> String {
        let seen = self.seen();
        if let Some(line) = &seen.over {
            return format!("over {line}");
        }
        self.result(&seen).map_or_else(|| "running".to_owned(), |line| format!("done {line}"))
    }

    fn result(&self, seen: &Seen) -> Option<String> {
        let code = seen.code?;
        let how = match () {
            () if self.control.was_late() => "late",
            () if seen.cancelled => "cancelled",
            () => "ended",
        };
        let [out, err] = [&seen.out, &seen.err].map(|bytes| format!("{} {}", bytes.len(), sum(bytes)));
        Some(format!("{how} {code} {out} {err} "))
    }

    /// Waits until it has ended, at most so long; whether it has.
    async fn wait(&self, length: Duration) -> bool {
        let mut news = self.news.subscribe();
        let until = Instant::now() + length;
        while self.seen().code.is_none() {
            if timeout_at(until, news.changed()).await.is_err() {
                return false;
            }
        }
        true
    }
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut out, byte| {
        // A String takes everything.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The lines of an answer, each behind the mark.
struct Answer {
    mark: String,
    bytes: Vec<u8>,
}

impl Answer {
    fn say(mut self, words: &str) -> Self {
        self.bytes.extend_from_slice(format!("{} {words}\n", self.mark).as_bytes());
        self
    }

    /// A piece of an output, from there on.
    fn piece(mut self, name: &str, all: &[u8], from: usize) -> Self {
        let Some(rest) = all.get(from..).filter(|rest| !rest.is_empty()) else { return self };
        let piece = &rest[..rest.len().min(PIECE)];
        self = self.say(&format!("{name} {from} {}", piece.len()));
        self.bytes.extend_from_slice(piece);
        self.bytes.push(b'\n');
        self
    }
}

impl Keeper {
    fn find(&self, key: &str) -> Option<Arc<Step>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// What the machine says to it.
    pub(super) async fn answer(&self, host: &Host, ask: Ask) -> Vec<u8> {
        let answer = Answer { mark: ask.mark.clone(), bytes: Vec::new() };
        let found = self.find(&ask.key);
        let state = || found.as_ref().map_or_else(|| "none".to_owned(), |step| step.state());
        let answer = match (ask.what, &found) {
            (What::Probe, _) => answer.say("can"),
            (What::Start(_), Some(step)) => answer.say(&format!("exists {}", step.state())),
            (What::Start(script), None) => answer.say(&self.start(host, ask.key, ask.user, script)),
            (What::Poll { wait, out, err }, Some(step)) => {
                poll(answer, step, Duration::from_secs(wait), out, err).await
            }
            (What::Cancel { grace }, Some(step)) => {
                cancel(step, Duration::from_secs(grace)).await;
                answer.say("left ").say(&format!("state {}", step.state()))
            }
            (What::Cancel { .. }, None) => answer.say("left ").say("state none"),
            (What::Forget { again }, Some(step)) => {
                self.forget(&ask.key, step, again);
                answer.say(&format!("state {}", if again { "none".to_owned() } else { state() }))
            }
            (What::Poll { .. } | What::Forget { .. }, None) => answer.say("state none"),
        };
        answer.bytes
    }

    fn start(&self, host: &Host, key: String, user: Option<String>, script: Script) -> String {
        if let Some(dir) = script.dir.as_ref().filter(|dir| !host.machine.has_folder(dir)) {
            return format!("started no the folder {dir} is not there, or closed to it");
        }
        let control = host.begin(&key, Duration::from_secs(script.seconds));
        let step = Arc::new(Step { seen: Mutex::default(), news: watch::Sender::new(0), control: control.clone() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Arc::clone(&step));
        let (hears, ends) = (Arc::clone(&step), step);
        let told = move |stream: Stream, bytes: &[u8]| {
            hears.change(|seen| match stream {
                Stream::Out => seen.out.extend_from_slice(bytes),
                Stream::Err => seen.err.extend_from_slice(bytes),
            });
        };
        start(Arc::clone(&host.machine), job(script, user, Some(key)), control, told, move |code| {
            ends.change(|seen| seen.code = Some(code));
        });
        "started running".to_owned()
    }

    fn forget(&self, key: &str, step: &Step, again: bool) {
        let line = step.result(&step.seen());
        if line.is_none() {
            return;
        }
        if again {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        } else {
            step.change(|seen| *seen = Seen { over: line, code: seen.code, ..Seen::default() });
        }
    }
}

async fn poll(answer: Answer, step: &Step, wait: Duration, out: usize, err: usize) -> Answer {
    let mut news = step.news.subscribe();
    let until = Instant::now() + wait;
    loop {
        let has_news = {
            let seen = step.seen();
            seen.code.is_some() || seen.over.is_some() || seen.out.len() > out || seen.err.len() > err
        };
        if has_news || timeout_at(until, news.changed()).await.is_err() {
            break;
        }
    }
    let state = step.state();
    let seen = step.seen();
    answer.piece("out", &seen.out, out).piece("err", &seen.err, err).say(&format!("state {state}"))
}

/// Ends it: politely at first.
async fn cancel(step: &Step, grace: Duration) {
    if step.seen().code.is_some() {
        return;
    }
    step.change(|seen| seen.cancelled = true);
    step.control.end(Ended::Term);
    if !step.wait(grace).await {
        step.control.end(Ended::Kill);
        step.wait(KILLED).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::machine::Machine;
    use crate::drill::serve::hosts::Token;
    use crate::drill::stage::{Shared, Stage};
    use crate::drill::{Scenario, Size};

    async fn said(host: &Host, key: &str, what: What) -> String {
        let ask = Ask { key: key.to_owned(), user: None, mark: "m".to_owned(), what };
        String::from_utf8(host.keeper.answer(host, ask).await).unwrap()
    }

    fn start(body: &str, dir: Option<&str>) -> What {
        let dir = dir.map(str::to_owned);
        What::Start(Script { body: body.to_owned(), dir, seconds: 600, ..Script::default() })
    }

    #[tokio::test]
    async fn a_change_is_begun_once_followed_ended_and_forgotten() {
        let scenario = Scenario::built_in("steady").unwrap();
        let stage = Stage::new(1, Size::default(), scenario, jiff::Timestamp::now(), 1.0).unwrap();
        let machine = Machine::new(Shared::new(stage), 1, Token("t".to_owned()));
        let host = Host::new(Arc::new(machine), [0, 0]);
        assert_eq!(said(&host, "a", What::Probe).await, "m can\n");
        assert_eq!(said(&host, "a", start("echo one; sleep 500", None)).await, "m started running\n");
        assert_eq!(said(&host, "a", start("echo two", None)).await, "m exists running\n");
        let news = What::Poll { wait: 60, out: 0, err: 0 };
        assert_eq!(said(&host, "a", news).await, "m out 0 4\none\n\nm state running\n");
        let ended = said(&host, "a", What::Cancel { grace: 30 }).await;
        assert!(ended.starts_with("m left \nm state done cancelled 143 4 "), "{ended}");
        let rest = said(&host, "a", What::Poll { wait: 0, out: 2, err: 0 }).await;
        assert!(rest.starts_with("m out 2 2\ne\n\nm state done cancelled 143 4 "), "{rest}");
        let over = said(&host, "a", What::Forget { again: false }).await;
        assert!(over.starts_with("m state over cancelled 143 4 "), "{over}");
        assert!(said(&host, "a", start("echo two", None)).await.starts_with("m exists over "));
        assert_eq!(said(&host, "a", What::Forget { again: true }).await, "m state none\n");
        assert!(said(&host, "b", start("true", Some("/none"))).await.contains("no the folder /none is not there"));
        assert_eq!(said(&host, "b", What::Poll { wait: 0, out: 0, err: 0 }).await, "m state none\n");
    }
}
