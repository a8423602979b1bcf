//! The binary. The terminal loop is not wired up yet: see the open issue.

fn main() -> std::process::ExitCode {
    eprintln!("quarterdeck {}: the dashboard's loop is not wired up yet", env!("CARGO_PKG_VERSION"));
    std::process::ExitCode::FAILURE
}
