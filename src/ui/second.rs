//! What somebody else asks a second person for, painted: the plan as they saw it, or the lock that they want.

use super::dialog::{self, Lines, text_width};
use super::foot::Foot;
use super::overlay::wrap_into;
use crate::app::{About, SecondDialog, State};
use crate::runbook::approvals::Request;
use crate::runbook::wants::Want;
use crate::theme::Role;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Paints the dialog.
pub fn draw(state: &State, dialog: &SecondDialog, area: Rect, buf: &mut Buffer) {
    let width = text_width(area);
    let (title, lines) = match &dialog.about {
        About::Request(request) => (format!("to approve: {}", request.title), of_request(state, request, width)),
        About::Want(want) => ("somebody wants what a run of yours holds".to_owned(), of_want(state, want, width)),
    };
    let ask = ask(state, dialog);
    let field = dialog.verdict.as_ref().map(|(_, field)| field);
    let foot = Foot::new(area, (Role::DialogDanger, ask), dialog.refusal.as_deref(), field);
    let at = dialog::draw(state, area, buf, &title, &lines, &dialog.scroll, foot.height());
    foot.draw(state, at, buf);
}

fn of_request(state: &State, request: &Request, width: usize) -> Lines {
    let mut out = Lines::new();
    wrap_into(&mut out, Role::SeverityWarning, &request.line(), width, 2);
    let until = request.until.strftime("%H:%M:%S UTC");
    wrap_into(&mut out, Role::Muted, &format!("{}, until {until}", request.standing(state.now.wall)), width, 2);
    out.push((Role::Text, String::new()));
    for line in request.plan.lines() {
        wrap_into(&mut out, Role::Text, line, width, 2);
    }
    out
}

fn of_want(state: &State, want: &Want, width: usize) -> Lines {
    let mut out = Lines::new();
    wrap_into(&mut out, Role::SeverityWarning, &want.line(), width, 2);
    let run = state.runs.get(want.run);
    let of = run.map_or_else(String::new, |run| format!(" of {}", run.title));
    let what = format!(
        "run {}{of} holds it. Handed over, it stops before its next change, and {} goes to theirs.",
        want.run.short(),
        want.resources.join(", ")
    );
    wrap_into(&mut out, Role::Text, &what, width, 0);
    if let Some(at) = want.taken_at {
        let told = format!(
            "Otherwise it is taken over at {}: the next change of your run is refused then.",
            at.strftime("%H:%M:%S UTC")
        );
        wrap_into(&mut out, Role::SeverityCritical, &told, width, 0);
    }
    out
}

fn ask(state: &State, dialog: &SecondDialog) -> &'static str {
    match (&dialog.about, &dialog.verdict) {
        (_, Some((true, _))) => "why is it approved? Enter approves it, once, for who asked; Esc goes back",
        (_, Some((false, _))) => "why is it refused? Enter refuses it, Esc goes back",
        (About::Request(request), None) if !request.is_open(state.now.wall) => {
            "it takes no answer any more. Esc closes"
        }
        (About::Request(_), None) if !dialog.armed => "read the plan; it takes an answer in a moment",
        (About::Want(_), None) if !dialog.armed => "read it; it takes an answer in a moment",
        (About::Request(_), None) => "y approves it, n refuses it, both with a reason; Esc leaves it to others",
        (About::Want(_), None) => "y hands it over, n does not; Esc leaves it",
    }
}
