//! The strip above the lists: what the team promises of its service, each figure against its limit.

use crate::cx::Cx;
use crate::domain::slo::{Side, Slo, Unit};
use crate::domain::{Severity, Subject};
use crate::store::{Feed, Health};
use crate::theme::Role;
use crate::widgets::{canvas, figure};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Before the first figure, and blank before those of the lines below.
const LABEL: &str = "SLO  ";
/// Between two figures.
const GAP: usize = 3;
/// Of more lines than this the limits of what is good are left out.
const LINES: usize = 2;

/// One figure: what is said of it, without its limit and with it.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    role: Role,
    short: String,
    long: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Strip {
    cells: Vec<Cell>,
}

/// The sources that tell of what is promised.
pub(super) fn feeds<'a>(cx: &Cx<'a>) -> impl Iterator<Item = &'a Feed> {
    cx.store.about(Subject::Alerts).filter(|feed| feed.id.as_str().ends_with("/slo"))
}

impl Strip {
    /// What the sources told last; nothing where the config names none.
    pub fn of(cx: &Cx<'_>) -> Self {
        Self { cells: feeds(cx).flat_map(|feed| cells(feed, cx)).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Lines that it takes at a width, with a blank one below.
    pub fn height(&self, width: u16) -> u16 {
        if self.is_empty() { 0 } else { lines(&self.texts(width), width).len() as u16 + 1 }
    }

    pub fn draw(&self, area: Rect, buf: &mut Buffer, cx: &Cx<'_>) {
        if self.is_empty() {
            return;
        }
        canvas::put(buf, (area.x, area.y), LABEL, area.width, cx.style(Role::Title));
        let texts = self.texts(area.width);
        for (line, y) in lines(&texts, area.width).into_iter().zip(area.top()..area.bottom()) {
            for (at, x) in line {
                let (x, room) = (area.x + x, area.width.saturating_sub(x));
                canvas::put(buf, (x, y), texts[at], room, cx.style(self.cells[at].role));
            }
        }
    }

    /// For the incident channel: a line for each.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let heading = if at == 0 { "SLO\n" } else { "" };
            let _ = writeln!(out, "{heading}- {}", cell.long.trim());
        }
        out
    }

    fn texts(&self, width: u16) -> Vec<&str> {
        let long: Vec<&str> = self.cells.iter().map(|cell| cell.long.as_str()).collect();
        let fits = lines(&long, width).len() <= LINES;
        if fits { long } else { self.cells.iter().map(|cell| cell.short.as_str()).collect() }
    }
}

/// Which figures stand on each line, and at which column.
fn lines(texts: &[&str], width: u16) -> Vec<Vec<(usize, u16)>> {
    let mut lines = vec![Vec::new()];
    let mut x = LABEL.width();
    for (at, text) in texts.iter().enumerate() {
        if x + text.width() > usize::from(width) && x > LABEL.width() {
            lines.push(Vec::new());
            x = LABEL.width();
        }
        let last = lines.len() - 1;
        lines[last].push((at, x as u16));
        x += text.width() + GAP;
    }
    lines
}

/// What one source tells, greyed when it does not any more; and that it told nothing yet.
fn cells(feed: &Feed, cx: &Cx<'_>) -> Vec<Cell> {
    let health = feed.health(cx.now);
    let Some(report) = feed.snapshot().and_then(|snapshot| snapshot.alerts()) else {
        let what = if health == Health::Waiting { "asked, waiting for the first answer" } else { "no answer" };
        let text = format!("? {what} from {}", feed.id);
        return vec![Cell { role: Role::Muted, short: text.clone(), long: text }];
    };
    let stale = matches!(health, Health::Stale | Health::Failed);
    let cell = |slo: &Slo| {
        let mut cell = cell(slo);
        if stale {
            let age = figure::text(|out| figure::coarse_age(out, feed.age(cx.now).unwrap_or_default()));
            cell.role = Role::Stale;
            cell.short.push_str(" (old)");
            let _ = write!(cell.long, " ({age} old)");
        }
        cell
    };
    report.slos.iter().map(cell).collect()
}

