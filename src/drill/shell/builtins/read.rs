//! `read` and `mapfile`.

use super::super::state::{Fd, Flow, Outcome, Shell, Value};
use std::collections::BTreeMap;

/// What `read` was told.
struct Told {
    raw: bool,
    array: Option<String>,
    delimiter: u8,
    /// At most so many characters; `true`: whatever they are.
    most: Option<(usize, bool)>,
    fd: i32,
    names: Vec<String>,
}

pub(super) fn read(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let told = match told(&words[1..]) {
        Ok(told) => told,
        Err(why) => {
            shell.complain(format!("read: {why}"));
            return Ok(2);
        }
    };
    if !shell.fds.contains_key(&told.fd) {
        shell.complain(format!("read: {}: invalid file descriptor: Bad file descriptor", told.fd));
        return Ok(1);
    }
    let (text, whole) = line(shell, &told)?;
    assign(shell, &told, &text)?;
    Ok(i32::from(!whole))
}

fn told(words: &[String]) -> Result<Told, String> {
    let mut told = Told { raw: false, array: None, delimiter: b'\n', most: None, fd: 0, names: Vec::new() };
    let mut at = 0;
    while let Some(flags) = words.get(at).and_then(|word| word.strip_prefix('-')).filter(|flags| !flags.is_empty()) {
        at += 1;
        if flags == "-" {
            break;
        }
        let mut rest = flags.chars();
        while let Some(flag) = rest.next() {
            let mut value = || {
                let here: String = rest.by_ref().collect();
                if here.is_empty() {
                    at += 1;
                    words.get(at - 1).cloned().ok_or_else(|| format!("-{flag}: option requires an argument"))
                } else {
                    Ok(here)
                }
            };
            match flag {
                'r' => told.raw = true,
                's' | 'e' => {}
                't' | 'p' | 'i' => drop(value()?),
                'a' => told.array = Some(value()?),
                'd' => told.delimiter = value()?.bytes().next().unwrap_or(0),
                'n' | 'N' => {
                    told.most = Some((value()?.parse().map_err(|_| "invalid number".to_owned())?, flag == 'N'));
                }
                'u' => told.fd = value()?.parse().map_err(|_| "invalid file descriptor specification".to_owned())?,
                other => return Err(format!("-{other}: invalid option")),
            }
        }
    }
    told.names = words[at..].to_vec();
    Ok(told)
}

/// One line, each character with whether a backslash stood before it; and whether the line had its end.
fn line(shell: &mut Shell<'_>, told: &Told) -> Result<(Vec<(char, bool)>, bool), Flow> {
    let mut out = Vec::new();
    let mut begin = true;
    loop {
        let (bytes, ended) = piece(shell, told)?;
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        if told.raw {
            out.extend(text.chars().map(|one| (one, false)));
            return Ok((out, ended));
        }
        let mut escape = false;
        for one in text.chars() {
            if one == '\\' && !escape {
                escape = true;
            } else {
                out.push((one, escape));
                escape = false;
            }
        }
        // A backslash at the end of a line joins the next to it.
        if !(escape && ended) || (bytes.is_empty() && !begin) {
            return Ok((out, ended));
        }
        begin = false;
    }
}

fn piece(shell: &mut Shell<'_>, told: &Told) -> Result<(Vec<u8>, bool), Flow> {
    let fd = shell.fds.get(&told.fd).cloned();
    if let Some(Fd::Coprocess(process)) = &fd {
        shell.feed(process)?;
        let mut process = process.borrow_mut();
        let (taken, end, ended) = upto(&process.from, told);
        let piece = process.from[..end].to_vec();
        process.from.drain(..taken);
        return Ok((piece, ended));
    }
    let Some(Fd::Input(input)) = fd else { return Ok((Vec::new(), false)) };
    let mut input = input.borrow_mut();
    let rest = input.bytes.get(input.at..).unwrap_or_default();
    let (taken, end, ended) = upto(rest, told);
    let piece = rest[..end].to_vec();
    input.at += taken;
    Ok((piece, ended))
}

