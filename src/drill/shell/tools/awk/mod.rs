use super::super::state::{Outcome, Shell};
pub(super) fn awk(shell: &mut Shell<'_>, words: &[String]) -> Outcome { let _ = words; shell.wrong(2, "awk: stub") }
