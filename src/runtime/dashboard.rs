//! The loop: keys first, then a due frame, then everything else. No arm awaits anything but its own channel.

mod effects;
mod signals;

pub use signals::{Ended, asked_to_end};

use super::exec::{Exec, Planning, Running};
use super::follow::Follower;
use super::input::{self, Strings, Taken};
use super::keep::{self, KeptViews};
use super::poller::Poller;
use super::recall;
use super::recorder::{self, Recorder};
use super::reload::{Fresh, Renew, Watcher};
use super::replay::Replay;
use super::seat::{Seat, Typed, Unseen};
use super::terminal::{self, Screen};
use crate::app::{Setup, State, update};
use crate::clock;
use crate::connect::Connections;
use crate::domain::{LogEvent, RunId, SourceId, text};
use crate::effect::{Effect, Effects};
use crate::event::{Event, Reloaded, Stamped};
use crate::journal::Journal;
use crate::recording::{Played, Player};
use crate::sources::{Pace, Source};
use crate::theme::Role;
use crate::{theme, ui};
use crossterm::event::Event as Input;
use signals::{Signals, Told, wind_down};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// A frame that data alone asks for comes at the earliest this long after the last one (30 a second).
const FRAME: Duration = Duration::from_millis(33);

/// What the loop is started with.
pub struct Start {
    /// For the state.
    pub setup: Setup,
    /// Sources with their pace.
    pub sources: Vec<(SourceId, Pace, Box<dyn Source>)>,
    /// For steps.
    pub connections: Connections,
    /// Where everything is recorded.
    pub journal: Arc<dyn Journal>,
    /// The state folder, or why there is none.
    pub home: Result<PathBuf, String>,
    /// What is seen is recorded into this.
    pub record: Option<recorder::Begin>,
    /// Played instead of looking at the world, from what the screen begins with. Then nobody is asked, and no run is taken up.
    pub replay: Option<(Player, Played)>,
    /// Where logs are saved; or why nowhere.
    pub saved_logs: Result<PathBuf, String>,
    /// Read the config and the runbooks again; none: they are not watched.
    pub renew: Vec<Box<dyn Renew>>,
    /// Who sits in front of it.
    pub seat: Seat,
}

/// Shows the dashboard until it is left, and says why it ended. The terminal is given back in every case.
///
/// # Errors
/// When the terminal can't be taken or written to.
pub async fn run(start: Start) -> color_eyre::Result<Ended> {
    terminal::restore_on_panic();
    let (sender, events) = mpsc::channel(256);
    let (follower, lines) = Follower::new(start.connections.clone(), start.saved_logs);
    let recorder = start.record.map(|begin| Recorder::start(begin, sender.clone())).transpose()?;
    let Seat { unseen, shown, asides, ask, fleeting } = start.seat;
    let (mut screen, typed) = sit_down(unseen)?;
    screen.show_to(shown);
    screen.mouse(start.setup.habits.mouse)?;
    let size = screen.size()?;
    let exec = Arc::new(exec(&start.setup, start.connections, start.journal, sender.clone()));
    let replay = play_or_recall(start.replay, &exec).await?;
    if let Some(asides) = asides {
        tokio::spawn(hand_on(asides, sender.clone()));
    }
    let (watcher, fresh) = Watcher::start(start.renew);
    let poll = |(id, pace, source)| Poller::start(id, pace, source, sender.clone());
    let mut state = State::new(start.setup, clock::now(), size);
    state.fleeting = fleeting;
    let shown = Loop {
        state,
        exec,
        home: start.home,
        views: Arc::default(),
        pollers: start.sources.into_iter().map(poll).collect(),
        follower,
        effects: Vec::new(),
        strings: Strings::default(),
        drawn: Instant::now(),
        typed: 0,
        recorder,
        replay,
        watcher,
    };
    let inlets = Inlets { typed, events, lines, fresh, ask: ask.unwrap_or_default() };
    Box::pin(shown.run_to_its_end(screen, inlets)).await
}

/// The screen and what is typed in front of it: the terminal's, unless somebody sits there whom nobody sees.
fn sit_down(unseen: Option<Unseen>) -> color_eyre::Result<(Screen, mpsc::Receiver<Typed>)> {
    Ok(match unseen {
        None => (Screen::take()?, input::read()),
        Some(unseen) => (Screen::unseen(unseen.size)?, unseen.typed),
    })
}

