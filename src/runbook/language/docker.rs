//! The `docker` language: one literal line of a small part of the Docker command line. It is read here and then asked of
//! the engine's API; no shell and no `docker` program is ever started.

use super::{Fault, Language, NameType, Reading, Targets, Types};
use crate::runbook::expr::{Gives, Known};
use crate::runbook::model::{ParamType, Role};
use std::fmt;

/// Registry line.
pub const LANGUAGE: Language = Language {
    name: "docker",
    doc: "one literal docker line of a small part of Docker's commands, through the engine's API",
    on: Targets {
        name: "a Docker engine",
        params: &[ParamType::Container, ParamType::Server],
        part: None,
        hosts: true,
        local: false,
    },
    holds: |_| None,
    keyed: true,
    filled: None,
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
    /// `docker stats [NAME]`: one reading.
    Stats,
    /// `docker restart [-t SECONDS] NAME`.
    Restart,
    /// `docker stop [-t SECONDS] NAME`.
    Stop,
    /// `docker start NAME`.
    Start,
    /// `docker kill [-s SIGNAL] NAME`.
    Kill,
    /// `docker pause NAME`.
    Pause,
    /// `docker unpause NAME`.
    Unpause,
    /// `docker rm [-f] [-v] NAME`.
    Rm,
    /// `docker pull IMAGE`.
    Pull,
    /// `docker image prune [-a]`.
    ImagePrune,
}

impl Verb {
    const ALL: [Self; 13] = [
        Self::Inspect,
        Self::Ps,
        Self::Logs,
        Self::Stats,
        Self::Restart,
        Self::Stop,
        Self::Start,
        Self::Kill,
        Self::Pause,
        Self::Unpause,
        Self::Rm,
        Self::Pull,
        Self::ImagePrune,
    ];

    /// The words of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Ps => "ps",
            Self::Logs => "logs",
            Self::Stats => "stats",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Rm => "rm",
            Self::Pull => "pull",
            Self::ImagePrune => "image prune",
        }
    }

    /// It changes something.
    pub const fn changes(self) -> bool {
        match self {
            Self::Restart
            | Self::Stop
            | Self::Start
            | Self::Kill
            | Self::Pause
            | Self::Unpause
            | Self::Rm
            | Self::Pull
            | Self::ImagePrune => true,
            Self::Inspect | Self::Ps | Self::Logs | Self::Stats => false,
        }
    }

    /// What it does is done to one container.
    pub const fn acts_on_container(self) -> bool {
        self.changes() && !matches!(self, Self::Pull | Self::ImagePrune)
    }

    const fn gives(self) -> Gives {
        match self {
            Self::Inspect => &[("container", Known::Map), ("rows", Known::List)],
            Self::Ps | Self::Logs | Self::Stats => &[("rows", Known::List)],
            _ => &[],
        }
    }

    /// What it must name, for people; none: it names nothing, or may leave it out.
    const fn names(self) -> Option<&'static str> {
        match self {
            Self::Ps | Self::ImagePrune | Self::Stats => None,
            Self::Pull => Some("image"),
            _ => Some("container"),
        }
    }
}

/// The container that a line names, or the image of `pull`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By a parameter: `$container`.
    Param(String),
    /// By its name or id; of an image, its reference.
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
    /// `-a`: stopped containers too; of `image prune`, every image that no container uses.
    pub all: bool,
    /// `-s`: the signal, as `HUP`.
    pub signal: Option<String>,
    /// `-f`: a running container too.
    pub force: bool,
    /// `-v`: its unnamed volumes too.
    pub volumes: bool,
    /// The container or image; none where all are meant.
    pub target: Option<Target>,
}

