//! What the Engine API's answers mean. Pure: everything that may be missing may be missing.

use super::meter::Figures;
use crate::domain::{Compose, Container, ContainerState, Health, Port, Probe, Usage};
use bollard::models::{
    self, ContainerInspectResponse, ContainerSummary, ContainerSummaryNetworkSettings, PortSummary,
    RestartPolicyNameEnum, SystemVersion,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// A container that its restart policy started again within this time does not stay up.
const LATELY: SignedDuration = SignedDuration::from_mins(10);
/// Bytes of a probe's output that are kept. Docker cuts at 4 KiB itself.
const PROBE: usize = 4096;

/// A container as the listing has it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Full id.
    pub(super) id: Arc<str>,
    name: String,
    image: String,
    /// State, and what the status text tells of health and exit code: when it changes, the details did.
    pub(super) sign: Sign,
    created_at: Option<Timestamp>,
    ports: Vec<Port>,
    addresses: Vec<String>,
    compose: Option<Compose>,
    labels: HashMap<String, String>,
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
    probe: Option<Probe>,
    /// Its main process, as the engine counts.
    pub(super) pid: Option<u32>,
    /// It uses the host's network.
    pub(super) host_network: bool,
    /// `HostConfig.Memory` is zero: whatever the statistics say, the container has no limit of its own.
    unlimited: bool,
    /// Its restart policy keeps it up.
    kept_up: bool,
}

/// A row of the listing; `None` without an id.
pub(super) fn listed(summary: ContainerSummary) -> Option<Listed> {
    let state = summary.state.map_or(ContainerState::Unknown, |state| ContainerState::parse(state.as_ref()));
    Some(Listed {
        id: summary.id?.into(),
        name: name(&summary.names.unwrap_or_default()),
        image: summary.image.unwrap_or_default(),
        sign: sign(state, summary.status.as_deref().unwrap_or_default()),
        created_at: summary.created.and_then(|at| Timestamp::from_second(at).ok()),
        ports: ports(&summary.ports.unwrap_or_default()),
        addresses: summary.network_settings.map(addresses).unwrap_or_default(),
        compose: summary.labels.as_ref().and_then(compose),
        labels: summary.labels.unwrap_or_default(),
    })
}

/// Published ones first, each once: the engine lists a port for IPv4 and for IPv6.
fn ports(listed: &[PortSummary]) -> Vec<Port> {
    let mut ports: Vec<Port> = listed
        .iter()
        .map(|port| Port {
            private: port.private_port,
            protocol: port.typ.map(|kind| kind.to_string()).filter(|kind| !kind.is_empty()).unwrap_or("tcp".into()),
            public: port.public_port.filter(|port| *port > 0).map(|at| (port.ip.clone().unwrap_or_default(), at)),
        })
        .collect();
    let order = |port: &Port| (port.public.is_none(), port.public.as_ref().map(|(_, at)| *at), port.private);
    ports.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.public.cmp(&b.public)));
    ports.dedup();
    ports
}

