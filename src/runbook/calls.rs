//! What runbooks call, as far as it goes: which pages that are, and whether each of them can be used as its file stands. Pure.

use super::Library;
use super::library::beside;
use super::model::{Call, Runbook};
use std::sync::Arc;

/// Who calls, and what; or why that can't be run.
type Called = (Arc<Runbook>, Result<Arc<Runbook>, String>);

impl Library {
    /// The runbook that a call means: by its file, seen from the calling one; the error says that there is none, or its mistake.
    pub fn called(&self, from: &Runbook, call: &Call) -> Result<Arc<Runbook>, String> {
        let wanted = beside(&place(from), &call.file);
        let found = |wanted: &String| self.iter().find(|runbook| place(runbook) == *wanted).cloned();
        wanted.as_ref().and_then(found).ok_or_else(|| {
            let mistake = self.unread().find(|(path, _)| Some(path) == wanted.as_ref());
            let (file, from) = (&call.file, from.file());
            mistake.map_or_else(
                || format!("{file} beside {from} is not there or is no runbook: `quarterdeck runbook lint` tells"),
                |(_, mistake)| format!("{file} has a mistake {}", mistake.told()),
            )
        })
    }

    /// Why a runbook can't be run as the files and the config stand: it is not for this place, or its own file has a mistake, or that holds
    /// for a page which it calls, at whatever depth.
    pub fn hindrance(&self, runbook: &Runbook) -> Option<String> {
        self.own_hindrance(runbook).or_else(|| self.called_hindrance(runbook))
    }

    fn own_hindrance(&self, runbook: &Runbook) -> Option<String> {
        self.misplaced(&runbook.id).or_else(|| self.mistake(&runbook.id).map(|mistake| mistake.why(runbook)))
    }

    /// The same of the pages that it calls alone.
    pub fn called_hindrance(&self, runbook: &Runbook) -> Option<String> {
        self.circle(runbook).into_iter().find_map(|(from, called)| match called {
            Ok(called) => self.own_hindrance(&called).map(|why| format!("{} calls {}: {why}", from.id, called.id)),
            Err(why) => Some(format!("{} calls a page that can't be run: {why}", from.id)),
        })
    }

    /// The pages that a runbook calls, with who calls each, nearest first, each call once.
    fn circle(&self, runbook: &Runbook) -> Vec<Called> {
        let mut seen = vec![Arc::new(runbook.clone())];
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some(from) = seen.get(at).cloned() {
            for call in from.steps.iter().filter_map(|step| step.manual.call.as_ref()) {
                let called = self.called(&from, call);
                if let Ok(called) = &called
                    && !seen.iter().any(|known| known.id == called.id)
                {
                    seen.push(Arc::clone(called));
                }
                out.push((Arc::clone(&from), called));
            }
            at += 1;
        }
        out
    }

    /// The pages that a runbook and its calls are, each once, itself first.
    pub fn pages_of(&self, runbook: &Runbook) -> Vec<Arc<Runbook>> {
        let mut pages: Vec<Arc<Runbook>> = vec![Arc::new(runbook.clone())];
        for called in self.circle(runbook).into_iter().filter_map(|(_, called)| called.ok()) {
            if !pages.iter().any(|known| known.id == called.id) {
                pages.push(called);
            }
        }
        pages
    }

    /// How a runbook and all that it calls stand: two libraries in which that is the same make the same plan of it.
    pub fn standing(&self, id: &str) -> Vec<String> {
        let Some(runbook) = self.get(id) else { return vec![self.absent(id)] };
        let page = |page: &Runbook| {
            let mistake = self.mistake(&page.id).map(ToString::to_string).unwrap_or_default();
            let misplaced = self.misplaced(&page.id).unwrap_or_default();
            format!("{} {} {mistake} {misplaced}", place(page), page.hash)
        };
        let called =
            self.circle(runbook).into_iter().map(|(_, called)| called.map_or_else(|why| why, |called| page(&called)));
        std::iter::once(page(runbook)).chain(called).collect()
    }
}

