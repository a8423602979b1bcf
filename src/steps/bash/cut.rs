//! Ending a script that is under way, with all that it began, and looking what is left: for a cancel.

use super::script::{self, Told};
use super::{Answer, by_key};
use crate::domain::text::clean;
use crate::steps::{Call, Cut};
use std::time::Duration;

/// The longest that it may take over there.
const LIMIT: Duration = Duration::from_secs(12);

/// What came of it, as far as the host says.
pub(super) async fn cut(call: &Call<'_>) -> Cut {
    let unclear = |why: &str| Cut::StillRunning(format!("nobody can tell on {} what is left of it{why}", call.on));
    match by_key(call, &script::cut(), LIMIT).await {
        Ok(Answer { told: Told::Ended(0), stdout, .. }) if stdout.trim().is_empty() => {
            Cut::Gone(format!("nothing of it is left on {}", call.on))
        }
        Ok(Answer { told: Told::Ended(0), stdout, .. }) => {
            let pids = stdout.split_whitespace().collect::<Vec<_>>().join(", ");
            Cut::StillRunning(format!("{} on {}", clean(&pids), call.on))
        }
        Ok(_) => unclear(""),
        Err(why) => unclear(&format!(": {why}")),
    }
}
