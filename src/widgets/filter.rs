//! A filter of terms with blanks between: words that must occur, `!word` that must not (case does not matter), comparisons of columns, and, where
//! rows have labels, Alertmanager's matchers. All terms must hold. Each kind of term is asked of a row in its own way, so that a row is
//! made into text only for words.

use super::typed::{self, Comparison, Fields};
use crate::domain::matcher;
use crate::domain::{Matcher, Matchers};
use memchr::memmem::Finder;
use std::borrow::Cow;

/// A parsed filter. Empty: everything passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    words: Vec<Word>,
    labels: Matchers,
    comparisons: Vec<Comparison>,
    problem: Option<String>,
}

/// A word in lower case, made ready to be looked for in any number of texts.
#[derive(Clone, Debug)]
struct Word {
    /// It must occur; else it must not.
    wanted: bool,
    finder: Finder<'static>,
}

impl Word {
    fn new(wanted: bool, word: &str) -> Self {
        Self { wanted, finder: Finder::new(word.to_lowercase().as_bytes()).into_owned() }
    }

    fn passes(&self, lowercase: &str) -> bool {
        self.finder.find(lowercase.as_bytes()).is_some() == self.wanted
    }

    /// What passes this one passes the other, too.
    fn implies(&self, other: &Self) -> bool {
        let (longer, shorter) = if self.wanted { (self, other) } else { (other, self) };
        self.wanted == other.wanted && shorter.finder.find(longer.finder.needle()).is_some()
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        (self.wanted, self.finder.needle()) == (other.wanted, other.finder.needle())
    }
}

/// What was typed between two blanks, or between braces.
enum Term {
    Word(String),
    Labels(Vec<Matcher>),
    Compared(Comparison),
    /// It begins like matchers: half typed, or wrong.
    Wrong(String),
}

impl Filter {
    /// From what was typed. A lone `!` is not a word yet, and what is wrong with a matcher or a comparison keeps nothing out. Without
    /// labels a matcher is a word like others, unless it names one of `fields`.
    pub fn parse(text: &str, has_labels: bool, fields: &Fields) -> Self {
        let mut filter = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (term, taken) = term(rest, has_labels, fields);
            filter.add(term);
            rest = rest[taken..].trim_start();
        }
        filter
    }

    fn add(&mut self, term: Term) {
        match term {
            Term::Word(word) => {
                let (wanted, word) = word.strip_prefix('!').map_or((true, word.as_str()), |rest| (false, rest));
                self.words.extend((!word.is_empty()).then(|| Word::new(wanted, word)));
            }
            Term::Compared(comparison) => self.comparisons.push(comparison),
            Term::Labels(matchers) => {
                let wrong = matchers.into_iter().filter_map(|matcher| self.labels.add(matcher).err()).last();
                self.problem = self.problem.take().or(wrong);
            }
            Term::Wrong(why) => self.problem = self.problem.take().or(Some(why)),
        }
    }

    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.labels.is_empty() && self.comparisons.is_empty()
    }

    /// Text is asked for.
    pub fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// The words in lower case, and whether each must occur; else it must not.
    pub fn words(&self) -> impl Iterator<Item = (bool, Cow<'_, str>)> {
        self.words.iter().map(|word| (word.wanted, String::from_utf8_lossy(word.finder.needle())))
    }

    /// Whether a row's text (in lower case) passes.
    pub fn passes(&self, lowercase: &str) -> bool {
        self.words.iter().all(|word| word.passes(lowercase))
    }

    /// Whether all that passes it passes the other, too, as far as is easily seen: as when a word gets longer while it is typed. Never
    /// after a comparison: what is compared may be an age, which grew since.
    pub fn narrows(&self, other: &Self) -> bool {
        let implied = |wider: &Word| self.words.iter().any(|word| word.implies(wider));
        other.words.iter().all(implied)
            && other.comparisons.is_empty()
            && (other.labels.is_empty() || self.labels == other.labels)
    }

    /// What must hold for a row's labels.
    pub const fn labels(&self) -> &Matchers {
        &self.labels
    }

    /// What must hold for the row's columns.
    pub fn comparisons(&self) -> &[Comparison] {
        &self.comparisons
    }

    /// What is wrong with the first term that can't be read, one plain sentence.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// The first term of a text that does not begin with a blank, and how much of the text it is, in bytes.
fn term(text: &str, has_labels: bool, fields: &Fields) -> (Term, usize) {
    if let Some((tight, left_out)) = typed::tight(text, has_labels, fields) {
        let (term, taken) = tight_term(&tight, has_labels, fields);
        return (term, taken + left_out);
    }
    tight_term(text, has_labels, fields)
}

