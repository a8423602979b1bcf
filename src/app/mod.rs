//! The state and the only place that changes it: `update(&mut State, Stamped, &mut Effects)`.
//!
//! Pure: no IO, no clock, no async. Decides; formatting is the panes' `refresh`, painting is `ui`'s.

mod act;
mod again;
mod announce;
mod answer;
mod banner;
mod calls;
mod choices;
mod copy;
mod cut_off;
mod filtering;
mod freeze;
mod habits;
mod hands;
mod hush;
mod incidents;
mod keys;
mod known;
pub mod layout;
mod logs;
mod menu;
mod mouse;
mod news;
mod offers;
mod overlay;
mod overlay_keys;
mod pace;
mod palette;
mod params_dialog;
mod plan_dialog;
mod planning;
mod presenter;
mod prompt;
mod questions;
mod reload;
mod replay;
mod run_events;
mod second;
mod silence_preview;
mod thing;
mod toast;
mod trail;
pub mod typing;
mod update;
mod views;
mod way;
mod writes;

pub use again::{Chosen, Word};
pub use banner::Banner;
pub use choices::{Possible, of as possible};
pub use freeze::Frozen;
pub use incidents::{Ask, Fact, IncidentClock, IncidentLine};
pub use layout::{MIN_SIZE, Screen};
pub use menu::{Menu, MenuKind, MenuLine};
pub use offers::Labelled;
pub use overlay::Overlay;
pub use palette::{Item, Palette, Reading};
pub use params_dialog::{ParamField, ParamsDialog};
pub use plan_dialog::{PlanDialog, Why};
pub use planning::Planning;
pub use presenter::{PHRASE, Presenter, Presenting, RevealDialog};
pub use prompt::{AskDialog, UnlockDialog};
pub use questions::Questions;
pub use second::{About, Second, SecondDialog};
pub use silence_preview::{Choice, SilencePreview, WouldHide};
pub use toast::{Toast, Toasts};
pub use update::update;
pub use views::{Habits, NameDialog, Topic, troubles as view_troubles};
pub use writes::WriteLock;

use crate::cx::Cx;
use crate::domain::incident::Rules;
use crate::domain::notify::Notify;
use crate::domain::risk::Policy;
use crate::domain::view::View;
use crate::domain::{IncidentId, Limits, Now, RunId, Subject, text};
use crate::incident::Watch;
use crate::incident::corrected::Here;
use crate::keymap::{Chord, Keymap, Scope};
use crate::panes::logs::{self as log_view, LogView};
use crate::panes::{PANES, Page, Pane, PaneKind, Place};
use crate::recording::Position;
use crate::redact::Redactor;
use crate::runbook::output::Outputs;
use crate::runbook::{Library, Runs};
use crate::store::{Feed, Health, Named, Store};
use crate::theme::{Glyphs, Themes};
use crate::widgets::field::Field;
use crate::widgets::wrap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Lines of the aside at most.
const ASIDE: usize = 3;

/// How it looks and sounds, beside theme and keys.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// The theme follows the terminal's own ground, dark or light, until somebody chooses one.
    pub auto: bool,
    /// The characters that the terminal can show.
    pub glyphs: Glyphs,
    /// How somebody who looks elsewhere is told.
    pub notify: Notify,
}

/// What the state is made of, from config and command line.
pub struct Setup {
    /// The environment's name.
    pub environment: String,
    /// It is guarded: red frame, writes locked at start.
    pub guarded: bool,
    /// `--read-only`.
    pub read_only: bool,
    /// After a manual unlock, writes lock by themselves.
    pub relock: Duration,
    /// Where warnings begin.
    pub limits: Limits,
    /// What answer a risk takes.
    pub policy: Policy,
    /// One for each source.
    pub feeds: Vec<Feed>,
    /// The servers that the config names.
    pub servers: Vec<Named>,
    /// Keys.
    pub keymap: Keymap,
    /// Themes to turn through; the first is in force.
    pub themes: Themes,
    /// How it looks and sounds.
    pub looks: Looks,
    /// Runbooks.
    pub library: Arc<Library>,
    /// Whether the screen is shared, and what is hidden then.
    pub presenting: Presenting,
    /// What hides secrets in what leaves the screen.
    pub redactor: Redactor,
    /// Views, and what the screen is like at its start.
    pub habits: Habits,
    /// What the config says about logs.
    pub logs: log_view::Settings,
    /// What is agreed about incidents.
    pub incident: Rules,
    /// This process's clock, for theirs.
    pub here: Here,
    /// There is a team's journal, through which a second person can approve.
    pub team: bool,
    /// Who sits here, `name@host`: what others are told before the journal says it.
    pub who: String,
    /// What went wrong before the screen was there, one sentence each.
    pub troubles: Vec<String>,
}

