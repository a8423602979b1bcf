//! A sed program, as it is read.

use super::super::regex;
use ::regex::Regex;

pub(super) enum Address {
    Line(usize),
    Last,
    Match(Option<Regex>),
    Step(usize, usize),
}

pub(super) enum End {
    At(Address),
    Behind(usize),
}

/// Whether a line is within a range.
pub(super) enum Open {
    No,
    /// Up to this line.
    Until(usize),
    /// Until its end is found.
    Yes,
}

pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<End>,
    pub(super) not: bool,
    pub(super) what: What,
    pub(super) open: Open,
}

pub(super) enum What {
    Begin(usize),
    End,
    Replace { regex: Option<Regex>, by: Vec<Part>, all: bool, print: bool, which: usize },
    Letters(Vec<(char, char)>),
    Text(char, String),
    Jump(char, String),
    Label(String),
    Quit(char, i32),
    Plain(char),
}

/// A piece of what `s` writes.
pub(super) enum Part {
    Text(String),
    Group(usize),
    /// `\U`, `\L`, `\E`, `\u`, `\l`
    Case(char),
}

pub(super) struct Read<'t> {
    pub(super) all: Vec<char>,
    pub(super) at: usize,
    pub(super) extended: bool,
    pub(super) commands: Vec<Command>,
    pub(super) open: Vec<usize>,
    pub(super) name: &'t str,
}

