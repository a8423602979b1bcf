//! A private Podman service: its own storage, its own containers, gone with the test process.
//!
//! Its containers have no network, and share the lab's busybox image. Health checks run when a test says so: a timer of
//! systemd would run them elsewhere.

use super::docker::busybox_archive;
use super::service::{Service, folder, run_at_end};
use super::{http, is_root, program};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

const IMAGE: &str = "localhost/quarterdeck-lab:1";

/// The service.
pub struct Podman {
    /// Its socket.
    pub socket: PathBuf,
    program: PathBuf,
    home: PathBuf,
    _service: Service,
}

/// The Podman of this test process, or what is missing.
pub fn podman() -> Result<&'static Podman, String> {
    static PODMAN: OnceLock<Result<Podman, String>> = OnceLock::new();
    PODMAN.get_or_init(|| Podman::start().map_err(|why| format!("Podman: {why}"))).as_ref().map_err(Clone::clone)
}

impl Podman {
    fn start() -> Result<Self, String> {
        let program = program(&["podman"], &[]).ok_or("it is not installed (podman)")?;
        if !is_root() {
            return Err("only root can have a private one".to_owned());
        }
        let home = folder("podman");
        let socket = home.join("s");
        let mut command = command(&program, &home);
        command.args(["system", "service", "--time=0"]).arg(format!("unix://{}", socket.display()));
        let mut service = Service::start("podman-log", &mut command)?;
        let answers = || http::get_unix(&socket, "/_ping").is_ok_and(|answer| answer.status == 200);
        service.ready(Duration::from_secs(30), answers)?;
        let podman = Self { socket: socket.clone(), program, home, _service: service };
        let archive = busybox_archive()?;
        podman.try_run(&["import", &archive.display().to_string(), IMAGE])?;
        let (program, home) = (podman.program.display(), podman.home.display());
        run_at_end(&format!(
            "timeout 30 '{program}' --root '{home}/root' --runroot '{home}/run' --storage-driver vfs --cgroup-manager cgroupfs rm -af -t 0"
        ));
        Ok(podman)
    }

    /// As a config writes it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What `podman ARGUMENTS` prints; a panic with its complaint when it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Starts a container with these options, running a shell script; its full id.
    pub fn container(&self, options: &[&str], script: &str) -> String {
        // The usual limits may be above those of this process.
        let fixed = ["run", "--detach", "--network=none", "--ulimit=nofile=512:512", "--ulimit=nproc=512:512"];
        let all = [&fixed[..], options, &[IMAGE, "/bin/sh", "-c", script]].concat();
        self.run(&all).lines().last().unwrap_or_default().to_owned()
    }

    /// As [`Self::run`], for what may fail.
    pub fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let done = command(&self.program, &self.home).args(arguments).stdin(Stdio::null()).output();
        let done = done.map_err(|why| format!("podman did not run: {why}"))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned());
        }
        Err(format!("podman {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
    }
}

fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(home.join("root")).arg("--runroot").arg(home.join("run"));
    command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=file"]);
    command
}
