//! What is kept of a drill while it goes by: what alerts said, what somebody did and what that is worth, and whether anything is wrong.

use super::deed::Deed;
use super::scenario::Scenario;
use super::world::{Role, Server, World};
use crate::domain::text;

/// So long nothing may be wrong until it counts as mended: seconds of the world.
pub const STAYS: i64 = 30;
/// The same again within so many seconds of the world is one act: who closes sessions closes many.
const AGAIN: i64 = 5;
/// Letters of what somebody was told that are kept.
const TOLD: usize = 200;

/// What an act is worth, as the scenario says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It is one of the ways that mend it.
    Mends,
    /// It is one of those that make it worse, or do not help: why.
    Harms(String),
    /// It is none of them, or nothing was wrong (any more).
    Needless,
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The second of the world; of several, the first.
    pub at: i64,
    /// What.
    pub deed: Deed,
    /// So many times in a row.
    pub times: usize,
    /// What it is worth.
    pub worth: Worth,
}

/// What is kept, second by second.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Moments, and what happened at them, oldest first: alerts, and what others were told.
    pub lines: Vec<(i64, String)>,
    /// What somebody did, oldest first.
    pub acts: Vec<Act>,
    /// The first alert that fired: when, and which.
    pub alerted: Option<(i64, String)>,
    /// Requests that were answered with 5xx since something was wrong and somebody could see it.
    pub failed: f64,
    /// The first second at which something was wrong.
    pub began: Option<i64>,
    /// The second since when nothing is any more.
    pub well_since: Option<i64>,
    /// And when that had lasted.
    pub mended: Option<i64>,
}

impl Kept {
    /// The second of the world from which all times of a drill are told: when something was wrong first; its beginning, where that was before
    /// or nothing was.
    pub fn zero(&self) -> i64 {
        self.began.unwrap_or_default().max(0)
    }

    /// The place behind the first act from `from` on whose words pass; `None`: there is none yet.
    pub fn behind(&self, from: usize, passes: impl Fn(&str) -> bool) -> Option<usize> {
        let of_it = |act: &Act| passes(&act.deed.words(act.times));
        self.acts.iter().skip(from).position(of_it).map(|at| from + at + 1)
    }

    /// After a second of the world.
    pub fn second(&mut self, world: &World) {
        if is_well(world) {
            let since = *self.well_since.get_or_insert(world.at);
            if self.began.is_some() && self.mended.is_none() && world.at - since >= STAYS {
                self.mended = Some(since);
            }
            return;
        }
        self.well_since = None;
        // What comes back was not mended.
        self.mended = None;
        self.began.get_or_insert(world.at);
        // Before the beginning nobody was there to help.
        self.failed += if world.at > 0 { world.answered[1] } else { 0.0 };
    }

    /// Somebody did something.
    pub fn act(&mut self, at: i64, deed: Deed, scenario: &Scenario) {
        let under_way = self.mended.is_none() && scenario.events.iter().any(|event| event.at <= at);
        let worth = self.worth(&deed, scenario, under_way);
        match self.acts.last_mut() {
            Some(last) if last.deed == deed && last.worth == worth && at - last.at <= AGAIN => last.times += 1,
            _ => self.acts.push(Act { at, deed, times: 1, worth }),
        }
    }

    fn worth(&self, deed: &Deed, scenario: &Scenario, under_way: bool) -> Worth {
        // What mends one machine may harm elsewhere: whatever mends is not looked up among what harms.
        let Some(mend) = scenario.mends.iter().find(|way| way.is(deed)) else {
            let harm = scenario.harms.iter().find(|way| way.is(deed));
            return harm.map_or(Worth::Needless, |way| Worth::Harms(way.say.clone()));
        };
        // A runbook that is followed to its end goes on when the worst is over: what is done of it for the first time is not needless.
        let mends = |act: &Act| act.worth == Worth::Mends;
        let first = || !self.acts.iter().any(|act| mends(act) && mend.is(&act.deed));
        let goes_on = self.acts.iter().any(mends) && first();
        if under_way || goes_on { Worth::Mends } else { Worth::Needless }
    }

    /// Somebody outside was told something: one line of it is kept.
    pub fn told(&mut self, at: i64, whom: &str, what: &str) {
        let line: String = text::clean(what.lines().next().unwrap_or_default()).chars().take(TOLD).collect();
        self.lines.push((at, format!("you told the {whom}: {line}")));
    }

    /// An alert changed.
    pub fn alert(&mut self, second: i64, name: &str, on: &str, became: &str) {
        let name = format!("{name}{}{on}", if on.is_empty() { "" } else { " on " });
        self.lines.push((second, format!("alert {name} {became}")));
        if became == "firing" && self.alerted.is_none() {
            self.alerted = Some((second, name));
        }
    }
}

