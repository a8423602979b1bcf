//! Files in the state folder that are not the journal: what was copied to a file. Readable by their owner alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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
    fn a_folder_that_can_not_be_made_is_told() {
        let why = new_file(Path::new("/proc/nowhere"), "rows.txt", "one").unwrap_err();
        assert!(why.starts_with("/proc/nowhere can't be written: ") && why.contains("copy to the clipboard"), "{why}");
    }
}
