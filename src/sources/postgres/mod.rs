//! Stub to be replaced.

use super::SourceKind;
use crate::domain::Subject;

/// Registry line.
pub const KIND: SourceKind =
    SourceKind { name: "postgres", doc: "", example: "", subject: Subject::Databases, read: |_| unreachable!() };
