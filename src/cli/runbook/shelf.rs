//! `quarterdeck runbook list` and `show`: what there is, and what it says.

use super::super::{Global, places, setup};
use super::written;
use crate::config::{self, Config};
use crate::domain::RunId;
use crate::domain::record::{Record, RunOutcome};
use crate::domain::{json, nearest, text, time};
use crate::journal::Reader;
use crate::runbook::{Library, Mistake, Runbook, library, offer, params};
use crate::{clock, runtime, ui};
use clap::Args;
use color_eyre::eyre::eyre;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Columns of what is printed.
pub const WIDTH: usize = 100;

/// How it is told.
#[derive(Debug, Args)]
pub struct List {
    /// As JSON: {runbooks: [{id, title, owner, reviewed, handbook, risk, affects, pane, alerts, params, file, commit, hash, notes, last_run: {at, run, by, outcome}}], troubles: [text], broken: [{file, id, line, column, what, mend, since}]}
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
        let library = config::library(&config.runbooks).without(config.not_here.clone());
        let (mistakes, ran) = (library.mistakes(), runtime::block_on(last_runs(&config, None))?);
        let known = Known { library: &library, environment: &config.environment, ran: &ran };
        let printed = if self.json {
            let runbooks: Vec<Value> = library.iter().map(|runbook| as_json(runbook, &known)).collect();
            let troubles: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            let broken: Vec<Value> = mistakes.iter().map(broken).collect();
            json::text(&json!({ "runbooks": runbooks, "troubles": troubles, "broken": broken }))?
        } else {
            table(&known, clock::now().wall, stdout().is_terminal()) + &unusable(&library)
        };
        stdout().write_all(printed.as_bytes())?;
        for mistake in mistakes {
            eprintln!("{}", text::clean(&mistake.to_string()));
        }
        Ok(if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Show {
    /// Reads and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let config = setup::config(global)?;
        let library = config::library(&config.runbooks).without(config.not_here.clone());
        let runbook = find(&library, &self.id)?;
        let ran = runtime::block_on(last_runs(&config, Some(&self.id)))?;
        let known = Known { library: &library, environment: &config.environment, ran: &ran };
        stdout().write_all(page(runbook, &known).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A runbook by its id.
///
/// # Errors
/// When there is none: which are near, and what could not be read.
pub fn find<'a>(library: &'a Library, id: &str) -> color_eyre::Result<&'a Arc<Runbook>> {
    library.get(id).ok_or_else(|| {
        if library.mistakes().iter().any(|mistake| mistake.id.as_deref() == Some(id)) {
            return eyre!("{id} can't be used: {}", text::clean(&library.absent(id)));
        }
        let wrong = library.mistakes().iter().filter_map(|mistake| mistake.id.as_deref());
        let near = nearest(id, library.iter().map(|runbook| runbook.id.as_str()).chain(wrong));
        let hint = near.map_or_else(
            || "`quarterdeck runbook list` shows all".to_owned(),
            |near| format!("did you mean {near:?}?"),
        );
        let mistakes = library.mistakes().iter();
        let troubles: Vec<String> = mistakes.map(|told| format!("\n{}", text::clean(&told.to_string()))).collect();
        eyre!("there is no runbook {id:?}; {hint}{}", troubles.concat())
    })
}

/// The last run of each runbook, by id.
pub type Ran = BTreeMap<String, LastRun>;

/// A runbook's last run.
#[derive(Clone, Debug)]
pub struct LastRun {
    /// When it began.
    at: Timestamp,
    run: RunId,
    /// `name@host`.
    by: String,
    /// The hash that its file had then.
    hash: String,
    /// How it ended; `None`: it goes on, or was cut off.
    outcome: Option<&'static str>,
}

impl LastRun {
    async fn read(reader: &Reader, start: Record) -> Option<(String, Self)> {
        let (data, run) = (&start.entry.data, start.entry.run?);
        let end = reader.end_of(run).await.ok().flatten();
        let outcome = end.and_then(|end| RunOutcome::of(&end.entry.data)).map(RunOutcome::word);
        let by = format!("{}@{}", start.actor.name, start.actor.host);
        let hash = data["source_hash"].as_str()?.to_owned();
        Some((data["runbook"].as_str()?.to_owned(), Self { at: start.at, run, by, hash, outcome }))
    }

    /// `ok 3d ago`.
    fn text(&self, now: Timestamp) -> String {
        let word = self.outcome.unwrap_or("not ended");
        format!("{word} {} ago", offer::since(self.at, now))
    }

    fn as_json(&self) -> Value {
        json!({ "at": self.at, "run": self.run, "by": self.by, "outcome": self.outcome })
    }
}

/// As the journal tells, of all runbooks or of one; nothing when there is none yet, or it cannot be read.
pub async fn last_runs(config: &Config, runbook: Option<&str>) -> Ran {
    let Ok(store) = places::journal(&config.journal) else { return Ran::new() };
    let Ok(reader) = Reader::open(&store).await else { return Ran::new() };
    let starts = reader.last_starts(runbook).await.unwrap_or_default();
    let mut ran = Ran::new();
    for start in starts {
        ran.extend(LastRun::read(&reader, start).await);
    }
    ran
}

/// That its file is another than the one that was last run.
pub fn changed(runbook: &Runbook, ran: &Ran) -> Option<String> {
    let last = ran.get(&runbook.id).filter(|last| last.hash != runbook.hash)?;
    Some(format!("changed since it was last run ({})", last.at.strftime("%Y-%m-%d %H:%MZ")))
}

/// What is known of runbooks beside their pages.
struct Known<'a> {
    library: &'a Library,
    environment: &'a str,
    ran: &'a Ran,
}

impl Known<'_> {
    /// What somebody should know before one is run: that it can't be here, that it changed, and that nobody looked at it for long.
    fn notes(&self, runbook: &Runbook) -> Vec<String> {
        let refusal = offer::refusal(self.library, runbook, self.environment).map(|why| format!("not here: {why}"));
        let overdue = library::overdue(runbook, today()).map(|problem| problem.what);
        refusal.into_iter().chain(changed(runbook, self.ran)).chain(overdue).collect()
    }
}

