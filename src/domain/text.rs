//! Text from outside, made harmless. A container's name, a query, a label, a log line: none may drive the terminal,
//! reorder what is read, or shift a column.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// Combining marks kept on one base character; more is a trick, not a language.
const MARKS_KEPT: usize = 3;

/// What is hidden of a text before others see it.
pub trait Veil: Send + Sync {
    /// The text with everything hidden that must be; `None` when there is nothing of the kind. It must not need to be told
    /// what the text is.
    fn hide(&self, text: &str) -> Option<String>;

    /// The same of what somebody typed to find something: it may be the beginning of what must be hidden.
    fn hide_typed(&self, text: &str) -> Option<String> {
        self.hide(text)
    }
}

thread_local! {
    /// Of the thread that paints, while it paints.
    static VEIL: RefCell<Option<Arc<dyn Veil>>> = const { RefCell::new(None) };
}

/// Does `work` with every text from outside behind `veil`. It is in force by being here, where all of them pass: a view that is
/// written next year can't forget it.
pub fn behind<T>(veil: Option<Arc<dyn Veil>>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<dyn Veil>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            VEIL.set(self.0.take());
        }
    }
    let _restore = Restore(VEIL.replace(veil));
    work()
}

/// Puts behind the veil what is harmless already, and is about to be broken into pieces.
pub fn cover(text: &mut String) {
    if let Some(hidden) = hide(text) {
        *text = hidden;
    }
}

/// What somebody typed to find something, a filter or a search, as it may be shown.
pub fn typed(text: &str) -> Cow<'_, str> {
    match VEIL.with_borrow(Clone::clone).and_then(|veil| veil.hide_typed(text)) {
        Some(hidden) => Cow::Owned(made_harmless(&hidden)),
        None => clean(text),
    }
}

/// Others see the screen: sentences that repeat what was typed are not shown.
pub fn is_veiled() -> bool {
    VEIL.with_borrow(Option::is_some)
}

fn hide(text: &str) -> Option<String> {
    let veil = VEIL.with_borrow(Clone::clone)?;
    veil.hide(text)
}

/// One line of harmless text. Line breaks and tabs become one space; other control characters become their visible
/// pictures (U+2400…) or `�`; bidirectional controls, zero-width characters, variation selectors and tag characters
/// are dropped. Borrows when there is nothing to change.
pub fn clean(text: &str) -> Cow<'_, str> {
    if let Some(hidden) = hide(text) {
        return Cow::Owned(made_harmless(&hidden));
    }
    if text.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(made_harmless(text))
}

fn made_harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_harmless(&mut out, text);
    out
}

/// Appends [`clean`] text to a buffer that is used again and again.
pub fn push_clean(out: &mut String, text: &str) {
    match hide(text) {
        Some(hidden) => push_harmless(out, &hidden),
        None => push_harmless(out, text),
    }
}

fn push_harmless(out: &mut String, text: &str) {
    let mut marks = 0;
    for char in text.chars() {
        match fate(char) {
            Fate::Keep if UnicodeWidthChar::width(char) == Some(0) => {
                marks += 1;
                if marks <= MARKS_KEPT && !out.is_empty() {
                    out.push(char);
                }
            }
            Fate::Keep => {
                marks = 0;
                out.push(char);
            }
            Fate::Show(shown) => {
                marks = 0;
                out.push(shown);
            }
            Fate::Drop => {}
        }
    }
}

/// Several lines of harmless text: [`clean`] applied to each.
pub fn clean_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        push_clean(&mut out, line);
    }
    out
}

/// Several lines as one of harmless text, with ` / ` between them: where there is room for a row.
pub fn one_row(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(clean).collect::<Vec<_>>().join(" / ")
}

/// Appends a text so that Markdown shows it as it stands.
pub fn push_markdown(out: &mut String, given: &str) {
    for char in clean(given).chars() {
        if matches!(char, '\\' | '|' | '[' | ']' | '<' | '>' | '`' | '*') {
            out.push('\\');
        }
        out.push(char);
    }
}

