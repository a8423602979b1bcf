//! SHOW: one folder per pane. A pane turns what the store knows into rows, and remembers cursor, order and filter.
//!
//! A pane must not know another pane, ask a source, read a clock or act: it answers what is selected, and the app decides.
//! To add a table of things: copy the smallest folder, add a `mod` line and a line in [`PANES`].

pub mod activity;
mod alerting;
pub mod alerts;
pub mod containers;
mod cursor;
pub mod databases;
pub mod events;
mod filtered;
mod grouping;
pub mod groups;
pub mod hands;
pub mod inspect;
mod links;
mod listing;
pub mod locks;
pub mod logs;
pub mod members;
pub mod overview;
pub mod page;
mod postgres;
pub mod processes;
pub mod replication;
pub mod rules;
mod run_page;
pub mod runbooks;
pub mod runs;
pub mod servers;
pub mod sheet;
pub mod silences;
pub mod statistics;
mod table;
pub mod targets;
mod text;
pub mod timeline;
mod top;

pub use alerting::{address_of_alertmanager, alerts_of, alerts_of_alertmanagers, awaits_alertmanager, unheard};
pub use links::{alone, containers_on, every_container, server_called};
pub use page::{Page, PageFlow};
pub use run_page::RunPage;
pub use table::{DataPane, Row, Tabular};

use crate::action::{Action, Motion};
use crate::cx::Cx;
use crate::domain::prose::Block;
use crate::domain::{Inquiry, Severity, Subject, ThingId};
use crate::keymap::Scope;
use crate::theme::Role;
use hands::Hands;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sheet::Sheet;
use std::time::Duration;

/// Every pane, in the order of the screen.
pub const PANES: &[PaneKind] = &[
    servers::KIND,
    containers::KIND,
    alerts::KIND,
    databases::KIND,
    runbooks::KIND,
    runs::KIND,
    timeline::KIND,
    overview::KIND,
    events::KIND,
    processes::KIND,
    inspect::KIND,
    groups::KIND,
    silences::KIND,
    rules::KIND,
    targets::KIND,
    members::KIND,
    locks::KIND,
    replication::KIND,
    activity::KIND,
    statistics::KIND,
];

/// A pane, as a registry line.
#[derive(Clone)]
pub struct PaneKind {
    /// The digit that focuses it, and its place in the title; a page has none.
    pub number: Option<u8>,
    /// Name in titles.
    pub title: &'static str,
    /// One sentence for help.
    pub doc: &'static str,
    /// Where its own keys are bound.
    pub scope: Scope,
    /// The action that focuses it.
    pub action: Action,
    /// What it shows; `None`: nothing that a source reports.
    pub subject: Option<Subject>,
    /// It stands beside the others; else it is a page, which takes the whole screen.
    pub beside: bool,
    /// Makes it.
    pub make: fn() -> Box<dyn Pane>,
}

/// Did the pane take the action?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Done; something may look different.
    Done,
    /// Not for a pane.
    Pass,
}

/// How much room and frame a pane gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub area: Rect,
    /// It has the focus.
    pub focused: bool,
    /// With a frame all around; else only a line with the title above.
    pub framed: bool,
}

impl Place {
    /// The area for content, inside the frame or under the title.
    pub fn inside(&self) -> Rect {
        let Rect { x, y, width, height } = self.area;
        if self.framed {
            Rect { x: x + 1, y: y + 1, width: width.saturating_sub(2), height: height.saturating_sub(2) }
        } else {
            Rect { x, y: y + 1, width, height: height.saturating_sub(1) }
        }
    }
}

