//! The plan, painted. What would be touched stands first, then what would be sent, then the page that the runbook is: a small
//! screen shows at once what the answer is about.

use super::dialog::{self, Lines, text_width};
use super::foot::Foot;
use super::overlay::wrap_into;
use crate::action::Action;
use crate::app::{PlanDialog, Reading, State};
use crate::domain::prose::BlockKind;
use crate::domain::risk::{BreakGlass, Level};
use crate::domain::text;
use crate::runbook::plan::{PlannedFence, PlannedStep, Rows, When};
use crate::runbook::script::Rolling;
use crate::runbook::{Draft, Plan, Role as FenceRole, Runbook, Writes};
use crate::theme::Role;
use crate::widgets::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;

/// Rows of the blast radius shown before "and N more".
const ROWS: usize = 200;
/// Lines of the runbook's summary above everything else; of a longer one the beginning, and the whole of it below.
const SUMMARY: usize = 3;
/// A column is not cut below this many cells: rather is the last one left out.
const COLUMN: usize = 12;

/// Paints the dialog.
pub fn draw(state: &State, plan: &PlanDialog, area: Rect, buf: &mut Buffer) {
    let lines = match &plan.told {
        Some(told) => told_lines(told, text_width(area)),
        None => lines(&plan.plan, plan.notice.as_deref(), &plan.labelled, text_width(area)),
    };
    let (role, ask) = ask(state, plan);
    let foot = Foot::new(area, (role, &ask), plan.refusal.as_deref(), plan.typed());
    let title = format!("plan: {}", plan.plan.body().runbook.title);
    let at = dialog::draw(state, area, buf, &title, &lines, &plan.scroll, foot.height());
    foot.draw(state, at, buf);
}

/// A runbook to be read before it is chosen.
pub fn draw_page(state: &State, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let mut lines = Lines::new();
    page(&mut lines, &reading.runbook, text_width(area), 0);
    let title = format!("{}  (Enter plans it, Esc goes back)", reading.runbook.id);
    dialog::draw(state, area, buf, &title, &lines, &reading.scroll, 0);
}

/// What others are told.
fn told_lines(told: &str, width: usize) -> Lines {
    let mut out = Lines::new();
    wrap_into(&mut out, Role::Text, told, width, 2);
    out
}

/// What to answer.
fn ask(state: &State, plan: &PlanDialog) -> (Role, String) {
    let more = if plan.can_change_params() {
        "Tab changes parameters, ctrl-y tells others. "
    } else {
        "ctrl-y tells others. "
    };
    if plan.told.is_some() {
        return (Role::Muted, "copied by OSC 52: this is what others are told. Esc goes back to the plan".to_owned());
    }
    if plan.reason.is_some() {
        let why = "why does one person do what takes two? It is recorded, and everybody sees it. Enter takes it, Esc goes back";
        return (Role::DialogDanger, why.to_owned());
    }
    if plan.writes == Writes::ReadOnly {
        let why = "this dashboard is read-only, so nothing can be run from here: start it without --read-only to act";
        (Role::DialogDanger, format!("{why}. {more}Esc leaves"))
    } else if !plan.plan.body().blocked.is_empty() {
        (Role::DialogDanger, format!("blocked: nothing can be run. {more}Esc leaves"))
    } else if plan.writes == Writes::Locked {
        let key = state.keymap.key_of(state.scope(), &Action::Writes).unwrap_or_default();
        (
            Role::DialogDanger,
            format!("writes are locked: {key} unlocks them, and comes back to this plan. {more}Esc leaves"),
        )
    } else if !plan.armed {
        (Role::Muted, "read the plan; it takes an answer in a moment".to_owned())
    } else if plan.lacks_second() {
        let alone = match state.policy.break_glass {
            BreakGlass::Allow => "! does it alone, for a reason that everybody sees (break-glass). ",
            BreakGlass::Refuse => "",
        };
        let why = "it takes a second person's approval, for which a team's journal must be configured";
        (Role::DialogDanger, format!("{why}. {alone}{more}Esc leaves"))
    } else if plan.plan.level() >= Level::Typed {
        let phrase = plan.plan.phrase().unwrap_or_default();
        (Role::DialogDanger, format!("to run it type  {phrase}  and press Enter. {more}Esc leaves"))
    } else {
        (Role::DialogDanger, format!("y runs it. {more}Esc leaves; Enter alone never acts"))
    }
}

/// A plan as text without colours, as wide as `width` columns: what the dialog shows.
pub fn plan_text(plan: &Plan<Draft>, notice: Option<&str>, width: usize) -> String {
    plain(lines(plan, notice, &BTreeMap::new(), width))
}

