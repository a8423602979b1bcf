//! `echo` and `printf`.

use super::super::escapes;
use super::super::state::{Outcome, Shell};

pub(super) fn echo(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (mut newline, mut escaped, mut at) = (true, false, 1);
    while let Some(flags) = words.get(at).and_then(|word| word.strip_prefix('-')) {
        if flags.is_empty() || !flags.chars().all(|flag| "neE".contains(flag)) {
            break;
        }
        for flag in flags.chars() {
            match flag {
                'n' => newline = false,
                flag => escaped = flag == 'e',
            }
        }
        at += 1;
    }
    let mut text = words[at..].join(" ");
    if escaped {
        let (decoded, ended) = escapes::decoded(&text, true);
        (text, newline) = (decoded, newline && !ended);
    }
    if newline {
        text.push('\n');
    }
    shell.out(text)?;
    Ok(0)
}

pub(super) fn printf(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let mut rest = &words[1..];
    let mut variable = None;
    if rest.first().is_some_and(|word| word == "-v") {
        variable = rest.get(1).cloned();
        rest = rest.get(2..).unwrap_or_default();
    }
    if rest.first().is_some_and(|word| word == "--") {
        rest = &rest[1..];
    }
    let Some((format, args)) = rest.split_first() else {
        shell.complain("printf: usage: printf [-v var] format [arguments]");
        return Ok(2);
    };
    let mut print = Print { args, at: 0, out: String::new(), status: 0, over: false };
    loop {
        let before = print.at;
        print.once(shell, format);
        if print.over || print.at >= args.len() || print.at == before || print.out.len() > super::super::state::OUTPUT {
            break;
        }
    }
    let Print { out, status, .. } = print;
    match variable {
        Some(name) => match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((name, key)) => shell.set_at(name, key, out),
            None => shell.set(&name, out),
        }
        .or_else(|why| shell.fail(why))?,
        None => shell.out(out)?,
    }
    Ok(status)
}

struct Print<'a> {
    args: &'a [String],
    at: usize,
    out: String,
    status: i32,
    over: bool,
}

