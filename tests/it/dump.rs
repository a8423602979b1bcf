//! A painted buffer as text, with or without its styles: colour is severity here, so that a snapshot without styles would not see
//! a severity lost.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Style};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Letters for styles, in the order in which the styles are met.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The screen as lines; runs of the same line are said once.
pub fn text(buf: &Buffer) -> String {
    let line = |row: Vec<&Cell>| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned();
    folded(&rows(buf).map(line).collect::<Vec<_>>())
}

/// The screen as lines, under each a line of letters for its styles, and what the letters mean at the end. A blank
/// stands for the terminal's own style.
pub fn styled(buf: &Buffer) -> String {
    let mut legend: BTreeMap<String, char> = BTreeMap::new();
    let mut lines = Vec::new();
    for row in rows(buf) {
        let (mut text, mut marks) = (String::new(), String::new());
        for cell in row {
            text.push_str(cell.symbol());
            let mark = letter(&mut legend, cell.style());
            marks.extend(std::iter::repeat_n(mark, width(cell)));
        }
        let marks = marks.trim_end();
        let rule = if marks.is_empty() { String::new() } else { format!("\n{marks}") };
        lines.push(format!("{}{rule}", text.trim_end()));
    }
    let mut out = folded(&lines);
    let mut legend: Vec<_> = legend.into_iter().map(|(style, letter)| (letter, style)).collect();
    legend.sort_by_key(|(letter, _)| LETTERS.iter().position(|known| char::from(*known) == *letter));
    for (letter, style) in legend {
        let _ = writeln!(out, "{letter} = {style}");
    }
    out
}

/// The cells of each row, without those that a wide character covers.
pub fn rows(buf: &Buffer) -> impl Iterator<Item = Vec<&Cell>> {
    let area = buf.area;
    (area.top()..area.bottom()).map(move |y| {
        let mut cells = Vec::new();
        let mut x = area.left();
        while x < area.right() {
            let cell = &buf[(x, y)];
            cells.push(cell);
            x += width(cell) as u16;
        }
        cells
    })
}

/// Cells that a symbol covers.
pub fn width(cell: &Cell) -> usize {
    unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1)
}

fn folded(lines: &[String]) -> String {
    let mut out = String::new();
    for same in lines.chunk_by(|a, b| a == b) {
        let _ = writeln!(out, "{}", same[0]);
        match same.len() {
            1 => {}
            2 => {
                let _ = writeln!(out, "{}", same[1]);
            }
            more => {
                let _ = writeln!(out, "(and {} lines like it)", more - 1);
            }
        }
    }
    out
}

fn letter(legend: &mut BTreeMap<String, char>, style: Style) -> char {
    let name = describe(style);
    if name.is_empty() {
        return ' ';
    }
    let next = LETTERS.get(legend.len()).map_or('?', |letter| char::from(*letter));
    *legend.entry(name).or_insert(next)
}

fn describe(style: Style) -> String {
    let mut parts = Vec::new();
    if let Some(fg) = style.fg.filter(|color| *color != Color::Reset) {
        parts.push(format!("fg {fg}"));
    }
    if let Some(bg) = style.bg.filter(|color| *color != Color::Reset) {
        parts.push(format!("bg {bg}"));
    }
    if !style.add_modifier.is_empty() {
        parts.push(format!("{:?}", style.add_modifier));
    }
    parts.join(" ")
}
