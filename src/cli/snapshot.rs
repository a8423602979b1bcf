//! `quarterdeck snapshot`: one look, for scripts and bug reports.

use super::{Global, look, replay, setup};
use crate::action::ACTIONS;
use crate::app::{Setup, State, update};
use crate::clock;
use crate::config::Config;
use crate::domain::{Limits, Now, Sample, Server, Snapshot as Found, Subject, json};
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
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// CPU is a difference between two readings; this long lies between them. An engine sends figures once a second.
const BETWEEN: Duration = Duration::from_millis(2200);

const EXITS: &str = "Exit codes: 0 every source answered, 1 one did not (or the config is wrong, or the recording can't be read), \
                     2 the command line was not understood.";

/// Columns of what is printed when it goes to no terminal.
const WIDTH: u16 = 160;

/// Ask every source and print what the panes would show. Takes about two seconds, because CPU is measured between two readings.
/// When a source fails, the others are printed all the same.
#[derive(Debug, Args)]
#[command(after_help = EXITS)]
pub struct Snapshot {
    /// Only this pane or page
    #[arg(value_parser = PossibleValuesParser::new(pages().map(|(_, kind, _)| name(kind))))]
    pane: Option<String>,
    /// As JSON: {at, environment, sources: [{id, subject, took_ms, data | error: {what, hint}}], servers: [joined rows]}
    #[arg(long)]
    json: bool,
    /// Ask nobody: print what a recording holds
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// With --replay: at this moment (14:03 in UTC, or 2026-11-25T14:03Z); else at its end
    #[arg(long, value_name = "TIME", requires = "replay")]
    at: Option<String>,
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
        if let Some(path) = &self.replay {
            return self.run_replay(global, &config, path);
        }
        let only = self.pane.as_deref();
        let subject = self.subject();
        let (feeds, samples) = runtime::block_on(async {
            let opened = setup::open(&config, subject);
            let samples = poller::once(opened.sources, Some(BETWEEN)).await;
            opened.connections.close().await;
            (opened.feeds, samples)
        })?;
        let bad = samples.iter().any(|sample| sample.outcome.is_err()) && !config.is_builtin();
        let printed = if self.json {
            let told = samples.iter().zip(&feeds).map(|(sample, feed)| source_json(sample, feed));
            let sources: Vec<Value> = told.collect();
            let mut store = Store::new(feeds.clone()).with_servers(setup::named(&config), clock::now());
            for sample in samples {
                store.apply(sample);
            }
            json_of(&config.environment, &config.limits, clock::now(), &sources, &store)?
        } else {
            let setup = screen(global, &config, feeds);
            let events = samples.into_iter().map(Event::Sample).collect();
            tables(State::new(setup, clock::now(), (width(), 24)), events, only)
        };
        stdout().write_all(printed.as_bytes())?;
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// What the pane or page is about that was asked for; `None`: all of it.
    fn subject(&self) -> Option<Subject> {
        let only = self.pane.as_deref()?;
        pages().find(|(_, kind, _)| name(kind) == only).map(|(.., subject)| subject)
    }

    /// Prints what a recording holds. That a source failed then is no failure now.
    fn run_replay(&self, global: &Global, config: &Config, path: &Path) -> color_eyre::Result<ExitCode> {
        let (player, first) = replay::open(path, self.at.as_deref(), Duration::MAX, 1)?;
        let (header, now) = (player.tape().header(), first.position.now);
        let printed = if self.json {
            let store = first.store.unwrap_or_default();
            let only = |feed: &&Feed| self.subject().is_none_or(|subject| subject == feed.subject);
            let told = store.feeds().iter().filter(only).filter_map(|feed| Some(source_json(&last(feed)?, feed)));
            let sources: Vec<Value> = told.collect();
            json_of(&header.environment, &header.limits, now, &sources, &store)?
        } else {
            let setup = replay::screen(screen(global, config, Vec::new()), &player);
            let state = State::new(setup, clock::now(), (width(), 24));
            tables(state, vec![Event::Replayed(Box::new(first))], self.pane.as_deref())
        };
        stdout().write_all(printed.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What a source told last; none when it never did.
fn last(feed: &Feed) -> Option<Sample> {
    let error = feed.error.as_ref().map(|(since, error)| (*since, Err(error.clone())));
    let good = || feed.good.as_ref().map(|(at, snapshot)| (*at, Ok(Arc::clone(snapshot))));
    let (at, outcome) = error.or_else(good)?;
    Some(Sample { source: feed.id.clone(), at, took: feed.took, outcome })
}

fn json_of(
    environment: &str,
    limits: &Limits,
    now: Now,
    sources: &[Value],
    store: &Store,
) -> serde_json::Result<String> {
    let servers: Vec<Value> = store.all_servers().map(|server| server_json(server, limits)).collect();
    json::text(&json!({ "at": now.wall, "environment": environment, "sources": sources, "servers": servers }))
}

/// A server as the pane shows it: whoever told what, with how bad it is and why.
fn server_json(server: &Server, limits: &Limits) -> Value {
    let (severity, why) = server.judge(limits);
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
fn tables(mut state: State, events: Vec<Event>, only: Option<&str>) -> String {
    let width = state.size.0;
    for event in events {
        update(&mut state, Stamped { now: clock::now(), event }, &mut Vec::new());
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

/// A screen that nobody sees.
fn screen(global: &Global, config: &Config, feeds: Vec<Feed>) -> Setup {
    setup::screen(config, look::look(global, config), feeds, true, Library::default())
}

/// Columns of what is printed.
fn width() -> u16 {
    if !stdout().is_terminal() {
        return WIDTH;
    }
    crossterm::terminal::size().map_or(WIDTH, |(width, _)| width.max(80))
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
