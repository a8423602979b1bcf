//! Containers: what runs, what does not, what eats the machine.

use super::table::{Counts, Tabular, figure_cell, figures, prefix};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Container, ContainerState, Health, Limits, Severity, Snapshot, Subject, ThingId, time};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(2),
    title: "Containers",
    doc: "containers of every engine: state, health, CPU, memory, restarts, uptime",
    scope: Scope::Containers,
    action: Action::Containers,
    subject: Some(Subject::Containers),
    beside: true,
    make: || Box::new(DataPane::<Containers>::default()),
};

const NAME: usize = 0;
const STATE: usize = 1;
const CPU: usize = 2;
const MEMORY: usize = 3;
const UP: usize = 4;
const RESTARTS: usize = 5;
const SERVICE: usize = 6;

/// The table.
pub struct Containers;

impl Tabular for Containers {
    type Item = Container;
    const SUBJECT: Subject = Subject::Containers;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 16, 3, 9),
        Column::text("STATE", 10, 0, 9),
        Column::figure("CPU", 5, 8),
        Column::figure("MEM", 10, 7),
        Column::figure("UP", 5, 6),
        Column::figure("RESTARTS", 8, 3),
        Column::text("SERVICE", 14, 2, 2),
        Column::text("IMAGE", 16, 3, 1),
    ];
    const NONE: &'static str = "asked, and there are no containers";

    fn items<'a>(_: &'a Store, feed: &'a Feed) -> &'a [Container] {
        feed.snapshot().and_then(Snapshot::engine).map_or(&[], |engine| &engine.containers)
    }

    fn id(row: Row<'_, Container>) -> ThingId {
        ThingId::Container { source: row.feed.id.clone(), id: row.item.id.clone() }
    }

    fn name(row: Row<'_, Container>, out: &mut String) {
        prefix(row, Subject::Containers, out);
        out.push_str(&row.item.name);
    }

    fn severity(row: Row<'_, Container>) -> Severity {
        row.item.judge(row.cx.limits)
    }

    fn order(column: usize, a: Row<'_, Container>, b: Row<'_, Container>) -> Ordering {
        let name = || a.item.name.cmp(&b.item.name);
        match column {
            NAME => name(),
            STATE => a.item.state_word().cmp(b.item.state_word()).then_with(name),
            CPU => figures(a.item.cpu, b.item.cpu).then_with(name),
            MEMORY => a.item.memory.map(|m| m.used).cmp(&b.item.memory.map(|m| m.used)).then_with(name),
            // The longest up started first.
            UP => running_since(b.item).cmp(&running_since(a.item)).then_with(name),
            RESTARTS => a.item.restarts.cmp(&b.item.restarts).then_with(name),
            SERVICE => service(a.item).cmp(&service(b.item)).then_with(name),
            _ => a.item.image.cmp(&b.item.image).then_with(name),
        }
    }

    /// Those that run before those that do not, then by name.
    fn natural(a: Row<'_, Container>, b: Row<'_, Container>) -> Ordering {
        let off = |c: &Container| c.state != ContainerState::Running;
        off(a.item).cmp(&off(b.item)).then_with(|| a.item.name.cmp(&b.item.name))
    }

    fn cell(column: usize, row: Row<'_, Container>, out: &mut String) -> Role {
        let container = row.item;
        match column {
            NAME => {
                Self::name(row, out);
                Role::Text
            }
            STATE => {
                out.push_str(container.state_word());
                if let (ContainerState::Exited, false, Some(code)) =
                    (container.state, container.oom_killed, container.exit_code)
                {
                    let _ = write!(out, " {code}");
                }
                state_severity(container, row.cx.limits).into()
            }
            CPU => figure_cell(out, container.cpu, Severity::None, figure::percent),
            MEMORY => memory(row, out),
            UP => figure_cell(out, since(row), Severity::None, figure::age),
            RESTARTS => figure_cell(out, container.restarts, restarts(container), |out, n| {
                let _ = write!(out, "{n}");
            }),
            SERVICE => {
                match &container.compose {
                    Some(compose) => {
                        let _ = write!(out, "{}/{}", compose.project, compose.service);
                    }
                    None => out.push('—'),
                }
                Role::Muted
            }
            _ => {
                out.push_str(&container.image);
                Role::Muted
            }
        }
    }

    fn haystack(row: Row<'_, Container>, out: &mut String) {
        let c = row.item;
        let _ = write!(out, "{} {} {} {}", row.feed.id, c.name, c.state_word(), c.image);
        if let Some(compose) = &c.compose {
            let _ = write!(out, " {}/{}", compose.project, compose.service);
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let (mut up, mut bad) = (0, 0);
        for container in cx.store.about(Subject::Containers).flat_map(|feed| Self::items(cx.store, feed)) {
            up += usize::from(container.state == ContainerState::Running);
            bad += usize::from(container.health == Health::Unhealthy && container.state == ContainerState::Running);
        }
        let _ = write!(out, "{up} up of {}", counts.total());
        if bad > 0 {
            let _ = write!(out, "  {bad} unhealthy");
        }
    }

    fn details(row: Row<'_, Container>) -> Vec<Section> {
        let c = row.item;
        let stamp = |at: Option<jiff::Timestamp>| at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        let compose =
            c.compose.as_ref().map_or_else(|| "none".to_owned(), |c| format!("{} / {}", c.project, c.service));
        let facts = vec![
            ("source".into(), row.feed.id.to_string()),
            ("id".into(), c.id.to_string()),
            ("image".into(), c.image.clone()),
            ("compose".into(), compose),
            ("state".into(), format!("{}, health: {}", c.state.word(), c.health.word())),
            ("started".into(), stamp(c.started_at)),
            ("finished".into(), stamp(c.finished_at)),
            ("exit code".into(), c.exit_code.map_or_else(|| "—".into(), |code| code.to_string())),
            ("oom-killed".into(), if c.oom_killed { "yes" } else { "no" }.into()),
            ("restarts".into(), c.restarts.map_or_else(|| "not known".into(), |n| n.to_string())),
            (
                "cpu".into(),
                c.cpu.map_or_else(
                    || "not known".into(),
                    |v| figure::text(|out| figure::percent(out, v)) + " of one core",
                ),
            ),
            (
                "memory".into(),
                figure::text(|out| {
                    memory(row, out);
                }),
            ),
        ];
        vec![Section::Facts(facts)]
    }
}

