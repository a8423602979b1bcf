//! What a key costs, what a frame costs, what a sample costs; for a small and a large production, and while it is hard.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(missing_docs, reason = "criterion's macros write functions without docs")]

#[path = "../tests/it/scene.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod scene;

#[allow(dead_code, reason = "the tests use more of it")]
mod production;

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
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZE: (u16, u16) = (160, 45);
/// Where the figures of a key are taken: a large terminal.
const LARGE: (u16, u16) = (200, 50);
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
        group.bench_function(BenchmarkId::new("reverse", count), |b| b.iter(|| press(&mut scene, KeyCode::Char('O'))));
        group.bench_function(BenchmarkId::new("sort", count), |b| {
            let mut column = 0;
            b.iter(|| {
                column += 1;
                let focus = scene.state.focus;
                if let Some(hands) = scene.state.panes[focus].hands() {
                    hands.sort_by(Some(column % 9));
                }
                scene.state.prepare();
            });
        });
        if let Some(hands) = containers_hands(&mut scene) {
            hands.sort_by(None);
        }
        // The first letter writes the texts that the others look in.
        for (name, typed, letter) in
            [("first letter", "/", '7'), ("next letter", "/7", '1'), ("letter given back", "/71", '\u{8}')]
        {
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter_custom(|times| letters(&mut scene, typed, letter, times));
            });
        }
    }
}

fn containers_hands(scene: &mut Scene) -> Option<&mut dyn quarterdeck::panes::hands::Hands> {
    let focus = scene.state.focus;
    scene.state.panes[focus].hands()
}

/// The time that so many letters take, each typed after `typed`; backspace is a letter, too.
fn letters(scene: &mut Scene, typed: &str, letter: char, times: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..times {
        typed.chars().for_each(|char| press(scene, KeyCode::Char(char)));
        let start = Instant::now();
        press(scene, if letter == '\u{8}' { KeyCode::Backspace } else { KeyCode::Char(letter) });
        took += start.elapsed();
        press(scene, KeyCode::Esc);
    }
    took
}

/// Time that this thread had a processor, so that what else the machine does counts for little. As fine as the kernel's ticks.
fn on_cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// A key and all of the frame after it, in 200×50 cells: what nothing may slow down.
fn held(c: &mut Criterion) {
    let mut group = c.benchmark_group("held");
    let mut each = |name: &str, scene: &dyn Fn() -> Scene| {
        let mut made = None;
        group.bench_function(name, |b| {
            let scene = made.get_or_insert_with(scene);
            b.iter_custom(|times| {
                let start = on_cpu();
                (0..times).for_each(|time| key_and_frame(scene, time));
                on_cpu().saturating_sub(start)
            });
        });
    };
    for (pane, kind) in PANES.iter().enumerate().filter(|(_, kind)| kind.number.is_some()) {
        each(&format!("{} of 50,000 each", kind.title.to_lowercase()), &|| full(pane));
    }
    let containers = PANES.iter().position(|kind| kind.subject == Some(Subject::Containers)).unwrap();
    each("while every source hangs", &|| {
        let mut scene = full(containers);
        scene.pass(Duration::from_secs(60));
        scene
    });
    each("during a run", &|| {
        let mut scene = full(containers);
        scene::begin(&mut scene, 7, "local/api-1");
        scene
    });
    each("a log of 32 MB", &|| {
        let mut scene = full(containers);
        press(&mut scene, KeyCode::Char('l'));
        (0..500).for_each(|n| scene.send(batch(n * 1000)));
        scene
    });
}

fn key_and_frame(scene: &mut Scene, time: u64) {
    press(scene, if time.is_multiple_of(3) { KeyCode::Up } else { KeyCode::Down });
    let area = Rect::new(0, 0, LARGE.0, LARGE.1);
    let mut buf = Buffer::empty(area);
    ui::draw(&scene.state, area, &mut buf);
    black_box(&buf);
}

/// Every source with 50,000 rows, one pane in focus.
fn full(focus: usize) -> Scene {
    let mut scene = Scene::new(&SOURCES, LARGE);
    for (kind, name, subject) in SOURCES {
        scene.good(kind, name, rows(subject, 50_000, &[]));
    }
    scene.state.focus = focus;
    scene.state.zoom = true;
    scene.paint();
    scene
}

/// A large production: an answer of each source taken in, with the frame after it.
fn production(c: &mut Criterion) {
    let mut group = c.benchmark_group("production");
    group.sample_size(20);
    for (kind, name, subject, count) in production::SOURCES {
        let mut scene = production::scene(LARGE);
        for (kind, name, subject, count) in production::SOURCES {
            scene.good(kind, name, production::answer(subject, count, 0));
        }
        scene.paint();
        let answers = [0, 1].map(|round| Arc::new(production::answer(subject, count, round)));
        let mut round = 0;
        group.bench_function(format!("{count} {} of {kind}", subject.word()), |b| {
            b.iter(|| {
                round += 1;
                scene.answer(kind, name, Arc::clone(&answers[round % 2]));
                scene.state.prepare();
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

fn batch(from: usize) -> Event {
    Event::Log(LogEvent::Batch { number: 1, at: start().wall, lines: lines(from), states: Vec::new() })
}

/// A log whose 32 MB are full: a batch taken in and the frame after it; a key; a letter of a filter, worked off to its end.
fn logs(c: &mut Criterion) {
    let mut group = c.benchmark_group("logs");
    group.sample_size(20);
    let mut scene = containers(50);
    press(&mut scene, KeyCode::Char('l'));
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

criterion_group!(benches, draw, key, held, ingest, production, logs);
criterion_main!(benches);
