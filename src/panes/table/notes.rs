//! What a table says beside its rows: the title with the ages of its sources, what is wrong with them, and what must be seen
//! whatever the rows are. Never an empty table without a word.

use super::Tabular;
use super::marks::Marks;
use super::rows::Rows;
use super::trust::{asked, doubt, overdue, sure, untrusted};
use crate::cx::Cx;
use crate::domain::{Severity, text};
use crate::store::{Feed, Health};
use crate::theme::Role;
use crate::widgets::grid::Slot;
use crate::widgets::{feeds, figure, wrap};
use ratatui::layout::Rect;
use std::fmt::Write;

/// No title has room for the ages of more sources than these.
const NAMED: usize = 40;

/// The words around the rows of a table.
#[derive(Default)]
pub(super) struct Notes {
    pub title: String,
    summary: String,
    pub ages: String,
    /// The same in fewer cells, for where it gets narrow.
    pub ages_short: String,
    pub ages_bad: bool,
    /// Below the rows.
    pub below: Vec<(Role, String)>,
    /// Above the rows.
    pub above: Vec<(Role, String)>,
    /// How many things there are to say above them, whether there is room or not.
    pub told: usize,
}

impl Notes {
    /// The summary, which depends on nothing that the order does not depend on.
    pub fn sum_up<T: Tabular>(&mut self, rows: &Rows<T>, cx: &Cx<'_>) {
        let mut told = String::new();
        T::summary(cx, &rows.counts, &mut told);
        if let Some(by) = rows.grouping() {
            let _ = write!(told, "  by {by}");
        }
        self.summary.clear();
        text::push_clean(&mut self.summary, &told);
    }

    /// Title and ages.
    pub fn headline<T: Tabular>(&mut self, rows: &Rows<T>, slots: &[Slot], marks: &Marks, cx: &Cx<'_>) {
        self.title.clear();
        if let Some(number) = T::TITLE.0 {
            let _ = write!(self.title, "{number} ");
        }
        self.title.push_str(T::TITLE.1);
        let known = asked::<T>(cx).any(|feed| feed.good.is_some());
        let silent = if rows.counts.total() == 0 { overdue::<T>(cx) } else { None };
        if let (true, Some(silent)) = (known, silent) {
            // That there was none is no answer about now.
            let age = figure::text(|out| figure::coarse_age(out, silent));
            let _ = write!(self.title, "  none seen {age} ago, not known since");
        } else if known && !self.summary.is_empty() {
            let _ = write!(self.title, "  {}", self.summary);
        }
        // An order that no heading shows.
        if let Some(column) = rows.sort.filter(|column| slots.iter().all(|slot| slot.column != *column)) {
            let heading = T::heading(column, cx).unwrap_or(T::COLUMNS[column].title);
            self.title.push_str("  by ");
            text::push_clean(&mut self.title, heading);
            self.title.push_str(if rows.reverse { " ↓" } else { " ↑" });
        }
        marks.tell(&mut self.title);
        self.ages_of::<T>(cx);
    }

    /// Each source with its age, those in trouble first; and in short, where all good ones are one.
    fn ages_of<T: Tabular>(&mut self, cx: &Cx<'_>) {
        self.ages.clear();
        self.ages_short.clear();
        self.ages_bad = false;
        let about = |bad| asked::<T>(cx).filter(move |feed| untrusted(feed, cx.now) == bad);
        let hangs = |feed: &&Feed| feed.health(cx.now) == Health::Stale;
        for feed in about(true).filter(|feed| !hangs(feed)).chain(about(true).filter(hangs)) {
            self.ages_bad |= push_age(&mut self.ages, feed, cx);
        }
        self.ages_short.push_str(&self.ages);
        for feed in about(false).take(NAMED) {
            push_age(&mut self.ages, feed, cx);
        }
        let (good, oldest) =
            about(false).fold((0, None), |(count, oldest), feed| (count + 1, oldest.max(feed.age(cx.now))));
        if let (1.., Some(oldest)) = (good, oldest) {
            let gap = if self.ages_short.is_empty() { "" } else { " · " };
            let _ = write!(self.ages_short, "{gap}{good} ok ");
            figure::coarse_age(&mut self.ages_short, oldest);
        }
    }

