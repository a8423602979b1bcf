//! `gh`, for what the runbooks ask of GitHub: a repository with one workflow that deploys, which asks for an approval.

use super::{Machine, docker, gh_issue, gh_table};
use crate::drill::shell::Files;
use crate::drill::shell::{Call, Done, jq};
use crate::drill::stage::Stage;
use crate::drill::world::{Hosted, Order};
use serde_json::{Value, json};

/// The workflow that deploys, and its environment.
const WORKFLOW: &str = ".github/workflows/deploy-production.yml";
const ENVIRONMENT: &str = "production";
/// What GitHub calls that, the pull request of the commit, and its deployment to staging.
const IDENTITY: u64 = 161_171_787;
const PULL_REQUEST: u64 = 70;
const STAGING: u64 = 55;

/// The command.
pub(super) fn run(machine: &Machine, call: &Call, _: &mut Files) -> Done {
    let mut words: Vec<&str> = call.args.iter().map(String::as_str).collect();
    let filter = docker::option(&mut words, &["--jq", "-q"]).last().copied();
    let json = docker::option(&mut words, &["--json"]).last().copied();
    let repo = docker::option(&mut words, &["--repo", "-R"]).last().copied().unwrap_or("spacetime/game");
    let mut stage = machine.stage.lock();
    let came = match words.as_slice() {
        ["api", ..] => api(&mut stage, words[1..].to_vec()),
        ["run", "list", ..] => Ok(runs(&stage, words[2..].to_vec())),
        ["run", "view", number, rest @ ..] => view(&stage, number, rest),
        ["run", "watch", number, ..] => return watch(&stage, number),
        ["run", "cancel", number] => return cancel(&mut stage, number),
        ["pr", "list", ..] => Ok(reviews(&stage, words[2..].to_vec())),
        ["label", "list", ..] => {
            Ok(json!([{"name": "hotfix", "description": "Brought out at once", "color": "d73a4a"}]))
        }
        ["issue", rest @ ..] => gh_issue::run(&mut stage, rest, repo, json.is_some()),
        _ => Err(unknown(call)),
    };
    drop(stage);
    let told = match came {
        Ok(told) => told,
        Err(done) => return done,
    };
    match (words.as_slice(), json) {
        ([of, "list", ..], None) if filter.is_none() => Done::said(gh_table::table(of, &told)),
        (["api", ..], _) => printed(filter, &told),
        (_, Some(fields)) => printed(filter, &gh_table::only(fields, &told)),
        (_, None) => printed(filter, &told),
    }
}

/// As JSON, or what a filter makes of it.
fn printed(filter: Option<&str>, told: &Value) -> Done {
    match jq::raw(filter.unwrap_or("."), told) {
        Ok(out) => Done::said(out),
        Err(why) => Done::failed(1, format!("gh: {why}\n")),
    }
}

fn unknown(call: &Call) -> Done {
    Done::failed(1, format!("gh: a drill's gh does not know: {}\n", call.args.join(" ")))
}

fn missing(what: &str) -> Done {
    Done::failed(1, format!("gh: {what}: Not Found (HTTP 404)\n"))
}

/// Whether that is the run that there is.
fn known(stage: &Stage, number: &str) -> Result<(), Done> {
    let own = stage.world.cloud.pipeline.number;
    let there = number.parse() == Ok(own);
    there.then_some(()).ok_or_else(|| missing(&format!("run {number} (the run of {WORKFLOW} is {own})")))
}

fn one(stage: &Stage) -> Value {
    let pipeline = &stage.world.cloud.pipeline;
    let (status, conclusion) = pipeline.state(stage.world.at);
    json!({
        "id": pipeline.number, "databaseId": pipeline.number, "path": WORKFLOW, "workflowName": "Deploy to production",
        "status": status, "conclusion": conclusion, "head_branch": "main", "headBranch": "main", "head_sha": pipeline.commit,
        "headSha": pipeline.commit, "displayTitle": format!("Release {}", pipeline.version), "event": "push", "actor": {"login": "mira"},
    })
}

