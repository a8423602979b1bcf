//! The line under the header while an incident is open, or its post-mortem is due: what it is, and its clocks, the next one first.

use super::menu;
use crate::app::State;
use crate::incident::clocks::{self, Clock, Due};
use crate::incident::{Incident, Watch};

/// What stands in it, in more and in fewer words: how many fit is known where it is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentLine {
    /// `P1 Players can't log in (3a21ab)`.
    pub title: String,
    /// How it stands, the most words first: `: acknowledged, 3 alerts fire, 1 more open (P2)`; `: acknowledged, 3 fire, +1 P2`, of several `+2, worst P0`; without what fires; `: acknowledged`
    /// alone.
    pub state: [String; 4],
    /// The next one first: those that are late stand before all others.
    pub clocks: Vec<IncidentClock>,
}

/// A clock in that line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentClock {
    /// It is late.
    pub late: bool,
    /// `call L2 senior SRE, Grace 12:04`.
    pub text: String,
    /// The same without whom: `call L2 12:04`.
    pub short: String,
    /// In as few words as can be understood: `L2 12:04`.
    pub brief: String,
}

impl IncidentClock {
    fn new(clock: &Clock) -> Self {
        let whom = clock.whom().map(|whom| format!(" {whom}")).unwrap_or_default();
        let (late, word, figure) = (clock.is_late(), clock.word(), clock.figure());
        let brief = match clock.due {
            Due::Call { level, .. } => format!("L{level}"),
            Due::Respond | Due::Update | Due::Report => word.clone(),
        };
        Self {
            late,
            text: format!("{word}{whom} {figure}"),
            short: format!("{word} {figure}"),
            brief: format!("{brief} {figure}"),
        }
    }
}

impl State {
    /// The line, if an incident is open.
    pub(in crate::app) fn incident_line(&self) -> Option<IncidentLine> {
        let incident = self.watch.told()?;
        let now = self.watch.at(incident, self.now);
        let clocks = clocks::running(incident, &self.watch.rules, now).iter().map(IncidentClock::new).collect();
        let stands = format!(": {}", incident.standing());
        let (fires, few) = fires(incident);
        let twin = self.watch.incidents().twin_of(incident).map(Incident::short);
        let twins = twin.as_ref().map(|twin| format!(", perhaps the same as {twin}")).unwrap_or_default();
        let twin = twin.map(|twin| format!(", same as {twin}?")).unwrap_or_default();
        let (others, more) = self.others();
        let state = [
            format!("{stands}{fires}{twins}{others}"),
            format!("{stands}{few}{twin}{more}"),
            format!("{stands}{twin}{more}"),
            stands,
        ];
        Some(IncidentLine { title: menu::title(incident), state, clocks })
    }

    /// Those that are open beside it: `, 1 more open (P2, call L2 late)`, and `, +1 P2 late`; of several `, 2 more open (worst P0)`, and `, +2, worst P0`.
    fn others(&self) -> (String, String) {
        let Some((count, of)) = self.watch.others() else { return Default::default() };
        let worst = self.watch.beside().min_by_key(|other| other.priority);
        let late = worst.and_then(|other| late(&self.watch, other, self));
        let told = late.as_ref().map(|what| format!(", {what} late")).unwrap_or_default();
        let brief = if late.is_some() { " late" } else { "" };
        let (of, worst) = (of.word(), if count > 1 { "worst " } else { "" });
        let comma = if count > 1 { "," } else { "" };
        (format!(", {count} more open ({worst}{of}{told})"), format!(", +{count}{comma} {worst}{of}{brief}"))
    }
}

/// What of another incident is late.
fn late(watch: &Watch, other: &Incident, state: &State) -> Option<String> {
    let clocks = clocks::running(other, &watch.rules, watch.at(other, state.now));
    clocks.first().filter(|clock| clock.is_late()).map(Clock::word)
}

fn fires(incident: &Incident) -> (String, String) {
    match incident.firing().count() {
        0 => Default::default(),
        1 => (", 1 alert fires".to_owned(), ", 1 fires".to_owned()),
        many => (format!(", {many} alerts fire"), format!(", {many} fire")),
    }
}
