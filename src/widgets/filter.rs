//! A filter of words: all must occur, `!word` must not. Case does not matter.

/// A parsed filter. Empty: everything passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    words: Vec<(bool, String)>,
}

impl Filter {
    /// From what was typed. A lone `!` is not a word yet.
    pub fn parse(text: &str) -> Self {
        let word = |word: &str| match word.strip_prefix('!') {
            Some(rest) => (false, rest.to_lowercase()),
            None => (true, word.to_lowercase()),
        };
        Self { words: text.split_whitespace().map(word).filter(|(_, word)| !word.is_empty()).collect() }
    }

    /// Nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a row's text (in lower case) passes.
    pub fn passes(&self, lowercase: &str) -> bool {
        self.words.iter().all(|(wanted, word)| lowercase.contains(word.as_str()) == *wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn words_and_not() {
        let filter = Filter::parse("API !db ! ");
        assert!(filter.passes("game-1/api running"));
        assert!(!filter.passes("game-1/api-db running"));
        assert!(!filter.passes("nginx"));
        assert!(Filter::parse("  ").is_empty());
    }
}
