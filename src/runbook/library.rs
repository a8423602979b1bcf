//! stub
use super::Runbook;
use std::sync::Arc;
/// stub
#[derive(Debug, Default)]
pub struct Library(Vec<Arc<Runbook>>);
impl Library {
    /// stub
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Runbook>> {
        self.0.iter()
    }
    /// stub
    pub fn get(&self, id: &str) -> Option<&Arc<Runbook>> {
        self.iter().find(|r| r.id == id)
    }
}
