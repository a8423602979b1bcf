//! Every theme can be read, at every depth, and by eyes that see colour differently. Measured, not looked at.

use super::colour::rgb;
use super::ground::{linear, luminance};
use super::*;
use crate::domain::Severity;
use ratatui::style::{Color, Modifier, Style};

const SEVERITIES: [Severity; 6] =
    [Severity::None, Severity::Ok, Severity::Info, Severity::Unknown, Severity::Warning, Severity::Critical];

/// What rows of tables are drawn in, over which the selection is laid.
const ROWS: [Role; 11] = [
    Role::Text,
    Role::Marked,
    Role::Muted,
    Role::Faint,
    Role::Stale,
    Role::Spark,
    Role::SeverityOk,
    Role::SeverityInfo,
    Role::SeverityUnknown,
    Role::SeverityWarning,
    Role::SeverityCritical,
];

fn coloured() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name).filter(|name| *name != "mono")
}

/// WCAG 2: from 1 (the same) to 21.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Foreground and ground as seen: reversed where the style says so.
fn seen(style: Style) -> ([u8; 3], [u8; 3]) {
    let of = |color: Option<Color>| color.and_then(rgb).expect("the theme paints its own ground");
    let (fg, bg) = (of(style.fg), of(style.bg));
    if style.add_modifier.contains(Modifier::REVERSED) { (bg, fg) } else { (fg, bg) }
}

/// Each thing that is drawn, with its name and the contrast that it must have.
fn drawn(theme: &Theme) -> Vec<(String, Style, f64)> {
    let screen = theme.style(Role::Screen);
    let mut all = Vec::new();
    for (role, word) in Role::ALL {
        // A frame is no text.
        let least = if *role == Role::Border { 3.0 } else { 4.5 };
        let own = theme.style(*role);
        let grounds: &[Role] = if own.bg.is_some() { &[Role::Screen] } else { &[Role::Screen, Role::Dialog] };
        for ground in grounds {
            let style = screen.patch(theme.style(*ground)).patch(own);
            let line = matches!(role, Role::Border) && *ground == Role::Dialog;
            if !line && !matches!(role, Role::Selected | Role::SelectedUnfocused) {
                all.push((format!("{word} on {ground:?}"), style, least));
            }
        }
    }
    for over in [Role::Selected, Role::SelectedUnfocused] {
        for role in ROWS {
            let style = screen.patch(theme.style(role)).patch(theme.style(over));
            all.push((format!("{role:?} under {over:?}"), style, 4.5));
        }
    }
    all
}

fn faults(name: &str, depth: Depth, least: impl Fn(f64) -> f64) -> Vec<String> {
    let theme = load_named(name, depth).unwrap();
    let measured = drawn(&theme).into_iter().map(|(what, style, wanted)| {
        let (fg, bg) = seen(style);
        (what, contrast(fg, bg), least(wanted))
    });
    let bad = measured.filter(|(_, got, wanted)| got < wanted);
    bad.map(|(what, got, wanted)| format!("{name} at {depth:?}: {what}: {got:.2}, wanted {wanted}")).collect()
}

