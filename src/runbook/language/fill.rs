//! `{{ name }}` in a request or a query: found here, and given its value. What surrounds it decides how it is escaped, so that is
//! done by the language.
//!
//! A hole holds a name, its fields and its indexes (`before[0].Id`), or a time that is counted from the plan's (`now + 2h`), and nothing else: what
//! a template could compute is not safe for conditions, and not needed for anything else.

use super::moment::{Moment, NOW};
use super::{Fault, NameType, OPERATOR, Types};
use crate::domain::secret::Secret;
use crate::runbook::model::ParamType;
use minijinja::{Environment, UndefinedBehavior};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// The values that fill a body.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Parameters, with the addresses of servers (`server_addr`).
    pub values: &'a BTreeMap<String, Value>,
    /// Rows by their `out` name, as lists of objects; what was chosen, as text.
    pub outs: &'a BTreeMap<String, Value>,
    /// The run's id: the same whenever the same run sends something again.
    pub run: &'a str,
    /// The step's id.
    pub step: &'a str,
    /// Secrets.
    pub secrets: Secrets<'a>,
}

/// What stands in the place of a secret.
#[derive(Clone, Copy, Debug)]
pub enum Secrets<'a> {
    /// Its name: what people are shown.
    Named,
    /// Its value: what is sent.
    Given(&'a BTreeMap<String, Secret>),
}

/// A piece of a body, with the byte where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it is.
    Text(&'a str, usize),
    /// A name in braces.
    Hole(&'a str, usize),
}

/// Takes a text apart that begins at byte `at` of its body.
pub(super) fn pieces(text: &str, at: usize) -> Result<Vec<Piece<'_>>, Fault> {
    if let Some(found) = text.find("{%") {
        return Err(Fault::new(
            at + found,
            "`{%` would be a statement of a template",
            "only `{{ name }}` is filled in",
        ));
    }
    let (mut pieces, mut done) = (Vec::new(), 0);
    while let Some(open) = text[done..].find("{{").map(|found| done + found) {
        let Some(close) = text[open..].find("}}").map(|found| open + found) else {
            return Err(Fault::new(at + open, "`{{` is not closed", "write `{{ name }}`"));
        };
        if open > done {
            pieces.push(Piece::Text(&text[done..open], at + done));
        }
        let inside = &text[open + 2..close];
        let name = inside.trim();
        let name_at = open + 2 + (inside.len() - inside.trim_start().len());
        if !is_hole(name) {
            let mend = "write a name, with fields and indexes if need be: `{{ before[0].id }}`, or a time: `{{ now + 2h }}`; it is escaped by itself";
            return Err(Fault::new(at + name_at, format!("`{name}` is more than a name"), mend));
        }
        pieces.push(Piece::Hole(name, at + name_at));
        done = close + 2;
    }
    if done < text.len() {
        pieces.push(Piece::Text(&text[done..], at + done));
    }
    Ok(pieces)
}

