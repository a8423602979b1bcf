//! The shared ways out: Docker engines, PostgreSQL pools, the HTTP client. One each per configured name, with limits; sources
//! read through them and steps act through them.

use std::collections::BTreeMap;

/// Everything that can be reached, by the config's names. Built once from the config, then shared read-only.
#[derive(Clone, Default)]
pub struct Connections {
    _placeholder: BTreeMap<String, ()>,
}
