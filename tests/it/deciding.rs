//! Around a plan, on a made-up screen: what is said while it is made, whose answer is taken, what the dialog shows first, and
//! what is said of runs that were cut off.

use crate::dump;
use crate::frames::plan;
use crate::scene::{SOURCES, Scene, begin, end, record_at, run_id, setup};
use crossterm::event::KeyCode;
use quarterdeck::app::Overlay;
use quarterdeck::domain::record::{RecordKind, RunOutcome};
use quarterdeck::domain::risk::Level;
use quarterdeck::effect::{Effect, RunAnswer};
use quarterdeck::event::{Ended, Event, RunEvent, TaskList};
use quarterdeck::journal::{Away, JournalError};
use quarterdeck::runbook::machine::Way;
use quarterdeck::runbook::plan::Caller;
use quarterdeck::runbook::{Draft, Onward, Plan, PlanRequest, Resumption};
use quarterdeck::theme::Role;
use serde_json::Value;
use std::time::Duration;

/// The smallest screen there is.
const SMALL: (u16, u16) = (80, 24);
/// One where messages stand on one line.
const LARGE: (u16, u16) = (160, 45);

/// A screen with the databases in focus.
fn databases() -> Scene {
    let mut scene = Scene::full(SMALL);
    scene.state.focus = 3;
    scene
}

/// Presses the key that asks for a plan; the number of the request.
fn ask(scene: &mut Scene) -> u64 {
    scene.keys("I");
    scene.pass(Duration::from_millis(100));
    numbers(scene).last().copied().expect("a plan is asked for")
}

fn numbers(scene: &Scene) -> Vec<u64> {
    let number = |effect: &Effect| match effect {
        Effect::Plan { number, .. } => Some(*number),
        _ => None,
    };
    scene.effects.iter().filter_map(number).collect()
}

fn gives_up(scene: &Scene) -> bool {
    scene.effects.iter().any(|effect| matches!(effect, Effect::GiveUpPlan))
}

fn typed() -> Plan<Draft> {
    plan("db-kill-idle", Level::Typed, 37, &[])
}

fn come(scene: &mut Scene, number: u64) {
    scene.send(Event::Run(RunEvent::Planned { number, plan: Box::new(typed()) }));
}

fn screen(scene: &mut Scene) -> String {
    dump::text(&scene.paint())
}

#[test]
fn a_plan_that_takes_no_answer_takes_no_phrase_either() {
    let mut scene = databases();
    let number = ask(&mut scene);
    let blocked = plan("db-kill-idle", Level::Typed, 3, &["the login may not see other people's sessions"]);
    scene.send(Event::Run(RunEvent::Planned { number, plan: Box::new(blocked) }));
    screen(&mut scene);
    scene.pass(Duration::from_millis(400));
    for key in "note 2 on main".chars() {
        scene.keys(&key.to_string());
        scene.paint();
        assert!(matches!(scene.state.overlay, Some(Overlay::Plan(_))), "{key} left the plan");
    }
    scene.key(KeyCode::Esc);
    assert!(scene.state.overlay.is_none());
}

#[test]
fn no_dialog_is_scrolled_past_its_end() {
    let mut scene = databases();
    let number = ask(&mut scene);
    come(&mut scene, number);
    screen(&mut scene);
    scene.pass(Duration::from_millis(400));
    for down in [KeyCode::PageDown, KeyCode::Down] {
        for _ in 0..40 {
            scene.key(down);
            scene.paint();
        }
        assert!(screen(&mut scene).contains("the end of "), "{}", screen(&mut scene));
    }
    scene.key(KeyCode::Up);
    assert!(screen(&mut scene).contains("1 more line below"), "{}", screen(&mut scene));
    scene.key(KeyCode::Esc);
    scene.keys("?");
    screen(&mut scene);
    for _ in 0..40 {
        scene.key(KeyCode::PageDown);
        scene.paint();
    }
    scene.keys("k");
    assert!(screen(&mut scene).contains("1 more line below"), "{}", screen(&mut scene));
    scene.keys("G");
    assert!(screen(&mut scene).contains("the end of "), "{}", screen(&mut scene));
}

