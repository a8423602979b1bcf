//! `gzip`, `gunzip`, `zcat` and `tar`.

use super::super::files::{Kind, Node, Trouble, Who};
use super::super::state::{OUTPUT, Outcome, Shell};
use super::options::Options;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

/// What gzip makes of bytes.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // A Vec takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// What gzip was given.
fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(OUTPUT as u64 + 1).read_to_end(&mut out);
    match read {
        Ok(size) if size > OUTPUT => Err("more than this drill takes"),
        Ok(_) => Ok(out),
        Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => Err("unexpected end of file"),
        Err(_) if !bytes.starts_with(&[0x1f, 0x8b]) => Err("not in gzip format"),
        Err(_) => Err("invalid compressed data--format violated"),
    }
}

pub(super) fn gzip(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let tool = words[0].clone();
    let long = [
        ("decompress", 'd', false),
        ("stdout", 'c', false),
        ("test", 't', false),
        ("keep", 'k', false),
        ("force", 'f', false),
        ("best", '9', false),
        ("fast", '1', false),
    ];
    let options = match Options::read(&words[1..], "dctkfqnv123456789", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("{tool}: {why}")),
    };
    let (inputs, whole) = shell.inputs(&tool, &options.rest)?;
    let mut status = i32::from(!whole);
    for (name, bytes) in inputs {
        let one = one_file(shell, &tool, &options, &name, &bytes)?;
        status = if one == 0 { status } else { one };
    }
    Ok(status)
}

fn one_file(shell: &mut Shell<'_>, tool: &str, options: &Options, name: &str, bytes: &[u8]) -> Outcome {
    let opens = options.has('d') || options.has('t') || tool != "gzip";
    let out = match if opens { unpacked(bytes) } else { Ok(packed(bytes)) } {
        Ok(_) if options.has('t') => return Ok(0),
        Ok(out) => out,
        Err(why) => {
            let shown = if name == "-" { "stdin" } else { name };
            return shell.wrong(1, format!("\n{tool}: {shown}: {why}"));
        }
    };
    if options.has('c') || tool == "zcat" || options.rest.is_empty() || name == "-" {
        shell.out(out)?;
        return Ok(0);
    }
    let target = if opens { name.strip_suffix(".gz").map(str::to_owned) } else { Some(format!("{name}.gz")) };
    let Some(target) = target else {
        return shell.wrong(2, format!("{tool}: {name}: unknown suffix -- ignored"));
    };
    if shell.files().look(&shell.place(&target)).is_some() && !options.has('f') {
        return shell.wrong(2, format!("{tool}: {target} already exists;\tnot overwritten"));
    }
    match take_place(shell, name, &target, &out, options.has('k')) {
        Ok(()) => Ok(0),
        Err(why) => shell.wrong(1, format!("{tool}: {target}: {why}")),
    }
}

/// What was made of a file takes its place, with its mode and its time.
fn take_place(shell: &Shell<'_>, name: &str, target: &str, out: &[u8], keeps: bool) -> Result<(), Trouble> {
    let (who, place, aim) = (shell.who(), shell.place(name), shell.place(target));
    let mut files = shell.files();
    let before = files.look(&place).cloned();
    files.write(&who, &aim, out, false)?;
    if let (Some(before), Some(node)) = (before, files.look_mut(&aim)) {
        (node.mode, node.time) = (before.mode, before.time);
    }
    if keeps { Ok(()) } else { files.remove(&who, &place) }
}

/// The old way: letters without a dash.
fn letters(words: &[String]) -> Vec<String> {
    let mut out = words.to_vec();
    if let Some(first) = out.first_mut().filter(|first| !first.starts_with('-')) {
        *first = format!("-{first}");
    }
    out
}

