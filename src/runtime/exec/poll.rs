//! What `wait` and `verify` see while they ask again and again: a line for each look that finds something else than the one before.

use super::scene::Truth;
use crate::runbook::expr::Condition;
use crate::runbook::language::sql;
use crate::runbook::model::Fence;
use crate::steps::Found;
use std::time::Duration;

/// Who is told.
pub(super) type Told<'a> = &'a (dyn Fn(String) + Send + Sync);

/// The looks of one fence.
#[derive(Default)]
pub(super) struct News {
    looks: u64,
    said: String,
}

impl News {
    /// `wait, look 3: `rows[0].n == 0` is not true: 1 row {"n":4}`; `None`: that was said, or it is asked once alone. `holds`: it has been true
    /// for so long.
    pub(super) fn line(
        &mut self,
        fence: &Fence,
        truth: &Truth,
        value: Option<&str>,
        holds: Option<Duration>,
    ) -> Option<String> {
        fence.attrs.every?;
        self.looks += 1;
        let said = match truth {
            Truth::Yes(text, _) if fence.attrs.hold.is_some() => format!("true: {text}"),
            Truth::Yes(text, _) => text.clone(),
            Truth::Warns(text) | Truth::No(text) | Truth::Never(text) | Truth::Unclear(text) => text.clone(),
        };
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        let said = format!("{said}{value}");
        let held = match (holds, fence.attrs.hold) {
            (Some(since), Some(hold)) => format!(" (for {} of {} s)", since.as_secs(), hold.as_secs()),
            _ => String::new(),
        };
        let news = format!("{said}{held}");
        if news == self.said {
            return None;
        }
        self.said.clone_from(&news);
        Some(format!("{}, look {}: {news}", fence.role.word(), self.looks))
    }
}

/// `wait: until `rows[0].n == 0` on primary, every 2s, at most 60s`: what is waited for, and for how long; `None`: it is asked once alone.
pub(super) fn waits(fence: &Fence, condition: &Condition, limit: Duration) -> Option<String> {
    let every = fence.attrs.every?;
    let (role, on) = (fence.role.word(), &fence.attrs.on);
    let hold = fence.attrs.hold.map(|hold| format!(" for {hold:?}")).unwrap_or_default();
    Some(format!("{role}: until `{condition}`{hold} on {on}, every {every:?}, at most {limit:?}"))
}

/// The first row of a database's answer, whose text only counts them.
pub(super) fn value(fence: &Fence, found: &Found) -> Option<String> {
    fence.attrs.every.filter(|_| fence.language.name == sql::LANGUAGE.name)?;
    found.rows.first().map(ToString::to_string)
}
