//! Leases in the SQLite file: taken in one `BEGIN IMMEDIATE` transaction, so that of several processes exactly one gets them.

use super::super::lease::{GRACES, Grant, Lease, PASSED, Taken};
use super::super::row::found;
use super::{Inner, read};
use crate::domain::RunId;
use crate::domain::record::Actor;
use crate::runbook::wants::Want;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::time::Duration;
use uuid::Uuid;

/// The store's clock, in milliseconds of Unix time.
const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)";

/// A row that somebody holds, as long as it has not lapsed.
struct HeldRow {
    lease: Lease,
    writer: Uuid,
    over: bool,
}

impl Inner {
    pub(super) async fn take(&self, run: RunId, resources: &[String], ttl: Duration) -> sqlx::Result<Taken> {
        let mut change = self.begin().await?;
        for resource in resources {
            if let Some(held) = holder(&mut change, resource, &self.actor).await?
                && held.run != run
            {
                return Ok(Taken::Held(Box::new(held)));
            }
        }
        let mut grants = Vec::new();
        for resource in resources {
            let take = format!(
                "INSERT INTO lease (resource, fence, run, writer, since, until) VALUES (?, 1, ?, ?, {NOW}, {NOW} + ?)
                 ON CONFLICT (resource) DO UPDATE SET fence = lease.fence + 1, run = excluded.run,
                     writer = excluded.writer, since = excluded.since, until = excluded.until
                 RETURNING fence"
            );
            let fence: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(take))
                .bind(resource)
                .bind(run.to_string())
                .bind(self.writer.to_string())
                .bind(millis(ttl))
                .fetch_one(&mut *change)
                .await?;
            grants.push(Grant { resource: resource.clone(), fence: fence.unsigned_abs() });
        }
        change.commit().await?;
        Ok(Taken::All(grants))
    }

    /// A lease whose time is over and that nobody else has taken is still ours.
    pub(super) async fn renew(&self, run: RunId, grants: &[Grant], ttl: Duration) -> sqlx::Result<bool> {
        let mut change = self.begin().await?;
        for Grant { resource, fence } in grants {
            let renew = format!("UPDATE lease SET until = {NOW} + ? WHERE resource = ? AND run = ? AND fence = ?");
            let renewed = sqlx::query(sqlx::AssertSqlSafe(renew))
                .bind(millis(ttl))
                .bind(resource)
                .bind(run.to_string())
                .bind(i64::try_from(*fence).unwrap_or(i64::MAX))
                .execute(&mut *change)
                .await?;
            if renewed.rows_affected() != 1 {
                return Ok(false);
            }
        }
        change.commit().await?;
        Ok(true)
    }

    pub(super) async fn release(&self, run: RunId) -> sqlx::Result<()> {
        let mut change = self.begin().await?;
        sqlx::query("UPDATE lease SET run = NULL, writer = NULL WHERE run = ?")
            .bind(run.to_string())
            .execute(&mut *change)
            .await?;
        change.commit().await
    }

    /// As a team's server does it; see `quarterdeck.pass` there.
    pub(super) async fn pass(&self, wanted: Uuid) -> sqlx::Result<Option<String>> {
        let mut change = self.begin().await?;
        let Some(asked) = wish(&mut change, wanted).await? else { return Ok(Some("nobody asked for it".to_owned())) };
        let mut holds = false;
        let mut lives = false;
        for resource in &asked.want.resources {
            let Some(held) = holder(&mut change, resource, &self.actor).await? else { continue };
            if held.run == asked.want.run {
                // A run that is yet to begin, for which it is kept, is driven by nobody.
                let driven = !held.cut_off && read::driver(&mut change, held.run).await?.is_some();
                (holds, lives) = (true, lives || driven);
            }
        }
        if !holds {
            return Ok(Some("that run does not hold it any more".to_owned()));
        }
        let ours = self.holds(&mut change, asked.want.run).await?;
        if !ours && let Some(why) = asked.not_yet(self.writer, lives) {
            return Ok(Some(why));
        }
        for resource in &asked.want.resources {
            let pass = format!(
                "UPDATE lease SET fence = fence + 1, run = ?, writer = ?, since = {NOW}, until = {NOW} + ? WHERE resource = ? AND run = ?"
            );
            sqlx::query(sqlx::AssertSqlSafe(pass))
                .bind(asked.want.for_run.to_string())
                .bind(asked.writer.to_string())
                .bind(millis(PASSED))
                .bind(resource)
                .bind(asked.want.run.to_string())
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        Ok(None)
    }
}

impl Inner {
    /// This process drives a run, or took what that holds.
    async fn holds(&self, change: &mut SqliteConnection, run: RunId) -> sqlx::Result<bool> {
        let took = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM lease WHERE run = ? AND writer = ?)");
        let took = took.bind(run.to_string()).bind(self.writer.to_string()).fetch_one(&mut *change).await?;
        Ok(took || read::driver(change, run).await? == Some(self.writer))
    }
}

