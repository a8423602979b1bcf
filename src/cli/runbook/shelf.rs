//! `quarterdeck runbook list` and `show`: what there is, and what it says.

use super::super::{Global, places, setup};
use crate::config::{self, Config};
use crate::domain::{json, nearest, text, time};
use crate::journal::Reader;
use crate::runbook::model::{Fence, Step};
use crate::runbook::{Library, Runbook, library, params};
use crate::{clock, runtime, ui};
use clap::Args;
use color_eyre::eyre::eyre;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

/// Columns of what is printed.
pub const WIDTH: usize = 100;

/// How it is told.
#[derive(Debug, Args)]
pub struct List {
    /// As JSON: {runbooks: [{id, title, owner, reviewed, risk, pane, alerts, params, file, commit, hash, notes}], troubles: [text]}
    #[arg(long)]
    json: bool,
}

/// One runbook: its page, then its steps as they are written. Nothing is asked and nothing sent.
#[derive(Debug, Args)]
pub struct Show {
    /// Its id
    id: String,
}

impl List {
    /// Reads and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let config = setup::config(global)?;
        let library = config::library(&config.runbooks);
        let (troubles, ran) = (library.read_now(), runtime::block_on(last_runs(&config, None))?);
        let printed = if self.json {
            let runbooks: Vec<Value> = library.iter().map(|runbook| as_json(runbook, &ran)).collect();
            json::text(&json!({ "runbooks": runbooks, "troubles": troubles }))?
        } else {
            table(&library, &ran)
        };
        stdout().write_all(printed.as_bytes())?;
        for trouble in troubles {
            eprintln!("{}", text::clean(trouble));
        }
        Ok(if troubles.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Show {
    /// Reads and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let config = setup::config(global)?;
        let library = config::library(&config.runbooks);
        let runbook = find(&library, &self.id)?;
        let ran = runtime::block_on(last_runs(&config, Some(&self.id)))?;
        stdout().write_all(page(runbook, &ran).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A runbook by its id.
///
/// # Errors
/// When there is none: which are near, and what could not be read.
pub fn find<'a>(library: &'a Library, id: &str) -> color_eyre::Result<&'a Arc<Runbook>> {
    library.get(id).ok_or_else(|| {
        let near = nearest(id, library.iter().map(|runbook| runbook.id.as_str()));
        let hint = near.map_or_else(
            || "`quarterdeck runbook list` shows all".to_owned(),
            |near| format!("did you mean {near:?}?"),
        );
        let troubles: Vec<String> = library.read_now().iter().map(|told| format!("\n{}", text::clean(told))).collect();
        eyre!("there is no runbook {id:?}; {hint}{}", troubles.concat())
    })
}

/// When each runbook was last run, and the hash that its file had then, by id.
pub type Ran = BTreeMap<String, (Timestamp, String)>;

/// As the journal tells, of all runbooks or of one; nothing when there is none yet, or it cannot be read.
pub async fn last_runs(config: &Config, runbook: Option<&str>) -> Ran {
    let Ok(store) = places::journal(&config.journal) else { return Ran::new() };
    let Ok(reader) = Reader::open(&store).await else { return Ran::new() };
    let starts = reader.last_starts(runbook).await.unwrap_or_default();
    let told = starts.into_iter().filter_map(|record| {
        let data = &record.entry.data;
        Some((data["runbook"].as_str()?.to_owned(), (record.at, data["source_hash"].as_str()?.to_owned())))
    });
    told.collect()
}

/// That its file is another than the one that was last run.
pub fn changed(runbook: &Runbook, ran: &Ran) -> Option<String> {
    let (at, _) = ran.get(&runbook.id).filter(|(_, hash)| *hash != runbook.hash)?;
    Some(format!("changed since it was last run ({})", at.strftime("%Y-%m-%d %H:%MZ")))
}

/// What somebody should know before it is run: that it changed, and that nobody looked at it for long.
fn notes(runbook: &Runbook, ran: &Ran) -> Vec<String> {
    changed(runbook, ran).into_iter().chain(library::overdue(runbook, today()).map(|problem| problem.what)).collect()
}

/// The day, in UTC.
pub fn today() -> Date {
    time::day(clock::now().wall)
}

fn as_json(runbook: &Runbook, ran: &Ran) -> Value {
    let params: Vec<Value> = runbook
        .params
        .iter()
        .map(|param| json!({ "name": param.name, "type": param.kind.word(), "required": param.required, "many": param.many, "default": param.default }))
        .collect();
    let alerts: Vec<&str> = runbook.alerts.iter().map(|glob| glob.0.as_str()).collect();
    json!({
        "id": runbook.id,
        "title": runbook.title,
        "owner": runbook.owner,
        "reviewed": runbook.reviewed.to_string(),
        "risk": runbook.risk,
        "pane": runbook.pane.map(crate::domain::Subject::word),
        "alerts": alerts,
        "params": params,
        "file": runbook.path,
        "commit": runbook.commit,
        "hash": runbook.hash,
        "notes": notes(runbook, ran),
    })
}

fn table(library: &Library, ran: &Ran) -> String {
    let width = library.iter().map(|runbook| runbook.id.len()).max().unwrap_or_default();
    let mut out = String::new();
    for runbook in library.iter() {
        let (id, risk, title) = (&runbook.id, runbook.risk.word(), text::clean(&runbook.title));
        let _ = writeln!(out, "{id:<width$}  {risk:<12}  {title}");
        let file = runbook.path.as_ref().map(|path| path.display().to_string());
        for note in file.into_iter().chain(notes(runbook, ran).into_iter().map(|note| format!("! {note}"))) {
            let _ = writeln!(out, "{:<width$}                {}", "", text::clean(&note));
        }
    }
    out
}

fn page(runbook: &Runbook, ran: &Ran) -> String {
    let mut out = format!("{}: {}\n", runbook.id, text::clean(&runbook.title));
    let (owner, risk) = (text::clean(&runbook.owner), runbook.risk.word());
    let _ = writeln!(out, "risk {risk}, owner {owner}, reviewed {}", runbook.reviewed);
    let commit = runbook.commit.as_ref().map(|commit| format!(", commit {}", &commit[..12])).unwrap_or_default();
    let _ = writeln!(out, "{}, hash {}{commit}", text::clean(&runbook.file()), &runbook.hash[..12]);
    for param in &runbook.params {
        let (kind, given) = params::told(param);
        let _ = writeln!(out, "--var {}={kind} ({})", param.name, text::clean(&given));
    }
    for note in notes(runbook, ran) {
        let _ = writeln!(out, "! {note}");
    }
    out.push_str(&ui::page_text(runbook, WIDTH));
    for step in &runbook.steps {
        out.push_str(&written(step));
    }
    out
}

/// A step as it is written.
fn written(step: &Step) -> String {
    let kind = if step.is_manual() { "by hand" } else { "step" };
    let mut out = format!("\n{kind} {}: {}\n", step.id, text::clean(&step.title));
    for Fence { language, role, attrs, body, .. } in &step.fences {
        let (limit, on) = (attrs.timeout.as_secs_f64(), attrs.on.to_string());
        let _ = writeln!(out, "  {} {} on {}, at most {limit} s", language.name, role.word(), text::clean(&on));
        for line in body.lines() {
            let _ = writeln!(out, "    {}", text::clean(line));
        }
    }
    out
}
