//! Tools that read text and write it: `cat`, `head`, `tail`, `wc`, `cut`, `tr`, `tee`, `seq`, `tac`.

use super::super::state::{Outcome, Shell};
use super::lines;
use super::options::Options;

pub(super) fn cat(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "n", &[]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("cat: {why}")),
    };
    let (inputs, whole) = shell.inputs("cat", &options.rest)?;
    let mut number = 0;
    for (_, bytes) in inputs {
        if options.has('n') {
            for line in lines(&bytes) {
                number += 1;
                shell.out(format!("{number:6}\t{line}\n"))?;
            }
        } else {
            shell.out(bytes)?;
        }
    }
    Ok(i32::from(!whole))
}

/// `-5` is `-n 5`.
fn modern(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut()
        && let Some(count) =
            first.strip_prefix('-').filter(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
    {
        *first = format!("-n{count}");
    }
    words
}

/// A count as `10`, `-10`, `+10`, `4K`.
fn count(text: &str) -> Option<(char, usize)> {
    let (sign, digits) = match text.chars().next()? {
        sign @ ('-' | '+') => (sign, &text[1..]),
        _ => (' ', text),
    };
    let (digits, times) = match digits.chars().last()? {
        'K' | 'k' => (&digits[..digits.len() - 1], 1024),
        'M' => (&digits[..digits.len() - 1], 1 << 20),
        _ => (digits, 1),
    };
    Some((sign, digits.parse::<usize>().ok()?.saturating_mul(times)))
}

pub(super) fn head(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    ends(shell, words, |bytes, by_bytes, sign, count| {
        let size = if by_bytes { bytes.len() } else { split(bytes).len() };
        let keep = if sign == '-' { size.saturating_sub(count) } else { count.min(size) };
        (0, keep)
    })
}

pub(super) fn tail(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    ends(shell, words, |bytes, by_bytes, sign, count| {
        let size = if by_bytes { bytes.len() } else { split(bytes).len() };
        let from = if sign == '+' { count.saturating_sub(1).min(size) } else { size.saturating_sub(count) };
        (from, size)
    })
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn ends(shell: &mut Shell<'_>, words: &[String], part: impl Fn(&[u8], bool, char, usize) -> (usize, usize)) -> Outcome {
    let tool = words[0].clone();
    let long = [("lines", 'n', true), ("bytes", 'c', true), ("quiet", 'q', false), ("verbose", 'v', false)];
    let options = match Options::read(&modern(&words[1..]), "n:c:qv", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("{tool}: {why}")),
    };
    let by_bytes = options.has('c');
    let Some((sign, count)) = count(options.value('c').or(options.value('n')).unwrap_or("10")) else {
        return shell.wrong(1, format!("{tool}: invalid number of lines"));
    };
    let (inputs, whole) = shell.inputs(&tool, &options.rest)?;
    let named = (options.rest.len() > 1 || options.has('v')) && !options.has('q');
    for (index, (name, bytes)) in inputs.iter().enumerate() {
        if named {
            let name = if name == "-" { "standard input" } else { name };
            shell.out(format!("{}==> {name} <==\n", if index > 0 { "\n" } else { "" }))?;
        }
        let (from, to) = part(bytes, by_bytes, sign, count);
        if by_bytes {
            shell.out(&bytes[from..to])?;
        } else {
            shell.out(split(bytes)[from..to].concat())?;
        }
    }
    Ok(i32::from(!whole))
}

pub(super) fn wc(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(
        &words[1..],
        "lwcm",
        &[("lines", 'l', false), ("words", 'w', false), ("bytes", 'c', false)],
    ) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("wc: {why}")),
    };
    let (inputs, whole) = shell.inputs("wc", &options.rest)?;
    let wanted: Vec<char> =
        "lwmc".chars().filter(|flag| options.has(*flag) || options.flags.is_empty() && *flag != 'm').collect();
    let mut rows: Vec<(Vec<usize>, String)> = Vec::new();
    for (name, bytes) in &inputs {
        let text = String::from_utf8_lossy(bytes);
        let count = |flag: &char| match flag {
            'l' => memchr::memchr_iter(b'\n', bytes).count(),
            'w' => text.split_whitespace().count(),
            'm' => text.chars().count(),
            _ => bytes.len(),
        };
        rows.push((
            wanted.iter().map(count).collect(),
            if options.rest.is_empty() { String::new() } else { format!(" {name}") },
        ));
    }
    if rows.len() > 1 {
        let sums = (0..wanted.len()).map(|column| rows.iter().map(|(row, _)| row[column]).sum()).collect();
        rows.push((sums, " total".to_owned()));
    }
    // One number of one input stands alone; more stand in columns, seven wide where the size of an input is not known.
    let size: usize = inputs.iter().map(|(_, bytes)| bytes.len()).sum();
    let width = match (rows.len(), wanted.len()) {
        (1, 1) => 1,
        _ if options.rest.is_empty() => 7,
        _ => size.to_string().len(),
    };
    for (row, name) in rows {
        let numbers: Vec<String> = row.iter().map(|number| format!("{number:width$}")).collect();
        shell.out(format!("{}{name}\n", numbers.join(" ")))?;
    }
    Ok(i32::from(!whole))
}

