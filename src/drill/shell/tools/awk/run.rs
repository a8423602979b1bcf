//! Running an awk program.

use super::super::super::state::OUTPUT;
use super::super::lines;
use super::read::{Expr, Program, Statement, When};
use super::value::Value;
use regex::Regex;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

/// So many steps one call may take.
const STEPS: u32 = if cfg!(test) { 100_000 } else { 3_000_000 };
/// No line has more fields.
pub(super) const FIELDS: usize = 100_000;

/// A file's name, whether it is written behind what is there, and what.
type Written = (String, bool, Vec<u8>);
pub(super) type List = Rc<RefCell<BTreeMap<String, Value>>>;

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Cell {
    Value(Value),
    List(List),
}

/// Why a statement is not followed by the next.
#[derive(Debug)]
pub(super) enum Ends {
    Break,
    Continue,
    Next,
    Exit(i32),
    Return(Value),
}

type Came = Result<Option<Ends>, String>;

pub(super) struct Awk<'p> {
    pub(super) program: &'p Program,
    globals: BTreeMap<String, Cell>,
    pub(super) frames: Vec<BTreeMap<String, Cell>>,
    pub(super) line: String,
    pub(super) fields: Vec<Value>,
    ranges: Vec<bool>,
    pub(super) regexes: BTreeMap<String, Regex>,
    out: Vec<u8>,
    files: Vec<Written>,
    pub(super) steps: u32,
    pub(super) chance: u64,
}