impl Read<'_> {
    fn peek(&self) -> Option<char> {
        self.all.get(self.at).copied()
    }

    fn blanks(&mut self, also: &str) {
        while self.peek().is_some_and(|one| one.is_whitespace() || also.contains(one)) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Option<usize> {
        let begin = self.at;
        while self.peek().is_some_and(|one| one.is_ascii_digit()) {
            self.at += 1;
        }
        self.all[begin..self.at].iter().collect::<String>().parse().ok()
    }

    pub(super) fn program(&mut self) -> Result<(), String> {
        loop {
            self.blanks(";");
            if self.peek().is_none() {
                break;
            }
            self.command()?;
        }
        if self.open.is_empty() { Ok(()) } else { Err(format!("{}: unmatched `{{'", self.name)) }
    }

    /// What stands between two of a mark; `\n` is a newline, and the mark behind a backslash is itself.
    fn between(&mut self, mark: char, class: bool) -> Result<String, String> {
        let mut out = String::new();
        let mut within = false;
        while let Some(one) = self.peek() {
            self.at += 1;
            match one {
                '\\' => match self.peek() {
                    Some(next) if next == mark => {
                        self.at += 1;
                        out.push(next);
                    }
                    Some(next) => {
                        self.at += 1;
                        out.push('\\');
                        out.push(next);
                    }
                    None => break,
                },
                '[' if class && !within => {
                    within = true;
                    out.push(one);
                    if self.peek() == Some('^') {
                        out.push('^');
                        self.at += 1;
                    }
                    if self.peek() == Some(']') {
                        out.push(']');
                        self.at += 1;
                    }
                }
                ']' if within => {
                    within = false;
                    out.push(one);
                }
                one if one == mark && !within => return Ok(out),
                one => out.push(one),
            }
        }
        Err(format!("unterminated `{}' command", if class { "s or address" } else { "s" }))
    }

    fn regex(&mut self, text: &str, anycase: bool) -> Result<Option<Regex>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let built = if self.extended { regex::extended(text, anycase) } else { regex::basic(text, anycase) };
        built.map(Some)
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        let mark = match self.peek() {
            Some('$') => {
                self.at += 1;
                return Ok(Some(Address::Last));
            }
            Some('/') => '/',
            Some('\\') => {
                self.at += 1;
                self.peek().ok_or("unexpected end")?
            }
            Some(one) if one.is_ascii_digit() => {
                let first = self.number().ok_or("invalid number")?;
                if self.peek() == Some('~') {
                    self.at += 1;
                    return Ok(Some(Address::Step(first, self.number().unwrap_or(0))));
                }
                return Ok(Some(Address::Line(first)));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        let text = self.between(mark, true)?;
        let anycase = self.peek() == Some('I');
        self.at += usize::from(anycase);
        Ok(Some(Address::Match(self.regex(&text, anycase)?)))
    }

    fn command(&mut self) -> Result<(), String> {
        let from = self.address()?;
        self.blanks("");
        let mut to = None;
        if from.is_some() && self.peek() == Some(',') {
            self.at += 1;
            self.blanks("");
            to = Some(if self.peek() == Some('+') {
                self.at += 1;
                End::Behind(self.number().ok_or("expected a number")?)
            } else {
                End::At(self.address()?.ok_or("unexpected `,'")?)
            });
        }
        self.blanks("");
        let not = self.peek() == Some('!');
        self.at += usize::from(not);
        self.blanks("");
        let name = self.peek().ok_or("missing command")?;
        self.at += 1;
        let what = self.what(name)?;
        if matches!(what, What::Begin(_)) {
            self.open.push(self.commands.len());
        }
        if matches!(what, What::End) {
            let begin = self.open.pop().ok_or("unexpected `}'")?;
            self.commands[begin].what = What::Begin(self.commands.len());
        }
        self.commands.push(Command { from, to, not, what, open: Open::No });
        Ok(())
    }

    fn word(&mut self) -> String {
        let begin = self.at;
        while self.peek().is_some_and(|one| one != ';' && one != '\n' && one != '}') {
            self.at += 1;
        }
        self.all[begin..self.at].iter().collect::<String>().trim().to_owned()
    }

    fn what(&mut self, name: char) -> Result<What, String> {
        Ok(match name {
            '{' => What::Begin(0),
            '}' => What::End,
            '#' => {
                while self.peek().is_some_and(|one| one != '\n') {
                    self.at += 1;
                }
                What::Label(String::new())
            }
            's' => self.replace()?,
            'y' => {
                let mark = self.peek().ok_or("unterminated `y' command")?;
                self.at += 1;
                let (from, to) = (self.between(mark, false)?, self.between(mark, false)?);
                let (from, to): (Vec<char>, Vec<char>) =
                    (from.replace("\\n", "\n").chars().collect(), to.replace("\\n", "\n").chars().collect());
                if from.len() != to.len() {
                    return Err("strings for `y' command are different lengths".to_owned());
                }
                What::Letters(from.into_iter().zip(to).collect())
            }
            'a' | 'i' | 'c' => What::Text(name, self.text()),
            'b' | 't' | 'T' => What::Jump(name, self.word()),
            ':' => What::Label(self.word()),
            'q' | 'Q' => {
                self.blanks("");
                What::Quit(name, self.number().unwrap_or(0) as i32 & 255)
            }
            'd' | 'D' | 'p' | 'P' | 'n' | 'N' | 'h' | 'H' | 'g' | 'G' | 'x' | '=' => What::Plain(name),
            other => return Err(format!("this drill does not know the command `{other}'")),
        })
    }

    /// What follows `a`, `i` and `c`: to the end of the line.
    fn text(&mut self) -> String {
        while self.peek().is_some_and(|one| one == ' ' || one == '\t') {
            self.at += 1;
        }
        if self.peek() == Some('\\') {
            self.at += 1;
            while self.peek().is_some_and(char::is_whitespace) {
                self.at += 1;
            }
        }
        let mut out = String::new();
        while let Some(one) = self.peek() {
            self.at += 1;
            match one {
                '\n' => break,
                '\\' => {
                    out.extend(self.peek());
                    self.at += 1;
                }
                one => out.push(one),
            }
        }
        out
    }

    fn replace(&mut self) -> Result<What, String> {
        let mark = self.peek().ok_or("unterminated `s' command")?;
        self.at += 1;
        let (pattern, by) = (self.between(mark, true)?, self.between(mark, false)?);
        let (mut all, mut print, mut anycase, mut which) = (false, false, false, 1);
        while let Some(flag) = self.peek() {
            match flag {
                'g' => all = true,
                'p' => print = true,
                'i' | 'I' => anycase = true,
                '0'..='9' => {
                    which = self.number().unwrap_or(1).max(1);
                    continue;
                }
                ';' | '\n' | '}' | ' ' | '\t' | '#' => break,
                odd => return Err(format!("this drill does not know the flag `{odd}' of `s'")),
            }
            self.at += 1;
        }
        Ok(What::Replace { regex: self.regex(&pattern, anycase)?, by: parts(&by), all, print, which })
    }
}

fn parts(text: &str) -> Vec<Part> {
    let (mut out, mut now) = (Vec::new(), String::new());
    let mut all = text.chars();
    while let Some(one) = all.next() {
        let part = match one {
            '&' => Part::Group(0),
            '\\' => match all.next() {
                Some(digit @ '0'..='9') => Part::Group(digit as usize - 48),
                Some(case @ ('U' | 'L' | 'E' | 'u' | 'l')) => Part::Case(case),
                Some('n') => Part::Text("\n".to_owned()),
                Some('t') => Part::Text("\t".to_owned()),
                Some(other) => Part::Text(other.to_string()),
                None => Part::Text("\\".to_owned()),
            },
            one => {
                now.push(one);
                continue;
            }
        };
        if !now.is_empty() {
            out.push(Part::Text(std::mem::take(&mut now)));
        }
        out.push(part);
    }
    out.push(Part::Text(now));
    out
}
