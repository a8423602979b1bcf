//! The events page: what happened in the container engines, newest first.

use super::table::{Counts, prefix};
use super::{DataPane, Link, PaneKind, Row, Section, Tabular};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Container, EngineEvent, Episode, Severity, Snapshot, Subject, ThingId, time};
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
    title: "Engine events",
    doc: "what happened in the container engines: starts, ends with their exit codes, kills, health, memory",
    scope: Scope::Containers,
    action: Action::EngineEvents,
    subject: Some(Subject::Containers),
    beside: false,
    make: || Box::new(DataPane::<Events>::default()),
};

const NAME: usize = 0;
const TIME: usize = 1;
const AGO: usize = 2;
const ACTION: usize = 3;
const LASTED: usize = 4;
const DETAIL: usize = 5;
/// The full id of a container is 64 digits; people say twelve.
const SHORT_ID: usize = 12;

/// The table.
pub struct Events;

impl Tabular for Events {
    type Item = EngineEvent;
    const SUBJECT: Subject = Subject::Containers;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 16, 2, 9),
        Column::text("TIME", 8, 0, 7),
        Column::figure("AGO", 5, 9).of(Measure::Time),
        Column::text("EVENT", 24, 0, 9),
        Column::text("LASTED", 14, 0, 8).of(Measure::Time),
        Column::text("DETAIL", 14, 3, 6),
        Column::text("KIND", 9, 0, 3),
    ];
    const NONE: &'static str = "nothing happened in the engines since an hour before quarterdeck began to listen";
    const WORST_FIRST: bool = false;

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [EngineEvent] {
        feed.snapshot().and_then(Snapshot::engine).map_or(&[], |engine| &engine.events)
    }

    fn id(row: Row<'_, EngineEvent>) -> ThingId {
        ThingId::Entry { source: row.feed.id.clone(), key: format!("event/{}", row.item.number).into() }
    }

    fn is(row: Row<'_, EngineEvent>, id: &ThingId) -> bool {
        let ThingId::Entry { source, key } = id else { return false };
        let number = key.strip_prefix("event/").and_then(|number| number.parse().ok());
        *source == row.feed.id && number == Some(row.item.number)
    }

    fn name(row: Row<'_, EngineEvent>, out: &mut String) {
        let _ = write!(out, "{} ", row.item.action);
        whom(row, out);
    }

    fn severity(row: Row<'_, EngineEvent>) -> Severity {
        row.item.judge()
    }

    fn order(column: usize, a: Row<'_, EngineEvent>, b: Row<'_, EngineEvent>) -> Ordering {
        let newest = || Self::natural(a, b);
        match column {
            NAME => a.item.name.cmp(&b.item.name).then_with(newest),
            TIME => a.item.at.cmp(&b.item.at),
            AGO => b.item.at.cmp(&a.item.at),
            ACTION => a.item.action.cmp(&b.item.action).then_with(newest),
            LASTED => lasted(a).cmp(&lasted(b)).then_with(newest),
            DETAIL => a.item.attributes.cmp(&b.item.attributes).then_with(newest),
            _ => a.item.kind.cmp(&b.item.kind).then_with(newest),
        }
    }

    /// Newest first.
    fn natural(a: Row<'_, EngineEvent>, b: Row<'_, EngineEvent>) -> Ordering {
        (b.item.at, b.item.number).cmp(&(a.item.at, a.item.number))
    }

    fn cell(column: usize, row: Row<'_, EngineEvent>, out: &mut String) -> Role {
        let event = row.item;
        match column {
            NAME => {
                whom(row, out);
                Role::Text
            }
            TIME => {
                let _ = write!(out, "{}", event.at.strftime("%H:%M:%S"));
                Role::Muted
            }
            AGO => {
                figure::coarse_age(out, time::between(event.at, row.cx.now.wall));
                Role::Text
            }
            ACTION => {
                out.push_str(&event.action);
                event.judge().into()
            }
            LASTED => lasting(row, out),
            DETAIL => {
                attributes(event, out);
                Role::Text
            }
            _ => {
                out.push_str(&event.kind);
                Role::Muted
            }
        }
    }

    fn haystack(row: Row<'_, EngineEvent>, out: &mut String) {
        let event = row.item;
        let _ = write!(out, "{} {} {} {} {} ", row.feed.id, event.kind, event.action, event.name, event.id);
        attributes(event, out);
    }

    fn summary(_: &Cx<'_>, counts: &Counts, out: &mut String) {
        let _ = write!(out, "{}", counts.total());
        for severity in [Severity::Critical, Severity::Warning] {
            if counts.of(severity) > 0 {
                let _ = write!(out, "  {} {}", counts.of(severity), severity.word());
            }
        }
    }

    fn fields(row: Row<'_, EngineEvent>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, EngineEvent>) -> Vec<Section> {
        let event = row.item;
        let mut facts = vec![
            ("engine".into(), row.feed.id.to_string()),
            ("time".into(), format!("{:.3}", event.at)),
            ("event".into(), event.action.clone()),
            ("about".into(), format!("{} {}", event.kind, event.name)),
            ("id".into(), event.id.clone()),
        ];
        if episode(row).is_some() {
            facts.push(("what it began".into(), figure::text(|out| _ = lasting(row, out))));
        }
        facts.extend(event.attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut sections = vec![Section::Facts(facts)];
        sections.extend(container(row).map(|container| link(row, container)));
        sections
    }
}

