//! The one place that knows what a terminal without Unicode shows instead of each symbol. The screen is painted with the symbols of
//! [`Glyphs::Unicode`], and brought down here, cell for cell, when it is done: no pane can forget to, and no column shifts.
//!
//! What has no counterpart, text from outside above all, becomes `?`.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// The characters that the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// All.
    #[default]
    Unicode,
    /// Those of code page 437, which every font of the Linux console has: frames, but only three heights of a bar.
    Cp437,
    /// Those of ASCII.
    Ascii,
}

impl Glyphs {
    /// What somebody asked for (`--ascii`, `ascii` of the config); else what locale and terminal say. A locale that nobody set says
    /// nothing: in a container that is usual, and the terminal outside shows everything.
    pub fn detect(asked: Option<bool>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| variable(name)).find(|it| !it.is_empty());
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        match (asked, variable("TERM").as_deref()) {
            (Some(true), _) => Self::Ascii,
            (Some(false), _) => Self::Unicode,
            (None, Some("linux")) if utf8 => Self::Cp437,
            (None, Some("dumb" | "vt100" | "vt102" | "vt220")) => Self::Ascii,
            (None, _) if utf8 => Self::Unicode,
            (None, _) => Self::Ascii,
        }
    }

    /// Brings what was painted down to what can be shown.
    pub fn apply(self, buf: &mut Buffer) {
        if self == Self::Unicode {
            return;
        }
        let width = usize::from(buf.area.width).max(1);
        for at in 0..buf.content.len() {
            let symbol = buf.content[at].symbol();
            if symbol.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) && !symbol.is_empty() {
                continue;
            }
            // A wide character's right half is a cell of its own, blank until now.
            let cells = symbol.width().clamp(1, width - at % width);
            let shown = if cells > 1 { '?' } else { self.shown(symbol.chars().next().unwrap_or(' ')) };
            let style = buf.content[at].style();
            for cell in &mut buf.content[at..at + cells] {
                cell.set_char(shown).set_style(style);
            }
        }
    }

    /// What stands for one character.
    pub fn shown(self, char: char) -> char {
        match self {
            Self::Unicode => char,
            Self::Cp437 => cp437(char).unwrap_or_else(|| ascii(char)),
            Self::Ascii => ascii(char),
        }
    }
}

/// A character of code page 437 that is it, or that is nearest; `None`: ASCII is nearer.
fn cp437(char: char) -> Option<char> {
    const SAME: &str = "─│┌┐└┘├┤┬┴┼═║╔╗╚╝░▒▓█▄▀■▲▼►◄→←↑↓·°±√«»÷≈≤≥µßäöüÄÖÜéèêëàâçñÑåÅæÆïîìôòûùÿ£¥áíóúÉ";
    Some(match char {
        '▁' | '▂' => '_',
        '▃' | '▄' | '▅' => '▄',
        '▆' | '▇' => '█',
        '▶' => '►',
        '✓' => '√',
        '╌' | '—' | '–' => '─',
        '●' | '•' => '■',
        '‹' => '«',
        '›' => '»',
        same if SAME.contains(same) => same,
        _ => return None,
    })
}

fn ascii(char: char) -> char {
    match char {
        ' '..='~' => char,
        '\u{a0}' => ' ',
        '─' | '╌' | '═' | '—' | '–' | '‐' | '−' => '-',
        '│' | '║' | '┊' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' => '+',
        '▁' => '.',
        '▂' => ':',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '%',
        '▇' => '@',
        '█' | '■' => '#',
        '·' => '.',
        '…' => '~',
        '→' | '▶' | '►' | '›' | '»' => '>',
        '←' | '◄' | '‹' | '«' => '<',
        '↑' => '^',
        '↓' | '▼' => 'v',
        '✓' => '+',
        '✗' | '×' => 'x',
        '▲' | '●' | '•' => '*',
        '◌' | '○' | '°' => 'o',
        '“' | '”' => '"',
        '‘' | '’' => '\'',
        'µ' => 'u',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn detected(asked: Option<bool>, variables: &[(&str, &str)]) -> Glyphs {
        Glyphs::detect(asked, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_locale_and_the_terminal_decide_unless_somebody_does() {
        assert_eq!(detected(None, &[("LANG", "de_DE.UTF-8")]), Glyphs::Unicode);
        assert_eq!(detected(None, &[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]), Glyphs::Ascii);
        assert_eq!(detected(None, &[("LANG", "C"), ("LC_CTYPE", "C.utf8")]), Glyphs::Unicode);
        assert_eq!(detected(None, &[("LC_ALL", ""), ("LANG", "de_DE@euro")]), Glyphs::Ascii);
        assert_eq!(detected(None, &[]), Glyphs::Unicode);
        assert_eq!(detected(None, &[("TERM", "linux"), ("LANG", "C.UTF-8")]), Glyphs::Cp437);
        assert_eq!(detected(None, &[("TERM", "vt220")]), Glyphs::Ascii);
        assert_eq!(detected(Some(true), &[("LANG", "C.UTF-8")]), Glyphs::Ascii);
        assert_eq!(detected(Some(false), &[("LANG", "C")]), Glyphs::Unicode);
    }

    fn line(glyphs: Glyphs, text: &str) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 1));
        buf.set_string(0, 0, text, Style::new());
        glyphs.apply(&mut buf);
        buf.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn every_cell_keeps_its_place() {
        assert_eq!(line(Glyphs::Ascii, "▲ 日本 ─ é…x"), "* ???? - ?~x");
        assert_eq!(line(Glyphs::Cp437, "▲ 日本 ─ é…x"), "▲ ???? ─ é~x");
        assert_eq!(line(Glyphs::Unicode, "▲ ─ é…x"), "▲ ─ é…x     ");
        assert_eq!(line(Glyphs::Ascii, "          日"), "          ??");
        assert_eq!(line(Glyphs::Ascii, "e\u{301}▁▄█"), "e.=#        ");
    }
}
