//! Tools that tell of files: `ls`, `stat`, `readlink`, `realpath`, `basename`, `dirname`.

use super::super::files::{Kind, Node};
use super::super::state::{Flow, Outcome, Shell};
use super::format::percent;
use super::options::Options;
use super::{date, users};
use std::fmt::Write as _;

/// `drwxr-xr-x`
pub(super) fn rights(node: &Node) -> String {
    let kind = match node.kind {
        Kind::Folder => 'd',
        Kind::File(_) => '-',
        Kind::Link(_) => 'l',
    };
    let bits = (0..9).map(|bit| if node.mode >> (8 - bit) & 1 == 1 { ['r', 'w', 'x'][bit % 3] } else { '-' });
    std::iter::once(kind).chain(bits).collect()
}

/// One line of `ls`.
struct Row {
    name: String,
    node: Node,
}

pub(super) fn ls(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [
        ("all", 'a', false),
        ("almost-all", 'A', false),
        ("reverse", 'r', false),
        ("human-readable", 'h', false),
        ("color", 'z', false),
        ("time-style", 'Z', true),
    ];
    let options = match Options::read(&words[1..], "1aAdlntrShgF", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("ls: {why}")),
    };
    let paths = if options.rest.is_empty() { vec![".".to_owned()] } else { options.rest.clone() };
    let Named { single, folders, status } = named(shell, &options, paths)?;
    let several = folders.len() + usize::from(!single.is_empty()) > 1 || (folders.len() == 1 && status != 0);
    let mut out = String::new();
    let count = single.len();
    rows(single, &options, shell.now(), &mut out);
    for (index, (path, place)) in folders.iter().enumerate() {
        if several {
            let _ = writeln!(out, "{}{path}:", if index > 0 || count > 0 { "\n" } else { "" });
        }
        let inner = inside(shell, &options, place);
        if is_long(&options) {
            let blocks: usize = inner.iter().map(|row| row.node.size().div_ceil(4096) * 4).sum();
            let _ = writeln!(out, "total {blocks}");
        }
        rows(inner, &options, shell.now(), &mut out);
    }
    shell.out(out)?;
    Ok(status)
}

/// What `ls` was given: what stands by itself, folders with their places, and the status for what is not there.
struct Named {
    single: Vec<Row>,
    folders: Vec<(String, String)>,
    status: i32,
}

fn is_long(options: &Options) -> bool {
    options.has('l') || options.has('n')
}

fn named(shell: &mut Shell<'_>, options: &Options, paths: Vec<String>) -> Result<Named, Flow> {
    let mut all = Named { single: Vec::new(), folders: Vec::new(), status: 0 };
    for path in paths {
        let place = shell.place(&path);
        let (node, link) = {
            let files = shell.files();
            (files.get(&place).cloned(), files.look(&place).cloned())
        };
        match (node, link) {
            (Some(node), _) if node.is_folder() && !options.has('d') => all.folders.push((path, place)),
            (node, Some(link)) => {
                let node = if is_long(options) { link } else { node.unwrap_or(link) };
                all.single.push(Row { name: path, node });
            }
            _ => all.status = shell.wrong(2, format!("ls: cannot access '{path}': No such file or directory"))?,
        }
    }
    Ok(all)
}

/// What is in a folder, as far as it is to be shown.
fn inside(shell: &Shell<'_>, options: &Options, place: &str) -> Vec<Row> {
    let files = shell.files();
    let mut names = files.names(place);
    names.retain(|name| options.has('a') || options.has('A') || !name.starts_with('.'));
    if options.has('a') {
        names.extend([".".to_owned(), "..".to_owned()]);
    }
    let row = |name: String| Some(Row { node: files.look(&format!("{place}/{name}")).cloned()?, name });
    names.into_iter().filter_map(row).collect()
}

fn rows(mut rows: Vec<Row>, options: &Options, now: f64, out: &mut String) {
    rows.sort_by(|left, right| left.name.cmp(&right.name));
    if options.has('t') {
        rows.sort_by(|left, right| right.node.time.total_cmp(&left.node.time));
    }
    if options.has('S') {
        rows.sort_by_key(|row| std::cmp::Reverse(row.node.size()));
    }
    if options.has('r') {
        rows.reverse();
    }
    if !(options.has('l') || options.has('n')) {
        out.extend(rows.iter().map(|row| format!("{}\n", row.name)));
        return;
    }
    let who = |name: &String| if options.has('n') { users::id(name).to_string() } else { name.clone() };
    let size = |node: &Node| if options.has('h') { human(node.size()) } else { node.size().to_string() };
    let widest = |part: &dyn Fn(&Row) -> usize| rows.iter().map(part).max().unwrap_or(0);
    let (owner, group, wide) = (
        widest(&|row| who(&row.node.owner).len()),
        widest(&|row| who(&row.node.group).len()),
        widest(&|row| size(&row.node).len()),
    );
    for Row { name, node } in &rows {
        // What is older than half a year stands with its year.
        let format = if now - node.time > 15_778_476.0 { "%b %e  %Y" } else { "%b %e %H:%M" };
        let time = date::formatted(node.time, format).unwrap_or_default();
        let links = if node.is_folder() { 2 } else { 1 };
        let to = if let Kind::Link(to) = &node.kind { format!(" -> {to}") } else { String::new() };
        let _ = writeln!(
            out,
            "{} {links} {:owner$} {:group$} {:>wide$} {time} {name}{to}",
            rights(node),
            who(&node.owner),
            who(&node.group),
            size(node)
        );
    }
}

