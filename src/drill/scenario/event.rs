//! What happens in a scenario, and when: read from TOML so that a mistake is told at the line of its own key.

use super::values::{self, Refuse, Share, Whole, text};
use crate::domain::nearest;
use crate::drill::clock::STORY;
use crate::drill::world::order::HOLDER;
use crate::drill::world::{Flaw, Order, World, container::MIB};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::ops::Range;
use toml::Spanned;

/// The last second at which something can happen: a day after the beginning.
const LAST: i64 = 86_400;

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds of the world after its beginning; less than 0: before it, so that the dashboard opens in the middle of it.
    pub at: i64,
    /// What.
    pub what: What,
    /// Where the file says so: bytes.
    pub(super) place: Range<usize>,
}

/// What happens: one key names it.
#[derive(Clone, Debug, PartialEq)]
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
    Attract(Attract),
    /// A machine's disk grows.
    Fill(Fill),
    /// A machine loses its power.
    PowerOff(String),
    /// A program opens sessions in the database, one a second, and forgets them.
    Forget(Forget),
    /// The standby stops to replay.
    Stall(bool),
    /// Pages of a table are not what was written there, on the primary and its standby.
    Damage(String),
    /// The files of a machine are encrypted, and each so many seconds those of another that can be reached.
    Encrypt(Encrypt),
    /// Somebody keeps a lock, and so many sessions a second begin to wait for it.
    Lock(usize),
}

/// A build, and what it does wrong.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// `godot-server` or `godot-api`.
    #[serde(deserialize_with = "text")]
    pub service: String,
    /// `v2.5.1`.
    #[serde(deserialize_with = "text")]
    pub version: String,
    /// On this machine alone.
    pub server: Option<String>,
    /// Mebibytes a second that it does not give back.
    #[serde(default, deserialize_with = "values::mebibytes")]
    pub leak_mib: f64,
    /// Share of requests that it answers with 500.
    #[serde(default)]
    pub errors: Share,
    /// How many times as long an answer takes.
    #[serde(default, deserialize_with = "values::times")]
    pub slow: f64,
    /// Database sessions a second that it leaves open in a transaction.
    #[serde(default, deserialize_with = "values::times")]
    pub sessions: f64,
    /// It ends a few seconds after its start.
    #[serde(default)]
    pub crash: bool,
    /// It has no limit, and takes memory until such a share of its machine's is in use.
    #[serde(default)]
    pub hoard: Share,
}

/// Players want to be on a machine.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Attract {
    /// Its name.
    pub server: String,
    /// 1 is as ever.
    #[serde(deserialize_with = "values::times")]
    pub times: f64,
}

/// A disk grows.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The machine's name.
    pub server: String,
    /// Mebibytes a second.
    #[serde(deserialize_with = "values::mebibytes")]
    pub mib: f64,
    /// Such a share of it is in use already; absent: as much as is.
    pub used: Option<Share>,
}

/// Sessions are forgotten.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Its `application_name`.
    #[serde(deserialize_with = "text")]
    pub app: String,
    /// How many.
    pub sessions: Whole<1, 10_000>,
}

/// Files are encrypted.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Encrypt {
    /// The machine with which it begins.
    pub server: String,
    /// Seconds.
    pub every: Whole<1, LAST>,
}

/// What may happen, as a message lists it.
const CHANGES: [&str; 12] =
    ["kill", "hang", "lie", "deploy", "attract", "fill", "power-off", "damage", "encrypt", "forget", "stall", "lock"];

fn changes() -> String {
    CHANGES.join(", ")
}

/// `at` and one more key. By hand: serde's `flatten` would not say which key it does not know, nor where.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of `at` and of what happens")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut at, mut what) = (None, None::<(String, What, Range<usize>)>);
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let (place, key) = (key.span(), key.into_inner());
            match (&what, key.as_str()) {
                (_, "at") => at = Some(map.next_value::<At>()?.0),
                (Some((first, ..)), _) => {
                    let why = format!("an event has {first} already: one change each, in an [[event]] of its own");
                    map.next_value_seed(Refuse::because(why))?;
                }
                (None, _) => what = Some((key.clone(), change(&key, &mut map)?, place)),
            }
        }
        let at =
            at.ok_or_else(|| A::Error::custom("an event needs `at`: the second after the beginning, as in at = 20"))?;
        let (_, what, place) =
            what.ok_or_else(|| A::Error::custom(format!("an event needs what happens: one of {}", changes())))?;
        Ok(Event { at, what, place })
    }
}

fn change<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<What, A::Error> {
    Ok(match name {
        "kill" => What::Kill(map.next_value()?),
        "hang" => What::Hang(map.next_value()?),
        "lie" => What::Lie(map.next_value()?),
        "deploy" => What::Deploy(map.next_value()?),
        "attract" => What::Attract(map.next_value()?),
        "fill" => What::Fill(map.next_value()?),
        "power-off" => What::PowerOff(map.next_value()?),
        "damage" => What::Damage(map.next_value()?),
        "encrypt" => What::Encrypt(map.next_value()?),
        "forget" => What::Forget(map.next_value()?),
        "stall" => What::Stall(map.next_value()?),
        "lock" => What::Lock(map.next_value::<Whole<0, 1_000>>()?.0),
        _ => {
            let hint = nearest(name, CHANGES)
                .map_or_else(|| format!("there are {}", changes()), |near| format!("did you mean {near:?}?"));
            return map.next_value_seed(Refuse::because(format!("nothing that may happen is called {name:?}: {hint}")));
        }
    })
}

