//! Whether the terminal's own ground is light: from what it answered, or from what it told its programs at start.

/// The relative luminance in the middle between black and white as eyes see it (L* of CIELAB is 50).
const MIDDLE: f64 = 0.184;

/// Light enough that dark text belongs on it.
pub fn is_light(rgb: [u8; 3]) -> bool {
    luminance(rgb) > MIDDLE
}

/// `COLORFGBG` as rxvt, Konsole and others set it: `15;0`, or `0;default;15`. The last number is the ground, one of the 16.
/// `None` when it says nothing.
pub fn from_colorfgbg(value: &str) -> Option<bool> {
    let ground: u8 = value.rsplit(';').next()?.parse().ok()?;
    (ground < 16).then_some(matches!(ground, 7 | 9..=15))
}

/// Relative luminance as WCAG 2 defines it: 0 for black, 1 for white.
pub(super) fn luminance(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// A channel of sRGB without its gamma, 0 to 1.
pub(super) fn linear(channel: u8) -> f64 {
    let value = f64::from(channel) / 255.0;
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grounds_people_use() {
        for dark in [[0, 0, 0], [0x1e, 0x1e, 0x1e], [0, 0x2b, 0x36], [0x2e, 0x34, 0x40], [0x30, 0x0a, 0x24]] {
            assert!(!is_light(dark), "{dark:?}");
        }
        for light in [[255, 255, 255], [0xfd, 0xf6, 0xe3], [0xc0, 0xc0, 0xc0], [0xff, 0xff, 0xdd]] {
            assert!(is_light(light), "{light:?}");
        }
    }

    #[test]
    fn colorfgbg_in_its_forms() {
        assert_eq!(from_colorfgbg("15;0"), Some(false));
        assert_eq!(from_colorfgbg("0;default;15"), Some(true));
        assert_eq!(from_colorfgbg("12;8"), Some(false));
        assert_eq!(from_colorfgbg("15;default"), None);
        assert_eq!(from_colorfgbg("0;231"), None);
        assert_eq!(from_colorfgbg(""), None);
    }
}
