//! The runbooks of the folders that the config names. Only those, and none that others could change: who changes a runbook decides
//! what is run.

use super::find::{folder_safely, read_safely};
use crate::runbook::parse::{id, is_runbook, parse};
use crate::runbook::{Library, Mistake, Problems, Runbook};
use jiff::Timestamp;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// No runbook is as long as this, in bytes.
const LONGEST: u64 = 1 << 20;
/// Folders below each other.
const DEEPEST: usize = 16;

/// The shipped runbooks and those in these folders, read when the first one is asked for. What cannot be used is told, and nothing else
/// is missing for it.
pub fn library(folders: &[PathBuf]) -> Library {
    let folders = folders.to_vec();
    Library::builtin_and(move |shelved| shelved.add(read_all(&folders), None))
}

/// The same, read now. What cannot be used any more stays as it was `before`, and is marked; what is not for this place is it still.
pub fn library_after(folders: &[PathBuf], before: &Library) -> Library {
    // What nobody has asked for yet is read now: later is not before.
    let _ = before.mistakes();
    let found = read_all(folders);
    Library::builtin_with(|shelved| shelved.add(found, Some(before))).without(before.not_here().clone())
}

fn read_all(folders: &[PathBuf]) -> Vec<Result<Runbook, Box<Mistake>>> {
    folders.iter().flat_map(|folder| read_folder(folder)).collect()
}

fn read_folder(folder: &Path) -> Vec<Result<Runbook, Box<Mistake>>> {
    let mut found = Pages::default();
    found.walk(folder, 0, true);
    let commit = commit(folder);
    let pages = found.files.iter().filter_map(|page| read(page).transpose()).map(|page| {
        page.map(|mut runbook| {
            runbook.commit.clone_from(&commit);
            runbook
        })
    });
    pages.chain(found.troubles.into_iter().map(|trouble| Err(Box::new(trouble)))).collect()
}

/// A page of prose is none, and nobody's mistake.
fn read(path: &Path) -> Result<Option<Runbook>, Box<Mistake>> {
    let data = fs::metadata(path);
    if data.as_ref().is_ok_and(|data| data.len() > LONGEST) {
        return Err(Box::new(mistake(path, "it is longer than a runbook can be", "split it")));
    }
    let source = read_safely(path).map_err(|problem| Box::new(mistake(path, problem.what, problem.hint)))?;
    if !is_runbook(&source) {
        return Ok(None);
    }
    let mut runbook =
        parse(&path.display().to_string(), &source).map_err(|problems| Box::new(first(path, &source, &problems)))?;
    runbook.path = Some(path.to_owned());
    runbook.written = data.ok().and_then(|data| data.modified().ok()?.try_into().ok());
    Ok(Some(runbook))
}

/// A file that can be read and says of itself no more that it is a runbook.
pub fn is_prose(path: &Path) -> bool {
    read_safely(path).is_ok_and(|source| !is_runbook(&source))
}

/// The first problem, and how many there are beside it.
fn first(path: &Path, source: &str, problems: &Problems) -> Mistake {
    let told = problems.list.first();
    let (what, mend) = told.map(|problem| (problem.what.clone(), problem.mend.clone())).unwrap_or_default();
    Mistake {
        place: told.map(|problem| (problem.line, problem.column)),
        others: problems.list.len().saturating_sub(1),
        id: id(source),
        ..mistake(path, what, mend)
    }
}

