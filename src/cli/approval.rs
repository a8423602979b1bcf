//! `quarterdeck approval`: what others ask a second person for, and the answer to it.

use super::runbook::{Desk, Person, REFUSED, at_desk};
use super::{Global, PRINTS};
use crate::clock;
use crate::domain::id::is_called;
use crate::domain::{json, text};
use crate::runbook::approvals::{Request, State, short};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;
use uuid::Uuid;

/// `quarterdeck approval …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who asks for what, and how it stands: the requests of the last day, one a line
    #[command(after_help = PRINTS)]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One request: who asks, until when, and the plan exactly as they saw it
    #[command(after_help = PRINTS)]
    Show {
        /// Its id, or its last digits as `list` prints them
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Approve a request of somebody else: its plan can be run once, by who asked, until its time is over
    ///
    /// Who approves is who logged in at the journal's server, which takes nobody's approval of their own request. On a terminal the plan is shown
    /// and asked for; without one it takes --plan with the hash of the plan that was seen, as `show` prints it.
    ///
    /// Exit codes: 0 approved, 1 it could not be: why is told, 2 the command line was not understood, 5 it was not: nothing was recorded.
    Approve(Decide),
    /// Refuse a request of somebody else
    ///
    /// Exit codes: 0 refused, as was wanted, 1 it could not be: why is told, 2 the command line was not understood, 5 it was not: nothing was recorded.
    Refuse(Decide),
    /// Take a request of your own back: nobody can approve it any more, and what was approved of it begins no run
    ///
    /// Exit codes: 0 withdrawn, 1 there is no such request, 2 the command line was not understood, 5 it was not: nothing was recorded.
    Withdraw {
        /// Its id, or its last digits as `list` prints them
        id: String,
    },
}

/// Which, and why.
#[derive(Debug, Args)]
pub struct Decide {
    /// Its id, or its last digits as `list` prints them
    id: String,
    /// What is said of it, for the record: at least two words
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The hash of the plan that was seen, or its first twelve digits or more
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
}

impl Command {
    /// Does it.
    pub fn run(self, global: &Global) -> color_eyre::Result<ExitCode> {
        let decides = matches!(self, Self::Approve(_) | Self::Refuse(_) | Self::Withdraw { .. });
        at_desk(global, decides, async |desk| self.carry_out(desk).await)
    }

    async fn carry_out(self, desk: &Desk) -> Result<(), (u8, String)> {
        let requests = desk.exec.journal.approvals().await.map_err(|error| (1, error.to_string()))?;
        match self {
            Self::List { json } => list(&requests, json),
            Self::Show { id, json } => show(find(&requests, &id)?, json),
            Self::Approve(decide) => decide.decide(desk, find(&requests, &decide.id)?, true).await?,
            Self::Refuse(decide) => decide.decide(desk, find(&requests, &decide.id)?, false).await?,
            Self::Withdraw { id } => withdraw(desk, find(&requests, &id)?).await?,
        }
        Ok(())
    }
}

impl Decide {
    async fn decide(&self, desk: &Desk, request: &Request, approves: bool) -> Result<(), (u8, String)> {
        if approves {
            self.saw(request).await.map_err(|why| (REFUSED, why))?;
        }
        let done = desk.exec.decide(request, approves, &self.reason).await;
        let record = done.map_err(|why| (REFUSED, format!("nothing was recorded: {why}")))?;
        let (id, word) = (request.short(), if approves { "approved" } else { "refused" });
        let who = text::clean(&record.actor.name).into_owned();
        println!("{id}: {word} by {who}: {}", request.line());
        Ok(())
    }

    /// An approval is of a plan that was seen.
    async fn saw(&self, request: &Request) -> Result<(), String> {
        if let Some(seen) = &self.plan {
            let is_it = seen.len() >= 12 && request.plan_hash.starts_with(seen.as_str());
            let other = || format!("the plan is another one than {seen}: its hash is {}", request.plan_hash);
            return is_it.then_some(()).ok_or_else(other);
        }
        let without = || {
            let id = request.short();
            format!(
                "without a terminal it takes --plan {}, the hash of the plan that `quarterdeck approval show {id}` prints",
                request.plan_hash
            )
        };
        let mut person = Person::here().ok_or_else(without)?;
        print!("{}", page(request));
        let typed = person.ask("to approve it type  approve :").await;
        if typed == "approve" { Ok(()) } else { Err("it was not approved: nothing was recorded".to_owned()) }
    }
}

async fn withdraw(desk: &Desk, request: &Request) -> Result<(), (u8, String)> {
    let done = desk.exec.withdraw(request).await;
    done.map_err(|why| (REFUSED, format!("nothing was recorded: {why}")))?;
    println!("{}: withdrawn: {}", request.short(), request.line());
    Ok(())
}

/// The one that is meant by an id, or by the end of one.
pub fn find<'a>(requests: &'a [Request], id: &str) -> Result<&'a Request, (u8, String)> {
    let mut found = requests.iter().filter(|request| is_called(request.id, id));
    match (found.next(), found.next()) {
        (Some(one), None) if id.len() >= 4 => Ok(one),
        (Some(_), _) => Err((1, format!("{id:?} may be several requests: write more of its digits"))),
        (None, _) => {
            Err((1, format!("nobody asked for {id:?} within the last day: `quarterdeck approval list` shows what was")))
        }
    }
}

fn list(requests: &[Request], as_json: bool) {
    let now = clock::now().wall;
    if as_json {
        return println!("{}", json::line(&Value::Array(requests.iter().map(data).collect())));
    }
    if requests.is_empty() {
        println!("nobody has asked for a second person's approval within the last day");
    }
    for request in requests {
        println!("{}  {}  {}", request.short(), request.line(), request.standing(now));
    }
}

fn show(request: &Request, as_json: bool) {
    if as_json {
        return println!("{}", json::line(&data(request)));
    }
    print!("{}", page(request));
}

/// A request for people: its plan first, so that what is to be decided stands last.
fn page(request: &Request) -> String {
    let (now, until) = (clock::now().wall, request.until.strftime("%H:%M:%S UTC"));
    let asked = request.asked.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!(
        "{}\n\n{}\nasked for at {asked}, until {until}: {}\nplan {}\n",
        request.plan.trim_end(),
        request.line(),
        request.standing(now),
        request.plan_hash
    )
}

fn data(request: &Request) -> Value {
    let (state, by, reason, run) = match &request.state {
        State::Open => ("open", None, None, None),
        State::Approved(by, reason) => ("approved", Some(by), Some(reason), None),
        State::Refused(by, reason) => ("refused", Some(by), Some(reason), None),
        State::Withdrawn => ("withdrawn", None, None, None),
        State::Used(run) => ("used", None, None, Some(run)),
    };
    let over = request.until <= clock::now().wall && state != "used";
    json!({
        "id": request.id,
        "short": short(request.id),
        "by": request.by,
        "env": request.env,
        "runbook": request.runbook,
        "title": request.title,
        "risk": request.risk,
        "plan_hash": request.plan_hash,
        "plan": request.plan,
        "targets": request.targets,
        "asked": request.asked,
        "until": request.until,
        "over": over,
        "state": state,
        "decided_by": by,
        "reason": reason,
        "run": run,
    })
}

/// The newest that is known of one request.
///
/// # Errors
/// When the journal can't be asked.
pub async fn now(desk: &Desk, id: Uuid) -> Result<Option<Request>, String> {
    let requests = desk.exec.journal.approvals().await.map_err(|error| error.to_string())?;
    Ok(requests.into_iter().find(|request| request.id == id))
}
