//! The overview: what is promised of the service, what is wrong now, and what changed in the last half hour; for the first minute of an
//! incident.
//!
//! It tells of things that other panes show, and leads there. It judges nothing itself: how bad a thing is, its own pane says
//! the same.

mod changed;
mod line;
mod strip;
mod wrong;

use self::line::Line;
use self::strip::Strip;
use super::table::draw_frame;
use super::{Details, Flow, Lead, Pane, PaneKind, Place, Selected};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::slo::Slo;
use crate::domain::{Severity, Subject, ThingId, text, time};
use crate::keymap::Scope;
use crate::store::{Feed, Health};
use crate::theme::Role;
use crate::widgets::canvas;
use crate::widgets::figure;
use crate::widgets::filter::Filter;
use crate::widgets::grid::{Column, Look, RowLook, Slot, Window, place_to_fit};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::fmt::Write;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(0),
    title: "Overview",
    doc: "what is wrong now, and what changed in the last 30 minutes, worst first; Enter goes there",
    scope: Scope::Overview,
    action: Action::Overview,
    subject: None,
    beside: false,
    make: || Box::new(Overview::default()),
};

/// What is promised of the service, and what it is now, as far as sources have told.
pub fn objectives<'a>(cx: &Cx<'a>) -> impl Iterator<Item = &'a Slo> {
    strip::feeds(cx).filter_map(|feed| feed.snapshot()?.alerts()).flat_map(|report| report.slos.iter())
}

/// A figure of one of them, as the strip shows it.
pub fn figure(slo: &Slo, value: f64) -> String {
    strip::shown(slo.unit, value)
}

/// How far back a change is told.
const BACK: Duration = Duration::from_secs(30 * 60);
/// From this width on the two lists stand beside each other.
const SIDE_BY_SIDE: u16 = 200;

/// Of the two lists.
const HEADINGS: [&str; 2] = ["WRONG NOW", "CHANGED IN THE LAST 30 MINUTES"];

const COLUMNS: &[Column] = &[
    Column::text("NAME", 26, 1, 9),
    Column::text("KIND", 9, 0, 3),
    Column::figure("SINCE", 6, 7),
    Column::text("WHAT", 24, 5, 8),
];

/// One of the two lists.
#[derive(Default)]
struct Block {
    lines: Vec<Line>,
    window: Window,
    slots: Vec<Slot>,
    offset: usize,
    /// What stands in place of lines, when there are none.
    empty: Vec<String>,
}

/// The view.
#[derive(Default)]
pub struct Overview {
    /// Wrong, changed.
    blocks: [Block; 2],
    /// Above both.
    strip: Strip,
    /// Over the lines of both, one list after the other.
    cursor: usize,
    /// Follows its thing once it was moved; until then it stays at the top, where the worst is.
    chosen: Option<Lead>,
    /// Where the line led that stood under the cursor on the screen, as long as nothing was chosen.
    painted: Option<Lead>,
    page: usize,
    filter_text: String,
    filter: Filter,
    title: String,
    scratch: String,
    collected_for: Option<(u64, Filter)>,
}

/// `1 promise above is`, `2 promises above are`.
fn promised(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} above {verb}", text::counted(count, "promise"))
}

impl Overview {
    fn collect(&mut self, cx: &Cx<'_>) {
        let key = (key(cx), &self.filter);
        if self.collected_for.as_ref().is_some_and(|(state, filter)| (*state, filter) == key) {
            return;
        }
        let refiltered = self.collected_for.as_ref().is_some_and(|(_, filter)| filter != key.1);
        self.collected_for = Some((key.0, key.1.clone()));
        let filter = &self.filter;
        let pass = |mut lines: Vec<Line>| {
            lines.retain(|line| filter.is_empty() || filter.passes(&line.haystack()));
            lines
        };
        self.blocks[0].lines = pass(wrong::lines(cx));
        self.blocks[1].lines = pass(changed::lines(cx, BACK));
        self.strip = Strip::of(cx);
        self.explain(cx);
        if refiltered && !self.filter.is_empty() {
            // Who types a filter looks for something: the first line that passes is what is meant.
            self.chosen = None;
        }
        self.follow();
        self.headline(cx);
    }

