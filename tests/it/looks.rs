//! How it looks: fewer characters, the terminal's own ground, and what a key says that does nothing. Themes and colours are looked
//! at in `gallery`.

use crate::desk::{Desk, fence, lull, painted, quit};
use crate::dump;
use crate::frames::plan;
use crate::pty::{PATIENCE, Session};
use crate::scene::{SOURCES, Scene, begin, end, setup, start};
use crossterm::event::KeyCode;
use quarterdeck::app::Looks;
use quarterdeck::domain::risk::Level;
use quarterdeck::effect::Effect;
use quarterdeck::event::{Event, RunEvent};
use quarterdeck::keymap::{PRESETS, load_named as load_keymap};
use quarterdeck::panes::PANES;
use quarterdeck::theme::{Depth, Glyphs, load_named};
use ratatui::buffer::Buffer;
use std::time::Duration;

const SMALL: (u16, u16) = (80, 24);
const USUAL: (u16, u16) = (160, 45);

fn scene(theme: &str, depth: Depth, glyphs: Glyphs, size: (u16, u16)) -> Scene {
    let mut setup = setup(&SOURCES);
    setup.themes = load_named(theme, depth).unwrap().into();
    setup.looks = Looks { glyphs, ..Looks::default() };
    let mut scene = Scene::of(setup, size);
    scene.fill();
    scene.state.focus = 2;
    scene
}

#[test]
fn the_linux_console() {
    let mut scene = scene("dark", Depth::Ansi, Glyphs::Cp437, USUAL);
    insta::assert_snapshot!("cp437", dump::text(&scene.paint()));
}

/// Everything that can be painted, over hostile data: panes in every state, pages, overlays, a plan, runs, messages.
fn every_frame(glyphs: Glyphs, mut look: impl FnMut(&str, &Buffer)) {
    for (focus, kind) in PANES.iter().enumerate() {
        let mut scene = scene("dark", Depth::Ansi, glyphs, USUAL);
        scene.state.focus = focus;
        look(kind.title, &scene.paint());
        scene.key(KeyCode::Enter);
        look(kind.title, &scene.paint());
        scene.key(KeyCode::Esc);
        for keys in ["?", ":", "/é"] {
            scene.keys(keys);
            look(keys, &scene.paint());
            scene.key(KeyCode::Esc);
        }
        scene.resize(SMALL);
        scene.state.toasts.bad(start(), "日本語 → trouble — …");
        look(kind.title, &scene.paint());
        for (kind, name, _) in SOURCES {
            scene.bad(kind, name, "no answer — “connection refused”", "start it …");
        }
        look(kind.title, &scene.paint());
    }
    let mut scene = scene("dark", Depth::Ansi, glyphs, USUAL);
    begin(&mut scene, 1, "日本/api");
    look("running", &scene.paint());
    end(&mut scene, 1, "failed", "it did not come back … ▲");
    scene.keys("6");
    look("runs", &scene.paint());
    scene.keys("4I");
    scene.pass(Duration::from_millis(100));
    let number = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Plan { number, .. } => Some(*number),
        _ => None,
    });
    let plan = Box::new(plan("db-kill-idle", Level::Typed, 37, &["日本 — no"]));
    scene.send(Event::Run(RunEvent::Planned { number: number.expect("a plan was asked for"), plan }));
    look("plan", &scene.paint());
    scene.resize((30, 8));
    look("too small", &scene.paint());
}

