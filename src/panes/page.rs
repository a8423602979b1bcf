//! A thing's page: all its facts, its figures over time, and what belongs to it, over the whole screen. Not a pane: it shows
//! what a pane tells of the thing under its cursor.

use super::{Chart, Details, Link, Motion, Place, RunPage, Section, Selected, Unit};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::prose::Block;
use crate::domain::{Inquiry, text};
use crate::theme::Role;
use crate::widgets::{canvas, chart, figure, prose, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// From this width on, facts stand at the left and charts and links at the right.
const TWO_COLUMNS: u16 = 110;
/// Rows of a chart's bars, at least.
const CHART_ROWS: usize = 4;
/// Cells of a chart's scale.
const SCALE: usize = 8;
/// Cells of a label at most.
const LABEL: usize = 24;

/// What a page did with an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFlow {
    /// Moved.
    Done,
    /// Not for a page.
    Pass,
    /// Go to this thing.
    Follow(Link),
}

#[derive(Clone, Debug)]
struct Line {
    pieces: prose::Line,
    /// The number of the link that the line is.
    link: Option<usize>,
}

/// The page that is open.
#[derive(Debug)]
pub struct Page {
    /// Whose it is.
    of: Selected,
    details: Details,
    /// The thing is not reported any more; what was known last is shown.
    gone: bool,
    scroll: usize,
    cursor: usize,
    /// One list of lines for each column.
    columns: Vec<Vec<Line>>,
    composed_for: Option<(u16, u16)>,
    height: usize,
    /// Of a run: what is shown in place of its facts, which are there to be copied.
    run: Option<RunPage>,
}

impl Page {
    /// Opens it.
    pub fn new(of: Selected, details: Details) -> Self {
        let (columns, composed_for) = (Vec::new(), None);
        let run = of.id.run().map(RunPage::new);
        Self { of, details, gone: false, scroll: 0, cursor: 0, columns, composed_for, height: 1, run }
    }

    /// What it shows of a run, if it is the page of one.
    pub const fn run(&self) -> Option<&RunPage> {
        self.run.as_ref()
    }

    /// The same, to be changed.
    pub const fn run_mut(&mut self) -> Option<&mut RunPage> {
        self.run.as_mut()
    }

    /// Whose it is.
    pub const fn of(&self) -> &Selected {
        &self.of
    }

    /// What it shows.
    pub const fn details(&self) -> &Details {
        &self.details
    }

    /// Shows what is known now; `None`: the thing is not reported any more.
    pub fn renew(&mut self, details: Option<Details>) {
        self.gone = details.is_none();
        if let Some(details) = details {
            self.details = details;
        }
        self.composed_for = None;
    }

    /// Its text is made anew before it is painted.
    pub fn compose_anew(&mut self) {
        self.composed_for = None;
    }

    /// The questions that its sections ask.
    pub fn asks(&self) -> impl Iterator<Item = &Inquiry> {
        self.details.sections.iter().filter_map(|section| match section {
            Section::Chart(chart) => chart.asks.as_ref(),
            Section::Lines { asks, .. } => asks.as_ref(),
            Section::Facts(_) | Section::Text { .. } | Section::Prose { .. } | Section::Links { .. } => None,
        })
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        self.details.sections.iter().flat_map(|section| match section {
            Section::Links { links, .. } => links.as_slice(),
            Section::Facts(_)
            | Section::Text { .. }
            | Section::Prose { .. }
            | Section::Lines { .. }
            | Section::Chart(_) => &[],
        })
    }

    /// Scrolls, goes from link to link, follows one.
    pub fn act(&mut self, action: &Action) -> PageFlow {
        if let Some(run) = &mut self.run {
            return if run.act(action) { PageFlow::Done } else { PageFlow::Pass };
        }
        let links = self.links().count();
        match (action, action.motion()) {
            (_, Some(motion)) => self.scroll_by(motion),
            (Action::NextPane | Action::PreviousPane, _) if links > 0 => {
                let step = if *action == Action::NextPane { 1 } else { links - 1 };
                self.cursor = (self.cursor + step) % links;
                self.show_cursor();
            }
            (Action::NextPane | Action::PreviousPane, _) => {}
            (Action::Details, _) => {
                return self.links().nth(self.cursor).cloned().map_or(PageFlow::Done, PageFlow::Follow);
            }
            _ => return PageFlow::Pass,
        }
        PageFlow::Done
    }

