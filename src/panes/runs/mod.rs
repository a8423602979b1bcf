//! Runs: what was done, by whom, step by step, with its output; unfinished ones first of all.
//!
//! Reads the fold of journal records only, so that it cannot tell another story than the journal.

mod story;

use self::story::tell;
use super::listing::Listing;
use super::table::draw_frame;
use super::{Details, Flow, Pane, PaneKind, Place, Presence, Section, Selected};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{ThingId, text};
use crate::keymap::Scope;
use crate::runbook::RunView;
use crate::theme::Role;
use crate::widgets::filter::Filter;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use crate::widgets::{canvas, figure, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(6),
    title: "Runs",
    doc: "runs of runbooks: their steps, what was sent, what came back",
    scope: Scope::Runs,
    action: Action::Runs,
    subject: None,
    beside: false,
    make: || Box::new(RunsPane::default()),
};

const COLUMNS: &[Column] = &[
    Column::text("STATE", 10, 0, 9),
    Column::text("STARTED (UTC)", 19, 0, 6),
    Column::text("RUNBOOK", 18, 2, 9),
    Column::text("ON", 18, 2, 7),
    Column::text("BY", 16, 1, 3),
    Column::figure("TOOK", 6, 4).of(Measure::Time),
    Column::text("RUN", 6, 0, 2),
];

/// Other names for them in a filter.
const SYNONYMS: &[(&str, usize)] = &[("started", 1), ("actor", 4), ("target", 3)];

/// The view.
pub struct RunsPane {
    list: Listing,
    selected: Option<Selected>,
    lines: Vec<(Role, String)>,
    title: String,
    /// Runs that are not over, counted by how they stand.
    going: [(usize, &'static str); 4],
    /// What the order depends on: when it did not change, the runs stand as they stood.
    arranged_for: Option<(u64, Filter)>,
}

impl Default for RunsPane {
    fn default() -> Self {
        Self {
            list: Listing::new(COLUMNS, SYNONYMS),
            selected: None,
            lines: Vec::new(),
            title: String::new(),
            going: [(0, ""); 4],
            arranged_for: None,
        }
    }
}

impl RunsPane {
    /// Newest first; the cursor follows its run.
    fn arrange(&mut self, cx: &Cx<'_>) {
        let key = (cx.runs.revision(), self.list.filter.read());
        if self.arranged_for.as_ref().is_some_and(|(revision, filter)| (*revision, filter) == key) {
            return;
        }
        self.arranged_for = Some((key.0, key.1.clone()));
        let open = || cx.runs.iter().filter(|run| run.outcome.is_none());
        let left = open().filter(|run| run.left).count();
        let looked_at = open().filter(|run| run.cut_off).count() - left;
        let asking = open().filter(|run| run.asks).count();
        self.going = [
            (open().count() - asking - looked_at - left, "running"),
            (asking, if asking == 1 { "waits for you" } else { "wait for you" }),
            (looked_at, "cut off, being looked at"),
            (left, "cut off, to be resumed"),
        ];
        let cell = |column, run: &RunView, out: &mut String| cell(column, run, cx, out);
        self.list.arrange(cx.runs.iter().enumerate().rev(), haystack, cell);
        let wanted = self.selected.as_ref().and_then(|selected| selected.id.run());
        self.list.follow(|index| run_at(cx, index).is_some_and(|run| Some(run.id) == wanted));
        self.take(cx);
    }

    fn take(&mut self, cx: &Cx<'_>) {
        self.selected = self.run(cx).map(|run| Selected {
            id: ThingId::Run(run.id),
            name: format!("{} {}", run.title, run.id.short()),
            presence: Presence::Here,
        });
    }

    fn run<'a>(&self, cx: &Cx<'a>) -> Option<&'a RunView> {
        self.list.at().and_then(|index| run_at(cx, index))
    }

