//! What a key costs, what a frame costs, what a sample costs; for a small and a large production.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(missing_docs, reason = "criterion's macros write functions without docs")]

#[path = "../tests/it/scene.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod scene;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::domain::log::Level;
use quarterdeck::domain::{LogEvent, LogLine, Sample, SourceId, Subject};
use quarterdeck::event::Event;
use quarterdeck::panes::PANES;
use quarterdeck::ui;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use scene::{SOURCES, Scene, rows, start};
use std::sync::Arc;
use std::time::Duration;

const SIZE: (u16, u16) = (160, 45);
const ROWS: [usize; 3] = [50, 5_000, 50_000];

/// The containers pane in focus, with so many containers; a dozen of everything else.
fn containers(count: usize) -> Scene {
    let mut scene = Scene::full(SIZE);
    scene.good("docker", "local", rows(Subject::Containers, count, &[]));
    scene.state.focus = PANES.iter().position(|kind| kind.subject == Some(Subject::Containers)).unwrap();
    scene.paint();
    scene
}

fn press(scene: &mut Scene, code: KeyCode) {
    scene.send(Event::Input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))));
    scene.state.prepare();
}

/// What is painted: panes prepared and drawn into the cells, without what the terminal does with them.
fn draw(c: &mut Criterion) {
    let mut group = c.benchmark_group("draw");
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    for count in ROWS {
        let mut scene = containers(count);
        let mut buf = Buffer::empty(area);
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                buf.reset();
                scene.state.prepare();
                ui::draw(&scene.state, area, &mut buf);
            });
        });
    }
}

/// From a key to a frame that can be drawn.
fn key(c: &mut Criterion) {
    let mut group = c.benchmark_group("key");
    for count in ROWS {
        let mut scene = containers(count);
        group.bench_function(BenchmarkId::new("down", count), |b| b.iter(|| press(&mut scene, KeyCode::Down)));
        group.bench_function(BenchmarkId::new("sort", count), |b| b.iter(|| press(&mut scene, KeyCode::Char('O'))));
        press(&mut scene, KeyCode::Char('/'));
        group.bench_function(BenchmarkId::new("filter", count), |b| {
            b.iter(|| {
                press(&mut scene, KeyCode::Char('7'));
                press(&mut scene, KeyCode::Backspace);
            });
        });
    }
}

/// From a sample to a frame that can be drawn.
fn ingest(c: &mut Criterion) {
    let mut group = c.benchmark_group("ingest");
    group.sample_size(20);
    for (kind, name, subject) in SOURCES {
        for count in ROWS {
            let mut scene = Scene::full(SIZE);
            let snapshot = Arc::new(rows(subject, count, &[]));
            let sample = || Sample {
                source: SourceId::new(kind, name),
                at: start(),
                took: Duration::from_millis(12),
                outcome: Ok(snapshot.clone()),
            };
            group.bench_function(BenchmarkId::new(subject.word(), count), |b| {
                b.iter_batched(
                    sample,
                    |sample| {
                        scene.send(Event::Sample(sample));
                        scene.state.prepare();
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

/// A batch of a thousand lines, as the readers send it.
fn lines(from: usize) -> Vec<LogLine> {
    let line = |n: usize| LogLine {
        at: Some(start().wall),
        level: Some(if n.is_multiple_of(97) { Level::Error } else { Level::Info }),
        place: 0,
        text: format!(
            "request {n} from 10.0.{}.{} took {} ms: the usual thing, and some more of it",
            n % 7,
            n % 250,
            n % 900
        ),
    };
    (from..from + 1000).map(line).collect()
}

/// A log whose 32 MB are full: a batch taken in and the frame after it; a key; a letter of a filter, worked off to its end.
fn logs(c: &mut Criterion) {
    let mut group = c.benchmark_group("logs");
    group.sample_size(20);
    let mut scene = containers(50);
    press(&mut scene, KeyCode::Char('l'));
    let batch = |from: usize| {
        Event::Log(LogEvent::Batch { number: 1, at: start().wall, lines: lines(from), states: Vec::new() })
    };
    (0..500).for_each(|n| scene.send(batch(n * 1000)));
    scene.paint();
    group.bench_function("a thousand lines and a frame", |b| {
        b.iter_batched(
            || batch(0),
            |batch| {
                scene.send(batch);
                scene.state.prepare();
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("up", |b| b.iter(|| press(&mut scene, KeyCode::Up)));
    press(&mut scene, KeyCode::Char('&'));
    press(&mut scene, KeyCode::Char('x'));
    group.bench_function("a frame while a filter is worked off", |b| {
        b.iter(|| {
            press(&mut scene, KeyCode::Char('7'));
            press(&mut scene, KeyCode::Backspace);
        });
    });
    press(&mut scene, KeyCode::Char('7'));
    group.bench_function("all of a filter", |b| {
        b.iter(|| {
            press(&mut scene, KeyCode::Backspace);
            press(&mut scene, KeyCode::Char('7'));
            while scene.state.logs.as_ref().is_some_and(quarterdeck::panes::logs::LogView::is_unfinished) {
                scene.state.prepare();
            }
        });
    });
}

criterion_group!(benches, draw, key, ingest, logs);
criterion_main!(benches);
