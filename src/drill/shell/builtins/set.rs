//! `set`, `shopt`, `shift`, `getopts`, `let`.

use super::super::state::{Flow, Options, Outcome, Shell};

/// Where an option is kept, by its long name.
fn place<'o>(options: &'o mut Options, name: &str) -> Option<&'o mut bool> {
    Some(match name {
        "errexit" => &mut options.errexit,
        "nounset" => &mut options.nounset,
        "pipefail" => &mut options.pipefail,
        "noglob" => &mut options.noglob,
        "noclobber" => &mut options.noclobber,
        "noexec" => &mut options.noexec,
        "allexport" => &mut options.allexport,
        "errtrace" => &mut options.errtrace,
        "xtrace" => &mut options.xtrace,
        "nullglob" => &mut options.nullglob,
        "failglob" => &mut options.failglob,
        "dotglob" => &mut options.dotglob,
        "nocasematch" => &mut options.nocasematch,
        "lastpipe" => &mut options.lastpipe,
        "inherit_errexit" => &mut options.inherit,
        _ => return None,
    })
}

/// Those that change nothing here.
const IDLE: [&str; 12] = [
    "monitor",
    "hashall",
    "posix",
    "functrace",
    "verbose",
    "history",
    "braceexpand",
    "extglob",
    "globstar",
    "expand_aliases",
    "huponexit",
    "physical",
];

fn long(flag: char) -> Option<&'static str> {
    Some(match flag {
        'e' => "errexit",
        'u' => "nounset",
        'f' => "noglob",
        'C' => "noclobber",
        'n' => "noexec",
        'a' => "allexport",
        'E' => "errtrace",
        'x' => "xtrace",
        'm' => "monitor",
        'h' => "hashall",
        'T' => "functrace",
        'v' => "verbose",
        'B' => "braceexpand",
        'P' => "physical",
        _ => return None,
    })
}

impl Shell<'_> {
    /// Whether `set -o` has it.
    pub(in super::super) fn option(&self, name: &str) -> Option<bool> {
        let mut options = self.options;
        place(&mut options, name).map(|on| *on)
    }

    /// `$-`
    pub(in super::super) fn flags(&self) -> String {
        let mut options = self.options;
        let on = "aefnuxCE"
            .chars()
            .filter(|flag| long(*flag).and_then(|name| place(&mut options, name)).is_some_and(|on| *on));
        on.chain("hB".chars()).collect()
    }

    /// Turns one on or off. `false`: there is none of this name.
    pub(in super::super) fn turn(&mut self, name: &str, on: bool) -> bool {
        if let Some(place) = place(&mut self.options, name) {
            *place = on;
            return true;
        }
        IDLE.contains(&name)
    }

    /// The flags before a script's own arguments, as `set` and `bash` take them; gives what is left. `Err`: the one that is none.
    pub(in super::super) fn take_flags(&mut self, words: &[String]) -> Result<Option<Vec<String>>, String> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            let on = match word.chars().next() {
                Some('-') => true,
                Some('+') => false,
                _ => return Ok(Some(words[at - 1..].to_vec())),
            };
            match &word[1..] {
                "-" => return Ok(Some(words[at..].to_vec())),
                "" => return Ok(Some(words[at..].to_vec())),
                flags => {
                    for flag in flags.chars() {
                        if flag == 'o' {
                            let Some(name) = words.get(at) else { return Ok(None) };
                            at += 1;
                            if !self.turn(name, on) {
                                return Err(format!("{name}: invalid option name"));
                            }
                        } else if !long(flag).is_some_and(|name| self.turn(name, on)) {
                            return Err(format!("-{flag}: invalid option"));
                        }
                    }
                }
            }
        }
        Ok(None)
    }
}

pub(super) fn set(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    if words.len() == 1 {
        let names: Vec<String> = shell.vars.keys().cloned().collect();
        for name in names {
            if let Some(value) = shell.get(&name) {
                shell.out(format!("{name}={}\n", super::super::escapes::spare(&value)))?;
            }
        }
        return Ok(0);
    }
    match shell.take_flags(&words[1..]) {
        Ok(Some(args)) => shell.args = args,
        Ok(None) => {}
        Err(why) => {
            shell.complain(format!("set: {why}"));
            return Ok(2);
        }
    }
    Ok(0)
}

