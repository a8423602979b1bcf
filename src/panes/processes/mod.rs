//! All processes of one server: who uses its cores and its memory, and what can't be killed.
//!
//! They are read when this page is open, and only then. The cursor follows a process by pid and start.

use super::cursor::Cursor;
use super::table::draw_frame;
use super::{Details, Flow, Link, Pane, PaneKind, Place, Presence, Section, Selected, top};
use crate::action::Action;
use crate::cx::Cx;
use crate::domain::{Inquiry, Process, Processes, Severity, SourceId, Subject, ThingId, text};
use crate::keymap::Scope;
use crate::theme::Role;
use crate::widgets::filter::Filter;
use crate::widgets::grid::{Column, Look, RowLook, Slot, Window, place};
use crate::widgets::{canvas, figure, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

/// Registry line.
pub const KIND: PaneKind = PaneKind {
    number: None,
    title: "Processes",
    doc: "the processes of one server: CPU, memory, state, age, whose they are, how they were started",
    scope: Scope::Servers,
    action: Action::Processes,
    subject: None,
    beside: false,
    make: || Box::new(ProcessesPane::default()),
};

const PID: usize = 0;
const USER: usize = 1;
const STATE: usize = 2;
const CPU: usize = 3;
const MEMORY: usize = 4;
const AGE: usize = 5;
const THREADS: usize = 6;

const COLUMNS: &[Column] = &[
    Column::figure("PID", 7, 9),
    Column::text("USER", 10, 1, 6),
    Column::text("STATE", 14, 0, 7),
    Column::figure("CPU", 6, 9),
    Column::figure("MEM", 6, 9),
    Column::figure("AGE", 5, 5),
    Column::figure("THREADS", 7, 3),
    Column::text("COMMAND", 24, 9, 9),
];

/// The page.
#[derive(Default)]
pub struct ProcessesPane {
    /// Who reads them, and the server's name.
    of: Option<(SourceId, String)>,
    /// The last good answer.
    found: Option<Arc<Processes>>,
    /// It is not what is so now: the newest question failed.
    stale: bool,
    order: Vec<usize>,
    cursor: Cursor,
    selected: Option<Selected>,
    /// Somebody chose the selected process: from then on the cursor follows it.
    chosen: bool,
    /// What stood under the cursor on the screen, as long as nothing was chosen.
    painted: Option<Selected>,
    sort: Option<usize>,
    reverse: bool,
    filter_text: String,
    filter: Filter,
    slots: Vec<Slot>,
    window: Window,
    notes: Vec<(Role, String)>,
    title: String,
    scratch: String,
    arranged_for: Option<Arranged>,
}

/// What the order depends on: when none of it changed, the rows stand as they stood.
#[derive(PartialEq)]
struct Arranged {
    found: usize,
    sort: Option<usize>,
    reverse: bool,
    filter: Filter,
}

impl ProcessesPane {
    fn turn_to(&mut self, source: &SourceId, server: &str) {
        if self.of.as_ref().is_none_or(|(of, _)| of != source) {
            *self = Self { slots: std::mem::take(&mut self.slots), ..Self::default() };
        }
        self.of = Some((source.clone(), server.to_owned()));
    }

    /// Takes the newest answer, and brings the rows in order.
    fn arrange(&mut self, cx: &Cx<'_>) {
        let answer = self.asks().and_then(|asks| top::found(&asks, cx));
        self.stale = matches!(answer, Some(Err(_)));
        if let Some(Ok(found)) = answer {
            self.found = Some(Arc::clone(found));
        }
        let key = Arranged {
            found: self.found.as_ref().map_or(0, |found| Arc::as_ptr(found).addr()),
            sort: self.sort,
            reverse: self.reverse,
            filter: self.filter.clone(),
        };
        if self.arranged_for.as_ref() == Some(&key) {
            return;
        }
        let refiltered = self.arranged_for.as_ref().is_some_and(|before| before.filter != key.filter);
        self.arranged_for = Some(key);
        self.order();
        self.follow(refiltered);
    }

    fn order(&mut self) {
        self.order.clear();
        let Some(found) = &self.found else { return };
        let list = &found.list;
        let passes = |process: &Process| self.filter.is_empty() || self.filter.passes(&haystack(process));
        self.order.extend((0..list.len()).filter(|at| passes(&list[*at])));
        if let Some(column) = self.sort {
            // Stable: those that are equal stand as they were found, the busiest first.
            self.order.sort_by(|a, b| {
                let by = compare(column, &list[*a], &list[*b]);
                if self.reverse { by.reverse() } else { by }
            });
        } else if self.reverse {
            self.order.reverse();
        }
    }

    /// As long as nobody chose a row it stays at the top, where the busiest is. A process that ended leaves it where it was, and
    /// what is there now is not selected until it is moved.
    fn follow(&mut self, refiltered: bool) {
        let wanted = self.selected.as_ref().map(|selected| selected.id.clone()).filter(|_| self.chosen);
        let Some(wanted) = wanted else {
            self.cursor.go(0, self.order.len());
            return self.take();
        };
        let at = (0..self.order.len()).find(|at| self.row(*at).is_some_and(|process| self.is(process, &wanted)));
        match (at, &mut self.selected) {
            (Some(at), Some(selected)) => {
                selected.presence = Presence::Here;
                self.cursor.go(at, self.order.len());
            }
            (None, _) if refiltered && !self.order.is_empty() => {
                self.cursor.go(0, self.order.len());
                self.take();
            }
            (None, Some(selected)) => {
                let list = self.found.as_ref().map_or(&[][..], |found| &found.list);
                let there = list.iter().any(|process| is(process, self.of.as_ref(), &wanted));
                selected.presence = if there { Presence::Hidden } else { Presence::Gone };
                self.cursor.go(self.cursor.at(), self.order.len());
            }
            (_, None) => {}
        }
    }

    fn is(&self, process: &Process, id: &ThingId) -> bool {
        is(process, self.of.as_ref(), id)
    }

    fn row(&self, at: usize) -> Option<&Process> {
        self.found.as_ref()?.list.get(*self.order.get(at)?)
    }

    /// The process under the cursor becomes the selected one.
    fn take(&mut self) {
        let taken = self.of.as_ref().zip(self.row(self.cursor.at())).map(|((source, server), process)| {
            let id = ThingId::Process { source: source.clone(), pid: process.pid, started: process.started };
            let name = text::clean(&process.name);
            Selected::here(id, format!("{name} (pid {}) on {server}", process.pid))
        });
        self.selected = taken;
    }

    fn turn(&mut self) {
        self.sort = match self.sort {
            None => self.slots.first().map(|slot| slot.column),
            Some(column) => self.slots.iter().map(|slot| slot.column).find(|next| *next > column),
        };
        self.reverse = self.sort.is_some_and(|column| COLUMNS[column].right && column != PID);
    }

    fn head(&mut self) {
        self.title.clear();
        let server = self.of.as_ref().map_or("", |(_, server)| server.as_str());
        let _ = write!(self.title, "{} of {}", KIND.title, text::clean(server));
        if let Some(found) = &self.found {
            self.title.push_str("  ");
            top::summary(found, &mut self.title);
        }
        if !self.filter_text.is_empty() {
            let _ = write!(self.title, "  /{}: {}", text::typed(&self.filter_text), self.order.len());
        }
    }

    /// What is not known, and why.
    fn tell(&mut self, width: usize, cx: &Cx<'_>) {
        self.notes.clear();
        let Some(asks) = self.asks() else { return };
        let answer = top::found(&asks, cx);
        let mut told: Vec<(Role, String)> = match &answer {
            None => vec![(Role::Muted, "reading them …".to_owned())],
            Some(Err(error)) => vec![(Role::SeverityCritical, format!("▲ {}", top::failed(error)))],
            Some(Ok(_)) => Vec::new(),
        };
        let notes = top::notes(&asks, answer.and_then(Result::ok).map(|found| &**found), cx);
        told.extend(notes.into_iter().map(|note| (Role::Muted, format!("· {note}"))));
        if let (true, Some(found)) = (self.order.is_empty() && !self.filter.is_empty(), &self.found) {
            let note = format!(
                "none of {} passes the filter /{} (Esc clears it)",
                found.list.len(),
                text::typed(&self.filter_text)
            );
            told.push((Role::Muted, note));
        }
        let mut lines = Vec::new();
        for (role, note) in told {
            wrap::lines(&mut lines, &note, width, 2);
            self.notes.extend(lines.drain(..).map(|line| (role, line)));
        }
    }

    fn fill(&mut self, height: usize) {
        let rows = self.cursor.window(height, self.order.len());
        let Some(found) = &self.found else { return self.window.clear() };
        self.window.clear();
        for index in &self.order[rows] {
            let process = &found.list[*index];
            self.window.row(RowLook { severity: process.judge(), stale: self.stale, ..RowLook::default() });
            for slot in &self.slots {
                self.window.cell(&mut self.scratch, |out| cell(slot.column, process, out));
            }
        }
    }

    /// What is left for the table above the notes.
    fn body(&self, inside: Rect) -> Rect {
        let notes = (self.notes.len() as u16).min(inside.height / 2);
        Rect { height: inside.height - notes, ..inside }
    }
}

fn is(process: &Process, of: Option<&(SourceId, String)>, id: &ThingId) -> bool {
    let ThingId::Process { source, pid, started } = id else { return false };
    of.is_some_and(|(of, _)| of == source) && (process.pid, process.started) == (*pid, *started)
}

fn haystack(process: &Process) -> String {
    let mut text = format!("{} {} {} {} ", process.pid, process.user, process.word(), process.name);
    process.push_command(&mut text);
    text.to_lowercase()
}

fn compare(column: usize, a: &Process, b: &Process) -> Ordering {
    match column {
        PID => a.pid.cmp(&b.pid),
        USER => a.user.cmp(&b.user),
        STATE => a.word().cmp(b.word()),
        CPU => a.cpu.unwrap_or(-1.0).total_cmp(&b.cpu.unwrap_or(-1.0)),
        MEMORY => a.memory.cmp(&b.memory),
        AGE => a.age.cmp(&b.age),
        THREADS => a.threads.cmp(&b.threads),
        _ => a.command.as_ref().unwrap_or(&a.name).cmp(b.command.as_ref().unwrap_or(&b.name)),
    }
}

fn cell(column: usize, process: &Process, out: &mut String) -> Role {
    match column {
        PID => {
            let _ = write!(out, "{}", process.pid);
            Role::Text
        }
        USER => {
            out.push_str(&process.user);
            Role::Muted
        }
        STATE => {
            let _ = write!(out, "{} {}", process.state, process.word());
            if process.judge() >= Severity::Warning { process.judge().into() } else { Role::Muted }
        }
        CPU => {
            top::cpu(process, out);
            Role::Text
        }
        MEMORY => {
            top::memory(process, out);
            Role::Text
        }
        AGE => {
            figure::age(out, process.age);
            Role::Muted
        }
        THREADS => {
            let _ = write!(out, "{}", process.threads);
            Role::Muted
        }
        _ => {
            process.push_short(out);
            if process.command.is_some() { Role::Text } else { Role::Muted }
        }
    }
}

impl Pane for ProcessesPane {
    fn act(&mut self, action: &Action, cx: &Cx<'_>) -> Flow {
        self.arrange(cx);
        match (action, action.motion()) {
            (_, Some(motion)) => {
                self.cursor.travel(motion, self.order.len());
                self.take();
                self.chosen = self.selected.is_some();
            }
            (Action::Sort, _) => self.turn(),
            (Action::Reverse, _) => self.reverse = !self.reverse,
            _ => return Flow::Pass,
        }
        Flow::Done
    }

    fn refresh(&mut self, at: Place, cx: &Cx<'_>) {
        self.arrange(cx);
        let inside = at.inside();
        self.tell(usize::from(inside.width.saturating_sub(1)), cx);
        place(COLUMNS, 0..COLUMNS.len(), |_| true, inside.width, &mut self.slots);
        self.fill(usize::from(self.body(inside).height.saturating_sub(1)));
        self.head();
        if !self.chosen && self.painted != self.selected {
            self.painted.clone_from(&self.selected);
        }
    }

    fn choose(&mut self) -> bool {
        let meant = self.painted.take().or_else(|| self.selected.clone());
        if self.chosen || meant.is_none() {
            return false;
        }
        (self.selected, self.chosen, self.arranged_for) = (meant, true, None);
        true
    }

    fn let_go(&mut self) {
        (self.chosen, self.arranged_for) = (false, None);
    }

    fn unseen(&mut self) {
        self.painted = None;
    }

    fn draw(&self, place: Place, buf: &mut Buffer, cx: &Cx<'_>) {
        let border = if cx.guarded { Role::BorderGuarded } else { Role::BorderFocused };
        draw_frame(place, buf, (cx.style(border), cx.style(Role::TitleFocused)), &self.title, 0);
        let inside = place.inside();
        let table = self.body(inside);
        let here = self.selected.as_ref().is_some_and(|selected| selected.presence == Presence::Here);
        let look = Look {
            columns: COLUMNS,
            titles: &[],
            slots: &self.slots,
            sorted: self.sort.map(|column| (column, self.reverse)),
            selected: (here && !self.order.is_empty()).then(|| self.cursor.shown()),
            focused: place.focused,
            headings: !self.order.is_empty(),
        };
        self.window.draw(table, buf, cx.theme, &look);
        let top = if self.order.is_empty() { inside.y } else { table.bottom() };
        for ((role, line), y) in self.notes.iter().zip(top..inside.bottom()) {
            canvas::put(buf, (inside.x, y), line, inside.width, cx.style(*role));
        }
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        self.arrange(cx);
    }

    fn rows(&self) -> usize {
        self.order.len()
    }

    fn has(&self, thing: &ThingId, _: &Cx<'_>) -> bool {
        let list = self.found.as_ref().map_or(&[][..], |found| &found.list);
        list.iter().any(|process| self.is(process, thing))
    }

    fn selected(&self) -> Option<Selected> {
        self.selected.clone()
    }

    fn select(&mut self, selected: Selected) {
        let ThingId::Process { source, .. } = &selected.id else { return };
        let server = selected.name.rsplit_once(" on ").map_or("", |(_, server)| server).to_owned();
        self.turn_to(&source.clone(), &server);
        self.set_filter("");
        self.chosen = true;
        self.selected = Some(selected);
        self.arranged_for = None;
    }

    fn details(&self, cx: &Cx<'_>) -> Option<Details> {
        let selected = self.selected.as_ref().filter(|selected| selected.presence == Presence::Here)?;
        let process = self.row(self.cursor.at())?;
        let found = self.found.as_ref()?;
        let parent = found.list.iter().find(|other| other.pid == process.parent);
        let mut sections = vec![Section::Facts(top::facts(process, parent, cx.now))];
        sections.extend(self.of.as_ref().and_then(|(_, server)| link(server, cx)));
        let stale = self.stale.then(|| "its server does not tell its processes any more".to_owned());
        Some(Details { title: selected.name.clone(), stale, sections })
    }

    fn about(&mut self, selected: Option<&Selected>, cx: &Cx<'_>) -> Result<(), String> {
        match selected.map(|selected| &selected.id) {
            Some(ThingId::Server { name }) => {
                let found = cx.store.server(name).and_then(|(feed, row)| row.reads_processes(feed));
                let source = found.ok_or_else(|| format!("of {name} nothing is known: {}", top::NOBODY))?.clone();
                self.turn_to(&source, name);
                Ok(())
            }
            Some(ThingId::Process { .. }) if self.of.is_some() => Ok(()),
            Some(
                ThingId::Container { .. }
                | ThingId::Alert { .. }
                | ThingId::Session { .. }
                | ThingId::Process { .. }
                | ThingId::Entry { .. }
                | ThingId::Run(_)
                | ThingId::Runbook(_),
            )
            | None => Err("put the cursor on a server first: its processes are shown".to_owned()),
        }
    }

    fn asks(&self) -> Option<Inquiry> {
        self.of.as_ref().map(|(source, _)| Inquiry::Processes { source: source.clone() })
    }

    fn filter(&self) -> &str {
        &self.filter_text
    }

    fn filter_hint(&self) -> &'static str {
        "words, !not"
    }

    fn set_filter(&mut self, text: &str) {
        text.clone_into(&mut self.filter_text);
        self.painted = None;
        self.filter = Filter::parse(text, false, &[]);
    }
}

fn link(server: &str, cx: &Cx<'_>) -> Option<Section> {
    let (_, row) = cx.store.server(server)?;
    let (severity, what) = row.judge(cx.limits);
    let link = Link {
        to: ThingId::Server { name: server.into() },
        subject: Subject::Servers,
        name: server.to_owned(),
        text: format!("{} {what}", severity.word()),
        severity,
    };
    Some(Section::Links { title: "server".to_owned(), links: vec![link] })
}
