//! Figures as people write them and as cells show them, and what a column's figures are of: which units make sense.

/// What the figures of a column are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// It holds no figures.
    #[default]
    Text,
    /// Things, or a number of no unit.
    Number,
    /// Per cent.
    Share,
    /// Bytes, or bytes a second.
    Bytes,
    /// Bytes that may have a limit, so that they are a share of it, too.
    Limited,
    /// Seconds.
    Time,
    /// Whatever the data have it be, but no per cent.
    Any,
}

/// A figure that is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asked {
    /// In the column's unit: per cent, bytes, seconds or a plain number.
    pub value: f64,
    /// It is per cent of the limit, not bytes.
    pub of_limit: bool,
}

/// A figure of another sort than the column's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// Below this a bare number is hardly meant as bytes.
const FEW: f64 = 1024.0;

impl Measure {
    /// Reads what is asked of such a column; `None`: it is no figure.
    ///
    /// # Errors
    /// When it is a figure of another sort.
    pub fn read(self, text: &str) -> Result<Option<Asked>, Unfit> {
        let Some(figure) = figure(text).filter(|_| self != Self::Text) else { return Ok(None) };
        let fits = match (self, figure.unit) {
            (Self::Share | Self::Limited, Some(Unit::Percent))
            | (Self::Bytes | Self::Limited, Some(Unit::Size))
            | (Self::Time, Some(Unit::Time))
            | (Self::Any, Some(Unit::Time | Unit::Size)) => true,
            // `B` alone counts bytes.
            (Self::Number, Some(Unit::Size)) => !text.ends_with(['B', 'b']),
            (Self::Bytes | Self::Limited, None) => figure.value == 0.0 || figure.value >= FEW,
            (_, None) => true,
            (_, Some(_)) => false,
        };
        if !fits {
            return Err(Unfit);
        }
        let of_limit = self == Self::Limited && figure.unit == Some(Unit::Percent);
        Ok(Some(Asked { value: figure.of(self), of_limit }))
    }

    /// What it is and how it is written, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number: write 3, 1.5 or 12k",
            Self::Share => "a share: write 80 or 80%",
            Self::Bytes => "a size: write 500K, 80M or 1.5G",
            Self::Limited => "a size: write 80M, 1.5G, or 80% of the limit",
            Self::Time => "a time: write 30s, 5m or 2h30m",
            Self::Any => "a figure: write 0.9, 12, 1.5G or 5m",
        }
    }
}

/// What a figure was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Percent,
    Time,
    /// `K`, `M`, `G`: of 1024 each for bytes, of 1000 for numbers.
    Size,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Figure {
    /// In base units.
    value: f64,
    /// The same with a kilo of 1000.
    decimal: f64,
    unit: Option<Unit>,
}

impl Figure {
    fn of(self, measure: Measure) -> f64 {
        if measure == Measure::Number { self.decimal } else { self.value }
    }
}

/// Reads a whole text as a figure: `80%` is 80, `1.5G` and `1.5GiB` bytes, `1h30m`, `250ms` and `1h05` seconds.
fn figure(text: &str) -> Option<Figure> {
    let (figure, rest) = leading(text)?;
    rest.is_empty().then_some(figure)
}

/// The figure at the beginning of a cell, behind a symbol: `▲1.5G/2G` is 1.5G. Most cells of figures are such.
pub fn cell_figure(cell: &str, measure: Measure) -> Option<f64> {
    let start = cell.find(|char: char| char.is_ascii_digit())?;
    // Only a symbol may stand before it, not a word: `exited 5` is no figure.
    let symbol = &cell[..start];
    if symbol.chars().any(char::is_alphanumeric) {
        return None;
    }
    let (figure, _) = leading(&cell[start..])?;
    let value = figure.of(measure);
    Some(if symbol.ends_with('-') || symbol.ends_with('−') { -value } else { value })
}

