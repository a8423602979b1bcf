//! `jq`, as the library jaq does it.

use super::super::state::{OUTPUT, Outcome, Shell};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read, write};

/// What could go on for ever, or look at this very machine.
const REFUSED: [&str; 18] = [
    "def",
    "repeat",
    "range",
    "until",
    "while",
    "limit",
    "input",
    "inputs",
    "env",
    "ENV",
    "foreach",
    "reduce",
    "recurse",
    "combinations",
    "halt",
    "halt_error",
    "now",
    "include",
];

/// How it was called.
#[derive(Default)]
struct Asked {
    raw: bool,
    joined: bool,
    compact: bool,
    tells: bool,
    slurp: bool,
    nothing: bool,
    text: bool,
    sorted: bool,
    names: Vec<String>,
    values: Vec<Val>,
    rest: Vec<String>,
}

pub(super) fn jq(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let asked = match asked(shell, &words[1..]) {
        Ok(asked) => asked,
        Err(why) => return shell.wrong(2, format!("jq: error: {why}")),
    };
    let Some((program, paths)) = asked.rest.split_first() else {
        return shell.wrong(2, "Usage:\tjq [OPTIONS] FILTER [FILES...]");
    };
    let (inputs, whole) = shell.inputs("jq", paths)?;
    let bytes = inputs.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>().concat();
    let values = match values(&asked, &bytes) {
        Ok(values) => values,
        Err(why) => return shell.wrong(2, format!("jq: error (at <stdin>:0): {why}")),
    };
    match filtered(&asked, program, values) {
        Err(why) => shell.wrong(3, format!("jq: error: {why}\njq: 1 compile error")),
        Ok(Said { out, wrong, last }) => {
            shell.out(out)?;
            if let Some(why) = wrong {
                return shell.wrong(5, format!("jq: error (at <stdin>:0): {why}"));
            }
            Ok(match last {
                _ if !whole => 2,
                Some(Val::Null | Val::Bool(false)) if asked.tells => 1,
                None if asked.tells => 4,
                _ => 0,
            })
        }
    }
}

/// What a program makes of a value: its results line by line, texts without quotes, as `gh --jq` and `jq -r` print them.
///
/// # Errors
/// When it is no program, or can't be carried out.
pub fn raw(program: &str, value: &serde_json::Value) -> Result<String, String> {
    let asked = Asked { raw: true, compact: true, ..Asked::default() };
    let said = filtered(&asked, program, values(&asked, value.to_string().as_bytes())?)?;
    let out = String::from_utf8_lossy(&said.out).into_owned();
    said.wrong.map_or(Ok(out), Err)
}

/// The first result of a program, as it is.
///
/// # Errors
/// When it is no program, or can't be carried out.
pub fn first(program: &str, value: &serde_json::Value) -> Result<serde_json::Value, String> {
    let asked = Asked { compact: true, ..Asked::default() };
    let said = filtered(&asked, program, values(&asked, value.to_string().as_bytes())?)?;
    let line = said.out.split(|byte| *byte == b'\n').next().unwrap_or_default();
    said.wrong.map_or_else(|| serde_json::from_slice(line).map_err(|why| why.to_string()), Err)
}

/// Options by their long names, with their letters.
const LONG: [(&str, char); 7] = [
    ("--raw-output", 'r'),
    ("--compact-output", 'c'),
    ("--exit-status", 'e'),
    ("--slurp", 's'),
    ("--null-input", 'n'),
    ("--raw-input", 'R'),
    ("--sort-keys", 'S'),
];

impl Asked {
    /// An option by its letter.
    fn take(&mut self, flag: char) -> Result<(), String> {
        match flag {
            'r' => self.raw = true,
            'j' => (self.raw, self.joined) = (true, true),
            'c' => self.compact = true,
            'e' => self.tells = true,
            's' => self.slurp = true,
            'n' => self.nothing = true,
            'R' => self.text = true,
            'S' => self.sorted = true,
            'M' => {}
            odd => return Err(format!("this drill does not know -{odd}")),
        }
        Ok(())
    }
}

