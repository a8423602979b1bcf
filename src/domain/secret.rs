//! Secrets: named and found, never written. A config says where a secret is; it never holds one.

use secrecy::SecretString;
use serde::Deserialize;

/// Where a secret comes from: `{ env = "NAME" }`, `{ command = "pass show x" }` or `{ file = "/path" }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A command run by `sh -c`; the first line it prints.
    Command(String),
    /// A file; its first line.
    File(String),
}

/// A secret in memory: zeroed when dropped, never printed by `Debug`.
pub type Secret = SecretString;
