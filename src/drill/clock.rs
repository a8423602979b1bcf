//! The world's time and everybody else's.
//!
//! The world counts seconds from its beginning; on the wire stand moments since 1970. At a speed of ten, ten seconds of the world go by in
//! one on the wire: whatever is sent says so in the wire's time, so that who reads it need not know of any speed.

use jiff::Timestamp;

/// So long before the beginning things happen that belong to it; what lies before that was there for days: seconds of the world.
pub const STORY: i64 = 14_400;

/// How one is made of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// When the world's second 0 is: seconds since 1970.
    start: f64,
    /// Seconds of the world in one on the wire, 0.1 to 600.
    pub speed: f64,
}

impl Clock {
    /// The world begins now, and goes by so fast.
    pub fn new(start: Timestamp, speed: f64) -> Self {
        Self { start: seconds(start), speed }
    }

    /// A second of the world on the wire: seconds since 1970.
    pub fn wire(self, second: i64) -> f64 {
        self.start + second as f64 / self.speed
    }

    /// The same of something that may lie long before the beginning ([`STORY`]): days before it are days, whatever the speed.
    pub fn moment(self, second: i64) -> Timestamp {
        let after = (second + STORY).min(0) as f64 + second.max(-STORY) as f64 / self.speed;
        Timestamp::from_millisecond(((self.start + after) * 1000.0) as i64).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The second of the world at that moment on the wire.
    pub fn second(self, wire: f64) -> i64 {
        ((wire - self.start) * self.speed).floor() as i64
    }

    /// A length of the world on the wire: seconds.
    pub fn length(self, seconds: f64) -> f64 {
        seconds / self.speed
    }
}

/// A moment as it stands on the wire: seconds since 1970, to the millisecond.
pub fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_lead_to_the_same_second() {
        for speed in [0.5, 1.0, 10.0, 600.0] {
            let clock = Clock::new(Timestamp::from_second(1_700_000_000).unwrap(), speed);
            for second in [-1800, 0, 1, 59, 100_000] {
                assert_eq!(clock.second(clock.wire(second) + 0.0005), second, "{speed}");
            }
        }
        let clock = Clock::new(Timestamp::from_second(1_700_000_000).unwrap(), 10.0);
        assert_eq!(clock.moment(100).as_second(), 1_700_000_010);
        assert_eq!(clock.moment(-300).as_second(), 1_700_000_000 - 30);
        let days = -7 * 86_400;
        assert_eq!(clock.moment(days).as_second(), 1_700_000_000 + days + STORY - STORY / 10);
    }
}