/// The day, in UTC.
pub fn today() -> Date {
    time::day(clock::now().wall)
}

fn as_json(runbook: &Runbook, known: &Known<'_>) -> Value {
    let params: Vec<Value> = runbook
        .params
        .iter()
        .map(|param| json!({ "name": param.name, "type": param.kind.word(), "description": param.description, "required": param.required, "many": param.many, "default": param.default,
            "min": param.min, "max": param.max, "choices": param.choices }))
        .collect();
    let alerts: Vec<&str> = runbook.alerts.iter().map(|glob| glob.0.as_str()).collect();
    json!({
        "id": runbook.id,
        "title": runbook.title,
        "owner": runbook.owner,
        "reviewed": runbook.reviewed.to_string(),
        "handbook": runbook.handbook,
        "risk": runbook.risk,
        "affects": runbook.affects,
        "pane": runbook.pane.map(crate::domain::Subject::word),
        "alerts": alerts,
        "params": params,
        "file": runbook.path,
        "commit": runbook.commit,
        "hash": runbook.hash,
        "notes": known.notes(runbook),
        "last_run": known.ran.get(&runbook.id).map(LastRun::as_json),
    })
}

/// A file that can't be used.
fn broken(mistake: &Mistake) -> Value {
    let (line, column) = mistake.place.unzip();
    let Mistake { path, what, mend, id, since, .. } = mistake;
    json!({ "file": path, "id": id, "line": line, "column": column, "what": what, "mend": mend, "since": since.to_string() })
}

/// A line for each file that can't be used, after those that can: what is wrong is told beside.
fn unusable(library: &Library) -> String {
    let width = library.iter().map(|runbook| runbook.id.len()).max().unwrap_or_default();
    let line = |mistake: &Mistake| {
        let id = mistake.id.clone().unwrap_or_else(|| mistake.name());
        let place = mistake.place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
        let file = format!("{}{place}", mistake.path.display());
        format!("{:<width$}  {:<12}  {}\n", text::clean(&id), "BROKEN", text::clean(&file))
    };
    library.mistakes().iter().map(line).collect()
}

/// Columns of the list: what a terminal has at least.
const LIST: usize = 80;
/// Cells of a title at least: rather is a line longer.
const TITLE: usize = 16;
/// Cells of an owner at most.
const OWNER: usize = 16;

