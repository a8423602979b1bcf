//! Every action a key can be bound to, in one table: config name and one-line doc. Help, the palette and the
//! keymap loader read it; string-typed actions, where a typo succeeds silently, do not exist.

use crate::domain::log::Anchor;
use std::borrow::Cow;
use std::sync::Arc;

/// The prefix of a binding that runs a runbook: `runbook:container-restart`.
pub const RUNBOOK_PREFIX: &str = "runbook:";

/// Something a key does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Cursor one row down.
    Down,
    /// Cursor one row up.
    Up,
    /// Half a page down.
    HalfPageDown,
    /// Half a page up.
    HalfPageUp,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// First row.
    Top,
    /// Last row.
    Bottom,
    /// Focus the next pane.
    NextPane,
    /// Focus the previous pane.
    PreviousPane,
    /// Focus the servers pane.
    Servers,
    /// Focus the containers pane.
    Containers,
    /// Focus the alerts pane.
    Alerts,
    /// Focus the databases pane.
    Databases,
    /// Show the runbooks.
    Runbooks,
    /// Show the runs.
    Runs,
    /// Show what happened in the incident.
    Timeline,
    /// Declare an incident, or say something of the one that is open.
    Incident,
    /// Show what is wrong and what changed.
    Overview,
    /// Show what happened in the engines.
    EngineEvents,
    /// Show the processes of the selected server.
    Processes,
    /// Show all that the engine says of the selected container.
    Inspect,
    /// Show who waits for whom in the databases.
    Locks,
    /// Show standbys and replication slots.
    Replication,
    /// Show who holds the databases' connections.
    Activity,
    /// Show what the databases do.
    Statistics,
    /// Show the alerts in groups.
    AlertGroups,
    /// Show the silences.
    Silences,
    /// Show the rules.
    Rules,
    /// Show what is scraped.
    Targets,
    /// Show the members of Alertmanager's clusters.
    Members,
    /// Show what a silence on the selected thing's labels would hide.
    SilencePreview,
    /// Open the log of the selected thing.
    Logs,
    /// In a log: show what comes, or stay.
    Follow,
    /// In a log: find text, and keep what is around it.
    Search,
    /// To the next hit.
    NextMatch,
    /// To the hit before.
    PreviousMatch,
    /// In a log: only errors, or all lines again.
    LogErrors,
    /// In a log: only errors and warnings, or all lines again.
    LogWarnings,
    /// In a log: the commonest patterns.
    LogPatterns,
    /// In a log: the next log of the same thing.
    OtherLogs,
    /// In a log: wrap lines, or cut them.
    LogWrap,
    /// In a log: show the time of each line, or not.
    LogTimes,
    /// In a log: UTC, or the local time.
    LogZone,
    /// In a log: hide the lines without certain words.
    LogFilter,
    /// In a log: copy the line under the cursor.
    LogCopyLine,
    /// In a log: copy what is visible.
    LogCopyAll,
    /// In a log: save what is shown to a file.
    LogSave,
    /// In a log: from when on it is read.
    Since(Anchor),
    /// Show everything about the selected thing.
    Details,
    /// One step back; never quits.
    Back,
    /// Where the operator was before.
    Earlier,
    /// Forward again.
    Later,
    /// Only this pane, or all again.
    Zoom,
    /// Type a filter for this pane.
    Filter,
    /// Choose by what to sort.
    Sort,
    /// Choose the columns and their order.
    Columns,
    /// Choose what to copy.
    Copy,
    /// Tell others of a run.
    Announce,
    /// Mark the row under the cursor, or take its mark away.
    Mark,
    /// Mark what is not marked, and the other way round.
    InvertMarks,
    /// No marks any more.
    ClearMarks,
    /// Turn the order around.
    Reverse,
    /// Rows that belong together side by side, or worst first again.
    Group,
    /// Keys that work here.
    Help,
    /// Find an action by name.
    Palette,
    /// The actions that fit the selected thing.
    Actions,
    /// Ask every source now.
    PollNow,
    /// Ask this pane's sources half as often.
    PollSlower,
    /// Ask this pane's sources twice as often.
    PollFaster,
    /// Ask this pane's sources as often as the config has it.
    PollConfigured,
    /// The screen stands still, or goes on.
    Freeze,
    /// Listen to the mouse, or leave it to the terminal.
    Mouse,
    /// List the named views.
    Views,
    /// Give the present view a name and keep it.
    SaveView,
    /// The next theme.
    Theme,
    /// Lock or unlock writes.
    Writes,
    /// Open what a run asks.
    Answer,
    /// Hide what others must not see, or show it again.
    Presenter,
    /// Read the config again.
    Reload,
    /// Draw the whole screen again.
    Redraw,
    /// Suspend, as Ctrl-Z does elsewhere.
    Suspend,
    /// Stop a replay, or go on with it.
    ReplayPause,
    /// Ten seconds back in a replay.
    ReplayBack,
    /// Ten seconds on.
    ReplayForward,
    /// A minute back.
    ReplayFarBack,
    /// A minute on.
    ReplayFarForward,
    /// The next higher speed.
    ReplayFaster,
    /// The next lower speed.
    ReplaySlower,
    /// Leave.
    Quit,
    /// Plan the runbook that fits the selected thing, or that is selected.
    Plan,
    /// Plan a runbook for the selected thing.
    Runbook(Arc<str>),
    /// Plan the runbook for the selected thing that has this verb.
    Do(Verb),
}

