//! Batches of a rollout: the pause before one, its record, and what is told when a person looks in between.

use super::Run;
use crate::domain::record::RecordKind;
use crate::domain::text::clean;
use crate::effect::RunAnswer;
use crate::runbook::machine::Event;
use crate::runbook::plan::PlannedStep;
use crate::runbook::script::named;
use serde_json::json;
use std::time::Duration;

impl Run {
    /// Records that a batch begins, and waits as long as the rollout pauses before it.
    pub(super) async fn begin_batch(&mut self, rolling: usize, batch: usize) -> Event {
        self.batch = Some((rolling, batch));
        let of = &self.plan.body().script.rollings[rolling];
        let pause = if batch == 0 { Duration::ZERO } else { of.pause };
        let hosts: Vec<&str> = of.batch(batch).collect();
        let after = if pause.is_zero() { String::new() } else { format!(" after {pause:?}") };
        let detail = format!("{}: batch {} of {}{after}: {}", of.title, batch + 1, of.batches(), named(&hosts));
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let (batch, of) = (batch + 1, of.batches());
        let data = json!({ "detail": clean(&detail), "batch": batch, "of": of, "hosts": hosts, "pause_ms": pause_ms });
        if !self.write(RecordKind::RunBatch, None, data).await {
            return Event::JournalFailed;
        }
        self.pause(pause).await;
        Event::Recorded
    }

    /// A stop ends it at once. Other answers that nobody asked for are dropped.
    async fn pause(&mut self, length: Duration) {
        let over = tokio::time::sleep(length);
        tokio::pin!(over);
        loop {
            let answer = tokio::select! {
                () = &mut over => return,
                answer = self.answers.recv() => answer,
            };
            match answer {
                Some(RunAnswer::Stop) => self.stopping = true,
                Some(RunAnswer::Leave) | None => self.leaving = true,
                Some(_) => continue,
            }
            return;
        }
    }

    /// What a person reads who looks before the next batch.
    pub(super) fn next_batch(&self) -> String {
        let Some((rolling, batch)) = self.batch else { return String::new() };
        let of = &self.plan.body().script.rollings[rolling];
        let done: Vec<&str> = (0..=batch).flat_map(|batch| of.batch(batch)).collect();
        let next: Vec<&str> = of.batch(batch + 1).collect();
        let text = format!(
            "{}: batch {} of {} is done ({}). Look at it before it goes on: next come {}",
            of.title,
            batch + 1,
            of.batches(),
            named(&done),
            named(&next)
        );
        clean(&text).into_owned()
    }

    /// What a step is about, when it is asked: of a rollout all its hosts, for they are answered for together.
    pub(super) fn about(&self, planned: &PlannedStep) -> String {
        let steps = &self.plan.body().steps;
        let hosts: Vec<&str> =
            steps.iter().filter(|step| step.of() == planned.of()).filter_map(|step| step.host.as_deref()).collect();
        let target = if hosts.len() > 1 { hosts_in_words(&hosts) } else { planned.target.clone() };
        format!("{} ({target})", planned.title)
    }
}

fn hosts_in_words(hosts: &[&str]) -> String {
    clean(&format!("{} hosts: {}", hosts.len(), named(hosts))).into_owned()
}
