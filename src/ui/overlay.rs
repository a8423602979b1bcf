//! What lies over the panes, painted: help, palette, details, plan, the small questions.

use super::dialog::{self, Lines, text_width};
use crate::app::{AskDialog, Overlay, Palette, PlanDialog, State, UnlockDialog};
use crate::domain::risk::Level;
use crate::domain::text;
use crate::keymap::Scope;
use crate::panes::{Details, PANES, Section};
use crate::runbook::plan::{PlannedFence, PlannedStep, Rows};
use crate::runbook::{Role as FenceRole, Writes};
use crate::theme::Role;
use crate::widgets::canvas;
use crate::widgets::field::Field;
use crate::widgets::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Rows of the blast radius shown before "and N more".
const ROWS: usize = 20;

/// Paints an overlay.
pub fn draw(state: &State, overlay: &Overlay, area: Rect, buf: &mut Buffer) {
    match overlay {
        Overlay::Help { scroll } => {
            dialog::draw(state, area, buf, "help: the keys that work here", &help(state, area), *scroll, 0);
        }
        Overlay::Palette(palette) => draw_palette(state, palette, area, buf),
        Overlay::Details { details, scroll } => {
            let title = format!("{}  (Esc closes)", details.title);
            dialog::draw(state, area, buf, &title, &facts(details, area), *scroll, 0);
        }
        Overlay::Plan(plan) => draw_plan(state, plan, area, buf),
        Overlay::Params(params) => super::params::draw(state, params, area, buf),
        Overlay::Unlock(unlock) => draw_unlock(state, unlock, area, buf),
        Overlay::Ask(ask) => draw_ask(state, ask, area, buf),
    }
}

fn help(state: &State, area: Rect) -> Lines {
    let mut out = Lines::new();
    let scope = state.scope();
    let mut group = |title: &str, wanted: Scope| {
        let own: Vec<_> = state.keymap.bindings(wanted).filter(|binding| binding.scope == wanted).collect();
        if own.is_empty() {
            return;
        }
        out.push((Role::DialogTitle, title.to_owned()));
        for binding in own {
            let keys = binding.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let doc = match &binding.action {
                crate::action::Action::Runbook(id) => state
                    .library
                    .get(id)
                    .map_or_else(|| format!("runbook {id}"), |runbook| format!("{} (asks first)", runbook.title)),
                action => action.doc().to_owned(),
            };
            let role = if binding.action.acts() { Role::SeverityWarning } else { Role::Text };
            out.push((role, format!("  {keys:<12} {doc}")));
        }
        out.push((Role::Text, String::new()));
    };
    if scope != Scope::All {
        group(&format!("in {}", scope.word()), scope);
    }
    group("everywhere", Scope::All);
    out.push((Role::DialogTitle, "panes".to_owned()));
    for kind in PANES {
        wrap_into(
            &mut out,
            Role::Text,
            &format!("  {:<12} {}: {}", kind.number.map_or_else(String::new, |n| n.to_string()), kind.title, kind.doc),
            text_width(area),
            15,
        );
    }
    out
}

fn wrap_into(out: &mut Lines, role: Role, text: &str, width: usize, indent: usize) {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, text, width, indent);
    out.extend(lines.into_iter().map(|line| (role, line)));
}

fn facts(details: &Details, area: Rect) -> Lines {
    let mut out = Lines::new();
    let facts: Vec<_> = details
        .sections
        .iter()
        .filter_map(|section| match section {
            Section::Facts(facts) => Some(facts),
            _ => None,
        })
        .flatten()
        .collect();
    let names: Vec<_> = facts.iter().map(|(name, _)| text::clean(name)).collect();
    let label = names.iter().map(|name| name.width()).max().unwrap_or(0).min(24);
    for (name, (_, text)) in names.iter().zip(&facts) {
        let gap = if label > 0 { "  " } else { "" };
        let text = if text.is_empty() { "—" } else { text };
        for (index, line) in text.lines().enumerate() {
            let lead = text::pad(if index == 0 { name } else { "" }, label);
            wrap_into(&mut out, Role::Text, &format!("{lead}{gap}{line}"), text_width(area), label + gap.len());
        }
    }
    out
}