#[test]
fn tab_in_the_palette_writes_the_name_out_and_then_reads_a_runbook() {
    let mut scene = databases();
    scene.keys(":sta");
    scene.key(KeyCode::Tab);
    let field = |scene: &Scene| match &scene.state.overlay {
        Some(Overlay::Palette(palette)) => palette.field.text().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(field(&scene), "statistics");
    scene.key(KeyCode::Tab);
    assert!(screen(&mut scene).contains("only a runbook has a page to read"), "{}", screen(&mut scene));
    scene.key(KeyCode::Enter);
    assert!(screen(&mut scene).contains("Statistics"), "{}", screen(&mut scene));
    scene.keys("4:kill");
    scene.key(KeyCode::Tab);
    assert_eq!(field(&scene), "runbook:db-kill-idle");
    scene.key(KeyCode::Tab);
    assert!(screen(&mut scene).contains("Enter plans it"), "{}", screen(&mut scene));
}

#[test]
fn a_command_that_is_only_alike_is_not_run_by_enter() {
    for typed in ["foo", "qt", "prmt", "srvrs", "write lock"] {
        let mut scene = databases();
        scene.keys(":");
        scene.keys(typed);
        let seen = screen(&mut scene);
        assert!(!seen.contains('▶'), "{typed}\n{seen}");
        let before = (scene.state.focus, scene.state.themes.shown().name().to_owned(), scene.effects.len());
        scene.key(KeyCode::Enter);
        scene.key(KeyCode::Enter);
        scene.pass(Duration::from_millis(100));
        let after = (scene.state.focus, scene.state.themes.shown().name().to_owned(), scene.effects.len());
        assert_eq!(before, after, "{typed}");
        assert!(matches!(scene.state.overlay, Some(Overlay::Palette(_))), "{typed}");
    }
    // Chosen, it is run; and what begins so is chosen by that.
    for keys in [":srvrs↓\n", ":serv\n", ":servers\n", ":SERVERS\n", ":nodes\n"] {
        let mut scene = databases();
        for key in keys.chars() {
            scene.key(match key {
                '\n' => KeyCode::Enter,
                '↓' => KeyCode::Down,
                other => KeyCode::Char(other),
            });
        }
        assert!(scene.state.overlay.is_none(), "{keys}");
        assert_eq!(quarterdeck::panes::PANES[scene.state.focus].title, "Servers", "{keys}");
    }
}

#[test]
fn a_plan_that_takes_long_is_said_all_the_time() {
    let mut scene = databases();
    ask(&mut scene);
    for seconds in [4, 25] {
        scene.pass(Duration::from_secs(seconds));
        assert!(screen(&mut scene).contains("planning db-kill-idle on primary, "), "{}", screen(&mut scene));
    }
    assert!(screen(&mut scene).contains(", 29 s; esc gives it up"), "{}", screen(&mut scene));
    let wake = scene.state.deadline().expect("it wants to be woken for the next second");
    assert!(wake > scene.state.now.mono && wake <= scene.state.now.mono + Duration::from_secs(1));
}

#[test]
fn esc_gives_a_plan_up_and_one_that_comes_all_the_same_is_not_shown() {
    let mut scene = databases();
    let number = ask(&mut scene);
    scene.pass(Duration::from_secs(5));
    scene.key(KeyCode::Esc);
    assert!(gives_up(&scene));
    assert!(screen(&mut scene).contains("planning db-kill-idle on primary is given up: nothing was changed"));
    come(&mut scene, number);
    assert!(!screen(&mut scene).contains("plan: Kill idle"), "a late plan jumped up\n{}", screen(&mut scene));
    scene.pass(Duration::from_secs(20));
    assert!(!screen(&mut scene).contains("planning"), "{}", screen(&mut scene));
}

#[test]
fn another_plan_takes_the_place_of_the_first() {
    let mut scene = databases();
    let first = ask(&mut scene);
    let second = ask(&mut scene);
    assert_ne!(first, second);
    come(&mut scene, first);
    assert!(!screen(&mut scene).contains("plan: Kill idle"));
    let request = PlanRequest::new("db-kill-idle".to_owned(), std::collections::BTreeMap::default());
    scene.send(Event::Run(RunEvent::NotPlanned { number: first, request, why: "too late".to_owned() }));
    assert!(!screen(&mut scene).contains("too late"));
    come(&mut scene, second);
    assert!(screen(&mut scene).contains("plan: Kill idle"));
}

#[test]
fn a_plan_that_cannot_be_made_says_why_and_is_over() {
    let mut scene = databases();
    scene.resize(LARGE);
    let number = ask(&mut scene);
    let request = PlanRequest::new("db-kill-idle".to_owned(), std::collections::BTreeMap::default());
    let why = "no answer within 10s (look at it)".to_owned();
    scene.send(Event::Run(RunEvent::NotPlanned { number, request, why }));
    let seen = screen(&mut scene);
    assert!(seen.contains("no plan, and nothing was changed: no answer within 10s (look at it)"), "{seen}");
    assert!(!seen.contains("gives it up"), "{seen}");
}

#[test]
fn the_smallest_screen_shows_what_is_affected_first_and_how_to_leave() {
    let mut scene = databases();
    let number = ask(&mut scene);
    come(&mut scene, number);
    scene.paint();
    scene.pass(Duration::from_millis(400));
    let seen = screen(&mut scene);
    let rows = seen.lines().filter(|line| line.contains("00:31:00")).count();
    assert!(rows >= 5, "{rows} rows\n{seen}");
    assert!(seen.contains("37 affected") && seen.contains("primary (10.0.1.4:5432)"), "{seen}");
    assert!(seen.contains("kill 37 on primary") && seen.contains("more lines below: PgDn"), "{seen}");
    let foot = seen.replace(['│', '\n'], " ");
    let foot = foot.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["to run it type", "Tab changes", "Esc leaves"] {
        assert!(foot.contains(words), "{words}\n{seen}");
    }
    assert!(seen.contains("Impact. Each session in the plan is closed."), "what it does to whom\n{seen}");
}

#[test]
fn the_plan_is_in_the_order_of_what_happens_and_holds_the_whole_page() {
    let mut scene = databases();
    scene.resize((110, 200));
    let number = ask(&mut scene);
    come(&mut scene, number);
    let seen = screen(&mut scene);
    let at = |text: &str| seen.find(text).unwrap_or_else(|| panic!("{text}\n{seen}"));
    let order = [
        "Impact. ",
        "When not to. ",
        "37 affected",
        "check ",
        "run    ",
        "verify ",
        "undo   ",
        "Meaning. ",
        "A signal sent is not",
    ];
    let places = order.map(at);
    assert!(places.is_sorted(), "{places:?}\n{seen}");
    assert!(!seen.contains("**"), "Markdown's marks are for files\n{seen}");
    let words = seen.replace(['│', '\n'], " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.matches("Meaning.").count(), 1, "{seen}");
    let first = scene.state.library.get("db-kill-idle").unwrap().summary().unwrap();
    let ends = first.split_whitespace().rev().take(6).collect::<Vec<_>>();
    let ends = ends.into_iter().rev().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&ends), "the paragraph goes on to its end: {ends}\n{seen}");
}

