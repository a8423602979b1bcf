//! A frame costs what is visible, not what there is: it allocates as often for 50 rows as for 50,000. Counted per thread, so that
//! the tests beside it do not disturb the count.

use crate::scene::{SOURCES, Scene, rows, runs};
use allocation_counter::measure;
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::event::Event;
use quarterdeck::panes::PANES;
use quarterdeck::ui;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;

const FEW: usize = 50;
const MANY: usize = 50_000;

/// Allocations of a steady frame, of a frame after a tick that changed nothing but the clock, and of a frame after the cursor moved.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    prepare: u64,
    draw: u64,
    tick: u64,
    down: u64,
}

fn scene(pane: usize, count: usize) -> Scene {
    let mut scene = Scene::new(&SOURCES, (160, 45));
    match PANES[pane].subject {
        Some(about) => {
            let (kind, name, _) = SOURCES.into_iter().find(|(.., subject)| *subject == about).unwrap();
            scene.good(kind, name, rows(about, count, &[]));
        }
        None => runs(&mut scene, count),
    }
    scene.state.focus = pane;
    scene
}

fn cost(pane: usize, count: usize) -> Cost {
    let mut scene = scene(pane, count);
    let area = Rect::new(0, 0, 160, 45);
    let mut buf = Buffer::empty(area);
    // The buffers that are used again grow to their size, and the widest text has been seen.
    for _ in 0..3 {
        scene.key(KeyCode::Down);
        scene.paint();
    }
    let prepare = measure(|| scene.state.prepare()).count_total;
    let draw = measure(|| ui::draw(&scene.state, area, &mut buf)).count_total;
    let tick = measure(|| {
        scene.pass(Duration::from_millis(10));
        scene.state.prepare();
    });
    let down = measure(|| {
        let key = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
        scene.send(Event::Input(Input::Key(key)));
        scene.state.prepare();
    });
    Cost { prepare, draw, tick: tick.count_total, down: down.count_total }
}

#[test]
fn a_frame_allocates_as_often_for_50_rows_as_for_50_000() {
    for (pane, kind) in PANES.iter().enumerate() {
        let (few, many) = (cost(pane, FEW), cost(pane, MANY));
        println!("{:10} {few:?}", kind.title);
        assert_eq!(few, many, "{}", kind.title);
        assert!(many.draw <= 100, "{}: {many:?}", kind.title);
    }
}

/// The counter counts: a test that could not fail would prove nothing.
#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(7)))).count_total, 1);
}
