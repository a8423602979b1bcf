//! One run and one step of it, as the journal tells them: what the runs view, the run's page and the reports show.

use super::super::foreseen::{self, Foreseen};
use super::super::past::{self, Next};
use super::super::script::{AT, without_host};
use super::Known;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::{RunId, Severity, time};
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// One run.
#[derive(Clone, Debug)]
pub struct RunView {
    /// Id.
    pub id: RunId,
    /// The runbook's id.
    pub runbook: String,
    /// The runbook's title.
    pub title: String,
    /// Of the runbook's text, SHA-256 in hex; empty in records that do not say.
    pub source_hash: String,
    /// Who started it: `name@host`.
    pub actor: String,
    /// Environment.
    pub env: String,
    /// When.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Parameters as shown.
    pub params: Vec<(String, String)>,
    /// What it knew, with which its page is filled.
    pub known: Known,
    /// What was typed to confirm it, or `y`.
    pub answer: String,
    /// The runbook's risk, as its front matter says it; empty: nobody wrote it down.
    pub risk: String,
    /// That nobody had reviewed its runbook for long, in words; empty: somebody had.
    pub unreviewed: String,
    /// Hash of the plan.
    pub plan_hash: String,
    /// Why one person did what takes two; `None`: it took one.
    pub glass: Option<String>,
    /// The second person who approved it, and what they said; `None`: it took one, or the glass was broken.
    pub approved: Option<String>,
    /// Steps in order.
    pub steps: Vec<StepView>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why, in words.
    pub reason: String,
    /// The run that called it, and the step of that one.
    pub caller: Option<(RunId, String)>,
    /// When its newest record was written.
    pub last: Timestamp,
    /// When the last record was written before somebody looked what became of it; `None`: nobody had to, or it was gone on with since.
    pub looked: Option<Timestamp>,
    /// It was cut off, or taken up by a person: how long its steps took tells nothing of others.
    pub interrupted: bool,
    /// Its process ended before it did: somebody else has to find out, or has found out, what became of it.
    pub cut_off: bool,
    /// It was cut off, and nobody has begun to find out what became of it.
    pub left: bool,
    /// It waits for an answer from somebody at this screen.
    pub asks: bool,
    /// The id of the step that it waits for that at; empty: at none.
    pub asks_about: String,
    /// Somebody gave it up, and nobody has taken it up again since.
    pub given_up: bool,
    /// Somebody at this screen holds it: it begins no step until that is taken back.
    pub paused: bool,
    /// The batches of hosts that were begun, oldest first.
    pub batches: Vec<BatchView>,
    /// Who wrote its newest record.
    pub(super) writer: Uuid,
    /// How the clock stands by which its times are told (`42.0 s behind` that of the journal's server); `None`: well, or nobody said.
    pub clock: Option<String>,
}

/// A batch of a rollout's hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchView {
    /// Its number, from 1.
    pub number: u64,
    /// So many there are.
    pub of: u64,
    /// Its hosts, in order.
    pub hosts: Vec<String>,
    /// The section whose steps they go through: what the ids of these begin with.
    pub section: String,
}

impl BatchView {
    /// The step is one of its hosts'.
    pub fn has(&self, step: &StepView) -> bool {
        let host = step.host();
        step.section() == self.section && host.is_some_and(|host| self.hosts.iter().any(|own| own == host))
    }
}

/// What the ids of a section's steps begin with.
fn section(id: &str) -> &str {
    let id = without_host(id);
    id.rsplit_once('/').map_or(id, |(section, _)| section)
}

impl RunView {
    /// `  Restart a container (container-restart, run 1a2b3c)`.
    pub fn title_and_id(&self) -> String {
        format!("  {} ({}, run {})", self.title, self.runbook, self.id.short())
    }

    /// How it ended and why; that its process ended before it did, while nobody knows more.
    pub fn verdict(&self) -> Option<String> {
        match self.outcome {
            Some(outcome) if self.reason.is_empty() => Some(outcome.word().to_owned()),
            Some(outcome) => Some(format!("{}: {}", outcome.word(), self.reason)),
            None if self.is_in_doubt() => {
                let doubt = self.doubt().unwrap_or_default();
                Some(format!("cut off: {doubt}; what it locks stays held until somebody says what they saw"))
            }
            None if self.cut_off => Some(format!("cut off: its session ended before it did; {}", self.cut_off_words())),
            None => None,
        }
    }