/// `1,3-5,7-` as pairs from 1.
fn ranges(text: &str) -> Option<Vec<(usize, usize)>> {
    let one = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let from = if from.is_empty() { 1 } else { from.parse().ok()? };
        let to = if to.is_empty() { usize::MAX } else { to.parse().ok()? };
        (from > 0 && to >= from).then_some((from, to))
    };
    text.split(',').map(one).collect()
}

pub(super) fn cut(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let long = [
        ("delimiter", 'd', true),
        ("fields", 'f', true),
        ("characters", 'c', true),
        ("bytes", 'b', true),
        ("only-delimited", 's', false),
        ("output-delimiter", 'o', true),
    ];
    let options = match Options::read(&words[1..], "d:f:c:b:s", &long) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("cut: {why}")),
    };
    let fields = options.value('f');
    let Some(ranges) = fields.or(options.value('c')).or(options.value('b')).and_then(ranges) else {
        return shell.wrong(1, "cut: you must specify a list of bytes, characters, or fields");
    };
    let delimiter = options.value('d').unwrap_or("\t");
    let wanted = |at: usize| ranges.iter().any(|(from, to)| at + 1 >= *from && at < *to);
    let (inputs, whole) = shell.inputs("cut", &options.rest)?;
    for (_, bytes) in inputs {
        let mut out = String::new();
        for line in lines(&bytes) {
            if fields.is_none() {
                out.extend(line.chars().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, one)| one));
            } else if line.contains(delimiter) {
                let parts: Vec<&str> =
                    line.split(delimiter).enumerate().filter(|(at, _)| wanted(*at)).map(|(_, part)| part).collect();
                out.push_str(&parts.join(options.value('o').unwrap_or(delimiter)));
            } else if options.has('s') {
                continue;
            } else {
                out.push_str(&line);
            }
            out.push('\n');
        }
        shell.out(out)?;
    }
    Ok(i32::from(!whole))
}

/// The characters of one of `tr`'s sets.
fn set(text: &str) -> Vec<char> {
    let mut text = super::super::escapes::decoded(text, false).0;
    for (class, range) in [
        ("[:lower:]", "a-z"),
        ("[:upper:]", "A-Z"),
        ("[:digit:]", "0-9"),
        ("[:space:]", " \t\n\r\u{b}\u{c}"),
        ("[:blank:]", " \t"),
        ("[:alpha:]", "A-Za-z"),
        ("[:alnum:]", "0-9A-Za-z"),
        ("[:punct:]", "!\"#$%&'()*+,./:;<=>?@[\\]^_`{|}~"),
    ] {
        text = text.replace(class, range);
    }
    let all: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < all.len() {
        if all.get(at + 1) == Some(&'-') && all.get(at + 2).is_some_and(|end| *end >= all[at]) {
            out.extend(all[at]..=all[at + 2]);
            at += 3;
        } else {
            out.push(all[at]);
            at += 1;
        }
    }
    out
}