fn draw_palette(state: &State, palette: &Palette, area: Rect, buf: &mut Buffer) {
    let cx = state.cx();
    let room = usize::from(area.height.saturating_sub(8)).max(1);
    let first = palette.cursor.saturating_sub(room.saturating_sub(1));
    let mut lines = Lines::new();
    for (index, item) in palette.matches().enumerate().skip(first).take(room) {
        let mark = if index == palette.cursor { "▶" } else { " " };
        let role = if item.action.acts() { Role::SeverityWarning } else { Role::Text };
        lines.push((role, format!("{mark} {:<8} {:<30} {}", item.key, item.name, item.doc)));
    }
    if lines.is_empty() {
        lines.push((Role::Muted, "nothing matches".to_owned()));
    }
    let title = format!("{}  (Enter does it, Esc closes)", palette.title);
    let foot = dialog::draw(state, area, buf, &title, &lines, 0, 1);
    let field = Rect { x: foot.x + 1, width: foot.width.saturating_sub(2), ..foot };
    palette.field.draw(field, buf, cx.style(Role::Input));
}

fn draw_plan(state: &State, plan: &PlanDialog, area: Rect, buf: &mut Buffer) {
    let lines = plan_lines(plan, text_width(area));
    let title = format!("plan: {}", plan.plan.body().runbook.title);
    let foot = dialog::draw(state, area, buf, &title, &lines, plan.scroll, 3);
    let blocked = !plan.plan.body().blocked.is_empty();
    let more = if plan.can_change_params() { "Tab changes parameters. " } else { "" };
    let (role, ask) = if blocked {
        (Role::DialogDanger, format!("blocked: nothing can be run. {more}Esc leaves"))
    } else if state.writes.state() == Writes::Locked {
        (Role::DialogDanger, "writes are locked: Esc, then W unlocks them, then plan again".to_owned())
    } else if !plan.armed {
        (Role::Muted, "read the plan; it takes an answer in a moment".to_owned())
    } else if plan.plan.level() == Level::Typed {
        (
            Role::DialogDanger,
            format!("to run it type  {}  and press Enter. {more}Esc leaves", plan.plan.phrase().unwrap_or_default()),
        )
    } else {
        (Role::DialogDanger, format!("y runs it. {more}Esc leaves; Enter alone never acts"))
    };
    let field = plan.takes_text().then_some(&plan.field);
    draw_foot(state, foot, buf, (role, &ask), plan.refusal.as_deref(), field);
}

/// The foot of a dialog: what to answer, why the last answer did not count, the field.
pub fn draw_foot(
    state: &State,
    foot: Rect,
    buf: &mut Buffer,
    (role, ask): (Role, &str),
    refusal: Option<&str>,
    field: Option<&Field>,
) {
    let cx = state.cx();
    let style = |role: Role| cx.style(Role::Dialog).patch(cx.style(role));
    let width = foot.width.saturating_sub(2);
    canvas::put(buf, (foot.x + 1, foot.y), ask, width, style(role));
    if let Some(field) = field {
        let area = Rect { x: foot.x + 1, y: foot.y + 1, width, height: 1 };
        field.draw(area, buf, cx.style(Role::Input));
    }
    if let Some(refusal) = refusal {
        let text = format!("▲ {}", text::clean(refusal));
        canvas::put(buf, (foot.x + 1, foot.y + 2), &text, width, style(Role::SeverityWarning));
    }
}

fn plan_lines(dialog: &PlanDialog, width: usize) -> Lines {
    let mut out = Lines::new();
    let body = dialog.plan.body();
    if let Some(notice) = &dialog.notice {
        wrap_into(&mut out, Role::SeverityWarning, &format!("! {notice}"), width, 2);
    }
    for (name, text) in &body.params {
        wrap_into(&mut out, Role::Muted, &format!("{name} = {text}"), width, 2);
    }
    for reason in &body.blocked {
        wrap_into(&mut out, Role::SeverityCritical, &format!("▲ blocked: {reason}"), width, 2);
    }
    for warning in &body.warnings {
        wrap_into(&mut out, Role::SeverityWarning, &format!("! {warning}"), width, 2);
    }
    for step in &body.steps {
        step_lines(&mut out, step, width);
    }
    out.push((Role::Faint, String::new()));
    wrap_into(&mut out, Role::Faint, &format!("plan {}", &body.hash[..body.hash.len().min(16)]), width, 2);
    out
}

fn step_lines(out: &mut Lines, step: &PlannedStep, width: usize) {
    out.push((Role::Text, String::new()));
    let target = if step.target.is_empty() { String::new() } else { format!(": {}", step.target) };
    wrap_into(out, Role::DialogTitle, &format!("{}{target}", step.title), width, 2);
    if let Some(rows) = &step.rows {
        rows_lines(out, rows, width);
    }
    // What is going to be sent stands first; the questions that made the plan are answered already.
    let (asked, to_come): (Vec<_>, Vec<_>) = step.fences.iter().partition(|fence| fence.finding.is_some());
    for fence in to_come {
        fence_lines(out, fence, width);
    }
    if step.fences.iter().any(|fence| fence.role == FenceRole::Run) {
        let undo = step.undo.as_deref().unwrap_or("cannot be undone");
        wrap_into(out, Role::Muted, &format!("undo   {undo}"), width, 9);
    }
    for fence in asked {
        fence_lines(out, fence, width);
    }
}

