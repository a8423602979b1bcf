//! Figures over time, for the sparklines: as many samples as a wide screen can show.

use super::Ring;
use crate::domain::{Server, SourceId};
use std::collections::{HashMap, HashSet};

/// Samples kept for each figure.
pub const KEPT: usize = 240;

/// The figures of one server over time, as ratios (0.0 to 1.0).
#[derive(Clone, Debug, Default)]
pub struct Trend {
    /// CPU in use.
    pub cpu: Ring<KEPT>,
    /// Memory in use.
    pub memory: Ring<KEPT>,
    /// One-minute load per core.
    pub load: Ring<KEPT>,
}

/// The trends of all servers.
#[derive(Clone, Debug, Default)]
pub struct History {
    trends: HashMap<SourceId, HashMap<String, Trend>>,
}

impl History {
    /// Takes in one good sample; a server that is not reported any more is forgotten.
    pub fn record(&mut self, source: &SourceId, servers: &[Server]) {
        let trends = self.trends.entry(source.clone()).or_default();
        let reported: HashSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        trends.retain(|name, _| reported.contains(name.as_str()));
        for server in servers {
            if !trends.contains_key(&server.name) {
                trends.insert(server.name.clone(), Trend::default());
            }
            let Some(trend) = trends.get_mut(&server.name) else { continue };
            let figures = [
                (&mut trend.cpu, server.cpu),
                (&mut trend.memory, server.memory.map(|memory| memory.ratio())),
                (&mut trend.load, server.load_per_core()),
            ];
            for (ring, figure) in figures {
                if let Some(figure) = figure {
                    ring.push(figure as f32);
                }
            }
        }
    }

    /// One server's trend.
    pub fn of(&self, source: &SourceId, server: &str) -> Option<&Trend> {
        self.trends.get(source)?.get(server)
    }
}
