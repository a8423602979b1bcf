//! A painted buffer as text with its styles, for tests: colour is severity here, so a snapshot without styles would
//! not see a severity lost.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The screen as lines; under each line that has styles, a line of letters, and a legend of the letters at the end.
pub fn dump(buf: &Buffer) -> String {
    let mut legend: BTreeMap<String, char> = BTreeMap::new();
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let (mut text, mut marks) = (String::new(), String::new());
        let mut x = buf.area.left();
        while x < buf.area.right() {
            let cell = &buf[(x, y)];
            let wide = unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1) as u16;
            text.push_str(cell.symbol());
            for _ in 0..wide {
                marks.push(letter(&mut legend, cell.style()));
            }
            x += wide;
        }
        let _ = writeln!(out, "{}", text.trim_end());
        if !marks.trim_end().is_empty() {
            let _ = writeln!(out, "{}", marks.trim_end());
        }
    }
    for (style, letter) in &legend {
        let _ = writeln!(out, "{letter} {style}");
    }
    out
}

/// The letter of a style; a blank for the default one.
fn letter(legend: &mut BTreeMap<String, char>, style: Style) -> char {
    let name = describe(style);
    if name.is_empty() {
        return ' ';
    }
    let next = char::from_u32('a' as u32 + legend.len() as u32).unwrap_or('?');
    *legend.entry(name).or_insert(next)
}

fn describe(style: Style) -> String {
    use ratatui::style::Color;
    let mut out = String::new();
    if let Some(fg) = style.fg.filter(|color| *color != Color::Reset) {
        let _ = write!(out, "fg {fg} ");
    }
    if let Some(bg) = style.bg.filter(|color| *color != Color::Reset) {
        let _ = write!(out, "bg {bg} ");
    }
    if !style.add_modifier.is_empty() {
        let _ = write!(out, "{:?}", style.add_modifier);
    }
    out.trim_end().to_owned()
}
