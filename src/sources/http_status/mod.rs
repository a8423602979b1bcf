//! What a named server says of itself over HTTP: a health address, and a status address of which some values become columns.
//!
//! A health address that refuses, hangs or answers an error *is* an answer: the server is down. So this source never
//! fails; what it can't tell of a status stands in the server's notes.

mod status;

use super::server::StatusSettings;
use super::{Part, ServerSettings, Source, SourceKind};
use crate::connect::endpoint::Heard;
use crate::connect::{Access, Connections, Endpoint, Web};
use crate::domain::{Reach, Server, Snapshot, SourceError, SourceId, Subject};
use async_trait::async_trait;
use std::time::Duration;

/// Registry line.
pub const KIND: SourceKind = SourceKind {
    name: "http_status",
    doc: "What a named server's health and status addresses answer.",
    example: "",
    read: None,
    schema: None,
    of_server: Some(of_server),
};

/// How often a server is asked, and how long it may take, unless the config says otherwise.
const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(3);
/// Room for what comes after an answer was given up, so that a server that hangs is told as down, not as a failed poll.
const GRACE: Duration = Duration::from_secs(1);
/// Of a health address's body nothing is kept; so much is read, so that the connection can serve again.
const HEALTH_BODY: usize = 64 << 10;
/// A status is a few values. What is longer is none.
const STATUS_BODY: usize = 1 << 20;

/// What a `[[server]]` says of it.
#[derive(Clone, Debug)]
pub struct Settings {
    name: String,
    health: Option<Endpoint>,
    status: Option<StatusSettings>,
    interval: Duration,
    timeout: Duration,
    access: Access,
}

fn of_server(server: &ServerSettings) -> Option<Box<dyn super::Settings>> {
    let asked = server.health.is_some() || server.status.is_some();
    asked.then(|| {
        Box::new(Settings {
            name: server.name.clone(),
            health: server.health.clone(),
            status: server.status.clone(),
            interval: server.interval.unwrap_or(INTERVAL),
            timeout: server.timeout.unwrap_or(TIMEOUT),
            access: server.access.clone(),
        }) as Box<dyn super::Settings>
    })
}

impl super::Settings for Settings {
    fn parts(&self) -> Vec<Part> {
        vec![Part::main(Subject::Servers, self.interval, self.timeout + GRACE)]
    }

    fn open(&self, _: &SourceId, connections: &mut Connections) -> Result<Vec<Box<dyn Source>>, SourceError> {
        let place = format!("[[server]] {}", self.name);
        for endpoint in self.health.iter().chain(self.status.as_ref().map(|status| &status.url)) {
            endpoint.refuse_login(&place)?;
        }
        Ok(vec![Box::new(HttpStatus { web: connections.web(&self.access, &place)?, settings: self.clone() })])
    }
}

struct HttpStatus {
    web: Web,
    settings: Settings,
}

#[async_trait]
impl Source for HttpStatus {
    async fn poll(&mut self) -> Result<Snapshot, SourceError> {
        let Settings { name, health, status, timeout, .. } = &self.settings;
        let ask = async |endpoint: Option<&Endpoint>, most| match endpoint {
            Some(endpoint) => Some(endpoint.ask(&self.web, *timeout, most).await),
            None => None,
        };
        let status_url = status.as_ref().map(|status| &status.url);
        let (health, told) = tokio::join!(ask(health.as_ref(), HEALTH_BODY), ask(status_url, STATUS_BODY));
        let mut server = Server { name: name.clone(), ..Server::default() };
        if let (Some(status), Some(told)) = (status, &told) {
            status::tell(&mut server, status, told);
        }
        // Without a health address the status address is what shows whether anybody is there.
        let reached = health.as_ref().map(|health| ("health", health)).or(told.as_ref().map(|told| ("status", told)));
        server.reach.extend(reached.map(|(by, heard)| reach(by, heard)));
        Ok(Snapshot::Servers(vec![server]))
    }
}

/// An answer of 200 to 299 is a good one; any other, and none, is bad.
fn reach(by: &str, heard: &Result<Heard, String>) -> Reach {
    let reach = |code: Option<u16>, took, why: String| Reach { up: why.is_empty(), by: by.to_owned(), code, took, why };
    match heard {
        Ok(heard) => reach(Some(heard.status), Some(heard.took), meaning(heard.status)),
        Err(why) => reach(None, None, why.clone()),
    }
}

/// What is bad about a status; empty when nothing is.
fn meaning(status: u16) -> String {
    let why = match status {
        200..300 => "",
        401 | 403 => "it wants a login",
        404 => "there is no such path",
        429 => "it is asked too often",
        500..600 => "it says that it is not well",
        _ => "that is no 200",
    };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_200_to_299_is_up() {
        let heard = |status| {
            let took = Duration::from_millis(7);
            reach("health", &Ok(Heard { status, took, body: Vec::new(), broken: String::new() }))
        };
        assert!(heard(200).up && heard(204).up);
        assert!(!heard(301).up && !heard(404).up && !heard(503).up);
        assert_eq!((heard(503).code, heard(503).why.as_str()), (Some(503), "it says that it is not well"));
        let silent = reach("health", &Err("nothing listens there".to_owned()));
        assert_eq!((silent.up, silent.code, silent.why.as_str()), (false, None, "nothing listens there"));
    }
}
