//! `quarterdeck incident`: the record of an incident without the screen.

mod given;
mod say;
mod tell;

use self::say::{call, close, declare, include, note, take_back};
use self::tell::{hand_over, line, list, show, tell_second, tell_twins};
use super::runbook::{Desk, at_desk};
use super::{Global, PRINTS};
use crate::clock;
use crate::domain::incident::{Duty, Priority};
use crate::domain::record::{Entry, Record, RecordKind};
use crate::domain::{IncidentId, reason, text, time};
use crate::incident::line::CALLED;
use crate::incident::{self, Incident};
use crate::runtime::post_mortem::Known;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

const RECORDS: &str = "Exit codes: 0 recorded, 1 it could not be: why is told, 2 the command line was not understood.";

/// `quarterdeck incident …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Declare one: from now on what is done here belongs to it
    #[command(visible_alias = "open", after_help = RECORDS)]
    Declare {
        /// What others call it
        title: String,
        /// P0 (complete outage) to P3 (it can wait)
        #[arg(long, short, visible_alias = "severity", value_parser = priority)]
        priority: Priority,
        /// Also when one that is open is called the same
        #[arg(long)]
        another: bool,
        /// When it was detected, if that was earlier: its clocks run from then. HH:MM[:SS] in UTC, today's or yesterday's, whichever is nearer, or
        /// 2026-11-29T23:50:00Z
        #[arg(long, value_name = "TIME", value_parser = detected)]
        detected: Option<Timestamp>,
    },
    /// Say that you are on it
    #[command(visible_alias = "ack", after_help = RECORDS)]
    Acknowledge(Which),
    /// Say who does what: commander, operations or scribe; without a name nobody does any more
    #[command(after_help = RECORDS)]
    Role {
        /// commander, operations or scribe
        #[arg(value_parser = duty)]
        duty: Duty,
        /// Who
        name: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Write down what was seen or said
    #[command(after_help = RECORDS)]
    Note {
        /// In your words; - reads them from the standard input, as many lines as there are
        text: String,
        /// It is something to be done afterwards
        #[arg(long)]
        action: bool,
        /// Why it is not the same as this one, which is told as perhaps the same
        #[arg(long, value_name = "ID", conflicts_with = "action")]
        beside: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Say that it is worse or better than was thought
    #[command(after_help = RECORDS)]
    Severity {
        /// P0 to P3
        #[arg(value_parser = priority)]
        priority: Priority,
        /// Why; - reads it from the standard input
        reason: String,
        #[command(flatten)]
        which: Which,
    },
    /// Call it something else: the timeline keeps what it was called before
    #[command(after_help = RECORDS)]
    Title {
        /// What others call it now
        title: String,
        #[command(flatten)]
        which: Which,
    },
    /// Write down impact, scope and what had changed; what is not given stays
    #[command(after_help = RECORDS)]
    Assess(Assess),
    /// Write down what others were told: the clock of the next update begins anew
    #[command(after_help = RECORDS)]
    Update {
        /// What they were told; - reads it from the standard input
        text: String,
        #[command(flatten)]
        which: Which,
    },
    /// Say that a run that was begun before the incident was declared belongs to it
    #[command(after_help = RECORDS)]
    Include {
        /// The end of the run's id, or its beginning
        run: String,
        #[command(flatten)]
        which: Which,
    },
    /// Take back what was said: an acknowledgement, a role, a note, a new title, an update, a call, a mitigation. It stays in the record, and says so
    #[command(after_help = RECORDS)]
    TakeBack {
        /// What `show` names: record 7f3a21/12, or 7f3a21/12 alone
        record: String,
        /// Why; - reads it from the standard input
        reason: String,
        #[command(flatten)]
        which: Which,
    },
    /// Write down that somebody was called: the next level, or the one that is named
    #[command(after_help = RECORDS)]
    Call {
        /// L1, L2, …
        #[arg(value_parser = level)]
        level: Option<usize>,
        /// Who was reached, and how; else whom the config names
        #[arg(long, value_name = "NAME")]
        reached: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Say that nobody suffers from it any more
    #[command(after_help = RECORDS)]
    Mitigate {
        /// By what; - reads it from the standard input
        text: String,
        #[command(flatten)]
        which: Which,
    },
    /// Say that it is over; the clock of the post-mortem begins
    #[command(visible_alias = "close", after_help = RECORDS)]
    Resolve {
        /// How it ended; with --as, how that is known; - reads it from the standard input
        #[arg(required_unless_present = "closed_as")]
        text: Option<String>,
        /// It was none of its own, and no post-mortem is owed: false-alarm, or duplicate-of ID
        #[arg(long = "as", value_names = ["HOW", "ID"], num_args = 1..=2)]
        closed_as: Option<Vec<String>>,
        #[command(flatten)]
        which: Which,
    },
    /// Say that it was not over
    #[command(after_help = RECORDS)]
    Reopen {
        /// Why: two words and 10 characters at least; - reads it from the standard input
        reason: String,
        #[command(flatten)]
        which: Which,
    },
    /// All incidents, the newest last, with what is due
    #[command(after_help = PRINTS)]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One incident with its timeline
    #[command(after_help = PRINTS)]
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// What the next shift must know
    #[command(after_help = PRINTS)]
    Handover {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Write the post-mortem; a file that is there keeps what was written by hand
    #[command(after_help = PRINTS)]
    Report(Report),
}

/// Which incident.
#[derive(Debug, Default, Args)]
pub struct Which {
    /// The end of its id, as `list` shows it; else the one that is open, else the newest whose post-mortem is due
    #[arg(long = "incident", value_name = "ID")]
    id: Option<String>,
}

/// What is assessed.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Assess {
    /// Who suffers, and from what; - reads it from the standard input
    #[arg(long, value_name = "TEXT")]
    impact: Option<String>,
    /// One server or all, one feature or the whole; - reads it from the standard input
    #[arg(long, value_name = "TEXT")]
    scope: Option<String>,
    /// What changed before it began; - reads it from the standard input
    #[arg(long, value_name = "TEXT")]
    changed: Option<String>,
    #[arg(
        long = "incident",
        value_name = "ID",
        help = "The end of its id; else the one that is open, else the newest whose post-mortem is due"
    )]
    id: Option<String>,
}

