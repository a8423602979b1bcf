//! `aws`, for what the runbooks ask of EC2, RDS and S3: over the cloud of the drill's own.

use super::{Machine, aws_text, docker};
use crate::drill::shell::{Call, Done, Files, Node, jq};
use crate::drill::stage::Stage;
use crate::drill::world::cloud::Kind;
use crate::drill::world::{Hosted, Order};
use serde_json::{Value, json};

/// What it takes until an order has been carried out: seconds of the world.
const TAKES: f64 = 4.0;

/// What came of a call: a document, a line, or an error with its status.
type Came = Result<Said, Done>;

enum Said {
    /// `--query` and `--output` make text of it.
    Told(Value),
    /// Printed as it is.
    Line(String),
}

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, files: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let query = docker::option(&mut words, &["--query"]).last().copied();
    let text = docker::option(&mut words, &["--output"]).last() == Some(&"text");
    docker::option(&mut words, &["--region", "--profile"]);
    docker::flag(&mut words, &["--no-cli-pager", "--only-show-errors", "--apply-immediately"]);
    if words.len() < 2 {
        return unknown(call);
    }
    let (service, verb) = (words.remove(0), words.remove(0));
    let came = match service {
        "ec2" => ec2(machine, verb, words, call),
        "rds" => rds(machine, verb, words, call),
        "s3" => s3(machine, verb, &words, call, files),
        _ => Err(unknown(call)),
    };
    let said = match came {
        Err(done) => return done,
        Ok(Said::Line(line)) => return Done { seconds: TAKES, ..Done::said(line) },
        Ok(Said::Told(told)) => told,
    };
    match shown(&said, query, text) {
        Ok(out) => Done::said(out),
        Err(why) => Done::failed(255, format!("aws: {why}\n")),
    }
}

fn unknown(call: &Call) -> Done {
    Done::failed(252, format!("aws: a drill's aws does not know: {}\n", call.args.join(" ")))
}

/// As botocore says it, with the status that goes with it.
fn refused(operation: &str, code: &str, why: &str) -> Done {
    Done::failed(254, format!("An error occurred ({code}) when calling the {operation} operation: {why}\n"))
}

/// What a question makes of it, as text or as JSON.
fn shown(told: &Value, query: Option<&str>, text: bool) -> Result<String, String> {
    let found = query.map_or_else(|| Ok(told.clone()), |query| jq::first(&program(query), told))?;
    if text { Ok(aws_text::text(&found)) } else { Ok(format!("{found:#}\n")) }
}

/// A question in JMESPath, as far as the runbooks use it, in jq's language: a path, and a list of paths behind it. What is found in each of
/// many (`[]`) is a list.
fn program(query: &str) -> String {
    let one = path_and_list(query);
    if query.contains("[]") { format!("[{one}]") } else { one }
}

fn path_and_list(query: &str) -> String {
    let Some((base, list)) = query.split_once(".[").and_then(|(base, rest)| Some((base, rest.strip_suffix(']')?)))
    else {
        return format!(".{query}");
    };
    let items: Vec<String> = list.split(", ").map(item).collect();
    format!(".{base} | [{}]", items.join(", "))
}

fn item(of: &str) -> String {
    if let Some(path) = of.strip_prefix("length(keys(").and_then(|rest| rest.strip_suffix("))")) {
        return format!("(.{path} | length)");
    }
    // `Tags[?Key=='name'].Value | [0]`
    let filter = regex::Regex::new(r"^(\w+)\[\?(\w+)=='([^']*)'\]\.(\w+) \| \[0\]$").ok();
    match filter.and_then(|filter| filter.captures(of)) {
        Some(found) => {
            format!("([.{}[]? | select(.{} == {}) | .{}] | .[0])", &found[1], &found[2], json!(&found[3]), &found[4])
        }
        None => format!(".{of}"),
    }
}

/// The machine that an instance is.
fn machine_of(stage: &Stage, id: &str, operation: &str) -> Result<usize, Done> {
    let there = |at: &usize| !stage.world.servers[*at].gone && stage.world.instance(*at) == id;
    let missing = || {
        let all: Vec<String> = (0..stage.world.servers.len())
            .filter(|at| !stage.world.servers[*at].gone)
            .map(|at| format!("{} is {}", stage.world.instance(at), stage.world.servers[at].name))
            .collect();
        let why = format!("The instance ID '{id}' does not exist: {}", all.join(", "));
        refused(operation, "InvalidInstanceID.NotFound", &why)
    };
    (0..stage.world.servers.len()).find(there).ok_or_else(missing)
}

