//! What a question says to a person: the words of its page, in which `{{ name }}` stands for what was captured before. What is in braces and
//! names nothing (`docker ps --format '{{.Names}}'`) stays as it is. Nothing of it is sent anywhere.

use super::fill::{is_hole, uses};
use super::{Fault, NameType, Scope, Types};
use crate::domain::text::{clean, truncate};
use serde_json::Value;

/// A value takes so many cells of a question at most.
const WIDEST: usize = 160;

/// A hole: where its braces begin and end, what stands in them, and where that begins.
struct Hole<'a> {
    from: usize,
    to: usize,
    name: &'a str,
    at: usize,
}

/// The holes of a text. Of what is more than a name only that which begins with one of `types`, for the parser to tell.
fn holes<'a>(text: &'a str, types: &Types) -> Vec<Hole<'a>> {
    let (mut found, mut done) = (Vec::new(), 0);
    while let Some(from) = text[done..].find("{{").map(|at| done + at) {
        let Some(close) = text[from..].find("}}").map(|at| from + at) else { break };
        let inside = &text[from + 2..close];
        let (name, at) = (inside.trim(), from + 2 + (inside.len() - inside.trim_start().len()));
        let known =
            || types.contains_key(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default());
        if is_hole(name) || known() {
            found.push(Hole { from, to: close + 2, name, at });
        }
        done = close + 2;
    }
    found
}

/// Whether a text has a hole.
pub fn has_holes(text: &str, types: &Types) -> bool {
    !holes(text, types).is_empty()
}

/// The names that a question uses, with the byte where each stands; and what is wrong with others.
pub fn read(text: &str, types: &Types) -> (Vec<(String, usize)>, Vec<Fault>) {
    let (mut used, mut faults) = (Vec::new(), Vec::new());
    for Hole { name, at, .. } in holes(text, types) {
        if !is_hole(name) {
            let mend = "write a name, with fields and indexes if need be: `{{ before[0].id }}`; what is computed is the work of the check";
            faults.push(Fault::new(at, format!("`{name}` is more than a name"), mend));
            continue;
        }
        if name.starts_with("secret.") || types.get(name) == Some(&NameType::Secret) {
            faults.push(Fault::new(
                at,
                "a question shows no secret",
                "take it out: everybody at the screen would read it",
            ));
            continue;
        }
        match uses(name, at, types) {
            Ok(name) => used.extend(name),
            Err(fault) => faults.push(fault),
        }
    }
    (used, faults)
}

/// The text with what is known in its holes, each on one line and harmless. What is not known is said.
pub fn say(text: &str, types: &Types, scope: &Scope<'_>) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for Hole { from, to, name, .. } in holes(text, types) {
        out.push_str(&text[done..from]);
        match scope.value(name).ok().and_then(|value| shown(&value)) {
            Some(value) => out.push_str(&value),
            None => out.extend(["‹", name, " is not known›"]),
        }
        done = to;
    }
    out + &text[done..]
}

/// One value, or a list of values.
fn shown(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => clean(text).into_owned(),
        Value::Bool(truth) => truth.to_string(),
        // A whole number of Prometheus is one for people, too.
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => float.to_string(),
            None => number.to_string(),
        },
        Value::Array(items) => items.iter().map(shown).collect::<Option<Vec<_>>>()?.join(", "),
        Value::Object(_) | Value::Null => return None,
    };
    let short = truncate(&text, WIDEST);
    Some(if short.len() < text.len() { format!("{short}…") } else { text })
}

#[cfg(test)]
mod tests {
    use super::super::fill::tests::with;
    use super::*;
    use crate::runbook::model::ParamType;
    use serde_json::json;

    fn types() -> Types {
        [
            ("x".to_owned(), NameType::Param(ParamType::String)),
            ("before".to_owned(), NameType::Seen),
            ("token".to_owned(), NameType::Secret),
        ]
        .into()
    }

    fn said(value: Value, text: &str) -> String {
        with(value, |scope| say(text, &types(), &scope))
    }

    #[test]
    fn a_question_says_what_was_captured_and_that_something_is_not_known() {
        assert_eq!(
            said(json!("game-1"), "{{ x }} has {{before[0].id}} of {{ before[0].tags }}."),
            "game-1 has 7 of a, b."
        );
        assert_eq!(said(json!(7.0), "{{ x }} %"), "7 %");
        assert_eq!(said(Value::Null, "It is {{ x }}."), "It is ‹x is not known›.");
        assert_eq!(said(json!("v"), "{{ before[9].id }}"), "‹before[9].id is not known›");
        let template = "docker ps --format '{{.Names}} {{json .}}' {{";
        assert_eq!(said(json!("v"), template), template);
    }

    #[test]
    fn a_value_stays_one_harmless_line_of_bounded_length_and_is_never_a_hole() {
        assert_eq!(said(json!("a\n\u{1b}[31mb"), "<{{ x }}>"), "<a ␛[31mb>");
        assert_eq!(said(json!("{{ before[0].id }}"), "{{ x }}"), "{{ before[0].id }}");
        let long = said(json!("界".repeat(500)), "{{ x }}");
        assert_eq!((long.chars().count(), long.ends_with('…')), (WIDEST / 2 + 1, true));
    }

    #[test]
    fn what_it_may_not_say_is_told() {
        let wrong = |text: &str| read(text, &types()).1.into_iter().map(|fault| fault.what).collect::<Vec<_>>();
        assert_eq!(wrong("{{ secret.token }}"), ["a question shows no secret"]);
        assert_eq!(wrong("{{ token }}"), ["a question shows no secret"]);
        assert_eq!(wrong("{{ x | upper }}"), ["`x | upper` is more than a name"]);
        assert_eq!(wrong("{{ before }}"), ["`before` is rows, and no value"]);
        assert_eq!(wrong("{{ run.id }} {{ before[0].id }} {{.Names}} {{ if .State }}"), [""; 0]);
        assert_eq!(read("{{ y }}", &types()).0, [("y".to_owned(), 3)]);
    }
}
