//! The smallest HTTP client that asks a service for its truth: version 1.0, so one answer, then the end.
//!
//! On purpose not the client that the program uses: a test that asks through the code under test proves little.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// An answer: status and body.
#[derive(Debug)]
pub struct Answer {
    /// For example 200.
    pub status: u16,
    /// As sent.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("no JSON ({why}): {}", self.body))
    }
}

/// GET from a port on loopback.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    talk(tcp(port)?, &request("GET", path, None))
}

/// POST of JSON to a port on loopback.
pub fn post(port: u16, path: &str, body: &serde_json::Value) -> io::Result<Answer> {
    talk(tcp(port)?, &request("POST", path, Some(&body.to_string())))
}

/// GET through a Unix socket.
pub fn get_unix(socket: &Path, path: &str) -> io::Result<Answer> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    talk(stream, &request("GET", path, None))
}

fn tcp(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn request(verb: &str, path: &str, json: Option<&str>) -> String {
    let body = json.unwrap_or_default();
    let length = body.len();
    format!(
        "{verb} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn talk(mut stream: impl Read + Write, request: &str) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, body: body.to_owned() })
}
