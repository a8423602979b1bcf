//! Size to rectangles: pure. And the words of the header, prepared before each draw.

use super::{IncidentLine, State};
use crate::panes::{PANES, Place};
use crate::store::{Feed, Health};
use crate::widgets::feeds;
use ratatui::layout::Rect;
use std::time::Duration;

/// Below this many columns and rows the screen only says that it needs more room.
pub const MIN_SIZE: (u16, u16) = (80, 24);

/// From this size on the panes stand two by two; below, one above the other, the focused one largest.
const SIDE_BY_SIDE: (u16, u16) = (120, 30);

/// Rows of a pane without focus when they stand one above the other, which it gives away only as far as it has nothing to show
/// there: title, and the worst rows.
const FOLDED: u16 = 4;
/// Rows of the focused one then, at least: title, headings, and three rows.
const OPEN: u16 = 5;
/// How long a pane keeps room for what it had: what comes and goes each second must not move all others.
const KEPT: Duration = Duration::from_secs(30);

/// What each pane could fill, lines under its headings. Grows at once, shrinks late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants([Want; PANES.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct Want {
    lines: u16,
    /// From then on it may be less; monotonic.
    until: Duration,
}

impl Wants {
    /// Takes in what a pane could fill now; true when that changes anything. Before every source has answered nothing is kept.
    pub fn note(&mut self, index: usize, lines: usize, now: Duration, settled: bool) -> bool {
        let lines = u16::try_from(lines).unwrap_or(u16::MAX);
        let want = &mut self.0[index];
        let before = want.lines;
        if lines >= want.lines || now >= want.until {
            *want = Want { lines, until: if settled { now + KEPT } else { now } };
        }
        want.lines != before
    }

    /// For tests: all alike.
    #[cfg(test)]
    fn all(lines: u16) -> Self {
        Self([Want { lines, until: Duration::ZERO }; PANES.len()])
    }

    /// Height with title and, from four lines on, headings.
    fn open(&self, index: usize) -> u16 {
        match self.0[index].lines {
            lines @ 0..3 => lines.max(1) + 1,
            lines => lines.saturating_add(2),
        }
    }
}

/// Where everything stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The terminal is too small for anything but saying so.
    pub too_small: bool,
    /// Header: one line, two where it is narrow.
    pub header: Rect,
    /// The open incident and its clocks; no height when there is none.
    pub incident: Rect,
    /// What whoever started the screen says; no height when that is nothing.
    pub aside: Rect,
    /// What is being done; no height when nothing is.
    pub banner: Rect,
    /// Key hints.
    pub footer: Rect,
    places: [Option<Place>; PANES.len()],
}

impl Screen {
    /// The visible panes: index and place.
    pub fn panes(self) -> impl Iterator<Item = (usize, Place)> {
        self.places.into_iter().enumerate().filter_map(|(index, place)| Some((index, place?)))
    }
}

/// Lays the screen out; `aside_rows` is how many lines the aside takes. Panes beside each other give what they can't fill to those that are cut.
pub(super) fn layout(
    (width, height): (u16, u16),
    focus: usize,
    zoom: bool,
    (banner, incident, aside_rows): (bool, bool, u16),
    wants: &Wants,
) -> Screen {
    let header_rows = if width < SIDE_BY_SIDE.0 { 2 } else { 1 };
    let header = Rect { x: 0, y: 0, width, height: header_rows };
    let incident = Rect { x: 0, y: header_rows, width, height: u16::from(incident) };
    let top = incident.bottom();
    let footer = Rect { x: 0, y: height.saturating_sub(1), width, height: 1 };
    let banner_rows = u16::from(banner);
    let banner = Rect { x: 0, y: footer.y.saturating_sub(banner_rows), width, height: banner_rows };
    let aside = Rect { x: 0, y: banner.y.saturating_sub(aside_rows), width, height: aside_rows };
    let body = Rect { x: 0, y: top, width, height: aside.y.saturating_sub(top) };
    let mut places = [None; PANES.len()];
    let alone = zoom || !PANES[focus].beside;
    if alone {
        places[focus] = Some(Place { area: body, focused: true, framed: true });
    } else if width >= SIDE_BY_SIDE.0 && height >= SIDE_BY_SIDE.1 {
        two_by_two(body, focus, wants, &mut places);
    } else {
        stacked(body, focus, wants, &mut places);
    }
    let too_small = width < MIN_SIZE.0 || height < MIN_SIZE.1;
    Screen { too_small, header, incident, aside, banner, footer, places }
}

fn tables() -> impl Iterator<Item = usize> {
    PANES.iter().enumerate().filter(|(_, kind)| kind.beside).map(|(index, _)| index)
}

fn two_by_two(body: Rect, focus: usize, wants: &Wants, places: &mut [Option<Place>]) {
    let left = body.width / 2;
    // A frame has a line more than a title.
    let row = |row: usize| tables().skip(row * 2).take(2).map(|index| wants.open(index) + 1).max().unwrap_or(0);
    let top = upper(body.height, row(0), row(1));
    for (cell, index) in tables().enumerate() {
        let (column, row) = (cell as u16 % 2, cell as u16 / 2);
        let area = Rect {
            x: body.x + column * left,
            y: body.y + row * top,
            width: if column == 0 { left } else { body.width - left },
            height: if row == 0 { top } else { body.height - top },
        };
        places[index] = Some(Place { area, focused: index == focus, framed: true });
    }
}

/// The height of the upper of two rows: half, unless one is cut and the other has room to give. A quarter stays in any case.
fn upper(height: u16, upper: u16, lower: u16) -> u16 {
    let half = height / 2;
    let (upper, lower) = (upper.max(height / 4), lower.max(height / 4));
    if upper > half && lower < height - half {
        upper.min(height - lower)
    } else if lower > height - half && upper < half {
        height - lower.min(height - upper)
    } else {
        half
    }
}

