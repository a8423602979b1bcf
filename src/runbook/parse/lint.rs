//! The rules: each fence against its language and role, each step against the others, each parameter against its uses.

use super::Faults;
use super::body::{Draft, DraftFence, DraftStep};
use super::front::{Front, is_name, is_plain};
use super::info::{Attr, Word};
use super::marks::{Mark, MarkKind};
use super::rollout;
use crate::domain::risk::{Level, Risk};
use crate::runbook::expr::{Condition, Gives, Known};
use crate::runbook::language::{self, Language, NameType, Targets, Types, promql};
use crate::runbook::model::{
    Attrs, Call, Fence, Manual, Name, NoData, On, OnDisconnect, OnFail, OnTimeout, Over, ParamType, Place, Role,
    Section, Step,
};
use crate::runbook::{nearest, params};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An attribute: the roles that take it, and the languages; none: all.
struct AttrKind {
    name: &'static str,
    roles: &'static [Role],
    languages: &'static [&'static str],
    flag: Flag,
}

/// Whether an attribute takes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    No,
    Yes,
    Either,
}

const fn attr(name: &'static str, roles: &'static [Role]) -> AttrKind {
    AttrKind { name, roles, languages: &[], flag: Flag::No }
}

const CHANGES: &[Role] = &[Role::Run, Role::Undo];
const ASKS: &[Role] = &[Role::Check, Role::Plan, Role::Run, Role::Verify, Role::Undo];
const JUDGES: &[Role] = &[Role::Run, Role::Wait, Role::Verify];

/// The attributes there are.
const ATTRS: [AttrKind; 25] = [
    attr("on", &Role::ALL),
    attr("timeout", &Role::ALL),
    attr("every", &[Role::Wait, Role::Verify]),
    attr("for", &[Role::Wait, Role::Verify]),
    attr("until", &[Role::Wait]),
    attr("expect", ASKS),
    attr("retry", &Role::ALL),
    attr("out", &[Role::Plan, Role::Run]),
    attr("key", &[Role::Plan]),
    attr("show", &[Role::Wait, Role::Run, Role::Verify]),
    attr("max", &[Role::Plan]),
    attr("confirm", &[Role::Run]),
    attr("verb", &[Role::Run]),
    AttrKind { flag: Flag::Yes, ..attr("idempotent", CHANGES) },
    attr("undo", &[Role::Run]),
    attr("on-fail", JUDGES),
    attr("on-timeout", &[Role::Wait, Role::Verify]),
    AttrKind { languages: &["bash", "http", "docker"], ..attr("on-disconnect", CHANGES) },
    AttrKind { languages: &["http"], ..attr("via", &Role::ALL) },
    AttrKind { languages: &["promql"], ..attr("nodata", &[Role::Check, Role::Plan, Role::Wait, Role::Verify]) },
    attr("if", &Role::ALL),
    AttrKind { languages: &["bash"], ..attr("dir", &Role::ALL) },
    AttrKind { languages: &["bash"], ..attr("vars", &Role::ALL) },
    AttrKind { languages: &["bash"], flag: Flag::Either, ..attr("sudo", &Role::ALL) },
    AttrKind { languages: &["sql"], flag: Flag::Yes, ..attr("autocommit", CHANGES) },
];

const ON_FAIL: [(&str, OnFail); 4] =
    [("stop", OnFail::Stop), ("ask", OnFail::Ask), ("undo", OnFail::Undo), ("continue", OnFail::Continue)];
const ON_TIMEOUT: [(&str, OnTimeout); 3] =
    [("stop", OnTimeout::Stop), ("ask", OnTimeout::Ask), ("undo", OnTimeout::Undo)];
const ON_DISCONNECT: [(&str, OnDisconnect); 3] =
    [("finish", OnDisconnect::Finish), ("stop", OnDisconnect::Stop), ("expected", OnDisconnect::Expected)];
const NODATA: [(&str, NoData); 2] = [("fail", NoData::Fail), ("wait", NoData::Wait)];
const LEVELS: [(&str, Level); 3] = [("yes", Level::Yes), ("typed", Level::Typed), ("two", Level::Two)];

