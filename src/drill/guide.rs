//! What stands beside the panes while somebody plays: what is known at the start, and, for who wants to be guided, what to look at next.
//!
//! Pure: it sees what the screen shows, and what is kept of the drill, and says what stands there. Who follows it sees the next step as soon
//! as the last one is done; who is ahead of it is not called back.

use super::kept::Kept;
use regex::Regex;
use serde::Deserialize;

/// What is known at the start stands there for so long: seconds of who plays, whatever the speed.
const BRIEFED: f64 = 120.0;
/// For scenarios that have no steps of their own.
const TOUR: &str = include_str!("../../assets/drills/tour/any.toml");

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// What is known at the start.
    #[default]
    Briefed,
    /// Also what to look at next.
    Guided,
    /// One sentence of what is known, and nothing else.
    Exam,
}

/// A step of a tour.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// What to look at, and which key leads there.
    pub say: String,
    /// It is done when this is on the screen: a regular expression.
    #[serde(default, deserialize_with = "pattern")]
    pub shows: Option<Regex>,
    /// Or when this has happened.
    pub once: Option<Once>,
}

/// By the regular expression: they have no equality of their own.
impl PartialEq for Hint {
    fn eq(&self, other: &Self) -> bool {
        let text = |hint: &Self| hint.shows.as_ref().map(|shows| shows.as_str().to_owned());
        (&self.say, self.once, text(self)) == (&other.say, other.once, text(other))
    }
}

/// What may have happened.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Once {
    /// An alert has fired.
    Alerted,
    /// Somebody has changed something.
    Acted,
    /// Nothing is wrong any more.
    Well,
    /// And that has lasted.
    Mended,
}

fn pattern<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Regex>, D::Error> {
    let text = String::deserialize(from)?;
    Regex::new(&text).map(Some).map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
struct Tour {
    guide: Vec<Hint>,
}

/// What is said, and how far it has come.
#[derive(Debug)]
pub struct Guide {
    brief: String,
    hints: Vec<Hint>,
    at: usize,
}

impl Guide {
    /// Of a scenario with that brief, and steps of its own or none.
    ///
    /// # Panics
    /// Never: a test reads the tour.
    pub fn new(how: How, brief: &str, own: &[Hint]) -> Self {
        let first = brief.split_inclusive(". ").next().unwrap_or_default().trim_end();
        let brief = if how == How::Exam { first } else { brief };
        let hints = match how {
            How::Guided if own.is_empty() => {
                toml::from_str::<Tour>(TOUR).unwrap_or_else(|_| unreachable!("a test reads it")).guide
            }
            How::Guided => own.to_vec(),
            How::Briefed | How::Exam => Vec::new(),
        };
        Self { brief: brief.to_owned(), hints, at: 0 }
    }

    /// What stands beside the panes when it has been played for so many seconds; empty: nothing. `shows` is where it can be seen that something is
    /// wrong.
    pub fn line(&mut self, played: f64, kept: &Kept, shows: Option<&str>, screen: &str) -> String {
        // The last one that is done counts: who is ahead is not called back.
        let mut done = self.hints.iter().enumerate().skip(self.at).filter(|(_, hint)| hint.is_done(kept, screen));
        self.at = done.next_back().map_or(self.at, |(at, _)| at + 1);
        let count = self.hints.len();
        let unheard = kept.began.is_some() && kept.alerted.is_none();
        let say = match (self.hints.get(self.at), shows.filter(|_| unheard)) {
            (Some(Hint { once: Some(Once::Alerted), .. }), Some(shows)) => {
                format!("Something is wrong, and no alert fires yet: {shows}.")
            }
            (Some(hint), _) => hint.say.clone(),
            (None, _) if count == 0 && played < BRIEFED => return self.brief.clone(),
            (None, _) => return String::new(),
        };
        // At high speed something is wrong before anybody can have read what is known: that stays until the first step is done.
        match self.at {
            0 => format!("{} {say}", self.brief),
            at => format!("{}/{count} {say}", at + 1),
        }
    }
}

impl Hint {
    /// Whether anything can end it: the last step need not have an end, and stands there until the drill is left.
    pub const fn has_end(&self) -> bool {
        self.shows.is_some() || self.once.is_some()
    }

    fn is_done(&self, kept: &Kept, screen: &str) -> bool {
        let happened = self.once.is_some_and(|once| match once {
            Once::Alerted => kept.alerted.is_some(),
            Once::Acted => !kept.acts.is_empty(),
            Once::Well => kept.began.is_some() && kept.well_since.is_some(),
            Once::Mended => kept.mended.is_some(),
        });
        happened || self.shows.as_ref().is_some_and(|shows| shows.is_match(screen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::Scenario;

    fn hints(text: &str) -> Vec<Hint> {
        toml::from_str::<Tour>(text).unwrap().guide
    }

    #[test]
    fn the_brief_stands_there_for_two_minutes_and_in_an_exam_its_first_sentence() {
        let mut usual = Guide::new(How::Briefed, "One. Two.", &[]);
        let kept = Kept::default();
        assert_eq!([0.0, 119.5, 120.0].map(|at| usual.line(at, &kept, None, "")), ["One. Two.", "One. Two.", ""]);
        let mut exam = Guide::new(How::Exam, "One. Two.", &hints("[[guide]]\nsay = 'x'"));
        assert_eq!([0.0, 120.0].map(|at| exam.line(at, &kept, None, "")), ["One.", ""]);
    }

    #[test]
    fn a_step_follows_when_the_last_is_done_and_who_is_ahead_is_not_called_back() {
        let own = hints(
            "[[guide]]\nsay = 'a'\nonce = 'alerted'\n[[guide]]\nsay = 'b'\nshows = 'page \\d'\n[[guide]]\nsay = 'c'\nonce = 'mended'",
        );
        let mut guide = Guide::new(How::Guided, "Known.", &own);
        let mut kept = Kept::default();
        assert_eq!(guide.line(0.0, &kept, Some("2 has it"), ""), "Known. a");
        kept.began = Some(20);
        let told = guide.line(20.0, &kept, Some("2 has it"), "");
        assert_eq!(told, "Known. Something is wrong, and no alert fires yet: 2 has it.");
        kept.alerted = Some((60, "x".into()));
        assert_eq!(guide.line(60.0, &kept, None, ""), "2/3 b");
        assert_eq!(guide.line(61.0, &kept, None, "page 7"), "3/3 c");
        assert_eq!(guide.line(62.0, &kept, None, ""), "3/3 c");
        kept.mended = Some(80);
        assert_eq!(guide.line(110.0, &kept, None, ""), "");
        // Mended before anything was looked at.
        assert_eq!(Guide::new(How::Guided, "Known.", &own).line(110.0, &kept, None, ""), "");
    }

    #[test]
    fn every_scenario_can_be_toured() {
        for id in Scenario::ids() {
            let scenario = Scenario::built_in(id).unwrap();
            let guide = Guide::new(How::Guided, &scenario.brief, &scenario.guide());
            assert!(!guide.hints.is_empty(), "{id}");
            let before = &guide.hints[..guide.hints.len().saturating_sub(1)];
            assert!(before.iter().all(Hint::has_end), "{id}: a step has no end");
        }
        let wrong = Scenario::read("title = 'a'\nbrief = 'b'\n[[guide]]\nsay = 'x'\nshows = '('").unwrap_err();
        assert!(wrong.contains("regex"), "{wrong}");
    }
}