#[test]
fn a_runbook_can_be_read_before_it_is_chosen() {
    let mut scene = databases();
    scene.keys("a");
    for _ in 0..20 {
        scene.key(KeyCode::Tab);
        if screen(&mut scene).contains("db-kill-idle  (Enter plans it, Esc goes back)") {
            break;
        }
        scene.key(KeyCode::Esc);
        scene.key(KeyCode::Down);
    }
    assert!(screen(&mut scene).contains("db-kill-idle  (Enter plans it, Esc goes back)"));
    scene.key(KeyCode::PageDown);
    assert!(screen(&mut scene).contains("When not to. Not for sessions that are active"), "{}", screen(&mut scene));
    scene.key(KeyCode::Esc);
    assert!(screen(&mut scene).contains("Tab reads it"), "back in the list\n{}", screen(&mut scene));
    scene.key(KeyCode::Tab);
    scene.key(KeyCode::Enter);
    assert_eq!(numbers(&scene), [1], "Enter plans what was read");
}

#[test]
fn read_only_does_not_offer_a_key_that_acts_in_the_colour_of_acting() {
    let key = |read_only: bool| {
        let mut setup = setup(&SOURCES);
        setup.read_only = read_only;
        let mut scene = Scene::of(setup, SMALL);
        scene.fill();
        scene.state.focus = 3;
        let style = |role| scene.state.cx().style(role).fg;
        let (acts, faint) = (style(Role::KeyActs), style(Role::Faint));
        let buf = scene.paint();
        let cell = (0..buf.area.width).map(|x| &buf[(x, 23)]).find(|cell| cell.symbol() == "I").unwrap();
        (cell.style().fg, acts, faint)
    };
    let (free, acts, faint) = key(false);
    assert!(free == acts && acts != faint);
    assert_eq!(key(true).0, faint);
}

