//! The page itself, and the list of its steps.

use super::filled::Filled;
use super::head::fitted;
use super::hosts::{self, FOLD};
use super::{Shown, Spot};
use crate::cx::Cx;
use crate::domain::prose::{Block, BlockKind};
use crate::domain::record::StepState;
use crate::domain::text::{self, clean_lines};
use crate::domain::time;
use crate::runbook::model::{Fence, Passage, Step};
use crate::runbook::pace::Usual;
use crate::runbook::script::without_host;
use crate::runbook::{Role as FenceRole, RunView, Runbook, StepView};
use crate::theme::Role;
use crate::widgets::prose::{self, Line};
use crate::widgets::{figure, wrap};
use std::collections::{HashMap, HashSet};

/// Lines of an output that are shown of each end, once its step is over.
const ENDS: usize = 20;
/// Cells before a step's text.
const INDENT: usize = 2;

/// The sign of a state; its word always stands beside it.
pub(super) const fn plain(state: StepState) -> &'static str {
    match state {
        StepState::Planned => "·",
        StepState::Checking | StepState::Intent | StepState::Running => "▶",
        StepState::Ok => "✓",
        StepState::Failed | StepState::TimedOut | StepState::UndoFailed => "✗",
        StepState::Unknown => "?",
        StepState::Skipped | StepState::Cancelled => "-",
        StepState::Undone => "<",
    }
}

/// The same of a step of a run: one that was cut off runs no more.
pub(super) fn mark(run: &RunView, at: usize) -> &'static str {
    if run.broke_at(at) { "◌" } else { plain(run.steps[at].state) }
}

/// The same, with what became since of the run that it has called; of one that goes on without a line to its host, since when nothing was
/// heard of it.
pub(super) fn told(run: &RunView, at: usize, known: &Known<'_>) -> String {
    let step = &run.steps[at];
    let since = known.cx.runs.since(run, step).map(|since| format!("; {since}")).unwrap_or_default();
    let word = format!("{}{since}", run.step_word(at));
    let Some(heard) = known.cx.outputs.detached(run.id, &step.id) else { return word };
    let silent = figure::text(|out| figure::coarse_age(out, time::between(heard, known.cx.now.wall)));
    format!("{word} (detached: nothing heard for {silent})")
}

/// `  12s (median 9s of 4 runs)`; empty before it begins.
pub(super) fn took(run: &RunView, at: usize, known: &Known<'_>) -> String {
    let age = |took| figure::text(|out| figure::age(out, took));
    let whole = |took| figure::text(|out| figure::coarse_age(out, took));
    let took =
        run.took(at, known.cx.now.wall).map(|took| if run.steps[at].ended.is_some() { age(took) } else { whole(took) });
    let usual = known.usual.get(without_host(&run.steps[at].id));
    let usual = usual.map(|usual| format!("median {} of {}", age(usual.median), text::counted(usual.of, "run")));
    match (took, usual) {
        (Some(took), Some(usual)) => format!("  {took} ({usual})"),
        (Some(took), None) => format!("  {took}"),
        (None, Some(usual)) if !run.steps[at].state.is_final() => format!("  ({usual})"),
        (None, _) => String::new(),
    }
}

/// What is known beside the run itself.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) cx: &'a Cx<'a>,
    /// How long its steps took in earlier runs.
    pub(super) usual: &'a HashMap<String, Usual>,
}

/// All steps, a line each, with the words of each state.
pub(super) fn list(out: &mut Vec<Line>, run: &RunView, width: usize, known: &Known<'_>) {
    let mut order: Vec<(usize, &StepView)> = run.steps.iter().enumerate().collect();
    // The hosts of a step stand together, whatever the order in which they take their turns.
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, step) in &order {
        first.entry(without_host(&step.id)).or_insert(*at);
    }
    order.sort_by_key(|(_, step)| first.get(without_host(&step.id)).copied());
    let mut heading = "";
    let mut folded = false;
    for (at, step) in &order {
        let (at, step) = (*at, *step);
        let grouped = step.id.contains('@');
        if grouped && heading != without_host(&step.id) {
            heading = without_host(&step.id);
            out.push(fitted(&[(Role::Muted, "  "), (Role::Text, &step.title)], width));
            let of: Vec<usize> =
                order.iter().filter(|(_, other)| without_host(&other.id) == heading).map(|(at, _)| *at).collect();
            folded = of.len() > FOLD;
            if folded {
                put_folded(out, hosts::fold(run, &of, known, true), (2, width));
            }
        }
        if grouped && folded {
            continue;
        }
        let name = if grouped { format!("  {}", host(step)) } else { step.heading() };
        let role = if run.current() == Some(at) { Role::Title } else { Role::Text };
        let sign = format!("{} ", mark(run, at));
        out.push(fitted(&[(step.severity().into(), &sign), (role, &name)], width));
        let word = if step.state == StepState::Planned { String::new() } else { told(run, at, known) };
        let took = took(run, at, known);
        if !(word.is_empty() && took.is_empty()) {
            let pad = if grouped { "    " } else { "  " };
            out.push(fitted(&[(step.severity().into(), &format!("{pad}{word}")), (Role::Muted, &took)], width));
        }
    }
    out.push(Line::new());
    facts(out, run, width);
}

