//! What others append, from whichever machine: the server tells when there is something (LISTEN), and then it is read.

use super::super::{JournalError, Others};
use super::Reader;
use crate::domain::record::Record;
use async_trait::async_trait;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The channel on which the server tells of each append.
const CHANNEL: &str = "quarterdeck_record";
/// However silent the server is, so often somebody looks: a line may be dead, or a pooler may let nobody listen.
const LOOK: Duration = Duration::from_secs(10);
/// Waits between two tries to listen: doubled up to the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Follows a team's journal.
pub(super) struct Following {
    reader: Reader,
    us: Uuid,
    after: Option<Uuid>,
    /// The last place that was read, once the server has told where to begin.
    place: Option<i64>,
    stirred: Arc<AtomicBool>,
    listening: AbortHandle,
}

impl Following {
    /// From the record behind this one on; `None`: from now on.
    pub(super) async fn new(reader: Reader, us: Uuid, after: Option<Uuid>) -> Self {
        let stirred = Arc::new(AtomicBool::new(true));
        let listening = tokio::spawn(listen(reader.clone(), Arc::clone(&stirred))).abort_handle();
        // What can't be told yet is asked again at the first look.
        let place = reader.place_of(after).await.ok();
        Self { reader, us, after, place, stirred, listening }
    }

    async fn look(&mut self) -> Result<(bool, Vec<Record>), JournalError> {
        let from = match self.place {
            Some(place) => place,
            None => self.reader.place_of(self.after).await?,
        };
        let (full, last, records) = self.reader.after(from, self.us).await?;
        self.place = Some(last);
        Ok((full, records))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[async_trait]
impl Others for Following {
    fn stirs(&mut self) -> bool {
        self.stirred.swap(false, Ordering::AcqRel)
    }

    async fn read(&mut self) -> Result<Vec<Record>, JournalError> {
        match self.look().await {
            Ok((full, records)) => {
                self.stirred.fetch_or(full, Ordering::AcqRel);
                Ok(records)
            }
            Err(error) => {
                self.stirred.store(true, Ordering::Release);
                Err(error)
            }
        }
    }
}

/// Listens until it is aborted.
async fn listen(reader: Reader, stirred: Arc<AtomicBool>) {
    let mut wait = WAITS.0;
    loop {
        match begin(&reader).await {
            Ok(mut listener) => {
                wait = WAITS.0;
                // What came before it listened.
                stirred.store(true, Ordering::Release);
                heed(&mut listener, &stirred).await;
            }
            Err(error) => tracing::debug!(%error, "nobody tells what others append: it is looked for now and then"),
        }
        stirred.store(true, Ordering::Release);
        sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}

async fn begin(reader: &Reader) -> Result<PgListener, String> {
    let pool = reader.pool().await.map_err(|error| error.to_string())?;
    let mut listener = PgListener::connect_with(&pool).await.map_err(|error| error.to_string())?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await.map_err(|error| error.to_string())?;
    Ok(listener)
}

/// Until the line breaks.
async fn heed(listener: &mut PgListener, stirred: &AtomicBool) {
    loop {
        match timeout(LOOK, listener.try_recv()).await {
            Ok(Ok(Some(_))) | Err(_) => stirred.store(true, Ordering::Release),
            Ok(Ok(None) | Err(_)) => return,
        }
    }
}
