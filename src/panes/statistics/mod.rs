//! Statistics: what each database of PostgreSQL does, and how far it is from wraparound; long commands and the archiver above.

use super::postgres::{self, database, text};
use super::table::{Counts, Tabular, figure_cell, figures};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Archiver, DatabaseStats, Progress, Severity, Subject, ThingId};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Statistics",
    doc: "what each PostgreSQL database does: rates, hit ratio, deadlocks, temporary files, wraparound; long commands",
    scope: Scope::Databases,
    action: Action::Statistics,
    subject: Some(Subject::Databases),
    beside: false,
    make: || Box::new(DataPane::<Statistics>::default()),
};

const NAME: usize = 0;
const ON: usize = 1;
const SIZE: usize = 2;
const BACKENDS: usize = 3;
const COMMITS: usize = 4;
const ROLLBACKS: usize = 5;
const HIT: usize = 6;
const READ: usize = 7;
const WRITTEN: usize = 8;
const TEMP: usize = 9;
const DEADLOCKS: usize = 10;
const CONFLICTS: usize = 11;

/// The databases.
pub struct Statistics;

impl Tabular for Statistics {
    type Item = DatabaseStats;
    const SUBJECT: Subject = Subject::Databases;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("DB", 14, 2, 9),
        Column::text("ON", 8, 1, 8),
        Column::figure("SIZE", 5, 5).of(Measure::Bytes),
        Column::figure("CONNS", 5, 7),
        Column::figure("COMMIT/S", 8, 9),
        Column::figure("ROLLB/S", 7, 8),
        Column::figure("HIT", 5, 8).of(Measure::Share),
        Column::figure("READ/S", 6, 6),
        Column::figure("WRITE/S", 7, 6),
        Column::figure("TEMP/S", 6, 5).of(Measure::Bytes),
        Column::figure("DEADLOCK", 8, 7),
        Column::figure("CONFLICT", 8, 1),
        Column::figure("WRAP", 5, 9).of(Measure::Share),
    ];
    const NONE: &'static str = "the databases are not known: see what is said above";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        column != ON || cx.many(Subject::Databases)
    }

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [DatabaseStats] {
        database(feed).map_or(&[], |database| &database.databases)
    }

    fn id(row: Row<'_, DatabaseStats>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: format!("database/{}", row.item.name).into() }
    }

    fn is(row: Row<'_, DatabaseStats>, id: &ThingId) -> bool {
        matches!(id, ThingId::Entry { source, key }
            if *source == row.feed.id && key.strip_prefix("database/") == Some(row.item.name.as_str()))
    }

    fn name(row: Row<'_, DatabaseStats>, out: &mut String) {
        let _ = write!(out, "database {} on {}", row.item.name, row.feed.id.name());
    }

    fn severity(row: Row<'_, DatabaseStats>) -> Severity {
        row.item.judge(row.cx.limits)
    }

    fn order(column: usize, a: Row<'_, DatabaseStats>, b: Row<'_, DatabaseStats>) -> Ordering {
        let (x, y) = (a.item, b.item);
        let name = || (&x.name, &a.feed.id).cmp(&(&y.name, &b.feed.id));
        match column {
            NAME => name(),
            ON => a.feed.id.cmp(&b.feed.id).then_with(name),
            SIZE => x.size.cmp(&y.size).then_with(name),
            BACKENDS => x.backends.cmp(&y.backends).then_with(name),
            COMMITS => figures(x.commits, y.commits).then_with(name),
            ROLLBACKS => figures(x.rollbacks, y.rollbacks).then_with(name),
            HIT => figures(x.hit_ratio, y.hit_ratio).then_with(name),
            READ => figures(x.rows_read, y.rows_read).then_with(name),
            WRITTEN => figures(x.rows_written, y.rows_written).then_with(name),
            TEMP => figures(x.temp, y.temp).then_with(name),
            DEADLOCKS => x.deadlocks.cmp(&y.deadlocks).then_with(name),
            CONFLICTS => x.conflicts.cmp(&y.conflicts).then_with(name),
            _ => x.wraparound().total_cmp(&y.wraparound()).then_with(name),
        }
    }

    /// The busiest first.
    fn natural(a: Row<'_, DatabaseStats>, b: Row<'_, DatabaseStats>) -> Ordering {
        figures(b.item.commits, a.item.commits).then_with(|| Self::order(NAME, a, b))
    }

    fn cell(column: usize, row: Row<'_, DatabaseStats>, out: &mut String) -> Role {
        let stats = row.item;
        let rate = |out: &mut String, rate| figure_cell(out, rate, Severity::None, postgres::short);
        match column {
            NAME => text(out, &stats.name, Role::Text),
            ON => text(out, row.feed.id.name(), Role::Text),
            SIZE => figure_cell(out, stats.size, Severity::None, figure::bytes),
            BACKENDS => figure_cell(out, Some(f64::from(stats.backends)), Severity::None, postgres::short),
            COMMITS => rate(out, stats.commits),
            ROLLBACKS => rate(out, stats.rollbacks),
            HIT => figure_cell(out, stats.hit_ratio, Severity::None, figure::percent),
            READ => rate(out, stats.rows_read),
            WRITTEN => rate(out, stats.rows_written),
            TEMP => figure_cell(out, stats.temp, Severity::None, |out, rate| figure::bytes(out, rate as u64)),
            DEADLOCKS => {
                let judged = if stats.new_deadlocks > 0 { Severity::Warning } else { Severity::None };
                figure_cell(out, Some(stats.deadlocks as f64), judged, postgres::short)
            }
            CONFLICTS => figure_cell(out, Some(stats.conflicts as f64), Severity::None, postgres::short),
            _ => {
                let judged = row.cx.limits.wraparound.judge(stats.wraparound());
                figure_cell(out, Some(stats.wraparound()), judged, figure::percent)
            }
        }
    }

    fn haystack(row: Row<'_, DatabaseStats>, out: &mut String) {
        let _ = write!(out, "{} {}", row.feed.id, row.item.name);
    }

    fn summary(cx: &Cx<'_>, _: &Counts, out: &mut String) {
        for (index, (feed, database)) in postgres::worst_first(cx).into_iter().enumerate() {
            let gap = if index > 0 { "  " } else { "" };
            out.push_str(gap);
            if cx.many(Subject::Databases) {
                let _ = write!(out, "{} ", feed.id.name());
            }
            match database.transactions() {
                Some(rate) => postgres::short(out, rate),
                None => out.push('—'),
            }
            out.push_str(" transactions/s");
        }
    }

    /// Troubles first, then the long commands under way, then how archiving goes.
    fn notices(cx: &Cx<'_>, out: &mut Vec<(Severity, String)>) {
        postgres::troubles(cx, out);
        for (feed, database) in cx.store.about(Subject::Databases).filter_map(|feed| Some((feed, database(feed)?))) {
            for progress in &database.progress {
                out.push((Severity::Ok, postgres::named(feed, cx, progress_text(progress))));
            }
            if let Some(archiver) = database.archiver.as_ref().filter(|archiver| !archiver.failing) {
                out.push((Severity::None, postgres::named(feed, cx, archiver_text(archiver))));
            }
        }
    }

    fn fields(row: Row<'_, DatabaseStats>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, DatabaseStats>) -> Vec<Section> {
        let stats = row.item;
        let limit = database(row.feed).and_then(|database| database.freeze_max_age);
        let limit = limit.map_or_else(String::new, |limit| format!("; vacuum is forced at {limit}"));
        let checksums =
            stats.checksum_failures.map_or_else(|| "checksums are off, or not known".to_owned(), |n| n.to_string());
        let rate = |rate: Option<f64>| {
            rate.map_or_else(|| "not known yet".to_owned(), |rate| figure::text(|out| postgres::short(out, rate)))
        };
        let facts = [
            ("database", stats.name.clone()),
            ("commits a second", rate(stats.commits)),
            ("rollbacks a second", rate(stats.rollbacks)),
            ("deadlocks", format!("{} since statistics were reset, {} just now", stats.deadlocks, stats.new_deadlocks)),
            ("conflicts with recovery", stats.conflicts.to_string()),
            ("checksum failures", checksums),
            ("oldest transaction", format!("{} transactions ago{limit}", stats.frozen_age)),
            ("oldest multixact", format!("{} multixacts ago", stats.multixact_age)),
            ("way to wraparound", figure::text(|out| figure::percent(out, stats.wraparound()))),
        ];
        let facts = facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect();
        let mut sections = vec![Section::Facts(facts)];
        sections.extend(postgres::server_details(row.feed, row.cx));
        sections
    }
}

fn progress_text(progress: &Progress) -> String {
    let on = if progress.on.is_empty() { String::new() } else { format!(" on {}", progress.on) };
    let phase = if progress.phase.is_empty() { "phase hidden" } else { &progress.phase };
    let done = progress.done.map_or_else(String::new, |done| format!(" {:.0} %", done * 100.0));
    format!("{}{on}: {phase}{done} (pid {})", progress.command, progress.pid)
}

fn archiver_text(archiver: &Archiver) -> String {
    format!(
        "WAL is archived: {} files, {} attempts failed since statistics were reset",
        archiver.archived, archiver.failed
    )
}
