//! `awk`: the language of POSIX, but for `getline`, pipes and `system`.

use std::fmt::Write as _;
mod builtin;
mod eval;
mod expr;
mod lex;
mod read;
mod run;
mod value;

use super::super::state::{Outcome, Shell};
use run::{Awk, Ends};
use value::Value;

pub(super) fn awk(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match read_words(&words[1..]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("awk: {why}")),
    };
    let mut text = if options.files.is_empty() { options.program.clone() } else { String::new() };
    for path in &options.files {
        match shell.read_file(path) {
            Ok(bytes) => drop(writeln!(text, "{}", String::from_utf8_lossy(&bytes))),
            Err(why) => return shell.wrong(2, format!("awk: can't open file {path}: {why}")),
        }
    }
    if text.len() > 64 << 10 {
        return shell.wrong(2, "awk: this drill reads no program of more than 64 KiB");
    }
    let program = match read::program(&text) {
        Ok(program) => program,
        Err(why) => return shell.wrong(2, format!("awk: {why}")),
    };
    let mut awk = Awk::new(&program);
    awk.environment(&shell.exported());
    if let Some(separator) = &options.separator {
        awk.set(
            "FS",
            Value::Text(if separator == "t" { "\t".to_owned() } else { super::super::escapes::ansi(separator) }),
        );
    }
    for (name, text) in &options.variables {
        awk.set(name, Value::given(&super::super::escapes::ansi(text)));
    }
    let came = played(shell, &mut awk, &options.rest);
    let mut wrong = None;
    let code = match came {
        Ok(code) => code,
        Err(why) => {
            wrong = Some(why);
            2
        }
    };
    let (out, files) = awk.written();
    shell.out(out)?;
    for (path, behind, bytes) in files {
        let came = if path == "/dev/stderr" {
            shell.say(&String::from_utf8_lossy(&bytes));
            Ok(())
        } else {
            shell.write_file(&path, &bytes, behind)
        };
        if let Err(why) = came {
            return shell.wrong(2, format!("awk: can't redirect to {path}: {why}"));
        }
    }
    match wrong {
        Some(why) => shell.wrong(code, format!("awk: {why}")),
        None => Ok(code),
    }
}

#[derive(Default)]
struct Words {
    separator: Option<String>,
    variables: Vec<(String, String)>,
    files: Vec<String>,
    program: String,
    rest: Vec<String>,
}

fn read_words(words: &[String]) -> Result<Words, String> {
    let mut out = Words::default();
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-') && word.len() > 1) {
        at += 1;
        if word == "--" {
            break;
        }
        let (flag, here) = word.split_at(2);
        let value = if here.is_empty() && !word.starts_with("--") {
            at += 1;
            words.get(at - 1).cloned().ok_or_else(|| format!("option {flag} takes a value"))?
        } else {
            here.to_owned()
        };
        match flag {
            "-F" => out.separator = Some(value),
            "-v" => {
                let (name, text) = value.split_once('=').ok_or("-v takes name=value")?;
                out.variables.push((name.to_owned(), text.to_owned()));
            }
            "-f" => out.files.push(value),
            _ => return Err(format!("this drill does not know the option {word}")),
        }
    }
    if out.files.is_empty() {
        out.program = words.get(at).cloned().ok_or("usage: awk [-F fs][-v var=value][prog | -f progfile][file ...]")?;
        at += 1;
    }
    out.rest = words.get(at..).unwrap_or_default().to_vec();
    Ok(out)
}

/// Runs it from BEGIN to END.
fn played(shell: &mut Shell<'_>, awk: &mut Awk<'_>, rest: &[String]) -> Result<i32, String> {
    let mut status = 0;
    let mut over = awk.begin()?;
    if over.is_none() && awk.reads() {
        let mut any = false;
        for word in rest {
            if let Some((name, text)) = word.split_once('=').filter(|(name, _)| super::super::vars::is_name(name)) {
                awk.set(name, Value::given(&super::super::escapes::ansi(text)));
                continue;
            }
            any = true;
            let bytes =
                if word == "-" { shell.input().map_err(|_| "can't read".to_owned()) } else { shell.read_file(word) };
            match bytes {
                Ok(bytes) => over = awk.file(word, &bytes)?,
                Err(why) => {
                    shell.say(&format!("awk: cannot open {word} ({why})\n"));
                    status = 2;
                }
            }
            if over.is_some() {
                break;
            }
        }
        if !any {
            let bytes = shell.input().map_err(|_| "can't read".to_owned())?;
            over = awk.file("", &bytes)?;
        }
    }
    let last = awk.end(over)?;
    Ok(match last {
        Some(Ends::Exit(code)) => code,
        _ => status,
    })
}