fn instance(stage: &Stage, at: usize) -> Value {
    let server = &stage.world.servers[at];
    let last = server.address.rsplit('.').next().unwrap_or_default();
    json!({
        "InstanceId": stage.world.instance(at), "State": {"Name": if server.up { "running" } else { "stopped" }},
        "InstanceType": server.kind.name, "PrivateIpAddress": server.address, "RootDeviceType": "ebs",
        "PublicIpAddress": format!("203.0.113.{last}"), "NetworkInterfaces": [{"Association": {"IpOwnerId": "418273640912"}}],
        "Tags": [{"Key": "Name", "Value": server.name}],
    })
}

fn ec2(machine: &Machine, verb: &str, mut words: Vec<&str>, call: &Call) -> Came {
    let id = docker::option(&mut words, &["--instance-ids", "--instance-id"]).last().copied();
    let types = docker::option(&mut words, &["--instance-types", "--instance-type"]).last().copied();
    let mut stage = machine.stage.lock();
    let found = |stage: &Stage, operation: &str| machine_of(stage, id.unwrap_or_default(), operation);
    match verb {
        "describe-instances" => {
            let all = (0..stage.world.servers.len()).filter(|at| !stage.world.servers[*at].gone);
            let wanted = match id {
                Some(_) => vec![found(&stage, "DescribeInstances")?],
                None => all.collect(),
            };
            let each = wanted.into_iter().map(|at| json!({"Instances": [instance(&stage, at)]}));
            Ok(Said::Told(json!({"Reservations": each.collect::<Vec<_>>()})))
        }
        "describe-instance-types" => {
            let kind = kind(types.unwrap_or_default(), "DescribeInstanceTypes")?;
            let told = json!({"InstanceType": kind.name, "VCpuInfo": {"DefaultVCpus": kind.cores}, "MemoryInfo": {"SizeInMiB": kind.gib * 1024}});
            Ok(Said::Told(json!({"InstanceTypes": [told]})))
        }
        "stop-instances" | "start-instances" => {
            let on = verb.starts_with("start");
            let at = found(&stage, if on { "StartInstances" } else { "StopInstances" })?;
            if stage.world.servers[at].up != on {
                order(&mut stage, &Order::Power(at, on), "StartInstances")?;
            }
            let word = if on { "STARTINGINSTANCES" } else { "STOPPINGINSTANCES" };
            Ok(Said::Line(format!("{word}\t{}\n", id.unwrap_or_default())))
        }
        "modify-instance-attribute" => {
            let at = found(&stage, "ModifyInstanceAttribute")?;
            let kind = kind(types.unwrap_or_default(), "ModifyInstanceAttribute")?;
            order(&mut stage, &Order::Hosted(Hosted::Resize(at, kind)), "ModifyInstanceAttribute")?;
            Ok(Said::Line(String::new()))
        }
        // What was ordered is done by then.
        "wait" => Ok(Said::Line(String::new())),
        _ => Err(unknown(call)),
    }
}

fn kind(name: &str, operation: &str) -> Result<&'static Kind, Done> {
    Kind::of(name).ok_or_else(|| refused(operation, "InvalidInstanceType", &format!("there is no type {name}")))
}

fn order(stage: &mut Stage, what: &Order, operation: &str) -> Result<(), Done> {
    stage.order(what).map_err(|why| refused(operation, "IncorrectInstanceState", &why.0))
}

/// The one database that Amazon runs here.
const DATABASE: &str = "spacetime-db";

