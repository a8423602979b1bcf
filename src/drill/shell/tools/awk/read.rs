//! An awk program, as it is read.

use super::lex::{Token, tokens};
use std::collections::BTreeMap;
use std::rc::Rc;

/// So deep expressions and blocks may be within each other.
const DEPTH: usize = 60;

#[derive(Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Regex(String),
    Var(String),
    Item(String, Vec<Expr>),
    Field(Box<Expr>),
    Assign(Box<Expr>, Box<Expr>),
    Change(&'static str, Box<Expr>, Box<Expr>),
    Step(Box<Expr>, f64, bool),
    Two(&'static str, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Plus(Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    In(Vec<Expr>, String),
    Call(String, Vec<Expr>),
    /// `(a, b)`, before `in`.
    Many(Vec<Expr>),
}

#[derive(Debug)]
pub(super) enum Statement {
    Expr(Expr),
    Print(Vec<Expr>, Option<(bool, Expr)>),
    Printf(Vec<Expr>, Option<(bool, Expr)>),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    While(Expr, Box<Statement>),
    Do(Box<Statement>, Expr),
    For(Option<Box<Statement>>, Option<Expr>, Option<Box<Statement>>, Box<Statement>),
    Each(String, String, Box<Statement>),
    Block(Vec<Statement>),
    Delete(String, Option<Vec<Expr>>),
    Break,
    Continue,
    Next,
    Exit(Option<Expr>),
    Return(Option<Expr>),
}

#[derive(Debug)]
pub(super) enum When {
    Begin,
    End,
    Always,
    If(Expr),
    /// From and to, by its number.
    Range(Expr, Expr, usize),
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) params: Vec<String>,
    pub(super) body: Statement,
}

#[derive(Debug, Default)]
pub(super) struct Program {
    /// `None`: the line is printed.
    pub(super) rules: Vec<(When, Option<Statement>)>,
    pub(super) functions: BTreeMap<String, Rc<Function>>,
    pub(super) ranges: usize,
}

pub(super) struct Reader {
    tokens: Vec<Token>,
    pub(super) at: usize,
    depth: usize,
    /// Within `print`'s own words `>` writes to a file.
    pub(super) print: bool,
}

pub(super) fn program(text: &str) -> Result<Program, String> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0, print: false };
    let mut out = Program::default();
    loop {
        reader.lines(true);
        if *reader.peek() == Token::End {
            return Ok(out);
        }
        if reader.take("function") || reader.take("func") {
            let (name, function) = reader.function()?;
            out.functions.insert(name, Rc::new(function));
            continue;
        }
        let when = if reader.take("BEGIN") {
            When::Begin
        } else if reader.take("END") {
            When::End
        } else if reader.is("{") {
            When::Always
        } else {
            let from = reader.expr()?;
            if reader.take(",") {
                reader.lines(false);
                out.ranges += 1;
                When::Range(from, reader.expr()?, out.ranges - 1)
            } else {
                When::If(from)
            }
        };
        let body = if reader.is("{") { Some(reader.block()?) } else { None };
        if body.is_none() && matches!(when, When::Begin | When::End) {
            return Err("BEGIN and END take a block".to_owned());
        }
        out.rules.push((when, body));
    }
}

