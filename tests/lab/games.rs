//! Game servers and load balancers as the handbook's chapter about scaling has them: each server on a host and an address of its own, its
//! admin service on 8080 and players on 8081, with the scripts of `/opt/spacetime` and a `docker`; a real nginx with the
//! handbook's `/etc/nginx/conf.d/spacetime.conf`.
//!
//! What a server tells and takes over HTTP is kept in this process: players, who leave one after the other once it is drained, and how many
//! requests it has had. Its containers are a file on its host: while `/run/stopped` is there it hangs up on everybody.

use super::cloud::Cloud;
use super::edge::{Host, write};
use super::scripted::{Say, Scripted};
use super::service::{Service, folder, free_port};
use super::{http, program};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What `/admin` of a server wants to be told.
pub const TOKEN: &str = "canary-games-2b91d3";
/// How many play on a server at the start.
pub const PLAYERS: u32 = 3;

/// Between two players who leave.
const LEAVES: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(30);
const ADMIN: u16 = 8080;
const PLAY: u16 = 8081;

/// The engine of a server without colours: one container, in the project of the folder's name.
const DOCKER: &str = r#"#!/bin/sh
set -eu
case $1 in
  ps)
    case $* in *label=com.docker.compose.project=production*) ;; *) exit 0 ;; esac
    case $2 in -a*) ;; *) [ ! -e /run/stopped ] || exit 0 ;; esac
    state='Up 5 seconds (healthy)'
    [ ! -e /run/stopped ] || state='Exited (0) 5 seconds ago'
    case $* in *Status*) echo "production-godot-server-1 $state" ;; *) echo 1f0c ;; esac ;;
  stop) echo "docker $*" >>/run/called; touch /run/stopped ;;
  start) echo "docker $*" >>/run/called; rm -f /run/stopped ;;
  *) exit 64 ;;
esac
"#;
const PROVISION: &str = "set -eu\necho \"provision_server.sh $*\" >>/run/called\nrm /run/stopped\n";
const JOIN: &str = "set -eu\ntest ! -e /run/stopped\necho \"join_mesh.sh $*\" >>/run/called\n";
const BACKUP: &str = "set -eu\necho backup_server.sh >>/run/called\n\
    tar -C / -czf /opt/backup/server_$(date +%Y%m%d_%H%M%S).tar.gz opt/spacetime/production\n";

#[derive(Debug, Default)]
struct State {
    requests: u64,
    drained: Option<Instant>,
    /// Whoever plays stays.
    stay: bool,
    /// What a drain was told last.
    told: String,
    /// The load balancer's file of the site.
    site: PathBuf,
    /// Its text whenever newcomers could come again.
    reopened: Vec<String>,
}

impl State {
    fn players(&self) -> u32 {
        let since = self.drained.filter(|_| !self.stay);
        let left = since.map_or(0, |since| since.elapsed().as_millis() / LEAVES.as_millis());
        PLAYERS.saturating_sub(u32::try_from(left).unwrap_or(PLAYERS))
    }

    fn take(&mut self, request: &str) -> Say {
        self.requests += 1;
        let line: Vec<&str> = request.split(' ').take(2).collect();
        let known = request.lines().any(|line| line.to_lowercase() == format!("authorization: bearer {TOKEN}"));
        match line[..] {
            ["GET", "/health"] => Say::good("{\"status\": \"healthy\"}"),
            ["GET", "/metrics"] => Say::good(format!("http_requests_total{{status=\"200\"}} {}\n", self.requests)),
            ["GET", "/status"] => self.status(),
            [_, path] if path.starts_with("/admin/") && !known => Say::Answer(401, b"{}".to_vec()),
            ["POST", "/admin/drain"] => {
                request.rsplit('\n').next().unwrap_or_default().clone_into(&mut self.told);
                self.drained = self.drained.or_else(|| Some(Instant::now()));
                self.status()
            }
            ["DELETE", "/admin/drain"] => {
                self.drained = None;
                self.reopened.push(fs::read_to_string(&self.site).unwrap_or_default());
                self.status()
            }
            _ => Say::Answer(404, b"{}".to_vec()),
        }
    }

    fn status(&self) -> Say {
        Say::good(format!("{{\"player_count\": {}, \"draining\": {}}}", self.players(), self.drained.is_some()))
    }
}

/// A game server.
#[derive(Debug)]
pub struct Game {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub address: Ipv4Addr,
    /// Where it runs.
    pub host: Host,
    state: Arc<Mutex<State>>,
    _services: [Scripted; 2],
}

