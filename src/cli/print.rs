//! `completions`, `man`, `config example`, `config schema`: what packagers and editors need.

use super::Cli;
use crate::config;
use clap::{CommandFactory, Subcommand};
use std::io::{Write, stdout};
use std::process::ExitCode;

/// `assets/config.example.toml`; a test holds it to what the kinds of sources say of themselves.
const EXAMPLE: &str = include_str!("../../assets/config.example.toml");

/// `quarterdeck config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// An example with every key explained, on standard output
    Example,
    /// A JSON Schema of the config, for editors, on standard output
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

/// Prints the manual page.
pub fn man() -> color_eyre::Result<ExitCode> {
    clap_mangen::Man::new(Cli::command()).render(&mut stdout())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::EXAMPLE;
    use crate::sources::SOURCES;

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
