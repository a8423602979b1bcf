//! A runbook's steps in the order in which they run: those of a rollout once for each of its hosts, under a name of their own
//! (`restart/reload@web-1`), and a question to all hosts of a role once for each of them.
//!
//! It is laid out when the plan is made and stays as it is until the run is over, whatever the config says by then.

use super::language::docker;
use super::model::{Fence, Over, Place, Rollout, Runbook, Section, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// What parts a step's name from the host that it is done on.
pub const AT: char = '@';

/// The hosts of the config, as far as a runbook is about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// The servers of each role, in the order of the config.
    pub roles: BTreeMap<String, Vec<String>>,
    /// The name of the engine on a server, where it is not the server's own.
    pub engines: BTreeMap<String, String>,
}

impl Fleet {
    fn of_role(&self, role: &str) -> &[String] {
        self.roles.get(role).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The steps as they run.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
    /// The parts of it that go host by host, in order.
    pub rollings: Vec<Rolling>,
}

/// A part of a run that goes host by host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    /// The section's heading.
    pub title: String,
    /// Its hosts, in order.
    pub lanes: Vec<Lane>,
    /// So many hosts may fail.
    pub max_fail: u64,
    /// From the end of one batch to the next.
    pub pause: Duration,
    /// After so many batches a person is asked.
    pub ask_after: Option<u64>,
    /// Each host is begun, whatever became of others.
    pub every_host: bool,
}

/// One host of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The server's name.
    pub host: String,
    /// Its steps, by their place in [`Script::steps`].
    pub steps: Range<usize>,
    /// The batch that it belongs to, from 0.
    pub batch: usize,
}

impl Rolling {
    /// Where its steps stand.
    pub fn steps(&self) -> Range<usize> {
        let first = self.lanes.first().map_or(0, |lane| lane.steps.start);
        first..self.lanes.last().map_or(first, |lane| lane.steps.end)
    }

    /// The number of batches.
    pub fn batches(&self) -> usize {
        self.lanes.last().map_or(0, |lane| lane.batch + 1)
    }

    /// The hosts of a batch, in order.
    pub fn batch(&self, batch: usize) -> impl Iterator<Item = &str> {
        self.lanes.iter().filter(move |lane| lane.batch == batch).map(|lane| lane.host.as_str())
    }
}

impl Script {
    /// Lays a runbook out. `guarded`: where nothing else is said, a person looks after the first batch.
    ///
    /// # Errors
    /// When there is no host to go over, or one is named twice.
    pub fn new(
        runbook: &Runbook,
        values: &BTreeMap<String, Value>,
        fleet: &Fleet,
        guarded: bool,
    ) -> Result<Self, String> {
        let mut script = Self::default();
        for section in &runbook.sections {
            let steps = &runbook.steps[section.steps.clone()];
            match &section.rollout {
                None => script.steps.extend(steps.iter().map(|step| spread(step, fleet))),
                Some(rollout) => script.roll(section, rollout, steps, values, fleet, guarded)?,
            }
        }
        every_question_has_hosts(runbook, fleet)?;
        Ok(script)
    }

    fn roll(
        &mut self,
        section: &Section,
        rollout: &Rollout,
        steps: &[Step],
        values: &BTreeMap<String, Value>,
        fleet: &Fleet,
        guarded: bool,
    ) -> Result<(), String> {
        let hosts = hosts(rollout, values, fleet)?;
        let mut lanes = Vec::new();
        let mut left = hosts.iter();
        for (batch, size) in rollout.batches(hosts.len()).into_iter().enumerate() {
            for host in left.by_ref().take(size) {
                let start = self.steps.len();
                self.steps.extend(steps.iter().map(|step| at(&spread(step, fleet), host, fleet)));
                lanes.push(Lane { host: host.clone(), steps: start..self.steps.len(), batch });
            }
        }
        self.rollings.push(Rolling {
            title: section.title.clone(),
            lanes,
            max_fail: rollout.max_fail,
            pause: rollout.pause,
            ask_after: rollout.ask_after.or(guarded.then_some(1)),
            every_host: rollout.every_host,
        });
        Ok(())
    }

    /// The rolling that a step belongs to.
    pub fn rolling(&self, step: usize) -> Option<&Rolling> {
        self.rollings.iter().find(|rolling| rolling.steps().contains(&step))
    }

