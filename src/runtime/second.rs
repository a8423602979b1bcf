//! What the screen asks of and for a second person: carried out beside the loop, what comes of it is an event.

use super::exec::{Came, Exec, Wanted};
use crate::domain::RunId;
use crate::event::{Event, RunEvent};
use crate::journal::lease::GRACE;
use crate::runbook::approvals::Request;
use crate::runbook::{Draft, Plan, PlanRequest};
use crate::ui;
use std::sync::Arc;

/// Columns of the plan as who approves sees it.
const WIDTH: usize = 100;

/// Asks for an approval of a plan.
pub fn ask(exec: Arc<Exec>, plan: Plan<Draft>) {
    tokio::spawn(async move {
        let shown = ui::plan_text(&plan, None, WIDTH);
        let asked = exec.ask_approval(&plan, &shown).await;
        let told =
            asked.map(|_| "a second person's approval is asked for: whoever shares the journal sees it".to_owned());
        tell(&exec, told.map_err(|why| format!("nobody is asked: {why}"))).await;
    });
}

/// Whether somebody has approved a plan.
pub fn seek(exec: Arc<Exec>, plan_hash: String) {
    tokio::spawn(async move {
        match exec.approval_of(&plan_hash).await {
            Ok(Some(approval)) => {
                let _ = exec.events.send(Event::Run(RunEvent::Approved(Box::new(approval)))).await;
            }
            Ok(None) => {}
            Err(why) => tell(&exec, Err(why)).await,
        }
    });
}

/// Approves or refuses what somebody else asks for.
pub fn decide(exec: Arc<Exec>, request: Request, approves: bool, reason: String) {
    tokio::spawn(async move {
        let word = if approves { "approved" } else { "refused" };
        let said = exec.decide(&request, approves, &reason).await;
        let told = said.map(|_| format!("{word}: {}", request.line()));
        tell(&exec, told.map_err(|why| format!("not {word}, and nothing was recorded: {why}"))).await;
    });
}

/// Takes a request of whoever sits here back.
pub fn withdraw(exec: Arc<Exec>, request: Request) {
    tokio::spawn(async move {
        let said = exec.withdraw(&request).await;
        let told = said.map(|_| "the request is withdrawn: nobody can approve it any more".to_owned());
        tell(&exec, told.map_err(|why| format!("not withdrawn, and nothing was recorded: {why}"))).await;
    });
}

/// Asks for a lock, waits for it, and has the plan made anew that wants it.
pub fn want(exec: Arc<Exec>, request: PlanRequest, (of, resources): (RunId, Vec<String>), take: bool, reason: String) {
    tokio::spawn(async move {
        let for_run = request.resumes.map(|resumption| resumption.run);
        let wanted = Wanted { of, resources, for_run, grace: take.then_some(GRACE), reason };
        let what = wanted.resources.join(", ");
        let came = match exec.want(&wanted).await {
            Ok(asked) => exec.until_ours(&wanted, asked).await,
            Err(why) => Err(why),
        };
        match came {
            Ok(came) => {
                let kept = if came == Came::Free { "" } else { ", and held for this plan for 3 minutes" };
                let what = format!("{what} is {}{kept}", came.word());
                let _ = exec.events.send(Event::Run(RunEvent::Yours { request: Box::new(request), what })).await;
            }
            Err(why) => tell(&exec, Err(format!("{what} is not yours: {why}"))).await,
        }
    });
}

async fn tell(exec: &Exec, told: Result<String, String>) {
    let event = match told {
        Ok(what) => Event::Told { bad: false, what },
        Err(what) => Event::Told { bad: true, what },
    };
    let _ = exec.events.send(event).await;
}
