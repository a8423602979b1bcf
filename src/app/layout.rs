//! Size to rectangles: pure. And the words of the header, prepared before each draw.

use super::State;
use crate::panes::{PANES, Place};
use crate::store::{Feed, Health};
use crate::widgets::feeds;
use ratatui::layout::Rect;

/// Below this many columns and rows the screen only says that it needs more room.
pub const MIN_SIZE: (u16, u16) = (80, 24);

/// From this size on the panes stand two by two; below, one above the other, the focused one largest.
const SIDE_BY_SIDE: (u16, u16) = (120, 30);

/// Rows of a pane without focus when they stand one above the other, at least: title, and the worst rows.
const FOLDED: u16 = 4;

/// Where everything stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The terminal is too small for anything but saying so.
    pub too_small: bool,
    /// Header: one line, two where it is narrow.
    pub header: Rect,
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

/// Lays the screen out.
pub fn layout((width, height): (u16, u16), focus: usize, zoom: bool, banner: bool) -> Screen {
    let header_rows = if width < SIDE_BY_SIDE.0 { 2 } else { 1 };
    let header = Rect { x: 0, y: 0, width, height: header_rows };
    let footer = Rect { x: 0, y: height.saturating_sub(1), width, height: 1 };
    let banner_rows = u16::from(banner);
    let banner = Rect { x: 0, y: footer.y.saturating_sub(banner_rows), width, height: banner_rows };
    let body = Rect { x: 0, y: header_rows, width, height: banner.y.saturating_sub(header_rows) };
    let mut places = [None; PANES.len()];
    let alone = zoom || !PANES[focus].beside;
    if alone {
        places[focus] = Some(Place { area: body, focused: true, framed: true });
    } else if width >= SIDE_BY_SIDE.0 && height >= SIDE_BY_SIDE.1 {
        two_by_two(body, focus, &mut places);
    } else {
        stacked(body, focus, &mut places);
    }
    let too_small = width < MIN_SIZE.0 || height < MIN_SIZE.1;
    Screen { too_small, header, banner, footer, places }
}

fn tables() -> impl Iterator<Item = usize> {
    PANES.iter().enumerate().filter(|(_, kind)| kind.beside).map(|(index, _)| index)
}

fn two_by_two(body: Rect, focus: usize, places: &mut [Option<Place>]) {
    let (left, top) = (body.width / 2, body.height / 2);
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

fn stacked(body: Rect, focus: usize, places: &mut [Option<Place>]) {
    let others = tables().filter(|index| *index != focus).count() as u16;
    let folded = (body.height / 6).max(FOLDED);
    let large = body.height.saturating_sub(others * folded);
    let mut y = body.y;
    for index in tables() {
        let height = if index == focus { large } else { folded };
        let area = Rect { x: body.x, y, width: body.width, height };
        places[index] = Some(Place { area, focused: index == focus, framed: false });
        y += height;
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
}

impl Chrome {
    pub(super) fn prepare(&mut self, state: &State) {
        use std::fmt::Write;
        self.clock.clear();
        let _ = write!(self.clock, "{}", state.seen().wall.strftime("%H:%M:%SZ"));
        self.count = 0;
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
                for zoom in [false, true] {
                    let screen = layout(size, focus, zoom, true);
                    let areas: Vec<Rect> = screen.panes().map(|(_, place)| place.area).collect();
                    let cells: u32 = areas.iter().map(|area| area.area()).sum();
                    let body = u32::from(size.1 - screen.header.height - 2) * u32::from(size.0);
                    assert_eq!(cells, body, "{size:?} focus {focus} zoom {zoom}");
                    for (index, area) in areas.iter().enumerate() {
                        assert!(areas[..index].iter().all(|other| !other.intersects(*area)));
                    }
                }
            }
        }
    }

    #[test]
    fn below_the_minimum_it_says_so() {
        assert!(layout((79, 24), 0, false, false).too_small);
        assert!(layout((80, 23), 0, false, false).too_small);
        assert!(!layout((80, 24), 0, false, false).too_small);
    }
}
