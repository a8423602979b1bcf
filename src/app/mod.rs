//! The state and the only place that changes it: `update(&mut State, Stamped, &mut Effects)`.
//!
//! Pure: no IO, no clock, no async. Decides; formatting is the panes' `refresh`, painting is `ui`'s.

mod answer;
mod banner;
mod cut_off;
pub mod layout;
mod logs;
mod overlay;
mod overlay_keys;
mod palette;
mod params_dialog;
mod plan_dialog;
mod planning;
mod prompt;
mod toast;
mod trail;
mod typing;
mod update;
mod way;
mod writes;

pub use banner::Banner;
pub use layout::{MIN_SIZE, Screen};
pub use overlay::Overlay;
pub use palette::{Item, Palette, Reading};
pub use params_dialog::{ParamField, ParamsDialog};
pub use plan_dialog::PlanDialog;
pub use planning::Planning;
pub use prompt::{AskDialog, UnlockDialog};
pub use toast::{Toast, Toasts};
pub use update::update;
pub use writes::WriteLock;

use crate::cx::Cx;
use crate::domain::risk::Policy;
use crate::domain::{Limits, Now, RunId, Subject};
use crate::keymap::{Chord, Keymap, Scope};
use crate::panes::logs::{self as log_view, LogView};
use crate::panes::{PANES, Page, Pane, PaneKind, Place};
use crate::runbook::{Draft, Library, Plan, Runs};
use crate::store::{Feed, Named, Store};
use crate::theme::Theme;
use crate::widgets::field::Field;
use std::sync::Arc;
use std::time::Duration;

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
    pub themes: Vec<Theme>,
    /// Runbooks.
    pub library: Arc<Library>,
    /// What the config says about logs.
    pub logs: log_view::Settings,
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
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// The plan that was asked for and has not come.
    pub planning: Option<Planning>,
    /// Plans asked for so far.
    plans: u64,
    /// A plan that waits until no text is being typed.
    waiting_plan: Option<(Box<Plan<Draft>>, Option<String>)>,
    /// The filter being typed.
    pub filter_edit: Option<Field>,
    /// Keys of an unfinished sequence.
    pub pending: Vec<Chord>,
    /// How fast keys come.
    typing: typing::Typing,
    /// What a grave key asked for a moment ago.
    held: Option<typing::Held>,
    /// May anything be changed?
    pub writes: WriteLock,
    /// Runs, as the journal tells them.
    pub runs: Runs,
    /// The runs of this screen.
    started: Vec<RunId>,
    /// Until when leaving is what is wanted, though a run is under way; monotonic.
    leaving: Option<Duration>,
    /// What is being done, until dismissed.
    pub banner: Option<Banner>,
    /// Passing messages.
    pub toasts: Toasts,
    /// Themes; the first is in force.
    pub themes: Vec<Theme>,
    /// Keys in force.
    pub keymap: Keymap,
    /// Runbooks.
    pub library: Arc<Library>,
    /// Where warnings begin.
    pub limits: Limits,
    /// What answer a risk takes.
    pub policy: Policy,
    /// The environment's name.
    pub environment: String,
    /// It is guarded.
    pub guarded: bool,
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
        let store = Store::new(setup.feeds).with_servers(setup.servers, now);
        // Where nothing is configured to be seen, no key would do anything.
        let seen = |kind: &PaneKind| kind.subject.is_some_and(|subject| store.about(subject).next().is_some());
        let focus = PANES.iter().position(seen).unwrap_or(0);
        Self {
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
            overlay: None,
            planning: None,
            plans: 0,
            waiting_plan: None,
            filter_edit: None,
            pending: Vec::new(),
            typing: typing::Typing::default(),
            held: None,
            writes,
            runs: Runs::default(),
            started: Vec::new(),
            leaving: None,
            banner: None,
            toasts,
            themes: setup.themes,
            keymap: setup.keymap,
            library: setup.library,
            limits: setup.limits,
            policy: setup.policy,
            environment: setup.environment,
            guarded: setup.guarded,
            now,
            size,
            dirty: true,
            repaint: false,
            chrome: layout::Chrome::default(),
        }
    }

    /// What panes may see.
    pub fn cx(&self) -> Cx<'_> {
        Cx {
            store: &self.store,
            now: self.now,
            theme: &self.themes[0],
            limits: &self.limits,
            runs: &self.runs,
            keymap: &self.keymap,
            writes: self.writes.state(),
            guarded: self.guarded,
        }
    }

    /// A run that was started here has no verdict yet.
    fn has_run_under_way(&self) -> bool {
        self.started.iter().any(|id| self.runs.get(*id).is_some_and(|run| run.outcome.is_none()))
    }

    /// Where everything stands.
    pub fn screen(&self) -> Screen {
        layout::layout(self.size, self.focus, self.is_alone(), self.banner.is_some())
    }

    /// One thing takes the whole screen.
    fn is_alone(&self) -> bool {
        self.zoom || self.page.is_some() || self.logs.is_some()
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
        let screen = self.screen();
        let mut panes = std::mem::take(&mut self.panes);
        let (mut page, mut logs) = (self.page.take(), self.logs.take());
        let cx = self.cx();
        for (index, place) in screen.panes() {
            match (&mut logs, &mut page) {
                (Some(logs), _) => logs.refresh(place, &cx),
                (None, Some(page)) => page.refresh(place, &cx),
                (None, None) => panes[index].refresh(place, &cx),
            }
        }
        (self.panes, self.page, self.logs) = (panes, page, logs);
        let mut chrome = std::mem::take(&mut self.chrome);
        chrome.prepare(self);
        self.chrome = chrome;
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
        let log = self.logs.as_ref().filter(|logs| logs.is_unfinished()).map(|_| self.now.mono + logs::SOON);
        [overlay, held, planning, log, self.toasts.deadline(), self.writes.deadline()].into_iter().flatten().min()
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
