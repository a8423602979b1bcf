//! Who waits for whom, as a tree: those that wait for nobody on top, under each those that wait for it. Pure.
//!
//! Every waiting session stands in it exactly once: under the blocker that is nearest to a root. Sessions that wait for each
//! other (a deadlock that the server has not seen yet) have no root: one of the ring stands in for it.

use super::{Database, Session, time};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Who waits, or is waited for: an index into the database's own list, which must be the one that the tree was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A session of [`Database::sessions`].
    Session(u32),
    /// A prepared transaction of [`Database::prepared`].
    Prepared(u32),
    /// A process that is not listed: it has ended just now, or is one of the server's own; 0: a prepared transaction, but
    /// which one is not known.
    Unlisted(i32),
}

/// A line of the tree, in the order shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockNode {
    /// Who.
    pub who: Party,
    /// The root of its tree.
    pub root: Party,
    /// Its place among all lines.
    pub place: u32,
    /// For each level down to its own: whether a sibling follows. Empty for a root.
    pub rails: Vec<bool>,
    /// How many wait for it directly.
    pub direct: u32,
    /// How many wait for it in all, through others too; of roots only.
    pub all: Option<u32>,
    /// It is one of a ring of sessions that wait for each other.
    pub ring: bool,
    /// Since when the one waits that has waited longest for the root of its tree; `None` when nobody knows.
    pub since: Option<Timestamp>,
}

/// Who waits for whom, both ways.
struct Waits {
    /// The waiting ones, in the order of the sessions.
    waiting: Vec<Party>,
    blockers: HashMap<Party, Vec<Party>>,
    waiters: HashMap<Party, Vec<Party>>,
}

impl Waits {
    fn of(database: &Database) -> Self {
        let mut this = Self { waiting: Vec::new(), blockers: HashMap::new(), waiters: HashMap::new() };
        let numbers: HashMap<i32, u32> =
            database.sessions.iter().zip(0..).map(|(session, index)| (session.pid, index)).collect();
        for (session, index) in database.sessions.iter().zip(0..) {
            let waiter = Party::Session(index);
            for blocker in blockers(database, session, &numbers) {
                let known = this.blockers.entry(waiter).or_default();
                if !known.contains(&blocker) {
                    known.push(blocker);
                    this.waiters.entry(blocker).or_default().push(waiter);
                }
            }
            if this.blockers.contains_key(&waiter) {
                this.waiting.push(waiter);
            }
        }
        this
    }

    fn waiters(&self, of: Party) -> &[Party] {
        self.waiters.get(&of).map_or(&[], Vec::as_slice)
    }

    /// Those that block and wait for nobody, those with most waiters first.
    fn roots(&self) -> Vec<Party> {
        let mut roots: Vec<Party> =
            self.waiters.keys().filter(|who| !self.blockers.contains_key(who)).copied().collect();
        roots.sort_by_cached_key(|root| (std::cmp::Reverse(self.reach(*root).len()), *root));
        roots
    }

    /// All that wait for it, directly or through others; itself only when it is in a ring.
    fn reach(&self, from: Party) -> HashSet<Party> {
        let (mut seen, mut open) = (HashSet::new(), vec![from]);
        while let Some(who) = open.pop() {
            open.extend(self.waiters(who).iter().filter(|waiter| seen.insert(**waiter)));
        }
        seen
    }

    /// Since when the one waits that has waited longest for each blocker, directly or through others.
    fn longest(&self, database: &Database) -> HashMap<Party, Timestamp> {
        let since = |who: &Party| Some((database.waiting_since(*who)?, *who));
        let mut waits: Vec<(Timestamp, Party)> = self.waiting.iter().filter_map(since).collect();
        waits.sort_unstable();
        let mut longest = HashMap::new();
        // The longest wait first: so each blocker is come to once, by the longest wait that it causes.
        for (since, waiter) in waits {
            let mut open = vec![waiter];
            while let Some(who) = open.pop() {
                for blocker in self.blockers.get(&who).into_iter().flatten() {
                    if let Entry::Vacant(entry) = longest.entry(*blocker) {
                        entry.insert(since);
                        open.push(*blocker);
                    }
                }
            }
        }
        longest
    }

    /// The lines, without how long anybody waits.
    fn lines(&self) -> Vec<LockNode> {
        let mut placed = HashSet::new();
        let mut lines = Vec::with_capacity(self.waiting.len() + 1);
        for root in self.roots() {
            grow(self, (root, false), &mut placed, &mut lines);
        }
        for waiting in &self.waiting {
            if !placed.contains(waiting) {
                let root = self.in_ring(*waiting, &placed);
                grow(self, (root, true), &mut placed, &mut lines);
            }
        }
        lines
    }

