//! What the Engine API's answers mean. Pure: everything that may be missing may be missing.

use crate::domain::{Compose, Container, ContainerState, Health, Usage};
use bollard::models::{
    ContainerCpuStats, ContainerInspectResponse, ContainerMemoryStats, ContainerStatsResponse, ContainerSummary,
};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// A container as the listing has it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Full id.
    pub(super) id: Arc<str>,
    name: String,
    image: String,
    /// State, and what the status text tells of health and exit code: when it changes, the details did.
    pub(super) sign: Sign,
    compose: Option<Compose>,
}

/// What a listing tells of a container's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sign {
    pub(super) state: ContainerState,
    health: Health,
    exit_code: Option<i64>,
}

/// What only an inspection tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Details {
    pub(super) state: ContainerState,
    pub(super) health: Health,
    restarts: Option<u64>,
    pub(super) started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    exit_code: Option<i64>,
    oom_killed: bool,
    /// `HostConfig.Memory` is zero: whatever the statistics say, the container has no limit of its own.
    unlimited: bool,
}

/// What it uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// In whole cores.
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<Usage>,
}

/// A row of the listing; `None` without an id.
pub(super) fn listed(summary: ContainerSummary) -> Option<Listed> {
    let state = summary.state.map_or(ContainerState::Unknown, |state| ContainerState::parse(state.as_ref()));
    Some(Listed {
        id: summary.id?.into(),
        name: name(&summary.names.unwrap_or_default()),
        image: summary.image.unwrap_or_default(),
        sign: sign(state, summary.status.as_deref().unwrap_or_default()),
        compose: summary.labels.as_ref().and_then(compose),
    })
}

/// The name that is the container's own: links add names with two slashes, `/other/alias`.
fn name(names: &[String]) -> String {
    let plain = |name: &&String| !name.trim_start_matches('/').contains('/');
    let own = names.iter().find(plain).or_else(|| names.first());
    own.map_or_else(String::new, |name| name.trim_start_matches('/').to_owned())
}

fn compose(labels: &HashMap<String, String>) -> Option<Compose> {
    let label = |name: &str| labels.get(name).cloned();
    Some(Compose {
        project: label("com.docker.compose.project")?,
        service: label("com.docker.compose.service").unwrap_or_default(),
    })
}

/// Reads the status text, `Up 3 hours (unhealthy)` or `Exited (137) 2 minutes ago`. Made for people, yet the only place
/// where a listing tells health and exit code.
fn sign(state: ContainerState, status: &str) -> Sign {
    let inside = status.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    let health = Health::parse(inside.strip_prefix("health: ").unwrap_or(inside));
    Sign { state, health, exit_code: inside.parse().ok() }
}

/// From an inspection.
pub(super) fn details(inspect: &ContainerInspectResponse) -> Details {
    let Some(state) = &inspect.state else { return Details::default() };
    let status = state.status.map_or(ContainerState::Unknown, |status| ContainerState::parse(status.as_ref()));
    let health = state.health.as_ref().and_then(|health| health.status);
    let ended = matches!(status, ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting);
    Details {
        state: status,
        health: health.map_or(Health::None, |health| Health::parse(health.as_ref())),
        restarts: inspect.restart_count.and_then(|count| u64::try_from(count).ok()),
        started_at: state.started_at.as_deref().and_then(time),
        finished_at: state.finished_at.as_deref().and_then(time),
        exit_code: state.exit_code.filter(|_| ended),
        oom_killed: state.oom_killed.unwrap_or(false),
        unlimited: inspect.host_config.as_ref().and_then(|config| config.memory) == Some(0),
    }
}

/// The engine writes the year 1 for "never".
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time: &Timestamp| *time > Timestamp::UNIX_EPOCH)
}

/// The row. Without details (the engine did not let itself be asked) their figures are unknown.
pub(super) fn container(listed: Listed, details: Option<&Details>, figures: Option<Figures>) -> Container {
    let sign = listed.sign;
    let state = details.map_or(sign.state, |details| details.state);
    // Figures of a container that stopped meanwhile are those of the past.
    let figures = figures.filter(|_| state == ContainerState::Running).unwrap_or_default();
    let unlimited = details.is_some_and(|details| details.unlimited);
    Container {
        id: listed.id,
        name: listed.name,
        image: listed.image,
        state,
        health: details.map_or(sign.health, |details| details.health),
        cpu: figures.cpu,
        memory: figures.memory.map(|memory| if unlimited { Usage { total: 0, ..memory } } else { memory }),
        restarts: details.and_then(|details| details.restarts),
        started_at: details.and_then(|details| details.started_at),
        finished_at: details.and_then(|details| details.finished_at),
        exit_code: details.map_or(sign.exit_code, |details| details.exit_code),
        oom_killed: details.is_some_and(|details| details.oom_killed),
        compose: listed.compose,
        ..Container::default()
    }
}