impl Print<'_> {
    fn next(&mut self) -> Option<String> {
        let next = self.args.get(self.at).cloned();
        self.at += 1;
        next
    }

    fn once(&mut self, shell: &mut Shell<'_>, format: &str) {
        let all: Vec<char> = format.chars().collect();
        let mut at = 0;
        while at < all.len() && !self.over {
            match all[at] {
                '%' => at = self.conversion(shell, &all, at + 1),
                '\\' => {
                    let end = (at + 5).min(all.len());
                    // As much as one escape takes.
                    let length = escape_length(&all[at..end]);
                    let one: String = all[at..at + length].iter().collect();
                    self.out.push_str(&escapes::ansi(&one));
                    at += length;
                }
                one => {
                    self.out.push(one);
                    at += 1;
                }
            }
        }
    }

    fn conversion(&mut self, shell: &mut Shell<'_>, all: &[char], mut at: usize) -> usize {
        let mut spec = super::super::tools::format::Spec::default();
        while let Some(flag) = all.get(at).filter(|one| "-+ #0".contains(**one)) {
            spec.flag(*flag);
            at += 1;
        }
        spec.width = self.count(all, &mut at).map(|width| {
            if width < 0 {
                spec.flag('-');
            }
            width.unsigned_abs() as usize
        });
        if all.get(at) == Some(&'.') {
            at += 1;
            spec.precision = Some(self.count(all, &mut at).unwrap_or(0).max(0) as usize);
        }
        while all.get(at).is_some_and(|one| "hlLjzt".contains(*one)) {
            at += 1;
        }
        let Some(kind) = all.get(at).copied() else {
            self.out.push('%');
            return at;
        };
        at += 1;
        match kind {
            '%' => self.out.push('%'),
            's' | 'c' | 'b' | 'q' => self.word(&spec, kind),
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                let number = self.integer(shell);
                self.out.push_str(&spec.integer(number, kind));
            }
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
                let text = self.next().unwrap_or_default();
                let number = if text.is_empty() { Some(0.0) } else { text.trim().parse::<f64>().ok() };
                if number.is_none() {
                    shell.complain(format!("printf: {text}: invalid number"));
                    self.status = 1;
                }
                self.out.push_str(&spec.float(number.unwrap_or(0.0), kind));
            }
            '(' => return self.time(shell, &spec, all, at),
            other => {
                shell.complain(format!("printf: `{other}': invalid format character"));
                (self.status, self.over) = (1, true);
            }
        }
        at
    }

    fn count(&mut self, all: &[char], at: &mut usize) -> Option<i64> {
        if all.get(*at) == Some(&'*') {
            *at += 1;
            return Some(self.next().and_then(|text| text.parse().ok()).unwrap_or(0_i64).clamp(-100_000, 100_000));
        }
        let begin = *at;
        while all.get(*at).is_some_and(char::is_ascii_digit) {
            *at += 1;
        }
        let digits: String = all[begin..*at].iter().collect();
        digits.parse::<i64>().ok().map(|count| count.min(100_000))
    }

    fn word(&mut self, spec: &super::super::tools::format::Spec, kind: char) {
        let text = self.next().unwrap_or_default();
        let text = match kind {
            'c' => text.chars().next().map(String::from).unwrap_or_default(),
            'q' => escapes::spare(&text),
            'b' => {
                let (text, ended) = escapes::decoded(&text, true);
                self.over |= ended;
                text
            }
            _ => text,
        };
        self.out.push_str(&spec.text(&text));
    }

    fn integer(&mut self, shell: &mut Shell<'_>) -> i64 {
        let Some(text) = self.next() else { return 0 };
        if let Some(quoted) = text.strip_prefix(['\'', '"']) {
            return quoted.chars().next().map_or(0, |one| i64::from(u32::from(one)));
        }
        let plain = text.trim();
        let (sign, digits) = plain.strip_prefix('-').map_or((1, plain.trim_start_matches('+')), |digits| (-1, digits));
        let number = if let Some(hex) = digits.strip_prefix("0x") {
            i64::from_str_radix(hex, 16).ok()
        } else if digits.len() > 1 && digits.starts_with('0') {
            i64::from_str_radix(digits, 8).ok()
        } else if digits.is_empty() && text.is_empty() {
            Some(0)
        } else {
            digits.parse().ok()
        };
        number.map_or_else(
            || {
                shell.complain(format!("printf: {text}: invalid number"));
                self.status = 1;
                let begin: String = digits.chars().take_while(char::is_ascii_digit).collect();
                sign * begin.parse::<i64>().unwrap_or(0)
            },
            |number| sign * number,
        )
    }

    /// `%(%H:%M)T`
    fn time(
        &mut self,
        shell: &mut Shell<'_>,
        spec: &super::super::tools::format::Spec,
        all: &[char],
        at: usize,
    ) -> usize {
        let Some(end) = (at..all.len()).find(|end| all[*end] == ')' && all.get(end + 1) == Some(&'T')) else {
            self.out.push_str("%(");
            return at;
        };
        let format: String = all[at..end].iter().collect();
        let seconds = match self.next().and_then(|text| text.parse::<i64>().ok()) {
            Some(seconds) if seconds >= 0 => seconds as f64,
            _ => shell.now(),
        };
        let text = super::super::tools::date::formatted(seconds, if format.is_empty() { "%X" } else { &format });
        match text {
            Ok(text) => self.out.push_str(&spec.text(&text)),
            Err(why) => {
                shell.complain(format!("printf: {why}"));
                self.status = 1;
            }
        }
        end + 2
    }
}

fn escape_length(all: &[char]) -> usize {
    let digits = |from: usize, base: u32, most: usize| {
        all.iter().skip(from).take(most).take_while(|one| one.is_digit(base)).count()
    };
    match all.get(1) {
        None => 1,
        Some('x') => 2 + digits(2, 16, 2),
        Some('0'..='7') => 1 + digits(1, 8, 3),
        Some(_) => 2,
    }
}
