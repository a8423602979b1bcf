//! The timeline: what happened in the incident that is open, else in one that is over; newest first.
//!
//! Reads the fold of journal records only, so that it cannot tell another story than the journal.

use super::listing::Listing;
use super::table::draw_frame;
use super::{Details, Flow, Pane, PaneKind, Place, Presence, Section, Selected};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{IncidentId, SourceId, ThingId, text, time};
use crate::incident::line::{Kind, Line};
use crate::incident::{Incident, Mark, clocks};
use crate::keymap::Scope;
use crate::theme::Role;
use crate::widgets::filter::Filter;
use crate::widgets::grid::Column;
use crate::widgets::{canvas, wrap};
use jiff::Timestamp;
use jiff::civil::Date;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(7),
    title: "Timeline",
    doc: "what happened in the incident: who did what, alerts that came and went, every step of every run",
    scope: Scope::Timeline,
    action: Action::Timeline,
    subject: None,
    beside: false,
    make: || Box::new(Timeline::default()),
};

const COLUMNS: &[Column] = &[
    Column::text("TIME (UTC)", 10, 0, 9),
    Column::text("KIND", 8, 0, 3),
    Column::text("WHO", 12, 1, 7),
    Column::text("WHAT", 30, 6, 8),
    Column::text("RECORDED IN", 30, 0, 2),
];

/// The same where lines are of another day than today.
const DATED: &[Column] = &[Column::text("TIME (UTC)", 15, 0, 9), COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4]];

const SYNONYMS: &[(&str, usize)] = &[("time", 0), ("by", 2)];

/// The view.
pub struct Timeline {
    list: Listing,
    selected: Option<Selected>,
    head: Vec<(Role, String)>,
    title: String,
    /// The day by which times are written.
    today: Timestamp,
    dated: bool,
    /// What the order depends on.
    arranged_for: Option<(u64, Option<IncidentId>, Filter, Date)>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            list: Listing::new(COLUMNS, SYNONYMS),
            selected: None,
            head: Vec::new(),
            title: String::new(),
            today: Timestamp::UNIX_EPOCH,
            dated: false,
            arranged_for: None,
        }
    }
}

impl Timeline {
    const fn columns(&self) -> &'static [Column] {
        if self.dated { DATED } else { COLUMNS }
    }

    /// Newest first; the cursor follows its line.
    fn arrange(&mut self, cx: &Cx<'_>) {
        let incident = cx.watch.shown();
        let key = (
            cx.watch.incidents().revision(),
            incident.map(|incident| incident.id),
            self.list.filter.read().clone(),
            time::day(cx.now.wall),
        );
        if self.arranged_for.as_ref() == Some(&key) {
            return;
        }
        self.today = cx.now.wall;
        let today = time::day(self.today);
        self.dated = incident.is_some_and(|incident| incident.lines.iter().any(|line| time::day(line.at) != today));
        let lines = incident.into_iter().flat_map(|incident| incident.lines.iter().enumerate().rev());
        self.list.arrange(lines, haystack, |column, line, out| cell(column, line, cx.now.wall, out));
        self.arranged_for = Some(key);
        let wanted = self.selected.as_ref().map(|selected| &selected.id);
        self.list.follow(|index| line_at(cx, index).is_some_and(|line| wanted == Some(&thing(line))));
        self.take(cx);
    }

    fn take(&mut self, cx: &Cx<'_>) {
        self.selected =
            self.line(cx).map(|line| Selected { id: thing(line), name: line.what.clone(), presence: Presence::Here });
    }

    fn line<'a>(&self, cx: &Cx<'a>) -> Option<&'a Line> {
        self.list.at().and_then(|index| line_at(cx, index))
    }

    /// What it is, who does what, and what is known, above the lines.
    fn tell(&mut self, width: usize, cx: &Cx<'_>) {
        self.head.clear();
        let Some(incident) = cx.watch.shown() else {
            let key = cx.keymap.key_of(Scope::All, &Action::Incident).unwrap_or_default();
            let none = format!(
                "no incident was declared here yet: {key} declares one, from the alert under the cursor or by hand"
            );
            return self.put(Role::Muted, &none, width);
        };
        self.put(incident.priority.severity().into(), &heading(incident, cx), width);
        for text in [duties(incident), ends(incident, cx), assessment(incident), due(incident, cx)] {
            if !text.is_empty() {
                self.put(Role::Text, &text, width);
            }
        }
        for skew in &incident.skews {
            self.put(Role::SeverityWarning, &format!("! {skew}: times are put right"), width);
        }
    }

    fn put(&mut self, role: Role, text: &str, width: usize) {
        let mut lines = Vec::new();
        wrap::lines(&mut lines, text, width, 2);
        self.head.extend(lines.into_iter().map(|line| (role, line)));
    }

    fn name(&mut self, cx: &Cx<'_>) {
        self.title.clear();
        let _ = write!(self.title, "7 {}", KIND.title);
        if let Some(incident) = cx.watch.shown() {
            let _ = write!(self.title, "  {}  {}", incident.short(), text::counted(incident.lines.len(), "line"));
        }
        if !self.list.filter.text().is_empty() {
            let _ = write!(self.title, "  /{}", text::typed(self.list.filter.text()));
        }
    }
}

fn heading(incident: &Incident, cx: &Cx<'_>) -> String {
    let age = time::words(time::between(incident.declared.at, cx.watch.at(incident, cx.now)));
    let (priority, word) = (incident.priority.word(), incident.standing());
    let (title, by) = (text::clean(&incident.title), text::clean(&incident.declared.by));
    // One that nobody has answered says it once.
    let stands = if word == "declared" { "declared".to_owned() } else { format!("{word}, declared") };
    let detected = incident.detected.as_ref().map(|detected| &detected.mark);
    let detected =
        detected.map(|mark| format!(", detected {} by {}", time::moment(mark.at, cx.now.wall), text::clean(&mark.by)));
    format!("{priority} {title}: {stands} {age} ago by {by}{}", detected.unwrap_or_default())
}