    /// A step by its id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}

/// A check over the hosts of a role that nobody has would pass without asking anybody.
fn every_question_has_hosts(runbook: &Runbook, fleet: &Fleet) -> Result<(), String> {
    let none = |fence: &&Fence| matches!(&fence.attrs.on.place, Place::Role(role) if fleet.of_role(role).is_empty());
    let mut fences = runbook.steps.iter().flat_map(|step| &step.fences);
    fences.find(none).map_or(Ok(()), |fence| {
        let on = &fence.attrs.on;
        Err(format!("`on={on}` asks nobody: no [[server]] of the config has this role"))
    })
}

/// The roles whose servers a runbook goes to.
pub fn roles(runbook: &Runbook) -> impl Iterator<Item = &str> {
    let rolled = runbook.sections.iter().filter_map(|section| match &section.rollout.as_ref()?.over {
        Over::Role(role) => Some(role.as_str()),
        Over::Param(_) => None,
    });
    let fences = runbook.steps.iter().flat_map(|step| &step.fences);
    let asked = fences.filter_map(|fence| match &fence.attrs.on.place {
        Place::Role(role) => Some(role.as_str()),
        Place::Name(_) | Place::Param(_) | Place::Host | Place::Local => None,
    });
    rolled.chain(asked)
}

/// Hosts named in one sentence.
const NAMED: usize = 8;

/// Hosts in one sentence, not more than a reader takes in: `web-1, web-2 and 40 more`.
pub fn named<T: AsRef<str>>(hosts: &[T]) -> String {
    let first = hosts.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if hosts.len() > NAMED { format!("{first} and {} more", hosts.len() - NAMED) } else { first }
}

/// A step's id without the host that it is done on.
pub fn without_host(id: &str) -> &str {
    id.split_once(AT).map_or(id, |(step, _)| step)
}

fn hosts(rollout: &Rollout, values: &BTreeMap<String, Value>, fleet: &Fleet) -> Result<Vec<String>, String> {
    let (hosts, whose) = match &rollout.over {
        Over::Role(role) => {
            (fleet.of_role(role).to_vec(), format!("no [[server]] of the config has the role {role:?}"))
        }
        Over::Param(name) => {
            let list = values.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let names = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            (names, format!("the parameter {name:?} lists no server"))
        }
    };
    let hosts = rollout.order.sorted(hosts);
    if hosts.is_empty() {
        return Err(format!("the rollout goes over nothing: {whose}"));
    }
    let twice = hosts.iter().enumerate().find(|(at, host)| hosts[..*at].contains(host));
    twice.map_or(Ok(()), |(_, host)| Err(format!("{host} is listed twice")))?;
    Ok(hosts)
}

/// A question to all hosts of a role becomes one to each.
fn spread(step: &Step, fleet: &Fleet) -> Step {
    let each = |fence: &Fence| match &fence.attrs.on.place {
        Place::Role(role) => fleet.of_role(role).iter().map(|host| to(fence, host, fleet)).collect(),
        Place::Name(_) | Place::Param(_) | Place::Host | Place::Local => vec![fence.clone()],
    };
    Step { fences: step.fences.iter().flat_map(each).collect(), ..step.clone() }
}

/// A step of a rollout, at one of its hosts.
fn at(step: &Step, host: &str, fleet: &Fleet) -> Step {
    let here = |fence: &Fence| match &fence.attrs.on.place {
        Place::Host => to(fence, host, fleet),
        Place::Name(_) | Place::Param(_) | Place::Role(_) | Place::Local => fence.clone(),
    };
    Step {
        id: format!("{}{AT}{host}", step.id),
        host: Some(host.to_owned()),
        fences: step.fences.iter().map(here).collect(),
        ..step.clone()
    }
}

fn to(fence: &Fence, host: &str, fleet: &Fleet) -> Fence {
    let mut fence = fence.clone();
    let engine = fleet.engines.get(host).filter(|_| fence.language.name == docker::LANGUAGE.name);
    fence.attrs.on.place = Place::Name(engine.map_or(host, String::as_str).to_owned());
    fence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::parse::parse;
    use serde_json::json;

    fn page(params: &str, body: &str) -> Runbook {
        let front = "---\nrunbook: 1\nid: a\ntitle: A\nowner: o\nreviewed: 2026-11-20\nrisk: low\n";
        parse("a.md", &format!("{front}{params}---\n\n{body}")).unwrap_or_else(|problems| panic!("{problems}"))
    }

    const ROLL: &str = "## Reload\n\n```yaml rollout\nover: role:web\nserial: [1, 2]\n```\n\n### Go\n\n```bash run on=host timeout=5s undo=none\nset -eu\ntrue\n```\n\n```bash verify on=host timeout=5s\nset -eu\ntrue\n```\n\n### See\n\n```bash check on=role:lb timeout=5s\nset -eu\ntrue\n```\n";

    fn fleet(web: &[&str], lb: &[&str]) -> Fleet {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Fleet { roles: [("web".to_owned(), names(web)), ("lb".to_owned(), names(lb))].into(), engines: [].into() }
    }

    fn places(step: &Step) -> Vec<String> {
        step.fences.iter().map(|fence| fence.attrs.on.to_string()).collect()
    }

    #[test]
    fn steps_of_a_rollout_come_once_for_each_host_in_batches() {
        let script = Script::new(&page("", ROLL), &[].into(), &fleet(&["b", "a", "c"], &["l1", "l2"]), false).unwrap();
        let ids: Vec<&str> = script.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["reload/go@b", "reload/see@b", "reload/go@a", "reload/see@a", "reload/go@c", "reload/see@c"]);
        let [rolling] = script.rollings.as_slice() else { panic!() };
        let lanes: Vec<(&str, Range<usize>, usize)> =
            rolling.lanes.iter().map(|lane| (lane.host.as_str(), lane.steps.clone(), lane.batch)).collect();
        assert_eq!(lanes, [("b", 0..2, 0), ("a", 2..4, 1), ("c", 4..6, 1)]);
        assert_eq!((rolling.ask_after, rolling.batches()), (None, 2));
        assert_eq!(places(&script.steps[2]), ["a", "a"]);
        assert_eq!(places(&script.steps[3]), ["l1", "l2"], "a role is asked whole, whatever host it is about");
        assert_eq!(script.steps[2].name(), "go");
    }

