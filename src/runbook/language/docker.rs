//! The `docker` language: one literal line of a small part of the Docker command line. It is read here and then asked of
//! the engine's API; no shell and no `docker` program is ever started.

use super::{Fault, Language, NameType, Reading, Types};
use crate::runbook::model::{ParamType, Role};
use std::fmt;

/// Registry line.
pub const LANGUAGE: Language = Language {
    name: "docker",
    doc: "one literal docker line (inspect, ps, logs; restart, stop, start) through the engine's API",
    read,
};

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `docker inspect NAME`.
    Inspect,
    /// `docker ps [-a]`.
    Ps,
    /// `docker logs [--tail N] NAME`.
    Logs,
    /// `docker restart [-t SECONDS] NAME`.
    Restart,
    /// `docker stop [-t SECONDS] NAME`.
    Stop,
    /// `docker start NAME`.
    Start,
}

impl Verb {
    const ALL: [Self; 6] = [Self::Inspect, Self::Ps, Self::Logs, Self::Restart, Self::Stop, Self::Start];

    /// The word of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Ps => "ps",
            Self::Logs => "logs",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }

    const fn changes(self) -> bool {
        match self {
            Self::Restart | Self::Stop | Self::Start => true,
            Self::Inspect | Self::Ps | Self::Logs => false,
        }
    }

    const fn gives(self) -> &'static [&'static str] {
        match self {
            Self::Inspect => &["container", "rows"],
            Self::Ps | Self::Logs => &["rows"],
            Self::Restart | Self::Stop | Self::Start => &[],
        }
    }
}

