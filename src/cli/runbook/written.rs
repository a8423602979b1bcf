//! The steps of a runbook as they are written, for who reads it in a terminal.

use crate::domain::text;
use crate::runbook::model::{Attrs, Fence, Step};
use crate::runbook::words::{self, LEVELS, NODATA, ON_DISCONNECT, ON_FAIL, ON_TIMEOUT};
use std::fmt::Write as _;

/// What a fence demands when it says nothing: that is not told.
const USUAL: [&str; 2] = ["rc == 0", "value == 1.0"];

/// A step: its fences, each with what is behind its backticks.
pub(super) fn step(step: &Step) -> String {
    let kind = if step.is_manual() { "by hand" } else { "step" };
    let mut out = format!("\n{kind} {}: {}\n", step.id, text::clean(&step.title));
    for Fence { language, role, attrs, body, .. } in &step.fences {
        let (limit, on) = (attrs.timeout.as_secs_f64(), attrs.on.to_string());
        let _ = writeln!(out, "  {} {} on {}, at most {limit} s", language.name, role.word(), text::clean(&on));
        let how = attributes(attrs).join(" ");
        if !how.is_empty() {
            let _ = writeln!(out, "    {}", text::clean(&how));
        }
        for line in body.lines() {
            let _ = writeln!(out, "    {}", text::clean(line));
        }
    }
    out
}

/// The attributes that say when a fence counts, how it is sent and what follows, as a page has them.
fn attributes(attrs: &Attrs) -> Vec<String> {
    let condition = |key: &str, text: Option<String>| text.map(|text| format!("{key}=({text})"));
    let word = |key: &str, word: Option<&str>| word.map(|word| format!("{key}={word}"));
    let expect = attrs.expect.as_ref().map(ToString::to_string).filter(|text| !USUAL.contains(&text.as_str()));
    let [every, hold] = [attrs.every, attrs.hold].map(|span| span.map(|span| format!("{span:?}")));
    let all = [
        condition("if", attrs.when.as_ref().map(ToString::to_string)),
        condition("until", attrs.until.as_ref().map(ToString::to_string)),
        condition("expect", expect),
        word("every", every.as_deref()),
        word("for", hold.as_deref()),
        word("confirm", attrs.confirm.and_then(|level| words::word(&LEVELS, &level))),
        word("on-fail", attrs.on_fail.and_then(|what| words::word(&ON_FAIL, &what))),
        word("on-timeout", attrs.on_timeout.and_then(|what| words::word(&ON_TIMEOUT, &what))),
        word("on-disconnect", attrs.on_disconnect.and_then(|what| words::word(&ON_DISCONNECT, &what))),
        word("nodata", attrs.nodata.and_then(|what| words::word(&NODATA, &what))),
        word("dir", attrs.dir.as_deref()),
        word("sudo", attrs.sudo.as_deref()),
        word("via", attrs.via_ssh.then_some("ssh")),
        attrs.undo_none.then(|| "undo=none".to_owned()),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::Library;

    /// What is printed of a fence of a shipped page, without its body.
    fn told(id: &str, title: &str) -> Vec<String> {
        let library = Library::builtin();
        let of = library.get(id).unwrap().steps.iter().find(|step| step.title.starts_with(title)).unwrap();
        of.fences.iter().map(|fence| attributes(&fence.attrs).join(" ")).collect()
    }

    #[test]
    fn when_a_fence_counts_and_how_it_is_sent_is_told() {
        let of = told("high-error-rate", "Roll back the last");
        assert_eq!(of[0], "if=(which_way == 'roll back') dir=/opt/spacetime/production");
        assert_eq!(told("high-error-rate", "What changed"), ["on-fail=continue dir=/opt/spacetime/production"]);
        let of = told("db-backup", "Write the dump");
        assert!(of.iter().all(|how| how.contains("sudo=postgres")), "{of:?}");
        let of = told("rollback-quick", "Roll back");
        assert_eq!(of[1], "until=(status == 200 && has(json.version)) every=500ms for=3s");
        let of = told("rollback-migration", "Roll back to the");
        assert!(of.iter().any(|how| how.starts_with("confirm=typed")), "{of:?}");
    }
}
