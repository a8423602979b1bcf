//! What a run asks on its way, and looking at something else meanwhile: nothing is answered by what was typed for something else, and
//! no question is lost.

use crate::books::Books;
use crate::desk::insist;
use crate::dump;
use crate::frames;
use crate::lab::scripted::{Say, Scripted};
use crate::scene::{SOURCES, Scene, begin, end, record_at, run_id, setup};
use crate::support::{self, LONG, leave, look_at};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::app::Overlay;
use quarterdeck::domain::record::RecordKind;
use quarterdeck::domain::risk::Level;
use quarterdeck::domain::{RunId, Server};
use quarterdeck::effect::{Effect, RunAnswer};
use quarterdeck::event::{Event, RunEvent, TaskList};
use quarterdeck::keymap::{PRESETS, load_named};
use quarterdeck::runbook::machine::Way;
use quarterdeck::runbook::plan::{Caller, PlanBody};
use quarterdeck::runbook::{Answer, Library, Plan, PlanRequest};
use quarterdeck::store::Named;
use quarterdeck::theme::Role;
use quarterdeck::widgets::field::Field;
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 45);

fn screen(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

/// Without the lines that it is broken into.
fn words(seen: &str) -> String {
    seen.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The dialog is on the screen for long enough to take an answer.
fn settle(scene: &mut Scene) {
    scene.pass(Duration::from_millis(600));
    scene.paint();
    scene.pass(Duration::from_millis(400));
    scene.paint();
}

/// Keys, and time for the last of them to have stood alone.
fn press(scene: &mut Scene, keys: &str) {
    scene.keys(keys);
    scene.pass(Duration::from_millis(100));
}

fn code(scene: &mut Scene, code: KeyCode) {
    scene.key(code);
    scene.pass(Duration::from_millis(100));
}

fn ctrl(scene: &mut Scene, letter: char) {
    scene.pass(Duration::from_millis(100));
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))));
}

fn ask(scene: &mut Scene, run: u128, prompt: &str, phrase: Option<&str>, manual: bool, list: TaskList, ways: Vec<Way>) {
    let (run, step, prompt, phrase) = (run_id(run), "a/b".to_owned(), prompt.to_owned(), phrase.map(str::to_owned));
    scene.send(Event::Run(RunEvent::Ask { run, step, prompt, phrase, manual, list, ways }));
}

fn ask_phrase(scene: &mut Scene, run: u128) {
    ask(scene, run, "Kill them", Some("kill 3 on primary"), false, TaskList::default(), Vec::new());
}

pub fn ask_by_hand(scene: &mut Scene, run: u128, prompt: &str) {
    ask(scene, run, prompt, None, true, TaskList::default(), Vec::new());
}

fn tasks() -> TaskList {
    let tasks = ["the owner is asked", "the owner agrees"].map(|task| (task.to_owned(), false)).into();
    TaskList { tasks, ..TaskList::default() }
}

fn answers(scene: &Scene) -> Vec<(RunId, RunAnswer)> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer(run, answer) => Some((*run, answer.clone())),
        _ => None,
    };
    scene.effects.iter().filter_map(answer).collect()
}

/// What is typed into the question that is open.
fn typed(scene: &Scene) -> &str {
    match &scene.state.overlay {
        Some(Overlay::Ask(dialog)) => dialog.field.text(),
        other => panic!("no question: {other:?}"),
    }
}

fn open(scene: &Scene) -> Option<RunId> {
    match &scene.state.overlay {
        Some(Overlay::Ask(dialog)) => Some(dialog.run),
        _ => None,
    }
}

#[test]
fn a_question_is_put_aside_everything_can_be_looked_at_and_a_key_brings_it_back() {
    for size in [SMALL, LARGE] {
        let mut scene = Scene::full(size);
        begin(&mut scene, 1, "local/api-3");
        ask_phrase(&mut scene, 1);
        settle(&mut scene);
        let (seen, run) = (screen(&mut scene), run_id(1).short());
        assert!(seen.contains(&format!("Restart a container on local/api-3: run {run} asks")), "{seen}");
        assert!(seen.contains("with container = local/api-3"), "{seen}");
        press(&mut scene, "kill 3 on");
        assert_eq!(typed(&scene), "kill 3 on");
        code(&mut scene, KeyCode::Esc);
        assert!(scene.state.overlay.is_none() && answers(&scene).is_empty());
        // Wherever one goes it is said, and how to answer.
        for keys in ["1", "2z", "2l", "3", "4b", "0", "5", "6"] {
            press(&mut scene, keys);
            let seen = screen(&mut scene);
            let line = seen.lines().rev().nth(1).unwrap();
            assert!(line.starts_with(&format!(" ? run {} asks", run_id(1).short())), "{keys}\n{seen}");
            assert!(line.ends_with("A: answer"), "{keys}\n{seen}");
            assert!(seen.lines().last().unwrap().contains("A answer"), "{keys}\n{seen}");
            scene.key(KeyCode::Esc);
        }
        press(&mut scene, "6");
        let seen = screen(&mut scene);
        assert!(seen.contains("1 waits for you") && seen.contains("asks       2026-"), "{seen}");
        press(&mut scene, "A");
        assert_eq!(typed(&scene), "", "never the rest of an old answer");
        let seen = screen(&mut scene);
        assert!(seen.contains("kill 3 on primary") && seen.contains("Kill them"), "{seen}");
        settle(&mut scene);
        press(&mut scene, "kill 3 on primary");
        code(&mut scene, KeyCode::Enter);
        let confirmed = RunAnswer::Confirm(Answer::Phrase("kill 3 on primary".to_owned()));
        assert_eq!(answers(&scene), [(run_id(1), confirmed)]);
        assert!(!screen(&mut scene).contains(" asks"), "{}", screen(&mut scene));
    }
}

