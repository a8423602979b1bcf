//! The runbooks there are: those built into the binary, and those that the config adds. Found by id, and by the pane that they act on.
//! And the rules about several files together; what is in them, and which files there are, is handed in.

use super::mistake::Mistake;
use super::model::{Need, Runbook};
use super::parse::{Problem, Problems, is_runbook, links, parse};
use crate::domain::Subject;
use jiff::Unit;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// Days after which a runbook wants a review, and after which it is probably wrong.
pub const REVIEW_DAYS: [i64; 2] = [90, 180];

/// The shipped files, as name and content.
const BUILTIN: [(&str, &str); 51] = [
    ("alert-acknowledge.md", include_str!("../../assets/runbooks/alert-acknowledge.md")),
    ("alert-silence.md", include_str!("../../assets/runbooks/alert-silence.md")),
    ("container-restart.md", include_str!("../../assets/runbooks/container-restart.md")),
    ("database-connections.md", include_str!("../../assets/runbooks/database-connections.md")),
    ("db-add-replica.md", include_str!("../../assets/runbooks/db-add-replica.md")),
    ("db-analyze.md", include_str!("../../assets/runbooks/db-analyze.md")),
    ("db-backup-schedule.md", include_str!("../../assets/runbooks/db-backup-schedule.md")),
    ("db-backup.md", include_str!("../../assets/runbooks/db-backup.md")),
    ("db-cancel-session.md", include_str!("../../assets/runbooks/db-cancel-session.md")),
    ("db-kill-idle.md", include_str!("../../assets/runbooks/db-kill-idle.md")),
    ("db-reindex.md", include_str!("../../assets/runbooks/db-reindex.md")),
    ("db-replica-replay.md", include_str!("../../assets/runbooks/db-replica-replay.md")),
    ("db-restore.md", include_str!("../../assets/runbooks/db-restore.md")),
    ("db-terminate-session.md", include_str!("../../assets/runbooks/db-terminate-session.md")),
    ("db-vacuum-full.md", include_str!("../../assets/runbooks/db-vacuum-full.md")),
    ("db-vacuum.md", include_str!("../../assets/runbooks/db-vacuum.md")),
    ("deploy-checklist.md", include_str!("../../assets/runbooks/deploy-checklist.md")),
    ("deploy-ci.md", include_str!("../../assets/runbooks/deploy-ci.md")),
    ("deploy-hotfix.md", include_str!("../../assets/runbooks/deploy-hotfix.md")),
    ("deploy-standard.md", include_str!("../../assets/runbooks/deploy-standard.md")),
    ("disk-usage.md", include_str!("../../assets/runbooks/disk-usage.md")),
    ("dr-backup-test.md", include_str!("../../assets/runbooks/dr-backup-test.md")),
    ("dr-corruption.md", include_str!("../../assets/runbooks/dr-corruption.md")),
    ("dr-failover.md", include_str!("../../assets/runbooks/dr-failover.md")),
    ("dr-promote.md", include_str!("../../assets/runbooks/dr-promote.md")),
    ("dr-ransomware.md", include_str!("../../assets/runbooks/dr-ransomware.md")),
    ("high-error-rate.md", include_str!("../../assets/runbooks/high-error-rate.md")),
    ("high-response-time.md", include_str!("../../assets/runbooks/high-response-time.md")),
    ("incident-channel.md", include_str!("../../assets/runbooks/incident-channel.md")),
    ("maintenance-emergency.md", include_str!("../../assets/runbooks/maintenance-emergency.md")),
    ("maintenance-finish.md", include_str!("../../assets/runbooks/maintenance-finish.md")),
    ("maintenance-run.md", include_str!("../../assets/runbooks/maintenance-run.md")),
    ("maintenance-schedule.md", include_str!("../../assets/runbooks/maintenance-schedule.md")),
    ("memory-leak.md", include_str!("../../assets/runbooks/memory-leak.md")),
    ("resize-database-rds.md", include_str!("../../assets/runbooks/resize-database-rds.md")),
    ("resize-database.md", include_str!("../../assets/runbooks/resize-database.md")),
    ("resize-instance.md", include_str!("../../assets/runbooks/resize-instance.md")),
    ("response-investigate.md", include_str!("../../assets/runbooks/response-investigate.md")),
    ("rollback-migration.md", include_str!("../../assets/runbooks/rollback-migration.md")),
    ("rollback-quick.md", include_str!("../../assets/runbooks/rollback-quick.md")),
    ("scale-down.md", include_str!("../../assets/runbooks/scale-down.md")),
    ("scale-up-join.md", include_str!("../../assets/runbooks/scale-up-join.md")),
    ("scale-up.md", include_str!("../../assets/runbooks/scale-up.md")),
    ("server-drain.md", include_str!("../../assets/runbooks/server-drain.md")),
    ("server-return.md", include_str!("../../assets/runbooks/server-return.md")),
    ("service-down.md", include_str!("../../assets/runbooks/service-down.md")),
    ("status-open.md", include_str!("../../assets/runbooks/status-open.md")),
    ("status-resolve.md", include_str!("../../assets/runbooks/status-resolve.md")),
    ("status-withdraw.md", include_str!("../../assets/runbooks/status-withdraw.md")),
    ("status-update.md", include_str!("../../assets/runbooks/status-update.md")),
    ("webhook-notify.md", include_str!("../../assets/runbooks/webhook-notify.md")),
];

