//! Tools that bring something elsewhere: `mv`, `cp`, `ln`, `install`.

use super::super::files::{Files, Kind, Node, Trouble, Who};
use super::super::state::{Flow, Outcome, Shell};
use super::folders::{each, make_parents, mode};
use super::options::Options;

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
                status = shell.wrong(1, format!("mv: cannot stat '{path}': {}", Trouble::Missing))?;
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
                status = shell.wrong(1, format!("cp: -r not specified; omitting directory '{path}'"))?;
            }
            Err(Trouble::Missing) if shell.files().get(&place).is_none() => {
                status = shell.wrong(1, format!("cp: cannot stat '{path}': {}", Trouble::Missing))?;
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