/// What plans and drives runs, as the setup says.
fn exec(setup: &Setup, connections: Connections, journal: Arc<dyn Journal>, events: mpsc::Sender<Event>) -> Exec {
    Exec {
        connections,
        library: Arc::clone(&setup.library),
        journal,
        env: setup.environment.clone(),
        policy: setup.policy,
        guarded: setup.guarded,
        read_only: setup.read_only,
        events,
        clock: clock::now,
        runs: Running::default(),
        planning: Planning::default(),
    }
}

/// A recording is played; without one the journal is asked what was left.
async fn play_or_recall(replay: Option<(Player, Played)>, exec: &Arc<Exec>) -> color_eyre::Result<Option<Replay>> {
    let Some((player, first)) = replay else {
        tokio::spawn(recall::recall(Arc::clone(exec)));
        return Ok(None);
    };
    exec.events.send(Event::Replayed(Box::new(first))).await?;
    Ok(Some(Replay::start(player, exec.events.clone())?))
}

/// What stands beside the panes, whenever somebody changes it.
async fn hand_on(mut asides: mpsc::Receiver<String>, events: mpsc::Sender<Event>) {
    while let Some(aside) = asides.recv().await {
        if events.send(Event::Aside(aside)).await.is_err() {
            return;
        }
    }
}

struct Loop {
    state: State,
    exec: Arc<Exec>,
    home: Result<PathBuf, String>,
    views: Arc<KeptViews>,
    pollers: Vec<Poller>,
    follower: Follower,
    effects: Effects,
    strings: Strings,
    drawn: Instant,
    /// Keys, and what else the terminal told, so far.
    typed: u64,
    recorder: Option<Recorder>,
    replay: Option<Replay>,
    watcher: Watcher,
}

/// What comes in beside signals.
struct Inlets {
    typed: mpsc::Receiver<Typed>,
    events: mpsc::Receiver<Event>,
    lines: mpsc::Receiver<LogEvent>,
    /// The config, read again; `None`: it is not watched.
    fresh: mpsc::Receiver<Fresh>,
    /// Every source is to be asked at once.
    ask: Arc<Notify>,
}