/// The container that a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By a parameter: `$container`.
    Param(String),
    /// By its name or id.
    Name(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => write!(f, "${name}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it does.
    pub verb: Verb,
    /// `-t`: seconds from the polite signal to the kill.
    pub grace: Option<u32>,
    /// `--tail`: the newest lines only.
    pub tail: Option<u32>,
    /// `-a`: stopped containers too.
    pub all: bool,
    /// The container; none for `ps`.
    pub target: Option<Target>,
}

impl Command {
    /// The line with `target` in place of its own: what is sent, in words.
    pub fn line(&self, target: Option<&str>) -> String {
        let grace = self.grace.map(|seconds| format!("-t {seconds}"));
        let tail = self.tail.map(|lines| format!("--tail {lines}"));
        let all = self.all.then(|| "-a".to_owned());
        let words = [grace, tail, all, target.map(str::to_owned)].into_iter().flatten();
        ["docker".to_owned(), self.verb.word().to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// Reads a body into its one command.
pub fn parse(body: &str) -> Result<Command, Fault> {
    let line = body.trim();
    let start = body.len() - body.trim_start().len();
    if line.contains('\n') {
        let at = start + line.find('\n').unwrap_or_default() + 1;
        return Err(Fault::new(at, "a docker fence holds one line", "put the second command into a fence of its own"));
    }
    let mut words = Words { body, at: start };
    if words.take().map(|(_, word)| word) != Some("docker") {
        return Err(Fault::new(start, "a docker fence holds one line that begins with `docker`", SUBSET));
    }
    let (at, word) = words.take().ok_or_else(|| Fault::new(start, "the docker line has no command", SUBSET))?;
    let Some(verb) = Verb::ALL.into_iter().find(|verb| verb.word() == word) else {
        let nearest = crate::runbook::nearest(word, Verb::ALL.into_iter().map(Verb::word));
        return Err(Fault::new(at, format!("`docker {word}` is not understood{nearest}"), SUBSET));
    };
    let mut command = Command { verb, grace: None, tail: None, all: false, target: None };
    while let Some((at, word)) = words.take() {
        take(&mut command, at, word, &mut words)?;
    }
    if verb != Verb::Ps && command.target.is_none() {
        return Err(Fault::new(
            start,
            format!("`docker {}` names no container", verb.word()),
            "name one, as in `$container`",
        ));
    }
    Ok(command)
}

const SUBSET: &str = "there are: docker inspect C, docker ps [-a], docker logs [--tail N] C, docker restart [-t S] C, docker stop [-t S] C, docker start C";

fn take(command: &mut Command, at: usize, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
    match (command.verb, word) {
        (Verb::Restart | Verb::Stop, "-t" | "--time") => command.grace = Some(number(at, word, words)?),
        (Verb::Logs, "--tail" | "-n") => command.tail = Some(number(at, word, words)?),
        (Verb::Ps, "-a" | "--all") => command.all = true,
        (verb, _) if word.starts_with('-') => {
            return Err(Fault::new(at, format!("`docker {}` takes no option `{word}` here", verb.word()), SUBSET));
        }
        (Verb::Ps, _) => return Err(Fault::new(at, "`docker ps` takes no name here", SUBSET)),
        (Verb::Inspect | Verb::Logs | Verb::Restart | Verb::Stop | Verb::Start, _) => {
            if command.target.replace(target(at, word)?).is_some() {
                return Err(Fault::new(at, "a docker line names one container", "write one step per container"));
            }
        }
    }
    Ok(())
}

fn number(at: usize, option: &str, words: &mut Words<'_>) -> Result<u32, Fault> {
    words
        .take()
        .and_then(|(_, word)| word.parse().ok())
        .filter(|number| *number <= 86_400)
        .ok_or_else(|| Fault::new(at, format!("`{option}` takes a whole number from 0 to 86400"), "as in `-t 10`"))
}

fn target(at: usize, word: &str) -> Result<Target, Fault> {
    let name = word.strip_prefix('$').unwrap_or(word);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Fault::new(
            at,
            format!("`{word}` is no container name"),
            "a docker line is literal: no shell, no quotes, no pipe; a parameter is written $name",
        ));
    }
    Ok(if word.starts_with('$') { Target::Param(name.to_owned()) } else { Target::Name(name.to_owned()) })
}

struct Words<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn take(&mut self) -> Option<(usize, &'a str)> {
        let rest = &self.body[self.at..];
        let start = self.at + rest.find(|c: char| !c.is_whitespace())?;
        let end = self.body[start..].find(char::is_whitespace).map_or(self.body.len(), |len| start + len);
        self.at = end;
        Some((start, &self.body[start..end]))
    }
}

fn read(role: Role, body: &str, types: &Types) -> Reading {
    let command = match parse(body) {
        Ok(command) => command,
        Err(fault) => return Reading { faults: vec![fault], ..Reading::default() },
    };
    let mut reading = Reading { gives: command.verb.gives(), ..Reading::default() };
    let word = command.verb.word();
    if command.verb.changes() && !role.changes() {
        let what = format!("`docker {word}` changes something, and {} may not", role.word());
        reading.faults.push(Fault::new(0, what, "use inspect, ps or logs here"));
    }
    if !command.verb.changes() && role.changes() {
        let what = format!("`docker {word}` changes nothing, and {} must", role.word());
        reading.faults.push(Fault::new(0, what, "use restart, stop or start here"));
    }
    if let Some(Target::Param(name)) = &command.target {
        let at = body.find('$').unwrap_or_default();
        if types.get(name).is_some_and(|kind| *kind != NameType::Param(ParamType::Container)) {
            let mend = "declare it with `type: container`";
            reading.faults.push(Fault::new(at, format!("${name} is not a container"), mend));
        }
        reading.used.push((name.clone(), at));
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subset_is_read() {
        let command = parse("docker restart -t 10 $container\n").unwrap();
        assert_eq!((command.verb, command.grace), (Verb::Restart, Some(10)));
        assert_eq!(command.target, Some(Target::Param("container".to_owned())));
        assert_eq!(command.line(Some("abc")), "docker restart -t 10 abc");
        assert_eq!(parse("docker ps -a").unwrap().line(None), "docker ps -a");
        assert_eq!(parse("docker logs --tail 20 api").unwrap().tail, Some(20));
    }

    #[test]
    fn everything_else_is_refused() {
        for wrong in [
            "",
            "docker",
            "docker rm -f x",
            "restart x",
            "docker restart",
            "docker restart -t x y",
            "docker restart -t",
            "docker restart a b",
            "docker restart a; reboot",
            "docker restart $(x)",
            "docker inspect \"a\"",
            "docker ps x",
            "docker inspect a\ndocker stop a",
            "docker inspect --format x a",
            "docker stop a|b",
            "docker stop $",
            "docker stop ../x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
