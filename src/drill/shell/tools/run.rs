//! Tools that run what follows them: shells, `sudo`, `timeout`, `xargs` and the like.

use super::super::state::{Options as Set, Outcome, Shell, Value, Var};
use super::options::Options;

/// What `bash` was called with: flags for `set`, whether a command (`-c`) or its input (`-s`) is to be run, and where its own words end.
struct Called {
    flags: Vec<String>,
    command: bool,
    stdin: bool,
    at: usize,
}

fn called(words: &[String]) -> Result<Called, String> {
    let (mut flags, mut command, mut stdin) = (Vec::new(), false, false);
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with(['-', '+']) && word.len() > 1) {
        at += 1;
        match word.as_str() {
            "--" => break,
            "--norc" | "--noprofile" | "--login" | "-l" | "--posix" => {}
            long if long.starts_with("--") => {
                return Err(format!("this drill does not know {long}"));
            }
            "-o" | "+o" => {
                flags.push(word.clone());
                flags.extend(words.get(at).cloned());
                at += 1;
            }
            _ => {
                command |= word.contains('c');
                stdin |= word.contains('s');
                let rest: String = word.chars().filter(|flag| !"csil".contains(*flag)).collect();
                let names = rest.contains('o');
                if rest.len() > 1 {
                    flags.push(rest);
                }
                if names {
                    flags.extend(words.get(at).cloned());
                    at += 1;
                }
            }
        }
    }
    Ok(Called { flags, command, stdin, at: at.min(words.len()) })
}

pub(super) fn bash(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let Called { flags, command, stdin, at } = match called(words) {
        Ok(called) => called,
        Err(why) => return shell.wrong(2, format!("{}: {why}", words[0])),
    };
    let kept = std::mem::take(&mut shell.options);
    let taken = shell.take_flags(&flags);
    let options: Set = std::mem::replace(&mut shell.options, kept);
    if let Err(why) = taken {
        return shell.wrong(2, format!("{}: {why}", words[0]));
    }
    let rest = &words[at..];
    if command {
        let Some(text) = rest.first() else {
            return shell.wrong(2, format!("{}: -c: option requires an argument", words[0]));
        };
        return shell.script(rest.get(1).unwrap_or(&words[0]), text, rest.get(2..).unwrap_or_default(), options);
    }
    match rest.first().filter(|_| !stdin) {
        Some(path) => match shell.read_file(path) {
            Ok(bytes) => shell.script(path, &String::from_utf8_lossy(&bytes), &rest[1..], options),
            Err(why) => shell.wrong(127, format!("{}: {path}: {why}", words[0])),
        },
        None => {
            let text = String::from_utf8_lossy(&shell.input()?).into_owned();
            shell.script(&words[0], &text, rest, options)
        }
    }
}

impl Shell<'_> {
    /// Runs something as somebody, in a shell of its own.
    fn as_user(&mut self, user: &str, words: &[String]) -> Outcome {
        let mut shell = self.sub()?;
        user.clone_into(&mut shell.user);
        for (name, text) in
            [("USER", user.to_owned()), ("LOGNAME", user.to_owned()), ("HOME", super::users::home(user))]
        {
            shell.vars.insert(name.to_owned(), Var { exported: true, ..Var::new(Value::Text(text)) });
        }
        shell.finish(|shell| shell.external(words))
    }

    fn apart(&mut self, words: &[String]) -> Outcome {
        self.sub()?.finish(|shell| shell.external(words))
    }
}

pub(super) fn sudo(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (mut user, mut at) = ("root".to_owned(), 1);
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        match word.as_str() {
            "--" => break,
            "-u" => {
                user = words.get(at).cloned().unwrap_or_default();
                at += 1;
            }
            "-n" | "-E" | "-H" | "-S" | "--non-interactive" => {}
            flag if flag.starts_with("-u") => flag[2..].clone_into(&mut user),
            flag => return shell.wrong(1, format!("sudo: this drill does not know {flag}")),
        }
    }
    variables_then(shell, &words[at.min(words.len())..], "sudo", |shell, rest| shell.as_user(&user, rest))
}

