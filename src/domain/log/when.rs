//! The time that a line tells of itself: with its offset from UTC, or as a count since 1970; or without an offset, as nginx's error
//! log and many others write it, which then counts in a zone that somebody assumed.

use super::json::{self, TIMES};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// Seconds since 1970 that a number may mean: from 1973 on, so that a duration or a counter is taken for no time.
const SECONDS: std::ops::Range<f64> = 1e8..1e11;

/// When a line was written, by its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTime {
    /// When.
    pub at: Timestamp,
    /// It tells no offset from UTC, or only a zone's letters: it was read as a time of the assumed zone.
    pub assumed: bool,
}

impl OwnTime {
    const fn certain(at: Timestamp) -> Self {
        Self { at, assumed: false }
    }
}

/// The time at the beginning of a line, or in a JSON line: its first field that is called like one and holds one. `zone` is where
/// it was written, for one that does not say.
pub fn own_time(line: &[u8], zone: &TimeZone) -> Option<OwnTime> {
    if line.first() == Some(&b'{') {
        return json::top_fields(std::str::from_utf8(line).ok()?)
            .filter(|(name, _)| TIMES.contains(name))
            .find_map(|(_, value)| of_value(value, zone));
    }
    at_start(line.strip_prefix(b"[").unwrap_or(line), zone)
}

/// RFC 3339, with an offset.
pub fn of_text(bytes: &[u8]) -> Option<Timestamp> {
    // Shorter is a date at most, and most words are: no use in parsing them.
    if bytes.len() < 20 || bytes.len() > 40 || !bytes[0].is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// `2026-11-25T03:00:00Z`, `2026/11/25 03:00:00`, `2026-11-25 03:00:00.123 UTC`, `2026-11-25 03:00:00,123`, and what is like them.
fn at_start(line: &[u8], zone: &TimeZone) -> Option<OwnTime> {
    let (local, rest) = civil(line)?;
    match offset(rest) {
        Some(offset) => offset.to_timestamp(local).ok().map(OwnTime::certain),
        // A digit or a letter goes on with something that is no time.
        None if rest.first().is_some_and(u8::is_ascii_alphanumeric) => None,
        None => Some(OwnTime { at: zone.to_timestamp(local).ok()?, assumed: true }),
    }
}

/// A day and a time of day, and what stands behind them.
fn civil(line: &[u8]) -> Option<(DateTime, &[u8])> {
    let shape = |at: usize, byte: u8| line.get(at) == Some(&byte);
    let dated = (shape(4, b'-') && shape(7, b'-')) || (shape(4, b'/') && shape(7, b'/'));
    if !dated || !(shape(10, b' ') || shape(10, b'T')) || !shape(13, b':') || !shape(16, b':') {
        return None;
    }
    let two = |at: usize| number(line.get(at..at + 2)?);
    let year = i16::try_from(number(line.get(..4)?)?).ok()?;
    let date = Date::new(year, two(5)?.try_into().ok()?, two(8)?.try_into().ok()?).ok()?;
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    let (fraction, rest) = fraction(&line[19..]);
    // A leap second is none to most clocks.
    let second = if second == 60 { 59 } else { second };
    let [hour, minute, second] = [hour, minute, second].map(|part| i8::try_from(part).unwrap_or(i8::MAX));
    let time = Time::new(hour, minute, second, fraction).ok()?;
    Some((date.to_datetime(time), rest))
}

/// Billionths of a second behind a point or a comma, and what stands behind them.
fn fraction(text: &[u8]) -> (i32, &[u8]) {
    let Some((b'.' | b',', rest)) = text.split_first() else { return (0, text) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let billionths = (0..9).fold(0, |sum, place| {
        let digit = if place < digits { i32::from(rest[place] - b'0') } else { 0 };
        sum * 10 + digit
    });
    if digits == 0 { (0, text) } else { (billionths, &rest[digits..]) }
}

/// `Z`, `+01:00`, `+0100` or `+01`, or ` UTC`, ` GMT` or ` +01`: what says without doubt how far from UTC that is.
fn offset(text: &[u8]) -> Option<Offset> {
    let (apart, text) = text.strip_prefix(b" ").map_or((false, text), |rest| (true, rest));
    let word = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b':'));
    let word = &text[..word.count()];
    let word = word.strip_suffix(b":").unwrap_or(word);
    match (word, apart) {
        (b"UTC" | b"GMT", _) | (b"Z" | b"z", false) => Some(Offset::UTC),
        ([sign @ (b'+' | b'-'), digits @ ..], _) => of_digits(*sign == b'-', digits),
        _ => None,
    }
}