/// What it began.
fn episode(row: Row<'_, EngineEvent>) -> Option<Episode<'_>> {
    let events = &row.feed.snapshot()?.engine()?.events;
    Episode::of(events, events.partition_point(|event| event.number < row.item.number))
}

fn lasted(row: Row<'_, EngineEvent>) -> Option<std::time::Duration> {
    episode(row).map(|episode| time::between(episode.began.at, episode.until(row.cx.now.wall)))
}

/// `down 12s`; with `…` behind what goes on.
fn lasting(row: Row<'_, EngineEvent>, out: &mut String) -> Role {
    let (Some(episode), Some(lasted)) = (episode(row), lasted(row)) else { return Role::Faint };
    let _ = write!(out, "{} ", episode.spell.word());
    figure::coarse_age(out, lasted);
    if episode.ended.is_none() {
        out.push('…');
    }
    if episode.out_of_memory {
        out.push_str(" OOM");
        return Role::SeverityCritical;
    }
    Role::Text
}

/// The name of what it happened to, or the beginning of its id.
fn whom(row: Row<'_, EngineEvent>, out: &mut String) {
    prefix(row, Subject::Containers, out);
    let event = row.item;
    let short = event.id.char_indices().nth(SHORT_ID).map_or(event.id.as_str(), |(at, _)| &event.id[..at]);
    out.push_str(if event.name.is_empty() { short } else { &event.name });
}

fn attributes(event: &EngineEvent, out: &mut String) {
    for (number, (name, value)) in event.attributes.iter().enumerate() {
        let gap = if number == 0 { "" } else { "  " };
        let _ = write!(out, "{gap}{name}={value}");
    }
}

/// The container that it happened to, if it is still there.
fn container(row: Row<'_, EngineEvent>) -> Option<&Container> {
    let engine = row.feed.snapshot()?.engine().filter(|_| row.item.is_of_container())?;
    engine.containers.iter().find(|container| *container.id == *row.item.id)
}

fn link(row: Row<'_, EngineEvent>, container: &Container) -> Section {
    let link = Link {
        to: ThingId::Container { source: row.feed.id.clone(), id: container.id.clone() },
        subject: Subject::Containers,
        name: container.name.clone(),
        text: format!("{}  {}", container.state_word(), container.image),
        severity: container.judge(row.cx.limits),
    };
    Section::Links { title: "container".into(), links: vec![link] }
}
