//! As much of PromQL as it takes to chart what an alert's rule looks at: the two sides of its comparison, and a narrowing to
//! the one series that fires.
//!
//! It does not judge an expression; the server does. Where it is not sure it leaves the expression as it is.

use super::alert::Labels;
use std::fmt::Write;

/// What a rule's expression looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched<'a> {
    /// The expression of the value: the left side of `X > 0.9`, or the whole where there is no such comparison.
    pub value: &'a str,
    /// The number that it is compared with.
    pub limit: Option<f64>,
}

/// Takes the outermost comparison apart. Of `A and B` and `A unless B` the value is that of `A`; `A or B` has no single one.
pub fn watched(expression: &str) -> Watched<'_> {
    let expression = expression.trim();
    let whole = Watched { value: expression, limit: None };
    let marks = marks(expression);
    if marks.iter().any(|mark| mark.is(expression, &["or"])) {
        return whole;
    }
    if let Some(set) = marks.iter().find(|mark| mark.is(expression, &["and", "unless"])) {
        return watched(&expression[..set.start]);
    }
    if let Some(last) = marks.iter().rfind(|mark| mark.compares) {
        return compared(&expression[..last.start], &expression[last.end..]);
    }
    inner(expression, &marks).map_or(whole, watched)
}

/// Where the outermost comparison stands, if it filters: without `bool` a comparison that is false has no result at all, which is the
/// same as no data. `None` when there is none, or when it has its `bool`.
pub fn compares_without_bool(expression: &str) -> Option<usize> {
    let marks = marks(expression);
    if let Some(found) = marks.iter().find(|mark| {
        let follows = word(expression[mark.end..].trim_start());
        mark.compares && !follows.eq_ignore_ascii_case("bool")
    }) {
        return Some(found.start);
    }
    let inner = inner(expression.trim(), &marks)?;
    let start = expression.find('(')? + 1;
    compares_without_bool(inner).map(|at| start + at)
}

fn compared<'a>(left: &'a str, right: &'a str) -> Watched<'a> {
    let right = without_matching(right);
    match (number(left), number(right)) {
        // `0.9 < X` is written by some.
        (Some(limit), None) => Watched { limit: Some(limit), ..watched(right) },
        (None, limit @ Some(_)) => Watched { limit, ..watched(left) },
        (None, None) => Watched { limit: None, ..watched(left) },
        (Some(_), Some(_)) => Watched { value: left.trim(), limit: number(right) },
    }
}

/// What stands in parentheses that are around the whole.
fn inner<'a>(expression: &'a str, marks: &[Mark]) -> Option<&'a str> {
    let inner = expression.strip_prefix('(')?.strip_suffix(')')?;
    // `(a) + (b)` has something outside them.
    let alone = marks.is_empty() && closes(expression) == Some(expression.len());
    alone.then_some(inner)
}

/// Where the parenthesis at the start is closed: the byte after it.
fn closes(expression: &str) -> Option<usize> {
    Scan::new(expression).find(|piece| piece.depth == 0 && piece.text == ")").map(|piece| piece.at + 1)
}

/// `bool`, `on (…)`, `ignoring (…)`, `group_left (…)` and `group_right (…)` after an operator.
fn without_matching(mut right: &str) -> &str {
    loop {
        right = right.trim_start();
        let word = word(right);
        match word.to_ascii_lowercase().as_str() {
            "bool" => right = &right[word.len()..],
            "on" | "ignoring" | "group_left" | "group_right" => {
                let rest = right[word.len()..].trim_start();
                right = if rest.starts_with('(') { closes(rest).map_or("", |end| &rest[end..]) } else { rest };
            }
            _ => return right,
        }
    }
}

fn word(text: &str) -> &str {
    let end =
        text.find(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | ':' | '.'))).unwrap_or(text.len());
    &text[..end]
}

