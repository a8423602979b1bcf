//! A Prometheus that scrapes a node_exporter, and a port on which nothing listens.

use super::service::{Service, folder, free_port};
use super::{http, program};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Both, scraped every second by the job `node`.
#[derive(Debug)]
pub struct Nodes {
    /// Port of Prometheus on loopback.
    pub prometheus: u16,
    /// Port of the node_exporter on loopback.
    pub exporter: u16,
    /// The port of a target that is down.
    pub dead: u16,
    _services: [Service; 2],
}

/// The pair of this test process, with figures, or what is missing. Tests share it.
pub fn nodes() -> Result<&'static Nodes, String> {
    static SHARED: OnceLock<Result<Nodes, String>> = OnceLock::new();
    let start = || Nodes::start().map_err(|why| format!("Prometheus and node_exporter: {why}"));
    SHARED.get_or_init(start).as_ref().map_err(Clone::clone)
}

impl Nodes {
    fn start() -> Result<Self, String> {
        let (exporter, below) = start_exporter()?;
        let (prometheus, dead) = (free_port(), free_port());
        let mut above = start_prometheus(prometheus, exporter, dead)?;
        // A rate needs two scrapes.
        let query = "/api/v1/query?query=irate(node_cpu_seconds_total%5B1m%5D)";
        let has_rates = || {
            // While it starts it answers, but not in JSON.
            let answer = http::get(prometheus, query).ok().filter(|answer| answer.status == 200)?.json();
            Some(!answer["data"]["result"].as_array()?.is_empty())
        };
        above.ready(Duration::from_secs(60), || has_rates() == Some(true))?;
        Ok(Self { prometheus, exporter, dead, _services: [above, below] })
    }
}

fn start_exporter() -> Result<(u16, Service), String> {
    let program = program(&["prometheus-node-exporter", "node_exporter"], &[]);
    let program = program.ok_or("node_exporter is not installed (prometheus-node-exporter)")?;
    let port = free_port();
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut service = Service::start("node-exporter-log", &mut command)?;
    service.ready(Duration::from_secs(30), || http::get(port, "/").is_ok_and(|answer| answer.status == 200))?;
    Ok((port, service))
}

fn start_prometheus(port: u16, exporter: u16, dead: u16) -> Result<Service, String> {
    let jobs = format!(
        "- {{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n\
         - {{job_name: node, static_configs: [{{targets: ['127.0.0.1:{exporter}', '127.0.0.1:{dead}']}}]}}\n"
    );
    start_scraping(port, &jobs)
}

/// A Prometheus on a port of loopback that scrapes these jobs, a list in its config, every second. It need not answer yet.
pub fn start_scraping(port: u16, jobs: &str) -> Result<Service, String> {
    let program = program(&["prometheus"], &[]).ok_or("Prometheus is not installed (prometheus)")?;
    let home = folder("prometheus");
    let config = home.join("prometheus.yml");
    let text = format!("global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nscrape_configs:\n{jobs}");
    fs::write(&config, text).map_err(|why| why.to_string())?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    // A reload by `POST /-/reload`.
    command.arg("--web.enable-lifecycle");
    // What it sends before it knows an Alertmanager is lost, and by default sent again only after a minute.
    command.arg("--rules.alert.resend-delay=1s");
    Service::start("prometheus-log", &mut command)
}