fn asked(shell: &mut Shell<'_>, words: &[String]) -> Result<Asked, String> {
    let mut out = Asked::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut next = || words.next().cloned().ok_or_else(|| format!("{word} takes two parameters"));
        match word.as_str() {
            "--arg" => {
                out.names.push(next()?);
                out.values.push(Val::from(next()?));
            }
            "--argjson" => {
                out.names.push(next()?);
                let text = next()?;
                out.values.push(
                    read::parse_single(text.as_bytes())
                        .map_err(|_| format!("Invalid JSON text passed to --argjson: {text}"))?,
                );
            }
            "--slurpfile" | "--rawfile" => {
                out.names.push(next()?);
                let path = next()?;
                let bytes = shell.read_file(&path).map_err(|why| format!("Bad JSON in --{word} {path}: {why}"))?;
                let all: Result<Vec<Val>, _> = read::parse_many(&bytes).collect();
                out.values.push(match word.as_str() {
                    "--rawfile" => Val::from(String::from_utf8_lossy(&bytes).into_owned()),
                    _ => all.map_err(|why| format!("Bad JSON in {word} {path}: {why}"))?.into_iter().collect(),
                });
            }
            long if long.starts_with("--") => {
                let flag = LONG.iter().find(|(name, _)| *name == long).map(|(_, flag)| *flag);
                out.take(flag.ok_or_else(|| format!("this drill does not know {long}"))?)?;
            }
            short if short.starts_with('-') && short.len() > 1 => {
                short[1..].chars().try_for_each(|flag| out.take(flag))?;
            }
            _ => out.rest.push(word.clone()),
        }
    }
    Ok(out)
}

fn values(asked: &Asked, bytes: &[u8]) -> Result<Vec<Val>, String> {
    if asked.nothing {
        return Ok(vec![Val::Null]);
    }
    // Within each other so deep nobody writes.
    let depth = bytes.iter().scan(0_usize, |depth, byte| {
        match byte {
            b'[' | b'{' => *depth += 1,
            b']' | b'}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    if depth.max().unwrap_or(0) > 200 {
        return Err("Exceeds depth limit for parsing".to_owned());
    }
    if asked.text {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Ok(if asked.slurp {
            vec![Val::from(text)]
        } else {
            text.lines().map(|line| Val::from(line.to_owned())).collect()
        });
    }
    let all: Result<Vec<Val>, _> = read::parse_many(bytes).collect();
    let all = all.map_err(|why| why.to_string())?;
    Ok(if asked.slurp { vec![all.into_iter().collect()] } else { all })
}

/// What a program said, why it went no further, and its last value.
struct Said {
    out: Vec<u8>,
    wrong: Option<String>,
    last: Option<Val>,
}

fn filtered(asked: &Asked, program: &str, values: Vec<Val>) -> Result<Said, String> {
    let word = program.split(|one: char| !(one.is_alphanumeric() || one == '_')).find(|word| REFUSED.contains(word));
    if let Some(word) = word {
        return Err(format!("this drill does not know `{word}'"));
    }
    if program.len() > 16_384 || program.matches(['(', '[', '{', '-']).count() > 400 {
        return Err("more than this drill reads".to_owned());
    }
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs::<data::JustLut<Val>>().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let loaded = Loader::new(defs).load(&arena, File { code: program, path: () });
    let modules = loaded.map_err(|_| format!("syntax error in: {program}"))?;
    let names: Vec<String> = asked.names.iter().map(|name| format!("${name}")).collect();
    let compiler = Compiler::default().with_funs(funs).with_global_vars(names.iter().map(String::as_str));
    let filter = compiler.compile(modules).map_err(|_| format!("something in it is not defined: {program}"))?;
    let mut said = Said { out: Vec::new(), wrong: None, last: None };
    for value in values {
        let ctx = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new(asked.values.iter().cloned()));
        for came in filter.id.run((ctx, value)).map(unwrap_valr) {
            match came {
                Ok(value) => {
                    print(asked, &value, &mut said.out);
                    said.last = Some(value);
                }
                Err(why) => {
                    said.wrong = Some(why.to_string());
                    break;
                }
            }
            if said.out.len() > OUTPUT {
                return Ok(said);
            }
        }
    }
    Ok(said)
}

fn print(asked: &Asked, value: &Val, out: &mut Vec<u8>) {
    let text = if let (true, Val::TStr(text)) = (asked.raw, value) { Some(text.to_vec()) } else { None };
    match text {
        Some(text) => out.extend(text),
        None => {
            let indent = (!asked.compact).then(|| "  ".to_owned());
            let style =
                write::Pp { indent, sort_keys: asked.sorted, sep_space: !asked.compact, ..write::Pp::default() };
            // A Vec takes everything.
            let _ = write::write(out, &style, 0, value);
        }
    }
    if !asked.joined {
        out.push(b'\n');
    }
}
