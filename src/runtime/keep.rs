//! Files in the state folder that are not the journal: what was copied to a file, named views, the screen as it was left. Readable by their
//! owner alone.

use crate::domain::view::View;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Named views.
const VIEWS: &str = "views.toml";
/// The screen as it was left.
const LEFT: &str = "left.toml";
/// Files of one name and second, at most.
const SAME_NAME: u32 = 100;

/// Writes a file that was not there before; one that was is kept, and the new one gets a number.
///
/// # Errors
/// In a sentence that says how to mend it.
pub fn new_file(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let failed = |path: &Path, error: &std::io::Error| {
        format!("{} can't be written: {error}; make room or mend its rights, or copy to the clipboard", path.display())
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, &error))?;
    for number in 1..=SAME_NAME {
        let path = folder.join(numbered(name, number));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(|error| failed(&path, &error))?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    Err(format!("there are {SAME_NAME} files like {name} in {}: try again in a second", folder.display()))
}

/// The views that were saved here, on their way to the disk.
#[derive(Debug, Default)]
pub struct KeptViews(Mutex<Option<Vec<View>>>);

/// The file of named views: what `[[view]]` of a config holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewFile {
    #[serde(default)]
    view: Vec<View>,
}

impl KeptViews {
    /// These are to be written next.
    pub fn next(&self, views: Vec<View>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(views);
    }

    /// Writes the newest list, if nobody has yet.
    ///
    /// # Errors
    /// In a sentence that says how to mend it.
    pub fn write(&self, home: &Path) -> Result<(), String> {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        next.take().map_or(Ok(()), |view| write_views(&home.join(VIEWS), view))
    }
}

/// Keeps the screen as it was left.
///
/// # Errors
/// In a sentence that says how to mend it.
pub fn write_left(home: &Path, view: View) -> Result<(), String> {
    write_views(&home.join(LEFT), vec![view])
}

/// The views that were saved here, and the screen as it was left. A file that can't be read is set aside, and told.
pub fn read(home: &Path, troubles: &mut Vec<String>) -> (Vec<View>, Option<View>) {
    let mut views = |name: &str| {
        read_views(&home.join(name)).unwrap_or_else(|why| {
            troubles.push(why);
            Vec::new()
        })
    };
    (views(VIEWS), views(LEFT).pop())
}

fn read_views(path: &Path) -> Result<Vec<View>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} can't be read: {error}; its views are missing", path.display())),
    };
    toml::from_str::<ViewFile>(&text).map(|file| file.view).map_err(|error| {
        let aside = path.with_extension("toml.broken");
        let what = format!("{} is not what was written there: {}", path.display(), error.message());
        match std::fs::rename(path, &aside) {
            Ok(()) => format!("{what}; it is set aside as {}", aside.display()),
            Err(error) => format!("{what}; it can't be set aside: {error}"),
        }
    })
}

/// In one step, so that a crash leaves the old file or the new one.
fn write_views(path: &Path, view: Vec<View>) -> Result<(), String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("{} can't be written: {error}; the views are not kept", path.display());
    let text = toml::to_string(&ViewFile { view }).map_err(|error| failed(&error))?;
    let folder = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// `a.txt`, `a-2.txt`, `a-3.txt`.
fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        _ if number == 1 => name.to_owned(),
        Some((stem, ending)) => format!("{stem}-{number}.{ending}"),
        None => format!("{name}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_private_and_none_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/saved");
        let first = new_file(&folder, "rows.txt", "one").unwrap();
        let second = new_file(&folder, "rows.txt", "two").unwrap();
        assert_eq!(
            (first.file_name().unwrap(), second.file_name().unwrap()),
            ("rows.txt".as_ref(), "rows-2.txt".as_ref())
        );
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "one");
        for (path, mode) in [(&folder, 0o700), (&first, 0o600)] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn views_come_back_and_a_broken_file_is_set_aside() {
        let home = tempfile::tempdir().unwrap();
        let view = View { name: "hot".to_owned(), zoom: true, ..View::default() };
        let kept = KeptViews::default();
        kept.next(Vec::new());
        kept.next(vec![view.clone()]);
        kept.write(home.path()).unwrap();
        kept.write(home.path()).unwrap();
        write_left(home.path(), View::default()).unwrap();
        let mut troubles = Vec::new();
        assert_eq!(read(home.path(), &mut troubles), (vec![view], Some(View::default())));
        assert_eq!(std::fs::metadata(home.path().join(VIEWS)).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(home.path().join(VIEWS), "[[view]]\nname = 7").unwrap();
        assert_eq!(read(home.path(), &mut troubles).0, []);
        assert!(
            troubles[0].contains("views.toml is not what was written there") && troubles[0].contains("set aside"),
            "{troubles:?}"
        );
        assert!(home.path().join("views.toml.broken").exists() && !home.path().join(VIEWS).exists());
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_told() {
        let why = new_file(Path::new("/proc/nowhere"), "rows.txt", "one").unwrap_err();
        assert!(why.starts_with("/proc/nowhere can't be written: ") && why.contains("copy to the clipboard"), "{why}");
    }
}
