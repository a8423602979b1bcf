//! The rules about a fence: its language, its role, its attributes, its conditions, and the names that it uses.

use super::Faults;
use super::body::DraftFence;
use super::front::{is_name, is_plain};
use super::info::{Attr, Word};
use crate::runbook::expr::{Condition, Gives, Known};
use crate::runbook::language::{self, Language, NameType, Targets, Types, http, promql, sql};
use crate::runbook::model::{Attrs, Fence, On, OnDisconnect, OnFail, ParamType, Place, Role};
use crate::runbook::words::{LEVELS, NODATA, ON_DISCONNECT, ON_FAIL, ON_TIMEOUT};
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
const JUDGES: &[Role] = &[Role::Check, Role::Run, Role::Wait, Role::Verify];

/// The attributes there are.
const ATTRS: [AttrKind; 26] = [
    attr("on", &Role::ALL),
    attr("timeout", &Role::ALL),
    attr("every", &[Role::Wait, Role::Verify]),
    attr("for", &[Role::Wait, Role::Verify]),
    attr("until", &[Role::Wait]),
    attr("expect", ASKS),
    attr("retry", &Role::ALL),
    attr("out", &[Role::Check, Role::Plan, Role::Run]),
    attr("key", &[Role::Plan]),
    attr("show", &[Role::Check, Role::Plan, Role::Wait, Role::Run, Role::Verify]),
    AttrKind { languages: &["http"], ..attr("refused", CHANGES) },
    attr("max", &[Role::Plan]),
    attr("confirm", CHANGES),
    attr("verb", &[Role::Run]),
    AttrKind { flag: Flag::Yes, ..attr("idempotent", CHANGES) },
    attr("undo", &[Role::Run]),
    attr("on-fail", JUDGES),
    attr("on-timeout", &[Role::Wait, Role::Verify]),
    attr("on-disconnect", CHANGES),
    AttrKind { languages: &["http"], ..attr("via", &Role::ALL) },
    AttrKind { languages: &["promql"], ..attr("nodata", &[Role::Check, Role::Plan, Role::Wait, Role::Verify]) },
    attr("if", &Role::ALL),
    AttrKind { languages: &["bash"], ..attr("dir", &Role::ALL) },
    AttrKind { languages: &["bash"], ..attr("vars", &Role::ALL) },
    AttrKind { languages: &["bash"], flag: Flag::Either, ..attr("sudo", &Role::ALL) },
    AttrKind { languages: &["sql"], flag: Flag::Yes, ..attr("autocommit", CHANGES) },
];

/// Reads fences one after the other, and knows what those before brought.
pub(super) struct Reader<'f, 's> {
    /// Parameters, and the `out` names so far.
    pub(super) types: Types,
    pub(super) used: BTreeSet<String>,
    /// All parameters are known, so that an unknown name is a mistake.
    pub(super) sure: bool,
    /// The section goes over hosts.
    pub(super) rolls: bool,
    /// A body could not be read to its end, so that what it uses is not known.
    pub(super) unsure: bool,
    pub(super) faults: &'f mut Faults<'s>,
}

impl Reader<'_, '_> {
    pub(super) fn fence(&mut self, draft: &DraftFence) -> Option<Fence> {
        let (language, role) = (self.language(&draft.info.language), self.role(&draft.info.role));
        let (language, role) = (language?, role?);
        let before = self.faults.list.len();
        let reading = (language.read)(role, &draft.body, &self.types);
        self.unsure |= !reading.faults.is_empty();
        let stray = language.filled.is_none().then(|| language::stray(&draft.body, &self.types)).flatten();
        for fault in reading.faults.iter().chain(&stray) {
            self.faults.at(draft.body_at + fault.at, fault.what.clone(), fault.mend.clone());
        }
        for (name, at) in &reading.used {
            self.uses_in(role, name, draft.body_at + at);
        }
        let gives = reading.faults.is_empty().then_some(reading.gives);
        let words = self.known(&draft.info.attrs, role, language);
        let vars = words.get("vars").map(|word| self.vars(word, role));
        self.transaction(draft, role, language);
        self.gives(draft, role, language, &words);
        self.mentions(&reading.mentions, draft, vars.as_deref());
        let attrs = self.attrs(draft, language, role, gives, &words, vars);
        let (line, _) = self.faults.place(draft.at);
        let clean = self.faults.list.len() == before;
        attrs.filter(|_| clean).map(|attrs| Fence { language, role, attrs, body: draft.body.clone(), line })
    }