    /// What stands where there is nothing to tell: never that all is well while somebody is not heard.
    fn explain(&mut self, cx: &Cx<'_>) {
        let doubts = doubts(cx);
        let broken = objectives(cx).filter(|slo| slo.judge() >= Severity::Warning).count();
        self.blocks[0].empty = match (self.filter.is_empty(), doubts.is_empty()) {
            (true, true) if broken > 0 => {
                vec![format!("{} not kept; no server, container, alert or session is bad by itself", promised(broken))]
            }
            (false, _) => vec!["nothing that is wrong passes the filter (Esc clears it)".to_owned()],
            (true, true) => vec!["nothing, as far as the sources tell; all of them answer".to_owned()],
            (true, false) => {
                let mut told = vec!["nothing is seen, but not every source has answered:".to_owned()];
                told.extend(doubts);
                told
            }
        };
        self.blocks[1].empty = vec![if self.filter.is_empty() {
            "nothing that the sources tell of".to_owned()
        } else {
            "no change passes the filter (Esc clears it)".to_owned()
        }];
    }

    fn count(&self) -> usize {
        self.blocks.iter().map(|block| block.lines.len()).sum()
    }

    fn line(&self) -> Option<&Line> {
        self.blocks.iter().flat_map(|block| &block.lines).nth(self.cursor)
    }

    /// The cursor follows what it was put on, first of all within the same list.
    fn follow(&mut self) {
        let wrong = self.blocks[0].lines.len();
        if let Some(chosen) = &self.chosen {
            let all = || self.blocks.iter().flat_map(|block| &block.lines).enumerate();
            let is_it = |(at, line): (usize, &Line)| (line.lead == *chosen).then_some(at);
            let same_list = |at: &usize| (*at < wrong) == (self.cursor < wrong);
            let found = all().filter_map(is_it).find(same_list).or_else(|| all().find_map(is_it));
            self.cursor = found.unwrap_or(self.cursor);
        } else {
            self.cursor = 0;
        }
        self.cursor = self.cursor.min(self.count().saturating_sub(1));
    }

    fn headline(&mut self, cx: &Cx<'_>) {
        self.title.clear();
        let _ = write!(self.title, "0 {}", KIND.title);
        let lines = &self.blocks[0].lines;
        for severity in [Severity::Critical, Severity::Warning, Severity::Unknown] {
            let count = lines.iter().filter(|line| line.severity == severity).count();
            if count > 0 {
                let _ = write!(self.title, "  {count} {}", severity.word());
            }
        }
        let _ = write!(self.title, "  {} changed in {}", self.blocks[1].lines.len(), time::words(BACK));
        let silent = doubts(cx).len();
        if silent > 0 {
            let _ = write!(self.title, "  {silent} sources not heard");
        }
        if !self.filter_text.is_empty() {
            let _ = write!(self.title, "  /{}", text::typed(&self.filter_text));
        }
    }

    fn fill(&mut self, which: usize, height: usize, cx: &Cx<'_>) {
        let first = if which == 0 { 0 } else { self.blocks[0].lines.len() };
        let block = &mut self.blocks[which];
        let most = block.lines.len().saturating_sub(height);
        block.offset = block.offset.min(most);
        if let Some(at) = self.cursor.checked_sub(first).filter(|at| *at < block.lines.len()) {
            block.offset = block.offset.clamp((at + 1).saturating_sub(height.max(1)), at);
        }
        block.window.clear();
        for line in block.lines.iter().skip(block.offset).take(height) {
            block.window.row(RowLook { severity: line.severity, stale: line.stale, ..RowLook::default() });
            for slot in &block.slots {
                block.window.cell(&mut self.scratch, |out| line.cell(slot.column, cx.now, out));
            }
        }
    }
}

