//! `sort` and `uniq`.

use super::super::state::{Outcome, Shell};
use super::lines;
use super::options::Options;
use std::cmp::Ordering;

/// One `-k`, or what holds for whole lines.
#[derive(Clone, Default)]
struct Key {
    from: usize,
    from_char: usize,
    to: usize,
    flags: String,
}

fn key(text: &str) -> Option<Key> {
    let (begin, end) = text.split_once(',').unwrap_or((text, ""));
    let split = |part: &str| {
        let at = part.find(|one: char| one.is_ascii_alphabetic()).unwrap_or(part.len());
        (part[..at].to_owned(), part[at..].to_owned())
    };
    let ((begin, flags), (end, more)) = (split(begin), split(end));
    let (field, character) = begin.split_once('.').unwrap_or((&begin, "1"));
    let to = if end.is_empty() { usize::MAX } else { end.split('.').next()?.parse().ok()? };
    Some(Key { from: field.parse().ok()?, from_char: character.parse().ok()?, to, flags: flags + &more })
}

/// The part of a line that is compared.
fn part(line: &str, key: &Key, separator: Option<char>) -> String {
    if key.from == 0 {
        return line.to_owned();
    }
    let fields: Vec<String> = match separator {
        Some(separator) => line.split(separator).map(str::to_owned).collect(),
        None => {
            // Blanks belong to the field behind them.
            let mut fields = Vec::new();
            let mut now = String::new();
            let mut before = ' ';
            for one in line.chars() {
                if " \t".contains(one) && !" \t".contains(before) {
                    fields.push(std::mem::take(&mut now));
                }
                now.push(one);
                before = one;
            }
            fields.push(now);
            fields
        }
    };
    let between = separator.map(String::from).unwrap_or_default();
    let text = fields.get(key.from - 1..key.to.min(fields.len()).max(key.from - 1)).unwrap_or_default().join(&between);
    let text = if key.flags.contains('b') { text.trim_start().to_owned() } else { text };
    text.chars().skip(key.from_char.saturating_sub(1)).collect()
}

fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(at, one)| !(one.is_ascii_digit() || *one == '.' || (*at == 0 && *one == '-')))
        .map_or(text.len(), |(at, _)| at);
    text[..end].parse().unwrap_or(0.0)
}

/// `4K`, `2M`, `1.5G`
fn human(text: &str) -> f64 {
    let text = text.trim_start();
    let unit = text
        .chars()
        .find(char::is_ascii_alphabetic)
        .map_or(0, |one| "KMGTPE".find(one.to_ascii_uppercase()).map_or(0, |at| at as i32 + 1));
    number(text) * 1024_f64.powi(unit)
}

