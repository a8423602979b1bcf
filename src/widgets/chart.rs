//! A figure over time in a few rows of text: bars of eighths, a gap where nothing is known, a line where a limit is.

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LIMIT: char = '╌';

/// One line of text for each row, the highest first. Points are spread over `width` cells: the largest of those that share a
/// cell counts, for a peak must not get lost. `top` is the value at the upper edge; the lower edge is zero.
pub fn rows(points: &[f64], (width, height): (usize, usize), top: f64, limit: Option<f64>) -> Vec<String> {
    let eighths: Vec<Option<usize>> = columns(points, width).map(|value| eighths(value, top, height)).collect();
    let limit = limit.filter(|limit| *limit > 0.0 && *limit <= top).map(|limit| (limit / top * height as f64) as usize);
    let limit = limit.map(|row| row.min(height.saturating_sub(1)));
    (0..height).rev().map(|row| eighths.iter().map(|value| cell(*value, row, limit == Some(row))).collect()).collect()
}

/// One value for each cell; NaN where there is none. Fewer points than cells stand at the right, the newest last.
fn columns(points: &[f64], width: usize) -> impl Iterator<Item = f64> + '_ {
    let cells = width.max(1);
    let blank = cells.saturating_sub(points.len());
    let used = cells - blank;
    (0..cells).map(move |cell| {
        let Some(at) = cell.checked_sub(blank) else { return f64::NAN };
        let (from, to) = (at * points.len() / used, (at + 1) * points.len() / used);
        points[from..to.max(from + 1)].iter().copied().fold(f64::NAN, f64::max)
    })
}

/// The height of a bar; what is known and small is never invisible.
fn eighths(value: f64, top: f64, height: usize) -> Option<usize> {
    let most = height * 8;
    (!value.is_nan()).then(|| {
        if top > 0.0 { (value.max(0.0) / top * most as f64).round() as usize } else { 0 }.clamp(1.min(most), most)
    })
}

fn cell(value: Option<usize>, row: usize, limit: bool) -> char {
    match value.map_or(0, |value| value.saturating_sub(row * 8).min(8)) {
        0 if limit => LIMIT,
        filled => EIGHTHS[filled],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bars_rise_from_below_and_the_limit_shows_where_no_bar_is() {
        let shown = rows(&[0.0, 0.5, 1.0, f64::NAN], (4, 2), 1.0, Some(0.75));
        assert_eq!(shown, ["╌╌█╌", "▁██ "]);
    }

    #[test]
    fn peaks_survive_and_few_points_stand_at_the_right() {
        assert_eq!(rows(&[0.1, 1.0, 0.1, 0.1], (2, 1), 1.0, None), ["█▁"]);
        assert_eq!(rows(&[1.0], (3, 1), 1.0, None), ["  █"]);
        assert_eq!(rows(&[], (3, 1), 1.0, None), ["   "]);
    }

    proptest! {
        #[test]
        fn it_is_as_large_as_asked_for(
            points in prop::collection::vec(prop_oneof![any::<f64>(), Just(f64::NAN)], 0..50),
            width in 1usize..40, height in 0usize..6, top in any::<f64>(), limit in prop::option::of(any::<f64>()),
        ) {
            let shown = rows(&points, (width, height), top, limit);
            prop_assert_eq!(shown.len(), height);
            prop_assert!(shown.iter().all(|line| line.chars().count() == width));
        }
    }
}
