//! What there is costs memory once and frames nothing: a frame allocates as often for 50 rows as for 5,000 (and for 50,000, in a long
//! trial), and a large production fits into 96 MB. Counted per thread, so that the tests beside it do not disturb the count.

use crate::production;
use crate::scene::{SOURCES, Scene, rows, runs};
use allocation_counter::measure;
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::domain::{
    AlertReport, DatabaseStats, Matcher, Member, Replica, Rule, Silence, Snapshot, Subject, Target,
};
use quarterdeck::event::Event;
use quarterdeck::panes::PANES;
use quarterdeck::ui;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::time::Duration;

const FEW: usize = 50;
const MANY: usize = 5_000;
const VERY_MANY: usize = 50_000;

/// Allocations of a steady frame, of a frame after a tick that changed nothing but the clock, and of a frame after the cursor moved.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    prepare: u64,
    draw: u64,
    tick: u64,
    down: u64,
}

fn scene(pane: usize, count: usize) -> Scene {
    let alerting = ("prometheus", "main/rules", Subject::Alerts);
    let sources: Vec<_> = SOURCES.into_iter().chain([alerting]).collect();
    let mut scene = Scene::new(&sources, (160, 45));
    for (kind, name, subject) in sources {
        let mut snapshot = rows(subject, count, &[]);
        match &mut snapshot {
            Snapshot::Alerts(report) if kind == alerting.0 => *report = rules(count),
            Snapshot::Alerts(report) => silences(report, count),
            Snapshot::Database(database) => {
                database.replicas = (0..count).map(replica).collect();
                database.databases = (0..count).map(statistics).collect();
            }
            Snapshot::Servers(_) | Snapshot::Containers(_) => {}
        }
        // Each pane with its own subject alone, so that 50,000 of all need not be made for each; the overview with all.
        let is_wanted = PANES[pane].subject.is_none_or(|wanted| wanted == subject);
        if is_wanted {
            scene.good(kind, name, snapshot);
        }
    }
    if PANES[pane].subject.is_none() {
        runs(&mut scene, count);
    }
    scene.state.focus = pane;
    scene
}

fn rules(count: usize) -> AlertReport {
    let rule = |n: usize| Rule { group: "g".to_owned(), name: format!("Rule{n}"), alerting: true, ..Rule::default() };
    let target = |n: usize| Target {
        pool: "node".to_owned(),
        url: format!("http://game-{n}:9100/metrics"),
        health: "up".to_owned(),
        ..Target::default()
    };
    AlertReport {
        rules: (0..count).map(rule).collect(),
        targets: (0..count).map(target).collect(),
        ..AlertReport::default()
    }
}

fn silences(report: &mut AlertReport, count: usize) {
    let silence = |n: usize| Silence {
        id: format!("silence-{n}"),
        created_by: "ada".to_owned(),
        matchers: vec![Matcher::equal("instance", &format!("game-{n}"))],
        ..Silence::default()
    };
    let member = |n: usize| Member { address: format!("http://alertmanager-{n}:9093"), up: true, ..Member::default() };
    report.silences = (0..count).map(silence).collect();
    report.members = (0..count).map(member).collect();
}

fn replica(n: usize) -> Replica {
    Replica { pid: n as i32, name: format!("standby-{n}"), state: "streaming".to_owned(), ..Replica::default() }
}

fn statistics(n: usize) -> DatabaseStats {
    DatabaseStats { name: format!("shard_{n:05}"), size: Some(1 << 30), ..DatabaseStats::default() }
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

/// Tables of what is there in any number. Events, processes and an inspection are cut where they come in, and a cluster has few members.
#[test]
fn a_frame_allocates_as_often_for_50_rows_as_for_5_000() {
    a_frame_costs_what_it_costs_for_few_rows(MANY);
}

#[test]
#[ignore = "two minutes in a development build: tests/run --long"]
fn long_a_frame_allocates_as_often_for_50_rows_as_for_50_000() {
    a_frame_costs_what_it_costs_for_few_rows(VERY_MANY);
}

fn a_frame_costs_what_it_costs_for_few_rows(count: usize) {
    for (pane, kind) in PANES.iter().enumerate() {
        let (few, many) = (cost(pane, FEW), cost(pane, count));
        println!("{:12} {few:?}", kind.title);
        assert_eq!(few, many, "{}", kind.title);
        assert!(many.draw <= 120, "{}: {many:?}", kind.title);
    }
}

/// Most bytes that may be alive with [`production::SOURCES`] on the screen.
const BUDGET: u64 = 96 << 20;

/// Two answers of each source, taken in turn until the histories are full, with every pane looked at and a filter at work.
#[test]
fn a_large_production_fits_into_96_megabytes() {
    let most = measure(|| {
        let mut scene = production::scene((200, 50));
        for (kind, name, subject, count) in production::SOURCES {
            let answers = [0, 1].map(|round| Arc::new(production::answer(subject, count, round)));
            // Points of a history.
            let rounds = if subject == Subject::Alerts { 4 } else { 250 };
            for round in 0..rounds {
                scene.pass(Duration::from_secs(2));
                scene.answer(kind, name, Arc::clone(&answers[round % 2]));
            }
        }
        for (pane, kind) in PANES.iter().enumerate() {
            scene.state.focus = pane;
            scene.paint();
            if kind.subject.is_some() {
                scene.keys("/1");
                scene.paint();
                scene.key(KeyCode::Enter);
            }
        }
        drop(scene);
    });
    println!("{:.1} MB at most", most.bytes_max as f64 / f64::from(1 << 20));
    assert!(most.bytes_max <= BUDGET, "{most:?}");
}

/// The counter counts: a test that could not fail would prove nothing.
#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(7)))).count_total, 1);
}
