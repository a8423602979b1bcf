//! Plays a recording on a thread of its own: what is read from the file never delays a key.

use crate::domain::{Answered, Inquiry, SourceError};
use crate::event::Event;
use crate::recording::{Command, Player};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::mpsc as events;

/// The screen's clock moves so often.
const STEP: Duration = Duration::from_millis(100);
/// While nothing moves, only a command wakes it.
const REST: Duration = Duration::from_hours(1);

/// A replay under way. Ends when dropped.
pub struct Replay(Sender<Command>);

impl Replay {
    /// Begins to play; what comes of it comes as events.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(player: Player, events: events::Sender<Event>) -> std::io::Result<Self> {
        let (sender, commands) = mpsc::channel();
        std::thread::Builder::new().name("replay".to_owned()).spawn(move || play(player, &commands, &events))?;
        Ok(Self(sender))
    }

    /// Does what somebody wants, soon.
    pub fn obey(&self, command: Command) {
        // It ends only when the screen does.
        let _ = self.0.send(command);
    }
}

fn play(mut player: Player, commands: &Receiver<Command>, events: &events::Sender<Event>) {
    let mut then = Instant::now();
    loop {
        let command = commands.recv_timeout(if player.is_moving() { STEP } else { REST });
        let passed = then.elapsed();
        then = Instant::now();
        let played = match command {
            Ok(command) => player.obey(command),
            Err(RecvTimeoutError::Timeout) => Ok(player.pass(passed)),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // What it took to jump is not time that passed.
        if command.is_ok() {
            then = Instant::now();
        }
        let event = match played {
            Ok(played) => Event::Replayed(Box::new(played)),
            Err(error) => {
                let what = format!("the recording can't be read any more: {error}");
                Event::Run(crate::event::RunEvent::Trouble { run: None, what })
            }
        };
        if events.blocking_send(event).is_err() {
            return;
        }
    }
}

/// The answer to whatever a page asks while nobody is asked.
pub fn unanswered(inquiry: Inquiry) -> Event {
    let what = "what a page asks for when it is opened is not in a recording";
    let error = SourceError::new(what, "Prometheus may still have it, and shows it outside of the replay");
    Event::Answered(Answered { inquiry, outcome: Err(error) })
}
