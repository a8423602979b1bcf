//! SSH, spoken to the ordinary `ssh`: a port for each machine, or one for many, which are told apart by the name that is logged in with
//! (`ops@game-1`), and one key that was made for this drill and is gone with it.
//!
//! What runs there is the drill's own [`shell`](crate::drill::shell) over the machine's own files: no program of this computer is started, and
//! forwards lead to the drill's own services alone.

mod channel;
mod forward;
mod kept;
pub mod keys;
mod probe;

use crate::drill::machine::{Control, Machine, USER};
use crate::drill::serve::door::{Door, until};
use crate::drill::serve::hosts::Token;
use crate::drill::shell::Ended;
use crate::drill::stage::Shared;
use crate::drill::world::World;
use kept::Keeper;
use keys::Keys;
use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, MethodKind, MethodSet, Pty};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// A machine that can be logged in to.
pub struct Host {
    machine: Arc<Machine>,
    /// Changes that it keeps.
    keeper: Keeper,
    /// What runs there, by what it is known by.
    running: Mutex<Vec<(String, Control)>>,
    /// Where the drill's PostgreSQL listens: the primary, the standby.
    databases: [u16; 2],
}

impl Host {
    /// Of a machine.
    pub fn new(machine: Arc<Machine>, databases: [u16; 2]) -> Self {
        Self { machine, keeper: Keeper::default(), running: Mutex::default(), databases }
    }

    /// Something begins that is known by a name, and ends with the drill at the latest.
    fn begin(&self, name: &str, limit: Duration) -> Control {
        let control = Control::new(limit);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|(_, control)| !control.is_over());
        running.push((name.to_owned(), control.clone()));
        control
    }

    /// Ends all that is known by a name.
    fn end(&self, name: &str) {
        for (_, control) in
            self.running.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(own, _)| own == name)
        {
            control.end(Ended::Kill);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (_, control) in self.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            control.end(Ended::Kill);
        }
    }
}

/// All machines that can be logged in to. One is made when somebody first comes: of a thousand most are never asked.
pub struct Hosts {
    stage: Shared,
    token: Token,
    databases: [u16; 2],
    all: Vec<OnceLock<Arc<Host>>>,
}

impl Hosts {
    /// Of all machines of the stage, with what /admin/ wants and where PostgreSQL listens.
    pub fn new(stage: Shared, token: Token, databases: [u16; 2]) -> Self {
        let all = stage.lock().world.servers.iter().map(|_| OnceLock::new()).collect();
        Self { stage, token, databases, all }
    }

    /// The machine that a user's name means.
    fn find(&self, user: &str) -> Option<Arc<Host>> {
        let name = user.strip_prefix(USER)?.strip_prefix('@')?;
        let at = self.stage.lock().world.servers.iter().position(|server| server.name == name)?;
        let make = || {
            let machine = Machine::new(self.stage.clone(), at, self.token.clone());
            Arc::new(Host::new(Arc::new(machine), self.databases))
        };
        Some(Arc::clone(self.all[at].get_or_init(make)))
    }
}

/// Who logs in to a machine, for `ssh`.
pub fn user_of(machine: &str) -> String {
    format!("{USER}@{machine}")
}

/// Serves some of them at their port, while one has power.
pub async fn serve(door: Door<TcpListener>, servers: Range<usize>, hosts: Arc<Hosts>, keys: Arc<Keys>) {
    let is_up = |world: &World| world.servers[servers.clone()].iter().any(|server| server.up);
    door.keep(hosts.stage.clone(), is_up, |listener| on(listener, Arc::clone(&hosts), Arc::clone(&keys))).await;
}

async fn on(listener: TcpListener, hosts: Arc<Hosts>, keys: Arc<Keys>) {
    let config = Arc::new(Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![keys.host.clone()],
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    });
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (host, key) = (Arc::default(), keys.client.clone());
        let login = Login { hosts: Arc::clone(&hosts), host, key, channels: HashMap::new() };
        // By itself: what it runs in goes on when it is dropped, and is ended by a word alone.
        tokio::spawn(connection(socket, Arc::clone(&config), login));
    }
}

async fn connection(socket: TcpStream, config: Arc<Config>, login: Login) {
    let (host, mut changes) = (Arc::clone(&login.host), login.hosts.stage.lock().changes());
    // Whoever speaks something else, or not well, is hung up on.
    let Ok(session) = run_stream(config, socket, login).await else { return };
    let handle = session.handle();
    let has_no_power = || host.get().is_some_and(|host: &Arc<Host>| !host.machine.is_up());
    tokio::select! {
        _ = session => {}
        () = until(&mut changes, has_no_power) => {
            let _ = handle.disconnect(Disconnect::ByApplication, "the machine has no power".to_owned(), "en".to_owned()).await;
        }
    }
}

/// A connection.
struct Login {
    hosts: Arc<Hosts>,
    /// Where it leads, as soon as that is known.
    host: Arc<OnceLock<Arc<Host>>>,
    key: PublicKey,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Login {
    /// The machine that is meant. One without power answers nobody: it is hung up.
    fn meant(&self, user: &str) -> Result<Option<Arc<Host>>, russh::Error> {
        match self.hosts.find(user) {
            Some(host) if !host.machine.is_up() => Err(russh::Error::Disconnect),
            found => Ok(found),
        }
    }

    fn begin(&mut self, id: ChannelId, command: String, session: &mut Session) -> Result<(), russh::Error> {
        let (Some(channel), Some(host)) = (self.channels.remove(&id), self.host.get()) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        tokio::spawn(channel::talk(Arc::clone(host), channel, command));
        Ok(())
    }
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, russh::Error> {
        self.meant(user).map(|_| Auth::reject())
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let Some(host) = self.meant(user)?.filter(|_| key.public_key.key_data() == self.key.key_data()) else {
            return Ok(Auth::reject());
        };
        // Once: who has logged in stays where they are.
        let _ = self.host.set(host);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(from) = self.host.get() else { return Ok(()) };
        match forward::to(from, host, port) {
            Ok(way) => {
                reply.accept().await;
                tokio::spawn(forward::carry(Arc::clone(from), channel, way));
            }
            Err(reason) => reply.reject(ChannelOpenFailure::Other { code: 2, reason }).await,
        }
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        self.begin(id, String::from_utf8_lossy(command).into_owned(), session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        self.begin(id, "sh -s".to_owned(), session)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn subsystem_request(&mut self, id: ChannelId, _: &str, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }
}
