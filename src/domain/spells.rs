//! When an alert fired and was pending before: spells, read from the values of Prometheus' own series of alerts at even distances.

use super::Labels;
use super::matcher::{self, Matcher};
use jiff::Timestamp;
use std::time::Duration;

/// Value of the series while the alert fires.
const FIRING: f64 = 1.0;

/// The expression whose values tell it: 1 while an alert with these labels fires, 0.5 while it is pending, 0 while it does neither
/// and Prometheus was there to say so, nothing otherwise. `ALERTS` is written by whoever evaluates the rules; `up` by whoever
/// scrapes.
pub fn expression(labels: &Labels) -> String {
    let of = |state: &str| {
        let state = Matcher::equal("alertstate", state);
        let own: Vec<Matcher> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
        let mut out = String::new();
        matcher::write_all([&state].into_iter().chain(&own), &mut out);
        out
    };
    let (firing, pending) = (of("firing"), of("pending"));
    format!("max(ALERTS{{{firing}}}) or 0.5 * max(ALERTS{{{pending}}}) or 0 * max(up) or 0 * max(ALERTS)")
}

/// A time during which it did one thing. Both ends are as exact as the values are dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// Its first value.
    pub from: Timestamp,
    /// The first value that is another, or the last there is.
    pub to: Timestamp,
    /// It fired; false: it was pending.
    pub firing: bool,
    /// It is under way.
    pub open: bool,
    /// It began before there were values.
    pub cut: bool,
}

impl Spell {
    /// How long it was.
    pub fn length(&self) -> Duration {
        super::time::between(self.from, self.to)
    }
}

/// All spells of a while, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spells {
    /// They themselves.
    pub all: Vec<Spell>,
    /// The distance between two values.
    pub step: Duration,
    /// For how much of the while there are values.
    pub known: Duration,
}

impl Spells {
    /// From values at even distances, the last of them at `end`, over the time `back`. `None`: not one of them is known.
    pub fn of(points: &[f64], end: Timestamp, back: Duration) -> Option<Self> {
        let step = back / u32::try_from(points.len().saturating_sub(1)).ok().filter(|gaps| *gaps > 0)?;
        let known = points.iter().filter(|value| !value.is_nan()).count();
        let mut spells = Self { all: Vec::new(), step, known: step * u32::try_from(known.checked_sub(1)?).ok()? };
        let at = |index: usize| end - step * u32::try_from(points.len() - 1 - index).unwrap_or(u32::MAX);
        let mut from = 0;
        for run in points.chunk_by(|a, b| kind(*a) == kind(*b)) {
            let to = from + run.len();
            if let Some(firing) = kind(run[0]) {
                let open = to == points.len();
                let cut = from == 0 || points[from - 1].is_nan();
                let end = at(to.min(points.len() - 1));
                spells.all.push(Spell { from: at(from), to: end, firing, open, cut });
            }
            from = to;
        }
        Some(spells)
    }

    /// Those in which it fired.
    pub fn firing(&self) -> impl DoubleEndedIterator<Item = &Spell> {
        self.all.iter().filter(|spell| spell.firing)
    }

    /// Those in which it was pending.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = &Spell> {
        self.all.iter().filter(|spell| !spell.firing)
    }

    /// How long it fired in all.
    pub fn time_firing(&self) -> Duration {
        self.firing().map(Spell::length).sum()
    }
}

/// Whether a value means firing; `None`: neither firing nor pending, or not known.
fn kind(value: f64) -> Option<bool> {
    (value > 0.0).then_some(value >= FIRING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAN: f64 = f64::NAN;

    fn of(points: &[f64]) -> Option<Spells> {
        let minutes = u64::try_from(points.len()).unwrap().saturating_sub(1);
        Spells::of(points, Timestamp::from_second(3600).unwrap(), Duration::from_mins(minutes))
    }

    #[test]
    fn spells_have_their_length_and_ends() {
        let spells = of(&[NAN, 1.0, 0.0, 0.5, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]).unwrap();
        let told: Vec<_> = spells.all.iter().map(|s| (s.firing, s.length().as_secs(), s.cut, s.open)).collect();
        let expected =
            [(true, 60, true, false), (false, 60, false, false), (true, 120, false, false), (true, 60, false, true)];
        assert_eq!(told, expected);
        assert_eq!((spells.step.as_secs(), spells.known.as_secs()), (60, 480));
        assert_eq!(spells.time_firing().as_secs(), 240);
        assert_eq!(spells.all[2].from.to_string(), "1970-01-01T00:55:00Z");
        assert_eq!(spells.all[3].to.to_string(), "1970-01-01T01:00:00Z");
        assert_eq!((spells.firing().count(), spells.pending().count()), (3, 1));
    }

    #[test]
    fn without_values_nothing_is_known_and_with_zeros_it_was_quiet() {
        assert_eq!(of(&[NAN, NAN]), None);
        assert_eq!(of(&[]), None);
        assert!(of(&[NAN, 0.0]).unwrap().all.is_empty());
    }

    #[test]
    fn the_expression_asks_for_the_labels_as_they_are() {
        let labels = [("alertname".to_owned(), "a\"b".to_owned()), ("job".to_owned(), "x".to_owned())].into();
        let expected = concat!(
            r#"max(ALERTS{alertstate="firing", alertname="a\"b", job="x"}) or "#,
            r#"0.5 * max(ALERTS{alertstate="pending", alertname="a\"b", job="x"}) or 0 * max(up) or 0 * max(ALERTS)"#
        );
        assert_eq!(expression(&labels), expected);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(points in prop::collection::vec(prop_oneof![Just(NAN), Just(0.0), Just(0.5), Just(1.0)], 0..40)) {
            if let Some(spells) = of(&points) {
                prop_assert!(spells.time_firing() <= Duration::from_mins(40));
            }
        }
    }
}
