//! The commands that are the shell's own.

mod declare;
mod jobs;
mod print;
mod read;
mod set;

use super::files::absolute;
use super::state::{Flow, Outcome, Shell};

/// One of them, called with its own name first.
pub(super) type Builtin = fn(&mut Shell<'_>, &[String]) -> Outcome;

/// Those that are files too.
pub(super) const EXTERNAL: [&str; 8] = ["echo", "printf", "test", "[", "true", "false", "pwd", "kill"];

/// The builtin of a name.
pub(super) fn of(name: &str) -> Option<Builtin> {
    Some(match name {
        ":" | "true" => |_, _| Ok(0),
        "false" => |_, _| Ok(1),
        "echo" => print::echo,
        "printf" => print::printf,
        "test" => |shell, words| shell.test("test", &words[1..]),
        "[" => bracket,
        "cd" => cd,
        "pwd" => |shell, _| {
            let folder = absolute("/", &shell.folder);
            shell.out(if folder.is_empty() { "/\n".to_owned() } else { folder + "\n" })?;
            Ok(0)
        },
        "export" | "local" | "declare" | "typeset" | "readonly" => |shell, words| shell.declare(words, &[]),
        "unset" => declare::unset,
        "set" => set::set,
        "shopt" => set::shopt,
        "shift" => set::shift,
        "getopts" => set::getopts,
        "read" => read::read,
        "mapfile" | "readarray" => read::mapfile,
        "trap" => jobs::trap,
        "wait" => jobs::wait,
        "kill" => jobs::kill,
        "jobs" | "disown" | "hash" | "ulimit" | "times" => |_, _| Ok(0),
        "umask" => umask,
        "eval" => |shell, words| shell.eval(&words[1..].join(" ")),
        "let" => set::reckon,
        "." | "source" => source,
        "command" | "builtin" => command,
        "type" => kind,
        "exec" => |shell, words| shell.exec(&words[1..], std::iter::empty()),
        "exit" => |shell, words| Err(Flow::Exit(code(shell, words))),
        "return" => leave_function,
        "break" => |shell, words| leave(shell, words, Flow::Break),
        "continue" => |shell, words| leave(shell, words, Flow::Continue),
        _ => return None,
    })
}

/// What `exit` and `return` were given.
fn code(shell: &mut Shell<'_>, words: &[String]) -> i32 {
    match words.get(1).map(|word| word.parse::<i64>()) {
        None => shell.status,
        Some(Ok(code)) => (code & 255) as i32,
        Some(Err(_)) => {
            shell.complain(format!("{}: {}: numeric argument required", words[0], words[1]));
            2
        }
    }
}

fn leave_function(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    if shell.names.is_empty() && shell.sourcing == 0 {
        shell.complain("return: can only `return' from a function or sourced script");
        return Ok(2);
    }
    Err(Flow::Return(code(shell, words)))
}

fn leave(shell: &mut Shell<'_>, words: &[String], flow: fn(u32) -> Flow) -> Outcome {
    let count = words.get(1).map_or(Ok(1), |word| word.parse::<u32>());
    match count {
        Ok(count) if count > 0 && shell.loops > 0 => {
            // What failed before it is not the loop's status.
            shell.status = 0;
            Err(flow(count.min(shell.loops)))
        }
        Ok(count) if count > 0 => Ok(0),
        _ => {
            shell.complain(format!("{}: {}: loop count out of range", words[0], words[1]));
            Err(flow(shell.loops.max(1)))
        }
    }
}

fn bracket(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    if words.last().is_none_or(|last| last != "]") || words.len() < 2 {
        shell.complain("[: missing `]'");
        return Ok(2);
    }
    shell.test("[", &words[1..words.len() - 1])
}

fn cd(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let target = words[1..].iter().find(|word| !matches!(word.as_str(), "--" | "-P" | "-L" | "-e")).cloned();
    let home = || super::tools::users::home(&shell.user);
    let target = match target.as_deref() {
        None => shell.vars.get("HOME").map_or_else(home, |_| String::new()),
        Some("-") => shell.get("OLDPWD").unwrap_or_default(),
        Some(target) => target.to_owned(),
    };
    let target = if target.is_empty() { shell.get("HOME").unwrap_or_default() } else { target };
    let place = shell.place(&target);
    let (there, folder, may) = {
        let files = shell.files();
        let node = files.get(&place);
        (
            node.is_some(),
            node.is_some_and(super::Node::is_folder),
            files.may(&shell.user, &place, super::files::Access::Run),
        )
    };
    let why = match (there, folder, may) {
        (false, ..) => "No such file or directory",
        (_, false, _) => "Not a directory",
        (.., false) => "Permission denied",
        _ => {
            let old = shell.folder.clone();
            shell.folder = absolute("/", &place);
            let now = if shell.folder.is_empty() { "/".to_owned() } else { shell.folder.clone() };
            if words.get(1).is_some_and(|word| word == "-") {
                shell.out(format!("{now}\n"))?;
            }
            let _ = shell.set("OLDPWD", if old.is_empty() { "/".to_owned() } else { old });
            let _ = shell.set("PWD", now);
            return Ok(0);
        }
    };
    shell.complain(format!("cd: {target}: {why}"));
    Ok(1)
}

fn umask(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    match words.get(1) {
        None => shell.out(format!("{:04o}\n", shell.umask)).map(|()| 0),
        Some(mask) => match u32::from_str_radix(mask, 8) {
            Ok(mask) if mask < 0o1000 => {
                shell.umask = mask;
                Ok(0)
            }
            _ => {
                shell.complain(format!("umask: {mask}: this drill knows octal numbers alone"));
                Ok(1)
            }
        },
    }
}

fn source(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let Some(path) = words.get(1) else {
        shell.complain(format!("{}: filename argument required", words[0]));
        return Ok(2);
    };
    let text = match shell.read_file(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) => {
            shell.complain(format!("{path}: {why}"));
            return Ok(1);
        }
    };
    let args = (words.len() > 2).then(|| std::mem::replace(&mut shell.args, words[2..].to_vec()));
    shell.sourcing += 1;
    let came = shell.eval(&text);
    shell.sourcing -= 1;
    if let Some(args) = args {
        shell.args = args;
    }
    match came {
        Err(Flow::Return(status)) => Ok(status),
        other => other,
    }
}