pub(super) fn tar(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [
        ("create", 'c', false),
        ("extract", 'x', false),
        ("list", 't', false),
        ("gzip", 'z', false),
        ("file", 'f', true),
        ("directory", 'C', true),
        ("verbose", 'v', false),
        ("exclude", 'E', true),
    ];
    let options = match Options::read(&letters(&words[1..]), "cxtzvpf:C:", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("tar: {why}")),
    };
    if let Some(folder) = options.value('C') {
        let place = shell.place(folder);
        if !shell.files().get(&place).is_some_and(Node::is_folder) {
            return shell.wrong(2, format!("tar: {folder}: Cannot open: No such file or directory"));
        }
    }
    match ['c', 'x', 't'].iter().filter(|way| options.has(**way)).collect::<Vec<_>>().as_slice() {
        ['c'] => create(shell, &options),
        [way] => read(shell, &options, **way == 'x'),
        _ => shell.wrong(2, "tar: You must specify one of the '-Acdtrux', '--delete' or '--test-label' options"),
    }
}

fn within(shell: &Shell<'_>, options: &Options, path: &str) -> String {
    match options.value('C') {
        Some(folder) if !path.starts_with('/') => format!("{}/{path}", shell.place(folder)),
        _ => shell.place(path),
    }
}

fn create(shell: &mut Shell<'_>, options: &Options) -> Outcome {
    if options.rest.is_empty() {
        return shell.wrong(2, "tar: Cowardly refusing to create an empty archive");
    }
    let (mut bytes, mut status, mut listed) = (Vec::new(), 0, String::new());
    let excluded: Vec<_> = options.values('E').map(super::super::pattern::Pattern::new).collect();
    for path in &options.rest {
        let all = below(shell, options, path);
        if all.is_empty() {
            status = shell.wrong(2, format!("tar: {path}: Cannot stat: No such file or directory"))?;
        }
        for (name, node) in all {
            let name = name.trim_start_matches('/').to_owned();
            if excluded
                .iter()
                .any(|pattern| pattern.matches(&name) || pattern.matches(name.rsplit('/').next().unwrap_or(&name)))
            {
                continue;
            }
            let name = if node.is_folder() { name + "/" } else { name };
            if !header(&name, &node, &mut bytes) {
                status = shell.wrong(2, format!("tar: {name}: this drill knows names of up to 100 bytes"))?;
                continue;
            }
            let _ = writeln!(listed, "{name}");
        }
        if bytes.len() > OUTPUT {
            return shell.wrong(2, "tar: more than this drill takes");
        }
    }
    bytes.extend([0; 1024]);
    bytes.resize(bytes.len().next_multiple_of(10_240), 0);
    let bytes = if options.has('z') { packed(&bytes) } else { bytes };
    let Some(file) = options.value('f').filter(|file| *file != "-") else {
        shell.out(bytes)?;
        return Ok(status);
    };
    if let Err(why) = shell.write_file(file, &bytes, false) {
        return shell.wrong(2, format!("tar: {file}: Cannot open: {why}"));
    }
    if options.has('v') {
        shell.out(listed)?;
    }
    Ok(status)
}

/// What is there by a name that `tar` was given, itself and all below it, each by the name that it has in an archive.
fn below(shell: &Shell<'_>, options: &Options, path: &str) -> Vec<(String, Node)> {
    let (place, files) = (within(shell, options, path), shell.files());
    let begin = files.place(&place).unwrap_or_default();
    let named = |found: &str| format!("{}{}", path.trim_end_matches('/'), &found[begin.len()..]);
    let inner = files.below(&place).into_iter();
    inner.filter_map(|found| Some((named(&found), files.look(&found)?.clone()))).collect()
}