/// A number as PromQL writes one; not a duration, nor anything that would have to be computed.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let text = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text).trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest.trim_start()),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|number| sign * number as f64);
    }
    let starts = digits.starts_with(|char: char| char.is_ascii_digit() || char == '.');
    let is_infinite = digits.eq_ignore_ascii_case("inf");
    (starts || is_infinite).then(|| digits.parse::<f64>().ok().map(|number| sign * number)).flatten()
}

/// An operator of interest that stands outside all brackets and strings.
#[derive(Clone, Copy, Debug)]
struct Mark {
    start: usize,
    end: usize,
    compares: bool,
}

impl Mark {
    fn is(&self, expression: &str, words: &[&str]) -> bool {
        !self.compares && words.iter().any(|word| expression[self.start..self.end].eq_ignore_ascii_case(word))
    }
}

/// Comparisons and set operators, in their order.
fn marks(expression: &str) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for piece in Scan::new(expression).filter(|piece| piece.depth == 0) {
        let end = piece.at + piece.text.len();
        let compares = matches!(piece.text, "==" | "!=" | "<=" | ">=" | "<" | ">");
        let joins = ["and", "or", "unless"].iter().any(|word| piece.text.eq_ignore_ascii_case(word));
        if compares || joins {
            marks.push(Mark { start: piece.at, end, compares });
        }
    }
    marks
}

/// A word, an operator, or one other character; not what is inside strings and comments.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
    /// How many brackets are open; after a closing one, without it.
    depth: usize,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scan<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The length of the string that begins here, quotes included; all the rest when it is not closed.
    fn string(rest: &str, quote: char) -> usize {
        let mut escaped = false;
        for (at, char) in rest.char_indices().skip(1) {
            if char == quote && !escaped {
                return at + 1;
            }
            escaped = char == '\\' && !escaped && quote != '`';
        }
        rest.len()
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            let skipped = match first {
                '"' | '\'' | '`' => Self::string(rest, first),
                '#' => rest.find('\n').unwrap_or(rest.len()),
                space if space.is_whitespace() => space.len_utf8(),
                _ => 0,
            };
            if skipped > 0 {
                self.at += skipped;
                continue;
            }
            let two = rest.get(..2).filter(|two| matches!(*two, "==" | "!=" | "<=" | ">=" | "=~" | "!~"));
            let length = two.map_or_else(|| word(rest).len().max(first.len_utf8()), str::len);
            match first {
                '(' | '[' | '{' => self.depth += 1,
                ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            let piece = Piece { text: &rest[..length], at: self.at, depth: self.depth };
            self.at += length;
            return Some(piece);
        }
    }
}

/// The expression narrowed to the series that have these labels, by what every server understands: `and on (…)` with a
/// vector of one element that has them. Without labels it is the expression.
pub fn narrowed(expression: &str, labels: &Labels) -> String {
    let usable: Vec<(&String, &String)> = labels.iter().filter(|(name, _)| is_plain(name)).collect();
    if usable.is_empty() {
        return expression.to_owned();
    }
    let names: Vec<&str> = usable.iter().map(|(name, _)| name.as_str()).collect();
    let mut out = format!("({expression}\n) and on ({}) ", names.join(", "));
    out.extend(usable.iter().map(|_| "label_replace("));
    out.push_str("vector(1)");
    for (name, value) in usable {
        // A dollar refers to a group of the regular expression, two are one.
        let _ = write!(out, ", \"{name}\", {}, \"\", \"\")", quoted(&value.replace('$', "$$")));
    }
    out
}

