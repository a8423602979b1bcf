//! `completions`, `man`, `config example`, `config schema`: what packagers and editors need.

use super::{Cli, PRINTS};
use crate::config;
use crate::domain::nearest;
use clap::{Args, Command, CommandFactory, Subcommand};
use color_eyre::eyre::eyre;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// `assets/config.example.toml`; a test holds it to what the kinds of sources say of themselves.
const EXAMPLE: &str = include_str!("../../assets/config.example.toml");

/// `quarterdeck config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// An example with every key explained, on standard output
    #[command(after_help = PRINTS)]
    Example,
    /// A JSON Schema of the config, for editors, on standard output
    #[command(after_help = PRINTS)]
    Schema,
}

impl Config {
    /// Prints it.
    pub fn run(self) -> color_eyre::Result<ExitCode> {
        match self {
            Self::Example => stdout().write_all(EXAMPLE.as_bytes())?,
            Self::Schema => stdout().write_all(crate::domain::json::text(&config::schema())?.as_bytes())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> color_eyre::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quarterdeck", &mut script);
    stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Which manual page.
#[derive(Debug, Args)]
#[command(after_help = PRINTS)]
pub struct Man {
    /// Of a subcommand, as in `man runbook plan`; absent: of all of it
    #[arg(value_name = "SUBCOMMAND")]
    of: Vec<String>,
}

impl Man {
    /// Prints it.
    pub fn run(self) -> color_eyre::Result<ExitCode> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command(&self.of)?).render(&mut page)?;
        stdout().write_all(&page)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The description of a subcommand of subcommands, called by its whole name; it knows the arguments that all of them take.
fn command(of: &[String]) -> color_eyre::Result<Command> {
    let mut command = Cli::command();
    command.build();
    for name in of {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let Some(sub) = command.find_subcommand(name) else {
            let near = nearest(name, names.iter().map(String::as_str));
            let hint = near
                .map_or_else(|| format!("there are: {}", names.join(", ")), |near| format!("did you mean {near:?}?"));
            return Err(eyre!(
                "{} has no subcommand {name:?}; {hint}",
                command.get_display_name().unwrap_or("quarterdeck")
            ));
        };
        command = sub.clone();
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::{EXAMPLE, command};
    use crate::sources::SOURCES;

    fn page(of: &[&str]) -> Result<String, String> {
        let of: Vec<String> = of.iter().map(|name| (*name).to_owned()).collect();
        let mut page = Vec::new();
        clap_mangen::Man::new(command(&of).map_err(|error| error.to_string())?).render(&mut page).unwrap();
        Ok(String::from_utf8(page).unwrap().replace("\\-", "-"))
    }

    #[test]
    fn every_subcommand_has_a_manual_page_of_its_own() {
        assert!(page(&[]).unwrap().contains(".TH quarterdeck 1"));
        let plan = page(&["runbook", "plan"]).unwrap();
        for said in
            [".TH quarterdeck-runbook-plan 1", "quarterdeck runbook plan", "--var", "--read-only", "Exit codes: 0"]
        {
            assert!(plan.contains(said), "{said}: {plan}");
        }
        assert!(page(&["runbook", "list"]).unwrap().contains("--json"));
        let why = page(&["runbook", "pla"]).unwrap_err();
        assert!(why.contains("no subcommand \"pla\"; did you mean \"plan\"?"), "{why}");
        assert!(page(&["nothing"]).unwrap_err().contains("there are: check, snapshot"));
    }

    /// `UPDATE_CORPUS=1` writes the part about sources anew.
    #[test]
    fn the_example_holds_every_kind_of_source_as_it_describes_itself() {
        const MARK: &str = "# Sources: any number of each kind, each under a name of its own.\n";
        let general = &EXAMPLE[..EXAMPLE.find(MARK).unwrap()];
        let server = crate::sources::server::EXAMPLE;
        let tabled = SOURCES.iter().filter(|kind| kind.read.is_some());
        let sources: String = tabled.map(|kind| format!("\n# {}\n{}", kind.doc, kind.example)).collect();
        let whole = format!("{general}{MARK}\n{server}{sources}");
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/config.example.toml"), &whole).unwrap();
        }
        assert_eq!(EXAMPLE, whole);
    }

    #[test]
    fn the_example_is_a_valid_config_that_sets_every_key() {
        let config = crate::config::parse("config.example.toml", EXAMPLE).unwrap();
        for kind in SOURCES {
            assert!(config.sources.iter().any(|source| source.id.kind() == kind.name), "{}", kind.name);
        }
        for key in crate::config::KEYS {
            let written = [" =", "]", "]]", "."].iter().zip(["", "[", "[[", "["]);
            let mut written = written.map(|(end, start)| format!("\n{start}{key}{end}"));
            assert!(written.any(|written| EXAMPLE.contains(&written)), "{key}");
        }
    }
}
