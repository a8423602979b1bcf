//! A thousand servers that are not there: one address that answers like a Prometheus which scrapes them all, and one for each
//! node_exporter, in this process. What they say has the shape that real ones gave a moment before.

use super::node_exporter::NodeExporter;
use super::service::free_port;
use super::{http, runtime, wait};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// CPUs of each server; the machine that a page was taken from may have fewer.
const CORES: usize = 16;

/// The fleet. What it listens on stays open as long as the process.
#[derive(Debug)]
pub struct Fleet {
    /// The port of all addresses.
    pub port: u16,
    /// Answers so far: of the Prometheus, of the exporters.
    pub answers: Arc<[AtomicUsize; 2]>,
    exporters: usize,
}

/// One page of an exporter, and where its changing figures stand in it.
struct Page {
    lines: Vec<Line>,
    since: Instant,
}

enum Line {
    /// Said as it is.
    Still(String),
    /// A counter or gauge that grows: name with labels, its value, and how much a second.
    Grows(String, f64, f64),
}

impl Fleet {
    /// So many servers that the Prometheus knows, and so many that are asked directly.
    ///
    /// # Errors
    /// When there is no node_exporter to take the page from.
    pub fn start(known: usize, exporters: usize) -> Result<Self, String> {
        let real = NodeExporter::start(free_port(), &[])?;
        let collectors = ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "pressure", "stat", "time"];
        let more = ["uname", "vmstat"];
        let chosen: Vec<String> = collectors.iter().chain(&more).map(|name| format!("collect[]={name}")).collect();
        let page = http::get(real.port, &format!("/metrics?{}", chosen.join("&"))).map_err(|why| why.to_string())?;
        let (port, answers) = (free_port(), Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
        let page = Arc::new(Page::of(&page.body));
        let series = Arc::new([0, 1].map(|round| Series::of(known, round)));
        let counted = Arc::clone(&answers);
        wait(async move {
            for number in 0..=exporters {
                let listener = TcpListener::bind((address(number), port)).await.map_err(|why| why.to_string())?;
                let (page, series, counted) = (Arc::clone(&page), Arc::clone(&series), Arc::clone(&counted));
                runtime().spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let (page, series, counted) = (Arc::clone(&page), Arc::clone(&series), Arc::clone(&counted));
                        runtime().spawn(async move {
                            let _ = serve(stream, number, &page, &series, &counted).await;
                        });
                    }
                });
            }
            Ok::<(), String>(())
        })?;
        Ok(Self { port, answers, exporters })
    }

    /// A config that asks all of them, as often as `interval` says.
    pub fn config(&self, interval: &str) -> String {
        let mut config = format!(
            "[prometheus.main]\nurl = \"http://{}:{}\"\ninterval = \"{interval}\"\nservers_interval = \"{interval}\"\n",
            address(0),
            self.port
        );
        for number in 1..=self.exporters {
            let (host, port) = (address(number), self.port);
            let _ = write!(config, "[node_exporter.node-{number}]\nurl = \"http://{host}:{port}/metrics\"\n");
            let _ = writeln!(config, "interval = \"{interval}\"");
        }
        config
    }

    /// How often the Prometheus, and how often the exporters were asked.
    pub fn asked(&self) -> [usize; 2] {
        [0, 1].map(|which| self.answers[which].load(Ordering::Relaxed))
    }
}

/// Of the Prometheus (0), or of an exporter: each has one of its own, as on a network.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, (number / 250) as u8, (number % 250 + 1) as u8)
}

/// Answers question after question on one connection.
async fn serve(
    stream: TcpStream,
    number: usize,
    page: &Page,
    series: &[Series; 2],
    counted: &[AtomicUsize; 2],
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
            if head.is_empty() {
                head = line;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let asked = head + &String::from_utf8_lossy(&body);
        let round = counted[usize::from(number > 0)].fetch_add(1, Ordering::Relaxed);
        let (kind, said) = if number > 0 {
            ("text/plain; version=0.0.4", page.text(number).into())
        } else {
            ("application/json", series[round / 4 % 2].answer(&asked))
        };
        let length = said.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(said.as_bytes()).await?;
    }
}

impl Page {
    fn of(text: &str) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        for line in text.lines() {
            let told = line.rsplit_once(' ').and_then(|(name, value)| Some((name, value.parse::<f64>().ok()?)));
            match told.filter(|(name, _)| !name.starts_with('#')) {
                Some((name, value)) if name.starts_with("node_cpu_seconds_total{cpu=\"0\"") => {
                    let of = |core: usize| name.replace("cpu=\"0\"", &format!("cpu=\"{core}\""));
                    let speed = if name.contains("idle") { 0.7 } else { 0.05 };
                    lines.extend((0..CORES).map(|core| Line::Grows(of(core), value, speed)));
                }
                Some((name, _)) if name.starts_with("node_cpu_seconds_total") => {}
                Some((name, value)) if name.contains("bytes_total{") => {
                    lines.push(Line::Grows(name.to_owned(), value, 1e5));
                }
                Some((name, value)) if name == "node_time_seconds" => {
                    lines.push(Line::Grows(name.to_owned(), value, 1.0));
                }
                Some((name, value)) if name.starts_with("node_load") => {
                    lines.push(Line::Grows(name.to_owned(), value, 0.01));
                }
                _ => lines.push(Line::Still(line.to_owned())),
            }
        }
        Self { lines, since: Instant::now() }
    }

    /// As an exporter says it now: each has a name of its own, and figures that differ.
    fn text(&self, number: usize) -> String {
        let passed = self.since.elapsed().as_secs_f64() * (1.0 + number as f64 / 1000.0);
        let mut out = String::with_capacity(64 << 10);
        for line in &self.lines {
            let _ = match line {
                Line::Still(text) if text.starts_with("node_uname_info{") => {
                    let (before, rest) = text.split_once("nodename=\"").unwrap_or((text, ""));
                    let after = rest.split_once('"').map_or("", |(_, after)| after);
                    writeln!(out, "{before}nodename=\"node-{number}\"{after}")
                }
                Line::Still(text) => writeln!(out, "{text}"),
                Line::Grows(name, value, speed) => writeln!(out, "{name} {:.2}", value + speed * passed),
            };
        }
        out
    }
}

