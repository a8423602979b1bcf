//! What the state asks for, carried out: nothing here is waited for.

use super::Loop;
use crate::clock;
use crate::domain::incident::Rules;
use crate::domain::record::Entry;
use crate::domain::view::View;
use crate::domain::{IncidentId, RunId};
use crate::effect::{Effect, Word};
use crate::event::{Event, RunEvent};
use crate::incident::report::Style;
use crate::runtime::exec::Exec;
use crate::runtime::poller::Poller;
use crate::runtime::post_mortem::{self, Known};
use crate::runtime::terminal::Screen;
use crate::runtime::{inquire, keep, recall, replay, second};
use std::path::PathBuf;
use std::sync::Arc;

impl Loop {
    /// Hands the effects to those who carry them out; true: leave.
    pub(super) fn carry_out(&mut self, screen: &mut Screen) -> std::io::Result<bool> {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::PollNow(which) => {
                    let wanted = |poller: &&Poller| which.is_empty() || which.contains(&poller.id);
                    self.pollers.iter().filter(wanted).for_each(Poller::poll_now);
                }
                Effect::Pace { source, interval } => {
                    self.pollers.iter().filter(|poller| poller.id == source).for_each(|poller| poller.pace(interval));
                }
                Effect::Inquire(inquiry) if self.replay.is_some() => self.take(replay::unanswered(inquiry)),
                Effect::Inquire(inquiry) => inquire::ask(&self.exec, inquiry),
                Effect::Plan { number, request } => self.exec.plan(number, request),
                Effect::GiveUpPlan => self.exec.give_up_plan(),
                Effect::Start(plan) => {
                    self.exec.start(*plan);
                }
                Effect::Resolve { run, word, text } => resolve(Arc::clone(&self.exec), run, word, text),
                Effect::Look(run) => look(Arc::clone(&self.exec), run),
                Effect::AskApproval(plan) => second::ask(Arc::clone(&self.exec), *plan),
                Effect::SeekApproval(plan_hash) => second::seek(Arc::clone(&self.exec), plan_hash),
                Effect::Withdraw(request) => second::withdraw(Arc::clone(&self.exec), *request),
                Effect::Decide { request, approves, reason } => {
                    second::decide(Arc::clone(&self.exec), *request, approves, reason);
                }
                Effect::Want { request, run, resources, take, reason } => {
                    second::want(Arc::clone(&self.exec), *request, (run, resources), take, reason);
                }
                Effect::HandOver { run, want } => self.exec.hand_over(run, *want),
                Effect::Answer(run, answer) if self.exec.drives(run) => self.exec.answer(run, answer),
                Effect::Answer(run, _) => {
                    let what = format!("run {}: it is over, or another session drives it: stop it there", run.short());
                    self.take(Event::Told { bad: true, what });
                }
                Effect::Journal(entry) => record(Arc::clone(&self.exec), entry),
                Effect::Attend(incident) => attend(Arc::clone(&self.exec), incident),
                Effect::PostMortem(id) => {
                    let rules = self.state.watch.rules.clone();
                    tokio::spawn(post_mortem(Arc::clone(&self.exec), self.home.clone(), rules, id));
                }
                Effect::RecallIncidents => {
                    let exec = Arc::clone(&self.exec);
                    tokio::spawn(async move { recall::incidents(&exec).await });
                }
                Effect::Incident { id, entries } => note(Arc::clone(&self.exec), id, entries),
                Effect::Follow { number, request } => self.follower.follow(number, *request),
                Effect::Unfollow => self.follower.stop(),
                Effect::SaveLog(export) => self.follower.save(*export),
                Effect::Copy(text) => screen.copy(&text)?,
                Effect::AskGround => {
                    self.strings.expect(clock::now().mono);
                    screen.ask_ground()?;
                }
                Effect::Notify(text) => {
                    // It leaves the program: what the journal must not hold, it must not hold either.
                    let text = self.exec.connections.redactor().text(&text).into_owned();
                    screen.notify(&self.state.looks.notify, &text)?;
                }
                Effect::KeepViews { views, what } => self.keep_views(views, what),
                Effect::Save { name, text } => self.save(name, text),
                Effect::Mouse(on) => screen.mouse(on)?,
                Effect::Replay(command) => {
                    if let Some(replay) = &self.replay {
                        replay.obey(command);
                    }
                }
                Effect::Reload => {
                    self.watcher.read_now();
                }
                Effect::Suspend => self.suspend(screen)?,
                Effect::Quit => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Keeps the views, and tells. Only the newest list is written, whichever of several writers comes first.
    fn keep_views(&self, views: Vec<View>, what: String) {
        let (home, kept, events) = (self.home.clone(), Arc::clone(&self.views), self.exec.events.clone());
        kept.next(views);
        tokio::task::spawn_blocking(move || {
            let told = match home.and_then(|home| kept.write(&home)) {
                Ok(()) => Event::Told { bad: false, what },
                Err(what) => Event::Told { bad: true, what },
            };
            let _ = events.blocking_send(told);
        });
    }

    /// Writes a file, and tells where it is. The disk may be slow: not here.
    fn save(&self, name: String, text: String) {
        let (home, events) = (self.home.clone(), self.exec.events.clone());
        tokio::task::spawn_blocking(move || {
            let saved = home.and_then(|home| keep::new_file(&home.join("saved"), &name, &text));
            let told = match saved {
                Ok(path) => Event::Told { bad: false, what: format!("saved as {}", path.display()) },
                Err(what) => Event::Told { bad: true, what },
            };
            let _ = events.blocking_send(told);
        });
    }
}

/// Records what a person says of a run, and tells what came of it.
fn resolve(exec: Arc<Exec>, run: RunId, word: Word, text: String) {
    tokio::spawn(async move {
        let said = match word {
            Word::Happened => exec.saw(run, true, &text).await,
            Word::Nothing => exec.saw(run, false, &text).await,
            Word::GivenUp => exec.give_up(run, &text).await,
        };
        let told = match said {
            Ok(ended) => Event::Told { bad: false, what: format!("run {}: {}", run.short(), ended.reason) },
            Err(why) => Event::Told { bad: true, what: format!("run {}: nothing was recorded: {why}", run.short()) },
        };
        let _ = exec.events.send(told).await;
    });
}

fn look(exec: Arc<Exec>, run: RunId) {
    tokio::spawn(async move {
        let found = match exec.look_again(run).await {
            Ok(Some(ended)) => Event::Run(RunEvent::Reconciled(vec![ended])),
            // It has no end yet: that is looked at like every start does.
            Ok(None) => return exec.reconcile().await,
            Err(why) => Event::Told { bad: true, what: format!("run {}: {why}", run.short()) },
        };
        let _ = exec.events.send(found).await;
    });
}

fn attend(exec: Arc<Exec>, incident: Option<IncidentId>) {
    tokio::spawn(async move { exec.journal.attend(incident).await });
}

/// Writes a post-mortem, and tells where and what is left to fill in.
async fn post_mortem(exec: Arc<Exec>, home: Result<PathBuf, String>, rules: Rules, id: IncidentId) {
    let written = async {
        let known = Known::read(&*exec.journal, &exec.env, rules).await?;
        let incident = known.incidents.get(id).ok_or("the journal does not know that incident any more")?;
        let file = post_mortem::place(&home?, incident)?;
        post_mortem::write(&*exec.journal, &known, incident, &file, Style::default()).await
    };
    let written: Result<_, String> = written.await;
    let told = match &written {
        Ok(written) => {
            Event::Told { bad: false, what: format!("post-mortem: {}{}", written.told(), written.disputes()) }
        }
        Err(why) => Event::Told { bad: true, what: why.clone() },
    };
    let _ = exec.events.send(told).await;
    if let Ok(written) = written {
        let _ = exec.events.send(Event::Run(RunEvent::Noted(Box::new(written.record)))).await;
    }
}

/// Records of an incident, one after the other; the first that can't be written is the last.
fn note(exec: Arc<Exec>, id: IncidentId, entries: Vec<Entry>) {
    tokio::spawn(async move {
        for entry in entries {
            let told = match exec.journal.append_to(id, entry).await {
                Ok(record) => RunEvent::Noted(Box::new(record)),
                Err(error) => RunEvent::Trouble { run: None, what: error.to_string() },
            };
            let failed = matches!(told, RunEvent::Trouble { .. });
            let _ = exec.events.send(Event::Run(told)).await;
            if failed {
                return;
            }
        }
    });
}

fn record(exec: Arc<Exec>, entry: Entry) {
    tokio::spawn(async move {
        if let Err(error) = exec.journal.append(entry).await {
            let event = RunEvent::Trouble { run: None, what: error.to_string() };
            let _ = exec.events.send(Event::Run(event)).await;
        }
    });
}
