//! The line of an incident under the header: what it is at the left, its clocks at the right.

use crate::action::Action;
use crate::app::{IncidentClock, IncidentLine, State};
use crate::domain::text;
use crate::theme::Role;
use crate::widgets::canvas;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Cells of an incident's title that stay where room is short: its severity, and enough to know it by.
const TITLE_CELLS: usize = 12;

/// Cells of it that stay as long as nothing else had to give way but whom to call and the key: what others call it, as a rule with its id.
const TITLE_WORDS: usize = 26;

/// Cells that stay empty: one at each edge, two between the sides.
const GAPS: usize = 4;

/// Draws it.
pub fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let Some(line) = state.chrome.incident.as_ref().filter(|_| area.height > 0) else { return };
    let late = line.clocks.iter().any(|clock| clock.late);
    let style = state.cx().style(if late { Role::SeverityCritical } else { Role::Asks });
    canvas::clear(buf, area, style);
    let key = state.keymap.key_of(state.scope(), &Action::Incident);
    let key = key.map(|key| format!("  {key}: incident")).unwrap_or_default();
    let (stands, clocks) = fit(line, &key, usize::from(area.width));
    let end = canvas::put_right(buf, (area.right() - 1, area.y), &text::clean(&clocks), area.width, style);
    let left = usize::from(end.saturating_sub(area.x + 3));
    let room = left.saturating_sub(stands.width()).max(TITLE_CELLS.min(left));
    canvas::put(buf, (area.x + 1, area.y), &format!("{}{stands}", short(&line.title, room)), left as u16, style);
}

/// A title in so many cells. Of its id all or nothing stays: half of it names nothing, and leaves a bracket open.
fn short(title: &str, room: usize) -> Cow<'_, str> {
    let cut = text::shorten(title, room);
    let without = title.rfind(" (").unwrap_or(title.len());
    if matches!(cut, Cow::Owned(_)) && cut.len() - '…'.len_utf8() > without {
        return format!("{}…", &title[..without]).into();
    }
    cut
}

/// What of a line is said.
struct Form {
    /// Which of the ways to say how it stands; behind the last one: none.
    state: usize,
    /// So many clocks, the next ones.
    clocks: usize,
    words: fn(&IncidentClock) -> &String,
    key: bool,
    /// So many cells of the title, if it has them.
    title: usize,
}

/// From most to least. What is told elsewhere too, or can be asked for, gives way before what is due: first the title's end, whom to call (the list behind the key and view 7 say it),
/// then the key; then words are left out, and no fact. Then what fires (the alerts have it), then the clock that is due last, as long as how it stands and
/// others that are open stay: a worse one must not be overlooked. The two next clocks, of which those that are late come first, stay to the last: with them
/// somebody is late, and no other place says so. Before the second one goes how it stands, which they say themselves (what has a clock to respond is not
/// acknowledged).
fn forms(count: usize) -> [Form; 12] {
    let two = count.min(2);
    let form = |state, clocks, words| Form {
        state,
        clocks,
        words,
        key: false,
        title: if state == 0 { TITLE_WORDS } else { TITLE_CELLS },
    };
    let [text, short, brief]: [fn(&IncidentClock) -> &String; 3] =
        [|clock| &clock.text, |clock| &clock.short, |clock| &clock.brief];
    [
        Form { key: true, ..form(0, count, text) },
        Form { key: true, ..form(0, count, short) },
        form(0, count, short),
        form(1, count, short),
        form(1, count, brief),
        form(2, count, brief),
        form(1, two, brief),
        form(2, two, brief),
        form(3, two, brief),
        form(4, two, brief),
        form(3, 1, brief),
        form(4, 1, brief),
    ]
}

/// How it stands, and the clocks, in as many words as there is room for.
fn fit<'a>(line: &'a IncidentLine, key: &str, width: usize) -> (&'a str, String) {
    let said = |form: &Form| {
        let stands = line.state.get(form.state).map_or("", String::as_str);
        let clocks: Vec<&str> =
            line.clocks.iter().take(form.clocks).map(|clock| (form.words)(clock).as_str()).collect();
        (stands, clocks.join(" · ") + if form.key { key } else { "" })
    };
    let all = forms(line.clocks.len());
    let fits = |form: &&Form| {
        let (stands, clocks) = said(form);
        line.title.width().min(form.title) + stands.width() + clocks.width() + GAPS <= width
    };
    said(all.iter().find(fits).unwrap_or(&all[all.len() - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(clocks: &[(&str, &str)]) -> IncidentLine {
        let clock = |(word, figure): &(&str, &str)| IncidentClock {
            late: figure.starts_with("late"),
            text: format!("{word} somebody with a long name {figure}"),
            short: format!("{word} {figure}"),
            brief: format!("{} {figure}", word.trim_start_matches("call ")),
        };
        IncidentLine {
            title: "P0 The players of all of Europe can't log in (3a21ab)".to_owned(),
            state: [
                ": acknowledged, 12 alerts fire, perhaps the same as 5b21ab, 2 more open (worst P0, respond late)",
                ": acknowledged, 12 fire, same as 5b21ab?, +2, worst P0 late",
                ": acknowledged, same as 5b21ab?, +2, worst P0 late",
                ": acknowledged",
            ]
            .map(str::to_owned),
            clocks: clocks.iter().map(clock).collect(),
        }
    }

    const LATE: [(&str, &str); 3] = [("respond", "late 1h 04m"), ("update", "late 1h 04m"), ("call L1", "late 49:10")];

    #[test]
    fn the_two_next_clocks_are_legible_in_80_cells_however_late_they_are() {
        for clocks in [&LATE[..], &LATE[1..], &LATE[..2]] {
            let line = line(clocks);
            let (stands, told) = fit(&line, "  X: incident", 80);
            for clock in &line.clocks[..2] {
                assert!(told.contains(&clock.brief), "{told}");
            }
            assert!(stands.width() + told.width() + TITLE_CELLS + GAPS <= 80, "{stands}{told}");
        }
    }

    #[test]
    fn what_gives_way_first_is_what_is_told_elsewhere() {
        let at = |width| fit(&line(&LATE), "  X: incident", width).1;
        assert!(at(280).ends_with("call L1 somebody with a long name late 49:10  X: incident"), "{}", at(280));
        assert_eq!(at(200), "respond late 1h 04m · update late 1h 04m · call L1 late 49:10  X: incident");
        assert_eq!(at(185), "respond late 1h 04m · update late 1h 04m · call L1 late 49:10");
        assert_eq!(at(110), "respond late 1h 04m · update late 1h 04m");
        let of = line(&LATE);
        let stands = |width| fit(&of, "", width).0;
        assert_eq!(stands(116), of.state[1]);
        assert_eq!((stands(107), stands(80), stands(60)), (&*of.state[2], &*of.state[3], ""));
        assert_eq!((at(40), at(10)), ("respond late 1h 04m".to_owned(), "respond late 1h 04m".to_owned()));
    }

    #[test]
    fn a_title_that_is_cut_leaves_no_bracket_open() {
        let title = "P0 late (EU) P0 (3a21ab)";
        for room in 1..title.len() {
            let told = short(title, room);
            assert!(told.ends_with('…') && told.width() <= room && !told.contains(" (3"), "{told}");
        }
        assert_eq!((short(title, 17), short(title, 24)), ("P0 late (EU) P0…".into(), title.into()));
        assert_eq!(short("P0 late", 5), "P0 l…");
    }
}
