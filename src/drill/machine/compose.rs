//! `docker-compose`, as much of it as the game's operators use.

use super::docker::{self, Row};
use super::{Machine, PRODUCTION, files, now};
use crate::drill::shell::{Call, Done, Files, Node};
use crate::drill::world::edge::SERVICES;
use crate::drill::world::{Colour, Order, Refused};
use std::fmt::Write as _;

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    if files.get(&format!("{}/.env", call.folder)).is_none() {
        return Done::failed(14, format!("docker-compose: no configuration file here: go to {PRODUCTION}\n"));
    }
    let verb = words.iter().position(|word| VERBS.contains(word)).unwrap_or(words.len());
    let mut head: Vec<&str> = words.drain(..verb).collect();
    let project = docker::option(&mut head, &["-p", "--project-name"]);
    let project = project.last().map_or_else(|| own_project(call, files), |name| (*name).to_owned());
    if words.is_empty() {
        return unknown(call);
    }
    let verb = words.remove(0);
    match verb {
        "ps" => ps(machine, &project, words),
        "logs" => logs(machine, &project, words),
        "start" | "stop" | "restart" => act(machine, &project, verb, &words),
        "up" => up(machine, &project, call, &words, files),
        "down" => down(machine, &project, files),
        "pull" => pull(machine, call),
        "run" => manage(call, &words),
        "exec" => exec(machine, &project, call, &words),
        _ => unknown(call),
    }
}

/// What can be done with it.
const VERBS: [&str; 10] = ["ps", "logs", "start", "stop", "restart", "up", "down", "pull", "run", "exec"];

/// The project of a call that names none, as Compose has it: what the caller's or the folder's `.env` says, or else the folder's name.
fn own_project(call: &Call, files: &Files) -> String {
    const VARIABLE: &str = "COMPOSE_PROJECT_NAME";
    let env = files.get(&format!("{}/.env", call.folder)).and_then(Node::bytes).unwrap_or_default();
    let env = String::from_utf8_lossy(env);
    let kept = env.lines().find_map(|line| line.strip_prefix(VARIABLE)?.strip_prefix('='));
    let said = call.env.get(VARIABLE).map(String::as_str).or(kept).filter(|name| !name.is_empty());
    if let Some(name) = said {
        return name.to_owned();
    }
    let folder = call.folder.rsplit('/').next().unwrap_or_default().to_lowercase();
    let name: String = folder.chars().filter(|one| one.is_ascii_alphanumeric() || "_-".contains(*one)).collect();
    name.trim_start_matches(['_', '-']).to_owned()
}

fn unknown(call: &Call) -> Done {
    Done::failed(64, format!("docker-compose: a drill's own does not know: {}\n", call.args.join(" ")))
}

fn of(machine: &Machine, project: &str, services: &[&str]) -> Vec<Row> {
    let own = |row: &Row| {
        row.label("com.docker.compose.project") == project
            && (services.is_empty() || services.contains(&row.label("com.docker.compose.service")))
    };
    docker::rows(machine, &machine.stage.lock()).into_iter().filter(own).collect()
}

fn ps(machine: &Machine, project: &str, mut words: Vec<&str>) -> Done {
    let filters = docker::option(&mut words, &["--filter", "--status"]);
    let (quiet, services) = (docker::flag(&mut words, &["-q"]), docker::flag(&mut words, &["--services"]));
    docker::flag(&mut words, &["-a", "--all"]);
    let running = filters.iter().any(|filter| filter.ends_with("running"));
    let rows = of(machine, project, &words).into_iter().filter(|row| !running || row.runs());
    if services {
        return Done::said(
            rows.map(|row| format!("{}\n", row.label("com.docker.compose.service"))).collect::<String>(),
        );
    }
    let usual = if quiet { "{{.ID}}" } else { "table {{.Names}}\\t {{.Status}}\\t{{.Image}}" };
    docker::table(rows.map(|row| row.shown()), None, usual)
}

fn logs(machine: &Machine, project: &str, mut words: Vec<&str>) -> Done {
    let tail = docker::lines(docker::option(&mut words, &["--tail"]).first().copied());
    let rows = of(machine, project, &words);
    let stage = machine.stage.lock();
    let mut out = String::new();
    for row in rows {
        let Some(at) = row.at else { continue };
        let log = &stage.world.containers[at].log;
        for line in log.iter().skip(log.len().saturating_sub(tail)) {
            // A String takes everything.
            let _ = writeln!(out, "{}  | {}", row.name(), line.text);
        }
    }
    Done::said(out)
}

fn act(machine: &Machine, project: &str, verb: &str, words: &[&str]) -> Done {
    let rows = of(machine, project, words);
    if rows.is_empty() && verb != "stop" {
        return Done::failed(1, format!("no container found for project {project:?}: not found\n"));
    }
    let mut stage = machine.stage.lock();
    for row in &rows {
        if let Err(Refused(why)) = docker::direct(machine, &mut stage, verb, row) {
            return Done::failed(1, format!("Error response from daemon: {why}\n"));
        }
    }
    let done = if verb == "stop" { "Stopping" } else { "Starting" };
    Done {
        seconds: 2.0,
        ..Done::said(rows.iter().map(|row| format!("{done} {} ... done\n", row.name())).collect::<String>())
    }
}

