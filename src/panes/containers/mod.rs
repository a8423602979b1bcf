//! Containers: what runs, what does not, what eats the machine.

mod page;

use super::grouping::Group;
use super::table::{Counts, Tabular, figure_cell, prefix, push_words, shares, sizes};
use super::{DataPane, PaneKind, Row, Section};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{
    Container, ContainerState, Health, Limits, Port, Rates, Severity, Snapshot, Subject, ThingId, time,
};
use crate::keymap::Scope;
use crate::store::{Feed, Store};
use crate::theme::Role;
use crate::widgets::figure;
use crate::widgets::grid::Column;
use crate::widgets::measure::Measure;
use crate::widgets::typed::Told;
use std::cmp::Ordering;
use std::fmt::Write;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: Some(2),
    title: "Containers",
    doc: "containers of every engine: state, health, CPU, memory, network, disks, restarts, uptime, ports",
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
const NET_IN: usize = 4;
const NET_OUT: usize = 5;
const READ: usize = 6;
const WRITTEN: usize = 7;
const PIDS: usize = 8;
const UP: usize = 9;
const RESTARTS: usize = 10;
const PORTS: usize = 11;
const SERVICE: usize = 12;
const IMAGE: usize = 13;

/// The states that the title counts: what is in one of them nobody wanted so.
const BAD: [&str; 4] = ["unhealthy", "restarting", "oom-killed", "dead"];

/// The table.
pub struct Containers;

impl Tabular for Containers {
    type Item = Container;
    const SUBJECT: Subject = Subject::Containers;
    const TITLE: (Option<u8>, &'static str) = (KIND.number, KIND.title);
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME", 16, 3, 9),
        Column::text("STATE", 10, 0, 9),
        Column::figure("CPU", 5, 8).of(Measure::Share),
        Column::figure("MEM", 10, 7).of(Measure::Limited),
        Column::figure("NET IN", 6, 4).of(Measure::Bytes),
        Column::figure("NET OUT", 7, 4).of(Measure::Bytes),
        Column::figure("READ", 5, 2).of(Measure::Bytes),
        Column::figure("WRITE", 5, 2).of(Measure::Bytes),
        Column::figure("PIDS", 4, 1),
        Column::figure("UP", 5, 6).of(Measure::Time),
        Column::figure("RESTARTS", 8, 5),
        Column::text("PORTS", 12, 3, 2),
        Column::text("SERVICE", 14, 2, 3),
        Column::text("IMAGE", 16, 3, 1),
        Column::text("ENGINE", 12, 1, 0),
    ];
    const NONE: &'static str = "asked, and there are no containers";
    const GROUPED_BY: Option<&'static str> = Some("project and service");

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
            CPU => shares(a.item.cpu, b.item.cpu).then_with(name),
            MEMORY => {
                let used = |c: &Container| c.memory.map(|memory| memory.used as f64);
                sizes(used(a.item), used(b.item)).then_with(name)
            }
            NET_IN => rates(a.item.network, b.item.network, |rates| rates.r#in).then_with(name),
            NET_OUT => rates(a.item.network, b.item.network, |rates| rates.out).then_with(name),
            READ => rates(a.item.block_io, b.item.block_io, |rates| rates.r#in).then_with(name),
            WRITTEN => rates(a.item.block_io, b.item.block_io, |rates| rates.out).then_with(name),
            PIDS => a.item.pids.cmp(&b.item.pids).then_with(name),
            // The longest up started first.
            UP => running_since(b.item).cmp(&running_since(a.item)).then_with(name),
            RESTARTS => a.item.restarts.cmp(&b.item.restarts).then_with(name),
            PORTS => port(a.item).cmp(&port(b.item)).then_with(name),
            SERVICE => service(a.item).cmp(&service(b.item)).then_with(name),
            IMAGE => a.item.image.cmp(&b.item.image).then_with(name),
            _ => a.feed.id.cmp(&b.feed.id).then_with(name),
        }
    }

