//! `date`: times of day as text, and text as times.

use super::super::state::{Outcome, Shell};
use super::options::Options;
use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write as _;

/// As `strftime` writes it, in UTC.
pub(in super::super) fn formatted(seconds: f64, format: &str) -> Result<String, String> {
    let time = civil(seconds)?;
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let flags: String = rest.chars().take_while(|one| "-_0^#".contains(*one)).collect();
        rest = &rest[flags.len()..];
        let width: String = rest.chars().take_while(char::is_ascii_digit).collect();
        rest = &rest[width.len()..];
        let Some(letter) = rest.chars().next() else {
            out.push('%');
            break;
        };
        rest = &rest[letter.len_utf8()..];
        one(&time, seconds, &flags, &width, letter, &mut out)?;
    }
    out.push_str(rest);
    Ok(out)
}

fn civil(seconds: f64) -> Result<DateTime, String> {
    let nanos =
        i128::from(seconds.floor() as i64) * 1_000_000_000 + ((seconds - seconds.floor()) * 1e9).round() as i128;
    let time = Timestamp::from_nanosecond(nanos).map_err(|_| "time out of range".to_owned())?;
    Ok(TimeZone::UTC.to_datetime(time))
}

fn one(time: &DateTime, seconds: f64, flags: &str, width: &str, letter: char, out: &mut String) -> Result<(), String> {
    let text = match letter {
        '%' => "%".to_owned(),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        's' => format!("{}", seconds.floor() as i64),
        'N' => {
            let digits = format!("{:09}", time.subsec_nanosecond());
            digits[..width.parse::<usize>().unwrap_or(9).clamp(1, 9)].to_owned()
        }
        'z' => "+0000".to_owned(),
        'Z' => "UTC".to_owned(),
        'c' => time.strftime("%a %b %e %H:%M:%S %Y").to_string(),
        'x' => time.strftime("%m/%d/%y").to_string(),
        'X' => time.strftime("%H:%M:%S").to_string(),
        'r' => time.strftime("%I:%M:%S %p").to_string(),
        letter if "aAbBCdDeFgGhHIjklmMpPRSTuUVwWyY".contains(letter) => {
            let pattern = format!("%{flags}{width}{letter}");
            let mut text = String::new();
            write!(text, "{}", time.strftime(&pattern))
                .map_err(|_| format!("this drill does not know the date's {pattern}"))?;
            text
        }
        other => return Err(format!("this drill does not know the date's %{other}")),
    };
    out.push_str(&text);
    Ok(())
}

/// What `date -d` takes: `@1700000000`, ISO 8601, `20260101 10:00:00`, `2 hours ago`, `yesterday`, `tomorrow`, `now`, `today`, and a date with one of those behind it.
pub(in super::super) fn parsed(text: &str, now: f64) -> Option<f64> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_nanosecond() as f64 / 1e9);
    }
    let spread = text.replace(',', " ");
    let mut words: Vec<String> = spread.split_whitespace().map(str::to_lowercase).collect();
    if let [one] = words.as_slice()
        && let Some((date, time)) = one.split_once('t')
        && date.contains('-')
    {
        words = vec![date.to_owned(), time.to_owned()];
    }
    let now_at = civil(now).ok()?;
    let (mut date, mut time, mut shift, mut zone) = (None, None, 0.0, 0.0);
    let mut index = 0;
    while let Some(word) = words.get(index) {
        index += 1;
        match word.as_str() {
            "now" | "today" | "utc" | "gmt" | "z" => {}
            "yesterday" => shift -= 86_400.0,
            "tomorrow" => shift += 86_400.0,
            word => {
                if let Some(found) = day(word) {
                    date = Some(found);
                } else if let Some((found, offset)) = clock(word) {
                    (time, zone) = (Some(found), zone + offset);
                } else {
                    let (by, used) = relative(word, &words[index..])?;
                    (shift, index) = (shift + by, index + used);
                }
            }
        }
    }
    let time = time.unwrap_or_else(|| if date.is_some() { Time::midnight() } else { now_at.time() });
    let at = TimeZone::UTC.to_timestamp(DateTime::from_parts(date.unwrap_or_else(|| now_at.date()), time)).ok()?;
    Some(at.as_nanosecond() as f64 / 1e9 + shift - zone)
}

