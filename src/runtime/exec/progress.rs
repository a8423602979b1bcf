//! What a run has learned so far: of the step under way, and what the steps before it came to.

use super::scene::EVERY;
use crate::domain::Now;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::text::clean_lines;
use crate::runbook::machine::Effect;
use crate::runbook::{Answer, StepPermit};
use crate::steps::Acted;
use serde_json::Value;
use tokio::time::Instant;

/// Output longer than this is kept at both ends only, in bytes.
const OUTPUT_MAX: usize = 64 * 1024;

/// So many results are told of a run; each step has its own.
const TOLD: usize = 8;

/// What is known of the step under way.
#[derive(Default)]
pub(super) struct Progress {
    /// The answer that it took for itself.
    pub(super) answer: Option<Answer>,
    pub(super) permit: Option<StepPermit>,
    /// For each of its fences whether its `if` leaves it out.
    pub(super) left_out: Vec<bool>,
    /// What a restart would need, as noted right before the intent.
    pub(super) facts: Value,
    pub(super) intended: Option<Now>,
    /// Nobody knows whether it happened.
    pub(super) doubt: bool,
    /// It is certain that nothing was sent.
    pub(super) not_sent: bool,
    /// Not before then it is sent once more.
    pub(super) later: Option<Instant>,
    /// Where it was done, its result is kept until the journal has it.
    pub(super) kept: bool,
    /// How far the clock where it was done is ahead of this machine's, in milliseconds.
    pub(super) clock_ahead_ms: Option<i64>,
    pub(super) output: String,
    /// What its checks warn of.
    pub(super) warned: Vec<String>,
    /// What those of its checks found that only tell: no plan has said it.
    pub(super) told: String,
    /// What came of it, in the runbook's own words.
    pub(super) said: Option<String>,
    pub(super) millis: u64,
}

impl Progress {
    /// What is said of a step that is ok, when some of its checks only warn.
    pub(super) fn ok(&self, detail: &str) -> String {
        let with = match self.warned.as_slice() {
            [] => return detail.to_owned(),
            [one] => format!("with 1 warning: {one}"),
            several => format!("with {} warnings: {}", several.len(), several.join("; ")),
        };
        if detail == EVERY { format!("ok, {with}") } else { format!("{detail}; {with}") }
    }

    /// Keeps a text that came back: harmless, both ends of it when it is long.
    pub(super) fn keep_text(&mut self, text: &str) {
        self.output = both_ends(text);
    }

    /// Keeps what is known of a change beside what became of it.
    pub(super) fn keep(&mut self, acted: &Acted) {
        self.keep_text(&acted.output);
        self.kept = acted.kept && !matches!(acted.effect, Effect::Unknown(_));
        self.clock_ahead_ms = acted.clock_ahead_ms;
    }
}

/// What the steps so far came to, in the runbook's own words.
#[derive(Default)]
pub(super) struct Results(Vec<String>);

impl Results {
    /// The last word about a step begins with what it came to.
    pub(super) fn close(&mut self, step: &mut Progress, state: StepState, detail: &str) -> String {
        let Some(said) = step.said.take_if(|_| state.is_final()) else { return detail.to_owned() };
        let detail = format!("{said}; {detail}");
        self.0.push(said);
        detail
    }

    /// Takes over what others came to.
    pub(super) fn append(&mut self, others: &mut Self) {
        self.0.append(&mut others.0);
    }

    /// What is said of the whole: what happened, rather than that all is well; and why not, when it is not.
    pub(super) fn whole(&self, outcome: RunOutcome, reason: String) -> String {
        let more = self.0.len().saturating_sub(TOLD);
        let mut results = self.0[..self.0.len() - more].join("; ");
        if more > 0 {
            results = format!("{results}; and {more} more");
        }
        match (results.is_empty(), outcome) {
            (true, _) => reason,
            (false, RunOutcome::Ok) => results,
            (false, RunOutcome::Failed | RunOutcome::Unknown | RunOutcome::Stopped | RunOutcome::Undone) => {
                format!("{results}; {reason}")
            }
        }
    }
}

/// What came back as the journal takes it: harmless, both ends of it when it is long.
pub(super) fn both_ends(output: &str) -> String {
    shorten(&clean_lines(output))
}

/// Keeps both ends of a long output, and says how much is left out.
fn shorten(text: &str) -> String {
    if text.len() <= OUTPUT_MAX {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(OUTPUT_MAX / 2);
    let tail = text.ceil_char_boundary(text.len() - OUTPUT_MAX / 2);
    format!("{}\n… {} bytes left out …\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: Option<&str>) -> Progress {
        Progress { said: said.map(str::to_owned), ..Progress::default() }
    }

    #[test]
    fn what_happened_is_told_of_the_step_and_of_the_whole() {
        let (mut results, mut step) = (Results::default(), told(Some("2 closed")));
        assert_eq!(results.close(&mut step, StepState::Running, "2 closed"), "2 closed", "it is not over yet");
        assert_eq!(results.close(&mut step, StepState::Ok, "verify: 1 row"), "2 closed; verify: 1 row");
        assert_eq!(results.whole(RunOutcome::Ok, "every step is ok".to_owned()), "2 closed");
        results.close(&mut told(Some("1 moved")), StepState::Failed, "it did not hold");
        assert_eq!(
            results.whole(RunOutcome::Failed, "it did not hold".to_owned()),
            "2 closed; 1 moved; it did not hold"
        );
    }

    #[test]
    fn a_step_whose_checks_warn_is_not_told_as_one_whose_checks_hold() {
        let step = |warned: &[&str]| Progress {
            warned: warned.iter().map(|&text| text.to_owned()).collect(),
            ..Progress::default()
        };
        assert_eq!(step(&[]).ok(EVERY), "every check holds");
        assert_eq!(step(&["the disk is full"]).ok(EVERY), "ok, with 1 warning: the disk is full");
        assert_eq!(step(&["a", "b"]).ok("verify: it runs"), "verify: it runs; with 2 warnings: a; b");
    }

    #[test]
    fn a_step_without_words_of_its_own_is_told_as_ever() {
        let mut results = Results::default();
        assert_eq!(results.close(&mut told(None), StepState::Ok, "verify: 1 row"), "verify: 1 row");
        assert_eq!(results.whole(RunOutcome::Ok, "every step is ok".to_owned()), "every step is ok");
    }
}
