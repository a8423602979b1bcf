//! The time that a line tells of itself: only one that leaves no doubt, which is a time with its offset from UTC, or a count since 1970.

use super::json::{self, TIMES};
use jiff::Timestamp;

/// Seconds since 1970 that a number may mean: from 1973 on, so that a duration or a counter is taken for no time.
const SECONDS: std::ops::Range<f64> = 1e8..1e11;

/// The time at the beginning of a line, or in a JSON line: its first field that is called like one and holds one.
pub fn own_time(line: &[u8]) -> Option<Timestamp> {
    if line.first() == Some(&b'{') {
        return json::top_fields(std::str::from_utf8(line).ok()?)
            .filter(|(name, _)| TIMES.contains(name))
            .find_map(|(_, value)| of_value(value));
    }
    let line = line.strip_prefix(b"[").unwrap_or(line);
    let end = line.iter().take(40).position(|byte| matches!(byte, b' ' | b']' | b'\t')).unwrap_or(line.len());
    of_text(&line[..end])
}

/// RFC 3339, with an offset.
pub fn of_text(bytes: &[u8]) -> Option<Timestamp> {
    // Shorter is a date at most, and most words are: no use in parsing them.
    if bytes.len() < 20 || bytes.len() > 40 || !bytes[0].is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// A JSON value: text, or a number, which some write as text.
fn of_value(value: &str) -> Option<Timestamp> {
    let text = value.trim_matches('"');
    of_text(text.as_bytes()).or_else(|| of_number(text))
}

/// Seconds, or thousandths, millionths or billionths of them: which, its size tells.
fn of_number(text: &str) -> Option<Timestamp> {
    if !text.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let unit = [1.0, 1e3, 1e6, 1e9].into_iter().find(|unit| SECONDS.contains(&(number / unit)))?;
    // A float of this size is good for a microsecond, and no more.
    Timestamp::from_microsecond((number / unit * 1e6).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<String> {
        own_time(text.as_bytes()).map(|at| at.to_string())
    }

    #[test]
    fn a_line_begins_with_its_time_or_does_not() {
        let expected = Some("2026-11-25T03:00:00.123456789Z".to_owned());
        assert_eq!(at("2026-11-25T03:00:00.123456789Z a b"), expected);
        assert_eq!(at("[2026-11-25T04:00:00.123456789+01:00] x"), expected);
        assert_eq!(at("2026-11-25 03:00:00 without an offset"), None);
        assert_eq!(at("no time"), None);
    }

    #[test]
    fn json_tells_its_time_under_the_usual_names_as_text_or_number() {
        let expected = Some("2025-11-25T03:00:00.25Z".to_owned());
        for line in [
            r#"{"level":"info","ts":"2025-11-25T03:00:00.25Z"}"#,
            r#"{"level":"info","ts":1764039600.25,"msg":"zap"}"#,
            r#"{"level":30,"time":1764039600250,"msg":"pino"}"#,
            r#"{ "@timestamp" : "2025-11-25T04:00:00.250+01:00", "message": "ecs" }"#,
            r#"{"timestamp":"1764039600.25"}"#,
            r#"{"t":1764039600250000}"#,
            r#"{"datetime":1764039600250000000}"#,
            // What is no time is passed over, however it is called.
            r#"{"time":0.532,"t":"12s","ts":1764039600.25}"#,
            // Only the line's own fields count, and not what stands in its texts or deeper.
            r#"{"msg":"\"ts\":1","request":{"time":1600000000,"a":["ts",{"ts":1}]},"ts":1764039600.25}"#,
        ] {
            assert_eq!(at(line), expected, "{line}");
        }
        for line in [
            r#"{"ts":12}"#,
            r#"{"ts":"2025-11-25 03:00:00"}"#,
            r#"{"ts":-1764039600}"#,
            r#"{"ts":true,"time":null}"#,
            r#"{"request":{"ts":1764039600}}"#,
            r#"{"ts":"#,
            "{",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "\\{[\\{\\}\\[\\]\",:a-z0-9.\\\\]*") {
            let _ = own_time(&bytes);
            let _ = own_time(json.as_bytes());
        }

        #[test]
        fn any_json_object_gives_its_own_time(second in 200_000_000_i64..4_000_000_000, text in "\\PC*", key in "[a-s]{1,9}") {
            let line = serde_json::json!({ key: text, "a": [{ "ts": 1 }], "ts": second }).to_string();
            prop_assert_eq!(own_time(line.as_bytes()).map(jiff::Timestamp::as_second), Some(second));
        }
    }
}