/// Makes checked steps of the drafts; a fence or step with a problem is left out, because the file is refused anyway.
/// `whole`: the structure was read without a problem, so that what is missing is really missing.
pub(super) fn steps(
    draft: Draft,
    front: Option<&Front>,
    whole: bool,
    faults: &mut Faults<'_>,
) -> (Vec<Step>, Vec<Section>) {
    let params = front.map(|front| front.params.as_slice()).unwrap_or_default();
    let secrets = front.map(|front| front.secrets.as_slice()).unwrap_or_default();
    let types = language::declared(params.iter().map(|(param, _)| param), secrets.iter().map(|(name, _)| name));
    let sure = front.is_some_and(|front| front.params_whole);
    let mut reader = Reader { types, used: BTreeSet::new(), sure, rolls: false, unsure: false, faults };
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
    for (kind, name, at) in named.chain(secrets.iter().map(|(name, at)| ("secret", name, *at))) {
        if whole && !reader.unsure && !steps.is_empty() && !reader.used.contains(name) {
            reader.faults.at(at, format!("the {kind} `{name}` is never used"), "use it or remove it");
        }
    }
    (steps, sections)
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

struct Reader<'f, 's> {
    /// Parameters, and the `out` names so far.
    types: Types,
    used: BTreeSet<String>,
    /// All parameters are known, so that an unknown name is a mistake.
    sure: bool,
    /// The section goes over hosts.
    rolls: bool,
    /// A body could not be read to its end, so that what it uses is not known.
    unsure: bool,
    faults: &'f mut Faults<'s>,
}

impl Reader<'_, '_> {
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
        let step = Step { id: draft.id, title: draft.title, prose: draft.prose, line, fences, manual };
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

    fn fence(&mut self, draft: &DraftFence) -> Option<Fence> {
        let (language, role) = (self.language(&draft.info.language), self.role(&draft.info.role));
        let (language, role) = (language?, role?);
        let before = self.faults.list.len();
        let reading = (language.read)(role, &draft.body, &self.types);
        self.unsure |= !reading.faults.is_empty();
        for fault in &reading.faults {
            self.faults.at(draft.body_at + fault.at, fault.what.clone(), fault.mend.clone());
        }
        for (name, at) in &reading.used {
            self.uses(name, draft.body_at + at);
        }
        let gives = reading.faults.is_empty().then_some(reading.gives);
        let words = self.known(&draft.info.attrs, role, language);
        let vars = words.get("vars").map(|word| self.vars(word));
        self.mentions(&reading.mentions, draft, vars.as_deref());
        let attrs = self.attrs(draft, language, role, gives, &words, vars);
        let (line, _) = self.faults.place(draft.at);
        let clean = self.faults.list.len() == before;
        attrs.filter(|_| clean).map(|attrs| Fence { language, role, attrs, body: draft.body.clone(), line })
    }

    /// The names that a script is given.
    fn vars(&mut self, word: &Word) -> Vec<String> {
        let names = list(&word.text);
        for name in &names {
            self.uses(name, word.at);
        }
        names
    }

    /// Variables of a script that are names of the runbook: it must be given them.
    fn mentions(&mut self, mentions: &[(String, usize)], draft: &DraftFence, vars: Option<&[String]>) {
        let mut told = BTreeSet::new();
        for (name, at) in mentions {
            let Some(kind) = self.types.get(name).copied() else { continue };
            self.uses(name, draft.body_at + at);
            let given = vars.map_or(kind != NameType::Secret, |vars| vars.contains(name));
            if !given && told.insert(name) {
                let what = match kind {
                    NameType::Secret => format!("the secret `{name}` is not given to this script"),
                    _ => format!("`{name}` is not among the `vars` of this script"),
                };
                let all: Vec<&str> =
                    vars.unwrap_or_default().iter().map(String::as_str).chain([name.as_str()]).collect();
                let mend = format!("list all that it needs: `vars=({})`", all.join(", "));
                self.faults.at(draft.body_at + at, what, mend);
            }
        }
    }

    fn language(&mut self, word: &Word) -> Option<&'static Language> {
        let found = language::by_name(&word.text);
        if found.is_none() {
            let names: Vec<&str> = language::LANGUAGES.iter().map(|language| language.name).collect();
            let nearest = nearest(&word.text, names.iter().copied());
            let what = format!("a fence of `{}` cannot run{nearest}", word.text);
            let mend = format!("the languages are {}; a fence with no second word is documentation", names.join(", "));
            self.faults.at(word.at, what, mend);
        }
        found
    }

    fn role(&mut self, word: &Word) -> Option<Role> {
        let found = Role::parse(&word.text);
        if found.is_none() {
            let nearest = nearest(&word.text, Role::ALL.into_iter().map(Role::word));
            let roles = Role::ALL.map(Role::word).join(", ");
            self.faults.at(
                word.at,
                format!("there is no role `{}`{nearest}", word.text),
                format!("the roles are {roles}"),
            );
        }
        found
    }

    /// A name in a body, at a byte of the file.
    fn uses(&mut self, name: &str, at: usize) {
        if let Some(kind) = self.types.get(name) {
            let of = if *kind == NameType::Address { name.strip_suffix("_addr") } else { None };
            self.used.insert(of.unwrap_or(name).to_owned());
            return;
        }
        if !self.sure {
            return;
        }
        let nearest = nearest(name, self.types.keys().map(String::as_str));
        self.faults.at(
            at,
            format!("`{name}` is no parameter{nearest}"),
            "declare it under `params`, or capture it by `out=`",
        );
    }

    fn attrs(
        &mut self,
        draft: &DraftFence,
        language: &'static Language,
        role: Role,
        gives: Option<Gives>,
        words: &BTreeMap<&str, &Word>,
        vars: Option<Vec<String>>,
    ) -> Option<Attrs> {
        let text = |key: &str| words.get(key).copied();
        let on = self.required(text("on"), draft, "on", &format!("say where: {}", language.on.forms()));
        let on = on.and_then(|word| self.on(word, language, role));
        let timeout = self.required(text("timeout"), draft, "timeout", "say how long it may take, as in `timeout=10s`");
        let timeout = timeout.and_then(|word| self.span(word));
        let every = match (role, text("every")) {
            (Role::Wait, None) => {
                self.required(None, draft, "every", "say how often to look, as in `every=1s`").and(None)
            }
            (_, word) => word.and_then(|word| self.span(word)),
        };
        if every == Some(Duration::ZERO) {
            self.faults.at(draft.info.role.at, "`every` may not be zero", "say how often to look, as in `every=1s`");
        }
        if let (Some(word), None, Role::Verify) = (text("for"), text("every"), role) {
            self.faults.at(word.at, "`for` without `every` looks once", "say how often to look, as in `every=1s`");
        }
        let (until, expect) = self.judged(draft, language, role, gives, words);
        let key = match (role, text("key")) {
            (Role::Plan, None) if language.keyed => self
                .required(
                    None,
                    draft,
                    "key",
                    "name the columns that make a row the same row, as in `key=(pid, backend_start)`",
                )
                .map(|_| Vec::new()),
            (_, word) => Some(word.map(|word| list(&word.text)).unwrap_or_default()),
        };
        let when = text("if").and_then(|word| self.condition(word, Some(&[]), true));
        let nodata = match text("nodata") {
            Some(word) => self.one_of(word, &NODATA),
            None if language.name == "promql" && (until.is_some() || expect.is_some()) => {
                let mend = "say what no answer means: `nodata=fail` or `nodata=wait`";
                self.required(None, draft, "nodata", mend).and(None)
            }
            None => None,
        };
        let on = on?;
        let via_ssh = text("via").is_some_and(|word| self.only(word, "ssh", "there is no other way"));
        if via_ssh && on.part.is_none() && language.name == "http" {
            let mend = "name an endpoint of a server, as in `on=$server/admin`";
            self.faults.at(draft.info.role.at, "`via=ssh` needs a server to go through", mend);
        }
        Some(Attrs {
            on,
            timeout: timeout?,
            every,
            hold: text("for").and_then(|word| self.span(word)),
            until,
            expect,
            out: text("out").and_then(|word| self.out(word)),
            key: key?,
            show: text("show").and_then(|word| self.shown(word, role, gives)),
            max: text("max").and_then(|word| self.number(word)),
            confirm: text("confirm").and_then(|word| self.one_of(word, &LEVELS)),
            verb: text("verb").and_then(|word| self.verb(word)),
            idempotent: has(draft, "idempotent"),
            undo_none: text("undo").is_some_and(|word| self.only(word, "none", "an undo is a fence of its own")),
            retry: text("retry").and_then(|word| self.number(word)).unwrap_or_default(),
            when,
            on_fail: text("on-fail").and_then(|word| self.one_of(word, &ON_FAIL)),
            on_timeout: text("on-timeout").and_then(|word| self.one_of(word, &ON_TIMEOUT)),
            on_disconnect: text("on-disconnect").and_then(|word| self.one_of(word, &ON_DISCONNECT)),
            via_ssh,
            nodata,
            dir: text("dir").and_then(|word| self.dir(word)),
            vars,
            sudo: self.sudo(draft, text("sudo")),
            autocommit: has(draft, "autocommit"),
        })
    }

    /// What must be true of an answer: what is waited for, and what is demanded.
    fn judged(
        &mut self,
        draft: &DraftFence,
        language: &Language,
        role: Role,
        gives: Option<Gives>,
        words: &BTreeMap<&str, &Word>,
    ) -> (Option<Condition>, Option<Condition>) {
        let (key, mend) = match role {
            Role::Wait => ("until", "say what to wait for, as in `until=(…)`"),
            _ => ("expect", "say what must be true, as in `expect=(…)`"),
        };
        let given = words.get(key).copied();
        let usual = (language.holds)(role).and_then(|text| Condition::compile(text).ok());
        if language.name == "promql" && given.is_none_or(|word| word.text == promql::TRUE) && usual.is_some() {
            self.filters(draft);
        }
        let condition = match given {
            Some(word) => self.condition(word, gives, true),
            None if usual.is_some() || has(draft, key) => usual,
            None if matches!(role, Role::Check | Role::Wait | Role::Verify) => {
                self.required(None, draft, key, mend).and(None)
            }
            None => None,
        };
        if role == Role::Wait { (condition, None) } else { (None, condition) }
    }

    /// A comparison that filters gives nothing when it is false, which nothing can tell from no data.
    fn filters(&mut self, draft: &DraftFence) {
        if let Some(at) = promql::drops_false(&draft.body) {
            let mend = "write `bool` behind it, as in `> bool 0.7`, or give a condition of your own";
            self.faults.at(draft.body_at + at, "without `bool` a false comparison is the same as no data", mend);
        }
    }

    /// Attributes by key; unknown, misplaced, doubled and empty ones are reported.
    fn known<'a>(&mut self, attrs: &'a [Attr], role: Role, language: &Language) -> BTreeMap<&'a str, &'a Word> {
        let mut words = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for Attr { key, value } in attrs {
            let name = key.text.as_str();
            let Some(kind) = ATTRS.iter().find(|known| known.name == name) else {
                let nearest = nearest(name, ATTRS.iter().map(|known| known.name));
                let all = ATTRS.map(|known| known.name).join(", ");
                self.faults.at(key.at, format!("unknown attribute `{name}`{nearest}"), format!("there are {all}"));
                continue;
            };
            if !kind.languages.is_empty() && !kind.languages.contains(&language.name) {
                let what = format!("`{name}` does not belong to {}", language.name);
                self.faults.at(key.at, what, format!("it is for {}", kind.languages.join(", ")));
            } else if !kind.roles.contains(&role) {
                let takers: Vec<&str> = kind.roles.iter().map(|role| role.word()).collect();
                let what = format!("`{name}` does not belong to {}", role.word());
                self.faults.at(key.at, what, format!("it is for {}", takers.join(", ")));
            }
            if !seen.insert(name) {
                self.faults.at(key.at, format!("`{name}` stands here twice"), "keep one");
            }
            match (kind.flag, value) {
                (Flag::Yes, Some(word)) => {
                    self.faults.at(word.at, format!("`{name}` takes no value"), "write the word alone");
                }
                (Flag::Yes | Flag::Either, None) => {}
                (_, Some(word)) if !word.text.is_empty() => drop(words.insert(name, word)),
                (_, _) => self.faults.at(key.at, format!("`{name}` takes a value"), format!("write `{name}=…`")),
            }
        }
        words
    }

    fn required<'a>(&mut self, word: Option<&'a Word>, draft: &DraftFence, key: &str, mend: &str) -> Option<&'a Word> {
        if word.is_none() && !has(draft, key) {
            let what = format!("{} must have `{key}`", draft.info.role.text);
            self.faults.at(draft.info.role.at, what, mend);
        }
        word
    }

    fn on(&mut self, word: &Word, language: &Language, role: Role) -> Option<On> {
        let Targets { hosts, local, part: takes, params, .. } = language.on;
        let (place, part) = match word.text.split_once('/') {
            Some((place, part)) => (place, Some(part.to_owned())),
            None => (word.text.as_str(), None),
        };
        let place = if let Some(name) = place.strip_prefix('$') {
            self.uses(name, word.at);
            let kind = *self.types.get(name)?;
            if matches!(kind, NameType::Many(_)) {
                let mend = "roll over it: a `yaml rollout` first in the section, and `on=host` here";
                self.faults.at(word.at, format!("`${name}` is a list, and a fence goes to one place"), mend);
                return None;
            }
            if !matches!(kind, NameType::Param(kind) if params.contains(&kind)) {
                let kinds: Vec<&str> = params.iter().map(|kind| kind.word()).collect();
                let mend = match kinds.as_slice() {
                    [] => format!("name {} itself", language.on.name),
                    kinds => format!("use a parameter of type {}", kinds.join(" or ")),
                };
                self.faults.at(word.at, format!("`${name}` names no connection"), mend);
                return None;
            }
            Place::Param(name.to_owned())
        } else if let Some(name) = place.strip_prefix("role:") {
            if !hosts || !is_name(name) {
                self.faults.at(word.at, format!("a {} fence does not go to `{place}`", language.name), forms(language));
                return None;
            }
            if role.changes() {
                let mend = "roll over it: a `yaml rollout` first in the section, and `on=host` here";
                self.faults.at(word.at, format!("{} may not go to all hosts at once", role.word()), mend);
                return None;
            }
            Place::Role(name.to_owned())
        } else if hosts && place == "host" {
            if !self.rolls {
                let mend = "put a `yaml rollout` first in the section, or name where it goes";
                self.faults.at(word.at, "`host` is a rollout's, and this section has none", mend);
                return None;
            }
            Place::Host
        } else if local && place == "local" {
            Place::Local
        } else if is_name(place) {
            Place::Name(place.to_owned())
        } else {
            self.faults.at(word.at, format!("`{}` is no place", word.text), forms(language));
            return None;
        };
        let named = matches!(place, Place::Name(_) | Place::Local);
        let wrong = match (&part, takes) {
            (Some(part), Some(_)) if is_name(part) && place != Place::Local => false,
            (Some(_), _) => true,
            // A server alone has no address to ask.
            (None, Some("endpoint")) => !named,
            (None, _) => false,
        };
        if wrong {
            self.faults.at(
                word.at,
                format!("a {} fence does not go to `{}`", language.name, word.text),
                forms(language),
            );
            return None;
        }
        Some(On { place, part })
    }

    /// One of several words.
    fn one_of<T: Copy>(&mut self, word: &Word, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == word.text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let nearest = nearest(&word.text, names.iter().copied());
            self.faults.at(
                word.at,
                format!("`{}` cannot stand here{nearest}", word.text),
                format!("there are {}", names.join(", ")),
            );
        }
        found
    }

    fn verb(&mut self, word: &Word) -> Option<String> {
        let fine = word.text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if !fine {
            self.faults.at(
                word.at,
                format!("`{}` is no verb", word.text),
                "use one lower-case word, as in `verb=stop`",
            );
        }
        fine.then(|| word.text.clone())
    }

    /// An absolute folder, without anything that a shell would expand.
    fn dir(&mut self, word: &Word) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_.-+".contains(c);
        let fine = word.text.starts_with('/')
            && word.text.chars().all(plain)
            && !word.text.split('/').any(|part| part == "..");
        if !fine {
            self.faults.at(
                word.at,
                format!("`{}` is no folder", word.text),
                "write it from the root, as in `dir=/srv/app`",
            );
        }
        fine.then(|| word.text.clone())
    }

    fn sudo(&mut self, draft: &DraftFence, word: Option<&Word>) -> Option<String> {
        let Some(word) = word else { return has(draft, "sudo").then(|| "root".to_owned()) };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        let fine = word.text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && word.text.chars().all(plain);
        if !fine {
            self.faults.at(word.at, format!("`{}` is no user", word.text), "write `sudo`, or `sudo=user`");
        }
        fine.then(|| word.text.clone())
    }

    fn span(&mut self, word: &Word) -> Option<Duration> {
        let span = params::duration(&word.text);
        if span.is_none() {
            self.faults.at(word.at, format!("`{}` is no time span", word.text), "write it as in 500ms, 10s or 1h30m");
        }
        span
    }

    fn number(&mut self, word: &Word) -> Option<u64> {
        let number = word.text.parse().ok();
        if number.is_none() {
            self.faults.at(word.at, format!("`{}` is no whole number", word.text), "write it as in `max=200`");
        }
        number
    }

    fn only(&mut self, word: &Word, value: &str, mend: &str) -> bool {
        if word.text != value {
            self.faults.at(word.at, format!("`{}` can only be `{value}` here", word.text), mend);
        }
        word.text == value
    }

    fn out(&mut self, word: &Word) -> Option<String> {
        if !is_plain(&word.text) || language::is_taken(&word.text) {
            self.faults.at(
                word.at,
                format!("`{}` is no name for rows", word.text),
                "use a lower-case word of your own",
            );
            return None;
        }
        if self.types.contains_key(&word.text) {
            self.faults.at(word.at, format!("the name `{}` is taken already", word.text), "choose another");
        } else {
            self.types.insert(word.text.clone(), NameType::Rows);
        }
        Some(word.text.clone())
    }

    /// What a run shows sees the planned rows beside those that came back.
    fn shown(&mut self, word: &Word, role: Role, gives: Option<Gives>) -> Option<Condition> {
        let planned = ("planned", Known::List);
        let gives: Option<Vec<(&str, Known)>> =
            gives.map(|gives| gives.iter().copied().chain((role == Role::Run).then_some(planned)).collect());
        self.condition(word, gives.as_deref(), false)
    }

    /// `gives`: the names that the answer has; `None` when the body has a problem, and gives nothing that could be relied on.
    /// `judges`: it must be true or false.
    fn condition(&mut self, word: &Word, gives: Option<&[(&str, Known)]>, judges: bool) -> Option<Condition> {
        let condition = match Condition::compile(&word.text) {
            Ok(condition) => condition,
            Err(error) => {
                let mend = "conditions are CEL; with spaces they stand in parentheses";
                self.faults.at(word.at, format!("`{}` is no condition: {error}", word.text), mend);
                return None;
            }
        };
        for name in condition.params() {
            if self.sure && !self.types.get(&name).is_some_and(|kind| kind.is_param()) {
                let all = self.types.iter().filter(|(_, kind)| kind.is_param());
                let nearest = nearest(&name, all.map(|(name, _)| name.as_str()));
                self.faults.at(word.at, format!("`{name}` is no parameter{nearest}"), "declare it under `params`");
            }
            self.used.insert(name);
        }
        for name in ["run", "step"] {
            for field in condition.fields_of(name).into_iter().filter(|field| field != "id") {
                self.faults.at(word.at, format!("there is no `{name}.{field}`"), format!("there is `{name}.id`"));
            }
        }
        let Some(gives) = gives else { return Some(condition) };
        let captured = self.types.iter().filter(|(_, kind)| matches!(kind, NameType::Rows | NameType::Choice));
        let captured = captured.map(|(name, _)| name.clone());
        let mut seen: Vec<String> = gives.iter().map(|(name, _)| (*name).to_owned()).chain(captured).collect();
        seen.push("params".to_owned());
        for name in condition.names() {
            if !seen.contains(&name) && !["run", "step"].contains(&name.as_str()) {
                let nearest = nearest(&name, seen.iter().map(String::as_str));
                self.faults.at(
                    word.at,
                    format!("`{name}` is not known here{nearest}"),
                    format!("there are {}", seen.join(", ")),
                );
            }
        }
        let known = |name: &str, field: Option<&str>| self.kind_of(gives, name, field);
        for (doubt, mend) in condition.doubts(judges, &known) {
            self.faults.at(word.at, format!("`{}`: {doubt}", word.text), mend);
        }
        Some(condition)
    }

    /// What is known of a name in a condition.
    fn kind_of(&self, gives: &[(&str, Known)], name: &str, field: Option<&str>) -> Known {
        match (name, field) {
            ("params", Some(field)) => match self.types.get(field) {
                Some(NameType::Param(kind)) => match kind {
                    ParamType::Int => Known::Number,
                    ParamType::Bool => Known::Bool,
                    _ => Known::Text,
                },
                Some(NameType::Many(_)) => Known::List,
                _ => Known::Any,
            },
            ("run" | "step", Some("id")) => Known::Text,
            (_, Some(_)) => Known::Any,
            ("params" | "run" | "step", None) => Known::Map,
            (_, None) => match (gives.iter().find(|(known, _)| *known == name), self.types.get(name)) {
                (Some((_, known)), _) => *known,
                (None, Some(NameType::Rows)) => Known::List,
                (None, Some(NameType::Choice)) => Known::Text,
                (None, _) => Known::Any,
            },
        }
    }
}

fn has(draft: &DraftFence, key: &str) -> bool {
    draft.info.attrs.iter().any(|attr| attr.key.text == key)
}

fn forms(language: &Language) -> String {
    format!("write {}", language.on.forms())
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