/// `repos/OWNER/NAME/…`
fn api(stage: &mut Stage, mut words: Vec<&str>) -> Result<Value, Done> {
    let posts = docker::option(&mut words, &["--method", "-X"]).last() == Some(&"POST");
    let fields = docker::option(&mut words, &["-f", "-F", "--field", "--raw-field"]);
    let [path] = words[..] else { return Err(missing("a path")) };
    let (path, asked) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    match parts.as_slice() {
        ["actions", "runs", number] => known(stage, number).map(|()| one(stage)),
        ["actions", "runs", number, "pending_deployments"] => {
            known(stage, number)?;
            if posts { approve(stage, path, &fields) } else { Ok(pending(stage)) }
        }
        ["deployments"] => {
            let commit = asked.split('&').find_map(|part| part.strip_prefix("sha="));
            // As GitHub does: by the whole commit, and by no part of it.
            let own = commit == Some(&*stage.world.cloud.pipeline.commit);
            let staged = own && asked.contains("environment=staging");
            Ok(if staged { json!([{"id": STAGING}]) } else { json!([]) })
        }
        ["deployments", _, "statuses"] => Ok(json!([{"state": "success"}])),
        _ => Err(missing(path)),
    }
}

fn pending(stage: &Stage) -> Value {
    if stage.world.cloud.pipeline.state(stage.world.at).0 != "waiting" {
        return json!([]);
    }
    json!([{"environment": {"id": IDENTITY, "name": ENVIRONMENT}, "current_user_can_approve": true}])
}

fn approve(stage: &mut Stage, path: &str, fields: &[&str]) -> Result<Value, Done> {
    let (mine, approved) = (format!("environment_ids[]={IDENTITY}"), "state=approved");
    if !fields.contains(&mine.as_str()) || !fields.contains(&approved) {
        return Err(Done::failed(1, "gh: environment_ids[] and state=approved are needed (HTTP 422)\n"));
    }
    let done = stage.order(&Order::Hosted(Hosted::Approve));
    done.map_err(|why| Done::failed(1, format!("gh: {} (HTTP 422)\n", why.0)))?;
    Ok(json!([{"url": format!("https://api.github.com/{path}")}]))
}

/// The run that deploys, and those that were through before; of one commit or of all.
fn runs(stage: &Stage, mut words: Vec<&str>) -> Value {
    let commit = docker::option(&mut words, &["--commit", "-c"]).last().copied();
    let workflow = docker::option(&mut words, &["--workflow", "-w"]).last().copied();
    let own = one(stage);
    let through = |number: u64, name: &str| {
        let mut run = own.clone();
        let id = json!(own["databaseId"].as_u64().unwrap_or(0) - number);
        (run["id"], run["databaseId"], run["workflowName"]) = (id.clone(), id, json!(name));
        (run["path"], run["status"], run["conclusion"]) =
            (json!(".github/workflows/tests.yml"), json!("completed"), json!("success"));
        run
    };
    let all = [own.clone(), through(1, "Build"), through(2, "Tests")];
    let wanted = |run: &&Value| {
        let of = |key: &str, part: &str| {
            run[key].as_str().is_some_and(|text| text.starts_with(part) || text.ends_with(part))
        };
        commit.is_none_or(|commit| run["headSha"] == commit) && workflow.is_none_or(|name| of("path", name))
    };
    all.iter().filter(wanted).cloned().collect()
}

fn view(stage: &Stage, number: &str, rest: &[&str]) -> Result<Value, Done> {
    known(stage, number)?;
    if rest.contains(&"--log-failed") {
        return Err(Done::default());
    }
    Ok(one(stage))
}

/// It ends as it does: what is left of it is waited for.
fn watch(stage: &Stage, number: &str) -> Done {
    if let Err(done) = known(stage, number) {
        return done;
    }
    let pipeline = &stage.world.cloud.pipeline;
    match pipeline.state(stage.world.at) {
        ("waiting", _) => Done::failed(1, format!("gh: run {number} waits for an approval\n")),
        ("completed", "cancelled") => Done::failed(1, format!("X main Deploy to production · {number}: cancelled\n")),
        _ => Done {
            seconds: pipeline.left(stage.world.at) as f64,
            ..Done::said(format!("✓ main Deploy to production · {number}\n"))
        },
    }
}

fn cancel(stage: &mut Stage, number: &str) -> Done {
    let done = known(stage, number)
        .and_then(|()| stage.order(&Order::Hosted(Hosted::Cancel)).map_err(|why| Done::failed(1, why.0)));
    done.map_or_else(|done| done, |()| Done::said(format!("✓ Request to cancel workflow {number} submitted.\n")))
}

fn reviews(stage: &Stage, mut words: Vec<&str>) -> Value {
    let searched = docker::option(&mut words, &["--search", "-S"]).last().copied().unwrap_or_default();
    if !searched.is_empty() && !stage.world.cloud.pipeline.commit.starts_with(searched) {
        return json!([]);
    }
    let title = format!("Release {}", stage.world.cloud.pipeline.version);
    json!([{"number": PULL_REQUEST, "reviewDecision": "APPROVED", "title": title, "headRefName": "release", "state": "MERGED"}])
}