/// A pane.
pub trait Pane: Send {
    /// Moves, sorts, opens: what the pane alone decides.
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow;
    /// Formats what is visible; called before a draw when something it shows may have changed. The only place that allocates.
    fn refresh(&mut self, place: Place, cx: &Cx<'_>);
    /// Paints what `refresh` prepared.
    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>);
    /// Brings its rows up to date, so that what is selected is what is known now, though no frame was drawn since.
    fn settle(&mut self, cx: &Cx<'_>);
    /// Rows that it has, seen or not.
    fn rows(&self) -> usize;
    /// Lines that it could fill under its title and headings: its rows, and what it last said around them.
    fn lines(&self) -> usize {
        self.rows()
    }
    /// It has a row for this thing.
    fn has(&self, thing: &ThingId, cx: &Cx<'_>) -> bool;
    /// What the cursor is on.
    fn selected(&self) -> Option<Selected>;
    /// What was painted under the cursor is chosen: from now on the cursor follows it. Before that a table stays at its top, where the
    /// worst is. False: something is chosen already, or there is nothing.
    fn choose(&mut self) -> bool {
        false
    }
    /// Nothing is chosen any more: it goes to its top, and stays there.
    fn let_go(&mut self) {}
    /// It is not on the screen: what was painted there last is not what somebody sees.
    fn unseen(&mut self) {}
    /// Puts the cursor on a thing, now or as soon as it appears; a filter that may hide it is cleared.
    fn select(&mut self, selected: Selected);
    /// Where Enter leads when the row stands for something that is shown elsewhere.
    fn lead(&self) -> Option<Lead> {
        None
    }
    /// Everything about it, as label and text.
    fn details(&self, cx: &Cx<'_>) -> Option<Details>;
    /// For a page that is about one thing of another pane: shows that from now on. Else nothing.
    ///
    /// # Errors
    /// One sentence for people, when it can show nothing of that.
    fn about(&mut self, _selected: Option<&Selected>, _cx: &Cx<'_>) -> Result<(), String> {
        Ok(())
    }
    /// What must be asked for what it shows, as long as somebody looks at it.
    fn asks(&self) -> Option<Inquiry> {
        None
    }
    /// All that it shows, as a text to copy.
    fn text(&self) -> Option<String> {
        None
    }
    /// The line under the cursor of such a text.
    fn line_text(&self) -> Option<String> {
        None
    }
    /// The filter in force.
    fn filter(&self) -> &str;
    /// What was typed of a filter, with the name of a field at its end completed; `None`: there is nothing to add.
    fn completed(&self, _typed: &str) -> Option<String> {
        None
    }
    /// What may be typed as a filter, or what is wrong with what was.
    fn filter_hint(&self) -> &str;
    /// Sets the filter.
    fn set_filter(&mut self, text: &str);
    /// What menus may do to it, if it is a table.
    fn hands(&mut self) -> Option<&mut dyn Hands> {
        None
    }
}

/// The thing under the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its identity.
    pub id: ThingId,
    /// Its name, for people.
    pub name: String,
    /// Whether it can be acted on.
    pub presence: Presence,
}

impl Selected {
    /// A thing that is there.
    pub fn here(id: ThingId, name: String) -> Self {
        Self { id, name, presence: Presence::Here }
    }
}

/// What has become of the thing that the cursor was put on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It stands under the cursor.
    #[default]
    Here,
    /// It vanished from under the cursor and the cursor has not been moved since: not to be acted on.
    Gone,
    /// It is there, but does not pass the filter any more: not to be acted on, for nobody sees it.
    Hidden,
}

/// Where a row leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// To the page of a thing.
    Thing(Link),
    /// To the pane about this.
    Pane(Subject),
}

/// Everything about one thing: what its page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// What it is.
    pub title: String,
    /// Why it may not be so any more: its source fails or hangs; `None` when it can be trusted.
    pub stale: Option<String>,
    /// One under the other.
    pub sections: Vec<Section>,
}

