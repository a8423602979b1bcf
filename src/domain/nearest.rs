//! "Did you mean": the known name that a mistyped one was meant to be.

/// The name among `known` that `word` is nearest to (Damerau–Levenshtein, by length), when it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(word, name), name));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= 0.5).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_another_word_finds_none() {
        assert_eq!(nearest("intervall", ["interval", "timeout"]), Some("interval"));
        assert_eq!(nearest("tiemout", ["interval", "timeout"]), Some("timeout"));
        assert_eq!(nearest("colour", ["interval", "timeout"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
