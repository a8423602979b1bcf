//! What is read from the standard input: the text of a command in whose place `-` stands.

use super::{Assess, Command};
use std::io::Read;

/// Stands for the standard input.
const DASH: &str = "-";

/// Bytes of a text at most: an excerpt of a log, and no log.
const MOST: usize = 65_536;

impl Command {
    /// With what the standard input has in the place of a text that is `-`.
    ///
    /// # Errors
    /// A sentence, when it can't be read or is too long, or stands for two texts, or for what is no text.
    pub(super) fn filled(mut self) -> Result<Self, String> {
        if self.names().contains(&DASH) {
            return Err(
                "- stands for the standard input, of which a text is read: write a title or a name out".to_owned()
            );
        }
        let mut dashes = self.texts().into_iter().filter(|text| *text == DASH);
        if let Some(text) = dashes.next() {
            if dashes.next().is_some() {
                return Err(
                    "the standard input can be read once: one of the texts is -, write the others out".to_owned()
                );
            }
            *text = read(std::io::stdin().lock())?;
        }
        Ok(self)
    }

    /// What somebody says in their words.
    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Note { text, .. } | Self::Update { text, .. } | Self::Mitigate { text, .. } => vec![text],
            Self::Severity { reason, .. } | Self::TakeBack { reason, .. } | Self::Reopen { reason, .. } => vec![reason],
            Self::Assess(Assess { impact, scope, changed, .. }) => {
                [impact, scope, changed].into_iter().flatten().collect()
            }
            // Behind `--as false-alarm` stands how that is known.
            Self::Resolve { text, closed_as, .. } => {
                text.iter_mut().chain(closed_as.iter_mut().filter_map(|how| how.get_mut(1))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What has to stand in one line everywhere.
    fn names(&self) -> Vec<&str> {
        let name = match self {
            Self::Declare { title, .. } | Self::Title { title, .. } => Some(title),
            Self::Role { name, .. } => name.as_ref(),
            Self::Call { reached, .. } => reached.as_ref(),
            _ => None,
        };
        name.into_iter().map(String::as_str).collect()
    }
}

/// All that there is, in its lines.
fn read(input: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    let limit = MOST as u64 + 1;
    input.take(limit).read_to_end(&mut bytes).map_err(|error| format!("the standard input can't be read: {error}"))?;
    if bytes.len() > MOST {
        return Err(format!(
            "the standard input has more than {MOST} bytes: shorten it, or write down where all of it is"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        format!("the standard input is no text in UTF-8: byte {at} is part of no letter")
    })?;
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn command(arguments: &[&str]) -> Command {
        Line::parse_from([&["incident"], arguments].concat()).command
    }

    #[test]
    fn all_of_it_is_read_or_why_not_is_said() {
        assert_eq!(read(&b"\n  the disk  \nis full\n\n"[..]).unwrap(), "  the disk\nis full");
        let most = "ä".repeat(MOST / 2);
        assert_eq!(read(most.as_bytes()).unwrap(), most);
        // One letter more: its first byte is still within the limit.
        let more = most + "ä";
        assert!(read(more.as_bytes()).unwrap_err().contains("more than 65536 bytes"));
        assert!(read(&b"ab\xff"[..]).unwrap_err().contains("byte 3 is part of no letter"));
    }

    #[test]
    fn every_text_of_a_command_can_be_the_standard_input_and_no_name_can() {
        for arguments in [
            &["note", "-"][..],
            &["severity", "P0", "-"],
            &["assess", "--impact", "-", "--scope", "all"],
            &["assess", "--changed", "-"],
            &["update", "-"],
            &["take-back", "7f3a21/12", "-"],
            &["mitigate", "-"],
            &["resolve", "-"],
            &["resolve", "--as", "false-alarm", "-"],
            &["reopen", "-"],
        ] {
            assert_eq!(command(arguments).texts().iter().filter(|text| **text == DASH).count(), 1, "{arguments:?}");
        }
        for arguments in [
            &["declare", "-", "-p", "1"][..],
            &["title", "-"],
            &["role", "scribe", "-"],
            &["call", "--reached", "-"],
            &["assess", "--impact", "-", "--scope", "-"],
        ] {
            assert!(command(arguments).filled().is_err(), "{arguments:?}");
        }
        assert!(command(&["note", "a - b"]).filled().is_ok());
    }
}
