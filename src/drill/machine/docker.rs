//! `docker`, as the runbooks call it: over the engine of this machine, and the colour of the stack beside it that nobody plays on.

use super::template::fill;
use super::{Machine, compose};
use crate::drill::serve::docker::Engine;
use crate::drill::shell::{Call, Done, Files};
use crate::drill::stage::Stage;
use crate::drill::world::chance::Chance;
use crate::drill::world::edge::SERVICES;
use crate::drill::world::{Colour, Order, Refused, Role};
use serde_json::{Value, json};

/// A build that was just started is healthy after so many seconds of the world.
const HEALTHY_AFTER: i64 = 6;

/// A container, as `docker ps` has it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its index in the world; `None`: it belongs to the colour that nobody plays on.
    pub at: Option<usize>,
    /// What the engine's list says of it.
    pub told: Value,
}

impl Row {
    fn text(&self, key: &str) -> &str {
        self.told[key].as_str().unwrap_or_default()
    }

    /// Its name, without a slash.
    pub fn name(&self) -> &str {
        self.told["Names"][0].as_str().unwrap_or_default().trim_start_matches('/')
    }

    /// Of a label.
    pub fn label(&self, key: &str) -> &str {
        self.told["Labels"][key].as_str().unwrap_or_default()
    }

    pub fn runs(&self) -> bool {
        self.text("State") == "running"
    }

    /// For `--format` of `docker ps`.
    pub fn shown(&self) -> Value {
        let labels = self.told["Labels"].as_object().into_iter().flatten();
        let labels: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        json!({
            "ID": &self.text("Id")[..12], "Names": self.name(), "Image": self.text("Image"), "Status": self.text("Status"),
            "State": self.text("State"), "Labels": labels.join(","), "Ports": "", "Command": self.text("Command"),
        })
    }

    fn fits(&self, filter: &str) -> bool {
        match filter.split_once('=') {
            Some(("label", rest)) => match rest.split_once('=') {
                Some((key, value)) => self.label(key) == value,
                None => !self.label(rest).is_empty(),
            },
            Some(("name", name)) => self.name().contains(name),
            Some(("status", state)) => self.text("State") == state,
            Some(("health", health)) => self.text("Status").contains(&format!("({health})")),
            _ => false,
        }
    }
}

/// All containers of a machine.
pub(super) fn rows(machine: &Machine, stage: &Stage) -> Vec<Row> {
    let engine = Engine::new(machine.stage.clone(), machine.server..machine.server + 1);
    let own = stage.world.on(machine.server);
    let mut all: Vec<Row> = own.clone().map(|at| Row { at: Some(at), told: engine.summary(stage, at) }).collect();
    all.extend(own.filter_map(|at| beside(machine, stage, at)));
    all
}