    fn tell(&mut self, width: usize, cx: &Cx<'_>) {
        self.lines.clear();
        if let Some(away) = cx.runs.is_away() {
            let mut lines = Vec::new();
            wrap::lines(&mut lines, &format!("! {}", away.why), width, 2);
            self.lines.extend(lines.into_iter().map(|line| (Role::SeverityWarning, line)));
        }
        match self.run(cx) {
            Some(run) => tell(&mut self.lines, run, width),
            None if self.list.is_empty() && cx.runs.iter().len() == 0 && cx.runs.is_unread().is_some() => {
                let why = cx.runs.is_unread().map(|unread| text::clean(&unread.why)).unwrap_or_default();
                let mut lines = Vec::new();
                wrap::lines(&mut lines, &why, width, 0);
                self.lines.extend(lines.into_iter().map(|line| (Role::SeverityCritical, line)));
            }
            None if self.list.is_empty() && cx.runs.iter().len() == 0 => {
                self.lines.push((Role::Muted, "nothing was run from this journal yet".to_owned()));
            }
            None => self.lines.push((Role::Muted, "no run passes the filter (Esc clears it)".to_owned())),
        }
    }

    /// What does not fit is not left out in silence.
    fn cut(&mut self, height: usize, cx: &Cx<'_>) {
        let Some(hidden) = self.lines.len().checked_sub(height).filter(|hidden| *hidden > 0) else { return };
        self.lines.truncate(height.saturating_sub(1));
        self.lines.push((Role::Hint, rest(hidden + 1, cx)));
    }
}

/// What a filter searches.
fn haystack(run: &RunView) -> String {
    let (word, id) = (run.word(), run.id.short());
    format!("{word} {} {} {} {} {id}", run.runbook, run.title, run.actor, target(run)).to_lowercase()
}

/// Where the rest of a story that does not fit is to be read.
fn rest(hidden: usize, cx: &Cx<'_>) -> String {
    let key = cx.keymap.key_of(Scope::Runs, &Action::Details).unwrap_or_default();
    format!("… {hidden} more lines: {key} shows all")
}

fn run_at<'a>(cx: &Cx<'a>, index: usize) -> Option<&'a RunView> {
    cx.runs.iter().nth(index)
}

fn cell(column: usize, run: &RunView, cx: &Cx<'_>, out: &mut String) -> Role {
    match column {
        0 => {
            out.push_str(run.word());
            run.severity().into()
        }
        1 => {
            let _ = write!(out, "{}", run.started.strftime("%Y-%m-%d %H:%M:%S"));
            Role::Muted
        }
        2 => {
            if run.glass.is_some() {
                let _ = write!(out, "BREAK-GLASS {}", run.runbook);
                return Role::SeverityCritical;
            }
            out.push_str(&run.runbook);
            if run.clock.is_some() {
                // Its times stand right beside it.
                out.push_str(" (clock off)");
                return Role::SeverityWarning;
            }
            Role::Text
        }
        3 => {
            out.push_str(&target(run));
            Role::Text
        }
        4 => {
            out.push_str(&run.actor);
            Role::Muted
        }
        5 => {
            figure::age(out, crate::domain::time::between(run.started, run.until(cx.now.wall)));
            Role::Muted
        }
        _ => {
            out.push_str(&run.id.short());
            Role::Faint
        }
    }
}

/// The targets of its steps, each once.
fn target(run: &RunView) -> String {
    let mut targets: Vec<&str> = Vec::new();
    for step in run.steps.iter().filter(|step| !step.target.is_empty()) {
        if !targets.contains(&step.target.as_str()) {
            targets.push(&step.target);
        }
    }
    targets.join(", ")
}

/// One run as facts: of the whole, then step by step.
fn sections(run: &RunView) -> Vec<Section> {
    let fact = |label: &str, text: String| (label.to_owned(), text);
    let params: Vec<String> = run.params.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let mut whole = vec![
        fact("outcome", run.verdict().unwrap_or_else(|| run.word().to_owned())),
        fact("run", format!("{} of {}", run.id, run.runbook)),
        fact("started", format!("{} by {} in {}", run.started.strftime("%Y-%m-%d %H:%M:%SZ"), run.actor, run.env)),
        fact(
            "clock",
            run.clock
                .as_ref()
                .map(|clock| format!("{clock} the journal server's: so are its times"))
                .unwrap_or_default(),
        ),
        fact("break-glass", run.glass.clone().unwrap_or_default()),
        fact("approved by", run.approved.clone().unwrap_or_default()),
        fact("answered", run.answer.clone()),
        fact("parameters", params.join("\n")),
    ];
    whole.retain(|(_, text)| !text.is_empty());
    std::iter::once(Section::Facts(whole)).chain((0..run.steps.len()).map(|at| step_facts(run, at))).collect()
}

