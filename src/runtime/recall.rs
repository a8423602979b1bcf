//! What the journal tells the screen: what it remembers at start, what an earlier process left unfinished, and from then on what other
//! processes append.

use super::exec::Exec;
use crate::domain::text;
use crate::event::{Event, RunEvent};
use crate::journal::{Journal, JournalError, Others};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

/// Records shown in view 6 at start.
const RECENT: u32 = 2000;

/// Time between two looks at what other processes append.
const LOOK: Duration = Duration::from_secs(1);

/// Recalls, follows what other processes append for as long as somebody listens, and settles what was cut off.
pub(super) async fn recall(exec: Arc<Exec>) {
    let after = match exec.journal.recent(RECENT).await {
        Ok(records) => {
            let last = records.last().map(|record| record.id);
            for record in records {
                let _ = exec.events.send(Event::Run(RunEvent::Recalled(Box::new(record)))).await;
            }
            last
        }
        Err(error) => {
            let _ = exec.events.send(trouble(&error.to_string())).await;
            None
        }
    };
    tokio::spawn(follow(Arc::clone(&exec.journal), after, exec.events.clone()));
    exec.reconcile().await;
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