fn colour(project: &str) -> Option<Colour> {
    project.strip_prefix("spacetime-").and_then(Colour::of)
}

/// Without IMAGE_TAG a colour is started as it was.
fn up(machine: &Machine, project: &str, call: &Call, words: &[&str], files: &mut Files) -> Done {
    let Some(colour) = colour(project) else {
        let why =
            format!("{project} would be a third set of containers beside blue and green, which a drill does not have");
        return Done::failed(
            1,
            format!("docker-compose: {why}: say which with -p spacetime-blue or -p spacetime-green\n"),
        );
    };
    let services: Vec<String> =
        words.iter().filter(|word| !word.starts_with('-')).map(|word| (*word).to_owned()).collect();
    if let Some(unknown) = services.iter().find(|one| !SERVICES.contains(&one.as_str())) {
        return Done::failed(1, format!("no such service: {unknown}\n"));
    }
    let mut stage = machine.stage.lock();
    let known = stage.world.edge.build(colour, SERVICES[0]).map(|build| build.version.clone());
    let tag = call.env.get("IMAGE_TAG").filter(|tag| !tag.is_empty()).cloned().or(known);
    let Some(version) = tag else { return Done::failed(1, "IMAGE_TAG is not set\n") };
    let wanted = SERVICES.iter().filter(|own| services.is_empty() || services.iter().any(|one| one == *own));
    let edge = &stage.world.edge;
    let same = |own: &&str| edge.build(colour, own).is_some_and(|build| build.version == version);
    let as_before = colour == edge.active && wanted.clone().all(same);
    let wanted: Vec<&str> = wanted.copied().collect();
    if !as_before && let Err(Refused(why)) = stage.order(&Order::Prepare { colour, services, version }) {
        return Done::failed(1, why + "\n");
    }
    files::refresh(files, &stage, machine.server, now());
    drop(stage);
    started(machine, &of(machine, project, &wanted))
}

/// Whatever of it does not run is started.
fn started(machine: &Machine, rows: &[Row]) -> Done {
    let mut stage = machine.stage.lock();
    for row in rows.iter().filter(|row| !row.runs()) {
        if let Err(Refused(why)) = docker::direct(machine, &mut stage, "start", row) {
            return Done::failed(1, format!("Error response from daemon: {why}\n"));
        }
    }
    Done {
        seconds: 3.0,
        ..Done::said(rows.iter().map(|row| format!("Container {}  Started\n", row.name())).collect::<String>())
    }
}

fn down(machine: &Machine, project: &str, files: &mut Files) -> Done {
    let Some(colour) = colour(project) else {
        return Done::said(format!("Warning: No resource found to remove for project {project:?}.\n"));
    };
    let mut stage = machine.stage.lock();
    if colour == stage.world.edge.active {
        return Done::failed(1, format!("players are on {project}: a drill's docker-compose does not remove it\n"));
    }
    let _ = stage.order(&Order::Remove(colour));
    files::refresh(files, &stage, machine.server, now());
    Done { seconds: 2.0, ..Done::said(format!("{project}  Removed\n")) }
}

fn pull(machine: &Machine, call: &Call) -> Done {
    let Some(tag) = call.env.get("IMAGE_TAG") else { return Done::failed(1, "IMAGE_TAG is not set\n") };
    for service in SERVICES {
        machine.pulled().push(format!("registry.spacetime.example.com/{service}:{tag}"));
    }
    Done { seconds: 4.0, ..Done::said(format!("Pulling godot-server ({tag}) ... done\n")) }
}

/// In a container that is there: it must run.
fn exec(machine: &Machine, project: &str, call: &Call, words: &[&str]) -> Done {
    let service = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or_default();
    if of(machine, project, &[service]).iter().any(Row::runs) {
        return manage(call, words);
    }
    Done::failed(1, format!("service {service:?} is not running\n"))
}

/// Its migrations are all applied, whatever the build.
fn manage(call: &Call, words: &[&str]) -> Done {
    let words: Vec<&str> = words.iter().copied().skip_while(|word| word.starts_with('-')).collect();
    match words.as_slice() {
        ["godot-api", "python", "manage.py", "showmigrations", ..] => {
            Done::said("accounts\n [X] 0001_initial\n [X] 0002_friends\nshards\n [X] 0001_initial\n")
        }
        ["godot-api", "python", "manage.py", "migrate", rest @ ..] if rest.contains(&"--plan") => {
            Done::said("Planned operations:\n  No planned migration operations.\n")
        }
        ["godot-api", "python", "manage.py", "migrate", ..] => {
            Done::said("Running migrations:\n  No migrations to apply.\n")
        }
        _ => unknown(call),
    }
}
