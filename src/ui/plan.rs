//! The plan, painted. What would be touched stands first, then every step in the order of the page, then what else the page says: a small
//! screen shows at once what the answer is about.

mod steps;
mod table;

use super::dialog::{self, Lines, text_width};
use super::foot::Foot;
use super::overlay::wrap_into;
use crate::action::Action;
use crate::app::{PlanDialog, Reading, State, Why};
use crate::domain::prose::{Block, BlockKind};
use crate::domain::risk::{BreakGlass, Level, Risk};
use crate::domain::text;
use crate::runbook::approvals::State as Standing;
use crate::runbook::plan::PlanBody;
use crate::runbook::script::Rolling;
use crate::runbook::{Draft, Plan, Runbook, Writes};
use crate::theme::Role;
use crate::widgets::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::collections::{BTreeMap, HashSet};

/// Lines of a paragraph of the runbook above everything else; of a longer one the beginning, and the whole of it below.
const SUMMARY: usize = 3;
/// What the paragraphs begin with that come first where much is at stake.
const GRAVE: [&str; 2] = ["Impact", "When not to"];

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
    page(&mut lines, &reading.runbook, text_width(area), 0, Steps::WithFences);
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
    if plan.reason.is_some() && plan.why != Why::Glass {
        return (Role::DialogDanger, why_lock(plan).to_owned());
    }
    if plan.reason.is_some() {
        let why = if plan.plan.takes_two() {
            "why does one person do what takes two?"
        } else {
            "why is it done though its locks bind nobody else?"
        };
        return (
            Role::DialogDanger,
            format!("{why} It is recorded, and everybody sees it. Enter takes it, Esc goes back"),
        );
    }
    if plan.writes == Writes::ReadOnly {
        let why = "this dashboard is read-only, so nothing can be run from here: start it without --read-only to act";
        (Role::DialogDanger, format!("{why}. {more}Esc leaves"))
    } else if !plan.plan.body().blocked.is_empty() {
        let held = match plan.holder() {
            Some((run, _)) => format!("> watches run {}, + asks for a hand-over, ! takes over. ", run.short()),
            None => String::new(),
        };
        (Role::DialogDanger, format!("blocked: nothing can be run. {held}{more}Esc leaves"))
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
        (Role::DialogDanger, format!("{}. {alone}{more}Esc leaves", second(state, plan)))
    } else if plan.lacks_reason() {
        let alone = match state.policy.break_glass {
            BreakGlass::Allow => "! does it all the same, for a reason that everybody sees (break-glass). ",
            BreakGlass::Refuse => "The config lets nobody break the glass. ",
        };
        (
            Role::DialogDanger,
            format!("its locks bind nobody else while the team's journal is away. {alone}{more}Esc leaves"),
        )
    } else if plan.plan.level() >= Level::Typed {
        let phrase = plan.plan.phrase().unwrap_or_default();
        let by =
            plan.approval.as_ref().map(|approval| format!("approved by {}: {}. ", approval.by(), approval.reason()));
        let by = text::clean(&by.unwrap_or_default()).into_owned();
        let later = later(&plan.plan);
        (Role::DialogDanger, format!("{by}to run it type  {phrase}  and press Enter. {later}{more}Esc leaves"))
    } else {
        let later = later(&plan.plan);
        (Role::DialogDanger, format!("y runs it. {later}{more}Esc leaves; Enter alone never acts"))
    }
}

/// `Step 2 'Bad' asks again: flop on web-1. `: what is answered now is not answered for all. Of several steps their numbers.
fn later(plan: &Plan<Draft>) -> String {
    let text = match plan.later().as_slice() {
        [] => return String::new(),
        [(step, phrase)] => {
            format!("{} asks again{}: {phrase}. ", plan.body().name(step), step.whether()).replacen('s', "S", 1)
        }
        several => {
            let numbers: Vec<String> = several.iter().map(|(step, _)| plan.body().number(step).to_string()).collect();
            format!("Steps {} ask again, each for a phrase of its own. ", numbers.join(", "))
        }
    };
    text::clean(&text).into_owned()
}

/// How the second person is come by.
fn second(state: &State, plan: &PlanDialog) -> String {
    let asked =
        state.second.own_of(&plan.plan.body().hash).filter(|request| !matches!(request.state, Standing::Used(_)));
    match asked {
        Some(request) if request.is_open(state.now.wall) => {
            format!("a second person's approval is asked for: {}. - withdraws it", request.standing(state.now.wall))
        }
        Some(request) => format!("{}. + asks again", request.standing(state.now.wall)),
        None if state.second.team => "it takes a second person's approval: + asks for it".to_owned(),
        None => "it takes a second person's approval, for which a team's journal must be configured".to_owned(),
    }
}

/// What a reason is typed for, where a lock is wanted.
const fn why_lock(plan: &PlanDialog) -> &'static str {
    match plan.why {
        Why::TakeLock => {
            "why is the lock taken over? Its holder is told and has 30 s (45 s when it is not heard of), unless nobody drives that run; its next change is refused then. \
             Enter takes it, Esc goes back"
        }
        Why::AskLock | Why::Glass => "why should it be handed over? Enter asks its holder, Esc goes back",
    }
}

/// A plan as text without colours, as wide as `width` columns: what the dialog shows.
pub fn plan_text(plan: &Plan<Draft>, notice: Option<&str>, width: usize) -> String {
    plain(lines(plan, notice, &BTreeMap::new(), width))
}

