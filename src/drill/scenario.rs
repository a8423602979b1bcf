//! Scenarios: what goes wrong, when, and what mends it, as TOML.

mod event;
mod mistakes;
pub(super) mod values;

use super::deed::Way;
use super::guide::Hint;
use super::world::{Order, World};
use crate::domain::incident::Priority;
use event::{Event, What};
use mistakes::Mistake;
use serde::Deserialize;
use toml::Spanned;
use values::text;

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
    #[serde(default, deserialize_with = "text")]
    pub title: String,
    /// How grave it is: P0 to P3. Absent: there is nothing wrong.
    pub severity: Option<Priority>,
    /// What is known at the start, to who plays it.
    #[serde(default, deserialize_with = "text")]
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
    #[serde(default)]
    runbooks: Vec<Spanned<String>>,
    #[serde(default)]
    guide: Vec<Spanned<Hint>>,
    /// What happens, and when.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
    /// What it was read from: mistakes are told by its lines.
    #[serde(skip)]
    page: String,
}

const NOTHING_HAPPENS: &str =
    "nothing happens in it: write an [[event]], or leave out what goes wrong (severity, wrong, mend, harm)";

const fn yes() -> bool {
    true
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// All that can't be read, each with its line.
    pub fn read(page: &str) -> Result<Self, String> {
        match mistakes::read(page) {
            (Some(scenario), mistakes) if mistakes.is_empty() => Ok(scenario),
            (_, mistakes) => Err(mistakes::told(page, mistakes)),
        }
    }

    /// Reads one that somebody else has written, for that world; `is_runbook` says why a name is that of no runbook.
    ///
    /// # Errors
    /// All that can't be read, and all that is not there in that world, each with its line.
    pub fn look_over(
        page: &str,
        world: &World,
        is_runbook: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Self, String> {
        let (scenario, mut mistakes) = mistakes::read(page);
        let is_whole = mistakes.is_empty();
        if let Some(scenario) = &scenario {
            mistakes.extend(scenario.misfits(world, is_whole));
            let unknown = |id: &Spanned<String>| Some(Mistake::new(id.span().start, is_runbook(id.get_ref()).err()?));
            mistakes.extend(scenario.runbooks.iter().filter_map(unknown));
        }
        match scenario {
            Some(scenario) if mistakes.is_empty() => Ok(scenario),
            _ => Err(mistakes::told(page, mistakes)),
        }
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

    /// The runbooks involved, by id.
    pub fn runbooks(&self) -> Vec<&str> {
        self.runbooks.iter().map(|id| id.get_ref().as_str()).collect()
    }

    /// Where who wants to be guided is led, step by step; none: the tour for any.
    pub fn guide(&self) -> Vec<Hint> {
        self.guide.iter().map(|hint| hint.get_ref().clone()).collect()
    }

    /// Whether something happens in it, where something is said to be wrong, and all that it names is there in that world.
    ///
    /// # Errors
    /// All that is not, by name, with the lines that say so.
    pub fn fits(&self, world: &World) -> Result<(), String> {
        let misfits = self.misfits(world, true);
        if misfits.is_empty() { Ok(()) } else { Err(mistakes::told(&self.page, misfits)) }
    }

    /// What does not fit. Of a page that could not be read as a whole nothing is said that depends on what is lacking.
    fn misfits(&self, world: &World, is_whole: bool) -> Vec<Mistake> {
        let happens = |event: &Event| Some(Mistake::new(event.place.start, event.what.order(world).err()?));
        let programs: Vec<&str> = self.events.iter().filter_map(|event| event.what.program()).collect();
        let programs = is_whole.then_some(programs.as_slice());
        let ways = self.mends.iter().chain(&self.harms).flat_map(|way| way.misfits(world, programs));
        let ways = ways.map(|(place, why)| Mistake::new(place.start, why));
        let nothing =
            (is_whole && self.events.is_empty() && !self.is_quiet()).then(|| Mistake::of_all(NOTHING_HAPPENS));
        nothing.into_iter().chain(self.endless()).chain(self.events.iter().filter_map(happens)).chain(ways).collect()
    }

    /// Nothing is said to be wrong.
    fn is_quiet(&self) -> bool {
        self.severity.is_none() && self.wrong.is_empty() && self.mends.is_empty() && self.harms.is_empty()
    }

    /// Steps with others behind them that nothing ends. The last one stands there until the drill is left.
    fn endless(&self) -> impl Iterator<Item = Mistake> + '_ {
        let before = self.guide.split_last().map_or(&[][..], |(_, before)| before);
        let endless = before.iter().filter(|hint| !hint.get_ref().has_end());
        endless.map(|hint| {
            let say = &hint.get_ref().say;
            let why = "a step with another behind it needs an end: write `shows` (a regular expression), or `once`";
            Mistake::new(hint.span().start, format!("[[guide]] {say:?}: {why}"))
        })
    }

    /// Seconds by which it begins before the dashboard opens: a second before its first event.
    pub fn lead(&self) -> i64 {
        self.events.iter().map(|event| 1 - event.at).max().unwrap_or_default().max(0)
    }

    /// Pages of the database are damaged in it, as they were before anybody saw it.
    pub fn damages(&self) -> bool {
        self.events.iter().any(|event| matches!(event.what, What::Damage(_)))
    }

    /// Where what went wrong last can be seen before any alert fires; nothing where nothing has happened.
    pub fn shows(&self, second: i64) -> Option<&'static str> {
        let happened = self.events.iter().filter(|event| event.at <= second);
        happened.max_by_key(|event| event.at).map(|event| event.what.shows())
    }

    /// What is to happen at that second.
    pub fn due(&self, world: &World) -> Vec<Order> {
        let now = self.events.iter().filter(|event| event.at == world.at);
        now.filter_map(|event| event.what.order(world).ok()).collect()
    }
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
            let scenario = Scenario::built_in(id).unwrap();
            let severity = scenario.severity.map_or("", Priority::word);
            let runbooks = scenario.runbooks().join(", ");
            let line = format!("| `{id}` | {} | {severity} | {runbooks} |\n", scenario.title);
            assert!(page.contains(&line), "{line}");
        }
    }

    /// What is said to who writes that behind the first two lines.
    fn wrong(rest: &str) -> String {
        let world = World::new(1, Size::default());
        let read = Scenario::read(&format!("title = 'a'\nbrief = 'b'\n{rest}"));
        read.and_then(|scenario| scenario.fits(&world)).expect_err(rest)
    }

    #[test]
    fn mistakes_are_told_at_their_line_and_with_what_to_write() {
        const EVENT: &str = "[[event]]\nat = 5\n";
        for (rest, line, why) in [
            ("kill = 'game-9/x'", 5, "there is no server \"game-9\": did you mean \"game-"),
            (
                "kill = 'game-1/godot-servr'",
                5,
                "no container of game-1 \"godot-servr\": did you mean \"godot-server\"?",
            ),
            ("kill = 'x'", 5, "write SERVER/NAME"),
            ("power-off = 'moon'", 5, "there is no server \"moon\": there are api-1, db-primary"),
            ("damage = 'inventroy'", 5, "there is no table \"inventroy\": did you mean \"inventory\"?"),
            ("deploy = { service = 'x', version = '1' }", 5, "there is no service \"x\""),
            ("deploy = { service = 'godot-server', version = '' }", 5, "it is empty: write what it is called"),
            ("\n[event.deploy]\nservice = 'x'\nversion = '1'\nerrors = 40", 9, "40 is no share: write 0.4 for 40 %"),
            ("deploy = { service = 'x', version = '1', errors = -1 }", 5, "-1 is no share: write 0 to 1"),
            ("deploy = { service = 'x', version = '1', hoard = nan }", 5, "NaN is no share"),
            (
                "deploy = { service = 'x', version = '1', slow = -1 }",
                5,
                "-1 is out of range: write a number, 0 to 1000",
            ),
            ("deploy = { servise = 'x' }", 5, "unknown field `servise`, expected one of `service`"),
            ("attract = { server = 'game-1', times = -3 }", 5, "-3 is out of range: write a number, 0 to 1000"),
            ("fill = { server = 'game-1', mib = 1, used = 80 }", 5, "80 is no share: write 0.8 for 80 %"),
            ("encrypt = { server = 'game-1', every = 0 }", 5, "0 is out of range: write a whole number, 1 to 86400"),
            ("forget = { app = 'x', sessions = 0 }", 5, "0 is out of range: write a whole number, 1 to 10000"),
            ("lock = -1", 5, "-1 is out of range: write a whole number, 0 to 1000"),
            ("lock = 1.5", 5, "expected a whole number: write a whole number, 0 to 1000"),
            ("lock = 1\nkill = 'game-1/redis'", 5, "an event has kill already: one change each"),
            ("explode = true", 5, "is called \"explode\": there are kill, hang,"),
            ("atract = { server = 'game-1', times = 2 }", 5, "did you mean \"attract\"?"),
            ("", 3, "an event needs what happens: one of kill, hang,"),
        ] {
            let told = wrong(&format!("{EVENT}{rest}"));
            assert!(told.starts_with(&format!("line {line}:")) && told.contains(why), "{rest}: {line}: {why}: {told}");
        }
        for (rest, why) in [
            ("[[event]]\nat = -20000\nlock = 1", "line 4: nothing can happen"),
            ("[[event]]\nat = -20000\nlock = 1", "nothing can happen at -20000: write a second from -14400"),
            ("[[event]]\nat = 100000\nlock = 1", "to 86400 (a day after it)"),
            ("[[event]]\nat = 'soon'\nlock = 1", "`at` is a second after the beginning, as in 20"),
            ("[[event]]\nlock = 1", "an event needs `at`"),
            ("[[evnt]]\nat = 5", "unknown field `evnt`, expected one of `title`"),
            ("severity = 'P7'", "P3"),
            ("severity = 'P2'", "nothing happens in it: write an [[event]]"),
            ("[[mend]]\nsay = 'x'\nrestrt = '*'", "line 5: "),
            ("[[mend]]\nsay = 'x'\nrestrt = '*'", "did you mean \"restart\"?"),
            ("[[event]]\nat = 5\nlock = 1\n[[mend]]\nsay = 'x'\nend-session = 'psq'", "line 8: end-session = \"psq\""),
            ("[[guide]]\nsay = 'x'\n[[guide]]\nsay = 'y'", "\"x\": a step with another behind it needs an end"),
        ] {
            let told = wrong(rest);
            assert!(told.contains(why), "{rest}: {why}: {told}");
        }
        assert!(Scenario::read("title = ' '\nbrief = 'b'").unwrap_err().starts_with("line 1: it is empty"));
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_what_follows_from_one_is_none() {
        let page = "severity = 'P1'\nbrief = ''\nrunbooks = ['memory-leak', 'rollback-quik']\ncolor = 'red'\n\
            [[event]]\nat = 20\nkill = 'game-9/x'\n[[event]]\nlock = 1.5\n[[event]]\nat = 5\ndeploy = { servise = 'x' }\n\
            [[event]]\nat = 30\npower-off = 'game-1'\n[[mend]]\nsay = 'a'\nrestrt = '*'\ndrain = 'moon'\nend-session = 'psq'\n\
            [[harm]]\nsay = 'b'\nstop = 'x'\nkill = 'y'\n[[guide]]\nsay = 'c'\n[[guide]]\nsay = 'd'\nshows = '('\n";
        let is_runbook = |id: &str| if id == "memory-leak" { Ok(()) } else { Err(format!("no runbook {id}")) };
        let told = Scenario::look_over(page, &World::new(1, Size::default()), is_runbook).unwrap_err();
        let (head, told) = told.split_once('\n').unwrap();
        let wanted = [
            (0, "it has no `title`"),
            (2, "it is empty"),
            (3, "no runbook rollback-quik"),
            (4, "unknown field `color`"),
            (7, "there is no server \"game-9\""),
            (9, "expected a whole number"),
            (12, "unknown field `servise`"),
            (18, "did you mean \"restart\"?"),
            (19, "drain = \"moon\""),
            (23, "stop = \"x\""),
            (24, "kill = \"y\""),
            (25, "\"c\": a step"),
            (29, "regex parse error"),
        ];
        let line = |line: i32| if line == 0 { String::new() } else { format!("line {line}: ") };
        let mut rest = told;
        for (number, why) in wanted {
            let found = rest.find(&format!("{}{why}", line(number))).or_else(|| {
                let begins = rest.find(&line(number))?;
                rest[begins..].lines().next().filter(|told| told.contains(why)).map(|_| begins)
            });
            rest = &rest[found.unwrap_or_else(|| panic!("{number}: {why}: {told}")) + 1..];
        }
        assert_eq!(head, format!("{} mistakes:", wanted.len()), "{told}");
        // What is no TOML has no parts that could be looked at: it is told alone.
        let told = Scenario::read("title = 'a\nbrief = = 'b'\nsevrity = 'x'\n").unwrap_err();
        assert!(told.contains("line 1: ") && told.contains("line 2: ") && !told.contains("sevrity`"), "{told}");
    }
}
