//! The loop: keys first, then a due frame, then everything else. No arm awaits anything but its own channel.

use super::exec::{Exec, Planning, Running};
use super::follow::Follower;
use super::input::{self, Strings, Taken};
use super::keep::{self, KeptViews};
use super::poller::Poller;
use super::post_mortem::{self, Known};
use super::recall;
use super::recorder::{self, Recorder};
use super::reload::{Fresh, Renew, Watcher};
use super::replay::{self, Replay};
use super::seat::{Seat, Typed};
use super::second;
use super::terminal::{self, Screen};
use crate::app::{Setup, State, update};
use crate::clock;
use crate::connect::Connections;
use crate::domain::incident::Rules;
use crate::domain::record::Entry;
use crate::domain::view::View;
use crate::domain::{IncidentId, LogEvent, RunId, SourceId, text};
use crate::effect::{Effect, Effects, Word};
use crate::event::{Event, Reloaded, RunEvent, Stamped};
use crate::incident::report::Style;
use crate::journal::Journal;
use crate::recording::{Played, Player};
use crate::sources::{Pace, Source};
use crate::theme::Role;
use crate::{theme, ui};
use crossterm::event::Event as Input;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// A frame that data alone asks for comes at the earliest this long after the last one (30 a second).
const FRAME: Duration = Duration::from_millis(33);

/// Longest wait for what is in flight after a signal: who sends one (systemd: 90 s) kills what does not end.
const WIND_DOWN: Duration = Duration::from_secs(60);

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
    let (mut screen, typed) = match unseen {
        None => (Screen::take()?, None),
        Some(unseen) => (Screen::unseen(unseen.size)?, Some(unseen.typed)),
    };
    screen.show_to(shown);
    screen.mouse(start.setup.habits.mouse)?;
    let size = screen.size()?;
    let exec = Arc::new(Exec {
        connections: start.connections,
        library: Arc::clone(&start.setup.library),
        journal: start.journal,
        env: start.setup.environment.clone(),
        policy: start.setup.policy,
        guarded: start.setup.guarded,
        read_only: start.setup.read_only,
        events: sender.clone(),
        clock: clock::now,
        runs: Running::default(),
        planning: Planning::default(),
    });
    let replay = match start.replay {
        Some((player, first)) => {
            sender.send(Event::Replayed(Box::new(first))).await?;
            Some(Replay::start(player, sender.clone())?)
        }
        None => {
            tokio::spawn(recall::recall(Arc::clone(&exec)));
            None
        }
    };
    if let Some(asides) = asides {
        tokio::spawn(hand_on(asides, sender.clone()));
    }
    let (watcher, fresh) = Watcher::start(start.renew);
    let pollers =
        start.sources.into_iter().map(|(id, pace, source)| Poller::start(id, pace, source, sender.clone())).collect();
    let mut state = State::new(start.setup, clock::now(), size);
    state.fleeting = fleeting;
    let mut shown = Loop {
        state,
        exec: Arc::clone(&exec),
        home: start.home,
        views: Arc::default(),
        pollers,
        follower,
        effects: Vec::new(),
        strings: Strings::default(),
        drawn: Instant::now(),
        typed: 0,
        recorder,
        replay,
        watcher,
    };
    let typed = typed.unwrap_or_else(input::read);
    let ended = shown.run(&mut screen, Inlets { typed, events, lines, fresh, ask: ask.unwrap_or_default() }).await;
    drop(screen);
    if let Some(Err(why)) = shown.recorder.take().map(Recorder::finish) {
        let _ = writeln!(std::io::stderr(), "quarterdeck: {why}");
    }
    // Whatever can't be painted any more has lost its terminal.
    if let Ended::Signal(signal) = *ended.as_ref().unwrap_or(&Ended::by(rustix::process::Signal::HUP)) {
        wind_down(&exec, signal).await;
    }
    shown.exec.connections.close().await;
    ended
}

/// A signal is nobody's answer to a run that is under way: nothing new begins, and what is in flight is finished and verified.
/// The next signal ends it at once, and then the next start tells.
async fn wind_down(exec: &Exec, signal: u8) {
    let runs = exec.running();
    if runs.is_empty() {
        return;
    }
    // The terminal may have gone: then nobody reads it.
    let _ = writeln!(std::io::stderr(), "quarterdeck: finishing what is under way; another signal ends it at once");
    exec.runs.told_to_end(name(signal));
    for run in &runs {
        exec.leave(*run);
    }
    let over = async {
        while !exec.running().is_empty() {
            tokio::time::sleep(FRAME).await;
        }
    };
    let Ok(mut signals) = Signals::new() else { return };
    tokio::select! {
        () = over => {}
        () = insists(&mut signals, signal) => {}
        () = tokio::time::sleep(WIND_DOWN) => {}
    }
    tracing::info!(left = exec.running().len(), "wound down");
}