fn of_digits(west: bool, digits: &[u8]) -> Option<Offset> {
    let (hours, minutes) = match digits {
        [a, b] => ([*a, *b], [b'0'; 2]),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return None,
    };
    let (hours, minutes) = (number(&hours)?, number(&minutes)?);
    // Further apart no two clocks are.
    if hours > 14 || minutes > 59 {
        return None;
    }
    let seconds = (i32::from(hours) * 60 + i32::from(minutes)) * 60;
    Offset::from_seconds(if west { -seconds } else { seconds }).ok()
}

fn number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// A JSON value: text, or a number, which some write as text.
fn of_value(value: &str, zone: &TimeZone) -> Option<OwnTime> {
    let text = value.trim_matches('"');
    let certain = || of_text(text.as_bytes()).or_else(|| of_number(text)).map(OwnTime::certain);
    certain().or_else(|| at_start(text.as_bytes(), zone))
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
        let own = own_time(text.as_bytes(), &TimeZone::UTC)?;
        assert!(!own.assumed, "{text}");
        Some(own.at.to_string())
    }

    /// Assumed to be of a place that is an hour ahead of UTC in winter.
    fn assumed(text: &str) -> Option<String> {
        let own = own_time(text.as_bytes(), &TimeZone::get("Europe/Berlin").unwrap())?;
        assert!(own.assumed, "{text}");
        Some(own.at.to_string())
    }

    #[test]
    fn a_line_begins_with_its_time_or_does_not() {
        let expected = Some("2026-11-25T03:00:00.123456789Z".to_owned());
        assert_eq!(at("2026-11-25T03:00:00.123456789Z a b"), expected);
        assert_eq!(at("[2026-11-25T04:00:00.123456789+01:00] x"), expected);
        for line in [
            "2026-11-25 03:00:00.123456789 UTC [42] LOG:  PostgreSQL",
            "2026-11-25 03:00:00.123456789 GMT: x",
            "2026-11-25 08:30:00.123456789 +0530: x",
            "[2026/11/25 00:00:00.123456789 -03] x",
            "2026-11-25T03:00:00,1234567891Z",
        ] {
            assert_eq!(at(line), expected, "{line}");
        }
        for line in [
            "no time",
            "2026-11-25",
            "2026-11-25 03:00",
            "2026-11-25 03:00:0x",
            "2026-13-25 03:00:00",
            "2026-11-25 24:00:00",
            "2026-11-25 03:00:00and on",
            "2026-11-25 03:00:001",
            "1.2.3.4 - - [25/Nov/2026:03:00:00 +0000]",
        ] {
            assert_eq!((at(line), assumed(line)), (None, None), "{line}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_one_of_the_assumed_zone() {
        for (line, expected) in [
            ("2026/11/25 04:00:00 [error] 42#42: *1 connect() failed", "2026-11-25T03:00:00Z"),
            ("2026-11-25 04:00:00.5 CET [42] ERROR:  deadlock detected", "2026-11-25T03:00:00.5Z"),
            ("[2026-11-25 04:00:00,123] INFO", "2026-11-25T03:00:00.123Z"),
            ("2026-11-25T04:00:00", "2026-11-25T03:00:00Z"),
            ("2026-11-25 04:00:00 - 12 things", "2026-11-25T03:00:00Z"),
            ("2026-11-25 04:00:00 -1 left", "2026-11-25T03:00:00Z"),
            ("2026-07-25 04:00:00 in summer", "2026-07-25T02:00:00Z"),
            // Twice in the night that summer ends, and never in the one that it begins: the earlier, and what the clock showed then.
            ("2026-10-25 02:30:00 twice", "2026-10-25T00:30:00Z"),
            ("2026-03-29 02:30:00 never", "2026-03-29T01:30:00Z"),
            (r#"{"ts":"2026-11-25 04:00:00"}"#, "2026-11-25T03:00:00Z"),
        ] {
            assert_eq!(assumed(line).as_deref(), Some(expected), "{line}");
        }
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
            let _ = own_time(&bytes, &TimeZone::UTC);
            let _ = own_time(json.as_bytes(), &TimeZone::UTC);
        }

        #[test]
        fn any_json_object_gives_its_own_time(second in 200_000_000_i64..4_000_000_000, text in "\\PC*", key in "[a-s]{1,9}") {
            let line = serde_json::json!({ key: text, "a": [{ "ts": 1 }], "ts": second }).to_string();
            let own = own_time(line.as_bytes(), &TimeZone::UTC).map(|own| own.at.as_second());
            prop_assert_eq!(own, Some(second));
        }

        #[test]
        fn what_looks_almost_like_a_time_does_not_make_it_panic(line in "[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}[.,]?[0-9]{0,12} ?[-+:Z0-9GMTUC]{0,8}") {
            let _ = own_time(line.as_bytes(), &TimeZone::UTC);
        }
    }
}
