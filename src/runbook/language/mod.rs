//! The text side of each language that a fence can be written in: what its body may say in which role, and which names it
//! uses. The side that goes out and does it is the folder of the same name in `steps/`.
//!
//! To add one: a file here with its `LANGUAGE`, a line in [`LANGUAGES`], a folder in `steps/`.

pub mod docker;
pub mod sql;

use super::model::{ParamType, Role};
use std::collections::BTreeMap;
use std::fmt;

/// Every language there is, in the order of documentation.
pub const LANGUAGES: &[&Language] = &[&docker::LANGUAGE, &sql::LANGUAGE];

/// By its name.
pub fn by_name(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().copied().find(|language| language.name == name)
}

/// A language, as a registry line.
#[derive(Clone, Copy)]
pub struct Language {
    /// The first word of the info string.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Reads a body: what is wrong with it in this role, and what it uses.
    pub read: fn(Role, &str, &Types) -> Reading,
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a name in a body stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameType {
    /// A parameter.
    Param(ParamType),
    /// The rows that an earlier fence captured by `out=`.
    Rows,
}

impl NameType {
    /// The PostgreSQL type that a value is cast to.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Param(kind) => kind.sql(),
            Self::Rows => "jsonb",
        }
    }
}

/// The names that a body may use.
pub type Types = BTreeMap<String, NameType>;

/// What reading a body found.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The names it uses, with the byte where each stands.
    pub used: Vec<(String, usize)>,
    /// The names that its answer gives to conditions.
    pub gives: &'static [&'static str],
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

/// Every name that the bodies of a runbook may use; which ones a fence really may, the parser has checked.
pub fn types_of(runbook: &super::Runbook) -> Types {
    let params = runbook.params.iter().map(|param| (param.name.clone(), NameType::Param(param.kind)));
    let fences = runbook.steps.iter().flat_map(|step| &step.fences);
    let outs = fences.filter_map(|fence| fence.attrs.out.clone()).map(|out| (out, NameType::Rows));
    params.chain(outs).collect()
}