/// Somebody wants the end at once. Who closes a terminal does not: that alone sends SIGHUP more than once, and SIGCONT.
async fn insists(signals: &mut Signals, first: u8) {
    let hangup = Ended::by(rustix::process::Signal::HUP);
    loop {
        if let Told::End(why) = signals.next().await
            && (why != hangup || Ended::Signal(first) != hangup)
        {
            return;
        }
    }
}

/// What people call a signal that ends the dashboard.
const fn name(signal: u8) -> &'static str {
    use rustix::process::Signal;
    match Signal::from_named_raw(signal as i32) {
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::HUP) => "SIGHUP",
        Some(Signal::INT) => "SIGINT",
        _ => "a signal",
    }
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

struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    stop: Signal,
    resume: Signal,
}

/// Why the dashboard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody left it.
    Left,
    /// A signal of this number asked for it; SIGHUP's when the terminal has gone.
    Signal(u8),
}

impl Ended {
    const fn by(signal: rustix::process::Signal) -> Self {
        Self::Signal(signal.as_raw() as u8)
    }
}

/// What a signal asks for.
enum Told {
    End(Ended),
    Stop,
    /// The process was continued.
    Resumed,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let kind = |signal: rustix::process::Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(kind(rustix::process::Signal::TSTP))?,
            resume: signal(kind(rustix::process::Signal::CONT))?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End(Ended::by(rustix::process::Signal::TERM)),
            _ = self.hangup.recv() => Told::End(Ended::by(rustix::process::Signal::HUP)),
            _ = self.interrupt.recv() => Told::End(Ended::by(rustix::process::Signal::INT)),
            _ = self.stop.recv() => Told::Stop,
            _ = self.resume.recv() => Told::Resumed,
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

impl Loop {
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

    /// Hands the effects to those who carry them out; true: leave.
    fn carry_out(&mut self, screen: &mut Screen) -> std::io::Result<bool> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::PollNow(which) => {
                    let wanted = |poller: &&Poller| which.is_empty() || which.contains(&poller.id);
                    self.pollers.iter().filter(wanted).for_each(Poller::poll_now);
                }
                Effect::Pace { source, interval } => {
                    self.pollers.iter().filter(|poller| poller.id == source).for_each(|poller| poller.pace(interval));
                }
                Effect::Inquire(inquiry) if self.replay.is_some() => self.take(replay::unanswered(inquiry)),
                Effect::Inquire(inquiry) => super::inquire::ask(&self.exec, inquiry),
                Effect::Plan { number, request } => self.exec.plan(number, request),
                Effect::GiveUpPlan => self.exec.give_up_plan(),
                Effect::Start(plan) => {
                    self.exec.start(*plan);
                }
                Effect::Resolve { run, word, text } => resolve(Arc::clone(&self.exec), run, word, text),
                Effect::Look(run) => look(Arc::clone(&self.exec), run),
                Effect::AskApproval(plan) => second::ask(Arc::clone(&self.exec), *plan),
                Effect::SeekApproval(plan_hash) => second::seek(Arc::clone(&self.exec), plan_hash),
                Effect::Withdraw(request) => second::withdraw(Arc::clone(&self.exec), *request),
                Effect::Decide { request, approves, reason } => {
                    second::decide(Arc::clone(&self.exec), *request, approves, reason);
                }
                Effect::Want { request, run, resources, take, reason } => {
                    second::want(Arc::clone(&self.exec), *request, (run, resources), take, reason);
                }
                Effect::HandOver { run, want } => self.exec.hand_over(run, *want),
                Effect::Answer(run, answer) if self.exec.drives(run) => self.exec.answer(run, answer),
                Effect::Answer(run, _) => {
                    let what = format!("run {}: it is over, or another session drives it: stop it there", run.short());
                    self.take(Event::Told { bad: true, what });
                }
                Effect::Journal(entry) => record(Arc::clone(&self.exec), entry),
                Effect::Attend(incident) => attend(Arc::clone(&self.exec), incident),
                Effect::PostMortem(id) => {
                    let rules = self.state.watch.rules.clone();
                    tokio::spawn(post_mortem(Arc::clone(&self.exec), self.home.clone(), rules, id));
                }
                Effect::RecallIncidents => {
                    let exec = Arc::clone(&self.exec);
                    tokio::spawn(async move { recall::incidents(&exec).await });
                }
                Effect::Incident { id, entries } => note(Arc::clone(&self.exec), id, entries),
                Effect::Follow { number, request } => self.follower.follow(number, *request),
                Effect::Unfollow => self.follower.stop(),
                Effect::SaveLog(export) => self.follower.save(*export),
                Effect::Copy(text) => screen.copy(&text)?,
                Effect::AskGround => {
                    self.strings.expect(clock::now().mono);
                    screen.ask_ground()?;
                }
                Effect::Notify(text) => {
                    // It leaves the program: what the journal must not hold, it must not hold either.
                    let text = self.exec.connections.redactor().text(&text).into_owned();
                    screen.notify(&self.state.looks.notify, &text)?;
                }
                Effect::KeepViews { views, what } => self.keep_views(views, what),
                Effect::Save { name, text } => self.save(name, text),
                Effect::Mouse(on) => screen.mouse(on)?,
                Effect::Replay(command) => {
                    if let Some(replay) = &self.replay {
                        replay.obey(command);
                    }
                }
                Effect::Reload => {
                    self.watcher.read_now();
                }
                Effect::Suspend => self.suspend(screen)?,
                Effect::Quit => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// Records what a person says of a run, and tells what came of it.
fn resolve(exec: Arc<Exec>, run: RunId, word: Word, text: String) {
    tokio::spawn(async move {
        let said = match word {
            Word::Happened => exec.saw(run, true, &text).await,
            Word::Nothing => exec.saw(run, false, &text).await,
            Word::GivenUp => exec.give_up(run, &text).await,
        };
        let told = match said {
            Ok(ended) => Event::Told { bad: false, what: format!("run {}: {}", run.short(), ended.reason) },
            Err(why) => Event::Told { bad: true, what: format!("run {}: nothing was recorded: {why}", run.short()) },
        };
        let _ = exec.events.send(told).await;
    });
}

fn look(exec: Arc<Exec>, run: RunId) {
    tokio::spawn(async move {
        let found = match exec.look_again(run).await {
            Ok(Some(ended)) => Event::Run(RunEvent::Reconciled(vec![ended])),
            // It has no end yet: that is looked at like every start does.
            Ok(None) => return exec.reconcile().await,
            Err(why) => Event::Told { bad: true, what: format!("run {}: {why}", run.short()) },
        };
        let _ = exec.events.send(found).await;
    });
}

impl Loop {
    /// Keeps the views, and tells. Only the newest list is written, whichever of several writers comes first.
    fn keep_views(&self, views: Vec<View>, what: String) {
        let (home, kept, events) = (self.home.clone(), Arc::clone(&self.views), self.exec.events.clone());
        kept.next(views);
        tokio::task::spawn_blocking(move || {
            let told = match home.and_then(|home| kept.write(&home)) {
                Ok(()) => Event::Told { bad: false, what },
                Err(what) => Event::Told { bad: true, what },
            };
            let _ = events.blocking_send(told);
        });
    }

