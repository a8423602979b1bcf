//! Tools that make, move and remove files and folders.

use super::super::files::{Files, Node, Trouble, Who};
use super::super::state::{Outcome, Shell};
use super::options::Options;

/// Does something to the files of a machine, and says what is wrong with which.
pub(super) fn each(
    shell: &mut Shell<'_>,
    tool: &str,
    verb: &str,
    paths: &[String],
    act: impl Fn(&mut Files, &Who, &str) -> Result<(), Trouble>,
) -> Outcome {
    let mut status = 0;
    if paths.is_empty() {
        return shell.wrong(1, format!("{tool}: missing operand"));
    }
    for path in paths {
        let (who, place) = (shell.who(), shell.place(path));
        let came = act(&mut shell.files(), &who, &place);
        if let Err(why) = came {
            status = shell.wrong(1, format!("{tool}: {verb} '{path}': {why}"))?;
        }
    }
    Ok(status)
}

/// `0755`, `u+x`, `go-w,a=r`
pub(super) fn mode(text: &str, before: u32, folder: bool) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    let mut now = before;
    for part in text.split(',') {
        let at = part.find(['+', '-', '='])?;
        let (who, sign, what) = (&part[..at], part[at..].chars().next()?, &part[at + 1..]);
        let bits = bits(what, folder || before & 0o111 != 0)?;
        for one in if who.is_empty() { "a" } else { who }.chars() {
            for shift in shifts(one)? {
                match sign {
                    '+' => now |= bits << shift,
                    '-' => now &= !(bits << shift),
                    _ => now = now & !(7 << shift) | bits << shift,
                }
            }
        }
    }
    Some(now)
}

/// `rw`, and `X`: where somebody may run it already.
fn bits(what: &str, runs: bool) -> Option<u32> {
    what.chars().try_fold(0, |bits, one| {
        let bit = match one {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            'X' => u32::from(runs),
            _ => return None,
        };
        Some(bits | bit)
    })
}

/// Where the bits of somebody stand.
const fn shifts(who: char) -> Option<&'static [u32]> {
    match who {
        'u' => Some(&[6]),
        'g' => Some(&[3]),
        'o' => Some(&[0]),
        'a' => Some(&[6, 3, 0]),
        _ => None,
    }
}

pub(super) fn mkdir(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "pm:v", &[("parents", 'p', false), ("mode", 'm', true)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("mkdir: {why}")),
    };
    let wanted = options.value('m').map(|text| mode(text, 0o777, true));
    if wanted == Some(None) {
        return shell.wrong(1, "mkdir: invalid mode");
    }
    let parents = options.has('p');
    each(shell, "mkdir", "cannot create directory", &options.rest, |files, who, place| {
        if parents {
            make_parents(files, who, place)?;
            if files.get(place).is_some_and(Node::is_folder) {
                return Ok(());
            }
        }
        files.make_folder(who, place)?;
        if let (Some(Some(mode)), Some(node)) = (wanted, files.look_mut(place)) {
            node.mode = mode;
        }
        Ok(())
    })
}

pub(super) fn make_parents(files: &mut Files, who: &Who, place: &str) -> Result<(), Trouble> {
    let clean = super::super::files::absolute("", place);
    for (at, _) in clean.match_indices('/').skip(1) {
        if files.get(&clean[..at]).is_none() {
            files.make_folder(who, &clean[..at])?;
        }
    }
    Ok(())
}

pub(super) fn rmdir(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    each(shell, "rmdir", "failed to remove", &words[1..], |files, who, place| {
        match files.look(place).map(Node::is_folder) {
            Some(false) => Err(Trouble::NoFolder),
            _ => files.remove(who, place),
        }
    })
}

pub(super) fn rm(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "rRfvd", &[("recursive", 'r', false), ("force", 'f', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("rm: {why}")),
    };
    let (all, force) = (options.has('r') || options.has('R'), options.has('f'));
    if force && options.rest.is_empty() {
        return Ok(0);
    }
    each(shell, "rm", "cannot remove", &options.rest, |files, who, place| {
        match files.look(place).map(Node::is_folder) {
            None if force => return Ok(()),
            None => return Err(Trouble::Missing),
            Some(true) if !all => return Err(Trouble::Folder),
            Some(_) => {}
        }
        if super::super::files::absolute("", place).is_empty() {
            return Err(Trouble::NotYours);
        }
        remove_all(files, who, place)
    })
}

pub(super) fn remove_all(files: &mut Files, who: &Who, place: &str) -> Result<(), Trouble> {
    files.below(place).iter().rev().try_for_each(|path| files.remove(who, path))
}

pub(super) fn touch(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [("date", 'd', true), ("reference", 'r', true), ("no-create", 'c', false)];
    let options = match Options::read(&words[1..], "d:r:cmat:", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("touch: {why}")),
    };
    let now = shell.now();
    let time = match (options.value('d'), options.value('r')) {
        (Some(text), _) => super::date::parsed(text, now),
        (_, Some(path)) => shell.files().get(&shell.place(path)).map(|node| node.time),
        _ if options.has('t') => None,
        _ => Some(now),
    };
    let Some(time) = time else { return shell.wrong(1, "touch: invalid date format") };
    let create = !options.has('c');
    each(shell, "touch", "cannot touch", &options.rest, |files, who, place| {
        if files.get(place).is_none() {
            if !create {
                return Ok(());
            }
            files.write(who, place, b"", true)?;
        }
        let real = files.real(place)?;
        if let Some(node) = files.look_mut(&real) {
            node.time = time;
        }
        Ok(())
    })
}

