//! A run's page: the runbook as its author wrote it, each step in its place with what becomes of it. While the run is under way the page
//! follows the step that is; a key that moves stops that, the last line goes on with it.

mod filled;
mod head;
mod hosts;
mod steps;

use self::steps::Known;
use super::Place;
use crate::action::{Action, Motion};
use crate::cx::Cx;
use crate::domain::record::{RunOutcome, StepState};
use crate::domain::{RunId, Severity, text};
use crate::runbook::RunView;
use crate::runbook::pace::{Usual, usual};
use crate::theme::Role;
use crate::widgets::prose::Line;
use crate::widgets::{canvas, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::collections::HashMap;

/// From this width on the steps stand at the left and the page at the right.
const TWO_COLUMNS: u16 = 150;
/// Cells of the steps at the left.
const LEFT: u16 = 56;

/// Where a step stands in the page: its first line, and the one after what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    step: usize,
    from: usize,
    said: usize,
}

/// What is shown.
#[derive(Debug, Default)]
struct Shown {
    /// Always in sight: how it stands, which step it is at, what comes next, what can be undone.
    head: Vec<Line>,
    /// The steps, where there is room for them beside the page.
    steps: Vec<Line>,
    page: Vec<Line>,
    spots: Vec<Spot>,
    /// The step that it is at, or that matters most now that it is over.
    at: Option<usize>,
    over: bool,
}

/// The page that is open.
#[derive(Debug)]
pub struct RunPage {
    run: RunId,
    follow: bool,
    scroll: usize,
    height: usize,
    shown: Shown,
    /// What others are told, while it is looked at.
    told: Option<String>,
    /// How long its steps took in earlier runs, as of a revision of the runs.
    usual: (u64, HashMap<String, Usual>),
}

impl RunPage {
    /// Of a run.
    pub fn new(run: RunId) -> Self {
        Self { run, follow: true, scroll: 0, height: 1, shown: Shown::default(), told: None, usual: <_>::default() }
    }

    /// Whose it is.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Shows what others are told.
    pub fn tell(&mut self, told: String) {
        (self.told, self.scroll) = (Some(told), 0);
    }

    /// Back to the page; false: it is there.
    pub fn back(&mut self) -> bool {
        let was = self.told.take().is_some();
        self.follow |= was;
        was
    }

    /// An action that it takes.
    pub fn act(&mut self, action: &Action) -> bool {
        match (action, action.motion()) {
            (_, Some(Motion::Bottom)) if self.told.is_none() && !self.shown.over => self.follow = true,
            (_, Some(motion)) => {
                self.follow = false;
                self.scroll = motion.apply(self.scroll, self.height).min(self.most());
            }
            (Action::NextPane, _) => self.go(1),
            (Action::PreviousPane, _) => self.go(-1),
            (Action::Details, _) => self.follow = true,
            _ => return false,
        }
        true
    }

    /// To the step after or before the one that stands at the top.
    fn go(&mut self, by: isize) {
        self.follow = false;
        let spots = &self.shown.spots;
        let to = if by > 0 {
            spots.iter().find(|spot| spot.from > self.scroll)
        } else {
            spots.iter().rev().find(|spot| spot.from < self.scroll)
        };
        if let Some(spot) = to {
            self.scroll = spot.from.min(self.most());
        }
    }

    fn most(&self) -> usize {
        self.shown.page.len().saturating_sub(self.height)
    }