/// `a=b c d`: what stands before the command is exported.
fn variables_then(
    shell: &mut Shell<'_>,
    words: &[String],
    name: &str,
    run: impl FnOnce(&mut Shell<'_>, &[String]) -> Outcome,
) -> Outcome {
    let count = words
        .iter()
        .take_while(|word| word.split_once('=').is_some_and(|(name, _)| super::super::vars::is_name(name)))
        .count();
    if words.len() == count && name == "sudo" {
        return shell.wrong(1, "sudo: a command must follow");
    }
    let mut shell = shell.sub()?;
    for (name, text) in words[..count].iter().filter_map(|word| word.split_once('=')) {
        shell.vars.insert(name.to_owned(), Var { exported: true, ..Var::new(Value::Text(text.to_owned())) });
    }
    run(&mut shell, &words[count..])
}

pub(super) fn runuser(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (mut user, mut command, mut rest) = (None, None, Vec::new());
    let mut all = words[1..].iter();
    while let Some(word) = all.next() {
        match word.as_str() {
            "-u" => user = all.next().cloned(),
            "-c" => command = all.next().cloned(),
            "-" | "-l" => {}
            "-s" => drop(all.next()),
            "--" => rest.extend(all.by_ref().cloned()),
            flag if flag.starts_with('-') => {
                return shell.wrong(1, format!("{}: this drill does not know {flag}", words[0]));
            }
            name if user.is_none() => user = Some(name.to_owned()),
            other => {
                rest.push(other.to_owned());
                rest.extend(all.by_ref().cloned());
            }
        }
    }
    if let Some(command) = command {
        rest = vec!["bash".to_owned(), "-c".to_owned(), command];
    }
    if shell.user != "root" {
        return shell.wrong(1, format!("{}: may not be used by non-root users", words[0]));
    }
    match (user, rest.is_empty()) {
        (Some(user), false) => shell.as_user(&user, &rest),
        _ => shell.wrong(1, format!("{}: this drill knows it with a user and a command alone", words[0])),
    }
}

pub(super) fn env(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut shell = shell.sub()?;
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        match word.as_str() {
            "-i" | "-" => shell.vars.retain(|_, var| !var.exported),
            "-u" => {
                shell.vars.remove(words.get(at).map_or("", String::as_str));
                at += 1;
            }
            "--" => break,
            flag => return shell.wrong(125, format!("env: this drill does not know {flag}")),
        }
    }
    variables_then(&mut shell, &words[at.min(words.len())..], "env", |shell, rest| {
        if rest.is_empty() {
            let lines: String = shell.exported().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            shell.out(lines)?;
            return Ok(0);
        }
        shell.apart(rest)
    })
}

/// `5`, `1.5`, `2m`, `1h`
fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], 1.0),
        'm' => (&text[..text.len() - 1], 60.0),
        'h' => (&text[..text.len() - 1], 3600.0),
        'd' => (&text[..text.len() - 1], 86_400.0),
        _ => (text, 1.0),
    };
    number.parse::<f64>().ok().map(|number| number * unit).filter(|seconds| *seconds >= 0.0)
}

pub(super) fn sleep(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut sum = 0.0;
    for word in &words[1..] {
        match seconds(word) {
            Some(seconds) => sum += seconds,
            None => return shell.wrong(1, format!("sleep: invalid time interval ‘{word}’")),
        }
    }
    if words.len() < 2 {
        return shell.wrong(1, "sleep: missing operand");
    }
    shell.wait(sum)
}

pub(super) fn timeout(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        match word.as_str() {
            "-k" | "-s" | "--kill-after" | "--signal" => at += 1,
            "--" => break,
            flag if flag.contains('=') || ["--preserve-status", "--foreground", "-v"].contains(&flag) => {}
            flag => return shell.wrong(125, format!("timeout: this drill does not know {flag}")),
        }
    }
    let Some(limit) = words.get(at).and_then(|word| seconds(word)) else {
        return shell.wrong(125, "timeout: invalid time interval");
    };
    let rest = &words[at + 1..];
    if rest.is_empty() {
        return shell.wrong(125, "timeout: missing operand");
    }
    let mut inner = shell.sub()?;
    let end = inner.now() + limit;
    if limit > 0.0 {
        inner.deadline = Some(inner.deadline.map_or(end, |other| other.min(end)));
    }
    inner.finish(|shell| shell.external(rest))
}