/// How a post-mortem is written.
#[derive(Debug, Args)]
pub struct Report {
    /// Into this file, without a name into the one where it was last written; else it is printed
    #[arg(long, short, value_name = "FILE", num_args = 0..=1)]
    output: Option<Vec<PathBuf>>,
    /// What people did there, in place of their names
    #[arg(long)]
    roles: bool,
    /// As JSON: with its text, or with the parts of the file that somebody has changed
    #[arg(long, conflicts_with = "roles")]
    json: bool,
    #[command(flatten)]
    which: Which,
}

fn detected(typed: &str) -> Result<Timestamp, String> {
    time::past(typed, clock::now().wall)
}

fn priority(word: &str) -> Result<Priority, String> {
    let why = || "P0 (complete outage), P1, P2 or P3 (it can wait)".to_owned();
    Priority::parse(word).ok_or_else(why)
}

fn duty(word: &str) -> Result<Duty, String> {
    Duty::parse(word).ok_or_else(|| "commander, operations or scribe".to_owned())
}

/// What is recorded.
struct Said {
    which: Option<String>,
    kind: RecordKind,
    data: Value,
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// When the config can't be used.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let reads = matches!(self, Self::List { .. } | Self::Show { .. } | Self::Handover { .. });
        let prints = matches!(&self, Self::Report(report) if report.output.is_none());
        if global.read_only && !reads && !prints {
            let reads = "`list`, `show`, `handover` and `report` without --output only read";
            return at_desk(global, false, async |_| Err((1, format!("--read-only: nothing is recorded; {reads}"))));
        }
        at_desk(global, !reads && !prints, async |desk| self.carry_out(desk).await.map_err(|why| (1, why)))
    }

    async fn carry_out(self, desk: &Desk) -> Result<(), String> {
        match self.filled()? {
            Self::Declare { title, priority, another, detected } => {
                declare(desk, &title, priority, (another, detected)).await
            }
            Self::List { json } => {
                list(&all_known(desk).await?, json);
                Ok(())
            }
            Self::Show { json, which } => show(&all_known(desk).await?, &which, json),
            Self::Handover { json, which } => hand_over(&all_known(desk).await?, &which, json),
            Self::Report(report) => report.write(desk).await,
            Self::Call { level, reached, which } => call(desk, level, reached, which).await,
            Self::Include { run, which } => include(desk, &run, which).await,
            Self::Resolve { text, closed_as: Some(how), which } => close(desk, text, &how, which).await,
            Self::TakeBack { record, reason, which } => take_back(desk, &record, &reason, which).await,
            Self::Note { text, action, beside, which } => note(desk, text, action, beside, which).await,
            other => other.said().tell(desk).await,
        }
    }

    /// Of those that record one thing.
    fn said(self) -> Said {
        let said = |which: Which, kind, data| Said { which: which.id, kind, data };
        match self {
            Self::Acknowledge(which) => said(which, RecordKind::IncidentAcknowledge, json!({})),
            Self::Role { duty, name, which } => {
                said(which, RecordKind::IncidentRole, json!({ "duty": duty, "name": name.unwrap_or_default() }))
            }
            Self::Severity { priority, reason, which } => {
                said(which, RecordKind::IncidentSeverity, json!({ "priority": priority, "reason": reason }))
            }
            Self::Title { title, which } => said(which, RecordKind::IncidentNote, json!({ CALLED: title })),
            Self::Assess(Assess { impact, scope, changed, id }) => {
                let given = [("impact", impact), ("scope", scope), ("changed", changed)];
                let data = given.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::from(text?))));
                Said { which: id, kind: RecordKind::IncidentAssess, data: Value::Object(data.collect()) }
            }
            Self::Update { text, which } => said(which, RecordKind::IncidentUpdate, json!({ "text": text })),
            Self::Mitigate { text, which } => said(which, RecordKind::IncidentMitigate, json!({ "text": text })),
            Self::Resolve { text, which, .. } => said(which, RecordKind::IncidentResolve, json!({ "text": text })),
            Self::Reopen { reason, which } => said(which, RecordKind::IncidentReopen, json!({ "reason": reason })),
            _ => unreachable!("it reads, or records more than one thing"),
        }
    }
}

