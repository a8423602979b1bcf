//! A container's page: everything that is known about it, its last probe, its past, and what happened to it.

use super::{Row, Section, engine, figure, memory, push_port, since};
use crate::domain::alert::Labels;
use crate::domain::{Container, ContainerState, EngineEvent, Episode, Probe, Rates, Severity, Snapshot, Spell, time};
use crate::panes::{Chart, Unit};
use crate::store::{Past, Trail, container_history::MOST};
use crate::theme::Role;
use jiff::Timestamp;
use std::fmt::Write;

/// Events told on the page; the events page has all.
const EVENTS: usize = 12;

/// All sections, the ones that say most first.
pub(super) fn sections(row: Row<'_, Container>) -> Vec<Section> {
    let container = row.item;
    let mut sections = vec![Section::Facts(facts(row))];
    sections.extend(container.probe.as_ref().map(|probe| probed(row, probe)));
    sections.extend(charts(row));
    sections.extend(history(row));
    sections.extend(events(row));
    sections.extend(labels(&container.labels));
    sections
}

fn facts(row: Row<'_, Container>) -> Vec<(String, String)> {
    let c = row.item;
    let mut facts = identity(row);
    facts.extend(life(row));
    let known = |text: Option<String>| text.unwrap_or_else(|| "not known".into());
    let percent = |cores: f64| figure::text(|out| figure::percent(out, cores)) + " of one core";
    facts.extend([
        ("cpu", known(c.cpu.map(percent))),
        ("memory", known(c.memory.map(|_| figure::text(|out| _ = memory(row, out))))),
        ("network", c.network.map_or_else(|| "none, or not known".into(), |rates| both(rates, "in", "out"))),
        ("disks", known(c.block_io.map(|rates| both(rates, "read", "written")))),
        ("processes", known(c.pids.map(|pids| pids.to_string()))),
    ]);
    facts.into_iter().map(|(label, text): (&str, String)| (label.to_owned(), text)).collect()
}

fn identity(row: Row<'_, Container>) -> Vec<(&'static str, String)> {
    let c = row.item;
    let found = row.feed.snapshot().and_then(Snapshot::engine);
    let server = found.and_then(|engine| engine.server.as_deref());
    let on = server.map_or_else(String::new, |server| format!(" on {server}"));
    let compose = c.compose.as_ref();
    let ports: Vec<String> = c.ports.iter().map(|port| figure::text(|out| push_port(port, out))).collect();
    vec![
        ("engine", figure::text(|out| engine(row, out)) + &on),
        ("id", c.id.to_string()),
        ("image", c.image.clone()),
        (
            "compose",
            compose.map_or_else(|| "none".into(), |compose| format!("{} / {}", compose.project, compose.service)),
        ),
        ("ports", or_none(&ports)),
        ("addresses", or_none(&c.addresses)),
    ]
}

fn life(row: Row<'_, Container>) -> Vec<(&'static str, String)> {
    let c = row.item;
    let ago = |at: Timestamp| figure::text(|out| figure::coarse_age(out, time::between(at, row.as_of())));
    let stamp = |at: Option<Timestamp>| at.map_or_else(|| "never".into(), |at| format!("{at:.0} ({} ago)", ago(at)));
    let up = since(row).map(|up| figure::text(|out| figure::coarse_age(out, up)));
    let restarts = c.restarts.map_or_else(
        || "not known".into(),
        |count| {
            let lately = if c.restarted_lately { ", the last one within ten minutes" } else { "" };
            format!("{count} by its restart policy{lately}")
        },
    );
    let meant = if c.expected && c.state == ContainerState::Exited { "; it is meant to run" } else { "" };
    vec![
        ("state", format!("{}, health: {}{meant}", c.state.word(), c.health.word())),
        ("up", up.unwrap_or_else(|| "no".into())),
        ("created", stamp(c.created_at)),
        ("started", stamp(c.started_at)),
        ("finished", stamp(c.finished_at)),
        ("exit code", c.exit_code.map_or_else(|| "—".into(), exit)),
        ("oom-killed", if c.oom_killed { "yes: it ran into its memory limit" } else { "no" }.into()),
        ("restarts", restarts),
    ]
}