/// What the Prometheus answers: who is up, the gauges, what is computed.
struct Series {
    up: String,
    gauges: String,
    computed: String,
}

impl Series {
    fn of(servers: usize, round: usize) -> Self {
        let (mut up, mut gauges, mut computed) = (String::new(), String::new(), String::new());
        for number in 0..servers {
            let target = format!(
                "\"instance\":\"game-{number}:9100\",\"job\":\"node\",\"cluster\":\"eu-central-1\",\"rack\":\"r{}\"",
                number / 40
            );
            let value = |index: usize| ((number * 31 + index * 17 + round * 7) % 97) as f64 / 100.0;
            one(&mut up, &format!("\"__name__\":\"up\",{target}"), 1.0);
            let mut gauge = |labels: &str, value: f64| one(&mut gauges, &format!("{labels},{target}"), value);
            let node = |name: &str| format!("\"__name__\":\"node_{name}\"");
            gauge(&node("boot_time_seconds"), 1.76e9 + number as f64);
            for (index, name) in ["load1", "load5", "load15"].into_iter().enumerate() {
                gauge(&node(name), value(index) * 8.0);
            }
            gauge(&node("vmstat_oom_kill"), 0.0);
            let uname = "\"sysname\":\"Linux\",\"release\":\"6.12.48+deb13-amd64\",\"machine\":\"x86_64\",\
                         \"version\":\"#1 SMP Debian\",\"domainname\":\"(none)\"";
            gauge(&format!("{},{uname},\"nodename\":\"game-{number}\"", node("uname_info")), 1.0);
            let memory =
                ["MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "SReclaimable", "SwapTotal", "SwapFree"];
            for (index, name) in memory.into_iter().enumerate() {
                let total = name.ends_with("Total");
                gauge(&node(&format!("memory_{name}_bytes")), if total { 64e9 } else { value(index) * 60e9 });
            }
            for (index, (device, mount)) in DISKS.into_iter().enumerate() {
                let disk = format!("\"device\":\"{device}\",\"fstype\":\"ext4\",\"mountpoint\":\"{mount}\"");
                let free = value(index) * 9e11;
                let figures = [("size", 1e12), ("free", free), ("avail", free * 0.95)]
                    .map(|(name, v)| (format!("{name}_bytes"), v));
                let inodes =
                    [("files", 6e7), ("files_free", 5e7), ("readonly", 0.0)].map(|(name, v)| (name.to_owned(), v));
                for (name, value) in figures.into_iter().chain(inodes) {
                    gauge(&format!("{},{disk}", node(&format!("filesystem_{name}"))), value);
                }
                one(&mut computed, &format!("\"quarterdeck\":\"slope\",{disk},{target}"), -value(index) * 1e5);
            }
            for (index, name) in COMPUTED.into_iter().enumerate() {
                one(&mut computed, &format!("\"quarterdeck\":\"{name}\",{target}"), value(index));
            }
        }
        Self { up: vector(&up), gauges: vector(&gauges), computed: vector(&computed) }
    }

    fn answer(&self, asked: &str) -> std::borrow::Cow<'_, str> {
        let data = |data: &str| format!("{{\"status\":\"success\",\"data\":{data}}}");
        if asked.contains("/api/v1/query") {
            let all = if asked.contains("label_replace") {
                &self.computed
            } else if asked.contains("__name__") {
                &self.gauges
            } else {
                &self.up
            };
            return all.as_str().into();
        }
        let words = [
            ("/alertmanagers", r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#),
            ("/alerts", r#"{"alerts":[]}"#),
            ("/rules", r#"{"groups":[]}"#),
            ("/targets", r#"{"activeTargets":[],"droppedTargets":[]}"#),
            ("/status/config", r#"{"yaml":"global: {scrape_interval: 15s}"}"#),
        ];
        data(words.iter().find(|(path, _)| asked.contains(path)).map_or("{}", |(_, data)| data)).into()
    }
}

const DISKS: [(&str, &str); 3] = [("/dev/nvme0n1p2", "/"), ("/dev/nvme0n1p1", "/boot"), ("/dev/md0", "/var/lib/data")];
const COMPUTED: [&str; 11] =
    ["cpu", "cores", "received", "sent", "read", "written", "wait_cpu", "wait_memory", "wait_io", "oom", "skew"];

fn one(out: &mut String, labels: &str, value: f64) {
    let comma = if out.is_empty() { "" } else { "," };
    let _ = write!(out, "{comma}{{\"metric\":{{{labels}}},\"value\":[1764300000.123,\"{value}\"]}}");
}

fn vector(series: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{series}]}}}}")
}
