use super::*;
use crate::runbook::Library;
use crate::runbook::plan::{PlanBody, PlanRequest, When};
use crate::runbook::script::{Fleet, Script};
use serde_json::{Value, json};

const UNLOCKED: Authority = Authority::alone(Writes::Unlocked);

fn fence(role: Role) -> PlannedFence {
    let (language, sent, when) = ("sql".to_owned(), String::new(), When::Always);
    PlannedFence {
        role,
        on: String::new(),
        address: String::new(),
        language,
        when,
        sent,
        given: Vec::new(),
        bare: String::new(),
        holds: None,
        finding: None,
        pinned: None,
    }
}

fn rows(pids: &[i64]) -> Rows {
    let rows: Vec<Value> = pids.iter().map(|pid| json!({"pid": pid})).collect();
    Rows { name: "idle".to_owned(), key: vec!["pid".to_owned()], rows, ..Rows::default() }
}

fn step(id: &str, level: Level) -> PlannedStep {
    PlannedStep {
        past: None,
        takes_back: false,
        address: String::new(),
        id: id.to_owned(),
        title: id.to_owned(),
        target: "primary".to_owned(),
        fences: [Role::Check, Role::Plan, Role::Run, Role::Verify].map(fence).into(),
        by_hand: None,
        host: None,
        lost: None,
        rows: Some(rows(&[1, 2])),
        undo: None,
        level,
        phrase: Some(format!("{id} 2 on primary")),
    }
}

fn plan(steps: Vec<PlannedStep>, blocked: Vec<String>) -> Plan<Draft> {
    let runbook = Library::builtin().get("db-kill-idle").unwrap().clone();
    let request = PlanRequest::new(runbook.id.clone(), [].into());
    let (params, values) = (Vec::new(), [].into());
    Plan::new(PlanBody {
        again: None,
        runbook,
        request,
        params,
        values,
        script: Script::default(),
        fleet: Fleet::default(),
        locks: Vec::new(),
        unbound: None,
        steps,
        blocked,
        warnings: Vec::new(),
        hash: String::new(),
    })
}

fn phrase(text: &str) -> Answer {
    Answer::Phrase(text.to_owned())
}

fn approved(steps: Vec<PlannedStep>) -> Plan<Approved> {
    let answer = phrase("kill 2 on primary");
    approve(plan(steps, Vec::new()), &answer, UNLOCKED).map_err(|(_, refusal)| refusal).unwrap()
}

fn passing() -> Finding {
    Finding::of(true, "")
}

#[test]
fn nothing_is_approved_while_writes_are_refused_or_the_wholeis_blocked() {
    let refusal = |plan, writes| approve(plan, &phrase("kill 2 on primary"), Authority::alone(writes)).unwrap_err().1;
    let fine = || plan(vec![step("kill", Level::Typed)], Vec::new());
    assert_eq!(refusal(fine(), Writes::ReadOnly), Refusal::ReadOnly);
    assert_eq!(refusal(fine(), Writes::Locked), Refusal::Locked);
    let blocked = plan(vec![step("kill", Level::Typed)], vec!["no".to_owned()]);
    assert_eq!(refusal(blocked, Writes::Unlocked), Refusal::Blocked("no".to_owned()));
}

#[test]
fn a_typed_level_takes_the_phrase_and_nothing_else() {
    let refusal = |answer: &Answer, level| {
        approve(plan(vec![step("kill", level)], Vec::new()), answer, UNLOCKED).err().map(|(_, refusal)| refusal)
    };
    let wanted = "kill 2 on primary".to_owned();
    assert_eq!(refusal(&Answer::Yes, Level::Typed), Some(Refusal::NeedsPhrase(wanted.clone())));
    assert_eq!(refusal(&phrase("kill 3 on primary"), Level::Typed), Some(Refusal::WrongPhrase(wanted.clone())));
    assert_eq!(refusal(&phrase(""), Level::Typed), Some(Refusal::WrongPhrase(wanted)));
    assert_eq!(refusal(&phrase(" kill 2 on primary "), Level::Typed), None);
    assert_eq!(refusal(&Answer::Yes, Level::Yes), None);
    assert_eq!(refusal(&phrase("kill 2 on primary"), Level::Two), Some(Refusal::NeedsTwo));
}

#[test]
fn a_permit_carries_what_is_left_of_the_approved_rows() {
    let plan = approved(vec![step("kill", Level::Typed)]);
    let Recheck::Passed(passed) = plan.recheck("kill", &[passing()], Some(&rows(&[2]))) else { panic!("it shrank") };
    let permit = plan.permit(passed, None).unwrap();
    assert_eq!((permit.step(), permit.rows()), ("kill", Some(&rows(&[2]))));
}

