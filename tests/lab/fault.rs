//! Ways to make a service fail: servers that never answer, and proxies that pause, cut and lose answers.
//!
//! Plain threads and blocking sockets, so that no runtime of a test can starve them. A proxy also keeps what was sent
//! through it, so that a test can prove that something was *not* sent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Where something listens.
#[derive(Clone, Debug)]
enum Address {
    Tcp(u16),
    Unix(PathBuf),
}

impl Address {
    fn connect(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).map(Socket::Tcp),
            Self::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
        }
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    fn shutdown(&self, how: Shutdown) {
        // It fails when the other side was faster, and then nothing is left to do.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn tcp() -> (Self, Address) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        (Self::Tcp(listener), Address::Tcp(port))
    }

    fn unix() -> (Self, Address) {
        let path = super::service::folder("socket").join("s");
        let listener = UnixListener::bind(&path).expect("a new folder has room for a socket");
        (Self::Unix(listener), Address::Unix(path))
    }

    fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Socket::Tcp(stream)),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Paused,
    Cut,
    Closed,
}

/// What springs when certain bytes come from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trap {
    /// Hold them and pause.
    Hold,
    /// Let them through, and end their connection when the answer comes.
    LoseAnswer,
    /// Let them through, and be dead from the moment on in which the answer comes.
    Die,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    trap: Option<(Vec<u8>, Trap)>,
    sprung: bool,
    accepted: usize,
    /// Connections that both sides have ended.
    ended: usize,
    sent: Vec<u8>,
    live: Vec<Socket>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn new(mode: Mode) -> Arc<Self> {
        let state =
            State { mode, trap: None, sprung: false, accepted: 0, ended: 0, sent: Vec::new(), live: Vec::new() };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A failed wait panics in a test that then drops its proxy: that must not become an abort.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_mode(&self, mode: Mode) {
        let mut state = self.lock();
        state.mode = mode;
        if matches!(mode, Mode::Cut | Mode::Closed) {
            state.live.drain(..).for_each(|socket| socket.shutdown(Shutdown::Both));
        }
        self.changed.notify_all();
    }

    fn wait_for(&self, what: &str, limit: Duration, mut holds: impl FnMut(&State) -> bool) {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        while !holds(&state) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not happen within {limit:?}");
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes in a connection; false when this is the end.
    fn admit(&self, socket: &Socket) -> bool {
        let mut state = self.lock();
        state.accepted += 1;
        self.changed.notify_all();
        match state.mode {
            Mode::Closed => return false,
            Mode::Cut => socket.shutdown(Shutdown::Both),
            Mode::Open | Mode::Paused => state.live.extend(socket.try_clone()),
        }
        true
    }

    /// Waits while paused; whether to go on.
    fn may_pass(&self) -> bool {
        let state = self.lock();
        let state = self.changed.wait_while(state, |state| state.mode == Mode::Paused);
        state.unwrap_or_else(PoisonError::into_inner).mode == Mode::Open
    }

    /// Notes bytes from a client; the trap that they spring, if any.
    fn note(&self, bytes: &[u8]) -> Option<Trap> {
        let mut state = self.lock();
        let before = state.sent.len();
        state.sent.extend_from_slice(bytes);
        let (needle, trap) = state.trap.clone()?;
        // The bytes may have come in two pieces.
        let from = before.saturating_sub(needle.len().saturating_sub(1));
        if !contains(&state.sent[from..], &needle) {
            return None;
        }
        state.trap = None;
        if trap == Trap::Hold {
            state.mode = Mode::Paused;
            state.sprung = true;
        }
        self.changed.notify_all();
        Some(trap)
    }

    /// The service has acted and answered: nobody hears it.
    fn lose(&self, trap: Trap) {
        if trap == Trap::Die {
            self.set_mode(Mode::Cut);
        }
        self.lock().sprung = true;
        self.changed.notify_all();
    }
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

/// A server that takes connections and never says a word.
#[derive(Debug)]
pub struct Hung {
    address: Address,
    shared: Arc<Shared>,
}

impl Hung {
    /// On a free port on loopback.
    pub fn tcp() -> Self {
        Self::start(Listener::tcp())
    }

    /// On a socket in a folder of the lab.
    pub fn unix() -> Self {
        Self::start(Listener::unix())
    }

    fn start((listener, address): (Listener, Address)) -> Self {
        let shared = Shared::new(Mode::Open);
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || while listener.accept().is_ok_and(|socket| theirs.admit(&socket)) {});
        Self { address, shared }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        port(&self.address)
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        socket(&self.address)
    }

    /// Waits until so many connections were made in all.
    pub fn wait_connections(&self, count: usize, limit: Duration) {
        self.shared.wait_for(&format!("connection {count}"), limit, |state| state.accepted >= count);
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        close(&self.shared, &self.address);
    }
}

/// A proxy in front of a service.
#[derive(Debug)]
pub struct Proxy {
    address: Address,
    shared: Arc<Shared>,
}

impl Proxy {
    /// On a free port, in front of a port, both on loopback.
    pub fn tcp(service: u16) -> Self {
        Self::start(Listener::tcp(), Address::Tcp(service))
    }

    /// On a socket in a folder of the lab, in front of a socket.
    pub fn unix(service: &Path) -> Self {
        Self::start(Listener::unix(), Address::Unix(service.to_owned()))
    }

    fn start((listener, address): (Listener, Address), service: Address) -> Self {
        let shared = Shared::new(Mode::Open);
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok(client) = listener.accept() {
                if !theirs.admit(&client) {
                    break;
                }
                let (shared, service) = (Arc::clone(&theirs), service.clone());
                std::thread::spawn(move || serve(&shared, client, &service));
            }
        });
        Self { address, shared }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        port(&self.address)
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        socket(&self.address)
    }

    /// From now on connections are taken, and nothing passes in either direction: a hung service.
    pub fn pause(&self) {
        self.shared.set_mode(Mode::Paused);
    }

    /// Ends all connections, and each new one at once: a dead service.
    pub fn cut(&self) {
        self.shared.set_mode(Mode::Cut);
    }

    /// Lets everything pass again, and first what was held back.
    pub fn open(&self) {
        self.shared.set_mode(Mode::Open);
    }

    /// Holds the next piece from a client in which `needle` occurs, and pauses. See [`Proxy::wait_sprung`].
    pub fn hold_at(&self, needle: &str) {
        self.arm(needle, Trap::Hold);
    }

    /// Lets the next piece from a client in which `needle` occurs pass, and loses the answer: the service acts, and
    /// the connection ends without a word.
    pub fn lose_answer_to(&self, needle: &str) {
        self.arm(needle, Trap::LoseAnswer);
    }

    /// The same, and the answer is the last thing that comes: from then on the service is dead, as after [`Proxy::cut`].
    pub fn die_at_answer_to(&self, needle: &str) {
        self.arm(needle, Trap::Die);
    }

    fn arm(&self, needle: &str, trap: Trap) {
        assert!(!needle.is_empty(), "a trap needs bytes to wait for");
        let mut state = self.shared.lock();
        state.trap = Some((needle.as_bytes().to_vec(), trap));
        state.sprung = false;
    }

    /// Waits until the trap that was set last has sprung: the piece is held, or its answer has come and is lost.
    pub fn wait_sprung(&self, limit: Duration) {
        self.shared.wait_for("what the trap waits for", limit, |state| state.sprung);
    }

    /// Waits until so many connections were made in all.
    pub fn wait_connections(&self, count: usize, limit: Duration) {
        self.shared.wait_for(&format!("connection {count}"), limit, |state| state.accepted >= count);
    }

    /// Waits until the service, too, has ended all connections that were made.
    pub fn wait_all_ended(&self, limit: Duration) {
        self.shared.wait_for("the end of all connections", limit, |state| state.ended == state.accepted);
    }

    /// Everything that clients sent so far, held pieces too.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().sent).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        close(&self.shared, &self.address);
    }
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp(port) => *port,
        Address::Unix(path) => panic!("{} is no port", path.display()),
    }
}