/// What stands beside a container of the stack, in the other colour.
fn beside(machine: &Machine, stage: &Stage, at: usize) -> Option<Row> {
    let (one, edge) = (&stage.world.containers[at], &stage.world.edge);
    let colour = edge.active.other();
    let build = edge.build(colour, &one.service).filter(|_| SERVICES.contains(&one.service.as_str()))?;
    let since = stage.world.at - edge.idle_since?;
    let health = if since >= HEALTHY_AFTER { "healthy" } else { "health: starting" };
    let health = if build.flaw.crash { "unhealthy" } else { health };
    let name = format!("spacetime-{}-{}-1", colour.word(), one.service);
    let (state, status) = match machine.resting().get(&name) {
        Some(stopped) => ("exited", format!("Exited (0) {} seconds ago", stage.world.at - stopped)),
        None => ("running", format!("Up {since} seconds ({health})")),
    };
    let told = json!({
        "Id": Chance::new(at as u64, &format!("{name}:{}", build.version)).hex(64), "Names": [format!("/{name}")],
        "Image": format!("registry.spacetime.example.com/{}:{}", one.service, build.version), "State": state,
        "Status": status, "Command": format!("/usr/local/bin/{}", one.service),
        "Labels": { "com.docker.compose.project": format!("spacetime-{}", colour.word()), "com.docker.compose.service": one.service },
    });
    Some(Row { at: None, told })
}

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ps" | "container", rest @ ..] => ps(machine, rest.strip_prefix(&["ls"]).unwrap_or(rest)),
        ["inspect", rest @ ..] => inspect(machine, rest),
        ["logs", rest @ ..] => logs(machine, rest),
        ["stats", rest @ ..] => stats(machine, rest),
        ["images", rest @ ..] | ["image", "ls", rest @ ..] if rest.contains(&"dangling=true") => {
            nameless(machine, rest)
        }
        ["images", rest @ ..] | ["image", "ls", rest @ ..] => images(machine, rest),
        ["image" | "system", "prune", ..] => prune(machine),
        ["image", "inspect", ..] => Done::said("[]\n"),
        ["pull", image, ..] => Done::said(format!("Status: Downloaded newer image for {image}\n")),
        ["compose", ..] => {
            let call = Call { args: call.args[1..].to_vec(), ..call.clone() };
            compose::run(machine, &call, files)
        }
        ["version" | "info", ..] => Done::said("Docker version 27.5.1, build drill\n"),
        [verb @ ("start" | "stop" | "restart" | "kill"), rest @ ..] => act(machine, verb, rest),
        _ => Done::failed(1, format!("docker: a drill's docker does not know: {}\n", call.args.join(" "))),
    }
}

/// `--name value` and `--name=value` are taken out; what is left.
pub(super) fn option<'a>(words: &mut Vec<&'a str>, names: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let whole = words[at];
        if names.contains(&whole) && at + 1 < words.len() {
            found.push(words[at + 1]);
            words.drain(at..at + 2);
        } else if let Some((_, value)) = whole.split_once('=').filter(|(name, _)| names.contains(name)) {
            found.push(value);
            words.remove(at);
        } else {
            at += 1;
        }
    }
    found
}

/// Flags are taken out; whether one of them was there.
pub(super) fn flag(words: &mut Vec<&str>, names: &[&str]) -> bool {
    let before = words.len();
    words.retain(|word| !names.contains(word));
    words.len() < before
}

fn ps(machine: &Machine, words: &[&str]) -> Done {
    let mut words = words.to_vec();
    let (filters, formats) = (option(&mut words, &["--filter", "-f"]), option(&mut words, &["--format"]));
    let both = flag(&mut words, &["-aq", "-qa"]);
    let (all, quiet) = (flag(&mut words, &["-a", "--all"]) || both, flag(&mut words, &["-q", "--quiet"]) || both);
    flag(&mut words, &["--no-trunc"]);
    if let Some(unknown) = words.first() {
        return Done::failed(125, format!("unknown flag: {unknown}\n"));
    }
    let rows = rows(machine, &machine.stage.lock());
    let wanted = rows.iter().filter(|row| (all || row.runs()) && filters.iter().all(|filter| row.fits(filter)));
    if quiet {
        return Done::said(wanted.map(|row| format!("{}\n", &row.text("Id")[..12])).collect::<String>());
    }
    table(wanted.map(Row::shown), formats.first().copied(), "table {{.ID}}\\t{{.Image}}\\t{{.Status}}\\t{{.Names}}")
}

/// Each by a format; one that begins with `table` has a heading.
pub(super) fn table(rows: impl Iterator<Item = Value>, format: Option<&str>, usual: &str) -> Done {
    let format = format.unwrap_or(usual);
    let (heading, format) = match format.strip_prefix("table ") {
        Some(rest) => (rest.replace("{{.", "").replace("}}", "").replace("\\t", "\t").to_uppercase() + "\n", rest),
        None => (String::new(), format),
    };
    let mut out = heading;
    for row in rows {
        match fill(format, &row) {
            Ok(line) => out.push_str(&(line + "\n")),
            Err(why) => return Done::failed(1, why + "\n"),
        }
    }
    Done::said(out)
}

