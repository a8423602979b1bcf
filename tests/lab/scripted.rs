//! An HTTP service that says what a test wants: refusals, lies, half answers. One thread for each connection, one answer
//! each, then the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What it says to a path.
#[derive(Clone, Debug)]
pub enum Say {
    /// Status and body.
    Answer(u16, Vec<u8>),
    /// Status, when it wants to be asked again (`Retry-After`), and body.
    Later(u16, String, Vec<u8>),
    /// As that, after a while.
    Late(Duration, Vec<u8>),
    /// The first half of a body, and then the connection ends.
    Half(Vec<u8>),
    /// It is elsewhere.
    Moved(String),
    /// The request is read, and the connection ends.
    Nothing,
}

impl Say {
    /// A good answer.
    pub fn good(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(200, body.into())
    }
}

/// The service.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
}

impl Scripted {
    /// On a free port of loopback; `script` gets the path with its query.
    pub fn start(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::start_whole(move |request| script(request.split(' ').nth(1).unwrap_or_default()))
    }

    /// The same; `script` gets all of the request: its lines, an empty one, and the body.
    pub fn start_whole(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"), script)
    }

    /// The same, where this listens.
    pub fn start_on(listener: TcpListener, script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let this = Self { address, asked: Arc::default(), requests: Arc::default(), ends: Arc::default() };
        let (asked, requests) = (Arc::clone(&this.asked), Arc::clone(&this.requests));
        let (ends, script) = (Arc::clone(&this.ends), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let (asked, requests, script) = (Arc::clone(&asked), Arc::clone(&requests), Arc::clone(&script));
                std::thread::spawn(move || {
                    let Some(request) = request_of(&stream) else { return };
                    let Some(path) = request.split(' ').nth(1).map(str::to_owned) else { return };
                    requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                    asked.lock().unwrap_or_else(PoisonError::into_inner).push(path);
                    // A client that went away is no failure of the lab.
                    let _ = say(stream, &script(&request));
                });
            }
        });
        this
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far, each with its headers and its body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that it sees the end.
        drop(TcpStream::connect(self.address));
    }
}

/// Reads a request up to its end.
fn request_of(stream: &TcpStream) -> Option<String> {
    let (mut reader, mut request, mut length) = (BufReader::new(stream), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        request.push_str(line.trim_end());
        request.push('\n');
        if line.trim_end().is_empty() {
            break;
        }
        let value =
            line.to_ascii_lowercase().strip_prefix("content-length:").and_then(|value| value.trim().parse().ok());
        length = value.unwrap_or(length);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8_lossy(&body));
    Some(request)
}

fn say(mut stream: TcpStream, what: &Say) -> std::io::Result<()> {
    let (status, body) = match what {
        Say::Answer(status, body) => (*status, body),
        Say::Later(status, after, body) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} said\r\nRetry-After: {after}\r\nContent-Length: {length}\r\n")?;
            stream.write_all(b"Connection: close\r\n\r\n")?;
            return stream.write_all(body);
        }
        Say::Late(after, body) => {
            std::thread::sleep(*after);
            (200, body)
        }
        Say::Half(body) => (200, body),
        Say::Moved(to) => {
            write!(stream, "HTTP/1.1 302 said\r\nLocation: {to}\r\n")?;
            return stream.write_all(b"Content-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Say::Nothing => return Ok(()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    let sent = if matches!(what, Say::Half(_)) { &body[..length / 2] } else { body };
    stream.write_all(sent)
}