#[test]
fn a_run_that_was_cut_off_is_listed_as_that_and_never_as_running() {
    let mut scene = Scene::full(LARGE);
    begin(&mut scene, 1, "local/api-3");
    scene.send(Event::Run(RunEvent::CutOff(vec![run_id(1)])));
    let seen = screen(&mut scene);
    assert!(seen.contains("1 run of another session was cut off; looking at what became of it: 6 lists"), "{seen}");
    assert!(seen.contains("◌ Restart a container on") && seen.contains("being looked at"), "{seen}");
    assert!(seen.contains("last run: container-restart cut off"), "{seen}");
    scene.keys("6");
    scene.pass(Duration::from_secs(20));
    let seen = screen(&mut scene);
    assert!(seen.contains("1 cut off, being looked at") && !seen.contains("running"), "{seen}");
}

#[test]
fn a_run_that_was_cut_off_is_told_since_when_it_was_begun_and_gets_older() {
    for left in [false, true] {
        let mut scene = Scene::full(LARGE);
        begin(&mut scene, 1, "local/api-3");
        // Found 30 s after it was last heard of.
        scene.pass(Duration::from_secs(30));
        let runs = vec![run_id(1)];
        scene.send(Event::Run(if left { RunEvent::Left(runs) } else { RunEvent::CutOff(runs) }));
        for age in ["30s", "50s", "1m", "1m"] {
            let seen = screen(&mut scene);
            let line = seen.lines().find(|line| line.contains("◌ Restart a container")).unwrap_or_default();
            assert!(line.contains(&format!("begun {age} ago")) && line.contains("cut off, "), "{age}: {line}\n{seen}");
            scene.pass(Duration::from_secs(20));
        }
    }
}

#[test]
fn a_teams_journal_that_is_away_is_said_for_as_long_as_that_is_so() {
    for size in [SMALL, LARGE] {
        let mut scene = Scene::full(size);
        let why = JournalError::new("cannot reach the journal: nothing listens there", "start it");
        let away = Away { since: "2026-01-01T12:04:31Z".parse().unwrap(), why };
        scene.send(Event::Run(RunEvent::Away(Some(away.told()))));
        scene.keys("6");
        scene.pass(Duration::from_secs(60));
        let seen = screen(&mut scene);
        assert!(seen.contains(" JOURNAL AWAY since 12:04:31Z ") && seen.contains("on this machine alone"), "{seen}");
        scene.send(Event::Run(RunEvent::Away(None)));
        let seen = screen(&mut scene);
        assert!(!seen.contains("JOURNAL AWAY") && seen.contains("the team's journal is back"), "{seen}");
    }
}

