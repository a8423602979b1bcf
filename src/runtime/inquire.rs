//! Questions that are asked because somebody looks. Each is a task of its own: a slow answer delays nobody.

use super::exec::Exec;
use crate::connect::Connections;
use crate::domain::{Answered, Found, Inquiry, SourceError};
use crate::event::Event;
use crate::sources::processes;
use std::sync::Arc;

/// Asks; the answer comes as an event.
pub fn ask(exec: &Arc<Exec>, inquiry: Inquiry) {
    let exec = Arc::clone(exec);
    tokio::spawn(async move {
        let outcome = answer(&exec.connections, &inquiry).await;
        let _ = exec.events.send(Event::Answered(Answered { inquiry, outcome })).await;
    });
}

async fn answer(connections: &Connections, inquiry: &Inquiry) -> Result<Found, SourceError> {
    match inquiry {
        Inquiry::Range { source, query, back } => {
            connections.need_prometheus(source.name())?.range(query, *back).await.map(Found::Series)
        }
        Inquiry::Processes { source } => {
            processes::of(connections, source).await.map(|found| Found::Processes(found.into()))
        }
        Inquiry::Inspect { source, container } => {
            let text = connections.need_docker(source.name())?.inspect(container, connections.redactor()).await?;
            Ok(Found::Text(text.into()))
        }
    }
}
