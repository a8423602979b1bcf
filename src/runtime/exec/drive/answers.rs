//! What the operator says to a run: whoever asks takes the answers, and while nobody asks the run itself does. A pause and a cut are for
//! all hosts at once, whoever takes them.

use crate::effect::RunAnswer;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, watch};

/// The answers of one run, for all that take some.
#[derive(Clone)]
pub(in super::super) struct Answers {
    inner: Arc<Mutex<UnboundedReceiver<RunAnswer>>>,
    closed: Arc<AtomicBool>,
    /// What is in flight is cut off; whether it is also to be taken back.
    cut: Arc<watch::Sender<Option<bool>>>,
    /// Nothing new begins.
    paused: Arc<watch::Sender<bool>>,
}

impl Answers {
    pub(super) fn new(inner: UnboundedReceiver<RunAnswer>) -> Self {
        Self {
            inner: Arc::new(Mutex::new(inner)),
            closed: Arc::default(),
            cut: Arc::new(watch::Sender::new(None)),
            paused: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Of nobody.
    pub(in super::super) fn none() -> Self {
        Self::new(tokio::sync::mpsc::unbounded_channel().1)
    }

    /// The next answer; `None`: nobody answers any more. A cut is a stop for whoever asks.
    pub(in super::super) async fn recv(&self) -> Option<RunAnswer> {
        loop {
            let answer = self.inner.lock().await.recv().await;
            if answer.is_none() {
                self.closed.store(true, Ordering::Relaxed);
            }
            if let ControlFlow::Break(answer) = self.for_one(answer) {
                return answer;
            }
        }
    }

    /// What came while nobody took it, if something did.
    pub(super) fn waiting(&self) -> Option<RunAnswer> {
        let mut inner = self.inner.try_lock().ok()?;
        loop {
            let answer = inner.try_recv().ok()?;
            if let ControlFlow::Break(answer) = self.for_one(Some(answer)) {
                return answer;
            }
        }
    }

    /// What is for one who asks; else it was for all, and they have it.
    fn for_one(&self, answer: Option<RunAnswer>) -> ControlFlow<Option<RunAnswer>> {
        match answer {
            Some(RunAnswer::Pause(paused)) => {
                self.paused.send_replace(paused);
                return ControlFlow::Continue(());
            }
            Some(RunAnswer::Cancel { undo }) => {
                self.cut.send_replace(Some(undo));
                self.paused.send_replace(false);
                return ControlFlow::Break(Some(RunAnswer::Stop));
            }
            Some(RunAnswer::Stop | RunAnswer::Leave) | None => drop(self.paused.send_replace(false)),
            Some(_) => {}
        }
        ControlFlow::Break(answer)
    }

    /// Nobody answers any more.
    pub(in super::super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// What a run is told that this one waits for, when this one is stopped.
    pub(in super::super) fn stop(&self) -> RunAnswer {
        self.cut().map_or(RunAnswer::Stop, |undo| RunAnswer::Cancel { undo })
    }

    /// What is in flight is cut off; whether it is also to be taken back.
    pub(in super::super) fn cut(&self) -> Option<bool> {
        *self.cut.borrow()
    }

    /// Returns when what is in flight is cut off, at once if it is already.
    pub(in super::super) async fn until_cut(&self) {
        let mut cut = self.cut.subscribe();
        // The sender lives as long as this does.
        let _ = cut.wait_for(Option::is_some).await;
    }

    /// Whether nothing new begins, and when that changes.
    pub(in super::super) fn pauses(&self) -> watch::Receiver<bool> {
        self.paused.subscribe()
    }

    /// Returns when something new may begin.
    pub(super) async fn until_on(&self) {
        let mut paused = self.paused.subscribe();
        let _ = paused.wait_for(|paused| !*paused).await;
    }
}
