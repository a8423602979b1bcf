//! The person at the terminal: asked in plain text on standard error, answers in lines.

use std::io::{IsTerminal, Write, stderr, stdin};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Somebody who can answer.
pub struct Person {
    lines: UnboundedReceiver<String>,
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
                if sender.send(line.trim().to_owned()).is_err() {
                    return;
                }
            }
        });
        Some(Self { lines })
    }

    /// Puts a question. What was typed before answers nothing.
    pub fn put(&mut self, question: &str) {
        while self.lines.try_recv().is_ok() {}
        eprint!("{question} ");
        let _ = stderr().flush();
    }

    /// The next line; `None`: there will be none.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Asks, and waits for the line; empty when there will be none.
    pub async fn ask(&mut self, question: &str) -> String {
        self.put(question);
        self.line().await.unwrap_or_default()
    }
}
