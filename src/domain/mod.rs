//! Plain data: what quarterdeck knows about the world, and what it records about acting on it.
//!
//! Owns the vocabulary (PostgreSQL's, Docker's, Prometheus' and Alertmanager's own terms). Must not do IO, read a
//! clock, know a screen or an async runtime: std, serde and what reads text only, so that everything above can share it and
//! every rule about it can be tested as a plain function.

pub mod alert;
pub mod alerting;
pub mod change;
pub mod container;
pub mod database;
pub mod episode;
pub mod host;
pub mod id;
pub mod incident;
pub mod inquiry;
pub mod json;
pub mod limits;
pub mod log;
pub mod matcher;
pub mod nearest;
pub mod notify;
pub mod past;
pub mod process;
pub mod promql;
pub mod prose;
pub mod reason;
pub mod record;
pub mod risk;
pub mod sample;
pub mod secret;
pub mod server;
pub mod severity;
pub mod slo;
pub mod spells;
pub mod text;
pub mod time;
pub mod view;

pub use alert::{Alert, AlertState, Group, Inhibitor, Labels, Silencer};
pub use alerting::{AlertReport, Gap, Member, Rule, Silence, SilenceState, Target, Topic, Trouble};
pub use change::Change;
pub use container::{Compose, Container, ContainerState, Engine, EngineEvent, Health, Port, Probe};
pub use database::{
    Archiver, Clients, Database, DatabaseStats, LockNode, Party, Prepared, Progress, Receiver, Replica, Session,
    SessionState, Slot,
};
pub use episode::{Episode, Spell};
pub use id::{IncidentId, RunId, SourceId, ThingId};
pub use inquiry::{Answered, Found, Inquiry, Series};
pub use limits::Limits;
pub use log::{LogEvent, LogLine, LogPlace, LogRequest, LogTarget};
pub use matcher::{Matcher, Matchers};
pub use nearest::nearest;
pub use process::{Process, Processes};
pub use sample::{Sample, Snapshot, SourceError, Subject};
pub use server::{Filesystem, Past, Pressure, Rates, Reach, Server, Usage};
pub use severity::Severity;
pub use time::Now;
