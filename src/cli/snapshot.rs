//! `quarterdeck snapshot`: one look, for scripts and bug reports.

use super::{Global, look, setup};
use crate::action::ACTIONS;
use crate::app::{State, update};
use crate::clock;
use crate::config::Config;
use crate::domain::{Sample, Server, Snapshot as Found, Subject, json};
use crate::event::{Event, Stamped};
use crate::panes::{PANES, PaneKind, Place};
use crate::runbook::Library;
use crate::runtime::{self, poller};
use crate::store::{Feed, Store};
use clap::Args;
use clap::builder::PossibleValuesParser;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

/// CPU is a difference between two readings; this long lies between them. An engine sends figures once a second.
const BETWEEN: Duration = Duration::from_millis(2200);

/// Columns of what is printed when it goes to no terminal.
const WIDTH: u16 = 160;

/// Ask every source and print what the panes would show. Takes about two seconds, because CPU is measured between two readings.
/// Exit code 1 when a source fails; the others are printed all the same.
#[derive(Debug, Args)]
pub struct Snapshot {
    /// Only this pane or page
    #[arg(value_parser = PossibleValuesParser::new(pages().map(|(_, kind, _)| name(kind))))]
    pane: Option<String>,
    /// As JSON: {at, environment, sources: [{id, subject, took_ms, data | error: {what, hint}}], servers: [joined rows]}
    #[arg(long)]
    json: bool,
}

/// What can be printed: every pane and page about something that sources report, with its place among the panes.
fn pages() -> impl Iterator<Item = (usize, &'static PaneKind, Subject)> {
    PANES.iter().enumerate().filter_map(|(index, kind)| Some((index, kind, kind.subject?)))
}

/// How it is called, here as in keymaps.
fn name(kind: &PaneKind) -> &'static str {
    ACTIONS.iter().find(|(action, ..)| *action == kind.action).map_or(kind.title, |(_, name, _)| name)
}

impl Snapshot {
    /// Asks and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let config = setup::config(global)?;
        let only = self.pane.as_deref();
        let subject =
            only.and_then(|only| pages().find(|(_, kind, _)| name(kind) == only)).map(|(.., subject)| subject);
        let (feeds, samples) = runtime::block_on(async {
            let opened = setup::open(&config, subject);
            let samples = poller::once(opened.sources, Some(BETWEEN)).await;
            opened.connections.close().await;
            (opened.feeds, samples)
        })?;
        let bad = samples.iter().any(|sample| sample.outcome.is_err()) && !config.is_builtin();
        let printed =
            if self.json { json_of(&config, &feeds, &samples)? } else { tables(global, config, feeds, samples, only) };
        stdout().write_all(printed.as_bytes())?;
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn json_of(config: &Config, feeds: &[Feed], samples: &[Sample]) -> serde_json::Result<String> {
    let sources: Vec<Value> = samples.iter().zip(feeds).map(|(sample, feed)| source_json(sample, feed)).collect();
    let mut store = Store::new(feeds.to_vec()).with_servers(setup::named(config), clock::now());
    for sample in samples {
        store.apply(sample.clone());
    }
    let servers: Vec<Value> = store.all_servers().map(|server| server_json(server, config)).collect();
    let whole = json!({
        "at": clock::now().wall, "environment": config.environment, "sources": sources, "servers": servers,
    });
    json::text(&whole)
}

/// A server as the pane shows it: whoever told what, with how bad it is and why.
fn server_json(server: &Server, config: &Config) -> Value {
    let (severity, why) = server.judge(&config.limits);
    let mut out = json!(server);
    out["severity"] = json!(severity);
    out["why"] = json!(why);
    out
}

fn source_json(sample: &Sample, feed: &Feed) -> Value {
    let took = u64::try_from(sample.took.as_millis()).unwrap_or(u64::MAX);
    let mut out = json!({ "id": feed.id, "subject": feed.subject, "took_ms": took });
    match &sample.outcome {
        Ok(snapshot) => {
            out["data"] = match &**snapshot {
                Found::Servers(servers) => json!(servers),
                Found::Containers(engine) => json!(engine),
                Found::Alerts(report) => json!(report),
                Found::Database(database) => json!(database),
            }
        }
        Err(error) => out["error"] = json!(error),
    }
    out
}

/// The panes as they would be painted, one under the other.
fn tables(global: &Global, config: Config, feeds: Vec<Feed>, samples: Vec<Sample>, only: Option<&str>) -> String {
    let look = look::look(global, &config);
    let width = if stdout().is_terminal() {
        crossterm::terminal::size().map_or(WIDTH, |(width, _)| width.max(80))
    } else {
        WIDTH
    };
    let setup = setup::screen(config, look, feeds, true, Library::default());
    let mut state = State::new(setup, clock::now(), (width, 24));
    for sample in samples {
        update(&mut state, Stamped { now: clock::now(), event: Event::Sample(sample) }, &mut Vec::new());
    }
    let mut out = String::new();
    // All panes; a page only when it is asked for.
    for (index, kind, subject) in pages() {
        if only.map_or(kind.beside, |only| name(kind) == only) {
            out.push_str(&table(&mut state, index, subject, width));
        }
    }
    out
}

/// One pane, as high as its rows and what has to be said of its sources.
fn table(state: &mut State, index: usize, subject: Subject, width: u16) -> String {
    let mut panes = std::mem::take(&mut state.panes);
    panes[index].settle(&state.cx());
    let rows = panes[index].rows();
    // Notes never take more than half of a table, nor what stands above more than a third: with this room all of them are seen.
    let notes = state.store.about(subject).count() * 18;
    let height = u16::try_from(rows + notes + 3).unwrap_or(u16::MAX / width);
    let area = Rect { x: 0, y: 0, width, height };
    let place = Place { area, focused: false, framed: false };
    let mut buf = Buffer::empty(area);
    panes[index].refresh(place, &state.cx());
    panes[index].draw(place, &mut buf, &state.cx());
    state.panes = panes;
    lines(&buf)
}

/// How many things a source reported.
pub fn count(snapshot: &Found) -> usize {
    match snapshot {
        Found::Servers(servers) => servers.len(),
        Found::Containers(engine) => engine.containers.len(),
        Found::Alerts(report) => report.alerts.len(),
        Found::Database(database) => database.sessions.len(),
    }
}

/// The text of a painted area, without blanks at the ends of lines and without blank lines, and with one after it.
fn lines(buf: &Buffer) -> String {
    let rows = (0..buf.area.height).map(|y| row(buf, y)).filter(|row| !row.is_empty());
    rows.collect::<Vec<_>>().join("\n") + "\n\n"
}

fn row(buf: &Buffer, y: u16) -> String {
    let mut text = String::new();
    let mut x = 0;
    while x < buf.area.width {
        let symbol = buf[(x, y)].symbol();
        text.push_str(symbol);
        x += unicode_width::UnicodeWidthStr::width(symbol).max(1) as u16;
    }
    text.trim_end().to_owned()
}