    #[test]
    fn a_person_looks_after_the_first_batch_where_it_matters() {
        let script = Script::new(&page("", ROLL), &[].into(), &fleet(&["a"], &["l"]), true).unwrap();
        assert_eq!(script.rollings[0].ask_after, Some(1));
    }

    #[test]
    fn a_rollout_over_nothing_and_a_question_to_nobody_are_refused() {
        let new = |fleet| Script::new(&page("", ROLL), &[].into(), &fleet, false).unwrap_err();
        assert_eq!(
            new(fleet(&[], &["l"])),
            "the rollout goes over nothing: no [[server]] of the config has the role \"web\""
        );
        assert_eq!(new(fleet(&["a"], &[])), "`on=role:lb` asks nobody: no [[server]] of the config has this role");
    }

    #[test]
    fn the_servers_of_a_parameter_come_as_they_are_given_and_once() {
        let params = "params:\n  - {name: servers, type: server, many: true, required: true}\n";
        let body = ROLL.replace("role:web", "$servers");
        let new = |list: Value| {
            Script::new(&page(params, &body), &[("servers".to_owned(), list)].into(), &fleet(&[], &["l"]), false)
        };
        let script = new(json!(["z", "a"])).unwrap();
        assert_eq!(script.rollings[0].lanes[0].host, "z");
        assert_eq!(new(json!(["a", "a"])).unwrap_err(), "a is listed twice");
        assert!(new(json!([])).unwrap_err().contains("lists no server"));
    }

    #[test]
    fn containers_of_a_host_are_those_of_its_engine() {
        let body = "## Roll\n\n```yaml rollout\nover: role:web\norder: reverse\n```\n\n### Go\n\n```docker run on=host timeout=5s undo=none\ndocker restart api\n```\n\n```docker verify on=host timeout=5s expect=(container.State.Running)\ndocker inspect api\n```\n";
        let mut fleet = fleet(&["a", "b"], &[]);
        fleet.engines.insert("a".to_owned(), "engine-a".to_owned());
        let script = Script::new(&page("", body), &[].into(), &fleet, false).unwrap();
        assert_eq!(places(&script.steps[0]), ["b", "b"]);
        assert_eq!(places(&script.steps[1]), ["engine-a", "engine-a"]);
        assert_eq!(script.steps[1].host.as_deref(), Some("a"));
    }
}
