//! A Docker Engine with containers made to order.
//!
//! The engine that already runs is used where it answers; else, for root, a private one is started
//! (`QUARTERDECK_LAB_DOCKER=private` asks for that always). It lives in its own process, mount and network namespaces, so
//! that its containers and mounts cannot outlive it, however it ends. No image is pulled: the only one is busybox, imported
//! from the machine's own static binary. Containers have no network.

use super::fault::Proxy;
use super::service::{Service, folder, is_dead, owner, run_at_end};
use super::tls::Gate;
use super::{http, is_root, poll, program};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The image of every container here.
pub const IMAGE: &str = "quarterdeck-lab:1";
/// The label that says which test process made a container.
pub const LABEL: &str = "quarterdeck.lab";

/// The engine.
#[derive(Debug)]
pub struct Docker {
    /// Its socket.
    pub socket: PathBuf,
    client: PathBuf,
    private: Option<Service>,
}

/// The engine of this test process, or what is missing.
pub fn docker() -> Result<&'static Docker, String> {
    static ENGINE: OnceLock<Result<Docker, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Docker::open().map_err(|why| format!("a Docker Engine: {why}")));
    engine.as_ref().map_err(Clone::clone)
}

impl Docker {
    fn open() -> Result<Self, String> {
        let client = program(&["docker"], &[]).ok_or("the command docker is not installed (docker.io, docker-cli)")?;
        let running = PathBuf::from("/var/run/docker.sock");
        let private = std::env::var_os("QUARTERDECK_LAB_DOCKER").is_some_and(|wish| wish == "private");
        let engine = if !private && answers(&running) {
            Self { socket: running, client, private: None }
        } else {
            let (socket, service) = start()?;
            Self { socket, client, private: Some(service) }
        };
        engine.remove_leftovers()?;
        engine.import_image()?;
        let (client, host) = (engine.client.display(), engine.host());
        let mine = format!("'{client}' -H '{host}' ps -aq --filter label={LABEL}={}", owner());
        run_at_end(&format!(
            "ids=$(timeout 20 {mine}); [ -z \"$ids\" ] || timeout 60 '{client}' -H '{host}' rm -f $ids"
        ));
        Ok(engine)
    }

    /// As `DOCKER_HOST` takes it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Whether the lab started this engine, so that nothing else is in it.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// `program`, to be run where the loopback is the one of this engine.
    pub fn beside(&self, program: &Path) -> Command {
        let Some(engine) = &self.private else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target"]).arg(engine.pid().to_string()).arg(program);
        command
    }

    /// What `docker ARGUMENTS` prints; a panic with its complaint when it fails.
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same, or the complaint.
    pub fn try_cli(&self, arguments: &[&str]) -> Result<String, String> {
        let done = self.command(arguments).output().map_err(|why| format!("docker did not run: {why}"))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned());
        }
        Err(format!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(name);
        }
        command.arg("-H").arg(self.host()).args(arguments).stdin(Stdio::null());
        command
    }

    /// A container to be described further, then started. Its full name is `name`, the process and a number.
    pub fn container(&self, name: &str) -> Spec<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let script = "trap 'exit 0' TERM; tail -f /dev/null & wait".to_owned();
        Spec { docker: self, name, options: Vec::new(), script }
    }

    /// A socket in front of the engine that can be made to fail.
    pub fn proxy(&self) -> Proxy {
        Proxy::unix(&self.socket)
    }

    /// Removes what test processes left that died together with their guard.
    fn remove_leftovers(&self) -> Result<(), String> {
        let format = format!("{{{{.ID}}}} {{{{.Label \"{LABEL}\"}}}}");
        let filter = format!("label={LABEL}");
        let all = self.try_cli(&["ps", "-a", "--filter", &filter, "--format", &format])?;
        for (id, maker) in all.lines().filter_map(|line| line.split_once(' ')) {
            if is_dead(maker) {
                // Another test process may have removed it just now.
                let _ = self.try_cli(&["rm", "-f", id]);
            }
        }
        Ok(())
    }

    fn import_image(&self) -> Result<(), String> {
        if self.try_cli(&["image", "inspect", IMAGE]).is_ok() {
            return Ok(());
        }
        let archive = busybox_archive()?;
        let archive = archive.to_str().ok_or("the temporary folder has no plain name")?;
        self.try_cli(&["import", "--change", "CMD [\"/bin/sh\"]", archive, IMAGE]).map(drop)
    }
}

fn answers(socket: &Path) -> bool {
    http::get_unix(socket, "/_ping").is_ok_and(|answer| answer.status == 200)
}

fn start() -> Result<(PathBuf, Service), String> {
    let engine = program(&["dockerd"], &[]).ok_or("none runs, and dockerd is not installed (docker.io)")?;
    if !is_root() {
        return Err("none runs, and only root can start one".to_owned());
    }
    // The storage driver that the engine picks does not work on every file system; the last one always does.
    start_with(&engine, None).or_else(|_| start_with(&engine, Some("vfs")))
}

