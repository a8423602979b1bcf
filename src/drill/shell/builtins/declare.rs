//! `declare`, `local`, `export`, `readonly`, `unset`.

use super::super::state::{Outcome, Shell, Value, Var};
use super::super::vars::is_name;
use brush_parser::ast;
use std::collections::BTreeMap;
use std::fmt::Display;

impl Shell<'_> {
    /// All of them: `words` are the name, the flags and what has no value or one that came out of an expansion; `assignments` are the rest.
    pub(in super::super) fn declare(&mut self, words: &[String], assignments: &[&ast::Assignment]) -> Outcome {
        let mut flags = String::new();
        let mut names = Vec::new();
        for word in &words[1..] {
            match word.strip_prefix('-').or_else(|| word.strip_prefix('+')) {
                Some("-") => {}
                Some(more) if names.is_empty() => flags.push_str(more),
                _ => names.push(word.as_str()),
            }
        }
        let what = words[0].as_str();
        if let Some(odd) = flags.chars().find(|flag| !"aAxrigpfF".contains(*flag)) {
            self.complain(format!("{what}: -{odd}: this drill does not know this option"));
            return Ok(2);
        }
        if what == "local" && self.hidden.is_empty() {
            self.complain("local: can only be used in a function");
            return Ok(1);
        }
        if flags.contains(['p', 'f', 'F']) || (names.is_empty() && assignments.is_empty()) {
            return self.listed(what, &flags, &names);
        }
        self.substituted = None;
        let local = what == "local"
            || (matches!(what, "declare" | "typeset") && !self.hidden.is_empty() && !flags.contains('g'));
        for name in names {
            if let Err(why) = self.declare_word(name, words, &flags, local) {
                self.complain(why);
                return Ok(1);
            }
        }
        for assignment in assignments {
            let (ast::AssignmentName::VariableName(name) | ast::AssignmentName::ArrayElementName(name, _)) =
                &assignment.name;
            self.prepare(name, &flags, local);
            self.assign(assignment)?;
            self.mark(name, what, &flags, words);
        }
        Ok(0)
    }

    /// A word that came out of an expansion: `a`, `a=b`, `a+=b`.
    fn declare_word(&mut self, word: &str, words: &[String], flags: &str, local: bool) -> Result<(), String> {
        let what = words[0].as_str();
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let (name, append) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        if !is_name(name) {
            return Err(format!("{what}: `{name}': not a valid identifier"));
        }
        self.prepare(name, flags, local);
        if let Some(value) = value {
            let before = if append { self.get(name).unwrap_or_default() } else { String::new() };
            self.set(name, before + value)?;
        }
        self.mark(name, what, flags, words);
        Ok(())
    }

    fn prepare(&mut self, name: &str, flags: &str, local: bool) {
        let before = self.vars.get(name).cloned();
        if local
            && let Some(hidden) = self.hidden.last_mut()
            && !hidden.contains_key(name)
        {
            hidden.insert(name.to_owned(), before.clone());
            self.vars.remove(name);
        }
        let exported = before.is_some_and(|var| var.exported);
        let var = self.vars.entry(name.to_owned()).or_insert_with(|| Var { exported, ..Var::new(Value::Nothing) });
        var.integer |= flags.contains('i');
        match &var.value {
            Value::Nothing if flags.contains('A') => var.value = Value::Map(BTreeMap::new()),
            Value::Nothing if flags.contains('a') => var.value = Value::List(BTreeMap::new()),
            _ => {}
        }
    }

    fn mark(&mut self, name: &str, what: &str, flags: &str, words: &[String]) {
        let off = words.iter().any(|word| word.starts_with("+x"));
        if let Some(var) = self.vars.get_mut(name) {
            var.exported = (var.exported || what == "export" || flags.contains('x'))
                && !off
                && !(what == "export" && flags.contains('n'));
            var.readonly |= what == "readonly" || flags.contains('r');
        }
    }

    fn listed(&mut self, what: &str, flags: &str, names: &[&str]) -> Outcome {
        if flags.contains(['f', 'F']) {
            let (there, missing): (Vec<&str>, Vec<&str>) =
                names.iter().copied().partition(|name| self.functions.contains_key(*name));
            self.out(there.iter().map(|name| format!("{name}\n")).collect::<String>())?;
            return Ok(i32::from(!missing.is_empty()));
        }
        let all: Vec<String> = if names.is_empty() {
            self.vars.keys().cloned().collect()
        } else {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let mut status = 0;
        for name in all {
            let Some(var) = self.vars.get(&name) else {
                self.complain(format!("{what}: {name}: not found"));
                status = 1;
                continue;
            };
            if names.is_empty() && what == "export" && !var.exported {
                continue;
            }
            let line = declared(&name, var);
            self.out(line)?;
        }
        Ok(status)
    }
}

/// The command that makes a variable what it is.
fn declared(name: &str, var: &Var) -> String {
    let quote = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
        format!("\"{text}\"")
    };
    let (kind, value) = match &var.value {
        Value::Text(text) => ("", format!("={}", quote(text))),
        Value::List(list) => ("a", format!("=({})", pairs(list, quote))),
        Value::Map(map) => ("A", format!("=({} )", pairs(map, quote))),
        Value::Nothing => ("", String::new()),
    };
    let marks = [(var.integer, "i"), (var.readonly, "r"), (var.exported, "x")];
    let marks: String = marks.into_iter().filter_map(|(holds, mark)| holds.then_some(mark)).collect();
    let none = if kind.is_empty() && marks.is_empty() { "-" } else { "" };
    format!("declare -{none}{kind}{marks} {name}{value}\n")
}

fn pairs<K: Display>(all: &BTreeMap<K, String>, quote: impl Fn(&str) -> String) -> String {
    let each: Vec<String> = all.iter().map(|(key, text)| format!("[{key}]={}", quote(text))).collect();
    each.join(" ")
}

#[expect(clippy::unnecessary_wraps, reason = "all builtins have one signature")]
pub(super) fn unset(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (flags, names): (Vec<&String>, Vec<&String>) = words[1..].iter().partition(|word| word.starts_with('-'));
    let (functions, variables) = (flags.iter().any(|flag| *flag == "-f"), flags.iter().any(|flag| *flag == "-v"));
    for name in names {
        if functions || (!variables && !shell.vars.contains_key(name) && shell.functions.contains_key(name)) {
            shell.functions.remove(name);
        } else if let Err(why) = shell.unset(name) {
            shell.complain(format!("unset: {why}"));
            return Ok(1);
        }
    }
    Ok(0)
}
