//! The post-mortem: a pure function of the journal. The same records make the same bytes. It tells what happened and never guesses why.

use super::edits::part;
use super::line::{Kind, Line, why};
use super::{Ended, Incident, Mark, clocks};
use crate::domain::IncidentId;
use crate::domain::incident::{Duty, Rules};
use crate::domain::record::StepState;
use crate::domain::text::{counted, push_markdown};
use crate::domain::time::{between, words};
use crate::runbook::{RunView, Runs, StepView};
use jiff::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// How it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// What people did there, in place of their names.
    pub roles: bool,
}

/// The whole document, as it is at first: what is between the marks comes from the journal, the rest is for whoever was there.
pub fn write(incident: &Incident, runs: &Runs, rules: &Rules, style: Style) -> String {
    let report = Report { incident, runs: own(incident, runs), rules };
    // Names go before the marks are made: these tell what was written.
    let told = |text: String| if style.roles { without_names(&text, incident) } else { text };
    let part = |name: &str, text: String| part(name, &told(text));
    let mut out = format!("{}\n\n{}\n", heading(&incident.title, incident, style), mark(incident.id));
    out.push_str(&part("facts", report.facts()));
    out.push_str("\n## Summary\n\n_Two or three sentences: what broke, who noticed, what mended it._\n");
    out.push_str("\n## Impact\n\n");
    out.push_str(&part("impact", report.impact()));
    out.push_str(
        "\n## Cause\n\n_What made it possible, and what set it off. The journal does not know._\n\n## Timeline\n\n",
    );
    out.push_str(&part("timeline", report.timeline()));
    out.push_str("\n## What was changed\n\n");
    out.push_str(&part("changes", report.changes()));
    out.push_str("\n## Off the path\n\n");
    out.push_str(&part("off-path", report.off_path()));
    out.push_str("\n## What went well, what did not, where we were lucky\n\n_…_\n\n## Action items\n\n");
    out.push_str(&part("actions", report.actions()));
    out
}

fn heading(title: &str, incident: &Incident, style: Style) -> String {
    let text = format!("# Post-mortem: {}", md(title));
    if style.roles { without_names(&text, incident) } else { text }
}

/// The document under the title that the incident has now. A heading that is none of those that it ever had was written by hand, and stays.
pub fn titled(document: String, incident: &Incident, style: Style) -> String {
    let (first, rest) = document.split_once('\n').unwrap_or((&document, ""));
    let was =
        |title: &str| [false, true].iter().any(|roles| heading(title, incident, Style { roles: *roles }) == first);
    if incident.titles().any(was) { format!("{}\n{rest}", heading(&incident.title, incident, style)) } else { document }
}

/// Says of which incident a document is.
fn mark(id: IncidentId) -> String {
    format!("<!-- quarterdeck incident {id} -->")
}

/// Whether a document is this incident's.
///
/// # Errors
/// A sentence, when it is another one's, or no post-mortem at all.
pub fn is_of(document: &str, id: IncidentId) -> Result<(), String> {
    if document.contains(&mark(id)) {
        return Ok(());
    }
    let what = if document.contains("<!-- quarterdeck incident ") {
        "another incident's post-mortem"
    } else {
        "no post-mortem"
    };
    Err(format!("it is {what}, and is left as it is: name another file"))
}

/// What stands where nobody has written anything.
pub const NOTHING: &str = "nobody has written it down";

/// What is left to be filled in: sections that stand as they were printed, and what nobody has assessed.
pub fn unfinished(document: &str) -> usize {
    let is_left = |line: &&str| {
        let section = line.starts_with('_') && line.ends_with('_') && line.len() > 2;
        section || line.strip_prefix("- ").is_some_and(|line| line.trim_end_matches('_').ends_with(NOTHING))
    };
    document.lines().filter(is_left).count()
}

struct Report<'a> {
    incident: &'a Incident,
    runs: Vec<&'a RunView>,
    rules: &'a Rules,
}

fn own<'a>(incident: &Incident, runs: &'a Runs) -> Vec<&'a RunView> {
    let mut own: Vec<_> = incident.own_runs(runs).collect();
    // In the order in which they were begun, also those that were said to belong to it later.
    own.sort_by_key(|run| (run.started, run.id));
    own
}