impl Command {
    /// The line with `target` in place of its own: what is sent, in words.
    pub fn line(&self, target: Option<&str>) -> String {
        let grace = self.grace.map(|seconds| format!("-t {seconds}"));
        let tail = self.tail.map(|lines| format!("--tail {lines}"));
        let all = self.all.then(|| "-a".to_owned());
        let signal = self.signal.as_ref().map(|signal| format!("-s {signal}"));
        let force = self.force.then(|| "-f".to_owned());
        let volumes = self.volumes.then(|| "-v".to_owned());
        let words = [grace, tail, all, signal, force, volumes, target.map(str::to_owned)].into_iter().flatten();
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
    let image = word == "image" && words.take().is_some_and(|(_, word)| word == "prune");
    let known = |verb: &Verb| if image { *verb == Verb::ImagePrune } else { verb.word() == word };
    let Some(verb) = Verb::ALL.into_iter().find(known) else {
        let nearest = crate::runbook::nearest(word, Verb::ALL.into_iter().map(Verb::word));
        return Err(Fault::new(at, format!("`docker {word}` is not understood{nearest}"), SUBSET));
    };
    let mut command =
        Command { verb, grace: None, tail: None, all: false, signal: None, force: false, volumes: false, target: None };
    while let Some((at, word)) = words.take() {
        take(&mut command, at, word, &mut words)?;
    }
    if let Some(what) = verb.names().filter(|_| command.target.is_none()) {
        let mend = format!("name one, as in `${what}`");
        return Err(Fault::new(start, format!("`docker {}` names no {what}", verb.word()), mend));
    }
    Ok(command)
}

const SUBSET: &str = "there are: docker inspect C, ps [-a], logs [--tail N] C, stats [C], restart [-t S] C, stop [-t S] C, start C, kill [-s SIGNAL] C, pause C, unpause C, rm [-f] [-v] C, pull IMAGE, image prune [-a]";

fn take(command: &mut Command, at: usize, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
    match (command.verb, word) {
        (Verb::Restart | Verb::Stop, "-t" | "--time") => command.grace = Some(number(at, word, words)?),
        (Verb::Logs, "--tail" | "-n") => command.tail = Some(number(at, word, words)?),
        (Verb::Ps | Verb::ImagePrune, "-a" | "--all") => command.all = true,
        (Verb::Kill, "-s" | "--signal") => command.signal = Some(signal(at, words)?),
        (Verb::Rm, "-f" | "--force") => command.force = true,
        (Verb::Rm, "-v" | "--volumes") => command.volumes = true,
        // Nobody is asked, and one reading is taken: what they say is so anyway.
        (Verb::ImagePrune, "-f" | "--force") | (Verb::Stats, "--no-stream") => {}
        (verb, _) if word.starts_with('-') => {
            return Err(Fault::new(at, format!("`docker {}` takes no option `{word}` here", verb.word()), SUBSET));
        }
        (verb @ (Verb::Ps | Verb::ImagePrune), _) => {
            return Err(Fault::new(at, format!("`docker {}` takes no name here", verb.word()), SUBSET));
        }
        (Verb::Pull, _) => {
            if command.target.replace(image(at, word)?).is_some() {
                return Err(Fault::new(at, "a docker line names one image", "write one step per image"));
            }
        }
        (_, _) => {
            if command.target.replace(target(at, word)?).is_some() {
                return Err(Fault::new(at, "a docker line names one container", "write one step per container"));
            }
        }
    }
    Ok(())
}

fn signal(at: usize, words: &mut Words<'_>) -> Result<String, Fault> {
    let plain = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    words
        .take()
        .map(|(_, word)| word.strip_prefix("SIG").unwrap_or(word))
        .filter(plain)
        .map(str::to_owned)
        .ok_or_else(|| Fault::new(at, "`-s` takes the name of a signal", "as in `-s HUP`"))
}

/// A reference of an image: `registry:5000/team/api:1.2@sha256:…`. Also what a parameter of text must be to be one.
pub fn is_image(text: &str) -> bool {
    let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && !part.contains("..");
    text.len() <= 512
        && text.split('/').all(part)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:@".contains(c))
}

fn image(at: usize, word: &str) -> Result<Target, Fault> {
    match word.strip_prefix('$') {
        Some(name) if crate::runbook::parse::is_plain(name) => Ok(Target::Param(name.to_owned())),
        None if is_image(word) => Ok(Target::Name(word.to_owned())),
        _ => Err(Fault::new(
            at,
            format!("`{word}` is no image"),
            "write it as in `registry/team/api:1.2`, or as a parameter",
        )),
    }
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
        reading.faults.push(Fault::new(0, what, "use inspect, ps, logs or stats here"));
    }
    if !command.verb.changes() && role.changes() {
        let what = format!("`docker {word}` changes nothing, and {} must", role.word());
        reading.faults.push(Fault::new(0, what, "use a command that changes something, or a check fence"));
    }
    if let Some(Target::Param(name)) = &command.target {
        let at = body.find('$').unwrap_or_default();
        let (what, kinds): (_, &[ParamType]) = match command.verb {
            Verb::Pull => ("an image", &[ParamType::String, ParamType::Enum]),
            _ => ("a container", &[ParamType::Container]),
        };
        let fits = |kind: &NameType| matches!(kind, NameType::Param(kind) if kinds.contains(kind));
        if types.get(name).is_some_and(|kind| !fits(kind)) {
            let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            let mend = format!("declare it with `type: {}`", words.join("` or `"));
            reading.faults.push(Fault::new(at, format!("${name} is not {what}"), mend));
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
        for line in [
            "docker stats",
            "docker stats api",
            "docker kill -s HUP api",
            "docker pause api",
            "docker unpause api",
            "docker rm -f -v api",
            "docker pull registry:5000/team/api:1.2",
            "docker image prune -a",
        ] {
            let command = parse(line).expect(line);
            let target = command.target.as_ref().map(ToString::to_string);
            assert_eq!(command.line(target.as_deref()), line);
        }
        assert_eq!(parse("docker kill -s SIGHUP $c").unwrap().signal.as_deref(), Some("HUP"));
    }

    #[test]
    fn everything_else_is_refused() {
        for wrong in [
            "",
            "docker",
            "docker run x",
            "docker image ls",
            "docker image prune x",
            "docker image",
            "docker pull",
            "docker pull a b",
            "docker pull -x",
            "docker pull a/../b",
            "docker kill -s hup x",
            "docker kill -s",
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