/// How much is taken, how much of that is the line, and whether it had its end.
fn upto(rest: &[u8], told: &Told) -> (usize, usize, bool) {
    let found = rest.iter().position(|byte| *byte == told.delimiter);
    if let Some((most, all)) = told.most {
        let end = String::from_utf8_lossy(rest).chars().take(most).map(char::len_utf8).sum::<usize>().min(rest.len());
        if all || found.is_none_or(|found| found >= end) {
            return (end, end, end > 0 || most == 0);
        }
    }
    found.map_or((rest.len(), rest.len(), false), |found| (found + 1, found, true))
}

fn assign(shell: &mut Shell<'_>, told: &Told, text: &[(char, bool)]) -> Result<(), Flow> {
    let separators = shell.separators();
    let came = if let Some(array) = &told.array {
        let words = split(text, &separators, usize::MAX);
        shell.set_value(array, Value::List((0..).zip(words).collect()))
    } else if told.names.is_empty() {
        shell.set("REPLY", text.iter().map(|(one, _)| one).collect())
    } else {
        let all = told.most.is_some_and(|(_, all)| all);
        let words = if all {
            vec![text.iter().map(|(one, _)| one).collect()]
        } else {
            split(text, &separators, told.names.len())
        };
        let mut words = words.into_iter();
        told.names.iter().try_for_each(|name| shell.set(name, words.next().unwrap_or_default()))
    };
    came.or_else(|why| shell.fail(format!("read: {why}")))
}

/// At most so many words: the last is all the rest.
fn split(text: &[(char, bool)], separators: &str, most: usize) -> Vec<String> {
    let is = |at: usize| text.get(at).is_some_and(|(one, escaped)| !escaped && separators.contains(*one));
    let white = |at: usize| is(at) && " \t\n".contains(text[at].0);
    let (mut words, mut at) = (Vec::new(), 0);
    while white(at) {
        at += 1;
    }
    while at < text.len() {
        if words.len() + 1 == most {
            words.push(last(text, at, &is, &white));
            break;
        }
        let end = (at..text.len()).find(|end| is(*end)).unwrap_or(text.len());
        words.push(text[at..end].iter().map(|(one, _)| one).collect());
        at = end;
        while white(at) {
            at += 1;
        }
        if is(at) {
            at += 1;
            while white(at) {
                at += 1;
            }
        }
    }
    words
}

/// The rest, without the blanks at its end, and without a separator that nothing follows.
fn last(text: &[(char, bool)], at: usize, is: &impl Fn(usize) -> bool, white: &impl Fn(usize) -> bool) -> String {
    let mut end = text.len();
    while end > at && white(end - 1) {
        end -= 1;
    }
    if end > at && is(end - 1) && !(at..end - 1).any(is) {
        end -= 1;
        while end > at && white(end - 1) {
            end -= 1;
        }
    }
    text[at..end].iter().map(|(one, _)| one).collect()
}

pub(super) fn mapfile(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (mut trim, mut name, mut fd, mut delimiter) = (false, "MAPFILE".to_owned(), 0, '\n');
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-t" => trim = true,
            "-d" => delimiter = rest.next().and_then(|word| word.chars().next()).unwrap_or('\0'),
            "-u" => fd = rest.next().and_then(|word| word.parse().ok()).unwrap_or(0),
            odd if odd.starts_with('-') => {
                shell.complain(format!("{}: {odd}: this drill does not know this option", words[0]));
                return Ok(2);
            }
            other => other.clone_into(&mut name),
        }
    }
    if let Some(from) = shell.fds.get(&fd).cloned() {
        shell.fds.insert(0, from);
    }
    let text = String::from_utf8_lossy(&shell.input()?).into_owned();
    let lines = text
        .split_inclusive(delimiter)
        .map(|line| if trim { line.strip_suffix(delimiter).unwrap_or(line) } else { line }.to_owned());
    let list: BTreeMap<i64, String> = (0..).zip(lines).collect();
    shell.set_value(&name, Value::List(list)).map(|()| 0).or_else(|why| shell.fail(why))
}