impl Report<'_> {
    fn facts(&self) -> String {
        let incident = self.incident;
        let mut out = String::from("| | | |\n| --- | --- | --- |\n");
        let mut row = |name: &str, what: &str, link: &str| {
            let _ = writeln!(out, "| {name} | {} | {} |", md(what), md(link));
        };
        row("Incident", &format!("{}, in {}", incident.short(), incident.env), &incident.id.to_string());
        row("Severity", &self.severity(), "");
        row("State", &incident.standing(), "");
        for (name, mark) in self.moments() {
            let (what, link) = mark.map_or_else(|| (self.without(name), ""), |mark| (self.moment(mark), &mark.link));
            row(name, &what, link);
        }
        for (name, ended) in incident.ends() {
            row(&capital(&name), &self.outage(ended), &ended.reopened.link);
        }
        for judged in &incident.judged {
            let (priority, mark) = (judged.priority.word(), &judged.mark);
            row(&format!("{priority} since"), &format!("{}: {}", self.moment(mark), mark.text), &mark.link);
        }
        for (duty, name) in &incident.duties {
            row(capital(duty.word()).as_str(), name, "");
        }
        row("Response", &self.response(), "");
        if let Some(closed) = incident.closed_as {
            row("Post-mortem due", &format!("none is owed: it was {}", closed.told()), "");
        } else if let Some(resolved) = &incident.resolved
            && let Ok(due) = resolved.at.checked_add(incident.agreed(self.rules).report)
        {
            row("Post-mortem due", &time(due), "");
        }
        out
    }

    /// What stands for a moment that never was: of an incident that is over it is not still to come.
    fn without(&self, name: &str) -> String {
        let told = match name {
            "Detected" => "not known: it was declared by hand, and no alert was named",
            "Mitigated" | "Resolved" if self.incident.is_open() => return self.not_again(name),
            _ if self.incident.is_open() => "not yet",
            "Acknowledged" => "nobody acknowledged it",
            "First change" => "nothing was changed by a runbook",
            _ => "nobody said so",
        };
        told.to_owned()
    }

    /// Of one that had ended and was opened again: that it had.
    fn not_again(&self, name: &str) -> String {
        let outages = || self.incident.ended.iter().filter(|ended| ended.closed_as.is_none());
        let Some(ended) = outages().next_back() else { return "not yet".to_owned() };
        let outage = outages().count();
        let before = if name == "Resolved" { Some(&ended.resolved) } else { ended.mitigated.as_ref() };
        let before = before.map_or_else(String::new, |mark| format!(": in outage {outage} it was, {}", time(mark.at)));
        format!("not yet again{before}")
    }

    /// An end that was none: it was mitigated and resolved, and opened again.
    fn outage(&self, ended: &Ended) -> String {
        let Ended { mitigated, resolved, reopened, closed_as } = ended;
        let mitigated = mitigated.as_ref().map(|mark| format!("mitigated {}; ", time(mark.at))).unwrap_or_default();
        let closed_as = closed_as.map(|closed| format!(" as {}", closed.told())).unwrap_or_default();
        let why = if reopened.text.is_empty() { String::new() } else { format!(": {}", reopened.text) };
        format!(
            "{mitigated}resolved{closed_as} {}, by {}; open again {}{why}",
            time(resolved.at),
            resolved.by,
            self.moment(reopened)
        )
    }

    /// Each with its evidence.
    fn moments(&self) -> [(&'static str, Option<&Mark>); 6] {
        let incident = self.incident;
        [
            ("Detected", incident.detected.as_ref().map(|detected| &detected.mark)),
            ("Declared", Some(&incident.declared)),
            ("Acknowledged", incident.acknowledged.as_ref()),
            ("First change", incident.first_change.as_ref()),
            ("Mitigated", incident.mitigated.as_ref()),
            ("Resolved", incident.resolved.as_ref()),
        ]
    }

    /// `2026-11-29 03:12:04Z, by ada, 4 min after it was declared`.
    fn moment(&self, mark: &Mark) -> String {
        let declared = self.incident.declared.at;
        let after = match mark.at.cmp(&declared) {
            std::cmp::Ordering::Less => format!(", {} before it was declared", words(between(mark.at, declared))),
            std::cmp::Ordering::Equal => String::new(),
            std::cmp::Ordering::Greater => format!(", {} after it was declared", words(between(declared, mark.at))),
        };
        format!("{}, by {}{after}", time(mark.at), mark.by)
    }

    fn severity(&self) -> String {
        let Incident { priority, declared_as, .. } = self.incident;
        let was =
            if priority == declared_as { String::new() } else { format!(" (declared as {})", declared_as.word()) };
        format!("{}, {}{was}", priority.word(), priority.meaning())
    }

    fn response(&self) -> String {
        let incident = self.incident;
        let Some(took) = clocks::response(incident, self.rules) else {
            let (priority, _) = incident.severity_at(Timestamp::MAX);
            let within = words(incident.agreed(self.rules).of(priority).respond);
            return format!("nobody has acknowledged it yet; within {within}");
        };
        let (within, length) = (words(took.within), words(took.took));
        let of = if took.priority == incident.declared_as && took.priority == incident.priority {
            String::new()
        } else {
            format!(" (as {} then)", took.priority.word())
        };
        let length =
            format!("{length}{}", if incident.counts_from_detection() { " since it was detected" } else { "" });
        match (&incident.acknowledged, took.is_late()) {
            (Some(_), false) => format!("in {length}, within {within}{of}"),
            (Some(_), true) => format!("in {length}, LATE: it was to be within {within}{of}"),
            (None, false) => format!("nobody acknowledged it; it was over within {within}{of}"),
            (None, true) => format!("nobody acknowledged it, LATE: it was to be within {within}{of}"),
        }
    }

    fn impact(&self) -> String {
        let assessment = &self.incident.assessment;
        let mut out = String::new();
        for (name, text) in
            [("Impact", &assessment.impact), ("Scope", &assessment.scope), ("What had changed", &assessment.changed)]
        {
            let text = if text.is_empty() { format!("_{NOTHING}_") } else { md(text) };
            let _ = writeln!(out, "- {name}: {text}");
        }
        out.push_str(&self.suffered());
        out
    }

    /// How long somebody suffered: each outage, and all of them.
    fn suffered(&self) -> String {
        let incident = self.incident;
        let mut from = incident.first_sign().at;
        let (mut out, mut since, mut all) = (String::new(), "the first sign".to_owned(), Duration::ZERO);
        // What was closed as none of its own went on all the time.
        let outages = || incident.ended.iter().filter(|ended| ended.closed_as.is_none());
        let ends = outages().map(|ended| {
            let until = ended.mitigated.as_ref().unwrap_or(&ended.resolved);
            (until.at, Some(ended.reopened.at))
        });
        let last = incident.mitigated.as_ref().map(|mitigated| (mitigated.at, None));
        for (number, (until, reopened)) in (1..).zip(ends.chain(last)) {
            let took = between(from, until);
            all += took;
            let _ = writeln!(out, "- From {since} until it was mitigated: {}", words(took));
            if let Some(reopened) = reopened {
                (from, since) = (reopened, format!("when it was open again after outage {number}"));
            }
        }
        let again = outages().count();
        if last.is_none() && again > 0 {
            let _ = writeln!(out, "- From {since}: it is not mitigated yet");
        }
        if again > 0 {
            let outages = again + usize::from(last.is_some());
            let so_far = if last.is_some() { "" } else { ", and the one that goes on" };
            let _ = writeln!(out, "- In {} together: {}{so_far}", counted(outages, "outage"), words(all));
        }
        out
    }

    fn timeline(&self) -> String {
        let mut out = String::from("| Time (UTC) | Event | Data link |\n| --- | --- | --- |\n");
        if let Some(detected) = &self.incident.detected {
            let (at, link) = (time(detected.mark.at), md(&detected.mark.link));
            let _ = writeln!(out, "| {at} | {} | {link} |", md(&detected.told()));
        }
        for line in self.incident.lines.iter().filter(|line| !line.is_of_the_report) {
            let told = md_lines(&said_by(line, &line.in_full()));
            let _ = writeln!(out, "| {} | {told} | {} |", time(line.at), md(&line.link));
        }
        for skew in &self.incident.skews {
            let _ = writeln!(out, "\nTimes are put right: {}.", md(skew));
        }
        out
    }

    /// Every change that was sent, and what became of it.
    fn changes(&self) -> String {
        let mut out = String::new();
        for run in &self.runs {
            let sent: Vec<&StepView> = run.steps.iter().filter(|step| step.sent_at.is_some()).collect();
            if sent.is_empty() {
                continue;
            }
            let (title, by) = (md(&run.title), md(&run.actor));
            let _ = writeln!(out, "- {title} (run {}), by {by}: {}", run.id.short(), md(run.word()));
            let given: Vec<String> = run.params.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            if !given.is_empty() {
                let _ = writeln!(out, "  - with {}", md(&given.join(", ")));
            }
            for step in sent {
                let _ = writeln!(out, "  - {}", md(&fate(step)));
            }
        }
        if out.is_empty() { "Nothing was changed by a runbook.\n".to_owned() } else { out }
    }

    fn off_path(&self) -> String {
        let mut out = String::new();
        for line in self.incident.lines.iter().filter(|line| line.off_path) {
            let _ = writeln!(out, "- {} {} ({})", time(line.at), md(&sentence(line)), md(&line.link));
        }
        for run in self.runs.iter().filter(|run| !run.unreviewed.is_empty()) {
            let _ =
                writeln!(out, "- {} was run though {} (run {})", md(&run.title), md(&run.unreviewed), run.id.short());
        }
        if out.is_empty() { "Nothing: every step was done as it is written.\n".to_owned() } else { out }
    }

    fn actions(&self) -> String {
        let mut out = String::new();
        for action in &self.incident.actions {
            let _ = writeln!(out, "- [ ] {} ({}, {})", md_lines(&action.text), md(&action.by), md(&action.link));
        }
        if let Some((run, step, took)) = self.slowest_by_hand() {
            let (title, took) = (md(&step.title), words(took));
            let _ = writeln!(
                out,
                "- [ ] Automate \"{title}\" of {}: it took {took} by hand (run {})",
                md(&run.runbook),
                run.id.short()
            );
        }
        if out.is_empty() { "- [ ] _…_\n".to_owned() } else { out }
    }

    /// The step by hand that took longest: the next one to automate.
    fn slowest_by_hand(&self) -> Option<(&RunView, &StepView, Duration)> {
        let by_hand = self.runs.iter().flat_map(|run| {
            let steps = run.steps.iter().enumerate().filter(|(_, step)| step.by_hand && step.state == StepState::Ok);
            steps.filter_map(|(at, step)| Some((*run, step, self.incident.length(run.took(at, run.last)?))))
        });
        by_hand.max_by_key(|(_, _, took)| *took)
    }
}

