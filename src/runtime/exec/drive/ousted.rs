//! A run that another session took over while this one was not heard of: its machine slept, its line was cut. What was asked here is asked in vain
//! then, and whoever sits here is told by whom.

use super::{Over, Run};
use crate::domain::record::RunOutcome;
use crate::effect::RunAnswer;
use crate::runbook::past::taken_over;
use std::time::Duration;

/// Between two looks while somebody is asked.
const LOOK: Duration = Duration::from_secs(3);

impl Run {
    /// The next answer; `None`: nobody answers any more. One for a run that is somebody else's by now is none, and the run is left.
    pub(in super::super) async fn answer(&mut self) -> Option<RunAnswer> {
        let asked = self.asked.take().unwrap_or_else(|| (self.exec.clock)());
        let answer = self.next_answer().await;
        // The runbook's limit of time is on what a run does, and not on how long a person takes: a window of maintenance may be waited for.
        let waited = (self.exec.clock)().since(asked);
        if let Some(started) = &mut self.started {
            started.mono += waited;
        }
        answer
    }

    /// Right before a question is put: from here on somebody thinks.
    pub(super) fn asks(&mut self) {
        self.asked = Some((self.exec.clock)());
    }

    async fn next_answer(&mut self) -> Option<RunAnswer> {
        loop {
            let answer = tokio::select! {
                biased;
                answer = self.answers.recv() => Some(answer),
                () = tokio::time::sleep(LOOK) => None,
            };
            if self.is_ousted().await {
                return Some(RunAnswer::Leave);
            }
            if let Some(answer) = answer {
                return answer;
            }
        }
    }

    /// Another session has taken the run over.
    pub(super) async fn is_ousted(&mut self) -> bool {
        // What can't be read can't be written either: the next record tells.
        let records = self.exec.journal.of_run(self.id).await.unwrap_or_default();
        let Some(life) = records.iter().position(|record| Some(record.id) == self.life) else { return false };
        let other = records[life..].iter().find(|record| record.writer != records[life].writer);
        self.ousted = other.map(|record| taken_over(self.id, record));
        self.ousted.is_some()
    }

    /// Nothing of it is recorded here any more, and what it holds is not given back: both are the others' business.
    pub(super) async fn leave_to_others(&mut self) {
        let Some(why) = self.ousted.take() else { return };
        self.exec.trouble(Some(self.id), &why).await;
        self.ended = Some(Over { outcome: RunOutcome::Unknown, reason: why, made: self.all_made(), grew: None });
    }
}
