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
}

impl Depth {
    /// From the environment: `COLORTERM` (truecolor, 24bit) and `TERM`. Terminals with 24 bits whose `COLORTERM`
    /// ssh did not pass on are known by name.
    pub fn detect(colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        let direct = ["direct", "kitty", "alacritty", "ghostty", "wezterm", "foot"];
        if matches!(colorterm, Some("truecolor" | "24bit")) || direct.iter().any(|name| term.contains(name)) {
            Self::True
        } else if matches!(term, "linux" | "vt100" | "vt220" | "ansi" | "dumb" | "") {
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
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |v: u8| (0u8..6).min_by_key(|i| v.abs_diff(STEPS[usize::from(*i)])).unwrap_or(0);
    let (cr, cg, cb) = (step(r), step(g), step(b));
    let cube = [STEPS[usize::from(cr)], STEPS[usize::from(cg)], STEPS[usize::from(cb)]];
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = u8::try_from((mean.saturating_sub(3) / 10).min(23)).unwrap_or(23);
    let level = 8 + 10 * grey;
    if distance([r, g, b], [level; 3]) < distance([r, g, b], cube) { 232 + grey } else { 16 + 36 * cr + 6 * cg + cb }
}

/// The nearest of the 16 ANSI colours, by xterm's values.
fn to_16(r: u8, g: u8, b: u8) -> Color {
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
    ANSI.iter().min_by_key(|(_, rgb)| distance([r, g, b], *rgb)).map_or(Color::Reset, |(color, _)| *color)
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
    }

    #[test]
    fn colours_come_down_to_the_nearest() {
        assert_eq!(Depth::Indexed.reduce(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(Depth::Indexed.reduce(Color::Rgb(128, 128, 128)), Color::Indexed(244));
        assert_eq!(Depth::Ansi.reduce(Color::Rgb(250, 10, 10)), Color::LightRed);
        assert_eq!(Depth::Ansi.reduce(Color::Reset), Color::Reset);
    }
}
