//! Reads every runbook of `tests/corpora/runbooks`: each valid one without a problem, each invalid one with exactly the
//! problems in the `.txt` beside it.

use super::parse;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/runbooks").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_valid_runbook_is_read() {
    let files = files("valid");
    assert!(files.len() >= 3);
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        if let Err(problems) = parse(&name(&path), &source) {
            panic!("{problems}");
        }
    }
}

#[test]
fn every_invalid_runbook_has_its_whole_message() {
    let files = files("invalid");
    assert!(files.len() >= 80);
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let problems = parse(&name(&path), &source).expect_err(&name(&path)).to_string();
        let wanted = fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        assert_eq!(problems, wanted.trim_end(), "\n{problems}\n");
    }
}
