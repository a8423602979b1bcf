//! Who sits in front of the screen: whoever is at the terminal, or hands that type what they were told to, before a screen that no terminal
//! shows. And who looks over their shoulder.

use crossterm::event::Event;
use ratatui::buffer::Buffer;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// What the terminal, or what stands in its place, hands on.
pub type Typed = io::Result<Event>;

/// A seat; the usual one is at the terminal, and nobody looks.
#[derive(Debug, Default)]
pub struct Seat {
    /// No terminal is taken.
    pub unseen: Option<Unseen>,
    /// Sees each frame.
    pub shown: Option<Shown>,
    /// What stands beside the panes from then on, in a line of its own; empty: nothing.
    pub asides: Option<mpsc::Receiver<String>>,
    /// Every source is asked at once, each time that somebody says so.
    pub ask: Option<Arc<Notify>>,
    /// What happens here is gone with it: no start after this one finds anything of it.
    pub fleeting: bool,
}

/// A screen that no terminal shows, and the keys for it. It is left when nobody can type any more.
#[derive(Debug)]
pub struct Unseen {
    /// Columns and rows.
    pub size: (u16, u16),
    /// What is typed.
    pub typed: mpsc::Receiver<Typed>,
}

/// What is on the screen, for whoever looks.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<(Mutex<Picture>, Condvar)>);

#[derive(Debug, Default)]
struct Picture {
    frames: u64,
    answered: u64,
    /// What every source was asked at this moment or later is on it; monotonic.
    as_of: Duration,
    text: String,
    over: bool,
}

impl Shown {
    /// The screen as lines of text, without trailing blanks.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// Frames painted so far.
    pub fn frames(&self) -> u64 {
        self.lock().frames
    }

    /// Waits until so many keys are answered, each by the frame that shows what it did where it did anything, or so long.
    pub fn wait_answered(&self, keys: u64, limit: Duration) -> bool {
        self.wait_for(limit, |picture| picture.answered >= keys)
    }

    /// Waits until what every source was asked at that moment or later is on it, its failure too where it failed, or so long.
    pub fn wait_as_of(&self, mono: Duration, limit: Duration) -> bool {
        self.wait_for(limit, |picture| picture.as_of >= mono)
    }

    /// Waits until `holds` for the number of frames and the text, the screen is over, or so long; whether it holds.
    pub fn wait(&self, limit: Duration, mut holds: impl FnMut(u64, &str) -> bool) -> bool {
        self.wait_for(limit, |picture| holds(picture.frames, &picture.text))
    }

    fn wait_for(&self, limit: Duration, mut holds: impl FnMut(&Picture) -> bool) -> bool {
        let end = Instant::now() + limit;
        let mut picture = self.lock();
        loop {
            if holds(&picture) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || picture.over {
                return false;
            }
            picture = self.0.1.wait_timeout(picture, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No more frames will come.
    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    /// A frame was painted.
    pub(super) fn tell(&self, buf: &Buffer) {
        let mut picture = self.lock();
        picture.frames += 1;
        picture.text = lines(buf);
        drop(picture);
        self.0.1.notify_all();
    }

    /// So many keys were taken so far, and what they changed is on the screen; as is what every source was asked at that moment or later.
    pub(super) fn settled(&self, keys: u64, as_of: Duration) {
        let mut picture = self.lock();
        if (picture.answered, picture.as_of) != (keys, as_of) {
            (picture.answered, picture.as_of) = (keys, as_of);
            drop(picture);
            self.0.1.notify_all();
        }
    }

    /// Nobody waits for more.
    pub fn end(&self) {
        self.lock().over = true;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Picture> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines(buf: &Buffer) -> String {
    let width = usize::from(buf.area.width).max(1);
    let row = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    };
    buf.content.chunks(width).map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn who_looks_sees_each_frame_as_text() {
        let shown = Shown::default();
        let mut buf = Buffer::empty(Rect { x: 0, y: 0, width: 8, height: 2 });
        buf.set_string(1, 0, "one", Style::default());
        buf.set_string(0, 1, "two", Style::default());
        let teller = shown.clone();
        let told = std::thread::spawn(move || teller.tell(&buf));
        assert!(shown.wait(Duration::from_secs(60), |frames, text| frames == 1 && text == " one\ntwo"));
        told.join().unwrap();
        assert!(!shown.wait_answered(1, Duration::ZERO));
        shown.settled(2, Duration::from_secs(7));
        assert!(shown.wait_answered(1, Duration::ZERO));
        let is_of = |second| shown.wait_as_of(Duration::from_secs(second), Duration::ZERO);
        assert_eq!([is_of(7), is_of(8)], [true, false]);
        shown.end();
        assert!(!shown.wait(Duration::from_secs(60), |frames, _| frames > 1), "nobody waits for what will not come");
    }
}
