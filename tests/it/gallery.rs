//! Every view in every theme at the three sizes that the layout is made for.
//!
//! A theme changes neither a character nor which role paints it, so each view's text and roles are snapshot once for each size
//! (`view_…`), and once for each theme what it makes of each role (`theme_…`): together they are every frame. What such a
//! description might leave out stands in `digests`: a number for each view, theme and size. On the larger sizes a line that stands
//! in the same place of an earlier view is named, not shown again.
//!
//! The roles are found by painting with a theme of its own, whose colours are the numbers of the roles.

use crate::dump;
use crate::scene::Scene;
use crate::views::{SIZES, VIEWS, View, open};
use quarterdeck::app::Looks;
use quarterdeck::panes::PANES;
use quarterdeck::theme::{BUILTIN, Depth, Glyphs, Role, Theme, load, load_named};
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Style};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::OnceLock;

/// Those that are also painted with fewer colours and fewer characters.
const PLAINLY: [&str; 6] = ["panes", "panes_failing", "page_alert", "plan_phrase", "help", "menu_columns"];

/// A theme whose colours are the numbers of the roles. It sets what the base theme sets, so that what lies over what is the same.
fn numbered() -> Theme {
    let base = load_named("dark", Depth::True).unwrap();
    let mut text = "[roles]\n".to_owned();
    for (number, (role, word)) in Role::ALL.iter().enumerate() {
        let style = base.style(*role);
        let part = |name: &str, mark: u8, set: bool| {
            if set { format!("{name} = \"#{number:02x}{mark:02x}00\", ") } else { String::new() }
        };
        let (fg, bg) = (part("fg", 1, style.fg.is_some()), part("bg", 2, style.bg.is_some()));
        let _ = writeln!(text, "{word} = {{ {} }}", format!("{fg}{bg}").trim_end_matches(", "));
    }
    load("numbered", &text, Depth::True).unwrap()
}

fn role(color: Color) -> &'static str {
    match color {
        Color::Rgb(number, ..) => Role::ALL[usize::from(number)].1,
        _ => "none",
    }
}

/// The role that paints a cell, and the one below it if that is another than the screen: `severity-ok/selected`. Of a blank cell
/// only what is below can be seen.
fn meaning(cell: &Cell) -> String {
    let (fg, bg) = (role(cell.fg), role(cell.bg));
    let below = if bg == "screen" || bg == "none" || bg == fg { String::new() } else { format!("/{bg}") };
    format!("{fg}{below}")
}

fn is_blank(cell: &Cell) -> bool {
    cell.symbol().trim().is_empty()
}

