//! The config of the dashboard in front of a drill: an ordinary one, that could be anybody's.

use super::stage::Stage;
use super::world::{Role, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where everything answers.
#[derive(Clone, Debug)]
pub struct Places {
    /// Without a slash at its end, as all of these.
    pub prometheus: String,
    /// See there.
    pub alertmanager: String,
    /// Of the machines' own pages, by name; of many machines nobody asks for them.
    pub pages: BTreeMap<String, String>,
    /// Of the status page and the like.
    pub web: String,
    /// The ports of the primary and of the standby.
    pub databases: [u16; 2],
    /// The name of each engine, its machines, and its socket.
    pub engines: Vec<(String, Range<usize>, PathBuf)>,
    /// The config of `ssh`.
    pub ssh: PathBuf,
    /// What /admin/ of a game server wants.
    pub token: String,
}

/// The file of the journal, in the drill's folder.
pub const JOURNAL: &str = "journal.sqlite";

/// The file of all tokens that runbooks send, there too.
pub const TOKEN: &str = "token";

/// The services that runbooks tell, by name, with where each stands under the address of the drill's web services.
const TOLD: [(&str, &str); 5] = [
    ("status", "/status"),
    ("slack", "/slack"),
    ("pagerduty", "/pagerduty"),
    ("pagerduty_api", "/pagerduty"),
    ("webhook", "/webhook"),
];

/// Names under which runbooks know a secret. One token is all of them.
const SECRETS: [&str; 5] = ["admin_token", "status_token", "slack_token", "pagerduty_key", "pagerduty_token"];

/// Runbooks that have nothing to work with there, and why.
const NOT_HERE: [(&str, &str); 2] = [
    ("db-add-replica", "a drill has no machine with PostgreSQL and no data: its databases are two, and stay two"),
    ("dr-failover", "a drill has one region, and no name service"),
];

/// Game servers of a large production that are asked over SSH.
const GAMES_BY_SSH: usize = 8;

/// What is promised, as the overview shows it: as the shipped example has it, over the time that the alert rules look back, so that both say
/// the same.
pub(super) const PROMISED: &str = r#"
[[prometheus.main.slo]]
name = "availability"
query = 'avg(up{job="godot"})'
limit = 1
bad = "below"
unit = "ratio"
critical = true

[[prometheus.main.slo]]
name = "errors"
query = '''
  (sum(rate(http_requests_total{job="godot", status=~"5.."}[5m])) or sum(rate(http_requests_total{job="godot"}[5m])) * 0)
  / sum(rate(http_requests_total{job="godot"}[5m]))'''
limit = 0.05
unit = "ratio"

[[prometheus.main.slo]]
name = "p95"
query = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="godot"}[5m])))'
limit = 2
unit = "seconds"

[[prometheus.main.slo]]
name = "memory"
query = '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes'
limit = 0.90
unit = "ratio"

[[prometheus.main.slo]]
name = "disk"
query = '''
  (node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660"} - node_filesystem_free_bytes)
  / (node_filesystem_size_bytes - node_filesystem_free_bytes + node_filesystem_avail_bytes)'''
limit = 0.85
unit = "ratio"
"#;