/// A name that needs no quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// As a string of PromQL, whose escapes are those of Go.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is(expression: &str, value: &str, limit: Option<f64>) {
        assert_eq!(watched(expression), Watched { value, limit }, "{expression}");
    }

    #[test]
    fn a_comparison_that_filters_is_found() {
        for (text, at) in [
            ("up == 1", Some(3)),
            ("up == bool 1", None),
            ("count(up == 1) == bool count(up)", None),
            ("count(up == 1) ==bool count(up)", None),
            (" ( up > 1 )", Some(6)),
            ("sum(up)", None),
            ("a > bool 1 and b > 2", Some(17)),
            ("a{b=\"x > 1\"}", None),
        ] {
            assert_eq!(compares_without_bool(text), at, "{text}");
        }
    }

    #[test]
    fn the_side_of_a_comparison_that_is_no_number_is_watched() {
        is("up < 1", "up", Some(1.0));
        is("  rate(a[5m]) >= bool 0.5 ", "rate(a[5m])", Some(0.5));
        is("0.9 < ratio", "ratio", Some(0.9));
        is("a != -1e3", "a", Some(-1000.0));
        is("a > +Inf", "a", Some(f64::INFINITY));
        is("a > 0x10", "a", Some(16.0));
        is("a == (5)", "a", Some(5.0));
        is("(a / b > 0.9)", "a / b", Some(0.9));
        is("((a)) > 1", "a", Some(1.0));
        is("5 < a < 10", "a", Some(10.0));
    }

    #[test]
    fn what_is_compared_with_another_series_has_no_limit() {
        is("a > b", "a", None);
        is("a > on(job) group_left(x) b", "a", None);
        is("a > bool on (job) 5", "a", Some(5.0));
        is("a > 10 * 1024", "a", None);
        is("a > 5m", "a", None);
        is("absent(up)", "absent(up)", None);
        is("vector(1)", "vector(1)", None);
        is("a + b", "a + b", None);
        is("(a) + (b)", "(a) + (b)", None);
    }

    #[test]
    fn of_sets_the_left_one_is_watched_and_of_or_none() {
        is("a > 1 and b < 2", "a", Some(1.0));
        is("a > 1 AND on(x) b unless c", "a", Some(1.0));
        is("a > 1 or b > 2", "a > 1 or b > 2", None);
        is("(a > 1 or b > 2) and c", "a > 1 or b > 2", None);
        is("a unless b > 5", "a", None);
    }

    #[test]
    fn brackets_strings_and_comments_hide_what_is_in_them() {
        is(r#"up{job="a > 1 or b"} < 1"#, r#"up{job="a > 1 or b"}"#, Some(1.0));
        is(r#"up{job!="x",a=~'it\'s <'} == 0"#, r#"up{job!="x",a=~'it\'s <'}"#, Some(0.0));
        is("up{a=`\\`} < 2", "up{a=`\\`}", Some(2.0));
        is("sum(a > bool 3) by (or_not) > 7", "sum(a > bool 3) by (or_not)", Some(7.0));
        is("max_over_time((a > 1)[5m:1m]) > 2", "max_over_time((a > 1)[5m:1m])", Some(2.0));
        is("a # > 5\n > 6", "a # > 5", Some(6.0));
        is("order_total > 1", "order_total", Some(1.0));
        is("node:and:x > 1", "node:and:x", Some(1.0));
    }

    #[test]
    fn what_is_no_promql_is_left_as_it_is() {
        for text in ["", "(", ")", "\"", "> 1", "a >", "\u{e9} > 1", "and"] {
            let _ = watched(text);
        }
        is("a{\"", "a{\"", None);
    }

    #[test]
    fn an_expression_is_narrowed_by_labels() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(narrowed("up", &Labels::new()), "up");
        assert_eq!(
            narrowed("up", &labels(&[("a", "x\"$1\\"), ("job", "b"), ("no.plain", "c")])),
            "(up\n) and on (a, job) label_replace(label_replace(vector(1), \"a\", \"x\\\"$$1\\\\\", \"\", \"\"), \"job\", \"b\", \"\", \"\")"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_the_value_is_a_part_of_it(text in "[()a\\[\\]{}<>=!\"'` \n#orand0-9é\\\\-]{0,24}|\\PC{0,24}") {
            let found = watched(&text);
            prop_assert!(text.contains(found.value));
            let _ = narrowed(&text, &[(text.clone(), text.clone()), ("a".to_owned(), text.clone())].into());
        }
    }
}