/// `narrow`: titles are cut to what a terminal has at least. A line for each, and below it where it comes from and what is odd about it.
fn table(known: &Known<'_>, now: Timestamp, narrow: bool) -> String {
    let Known { library, ran, .. } = known;
    let cells = |runbook: &Runbook| {
        let last = ran.get(&runbook.id).map_or_else(|| "never".to_owned(), |last| last.text(now));
        [
            runbook.id.clone(),
            runbook.risk.word().to_owned(),
            text::shorten(&text::clean(&runbook.owner), OWNER).into_owned(),
            last,
        ]
    };
    let heads = ["ID", "RISK", "OWNER", "LAST RUN"].map(str::to_owned);
    let rows: Vec<[String; 4]> = library.iter().map(|runbook| cells(runbook)).collect();
    let all = || std::iter::once(&heads).chain(&rows);
    let widths: [usize; 4] = std::array::from_fn(|at| all().map(|row| row[at].width()).max().unwrap_or(0));
    let before = widths.iter().sum::<usize>() + 2 * widths.len();
    let room = if narrow { LIST.saturating_sub(before).max(TITLE) } else { usize::MAX };
    let line = |row: &[String; 4], title: &str| {
        let cells: String = row.iter().zip(widths).map(|(cell, width)| text::pad(cell, width) + "  ").collect();
        format!("{cells}{title}\n")
    };
    let mut out = line(&heads, "TITLE");
    for (runbook, row) in library.iter().zip(&rows) {
        out.push_str(&line(row, &text::shorten(&text::clean(&runbook.title), room)));
        let file = runbook.path.as_ref().map(|path| path.display().to_string());
        for note in file.into_iter().chain(known.notes(runbook).into_iter().map(|note| format!("! {note}"))) {
            let _ = writeln!(out, "  {}", text::clean(&note));
        }
    }
    out
}

fn page(runbook: &Runbook, known: &Known<'_>) -> String {
    let mut out = format!("{}: {}\n", runbook.id, text::clean(&runbook.title));
    let (owner, risk) = (text::clean(&runbook.owner), runbook.risk.word());
    let _ = writeln!(out, "risk {risk}, owner {owner}, reviewed {}", runbook.reviewed);
    if let Some(section) = &runbook.handbook {
        let _ = writeln!(out, "handbook: {}", text::clean(section));
    }
    let commit = runbook.commit.as_ref().map(|commit| format!(", commit {}", &commit[..12])).unwrap_or_default();
    let _ = writeln!(out, "{}, hash {}{commit}", text::clean(&runbook.file()), &runbook.hash[..12]);
    for param in &runbook.params {
        let (kind, given) = params::told(param);
        let _ = writeln!(out, "--var {}=… ({kind}; {})", param.name, text::clean(&given));
        if let Some(what) = &param.description {
            let _ = writeln!(out, "      {}", text::clean(what));
        }
    }
    for note in known.notes(runbook) {
        let _ = writeln!(out, "! {}", text::clean(&note));
    }
    out.push_str(&ui::page_text(runbook, WIDTH));
    for step in &runbook.steps {
        out.push_str(&written::step(step));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_a_small_terminal_and_is_whole_elsewhere() {
        let (library, now, ran) = (Library::builtin(), clock::now().wall, Ran::new());
        let known = Known { library: &library, environment: "", ran: &ran };
        let narrow = table(&known, now, true);
        let wide = narrow.lines().filter(|line| !line.starts_with(' ')).find(|line| line.width() > LIST);
        assert_eq!(wide, None, "{narrow}");
        let whole = table(&known, now, false);
        assert!(library.iter().all(|runbook| whole.contains(&runbook.title)) && !whole.contains('…'), "{whole}");
    }
    #[test]
    fn what_is_not_for_this_place_says_why() {
        let why = [("dr-failover".to_owned(), "there is no second region".to_owned())].into();
        let (library, ran) = (Library::builtin().without(why), Ran::new());
        let known = Known { library: &library, environment: "", ran: &ran };
        let note = "! not here: it is not for this place: there is no second region\n";
        let list = table(&known, clock::now().wall, true);
        assert!(list.lines().any(|line| line.starts_with("dr-failover ")) && list.contains(note), "{list}");
        assert!(page(library.get("dr-failover").unwrap(), &known).contains(note));
    }
}
