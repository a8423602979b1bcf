//! The typed terms of a filter: `cpu>80`, `mem>=1.5G`, `age>30m`, `state:unhealthy|dead`, `!app:api`. A term names a field of the table and says
//! what must hold for it. Pure; a row is asked by the table, which knows its figures.

use super::grid::Column;
use crate::domain::nearest;
use std::borrow::Cow;

/// What a term compares by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// A word of it begins so.
    Has,
    /// It is that.
    Is,
    /// It is not that.
    IsNot,
    /// It is more.
    More,
    /// It is that or more.
    AtLeast,
    /// It is less.
    Less,
    /// It is that or less.
    AtMost,
}

/// Longer signs before those that they begin with.
const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("!=", Operator::IsNot),
    (">", Operator::More),
    ("<", Operator::Less),
    ("=", Operator::Is),
    (":", Operator::Has),
];

/// A table's fields: name and column, those that its headings give before their synonyms.
pub type Fields = [(Cow<'static, str>, usize)];

/// One typed term.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The column it is about.
    pub column: usize,
    /// `!` before it turns it around.
    wanted: bool,
    operator: Operator,
    /// In lower case; any of them will do.
    texts: Vec<String>,
    /// The figure that was written, if it is one: per cent, bytes, seconds or a plain number.
    figure: Option<f64>,
}

/// What a row tells of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Told {
    /// What stands in its cell is all there is.
    #[default]
    Written,
    /// The figure behind the cell: per cent, bytes, seconds or a plain number; `None`: nobody knows it.
    Figure(Option<f64>),
}

impl Comparison {
    /// Whether it needs a figure; else the cell's text is looked at.
    pub fn is_about_figure(&self) -> bool {
        match self.operator {
            Operator::More | Operator::AtLeast | Operator::Less | Operator::AtMost => true,
            Operator::Is | Operator::IsNot => self.figure.is_some(),
            Operator::Has => false,
        }
    }

    /// It wants a text: what it may be, in lower case.
    pub fn wanted_texts(&self) -> Option<&[String]> {
        let wants = self.wanted && matches!(self.operator, Operator::Has | Operator::Is) && !self.is_about_figure();
        wants.then_some(&self.texts)
    }

    /// Whether it holds for a figure. What nobody knows is neither more nor less.
    pub fn holds_for_figure(&self, figure: Option<f64>) -> bool {
        let holds = figure.zip(self.figure).is_some_and(|(there, asked)| match self.operator {
            Operator::More => there > asked,
            Operator::AtLeast => there >= asked,
            Operator::Less => there < asked,
            Operator::AtMost => there <= asked,
            Operator::Is | Operator::Has => near(there, asked),
            Operator::IsNot => !near(there, asked),
        });
        holds == self.wanted
    }

    /// Whether it holds for what is written in a cell. The buffer is used again: its text is not to be relied on after.
    pub fn holds_for_cell(&self, cell: &mut str) -> bool {
        if self.is_about_figure() {
            return self.holds_for_figure(cell_figure(cell));
        }
        if cell.is_ascii() {
            cell.make_ascii_lowercase();
            return self.holds_for_text(cell);
        }
        self.holds_for_text(&cell.to_lowercase())
    }

    /// Whether it holds for a text, which is given in lower case.
    fn holds_for_text(&self, lowercase: &str) -> bool {
        let text = lowercase.trim();
        let holds = match self.operator {
            Operator::Is => self.texts.iter().any(|asked| text == asked),
            Operator::IsNot => self.texts.iter().all(|asked| text != asked),
            Operator::Has | Operator::More | Operator::AtLeast | Operator::Less | Operator::AtMost => {
                self.texts.iter().any(|asked| begins_word(text, asked))
            }
        };
        holds == self.wanted
    }
}

/// What is written in a cell is rounded; a figure is equal to what rounds to it.
fn near(there: f64, asked: f64) -> bool {
    (there - asked).abs() <= asked.abs() * 0.005
}

/// The text begins so, or a word in it does: `api` in `game-1/api-3`, but not `healthy` in `unhealthy`.
fn begins_word(text: &str, asked: &str) -> bool {
    let starts = |at: usize| text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
    text.match_indices(asked).any(|(at, _)| starts(at))
}

