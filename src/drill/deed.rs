//! What somebody does to the production, by name: a scenario says with it what mends and what harms, and the transcript what was done.

use super::scenario::values::{Refuse, Text};
use super::world::{Colour, Order, Role, World};
use crate::domain::nearest;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::ops::Range;
use toml::Spanned;

/// What can be done, and what to.
const VERBS: [(&str, On); 31] = [
    ("start", On::Container),
    ("stop", On::Container),
    ("restart", On::Container),
    ("kill", On::Container),
    ("hang", On::Container),
    ("deploy", On::Build),
    ("prepare", On::Colour),
    ("switch", On::Colour),
    ("remove", On::Colour),
    ("take-out", On::Server),
    ("put-in", On::Server),
    ("drain", On::Server),
    ("undrain", On::Server),
    ("attract", On::Server),
    ("fill", On::Server),
    ("clean", On::Server),
    ("power-off", On::Server),
    ("power-on", On::Server),
    ("stall", On::Server),
    ("replay", On::Server),
    ("resize", On::Server),
    ("destroy", On::Server),
    ("rent", On::Server),
    ("approve", On::Build),
    ("promote", On::Server),
    ("restore", On::Server),
    ("back-up", On::Server),
    ("isolate", On::Server),
    ("open", On::Server),
    ("end-session", On::Session),
    ("cancel-query", On::Session),
];

/// What something is done to, as a pattern names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// `game-2/godot-server`.
    Container,
    /// `game-2`.
    Server,
    /// `godot-server v2.5.0`.
    Build,
    /// `blue v2.5.0`.
    Colour,
    /// Its `application_name`: `report`, `godot-server@game-2`.
    Session,
}

/// Something that was done, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// One of those that a scenario may name.
    pub verb: &'static str,
    /// What to: `game-2/godot-server`, `game-2`, `godot-server v2.5.0`, `report`.
    pub on: String,
}

impl Deed {
    /// What an order is called in that world; asked before it is carried out, for a session that is ended has no name any more.
    /// `None`: it changes nothing that players could notice.
    pub fn of(order: &Order, world: &World) -> Option<Self> {
        let container = |at: &usize| world.title(*at);
        let server = |at: &usize| world.servers[*at].name.clone();
        let standby = || server(&world.databases[1].server);
        let session = |pid: &i32| {
            let mut all = world.databases.iter().flat_map(|database| &database.sessions);
            let found = all.find(|session| session.pid == *pid);
            found.map_or_else(|| pid.to_string(), |session| session.app.clone())
        };
        let colour = |colour: Colour| {
            let version = world.edge.build(colour, Role::Game.service()).map_or("", |build| &build.version);
            format!("{} {version}", colour.word())
        };
        let (verb, on) = match order {
            Order::Kill(at) => ("kill", container(at)),
            Order::Stop(at) => ("stop", container(at)),
            Order::Start(at) => ("start", container(at)),
            Order::Restart(at) => ("restart", container(at)),
            Order::Hang(at) => ("hang", container(at)),
            Order::Lie(at) => ("lie", container(at)),
            Order::Deploy { service, version, .. } => ("deploy", format!("{service} {version}")),
            Order::Prepare { colour, version, .. } => ("prepare", format!("{} {version}", colour.word())),
            Order::Switch(to) => ("switch", colour(*to)),
            Order::Remove(which) => ("remove", colour(*which)),
            Order::Record(_) | Order::LookAfter(_) => return None,
            Order::Upstream(at, false) => ("take-out", server(at)),
            Order::Upstream(at, true) => ("put-in", server(at)),
            Order::Drain(at, true) => ("drain", server(at)),
            Order::Drain(at, false) => ("undrain", server(at)),
            Order::Attract(at, _) => ("attract", server(at)),
            Order::Fill { server: at, .. } => ("fill", server(at)),
            Order::Clean(at, _) => ("clean", server(at)),
            Order::Power(at, true) => ("power-on", server(at)),
            Order::Power(at, false) => ("power-off", server(at)),
            Order::Stall(true) => ("stall", standby()),
            Order::Stall(false) => ("replay", standby()),
            Order::Hosted(order) => order.deed(world)?,
            Order::Promote => ("promote", standby()),
            Order::Replace(_) => ("restore", server(&world.databases[world.primary].server)),
            // On any other day it is what should be done.
            Order::BackUp(at) if world.is_infected() => ("back-up", server(at)),
            Order::BackUp(_) => return None,
            Order::Isolate(at, true) => ("isolate", server(at)),
            Order::Isolate(at, false) => ("open", server(at)),
            Order::Terminate(pid) => ("end-session", session(pid)),
            Order::Cancel(pid) => ("cancel-query", session(pid)),
            // Only scenarios do these.
            Order::Lock(_) => ("lock", String::new()),
            Order::Damage(table) => ("damage", table.clone()),
            Order::Encrypt(at, _) => ("encrypt", server(at)),
            Order::Forget(app, _) => ("forget", app.clone()),
        };
        Some(Self { verb, on })
    }

