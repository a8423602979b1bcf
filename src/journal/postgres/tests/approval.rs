//! A second person's approval, as the server judges it: whatever a client of somebody's own would send.

use super::*;
use crate::runbook::Approval;

/// A plan's hash.
fn hash(of: char) -> String {
    of.to_string().repeat(64)
}

async fn ask(journal: &PostgresJournal, of: char, ttl_ms: u64) -> Uuid {
    let data = json!({ "plan_hash": hash(of), "ttl_ms": ttl_ms, "plan": "step 1", "runbook": "fail-over", "title": "Fail over" });
    journal.decide(entry(RecordKind::ApprovalAsked, None, data)).await.unwrap().id
}

async fn say(journal: &PostgresJournal, kind: RecordKind, id: Uuid, of: char) -> Result<(), String> {
    let data = json!({ "approval": id, "plan_hash": hash(of), "reason": "looked at it" });
    journal.decide(entry(kind, None, data)).await.map(drop).map_err(|error| error.to_string())
}

async fn approve(journal: &PostgresJournal, id: Uuid) -> Result<(), String> {
    say(journal, RecordKind::ApprovalGiven, id, 'a').await
}

async fn begin(journal: &PostgresJournal, id: Uuid, of: char) -> Result<RunId, String> {
    let run = new_run();
    let data = json!({ "approval": id, "plan_hash": hash(of), "runbook": "fail-over" });
    let begun = journal.append(entry(RecordKind::RunStart, Some(run), data)).await;
    begun.map(|_| run).map_err(|error| error.to_string())
}

async fn granted(journal: &PostgresJournal) -> Option<Approval> {
    journal.approval(&hash('a')).await.unwrap()
}

fn refused(said: Result<impl std::fmt::Debug, String>, why: &str) {
    let said = said.unwrap_err();
    assert!(said.contains(&format!("approval: {why}")), "{said}");
}

const LONG: u64 = 900_000;

#[tokio::test]
async fn one_s_own_approval_is_refused_in_a_second_session_too() {
    let team = Team::new(need!(postgres)).await;
    let (ada, again, ben) =
        (team.open("ada", Process::this()), team.open("ada", Process::this()), team.open("ben", Process::this()));
    let id = ask(&ada, 'a', LONG).await;
    for own in [&ada, &again] {
        refused(approve(own, id).await, "it was asked for by ada, whose login this is too: it takes another person's");
    }
    // Neither another name nor another role makes another person.
    for sql in [
        "SET ROLE quarterdeck_writer; UPDATE quarterdeck.approval SET approved = true, decider = 'ben'",
        "INSERT INTO quarterdeck.approval (id, asker, plan_hash, until) VALUES (gen_random_uuid(), 'ben', repeat('a', 64), now())",
        "DELETE FROM quarterdeck.approval",
        "SELECT quarterdeck.judge_approval()",
        "SET SESSION AUTHORIZATION ben",
    ] {
        let said = team.run("ada", sql).await.unwrap_err();
        assert!(said.contains("permission denied"), "{sql}: {said}");
    }
    assert_eq!(granted(&ada).await, None);
    refused(begin(&ada, id, 'a').await, "nobody has approved it");
    approve(&ben, id).await.unwrap();
    let approval = granted(&again).await.unwrap();
    assert_eq!((approval.by(), approval.reason(), approval.id()), ("ben", "looked at it", id));
    assert_eq!(granted(&ben).await, None, "it is for who asked");
    // An owner who goes past the triggers finds the constraint.
    let said = team.run("owner", "UPDATE quarterdeck.approval SET decider = 'ada'").await.unwrap_err();
    assert!(said.contains("violates check constraint"), "{said}");
}

#[tokio::test]
async fn an_approval_is_of_one_plan_and_lets_one_run_begin() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben) = (team.open("ada", Process::this()), team.open("ben", Process::this()));
    let id = ask(&ada, 'a', LONG).await;
    refused(say(&ben, RecordKind::ApprovalGiven, id, 'b').await, "it is of another plan");
    refused(approve(&ben, Uuid::now_v7()).await, "nobody asked for it");
    approve(&ben, id).await.unwrap();
    refused(say(&ben, RecordKind::ApprovalRefused, id, 'a').await, "ben has decided it already");
    refused(begin(&ada, id, 'b').await, "it is of another plan");
    refused(begin(&ben, id, 'a').await, "it was asked for by ada, and not by ben");
    let (one, other) = tokio::join!(begin(&ada, id, 'a'), begin(&ada, id, 'a'));
    assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
    assert_eq!(granted(&ada).await, None);
    let listed = ben.approvals().await.unwrap();
    assert_eq!(listed.len(), 1);
    let used = format!("used by run {}", one.as_ref().or(other.as_ref()).unwrap().short());
    assert_eq!(listed[0].standing(clock::now().wall), used);
    refused(begin(&ada, id, 'a').await, "it was used by a run");
    assert!(Reader::open(&team.store()).await.unwrap().verify().await.unwrap().is_intact());
}