/// What a name or the beginning of an id means.
fn find(machine: &Machine, stage: &Stage, word: &str) -> Result<Row, Done> {
    let rows = rows(machine, stage);
    let means =
        |row: &&Row| row.name() == word.trim_start_matches('/') || word.len() >= 4 && row.text("Id").starts_with(word);
    let missing = || Done::failed(1, format!("Error response from daemon: No such container: {word}\n"));
    rows.iter().find(means).cloned().ok_or_else(missing)
}

fn inspect(machine: &Machine, words: &[&str]) -> Done {
    let mut words = words.to_vec();
    let formats = option(&mut words, &["--format", "-f"]);
    option(&mut words, &["--type"]);
    let stage = machine.stage.lock();
    let engine = Engine::new(machine.stage.clone(), machine.server..machine.server + 1);
    let mut all = Vec::new();
    for word in words {
        match find(machine, &stage, word) {
            Ok(Row { at: Some(at), .. }) => all.push(engine.inspection(&stage, at)),
            Ok(row) => {
                let labels = row.told["Labels"].clone();
                all.push(json!({ "Id": row.text("Id"), "Name": format!("/{}", row.name()), "Config": { "Image": row.text("Image"), "Labels": labels } }));
            }
            Err(missing) => return missing,
        }
    }
    match formats.first() {
        Some(format) => table(all.into_iter(), Some(format), ""),
        None => Done::said(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"),
    }
}

fn logs(machine: &Machine, words: &[&str]) -> Done {
    let mut words = words.to_vec();
    let tail = option(&mut words, &["--tail", "-n"]);
    option(&mut words, &["--since"]);
    flag(&mut words, &["-t", "--timestamps"]);
    let [name] = words[..] else {
        return Done::failed(1, "docker logs: a drill's docker takes --tail and one container\n");
    };
    let stage = machine.stage.lock();
    match find(machine, &stage, name) {
        Ok(Row { at: Some(at), .. }) => said(&stage, at, lines(tail.first().copied())),
        Ok(_) => Done::said(""),
        Err(missing) => missing,
    }
}

/// How many lines are wanted.
pub(super) fn lines(word: Option<&str>) -> usize {
    word.and_then(|word| word.parse().ok()).unwrap_or(usize::MAX)
}

/// The last lines of a log, to both outputs.
fn said(stage: &Stage, at: usize, most: usize) -> Done {
    let log = &stage.world.containers[at].log;
    let mut done = Done::default();
    for line in log.iter().skip(log.len().saturating_sub(most)) {
        let to = if line.error { &mut done.err } else { &mut done.out };
        to.extend_from_slice(format!("{}\n", line.text).as_bytes());
    }
    done
}

fn stats(machine: &Machine, words: &[&str]) -> Done {
    let mut words = words.to_vec();
    let formats = option(&mut words, &["--format"]);
    if !flag(&mut words, &["--no-stream"]) {
        return Done::failed(1, "docker stats: a drill's docker takes --no-stream alone\n");
    }
    let stage = machine.stage.lock();
    let wanted = rows(machine, &stage).into_iter().filter_map(|row| Some((row.at?, row)));
    let wanted = wanted.filter(|(_, row)| words.is_empty() || words.contains(&row.name()));
    let told = |(at, row): (usize, Row)| {
        let one = &stage.world.containers[at];
        let (used, limit) = (one.memory / 1_048_576.0, one.limit / 1_048_576.0);
        json!({
            "Name": row.name(), "CPUPerc": format!("{:.2}%", one.cpu * 100.0), "MemUsage": format!("{used:.1}MiB / {limit:.1}MiB"),
            "MemPerc": format!("{:.2}%", used / limit.max(1.0) * 100.0),
        })
    };
    table(wanted.map(told), formats.first().copied(), "table {{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}")
}

fn images(machine: &Machine, words: &[&str]) -> Done {
    let mut words = words.to_vec();
    let formats = option(&mut words, &["--format"]);
    let quiet = flag(&mut words, &["-q", "--quiet"]);
    let stage = machine.stage.lock();
    let mut all: Vec<String> = rows(machine, &stage).iter().map(|row| row.text("Image").to_owned()).collect();
    all.extend(machine.pulled().iter().cloned());
    // What runs in neither colour any more is still there; who deploys from the load balancer's machine has pulled all of it there.
    let own = stage.world.on(machine.server).map(|at| stage.world.containers[at].service.as_str());
    let is_balancer = stage.world.servers[machine.server].role == Role::Balancer;
    let services = own.chain(SERVICES.into_iter().filter(|_| is_balancer));
    let builds = services.flat_map(|service| {
        let builds = [Colour::Blue, Colour::Green].map(|colour| stage.world.edge.build(colour, service));
        builds
            .into_iter()
            .flatten()
            .map(move |build| format!("registry.spacetime.example.com/{service}:{}", build.version))
    });
    all.extend(builds);
    all.sort();
    all.dedup();
    let told = |image: String| {
        let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
        json!({ "Repository": name, "Tag": tag, "ID": Chance::new(0, &image).hex(12) })
    };
    let usual = if quiet { "{{.ID}}" } else { "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}" };
    table(all.into_iter().map(told), formats.first().copied(), usual)
}

/// The images that a newer build has replaced.
fn nameless(machine: &Machine, words: &[&str]) -> Done {
    let formats = option(&mut words.to_vec(), &["--format"]);
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(40 * 24);
    let one = json!({
        "Repository": "<none>", "Tag": "<none>", "ID": Chance::new(0, &machine.name).hex(12),
        "CreatedAt": made.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
    });
    let all = (machine.unused() > 0.0).then_some(one);
    table(all.into_iter(), formats.first().copied(), "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}")
}

fn prune(machine: &Machine) -> Done {
    let bytes = machine.prune();
    let _ = machine.stage.lock().order(&Order::Clean(machine.server, bytes));
    Done { seconds: 2.0, ..Done::said(format!("Total reclaimed space: {:.2}GB\n", bytes / 1e9)) }
}

fn act(machine: &Machine, verb: &str, words: &[&str]) -> Done {
    let mut words = words.to_vec();
    option(&mut words, &["-t", "--time", "--timeout", "-s", "--signal"]);
    let mut stage = machine.stage.lock();
    let mut out = String::new();
    for word in words {
        let row = match find(machine, &stage, word) {
            Ok(row) => row,
            Err(missing) => return missing,
        };
        if let Err(Refused(why)) = direct(machine, &mut stage, verb, &row) {
            return Done::failed(1, format!("Error response from daemon: {why}\n"));
        }
        out.push_str(word);
        out.push('\n');
    }
    Done { seconds: 1.0, ..Done::said(out) }
}

/// [`order`], also of one that stands beside the stack in the other colour.
pub(super) fn direct(machine: &Machine, stage: &mut Stage, verb: &str, row: &Row) -> Result<(), Refused> {
    if let Some(at) = row.at {
        return order(stage, verb, at);
    }
    let mut resting = machine.resting();
    if matches!(verb, "stop" | "kill") {
        resting.entry(row.name().to_owned()).or_insert(stage.world.at);
    } else {
        resting.remove(row.name());
    }
    Ok(())
}

/// Starts, stops or restarts a container, unless it is so already.
pub(super) fn order(stage: &mut Stage, verb: &str, at: usize) -> Result<(), Refused> {
    let runs = stage.world.containers[at].runs();
    match verb {
        "start" if runs => Ok(()),
        "start" => stage.order(&Order::Start(at)),
        "restart" => stage.order(&Order::Restart(at)),
        "kill" => stage.order(&Order::Kill(at)),
        _ if !runs => Ok(()),
        _ => stage.order(&Order::Stop(at)),
    }
}