#[test]
fn the_title_of_a_question_says_where_its_step_is_and_not_where_the_first_one_was() {
    let mut scene = Scene::full(LARGE);
    let step = |id: &str, target: &str| json!({ "id": id, "title": "It", "target": target, "changes": true });
    let steps = json!([
        step("a/stop", "api on local"),
        step("a/kill", "primary"),
        step("a/note@web-1", "web-1"),
        step("a/note@web-2", "web-2"),
        step("a/note@web-3", "web-3"),
        step("a/look", ""),
    ]);
    let data = json!({ "runbook": "own", "title": "Own", "answer": "y", "params": {}, "steps": steps });
    scene.send(record_at(0, 1, RecordKind::RunStart, None, data));
    for (step, title) in [
        ("a/stop", "Own on api on local: run"),
        ("a/kill", "Own on primary: run"),
        ("a/note@web-1", "Own on 3 targets: run"),
        ("a/look", "Own on 5 targets: run"),
    ] {
        let (run, step, prompt) = (run_id(1), step.to_owned(), "step 2 'It' on primary".to_owned());
        let (list, ways) = (TaskList::default(), Vec::new());
        scene.send(Event::Run(RunEvent::Ask { run, step, prompt, phrase: None, manual: true, list, ways }));
        settle(&mut scene);
        let seen = screen(&mut scene);
        assert!(seen.contains(title), "{title}\n{seen}");
    }
}

#[test]
fn a_question_that_is_over_while_it_is_typed_into_leaves_nothing_to_the_panes() {
    let mut scene = Scene::full(SMALL);
    begin(&mut scene, 1, "local/api-3");
    ask_phrase(&mut scene, 1);
    settle(&mut scene);
    scene.keys("kill 3 ");
    end(&mut scene, 1, "stopped", "somebody else stopped it");
    assert_eq!(open(&scene), None);
    let focus = scene.state.focus;
    scene.keys("on 1 q/?");
    assert!(scene.state.overlay.is_none() && scene.state.filter_edit.is_none() && scene.state.focus == focus);
    // The next question waits until hands are off the keys.
    ask_by_hand(&mut scene, 2, "Ask the owner");
    scene.keys("y");
    assert_eq!(open(&scene), None);
    scene.pass(Duration::from_millis(600));
    assert_eq!(open(&scene), Some(run_id(2)));
    assert!(answers(&scene).is_empty() && !quits(&scene));
    // After an answer a key does nothing for a moment either.
    settle(&mut scene);
    press(&mut scene, "y");
    assert_eq!((answers(&scene).len(), open(&scene)), (1, None));
    press(&mut scene, "q");
    assert!(!quits(&scene));
    scene.pass(Duration::from_millis(300));
    press(&mut scene, "q");
    press(&mut scene, "q");
    assert!(quits(&scene), "then it counts");
}

#[test]
fn a_run_that_another_session_took_over_asks_nothing_here_any_more_and_it_is_said_whose_it_is() {
    let mut scene = Scene::full(LARGE);
    begin(&mut scene, 1, "local/api-3");
    ask(&mut scene, 1, "it is not there", None, false, TaskList::default(), vec![Way::Again, Way::Undo, Way::Stop]);
    settle(&mut scene);
    assert_eq!(open(&scene), Some(run_id(1)));
    let resume = json!({ "way": "abandon", "reason": "the primary is back" });
    scene.send(frames::elsewhere(record_at(60, 1, RecordKind::RunResume, None, resume)));
    let seen = screen(&mut scene);
    let said = "was taken over by ada@bastion at 03:01:00Z and given up: the primary is back; nothing more of";
    assert!(open(&scene).is_none() && words(&seen).contains(said), "{seen}");
    scene.pass(Duration::from_secs(1));
    press(&mut scene, "A");
    assert!(screen(&mut scene).contains("no run asks anything now"), "{}", screen(&mut scene));
    assert!(answers(&scene).is_empty());
}

fn quits(scene: &Scene) -> bool {
    scene.effects.iter().any(|effect| matches!(effect, Effect::Quit))
}

#[test]
fn it_is_louder_than_what_need_not_be_answered() {
    let mut scene = Scene::full(SMALL);
    begin(&mut scene, 1, "local/api-3");
    let banner = |scene: &mut Scene| scene.paint()[(1, 22)].style();
    let quiet = banner(&mut scene);
    ask_phrase(&mut scene, 1);
    scene.key(KeyCode::Esc);
    let loud = banner(&mut scene);
    let asks = scene.state.cx().style(Role::Asks);
    assert!(loud != quiet && loud.bg == asks.bg && loud.fg == asks.fg);
}

#[test]
fn what_was_ticked_stays_ticked() {
    let mut scene = Scene::full(SMALL);
    ask(&mut scene, 1, "Ask the owner", None, true, tasks(), Vec::new());
    settle(&mut scene);
    press(&mut scene, "j ");
    press(&mut scene, "q");
    assert!(scene.state.overlay.is_none(), "q puts it aside where nothing is typed");
    press(&mut scene, "A");
    let seen = screen(&mut scene);
    assert!(seen.contains("  [ ] the owner is asked") && seen.contains("▶ [x] the owner agrees"), "{seen}");
    settle(&mut scene);
    press(&mut scene, "s");
    press(&mut scene, "he is away");
    scene.key(KeyCode::Esc);
    assert!(open(&scene).is_some(), "from the reason back to the question");
    press(&mut scene, "s");
    assert_eq!(typed(&scene), "");
    scene.key(KeyCode::Esc);
    scene.key(KeyCode::Esc);
    assert!(open(&scene).is_none());
    assert_eq!(answers(&scene), [(run_id(1), RunAnswer::Tick { item: 1, done: true })]);
}

#[test]
fn what_there_is_to_choose_stays_in_sight_however_long_the_question_is() {
    let mut scene = Scene::full(SMALL);
    begin(&mut scene, 1, "local/api-3");
    let prompt = (1..=30).map(|line| format!("line {line} of what was seen")).collect::<Vec<_>>().join("\n\n");
    let choices: Vec<String> = (1..=20).map(|way| format!("way {way}")).collect();
    ask(&mut scene, 1, &prompt, None, true, TaskList { choices, ..TaskList::default() }, Vec::new());
    settle(&mut scene);
    let seen = screen(&mut scene);
    assert!(seen.contains("line 1 of") && seen.contains("more lines below: PgDn"), "{seen}");
    assert!(seen.contains("▶ ( ) way 1 ") && !seen.contains("way 20"), "{seen}");
    for _ in 1..20 {
        code(&mut scene, KeyCode::Down);
    }
    press(&mut scene, " ");
    let seen = screen(&mut scene);
    assert!(seen.contains("▶ (x) way 20") && seen.contains("line 1 of") && !seen.contains("way 1 "), "{seen}");
    code(&mut scene, KeyCode::PageDown);
    let seen = screen(&mut scene);
    assert!(seen.contains("▶ (x) way 20") && !seen.contains("line 1 of"), "{seen}");
}