/// `Restart it on local/api: ok`, with what was taken back.
fn fate(step: &StepView) -> String {
    let on = if step.target.is_empty() { String::new() } else { format!(" on {}", step.target) };
    format!("{}{on}: {}", step.title, why(step.state.word(), step.told().unwrap_or_default()))
}

/// Who did what, in one row.
pub fn sentence(line: &Line) -> String {
    said_by(line, &line.what)
}

fn said_by(line: &Line, what: &str) -> String {
    match (line.by.as_str(), line.kind) {
        ("", _) => what.to_owned(),
        (by, Kind::Note) => format!("{by}: {what}"),
        (by, _) => format!("{by} · {what}"),
    }
}

/// `2026-11-29 03:12:04Z`.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn md(text: &str) -> String {
    let mut out = String::new();
    push_markdown(&mut out, text);
    out
}

/// In as many lines as somebody wrote, which stay in their cell.
fn md_lines(text: &str) -> String {
    let told = |line: &str| {
        let line = line.trim_end();
        let own = line.trim_start();
        // Markdown shows no spaces at the beginning of a line.
        format!("{}{}", "&nbsp;".repeat(line.chars().count() - own.chars().count()), md(own))
    };
    text.trim().lines().map(told).collect::<Vec<_>>().join("<br>")
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Each name as whole words replaced by what its owner did there: `the commander`, `responder 2`.
fn without_names(document: &str, incident: &Incident) -> String {
    let mut out = document.to_owned();
    let given = incident.named.iter().filter(|name| !incident.people.contains(name));
    for (at, name) in incident.people.iter().chain(given).enumerate() {
        let duty = incident.duties.iter().find(|(_, who)| *who == name).map(|(duty, _)| *duty);
        let role = duty.map_or_else(|| format!("responder {}", at + 1), |duty: Duty| format!("the {}", duty.word()));
        out = replace_word(&out, name, &role);
    }
    out
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    while let Some(at) = rest.find(word).filter(|_| !word.is_empty()) {
        let (before, found) = rest.split_at(at);
        let after = &found[word.len()..];
        out.push_str(before);
        let inside = is_part(out.chars().next_back()) || is_part(after.chars().next());
        out.push_str(if inside { word } else { by });
        rest = after;
    }
    out + rest
}
