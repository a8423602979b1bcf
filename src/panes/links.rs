//! Which things belong together: an alert to its server, a server to what runs on it, a session to where it comes from.

use super::Section;
use crate::cx::Cx;
use crate::domain::ThingId;

/// The sections of a thing's page that lead to others; none when nothing is known to belong to it.
pub fn of(_thing: &ThingId, _cx: &Cx<'_>) -> Vec<Section> {
    Vec::new()
}