    /// Formats it for the room that there is.
    pub fn refresh(&mut self, place: Place, cx: &Cx<'_>) {
        let Some(run) = cx.runs.get(self.run) else { return };
        let (head, left, page) = parts(place.inside(), 0);
        let mut shown = Shown { over: run.outcome.is_some(), at: matters(run), ..Shown::default() };
        let left = left.is_some();
        if self.usual.0 != cx.runs.revision() {
            self.usual = (cx.runs.revision(), usual(cx.runs, run));
        }
        let known = Known { cx, usual: &self.usual.1 };
        head::compose(&mut shown.head, run, usize::from(head.width), &known);
        if let Some(told) = &self.told {
            announced(&mut shown.page, told, usize::from(page.width));
        } else {
            steps::compose(&mut shown, run, usize::from(page.width), !left, known);
        }
        if left {
            steps::list(&mut shown.steps, run, usize::from(LEFT - 2), &known);
        }
        let (_, _, page) = parts(place.inside(), shown.head.len() as u16);
        self.height = usize::from(page.height).max(1);
        self.shown = shown;
        if self.follow && self.told.is_none() {
            self.scroll = self.wanted();
        }
        self.scroll = self.scroll.min(self.most());
    }

    /// The step that it is at stands at the top; when there is no room for all that it says, the end of that at the bottom.
    fn wanted(&self) -> usize {
        let spot = self.shown.at.and_then(|at| self.shown.spots.iter().find(|spot| spot.step == at));
        spot.map_or(0, |spot| spot.from.max(spot.said.saturating_sub(self.height)))
    }

    /// Paints it.
    pub fn draw(&self, place: Place, title: &str, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        super::table::draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &text::clean(title), 24);
        let (head, left, page) = parts(place.inside(), self.shown.head.len() as u16);
        draw_lines(&self.shown.head, head, buf, cx);
        let inside = place.inside();
        if page.y > head.bottom() {
            canvas::rule(buf, Rect { y: head.bottom(), height: 1, ..inside }, cx.style(Role::Border));
        }
        if let Some(left) = left {
            draw_lines(&self.shown.steps, left, buf, cx);
        }
        draw_lines(&self.shown.page[self.scroll.min(self.shown.page.len())..], page, buf, cx);
        let (all, last) = (self.shown.page.len(), self.scroll + self.height);
        if all > self.height {
            let following = if self.follow && !self.shown.over { "follows, " } else { "" };
            let text = format!(" {following}{}–{} of {all} lines ", self.scroll + 1, last.min(all));
            let at = (place.area.right().saturating_sub(2), place.area.y);
            canvas::put_right(buf, at, &text, 36, cx.style(Role::Faint));
        }
    }
}

/// The step that somebody wants to see: the one under way; of a run that is over the first that is not well, if there is one.
fn matters(run: &RunView) -> Option<usize> {
    let bad = || run.steps.iter().position(|step| step.severity() > Severity::Info);
    let last = || run.steps.iter().rposition(|step| step.state != StepState::Planned);
    let not_ok = run.outcome.is_some_and(|outcome| outcome != RunOutcome::Ok);
    run.current().or_else(bad).or_else(|| if not_ok { last() } else { None })
}

/// What others are told, to be read before it is pasted.
fn announced(out: &mut Vec<Line>, told: &str, width: usize) {
    out.push(vec![(Role::Muted, "copied by OSC 52; this is what was copied (Esc: back to the run)".to_owned())]);
    out.push(Line::new());
    let mut lines = Vec::new();
    wrap::lines(&mut lines, told, width, 2);
    out.extend(lines.into_iter().map(|line| vec![(Role::Text, line)]));
}

/// Where the head stands, the steps, and the page.
fn parts(inside: Rect, head: u16) -> (Rect, Option<Rect>, Rect) {
    let head = head.min(inside.height);
    let above = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), height: head, ..inside };
    let below =
        Rect { y: (inside.y + head + 1).min(inside.bottom()), height: inside.height.saturating_sub(head + 1), ..above };
    if inside.width < TWO_COLUMNS {
        return (above, None, below);
    }
    let left = Rect { width: LEFT, ..below };
    let page = Rect { x: below.x + LEFT + 1, width: below.width.saturating_sub(LEFT + 1), ..below };
    (above, Some(left), page)
}

fn draw_lines(lines: &[Line], area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        let mut x = area.x;
        for (role, text) in line {
            x = canvas::put(buf, (x, y), text, area.right().saturating_sub(x), cx.style(*role));
        }
    }
}