/// The roles of a row from left to right, each with its number of cells. Blanks belong to what stands before them on the same
/// ground.
fn roles(row: &[&Cell]) -> String {
    let mut runs: Vec<(String, Color, usize)> = Vec::new();
    for cell in row {
        let cells = dump::width(cell);
        match runs.last_mut() {
            Some((_, bg, count)) if is_blank(cell) && *bg == cell.bg => *count += cells,
            Some((word, bg, count)) if *bg == cell.bg && *word == meaning(cell) => *count += cells,
            _ if is_blank(cell) => runs.push((format!("/{}", role(cell.bg)), cell.bg, cells)),
            _ => runs.push((meaning(cell), cell.bg, cells)),
        }
    }
    let words = runs.into_iter().filter(|(word, ..)| word != "/screen" && word != "/none");
    words.map(|(word, _, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
}

/// Lines that were shown: where the line stands, text and roles, to the view that has it.
type Known = HashMap<(u16, usize, String, String), &'static str>;

/// A frame: its lines, then the roles of each; those alike, and those that are known, once.
fn picture(name: &'static str, buf: &Buffer, known: &mut Known) -> String {
    let mut lines = Vec::new();
    for (at, row) in dump::rows(buf).enumerate() {
        let text = row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned();
        let key = (buf.area.width, at, text.clone(), roles(&row));
        let first = *known.entry(key.clone()).or_insert(name);
        lines.push(if first == name || buf.area.width == SIZES[0].0 {
            (text, key.3)
        } else {
            (format!("(as in {first})"), String::new())
        });
    }
    let (mut texts, mut roles, mut at) = (String::new(), String::new(), 1);
    for same in lines.chunk_by(|a, b| a == b) {
        let last = at + same.len() - 1;
        let number = if same.len() == 1 { at.to_string() } else { format!("{at}-{last}") };
        let (text, words) = &same[0];
        let more = if same.len() > 1 { format!(" (lines {number})") } else { String::new() };
        let _ = writeln!(texts, "{text}{more}");
        if !words.is_empty() {
            let _ = writeln!(roles, "{number}: {words}");
        }
        at = last + 1;
    }
    format!("{texts}\n{roles}\n")
}

/// What a theme makes of a cell: its style in words.
fn look(style: Style) -> String {
    let colour = |color: Option<Color>| {
        color.filter(|color| *color != Color::Reset).map_or("-".to_owned(), |color| color.to_string())
    };
    let marks: Vec<String> = style.add_modifier.iter_names().map(|(name, _)| name.to_lowercase()).collect();
    format!("{} on {} {}", colour(style.fg), colour(style.bg), marks.join(" ")).trim_end().to_owned()
}

/// FNV-1a: the same number on every machine and with every compiler.
fn digest(buf: &Buffer) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for same in buf.content.chunk_by(|a, b| a.style() == b.style()) {
        for cell in same {
            eat(cell.symbol().as_bytes());
        }
        eat(look(same[0].style()).as_bytes());
    }
    hash
}

/// What a theme makes of each meaning, and all of it that cannot be read.
#[derive(Default)]
struct Painted {
    looks: BTreeMap<String, BTreeSet<String>>,
    faults: BTreeSet<String>,
}

impl Painted {
    fn take(&mut self, numbered: &Buffer, painted: &Buffer) {
        let mut last = None;
        for (number, cell) in numbered.content.iter().zip(&painted.content) {
            assert_eq!(number.symbol(), cell.symbol(), "a theme changes a character");
            let line = is_line(cell);
            let now = (number.fg, number.bg, cell.style(), line);
            if is_blank(cell) || last == Some(now) {
                continue;
            }
            last = Some(now);
            let word = meaning(number);
            if let Some(got) = contrast(cell.style()) {
                let wanted = if line { 3.0 } else { 4.5 };
                if got < wanted {
                    self.faults.insert(format!("{word}: {} has {got:.2}:1, wanted {wanted}:1", look(cell.style())));
                }
            }
            self.looks.entry(word).or_default().insert(look(cell.style()));
        }
    }
}

/// Frames, rules, bars and charts: what is no text.
fn is_line(cell: &Cell) -> bool {
    cell.symbol().chars().all(|c| matches!(c, '\u{2500}'..='\u{259f}' | '\u{2800}'..='\u{28ff}'))
}

/// The contrast ratio of WCAG 2.2 (W3C Recommendation of 5 October 2023, "contrast ratio" and "relative luminance"), from 1 to
/// 21; `None` for colours that are the terminal's own.
fn contrast(style: Style) -> Option<f64> {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = |color: Option<Color>| match color {
        Some(Color::Rgb(r, g, b)) => Some(0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)),
        _ => None,
    };
    let (a, b) = (luminance(style.fg)?, luminance(style.bg)?);
    Some((a.max(b) + 0.05) / (a.min(b) + 0.05))
}

