//! The drill: a whole production in one command, for the first minute and for practice.
//!
//! A pure, seeded [`world`] is stepped by a clock, scraped and alerted on by [`metrics`], disturbed by a [`scenario`], and told of on the
//! wire by [`serve`]: Prometheus, Alertmanager, node_exporter, the game servers and Docker's engines, on loopback ports and on sockets in a
//! private folder. The dashboard in front of it is the ordinary one, over an ordinary config; nothing but the command line knows of a drill.

pub mod alerting;
pub mod clock;
pub mod config;
pub mod folder;
pub mod machine;
pub mod metrics;
pub mod scenario;
pub mod serve;
pub mod shell;
pub mod stage;
pub mod transcript;
pub mod world;

pub use scenario::Scenario;
pub use world::Size;

use config::Places;
use folder::Folder;
use machine::Machine;
use serve::docker::{self, Engine};
use serve::hosts::{self, Token};
use serve::web::{self, Told};
use serve::{alertmanager, postgres, prometheus, ssh, wire};
use stage::{Shared, Stage};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The world is looked at this often, to let the seconds go by that have.
const TICK: Duration = Duration::from_millis(50);
/// Engines of a production with more machines are shared by so many.
const SHARED_BY: usize = 50;

/// What a drill is of.
#[derive(Clone, Debug)]
pub struct Options {
    /// What goes wrong.
    pub scenario: Scenario,
    /// The same one gives the same world.
    pub seed: u64,
    /// Machines and containers.
    pub size: Size,
    /// Seconds of the world in one of ours, 0.1 to 600.
    pub speed: f64,
}