    /// A name for rows that nothing gives.
    fn gives(&mut self, draft: &DraftFence, role: Role, language: &Language, words: &BTreeMap<&str, &Word>) {
        let Some(word) = words.get("out").filter(|_| role == Role::Run) else { return };
        if language.name == http::LANGUAGE.name {
            return;
        }
        if language.name != sql::LANGUAGE.name {
            let what = format!("a run of {} gives no rows", language.name);
            self.faults.at(word.at, what, "take `out` away; a later fence asks for itself");
        } else if sql::bind(&draft.body, &self.types).is_ok_and(|bound| bound.shape == sql::Shape::Command) {
            self.faults.at(word.at, "this statement gives no rows", "add `RETURNING …`, or take `out` away");
        }
    }

    /// What PostgreSQL refuses inside a transaction must say that it has none.
    fn transaction(&mut self, draft: &DraftFence, role: Role, language: &Language) {
        let alone = if language.name == sql::LANGUAGE.name { sql::alone(&draft.body) } else { None };
        if let Some(words) = alone.filter(|_| role.changes() && !has(draft, "autocommit")) {
            let what = format!("PostgreSQL refuses {words} inside a transaction");
            let mend = "add `autocommit`: what it has done by half then stays, and `verify` must see that";
            self.faults.at(draft.body_at, what, mend);
        }
    }

    /// The names that a script is given.
    fn vars(&mut self, word: &Word, role: Role) -> Vec<String> {
        let names = list(&word.text);
        for name in &names {
            self.uses_in(role, name, word.at);
        }
        names
    }