fn fence_lines(out: &mut Lines, fence: &PlannedFence, width: usize) {
    let role = if fence.role == FenceRole::Run { Role::SeverityWarning } else { Role::Muted };
    let label = format!("{:6} ", fence.role.word());
    for (index, line) in fence.sent.lines().enumerate() {
        let lead = if index == 0 { label.as_str() } else { "       " };
        wrap_into(out, role, &format!("{lead}{line}"), width, 9);
    }
    if let Some(holds) = &fence.holds {
        wrap_into(out, Role::Muted, &format!("       {holds}"), width, 9);
    }
    if let Some(finding) = &fence.finding {
        let (mark, role) = if finding.passed { ("✓", Role::SeverityOk) } else { ("✗", Role::SeverityCritical) };
        wrap_into(out, role, &format!("       {mark} {}", finding.text), width, 9);
    }
}

/// The blast radius as a table.
fn rows_lines(out: &mut Lines, rows: &Rows, width: usize) {
    let cell = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text::clean(text).into_owned(),
        serde_json::Value::Null => "—".to_owned(),
        other => text::clean(&other.to_string()).into_owned(),
    };
    let columns: Vec<String> = rows.columns.iter().map(|name| text::clean(name).into_owned()).collect();
    let shown: Vec<Vec<String>> = rows
        .rows
        .iter()
        .take(ROWS)
        .map(|row| rows.columns.iter().map(|name| cell(&row[name.as_str()])).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| shown.iter().map(|row| row[at].width()).max().unwrap_or(0).max(name.width()).min(40))
        .collect();
    let join = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(text, width)| text::pad(text::truncate(text, *width), *width));
        cells.collect::<Vec<_>>().join("  ")
    };
    let clip = |line: String| text::truncate(&line, width).trim_end().to_owned();
    out.push((Role::SeverityInfo, format!("{} affected:", rows.rows.len())));
    if !shown.is_empty() {
        out.push((Role::Faint, clip(join(&columns))));
    }
    out.extend(shown.iter().map(|row| (Role::Text, clip(join(row)))));
    if rows.rows.len() > ROWS {
        out.push((Role::SeverityWarning, format!("… and {} more", rows.rows.len() - ROWS)));
    }
}

fn draw_unlock(state: &State, unlock: &UnlockDialog, area: Rect, buf: &mut Buffer) {
    let minutes = state.writes.relock_after().as_secs().div_ceil(60);
    let mut lines = Lines::new();
    let text = format!(
        "Keys that act can then change things in {}. Each still shows its plan and asks. Writes lock again by themselves after {minutes} minutes, or with W.",
        state.environment
    );
    wrap_into(&mut lines, Role::Text, &text, text_width(area), 0);
    let foot = dialog::draw(state, area, buf, "unlock writes?", &lines, 0, 3);
    let ask = if unlock.armed {
        "y unlocks. Esc leaves; Enter alone never acts"
    } else {
        "read; it takes an answer in a moment"
    };
    draw_foot(state, foot, buf, (Role::DialogDanger, ask), unlock.refusal.as_deref(), None);
}

fn draw_ask(state: &State, ask: &AskDialog, area: Rect, buf: &mut Buffer) {
    let mut lines = Lines::new();
    wrap_into(&mut lines, Role::Text, &ask.prompt, text_width(area), 0);
    let foot = dialog::draw(state, area, buf, &format!("run {} asks", ask.run.short()), &lines, 0, 3);
    let text = match (&ask.phrase, ask.manual, ask.skipping) {
        (_, _, true) => "why is it skipped? Enter skips it, Esc goes back".to_owned(),
        (Some(phrase), ..) => format!("to go on type  {phrase}  and press Enter; ctrl-x stops the run"),
        (None, true, false) => "y done   s skip, with a reason   ctrl-x stops the run".to_owned(),
        (None, false, false) => "y goes on   ctrl-x stops the run".to_owned(),
    };
    let field = ask.takes_text().then_some(&ask.field);
    draw_foot(state, foot, buf, (Role::DialogDanger, &text), ask.refusal.as_deref(), field);
}
