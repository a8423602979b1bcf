//! What of the engine's answers a condition, a plan and the journal may see. An environment or a command line can hold a
//! password, so both are left out; so is the output of health checks.

use bollard::models::{ContainerInspectResponse, ContainerStatsResponse, ContainerSummary};
use serde_json::{Map, Value, json};

/// The fields of `docker inspect` that are kept.
const KEPT: [&str; 6] = ["Id", "Name", "Created", "Image", "RestartCount", "State"];

/// A container as conditions see it: `docker inspect` without what may be secret and without empty fields.
pub(super) fn container(found: &ContainerInspectResponse) -> Value {
    let whole = serde_json::to_value(found).unwrap_or_default();
    let mut kept = Map::new();
    for key in KEPT {
        if let Some(value) = whole.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(health) = kept.get_mut("State").and_then(|state| state.get_mut("Health")).and_then(Value::as_object_mut)
    {
        health.remove("Log");
    }
    if let Some(image) = whole["Config"].get("Image") {
        kept.insert("Config".to_owned(), json!({ "Image": image }));
    }
    let mut container = Value::Object(kept);
    drop_nulls(&mut container);
    container
}

/// `has(…)` must be false for what the engine leaves empty.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

/// One line of `docker ps`.
pub(super) fn summary(found: &ContainerSummary) -> Value {
    let name = found.names.iter().flatten().next().map_or("", |name| name.trim_start_matches('/'));
    json!({ "Name": name, "Id": found.id, "Image": found.image, "State": found.state, "Status": found.status })
}

/// One reading of a running container: CPU in per cent of one core, memory in bytes.
pub(super) fn usage(read: &ContainerStatsResponse) -> Value {
    let whole = serde_json::to_value(read).unwrap_or_default();
    let number = |path: &str| whole.pointer(path).and_then(Value::as_f64).unwrap_or_default();
    let cpu = number("/cpu_stats/cpu_usage/total_usage") - number("/precpu_stats/cpu_usage/total_usage");
    let all = number("/cpu_stats/system_cpu_usage") - number("/precpu_stats/system_cpu_usage");
    let cores = number("/cpu_stats/online_cpus").max(1.0);
    let cpu = if all > 0.0 { cpu.max(0.0) / all * cores * 100.0 } else { 0.0 };
    // What `docker stats` shows: without the cache that is given back under pressure.
    let memory = (number("/memory_stats/usage") - number("/memory_stats/stats/inactive_file")).max(0.0);
    json!({
        "Name": name(&json!({ "Name": read.name })),
        "Id": read.id,
        "CPUPerc": cpu,
        "MemUsage": memory,
        "MemLimit": number("/memory_stats/limit"),
        "PIDs": number("/pids_stats/current"),
    })
}

/// The name without its slash.
pub(super) fn name(container: &Value) -> String {
    container["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned()
}

/// As in `api is running (healthy) since 2026-01-31T12:00:00Z`.
pub(super) fn sentence(container: &Value) -> String {
    let state = &container["State"];
    let field = |key: &str| state[key].as_str().unwrap_or("unknown");
    // The engine keeps the last word of one that has ended.
    let runs = state["Running"].as_bool() != Some(false);
    let health = state["Health"]["Status"].as_str().filter(|_| runs);
    let health = health.map(|health| format!(" ({health})")).unwrap_or_default();
    format!("{} is {}{health}, started at {}", name(container), field("Status"), field("StartedAt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_container_are_left_out() {
        let found: ContainerInspectResponse = serde_json::from_value(json!({
            "Id": "abc", "Name": "/api", "Path": "run", "Args": ["--password=hunter2"],
            "Config": {"Image": "api:1", "Env": ["PASSWORD=hunter2"], "Cmd": ["hunter2"]},
            "State": {"Status": "running", "Running": true, "Health": {"Status": "healthy", "Log": [{"Output": "hunter2"}]}}
        }))
        .unwrap();
        let seen = container(&found);
        assert!(!seen.to_string().contains("hunter2"));
        assert_eq!(seen["State"]["Health"]["Status"], "healthy");
        assert_eq!(seen["Config"], json!({"Image": "api:1"}));
        assert_eq!(sentence(&seen), "api is running (healthy), started at unknown");
        let mut ended = seen;
        (ended["State"]["Status"], ended["State"]["Running"]) = ("exited".into(), false.into());
        assert_eq!(sentence(&ended), "api is exited, started at unknown");
    }

    #[test]
    fn what_the_engine_leaves_empty_is_not_there() {
        let found = serde_json::from_value(json!({"State": {"Health": null, "Running": false}})).unwrap();
        assert_eq!(container(&found), json!({"State": {"Running": false}}));
    }
}