impl Game {
    /// One that runs; its `aws` is the stand-in of a cloud.
    pub fn start(name: &str, cloud: &Cloud) -> Result<Self, String> {
        let (opt, bin) = (folder("opt"), folder("bin"));
        for (file, text) in [("provision_server.sh", PROVISION), ("join_mesh.sh", JOIN), ("backup_server.sh", BACKUP)] {
            write(&opt.join("spacetime/scripts").join(file), text, 0o644)?;
        }
        write(&opt.join("spacetime/production/.env"), "IMAGE_TAG=v2.5.0\n", 0o600)?;
        fs::create_dir(opt.join("backup")).map_err(|why| why.to_string())?;
        write(&bin.join("docker"), DOCKER, 0o755)?;
        let aws = format!("#!/bin/sh\nexec {}/aws \"$@\"\n", cloud.bin().display());
        write(&bin.join("aws"), &aws, 0o755)?;
        let host = Host::with(&[(&opt, "/opt"), (&bin, "/usr/local/sbin")])?;
        let (address, listeners) = listeners()?;
        host.sshd.client_block(&format!("Host {address}\n  HostName 127.0.0.1\n  Port {}", host.sshd.port));
        let (state, stopped) = (Arc::new(Mutex::new(State::default())), host.folder("run/stopped"));
        let services = listeners.map(|listener| {
            let (state, stopped) = (Arc::clone(&state), stopped.clone());
            let say = move |request: &str| {
                if stopped.exists() {
                    return Say::Nothing;
                }
                state.lock().unwrap_or_else(PoisonError::into_inner).take(request)
            };
            Scripted::start_on(listener, say)
        });
        Ok(Self { name: name.to_owned(), address, host, state, _services: services })
    }

    /// As an image leaves a machine: nothing runs on it.
    pub fn is_new(&self) {
        fs::write(self.host.folder("run/stopped"), "").expect("a file of the host");
    }

    /// Whether its containers run.
    pub fn runs(&self) -> bool {
        !self.host.folder("run/stopped").exists()
    }

    /// From now on nobody leaves it.
    pub fn keeps_players(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stay = true;
    }

    /// Whether it is drained, and how many play on it.
    pub fn state(&self) -> (bool, u32) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.drained.is_some(), state.players())
    }

    /// What the last drain was told.
    pub fn told(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }

    /// Each time that newcomers could come again, whether the load balancer sent it somebody by then.
    pub fn reopened(&self) -> Vec<bool> {
        let line = format!("\n  server {};", self.place());
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reopened.iter().map(|text| text.contains(&line)).collect()
    }

    /// Which of its scripts were called, and what was stopped and started by `docker`, with their words.
    pub fn called(&self) -> Vec<String> {
        let text = fs::read_to_string(self.host.folder("run/called")).unwrap_or_default();
        text.lines().filter(|line| !line.contains(" ps ")).map(str::to_owned).collect()
    }

    /// What stands in an upstream for it.
    pub fn place(&self) -> String {
        format!("{}:{PLAY}", self.address)
    }

    /// Its tables of a config.
    pub fn config(&self) -> String {
        let (name, address) = (&self.name, self.address);
        ssh_table(name, &self.host)
            + &format!(
                "[[server]]\nname = \"{name}\"\naddress = \"{address}\"\nroles = [\"game\"]\n\
                 endpoints = {{ admin = \"http://{address}:{ADMIN}\" }}\n"
            )
    }
}

/// An address that nobody else has, with both ports.
fn listeners() -> Result<(Ipv4Addr, [TcpListener; 2]), String> {
    let process = u8::try_from(std::process::id() % 250).expect("below 250");
    let all = (1..=250).map(|number| Ipv4Addr::new(127, 79, process, number));
    let mut free = all.filter_map(|address| {
        let bound = [ADMIN, PLAY].map(|port| TcpListener::bind((address, port)).ok());
        let [Some(admin), Some(play)] = bound else { return None };
        Some((address, [admin, play]))
    });
    free.next().ok_or_else(|| "no address of loopback is free".to_owned())
}

fn ssh_table(name: &str, host: &Host) -> String {
    format!("[ssh.{name}]\nhost = \"{}\"\nconfig = \"{}\"\n", super::sshd::HOST, host.sshd.config().display())
}

/// A load balancer.
#[derive(Debug)]
pub struct Balancer {
    /// Where it runs.
    pub host: Host,
    port: u16,
    _nginx: Service,
}

