//! The rules about steps and sections: each step against the others, each parameter against its uses, what is asked of a person.

use super::Faults;
use super::body::{Draft, DraftStep};
use super::fence::Reader;
use super::front::{Front, is_plain};
use super::marks::{Mark, MarkKind};
use super::rollout;
use crate::domain::risk::Risk;
use crate::runbook::language::{self, NameType, said};
use crate::runbook::model::{
    Call, Fence, Manual, Name, OnDisconnect, OnFail, OnTimeout, Over, ParamType, Role, Section, Step,
};
use crate::runbook::{nearest, params};
use std::collections::BTreeSet;

/// Makes checked steps of the drafts; a fence or step with a problem is left out, because the file is refused anyway.
/// The parameters that nothing here uses come third, with their lines, where another page is called: that one may take them.
/// `whole`: the structure was read without a problem, so that what is missing is really missing.
pub(super) fn steps(
    draft: Draft,
    front: Option<&Front>,
    whole: bool,
    faults: &mut Faults<'_>,
) -> (Vec<Step>, Vec<Section>, Vec<(String, u32)>) {
    let params = front.map(|front| front.params.as_slice()).unwrap_or_default();
    let secrets = front.map(|front| front.secrets.as_slice()).unwrap_or_default();
    let types = language::declared(params.iter().map(|(param, _)| param), secrets.iter().map(|(name, _)| name));
    let sure = front.is_some_and(|front| front.params_whole);
    let mut reader = Reader { types, used: BTreeSet::new(), sure, rolls: false, unsure: false, faults };
    reader.affects(front);
    reader.locks(front);
    let (mut steps, mut sections) = (Vec::new(), Vec::new());
    let mut drafts = draft.steps.into_iter();
    for section in draft.sections {
        let rollout = section.rollout.as_ref().and_then(|fence| rollout::read(fence, reader.faults));
        if let Some(Over::Param(name)) = rollout.as_ref().map(|rollout| &rollout.over) {
            reader.servers(name, section.rollout.as_ref().map_or(section.at, |fence| fence.at));
        }
        if section.rollout.is_some() && section.steps.is_empty() {
            reader.faults.at(section.at, "this section rolls, and has no step", "put a step below the rollout");
        }
        reader.rolls = section.rollout.is_some();
        for draft in drafts.by_ref().take(section.steps.len()) {
            steps.push(reader.step(draft, front));
        }
        let (line, _) = reader.faults.place(section.at);
        let (slug, title) = (section.slug, section.title);
        sections.push(Section { slug, title, line, steps: section.steps, rollout });
    }
    if steps.is_empty() && whole {
        reader.faults.at(0, "the runbook has no step", "add a `##` section and below it `###` steps");
    }
    let named = params.iter().map(|(param, at)| ("parameter", &param.name, *at));
    let calls = steps.iter().any(|step| step.manual.call.is_some());
    let mut handed = Vec::new();
    for (kind, name, at) in named.chain(secrets.iter().map(|(name, at)| ("secret", name, *at))) {
        if !whole || reader.unsure || steps.is_empty() || reader.used.contains(name) {
            continue;
        }
        if calls && kind == "parameter" {
            handed.push((name.clone(), reader.faults.place(at).0));
        } else {
            reader.faults.at(at, format!("the {kind} `{name}` is never used"), "use it or remove it");
        }
    }
    (steps, sections, handed)
}