/// Where a runbook stands among the others, with `/`.
fn place(runbook: &Runbook) -> String {
    let path = runbook.path.as_ref().map(|path| path.display().to_string());
    // One that is built in has no folder: its file is called like itself.
    path.unwrap_or_else(|| format!("{}.md", runbook.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::mistake::Mistake;
    use crate::runbook::parse::parse;
    use std::path::PathBuf;

    fn page(id: &str, to: &str) -> Runbook {
        let front = format!("runbook: 1\nid: {id}\ntitle: {id}\nowner: o\nreviewed: 2026-01-01\nrisk: low\n");
        let body = if to.is_empty() { "do it".to_owned() } else { format!("**Run:** [x]({to}.md)") };
        let mut runbook = parse(&format!("{id}.md"), &format!("---\n{front}---\n\n## S\n\n### T\n\n{body}\n")).unwrap();
        runbook.path = Some(PathBuf::from(format!("/r/{id}.md")));
        runbook
    }

    fn wrong(id: &str) -> Mistake {
        Mistake {
            path: PathBuf::from(format!("/r/{id}.md")),
            place: Some((6, 1)),
            what: "`risk` is missing".to_owned(),
            mend: "add it".to_owned(),
            others: 0,
            id: Some(id.to_owned()),
            since: jiff::Timestamp::UNIX_EPOCH,
            kept: Vec::new(),
        }
    }

    fn library(pages: Vec<Result<Runbook, Box<Mistake>>>, before: Option<&Library>) -> Library {
        Library::builtin_with(|shelf| shelf.add(pages, before))
    }

    #[test]
    fn a_mistake_in_what_is_called_stands_in_the_way_at_any_depth_and_changes_how_it_stands() {
        let all = || vec![Ok(page("a", "b")), Ok(page("b", "c")), Ok(page("c", ""))];
        let well = library(all(), None);
        let a = well.get("a").unwrap();
        assert_eq!((well.hindrance(a), well.standing("a").len(), well.pages_of(a).len()), (None, 3, 3));
        let marked = library(vec![Ok(page("a", "b")), Ok(page("b", "c")), Err(Box::new(wrong("c")))], Some(&well));
        let why = marked.hindrance(a).unwrap();
        assert!(
            why.starts_with("b calls c: its file has a mistake (c.md:6:1,") && why.contains("`risk` is missing"),
            "{why}"
        );
        assert_ne!(marked.standing("a"), well.standing("a"));
        assert_eq!(library(all(), Some(&marked)).standing("a"), well.standing("a"), "mended, it stands as before");
        let never = library(vec![Ok(page("a", "b")), Err(Box::new(wrong("b")))], None);
        let why = never.hindrance(never.get("a").unwrap()).unwrap();
        assert!(why.starts_with("a calls a page that can't be run: b.md has a mistake (b.md:6:1,"), "{why}");
    }

    #[test]
    fn what_is_not_for_this_place_is_not_run_nor_is_who_calls_it() {
        let pages = vec![Ok(page("a", "b")), Ok(page("b", "")), Ok(page("c", ""))];
        let library = library(pages, None).without([("b".to_owned(), "there is none".to_owned())].into());
        let told = ["a", "b", "c"].map(|id| library.hindrance(library.get(id).unwrap()));
        let why = "it is not for this place: there is none";
        assert_eq!(told, [Some(format!("a calls b: {why}")), Some(why.to_owned()), None]);
        let stood = library.standing("a");
        assert_ne!(library.without([].into()).standing("a"), stood);
    }

    #[test]
    fn a_circle_of_calls_ends() {
        let round = library(vec![Ok(page("a", "b")), Ok(page("b", "a"))], None);
        assert_eq!(round.hindrance(round.get("a").unwrap()), None);
        assert_eq!(round.pages_of(round.get("a").unwrap()).len(), 2);
    }
}
