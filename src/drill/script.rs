//! A key file: what is typed in a drill that plays by itself, what must be on the screen, and how far the world goes on.

use regex::Regex;

/// One line of it.
#[derive(Clone, Debug)]
pub enum Do {
    /// Keys, by their names, one after the other.
    Keys(Vec<String>),
    /// A text, as it is typed.
    Text(String),
    /// Wait until this is on the screen.
    Wait(Regex),
    /// Wait until this is not on the screen any more.
    Gone(Regex),
    /// This must be on the screen now.
    Expect(Regex),
    /// Wait until somebody has done this, in the words of the score, since the line of this kind before.
    Done(Regex),
    /// So many seconds of the world go by.
    Pass(i64),
    /// The world goes on to this second.
    Until(i64),
}

/// All of it: the number of the line, and what it says.
#[derive(Clone, Debug, Default)]
pub struct Script(pub Vec<(usize, Do)>);

impl Script {
    /// Reads one. Empty lines, and those that begin with `#`, say nothing.
    ///
    /// # Errors
    /// What is wrong, with the number of its line.
    pub fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).enumerate();
        let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let read = |(at, line)| Ok((at + 1, one(line).map_err(|why| format!("line {}: {why}", at + 1))?));
        said.map(read).collect::<Result<_, String>>().map(Self)
    }
}

fn one(line: &str) -> Result<Do, String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(format!("{word:?} needs something behind it: {WORDS}"));
    }
    let pattern = || Regex::new(rest).map_err(|why| format!("{rest:?} is no regular expression: {why}"));
    let seconds = || {
        let seconds = rest.parse::<i64>().ok().filter(|seconds| (0..=86_400).contains(seconds));
        seconds.ok_or_else(|| format!("{rest:?} are no seconds: write a whole number up to 86400"))
    };
    Ok(match word {
        "keys" => Do::Keys(rest.split_whitespace().map(str::to_owned).collect()),
        "text" => Do::Text(rest.to_owned()),
        "wait" => Do::Wait(pattern()?),
        "gone" => Do::Gone(pattern()?),
        "expect" => Do::Expect(pattern()?),
        "done" => Do::Done(pattern()?),
        "pass" => Do::Pass(seconds()?),
        "until" => Do::Until(seconds()?),
        _ => return Err(format!("nothing is called {word:?}: {WORDS}")),
    })
}

const WORDS: &str =
    "write keys KEY KEY…, text TEXT, wait REGEX, gone REGEX, expect REGEX, done REGEX, pass SECONDS or until SECOND";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_one_thing() {
        let text = "# a\n\nuntil 30\n  keys 2 ctrl-l enter\ntext game-2/godot server\nwait exited \\d+\ngone x\nexpect y\ndone restarted a\npass 5\n";
        let script = Script::read(text).unwrap();
        let told: Vec<String> = script.0.iter().map(|(line, what)| format!("{line} {what:?}")).collect();
        assert_eq!(
            told,
            [
                "3 Until(30)",
                "4 Keys([\"2\", \"ctrl-l\", \"enter\"])",
                "5 Text(\"game-2/godot server\")",
                "6 Wait(Regex(\"exited \\\\d+\"))",
                "7 Gone(Regex(\"x\"))",
                "8 Expect(Regex(\"y\"))",
                "9 Done(Regex(\"restarted a\"))",
                "10 Pass(5)",
            ]
        );
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, why) in [
            ("\npres R", "line 2: nothing is called \"pres\": write keys"),
            ("pass", "line 1: \"pass\" needs something behind it"),
            ("pass -1", "no seconds"),
            ("wait (", "no regular expression"),
        ] {
            let told = Script::read(text).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
