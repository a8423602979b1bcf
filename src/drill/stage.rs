//! The world on its stage: it goes by with the time, is scraped and alerted on, and is what everything that is served tells of.

use super::alerting::Silences;
use super::clock::Clock;
use super::deed::Deed;
use super::kept::Kept;
use super::metrics::Past;
use super::metrics::exposed::Target;
use super::metrics::promql::Query;
use super::metrics::rules::{self, Rule};
use super::metrics::series::{Labels, NAME};
use super::scenario::Scenario;
use super::world::{Order, Refused, Size, World};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Seconds of the world before its beginning that charts can show.
const BEFORE: i64 = 1_800;
/// Of a large one: what is scraped there is much.
const BEFORE_LARGE: i64 = 120;
/// A world needs so long until all is as it always is, seconds.
const SETTLES: i64 = 120;
/// Prometheus scrapes and looks at its rules this often, in seconds of the world. More often than in life: somebody waits in front of it.
const SCRAPE: i64 = 5;
const SCRAPE_LARGE: i64 = 15;
/// What was scraped is kept for so long, in seconds on the wire.
const KEEP: f64 = 7_200.0;
const KEEP_LARGE: f64 = 900.0;
/// After a while in which nobody looked (a suspended machine), no more than this is made up for at once: seconds of the world.
const MOST_AT_ONCE: i64 = 600;

/// All of it.
pub struct Stage {
    /// The production.
    pub world: World,
    /// What was scraped.
    pub past: Past,
    /// What is alerted on.
    pub rules: Vec<Rule>,
    /// Whose alerts are held back.
    pub silences: Silences,
    /// How its time is told.
    pub clock: Clock,
    scenario: Scenario,
    scrape: i64,
    /// Seconds before its beginning that charts show.
    before: i64,
    kept: Kept,
    /// Moved by hand: when, and the second of the world after it. Empty where it goes by with everybody's time.
    moves: Vec<(Timestamp, i64)>,
    /// How often the load balancer was asked by a person.
    turns: usize,
    /// Told whenever a second has gone by or somebody has done something.
    changed: watch::Sender<()>,
}

impl Stage {
    /// As it is at its beginning.
    ///
    /// # Errors
    /// When the scenario names what such a world does not have.
    pub fn new(seed: u64, size: Size, scenario: Scenario, start: Timestamp, speed: f64) -> Result<Self, String> {
        let clock = Clock::new(start, speed);
        let large = size.is_large();
        let (before, scrape, keep) =
            if large { (BEFORE_LARGE, SCRAPE_LARGE, KEEP_LARGE) } else { (BEFORE, SCRAPE * 3, KEEP) };
        let (mut past, lead) = (Past::new(keep), scenario.lead());
        let first = -before.max(lead + SETTLES);
        let world = World::with_past(seed, size, first..-lead, |world| {
            if world.at % scrape == 0 && world.at >= -before {
                scrape_all(&mut past, world, clock);
            }
        });
        scenario.fits(&world)?;
        let scrape = if large { SCRAPE_LARGE } else { SCRAPE };
        let (rules, silences) = (rules::shipped()?, Silences::new(seed));
        let kept = Kept::default();
        let (moves, changed) = (Vec::new(), watch::Sender::new(()));
        let mut stage =
            Self { world, past, rules, silences, clock, scenario, scrape, kept, before, moves, turns: 0, changed };
        // What always fires has fired for a while when the drill begins.
        stage.look(first);
        stage.look(-lead);
        stage.kept = Kept::default();
        (0..lead).for_each(|_| stage.step());
        Ok(stage)
    }

    /// Up to that moment on the wire; how many seconds went by.
    pub fn until(&mut self, wire: f64) -> i64 {
        let goal = self.clock.second(wire);
        let seconds = (goal - self.world.at).clamp(0, MOST_AT_ONCE);
        (0..seconds).for_each(|_| self.step());
        seconds
    }

    /// From now on it is moved by hand alone, and stands still otherwise.
    pub fn by_hand(&mut self, now: Timestamp) {
        self.moves.push((now, self.world.at));
    }