/// `4.0K`
pub(super) fn human(size: usize) -> String {
    let (mut size, mut unit) = (size as f64, 0);
    while size >= 1024.0 && unit < 5 {
        size /= 1024.0;
        unit += 1;
    }
    let name = ["", "K", "M", "G", "T", "P"][unit];
    if unit > 0 && size < 10.0 {
        format!("{:.1}{name}", (size * 10.0).ceil() / 10.0)
    } else {
        format!("{}{name}", size.ceil())
    }
}

pub(super) fn stat(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [("format", 'c', true), ("dereference", 'L', false), ("printf", 'p', true)];
    let options = match Options::read(&words[1..], "c:L", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("stat: {why}")),
    };
    let Some(format) = options.value('c').or(options.value('p')) else {
        return shell.wrong(1, "stat: this drill knows it with -c FORMAT alone");
    };
    let mut status = 0;
    for path in &options.rest {
        let place = shell.place(path);
        let node = {
            let files = shell.files();
            if options.has('L') { files.get(&place) } else { files.look(&place) }.cloned()
        };
        let Some(node) = node else {
            status = shell.wrong(1, format!("stat: cannot statx '{path}': No such file or directory"))?;
            continue;
        };
        match described(path, &node, format) {
            Ok(line) if options.has('p') => shell.out(super::super::escapes::decoded(&line, true).0)?,
            Ok(line) => shell.out(line + "\n")?,
            Err(odd) => return shell.wrong(1, format!("stat: this drill does not know %{odd}")),
        }
    }
    Ok(status)
}

fn described(path: &str, node: &Node, format: &str) -> Result<String, char> {
    percent(format, |letter, _| {
        Ok(match letter {
            's' => node.size().to_string(),
            'a' => format!("{:o}", node.mode),
            'A' => rights(node),
            'U' => node.owner.clone(),
            'G' => node.group.clone(),
            'u' => users::id(&node.owner).to_string(),
            'g' => users::id(&node.group).to_string(),
            'n' => path.to_owned(),
            'N' => match &node.kind {
                Kind::Link(to) => format!("'{path}' -> '{to}'"),
                _ => format!("'{path}'"),
            },
            'Y' | 'Z' | 'X' => (node.time.floor() as i64).to_string(),
            'y' | 'z' | 'x' => date::formatted(node.time, "%Y-%m-%d %H:%M:%S.%N %z").unwrap_or_default(),
            'F' => match &node.kind {
                Kind::Folder => "directory".to_owned(),
                Kind::File(bytes) if bytes.is_empty() => "regular empty file".to_owned(),
                Kind::File(_) => "regular file".to_owned(),
                Kind::Link(_) => "symbolic link".to_owned(),
            },
            'h' => "1".to_owned(),
            odd => return Err(odd),
        })
    })
}

pub(super) fn readlink(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "femnqs", &[("canonicalize", 'f', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("readlink: {why}")),
    };
    let mut status = 0;
    for path in &options.rest {
        let place = shell.place(path);
        let found = {
            let files = shell.files();
            if options.has('f') || options.has('e') || options.has('m') {
                let real = files.real(&place).ok().filter(|real| !options.has('e') || files.look(real).is_some());
                real.map(|real| if real.is_empty() { "/".to_owned() } else { real })
            } else {
                files
                    .look(&place)
                    .and_then(|node| if let Kind::Link(to) = &node.kind { Some(to.clone()) } else { None })
            }
        };
        match found {
            Some(found) => shell.out(if options.has('n') { found } else { found + "\n" })?,
            None => status = 1,
        }
    }
    Ok(status)
}

pub(super) fn realpath(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut status = 0;
    for path in words[1..].iter().filter(|word| !word.starts_with('-')) {
        let real = shell.files().real(&shell.place(path));
        match real {
            Ok(real) => shell.out(if real.is_empty() { "/\n".to_owned() } else { real + "\n" })?,
            Err(why) => status = shell.wrong(1, format!("realpath: {path}: {why}"))?,
        }
    }
    Ok(status)
}

pub(super) fn basename(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "as:", &[]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("basename: {why}")),
    };
    let several = options.has('a') || options.has('s');
    let suffix =
        options.value('s').or(options.rest.get(1).filter(|_| !several).map(String::as_str)).unwrap_or("").to_owned();
    let paths = if several { &options.rest[..] } else { options.rest.get(..1).unwrap_or_default() };
    if paths.is_empty() {
        return shell.wrong(1, "basename: missing operand");
    }
    for path in paths {
        let trimmed = path.trim_end_matches('/');
        let name =
            if trimmed.is_empty() && !path.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) };
        let name = name.strip_suffix(&suffix).filter(|rest| !rest.is_empty()).unwrap_or(name);
        shell.out(format!("{name}\n"))?;
    }
    Ok(0)
}

pub(super) fn dirname(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let paths: Vec<&String> = words[1..].iter().filter(|word| *word != "--").collect();
    if paths.is_empty() {
        return shell.wrong(1, "dirname: missing operand");
    }
    for path in paths {
        let trimmed = path.trim_end_matches('/');
        let folder = match trimmed.rsplit_once('/') {
            Some((folder, _)) if folder.trim_end_matches('/').is_empty() => "/",
            Some((folder, _)) => folder.trim_end_matches('/'),
            None if trimmed.is_empty() && !path.is_empty() => "/",
            None => ".",
        };
        shell.out(format!("{folder}\n"))?;
    }
    Ok(0)
}