#[test]
fn a_recheck_that_is_not_whole_or_not_true_does_not_pass() {
    let plan = approved(vec![step("kill", Level::Typed)]);
    let fresh = rows(&[1, 2]);
    let failing = Finding::of(false, "no");
    assert!(matches!(plan.recheck("kill", &[failing], Some(&fresh)), Recheck::Blocked(why) if why == "no"));
    assert!(matches!(plan.recheck("kill", &[], Some(&fresh)), Recheck::Blocked(_)));
    assert!(matches!(plan.recheck("kill", &[passing()], None), Recheck::Blocked(_)));
    assert!(matches!(plan.recheck("other", &[passing()], Some(&fresh)), Recheck::Blocked(_)));
    assert!(matches!(plan.recheck("kill", &[passing()], Some(&rows(&[1, 2, 3]))), Recheck::Grew(1)));
    assert!(matches!(plan.recheck("kill", &[passing()], Some(&rows(&[]))), Recheck::Empty));
}

#[test]
fn a_later_change_above_yes_takes_an_answer_of_its_own() {
    let plan = approved(vec![step("kill", Level::Typed), step("drop", Level::Typed), step("soft", Level::Yes)]);
    let pass = |id: &str| match plan.recheck(id, &[passing()], Some(&rows(&[1, 2]))) {
        Recheck::Passed(passed) => passed,
        other => panic!("{other:?}"),
    };
    assert!(!plan.asks_for_itself("kill") && plan.asks_for_itself("drop") && !plan.asks_for_itself("soft"));
    assert!(plan.permit(pass("kill"), None).is_ok());
    assert_eq!(plan.permit(pass("drop"), None).unwrap_err(), Refusal::NeedsPhrase("drop 2 on primary".to_owned()));
    assert_eq!(
        plan.permit(pass("drop"), Some(&phrase("kill 2 on primary"))).unwrap_err(),
        Refusal::WrongPhrase("drop 2 on primary".to_owned())
    );
    assert!(plan.permit(pass("drop"), Some(&phrase("drop 2 on primary"))).is_ok());
    assert!(plan.permit(pass("soft"), None).is_ok());
}

#[test]
fn a_first_change_that_is_decided_on_the_way_is_not_answered_with_the_plan() {
    let mut open = step("restart", Level::Typed);
    open.fences[2].when = When::Later("who == 'api'".to_owned());
    let steps = vec![open, step("kill", Level::Typed)];
    let drafted = plan(steps.clone(), Vec::new());
    assert_eq!((drafted.level(), drafted.phrase(), drafted.later().len()), (Level::Yes, None, 2));
    let whole = approve(drafted, &Answer::Yes, UNLOCKED).map_err(|(_, refusal)| refusal).unwrap();
    let passed = || match whole.recheck("restart", &[passing()], Some(&rows(&[1, 2]))) {
        Recheck::Passed(passed) => passed,
        other => panic!("{other:?}"),
    };
    let wanted = "restart 2 on primary".to_owned();
    assert_eq!(whole.permit(passed(), None).unwrap_err(), Refusal::NeedsPhrase(wanted.clone()));
    assert!(whole.permit(passed(), Some(&phrase(&wanted))).is_ok());
    // What it takes from others is taken before anything begins.
    let mut two = steps;
    two[0].level = Level::Two;
    let refused = approve(plan(two, Vec::new()), &Answer::Yes, UNLOCKED).err().map(|(_, refusal)| refusal);
    assert_eq!(refused, Some(Refusal::NeedsTwo));
}

#[test]
fn what_the_wholeleft_out_is_neither_asked_nor_sent() {
    let mut left = step("kill", Level::Typed);
    left.fences[0].when = When::LeftOut("not wanted".to_owned());
    let whole = approved(vec![left.clone()]);
    assert!(matches!(whole.recheck("kill", &[], Some(&rows(&[1, 2]))), Recheck::Passed(_)), "the check is left out");
    left.fences[2].when = When::LeftOut("not wanted".to_owned());
    let whole = approve(plan(vec![left], Vec::new()), &Answer::Yes, UNLOCKED).map_err(|(_, refusal)| refusal).unwrap();
    assert!(whole.first_change().is_none());
    assert!(matches!(whole.recheck("kill", &[], Some(&rows(&[1, 2]))), Recheck::Blocked(_)));
}

#[test]
fn only_an_undo_of_the_approved_plan_is_let_through_and_with_the_rows_that_were_sent() {
    let mut undoable = step("kill", Level::Typed);
    let refused = approved(vec![undoable.clone()]).permit_undo("kill", None).unwrap_err();
    assert_eq!(refused, Refusal::NotInPlan("kill".to_owned()));
    undoable.fences.push(fence(Role::Undo));
    let whole = approved(vec![undoable]);
    assert_eq!(whole.permit_undo("kill", Some(&rows(&[2, 3]))).unwrap().rows(), Some(&rows(&[2])));
    assert!(whole.permit_undo("other", None).is_err());
}