    /// Who finds out what became of one that was cut off.
    pub const fn cut_off_words(&self) -> &'static str {
        if self.left {
            "to be resumed: `R` here, or `quarterdeck runbook resume`, looks what became of it"
        } else {
            "what became of it is being looked at"
        }
    }

    /// How it ended and why, without what was taken back, what is left to undo and what can't be, which is told by itself.
    pub fn verdict_alone(&self) -> Option<String> {
        let verdict = self.verdict()?;
        let end = LEFT.iter().chain([&BACK]).filter_map(|word| verdict.find(word)).min();
        Some(verdict[..end.unwrap_or(verdict.len())].to_owned())
    }

    /// What its steps change something on, each once, in order.
    pub fn places(&self) -> Vec<&str> {
        each_once(self.steps.iter().filter(|step| step.changes || step.sent_at.is_some()))
    }

    /// What a step is about, on all the hosts of its rollout, each once, in order.
    pub fn places_of(&self, step: &str) -> Vec<&str> {
        each_once(self.steps.iter().filter(|other| without_host(&other.id) == without_host(step)))
    }

    /// Where a step is, on its host alone; `None`: nowhere, or there is no such step.
    pub fn place_of(&self, step: &str) -> Option<&str> {
        let step = self.steps.iter().find(|other| other.id == step)?;
        Some(step.target.as_str()).filter(|target| !target.is_empty())
    }

    /// How many steps its page has, however many hosts each is done on.
    pub fn numbers(&self) -> usize {
        self.steps.iter().map(|step| step.number).max().unwrap_or(0)
    }

    /// The number of the step about which somebody is asked, that is under way, that comes next, or that is not well; `None`: the
    /// run is over, or there is none left.
    pub fn current(&self) -> Option<usize> {
        if self.outcome.is_some() {
            return None;
        }
        if let Some(asked) = (0..self.steps.len()).find(|step| self.is_asked(*step)) {
            return Some(asked);
        }
        // Of hosts side by side one that goes on tells more than one that has ended.
        if let Some(under_way) = self.steps.iter().position(StepView::is_under_way) {
            return Some(under_way);
        }
        let next = self.steps.iter().position(|step| !step.state.is_final());
        let not_well = |step: &StepView| step.state.is_final() && step.severity() > Severity::Ok;
        let before = next.unwrap_or(self.steps.len()).checked_sub(1).filter(|at| not_well(&self.steps[*at]));
        let begun = next.is_some_and(|at| self.steps[at].state != StepState::Planned);
        if begun { next } else { before.or(next) }
    }

    /// When a step began: its change was sent, its batch of hosts began, or the step before it was over.
    pub fn began(&self, step: usize) -> Timestamp {
        let own = self.steps.get(step).and_then(|step| step.sent_at.or(step.batch_at));
        let host = self.steps.get(step).and_then(StepView::host);
        let row = |other: &&StepView| host.is_none() || other.host() == host;
        let before = || self.steps[..step].iter().rev().filter(row).find_map(|step| step.ended);
        let first = || self.steps.get(step).filter(|_| host.is_some()).and_then(|step| step.first_at);
        own.or_else(before).or_else(first).unwrap_or(self.started)
    }

    /// Its process ended in the middle of the step, and nobody has found out yet what became of that.
    pub fn broke_at(&self, step: usize) -> bool {
        let under_way =
            |step: &StepView| matches!(step.state, StepState::Checking | StepState::Intent | StepState::Running);
        self.cut_off && self.outcome.is_none() && self.steps.get(step).is_some_and(under_way)
    }

    /// Somebody is asked about it.
    fn is_asked(&self, step: usize) -> bool {
        self.asks && self.steps.get(step).is_some_and(|step| step.id == self.asks_about)
    }

    /// How a step stands, for people: what was sent runs, as far as anybody knows.
    pub fn step_word(&self, step: usize) -> &'static str {
        match self.steps.get(step).map_or(StepState::Planned, |step| step.state) {
            _ if self.broke_at(step) => "cut off",
            StepState::Planned | StepState::Checking if self.is_asked(step) => "waiting for your answer",
            StepState::Intent => StepState::Running.word(),
            StepState::Checking => "under way",
            state => state.word(),
        }
    }

    /// How long a step took, or takes at `now`; `None`: it has not begun, or nobody knows when it ended.
    pub fn took(&self, step: usize, now: Timestamp) -> Option<Duration> {
        let view = self.steps.get(step)?;
        let until = match view.ended {
            Some(ended) => ended,
            None if !self.cut_off && (self.current() == Some(step) || view.is_under_way()) => self.until(now),
            None => return None,
        };
        Some(time::between(self.began(step), until))
    }

    /// Until when its time counts: its end, or `now` while it goes on; of one that was cut off, the last that was heard of it.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        match (self.looked, self.ended) {
            (Some(heard), _) => heard,
            (None, Some(ended)) => ended,
            (None, None) if self.cut_off => self.last,
            (None, None) => now,
        }
    }

    /// Its changes that were made, or may have been, and can still be taken back, last first.
    pub fn undoable(&self) -> impl Iterator<Item = &StepView> {
        self.steps.iter().rev().filter(|step| step.can_be_undone())
    }

    /// The step whose undo was sent, did not go well, and must not be sent twice: what comes before it waits for a person's word.
    fn stuck(&self) -> Option<&StepView> {
        self.steps.iter().rfind(|step| step.is_stuck())
    }

    /// That, as a sentence.
    pub fn stuck_words(&self) -> Option<String> {
        self.stuck().map(|step| past::stuck_words(&step.title, &step.target))
    }

    /// What a person is asked about, when they are to say what they saw: `the undo of 'Reload nginx' on web-1`.
    pub fn asked_about(&self) -> Option<String> {
        let stuck = || self.stuck().map(|step| past::subject(true, &step.title, &step.target));
        self.doubt_subject().or_else(stuck)
    }

    /// Something of it can be taken back before a person must say something.
    fn may_be_taken_back(&self) -> bool {
        let left = |step: &StepView| step.can_be_undone() || step.is_call_left();
        self.steps.iter().rev().take_while(|step| !step.is_stuck()).any(left)
    }

    /// Nobody drives it, and of a change of it nobody knows whether it happened.
    pub fn is_in_doubt(&self) -> bool {
        let unknown = |step: &StepView| step.state == StepState::Unknown;
        let over = match self.outcome {
            Some(outcome) => outcome == RunOutcome::Unknown,
            None => self.cut_off,
        };
        over && self.steps.iter().any(unknown)
    }

    /// The step of which nobody knows whether it happened, or whether it was taken back.
    fn doubtful(&self) -> Option<&StepView> {
        self.steps.iter().find(|step| step.state == StepState::Unknown)
    }

    /// What that is: `the undo of 'Reload nginx' on web-1`.
    pub fn doubt_subject(&self) -> Option<String> {
        let step = self.doubtful().filter(|_| self.is_in_doubt())?;
        Some(past::subject(step.undo_at.is_some(), &step.title, &step.target))
    }

    /// The same, with when it was begun, as a sentence.
    pub fn doubt(&self) -> Option<String> {
        let step = self.doubtful()?;
        let begun = step.undo_at.or(step.sent_at).unwrap_or(self.started);
        let all = self.steps.iter().filter(|step| step.state == StepState::Unknown).count();
        let doubt = past::in_doubt(&self.doubt_subject()?, begun);
        Some(format!("{doubt}{}", past::and_more(all - 1)))
    }

    /// Something of it was taken back, and nothing is left to be.
    pub fn is_taken_back(&self) -> bool {
        let back = self.steps.iter().any(|step| step.state == StepState::Undone);
        back && self.undoable().next().is_none() && !self.steps.iter().any(StepView::is_call_left)
    }

    /// What a person can do with it now; its plan knows better.
    pub fn ways(&self) -> Vec<Next> {
        let may_give_up = !self.given_up && !self.is_taken_back();
        if self.is_in_doubt() {
            return [Next::Saw].into_iter().chain(may_give_up.then_some(Next::GiveUp)).collect();
        }
        let Some(outcome) = self.outcome else { return Vec::new() };
        // An end that was written by who looked afterwards is none yet.
        let states = self.steps.iter().map(|step| (step.id.as_str(), step.state));
        let failed = outcome == RunOutcome::Failed && self.looked.is_none() && past::are_behind(states);
        let through = outcome == RunOutcome::Ok || failed;
        let ways = [
            (Next::GoOn, !through && !self.steps.iter().any(StepView::is_back)),
            (Next::Undo, self.may_be_taken_back()),
            (Next::Saw, self.stuck().is_some()),
            (Next::GiveUp, !through && may_give_up),
        ];
        ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way).collect()
    }

    /// The outcome, or how it stands while there is none.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Some(outcome) => outcome.word(),
            None if self.cut_off => "cut off",
            None if self.asks => "asks",
            None if self.paused => "paused",
            None => "running",
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self.outcome {
            None if self.cut_off => Severity::Unknown,
            None if self.asks => Severity::Warning,
            None => Severity::Info,
            Some(RunOutcome::Ok) => Severity::Ok,
            Some(RunOutcome::Stopped | RunOutcome::Undone) => Severity::None,
            Some(RunOutcome::Unknown) => Severity::Unknown,
            Some(RunOutcome::Failed) => Severity::Critical,
        }
    }
}

