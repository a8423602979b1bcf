//! The rules: each fence against its language and role, each step against the others, each parameter against its uses.

use super::Faults;
use super::body::{DraftFence, DraftStep};
use super::front::Front;
use super::info::{Attr, Word};
use crate::domain::risk::{Level, Risk};
use crate::runbook::expr::Condition;
use crate::runbook::language::{self, Language, NameType, Types};
use crate::runbook::model::{Attrs, Fence, On, ParamType, Role, Step};
use crate::runbook::{nearest, params};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The attributes there are, and the roles that take each.
const ATTRS: [(&str, &[Role]); 15] = [
    ("on", &Role::ALL),
    ("timeout", &Role::ALL),
    ("every", &[Role::Wait, Role::Verify]),
    ("for", &[Role::Wait]),
    ("until", &[Role::Wait]),
    ("expect", &[Role::Check, Role::Plan, Role::Verify]),
    ("out", &[Role::Plan]),
    ("key", &[Role::Plan]),
    ("show", &[Role::Wait, Role::Run, Role::Verify]),
    ("max", &[Role::Plan]),
    ("confirm", &[Role::Run]),
    ("verb", &[Role::Run]),
    ("idempotent", &[Role::Run, Role::Undo]),
    ("undo", &[Role::Run]),
    ("on-timeout", &[Role::Wait, Role::Verify]),
];

