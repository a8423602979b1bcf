//! What is promised of the service, on the real thing: a Prometheus that scrapes servers whose figures change, and the strip above the
//! overview in a terminal.

use crate::desk::Desk;
use crate::lab::nodes::start_scraping;
use crate::lab::scripted::{Say, Scripted};
use crate::lab::service::{Service, free_port};
use crate::lab::{self, monitoring::is_ready};
use crate::support::{LONG, leave};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A game server's metrics: all is well, or every second request fails and one in ten takes three seconds.
fn metrics(bad: bool, scrapes: u64) -> String {
    let n = scrapes * 100;
    let (good, failed, slow) = if bad { (n / 2, n / 2, n / 10) } else { (n, 0, 0) };
    let mut text = format!("http_requests_total{{status=\"200\"}} {good}\n");
    if bad {
        let _ = writeln!(text, "http_requests_total{{status=\"500\"}} {failed}");
    }
    for (le, count) in [("0.1", n - slow), ("1", n - slow), ("5", n), ("+Inf", n)] {
        let _ = writeln!(text, "http_request_duration_seconds_bucket{{le=\"{le}\"}} {count}");
    }
    text
}

/// A Prometheus that scrapes two game servers and a machine, and the switch that makes one of the servers bad.
struct Promised {
    port: u16,
    bad: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    _games: [Scripted; 2],
    _node: Scripted,
    _service: Service,
}

impl Promised {
    fn start() -> Result<Self, String> {
        let (bad, gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let game = |bad: Arc<AtomicBool>, gone: Arc<AtomicBool>| {
            let scrapes = Mutex::new(0);
            Scripted::start(move |_| {
                let mut scrapes = scrapes.lock().unwrap();
                *scrapes += 1;
                if gone.load(Ordering::SeqCst) {
                    Say::Nothing
                } else {
                    Say::good(metrics(bad.load(Ordering::SeqCst), *scrapes))
                }
            })
        };
        let games = [game(Arc::clone(&bad), Arc::clone(&gone)), game(Arc::default(), Arc::default())];
        let node = Scripted::start(|_| {
            Say::good(
                "node_memory_MemTotal_bytes 1000\nnode_memory_MemAvailable_bytes 80\n\
                 node_filesystem_size_bytes{fstype=\"ext4\"} 1000\nnode_filesystem_free_bytes{fstype=\"ext4\"} 500\n\
                 node_filesystem_avail_bytes{fstype=\"ext4\"} 500\n",
            )
        });
        let at = |port: u16| format!("'127.0.0.1:{port}'");
        let jobs = format!(
            "- job_name: godot\n  static_configs: [{{targets: [{}, {}]}}]\n\
             - job_name: node\n  static_configs: [{{targets: [{}]}}]\n",
            at(games[0].port()),
            at(games[1].port()),
            at(node.port())
        );
        let port = free_port();
        let mut service = start_scraping(port, &jobs)?;
        service.ready(LONG, || is_ready(port))?;
        Ok(Self { port, bad, gone, _games: games, _node: node, _service: service })
    }

    /// The five of the example, asked four times a second; and one that no Prometheus can read.
    fn config(&self) -> String {
        let example =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/config.example.toml")).unwrap();
        let five: String = example
            .split("[[prometheus.main.slo]]")
            .skip(1)
            .map(|table| {
                let own = table.split("\n\n").next().unwrap();
                format!("[[prometheus.main.slo]]{}\n", own.replace("[5m]", "[10s]"))
            })
            .collect();
        assert_eq!(five.matches("name = ").count(), 5);
        format!(
            "[prometheus.main]\nurl = \"http://127.0.0.1:{}\"\ninterval = \"250ms\"\nslo_interval = \"250ms\"\nservers = false\n{five}\
             [[prometheus.main.slo]]\nname = \"broken\"\nquery = \"sum(\"\nlimit = 1\n",
            self.port
        )
    }
}

#[test]
fn five_figures_stand_above_the_overview_and_change_with_the_service() {
    let promised = match Promised::start() {
        Ok(promised) => promised,
        Err(why) => {
            return lab::skip("it::slo::five_figures_stand_above_the_overview_and_change_with_the_service", &why);
        }
    };
    let desk = Desk::with(&promised.config());
    let mut screen = desk.launch().size(160, 45).start();
    screen.wait_text("4 Databases");
    screen.send("0");
    for well in
        ["availability 100% ok, min 100%", "errors 0% ok, max 5%", "! memory 92% over 90%", "disk 50% ok, max 85%"]
    {
        screen.wait_text(well);
    }
    screen.wait_text("ms ok, max 2s");
    screen.wait_text("? broken can't be asked");
    screen.wait_text("unclosed left parenthesis");

    promised.bad.store(true, Ordering::SeqCst);
    screen.wait_text("! errors ");
    screen.wait_text("% over 5%");
    promised.gone.store(true, Ordering::SeqCst);
    screen.wait_text("▲ availability 50% under 100%");

    let seen = slos(&desk);
    let of = |name: &str| seen.iter().find(|slo| slo["name"] == name).unwrap_or_else(|| panic!("{name}: {seen:?}"));
    assert_eq!((&of("availability")["value"], &of("availability")["limit"]), (&Value::from(0.5), &Value::from(1.0)));
    assert_eq!(of("broken")["value"], Value::Null);
    assert!(of("broken")["trouble"]["what"].as_str().unwrap().contains("unclosed"), "{seen:?}");
    leave(&mut screen);
}

/// As the JSON has them.
fn slos(desk: &Desk) -> Vec<Value> {
    let output = desk.run(&["snapshot", "alerts", "--json"]);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sources = all["sources"].as_array().unwrap();
    let own = sources.iter().find(|source| source["id"] == "prometheus/main/slo").unwrap();
    own["data"]["slos"].as_array().unwrap().clone()
}

#[test]
fn no_data_is_told_apart_and_so_is_a_prometheus_that_does_not_answer() {
    let test = "it::slo::no_data_is_told_apart_and_so_is_a_prometheus_that_does_not_answer";
    let port = free_port();
    let nobody = Desk::with(&format!(
        "[prometheus.main]\nurl = \"http://127.0.0.1:{port}\"\ninterval = \"250ms\"\nslo_interval = \"250ms\"\n\
         [[prometheus.main.slo]]\nname = \"errors\"\nquery = \"no_such_series\"\nlimit = 1\n"
    ));
    let mut screen = nobody.launch().size(120, 30).start();
    screen.wait_text("4 Databases");
    screen.send("0");
    screen.wait_text("? no answer from prometheus/main/slo");
    let mut service = match start_scraping(port, "- job_name: none\n") {
        Ok(service) => service,
        Err(why) => return lab::skip(test, &why),
    };
    service.ready(LONG, || is_ready(port)).unwrap();
    screen.wait_text("? errors no data");
    drop(service);
    screen.wait_text("? errors no data (");
    screen.wait_text("s old)");
    leave(&mut screen);
}