async fn all_known(desk: &Desk) -> Result<Known, String> {
    Known::read(&*desk.exec.journal, &desk.exec.env, desk.config.incident.clone()).await
}

impl Said {
    async fn tell(self, desk: &Desk) -> Result<(), String> {
        let known = all_known(desk).await?;
        let incident = known.incidents.find(self.which.as_deref())?;
        let data = match self.kind {
            RecordKind::IncidentSeverity => with(self.data, "before", json!(incident.priority)),
            RecordKind::IncidentNote if self.data[CALLED].is_string() => {
                incident::line::called(incident, self.data[CALLED].as_str().unwrap_or_default())?
            }
            _ => self.data,
        };
        refuse(incident, self.kind, &data)?;
        let said = append(desk, incident.id, self.kind, data).await?;
        let after = all_known(desk).await?;
        let incident = after.incidents.get(incident.id).ok_or("it was recorded, and can't be read")?;
        println!("{}", line(incident, &after.rules));
        tell_second(incident, said.id);
        tell_twins(&after, incident);
        if self.kind == RecordKind::IncidentResolve {
            for run in incident.open_runs(&after.runs) {
                eprintln!("quarterdeck: still open: {}", text::clean(&run));
            }
        }
        Ok(())
    }
}

/// What can't be said of an incident as it stands.
fn refuse(incident: &Incident, kind: RecordKind, data: &Value) -> Result<(), String> {
    let name = incident.short();
    let blank = |(key, value): (&String, &Value)| {
        let is_blank = value.as_str().is_some_and(|text| text.trim().is_empty());
        (is_blank && key != "name" && key != "contact").then(|| key.clone())
    };
    if let Some(key) = data.as_object().into_iter().flatten().find_map(blank) {
        return Err(format!("{key} is empty: it needs some words"));
    }
    if let Some(text) = why(kind, data) {
        reason::given(text)?;
    }
    if kind == RecordKind::IncidentAssess && data.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err("say what of it: --impact, --scope or --changed".to_owned());
    }
    match kind {
        RecordKind::IncidentSeverity if data["priority"] == json!(incident.priority) => {
            Err(format!("{name} is {} already", incident.priority.word()))
        }
        RecordKind::IncidentReopen if incident.is_open() => Err(format!("{name} is open")),
        RecordKind::IncidentNote
        | RecordKind::IncidentAssess
        | RecordKind::IncidentReopen
        | RecordKind::IncidentRun
        | RecordKind::IncidentTakeBack => Ok(()),
        _ if !incident.is_open() => {
            Err(format!("{name} is resolved: `quarterdeck incident reopen REASON --incident {name}` opens it again"))
        }
        RecordKind::IncidentAcknowledge if incident.acknowledged.is_some() => {
            let by = incident.acknowledged.as_ref().map(|mark| mark.by.clone()).unwrap_or_default();
            Err(format!("{name} was acknowledged by {} already", text::clean(&by)))
        }
        RecordKind::IncidentMitigate if incident.mitigated.is_some() => {
            let by = incident.mitigated.as_ref().map(|mark| mark.by.clone()).unwrap_or_default();
            let how = "`take-back` that first, or write a `note`";
            Err(format!("{name} was mitigated by {} already: {how}", text::clean(&by)))
        }
        RecordKind::IncidentRole => already(incident, data),
        _ => Ok(()),
    }
}