/// CPU and memory as `docker stats` computes them.
pub(super) fn figures(stats: &ContainerStatsResponse) -> Figures {
    let cpu = stats.cpu_stats.as_ref().zip(stats.precpu_stats.as_ref());
    Figures {
        cpu: cpu.and_then(|(now, before)| cores(now, before)),
        memory: stats.memory_stats.as_ref().and_then(memory),
    }
}

/// Its share of the host's CPU time since the last figures × the number of CPUs. `None` on the first message of a
/// stream, which has nothing to compare with.
fn cores(now: &ContainerCpuStats, before: &ContainerCpuStats) -> Option<f64> {
    let total = |stats: &ContainerCpuStats| stats.cpu_usage.as_ref().and_then(|usage| usage.total_usage);
    let host = now.system_cpu_usage?.checked_sub(before.system_cpu_usage.filter(|usage| *usage > 0)?)?;
    let used = total(now)?.checked_sub(total(before)?)?;
    let listed = || now.cpu_usage.as_ref().and_then(|usage| usage.percpu_usage.as_ref()).map(Vec::len);
    let cpus = match now.online_cpus {
        Some(count) if count > 0 => f64::from(count),
        _ => listed().filter(|count| *count > 0)? as f64,
    };
    (host > 0).then(|| used as f64 / host as f64 * cpus)
}