/// A server's address is filled in in front of a port (`{{ server_addr }}:8080`).
pub(super) fn is_before_port(pieces: &[Piece<'_>], at: usize) -> bool {
    let (piece, next) = (pieces.get(at), pieces.get(at + 1));
    matches!((piece, next), (Some(Piece::Hole(name, _)), Some(Piece::Text(text, _))) if name.ends_with("_addr") && text.starts_with(':'))
}

/// An address as it stands in front of a port: of IPv6 in brackets.
pub(super) fn before_port(text: String) -> String {
    if text.parse::<Ipv6Addr>().is_ok() { format!("[{text}]") } else { text }
}

/// What can stand in a hole.
pub(super) fn is_hole(text: &str) -> bool {
    is_path(text) || Moment::read(text).is_some()
}

/// `a`, `a.b`, `a[0].b`.
fn is_path(text: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split('.').all(|part| {
        let (name, indexes) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        let digits =
            |index: &str| !index.is_empty() && index.len() < 6 && index.bytes().all(|byte| byte.is_ascii_digit());
        let closed = |rest: &str| rest.strip_suffix(']').is_some_and(|rest| rest.split("][").all(digits));
        word(name) && indexes.is_none_or(closed)
    })
}

/// What looks like a hole in a body that has none, where it can mean nothing else: it would be sent as it stands.
pub fn stray(body: &str, types: &Types) -> Option<Fault> {
    let inside = |(open, _): (usize, &str)| {
        let rest = &body[open + 2..];
        rest.find("}}").map(|close| (open, rest[..close].trim()))
    };
    let ours = |name: &str| {
        let is_param = || matches!(types.get(root(name)), Some(NameType::Param(_)));
        name == OPERATOR || Moment::read(name).is_some() || is_path(name) && is_param()
    };
    let (at, name) = body.match_indices("{{").filter_map(inside).find(|(_, name)| ours(name))?;
    let mend = "holes are filled in http and promql alone: a script has values by `vars=(NAME)`, as $NAME, a statement as :NAME, a time of their own";
    Some(Fault::new(at, format!("`{{{{ {name} }}}}` would be sent as it stands"), mend))
}

/// The first word of a hole.
pub(super) fn root(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap_or_default()
}

/// The secret that a hole names.
pub(super) fn secret(name: &str) -> Option<&str> {
    name.strip_prefix("secret.")
}

/// The name that a hole uses, for the parser; a hole that names nothing is a fault.
pub(super) fn uses(name: &str, at: usize, types: &Types) -> Result<Option<(String, usize)>, Fault> {
    if let Some(secret) = secret(name) {
        return match types.get(secret) {
            Some(NameType::Secret) => Ok(Some((secret.to_owned(), at))),
            _ => Err(Fault::new(
                at,
                format!("`{secret}` is no secret"),
                "name it under `secrets`, and define it in the config",
            )),
        };
    }
    if let Some(moment) = Moment::read(name) {
        return counted(name, at, moment, types);
    }
    let root = root(name);
    match (root, types.get(root)) {
        (OPERATOR, _) if name == OPERATOR => Ok(None),
        (NOW | OPERATOR, _) => Err(Fault::new(
            at,
            format!("there is no `{name}`"),
            "there are `now`, `now + 2h`, `now - PARAMETER` and `operator`",
        )),
        ("run" | "step", _) if matches!(name, "run.id" | "step.id") => Ok(None),
        ("run" | "step" | "secret", _) => {
            Err(Fault::new(at, format!("there is no `{name}`"), "there are run.id, step.id and secret.NAME"))
        }
        (_, Some(NameType::Secret)) => {
            Err(Fault::new(at, format!("`{root}` is a secret"), format!("write `{{{{ secret.{root} }}}}`")))
        }
        (_, Some(NameType::Rows | NameType::Seen)) if root == name => {
            let mend = format!("take one value of them, as in `{{{{ {root}[0].id }}}}`");
            Err(Fault::new(at, format!("`{root}` is rows, and no value"), mend))
        }
        _ => Ok(Some((root.to_owned(), at))),
    }
}

/// The parameter by which a time is counted, which must be a span.
fn counted(name: &str, at: usize, moment: Moment<'_>, types: &Types) -> Result<Option<(String, usize)>, Fault> {
    let mend = "count it by a span or by a parameter of type duration: `{{ now + 2h }}`, `{{ now - margin }}`";
    if moment.is_wrong() {
        return Err(Fault::new(at, format!("`{name}` is no time"), mend));
    }
    let Some(param) = moment.param() else { return Ok(None) };
    let at = at + name.len() - param.len();
    match types.get(param) {
        // What is not declared is told as such.
        None | Some(NameType::Param(ParamType::Duration)) => Ok(Some((param.to_owned(), at))),
        Some(_) => Err(Fault::new(at, format!("`{param}` is no duration"), mend)),
    }
}

impl Scope<'_> {
    /// The value in a hole. An error names it, and never repeats what is in it.
    pub(super) fn value(&self, name: &str) -> Result<Value, String> {
        if let Some(secret) = secret(name) {
            return self.secret(secret).map(Value::String);
        }
        if let Some(moment) = Moment::read(name) {
            let at = moment.at(self.values).ok_or_else(|| format!("`{name}` has no value here"))?;
            return Ok(Value::String(at.to_string()));
        }
        let mut names: Map<String, Value> = self.outs.clone().into_iter().collect();
        names.extend(self.values.clone());
        names.insert("run".to_owned(), json!({ "id": self.run }));
        names.insert("step".to_owned(), json!({ "id": self.step }));
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let nothing = || format!("`{name}` has no value here");
        let found = environment
            .compile_expression(name)
            .and_then(|expression| expression.eval(minijinja::value::Serde(&names)))
            .map_err(|_| nothing())?;
        let value = serde_json::to_value(&found).map_err(|_| nothing())?;
        if found.is_undefined() || value.is_null() { Err(nothing()) } else { Ok(value) }
    }

    fn secret(&self, name: &str) -> Result<String, String> {
        match self.secrets {
            Secrets::Named => Ok(format!("‹secret {name}›")),
            Secrets::Given(secrets) => {
                let secret =
                    secrets.get(name).ok_or_else(|| format!("the secret {name:?} is not defined in the config"))?;
                Ok(secret.expose_secret().to_owned())
            }
        }
    }

    /// The value in a hole as text; a list or an object is none.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        match self.value(name)? {
            Value::String(text) => Ok(text),
            Value::Bool(truth) => Ok(truth.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Array(_) | Value::Object(_) => {
                Err(format!("`{name}` is a list or an object, and this place takes one value"))
            }
            Value::Null => Err(format!("`{name}` has no value here")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A scope of one value, `x`.
    pub(in crate::runbook::language) fn with<T>(value: Value, work: impl FnOnce(Scope<'_>) -> T) -> T {
        let values = BTreeMap::from([("x".to_owned(), value)]);
        let outs = BTreeMap::from([("before".to_owned(), json!([{"id": 7, "tags": ["a", "b"]}]))]);
        let secrets = BTreeMap::from([("token".to_owned(), Secret::from("s3cr3t".to_owned()))]);
        work(Scope { values: &values, outs: &outs, run: "r1", step: "a/b", secrets: Secrets::Given(&secrets) })
    }

    #[test]
    fn holes_are_found_with_their_places() {
        let found = pieces("a {{ x }}{{before[0].id}}!", 10).unwrap();
        assert_eq!(
            found,
            [Piece::Text("a ", 10), Piece::Hole("x", 15), Piece::Hole("before[0].id", 21), Piece::Text("!", 35)]
        );
        for wrong in
            ["{{ x", "{{ x|upper }}", "{{ 1 + 1 }}", "{{ x() }}", "{{ }}", "{% if x %}", "{{ a.[0] }}", "{{ a[x] }}"]
        {
            assert!(pieces(wrong, 0).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_come_from_where_their_names_say() {
        with(json!("v"), |scope| {
            assert_eq!(scope.text("x"), Ok("v".to_owned()));
            assert_eq!(scope.text("before[0].id"), Ok("7".to_owned()));
            assert_eq!(scope.text("before[0].tags[1]"), Ok("b".to_owned()));
            assert_eq!(scope.text("run.id"), Ok("r1".to_owned()));
            assert_eq!(scope.text("secret.token"), Ok("s3cr3t".to_owned()));
            assert_eq!(
                Scope { secrets: Secrets::Named, ..scope }.text("secret.token"),
                Ok("‹secret token›".to_owned())
            );
            for wrong in ["y", "before[1].id", "before[0].none", "secret.other", "before", "before[0]"] {
                assert!(scope.text(wrong).is_err(), "{wrong}");
            }
        });
        with(Value::Null, |scope| assert_eq!(scope.text("x"), Err("`x` has no value here".to_owned())));
    }

    #[test]
    fn a_time_and_who_runs_it_are_values_of_the_plan() {
        let values = BTreeMap::from([
            ("now".to_owned(), json!("2026-11-29T23:30:00Z")),
            ("operator".to_owned(), json!("ada@bastion")),
            ("quiet".to_owned(), json!("90m")),
        ]);
        let outs = BTreeMap::new();
        let scope = Scope { values: &values, outs: &outs, run: "r1", step: "a/b", secrets: Secrets::Named };
        assert_eq!(scope.text("now + quiet"), Ok("2026-11-30T01:00:00Z".to_owned()));
        assert_eq!(scope.text("operator"), Ok("ada@bastion".to_owned()));
        with(json!("2h"), |scope| assert_eq!(scope.text("now + x"), Err("`now + x` has no value here".to_owned())));

        let types = Types::from([
            ("quiet".to_owned(), NameType::Param(ParamType::Duration)),
            ("n".to_owned(), NameType::Param(ParamType::Int)),
        ]);
        assert_eq!(uses("now - quiet", 3, &types), Ok(Some(("quiet".to_owned(), 9))));
        assert_eq!(
            uses("now + other", 0, &types),
            Ok(Some(("other".to_owned(), 6))),
            "the parser says that it is not declared"
        );
        assert_eq!((uses("now", 0, &types), uses("operator", 0, &types)), (Ok(None), Ok(None)));
        assert_eq!(uses("now + n", 0, &types).unwrap_err().what, "`n` is no duration");
        assert_eq!(uses("now + 2", 0, &types).unwrap_err().what, "`now + 2` is no time");
        assert_eq!(uses("now.unix", 0, &types).unwrap_err().what, "there is no `now.unix`");

        let stray = |body: &str| stray(body, &types).map(|fault| (fault.at, fault.what));
        for (body, at, name) in
            [("a {{ now + 2h }}", 2, "now + 2h"), ("{{.X}} {{n}}", 7, "n"), ("{{ operator }}", 0, "operator")]
        {
            assert_eq!(stray(body), Some((at, format!("`{{{{ {name} }}}}` would be sent as it stands"))), "{body}");
        }
        for theirs in ["docker inspect -f '{{ .State.Status }}'", "{{ json .n }}", "{{ end }}", "{{ now", "${{n}"] {
            assert_eq!(stray(theirs), None, "{theirs}");
        }
    }

    #[test]
    fn an_address_of_ipv6_stands_in_brackets_in_front_of_a_port_and_nothing_else_does() {
        let before = |text: &str| is_before_port(&pieces(text, 0).unwrap(), 0);
        assert!(before("{{ server_addr }}:80") && before("{{ server_addr }}:{{ port }}"));
        assert!(!before("{{ server_addr }}") && !before("{{ server_addr }} :80") && !before("{{ server }}:80"));
        assert_eq!(before_port("2001:db8::1".to_owned()), "[2001:db8::1]");
        for other in ["10.0.0.1", "game-1", "[2001:db8::1]", "::1%eth0"] {
            assert_eq!(before_port(other.to_owned()), other);
        }
    }

    proptest! {
        #[test]
        fn a_value_is_never_read_as_a_template(text in "[{}%#x \\PC]*") {
            with(json!(text), |scope| assert_eq!(scope.text("x"), Ok(text.clone())));
        }

        #[test]
        fn any_text_is_taken_apart_without_a_panic(text in "[{}x .\\[\\]0]*|\\PC*") {
            let _ = pieces(&text, 0);
        }
    }
}