    fn longest(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn scroll_by(&mut self, motion: Motion) {
        let most = self.longest().saturating_sub(self.height);
        self.scroll = motion.apply(self.scroll, self.height).min(most);
    }

    fn show_cursor(&mut self) {
        let at = self.columns.iter().find_map(|lines| lines.iter().position(|line| line.link == Some(self.cursor)));
        if let Some(at) = at {
            self.scroll = self.scroll.clamp((at + 1).saturating_sub(self.height), at);
        }
    }

    /// Formats it for the room that there is.
    pub fn refresh(&mut self, place: Place, cx: &Cx<'_>) {
        if let Some(run) = &mut self.run {
            return run.refresh(place, cx);
        }
        let inside = place.inside();
        self.height = usize::from(inside.height).max(1);
        if self.composed_for != Some((inside.width, inside.height)) {
            self.compose(inside.width, CHART_ROWS, cx);
            // What is left of a large screen makes the charts higher, twice as high at most.
            let charts = self.details.sections.iter().filter(|section| matches!(section, Section::Chart(_))).count();
            let spare = self.height.saturating_sub(self.columns.last().map_or(0, Vec::len));
            match spare.checked_div(charts) {
                None | Some(0) => {}
                Some(more) => self.compose(inside.width, CHART_ROWS + more.min(CHART_ROWS), cx),
            }
            self.composed_for = Some((inside.width, inside.height));
        }
        self.cursor = self.cursor.min(self.links().count().saturating_sub(1));
        self.scroll = self.scroll.min(self.longest().saturating_sub(self.height));
    }

    fn compose(&mut self, width: u16, chart_rows: usize, cx: &Cx<'_>) {
        let right = |section: &&Section| matches!(section, Section::Chart(_) | Section::Links { .. });
        let split = width >= TWO_COLUMNS && self.details.sections.iter().any(|section| right(&section));
        let width = usize::from(if split { width / 2 } else { width }).saturating_sub(2);
        let mut writer = Writer { cx, width, chart_rows, links: 0, lines: Vec::new(), stale: false };
        if self.gone {
            writer.wrapped(Role::SeverityWarning, "! it is not reported any more; this was known last", 2);
        }
        if let Some(why) = &self.details.stale {
            writer.wrapped(Role::SeverityCritical, &format!("▲ {why}"), 2);
        }
        writer.stale = self.gone || self.details.stale.is_some();
        self.columns.clear();
        if split {
            self.details.sections.iter().filter(|section| !right(section)).for_each(|section| writer.section(section));
            self.columns.push(std::mem::take(&mut writer.lines));
            self.details.sections.iter().filter(right).for_each(|section| writer.section(section));
        } else {
            // What leads on comes before what fills the screen.
            let rank = |section: &&Section| match section {
                Section::Facts(_) | Section::Links { .. } => 0,
                Section::Text { .. } | Section::Prose { .. } | Section::Lines { .. } => 1,
                Section::Chart(_) => 2,
            };
            let mut sections: Vec<&Section> = self.details.sections.iter().collect();
            sections.sort_by_key(rank);
            for section in sections {
                writer.section(section);
            }
        }
        self.columns.push(writer.lines);
    }

    /// Paints it.
    pub fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        if let Some(run) = &self.run {
            return run.draw(place, &self.details.title, buf, cx);
        }
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        super::table::draw_frame(
            place,
            buf,
            (cx.style(border), cx.style(Role::TitleFocused)),
            &text::clean(&self.details.title),
            24,
        );
        let inside = place.inside();
        let width = inside.width / self.columns.len().max(1) as u16;
        for (index, lines) in self.columns.iter().enumerate() {
            let area = Rect { x: inside.x + index as u16 * width, width, ..inside };
            self.draw_column(lines, area, buf, cx);
        }
        let (longest, shown) = (self.longest(), self.scroll + self.height);
        if longest > self.height {
            let text = format!(" {}–{} of {longest} lines ", self.scroll + 1, shown.min(longest));
            let at = (place.area.right().saturating_sub(2), place.area.y);
            canvas::put_right(buf, at, &text, 24, cx.style(Role::Faint));
        }
    }

