//! The runbooks there are: those built into the binary. Found by id, and by the pane that they act on.

use super::model::Runbook;
use super::parse::{Problems, parse};
use crate::domain::Subject;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The shipped files, as name and content.
const BUILTIN: [(&str, &str); 2] = [
    ("container-restart.md", include_str!("../../assets/runbooks/container-restart.md")),
    ("db-kill-idle.md", include_str!("../../assets/runbooks/db-kill-idle.md")),
];

type Read = Box<dyn FnOnce() -> Vec<Arc<Runbook>> + Send>;

/// A set of runbooks with different ids. It is read when the first of them is asked for: the first frame shows none, and need not wait.
pub struct Library {
    runbooks: LazyLock<Vec<Arc<Runbook>>, Read>,
}

impl Default for Library {
    fn default() -> Self {
        Self::of(Vec::new)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Library {
    fn of(read: impl FnOnce() -> Vec<Arc<Runbook>> + Send + 'static) -> Self {
        Self { runbooks: LazyLock::new(Box::new(read)) }
    }

    /// The shipped runbooks. A shipped file with a problem is a defect of the build: a test reads them all, and what cannot be
    /// read is left out here.
    pub fn builtin() -> Self {
        Self::of(|| BUILTIN.iter().filter_map(|(file, source)| parse(file, source).ok()).map(Arc::new).collect())
    }

    /// Reads it now, unless it was read: some milliseconds.
    pub fn read_now(&self) {
        LazyLock::force(&self.runbooks);
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
        if problems.is_empty() { Ok(Self::of(|| runbooks)) } else { Err(problems) }
    }

    /// By id.
    pub fn get(&self, id: &str) -> Option<&Arc<Runbook>> {
        self.runbooks.iter().find(|runbook| runbook.id == id)
    }

    /// All, in the order of the files.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Runbook>> {
        self.runbooks.iter()
    }

    /// Those in the action menu of a pane.
    pub fn about(&self, subject: Subject) -> impl Iterator<Item = &Arc<Runbook>> {
        self.runbooks.iter().filter(move |runbook| runbook.pane == Some(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_runbook_is_read_without_a_problem() {
        if let Err(problems) = Library::read(BUILTIN) {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
        assert_eq!(Library::builtin().iter().len(), BUILTIN.len());
    }

    #[test]
    fn the_two_panes_have_their_runbooks() {
        let library = Library::builtin();
        let ids = |subject| library.about(subject).map(|runbook| runbook.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(Subject::Containers), ["container-restart"]);
        assert_eq!(ids(Subject::Databases), ["db-kill-idle"]);
        assert!(library.get("db-kill-idle").is_some() && library.get("nothing").is_none());
    }
}
