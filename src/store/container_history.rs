//! Figures of containers over time, for the charts of their pages: fine while they are new, coarser the further they reach
//! back, and never more than a fixed amount.

use crate::domain::{Container, ContainerState, Now, SourceId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Points of one figure.
pub const POINTS: usize = 240;
/// Most samples that one point stands for: with a sample every two seconds a figure reaches back two hours.
const COARSEST: u32 = 16;
/// Most containers whose past is kept, of all engines together: some three megabytes.
pub const MOST: usize = 500;

/// One figure over time. When it is full, each two points become one that stands for twice as many samples.
#[derive(Clone, Debug)]
pub struct Trail {
    points: Vec<f32>,
    /// Samples in one point.
    each: u32,
    /// The point that is being filled: sum, how many known values, how many samples.
    open: (f32, u32, u32),
}

impl Default for Trail {
    fn default() -> Self {
        Self { points: Vec::new(), each: 1, open: (0.0, 0, 0) }
    }
}

impl Trail {
    /// Adds a sample; one without a value is a gap.
    fn push(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.open = (self.open.0 + value as f32, self.open.1 + 1, self.open.2);
        }
        self.open.2 += 1;
        if self.open.2 < self.each {
            return;
        }
        let (sum, known, _) = std::mem::take(&mut self.open);
        if self.points.len() == POINTS {
            self.make_room();
        }
        self.points.push(if known == 0 { f32::NAN } else { sum / known as f32 });
    }

    fn make_room(&mut self) {
        if self.each >= COARSEST {
            self.points.remove(0);
            return;
        }
        self.each *= 2;
        self.points = self.points.chunks(2).map(mean).collect();
    }

    /// Oldest first, at even distances; a gap is NaN.
    pub fn points(&self) -> impl Iterator<Item = f32> + '_ {
        self.points.iter().copied()
    }

    /// Something is known.
    pub fn is_known(&self) -> bool {
        self.points.iter().any(|point| !point.is_nan())
    }

    /// How many samples the points stand for.
    fn samples(&self) -> u32 {
        self.points.len() as u32 * self.each
    }
}

/// Of the values that are known.
fn mean(points: &[f32]) -> f32 {
    let known = || points.iter().filter(|point| !point.is_nan());
    let count = known().count();
    if count == 0 { f32::NAN } else { known().sum::<f32>() / count as f32 }
}

/// The figures of one container.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// CPU in whole cores.
    pub cpu: Trail,
    /// Memory in bytes.
    pub memory: Trail,
    /// Bytes received a second.
    pub received: Trail,
    /// Bytes sent a second.
    pub sent: Trail,
    /// Bytes read a second.
    pub read: Trail,
    /// Bytes written a second.
    pub written: Trail,
    interval: Duration,
}

impl Past {
    fn push(&mut self, container: &Container) {
        self.cpu.push(container.cpu);
        self.memory.push(container.memory.map(|memory| memory.used as f64));
        self.received.push(container.network.map(|rates| rates.r#in));
        self.sent.push(container.network.map(|rates| rates.out));
        self.read.push(container.block_io.map(|rates| rates.r#in));
        self.written.push(container.block_io.map(|rates| rates.out));
    }

    /// How long ago the first point was.
    pub fn span(&self) -> Duration {
        self.interval * self.cpu.samples()
    }
}

/// The past of all containers.
#[derive(Clone, Debug, Default)]
pub struct ContainerHistory {
    engines: HashMap<SourceId, (Now, HashMap<Arc<str>, Past>)>,
}

impl ContainerHistory {
    /// Takes in one good sample. One that came sooner than the interval (an event asked for it) is left out, so that points
    /// stand at even distances. A container that is not reported any more is forgotten.
    pub fn record(&mut self, source: &SourceId, at: Now, interval: Duration, containers: &[Container]) {
        let kept: usize = self.engines.values().map(|(_, pasts)| pasts.len()).sum();
        let mut room = MOST.saturating_sub(kept);
        let new = !self.engines.contains_key(source);
        let (last, pasts) = self.engines.entry(source.clone()).or_insert_with(|| (at, HashMap::new()));
        if !new && at.since(*last) < interval * 3 / 4 {
            return;
        }
        *last = at;
        let reported: HashSet<&str> = containers.iter().map(|container| &*container.id).collect();
        pasts.retain(|id, _| reported.contains(&**id));
        for container in containers {
            if let Some(past) = pasts.get_mut(&container.id) {
                past.push(container);
            } else if room > 0 && container.state == ContainerState::Running {
                room -= 1;
                let mut past = Past { interval, ..Past::default() };
                past.push(container);
                pasts.insert(container.id.clone(), past);
            }
        }
    }

    /// Forgets the engines that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&SourceId) -> bool) {
        self.engines.retain(|id, _| keep(id));
    }

    /// One container's past.
    pub fn of(&self, source: &SourceId, id: &str) -> Option<&Past> {
        self.engines.get(source)?.1.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    fn running(id: usize, cpu: f64) -> Container {
        Container {
            id: format!("{id:064x}").into(),
            state: ContainerState::Running,
            cpu: Some(cpu),
            ..Container::default()
        }
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_trail_gets_coarser_and_never_longer() {
        let mut trail = Trail::default();
        for value in 0..POINTS {
            trail.push(Some(value as f64));
        }
        assert_eq!((trail.points.len(), trail.samples()), (POINTS, 240));
        trail.push(Some(1.0));
        trail.push(Some(1.0));
        assert_eq!((trail.points.len(), trail.each), (POINTS / 2 + 1, 2));
        assert!((trail.points[0] - 0.5).abs() < f32::EPSILON, "the first two became their mean");
        for _ in 0..100_000 {
            trail.push(None);
        }
        assert!(trail.points.len() <= POINTS && trail.each == COARSEST);
        assert!(!trail.is_known(), "a gap is not a zero");
    }

    #[test]
    fn samples_that_an_event_asked_for_are_left_out() {
        let (mut history, source) = (ContainerHistory::default(), SourceId::new("docker", "a"));
        for seconds in [0, 0, 1, 2, 4] {
            history.record(&source, at(seconds), INTERVAL, &[running(1, 0.5)]);
        }
        let past = history.of(&source, &running(1, 0.0).id).unwrap();
        assert_eq!((past.cpu.points().count(), past.span()), (3, Duration::from_secs(6)));
        history.record(&source, at(6), INTERVAL, &[]);
        assert!(history.of(&source, &running(1, 0.0).id).is_none());
    }

    #[test]
    fn only_so_many_are_kept() {
        let (mut history, source) = (ContainerHistory::default(), SourceId::new("docker", "a"));
        let many: Vec<Container> = (0..MOST + 50).map(|id| running(id, 1.0)).collect();
        for seconds in [0, 2, 4] {
            history.record(&source, at(seconds), INTERVAL, &many);
        }
        assert_eq!(history.engines[&source].1.len(), MOST);
    }
}