impl<'p> Awk<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        let mut awk = Self {
            program,
            globals: BTreeMap::new(),
            frames: Vec::new(),
            line: String::new(),
            fields: Vec::new(),
            ranges: vec![false; program.ranges],
            regexes: BTreeMap::new(),
            out: Vec::new(),
            files: Vec::new(),
            steps: 0,
            chance: 1,
        };
        for (name, text) in [
            ("FS", " "),
            ("OFS", " "),
            ("ORS", "\n"),
            ("RS", "\n"),
            ("SUBSEP", "\u{1c}"),
            ("FILENAME", ""),
            ("CONVFMT", "%.6g"),
            ("OFMT", "%.6g"),
        ] {
            awk.set(name, Value::Text(text.to_owned()));
        }
        for name in ["NR", "NF", "FNR", "RSTART"] {
            awk.set(name, Value::Number(0.0));
        }
        awk.set("RLENGTH", Value::Number(-1.0));
        awk
    }

    pub(super) fn environment(&mut self, all: &BTreeMap<String, String>) {
        let list = all.iter().map(|(name, text)| (name.clone(), Value::given(text))).collect();
        self.globals.insert("ENVIRON".to_owned(), Cell::List(Rc::new(RefCell::new(list))));
    }

    /// What was printed, and to which files.
    pub(super) fn written(&mut self) -> (Vec<u8>, Vec<Written>) {
        (std::mem::take(&mut self.out), std::mem::take(&mut self.files))
    }

    pub(super) fn begin(&mut self) -> Came {
        self.rules(|when| matches!(when, When::Begin))
    }

    pub(super) fn end(&mut self, over: Option<Ends>) -> Came {
        // `exit` goes on with END, and from there with nothing.
        let came = self.rules(|when| matches!(when, When::End))?;
        Ok(match came {
            Some(Ends::Exit(code)) => Some(Ends::Exit(code)),
            _ => over,
        })
    }

    /// Whether there is anything to do with lines.
    pub(super) fn reads(&self) -> bool {
        self.program.rules.iter().any(|(when, _)| !matches!(when, When::Begin))
    }

    fn rules(&mut self, wanted: impl Fn(&When) -> bool) -> Came {
        let program = self.program;
        for (_, body) in program.rules.iter().filter(|(when, _)| wanted(when)) {
            if let Some(body) = body
                && let Some(ends) = self.run(body)?
            {
                return Ok(Some(ends));
            }
        }
        Ok(None)
    }

    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Came {
        self.set("FILENAME", Value::Text(name.to_owned()));
        self.set("FNR", Value::Number(0.0));
        let separator = self.value("RS").text();
        let records: Vec<String> = match separator.as_str() {
            "\n" => lines(bytes),
            "" => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let blank = self.regex("\n\n+")?;
                blank.split(text.trim_matches('\n')).filter(|record| !record.is_empty()).map(str::to_owned).collect()
            }
            other => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let text = text.strip_suffix(other).unwrap_or(&text);
                text.split(other).map(str::to_owned).collect()
            }
        };
        for record in records {
            let number = |awk: &mut Self, name: &str| {
                let next = awk.value(name).number() + 1.0;
                awk.set(name, Value::Number(next));
            };
            number(self, "NR");
            number(self, "FNR");
            self.record(record)?;
            if let Some(Ends::Exit(code)) = self.line()? {
                return Ok(Some(Ends::Exit(code)));
            }
        }
        Ok(None)
    }

    pub(super) fn record(&mut self, record: String) -> Result<(), String> {
        let separator = self.value("FS").text();
        self.fields = self.split(&record, &separator)?.iter().map(|field| Value::given(field)).collect();
        self.line = record;
        let count = self.fields.len() as f64;
        self.set_plain("NF", Value::Number(count));
        Ok(())
    }

    /// All rules for the line that was read.
    fn line(&mut self) -> Came {
        let program = self.program;
        for (when, body) in &program.rules {
            let matches = match when {
                When::Begin | When::End => false,
                When::Always => true,
                When::If(condition) => self.truth(condition)?,
                When::Range(from, to, number) => {
                    let open = self.ranges[*number] || self.truth(from)?;
                    self.ranges[*number] = open && !self.truth(to)?;
                    open
                }
            };
            if !matches {
                continue;
            }
            let came = match body {
                Some(body) => self.run(body)?,
                None => {
                    let text = self.line.clone() + &self.value("ORS").text();
                    self.print(&text, None)?;
                    None
                }
            };
            match came {
                Some(Ends::Next) => return Ok(None),
                Some(Ends::Exit(code)) => return Ok(Some(Ends::Exit(code))),
                _ => {}
            }
        }
        Ok(None)
    }

    pub(super) fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        if self.steps > STEPS { Err("more than this drill does in one call".to_owned()) } else { Ok(()) }
    }

    fn print(&mut self, text: &str, to: Option<(bool, String)>) -> Result<(), String> {
        let all: usize = self.files.iter().map(|(_, _, bytes)| bytes.len()).sum();
        if self.out.len() + all + text.len() > OUTPUT {
            return Err("more output than this drill takes".to_owned());
        }
        match to {
            None => self.out.extend(text.as_bytes()),
            Some((_, path)) if path == "/dev/stdout" || path == "-" => self.out.extend(text.as_bytes()),
            Some((behind, path)) => match self.files.iter_mut().find(|(known, ..)| *known == path) {
                Some((_, _, bytes)) => bytes.extend(text.as_bytes()),
                None => self.files.push((path, behind, text.as_bytes().to_vec())),
            },
        }
        Ok(())
    }

    pub(super) fn run(&mut self, statement: &Statement) -> Came {
        self.step()?;
        match statement {
            Statement::Expr(expr) => self.eval(expr).map(|_| None),
            Statement::Print(words, to) => self.print_words(words, to.as_ref()).map(|()| None),
            Statement::Printf(words, to) => self.print_formatted(words, to.as_ref()).map(|()| None),
            Statement::Block(all) => self.block(all),
            Statement::If(condition, then, other) => match (self.truth(condition)?, other) {
                (true, _) => self.run(then),
                (false, Some(other)) => self.run(other),
                (false, None) => Ok(None),
            },
            Statement::While(condition, body) => self.rounds(Some(condition), None, body),
            Statement::Do(body, condition) => self.repeat(body, condition),
            Statement::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.run(first)?;
                }
                self.rounds(condition.as_ref(), step.as_deref(), body)
            }
            Statement::Each(name, list, body) => self.each(name, list, body),
            Statement::Delete(name, index) => self.delete(name, index.as_deref()).map(|()| None),
            leaves => self.leave(leaves),
        }
    }

    fn print_words(&mut self, words: &[Expr], to: Option<&(bool, Expr)>) -> Result<(), String> {
        let texts: Result<Vec<String>, String> =
            words.iter().map(|word| self.eval(word).map(|value| value.text())).collect();
        let text = if words.is_empty() { self.line.clone() } else { texts?.join(&self.value("OFS").text()) };
        let text = text + &self.value("ORS").text();
        self.put(&text, to)
    }

    fn print_formatted(&mut self, words: &[Expr], to: Option<&(bool, Expr)>) -> Result<(), String> {
        let values: Result<Vec<Value>, String> = words.iter().map(|word| self.eval(word)).collect();
        let text = super::builtin::printed(&values?)?;
        self.put(&text, to)
    }

    fn block(&mut self, all: &[Statement]) -> Came {
        for one in all {
            if let Some(ends) = self.run(one)? {
                return Ok(Some(ends));
            }
        }
        Ok(None)
    }

    /// As long as the condition holds, or for ever; `step` stands behind each round.
    fn rounds(&mut self, condition: Option<&Expr>, step: Option<&Statement>, body: &Statement) -> Came {
        while condition.map_or(Ok(true), |condition| self.truth(condition))? {
            if let ControlFlow::Break(ends) = self.turn(body)? {
                return Ok(ends);
            }
            if let Some(step) = step {
                self.run(step)?;
            }
        }
        Ok(None)
    }

    /// Once, and again as long as the condition holds.
    fn repeat(&mut self, body: &Statement, condition: &Expr) -> Came {
        loop {
            if let ControlFlow::Break(ends) = self.turn(body)? {
                return Ok(ends);
            }
            if !self.truth(condition)? {
                return Ok(None);
            }
        }
    }

    /// For each index that the list had when it began.
    fn each(&mut self, name: &str, list: &str, body: &Statement) -> Came {
        let keys: Vec<String> = self.list(list)?.borrow().keys().cloned().collect();
        for key in keys {
            self.set(name, Value::given(&key));
            if let ControlFlow::Break(ends) = self.turn(body)? {
                return Ok(ends);
            }
        }
        Ok(None)
    }

    /// An element, or all.
    fn delete(&mut self, name: &str, index: Option<&[Expr]>) -> Result<(), String> {
        let list = self.list(name)?;
        match index {
            Some(index) => {
                let key = self.key(index)?;
                list.borrow_mut().remove(&key);
            }
            None => list.borrow_mut().clear(),
        }
        Ok(())
    }

    /// What ends a loop, a line, a function or all.
    fn leave(&mut self, statement: &Statement) -> Came {
        let mut value = |of: &Option<Expr>| of.as_ref().map(|of| self.eval(of)).transpose();
        Ok(match statement {
            Statement::Break => Some(Ends::Break),
            Statement::Continue => Some(Ends::Continue),
            Statement::Next => Some(Ends::Next),
            Statement::Exit(code) => Some(Ends::Exit(value(code)?.map_or(0, |code| code.number() as i32 & 255))),
            Statement::Return(of) => Some(Ends::Return(value(of)?.unwrap_or(Value::Nothing))),
            _ => None,
        })
    }

    /// One round of a loop: whether the loop is over, and why.
    fn turn(&mut self, body: &Statement) -> Result<ControlFlow<Option<Ends>>, String> {
        self.step()?;
        Ok(match self.run(body)? {
            None | Some(Ends::Continue) => ControlFlow::Continue(()),
            Some(Ends::Break) => ControlFlow::Break(None),
            other => ControlFlow::Break(other),
        })
    }

    fn put(&mut self, text: &str, to: Option<&(bool, Expr)>) -> Result<(), String> {
        let to = to.map(|(behind, path)| self.eval(path).map(|path| (*behind, path.text()))).transpose()?;
        self.print(text, to)
    }

    pub(super) fn truth(&mut self, expr: &Expr) -> Result<bool, String> {
        Ok(self.eval(expr)?.holds())
    }

    pub(super) fn regex(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(regex) = self.regexes.get(text) {
            return Ok(regex.clone());
        }
        let regex = super::super::regex::extended(text, false).map_err(|why| format!("{text}: {why}"))?;
        if self.regexes.len() < 500 {
            self.regexes.insert(text.to_owned(), regex.clone());
        }
        Ok(regex)
    }

    /// An expression as a regular expression.
    pub(super) fn pattern(&mut self, expr: &Expr) -> Result<Regex, String> {
        let text = match expr {
            Expr::Regex(text) => text.clone(),
            other => self.eval(other)?.text(),
        };
        self.regex(&text)
    }

    pub(super) fn split(&mut self, text: &str, separator: &str) -> Result<Vec<String>, String> {
        let mut characters = separator.chars();
        let all: Vec<String> = match (characters.next(), characters.next()) {
            (Some(' '), None) => text.split_whitespace().map(str::to_owned).collect(),
            _ if text.is_empty() => Vec::new(),
            (None, _) => text.chars().map(String::from).collect(),
            (Some(one), None) if one != '\\' => text.split(one).map(str::to_owned).collect(),
            _ => self.regex(separator)?.split(text).map(str::to_owned).collect(),
        };
        if all.len() > FIELDS { Err("more fields than this drill takes".to_owned()) } else { Ok(all) }
    }

    pub(super) fn cell(&mut self, name: &str) -> Option<&mut Cell> {
        if let Some(frame) = self.frames.last_mut()
            && frame.contains_key(name)
        {
            return frame.get_mut(name);
        }
        self.globals.get_mut(name)
    }

    pub(super) fn value(&mut self, name: &str) -> Value {
        match self.cell(name) {
            Some(Cell::Value(value)) => value.clone(),
            _ => Value::Nothing,
        }
    }

    pub(super) fn set_plain(&mut self, name: &str, value: Value) {
        match self.cell(name) {
            Some(cell) => *cell = Cell::Value(value),
            None => drop(self.globals.insert(name.to_owned(), Cell::Value(value))),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        if name == "NF" {
            let count = (value.number().max(0.0) as usize).min(FIELDS);
            self.fields.resize(count, Value::Nothing);
            self.joined();
        }
        self.set_plain(name, value);
    }

    /// The list of a name; it is one from now on.
    pub(super) fn list(&mut self, name: &str) -> Result<List, String> {
        if let Some(cell) = self.cell(name) {
            return match cell {
                Cell::List(list) => Ok(list.clone()),
                Cell::Value(Value::Nothing) => {
                    let list = List::default();
                    *cell = Cell::List(list.clone());
                    Ok(list)
                }
                Cell::Value(_) => Err(format!("{name} is no list")),
            };
        }
        let list = List::default();
        self.globals.insert(name.to_owned(), Cell::List(list.clone()));
        Ok(list)
    }

    pub(super) fn key(&mut self, index: &[Expr]) -> Result<String, String> {
        let texts: Result<Vec<String>, String> =
            index.iter().map(|one| self.eval(one).map(|value| value.text())).collect();
        Ok(texts?.join(&self.value("SUBSEP").text()))
    }

    /// Makes the line anew of its fields.
    pub(super) fn joined(&mut self) {
        let between = self.value("OFS").text();
        self.line = self.fields.iter().map(Value::text).collect::<Vec<_>>().join(&between);
    }

    pub(super) fn field(&mut self, index: &Expr) -> Result<usize, String> {
        let number = self.eval(index)?.number();
        if (0.0..=FIELDS as f64).contains(&number) {
            Ok(number as usize)
        } else {
            Err(format!("there is no field {number}"))
        }
    }

    /// The line that was read.
    pub(super) fn whole(&self) -> &str {
        &self.line
    }
}