#[expect(clippy::unnecessary_wraps, reason = "all builtins have one signature")]
pub(super) fn shopt(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (flags, names): (Vec<&String>, Vec<&String>) = words[1..].iter().partition(|word| word.starts_with('-'));
    let on = flags.iter().any(|flag| *flag == "-s");
    let off = flags.iter().any(|flag| *flag == "-u");
    let mut status = 0;
    for name in names {
        if !on && !off {
            status |= i32::from(!shell.option(name).unwrap_or(false));
        } else if !shell.turn(name, on) {
            shell.complain(format!("shopt: {name}: this drill does not know this option"));
            status = 1;
        }
    }
    Ok(status)
}

#[expect(clippy::unnecessary_wraps, reason = "all builtins have one signature")]
pub(super) fn shift(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let count = words.get(1).map_or(Ok(1), |word| word.parse::<usize>());
    match count {
        Ok(count) if count <= shell.args.len() => {
            shell.args.drain(..count);
            Ok(0)
        }
        Ok(_) => Ok(1),
        Err(_) => {
            shell.complain(format!("shift: {}: numeric argument required", words[1]));
            Ok(1)
        }
    }
}

pub(super) fn reckon(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut last = 0;
    for word in &words[1..] {
        last = shell.number(word)?;
    }
    Ok(i32::from(last == 0))
}

/// `getopts spec name`: how far it is within a word stands in `OPTIND`'s own second half, which is kept as a variable of no name.
pub(super) fn getopts(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (Some(spec), Some(name)) = (words.get(1).cloned(), words.get(2).cloned()) else { return Ok(2) };
    let args = if words.len() > 3 { words[3..].to_vec() } else { shell.args.clone() };
    let mut number = |name: &str| shell.get(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).max(1);
    let mut index = number("OPTIND");
    let mut at = number("__OPTAT");
    let word = args.get(index - 1).filter(|word| word.starts_with('-') && *word != "-" && *word != "--");
    let Some(word) = word else {
        index += usize::from(args.get(index - 1).is_some_and(|word| word == "--"));
        keep(shell, &name, "?".to_owned())?;
        keep(shell, "OPTIND", index.to_string())?;
        return Ok(1);
    };
    let flags: Vec<char> = word.chars().collect();
    let (said, value) = option(shell, &spec, &flags, &mut at, args.get(index), &mut index);
    if at >= flags.len() {
        (index, at) = (index + 1, 1);
    }
    keep(shell, &name, said)?;
    match value {
        Some(value) => keep(shell, "OPTARG", value)?,
        None => drop(shell.unset("OPTARG")),
    }
    keep(shell, "OPTIND", index.to_string())?;
    keep(shell, "__OPTAT", at.to_string())?;
    Ok(0)
}

fn keep(shell: &mut Shell<'_>, name: &str, value: String) -> Result<(), Flow> {
    shell.set(name, value).or_else(|why| shell.fail(why))
}

/// The option at that place of a word: what it is called from now on, and its value, which the next word may be.
fn option(
    shell: &mut Shell<'_>,
    spec: &str,
    flags: &[char],
    at: &mut usize,
    next: Option<&String>,
    index: &mut usize,
) -> (String, Option<String>) {
    let flag = flags.get(*at).copied().unwrap_or('?');
    *at += 1;
    if flag == ':' || !spec.trim_start_matches(':').contains(flag) {
        return refused(shell, spec, "?", flag, "illegal option");
    }
    if !spec.contains(&format!("{flag}:")) {
        return (flag.to_string(), None);
    }
    let rest: String = flags[(*at).min(flags.len())..].iter().collect();
    *at = flags.len();
    match next {
        _ if !rest.is_empty() => (flag.to_string(), Some(rest)),
        Some(next) => {
            *index += 1;
            (flag.to_string(), Some(next.clone()))
        }
        None => refused(shell, spec, ":", flag, "option requires an argument"),
    }
}

/// One that is not as the specification has it: told, or with a colon before that handed on.
fn refused(shell: &mut Shell<'_>, spec: &str, mark: &str, flag: char, why: &str) -> (String, Option<String>) {
    if spec.starts_with(':') {
        return (mark.to_owned(), Some(flag.to_string()));
    }
    shell.say(&format!("{}: {why} -- {flag}\n", shell.name.clone()));
    ("?".to_owned(), None)
}
