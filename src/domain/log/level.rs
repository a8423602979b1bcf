//! How bad a line says that it is, in the ways in which programs commonly say it.

use super::is_object;
use crate::domain::Severity;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every step.
    Trace,
    /// For those who wrote it.
    Debug,
    /// What happens.
    Info,
    /// It goes on, but not as it should.
    Warn,
    /// Something failed.
    Error,
    /// It ends.
    Fatal,
}

/// A plain line says its level early; a word in the middle of a sentence is none.
const HEAD: usize = 120;

/// The names of a level in JSON and in `key=value` lines.
pub(super) const KEYS: [&str; 6] = ["level", "lvl", "severity", "levelname", "loglevel", "log.level"];

impl Level {
    /// All of them, the worst last.
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// As it is shown: five letters at most.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// What a colour is chosen by.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Trace | Self::Debug | Self::Info => Severity::None,
            Self::Warn => Severity::Warning,
            Self::Error | Self::Fatal => Severity::Critical,
        }
    }

    /// From a word in any case: `warning`, `ERR`, `crit`; or a number as pino and bunyan write it.
    pub fn parse(word: &str) -> Option<Self> {
        const WORDS: [(&str, Level); 23] = [
            ("trace", Level::Trace),
            ("finest", Level::Trace),
            ("debug", Level::Debug),
            ("dbg", Level::Debug),
            ("fine", Level::Debug),
            ("info", Level::Info),
            ("information", Level::Info),
            ("notice", Level::Info),
            ("log", Level::Info),
            ("warn", Level::Warn),
            ("warning", Level::Warn),
            ("error", Level::Error),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("fail", Level::Error),
            ("failure", Level::Error),
            ("fatal", Level::Fatal),
            ("critical", Level::Fatal),
            ("crit", Level::Fatal),
            ("panic", Level::Fatal),
            ("emerg", Level::Fatal),
            ("emergency", Level::Fatal),
            ("alert", Level::Fatal),
        ];
        let named = WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, level)| *level);
        named.or_else(|| Self::of_number(word.parse().ok()?))
    }

    const fn of_number(number: u32) -> Option<Self> {
        match number {
            10 => Some(Self::Trace),
            20 => Some(Self::Debug),
            30 => Some(Self::Info),
            40 => Some(Self::Warn),
            50 => Some(Self::Error),
            60 => Some(Self::Fatal),
            _ => None,
        }
    }

    /// Of a syslog priority, 0 to 7.
    pub const fn of_priority(priority: u8) -> Self {
        match priority {
            0..=2 => Self::Fatal,
            3 => Self::Error,
            4 => Self::Warn,
            5 | 6 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// What a line says, where it says it.
    pub fn of(line: &str) -> Option<Self> {
        if is_object(line) {
            of_json(line)
        } else {
            of_pairs(line).or_else(|| of_klog(line)).or_else(|| of_words(line))
        }
    }
}

/// The value of a key that names a level. Not parsed as a whole: this runs for every line that comes.
fn of_json(line: &str) -> Option<Level> {
    KEYS.iter().find_map(|key| {
        let (_, rest) =
            line.match_indices(*key).map(|(at, key)| (at, &line[at + key.len()..])).find(|(at, rest)| {
                line[..*at].ends_with('"') && rest.starts_with('"') && rest[1..].trim_start().starts_with(':')
            })?;
        let value = rest[1..].trim_start().trim_start_matches(':').trim_start().trim_start_matches('"');
        Level::parse(word(value))
    })
}

/// `level=error`, as logfmt has it.
fn of_pairs(line: &str) -> Option<Level> {
    ["level=", "lvl=", "severity="].iter().find_map(|key| {
        let at = line.find(key)?;
        let starts = line[..at].chars().next_back().is_none_or(char::is_whitespace);
        starts.then(|| Level::parse(word(line[at + key.len()..].trim_start_matches('"')))).flatten()
    })
}

/// `E1125 18:26:08.123 …`, as Kubernetes' programs write.
fn of_klog(line: &str) -> Option<Level> {
    let bytes = line.as_bytes();
    let level = match bytes.first()? {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let date = bytes.get(1..5)?.iter().all(u8::is_ascii_digit) && bytes.get(5) == Some(&b' ');
    date.then_some(level)
}

/// The first word of the line's head that is a level in capitals, or in brackets, or before a colon.
fn of_words(line: &str) -> Option<Level> {
    let head = &line[..line.floor_char_boundary(HEAD)];
    let mut at = 0;
    while let Some(start) = head[at..].find(|char: char| char.is_ascii_alphabetic()).map(|found| at + found) {
        let found = word(&head[start..]);
        at = start + found.len().max(1);
        let alone =
            !head[..start].ends_with(|char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '/' | '.'));
        if alone
            && is_marked(head, start, found)
            && let Some(level) = Level::parse(found)
        {
            return Some(level);
        }
    }
    None
}

fn is_marked(head: &str, start: usize, found: &str) -> bool {
    let next = head[start + found.len()..].chars().next();
    let capitals = found.len() > 2 && found.bytes().all(|byte| byte.is_ascii_uppercase());
    // `ERROR_CODE` and `WARN-1` are names.
    let whole = next.is_none_or(|next| !matches!(next, '_' | '-' | '=' | '/' | '.') && !next.is_alphanumeric());
    let bracket = head[..start].ends_with(['[', '<', '(']) && matches!(next, Some(']' | '>' | ')'));
    whole && (capitals || bracket || next == Some(':'))
}

fn word(text: &str) -> &str {
    let end = text.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_formats_say_their_level() {
        let cases = [
            ("2026-11-25T03:00:00Z ERROR app: it broke", Some(Level::Error)),
            ("2026/11/25 03:00:00 [error] 31#31: *1 open() failed", Some(Level::Error)),
            ("2026/11/25 03:00:00 [warn] 31#31: low", Some(Level::Warn)),
            ("WARNING:root:disk is low", Some(Level::Warn)),
            ("time=\"2026\" level=warning msg=\"slow\"", Some(Level::Warn)),
            ("E1125 18:26:08.123456       1 main.go:1] no", Some(Level::Error)),
            (r#"{"level":"error","msg":"x"}"#, Some(Level::Error)),
            (r#"{"time":1,"level": 50,"msg":"x"}"#, Some(Level::Error)),
            (r#"{"msg":"the \"level\" word","severity":"WARNING"}"#, Some(Level::Warn)),
            ("2026-11-25 03:00:00.1 UTC [99] FATAL:  too many connections", Some(Level::Fatal)),
            ("2026-11-25 03:00:00.1 UTC [99] LOG:  checkpoint", Some(Level::Info)),
            ("error: no such file", Some(Level::Error)),
            ("thread 'main' panicked at src/main.rs", None),
            ("GET /errors/list 200", None),
            ("ERROR_CODE=0 all is well", None),
            ("no error was found", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(Level::of(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*|[\\x00-\\xffEWF0-9 :\\[\\]{}\"level=]*") {
            let _ = Level::of(&line);
        }
    }
}
