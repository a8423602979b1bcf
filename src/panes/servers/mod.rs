//! Servers: is the machine itself the problem?

use super::table::{self, Counts, Tabular, figure_cell, figures, prefix};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Server, Severity, Snapshot, Subject, ThingId};
use crate::keymap::Scope;
use crate::store::{Feed, Ring, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::spark;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(1),
    title: "Servers",
    doc: "machines: CPU, memory, the fullest filesystem, load, uptime",
    scope: Scope::Servers,
    action: Action::Servers,
    subject: Some(Subject::Servers),
    beside: true,
    make: || Box::new(DataPane::<Servers>::default()),
};

/// Samples that a sparkline shows: one a cell.
const SPARK: usize = 8;

const NAME: usize = 0;
const STATE: usize = 1;
const CPU: usize = 2;
const CPU_TREND: usize = 3;
const MEMORY: usize = 4;
const MEMORY_TREND: usize = 5;
const DISK: usize = 6;
const MOUNT: usize = 7;
const LOAD: usize = 8;
const SWAP: usize = 9;

/// The table.
pub struct Servers;

impl Tabular for Servers {
    type Item = Server;
    const SUBJECT: Subject = Subject::Servers;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 14, 3, 9),
        Column::text("STATE", 11, 0, 8),
        Column::figure("CPU", 4, 9),
        Column::text("CPU PAST", SPARK as u16, 0, 5),
        Column::figure("MEM", 4, 9),
        Column::text("MEM PAST", SPARK as u16, 0, 3),
        Column::figure("DISK", 4, 9),
        Column::text("MOUNT", 10, 1, 2),
        Column::figure("LOAD", 5, 7),
        Column::figure("SWAP", 4, 1),
        Column::figure("UP", 5, 4),
    ];
    const NONE: &'static str = "asked, and there are no servers";

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Server] {
        feed.snapshot().and_then(Snapshot::servers).unwrap_or_default()
    }

    fn id(row: Row<'_, Server>) -> ThingId {
        ThingId::Server { name: row.item.name.as_str().into() }
    }

    fn is(row: Row<'_, Server>, id: &ThingId) -> bool {
        matches!(id, ThingId::Server { name } if **name == *row.item.name)
    }

    fn name(row: Row<'_, Server>, out: &mut String) {
        out.push_str(&row.item.name);
    }

    fn severity(row: Row<'_, Server>) -> Severity {
        row.item.judge(row.cx.limits).0
    }

    fn order(column: usize, a: Row<'_, Server>, b: Row<'_, Server>) -> Ordering {
        let by = |figure: fn(&Server) -> Option<f64>| figures(figure(a.item), figure(b.item));
        match column {
            STATE => Self::severity(a).cmp(&Self::severity(b)),
            CPU | CPU_TREND => by(|s| s.cpu),
            MEMORY | MEMORY_TREND => by(|s| s.memory.map(|m| m.ratio())),
            DISK => by(|s| s.worst_disk().map(|d| d.usage.ratio())),
            LOAD => by(Server::load_per_core),
            SWAP => by(|s| s.swap.map(|m| m.ratio())),
            NAME | MOUNT => a.item.name.cmp(&b.item.name),
            _ => by(|s| s.uptime.map(|up| up.as_secs_f64())),
        }
    }

    fn cell(column: usize, row: Row<'_, Server>, out: &mut String) -> Role {
        let (server, limits) = (row.item, row.cx.limits);
        let trend = row.cx.store.trend(&row.feed.id, &server.name);
        match column {
            NAME => {
                prefix(row, Subject::Servers, out);
                out.push_str(&server.name);
                Role::Text
            }
            STATE => state(row, out),
            CPU => figure_cell(
                out,
                server.cpu,
                server.cpu.map_or(Severity::None, |v| limits.cpu.judge(v)),
                figure::percent,
            ),
            CPU_TREND => sparkline(out, trend.map(|trend| &trend.cpu)),
            MEMORY => {
                let ratio = server.memory.map(|memory| memory.ratio());
                figure_cell(out, ratio, ratio.map_or(Severity::None, |v| limits.memory.judge(v)), figure::percent)
            }
            MEMORY_TREND => sparkline(out, trend.map(|trend| &trend.memory)),
            DISK => {
                let ratio = server.worst_disk().map(|disk| disk.usage.ratio());
                figure_cell(out, ratio, ratio.map_or(Severity::None, |v| limits.disk.judge(v)), figure::percent)
            }
            MOUNT => {
                out.push_str(server.worst_disk().map_or("—", |disk| &disk.mount));
                Role::Muted
            }
            LOAD => {
                let severity = server.load_per_core().map_or(Severity::None, |v| limits.load.judge(v));
                figure_cell(out, server.load.map(|load| load[0]), severity, figure::number)
            }
            SWAP => {
                let used = server.swap.filter(|swap| swap.total > 0).map(|swap| swap.ratio());
                figure_cell(out, used, Severity::None, figure::percent)
            }
            _ => figure_cell(out, server.uptime, Severity::None, figure::age),
        }
    }

    fn haystack(row: Row<'_, Server>, out: &mut String) {
        let _ = write!(out, "{} {} ", row.feed.id, row.item.name);
        state(row, out);
    }

    fn summary(_: &Cx<'_>, counts: &Counts, out: &mut String) {
        table_summary(counts, "in all", out);
    }

    fn details(row: Row<'_, Server>) -> Vec<Section> {
        let server = row.item;
        let usage = |usage: crate::domain::Usage| {
            figure::text(|out| {
                figure::bytes(out, usage.used);
                out.push_str(" of ");
                figure::bytes(out, usage.total);
                out.push_str(", ");
                figure::percent(out, usage.ratio());
            })
        };
        let unknown = || "not known".to_owned();
        let trend = row.cx.store.trend(&row.feed.id, &server.name);
        let past = |ring: Option<&Ring<{ crate::store::history::KEPT }>>| {
            figure::text(|out| {
                if let Some(ring) = ring {
                    spark::push(out, ring.last(60));
                }
            })
        };
        let facts = vec![
            ("source".into(), row.feed.id.to_string()),
            (
                "state".into(),
                figure::text(|out| {
                    state(row, out);
                }),
            ),
            (
                "cpu".into(),
                server.cpu.map_or_else(unknown, |v| figure::text(|out| figure::percent(out, v)))
                    + &format!(" of {} cores", server.cores),
            ),
            ("cpu past".into(), past(trend.map(|trend| &trend.cpu))),
            ("memory".into(), server.memory.map_or_else(unknown, usage)),
            ("memory past".into(), past(trend.map(|trend| &trend.memory))),
            (
                "swap".into(),
                server.swap.map_or_else(unknown, |swap| if swap.total == 0 { "none".into() } else { usage(swap) }),
            ),
            (
                "fullest disk".into(),
                server.worst_disk().map_or_else(unknown, |disk| format!("{}: {}", disk.mount, usage(disk.usage))),
            ),
            (
                "load 1, 5, 15 min".into(),
                server.load.map_or_else(unknown, |[a, b, c]| format!("{a:.2}, {b:.2}, {c:.2}")),
            ),
            ("load past".into(), past(trend.map(|trend| &trend.load))),
            ("up".into(), server.uptime.map_or_else(unknown, |up| figure::text(|out| figure::age(out, up)))),
        ];
        vec![Section::Facts(facts)]
    }
}

/// `ok`, or the figure that is bad and how bad: `! disk`.
fn state(row: Row<'_, Server>, out: &mut String) -> Role {
    let (severity, what) = row.item.judge(row.cx.limits);
    let word = match severity {
        Severity::Critical => "crit",
        Severity::Warning => "warn",
        Severity::None | Severity::Ok | Severity::Info | Severity::Unknown => severity.word(),
    };
    out.push_str(word);
    if severity >= Severity::Warning {
        let _ = write!(out, " {what}");
    }
    severity.into()
}

fn sparkline<const N: usize>(out: &mut String, ring: Option<&Ring<N>>) -> Role {
    if let Some(ring) = ring {
        spark::push(out, ring.last(SPARK));
    }
    Role::Spark
}

/// `7 in all  1 critical  2 warning`: a server that is known of need not be up.
fn table_summary(counts: &table::Counts, noun: &str, out: &mut String) {
    let _ = write!(out, "{} {noun}", counts.total());
    for severity in [Severity::Critical, Severity::Warning, Severity::Unknown] {
        if counts.of(severity) > 0 {
            let _ = write!(out, "  {} {}", counts.of(severity), severity.word());
        }
    }
}
