//! Theme files: inherited, palette applied, every mistake named.

use super::{Depth, Role, Theme, colour};
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The themes that are part of the program, in the order of the key that turns through them.
pub const BUILTIN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../themes/colour-blind.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
    ("nord", include_str!("../../themes/nord.toml")),
    ("gruvbox", include_str!("../../themes/gruvbox.toml")),
    ("solarized", include_str!("../../themes/solarized.toml")),
    ("solarized-light", include_str!("../../themes/solarized-light.toml")),
];
/// What every theme stands on.
const BASE: (&str, &str) = ("default", include_str!("../../themes/default.toml"));

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    inherits: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, Shade>,
    #[serde(default)]
    roles: BTreeMap<String, Paint>,
    #[serde(default)]
    ansi: Ansi,
}

/// What differs where the terminal has 16 colours.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ansi {
    palette: BTreeMap<String, Shade>,
    roles: BTreeMap<String, Paint>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Shade {
    Word(String),
    Index(u8),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Paint {
    fg: Option<Shade>,
    bg: Option<Shade>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

/// A theme by its name.
pub fn load_named(name: &str, depth: Depth) -> Result<Theme, String> {
    let (name, text) = BUILTIN
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("there is no theme {name:?}; there are: auto, {}, or a path to a file", known()))?;
    load(name, text, depth)
}

/// A theme from a file's text. The error says which role or colour, and how to mend it.
pub fn load(name: &str, text: &str, depth: Depth) -> Result<Theme, String> {
    let (palette, roles) = merged(name, text, depth)?;
    let mut styles = [Style::default(); Role::COUNT];
    for (role, word) in Role::ALL {
        let paint = roles.get(*word).ok_or_else(|| format!("theme {name}: no style for the role {word:?}"))?;
        styles[*role as usize] =
            style(paint, &palette, depth).map_err(|what| format!("theme {name}: role {word:?}: {what}"))?;
    }
    if let Some(odd) = roles.keys().find(|key| !Role::ALL.iter().any(|(_, word)| word == key)) {
        return Err(format!("theme {name}: there is no role {odd:?}; themes/default.toml names them all"));
    }
    Ok(Theme { name: name.to_owned(), styles })
}

type Palette = BTreeMap<String, Shade>;

/// The palette and the roles of a theme over those of all that it inherits. What is said for 16 colours alone stands over every
/// palette: another theme's 24 bits would come down to something that nobody chose.
fn merged(name: &str, text: &str, depth: Depth) -> Result<(Palette, BTreeMap<String, Paint>), String> {
    let (mut palette, mut roles, mut ansi) = (Palette::new(), BTreeMap::new(), Palette::new());
    for file in chain(name, text)?.into_iter().rev() {
        palette.extend(file.palette);
        roles.extend(file.roles);
        if depth == Depth::Ansi {
            ansi.extend(file.ansi.palette);
            roles.extend(file.ansi.roles);
        }
    }
    palette.extend(ansi);
    Ok((palette, roles))
}

/// The theme, what it inherits, and so on to the base.
fn chain(name: &str, text: &str) -> Result<Vec<File>, String> {
    let parse = |name: &str, text: &str| toml::from_str::<File>(text).map_err(|error| format!("theme {name}: {error}"));
    let mut files = vec![parse(name, text)?];
    // A theme that is built in never inherits in a ring: a test loads them all.
    while let Some(parent) = files.last().and_then(|file| file.inherits.clone()).filter(|parent| parent != BASE.0) {
        let found = BUILTIN.iter().find(|(known, _)| *known == parent);
        let (known, text) = found
            .ok_or_else(|| format!("theme {name}: inherits {parent:?}, which is not there; there are: {}", known()))?;
        files.push(parse(known, text)?);
    }
    files.push(parse(BASE.0, BASE.1)?);
    Ok(files)
}

fn known() -> String {
    BUILTIN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn style(paint: &Paint, palette: &BTreeMap<String, Shade>, depth: Depth) -> Result<Style, String> {
    let mut style = Style::default();
    if let Some(fg) = &paint.fg {
        style = style.fg(depth.reduce(shade(fg, palette)?));
    }
    if let Some(bg) = &paint.bg {
        style = style.bg(depth.reduce(shade(bg, palette)?));
    }
    let marks = [
        (paint.bold, Modifier::BOLD),
        (paint.dim, Modifier::DIM),
        (paint.italic, Modifier::ITALIC),
        (paint.underline, Modifier::UNDERLINED),
        (paint.reverse, Modifier::REVERSED),
    ];
    Ok(marks.iter().filter(|(on, _)| *on).fold(style, |style, (_, mark)| style.add_modifier(*mark)))
}

fn shade(shade: &Shade, palette: &BTreeMap<String, Shade>) -> Result<Color, String> {
    let shade = match shade {
        Shade::Word(word) => palette.get(word).unwrap_or(shade),
        Shade::Index(_) => shade,
    };
    match shade {
        Shade::Index(index) => Ok(Color::Indexed(*index)),
        Shade::Word(word) => colour::parse(word)
            .ok_or_else(|| format!("{word:?} is neither in the palette nor a colour (#rrggbb, a name, 0-255)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_loads_at_every_depth() {
        for (name, _) in BUILTIN {
            for depth in [Depth::True, Depth::Indexed, Depth::Ansi] {
                load_named(name, depth).unwrap();
            }
        }
    }

    #[test]
    fn mono_sets_no_colour() {
        let theme = load_named("mono", Depth::True).unwrap();
        for (role, word) in Role::ALL {
            let style = theme.style(*role);
            assert!(style.fg.is_none() && style.bg.is_none(), "{word}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let broken = |text: &str| load("mine", text, Depth::True).unwrap_err();
        assert_eq!(
            broken("[roles]\ntexd = {}"),
            "theme mine: there is no role \"texd\"; themes/default.toml names them all"
        );
        assert!(
            broken("[roles]\ntext = { fg = \"bleu\" }").contains("\"bleu\" is neither in the palette nor a colour")
        );
        assert!(broken("[roles]\ntext = { gf = \"red\" }").contains("unknown field `gf`"));
        assert!(load_named("drak", Depth::True).unwrap_err().contains("auto, dark, light, high-contrast"));
        assert!(broken("inherits = \"nrod\"").contains("which is not there; there are: dark"));
    }
}
