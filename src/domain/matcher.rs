//! Alertmanager's matchers: how they are read, written, and whether labels satisfy them. Silences, filters and the preview of a
//! silence share this one meaning.
//!
//! A regular expression must match all of a value. A label that is absent counts as one that is empty. Source: Alertmanager's
//! `matcher/parse` (names and values in quotes, UTF-8 since 0.27) and, as it falls back to, `pkg/labels` (older escapes).

use super::alert::Labels;
use super::promql::is_plain;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// A compiled expression may take this much memory, in bytes: one that somebody types must not take the screen with it.
const LARGEST: usize = 1 << 20;

/// One matcher of a silence or an inhibition: `name="value"`, `name=~"…"` and their opposites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// Value, or a regular expression that must match all of it.
    pub value: String,
    /// `value` is a regular expression.
    pub is_regex: bool,
    /// It must match; false: it must not.
    pub is_equal: bool,
}

impl Matcher {
    /// `name="value"`.
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), is_regex: false, is_equal: true }
    }

    /// The label has one of these values: `name=~"a|b"`.
    pub fn one_of<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        let values: Vec<String> = values.map(regex::escape).collect();
        Self { name: name.to_owned(), value: values.join("|"), is_regex: true, is_equal: true }
    }

    /// As Alertmanager writes it: `name="value"`, `name!~"a|b"`; appended.
    pub fn write(&self, out: &mut String) {
        if is_plain(&self.name) {
            out.push_str(&self.name);
        } else {
            quote(&self.name, out);
        }
        out.push_str(match (self.is_equal, self.is_regex) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        });
        quote(&self.value, out);
    }
}

/// Matchers as Alertmanager writes them, with a comma between; appended.
pub fn write_all<'a>(matchers: impl IntoIterator<Item = &'a Matcher>, out: &mut String) {
    for (index, matcher) in matchers.into_iter().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        matcher.write(out);
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // What is copied from here is pasted into shells.
            other if other.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Matchers that must all hold, ready to be asked of many labels: nothing is allocated for it.
#[derive(Clone, Debug, Default)]
pub struct Matchers(Vec<(Matcher, Option<Regex>)>);

/// Two with the same matchers mean the same.
impl PartialEq for Matchers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
impl Eq for Matchers {}

impl Matchers {
    /// All of these.
    ///
    /// # Errors
    /// One sentence, when a regular expression can't be read or would take too much memory.
    pub fn of(matchers: &[Matcher]) -> Result<Self, String> {
        let mut all = Self::default();
        matchers.iter().try_for_each(|matcher| all.add(matcher.clone()))?;
        Ok(all)
    }

    /// One more.
    ///
    /// # Errors
    /// As for [`Self::of`].
    pub fn add(&mut self, matcher: Matcher) -> Result<(), String> {
        let regex = if matcher.is_regex { Some(compile(&matcher.value)?) } else { None };
        self.0.push((matcher, regex));
        Ok(())
    }

    /// All that is asked for.
    pub fn iter(&self) -> impl Iterator<Item = &Matcher> {
        self.0.iter().map(|(matcher, _)| matcher)
    }

    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// They hold for these labels.
    pub fn hold(&self, labels: &Labels) -> bool {
        self.hold_for(|name| labels.get(name).map(String::as_str))
    }

    /// They hold for labels that are told one by one; `None`: it has none of this name.
    pub fn hold_for<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|(matcher, regex)| {
            let value = label(&matcher.name).unwrap_or_default();
            let same = regex.as_ref().map_or_else(|| matcher.value == value, |regex| regex.is_match(value));
            same == matcher.is_equal
        })
    }

    /// They hold for what has no labels at all, so that they hold for nearly everything. Alertmanager makes no such silence.
    pub fn hold_for_nothing(&self) -> bool {
        self.hold_for(|_| None)
    }
}

/// A regular expression as Prometheus and Alertmanager read it (RE2), anchored at both ends.
///
/// # Errors
/// One sentence, when it can't be read or would take too much memory.
pub fn compile(expression: &str) -> Result<Regex, String> {
    let whole = RegexBuilder::new(&format!("^(?:{})$", from_re2(expression))).size_limit(LARGEST).build();
    whole.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("the regular expression {expression:?} is too large"),
        _ => format!("{expression:?} is no regular expression"),
    })
}