/// The fields of a table: its columns' headings in lower case, with `-` for what is no letter, and other names for columns.
pub fn fields(columns: &[Column], synonyms: &[(&'static str, usize)]) -> Vec<(Cow<'static, str>, usize)> {
    let name = |title: &str| {
        let plain = title.split(|char: char| !char.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
        plain.collect::<Vec<_>>().join("-").to_ascii_lowercase()
    };
    let headings = columns.iter().enumerate().map(|(column, given)| (Cow::<str>::Owned(name(given.title)), column));
    let others = synonyms.iter().map(|(name, column)| (Cow::Borrowed(*name), *column));
    headings.filter(|(name, _)| !name.is_empty()).chain(others).collect()
}

/// Completes the name of a field at the end of what was typed, as far as all that begin so agree. `None`: none begins so, or nothing is
/// to be added.
pub fn complete(typed: &str, fields: &Fields) -> Option<String> {
    let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let begun = typed[start..].trim_start_matches('!').to_ascii_lowercase();
    let mut candidates = fields.iter().map(|(name, _)| name.as_ref()).filter(|name| name.starts_with(&begun));
    let first = candidates.next()?;
    let common = candidates.fold(first.len(), |common, name| {
        name.bytes().zip(first.bytes()).take(common).take_while(|(a, b)| a == b).count()
    });
    (common > begun.len()).then(|| format!("{}{}", typed, &first[begun.len()..common]))
}

/// The signs that blanks may stand around, those of matchers too; longer ones before those that they begin with.
const SIGNS: [&str; 9] = ["=~", "!~", ">=", "<=", "!=", ">", "<", "=", ":"];

/// A text that begins with a comparison with blanks around its sign (`cpu > 5`), without these blanks, and how many bytes that are.
/// Before the sign a field stands, or with `labels` and a sign of matchers any name: elsewhere `>` is a word like others.
pub fn tight(text: &str, labels: bool, fields: &Fields) -> Option<(String, usize)> {
    let bare = text.trim_start_matches('!');
    let end = bare.find(|char: char| !(char.is_ascii_alphanumeric() || char == '-' || char == '_'))?;
    let (name, rest) = bare.split_at(end);
    let sign = *SIGNS.iter().find(|sign| rest.trim_start().starts_with(**sign))?;
    let is_field = fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
    let is_label = labels && !name.is_empty() && sign.starts_with(['=', '!']);
    if !is_field && !is_label {
        return None;
    }
    let value = &rest.trim_start()[sign.len()..];
    // What is another term is no value of this one, which is only half typed.
    let next = value.split_whitespace().next().filter(|next| !next.starts_with('!') && read(next, fields).is_none());
    let value = if next.is_some() { value.trim_start() } else { value };
    let tight = format!("{}{name}{sign}{value}", &text[..text.len() - bare.len()]);
    let left_out = text.len() - tight.len();
    (left_out > 0).then_some((tight, left_out))
}

/// Reads one term without blanks. `None`: it is none of these, but a word. What looks like one and names no field is a word too if
/// nothing near it is a field: `game-1:9100`.
///
/// # Errors
/// When it is half typed, or wrong; in words.
pub fn read(term: &str, fields: &Fields) -> Option<Result<Comparison, String>> {
    let (wanted, rest) = term.strip_prefix('!').map_or((true, term), |rest| (false, rest));
    let end = rest.find(|char: char| !(char.is_ascii_alphanumeric() || char == '-' || char == '_'))?;
    let (name, rest) = rest.split_at(end);
    let (sign, operator) = *OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
    if !name.starts_with(|char: char| char.is_ascii_alphabetic()) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let Some((_, column)) = fields.iter().find(|(field, _)| *field == name) else {
        return unknown(&name, operator, fields).map(Err);
    };
    Some(comparison(*column, wanted, (operator, sign), &rest[sign.len()..], &name))
}

fn unknown(name: &str, operator: Operator, fields: &Fields) -> Option<String> {
    let near = nearest(name, fields.iter().map(|(field, _)| field.as_ref()));
    match (near, operator) {
        (Some(near), _) => Some(format!("there is no field {name}; did you mean {near}?")),
        // An address, a tag: people filter by these.
        (None, Operator::Has | Operator::Is | Operator::IsNot) => None,
        (None, _) => {
            let all: Vec<&str> = fields.iter().map(|(field, _)| field.as_ref()).collect();
            Some(format!("there is no field {name}; there are {}", all.join(" ")))
        }
    }
}

fn comparison(
    column: usize,
    wanted: bool,
    (operator, sign): (Operator, &str),
    value: &str,
    name: &str,
) -> Result<Comparison, String> {
    let texts: Vec<String> = value.split('|').filter(|text| !text.is_empty()).map(str::to_lowercase).collect();
    if texts.is_empty() {
        return Err(format!("{name}{sign} has no value yet"));
    }
    let figure = figure(value);
    let is_order = !matches!(operator, Operator::Has | Operator::Is | Operator::IsNot);
    if is_order && figure.is_none() {
        return Err(format!("{value} is no figure: write 80, 80%, 1.5G or 30m"));
    }
    Ok(Comparison { column, wanted, operator, texts, figure })
}

/// Reads a whole text as a figure in base units: `80%` is 80, `1.5G` and `1.5GiB` bytes, `1h30m`, `250ms` and `1h05` seconds.
pub fn figure(text: &str) -> Option<f64> {
    let (figure, rest) = leading(text)?;
    rest.is_empty().then_some(figure)
}

/// The figure at the beginning of a cell, behind a symbol: `▲1.5G/2G` is 1.5G. Most cells of figures are such.
pub fn cell_figure(cell: &str) -> Option<f64> {
    let start = cell.find(|char: char| char.is_ascii_digit())?;
    // Only a symbol may stand before it, not a word: `exited 5` is no figure.
    let symbol = &cell[..start];
    if symbol.chars().any(char::is_alphanumeric) {
        return None;
    }
    let (figure, _) = leading(&cell[start..])?;
    Some(if symbol.ends_with('-') || symbol.ends_with('−') { -figure } else { figure })
}

fn leading(text: &str) -> Option<(f64, &str)> {
    let (first, rest) = number(text)?;
    let (unit, rest) = unit(rest);
    let mut sum = first * unit.unwrap_or(1.0);
    let mut rest = rest;
    // What follows a duration belongs to it: `1m30s`, and the minutes of `1h05`.
    let mut last = unit.filter(|_| is_time(text));
    while let Some(before) = last {
        let Some((more, after)) = number(rest) else { break };
        let (smaller, after) = self::unit(after);
        let smaller = smaller.unwrap_or(before / 60.0);
        sum += more * smaller;
        (last, rest) = (Some(smaller).filter(|smaller| *smaller > 1.0), after);
    }
    Some((sum, rest))
}

fn is_time(text: &str) -> bool {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
    unit.starts_with(['d', 'h', 'm', 'w'])
}

fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// A unit, as how many of the base unit it is. `m` is a minute, `M` a mebibyte.
fn unit(text: &str) -> (Option<f64>, &str) {
    const KIB: f64 = 1024.0;
    const UNITS: [(&str, f64); 15] = [
        ("%", 1.0),
        ("ms", 0.001),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
        ("w", 604_800.0),
        ("K", KIB),
        ("k", KIB),
        ("M", KIB * KIB),
        ("G", KIB * KIB * KIB),
        ("g", KIB * KIB * KIB),
        ("T", KIB * KIB * KIB * KIB),
        ("P", KIB * KIB * KIB * KIB * KIB),
        ("B", 1.0),
    ];
    let Some((sign, factor)) = UNITS.iter().find(|(sign, _)| text.starts_with(sign)) else { return (None, text) };
    let rest = &text[sign.len()..];
    let rest = if *factor >= KIB && !is_long_time(sign) {
        rest.strip_prefix("iB").or_else(|| rest.strip_prefix('B')).unwrap_or(rest)
    } else {
        rest
    };
    (Some(*factor), rest)
}

fn is_long_time(sign: &str) -> bool {
    matches!(sign, "h" | "d" | "w")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELDS: &Fields = &[
        (Cow::Borrowed("name"), 0),
        (Cow::Borrowed("state"), 1),
        (Cow::Borrowed("cpu"), 2),
        (Cow::Borrowed("restarts"), 3),
        (Cow::Borrowed("net-in"), 4),
    ];

    fn good(term: &str) -> Comparison {
        read(term, FIELDS).expect(term).expect(term)
    }

    fn wrong(term: &str) -> String {
        read(term, FIELDS).expect(term).expect_err(term)
    }

    #[test]
    fn figures_are_compared_in_their_units() {
        for (text, figure) in [
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
            assert_eq!(super::figure(text), Some(figure), "{text}");
        }
        for text in ["", "G", "1x", "80%%", "1.2.3", "1h05x", "x80", "NaN", "-"] {
            assert_eq!(super::figure(text), None, "{text}");
        }
        let cells = [
            ("▲1.5G/2G", Some(1_610_612_736.0)),
            ("34% ▂▃▅", Some(34.0)),
            ("—", None),
            ("exited 5", None),
            ("−3.0s", Some(-3.0)),
        ];
        for (cell, figure) in cells {
            assert_eq!(cell_figure(cell), figure, "{cell}");
        }
    }

    #[test]
    fn orders_hold_for_figures_and_not_for_what_nobody_knows() {
        for (term, figure, holds) in [
            ("cpu>80", 80.1, true),
            ("cpu>80%", 80.0, false),
            ("cpu>=80", 80.0, true),
            ("cpu<80", 79.0, true),
            ("cpu<=80", 80.1, false),
            ("restarts=3", 3.0, true),
            ("restarts!=3", 3.0, false),
            ("!cpu>80", 90.0, false),
        ] {
            assert_eq!(good(term).holds_for_figure(Some(figure)), holds, "{term} {figure}");
        }
        assert!(!good("cpu>80").holds_for_figure(None) && !good("cpu<80").holds_for_figure(None));
        assert!(good("!cpu>80").holds_for_figure(None));
    }

    #[test]
    fn texts_are_compared_by_the_beginnings_of_words() {
        for (term, text, holds) in [
            ("state:healthy", "unhealthy", false),
            ("state:unhealthy", "unhealthy", true),
            ("STATE:Unhealthy|dead", "dead", true),
            ("name:api", "game-1/api-3", true),
            ("name:pi", "game-1/api-3", false),
            ("!state:running", "running", false),
            ("state=exited", "exited 5", false),
            ("state:exited", "exited 5", true),
            ("state!=exited", "exited 5", true),
        ] {
            assert_eq!(good(term).holds_for_text(text), holds, "{term} {text}");
        }
        assert_eq!((good("net-in>1M").column, good("net-in>1M").is_about_figure()), (4, true));
    }

    #[test]
    fn headings_are_fields_and_are_completed() {
        let columns = [Column::text("NAME", 1, 0, 0), Column::figure("/CORE", 1, 0), Column::figure("", 1, 0)];
        let fields = fields(&columns, &[("nick-name", 0), ("nickel", 1)]);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["name", "core", "nick-name", "nickel"]);
        assert_eq!(complete("api !na", &fields).as_deref(), Some("api !name"));
        assert_eq!(complete("ni", &fields).as_deref(), Some("nick"));
        assert_eq!(complete("nick", &fields), None);
        assert_eq!(complete("x", &fields), None);
    }

    #[test]
    fn blanks_around_a_comparison_are_left_out() {
        for (text, labels, expected) in [
            ("cpu > 5 api", false, Some("cpu>5 api")),
            ("cpu >5", false, Some("cpu>5")),
            ("CPU> 5", false, Some("CPU>5")),
            ("!state :  running", false, Some("!state:running")),
            ("cpu > name:x", false, Some("cpu> name:x")),
            ("cpu > ", false, Some("cpu> ")),
            ("cpu> !db", false, None),
            ("cpu>5", false, None),
            ("api > 5", false, None),
            ("cpu api", false, None),
            ("team = web", false, None),
            ("team = \"a b\"", true, Some("team=\"a b\"")),
            ("team =~ a|b", true, Some("team=~a|b")),
            ("team > 5", true, None),
            ("!", true, None),
            ("= x", true, None),
        ] {
            let tight = tight(text, labels, FIELDS);
            assert_eq!(tight.as_ref().map(|(tight, _)| tight.as_str()), expected, "{text}");
            assert!(tight.is_none_or(|(tight, left_out)| tight.len() + left_out == text.len()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_addresses_are_words() {
        assert_eq!(wrong("cpu>"), "cpu> has no value yet");
        assert_eq!(wrong("state:|"), "state: has no value yet");
        assert_eq!(wrong("cpu>8x"), "8x is no figure: write 80, 80%, 1.5G or 30m");
        assert_eq!(wrong("stat:ok"), "there is no field stat; did you mean state?");
        assert!(wrong("memory>1").starts_with("there is no field memory; there are name state"));
        for word in ["api", "game-17:9100", "http://x", ":8080", "10.0.1.4:9100", "!db", "!", "", "<-", "a>b"] {
            let is_word = read(word, FIELDS).is_none();
            assert_eq!(is_word, word != "a>b", "{word}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(term in "\\PC{0,20}|[a-z!:<>=|.0-9hmsKG%é]{0,12}", cell in "\\PC{0,12}") {
            if let Some(Ok(comparison)) = read(&term, FIELDS) {
                let _ = (comparison.holds_for_text(&cell), comparison.holds_for_figure(cell_figure(&cell)));
            }
            let _ = (cell_figure(&cell), figure(&term));
        }
    }
}
