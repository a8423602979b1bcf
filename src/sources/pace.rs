//! How often and how long, as a config writes it: `"2s"`, `"500ms"`, `"1m 30s"`.

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer};
use std::time::Duration;

/// A length of time as it is written: a number and a unit, as in `500ms`, `2s` or `1m`.
#[derive(JsonSchema)]
pub struct Length(#[expect(dead_code, reason = "only its schema is wanted")] String);

/// Intervals: often enough to be called live, not so often that it is a load of its own.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_hours(1));
/// Timeouts.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_mins(5));

/// Reads an `interval`, 250 ms to one hour; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// When it is no length of time, or out of bounds.
pub fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read(deserializer, INTERVAL)
}

/// Reads a `timeout`, 100 ms to five minutes; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// When it is no length of time, or out of bounds.
pub fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read(deserializer, TIMEOUT)
}

fn read<'de, D: Deserializer<'de>>(deserializer: D, bounds: (Duration, Duration)) -> Result<Duration, D::Error> {
    within(&String::deserialize(deserializer)?, bounds).map_err(de::Error::custom)
}

fn within(text: &str, (least, most): (Duration, Duration)) -> Result<Duration, String> {
    let example = "write a number and a unit, as in \"500ms\", \"2s\" or \"1m\"";
    let length: jiff::SignedDuration = text.parse().map_err(|_| format!("{text:?} is no length of time: {example}"))?;
    let length = Duration::try_from(length).map_err(|_| format!("{text:?} lies in the past: {example}"))?;
    if length < least || length > most {
        return Err(format!("{text:?} is out of bounds: write something from {} to {}", short(least), short(most)));
    }
    Ok(length)
}

fn short(length: Duration) -> String {
    match length.as_secs() {
        0 => format!("{}ms", length.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_with_their_unit() {
        assert_eq!(within("2s", INTERVAL), Ok(Duration::from_secs(2)));
        assert_eq!(within("500ms", INTERVAL), Ok(Duration::from_millis(500)));
        assert_eq!(within("1m 30s", INTERVAL), Ok(Duration::from_secs(90)));
        assert_eq!(within("1h", INTERVAL), Ok(Duration::from_hours(1)));
    }

    #[test]
    fn what_is_none_is_refused_in_words() {
        let example = "write a number and a unit, as in \"500ms\", \"2s\" or \"1m\"";
        assert_eq!(within("2", INTERVAL), Err(format!("\"2\" is no length of time: {example}")));
        assert_eq!(within("-2s", INTERVAL), Err(format!("\"-2s\" lies in the past: {example}")));
        assert_eq!(within("1ms", INTERVAL), Err("\"1ms\" is out of bounds: write something from 250ms to 1h".into()));
        assert_eq!(within("6m", TIMEOUT), Err("\"6m\" is out of bounds: write something from 100ms to 5m".into()));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*|[-0-9a-zµ .]*") {
            let _ = within(&text, INTERVAL);
        }
    }
}