/// The same for the crate `regex`: in a class of characters a `[` stands for itself, and so do two `&`, `-` or `~`, which here work on classes.
fn from_re2(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let (mut chars, mut in_class) = (expression.chars().peekable(), false);
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '\\' => out.extend([c].into_iter().chain(chars.next())),
            '[' if !in_class => {
                in_class = true;
                open_class(&mut chars, &mut out);
            }
            '[' if next == Some(':') => named_class(&mut chars, &mut out),
            '[' => out.push_str("\\["),
            '&' | '-' | '~' if in_class && next == Some(c) => out.extend(['\\', c]),
            _ => {
                in_class &= c != ']';
                out.push(c);
            }
        }
    }
    out
}

/// The beginning of a class: what comes first is of it, whatever it is.
fn open_class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    out.extend(chars.next_if_eq(&'^'));
    if chars.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
}

/// A class by its name inside a class (`[:alpha:]`), as it stands.
fn named_class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    out.extend(std::iter::from_fn(|| chars.next_if(|c| *c != ']')));
    out.extend(chars.next());
}

/// What is wrong with a text that begins like matchers, and how much of it was read, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// One plain sentence.
    pub why: String,
    /// Where the next thing may begin.
    pub rest: usize,
}

/// Reads matchers at the beginning of `text`: in braces (`{a="b", c=~"d|e"}`), or without, and then up to the first blank outside
/// quotes (`a=b,c!="d e"`). `None`: no matcher begins here. Else the matchers and how much of the text they take, in bytes.
///
/// # Errors
/// When what begins like one is not finished or can't be read.
pub fn read(text: &str) -> Option<Result<(Vec<Matcher>, usize), Wrong>> {
    let mut reader = Reader { text, at: 0, braced: text.starts_with('{') };
    if !reader.braced {
        reader.operator_after_name()?;
    }
    let read = reader.all();
    Some(read.map(|matchers| (matchers, reader.at)).map_err(|why| Wrong { why, rest: reader.end_of_word() }))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    braced: bool,
}

const OPERATORS: [(&str, bool, bool); 4] =
    [("=~", true, true), ("!~", false, true), ("!=", false, false), ("=", true, false)];

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, token: char) -> bool {
        let there = self.rest().starts_with(token);
        self.at += if there { token.len_utf8() } else { 0 };
        there
    }

    /// Blanks are part of it in braces only.
    fn skip_blanks(&mut self) {
        if self.braced {
            self.at = self.text.len() - self.rest().trim_start().len();
        }
    }

    /// A plain name with an operator behind it stands here.
    fn operator_after_name(&self) -> Option<()> {
        let rest = self.rest();
        let name = rest.bytes().take_while(|byte| is_of_name(*byte)).count();
        let is_operator = OPERATORS.iter().any(|(sign, ..)| rest[name..].starts_with(sign));
        (is_plain(&rest[..name]) && is_operator).then_some(())
    }

    fn all(&mut self) -> Result<Vec<Matcher>, String> {
        let mut matchers = Vec::new();
        self.at += usize::from(self.braced);
        loop {
            self.skip_blanks();
            if self.braced && self.take('}') {
                return Ok(matchers);
            }
            matchers.push(self.one()?);
            self.skip_blanks();
            match (self.braced, self.take(',')) {
                (_, true) => {}
                (true, false) if self.take('}') => return Ok(matchers),
                (true, false) if self.rest().is_empty() => return Err("the brace is not closed".to_owned()),
                (true, false) => return Err("between two matchers stands a comma".to_owned()),
                (false, false) => return Ok(matchers),
            }
        }
    }

    fn one(&mut self) -> Result<Matcher, String> {
        let name = self.name()?;
        self.skip_blanks();
        let rest = self.rest();
        let found = OPERATORS.iter().find(|(sign, ..)| rest.starts_with(sign));
        let Some((sign, is_equal, is_regex)) = found else {
            return Err(format!("after the label {name} stands =, !=, =~ or !~"));
        };
        self.at += sign.len();
        self.skip_blanks();
        let value = self.value(&name)?;
        if *is_regex {
            compile(&value)?;
        }
        Ok(Matcher { name, value, is_regex: *is_regex, is_equal: *is_equal })
    }

    fn name(&mut self) -> Result<String, String> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let ends = |char: char| char.is_whitespace() || RESERVED.contains(&char);
        let rest = self.rest();
        let name = rest[..rest.find(ends).unwrap_or(rest.len())].to_owned();
        self.at += name.len();
        match (name.is_empty(), self.rest().is_empty()) {
            (false, _) => Ok(name),
            (true, true) if self.braced => Err("the brace is not closed".to_owned()),
            (true, true) => Err("after the comma stands another matcher".to_owned()),
            (true, false) => Err("a matcher begins with the name of a label".to_owned()),
        }
    }

    /// The character whose number of four hexadecimal digits stands there.
    fn numbered(&self, at: usize) -> Option<char> {
        let digits =
            self.rest().get(at..at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    }

    /// In quotes, or as far as it needs none. None at all is one that is not typed yet: emptiness is asked for as `""`.
    fn value(&mut self, name: &str) -> Result<String, String> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let braced = self.braced;
        let ends = |char: char| char.is_whitespace() || char == ',' || braced && RESERVED.contains(&char);
        let rest = self.rest();
        let value = rest[..rest.find(ends).unwrap_or(rest.len())].to_owned();
        self.at += value.len();
        match self.rest().chars().next().filter(|char| braced && !matches!(char, ',' | '}') && !char.is_whitespace()) {
            Some(char) => Err(format!("a value with {char} in it stands in quotes")),
            None if value.is_empty() => Err(format!("{name} has no value yet; \"\" is for a label that is not there")),
            None => Ok(value),
        }
    }

    /// `\"`, `\\`, `\n`, `\t`, `\r`, `\u001b` stand for what they do elsewhere; a backslash before anything else for itself.
    fn quoted(&mut self) -> Result<String, String> {
        let (mut out, mut escaped) = (String::new(), false);
        // Up to where a number of four digits was read.
        let mut read = 0;
        for (at, char) in self.rest().char_indices().skip(1) {
            if at < read {
                continue;
            }
            match char {
                '"' if !escaped => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                '"' | '\\' if escaped => out.push(char),
                'n' if escaped => out.push('\n'),
                't' if escaped => out.push('\t'),
                'r' if escaped => out.push('\r'),
                'u' if escaped && self.numbered(at + 1).is_some() => {
                    out.extend(self.numbered(at + 1));
                    read = at + 5;
                }
                other if escaped => out.extend(['\\', other]),
                other => out.push(other),
            }
            escaped = false;
        }
        Err("the quotes are not closed".to_owned())
    }

    /// What is wrong reaches to the end of its braces, of its word without.
    fn end_of_word(&self) -> usize {
        if self.braced {
            return self.rest().find('}').map_or(self.text.len(), |at| self.at + at + 1);
        }
        if self.rest().starts_with('"') {
            return self.text.len();
        }
        self.rest().find(char::is_whitespace).map_or(self.text.len(), |at| self.at + at)
    }
}

