//! Stub to be replaced.

use super::SourceKind;
use crate::domain::Subject;

/// Registry line.
pub const KIND: SourceKind =
    SourceKind { name: "prometheus", doc: "", example: "", subject: Subject::Alerts, read: |_| unreachable!() };
