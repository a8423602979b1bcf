//! The person at the terminal: asked in plain text on standard error, answers in lines.

use rustix::termios::{QueueSelector, tcflush};
use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Nobody reads a question and answers it within this time: what comes earlier was typed ahead, or pasted.
const READING: Duration = Duration::from_millis(300);

/// Somebody who can answer.
pub struct Person {
    lines: UnboundedReceiver<(Instant, String)>,
    /// The question that was put last, and since when.
    asked: Option<(Instant, String)>,
    /// It stands at the end of what was printed, and waits for a line.
    waits: bool,
    /// Ctrl-C was the answer to a question.
    interrupted: bool,
}

impl Person {
    /// `None`: nobody is there, because one of the two is no terminal.
    pub fn here() -> Option<Self> {
        if !stdin().is_terminal() || !stderr().is_terminal() {
            return None;
        }
        let (sender, lines) = unbounded_channel();
        // A thread of its own: it is never over while nobody types, and nothing waits for it.
        std::thread::spawn(move || {
            for line in stdin().lines() {
                let Ok(line) = line else { return };
                if sender.send((Instant::now(), line.trim().to_owned())).is_err() {
                    return;
                }
            }
        });
        Some(Self { lines, asked: None, waits: false, interrupted: false })
    }

    /// Puts a question. What was typed before answers nothing, and neither does half a line of it.
    pub fn put(&mut self, question: &str) {
        // Where it can't be thrown away it still comes too early.
        let _ = tcflush(stdin(), QueueSelector::IFlush);
        while self.lines.try_recv().is_ok() {}
        // Before it can be read: however slow the machine is, who took their time is not too early.
        self.asked = Some((Instant::now(), question.to_owned()));
        eprint!("{question} ");
        let _ = stderr().flush();
        self.waits = true;
    }

    /// Prints what is told while a question may be open: on lines of its own, with the end of the question below it.
    pub fn tell(&self, told: &[String]) {
        if told.is_empty() {
            return;
        }
        self.apart(stdout().is_terminal(), || println!("{}", told.join("\n")));
    }

    /// The same of what is told on standard error, where questions stand.
    pub fn warn(&self, told: &[String]) {
        if told.is_empty() {
            return;
        }
        self.apart(true, || eprintln!("{}", told.join("\n")));
    }

    fn apart(&self, shows: bool, tell: impl FnOnce()) {
        let question = self.asked.as_ref().filter(|_| shows && self.waits);
        if question.is_some() {
            eprintln!();
        }
        tell();
        if let Some((_, question)) = question {
            eprint!("{} ", question.lines().next_back().unwrap_or_default());
            let _ = stderr().flush();
        }
    }

    /// Nobody waits for an answer any more.
    pub fn withdraw(&mut self) {
        if std::mem::take(&mut self.waits) {
            eprintln!();
        }
    }

    /// The next line that somebody can have meant; `None`: there will be none.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            let (typed, line) = self.lines.recv().await?;
            self.waits = false;
            let Some((since, question)) = self.asked.clone() else { return Some(line) };
            if typed.saturating_duration_since(since) >= READING {
                return Some(line);
            }
            eprintln!("that came too soon: it was typed ahead, or pasted");
            self.put(&question);
        }
    }

    /// Whether Ctrl-C was the answer to a question since this was asked last.
    pub const fn take_interrupt(&mut self) -> bool {
        std::mem::replace(&mut self.interrupted, false)
    }

    /// Asks, and waits for the line; empty when there will be none. Ctrl-C is no answer, and no sudden end: whoever asked says what follows.
    pub async fn ask(&mut self, question: &str) -> String {
        // Taken before the question can be read: who answers it at once is not too early.
        let interrupt = signal(SignalKind::interrupt());
        self.put(question);
        let Ok(mut interrupt) = interrupt else { return self.line().await.unwrap_or_default() };
        tokio::select! {
            line = self.line() => line.unwrap_or_default(),
            Some(()) = interrupt.recv() => {
                self.withdraw();
                self.interrupted = true;
                String::new()
            }
        }
    }
}