    /// What was done, so many times in a row.
    pub fn words(&self, times: usize) -> String {
        let Self { verb, on } = self;
        let sessions = |what: &str, one: &str, many: &str| match times {
            1 => format!("{what} {one} of {on}"),
            times => format!("{what} {times} {many} of {on}"),
        };
        let done = match *verb {
            "start" => format!("started {on}"),
            "stop" => format!("stopped {on}"),
            "restart" => format!("restarted {on}"),
            "kill" => format!("killed {on}"),
            "deploy" => format!("brought out {on}"),
            "prepare" => format!("started {on} beside what players are on"),
            "switch" => format!("sent all players to {on}"),
            "remove" => format!("removed {on}"),
            "take-out" => format!("took {on} out of the load balancers"),
            "put-in" => format!("had the load balancers send requests to {on} again"),
            "drain" => format!("drained {on}"),
            "undrain" => format!("let players in again on {on}"),
            "clean" => format!("made room on {on}"),
            "fill" => format!("changed how fast the disk of {on} grows"),
            "power-off" => format!("switched {on} off"),
            "power-on" => format!("switched {on} on"),
            "resize" => format!("gave {on} another type of machine"),
            "destroy" => format!("had {on} destroyed"),
            "rent" => format!("had {on} made"),
            "approve" => format!("approved the deployment of {on}"),
            "stall" => format!("held the replay on {on}"),
            "replay" => format!("let {on} replay"),
            "promote" => format!("promoted {on} to primary"),
            "restore" => format!("put another database in the place of the game's on {on}"),
            "back-up" => format!("made a dump on {on}"),
            "isolate" => format!("cut {on} off from all others"),
            "open" => format!("let everybody through to {on} again"),
            "end-session" => return sessions("ended", "a session", "sessions"),
            "cancel-query" => return sessions("cancelled", "a query", "queries"),
            other => format!("{other} {on}"),
        };
        if times == 1 { done } else { format!("{done}, {times} times") }
    }
}

/// A way that mends, or one that harms: in words, and as far as it can be told from what is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// One sentence for the end of the drill.
    pub say: String,
    /// Any of them is this way.
    done: Vec<Done>,
}

/// A change that is a way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Done {
    verb: &'static str,
    /// What it is done to; `*` stands for anything.
    on: String,
    /// Where the file says so: bytes.
    place: Range<usize>,
}

/// `say`, and verbs. By hand: serde's `flatten` would not say which key it does not know, nor where.
impl<'de> Deserialize<'de> for Way {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Way;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of `say` and of changes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Way, A::Error> {
        let (mut say, mut done) = (None, Vec::new());
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let (place, key) = (key.span(), key.into_inner());
            let verb = VERBS.iter().find(|(known, _)| *known == key);
            match (key.as_str(), verb) {
                ("say", _) => say = Some(map.next_value::<Text>()?.0),
                (_, Some((verb, _))) => done.push(Done { verb, on: map.next_value::<Text>()?.0, place }),
                (_, None) => map.next_value_seed(Refuse::because(unknown(&key)))?,
            }
        }
        let missing =
            || A::Error::custom("a way that mends or harms needs `say`: one sentence for the end of the drill");
        Ok(Way { say: say.ok_or_else(missing)?, done })
    }
}

fn unknown(verb: &str) -> String {
    let verbs = || VERBS.iter().map(|(verb, _)| *verb);
    match nearest(verb, verbs()) {
        Some(near) => format!("nothing can be done that is called {verb:?}: did you mean {near:?}?"),
        None => format!(
            "nothing can be done that is called {verb:?}: write one of {}",
            verbs().collect::<Vec<_>>().join(", ")
        ),
    }
}

impl Way {
    /// Whether that is it.
    pub fn is(&self, deed: &Deed) -> bool {
        self.done.iter().any(|done| done.verb == deed.verb && matches(&done.on, &deed.on))
    }

    /// What it is done to and is not there in that world, by name, and where the file says so. Sessions may be of those programs too, which come
    /// later; `None`: of any.
    pub fn misfits(&self, world: &World, programs: Option<&[&str]>) -> Vec<(Range<usize>, String)> {
        let misfit = |done: &Done| {
            let Done { verb, on, place } = done;
            let kind = VERBS.iter().find(|(known, _)| known == verb).map_or(On::Server, |(_, on)| *on);
            let why = || format!("{verb} = {on:?}: nothing here is called so; {}", example(kind));
            (!kind.has(on, world, programs)).then(|| (place.clone(), why()))
        };
        self.done.iter().filter_map(misfit).collect()
    }
}

