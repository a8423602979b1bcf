//! A server's page: every figure with its unit, all filesystems, who reaches it, what its sources could not tell, and its past.

use super::super::{Chart, Row, Section, Unit, top};
use crate::domain::{Filesystem, Inquiry, Past, Rates, Reach, Server, SourceId, Usage, time};
use crate::store::{Figure, Outage, ServerRow};
use crate::widgets::figure;
use std::fmt::Write;
use std::time::Duration;

/// How far back a Prometheus is asked.
const BACK: Duration = Duration::from_hours(3);

type Fact = (String, String);

/// Everything about it.
pub(super) fn sections(row: Row<'_, ServerRow>) -> Vec<Section> {
    let server: &Server = row.item;
    let mut sections = vec![Section::Facts(identity(row)), Section::Facts(figures(row.item))];
    if !server.disks.is_empty() {
        sections.push(Section::Facts(server.disks.iter().map(filesystem).collect()));
    }
    let notes: Vec<&str> = server.silent.iter().chain(&server.notes).map(String::as_str).collect();
    if !notes.is_empty() {
        sections.push(Section::Text { title: "What is not known".to_owned(), text: notes.join("\n") });
    }
    sections.extend(history(row));
    sections.push(top::section(row));
    sections.extend(charts(row).into_iter().map(Section::Chart));
    sections
}

/// When it was away, as this program saw it, newest first.
fn history(row: Row<'_, ServerRow>) -> Option<Section> {
    let (outages, since) = row.cx.store.outages(&row.item.name);
    let since = since?.strftime("%H:%M:%S");
    let text = if outages.is_empty() {
        format!("always well since {since}, when quarterdeck began to watch")
    } else {
        let lines: Vec<String> = outages.iter().rev().map(|outage| self::outage(row, *outage)).collect();
        format!("{}\n{since}  quarterdeck began to watch", lines.join("\n"))
    };
    Some(Section::Text { title: "History (UTC)".to_owned(), text })
}

/// `14:02:11–14:09:12  down (7m)`.
fn outage(row: Row<'_, ServerRow>, outage: Outage) -> String {
    let lasted = time::between(outage.from, outage.to.unwrap_or(row.cx.now.wall));
    let lasted = figure::text(|out| figure::coarse_age(out, lasted));
    let from = outage.from.strftime("%H:%M:%S");
    let to = outage.to.map_or_else(|| "now".to_owned(), |to| to.strftime("%H:%M:%S").to_string());
    format!("{from}–{to}  {} ({lasted})", outage.away.words())
}

fn identity(row: Row<'_, ServerRow>) -> Vec<Fact> {
    let server: &Server = row.item;
    let state = figure::text(|out| {
        super::state(server, row.cx, out);
    });
    let list = |words: &[String]| (!words.is_empty()).then(|| figure::text(|out| super::push_list(out, words)));
    let labels: Vec<String> = server.labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
    let facts = [
        ("state", Some(state)),
        ("roles", list(&server.roles)),
        ("known as", list(&server.addresses)),
        ("labels", list(&labels)),
        ("system", server.system.clone()),
        ("told by", Some(told_by(row))),
    ];
    let told = facts.into_iter().filter_map(|(label, text)| Some((label.to_owned(), text?)));
    let mapped = server.columns.iter().map(|(name, text)| (name.clone(), text.clone()));
    told.chain(server.reach.iter().map(reach)).chain(mapped).collect()
}

/// The source that its row stands with; a row that nobody told of stands with any.
fn told_by(row: Row<'_, ServerRow>) -> String {
    if row.item.is_told() {
        return row.feed.id.to_string();
    }
    match silence(row.item.unheard().iter()) {
        Some(silence) => format!("nobody yet: {silence}"),
        None => "nobody: only the config names it".to_owned(),
    }
}

/// `ssh/game-1 has not answered`.
fn silence<'a>(sources: impl Iterator<Item = &'a SourceId>) -> Option<String> {
    let names: Vec<String> = sources.map(ToString::to_string).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    (!names.is_empty()).then(|| format!("{} {have} not answered", names.join(", ")))
}

/// `up, 200 in 12 ms`, or `DOWN: nothing listens there`.
fn reach(reach: &Reach) -> Fact {
    let mut text = if reach.up { "up".to_owned() } else { format!("DOWN: {}", reach.why) };
    if let Some(code) = reach.code {
        let _ = write!(text, ", {code}");
    }
    if let Some(took) = reach.took {
        let _ = write!(text, " in {} ms", took.as_millis());
    }
    (reach.by.clone(), text)
}

