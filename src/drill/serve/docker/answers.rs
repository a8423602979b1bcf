//! A container, as the engine tells of it.

use super::Engine;
use crate::drill::clock::Clock;
use crate::drill::stage::Stage;
use crate::drill::world::{Container, Health, State};
use serde_json::{Value, json};

/// Its name there: where several machines share an engine, the machine's goes before it.
pub(super) fn name(engine: &Engine, stage: &Stage, at: usize) -> String {
    let one = &stage.world.containers[at];
    if engine.servers.len() == 1 {
        one.name.clone()
    } else {
        format!("{}-{}", stage.world.servers[one.server].name, one.name)
    }
}

/// A row of the list.
pub(super) fn summary(engine: &Engine, stage: &Stage, at: usize) -> Value {
    let one = &stage.world.containers[at];
    json!({
        "Id": one.id, "Names": [format!("/{}", name(engine, stage, at))], "Image": one.image(),
        "ImageID": format!("sha256:{}", image_id(one)), "Command": format!("/usr/local/bin/{}", one.service),
        "Created": stage.clock.moment(one.created).as_second(), "Ports": ports(one), "Labels": labels(stage, one),
        "State": word(one), "Status": status(one, stage.clock, stage.world.at),
        "HostConfig": { "NetworkMode": "spacetime_default" },
        "NetworkSettings": { "Networks": networks(at) }, "Mounts": [],
    })
}

/// All of it.
pub(super) fn inspection(engine: &Engine, stage: &Stage, at: usize) -> Value {
    let one = &stage.world.containers[at];
    json!({
        "Id": one.id, "Created": stage.clock.moment(one.created).to_string(), "Path": format!("/usr/local/bin/{}", one.service),
        "Args": [], "State": state(one, stage.clock), "Image": format!("sha256:{}", image_id(one)),
        "Name": format!("/{}", name(engine, stage, at)), "RestartCount": one.restarts, "Driver": "overlay2", "Platform": "linux",
        "HostConfig": {
            "NetworkMode": "spacetime_default", "RestartPolicy": { "Name": "unless-stopped", "MaximumRetryCount": 0 },
            "Memory": one.limit as u64, "NanoCpus": 0,
        },
        "Config": {
            "Hostname": &one.id[..12], "Image": one.image(), "Labels": labels(stage, one), "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "Cmd": [], "Tty": false,
        },
        "NetworkSettings": { "Networks": networks(at), "Ports": {} }, "Mounts": [],
    })
}

fn state(one: &Container, clock: Clock) -> Value {
    let never = "0001-01-01T00:00:00Z".to_owned();
    let ended = one.finished > one.created;
    let (code, oom) = match one.state {
        State::Running => (0, false),
        State::Exited { code, oom } => (code, oom),
    };
    let mut state = json!({
        "Status": word(one), "Running": one.runs(), "Paused": false, "Restarting": false, "OOMKilled": oom, "Dead": false,
        "Pid": 0, "ExitCode": code, "Error": "", "StartedAt": clock.moment(one.started).to_string(),
        "FinishedAt": if ended { clock.moment(one.finished).to_string() } else { never },
    });
    if one.health != Health::None {
        let log: Vec<Value> = one.probed.iter().map(|(at, good)| probe(*at, *good, clock)).collect();
        state["Health"] = json!({ "Status": health(one), "FailingStreak": one.streak, "Log": log });
    }
    state
}

fn probe(at: i64, good: bool, clock: Clock) -> Value {
    let output =
        if good { "ok" } else { "curl: (28) Operation timed out after 2000 milliseconds with 0 bytes received" };
    json!({
        "Start": clock.moment(at).to_string(), "End": clock.moment(at).to_string(), "ExitCode": i32::from(!good), "Output": output,
    })
}

fn word(one: &Container) -> &'static str {
    if one.runs() { "running" } else { "exited" }
}

fn health(one: &Container) -> &'static str {
    match one.health {
        Health::None => "none",
        Health::Starting => "starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}

/// `Up 3 hours (healthy)`, `Exited (137) 2 minutes ago`.
fn status(one: &Container, clock: Clock, now: i64) -> String {
    let since = |second: i64| clock.moment(now).duration_since(clock.moment(second)).as_secs().max(0);
    match (one.state, one.health) {
        (State::Running, Health::None) => format!("Up {}", roughly(since(one.started))),
        (State::Running, Health::Starting) => format!("Up {} (health: starting)", roughly(since(one.started))),
        (State::Running, _) => format!("Up {} ({})", roughly(since(one.started)), health(one)),
        (State::Exited { code, .. }, _) => format!("Exited ({code}) {} ago", roughly(since(one.finished))),
    }
}

/// As Docker says how long ago something was.
fn roughly(seconds: i64) -> String {
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..=59 => format!("{seconds} seconds"),
        60..=119 => "About a minute".to_owned(),
        120..=3_599 => format!("{} minutes", seconds / 60),
        3_600..=7_199 => "About an hour".to_owned(),
        7_200..=172_799 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What is brought out in two colours belongs to the project of the one that players are on.
fn labels(stage: &Stage, one: &Container) -> Value {
    let project = if one.service.starts_with("godot-") {
        format!("spacetime-{}", stage.world.edge.active.word())
    } else {
        "spacetime".to_owned()
    };
    json!({ "com.docker.compose.project": project, "com.docker.compose.service": one.service, "spacetime.version": one.version })
}

fn networks(at: usize) -> Value {
    let address = format!("172.20.{}.{}", at / 250 % 250, at % 250 + 2);
    json!({ "spacetime_default": { "IPAddress": address, "Gateway": "172.20.0.1", "GlobalIPv6Address": "" } })
}

fn ports(one: &Container) -> Value {
    let port = match one.service.as_str() {
        "godot-server" => 8080,
        "godot-api" => 8081,
        "nginx" => 443,
        "postgres" => 5432,
        "node-exporter" => 9100,
        _ => return json!([]),
    };
    json!([{ "IP": "0.0.0.0", "PrivatePort": port, "PublicPort": port, "Type": "tcp" }])
}

/// Another for each image.
fn image_id(one: &Container) -> String {
    let mut chance = crate::drill::world::chance::Chance::new(0, &one.image());
    chance.hex(64)
}
