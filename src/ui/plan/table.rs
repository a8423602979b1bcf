//! The blast radius as a table.

use crate::domain::text;
use crate::runbook::plan::Rows;
use crate::theme::Role;
use crate::ui::dialog::Lines;
use crate::ui::overlay::wrap_into;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// Rows of the blast radius shown before "and N more".
const ROWS: usize = 200;
/// A column is not cut below this many cells: rather is the last one left out.
const COLUMN: usize = 12;

/// As many columns as fit, from the first, below how much it is.
pub(super) fn table(out: &mut Lines, rows: &Rows, extent: &str, width: usize) {
    let heads: Vec<String> = rows.columns.iter().map(|name| text::clean(name).into_owned()).collect();
    let line = |row: &Value| rows.columns.iter().map(|name| cell(&row[name.as_str()])).collect();
    let shown: Vec<Vec<String>> = rows.rows.iter().take(ROWS).map(line).collect();
    let natural: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(at, name)| shown.iter().map(|row| row[at].width()).max().unwrap_or(0).max(name.width()))
        .collect();
    let widths = fit(&natural, width);
    let hidden = heads[widths.len()..].join(", ");
    let hidden = if hidden.is_empty() { hidden } else { format!(" (without {hidden}: no room)") };
    wrap_into(out, Role::SeverityInfo, &format!("{extent}{hidden}:"), width, 2);
    let join = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(text, width)| text::pad(&text::shorten(text, *width), *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    if !shown.is_empty() {
        out.push((Role::Faint, join(&heads)));
    }
    out.extend(shown.iter().map(|row| (Role::Text, join(row))));
    if rows.rows.len() > ROWS {
        out.push((Role::SeverityWarning, format!("… and {} more", rows.rows.len() - ROWS)));
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text::clean(text).into_owned(),
        Value::Null => "—".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            text::clean(&value.to_string()).into_owned()
        }
    }
}

/// The widths of the columns that fit beside each other: the widest give way first, then the last are left out. The order is
/// the author's: what matters most stands first.
fn fit(natural: &[usize], room: usize) -> Vec<usize> {
    for count in (1..=natural.len()).rev() {
        let mut widths = natural[..count].to_vec();
        let gaps = 2 * (count - 1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
        while over > 0 {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > COLUMN) else { break };
            *widest -= 1;
            over -= 1;
        }
        if over == 0 {
            return widths;
        }
    }
    natural.iter().take(1).map(|width| (*width).min(room)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_widest_give_way_and_then_the_last_are_left_out() {
        assert_eq!(fit(&[5, 8, 20], 40), [5, 8, 20], "all fit");
        assert_eq!(fit(&[5, 8, 64], 40), [5, 8, 23], "an id is shortened");
        assert_eq!(fit(&[20, 20, 20], 30), [14, 14], "three of twelve do not fit");
        assert_eq!(fit(&[64], 10), [10]);
        assert_eq!(fit(&[], 10), [0; 0]);
    }

    #[test]
    fn a_table_fits_its_width_and_says_what_it_left_out() {
        let rows = Rows {
            name: "idle".to_owned(),
            key: vec!["pid".to_owned()],
            columns: ["pid", "app", "since"].map(str::to_owned).into(),
            rows: vec![json!({"pid": 4711, "app": "a-pool-with-a-long-name", "since": "2026-11-25T12:00:00+00:00"})],
            told: None,
        };
        let mut out = Lines::new();
        table(&mut out, &rows, "1 affected", 24);
        let lines: Vec<&str> = out.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["1 affected (without", "  since: no room):", "pid   app", "4711  a-pool-with-a-lon…"]);
        assert!(lines.iter().all(|line| line.width() <= 24));
    }
}
