//! What lies over the panes, painted: help, palette, details, the small questions.

use super::dialog::{self, Lines, text_width};
use super::evidence;
use super::foot::Foot;
use crate::action::Action;
use crate::app::{AskDialog, Overlay, PHRASE, Palette, RevealDialog, State, UnlockDialog};
use crate::domain::text;
use crate::keymap::Scope;
use crate::panes::PANES;
use crate::runbook::machine::Way;
use crate::theme::Role;
use crate::widgets::scroll::Scroll;
use crate::widgets::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Lines of a dialog's frame, and of what is left free around it.
const FRAME: u16 = 4;
/// Cells of a parameter's value where it only tells which run asks.
const PARAM: usize = 40;

/// Paints an overlay.
pub fn draw(state: &State, overlay: &Overlay, area: Rect, buf: &mut Buffer) {
    match overlay {
        Overlay::Help { scroll } => {
            dialog::draw(state, area, buf, "help: the keys that work here", &help(state, area), scroll, 0);
        }
        Overlay::Menu(menu) => super::menu::draw(state, menu, area, buf),
        Overlay::Name(dialog) => super::menu::draw_name(state, dialog, area, buf),
        Overlay::Palette(palette) => draw_palette(state, palette, area, buf),
        Overlay::Plan(plan) => super::plan::draw(state, plan, area, buf),
        Overlay::Params(params) => super::params::draw(state, params, area, buf),
        Overlay::SilencePreview(preview) => super::silence_preview::draw(state, preview, area, buf),
        Overlay::Unlock(unlock) => draw_unlock(state, unlock, area, buf),
        Overlay::Reveal(reveal) => draw_reveal(state, reveal, area, buf),
        Overlay::Ask(ask) => draw_ask(state, ask, area, buf),
        Overlay::Second(dialog) => super::second::draw(state, dialog, area, buf),
    }
}

fn help(state: &State, area: Rect) -> Lines {
    let mut out = Lines::new();
    let scope = state.scope();
    let mut group = |title: &str, wanted: Scope| {
        let own: Vec<_> = state.keymap.bindings(scope).filter(|binding| binding.scope == wanted).collect();
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
            wrap_into(&mut out, role, &format!("  {keys:<12} {doc}"), text_width(area), 15);
        }
        out.push((Role::Text, String::new()));
    };
    if state.replay.is_some() {
        group("in a replay", Scope::Replay);
    }
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

/// Adds a text as lines.
pub(super) fn wrap_into(out: &mut Lines, role: Role, text: &str, width: usize, indent: usize) {
    let mut lines = Vec::new();
    wrap::lines(&mut lines, text, width, indent);
    out.extend(lines.into_iter().map(|line| (role, line)));
}

fn draw_palette(state: &State, palette: &Palette, area: Rect, buf: &mut Buffer) {
    if let Some(reading) = &palette.reading {
        return super::plan::draw_page(state, reading, area, buf);
    }
    let cx = state.cx();
    let room = usize::from(area.height.saturating_sub(8)).max(1);
    let first = palette.cursor.saturating_sub(room.saturating_sub(1));
    let mut lines = Lines::new();
    for (index, item) in palette.matches().enumerate().skip(first).take(room) {
        let mark = if index == palette.cursor && palette.is_chosen { "▶" } else { " " };
        let role = if item.action.acts() { Role::SeverityWarning } else { Role::Text };
        lines.push((role, format!("{mark} {:<8} {:<30} {}", item.key, item.name, item.doc)));
    }
    if lines.is_empty() {
        let all = state.keymap.key_of(state.scope(), &Action::Palette).filter(|_| !palette.completes);
        let more =
            all.map_or_else(String::new, |key| format!(" of what is about it: Esc, then {key} finds all runbooks"));
        lines.push((Role::Muted, format!("nothing matches{more}")));
    }
    let tab = if palette.completes { "completes" } else { "reads it" };
    let none = palette.matches().len() == 0;
    let keys = match (palette.is_chosen, none) {
        (_, true) => "Esc closes".to_owned(),
        (true, false) => format!("Enter does it, Tab {tab}, Esc closes"),
        (false, false) => format!("none begins so: ↓ chooses, Tab {tab}, Esc closes"),
    };
    let foot = dialog::draw_keyed(state, area, buf, (&palette.title, &keys), (&lines, &Scroll::default()), 1);
    let field = Rect { x: foot.x + 1, width: foot.width.saturating_sub(2), ..foot };
    palette.field.draw(field, buf, cx.style(Role::Input));
}

