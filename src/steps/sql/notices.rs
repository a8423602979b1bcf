//! What PostgreSQL says beside its answer (`RAISE NOTICE`, VACUUM VERBOSE), as it comes. The client tells it to the program's log and to
//! nobody else, so a log of its own listens there while the statement is under way.

use futures_util::future::poll_fn;
use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Where the client tells it.
const TARGET: &str = "sqlx::postgres::notice";
/// Messages that wait at most between two looks; of a flood the oldest are left out.
const WAITING: usize = 1000;

type Heard = Arc<Mutex<VecDeque<String>>>;

/// Awaits `work`, and hands on each message that comes meanwhile: `notice: half of it is done`.
pub(super) async fn heard<T>(work: impl Future<Output = T>, mut said: impl FnMut(String)) -> T {
    let heard = Heard::default();
    let mut work = pin!(work.with_subscriber(Ear(Arc::clone(&heard))));
    poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        let lines = std::mem::take(&mut *waiting(&heard));
        lines.into_iter().for_each(&mut said);
        polled
    })
    .await
}

fn waiting(heard: &Heard) -> MutexGuard<'_, VecDeque<String>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what is told of messages, and nothing else.
struct Ear(Heard);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Not events alone: the client asks whether anybody wants to know before it tells.
        metadata.target() == TARGET
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "notice",
            Level::DEBUG => "debug",
            Level::TRACE => "info",
        };
        let mut waiting = waiting(&self.0);
        if waiting.len() == WAITING {
            waiting.pop_front();
        }
        waiting.push_back(format!("{word}: {}", message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
