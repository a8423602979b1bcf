//! Chance that is no chance: the same seed gives the same numbers, on every machine.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A stream of numbers. Each thing of the world has one of its own, so that nothing it draws depends on what else there is.
#[derive(Clone, Debug)]
pub struct Chance(Pcg64Mcg);

impl Chance {
    /// The stream of the thing called `name` in the world of that seed.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: which stream belongs to which name must not change with a version of the standard library.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let named = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
        Self(Pcg64Mcg::seed_from_u64(seed ^ named))
    }

    /// From `low` to below `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// True in so many of all cases, 0.0 to 1.0.
    pub fn happens(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// One of them. Must not be empty.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.random_range(0..all.len())]
    }

    /// So many hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.0.random_range(0..16), 16).unwrap_or('0')).collect()
    }

    /// How many come in a second when each comes by itself, `expected` on average.
    pub fn count(&mut self, expected: f64) -> u64 {
        if expected < 12.0 { self.few(expected) } else { self.many(expected) }
    }

    /// Poisson's distribution by multiplying until it is less than e^-expected (Knuth, The Art of Computer Programming, 3.4.1).
    fn few(&mut self, expected: f64) -> u64 {
        let (least, mut product, mut count) = ((-expected.max(0.0)).exp(), self.between(0.0, 1.0), 0);
        while product > least {
            product *= self.between(0.0, 1.0);
            count += 1;
        }
        count
    }

    /// The sum of twelve even ones is near enough to a bell.
    fn many(&mut self, expected: f64) -> u64 {
        let bell = (0..12).map(|_| self.between(-0.5, 0.5)).sum::<f64>();
        (expected + expected.sqrt() * bell).round().max(0.0) as u64
    }
}

/// A figure that wanders around its mean and never jumps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wander(f64);

impl Wander {
    /// The next second's value: around 0, seldom outside of -1 to 1.
    pub fn step(&mut self, chance: &mut Chance) -> f64 {
        self.0 = self.0 * 0.97 + chance.between(-0.12, 0.12);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_name_alone() {
        let draw = |seed, name| Chance::new(seed, name).hex(16);
        assert_eq!(draw(7, "game-1"), draw(7, "game-1"));
        assert_ne!(draw(7, "game-1"), draw(7, "game-2"));
        assert_ne!(draw(7, "game-1"), draw(8, "game-1"));
        // On every machine, and in every version: drills are told to others by their seed.
        assert_eq!(draw(1, "lb-1"), "abfbd38130f06e13");
    }

    #[test]
    fn counts_come_as_often_as_expected() {
        let mut chance = Chance::new(3, "counts");
        for expected in [0.0, 0.2, 7.0, 400.0] {
            let sum: u64 = (0..2000).map(|_| chance.count(expected)).sum();
            let mean = sum as f64 / 2000.0;
            assert!((mean - expected).abs() <= 0.06 + expected * 0.06, "{mean} of {expected}");
        }
    }

    #[test]
    fn what_wanders_stays_near() {
        let (mut chance, mut wander) = (Chance::new(3, "walk"), Wander::default());
        let far = (0..100_000).map(|_| wander.step(&mut chance).abs()).fold(0.0, f64::max);
        assert!(far < 2.0, "{far}");
    }
}
