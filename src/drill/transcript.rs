//! What a drill was: told when it is left, to look back at, and to share.

use super::stage::Stage;
use super::world::{Order, Role, World};
use std::fmt::Write as _;

/// So long nothing may be wrong until it counts as mended: seconds of the world.
const STAYS: i64 = 30;

/// What is kept second by second.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Moments and what happened at them, oldest first: alerts, and what somebody did.
    pub lines: Vec<(i64, String)>,
    /// Requests that were answered with 5xx since something was wrong.
    pub failed: f64,
    /// The first second at which something was wrong.
    pub began: Option<i64>,
    /// The second since when nothing is any more.
    well_since: Option<i64>,
    /// And when that had lasted.
    pub mended: Option<i64>,
    /// When somebody first did something.
    pub acted: Option<i64>,
}

impl Kept {
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
        self.failed += world.answered[1];
    }

    /// Somebody did something.
    pub fn order(&mut self, world: &World, order: &Order) {
        self.acted.get_or_insert(world.at);
        self.lines.push((world.at, format!("you: {}", words(world, order))));
    }

    /// An alert changed.
    pub fn alert(&mut self, second: i64, name: &str, on: &str, became: &str) {
        self.lines.push((second, format!("alert {name}{}{on} {became}", if on.is_empty() { "" } else { " on " })));
    }
}

/// Nothing is wrong: everybody serves, no build has a flaw, nobody waits for a lock, the standby follows, no disk grows fast or is full.
pub fn is_well(world: &World) -> bool {
    let of_server = |(at, server): (usize, &super::world::Server)| {
        let crowded = server.role == Role::Game && server.failing > 0.05;
        let disk = server.disk_used / server.disk < 0.9 && server.disk_growth < 1e6;
        server.up && world.serves(at) && !crowded && disk
    };
    let [primary, standby] = &world.databases;
    world.servers.iter().enumerate().all(of_server)
        && world.containers.iter().all(|one| one.flaw.is_none())
        && primary.sessions.iter().all(|session| session.blocked_by.is_none())
        && primary.room() * 10 > primary.most
        && !standby.stalled
}

fn words(world: &World, order: &Order) -> String {
    let container = |at: usize| world.title(at);
    let server = |at: usize| world.servers[at].name.clone();
    match order {
        Order::Kill(at) => format!("killed {}", container(*at)),
        Order::Stop(at) => format!("stopped {}", container(*at)),
        Order::Start(at) => format!("started {}", container(*at)),
        Order::Restart(at) => format!("restarted {}", container(*at)),
        Order::Drain(at, true) => format!("drained {}", server(*at)),
        Order::Drain(at, false) => format!("let players in again on {}", server(*at)),
        Order::Terminate(pid) => format!("ended session {pid}"),
        Order::Cancel(pid) => format!("cancelled the query of session {pid}"),
        Order::Stall(stalled) => {
            if *stalled { "held the standby's replay" } else { "let the standby replay" }.to_owned()
        }
        Order::Deploy { service, version, .. } => format!("brought out {service} {version}"),
        Order::Prepare { colour, version, .. } => format!("started {version} as {}", colour.word()),
        Order::Remove(colour) => format!("removed {}", colour.word()),
        Order::Switch(colour) => format!("sent all players to {}", colour.word()),
        Order::Record(what) => format!("wrote down: {what}"),
        Order::Upstream(at, true) => format!("had the load balancers send requests to {} again", server(*at)),
        Order::Upstream(at, false) => format!("took {} out of the load balancers", server(*at)),
        Order::Clean(at, bytes) => format!("freed {:.0} GiB on {}", bytes / 1_073_741_824.0, server(*at)),
        other => format!("{other:?}"),
    }
}

/// All of it, in words; times are minutes and seconds of the world.
pub fn text(stage: &Stage) -> String {
    let (kept, scenario) = (stage.kept(), stage.scenario());
    let mut text = format!("Drill: {}\n", scenario.title);
    let happened = stage.world.events.iter().map(|event| (event.at, format!("{} {}", event.thing, event.what)));
    let mut lines: Vec<(i64, String)> = happened.chain(kept.lines.iter().cloned()).collect();
    lines.sort_by_key(|(at, _)| *at);
    for (at, line) in &lines {
        let _ = writeln!(text, "{}  {line}", clock(*at));
    }
    if !lines.is_empty() {
        text.push('\n');
    }
    text.push_str(&verdict(kept));
    if !scenario.wrong.is_empty() {
        let _ = writeln!(text, "What was wrong: {}", scenario.wrong);
    }
    for (what, list) in [("It is mended by", &scenario.mends), ("It does not help, or makes it worse", &scenario.worse)]
    {
        for one in list {
            let _ = writeln!(text, "{what}: {one}");
        }
    }
    if !scenario.runbooks.is_empty() {
        let _ = writeln!(text, "Runbooks: {}", scenario.runbooks.join(", "));
    }
    text
}