/// The targets of steps, each once, in order.
fn each_once<'a>(steps: impl Iterator<Item = &'a StepView>) -> Vec<&'a str> {
    let mut places: Vec<&str> = Vec::new();
    for target in steps.map(|step| step.target.as_str()).filter(|target| !target.is_empty()) {
        if !places.contains(&target) {
            places.push(target);
        }
    }
    places
}

/// What parts the reason of an end from what is left to undo, and from what can't be undone.
pub const LEFT: [&str; 2] = ["; left to undo: ", "; cannot be undone: "];

/// What parts it from what was taken back, before those.
pub const BACK: &str = "; taken back: ";

/// One step of a run.
#[derive(Clone, Debug)]
pub struct StepView {
    /// `section-slug/step-slug`.
    pub id: String,
    /// Its number in the page, from 1, on whatever host.
    pub number: usize,
    /// Heading.
    pub title: String,
    /// What it acts on.
    pub target: String,
    /// State.
    pub state: StepState,
    /// Where that is.
    pub address: String,
    /// It changes something.
    pub changes: bool,
    /// A person does it, and ticks it off.
    pub by_hand: bool,
    /// What takes it back; `None`: nothing does.
    pub undo: Option<String>,
    /// That may be sent again when it did not go well.
    pub undo_again: bool,
    /// The runbook that it runs, and what that would change as the plan saw it.
    pub call: Option<Foreseen>,
    /// It ran another runbook.
    pub called: bool,
    /// It is certain that its change was not done, though it was about to be.
    pub not_done: bool,
    /// When its change was sent.
    pub sent_at: Option<Timestamp>,
    /// When its undo was begun; `None`: it was not, or it is certain that it was not sent.
    pub undo_at: Option<Timestamp>,
    /// What it was before its undo was begun.
    pub(super) before_undo: Option<StepState>,
    /// When the batch of hosts began of which it is the first step.
    pub batch_at: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// What was sent.
    pub sent: String,
    /// What came back, several lines.
    pub output: String,
    /// In one sentence, what happened.
    pub detail: String,
    /// When its state last changed.
    pub at: Option<Timestamp>,
    /// When something was first recorded of it.
    pub first_at: Option<Timestamp>,
}

