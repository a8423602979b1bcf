//! The runbooks of the folders that the config names. Only those, and none that others could change: who changes a runbook decides
//! what is run.

use super::find::{folder_safely, read_safely};
use crate::runbook::parse::{is_runbook, parse};
use crate::runbook::{Library, Problems, Shelved};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// No runbook is as long as this, in bytes.
const LONGEST: u64 = 1 << 20;
/// Folders below each other.
const DEEPEST: usize = 16;

/// The shipped runbooks and those in these folders, read when the first one is asked for. What cannot be used is told, and nothing else
/// is missing for it.
pub fn library(folders: &[PathBuf]) -> Library {
    let folders = folders.to_vec();
    Library::builtin_and(move |shelved| folders.iter().for_each(|folder| shelve(folder, shelved)))
}

fn shelve(folder: &Path, shelved: &mut Shelved) {
    let mut found = Pages::default();
    found.walk(folder, 0, true);
    shelved.troubles.extend(found.troubles);
    let commit = commit(folder);
    for page in found.files {
        match read(&page) {
            Ok(Some(mut runbook)) => {
                runbook.commit.clone_from(&commit);
                shelved.add(runbook);
            }
            Ok(None) => {}
            Err(why) => shelved.troubles.push(why),
        }
    }
}

/// A page of prose is none, and nobody's mistake.
fn read(path: &Path) -> Result<Option<crate::runbook::Runbook>, String> {
    if fs::metadata(path).is_ok_and(|data| data.len() > LONGEST) {
        return Err(format!("{}: it is longer than a runbook can be: split it", path.display()));
    }
    let source = read_safely(path).map_err(|problem| problem.to_string())?;
    if !is_runbook(&source) {
        return Ok(None);
    }
    let mut runbook = parse(&path.display().to_string(), &source).map_err(|problems| first(&problems))?;
    runbook.path = Some(path.to_owned());
    Ok(Some(runbook))
}

/// The first problem, and how the others are found.
fn first(problems: &Problems) -> String {
    let first = Problems { file: problems.file.clone(), list: problems.list.iter().take(1).cloned().collect() };
    match problems.list.len() - 1 {
        0 => first.to_string(),
        more => format!("{first} (and {more} more: `quarterdeck runbook lint {}`)", problems.file),
    }
}

/// The pages (`.md`) in a folder and below it, in order, and what could not be looked at. Hidden folders and links to folders are left out.
pub fn pages(folder: &Path) -> (Vec<PathBuf>, Vec<String>) {
    let mut found = Pages::default();
    found.walk(folder, 0, false);
    (found.files, found.troubles)
}

#[derive(Default)]
struct Pages {
    files: Vec<PathBuf>,
    troubles: Vec<String>,
}

impl Pages {
    /// `trusted`: only what others cannot change.
    fn walk(&mut self, folder: &Path, depth: usize, trusted: bool) {
        if depth > DEEPEST {
            return self.troubles.push(format!("{}: it is too deep: move it up", folder.display()));
        }
        if trusted
            && folder.exists()
            && let Err(problem) = folder_safely(folder)
        {
            return self.troubles.push(problem.to_string());
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let what = format!("{}: no runbooks can be read from it: {error}", folder.display());
                return self.troubles.push(format!("{what}; mend the path, or what stands there"));
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type());
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if kind.is_ok_and(|kind| kind.is_dir()) {
                if !hidden {
                    self.walk(&path, depth + 1, trusted);
                }
            } else if !hidden && path.extension().is_some_and(|extension| extension == "md") && path.is_file() {
                self.files.push(path);
            }
        }
    }
}

/// The commit that is checked out where `folder` is, read without git: a repository's own settings can make git run commands.
fn commit(folder: &Path) -> Option<String> {
    let real = folder.canonicalize().ok()?;
    let dot = real.ancestors().map(|folder| folder.join(".git")).find(|dot| dot.exists())?;
    let dot = if dot.is_dir() { dot } else { pointed(&dot)? };
    let head = line(&dot.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else { return plain(&head) };
    if name.split('/').any(|part| part == "..") || name.starts_with('/') {
        return None;
    }
    // A worktree of its own has the branches of the first one.
    let common = line(&dot.join("commondir")).map_or_else(|| dot.clone(), |path| dot.join(path));
    let loose = [&dot, &common].into_iter().find_map(|folder| line(&folder.join(name)));
    loose.or_else(|| packed(&common, name)).as_deref().and_then(plain)
}

/// Where a file in place of the folder `.git` leads.
fn pointed(file: &Path) -> Option<PathBuf> {
    let to = line(file)?;
    Some(file.parent()?.join(to.strip_prefix("gitdir: ")?))
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' ').map(str::to_owned))
}

