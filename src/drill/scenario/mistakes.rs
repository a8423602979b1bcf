//! All that is wrong with the file of a scenario, told at once, each at its line.
//!
//! TOML's reader stops at the first thing that it does not take. That is taken out of what was read, and the rest is read again, until all of it
//! is taken. What lacks something only because that was taken out goes without a word: it is no mistake of its own.

use super::Scenario;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where the file says so: its byte. `None`: nowhere, since something is lacking.
    pub at: Option<usize>,
    /// What, and how to mend it.
    pub why: String,
}

impl Mistake {
    pub(super) fn new(at: usize, why: impl Into<String>) -> Self {
        Self { at: Some(at), why: why.into() }
    }

    pub(super) fn of_all(why: impl Into<String>) -> Self {
        Self { at: None, why: why.into() }
    }

    fn of(error: &Error) -> Self {
        Self { at: error.span().map(|span| span.start), why: error.message().to_owned() }
    }

    fn told(&self, page: &str) -> String {
        let Some(at) = self.at else { return self.why.clone() };
        let number = page[..at].matches('\n').count();
        let line = page.lines().nth(number).unwrap_or_default().trim();
        format!("line {}: {}\n  {line}", number + 1, self.why)
    }
}

/// All of them, in the order of the page.
pub(super) fn told(page: &str, mut mistakes: Vec<Mistake>) -> String {
    mistakes.sort();
    let all: Vec<String> = mistakes.iter().map(|one| one.told(page)).collect();
    let head = if all.len() > 1 { format!("{} mistakes:\n", all.len()) } else { String::new() };
    head + &all.join("\n")
}

/// What could be read of a page, if anything, and what is wrong with the rest.
pub(super) fn read(page: &str) -> (Option<Scenario>, Vec<Mistake>) {
    let (mut table, unreadable) = DeTable::parse_recoverable(page);
    if !unreadable.is_empty() {
        return (None, unreadable.iter().map(Mistake::of).collect());
    }
    let mut mistakes = lacking(table.get_ref());
    // Tables that something was taken out of, by where they begin.
    let mut holes = BTreeSet::new();
    loop {
        let why = match Scenario::deserialize(Deserializer::from(table.clone())) {
            Ok(scenario) => return (Some(Scenario { page: page.to_owned(), ..scenario }), mistakes),
            Err(why) => Mistake::of(&why),
        };
        let taken = why.at.and_then(|at| take_out(table.get_mut(), None, at));
        let is_own = taken.as_ref().is_none_or(|taken| !holes.contains(&taken.what)) && !mistakes.contains(&why);
        mistakes.extend(is_own.then_some(why));
        match taken {
            Some(taken) => holes.extend(taken.of),
            None => return (None, mistakes),
        }
    }
}

/// What every scenario has, and this one has not.
fn lacking(table: &DeTable<'_>) -> Vec<Mistake> {
    let needed = [("title", "one line: what the list shows"), ("brief", "what is known at the start")];
    let absent = needed.iter().filter(|(key, _)| table.get(*key).is_none());
    absent.map(|(key, what)| Mistake::of_all(format!("it has no `{key}` ({what})"))).collect()
}

/// What was taken out, and the table that it was taken out of: each by where it begins.
struct Taken {
    what: usize,
    of: Option<usize>,
}

/// Takes the innermost thing that stands at that place, by its key or its value, out of a table, which begins at `own`.
fn take_out(table: &mut DeTable<'_>, own: Option<usize>, at: usize) -> Option<Taken> {
    if let Some(taken) = table.iter_mut().find_map(|(_, value)| take_out_of(value, at)) {
        return Some(taken);
    }
    let stands = |(key, value): &(&Spanned<_>, &Spanned<_>)| key.span().contains(&at) || value.span().contains(&at);
    let key = table.iter().find(stands).map(|(key, _)| key.get_ref().clone())?;
    table.remove(key.as_ref()).map(|value: Spanned<DeValue<'_>>| Taken { what: value.span().start, of: own })
}

fn take_out_of(value: &mut Spanned<DeValue<'_>>, at: usize) -> Option<Taken> {
    let own = value.span().start;
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, Some(own), at),
        DeValue::Array(all) => take_out_of_array(all, at),
        _ => None,
    }
}

fn take_out_of_array(all: &mut DeArray<'_>, at: usize) -> Option<Taken> {
    if let Some(taken) = all.iter_mut().find_map(|one| take_out_of(one, at)) {
        return Some(taken);
    }
    let which = all.iter().position(|one| one.span().contains(&at))?;
    let what = all[which].span().start;
    let rest = all.iter().enumerate().filter(|(index, _)| *index != which);
    let mut left = DeArray::new();
    rest.for_each(|(_, one)| left.push(one.clone()));
    *all = left;
    Some(Taken { what, of: None })
}
