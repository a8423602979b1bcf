//! `{{ now }}`, `{{ now + 2h }}`, `{{ now - margin }}`: a time in UTC, counted from the moment at which the plan was made. It is a value of the plan
//! like any other, so that what was approved is what is sent, also the second time.

use super::fill::{Piece, pieces};
use crate::runbook::params;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The word, and the name under which a plan keeps the moment.
pub const NOW: &str = "now";

/// The longest span by which a time is counted: a hundred years. What is longer is a mistake, and soon no time that others can read.
const LONGEST: Duration = Duration::from_hours(100 * 8766);

/// A time as a hole names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment<'a> {
    before: bool,
    by: Option<&'a str>,
}

impl<'a> Moment<'a> {
    /// What stands in a hole, if that is a time.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(NOW)?.trim_start();
        if rest.is_empty() {
            return Some(Self { before: false, by: None });
        }
        let before = rest.starts_with('-');
        let by = rest.strip_prefix(['+', '-'])?.trim();
        let plain = !by.is_empty() && by.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        plain.then_some(Self { before, by: Some(by) })
    }

    /// The parameter by which it is counted; `None`: a span, or nothing.
    pub(super) fn param(self) -> Option<&'a str> {
        self.by.filter(|by| !by.starts_with(|c: char| c.is_ascii_digit()))
    }

    /// A span that is none: `2 weeks`, `90`.
    pub(super) fn is_wrong(self) -> bool {
        self.param().is_none() && self.by.is_some_and(|by| span(by).is_none())
    }

    /// The time, to the second; `None`: nobody knows when the plan was made, by how much it is counted, or that is too much.
    pub(super) fn at(self, values: &BTreeMap<String, Value>) -> Option<Timestamp> {
        let now: Timestamp = values.get(NOW)?.as_str()?.parse().ok()?;
        let Some(by) = self.by else { return Some(now) };
        let by = self.param().map_or(Some(by), |name| values.get(name)?.as_str())?;
        let span = span(by)?;
        let at = if self.before { now.checked_sub(span) } else { now.checked_add(span) };
        Timestamp::from_second(at.ok()?.as_second()).ok()
    }
}

/// A span by which a time can be counted.
fn span(text: &str) -> Option<SignedDuration> {
    params::duration(text).filter(|span| *span <= LONGEST).and_then(|span| SignedDuration::try_from(span).ok())
}

/// Why the first time in a body has no value though all that the plan has is known, if one has none.
pub fn missing(body: &str, values: &BTreeMap<String, Value>) -> Option<String> {
    let pieces = pieces(body, 0).ok()?;
    let times = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Hole(name, _) => Moment::read(name).map(|moment| (name, moment)),
        Piece::Text(..) => None,
    });
    let (name, moment) = times.into_iter().find(|(_, moment)| moment.at(values).is_none())?;
    let nothing = |param: &&str| values.get(*param).is_none_or(Value::is_null);
    Some(match moment.param().filter(nothing) {
        Some(param) => format!("`{{{{ {name} }}}}` can't be counted: {param} has no value"),
        None => format!("`{{{{ {name} }}}}` can't be counted: it is more than 100 years away"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_counted_from_the_plan_by_a_span_or_a_parameter() {
        let values = BTreeMap::from([
            (NOW.to_owned(), json!("2026-11-29T23:30:00Z")),
            ("quiet".to_owned(), json!("1h30m")),
            ("n".to_owned(), json!(7)),
        ]);
        let at = |text: &str| Moment::read(text)?.at(&values).map(|at| at.to_string());
        for (text, wanted) in [
            ("now", "2026-11-29T23:30:00Z"),
            ("now + 2h", "2026-11-30T01:30:00Z"),
            ("now+1d", "2026-11-30T23:30:00Z"),
            ("now - 15m", "2026-11-29T23:15:00Z"),
            ("now + 500ms", "2026-11-29T23:30:00Z"),
            ("now + quiet", "2026-11-30T01:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(wanted), "{text}");
        }
        for nothing in ["now + none", "now + n", "now + 99999999d", "now - 40000d", "now + 2w"] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
        assert_eq!(Moment::read("now").unwrap().at(&BTreeMap::new()), None);
        for other in
            ["nowhere", "now.x", "now[0]", "now 2h", "now +", "now + 2h + 1h", "now + a.b", "now + (2h)", "then"]
        {
            assert_eq!(Moment::read(other), None, "{other}");
        }
        let is_wrong = |text: &str| Moment::read(text).unwrap().is_wrong();
        assert!(is_wrong("now + 2w") && is_wrong("now - 99999999h") && !is_wrong("now + 2h"));
    }

    #[test]
    fn a_time_that_nothing_will_ever_tell_is_found_before_anything_is_done() {
        let values = BTreeMap::from([
            (NOW.to_owned(), json!("2026-11-29T23:30:00Z")),
            ("quiet".to_owned(), json!("1h")),
            ("margin".to_owned(), Value::Null),
            ("far".to_owned(), json!("99999999h")),
        ]);
        let why = |body: &str| missing(body, &values);
        assert_eq!(why("{{ now }} {{ now + quiet }} {{ later[0].id }} {{ operator }}"), None);
        assert_eq!(
            why("{{ now }} {{ now + margin }}").unwrap(),
            "`{{ now + margin }}` can't be counted: margin has no value"
        );
        assert_eq!(
            why("{{ now - far }}").unwrap(),
            "`{{ now - far }}` can't be counted: it is more than 100 years away"
        );
    }
}
