//! `sed`.

mod read;
mod run;

use super::super::state::{Flow, Outcome, Shell};
use super::lines;
use super::options::Options;
use read::Read;
use run::Machine;

pub(super) fn sed(shell: &mut Shell<'_>, words: &[String]) -> Outcome {
    // `-i.bak` takes what stands right behind it alone.
    let mut place = None;
    let words: Vec<String> = words[1..]
        .iter()
        .filter(|word| {
            let suffix = word
                .strip_prefix("-i")
                .or_else(|| word.strip_prefix("--in-place").map(|rest| rest.trim_start_matches('=')));
            if let Some(suffix) = suffix {
                place = Some(suffix.to_owned());
            }
            suffix.is_none()
        })
        .cloned()
        .collect();
    let mut options = match Options::read(
        &words,
        "nErse:f:",
        &[("quiet", 'n', false), ("regexp-extended", 'E', false), ("expression", 'e', true)],
    ) {
        Ok(options) => options,
        Err(why) => return shell.wrong(1, format!("sed: {why}")),
    };
    let mut program: Vec<String> = options.values('e').map(str::to_owned).collect();
    if let Some(path) = options.value('f').map(str::to_owned) {
        match shell.read_file(&path) {
            Ok(bytes) => program.push(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) => return shell.wrong(1, format!("sed: couldn't open file {path}: {why}")),
        }
    }
    if program.is_empty() {
        if options.rest.is_empty() {
            return shell.wrong(1, "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...");
        }
        program.push(options.rest.remove(0));
    }
    let program = program.join("\n");
    let extended = options.has('E') || options.has('r');
    let make = |text: &[u8]| -> Result<Machine, String> {
        let mut read = Read {
            all: program.chars().collect(),
            at: 0,
            extended,
            commands: Vec::new(),
            open: Vec::new(),
            name: "-e expression #1",
        };
        read.program()?;
        Ok(Machine {
            commands: read.commands,
            quiet: options.has('n'),
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
    };
    if let Some(suffix) = place {
        return in_place(shell, &options.rest, &suffix, &make);
    }
    let (inputs, whole) = shell.inputs("sed", &options.rest)?;
    let mut text = Vec::new();
    for (_, bytes) in inputs {
        // The last line of one and the first of the next are two.
        if text.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        text.extend(bytes);
    }
    let ended = text.is_empty() || text.ends_with(b"\n");
    match worked(make(&text), ended) {
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

fn in_place(
    shell: &mut Shell<'_>,
    paths: &[String],
    suffix: &str,
    make: &impl Fn(&[u8]) -> Result<Machine, String>,
) -> Result<i32, Flow> {
    let mut status = 0;
    for path in paths {
        let bytes = match shell.read_file(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                status = shell.wrong(2, format!("sed: can't read {path}: {why}"))?;
                continue;
            }
        };
        let (out, code) = match worked(make(&bytes), bytes.is_empty() || bytes.ends_with(b"\n")) {
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
