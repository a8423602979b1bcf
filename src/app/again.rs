//! Runs that are over or were cut off: what can be done with one is a list to choose from; what a person says of it is typed.

use super::menu::{Choice, Menu, MenuKind, MenuLine, Take};
use super::{NameDialog, Overlay, State, Topic, planning};
use crate::domain::{RunId, reason};
pub use crate::effect::Word;
use crate::effect::{Effect, Effects, RunAnswer};
use crate::runbook::past::{Next, to_paste};
use crate::runbook::{Onward, PlanRequest, Resumption, RunView};
use crate::widgets::field::Field;

/// What is chosen for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// A plan for its rest, or for taking it back.
    Plan(Onward),
    /// A person's word.
    Word(Word),
    /// To look what became of it.
    Look,
    /// How a run that is under way goes on.
    Steer(Steer),
}

/// How a run that is under way goes on, or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// What is in flight is finished and verified; then it ends.
    Stop,
    /// What is in flight is cut off, and it ends.
    Cancel,
    /// The same, and what was cut off is taken back.
    CancelAndUndo,
    /// No step begins until it is let go on.
    Pause,
    /// It goes on.
    GoOn,
}

impl Steer {
    const fn answer(self) -> RunAnswer {
        match self {
            Self::Stop => RunAnswer::Stop,
            Self::Cancel => RunAnswer::Cancel { undo: false },
            Self::CancelAndUndo => RunAnswer::Cancel { undo: true },
            Self::Pause => RunAnswer::Pause(true),
            Self::GoOn => RunAnswer::Pause(false),
        }
    }

    /// What is said when it was chosen.
    const fn said(self) -> &'static str {
        match self {
            Self::Stop => "what is in flight is finished and verified; then it stops",
            Self::Cancel | Self::CancelAndUndo => "what is in flight is cut off; what is left of it is told",
            Self::Pause => "what is in flight is finished; no step begins until you let it go on",
            Self::GoOn => "it goes on",
        }
    }
}

/// Lists what can be done with a run.
pub(super) fn open(state: &mut State, run: RunId) {
    let Some(view) = state.runs.get(run) else { return };
    if view.outcome.is_none() && !view.cut_off {
        return steer(state, run);
    }
    let look = (view.left || view.is_in_doubt() && !view.given_up).then(|| look(run));
    let asked = view.asked_about().unwrap_or_else(|| "the change in doubt".to_owned());
    let ways = view.ways().into_iter().flat_map(|way| lines(run, way, &asked));
    let mut lines: Vec<MenuLine> = look.into_iter().chain(ways).collect();
    let left = view.left_to_undo();
    if !left.is_empty() {
        let note = "what is left to undo, last first, as text to paste".to_owned();
        let choice = Choice::Take(Take::Text(left));
        lines.push(MenuLine { mark: "", text: "copy what is left to undo".to_owned(), note, choice });
    }
    if lines.is_empty() {
        let why = match view.outcome {
            None if view.cut_off => "what became of it is being looked at",
            None => "it is under way: its own questions say what can be done",
            Some(_) if view.is_taken_back() => "all that it did was taken back",
            Some(_) => "it is done, and nothing of it can be taken back",
        };
        return state.toasts.say(state.now, format!("run {}: {why}", run.short()));
    }
    let waits = view.doubt().or_else(|| view.stuck_words()).map(|why| format!(": {why}")).unwrap_or_default();
    let title = format!("run {} of {}: {}{waits}", run.short(), view.runbook, view.word());
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Run, title, lines, cursor: 0 }));
}

/// Lists how a run that is under way can go on or end. It goes on meanwhile, and Esc leaves it alone.
fn steer(state: &mut State, run: RunId) {
    let Some(view) = state.runs.get(run) else { return };
    let line = |text: &str, note: &str, way: Steer| line(run, text, note, Chosen::Steer(way));
    let pause = if view.paused {
        line("let it go on", "it is paused: no step begins", Steer::GoOn)
    } else {
        line("pause it", "what is in flight is finished; no step begins until you let it go on", Steer::Pause)
    };
    let lines = vec![
        line("finish this step, then stop", "what is in flight is finished and verified", Steer::Stop),
        line(
            "cancel now",
            "ends what is in flight, and says what is left of it; docker and http can't be",
            Steer::Cancel,
        ),
        line("cancel and undo", "the same, and takes back what was cut off", Steer::CancelAndUndo),
        pause,
    ];
    let title = format!("run {} of {}: {}", run.short(), view.runbook, view.word());
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::UnderWay, title, lines, cursor: 0 }));
}

fn line(run: RunId, text: &str, note: &str, chosen: Chosen) -> MenuLine {
    MenuLine { mark: "", text: text.to_owned(), note: note.to_owned(), choice: Choice::Run(run, chosen) }
}

fn look(run: RunId) -> MenuLine {
    line(run, "look what became of it", "asks, and sends nothing", Chosen::Look)
}

fn lines(run: RunId, way: Next, doubt: &str) -> Vec<MenuLine> {
    let line = |text: &str, note: &str, chosen: Chosen| line(run, text, note, chosen);
    match way {
        Next::GoOn => vec![line(
            "go on with the rest",
            "makes a plan; what is done is not done again",
            Chosen::Plan(Onward::GoOn),
        )],
        Next::Undo => vec![line("take back what it did", "makes a plan, last first", Chosen::Plan(Onward::Undo))],
        Next::Saw => vec![
            line("it happened", &format!("{doubt}: say what you saw"), Chosen::Word(Word::Happened)),
            line("it did not happen", &format!("{doubt}: say what you saw"), Chosen::Word(Word::Nothing)),
        ],
        Next::GiveUp => vec![line(
            "give it up",
            "say why; it is left as it is, and what it locks is free",
            Chosen::Word(Word::GivenUp),
        )],
    }
}

/// One of them was chosen.
pub(super) fn choose(state: &mut State, run: RunId, chosen: Chosen, effects: &mut Effects) {
    match chosen {
        Chosen::Plan(way) => {
            let Some(runbook) = state.runs.get(run).map(|view| view.runbook.clone()) else { return };
            state.labelled = None;
            planning::ask(state, PlanRequest::resuming(runbook, Resumption { run, way }), effects);
        }
        Chosen::Look => {
            state.toasts.say(state.now, format!("run {}: looking at what became of it", run.short()));
            effects.push(Effect::Look(run));
        }
        Chosen::Steer(way) => {
            if let Steer::Pause | Steer::GoOn = way {
                state.runs.pause(run, way == Steer::Pause);
            }
            state.toasts.say(state.now, format!("run {}: {}", run.short(), way.said()));
            effects.push(Effect::Answer(run, way.answer()));
        }
        Chosen::Word(word) => {
            state.overlay = Some(Overlay::Name(NameDialog { field: Field::default(), topic: Topic::Run(run, word) }));
        }
    }
}

/// A person's word is typed; false: it is not long enough to say something.
pub(super) fn say(state: &mut State, run: RunId, word: Word, text: &str, effects: &mut Effects) -> bool {
    if reason::read(text).is_none() {
        state.toasts.bad(state.now, reason::WANTED);
        return false;
    }
    effects.push(Effect::Resolve { run, word, text: text.trim().to_owned() });
    true
}

impl RunView {
    /// What is left to undo, last first, a line each; empty: nothing.
    fn left_to_undo(&self) -> String {
        let text = |step: &crate::runbook::StepView| {
            let name = format!("{} on {}", step.title, step.target);
            to_paste(&name, step.undo.as_deref().unwrap_or_default()) + "\n"
        };
        self.undoable().map(text).collect()
    }
}