impl StepView {
    /// `step 2 'Start it again'`.
    pub fn name(&self) -> String {
        foreseen::name(&self.number.to_string(), &self.title)
    }

    /// `Restart it on local/api`.
    pub fn heading(&self) -> String {
        if self.target.is_empty() { self.title.clone() } else { format!("{} on {}", self.title, self.target) }
    }

    /// What came of it, in words; that it is about to be sent is what its state says.
    pub fn told(&self) -> Option<&str> {
        (!self.detail.is_empty() && self.state != StepState::Intent).then_some(&self.detail)
    }

    /// Its undo was sent, or may have been: what a run did after it can't be gone on with.
    pub(super) const fn is_back(&self) -> bool {
        self.undo_at.is_some() || matches!(self.state, StepState::Undone)
    }

    /// Its change was made, or may have been, and can still be taken back.
    fn can_be_undone(&self) -> bool {
        self.sent_at.is_some()
            && self.undo.is_some()
            && !self.not_done
            && !matches!(self.state, StepState::Undone | StepState::Skipped | StepState::Cancelled)
    }

    /// Its undo was sent and did not go well, and its page does not say that it may be sent again.
    const fn is_stuck(&self) -> bool {
        matches!(self.state, StepState::UndoFailed) && self.undo_at.is_some() && !self.undo_again && !self.called
    }

    /// It ran another runbook, and nobody took back what that did.
    const fn is_call_left(&self) -> bool {
        self.called && (!self.is_back() || matches!(self.state, StepState::UndoFailed))
    }

    /// The host that it is done on, of a step that is done on several.
    pub fn host(&self) -> Option<&str> {
        self.id.split_once(AT).map(|(_, host)| host)
    }

    /// What the ids of its section's steps begin with.
    pub fn section(&self) -> &str {
        section(&self.id)
    }

    /// It has begun, and has not ended.
    pub const fn is_under_way(&self) -> bool {
        matches!(self.state, StepState::Checking | StepState::Intent | StepState::Running)
    }

    /// How bad its state is.
    pub const fn severity(&self) -> Severity {
        match self.state {
            StepState::Planned | StepState::Skipped | StepState::Cancelled | StepState::Undone => Severity::None,
            StepState::Checking | StepState::Intent | StepState::Running => Severity::Info,
            StepState::Ok => Severity::Ok,
            StepState::Failed | StepState::TimedOut | StepState::UndoFailed => Severity::Critical,
            StepState::Unknown => Severity::Unknown,
        }
    }
}