    fn group(row: Row<'_, Container>) -> Option<Group<'_>> {
        service(row.item)
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
            NET_IN => rate_cell(out, container.network.map(|rates| rates.r#in)),
            NET_OUT => rate_cell(out, container.network.map(|rates| rates.out)),
            READ => rate_cell(out, container.block_io.map(|rates| rates.r#in)),
            WRITTEN => rate_cell(out, container.block_io.map(|rates| rates.out)),
            PIDS => figure_cell(out, container.pids, Severity::None, |out, n| {
                let _ = write!(out, "{n}");
            }),
            UP => figure_cell(out, since(row), Severity::None, figure::age),
            RESTARTS => figure_cell(out, container.restarts, restarts(container), |out, n| {
                let _ = write!(out, "{n}");
            }),
            PORTS => {
                ports(container, out);
                Role::Muted
            }
            SERVICE => {
                match &container.compose {
                    Some(compose) => {
                        let _ = write!(out, "{}/{}", compose.project, compose.service);
                    }
                    None => out.push('—'),
                }
                Role::Muted
            }
            IMAGE => {
                out.push_str(&container.image);
                Role::Muted
            }
            _ => {
                engine(row, out);
                Role::Muted
            }
        }
    }

    const SYNONYMS: &'static [(&'static str, usize)] =
        &[("memory", MEMORY), ("age", UP), ("uptime", UP), ("app", SERVICE), ("project", SERVICE), ("health", STATE)];

    fn told(column: usize, row: Row<'_, Container>) -> Told {
        let container = row.item;
        let network = |which: fn(Rates) -> f64| Told::Figure(container.network.map(which));
        let disks = |which: fn(Rates) -> f64| Told::Figure(container.block_io.map(which));
        match column {
            CPU => Told::Figure(container.cpu.map(|cpu| cpu * 100.0)),
            MEMORY => {
                let limited = container.memory.filter(|memory| memory.total > 0);
                let share = limited.map(|memory| memory.ratio() * 100.0);
                Told::Amount(container.memory.map(|memory| memory.used as f64), share)
            }
            NET_IN => network(|rates| rates.r#in),
            NET_OUT => network(|rates| rates.out),
            READ => disks(|rates| rates.r#in),
            WRITTEN => disks(|rates| rates.out),
            PIDS => Told::Figure(container.pids.map(|pids| pids as f64)),
            UP => Told::Figure(since(row).map(|up| up.as_secs_f64())),
            RESTARTS => Told::Figure(container.restarts.map(|restarts| restarts as f64)),
            _ => Told::Written,
        }
    }

    fn haystack(row: Row<'_, Container>, out: &mut String) {
        let c = row.item;
        out.push_str(row.feed.id.as_str());
        // As it stands in NAME where there are several engines: `game-2/api`.
        out.push('/');
        out.push_str(&c.name);
        push_words(out, [c.state_word(), &c.image]);
        if let Some(compose) = &c.compose {
            push_words(out, [compose.project.as_str()]);
            out.push('/');
            out.push_str(&compose.service);
        }
        push_words(out, c.addresses.iter().map(String::as_str));
        for (_, public) in c.ports.iter().filter_map(|port| port.public.as_ref()) {
            let _ = write!(out, " :{public}");
        }
    }

    fn summary(cx: &Cx<'_>, counts: &Counts, out: &mut String) {
        let (mut up, mut bad) = (0, [0; BAD.len()]);
        for container in cx.store.about(Subject::Containers).flat_map(|feed| Self::items(cx.store, feed)) {
            up += usize::from(container.state == ContainerState::Running);
            for (count, word) in bad.iter_mut().zip(BAD) {
                *count += usize::from(container.state_word() == word);
            }
        }
        let _ = write!(out, "{up} up of {}", counts.total());
        for (count, word) in bad.iter().zip(BAD).filter(|(count, _)| **count > 0) {
            let _ = write!(out, "  {count} {word}");
        }
    }

    fn fields(row: Row<'_, Container>) -> serde_json::Value {
        super::table::fields(row, row.item)
    }

    fn details(row: Row<'_, Container>) -> Vec<Section> {
        page::sections(row)
    }
}

/// Order by one of two rates.
fn rates(a: Option<Rates>, b: Option<Rates>, which: fn(Rates) -> f64) -> Ordering {
    sizes(a.map(which), b.map(which))
}

fn rate_cell(out: &mut String, rate: Option<f64>) -> Role {
    figure_cell(out, rate, Severity::None, |out, rate| figure::bytes(out, rate as u64))
}

/// The first published port, for the order.
fn port(container: &Container) -> Option<u16> {
    container.ports.iter().find_map(|port| port.public.as_ref()).map(|(_, public)| *public)
}

/// Published ports as `8080→80`, with the address where it is not every one; exposed ones as `80`.
fn ports(container: &Container, out: &mut String) {
    let mut last: Option<&Port> = None;
    for port in &container.ports {
        let is_again = last.is_some_and(|last| same_port(last, port));
        last = Some(port);
        if is_again {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        push_port(port, out);
    }
    if container.ports.is_empty() {
        out.push('—');
    }
}

/// The same, but for IPv4 and IPv6.
fn same_port(a: &Port, b: &Port) -> bool {
    let open = |port: &Port| port.public.as_ref().map(|(address, public)| (is_any(address), *public));
    let is_open = open(a).is_none_or(|(any, _)| any);
    (a.private, &a.protocol, open(a)) == (b.private, &b.protocol, open(b)) && is_open
}

fn is_any(address: &str) -> bool {
    matches!(address, "" | "0.0.0.0" | "::")
}

fn push_port(port: &Port, out: &mut String) {
    if let Some((address, public)) = &port.public {
        if !is_any(address) {
            let _ = write!(out, "{address}:");
        }
        let _ = write!(out, "{public}→");
    }
    let _ = write!(out, "{}", port.private);
    if port.protocol != "tcp" {
        let _ = write!(out, "/{}", port.protocol);
    }
}

/// Its configured name, and what it is.
fn engine(row: Row<'_, Container>, out: &mut String) {
    out.push_str(row.feed.id.name());
    if let Some(engine) = row.feed.snapshot().and_then(Snapshot::engine) {
        let _ = write!(out, " {}", engine.version);
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

/// Ten restarts by its policy, or one within the last minutes, are a warning: it does not stay up.
fn restarts(container: &Container) -> Severity {
    let many = container.restarts.is_some_and(|n| n >= 10);
    if many || container.restarted_lately { Severity::Warning } else { Severity::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(private: u16, protocol: &str, public: Option<(&str, u16)>) -> Port {
        let public = public.map(|(address, port)| (address.to_owned(), port));
        Port { private, protocol: protocol.into(), public }
    }

    fn told(given: Vec<Port>) -> String {
        let container = Container { ports: given, ..Container::default() };
        figure::text(|out| ports(&container, out))
    }

    #[test]
    fn ports_are_told_once_for_both_families() {
        assert_eq!(told(Vec::new()), "—");
        let both = vec![port(80, "tcp", Some(("0.0.0.0", 8080))), port(80, "tcp", Some(("::", 8080)))];
        assert_eq!(told(both), "8080→80");
        let mixed = vec![port(53, "udp", Some(("127.0.0.1", 53))), port(9000, "tcp", None)];
        assert_eq!(told(mixed), "127.0.0.1:53→53/udp 9000");
        let two = vec![port(1, "tcp", Some(("10.0.0.1", 1))), port(1, "tcp", Some(("10.0.0.2", 1)))];
        assert_eq!(told(two), "10.0.0.1:1→1 10.0.0.2:1→1");
    }
}
