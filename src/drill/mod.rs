//! The drill: a whole production in one command, for the first minute and for practice.
//!
//! A pure, seeded [`world`] is stepped by a clock, scraped and alerted on by [`metrics`], disturbed by a [`scenario`], and told of on the
//! wire by [`serve`]: Prometheus, Alertmanager, node_exporter, the game servers and Docker's engines, on loopback ports and on sockets in a
//! private folder. The dashboard in front of it is the ordinary one, over an ordinary config; nothing but the command line knows of a drill.

pub mod alerting;
pub mod clock;
pub mod config;
pub mod deed;
pub mod folder;
pub mod guide;
pub mod kept;
pub mod machine;
pub mod metrics;
pub mod scenario;
pub mod score;
pub mod script;
pub mod serve;
pub mod shell;
pub mod stage;
pub mod transcript;
pub mod world;

pub use scenario::Scenario;
pub use world::Size;

use crate::domain::record::Record;
use config::Places;
use folder::Folder;
use score::{Handled, Score};
use serve::docker::{self, Engine};
use serve::door::Door;
use serve::hosts::{self, Token};
use serve::ssh::keys::Reached;
use serve::web::{self, Told};
use serve::{alertmanager, postgres, prometheus, ssh, wire};
use stage::{Shared, Stage};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The world is looked at this often, to let the seconds go by that have.
const TICK: Duration = Duration::from_millis(50);
/// The dashboard looks this often; where the world is moved by hand, somebody waits for what it shows of that.
const EACH: &str = "1s";
const AT_ONCE: &str = "250ms";
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
    /// It goes by when it is told to ([`Stage::pass`]), and not by itself.
    pub by_hand: bool,
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
        let Options { scenario, seed, size, speed, by_hand } = options.clone();
        let now = jiff::Timestamp::now();
        let mut stage = Stage::new(seed, size, scenario, now, speed).map_err(io::Error::other)?;
        if by_hand {
            stage.by_hand(now);
        }
        let (stage, told) = (Shared::new(stage), Told::default());
        let (ready, open) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let production =
            Production { stage: stage.clone(), told: told.clone(), folder: folder.path().to_owned(), by_hand };
        // A runtime of its own: what the drill is busy with must not be seen as slowness of the dashboard.
        let thread =
            std::thread::Builder::new().name("drill".to_owned()).spawn(move || production.run(&ready, stopped))?;
        let places = open.recv().map_err(io::Error::other)??;
        let config = folder.path().join("config.toml");
        let text = config::text(&stage.lock(), &places, folder.path(), if by_hand { AT_ONCE } else { EACH });
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

    /// The file of its journal.
    pub fn journal(&self) -> PathBuf {
        self.folder.path().join(config::JOURNAL)
    }

    /// How it was handled, as the records of its journal say, oldest first.
    pub fn handled(&self, records: &[Record]) -> Handled {
        let stage = self.stage.lock();
        Handled::of(records, |record| stage.second_of(record.at))
    }

    /// How well it was played so far.
    pub fn score(&self, handled: &Handled) -> Score {
        let stage = self.stage.lock();
        Score::of(stage.kept(), stage.scenario(), handled)
    }

    /// What it was so far, as Markdown.
    pub fn transcript(&self, handled: &Handled) -> String {
        transcript::text(&self.stage.lock(), handled)
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
    by_hand: bool,
}

/// The doors to machines' own pages, one machine after the other, and their addresses by its name.
type Pages = (Vec<Door<TcpListener>>, BTreeMap<String, String>);

/// Machines, and where they are logged in to.
type Logins = Vec<(Range<usize>, Door<TcpListener>)>;

