//! Taking what is on the screen elsewhere: a cell, rows or a page, to the terminal's clipboard or into a file. Secrets are hidden here, for
//! what leaves the screen is read by others.

use super::hands::with_hands;
use super::menu::{Choice, Menu, MenuKind, MenuLine, Take};
use super::{Overlay, State};
use crate::domain::text;
use crate::effect::{Effect, Effects};
use crate::panes::hands::Extent;
use crate::panes::sheet::{Form, Sheet};
use crate::panes::{Details, PANES, Page};
use crate::store::Health;
use crate::widgets::{feeds, figure};
use std::fmt::Write;

/// Most bytes for the clipboard: in base64 that is 100,000, and many terminals throw longer sequences away whole.
const CLIPBOARD: usize = 74_994;

/// Cells of a text that a menu line shows of what it copies.
const SEEN: usize = 60;

/// Opens the list of what can be copied: of the open page, of a view that is one text, else of the focused table.
pub(super) fn open(state: &mut State) {
    let lines = match (&state.page, text_lines(state)) {
        (Some(page), _) => told_lines(state, page).into_iter().chain(page_lines(page.details())).collect(),
        (None, Some(lines)) => lines,
        (None, None) => match table_lines(state) {
            Some(lines) => lines,
            None => return,
        },
    };
    state.overlay = Some(Overlay::Menu(Menu { kind: MenuKind::Copy, title: "copy".to_owned(), lines, cursor: 0 }));
}

/// What others are told of the run that the page is of.
fn told_lines(state: &State, page: &Page) -> Option<MenuLine> {
    let text = super::announce::of_run(state, page.run()?.run())?;
    Some(line("for the incident channel", "what others are told of this run", Take::Text(text)))
}

fn table_lines(state: &mut State) -> Option<Vec<MenuLine>> {
    let (shown, marked, cells) = with_hands(state, |hands, cx| (hands.shown(), hands.marked(), hands.cells(cx)))?;
    let (extent, rows) = match marked {
        0 => (Extent::All, text::counted(shown, "row")),
        _ => (Extent::Marked, format!("{marked} marked")),
    };
    let mut lines = vec![line("this row", "text", Take::Rows(Extent::Row, Form::Text))];
    lines.extend(forms(&rows, |form| Take::Rows(extent, form)));
    lines.push(line(&rows, "for the incident channel: a header line and a Markdown table", Take::Bundle(extent)));
    lines.push(line("this row", "for the incident channel", Take::Bundle(Extent::Row)));
    lines.push(line("this row", "JSON", Take::Rows(Extent::Row, Form::Json)));
    lines.extend(cells.into_iter().map(|(title, text)| line(&title, &seen(&text), Take::Text(text))));
    Some(lines)
}

fn text_lines(state: &State) -> Option<Vec<MenuLine>> {
    let text = state.pane().text()?;
    let bundle = Take::TextBundle(text.clone());
    let mut lines = vec![
        line("all of it", "text", Take::Text(text)),
        line("all of it", "for the incident channel: a header line and the text", bundle),
    ];
    lines.extend(state.pane().line_text().map(|text| line("this line", &seen(&text), Take::Text(text))));
    Some(lines)
}

fn page_lines(details: &Details) -> Vec<MenuLine> {
    let mut lines: Vec<MenuLine> = forms("the page", Take::Page).collect();
    lines.push(line("the page", "for the incident channel: a header line and a Markdown table", Take::PageBundle));
    let facts =
        details.facts().map(|(label, text)| line(&text::clean(label), &seen(text), Take::Text(text.to_owned())));
    lines.extend(facts);
    lines
}

fn forms(of: &str, take: impl Fn(Form) -> Take) -> impl Iterator<Item = MenuLine> {
    [(Form::Text, "text"), (Form::Markdown, "Markdown table"), (Form::Json, "JSON")]
        .map(|(form, word)| line(of, word, take(form)))
        .into_iter()
}

fn line(of: &str, note: &str, take: Take) -> MenuLine {
    MenuLine { mark: "", text: of.to_owned(), note: note.to_owned(), choice: Choice::Take(take) }
}

fn seen(given: &str) -> String {
    let clean = text::clean(given);
    let cut = text::truncate(&clean, SEEN);
    if cut.len() < clean.len() { format!("{cut}…") } else { cut.to_owned() }
}

/// A text as it may leave the screen: without secrets, and on a shared screen behind the veil too, for what is copied is pasted where
/// others read it.
pub(super) fn hidden(state: &State, given: &str) -> String {
    let mut out = state.redactor.text(given).into_owned();
    text::behind(state.veil(), || text::cover(&mut out));
    out
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The terminal's clipboard.
    Clipboard,
    /// A file in the state folder.
    File,
}

/// What was taken: the text, and what it is in words.
struct Taken {
    text: String,
    what: String,
    cut: bool,
    ending: &'static str,
}