    /// Writes a file, and tells where it is. The disk may be slow: not here.
    fn save(&self, name: String, text: String) {
        let (home, events) = (self.home.clone(), self.exec.events.clone());
        tokio::task::spawn_blocking(move || {
            let saved = home.and_then(|home| keep::new_file(&home.join("saved"), &name, &text));
            let told = match saved {
                Ok(path) => Event::Told { bad: false, what: format!("saved as {}", path.display()) },
                Err(what) => Event::Told { bad: true, what },
            };
            let _ = events.blocking_send(told);
        });
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

fn attend(exec: Arc<Exec>, incident: Option<IncidentId>) {
    tokio::spawn(async move { exec.journal.attend(incident).await });
}

/// Writes a post-mortem, and tells where and what is left to fill in.
async fn post_mortem(exec: Arc<Exec>, home: Result<PathBuf, String>, rules: Rules, id: IncidentId) {
    let written = async {
        let known = Known::read(&*exec.journal, &exec.env, rules).await?;
        let incident = known.incidents.get(id).ok_or("the journal does not know that incident any more")?;
        let file = post_mortem::place(&home?, incident)?;
        post_mortem::write(&*exec.journal, &known, incident, &file, Style::default()).await
    };
    let written: Result<_, String> = written.await;
    let told = match &written {
        Ok(written) => {
            Event::Told { bad: false, what: format!("post-mortem: {}{}", written.told(), written.disputes()) }
        }
        Err(why) => Event::Told { bad: true, what: why.clone() },
    };
    let _ = exec.events.send(told).await;
    if let Ok(written) = written {
        let _ = exec.events.send(Event::Run(RunEvent::Noted(Box::new(written.record)))).await;
    }
}

/// Records of an incident, one after the other; the first that can't be written is the last.
fn note(exec: Arc<Exec>, id: IncidentId, entries: Vec<Entry>) {
    tokio::spawn(async move {
        for entry in entries {
            let told = match exec.journal.append_to(id, entry).await {
                Ok(record) => RunEvent::Noted(Box::new(record)),
                Err(error) => RunEvent::Trouble { run: None, what: error.to_string() },
            };
            let failed = matches!(told, RunEvent::Trouble { .. });
            let _ = exec.events.send(Event::Run(told)).await;
            if failed {
                return;
            }
        }
    });
}

fn record(exec: Arc<Exec>, entry: Entry) {
    tokio::spawn(async move {
        if let Err(error) = exec.journal.append(entry).await {
            let event = RunEvent::Trouble { run: None, what: error.to_string() };
            let _ = exec.events.send(Event::Run(event)).await;
        }
    });
}