/// Every figure; one that nobody knows says so, and so does a server of which none is known.
fn figures(server: &ServerRow) -> Vec<Fact> {
    let unknown = || "not known".to_owned();
    let cores = if server.cores > 0 { format!(" of {} cores", server.cores) } else { String::new() };
    let cpu = server.cpu.map(|cpu| figure::text(|out| figure::percent(out, cpu)) + &cores);
    let swap = server.swap.map(|swap| if swap.total == 0 { "none".to_owned() } else { usage(swap) });
    let load = server.load.map(|[one, five, fifteen]| format!("{one:.2}, {five:.2}, {fifteen:.2}"));
    let per_core = server.load_per_core().filter(|_| server.cores > 0).map(|load| format!("{load:.2}"));
    let facts = [
        ("cpu", cpu),
        ("memory", server.memory.map(usage)),
        ("swap", swap),
        ("load 1, 5, 15 min", load),
        ("load per core", per_core),
        ("network in, out", server.network.map(rates)),
        ("disks read, written", server.disk_io.map(rates)),
        ("waiting for", server.pressure.map(pressure)),
        ("out-of-memory kills", oom(server)),
        ("clock", server.clock_skew.map(clock)),
        ("up", server.uptime.map(|up| figure::text(|out| figure::age(out, up)))),
    ];
    if facts.iter().all(|(_, text)| text.is_none()) {
        return vec![("figures".to_owned(), format!("none is known: {}", advice(server)))];
    }
    facts.into_iter().map(|(label, text)| (label.to_owned(), text.unwrap_or_else(unknown))).collect()
}

/// What would make figures known. Who has a source for them already needs no other, but its answer.
fn advice(server: &ServerRow) -> String {
    let tells = |source: &&SourceId| matches!(source.kind(), "local" | "ssh" | "node_exporter");
    silence(server.unheard().iter().filter(tells))
        .unwrap_or_else(|| "give it ssh or node_exporter in the config, or let a Prometheus scrape it".to_owned())
}

fn usage(usage: Usage) -> String {
    figure::text(|out| {
        figure::bytes(out, usage.used);
        out.push_str(" of ");
        figure::bytes(out, usage.total);
        out.push_str(", ");
        figure::percent(out, usage.ratio());
    })
}

fn rates(rates: Rates) -> String {
    figure::text(|out| {
        figure::bytes(out, rates.r#in.max(0.0) as u64);
        out.push_str("/s, ");
        figure::bytes(out, rates.out.max(0.0) as u64);
        out.push_str("/s");
    })
}

fn pressure(pressure: crate::domain::Pressure) -> String {
    let share = |share: f64| figure::text(|out| figure::percent(out, share));
    format!(
        "a CPU {}, memory {}, input and output {} of the time",
        share(pressure.cpu),
        share(pressure.memory),
        share(pressure.io)
    )
}

fn oom(server: &Server) -> Option<String> {
    let recent = server.oom_recent.map_or(String::new(), |kills| format!(", {kills} of them within the last hour"));
    server.oom_kills.map(|kills| format!("{kills} since boot{recent}"))
}

fn clock(skew: f64) -> String {
    let off = figure::text(|out| super::skew(out, skew));
    if off == "0s" { "right".to_owned() } else { format!("{off} off") }
}

/// `disk /var`: `71G of 100G, 71%, full in 5h, 12% of its inodes, read-only`.
fn filesystem(disk: &Filesystem) -> Fact {
    let mut text = usage(disk.usage);
    if let Some(left) = disk.full_in {
        text.push_str(", full in ");
        figure::age(&mut text, left);
    }
    if let Some(inodes) = disk.inodes {
        text.push_str(", ");
        figure::percent(&mut text, inodes.ratio());
        text.push_str(" of its inodes");
    }
    if disk.read_only {
        text.push_str(", read-only");
    }
    (format!("disk {}", disk.mount), text)
}

/// A figure's title, unit and top of its scale, and how its past is asked for.
type Shape = (Figure, &'static str, Unit, Option<f64>, fn(&Past) -> String);

const SHAPES: [Shape; 6] = [
    (Figure::Cpu, "CPU in use", Unit::Ratio, Some(1.0), Past::cpu),
    (Figure::Memory, "memory in use", Unit::Ratio, Some(1.0), Past::memory),
    (Figure::Load, "load per core", Unit::Number, None, Past::load),
    (Figure::Received, "network in", Unit::ByteRate, None, Past::received),
    (Figure::Sent, "network out", Unit::ByteRate, None, Past::sent),
    (Figure::Disk, "fullest filesystem", Unit::Ratio, Some(1.0), Past::disk),
];

/// The past of each figure that anybody knows.
fn charts(row: Row<'_, ServerRow>) -> Vec<Chart> {
    let known = |shape: &Shape| shape.0.of(row.item).is_some();
    SHAPES.iter().filter(|shape| known(shape)).map(|shape| chart(row, shape)).collect()
}

fn chart(row: Row<'_, ServerRow>, (figure, title, unit, top, query): &Shape) -> Chart {
    let limits = row.cx.limits;
    let limit = match figure {
        Figure::Cpu => Some(limits.cpu),
        Figure::Memory => Some(limits.memory),
        Figure::Load => Some(limits.load),
        Figure::Disk => Some(limits.disk),
        Figure::Received | Figure::Sent => None,
    };
    let ring = row.cx.store.trend(&row.item.name).and_then(|trend| trend.of(*figure));
    let points: Vec<f64> = ring.map(|ring| ring.last(ring.len()).map(f64::from).collect()).unwrap_or_default();
    let asks = row.item.past.as_ref().map(|past| Inquiry::Range {
        source: past.source.clone(),
        query: query(past).into(),
        back: BACK,
    });
    Chart {
        title: (*title).to_owned(),
        span: row.feed.interval * u32::try_from(points.len()).unwrap_or_default(),
        points,
        unit: *unit,
        top: *top,
        limit: limit.map(|limit| limit.critical / 100.0),
        note: if asks.is_none() { "since this program was started".to_owned() } else { String::new() },
        asks,
    }
}
