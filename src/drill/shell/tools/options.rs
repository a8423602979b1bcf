//! What stands behind a tool's name: options and the rest, in any order.

/// The options of one call.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) flags: Vec<(char, Option<String>)>,
    pub(super) rest: Vec<String>,
}

impl Options {
    /// Reads them. `spec` is as of getopt: a letter, with a colon behind it if it takes a value; `long` are long names, their letters, and
    /// whether they take a value.
    ///
    /// # Errors
    /// Which one this drill does not know.
    pub(super) fn read(words: &[String], spec: &str, long: &[(&str, char, bool)]) -> Result<Self, String> {
        let mut out = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                out.rest.extend(words.cloned());
                break;
            }
            if let Some(name) = word.strip_prefix("--") {
                let (name, given) =
                    name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
                let known = long.iter().find(|(known, ..)| *known == name);
                let Some((_, letter, takes)) = known else {
                    return Err(format!("this drill does not know the option --{name}"));
                };
                let value = match (given, takes) {
                    (Some(value), _) => Some(value),
                    (None, true) => {
                        Some(words.next().cloned().ok_or_else(|| format!("option '--{name}' requires an argument"))?)
                    }
                    (None, false) => None,
                };
                out.flags.push((*letter, value));
                continue;
            }
            let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
                out.rest.push(word.clone());
                continue;
            };
            for (at, flag) in flags.char_indices() {
                let Some(found) = spec.find(flag).filter(|_| flag != ':') else {
                    return Err(format!("this drill does not know the option -{flag}"));
                };
                if !spec[found + flag.len_utf8()..].starts_with(':') {
                    out.flags.push((flag, None));
                    continue;
                }
                let here = &word[1 + at + flag.len_utf8()..];
                let value = if here.is_empty() { words.next().cloned() } else { Some(here.to_owned()) };
                out.flags.push((flag, Some(value.ok_or_else(|| format!("option requires an argument -- '{flag}'"))?)));
                break;
            }
        }
        Ok(out)
    }

    pub(super) fn has(&self, flag: char) -> bool {
        self.flags.iter().any(|(known, _)| *known == flag)
    }

    /// The last value of an option.
    pub(super) fn value(&self, flag: char) -> Option<&str> {
        self.flags.iter().rev().find(|(known, _)| *known == flag)?.1.as_deref()
    }

    /// All values of an option.
    pub(super) fn values(&self, flag: char) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(known, _)| *known == flag).filter_map(|(_, value)| value.as_deref())
    }
}
