//! Servers: is the machine itself the problem?

mod page;

use super::table::{self, Counts, Tabular, figure_cell, figures, push_words, shares, sizes};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Pressure, Server, Severity, Subject, ThingId};
use crate::keymap::Scope;
use crate::store::{Feed, Figure, ServerRow, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use crate::widgets::spark;
use crate::widgets::typed::Told;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(1),
    title: "Servers",
    doc: "machines: can they be reached, CPU, memory, filesystems and when they are full, load, network, pressure",
    scope: Scope::Servers,
    action: Action::Servers,
    subject: Some(Subject::Servers),
    beside: true,
    make: || Box::new(DataPane::<Servers>::default()),
};

/// Samples that a sparkline shows: one a cell.
const SPARK: usize = 8;
/// A column is offered when one of so many servers has something to say in it: looking at all of them for every frame would
/// make a frame dearer the more servers there are.
const ASKED: usize = 200;

const NAME: usize = 0;
const STATE: usize = 1;
const CPU: usize = 2;
const CPU_PAST: usize = 3;
const MEMORY: usize = 4;
const MEMORY_PAST: usize = 5;
const SWAP: usize = 6;
const DISK: usize = 7;
const MOUNT: usize = 8;
const FULL_IN: usize = 9;
const LOAD: usize = 10;
const PER_CORE: usize = 11;
const RECEIVED: usize = 12;
const SENT: usize = 13;
const READ: usize = 14;
const WRITTEN: usize = 15;
const WAIT: usize = 16;
const OOM: usize = 17;
const SKEW: usize = 18;
const UP: usize = 19;
/// The first of the columns that status addresses are mapped to.
const MAPPED: usize = 20;
/// How many of those there are.
const MAPS: usize = 4;
const ROLES: usize = MAPPED + MAPS;

/// The table.
pub struct Servers;

