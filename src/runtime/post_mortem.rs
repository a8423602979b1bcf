//! A post-mortem in its file: the one way in which the screen and the command line write it, over what people wrote there, and record that.

use crate::domain::IncidentId;
use crate::domain::incident::Rules;
use crate::domain::record::{Entry, Record, RecordKind};
use crate::domain::text::counted;
use crate::incident::edits::{self, Kept};
use crate::incident::report::{self, Style};
use crate::incident::{self, Incident, Incidents};
use crate::journal::{self, Journal};
use crate::runbook::Runs;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What was written.
pub struct Written {
    /// Where, from the root on.
    pub file: PathBuf,
    /// So many places are left to fill in.
    pub left: usize,
    /// Parts that stay as somebody has changed them.
    pub kept: Vec<Kept>,
    /// Its record.
    pub record: Record,
}

impl Written {
    /// `/home/ada/pm.md: 3 places left to fill in (between _ and _)`.
    pub fn told(&self) -> String {
        let file = self.file.display();
        match self.left {
            0 => format!("{file} is complete"),
            left => format!("{file}: {} left to fill in (between _ and _)", counted(left, "place")),
        }
    }

    /// How many lines of those that were written by hand say something else than the journal now: `; 1 line stands there twice, …`.
    pub fn disputes(&self) -> String {
        match self.kept.iter().map(|kept| kept.disputed).sum() {
            0 => String::new(),
            lines => format!(
                "; the journal says {} by hand in another way now: **journal:** stands at those",
                counted(lines, "line")
            ),
        }
    }
}

/// What the journal tells of an environment's incidents, and of what ran in them.
pub struct Known {
    /// All of them.
    pub incidents: Incidents,
    /// Their runs, also those that were begun before and included.
    pub runs: Runs,
    /// What is agreed.
    pub rules: Rules,
}

impl Known {
    /// Reads it.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub async fn read(journal: &dyn Journal, env: &str, rules: Rules) -> Result<Self, String> {
        let records = journal::incidents(journal, incident::READ).await.map_err(|error| error.to_string())?;
        let mut incidents = Incidents::default().counting(&rules.updates).with(&records);
        let mut runs = Runs::default();
        for record in incident::corrected::in_order(&records).1 {
            runs.apply(record);
        }
        incidents.keep_env(env);
        Ok(Self { incidents, runs, rules })
    }
}

/// Writes an incident's post-mortem into the file, over the document that is there: what was written by hand stays. That is recorded, and how much is left to
/// fill in.
///
/// # Errors
/// A sentence: the file is another document, a link to somewhere, can't be read or written; the journal can't be.
pub async fn write(
    journal: &dyn Journal,
    known: &Known,
    incident: &Incident,
    file: &Path,
    style: Style,
) -> Result<Written, String> {
    let file = std::path::absolute(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let fresh = report::write(incident, &known.runs, &known.rules, style);
    let (document, kept) = renewed(&file, &fresh, incident.id)?;
    let document = report::titled(document, incident, style);
    replace(&file, &document)?;
    let left = report::unfinished(&document);
    let digest: String = Sha256::digest(&document).iter().map(|byte| format!("{byte:02x}")).collect();
    let data = json!({ "file": file, "sha256": digest, "complete": left == 0, "left": left });
    let (kind, env) = (RecordKind::IncidentReport, incident.env.clone());
    let entry = Entry { kind, run: None, step: None, role: None, target: None, env, data };
    let record = journal.append_to(incident.id, entry).await;
    let record = record.map_err(|error| format!("{} is written, and that is not recorded: {error}", file.display()))?;
    Ok(Written { file, left, kept, record })
}

/// Where it is when nobody names a file: where it was last written from this machine, else in the state folder, which is made.
///
/// # Errors
/// When that folder can't be made.
pub fn place(home: &Path, incident: &Incident) -> Result<PathBuf, String> {
    let here = journal::process::actor().host;
    if let Some(document) = incident.document.as_ref().filter(|document| document.host == here) {
        return Ok(document.file.as_str().into());
    }
    let folder = home.join("saved");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    Ok(folder.join(format!("post-mortem-{}.md", incident.short())))
}

/// The document as it is to be, and the parts of it that are somebody's.
fn renewed(file: &Path, fresh: &str, id: IncidentId) -> Result<(String, Vec<Kept>), String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    if let Ok(leads) = fs::read_link(file) {
        return Err(said(&format!("it is a link to {}, and is left as it is: name that file itself", leads.display())));
    }
    match fs::read_to_string(file) {
        Ok(old) if old.trim().is_empty() => Ok((fresh.to_owned(), Vec::new())),
        Ok(old) => {
            let old = old.replace("\r\n", "\n");
            report::is_of(&old, id).and_then(|()| edits::check(&old)).map_err(|why| said(&why))?;
            Ok(edits::renew(&old, fresh))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((fresh.to_owned(), Vec::new())),
        Err(error) => Err(format!("{} can't be read: {error}", file.display())),
    }
}

/// Whole or not at all: a file that somebody has written in is not cut short by a full disk.
fn replace(file: &Path, document: &str) -> Result<(), String> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let write = || {
        let mut beside = tempfile::Builder::new().prefix(".post-mortem-").tempfile_in(folder)?;
        beside.write_all(document.as_bytes())?;
        // Who may read it is as it was.
        if let Ok(old) = fs::metadata(file) {
            beside.as_file().set_permissions(old.permissions())?;
        }
        beside.persist(file).map_err(|error| error.error).map(drop)
    };
    write().map_err(|error: std::io::Error| format!("{} can't be written: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_link_is_not_followed_and_who_may_read_it_stays() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = tempfile::tempdir().unwrap();
        let (file, link) = (home.path().join("mine.md"), home.path().join("link.md"));
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        let id = IncidentId(Uuid::nil());
        let why = renewed(&link, "fresh", id).unwrap_err();
        assert!(why.contains("it is a link to ") && why.contains("mine.md"), "{why}");
        replace(&file, "fresh").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_to_string(&link).unwrap(), "fresh");
    }
}