type Read = Box<dyn FnOnce() -> Shelved + Send>;

/// A set of runbooks with different ids. It is read when the first of them is asked for: the first frame shows none, and need not wait.
pub struct Library {
    shelved: LazyLock<Shelved, Read>,
    /// By id, why a runbook is not for this place.
    not_here: BTreeMap<String, String>,
}

/// What came of reading files.
#[derive(Debug, Default)]
pub struct Shelved {
    /// Those that can be used, and those that are shown as they were before.
    pub runbooks: Vec<Arc<Runbook>>,
    /// What can't be used as it stands.
    pub mistakes: Vec<Mistake>,
}

impl Shelved {
    fn shipped() -> Self {
        let mut shelved = Self::default();
        BUILTIN.iter().filter_map(|(file, source)| parse(file, source).ok()).for_each(|own| shelved.put(own));
        shelved
    }

    /// Adds what was found in files, each page by itself. One with a mistake stays as `before` had it, and is marked. Of two with one id the
    /// one that had it before keeps it, else the first.
    pub fn add(&mut self, found: Vec<Result<Runbook, Box<Mistake>>>, before: Option<&Library>) {
        let path = |page: &Result<Runbook, Box<Mistake>>| match page {
            Ok(runbook) => runbook.path.clone(),
            Err(mistake) => Some(mistake.path.clone()),
        };
        let order: Vec<Option<PathBuf>> = found.iter().map(path).collect();
        let had = |runbook: &Runbook| {
            before.and_then(|before| before.get(&runbook.id)).is_some_and(|other| other.path == runbook.path)
        };
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for page in found {
            match page {
                Ok(runbook) if had(&runbook) => first.push(runbook),
                Ok(runbook) => then.push(runbook),
                Err(mistake) => self.mistakes.push(*mistake),
            }
        }
        first.into_iter().chain(then).for_each(|runbook| self.put(runbook));
        if let Some(before) = before {
            self.keep(before);
        }
        // What is built in has no file, and what stands in a folder that can't be read has no place any more.
        let at = |path: &Option<PathBuf>| order.iter().position(|other| other == path).unwrap_or(usize::MAX);
        self.runbooks.sort_by_key(|runbook| (runbook.path.is_some(), at(&runbook.path)));
        self.mistakes.sort_by_key(|mistake| at(&Some(mistake.path.clone())));
    }

    /// Adds one, unless another one has its id: nobody could tell which of the two is meant.
    fn put(&mut self, runbook: Runbook) {
        let Some(first) = self.runbooks.iter().find(|other| other.id == runbook.id) else {
            return self.runbooks.push(Arc::new(runbook));
        };
        self.mistakes.push(Mistake {
            place: Some((key(&runbook.source, "id"), 1)),
            what: format!("the id `{}` is that of {} already", runbook.id, first.file()),
            mend: "give one of the two another id: this one is left out".to_owned(),
            others: 0,
            id: None,
            since: runbook.written.unwrap_or_default(),
            kept: Vec::new(),
            path: runbook.path.unwrap_or_default(),
        });
    }