/// The same of a text without blanks around its comparison.
fn tight_term(text: &str, has_labels: bool, fields: &Fields) -> (Term, usize) {
    match matcher::read(text).filter(|_| has_labels) {
        Some(Ok((matchers, taken))) => (Term::Labels(matchers), taken),
        Some(Err(wrong)) => (Term::Wrong(wrong.why), wrong.rest),
        None => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            let term = match typed::read(&text[..end], fields) {
                Some(Ok(comparison)) => Term::Compared(comparison),
                Some(Err(why)) => Term::Wrong(why),
                None => Term::Word(text[..end].to_owned()),
            };
            (term, end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Labels;
    use crate::widgets::measure::Measure;
    use crate::widgets::typed::Field;
    use proptest::prelude::*;

    fn share(name: &'static str, column: usize) -> Field {
        Field { name: name.into(), column, measure: Measure::Share }
    }

    #[test]
    fn words_and_not() {
        let filter = Filter::parse("API !db ! ", false, &[]);
        assert!(filter.passes("game-1/api running"));
        assert!(!filter.passes("game-1/api-db running"));
        assert!(!filter.passes("nginx"));
        assert!(Filter::parse("  ", true, &[]).is_empty());
    }

    #[test]
    fn matchers_stand_among_words() {
        let filter = Filter::parse(r#"disk {severity="critical", zone=~"a|b"} !db  team!=web"#, true, &[]);
        assert!(filter.passes("disk full") && !filter.passes("disk of db"));
        let labels = |team: &str| -> Labels {
            [("severity", "critical"), ("zone", "b"), ("team", team)].map(|(a, b)| (a.to_owned(), b.to_owned())).into()
        };
        assert!(filter.labels().hold(&labels("ops")) && !filter.labels().hold(&labels("web")));
        assert_eq!(filter.problem(), None);
    }

    #[test]
    fn without_labels_a_matcher_is_a_word() {
        let filter = Filter::parse("a=b {c", false, &[]);
        assert!(filter.labels().is_empty() && filter.problem().is_none());
        assert!(filter.passes("xa=b {c") && !filter.passes("a=b"));
    }

    #[test]
    fn what_is_half_typed_keeps_nothing_out_and_is_told() {
        let filter = Filter::parse("disk severity=", true, &[]);
        assert!(filter.passes("disk") && filter.labels().is_empty() && !filter.is_empty());
        assert!(filter.problem().unwrap().starts_with("severity has no value yet"), "{filter:?}");
        let filter = Filter::parse("{severity=\"cri", true, &[]);
        assert!(filter.is_empty() && filter.problem() == Some("the quotes are not closed"));
        let filter = Filter::parse("a=~(x api", true, &[]);
        assert!(!filter.passes("disk") && filter.passes("the api"));
    }

    #[test]
    fn a_longer_word_narrows_and_a_longer_exception_widens() {
        let narrows = |now: &str, before: &str| {
            let parse = |text: &str| Filter::parse(text, true, &[share("cpu", 0)]);
            parse(now).narrows(&parse(before))
        };
        for (now, before) in [("ap", "a"), ("API db", "api"), ("xapi", "api"), ("a", ""), ("!a", "!ab"), ("!", "")] {
            assert!(narrows(now, before), "{now:?} after {before:?}");
        }
        for (now, before) in [("a", "ap"), ("!ab", "!a"), ("!a", "a"), ("", "a"), ("cpu>8 x", "cpu>8"), ("a=b", "a=c")]
        {
            assert!(!narrows(now, before), "{now:?} after {before:?}");
        }
        assert!(narrows("cpu>8 ap", "a") && narrows("a=b x", "a=b") && narrows("x a=b", "x"));
    }

    #[test]
    fn blanks_around_a_comparison_mean_nothing() {
        let fields = [share("cpu", 0), Field { measure: Measure::Text, ..share("state", 1) }];
        for (spaced, tight, labels) in [
            ("cpu > 5", "cpu>5", false),
            ("api cpu >5 !db  state : exited|dead x", "api cpu>5 !db state:exited|dead x", false),
            ("disk team = \"a b\" cpu < 3", "disk team=\"a b\" cpu<3", true),
            ("!cpu >= 5", "!cpu>=5", true),
        ] {
            let (spaced, tight) = (Filter::parse(spaced, labels, &fields), Filter::parse(tight, labels, &fields));
            assert!(spaced.problem().is_none() && !spaced.comparisons().is_empty(), "{spaced:?}");
            assert_eq!(spaced, tight);
        }
        assert_eq!(Filter::parse("cpu > ", false, &fields).problem(), Some("cpu> has no value yet"));
        assert!(Filter::parse("x > 5", false, &fields).comparisons().is_empty());
    }

    proptest! {
        #[test]
        fn what_narrows_lets_nothing_in(now in "[!ab ]{0,8}", before in "[!ab ]{0,8}", text in "[ab]{0,6}") {
            let (now, before) = (Filter::parse(&now, false, &[]), Filter::parse(&before, false, &[]));
            prop_assert!(!now.narrows(&before) || !now.passes(&text) || before.passes(&text));
        }

        #[test]
        fn no_text_makes_it_panic_or_hang(text in "\\PC{0,30}|[{}ab=!~\",\\\\ |(*é]{0,16}") {
            let fields = [share("a", 0), share("b", 1)];
            let _ = (Filter::parse(&text, true, &fields), Filter::parse(&text, false, &[]));
        }
    }
}
