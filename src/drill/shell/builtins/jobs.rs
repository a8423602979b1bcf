//! `trap`, `wait`, `kill`.

use super::super::Ended;
use super::super::state::{Outcome, Shell};

/// Signals by their numbers.
const SIGNALS: [(&str, &str); 9] = [
    ("0", "EXIT"),
    ("1", "HUP"),
    ("2", "INT"),
    ("3", "QUIT"),
    ("9", "KILL"),
    ("10", "USR1"),
    ("12", "USR2"),
    ("13", "PIPE"),
    ("15", "TERM"),
];

fn signal(word: &str) -> Option<String> {
    let upper = word.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = SIGNALS.iter().find(|(number, known)| *number == name || *known == name);
    match known {
        Some((_, known)) => Some((*known).to_owned()),
        None if ["ERR", "DEBUG", "RETURN", "ALRM", "CHLD", "CONT", "TSTP", "WINCH"].contains(&name) => {
            Some(name.to_owned())
        }
        None => None,
    }
}

pub(super) fn trap(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let words: Vec<&String> = words[1..].iter().filter(|word| *word != "--").collect();
    match words.as_slice() {
        [] => listed(shell, &[]),
        [first, rest @ ..] if *first == "-p" => listed(shell, rest),
        [one] => {
            if let Some(name) = signal(one) {
                shell.traps.remove(&name);
            }
            Ok(0)
        }
        [body, signals @ ..] => {
            for word in signals {
                let Some(name) = signal(word) else {
                    shell.complain(format!("trap: {word}: invalid signal specification"));
                    return Ok(1);
                };
                if *body == "-" {
                    shell.traps.remove(&name);
                } else {
                    shell.traps.insert(name, (*body).clone());
                }
            }
            Ok(0)
        }
    }
}

fn listed(shell: &mut Shell<'_>, names: &[&String]) -> Outcome {
    let names: Vec<String> = names.iter().filter_map(|name| signal(name)).collect();
    for (name, body) in shell.traps.clone() {
        if names.is_empty() || names.contains(&name) {
            let prefix = if ["EXIT", "ERR", "DEBUG", "RETURN"].contains(&name.as_str()) { "" } else { "SIG" };
            shell.out(format!("trap -- {} {prefix}{name}\n", super::super::escapes::quoted(&body)))?;
        }
    }
    Ok(0)
}

#[expect(clippy::unnecessary_wraps, reason = "all builtins have one signature")]
pub(super) fn wait(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let pids: Vec<&String> = words[1..].iter().filter(|word| !word.starts_with('-')).collect();
    if pids.is_empty() {
        let any = words.iter().any(|word| word == "-n");
        let status = if any { shell.jobs.first().map_or(127, |(_, status)| *status) } else { 0 };
        if any {
            shell.jobs.drain(..1.min(shell.jobs.len()));
        }
        return Ok(status);
    }
    let mut status = 0;
    for pid in pids {
        let found = match pid.strip_prefix('%') {
            Some(number) => {
                number.parse::<usize>().ok().and_then(|number| shell.jobs.get(number.wrapping_sub(1)).copied())
            }
            None => shell.jobs.iter().find(|(known, _)| known.to_string() == **pid).copied(),
        };
        status = found.map_or(127, |(_, status)| status);
        if found.is_none() {
            shell.complain(format!("wait: pid {pid} is not a child of this shell"));
        }
    }
    Ok(status)
}

pub(super) fn kill(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (mut name, mut pids) = ("TERM".to_owned(), Vec::new());
    let mut words_left = words[1..].iter();
    while let Some(word) = words_left.next() {
        match word.strip_prefix('-') {
            Some("s" | "n") => name = words_left.next().and_then(|word| signal(word)).unwrap_or_default(),
            Some("-") => pids.extend(words_left.by_ref()),
            Some(flag) if pids.is_empty() => {
                name = if flag == "0" { "0".to_owned() } else { signal(flag).unwrap_or_default() }
            }
            _ => pids.push(word),
        }
    }
    if name.is_empty() || pids.is_empty() {
        shell.complain("kill: usage: kill [-s sigspec | -n signum | -sigspec] pid");
        return Ok(2);
    }
    let mut status = 0;
    for pid in pids {
        let own = shell.pid.to_string();
        if *pid == own || pid.strip_prefix('-') == Some(&own) {
            match name.as_str() {
                "0" => {}
                "KILL" => shell.ended(Ended::Kill)?,
                "TERM" => shell.ended(Ended::Term)?,
                other => {
                    if let Some(body) = shell.traps.get(other).cloned() {
                        shell.eval(&body)?;
                    }
                }
            }
        } else if shell.jobs.iter().any(|(known, _)| known.to_string() == *pid) {
            shell.complain(format!("kill: ({pid}) - No such process"));
            status = 1;
        } else {
            // A process of the machine.
            status = shell.outside("kill", &words[1..])?;
        }
    }
    Ok(status)
}