#[test]
fn an_undo_that_takes_a_phrase_is_not_chosen_by_its_letter() {
    let mut scene = Scene::full(LARGE);
    begin(&mut scene, 1, "local/api-3");
    let phrase = Some("undo api-3 on local");
    ask(&mut scene, 1, "it is not there", phrase, false, TaskList::default(), vec![Way::Again, Way::Undo, Way::Stop]);
    settle(&mut scene);
    assert!(screen(&mut scene).contains("u undoes it, by a phrase"), "{}", screen(&mut scene));
    press(&mut scene, "u");
    scene.pass(Duration::from_secs(1));
    let seen = screen(&mut scene);
    assert!(seen.contains("to undo it type  undo api-3 on local  and press Enter"), "{seen}");
    assert!(answers(&scene).is_empty());
    for wrong in ["", "undo api-3", "u"] {
        press(&mut scene, wrong);
        scene.key(KeyCode::Enter);
        scene.pass(Duration::from_secs(1));
        let seen = screen(&mut scene);
        assert!(seen.contains("that is not \"undo api-3 on local\": nothing is undone"), "{wrong}: {seen}");
        assert!(answers(&scene).is_empty() && typed(&scene).is_empty());
    }
    scene.key(KeyCode::Esc);
    assert!(open(&scene).is_some(), "from the phrase back to the question");
    press(&mut scene, "u");
    press(&mut scene, "undo api-3 on local");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_secs(1));
    let undo = RunAnswer::Choose { way: Way::Undo, reason: "undo api-3 on local".to_owned() };
    assert_eq!(answers(&scene), [(run_id(1), undo)]);
}

#[test]
fn a_question_never_takes_what_is_typed_for_something_else() {
    // A filter is being typed.
    let mut scene = Scene::full(SMALL);
    scene.keys("2/ap");
    ask(&mut scene, 1, "Ask the owner", None, true, tasks(), Vec::new());
    settle(&mut scene);
    press(&mut scene, "i y s");
    assert!(open(&scene).is_none());
    assert_eq!(scene.state.filter_edit.as_ref().map(Field::text), Some("api y s"));
    assert!(screen(&mut scene).contains(" asks"), "{}", screen(&mut scene));
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_secs(1));
    assert_eq!(open(&scene), Some(run_id(1)), "it opens when nothing is typed any more");
    // The palette, a menu, help and a plan are open.
    for keys in [":pro", "o", "?", "c"] {
        let mut scene = Scene::full(SMALL);
        scene.keys("2");
        scene.keys(keys);
        ask_by_hand(&mut scene, 1, "Ask the owner");
        settle(&mut scene);
        assert!(open(&scene).is_none() && scene.state.overlay.is_some(), "{keys}");
        scene.key(KeyCode::Esc);
        scene.pass(Duration::from_secs(1));
        assert_eq!(open(&scene), Some(run_id(1)), "{keys}");
    }
    // Keys are pressed in a pane, one after the other: a question waits until hands are off them.
    let mut scene = Scene::full(SMALL);
    scene.keys("2jj");
    ask(&mut scene, 1, "Ask the owner", None, true, tasks(), Vec::new());
    for _ in 0..20 {
        scene.paint();
        scene.key(KeyCode::Char(' '));
        assert!(open(&scene).is_none());
    }
    let wake = scene.state.deadline().expect("it opens by itself, without another event");
    assert!(wake <= scene.state.now.mono + Duration::from_millis(500));
    scene.pass(Duration::from_millis(500));
    assert_eq!(open(&scene), Some(run_id(1)));
    assert!(answers(&scene).is_empty());
}

#[test]
fn nothing_is_answered_by_a_key_from_before_the_question_was_painted() {
    for (manual, ways, keys) in [
        (true, Vec::new(), "y"),
        (true, Vec::new(), " "),
        (false, Vec::new(), "y"),
        (false, vec![Way::Again, Way::Undo, Way::Next, Way::Stop], "a"),
        (false, vec![Way::Again, Way::Undo, Way::Next, Way::Stop], "u"),
        (false, vec![Way::Again, Way::Undo, Way::Next, Way::Stop], "c"),
    ] {
        let mut scene = Scene::full(SMALL);
        let list = if manual && keys == " " { tasks() } else { TaskList::default() };
        ask(&mut scene, 1, "Ask the owner", None, manual, list, ways);
        assert!(open(&scene).is_some());
        // Not painted yet, though it has been open for long.
        scene.pass(Duration::from_secs(5));
        press(&mut scene, keys);
        ctrl(&mut scene, 'x');
        scene.pass(Duration::from_millis(100));
        assert!(answers(&scene).is_empty(), "{keys:?}");
        settle(&mut scene);
        press(&mut scene, keys);
        assert_eq!(answers(&scene).len(), 1, "{keys:?}");
        // The same after it was put aside.
        let mut scene = Scene::full(SMALL);
        ask_by_hand(&mut scene, 1, "Ask the owner");
        settle(&mut scene);
        scene.key(KeyCode::Esc);
        press(&mut scene, "Ay");
        assert!(answers(&scene).is_empty() && open(&scene).is_some());
    }
}

