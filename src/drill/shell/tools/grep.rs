//! `grep`.

use super::super::state::{Flow, Outcome, Shell};
use super::options::Options;
use super::{lines, regex};
use ::regex::Regex;
use std::fmt::Write as _;

const LONG: [(&str, char, bool); 16] = [
    ("quiet", 'q', false),
    ("silent", 'q', false),
    ("extended-regexp", 'E', false),
    ("fixed-strings", 'F', false),
    ("only-matching", 'o', false),
    ("count", 'c', false),
    ("invert-match", 'v', false),
    ("ignore-case", 'i', false),
    ("line-number", 'n', false),
    ("line-regexp", 'x', false),
    ("word-regexp", 'w', false),
    ("max-count", 'm', true),
    ("recursive", 'r', false),
    ("files-with-matches", 'l', false),
    ("no-messages", 's', false),
    ("regexp", 'e', true),
];

pub(super) fn grep(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut options = match Options::read(&words[1..], "qEFGocvinxwhHlLsrae:f:m:A:B:C:", &LONG) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("grep: {why}")),
    };
    let mut patterns: Vec<String> = options.values('e').flat_map(|text| text.split('\n')).map(str::to_owned).collect();
    if let Some(path) = options.value('f').map(str::to_owned) {
        match shell.read_file(&path) {
            Ok(bytes) => patterns.extend(lines(&bytes)),
            Err(why) => return shell.wrong(2, format!("grep: {path}: {why}")),
        }
    } else if patterns.is_empty() {
        if options.rest.is_empty() {
            return shell.wrong(2, "Usage: grep [OPTION]... PATTERNS [FILE]...");
        }
        patterns.extend(options.rest.remove(0).split('\n').map(str::to_owned));
    }
    let regex = match expression(&words[0], &options, &patterns) {
        Ok(regex) => regex,
        Err(why) => return shell.wrong(2, format!("grep: {why}")),
    };
    let search = Search::new(&options, regex);
    let (paths, silent) = (sources(shell, &options), options.has('s'));
    let named = options.has('H') || (paths.len() > 1 || options.has('r')) && !options.has('h');
    let (mut found, mut wrong) = (false, false);
    for path in paths {
        let read = if path == "-" { Ok(shell.input()?) } else { shell.read_file(&path) };
        match read {
            Ok(bytes) => found |= search.one(shell, &bytes, &path, named)?,
            Err(why) => {
                wrong = true;
                if !silent {
                    shell.say(&format!("grep: {path}: {why}\n"));
                }
            }
        }
        if found && options.has('q') {
            return Ok(0);
        }
    }
    Ok(if wrong { 2 } else { i32::from(!found) })
}

/// The files to look in.
fn sources(shell: &Shell<'_>, options: &Options) -> Vec<String> {
    if options.rest.is_empty() {
        return vec![if options.has('r') { ".".to_owned() } else { "-".to_owned() }];
    }
    if !options.has('r') {
        return options.rest.clone();
    }
    let files = shell.files();
    let mut out = Vec::new();
    for root in &options.rest {
        let place = shell.place(root);
        let begin = files.place(&place).unwrap_or_default();
        let all = files.below(&place);
        if all.is_empty() {
            out.push(root.clone());
        }
        let inner = all.iter().filter(|path| files.look(path).is_some_and(|node| node.bytes().is_some()));
        out.extend(inner.map(|path| format!("{}{}", root.trim_end_matches('/'), &path[begin.len()..])));
    }
    out
}

fn expression(name: &str, options: &Options, patterns: &[String]) -> Result<Regex, String> {
    let fixed = options.has('F') || name == "fgrep";
    let extended = options.has('E') || name == "egrep";
    let one = |pattern: &String| -> Result<String, String> {
        let text = if fixed { ::regex::escape(pattern) } else { regex::translated(pattern, extended)? };
        Ok(match (options.has('x'), options.has('w')) {
            (true, _) => format!("^(?:{text})$"),
            (_, true) => format!(r"\b{{start-half}}(?:{text})\b{{end-half}}"),
            _ => format!("(?:{text})"),
        })
    };
    let all: Result<Vec<String>, String> = patterns.iter().map(one).collect();
    regex::build(&all?.join("|"), options.has('i'))
}

struct Search<'o> {
    options: &'o Options,
    regex: Regex,
    most: usize,
    before: usize,
    behind: usize,
}

impl<'o> Search<'o> {
    fn new(options: &'o Options, regex: Regex) -> Self {
        let number = |flag| options.value(flag).and_then(|text| text.parse::<usize>().ok());
        let around = number('C').unwrap_or(0);
        Self {
            options,
            regex,
            most: number('m').unwrap_or(usize::MAX),
            before: number('B').unwrap_or(around),
            behind: number('A').unwrap_or(around),
        }
    }

    fn one(&self, shell: &mut Shell<'_>, bytes: &[u8], path: &str, named: bool) -> Result<bool, Flow> {
        let has = |flag| self.options.has(flag);
        let all = lines(bytes);
        let hits: Vec<usize> = all
            .iter()
            .enumerate()
            .filter(|(_, line)| self.regex.is_match(line) != has('v'))
            .map(|(at, _)| at)
            .take(self.most)
            .collect();
        let name = if path == "-" { "(standard input)" } else { path };
        let prefix = if named { format!("{name}:") } else { String::new() };
        if has('q') {
            return Ok(!hits.is_empty());
        }
        if has('l') || has('L') {
            if hits.is_empty() == has('L') {
                shell.out(format!("{name}\n"))?;
            }
            return Ok(hits.is_empty() == has('L'));
        }
        if has('c') {
            shell.out(format!("{prefix}{}\n", hits.len()))?;
            return Ok(!hits.is_empty());
        }
        let mut out = String::new();
        let mut shown: Option<usize> = None;
        for &hit in &hits {
            let from = hit.saturating_sub(self.before).max(shown.map_or(0, |last| last + 1));
            if (self.before > 0 || self.behind > 0) && shown.is_some_and(|last| from > last + 1) {
                out.push_str("--\n");
            }
            let to = (hit + self.behind).min(all.len() - 1);
            for (at, line) in all.iter().enumerate().take(to + 1).skip(from) {
                let is_hit = hits.binary_search(&at).is_ok();
                self.line(line, at, is_hit, if named { name } else { "" }, &mut out);
            }
            shown = Some(to.max(shown.unwrap_or(0)));
        }
        shell.out(out)?;
        Ok(!hits.is_empty())
    }

    fn line(&self, line: &str, at: usize, is_hit: bool, name: &str, out: &mut String) {
        let mark = if is_hit { ':' } else { '-' };
        let mut prefix = String::new();
        if !name.is_empty() {
            prefix = format!("{name}{mark}");
        }
        if self.options.has('n') {
            let _ = write!(prefix, "{}{mark}", at + 1);
        }
        if !self.options.has('o') {
            let _ = writeln!(out, "{prefix}{line}");
            return;
        }
        if is_hit && !self.options.has('v') {
            for found in self.regex.find_iter(line).filter(|found| !found.is_empty()) {
                let _ = writeln!(out, "{prefix}{}", found.as_str());
            }
        }
    }
}