impl On {
    /// Whether that world has one that is called as the pattern says.
    fn has(self, pattern: &str, world: &World, programs: Option<&[&str]>) -> bool {
        let first = pattern.split(' ').next().unwrap_or_default();
        match self {
            Self::Container => (0..world.containers.len()).any(|at| matches(pattern, &world.title(at))),
            Self::Server => world.servers.iter().any(|server| matches(pattern, &server.name)),
            Self::Build => world.containers.iter().any(|one| matches(first, &one.service)),
            Self::Colour => [Colour::Blue, Colour::Green].iter().any(|one| matches(first, one.word())),
            Self::Session => programs.is_none_or(|programs| {
                let there = world.databases[0].sessions.iter().map(|session| session.app.as_str());
                there.chain(programs.iter().copied()).any(|app| matches(pattern, app))
            }),
        }
    }
}

const fn example(on: On) -> &'static str {
    match on {
        On::Container => "write SERVER/NAME, as in \"game-2/godot-server\" or \"*/godot-server\"",
        On::Server => "write a machine, as in \"game-2\" or \"game-*\"",
        On::Build => "write SERVICE VERSION, as in \"godot-server v2.5.0\" or \"godot-server *\"",
        On::Colour => "write COLOUR VERSION, as in \"blue v2.5.0\" or \"* v2.5*\"",
        On::Session => "write a program's name in the database, as in \"report\" or \"godot-server@*\"",
    }
}

/// Whether a text is as a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begins, rest)) => text.strip_prefix(begins).is_some_and(|left| {
            let from = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            from.into_iter().any(|at| matches(rest, &left[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::world::Size;

    fn way(text: &str) -> Result<Way, String> {
        toml::from_str::<Way>(text).map_err(|why| why.to_string())
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, is) in [
            ("game-2", "game-2", true),
            ("game-2", "game-22", false),
            ("game-*", "game-22", true),
            ("*/godot-server", "game-1/godot-server", true),
            ("*/godot-*", "game-1/redis", false),
            ("godot-server v2.5*", "godot-server v2.5.0", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn a_way_is_what_is_done_to_what_it_names() {
        let world = World::new(1, Size::default());
        let at = |name: &str| world.servers.iter().position(|server| server.name == name).unwrap();
        let container = |on: &str| world.service(at(on), "godot-server").unwrap();
        let way = way("say = 'x'\nrestart = 'game-2/*'\nend-session = 'godot-*'").unwrap();
        let pid = world.databases[0].sessions.iter().find(|one| one.app.starts_with("godot")).unwrap().pid;
        let of = |order: Order| Deed::of(&order, &world).unwrap();
        assert!(way.is(&of(Order::Restart(container("game-2")))));
        assert!(way.is(&of(Order::Terminate(pid))));
        assert!(!way.is(&of(Order::Restart(container("game-3")))));
        assert!(!way.is(&of(Order::Stop(container("game-2")))));
        assert_eq!(of(Order::Restart(container("game-2"))).words(1), "restarted game-2/godot-server");
        assert_eq!(Deed { verb: "end-session", on: "report".into() }.words(7), "ended 7 sessions of report");
    }

    #[test]
    fn mistakes_are_told() {
        let world = World::new(1, Size::default());
        assert!(way("restart = 'x'").unwrap_err().contains("needs `say`"));
        assert!(way("say = 'x'\nrestrt = 'x'").unwrap_err().contains("did you mean \"restart\"?"));
        assert!(way("say = 'x'\nexplode = 'x'").unwrap_err().contains("write one of start, stop"));
        assert!(way("say = 'x'\nrestart = 2").unwrap_err().contains("line 2"));
        assert!(way("say = 'x'\nrestart = ''").unwrap_err().contains("it is empty"));
        for (wrong, why) in [
            ("restart = 'game-9/godot-server'", "write SERVER/NAME"),
            ("drain = 'game-9'", "write a machine"),
            ("deploy = 'godot v2'", "write SERVICE VERSION"),
            ("switch = 'red v2'", "write COLOUR VERSION"),
            ("end-session = 'reprot'", "a program's name"),
        ] {
            let told = way(&format!("say = 'x'\n{wrong}")).unwrap().misfits(&world, Some(&["report"]));
            assert!(told.len() == 1 && told[0].0.start == 10 && told[0].1.contains(why), "{told:?}");
        }
        let fits = |text: &str, programs| way(text).unwrap().misfits(&world, programs).is_empty();
        assert!(fits("say = 'x'\nend-session = 'report'\nrestart = '*/redis'", Some(&["report"][..])));
        assert!(fits("say = 'x'\nend-session = 'reprot'", None));
        // In words alone: nothing tells that it was done.
        assert!(fits("say = 'x'", Some(&[])));
    }
}