#[test]
fn several_questions_are_walked_from_the_oldest_and_counted() {
    let mut scene = Scene::full(LARGE);
    for run in 1..=3 {
        begin(&mut scene, run, "local/api-3");
        ask_by_hand(&mut scene, run, &format!("Ask owner {run}"));
    }
    assert_eq!(open(&scene), Some(run_id(1)));
    let seen = screen(&mut scene);
    assert!(seen.contains("question 1 of 3, Tab: the next") && seen.contains("2 runs ask  A: answer"), "{seen}");
    for run in [2, 3, 1] {
        code(&mut scene, KeyCode::Tab);
        assert_eq!(open(&scene), Some(run_id(run)));
    }
    for run in [2, 3] {
        press(&mut scene, "A");
        assert_eq!(open(&scene), Some(run_id(run)), "the key that opened it goes on");
    }
    code(&mut scene, KeyCode::Esc);
    let seen = screen(&mut scene);
    assert!(seen.contains(&format!("? run {} asks", run_id(1).short())) && seen.contains("3 runs ask  A: answer"));
    press(&mut scene, "A");
    assert_eq!(open(&scene), Some(run_id(1)), "the one that has waited longest");
    // One that is over asks nothing any more, wherever its question is.
    end(&mut scene, 1, "stopped", "stopped on request");
    end(&mut scene, 2, "stopped", "stopped on request");
    scene.pass(Duration::from_secs(1));
    assert_eq!(open(&scene), None, "one that was put aside does not come back by itself");
    press(&mut scene, "A");
    assert_eq!(open(&scene), Some(run_id(3)));
    code(&mut scene, KeyCode::Tab);
    assert!(screen(&mut scene).contains("no other run asks"), "{}", screen(&mut scene));
    // What it asks anew takes the place of what it asked before.
    ask_by_hand(&mut scene, 3, "Ask somebody else");
    assert_eq!(open(&scene), Some(run_id(3)));
    assert!(screen(&mut scene).contains("Ask somebody else"), "{}", screen(&mut scene));
    scene.pass(Duration::from_millis(300));
    code(&mut scene, KeyCode::Esc);
    end(&mut scene, 3, "ok", "done");
    press(&mut scene, "A");
    assert!(screen(&mut scene).contains("no run asks anything now"), "{}", screen(&mut scene));
    assert!(answers(&scene).is_empty());
}

#[test]
fn while_a_phrase_is_typed_letters_are_letters() {
    let mut scene = Scene::full(SMALL);
    ask_phrase(&mut scene, 1);
    ask_by_hand(&mut scene, 2, "Ask the owner");
    settle(&mut scene);
    press(&mut scene, "qnAs");
    assert_eq!((open(&scene), typed(&scene)), (Some(run_id(1)), "qnAs"));
    code(&mut scene, KeyCode::Enter);
    let seen = screen(&mut scene);
    assert!(seen.contains("that is not \"kill 3 on primary\": nothing was done"), "{seen}");
    assert_eq!(typed(&scene), "", "what was refused is gone");
    press(&mut scene, "kill");
    code(&mut scene, KeyCode::Tab);
    assert_eq!(open(&scene), Some(run_id(2)));
    code(&mut scene, KeyCode::Tab);
    assert_eq!(typed(&scene), "");
}

