//! The text side of each language that a fence can be written in: what its body may say in which role, and which names it
//! uses. The side that goes out and does it is the folder of the same name in `steps/`.
//!
//! What would be sent is made here too, from the body and the values, and nothing that it is made of can leave its place: that is
//! held by property tests, which read it back.
//!
//! To add one: a file here with its `LANGUAGE`, a line in [`LANGUAGES`], a folder in `steps/`.

pub mod bash;
pub mod docker;
mod fill;
pub mod http;
pub mod moment;
pub mod promql;
pub mod said;
mod shell;
pub mod sql;

pub use fill::{Scope, Secrets, stray};

use super::expr::Gives;
use super::model::{Fence, Param, ParamType, Role};
use std::collections::BTreeMap;
use std::fmt;

/// Every language there is, in the order of documentation.
pub const LANGUAGES: &[&Language] =
    &[&docker::LANGUAGE, &sql::LANGUAGE, &bash::LANGUAGE, &http::LANGUAGE, &promql::LANGUAGE];

/// Who runs it, as the journal has it: `ada@bastion`.
pub const OPERATOR: &str = "operator";

/// Names that mean something wherever they stand: no parameter, no rows and no choice can have them.
const WORDS: [&str; 31] = [
    "params",
    "rows",
    "rc",
    "run",
    "step",
    "secret",
    "timestamp",
    moment::NOW,
    OPERATOR,
    // Words of the expression language.
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
    "planned",
];
/// Names that an answer gives to a condition, beside those above. A parameter is `params.status` there, and may be called so.
const ANSWERS: [&str; 11] =
    ["container", "stdout", "stderr", "status", "headers", "json", "body", "ms", "value", "series", "size"];

/// Whether no parameter can have this name.
pub fn is_word(name: &str) -> bool {
    WORDS.contains(&name)
}

/// Whether no rows and no choice can have this name: conditions see them as they are.
pub fn is_taken(name: &str) -> bool {
    is_word(name) || ANSWERS.contains(&name)
}

/// By its name.
pub fn by_name(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().copied().find(|language| language.name == name)
}

/// Makes a text of a body and of what fills its holes; the error is in words.
pub type Fill = fn(&str, &Scope<'_>) -> Result<String, String>;

/// A language, as a registry line.
#[derive(Clone, Copy)]
pub struct Language {
    /// The first word of the info string.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Where its fences may go.
    pub on: Targets,
    /// What is true of an answer when the fence says nothing of it; `None`: it must say so itself, or nothing is asked.
    pub holds: fn(Role) -> Option<&'static str>,
    /// Its plans find rows, which a `key` tells apart.
    pub keyed: bool,
    /// What a body comes to with its holes filled, for people. `None`: it has no holes.
    pub filled: Option<Fill>,
    /// Reads a body: what is wrong with it in this role, and what it uses.
    pub read: fn(Role, &str, &Types) -> Reading,
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Where the fences of a language may go (`on=`).
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    /// What a name means.
    pub name: &'static str,
    /// The types of parameters that can stand there.
    pub params: &'static [ParamType],
    /// What may stand after a slash: `database`, `endpoint`.
    pub part: Option<&'static str>,
    /// `host` and `role:x` too.
    pub hosts: bool,
    /// `local` is this machine, and not a name.
    pub local: bool,
}

impl Targets {
    /// Its forms, for people.
    pub fn forms(&self) -> String {
        let slash = self.part.map(|part| format!("/{}", part.to_uppercase())).unwrap_or_default();
        // A name with an endpoint is a server's; without one it is a connection of its own.
        let mut forms = vec!["NAME".to_owned()];
        if self.part.is_some() {
            forms.push(format!("NAME{slash}"));
        }
        let params: Vec<&str> = self.params.iter().map(|kind| kind.word()).collect();
        if !params.is_empty() {
            let after = if self.hosts { slash.as_str() } else { "" };
            forms.push(format!("$PARAMETER{after} (of type {})", params.join(" or ")));
        }
        if self.hosts {
            forms.push(format!("host{slash} (of a rollout)"));
            forms.push(format!("role:ROLE{slash} (to read)"));
        }
        if self.local {
            forms.push("local".to_owned());
        }
        forms.join(", ")
    }
}

/// The name of a server parameter's address.
pub fn address_of(param: &str) -> String {
    format!("{param}_addr")
}

/// What a name in a body stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameType {
    /// A parameter.
    Param(ParamType),
    /// A parameter that is a list.
    Many(ParamType),
    /// The address of a server parameter.
    Address,
    /// The rows that an earlier fence captured by `out=`.
    Rows,
    /// The rows that an earlier `check` captured by `out=`: for what only looks, and for people. No plan was approved with them.
    Seen,
    /// What a person chose in an earlier step.
    Choice,
    /// A secret.
    Secret,
}

impl NameType {
    /// The PostgreSQL type that a value is cast to.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Param(kind) => kind.sql(),
            Self::Many(_) | Self::Rows | Self::Seen => "jsonb",
            Self::Address | Self::Choice | Self::Secret => "text",
        }
    }

    /// Of a parameter as it is declared.
    pub const fn of(param: &Param) -> Self {
        if param.many { Self::Many(param.kind) } else { Self::Param(param.kind) }
    }

    /// A script sees it without asking for it by `vars`.
    pub const fn is_given(self) -> bool {
        !matches!(self, Self::Secret | Self::Seen)
    }

    /// Of what a fence captures by `out=`.
    pub fn captured(role: Role) -> Self {
        if role == Role::Check { Self::Seen } else { Self::Rows }
    }

    /// It is declared in the front matter.
    pub const fn is_param(self) -> bool {
        matches!(self, Self::Param(_) | Self::Many(_))
    }
}

/// The names that a body may use.
pub type Types = BTreeMap<String, NameType>;

/// What reading a body found.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The names it uses, with the byte where each stands.
    pub used: Vec<(String, usize)>,
    /// Words that are names of the runbook only where it has such names: in a script they may as well be its own.
    pub mentions: Vec<(String, usize)>,
    /// The names that its answer gives to conditions.
    pub gives: Gives,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Byte in the body.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Fault {
    /// From where, what and how to mend it.
    pub fn new(at: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { at, what: what.into(), mend: mend.into() }
    }
}

/// The names that parameters and secrets bring.
pub fn declared<'a>(
    params: impl IntoIterator<Item = &'a Param>,
    secrets: impl IntoIterator<Item = &'a String>,
) -> Types {
    let mut types = Types::new();
    for param in params {
        if param.kind == ParamType::Server && !param.many {
            types.insert(address_of(&param.name), NameType::Address);
        }
        types.insert(param.name.clone(), NameType::of(param));
    }
    types.extend(secrets.into_iter().map(|name| (name.clone(), NameType::Secret)));
    types
}

/// Every name that the bodies of a runbook may use; which ones a fence really may, the parser has checked.
pub fn types_of(runbook: &super::Runbook) -> Types {
    let mut types = declared(&runbook.params, &runbook.secrets);
    for step in &runbook.steps {
        let out = |fence: &Fence| Some((fence.attrs.out.clone()?, NameType::captured(fence.role)));
        types.extend(step.fences.iter().filter_map(out));
        if !step.manual.choices.is_empty() {
            types.insert(step.name(), NameType::Choice);
        }
    }
    types
}