    /// This moment, as those tell it who count by the world's time: everybody's, unless it is moved by hand.
    pub fn now(&self) -> Timestamp {
        if self.moves.is_empty() { Timestamp::now() } else { self.clock.moment(self.world.at) }
    }

    /// So many seconds, by hand, at that moment of everybody's.
    pub fn pass(&mut self, seconds: i64, now: Timestamp) {
        (0..seconds).for_each(|_| self.step());
        self.moves.push((now, self.world.at));
    }

    /// The second of the world at a moment of everybody's.
    pub fn second_of(&self, at: Timestamp) -> i64 {
        let before = self.moves.partition_point(|(when, _)| *when <= at);
        match self.moves.get(before.saturating_sub(1)) {
            None => self.clock.second(super::clock::seconds(at)),
            Some((_, second)) => *second,
        }
    }

    /// One second.
    pub fn step(&mut self) {
        self.world.step();
        for order in self.scenario.due(&self.world) {
            // It fitted when it began; what somebody made of the world meanwhile is what the drill is about.
            let _ = self.world.order(order);
        }
        self.kept.second(&self.world);
        if self.world.at % self.scrape == 0 && self.world.at >= -self.before {
            scrape_all(&mut self.past, &self.world, self.clock);
            self.look(self.world.at);
        }
        self.changed.send_replace(());
    }

    /// What somebody does.
    ///
    /// # Errors
    /// When it can't be done.
    pub fn order(&mut self, order: &Order) -> Result<(), Refused> {
        let deed = Deed::of(order, &self.world);
        self.world.order(order.clone())?;
        if let Some(deed) = deed {
            self.kept.act(self.world.at, deed, &self.scenario);
        }
        self.changed.send_replace(());
        Ok(())
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Somebody outside was told something.
    pub fn tell(&mut self, whom: &str, what: &str) {
        self.kept.told(self.world.at, whom, what);
    }

    /// Whose turn it is at the load balancer: one more each time.
    pub fn next_turn(&mut self) -> usize {
        self.turns += 1;
        self.turns
    }

    /// A question, as of now.
    pub fn query(&self) -> Query<'_> {
        self.query_at(self.clock.wire(self.world.at))
    }

    /// A question, as of that moment on the wire.
    pub fn query_at(&self, at: f64) -> Query<'_> {
        Query { past: &self.past, at, speed: self.clock.speed }
    }

    /// What is being played.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What is kept of it for the end.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Prometheus looks at its rules, and takes it for that second.
    fn look(&mut self, second: i64) {
        let query = Query { past: &self.past, at: self.clock.wire(self.world.at), speed: self.clock.speed };
        for rule in &mut self.rules {
            let before = rule.states();
            rule.evaluate(second, &query);
            let now = rule.states();
            let on = |labels: &Labels| labels.get("instance").map_or("", |instance| &**instance).to_owned();
            for (labels, state) in now.iter().filter(|(labels, state)| before.get(*labels) != Some(state)) {
                self.kept.alert(second, &rule.name, &on(labels), state);
            }
            for (labels, state) in before.iter().filter(|(labels, _)| !now.contains_key(*labels)) {
                let word = if *state == "firing" { "resolved" } else { "gone, it never fired" };
                self.kept.alert(second, &rule.name, &on(labels), word);
            }
        }
        let alerts: Vec<(Labels, f64)> = self.rules.iter().flat_map(Rule::series).collect();
        self.past.scrape(self.clock.wire(second), "rules", alerts);
    }
}

fn scrape_all(past: &mut Past, world: &World, clock: Clock) {
    let at = clock.wire(world.at);
    for target in Target::all(world) {
        let instance = target.instance(world);
        let up = target.answers(world).is_ok();
        let told = if up { target.tell(world, clock) } else { Vec::new() };
        let mut labels = target.labels(world);
        past.scrape_page(at, &instance, &labels, told);
        labels.insert(NAME.into(), "up".into());
        past.scrape(at, &format!("up {instance}"), [(labels, f64::from(u8::from(up)))]);
    }
}

/// The stage, as all that serve it share it.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Stage>>);

impl Shared {
    /// To be shared.
    pub fn new(stage: Stage) -> Self {
        Self(Arc::new(Mutex::new(stage)))
    }

