//! What a step says while it runs, on its way to whoever looks. Nobody waits for it: when the way is full it is tried again a moment
//! later, and what has to wait too long is dropped and counted. All of it comes once more with the step's end.

use super::Exec;
use super::drive::Answers;
use crate::domain::RunId;
use crate::domain::record::Entry;
use crate::event::{Event, RunEvent};
use crate::runbook::StepPermit;
use crate::runbook::machine::Effect;
use crate::steps::live::{Detached, LineNews, Live, harmless};
use crate::steps::{Acted, Call, Cut, Step};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// From one look at what was said to the next.
const EVERY: Duration = Duration::from_millis(100);

/// So long an answer is waited for after a change was cut off.
const GRACE: Duration = Duration::from_secs(5);
/// The longest that cutting one off may take.
const CUT: Duration = Duration::from_secs(30);

/// Sends a step's change, once, and tells meanwhile what it says. When the operator wants it, it is cut off as far as it can be: what is
/// left of it then is looked at, and told. `note`: the record of what the step wants to have noted before it goes on, without that; beside
/// what came of it stands what was.
pub(super) async fn act(
    exec: &Exec,
    (run, note): (RunId, Entry),
    way: &dyn Step,
    call: Call<'_>,
    permit: StepPermit,
    answers: &Answers,
) -> (Acted, Value) {
    let mut noted = Value::Null;
    // As the gate knows it: on several hosts each has a step of its own.
    let step = permit.step().to_owned();
    let live = Live::default();
    let call = Call { live: Some(&live), ..call };
    let mut acting = pin!(way.act(call, permit));
    let mut cutting = pin!(async {
        answers.until_cut().await;
        cut_in_time(way, call).await
    });
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut cut: Option<(Cut, Instant)> = None;
    let acted = loop {
        let patience = cut.as_ref().filter(|(cut, _)| !matches!(cut, Cut::Cannot(_))).map(|(_, at)| *at + GRACE);
        tokio::select! {
            biased;
            acted = &mut acting => break Some(acted),
            keep = live.asked() => {
                noted = keep.facts.clone();
                let entry = Entry { data: json!({ "facts": noted }), ..note.clone() };
                keep.done(exec.append(entry).await.map(drop).map_err(|error| error.to_string()));
            }
            came = &mut cutting, if cut.is_none() => {
                tell_line(exec, run, &step, &in_words(&came));
                cut = Some((came, Instant::now()));
            }
            () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => break None,
            _ = ticks.tick() => tell(exec, run, &step, &live),
        }
    };
    tell(exec, run, &step, &live);
    // It may have ended by that before it was looked what is left.
    if cut.is_none() && answers.cut().is_some() {
        let came = cutting.await;
        tell_line(exec, run, &step, &in_words(&came));
        cut = Some((came, Instant::now()));
    }
    // What began while it was looked for is looked for once more.
    if let (Some((found @ Cut::Gone(_), _)), None) = (&mut cut, &acted) {
        *found = cut_in_time(way, call).await;
    }
    let acted = match (cut, acted) {
        (None, Some(acted)) => acted,
        (Some((cut, _)), acted) => cut_off(cut, acted),
        // It ends otherwise only after a cut.
        (None, None) => Acted::silent(Effect::Unknown("it was cut off".to_owned())),
    };
    (acted, noted)
}

/// Takes a change back, once, and tells meanwhile what that says. It is not cut off: what is left half taken back is worse.
pub(super) async fn back(
    exec: &Exec,
    note: (RunId, Entry),
    way: &dyn Step,
    call: Call<'_>,
    permit: StepPermit,
) -> Acted {
    act(exec, note, way, call, permit, &Answers::none()).await.0
}

async fn cut_in_time(way: &dyn Step, call: Call<'_>) -> Cut {
    let no_answer = || Cut::StillRunning(format!("nobody can tell what is left of it: no answer within {CUT:?}"));
    timeout(CUT, way.cut(call)).await.unwrap_or_else(|_| no_answer())
}

fn in_words(cut: &Cut) -> String {
    match cut {
        Cut::Gone(how) | Cut::Asked(how) => format!("cancelled: {how}"),
        Cut::StillRunning(what) => format!("cancelled, and STILL RUNNING: {what}"),
        Cut::Cannot(why) => format!("it can't be cancelled: {why}; its end is waited for"),
    }
}

/// What a change comes to that was cut off. One that had ended by then is what it says.
fn cut_off(cut: Cut, acted: Option<Acted>) -> Acted {
    let done = acted.as_ref().is_some_and(|acted| {
        matches!(acted.effect, Effect::Done(_)) && acted.names.get("rc").is_none_or(|rc| *rc == 0)
    });
    let words = in_words(&cut);
    let mut acted = acted.unwrap_or_else(|| Acted::silent(Effect::Unknown("no answer came".to_owned())));
    if done {
        return acted;
    }
    let said = match &acted.effect {
        Effect::Done(said)
        | Effect::NotSent(said)
        | Effect::Refused(said)
        | Effect::Failed(said)
        | Effect::Unknown(said) => said.clone(),
    };
    acted.effect = match (cut, acted.effect) {
        (_, Effect::NotSent(why)) => Effect::NotSent(why),
        (Cut::Cannot(_), effect) => effect,
        (Cut::Gone(_), _) => Effect::Failed(words),
        (Cut::Asked(_), Effect::Failed(_)) => Effect::Failed(format!("{words}; {said}")),
        (Cut::Asked(_), _) => Effect::Unknown(format!("{words}; {said}")),
        (Cut::StillRunning(_), _) => Effect::Unknown(words),
    };
    acted
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_change_that_was_cut_off_is_never_called_ended() {
        let effect = |cut: Cut, acted: Option<Effect>| cut_off(cut, acted.map(Acted::silent)).effect;
        let (gone, runs) =
            (|| Cut::Gone("nothing is left".to_owned()), || Cut::StillRunning("4711 on web-1".to_owned()));
        let text = String::from;
        assert_eq!(
            effect(gone(), Some(Effect::Unknown(text("lost")))),
            Effect::Failed(text("cancelled: nothing is left"))
        );
        assert_eq!(
            effect(gone(), Some(Effect::Done(text("rows")))),
            Effect::Done(text("rows")),
            "it had ended by then"
        );
        let left = Effect::Unknown(text("cancelled, and STILL RUNNING: 4711 on web-1"));
        assert_eq!((effect(runs(), None), effect(runs(), Some(Effect::Failed(text("x"))))), (left.clone(), left));
        let cannot = Cut::Cannot(text("it is docker"));
        assert_eq!(effect(cannot, Some(Effect::Failed(text("no")))), Effect::Failed(text("no")), "it is what it says");
        let asked = Cut::Asked(text("the server was asked"));
        let unknown = Effect::Unknown(text("cancelled: the server was asked; stopped half-way"));
        assert_eq!(effect(asked, Some(Effect::Unknown(text("stopped half-way")))), unknown);
    }
}
