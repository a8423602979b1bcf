//! Batches of a rollout: the pause before one, its record, and what is told when a person looks in between.

use super::Run;
use crate::domain::record::RecordKind;
use crate::domain::text::clean;
use crate::effect::RunAnswer;
use crate::runbook::foreseen;
use crate::runbook::machine::Event;
use crate::runbook::plan::{PlannedStep, located};
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
        let next: Vec<String> = of.batch(batch + 1).map(|host| self.host_and_address(host)).collect();
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

    /// A host of a rollout, and where its steps go.
    fn host_and_address(&self, host: &str) -> String {
        let on_it = self.plan.body().steps.iter().filter(|step| step.host.as_deref() == Some(host));
        located(host, on_it.map(|step| step.address.as_str()).find(|address| !address.is_empty()).unwrap_or_default())
    }

    /// Which step something is asked about, and where it is, as the plan has it: of a rollout all its hosts that are left, for they are answered
    /// for together.
    pub(in super::super) fn about(&self, planned: &PlannedStep) -> String {
        let left = |step: &&PlannedStep| step.of() == planned.of() && step.past.is_none() && step.lost.is_none();
        let places: Vec<String> = self.plan.body().steps.iter().filter(left).map(PlannedStep::place).collect();
        match places.as_slice() {
            [] | [_] => self.about_one(planned),
            places => self.named(planned, &format!("{} hosts: {}", places.len(), named(places))),
        }
    }

    /// The same of one host alone.
    pub(super) fn about_one(&self, planned: &PlannedStep) -> String {
        self.named(planned, &planned.place())
    }

    fn named(&self, planned: &PlannedStep, place: &str) -> String {
        let name = foreseen::name(&self.number_of(planned), &planned.title);
        if place.is_empty() { name } else { clean(&format!("{name} on {place}")).into_owned() }
    }

    /// The number of a step in its page.
    pub(super) fn number_of(&self, planned: &PlannedStep) -> String {
        self.plan.body().number(planned).to_string()
    }
}
