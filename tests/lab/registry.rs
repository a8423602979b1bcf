//! A registry of images on the loopback of an engine, which takes it there without TLS.

use super::docker::Docker;
use super::program;
use super::service::{Service, folder, free_port};
use std::fs;
use std::time::Duration;

/// A registry for one test, empty.
#[derive(Debug)]
pub struct Registry {
    /// Its port on loopback.
    pub port: u16,
    _service: Service,
}

/// One of them on the loopback of that engine, or what is missing.
pub fn own_registry(docker: &Docker) -> Result<Registry, String> {
    let program = program(&["docker-registry"], &[]).ok_or("a registry is not installed (docker-registry)")?;
    let (home, port) = (folder("registry"), free_port());
    let config = home.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
        home.join("images").display()
    );
    fs::write(&config, text).map_err(|why| format!("a registry: {why}"))?;
    let mut service = Service::start("registry-log", docker.beside(&program).arg("serve").arg(&config))?;
    // Its loopback may be out of reach from here, but the kernel tells who listens there.
    let sockets = format!("/proc/{}/net/tcp", service.pid());
    service.ready(Duration::from_secs(30), || {
        fs::read_to_string(&sockets).is_ok_and(|all| all.lines().any(|line| listens(line, port)))
    })?;
    Ok(Registry { port, _service: service })
}

/// Whether a line of proc_net_tcp(5) is a socket of IPv4 that listens (state `0A`) on that port.
fn listens(line: &str, port: u16) -> bool {
    let fields: Vec<&str> = line.split_whitespace().take(4).collect();
    fields.len() == 4 && fields[1].ends_with(&format!(":{port:04X}")) && fields[3] == "0A"
}