/// Takes what was chosen, and says what came of it.
pub(super) fn take(state: &mut State, take: &Take, way: Way, effects: &mut Effects) {
    let most = if way == Way::Clipboard { CLIPBOARD } else { usize::MAX };
    let Some(mut taken) = text::behind(state.veil(), || taken(state, take, most)) else { return };
    taken.text = hidden(state, &taken.text);
    if taken.text.is_empty() {
        return state.toasts.say(state.now, "there is nothing to copy");
    }
    match way {
        Way::Clipboard => {
            let size = figure::text(|out| figure::bytes(out, taken.text.len() as u64));
            let why = if taken.cut { " (terminals take no more)" } else { "" };
            let what = format!(
                "copied {}, {size} by OSC 52{why}; if nothing arrives, your terminal refuses it: s in the menu saves it to a file",
                taken.what
            );
            state.toasts.say(state.now, what);
            effects.push(Effect::Copy(taken.text));
        }
        Way::File => {
            let stem = PANES[state.focus].action.name();
            let name = format!("{stem}-{}.{}", state.now.wall.strftime("%Y%m%dT%H%M%SZ"), taken.ending);
            effects.push(Effect::Save { name, text: taken.text });
        }
    }
}

fn taken(state: &mut State, take: &Take, most: usize) -> Option<Taken> {
    match take {
        Take::Text(text) => {
            let hidden = state.redactor.text(text);
            let text = text::clean_lines(&hidden);
            let end = text.floor_char_boundary(most);
            let (text, cut) = (text[..end].to_owned(), end < text.len());
            Some(Taken { what: if cut { "the beginning of it" } else { "it" }.to_owned(), cut, ending: "txt", text })
        }
        Take::Rows(extent, form) => sheet(state, *extent).map(|sheet| rows(&sheet, *form, "", most)),
        Take::Bundle(extent) => {
            let sheet = sheet(state, *extent)?;
            let head = headline(state, &sheet.title);
            Some(rows(&sheet, Form::Markdown, &head, most))
        }
        Take::TextBundle(text) => {
            let head = headline(state, PANES[state.focus].title);
            let taken = taken(state, &Take::Text(text.clone()), most.saturating_sub(head.len()))?;
            Some(Taken { text: format!("{head}{}", taken.text), ..taken })
        }
        Take::Page(form) => page_sheet(state).map(|sheet| rows(&sheet, *form, "", most)),
        Take::PageBundle => {
            let sheet = page_sheet(state)?;
            let head = headline(state, &sheet.title);
            Some(rows(&sheet, Form::Markdown, &head, most))
        }
    }
}

fn sheet(state: &mut State, extent: Extent) -> Option<Sheet> {
    let sheet = with_hands(state, |hands, cx| hands.sheet(extent, cx))?;
    Some(sheet.redacted(&state.redactor))
}

fn page_sheet(state: &State) -> Option<Sheet> {
    state.page.as_ref().map(|page| page.details().sheet().redacted(&state.redactor))
}

fn rows(sheet: &Sheet, form: Form, head: &str, most: usize) -> Taken {
    let (body, count) = sheet.written(form, most.saturating_sub(head.len()));
    let all = sheet.rows.len();
    let cut = count < all;
    let what =
        if cut { format!("the first {count} of {}", text::counted(all, "row")) } else { text::counted(all, "row") };
    let ending = match form {
        Form::Text => "txt",
        Form::Markdown => "md",
        Form::Json => "json",
    };
    let text = if all == 0 { String::new() } else { format!("{head}{body}") };
    Taken { text, what, cut, ending }
}

/// What somebody needs to know who was not there: where, when (UTC), of what, and which sources did not answer.
fn headline(state: &State, title: &str) -> String {
    let cx = state.cx();
    let mut out = String::from("**");
    text::push_markdown(&mut out, &state.environment);
    let _ = write!(out, "** {}: ", cx.now.wall.strftime("%Y-%m-%d %H:%M:%SZ"));
    text::push_markdown(&mut out, title);
    let down = cx.store.feeds().iter().filter(|feed| matches!(feed.health(cx.now), Health::Failed | Health::Stale));
    let down: Vec<String> = down
        .map(|feed| {
            let mut label = String::new();
            feeds::full_label(feed, cx.store, &mut label);
            label.push(' ');
            feeds::age(feed, cx.now, &mut label);
            if let Some((_, error)) = &feed.error {
                let _ = write!(label, ": {}", error.what);
            }
            state.redactor.text(&label).into_owned()
        })
        .collect();
    out.push_str("  \n");
    if down.is_empty() {
        out.push_str("all sources answer");
    } else {
        out.push_str("not answering: ");
        text::push_markdown(&mut out, &down.join("; "));
    }
    out.push_str("\n\n");
    out
}
