//! Bytes to lines, and lines to what may be shown. Pure.

use crate::domain::log::{LONGEST, Level, of_text};
use crate::domain::{LogLine, text};
use crate::redact::Redactor;
use jiff::Timestamp;
use std::fmt::Write;

/// Puts lines together that come in pieces. Of an overlong one the beginning is kept and the rest counted.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    cut: usize,
}

impl Lines {
    /// Takes in bytes; `each` gets every line that they complete, without its end, and how many bytes it lost.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8], usize)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            if self.pending.is_empty() && at <= LONGEST {
                each(without_return(&bytes[..at]), 0);
            } else {
                self.keep(&bytes[..at]);
                self.end(&mut each);
            }
            bytes = &bytes[at + 1..];
        }
        self.keep(bytes);
    }

    /// What has no end yet is a line too, when nothing more comes.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&[u8], usize)) {
        if !self.pending.is_empty() {
            self.end(&mut each);
        }
    }

    /// A line has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        !self.pending.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.pending.len()).min(bytes.len());
        self.pending.extend_from_slice(&bytes[..room]);
        self.cut += bytes.len() - room;
    }

    fn end(&mut self, each: &mut impl FnMut(&[u8], usize)) {
        each(without_return(&self.pending), self.cut);
        self.pending.clear();
        self.cut = 0;
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line that can do no harm: no escape sequences, nothing invisible, no secrets.
pub(super) fn line(place: u16, at: Option<Timestamp>, bytes: &[u8], cut: usize, redactor: &Redactor) -> LogLine {
    let raw = String::from_utf8_lossy(bytes);
    let plain = text::strip_escapes(&raw);
    let clean = text::clean(&plain);
    let mut shown = redactor.text(&clean).into_owned();
    if cut > 0 {
        let _ = write!(shown, " … {cut} more bytes of this line were cut");
    }
    LogLine { at, level: Level::of(&shown), place, text: shown }
}

/// The time that an engine writes before each line (RFC 3339), and what comes after it.
pub(super) fn stamped(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some(space) = line.iter().take(40).position(|byte| *byte == b' ') else {
        // An empty line is its time alone.
        return of_text(line).map_or((None, line), |at| (Some(at), &[]));
    };
    match of_text(&line[..space]) {
        Some(at) => (Some(at), &line[space + 1..]),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;
    use proptest::prelude::*;

    fn fed(pieces: &[&[u8]]) -> Vec<(String, usize)> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        let mut each = |line: &[u8], cut: usize| out.push((String::from_utf8_lossy(line).into_owned(), cut));
        for piece in pieces {
            lines.feed(piece, &mut each);
        }
        lines.finish(&mut each);
        out
    }

    #[test]
    fn lines_come_whole_however_they_are_cut_up() {
        let expected = vec![("one".to_owned(), 0), (String::new(), 0), ("three".to_owned(), 0)];
        assert_eq!(fed(&[b"one\r\n\nthree"]), expected);
        assert_eq!(fed(&[b"o", b"ne", b"\n", b"\nthr", b"ee\n"]), expected);
    }

    #[test]
    fn an_overlong_line_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; LONGEST * 3];
        let lines = fed(&[&long, b"\nnext\n"]);
        assert_eq!((lines[0].0.len(), lines[0].1), (LONGEST, LONGEST * 2));
        assert_eq!(lines[1], ("next".to_owned(), 0));
        let line = line(0, None, b"abc", 7, &Redactor::default());
        assert_eq!(line.text, "abc … 7 more bytes of this line were cut");
    }

    #[test]
    fn a_line_is_harmless_and_holds_no_secret() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::from("hunter2".to_owned()));
        let bytes = b"\x1b[31mERROR\x1b[0m login hunter2\x07 \xff postgres://a:geheim@db/x";
        let line = line(3, None, bytes, 0, &redactor);
        assert_eq!(line.text, "ERROR login ‹redacted›␇ � postgres://a:‹redacted›@db/x");
        assert_eq!((line.level, line.place), (Some(Level::Error), 3));
    }

    #[test]
    fn times_are_taken_where_they_are_certain() {
        let at = "2026-11-25T03:00:00.123456789Z".parse().ok();
        assert_eq!(stamped(b"2026-11-25T03:00:00.123456789Z a b"), (at, b"a b".as_slice()));
        assert_eq!(stamped(b"2026-11-25T03:00:00.123456789Z"), (at, b"".as_slice()));
        assert_eq!(stamped(b"no time"), (None, b"no time".as_slice()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let redactor = Redactor::default();
            Lines::default().feed(&bytes, |bytes, cut| {
                let (at, rest) = stamped(bytes);
                let line = line(0, at, rest, cut, &redactor);
                assert!(!line.text.chars().any(char::is_control));
            });
        }
    }
}
