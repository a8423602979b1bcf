//! When and how somebody who looks elsewhere is told of something new and critical: `[notify]` in the config.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// How it is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Ring the terminal's bell.
    pub bell: bool,
    /// Which escape sequence carries the text.
    pub osc: Osc,
    /// When nothing is told.
    #[schemars(with = "Option<String>")]
    pub quiet: Option<Quiet>,
    /// Of which place `quiet` speaks; absent: of this machine's.
    #[schemars(with = "Option<String>")]
    pub zone: Option<Zone>,
    /// Hand the text through tmux to the terminal around it (tmux must allow it: `allow-passthrough on`).
    pub tmux: bool,
}

impl Default for Notify {
    fn default() -> Self {
        Self { bell: true, osc: Osc::Auto, quiet: None, zone: None, tmux: false }
    }
}

/// The escape sequence of a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Osc {
    /// The one that the terminal is known to show, or none.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// None.
    #[serde(rename = "off")]
    Off,
    /// OSC 9, the text alone: iTerm2, kitty, WezTerm, Ghostty.
    #[serde(rename = "9")]
    Nine,
    /// OSC 777, title and text: foot, rxvt-unicode.
    #[serde(rename = "777")]
    SevenSevenSeven,
}

impl Notify {
    /// Nothing would be heard or seen.
    pub fn is_off(&self) -> bool {
        !self.bell && self.osc == Osc::Off
    }

    /// Nothing is to be told at this moment.
    pub fn is_quiet(&self, at: Timestamp) -> bool {
        let zone = self.zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.clone());
        self.quiet.is_some_and(|quiet| quiet.holds(zone.to_datetime(at).time()))
    }

    /// With what was left open decided by the environment: the sequence by the terminal, tmux by whether it is there, the place by
    /// `here`.
    #[must_use]
    pub fn decided(self, variable: impl Fn(&str) -> Option<String>, here: impl FnOnce() -> TimeZone) -> Self {
        let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let inside = set("TMUX");
        let tmux = self.tmux && inside;
        let osc = match self.osc {
            // tmux shows none itself.
            Osc::Auto if inside && !tmux => Osc::Off,
            Osc::Auto => known(&variable),
            chosen => chosen,
        };
        // Finding out where this is reads the system's list of zones.
        let zone = self.zone.or_else(|| self.quiet.map(|_| Zone(here())));
        Self { osc, zone, tmux, ..self }
    }
}

/// What the terminal is known to show, by the variables that it sets. Others may print the text, or take it for something else.
fn known(variable: &impl Fn(&str) -> Option<String>) -> Osc {
    let of = |name: &str| variable(name).unwrap_or_default();
    let (program, term) = (of("TERM_PROGRAM"), of("TERM"));
    let nine = ["iTerm.app", "WezTerm", "ghostty"].contains(&program.as_str())
        || ["kitty", "wezterm", "ghostty"].iter().any(|name| term.contains(name))
        || ["KITTY_WINDOW_ID", "WEZTERM_PANE", "ITERM_SESSION_ID", "GHOSTTY_RESOURCES_DIR"]
            .iter()
            .any(|name| !of(name).is_empty());
    match term.as_str() {
        _ if nine => Osc::Nine,
        term if term.starts_with("foot") || term.starts_with("rxvt-unicode") => Osc::SevenSevenSeven,
        _ => Osc::Off,
    }
}

/// Hours of a day, as in `22:00-07:00`: from the first, up to but not with the second. They may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    from: Time,
    to: Time,
}

impl Quiet {
    fn holds(self, time: Time) -> bool {
        if self.from <= self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }
}

impl std::str::FromStr for Quiet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let pair = text.split_once('-').and_then(|(from, to)| Some(Self { from: time(from)?, to: time(to)? }));
        pair.filter(|quiet| quiet.from != quiet.to)
            .ok_or_else(|| format!("{text:?} is no span of a day: write two times, as in \"22:00-07:00\""))
    }
}

impl<'de> Deserialize<'de> for Quiet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A time zone by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub TimeZone);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = TimeZone::get(&name);
        let unknown =
            || D::Error::custom(format!("there is no time zone {name:?}: write a name such as Europe/Berlin, or UTC"));
        found.map(Zone).map_err(|_| unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(text: &str, zone: &str) -> Notify {
        let zone = Some(Zone(TimeZone::get(zone).unwrap()));
        Notify { quiet: Some(text.parse().unwrap()), zone, ..Notify::default() }
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_are_those_of_a_place() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let night = quiet("22:00-07:00", "Europe/Berlin");
        for (moment, holds) in [
            ("2026-11-25T20:59:59Z", false),
            ("2026-11-25T21:00:00Z", true),
            ("2026-11-26T05:59:59Z", true),
            ("2026-11-26T06:00:00Z", false),
            // Summer time: two hours ahead.
            ("2026-07-01T20:00:00Z", true),
            ("2026-07-02T05:00:00Z", false),
        ] {
            assert_eq!(night.is_quiet(at(moment)), holds, "{moment}");
        }
        let noon = quiet("12:00-13:30", "UTC");
        assert!(noon.is_quiet(at("2026-11-25T13:29:59Z")) && !noon.is_quiet(at("2026-11-25T13:30:00Z")));
        assert!(!Notify::default().is_quiet(at("2026-11-25T03:00:00Z")));
    }

    #[test]
    fn a_span_that_is_none_is_told() {
        for text in ["", "22:00", "22-07", "25:00-07:00", "22:60-07:00", "07:00-07:00", "22:00-07:00-08:00"] {
            assert!(text.parse::<Quiet>().unwrap_err().contains("is no span of a day"), "{text}");
        }
    }

    #[test]
    fn the_terminal_decides_what_is_left_open() {
        let decided = |how: Notify, set: &[(&str, &str)]| {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let how = how.decided(variable, || TimeZone::UTC);
            (how.osc, how.tmux)
        };
        let auto = Notify::default();
        assert_eq!(decided(auto.clone(), &[("TERM", "xterm-kitty")]), (Osc::Nine, false));
        assert_eq!(decided(auto.clone(), &[("TERM", "foot")]), (Osc::SevenSevenSeven, false));
        assert_eq!(decided(auto.clone(), &[("TERM", "xterm-256color")]), (Osc::Off, false));
        let tmux = [("TERM", "tmux-256color"), ("TMUX", "/tmp/s,1,0"), ("KITTY_WINDOW_ID", "1")];
        assert_eq!(decided(auto, &tmux), (Osc::Off, false));
        let through = Notify { tmux: true, ..Notify::default() };
        assert_eq!(decided(through.clone(), &tmux), (Osc::Nine, true));
        assert_eq!(decided(through, &[("TERM", "xterm-kitty")]), (Osc::Nine, false));
    }
}
