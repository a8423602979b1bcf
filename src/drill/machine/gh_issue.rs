//! `gh issue`: opened, commented, closed, listed and looked at.

use super::docker;
use crate::drill::shell::Done;
use crate::drill::stage::Stage;
use crate::drill::world::issue::{Issue, Said};
use crate::drill::world::{Hosted, Order};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Who does it.
const LOGIN: &str = "mira";
/// What was listed without `--limit`.
const LISTED: usize = 30;

/// What comes of it: something to print as was asked for (`as_json`), or all that is said.
pub(super) fn run(stage: &mut Stage, words: &[&str], repo: &str, as_json: bool) -> Result<Value, Done> {
    match words {
        ["create", rest @ ..] => create(stage, rest.to_vec(), repo),
        ["list", rest @ ..] => list(stage, rest.to_vec()),
        ["view", number, ..] if as_json => find(stage, number).map(|(number, issue)| told(stage, number, issue)),
        ["view", number, ..] => find(stage, number).and_then(|(number, issue)| Err(Done::said(page(number, issue)))),
        ["comment", number, rest @ ..] => comment(stage, number, rest.to_vec(), repo),
        ["close", number, rest @ ..] => close(stage, number, rest.to_vec(), repo),
        _ => Err(Done::failed(1, "gh: a drill's gh issue takes create, list, view, comment and close\n")),
    }
}

fn say(stage: &mut Stage, said: Said) -> Result<(), Done> {
    stage.order(&Order::Hosted(Hosted::Issue(said))).map_err(|why| Done::failed(1, format!("gh: {}\n", why.0)))
}

/// `71`, `#71`, or its address.
fn find<'a>(stage: &'a Stage, said: &str) -> Result<(u64, &'a Issue), Done> {
    let number = said.rsplit(['/', '#']).next().and_then(|number| number.parse::<u64>().ok());
    let found = number.and_then(|number| Some((number, stage.world.cloud.issues.get(&number)?)));
    found.ok_or_else(|| {
        let why = format!("Could not resolve to an issue or pull request with the number of {said}.");
        Done::failed(1, format!("GraphQL: {why} (repository.issue)\n"))
    })
}

fn create(stage: &mut Stage, mut words: Vec<&str>, repo: &str) -> Result<Value, Done> {
    let mut all =
        |names: &[&str]| -> Vec<String> { docker::option(&mut words, names).into_iter().map(str::to_owned).collect() };
    let (title, body) = (all(&["--title", "-t"]).pop(), all(&["--body", "-b"]).pop());
    let labels = all(&["--label", "-l"]).iter().flat_map(|names| names.split(',')).map(str::to_owned).collect();
    let (Some(title), Some(body)) = (title, body) else {
        return Err(Done::failed(1, "must provide `--title` and `--body` when not running interactively\n"));
    };
    say(stage, Said::Open(Issue { title, body, labels, ..Issue::default() }))?;
    let number = stage.world.cloud.issues.keys().last().copied().unwrap_or_default();
    Err(Done::said(format!("{}\n", address(repo, number))))
}

fn address(repo: &str, number: u64) -> String {
    format!("https://github.com/{repo}/issues/{number}")
}

/// The newest first; those that are open, unless it is asked for others.
fn list(stage: &Stage, mut words: Vec<&str>) -> Result<Value, Done> {
    let labels = docker::option(&mut words, &["--label", "-l"]);
    let state = docker::option(&mut words, &["--state", "-s"]).last().copied().unwrap_or("open");
    let most = docker::option(&mut words, &["--limit", "-L"]).last().map_or(Some(LISTED), |most| most.parse().ok());
    let Some(most) = most else { return Err(Done::failed(1, "gh: --limit takes a number\n")) };
    let wanted = |issue: &Issue| {
        let stands = state == "all" || issue.closed == (state == "closed");
        stands && labels.iter().all(|label| issue.labels.iter().any(|own| own == label))
    };
    let all = stage.world.cloud.issues.iter().rev().filter(|(_, issue)| wanted(issue)).take(most);
    Ok(all.map(|(number, issue)| told(stage, *number, issue)).collect())
}

fn state(issue: &Issue) -> &'static str {
    if issue.closed { "CLOSED" } else { "OPEN" }
}

/// As `--json` has it.
fn told(stage: &Stage, number: u64, issue: &Issue) -> Value {
    let moment = |at: i64| stage.clock.moment(at).to_string();
    let comment =
        |(at, body): &(i64, String)| json!({"author": {"login": LOGIN}, "body": body, "createdAt": moment(*at)});
    let last = issue.comments.last().map_or(issue.opened, |(at, _)| *at);
    json!({
        "number": number, "title": issue.title, "state": state(issue), "body": issue.body, "author": {"login": LOGIN},
        "labels": issue.labels.iter().map(|name| json!({"name": name})).collect::<Value>(),
        "comments": issue.comments.iter().map(comment).collect::<Value>(),
        "createdAt": moment(issue.opened), "updatedAt": moment(last),
    })
}

/// As it is printed where no terminal is there.
fn page(number: u64, issue: &Issue) -> String {
    let mut page = String::new();
    for (what, said) in [
        ("title", issue.title.as_str()),
        ("state", state(issue)),
        ("author", LOGIN),
        ("labels", &issue.labels.join(", ")),
        ("comments", &issue.comments.len().to_string()),
        ("number", &number.to_string()),
    ] {
        // A String takes everything.
        let _ = writeln!(page, "{what}:\t{said}");
    }
    page + "--\n" + &issue.body + "\n"
}

fn comment(stage: &mut Stage, number: &str, mut words: Vec<&str>, repo: &str) -> Result<Value, Done> {
    let body = docker::option(&mut words, &["--body", "-b"]).last().map(|body| (*body).to_owned());
    let Some(body) = body else {
        return Err(Done::failed(1, "flags required when not running interactively: --body\n"));
    };
    let number = find(stage, number)?.0;
    say(stage, Said::Comment(number, body))?;
    let comments: usize = stage.world.cloud.issues.values().map(|issue| issue.comments.len()).sum();
    Err(Done::said(format!("{}#issuecomment-{}\n", address(repo, number), 3_600_000_000 + comments)))
}

fn close(stage: &mut Stage, number: &str, mut words: Vec<&str>, repo: &str) -> Result<Value, Done> {
    let last = docker::option(&mut words, &["--comment", "-c"]).last().map(|body| (*body).to_owned());
    let (number, Issue { title, closed, .. }) = find(stage, number)?;
    let (named, closed) = (format!("issue {repo}#{number} ({title})"), *closed);
    if closed {
        return Err(Done { err: format!("! {named} is already closed\n").into(), ..Done::default() });
    }
    if let Some(body) = last {
        say(stage, Said::Comment(number, body))?;
    }
    say(stage, Said::Close(number))?;
    Err(Done { err: format!("✓ Closed {named}\n").into(), ..Done::default() })
}
