//! Scenarios: what goes wrong, when, and what mends it, as TOML.

use super::clock::STORY;
use super::deed::Way;
use super::guide::Hint;
use super::world::order::HOLDER;
use super::world::{Flaw, Order, World, container::MIB};
use crate::domain::incident::Priority;
use serde::Deserialize;

/// Those that are built in, by their id.
const BUILT_IN: [(&str, &str); 16] = [
    ("alert-storm", include_str!("../../assets/drills/alert-storm.toml")),
    ("bad-deploy", include_str!("../../assets/drills/bad-deploy.toml")),
    ("connection-exhaustion", include_str!("../../assets/drills/connection-exhaustion.toml")),
    ("corruption", include_str!("../../assets/drills/corruption.toml")),
    ("disk-filling", include_str!("../../assets/drills/disk-filling.toml")),
    ("failover", include_str!("../../assets/drills/failover.toml")),
    ("hot-shard", include_str!("../../assets/drills/hot-shard.toml")),
    ("hung-server", include_str!("../../assets/drills/hung-server.toml")),
    ("lock-queue", include_str!("../../assets/drills/lock-queue.toml")),
    ("lying-source", include_str!("../../assets/drills/lying-source.toml")),
    ("memory-leak", include_str!("../../assets/drills/memory-leak.toml")),
    ("ransomware", include_str!("../../assets/drills/ransomware.toml")),
    ("replica-lag", include_str!("../../assets/drills/replica-lag.toml")),
    ("service-down", include_str!("../../assets/drills/service-down.toml")),
    ("steady", include_str!("../../assets/drills/steady.toml")),
    ("two-causes", include_str!("../../assets/drills/two-causes.toml")),
];

/// A scenario.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line: what the list shows.
    pub title: String,
    /// How grave it is: P0 to P3. Absent: there is nothing wrong.
    pub severity: Option<Priority>,
    /// What is known at the start, to who plays it.
    pub brief: String,
    /// What is wrong; told at the end.
    #[serde(default)]
    pub wrong: String,
    /// The ways that mend it; told at the end.
    #[serde(default, rename = "mend")]
    pub mends: Vec<Way>,
    /// A shipped runbook mends it.
    #[serde(default = "yes")]
    pub mendable: bool,
    /// The ways that make it worse, or do not help; told at the end. What mends is none of them, whatever they say.
    #[serde(default, rename = "harm")]
    pub harms: Vec<Way>,
    /// The runbooks involved, by id.
    #[serde(default)]
    pub runbooks: Vec<String>,
    /// Where who wants to be guided is led, step by step; none: the tour for any.
    #[serde(default)]
    pub guide: Vec<Hint>,
    /// What happens, and when.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
}

const fn yes() -> bool {
    true
}

/// Something that happens.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(try_from = "toml::Table")]
pub struct Event {
    /// Seconds of the world after its beginning; less than 0: before it, so that the dashboard opens in the middle of it.
    pub at: i64,
    /// What.
    pub what: What,
}

/// `at` and one more key. By hand: serde's `flatten` would not say which key it does not know.
impl TryFrom<toml::Table> for Event {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let at = table.remove("at").and_then(|at| at.as_integer()).filter(|at| *at >= -STORY);
        let at = at.ok_or_else(|| {
            format!(
                "an event needs `at`: whole seconds after the beginning, or less than 0 for before it, down to -{STORY}"
            )
        })?;
        let changes: Vec<&str> = table.keys().map(String::as_str).collect();
        match changes.as_slice() {
            [] => return Err(format!("the event at {at} needs what happens: {CHANGES}")),
            [_] => {}
            [first, others @ ..] => {
                return Err(format!(
                    "the event at {at} has {first} and {}: one change each, in an [[event]] of its own",
                    others.join(" and ")
                ));
            }
        }
        let what = What::deserialize(toml::Value::Table(table)).map_err(|why| why.to_string())?;
        Ok(Self { at, what })
    }
}

/// What may happen, as a message lists it.
const CHANGES: &str = "kill, hang, lie, deploy, attract, fill, power-off, damage, encrypt, forget, stall or lock";

