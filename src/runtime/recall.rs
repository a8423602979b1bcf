//! What the journal tells the screen: what it remembers at start, what an earlier process left unfinished, and from then on what other
//! processes append.

use super::exec::{Exec, Running};
use crate::domain::record::{Record, RecordKind};
use crate::domain::{RunId, text};
use crate::event::{Event, RunEvent};
use crate::incident;
use crate::journal::{self, Away, Journal, JournalError, Others};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval, sleep};
use uuid::Uuid;

/// Records shown in view 6 at start.
const RECENT: u32 = 2000;

/// Time between two tries to read a journal that can't be read.
const AGAIN: Duration = Duration::from_secs(3);

/// Time between two looks at what other processes append.
const LOOK: Duration = Duration::from_secs(1);

/// So many looks apart it is seen to whether the processes of other sessions' runs still live. A process that is killed writes nothing.
const LIVES: u32 = 3;

/// Runs of other sessions that are not over.
#[derive(Default)]
struct Going {
    /// Somebody drives them, as far as is known.
    driven: BTreeSet<RunId>,
    /// What was found cut off, and told.
    left: BTreeSet<RunId>,
}

impl Going {
    fn take(&mut self, record: &Record) {
        let Some(run) = record.entry.run else { return };
        match record.entry.kind {
            // Whoever takes one up drives it, whether it was over or left.
            RecordKind::RunStart | RecordKind::RunResume => {
                self.left.remove(&run);
                self.driven.insert(run);
            }
            RecordKind::RunFinish => {
                self.driven.remove(&run);
                self.left.remove(&run);
            }
            // Somebody took it up.
            _ if self.left.remove(&run) => drop(self.driven.insert(run)),
            _ => {}
        }
    }

    /// Those that nobody drives any more, once each. Asks only while there are any to ask about. When the journal can't tell, they are asked
    /// about next time. `here`: what this process has taken up is no other session's any more.
    async fn cut_off(&mut self, journal: &dyn Journal, here: &Running) -> BTreeSet<RunId> {
        self.driven.retain(|run| !here.drives(*run));
        if self.driven.is_empty() {
            return BTreeSet::new();
        }
        let mut gone = self.driven.clone();
        // Twice: one that ended as it was asked the first time has written so by the second.
        for _ in 0..2 {
            let records = journal.unfinished().await.unwrap_or_default();
            let open: BTreeSet<RunId> = records.iter().filter_map(|record| record.entry.run).collect();
            gone.retain(|run| open.contains(run));
            if gone.is_empty() {
                break;
            }
        }
        for run in &gone {
            self.driven.remove(run);
            self.left.insert(*run);
        }
        gone
    }
}

/// Whether the team's journal is away, and how its clock stands, as it was told.
#[derive(Default)]
struct Standing {
    away: Option<Away>,
    /// How far the server's clock is ahead, once it was told.
    ahead_ms: Option<i64>,
}

impl Standing {
    /// Tells it when it has changed.
    async fn tell(&mut self, journal: &dyn Journal, events: &Sender<Event>) {
        let away = journal.away().await;
        if away != self.away {
            self.away.clone_from(&away);
            let _ = events.send(Event::Run(RunEvent::Away(away.map(|away| away.told())))).await;
        }
        let clock = journal.clock().await.filter(|(_, ahead_ms)| self.ahead_ms != Some(*ahead_ms));
        if let Some((writer, ahead_ms)) = clock {
            self.ahead_ms = Some(ahead_ms);
            let _ = events.send(Event::Run(RunEvent::Clock { writer, ahead_ms })).await;
        }
    }
}