fn rds(machine: &Machine, verb: &str, mut words: Vec<&str>, call: &Call) -> Came {
    let name = docker::option(&mut words, &["--db-instance-identifier"]).last().copied();
    let class = docker::option(&mut words, &["--db-instance-class"]).last().copied().unwrap_or_default();
    let snapshot = docker::option(&mut words, &["--db-snapshot-identifier"]).last().copied().unwrap_or_default();
    let mut stage = machine.stage.lock();
    if let Some(other) = name.filter(|name| *name != DATABASE) {
        return Err(refused(
            "DescribeDBInstances",
            "DBInstanceNotFound",
            &format!("DBInstance {other} not found: {DATABASE} is there"),
        ));
    }
    match verb {
        "describe-db-instances" => Ok(Said::Told(json!({"DBInstances": [database(&stage)]}))),
        "modify-db-instance" => {
            let known = class.strip_prefix("db.").unwrap_or("");
            let kind = kind(known, "ModifyDBInstance")?;
            order(&mut stage, &Order::Hosted(Hosted::Reclass(kind)), "ModifyDBInstance")?;
            Ok(Said::Line(format!("DBINSTANCE\t{DATABASE}\n")))
        }
        "create-db-snapshot" if stage.world.cloud.snapshots.contains_key(snapshot) => {
            Err(refused("CreateDBSnapshot", "DBSnapshotAlreadyExists", &format!("{snapshot} is there already")))
        }
        "create-db-snapshot" => {
            order(&mut stage, &Order::Hosted(Hosted::Snapshot(snapshot.to_owned())), "CreateDBSnapshot")?;
            Ok(Said::Line(format!("DBSNAPSHOT\t{snapshot}\n")))
        }
        "describe-db-snapshots" => {
            let found = stage.world.cloud.snapshots.contains_key(snapshot);
            let told = json!({"DBInstanceIdentifier": DATABASE, "DBSnapshotIdentifier": snapshot, "Status": "available", "PercentProgress": 100});
            let missing = || refused("DescribeDBSnapshots", "DBSnapshotNotFound", &format!("{snapshot} not found"));
            found.then(|| Said::Told(json!({"DBSnapshots": [told]}))).ok_or_else(missing)
        }
        "wait" => Ok(Said::Line(String::new())),
        _ => Err(unknown(call)),
    }
}

fn database(stage: &Stage) -> Value {
    let database = &stage.world.cloud.database;
    let class = |kind: &Kind| format!("db.{}", kind.name);
    let pending = match database.pending {
        Some((kind, _)) => json!({"DBInstanceClass": class(kind)}),
        None => json!({}),
    };
    json!({
        "DBInstanceIdentifier": DATABASE, "DBInstanceStatus": database.status(stage.world.at),
        "DBInstanceClass": class(database.kind), "PendingModifiedValues": pending, "MultiAZ": false, "Engine": "postgres",
    })
}

/// `cp FILE s3://…`, `ls s3://…`
fn s3(machine: &Machine, verb: &str, words: &[&str], call: &Call, files: &Files) -> Came {
    match (verb, words) {
        ("cp", [from, to]) if to.starts_with("s3://") => {
            let path = crate::drill::shell::files::absolute(&call.folder, from);
            let missing = || Done::failed(255, format!("The user-provided path {from} does not exist.\n"));
            let bytes = files.get(&path).and_then(Node::bytes).ok_or_else(missing)?.len() as u64;
            let name = from.rsplit('/').next().unwrap_or(from);
            let key = if to.ends_with('/') { format!("{to}{name}") } else { (*to).to_owned() };
            order(&mut machine.stage.lock(), &Order::Hosted(Hosted::Upload(key, bytes)), "PutObject")?;
            Ok(Said::Line(String::new()))
        }
        ("ls", [prefix]) => {
            let stage = machine.stage.lock();
            let folder = prefix.rfind('/').map_or(0, |at| at + 1);
            let found = stage.world.cloud.objects.iter().filter(|(key, _)| key.starts_with(prefix));
            let line = |(key, (bytes, at)): (&String, &(u64, i64))| {
                let when = stage.clock.moment(*at).strftime("%Y-%m-%d %H:%M:%S").to_string();
                format!("{when} {bytes:>10} {}\n", &key[folder..])
            };
            let out: String = found.map(line).collect();
            if out.is_empty() { Err(Done { code: 1, ..Done::default() }) } else { Ok(Said::Line(out)) }
        }
        _ => Err(unknown(call)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_in_jmespath_become_columns() {
        let told = json!({"A": [{"B": [{"C": {"D": "x"}, "P": {}, "M": false, "T": [{"Key": "k", "Value": 3}]}]}]});
        let text = |query: &str| shown(&told, Some(query), true).unwrap();
        assert_eq!(text("A[0].B[0].C.D"), "x\n");
        assert_eq!(text("A[0].B[0].[C.D, length(keys(P)), M, N[0].O]"), "x\t0\tFalse\tNone\n");
        assert_eq!(text("A[0].B[0].[T[?Key=='k'].Value | [0], T[?Key=='other'].Value | [0]]"), "3\tNone\n");
        let many = json!({"A": [{"B": [{"C": 1, "D": "x"}]}, {"B": [{"C": 2, "D": "y"}]}]});
        assert_eq!(shown(&many, Some("A[].B[].[C, D]"), true).unwrap(), "1\tx\n2\ty\n");
        assert_eq!(shown(&many, Some("A[].B[].D"), true).unwrap(), "x\ty\n");
        assert_eq!(shown(&told, Some("A[0].B[0].C"), false).unwrap(), "{\n  \"D\": \"x\"\n}\n");
    }
}