/// What happens: one key names it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A container ends with SIGKILL and is not started again: `game-2/godot-server`.
    Kill(String),
    /// A container runs on and answers nobody.
    Hang(String),
    /// Likewise, and its health check and its pages say that it is well.
    Lie(String),
    /// A build is brought out.
    Deploy(Deploy),
    /// So many times as many players as elsewhere want to be on a machine.
    Attract {
        /// Its name.
        server: String,
        /// 1 is as ever.
        times: f64,
    },
    /// A machine's disk grows.
    Fill {
        /// Its name.
        server: String,
        /// Mebibytes a second.
        mib: f64,
        /// Such a share of it is in use already, 0 to 1; absent: as much as is.
        used: Option<f64>,
    },
    /// A machine loses its power.
    PowerOff(String),
    /// A program opens sessions in the database, one a second, and forgets them.
    Forget {
        /// Its `application_name`.
        app: String,
        /// How many.
        sessions: usize,
    },
    /// The standby stops to replay.
    Stall(bool),
    /// Pages of a table are not what was written there, on the primary and its standby.
    Damage(String),
    /// The files of a machine are encrypted, and each so many seconds those of another that can be reached.
    Encrypt {
        /// Its name.
        server: String,
        /// Seconds.
        every: u32,
    },
    /// Somebody keeps a lock, and so many sessions a second begin to wait for it.
    Lock(usize),
}

/// A build, and what it does wrong.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Deploy {
    /// `godot-server` or `godot-api`.
    pub service: String,
    /// `v2.5.1`.
    pub version: String,
    /// On this machine alone.
    pub server: Option<String>,
    /// Mebibytes a second that it does not give back.
    pub leak_mib: f64,
    /// Share of requests that it answers with 500.
    pub errors: f64,
    /// How many times as long an answer takes.
    pub slow: f64,
    /// Database sessions a second that it leaves open in a transaction.
    pub sessions: f64,
    /// It ends a few seconds after its start.
    pub crash: bool,
    /// It has no limit, and takes memory until such a share of its machine's is in use.
    pub hoard: f64,
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|why| why.to_string())
    }

    /// The ids of those that are built in.
    pub fn ids() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(id, _)| *id)
    }

    /// A built-in one.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn built_in(id: &str) -> Result<Self, String> {
        let found = BUILT_IN.iter().find(|(own, _)| *own == id);
        found.ok_or_else(|| format!("there is no scenario {id:?}")).and_then(|(_, text)| Self::read(text))
    }

    /// Whether all that it names is there in that world.
    ///
    /// # Errors
    /// What is not, by name.
    pub fn fits(&self, world: &World) -> Result<(), String> {
        self.events.iter().try_for_each(|event| event.what.order(world).map(drop))?;
        let programs: Vec<&str> = self.events.iter().filter_map(|event| event.what.program()).collect();
        self.mends.iter().chain(&self.harms).try_for_each(|way| way.fits(world, &programs))
    }

    /// Seconds by which it begins before the dashboard opens: a second before its first event.
    pub fn lead(&self) -> i64 {
        self.events.iter().map(|event| 1 - event.at).max().unwrap_or_default().max(0)
    }

    /// Pages of the database are damaged in it, as they were before anybody saw it.
    pub fn damages(&self) -> bool {
        self.events.iter().any(|event| matches!(event.what, What::Damage(_)))
    }

    /// What is to happen at that second.
    pub fn due(&self, world: &World) -> Vec<Order> {
        let now = self.events.iter().filter(|event| event.at == world.at);
        now.filter_map(|event| event.what.order(world).ok()).collect()
    }
}

impl What {
    /// The program that has sessions in the database from then on, and none before.
    fn program(&self) -> Option<&str> {
        match self {
            Self::Forget { app, .. } => Some(app),
            Self::Lock(_) => Some(HOLDER),
            _ => None,
        }
    }

    fn order(&self, world: &World) -> Result<Order, String> {
        Ok(match self {
            Self::Kill(container) => Order::Kill(self::container(world, container)?),
            Self::Hang(container) => Order::Hang(self::container(world, container)?),
            Self::Lie(container) => Order::Lie(self::container(world, container)?),
            Self::Deploy(deploy) => deploy.order(world)?,
            Self::Attract { server, times } => Order::Attract(self::server(world, server)?, *times),
            Self::Fill { server, mib, used } => {
                Order::Fill { server: self::server(world, server)?, growth: mib * MIB, used: *used }
            }
            Self::PowerOff(server) => Order::Power(self::server(world, server)?, false),
            Self::Forget { app, sessions } => Order::Forget(app.clone(), *sessions),
            Self::Stall(stalled) => Order::Stall(*stalled),
            Self::Damage(table) => Order::Damage(table.clone()),
            Self::Encrypt { server, every } => Order::Encrypt(self::server(world, server)?, i64::from(*every).max(1)),
            Self::Lock(more) => Order::Lock(*more),
        })
    }
}

