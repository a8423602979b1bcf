//! `${…}` in all its kinds.

use super::expand::{Seg, joined};
use super::pattern::Pattern;
use super::state::{Flow, Shell, Value};
use brush_parser::word::ParameterExpr as Expr;
use brush_parser::word::{
    Parameter, ParameterTestType, ParameterTransformOp, SpecialParameter, SubstringMatchKind, WordPiece,
};

/// What a parameter says.
struct Said {
    /// `None`: it is not set.
    values: Option<Vec<String>>,
    kind: Kind,
    /// As it is called in messages.
    name: String,
}

/// Whether it is one text, or many.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    One,
    /// `@`: each is a word.
    Each,
    /// `*`: in quotes all are one word.
    Joined,
}

/// Whether a piece is `$@` or `${list[@]}`.
pub(super) fn is_all(piece: &WordPiece) -> bool {
    match piece {
        WordPiece::ParameterExpansion(Expr::Parameter { parameter, .. } | Expr::Substring { parameter, .. }) => {
            matches!(
                parameter,
                Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: false })
                    | Parameter::NamedWithAllIndices { concatenate: false, .. }
            )
        }
        WordPiece::ParameterExpansion(Expr::MemberKeys { concatenate: false, .. }) => true,
        _ => false,
    }
}

impl Shell<'_> {
    pub(super) fn parameter(&mut self, expr: &Expr, double: bool, out: &mut Vec<Seg>) -> Result<(), Flow> {
        let said = match expr {
            Expr::Parameter { parameter, indirect } => {
                let said = self.said(parameter, *indirect)?;
                self.must(&said)?;
                said
            }
            Expr::UseDefaultValues { parameter, indirect, test_type, default_value } => {
                let said = self.said(parameter, *indirect)?;
                if is_missing(&said, test_type) {
                    return self.word_in(default_value.as_deref(), double, out);
                }
                said
            }
            Expr::AssignDefaultValues { parameter, indirect, test_type, default_value } => {
                let mut said = self.said(parameter, *indirect)?;
                if is_missing(&said, test_type) {
                    let text = self.text_in(default_value.as_deref(), double)?;
                    if let Err(why) = self.set(&said.name.clone(), text.clone()) {
                        return self.fail(why);
                    }
                    said.values = Some(vec![text]);
                }
                said
            }
            Expr::IndicateErrorIfNullOrUnset { parameter, indirect, test_type, error_message } => {
                let said = self.said(parameter, *indirect)?;
                if is_missing(&said, test_type) {
                    let why = self.text_in(error_message.as_deref(), double)?;
                    let why = if why.is_empty() { "parameter null or not set".to_owned() } else { why };
                    return self.fail(format!("{}: {why}", said.name));
                }
                said
            }
            Expr::UseAlternativeValue { parameter, indirect, test_type, alternative_value } => {
                let said = self.said(parameter, *indirect)?;
                if is_missing(&said, test_type) {
                    return Ok(());
                }
                return self.word_in(alternative_value.as_deref(), double, out);
            }
            other => self.changed(other)?,
        };
        self.push(said, double, out);
        Ok(())
    }

    /// Those that make something else of what a parameter says.
    fn changed(&mut self, expr: &Expr) -> Result<Said, Flow> {
        match expr {
            Expr::ParameterLength { parameter, indirect } => self.length(parameter, *indirect),
            Expr::RemoveSmallestSuffixPattern { parameter, indirect, pattern } => {
                self.without_suffix(parameter, *indirect, pattern.as_deref(), false)
            }
            Expr::RemoveLargestSuffixPattern { parameter, indirect, pattern } => {
                self.without_suffix(parameter, *indirect, pattern.as_deref(), true)
            }
            Expr::RemoveSmallestPrefixPattern { parameter, indirect, pattern } => {
                self.without_prefix(parameter, *indirect, pattern.as_deref(), false)
            }
            Expr::RemoveLargestPrefixPattern { parameter, indirect, pattern } => {
                self.without_prefix(parameter, *indirect, pattern.as_deref(), true)
            }
            Expr::Substring { parameter, indirect, offset, length } => {
                let offset = self.number(&offset.value)?;
                let length = length.as_ref().map(|length| self.number(&length.value)).transpose()?;
                self.slice(parameter, *indirect, offset, length)
            }
            Expr::ReplaceSubstring { parameter, indirect, pattern, replacement, match_kind } => {
                self.replaced(parameter, *indirect, pattern, replacement.as_deref(), match_kind)
            }
            Expr::UppercaseFirstChar { parameter, indirect, pattern } => {
                self.cased(parameter, *indirect, pattern.as_deref(), true, true)
            }
            Expr::UppercasePattern { parameter, indirect, pattern } => {
                self.cased(parameter, *indirect, pattern.as_deref(), true, false)
            }
            Expr::LowercaseFirstChar { parameter, indirect, pattern } => {
                self.cased(parameter, *indirect, pattern.as_deref(), false, true)
            }
            Expr::LowercasePattern { parameter, indirect, pattern } => {
                self.cased(parameter, *indirect, pattern.as_deref(), false, false)
            }
            Expr::Transform { parameter, indirect, op } => self.transformed(parameter, *indirect, op),
            Expr::VariableNames { prefix, concatenate } => {
                let names = self.vars.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
                Ok(Said { values: Some(names), kind: many(*concatenate), name: prefix.clone() })
            }
            Expr::MemberKeys { variable_name, concatenate } => {
                let keys = self.keys(variable_name);
                Ok(Said { values: Some(keys), kind: many(*concatenate), name: variable_name.clone() })
            }
            _ => self.fail("bad substitution"),
        }
    }

    /// Letters of one, or how many they are.
    fn length(&mut self, parameter: &Parameter, indirect: bool) -> Result<Said, Flow> {
        let said = self.said(parameter, indirect)?;
        self.must(&said)?;
        let values = said.values.unwrap_or_default();
        let letters = || values.iter().map(|one| one.chars().count()).sum();
        let count: usize = if said.kind == Kind::One { letters() } else { values.len() };
        Ok(Said { values: Some(vec![count.to_string()]), kind: Kind::One, name: said.name })
    }

    fn without_suffix(
        &mut self,
        parameter: &Parameter,
        indirect: bool,
        pattern: Option<&str>,
        longest: bool,
    ) -> Result<Said, Flow> {
        let left = |pattern: &Pattern, text: &str| (0, text.len() - pattern.suffix(text, longest).unwrap_or(0));
        self.cut(parameter, indirect, pattern, left)
    }

    fn without_prefix(
        &mut self,
        parameter: &Parameter,
        indirect: bool,
        pattern: Option<&str>,
        longest: bool,
    ) -> Result<Said, Flow> {
        let left = |pattern: &Pattern, text: &str| (pattern.prefix(text, longest).unwrap_or(0), text.len());
        self.cut(parameter, indirect, pattern, left)
    }

    fn transformed(&mut self, parameter: &Parameter, indirect: bool, op: &ParameterTransformOp) -> Result<Said, Flow> {
        let said = self.said(parameter, indirect)?;
        let change: fn(&str) -> String = match op {
            ParameterTransformOp::Quoted => super::escapes::quoted,
            ParameterTransformOp::ToUpperCase => str::to_uppercase,
            ParameterTransformOp::ToLowerCase => str::to_lowercase,
            ParameterTransformOp::ExpandEscapeSequences => super::escapes::ansi,
            _ => return self.fail(format!("{}: this drill does not know this transformation", said.name)),
        };
        Ok(each(said, change))
    }

    fn must(&mut self, said: &Said) -> Result<(), Flow> {
        if said.values.is_none() && said.kind == Kind::One && self.options.nounset {
            return self.fail(format!("{}: unbound variable", said.name));
        }
        Ok(())
    }

    fn said(&mut self, parameter: &Parameter, indirect: bool) -> Result<Said, Flow> {
        let one = |name: &str, value: Option<String>| Said {
            values: value.map(|value| vec![value]),
            kind: Kind::One,
            name: name.to_owned(),
        };
        let said = match parameter {
            Parameter::Positional(0) => one("0", Some(self.name.clone())),
            Parameter::Positional(index) => one(&index.to_string(), self.args.get(*index as usize - 1).cloned()),
            Parameter::Special(special) => self.special(special),
            Parameter::Named(name) => {
                let value = self.get(name);
                one(name, value)
            }
            Parameter::NamedWithIndex { name, index } => {
                let key = if index.contains(['$', '"', '\'', '`']) { self.text(index)? } else { index.clone() };
                let value = self.get_at(name, &key);
                one(&format!("{name}[{index}]"), value)
            }
            Parameter::NamedWithAllIndices { name, concatenate } => {
                let values = self.all(name);
                Said { values: (!values.is_empty()).then_some(values), kind: many(*concatenate), name: name.clone() }
            }
        };
        if !indirect {
            return Ok(said);
        }
        let Some(target) = said.values.and_then(|values| values.first().cloned()) else {
            return self.fail(format!("{}: invalid indirect expansion", said.name));
        };
        let target = target.trim_start_matches('!');
        match brush_parser::word::parse_parameter(target, &super::parse::options()) {
            Ok(parameter) => self.said(&parameter, false),
            Err(_) => self.fail(format!("{target}: invalid variable name")),
        }
    }

    fn special(&mut self, special: &SpecialParameter) -> Said {
        let (name, value) = match special {
            SpecialParameter::AllPositionalParameters { concatenate } => {
                let values = (!self.args.is_empty()).then(|| self.args.clone());
                return Said { values, kind: many(*concatenate), name: "@".to_owned() };
            }
            SpecialParameter::PositionalParameterCount => ("#", Some(self.args.len().to_string())),
            SpecialParameter::LastExitStatus => ("?", Some(self.status.to_string())),
            SpecialParameter::CurrentOptionFlags => ("-", Some(self.flags())),
            SpecialParameter::ProcessId => ("$", Some(self.pid.to_string())),
            SpecialParameter::LastBackgroundProcessId => ("!", self.jobs.last().map(|(pid, _)| pid.to_string())),
            SpecialParameter::ShellName => ("0", Some(self.name.clone())),
        };
        Said { values: value.map(|value| vec![value]), kind: Kind::One, name: name.to_owned() }
    }

    fn push(&mut self, said: Said, double: bool, out: &mut Vec<Seg>) {
        let Some(values) = said.values else { return };
        let separator = self.separators().chars().next();
        if said.kind == Kind::Joined && double {
            let between = separator.map(String::from).unwrap_or_default();
            out.push(Seg::Text(values.join(&between), true));
            return;
        }
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                out.push(Seg::Next);
            }
            out.push(if double { Seg::Text(value, true) } else { Seg::Split(value) });
        }
    }

    /// The word within `${a:-word}`.
    fn word_in(&mut self, word: Option<&str>, double: bool, out: &mut Vec<Seg>) -> Result<(), Flow> {
        let Some(word) = word else { return Ok(()) };
        if double && !word.contains('"') {
            out.extend(self.segs(&format!("\"{word}\""), true)?);
            return Ok(());
        }
        let segs = self.segs(word, false)?;
        if double {
            out.extend(segs.into_iter().map(|seg| match seg {
                Seg::Text(text, _) | Seg::Split(text) => Seg::Text(text, true),
                Seg::Next => Seg::Next,
            }));
            return Ok(());
        }
        // What stands in it outside of quotes is split.
        out.extend(segs.into_iter().map(|seg| if let Seg::Text(text, false) = seg { Seg::Split(text) } else { seg }));
        Ok(())
    }

    fn text_in(&mut self, word: Option<&str>, double: bool) -> Result<String, Flow> {
        let mut out = Vec::new();
        self.word_in(word, double, &mut out)?;
        Ok(joined(&out))
    }

    fn cut(
        &mut self,
        parameter: &Parameter,
        indirect: bool,
        pattern: Option<&str>,
        keep: impl Fn(&Pattern, &str) -> (usize, usize),
    ) -> Result<Said, Flow> {
        let said = self.said(parameter, indirect)?;
        self.must(&said)?;
        let pattern = self.pattern(pattern.unwrap_or_default())?;
        let pattern = Pattern::new(&pattern);
        Ok(each(said, |text| {
            let (from, to) = keep(&pattern, text);
            text.get(from..to).unwrap_or_default().to_owned()
        }))
    }

    fn slice(&mut self, parameter: &Parameter, indirect: bool, offset: i64, length: Option<i64>) -> Result<Said, Flow> {
        let mut said = self.said(parameter, indirect)?;
        self.must(&said)?;
        let Some(values) = said.values.take() else { return Ok(said) };
        if said.kind == Kind::One {
            let all: Vec<char> = values.first().map(|one| one.chars().collect()).unwrap_or_default();
            let Some((from, to)) = bounds(all.len(), offset, length) else {
                return self.fail(format!("{}: substring expression < 0", length.unwrap_or_default()));
            };
            said.values = Some(vec![all[from..to].iter().collect()]);
            return Ok(said);
        }
        // `${@:1}` counts from $0 on.
        let mut all = values;
        if said.name == "@" {
            all.insert(0, self.name.clone());
        }
        if length.is_some_and(|length| length < 0) {
            return self.fail(format!("{}: substring expression < 0", length.unwrap_or_default()));
        }
        let (from, to) = bounds(all.len(), offset, length).unwrap_or((0, 0));
        let part = all[from..to].to_vec();
        said.values = (!part.is_empty()).then_some(part);
        Ok(said)
    }

    fn replaced(
        &mut self,
        parameter: &Parameter,
        indirect: bool,
        pattern: &str,
        by: Option<&str>,
        kind: &SubstringMatchKind,
    ) -> Result<Said, Flow> {
        let said = self.said(parameter, indirect)?;
        self.must(&said)?;
        let pattern = self.pattern(pattern)?;
        let segs = self.segs(by.unwrap_or_default(), false)?;
        let (before, behind) = match kind {
            SubstringMatchKind::Prefix => ("^", ""),
            SubstringMatchKind::Suffix => ("", "$"),
            _ => ("", ""),
        };
        let Some(finder) = Pattern::new(&pattern).finder(before, behind).filter(|_| !pattern.is_empty()) else {
            return Ok(said);
        };
        let limit = usize::from(!matches!(kind, SubstringMatchKind::Anywhere));
        // Outside of quotes `&` is what was found.
        let by = |found: &regex::Captures<'_>| -> String {
            let one = |seg: &Seg| match seg {
                Seg::Text(text, false) | Seg::Split(text) => text.replace('&', &found[0]),
                Seg::Text(text, true) => text.clone(),
                Seg::Next => " ".to_owned(),
            };
            segs.iter().map(one).collect()
        };
        Ok(each(said, |text| finder.replacen(text, limit, by).into_owned()))
    }

    fn cased(
        &mut self,
        parameter: &Parameter,
        indirect: bool,
        pattern: Option<&str>,
        up: bool,
        first: bool,
    ) -> Result<Said, Flow> {
        let said = self.said(parameter, indirect)?;
        self.must(&said)?;
        let pattern = self.pattern(pattern.unwrap_or("?"))?;
        let pattern = Pattern::new(if pattern.is_empty() { "?" } else { &pattern });
        Ok(each(said, |text| {
            let mut out = String::new();
            for (index, one) in text.chars().enumerate() {
                if (first && index > 0) || !pattern.matches(&one.to_string()) {
                    out.push(one);
                } else if up {
                    out.extend(one.to_uppercase());
                } else {
                    out.extend(one.to_lowercase());
                }
            }
            out
        }))
    }

    /// Whether `-v` holds.
    pub(super) fn is_set(&mut self, name: &str) -> bool {
        match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((name, "@" | "*")) => !self.all(name).is_empty(),
            Some((name, key)) => self.get_at(name, key).is_some(),
            None => match self.vars.get(name).map(|var| &var.value) {
                Some(Value::Map(_) | Value::List(_)) => self.get_at(name, "0").is_some(),
                _ => self.get(name).is_some(),
            },
        }
    }
}

fn many(joined: bool) -> Kind {
    if joined { Kind::Joined } else { Kind::Each }
}

fn each(said: Said, change: impl Fn(&str) -> String) -> Said {
    let values = said.values.map(|values| values.iter().map(|value| change(value)).collect());
    Said { values, ..said }
}

fn is_missing(said: &Said, test: &ParameterTestType) -> bool {
    match (&said.values, test) {
        (None, _) => true,
        (Some(_), ParameterTestType::Unset) => false,
        (Some(values), ParameterTestType::UnsetOrNull) => values.iter().all(String::is_empty) && values.len() < 2,
    }
}

/// From and to, of so many; `None`: the end is before the beginning.
fn bounds(count: usize, offset: i64, length: Option<i64>) -> Option<(usize, usize)> {
    let count = count as i64;
    let from = if offset < 0 { count.saturating_add(offset) } else { offset };
    if from < 0 || from > count {
        return Some((0, 0));
    }
    let to = match length {
        None => count,
        Some(length) if length < 0 => count.saturating_add(length),
        Some(length) => from.saturating_add(length).min(count),
    };
    (to >= from).then_some((from as usize, to as usize))
}
