//! The program in the lab's containers: a game server, or the API, as small as an operator can tell no difference.
//!
//! It is compiled by itself, by `rustc` alone and without a loader, because a container of the lab holds nothing but busybox: so it
//! takes nothing but the standard library. It listens on a port of its container, where its health check asks, and on a socket that
//! the machine shares with it, where everybody else comes in.
//!
//! | variable | meaning |
//! |---|---|
//! | `SPACETIME_SERVICE` | `godot-server` or `godot-api` |
//! | `SPACETIME_VERSION` | what `/status` says |
//! | `SPACETIME_FAULT` | what is wrong with this version: `errors` (every request is answered by 500), `sick` (`/health` says 503) |
//! | `SPACETIME_PLAYERS` | how many play on it at the start |
//! | `SPACETIME_FOLDER` | the shared folder: its sockets, each called as the address in front of it |
//! | `SPACETIME_ADDRESS` | which of them is ours |
//! | `ADMIN_TOKEN` | what `/admin` wants to be told |

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where the health check asks.
const PORT: u16 = 8080;
/// Between two players who leave a server that is drained.
const LEAVES: Duration = Duration::from_millis(200);
/// What a leak takes at a time, and how much of the limit it leaves: the next request must still be answered.
const LEAK: usize = 2 << 20;
const LEAVE_FREE: usize = 3 << 20;
/// The bounds of the histogram: seconds.
const BOUNDS: [f64; 6] = [0.005, 0.05, 0.25, 1.0, 2.0, 5.0];

struct Settings {
    service: String,
    version: String,
    fault: String,
    folder: PathBuf,
    address: String,
    token: String,
}

#[derive(Default)]
struct State {
    players: u32,
    /// Whether newcomers are sent elsewhere.
    draining: bool,
    /// Answers by status.
    answers: BTreeMap<u16, u64>,
    /// How long they took, each counted under the first bound that it is not above.
    took: [u64; BOUNDS.len() + 1],
    seconds: f64,
    /// What is never given back.
    leaked: Vec<Vec<u8>>,
}

struct Server {
    settings: Settings,
    state: Mutex<State>,
    since: Instant,
}

struct Request {
    verb: String,
    path: String,
    token: Option<String>,
    body: String,
}

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let settings = Settings {
        service: variable("SPACETIME_SERVICE"),
        version: variable("SPACETIME_VERSION"),
        fault: variable("SPACETIME_FAULT"),
        folder: variable("SPACETIME_FOLDER").into(),
        address: variable("SPACETIME_ADDRESS"),
        token: variable("ADMIN_TOKEN"),
    };
    let players = variable("SPACETIME_PLAYERS").parse().unwrap_or_default();
    let state = Mutex::new(State { players, ..State::default() });
    let server = Arc::new(Server { settings, state, since: Instant::now() });
    println!("{} {} listens on {}", server.settings.service, server.settings.version, server.settings.address);
    let socket = server.settings.folder.join(&server.settings.address);
    // That of a process before us.
    let _ = std::fs::remove_file(&socket);
    let outside = UnixListener::bind(&socket).expect("the shared folder takes a socket");
    let inside = TcpListener::bind(("127.0.0.1", PORT)).expect("the container's port is free");
    let theirs = Arc::clone(&server);
    std::thread::spawn(move || inside.incoming().flatten().for_each(|stream| spawn(&theirs, stream)));
    outside.incoming().flatten().for_each(|stream| spawn(&server, stream));
}