impl Details {
    /// Its facts, label and text.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        let facts = self.sections.iter().filter_map(|section| match section {
            Section::Facts(facts) => Some(facts.iter().map(|(label, text)| (label.as_str(), text.as_str())).collect()),
            Section::Text { title, text } => Some(vec![(title.as_str(), text.as_str())]),
            Section::Chart(_) | Section::Links { .. } | Section::Lines { .. } | Section::Prose { .. } => None,
        });
        facts.flatten()
    }

    /// All that can be written: facts, texts, and what belongs to it.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet { title: self.title.clone(), ..Sheet::default() };
        sheet.headings = vec!["FACT".to_owned(), "VALUE".to_owned()];
        sheet.right = vec![false, false];
        let stale = self.stale.iter().map(|why| ("not certain", why.as_str()));
        for (label, text) in stale.chain(self.facts()) {
            sheet.push_fact(label, text);
        }
        for section in &self.sections {
            match section {
                Section::Links { title, links } => {
                    for link in links {
                        sheet.push_fact(title, &format!("{}  {}", link.name, link.text));
                    }
                }
                Section::Lines { title, lines, .. } => {
                    for (_, line) in lines {
                        sheet.push_fact(title, line);
                    }
                }
                Section::Prose { title, blocks } => {
                    let text: Vec<String> = blocks.iter().map(Block::text).collect();
                    sheet.push_fact(title, &text.join("\n"));
                }
                Section::Facts(_) | Section::Text { .. } | Section::Chart(_) => {}
            }
        }
        sheet
    }
}

/// A part of a thing's page.
#[derive(Clone, Debug, PartialEq)]
pub enum Section {
    /// Label and text; the text may have several lines.
    Facts(Vec<(String, String)>),
    /// A text of its own under a heading: a query, what a probe printed.
    Text {
        /// Heading.
        title: String,
        /// As it came; it is sanitised and wrapped when it is drawn.
        text: String,
    },
    /// What somebody wrote for people, under a heading.
    Prose {
        /// Heading.
        title: String,
        /// In order.
        blocks: Vec<Block>,
    },
    /// Lines as they are, a table: what does not fit is cut, and nothing is wrapped.
    Lines {
        /// Heading.
        title: String,
        /// What to know of them, or why there are none; empty when there is nothing to say.
        note: String,
        /// In the order shown.
        lines: Vec<(Role, String)>,
        /// A question that must be asked for them: the app does as long as the page is open.
        asks: Option<Inquiry>,
    },
    /// A figure over time.
    Chart(Chart),
    /// Things that belong to it; Enter goes there.
    Links {
        /// Heading.
        title: String,
        /// In the order shown.
        links: Vec<Link>,
    },
}

/// A figure over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What it is, with its unit.
    pub title: String,
    /// Oldest first, at even distances; a gap is NaN.
    pub points: Vec<f64>,
    /// How long ago the first point was; zero when not known.
    pub span: Duration,
    /// How a value is written.
    pub unit: Unit,
    /// Top of the scale; `None`: the largest point.
    pub top: Option<f64>,
    /// A line across, where a limit is.
    pub limit: Option<f64>,
    /// Why there are no points, or what to know about them; empty when there is nothing to say.
    pub note: String,
    /// A question that must be asked for its points: the app does when the page is opened, and now and then.
    pub asks: Option<Inquiry>,
}

/// How a chart's values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    #[default]
    Number,
    /// A number of things: whole.
    Count,
    /// 1.0 is 100 %.
    Ratio,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    ByteRate,
    /// Seconds.
    Seconds,
}

/// Another thing, one Enter away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub to: ThingId,
    /// What it is about.
    pub subject: Subject,
    /// Its name for people.
    pub name: String,
    /// Its state in a few words.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Link {
    /// What it leads to, in a word.
    pub fn kind(&self) -> &'static str {
        /// The kinds of entries, as their keys begin.
        const ENTRIES: [&str; 4] = ["rule", "silence", "target", "event"];
        let subject = self.subject.word().trim_end_matches('s');
        match &self.to {
            ThingId::Entry { key, .. } => {
                let kind = key.split('/').next();
                ENTRIES.into_iter().find(|known| Some(*known) == kind).unwrap_or(subject)
            }
            ThingId::Process { .. } => "process",
            ThingId::Run(_) => "run",
            ThingId::Runbook(_) => "runbook",
            ThingId::Server { .. } | ThingId::Container { .. } | ThingId::Alert { .. } | ThingId::Session { .. } => {
                subject
            }
        }
    }
}
