//! What runs and the journal tell: each event goes to what shows it.

use super::{Banner, State, planning, questions, way};
use crate::domain::record::{JOURNAL_BACK, Record, RecordKind, clock_off};
use crate::domain::text;
use crate::effect::Effects;
use crate::event::RunEvent;
use crate::runbook::history::Unread;
use uuid::Uuid;

/// Takes in what a run or the journal tells.
pub(super) fn take(state: &mut State, event: RunEvent, effects: &mut Effects) {
    state.dirty = true;
    match event {
        RunEvent::Planned { number, plan } => planning::came(state, number, plan),
        RunEvent::PlanChanged { plan, what, .. } => {
            let notice = planning::nothing_was_done(&what);
            state.waiting_plan = Some(planning::Waiting { plan, notice: Some(notice), asked: None });
        }
        RunEvent::NotPlanned { number, request, why } => planning::failed(state, number, &request, &why, effects),
        RunEvent::Record(record) => recorded(state, &record, effects),
        RunEvent::Output { run, step, lines, lost } => state.outputs.take(run, step, lines, lost),
        RunEvent::Detached { run, step, since, why } => {
            match &since {
                Some(_) => state.toasts.bad(state.now, format!("{step}: running (detached): {why}")),
                None => state.toasts.say(state.now, format!("{step}: its host answers again, and it is followed")),
            }
            state.outputs.detach(run, step, since);
        }
        RunEvent::Recalled(record) => {
            super::second::known(state, &record);
            state.runs.apply(&record);
        }
        RunEvent::Elsewhere(record) => elsewhere(state, &record, effects),
        RunEvent::Ask { run, step, prompt, phrase, manual, list, ways } => {
            let ask = super::AskDialog { step, list, ways, ..super::AskDialog::new(run, prompt, phrase, manual) };
            questions::came(state, ask);
        }
        RunEvent::AskOver(run) => questions::settled(state, run),
        RunEvent::Approved(approval) => super::second::approved(state, *approval),
        RunEvent::Yours { request, what } => super::second::yours(state, *request, &what, effects),
        RunEvent::Call { request, notice, .. } => super::calls::came(state, *request, notice.as_deref(), effects),
        RunEvent::Trouble { what, .. } => state.toasts.bad(state.now, what),
        RunEvent::Incidents(records) => super::incidents::known(state, &records, effects),
        RunEvent::Noted(record) => super::incidents::apply(state, &record, effects),
        RunEvent::Unread(why) => state.runs.unread(why, state.now.wall),
        RunEvent::Away(away) => journal_away(state, away),
        RunEvent::Clock { writer, ahead_ms } => clock(state, writer, ahead_ms),
        RunEvent::OnlyLooks(why) => {
            state.toasts.say(state.now, why.clone());
            state.writes.only_looks(Some(why));
        }
        RunEvent::CutOff(runs) => super::cut_off::found(state, &runs),
        RunEvent::Left(runs) => super::cut_off::left(state, &runs),
        RunEvent::Reconciled(ended) => super::cut_off::settled(state, &ended),
    }
}

/// A record of this session.
fn recorded(state: &mut State, record: &Record, effects: &mut Effects) {
    // Who writes may write.
    state.writes.only_looks(None);
    super::second::written(state, record);
    state.runs.apply(record);
    super::incidents::apply(state, record, effects);
    state.outputs.apply(record);
    let drives = matches!(record.entry.data["way"].as_str(), Some("go on" | "undo"));
    let begins = record.entry.kind == RecordKind::RunStart || record.entry.kind == RecordKind::RunResume && drives;
    if let (true, Some(run)) = (begins, record.entry.run) {
        state.banner = Some(Banner::new(run));
        state.started.push(run);
        // What is being typed stays where it is.
        if state.filter_edit.is_none() {
            way::open_run(state, run, effects);
        }
    }
    if let (RecordKind::RunFinish, Some(run)) = (record.entry.kind, record.entry.run) {
        questions::over(state, run);
        super::calls::over(state, run, effects);
    }
}

/// A record of another session.
fn elsewhere(state: &mut State, record: &Record, effects: &mut Effects) {
    super::cut_off::taken_over(state, record);
    super::second::came(state, record);
    super::incidents::apply(state, record, effects);
    tell_clock(state, record);
    state.runs.apply(record);
    if let (RecordKind::RunStart, Some(run)) = (record.entry.kind, record.entry.run) {
        Banner::tell_of_other(&mut state.banner, run);
    }
}

/// How far the journal server's clock is from this machine's.
fn clock(state: &mut State, writer: Uuid, ahead_ms: i64) {
    state.runs.clock(writer, ahead_ms);
    if let Some(off) = clock_off(ahead_ms) {
        let what =
            format!("this machine's clock is {off} the journal server's: set it, or times told from here mislead");
        state.toasts.bad(state.now, what);
    }
}

/// Another session's clock is off: its times are not what they seem.
fn tell_clock(state: &mut State, record: &Record) {
    if let Some(off) = record.clock_ahead_ms().and_then(clock_off) {
        let who = text::clean(&format!("{}@{}", record.actor.name, record.actor.host)).into_owned();
        let what = format!("the clock of {who} is {off} the journal server's: so are the times of its records");
        if state.clocks.insert(who) {
            state.toasts.bad(state.now, what);
        }
    }
}

/// That the team's journal is away stays on the screen; that it is back is said.
fn journal_away(state: &mut State, away: Option<Unread>) {
    let told = away.map(|away| Unread { why: text::clean(&away.why).into_owned(), ..away });
    let why = told.as_ref().map(|told| told.why.clone());
    if !state.runs.away(told) {
        return;
    }
    match why {
        Some(why) => state.toasts.bad(state.now, why),
        None => state.toasts.say(state.now, JOURNAL_BACK),
    }
}