impl Deploy {
    fn order(&self, world: &World) -> Result<Order, String> {
        let known = world.containers.iter().any(|one| one.service == self.service);
        if !known {
            return Err(format!("there is no service {:?}", self.service));
        }
        let Self { leak_mib, errors, slow, sessions, crash, hoard, .. } = *self;
        Ok(Order::Deploy {
            service: self.service.clone(),
            version: self.version.clone(),
            flaw: Flaw { leak: leak_mib * MIB, errors, slow, sessions, crash, hoard },
            server: self.server.as_deref().map(|name| server(world, name)).transpose()?,
        })
    }
}

fn server(world: &World, name: &str) -> Result<usize, String> {
    world.servers.iter().position(|server| server.name == name).ok_or_else(|| format!("there is no server {name:?}"))
}

fn container(world: &World, title: &str) -> Result<usize, String> {
    let missing = || format!("there is no container {title:?}: write SERVER/NAME");
    let (on, name) = title.split_once('/').ok_or_else(missing)?;
    let at = server(world, on)?;
    world.on(at).find(|one| world.containers[*one].name == name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::world::Size;

    #[test]
    fn all_that_are_built_in_are_read_and_fit_the_usual_world() {
        let world = World::new(1, Size::default());
        for id in Scenario::ids() {
            let scenario = Scenario::built_in(id).unwrap_or_else(|why| panic!("{id}: {why}"));
            assert_eq!(scenario.fits(&world), Ok(()), "{id}");
            let quiet = scenario.events.is_empty();
            assert_eq!(quiet, scenario.severity.is_none(), "{id}");
            assert!(
                quiet || !(scenario.wrong.is_empty() || scenario.mends.is_empty() || scenario.harms.is_empty()),
                "{id}"
            );
            // Somebody who tries it out sees something within the first minute.
            assert!(scenario.events.first().is_none_or(|event| event.at < 50), "{id}");
        }
        assert!(Scenario::built_in("none").unwrap_err().contains("\"none\""));
    }

    #[test]
    fn the_page_about_drills_lists_all_of_them() {
        let page = include_str!("../../docs/drills.md");
        for id in Scenario::ids() {
            let Scenario { title, severity, runbooks, .. } = Scenario::built_in(id).unwrap();
            let severity = severity.map_or("", Priority::word);
            let line = format!("| `{id}` | {title} | {severity} | {} |\n", runbooks.join(", "));
            assert!(page.contains(&line), "{line}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let world = World::new(1, Size::default());
        let wrong = |event: &str| {
            let read = Scenario::read(&format!("title = 'a'\nbrief = 'b'\n[[event]]\nat = 5\n{event}"));
            read.and_then(|scenario| scenario.fits(&world)).unwrap_err()
        };
        assert!(wrong("kill = 'game-9/x'").contains("no server \"game-9\""));
        assert!(wrong("kill = 'game-1/x'").contains("no container \"game-1/x\""));
        assert!(wrong("deploy = { service = 'x', version = '1' }").contains("no service \"x\""));
        let two = wrong("kill = 'game-1/godot-server'\nlock = 1");
        assert!(two.contains("the event at 5 has kill and lock: one change each"), "{two}");
        assert!(wrong("").contains("the event at 5 needs what happens: kill, hang,"), "{}", wrong(""));
        let early = Scenario::read("title = 'a'\nbrief = 'b'\n[[event]]\nat = -20000\nlock = 1").unwrap_err();
        assert!(early.contains("down to -14400"), "{early}");
        assert!(wrong("explode = true").contains("explode"), "{}", wrong("explode = true"));
        assert!(wrong("deploy = { servise = 'x' }").contains("servise"), "{}", wrong("deploy = { servise = 'x' }"));
        assert!(Scenario::read("title = 'a'\nbrief = 'b'\nx = 1").unwrap_err().contains('x'));
        assert!(wrong("lock = 1\n[[mend]]\nsay = 'x'\nend-session = 'psq'").contains("end-session = \"psq\""));
        assert!(Scenario::read("title = 'a'\nbrief = 'b'\nseverity = 'P7'").unwrap_err().contains("P3"));
    }
}
