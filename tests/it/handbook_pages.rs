//! What holds for every shipped page, whatever it does: somebody follows it at night.

use quarterdeck::runbook::Library;
use quarterdeck::runbook::model::{Fence, OnFail, ParamType, Role, Runbook};
use std::sync::Arc;
use std::time::Duration;

/// The fences of a page, in its order.
fn fences(runbook: &Runbook) -> Vec<&Fence> {
    runbook.steps.iter().flat_map(|step| &step.fences).collect()
}

fn pages() -> Vec<Arc<Runbook>> {
    Library::builtin().iter().cloned().collect()
}

/// A plan asks all checks. Those that come after something was stopped or cut off would keep whoever has to stop it waiting.
#[test]
fn no_plan_waits_for_a_slow_look_behind_the_first_change() {
    let mut slow = Vec::new();
    for runbook in pages() {
        let fences = fences(&runbook);
        let first = fences.iter().position(|fence| fence.role == Role::Run).unwrap_or(fences.len());
        let late = fences[first..].iter().filter(|fence| matches!(fence.role, Role::Check | Role::Plan));
        let waits = late.filter(|fence| fence.attrs.on_fail != Some(OnFail::Continue));
        let is_slow = waits.filter(|fence| fence.attrs.timeout > Duration::from_secs(60));
        slow.extend(is_slow.map(|fence| format!("{}:{}", runbook.id, fence.line)));
    }
    assert_eq!(slow, Vec::<String>::new(), "take `verify` where it must hold, `on-fail=continue` where it only tells");
}

/// A run whose limit is over begins no change: that must not happen to one in which every step kept to its own time.
#[test]
fn a_limit_is_no_shorter_than_what_comes_before_the_last_change() {
    for runbook in pages() {
        let Some(minutes) = runbook.limits.minutes else { continue };
        let fences = fences(&runbook);
        let Some(last) = fences.iter().rposition(|fence| fence.role == Role::Run) else { continue };
        let before = fences[..last].iter().filter(|fence| fence.role != Role::Undo);
        let parts: Duration = before.map(|fence| fence.attrs.timeout).sum();
        let limit = Duration::from_secs(minutes * 60);
        assert!(limit >= parts, "{}: {minutes} minutes, and its parts may take {} s", runbook.id, parts.as_secs());
    }
}

/// What many people read is written by somebody, now: there is no default for it, and no undo says something by itself.
#[test]
fn nothing_is_published_that_nobody_wrote() {
    let told = [
        "status-open",
        "status-update",
        "status-resolve",
        "status-withdraw",
        "incident-channel",
        "webhook-notify",
        "maintenance-schedule",
        "maintenance-emergency",
        "maintenance-finish",
    ];
    for runbook in pages().into_iter().filter(|runbook| told.contains(&runbook.id.as_str())) {
        let words = runbook.params.iter().find(|param| param.name == "message" || param.name == "done");
        let words = words.unwrap_or_else(|| panic!("{} has words", runbook.id));
        assert!(words.required && words.default.is_none(), "{}: {} has a default", runbook.id, words.name);
        let undo =
            fences(&runbook).into_iter().filter(|fence| fence.role == Role::Undo && fence.language.name == "http");
        let says = undo.filter(|fence| fence.body.contains("\"message\"") || fence.body.contains("\"text\""));
        assert_eq!(says.count(), 0, "{}: its undo publishes words", runbook.id);
    }
}

/// An address of IPv6 in front of a port stands in brackets.
#[test]
fn no_script_writes_an_address_in_front_of_a_port_as_it_is() {
    for runbook in pages() {
        for param in &runbook.params {
            let bare = [format!("${}_addr:", param.name), format!("${{{}_addr}}:", param.name)];
            let bare = if param.kind == ParamType::Address { vec![format!("${}:", param.name)] } else { bare.to_vec() };
            let scripts = fences(&runbook).into_iter().filter(|fence| fence.language.name == "bash");
            for fence in scripts {
                let found = bare.iter().find(|bare| fence.body.contains(*bare));
                assert_eq!(found, None, "{}: {}", runbook.id, fence.body);
            }
        }
    }
}

/// A lock of somebody whose run waits for an answer, or was cut off, keeps nobody from cutting servers off.
#[test]
fn an_isolation_waits_for_no_lock() {
    let runbook = pages().into_iter().find(|runbook| runbook.id == "dr-ransomware").unwrap();
    assert!(runbook.lock.is_empty(), "{:?}", runbook.lock);
}

/// What comes after a change that is live and proved must not offer to take that back.
#[test]
fn what_only_cleans_up_or_reports_stops_nothing() {
    for (id, heading) in [
        ("deploy-standard", "Remove images"),
        ("deploy-standard", "Delete them"),
        ("deploy-hotfix", "Make the report"),
        ("maintenance-finish", "In the issue"),
    ] {
        let runbook = pages().into_iter().find(|runbook| runbook.id == id).unwrap();
        let step = runbook.steps.iter().find(|step| step.title.starts_with(heading)).unwrap();
        let run = step.run().unwrap();
        assert_eq!(run.attrs.on_fail, Some(OnFail::Continue), "{id}: {heading}");
        assert!(!step.fences.iter().any(|fence| fence.role == Role::Undo), "{id}: {heading}");
    }
}
