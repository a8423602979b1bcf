//! What stands beside the panes of a drill, kept up to date: it follows what the screen shows and what has happened.

use crate::drill::guide::Guide;
use crate::drill::stage::Shared;
use crate::runtime::seat::{Seat, Shown};
use std::thread::spawn;
use std::time::Duration;
use tokio::sync::mpsc;

/// Looked at this often when nothing is painted: the world goes on.
const LOOK: Duration = Duration::from_millis(500);

/// Keeps it up to date for as long as the screen is there.
pub fn keep(seat: &mut Seat, stage: Shared, guide: Guide) {
    let (say, asides) = mpsc::channel(8);
    seat.asides = Some(asides);
    let shown = seat.shown.get_or_insert_default().clone();
    spawn(move || follow(&shown, &stage, guide, &say));
}

fn follow(shown: &Shown, stage: &Shared, mut guide: Guide, say: &mpsc::Sender<String>) {
    let (mut said, mut seen) = (String::new(), 0);
    while !shown.is_over() {
        let text = shown.text();
        let line = {
            let stage = stage.lock();
            let at = stage.world.at;
            guide.line(stage.clock.length(at as f64), stage.kept(), stage.scenario().shows(at), &text)
        };
        if line != said {
            said.clone_from(&line);
            if say.blocking_send(line).is_err() {
                return;
            }
        }
        shown.wait(LOOK, |frames, _| frames > seen);
        seen = shown.frames();
    }
}
