//! Tools that make, move and remove files and folders.

use super::super::files::{Files, Kind, Node, Trouble, Who};
use super::super::state::{Flow, Outcome, Shell};
use super::options::Options;

/// Does something to the files of a machine, and says what is wrong with which.
fn each(
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
fn mode(text: &str, before: u32, folder: bool) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    let mut now = before;
    for part in text.split(',') {
        let at = part.find(['+', '-', '='])?;
        let (who, sign, what) = (&part[..at], part[at..].chars().next()?, &part[at + 1..]);
        let mut bits = 0;
        for one in what.chars() {
            bits |= match one {
                'r' => 4,
                'w' => 2,
                'x' => 1,
                'X' => u32::from(folder || before & 0o111 != 0),
                's' | 't' => return None,
                _ => return None,
            };
        }
        let who = if who.is_empty() { "a" } else { who };
        for one in who.chars() {
            let shifts: &[u32] = match one {
                'u' => &[6],
                'g' => &[3],
                'o' => &[0],
                'a' => &[6, 3, 0],
                _ => return None,
            };
            for shift in shifts {
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

fn make_parents(files: &mut Files, who: &Who, place: &str) -> Result<(), Trouble> {
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

/// Where something goes: into a folder that is there, or to that very name.
fn target(files: &Files, from: &str, to: &str, plain: bool) -> String {
    if !plain && files.get(to).is_some_and(Node::is_folder) {
        let name = from.trim_end_matches('/').rsplit('/').next().unwrap_or(from);
        return format!("{}/{name}", to.trim_end_matches('/'));
    }
    to.to_owned()
}

/// The sources and the target of `mv`, `cp` and `ln`.
fn ways(shell: &mut Shell<'_>, tool: &str, options: &Options) -> Result<Result<(Vec<String>, String), i32>, Flow> {
    let mut rest = options.rest.clone();
    let to = match options.value('t') {
        Some(folder) => Some(folder.to_owned()),
        None => rest.pop(),
    };
    let Some(to) = to.filter(|_| !rest.is_empty()) else {
        return shell.wrong(1, format!("{tool}: missing file operand")).map(Err);
    };
    let place = shell.place(&to);
    if rest.len() > 1 && !shell.files().get(&place).is_some_and(Node::is_folder) {
        return shell.wrong(1, format!("{tool}: target '{to}' is not a directory")).map(Err);
    }
    Ok(Ok((rest, to)))
}

pub(super) fn mv(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(
        &words[1..],
        "fnvTt:",
        &[("force", 'f', false), ("no-clobber", 'n', false), ("no-target-directory", 'T', false)],
    ) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("mv: {why}")),
    };
    let (from, to) = match ways(shell, "mv", &options)? {
        Ok(ways) => ways,
        Err(code) => return Ok(code),
    };
    let mut status = 0;
    for path in from {
        let (who, place, to_place) = (shell.who(), shell.place(&path), shell.place(&to));
        let came = {
            let mut files = shell.files();
            let aim = target(&files, &path, &to_place, options.has('T'));
            if options.has('n') && files.look(&aim).is_some() { Ok(()) } else { files.rename(&who, &place, &aim) }
        };
        match came {
            Ok(()) => {}
            Err(Trouble::Missing) if shell.files().look(&place).is_none() => {
                status = shell.wrong(1, format!("mv: cannot stat '{path}': {}", Trouble::Missing))?
            }
            Err(why) => status = shell.wrong(1, format!("mv: cannot move '{path}' to '{to}': {why}"))?,
        }
    }
    Ok(status)
}

pub(super) fn cp(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [
        ("preserve", 'p', false),
        ("recursive", 'r', false),
        ("archive", 'a', false),
        ("force", 'f', false),
        ("no-clobber", 'n', false),
    ];
    let options = match Options::read(&words[1..], "parRfnvdPTt:L", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("cp: {why}")),
    };
    let (from, to) = match ways(shell, "cp", &options)? {
        Ok(ways) => ways,
        Err(code) => return Ok(code),
    };
    let all = ['a', 'r', 'R'].iter().any(|flag| options.has(*flag));
    let keep = options.has('a') || options.has('p');
    let mut status = 0;
    for path in from {
        let (who, place, to_place) = (shell.who(), shell.place(&path), shell.place(&to));
        let came = {
            let mut files = shell.files();
            let aim = target(&files, &path, &to_place, options.has('T'));
            if options.has('n') && files.look(&aim).is_some() {
                Ok(())
            } else {
                copy(&mut files, &who, &place, &aim, all, keep)
            }
        };
        match came {
            Ok(()) => {}
            Err(Trouble::Folder) if !all => {
                status = shell.wrong(1, format!("cp: -r not specified; omitting directory '{path}'"))?
            }
            Err(Trouble::Missing) if shell.files().get(&place).is_none() => {
                status = shell.wrong(1, format!("cp: cannot stat '{path}': {}", Trouble::Missing))?
            }
            Err(why) => status = shell.wrong(1, format!("cp: cannot copy '{path}' to '{to}': {why}"))?,
        }
    }
    Ok(status)
}

/// Copies a file, or a folder with all that is in it.
fn copy(files: &mut Files, who: &Who, from: &str, to: &str, all: bool, keep: bool) -> Result<(), Trouble> {
    let from = if all { files.place(from)? } else { files.real(from)? };
    if files.place(to)? == from || files.place(to)?.starts_with(&format!("{from}/")) {
        return Err(Trouble::Invalid);
    }
    if files.look(&from).ok_or(Trouble::Missing)?.is_folder() && !all {
        return Err(Trouble::Folder);
    }
    for path in files.below(&from) {
        let Some(node) = files.look(&path).cloned() else { continue };
        let aim = format!("{to}{}", &path[from.len()..]);
        match &node.kind {
            Kind::Folder if files.get(&aim).is_some_and(Node::is_folder) => {}
            Kind::Folder => files.make_folder(who, &aim)?,
            Kind::Link(link) => files.link(who, &aim, link)?,
            Kind::File(_) => {
                let there = files.get(&aim).is_some();
                let bytes = files.read(who, &path)?.to_vec();
                files.write(who, &aim, &bytes, false)?;
                // A new one has the old one's rights, as far as the mask lets them.
                if let (false, Some(made)) = (there, files.look_mut(&aim)) {
                    made.mode = node.mode & !who.umask;
                }
            }
        }
        if keep && let Some(made) = files.look_mut(&aim) {
            (made.mode, made.time) = (node.mode, node.time);
            if who.user == "root" {
                (made.owner, made.group) = (node.owner, node.group);
            }
        }
    }
    Ok(())
}

pub(super) fn ln(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(
        &words[1..],
        "sfnTvrt:",
        &[("symbolic", 's', false), ("force", 'f', false), ("no-dereference", 'n', false)],
    ) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("ln: {why}")),
    };
    if !options.has('s') || options.has('r') {
        return shell.wrong(1, "ln: this drill knows symbolic links alone (-s)");
    }
    let (from, to) = match ways(shell, "ln", &options)? {
        Ok(ways) => ways,
        Err(code) => return Ok(code),
    };
    let mut status = 0;
    for path in from {
        let (who, to_place) = (shell.who(), shell.place(&to));
        let came = {
            let mut files = shell.files();
            let is_link = files.look(&to_place).is_some_and(|node| matches!(node.kind, Kind::Link(_)));
            let aim = target(&files, &path, &to_place, options.has('T') || (options.has('n') && is_link));
            let gone = if options.has('f') && files.look(&aim).is_some() { files.remove(&who, &aim) } else { Ok(()) };
            gone.and_then(|()| files.link(&who, &aim, &path))
        };
        if let Err(why) = came {
            status = shell.wrong(1, format!("ln: failed to create symbolic link '{to}': {why}"))?;
        }
    }
    Ok(status)
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

pub(super) fn install(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [("owner", 'o', true), ("group", 'g', true), ("mode", 'm', true), ("directory", 'd', false)];
    let options = match Options::read(&words[1..], "o:g:m:dDTt:", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("install: {why}")),
    };
    let Some(wanted) = mode(options.value('m').unwrap_or("0755"), 0, false) else {
        return shell.wrong(1, "install: invalid mode");
    };
    let (owner, group) = (options.value('o').map(str::to_owned), options.value('g').map(str::to_owned));
    if (owner.is_some() || group.is_some()) && shell.user != "root" {
        return shell.wrong(1, "install: cannot change ownership: Operation not permitted");
    }
    let finish = |files: &mut Files, place: &str| {
        if let Some(node) = files.look_mut(place) {
            node.mode = wanted;
            node.owner = owner.clone().unwrap_or_else(|| node.owner.clone());
            node.group = group.clone().or_else(|| owner.clone()).unwrap_or_else(|| node.group.clone());
        }
    };
    if options.has('d') {
        return each(shell, "install", "cannot create directory", &options.rest, |files, who, place| {
            make_parents(files, who, place)?;
            if files.get(place).is_none() {
                files.make_folder(who, place)?;
            }
            finish(files, place);
            Ok(())
        });
    }
    let (from, to) = match ways(shell, "install", &options)? {
        Ok(ways) => ways,
        Err(code) => return Ok(code),
    };
    let to_place = shell.place(&to);
    each(shell, "install", "cannot install", &from, |files, who, place| {
        let aim = target(files, place, &to_place, options.has('T'));
        if options.has('D') {
            make_parents(files, who, &aim)?;
        }
        let bytes = files.read(who, place)?.to_vec();
        if files.look(&aim).is_some() {
            files.remove(who, &aim)?;
        }
        files.write(who, &aim, &bytes, false)?;
        finish(files, &aim);
        Ok(())
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
    let (who, mut name) = (shell.who(), String::new());
    for _ in 0..100 {
        let tail: String = (0..marks).map(|_| shell.letter()).collect();
        name = format!("{}{tail}", base.trim_end_matches('X'));
        let place = shell.place(&name);
        if shell.files().look(&place).is_none() {
            break;
        }
    }
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
