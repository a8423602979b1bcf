//! What was said twice: by two people at the same moment, neither of whom knew of the other. Both are recorded, the first counts, and the line of the second
//! says so.

use super::{Incident, Mark};
use crate::domain::incident::{Duty, Priority};
use crate::domain::text;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use uuid::Uuid;

use super::said::Turn;

/// What the lines of these records say behind their own words.
pub(super) type Echoes = HashMap<Uuid, Echo>;

/// What was so when something was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It changes nothing: `acknowledged by ada already`.
    Already(String),
    /// It takes the place of something: `it was ada`.
    Before(String),
}

impl Echo {
    /// The words of it.
    pub fn text(&self) -> &str {
        let (Self::Already(text) | Self::Before(text)) = self;
        text
    }
}

fn already(what: &str, first: &Mark) -> Echo {
    Echo::Already(format!("{what} by {} already", first.by))
}

/// Of those that say the same, all but the first.
fn again<'a, K: Hash + Eq>(
    marks: impl Iterator<Item = (K, &'a Mark)>,
    told: impl Fn(&K) -> String,
) -> Vec<(Uuid, Echo)> {
    let mut firsts: HashMap<K, &Mark> = HashMap::new();
    let mut echoes = Vec::new();
    for (what, mark) in marks {
        match firsts.get(&what) {
            Some(first) => echoes.push((mark.record, already(&told(&what), first))),
            None => {
                firsts.insert(what, mark);
            }
        }
    }
    echoes
}

impl Incident {
    /// Who had ended it at that moment, if it was over then.
    pub(super) fn over_at(&self, at: Timestamp) -> Option<&Mark> {
        let ended = self.ended.iter().map(|ended| (&ended.resolved, Some(ended.reopened.at)));
        let mut all = ended.chain(self.resolved.as_ref().map(|resolved| (resolved, None)));
        let was_over =
            |(resolved, until): &(&Mark, Option<Timestamp>)| resolved.at < at && until.is_none_or(|until| at < until);
        all.find(was_over).map(|(resolved, _)| resolved)
    }

    /// Records of what somebody had said before, each with who that was: they change nothing.
    pub fn said_before(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.echoes.iter().filter_map(|(record, echo)| match echo {
            Echo::Already(text) => Some((*record, text.as_str())),
            Echo::Before(_) => None,
        })
    }

    /// That a record changes nothing, as somebody had said it before: who, and of a call who was reached. Harmless.
    pub fn second(&self, record: Uuid) -> Option<String> {
        let (_, first) = self.said_before().find(|(said, _)| *said == record)?;
        let whom = self.first_call(record).map(|call| format!(" ({})", call.text)).unwrap_or_default();
        let told = format!("{first}{whom}; that counts, and what you said stays in the timeline");
        Some(text::clean(&told).into_owned())
    }

    /// Of a call of a level that somebody had called before: that one.
    pub fn first_call(&self, record: Uuid) -> Option<&Mark> {
        let (level, _) = self.said.called.iter().find(|(_, mark)| mark.record == record)?;
        self.called.get(level).filter(|first| first.record != record)
    }

    /// Finds out what was said twice, and tells the lines.
    pub(super) fn hear(&mut self) {
        let echoes = self.echoing().into_iter().collect::<Echoes>();
        if echoes == self.echoes {
            return;
        }
        let changed: HashSet<Uuid> = echoes.keys().chain(self.echoes.keys()).copied().collect();
        for line in self.lines.iter_mut().filter(|line| changed.contains(&line.record)) {
            line.hear(echoes.get(&line.record));
        }
        self.echoes = echoes;
    }

    fn echoing(&self) -> Vec<(Uuid, Echo)> {
        let said = &self.said;
        let open = |mark: &&Mark| self.over_at(mark.at).is_none();
        let (answers, ends) = (said.counting(&said.acknowledged), said.counting(&said.mitigated));
        let calls = said.called.iter().filter(|(_, mark)| said.counts(mark)).map(|(level, mark)| (*level, mark));
        let outage = |at| self.ended.iter().filter(|ended| ended.reopened.at <= at).count();
        [
            self.too_late(),
            again(answers.filter(open).map(|mark| ((), mark)), |()| "acknowledged".to_owned()),
            again(ends.filter(open).map(|mark| (outage(mark.at), mark)), |_| "mitigated".to_owned()),
            again(calls, |level| format!("L{level} was called")),
            self.turned_twice(),
            self.judged_twice(),
            self.duties_given(),
        ]
        .concat()
    }

    /// Answers and mitigations of what was over.
    fn too_late(&self) -> Vec<(Uuid, Echo)> {
        let said = &self.said;
        let marks = said.counting(&said.acknowledged).chain(said.counting(&said.mitigated));
        marks.filter_map(|mark| Some((mark.record, already("resolved", self.over_at(mark.at)?)))).collect()
    }

    fn turned_twice(&self) -> Vec<(Uuid, Echo)> {
        let mut last: Option<(&Mark, bool)> = None;
        let mut echoes = Vec::new();
        for (mark, turn) in &self.said.turns {
            let ends = matches!(turn, Turn::Resolved(_));
            match last {
                Some((first, over)) if over == ends => {
                    let what = if ends { "resolved" } else { "opened again" };
                    echoes.push((mark.record, already(what, first)));
                }
                None if !ends => echoes.push((mark.record, Echo::Already("it is open".to_owned()))),
                _ => last = Some((mark, ends)),
            }
        }
        echoes
    }

    fn judged_twice(&self) -> Vec<(Uuid, Echo)> {
        let mut now: (Priority, &Mark) = (self.declared_as, &self.declared);
        let mut echoes = Vec::new();
        for judged in &self.said.judged {
            if judged.priority == now.0 {
                echoes.push((judged.mark.record, already(&format!("said to be {}", now.0.word()), now.1)));
            } else {
                now = (judged.priority, &judged.mark);
            }
        }
        echoes
    }

    /// The last word counts: a role passes on. Who had it before is told, and that nothing changes, when it was theirs already.
    fn duties_given(&self) -> Vec<(Uuid, Echo)> {
        let mut now: BTreeMap<Duty, &Mark> = BTreeMap::new();
        let mut echoes = Vec::new();
        for (duty, mark) in self.said.duties.iter().filter(|(_, mark)| self.said.counts(mark)) {
            match now.get(duty) {
                Some(before) if before.text == mark.text => echoes.push((mark.record, already("said", before))),
                Some(before) => {
                    if !before.text.is_empty() {
                        echoes.push((mark.record, Echo::Before(format!("it was {}", before.text))));
                    }
                    now.insert(*duty, mark);
                }
                None => drop(now.insert(*duty, mark)),
            }
        }
        echoes
    }
}
