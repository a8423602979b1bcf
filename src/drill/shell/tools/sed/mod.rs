//! `sed`.

mod read;
mod run;

use super::super::state::{Flow, Outcome, Shell};
use super::lines;
use super::options::Options;
use read::Read;
use run::Machine;

/// What is done to each line, and whether lines that nothing prints are printed.
struct Script {
    text: String,
    extended: bool,
    quiet: bool,
}

impl Script {
    /// What it takes to do that to a text.
    fn machine(&self, text: &[u8]) -> Result<Machine, String> {
        let mut read = Read {
            all: self.text.chars().collect(),
            at: 0,
            extended: self.extended,
            commands: Vec::new(),
            open: Vec::new(),
            name: "-e expression #1",
        };
        read.program()?;
        Ok(Machine {
            commands: read.commands,
            quiet: self.quiet,
            lines: lines(text),
            next: 0,
            space: String::new(),
            hold: String::new(),
            last: None,
            out: String::new(),
            behind: Vec::new(),
            replaced: false,
            steps: 0,
        })
    }
}

pub(super) fn sed(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    let (words, place) = without_place(&words[1..]);
    let read = Options::read(
        &words,
        "nErse:f:",
        &[("quiet", 'n', false), ("regexp-extended", 'E', false), ("expression", 'e', true)],
    );
    let mut options = match read {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("sed: {why}")),
    };
    let text = match script(shell, &mut options) {
        Ok(text) => text,
        Err(why) => return shell.wrong(1, why),
    };
    let script = Script { text, extended: options.has('E') || options.has('r'), quiet: options.has('n') };
    match place {
        Some(suffix) => in_place(shell, &options.rest, &suffix, &script),
        None => to_output(shell, &options.rest, &script),
    }
}

/// The words without `-i`, and the suffix that it has: `-i.bak` takes what stands right behind it alone.
fn without_place(words: &[String]) -> (Vec<String>, Option<String>) {
    let long = |word: &str| word.strip_prefix("--in-place").map(|rest| rest.trim_start_matches('=').to_owned());
    let suffix = |word: &str| word.strip_prefix("-i").map(str::to_owned).or_else(|| long(word));
    let place = words.iter().filter_map(|word| suffix(word)).next_back();
    (words.iter().filter(|word| suffix(word).is_none()).cloned().collect(), place)
}

/// All that `-e` and `-f` say; without them, the first word.
fn script(shell: &mut Shell<'_>, options: &mut Options) -> Result<String, String> {
    let mut program: Vec<String> = options.values('e').map(str::to_owned).collect();
    if let Some(path) = options.value('f').map(str::to_owned) {
        let bytes = shell.read_file(&path).map_err(|why| format!("sed: couldn't open file {path}: {why}"))?;
        program.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    if program.is_empty() {
        if options.rest.is_empty() {
            return Err("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...".to_owned());
        }
        program.push(options.rest.remove(0));
    }
    Ok(program.join("\n"))
}

fn to_output(shell: &mut Shell<'_>, paths: &[String], script: &Script) -> Outcome {
    let (inputs, whole) = shell.inputs("sed", paths)?;
    let mut text = Vec::new();
    for (_, bytes) in inputs {
        // The last line of one and the first of the next are two.
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        text.extend(bytes);
    }
    let ended = text.is_empty() || text.ends_with(b"\n");
    match worked(script.machine(&text), ended) {
        Ok((out, code)) => {
            shell.out(out)?;
            Ok(if code == 0 && !whole { 2 } else { code })
        }
        Err(why) => shell.wrong(1, format!("sed: -e expression #1: {why}")),
    }
}

/// What it makes of a text; a last line without an end stays so.
fn worked(machine: Result<Machine, String>, ended: bool) -> Result<(String, i32), String> {
    let mut machine = machine?;
    let code = machine.run()?;
    let mut out = machine.out;
    if !ended && machine.next >= machine.lines.len() && out.ends_with('\n') {
        out.pop();
    }
    Ok((out, code))
}

fn in_place(shell: &mut Shell<'_>, paths: &[String], suffix: &str, script: &Script) -> Result<i32, Flow> {
    let mut status = 0;
    for path in paths {
        let bytes = match shell.read_file(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                status = shell.wrong(2, format!("sed: can't read {path}: {why}"))?;
                continue;
            }
        };
        let (out, code) = match worked(script.machine(&bytes), bytes.is_empty() || bytes.ends_with(b"\n")) {
            Ok(came) => came,
            Err(why) => return shell.wrong(1, format!("sed: -e expression #1: {why}")),
        };
        let kept = if suffix.is_empty() { Ok(()) } else { shell.write_file(&format!("{path}{suffix}"), &bytes, false) };
        if let Err(why) = kept.and_then(|()| shell.write_file(path, out.as_bytes(), false)) {
            status = shell.wrong(4, format!("sed: couldn't open file {path}: {why}"))?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(status)
}