/// A second engine, private, behind TLS: it takes only clients that its authority has signed.
pub struct TlsDocker {
    /// The same engine by its socket, for containers in it. Its processes are numbered apart from ours.
    pub docker: Docker,
    /// What speaks TLS before it.
    pub gate: Gate,
}

/// The TLS engine of this test process, or what is missing.
pub fn tls_docker() -> Result<&'static TlsDocker, String> {
    static ENGINE: OnceLock<Result<TlsDocker, String>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| start_tls().map_err(|why| format!("a second Docker Engine: {why}")));
    engine.as_ref().map_err(Clone::clone)
}

fn start_tls() -> Result<TlsDocker, String> {
    let docker = own_docker()?;
    Ok(TlsDocker { gate: Gate::before(&docker.socket), docker })
}

/// An engine for one test, with no containers of anybody else, ended when dropped; or what is missing.
pub fn own_docker() -> Result<Docker, String> {
    let client = program(&["docker"], &[]).ok_or("the command docker is not installed (docker.io, docker-cli)")?;
    let (socket, service) = start()?;
    let docker = Docker { socket, client, private: Some(service) };
    docker.import_image()?;
    Ok(docker)
}

/// Runs an engine, its arguments, where no cgroups may be mounted yet, and with a loopback of its own.
const AT_HOME: &str = r#"
ip link set lo up
if [ -d /sys/fs/cgroup ] && ! grep -q ' /sys/fs/cgroup' /proc/mounts; then
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for one in $(awk '$4 == 1 { print $1 }' /proc/cgroups); do
    mkdir "/sys/fs/cgroup/$one"; mount -t cgroup -o "$one" cgroup "/sys/fs/cgroup/$one"
  done
fi
exec "$@"
"#;

fn start_with(engine: &Path, storage: Option<&str>) -> Result<(PathBuf, Service), String> {
    let home = folder("docker");
    let socket = home.join("docker.sock");
    let mut command = Command::new(program(&["unshare"], &[]).ok_or("unshare is not installed (util-linux)")?);
    // A network of its own too: an engine without a bridge removes the one of the engine beside it.
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "/bin/sh",
        "-c",
        AT_HOME,
        "sh",
    ]);
    command.arg(engine).arg("--host").arg(format!("unix://{}", socket.display()));
    for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
        command.arg(option).arg(home.join(name));
    }
    command.args([
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        "--shutdown-timeout=2",
    ]);
    command.args(storage.map(|driver| format!("--storage-driver={driver}")));
    let mut service = Service::start("dockerd", &mut command)?;
    service.ready(Duration::from_secs(60), || answers(&socket))?;
    Ok((socket, service))
}

/// A root file system with busybox alone, as a tar archive.
pub fn busybox_archive() -> Result<PathBuf, String> {
    busybox_archive_with(&[])
}

/// The same, and these programs under `/bin`.
pub fn busybox_archive_with(programs: &[&Path]) -> Result<PathBuf, String> {
    let found = super::programs(&["busybox"], &["/bin", "/usr/bin"].map(PathBuf::from));
    let is_static = |file: &PathBuf| fs::read(file).is_ok_and(|binary| is_static(&binary));
    let busybox = found.into_iter().find(is_static).ok_or("no static busybox is installed (busybox-static)")?;
    let home = folder("image");
    let why = |why: std::io::Error| format!("no image can be made: {why}");
    let bin = home.join("root/bin");
    fs::create_dir_all(&bin).map_err(why)?;
    fs::create_dir_all(home.join("root/tmp")).map_err(why)?;
    fs::copy(&busybox, bin.join("busybox")).map_err(why)?;
    for applet in ["sh", "sleep", "tail", "test", "true", "false", "echo", "touch", "rm", "cat"] {
        symlink("busybox", bin.join(applet)).map_err(why)?;
    }
    for program in programs {
        fs::copy(program, bin.join(program.file_name().unwrap_or_default())).map_err(why)?;
    }
    let archive = home.join("root.tar");
    let packed = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(home.join("root")).arg(".").status();
    packed.map_err(why)?.success().then_some(archive).ok_or_else(|| "tar could not pack the image".to_owned())
}

/// Whether an ELF binary of 64 bits runs without a loader: no program header asks for one. A static one may well hold
/// a loader's name.
pub fn is_static(binary: &[u8]) -> bool {
    const INTERPRETER: u64 = 3;
    let number = |at: usize, size: usize| {
        let bytes = binary.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let kinds = || {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..count).map(|place| number(usize::try_from(table + place * size).ok()?, 4)).collect::<Option<Vec<u64>>>()
    };
    let is_elf = binary.starts_with(b"\x7fELF\x02\x01");
    is_elf && kinds().is_some_and(|kinds| !kinds.is_empty() && !kinds.contains(&INTERPRETER))
}

/// A container that is not there yet.
#[derive(Debug)]
pub struct Spec<'a> {
    docker: &'a Docker,
    name: String,
    options: Vec<String>,
    script: String,
}

impl<'a> Spec<'a> {
    /// Adds an option of `docker run`, in the form `--name=value`.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Labels it as Docker Compose would.
    #[must_use]
    pub fn compose(self, project: &str, service: &str) -> Self {
        self.option(&format!("--label=com.docker.compose.project={project}"))
            .option(&format!("--label=com.docker.compose.service={service}"))
    }