/// What a runbook says to people, as text without colours.
pub fn page_text(runbook: &Runbook, width: usize) -> String {
    let mut out = Lines::new();
    page(&mut out, runbook, width, 0);
    plain(out)
}

fn plain(lines: Lines) -> String {
    lines.into_iter().flat_map(|(_, line)| [text::clean(line.trim_end()).into_owned(), "\n".to_owned()]).collect()
}

/// `labelled`: where a parameter's value came from, of those that were not typed.
fn lines(plan: &Plan<Draft>, notice: Option<&str>, labelled: &BTreeMap<String, String>, width: usize) -> Lines {
    let mut out = Lines::new();
    let body = plan.body();
    if plan.takes_two() {
        wrap_into(
            &mut out,
            Role::SeverityWarning,
            "! it takes two people: one who asks, and one who approves",
            width,
            2,
        );
    }
    if let Some(notice) = notice {
        wrap_into(&mut out, Role::SeverityWarning, &format!("! {notice}"), width, 2);
    }
    for reason in &body.blocked {
        wrap_into(&mut out, Role::SeverityCritical, &format!("▲ blocked: {reason}"), width, 2);
    }
    for warning in &body.warnings {
        wrap_into(&mut out, Role::SeverityWarning, &format!("! {warning}"), width, 2);
    }
    let told = summary(&mut out, &body.runbook, width);
    let typed = body.params.iter().filter(|(name, _)| !labelled.contains_key(name));
    let params: Vec<String> = typed.map(|(name, text)| format!("{name} = {text}")).collect();
    wrap_into(&mut out, Role::Muted, &params.join("   "), width, 2);
    for (name, text) in &body.params {
        if let Some(from) = labelled.get(name) {
            wrap_into(&mut out, Role::SeverityInfo, &format!("i {name} = {text}  ({from})"), width, 2);
        }
    }
    let locks: Vec<String> = body.locks.iter().map(|lock| format!("{} ({})", lock.resource, lock.state())).collect();
    if !locks.is_empty() {
        wrap_into(&mut out, Role::Muted, &format!("locks {}", locks.join(", ")), width, 2);
    }
    for rolling in &body.script.rollings {
        batches(&mut out, rolling, width);
    }
    let steps = body.by_step();
    for members in &steps {
        affected(&mut out, members, width);
    }
    for members in steps.iter().filter(|members| !members[0].fences.is_empty()) {
        sent(&mut out, members, width);
    }
    page(&mut out, &body.runbook, width, usize::from(told));
    out.push((Role::Faint, String::new()));
    wrap_into(&mut out, Role::Faint, &format!("plan {}", &body.hash[..body.hash.len().min(16)]), width, 2);
    out
}

/// The first paragraph; true when it is whole.
fn summary(out: &mut Lines, runbook: &Runbook, width: usize) -> bool {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, &runbook.summary().unwrap_or_default(), width.saturating_sub(1), 0);
    let whole = lines.len() <= SUMMARY;
    if !whole {
        lines.truncate(SUMMARY - 1);
        lines[SUMMARY - 2].push('…');
    }
    out.extend(lines.into_iter().map(|line| (Role::Text, line)));
    whole
}

/// `Reload: 3 hosts in 2 batches`, and which in which.
fn batches(out: &mut Lines, rolling: &Rolling, width: usize) {
    out.push((Role::Text, String::new()));
    let number = rolling.batches();
    let plural = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let head = format!(
        "{}: {} in {}",
        rolling.title,
        plural(rolling.lanes.len(), "host", "hosts"),
        plural(number, "batch", "batches")
    );
    wrap_into(out, Role::DialogTitle, &text::clean(&head), width, 2);
    for batch in 0..number {
        let hosts: Vec<&str> = rolling.batch(batch).collect();
        wrap_into(out, Role::Text, &text::clean(&format!("batch {}  {}", batch + 1, hosts.join(", "))), width, 9);
    }
    wrap_into(out, Role::Muted, &terms(rolling), width, 2);
}

/// `no host may fail; 10s between batches; a person looks after batch 1`.
fn terms(rolling: &Rolling) -> String {
    let mut terms = vec![match rolling.max_fail {
        0 => "no host may fail".to_owned(),
        1 => "1 host may fail".to_owned(),
        count => format!("{count} hosts may fail"),
    }];
    if !rolling.pause.is_zero() {
        terms.push(format!("{:?} between batches", rolling.pause));
    }
    if let Some(after) = rolling.ask_after.filter(|after| *after < rolling.batches() as u64) {
        terms.push(format!("a person looks after batch {after}"));
    }
    terms.join("; ")
}