/// Makes checked steps of the drafts; a fence or step with a problem is left out, because the file is refused anyway.
/// `whole`: the structure was read without a problem, so that what is missing is really missing.
pub(super) fn steps(drafts: Vec<DraftStep>, front: Option<&Front>, whole: bool, faults: &mut Faults<'_>) -> Vec<Step> {
    let params = front.map(|front| front.params.as_slice()).unwrap_or_default();
    let types = params.iter().map(|(param, _)| (param.name.clone(), NameType::Param(param.kind))).collect();
    let sure = front.is_some_and(|front| front.params_whole);
    let mut reader = Reader { types, used: BTreeSet::new(), sure, faults };
    let mut steps = Vec::new();
    for draft in drafts {
        let fences: Vec<Fence> = draft.fences.iter().filter_map(|fence| reader.fence(fence)).collect();
        if fences.len() == draft.fences.len() && !draft.broken {
            together(&draft, &fences, front, reader.faults);
        }
        let (line, _) = reader.faults.place(draft.at);
        steps.push(Step { id: draft.id, title: draft.title, prose: draft.prose, line, fences });
    }
    if steps.is_empty() && whole {
        reader.faults.at(0, "the runbook has no step", "add a `##` section and below it `###` steps");
    }
    for (param, at) in params {
        if whole && !steps.is_empty() && !reader.used.contains(&param.name) {
            let what = format!("the parameter `{}` is never used", param.name);
            reader.faults.at(*at, what, "use it or remove it");
        }
    }
    steps
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

struct Reader<'f, 's> {
    /// Parameters, and the `out` names so far.
    types: Types,
    used: BTreeSet<String>,
    /// All parameters are known, so that an unknown name is a mistake.
    sure: bool,
    faults: &'f mut Faults<'s>,
}

impl Reader<'_, '_> {
    fn fence(&mut self, draft: &DraftFence) -> Option<Fence> {
        let (language, role) = (self.language(&draft.info.language), self.role(&draft.info.role));
        let (language, role) = (language?, role?);
        let before = self.faults.list.len();
        let reading = (language.read)(role, &draft.body, &self.types);
        for fault in &reading.faults {
            self.faults.at(draft.body_at + fault.at, fault.what.clone(), fault.mend.clone());
        }
        for (name, at) in &reading.used {
            self.uses(name, draft.body_at + at);
        }
        let gives = reading.faults.is_empty().then_some(reading.gives);
        let attrs = self.attrs(draft, role, gives);
        let (line, _) = self.faults.place(draft.at);
        let clean = self.faults.list.len() == before;
        attrs.filter(|_| clean).map(|attrs| Fence { language, role, attrs, body: draft.body.clone(), line })
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
        if self.types.contains_key(name) {
            self.used.insert(name.to_owned());
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

    fn attrs(&mut self, draft: &DraftFence, role: Role, gives: Option<&[&str]>) -> Option<Attrs> {
        let words = self.known(&draft.info.attrs, role);
        let text = |key: &str| words.get(key).copied();
        let on = self.required(text("on"), draft, "on", "name the connection, as in `on=$container`");
        let on = on.and_then(|word| self.on(word));
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
        let until = match (role, text("until")) {
            (Role::Wait, None) => {
                self.required(None, draft, "until", "say what to wait for, as in `until=(…)`").and(None)
            }
            (_, word) => word.and_then(|word| self.condition(word, gives)),
        };
        let expect = match (role, text("expect")) {
            (Role::Check | Role::Verify, None) => {
                self.required(None, draft, "expect", "say what must be true, as in `expect=(…)`").and(None)
            }
            (_, word) => word.and_then(|word| self.condition(word, gives)),
        };
        let key = match (role, text("key")) {
            (Role::Plan, None) => self
                .required(
                    None,
                    draft,
                    "key",
                    "name the columns that make a row the same row, as in `key=(pid, backend_start)`",
                )
                .map(|_| Vec::new()),
            (_, word) => Some(word.map(|word| list(&word.text)).unwrap_or_default()),
        };
        let attrs = Attrs {
            on: on?,
            timeout: timeout?,
            every,
            hold: text("for").and_then(|word| self.span(word)),
            until,
            expect,
            out: text("out").and_then(|word| self.out(word)),
            key: key?,
            show: text("show").and_then(|word| self.shown(word, role, gives)),
            max: text("max").and_then(|word| self.number(word)),
            confirm: text("confirm").and_then(|word| self.level(word)),
            verb: text("verb").map(|word| word.text.clone()),
            idempotent: draft.info.attrs.iter().any(|attr| attr.key.text == "idempotent"),
            undo_none: text("undo").is_some_and(|word| self.only(word, "none", "an undo is a fence of its own")),
        };
        if let Some(word) = text("on-timeout") {
            self.only(word, "stop", "the run stops when the time is over");
        }
        Some(attrs)
    }

    /// Attributes by key; unknown, misplaced, doubled and empty ones are reported.
    fn known<'a>(&mut self, attrs: &'a [Attr], role: Role) -> BTreeMap<&'a str, &'a Word> {
        let mut words = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for Attr { key, value } in attrs {
            let name = key.text.as_str();
            let Some((_, roles)) = ATTRS.iter().find(|(known, _)| *known == name) else {
                let nearest = nearest(name, ATTRS.iter().map(|(known, _)| *known));
                let all = ATTRS.map(|(known, _)| known).join(", ");
                self.faults.at(key.at, format!("unknown attribute `{name}`{nearest}"), format!("there are {all}"));
                continue;
            };
            if !roles.contains(&role) {
                let takers: Vec<&str> = roles.iter().map(|role| role.word()).collect();
                let what = format!("`{name}` does not belong to {}", role.word());
                self.faults.at(key.at, what, format!("it is for {}", takers.join(", ")));
            }
            if !seen.insert(name) {
                self.faults.at(key.at, format!("`{name}` stands here twice"), "keep one");
            }
            match (name, value) {
                ("idempotent", Some(word)) => {
                    self.faults.at(word.at, "`idempotent` takes no value", "write the word alone");
                }
                ("idempotent", None) => {}
                (_, Some(word)) if !word.text.is_empty() => drop(words.insert(name, word)),
                (_, _) => self.faults.at(key.at, format!("`{name}` takes a value"), format!("write `{name}=…`")),
            }
        }
        words
    }

    fn required<'a>(&mut self, word: Option<&'a Word>, draft: &DraftFence, key: &str, mend: &str) -> Option<&'a Word> {
        if word.is_none() && !draft.info.attrs.iter().any(|attr| attr.key.text == key) {
            let what = format!("{} must have `{key}`", draft.info.role.text);
            self.faults.at(draft.info.role.at, what, mend);
        }
        word
    }

    fn on(&mut self, word: &Word) -> Option<On> {
        let Some(name) = word.text.strip_prefix('$') else { return Some(On::Name(word.text.clone())) };
        self.uses(name, word.at);
        match self.types.get(name)? {
            NameType::Param(ParamType::Container | ParamType::Database) => Some(On::Param(name.to_owned())),
            NameType::Param(_) | NameType::Rows => {
                let mend = "use a parameter of type container or database";
                self.faults.at(word.at, format!("`${name}` names no connection"), mend);
                None
            }
        }
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

    fn level(&mut self, word: &Word) -> Option<Level> {
        const LEVELS: [(&str, Level); 3] = [("yes", Level::Yes), ("typed", Level::Typed), ("two", Level::Two)];
        let level = LEVELS.into_iter().find(|(name, _)| *name == word.text).map(|(_, level)| level);
        if level.is_none() {
            self.faults.at(word.at, format!("there is no confirmation `{}`", word.text), "there are yes, typed, two");
        }
        level
    }

    fn only(&mut self, word: &Word, value: &str, mend: &str) -> bool {
        if word.text != value {
            self.faults.at(word.at, format!("`{}` can only be `{value}` here", word.text), mend);
        }
        word.text == value
    }

    fn out(&mut self, word: &Word) -> Option<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fine = word.text.starts_with(|c: char| c.is_ascii_lowercase()) && word.text.chars().all(plain);
        if !fine || ["rows", "planned", "container", "params", "rc", "timestamp"].contains(&word.text.as_str()) {
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
    fn shown(&mut self, word: &Word, role: Role, gives: Option<&[&str]>) -> Option<Condition> {
        let more: &[&str] = if role == Role::Run { &["planned"] } else { &[] };
        let gives = gives.map(|gives| [gives, more].concat());
        self.condition(word, gives.as_deref())
    }

    fn condition(&mut self, word: &Word, gives: Option<&[&str]>) -> Option<Condition> {
        let condition = match Condition::compile(&word.text) {
            Ok(condition) => condition,
            Err(error) => {
                let mend = "conditions are CEL; with spaces they stand in parentheses";
                self.faults.at(word.at, format!("`{}` is no condition: {error}", word.text), mend);
                return None;
            }
        };
        for name in condition.params() {
            if self.sure && !matches!(self.types.get(&name), Some(NameType::Param(_))) {
                let all = self.types.iter().filter(|(_, kind)| matches!(kind, NameType::Param(_)));
                let nearest = nearest(&name, all.map(|(name, _)| name.as_str()));
                self.faults.at(word.at, format!("`{name}` is no parameter{nearest}"), "declare it under `params`");
            }
            self.used.insert(name);
        }
        // A body with a problem gives nothing that could be relied on.
        let Some(gives) = gives else { return Some(condition) };
        let rows = self.types.iter().filter(|(_, kind)| **kind == NameType::Rows).map(|(name, _)| name.clone());
        let mut seen: Vec<String> = gives.iter().map(|name| (*name).to_owned()).chain(rows).collect();
        seen.push("params".to_owned());
        for name in condition.names() {
            if !seen.contains(&name) {
                let nearest = nearest(&name, seen.iter().map(String::as_str));
                self.faults.at(
                    word.at,
                    format!("`{name}` is not known here{nearest}"),
                    format!("there are {}", seen.join(", ")),
                );
            }
        }
        Some(condition)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