/// The text without the escape sequences that terminals understand (colours, titles, cursor movements). What is left of a broken
/// one is made visible by [`clean`]. Borrows when there is none.
pub fn strip_escapes(text: &str) -> Cow<'_, str> {
    if !text.contains(['\x1b', '\u{9b}']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\x1b', '\u{9b}']) {
        out.push_str(&rest[..at]);
        let sequence = &rest[at..];
        let length = sequence_length(sequence);
        if length == 0 {
            let first = sequence.chars().next().map_or(0, char::len_utf8);
            out.push_str(&sequence[..first]);
            rest = &sequence[first..];
        } else {
            rest = &sequence[length..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Bytes of the sequence at the beginning; 0 when it is not a whole one.
fn sequence_length(text: &str) -> usize {
    let (head, body) = match text.strip_prefix('\u{9b}') {
        Some(body) => ('[', body),
        None => {
            let mut chars = text[1..].chars();
            let Some(head) = chars.next() else { return 0 };
            (head, chars.as_str())
        }
    };
    let before = text.len() - body.len();
    let end = match head {
        '[' => body.find(|char: char| ('\x40'..='\x7e').contains(&char)).map(|at| at + 1),
        ']' | 'P' | '_' | '^' | 'X' => {
            let bell = body.find('\x07').map(|at| at + 1);
            let string = body.find("\x1b\\").map(|at| at + 2);
            bell.into_iter().chain(string).min()
        }
        '(' | ')' => body.chars().next().map(char::len_utf8),
        '\x40'..='\x5f' | '7' | '8' | '=' | '>' | 'c' => Some(0),
        _ => None,
    };
    end.map_or(0, |end| before + end)
}

enum Fate {
    Keep,
    Show(char),
    Drop,
}

fn fate(char: char) -> Fate {
    match char {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Fate::Show(' '),
        '\0'..='\x1f' => Fate::Show(char::from_u32(0x2400 + char as u32).unwrap_or('�')),
        '\x7f' => Fate::Show('␡'),
        '\u{80}'..='\u{9f}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' => Fate::Show('�'),
        // Bidirectional controls, zero-width spaces and joiners, invisible operators, byte order mark, soft hyphen,
        // Hangul and other blank fillers, variation selectors, tags.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0000}'..='\u{e0fff}' => Fate::Drop,
        // Emoji modifiers join into the emoji before them in some terminals and not in others: the width would be a guess.
        '\u{1f3fb}'..='\u{1f3ff}' => Fate::Drop,
        // Regional indicators pair up into flags in some terminals and not in others.
        '\u{1f1e6}'..='\u{1f1ff}' => Fate::Show(char::from_u32(char as u32 - 0x1f1e6 + 'A' as u32).unwrap_or('�')),
        _ => Fate::Keep,
    }
}

/// The longest prefix of `text` that is at most `width` cells wide, ending on a whole grapheme.
pub fn truncate(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        let cells = unicode_width::UnicodeWidthStr::width(grapheme);
        if used + cells > width {
            return &text[..at];
        }
        used += cells;
    }
    text
}

/// [`truncate`]d, and what was cut ends with `…`.
pub fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if unicode_width::UnicodeWidthStr::width(text) <= width {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", truncate(text, width.saturating_sub(1))))
}

/// Line and column of a byte of `text`, both from 1; columns count characters. A byte inside a character is its first.
pub fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The lines of a text, of a long one `each` of both ends: between them stands how many are missing, and `elsewhere` who has them.
pub fn ends(text: &str, each: usize, elsewhere: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= 2 * each + 1 {
        return lines.into_iter().map(str::to_owned).collect();
    }
    let gap = format!("… {} lines left out; {elsewhere} …", lines.len() - 2 * each);
    let (head, tail) = (&lines[..each], &lines[lines.len() - each..]);
    head.iter().copied().chain([gap.as_str()]).chain(tail.iter().copied()).map(str::to_owned).collect()
}

/// `1 row`, `2 rows`: a number and its word, which takes an s for more than one.
pub fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// `text` with blanks after it up to `width` cells: `{:width$}` counts characters, and a wide one would shift what follows.
pub fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(unicode_width::UnicodeWidthStr::width(text));
    format!("{text}{:blanks$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_a_long_text_both_ends_are_told() {
        assert_eq!(ends("a\nb\nc", 1, "it"), ["a", "b", "c"]);
        assert_eq!(ends("a\nb\nc\nd", 1, "the page has them"), ["a", "… 2 lines left out; the page has them …", "d"]);
        assert_eq!(ends("", 1, "it"), [""; 0]);
    }

    #[test]
    fn lines_stand_in_a_row_with_a_mark_between_them() {
        assert_eq!(one_row("the disk\n\n  is full\x1b[31m\n"), "the disk / is full␛[31m");
        assert_eq!((one_row(""), one_row("one")), (String::new(), "one".to_owned()));
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(clean("game-3/api"), Cow::Borrowed(_)));
    }

    #[test]
    fn escapes_become_pictures_and_breaks_become_spaces() {
        assert_eq!(clean("a\x1b[31mb\nc\u{9b}d\x7f"), "a␛[31mb c�d␡");
    }

    #[test]
    fn direction_and_zero_width_tricks_are_dropped() {
        assert_eq!(clean("use\u{202e}r\u{200b}n\u{feff}ame\u{e0041}"), "username");
    }

    #[test]
    fn escape_sequences_are_taken_out_whole() {
        let coloured = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(Bc\u{9b}31md";
        assert_eq!(strip_escapes(coloured), "red abcd");
        assert_eq!(strip_escapes("cut \x1b[31"), "cut \x1b[31");
        assert_eq!(strip_escapes("end \x1b"), "end \x1b");
        assert!(matches!(strip_escapes("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn wide_text_is_cut_on_a_whole_character() {
        assert_eq!(truncate("日本語", 5), "日本");
        assert_eq!(truncate("abc", 5), "abc");
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(line_column("aé\nb", 0), (1, 1));
        assert_eq!(line_column("aé\nb", 2), (1, 2));
        assert_eq!(line_column("aé\nb", 4), (2, 1));
        assert_eq!(line_column("aé\nb", 99), (2, 2));
    }

    #[test]
    fn padding_counts_cells() {
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("abc", 2), "abc");
    }

    proptest! {
        #[test]
        fn nothing_that_drives_a_terminal_survives(text in "\\PC*|[\\x00-\\x9f\\u{200b}-\\u{206f}a]*") {
            let cleaned = clean(&text);
            let tricky = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
            prop_assert!(!cleaned.chars().any(tricky));
            prop_assert_eq!(clean(&cleaned).into_owned(), cleaned.clone().into_owned());
            let _ = strip_escapes(&text);
        }
    }
}