/// The code, and the signal that it stands for.
fn exit(code: i64) -> String {
    let signal = match code {
        130 => " (SIGINT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    };
    format!("{code}{signal}")
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".into() } else { list.join(", ") }
}

/// Both of two rates.
fn both(rates: Rates, r#in: &str, out: &str) -> String {
    let rate = |rate: f64| figure::text(|text| figure::bytes(text, rate as u64));
    format!("{}/s {in}, {}/s {out}", rate(rates.r#in), rate(rates.out))
}

fn probed(row: Row<'_, Container>, probe: &Probe) -> Section {
    let ago = probe.at.map(|at| figure::text(|out| figure::coarse_age(out, time::between(at, row.as_of()))));
    let ago = ago.map_or_else(String::new, |ago| format!(", {ago} ago"));
    let title = match (probe.exit_code, probe.failing) {
        (0, _) => format!("last health probe: passed{ago}"),
        (code, 0 | 1) => format!("last health probe: failed with {code}{ago}"),
        (code, failing) => format!("last health probe: failed with {code}, {failing} in a row{ago}"),
    };
    let text = if probe.output.is_empty() { "it printed nothing".into() } else { probe.output.clone() };
    Section::Text { title, text }
}

fn charts(row: Row<'_, Container>) -> Vec<Section> {
    let c = row.item;
    let Some(past) = row.cx.store.past(&row.feed.id, &c.id) else {
        let note = format!("no past: it has not run since quarterdeck began to look, or there are more than {MOST}");
        return vec![Section::Chart(Chart { title: "CPU".into(), note, ..Chart::default() })];
    };
    let limit = c.memory.filter(|memory| memory.total > 0).map(|memory| memory.total as f64);
    let chart = |title: &str, trail: &Trail, unit| chart(past, title, trail, unit);
    let mut charts = vec![
        chart("CPU, of one core", &past.cpu, Unit::Ratio),
        Chart { limit, ..chart("memory", &past.memory, Unit::Bytes) },
    ];
    let rates = [
        ("network in", &past.received),
        ("network out", &past.sent),
        ("read from disks", &past.read),
        ("written to disks", &past.written),
    ];
    charts.extend(
        rates
            .into_iter()
            .filter(|(_, trail)| trail.is_known())
            .map(|(title, trail)| chart(title, trail, Unit::ByteRate)),
    );
    charts.into_iter().map(Section::Chart).collect()
}

fn chart(past: &Past, title: &str, trail: &Trail, unit: Unit) -> Chart {
    let points: Vec<f64> = trail.points().map(f64::from).collect();
    let note = if trail.is_known() { String::new() } else { "not known yet".to_owned() };
    Chart { title: title.to_owned(), points, span: past.span(), unit, note, ..Chart::default() }
}

/// In which states it was and for how long, newest first, as far back as events are known.
fn history(row: Row<'_, Container>) -> Option<Section> {
    let events = &row.feed.snapshot()?.engine()?.events;
    let first = events.first()?.at.strftime("%H:%M:%S");
    let own = (0..events.len()).rev().filter(|at| *events[*at].id == *row.item.id);
    let lines: Vec<(Role, String)> =
        own.filter_map(|at| Episode::of(events, at)).take(EVENTS).map(|episode| told(row, &episode)).collect();
    let note = if lines.is_empty() { "it stayed as it is; events" } else { "events" };
    let note = format!("{note} are known since {first}: the engine keeps its newest 256, an hour of them is asked for");
    Some(Section::Lines { title: "History (UTC)".to_owned(), note, lines, asks: None })
}

/// `14:02:09  down       7s  exit 137 (SIGKILL), out of memory`.
fn told(row: Row<'_, Container>, episode: &Episode<'_>) -> (Role, String) {
    let lasted = time::between(episode.began.at, episode.until(row.as_of()));
    let lasted = figure::text(|out| figure::coarse_age(out, lasted));
    let mut line = format!("{}  {:<9} {lasted:>5}", episode.began.at.strftime("%H:%M:%S"), episode.spell.word());
    if episode.ended.is_none() {
        line.push('…');
    }
    if let Some(code) = episode.began.exit_code().filter(|_| episode.spell == Spell::Down) {
        let _ = write!(line, "  exit {}", exit(code));
    }
    line.push_str(if episode.out_of_memory { ", out of memory" } else { "" });
    let severity = if episode.out_of_memory { Severity::Critical } else { episode.began.judge() };
    (if severity >= Severity::Warning { severity.into() } else { Role::Text }, line)
}

/// What happened to it lately, newest first.
fn events(row: Row<'_, Container>) -> Option<Section> {
    let engine = row.feed.snapshot()?.engine()?;
    let own = |event: &&EngineEvent| event.is_of_container() && *event.id == *row.item.id;
    let mut text = String::new();
    for event in engine.events.iter().rev().filter(own).take(EVENTS) {
        let _ = write!(text, "{}  {}", event.at.strftime("%Y-%m-%d %H:%M:%S"), event.action);
        for (name, value) in event.attributes.iter().filter(|(name, _)| *name != "image") {
            let _ = write!(text, "  {name}={value}");
        }
        text.push('\n');
    }
    (!text.is_empty()).then(|| Section::Text { title: "events (UTC)".into(), text })
}

fn labels(labels: &Labels) -> Option<Section> {
    let lines: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (!lines.is_empty()).then(|| Section::Text { title: "labels".into(), text: lines.join("\n") })
}