/// Everything on the screen and behind it.
pub struct State {
    /// What is known of the world.
    pub store: Store,
    /// Panes, in the order of [`PANES`].
    pub panes: Vec<Box<dyn Pane>>,
    /// Index of the focused pane.
    pub focus: usize,
    /// The page of a thing, over the panes.
    pub page: Option<Page>,
    /// The log that is open, over the panes.
    pub logs: Option<LogView>,
    /// What was asked for it.
    log_asked: logs::Asked,
    /// What the config says about logs.
    log_settings: log_view::Settings,
    /// What is being typed is searched for, and no filter.
    pub searching: bool,
    /// Where the operator has been.
    trail: trail::Trail,
    /// Only the focused pane is shown.
    pub zoom: bool,
    /// How much each pane could show.
    wants: layout::Wants,
    /// The screen stands still.
    pub frozen: Option<Frozen>,
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// The plan that was asked for and has not come.
    pub planning: Option<Planning>,
    /// Plans asked for so far.
    plans: u64,
    /// A plan that waits until no text is being typed.
    waiting_plan: Option<planning::Waiting>,
    /// Parameters that wait for the same: what a called runbook wants to know, or what no plan could be made of.
    waiting_form: Option<Box<ParamsDialog>>,
    /// What runs ask, and is not on the screen.
    pub questions: Questions,
    /// What others ask of whoever sits here, and what was asked of them.
    pub second: Second,
    /// What the labels of the alert gave that a plan was asked for last.
    labelled: Option<Labelled>,
    /// The filter being typed.
    pub filter_edit: Option<Field>,
    /// Keys of an unfinished sequence.
    pub pending: Vec<Chord>,
    /// How fast keys come.
    typing: typing::Typing,
    /// The pane in which a row was chosen for no other reason than that a list of actions was opened.
    lent: Option<usize>,
    /// Keys do nothing for a moment.
    hush: Option<hush::Hush>,
    /// What a grave key asked for a moment ago.
    held: Option<typing::Held>,
    /// May anything be changed?
    pub writes: WriteLock,
    /// Is the screen shared?
    pub presenter: Presenter,
    /// Runs, as the journal tells them.
    pub runs: Runs,
    /// Incidents, and which one is attended to.
    pub watch: Watch,
    /// Alerts that were seen to fire from here while an incident was open, by fingerprint.
    seen_alerts: BTreeSet<(IncidentId, String)>,
    /// What their steps under way have said.
    pub outputs: Outputs,
    /// The runs of this screen.
    started: Vec<RunId>,
    /// What happens here is gone with it: no start after this one finds anything of it.
    pub fleeting: bool,
    /// Until when leaving is what is wanted, though a run is under way; monotonic.
    leaving: Option<Duration>,
    /// Whose clocks were told to be off, so that each is told once.
    clocks: std::collections::BTreeSet<String>,
    /// What is being done, until dismissed.
    pub banner: Option<Banner>,
    /// What whoever started the screen says beside the panes; empty: nothing.
    pub aside: String,
    /// Passing messages.
    pub toasts: Toasts,
    /// A word in the footer about the key just pressed, and until when; monotonic.
    pub(crate) note: Option<(String, Duration)>,
    /// What is new and critical.
    news: news::News,
    /// Themes; the first is in force.
    pub themes: Themes,
    /// How it looks and sounds.
    pub looks: Looks,
    /// Keys in force.
    pub keymap: Keymap,
    /// Runbooks.
    pub library: Arc<Library>,
    /// What hides secrets in what leaves the screen.
    redactor: Redactor,
    /// Views, and what is kept of the screen.
    habits: Habits,
    /// The mouse.
    mouse: mouse::Mouse,
    /// Where warnings begin.
    pub limits: Limits,
    /// What answer a risk takes.
    pub policy: Policy,
    /// The environment's name.
    pub environment: String,
    /// Who sits here: `name@host`.
    who: String,
    /// It is guarded.
    pub guarded: bool,
    /// The recording that is replayed instead of looking at the world, and where it stands.
    pub replay: Option<Position>,
    /// What is seen is recorded; false: not just now, because writing fails.
    pub recording: Option<bool>,
    /// The moment of the last event.
    pub now: Now,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Something visible may have changed since the last draw.
    pub dirty: bool,
    /// The whole terminal must be painted again.
    pub repaint: bool,
    /// The header's words, as last prepared.
    pub chrome: crate::app::layout::Chrome,
}