/// What a key does to the selected thing whatever the runbook is called: the one that says so (`verb` in its front matter) is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Take a server out of use, and lose nobody by it.
    Drain,
    /// Back to the version before.
    RollBack,
    /// Keep an alert from being notified for a while.
    Silence,
    /// Tell whoever is called that somebody is at it.
    Acknowledge,
}

impl Verb {
    /// The word in a runbook's front matter.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::RollBack => "rollback",
            Self::Silence => "silence",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// A movement of a cursor over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// So many rows; negative is up.
    Lines(isize),
    /// So many halves of the visible rows.
    HalfPages(isize),
    /// So many times the visible rows.
    Pages(isize),
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
}

impl Motion {
    /// Where it leads from row `at` with `page` rows visible; not yet held to the number of rows.
    pub fn apply(self, at: usize, page: usize) -> usize {
        match self {
            Self::Lines(n) => at.saturating_add_signed(n),
            Self::HalfPages(n) => at.saturating_add_signed(n * (page / 2).max(1) as isize),
            Self::Pages(n) => at.saturating_add_signed(n * page.max(1) as isize),
            Self::Top => 0,
            Self::Bottom => usize::MAX,
        }
    }
}

/// The table: action, name in keymaps, one line for help.
pub const ACTIONS: &[(Action, &str, &str)] = &[
    (Action::Down, "down", "one row down"),
    (Action::Up, "up", "one row up"),
    (Action::HalfPageDown, "half-page-down", "half a page down"),
    (Action::HalfPageUp, "half-page-up", "half a page up"),
    (Action::PageDown, "page-down", "a page down"),
    (Action::PageUp, "page-up", "a page up"),
    (Action::Top, "top", "first row"),
    (Action::Bottom, "bottom", "last row"),
    (Action::NextPane, "next-pane", "next pane"),
    (Action::PreviousPane, "previous-pane", "previous pane"),
    (Action::Servers, "servers", "pane 1: servers"),
    (Action::Containers, "containers", "pane 2: containers"),
    (Action::Alerts, "alerts", "pane 3: alerts"),
    (Action::Databases, "databases", "pane 4: database sessions"),
    (Action::Runbooks, "runbooks", "view 5: runbooks, what they are for, and whether they can be run here"),
    (Action::Runs, "runs", "view 6: runs, their steps and output"),
    (Action::Timeline, "timeline", "view 7: what happened in the incident, newest first"),
    (
        Action::Incident,
        "incident",
        "declare an incident, or say something of the one that is open: note, roles, severity, clocks",
    ),
    (Action::Overview, "overview", "view 0: what is wrong now, and what changed in the last 30 minutes"),
    (Action::EngineEvents, "engine-events", "what happened in the container engines, newest first"),
    (Action::Processes, "processes", "the processes of the selected server, the busiest first"),
    (Action::Inspect, "inspect", "all that the engine says of the selected container, as JSON without secrets"),
    (Action::Locks, "locks", "who waits for whose lock"),
    (Action::Replication, "replication", "standbys, WAL receivers and replication slots"),
    (Action::Activity, "activity", "connections by application and state"),
    (Action::Statistics, "statistics", "what the databases do: rates, hit ratio, wraparound"),
    (Action::AlertGroups, "alert-groups", "alerts in groups, as Alertmanager notifies"),
    (Action::Silences, "silences", "silences: who, why, how long, and what they hide"),
    (Action::Rules, "rules", "rules of Prometheus, those that fail first"),
    (Action::Targets, "targets", "what Prometheus scrapes, what is down first"),
    (Action::Members, "members", "Alertmanagers: version, cluster, what each has and lacks"),
    (Action::SilencePreview, "silence-preview", "what a silence on these labels would hide; makes none"),
    (Action::Logs, "logs", "the log of the selected thing, live"),
    (Action::Follow, "follow", "show what comes, or stay where you are"),
    (Action::Search, "search", "find text; the lines around it stay"),
    (Action::NextMatch, "next-match", "to the next hit below"),
    (Action::PreviousMatch, "previous-match", "to the next hit above"),
    (Action::LogErrors, "errors", "only errors, or all lines again"),
    (Action::LogWarnings, "warnings", "only errors and warnings, or all lines again"),
    (Action::LogPatterns, "patterns", "the commonest patterns of lines, worst first"),
    (Action::OtherLogs, "other-logs", "the next log of the same thing: its service's, its project's, its files"),
    (Action::LogWrap, "wrap", "wrap long lines, or cut them"),
    (Action::LogTimes, "times", "the time of each line, or not"),
    (Action::LogZone, "zone", "UTC, or the local time"),
    (Action::LogFilter, "filter-lines", "show only lines with these words: words, !not"),
    (Action::LogCopyLine, "copy-line", "copy the line under the cursor, or the whole line that is open"),
    (Action::LogCopyAll, "copy-all", "copy the lines on the screen"),
    (Action::LogSave, "save", "save the lines that pass the filter to a file"),
    (Action::Since(Anchor::All), "since-all", "all of it, as far as it is kept"),
    (Action::Since(Anchor::Minute), "since-1m", "from one minute ago"),
    (Action::Since(Anchor::FiveMinutes), "since-5m", "from five minutes ago"),
    (Action::Since(Anchor::QuarterHour), "since-15m", "from fifteen minutes ago"),
    (Action::Since(Anchor::HalfHour), "since-30m", "from thirty minutes ago"),
    (Action::Since(Anchor::Hour), "since-1h", "from one hour ago"),
    (Action::Since(Anchor::Day), "since-24h", "from one day ago"),
    (Action::Details, "details", "everything about the selected thing"),
    (Action::Back, "back", "back: close, clear the filter, unzoom (never quits)"),
    (Action::Earlier, "earlier", "where you were before"),
    (Action::Later, "later", "forward again, after going back"),
    (Action::Zoom, "zoom", "only this pane, or all again"),
    (Action::Filter, "filter", "filter this pane: words, !not, cpu>80, state:ok; alerts also by label=~\"a|b\""),
    (Action::Sort, "sort", "choose what to sort by: worst first, or any column"),
    (Action::Columns, "columns", "choose which columns are shown, and their order"),
    (Action::Announce, "announce", "copy a text that tells others of this run, ready to paste, and show it"),
    (Action::Copy, "copy", "copy a cell, rows or this page: text, Markdown, JSON; or save it to a file"),
    (Action::Mark, "mark", "mark this row, or take its mark away"),
    (Action::InvertMarks, "invert-marks", "mark the rows that are not marked, and the other way round"),
    (Action::ClearMarks, "clear-marks", "take all marks away"),
    (Action::Reverse, "reverse", "turn the order around"),
    (Action::Group, "group", "rows that belong together side by side, worst group first; again: worst first"),
    (Action::Help, "help", "the keys that work here"),
    (Action::Palette, "palette", "find an action by name"),
    (Action::Actions, "actions", "all actions for the selected thing"),
    (Action::PollNow, "poll-now", "ask every source now"),
    (Action::PollSlower, "poll-slower", "ask this pane's sources half as often (5 minutes at most)"),
    (Action::PollFaster, "poll-faster", "ask this pane's sources twice as often (every second at most)"),
    (Action::PollConfigured, "poll-configured", "ask this pane's sources as often as the config has it"),
    (Action::Freeze, "freeze", "the screen stands still, or goes on"),
    (Action::Views, "views", "the named views: open one, delete one"),
    (Action::SaveView, "save-view", "keep this view by a name: filters, orders, columns, focus, zoom"),
    (Action::Mouse, "mouse", "listen to the mouse, or leave it to the terminal"),
    (Action::Theme, "theme", "next theme"),
    (Action::Writes, "writes", "lock or unlock writes"),
    (
        Action::Answer,
        "answer",
        "answer the run that asks; of several the one that has waited longest; on an alert, when none asks: acknowledge it",
    ),
    (Action::Presenter, "presenter", "presenter mode: hide addresses, names, tokens and literals, and show the keys"),
    (Action::Reload, "reload", "read the config again now (it is read by itself when a file of it changes)"),
    (Action::Redraw, "redraw", "draw the whole screen again"),
    (Action::Suspend, "suspend", "suspend to the shell; fg comes back"),
    (Action::ReplayPause, "replay-pause", "stop the replay, or go on"),
    (Action::ReplayBack, "replay-back", "10 seconds back in the recording"),
    (Action::ReplayForward, "replay-forward", "10 seconds on in the recording"),
    (Action::ReplayFarBack, "replay-far-back", "a minute back in the recording"),
    (Action::ReplayFarForward, "replay-far-forward", "a minute on in the recording"),
    (Action::ReplayFaster, "replay-faster", "replay faster: up to 60 times as fast"),
    (Action::ReplaySlower, "replay-slower", "replay slower: down to as it was"),
    (
        Action::Plan,
        "plan",
        "plan the selected runbook, or the one that names the selected alert; of a run, what can be done with it (asks first)",
    ),
    (Action::Do(Verb::Drain), "drain", "plan the runbook that drains the selected thing (`verb: drain`)"),
    (Action::Do(Verb::RollBack), "rollback", "plan the runbook that brings the version before back (`verb: rollback`)"),
    (Action::Do(Verb::Silence), "silence", "plan a silence on the labels of the selected alert (`verb: silence`)"),
    (
        Action::Do(Verb::Acknowledge),
        "acknowledge",
        "plan to tell who is called that somebody is at the selected alert (`verb: acknowledge`)",
    ),
    (Action::Quit, "quit", "quit; on a page or a view: back"),
];