/// What a runbook says to people, as text without colours.
pub fn page_text(runbook: &Runbook, width: usize) -> String {
    let mut out = Lines::new();
    page(&mut out, runbook, width, 0, Steps::InFull);
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
    if let Some(unbound) = &body.unbound {
        wrap_into(&mut out, Role::SeverityWarning, &format!("! {unbound}"), width, 2);
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
    if let Some(affects) = body.affects() {
        wrap_into(&mut out, Role::DialogTitle, &format!("affects {affects}"), width, 2);
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
        batches(&mut out, rolling, &done_before(body), width);
    }
    let all = body.by_step();
    for members in &all {
        steps::affected(&mut out, body, members, width);
    }
    out.push((Role::Text, String::new()));
    wrap_into(&mut out, Role::Title, "All steps, in order", width, 2);
    let mut said = steps::Said::new();
    for members in &all {
        steps::step(&mut out, body.number(members[0]), members, &mut said, width);
    }
    page(&mut out, &body.runbook, width, usize::from(told), Steps::Numbered);
    out.push((Role::Faint, String::new()));
    wrap_into(&mut out, Role::Faint, &format!("plan {}", &body.hash[..body.hash.len().min(16)]), width, 2);
    out
}

/// What it does to whom, and when not to, of one that can do much harm; else what it is for, the first paragraph: true when that is whole
/// and stands nowhere else.
fn summary(out: &mut Lines, runbook: &Runbook, width: usize) -> bool {
    let grave: Vec<&Block> = match runbook.risk {
        Risk::High | Risk::Irreversible => GRAVE.iter().filter_map(|lead| runbook.paragraph(lead)).collect(),
        Risk::Read | Risk::Low => Vec::new(),
    };
    for block in &grave {
        beginning(out, &block.text(), width);
    }
    grave.is_empty() && beginning(out, &runbook.summary().unwrap_or_default(), width)
}

/// The first lines of a paragraph; true when it is whole.
fn beginning(out: &mut Lines, text: &str, width: usize) -> bool {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, text, width.saturating_sub(1), 0);
    let whole = lines.len() <= SUMMARY;
    if !whole {
        lines.truncate(SUMMARY - 1);
        lines[SUMMARY - 2].push('…');
    }
    out.extend(lines.into_iter().map(|line| (Role::Text, line)));
    whole
}

/// Hosts on which nothing of a rollout is left, of a run that is gone on with.
fn done_before(body: &PlanBody) -> HashSet<&str> {
    let hosts = |done: bool| {
        let steps = body.steps.iter().filter(move |step| step.past.is_some() == done);
        steps.filter_map(|step| step.host.as_deref()).collect::<HashSet<_>>()
    };
    &hosts(true) - &hosts(false)
}

/// `Reload: 3 hosts in 2 batches`, and which in which.
fn batches(out: &mut Lines, rolling: &Rolling, done: &HashSet<&str>, width: usize) {
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
        let name = |host: &str| if done.contains(host) { format!("{host} (done before)") } else { host.to_owned() };
        let hosts: Vec<String> = rolling.batch(batch).map(name).collect();
        wrap_into(out, Role::Text, &text::clean(&format!("batch {}  {}", batch + 1, hosts.join(", "))), width, 9);
    }
    wrap_into(out, Role::Muted, &terms(rolling), width, 2);
}

/// `no host may fail; 10s between batches; a person looks after batch 1`.
fn terms(rolling: &Rolling) -> String {
    if rolling.every_host {
        return "every host is tried, whatever becomes of others".to_owned();
    }
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

/// How the page tells of its steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// All that they say.
    InFull,
    /// The same, each with its fences as they are written.
    WithFences,
    /// By their numbers in the plan above, which says all there is of those that a person does.
    Numbered,
}

/// What the runbook says to people, but for the first so many blocks, which were told already.
fn page(out: &mut Lines, runbook: &Runbook, width: usize, mut told: usize, how: Steps) {
    let mut steps = runbook.steps.iter().zip(1..).peekable();
    for passage in &runbook.page {
        let blocks = &passage.blocks[std::mem::take(&mut told).min(passage.blocks.len())..];
        let step = steps.next_if(|(step, _)| step.title == passage.heading);
        let fences = step.filter(|_| how == Steps::WithFences).map_or(&[][..], |(step, _)| &step.fences);
        let step = step.filter(|_| how == Steps::Numbered);
        if blocks.is_empty() && fences.is_empty() || step.is_some_and(|(step, _)| step.is_manual()) {
            continue;
        }
        out.push((Role::Text, String::new()));
        let heading = if passage.heading.is_empty() { &runbook.title } else { &passage.heading };
        let number = step.map(|(_, number)| format!("{number} ")).unwrap_or_default();
        wrap_into(out, Role::Title, &format!("{number}{heading}"), width, 2);
        blocks_lines(out, blocks, width);
        for fence in fences {
            out.push((Role::Text, String::new()));
            wrap_into(out, Role::Muted, &fence.head(fences), width, 2);
            fence.body.trim_end().lines().for_each(|line| wrap_into(out, Role::Code, &format!("  {line}"), width, 4));
        }
    }
}

fn blocks_lines(out: &mut Lines, blocks: &[Block], width: usize) {
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