#[test]
fn every_role_of_every_theme_can_be_read() {
    let mut faults: Vec<String> = coloured().flat_map(|name| faults(name, Depth::True, |wanted| wanted)).collect();
    faults.extend(self::faults("high-contrast", Depth::True, |_| 7.0));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// With fewer colours the terminal chooses the nearest: what was text must not become the ground.
#[test]
fn nothing_sinks_into_its_ground_where_there_are_fewer_colours() {
    let at = |depth| coloured().flat_map(move |name| faults(name, depth, |_| 2.9)).collect::<Vec<_>>();
    let faults = [at(Depth::Indexed), at(Depth::Ansi)].concat();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn with_16_colours_every_severity_still_looks_different_and_so_does_the_selection() {
    for name in coloured() {
        let theme = load_named(name, Depth::Ansi).unwrap();
        let styles = SEVERITIES.map(|severity| theme.style(Role::Screen).patch(theme.style(severity.into())));
        for (index, style) in styles.iter().enumerate() {
            assert!(!styles[..index].contains(style), "{name}: {:?} looks like another", SEVERITIES[index]);
        }
    }
    for depth in [Depth::True, Depth::Indexed, Depth::Ansi] {
        for name in coloured() {
            let theme = load_named(name, depth).unwrap();
            let plain = theme.style(Role::Screen).patch(theme.style(Role::Text));
            for over in [Role::Selected, Role::SelectedUnfocused] {
                assert_ne!(plain.patch(theme.style(over)), plain, "{name} at {depth:?}: {over:?} cannot be seen");
            }
        }
    }
}

/// Only the 16, and no bright ground, which many such terminals cannot show.
#[test]
fn with_16_colours_nothing_else_is_asked_for() {
    const DARK: [Color; 8] =
        [Color::Black, Color::Red, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Cyan, Color::Gray];
    for name in coloured() {
        let theme = load_named(name, Depth::Ansi).unwrap();
        for (role, word) in Role::ALL {
            let style = theme.style(*role);
            let wide =
                [style.fg, style.bg].into_iter().flatten().any(|c| matches!(c, Color::Rgb(..) | Color::Indexed(_)));
            assert!(!wide, "{name}: {word}: {style:?}");
            let accent = matches!(role, Role::Environment);
            assert!(accent || style.bg.is_none_or(|bg| DARK.contains(&bg)), "{name}: {word}: {style:?}");
        }
    }
}

/// What a person without one kind of cone sees: the matrices for severity 1.0 of G. M. Machado, M. M. Oliveira and L. A. F.
/// Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, in linear RGB.
const EYES: [(&str, [[f64; 3]; 3]); 3] = [
    (
        "protanopia",
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
    ),
    (
        "deuteranopia",
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
    ),
    (
        "tritanopia",
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ),
];

/// CIELAB (D65) of a colour as such eyes see it.
fn lab(color: [u8; 3], eyes: [[f64; 3]; 3]) -> [f64; 3] {
    let light = color.map(linear);
    let dot = |row: [f64; 3], of: [f64; 3]| row.iter().zip(of).map(|(a, b)| a * b).sum::<f64>();
    let seen = eyes.map(|row| dot(row, light).clamp(0.0, 1.0));
    let x = dot([0.412_456, 0.357_576, 0.180_438], seen) / 0.950_47;
    let y = dot([0.212_673, 0.715_152, 0.072_175], seen);
    let z = dot([0.019_334, 0.119_192, 0.950_304], seen) / 1.088_83;
    let f = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
    [116.0 * f(y) - 16.0, 500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z))]
}

/// A difference of 2.3 in CIELAB is the smallest that is noticed side by side; 15 is told apart across a screen.
#[test]
fn in_the_colour_blind_theme_severities_are_told_apart_without_any_one_kind_of_cone() {
    let theme = load_named("colour-blind", Depth::True).unwrap();
    let colour = |severity: Severity| theme.style(severity.into()).fg.and_then(rgb).unwrap();
    for (name, eyes) in EYES {
        for (index, one) in SEVERITIES.iter().enumerate() {
            for other in &SEVERITIES[index + 1..] {
                let (a, b) = (lab(colour(*one), eyes), lab(colour(*other), eyes));
                let apart = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(apart >= 15.0, "{name}: {} and {} are {apart:.1} apart", one.word(), other.word());
            }
        }
    }
    // The measure sees what it is for: red and green of an ordinary theme, to eyes without the one for green.
    let plain = load_named("solarized", Depth::True).unwrap();
    let colour = |role: Role| plain.style(role).fg.and_then(rgb).unwrap();
    let (a, b) = (lab(colour(Role::SeverityOk), EYES[1].1), lab(colour(Role::SeverityWarning), EYES[1].1));
    assert!(a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() < 15.0);
}

#[test]
fn themes_are_a_circle_that_is_read_as_it_turns() {
    let mut themes = Themes::with_builtin(load_named("nord", Depth::True).unwrap(), Depth::True);
    let mut seen = vec![themes.shown().name().to_owned()];
    for _ in 1..BUILTIN.len() {
        themes.turn();
        seen.push(themes.shown().name().to_owned());
    }
    themes.turn();
    assert_eq!(themes.shown().name(), "nord", "{seen:?}");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), BUILTIN.len());
    assert!(themes.turn_to("light") && !themes.turn_to("light") && !themes.turn_to("none"));
    let (mut alone, dark) = (Themes::from(load_named("mono", Depth::Mono).unwrap()), "dark");
    alone.turn();
    assert!(!alone.turn_to(dark) && alone.shown().name() == "mono");
}

#[test]
fn what_is_underlined_without_colours_is_bad_and_nothing_else_is() {
    let mono = load_named("mono", Depth::Mono).unwrap();
    let underlined = Role::ALL.iter().filter(|(role, _)| mono.style(*role).add_modifier.contains(Modifier::UNDERLINED));
    let underlined: Vec<&str> = underlined.map(|(_, word)| *word).collect();
    assert_eq!(underlined, ["source-bad", "severity-critical", "key-acts", "dialog-danger"]);
}