pub(super) fn tr(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(
        &words[1..],
        "dscC",
        &[("delete", 'd', false), ("squeeze-repeats", 's', false), ("complement", 'c', false)],
    ) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("tr: {why}")),
    };
    let Some(first) = options.rest.first() else { return shell.wrong(1, "tr: missing operand") };
    let (from, to) = (set(first), options.rest.get(1).map(|text| set(text)));
    let other = options.has('c') || options.has('C');
    let within = |one: char| from.contains(&one) != other;
    let (delete, squeeze) = (options.has('d'), options.has('s'));
    if !delete && to.is_none() && !squeeze {
        return shell.wrong(1, format!("tr: missing operand after ‘{first}’"));
    }
    let text = String::from_utf8_lossy(&shell.input()?).into_owned();
    let mut out = String::new();
    let mut before = None;
    for one in text.chars() {
        if delete && within(one) {
            continue;
        }
        let new = match &to {
            Some(to) if !delete && within(one) && !to.is_empty() => {
                let at = if other { usize::MAX } else { from.iter().position(|known| *known == one).unwrap_or(0) };
                to[at.min(to.len() - 1)]
            }
            _ => one,
        };
        let squeezed = match &to {
            Some(to) => to.contains(&new),
            None => within(new),
        };
        if squeeze && squeezed && before == Some(new) {
            continue;
        }
        out.push(new);
        before = Some(new);
    }
    shell.out(out)?;
    Ok(0)
}

pub(super) fn tee(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match Options::read(&words[1..], "ai", &[("append", 'a', false)]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("tee: {why}")),
    };
    let bytes = shell.input()?;
    let mut status = 0;
    for path in &options.rest {
        if let Err(why) = shell.write_file(path, &bytes, options.has('a')) {
            status = shell.wrong(1, format!("tee: {path}: {why}"))?;
        }
    }
    shell.out(bytes)?;
    Ok(status)
}

pub(super) fn seq(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (mut separator, mut wide, mut numbers) = ("\n".to_owned(), false, Vec::new());
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-s" => separator = rest.next().cloned().unwrap_or_default(),
            "-w" => wide = true,
            here if here.starts_with("-s") => here[2..].clone_into(&mut separator),
            number if number.parse::<f64>().is_ok_and(f64::is_finite) => numbers.push(number.to_owned()),
            other => return shell.wrong(1, format!("seq: invalid floating point argument: ‘{other}’")),
        }
    }
    let digits =
        numbers.iter().map(|number| number.split_once('.').map_or(0, |(_, behind)| behind.len())).max().unwrap_or(0);
    let values: Vec<f64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let (first, by, last) = match values.as_slice() {
        [last] => (1.0, 1.0, *last),
        [first, last] => (*first, 1.0, *last),
        [first, by, last] if *by != 0.0 => (*first, *by, *last),
        _ => return shell.wrong(1, "seq: missing or extra operand"),
    };
    let count = ((last - first) / by + 1e-9).floor() + 1.0;
    if count > 1e6 {
        return shell.wrong(1, "seq: this drill counts to a million at the most");
    }
    let mut all: Vec<String> =
        (0..count.max(0.0) as usize).map(|index| format!("{:.digits$}", first + by * index as f64)).collect();
    if wide {
        let width = all.iter().map(String::len).max().unwrap_or(0);
        for number in &mut all {
            *number = format!("{}{number}", "0".repeat(width - number.len()));
        }
    }
    if !all.is_empty() {
        shell.out(all.join(&separator) + "\n")?;
    }
    Ok(0)
}

pub(super) fn tac(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (inputs, whole) = shell.inputs("tac", &words[1..])?;
    for (_, bytes) in inputs {
        let mut all = lines(&bytes);
        all.reverse();
        shell.out(all.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    }
    Ok(i32::from(!whole))
}
