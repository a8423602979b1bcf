//! Breaking the glass: one person does what the policy wants two for, gives a reason, and everybody sees it afterwards.
//!
//! It stands in for the second person, and for nothing else: `--read-only`, the write lock, a plan that is blocked, the phrase and
//! the checks before each step hold as ever. Whoever configures can forbid it.

use super::Refusal;
use crate::domain::reason;
use crate::domain::risk::{BreakGlass, Policy};

/// A reason that counts. Made by [`Glass::broken`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glass {
    reason: String,
}

impl Glass {
    /// Takes a reason, as [`reason::read`] has it.
    ///
    /// # Errors
    /// When the policy forbids it, or when that is no reason.
    pub fn broken(reason: &str, policy: Policy) -> Result<Self, Refusal> {
        if policy.break_glass == BreakGlass::Refuse {
            return Err(Refusal::GlassForbidden);
        }
        reason::read(reason).map(|reason| Self { reason }).ok_or(Refusal::NoReason)
    }

    /// Why it was broken.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_the_policy_can_forbid_it() {
        let policy = Policy::default();
        let given = Glass::broken("  the primary is\n down ", policy);
        assert_eq!(given.unwrap().reason(), "the primary is down");
        for none in ["", "urgent", "aaaaaaaaaaaaaaa", "a b", "         \n   ", &"a b".repeat(400)] {
            assert_eq!(Glass::broken(none, policy), Err(Refusal::NoReason), "{none:?}");
        }
        let forbids = Policy { break_glass: BreakGlass::Refuse, ..policy };
        assert_eq!(Glass::broken("the primary is down", forbids), Err(Refusal::GlassForbidden));
    }
}
