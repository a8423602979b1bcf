//! `quarterdeck check`: is everything right, and does every source answer?

use super::snapshot::count;
use super::{Global, look, places, setup};
use crate::app::view_troubles;
use crate::config::{self, Choice, Config};
use crate::domain::{Sample, Server, Snapshot, text};
use crate::journal::{JournalError, Reader, Store, postgres};
use crate::runtime::{self, poller};
use crate::theme::Depth;
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Read config, keymap, theme and runbooks, then ask every source once; say what is wrong, where, and how to mend it. With no
/// config, a service that is not on this machine is no error.
#[derive(Debug, Args)]
#[command(after_help = EXITS)]
pub struct Check {
    /// Ask no source
    #[arg(long)]
    offline: bool,
    /// As JSON: {ok, findings: [{about, level, what, hint?}]}; level is ok, absent, advice or error
    #[arg(long)]
    json: bool,
}

const EXITS: &str = "Exit codes: 0 nothing is wrong (advice aside), 1 something is: a mistake in the config or its files, or a source \
                     that does not answer, 2 the command line was not understood.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    /// Not there, and nobody said that it should be.
    Absent,
    Advice,
    Error,
}

#[derive(Debug, Serialize)]
struct Finding {
    about: String,
    level: Level,
    what: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
}