    /// Alone with it, for a moment: nothing is awaited meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::config::PROMISED;
    use crate::drill::metrics::promql::{self, Value};

    fn stage(scenario: &str) -> Stage {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        Stage::new(5, Size::default(), Scenario::built_in(scenario).unwrap(), start, 1.0).unwrap()
    }

    fn firing(stage: &Stage) -> Vec<&str> {
        let fires = |rule: &&Rule| rule.alerts.values().any(|alert| alert.fires.is_some());
        stage.rules.iter().filter(fires).map(|rule| rule.name.as_str()).collect()
    }

    fn run(stage: &mut Stage, seconds: usize) {
        (0..seconds).for_each(|_| stage.step());
    }

    #[test]
    fn on_a_quiet_day_only_the_watchdog_fires() {
        let mut stage = stage("steady");
        assert_eq!(firing(&stage), ["Watchdog"]);
        run(&mut stage, 3600);
        assert_eq!(firing(&stage), ["Watchdog"]);
        assert!(stage.rules.iter().all(|rule| rule.name == "Watchdog" || rule.alerts.is_empty()));
    }

    #[test]
    fn what_somebody_did_stands_at_the_second_that_the_world_had_then() {
        let mut stage = stage("steady");
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        assert_eq!([stage.second_of(at(0)), stage.second_of(at(90))], [0, 90]);
        // By hand it stands still between the moves.
        stage.by_hand(at(0));
        assert_eq!([stage.second_of(at(-1)), stage.second_of(at(90))], [0, 0]);
        stage.pass(30, at(2));
        stage.pass(600, at(5));
        assert_eq!([0, 2, 4, 5, 60].map(|second| stage.second_of(at(second))), [0, 30, 30, 630, 630]);
        assert_eq!(stage.world.at, 630);
    }

    #[test]
    fn charts_have_half_an_hour_behind_them() {
        let stage = stage("steady");
        let query = stage.query();
        let text = "sum(rate(http_requests_total{job=\"godot\"}[5m]))";
        let runs =
            query.over(&promql::parse(text).unwrap(), (1..=90).map(|back| query.at - f64::from(back) * 16.0)).unwrap();
        assert_eq!(runs[0].points.len(), 90);
        assert!(runs[0].points.iter().all(|(_, value)| *value > 50.0));
    }

    #[test]
    fn who_plays_sees_the_alert_that_is_meant_to_within_a_minute_or_two() {
        let mut late = Vec::new();
        for (scenario, alert, within) in [
            ("service-down", "ServiceDown", 6..101),
            ("memory-leak", "HighMemoryUsage", 6..61),
            ("bad-deploy", "HighErrorRate", 6..61),
            ("connection-exhaustion", "DatabaseConnectionsHigh", 6..61),
            ("hot-shard", "HighResponseTime", 6..61),
            ("lock-queue", "HighResponseTime", 6..61),
            ("disk-filling", "HighDiskUsage", 6..61),
            // It has begun when the dashboard opens: that is what it is about.
            ("alert-storm", "DatabaseDown", -240_i64..0),
        ] {
            let mut stage = stage(scenario);
            run(&mut stage, usize::try_from(within.end).unwrap_or_default());
            let first = stage.kept().alerted.clone();
            let is_meant = |(at, name): &(i64, String)| within.contains(at) && name.starts_with(alert);
            if !first.as_ref().is_some_and(is_meant) {
                late.push(format!("{scenario}: {first:?}"));
            }
        }
        assert_eq!(late, Vec::<String>::new(), "each fires within its seconds");
    }

    #[test]
    fn what_is_promised_has_values() {
        let stage = stage("steady");
        let promised: toml::Table = toml::from_str(PROMISED).unwrap();
        for slo in promised["prometheus"]["main"]["slo"].as_array().unwrap() {
            let text = slo["query"].as_str().unwrap();
            let Ok(Value::Vector(samples)) = stage.query().run(&promql::parse(text).unwrap()) else { panic!("{text}") };
            assert!(!samples.is_empty() && samples.iter().all(|one| one.value.is_finite()), "{text}: {samples:?}");
        }
    }
}
