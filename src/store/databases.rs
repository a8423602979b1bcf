//! What follows from a database server's sample, worked out once when it comes: its lock tree, who holds its connections,
//! its streams of WAL; and its figures over time.

use super::DatabaseTrend;
use crate::domain::database::{activity, locks};
use crate::domain::{Clients, Database, LockNode, Now, SourceId};
use std::collections::HashMap;

/// A stream of WAL, or what keeps WAL for one: an index into the database's own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Of [`Database::replicas`].
    Replica(u32),
    /// [`Database::receiver`].
    Receiver,
    /// Of [`Database::slots`].
    Slot(u32),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Views {
    pub(super) locks: Vec<LockNode>,
    pub(super) activity: Vec<Clients>,
    pub(super) streams: Vec<Stream>,
    pub(super) trend: DatabaseTrend,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Databases {
    views: HashMap<SourceId, Views>,
}

impl Databases {
    /// Takes in one sample; `None`: a failure, which leaves the views as they are, beside the last good sample that they are of.
    pub(super) fn record(&mut self, id: &SourceId, at: Now, database: Option<&Database>) {
        let views = self.views.entry(id.clone()).or_default();
        views.trend.record(at, database);
        let Some(database) = database else { return };
        views.locks = locks::tree(database);
        views.activity = activity::groups(database);
        views.streams = streams(database);
    }

    /// Forgets the servers that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&SourceId) -> bool) {
        self.views.retain(|id, _| keep(id));
    }

    pub(super) fn of(&self, id: &SourceId) -> Option<&Views> {
        self.views.get(id)
    }
}

fn streams(database: &Database) -> Vec<Stream> {
    let receiver = database.receiver.iter().map(|_| Stream::Receiver);
    let replicas = (0..database.replicas.len() as u32).map(Stream::Replica);
    receiver.chain(replicas).chain((0..database.slots.len() as u32).map(Stream::Slot)).collect()
}