impl State {
    /// The state at start.
    pub fn new(setup: Setup, now: Now, size: (u16, u16)) -> Self {
        let writes = WriteLock::new(setup.read_only, setup.guarded, setup.relock);
        let mut toasts = Toasts::default();
        for trouble in setup.troubles {
            toasts.bad(now, trouble);
        }
        let store = Store::new(setup.feeds).with_servers(setup.servers, now).with_limits(&setup.limits);
        // Where nothing is configured to be seen, no key would do anything.
        let seen = |kind: &PaneKind| kind.subject.is_some_and(|subject| store.about(subject).next().is_some());
        let focus = PANES.iter().position(seen).unwrap_or(0);
        let start = setup.habits.start.clone();
        let mut state = Self {
            store,
            panes: PANES.iter().map(|kind| (kind.make)()).collect(),
            focus,
            page: None,
            logs: None,
            log_asked: logs::Asked::default(),
            log_settings: setup.logs,
            searching: false,
            trail: trail::Trail::default(),
            zoom: false,
            wants: layout::Wants::default(),
            frozen: None,
            overlay: None,
            planning: None,
            plans: 0,
            waiting_plan: None,
            waiting_form: None,
            questions: Questions::default(),
            second: Second::new(setup.team),
            labelled: None,
            filter_edit: None,
            pending: Vec::new(),
            typing: typing::Typing::default(),
            lent: None,
            hush: None,
            held: None,
            writes,
            presenter: Presenter::new(setup.presenting),
            runs: Runs::default(),
            watch: Watch::new(setup.incident, setup.here, &setup.environment),
            seen_alerts: BTreeSet::new(),
            outputs: Outputs::default(),
            started: Vec::new(),
            fleeting: false,
            leaving: None,
            clocks: std::collections::BTreeSet::new(),
            banner: None,
            aside: String::new(),
            toasts,
            note: None,
            news: news::News::default(),
            themes: setup.themes,
            looks: setup.looks,
            keymap: setup.keymap,
            library: setup.library,
            redactor: setup.redactor,
            mouse: mouse::Mouse::new(setup.habits.mouse),
            habits: setup.habits,
            limits: setup.limits,
            policy: setup.policy,
            environment: setup.environment,
            who: setup.who,
            guarded: setup.guarded,
            replay: None,
            recording: None,
            now,
            size,
            dirty: true,
            repaint: false,
            chrome: layout::Chrome::default(),
        };
        if let Some(view) = start {
            views::open(&mut state, &view);
        }
        state
    }

    /// The screen as it is left, if that is to be kept for the next start.
    pub fn left(&mut self) -> Option<View> {
        self.habits.remember.then(|| views::current(self, "as it was left".to_owned()))
    }

    /// What every text goes behind before it is shown; `None`: nobody else looks.
    pub fn veil(&self) -> Option<Arc<dyn text::Veil>> {
        self.presenter.veil(self.filter_edit.is_some())
    }

