//! SSH: the one way to a host, shared by all who use it. One master connection for each destination, made at first use by the
//! machine's own `ssh`; commands and forwardings are channels of it.
//!
//! The system's `ssh` and not a library of our own: the config of whoever is on call (`~/.ssh/config`: aliases, jump hosts, keys,
//! agents, hardware tokens) and their `known_hosts` hold, so what works in a shell works here. The master is spoken to over
//! its socket (`openssh`'s native mux), so a command costs no process here, and giving one up leaves none behind.
//!
//! Owns reaching a host, running something there with limits, and closing. Must not know what is run. Nothing is ever asked
//! of the person at the terminal: an unknown host key, a passphrase or a password is a failure that says how to mend it.

mod address;
mod explain;
mod home;
mod job;
mod master;

pub use address::Address;
pub use home::Home;
pub use job::{Ended, Job, Kept, Output, READING, Said, Tap, follow_input, hand_on, quoted};

use crate::domain::SourceError;
use explain::Place;
use master::Master;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// A connection that takes longer is given up: TCP and the greeting have [`master::CONNECT`], the rest is logging in.
const LOGIN: Duration = Duration::from_secs(10);

/// One destination. Connects at the first use, and again at the next use when the connection was lost or closed as idle.
pub struct Ssh {
    place: Place,
    link: Mutex<Link>,
    /// Below the link, since fields are dropped in this order: a master is stopped through a socket in there.
    home: Arc<Home>,
    /// Remote sockets and ports that were asked for; their position names the local one, so that it stays the same.
    forwards: Lock<Vec<String>>,
    closed: watch::Sender<bool>,
}

/// No answer came.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// The line was open, and something may have gone through it.
    pub left: bool,
    /// Why.
    pub why: SourceError,
}

/// What became of the last attempt to connect.
enum Link {
    Down,
    Up(Arc<Master>),
    Failed { at: Instant, error: SourceError },
}

impl Ssh {
    /// A host, by what one would write after `ssh`; with a config file other than `~/.ssh/config` where there is one.
    pub fn new(address: Address, config: Option<PathBuf>, home: Arc<Home>) -> Self {
        Self {
            place: Place { address, config },
            home,
            link: Mutex::new(Link::Down),
            forwards: Lock::default(),
            closed: watch::Sender::new(false),
        }
    }

    /// What one would write after `ssh`.
    pub fn address(&self) -> &Address {
        &self.place.address
    }

    /// Where that leads by the config of `ssh` as it is now: `ops@10.0.0.4:22`, `ops@10.0.0.4:22 through bastion`. What a plan is about is told,
    /// and hashed, by this. A connection that went elsewhere takes nothing more: what goes through it ends there, and the next use makes a new
    /// one. Contacts nobody.
    pub async fn target(&self) -> String {
        // While somebody connects, what the config says is what they go by.
        let up = self.link.try_lock().ok().and_then(|link| match &*link {
            Link::Up(master) => Some(Arc::clone(master)),
            Link::Down | Link::Failed { .. } => None,
        });
        // One that is gone is made anew at the next use, by what the config says then.
        let stands = match up {
            Some(master) if master.is_alive().await => master,
            Some(_) | None => return master::target(&self.place).await,
        };
        match master::known_target(&self.place).await {
            Some(now) if now != stands.target() => {
                self.retire(&stands).await;
                now
            }
            // Where the config can't be read just now nothing else can be connected to either.
            Some(_) | None => stands.target().to_owned(),
        }
    }

    /// Runs something there, and waits for its end or for [`Job::limit`]. Safe to drop at any await: the channel is closed then,
    /// which ends what reads or writes it.
    ///
    /// # Errors
    /// When the host can't be reached or the connection is lost. A command that fails, is killed or takes too long is an [`Output`].
    pub async fn run(&self, job: &Job<'_>) -> Result<Output, SourceError> {
        self.send(job).await.map_err(|Unanswered { why, .. }| why)
    }

    /// As [`Self::run`], for what changes something.
    ///
    /// # Errors
    /// As there, with whether anything had left by then.
    pub async fn send(&self, job: &Job<'_>) -> Result<Output, Unanswered> {
        let early = |why| Unanswered { left: false, why };
        let input = job.input().map_err(early)?;
        let end = Instant::now() + job.limit;
        let connecting = timeout_at(end, self.master()).await;
        let master = connecting.unwrap_or_else(|_| Err(explain::slow(&self.place, job.limit))).map_err(early)?;
        match job::run(&master, &input, job, end).await {
            Ok(output) => Ok(output),
            Err((left, why)) => Err(Unanswered { left, why: self.lost(&master, &why).await }),
        }
    }