fn line(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned())
}

fn plain(hash: &str) -> Option<String> {
    (matches!(hash.len(), 40 | 64) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hash.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    fn page(id: &str) -> String {
        format!(
            "---\nrunbook: 1\nid: {id}\ntitle: A\nowner: o\nreviewed: 2026-01-01\nrisk: low\n---\n\n## S\n\n### T\n\ndo it\n"
        )
    }

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn runbooks_are_read_prose_is_left_alone_and_mistakes_are_told_with_their_lines() {
        let (own, broken) = (page("own"), page("broken").replace("risk: low", "risk: lo\ncolour: 1"));
        let folder = folder(&[
            ("a/own.md", &own),
            ("README.md", "# Prose\n"),
            ("broken.md", &broken),
            (".hidden/x.md", &page("hidden")),
            ("built.md", &page("db-kill-idle")),
            ("notes.txt", "x"),
        ]);
        symlink(folder.path(), folder.path().join("a/round")).unwrap();
        let library = library(&[folder.path().to_owned(), folder.path().join("gone")]);
        let troubles = library.read_now();
        let at = folder.path().display();
        assert_eq!(library.get("own").unwrap().path, Some(folder.path().join("a/own.md")));
        assert_eq!(library.get("db-kill-idle").unwrap().path, None, "the one built in stays");
        assert!(library.get("hidden").is_none());
        assert_eq!(troubles.len(), 3, "{troubles:#?}");
        assert!(troubles[0].starts_with(&format!("{at}/broken.md:7:")), "{troubles:#?}");
        assert!(troubles[0].ends_with(&format!("(and 1 more: `quarterdeck runbook lint {at}/broken.md`)")));
        assert!(
            troubles[1].starts_with(&format!("{at}/built.md:3:1: the id `db-kill-idle` is that of (built in) already"))
        );
        assert!(troubles[2].starts_with(&format!("{at}/gone: no runbooks can be read from it")), "{troubles:#?}");
    }

    #[test]
    fn what_others_can_change_is_refused_with_the_mend() {
        let folder = folder(&[("a.md", &page("a")), ("open/b.md", &page("b"))]);
        mode(&folder.path().join("a.md"), 0o664);
        mode(&folder.path().join("open"), 0o777);
        let library = library(&[folder.path().to_owned()]);
        let troubles = library.read_now();
        assert!(library.get("a").is_none() && library.get("b").is_none());
        assert_eq!(troubles.len(), 2, "{troubles:#?}");
        let has = |words: &[&str]| troubles.iter().any(|told| words.iter().all(|word| told.contains(word)));
        assert!(has(&["a.md: others can change it", "664", "chmod go-w"]), "{troubles:#?}");
        assert!(has(&["open: others can put files into it", "777", "chmod go-w"]), "{troubles:#?}");
    }

    #[test]
    fn the_commit_is_read_however_git_keeps_it() {
        let main = format!("# pack-refs with: peeled\n{HASH} refs/heads/main\n");
        let ways: [&[(&str, &str)]; 5] = [
            &[(".git/HEAD", HASH)],
            &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", HASH)],
            &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/packed-refs", &main)],
            &[
                (".git", "gitdir: git/worktrees/x\n"),
                ("git/worktrees/x/HEAD", "ref: refs/heads/main\n"),
                ("git/worktrees/x/commondir", "../..\n"),
                ("git/refs/heads/main", HASH),
            ],
            &[(".git", "gitdir: git\n"), ("git/HEAD", HASH)],
        ];
        for files in ways {
            let folder = folder(files);
            let below = folder.path().join("runbooks/net");
            fs::create_dir_all(&below).unwrap();
            assert_eq!(commit(&below).as_deref(), Some(HASH), "{files:?}");
        }
        for head in ["", "ref: ../../../etc/passwd\n", "ref: refs/heads/none\n", "no hash"] {
            let folder = folder(&[(".git/HEAD", head)]);
            assert_eq!(commit(folder.path()), None, "{head}");
        }
    }
}
