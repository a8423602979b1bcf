//! What answers like a Docker engine without being one: it says what a test wants it to say, as many containers and as
//! slowly or wrongly as wanted, and it keeps who asked what and when.
//!
//! Plain threads and blocking sockets, one connection a request, like the rest of the lab's faults.

use super::service::folder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What it answers to a path with its query.
pub enum Reply {
    /// 200 with this JSON.
    Json(String),
    /// Another status, with a body.
    Status(u16, String),
    /// These bytes in place of an HTTP answer, then the end.
    Raw(Vec<u8>),
    /// 200 with lines without end, this far apart.
    Lines(Box<dyn FnMut() -> String + Send>, Duration),
    /// As another, but later.
    After(Duration, Box<Reply>),
    /// Nothing, for as long as the client waits.
    Hang,
}

type Answer = dyn Fn(&str) -> Reply + Send + Sync;

/// One request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// When it came.
    pub at: Instant,
    /// When the answer was out; `None` while it is not.
    pub done: Option<Instant>,
}

struct Shared {
    answer: Box<Answer>,
    asked: Mutex<Vec<Asked>>,
    over: AtomicBool,
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The impostor.
pub struct Scripted {
    shared: Arc<Shared>,
    socket: PathBuf,
}

impl Scripted {
    /// On a socket in a folder of the lab.
    pub fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let socket = folder("engine").join("s");
        let listener = UnixListener::bind(&socket).expect("a new folder has room for a socket");
        let shared =
            Arc::new(Shared { answer: Box::new(answer), asked: Mutex::default(), over: AtomicBool::new(false) });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if theirs.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        Self { shared, socket }
    }

    /// As a config writes it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.socket));
    }
}

fn serve(shared: &Shared, mut stream: UnixStream) {
    let Some(path) = read_path(&stream) else { return };
    let reply = (shared.answer)(&path);
    let number = {
        let mut asked = shared.asked();
        asked.push(Asked { path, at: Instant::now(), done: None });
        asked.len() - 1
    };
    say(shared, &mut stream, reply);
    shared.asked()[number].done = Some(Instant::now());
    // The client may have hung up first.
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_path(stream: &UnixStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    first.split(' ').nth(1).map(str::to_owned)
}

fn say(shared: &Shared, stream: &mut UnixStream, reply: Reply) {
    let whole = |status: u16, body: &str| {
        format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    // A client that hangs up early is none of our business.
    let _ = match reply {
        Reply::Json(body) => stream.write_all(whole(200, &body).as_bytes()),
        Reply::Status(status, body) => stream.write_all(whole(status, &body).as_bytes()),
        Reply::Raw(bytes) => stream.write_all(&bytes),
        Reply::After(pause, reply) => {
            std::thread::sleep(pause);
            return say(shared, stream, *reply);
        }
        Reply::Hang => stream.read(&mut [0; 64]).map(drop),
        Reply::Lines(mut line, pause) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
            let mut going = stream.write_all(head.as_bytes());
            while going.is_ok() && !shared.over.load(Ordering::SeqCst) {
                going = stream.write_all(format!("{}\n", line()).as_bytes());
                std::thread::sleep(pause);
            }
            going
        }
    };
}

/// The most requests among these that were under way at a time.
pub fn most_at_once(asked: &[Asked], is: impl Fn(&str) -> bool) -> usize {
    let mut turns: Vec<(Instant, i32)> = Vec::new();
    for one in asked.iter().filter(|one| is(&one.path)) {
        turns.push((one.at, 1));
        turns.extend(one.done.map(|done| (done, -1)));
    }
    turns.sort();
    let mut now = 0;
    turns.into_iter().fold(0, |most, (_, turn)| {
        now += turn;
        most.max(usize::try_from(now).unwrap_or_default())
    })
}