/// Characters that have a meaning in matchers, so that a value that holds one is quoted.
const RESERVED: [char; 10] = ['{', '}', '!', '=', '~', ',', '\\', '"', '\'', '`'];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Matchers {
        let (matchers, taken) = read(text).unwrap().unwrap();
        assert_eq!(taken, text.len(), "{text}");
        Matchers::of(&matchers).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn why(text: &str) -> String {
        read(text).unwrap().unwrap_err().why
    }

    #[test]
    fn a_regular_expression_is_read_as_alertmanager_reads_it() {
        let holds = |expression: &str, text: &str| compile(expression).unwrap().is_match(text);
        let server = r"[[]?(game-4|10[.]0[.]1[.]7)[]]?(:[0-9]+)?";
        assert!(holds(server, "game-4:9100") && holds(server, "[10.0.1.7]:9100") && !holds(server, "game-44"));
        assert!(holds("[[:alpha:]_]+", "a_b") && !holds("[[:alpha:]_]+", "a1"));
        assert!(holds("[a&&b]+", "a&b") && holds(r"[^]]\[", "a[") && holds(r"[\]a]+", "]a") && !holds("a|b", "ab"));
        assert!(compile("[a").unwrap_err().contains("no regular expression"));
    }

    #[test]
    fn they_are_written_as_alertmanager_does_and_read_again() {
        let matcher = |is_equal, is_regex| Matcher { name: "a".into(), value: "x\"|y\\.\n".into(), is_regex, is_equal };
        let mut matchers = vec![matcher(true, false), matcher(false, false), matcher(true, true), matcher(false, true)];
        matchers.push(Matcher::equal("Größe, €", "ü"));
        let mut text = String::new();
        write_all(&matchers, &mut text);
        let value = r#""x\"|y\\.\n""#;
        assert_eq!(text, format!(r#"a={value}, a!={value}, a=~{value}, a!~{value}, "Größe, €"="ü""#));
        assert_eq!(read(&format!("{{{text}}}")).unwrap().unwrap().0, matchers);
    }

    #[test]
    fn no_control_character_is_written_as_it_is() {
        let mut text = String::new();
        Matcher::equal("a", "x\r\t\u{1b}[31m").write(&mut text);
        assert_eq!(text, r#"a="x\r\t\u001b[31m""#);
        for value in ["x\r\t\u{1b}[31m", "\u{5}", "\\u0005", "\u{7f}9f"] {
            let mut text = "{".to_owned();
            Matcher::equal("ctrl-e", value).write(&mut text);
            assert_eq!(all(&format!("{text}}}")).iter().next().unwrap(), &Matcher::equal("ctrl-e", value), "{text}");
        }
        assert_eq!(all(r#"a="\u00é""#).iter().next().unwrap().value, r"\u00é", "what is no number stays as it is");
    }

    #[test]
    fn with_and_without_braces_and_quotes() {
        let same = all(r#"{severity="critical",service=~"api|web",instance!="x"}"#);
        assert_eq!(all(r"{ severity = critical , service=~api|web, instance != x, }"), same);
        assert_eq!(all(r#"severity=critical,service=~"api|web",instance!=x"#), same);
        assert!(all("{}").is_empty());
        assert_eq!(all(r#"path=~"/a\.b{2,3}|c""#).iter().next().unwrap().value, r"/a\.b{2,3}|c");
    }

    #[test]
    fn what_stands_behind_is_left() {
        let (matchers, taken) = read("severity=critical api !db").unwrap().unwrap();
        assert_eq!((matchers.len(), taken), (1, "severity=critical".len()));
        let (_, taken) = read(r#"a="b c" d"#).unwrap().unwrap();
        assert_eq!(taken, r#"a="b c""#.len());
        for text in ["api", "!db", "9=x", "a", "", "=x", "a-b=c", "größe=1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_expression_matches_all_of_a_value_and_a_missing_label_is_empty() {
        let api = labels(&[("service", "api"), ("zone", "")]);
        assert!(all("service=~ap.").hold(&api) && !all("service=~ap").hold(&api));
        assert!(all("service=~a|api").hold(&api) && all("service!~a|p").hold(&api));
        assert!(all(r#"nothing="""#).hold(&api) && all(r#"zone="""#).hold(&api));
        assert!(all("nothing=~.*").hold(&api) && !all("nothing=~.+").hold(&api));
        assert!(all("nothing!=x").hold(&api) && !all(r#"service="""#).hold(&api));
        assert!(all(r#"nothing="",zone!=x"#).hold_for_nothing() && !all("service=api").hold_for_nothing());
    }

    #[test]
    fn one_of_several_values_is_each_of_them_literally() {
        let some = Matchers::of(&[Matcher::one_of("a", ["x.y", "(z"].into_iter())]).unwrap();
        assert!(some.hold(&labels(&[("a", "x.y")])) && some.hold(&labels(&[("a", "(z")])));
        assert!(!some.hold(&labels(&[("a", "x-y")])));
    }

    #[test]
    fn what_is_half_typed_or_wrong_is_told_in_words() {
        for (text, words) in [
            ("{", "the brace is not closed"),
            ("{a=\"b\"", "the brace is not closed"),
            ("{a=\"b", "the quotes are not closed"),
            ("{a=\"b\" c=\"d\"}", "between two matchers stands a comma"),
            ("{a}", "after the label a stands =, !=, =~ or !~"),
            ("{=x}", "a matcher begins with the name of a label"),
            ("{a=b=c}", "a value with = in it stands in quotes"),
            ("severity=", "severity has no value yet; \"\" is for a label that is not there"),
            ("a=b,", "after the comma stands another matcher"),
            ("a=~(b", "\"(b\" is no regular expression"),
            (r"a=~\w{500}{500}", "the regular expression \"\\\\w{500}{500}\" is too large"),
        ] {
            assert_eq!(why(text), words, "{text}");
        }
        let rest = |text: &str| read(text).unwrap().unwrap_err().rest;
        assert_eq!((rest("a=~(b api"), rest("{a} api"), rest("a=\"b api")), ("a=~(b".len(), "{a}".len(), 8));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[{}ab=!~\",\\\\ |(*é]{0,16}") {
            if let Some(read) = read(&text) {
                let rest = read.map_or_else(|wrong| wrong.rest, |(_, taken)| taken);
                prop_assert!(rest > 0 && text.is_char_boundary(rest));
            }
        }

        #[test]
        fn what_is_written_is_read_again(name in "\\PC{1,8}", value in "[\\PC\n]{0,8}", is_equal: bool) {
            let matcher = Matcher { name, value, is_regex: false, is_equal };
            let mut text = "{".to_owned();
            matcher.write(&mut text);
            text.push('}');
            prop_assert_eq!(read(&text), Some(Ok((vec![matcher], text.len()))));
        }
    }
}