fn verdict(kept: &Kept) -> String {
    let Some(began) = kept.began else { return "Nothing was wrong.\n".to_owned() };
    let after = |at: i64| clock(at - began);
    let acted =
        kept.acted.map_or_else(|| "nobody did anything".to_owned(), |at| format!("first action after {}", after(at)));
    let end = match (kept.mended, kept.well_since) {
        (Some(at), _) => format!("mended after {}", after(at)),
        (None, Some(at)) => {
            format!("well again since {}, which has to last for {STAYS} s to count as mended", after(at))
        }
        (None, None) => "not mended when it was left".to_owned(),
    };

    format!("It began at {}; {acted}; {end}. {:.0} requests failed meanwhile.\n", clock(began), kept.failed)
}

/// `3:07`
fn clock(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}", seconds.abs() / 60, seconds.abs() % 60)
}

#[cfg(test)]
mod tests {
    use crate::drill::stage::Stage;
    use crate::drill::world::{Flaw, Order, Size};
    use crate::drill::{Scenario, transcript};

    fn stage(scenario: &str) -> Stage {
        let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        Stage::new(5, Size::default(), Scenario::built_in(scenario).unwrap(), start, 1.0).unwrap()
    }

    fn run(stage: &mut Stage, seconds: usize) {
        (0..seconds).for_each(|_| stage.step());
    }

    /// What mends each, as somebody would who knows what is wrong.
    fn mend(stage: &mut Stage, scenario: &str) {
        let named = |name: &str| stage.world.servers.iter().position(|server| server.name == name).unwrap();
        let back = |service: &str| Order::Deploy {
            service: service.into(),
            version: "v2.5.0".into(),
            flaw: Flaw::default(),
            server: None,
        };
        let orders = match scenario {
            "service-down" => vec![Order::Start(stage.world.service(named("game-2"), "godot-server").unwrap())],
            "memory-leak" | "bad-deploy" => vec![back("godot-server")],
            "connection-exhaustion" => {
                let forgotten = stage.world.databases[0].sessions.iter().filter(|one| one.forgotten);
                forgotten.map(|one| Order::Terminate(one.pid)).collect()
            }
            "hung-server" => {
                vec![Order::Restart(stage.world.service(named("game-4"), "godot-server").unwrap())]
            }
            "lock-queue" => {
                let holder = stage.world.databases[0].sessions.iter().find_map(|one| one.blocked_by);
                vec![Order::Terminate(holder.unwrap())]
            }
            "hot-shard" => vec![Order::Drain(named("game-3"), true)],
            "replica-lag" => vec![Order::Stall(false)],
            "disk-filling" => vec![Order::Fill(named("game-1"), 0.0), Order::Clean(named("game-1"), 1e11)],
            other => panic!("{other} has no end here"),
        };
        for order in orders {
            stage.order(&order).unwrap();
        }
    }

    #[test]
    fn every_scenario_comes_to_a_good_end_and_to_a_bad_one() {
        for id in Scenario::ids().filter(|id| *id != "steady") {
            let mut good = stage(id);
            run(&mut good, 320);
            assert!(good.kept().began.is_some(), "{id} is not seen");
            assert_eq!(good.kept().mended, None, "{id} mends itself");
            mend(&mut good, id);
            run(&mut good, 380);
            assert!(good.kept().mended.is_some(), "{id}: {}", transcript::text(&good));
            let mut bad = stage(id);
            run(&mut bad, 400);
            assert_eq!(bad.kept().mended, None, "{id} mends itself");
            assert!(transcript::text(&bad).contains("nobody did anything; not mended"), "{id}");
        }
    }

    #[test]
    fn the_transcript_tells_in_order_what_happened_and_what_was_done() {
        let mut stage = stage("service-down");
        run(&mut stage, 120);
        mend(&mut stage, "service-down");
        run(&mut stage, 90);
        let text = transcript::text(&stage);
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle}: {text}"));
        let order = [
            at("0:20  game-2/godot-server has ended with 137"),
            at("alert ServiceDown on 10.0.1.5:8080 pending"),
            at("alert ServiceDown on 10.0.1.5:8080 firing"),
            at("2:00  you: started game-2/godot-server"),
            at("alert ServiceDown on 10.0.1.5:8080 resolved"),
            at("It began at 0:20; first action after 1:40; mended after"),
            at("What was wrong: The container"),
        ];
        assert!(order.is_sorted(), "{text}");
        let quiet = self::stage("steady");
        assert!(transcript::text(&quiet).contains("Nothing was wrong."));
    }
}