/// Nothing is wrong: everybody serves and has passed its health check, no build has a flaw, nobody waits for a lock, the standby follows, no disk grows fast or is full. A
/// primary in whose place another has come is missed by nobody; while both take writes, nothing is well. Nor is it while encrypted files
/// can spread; a machine that is cut off from all others is done with, whatever it had.
pub fn is_well(world: &World) -> bool {
    let replaced = |at: usize| {
        let mut others = world.databases.iter().enumerate().filter(|(which, _)| *which != world.primary);
        others.any(|(_, database)| database.server == at && !database.standby)
    };
    let infected = world.is_infected();
    let of_server = |(at, server): (usize, &Server)| {
        // Whoever is left carries the load of all that are cut off.
        let crowded = !infected && server.role == Role::Game && server.failing > 0.05;
        let disk = server.disk_used / server.disk < 0.9 && server.disk_growth < 1e6;
        let serves = server.up && world.serves(at) && world.is_healthy(at) && !crowded && disk;
        // Whom somebody has destroyed nobody misses, nor whom no load balancer has had yet.
        let missed = !(server.gone || server.fresh);
        serves && server.infected.is_none() || replaced(at) || server.isolated && infected || !missed
    };
    let primary = &world.databases[world.primary];
    let plays = |(at, server): (usize, &Server)| server.role == Role::Game && world.serves(at);
    world.servers.iter().enumerate().all(of_server)
        && world.containers.iter().all(|one| one.flaw.is_none())
        && primary.sessions.iter().all(|session| session.blocked_by.is_none())
        && primary.room() * 10 > primary.most
        && world.databases.iter().all(|one| !(one.standby && one.stalled))
        && world.writable().count() == 1
        && primary.damaged.is_none()
        && world.servers.iter().enumerate().any(plays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        let text = "title = 'a'\nbrief = 'b'\nseverity = 'P1'\n[[event]]\nat = 10\nkill = 'game-2/godot-server'\n\
                    [[mend]]\nsay = 'm'\nrestart = 'game-2/godot-server'\n[[harm]]\nsay = 'h'\nrestart = '*/godot-server'";
        Scenario::read(text).unwrap()
    }

    fn restart(on: &str) -> Deed {
        Deed { verb: "restart", on: on.to_owned() }
    }

    #[test]
    fn acts_are_judged_by_the_scenario_and_by_what_is_wrong() {
        let (mut kept, scenario) = (Kept::default(), scenario());
        kept.act(5, restart("game-2/godot-server"), &scenario);
        kept.act(20, restart("game-2/godot-server"), &scenario);
        kept.act(20, restart("game-3/godot-server"), &scenario);
        kept.act(20, restart("game-3/redis"), &scenario);
        kept.mended = Some(25);
        kept.act(60, restart("game-2/godot-server"), &scenario);
        let worth: Vec<&Worth> = kept.acts.iter().map(|act| &act.worth).collect();
        let harms = Worth::Harms("h".to_owned());
        assert_eq!(worth, [&Worth::Needless, &Worth::Mends, &harms, &Worth::Needless, &Worth::Needless]);
    }

    #[test]
    fn a_runbook_that_is_followed_to_its_end_does_nothing_needless() {
        let text = "title = 'a'\nbrief = 'b'\nseverity = 'P1'\n[[event]]\nat = 10\nkill = 'game-2/godot-server'\n\
                    [[mend]]\nsay = 'm'\ndrain = 'game-3'\n[[mend]]\nsay = 'n'\ntake-out = 'game-3'";
        let (mut kept, scenario) = (Kept::default(), Scenario::read(text).unwrap());
        let deed = |verb| Deed { verb, on: "game-3".to_owned() };
        kept.act(20, deed("drain"), &scenario);
        kept.mended = Some(25);
        for verb in ["take-out", "take-out", "drain"] {
            kept.act(90, deed(verb), &scenario);
            kept.act(200, deed("clean"), &scenario);
        }
        let worth: Vec<bool> = kept.acts.iter().map(|act| act.worth == Worth::Mends).collect();
        assert_eq!(worth, [true, true, false, false, false, false, false]);
    }

    #[test]
    fn what_is_done_many_times_in_a_row_is_one_act() {
        let (mut kept, scenario) = (Kept::default(), scenario());
        let ended = || Deed { verb: "end-session", on: "report".to_owned() };
        for at in [30, 30, 31, 35, 60] {
            kept.act(at, ended(), &scenario);
        }
        let times: Vec<(i64, usize)> = kept.acts.iter().map(|act| (act.at, act.times)).collect();
        assert_eq!(times, [(30, 4), (60, 1)]);
    }
}