    fn draw_column(&self, lines: &[Line], area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        for (line, y) in lines.iter().skip(self.scroll).zip(area.top()..area.bottom()) {
            let (mut x, end) = (area.x + 1, (area.right() - 1).max(area.x + 1));
            for (role, text) in &line.pieces {
                x = canvas::put(buf, (x, y), text, end - x, cx.style(*role));
            }
            if line.link == Some(self.cursor) {
                let row = Rect { y, height: 1, ..area };
                buf.set_style(row.intersection(buf.area), cx.style(Role::Selected));
            }
        }
    }
}

/// Writes sections as lines.
struct Writer<'a> {
    cx: &'a Cx<'a>,
    width: usize,
    /// Rows of a chart's bars.
    chart_rows: usize,
    links: usize,
    lines: Vec<Line>,
    /// What is written from now on can't be trusted any more.
    stale: bool,
}

impl Writer<'_> {
    fn push(&mut self, role: Role, text: String) {
        let role = if self.stale { Role::Stale } else { role };
        self.lines.push(Line { pieces: vec![(role, text)], link: None });
    }

    /// Text that somebody wrote for people.
    fn prose(&mut self, title: &str, blocks: &[Block]) {
        self.heading(title);
        let mut lines = Vec::new();
        prose::lines(&mut lines, blocks, self.width, 0);
        for mut pieces in lines {
            if self.stale {
                for (role, _) in &mut pieces {
                    *role = Role::Stale;
                }
            }
            self.lines.push(Line { pieces, link: None });
        }
    }

    fn wrapped(&mut self, role: Role, text: &str, indent: usize) {
        let mut lines = Vec::new();
        wrap::lines(&mut lines, text, self.width, indent);
        for line in lines {
            self.push(role, line);
        }
    }

    /// A heading, with a line between it and what stands above.
    fn heading(&mut self, title: &str) {
        if !self.lines.is_empty() {
            self.push(Role::Text, String::new());
        }
        self.push(Role::Title, text::clean(title).into_owned());
    }

    fn section(&mut self, section: &Section) {
        match section {
            Section::Facts(facts) => {
                if !self.lines.is_empty() {
                    self.push(Role::Text, String::new());
                }
                self.facts(facts);
            }
            Section::Text { title, text } => {
                self.heading(title);
                self.wrapped(Role::Text, text, 2);
            }
            Section::Prose { title, blocks } => self.prose(title, blocks),
            Section::Lines { title, note, lines, .. } => {
                self.heading(title);
                if !note.is_empty() {
                    self.wrapped(Role::Muted, note, 2);
                }
                for (role, line) in lines {
                    self.push(*role, text::clean(line).into_owned());
                }
            }
            Section::Chart(chart) => self.chart(chart),
            Section::Links { title, links } => {
                self.heading(title);
                for link in links {
                    self.link(link);
                }
            }
        }
    }

    fn facts(&mut self, facts: &[(String, String)]) {
        let names: Vec<_> = facts.iter().map(|(name, _)| text::clean(name)).collect();
        let label = names.iter().map(|name| name.width()).max().unwrap_or(0).min(LABEL);
        for (name, (_, text)) in names.iter().zip(facts) {
            let gap = if label > 0 { "  " } else { "" };
            let text = if text.is_empty() { "—" } else { text };
            for (index, line) in text.lines().enumerate() {
                let lead = text::pad(if index == 0 { text::truncate(name, label) } else { "" }, label);
                self.wrapped(Role::Text, &format!("{lead}{gap}{line}"), label + gap.len());
            }
        }
    }

    fn chart(&mut self, given: &Chart) {
        let answered = given.asks.as_ref().map(|inquiry| self.cx.store.answer(inquiry));
        let (points, note) = match &answered {
            Some(Some(Ok(found))) => {
                (found.series().map_or(&[][..], |series| series.points.as_slice()), given.note.clone())
            }
            Some(Some(Err(error))) => (given.points.as_slice(), format!("{} (→ {})", error.what, error.hint)),
            Some(None) => (given.points.as_slice(), "asking for its past …".to_owned()),
            None => (given.points.as_slice(), given.note.clone()),
        };
        let now = points.iter().rev().find(|value| !value.is_nan()).copied();
        let value = now.map_or_else(|| "—".to_owned(), |value| written(given.unit, value));
        self.heading(&format!("{}  {value}", given.title));
        if now.is_some() {
            self.bars(given, points);
        }
        if !note.is_empty() || now.is_none() {
            self.wrapped(Role::Muted, if note.is_empty() { "nothing is known of its past yet" } else { &note }, 2);
        }
    }

    fn bars(&mut self, given: &Chart, points: &[f64]) {
        let peak = points.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let top = given.top.unwrap_or_else(|| peak.max(given.limit.unwrap_or(0.0)));
        let width = self.width.saturating_sub(SCALE).max(1);
        // Where there never was anything one row says so.
        let height = if top > 0.0 { self.chart_rows } else { 1 };
        let rows = chart::rows(points, (width, height), top, given.limit);
        for (row, bars) in rows.iter().enumerate() {
            let scale = match row {
                _ if row + 1 == rows.len() => written(given.unit, 0.0),
                0 => upper(given.unit, top),
                _ => String::new(),
            };
            self.push(Role::Spark, format!("{scale:>7} {bars}"));
        }
        if !given.span.is_zero() {
            // Under the first bar, where there is room for it: few points stand at the right.
            let ago = figure::text(|out| figure::age(out, given.span)) + " ago";
            let most = width.saturating_sub(ago.width() + " last".len());
            let lead = width.saturating_sub(points.len()).min(most);
            let end = if self.stale { "last" } else { "now" };
            let gap = width.saturating_sub(lead + ago.width() + end.len());
            self.push(Role::Faint, format!("{:8}{:lead$}{ago}{:gap$}{end}", "", "", ""));
        }
    }

    fn link(&mut self, link: &Link) {
        let kind = link.kind();
        let name = text::clean(&link.name);
        // `silence of ada` needs its kind once.
        let name = name.strip_prefix(kind).map_or(&*name, str::trim_start);
        let text = format!("{} {kind:<9} {name}  {}", link.severity.symbol(), text::clean(&link.text));
        let role = if link.severity > crate::domain::Severity::Ok { link.severity.into() } else { Role::Text };
        self.lines.push(Line { pieces: vec![(role, text)], link: Some(self.links) });
        self.links += 1;
    }
}

/// What stands at the upper edge of a chart: never what stands at the lower one.
fn upper(unit: Unit, top: f64) -> String {
    let text = written(unit, top);
    match unit {
        _ if text != written(unit, 0.0) => text,
        Unit::Ratio if top >= 0.0001 => format!("{:.2}%", top * 100.0),
        Unit::Ratio | Unit::Number | Unit::Count | Unit::Bytes | Unit::ByteRate | Unit::Seconds => String::new(),
    }
}

fn written(unit: Unit, value: f64) -> String {
    figure::text(|out| match unit {
        Unit::Number => figure::number(out, value),
        Unit::Count => figure::count(out, value),
        Unit::Ratio => figure::percent(out, value),
        Unit::Bytes => figure::bytes(out, value.max(0.0) as u64),
        Unit::ByteRate => {
            figure::bytes(out, value.max(0.0) as u64);
            out.push_str("/s");
        }
        Unit::Seconds => figure::age(out, std::time::Duration::try_from_secs_f64(value).unwrap_or_default()),
    })
}
