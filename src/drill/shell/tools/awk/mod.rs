//! `awk`: the language of POSIX, but for `getline`, pipes and `system`.

mod builtin;
mod eval;
mod expr;
mod lex;
mod read;
mod run;
mod value;

use super::super::escapes;
use super::super::state::{Outcome, Shell};
use run::{Awk, Ends};
use value::Value;

pub(super) fn awk(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let options = match read_words(&words[1..]) {
        Ok(options) => options,
        Err(why) => return shell.wrong(2, format!("awk: {why}")),
    };
    let program = match source(shell, &options).and_then(|text| read::program(&text)) {
        Ok(program) => program,
        Err(why) => return shell.wrong(2, format!("awk: {why}")),
    };
    let mut awk = Awk::new(&program);
    awk.environment(&shell.exported());
    options.set(&mut awk);
    let came = played(shell, &mut awk, &options.rest);
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
    came.or_else(|why| shell.wrong(2, format!("awk: {why}")))
}

/// The text of the program: what was given, or what is in the files.
fn source(shell: &mut Shell<'_>, options: &Words) -> Result<String, String> {
    let mut text = if options.files.is_empty() { options.program.clone() } else { String::new() };
    for path in &options.files {
        let bytes = shell.read_file(path).map_err(|why| format!("can't open file {path}: {why}"))?;
        text.push_str(&String::from_utf8_lossy(&bytes));
        text.push('\n');
    }
    let fits = text.len() <= 64 << 10;
    fits.then_some(text).ok_or_else(|| "this drill reads no program of more than 64 KiB".to_owned())
}

#[derive(Default)]
struct Words {
    separator: Option<String>,
    variables: Vec<(String, String)>,
    files: Vec<String>,
    program: String,
    rest: Vec<String>,
}

impl Words {
    /// What `-F` and `-v` say.
    fn set(&self, awk: &mut Awk<'_>) {
        if let Some(separator) = &self.separator {
            let separator = if separator == "t" { "\t".to_owned() } else { escapes::ansi(separator) };
            awk.set("FS", Value::Text(separator));
        }
        for (name, text) in &self.variables {
            awk.set(name, Value::given(&escapes::ansi(text)));
        }
    }
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
