//! Tools that tell who and where one is.

use super::super::state::{Outcome, Shell};
use super::options::Options;
use super::users;

pub(super) fn id(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "ungG", &[("user", 'u', false), ("name", 'n', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("id: {why}")),
    };
    let user = options.rest.first().cloned().unwrap_or_else(|| shell.user.clone());
    let number = users::id(&user);
    let text = match (options.has('u') || options.has('g') || options.has('G'), options.has('n')) {
        (true, true) => user,
        (true, false) => number.to_string(),
        _ => format!("uid={number}({user}) gid={number}({user}) groups={number}({user})"),
    };
    shell.out(text + "\n")?;
    Ok(0)
}

pub(super) fn whoami(shell: &mut Shell<'_>, _: &[String]) -> Outcome {
    shell.out(format!("{}\n", shell.user))?;
    Ok(0)
}

impl Shell<'_> {
    /// What the machine is called: `/etc/hostname` says it.
    fn machine(&mut self) -> String {
        let read = self.read_file("/etc/hostname").ok().map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        read.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
    }
}

pub(super) fn hostname(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let name = shell.machine();
    match words.get(1).map(String::as_str) {
        None | Some("-f" | "--fqdn") => shell.out(name + "\n")?,
        Some("-s") => shell.out(format!("{}\n", name.split('.').next().unwrap_or(&name)))?,
        // Its addresses are nothing that the shell knows.
        Some(_) => return shell.outside("hostname", &words[1..]),
    }
    Ok(0)
}

pub(super) fn uname(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "snrmoav", &[]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("uname: {why}")),
    };
    let parts = [
        ('s', "Linux".to_owned()),
        ('n', shell.machine()),
        ('r', "6.1.0-32-amd64".to_owned()),
        ('v', "#1 SMP PREEMPT_DYNAMIC".to_owned()),
        ('m', "x86_64".to_owned()),
        ('o', "GNU/Linux".to_owned()),
    ];
    let wanted = |flag: char| options.has(flag) || options.has('a') || (flag == 's' && options.flags.is_empty());
    let all: Vec<String> = parts.into_iter().filter(|(flag, _)| wanted(*flag)).map(|(_, text)| text).collect();
    shell.out(all.join(" ") + "\n")?;
    Ok(0)
}

pub(super) fn which(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut status = 0;
    for name in &words[1..] {
        match shell.found_file(name) {
            Some(path) => shell.out(path + "\n")?,
            None => status = 1,
        }
    }
    Ok(status)
}

pub(super) fn printenv(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let all = shell.exported();
    if words.len() == 1 {
        shell.out(all.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>())?;
        return Ok(0);
    }
    let mut status = 0;
    for name in &words[1..] {
        match all.get(name) {
            Some(value) => shell.out(format!("{value}\n"))?,
            None => status = 1,
        }
    }
    Ok(status)
}