impl Balancer {
    fn start(games: &[&Game]) -> Result<Self, String> {
        let program = program(&["nginx"], &[]).ok_or("nginx is not installed (nginx)")?;
        let (host, port) = (Host::with(&[])?, free_port());
        let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path /run/{of};"));
        let main = format!(
            "worker_processes 2; pid /run/nginx.pid; error_log /run/nginx-error.log;\nevents {{}}\n\
             http {{ access_log off; {}\ninclude /etc/nginx/conf.d/*.conf; }}\n",
            temp.concat()
        );
        let mut site = "upstream spacetime_backend {\n".to_owned();
        for game in games {
            let _ = writeln!(site, "  server {};", game.place());
        }
        let _ = write!(
            site,
            "}}\nserver {{\n  listen 127.0.0.1:{port};\n  location / {{ proxy_pass http://spacetime_backend; }}\n}}\n"
        );
        write(&host.folder("nginx/nginx.conf"), &main, 0o644)?;
        write(&host.folder("nginx/conf.d/spacetime.conf"), &site, 0o644)?;
        let mut nginx = Service::start("games-nginx-log", host.command(&program).args(["-g", "daemon off;"]))?;
        nginx.ready(LIMIT, || http::get(port, "/health").is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { host, port, _nginx: nginx })
    }

    /// Its file of the site.
    pub fn file(&self) -> PathBuf {
        self.host.folder("nginx/conf.d/spacetime.conf")
    }

    /// The lines of its upstream.
    pub fn upstream(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file()).expect("the site's file");
        let lines = text.lines().skip(1).take_while(|line| *line != "}");
        lines.map(|line| line.trim().to_owned()).collect()
    }

    fn config(&self) -> String {
        ssh_table("lb-1", &self.host) + "[[server]]\nname = \"lb-1\"\nroles = [\"lb\"]\n"
    }
}

/// Game servers, their load balancer, and the clouds' commands.
#[derive(Debug)]
pub struct Games {
    /// In the order of their names: `game-1`, …
    pub servers: Vec<Game>,
    /// `lb-1`.
    pub balancer: Balancer,
    /// `aws` and `terraform`.
    pub cloud: Cloud,
    ssh: PathBuf,
}

impl Games {
    /// So many servers in the upstream, and one more that is new.
    pub fn start(count: usize) -> Result<Self, String> {
        let missing = ["curl", "jq", "sudo"].into_iter().find(|name| program(&[name], &[]).is_none());
        if let Some(missing) = missing {
            return Err(format!("{missing} is not installed ({missing})"));
        }
        let cloud = Cloud::new(&["aws", "terraform"]);
        let games = (1..=count + 1).map(|number| Game::start(&format!("game-{number}"), &cloud));
        let games = games.collect::<Result<Vec<_>, _>>()?;
        games[count].is_new();
        let known: Vec<&Game> = games[..count].iter().collect();
        let balancer = Balancer::start(&known)?;
        for game in &games {
            game.state.lock().unwrap_or_else(PoisonError::into_inner).site = balancer.file();
        }
        let ssh = folder("ssh");
        let config = games[count].host.sshd.config();
        // Whoever goes to a host that no config names, as its own SSH config would lead there.
        let words = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", config.display());
        write(&ssh.join("ssh"), &words, 0o755)?;
        Ok(Self { servers: games, balancer, cloud, ssh })
    }

    /// The addresses of the first so many servers, as Terraform prints them.
    pub fn ips(&self, count: usize) -> serde_json::Value {
        self.servers[..count].iter().map(|game| game.address.to_string()).collect()
    }

    /// The config of the servers in use, and of the load balancer.
    pub fn config(&self) -> String {
        let used = &self.servers[..self.servers.len() - 1];
        let token = folder("token").join("token");
        write(&token, TOKEN, 0o600).expect("a file in the lab's folder");
        used.iter().map(Game::config).collect::<String>()
            + &self.balancer.config()
            + &format!("[secret.admin_token]\nfile = \"{}\"\n", token.display())
    }

    /// The parameter that says where the load balancer is asked.
    pub fn site(&self) -> String {
        format!("site=http://127.0.0.1:{}/health", self.balancer.port)
    }

    /// What a command is started with, so that it finds the stand-ins.
    pub fn wrapper(&self) -> Vec<String> {
        let path = format!("PATH={}:{}", self.ssh.display(), self.cloud.path());
        vec!["/usr/bin/env".to_owned(), path]
    }
}
