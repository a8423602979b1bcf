//! `sed`.

use super::super::state::{Flow, OUTPUT, Outcome, Shell};
use super::options::Options;
use super::{lines, regex};
use ::regex::Regex;

/// So many commands one call may run.
const STEPS: usize = 1_000_000;

enum Address {
    Line(usize),
    Last,
    Match(Option<Regex>),
    Step(usize, usize),
}

enum End {
    At(Address),
    Behind(usize),
}

struct Command {
    from: Option<Address>,
    to: Option<End>,
    not: bool,
    what: What,
    /// For a range: the line that it ends with, while it is open.
    open: Option<Option<usize>>,
}

enum What {
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
enum Part {
    Text(String),
    Group(usize),
    /// `\U`, `\L`, `\E`, `\u`, `\l`
    Case(char),
}

struct Read<'t> {
    all: Vec<char>,
    at: usize,
    extended: bool,
    commands: Vec<Command>,
    open: Vec<usize>,
    name: &'t str,
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

    fn program(&mut self) -> Result<(), String> {
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
        self.commands.push(Command { from, to, not, what, open: None });
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
            while self.peek().is_some_and(|one| one.is_whitespace()) {
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

struct Machine {
    commands: Vec<Command>,
    quiet: bool,
    lines: Vec<String>,
    /// Of the next line to be read.
    next: usize,
    space: String,
    hold: String,
    last: Option<Regex>,
    out: String,
    behind: Vec<String>,
    replaced: bool,
    steps: usize,
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
    fn run(&mut self) -> Result<i32, String> {
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
                Some(Some(end)) => {
                    if self.next >= end {
                        command.open = None;
                    }
                    self.next <= end
                }
                Some(None) => {
                    if let End::At(address) = to
                        && self.at(address)
                    {
                        command.open = None;
                    }
                    true
                }
                None => {
                    let begins = self.at(from);
                    if begins {
                        command.open = match to {
                            End::Behind(count) => Some(Some(self.next + count)).filter(|_| *count > 0),
                            End::At(Address::Line(line)) => Some(Some(*line)).filter(|_| *line > self.next),
                            End::At(_) => Some(None).filter(|_: &Option<usize>| !self.is_last()),
                        };
                    }
                    begins
                }
            },
        };
        hit != command.not
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
                        self.out.push_str(&format!("{}\n", self.space));
                    }
                }
            }
            What::Letters(pairs) => {
                let change = |one| pairs.iter().find(|(from, _)| *from == one).map_or(one, |(_, to)| *to);
                self.space = self.space.chars().map(change).collect();
            }
            What::Text('a', text) => self.behind.push(text.clone()),
            What::Text('i', text) => self.out.push_str(&format!("{text}\n")),
            What::Text(_, text) => {
                if command.to.is_none() || command.open.is_none() {
                    self.out.push_str(&format!("{text}\n"));
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
            'p' => self.out.push_str(&format!("{}\n", self.space)),
            'P' => self.out.push_str(&format!("{}\n", self.space.split('\n').next().unwrap_or_default())),
            '=' => self.out.push_str(&format!("{}\n", self.next)),
            'n' => {
                if self.is_last() {
                    return Some(Turn::Quit(true, 0));
                }
                if !self.quiet {
                    self.out.push_str(&format!("{}\n", self.space));
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

pub(super) fn sed(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    // `-i.bak` takes what stands right behind it alone.
    let mut place = None;
    let words: Vec<String> = words[1..]
        .iter()
        .filter(|word| {
            let suffix = word
                .strip_prefix("-i")
                .or_else(|| word.strip_prefix("--in-place").map(|rest| rest.trim_start_matches('=')));
            if let Some(suffix) = suffix {
                place = Some(suffix.to_owned());
            }
            suffix.is_none()
        })
        .cloned()
        .collect();
    let mut options = match Options::read(
        &words,
        "nErse:f:",
        &[("quiet", 'n', false), ("regexp-extended", 'E', false), ("expression", 'e', true)],
    ) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("sed: {why}")),
    };
    let mut program: Vec<String> = options.values('e').map(str::to_owned).collect();
    if let Some(path) = options.value('f').map(str::to_owned) {
        match shell.read_file(&path) {
            Ok(bytes) => program.push(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) => return shell.wrong(1, format!("sed: couldn't open file {path}: {why}")),
        }
    }
    if program.is_empty() {
        if options.rest.is_empty() {
            return shell.wrong(1, "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...");
        }
        program.push(options.rest.remove(0));
    }
    let program = program.join("\n");
    let extended = options.has('E') || options.has('r');
    let make = |text: &[u8]| -> Result<Machine, String> {
        let mut read = Read {
            all: program.chars().collect(),
            at: 0,
            extended,
            commands: Vec::new(),
            open: Vec::new(),
            name: "-e expression #1",
        };
        read.program()?;
        Ok(Machine {
            commands: read.commands,
            quiet: options.has('n'),
            lines: lines(text),
            next: 0,
            space: String::new(),
            hold: String::new(),
            last: None,
            out: String::new(),
            behind: Vec::new(),
            replaced: false,
            steps: 0,
        })
    };
    if let Some(suffix) = place {
        return in_place(shell, &options.rest, &suffix, &make);
    }
    let (inputs, whole) = shell.inputs("sed", &options.rest)?;
    let mut text = Vec::new();
    for (_, bytes) in inputs {
        // The last line of one and the first of the next are two.
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        text.extend(bytes);
    }
    let ended = text.is_empty() || text.ends_with(b"\n");
    match worked(make(&text), ended) {
        Ok((out, code)) => {
            shell.out(out)?;
            Ok(if code == 0 && !whole { 2 } else { code })
        }
        Err(why) => shell.wrong(1, format!("sed: -e expression #1: {why}")),
    }
}

/// What it makes of a text; a last line without an end stays so.
fn worked(machine: Result<Machine, String>, ended: bool) -> Result<(String, i32), String> {
    let mut machine = machine?;
    let code = machine.run()?;
    let mut out = machine.out;
    if !ended && machine.next >= machine.lines.len() && out.ends_with('\n') {
        out.pop();
    }
    Ok((out, code))
}

fn in_place(
    shell: &mut Shell<'_>,
    paths: &[String],
    suffix: &str,
    make: &impl Fn(&[u8]) -> Result<Machine, String>,
) -> Result<i32, Flow> {
    let mut status = 0;
    for path in paths {
        let bytes = match shell.read_file(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                status = shell.wrong(2, format!("sed: can't read {path}: {why}"))?;
                continue;
            }
        };
        let (out, code) = match worked(make(&bytes), bytes.is_empty() || bytes.ends_with(b"\n")) {
            Ok(came) => came,
            Err(why) => return shell.wrong(1, format!("sed: -e expression #1: {why}")),
        };
        let kept = if suffix.is_empty() { Ok(()) } else { shell.write_file(&format!("{path}{suffix}"), &bytes, false) };
        if let Err(why) = kept.and_then(|()| shell.write_file(path, out.as_bytes(), false)) {
            status = shell.wrong(4, format!("sed: couldn't open file {path}: {why}"))?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(status)
}
