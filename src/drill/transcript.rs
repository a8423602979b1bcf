//! What a drill was, told when it is left: Markdown that is read in a terminal too, to look back at and to share.

use super::score::{Handled, Score};
use super::stage::Stage;
use std::fmt::Write as _;

/// All of it; times are minutes and seconds of the world since [`Kept::zero`](super::kept::Kept::zero).
pub fn text(stage: &Stage, handled: &Handled) -> String {
    let (kept, scenario) = (stage.kept(), stage.scenario());
    let mut text = format!("# Drill: {}\n\n", scenario.title);
    let severity = scenario.severity.map_or_else(String::new, |severity| format!("{}, ", severity.word()));
    let left = clock(stage.world.at - kept.zero());
    let _ = writeln!(text, "{severity}seed {}, left at {left}. {}", stage.world.seed, time(stage));
    section(&mut text, "Score", Score::of(kept, scenario, handled).lines());
    section(&mut text, "What happened", happened(stage, handled));
    if !scenario.wrong.is_empty() {
        let _ = write!(text, "\n## What was wrong\n\n{}\n", scenario.wrong);
    }
    section(&mut text, "What mends it", scenario.mends.iter().map(|way| way.say.clone()).collect());
    section(
        &mut text,
        "What does not help, or makes it worse",
        scenario.harms.iter().map(|way| way.say.clone()).collect(),
    );
    let runbooks = scenario.runbooks();
    if !runbooks.is_empty() {
        let _ = write!(text, "\nRunbooks: {}\n", runbooks.join(", "));
    }
    text
}

/// Whose time all of it is in.
fn time(stage: &Stage) -> String {
    let since = match stage.kept().began {
        None => "since the drill began".to_owned(),
        Some(at) if at < 0 => format!("since the drill began; something had been wrong for {} by then", clock(-at)),
        Some(at) => format!("since something was wrong first, {} after the drill began", clock(at)),
    };
    let speed = match stage.clock.speed {
        1.0 => String::new(),
        speed => format!(" ({speed} of its seconds in one of yours)"),
    };
    format!("Times are the production's{speed}, {since}.")
}

/// A heading and a list; nothing where there is nothing.
fn section(text: &mut String, heading: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {heading}\n\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
}

/// What somebody recorded and did, what happened to the world, what alerts said, in order; what is of the same second in this order, as
/// causes come first.
fn happened(stage: &Stage, handled: &Handled) -> Vec<String> {
    let kept = stage.kept();
    let world = stage.world.events.iter().map(|event| (event.at, format!("{} {}", event.thing, event.what)));
    let acts = kept.acts.iter().map(|act| (act.at, format!("you {}", act.deed.words(act.times))));
    let signs = handled.signs.iter().map(|(at, sign)| (*at, format!("journal: {sign}")));
    let mut all: Vec<(i64, String)> = signs.chain(acts).chain(world).chain(kept.lines.iter().cloned()).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, line)| format!("{} {line}", clock(at - kept.zero()))).collect()
}

/// `3:07`, `1:00:00`.
pub(super) fn clock(seconds: i64) -> String {
    let (sign, all) = (if seconds < 0 { "-" } else { "" }, seconds.abs());
    match all / 3600 {
        0 => format!("{sign}{}:{:02}", all / 60, all % 60),
        hours => format!("{sign}{hours}:{:02}:{:02}", all / 60 % 60, all % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{clock, text};
    use crate::drill::Scenario;
    use crate::drill::score::{Handled, Score};
    use crate::drill::stage::Stage;
    use crate::drill::world::{Flaw, Order, Size};

    fn stage(scenario: &str) -> Stage {
        let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        Stage::new(5, Size::default(), Scenario::built_in(scenario).unwrap(), start, 1.0).unwrap()
    }

    fn run(stage: &mut Stage, seconds: usize) {
        (0..seconds).for_each(|_| stage.step());
    }

    fn told(stage: &Stage) -> String {
        text(stage, &Handled::default())
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
            "alert-storm" => vec![Order::Start(stage.world.service(named("db-primary"), "postgres").unwrap())],
            "two-causes" => {
                let holder = stage.world.databases[0].sessions.iter().find_map(|one| one.blocked_by);
                let killed = stage.world.service(named("game-1"), "godot-server").unwrap();
                vec![Order::Start(killed), Order::Terminate(holder.unwrap())]
            }
            "lying-source" => vec![Order::Restart(stage.world.service(named("game-3"), "godot-server").unwrap())],
            "lock-queue" => {
                let holder = stage.world.databases[0].sessions.iter().find_map(|one| one.blocked_by);
                vec![Order::Terminate(holder.unwrap())]
            }
            "hot-shard" => vec![Order::Drain(named("game-3"), true)],
            "failover" => vec![Order::Promote],
            "corruption" => vec![Order::Replace(None)],
            "ransomware" => {
                let has = |at: &usize| stage.world.servers[*at].infected.is_some();
                (0..stage.world.servers.len()).filter(has).map(|at| Order::Isolate(at, true)).collect()
            }
            "replica-lag" => vec![Order::Stall(false)],
            "disk-filling" => {
                let quiet = Order::Fill { server: named("game-1"), growth: 0.0, used: None };
                vec![quiet, Order::Clean(named("game-1"), 1e11)]
            }
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
            let score = Score::of(good.kept(), good.scenario(), &Handled::default());
            assert!(score.ended_well(), "{id}: {}", told(&good));
            assert!(
                (score.wrong.is_empty() && score.needless.is_empty()) && score.acted.is_some(),
                "{id}: {}",
                told(&good)
            );
            let mut bad = stage(id);
            run(&mut bad, 400);
            assert_eq!(bad.kept().mended, None, "{id} mends itself");
            assert!(told(&bad).contains("first safe action: none\n- mitigated: no"), "{id}");
        }
    }

    #[test]
    fn the_transcript_tells_in_order_what_happened_and_what_was_done() {
        let mut stage = stage("service-down");
        run(&mut stage, 120);
        mend(&mut stage, "service-down");
        run(&mut stage, 90);
        let text = told(&stage);
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle}: {text}"));
        let order = [
            at(
                "# Drill: A game server is down\n\nP1, seed 5, left at 3:10. Times are the production's, since something was wrong first, 0:20 after the drill began.\n",
            ),
            at("- first safe action: after 1:40 of 1:00:00 that P1 allows: started game-2/godot-server"),
            at("- mitigated: after 1:4"),
            at("## What happened\n\n- 0:00 game-2/godot-server has ended with 137"),
            at("alert ServiceDown on 10.0.1.5:8080 pending"),
            at("alert ServiceDown on 10.0.1.5:8080 firing"),
            at("- 1:40 you started game-2/godot-server"),
            at("alert ServiceDown on 10.0.1.5:8080 resolved"),
            at("## What was wrong\n\nThe container"),
            at("## What mends it\n\n- restart"),
        ];
        assert!(order.is_sorted(), "{text}");
        let quiet = self::stage("steady");
        assert!(told(&quiet).contains("- nothing was wrong"));
    }

    #[test]
    fn times_are_minutes_and_from_an_hour_on_hours() {
        assert_eq!([clock(7), clock(187), clock(-5), clock(3_600)], ["0:07", "3:07", "-0:05", "1:00:00"]);
    }
}
