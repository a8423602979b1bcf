//! Issues of the repository, as far as runbooks open, comment and close them.

use std::collections::BTreeMap;

/// The number of the first one; what came before them are pull requests.
const FIRST: u64 = 71;

/// One.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// One line.
    pub title: String,
    /// What it says.
    pub body: String,
    /// By name.
    pub labels: Vec<String>,
    /// Oldest first: the second of the world, and what it says.
    pub comments: Vec<(i64, String)>,
    /// The second of the world at which it was opened.
    pub opened: i64,
    /// Nobody works on it any more.
    pub closed: bool,
}

/// What is done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A new one, as it is.
    Open(Issue),
    /// A comment to one.
    Comment(u64, String),
    /// One is done with.
    Close(u64),
}

/// All of them, by number.
pub type Issues = BTreeMap<u64, Issue>;

/// Does it, at that second.
///
/// # Errors
/// When there is no issue of that number.
pub(super) fn take(issues: &mut Issues, said: Said, at: i64) -> Result<(), String> {
    let missing = |number| format!("there is no issue {number}");
    match said {
        Said::Open(issue) => {
            let number = issues.keys().last().map_or(FIRST, |last| last + 1);
            issues.insert(number, Issue { opened: at, ..issue });
        }
        Said::Comment(number, body) => {
            issues.get_mut(&number).ok_or_else(|| missing(number))?.comments.push((at, body));
        }
        Said::Close(number) => issues.get_mut(&number).ok_or_else(|| missing(number))?.closed = true,
    }
    Ok(())
}
