//! `curl`, to what the machines of this production answer. Nothing leaves the program.

use super::{Machine, docker};
use crate::drill::serve::wire::HangUp;
use crate::drill::shell::files::Who;
use crate::drill::shell::{Call, Done, Files};
use crate::drill::stage::Stage;
use crate::drill::world::Role;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower_service::Service as _;

/// Longest answer that is read: bytes.
const LONGEST: usize = 4 << 20;

/// What everybody outside calls the production: that leads to its load balancer.
const SITE: &str = "spacetime.example.com";

/// Where a request goes: the name of a machine, and the path of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `game-1`
    pub name: String,
    /// `/health`
    pub path: String,
}

/// Where a URL leads from a machine; the number and the words that curl has for it where it leads nowhere.
///
/// # Errors
/// When nobody in this production listens there.
pub fn target(stage: &mut Stage, from: usize, url: &str) -> Result<Target, (i32, String)> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or(url);
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let usual = if url.starts_with("https://") { "443" } else { "80" };
    let (host, port) = place.rsplit_once(':').unwrap_or((place, usual));
    let servers = &stage.world.servers;
    let at = match host {
        "localhost" | "127.0.0.1" => Some(from),
        SITE => servers.iter().position(|server| server.role == Role::Balancer),
        _ => servers.iter().position(|server| server.name == host || server.address == host),
    };
    let at = at.ok_or_else(|| (6, format!("Could not resolve host: {host}")))?;
    let refused = || (7, format!("Failed to connect to {host} port {port}: Connection refused"));
    let (name, role) = (servers[at].name.clone(), servers[at].role);
    if at != from && !(servers[at].reachable() && servers[from].reachable()) {
        return Err((28, format!("Failed to connect to {host} port {port}: Connection timed out")));
    }
    let path = match (role, port) {
        (_, "9100") => format!("/node/{path}"),
        (Role::Balancer, "80" | "443" | "8080" | "8081") => {
            let target = balanced(stage, at).ok_or((22, "The requested URL returned error: 502".to_owned()))?;
            return Ok(Target { name: stage.world.servers[target].name.clone(), path: format!("/{path}") });
        }
        (Role::Game | Role::Api, "80" | "8080" | "8081" | "8082" | "8083") => format!("/{path}"),
        _ => return Err(refused()),
    };
    Ok(Target { name, path })
}

/// Whom the load balancer sends the next request to.
pub fn balanced(stage: &mut Stage, lb: usize) -> Option<usize> {
    let world = &stage.world;
    if !world.serves(lb) {
        return None;
    }
    let open = |at: &usize| {
        let server = &world.servers[*at];
        server.role == Role::Game && server.upstream && world.serves(*at)
    };
    let all: Vec<usize> = (0..world.servers.len()).filter(open).collect();
    let at = *all.get(stage.next_turn() % all.len().max(1))?;
    // A page tells counters by the time on the wire, so that rates are right there: one request is to be one there, too.
    let speed = stage.clock.speed;
    stage.world.visit(at, speed);
    Some(at)
}

/// What came back.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// What it is to do, as its words say.
struct Asked {
    url: String,
    method: String,
    headers: Vec<String>,
    body: String,
    /// Files for the answer, and formats of what is told of it.
    outs: Vec<String>,
    formats: Vec<String>,
    fails: bool,
    quiet: bool,
}

impl Asked {
    /// `None`: not one URL, or a word that it does not know.
    fn read(call: &Call) -> Option<Self> {
        let words: Vec<String> = call.args.iter().flat_map(|word| apart(word)).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut given = |names: &[&str]| owned(&docker::option(&mut words, names));
        let (outs, formats) = (given(&["-o", "--output"]), given(&["-w", "--write-out"]));
        let headers = headers(given(&["-H", "--header"]), &String::from_utf8_lossy(&call.stdin));
        let body = given(&["-d", "--data", "--data-raw"]).pop();
        let method = given(&["-X", "--request"]).pop();
        given(&["-m", "--max-time", "--connect-timeout", "--retry"]);
        let fails = docker::flag(&mut words, &["-f", "--fail"]);
        let silent = docker::flag(&mut words, &["-s", "--silent"]);
        let shows = docker::flag(&mut words, &["-S", "--show-error"]);
        docker::flag(&mut words, &["-L", "-k", "-i"]);
        let [url] = words[..] else { return None };
        let usual = if body.is_none() { "GET" } else { "POST" };
        let method = method.unwrap_or_else(|| usual.to_owned());
        let (url, body) = (url.to_owned(), body.unwrap_or_default());
        Some(Self { url, method, headers, body, outs, formats, fails, quiet: silent && !shows })
    }