    /// Puts back what `before` had of files that can't be used now, and of folders that can't be looked into.
    fn keep(&mut self, before: &Library) {
        for runbook in before.iter() {
            let Some(path) = &runbook.path else { continue };
            let taken = self.runbooks.iter().any(|other| other.id == runbook.id || other.path == runbook.path);
            let of = self.mistakes.iter_mut().filter(|mistake| path.starts_with(&mistake.path));
            if let (Some(mistake), false) = (of.max_by_key(|mistake| mistake.path.as_os_str().len()), taken) {
                mistake.kept.push(runbook.id.clone());
                self.runbooks.push(Arc::clone(runbook));
            }
        }
        for mistake in &mut self.mistakes {
            let known = before.mistakes().iter().find(|known| known.path == mistake.path);
            mistake.since = known.map_or(mistake.since, |known| known.since);
        }
    }
}

impl Default for Library {
    fn default() -> Self {
        Self::of(Shelved::default)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Library {
    fn of(read: impl FnOnce() -> Shelved + Send + 'static) -> Self {
        Self { shelved: LazyLock::new(Box::new(read)), not_here: BTreeMap::new() }
    }

    /// The shipped runbooks. A shipped file with a problem is a defect of the build: a test reads them all, and what cannot be
    /// read is left out here.
    pub fn builtin() -> Self {
        Self::builtin_and(|_| {})
    }

    /// The shipped runbooks, and what `more` adds to them when the first one is asked for.
    pub fn builtin_and(more: impl FnOnce(&mut Shelved) + Send + 'static) -> Self {
        Self::of(move || {
            let mut shelved = Shelved::shipped();
            more(&mut shelved);
            shelved
        })
    }

    /// Some of them are not for this place: why, by id. They can be read, and not be run.
    #[must_use]
    pub fn without(self, not_here: BTreeMap<String, String>) -> Self {
        Self { not_here, ..self }
    }

    /// By id, why runbooks are not for this place.
    pub const fn not_here(&self) -> &BTreeMap<String, String> {
        &self.not_here
    }

    /// That a runbook is not for this place, and why.
    pub fn misplaced(&self, id: &str) -> Option<String> {
        self.not_here.get(id).map(|why| format!("it is not for this place: {why}"))
    }

    /// What can't be used as it stands. Reads it all, unless it was read: some milliseconds.
    pub fn mistakes(&self) -> &[Mistake] {
        &LazyLock::force(&self.shelved).mistakes
    }

    /// The mistake in the file of a runbook that is shown as it was before. It must not be run: what is shown is not what the file says.
    pub fn mistake(&self, id: &str) -> Option<&Mistake> {
        self.mistakes().iter().find(|mistake| mistake.kept.iter().any(|kept| kept == id))
    }

    /// Mistakes in files of which nothing is shown, with what their rows are called: the path.
    pub fn unread(&self) -> impl Iterator<Item = (String, &Mistake)> {
        let unread = self.mistakes().iter().filter(|mistake| mistake.kept.is_empty());
        unread.map(|mistake| (mistake.path.display().to_string(), mistake))
    }

    /// The shipped runbooks, and what `more` adds to them now.
    pub fn builtin_with(more: impl FnOnce(&mut Shelved)) -> Self {
        let mut shelved = Shelved::shipped();
        more(&mut shelved);
        Self::of(move || shelved)
    }

    /// The given files, as name and content; all their problems, file by file, when there are any.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<Problems>> {
        let (mut runbooks, mut problems) = (Vec::new(), Vec::new());
        for (file, source) in files {
            match parse(file, source) {
                Ok(runbook) => runbooks.push(Arc::new(runbook)),
                Err(found) => problems.push(found),
            }
        }
        if problems.is_empty() { Ok(Self::of(|| Shelved { runbooks, mistakes: Vec::new() })) } else { Err(problems) }
    }

    /// By id.
    pub fn get(&self, id: &str) -> Option<&Arc<Runbook>> {
        self.shelved.runbooks.iter().find(|runbook| runbook.id == id)
    }

    /// That there is no runbook of this name: that its file has a mistake, or which is near.
    pub fn absent(&self, id: &str) -> String {
        let of = |(path, mistake): &(String, &Mistake)| path == id || mistake.id.as_deref() == Some(id);
        if let Some((_, mistake)) = self.unread().find(of) {
            return format!("{} has a mistake {}", mistake.path.display(), mistake.told());
        }
        let near = super::nearest(id, self.iter().map(|runbook| runbook.id.as_str()));
        format!("there is no runbook {id:?}{near}")
    }

    /// All, in the order of the files.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Runbook>> {
        self.shelved.runbooks.iter()
    }