fn draw_unlock(state: &State, unlock: &UnlockDialog, area: Rect, buf: &mut Buffer) {
    let minutes = state.writes.relock_after().as_secs().div_ceil(60);
    let mut lines = Lines::new();
    let text = format!(
        "Keys that act can then change things in {}. Each still shows its plan and asks. Writes lock again by themselves after {minutes} minutes, or with W.",
        state.environment
    );
    wrap_into(&mut lines, Role::Text, &text, text_width(area), 0);
    let ask = if unlock.armed && unlock.is_for_plan() {
        "y unlocks, and the plan is there again. Esc goes back to it; Enter alone never acts"
    } else if unlock.armed {
        "y unlocks. Esc leaves; Enter alone never acts"
    } else {
        "read; it takes an answer in a moment"
    };
    let foot = Foot::new(area, (Role::DialogDanger, ask), unlock.refusal.as_deref(), None);
    let at = dialog::draw(state, area, buf, "unlock writes?", &lines, &Scroll::default(), foot.height());
    foot.draw(state, at, buf);
}

fn draw_reveal(state: &State, reveal: &RevealDialog, area: Rect, buf: &mut Buffer) {
    let mut lines = Lines::new();
    let text = "Everybody who sees this screen will see addresses, names, tokens and the literals of queries again.";
    wrap_into(&mut lines, Role::Text, text, text_width(area), 0);
    let ask = format!("to leave presenter mode type  {PHRASE}  and press Enter; Esc keeps it");
    let foot = Foot::new(area, (Role::DialogDanger, &ask), reveal.refusal.as_deref(), Some(&reveal.field));
    let at = dialog::draw(state, area, buf, "show everything?", &lines, &Scroll::default(), foot.height());
    foot.draw(state, at, buf);
}

/// What its key does where an undo takes a phrase.
const UNDO: &str = "u undoes it, by a phrase";

/// What a key does after a failure or a stop.
fn way(way: Way) -> Option<&'static str> {
    match way {
        Way::Again => Some("a looks again"),
        Way::Undo => Some("u undoes it"),
        Way::GoOn => Some("c continues all the same, with a reason"),
        Way::Next => Some("c continues with the next hosts"),
        Way::Wait => Some("w waits for the team's server"),
        Way::Glass => Some("! goes on without it, with a reason (break-glass)"),
        // It stands beside every question.
        Way::Stop => None,
    }
}

/// What there is to answer. One letter means the same in every dialog: docs/keys.md.
fn answers(ask: &AskDialog) -> Vec<String> {
    let text = |text: &str| text.to_owned();
    if ask.rests {
        let rests = "takes an answer when no key came for 1.5 s, because one was given right before";
        return vec![text(rests), text("Esc puts it aside")];
    }
    let mut parts: Vec<String> = match &ask.phrase {
        _ if ask.reason_for() == Some(Way::Glass) => {
            return vec![text("why must it go on now?"), text("Enter breaks the glass"), text("Esc goes back")];
        }
        Some(phrase) if ask.reason_for() == Some(Way::Undo) => {
            return vec![format!("to undo it type  {phrase}  and press Enter"), text("Esc goes back")];
        }
        _ if ask.skipping && !ask.ways.is_empty() => {
            return vec![text("why does it continue all the same?"), text("Enter continues"), text("Esc goes back")];
        }
        _ if ask.skipping => return vec![text("why is it skipped?"), text("Enter skips it"), text("Esc goes back")],
        _ if !ask.ways.is_empty() => {
            let line = |it: &Way| if ask.phrase_of(*it).is_some() { Some(UNDO) } else { way(*it) };
            ask.ways.iter().filter_map(line).map(text).collect()
        }
        Some(phrase) => vec![format!("to go on type  {phrase}  and press Enter")],
        None if ask.list.plans => vec![text("y makes its plan"), text("s skips, with a reason")],
        None if ask.manual && ask.list.is_empty() => vec![text("y done"), text("s skips, with a reason")],
        None if ask.manual => vec![text("space ticks or chooses"), text("y done"), text("s skips, with a reason")],
        None => vec![text("y goes on")],
    };
    parts.extend([text("ctrl-x stops the run"), text("Esc puts it aside")]);
    parts
}

/// Beside each other as far as there is room; none is broken.
fn beside(parts: &[String], width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for part in parts {
        let cells = part.width();
        let between = match used {
            0 => "",
            used if used + 3 + cells <= width => "   ",
            _ => "\n",
        };
        used = if between == "   " { used + 3 + cells } else { cells };
        out.push_str(between);
        out.push_str(part);
    }
    out
}