#[test]
fn one_letter_means_one_thing_in_every_question() {
    let stop = |scene: &mut Scene| {
        settle(scene);
        press(scene, "x");
        assert!(answers(scene).is_empty());
        ctrl(scene, 'x');
        assert!(answers(scene).is_empty(), "only when it stands alone");
        scene.pass(Duration::from_millis(100));
        assert_eq!(answers(scene), [(run_id(1), RunAnswer::Stop)]);
    };
    let scene = |manual: bool, ways: &[Way]| {
        let mut scene = Scene::full(SMALL);
        ask(&mut scene, 1, "What now", None, manual, TaskList::default(), ways.to_vec());
        scene
    };
    stop(&mut scene(true, &[]));
    stop(&mut scene(false, &[]));
    stop(&mut scene(false, &[Way::Undo, Way::Stop]));
    let all = [Way::Again, Way::Undo, Way::GoOn, Way::Stop];
    let chosen = |ways: &[Way], key: &str| {
        let mut scene = scene(false, ways);
        settle(&mut scene);
        press(&mut scene, key);
        match answers(&scene).pop() {
            Some((_, RunAnswer::Choose { way, .. })) => Some(way),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(chosen(&all, "a"), Some(Way::Again));
    assert_eq!(chosen(&all, "u"), Some(Way::Undo));
    assert_eq!(chosen(&all, "c"), None, "a reason first");
    assert_eq!(chosen(&[Way::Next, Way::Stop], "c"), Some(Way::Next));
    for key in ["s", "y", "g", "n", "q", "x", " "] {
        assert_eq!(chosen(&all, key), None, "{key}");
    }
}

#[test]
fn the_key_is_the_same_in_every_keymap() {
    for (name, ..) in PRESETS {
        let keymap = load_named(name).unwrap();
        for scope in
            quarterdeck::keymap::Scope::EVERY.into_iter().filter(|it| *it != quarterdeck::keymap::Scope::Replay)
        {
            let key = keymap.key_of(scope, &quarterdeck::action::Action::Answer);
            assert_eq!(key.as_deref(), Some("A"), "{name} {scope:?}");
        }
    }
}

fn numbers(scene: &Scene) -> Vec<(u64, PlanRequest)> {
    let number = |effect: &Effect| match effect {
        Effect::Plan { number, request } => Some((*number, request.clone())),
        _ => None,
    };
    scene.effects.iter().filter_map(number).collect()
}

/// A plan that takes a phrase, on the screen of an environment that is guarded, or of a dashboard that is read-only.
fn planned(guarded: bool, read_only: bool, size: (u16, u16)) -> Scene {
    let mut setup = setup(&SOURCES);
    (setup.guarded, setup.read_only) = (guarded, read_only);
    let mut scene = Scene::of(setup, size);
    scene.fill();
    press(&mut scene, "4I");
    let (number, _) = numbers(&scene).pop().unwrap_or_else(|| panic!("no plan\n{}", screen(&mut scene)));
    let plan = Box::new(frames::plan("db-kill-idle", Level::Typed, 37, &[]));
    scene.send(Event::Run(RunEvent::Planned { number, plan }));
    settle(&mut scene);
    scene
}

#[test]
fn a_plan_that_comes_late_does_not_open_under_keys_that_are_pressed_for_something_else() {
    let mut scene = Scene::full(SMALL);
    press(&mut scene, "4I");
    let (number, _) = numbers(&scene).pop().expect("a plan is asked for");
    scene.pass(Duration::from_secs(6));
    scene.keys("2jj");
    let plan = Box::new(frames::plan("container-restart", Level::Yes, 0, &[]));
    scene.send(Event::Run(RunEvent::Planned { number, plan }));
    for _ in 0..8 {
        scene.paint();
        scene.key(KeyCode::Char('j'));
        assert!(scene.state.overlay.is_none());
    }
    assert!(scene.state.deadline().is_some_and(|wake| wake <= scene.state.now.mono + Duration::from_millis(500)));
    scene.pass(Duration::from_millis(500));
    assert!(matches!(scene.state.overlay, Some(Overlay::Plan(_))));
}

#[test]
fn the_key_says_how_to_sort_where_nothing_is_asked() {
    let mut scene = Scene::full(LARGE);
    scene.paint();
    press(&mut scene, "2A");
    assert!(screen(&mut scene).contains("no run asks anything now"), "{}", screen(&mut scene));
    assert!(screen(&mut scene).contains("o a sorts by UP"), "{}", screen(&mut scene));
}

fn starts(scene: &Scene) -> usize {
    scene.effects.iter().filter(|effect| matches!(effect, Effect::Start(_))).count()
}

#[test]
fn a_plan_that_the_lock_holds_says_what_unlocks_it_and_that_does() {
    for size in [SMALL, LARGE] {
        let mut scene = planned(true, false, size);
        let seen = screen(&mut scene);
        assert!(seen.contains("writes are locked: W unlocks them, and comes back to this plan"), "{seen}");
        press(&mut scene, "kill 37 on primary");
        code(&mut scene, KeyCode::Enter);
        assert!(matches!(&scene.state.overlay, Some(Overlay::Plan(plan)) if plan.field.text().is_empty()));
        press(&mut scene, "y");
        assert!(screen(&mut scene).contains("▲ writes are locked: press W"), "{}", screen(&mut scene));
        // Esc leads back to the plan, and unlocks nothing.
        press(&mut scene, "W");
        assert!(screen(&mut scene).contains("unlock writes?"), "{}", screen(&mut scene));
        scene.key(KeyCode::Esc);
        assert!(screen(&mut scene).contains("writes are locked: W unlocks"), "{}", screen(&mut scene));
        press(&mut scene, "W");
        settle(&mut scene);
        press(&mut scene, "y");
        let seen = screen(&mut scene);
        assert!(seen.contains("writes UNLOCKED") && seen.contains("plan: Kill idle"), "{seen}");
        // The answer that unlocked is none to the plan, and the plan takes its own when it was there for a moment.
        press(&mut scene, "k");
        settle(&mut scene);
        press(&mut scene, "kill 37 on primary");
        code(&mut scene, KeyCode::Enter);
        assert_eq!(starts(&scene), 1);
        assert_eq!(numbers(&scene).len(), 1, "no second plan");
    }
}

#[test]
fn a_refused_phrase_is_gone_and_why_is_said() {
    let mut scene = planned(false, false, SMALL);
    press(&mut scene, "kill 38 on primary");
    code(&mut scene, KeyCode::Enter);
    let seen = screen(&mut scene);
    assert!(seen.contains("that is not \"kill 37 on primary\": nothing was done"), "{seen}");
    press(&mut scene, "kill 37 on primary");
    code(&mut scene, KeyCode::Enter);
    assert_eq!(starts(&scene), 1, "typed once more from the start");
}

#[test]
fn a_read_only_dashboard_plans_and_never_runs() {
    for size in [SMALL, LARGE] {
        let mut scene = planned(false, true, size);
        let seen = screen(&mut scene);
        assert!(seen.contains("37 affected") && seen.contains("without --read-only to act"), "{seen}");
        assert!(!seen.contains("to run it type"), "{seen}");
        press(&mut scene, "kill 37 on primary");
        code(&mut scene, KeyCode::Enter);
        press(&mut scene, "y");
        assert!(screen(&mut scene).contains("▲ this dashboard is read-only"), "{}", screen(&mut scene));
        press(&mut scene, "W!");
        assert!(matches!(scene.state.overlay, Some(Overlay::Plan(_))));
        assert_eq!(starts(&scene), 0);
        scene.key(KeyCode::Esc);
        assert!(scene.state.overlay.is_none());
        // From an alert's or a runbook's row too.
        press(&mut scene, "5R");
        assert!(scene.state.overlay.is_some() || numbers(&scene).len() > 1, "{}", screen(&mut scene));
    }
}

/// A screen whose config names two servers, and one runbook that is about a server.
fn servers() -> Scene {
    let mut setup = setup(&SOURCES);
    let named = |name: &str, role: &str| {
        let server = Server { name: name.to_owned(), roles: vec![role.to_owned()], ..Server::default() };
        Named { server, feeds: Vec::new() }
    };
    setup.servers = vec![named("game-1", "game"), named("game-2", "game"), named("web-1", "web")];
    let page = "---\nrunbook: 1\nid: look\ntitle: Look at it\nowner: ops\nreviewed: 2026-11-20\nrisk: low\nparams:\n  \
        - {name: host, type: server, from: \"role:game\", required: true}\n  - {name: minutes, type: int, default: 30, \
        max: 90}\n---\n\nWhy.\n\n## Look\n\n### Once\n\n```bash check on=$host timeout=5s expect=(rc == 0)\nset -eu\ntest \
        \"$minutes\" -gt 0\n```\n";
    setup.library = Arc::new(Library::read([("look.md", page)]).unwrap_or_else(|problems| panic!("{problems:?}")));
    let mut scene = Scene::of(setup, SMALL);
    scene.fill();
    press(&mut scene, "5R");
    scene
}

/// What stands in the fields of the form.
fn fields(scene: &Scene) -> Vec<&str> {
    match &scene.state.overlay {
        Some(Overlay::Params(form)) => form.fields.iter().map(|field| field.field.text()).collect(),
        other => panic!("no form: {other:?}"),
    }
}

#[test]
fn a_value_that_the_config_does_not_have_stays_in_its_field_with_the_names_that_there_are() {
    let mut scene = servers();
    assert_eq!(fields(&scene), ["", "30"]);
    press(&mut scene, "game-11");
    code(&mut scene, KeyCode::Tab);
    press(&mut scene, "45");
    code(&mut scene, KeyCode::Enter);
    assert_eq!(fields(&scene), ["game-11", "45"]);
    assert!(numbers(&scene).is_empty());
    let seen = screen(&mut scene);
    let words = words(&seen);
    assert!(words.contains("▲ the config has no [[server]] \"game-11\": did you mean \"game-1\"?"), "{seen}");
    assert!(words.contains("There are: game-1, game-2, web-1"), "{seen}");
    // The cursor stands there: one key mends it.
    code(&mut scene, KeyCode::Backspace);
    code(&mut scene, KeyCode::Enter);
    let (number, request) = numbers(&scene).pop().expect("a plan is asked for");
    assert_eq!((request.args["host"].as_str(), request.args["minutes"].as_i64()), (Some("game-1"), Some(45)));
    // What only the planner finds out brings the form back, as it was.
    let why = "\"host\": no answer from game-1".to_owned();
    scene.send(Event::Run(RunEvent::NotPlanned { number, request, why }));
    scene.pass(Duration::from_secs(1));
    assert_eq!(fields(&scene), ["game-1", "45"]);
    let seen = screen(&mut scene);
    assert!(seen.contains("▲ \"host\": no answer from game-1"), "{seen}");
}

#[test]
fn a_server_without_the_role_is_told_at_its_field_and_so_is_a_number_out_of_bounds() {
    let mut scene = servers();
    press(&mut scene, "web-1");
    code(&mut scene, KeyCode::Tab);
    press(&mut scene, "95");
    code(&mut scene, KeyCode::Enter);
    let seen = screen(&mut scene);
    assert!(words(&seen).contains("▲ \"minutes\" must be a whole number of at most 90, and 95 is not"), "{seen}");
    press(&mut scene, "5");
    code(&mut scene, KeyCode::BackTab);
    code(&mut scene, KeyCode::Tab);
    scene.send(Event::Input(Input::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL))));
    press(&mut scene, "9");
    code(&mut scene, KeyCode::Enter);
    let seen = screen(&mut scene);
    assert!(seen.contains("▲ the server web-1 has not the role \"game\""), "{seen}");
    assert!(words(&seen).contains("There are: game-1, game-2 "), "{seen}");
    assert!(numbers(&scene).is_empty());
}