#[test]
fn a_journal_that_cannot_be_read_is_said_for_as_long_as_that_is_so_and_never_as_an_empty_one() {
    for size in [SMALL, LARGE] {
        let mut scene = Scene::full(size);
        let why = "cannot read the journal: nothing listens there (start it)".to_owned();
        scene.send(Event::Run(RunEvent::Unread(Some(why))));
        scene.keys("6");
        scene.pass(Duration::from_secs(60));
        let seen = screen(&mut scene);
        assert!(seen.contains(" NO JOURNAL since ") && seen.contains("nothing listens there"), "{seen}");
        assert!(!seen.contains("nothing was run"), "{seen}");
        scene.send(Event::Run(RunEvent::Unread(None)));
        let seen = screen(&mut scene);
        assert!(!seen.contains("NO JOURNAL") && seen.contains("nothing was run from this journal yet"), "{seen}");
    }
}

#[test]
fn what_a_run_came_to_is_not_lost_behind_its_title_on_the_smallest_screen() {
    let mut scene = Scene::full(SMALL);
    begin(&mut scene, 1, "primary");
    end(&mut scene, 1, "ok", "3 closed, 1 spared");
    assert!(
        screen(&mut scene).contains("✓ container-restart on primary ok: 3 closed, 1 spared"),
        "{}",
        screen(&mut scene)
    );
    scene.resize(LARGE);
    assert!(screen(&mut scene).contains("✓ Restart a container on primary ok: 3 closed"), "{}", screen(&mut scene));
}

#[test]
fn what_became_of_it_is_red_only_when_it_is_not_well() {
    let well = [RunOutcome::Ok, RunOutcome::Undone].map(|outcome| (outcome, false));
    let not = [RunOutcome::Failed, RunOutcome::Unknown, RunOutcome::Stopped].map(|outcome| (outcome, true));
    for (outcome, bad) in well.into_iter().chain(not) {
        let mut scene = Scene::full(SMALL);
        begin(&mut scene, 1, "local/api-3");
        let reason = "api is running".to_owned();
        scene.send(Event::Run(RunEvent::Reconciled(vec![Ended { run: run_id(1), outcome, reason }])));
        let told = scene.state.toasts.iter().next_back().unwrap();
        let said = format!("1 run of another session was cut off: {}, api is running; ", outcome.word());
        assert!(told.text.starts_with(&said), "{}", told.text);
        assert_eq!(told.bad, bad, "{outcome:?}");
    }
}

fn answers(scene: &Scene) -> Vec<RunAnswer> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer(_, answer) => Some(answer.clone()),
        _ => None,
    };
    scene.effects.iter().filter_map(answer).collect()
}

#[test]
fn a_list_is_ticked_by_keys_and_is_done_when_nothing_is_missing() {
    let mut scene = Scene::full(SMALL);
    let list = TaskList {
        tasks: ["the owner is asked", "the owner agrees"].map(|task| (task.to_owned(), false)).into(),
        choices: ["restart", "wait"].map(str::to_owned).into(),
        chosen: None,
        plans: false,
    };
    let (run, step, prompt) = (run_id(1), "a/which-way".to_owned(), "Which way".to_owned());
    scene.send(Event::Run(RunEvent::Ask { run, step, prompt, phrase: None, manual: true, list, ways: Vec::new() }));
    scene.paint();
    let press = |scene: &mut Scene, key: char| {
        scene.pass(Duration::from_millis(400));
        scene.keys(&key.to_string());
        scene.pass(Duration::from_millis(400));
    };
    press(&mut scene, 'y');
    assert!(answers(&scene).is_empty() && screen(&mut scene).contains("2 items are not ticked"));
    for key in [' ', 'j', ' ', 'j', 'j', ' '] {
        press(&mut scene, key);
    }
    let shown = screen(&mut scene);
    for line in ["  [x] the owner agrees", "  ( ) restart", "▶ (x) wait"] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    press(&mut scene, 'y');
    let ticks = [0, 1].map(|item| RunAnswer::Tick { item, done: true });
    assert_eq!(answers(&scene), [&ticks[..], &[RunAnswer::Pick(1), RunAnswer::Done]].concat());
    assert!(scene.state.overlay.is_none());
}