    fn error(&self, code: i32, why: &str) -> Done {
        Done::failed(code, if self.quiet { String::new() } else { format!("curl: ({code}) {why}\n") })
    }
}

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let Some(asked) = Asked::read(call) else {
        return Done::failed(2, "curl: a drill's curl takes one URL, and -f -s -S -o -w -H -d -X -m\n");
    };
    match ask(machine, &asked) {
        Ok(answer) if asked.fails && answer.status >= 400 => {
            asked.error(22, &format!("The requested URL returned error: {}", answer.status))
        }
        Ok(answer) => told(&asked, &answer, call, files),
        Err((code, why)) => asked.error(code, &why),
    }
}

/// Puts the answer where it is to go, and tells what is to be told of it.
fn told(asked: &Asked, answer: &Answer, call: &Call, files: &mut Files) -> Done {
    let mut done = Done { seconds: 0.02, ..Done::default() };
    match asked.outs.last().map(String::as_str) {
        Some("/dev/null") => {}
        Some(path) => {
            let who = Who { user: call.user.clone(), umask: 0o022, now: super::now() };
            let path = crate::drill::shell::files::absolute(&call.folder, path);
            if let Err(why) = files.write(&who, &path, &answer.body, false) {
                return asked.error(23, &format!("Failure writing output to {path}: {why}"));
            }
        }
        None => done.out.extend_from_slice(&answer.body),
    }
    for format in &asked.formats {
        let told = [("%{http_code}", answer.status.to_string()), ("%{time_total}", format!("{:.6}", done.seconds))];
        let text = told.iter().fold(format.replace("\\n", "\n"), |text, (name, value)| text.replace(name, value));
        done.out.extend_from_slice(text.as_bytes());
    }
    done
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `@-` stands for the lines that are piped in.
fn headers(given: Vec<String>, piped: &str) -> Vec<String> {
    let lines = || piped.lines().map(str::to_owned).collect();
    given.into_iter().flat_map(|one| if one == "@-" { lines() } else { vec![one] }).collect()
}

/// `-fsS` is `-f -s -S`; `-fo` is the same with what comes behind it.
fn apart(word: &str) -> Vec<String> {
    let letters =
        word.strip_prefix('-').filter(|rest| rest.len() > 1 && rest.chars().all(|one| one.is_ascii_alphabetic()));
    letters.map_or_else(|| vec![word.to_owned()], |letters| letters.chars().map(|one| format!("-{one}")).collect())
}

fn ask(machine: &Machine, asked: &Asked) -> Result<Answer, (i32, String)> {
    let Target { name, path } = target(&mut machine.stage.lock(), machine.server, &asked.url)?;
    let mut request = Request::builder().method(asked.method.as_str()).uri(format!("/{name}{path}"));
    for (key, value) in asked.headers.iter().filter_map(|header| header.split_once(':')) {
        request = request.header(key.trim(), value.trim());
    }
    let request = request.body(Body::from(asked.body.clone())).map_err(|why| (3, why.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|why| (2, why.to_string()))?;
    runtime.block_on(async {
        let mut pages = machine.pages.clone();
        let response = pages.call(request).await.unwrap_or_else(|never| match never {});
        if response.extensions().get::<HangUp>().is_some() {
            return Err((52, "Empty reply from server".to_owned()));
        }
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), LONGEST).await.map_err(|why| (18, why.to_string()))?;
        Ok(Answer { status, body: body.to_vec() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::Scenario;
    use crate::drill::world::Size;

    #[test]
    fn what_everybody_outside_calls_it_leads_to_a_game_server_and_no_other_name_anywhere() {
        let (start, steady) = (jiff::Timestamp::UNIX_EPOCH, Scenario::built_in("steady").unwrap());
        let mut stage = Stage::new(1, Size::default(), steady, start, 1.0).unwrap();
        let site = target(&mut stage, 0, "https://spacetime.example.com/metrics").unwrap();
        assert!(site.name.starts_with("game-") && site.path == "/metrics", "{site:?}");
        assert_eq!(target(&mut stage, 0, "https://example.com/metrics").unwrap_err().0, 6);
    }
}
