//! `sha256sum`, `base64`, `cmp` and `diff`.

use super::super::state::{Outcome, Shell};
use super::lines;
use super::options::Options;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn sha256sum(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [("check", 'c', false), ("quiet", 'q', false), ("status", 's', false)];
    let options = match Options::read(&words[1..], "cqsbt", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("sha256sum: {why}")),
    };
    let (inputs, whole) = shell.inputs("sha256sum", &options.rest)?;
    let mut status = i32::from(!whole);
    for (name, bytes) in inputs {
        if !options.has('c') {
            shell.out(format!("{}  {name}\n", sum(&bytes)))?;
            continue;
        }
        for line in lines(&bytes) {
            let Some((wanted, path)) =
                line.split_once(' ').map(|(sum, path)| (sum, path.trim_start_matches([' ', '*'])))
            else {
                status = shell.wrong(1, format!("sha256sum: {name}: no properly formatted checksum lines found"))?;
                continue;
            };
            let good = shell.read_file(path).is_ok_and(|bytes| sum(&bytes) == wanted);
            if !good {
                status = 1;
            }
            if !(options.has('s') || good && options.has('q')) {
                shell.out(format!("{path}: {}\n", if good { "OK" } else { "FAILED" }))?;
            }
        }
    }
    Ok(status)
}

pub(super) fn base64(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "diw:", &[("decode", 'd', false), ("wrap", 'w', true)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("base64: {why}")),
    };
    let (inputs, whole) = shell.inputs("base64", &options.rest)?;
    for (_, bytes) in inputs {
        if options.has('d') {
            let text: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
            match STANDARD.decode(text) {
                Ok(bytes) => shell.out(bytes)?,
                Err(_) => return shell.wrong(1, "base64: invalid input"),
            }
            continue;
        }
        let text = STANDARD.encode(bytes);
        match options.value('w').and_then(|width| width.parse::<usize>().ok()).unwrap_or(76) {
            0 => shell.out(text)?,
            width => {
                let all: Vec<String> = text
                    .as_bytes()
                    .chunks(width)
                    .map(|chunk| format!("{}\n", String::from_utf8_lossy(chunk)))
                    .collect();
                shell.out(all.concat())?;
            }
        }
    }
    Ok(i32::from(!whole))
}

/// What is in two files.
type Pair = (Vec<u8>, Vec<u8>);

/// The two files of a comparison.
fn pair(shell: &mut Shell<'_>, tool: &str, paths: &[String]) -> Result<Result<Pair, i32>, super::super::state::Flow> {
    let [left, right] = paths else { return shell.wrong(2, format!("{tool}: this drill compares two files")).map(Err) };
    let (inputs, whole) = shell.inputs(tool, &[left.clone(), right.clone()])?;
    let mut inputs = inputs.into_iter().map(|(_, bytes)| bytes);
    Ok(match (whole, inputs.next(), inputs.next()) {
        (true, Some(left), Some(right)) => Ok((left, right)),
        _ => Err(2),
    })
}

pub(super) fn cmp(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "s", &[("quiet", 's', false), ("silent", 's', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("cmp: {why}")),
    };
    let (left, right) = match pair(shell, "cmp", &options.rest)? {
        Ok(pair) => pair,
        Err(code) => return Ok(code),
    };
    if left == right {
        return Ok(0);
    }
    if options.has('s') {
        return Ok(1);
    }
    let (one, two) = (&options.rest[0], &options.rest[1]);
    match left.iter().zip(&right).position(|(left, right)| left != right) {
        Some(at) => {
            let line = memchr::memchr_iter(b'\n', &left[..at]).count() + 1;
            shell.out(format!("{one} {two} differ: byte {}, line {line}\n", at + 1))?;
        }
        None => {
            let (short, bytes) = if left.len() < right.len() { (one, &left) } else { (two, &right) };
            let line = memchr::memchr_iter(b'\n', bytes).count();
            shell.say(&format!("cmp: EOF on {short} after byte {}, line {line}\n", bytes.len()));
        }
    }
    Ok(1)
}

/// Lines that are in one alone, and in both.
enum Step {
    Both,
    Left,
    Right,
}

pub(super) fn diff(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "qubw", &[("brief", 'q', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("diff: {why}")),
    };
    if options.has('u') || options.has('b') || options.has('w') {
        return shell.wrong(2, "diff: this drill knows it without -u, -b and -w");
    }
    let (left, right) = match pair(shell, "diff", &options.rest)? {
        Ok(pair) => pair,
        Err(code) => return Ok(code),
    };
    if left == right {
        return Ok(0);
    }
    if options.has('q') {
        shell.out(format!("Files {} and {} differ\n", options.rest[0], options.rest[1]))?;
        return Ok(1);
    }
    let (left, right) = (lines(&left), lines(&right));
    if left.len().saturating_mul(right.len()) > 4_000_000 {
        return shell.wrong(2, "diff: more lines than this drill compares");
    }
    shell.out(told(&left, &right))?;
    Ok(1)
}

fn told(left: &[String], right: &[String]) -> String {
    let mut out = String::new();
    let (mut at, mut to) = (0, 0);
    let steps = steps(left, right);
    let mut index = 0;
    while index < steps.len() {
        if matches!(steps[index], Step::Both) {
            (index, at, to) = (index + 1, at + 1, to + 1);
            continue;
        }
        let (from_left, from_right) = (at, to);
        while let Some(step) = steps.get(index) {
            match step {
                Step::Both => break,
                Step::Left => at += 1,
                Step::Right => to += 1,
            }
            index += 1;
        }
        let range =
            |from: usize, end: usize| if end - from > 1 { format!("{},{end}", from + 1) } else { end.to_string() };
        let (gone, new) = (&left[from_left..at], &right[from_right..to]);
        let what = match (gone.is_empty(), new.is_empty()) {
            (true, _) => format!("{from_left}a{}", range(from_right, to)),
            (_, true) => format!("{}d{to}", range(from_left, at)),
            _ => format!("{}c{}", range(from_left, at), range(from_right, to)),
        };
        let _ = writeln!(out, "{what}");
        out.extend(gone.iter().map(|line| format!("< {line}\n")));
        if !gone.is_empty() && !new.is_empty() {
            out.push_str("---\n");
        }
        out.extend(new.iter().map(|line| format!("> {line}\n")));
    }
    out
}

/// The longest that both have in common.
fn steps(left: &[String], right: &[String]) -> Vec<Step> {
    let width = right.len() + 1;
    let mut table = vec![0_u32; (left.len() + 1) * width];
    for at in (0..left.len()).rev() {
        for to in (0..right.len()).rev() {
            table[at * width + to] = if left[at] == right[to] {
                table[(at + 1) * width + to + 1] + 1
            } else {
                table[(at + 1) * width + to].max(table[at * width + to + 1])
            };
        }
    }
    let (mut at, mut to, mut out) = (0, 0, Vec::new());
    while at < left.len() || to < right.len() {
        if at < left.len() && to < right.len() && left[at] == right[to] {
            (at, to) = (at + 1, to + 1);
            out.push(Step::Both);
        } else if at < left.len() && (to == right.len() || table[(at + 1) * width + to] >= table[at * width + to + 1]) {
            at += 1;
            out.push(Step::Left);
        } else {
            to += 1;
            out.push(Step::Right);
        }
    }
    out
}