#[test]
fn a_broken_glass_stands_in_for_the_second_person_and_for_nothing_else() {
    let glass =
        Glass::broken("nobody answers and players are cut off", crate::domain::risk::Policy::default()).unwrap();
    let broken = |writes| Authority { glass: Some(glass.clone()), ..Authority::alone(writes) };
    let two = || plan(vec![step("kill", Level::Two), step("drop", Level::Two)], Vec::new());
    let answer = phrase("kill 2 on primary");
    let refusal = |plan, answer: &Answer, authority| approve(plan, answer, authority).err().map(|(_, refusal)| refusal);
    assert_eq!(refusal(two(), &answer, broken(Writes::ReadOnly)), Some(Refusal::ReadOnly));
    assert_eq!(refusal(two(), &answer, broken(Writes::Locked)), Some(Refusal::Locked));
    let wanted = "kill 2 on primary".to_owned();
    assert_eq!(refusal(two(), &Answer::Yes, broken(Writes::Unlocked)), Some(Refusal::NeedsPhrase(wanted.clone())));
    assert_eq!(refusal(two(), &phrase("kill"), broken(Writes::Unlocked)), Some(Refusal::WrongPhrase(wanted)));
    let blocked = plan(vec![step("kill", Level::Two)], vec!["no".to_owned()]);
    assert_eq!(refusal(blocked, &answer, broken(Writes::Unlocked)), Some(Refusal::Blocked("no".to_owned())));
    let later = plan(vec![step("kill", Level::Typed), step("drop", Level::Two)], Vec::new());
    assert_eq!(refusal(later, &answer, UNLOCKED), Some(Refusal::NeedsTwo), "told before anything is begun");

    let whole = approve(two(), &answer, broken(Writes::Unlocked)).map_err(|(_, refusal)| refusal).unwrap();
    assert_eq!(whole.glass(), Some(&glass));
    assert_eq!(whole.refuses("kill", None), None);
    assert_eq!(whole.refuses("drop", None), Some(Refusal::NeedsPhrase("drop 2 on primary".to_owned())));
    assert_eq!(whole.refuses("drop", Some(&phrase("drop 2 on primary"))), None);
    let one = plan(vec![step("kill", Level::Typed)], Vec::new());
    let one = approve(one, &answer, broken(Writes::Unlocked)).map_err(|(_, refusal)| refusal).unwrap();
    assert_eq!(one.glass(), None, "where one is enough nothing is broken, and nobody is told so");
}

#[test]
fn an_approval_stands_in_for_the_second_person_of_its_own_plan_alone() {
    let two = || plan(vec![step("kill", Level::Two), step("drop", Level::Two)], Vec::new());
    let of =
        |hash: &str| Approval::granted(uuid::Uuid::nil(), hash.to_owned(), "ben".to_owned(), "looked at it".to_owned());
    let ours = of(&two().body().hash);
    let by = |approval: &Approval, writes| Authority { approval: Some(approval.clone()), ..Authority::alone(writes) };
    let answer = phrase("kill 2 on primary");
    let refusal = |plan, answer: &Answer, authority| approve(plan, answer, authority).err().map(|(_, refusal)| refusal);
    assert_eq!(refusal(two(), &answer, by(&of("another"), Writes::Unlocked)), Some(Refusal::OtherPlan));
    assert_eq!(refusal(two(), &answer, by(&ours, Writes::Locked)), Some(Refusal::Locked));
    let wanted = Refusal::NeedsPhrase("kill 2 on primary".to_owned());
    assert_eq!(refusal(two(), &Answer::Yes, by(&ours, Writes::Unlocked)), Some(wanted), "who runs it types the phrase");
    let blocked = plan(vec![step("kill", Level::Two)], vec!["no".to_owned()]);
    let of_blocked = of(&blocked.body().hash);
    assert_eq!(refusal(blocked, &answer, by(&of_blocked, Writes::Unlocked)), Some(Refusal::Blocked("no".to_owned())));

    let whole = approve(two(), &answer, by(&ours, Writes::Unlocked)).map_err(|(_, refusal)| refusal).unwrap();
    assert_eq!((whole.approval(), whole.glass()), (Some(&ours), None));
    assert_eq!(whole.refuses("drop", Some(&phrase("drop 2 on primary"))), None);
    let glass =
        Glass::broken("nobody answers and players are cut off", crate::domain::risk::Policy::default()).unwrap();
    let both = Authority { glass: Some(glass), ..by(&ours, Writes::Unlocked) };
    let whole = approve(two(), &answer, both).map_err(|(_, refusal)| refusal).unwrap();
    assert_eq!(whole.glass(), None, "where somebody approved nothing is broken");
}
