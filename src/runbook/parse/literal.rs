//! Secrets that were written into a page: a password in a fence, a token anywhere. What is found is never repeated.

use super::Faults;
use super::body::Draft;
use crate::redact::secret_shapes;
use regex::Regex;
use std::sync::LazyLock;

/// Tokens that tell by their shape what they are.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}",
        r"|xox[abprs]-[A-Za-z0-9-]{10,}|sk_live_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+)",
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----",
    ))
    .ok()
});

/// Reports them.
pub(super) fn find(source: &str, draft: &Draft, faults: &mut Faults<'_>) {
    let mut places: Vec<usize> = TOKENS.iter().flat_map(|tokens| tokens.find_iter(source)).map(|m| m.start()).collect();
    for fence in draft.steps.iter().flat_map(|step| &step.fences) {
        let spots = secret_shapes(&fence.body).into_iter().filter(|spot| is_literal(&fence.body[spot.clone()]));
        places.extend(spots.map(|spot| fence.body_at + spot.start));
    }
    places.sort_unstable();
    places.dedup();
    for at in places {
        let mend = "name it under `secrets`, define it in the config, and change it: it was written down";
        faults.at(at, "this looks like a secret", mend);
    }
}

/// It is the value itself, and not a variable, a parameter, a hole or an ellipsis.
fn is_literal(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    let refers = value.starts_with(['$', ':', '<', '`', '@', '%', '‹', '…', '*', '(', ')']) || value.contains("{{");
    !refers && !value.is_empty() && value.chars().any(char::is_alphanumeric)
}