/// `nohup`, `setsid`, `nice`: they change nothing here.
pub(super) fn plain(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1;
        if ["-n", "-c", "-o", "-e", "-i"].contains(&word.as_str()) && words[0] != "setsid" {
            at += 1;
        }
    }
    match words.get(at..) {
        Some(rest) if !rest.is_empty() => shell.apart(rest),
        _ => shell.wrong(125, format!("{}: missing operand", words[0])),
    }
}

/// A lock that nobody else holds: one script after the other.
pub(super) fn flock(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-') && *word != "-c") {
        at += 1;
        if ["-w", "-E", "--timeout", "--wait"].contains(&word.as_str()) {
            at += 1;
        }
    }
    let Some(lock) = words.get(at) else {
        return shell.wrong(64, "flock: requires file descriptor, file or directory");
    };
    let rest = &words[at + 1..];
    if rest.is_empty() {
        return Ok(0);
    }
    if shell.files().get(&shell.place(lock)).is_none()
        && let Err(why) = shell.write_file(lock, b"", true)
    {
        return shell.wrong(66, format!("flock: cannot open lock file {lock}: {why}"));
    }
    if rest[0] == "-c" {
        let command = ["bash".to_owned(), "-c".to_owned(), rest.get(1).cloned().unwrap_or_default()];
        return shell.apart(&command);
    }
    shell.apart(rest)
}

/// What `xargs` was told, one by one.
fn items(text: &str, options: &Options, by_line: bool) -> Vec<String> {
    if options.has('0') {
        text.split_terminator('\0').map(str::to_owned).collect()
    } else if let Some(delimiter) = options.value('d') {
        text.trim_end_matches('\n').split(&super::super::escapes::ansi(delimiter)).map(str::to_owned).collect()
    } else if by_line {
        text.lines().map(|line| line.trim_start().to_owned()).filter(|line| !line.is_empty()).collect()
    } else {
        text.split_whitespace().map(|word| word.replace(['"', '\''], "")).collect()
    }
}

pub(super) fn xargs(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let at = command_of_xargs(words);
    let options =
        match Options::read(&words[1..at], "0rtn:I:P:L:d:", &[("no-run-if-empty", 'r', false), ("null", '0', false)]) {
            Ok(options) => options,
            Err(why) => return shell.wrong(1, format!("xargs: {why}")),
        };
    let by_line = options.has('I') || options.has('L');
    let items = items(&String::from_utf8_lossy(&shell.input()?), &options, by_line);
    let command = if at < words.len() { words[at..].to_vec() } else { vec!["echo".to_owned()] };
    let each =
        options.value('n').and_then(|count| count.parse().ok()).unwrap_or(if by_line { 1 } else { usize::MAX }).max(1);
    if items.is_empty() && (options.has('r') || by_line) {
        return Ok(0);
    }
    let groups: Vec<&[String]> =
        if items.is_empty() { vec![&[]] } else { items.chunks(each.min(items.len())).collect() };
    let mut status = 0;
    for group in groups {
        let call: Vec<String> = match options.value('I') {
            Some(mark) => command.iter().map(|word| word.replace(mark, &group[0])).collect(),
            None => command.iter().chain(group).cloned().collect(),
        };
        let mut inner = shell.sub()?;
        inner.fds.insert(0, super::super::state::Fd::Null);
        match inner.finish(|shell| shell.external(&call))? {
            0 => {}
            code @ (126 | 127) => return Ok(code),
            255 => return Ok(124),
            _ => status = 123,
        }
    }
    Ok(status)
}

/// Where its command begins: its own options stand before it.
fn command_of_xargs(words: &[String]) -> usize {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += if ["-n", "-I", "-P", "-L", "-d"].contains(&word.as_str()) { 2 } else { 1 };
    }
    at.min(words.len())
}
