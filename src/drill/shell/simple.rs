//! Simple commands: their words, and what is assigned before them.

use super::escapes;
use super::state::{Flow, Outcome, Shell, Value, Var};
use brush_parser::ast::{self, CommandPrefixOrSuffixItem as Item, SourceLocation};
use std::collections::BTreeMap;

/// Commands that take assignments behind their name.
const DECLARE: [&str; 5] = ["local", "export", "declare", "readonly", "typeset"];

impl Shell<'_> {
    pub(super) fn simple(&mut self, simple: &ast::SimpleCommand) -> Outcome {
        if let Some(at) = simple.location() {
            self.line = at.start.line;
        }
        self.substituted = None;
        let prefix = simple.prefix.as_ref().map_or(&[][..], |items| &items.0);
        let suffix = simple.suffix.as_ref().map_or(&[][..], |items| &items.0);
        let mut words = match &simple.word_or_name {
            Some(name) => self.words([name.value.as_str()])?,
            None => Vec::new(),
        };
        let declares = words.first().is_some_and(|name| DECLARE.contains(&name.as_str()));
        let declared = self.arguments(suffix, declares, &mut words)?;
        let assignments: Vec<&ast::Assignment> = prefix
            .iter()
            .filter_map(|item| if let Item::AssignmentWord(one, _) = item { Some(one) } else { None })
            .collect();
        let redirects = prefix
            .iter()
            .chain(suffix)
            .filter_map(|item| if let Item::IoRedirect(one) = item { Some(one) } else { None });
        if words.is_empty() {
            return self.assigned(&assignments, redirects);
        }
        if words[0] == "exec" {
            return self.exec(&words[1..], redirects);
        }
        let kept = self.kept(&assignments)?;
        self.trace(&words);
        let came = self.redirected(Some(redirects), |shell| {
            if declares { shell.declare(&words, &declared) } else { shell.call(&words) }
        });
        self.put_back(kept);
        came
    }

    /// Puts what stands behind a command's name to its words; what it is to declare is given back.
    fn arguments<'t>(
        &mut self,
        suffix: &'t [Item],
        declares: bool,
        words: &mut Vec<String>,
    ) -> Result<Vec<&'t ast::Assignment>, Flow> {
        let mut declared = Vec::new();
        for item in suffix {
            match item {
                Item::AssignmentWord(assignment, _) if declares => declared.push(assignment),
                Item::Word(word) | Item::AssignmentWord(_, word) => words.extend(self.words([word.value.as_str()])?),
                Item::ProcessSubstitution(kind, body) => words.push(self.process(kind, body)?),
                Item::IoRedirect(_) => {}
            }
        }
        Ok(declared)
    }

    /// Nothing but `a=b` and redirections.
    fn assigned<'t>(
        &mut self,
        assignments: &[&ast::Assignment],
        redirects: impl Iterator<Item = &'t ast::IoRedirect>,
    ) -> Outcome {
        for assignment in assignments {
            self.assign(assignment)?;
        }
        let status = self.substituted.take().unwrap_or(0);
        self.redirected(Some(redirects), |_| Ok(status))
    }

    /// Sets what stands before a command, and gives what was there before.
    fn kept(&mut self, assignments: &[&ast::Assignment]) -> Result<BTreeMap<String, Option<Var>>, Flow> {
        let mut kept = BTreeMap::new();
        for assignment in assignments {
            let (ast::AssignmentName::VariableName(name) | ast::AssignmentName::ArrayElementName(name, _)) =
                &assignment.name;
            kept.entry(name.clone()).or_insert_with(|| self.vars.get(name).cloned());
            self.assign(assignment)?;
            if let Some(var) = self.vars.get_mut(name) {
                var.exported = true;
            }
        }
        Ok(kept)
    }

    fn put_back(&mut self, kept: BTreeMap<String, Option<Var>>) {
        for (name, var) in kept {
            match var {
                Some(var) => drop(self.vars.insert(name, var)),
                None => drop(self.vars.remove(&name)),
            }
        }
    }

    fn trace(&mut self, words: &[String]) {
        if self.options.xtrace {
            let line: Vec<String> = words.iter().map(|word| escapes::spare(word)).collect();
            self.say(&format!("+ {}\n", line.join(" ")));
        }
    }

    /// `a=b`, `a+=b`, `a[1]=b`, `a=(b c)`
    pub(super) fn assign(&mut self, assignment: &ast::Assignment) -> Result<(), Flow> {
        let came = match (&assignment.name, &assignment.value) {
            (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Scalar(word)) => {
                let text = self.text(&word.value)?;
                self.trace(&[format!("{name}={text}")]);
                self.assign_text(name, text, assignment.append)
            }
            (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Array(items)) => {
                self.assign_all(name, items, assignment.append)?
            }
            (ast::AssignmentName::ArrayElementName(name, index), ast::AssignmentValue::Scalar(word)) => {
                let text = self.text(&word.value)?;
                let key = self.text(index)?;
                let before =
                    if assignment.append { self.get_at(name, &key).unwrap_or_default() } else { String::new() };
                self.set_at(name, &key, before + &text)
            }
            _ => Err("cannot assign list to array member".to_owned()),
        };
        came.or_else(|why| self.fail(why))
    }

    fn assign_text(&mut self, name: &str, text: String, append: bool) -> Result<(), String> {
        if !append {
            return self.set(name, text);
        }
        let before = self.get(name).unwrap_or_default();
        if self.vars.get(name).is_some_and(|var| var.integer) {
            return self.set(name, format!("{before}+({text})"));
        }
        self.set(name, before + &text)
    }

    fn assign_all(
        &mut self,
        name: &str,
        items: &[(Option<ast::Word>, ast::Word)],
        append: bool,
    ) -> Result<Result<(), String>, Flow> {
        let mut value = match self.vars.get(name).map(|var| &var.value) {
            Some(Value::Map(_)) if !append => Value::Map(BTreeMap::new()),
            Some(value @ (Value::Map(_) | Value::List(_))) if append => value.clone(),
            Some(Value::Text(text)) if append => Value::List(BTreeMap::from([(0, text.clone())])),
            _ => Value::List(BTreeMap::new()),
        };
        for (key, word) in items {
            if let Err(why) = self.add_item(&mut value, key.as_ref(), word)? {
                return Ok(Err(format!("{name}: {why}")));
            }
        }
        Ok(self.set_value(name, value))
    }

    /// One of the words in `a=(…)`.
    fn add_item(
        &mut self,
        value: &mut Value,
        key: Option<&ast::Word>,
        word: &ast::Word,
    ) -> Result<Result<(), String>, Flow> {
        match (value, key) {
            (Value::Map(map), Some(key)) => {
                let key = self.text(&key.value)?;
                map.insert(key, self.text(&word.value)?);
            }
            (Value::Map(_), None) => {
                return Ok(Err(format!("{}: must use subscript when assigning associative array", word.value)));
            }
            (Value::List(list), Some(key)) => {
                let key = self.number(&key.value)?;
                list.insert(key, self.text(&word.value)?);
            }
            (Value::List(list), None) => {
                for text in self.words([word.value.as_str()])? {
                    let next = list.last_key_value().map_or(0, |(last, _)| last + 1);
                    list.insert(next, text);
                }
            }
            _ => {}
        }
        Ok(Ok(()))
    }
}