fn leading(text: &str) -> Option<(Figure, &str)> {
    let (first, rest) = number(text)?;
    let Some((scale, mut rest)) = scale(rest) else {
        return Some((Figure { value: first, decimal: first, unit: None }, rest));
    };
    let mut figure = Figure { value: first * scale.factor, decimal: first * scale.decimal, unit: Some(scale.unit) };
    // What follows a duration belongs to it: `1m30s`, and the minutes of `1h05`.
    let mut last = (scale.unit == Unit::Time && scale.factor > 1.0).then_some(scale.factor);
    while let Some(before) = last {
        let Some((more, after)) = number(rest) else { break };
        let smaller = self::scale(after).filter(|(smaller, _)| smaller.unit == Unit::Time);
        let (factor, after) = smaller.map_or((before / 60.0, after), |(smaller, after)| (smaller.factor, after));
        figure.value += more * factor;
        (last, rest) = (Some(factor).filter(|factor| *factor > 1.0), after);
    }
    figure.decimal = if scale.unit == Unit::Time { figure.value } else { figure.decimal };
    Some((figure, rest))
}

fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[derive(Clone, Copy)]
struct Scale {
    unit: Unit,
    factor: f64,
    decimal: f64,
}

/// A unit, as how many of the base unit it is. `m` is a minute, `M` a mebibyte.
fn scale(text: &str) -> Option<(Scale, &str)> {
    const TIMES: [(&str, f64); 6] =
        [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];
    /// By their power of a kilo.
    const SIZES: [(&str, i32); 8] = [("K", 1), ("k", 1), ("M", 2), ("G", 3), ("g", 3), ("T", 4), ("P", 5), ("B", 0)];
    if let Some(rest) = text.strip_prefix('%') {
        return Some((Scale { unit: Unit::Percent, factor: 1.0, decimal: 1.0 }, rest));
    }
    if let Some((sign, factor)) = TIMES.iter().find(|(sign, _)| text.starts_with(sign)) {
        return Some((Scale { unit: Unit::Time, factor: *factor, decimal: *factor }, &text[sign.len()..]));
    }
    let (sign, power) = SIZES.iter().find(|(sign, _)| text.starts_with(sign))?;
    let rest = &text[sign.len()..];
    let rest =
        if *power > 0 { rest.strip_prefix("iB").or_else(|| rest.strip_prefix('B')).unwrap_or(rest) } else { rest };
    Some((Scale { unit: Unit::Size, factor: 1024_f64.powi(*power), decimal: 1000_f64.powi(*power) }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_are_read_in_their_units() {
        for (text, expected) in [
            ("80", 80.0),
            ("80%", 80.0),
            ("1.5K", 1536.0),
            ("2GiB", 2_147_483_648.0),
            ("1MB", 1_048_576.0),
            ("250ms", 0.25),
            ("90s", 90.0),
            ("1h05", 3900.0),
            ("1h30m", 5400.0),
            ("1m30s", 90.0),
            ("9d", 777_600.0),
        ] {
            assert_eq!(figure(text).map(|figure| figure.value), Some(expected), "{text}");
        }
        for text in ["", "G", "1x", "80%%", "1.2.3", "1h05x", "x80", "NaN", "-"] {
            assert_eq!(figure(text), None, "{text}");
        }
        assert_eq!(figure("12.3k").map(|figure| figure.decimal), Some(12_300.0));
    }

    #[test]
    fn cells_are_read_from_their_beginning() {
        for (cell, expected) in [
            ("▲1.5G/2G", Some(1_610_612_736.0)),
            ("34% ▂▃▅", Some(34.0)),
            ("—", None),
            ("exited 5", None),
            ("−3.0s", Some(-3.0)),
        ] {
            assert_eq!(cell_figure(cell, Measure::Any), expected, "{cell}");
        }
        assert_eq!(cell_figure("1.2M", Measure::Number), Some(1.2e6));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,12}|[.0-9hmsKkGB%]{0,12}") {
            for measure in [Measure::Text, Measure::Number, Measure::Limited, Measure::Any] {
                let _ = (measure.read(&text), cell_figure(&text, measure));
            }
        }
    }
}
