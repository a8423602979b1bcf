//! What the exporters tell that SpaceTime's Prometheus scrapes beside the servers themselves: of its containers and of its database.

use crate::lab::http;
use crate::lab::postgres::Postgres;
use crate::lab::scripted::{Say, Scripted};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// Memory of the containers of an engine, by cAdvisor's names.
pub fn of_containers(socket: PathBuf) -> Scripted {
    Scripted::start(move |_| memory(&socket).map_or(Say::Nothing, Say::good))
}

fn memory(socket: &Path) -> Option<String> {
    let containers = ask(socket, "/containers/json")?;
    // An engine takes a while for each, and Prometheus waits a second for all.
    std::thread::scope(|scope| {
        let asked = containers.as_array()?.iter().map(|container| scope.spawn(|| memory_of(socket, container)));
        let asked: Vec<_> = asked.collect();
        // One that ends meanwhile has no figures.
        Some(asked.into_iter().filter_map(|asked| asked.join().ok().flatten()).collect())
    })
}

fn memory_of(socket: &Path, container: &Value) -> Option<String> {
    let (id, name) = (container["Id"].as_str()?, container["Names"][0].as_str()?.trim_start_matches('/'));
    let figures = &ask(socket, &format!("/containers/{id}/stats?stream=false&one-shot=true"))?["memory_stats"];
    let (used, limit) = (used(figures)?, figures["limit"].as_u64()?);
    Some(format!(
        "container_memory_working_set_bytes{{container=\"{name}\"}} {used}\n\
         container_spec_memory_limit_bytes{{container=\"{name}\"}} {limit}\n"
    ))
}

fn ask(socket: &Path, path: &str) -> Option<Value> {
    let answer = http::get_unix(socket, path).ok().filter(|answer| answer.status == 200)?;
    serde_json::from_str(&answer.body).ok()
}

/// Without what the kernel would give back at once.
fn used(memory: &Value) -> Option<u64> {
    let stats = &memory["stats"];
    let idle = stats["total_inactive_file"].as_u64().or_else(|| stats["inactive_file"].as_u64());
    Some(memory["usage"].as_u64()?.saturating_sub(idle.unwrap_or_default()))
}

/// Connections of a server, by postgres_exporter's names.
pub fn of_database(server: &Arc<Postgres>) -> Scripted {
    let server: Weak<Postgres> = Arc::downgrade(server);
    Scripted::start(move |_| {
        let Some(server) = server.upgrade() else { return Say::Nothing };
        let states =
            "SELECT concat('pg_stat_activity_count{datname=\"', datname, '\",state=\"', state, '\"} ', count(*))
                      FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY datname, state";
        let most =
            "SELECT concat('pg_settings_max_connections ', setting) FROM pg_settings WHERE name = 'max_connections'";
        // It has a connection that is kept for it, as exporters should.
        let lines = [states, most].map(|query| server.try_column(query));
        let [Ok(states), Ok(most)] = lines else { return Say::Nothing };
        Say::good(states.into_iter().chain(most).map(|line| line + "\n").collect::<String>())
    })
}