/// `Restart web on web-1: run 1a2b3c asks`, and which of how many. The place is that of the step that is asked about, after a failure of the one
/// host that a key acts on; where that has none, all that the run changes.
fn asks(state: &State, ask: &AskDialog) -> String {
    let one = !ask.ways.is_empty() && !ask.ways.contains(&Way::Next);
    let about = state.runs.get(ask.run).map_or_else(String::new, |run| {
        let of_host = run.place_of(&ask.step).filter(|_| one);
        let of_step = of_host.map_or_else(|| run.places_of(&ask.step), |place| vec![place]);
        match if of_step.is_empty() { run.places() } else { of_step }.as_slice() {
            [] => format!("{}: ", run.title),
            [place] => format!("{} on {place}: ", run.title),
            [one, two] => format!("{} on {one}, {two}: ", run.title),
            places => format!("{} on {} targets: ", run.title, places.len()),
        }
    });
    let which = match state.place_of(ask) {
        (_, 1) => String::new(),
        (at, of) => format!("  (question {at} of {of}, Tab: the next)"),
    };
    format!("{about}run {} asks{which}", ask.run.short())
}

/// With which parameters the run that asks was begun, in short.
fn asked_with(state: &State, ask: &AskDialog) -> Option<String> {
    let run = state.runs.get(ask.run).filter(|run| !run.params.is_empty())?;
    let params = run.params.iter().map(|(name, text)| format!("{name} = {}", text::truncate(text, PARAM)));
    Some(format!("with {}", params.collect::<Vec<_>>().join(", ")))
}

/// What there is to tick and to choose, around the cursor: at most so many lines.
fn list(ask: &AskDialog, width: usize, most: usize) -> Lines {
    let (mut out, mut cursor) = (Lines::new(), 0);
    let tasks = ask.list.tasks.iter().map(|(text, done)| (if *done { "[x]" } else { "[ ]" }, text));
    let chosen = |at: usize| if ask.list.chosen == Some(at) { "(x)" } else { "( )" };
    let choices = ask.list.choices.iter().enumerate().map(|(at, text)| (chosen(at), text));
    for (at, (mark, text)) in tasks.chain(choices).enumerate() {
        if at == 0 || at == ask.list.tasks.len() {
            out.push((Role::Text, String::new()));
        }
        let (sign, role) = if at == ask.cursor { ("▶", Role::Text) } else { (" ", Role::Muted) };
        if at == ask.cursor {
            cursor = out.len();
        }
        wrap_into(&mut out, role, &format!("{sign} {mark} {text}"), width, 6);
    }
    let first = cursor.saturating_sub(most / 2).min(out.len().saturating_sub(most));
    out.into_iter().skip(first).take(most).collect()
}

fn draw_ask(state: &State, ask: &AskDialog, area: Rect, buf: &mut Buffer) {
    let mut lines = Lines::new();
    if let Some(with) = asked_with(state, ask) {
        wrap_into(&mut lines, Role::Muted, &with, text_width(area), 2);
        lines.push((Role::Text, String::new()));
    }
    let mut question = Lines::new();
    wrap_into(&mut question, Role::Text, &ask.prompt, text_width(area), 0);
    let field = ask.takes_text().then_some(&ask.field);
    let text = beside(&answers(ask), text_width(area));
    let foot = Foot::new(area, (Role::DialogDanger, &text), ask.refusal.as_deref(), field);
    // It stays in sight, however long the question is: nobody chooses what they do not see.
    let room = usize::from(area.height.saturating_sub(FRAME + foot.height()));
    let list = list(ask, text_width(area), (room / 2).max(room.saturating_sub(lines.len() + question.len())));
    if let Some(run) = state.runs.get(ask.run) {
        // What is asked stays in sight, whatever was seen.
        let taken = FRAME + foot.height() + (lines.len() + question.len() + list.len()) as u16;
        let room = usize::from(area.height.saturating_sub(taken));
        lines.extend(evidence::lines(run, ask, (text_width(area), room)));
    }
    lines.append(&mut question);
    let pinned = list.len() as u16;
    let at = dialog::draw(state, area, buf, &asks(state, ask), &lines, &ask.scroll, pinned + foot.height());
    dialog::put(state, Rect { height: pinned, ..at }, buf, &list);
    foot.draw(state, Rect { y: at.y + pinned, height: at.height.saturating_sub(pinned), ..at }, buf);
}
