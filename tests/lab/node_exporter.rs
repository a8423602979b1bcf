//! A private node_exporter on loopback: it reads this machine.

use super::service::{Service, free_port};
use super::{http, program};
use std::process::Command;
use std::time::Duration;

/// A running exporter.
#[derive(Debug)]
pub struct NodeExporter {
    /// Its port on loopback.
    pub port: u16,
    service: Service,
}

/// An exporter for this test alone.
pub fn own_node_exporter() -> Result<NodeExporter, String> {
    NodeExporter::start(free_port(), &[])
}

impl NodeExporter {
    /// On a port, with more arguments.
    pub fn start(port: u16, arguments: &[&str]) -> Result<Self, String> {
        let program = program(&["node_exporter", "prometheus-node-exporter"], &[]);
        let program = program.ok_or("node_exporter is not installed (prometheus-node-exporter)")?;
        let mut command = Command::new(program);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(arguments);
        let mut service = Service::start("node-exporter-log", &mut command)?;
        service.ready(Duration::from_secs(30), || http::get(port, "/").is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { port, service })
    }

    /// Stops it with SIGSTOP: it takes connections and says nothing.
    pub fn hang(&self) {
        let _ = rustix::process::kill_process(self.service.pid(), rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        let _ = rustix::process::kill_process(self.service.pid(), rustix::process::Signal::CONT);
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        self.resume();
    }
}
