//! A sparkline of one row: eight heights.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Appends one bar for each value; 0.0 is the lowest, 1.0 (or more) the highest.
pub fn push(out: &mut String, values: impl Iterator<Item = f32>) {
    out.extend(values.map(|value| BARS[((value.clamp(0.0, 1.0) * 7.99) as usize).min(7)]));
}

#[cfg(test)]
mod tests {
    #[test]
    fn heights() {
        let mut out = String::new();
        super::push(&mut out, [0.0, 0.5, 1.0, 7.0, -1.0].into_iter());
        assert_eq!(out, "▁▄██▁");
    }
}
