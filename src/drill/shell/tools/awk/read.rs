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

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Within `print`'s own words `>` writes to a file.
    print: bool,
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
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(known) if *known == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.is(sign);
        self.at += usize::from(there);
        there
    }

    fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("syntax error: {sign} is expected, and there is {}", self.here()))
        }
    }

    fn here(&self) -> String {
        match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Newline => "a new line".to_owned(),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Name(name) | Token::Call(name) => name.clone(),
            other => format!("{other:?}"),
        }
    }

    fn lines(&mut self, semicolons: bool) {
        while *self.peek() == Token::Newline || semicolons && self.is(";") {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Result<String, String> {
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

    fn deeper<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
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
    fn list(&mut self, close: &str) -> Result<Vec<Expr>, String> {
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
        if all.len() == 1 && matches!(all[0], Expr::Many(_)) {
            if let Some(Expr::Many(inner)) = all.pop() {
                all = inner;
            }
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

    fn expr(&mut self) -> Result<Expr, String> {
        self.deeper(Self::assigned)
    }

    fn assigned(&mut self) -> Result<Expr, String> {
        let left = self.choice()?;
        let is_place = matches!(left, Expr::Var(_) | Expr::Item(..) | Expr::Field(_));
        let sign =
            ["=", "+=", "-=", "*=", "/=", "%=", "^="].into_iter().find(|sign| self.is(sign)).filter(|_| is_place);
        let Some(sign) = sign else { return Ok(left) };
        self.at += 1;
        self.lines(false);
        let right = Box::new(self.expr()?);
        Ok(match sign {
            "=" => Expr::Assign(Box::new(left), right),
            "+=" => Expr::Change("+", Box::new(left), right),
            "-=" => Expr::Change("-", Box::new(left), right),
            "*=" => Expr::Change("*", Box::new(left), right),
            "/=" => Expr::Change("/", Box::new(left), right),
            "%=" => Expr::Change("%", Box::new(left), right),
            _ => Expr::Change("^", Box::new(left), right),
        })
    }

    fn choice(&mut self) -> Result<Expr, String> {
        let condition = self.either()?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.lines(false);
        let yes = self.expr()?;
        self.lines(false);
        self.must(":")?;
        self.lines(false);
        let no = self.expr()?;
        Ok(Expr::If(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn either(&mut self) -> Result<Expr, String> {
        let mut left = self.both()?;
        while self.take("||") {
            self.lines(false);
            left = Expr::Two("||", Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expr, String> {
        let mut left = self.member()?;
        while self.take("&&") {
            self.lines(false);
            left = Expr::Two("&&", Box::new(left), Box::new(self.member()?));
        }
        Ok(left)
    }

    fn member(&mut self) -> Result<Expr, String> {
        let mut left = self.matched()?;
        while self.take("in") {
            let list = self.name()?;
            left = match left {
                Expr::Many(all) => Expr::In(all, list),
                one => Expr::In(vec![one], list),
            };
        }
        Ok(left)
    }

    fn matched(&mut self) -> Result<Expr, String> {
        let mut left = self.compared()?;
        loop {
            let sign = match self.peek() {
                Token::Sign("~") => "~",
                Token::Sign("!~") => "!~",
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Two(sign, Box::new(left), Box::new(self.compared()?));
        }
    }

    fn compared(&mut self) -> Result<Expr, String> {
        let left = self.concat()?;
        let sign = ["<=", "==", "!=", ">=", "<", ">"]
            .into_iter()
            .find(|sign| self.is(sign))
            .filter(|sign| *sign != ">" || !self.print);
        let Some(sign) = sign else { return Ok(left) };
        self.at += 1;
        Ok(Expr::Two(sign, Box::new(left), Box::new(self.concat()?)))
    }

    /// Two next to each other are one text.
    fn concat(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        loop {
            let begins = match self.peek() {
                Token::Number(_) | Token::Text(_) | Token::Name(_) | Token::Call(_) => true,
                Token::Sign(sign) => matches!(*sign, "(" | "$" | "!" | "-" | "+" | "++" | "--"),
                _ => false,
            };
            if !begins {
                return Ok(left);
            }
            left = Expr::Two(" ", Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let sign = match self.peek() {
                Token::Sign("+") => "+",
                Token::Sign("-") => "-",
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Two(sign, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.signed()?;
        loop {
            let sign = match self.peek() {
                Token::Sign("*") => "*",
                Token::Sign("/") => "/",
                Token::Sign("%") => "%",
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Two(sign, Box::new(left), Box::new(self.signed()?));
        }
    }

    fn signed(&mut self) -> Result<Expr, String> {
        if self.take("!") {
            return self.deeper(|reader| Ok(Expr::Not(Box::new(reader.signed()?))));
        }
        if self.take("-") {
            return self.deeper(|reader| Ok(Expr::Minus(Box::new(reader.signed()?))));
        }
        if self.take("+") {
            return self.deeper(|reader| Ok(Expr::Plus(Box::new(reader.signed()?))));
        }
        let base = self.stepped()?;
        if self.take("^") {
            // The power of a power is the one on the right's first.
            return self.deeper(|reader| Ok(Expr::Two("^", Box::new(base), Box::new(reader.signed()?))));
        }
        Ok(base)
    }

    fn stepped(&mut self) -> Result<Expr, String> {
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(sign) {
                return self.deeper(|reader| Ok(Expr::Step(Box::new(reader.stepped()?), by, false)));
            }
        }
        let place = self.primary()?;
        if matches!(place, Expr::Var(_) | Expr::Item(..) | Expr::Field(_)) {
            for (sign, by) in [("++", 1.0), ("--", -1.0)] {
                if self.take(sign) {
                    return Ok(Expr::Step(Box::new(place), by, true));
                }
            }
        }
        Ok(place)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let token = self.peek().clone();
        self.at += 1;
        Ok(match token {
            Token::Number(number) => Expr::Number(number),
            Token::Text(text) => Expr::Text(text),
            Token::Regex(regex) => Expr::Regex(regex),
            Token::Call(name) => {
                self.must("(")?;
                Expr::Call(name, self.list(")")?)
            }
            Token::Name(name) if name == "getline" => return Err("this drill knows no getline in awk".to_owned()),
            Token::Name(name) if self.take("[") => Expr::Item(name, self.list("]")?),
            Token::Name(name) if name == "length" => Expr::Call(name, Vec::new()),
            Token::Name(name) => Expr::Var(name),
            Token::Sign("$") => Expr::Field(Box::new(self.deeper(Self::field)?)),
            Token::Sign("(") => {
                let mut all = self.list(")")?;
                match all.len() {
                    0 => return Err("syntax error: nothing stands between brackets".to_owned()),
                    1 => all.remove(0),
                    _ => Expr::Many(all),
                }
            }
            _ => {
                self.at -= 1;
                return Err(format!("syntax error at {}", self.here()));
            }
        })
    }

    /// What stands behind `$`.
    fn field(&mut self) -> Result<Expr, String> {
        if self.take("-") {
            return Ok(Expr::Minus(Box::new(self.primary()?)));
        }
        for (sign, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(sign) {
                return Ok(Expr::Step(Box::new(self.primary()?), by, false));
            }
        }
        self.primary()
    }
}