    /// Runs a program there that goes on until it is not wanted any more, handing on what it says. Dropping the future ends it
    /// over there too.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn follow(&self, argv: &[&str], out: &mpsc::Sender<Said>) -> Result<Ended, SourceError> {
        let input = job::follow_input(argv)?;
        let master = self.master().await?;
        match job::follow(&master, &input, out).await {
            Ok(ended) => Ok(ended),
            Err(why) => Err(self.lost(&master, &why).await),
        }
    }

    /// A local socket that is, through the connection, the socket `remote` over there; only this user may open it. Asked for
    /// before each use it costs a local round trip, and it is made again, under the same path, when the connection was lost.
    ///
    /// # Errors
    /// When the host can't be reached. That nothing listens at `remote`, or that the host forbids forwarding, shows when the
    /// socket is used: see [`Self::explain_forward`].
    pub async fn forward_unix(&self, remote: &str) -> Result<PathBuf, SourceError> {
        self.forward(remote).await
    }

    /// As [`Self::forward_unix`], to a port as it is seen from the host: `127.0.0.1:8080`.
    ///
    /// # Errors
    /// As there.
    pub async fn forward_tcp(&self, remote: &str) -> Result<PathBuf, SourceError> {
        self.forward(remote).await
    }

    async fn forward(&self, remote: &str) -> Result<PathBuf, SourceError> {
        let local = self.local_of(remote)?;
        let master = self.master().await?;
        match master.forward(remote, &local).await {
            Ok(()) => Ok(local),
            Err(why) => Err(self.lost(&master, &why).await),
        }
    }

    /// Why a forwarded socket closes at once, when the host said so: nothing listens at `remote`, no right to open it, or
    /// forwarding is forbidden. sshd does not say which. `None` when nothing of the kind happened since the last call.
    pub async fn explain_forward(&self, remote: &str) -> Option<SourceError> {
        let link = self.link.lock().await;
        let Link::Up(master) = &*link else { return None };
        explain::forward(&self.place, remote, &master.news())
    }

    /// Closes the connection for good: from now on every use is a failure. Waits at most a second for the local `ssh`.
    pub async fn close(&self) {
        self.closed.send_replace(true);
        let closing = async {
            let link = std::mem::replace(&mut *self.link.lock().await, Link::Down);
            if let Link::Up(master) = link {
                master.stop().await;
            }
        };
        // An ssh that hangs ends by itself when it was idle for long enough.
        let _ = timeout(Duration::from_secs(1), closing).await;
    }

    /// Closes the connection until the next use, unless a channel of it is open just now, or something goes through a socket of it. Waits at most a second for the local `ssh`.
    pub async fn rest(&self) {
        let resting = async {
            let mut link = self.link.lock().await;
            let unused = match &*link {
                Link::Up(master) => Arc::strong_count(master) == 1 && !master.is_forwarding().await,
                Link::Down | Link::Failed { .. } => false,
            };
            if unused && let Link::Up(master) = std::mem::replace(&mut *link, Link::Down) {
                drop(link);
                master.stop().await;
            }
        };
        let _ = timeout(Duration::from_secs(1), resting).await;
    }

    /// The living connection, or a new one. Everybody who waits for an attempt shares its outcome.
    async fn master(&self) -> Result<Arc<Master>, SourceError> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(explain::leaving(&self.place)),
            master = self.linked() => master,
        }
    }

    async fn linked(&self) -> Result<Arc<Master>, SourceError> {
        let asked = Instant::now();
        let mut link = self.link.lock().await;
        match &*link {
            Link::Up(master) if master.is_alive().await => return Ok(Arc::clone(master)),
            Link::Failed { at, error } if *at >= asked => return Err(error.clone()),
            Link::Up(_) | Link::Failed { .. } | Link::Down => *link = Link::Down,
        }
        let folder = self.home.folder().map_err(|why| explain::no_folder(&why))?;
        let started = timeout(LOGIN, Master::start(&self.place, &folder)).await;
        match started.unwrap_or_else(|_| Err(explain::slow(&self.place, LOGIN))) {
            Ok(master) => {
                let master = Arc::new(master);
                *link = Link::Up(Arc::clone(&master));
                Ok(master)
            }
            Err(error) => {
                *link = Link::Failed { at: Instant::now(), error: error.clone() };
                Err(error)
            }
        }
    }

    /// What it means that a channel failed. One that the host refuses on a living connection will be refused again (too many
    /// are open): the next use makes a new connection.
    async fn lost(&self, master: &Arc<Master>, why: &openssh::Error) -> SourceError {
        let alive = master.is_alive().await;
        let error = explain::lost(&self.place, alive, &super::root(why), &master.log());
        self.retire(master).await;
        error
    }

    /// The next use makes a new connection; what goes through this one ends there.
    async fn retire(&self, master: &Arc<Master>) {
        let mut link = self.link.lock().await;
        if matches!(&*link, Link::Up(current) if Arc::ptr_eq(current, master)) {
            *link = Link::Down;
            drop(link);
            master.stop().await;
        }
    }

    fn local_of(&self, remote: &str) -> Result<PathBuf, SourceError> {
        let folder = self.home.folder().map_err(|why| explain::no_folder(&why))?;
        let mut forwards = self.forwards.lock().unwrap_or_else(PoisonError::into_inner);
        let known = forwards.iter().position(|known| known == remote);
        let place = known.unwrap_or_else(|| {
            forwards.push(remote.to_owned());
            forwards.len() - 1
        });
        Ok(folder.join(format!("{}-{place}.sock", self.place.tag())))
    }
}