#[test]
fn a_field_of_a_thing_lists_what_there_is_and_takes_what_is_chosen() {
    let mut scene = servers();
    // In the list each stands with how it is.
    let listed = |scene: &mut Scene| {
        let seen = screen(scene);
        ["game-1", "game-2", "web-1"].map(|name| seen.contains(&format!("{name}  ")))
    };
    assert_eq!(listed(&mut scene), [true, true, false], "web-1 has another role: {}", screen(&mut scene));
    press(&mut scene, "2");
    assert_eq!(listed(&mut scene), [false, true, false], "what is typed rules out: {}", screen(&mut scene));
    code(&mut scene, KeyCode::Down);
    assert!(screen(&mut scene).contains("› game-2"), "{}", screen(&mut scene));
    code(&mut scene, KeyCode::Enter);
    let (_, request) = numbers(&scene).pop().expect("nothing else is missing");
    assert_eq!((request.args["host"].as_str(), request.args["minutes"].as_i64()), (Some("game-2"), Some(30)));
}

/// What stands in the row of a parameter's name.
fn row(seen: &str, name: &str) -> String {
    let line =
        seen.lines().find(|line| line.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{name}\n{seen}"));
    line.to_owned()
}

#[test]
fn a_long_form_follows_the_cursor() {
    let mut setup = setup(&SOURCES);
    let names: Vec<String> = (10..40).map(|number| format!("p{number}")).collect();
    let mut params = String::new();
    let mut used = String::new();
    for name in &names {
        let _ = writeln!(params, "  - {{name: {name}, type: int, default: 1}}");
        let _ = write!(used, " \"${name}\"");
    }
    let page = format!(
        "---\nrunbook: 1\nid: many\ntitle: Many\nowner: ops\nreviewed: 2026-11-20\nrisk: low\nparams:\n{params}---\n\nWhy.\n\n\
         ## Look\n\n### Once\n\n```bash check on=local timeout=5s expect=(rc == 0)\nset -eu\necho{used}\n```\n"
    );
    setup.library = Arc::new(Library::read([("many.md", &*page)]).unwrap_or_else(|problems| panic!("{problems:?}")));
    let mut scene = Scene::of(setup, SMALL);
    scene.fill();
    press(&mut scene, "5R");
    for (at, name) in names.iter().enumerate() {
        press(&mut scene, &format!("{}", 100 + at));
        let seen = screen(&mut scene);
        assert!(
            row(&seen, name).contains(&format!("▶ {name}")) && row(&seen, name).contains(&format!("{}", 100 + at)),
            "{seen}"
        );
        code(&mut scene, KeyCode::Down);
    }
    let seen = screen(&mut scene);
    assert!(row(&seen, "p10").contains("100") && row(&seen, "p11").contains("101"), "{seen}");
}

#[test]
fn a_form_that_comes_back_late_takes_no_letters_that_are_typed_elsewhere() {
    let mut scene = servers();
    press(&mut scene, "game-1");
    code(&mut scene, KeyCode::Enter);
    let (number, request) = numbers(&scene).pop().expect("a plan is asked for");
    scene.keys("2/ap");
    let why = "no answer within 10s".to_owned();
    scene.send(Event::Run(RunEvent::NotPlanned { number, request, why }));
    scene.pass(Duration::from_secs(1));
    press(&mut scene, "i");
    assert_eq!(scene.state.filter_edit.as_ref().map(Field::text), Some("api"));
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_secs(1));
    assert_eq!(fields(&scene), ["game-1", "30"]);
    assert!(screen(&mut scene).contains("▲ no answer within 10s"), "{}", screen(&mut scene));
}