/// The rules about a step's fences together.
fn together(draft: &DraftStep, fences: &[Fence], front: Option<&Front>, faults: &mut Faults<'_>) {
    let at = |role: Role| fences.iter().position(|fence| fence.role == role).map(|index| draft.fences[index].at);
    for role in [Role::Plan, Role::Run, Role::Undo] {
        if fences.iter().filter(|fence| fence.role == role).count() > 1 {
            let what = format!("a step has only one {} fence", role.word());
            faults.at(draft.at, what, "make a step of its own for the second");
        }
    }
    for pair in fences.windows(2).zip(draft.fences.windows(2)) {
        let ([first, second], [_, draft_second]) = pair else { continue };
        if second.role < first.role && !(first.role == Role::Plan && second.role == Role::Check) {
            let what = format!("a {} fence stands behind the {} fence", second.role.word(), first.role.word());
            faults.at(draft_second.at, what, "the order is check, plan, run, wait, verify, undo");
        }
    }
    undone(draft, fences, faults);
    let run = fences.iter().find(|fence| fence.role == Role::Run);
    match (run, at(Role::Run)) {
        (Some(run), Some(at_run)) => {
            if at(Role::Wait).or(at(Role::Verify)).is_none() {
                faults.at(at_run, "nothing tells whether this run worked", "add a verify or a wait fence after it");
            }
            if at(Role::Undo).is_none() && !run.attrs.undo_none {
                faults.at(
                    at_run,
                    "nothing says how this run is undone",
                    "add an undo fence, or `undo=none` and say why",
                );
            }
            away(run, fences, at_run, faults);
            let high = front.is_some_and(|front| front.risk >= Risk::High && front.verb.is_none());
            if high && run.attrs.verb.is_none() {
                faults.at(at_run, "a risk of high takes a verb for the phrase", "add `verb: …` to the front matter");
            }
            if front.is_some_and(|front| front.risk == Risk::Read) {
                faults.at(
                    at_run,
                    "a runbook with `risk: read` may not change anything",
                    "name the true risk in the front matter",
                );
            }
        }
        _ => {
            for role in [Role::Plan, Role::Undo] {
                if let Some(at) = at(role) {
                    faults.at(
                        at,
                        format!("the {} fence has no run that it belongs to", role.word()),
                        "add the run, or use a check",
                    );
                }
            }
        }
    }
}

/// What breaks its own line is looked for more than once: the first look comes while it is away.
fn away(run: &Fence, fences: &[Fence], at: usize, faults: &mut Faults<'_>) {
    let polls = |fence: &Fence| fence.role == Role::Wait || fence.role == Role::Verify && fence.attrs.every.is_some();
    if run.attrs.on_disconnect == Some(OnDisconnect::Expected) && !fences.iter().any(polls) {
        let mend = "add a wait, or `every` to the verify, best on another host";
        faults.at(at, "its line breaks, and what tells whether it worked looks once", mend);
    }
}

/// What is undone must say how, and what is sent again must bear it.
fn undone(draft: &DraftStep, fences: &[Fence], faults: &mut Faults<'_>) {
    let undo = fences.iter().any(|fence| fence.role == Role::Undo);
    for (fence, drafted) in fences.iter().zip(&draft.fences) {
        let wants = fence.attrs.on_fail == Some(OnFail::Undo) || fence.attrs.on_timeout == Some(OnTimeout::Undo);
        if wants && !undo {
            faults.at(drafted.at, "this step has no undo fence to follow", "add one, or let it stop or ask");
        }
        if undo && fence.attrs.undo_none {
            faults.at(drafted.at, "`undo=none` stands beside an undo fence", "keep one of the two");
        }
        if fence.role.changes() && fence.attrs.retry > 0 && !fence.attrs.idempotent {
            let mend = "add `idempotent` if doing it twice is the same as doing it once, else remove `retry`";
            faults.at(drafted.at, "what is not idempotent is sent once", mend);
        }
    }
}

impl Reader<'_, '_> {
    /// Parameters in what is touched.
    fn affects(&mut self, front: Option<&Front>) {
        let Some((text, at)) = front.and_then(|front| front.affects.as_ref()) else { return };
        params::names_in(text).for_each(|name| self.uses(name, *at));
    }

    /// Parameters in what is held.
    fn locks(&mut self, front: Option<&Front>) {
        for (lock, at) in front.iter().flat_map(|front| &front.lock) {
            if let Name::Param(name) = &lock.name {
                self.uses(name, *at);
            }
        }
    }

    /// The parameter that a rollout goes over.
    fn servers(&mut self, name: &str, at: usize) {
        self.uses(name, at);
        let fits = self.types.get(name).is_none_or(|kind| *kind == NameType::Many(ParamType::Server));
        if !fits {
            let mend = "declare it with `type: server` and `many: true`";
            self.faults.at(at, format!("`${name}` is no list of servers"), mend);
        }
    }

