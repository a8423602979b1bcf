//! The menu of Ctrl-C while a run is under way: over the lines of the step, which go on. No further step begins while it is open.

use crate::effect::RunAnswer;

/// What is asked.
pub(super) const MENU: &str = "Ctrl-C: the step goes on, and no other one begins meanwhile.
  Enter   finish this step, then stop
  cancel  end it now, and say what is left of it (docker and http can't be ended)
  undo    the same, and take back what was ended; where that takes a phrase it is asked for
  back    go on as before
stop, cancel, undo or back:";

/// What a line of it means; `None`: nothing that was asked.
pub(super) fn read(line: &str) -> Option<RunAnswer> {
    Some(match line.trim() {
        "" | "stop" => RunAnswer::Stop,
        "cancel" => RunAnswer::Cancel { undo: false },
        "undo" => RunAnswer::Cancel { undo: true },
        "back" => RunAnswer::Pause(false),
        _ => return None,
    })
}

/// What is said when it was chosen.
pub(super) const fn said(answer: &RunAnswer) -> &'static str {
    match answer {
        RunAnswer::Cancel { .. } => "what is in flight is cut off. Ctrl-C once more leaves it as it is",
        RunAnswer::Pause(_) => "it goes on",
        _ => {
            "stops before the next change; what is in flight is finished and verified. Ctrl-C once more leaves it as it is"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_finishes_the_step_and_what_was_not_asked_is_no_answer() {
        assert_eq!((read(""), read("stop")), (Some(RunAnswer::Stop), Some(RunAnswer::Stop)));
        assert_eq!(read(" cancel "), Some(RunAnswer::Cancel { undo: false }));
        assert_eq!(read("undo"), Some(RunAnswer::Cancel { undo: true }));
        assert_eq!(read("back"), Some(RunAnswer::Pause(false)));
        for wrong in ["y", "cancel now", "CANCEL", "b"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
