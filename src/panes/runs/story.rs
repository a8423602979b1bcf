//! One run as text: who, what, each step with what was sent and what came back.

use crate::runbook::RunView;
use crate::theme::Role;
use crate::widgets::wrap;

/// Adds a run's lines, broken to `width` cells.
pub(super) fn tell(out: &mut Vec<(Role, String)>, run: &RunView, width: usize) {
    let mut put = |role: Role, text: &str, indent: usize| {
        let mut lines = Vec::new();
        wrap::lines(&mut lines, text, width, indent);
        out.extend(lines.into_iter().map(|line| (role, line)));
    };
    put(Role::Title, &run.title, 2);
    put(Role::Muted, &format!("run {} by {} in {}, answered {:?}", run.id, run.actor, run.env, run.answer), 2);
    if !run.params.is_empty() {
        let params: Vec<_> = run.params.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        put(Role::Muted, &params.join(", "), 2);
    }
    if let Some(clock) = &run.clock {
        put(Role::SeverityWarning, &format!("! its times are by a clock {clock} the journal server's"), 2);
    }
    if let Some(reason) = &run.glass {
        put(Role::SeverityCritical, &format!("▲ BREAK-GLASS, one person for two: {reason}"), 2);
    }
    if let Some(by) = &run.approved {
        put(Role::Text, &format!("approved by {by}"), 2);
    }
    if let Some(verdict) = run.verdict() {
        put(run.severity().into(), &verdict, 2);
    }
    for step in 0..run.steps.len() {
        put(Role::Text, "", 0);
        tell_step(&mut put, run, step);
    }
}

fn tell_step(put: &mut impl FnMut(Role, &str, usize), run: &RunView, number: usize) {
    let step = &run.steps[number];
    let at = step.at.map(|at| format!("  {}", at.strftime("%H:%M:%SZ"))).unwrap_or_default();
    put(step.severity().into(), &format!("{:9} {}{at}", run.step_word(number), step.title), 10);
    if !step.target.is_empty() {
        put(Role::Muted, &format!("          on {}", step.target), 10);
    }
    if let Some(detail) = step.told() {
        put(Role::Text, &format!("          {detail}"), 10);
    }
    for (label, text) in [("sent", &step.sent), ("output", &step.output)] {
        if !text.is_empty() {
            put(Role::Faint, &format!("          {label}:"), 10);
            for line in text.lines() {
                put(Role::Muted, &format!("          {line}"), 12);
            }
        }
    }
}
