//! History of one figure: the newest values, a fixed number of them, without allocation after the first fill.

/// A ring of the newest `N` values.
#[derive(Clone, Debug)]
pub struct Ring<const N: usize> {
    values: [f32; N],
    len: usize,
    next: usize,
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self { values: [0.0; N], len: 0, next: 0 }
    }
}

impl<const N: usize> Ring<N> {
    /// Adds the newest value; the oldest falls out when full.
    pub fn push(&mut self, value: f32) {
        self.values[self.next] = value;
        self.next = (self.next + 1) % N;
        self.len = (self.len + 1).min(N);
    }

    /// The newest `count` values, oldest of them first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = f32> + '_ {
        let count = count.min(self.len);
        (0..count).map(move |index| self.values[(self.next + N - count + index) % N])
    }

    /// How many values there are, at most `N`.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
