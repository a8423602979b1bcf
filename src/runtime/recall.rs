//! What the journal tells the screen: what it remembers at start, what an earlier process left unfinished, and from then on what other
//! processes append.

use super::exec::Exec;
use crate::domain::record::Record;
use crate::domain::text;
use crate::event::{Event, RunEvent};
use crate::journal::{Journal, JournalError, Others};
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

/// Recalls, follows what other processes append for as long as somebody listens, and settles what was cut off.
pub(super) async fn recall(exec: Arc<Exec>) {
    let Some(records) = remembered(&*exec.journal, &exec.events).await else { return };
    let after = records.last().map(|record| record.id);
    for record in records {
        let _ = exec.events.send(Event::Run(RunEvent::Recalled(Box::new(record)))).await;
    }
    tokio::spawn(follow(Arc::clone(&exec.journal), after, exec.events.clone()));
    exec.reconcile().await;
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

async fn follow(journal: Arc<dyn Journal>, after: Option<Uuid>, events: Sender<Event>) {
    match journal.others(after).await {
        Ok(Some(others)) => look(others, &events).await,
        Ok(None) => {}
        Err(error) => {
            let _ = events.send(unseen(&error)).await;
        }
    }
}

/// Ends when nobody listens any more. A failure is told once, until it goes well again.
async fn look(mut others: Box<dyn Others>, events: &Sender<Event>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = events.closed() => return,
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
