//! SSH, spoken to the ordinary `ssh`: a port for each machine, one user, and one key that was made for this drill and is gone with it.
//!
//! What runs there is the drill's own [`shell`](crate::drill::shell) over the machine's own files: no program of this computer is started, and
//! forwards lead to the drill's own services alone.

mod channel;
mod forward;
mod kept;
pub mod keys;
mod probe;

use crate::drill::machine::{Control, Machine, USER};
use crate::drill::shell::Ended;
use kept::Keeper;
use keys::Keys;
use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, MethodKind, MethodSet, Pty};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A machine without power is noticed within so long by who is connected to it.
const POWER: Duration = Duration::from_millis(500);

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

/// Serves one.
pub async fn serve(listener: TcpListener, host: Host, keys: Arc<Keys>) {
    let config = Arc::new(Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![keys.host.clone()],
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    });
    let host = Arc::new(host);
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                // A machine without power answers nobody.
                if host.machine.is_up() {
                    let login = Login { host: Arc::clone(&host), key: keys.client.clone(), channels: HashMap::new() };
                    open.spawn(connection(socket, Arc::clone(&config), login));
                }
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn connection(socket: TcpStream, config: Arc<Config>, login: Login) {
    let machine = Arc::clone(&login.host.machine);
    // Whoever speaks something else, or not well, is hung up on.
    let Ok(session) = run_stream(config, socket, login).await else { return };
    let handle = session.handle();
    tokio::select! {
        _ = session => {}
        () = power_is_lost(&machine) => {
            let _ = handle.disconnect(Disconnect::ByApplication, "the machine has no power".to_owned(), "en".to_owned()).await;
        }
    }
}

async fn power_is_lost(machine: &Machine) {
    while machine.is_up() {
        tokio::time::sleep(POWER).await;
    }
}

/// A connection.
struct Login {
    host: Arc<Host>,
    key: PublicKey,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Login {
    fn begin(&mut self, id: ChannelId, command: String, session: &mut Session) -> Result<(), russh::Error> {
        let Some(channel) = self.channels.remove(&id) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        tokio::spawn(channel::talk(Arc::clone(&self.host), channel, command));
        Ok(())
    }
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let fits = user == USER && key.public_key.key_data() == self.key.key_data();
        Ok(if fits { Auth::Accept } else { Auth::reject() })
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
        match forward::to(&self.host, host, port) {
            Ok(way) => {
                reply.accept().await;
                tokio::spawn(forward::carry(Arc::clone(&self.host), channel, way));
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