fn addresses(settings: ContainerSummaryNetworkSettings) -> Vec<String> {
    let networks = settings.networks.unwrap_or_default().into_values();
    let both = networks.flat_map(|network| [network.ip_address, network.global_ipv6_address]);
    let mut addresses: Vec<String> = both.flatten().filter(|address| !address.is_empty()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
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
    let host = inspect.host_config.as_ref();
    let ended = matches!(status, ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting);
    Details {
        state: status,
        health: health.map_or(Health::None, |health| Health::parse(health.as_ref())),
        restarts: inspect.restart_count.and_then(|count| u64::try_from(count).ok()),
        started_at: state.started_at.as_deref().and_then(time),
        finished_at: state.finished_at.as_deref().and_then(time),
        exit_code: state.exit_code.filter(|_| ended),
        oom_killed: state.oom_killed.unwrap_or(false),
        probe: state.health.as_ref().and_then(probe),
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        host_network: host.and_then(|config| config.network_mode.as_deref()) == Some("host"),
        unlimited: host.and_then(|config| config.memory) == Some(0),
        kept_up: host.is_some_and(kept_up),
    }
}

/// Its restart policy starts it again when it ends, at least when it fails.
fn kept_up(host: &models::HostConfig) -> bool {
    let policy = host.restart_policy.as_ref().and_then(|policy| policy.name);
    policy.is_some_and(|name| {
        matches!(
            name,
            RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED | RestartPolicyNameEnum::ON_FAILURE
        )
    })
}

/// The last run of its health check that ended.
fn probe(health: &models::Health) -> Option<Probe> {
    let log = health.log.as_deref()?;
    let last = log.last()?;
    let failing = health.failing_streak.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    let output = last.output.as_deref().unwrap_or_default().trim_end();
    Some(Probe {
        exit_code: last.exit_code?,
        output: output[..output.floor_char_boundary(PROBE)].to_owned(),
        at: last.end.as_deref().and_then(time),
        failing,
        failing_since: failing_since(log, failing),
    })
}

/// When the first of the failures in a row began. What the log has lost of them lies as far apart as what it has.
fn failing_since(log: &[models::HealthcheckResult], failing: u64) -> Option<Timestamp> {
    let streak = log.iter().rev().take_while(|run| run.exit_code.is_some_and(|code| code != 0));
    let begun: Vec<Timestamp> = streak.map_while(|run| run.start.as_deref().and_then(time)).collect();
    let (newest, oldest) = (*begun.first()?, *begun.last()?);
    let kept = i32::try_from(begun.len()).ok()?;
    let lost = i32::try_from(failing).ok()?.saturating_sub(kept).max(0);
    let apart = newest.duration_since(oldest).checked_div((kept - 1).max(1))?;
    oldest.checked_sub(apart.checked_mul(lost)?).ok()
}

/// Product and version, as in `Docker 20.10.24` or `Podman 4.3.1`: the first component is the engine itself.
pub(super) fn product(version: &SystemVersion) -> String {
    let engine = version.components.as_ref().and_then(|all| all.first());
    let is_podman = engine.is_some_and(|engine| engine.name.contains("Podman"));
    let number = version.version.as_deref().or(engine.map(|engine| engine.version.as_str())).unwrap_or_default();
    // A distribution's suffix says nothing here.
    let number = number.split(['+', '~']).next().unwrap_or_default();
    let name = if is_podman { "Podman" } else { "Docker" };
    format!("{name} {number}").trim_end().to_owned()
}

/// The engine writes the year 1 for "never".
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time: &Timestamp| *time > Timestamp::UNIX_EPOCH)
}

/// Its restart policy started it again a short while ago: the engine counts its own starts only, and from zero after
/// one that somebody asked for.
pub(super) fn restarted_lately(details: &Details, now: Timestamp) -> bool {
    let lately = details.started_at.is_some_and(|at| now.duration_since(at) < LATELY);
    lately && details.restarts.is_some_and(|count| count > 0)
}