/// When something happens.
struct At(i64);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let at = values::whole(from, "`at` is a second after the beginning, as in 20, or less than 0 for before it")?;
        let fits = (-STORY..=LAST).contains(&at);
        let why = || {
            format!(
                "nothing can happen at {at}: write a second from {} (so long before the beginning) to {LAST} (a day after it)",
                -STORY
            )
        };
        fits.then_some(Self(at)).ok_or_else(|| D::Error::custom(why()))
    }
}

impl What {
    /// The program that has sessions in the database from then on, and none before.
    pub(super) fn program(&self) -> Option<&str> {
        match self {
            Self::Forget(Forget { app, .. }) => Some(app),
            Self::Lock(_) => Some(HOLDER),
            _ => None,
        }
    }

    /// Which pane has it before any alert fires, and as what.
    pub(super) const fn shows(&self) -> &'static str {
        match self {
            Self::Kill(_) => "2 has a container that has ended",
            Self::Hang(_) => "2 has a container that is unhealthy",
            Self::Lie(_) => "1 has a server that says it is well and loses its players",
            Self::Deploy(_) => "1 has the new version on the servers, and 2 what its containers take and how they end",
            Self::Attract(_) => "1 has a server with far more players than the others",
            Self::Fill(_) => "1 has a server whose disk fills",
            Self::PowerOff(_) => "1 has a server that does not answer",
            Self::Forget(_) => "4 has connections that become more each second",
            Self::Stall(_) => "4 has a standby that falls behind",
            Self::Damage(_) => "2 has the game's containers, whose logs (l) tell of an invalid page",
            Self::Encrypt(_) => "1 has a server that writes to its disk as it never did",
            Self::Lock(_) => "4 has sessions that wait for another one",
        }
    }

    /// It, in that world.
    pub(super) fn order(&self, world: &World) -> Result<Order, String> {
        Ok(match self {
            Self::Kill(name) => Order::Kill(container(world, name)?),
            Self::Hang(name) => Order::Hang(container(world, name)?),
            Self::Lie(name) => Order::Lie(container(world, name)?),
            Self::Deploy(deploy) => deploy.order(world)?,
            Self::Attract(Attract { server: name, times }) => Order::Attract(server(world, name)?, *times),
            Self::Fill(Fill { server: name, mib, used }) => {
                Order::Fill { server: server(world, name)?, growth: mib * MIB, used: used.map(|share| share.0) }
            }
            Self::PowerOff(name) => Order::Power(server(world, name)?, false),
            Self::Forget(Forget { app, sessions }) => Order::Forget(app.clone(), sessions.0),
            Self::Stall(stalled) => Order::Stall(*stalled),
            Self::Damage(name) => Order::Damage(table(world, name)?),
            Self::Encrypt(Encrypt { server: name, every }) => {
                Order::Encrypt(server(world, name)?, i64::try_from(every.0).unwrap_or(LAST))
            }
            Self::Lock(more) => Order::Lock(*more),
        })
    }
}

impl Deploy {
    fn order(&self, world: &World) -> Result<Order, String> {
        let known = world.containers.iter().any(|one| one.service == self.service);
        if !known {
            let services = world.containers.iter().map(|one| one.service.as_str());
            return Err(missing("service", &self.service, services));
        }
        let Self { leak_mib, errors, slow, sessions, crash, hoard, .. } = *self;
        Ok(Order::Deploy {
            service: self.service.clone(),
            version: self.version.clone(),
            flaw: Flaw { leak: leak_mib * MIB, errors: errors.0, slow, sessions, crash, hoard: hoard.0 },
            server: self.server.as_deref().map(|name| server(world, name)).transpose()?,
        })
    }
}

/// That there is no such thing, and a few of those that there are.
fn missing<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let hint = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let mut all: Vec<&str> = known.collect();
            all.sort_unstable();
            all.dedup();
            all.truncate(12);
            format!("there are {}", all.join(", "))
        }
    };
    format!("there is no {what} {name:?}: {hint}")
}

fn server(world: &World, name: &str) -> Result<usize, String> {
    let there = world.servers.iter().filter(|server| !server.gone);
    let names = there.map(|server| server.name.as_str());
    names.clone().position(|own| own == name).ok_or_else(|| missing("server", name, names))
}

fn container(world: &World, title: &str) -> Result<usize, String> {
    let wrong = || format!("there is no container {title:?}: write SERVER/NAME, as in \"game-2/godot-server\"");
    let (on, name) = title.split_once('/').ok_or_else(wrong)?;
    let own = world.on(server(world, on)?);
    let names = world.containers[own.clone()].iter().map(|one| one.name.as_str());
    let at = names.clone().position(|own| own == name);
    at.map(|at| own.start + at).ok_or_else(|| missing(&format!("container of {on}"), name, names))
}

fn table(world: &World, name: &str) -> Result<String, String> {
    let names = world.databases[0].tables.iter().map(|table| table.name);
    names.clone().any(|own| own == name).then(|| name.to_owned()).ok_or_else(|| missing("table", name, names))
}