/// The paths that an option `-R` makes of some.
fn spread(shell: &Shell<'_>, paths: &[String], all: bool) -> Vec<String> {
    let files = shell.files();
    paths.iter().flat_map(|path| if all { files.below(&shell.place(path)) } else { vec![path.clone()] }).collect()
}

fn own(files: &mut Files, who: &Who, place: &str, change: impl FnOnce(&mut Node)) -> Result<(), Trouble> {
    let real = files.real(place)?;
    let node = files.look_mut(&real).ok_or(Trouble::Missing)?;
    if who.user != "root" && node.owner != who.user {
        return Err(Trouble::NotYours);
    }
    change(node);
    Ok(())
}

pub(super) fn chmod(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let all = words[1..].iter().any(|word| word == "-R");
    // A mode may begin as an option does.
    let rest: Vec<String> = words[1..].iter().filter(|word| *word != "-R" && *word != "--").cloned().collect();
    let Some((wanted, paths)) = rest.split_first() else { return shell.wrong(1, "chmod: missing operand") };
    if mode(wanted, 0, false).is_none() {
        return shell.wrong(1, format!("chmod: invalid mode: ‘{wanted}’"));
    }
    let paths = spread(shell, paths, all);
    each(shell, "chmod", "cannot access", &paths, |files, who, place| {
        own(files, who, place, |node| node.mode = mode(wanted, node.mode, node.is_folder()).unwrap_or(node.mode))
    })
}

pub(super) fn chown(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "Rh", &[("recursive", 'R', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("{}: {why}", words[0])),
    };
    let Some((who_is, paths)) = options.rest.split_first() else {
        return shell.wrong(1, format!("{}: missing operand", words[0]));
    };
    let (user, group) = if words[0] == "chgrp" {
        ("", who_is.as_str())
    } else {
        who_is
            .split_once([':', '.'])
            .map_or((who_is.as_str(), ""), |(user, group)| (user, if group.is_empty() { user } else { group }))
    };
    let paths = spread(shell, paths, options.has('R'));
    each(shell, &words[0], "changing ownership of", &paths, |files, who, place| {
        if who.user != "root" {
            return Err(Trouble::NotYours);
        }
        own(files, who, place, |node| {
            if !user.is_empty() {
                user.clone_into(&mut node.owner);
            }
            if !group.is_empty() {
                group.clone_into(&mut node.group);
            }
        })
    })
}

pub(super) fn mktemp(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "dqtp:", &[("directory", 'd', false), ("tmpdir", 'p', true)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("mktemp: {why}")),
    };
    let folder =
        options.value('p').map(str::to_owned).or_else(|| shell.get("TMPDIR")).unwrap_or_else(|| "/tmp".to_owned());
    let template = options.rest.first().cloned();
    let base = match &template {
        Some(template) if !options.has('p') && !options.has('t') => template.clone(),
        Some(template) => format!("{folder}/{template}"),
        None => format!("{folder}/tmp.XXXXXXXXXX"),
    };
    let marks = base.len() - base.trim_end_matches('X').len();
    if marks < 3 {
        return shell.wrong(1, format!("mktemp: too few X's in template ‘{base}’"));
    }
    let (who, name) = (shell.who(), unused(shell, &base, marks));
    let place = shell.place(&name);
    let came = {
        let mut files = shell.files();
        let made =
            if options.has('d') { files.make_folder(&who, &place) } else { files.write(&who, &place, b"", true) };
        if let (Ok(()), Some(node)) = (made, files.look_mut(&place)) {
            node.mode = if node.is_folder() { 0o700 } else { 0o600 };
        }
        made
    };
    if let Err(why) = came {
        return shell.wrong(1, format!("mktemp: failed to create file via template ‘{base}’: {why}"));
    }
    shell.out(name + "\n")?;
    Ok(0)
}

/// The name that a template makes and nobody has; so often it is tried.
fn unused(shell: &mut Shell<'_>, template: &str, marks: usize) -> String {
    let mut name = String::new();
    for _ in 0..100 {
        let tail: String = (0..marks).map(|_| shell.letter()).collect();
        name = format!("{}{tail}", template.trim_end_matches('X'));
        let place = shell.place(&name);
        if shell.files().look(&place).is_none() {
            break;
        }
    }
    name
}

impl Shell<'_> {
    /// Any letter or digit.
    fn letter(&mut self) -> char {
        const ALL: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let mut world = self.world.borrow_mut();
        world.chance = world.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(ALL[(world.chance >> 33) as usize % ALL.len()])
    }
}

pub(super) fn truncate(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "s:c", &[("size", 's', true)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("truncate: {why}")),
    };
    let Some(size) = options
        .value('s')
        .and_then(|text| text.parse::<usize>().ok())
        .filter(|size| *size <= super::super::state::OUTPUT)
    else {
        return shell.wrong(1, "truncate: this drill knows -s with a number of bytes alone");
    };
    each(shell, "truncate", "cannot open", &options.rest, |files, who, place| {
        let mut bytes = files.read(who, place).map(<[u8]>::to_vec).unwrap_or_default();
        bytes.resize(size, 0);
        files.write(who, place, &bytes, false)
    })
}
