//! Which sources a table listens to, and how far what they tell can be trusted.

use super::Tabular;
use crate::cx::Cx;
use crate::domain::Now;
use crate::store::{Feed, Health};
use crate::widgets::figure;
use std::time::Duration;

/// The feeds that are asked for the rows of a table.
pub(super) fn asked<'a, T: Tabular>(cx: &'a Cx<'_>) -> impl Iterator<Item = &'a Feed> {
    cx.store.feeds().iter().filter(|feed| is_for::<T>(feed))
}

/// What is not seen is not there: every source that is asked is fresh, and sees all of them.
pub fn sure<T: Tabular>(cx: &Cx<'_>) -> bool {
    asked::<T>(cx).all(|feed| doubt::<T>(feed, cx).is_none())
}

/// Why what a feed does not tell may be there all the same.
pub(super) fn doubt<T: Tabular>(feed: &Feed, cx: &Cx<'_>) -> Option<String> {
    let age = || figure::text(|out| figure::coarse_age(out, feed.age(cx.now).unwrap_or_default()));
    let late = match feed.health(cx.now) {
        Health::Waiting => return Some("it has not answered yet".to_owned()),
        Health::Failed if feed.good.is_none() => return Some("it has never answered".to_owned()),
        Health::Failed | Health::Stale => Some(format!("none was seen when it last answered, {} ago", age())),
        Health::Fresh => None,
    };
    let lacks = T::lacks(feed).then_some("it does not tell them");
    let reasons: Vec<String> = late.into_iter().chain(T::blind(feed).or(lacks).map(str::to_owned)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// For how long the longest silent of the feeds that answered before does not any more.
pub(super) fn overdue<T: Tabular>(cx: &Cx<'_>) -> Option<Duration> {
    asked::<T>(cx).filter(|feed| untrusted(feed, cx.now)).filter_map(|feed| feed.age(cx.now)).max()
}

pub(super) fn is_for<T: Tabular>(feed: &Feed) -> bool {
    feed.subject == T::SUBJECT && T::concerns(feed)
}

/// Its rows may not be so any more.
pub(super) fn untrusted(feed: &Feed, now: Now) -> bool {
    matches!(feed.health(now), Health::Stale | Health::Failed)
}

/// What to know of a page whose source answers no more: since when, and why.
pub(super) fn stale(feed: &Feed, now: Now) -> Option<String> {
    let age = figure::text(|out| figure::coarse_age(out, feed.age(now).unwrap_or_default()));
    match (feed.health(now), &feed.error) {
        (Health::Failed, Some((_, error))) => {
            Some(format!("{}: {}; this is what was known {age} ago → {}", feed.id, error.what, error.hint))
        }
        (Health::Stale, _) => Some(format!("{}: no answer for {age}; this is that old", feed.id)),
        (Health::Failed | Health::Fresh | Health::Waiting, _) => None,
    }
}
