//! Whatever comes, in whatever order: drawing never panics, and no cell holds what would drive or confuse the terminal.

use crate::dump;
use crate::scene::{HOSTILE, SOURCES, Scene, nothing, rows};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use quarterdeck::event::Event;
use ratatui::buffer::Buffer;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Resize(u16, u16),
    Pass(u64),
    Good(usize, usize, Vec<String>),
    Bad(usize, String),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE).prop_map(str::to_owned),
        "\\PC{0,40}",
        "[\\x00-\\x9f\\u{200b}-\\u{206f}\\u{fe0f}\\u{1f468}\\u{1f1e6}\\u{300}日本語a ]{0,30}",
    ]
}

fn key() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        8 => "[a-zA-Z0-9/:?!\\[\\] 日\u{200b}é]".prop_map(|c| KeyCode::Char(c.chars().next().unwrap())),
        4 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Backspace, KeyCode::Delete, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End, KeyCode::PageUp, KeyCode::PageDown,
        ]),
    ];
    let modifiers = prop_oneof![4 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL)];
    (code, modifiers).prop_map(|(code, modifiers)| Step::Key(code, modifiers))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => key(),
        1 => text().prop_map(Step::Paste),
        1 => prop_oneof![(0u16..300, 0u16..90), (80u16..125, 24u16..32)].prop_map(|(w, h)| Step::Resize(w, h)),
        1 => (0u64..40_000).prop_map(Step::Pass),
        2 => (0usize..4, 0usize..60, prop::collection::vec(text(), 0..6)).prop_map(|(s, n, t)| Step::Good(s, n, t)),
        1 => (0usize..4, text()).prop_map(|(source, what)| Step::Bad(source, what)),
    ]
}

fn take(scene: &mut Scene, step: Step) {
    match step {
        Step::Key(code, modifiers) => {
            scene.pass(Duration::from_millis(100));
            scene.send(Event::Input(Input::Key(KeyEvent::new(code, modifiers))));
        }
        Step::Paste(text) => scene.send(Event::Input(Input::Paste(text))),
        Step::Resize(width, height) => scene.resize((width, height)),
        Step::Pass(millis) => scene.pass(Duration::from_millis(millis)),
        Step::Good(source, count, names) => {
            let (kind, name, subject) = SOURCES[source];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let snapshot = if count == 59 { nothing(subject) } else { rows(subject, count, &names) };
            scene.good(kind, name, snapshot);
        }
        Step::Bad(source, what) => {
            let (kind, name, _) = SOURCES[source];
            scene.bad(kind, name, &what, &what);
        }
    }
}

/// What a cell must not hold: controls, direction changes, characters that nobody sees. And a wide character covers two cells
/// that nothing else is written into.
fn check(buf: &Buffer) -> Result<(), TestCaseError> {
    for y in buf.area.top()..buf.area.bottom() {
        for x in buf.area.left()..buf.area.right() {
            let cell = &buf[(x, y)];
            let tricky = |c: char| {
                c.is_control()
                    || matches!(c, '\u{61c}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
            };
            prop_assert!(!cell.symbol().chars().any(tricky), "{:?} at {x},{y}", cell.symbol());
            let covered = x + 1..x + dump::width(cell) as u16;
            for next in covered {
                prop_assert!(next < buf.area.right(), "{:?} at {x},{y} reaches over the edge", cell.symbol());
                let symbol = buf[(next, y)].symbol();
                prop_assert!(symbol.trim().is_empty(), "{symbol:?} stands in half of {:?} at {x},{y}", cell.symbol());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_comes_breaks_the_screen(steps in prop::collection::vec(step(), 1..40)) {
        let mut scene = Scene::new(&SOURCES, (80, 24));
        for step in steps {
            take(&mut scene, step);
            check(&scene.paint())?;
        }
    }
}

/// The whole usual screen, at every width and every overlay that a key opens.
#[test]
fn wide_characters_are_never_cut_in_half() {
    for key in [None, Some('?'), Some(':'), Some('a')] {
        for width in 80..180 {
            let mut scene = Scene::full((width, 32));
            scene.state.focus = 1;
            scene.keys(&key.map(String::from).unwrap_or_default());
            check(&scene.paint()).unwrap_or_else(|error| panic!("{width} columns, key {key:?}: {error}"));
        }
    }
}
