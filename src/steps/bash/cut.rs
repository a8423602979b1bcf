//! Ending a script that is under way, with all that it began, and looking what is left: for a cancel.

use super::script::Told;
use super::{Answer, by_key};
use crate::domain::text::clean;
use crate::steps::{Call, Cut};
use std::time::Duration;

/// The longest that it may take over there.
const LIMIT: Duration = Duration::from_secs(12);

/// Ends what a key is known by, politely at first, and says what survives, as ids; ends with 3 where nobody can tell. One `grep` looks at all
/// processes: a machine may have thousands.
const CUT: &str = r#"[ -e /proc/self/environ ] || exit 3
left() {
  grep -lzsxF -- "QUARTERDECK_STEP=$key" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
    printf '%s ' "$pid"
  done
}
for signal in TERM KILL; do
  for tries in 1 2 3 4 5 6; do
    pids=$(left)
    [ -n "$pids" ] || exit 0
    if [ "$tries" = 1 ]; then kill -s "$signal" $pids 2>/dev/null || true; fi
    sleep 0.4
  done
done
left"#;

/// What came of it, as far as the host says.
pub(super) async fn cut(call: &Call<'_>) -> Cut {
    let unclear = |why: &str| Cut::StillRunning(format!("nobody can tell on {} what is left of it{why}", call.on));
    match by_key(call, CUT, LIMIT).await {
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