/// That somebody wants what a run holds.
struct Wish {
    want: Want,
    writer: Uuid,
    /// It is taken over when its grace is over.
    take: bool,
    /// What is left of the grace, milliseconds.
    grace: i64,
}

impl Wish {
    /// Why who asked may not take it over now; `lives`: somebody drives the run that holds it.
    fn not_yet(&self, us: Uuid, lives: bool) -> Option<String> {
        let left = self.grace.max(0).unsigned_abs().div_ceil(1000);
        match (self.writer == us, self.take) {
            (false, _) => Some("somebody else asked for it".to_owned()),
            (true, false) => Some("the run that holds it has not handed it over".to_owned()),
            (true, true) if lives && self.grace > 0 => {
                Some(format!("its holder was told, and has {left} s to hand it over"))
            }
            (true, true) => None,
        }
    }
}

async fn wish(connection: &mut SqliteConnection, id: Uuid) -> sqlx::Result<Option<Wish>> {
    let query = format!(
        "SELECT *, {NOW} - CAST((julianday(at) - 2440587.5) * 86400000.0 AS INTEGER) AS age FROM record WHERE id = ? AND kind = 'lock.wanted'"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(id.to_string()).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let age: i64 = row.try_get("age")?;
    let Some(record) = found(&row).record() else { return Ok(None) };
    let Some(want) = Want::asked(&record) else { return Ok(None) };
    let data = &record.entry.data;
    let asked = Duration::from_millis(data["grace_ms"].as_u64().unwrap_or_default()).clamp(GRACES.0, GRACES.1);
    let take = data["take"].as_bool() == Some(true);
    Ok(Some(Wish { want, writer: record.writer, take, grace: millis(asked) - age }))
}

/// Those of the resources that somebody holds, seen by `us`.
pub(super) async fn held(pool: &SqlitePool, resources: &[String], us: &Actor) -> sqlx::Result<Vec<Lease>> {
    let mut connection = pool.acquire().await?;
    if !is_kept(&mut connection).await? {
        return Ok(Vec::new());
    }
    let mut held = Vec::new();
    for resource in resources {
        held.extend(holder(&mut connection, resource, us).await?);
    }
    Ok(held)
}

/// What runs hold, or have held.
pub(super) async fn names(pool: &SqlitePool) -> sqlx::Result<Vec<String>> {
    let mut connection = pool.acquire().await?;
    if !is_kept(&mut connection).await? {
        return Ok(Vec::new());
    }
    let names = "SELECT resource FROM lease WHERE run IS NOT NULL ORDER BY resource";
    sqlx::query_scalar(names).fetch_all(&mut *connection).await
}

/// False: a file of an earlier version that nobody has opened to write since.
async fn is_kept(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let kept = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lease'";
    let kept: i64 = sqlx::query_scalar(kept).fetch_one(connection).await?;
    Ok(kept > 0)
}

/// Who holds it: `None` when nobody does, or not any more.
async fn holder(connection: &mut SqliteConnection, resource: &str, us: &Actor) -> sqlx::Result<Option<Lease>> {
    let query = format!(
        "SELECT lease.*, until <= {NOW} AS over, opened.actor_name, opened.actor_uid, opened.actor_host,
             (SELECT data FROM record WHERE run = lease.run AND kind = 'run.start' LIMIT 1) AS start,
             (SELECT step FROM record WHERE run = lease.run AND step IS NOT NULL ORDER BY place DESC LIMIT 1) AS step
         FROM lease LEFT JOIN record AS opened ON opened.writer = lease.writer AND opened.seq = 1
         WHERE lease.resource = ? AND lease.run IS NOT NULL"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(resource).fetch_optional(&mut *connection).await?;
    let Some(HeldRow { mut lease, writer, over }) = row.as_ref().map(decode).transpose()? else { return Ok(None) };
    // A process of another host can't be seen from here: only its time ends its lease.
    let here = lease.holder.host == us.host;
    let gone = if here { !read::is_alive(connection, writer).await? } else { over };
    // What a run did that was cut off may still go on: nobody else begins before somebody has looked.
    lease.cut_off = gone && read::is_open(connection, lease.run).await?;
    // Who asked for it may have ended meanwhile: it is kept for the run that is to begin with it.
    let kept = gone && !over && !lease.cut_off && is_passed(connection, lease.run).await?;
    Ok((lease.cut_off || kept || !gone && !over).then_some(lease))
}

/// A lock was asked for on behalf of a run that is to begin.
async fn is_passed(connection: &mut SqliteConnection, run: RunId) -> sqlx::Result<bool> {
    let asked =
        "SELECT EXISTS (SELECT 1 FROM record WHERE kind = 'lock.wanted' AND json_extract(data, '$.for_run') = ?)";
    sqlx::query_scalar(asked).bind(run.to_string()).fetch_one(connection).await
}

fn decode(row: &SqliteRow) -> sqlx::Result<HeldRow> {
    let text = |column: &str| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    let start: serde_json::Value = serde_json::from_str(&text("start")?).unwrap_or_default();
    let lease = Lease {
        resource: text("resource")?,
        // What is no id was tampered with, and is no run of ours.
        run: RunId(text("run")?.parse().unwrap_or_default()),
        holder: Actor {
            name: text("actor_name")?,
            uid: row.try_get::<Option<u32>, _>("actor_uid")?.unwrap_or_default(),
            host: text("actor_host")?,
        },
        since: Timestamp::from_millisecond(row.try_get("since")?).unwrap_or_default(),
        runbook: start["runbook"].as_str().map(str::to_owned),
        step: row.try_get("step")?,
        cut_off: false,
    };
    Ok(HeldRow { lease, writer: text("writer")?.parse().unwrap_or_default(), over: row.try_get("over")? })
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::SqliteJournal;
    use super::*;
    use crate::domain::record::{Entry, RecordKind};
    use crate::journal::Journal;
    use crate::journal::lease::TTL;
    use crate::journal::process::Process;
    use crate::redact::Redactor;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::process::Stdio;

    fn run() -> RunId {
        RunId(Uuid::now_v7())
    }

    async fn open(dir: &Path, host: &str, process: Process) -> SqliteJournal {
        let actor = Actor { name: "ada".to_owned(), uid: 1, host: host.to_owned() };
        SqliteJournal::open_as(&dir.join("journal.db"), "test", Redactor::default(), actor, process).await.unwrap()
    }

    fn all(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn fences(taken: &Taken) -> Vec<u64> {
        match taken {
            Taken::All(grants) => grants.iter().map(|grant| grant.fence).collect(),
            Taken::Held(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_one_run_holds_no_other_gets_and_each_grant_has_a_greater_number() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (open(dir.path(), "a", Process::this()).await, open(dir.path(), "a", Process::this()).await);
        let (first, second) = (run(), run());
        let taken = one.take(first, &all(&["database/a", "server/b"]), TTL).await.unwrap();
        assert_eq!(fences(&taken), [1, 1]);
        // All or nothing: the free one is not taken either.
        let Taken::Held(held) = two.take(second, &all(&["service/c", "server/b"]), TTL).await.unwrap() else {
            panic!()
        };
        assert_eq!((held.run, held.resource.as_str(), held.holder.host.as_str()), (first, "server/b", "a"));
        assert!(held.to_string().starts_with("server/b is held by ada@a since "), "{held}");
        assert_eq!(two.held(&all(&["service/c"])).await.unwrap(), []);
        assert_eq!(two.held(&all(&["database/a", "server/b"])).await.unwrap().len(), 2);
        one.release(first).await.unwrap();
        let taken = two.take(second, &all(&["server/b"]), TTL).await.unwrap();
        assert_eq!(fences(&taken), [2]);
    }

    #[tokio::test]
    async fn a_lease_lapses_with_its_time_and_a_stale_holder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (open(dir.path(), "a", Process::this()).await, open(dir.path(), "b", Process::this()).await);
        let (first, second, it) = (run(), run(), all(&["database/a"]));
        let Taken::All(grants) = one.take(first, &it, Duration::ZERO).await.unwrap() else { panic!() };
        // Its time is over, and nobody else wants it: it may go on.
        assert!(one.renew(first, &grants, Duration::ZERO).await.unwrap());
        assert_eq!(fences(&two.take(second, &it, TTL).await.unwrap()), [2]);
        assert!(!one.renew(first, &grants, TTL).await.unwrap(), "somebody else has it now");
        one.release(first).await.unwrap();
        assert_eq!(two.held(&it).await.unwrap()[0].run, second, "what a stale holder gives back is not its own");
    }

    /// The rounds of a race.
    const ROUNDS: usize = 40;

    /// A process of its own that asks for a resource whenever it is told to. Started by the test below, and nothing by itself.
    #[tokio::test]
    async fn contender() {
        let Ok(dir) = std::env::var("QD_LEASE_RACE") else { return };
        let journal = open(Path::new(&dir), "a", Process::this()).await;
        println!("ready");
        for line in std::io::stdin().lines() {
            let line = line.unwrap();
            if let Some(resource) = line.strip_prefix("who ") {
                println!("{}", journal.held(&all(&[resource])).await.unwrap()[0]);
                continue;
            }
            let run = run();
            match journal.take(run, &[line], TTL).await.unwrap() {
                Taken::All(_) => {
                    write(&journal, run, RecordKind::RunStart).await;
                    let (kind, step) = (RecordKind::StepIntent, Some("kill/idle".to_owned()));
                    let (run_of, data) = (Some(run), serde_json::json!({}));
                    let entry =
                        Entry { kind, run: run_of, step, role: None, target: None, env: "test".to_owned(), data };
                    journal.append(entry).await.unwrap();
                    println!("won {}", run.short());
                }
                Taken::Held(lease) => println!("{lease}"),
            }
        }
    }

    fn start_contender(dir: &Path) -> (std::process::Child, std::io::Lines<BufReader<std::process::ChildStdout>>) {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "journal::sqlite::lease::tests::contender", "--nocapture", "--test-threads=1"]);
        command.env("QD_LEASE_RACE", dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The test runner says something first.
        assert!(lines.any(|line| line.unwrap().ends_with("ready")));
        (child, lines)
    }

    #[test]
    fn of_two_processes_that_ask_at_once_exactly_one_gets_it_and_the_other_is_told_whose_it_is() {
        race(ROUNDS);
    }

    #[test]
    #[ignore = "500 rounds: a long trial"]
    fn long_race_of_two_processes_for_one_lock_of_a_file() {
        race(500);
    }

    /// Exactly one of two processes gets each resource; the other is told who has it, since when, and then in which run and on which step.
    fn race(rounds: usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut contenders = [start_contender(dir.path()), start_contender(dir.path())];
        for round in 0..rounds {
            for (child, _) in &mut contenders {
                writeln!(child.stdin.as_mut().unwrap(), "database/{round}").unwrap();
            }
            let said = contenders.each_mut().map(|(_, lines)| lines.next().unwrap().unwrap());
            let winners: Vec<usize> = (0..2).filter(|index| said[*index].starts_with("won ")).collect();
            let [winner] = winners[..] else { panic!("round {round}: {said:?}") };
            let told = &said[1 - winner];
            assert!(told.starts_with(&format!("database/{round} is held by ada@a since ")), "round {round}: {told}");
            let (child, lines) = &mut contenders[1 - winner];
            writeln!(child.stdin.as_mut().unwrap(), "who database/{round}").unwrap();
            let (told, run) = (lines.next().unwrap().unwrap(), &said[winner]["won ".len()..]);
            assert!(told.ends_with(&format!(" UTC: run {run} of drain, at kill/idle")), "round {round}: {told}");
        }
        for (child, _) in &mut contenders {
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        }
    }

    #[tokio::test]
    async fn a_dead_process_holds_nothing_on_its_own_host() {
        let dir = tempfile::tempdir().unwrap();
        let dead = crate::journal::process::tests::gone();
        let (one, two) = (open(dir.path(), "a", dead).await, open(dir.path(), "a", Process::this()).await);
        let elsewhere = open(dir.path(), "b", Process::this()).await;
        let (first, it) = (run(), all(&["database/a"]));
        one.take(first, &it, TTL).await.unwrap();
        assert_eq!(elsewhere.held(&it).await.unwrap().len(), 1, "nobody can tell from another host");
        assert_eq!(two.held(&it).await.unwrap(), []);
        assert_eq!(fences(&two.take(run(), &it, TTL).await.unwrap()), [2]);
    }

    async fn write(journal: &SqliteJournal, run: RunId, kind: RecordKind) {
        let (run, env) = (Some(run), "test".to_owned());
        let data = serde_json::json!({ "runbook": "drain" });
        journal.append(Entry { kind, run, step: None, role: None, target: None, env, data }).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_run_held_that_was_cut_off_stays_held_until_it_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let dead = crate::journal::process::tests::gone();
        let (one, two) = (open(dir.path(), "a", dead).await, open(dir.path(), "a", Process::this()).await);
        let elsewhere = open(dir.path(), "b", Process::this()).await;
        let (first, it) = (run(), all(&["database/a"]));
        one.take(first, &it, Duration::ZERO).await.unwrap();
        write(&one, first, RecordKind::RunStart).await;
        for journal in [&two, &elsewhere] {
            let Taken::Held(held) = journal.take(run(), &it, TTL).await.unwrap() else { panic!() };
            let said = held.to_string();
            assert!(held.cut_off && said.contains("of drain; that run was cut off"), "{said}");
            assert!(said.contains(&format!("`quarterdeck runbook resume {}`", first.short())), "{said}");
        }
        // Its own run takes it up again, under a greater number.
        assert_eq!(fences(&two.take(first, &it, TTL).await.unwrap()), [2]);
        assert!(!two.held(&it).await.unwrap()[0].cut_off);
        write(&two, first, RecordKind::RunFinish).await;
        two.release(first).await.unwrap();
        assert_eq!(fences(&two.take(run(), &it, TTL).await.unwrap()), [3]);
    }
}
