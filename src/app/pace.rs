//! How often the sources of the focused pane are asked, as long as this screen lasts. The config is not changed.

use super::State;
use crate::domain::SourceId;
use crate::effect::{Effect, Effects};
use crate::panes::PANES;
use crate::store::Feed;
use crate::widgets::figure;
use std::time::Duration;

/// Never more often than this, unless the config does.
const SHORTEST: Duration = Duration::from_secs(1);
/// Never more seldom, unless the config does.
const LONGEST: Duration = Duration::from_mins(5);

/// What to do with the intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Twice as long.
    Slower,
    /// Half as long.
    Faster,
    /// As the config has them.
    Configured,
}

impl Pace {
    fn of(self, feed: &Feed) -> Duration {
        match self {
            Self::Slower => (feed.interval * 2).min(LONGEST.max(feed.configured)),
            Self::Faster => (feed.interval / 2).max(SHORTEST.min(feed.configured)),
            Self::Configured => feed.configured,
        }
    }
}

/// Sets the intervals of the focused pane's sources, and says what they are now.
pub(super) fn set(state: &mut State, pace: Pace, effects: &mut Effects) {
    let title = PANES[state.focus].title;
    let Some(subject) = state.subject() else {
        return state.toasts.say(state.now, format!("{title} asks no source"));
    };
    let wanted: Vec<(SourceId, Duration)> =
        state.store.about(subject).map(|feed| (feed.id.clone(), pace.of(feed))).collect();
    for (id, interval) in &wanted {
        state.store.set_interval(id, *interval);
        effects.push(Effect::Pace { source: id.clone(), interval: *interval });
    }
    let told = told(wanted.iter().map(|(_, interval)| *interval));
    let what = match (wanted.is_empty(), pace) {
        (true, _) => format!("there is no source of {title} to ask"),
        (false, Pace::Configured) => format!("the sources of {title} are asked as configured again: every {told}"),
        (false, Pace::Slower | Pace::Faster) => format!("the sources of {title} are asked every {told}"),
    };
    state.toasts.say(state.now, what);
}

/// `4s`, or `4s to 30s`.
fn told(intervals: impl Iterator<Item = Duration> + Clone) -> String {
    let text = |interval: Option<Duration>| figure::text(|out| figure::interval(out, interval.unwrap_or_default()));
    let (least, most) = (text(intervals.clone().min()), text(intervals.max()));
    if least == most { least } else { format!("{least} to {most}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Subject;

    fn after(configured: Duration, steps: &[Pace]) -> Duration {
        let mut feed = Feed::new(SourceId::new("docker", "local"), Subject::Containers, configured);
        for step in steps {
            feed.interval = step.of(&feed);
        }
        feed.interval
    }

    #[test]
    fn intervals_stay_within_bounds_and_come_back() {
        let seconds = Duration::from_secs;
        assert_eq!(after(seconds(2), &[Pace::Slower]), seconds(4));
        assert_eq!(after(seconds(2), &[Pace::Faster; 5]), SHORTEST);
        assert_eq!(after(seconds(2), &[Pace::Slower; 20]), LONGEST);
        assert_eq!(after(seconds(2), &[Pace::Slower, Pace::Slower, Pace::Configured]), seconds(2));
        let quick = Duration::from_millis(250);
        assert_eq!(after(quick, &[Pace::Faster]), quick, "the config may be quicker than the keys");
        assert_eq!(after(seconds(900), &[Pace::Slower]), seconds(900));
        assert_eq!(after(seconds(900), &[Pace::Faster]), seconds(450));
    }
}
