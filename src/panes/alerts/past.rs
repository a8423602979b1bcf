//! When an alert fired before: asked of the Prometheus that evaluates its rule, when its page is opened.

use crate::cx::Cx;
use crate::domain::spells::{Spell, Spells, expression};
use crate::domain::{AlertState, Found, Inquiry, Labels, SourceId};
use crate::panes::{Chart, Section};
use jiff::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// How far back it is looked.
const BACK: Duration = Duration::from_hours(24);
/// What is said where nothing at all is known.
const NO_HISTORY: &str = "this Prometheus keeps no history of its alerts: neither ALERTS nor up has values there";
/// Spells listed of a kind, the newest.
const MOST: usize = 12;

/// The sections: the spells in words once they are known, and as bars. `labels` are those of its series.
pub(super) fn of(cx: &Cx<'_>, source: SourceId, labels: &Labels, state: AlertState) -> Vec<Section> {
    let inquiry = Inquiry::Range { source, query: expression(labels).into(), back: BACK };
    let mut chart =
        Chart { title: "fired (1), pending (0.5), 24 h".to_owned(), span: BACK, top: Some(1.0), ..Chart::default() };
    let mut sections = Vec::new();
    let answer = cx.store.answer(&inquiry).and_then(|answer| answer.as_ref().ok()).and_then(Found::series);
    if let (Some(series), Some(asked)) = (answer, cx.store.asked_at(&inquiry)) {
        match Spells::of(&series.points, asked.wall, BACK) {
            Some(spells) => sections.extend(told(&spells, asked.wall, state)),
            None => NO_HISTORY.clone_into(&mut chart.note),
        }
    }
    chart.asks = Some(inquiry);
    sections.push(Section::Chart(chart));
    sections
}

fn told(spells: &Spells, now: Timestamp, state: AlertState) -> Vec<Section> {
    let mut fired = summary(spells, state);
    list(spells.firing().rev(), spells.firing().count(), spells.step, now, &mut fired);
    let mut sections = vec![Section::Text { title: "fired before (24 h)".to_owned(), text: fired }];
    let count = spells.pending().count();
    if count > 0 {
        let mut pending = String::new();
        list(spells.pending().rev(), count, spells.step, now, &mut pending);
        sections.push(Section::Text { title: "was pending (24 h)".to_owned(), text: pending });
    }
    sections
}

/// How often and how long, and what is not known.
fn summary(spells: &Spells, state: AlertState) -> String {
    let count = spells.firing().count();
    // Where values are missing, two of them may be one, and others unseen.
    let fired = if spells.firing().any(|spell| spell.cut) { "seen firing" } else { "fired" };
    let mut out = match count {
        0 => "it did not fire".to_owned(),
        1 => format!("{fired} once, {}", length(spells.time_firing())),
        count => format!("{fired} {count} times, {} in all", length(spells.time_firing())),
    };
    let _ = write!(out, " (looked at every {}: what was shorter may be missing)", length(spells.step));
    if count == 0 && state == AlertState::Firing {
        out.push_str("\nit fires now all the same: Prometheus has it under other labels, or since a moment ago");
    }
    if spells.known + spells.step * 2 < BACK {
        let _ = write!(out, "\nits history is known for {} of the 24 h only", length(spells.known));
    }
    out
}

fn list<'a>(spells: impl Iterator<Item = &'a Spell>, count: usize, step: Duration, now: Timestamp, out: &mut String) {
    for spell in spells.take(MOST) {
        let gap = if out.is_empty() { "" } else { "\n" };
        let (from, cut) = (clock(spell.from, now), if spell.cut { "before " } else { "" });
        let to = if spell.open { "now".to_owned() } else { clock(spell.to, now) };
        let what = if spell.firing { "firing" } else { "pending" };
        let _ = write!(out, "{gap}{cut}{from}–{to} UTC  {what} {} (± {})", length(spell.length()), length(step));
    }
    if count > MOST {
        let _ = write!(out, "\n… and {} earlier", count - MOST);
    }
}

/// Hour and minute, with the day where it is not that of `now`.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let day = |at: Timestamp| at.strftime("%F").to_string();
    let format = if day(at) == day(now) { "%H:%M" } else { "%a %H:%M" };
    at.strftime(format).to_string()
}

fn length(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day told by the minute, with what stands at some of its minutes before now.
    fn day(spells: &[(usize, usize, f64)], known: usize) -> Vec<String> {
        let mut points = vec![f64::NAN; 1441];
        points[1441 - known..].fill(0.0);
        for (before, minutes, value) in spells {
            let from = 1440 - before;
            points[from..(from + minutes).min(1441)].fill(*value);
        }
        let now = "2026-11-25T12:30:00Z".parse().unwrap();
        let sections = told(&Spells::of(&points, now, BACK).unwrap(), now, AlertState::Firing);
        let text = |section: Section| match section {
            Section::Text { text, .. } => text,
            Section::Facts(_)
            | Section::Prose { .. }
            | Section::Chart(_)
            | Section::Links { .. }
            | Section::Lines { .. } => panic!("no text"),
        };
        sections.into_iter().map(text).collect()
    }

    #[test]
    fn spells_are_told_the_newest_first_with_how_exact_they_are() {
        let told = day(&[(800, 60, 1.0), (27, 17, 1.0), (29, 2, 0.5), (3, 9, 1.0)], 1441);
        let expected = "fired 3 times, 1 h 20 min in all (looked at every 1 min: what was shorter may be missing)\n\
                        12:27–now UTC  firing 3 min (± 1 min)\n\
                        12:03–12:20 UTC  firing 17 min (± 1 min)\n\
                        Tue 23:10–00:10 UTC  firing 1 h 00 min (± 1 min)";
        assert_eq!(told, [expected, "12:01–12:03 UTC  pending 2 min (± 1 min)"]);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let told = day(&[], 61);
        assert!(told[0].starts_with("it did not fire (looked at every 1 min"), "{told:?}");
        assert!(told[0].ends_with("its history is known for 1 h 00 min of the 24 h only"), "{told:?}");
        assert!(told[0].contains("it fires now all the same"));
        let many: Vec<_> = (0..20).map(|at| (1000 - at * 10, 5, 1.0)).collect();
        assert!(day(&many, 1441)[0].ends_with("\n… and 8 earlier"));
    }
}