    /// Those in the action menu of a pane.
    pub fn about(&self, subject: Subject) -> impl Iterator<Item = &Arc<Runbook>> {
        self.shelved.runbooks.iter().filter(move |runbook| runbook.pane == Some(subject))
    }
}

impl Runbook {
    /// Its file, as people know it.
    pub fn file(&self) -> String {
        self.path.as_ref().map_or_else(|| "(built in)".to_owned(), |path| path.display().to_string())
    }

    /// Days since it was reviewed; negative when that is to come.
    pub fn age(&self, today: Date) -> i64 {
        self.reviewed.until((Unit::Day, today)).map_or(0, |span| i64::from(span.get_days()))
    }

    /// When it was reviewed, as seen from a day: `today`, `4 days ago`; a date that is to come is said to be.
    pub fn reviewed_ago(&self, today: Date) -> String {
        let age = self.age(today);
        let days = age.unsigned_abs();
        let s = if days == 1 { "" } else { "s" };
        match age {
            0 => "today".to_owned(),
            1.. => format!("{days} day{s} ago"),
            _ => format!("a day that is {days} day{s} ahead: one of the two dates is wrong"),
        }
    }
}

/// What is wrong with a set of files, as path (with `/`) and content: with each runbook by itself, with ids that two of them have,
/// with links that lead nowhere, and with calls that come back to where they began. Pages of prose are left out. `exists` tells of
/// a path like those of the files.
pub fn lint(files: &[(&str, &str)], exists: &dyn Fn(&str) -> bool) -> Vec<Problems> {
    let pages: Vec<(&str, &str)> = files.iter().copied().filter(|(_, source)| is_runbook(source)).collect();
    let mut shelf = Shelf {
        exists,
        ids: BTreeMap::new(),
        calls: BTreeMap::new(),
        params: BTreeMap::new(),
        handed: BTreeMap::new(),
    };
    let mut found: Vec<(&str, Vec<Problem>)> = Vec::new();
    for (file, source) in &pages {
        let mut problems = links_of(file, source, &shelf);
        match parse(file, source) {
            Ok(runbook) => {
                problems.extend(shelf.id(file, source, &runbook));
                shelf.calls.insert(file, calls_of(file, &runbook));
                shelf.params.insert(file, runbook.params.iter().map(|param| param.name.clone()).collect());
                shelf.handed.insert(file, runbook.handed);
            }
            Err(own) => problems.extend(own.list),
        }
        found.push((file, problems));
    }
    for (file, problems) in &mut found {
        problems.extend(shelf.calls_of(file, &pages));
        problems.extend(shelf.handed_of(file));
        problems.sort();
        problems.dedup();
    }
    let broken = found.into_iter().filter(|(_, problems)| !problems.is_empty());
    broken.map(|(file, list)| Problems { file: file.to_owned(), list }).collect()
}

/// A runbook that nobody has reviewed for long: where that stands, how long, and how it is mended. `None` within the first of
/// [`REVIEW_DAYS`].
pub fn overdue(runbook: &Runbook, today: Date) -> Option<Problem> {
    let age = runbook.age(today);
    let [soft, _] = REVIEW_DAYS;
    let what = format!("nobody has reviewed it for {age} days");
    let mend = "read it, try it, then write today's date";
    (age > soft).then(|| problem(key(&runbook.source, "reviewed"), 1, what, mend))
}

/// A text of the page that `runbook new` writes, which is to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Placeholder {
    /// What it stands for.
    pub what: &'static str,
    /// The text.
    pub text: &'static str,
    /// What belongs there.
    mend: &'static str,
}