fn cell(slo: &Slo) -> Cell {
    let severity = slo.judge();
    let role = if severity == Severity::Ok { Role::Text } else { severity.into() };
    let mark = if severity == Severity::Ok { "" } else { severity.symbol() };
    let space = if mark.is_empty() { "" } else { " " };
    let name = &slo.name;
    let Some(value) = slo.value else {
        let what = if slo.trouble.is_some() { "can't be asked" } else { "no data" };
        let text = format!("{mark}{space}{name} {what}");
        return Cell { role, short: text.clone(), long: text };
    };
    let (is, limit) = (shown(slo.unit, value), shown(slo.unit, slo.limit));
    let start = format!("{mark}{space}{name} {is}");
    if severity == Severity::Ok {
        let bound = if slo.bad == Side::Above { "max" } else { "min" };
        return Cell { role, short: format!("{start} ok"), long: format!("{start} ok, {bound} {limit}") };
    }
    let side = if slo.bad == Side::Above { "over" } else { "under" };
    let short = format!("{start} {side} {limit}");
    let long = slo.worst.as_ref().map_or_else(|| short.clone(), |whose| format!("{short}: {whose}"));
    Cell { role, short, long }
}

/// A value as people say it. A share just below the whole is never rounded up to it.
pub(super) fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Ratio if value.is_finite() => format!("{}%", trimmed((value * 10_000.0 + 1e-6).floor() / 100.0)),
        Unit::Seconds if value.abs() < 1.0 => format!("{}ms", trimmed((value * 1000.0).round())),
        Unit::Seconds if value.is_finite() => format!("{}s", trimmed(value)),
        Unit::Bytes if value >= 0.0 && value.is_finite() => figure::text(|out| figure::bytes(out, value as u64)),
        Unit::Ratio | Unit::Seconds | Unit::Bytes | Unit::Number => {
            figure::text(
                |out| {
                    if value.fract() == 0.0 { figure::count(out, value) } else { figure::number(out, value) }
                },
            )
        }
    }
}

/// With at most two decimals, and none that say nothing.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slo(name: &str, value: Option<f64>) -> Slo {
        Slo { name: name.to_owned(), limit: 0.05, unit: Unit::Ratio, value, ..Slo::default() }
    }

    #[test]
    fn values_are_shown_in_their_unit_and_never_better_than_they_are() {
        let of = |unit, values: &[f64]| values.iter().map(|value| shown(unit, *value)).collect::<Vec<_>>();
        assert_eq!(
            of(Unit::Ratio, &[0.0, 0.002, 0.05, 0.07, 0.85, 0.99999, 1.0]),
            ["0%", "0.2%", "5%", "7%", "85%", "99.99%", "100%"]
        );
        assert_eq!(of(Unit::Seconds, &[0.034, 2.0, 2.345, f64::INFINITY]), ["34ms", "2s", "2.35s", "+Inf"]);
        assert_eq!(of(Unit::Number, &[55.0, 1.5]), ["55", "1.50"]);
        assert_eq!(of(Unit::Bytes, &[1024.0]), ["1.0K"]);
    }

    #[test]
    fn each_state_has_its_words_beside_its_colour() {
        let said = |slo: &Slo| cell(slo).long;
        let role = |slo: &Slo| cell(slo).role;
        let good = slo("errors", Some(0.002));
        let bad = Slo { worst: Some("a:8080".to_owned()), ..slo("errors", Some(0.07)) };
        let refused = Slo { trouble: Some(crate::domain::SourceError::new("x", "y")), ..slo("errors", None) };
        assert_eq!((said(&good).as_str(), role(&good)), ("errors 0.2% ok, max 5%", Role::Text));
        assert_eq!((said(&bad).as_str(), role(&bad)), ("! errors 7% over 5%: a:8080", Role::SeverityWarning));
        assert_eq!(said(&slo("errors", None)), "? errors no data");
        assert_eq!(said(&refused), "? errors can't be asked");
        let up = Slo { bad: Side::Below, limit: 1.0, critical: true, ..slo("up", Some(0.5)) };
        assert_eq!((said(&up).as_str(), role(&up)), ("▲ up 50% under 100%", Role::SeverityCritical));
        assert_eq!(said(&Slo { value: Some(1.0), ..up }), "up 100% ok, min 100%");
    }

    #[test]
    fn what_does_not_fit_goes_to_the_next_line_and_limits_go_first() {
        let names = ["availability", "errors", "p95", "memory", "disk"];
        let strip = Strip { cells: names.iter().map(|name| cell(&slo(name, Some(0.01)))).collect() };
        assert_eq!(strip.height(236), 2);
        assert_eq!(strip.height(156), 2);
        assert_eq!(strip.height(60), 3, "two lines and a blank one");
        assert_eq!(strip.texts(156)[0], "availability 1% ok, max 5%");
        assert_eq!(strip.texts(60)[0], "availability 1% ok");
        assert_eq!(strip.height(10), 6, "one a line, however narrow");
        assert_eq!(Strip::default().height(80), 0);
    }
}
