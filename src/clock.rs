//! The one reader of wall and monotonic time. Everything else is handed a [`Now`].

use crate::domain::Now;
use jiff::Timestamp;
use std::sync::OnceLock;
use std::time::Duration;

static START: OnceLock<Duration> = OnceLock::new();

/// This moment by both clocks. Monotonic time counts from the first call in the process, on while the machine is suspended, and is not moved by who sets
/// the system's clock.
pub fn now() -> Now {
    Now { mono: since_boot().saturating_sub(booted()), wall: Timestamp::now() }
}

/// From the machine's start to the zero of [`Now::mono`]. With it what two processes of one boot measured can be compared.
pub fn booted() -> Duration {
    *START.get_or_init(since_boot)
}

#[cfg(target_os = "linux")]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// Elsewhere it goes on in a suspended machine by itself (BSD), or stands still there (macOS).
#[cfg(not(target_os = "linux"))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

fn since_boot() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(CLOCK)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{booted, now, since_boot};

    #[test]
    fn monotonic_time_counts_from_the_first_call_and_on_the_scale_of_the_boot() {
        let (first, from) = (now(), booted());
        let second = now();
        assert!(first.mono <= second.mono && booted() == from && from + second.mono <= since_boot());
    }
}
