//! The typed terms of a filter: `cpu>80`, `mem>=1.5G`, `age>30m`, `state:unhealthy|dead`, `!app:api`. A term names a field of the table and says
//! what must hold for it. Pure; a row is asked by the table, which knows its figures.

use super::grid::Column;
use super::measure::{self, Asked, Measure, Unfit};
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

/// What a filter may compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// How it is written.
    pub name: Cow<'static, str>,
    /// The column it is about.
    pub column: usize,
    /// What its figures are of.
    pub measure: Measure,
}

/// A table's fields: those that its headings give before their synonyms.
pub type Fields = [Field];

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
    /// The figure that was written, if it is one and the column has any: per cent, bytes, seconds or a plain number.
    figure: Option<Asked>,
    measure: Measure,
}

/// What a row tells of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Told {
    /// What stands in its cell is all there is.
    #[default]
    Written,
    /// The figure behind the cell: per cent, bytes, seconds or a plain number; `None`: nobody knows it.
    Figure(Option<f64>),
    /// Bytes, and how many per cent of their limit these are.
    Amount(Option<f64>, Option<f64>),
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

    /// The text must be all of it, not the beginning of a word in it.
    pub fn is_exact(&self) -> bool {
        self.operator == Operator::Is
    }

    /// Whether a text, which is given in lower case, begins with what it wants, or a word in it does.
    pub fn begins_in(&self, lowercase: &str) -> bool {
        self.texts.iter().any(|asked| begins_word(lowercase, asked))
    }

    /// Whether it holds for a figure. What nobody knows is neither more nor less.
    pub fn holds_for_figure(&self, figure: Option<f64>) -> bool {
        let asked = self.figure.map(|asked| asked.value);
        let holds = figure.zip(asked).is_some_and(|(there, asked)| match self.operator {
            Operator::More => there > asked,
            Operator::AtLeast => there >= asked,
            Operator::Less => there < asked,
            Operator::AtMost => there <= asked,
            Operator::Is | Operator::Has => near(there, asked),
            Operator::IsNot => !near(there, asked),
        });
        holds == self.wanted
    }

    /// Whether it holds for what a row tells; `None`: that is what stands in its cell.
    pub fn holds_for_told(&self, told: Told) -> Option<bool> {
        let of_limit = self.figure.is_some_and(|asked| asked.of_limit);
        match told {
            Told::Written => None,
            Told::Figure(figure) => Some(self.holds_for_figure(figure)),
            Told::Amount(bytes, share) => Some(self.holds_for_figure(if of_limit { share } else { bytes })),
        }
    }

    /// Whether it holds for what is written in a cell. The buffer is used again: its text is not to be relied on after.
    pub fn holds_for_cell(&self, cell: &mut str) -> bool {
        if self.is_about_figure() {
            return self.holds_for_figure(measure::cell_figure(cell, self.measure));
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
pub fn fields(columns: &[Column], synonyms: &[(&'static str, usize)]) -> Vec<Field> {
    let name = |title: &str| {
        let plain = title.split(|char: char| !char.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
        plain.collect::<Vec<_>>().join("-").to_ascii_lowercase()
    };
    let field = |name: Cow<'static, str>, column: usize| Field { name, column, measure: columns[column].measure };
    let headings = columns.iter().enumerate().map(|(column, given)| field(Cow::Owned(name(given.title)), column));
    let others = synonyms.iter().map(|(name, column)| field(Cow::Borrowed(name), *column));
    headings.filter(|field| !field.name.is_empty()).chain(others).collect()
}

/// Completes the name of a field at the end of what was typed, as far as all that begin so agree. `None`: none begins so, or nothing is
/// to be added.
pub fn complete(typed: &str, fields: &Fields) -> Option<String> {
    let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let begun = typed[start..].trim_start_matches('!').to_ascii_lowercase();
    let mut candidates = fields.iter().map(|field| field.name.as_ref()).filter(|name| name.starts_with(&begun));
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
    let is_field = fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
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
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        return unknown(&name, operator, fields).map(Err);
    };
    Some(comparison(field, wanted, (operator, sign), &rest[sign.len()..]))
}

fn unknown(name: &str, operator: Operator, fields: &Fields) -> Option<String> {
    let near = nearest(name, fields.iter().map(|field| field.name.as_ref()));
    match (near, operator) {
        (Some(near), _) => Some(format!("there is no field {name}; did you mean {near}?")),
        // An address, a tag: people filter by these.
        (None, Operator::Has | Operator::Is | Operator::IsNot) => None,
        (None, _) => {
            let all: Vec<&str> = fields.iter().map(|field| field.name.as_ref()).collect();
            Some(format!("there is no field {name}; there are {}", all.join(" ")))
        }
    }
}

fn comparison(
    field: &Field,
    wanted: bool,
    (operator, sign): (Operator, &str),
    value: &str,
) -> Result<Comparison, String> {
    let (name, measure) = (&field.name, field.measure);
    let texts: Vec<String> = value.split('|').filter(|text| !text.is_empty()).map(str::to_lowercase).collect();
    if texts.is_empty() {
        return Err(format!("{name}{sign} has no value yet"));
    }
    let is_order = !matches!(operator, Operator::Has | Operator::Is | Operator::IsNot);
    if is_order && measure == Measure::Text {
        return Err(format!("{name} holds no figures: write {name}:{value} or {name}={value}"));
    }
    let figure = match measure.read(value) {
        // What begins so is a text whatever it looks like.
        _ if operator == Operator::Has => None,
        Ok(None) if is_order => return Err(format!("{value} is no figure: {name} is {}", measure.words())),
        Ok(figure) => figure,
        Err(Unfit) => return Err(format!("{value} does not fit: {name} is {}", measure.words())),
    };
    Ok(Comparison { column: field.column, wanted, operator, texts, figure, measure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn field(name: &'static str, column: usize, measure: Measure) -> Field {
        Field { name: Cow::Borrowed(name), column, measure }
    }

    const FIELDS: &Fields = &[
        field("name", 0, Measure::Text),
        field("state", 1, Measure::Text),
        field("cpu", 2, Measure::Share),
        field("restarts", 3, Measure::Number),
        field("net-in", 4, Measure::Bytes),
        field("up", 5, Measure::Time),
        field("mem", 6, Measure::Limited),
    ];

    fn good(term: &str) -> Comparison {
        read(term, FIELDS).expect(term).expect(term)
    }

    fn wrong(term: &str) -> String {
        read(term, FIELDS).expect(term).expect_err(term)
    }

    #[test]
    fn a_unit_that_makes_no_sense_is_refused_with_one_that_does() {
        for (term, hint) in [
            ("up>80%", "80% does not fit: up is a time: write 30s, 5m or 2h30m"),
            ("up=1G", "1G does not fit: up is a time: write 30s, 5m or 2h30m"),
            ("cpu>1G", "1G does not fit: cpu is a share: write 80 or 80%"),
            ("cpu<5m", "5m does not fit: cpu is a share: write 80 or 80%"),
            ("net-in>80%", "80% does not fit: net-in is a size: write 500K, 80M or 1.5G"),
            ("net-in>80", "80 does not fit: net-in is a size: write 500K, 80M or 1.5G"),
            ("mem>80", "80 does not fit: mem is a size: write 80M, 1.5G, or 80% of the limit"),
            ("mem>5m", "5m does not fit: mem is a size: write 80M, 1.5G, or 80% of the limit"),
            ("restarts>3s", "3s does not fit: restarts is a number: write 3, 1.5 or 12k"),
            ("name>5", "name holds no figures: write name:5 or name=5"),
        ] {
            assert_eq!(wrong(term), hint);
        }
        for term in ["net-in>0", "net-in>80B", "net-in>4096", "up>80", "up>1h05", "restarts>1.5k", "name=5", "cpu:1G"] {
            good(term);
        }
    }

    #[test]
    fn a_share_of_the_limit_is_asked_of_the_share() {
        let told = |share| Told::Amount(Some(900.0), share);
        assert_eq!(good("mem>80%").holds_for_told(told(Some(90.0))), Some(true));
        assert_eq!(good("mem>80%").holds_for_told(told(Some(10.0))), Some(false));
        assert_eq!(good("mem>80%").holds_for_told(told(None)), Some(false), "there is no limit");
        assert_eq!(good("mem>800B").holds_for_told(told(None)), Some(true));
        assert_eq!(good("mem>1K").holds_for_told(told(Some(90.0))), Some(false));
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
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_ref()).collect();
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
        assert_eq!(wrong("cpu>8x"), "8x is no figure: cpu is a share: write 80 or 80%");
        assert_eq!(wrong("stat:ok"), "there is no field stat; did you mean state?");
        assert!(wrong("kernel>1").starts_with("there is no field kernel; there are name state"));
        for word in ["api", "game-17:9100", "http://x", ":8080", "10.0.1.4:9100", "!db", "!", "", "<-", "a>b"] {
            let is_word = read(word, FIELDS).is_none();
            assert_eq!(is_word, word != "a>b", "{word}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(term in "\\PC{0,20}|[a-z!:<>=|.0-9hmsKG%é]{0,12}", cell in "\\PC{0,12}") {
            if let Some(Ok(comparison)) = read(&term, FIELDS) {
                let _ = (comparison.holds_for_text(&cell), comparison.holds_for_cell(&mut cell.clone()));
            }
        }
    }
}
