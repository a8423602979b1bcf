//! What a step says while it runs, on its way to whoever looks. Nobody waits for it: when the way is full it is tried again a moment
//! later, and what has to wait too long is dropped and counted. All of it comes once more with the step's end.

use super::Exec;
use crate::domain::RunId;
use crate::event::{Event, RunEvent};
use crate::runbook::StepPermit;
use crate::steps::live::{Detached, LineNews, Live, harmless};
use crate::steps::{Acted, Call, Step};
use jiff::SignedDuration;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{MissedTickBehavior, interval};

/// From one look at what was said to the next.
const EVERY: Duration = Duration::from_millis(100);

/// Sends a step's change, once, and tells meanwhile what it says.
pub(super) async fn act(exec: &Exec, run: RunId, way: &dyn Step, call: Call<'_>, permit: StepPermit) -> Acted {
    // As the gate knows it: on several hosts each has a step of its own.
    let step = permit.step().to_owned();
    let live = Live::default();
    let mut acting = pin!(way.act(Call { live: Some(&live), ..call }, permit));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            acted = &mut acting => {
                tell(exec, run, &step, &live);
                return acted;
            }
            _ = ticks.tick() => tell(exec, run, &step, &live),
        }
    }
}

/// Tells that the line to a step's host broke, or is back.
fn tell_line_to_host(exec: &Exec, run: RunId, step: &str, live: &Live) {
    let Some(line) = live.line() else { return };
    let now = (exec.clock)().wall;
    let heard = |it: &Detached| now.saturating_sub(SignedDuration::try_from(it.heard.elapsed()).unwrap_or_default());
    let (since, why) = match line {
        LineNews::Back => (None, String::new()),
        LineNews::Broke(it) => (Some(heard(&it).unwrap_or(now)), harmless(exec.connections.redactor(), &it.why)),
    };
    let event = RunEvent::Detached { run, step: step.to_owned(), since, why };
    if let Err(TrySendError::Full(_)) = exec.events.try_send(Event::Run(event)) {
        live.line_untold();
    }
}

/// Tells one line of a step that does nothing but look: when the way is full, the next look will say more.
pub(super) fn tell_line(exec: &Exec, run: RunId, step: &str, line: &str) {
    let line = harmless(exec.connections.redactor(), line);
    let event = RunEvent::Output { run, step: step.to_owned(), lines: vec![line], lost: 0 };
    let _ = exec.events.try_send(Event::Run(event));
}

fn tell(exec: &Exec, run: RunId, step: &str, live: &Live) {
    tell_line_to_host(exec, run, step, live);
    let (lines, lost) = live.take();
    if lines.is_empty() && lost == 0 {
        return;
    }
    let event = RunEvent::Output { run, step: step.to_owned(), lines, lost };
    if let Err(TrySendError::Full(Event::Run(RunEvent::Output { lines, lost, .. }))) =
        exec.events.try_send(Event::Run(event))
    {
        live.put_back(lines, lost);
    }
}
