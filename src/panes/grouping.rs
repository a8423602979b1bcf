//! The order of rows that belong together: the group with the worst row first, and its rows side by side. Pure.

use crate::domain::Severity;
use std::cmp::Reverse;
use std::collections::HashMap;

/// A row's group, and the part of it: a Compose project and its service.
pub type Group<'a> = (&'a str, &'a str);

/// Where a row's group stands; smaller is further up. Rows of the same group and part have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The worst row of the group.
    worst: Reverse<Severity>,
    /// Rows that stand alone come after the groups that are as bad.
    alone: bool,
    group: u32,
    part: u32,
}

/// The ranks of rows, in their order.
pub fn ranks<'a>(rows: &[(Option<Group<'a>>, Severity)]) -> Vec<Rank> {
    let (mut groups, mut parts) = (HashMap::new(), HashMap::new());
    for ((group, part), severity) in rows.iter().filter_map(|(group, severity)| Some(((*group)?, *severity))) {
        let worst = |known: &mut Severity| *known = (*known).max(severity);
        worst(groups.entry(group).or_default());
        worst(parts.entry((group, part)).or_default());
    }
    let (order_of_groups, order_of_parts) = (places(&groups), places(&parts));
    let rank = |(group, severity): &(Option<Group<'a>>, Severity)| match group {
        Some((group, part)) => Rank {
            worst: Reverse(groups.get(group).copied().unwrap_or_default()),
            alone: false,
            group: order_of_groups.get(group).copied().unwrap_or_default(),
            part: order_of_parts.get(&(*group, *part)).copied().unwrap_or_default(),
        },
        None => Rank { worst: Reverse(*severity), alone: true, group: 0, part: 0 },
    };
    rows.iter().map(rank).collect()
}

/// The place of each key: the worst first, then by name.
fn places<K: Copy + Ord + std::hash::Hash>(worst: &HashMap<K, Severity>) -> HashMap<K, u32> {
    let mut order: Vec<(Reverse<Severity>, K)> = worst.iter().map(|(key, worst)| (Reverse(*worst), *key)).collect();
    order.sort_unstable();
    order.into_iter().zip(0..).map(|((_, key), place)| (key, place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{Critical, Ok, Warning};

    #[test]
    fn the_group_with_the_worst_row_comes_first_and_stays_together() {
        let rows = [
            (Some(("shop", "web")), Ok),
            (Some(("game", "api")), Ok),
            (None, Critical),
            (Some(("shop", "db")), Critical),
            (Some(("game", "db")), Warning),
            (None, Ok),
            (Some(("shop", "web")), Ok),
        ];
        let ranks = ranks(&rows);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|at| (ranks[*at], *at));
        assert_eq!(order, [3, 0, 6, 2, 4, 1, 5]);
    }

    #[test]
    fn no_rows_are_no_trouble() {
        assert!(ranks(&[]).is_empty());
    }
}