fn ticks() -> Interval {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

impl Loop {
    /// Runs it, gives the terminal back, and brings to an end what is under way.
    async fn run_to_its_end(mut self, mut screen: Screen, inlets: Inlets) -> color_eyre::Result<Ended> {
        let ended = self.run(&mut screen, inlets).await;
        drop(screen);
        if let Some(Err(why)) = self.recorder.take().map(Recorder::finish) {
            let _ = writeln!(std::io::stderr(), "quarterdeck: {why}");
        }
        // Whatever can't be painted any more has lost its terminal.
        if let Ended::Signal(signal) = *ended.as_ref().unwrap_or(&Ended::by(rustix::process::Signal::HUP)) {
            wind_down(&self.exec, signal).await;
        }
        self.exec.connections.close().await;
        ended
    }

    async fn run(&mut self, screen: &mut Screen, inlets: Inlets) -> color_eyre::Result<Ended> {
        let Inlets { mut typed, mut events, mut lines, mut fresh, ask } = inlets;
        let (mut signals, mut ticks) = (Signals::new()?, ticks());
        self.draw(screen)?;
        // After the first frame, which waits for nobody's answer, and for no runbook.
        let (library, tell) = (Arc::clone(&self.state.library), self.exec.events.clone());
        tokio::task::spawn_blocking(move || {
            for mistake in library.mistakes() {
                let what = mistake.to_string();
                tracing::warn!(what, "a runbook");
                let _ = tell.blocking_send(Event::Told { bad: true, what: text::clean(&what).into_owned() });
            }
        });
        if self.state.looks.auto {
            self.effects.push(Effect::AskGround);
        }
        self.carry_out(screen)?;
        loop {
            let frame = self.state.dirty.then_some(self.drawn + FRAME);
            let wake = self.state.deadline().map(|at| Instant::now() + at.saturating_sub(clock::now().mono));
            tokio::select! {
                biased;
                first = typed.recv() => match first {
                    None => return Ok(self.ends(Ended::by(rustix::process::Signal::HUP))),
                    Some(first) => self.keys(&mut typed, first),
                },
                told = signals.next() => match told {
                    Told::End(why) => return Ok(self.ends(why)),
                    Told::Stop => self.suspend(screen)?,
                    Told::Resumed => {
                        screen.retake()?;
                        self.take(Event::Resumed);
                    }
                },
                () = at(frame) => self.draw(screen)?,
                event = events.recv() => {
                    if let Some(event) = event {
                        self.take(event);
                    }
                    continue_with(self, &mut events);
                }
                Some(fresh) = fresh.recv() => self.renew(fresh),
                () = ask.notified() => self.pollers.iter().for_each(Poller::poll_now),
                () = at(wake) => self.take(Event::Tick),
                _ = ticks.tick() => self.take(Event::Tick),
                // Last of all: a flood of lines waits for everything else.
                Some(event) = lines.recv() => self.take(Event::Log(event)),
            }
            if self.carry_out(screen)? {
                return Ok(self.ends(Ended::Left));
            }
            if !self.state.dirty {
                screen.settled(self.typed, || self.as_of());
            }
        }
    }

    /// The last line in the log: what was under way is cut off, and told by the next start.
    fn ends(&mut self, why: Ended) -> Ended {
        if let (Some(view), Ok(home)) = (self.state.left(), &self.home)
            && let Err(why) = keep::write_left(home, view)
        {
            tracing::warn!("{why}");
        }
        let runs = self.exec.running().iter().map(RunId::short).collect::<Vec<_>>().join(", ");
        tracing::info!(?why, runs, "ends");
        why
    }

    /// Takes the key, and all that came with it, then draws at once: a person is waiting.
    fn keys(&mut self, typed: &mut mpsc::Receiver<Typed>, first: Typed) {
        let mut next = Some(first);
        while let Some(event) = next.take() {
            self.typed += 1;
            match event {
                Ok(event) => match self.strings.takes(&event, clock::now().mono) {
                    Taken::Typed => self.take(Event::Input(event)),
                    Taken::Swallowed => {}
                    Taken::Ground(rgb) => self.take(Event::Ground { light: theme::is_light(rgb) }),
                },
                Err(error) => tracing::warn!("unreadable input: {error}"),
            }
            next = typed.try_recv().ok();
        }
        self.drawn = self.drawn.checked_sub(FRAME).unwrap_or(self.drawn);
    }

    /// Sources and ways out change first, then what is shown of them.
    fn renew(&mut self, fresh: Fresh) {
        if let Some(swap) = fresh.swap {
            let (gone, stay) = std::mem::take(&mut self.pollers)
                .into_iter()
                .partition::<Vec<_>, _>(|poller| swap.closed.contains(&poller.id));
            gone.iter().for_each(Poller::stop);
            self.pollers = stay;
            self.follower.reach_through(swap.connections.clone());
            self.exec = Arc::new(self.exec.renewed(swap.connections, swap.policy));
            let events = &self.exec.events;
            let start = |(id, pace, source)| Poller::start(id, pace, source, events.clone());
            self.pollers.extend(swap.opened.into_iter().map(start));
        }
        if let Reloaded::Runbooks(shelf) = &fresh.told {
            self.exec = Arc::new(self.exec.with_library(Arc::clone(&shelf.library)));
        }
        self.take(Event::Reloaded(fresh.told));
    }

    fn take(&mut self, event: Event) {
        if let Event::Sample(sample) = &event
            && let Some(poller) = self.pollers.iter_mut().find(|poller| poller.id == sample.source)
        {
            if poller.is_late(sample) {
                return;
            }
            poller.told(sample);
        }
        if let (Event::Sample(sample), Some(recorder)) = (&event, &self.recorder)
            && let Some(news) = recorder.take(sample)
        {
            self.take(Event::Recording(news));
        }
        update(&mut self.state, Stamped { now: clock::now(), event }, &mut self.effects);
    }

    /// What every source was asked at that moment or later has been told; monotonic.
    fn as_of(&self) -> Duration {
        self.pollers.iter().map(Poller::as_of).min().unwrap_or_default()
    }

    fn draw(&mut self, screen: &mut Screen) -> std::io::Result<()> {
        // The terminal may have got another size before its signal was listened to: what is painted must be laid out for it.
        let size = screen.size()?;
        if size != self.state.size {
            self.take(Event::Input(Input::Resize(size.0, size.1)));
        }
        self.state.prepare();
        let state = &self.state;
        screen.draw(state.repaint, state.cx().style(Role::Screen), |area, buf| ui::draw(state, area, buf))?;
        self.state.painted(clock::now());
        self.drawn = Instant::now();
        Ok(())
    }

    /// The screen is the shell's until the process is continued.
    fn suspend(&mut self, screen: &mut Screen) -> std::io::Result<()> {
        if screen.suspend()? {
            self.take(Event::Resumed);
        } else {
            self.state.toasts.say(clock::now(), "there is no shell to go back to: q leaves");
            self.state.dirty = true;
        }
        Ok(())
    }
}

/// Takes what else has already come, so that one frame shows all of it.
fn continue_with(this: &mut Loop, events: &mut mpsc::Receiver<Event>) {
    for _ in 0..64 {
        let Ok(event) = events.try_recv() else { return };
        this.take(event);
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