fn day(word: &str) -> Option<Date> {
    let plain = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
    let text = if plain { format!("{}-{}-{}", &word[..4], &word[4..6], &word[6..]) } else { word.replace('/', "-") };
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    Date::new(year.parse().ok().filter(|_| year.len() == 4)?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// A time of day, and the seconds that its zone is ahead.
fn clock(word: &str) -> Option<(Time, f64)> {
    let word = word.strip_suffix('z').unwrap_or(word);
    let (word, zone) = match word.find(['+', '-']) {
        Some(at) if at > 0 => {
            let digits = word[at + 1..].replace(':', "");
            let digits = if digits.len() == 2 { digits + "00" } else { digits };
            let ahead = digits.get(..2)?.parse::<f64>().ok()? * 3600.0 + digits.get(2..)?.parse::<f64>().ok()? * 60.0;
            (&word[..at], if word[at..].starts_with('-') { -ahead } else { ahead })
        }
        _ => (word, 0.0),
    };
    let parts: Vec<&str> = word.split(':').collect();
    if parts.len() < 2 || parts.len() > 3 {
        return None;
    }
    let (seconds, nanos) = parts.get(2).map_or(("0", ""), |part| part.split_once('.').unwrap_or((part, "")));
    let nanos = format!("{nanos:0<9}").get(..9)?.parse().ok()?;
    Some((Time::new(parts[0].parse().ok()?, parts[1].parse().ok()?, seconds.parse().ok()?, nanos).ok()?, zone))
}

/// `2 hours ago`, `-1 day`, `next week`: seconds, and how many more words it took.
fn relative(word: &str, rest: &[String]) -> Option<(f64, usize)> {
    let digits = word.trim_start_matches(['+', '-']);
    let split = digits.find(|one: char| !one.is_ascii_digit()).unwrap_or(digits.len());
    let (count, mut used) = match (word, digits[..split].parse::<f64>()) {
        ("next", _) => (1.0, 0),
        ("last", _) => (-1.0, 0),
        (_, Ok(count)) => (if word.starts_with('-') { -count } else { count }, 0),
        (word, Err(_)) if unit(word).is_some() => return Some((unit(word)?, 0)),
        _ => return None,
    };
    let name = if split < digits.len() && digits[..split].parse::<f64>().is_ok() {
        digits[split..].to_owned()
    } else {
        used += 1;
        rest.first()?.clone()
    };
    let mut seconds = count * unit(&name)?;
    if rest.get(used).is_some_and(|word| word == "ago") {
        (seconds, used) = (-seconds, used + 1);
    }
    Some((seconds, used))
}

fn unit(name: &str) -> Option<f64> {
    Some(match name.strip_suffix('s').filter(|name| !name.is_empty()).unwrap_or(name) {
        "sec" | "second" => 1.0,
        "min" | "minute" => 60.0,
        "hour" => 3600.0,
        "day" => 86_400.0,
        "week" => 604_800.0,
        _ => return None,
    })
}

pub(super) fn date(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [
        ("utc", 'u', false),
        ("date", 'd', true),
        ("reference", 'r', true),
        ("iso-8601", 'I', false),
        ("rfc-email", 'R', false),
    ];
    let options = match Options::read(&words[1..], "ud:r:IRs:", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("date: {why}")),
    };
    let now = shell.now();
    if options.has('s') {
        return shell.wrong(1, "date: cannot set date: Operation not permitted");
    }
    let seconds = match (options.value('d'), options.value('r')) {
        (Some(text), _) => match parsed(text, now) {
            Some(seconds) => seconds,
            None => return shell.wrong(1, format!("date: invalid date ‘{text}’")),
        },
        (_, Some(path)) => {
            let time = shell.files().get(&shell.place(path)).map(|node| node.time);
            match time {
                Some(time) => time,
                None => return shell.wrong(1, format!("date: '{path}': No such file or directory")),
            }
        }
        _ => now,
    };
    let format = match options.rest.first() {
        Some(format) if format.starts_with('+') => &format[1..],
        Some(odd) => return shell.wrong(1, format!("date: invalid date ‘{odd}’")),
        None if options.has('I') => "%F",
        None if options.has('R') => "%a, %d %b %Y %H:%M:%S %z",
        None => "%a %b %e %H:%M:%S %Z %Y",
    };
    match formatted(seconds, format) {
        Ok(text) => {
            shell.out(text + "\n")?;
            Ok(0)
        }
        Err(why) => shell.wrong(1, format!("date: {why}")),
    }
}