fn stacked(body: Rect, focus: usize, wants: &Wants, places: &mut [Option<Place>]) {
    let folded = (body.height / 6).max(FOLDED);
    let others = || tables().filter(move |index| *index != focus);
    let mut heights = [0; PANES.len()];
    for index in others() {
        heights[index] = wants.open(index).min(folded);
    }
    heights[focus] = OPEN;
    let mut left = body.height.saturating_sub(heights.iter().sum());
    // Who looks at a pane sees it first; then the others, line by line, so that none gets it all.
    let more = wants.open(focus).saturating_sub(OPEN).min(left);
    heights[focus] += more;
    left -= more;
    while let Some(index) =
        others().filter(|index| left > 0 && heights[*index] < wants.open(*index)).min_by_key(|index| heights[*index])
    {
        heights[index] += 1;
        left -= 1;
    }
    heights[focus] += left;
    let mut y = body.y;
    for index in tables() {
        let area = Rect { x: body.x, y, width: body.width, height: heights[index] };
        places[index] = Some(Place { area, focused: index == focus, framed: false });
        y += heights[index];
    }
}

/// The header's words.
#[derive(Clone, Debug, Default)]
pub struct Chrome {
    /// UTC clock.
    pub clock: String,
    /// Each source with its age or failure; the flag says that it is bad. Those that failed first, then those that hang.
    pub sources: Vec<(bool, String)>,
    /// How many of `sources` are in use: the strings after them are kept for their memory.
    pub count: usize,
    /// The open incident and its clocks.
    pub incident: Option<IncidentLine>,
}

impl Chrome {
    pub(super) fn prepare(&mut self, state: &State) {
        use std::fmt::Write;
        self.clock.clear();
        let _ = write!(self.clock, "{}", state.seen().wall.strftime("%H:%M:%SZ"));
        self.count = 0;
        self.incident = state.incident_line();
        let cx = state.cx();
        // One that failed is known to be broken; one that hangs may only be late.
        let rank = |feed: &Feed| match feed.health(cx.now) {
            Health::Failed => 0,
            Health::Stale => 1,
            Health::Waiting | Health::Fresh => 2,
        };
        let feeds = || cx.store.feeds().iter();
        for feed in (0..=2).flat_map(|wanted| feeds().filter(move |feed| rank(feed) == wanted)) {
            if self.sources.len() == self.count {
                self.sources.push((false, String::new()));
            }
            let (bad, text) = &mut self.sources[self.count];
            text.clear();
            feeds::full_label(feed, cx.store, text);
            text.push(' ');
            *bad = feeds::age(feed, cx.now, text);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_never_overlap_and_fill_the_body() {
        for size in [(80, 24), (119, 50), (120, 30), (160, 45), (240, 70), (500, 24)] {
            for focus in 0..PANES.len() {
                for (zoom, lines) in [(false, 0), (false, 3), (false, 60), (true, 60)] {
                    let screen = layout(size, focus, zoom, (true, false, 0), &Wants::all(lines));
                    let areas: Vec<Rect> = screen.panes().map(|(_, place)| place.area).collect();
                    let cells: u32 = areas.iter().map(|area| area.area()).sum();
                    let body = u32::from(size.1 - screen.header.height - 2) * u32::from(size.0);
                    assert_eq!(cells, body, "{size:?} focus {focus} zoom {zoom} lines {lines}");
                    for (index, area) in areas.iter().enumerate() {
                        assert!(areas[..index].iter().all(|other| !other.intersects(*area)));
                    }
                }
            }
        }
    }

    #[test]
    fn below_the_minimum_it_says_so() {
        assert!(layout((79, 24), 0, false, (false, false, 0), &Wants::default()).too_small);
        assert!(layout((80, 23), 0, false, (false, false, 0), &Wants::default()).too_small);
        assert!(!layout((80, 24), 0, false, (false, false, 0), &Wants::default()).too_small);
    }

    fn heights(size: (u16, u16), lines: [usize; 4]) -> Vec<u16> {
        let mut wants = Wants::default();
        for (index, lines) in tables().zip(lines) {
            wants.note(index, lines, Duration::ZERO, true);
        }
        layout(size, 0, false, (false, false, 0), &wants).panes().map(|(_, place)| place.area.height).collect()
    }

    #[test]
    fn panes_give_each_other_what_they_cannot_fill() {
        assert_eq!(heights((80, 24), [1, 20, 2, 1]), [5, 11, 3, 2]);
        assert_eq!(heights((80, 24), [50, 50, 50, 50]), [9, 4, 4, 4], "the focused one first");
        assert_eq!(heights((80, 24), [1, 1, 1, 1]), [15, 2, 2, 2], "what nobody needs is the focused one's");
        assert_eq!(heights((80, 24), [1, 20, 20, 1]), [5, 7, 7, 2]);
        assert_eq!(heights((160, 45), [1, 20, 2, 1]), [23, 23, 20, 20]);
        assert_eq!(heights((160, 45), [1, 1, 60, 1]), [10, 10, 33, 33]);
        assert_eq!(heights((160, 45), [50, 50, 50, 50]), [21, 21, 22, 22]);
    }

    #[test]
    fn what_comes_and_goes_keeps_its_room_for_a_while() {
        let mut wants = Wants::default();
        assert!(wants.note(3, 9, Duration::ZERO, false));
        assert!(wants.note(3, 5, Duration::ZERO, true), "that sources are waited for is no reason");
        assert!(!wants.note(3, 1, KEPT / 2, true));
        assert!(wants.note(3, 1, KEPT, true));
        assert!(wants.note(3, 2, KEPT, true), "what is more is shown at once");
    }
}