#[test]
fn a_real_run_waits_while_everything_is_looked_at_and_goes_on_when_it_is_answered() {
    let service = Scripted::start(|_| Say::good("{\"ok\": true}"));
    let changes = || service.requests().iter().filter(|request| request.starts_with("POST")).count();
    let steps = "### Ask\n\n- [ ] the owner agrees\n\n### It\n\n```http run on=shop timeout=5s undo=none\nPOST \
        /change\n```\n\n```http verify on=shop timeout=5s expect=(status == 200)\nGET /\n```\n";
    let config = format!("environment = \"lab\"\n[http.shop]\nurl = \"http://127.0.0.1:{}\"\n", service.port());
    let books = Books::new(&config, "", steps);
    let mut screen = books.desk.launch().size(80, 24).start();
    screen.wait_text("4 Databases");
    look_at(&mut screen, "5", "R plan", "own");
    insist(&mut screen, "R", "plan: Own");
    screen.wait_text("y runs it");
    support::press(&mut screen, "y");
    // The page has the same words before the question opens.
    screen.wait_text("Esc puts it aside");
    support::press(&mut screen, "\x1b");
    screen.wait_text("A: answer");
    screen.wait_no_text("ctrl-x stops the run");
    // What is typed elsewhere is for what is there.
    for (key, seen) in
        [("1", "1 Servers"), ("2", "2 Containers"), ("3", "3 Alerts"), ("6", "6 Runs"), ("5", "5 Runbooks")]
    {
        support::press(&mut screen, key);
        screen.wait_text(seen);
        support::press(&mut screen, " ");
        screen.wait_text("A: answer");
    }
    support::press(&mut screen, "y");
    screen.wait_text("y is not bound");
    assert_eq!(changes(), 0);
    insist(&mut screen, "A", "ctrl-x stops the run");
    insist(&mut screen, " ", "[x] the owner agrees");
    support::press(&mut screen, "\x1b");
    screen.wait_text("A: answer");
    insist(&mut screen, "A", "[x] the owner agrees");
    assert_eq!(changes(), 0);
    insist(&mut screen, "y", "✓ Own");
    screen.wait_screen("the change", LONG, |_| changes() == 1);
    assert!(!screen.text().contains("A: answer"), "{}", screen.text());
    leave(&mut screen);
}

/// The next question of a run that is taken back, with another step.
fn ask_undo(scene: &mut Scene, run: u128, host: &str) {
    let prompt = format!("Can be undone: step 1 'Row' on {host}");
    ask(scene, run, &prompt, None, false, TaskList::default(), vec![Way::Undo, Way::GoOn, Way::Stop]);
    scene.paint();
}

/// A key at this cadence, with ticks and frames as the loop has them between two keys.
fn press_at(scene: &mut Scene, key: char, cadence: u64) {
    let frames = cadence / 50 - 2;
    for _ in 0..frames {
        scene.pass(Duration::from_millis(50));
        scene.paint();
    }
    scene.key(KeyCode::Char(key));
}

#[test]
fn the_letter_that_was_just_an_answer_answers_nothing_more_until_hands_were_off_the_keys() {
    for (cadence, late) in [(300, 0), (500, 0), (750, 0), (1200, 0), (750, 3)] {
        let mut scene = Scene::full(LARGE);
        begin(&mut scene, 1, "local/api-3");
        ask_undo(&mut scene, 1, "web-3");
        settle(&mut scene);
        press(&mut scene, "u");
        let undo = (run_id(1), RunAnswer::Choose { way: Way::Undo, reason: String::new() });
        assert_eq!(answers(&scene), std::slice::from_ref(&undo));
        scene.paint();
        // The undo takes as long as some of the keys.
        (0..late).for_each(|_| press_at(&mut scene, 'u', cadence));
        ask_undo(&mut scene, 1, "web-2");
        for _ in 0..6 {
            press_at(&mut scene, 'u', cadence);
        }
        assert_eq!(answers(&scene), std::slice::from_ref(&undo), "every {cadence} ms");
        let seen = words(&screen(&mut scene));
        assert!(seen.contains("takes an answer when no key came for 1.5 s"), "{seen}");
        assert!(seen.contains("that may have been meant for the question before"), "{seen}");
        // Hands are off: it takes one, and says which.
        (0..31).for_each(|_| scene.pass(Duration::from_millis(50)));
        let seen = words(&screen(&mut scene));
        assert!(seen.contains("u undoes it") && !seen.contains("1.5 s"), "{seen}");
        press(&mut scene, "u");
        assert_eq!(answers(&scene), [undo.clone(), undo]);
    }
}

#[test]
fn the_key_that_asked_for_the_plan_of_a_called_runbook_does_not_answer_that_plan() {
    for cadence in [500, 750, 900] {
        let mut scene = Scene::full(LARGE);
        begin(&mut scene, 1, "local/api-3");
        let calls = TaskList { plans: true, ..TaskList::default() };
        ask(&mut scene, 1, "step 2 'Close' on primary", None, true, calls, Vec::new());
        settle(&mut scene);
        press(&mut scene, "y");
        assert_eq!(answers(&scene), [(run_id(1), RunAnswer::Done)]);
        let caller = Caller { run: run_id(1), step: "a/other".to_owned() };
        let args = [("database".to_owned(), "primary".into())].into();
        let request = PlanRequest { caller: Some(caller), ..PlanRequest::new("db-kill-idle", args) };
        scene.send(Event::Run(RunEvent::Call { run: run_id(1), request: Box::new(request.clone()), notice: None }));
        let number = scene.effects.iter().rev().find_map(|effect| match effect {
            Effect::Plan { number, .. } => Some(*number),
            _ => None,
        });
        let body = frames::plan("db-kill-idle", Level::Yes, 3, &[]).body().clone();
        let plan = Plan::new(PlanBody { request, ..body });
        scene.send(Event::Run(RunEvent::Planned { number: number.unwrap(), plan: Box::new(plan) }));
        scene.pass(Duration::from_millis(500));
        scene.paint();
        (0..6).for_each(|_| press_at(&mut scene, 'y', cadence));
        scene.pass(Duration::from_millis(100));
        let begins = |scene: &Scene| scene.effects.iter().any(|effect| matches!(effect, Effect::Start(_)));
        assert!(!begins(&scene), "every {cadence} ms");
        (0..31).for_each(|_| scene.pass(Duration::from_millis(50)));
        scene.paint();
        press(&mut scene, "y");
        scene.pass(Duration::from_millis(100));
        assert!(begins(&scene), "every {cadence} ms: it takes an answer when hands were off");
    }
}