    /// Variables of a script that are names of the runbook: it must be given them.
    fn mentions(&mut self, mentions: &[(String, usize)], draft: &DraftFence, vars: Option<&[String]>) {
        let mut told = BTreeSet::new();
        for (name, at) in mentions {
            let Some(kind) = self.types.get(name).copied() else { continue };
            // What a check has seen is given to who asks for it: elsewhere the word is the script's own.
            if kind == NameType::Seen {
                continue;
            }
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
    pub(super) fn uses(&mut self, name: &str, at: usize) {
        if let Some(kind) = self.types.get(name) {
            let of = if *kind == NameType::Address { name.strip_suffix("_addr") } else { None };
            self.used.insert(of.unwrap_or(name).to_owned());
            return;
        }
        if !self.sure {
            return;
        }
        if language::is_word(name) {
            let mend = "it has a meaning of its own elsewhere, and can be no parameter; name another one";
            return self.faults.at(at, format!("`{name}` means nothing here"), mend);
        }
        let nearest = nearest(name, self.types.keys().map(String::as_str));
        self.faults.at(
            at,
            format!("`{name}` is no parameter{nearest}"),
            "declare it under `params`, or capture it by `out=`",
        );
    }

    /// The same in a fence of this role: with what a check found nothing was approved.
    fn uses_in(&mut self, role: Role, name: &str, at: usize) {
        if self.types.get(name) == Some(&NameType::Seen) && (role.changes() || role == Role::Plan) {
            let mend = "use it in a check, a wait, a verify or a question; what a change needs is found by its `plan`";
            self.faults.at(at, format!("`{name}` is what a check found, and a {} may not use it", role.word()), mend);
        }
        self.uses(name, at);
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
        let hold = text("for").and_then(|word| self.span(word));
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
        if let (Some(word), Some(hold), Some(timeout)) = (text("for"), hold, timeout)
            && hold >= timeout
            && every.is_some()
        {
            let mend = "make `timeout` longer: it is the time of all looks together";
            self.faults.at(word.at, "it can't stay true so long within its `timeout`", mend);
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
        let on_disconnect = text("on-disconnect").and_then(|word| self.disconnect(word, language, role, &on));
        let via_ssh = text("via").is_some_and(|word| self.only(word, "ssh", "there is no other way"));
        if via_ssh && on.part.is_none() && language.name == "http" {
            let mend = "name an endpoint of a server, as in `on=$server/admin`";
            self.faults.at(draft.info.role.at, "`via=ssh` needs a server to go through", mend);
        }
        Some(Attrs {
            on,
            timeout: timeout?,
            every,
            hold,
            until,
            expect,
            out: text("out").and_then(|word| self.out(word, role)),
            key: key?,
            show: text("show").and_then(|word| self.shown(word, role, gives)),
            refused: text("refused").and_then(|word| self.condition(word, gives, false)),
            max: text("max").and_then(|word| self.number(word)),
            confirm: text("confirm").and_then(|word| self.one_of(word, &LEVELS)),
            verb: text("verb").and_then(|word| self.verb(word)),
            idempotent: has(draft, "idempotent"),
            undo_none: text("undo").is_some_and(|word| self.only(word, "none", "an undo is a fence of its own")),
            retry: text("retry").and_then(|word| self.number(word)).unwrap_or_default(),
            when,
            on_fail: text("on-fail").and_then(|word| self.on_fail(word, role)),
            on_timeout: text("on-timeout").and_then(|word| self.one_of(word, &ON_TIMEOUT)),
            on_disconnect,
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
            if role == Role::Plan {
                let mend = "roll over it: a `yaml rollout` first in the section, and `on=host` here";
                self.faults.at(word.at, "the rows of a plan are those of one place", mend);
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

    /// What becomes of a change whose line breaks, where that means something.
    fn disconnect(&mut self, word: &Word, language: &Language, role: Role, on: &On) -> Option<OnDisconnect> {
        let meant = self.one_of(word, &ON_DISCONNECT)?;
        let wrong = if on.place == Place::Local && language.name == "bash" {
            Some(("there is no line to this machine that could break".to_owned(), "take `on-disconnect` away"))
        } else if meant == OnDisconnect::Stop && matches!(language.name, "http" | "docker") {
            let what = format!("what was asked of a service by {} can't be called back", language.name);
            Some((what, "write `finish`, or take it away: `verify` tells what came of it"))
        } else if meant == OnDisconnect::Expected && role == Role::Undo {
            Some(("nothing verifies an undo, so that its line must not break".to_owned(), "take `on-disconnect` away"))
        } else {
            None
        };
        if let Some((what, mend)) = &wrong {
            self.faults.at(word.at, what.clone(), *mend);
        }
        wrong.is_none().then_some(meant)
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

    fn out(&mut self, word: &Word, role: Role) -> Option<String> {
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
            self.types.insert(word.text.clone(), NameType::captured(role));
        }
        Some(word.text.clone())
    }

    /// What follows a failure. A check that fails is in the way of its step, unless it only tells.
    fn on_fail(&mut self, word: &Word, role: Role) -> Option<OnFail> {
        let on_fail = self.one_of(word, &ON_FAIL)?;
        if role == Role::Check && on_fail != OnFail::Continue {
            let mend = "`on-fail=continue` lets it warn; without it nothing of its step is sent when it fails";
            self.faults.at(word.at, format!("a check has no `on-fail={}`", word.text), mend);
            return None;
        }
        Some(on_fail)
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
            // Where a parameter may be unread, so may a fence that gives rows.
            if self.sure && !seen.contains(&name) && !["run", "step"].contains(&name.as_str()) {
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