/// `command`, with `-v` where it lies.
fn command(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let rest = &words[1..];
    match rest.first().map(String::as_str) {
        None => Ok(0),
        Some("-v" | "-V") => {
            let mut status = 1;
            for name in &rest[1..] {
                if let Some(found) = shell.found(name) {
                    shell.out(format!("{found}\n"))?;
                    status = 0;
                }
            }
            Ok(status)
        }
        Some("-p" | "--") if rest.len() > 1 => shell.unfunctioned(&rest[1..]),
        Some(_) => shell.unfunctioned(rest),
    }
}

fn kind(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (flags, names): (Vec<&String>, Vec<&String>) = words[1..].iter().partition(|word| word.starts_with('-'));
    let has = |flag: &str| flags.iter().any(|word| *word == flag);
    let mut status = 0;
    for name in names {
        let (function, own, file) = (shell.functions.contains_key(name), of(name).is_some(), shell.found_file(name));
        let line = match (function, own, &file) {
            (true, ..) if has("-t") => "function".to_owned(),
            (_, true, _) if has("-t") => "builtin".to_owned(),
            (.., Some(_)) if has("-t") => "file".to_owned(),
            (.., Some(path)) if has("-P") || (has("-p") && !own && !function) => path.clone(),
            _ if has("-t") || has("-p") || has("-P") => String::new(),
            (true, ..) => format!("{name} is a function"),
            (_, true, _) => format!("{name} is a shell builtin"),
            (.., Some(path)) => format!("{name} is {path}"),
            _ => {
                shell.complain(format!("type: {name}: not found"));
                String::new()
            }
        };
        if !function && !own && file.is_none() {
            status = 1;
        }
        if !line.is_empty() {
            shell.out(line + "\n")?;
        }
    }
    Ok(status)
}