fn spawn(server: &Arc<Server>, stream: impl Read + Write + Send + 'static) {
    let server = Arc::clone(server);
    std::thread::spawn(move || server.talk(stream));
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(self: &Arc<Self>, mut stream: impl Read + Write) {
        let mut reader = BufReader::new(stream);
        let Some(request) = read(&mut reader) else { return };
        stream = reader.into_inner();
        let begun = Instant::now();
        let (status, body) = self.answer(&request);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        // Who went away before the answer is counted all the same.
        let _ = stream.write_all((head + &body).as_bytes());
        // What looks after it is no request of a player.
        if !["/health", "/metrics"].contains(&request.path.as_str()) {
            self.count(status, begun.elapsed().as_secs_f64());
        }
    }

    fn count(&self, status: u16, seconds: f64) {
        let mut state = self.state();
        *state.answers.entry(status).or_default() += 1;
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        state.took[place] += 1;
        state.seconds += seconds;
    }

    fn answer(self: &Arc<Self>, request: &Request) -> (u16, String) {
        let fault = self.settings.fault.as_str();
        match (request.verb.as_str(), request.path.as_str()) {
            ("GET", "/health") if fault == "sick" => (503, "{\"status\": \"unhealthy\"}\n".to_owned()),
            ("GET", "/health") => (200, "{\"status\": \"healthy\"}\n".to_owned()),
            ("GET", "/status") => (200, self.status()),
            ("GET", "/metrics") => (200, self.metrics()),
            (_, path) if path.starts_with("/admin/") => self.administer(request),
            ("GET", path) if fault == "errors" => {
                eprintln!("Error: no session for the player: sessions.lookup returned nil (GET {path})");
                (500, "{\"error\": \"internal\"}\n".to_owned())
            }
            ("GET", _) => (200, format!("{} {}\n", self.settings.address, self.settings.version)),
            _ => (404, "{}\n".to_owned()),
        }
    }

    fn administer(self: &Arc<Self>, request: &Request) -> (u16, String) {
        if request.token.as_deref() != Some(self.settings.token.as_str()) {
            return (401, "{\"error\": \"who are you\"}\n".to_owned());
        }
        match (request.verb.as_str(), request.path.as_str()) {
            ("POST", "/admin/drain") => {
                let Some(target) = field(&request.body, "target_server") else {
                    return (400, "{\"error\": \"no target_server\"}\n".to_owned());
                };
                if !std::mem::replace(&mut self.state().draining, true) {
                    let server = Arc::clone(self);
                    std::thread::spawn(move || server.drain(&target));
                }
            }
            ("DELETE", "/admin/drain") => self.state().draining = false,
            ("POST", "/admin/join") => self.state().players += 1,
            ("POST", "/admin/leak") => {
                let server = Arc::clone(self);
                std::thread::spawn(move || server.leak());
            }
            _ => return (404, "{}\n".to_owned()),
        }
        (202, self.status())
    }

    /// Sends one player after the other to the server behind another address.
    fn drain(&self, target: &str) {
        loop {
            std::thread::sleep(LEAVES);
            let playing = { Some(self.state()).filter(|state| state.draining).map(|state| state.players) };
            let Some(1..) = playing else { return };
            if let Err(why) = self.hand_over(target) {
                return eprintln!("Error: {target} takes no player: {why}");
            }
            self.state().players -= 1;
        }
    }

    fn hand_over(&self, target: &str) -> std::io::Result<()> {
        let name = Path::new(target).file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut stream = UnixStream::connect(self.settings.folder.join(name))?;
        let token = &self.settings.token;
        write!(stream, "POST /admin/join HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 202 ") { Ok(()) } else { Err(std::io::ErrorKind::ConnectionRefused.into()) }
    }

    /// Takes memory up to the container's limit, and keeps it.
    fn leak(&self) {
        while resident() + LEAK + LEAVE_FREE < limit() {
            // Written to, or it would cost nothing.
            self.state().leaked.push(vec![1; LEAK]);
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("Warning: {} of {} bytes are in use", resident(), limit());
    }

    fn status(&self) -> String {
        let (state, settings) = (self.state(), &self.settings);
        format!(
            "{{\"service\": \"{}\", \"version\": \"{}\", \"player_count\": {}, \"draining\": {}, \"memory_bytes\": {}, \"uptime_seconds\": {}}}\n",
            settings.service,
            settings.version,
            state.players,
            state.draining,
            resident(),
            self.since.elapsed().as_secs(),
        )
    }

    fn metrics(&self) -> String {
        let state = self.state();
        let mut text = String::from("# TYPE http_requests_total counter\n");
        for (status, count) in &state.answers {
            let _ = writeln!(text, "http_requests_total{{method=\"GET\",status=\"{status}\"}} {count}");
        }
        text += "# TYPE http_request_duration_seconds histogram\n";
        let mut sum = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(state.took) {
            sum += count;
            let _ = writeln!(text, "http_request_duration_seconds_bucket{{le=\"{bound}\"}} {sum}");
        }
        let _ = writeln!(text, "http_request_duration_seconds_sum {}", state.seconds);
        let _ = writeln!(text, "http_request_duration_seconds_count {sum}");
        let _ = writeln!(text, "# TYPE spacetime_players gauge\nspacetime_players {}", state.players);
        let _ =
            writeln!(text, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}", resident());
        text
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (verb, path) = (words.next()?, words.next()?);
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let mut request = Request { verb, path, token: None, body: String::new() };
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => request.token = value.trim().strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// The text of a field of a flat JSON object.
fn field(json: &str, name: &str) -> Option<String> {
    let after = json.split_once(&format!("\"{name}\""))?.1.trim_start().strip_prefix(':')?;
    let value = after.trim_start().strip_prefix('"')?.split_once('"')?.0;
    (!value.is_empty()).then(|| value.to_owned())
}

/// The memory of this process that is in use: bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok()).unwrap_or_default() << 10
}

/// The container's limit of memory, by the one or the other version of control groups: bytes. Without any nothing may be leaked.
fn limit() -> usize {
    let files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let set = files.into_iter().find_map(|file| std::fs::read_to_string(file).ok()?.trim().parse::<usize>().ok());
    set.filter(|bytes| *bytes < 1 << 40).unwrap_or_default()
}