impl Reader {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(known) if *known == sign)
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let there = self.is(sign);
        self.at += usize::from(there);
        there
    }

    pub(super) fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("syntax error: {sign} is expected, and there is {}", self.here()))
        }
    }

    pub(super) fn here(&self) -> String {
        match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Newline => "a new line".to_owned(),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Name(name) | Token::Call(name) => name.clone(),
            other => format!("{other:?}"),
        }
    }

    pub(super) fn lines(&mut self, semicolons: bool) {
        while *self.peek() == Token::Newline || semicolons && self.is(";") {
            self.at += 1;
        }
    }

    pub(super) fn name(&mut self) -> Result<String, String> {
        match self.peek().clone() {
            Token::Name(name) | Token::Call(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(format!("syntax error: a name is expected, and there is {}", self.here())),
        }
    }

    fn function(&mut self) -> Result<(String, Function), String> {
        let name = self.name()?;
        self.must("(")?;
        let mut params = Vec::new();
        while !self.is(")") {
            params.push(self.name()?);
            if !self.take(",") {
                break;
            }
            self.lines(false);
        }
        self.must(")")?;
        self.lines(false);
        Ok((name, Function { params, body: self.block()? }))
    }

    pub(super) fn deeper<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it is deeper than this drill reads".to_owned());
        }
        let came = body(self);
        self.depth -= 1;
        came
    }

    fn block(&mut self) -> Result<Statement, String> {
        self.must("{")?;
        let mut all = Vec::new();
        loop {
            self.lines(true);
            if self.take("}") {
                return Ok(Statement::Block(all));
            }
            if *self.peek() == Token::End {
                return Err("syntax error: } is missing".to_owned());
            }
            all.push(self.statement()?);
        }
    }

    /// The end of a simple statement.
    fn end(&mut self) -> Result<(), String> {
        if self.take(";") || matches!(self.peek(), Token::Newline | Token::End) || self.is("}") {
            return Ok(());
        }
        Err(format!("syntax error at {}", self.here()))
    }

    fn statement(&mut self) -> Result<Statement, String> {
        self.deeper(Self::statement_in)
    }

    /// What an `if` or a loop does; it may stand on the next line.
    fn body(&mut self) -> Result<Box<Statement>, String> {
        self.lines(false);
        if self.take(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        self.statement().map(Box::new)
    }

    fn condition(&mut self) -> Result<Expr, String> {
        self.must("(")?;
        let condition = self.expr()?;
        self.must(")")?;
        Ok(condition)
    }

    fn statement_in(&mut self) -> Result<Statement, String> {
        if self.is("{") {
            return self.block();
        }
        if self.take("if") {
            let condition = self.condition()?;
            let then = self.body()?;
            let kept = self.at;
            self.lines(true);
            if self.take("else") {
                return Ok(Statement::If(condition, then, Some(self.body()?)));
            }
            self.at = kept;
            return Ok(Statement::If(condition, then, None));
        }
        if self.take("while") {
            let condition = self.condition()?;
            return Ok(Statement::While(condition, self.body()?));
        }
        if self.take("do") {
            let body = self.body()?;
            self.lines(true);
            self.must("while")?;
            let condition = self.condition()?;
            self.end()?;
            return Ok(Statement::Do(body, condition));
        }
        if self.take("for") {
            return self.for_in();
        }
        let simple = self.simple()?;
        self.end()?;
        Ok(simple)
    }

    fn for_in(&mut self) -> Result<Statement, String> {
        self.must("(")?;
        let kept = self.at;
        if let (Token::Name(name), Some(Token::Sign("in")), Some(Token::Name(list)), Some(Token::Sign(")"))) = (
            self.peek().clone(),
            self.tokens.get(kept + 1),
            self.tokens.get(kept + 2).cloned(),
            self.tokens.get(kept + 3),
        ) {
            self.at += 4;
            return Ok(Statement::Each(name, list, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.must(";")?;
        self.lines(false);
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.must(";")?;
        self.lines(false);
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.must(")")?;
        Ok(Statement::For(first, condition, step, self.body()?))
    }

    fn simple(&mut self) -> Result<Statement, String> {
        let ends =
            |reader: &Self| matches!(reader.peek(), Token::Newline | Token::End) || reader.is(";") || reader.is("}");
        Ok(match self.peek() {
            Token::Sign("print" | "printf") => return self.printed(),
            Token::Sign("break") => {
                self.at += 1;
                Statement::Break
            }
            Token::Sign("continue") => {
                self.at += 1;
                Statement::Continue
            }
            Token::Sign("next") => {
                self.at += 1;
                Statement::Next
            }
            Token::Sign("exit") => {
                self.at += 1;
                Statement::Exit(if ends(self) { None } else { Some(self.expr()?) })
            }
            Token::Sign("return") => {
                self.at += 1;
                Statement::Return(if ends(self) { None } else { Some(self.expr()?) })
            }
            Token::Sign("delete") => {
                self.at += 1;
                let name = self.name()?;
                let index = if self.take("[") { Some(self.list("]")?) } else { None };
                Statement::Delete(name, index)
            }
            _ => Statement::Expr(self.expr()?),
        })
    }

    /// Expressions up to a closing sign, which is taken.
    pub(super) fn list(&mut self, close: &str) -> Result<Vec<Expr>, String> {
        let print = std::mem::replace(&mut self.print, false);
        let mut all = Vec::new();
        self.lines(false);
        while !self.is(close) {
            all.push(self.expr()?);
            self.lines(false);
            if !self.take(",") {
                break;
            }
            self.lines(false);
        }
        self.print = print;
        self.must(close)?;
        Ok(all)
    }

    fn printed(&mut self) -> Result<Statement, String> {
        let formatted = self.is("printf");
        self.at += 1;
        let ends = |reader: &Self| {
            matches!(reader.peek(), Token::Newline | Token::End)
                || [";", "}", ">", ">>", "|"].iter().any(|sign| reader.is(sign))
        };
        self.print = true;
        let mut all = Vec::new();
        while !ends(self) {
            all.push(self.expr()?);
            if !self.take(",") {
                break;
            }
            self.lines(false);
        }
        self.print = false;
        // `print(a, b)`
        if all.len() == 1
            && matches!(all[0], Expr::Many(_))
            && let Some(Expr::Many(inner)) = all.pop()
        {
            all = inner;
        }
        if self.is("|") {
            return Err("this drill knows no commands within awk".to_owned());
        }
        let behind = self.is(">>");
        let to = if self.take(">") || self.take(">>") { Some((behind, self.concat()?)) } else { None };
        if formatted && all.is_empty() {
            return Err("printf takes a format".to_owned());
        }
        Ok(if formatted { Statement::Printf(all, to) } else { Statement::Print(all, to) })
    }
}