/// What the looks before a step by hand have found stands above it, and gives way where there is no room.
#[test]
fn what_was_seen_stands_above_the_question_which_stays_in_sight() {
    let asked = |size, output: &str| {
        let mut scene = Scene::full(size);
        begin(&mut scene, 1, "local/api");
        let seen = serde_json::json!({ "state": "ok", "output": output });
        scene.send(record_at(0, 1, RecordKind::StepExit, Some("a/check"), seen));
        let list = TaskList { choices: ["restart", "wait"].map(str::to_owned).into(), ..TaskList::default() };
        let (run, step, prompt) = (run_id(1), "a/restart".to_owned(), "Which way\n\nBy what was seen.".to_owned());
        scene.send(Event::Run(RunEvent::Ask { run, step, prompt, phrase: None, manual: true, list, ways: Vec::new() }));
        screen(&mut scene)
    };
    let errors: String = (0..60).map(|at| format!("{at} ERROR no session\x1b[2J\n")).collect();
    let shown = asked(LARGE, &errors);
    for line in [
        "The engine answers on local/api",
        "  0 ERROR no session",
        "… 53 lines left out",
        "  59 ERROR",
        "▶ ( ) restart",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(shown.find("59 ERROR") < shown.find("By what was seen."), "{shown}");
    let small = asked(SMALL, &"an error whose text is as long as it can be, and longer than that by far ".repeat(40));
    for line in [
        "… the run's page has more of what was seen",
        "The engine answers on local/api: 1.41",
        "Which way",
        "▶ ( ) restart",
        "( ) wait",
    ] {
        assert!(small.contains(line), "{line}\n{small}");
    }
}

/// By its name a runbook is found in every view; what it is about is asked.
#[test]
fn a_runbook_of_another_view_is_found_by_its_name() {
    let mut scene = Scene::full(LARGE);
    scene.state.focus = 0;
    scene.keys(":status-resolve");
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_millis(400));
    let shown = screen(&mut scene);
    assert!(shown.contains("parameters: Close an incident on the status page"), "{shown}");
}

/// Among what is about the row only: where else to look is said.
#[test]
fn what_is_not_about_the_row_is_looked_for_among_all() {
    let mut scene = Scene::full(LARGE);
    scene.state.focus = 0;
    scene.keys("a");
    scene.keys("status-resolve");
    let shown = screen(&mut scene);
    assert!(shown.contains("nothing matches of what is about it: Esc, then : finds all runbooks"), "{shown}");
}

/// Much harm: what it does to whom and when not to come first; little: what it is for.
#[test]
fn a_plan_of_high_risk_begins_with_whom_it_hurts() {
    let first = |runbook: &str| {
        let told = quarterdeck::ui::plan_text(&plan(runbook, Level::Typed, 3, &[]), None, 100);
        told.lines().find(|line| !line.starts_with("! ")).unwrap_or_default().to_owned()
    };
    assert!(
        first("db-kill-idle").starts_with("Impact. Each session in the plan is closed."),
        "{}",
        first("db-kill-idle")
    );
    assert!(first("container-restart").starts_with("Meaning. "), "{}", first("container-restart"));
    assert!(first("rollback-quick").starts_with("affects every game server"), "{}", first("rollback-quick"));
}

