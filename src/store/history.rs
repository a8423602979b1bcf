//! Figures over time, for sparklines and charts: as many samples as a wide screen can show.

use super::Ring;
use crate::domain::Server;
use std::collections::HashMap;

/// Samples kept for each figure.
pub const KEPT: usize = 240;

/// A figure whose past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// CPU in use, 0.0 to 1.0.
    Cpu,
    /// Memory in use, 0.0 to 1.0.
    Memory,
    /// One-minute load per core.
    Load,
    /// Received over the network, bytes per second.
    Received,
    /// Sent over the network, bytes per second.
    Sent,
    /// Of the fullest filesystem, 0.0 to 1.0.
    Disk,
}

impl Figure {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Cpu, Self::Memory, Self::Load, Self::Received, Self::Sent, Self::Disk];

    /// What a server says of it now.
    pub fn of(self, server: &Server) -> Option<f64> {
        match self {
            Self::Cpu => server.cpu,
            Self::Memory => server.memory.map(|memory| memory.ratio()),
            Self::Load => server.load_per_core(),
            Self::Received => server.network.map(|network| network.r#in),
            Self::Sent => server.network.map(|network| network.out),
            Self::Disk => server.worst_disk().map(|disk| disk.usage.ratio()),
        }
    }
}

/// The figures of one server over time. A ring that nobody fills takes no room.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    rings: [Option<Box<Ring<KEPT>>>; Figure::ALL.len()],
}

impl Trend {
    /// One figure's newest values; `None` when nobody ever told it.
    pub fn of(&self, figure: Figure) -> Option<&Ring<KEPT>> {
        self.rings[figure as usize].as_deref()
    }

    /// Adds the newest value of one figure.
    pub fn push(&mut self, figure: Figure, value: f32) {
        self.rings[figure as usize].get_or_insert_default().push(value);
    }
}

/// The trends of all servers, by name.
#[derive(Clone, Debug, Default)]
pub struct History {
    trends: HashMap<String, Trend>,
}

impl History {
    /// One server's trend, to be added to; a new one when nothing was known of it.
    pub fn trend(&mut self, server: &str) -> &mut Trend {
        self.trends.entry(server.to_owned()).or_default()
    }

    /// Forgets the servers that are not wanted any more.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.trends.retain(|name, _| wanted(name));
    }

    /// One server's trend.
    pub fn of(&self, server: &str) -> Option<&Trend> {
        self.trends.get(server)
    }
}
