//! What an engine's events tell together: how long a container was up, down, unhealthy, paused. Pure, without allocating: it is
//! asked for every row that is seen.

use super::EngineEvent;
use jiff::Timestamp;

/// A state that an event begins and a later one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spell {
    /// It ran.
    Up,
    /// It had ended and was not started again.
    Down,
    /// Its health check failed.
    Unhealthy,
    /// It was frozen.
    Paused,
}

impl Spell {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unhealthy => "unhealthy",
            Self::Paused => "paused",
        }
    }

    /// What an action begins.
    fn begun_by(action: &str) -> Option<Self> {
        match action {
            "start" => Some(Self::Up),
            "die" | "died" => Some(Self::Down),
            "health_status: unhealthy" => Some(Self::Unhealthy),
            "pause" => Some(Self::Paused),
            _ => None,
        }
    }

    fn is_ended_by(self, action: &str) -> bool {
        let died = matches!(action, "die" | "died");
        match self {
            Self::Up => died,
            Self::Down => matches!(action, "start" | "destroy" | "remove"),
            Self::Unhealthy => died || action == "health_status: healthy",
            Self::Paused => died || action == "unpause",
        }
    }
}

/// One state of one container, from event to event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode<'a> {
    /// Which.
    pub spell: Spell,
    /// What began it.
    pub began: &'a EngineEvent,
    /// What ended it; `None`: it goes on, or its end was not heard of.
    pub ended: Option<&'a EngineEvent>,
    /// Memory had run out before it went down.
    pub out_of_memory: bool,
}

impl<'a> Episode<'a> {
    /// What the event at `at` began. `events` are all of an engine, oldest first.
    pub fn of(events: &'a [EngineEvent], at: usize) -> Option<Self> {
        let began = events.get(at).filter(|event| event.is_of_container())?;
        let spell = Spell::begun_by(&began.action)?;
        let own = |event: &&EngineEvent| event.is_of_container() && event.id == began.id;
        let mut before = events[..at].iter().rev().filter(own);
        // Some engines tell of every check that fails: the first of them began it.
        let again = |event: &EngineEvent| event.action.starts_with("health_status: unhealthy");
        if spell == Spell::Unhealthy
            && before.clone().find(|event| !event.action.starts_with("exec")).is_some_and(again)
        {
            return None;
        }
        let out_of_memory = spell == Spell::Down
            && before.by_ref().take_while(|event| event.action != "start").any(|event| event.action == "oom");
        let ended = events[at + 1..].iter().filter(own).find(|event| spell.is_ended_by(&event.action));
        Some(Self { spell, began, ended, out_of_memory })
    }

    /// When it ended; `now` when it goes on.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.ended.map_or(now, |event| event.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(told: &[(&str, &str, i64)]) -> Vec<EngineEvent> {
        let event = |(number, (id, action, second)): (usize, &(&str, &str, i64))| EngineEvent {
            number: number as u64,
            at: Timestamp::from_second(*second).unwrap(),
            kind: "container".into(),
            action: (*action).into(),
            id: (*id).into(),
            name: (*id).into(),
            attributes: [("exitCode".to_owned(), "137".to_owned())].into(),
        };
        told.iter().enumerate().map(event).collect()
    }

    /// What each event began, how long it lasted, and whether memory had run out.
    fn told(events: &[EngineEvent]) -> Vec<(usize, &'static str, Option<i64>, bool)> {
        let of = |at| {
            let episode = Episode::of(events, at)?;
            let lasted = episode.ended.map(|end| end.at.as_second() - episode.began.at.as_second());
            Some((at, episode.spell.word(), lasted, episode.out_of_memory))
        };
        (0..events.len()).filter_map(of).collect()
    }

    #[test]
    fn one_that_died_is_down_until_it_is_started_or_removed() {
        let events = events(&[
            ("a", "start", 0),
            ("b", "start", 1),
            ("a", "oom", 9),
            ("a", "die", 10),
            ("b", "die", 15),
            ("a", "start", 22),
            ("b", "destroy", 30),
        ]);
        assert_eq!(
            told(&events),
            [
                (0, "up", Some(10), false),
                (1, "up", Some(14), false),
                (3, "down", Some(12), true),
                (4, "down", Some(15), false),
                (5, "up", None, false),
            ]
        );
    }

    #[test]
    fn unhealthy_lasts_from_the_first_failure_to_the_first_success() {
        let events = events(&[
            ("a", "health_status: unhealthy", 0),
            ("a", "health_status: unhealthy", 30),
            ("a", "health_status: healthy", 180),
            ("a", "pause", 200),
            ("a", "health_status: unhealthy", 210),
            ("a", "die", 220),
        ]);
        assert_eq!(
            told(&events),
            [
                (0, "unhealthy", Some(180), false),
                (3, "paused", Some(20), false),
                (4, "unhealthy", Some(10), false),
                (5, "down", None, false),
            ]
        );
    }

    #[test]
    fn what_is_not_of_a_container_begins_nothing() {
        let mut events = events(&[("a", "die", 0)]);
        events[0].kind = "network".into();
        assert_eq!((told(&events), Episode::of(&events, 7)), (Vec::new(), None));
    }
}
