//! Plain data: what quarterdeck knows about the world, and what it records about acting on it.
//!
//! Owns the vocabulary (PostgreSQL's, Docker's, Prometheus' and Alertmanager's own terms). Must not do IO, read a
//! clock, know a screen or an async runtime: std and serde only, so that everything above can share it and
//! every rule about it can be tested as a plain function.

pub mod alert;
pub mod container;
pub mod database;
pub mod id;
pub mod limits;
pub mod nearest;
pub mod record;
pub mod risk;
pub mod sample;
pub mod secret;
pub mod server;
pub mod severity;
pub mod text;
pub mod time;

pub use alert::{Alert, AlertState, Silence};
pub use container::{Compose, Container, ContainerState, Health};
pub use database::{Database, Session, SessionState};
pub use id::{RunId, SourceId, ThingId};
pub use limits::Limits;
pub use nearest::nearest;
pub use sample::{Sample, Snapshot, SourceError, Subject};
pub use server::{Filesystem, Server, Usage};
pub use severity::Severity;
pub use time::Now;