/// All of them, in the order of the page.
pub const PLACEHOLDERS: [Placeholder; 6] = [
    Placeholder {
        what: "title",
        text: "What it does, in one line",
        mend: "write what it does, as it is found in lists and searches",
    },
    Placeholder {
        what: "owner",
        text: "The team that answers for it",
        mend: "write the team or the channel that is called when it does not help",
    },
    Placeholder {
        what: "summary",
        text: "What is wrong when this is needed, and how you know. This paragraph stands above the plan.",
        mend: "write when it is needed: this stands above the plan",
    },
    Placeholder { what: "impact", text: "Who notices, and for how long.", mend: "write who notices, or remove it" },
    Placeholder {
        what: "part about when not to run it",
        text: "What makes it worse, and what to do then.",
        mend: "write what makes it worse, or remove it",
    },
    Placeholder {
        what: "part about whom to call",
        text: "whoever answers for it when it does not help",
        mend: "write a name, a number or a channel",
    },
];

/// What is still as `runbook new` wrote it, line by line. It can be run like that, and tells nobody anything.
pub fn placeholders(runbook: &Runbook) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, number) in runbook.source.lines().zip(1..) {
        for Placeholder { what, text, mend } in PLACEHOLDERS {
            if let Some(at) = line.find(text) {
                let column = line[..at].chars().count() as u32 + 1;
                let told = format!("the {what} is still that of a new page: {text:?}");
                problems.push(problem(number, column, told, mend));
            }
        }
    }
    problems
}

/// What a runbook names and the config does not have: environments, connections and roles, secrets. Each is told with its line.
pub fn unknown(
    runbook: &Runbook,
    environments: &[&str],
    needs: &dyn Fn(&Need) -> bool,
    secrets: &[&str],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for name in runbook.environments.iter().filter(|name| !environments.contains(&name.as_str())) {
        let near = super::nearest(name, environments.iter().copied());
        let what = format!("there is no environment `{name}`{near}");
        problems.push(problem(key(&runbook.source, "environments"), 1, what, "name one that the config has"));
    }
    for need in runbook.uses.iter().filter(|need| !needs(need)) {
        let what = format!("the config has no {} `{}`", need.kind, need.name);
        problems.push(problem(key(&runbook.source, "uses"), 1, what, "define it there, or name another here"));
    }
    for name in runbook.secrets.iter().filter(|name| !secrets.contains(&name.as_str())) {
        let what = format!("the config defines no secret `{name}`");
        let mend = format!("add `[secret.{name}]` with env, command or file");
        problems.push(problem(key(&runbook.source, "secrets"), 1, what, mend));
    }
    problems
}

/// A called file, and the line of the call.
type Called = (String, u32);

struct Shelf<'a> {
    exists: &'a dyn Fn(&str) -> bool,
    /// The file that has each id.
    ids: BTreeMap<String, String>,
    calls: BTreeMap<&'a str, Vec<Called>>,
    /// The parameters that each file declares.
    params: BTreeMap<&'a str, Vec<String>>,
    /// Those of each file that only what it calls can use.
    handed: BTreeMap<&'a str, Vec<(String, u32)>>,
}

impl Shelf<'_> {
    fn id(&mut self, file: &str, source: &str, runbook: &Runbook) -> Option<Problem> {
        let Some(first) = self.ids.get(&runbook.id) else {
            self.ids.insert(runbook.id.clone(), file.to_owned());
            return None;
        };
        let what = format!("the id `{}` is that of {first} already", runbook.id);
        Some(problem(key(source, "id"), 1, what, "give one of the two another id"))
    }

    /// Calls of what is no runbook, and those that end where they began.
    fn calls_of(&self, file: &str, pages: &[(&str, &str)]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (to, line) in self.calls.get(file).into_iter().flatten() {
            if !pages.iter().any(|(page, _)| page == to) {
                let what = format!("{to} is no runbook of this library");
                problems.push(problem(*line, 1, what, "call one that begins with `runbook: 1`"));
            } else if self.reaches(to, file) {
                let what = format!("{to} calls this runbook again, and would never end");
                problems.push(problem(*line, 1, what, "remove one of the calls"));
            }
        }
        problems
    }

    /// Parameters that neither a page nor what it calls takes. One that can't be read may take them all.
    fn handed_of(&self, file: &str) -> Vec<Problem> {
        let called = self.calls.get(file).into_iter().flatten();
        let Some(taken) = called.map(|(to, _)| self.params.get(to.as_str())).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let handed = self.handed.get(file).into_iter().flatten();
        let unused = handed.filter(|(name, _)| !taken.iter().any(|params| params.contains(name)));
        let told = |(name, line): &(String, u32)| {
            let what =
                format!("the parameter `{name}` is never used, and no runbook that is called has one of this name");
            problem(*line, 1, what, "use it or remove it")
        };
        unused.map(told).collect()
    }

    fn reaches(&self, from: &str, wanted: &str) -> bool {
        let (mut open, mut seen) = (vec![from], Vec::new());
        while let Some(at) = open.pop() {
            if at == wanted {
                return true;
            }
            if !seen.contains(&at) {
                seen.push(at);
                open.extend(self.calls.get(at).into_iter().flatten().map(|(to, _)| to.as_str()));
            }
        }
        false
    }
}

