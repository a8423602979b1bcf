//! Waiting for the server, in time in which this process ran: one that was stopped, or whose machine slept, could not have heard an answer.

use crate::clock;
use std::pin::pin;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// A wait that ends so much later than it should was no wait: a busy machine is late by far less.
const SLEPT: Duration = Duration::from_secs(1);

/// What the server answers within `bound`; when this process slept meanwhile, within `bound` after it woke.
pub(super) async fn within<T>(bound: Duration, answer: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut answer = pin!(answer);
    loop {
        let asked = clock::now().mono;
        match timeout(bound, answer.as_mut()).await {
            Err(_) if clock::now().mono.saturating_sub(asked) > bound + SLEPT => {}
            told => return told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn who_slept_gives_the_answer_its_time_again() {
        const BOUND: Duration = Duration::from_millis(200);
        let (tell, told) = oneshot::channel();
        let (slept, woke) = channel();
        // The thread that should hear it is held up, as a process that is stopped; the answer comes a little after it goes on.
        let sleeper = async move {
            tokio::task::yield_now().await;
            std::thread::sleep(BOUND + SLEPT + Duration::from_millis(50));
            slept.send(()).unwrap();
        };
        let server = std::thread::spawn(move || {
            woke.recv().unwrap();
            std::thread::sleep(BOUND / 4);
            tell.send("here").unwrap();
        });
        let (answer, ()) = tokio::join!(within(BOUND, told), sleeper);
        assert_eq!(answer.expect("it was not the server that slept").unwrap(), "here");
        server.join().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        assert!(within(Duration::from_millis(50), std::future::pending::<()>()).await.is_err());
    }
}