/// It; looked at so often.
pub fn text(stage: &Stage, places: &Places, folder: &Path, each: &str) -> String {
    let servers: Vec<&Server> = stage.world.servers.iter().filter(|server| !server.gone).collect();
    // Many machines are not asked one by one.
    let large = stage.world.is_large();
    let journal = quoted(&folder.join(JOURNAL).to_string_lossy());
    let mut text = format!(
        "environment = \"drill\"\nguarded = false\n\n[journal]\npath = {journal}\n\n[runbooks]\nlocal = \"{}\"\nonly_configured = true\nssh_config = {}\n",
        servers.iter().find(|one| one.role == Role::Balancer).map_or("", |one| one.name.as_str()),
        quoted(&places.ssh.to_string_lossy())
    );
    for (id, why) in NOT_HERE {
        let _ = writeln!(text, "not_here.{id} = {}", quoted(why));
    }
    text.push('\n');
    // What is due in an incident is due by the production's time, as the score counts it.
    let _ = write!(text, "[incident]\nspeed = {:?}\n\n", stage.clock.speed);
    let _ = write!(
        text,
        "[prometheus.main]\nurl = \"{}\"\ninterval = \"{each}\"\nrules_interval = \"5s\"\nservers_interval = \"{}\"\n\
         slo_interval = \"2s\"\nwatchdog = \"Watchdog\"\n{PROMISED}\n",
        places.prometheus,
        if large { "15s" } else { "2s" },
    );
    let _ = write!(
        text,
        "[alertmanager.main]\nurls = [\"{}\"]\ninterval = \"{each}\"\nwatchdog = \"Watchdog\"\n\n",
        places.alertmanager
    );
    for (name, port) in ["primary", "replica"].into_iter().zip(places.databases) {
        let dsn = |user: &str| format!("dsn = \"postgres://{user}@127.0.0.1:{port}/spacetime?sslmode=disable\"");
        let (read, act) = (dsn("quarterdeck"), dsn("quarterdeck_ops"));
        let _ = write!(text, "[postgres.{name}]\n{read}\nact_as = {{ {act} }}\ninterval = \"{each}\"\n\n");
    }
    let there = |of: &Range<usize>| !stage.world.servers[of.start].gone;
    for (name, of, socket) in places.engines.iter().filter(|(_, of, _)| there(of)) {
        let socket = quoted(&format!("unix://{}", socket.display()));
        let _ = write!(text, "[docker.{name}]\nhost = {socket}\ninterval = \"{each}\"\n");
        let server = if of.len() == 1 { &stage.world.servers[of.start].name } else { name };
        let _ = write!(text, "server = \"{server}\"\n\n");
    }
    services(places, folder, &mut text);
    let config = quoted(&places.ssh.to_string_lossy());
    for one in by_ssh(&servers, large) {
        let _ = write!(text, "[ssh.{0}]\nhost = \"{0}\"\nconfig = {config}\ninterval = \"5s\"\n\n", one.name);
    }
    for one in servers {
        server(one, places, each, &mut text);
    }
    text
}

/// Those that the dashboard is to ask over SSH, and runbooks to run on. Each costs a process of `ssh`: of many machines a few stand for all.
fn by_ssh<'a>(servers: &[&'a Server], large: bool) -> impl Iterator<Item = &'a Server> {
    let games = if large { GAMES_BY_SSH } else { usize::MAX };
    let (played, others): (Vec<&Server>, Vec<&Server>) = servers.iter().partition(|one| one.role == Role::Game);
    others.into_iter().chain(played.into_iter().take(games))
}

/// What runbooks ask and tell, and the secrets for it.
fn services(places: &Places, folder: &Path, text: &mut String) {
    let asked = [("prometheus", places.prometheus.clone()), ("alertmanager", places.alertmanager.clone())];
    let told = TOLD.map(|(name, path)| (name, format!("{}{path}", places.web)));
    for (name, url) in asked.into_iter().chain(told) {
        let _ = write!(text, "[http.{name}]\nurl = \"{url}\"\n\n");
    }
    let file = quoted(&folder.join(TOKEN).to_string_lossy());
    for name in SECRETS {
        let _ = write!(text, "[secret.{name}]\nfile = {file}\n\n");
    }
}

fn server(one: &Server, places: &Places, each: &str, text: &mut String) {
    let Server { name, address, role, .. } = one;
    let _ = write!(text, "[[server]]\nname = \"{name}\"\naddress = \"{address}\"\nroles = [{}]\n", words(*role));
    if let Some(at) = places.pages.get(name) {
        let _ = writeln!(text, "docker = \"{name}\"");
        if *role == Role::Balancer {
            let _ = writeln!(text, "endpoints = {{ site = \"{at}\" }}");
        }
        if role.is_asked() {
            let players = if *role == Role::Game { "players = \"/player_count\", " } else { "" };
            let columns = format!("columns = {{ {players}version = \"/version\" }}");
            let _ = write!(
                text,
                "endpoints = {{ admin = \"http://127.0.0.1:8080\", site = \"{at}\" }}\nhealth = \"{at}/health\"\nstatus = {{ url = \"{at}/status\", {columns} }}\ninterval = \"{each}\"\n"
            );
        }
    }
    text.push('\n');
}

/// What it is for; the runbooks call a load balancer `lb`.
fn words(role: Role) -> String {
    match role {
        Role::Balancer => "\"lb\", \"balancer\"".to_owned(),
        _ => format!("\"{}\"", role.word()),
    }
}

/// A text of TOML: paths may hold anything.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::PROMISED;

    #[test]
    fn what_is_promised_is_what_the_shipped_example_promises() {
        let of = |text: &str| toml::from_str::<toml::Table>(text).unwrap()["prometheus"]["main"]["slo"].clone();
        let example = include_str!("../../assets/config.example.toml");
        assert_eq!(of(PROMISED), of(example));
    }
}
