//! A drill that plays by itself: a key file types into the ordinary loop, and moves the world's time.

use crate::app::typing::{BURST, QUIET};
use crate::clock;
use crate::drill::script::{Do, Script};
use crate::drill::stage::Shared;
use crate::keymap::Chord;
use crate::runtime::seat::{Seat, Shown, Typed, Unseen};
use color_eyre::eyre::{WrapErr, eyre};
use crossterm::event::{Event, KeyCode, KeyEvent};
use jiff::Timestamp;
use regex::Regex;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// The screen's columns and rows.
const SIZE: (u16, u16) = (160, 45);
/// What is waited for comes within so long, or not at all: far more than it takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A person takes longer from one key to the next: what comes closer together counts as pasted.
const BETWEEN_LETTERS: Duration = BURST.saturating_add(Duration::from_millis(1));
/// And rests after one that acts: what follows sooner takes it for a slip.
const BETWEEN_KEYS: Duration = QUIET.saturating_add(Duration::from_millis(30));
/// And longer to read what they waited for: an answer that comes sooner is taken for a slip.
const READS: Duration = Duration::from_millis(350);
/// From look to look whether something was done.
const LOOK: Duration = Duration::from_millis(20);

/// Reads a key file.
pub fn read(path: &Path) -> color_eyre::Result<Script> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{} can't be read", path.display()))?;
    let script = Script::read(&text).map_err(|why| eyre!("{}: {why}", path.display()))?;
    for (line, what) in &script.0 {
        let Do::Keys(keys) = what else { continue };
        if let Some(wrong) = keys.iter().find(|key| Chord::parse(key).is_none()) {
            return Err(eyre!(
                "{}: line {line}: there is no key {wrong:?}; docs/keys.md has their names",
                path.display()
            ));
        }
    }
    Ok(script)
}

/// Hands that type; they end with the file, or with what did not come, and the screen with them.
pub struct Hands(JoinHandle<Result<(), String>>);

impl Hands {
    /// Puts them at a seat before which nobody sits, and sets them to work.
    pub fn at(seat: &mut Seat, stage: Shared, script: Script) -> Self {
        let (keys, typed) = mpsc::channel(64);
        let shown = seat.shown.get_or_insert_default().clone();
        let ask = Arc::clone(seat.ask.get_or_insert_default());
        seat.unseen = Some(Unseen { size: SIZE, typed });
        let player = Player { stage, keys, shown, ask, typed: Cell::new(0), done: Cell::new(0) };
        Self(spawn(move || player.play(&script)))
    }

    /// Whether they came to the end of the file; after the screen is left.
    pub fn done(self) -> Result<(), String> {
        self.0.join().unwrap_or_else(|_| Err("the player of the key file panicked".to_owned()))
    }
}

struct Player {
    stage: Shared,
    keys: mpsc::Sender<Typed>,
    shown: Shown,
    /// Every source is asked at once.
    ask: Arc<Notify>,
    /// Keys so far.
    typed: Cell<u64>,
    /// What was done so far, as far as it was waited for.
    done: Cell<usize>,
}

impl Player {
    fn play(&self, script: &Script) -> Result<(), String> {
        let painted = self.shown.wait(PATIENCE, |frames, _| frames > 0);
        if !painted {
            return Err("no screen came".to_owned());
        }
        for (line, what) in &script.0 {
            let done = self.carry_out(what);
            done.map_err(|why| format!("line {line}: {why}; on the screen is\n\n{}", self.shown.text()))?;
        }
        Ok(())
    }

    fn carry_out(&self, what: &Do) -> Result<(), String> {
        match what {
            Do::Keys(keys) => keys.iter().filter_map(|key| Chord::parse(key)).try_for_each(|key| {
                self.press(key.key())?;
                sleep(BETWEEN_KEYS);
                Ok(())
            }),
            Do::Text(text) => self.text(text),
            Do::Wait(pattern) => self.wait(pattern, true),
            Do::Gone(pattern) => {
                self.look()?;
                self.wait(pattern, false)
            }
            Do::Expect(pattern) => {
                self.look()?;
                let shows = pattern.is_match(&self.shown.text());
                shows.then_some(()).ok_or_else(|| format!("`expect {pattern}`"))
            }
            Do::Done(pattern) => self.done(pattern),
            Do::Pass(seconds) => {
                self.stage.lock().pass(*seconds, Timestamp::now());
                self.ask.notify_one();
                Ok(())
            }
            Do::Until(second) => {
                let mut stage = self.stage.lock();
                let left = second - stage.world.at;
                if left < 0 {
                    return Err(format!("`until {second}` is over: it is {}", stage.world.at));
                }
                stage.pass(left, Timestamp::now());
                self.ask.notify_one();
                Ok(())
            }
        }
    }

    /// Each letter by itself; the pause behind the last is that of a key.
    fn text(&self, text: &str) -> Result<(), String> {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter).into())?;
            sleep(BETWEEN_LETTERS);
        }
        sleep(BETWEEN_KEYS);
        Ok(())
    }

    /// One key, and the frame that shows what it did.
    fn press(&self, key: KeyEvent) -> Result<(), String> {
        self.typed.set(self.typed.get() + 1);
        self.keys.blocking_send(Ok(Event::Key(key))).map_err(|_| "the screen was left".to_owned())?;
        self.shown.wait_answered(self.typed.get(), PATIENCE);
        Ok(())
    }

    /// What is on the screen is of the world as it is now: every source was asked since, and what it told is there.
    fn look(&self) -> Result<(), String> {
        let now = clock::now().mono;
        self.ask.notify_one();
        let seen = self.shown.wait_as_of(now, PATIENCE);
        seen.then_some(()).ok_or_else(|| format!("not every source has told anything within {} s", PATIENCE.as_secs()))
    }

    /// The production itself says that it was done: what the screen says of a run comes before and after that, and the time that is to go by
    /// behind it must not go by before.
    fn done(&self, pattern: &Regex) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let behind = self.stage.lock().kept().behind(self.done.get(), |words| pattern.is_match(words));
            if let Some(behind) = behind {
                self.done.set(behind);
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("`done {pattern}`, for {} s", PATIENCE.as_secs()));
            }
            sleep(LOOK);
        }
    }

    fn wait(&self, pattern: &Regex, shows: bool) -> Result<(), String> {
        if self.shown.wait(PATIENCE, |_, text| pattern.is_match(text) == shows) {
            sleep(READS);
            return Ok(());
        }
        let word = if shows { "wait" } else { "gone" };
        Err(format!("`{word} {pattern}`, for {} s", PATIENCE.as_secs()))
    }
}