/// A header and what follows it. `false`: its name is too long.
fn header(name: &str, node: &Node, out: &mut Vec<u8>) -> bool {
    let (kind, data, to) = match &node.kind {
        Kind::Folder => (b'5', &[][..], ""),
        Kind::File(bytes) => (b'0', &bytes[..], ""),
        Kind::Link(to) => (b'2', &[][..], to.as_str()),
    };
    if name.len() > 100 || to.len() > 100 {
        return false;
    }
    let mut block = [0_u8; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{:07o}", node.mode & 0o7777));
    put(108, &format!("{:07o}", super::users::id(&node.owner)));
    put(116, &format!("{:07o}", super::users::id(&node.group)));
    put(124, &format!("{:011o}", data.len()));
    put(136, &format!("{:011o}", node.time.max(0.0) as u64 & 0o77_777_777_777));
    put(148, "        ");
    put(157, to);
    put(257, "ustar  ");
    put(265, &node.owner.chars().filter(char::is_ascii).take(31).collect::<String>());
    put(297, &node.group.chars().filter(char::is_ascii).take(31).collect::<String>());
    block[156] = kind;
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend(block);
    out.extend(data);
    out.resize(out.len().next_multiple_of(512), 0);
    true
}

/// One thing in an archive.
struct Entry {
    name: String,
    kind: u8,
    mode: u32,
    time: f64,
    to: String,
    data: Vec<u8>,
}

fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(block) = bytes.get(at..at + 512) {
        if block.iter().all(|byte| *byte == 0) {
            return Some(out);
        }
        let text = |from: usize, length: usize| {
            let field = &block[from..from + length];
            String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).trim().to_owned()
        };
        let octal = |from: usize, length: usize| u64::from_str_radix(&text(from, length), 8).ok();
        let size = usize::try_from(octal(124, 12)?).ok()?;
        let data = bytes.get(at + 512..at.checked_add(512)?.checked_add(size)?)?.to_vec();
        out.push(Entry {
            name: text(0, 100),
            kind: block[156],
            mode: octal(100, 8)? as u32 & 0o7777,
            time: octal(136, 12)? as f64,
            to: text(157, 100),
            data,
        });
        at = at + 512 + size.next_multiple_of(512);
    }
    None
}

fn read(shell: &mut Shell<'_>, options: &Options, extract: bool) -> Outcome {
    let bytes = match options.value('f').filter(|file| *file != "-").map(str::to_owned) {
        Some(file) => match shell.read_file(&file) {
            Ok(bytes) => bytes,
            Err(why) => return shell.wrong(2, format!("tar: {file}: Cannot open: {why}")),
        },
        None => shell.input()?,
    };
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        unpacked(&bytes)
    } else if options.has('z') {
        Err("not in gzip format")
    } else {
        Ok(bytes)
    };
    let Some(all) = bytes.ok().and_then(|bytes| entries(&bytes)) else {
        return shell.wrong(2, "tar: Unexpected EOF in archive\ntar: Error is not recoverable: exiting now");
    };
    let wanted = |name: &str| {
        options.rest.is_empty()
            || options.rest.iter().any(|path| {
                name.trim_end_matches('/') == path.trim_end_matches('/')
                    || name.starts_with(&format!("{}/", path.trim_end_matches('/')))
            })
    };
    let mut status = 0;
    for entry in all.iter().filter(|entry| wanted(&entry.name)) {
        if !extract || options.has('v') {
            shell.out(format!("{}\n", entry.name))?;
        }
        if extract && let Err(why) = unpack(shell, options, entry) {
            status = shell.wrong(2, format!("tar: {}: Cannot open: {why}", entry.name))?;
        }
    }
    for path in options.rest.iter().filter(|path| {
        !all.iter().any(|entry| entry.name.trim_end_matches('/').starts_with(path.trim_end_matches('/')))
    }) {
        status = shell.wrong(2, format!("tar: {path}: Not found in archive"))?;
    }
    Ok(status)
}

fn unpack(shell: &Shell<'_>, options: &Options, entry: &Entry) -> Result<(), super::super::files::Trouble> {
    let place = super::super::files::absolute("", &within(shell, options, entry.name.trim_start_matches('/')));
    let who: Who = shell.who();
    let mut files = shell.files();
    for (at, _) in place.match_indices('/').skip(1) {
        if files.get(&place[..at]).is_none() {
            files.make_folder(&who, &place[..at])?;
        }
    }
    match entry.kind {
        b'5' if files.get(&place).is_some() => {}
        b'5' => files.make_folder(&who, &place)?,
        b'2' => files.link(&who, &place, &entry.to)?,
        _ => files.write(&who, &place, &entry.data, false)?,
    }
    if let Some(node) = files.look_mut(&place) {
        (node.mode, node.time) = (entry.mode, entry.time);
    }
    Ok(())
}