    fn step(&mut self, draft: DraftStep, front: Option<&Front>) -> Step {
        let fences: Vec<Fence> = draft.fences.iter().filter_map(|fence| self.fence(fence)).collect();
        if fences.len() == draft.fences.len() && !draft.broken {
            together(&draft, &fences, front, self.faults);
        }
        let (line, _) = self.faults.place(draft.at);
        let manual = self.manual(&draft);
        if draft.fences.is_empty() && !draft.broken {
            self.question(&draft);
        }
        let step = Step { id: draft.id, title: draft.title, prose: draft.prose, line, fences, manual, host: None };
        if !step.manual.choices.is_empty() {
            self.choice(&step.name(), draft.at);
        }
        step
    }

    /// What a step asks of a person.
    fn manual(&mut self, draft: &DraftStep) -> Manual {
        let mut manual = Manual::default();
        let runs = !draft.fences.is_empty() || draft.broken;
        for Mark { kind, text, at } in &draft.marks {
            match kind {
                // Beside a fence a list of boxes is prose.
                MarkKind::Task if runs => {}
                MarkKind::Choice | MarkKind::Call(_) if runs => {
                    let what = format!("{} stands in a step that has fences", kind.name());
                    self.faults.at(*at, what, "put it into a step of its own");
                    return manual;
                }
                MarkKind::Task => manual.tasks.push(text.clone()),
                MarkKind::Choice if manual.choices.contains(text) => {
                    self.faults.at(*at, "this stands here twice to choose from", "keep one");
                }
                MarkKind::Choice => manual.choices.push(text.clone()),
                MarkKind::Call(_) if manual.call.is_some() => {
                    self.faults.at(*at, "a step calls one runbook", "make a step of its own for the second");
                }
                MarkKind::Call(file) => {
                    let (line, _) = self.faults.place(*at);
                    manual.call = Some(Call { title: text.clone(), file: file.clone(), line });
                    self.file(file, *at);
                }
            }
        }
        if let ([_], Some(mark)) = (manual.choices.as_slice(), draft.marks.first()) {
            self.faults.at(mark.at, "there is one thing to choose from", "list at least two under `**Choose:**`");
        }
        if let Some(mark) = draft.marks.iter().find(|mark| mark.text.is_empty()) {
            self.faults.at(mark.at, "this item says nothing", "write what is meant");
        }
        if manual.call.is_some() && !(manual.choices.is_empty() && manual.tasks.is_empty()) {
            let mend = "put the list into a step of its own";
            self.faults.at(draft.at, "a step that calls a runbook has a list beside it", mend);
        }
        manual
    }

    /// What its question says of what was captured before.
    fn question(&mut self, draft: &DraftStep) {
        let (used, faults) = said::read(&draft.prose, &self.types);
        for fault in faults {
            self.faults.at(draft.prose_at + fault.at, fault.what, fault.mend);
        }
        for (name, at) in used {
            let at = draft.prose_at + at;
            if self.sure && !self.types.contains_key(&name) {
                let nearest = nearest(&name, self.types.keys().map(String::as_str));
                let mend = "declare it under `params`, or capture it by `out=` in a step above";
                self.faults.at(at, format!("`{name}` is not known when this is asked{nearest}"), mend);
            } else {
                self.uses(&name, at);
            }
        }
        let choices = draft.marks.iter().filter(|mark| mark.kind == MarkKind::Choice);
        for mark in choices.filter(|mark| said::has_holes(&mark.text, &self.types)) {
            let mend = "say it in the question above: conditions compare with the choice as it is written";
            self.faults.at(mark.at, "a choice is the same whenever it is asked", mend);
        }
    }

    /// A runbook that is called: a page beside this one.
    fn file(&mut self, file: &str, at: usize) {
        let page = file.split(['#', '?']).next().unwrap_or_default();
        let markdown = std::path::Path::new(page).extension().is_some_and(|extension| extension == "md");
        if file.contains("://") || file.starts_with('/') || page != file || !markdown {
            let mend = "link to its file, relative to this one: `[title](other.md)`";
            self.faults.at(at, "this link names no runbook of the library", mend);
        }
    }

    /// The name that a choice is known by.
    fn choice(&mut self, name: &str, at: usize) {
        if !is_plain(name) || language::is_taken(name) {
            let what = format!("the choice would be known as `{name}`, which is no name of its own in `if=(…)`");
            self.faults.at(at, what, "begin the heading with a word that is free");
        } else if self.types.contains_key(name) {
            self.faults.at(at, format!("the name `{name}` is taken already"), "change the heading");
        } else {
            self.types.insert(name.to_owned(), NameType::Choice);
        }
    }
}