impl Action {
    /// From a keymap's word.
    pub fn parse(word: &str) -> Option<Self> {
        if let Some(id) = word.strip_prefix(RUNBOOK_PREFIX) {
            return (!id.is_empty()).then(|| Self::Runbook(id.into()));
        }
        ACTIONS.iter().find(|(_, name, _)| *name == word).map(|(action, ..)| action.clone())
    }

    /// The keymap's word.
    pub fn name(&self) -> Cow<'static, str> {
        match (self, self.row()) {
            (Self::Runbook(id), _) => format!("{RUNBOOK_PREFIX}{id}").into(),
            (_, Some((_, name, _))) => (*name).into(),
            (_, None) => "".into(),
        }
    }

    /// The keymap's word for what is no runbook.
    pub fn word(&self) -> &'static str {
        self.row().map_or("", |(_, name, _)| name)
    }

    /// One line for help; a runbook's title is the library's to tell.
    pub fn doc(&self) -> &'static str {
        self.row().map_or("run a runbook", |(_, _, doc)| doc)
    }

    /// A key bound to it can lead to a change outside the screen. Such keys are refused in a burst of input that nobody typed.
    pub fn acts(&self) -> bool {
        matches!(self, Self::Runbook(_) | Self::Do(_) | Self::Plan | Self::Writes | Self::Answer)
    }

    /// A stray key must not do it: it acts, takes the screen away, or changes what is seen of it.
    pub fn is_grave(&self) -> bool {
        self.acts() || matches!(self, Self::Quit | Self::Suspend | Self::Presenter | Self::Freeze | Self::Mouse)
    }

    /// It begins with the row under the cursor, so that a key bound to it means the one that was seen there.
    pub fn is_about_row(&self) -> bool {
        self.motion().is_some()
            || matches!(
                self,
                Self::Details
                    | Self::Actions
                    | Self::Palette
                    | Self::Copy
                    | Self::Mark
                    | Self::Logs
                    | Self::Processes
                    | Self::Inspect
                    | Self::SilencePreview
                    | Self::Plan
                    | Self::Runbook(_)
                    | Self::Do(_)
            )
    }

    /// How it moves a cursor, if that is what it does.
    pub fn motion(&self) -> Option<Motion> {
        const MOTIONS: [(Action, Motion); 8] = [
            (Action::Down, Motion::Lines(1)),
            (Action::Up, Motion::Lines(-1)),
            (Action::HalfPageDown, Motion::HalfPages(1)),
            (Action::HalfPageUp, Motion::HalfPages(-1)),
            (Action::PageDown, Motion::Pages(1)),
            (Action::PageUp, Motion::Pages(-1)),
            (Action::Top, Motion::Top),
            (Action::Bottom, Motion::Bottom),
        ];
        MOTIONS.iter().find(|(action, _)| action == self).map(|(_, motion)| *motion)
    }

    fn row(&self) -> Option<&'static (Self, &'static str, &'static str)> {
        ACTIONS.iter().find(|(action, ..)| action == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        for (action, name, doc) in ACTIONS {
            assert_eq!(Action::parse(name).as_ref(), Some(action));
            assert_eq!(action.name(), *name);
            assert!(!doc.is_empty());
        }
        let runbook = Action::parse("runbook:container-restart").unwrap();
        assert_eq!(runbook.name(), "runbook:container-restart");
        assert_eq!(Action::parse("runbook:"), None);
        assert_eq!(Action::parse("dwon"), None);
    }
}
