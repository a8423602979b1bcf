//! Before a change whose locks may be somebody else's by now, because the team's server is away and the time that it granted is over: whoever sits
//! here says what follows. Nothing is sent without that.

use super::Run;
use crate::domain::risk::BreakGlass;
use crate::domain::text::clean;
use crate::effect::RunAnswer;
use crate::event::{RunEvent, TaskList};
use crate::runbook::machine::{Answered, Way};
use crate::runbook::{Glass, Refusal};
use serde_json::json;
use std::time::Duration;

/// Between two looks at whether the server has granted it anew.
const LOOK: Duration = Duration::from_secs(1);

impl Run {
    /// Why nobody knows whether what this run locks is still its own, where a change comes next.
    pub(super) async fn unbound(&self, step: usize) -> Option<String> {
        if !self.planned(step).changes() {
            return None;
        }
        self.held.unbound(&self.exec).await
    }

    /// Asks what follows: to wait until the server is back, to go on for a reason, or to stop.
    pub(super) async fn ask_unbound(&mut self, step: usize, why: &str) -> Answered {
        // Another host of the same run may have been answered for meanwhile.
        if self.unbound(step).await.is_none() {
            return Answered::Go;
        }
        let mut waits = false;
        self.put_unbound(step, why, waits).await;
        loop {
            let answer = tokio::select! {
                biased;
                answer = self.answer() => answer,
                () = tokio::time::sleep(LOOK), if waits => {
                    if self.unbound(step).await.is_none() {
                        if self.is_ousted().await {
                            return self.leave();
                        }
                        self.exec.tell(RunEvent::AskOver(self.id)).await;
                        return Answered::Go;
                    }
                    continue;
                }
            };
            match answer {
                None | Some(RunAnswer::Leave) => return self.leave(),
                Some(RunAnswer::Stop | RunAnswer::Choose { way: Way::Stop, .. }) => return Answered::Stop,
                Some(RunAnswer::Choose { way: Way::Wait, .. }) => waits = true,
                Some(RunAnswer::Choose { way: Way::Glass, reason }) => match self.break_glass(step, why, &reason).await
                {
                    Ok(answered) => return answered,
                    Err(refusal) => self.exec.trouble(Some(self.id), &refusal.to_string()).await,
                },
                // An answer to another kind of question: ask again.
                Some(_) => {}
            }
            self.put_unbound(step, why, waits).await;
        }
    }

    /// `waits`: that was answered, and it can still be broken off.
    async fn put_unbound(&self, step: usize, why: &str, waits: bool) {
        let allowed = self.exec.policy.break_glass == BreakGlass::Allow;
        let ways = [(Way::Wait, !waits), (Way::Glass, allowed), (Way::Stop, true)];
        let ways = ways.into_iter().filter(|(_, there)| *there).map(|(way, _)| way).collect();
        let then = if waits {
            "It waits, and goes on by itself when the server is back and the lock is still this run's."
        } else {
            "Nothing was sent for this step, and nothing is before you say so."
        };
        let verb = if waits { " waits" } else { "" };
        let forbidden =
            if allowed { String::new() } else { format!("\n\nWithout the server: {}.", Refusal::GlassForbidden) };
        let about = self.about_one(self.planned(step));
        let ask = RunEvent::Ask {
            run: self.id,
            step: self.planned(step).id.clone(),
            prompt: format!("{about}{verb}: {}\n\n{then}{forbidden}", clean(why)),
            phrase: None,
            manual: false,
            list: TaskList::default(),
            ways,
        };
        self.exec.tell(ask).await;
    }

    /// One person has said why it goes on: that is a record before anything else follows.
    async fn break_glass(&mut self, step: usize, why: &str, reason: &str) -> Result<Answered, Refusal> {
        let glass = Glass::broken(reason, self.exec.policy)?;
        let steps = [&self.planned(step).id];
        let data = json!({ "reason": clean(glass.reason()), "steps": steps, "unbound": clean(why) });
        if !self.note_glass(data).await {
            return Ok(Answered::Stop);
        }
        self.held.break_glass();
        Ok(Answered::Go)
    }
}