/// Whoever has a role can't be given it once more, and nobody can't leave it.
fn already(incident: &Incident, data: &Value) -> Result<(), String> {
    let duty = data["duty"].as_str().and_then(Duty::parse).ok_or("commander, operations or scribe")?;
    let (name, now) = (data["name"].as_str().unwrap_or_default().trim(), incident.duties.get(&duty));
    match now {
        None if name.is_empty() => Err(format!("nobody is {} of {}", duty.word(), incident.short())),
        Some(now) if now == name => Err(format!("{} is {} already", text::clean(now), duty.word())),
        _ => Ok(()),
    }
}

/// The reason in a record that needs one.
fn why(kind: RecordKind, data: &Value) -> Option<&str> {
    match kind {
        RecordKind::IncidentSeverity | RecordKind::IncidentReopen => data["reason"].as_str(),
        RecordKind::IncidentTakeBack => data["text"].as_str(),
        _ => None,
    }
}

fn with(mut data: Value, key: &str, value: Value) -> Value {
    data[key] = value;
    data
}

async fn append(desk: &Desk, incident: IncidentId, kind: RecordKind, data: Value) -> Result<Record, String> {
    let entry = Entry { kind, run: None, step: None, role: None, target: None, env: desk.exec.env.clone(), data };
    desk.exec.journal.append_to(incident, entry).await.map_err(|error| error.to_string())
}

/// `L2`, or 2.
fn level(text: &str) -> Result<usize, String> {
    let number = text.strip_prefix(['L', 'l']).unwrap_or(text);
    number.parse().map_err(|_| "write a level as in L2".to_owned())
}