/// The files that a runbook calls, by paths like its own.
pub fn called(file: &str, runbook: &Runbook) -> Vec<String> {
    calls_of(file, runbook).into_iter().map(|(to, _)| to).collect()
}

fn calls_of(file: &str, runbook: &Runbook) -> Vec<Called> {
    let calls = runbook.steps.iter().filter_map(|step| step.manual.call.as_ref());
    calls.filter_map(|call| Some((beside(file, &call.file)?, call.line))).collect()
}

fn links_of(file: &str, source: &str, shelf: &Shelf<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for link in links(source) {
        let path = link.to.split(['#', '?']).next().unwrap_or_default();
        // An address, a place on this page, and what is meant from the root of a site are not for a folder to tell.
        let scheme = path.split('/').next().is_some_and(|first| first.contains(':'));
        if path.is_empty() || scheme || path.starts_with('/') {
            continue;
        }
        let there = beside(file, path).is_some_and(|path| (shelf.exists)(&path));
        if !there {
            let what = format!("the link leads nowhere: there is no {path} beside this file");
            problems.push(problem(link.line, link.column, what, "mend the path, or remove the link"));
        }
    }
    problems
}

/// The path of `to`, seen from `file`; `None` when it leaves the folder that all paths begin in.
pub fn beside(file: &str, to: &str) -> Option<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = if file.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let to = to.replace("%20", " ");
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("{root}{}", parts.join("/")))
}

fn problem(line: u32, column: u32, what: impl Into<String>, mend: impl Into<String>) -> Problem {
    Problem { line, column, what: what.into(), mend: mend.into() }
}

