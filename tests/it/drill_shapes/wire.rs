//! Requests as they went by, and sent again: over HTTP 1.0, so that an answer has no pieces and ends with the connection.

use serde_json::Value;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What goes on without end is listened to for so long.
const LISTENS: Duration = Duration::from_millis(2_500);
/// In place of the id that a request names.
const ANY: &str = "{any}";

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Place {
    Port(u16),
    Socket(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub verb: String,
    /// With its query.
    pub path: String,
    /// Its type, and it.
    pub body: (String, String),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.path, self.body.1)
    }
}

/// All requests of what was sent.
pub fn requests(sent: &str) -> Vec<Request> {
    let mut found = Vec::new();
    for (at, _) in sent.match_indices(" HTTP/1.1\r\n") {
        let line = sent[..at].rsplit('\n').next().unwrap_or_default();
        // The end of a body may stand before it.
        let verbs = ["GET", "POST", "DELETE", "HEAD"];
        let Some((verb, begin)) = verbs.iter().find_map(|verb| Some((verb, line.rfind(&format!("{verb} /"))?))) else {
            continue;
        };
        let (head, rest) = sent[at..].split_once("\r\n\r\n").unwrap_or((&sent[at..], ""));
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
        };
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        found.push(Request {
            verb: (*verb).to_owned(),
            path: line[begin + verb.len() + 1..].to_owned(),
            body: (header("content-type").unwrap_or_default(), rest.get(..length).unwrap_or_default().to_owned()),
        });
    }
    found
}

/// One of each kind: what differs in moments and ids alone is one.
pub fn deduplicate(requests: &mut Vec<Request>) {
    let mut seen = std::collections::BTreeSet::new();
    requests.retain(|request| {
        let digits = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        seen.insert((request.verb.clone(), digits(&request.path), digits(&request.body.1)))
    });
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self { verb: "GET".to_owned(), path: path.to_owned(), body: (String::new(), String::new()) }
    }

    pub fn post(path: &str, json: &str) -> Self {
        let body = ("application/json".to_owned(), json.to_owned());
        Self { verb: "POST".to_owned(), body, ..Self::get(path) }
    }

    /// The same about whichever container, and events since the beginning.
    pub fn of_any_container(&self) -> Self {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        if let Some(at) = parts.iter().position(|part| *part == "containers")
            && at + 2 < parts.len()
        {
            parts[at + 1] = ANY;
        }
        let path = parts.join("/");
        let path = match path.split_once("since=") {
            Some((before, rest)) if path.contains("/events") => {
                let rest = rest.find('&').map_or("", |end| &rest[end..]);
                format!("{before}since={}{rest}", jiff::Timestamp::now().as_second() - 600)
            }
            _ => path,
        };
        Self { path, ..self.clone() }
    }

    /// About that thing: in place of any, or of the id of a silence.
    pub fn about(&self, id: &str) -> Self {
        let path = match self.path.split_once("/silence/") {
            Some((before, own)) if !own.contains("-0000-") => format!("{before}/silence/{id}"),
            _ => self.path.replace(ANY, id),
        };
        Self { path, ..self.clone() }
    }

    pub fn send(&self, to: &Place) -> Answer {
        match to {
            Place::Port(port) => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).unwrap();
                stream.set_read_timeout(Some(LISTENS)).unwrap();
                self.talk(stream)
            }
            Place::Socket(path) => {
                let stream = UnixStream::connect(path).unwrap();
                // Only an engine takes its time: a restart waits for the container's end.
                stream.set_read_timeout(Some(if self.verb == "POST" { LISTENS * 12 } else { LISTENS })).unwrap();
                self.talk(stream)
            }
        }
    }

    fn talk(&self, mut stream: impl Read + Write) -> Answer {
        let Self { verb, path, body: (kind, body) } = self;
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let head = format!("{verb} {path} HTTP/1.0\r\nHost: localhost\r\n{kind}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).unwrap();
        let (mut answer, mut piece, end) = (Vec::new(), vec![0; 1 << 16], Instant::now() + LISTENS);
        // What is without end is ended by the patience, or by the deadline where it never pauses; what came until then counts.
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..length]);
            if Instant::now() > end {
                break;
            }
        }
        Answer::read(&answer, &self.to_string())
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    head: String,
    body: Vec<u8>,
}

/// A header's value without parameters, but for the version of a format.
pub fn kind(value: &str) -> String {
    let parts = value.split(';').map(str::trim);
    parts
        .enumerate()
        .filter(|(at, part)| *at == 0 || part.starts_with("version="))
        .map(|(_, part)| part)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Answer {
    fn read(bytes: &[u8], request: &str) -> Self {
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request}"));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body; one value a line is a list of them. What is no JSON is null: its status and type were compared.
    pub fn json(&self) -> Value {
        let text = self.text();
        let lines = || text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>().map(Value::Array);
        serde_json::from_str(&text).or_else(|_| lines()).unwrap_or(Value::Null)
    }
}
