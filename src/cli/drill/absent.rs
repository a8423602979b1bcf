//! `quarterdeck drill` where it was left out when the program was built: says so, whatever it is called with.

use super::Global;
use super::record::IntoFile;
use clap::Args;
use color_eyre::eyre::bail;
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes: 0 never, 1 always: this quarterdeck was built without drills.";

/// Not in this build. Practise: the dashboard over a production of its own, in which an incident unfolds.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Drill {
    /// What a quarterdeck that has drills would be given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl Drill {
    /// Says how to get it.
    pub fn run(self, _: &Global, _: &IntoFile) -> color_eyre::Result<ExitCode> {
        let asked = self.arguments.iter().fold("quarterdeck drill".to_owned(), |asked, word| asked + " " + word);
        bail!(
            "this quarterdeck was built without drills (`--no-default-features`), so that there is no `{asked}`: build it with \
             `cargo build --release`, or take a binary that has them"
        )
    }
}