    /// One of the ring that `from` waits for: every blocker of those without a place waits itself.
    fn in_ring(&self, from: Party, placed: &HashSet<Party>) -> Party {
        let (mut seen, mut at) = (HashSet::new(), from);
        while seen.insert(at) {
            let next = self.blockers.get(&at).and_then(|blockers| blockers.iter().find(|who| !placed.contains(who)));
            match next {
                Some(next) => at = *next,
                None => break,
            }
        }
        at
    }
}

/// A pid of 0 stands for the prepared transactions that hold what the session waits for.
fn blockers(database: &Database, session: &Session, numbers: &HashMap<i32, u32>) -> Vec<Party> {
    let mut found = Vec::new();
    for pid in &session.blocked_by {
        match numbers.get(pid) {
            _ if *pid == session.pid => {}
            Some(index) => found.push(Party::Session(*index)),
            None if *pid == 0 => {
                let claims = database.prepared.iter().zip(0..).filter(|(p, _)| p.blocks.contains(&session.pid));
                let before = found.len();
                found.extend(claims.map(|(_, index)| Party::Prepared(index)));
                if found.len() == before {
                    found.push(Party::Unlisted(0));
                }
            }
            None => found.push(Party::Unlisted(*pid)),
        }
    }
    found
}

/// The tree, as lines from top to bottom. Empty when nobody waits for anybody.
pub fn tree(database: &Database) -> Vec<LockNode> {
    if database.sessions.iter().all(|session| session.blocked_by.is_empty()) {
        return Vec::new();
    }
    let waits = Waits::of(database);
    // Not by the lines under a root: who waits for two roots stands under one of them, and waits as long for the other.
    let longest = waits.longest(database);
    let mut lines = waits.lines();
    for line in &mut lines {
        line.since = longest.get(&line.root).copied();
    }
    lines
}

/// Places a root and all that wait for it: each under the first blocker, level by level, that it is found by.
fn grow(waits: &Waits, (root, ring): (Party, bool), placed: &mut HashSet<Party>, lines: &mut Vec<LockNode>) {
    let mut children: HashMap<Party, Vec<Party>> = HashMap::new();
    let mut open = VecDeque::from([root]);
    placed.insert(root);
    while let Some(who) = open.pop_front() {
        for waiter in waits.waiters(who) {
            if placed.insert(*waiter) {
                children.entry(who).or_default().push(*waiter);
                open.push_back(*waiter);
            }
        }
    }
    let reach = waits.reach(root);
    // A stack, not recursion: a queue for one lock can be a thousand deep.
    let mut open = vec![(root, Vec::new())];
    while let Some((who, rails)) = open.pop() {
        let below = children.remove(&who).unwrap_or_default();
        let last = below.len().saturating_sub(1);
        let under = |(index, child): (usize, &Party)| {
            let rails: Vec<bool> = rails.iter().copied().chain([index < last]).collect();
            (*child, rails)
        };
        open.extend(below.iter().enumerate().map(under).rev());
        let ring = ring && (who == root || reach.contains(&who) && waits.reach(who).contains(&root));
        let all = (who == root).then(|| reach.iter().filter(|other| **other != root).count() as u32);
        let direct = waits.waiters(who).len() as u32;
        lines.push(LockNode { who, root, place: lines.len() as u32, rails, direct, all, ring, since: None });
    }
}

impl Database {
    /// Notes in each session how many wait for it and since when. For the source, once it knows who is blocked by whom.
    pub fn note_blockers(&mut self) {
        let waits = Waits::of(self);
        let longest = waits.longest(self);
        for line in waits.lines() {
            let Party::Session(index) = line.who else { continue };
            let session = &mut self.sessions[index as usize];
            session.blocks = line.all.unwrap_or(line.direct);
            session.blocking_since = longest.get(&line.who).copied();
        }
    }

    /// Since when a party of the tree waits for a lock: exactly from 14 on, before that at most since then. `None` for one that does not
    /// wait.
    pub fn waiting_since(&self, who: Party) -> Option<Timestamp> {
        let Party::Session(index) = who else { return None };
        let session = self.sessions.get(index as usize).filter(|session| !session.blocked_by.is_empty())?;
        session.waiting_since.or(session.query_start).or(session.state_change)
    }

