//! A registry of images on loopback, which an engine of this machine takes without TLS.

use super::service::{Service, folder, free_port};
use super::{http, program};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// A registry for one test, empty.
#[derive(Debug)]
pub struct Registry {
    /// Its port on loopback.
    pub port: u16,
    _service: Service,
}

/// One of them, or what is missing.
pub fn own_registry() -> Result<Registry, String> {
    let program = program(&["docker-registry"], &[]).ok_or("a registry is not installed (docker-registry)")?;
    let (home, port) = (folder("registry"), free_port());
    let config = home.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
        home.join("images").display()
    );
    fs::write(&config, text).map_err(|why| format!("a registry: {why}"))?;
    let mut service = Service::start("registry-log", Command::new(program).arg("serve").arg(&config))?;
    service.ready(Duration::from_secs(30), || http::get(port, "/v2/").is_ok_and(|answer| answer.status == 200))?;
    Ok(Registry { port, _service: service })
}