/// A step's targets with their addresses, and the rows that it would touch; nothing of a step that only looks.
fn affected(out: &mut Lines, members: &[&PlannedStep], width: usize) {
    let touched = |step: &&&PlannedStep| step.changes() || step.rows.is_some() || step.lost.is_some();
    let members: Vec<&&PlannedStep> = members.iter().filter(touched).collect();
    if members.iter().all(|step| step.lost.is_some()) {
        return;
    }
    if members.len() > 1 {
        out.push((Role::Text, String::new()));
        wrap_into(out, Role::DialogTitle, &format!("{}: {} hosts", members[0].title, members.len()), width, 2);
    }
    for step in &members {
        if members.len() == 1 {
            out.push((Role::Text, String::new()));
            wrap_into(out, Role::DialogTitle, &headline(&step.title, step), width, 2);
        } else if let Some(why) = &step.lost {
            wrap_into(out, Role::SeverityWarning, &format!("! {}: left out: {why}", step.target), width, 2);
        } else {
            wrap_into(out, Role::Text, &headline("", step), width, 2);
        }
        if let Some(rows) = &step.rows {
            table(out, rows, width);
        }
    }
}

/// `Kill the idle sessions: primary (10.0.1.4:5432)`.
fn headline(title: &str, step: &PlannedStep) -> String {
    let place = match (step.target.as_str(), step.address.as_str()) {
        (target, "") => target.to_owned(),
        (target, address) if address == target => target.to_owned(),
        (target, address) => format!("{target} ({address})"),
    };
    match (title, step.target.as_str()) {
        (title, "") => title.to_owned(),
        ("", _) => place,
        (title, _) => format!("{title}: {place}"),
    }
}

/// A step's fences as they are or would be sent, in the order in which that happens. What is the same on several hosts stands once.
fn sent(out: &mut Lines, members: &[&PlannedStep], width: usize) {
    let members: Vec<&PlannedStep> = members.iter().copied().filter(|step| step.lost.is_none()).collect();
    let Some(step) = members.first() else { return };
    out.push((Role::Text, String::new()));
    if let Some(why) = step.left_out() {
        return wrap_into(out, Role::Muted, &format!("left out: {}: {why}", step.title), width, 2);
    }
    let each = if members.len() > 1 { format!(", on each of {} hosts", members.len()) } else { String::new() };
    wrap_into(out, Role::DialogTitle, &format!("what is sent: {}{each}", step.title), width, 2);
    let mut all: Vec<&PlannedFence> = Vec::new();
    for at in 0..step.fences.len() {
        all.extend(members.iter().filter_map(|step| step.fences.get(at)));
    }
    for fences in all.chunk_by(|one, other| alike(one, other)).filter(|fences| fences[0].role != FenceRole::Undo) {
        fence_lines(out, fences, width);
    }
    if step.changes() {
        let undo = step.undo.as_deref().unwrap_or("cannot be undone");
        for (index, line) in undo.lines().enumerate() {
            let lead = if index == 0 { "undo   " } else { "       " };
            wrap_into(out, Role::Muted, &format!("{lead}{line}"), width, 9);
        }
    }
}

fn alike(one: &PlannedFence, other: &PlannedFence) -> bool {
    (one.role, &one.sent, &one.when) == (other.role, &other.sent, &other.when)
}

/// The same fence on one or several hosts.
fn fence_lines(out: &mut Lines, fences: &[&PlannedFence], width: usize) {
    let fence = fences[0];
    let role = if fence.role == FenceRole::Run { Role::SeverityWarning } else { Role::Muted };
    let label = format!("{:6} ", fence.role.word());
    match &fence.when {
        When::Always => {}
        When::Holds(condition) => wrap_into(out, Role::Muted, &format!("{label}because {condition}"), width, 9),
        When::Later(condition) => wrap_into(out, Role::Muted, &format!("{label}only if {condition}"), width, 9),
        When::LeftOut(why) => return wrap_into(out, Role::Muted, &format!("{label}left out: {why}"), width, 9),
    }
    for (index, line) in fence.sent.lines().enumerate() {
        let lead = if index == 0 { label.as_str() } else { "       " };
        wrap_into(out, role, &format!("{lead}{line}"), width, 9);
    }
    if let Some(holds) = &fence.holds {
        wrap_into(out, Role::Muted, &format!("       {holds}"), width, 9);
    }
    for fence in fences {
        let Some(finding) = &fence.finding else { continue };
        let (mark, role) = if finding.passed { ("✓", Role::SeverityOk) } else { ("✗", Role::SeverityCritical) };
        let on = if fences.len() > 1 { format!("{}: ", fence.on) } else { String::new() };
        wrap_into(out, role, &format!("       {mark} {on}{}", finding.text), width, 9);
    }
}