/// `v1.10` behind `v1.9`
fn version(left: &str, right: &str) -> Ordering {
    let pieces = |text: &str| -> Vec<(bool, String)> {
        let mut out: Vec<(bool, String)> = Vec::new();
        for one in text.chars() {
            match out.last_mut() {
                Some((digit, piece)) if *digit == one.is_ascii_digit() => piece.push(one),
                _ => out.push((one.is_ascii_digit(), one.to_string())),
            }
        }
        out
    };
    let (left, right) = (pieces(left), pieces(right));
    for ((left_digit, left), (right_digit, right)) in left.iter().zip(&right) {
        let order = if *left_digit && *right_digit {
            let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        } else {
            left.cmp(right)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

fn compared(left: &str, right: &str, flags: &str) -> Ordering {
    let order = if flags.contains('n') {
        number(left).total_cmp(&number(right))
    } else if flags.contains('g') {
        let float = |text: &str| text.trim().parse::<f64>().unwrap_or(f64::NEG_INFINITY);
        float(left).total_cmp(&float(right))
    } else if flags.contains('h') {
        human(left).total_cmp(&human(right))
    } else if flags.contains('V') {
        version(left, right)
    } else if flags.contains('f') {
        left.to_uppercase().cmp(&right.to_uppercase())
    } else {
        left.cmp(right)
    };
    if flags.contains('r') { order.reverse() } else { order }
}

pub(super) fn sort(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [
        ("numeric-sort", 'n', false),
        ("reverse", 'r', false),
        ("unique", 'u', false),
        ("key", 'k', true),
        ("field-separator", 't', true),
        ("version-sort", 'V', false),
        ("human-numeric-sort", 'h', false),
    ];
    let options = match Options::read(&words[1..], "nrughVfbszk:t:o:c", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("sort: {why}")),
    };
    if options.has('z') || options.has('c') {
        return shell.wrong(2, "sort: this drill does not know -z and -c");
    }
    let flags: String = options.flags.iter().map(|(flag, _)| *flag).filter(|flag| "nrghVfb".contains(*flag)).collect();
    let Some(keys) = keys(&options, &flags) else { return shell.wrong(2, "sort: invalid field specification") };
    let (inputs, whole) = shell.inputs("sort", &options.rest)?;
    if !whole {
        return Ok(2);
    }
    let mut all: Vec<String> = inputs.iter().flat_map(|(_, bytes)| lines(bytes)).collect();
    put_in_order(&mut all, &keys, &options, &flags);
    let text: String = all.iter().map(|line| format!("{line}\n")).collect();
    if let Some(path) = options.value('o') {
        return match shell.write_file(path, text.as_bytes(), false) {
            Ok(()) => Ok(0),
            Err(why) => shell.wrong(2, format!("sort: {path}: {why}")),
        };
    }
    shell.out(text)?;
    Ok(0)
}

/// What is sorted by: one key at least, and those without flags of their own take those of all.
fn keys(options: &Options, flags: &str) -> Option<Vec<Key>> {
    let keys: Option<Vec<Key>> = options.values('k').map(key).collect();
    let mut keys = keys.filter(|keys| keys.iter().all(|key| key.from > 0))?;
    if keys.is_empty() {
        keys.push(Key::default());
    }
    keys.iter_mut().filter(|key| key.flags.is_empty()).for_each(|key| flags.clone_into(&mut key.flags));
    Some(keys)
}

fn put_in_order(all: &mut Vec<String>, keys: &[Key], options: &Options, flags: &str) {
    let separator = options.value('t').and_then(|text| text.chars().next());
    let by_keys = |left: &String, right: &String| {
        let orders =
            keys.iter().map(|key| compared(&part(left, key, separator), &part(right, key, separator), &key.flags));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    let last = if flags.contains('r') { "r" } else { "" };
    if options.has('u') || options.has('s') {
        all.sort_by(by_keys);
    } else {
        all.sort_by(|left, right| by_keys(left, right).then_with(|| compared(left, right, last)));
    }
    if options.has('u') {
        all.dedup_by(|left, right| by_keys(left, right) == Ordering::Equal);
    }
}

pub(super) fn uniq(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [("count", 'c', false), ("repeated", 'd', false), ("unique", 'u', false), ("ignore-case", 'i', false)];
    let options = match Options::read(&words[1..], "cdui", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("uniq: {why}")),
    };
    let (inputs, whole) = shell.inputs("uniq", &options.rest)?;
    let mut groups: Vec<(usize, String)> = Vec::new();
    let same = |left: &str, right: &str| {
        if options.has('i') { left.to_lowercase() == right.to_lowercase() } else { left == right }
    };
    for line in inputs.iter().flat_map(|(_, bytes)| lines(bytes)) {
        match groups.last_mut() {
            Some((count, last)) if same(last, &line) => *count += 1,
            _ => groups.push((1, line)),
        }
    }
    let shown =
        groups.iter().filter(|(count, _)| (!options.has('d') || *count > 1) && (!options.has('u') || *count == 1));
    let text: String = shown
        .map(|(count, line)| if options.has('c') { format!("{count:7} {line}\n") } else { format!("{line}\n") })
        .collect();
    shell.out(text)?;
    Ok(i32::from(!whole))
}