#[test]
fn with_ascii_no_other_character_is_left_on_any_frame() {
    let mut frames = 0;
    every_frame(Glyphs::Ascii, |what, buf| {
        let odd = buf.content.iter().find(|cell| !cell.symbol().bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
        assert!(odd.is_none(), "{what}: {odd:?}\n{}", dump::text(buf));
        frames += 1;
    });
    assert!(frames > 50, "{frames}");
    // The same frames are not ASCII by themselves.
    let mut others = 0;
    every_frame(Glyphs::Unicode, |_, buf| {
        others += usize::from(buf.content.iter().any(|cell| !cell.symbol().is_ascii()));
    });
    assert!(others > frames / 2, "{others} of {frames}");
}

/// Frames of text keep their columns: what was one cell is one, what was two cells is two.
#[test]
fn with_ascii_nothing_shifts() {
    let mut painted = Vec::new();
    every_frame(Glyphs::Unicode, |_, buf| painted.push(buf.clone()));
    let mut at = 0;
    every_frame(Glyphs::Ascii, |what, buf| {
        for (cell, plain) in painted[at].content.iter().zip(&buf.content) {
            if cell.symbol().is_ascii() && cell.symbol() != " " {
                assert_eq!(cell.symbol(), plain.symbol(), "{what}");
            }
        }
        at += 1;
    });
}

#[test]
fn on_the_linux_console_only_its_fonts_characters_are_used() {
    let known = |symbol: &str| {
        symbol.chars().all(|c| matches!(c, ' '..='~') || "─│┌┐└┘├┤█▄▀▲▼►◄→←↑↓·√■«»░▒▓°±µßäöüéèà".contains(c))
    };
    every_frame(Glyphs::Cp437, |what, buf| {
        let odd = buf.content.iter().find(|cell| !known(cell.symbol()));
        assert!(odd.is_none(), "{what}: {odd:?}");
    });
}

#[test]
fn a_key_that_is_bound_to_nothing_says_so_for_a_moment() {
    for (preset, help) in [("default", "?"), ("k9s", "?"), ("arrows", "f1")] {
        let mut setup = setup(&SOURCES);
        setup.keymap = load_keymap(preset).unwrap();
        let mut scene = Scene::of(setup, SMALL);
        scene.fill();
        let foot = |scene: &mut Scene| dump::text(&scene.paint()).lines().last().unwrap().to_owned();
        scene.keys("Y");
        assert!(foot(&mut scene).contains(&format!("Y is not bound; {help} shows the keys")), "{}", foot(&mut scene));
        assert!(scene.state.deadline().is_some(), "nobody would take it away again");
        scene.pass(Duration::from_millis(2100));
        assert!(!foot(&mut scene).contains("not bound"));
        scene.keys("Y");
        scene.key(KeyCode::Down);
        assert!(!foot(&mut scene).contains("not bound"), "a key that does something takes it away");
    }
}

#[test]
fn foot_and_help_show_the_keys_in_force() {
    for (preset, ..) in PRESETS {
        let mut setup = setup(&SOURCES);
        setup.keymap = load_keymap(preset).unwrap();
        let mut scene = Scene::of(setup, (160, 90));
        let text = dump::text(&scene.paint());
        let help = if preset == "arrows" { "f1" } else { "?" };
        assert!(text.lines().last().unwrap().contains(&format!("{help} help")), "{text}");
        scene.key(if preset == "arrows" { KeyCode::F(1) } else { KeyCode::Char('?') });
        let text = dump::text(&scene.paint());
        let own = [("default", "ctrl-r"), ("k9s", "ctrl-f"), ("arrows", "f10")];
        let key = own.into_iter().find(|(name, _)| *name == preset).unwrap().1;
        assert!(text.lines().any(|line| line.contains(&format!("  {key} "))), "{text}");
    }
}

#[test]
fn the_theme_follows_the_ground_until_somebody_chooses_one() {
    let mut setup = setup(&SOURCES);
    setup.looks.auto = true;
    let mut scene = Scene::of(setup, SMALL);
    let name = |scene: &Scene| scene.state.themes.shown().name().to_owned();
    scene.send(Event::Ground { light: true });
    assert_eq!(name(&scene), "light");
    scene.send(Event::Resumed);
    assert!(matches!(scene.effects.last(), Some(Effect::AskGround)), "it may have changed in between");
    scene.send(Event::Ground { light: false });
    assert_eq!(name(&scene), "dark");
    scene.keys("TT");
    let chosen = name(&scene);
    scene.send(Event::Ground { light: true });
    assert_eq!(name(&scene), chosen);
}

/// The colour of the ground in a corner of a pane, of 256.
fn ground(screen: &vt100::Screen) -> Option<vt100::Color> {
    screen.cell(0, 30).map(vt100::Cell::bgcolor)
}

/// A session that has asked for the ground, after its first frame.
fn asked(desk: &Desk) -> Session {
    let session = painted(desk.launch());
    session.wait_raw(b"\x1b]11;?\x07");
    let raw = session.raw();
    let at = |what: &[u8]| raw.windows(what.len()).position(|window| window == what).unwrap();
    assert!(at(b"Databases") < at(b"\x1b]11;?\x07"), "the first frame waits for no answer");
    session
}

fn nothing_typed(screen: &str) {
    for sign in ["filter:", "not bound", "plan: "] {
        assert!(!screen.contains(sign), "{sign}\n{screen}");
    }
}

#[test]
fn the_terminals_ground_chooses_between_dark_and_light() {
    let desk = Desk::with("");
    for end in ["\x07", "\x1b\\"] {
        let mut session = asked(&desk);
        let dark = session.look(ground);
        session.send(format!("\x1b]11;rgb:fdfd/f6f6/e3e3{end}"));
        session.wait_screen("light ground", PATIENCE, |screen| ground(screen) != dark);
        let light = session.look(ground);
        fence(&mut session, nothing_typed);
        session.send(format!("\x1b]11;rgb:1e1e/1e1e/1e1e{end}"));
        session.wait_screen("dark ground", PATIENCE, |screen| ground(screen) == dark);
        assert_ne!(light, dark);
        quit(session);
    }
}

#[test]
fn an_answer_in_pieces_is_no_typing() {
    let desk = Desk::with("");
    let reply = "\x1b]11;rgb:ffff/ffff/ffff\x1b\\";
    for at in 1..reply.len() {
        let mut session = asked(&desk);
        let dark = session.look(ground);
        session.send(&reply[..at]);
        session.sees(Duration::from_millis(120), |_| false);
        session.send(&reply[at..]);
        session.wait_screen("light ground", PATIENCE, |screen| ground(screen) != dark);
        nothing_typed(&session.text());
        quit(session);
    }
}

#[test]
fn a_late_answer_counts_garbage_does_not_and_none_is_dark() {
    let desk = Desk::with("");
    let mut session = asked(&desk);
    let dark = session.look(ground);
    for garbage in ["\x1b]11;rgb:zz/yy/xx\x07", "\x1b]11;?\x07", "\x1b]11;rgb:ff\x07", "\x1b]10;rgb:ffff/ffff/ffff\x07"]
    {
        session.send(garbage);
        fence(&mut session, nothing_typed);
        assert_eq!(session.look(ground), dark, "{garbage:?}");
    }
    // Longer than an answer is waited for.
    session.sees(Duration::from_secs(6), |_| false);
    session.send("\x1b]11;rgb:ff/ff/ff\x07");
    session.wait_screen("light ground", PATIENCE, |screen| ground(screen) != dark);
    fence(&mut session, nothing_typed);
    quit(session);
}

#[test]
fn colorfgbg_is_believed_until_the_terminal_answers_and_a_chosen_theme_is_kept() {
    let desk = Desk::with("");
    let mut session = painted(desk.launch().env("COLORFGBG", "0;15"));
    let light = session.look(ground);
    session.send("\x1b]11;rgb:0000/0000/0000\x07");
    session.wait_screen("dark ground", PATIENCE, |screen| ground(screen) != light);
    quit(session);
    let mut session = painted(desk.launch().args(&["--theme", "nord"]));
    let nord = session.look(ground);
    session.send("\x1b]11;rgb:ffff/ffff/ffff\x07");
    fence(&mut session, nothing_typed);
    lull(&session);
    assert_eq!(session.look(ground), nord);
    assert!(!session.raw().windows(5).any(|bytes| bytes == b"\x1b]11;"), "nobody needs to know");
    quit(session);
}

/// The sequences that set a colour of 24 bits, of 256, and of the 16 alone.
fn colours(raw: &[u8]) -> (bool, bool, bool) {
    let all: Vec<String> = crate::pty::control_sequences(raw).into_iter().filter(|text| text.ends_with('m')).collect();
    let wide = |text: &String| {
        text.split("8;5;").nth(1).and_then(|rest| rest.trim_end_matches('m').split(';').next()?.parse().ok())
    };
    let indexed: Vec<u16> = all.iter().filter_map(wide).collect();
    let direct = all.iter().any(|text| text.contains("8;2;"));
    (direct, indexed.iter().any(|index| *index > 15), indexed.iter().any(|index| *index < 16))
}

#[test]
fn a_theme_of_ones_own_lies_over_the_one_that_it_inherits() {
    let desk = Desk::with("theme = \"mine.toml\"\n");
    desk.file("mine.toml", "inherits = \"nord\"\n[palette]\naccent = \"#ff8040\"\n");
    let raw = |arguments: &[&str]| {
        let session = painted(desk.launch().args(arguments).env("COLORTERM", "truecolor"));
        let raw = String::from_utf8_lossy(&session.raw()).into_owned();
        quit(session);
        raw
    };
    let grounds = |raw: &str| raw.matches("48;2;").count();
    let (mine, nord) = (raw(&[]), raw(&["--theme", "nord"]));
    assert!(mine.contains("38;2;255;128;64") && !nord.contains("38;2;255;128;64"), "the accent is its own");
    let ground = |raw: &str| raw.split_once("48;2;").map(|(_, rest)| rest[..8].to_owned());
    assert!(grounds(&nord) > 0 && ground(&mine) == ground(&nord), "the ground is nord's");
    assert!(desk.run(&["check", "--offline"]).status.success());
}

#[test]
fn the_number_of_colours_can_be_chosen() {
    let desk = Desk::with("colors = \"16\"\n");
    let drawn = |arguments: &[&str], variable: (&str, &str)| {
        let session = painted(desk.launch().args(arguments).env(variable.0, variable.1));
        let raw = session.raw();
        quit(session);
        colours(&raw)
    };
    assert_eq!(drawn(&[], ("COLORTERM", "truecolor")), (false, false, true), "the config's");
    assert!(drawn(&["--color", "true"], ("X", "")).0);
    assert!(drawn(&["--color", "256"], ("COLORTERM", "truecolor")).1);
    assert_eq!(drawn(&["--color", "never"], ("COLORTERM", "truecolor")), (false, false, false));
    assert_eq!(drawn(&[], ("NO_COLOR", "1")), (false, false, false));
    assert!(drawn(&["--color", "always"], ("NO_COLOR", "1")).1, "as many as the terminal has");
    let printed = desk.run(&["check", "--color", "17"]);
    assert_eq!(printed.status.code(), Some(2));
}

#[test]
fn without_a_utf8_locale_only_ascii_is_printed() {
    let desk = Desk::with("");
    for (arguments, locale) in [(&[][..], "C"), (&["--ascii"][..], "C.UTF-8")] {
        let session = painted(desk.launch().args(arguments).env("LC_ALL", locale));
        assert!(session.raw().is_ascii(), "{locale}\n{}", session.text());
        quit(session);
    }
    let session = painted(desk.launch());
    assert!(!session.raw().is_ascii());
    quit(session);
}