/// What the runbook says to people, but for the first so many blocks, which were told already.
fn page(out: &mut Lines, runbook: &Runbook, width: usize, mut told: usize) {
    for passage in &runbook.page {
        let blocks = &passage.blocks[std::mem::take(&mut told).min(passage.blocks.len())..];
        if blocks.is_empty() {
            continue;
        }
        out.push((Role::Text, String::new()));
        let heading = if passage.heading.is_empty() { &runbook.title } else { &passage.heading };
        wrap_into(out, Role::Title, heading, width, 2);
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 && !block.is_item() {
                out.push((Role::Text, String::new()));
            }
            let role = if block.kind == BlockKind::Code { Role::Code } else { Role::Text };
            let (pad, hang) = match block.kind {
                BlockKind::Item { depth, .. } => (2 * usize::from(depth), 2 * usize::from(depth) + 2),
                BlockKind::Code => (2, 4),
                BlockKind::Paragraph | BlockKind::Quote => (0, 0),
            };
            for line in block.text().lines() {
                wrap_into(out, role, &format!("{:pad$}{line}", ""), width, hang);
            }
        }
    }
}

/// The blast radius as a table: as many columns as fit, from the first.
fn table(out: &mut Lines, rows: &Rows, width: usize) {
    let heads: Vec<String> = rows.columns.iter().map(|name| text::clean(name).into_owned()).collect();
    let line = |row: &Value| rows.columns.iter().map(|name| cell(&row[name.as_str()])).collect();
    let shown: Vec<Vec<String>> = rows.rows.iter().take(ROWS).map(line).collect();
    let natural: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, name)| shown.iter().map(|row| row[at].width()).max().unwrap_or(0).max(name.width()))
        .collect();
    let widths = fit(&natural, width);
    let hidden = heads[widths.len()..].join(", ");
    let hidden = if hidden.is_empty() { hidden } else { format!(" (without {hidden}: no room)") };
    wrap_into(out, Role::SeverityInfo, &format!("{} affected{hidden}:", rows.rows.len()), width, 2);
    let join = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(text, width)| text::pad(&shortened(text, *width), *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    if !shown.is_empty() {
        out.push((Role::Faint, join(&heads)));
    }
    out.extend(shown.iter().map(|row| (Role::Text, join(row))));
    if rows.rows.len() > ROWS {
        out.push((Role::SeverityWarning, format!("… and {} more", rows.rows.len() - ROWS)));
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text::clean(text).into_owned(),
        Value::Null => "—".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            text::clean(&value.to_string()).into_owned()
        }
    }
}

/// What is cut says so.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    format!("{}…", text::truncate(text, width.saturating_sub(1)))
}

/// The widths of the columns that fit beside each other: the widest give way first, then the last are left out. The order is
/// the author's: what matters most stands first.
fn fit(natural: &[usize], room: usize) -> Vec<usize> {
    for count in (1..=natural.len()).rev() {
        let mut widths = natural[..count].to_vec();
        let gaps = 2 * (count - 1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
        while over > 0 {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > COLUMN) else { break };
            *widest -= 1;
            over -= 1;
        }
        if over == 0 {
            return widths;
        }
    }
    natural.iter().take(1).map(|width| (*width).min(room)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_widest_give_way_and_then_the_last_are_left_out() {
        assert_eq!(fit(&[5, 8, 20], 40), [5, 8, 20], "all fit");
        assert_eq!(fit(&[5, 8, 64], 40), [5, 8, 23], "an id is shortened");
        assert_eq!(fit(&[20, 20, 20], 30), [14, 14], "three of twelve do not fit");
        assert_eq!(fit(&[64], 10), [10]);
        assert_eq!(fit(&[], 10), [0; 0]);
    }

    #[test]
    fn a_table_fits_its_width_and_says_what_it_left_out() {
        let rows = Rows {
            name: "idle".to_owned(),
            key: vec!["pid".to_owned()],
            columns: ["pid", "app", "since"].map(str::to_owned).into(),
            rows: vec![json!({"pid": 4711, "app": "a-pool-with-a-long-name", "since": "2026-11-25T12:00:00+00:00"})],
        };
        let mut out = Lines::new();
        table(&mut out, &rows, 24);
        let lines: Vec<&str> = out.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["1 affected (without", "  since: no room):", "pid   app", "4711  a-pool-with-a-lon…"]);
        assert!(lines.iter().all(|line| line.width() <= 24));
    }
}