/// The line of a key of the front matter, from 1.
pub(super) fn key(source: &str, key: &str) -> u32 {
    let line = source.lines().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    line.map_or(1, |line| line as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(id: &str, body: &str) -> String {
        format!(
            "---\nrunbook: 1\nid: {id}\ntitle: A\nowner: o\nreviewed: 2026-01-01\nrisk: low\n---\n\n## S\n\n### T\n\n{body}\n"
        )
    }

    fn told(files: &[(&str, String)]) -> Vec<String> {
        let files: Vec<(&str, &str)> = files.iter().map(|(file, source)| (*file, source.as_str())).collect();
        lint(&files, &|path| files.iter().any(|(file, _)| *file == path)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_lead_somewhere_and_ids_are_different() {
        let first = page(
            "a",
            "[b](sub/b.md#x), [web](https://x.y/z), [mail](mailto:a@b), [here](#t), [root](/x), [gone](c.md)",
        );
        let second = page("a", "[a](../a.md) and ![picture](p.png)");
        assert_eq!(
            told(&[("a.md", first), ("sub/b.md", second), ("README.md", "[gone](x.md)".to_owned())]),
            [
                "a.md:14:84: the link leads nowhere: there is no c.md beside this file; mend the path, or remove the link",
                "sub/b.md:3:1: the id `a` is that of a.md already; give one of the two another id\nsub/b.md:14:18: the link leads nowhere: there is no p.png beside this file; mend the path, or remove the link",
            ]
        );
        assert_eq!(told(&[("a.md", page("a", "[out](../../x.md)"))]).len(), 1);
    }

    #[test]
    fn calls_lead_to_runbooks_and_end() {
        let calls = |id: &str, to: &str| page(id, &format!("**Run:** [x]({to})"));
        assert_eq!(told(&[("a.md", calls("a", "b.md")), ("b.md", page("b", "do it"))]), [""; 0]);
        let prose = told(&[("a.md", calls("a", "b.md")), ("b.md", "# Prose\n".to_owned())]);
        assert_eq!(prose, ["a.md:14:1: b.md is no runbook of this library; call one that begins with `runbook: 1`"]);
        let round = told(&[("a.md", calls("a", "b.md")), ("b.md", calls("b", "c.md")), ("c.md", calls("c", "b.md"))]);
        assert_eq!(round.len(), 2, "{round:?}");
        assert!(round[0].starts_with("b.md:14:1: c.md calls this runbook again"), "{round:?}");
        assert_eq!(told(&[("a.md", calls("a", "a.md"))]).len(), 1);
    }

    #[test]
    fn a_parameter_that_only_a_called_page_takes_is_used() {
        let with =
            |page: String| page.replace("risk: low\n", "risk: low\nparams:\n  - {name: n, type: int, default: 1}\n");
        let outer = with(page("a", "**Run:** [b](b.md)"));
        let fence = "```sql check on=primary timeout=1s expect=(rows[0].ok)\nSELECT :n = 1 AS ok\n```";
        let inner = page("b", fence);
        assert_eq!(told(&[("a.md", outer.clone()), ("b.md", with(inner))]), [""; 0]);
        let unused = told(&[("a.md", outer), ("b.md", page("b", "do it"))]);
        assert_eq!(unused.len(), 1, "{unused:?}");
        assert!(
            unused[0].starts_with("a.md:9:1: the parameter `n` is never used, and no runbook that is called"),
            "{unused:?}"
        );
    }

    #[test]
    fn a_mistake_in_the_front_matter_is_not_told_as_one_of_a_condition() {
        let fence = "```sql check on=primary timeout=1s out=before expect=(rows[0].ok)\nSELECT :n = 1 AS ok\n```\n\n```sql verify on=primary timeout=1s expect=(rows[0].n > before[0].n)\nSELECT 1 AS n\n```";
        let found = told(&[("a.md", page("a", fence).replace("risk: low", "risk: lo"))]);
        assert!(!found[0].contains("is not known here") && found[0].contains("`lo`"), "{found:?}");
    }

    #[test]
    fn what_the_config_does_not_have_is_told() {
        let page =
            page("a", "do it").replace("risk: low", "risk: low\nenvironments: [stagin]\nuses: [role/game, role/web]");
        let runbook = parse("a.md", &page).unwrap();
        let problems = unknown(&runbook, &["staging"], &|need| need.name == "web", &[]);
        let told: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.line, problem.what)).collect();
        assert_eq!(
            told,
            ["8: there is no environment `stagin`: did you mean \"staging\"?", "9: the config has no role `game`"]
        );
    }

    #[test]
    fn a_review_is_wanted_after_ninety_days() {
        let runbook = parse("a.md", &page("a", "do it")).unwrap();
        assert_eq!(overdue(&runbook, "2026-04-01".parse().unwrap()), None);
        let problem = overdue(&runbook, "2026-04-02".parse().unwrap()).unwrap();
        assert_eq!((problem.line, problem.what.as_str()), (6, "nobody has reviewed it for 91 days"));
    }

    #[test]
    fn every_shipped_runbook_is_read_without_a_problem() {
        if let Err(problems) = Library::read(BUILTIN) {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
        assert_eq!(Library::builtin().iter().len(), BUILTIN.len());
    }

    #[test]
    fn every_parameter_of_a_shipped_runbook_says_what_it_is() {
        let library = Library::builtin();
        let all = library.iter().flat_map(|runbook| runbook.params.iter().map(move |param| (&runbook.id, param)));
        let silent: Vec<_> =
            all.filter(|(_, param)| param.description.is_none()).map(|(id, param)| (id, &param.name)).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }

    #[test]
    fn the_two_panes_have_their_runbooks() {
        let library = Library::builtin();
        let ids = |subject| library.about(subject).map(|runbook| runbook.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(Subject::Containers), ["container-restart"]);
        assert_eq!(
            ids(Subject::Databases),
            ["db-analyze", "db-cancel-session", "db-kill-idle", "db-terminate-session", "db-vacuum"]
        );
        assert!(library.get("db-kill-idle").is_some() && library.get("nothing").is_none());
    }
}
