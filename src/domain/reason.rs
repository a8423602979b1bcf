//! Why somebody did what needs a reason: it is recorded, and read by whoever comes after. One rule for all of them: to skip a step, to go on
//! all the same, to give a run up, to take one over, to say what was seen, to break the glass.

use super::text::clean;

/// Shortest reason, in characters: long enough to say something to who reads it tomorrow.
const SHORTEST: usize = 10;
/// Longest reason, in characters.
const LONGEST: usize = 500;

/// What is said of one that does not count.
pub const WANTED: &str = "say why, in at least two words and 10 characters (500 at most): it is recorded";

/// A reason in one line; `None`: it is none. One has at least two words and ten characters, 500 at most.
pub fn read(text: &str) -> Option<String> {
    let reason = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let counts = (SHORTEST..=LONGEST).contains(&reason.chars().count()) && reason.contains(' ');
    counts.then_some(reason)
}

/// The same, made harmless for a record.
///
/// # Errors
/// [`WANTED`], when it is none.
pub fn given(text: &str) -> Result<String, String> {
    read(text).map(|reason| clean(&reason).into_owned()).ok_or_else(|| WANTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_two_words_and_says_something() {
        assert_eq!(given("  the owner\n is away ").as_deref(), Ok("the owner is away"));
        for none in ["", "known", "no idea", "because-it-is-so", "a b", "  \t  ", &"a b".repeat(400)] {
            assert_eq!(given(none), Err(WANTED.to_owned()), "{none:?}");
        }
    }
}