fn running_since(container: &Container) -> Option<jiff::Timestamp> {
    container.started_at.filter(|_| container.state == ContainerState::Running)
}

fn service(container: &Container) -> Option<(&str, &str)> {
    container.compose.as_ref().map(|compose| (compose.project.as_str(), compose.service.as_str()))
}

fn since(row: Row<'_, Container>) -> Option<std::time::Duration> {
    running_since(row.item).map(|at| time::between(at, row.as_of()))
}

/// Used and limit; used alone where there is no limit.
fn memory(row: Row<'_, Container>, out: &mut String) -> Role {
    let Some(memory) = row.item.memory else {
        out.push('—');
        return Role::Faint;
    };
    let severity = if memory.total == 0 { Severity::None } else { row.cx.limits.memory.judge(memory.ratio()) };
    if severity >= Severity::Warning {
        out.push_str(severity.symbol());
    }
    figure::bytes(out, memory.used);
    if memory.total > 0 {
        out.push('/');
        figure::bytes(out, memory.total);
    }
    if severity >= Severity::Warning { severity.into() } else { Role::Text }
}

/// How bad the state alone is: short memory is said beside the memory, not by a `running` in red.
fn state_severity(container: &Container, limits: &Limits) -> Severity {
    match (container.state, container.health) {
        (ContainerState::Running, Health::None | Health::Healthy) => Severity::Ok,
        (ContainerState::Running, Health::Starting) => Severity::Info,
        (ContainerState::Running, Health::Unhealthy) => Severity::Critical,
        _ => container.judge(limits),
    }
}

/// Ten restarts by its policy are a warning: it does not stay up.
fn restarts(container: &Container) -> Severity {
    if container.restarts.is_some_and(|n| n >= 10) { Severity::Warning } else { Severity::None }
}
