//! The words of attributes that take one of a few, each with what it means.

use super::model::{NoData, OnDisconnect, OnFail, OnTimeout};
use crate::domain::risk::Level;

/// `on-fail`.
pub const ON_FAIL: [(&str, OnFail); 4] =
    [("stop", OnFail::Stop), ("ask", OnFail::Ask), ("undo", OnFail::Undo), ("continue", OnFail::Continue)];
/// `on-timeout`.
pub const ON_TIMEOUT: [(&str, OnTimeout); 3] =
    [("stop", OnTimeout::Stop), ("ask", OnTimeout::Ask), ("undo", OnTimeout::Undo)];
/// `on-disconnect`.
pub const ON_DISCONNECT: [(&str, OnDisconnect); 3] =
    [("finish", OnDisconnect::Finish), ("stop", OnDisconnect::Stop), ("expected", OnDisconnect::Expected)];
/// `nodata`.
pub const NODATA: [(&str, NoData); 2] = [("fail", NoData::Fail), ("wait", NoData::Wait)];
/// `confirm`.
pub const LEVELS: [(&str, Level); 3] = [("yes", Level::Yes), ("typed", Level::Typed), ("two", Level::Two)];

/// The word for a meaning; `None`: there is none, because that is how it is when nothing is said.
pub fn word<T: PartialEq>(words: &[(&'static str, T)], meaning: &T) -> Option<&'static str> {
    words.iter().find(|(_, known)| known == meaning).map(|(word, _)| *word)
}
