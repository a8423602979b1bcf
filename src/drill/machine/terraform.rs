//! `terraform`, for the game servers: a plan that takes the last of them away, or makes more, is made, shown and carried out.

use super::{Machine, docker, now};
use crate::drill::shell::files::absolute;
use crate::drill::shell::{Call, Done, Files, Node};
use crate::drill::stage::Stage;
use crate::drill::world::{Hosted, Order};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Where the code is, on the machine that stands for the operator's own.
pub(super) const FOLDER: &str = "/opt/spacetime/infrastructure/terraform";
/// It, as somebody reads it who looks.
pub(super) const CODE: &str = "variable \"server_count\" { type = number }\n\nresource \"aws_instance\" \"game\" {\n  count         = var.server_count\n  \
    instance_type = \"c5.2xlarge\"\n}\n\noutput \"server_ips\" { value = aws_instance.game[*].private_ip }\n";

/// The cloud of a drill has few machines to give.
const NONE_LEFT: &str =
    "Error: creating EC2 Instance: InsufficientInstanceCapacity: a drill's cloud has no more machines to give\n";

/// A plan, as its file keeps it.
#[derive(Deserialize, Serialize)]
struct Plan {
    /// The state that it was made for.
    serial: u64,
    /// Addresses of before.
    before: Vec<String>,
    /// How many there are to be.
    count: usize,
}

impl Plan {
    fn of(stage: &Stage, count: usize) -> Self {
        Self { serial: stage.world.cloud.serial, before: addresses(stage), count }
    }

    /// What it does to each server that it touches: its index, and `delete` or `create`.
    fn changes(&self) -> Vec<(usize, &'static str)> {
        let have = self.before.len();
        let gone = (self.count.min(have)..have).map(|index| (index, "delete"));
        gone.chain((have..self.count.max(have)).map(|index| (index, "create"))).collect()
    }

    fn summary(&self) -> String {
        let count = |action: &str| self.changes().iter().filter(|(_, own)| *own == action).count();
        format!("Plan: {} to add, 0 to change, {} to destroy.\n", count("create"), count("delete"))
    }
}

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    if files.get(&absolute(&call.folder, "main.tf")).is_none() {
        return Done::failed(1, format!("Error: No configuration files: go to {FOLDER} on lb-1\n"));
    }
    let vars = docker::option(&mut words, &["-var"]);
    let out = docker::option(&mut words, &["-out"]).last().copied();
    docker::option(&mut words, &["-input", "-lock", "-lock-timeout"]);
    docker::flag(&mut words, &["-no-color"]);
    let json = docker::flag(&mut words, &["-json"]);
    match words.as_slice() {
        ["output", "server_ips"] => Done::said(format!("{}\n", json!(addresses(&machine.stage.lock())))),
        ["plan"] => {
            plan(machine, &vars, out.map(|name| absolute(&call.folder, name)).as_deref(), json, files, &call.user)
        }
        ["show", file] => match read(files, &absolute(&call.folder, file)) {
            Ok(plan) if json => Done::said(format!("{}\n", shown(&plan))),
            Ok(plan) => Done::said(plan.summary()),
            Err(done) => done,
        },
        ["apply", file] => match read(files, &absolute(&call.folder, file)) {
            Ok(plan) => apply(machine, &plan),
            Err(done) => done,
        },
        _ => Done::failed(1, "Error: a drill's terraform takes output server_ips, plan, show FILE and apply FILE\n"),
    }
}

fn addresses(stage: &Stage) -> Vec<String> {
    let world = &stage.world;
    world.rented().into_iter().map(|at| world.servers[at].address.clone()).collect()
}

fn plan(machine: &Machine, vars: &[&str], out: Option<&str>, json: bool, files: &mut Files, user: &str) -> Done {
    let count = vars.iter().find_map(|var| var.strip_prefix("server_count=")).and_then(|count| count.parse().ok());
    let Some(count) = count else {
        return Done::failed(1, "Error: No value for required variable: -var=server_count=NUMBER\n");
    };
    let plan = Plan::of(&machine.stage.lock(), count);
    if let Some(path) = out {
        files.put(path, json!(plan).to_string(), 0o600, user, now());
    }
    if !json {
        return Done { seconds: 3.0, ..Done::said(plan.summary()) };
    }
    let mut said = String::new();
    for (index, action) in plan.changes() {
        let resource = json!({"addr": address(index), "resource_key": index, "resource_type": "aws_instance"});
        let line =
            json!({"@level": "info", "type": "planned_change", "change": {"action": action, "resource": resource}});
        // A String takes everything.
        let _ = writeln!(said, "{line}");
    }
    Done { seconds: 3.0, ..Done::said(said) }
}

fn address(index: usize) -> String {
    format!("aws_instance.game[{index}]")
}

fn read(files: &Files, path: &str) -> Result<Plan, Done> {
    let bytes = files.get(path).and_then(Node::bytes);
    let plan = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok());
    plan.ok_or_else(|| Done::failed(1, format!("Error: Failed to load \"{path}\" as a plan file\n")))
}

/// As `show -json` has a plan.
fn shown(plan: &Plan) -> Value {
    let changes = plan.changes();
    let each = (0..plan.before.len().max(plan.count)).map(|index| {
        let action = changes.iter().find(|(at, _)| *at == index).map_or("no-op", |(_, action)| action);
        json!({"address": address(index), "mode": "managed", "type": "aws_instance", "index": index, "change": {"actions": [action]}})
    });
    let after: Vec<&String> = plan.before.iter().take(plan.count).collect();
    let unknown = plan.count > plan.before.len();
    json!({
        "format_version": "1.2", "resource_changes": each.collect::<Vec<_>>(),
        "output_changes": {"server_ips": {"actions": ["update"], "before": plan.before, "after": after, "after_unknown": unknown}},
    })
}

fn apply(machine: &Machine, plan: &Plan) -> Done {
    let mut stage = machine.stage.lock();
    if plan.serial != stage.world.cloud.serial {
        return Done::failed(1, "Error: Saved plan is stale: the state has changed since it was made\n");
    }
    let rented = stage.world.rented();
    for at in rented.iter().skip(plan.count) {
        if let Err(why) = stage.order(&Order::Hosted(Hosted::Destroy(*at))) {
            return Done::failed(1, format!("Error: {}\n", why.0));
        }
    }
    for _ in rented.len()..plan.count {
        let Some(at) = stage.world.spare() else { return Done::failed(1, NONE_LEFT) };
        if let Err(why) = stage.order(&Order::Hosted(Hosted::Rent(at))) {
            return Done::failed(1, format!("Error: {}\n", why.0));
        }
    }
    let [made, gone] = [plan.count.saturating_sub(rented.len()), rented.len().saturating_sub(plan.count)];
    let told = format!("Apply complete! Resources: {made} added, 0 changed, {gone} destroyed.\n");
    Done { seconds: 8.0, ..Done::said(told) }
}