/// Changes with everything that the lists depend on; ages pass by themselves, and things grow old, twice a minute.
fn key(cx: &Cx<'_>) -> u64 {
    let subjects = [Subject::Servers, Subject::Containers, Subject::Alerts, Subject::Databases];
    let known = subjects.iter().fold(0u64, |key, subject| {
        let health = cx.store.health_key(*subject, cx.now);
        key.wrapping_mul(31).wrapping_add(cx.store.revision(*subject)).wrapping_mul(31).wrapping_add(health)
    });
    known.wrapping_mul(31).wrapping_add(cx.runs.revision()).wrapping_mul(31).wrapping_add(cx.now.mono.as_secs() / 30)
}

/// The sources that nobody has heard of lately: what they would tell may be wrong all the same.
fn doubts(cx: &Cx<'_>) -> Vec<String> {
    let silent = |feed: &&Feed| feed.health(cx.now) != Health::Fresh;
    let tell = |feed: &Feed| {
        let why = match feed.health(cx.now) {
            Health::Waiting => "asked, waiting for the first answer",
            Health::Stale => "no answer any more",
            Health::Failed => "fails",
            Health::Fresh => "answers",
        };
        format!("  {}: {why}", feed.id)
    };
    cx.store.feeds().iter().filter(silent).map(tell).collect()
}

/// Where the two lists stand: each with its heading. What is wrong gets the room it needs, up to three fifths of it; more when
/// what changed leaves it free.
fn split(inside: Rect, wrong: usize, changed: usize) -> [Rect; 2] {
    if inside.width >= SIDE_BY_SIDE {
        let left = inside.width / 2;
        let right = Rect { x: inside.x + left + 1, width: inside.width - left - 1, ..inside };
        return [Rect { width: left, ..inside }, right];
    }
    let needed = |lines: usize| u16::try_from(lines.max(1) + 2).unwrap_or(u16::MAX);
    // A blank line between, where nothing is pushed out by it.
    let most = (inside.height * 3 / 5).max(inside.height.saturating_sub(needed(changed)));
    let gap = u16::from(needed(wrong).saturating_add(needed(changed)) < inside.height);
    let top = needed(wrong).min(most) + gap;
    let below = Rect { y: inside.y + top, height: inside.height.saturating_sub(top), ..inside };
    [Rect { height: top, ..inside }, below]
}

impl Pane for Overview {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.collect(cx);
        if let Some(motion) = action.motion() {
            self.cursor = motion.apply(self.cursor, self.page).min(self.count().saturating_sub(1));
            self.chosen = self.line().map(|line| line.lead.clone());
            Flow::Done
        } else {
            Flow::Pass
        }
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.collect(cx);
        let (_, areas) = self.areas(at);
        self.page = usize::from(areas[0].height.saturating_sub(2)).max(1);
        let needs = self.needs();
        for (which, area) in areas.into_iter().enumerate() {
            place_to_fit(COLUMNS, 0..COLUMNS.len(), |_| true, area.width, &needs, &mut self.blocks[which].slots);
            self.fill(which, usize::from(area.height.saturating_sub(2)), cx);
        }
        if self.chosen.is_none() && self.painted.as_ref() != self.line().map(|line| &line.lead) {
            self.painted = self.line().map(|line| line.lead.clone());
        }
    }

    fn choose(&mut self) -> bool {
        if self.chosen.is_none() {
            self.chosen = self.painted.take().or_else(|| self.line().map(|line| line.lead.clone()));
            self.follow();
            return self.chosen.is_some();
        }
        false
    }

    fn let_go(&mut self) {
        self.chosen = None;
        self.follow();
    }

    fn unseen(&mut self) {
        self.painted = None;
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 0);
        let (top, areas) = self.areas(place);
        self.strip.draw(top, buf, cx);
        for (which, area) in areas.into_iter().enumerate() {
            self.draw_block(which, area, buf, cx);
        }
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.collect(cx);
    }

    fn rows(&self) -> usize {
        self.count()
    }

    /// What it tells of is shown elsewhere.
    fn has(&self, _: &ThingId, _: &Cx<'_>) -> bool {
        false
    }

    fn selected(&self) -> Option<Selected> {
        match self.line().map(|line| &line.lead)? {
            Lead::Thing(link) => Some(Selected::here(link.to.clone(), link.name.clone())),
            Lead::Pane(_) => None,
        }
    }

    fn select(&mut self, _: Selected) {}

    fn lead(&self) -> Option<Lead> {
        self.line().map(|line| line.lead.clone())
    }

    fn details(&self, _: &Cx<'_>) -> Option<Details> {
        None
    }

    /// For the incident channel.
    fn text(&self) -> Option<String> {
        let mut out = self.strip.text();
        for (block, heading) in self.blocks.iter().zip(HEADINGS) {
            let _ = writeln!(out, "{heading}");
            for line in &block.lines {
                let _ = writeln!(out, "- {}", line.text());
            }
            block.empty.iter().filter(|_| block.lines.is_empty()).for_each(|line| {
                let _ = writeln!(out, "- {}", line.trim());
            });
        }
        Some(out)
    }

    fn line_text(&self) -> Option<String> {
        self.line().map(Line::text)
    }

    fn filter(&self) -> &str {
        &self.filter_text
    }

    fn filter_hint(&self) -> &'static str {
        "words, !not, kind:alert, severity:critical"
    }

    fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter_text);
        self.painted = None;
        self.filter = Filter::parse(text, false, &[]);
    }
}