/// A drill that is under way: it ends, and its folder is gone, when this is dropped.
pub struct Drill {
    folder: Folder,
    config: PathBuf,
    stage: Shared,
    told: Told,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drill {
    /// Begins it, and returns when everything can be asked.
    ///
    /// # Errors
    /// When the scenario does not fit the world, or something can't be listened on.
    pub fn start(options: &Options) -> io::Result<Self> {
        folder::sweep(&std::env::temp_dir());
        let folder = Folder::new(&std::env::temp_dir())?;
        let Options { scenario, seed, size, speed } = options.clone();
        let stage = Stage::new(seed, size, scenario, jiff::Timestamp::now(), speed).map_err(io::Error::other)?;
        let (stage, told) = (Shared::new(stage), Told::default());
        let (ready, open) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let production = Production { stage: stage.clone(), told: told.clone(), folder: folder.path().to_owned() };
        // A runtime of its own: what the drill is busy with must not be seen as slowness of the dashboard.
        let thread =
            std::thread::Builder::new().name("drill".to_owned()).spawn(move || production.run(&ready, stopped))?;
        let places = open.recv().map_err(io::Error::other)??;
        let config = folder.path().join("config.toml");
        let text = config::text(&stage.lock(), &places, folder.path());
        std::fs::write(&config, text)?;
        folder::write_secret(&folder.path().join(config::TOKEN), &places.token)?;
        Ok(Self { folder, config, stage, told, stop: Some(stop), thread: Some(thread) })
    }

    /// The config of the dashboard in front of it.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The private folder of all that belongs to it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The world and what is known of it.
    pub fn stage(&self) -> &Shared {
        &self.stage
    }

    /// What it was so far, in words.
    pub fn transcript(&self) -> String {
        transcript::text(&self.stage.lock())
    }

    /// What the status page, the chat and the pager were told.
    pub fn told(&self) -> &Told {
        &self.told
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What runs on the thread.
struct Production {
    stage: Shared,
    told: Told,
    folder: PathBuf,
}

/// All that is listened on.
struct Listeners {
    prometheus: TcpListener,
    alertmanager: TcpListener,
    hosts: TcpListener,
    web: TcpListener,
    databases: [TcpListener; 2],
    engines: Vec<(Engine, UnixListener)>,
    /// None of a large production.
    hosts_by_ssh: Vec<TcpListener>,
    keys: Arc<ssh::keys::Keys>,
}

impl Production {
    fn run(self, ready: &mpsc::Sender<io::Result<Places>>, stopped: oneshot::Receiver<()>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(why) => return drop(ready.send(Err(why))),
        };
        runtime.block_on(async {
            match self.listen().await {
                Err(why) => drop(ready.send(Err(why))),
                Ok((listeners, places)) => {
                    let (token, ports) = (Token(places.token.clone()), places.databases);
                    let alertmanager = places.alertmanager.clone();
                    drop(ready.send(Ok(places)));
                    self.serve(listeners, ports, token, alertmanager, stopped).await;
                }
            }
        });
    }

    async fn listen(&self) -> io::Result<(Listeners, Places)> {
        let [prometheus, alertmanager, hosts, web] =
            [wire::port().await?, wire::port().await?, wire::port().await?, wire::port().await?];
        let databases = [wire::port().await?, wire::port().await?];
        let engines = self.engines()?;
        let (hosts_by_ssh, keys, config) = self.logins().await?;
        let url = |listener: &TcpListener| listener.local_addr().map(|at| format!("http://{at}"));
        let places = Places {
            prometheus: url(&prometheus)?,
            alertmanager: url(&alertmanager)?,
            hosts: url(&hosts)?,
            web: url(&web)?,
            databases: [databases[0].local_addr()?.port(), databases[1].local_addr()?.port()],
            engines: engines.iter().map(|(name, of, path, _)| (name.clone(), of.clone(), path.clone())).collect(),
            ssh: (!hosts_by_ssh.is_empty()).then_some(config),
            token: world::chance::Chance::new(u64::from(std::process::id()), "token").hex(32),
        };
        let engines = engines.into_iter();
        let engines = engines.map(|(_, of, _, listener)| (Engine::new(self.stage.clone(), of), listener)).collect();
        Ok((Listeners { prometheus, alertmanager, hosts, web, databases, engines, hosts_by_ssh, keys }, places))
    }

    /// Where machines can be logged in to, with which keys, and the config of `ssh` that says so.
    async fn logins(&self) -> io::Result<(Vec<TcpListener>, Arc<ssh::keys::Keys>, PathBuf)> {
        let names: Vec<String> = {
            let stage = self.stage.lock();
            let few = !stage.world.is_large();
            stage.world.servers.iter().filter(|_| few).map(|server| server.name.clone()).collect()
        };
        let (mut listeners, mut machines) = (Vec::new(), Vec::new());
        for name in names {
            let listener = wire::port().await?;
            machines.push((name, listener.local_addr()?.port()));
            listeners.push(listener);
        }
        let (keys, config) = ssh::keys::Keys::make(&self.folder, &machines)?;
        Ok((listeners, Arc::new(keys), config))
    }

    /// Their names, the machines that they are of, and where they listen.
    #[expect(clippy::type_complexity, reason = "taken apart where it is made")]
    fn engines(&self) -> io::Result<Vec<(String, std::ops::Range<usize>, PathBuf, UnixListener)>> {
        let stage = self.stage.lock();
        let count = stage.world.servers.len();
        let each = if stage.world.is_large() { SHARED_BY } else { 1 };
        (0..count)
            .step_by(each)
            .map(|first| {
                let of = first..(first + each).min(count);
                let name = if each == 1 {
                    stage.world.servers[first].name.clone()
                } else {
                    format!("engine-{}", first / each + 1)
                };
                let path = self.folder.join(format!("{name}.sock"));
                let listener = UnixListener::bind(&path)?;
                Ok((name, of, path, listener))
            })
            .collect()
    }

    async fn serve(
        &self,
        on: Listeners,
        ports: [u16; 2],
        token: Token,
        alertmanager: String,
        stopped: oneshot::Receiver<()>,
    ) {
        let stage = || self.stage.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(prometheus::serve(on.prometheus, stage(), alertmanager));
        tasks.spawn(alertmanager::serve(on.alertmanager, stage()));
        tasks.spawn(hosts::serve(on.hosts, stage(), token.clone()));
        for (server, listener) in on.hosts_by_ssh.into_iter().enumerate() {
            let machine = Arc::new(Machine::new(stage(), server, token.clone()));
            tasks.spawn(ssh::serve(listener, ssh::Host::new(machine, ports), Arc::clone(&on.keys)));
        }
        tasks.spawn(web::serve(on.web, self.told.clone()));
        for (which, listener) in on.databases.into_iter().enumerate() {
            tasks.spawn(postgres::serve(listener, stage(), which));
        }
        for (engine, listener) in on.engines {
            tasks.spawn(docker::serve(listener, engine));
        }
        tasks.spawn(pass(stage()));
        // Its sender is dropped with the drill; the tasks end with the set.
        let _ = stopped.await;
    }
}

/// Lets the world's time go by with everybody's.
async fn pass(stage: Shared) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        stage.lock().until(clock::seconds(jiff::Timestamp::now()));
    }
}
