//! Colours: parsed from theme files, and brought down to what the terminal can show.

use ratatui::style::Color;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 256 of xterm.
    Indexed,
    /// The 16 of ANSI.
    Ansi,
    /// None: only a theme without colour is of use.
    Mono,
}

/// What somebody wants, as in `--color` and `colors` of the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// What the terminal seems to show.
    #[default]
    Auto,
    /// Colours, whatever the environment says; how many is still found out.
    Always,
    /// None.
    Never,
    /// So many.
    Depth(Depth),
}

impl Choice {
    /// Each with its word.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("auto", Self::Auto),
        ("always", Self::Always),
        ("never", Self::Never),
        ("16", Self::Depth(Depth::Ansi)),
        ("256", Self::Depth(Depth::Indexed)),
        ("true", Self::Depth(Depth::True)),
    ];

    /// The depth, given what the terminal seems to show.
    pub const fn depth(self, detected: Depth) -> Depth {
        match (self, detected) {
            (Self::Depth(depth), _) => depth,
            (Self::Never, _) => Depth::Mono,
            (Self::Always, Depth::Mono) => Depth::Ansi,
            (Self::Always | Self::Auto, detected) => detected,
        }
    }
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let known = Self::WORDS.map(|(known, _)| known).join(", ");
            format!("{word:?} is no number of colours; there are: {known}")
        })
    }
}

impl Depth {
    /// From the environment: `COLORTERM` (truecolor, 24bit) and `TERM`. Terminals with 24 bits whose `COLORTERM`
    /// ssh did not pass on are known by name.
    pub fn detect(colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        let direct = ["direct", "kitty", "alacritty", "ghostty", "wezterm", "foot"];
        let mono = ["vt100", "vt102", "vt220", "vt320", "dumb", ""];
        if matches!(colorterm, Some("truecolor" | "24bit")) || direct.iter().any(|name| term.contains(name)) {
            Self::True
        } else if mono.contains(&term) || term.ends_with("-m") || term.ends_with("-mono") {
            Self::Mono
        } else if matches!(term, "linux" | "ansi" | "cygwin") || term.ends_with("-16color") || term.ends_with("-8color")
        {
            Self::Ansi
        } else {
            Self::Indexed
        }
    }

    /// The nearest colour that the terminal shows.
    pub fn reduce(self, color: Color) -> Color {
        match (self, color) {
            (Self::Indexed, Color::Rgb(r, g, b)) => Color::Indexed(to_256(r, g, b)),
            (Self::Ansi, Color::Rgb(r, g, b)) => to_16(r, g, b),
            (Self::Mono, _) => Color::Reset,
            (_, color) => color,
        }
    }
}

/// From a theme file: `#rrggbb`, one of ratatui's names, or 0–255.
pub fn parse(word: &str) -> Option<Color> {
    word.parse().ok()
}

/// xterm's 6×6×6 cube or its grey ramp, whichever is nearer.
fn to_256(r: u8, g: u8, b: u8) -> u8 {
    let step = |v: u8| (0u8..6).min_by_key(|i| v.abs_diff(STEPS[usize::from(*i)])).unwrap_or(0);
    let (cr, cg, cb) = (step(r), step(g), step(b));
    let cube = [STEPS[usize::from(cr)], STEPS[usize::from(cg)], STEPS[usize::from(cb)]];
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = u8::try_from((mean.saturating_sub(3) / 10).min(23)).unwrap_or(23);
    let level = 8 + 10 * grey;
    if distance([r, g, b], [level; 3]) < distance([r, g, b], cube) { 232 + grey } else { 16 + 36 * cr + 6 * cg + cb }
}

/// The 16 of ANSI, by xterm's values.
const ANSI: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];
/// The steps of xterm's colour cube.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of the 16.
fn to_16(r: u8, g: u8, b: u8) -> Color {
    ANSI.iter().min_by_key(|(_, rgb)| distance([r, g, b], *rgb)).map_or(Color::Reset, |(color, _)| *color)
}

/// What a colour is on a terminal with xterm's palette; `None` for the terminal's own.
#[cfg(test)]
pub(super) fn rgb(color: Color) -> Option<[u8; 3]> {
    let cube = |index: u8| STEPS[usize::from(index % 6)];
    match color {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(index @ 0..16) => Some(ANSI[usize::from(index)].1),
        Color::Indexed(index @ 16..232) => Some([cube((index - 16) / 36), cube((index - 16) / 6), cube(index - 16)]),
        Color::Indexed(index) => Some([8 + 10 * (index - 232); 3]),
        named => ANSI.iter().find(|(known, _)| *known == named).map(|(_, rgb)| *rgb),
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter().zip(b).map(|(x, y)| u32::from(x.abs_diff(y)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_from_the_environment() {
        assert_eq!(Depth::detect(Some("truecolor"), Some("xterm")), Depth::True);
        assert_eq!(Depth::detect(None, Some("xterm-kitty")), Depth::True);
        assert_eq!(Depth::detect(None, Some("xterm-256color")), Depth::Indexed);
        assert_eq!(Depth::detect(None, Some("linux")), Depth::Ansi);
        assert_eq!(Depth::detect(None, Some("rxvt-16color")), Depth::Ansi);
        assert_eq!(Depth::detect(None, Some("dumb")), Depth::Mono);
        assert_eq!(Depth::detect(None, None), Depth::Mono);
    }

    #[test]
    fn somebody_may_choose_the_depth() {
        let chosen = |word: &str, detected| word.parse::<Choice>().map(|choice| choice.depth(detected));
        assert_eq!(chosen("auto", Depth::Indexed), Ok(Depth::Indexed));
        assert_eq!(chosen("never", Depth::True), Ok(Depth::Mono));
        assert_eq!(chosen("always", Depth::Mono), Ok(Depth::Ansi));
        assert_eq!(chosen("true", Depth::Ansi), Ok(Depth::True));
        assert!(chosen("17", Depth::True).unwrap_err().contains("auto, always, never, 16, 256, true"));
    }

    #[test]
    fn colours_come_down_to_the_nearest() {
        assert_eq!(Depth::Indexed.reduce(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(Depth::Indexed.reduce(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(Depth::Ansi.reduce(Color::Rgb(250, 10, 10)), Color::LightRed);
        assert_eq!(Depth::Ansi.reduce(Color::Reset), Color::Reset);
    }
}
