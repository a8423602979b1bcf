//! A view that has a name: what every table shows and how, which pane has the focus. Kept by whoever made it, or shared in the config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A named view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The pane that has the focus, by the action that focuses it: `containers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<String>,
    /// Only that pane is shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub zoom: bool,
    /// The tables that are not as they come, by the action that focuses them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub panes: BTreeMap<String, TableView>,
}

/// How one table is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableView {
    /// Its filter, as typed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// The heading of the column that sorts; absent: the pane's own order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// From the largest, or the last of the alphabet.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reverse: bool,
    /// Rows that belong together stand side by side.
    #[serde(default, skip_serializing_if = "is_false")]
    pub grouped: bool,
    /// The headings of the columns that are shown, from left to right; empty: as the pane has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
