//! `quarterdeck runbook new`: a page to begin with.

use super::super::{Global, setup};
use crate::config;
use crate::runbook::Library;
use crate::runbook::parse::parse;
use clap::Args;
use color_eyre::eyre::{bail, eyre};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const PAGE: &str = include_str!("../../../assets/new-runbook.md");

/// Its id, and where it goes.
#[derive(Debug, Args)]
pub struct New {
    /// Its name, which no other runbook has: a-z, 0-9 and -
    id: String,
    /// The folder that it is written to
    #[arg(long = "in", value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

impl New {
    /// Writes it.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        // A config with a mistake is told elsewhere: a page can be begun all the same.
        let folders = setup::config(global).map(|config| config.runbooks).unwrap_or_default();
        if let Some(why) = taken(&config::library(&folders), &self.id) {
            bail!("{why}");
        }
        let today = super::shelf::today();
        let page = page(&self.id, &today.to_string());
        if !is_plain(&self.id) || parse("new", &page).is_err() {
            bail!("{:?} is no id: write a-z, 0-9 and - only", self.id);
        }
        let path = self.folder.join(format!("{}.md", self.id));
        write(&path, &page)?;
        let (file, lint) = (path.display(), format!("quarterdeck runbook lint {}", path.display()));
        println!("{file}: fill it in; `{lint}` names what is still to be written");
        Ok(ExitCode::SUCCESS)
    }
}

/// That another runbook has the id: of two with one id only the first could be run.
fn taken(library: &Library, id: &str) -> Option<String> {
    let wrong = library.mistakes().iter().find(|mistake| mistake.id.as_deref() == Some(id));
    let file = library
        .get(id)
        .map(|runbook| runbook.file())
        .or_else(|| wrong.map(|mistake| mistake.path.display().to_string()))?;
    Some(format!("the id {id:?} is that of {file} already: choose another; `quarterdeck runbook list` shows all"))
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn page(id: &str, today: &str) -> String {
    PAGE.replace("new-runbook", id).replace("2026-01-01", today)
}

fn write(path: &Path, page: &str) -> color_eyre::Result<()> {
    let name = path.display();
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => eyre!("{name} exists: give it another id, or name another folder with --in"),
        _ => eyre!("{name}: can't be written: {error}"),
    })?;
    file.write_all(page.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Subject;
    use crate::runbook::library::{PLACEHOLDERS, lint, placeholders};

    #[test]
    fn what_it_begins_passes_every_rule_but_that_it_is_to_be_filled_in() {
        let page = page("restart-it", "2026-11-28");
        assert!(page.contains("id: restart-it\n") && page.contains("reviewed: 2026-11-28\n"));
        assert_eq!(lint(&[("restart-it.md", &page)], &|_| false), []);
        let named = |page: &str| -> Vec<String> {
            placeholders(&parse("restart-it.md", page).unwrap()).into_iter().map(|problem| problem.what).collect()
        };
        let found = named(&page);
        for placeholder in PLACEHOLDERS {
            assert!(found.iter().any(|told| told.contains(placeholder.what)), "{}: {found:?}", placeholder.what);
        }
        let filled = PLACEHOLDERS.iter().fold(page, |page, one| page.replace(one.text, "Something of our own"));
        assert_eq!(named(&filled), [""; 0]);
    }

    #[test]
    fn an_id_that_is_taken_is_refused_with_where_it_stands() {
        let library = Library::builtin();
        let why = taken(&library, "container-restart").unwrap();
        assert!(why.starts_with("the id \"container-restart\" is that of (built in) already: choose another"), "{why}");
        assert_eq!(taken(&library, "restart-it"), None);
    }

    #[test]
    fn the_lines_that_are_commented_out_are_right_when_they_are_not() {
        let page = page("restart-it", "2026-11-28").replace("# pane:", "pane:").replace("# alerts:", "alerts:");
        let runbook = parse("restart-it.md", &page).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(runbook.pane, Some(Subject::Containers));
        assert!(runbook.alerts[0].matches("ContainerDown") && runbook.alerts.len() == 1);
    }
}