fn duties(incident: &Incident) -> String {
    let told = incident.duties.iter().map(|(duty, name)| format!("{}: {}", duty.word(), text::clean(name)));
    told.collect::<Vec<_>>().join("   ")
}

/// Ends that were none.
fn ends(incident: &Incident, cx: &Cx<'_>) -> String {
    let told = (1..).zip(&incident.ended).map(|(number, ended)| {
        let when = |mark: &Mark| time::moment(mark.at, cx.now.wall);
        let mitigated = ended.mitigated.as_ref().map(|mark| format!("mitigated {}, ", when(mark))).unwrap_or_default();
        format!("outage {number}: {mitigated}resolved {}, open again {}", when(&ended.resolved), when(&ended.reopened))
    });
    told.collect::<Vec<_>>().join("   ")
}

fn assessment(incident: &Incident) -> String {
    let known = &incident.assessment;
    let told = [("impact", &known.impact), ("scope", &known.scope), ("what had changed", &known.changed)];
    let told =
        told.iter().filter(|(_, text)| !text.is_empty()).map(|(name, told)| format!("{name}: {}", text::clean(told)));
    told.collect::<Vec<_>>().join("; ")
}

fn due(incident: &Incident, cx: &Cx<'_>) -> String {
    let clocks = clocks::running(incident, &cx.watch.rules, cx.watch.at(incident, cx.now));
    let told = clocks.iter().map(|clock| {
        let whom = clock.whom().map(|whom| format!(" ({})", text::clean(&whom))).unwrap_or_default();
        format!("{}{whom} {}, by {}", clock.word(), clock.figure(), time::moment(clock.at, cx.now.wall))
    });
    told.collect::<Vec<_>>().join("   ")
}

fn line_at<'a>(cx: &Cx<'a>, index: usize) -> Option<&'a Line> {
    cx.watch.shown()?.lines.get(index)
}

/// A line of a run leads to the run.
fn thing(line: &Line) -> ThingId {
    match (line.kind, line.run) {
        (Kind::Run, Some(run)) => ThingId::Run(run),
        _ => ThingId::Entry { source: SourceId::new("journal", "incident"), key: line.link.as_str().into() },
    }
}

fn haystack(line: &Line) -> String {
    format!("{} {} {} {}", line.kind.word(), line.by, line.what, line.link).to_lowercase()
}

fn cell(column: usize, line: &Line, today: Timestamp, out: &mut String) -> Role {
    let (role, word) = match column {
        0 => {
            let _ = write!(out, "{}", line.at.strftime(time::moment_form(line.at, today)));
            return Role::Muted;
        }
        1 => (Role::Muted, line.kind.word()),
        2 => (Role::Text, line.by.as_str()),
        // It stands where it stood, and does not count.
        3 if line.taken_back => (Role::Faint, line.what.as_str()),
        3 => (if line.off_path { Role::SeverityWarning } else { Role::Text }, line.what.as_str()),
        _ => (Role::Faint, line.link.as_str()),
    };
    out.push_str(word);
    role
}

impl Pane for Timeline {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        let Some(motion) = action.motion() else { return Flow::Pass };
        self.list.travel(motion);
        self.take(cx);
        Flow::Done
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        let inside = at.inside();
        self.tell(usize::from(inside.width), cx);
        let (columns, today, room) = (self.columns(), self.today, below(inside, self.head.len()));
        let cell = |column, line: &Line, out: &mut String| cell(column, line, today, out);
        self.list.fill(columns, room, |index| line_at(cx, index), (|line: &Line| line.severity, cell));
        self.name(cx);
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 0);
        let inside = place.inside();
        for ((role, line), y) in self.head.iter().zip(inside.top()..inside.bottom()) {
            canvas::put(buf, (inside.x, y), line, inside.width, cx.style(*role));
        }
        self.list.draw(self.columns(), below(inside, self.head.len()), buf, (cx, place.focused));
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.arrange(cx);
    }

    fn rows(&self) -> usize {
        self.list.len()
    }

    fn has(&self, wanted: &ThingId, cx: &Cx<'_>) -> bool {
        cx.watch.shown().is_some_and(|incident| incident.lines.iter().any(|line| thing(line) == *wanted))
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
        let line = self.line(cx)?;
        let fact = |label: &str, text: &str| (label.to_owned(), text.to_owned());
        let mut facts = vec![
            fact("what", &line.in_full()),
            fact("who", &line.by),
            fact("when", &line.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
            fact("kind", line.kind.word()),
            fact("recorded in", &line.link),
        ];
        facts.retain(|(_, text)| !text.is_empty());
        Some(Details { title: line.what.clone(), stale: None, sections: vec![Section::Facts(facts)] })
    }

    fn filter(&self) -> &str {
        self.list.filter.text()
    }

    fn filter_hint(&self) -> &str {
        self.list.filter.hint("words, !not, kind:change, who:ada; Tab completes")
    }

    fn completed(&self, typed: &str) -> Option<String> {
        self.list.filter.completed(typed)
    }

    fn set_filter(&mut self, text: &str) {
        self.list.filter.set(text);
    }
}

/// The room for the lines, under what is said above them and a blank row.
fn below(inside: Rect, head: usize) -> Rect {
    let head = (head as u16 + 1).min(inside.height);
    Rect { y: inside.y + head, height: inside.height - head, ..inside }
}
