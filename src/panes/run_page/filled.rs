//! A page's words with what its run knows by now in their place: as they were asked, and as they were sent.

use crate::domain::prose::Block;
use crate::domain::record::StepState;
use crate::domain::text::clean_lines;
use crate::runbook::language::{Types, said, types_of};
use crate::runbook::model::Fence;
use crate::runbook::{Known, RunView, Runbook};
use serde_json::Value;
use std::borrow::Cow;

/// What fills a page.
pub(super) struct Filled<'a> {
    run: &'a RunView,
    id: String,
    types: Types,
    /// The parameters as people read them.
    shown: Known,
}

impl<'a> Filled<'a> {
    pub(super) fn of(runbook: &Runbook, run: &'a RunView) -> Self {
        let mut shown = run.known.clone();
        shown.values.extend(run.params.iter().map(|(name, text)| (name.clone(), Value::from(text.clone()))));
        Self { run, id: run.id.to_string(), types: types_of(runbook), shown }
    }

    /// What a person is asked at a step; as the file has it until it is asked.
    pub(super) fn question(&self, blocks: &[Block], at: usize) -> Vec<Block> {
        let step = &self.run.steps[at];
        let mut blocks = blocks.to_vec();
        if step.state == StepState::Planned && self.run.current() != Some(at) {
            return blocks;
        }
        let scope = self.shown.scope(&self.id, &step.id);
        for (_, text) in blocks.iter_mut().flat_map(|block| &mut block.pieces) {
            *text = said::say(text, &self.types, &scope);
        }
        blocks
    }

    /// The body of a step's fence; as the file has it until all is known that it says, and of several hosts.
    pub(super) fn body<'f>(&self, fence: &'f Fence, of: &[usize]) -> Cow<'f, str> {
        let body = fence.body.trim_end();
        let (Some(fill), [at]) = (fence.language.filled, of) else { return body.into() };
        let scope = self.run.known.scope(&self.id, &self.run.steps[*at].id);
        fill(body, &scope).map_or(Cow::Borrowed(body), |filled| clean_lines(&filled).into())
    }
}
