//! A source's name and age as text: the same words in the header and in the panes.

use super::figure;
use crate::domain::{Now, text};
use crate::store::{Feed, Health, Store};

/// Appends a source's name as the header has it: the kind where it is the only one of its kind, else kind and name; and the
/// part, where it is one of several.
pub fn full_label(feed: &Feed, store: &Store, out: &mut String) {
    let (kind, name) = (feed.id.kind(), feed.id.name());
    text::push_clean(out, kind);
    if store.feeds().iter().any(|other| other.id.kind() == kind && other.id.name() != name) {
        out.push('/');
        text::push_clean(out, name);
    }
    part(feed, out);
}

/// The same for a pane, in which the kind need not be said where all sources are of one kind.
pub fn label(feed: &Feed, store: &Store, out: &mut String) {
    let (kind, name) = (feed.id.kind(), feed.id.name());
    let alone = store.feeds().iter().all(|other| other.id.kind() != kind || other.id.name() == name);
    if alone || store.about(feed.subject).any(|other| other.id.kind() != kind) {
        return full_label(feed, store, out);
    }
    text::push_clean(out, name);
    part(feed, out);
}

fn part(feed: &Feed, out: &mut String) {
    if let Some(part) = feed.id.as_str().splitn(3, '/').nth(2) {
        out.push(' ');
        text::push_clean(out, part);
    }
}

/// Appends the age of the last good answer, and whether it hangs or fails: true when it does. Where nothing good ever came,
/// for how long it has failed. An interval that is not the
/// configured one is said too.
pub fn age(feed: &Feed, now: Now, out: &mut String) -> bool {
    let bad = health(feed, now, out);
    if feed.interval != feed.configured {
        out.push_str(" every ");
        figure::interval(out, feed.interval);
    }
    bad
}

fn health(feed: &Feed, now: Now, out: &mut String) -> bool {
    match (feed.health(now), &feed.error) {
        (Health::Waiting, _) => {
            out.push('…');
            false
        }
        (Health::Fresh, _) => {
            figure::coarse_age(out, feed.age(now).unwrap_or_default());
            false
        }
        (Health::Stale, _) => {
            out.push_str("HANGS, data ");
            figure::coarse_age(out, feed.age(now).unwrap_or_default());
            out.push_str(" old");
            true
        }
        (Health::Failed, error) => {
            out.push_str("FAILED");
            match (feed.age(now), error) {
                (Some(age), _) => {
                    out.push_str(", data ");
                    figure::coarse_age(out, age);
                    out.push_str(" old");
                }
                (None, Some((since, _))) => {
                    out.push_str(" for ");
                    figure::coarse_age(out, now.since(*since));
                }
                (None, None) => {}
            }
            true
        }
    }
}