fn socket(address: &Address) -> &Path {
    match address {
        Address::Unix(path) => path,
        Address::Tcp(port) => panic!("{port} is no socket"),
    }
}

fn close(shared: &Shared, address: &Address) {
    shared.set_mode(Mode::Closed);
    // Wakes the thread that accepts, so that it sees the end.
    drop(address.connect());
}

/// One connection through a proxy, until either side ends it.
fn serve(shared: &Arc<Shared>, client: Socket, service: &Address) {
    if !shared.may_pass() {
        return;
    }
    let Ok(server) = service.connect() else { return client.shutdown(Shutdown::Both) };
    let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
    shared.lock().live.extend(server.try_clone());
    let lost = Arc::new(OnceLock::new());
    let (theirs, lost_too) = (Arc::clone(shared), Arc::clone(&lost));
    let back = std::thread::spawn(move || carry_back(&theirs, server_too, client_too, &lost_too));
    carry_forth(shared, client, server, &lost);
    let _ = back.join();
    shared.lock().ended += 1;
    shared.changed.notify_all();
}

fn carry_forth(shared: &Shared, mut client: Socket, mut server: Socket, lost: &OnceLock<Trap>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut piece) {
        if let Some(trap @ (Trap::LoseAnswer | Trap::Die)) = shared.note(&piece[..length]) {
            let _ = lost.set(trap);
        }
        if !shared.may_pass() || server.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    server.shutdown(Shutdown::Write);
}

fn carry_back(shared: &Shared, mut server: Socket, mut client: Socket, lost: &OnceLock<Trap>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut piece) {
        if let Some(trap) = lost.get() {
            shared.lose(*trap);
            break;
        }
        if !shared.may_pass() || client.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    client.shutdown(Shutdown::Both);
    server.shutdown(Shutdown::Both);
}
