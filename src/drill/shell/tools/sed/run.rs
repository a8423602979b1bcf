//! Running a sed program.

use super::super::super::state::OUTPUT;
use super::read::{Address, Command, End, Open, Part, What};
use ::regex::Regex;
use std::fmt::Write as _;

/// So many commands one call may run.
const STEPS: usize = if cfg!(test) { 100_000 } else { 1_000_000 };

fn written(parts: &[Part], found: &::regex::Captures<'_>) -> String {
    let (mut out, mut case, mut once) = (String::new(), 'E', None);
    for part in parts {
        let text = match part {
            Part::Text(text) => text.as_str(),
            Part::Group(group) => found.get(*group).map_or("", |group| group.as_str()),
            Part::Case(one @ ('u' | 'l')) => {
                once = Some(*one);
                continue;
            }
            Part::Case(one) => {
                case = *one;
                continue;
            }
        };
        let mut text = match case {
            'U' => text.to_uppercase(),
            'L' => text.to_lowercase(),
            _ => text.to_owned(),
        };
        if let (Some(way), Some(first)) = (once.filter(|_| !text.is_empty()), text.chars().next()) {
            let changed: String =
                if way == 'u' { first.to_uppercase().collect() } else { first.to_lowercase().collect() };
            text.replace_range(..first.len_utf8(), &changed);
            once = None;
        }
        out.push_str(&text);
    }
    out
}

pub(super) struct Machine {
    pub(super) commands: Vec<Command>,
    pub(super) quiet: bool,
    pub(super) lines: Vec<String>,
    /// Of the next line to be read.
    pub(super) next: usize,
    pub(super) space: String,
    pub(super) hold: String,
    pub(super) last: Option<Regex>,
    pub(super) out: String,
    pub(super) behind: Vec<String>,
    pub(super) replaced: bool,
    pub(super) steps: usize,
}

/// What becomes of a line at the end of the commands.
enum Turn {
    Next,
    Delete,
    /// `D`: once more, without reading.
    Again,
    Quit(bool, i32),
}

impl Machine {
    pub(super) fn run(&mut self) -> Result<i32, String> {
        let mut keep = false;
        loop {
            if !keep && !self.advance() {
                return Ok(0);
            }
            let turn = self.cycle()?;
            keep = matches!(turn, Turn::Again);
            if matches!(turn, Turn::Next | Turn::Quit(true, _)) && !self.quiet {
                self.out.push_str(&self.space);
                self.out.push('\n');
            }
            for text in std::mem::take(&mut self.behind) {
                self.out.push_str(&text);
                self.out.push('\n');
            }
            if let Turn::Quit(_, code) = turn {
                return Ok(code);
            }
        }
    }

    fn advance(&mut self) -> bool {
        let Some(line) = self.lines.get(self.next) else { return false };
        self.space.clone_from(line);
        self.next += 1;
        self.replaced = false;
        true
    }

    fn is_last(&self) -> bool {
        self.next >= self.lines.len()
    }

    fn matches(&mut self, regex: Option<&Regex>) -> bool {
        if let Some(regex) = regex {
            self.last = Some(regex.clone());
        }
        self.last.as_ref().is_some_and(|regex| regex.is_match(&self.space))
    }

    fn at(&mut self, address: &Address) -> bool {
        match address {
            Address::Line(line) => self.next == *line,
            Address::Last => self.is_last(),
            Address::Match(regex) => self.matches(regex.as_ref()),
            Address::Step(first, step) => {
                self.next >= *first
                    && if *step == 0 { self.next == *first } else { (self.next - first).is_multiple_of(*step) }
            }
        }
    }

    fn chosen(&mut self, command: &mut Command) -> bool {
        let hit = match (&command.from, &command.to) {
            (None, _) => true,
            (Some(from), None) => self.at(from),
            (Some(from), Some(to)) => match command.open {
                Open::Until(end) => {
                    if self.next >= end {
                        command.open = Open::No;
                    }
                    self.next <= end
                }
                Open::Yes => {
                    if let End::At(address) = to
                        && self.at(address)
                    {
                        command.open = Open::No;
                    }
                    true
                }
                Open::No => {
                    let begins = self.at(from);
                    if begins {
                        command.open = self.opened(to);
                    }
                    begins
                }
            },
        };
        hit != command.not
    }

    /// How a range stands behind its first line.
    fn opened(&self, to: &End) -> Open {
        match to {
            End::Behind(0) => Open::No,
            End::Behind(count) => Open::Until(self.next + count),
            End::At(Address::Line(line)) if *line > self.next => Open::Until(*line),
            End::At(Address::Line(_)) => Open::No,
            End::At(_) if self.is_last() => Open::No,
            End::At(_) => Open::Yes,
        }
    }

