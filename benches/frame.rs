//! What a key costs, what a frame costs, what a sample costs; for a small and a large production.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(missing_docs, reason = "criterion's macros write functions without docs")]

#[path = "../tests/it/scene.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod scene;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::domain::{Sample, SourceId, Subject};
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

criterion_group!(benches, draw, key, ingest);
criterion_main!(benches);
