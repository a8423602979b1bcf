//! Processes as lines and cells: what a server's page shows of the busiest, and the page of all of them.

use super::{Row, Section};
use crate::cx::Cx;
use crate::domain::{Found, Inquiry, Now, Process, Processes, Severity, SourceError, text};
use crate::store::ServerRow;
use crate::theme::Role;
use crate::widgets::figure;
use std::fmt::Write;
use std::time::Duration;

/// Lines on a server's page.
const LINES: usize = 20;
/// An answer that is older than this is told with its age.
const OLD: Duration = Duration::from_secs(10);
/// Cells of a user's name.
const USER: usize = 8;

/// What makes processes known, where nothing does.
pub(super) const NOBODY: &str =
    "processes are read over SSH: give the server `ssh` in the config (or quarterdeck runs on it)";

/// The busiest processes of a server.
pub(super) fn section(row: Row<'_, ServerRow>) -> Section {
    let Some(source) = row.item.reads_processes(row.feed) else {
        return Section::Lines {
            title: "Processes".to_owned(),
            note: NOBODY.to_owned(),
            lines: Vec::new(),
            asks: None,
        };
    };
    let asks = Inquiry::Processes { source: source.clone() };
    let (mut title, mut lines) = ("Processes".to_owned(), Vec::new());
    let note = match row.cx.store.answer(&asks) {
        None => "reading them …".to_owned(),
        Some(Err(error)) => failed(error),
        Some(Ok(found)) => {
            let processes = found.processes().map(|found| &**found);
            if let Some(processes) = processes {
                title.push_str("  ");
                summary(processes, &mut title);
                lines = table(processes);
            }
            notes(&asks, processes, row.cx).join("; ")
        }
    };
    Section::Lines { title, note, lines, asks: Some(asks) }
}

/// What failed, and how to mend it.
pub(super) fn failed(error: &SourceError) -> String {
    format!("{} → {}", error.what, error.hint)
}

/// What is not known of them, and how old it is.
pub(super) fn notes(asks: &Inquiry, processes: Option<&Processes>, cx: &Cx<'_>) -> Vec<String> {
    let mut notes: Vec<String> = processes.map(|processes| processes.notes.clone()).unwrap_or_default();
    if let Some(processes) = processes.filter(|processes| processes.total > processes.list.len()) {
        notes.push(format!("{} of {} were read", processes.list.len(), processes.total));
    }
    if let Some(age) = cx.store.answered_at(asks).map(|at: Now| cx.now.since(at)).filter(|age| *age > OLD) {
        notes.push(format!("read {} ago", figure::text(|out| figure::coarse_age(out, age))));
    }
    notes
}

/// `312, 1 zombie, 2 wait for disk (D)`.
pub(super) fn summary(processes: &Processes, out: &mut String) {
    let _ = write!(out, "{}", processes.total);
    let warned = |letter, one: &str, many: &str| {
        let count = processes.count(letter);
        (count > 0).then(|| format!(", ! {count} {}", if count == 1 { one } else { many }))
    };
    out.extend(warned('Z', "zombie", "zombies"));
    out.extend(warned('D', "waits for disk (D)", "wait for disk (D)"));
}

fn table(processes: &Processes) -> Vec<(Role, String)> {
    let heading =
        format!("{:>7} {:USER$} S {:>5} {:>5} {:>5} {:>4} COMMAND", "PID", "USER", "CPU", "MEM", "AGE", "THR");
    let lines = processes.list.iter().take(LINES).map(|process| (role(process), line(process)));
    std::iter::once((Role::Column, heading)).chain(lines).collect()
}

fn role(process: &Process) -> Role {
    let severity = process.judge();
    if severity >= Severity::Warning { severity.into() } else { Role::Text }
}

fn line(process: &Process) -> String {
    let user = text::clean(&process.user);
    let mut line = format!(
        "{:>7} {} {} {:>5} {:>5} {:>5} {:>4} ",
        process.pid,
        text::pad(text::truncate(&user, USER), USER),
        process.state,
        figure::text(|out| cpu(process, out)),
        figure::text(|out| memory(process, out)),
        figure::text(|out| figure::age(out, process.age)),
        process.threads,
    );
    process.push_short(&mut line);
    line
}

/// Of one core; a dash after the first reading.
pub(super) fn cpu(process: &Process, out: &mut String) {
    match process.cpu {
        Some(cpu) if cpu < 0.0995 => {
            let _ = write!(out, "{:.1}%", cpu * 100.0);
        }
        Some(cpu) => figure::percent(out, cpu),
        None => out.push('—'),
    }
}

/// Resident memory; a dash for what has none.
pub(super) fn memory(process: &Process, out: &mut String) {
    match process.memory {
        Some(bytes) => figure::bytes(out, bytes),
        None => out.push('—'),
    }
}

/// Everything about one process.
pub(super) fn facts(process: &Process, parent: Option<&Process>, now: Now) -> Vec<(String, String)> {
    let age = figure::text(|out| figure::age(out, process.age));
    let began = now.wall.saturating_sub(jiff::SignedDuration::try_from(process.age).unwrap_or_default());
    let began = began.map_or_else(|_| String::new(), |at| format!(", since {at:.0}"));
    let parent = parent.map_or_else(String::new, |parent| figure::text(|out| parent.push_command(out)) + ", ");
    let percent = |cpu: f64| figure::text(|out| figure::percent(out, cpu)) + " of one core";
    let spent = figure::text(|out| figure::age(out, process.cpu_time));
    let facts = [
        ("pid", process.pid.to_string()),
        ("name", process.name.clone()),
        ("user", process.user.clone()),
        ("state", format!("{} ({})", process.state, process.word())),
        ("cpu", process.cpu.map_or_else(|| "not known yet".to_owned(), percent)),
        ("cpu since it began", spent),
        ("memory", figure::text(|out| memory(process, out))),
        ("threads", process.threads.to_string()),
        ("age", age + &began),
        ("parent", format!("{parent}pid {}", process.parent)),
        (
            "command",
            process.command.clone().unwrap_or_else(|| "none: a kernel thread, a zombie, or not readable".into()),
        ),
    ];
    facts.into_iter().map(|(label, text)| (label.to_owned(), text)).collect()
}

/// The processes that an inquiry found.
pub(super) fn found<'a>(asks: &Inquiry, cx: &Cx<'a>) -> Option<Result<&'a std::sync::Arc<Processes>, &'a SourceError>> {
    let store = cx.store;
    match store.answer(asks)? {
        Ok(found) => Found::processes(found).map(Ok),
        Err(error) => Some(Err(error)),
    }
}
