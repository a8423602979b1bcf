//! Numbers, sizes and ages as short text, written into a buffer that is used again.

use std::fmt::Write;
use std::time::Duration;

/// Bytes in binary units, at most five cells: `812B`, `1.5K`, `640M`, `12G`.
pub fn bytes(out: &mut String, bytes: u64) {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    let _ = write!(out, "{value:.digits$}{}", UNITS[unit]);
}

/// The bytes that [`bytes`] shows: what looks equal is equal.
pub fn shown_bytes(bytes: u64) -> f64 {
    let mut unit = 1.0;
    while bytes as f64 / unit >= 999.5 {
        unit *= 1024.0;
    }
    let step = if unit > 1.0 && bytes as f64 / unit < 9.95 { unit / 10.0 } else { unit };
    (bytes as f64 / step).round() * step
}

/// The per cent that [`percent`] shows.
pub fn shown_percent(ratio: f64) -> f64 {
    (ratio * 100.0).round()
}

/// A ratio as whole per cent: `34%`.
pub fn percent(out: &mut String, ratio: f64) {
    let _ = write!(out, "{:.0}%", ratio * 100.0);
}

/// An age in its largest one or two units: `0.4s` under ten seconds, then `12s`, `4m`, `1h05`, `9d`.
pub fn age(out: &mut String, age: Duration) {
    let seconds = age.as_secs();
    let _ = match seconds {
        0..10 => write!(out, "{:.1}s", age.as_secs_f64()),
        10..60 => write!(out, "{seconds}s"),
        60..3600 => write!(out, "{}m", seconds / 60),
        3600..36_000 => write!(out, "{}h{:02}", seconds / 3600, seconds % 3600 / 60),
        36_000..172_800 => write!(out, "{}h", seconds / 3600),
        _ => write!(out, "{}d", seconds / 86_400),
    };
}

/// An age in whole seconds: what a display that is drawn once a second can honestly say.
pub fn coarse_age(out: &mut String, duration: Duration) {
    if duration < Duration::from_secs(10) {
        let _ = write!(out, "{}s", duration.as_secs());
    } else {
        age(out, duration);
    }
}

/// How often something is done: `0.5s`, `2s`, `1m30s`, `5m`.
pub fn interval(out: &mut String, interval: Duration) {
    let seconds = interval.as_secs();
    let _ = match (seconds / 60, seconds % 60) {
        _ if interval.subsec_millis() > 0 => write!(out, "{:.1}s", interval.as_secs_f64()),
        (0, _) => write!(out, "{seconds}s"),
        (minutes, 0) => write!(out, "{minutes}m"),
        (minutes, rest) => write!(out, "{minutes}m{rest}s"),
    };
}

/// A number with two significant decimals at most: a load, a metric's value. NaN and infinities by name.
pub fn number(out: &mut String, value: f64) {
    let _ = match value.abs() {
        v if v.is_nan() => write!(out, "NaN"),
        v if v.is_infinite() => write!(out, "{}Inf", if value < 0.0 { "-" } else { "+" }),
        v if v >= 1e6 => write!(out, "{value:.2e}"),
        v if v >= 100.0 => write!(out, "{value:.0}"),
        v if v >= 10.0 => write!(out, "{value:.1}"),
        _ => write!(out, "{value:.2}"),
    };
}

/// A number of things, whole; from a million on as [`number`] writes it.
pub fn count(out: &mut String, value: f64) {
    if value.is_finite() && value.abs() < 1e6 {
        let _ = write!(out, "{value:.0}");
    } else {
        number(out, value);
    }
}

/// As a new string, for the cold paths.
pub fn text(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0K"),
            (1536, "1.5K"),
            (671_088_640, "640M"),
            (12_884_901_888, "12G"),
            (1_047_527_424, "999M"),
        ];
        for (value, shown) in cases {
            assert_eq!(text(|out| bytes(out, value)), shown);
        }
    }

    #[test]
    fn what_is_shown_alike_is_alike() {
        for (a, b) in [(1500u64, 1540u64), (671_088_640, 671_100_000), (12_884_901_888, 12_900_000_000)] {
            assert_eq!(text(|out| bytes(out, a)), text(|out| bytes(out, b)));
            assert!((shown_bytes(a) - shown_bytes(b)).abs() < f64::EPSILON, "{a} {b}");
        }
        assert!(shown_bytes(1500) < shown_bytes(1600) && shown_bytes(999) < shown_bytes(1_000_000));
        assert!((shown_percent(0.004) - shown_percent(0.001)).abs() < f64::EPSILON);
        assert!(shown_percent(0.004) < shown_percent(0.006));
    }

    #[test]
    fn ages() {
        let cases = [
            (400, "0.4s"),
            (12_000, "12s"),
            (240_000, "4m"),
            (3_900_000, "1h05"),
            (86_400_000, "24h"),
            (777_600_000, "9d"),
        ];
        for (millis, shown) in cases {
            assert_eq!(text(|out| age(out, Duration::from_millis(millis))), shown);
        }
    }

    #[test]
    fn counts_are_whole() {
        for (value, shown) in [(0.0, "0"), (18.0, "18"), (1234.4, "1234"), (2e6, "2.00e6"), (f64::NAN, "NaN")] {
            assert_eq!(text(|out| count(out, value)), shown);
        }
    }

    #[test]
    fn numbers() {
        let cases = [
            (0.0, "0.00"),
            (9.1, "9.10"),
            (42.123, "42.1"),
            (187.4, "187"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
            (1e7, "1.00e7"),
        ];
        for (value, shown) in cases {
            assert_eq!(text(|out| number(out, value)), shown);
        }
    }
}