/// A mistake of the file or folder as a whole.
fn mistake(path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Mistake {
    // One that is gone has changed the folder that it was in.
    let data = path.ancestors().find_map(|path| fs::metadata(path).ok());
    let changed = data.and_then(|data| Timestamp::from_second(data.ctime()).ok());
    Mistake {
        path: path.to_owned(),
        place: None,
        what: what.into(),
        mend: mend.into(),
        others: 0,
        id: None,
        since: changed.unwrap_or_default(),
        kept: Vec::new(),
    }
}

/// The pages (`.md`) in a folder and below it, in order, and what could not be looked at. Hidden folders and links to folders are left out.
pub fn pages(folder: &Path) -> (Vec<PathBuf>, Vec<Mistake>) {
    let mut found = Pages::default();
    found.walk(folder, 0, false);
    (found.files, found.troubles)
}

#[derive(Default)]
struct Pages {
    files: Vec<PathBuf>,
    troubles: Vec<Mistake>,
}

impl Pages {
    /// `trusted`: only what others cannot change.
    fn walk(&mut self, folder: &Path, depth: usize, trusted: bool) {
        if depth > DEEPEST {
            return self.troubles.push(mistake(folder, "it is too deep", "move it up"));
        }
        if trusted
            && folder.exists()
            && let Err(problem) = folder_safely(folder)
        {
            return self.troubles.push(mistake(folder, problem.what, problem.hint));
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let what = format!("no runbooks can be read from it: {error}");
                return self.troubles.push(mistake(folder, what, "mend the path, or what stands there"));
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
        let troubles: Vec<String> = library.mistakes().iter().map(ToString::to_string).collect();
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

    /// What is shown of `id`: its title, and whether it is marked.
    fn shown(library: &Library, id: &str) -> Option<(String, bool)> {
        library.get(id).map(|runbook| (runbook.title.clone(), library.mistake(id).is_some()))
    }

    #[test]
    fn a_page_that_can_be_read_no_more_stays_as_it_was_and_the_others_are_taken() {
        let titled = |id: &str, title: &str| page(id).replace("title: A", &format!("title: {title}"));
        let home = folder(&[
            ("a.md", &titled("a", "A1")),
            ("b.md", &titled("b", "B1")),
            ("c.md", &titled("c", "C1")),
            ("sub/d.md", &titled("d", "D1")),
        ]);
        let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
        let paths = [home.path().to_owned()];
        let first = library(&paths);
        let state = |library: &Library| ["a", "b", "c", "d", "e"].map(|id| shown(library, id));
        let is = |title: &str, marked: bool| Some((title.to_owned(), marked));
        assert_eq!(state(&first), [is("A1", false), is("B1", false), is("C1", false), is("D1", false), None]);

        write("a.md", &titled("a", "A2").replace("risk: low\n", ""));
        write("b.md", &titled("b", "B2"));
        fs::remove_file(home.path().join("c.md")).unwrap();
        write("e.md", &titled("e", "E1"));
        mode(&home.path().join("sub"), 0o777);
        let second = library_after(&paths, &first);
        assert_eq!(state(&second), [is("A1", true), is("B2", false), None, is("D1", true), is("E1", false)]);
        let a = second.mistake("a").unwrap();
        assert_eq!((a.place.map(|(line, _)| line), a.id.as_deref()), (Some(1), Some("a")), "{a:?}");
        let why = a.why(second.get("a").unwrap());
        assert!(why.starts_with("its file has a mistake (a.md:1:1, since 20"), "{why}");
        assert!(why.contains("; shown is the version of "), "{why}");
        assert!(second.mistake("d").unwrap().what.starts_with("others can put files into it"));

        // Still wrong, and otherwise: it counts from the first time.
        write("a.md", &titled("a", "A3").replace("risk: low", "risk: lo"));
        let third = library_after(&paths, &second);
        assert_eq!(third.mistake("a").unwrap().since, a.since);
        assert_ne!(third.mistakes(), second.mistakes());

        write("a.md", &titled("a", "A4"));
        mode(&home.path().join("sub"), 0o755);
        let fourth = library_after(&paths, &third);
        assert_eq!(state(&fourth), [is("A4", false), is("B2", false), None, is("D1", false), is("E1", false)]);
        assert_eq!(fourth.mistakes(), []);

        fs::remove_dir_all(home.path().join("sub")).unwrap();
        fs::remove_file(home.path().join("a.md")).unwrap();
        let fifth = library_after(&paths, &fourth);
        assert_eq!(state(&fifth), [None, is("B2", false), None, None, is("E1", false)]);
        fs::rename(home.path(), home.path().with_extension("away")).unwrap();
        let gone = library_after(&paths, &fifth);
        fs::rename(home.path().with_extension("away"), home.path()).unwrap();
        assert_eq!(state(&gone), [None, is("B2", true), None, None, is("E1", true)]);
        assert_eq!(library_after(&[], &gone).iter().count(), Library::builtin().iter().count(), "no folder is named");
    }

    #[test]
    fn an_id_stays_with_the_file_that_had_it() {
        let home = folder(&[("a.md", &page("a")), ("b.md", &page("b"))]);
        let paths = [home.path().to_owned()];
        let first = library(&paths);
        assert_eq!(first.mistakes(), []);
        fs::write(home.path().join("a.md"), page("b")).unwrap();
        let second = library_after(&paths, &first);
        assert_eq!(shown(&second, "a"), Some(("A".to_owned(), true)), "{:?}", second.mistakes());
        assert_eq!(shown(&second, "b"), Some(("A".to_owned(), false)));
        assert_eq!(second.get("b").unwrap().path, Some(home.path().join("b.md")));
        // They change places.
        fs::write(home.path().join("b.md"), page("a")).unwrap();
        let third = library_after(&paths, &second);
        assert_eq!(third.mistakes(), []);
        assert_eq!(third.get("a").unwrap().path, Some(home.path().join("b.md")));
        // A page is called otherwise while its file cannot be read: the new file has the id.
        fs::write(home.path().join("b.md"), page("a").replace("risk: low", "risk: lo")).unwrap();
        fs::write(home.path().join("c.md"), page("a")).unwrap();
        let fourth = library_after(&paths, &third);
        assert_eq!(fourth.get("a").unwrap().path, Some(home.path().join("c.md")));
        assert_eq!(fourth.mistake("a"), None);
        assert_eq!(fourth.unread().count(), 1);
        assert!(fourth.absent("none").starts_with("there is no runbook"));
    }

    #[test]
    fn what_others_can_change_is_refused_with_the_mend() {
        let folder = folder(&[("a.md", &page("a")), ("open/b.md", &page("b"))]);
        mode(&folder.path().join("a.md"), 0o664);
        mode(&folder.path().join("open"), 0o777);
        let library = library(&[folder.path().to_owned()]);
        let troubles: Vec<String> = library.mistakes().iter().map(ToString::to_string).collect();
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