/// Lines of hosts, in from the left.
fn put_folded(out: &mut Vec<Line>, lines: Vec<hosts::Told>, (indent, width): (usize, usize)) {
    for (pieces, _) in lines {
        let pad = (Role::Muted, " ".repeat(indent));
        let pieces: Vec<(Role, &str)> =
            std::iter::once(&pad).chain(&pieces).map(|(role, text)| (*role, text.as_str())).collect();
        out.push(fitted(&pieces, width));
    }
}

/// What the run was begun with.
fn facts(out: &mut Vec<Line>, run: &RunView, width: usize) {
    for (name, value) in &run.params {
        wrapped(out, Role::Muted, &format!("{name} = {value}"), width, 0);
    }
    wrapped(out, Role::Muted, &format!("answered {:?}", run.answer), width, 0);
    if !run.plan_hash.is_empty() {
        wrapped(out, Role::Faint, &format!("plan {}", &run.plan_hash[..run.plan_hash.len().min(16)]), width, 0);
    }
    wrapped(out, Role::Faint, &format!("run {}", run.id), width, 0);
}

/// The page: the runbook, where it is still the one that was run; else its steps as the journal has them.
pub(super) fn compose(shown: &mut Shown, run: &RunView, width: usize, with_facts: bool, known: Known<'_>) {
    let library = known.cx.library.get(&run.runbook);
    let same = |runbook: &&Runbook| run.source_hash.is_empty() || runbook.hash == run.source_hash;
    let mut page = Writer { shown, run, width, known, done: vec![false; run.steps.len()] };
    if let Some(away) = known.cx.runs.is_away() {
        page.wrapped(Role::SeverityWarning, &format!("! {}", away.why), 0);
    }
    match library.map(|runbook| &**runbook).filter(same) {
        Some(runbook) => {
            let (filled, mut steps) = (Filled::of(runbook, run), runbook.steps.iter().peekable());
            for passage in &runbook.page {
                let step = steps.next_if(|step| step.title == passage.heading);
                page.passage(runbook, passage, step, &filled);
            }
        }
        None => {
            let why = match library {
                Some(_) => "! the runbook's file has changed since: these are the steps as they were run",
                None => "! the runbook is not in the library any more: these are the steps as they were run",
            };
            page.wrapped(Role::SeverityWarning, why, 0);
        }
    }
    page.rest();
    if with_facts {
        page.shown.page.push(Line::new());
        facts(&mut page.shown.page, run, width);
    }
}

fn wrapped(out: &mut Vec<Line>, role: Role, text: &str, width: usize, indent: usize) {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, text, width.saturating_sub(indent), 2);
    out.extend(lines.into_iter().map(|line| vec![(role, format!("{:indent$}{line}", ""))]));
}

/// The host of a step that is done on each of several.
pub(super) fn host(step: &StepView) -> &str {
    step.id.split_once('@').map_or(&step.target, |(_, host)| host)
}

/// Writes the page.
struct Writer<'a> {
    shown: &'a mut Shown,
    run: &'a RunView,
    width: usize,
    known: Known<'a>,
    /// Which steps are written.
    done: Vec<bool>,
}