/// Usage without the page cache that can be dropped: `total_inactive_file` of cgroup v1, `inactive_file` of v2.
fn memory(stats: &ContainerMemoryStats) -> Option<Usage> {
    let usage = stats.usage?;
    let figure = |name: &str| stats.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    let cache = figure("total_inactive_file").or_else(|| figure("inactive_file"));
    let used = cache.filter(|cache| *cache < usage).map_or(usage, |cache| usage - cache);
    Some(Usage { used, total: stats.limit.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const LIST: &str = include_str!("../../../tests/fixtures/docker/list.json");
    const STATS: &str = include_str!("../../../tests/fixtures/docker/stats-v1.jsonl");
    /// Written by hand from the kernel's and the engine's documentation: the other fixtures come from a host with
    /// cgroup v1.
    const STATS_V2: &str = include_str!("../../../tests/fixtures/docker/stats-v2.json");

    macro_rules! inspected {
        ($name:literal) => {{
            let text = include_str!(concat!("../../../tests/fixtures/docker/inspect-", $name, ".json"));
            details(&serde_json::from_str(text).unwrap())
        }};
    }

    fn list() -> Vec<Listed> {
        let list: Vec<ContainerSummary> = serde_json::from_str(LIST).unwrap();
        list.into_iter().map(|summary| listed(summary).unwrap()).collect()
    }

    fn named(name: &str) -> Listed {
        list().into_iter().find(|listed| listed.name == name).unwrap()
    }

    #[test]
    fn the_listing_of_a_real_engine_is_read() {
        let sign = |name: &str| {
            let Sign { state, health, exit_code } = named(name).sign;
            (state, health, exit_code)
        };
        assert_eq!(sign("see-web"), (ContainerState::Running, Health::Healthy, None));
        assert_eq!(sign("see-sick"), (ContainerState::Running, Health::Unhealthy, None));
        assert_eq!(sign("see-gone"), (ContainerState::Exited, Health::None, Some(7)));
        assert_eq!(sign("see-loop"), (ContainerState::Restarting, Health::None, Some(3)));
        assert_eq!(sign("see-paused"), (ContainerState::Paused, Health::None, None));
        assert_eq!(sign("see-new"), (ContainerState::Created, Health::None, None));
        let web = container(named("see-web"), None, None);
        assert_eq!((web.id.len(), web.image.as_str()), (64, "see-busybox:1"));
        assert_eq!(web.compose, Some(Compose { project: "shop".into(), service: "web".into() }));
        assert_eq!((web.restarts, web.started_at, web.memory), (None, None, None));
    }

    #[test]
    fn a_starting_health_check_is_told_from_a_passed_one() {
        let health = |status| sign(ContainerState::Running, status).health;
        assert_eq!(health("Up 2 seconds (health: starting)"), Health::Starting);
        assert_eq!(health("Up 2 seconds"), Health::None);
    }

    #[test]
    fn inspections_of_a_real_engine_are_read() {
        let gone = inspected!("gone");
        assert_eq!((gone.state, gone.exit_code, gone.oom_killed), (ContainerState::Exited, Some(7), false));
        assert_eq!(gone.finished_at.unwrap().to_string(), "2026-11-24T19:59:59.55299754Z");
        let oom = inspected!("oom");
        assert_eq!((oom.exit_code, oom.oom_killed, oom.unlimited), (Some(137), true, false));
        let looping = inspected!("loop");
        assert_eq!(
            (looping.state, looping.restarts, looping.exit_code),
            (ContainerState::Restarting, Some(8), Some(3))
        );
        let new = inspected!("new");
        assert_eq!((new.state, new.started_at, new.exit_code), (ContainerState::Created, None, None));
        let sick = inspected!("sick");
        assert_eq!(
            (sick.health, sick.exit_code, sick.finished_at, sick.unlimited),
            (Health::Unhealthy, None, None, true)
        );
        assert_eq!(inspected!("paused").state, ContainerState::Paused);
    }

    #[test]
    fn an_inspection_is_fresher_than_the_listing() {
        let figures = Figures { cpu: Some(1.0), memory: Some(Usage { used: 1, total: 2 }) };
        let row = container(named("see-web"), Some(&inspected!("gone")), Some(figures));
        assert_eq!((row.state, row.exit_code, row.cpu, row.memory), (ContainerState::Exited, Some(7), None, None));
    }

    #[test]
    fn a_container_without_a_limit_has_none_although_statistics_name_the_host() {
        let figures = Figures { cpu: None, memory: Some(Usage { used: 1, total: 8 << 30 }) };
        let total = |details: Details| container(named("see-web"), Some(&details), Some(figures)).memory.unwrap().total;
        assert_eq!(total(inspected!("sick")), 0);
        assert_eq!(total(inspected!("web")), 8 << 30);
    }

    fn stats(line: &str) -> ContainerStatsResponse {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn the_first_message_of_a_stream_has_no_cpu_figure() {
        let mut lines = STATS.lines();
        let first = figures(&stats(lines.next().unwrap()));
        assert_eq!(first, Figures { cpu: None, memory: Some(Usage { used: 581_632, total: 67_108_864 }) });
        let second = figures(&stats(lines.next().unwrap())).cpu.unwrap();
        assert!((0.0..2.0).contains(&second), "{second}");
    }

    #[test]
    fn figures_are_those_of_docker_stats() {
        let cpu = |total: u64, system: u64| json!({"cpu_usage": {"total_usage": total}, "system_cpu_usage": system, "online_cpus": 4});
        let message = |memory: Value| {
            json!({"cpu_stats": cpu(3_000, 20_000), "precpu_stats": cpu(1_000, 10_000), "memory_stats": memory})
                .to_string()
        };
        let v1 = json!({"usage": 1000, "limit": 5000, "stats": {"total_inactive_file": 300, "inactive_file": 1}});
        let v1 = figures(&stats(&message(v1)));
        assert_eq!(v1, Figures { cpu: Some(0.8), memory: Some(Usage { used: 700, total: 5000 }) });
        // A cache that is larger than the usage is not subtracted.
        let odd = json!({"usage": 1000, "limit": 5000, "stats": {"inactive_file": 2000}});
        assert_eq!(figures(&stats(&message(odd))).memory.unwrap().used, 1000);
        assert_eq!(figures(&stats("{}")), Figures::default());
        let v2 = figures(&stats(STATS_V2));
        assert_eq!(v2.memory, Some(Usage { used: 20_971_520, total: 268_435_456 }));
        assert_eq!(v2.cpu, Some(0.5));
    }

    #[test]
    fn counters_that_went_back_give_no_figure() {
        let message = json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 9, "online_cpus": 1},
            "precpu_stats": {"cpu_usage": {"total_usage": 2}, "system_cpu_usage": 8},
        });
        assert_eq!(figures(&stats(&message.to_string())).cpu, None);
    }

    #[test]
    fn a_row_without_an_id_is_none() {
        assert!(listed(ContainerSummary::default()).is_none());
        assert_eq!(name(&["/other/alias".into(), "/web".into()]), "web");
        assert_eq!(name(&["/other/alias".into()]), "other/alias");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*", number: i64, at in 0..LIST.len(), bytes in any::<Vec<u8>>()) {
            let mut mutated = LIST.as_bytes().to_vec();
            mutated.splice(at..(at + bytes.len()).min(LIST.len()), bytes.iter().copied());
            let list: Vec<ContainerSummary> = serde_json::from_slice(&mutated).unwrap_or_default();
            let _: Vec<Container> = list.into_iter().filter_map(listed).map(|row| container(row, None, None)).collect();
            let _ = (sign(ContainerState::Exited, &text), time(&text), name(&[text]));
            let inspect = json!({"RestartCount": number, "State": {"ExitCode": number, "Status": "dead", "OOMKilled": true},
                "HostConfig": {"Memory": number}});
            let _ = details(&serde_json::from_value(inspect).unwrap());
            let unsigned = number.unsigned_abs();
            let usage = json!({"cpu_usage": {"total_usage": unsigned}, "system_cpu_usage": unsigned});
            let message = json!({"cpu_stats": usage, "precpu_stats": usage, "memory_stats": {"usage": unsigned, "limit": unsigned}});
            let _ = figures(&serde_json::from_value(message).unwrap());
        }
    }
}