/// Recalls, follows what other processes append for as long as somebody listens, and settles what was cut off.
pub(super) async fn recall(exec: Arc<Exec>) {
    let Some(records) = remembered(&*exec.journal, &exec.events).await else { return };
    let mut standing = Standing::default();
    standing.tell(&*exec.journal, &exec.events).await;
    let mut going = Going::default();
    for record in &records {
        going.take(record);
    }
    let after = records.last().map(|record| record.id);
    for record in records {
        let _ = exec.events.send(Event::Run(RunEvent::Recalled(Box::new(record)))).await;
    }
    incidents(&exec).await;
    if let Some(why) = exec.journal.only_looks().await {
        let _ = exec.events.send(Event::Run(RunEvent::OnlyLooks(text::clean(&why).into_owned()))).await;
    }
    // What is cut off by now is told by reconciling it.
    let _ = going.cut_off(&*exec.journal, &exec.runs).await;
    let here = exec.runs.clone();
    tokio::spawn(follow(Arc::clone(&exec.journal), after, (going, standing, here), exec.events.clone()));
    exec.reconcile().await;
}

/// Tells all that the journal knows of incidents.
pub(super) async fn incidents(exec: &Exec) {
    let told = match journal::incidents(&*exec.journal, incident::READ).await {
        Ok(records) => Event::Run(RunEvent::Incidents(records)),
        Err(error) => trouble(&format!("incidents are not known: {error}")),
    };
    let _ = exec.events.send(told).await;
}

/// The newest records, as soon as they can be read: one that is on a server may come back. `None`: nobody listens any more.
async fn remembered(journal: &dyn Journal, events: &Sender<Event>) -> Option<Vec<Record>> {
    let mut told = None;
    loop {
        match journal.recent(RECENT).await {
            Ok(records) => {
                if told.is_some() {
                    let _ = events.send(Event::Run(RunEvent::Unread(None))).await;
                }
                return Some(records);
            }
            Err(error) => {
                let why = error.to_string();
                if told.as_ref() != Some(&why) {
                    let _ = events.send(trouble(&why)).await;
                    let _ = events.send(Event::Run(RunEvent::Unread(Some(text::clean(&why).into_owned())))).await;
                    told = Some(why);
                }
            }
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = events.closed() => return None,
        }
    }
}

async fn follow(
    journal: Arc<dyn Journal>,
    after: Option<Uuid>,
    known: (Going, Standing, Running),
    events: Sender<Event>,
) {
    match journal.others(after).await {
        Ok(Some(others)) => look(&*journal, others, known, &events).await,
        Ok(None) => {}
        Err(error) => {
            let _ = events.send(unseen(&error)).await;
        }
    }
}

/// Ends when nobody listens any more. A failure is told once, until it goes well again.
async fn look(
    journal: &dyn Journal,
    mut others: Box<dyn Others>,
    (mut going, mut standing, here): (Going, Standing, Running),
    events: &Sender<Event>,
) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut failing, mut count) = (false, 0_u32);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = events.closed() => return,
        }
        count = count.wrapping_add(1);
        standing.tell(journal, events).await;
        if count.is_multiple_of(LIVES) {
            let gone = going.cut_off(journal, &here).await;
            if !gone.is_empty() {
                let _ = events.send(Event::Run(RunEvent::Left(gone.into_iter().collect()))).await;
            }
        }
        if !others.stirs() {
            continue;
        }
        let read = others.read().await;
        let failed = read.is_err();
        if failed != failing {
            let why = read.as_ref().err().map(|error| text::clean(&error.to_string()).into_owned());
            let _ = events.send(Event::Run(RunEvent::Unread(why))).await;
        }
        match read {
            Ok(records) => {
                for record in records {
                    going.take(&record);
                    let _ = events.send(Event::Run(RunEvent::Elsewhere(Box::new(record)))).await;
                }
            }
            Err(error) if !failing => {
                tracing::warn!(%error, "what other processes append");
                let _ = events.send(unseen(&error)).await;
            }
            Err(_) => {}
        }
        failing = failed;
    }
}

fn unseen(error: &JournalError) -> Event {
    trouble(&format!("runs of other sessions are not seen: {error}"))
}

fn trouble(what: &str) -> Event {
    Event::Run(RunEvent::Trouble { run: None, what: text::clean(what).into_owned() })
}
