//! The program's own log: a file, never the terminal, which belongs to the screen.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// Logs to `path`, made private (0600), as `-v` asks: 0 warnings, 1 information, 2 and more everything.
pub fn start(path: &Path, verbose: u8) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let level = match verbose {
        0 => "quarterdeck=warn",
        1 => "quarterdeck=info",
        _ => "quarterdeck=trace",
    };
    let subscriber =
        tracing_subscriber::fmt().with_writer(Mutex::new(file)).with_ansi(false).with_env_filter(EnvFilter::new(level));
    // A second start in one process (tests) keeps the first log.
    let _ = subscriber.try_init();
    Ok(())
}