impl Check {
    /// Checks and prints.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let mut findings = Findings::default();
        let (choice, config) = setup::read(global);
        match config {
            Ok(config) => {
                findings.ok("config", &config_text(&config, &choice));
                self.rest(global, &config, &mut findings)?;
            }
            Err(problems) => {
                for problem in &problems.0 {
                    findings.error("config", &problem.to_string(), "");
                }
            }
        }
        let printed = if self.json { findings.json()? } else { findings.text() };
        stdout().write_all(printed.as_bytes())?;
        Ok(if findings.bad() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn rest(&self, global: &Global, config: &Config, findings: &mut Findings) -> color_eyre::Result<()> {
        findings.keymap(global, config);
        findings.theme(global, config);
        for trouble in view_troubles(&config.views) {
            findings.error("views", &trouble, "`quarterdeck config example` and docs/views.md name panes and columns");
        }
        findings.runbooks(config);
        for source in &config.sources {
            for advice in source.settings.advice() {
                findings.push(source.id.as_str(), Level::Advice, &advice, "");
            }
        }
        for server in config.untold_servers() {
            let what = "nothing tells of it: give it ssh, node_exporter, health or status, or let a [prometheus.NAME] tell of servers";
            findings.push(&format!("[[server]] {server}"), Level::Advice, what, "");
        }
        runtime::block_on(async {
            findings.journal(config, self.offline).await;
            if !self.offline {
                let opened = setup::open(config, None);
                let samples = poller::once(opened.sources, None).await;
                opened.connections.close().await;
                for sample in &samples {
                    findings.sample(sample, config.is_builtin());
                }
            }
        })?;
        Ok(())
    }
}

fn config_text(config: &Config, choice: &Choice) -> String {
    let guarded = if config.guarded { "guarded" } else { "not guarded" };
    let environment = format!("environment {}, {guarded}", config.environment);
    if config.is_builtin() {
        let place = match choice {
            Choice::Usual(path) | Choice::Named(path) => format!(" ({} is not there)", path.display()),
            Choice::Builtin => String::new(),
        };
        return format!("none found{place}: this machine is looked at; {environment}");
    }
    let files: Vec<String> = config.files.iter().map(|path| path.display().to_string()).collect();
    format!("{}: {} sources; {environment}", files.join(" + "), config.sources.len())
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn push(&mut self, about: &str, level: Level, what: &str, hint: &str) {
        let finding = Finding { about: about.to_owned(), level, what: what.to_owned(), hint: hint.to_owned() };
        self.0.push(finding);
    }

    fn ok(&mut self, about: &str, what: &str) {
        self.push(about, Level::Ok, what, "");
    }

    fn error(&mut self, about: &str, what: &str, hint: &str) {
        self.push(about, Level::Error, what, hint);
    }

    fn bad(&self) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Error)
    }

    fn runbooks(&mut self, config: &Config) {
        let library = config::library(&config.runbooks).without(config.not_here.clone());
        for mistake in library.mistakes() {
            self.error("runbooks", &mistake.to_string(), "");
        }
        let ids: Vec<&str> = library.iter().map(|runbook| runbook.id.as_str()).collect();
        let built_in = library.iter().filter(|runbook| runbook.path.is_none()).count();
        self.ok("runbooks", &format!("{}, {built_in} of them built in: {}", ids.len(), ids.join(", ")));
    }

    fn keymap(&mut self, global: &Global, config: &Config) {
        let name = look::keymap_name(global, config);
        match look::keymap(global, config) {
            Ok(_) => self.ok("keymap", &name),
            Err(problems) => problems.iter().for_each(|problem| self.error("keymap", problem, "")),
        }
    }

    fn theme(&mut self, global: &Global, config: &Config) {
        let name = look::theme_name(global, config);
        match look::theme(&name, Depth::True) {
            Ok(_) => self.ok("theme", &name),
            Err(why) => self.error("theme", &why, ""),
        }
    }

    async fn journal(&mut self, config: &Config, offline: bool) {
        let store = match places::journal(&config.journal) {
            Ok(store) => store,
            Err(why) => return self.error("journal", &why, ""),
        };
        if offline && matches!(store, Store::Team(_)) {
            return self.ok("journal", &format!("{store}: not asked"));
        }
        if !store.is_there() {
            return self.ok("journal", &format!("{store}: none yet"));
        }
        if let Err(error) = self.journal_at(&store).await {
            self.error("journal", &error.what, &error.hint);
        }
    }

    async fn journal_at(&mut self, store: &Store) -> Result<(), JournalError> {
        let reader = Reader::open(store).await?;
        let report = reader.verify().await?;
        if report.is_intact() {
            self.ok("journal", &format!("{store}: {} records, intact", report.count()));
        } else {
            self.error("journal", "a chain is broken", "`quarterdeck journal verify` says where");
        }
        if let Reader::Team(reader) = &reader {
            let waiting = reader.pending().await?.len();
            if waiting > 0 {
                let what = format!("{waiting} records of this machine are not in the team's journal yet");
                let hint = "they are brought there when something is done from here, or by `quarterdeck journal merge`";
                self.push("journal", Level::Advice, &what, hint);
            }
            if let Some(away) = reader.away() {
                return Err(away.why);
            }
        }
        if let Reader::Team(reader) = &reader
            && let Some(server) = reader.server()
        {
            let rights = postgres::rights(server).await?;
            for advice in rights.advice() {
                self.push("journal", Level::Advice, &advice, "");
            }
            if let Some((what, hint)) = rights.lacking() {
                self.push("journal", Level::Advice, &what, &hint);
            }
        }
        Ok(())
    }

    fn sample(&mut self, sample: &Sample, builtin: bool) {
        let id = sample.source.as_str();
        match &sample.outcome {
            Ok(snapshot) => {
                let took = sample.took.as_millis();
                let servers = snapshot.servers().unwrap_or_default();
                let unreached = servers.iter().find_map(Server::unreached);
                let untold = servers.iter().find_map(|server| server.silent.first().zip(server.notes.first()));
                match (unreached, untold) {
                    (Some(reach), _) => {
                        let what = format!("{}: {}", reach.by, reach.why);
                        self.error(id, &what, "start what should answer there, or mend the address in the config");
                    }
                    (None, Some((_, note))) => self.error(id, note, "mend the address or what answers there"),
                    (None, None) => self.ok(id, &format!("{} in {took} ms", counted(snapshot))),
                }
            }
            Err(error) => {
                let level = if builtin { Level::Absent } else { Level::Error };
                self.push(id, level, &error.what, &error.hint);
            }
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        let whole = serde_json::json!({ "ok": !self.bad(), "findings": self.0 });
        crate::domain::json::text(&whole)
    }

    fn text(&self) -> String {
        let width = self.0.iter().map(|finding| finding.about.len()).max().unwrap_or_default();
        let mut out = String::new();
        for Finding { about, level, what, hint } in &self.0 {
            let word = match level {
                Level::Ok => "ok",
                Level::Absent => "absent",
                Level::Advice => "advice",
                Level::Error => "ERROR",
            };
            let _ = writeln!(out, "{about:<width$}  {word:<6}  {}", text::clean(what));
            if !hint.is_empty() {
                let _ = writeln!(out, "{:<width$}          → {}", "", text::clean(hint));
            }
        }
        out
    }
}

fn counted(snapshot: &Snapshot) -> String {
    let count = count(snapshot);
    let plural = if count == 1 { "" } else { "s" };
    match snapshot {
        Snapshot::Servers(_) => format!("{count} server{plural}"),
        Snapshot::Containers(_) => format!("{count} container{plural}"),
        Snapshot::Alerts(_) => format!("{count} alert{plural}"),
        Snapshot::Database(database) => {
            format!("PostgreSQL {}, {count} session{plural}", text::clean(&database.version))
        }
    }
}