impl Tabular for Servers {
    type Item = ServerRow;
    const SUBJECT: Subject = Subject::Servers;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 14, 3, 9),
        Column::text("STATE", 11, 0, 8),
        Column::figure("CPU", 4, 9).of(Measure::Share),
        Column::text("CPU PAST", SPARK as u16, 0, 5),
        Column::figure("MEM", 4, 9).of(Measure::Share),
        Column::text("MEM PAST", SPARK as u16, 0, 2),
        Column::figure("SWAP", 4, 2).of(Measure::Share),
        Column::figure("DISK", 4, 9).of(Measure::Share),
        Column::text("MOUNT", 10, 1, 2),
        Column::figure("FULL IN", 7, 6).of(Measure::Time),
        Column::figure("LOAD", 5, 7),
        Column::figure("/CORE", 5, 3),
        Column::figure("NET IN", 6, 4).of(Measure::Bytes),
        Column::figure("NET OUT", 7, 4).of(Measure::Bytes),
        Column::figure("READ", 5, 1).of(Measure::Bytes),
        Column::figure("WRITE", 5, 1).of(Measure::Bytes),
        Column::figure("WAIT", 8, 3).of(Measure::Share),
        Column::figure("OOM", 3, 3),
        Column::figure("SKEW", 5, 2).of(Measure::Time),
        Column::figure("UP", 5, 4).of(Measure::Time),
        Column::figure("", 8, 6),
        Column::figure("", 8, 6),
        Column::figure("", 8, 5),
        Column::figure("", 8, 5),
        Column::text("ROLES", 10, 1, 2),
    ];
    const NONE: &'static str = "asked, and there are no servers";

    fn shows(column: usize, cx: &Cx<'_>) -> bool {
        let any = |tells: fn(&Server) -> bool| cx.store.all_servers().take(ASKED).any(|server| tells(server));
        match column {
            SWAP => any(|server| server.swap.is_some_and(|swap| swap.total > 0)),
            FULL_IN => any(|server| server.fills_first().is_some()),
            RECEIVED | SENT => any(|server| server.network.is_some()),
            READ | WRITTEN => any(|server| server.disk_io.is_some()),
            WAIT => any(|server| server.pressure.is_some()),
            OOM => any(|server| server.oom_kills.is_some()),
            SKEW => any(|server| server.clock_skew.is_some()),
            ROLES => any(|server| !server.roles.is_empty()),
            MAPPED.. => mapped(column, cx).is_some(),
            _ => true,
        }
    }

    fn heading<'a>(column: usize, cx: &Cx<'a>) -> Option<&'a str> {
        mapped(column, cx)
    }

    fn items<'a>(store: &'a Store, feed: &'a Feed) -> &'a [ServerRow] {
        store.servers(feed)
    }

    fn id(row: Row<'_, ServerRow>) -> ThingId {
        ThingId::Server { name: row.item.name.as_str().into() }
    }

    fn is(row: Row<'_, ServerRow>, id: &ThingId) -> bool {
        matches!(id, ThingId::Server { name } if **name == *row.item.name)
    }

    fn name(row: Row<'_, ServerRow>, out: &mut String) {
        out.push_str(&row.item.name);
    }

    fn severity(row: Row<'_, ServerRow>) -> Severity {
        row.item.judge(row.cx.limits).0
    }

    fn order(column: usize, a: Row<'_, ServerRow>, b: Row<'_, ServerRow>) -> Ordering {
        let by = |figure: fn(&Server) -> Option<f64>| figures(figure(a.item), figure(b.item));
        let share = |figure: fn(&Server) -> Option<f64>| shares(figure(a.item), figure(b.item));
        let size = |figure: fn(&Server) -> Option<f64>| sizes(figure(a.item), figure(b.item));
        let order = match column {
            STATE => Self::severity(a).cmp(&Self::severity(b)),
            NAME => a.item.name.cmp(&b.item.name),
            MOUNT => mount(a.item).cmp(mount(b.item)),
            ROLES => a.item.roles.cmp(&b.item.roles),
            CPU | CPU_PAST => share(|server| server.cpu),
            MEMORY | MEMORY_PAST => share(|server| Figure::Memory.of(server)),
            SWAP => share(|server| server.swap.map(|swap| swap.ratio())),
            DISK => share(|server| Figure::Disk.of(server)),
            // What is full soonest is the most: it comes where the fullest disk comes.
            FULL_IN => by(|server| server.fills_first().map(|(_, left)| -left.as_secs_f64())),
            LOAD => by(|server| server.load.map(|load| load[0])),
            PER_CORE => by(Server::load_per_core),
            RECEIVED => size(|server| Figure::Received.of(server)),
            SENT => size(|server| Figure::Sent.of(server)),
            READ => size(|server| server.disk_io.map(|io| io.r#in)),
            WRITTEN => size(|server| server.disk_io.map(|io| io.out)),
            WAIT => share(|server| server.pressure.map(|pressure| longest_wait(pressure).0)),
            OOM => by(|server| server.oom_kills.map(|kills| kills as f64)),
            SKEW => by(|server| server.clock_skew.map(f64::abs)),
            UP => by(|server| server.uptime.map(|up| up.as_secs_f64())),
            _ => by_mapped(mapped_text(column, a), mapped_text(column, b)),
        };
        order.then_with(|| a.item.name.cmp(&b.item.name))
    }

    /// What can't be reached comes before what is merely full.
    fn natural(a: Row<'_, ServerRow>, b: Row<'_, ServerRow>) -> Ordering {
        let reached = |row: Row<'_, ServerRow>| row.item.unreached().is_none();
        reached(a).cmp(&reached(b)).then_with(|| a.item.name.cmp(&b.item.name))
    }

    fn cell(column: usize, row: Row<'_, ServerRow>, out: &mut String) -> Role {
        let (server, limits): (&Server, _) = (row.item, row.cx.limits);
        match column {
            NAME => {
                out.push_str(&server.name);
                Role::Text
            }
            STATE => state(server, row.cx, out),
            CPU => judged(out, server.cpu, |cpu| limits.cpu.judge(cpu), figure::percent),
            MEMORY => judged(out, Figure::Memory.of(server), |memory| limits.memory.judge(memory), figure::percent),
            DISK => judged(out, Figure::Disk.of(server), |disk| limits.disk.judge(disk), figure::percent),
            LOAD => {
                let severity = server.load_per_core().map_or(Severity::None, |load| limits.load.judge(load));
                figure_cell(out, server.load.map(|load| load[0]), severity, figure::number)
            }
            PER_CORE => judged(out, server.load_per_core(), |load| limits.load.judge(load), figure::number),
            CPU_PAST => sparkline(out, row, Figure::Cpu),
            MEMORY_PAST => sparkline(out, row, Figure::Memory),
            MOUNT | ROLES => text(column, server, out),
            MAPPED.. => mapped_cell(out, mapped_text(column, row)),
            _ => more(column, server, row.cx, out),
        }
    }

    const SYNONYMS: &'static [(&'static str, usize)] = &[
        ("memory", MEMORY),
        ("age", UP),
        ("uptime", UP),
        ("load-per-core", PER_CORE),
        ("received", RECEIVED),
        ("sent", SENT),
        ("role", ROLES),
    ];

    fn told(column: usize, row: Row<'_, ServerRow>) -> Told {
        let server: &Server = row.item;
        let percent = |ratio: Option<f64>| Told::Figure(ratio.map(|ratio| ratio * 100.0));
        match column {
            CPU => percent(server.cpu),
            MEMORY => percent(Figure::Memory.of(server)),
            SWAP => percent(server.swap.filter(|swap| swap.total > 0).map(|swap| swap.ratio())),
            DISK => percent(Figure::Disk.of(server)),
            FULL_IN => Told::Figure(server.fills_first().map(|(_, left)| left.as_secs_f64())),
            LOAD => Told::Figure(server.load.map(|load| load[0])),
            PER_CORE => Told::Figure(server.load_per_core()),
            RECEIVED => Told::Figure(Figure::Received.of(server)),
            SENT => Told::Figure(Figure::Sent.of(server)),
            READ => Told::Figure(server.disk_io.map(|io| io.r#in)),
            WRITTEN => Told::Figure(server.disk_io.map(|io| io.out)),
            OOM => Told::Figure(server.oom_kills.map(|kills| kills as f64)),
            SKEW => Told::Figure(server.clock_skew.map(f64::abs)),
            UP => Told::Figure(server.uptime.map(|up| up.as_secs_f64())),
            _ => Told::Written,
        }
    }

    fn haystack(row: Row<'_, ServerRow>, out: &mut String) {
        let server: &Server = row.item;
        push_words(out, [row.feed.id.as_str(), &server.name, ""]);
        state(server, row.cx, out);
        push_words(out, server.addresses.iter().chain(&server.roles).map(String::as_str));
        let labels = server.labels.iter().chain(server.columns.iter().map(|(name, text)| (name, text)));
        for (name, text) in labels {
            push_words(out, [name.as_str()]);
            out.push('=');
            out.push_str(text);
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        summary(cx, counts, out);
    }

    fn fields(row: Row<'_, ServerRow>) -> serde_json::Value {
        super::table::fields(row, &**row.item)
    }

    fn details(row: Row<'_, ServerRow>) -> Vec<Section> {
        page::sections(row)
    }
}

/// The columns that are worth a look when something is odd.
fn more(column: usize, server: &Server, cx: &Cx<'_>, out: &mut String) -> Role {
    let limits = cx.limits;
    let rate = |out: &mut String, rate: f64| figure::bytes(out, rate.max(0.0) as u64);
    let plain = |_: f64| Severity::None;
    match column {
        SWAP => {
            let swap = server.swap.filter(|swap| swap.total > 0).map(|swap| swap.ratio());
            judged(out, swap, |swap| limits.swap.judge(swap), figure::percent)
        }
        FULL_IN => {
            let left = server.fills_first().map(|(_, left)| left);
            let severity = |left: std::time::Duration| limits.disk_full_hours.judge_rest(left.as_secs_f64() / 3600.0);
            figure_cell(out, left, left.map_or(Severity::None, severity), figure::age)
        }
        RECEIVED => judged(out, Figure::Received.of(server), plain, rate),
        SENT => judged(out, Figure::Sent.of(server), plain, rate),
        READ => judged(out, server.disk_io.map(|io| io.r#in), plain, rate),
        WRITTEN => judged(out, server.disk_io.map(|io| io.out), plain, rate),
        WAIT => wait(server.pressure, cx, out),
        OOM => {
            let severity = server.oom_recent.map_or(Severity::None, |kills| limits.oom_kills.judge(kills as f64));
            figure_cell(out, server.oom_kills, severity, |out, kills| {
                let _ = write!(out, "{kills}");
            })
        }
        SKEW => judged(out, server.clock_skew, |skew| limits.clock_skew_seconds.judge(skew.abs()), skew),
        _ => figure_cell(out, server.uptime, Severity::None, figure::age),
    }
}

fn text(column: usize, server: &Server, out: &mut String) -> Role {
    if column == MOUNT {
        out.push_str(if server.disks.is_empty() { "—" } else { mount(server) });
    } else {
        push_list(out, &server.roles);
    }
    Role::Muted
}

fn mount(server: &Server) -> &str {
    server.worst_disk().map_or("", |disk| &disk.mount)
}

/// `a, b`.
fn push_list(out: &mut String, words: &[String]) {
    for (index, word) in words.iter().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        out.push_str(word);
    }
}

/// A figure that is judged by itself.
fn judged(
    out: &mut String,
    value: Option<f64>,
    judge: impl FnOnce(f64) -> Severity,
    write: impl FnOnce(&mut String, f64),
) -> Role {
    figure_cell(out, value, value.map_or(Severity::None, judge), write)
}

/// Seconds with their sign; what is less than a tenth is nothing to talk of.
fn skew(out: &mut String, skew: f64) {
    let _ = match skew.abs() {
        off if off < 0.05 => write!(out, "0s"),
        off if off < 9.95 => write!(out, "{skew:+.1}s"),
        off if off < 999.5 => write!(out, "{skew:+.0}s"),
        _ => write!(out, "{:+.0}m", skew / 60.0),
    };
}

/// The longest wait, and for what: `12% io`.
fn wait(pressure: Option<Pressure>, cx: &Cx<'_>, out: &mut String) -> Role {
    let Some(pressure) = pressure else { return figure_cell(out, None::<f64>, Severity::None, figure::percent) };
    let limits = cx.limits;
    let worst = limits.cpu_pressure.judge(pressure.cpu).max(limits.memory_pressure.judge(pressure.memory));
    let worst = worst.max(limits.io_pressure.judge(pressure.io));
    let (share, what) = longest_wait(pressure);
    figure::percent(out, share);
    let _ = write!(out, " {what}");
    if worst >= Severity::Warning { worst.into() } else { Role::Text }
}

fn longest_wait(pressure: Pressure) -> (f64, &'static str) {
    let waits = [(pressure.cpu, "cpu"), (pressure.memory, "mem"), (pressure.io, "io")];
    waits.into_iter().fold((0.0, "cpu"), |longest, next| if next.0 > longest.0 { next } else { longest })
}

/// The name of what a mapped column shows just now.
fn mapped<'a>(column: usize, cx: &Cx<'a>) -> Option<&'a str> {
    let store: &'a Store = cx.store;
    let at = column.checked_sub(MAPPED).filter(|at| *at < MAPS)?;
    store.server_columns().get(at).map(String::as_str)
}

fn mapped_text(column: usize, row: Row<'_, ServerRow>) -> Option<&str> {
    let wanted = mapped(column, row.cx)?;
    row.item.columns.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str())
}