impl Overview {
    /// Cells that the texts of both lists take, so that their columns stand below each other.
    fn needs(&self) -> [u16; COLUMNS.len()] {
        let lines = || self.blocks.iter().flat_map(|block| &block.lines);
        let most = |width: fn(&Line) -> usize| lines().map(width).max().unwrap_or(0).min(usize::from(u16::MAX)) as u16;
        [most(|line| line.name.width()), 0, 0, most(|line| line.what.width())]
    }

    /// Where the strip stands, and the two lists below it.
    fn areas(&self, place: Place) -> (Rect, [Rect; 2]) {
        let inside = place.inside();
        let height = self.strip.height(inside.width).min(inside.height / 2);
        let below = Rect { y: inside.y + height, height: inside.height - height, ..inside };
        (Rect { height, ..inside }, split(below, self.lines_of(0), self.lines_of(1)))
    }

    fn lines_of(&self, which: usize) -> usize {
        let block = &self.blocks[which];
        if block.lines.is_empty() { block.empty.len() } else { block.lines.len() }
    }

    fn draw_block(&self, which: usize, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        let block = &self.blocks[which];
        let heading = HEADINGS[which];
        let hidden = block.lines.len().saturating_sub(block.window.len());
        let more = figure::text(|out| {
            out.push_str(heading);
            if hidden > 0 {
                let _ = write!(out, ": {} of {}", block.window.len(), block.lines.len());
            }
        });
        canvas::put(buf, (area.x, area.y), &more, area.width, cx.style(Role::Title));
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        if block.lines.is_empty() {
            for (line, y) in block.empty.iter().zip(body.top()..body.bottom()) {
                canvas::put(buf, (body.x + 2, y), line, body.width.saturating_sub(2), cx.style(Role::Muted));
            }
            return;
        }
        let first = if which == 0 { 0 } else { self.blocks[0].lines.len() };
        let at = self.cursor.checked_sub(first).filter(|at| *at < block.lines.len());
        let look = Look {
            columns: COLUMNS,
            titles: &[],
            slots: &block.slots,
            sorted: None,
            selected: at.map(|at| at.saturating_sub(block.offset)),
            focused: true,
            headings: true,
        };
        block.window.draw(body, buf, cx.theme, &look);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_have_room_and_what_is_wrong_has_more_of_it() {
        let inside = Rect { x: 1, y: 3, width: 78, height: 20 };
        let heights = |wrong, changed| split(inside, wrong, changed).map(|area| area.height);
        assert_eq!(heights(1, 1), [4, 16], "a blank line between");
        assert_eq!(heights(50, 50), [12, 8]);
        assert_eq!(heights(50, 1), [17, 3]);
        assert_eq!(heights(1, 50), [3, 17]);
        let [left, right] = split(Rect { width: 238, ..inside }, 9, 9);
        assert!(left.right() < right.x && right.right() == 239 && left.height == 20);
    }
}