    /// What is wrong with the sources, with what to do about it. Never an empty table without a word.
    pub fn explain<T: Tabular>(&mut self, rows: &Rows<T>, width: usize, cx: &Cx<'_>) {
        self.below.clear();
        let bare = rows.entries.is_empty();
        let mut lines = Vec::new();
        for feed in asked::<T>(cx) {
            let age = figure::text(|out| figure::coarse_age(out, feed.age(cx.now).unwrap_or_default()));
            lines.clear();
            let role = match (feed.health(cx.now), &feed.error) {
                (Health::Failed, Some((since, error))) => {
                    let failing = figure::text(|out| figure::coarse_age(out, cx.now.since(*since)));
                    let last = if feed.good.is_some() { format!(", last good {age} ago") } else { String::new() };
                    wrap::lines(
                        &mut lines,
                        &format!("▲ {}: {} (failing for {failing}{last})", feed.id, error.what),
                        width,
                        2,
                    );
                    wrap::lines(&mut lines, &format!("  → {}", error.hint), width, 4);
                    Role::SeverityCritical
                }
                (Health::Stale, _) => {
                    wrap::lines(
                        &mut lines,
                        &format!("! {}: no answer for {age}; what is shown is that old", feed.id),
                        width,
                        2,
                    );
                    Role::SeverityWarning
                }
                (Health::Waiting, _) => {
                    wrap::lines(&mut lines, &format!("· {}: asked, waiting for the first answer", feed.id), width, 2);
                    Role::Muted
                }
                (Health::Fresh | Health::Failed, _) => continue,
            };
            self.below.extend(lines.drain(..).map(|line| (role, line)));
        }
        if bare {
            // With nothing beside them, their last cell is free.
            self.empty(rows, width + 1, cx);
        }
    }

    /// What stands above the rows. At most a third of the height, but the first line always; where there is not room for all
    /// of it, the first line of each.
    pub fn notice<T: Tabular>(&mut self, rows: &Rows<T>, inside: Rect, cx: &Cx<'_>) {
        self.above.clear();
        let mut told = Vec::new();
        if let Some(problem) = rows.filter.problem() {
            // What is wrong repeats what was typed.
            let why = if text::is_veiled() { String::new() } else { format!(": {problem}") };
            told.push((Severity::Info, format!("a part of the filter counts for nothing{why}")));
        }
        T::notices(cx, &mut told);
        self.told = told.len();
        let most = usize::from(inside.height / 3).max(1);
        let width = usize::from(inside.width.saturating_sub(1));
        let wrapped: Vec<(Role, Vec<String>)> =
            told.into_iter().map(|(severity, text)| notice(severity, &text, width)).collect();
        let brief = wrapped.iter().map(|(_, lines)| lines.len()).sum::<usize>() > most;
        for (role, mut lines) in wrapped {
            if brief && lines.len() > 1 {
                lines.truncate(1);
                lines[0].push_str(" …");
            }
            self.above.extend(lines.into_iter().map(|line| (role, line)));
        }
        let left = self.above.len().saturating_sub(most);
        self.above.truncate(most);
        if let Some((_, last)) = self.above.last_mut().filter(|_| left > 0 && most > 1) {
            *last = format!("  … and {} more", left + 1);
        }
    }

    fn empty<T: Tabular>(&mut self, rows: &Rows<T>, width: usize, cx: &Cx<'_>) {
        let mut notes = Vec::new();
        if cx.store.about(T::SUBJECT).next().is_none() {
            let subject = T::SUBJECT.word();
            notes.push(format!("no source is configured for {subject}; `quarterdeck config example` shows how"));
        } else if !rows.filter.is_empty() && rows.counts.total() > 0 {
            let total = rows.counts.total();
            let typed = text::typed(&rows.filter_text);
            notes.push(format!("none of {total} passes the filter /{typed} (Esc clears it)"));
            let unlike = rows.unlike.as_ref().filter(|_| !text::is_veiled());
            notes.extend(unlike.map(|what| text::clean(what).into_owned()));
        } else if asked::<T>(cx).all(|feed| feed.good.is_some() && T::lacks(feed)) {
            notes.push(T::NOBODY.to_owned());
        } else if sure::<T>(cx) {
            notes.push(T::NONE.to_owned());
        } else if asked::<T>(cx).any(|feed| feed.good.is_some()) {
            notes.push(T::UNSURE.to_owned());
            notes.extend(asked::<T>(cx).filter_map(|feed| Some(format!("  {}: {}", feed.id, doubt::<T>(feed, cx)?))));
        }
        let mut lines = Vec::new();
        for note in &notes {
            wrap::lines(&mut lines, note, width, 4);
        }
        self.below.extend(lines.into_iter().map(|line| (Role::Muted, line)));
    }
}

/// Appends a source's name and age; true when it is in trouble.
fn push_age(out: &mut String, feed: &Feed, cx: &Cx<'_>) -> bool {
    if !out.is_empty() {
        out.push_str(" · ");
    }
    feeds::label(feed, cx.store, out);
    out.push(' ');
    feeds::age(feed, cx.now, out)
}

fn notice(severity: Severity, text: &str, width: usize) -> (Role, Vec<String>) {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, &format!("{} {text}", severity.symbol()), width, 2);
    (severity.into(), lines)
}