    /// How long a prepared transaction is open.
    pub fn prepared_age(&self, prepared: &super::Prepared) -> Duration {
        time::between(prepared.since, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prepared;
    use super::*;
    use proptest::prelude::*;

    fn waiting(waits: &[(i32, &[i32])]) -> Database {
        let session = |(pid, by): &(i32, &[i32])| Session { pid: *pid, blocked_by: by.to_vec(), ..Session::default() };
        Database { sessions: waits.iter().map(session).collect(), ..Database::default() }
    }

    /// The tree as somebody would write it: `1(3) ├2 │└4 └3`.
    fn drawn(database: &Database) -> String {
        let line = |node: &LockNode| {
            let rails: String = node.rails.iter().map(|more| if *more { '├' } else { '└' }).collect();
            let who = match node.who {
                Party::Session(index) => database.sessions[index as usize].pid.to_string(),
                Party::Prepared(index) => database.prepared[index as usize].gid.clone(),
                Party::Unlisted(pid) => format!("?{pid}"),
            };
            let all = node.all.map_or(String::new(), |all| format!("({all})"));
            format!("{rails}{who}{all}{}", if node.ring { "°" } else { "" })
        };
        tree(database).iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nobody_waits_and_nothing_is_drawn() {
        assert_eq!(drawn(&waiting(&[(1, &[]), (2, &[])])), "");
    }

    #[test]
    fn a_chain_and_a_queue() {
        assert_eq!(drawn(&waiting(&[(3, &[2]), (1, &[]), (2, &[1]), (9, &[])])), "1(2) └2 └└3");
        // 3 waits in the queue behind 2, and for 1 as well: it stands under the root.
        assert_eq!(drawn(&waiting(&[(1, &[]), (2, &[1]), (3, &[1, 2]), (4, &[3])])), "1(3) ├2 └3 └└4");
    }

    #[test]
    fn the_root_that_most_wait_for_is_on_top() {
        assert_eq!(drawn(&waiting(&[(1, &[]), (2, &[1]), (5, &[]), (6, &[5]), (7, &[6])])), "5(2) └6 └└7 1(1) └2");
    }

    #[test]
    fn a_ring_stands_once_and_what_hangs_on_it_below() {
        assert_eq!(drawn(&waiting(&[(4, &[1]), (1, &[2]), (2, &[1])])), "1(2)° ├4 └2°");
        assert_eq!(drawn(&waiting(&[(1, &[1])])), "");
    }

    #[test]
    fn prepared_transactions_and_the_unlisted_are_blockers_too() {
        let mut database = waiting(&[(1, &[0]), (2, &[0, 77])]);
        assert_eq!(drawn(&database), "?0(2) ├1 └2 ?77(1)");
        database.prepared = vec![
            Prepared { gid: "a".into(), ..Prepared::default() },
            Prepared { gid: "b".into(), blocks: vec![1], ..Prepared::default() },
        ];
        assert_eq!(drawn(&database), "b(1) └1 ?0(1) └2 ?77(1)");
    }

    #[test]
    fn the_root_knows_how_many_wait_and_since_when() {
        let mut database = waiting(&[(1, &[]), (2, &[1]), (3, &[2])]);
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        (database.sessions[1].waiting_since, database.sessions[2].waiting_since) = (at(50), at(70));
        database.note_blockers();
        let noted: Vec<_> = database.sessions.iter().map(|s| (s.blocks, s.blocking_since)).collect();
        assert_eq!(noted, [(2, at(50)), (1, at(70)), (0, None)]);
        assert!(database.sessions[0].is_root_blocker() && !database.sessions[1].is_root_blocker());
    }

    #[test]
    fn each_blocker_of_a_victim_is_as_bad_as_its_wait() {
        let mut database = waiting(&[(1, &[]), (2, &[]), (3, &[1, 2]), (4, &[3])]);
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        (database.sessions[2].waiting_since, database.sessions[3].waiting_since) = (at(50), at(40));
        database.note_blockers();
        let noted: Vec<_> = database.sessions.iter().map(|s| (s.blocks, s.blocking_since)).collect();
        assert_eq!(noted, [(2, at(40)), (2, at(40)), (1, at(40)), (0, None)]);
        assert_eq!(tree(&database).iter().map(|line| line.since).collect::<Vec<_>>(), [at(40); 4]);
        database.now = at(140).unwrap();
        let judged: Vec<_> =
            database.sessions.iter().map(|s| s.judge(database.now, &crate::domain::Limits::default())).collect();
        assert_eq!(judged, [crate::domain::Severity::Critical; 4]);
    }

    proptest! {
        #[test]
        fn every_waiting_session_stands_exactly_once_and_roots_come_first(
            waits in prop::collection::vec(prop::collection::vec(0i32..14, 0..4), 0..12)
        ) {
            let sessions = waits.iter().zip(1..).map(|(by, pid)| Session { pid, blocked_by: by.clone(), ..Session::default() });
            let database = Database { sessions: sessions.collect(), ..Database::default() };
            let lines = tree(&database);
            for (session, index) in database.sessions.iter().zip(0..) {
                let times = lines.iter().filter(|line| line.who == Party::Session(index)).count();
                let waits = session.blocked_by.iter().any(|pid| *pid != session.pid);
                let blocks = database.sessions.iter().any(|other| other.pid != session.pid && other.blocked_by.contains(&session.pid));
                prop_assert_eq!(times, usize::from(waits || blocks), "{:?}", session.pid);
            }
            for (line, place) in lines.iter().zip(0..) {
                prop_assert_eq!(line.place, place);
                prop_assert_eq!(line.rails.is_empty(), line.who == line.root);
                let above = if place == 0 { 0 } else { lines[place as usize - 1].rails.len() };
                prop_assert!(line.rails.len() <= above + 1);
            }
        }
    }
}