    /// Makes it run, and fail a health check every second. See [`Container::wait_health`].
    #[must_use]
    pub fn unhealthy(self) -> Self {
        self.option("--health-cmd=false").option("--health-interval=1s").option("--health-retries=1")
    }

    /// Makes it exit and be started again without end, ever more slowly. See [`Container::wait_state`].
    #[must_use]
    pub fn restarts(self) -> Self {
        self.option("--restart=always").exits(1)
    }

    /// Gives it a health check every second: healthy as long as the file `/sick` is absent.
    #[must_use]
    pub fn with_health(self) -> Self {
        self.option("--health-cmd=test ! -e /sick").option("--health-interval=1s").option("--health-retries=1")
    }

    /// Makes it deaf to SIGTERM: only SIGKILL stops it.
    #[must_use]
    pub fn ignores_term(self) -> Self {
        self.runs("trap '' TERM; while :; do sleep 1; done")
    }

    /// Makes it exit at once with this code.
    #[must_use]
    pub fn exits(self, code: u8) -> Self {
        self.runs(&format!("exit {code}"))
    }

    /// The shell script that it runs, in place of one that waits and exits 0 on SIGTERM.
    #[must_use]
    pub fn runs(mut self, script: &str) -> Self {
        script.clone_into(&mut self.script);
        self
    }

    /// Gives it exactly this name, which must be free.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Starts it.
    pub fn start(self) -> Container<'a> {
        let label = format!("--label={LABEL}={}", owner());
        let name = format!("--name={}", self.name);
        let has_network = self.options.iter().any(|option| option.starts_with("--network"));
        let network = if has_network { None } else { Some("--network=none") };
        let mut arguments = vec!["run", "--detach", &label, &name];
        arguments.extend(network);
        arguments.extend(self.options.iter().map(String::as_str));
        arguments.extend([IMAGE, "/bin/sh", "-c", &self.script]);
        let id = self.docker.cli(&arguments);
        Container { docker: self.docker, id, name: self.name }
    }
}

/// A container of this test; removed when dropped.
#[derive(Debug)]
pub struct Container<'a> {
    docker: &'a Docker,
    /// All 64 digits.
    pub id: String,
    /// Without a slash.
    pub name: String,
}

impl Container<'_> {
    /// What `docker inspect` says.
    pub fn inspect(&self) -> Value {
        let text = self.docker.cli(&["inspect", "--type=container", &self.id]);
        let all: Value = serde_json::from_str(&text).expect("docker inspect prints JSON");
        all[0].clone()
    }

    /// `running`, `exited`, `paused` …
    pub fn state(&self) -> String {
        self.inspect()["State"]["Status"].as_str().expect("a container has a status").to_owned()
    }

    /// Waits until it is in a state. One that restarts is `running` now and then.
    pub fn wait_state(&self, state: &str, limit: Duration) {
        let mut last = String::new();
        let found = poll(limit, || {
            last = self.state();
            (last == state).then_some(())
        });
        assert!(found.is_some(), "{} is not {state} within {limit:?}, but {last}", self.name);
    }

    /// Waits until its health check says so: `healthy`, `unhealthy`, `starting`.
    pub fn wait_health(&self, health: &str, limit: Duration) {
        let is = || (self.inspect()["State"]["Health"]["Status"] == health).then_some(());
        assert!(poll(limit, is).is_some(), "{} is not {health} within {limit:?}", self.name);
    }

    /// When it was started last: changes with every restart.
    pub fn started_at(&self) -> String {
        self.inspect()["State"]["StartedAt"].as_str().expect("a container has a start").to_owned()
    }

    /// Runs `docker VERB ID`: `stop`, `kill`, `start`, `pause` …
    pub fn act(&self, verb: &str) {
        self.docker.cli(&[verb, &self.id]);
    }

    /// Runs a shell script in it.
    pub fn exec(&self, script: &str) -> String {
        self.docker.cli(&["exec", &self.id, "/bin/sh", "-c", script])
    }

    /// Waits for an event of this container whose action starts with `action` (`die`, `start`, `health_status:
    /// healthy`), since its creation. A panic after `limit`.
    pub fn wait_event(&self, action: &str, limit: Duration) {
        let filter = format!("container={}", self.id);
        let made = self.inspect()["Created"].as_str().expect("a container has a creation time").to_owned();
        let arguments = ["events", "--since", &made, "--filter", &filter, "--format", "{{.Action}}"];
        let mut child = self.docker.command(&arguments).stdout(Stdio::piped()).spawn().expect("docker events runs");
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let (send, actions) = mpsc::channel();
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        let end = Instant::now() + limit;
        let mut seen = Vec::new();
        let found = loop {
            match actions.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with(action) => break true,
                Ok(line) => seen.push(line),
                Err(_) => break false,
            }
        };
        let _ = child.kill();
        let _ = child.wait();
        drop(actions);
        let _ = reader.join();
        assert!(found, "{} had no event {action} within {limit:?}, only {seen:?}", self.name);
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.docker.try_cli(&["rm", "-f", &self.id]);
    }
}
