//! Why somebody did what needs a reason: it is recorded, and read by whoever comes after.

/// Shortest reason, in characters: long enough to say something to who reads it tomorrow.
const SHORTEST: usize = 10;
/// Longest reason, in characters.
const LONGEST: usize = 500;

/// A reason in one line; `None`: it is none. One has at least two words and ten characters, 500 at most.
pub fn read(text: &str) -> Option<String> {
    let reason = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let counts = (SHORTEST..=LONGEST).contains(&reason.chars().count()) && reason.contains(' ');
    counts.then_some(reason)
}