#[tokio::test]
async fn its_time_is_the_server_s_and_it_can_be_refused_and_withdrawn() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben) = (team.open("ada", Process::this()), team.open("ben", Process::this()));
    let late = ask(&ada, 'a', 0).await;
    refused(approve(&ben, late).await, "its time was over at ");
    let id = ask(&ada, 'a', LONG).await;
    approve(&ben, id).await.unwrap();
    let past = "UPDATE quarterdeck.approval SET until = now() - interval '1 second'";
    team.run("owner", past).await.unwrap();
    assert_eq!(granted(&ada).await, None);
    refused(begin(&ada, id, 'a').await, "its time was over at ");
    let no = ask(&ada, 'a', LONG).await;
    say(&ben, RecordKind::ApprovalRefused, no, 'a').await.unwrap();
    refused(begin(&ada, no, 'a').await, "nobody has approved it");
    let gone = ask(&ada, 'a', LONG).await;
    refused(say(&ben, RecordKind::ApprovalWithdrawn, gone, 'a').await, "it was asked for by ada, and not by ben");
    say(&ada, RecordKind::ApprovalWithdrawn, gone, 'a').await.unwrap();
    refused(approve(&ben, gone).await, "ada has withdrawn the request");
    let told: Vec<String> = ada.approvals().await.unwrap().iter().map(|one| one.standing(clock::now().wall)).collect();
    assert_eq!(told[0], "its time is over");
    assert!(told[2].starts_with("refused by ben@bastion: looked at it") && told[3] == "withdrawn", "{told:?}");
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_does() {
    let team = Team::new(need!(postgres)).await;
    let [ada, ben, owner] = ["ada", "ben", "owner"].map(|name| team.open(name, Process::this()));
    for _ in 0..10 {
        let id = ask(&ada, 'a', LONG).await;
        let (one, other) = tokio::join!(approve(&ben, id), say(&owner, RecordKind::ApprovalRefused, id, 'a'));
        assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
    }
}

#[tokio::test]
async fn a_text_with_a_nul_beside_it_is_judged_as_any_other() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben) = (team.open("ada", Process::this()), team.open("ben", Process::this()));
    let odd = "a\u{0}b \\u0000 \\\u{0}";
    let asked = json!({ "plan_hash": hash('a'), "ttl_ms": LONG, "plan": odd });
    let id = ada.decide(entry(RecordKind::ApprovalAsked, None, asked)).await.unwrap().id;
    let given = json!({ "approval": id, "plan_hash": hash('a'), "reason": odd });
    ben.decide(entry(RecordKind::ApprovalGiven, None, given)).await.unwrap();
    let start = |approval| json!({ "approval": approval, "plan_hash": hash('a'), "params": { odd: odd } });
    let begun = ada.append(entry(RecordKind::RunStart, Some(new_run()), start(Some(id)))).await.unwrap();
    assert_eq!(begun.entry.data["params"][odd], odd);
    let again = ada.append(entry(RecordKind::RunStart, Some(new_run()), start(Some(id)))).await;
    refused(again.map_err(|error| error.to_string()), "it was used by a run");
    let alone = new_run();
    ada.append(entry(RecordKind::RunStart, Some(alone), start(None))).await.unwrap();
    let wanted = json!({ "run": alone, "resources": ["database/a"], "for_run": new_run(), "reason": odd, "take": false, "grace_ms": 0 });
    let wanted = ben.append(entry(RecordKind::LockWanted, None, wanted)).await.unwrap().id;
    assert_eq!(ben.pass(wanted).await.unwrap().as_deref(), Some("that run does not hold it any more"));
    assert!(Reader::open(&team.store()).await.unwrap().verify().await.unwrap().is_intact());
}
