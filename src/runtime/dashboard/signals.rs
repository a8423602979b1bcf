//! Signals, and the end that one asks for.

use super::FRAME;
use crate::runtime::exec::Exec;
use std::io::Write;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Longest wait for what is in flight after a signal: who sends one (systemd: 90 s) kills what does not end.
const WIND_DOWN: Duration = Duration::from_secs(60);

/// The signals that are listened to.
pub(super) struct Signals {
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
    pub(super) const fn by(signal: rustix::process::Signal) -> Self {
        Self::Signal(signal.as_raw() as u8)
    }
}

/// Listens to what asks a program for its end that has no screen, from now on; the future waits for it.
///
/// # Errors
/// When the system lets nobody listen.
pub fn asked_to_end() -> std::io::Result<impl Future<Output = Ended>> {
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Ended::by(rustix::process::Signal::TERM),
            _ = hangup.recv() => Ended::by(rustix::process::Signal::HUP),
            _ = interrupt.recv() => Ended::by(rustix::process::Signal::INT),
        }
    })
}

/// What a signal asks for.
pub(super) enum Told {
    End(Ended),
    Stop,
    /// The process was continued.
    Resumed,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        let kind = |signal: rustix::process::Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(kind(rustix::process::Signal::TSTP))?,
            resume: signal(kind(rustix::process::Signal::CONT))?,
        })
    }

    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End(Ended::by(rustix::process::Signal::TERM)),
            _ = self.hangup.recv() => Told::End(Ended::by(rustix::process::Signal::HUP)),
            _ = self.interrupt.recv() => Told::End(Ended::by(rustix::process::Signal::INT)),
            _ = self.stop.recv() => Told::Stop,
            _ = self.resume.recv() => Told::Resumed,
        }
    }
}

/// A signal is nobody's answer to a run that is under way: nothing new begins, and what is in flight is finished and verified.
/// The next signal ends it at once, and then the next start tells.
pub(super) async fn wind_down(exec: &Exec, signal: u8) {
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
