//! Right before a run begins: its page and those that it calls stand as they did when they were planned, and none has a mistake.

use super::Exec;
use crate::runbook::plan::Onward;
use crate::runbook::{Approved, Plan, Runbook, parse};
use std::path::PathBuf;

/// A page's file, what it is called, and the hash that it had when it was read.
type Page = (PathBuf, String, String);

impl Exec {
    /// Why an approved plan must not begin: a page has a mistake, or its file says something else by now than what was planned. What takes a
    /// step back is the run's own, and a called run's page was looked at when its plan was made.
    pub(super) async fn pages_stand(&self, plan: &Plan<Approved>) -> Result<(), String> {
        let request = &plan.body().request;
        if request.resumes.is_some_and(|resumption| resumption.way == Onward::Undo) {
            return Ok(());
        }
        let runbook = &plan.body().runbook;
        if let Some(why) = self.library.hindrance(runbook) {
            return Err(why);
        }
        if request.caller.is_some() || request.resumes.is_some() {
            return Ok(());
        }
        let page = |page: &std::sync::Arc<Runbook>| Some((page.path.clone()?, page.id.clone(), page.hash.clone()));
        let pages: Vec<Page> = self.library.pages_of(runbook).iter().filter_map(page).collect();
        // A file may lie where reading takes long.
        let changed = tokio::task::spawn_blocking(move || changed(pages)).await;
        changed.map_err(|error| error.to_string())?.map_or(Ok(()), Err)
    }
}

/// The first that is not as it was.
fn changed(pages: Vec<Page>) -> Option<String> {
    pages.into_iter().find_map(|(path, id, hash)| {
        let now = std::fs::read_to_string(&path).map(|source| parse::sha256(&source));
        let what = match now {
            Ok(now) if now == hash => return None,
            Ok(_) => "was changed since the plan was made".to_owned(),
            Err(error) => format!("can't be read any more: {error}"),
        };
        Some(format!("{} ({id}) {what}: plan again", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_something_else_or_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        std::fs::write(&path, "one").unwrap();
        let page = || vec![(path.clone(), "a".to_owned(), parse::sha256("one"))];
        assert_eq!(changed(page()), None);
        std::fs::write(&path, "two").unwrap();
        let why = changed(page()).unwrap();
        assert!(why.ends_with("a.md (a) was changed since the plan was made: plan again"), "{why}");
        std::fs::remove_file(&path).unwrap();
        assert!(changed(page()).unwrap().contains("can't be read any more"));
    }
}
