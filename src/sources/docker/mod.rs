//! Stub to be replaced.

use super::SourceKind;
use crate::domain::Subject;

/// Registry line.
pub const KIND: SourceKind =
    SourceKind { name: "docker", doc: "", example: "", subject: Subject::Containers, read: |_| unreachable!() };
