//! The preview of a silence, painted: what it would hide, which labels it asks for, and the alerts themselves.

use super::dialog::{self, Lines, text_width};
use super::foot::Foot;
use super::overlay::wrap_into;
use crate::action::{Action, Verb};
use crate::app::{SilencePreview, State, WouldHide};
use crate::domain::{Alert, Severity};
use crate::panes;
use crate::theme::Role;
use crate::widgets::figure;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::fmt::Write;

/// Alerts listed at most.
const MOST: usize = 200;

/// Paints it.
pub fn draw(state: &State, preview: &SilencePreview, area: Rect, buf: &mut Buffer) {
    let would = preview.would_hide(&state.store);
    let mut lines = Lines::new();
    verdict(state, &would, text_width(area), &mut lines);
    lines.push((Role::Text, String::new()));
    for (index, choice) in preview.choices.iter().enumerate() {
        let (cursor, mark) = (if index == preview.cursor { "▶" } else { " " }, if choice.included { "x" } else { " " });
        let role = if choice.included { Role::Text } else { Role::Muted };
        lines.push((
            role,
            figure::text(|out| {
                let _ = write!(out, "{cursor} [{mark}] ");
                choice.matcher.write(out);
            }),
        ));
    }
    lines.push((Role::Text, String::new()));
    lines.extend(would.alerts.iter().take(MOST).map(|alert| line(alert)));
    let left = would.alerts.len().saturating_sub(MOST);
    lines.extend((left > 0).then(|| (Role::Muted, format!("  … and {left} more"))));
    let silence = state.keymap.key_of(state.scope(), &Action::Do(Verb::Silence));
    let plans = silence.map_or_else(String::new, |key| format!("   {key} plans it"));
    let ask = format!(
        "Space: with or without this label{plans}   c copies the matchers, C the amtool line   Esc closes. Nothing is made here"
    );
    let foot = Foot::new(area, (Role::Hint, &ask), None, None);
    let title = format!("what a silence would hide: {}", preview.of);
    let at = dialog::draw(state, area, buf, &title, &lines, &preview.scroll, foot.height());
    foot.draw(state, at, buf);
}

fn verdict(state: &State, would: &WouldHide<'_>, width: usize, lines: &mut Lines) {
    let pending = would.alerts.len() - would.firing - would.suppressed;
    let plural = if would.alerts.len() == 1 { "" } else { "s" };
    let mut text =
        format!("a silence on these labels would hide {} alert{plural}: {} firing", would.alerts.len(), would.firing);
    for (count, what) in [(pending, "pending"), (would.suppressed, "held back already")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    wrap_into(lines, Role::DialogTitle, &text, width, 2);
    let mut warn = |severity: Severity, text: String| {
        wrap_into(lines, severity.into(), &format!("{} {text}", severity.symbol()), width, 2);
    };
    if would.critical > 0 {
        warn(Severity::Critical, format!("{} of them critical", would.critical));
    }
    if would.refused {
        let why =
            "it asks for no label that must be there: it would hide nearly everything, and Alertmanager refuses it";
        warn(Severity::Critical, why.to_owned());
    } else if would.all {
        warn(Severity::Warning, "these are all alerts that there are".to_owned());
    }
    if let Some(names) = panes::unheard(&state.cx()) {
        warn(Severity::Warning, format!("{names} does not answer just now: it may have more of them"));
    }
    if would.by_source.is_empty() {
        warn(Severity::Info, "no Alertmanager among the sources: there is nobody to make a silence".to_owned());
    } else if would.by_source.len() > 1 {
        let each: Vec<String> = would.by_source.iter().map(|(name, count)| format!("{name} {count}")).collect();
        warn(Severity::Info, format!("a silence holds in one Alertmanager: of these have {}", each.join(", ")));
    }
}

fn line(alert: &Alert) -> (Role, String) {
    let severity = alert.judge();
    let role = if severity > Severity::Ok { severity.into() } else { Role::Muted };
    let on = alert.target();
    let gap = if on.is_empty() { "" } else { " on " };
    let text = format!("{} {}{gap}{on}  {} {}", severity.symbol(), alert.name, alert.word(), alert.severity.word());
    (role, text)
}