    fn cycle(&mut self) -> Result<Turn, String> {
        let mut commands = std::mem::take(&mut self.commands);
        let came = self.commands_of(&mut commands);
        self.commands = commands;
        came
    }

    fn commands_of(&mut self, commands: &mut [Command]) -> Result<Turn, String> {
        let mut at = 0;
        while at < commands.len() {
            // What is long takes longer.
            self.steps += 1 + self.space.len() / 64;
            if self.steps > STEPS || self.out.len() + self.space.len() + self.hold.len() > OUTPUT {
                return Err("more than this drill does in one call".to_owned());
            }
            let chosen = self.chosen(&mut commands[at]);
            let target = match &commands[at].what {
                What::Begin(end) if !chosen => Some(end + 1),
                What::Jump(kind, label) if chosen && (*kind == 'b' || (*kind == 't') == self.replaced) => {
                    if *kind != 'b' {
                        self.replaced = false;
                    }
                    if label.is_empty() {
                        return Ok(Turn::Next);
                    }
                    let found =
                        commands.iter().position(|command| matches!(&command.what, What::Label(name) if name == label));
                    Some(found.ok_or_else(|| format!("can't find label for jump to `{label}'"))?)
                }
                _ => None,
            };
            if let Some(target) = target {
                at = target;
                continue;
            }
            if chosen && let Some(turn) = self.one(&commands[at])? {
                return Ok(turn);
            }
            at += 1;
        }
        Ok(Turn::Next)
    }

    fn one(&mut self, command: &Command) -> Result<Option<Turn>, String> {
        match &command.what {
            What::Replace { regex, by, all, print, which } => {
                if let Some(regex) = regex {
                    self.last = Some(regex.clone());
                }
                let Some(regex) = self.last.clone() else { return Err("no previous regular expression".to_owned()) };
                if self.substitute(&regex, by, *all, *which) {
                    self.replaced = true;
                    if *print {
                        let _ = writeln!(self.out, "{}", self.space);
                    }
                }
            }
            What::Letters(pairs) => {
                let change = |one| pairs.iter().find(|(from, _)| *from == one).map_or(one, |(_, to)| *to);
                self.space = self.space.chars().map(change).collect();
            }
            What::Text('a', text) => self.behind.push(text.clone()),
            What::Text('i', text) => drop(writeln!(self.out, "{text}")),
            What::Text(_, text) => {
                if command.to.is_none() || matches!(command.open, Open::No) {
                    let _ = writeln!(self.out, "{text}");
                }
                return Ok(Some(Turn::Delete));
            }
            What::Quit(kind, code) => return Ok(Some(Turn::Quit(*kind == 'q', *code))),
            What::Plain(name) => return Ok(self.plain(*name)),
            What::Begin(_) | What::End | What::Label(_) | What::Jump(..) => {}
        }
        Ok(None)
    }

    fn substitute(&mut self, regex: &Regex, by: &[Part], all: bool, which: usize) -> bool {
        let (mut out, mut from, mut done) = (String::new(), 0, false);
        for (index, found) in regex.captures_iter(&self.space).enumerate() {
            if index + 1 < which {
                continue;
            }
            let whole = found.get(0).map_or(0..0, |whole| whole.range());
            out.push_str(&self.space[from..whole.start]);
            out.push_str(&written(by, &found));
            (from, done) = (whole.end, true);
            if !all {
                break;
            }
        }
        if done {
            out.push_str(&self.space[from..]);
            self.space = out;
        }
        done
    }

    fn plain(&mut self, name: char) -> Option<Turn> {
        match name {
            'd' => return Some(Turn::Delete),
            'D' => match self.space.split_once('\n') {
                Some((_, rest)) => {
                    self.space = rest.to_owned();
                    return Some(Turn::Again);
                }
                None => return Some(Turn::Delete),
            },
            'p' => drop(writeln!(self.out, "{}", self.space)),
            'P' => drop(writeln!(self.out, "{}", self.space.split('\n').next().unwrap_or_default())),
            '=' => drop(writeln!(self.out, "{}", self.next)),
            'n' => {
                if self.is_last() {
                    return Some(Turn::Quit(true, 0));
                }
                if !self.quiet {
                    let _ = writeln!(self.out, "{}", self.space);
                }
                self.advance();
            }
            'N' => {
                let Some(line) = self.lines.get(self.next) else { return Some(Turn::Quit(true, 0)) };
                self.space = format!("{}\n{line}", self.space);
                self.next += 1;
            }
            'h' => self.hold.clone_from(&self.space),
            'H' => self.hold = format!("{}\n{}", self.hold, self.space),
            'g' => self.space.clone_from(&self.hold),
            'G' => self.space = format!("{}\n{}", self.space, self.hold),
            _ => std::mem::swap(&mut self.space, &mut self.hold),
        }
        None
    }
}