#[test]
fn after_a_failure_one_key_undoes_and_going_on_takes_a_reason() {
    let asked = || {
        let mut scene = Scene::full(SMALL);
        let (run, step, prompt) = (run_id(1), "a/stop".to_owned(), "it did not stop".to_owned());
        let ways = vec![Way::Undo, Way::GoOn, Way::Stop];
        let list = TaskList::default();
        scene.send(Event::Run(RunEvent::Ask { run, step, prompt, phrase: None, manual: false, list, ways }));
        scene.paint();
        scene.pass(Duration::from_millis(400));
        scene
    };
    let mut scene = asked();
    let shown = screen(&mut scene);
    assert!(
        shown.contains("u undoes it") && shown.contains("ctrl-x stops the run") && !shown.contains("looks again"),
        "{shown}"
    );
    // Letters that mean something in other questions, or what is not offered, do nothing.
    for key in ["y", "a", "s", "g", "u"] {
        assert!(answers(&scene).is_empty());
        scene.keys(key);
        scene.pass(Duration::from_millis(400));
    }
    assert_eq!(answers(&scene), [RunAnswer::Choose { way: Way::Undo, reason: String::new() }]);

    let mut scene = asked();
    scene.keys("c");
    scene.pass(Duration::from_millis(400));
    scene.key(KeyCode::Enter);
    scene.pass(Duration::from_millis(400));
    assert!(answers(&scene).is_empty() && screen(&mut scene).contains("in at least two words"));
    for (typed, counts) in [("known", false), (" since Monday", true)] {
        scene.keys(typed);
        scene.pass(Duration::from_millis(400));
        scene.key(KeyCode::Enter);
        scene.pass(Duration::from_millis(400));
        assert_eq!(answers(&scene).len(), usize::from(counts), "{typed}");
    }
    let reason = "known since Monday".to_owned();
    assert_eq!(answers(&scene), [RunAnswer::Choose { way: Way::GoOn, reason }]);
}

/// A run's step calls a runbook, with these parameters of its own.
fn call(scene: &mut Scene, runbook: &str, args: &[(&str, &str)]) -> PlanRequest {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    let caller = Caller { run: run_id(1), step: "a/other".to_owned() };
    let request = PlanRequest { caller: Some(caller), ..PlanRequest::new(runbook, args) };
    scene.send(Event::Run(RunEvent::Call { run: run_id(1), request: Box::new(request.clone()), notice: None }));
    request
}

#[test]
fn a_runbook_that_a_run_calls_is_planned_for_it_and_giving_that_up_is_told_to_the_run() {
    let mut scene = Scene::full(SMALL);
    let request = call(&mut scene, "db-kill-idle", &[("database", "primary")]);
    let planned = scene.effects.iter().find_map(|effect| match effect {
        Effect::Plan { number, request } => Some((*number, request.clone())),
        _ => None,
    });
    let (number, asked) = planned.expect("a plan is asked for");
    assert_eq!(asked, request);
    assert!(answers(&scene).is_empty());
    let why = "no answer".to_owned();
    scene.send(Event::Run(RunEvent::NotPlanned { number, request, why }));
    assert_eq!(answers(&scene), [RunAnswer::Declined]);
    // What only the runbook wants is asked first.
    call(&mut scene, "container-restart", &[]);
    assert!(matches!(scene.state.overlay, Some(Overlay::Params(_))), "{:?}", scene.state.overlay);
    scene.key(KeyCode::Esc);
    assert_eq!(answers(&scene), [RunAnswer::Declined, RunAnswer::Declined]);
    call(&mut scene, "db-kill-idle", &[("database", "primary")]);
    scene.key(KeyCode::Esc);
    assert_eq!(answers(&scene).len(), 3, "a plan that is given up while it is made");
    // What is taken back was begun with its parameters.
    let resumes = Some(Resumption { run: run_id(2), way: Onward::Undo });
    let request = PlanRequest { resumes, ..call(&mut scene, "container-restart", &[]) };
    scene.key(KeyCode::Esc);
    scene.send(Event::Run(RunEvent::Call { run: run_id(1), request: Box::new(request.clone()), notice: None }));
    assert!(scene.state.overlay.is_none(), "{:?}", scene.state.overlay);
    let asks = |effect: &Effect| matches!(effect, Effect::Plan { request: asked, .. } if *asked == request);
    assert!(scene.effects.iter().any(asks));
}