#[test]
fn a_question_that_comes_when_hands_are_off_takes_an_answer_as_before() {
    let mut scene = Scene::full(LARGE);
    begin(&mut scene, 1, "local/api-3");
    ask_undo(&mut scene, 1, "web-3");
    settle(&mut scene);
    press(&mut scene, "u");
    scene.pass(Duration::from_secs(2));
    ask_undo(&mut scene, 1, "web-2");
    assert!(words(&screen(&mut scene)).contains("u undoes it"));
    settle(&mut scene);
    press(&mut scene, "u");
    assert_eq!(answers(&scene).len(), 2);
}

/// A run on two hosts whose second step went wrong on the first of them.
fn gone_wrong(scene: &mut Scene) {
    let step = |id: &str, title: &str| json!({ "id": id, "title": title, "target": id.split_once('@').unwrap().1 });
    let steps = [("row@web-1", "Row"), ("bad@web-1", "Bad"), ("row@web-2", "Row"), ("bad@web-2", "Bad")];
    let steps: Vec<_> = steps.map(|(id, title)| step(&format!("a/{id}"), title)).into();
    let start = json!({ "runbook": "wrong", "title": "Goes wrong", "answer": "y", "params": {}, "steps": steps });
    scene.send(record_at(0, 1, RecordKind::RunStart, None, start));
    for (step, state) in [("a/row@web-1", "ok"), ("a/row@web-2", "ok"), ("a/bad@web-1", "failed")] {
        scene.send(record_at(1, 1, RecordKind::StepExit, Some(step), json!({ "state": state })));
    }
}

#[test]
fn a_question_after_a_failure_says_in_every_place_what_its_key_acts_on() {
    let mut scene = Scene::full(LARGE);
    gone_wrong(&mut scene);
    for (step, title, banner) in [
        ("a/bad@web-1", "Goes wrong on web-1: run", "Goes wrong on web-1: Bad: waits for you"),
        ("a/row@web-2", "Goes wrong on web-2: run", "Goes wrong on web-2: Row: waits for you"),
    ] {
        let (run, prompt, list) = (run_id(1), "Can it be undone?".to_owned(), TaskList::default());
        let ways = vec![Way::Undo, Way::Stop];
        let ask = RunEvent::Ask { run, step: step.to_owned(), prompt, phrase: None, manual: false, list, ways };
        scene.send(Event::Run(ask));
        settle(&mut scene);
        let seen = screen(&mut scene);
        assert!(seen.contains(title), "{title}\n{seen}");
        let line = seen.lines().rev().nth(1).unwrap();
        assert!(line.contains(banner), "{banner}\n{seen}");
    }
}

#[test]
fn a_run_whose_lock_may_be_lost_asks_waits_without_a_question_in_the_way_and_goes_on_for_a_reason() {
    for size in [SMALL, LARGE, (240, 70)] {
        let mut scene = Scene::full(size);
        begin(&mut scene, 1, "game-1");
        let prompt = "step 2 'Drain' on game-1: the team's journal is away, and the lock on service/shop, kept for at most 45 s after it last answered, may be somebody else's by now";
        let unbound = |scene: &mut Scene, ways: &[Way]| {
            ask(scene, 1, prompt, None, false, TaskList::default(), ways.to_vec());
            settle(scene);
        };
        unbound(&mut scene, &[Way::Wait, Way::Glass, Way::Stop]);
        let seen = words(&screen(&mut scene));
        for told in ["w waits for the team's server", "! goes on without it, with a reason", "ctrl-x stops the run"] {
            assert!(seen.contains(told), "{told}: {seen}");
        }
        press(&mut scene, "y");
        code(&mut scene, KeyCode::Enter);
        settle(&mut scene);
        assert_eq!(answers(&scene), [], "no other key answers it");
        press(&mut scene, "w");
        let wait = RunAnswer::Choose { way: Way::Wait, reason: String::new() };
        assert_eq!(answers(&scene), [(run_id(1), wait)]);
        // It waits, and what it waits for is in nobody's way.
        scene.pass(Duration::from_secs(3));
        unbound(&mut scene, &[Way::Glass, Way::Stop]);
        assert_eq!(open(&scene), None);
        assert!(screen(&mut scene).contains(&format!("? run {} asks", run_id(1).short())), "{}", screen(&mut scene));
        press(&mut scene, "A");
        settle(&mut scene);
        assert!(!words(&screen(&mut scene)).contains("w waits for"), "{}", screen(&mut scene));
        press(&mut scene, "!");
        assert!(words(&screen(&mut scene)).contains("why must it go on now?"), "{}", screen(&mut scene));
        press(&mut scene, "urgent");
        code(&mut scene, KeyCode::Enter);
        assert!(words(&screen(&mut scene)).contains("say why, in at least two words"), "{}", screen(&mut scene));
        press(&mut scene, " for players");
        code(&mut scene, KeyCode::Enter);
        let glass = RunAnswer::Choose { way: Way::Glass, reason: "urgent for players".to_owned() };
        assert_eq!(answers(&scene)[1..], [(run_id(1), glass)]);
        // What it asked about has settled itself: the question goes.
        scene.pass(Duration::from_secs(3));
        unbound(&mut scene, &[Way::Wait, Way::Glass, Way::Stop]);
        assert_eq!(open(&scene), Some(run_id(1)));
        scene.send(Event::Run(RunEvent::AskOver(run_id(1))));
        assert_eq!(open(&scene), None);
        assert!(screen(&mut scene).contains("waits no more, and goes on"), "{}", screen(&mut scene));
    }
}