fn step_facts(run: &RunView, number: usize) -> Section {
    let step = &run.steps[number];
    let at = step.at.map(|at| format!(", {}", at.strftime("%H:%M:%SZ"))).unwrap_or_default();
    let facts = [
        ("step", format!("{}: {}{at}", step.title, run.step_word(number))),
        ("on", step.target.clone()),
        ("result", step.told().unwrap_or_default().to_owned()),
        ("sent", step.sent.clone()),
        ("output", step.output.clone()),
    ];
    let told = facts.into_iter().filter(|(_, text)| !text.is_empty());
    Section::Facts(told.map(|(label, text)| (label.to_owned(), text)).collect())
}

/// Where the list and the text stand: what is said in place of a run stands in the list, under its headings.
fn parts(inside: Rect, empty: bool) -> (Rect, Rect) {
    let (list, story) = split(inside);
    if !empty {
        return (list, story);
    }
    (list, Rect { y: list.y + 1, height: list.height.saturating_sub(1), ..list })
}

/// The list above, what the cursor is on below, a rule between; beside each other where there is room.
fn split(inside: Rect) -> (Rect, Rect) {
    if inside.width >= 150 {
        let left = inside.width * 9 / 20;
        let right = Rect { x: inside.x + left + 2, width: inside.width.saturating_sub(left + 2), ..inside };
        return (Rect { width: left, ..inside }, right);
    }
    let top = (inside.height / 3).max(3).min(inside.height);
    let story = Rect { y: inside.y + top + 1, height: inside.height.saturating_sub(top + 1), ..inside };
    (Rect { height: top, ..inside }, story)
}

impl Pane for RunsPane {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        if let Some(motion) = action.motion() {
            self.list.travel(motion);
            self.take(cx);
            Flow::Done
        } else {
            Flow::Pass
        }
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        let (list, story) = parts(at.inside(), self.list.is_empty());
        let cell = |column, run: &RunView, out: &mut String| cell(column, run, cx, out);
        self.list.fill(COLUMNS, list, |index| run_at(cx, index), (RunView::severity, cell));
        self.tell(usize::from(story.width), cx);
        self.cut(usize::from(story.height), cx);
        self.title.clear();
        let _ = write!(self.title, "6 {}  {} in the journal", KIND.title, cx.runs.iter().len());
        for (count, word) in self.going {
            if count > 0 {
                let _ = write!(self.title, "  {count} {word}");
            }
        }
        if !self.list.filter.text().is_empty() {
            let _ = write!(self.title, "  /{}", text::typed(self.list.filter.text()));
        }
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 0);
        let (list, story) = parts(place.inside(), self.list.is_empty());
        self.list.draw(COLUMNS, list, buf, (cx, place.focused));
        if story.y > list.y + 1 {
            canvas::rule(buf, Rect { y: list.bottom(), height: 1, ..list }, cx.style(Role::Border));
        }
        for ((role, line), y) in self.lines.iter().zip(story.top()..story.bottom()) {
            canvas::put(buf, (story.x, y), line, story.width, cx.style(*role));
        }
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.arrange(cx);
    }

    fn rows(&self) -> usize {
        self.list.len()
    }

    fn has(&self, thing: &ThingId, cx: &Cx<'_>) -> bool {
        cx.runs.iter().any(|run| ThingId::Run(run.id) == *thing)
    }

    fn selected(&self) -> Option<Selected> {
        self.selected.clone()
    }

    fn select(&mut self, selected: Selected) {
        self.selected = Some(selected);
        self.set_filter("");
        self.arranged_for = None;
    }

    fn details(&self, cx: &Cx<'_>) -> Option<Details> {
        let run = self.run(cx)?;
        Some(Details { title: run.title.clone(), stale: None, sections: sections(run) })
    }

    fn filter(&self) -> &str {
        self.list.filter.text()
    }

    fn filter_hint(&self) -> &str {
        self.list.filter.hint("words, !not, state:failed, took>1m; Tab completes")
    }

    fn completed(&self, typed: &str) -> Option<String> {
        self.list.filter.completed(typed)
    }

    fn set_filter(&mut self, text: &str) {
        self.list.filter.set(text);
    }
}