impl Writer<'_> {
    fn push(&mut self, pieces: &[(Role, &str)]) {
        self.shown.page.push(fitted(pieces, self.width));
    }

    fn wrapped(&mut self, role: Role, text: &str, indent: usize) {
        wrapped(&mut self.shown.page, role, text, self.width, indent);
    }

    fn gap(&mut self) {
        if !self.shown.page.is_empty() {
            self.shown.page.push(Line::new());
        }
    }

    fn passage(&mut self, runbook: &Runbook, passage: &Passage, step: Option<&Step>, filled: &Filled<'_>) {
        let heading = if passage.heading.is_empty() { &runbook.title } else { &passage.heading };
        let of: Vec<usize> = match step {
            Some(step) => {
                let of = |at: &usize| without_host(&self.run.steps[*at].id) == step.id && !self.done[*at];
                (0..self.run.steps.len()).filter(of).collect()
            }
            None => Vec::new(),
        };
        self.gap();
        let from = self.shown.page.len();
        self.heading(heading, step.is_some(), &of);
        let by_hand = of.first().copied().filter(|_| step.is_some_and(Step::is_manual));
        match by_hand {
            Some(at) => {
                let asked = ticked(filled.question(&passage.blocks, at), &self.run.steps[at].output);
                prose::lines(&mut self.shown.page, &asked, self.width, INDENT);
            }
            None => prose::lines(&mut self.shown.page, &passage.blocks, self.width, INDENT),
        }
        let fences = step.map_or(&[][..], |step| &step.fences);
        let sent = fences.iter().position(|fence| fence.role == FenceRole::Run).map_or(fences.len(), |run| run + 1);
        fences[..sent].iter().for_each(|fence| self.fence(fence, &of, filled));
        if by_hand.is_some() {
            return self.told(&of, from, None);
        }
        // What it says stands below what was sent; of several hosts below each of them.
        let live = match of[..] {
            [at] if self.outputs(at) => Some(self.shown.page.len()),
            _ => None,
        };
        fences[sent..].iter().for_each(|fence| self.fence(fence, &of, filled));
        self.told(&of, from, live);
    }

    /// Steps that no passage stands for.
    fn rest(&mut self) {
        for at in 0..self.run.steps.len() {
            if self.done[at] {
                continue;
            }
            let id = without_host(&self.run.steps[at].id);
            let of: Vec<usize> =
                (at..self.run.steps.len()).filter(|at| without_host(&self.run.steps[*at].id) == id).collect();
            self.gap();
            let from = self.shown.page.len();
            self.heading(&self.run.steps[at].title, true, &of);
            self.sent(&of);
            let live = match of[..] {
                [at] if self.outputs(at) => Some(self.shown.page.len()),
                _ => None,
            };
            let run = self.run;
            self.undo(&run.steps[at]);
            self.told(&of, from, live);
        }
    }

    /// What takes a step back, where no page says it.
    fn undo(&mut self, step: &StepView) {
        if let Some(undo) = &step.undo {
            self.push(&[(Role::Muted, &format!("{:INDENT$}undo, only if somebody asks for it", ""))]);
            prose::code(&mut self.shown.page, &clean_lines(undo), self.width, INDENT + 2);
        }
    }

    /// `✓ Restart it  on local/api: ok  3.2s (median 2.9s of 4 runs)`.
    fn heading(&mut self, heading: &str, is_step: bool, of: &[usize]) {
        let Some(step) = of.first().map(|at| &self.run.steps[*at]).filter(|_| of.len() == 1) else {
            let sign = if is_step { "  " } else { "" };
            return self.push(&[(Role::Title, sign), (Role::Title, heading)]);
        };
        let on = if step.target.is_empty() { String::new() } else { format!("  on {}", step.target) };
        let (sign, took) = (format!("{} ", mark(self.run, of[0])), took(self.run, of[0], &self.known));
        let severity = step.severity().into();
        let state = format!(": {}", told(self.run, of[0], &self.known));
        self.push(&[
            (severity, &sign),
            (Role::Title, heading),
            (Role::Muted, &on),
            (severity, &state),
            (Role::Muted, &took),
        ]);
        self.address(step);
    }

    /// Where a step acts, because a name of the config tells only who knows the config.
    fn address(&mut self, step: &StepView) {
        if !step.address.is_empty() && step.address != step.target {
            self.push(&[(Role::Faint, &format!("{:INDENT$}at {}", "", step.address))]);
        }
    }

    /// A fence as it is asked; the one that was sent as it was sent.
    fn fence(&mut self, fence: &Fence, of: &[usize], filled: &Filled<'_>) {
        let on = &fence.attrs.on;
        let note = if fence.role == FenceRole::Undo { ", only if somebody asks for it" } else { "" };
        let label = format!("{:INDENT$}{}: {} on {on}{note}", "", fence.role.word(), fence.language.name);
        self.gap();
        self.push(&[(Role::Muted, &label)]);
        let was_sent = fence.role == FenceRole::Run && of.iter().any(|at| !self.run.steps[*at].sent.is_empty());
        if was_sent {
            self.sent(of);
        } else {
            prose::code(&mut self.shown.page, &filled.body(fence, of), self.width, INDENT + 2);
        }
    }

    /// What was sent; on several hosts what the first of them got.
    fn sent(&mut self, of: &[usize]) {
        let sent = of.iter().map(|at| &self.run.steps[*at].sent).find(|sent| !sent.is_empty());
        if let Some(sent) = sent {
            prose::code(&mut self.shown.page, &clean_lines(sent), self.width, INDENT + 2);
        }
    }

    /// What became of each. `live`: where the output of a single one ends.
    fn told(&mut self, of: &[usize], from: usize, live: Option<usize>) {
        if of.len() > FOLD {
            return self.folded(of, from);
        }
        for at in of {
            self.done[*at] = true;
            let (mut start, mut live) = (from, live);
            if of.len() > 1 {
                start = self.shown.page.len();
                self.host(*at);
                let said = self.outputs(*at);
                live = said.then_some(self.shown.page.len());
            }
            self.result(*at);
            let is_over = self.run.steps[*at].state.is_final();
            self.shown.spots.push(Spot { step: *at, from: start, said: live.filter(|_| !is_over).unwrap_or(start) });
        }
    }

    /// Hosts in a line for each batch, those that matter in one of their own.
    fn folded(&mut self, of: &[usize], from: usize) {
        for at in of {
            self.done[*at] = true;
        }
        let lines = hosts::fold(self.run, of, &self.known, false);
        let told: HashSet<usize> = lines.iter().filter_map(|(_, at)| *at).collect();
        let rest = of.iter().filter(|at| !told.contains(at));
        self.shown.spots.extend(rest.map(|step| Spot { step: *step, from, said: from }));
        // Who follows a host sees its batch from the beginning: what does not go well stands there first.
        let mut batch = self.shown.page.len();
        for (pieces, at) in lines {
            let line = self.shown.page.len();
            batch = if at.is_some() { batch } else { line };
            put_folded(&mut self.shown.page, vec![(pieces, at)], (INDENT, self.width));
            self.shown.spots.extend(at.map(|step| Spot { step, from: batch, said: line + 1 }));
        }
    }

    fn host(&mut self, at: usize) {
        let step = &self.run.steps[at];
        let severity = step.severity().into();
        let (sign, took) = (format!("{} ", mark(self.run, at)), took(self.run, at, &self.known));
        let state = format!(": {}", told(self.run, at, &self.known));
        self.push(&[(severity, &sign), (Role::Text, host(step)), (severity, &state), (Role::Muted, &took)]);
        self.address(step);
    }

    fn result(&mut self, at: usize) {
        let step = &self.run.steps[at];
        if let Some(detail) = step.told() {
            self.wrapped(step.severity().into(), detail, INDENT);
        }
    }

    /// What a step says, or said; false: nothing.
    fn outputs(&mut self, at: usize) -> bool {
        let step = &self.run.steps[at];
        let lines: Vec<String> = match self.known.cx.outputs.of(self.run.id, &step.id) {
            Some(output) => output.lines().map(std::borrow::Cow::into_owned).collect(),
            None => text::ends(&step.output, ENDS, "`quarterdeck journal export` has them"),
        };
        for line in &lines {
            self.output(line);
        }
        !lines.is_empty()
    }

    fn output(&mut self, line: &str) {
        let mut lines = Vec::new();
        wrap::lines(&mut lines, if line.is_empty() { " " } else { line }, self.width.saturating_sub(INDENT + 2), 0);
        let pieces = |text| vec![(Role::Border, format!("{:INDENT$}│ ", "")), (Role::Text, text)];
        self.shown.page.extend(lines.into_iter().map(pieces));
    }
}

/// A list with the ticks and the choice that were made so far: the last word on each counts.
fn ticked(mut blocks: Vec<Block>, said: &str) -> Vec<Block> {
    let last = |text: &str, signs: &[&'static str]| {
        let of = |line: &str| {
            signs.iter().find(|sign| line.strip_prefix(**sign).is_some_and(|rest| rest.trim() == text)).copied()
        };
        said.lines().rev().find_map(of)
    };
    let chosen = said.lines().rev().find_map(|line| line.strip_prefix("chosen: "));
    for block in &mut blocks {
        let text: String = block.pieces.iter().map(|(_, text)| text.as_str()).collect();
        let text = clean_lines(text.trim());
        if let BlockKind::Item { sign, .. } = &mut block.kind {
            if let Some(tick) = last(&text, &["[x] ", "[ ] "]) {
                tick.trim_end().clone_into(sign);
            } else if chosen == Some(&*text) {
                "(x)".clone_into(sign);
            }
        }
    }
    blocks
}
