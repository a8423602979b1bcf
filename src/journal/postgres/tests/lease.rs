//! Locks that are taken over from a holder of another machine: nobody gets what that may still use.

use super::*;
use crate::journal::RunId;
use std::time::Duration;

/// More than the grace of who is told.
const LONG: Duration = Duration::from_secs(40);

/// Two people on two machines, of which the first holds `database/a` and lives.
async fn held(team: &Team) -> (PostgresJournal, PostgresJournal, RunId, Vec<Grant>) {
    let elsewhere = |host: &str| Process { boot: Some(host.to_owned()), ..Process::this() };
    let (ada, ben) = (team.open("ada", elsewhere("a")), team.open("ben", elsewhere("b")));
    let run = new_run();
    begin_run(&ada, run, "x").await;
    let grants = grants(ada.take(run, &all(&["database/a"]), TTL).await.unwrap());
    (ada, ben, run, grants)
}

/// Ben wants to take it over, and gives its holder no time: they have five seconds then.
async fn take_over(ben: &PostgresJournal, of: RunId, data: serde_json::Value) -> Uuid {
    let mut wanted = json!({ "run": of, "resources": ["database/a"], "for_run": new_run(), "reason": "must go on", "take": true, "grace_ms": 0 });
    wanted.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    ben.append(entry(RecordKind::LockWanted, None, wanted)).await.unwrap().id
}

/// As if so many seconds had gone by since it was asked for and granted.
async fn later(team: &Team, seconds: u32) {
    let back = format!(
        "ALTER TABLE quarterdeck.record DISABLE TRIGGER USER;
         UPDATE quarterdeck.record SET stored = stored - interval '{seconds} s' WHERE kind = 'lock.wanted';
         ALTER TABLE quarterdeck.record ENABLE TRIGGER USER;
         UPDATE quarterdeck.lease SET until = until - interval '{seconds} s'"
    );
    team.run("postgres", &back).await.unwrap();
}

#[tokio::test]
async fn whoever_is_told_is_granted_no_more_than_until_it_is_taken_over() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben, run, grants) = held(&team).await;
    assert!(ada.grant(run, &grants, TTL).await.unwrap().unwrap() > LONG, "nobody wants it");
    let wanted = take_over(&ben, run, json!({})).await;
    let granted = ada.grant(run, &grants, TTL).await.unwrap().unwrap();
    assert!(granted <= Duration::from_secs(5), "{granted:?}");
    later(&team, 6).await;
    assert_eq!(
        ada.grant(run, &grants, TTL).await.unwrap(),
        Some(Duration::ZERO),
        "it holds it, and may use it by asking alone"
    );
    assert_eq!(ben.pass(wanted).await.unwrap(), None);
    assert_eq!(ada.grant(run, &grants, TTL).await.unwrap(), None);
}

#[tokio::test]
async fn nobody_takes_over_what_a_holder_that_is_not_heard_of_may_still_use() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben, run, grants) = held(&team).await;
    let wanted = take_over(&ben, run, json!({})).await;
    // Its grace is over, and it has not heard of that: it goes by what it was granted before.
    later(&team, 6).await;
    for silent in [false, true] {
        if silent {
            team.silence(&ada).await;
        }
        let why = ben.pass(wanted).await.unwrap().unwrap();
        assert!(
            why.starts_with("its holder has not answered, and may use it for 3") && why.ends_with(" s more"),
            "{why}"
        );
    }
    later(&team, 40).await;
    assert_eq!(ben.pass(wanted).await.unwrap(), None);
    assert!(!ada.renew(run, &grants, TTL).await.unwrap());
}

#[tokio::test]
async fn what_was_wanted_long_ago_or_cannot_be_read_shortens_no_lease() {
    let team = Team::new(need!(postgres)).await;
    let (ada, ben, run, grants) = held(&team).await;
    take_over(&ben, run, json!({})).await;
    later(&team, 70).await;
    for odd in [
        json!({ "grace_ms": "soon" }),
        json!({ "take": "perhaps" }),
        json!({ "run": "that one" }),
        json!({ "run": new_run() }),
    ] {
        take_over(&ben, run, odd).await;
    }
    assert!(ada.grant(run, &grants, TTL).await.unwrap().unwrap() > LONG);
    // Whoever renews lives.
    team.silence(&ada).await;
    ada.grant(run, &grants, TTL).await.unwrap();
    assert!(!ben.claim(run).await.unwrap());
}