fn mapped_cell(out: &mut String, text: Option<&str>) -> Role {
    out.push_str(text.unwrap_or("—"));
    if text.is_some() { Role::Text } else { Role::Faint }
}

/// By number where both are numbers, else by text.
fn by_mapped(a: Option<&str>, b: Option<&str>) -> Ordering {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a_number, b_number) => a_number.is_some().cmp(&b_number.is_some()).then_with(|| a.cmp(&b)),
    }
}

/// `ok`, or the figure that is bad and how bad (`crit disk`); `DOWN` when nothing reaches it.
fn state(server: &Server, cx: &Cx<'_>, out: &mut String) -> Role {
    let (severity, what) = server.judge(cx.limits);
    let word = match (severity, what) {
        (Severity::Critical, "down") => "DOWN",
        (Severity::Critical, _) => "crit",
        (Severity::Warning, _) => "warn",
        (Severity::None | Severity::Ok | Severity::Info | Severity::Unknown, _) => severity.word(),
    };
    out.push_str(word);
    match (what, server.unreached()) {
        ("down", _) => {}
        ("reach", Some(reach)) => {
            let _ = write!(out, " {}", reach.by);
        }
        _ if severity >= Severity::Warning => {
            let _ = write!(out, " {what}");
        }
        _ => {}
    }
    severity.into()
}

fn sparkline(out: &mut String, row: Row<'_, ServerRow>, figure: Figure) -> Role {
    let ring = row.cx.store.trend(&row.item.name).and_then(|trend| trend.of(figure));
    if let Some(ring) = ring {
        spark::push(out, ring.last(SPARK));
    }
    Role::Spark
}

/// `7 in all  1 DOWN  2 warning`: a server that is known of need not be up.
fn summary(cx: &Cx<'_>, counts: &table::Counts, out: &mut String) {
    let _ = write!(out, "{} in all", counts.total());
    let down = cx.store.all_servers().filter(|server| server.is_down()).count();
    if down > 0 {
        let _ = write!(out, "  {down} DOWN");
    }
    for severity in [Severity::Critical, Severity::Warning, Severity::Unknown] {
        let count = counts.of(severity).saturating_sub(if severity == Severity::Critical { down } else { 0 });
        if count > 0 {
            let _ = write!(out, "  {count} {}", severity.word());
        }
    }
}

#[cfg(test)]
mod tests;