/// The row at `now`. Without details (the engine did not let itself be asked) their figures are unknown.
pub(super) fn container(
    listed: Listed,
    details: Option<&Details>,
    figures: Option<Figures>,
    now: Timestamp,
) -> Container {
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
        pids: figures.pids,
        network: figures.network,
        block_io: figures.block_io,
        probe: details.and_then(|details| details.probe.clone()),
        restarts: details.and_then(|details| details.restarts),
        restarted_lately: details.is_some_and(|details| restarted_lately(details, now)),
        expected: details.is_some_and(|details| details.kept_up),
        created_at: listed.created_at,
        started_at: details.and_then(|details| details.started_at),
        finished_at: details.and_then(|details| details.finished_at),
        exit_code: details.map_or(sign.exit_code, |details| details.exit_code),
        oom_killed: details.is_some_and(|details| details.oom_killed),
        ports: listed.ports,
        addresses: listed.addresses,
        compose: listed.compose,
        labels: listed.labels.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const LIST: &str = include_str!("../../../tests/fixtures/docker/list.json");
    const PODMAN: &str = include_str!("../../../tests/fixtures/docker/podman-list.json");

    macro_rules! inspected {
        ($name:literal) => {{
            let text = include_str!(concat!("../../../tests/fixtures/docker/inspect-", $name, ".json"));
            details(&serde_json::from_str(text).unwrap())
        }};
    }

    fn now() -> Timestamp {
        "2026-11-25T03:00:00Z".parse().unwrap()
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
        let web = container(named("see-web"), None, None, now());
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
        let figures = Figures { cpu: Some(1.0), memory: Some(Usage { used: 1, total: 2 }), ..Figures::default() };
        let row = container(named("see-web"), Some(&inspected!("gone")), Some(figures), now());
        assert_eq!((row.state, row.exit_code, row.cpu, row.memory), (ContainerState::Exited, Some(7), None, None));
    }

    #[test]
    fn a_container_without_a_limit_has_none_although_statistics_name_the_host() {
        let figures = Figures { memory: Some(Usage { used: 1, total: 8 << 30 }), ..Figures::default() };
        let total =
            |details: Details| container(named("see-web"), Some(&details), Some(figures), now()).memory.unwrap().total;
        assert_eq!(total(inspected!("sick")), 0);
        assert_eq!(total(inspected!("web")), 8 << 30);
    }

    #[test]
    fn a_podmans_answers_are_read() {
        let list: Vec<ContainerSummary> = serde_json::from_str(PODMAN).unwrap();
        let rows: Vec<Listed> = list.into_iter().map(|summary| listed(summary).unwrap()).collect();
        let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap().clone();
        assert_eq!(named("pod-gone").sign.exit_code, Some(7));
        let web = container(named("pod-web"), Some(&inspected!("podman-web")), None, now());
        assert_eq!((web.state, web.health, web.finished_at), (ContainerState::Running, Health::Healthy, None));
        assert_eq!(web.compose, Some(Compose { project: "shop".into(), service: "web".into() }));
        assert_eq!(web.probe.unwrap().output, "all well");
        let sick = inspected!("podman-sick");
        let probe = sick.probe.unwrap();
        assert_eq!((sick.health, probe.exit_code, probe.failing), (Health::Unhealthy, 1, 1));
        assert_eq!(format!("{:.0}", probe.failing_since.unwrap()), "2026-11-25T15:24:20Z");
        let gone = inspected!("podman-gone");
        assert_eq!((gone.health, gone.probe, gone.pid), (Health::None, None, None), "an empty word is no health");
    }

    #[test]
    fn the_product_is_told_by_its_first_component() {
        let told = |text: &str| product(&serde_json::from_str(text).unwrap());
        assert_eq!(told(include_str!("../../../tests/fixtures/docker/version.json")), "Docker 20.10.24");
        assert_eq!(told(include_str!("../../../tests/fixtures/docker/podman-version.json")), "Podman 4.3.1");
        assert_eq!(told("{}"), "Docker");
    }

    #[test]
    fn the_last_probe_is_kept_and_cut() {
        let probe = inspected!("sick").probe.unwrap();
        assert_eq!((probe.exit_code, probe.failing), (1, 24));
        // Of the 24 the log has five, a second apart: it was started at 19:59:59.06, and the first failed a second later.
        assert_eq!(format!("{:.1}", probe.failing_since.unwrap()), "2026-11-24T19:59:59.9Z");
        assert_eq!(inspected!("web").probe.unwrap().failing_since, None);
        assert_eq!(probe.at.unwrap().to_string(), "2026-11-24T20:00:24.339015639Z");
        let long = "é".repeat(5000);
        let state = json!({"Health": {"Log": [{"ExitCode": 1, "Output": long}]}});
        let inspect = serde_json::from_value(json!({"State": state})).unwrap();
        assert_eq!(details(&inspect).probe.unwrap().output.len(), PROBE);
    }

    #[test]
    fn ports_come_once_and_published_ones_first() {
        let port = |ip: Option<&str>, public: Option<u16>, private: u16| {
            let port = json!({"IP": ip, "PublicPort": public, "PrivatePort": private, "Type": "tcp"});
            serde_json::from_value::<PortSummary>(port).unwrap()
        };
        let listed = [
            port(None, None, 9000),
            port(Some("0.0.0.0"), Some(8080), 80),
            port(Some("::"), Some(8080), 80),
            port(Some("0.0.0.0"), Some(8080), 80),
        ];
        let found = ports(&listed);
        let public: Vec<_> = found.iter().map(|port| port.public.clone().map(|(ip, _)| ip)).collect();
        assert_eq!(public, [Some("0.0.0.0".into()), Some("::".into()), None]);
    }

    #[test]
    fn a_container_started_again_by_its_policy_within_ten_minutes_does_not_stay_up() {
        let looping = inspected!("loop");
        let at = |minutes| looping.started_at.unwrap() + SignedDuration::from_mins(minutes);
        assert!(restarted_lately(&looping, at(9)));
        assert!(looping.kept_up && !inspected!("gone").kept_up);
        assert!(!restarted_lately(&looping, at(11)));
        assert!(!restarted_lately(&Details { restarts: Some(0), ..looping.clone() }, at(9)), "somebody started it");
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
            let _: Vec<Container> = list.into_iter().filter_map(listed).map(|row| container(row, None, None, now())).collect();
            let _ = (sign(ContainerState::Exited, &text), time(&text), name(&[text]));
            let inspect = json!({"RestartCount": number, "State": {"ExitCode": number, "Status": "dead", "OOMKilled": true},
                "HostConfig": {"Memory": number}});
            let _ = details(&serde_json::from_value(inspect).unwrap());
        }
    }
}