    /// What panes may see.
    pub fn cx(&self) -> Cx<'_> {
        // What no source reports, the runs, is never frozen.
        let frozen = self.frozen.as_ref().filter(|_| self.subject().is_some());
        let (store, now) = frozen.map_or((&self.store, self.seen()), |frozen| (&frozen.store, frozen.since));
        Cx {
            store,
            now,
            theme: self.themes.shown(),
            limits: &self.limits,
            library: &self.library,
            environment: &self.environment,
            runs: &self.runs,
            watch: &self.watch,
            outputs: &self.outputs,
            keymap: &self.keymap,
            writes: self.writes.state(),
            guarded: self.guarded,
        }
    }

    /// The moment that what is shown is of: now, or in a replay the recorded one. What is typed, said and asked for counts in the
    /// time of who looks at it, [`State::now`].
    pub fn seen(&self) -> Now {
        self.replay.as_ref().map_or(self.now, |position| position.now)
    }

    /// A run that was started here has no verdict yet.
    fn has_run_under_way(&self) -> bool {
        self.started.iter().any(|id| self.runs.get(*id).is_some_and(|run| run.outcome.is_none()))
    }

    /// The line above the keys says what is being done, or where a replay stands.
    fn has_banner(&self) -> bool {
        self.banner.is_some()
            || self.replay.is_some()
            || !self.questions.is_empty()
            || self.outputs.most_silent().is_some()
            || self.second_asks().is_some()
    }

    /// The aside, as broken for the screen: a few lines at most, so that panes keep their room.
    pub fn aside_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.aside.is_empty() {
            wrap::lines(&mut lines, &self.aside, usize::from(self.size.0).saturating_sub(2), 0);
            lines.truncate(ASIDE);
        }
        lines
    }

    /// Where everything stands.
    pub fn screen(&self) -> Screen {
        layout::layout(
            self.size,
            self.focus,
            self.is_alone(),
            (self.has_banner(), self.watch.told().is_some(), self.aside_lines().len() as u16),
            &self.wants,
        )
    }

    /// One thing takes the whole screen.
    fn is_alone(&self) -> bool {
        self.zoom || self.page.is_some() || self.logs.is_some() || self.presenter.is_on()
    }

    /// The keys of what has the focus: a log, or a pane.
    pub fn scope(&self) -> Scope {
        if self.logs.is_some() { Scope::Logs } else { PANES[self.focus].scope }
    }

    /// What the focused pane is about.
    pub fn subject(&self) -> Option<Subject> {
        PANES[self.focus].subject
    }

    /// The focused pane.
    pub fn pane(&self) -> &dyn Pane {
        &*self.panes[self.focus]
    }

    /// Formats what is visible. To be called before drawing.
    pub fn prepare(&mut self) {
        text::behind(self.veil(), || self.format());
    }

    fn format(&mut self) {
        self.format_panes();
        // What they say around their rows is known once they have said it.
        if self.measure() {
            self.format_panes();
        }
        let mut chrome = std::mem::take(&mut self.chrome);
        chrome.prepare(self);
        self.chrome = chrome;
    }

    /// Takes in how much each pane could show; true when that changes where they stand.
    fn measure(&mut self) -> bool {
        let (before, now) = (self.screen(), self.now.mono);
        let seen = self.seen();
        let settled = self.store.feeds().iter().all(|feed| feed.health(seen) != Health::Waiting);
        let mut changed = false;
        for (index, pane) in self.panes.iter().enumerate() {
            changed |= self.wants.note(index, pane.lines(), now, settled);
        }
        changed && self.screen() != before
    }

    fn format_panes(&mut self) {
        let screen = self.screen();
        let mut panes = std::mem::take(&mut self.panes);
        let (mut page, mut logs) = (self.page.take(), self.logs.take());
        let cx = self.cx();
        let seen = |index: usize| screen.panes().any(|(shown, _)| shown == index) && page.is_none() && logs.is_none();
        panes.iter_mut().enumerate().filter(|(index, _)| !seen(*index)).for_each(|(_, pane)| pane.unseen());
        for (index, place) in screen.panes() {
            match (&mut logs, &mut page) {
                (Some(logs), _) => logs.refresh(place, &cx),
                (None, Some(page)) => page.refresh(place, &cx),
                (None, None) => panes[index].refresh(place, &cx),
            }
        }
        (self.panes, self.page, self.logs) = (panes, page, logs);
    }

    /// A frame was painted: dialogs begin to arm.
    pub fn painted(&mut self, now: Now) {
        if let Some(overlay) = &mut self.overlay {
            overlay.painted(now);
        }
        self.dirty = false;
        self.repaint = false;
    }

    /// When the state wants to be woken though nothing happens; a monotonic moment as in [`Now::mono`].
    pub fn deadline(&self) -> Option<Duration> {
        let overlay = self.overlay.as_ref().and_then(Overlay::deadline);
        let held = self.held.as_ref().map(typing::Held::deadline);
        let planning = self.planning.as_ref().map(|planning| planning::deadline(planning, self.now));
        let note = self.note.as_ref().map(|(_, until)| *until);
        let log = self.logs.as_ref().filter(|logs| logs.is_unfinished()).map(|_| self.now.mono + logs::SOON);
        let deadlines = [
            log,
            overlay,
            questions::deadline(self),
            held,
            planning,
            note,
            self.news.deadline(),
            self.toasts.deadline(),
            self.writes.deadline(),
            self.presenter.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Runs `f` with the focused pane and what it may see.
    fn with_pane<T>(&mut self, f: impl FnOnce(&mut dyn Pane, &Cx<'_>) -> T) -> T {
        let mut panes = std::mem::take(&mut self.panes);
        let out = f(&mut *panes[self.focus], &self.cx());
        self.panes = panes;
        out
    }

    /// Places of the visible panes, for drawing.
    pub fn places(&self) -> impl Iterator<Item = (usize, Place)> {
        self.screen().panes()
    }
}
