//! The words of a filter, looked for in runbooks: with gaps in what one is called, as they are in what it says.

use crate::runbook::Runbook;
use crate::widgets::filter::Filter;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// What is searched for: words that stand, fuzzily, in the title, the id, an alert or the owner, or as they are in the text.
pub(super) struct Search {
    wanted: Vec<(Pattern, String)>,
    unwanted: Vec<String>,
    matcher: Matcher,
    buffer: Vec<char>,
}

impl Search {
    pub(super) fn new(filter: &Filter) -> Self {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for (is_wanted, word) in filter.words() {
            let word = word.into_owned();
            if is_wanted {
                let pattern = Pattern::new(&word, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
                wanted.push((pattern, word));
            } else {
                unwanted.push(word);
            }
        }
        Self { wanted, unwanted, matcher: Matcher::new(Config::DEFAULT), buffer: Vec::new() }
    }

    /// How well a runbook fits all words; `None`: one of them does not stand in it.
    pub(super) fn score(&mut self, runbook: &Runbook) -> Option<u32> {
        let alerts = runbook.alerts.iter().map(|glob| glob.0.as_str());
        let heads: Vec<&str> = [&*runbook.title, &*runbook.id, &*runbook.owner].into_iter().chain(alerts).collect();
        self.of_heads(&heads, &runbook.source)
    }

    /// The same of anything: what it is called, and its text.
    pub(super) fn of_heads(&mut self, heads: &[&str], text: &str) -> Option<u32> {
        if self.wanted.is_empty() && self.unwanted.is_empty() {
            return Some(0);
        }
        let text = text.to_lowercase();
        if self.unwanted.iter().any(|word| text.contains(word.as_str())) {
            return None;
        }
        let mut sum = 0;
        for (pattern, word) in &self.wanted {
            let scores =
                heads.iter().filter_map(|head| pattern.score(Utf32Str::new(head, &mut self.buffer), &mut self.matcher));
            // Found in the text alone it comes after what is called so.
            sum += scores.max().or_else(|| text.contains(word.as_str()).then_some(0))?;
        }
        Some(sum)
    }
}