/// All that was painted, once for all tests of this file.
struct Gallery {
    /// Each view's snapshot.
    shown: Vec<(&'static str, String)>,
    /// By theme, and by theme and number of colours.
    painted: BTreeMap<String, Painted>,
    /// For each view and size a number in each theme.
    digests: String,
    /// The panes and pages that had the focus.
    seen: BTreeSet<usize>,
    known: Known,
}

fn gallery() -> &'static Gallery {
    static GALLERY: OnceLock<Gallery> = OnceLock::new();
    GALLERY.get_or_init(|| {
        let mut gallery = Gallery {
            shown: Vec::new(),
            painted: BTreeMap::new(),
            digests: format!("{}\n", BUILTIN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")),
            seen: BTreeSet::new(),
            known: Known::new(),
        };
        let themes: Vec<Theme> = BUILTIN.iter().map(|(name, _)| load_named(name, Depth::True).unwrap()).collect();
        for view in VIEWS {
            gallery.take(view, &themes);
        }
        gallery
    })
}

impl Gallery {
    fn take(&mut self, view: &View, themes: &[Theme]) {
        let name = view.0;
        let mut scene = open(view);
        self.seen.insert(scene.state.focus);
        let mut shown = String::new();
        for size in SIZES {
            scene.resize(size);
            let numbers = in_theme(&mut scene, numbered());
            let _ = write!(shown, "{}×{}\n{}", size.0, size.1, picture(name, &numbers, &mut self.known));
            let _ = write!(self.digests, "{name} {}×{}", size.0, size.1);
            for theme in themes {
                let painted = in_theme(&mut scene, theme.clone());
                let _ = write!(self.digests, " {:08x}", digest(&painted) as u32);
                self.painted.entry(theme.name().to_owned()).or_default().take(&numbers, &painted);
            }
            self.digests.push('\n');
        }
        self.shown.push((name, shown));
    }
}

/// A frame of this scene in a theme.
fn in_theme(scene: &mut Scene, theme: Theme) -> Buffer {
    scene.state.themes = theme.into();
    scene.paint()
}

#[test]
fn every_view_at_every_size() {
    for (name, shown) in &gallery().shown {
        insta::assert_snapshot!(format!("view_{name}"), shown);
    }
}

#[test]
fn every_theme_of_every_view() {
    let gallery = gallery();
    for (theme, painted) in &gallery.painted {
        let mut out = String::new();
        for (meaning, looks) in &painted.looks {
            let looks: Vec<&str> = looks.iter().map(String::as_str).collect();
            let _ = writeln!(out, "{meaning}: {}", looks.join(" | "));
        }
        insta::assert_snapshot!(format!("theme_{theme}"), out);
    }
    insta::assert_snapshot!("digests", gallery.digests);
}

/// What is not among the views is not looked at.
#[test]
fn every_pane_and_every_role_is_among_them() {
    let gallery = gallery();
    let missing: Vec<&str> = PANES
        .iter()
        .enumerate()
        .filter(|(index, _)| !gallery.seen.contains(index))
        .map(|(_, kind)| kind.title)
        .collect();
    assert!(missing.is_empty(), "no view of {missing:?}");
    let looks = &gallery.painted["dark"].looks;
    let painted = |word: &str| looks.keys().any(|meaning| meaning.split('/').any(|part| part == word));
    // The screen itself is below everything, and paints no character.
    let unseen: Vec<&str> =
        Role::ALL.iter().map(|(_, word)| *word).filter(|word| *word != "screen" && !painted(word)).collect();
    assert!(unseen.is_empty(), "no view has {unseen:?}");
}

/// 4.5:1 for text and 3:1 for what is no text: success criteria 1.4.3 (AA) and 1.4.11 of WCAG 2.2. Mono has no colours.
#[test]
fn all_text_that_is_painted_can_be_read() {
    let mut faults = Vec::new();
    for (theme, painted) in &gallery().painted {
        faults.extend(painted.faults.iter().map(|fault| format!("{theme}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The measure is the standard's: its own examples.
#[test]
fn contrast_is_that_of_wcag() {
    let of = |fg, bg| contrast(Style::new().fg(fg).bg(bg)).unwrap();
    let (black, white) = (Color::Rgb(0, 0, 0), Color::Rgb(255, 255, 255));
    assert!((of(black, white) - 21.0).abs() < 1e-9);
    assert!((of(white, white) - 1.0).abs() < 1e-9);
    // The darkest grey that fails on white, and the next one: 4.48 and 4.54.
    assert!(of(Color::Rgb(0x77, 0x77, 0x77), white) < 4.5 && of(Color::Rgb(0x76, 0x76, 0x76), white) > 4.5);
}

/// With 256 and with 16 colours, and in ASCII: a few views at the usual size.
#[test]
fn with_fewer_colours_and_fewer_characters() {
    let views = || VIEWS.iter().filter(|(name, ..)| PLAINLY.contains(name));
    for (depth, word) in [(Depth::Indexed, "256"), (Depth::Ansi, "16")] {
        let mut out = String::new();
        for (theme, _) in BUILTIN {
            let mut looks = Painted::default();
            let mut numbers = String::new();
            for view in views() {
                let mut scene = open(view);
                let numbered = in_theme(&mut scene, numbered());
                let painted = in_theme(&mut scene, load_named(theme, depth).unwrap());
                looks.take(&numbered, &painted);
                let _ = write!(numbers, " {:08x}", digest(&painted) as u32);
            }
            let _ = writeln!(out, "{theme}{numbers}");
            for (meaning, looks) in &looks.looks {
                let looks: Vec<&str> = looks.iter().map(String::as_str).collect();
                let _ = writeln!(out, "  {meaning}: {}", looks.join(" | "));
            }
        }
        insta::assert_snapshot!(format!("colours_{word}"), out);
    }
    let mut out = String::new();
    for view in views() {
        let mut scene = open(view);
        scene.state.looks = Looks { glyphs: Glyphs::Ascii, ..Looks::default() };
        let _ = write!(out, "{}\n{}\n", view.0, dump::text(&scene.paint()));
    }
    insta::assert_snapshot!("ascii", out);
}