/// All that is listened on.
struct Listeners {
    prometheus: TcpListener,
    alertmanager: TcpListener,
    web: TcpListener,
    /// Of each machine, its own pages; none of many machines.
    pages: Vec<Door<TcpListener>>,
    databases: [Door<TcpListener>; 2],
    engines: Vec<(Engine, Door<UnixListener>)>,
    ssh: Logins,
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
        let [prometheus, alertmanager, web] = [wire::port().await?, wire::port().await?, wire::port().await?];
        let [(primary, primary_port), (standby, standby_port)] = [Door::port()?, Door::port()?];
        let (engines, (ssh, keys, config), (pages, paths)) = (self.engines()?, self.logins()?, self.pages()?);
        let url = |listener: &TcpListener| listener.local_addr().map(|at| format!("http://{at}"));
        let places = Places {
            prometheus: url(&prometheus)?,
            alertmanager: url(&alertmanager)?,
            web: url(&web)?,
            pages: paths,
            databases: [primary_port, standby_port],
            engines: engines.iter().map(|(name, of, path, _)| (name.clone(), of.clone(), path.clone())).collect(),
            ssh: config,
            token: world::chance::Chance::new(u64::from(std::process::id()), "token").hex(32),
        };
        let engines = engines.into_iter();
        let engines = engines.map(|(_, of, _, door)| (Engine::new(self.stage.clone(), of), door)).collect();
        let databases = [primary, standby];
        Ok((Listeners { prometheus, alertmanager, web, pages, databases, engines, ssh, keys }, places))
    }

    /// Where machines are logged in to, with which keys, and the config of `ssh` that says so.
    fn logins(&self) -> io::Result<(Logins, Arc<ssh::keys::Keys>, PathBuf)> {
        let stage = self.stage.lock();
        let servers = &stage.world.servers;
        // A port is a file that is open: of many machines all have one.
        let each = if stage.world.is_large() { servers.len() } else { 1 };
        let (mut logins, mut reached) = (Vec::new(), Vec::new());
        for first in (0..servers.len()).step_by(each) {
            let (of, (door, port)) = (first..first + each, Door::port()?);
            let at = |server: &world::Server| (server.name.clone(), server.address.clone());
            reached.extend(servers[of.clone()].iter().map(at).map(|(name, address)| Reached { name, address, port }));
            logins.push((of, door));
        }
        let (keys, config) = ssh::keys::Keys::make(&self.folder, &reached)?;
        Ok((logins, Arc::new(keys), config))
    }

    /// Where the machines' own pages are; of many machines nobody asks for them.
    fn pages(&self) -> io::Result<Pages> {
        let stage = self.stage.lock();
        let servers = if stage.world.is_large() { &[] } else { stage.world.servers.as_slice() };
        let (mut doors, mut paths) = (Vec::new(), BTreeMap::new());
        for server in servers {
            let (door, port) = Door::port()?;
            paths.insert(server.name.clone(), format!("http://127.0.0.1:{port}/{}", server.name));
            doors.push(door);
        }
        Ok((doors, paths))
    }

    /// Their names, the machines that they are of, and where they listen.
    #[expect(clippy::type_complexity, reason = "taken apart where it is made")]
    fn engines(&self) -> io::Result<Vec<(String, Range<usize>, PathBuf, Door<UnixListener>)>> {
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
                let door = Door::socket(path.clone())?;
                Ok((name, of, path, door))
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
        for (server, door) in on.pages.into_iter().enumerate() {
            tasks.spawn(hosts::serve(door, stage(), server, token.clone()));
        }
        let hosts = Arc::new(ssh::Hosts::new(stage(), token, ports));
        for (of, door) in on.ssh {
            tasks.spawn(ssh::serve(door, of, Arc::clone(&hosts), Arc::clone(&on.keys)));
        }
        tasks.spawn(web::serve(on.web, stage(), self.told.clone()));
        for (which, door) in on.databases.into_iter().enumerate() {
            tasks.spawn(postgres::serve(door, stage(), which));
        }
        for (engine, door) in on.engines {
            tasks.spawn(docker::serve(door, engine));
        }
        if !self.by_hand {
            tasks.spawn(pass(stage()));
        }
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
