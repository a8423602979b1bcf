//! What the languages of a runbook make of values, read back by those whom it is for: Prometheus' own parser and a real shell.

use crate::lab::{http, need};
use quarterdeck::runbook::language::{NameType, Scope, Secrets, Types, bash, promql};
use quarterdeck::runbook::model::ParamType;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

/// Values that would like to be something else.
const HOSTILE: [&str; 12] = [
    "plain",
    "a\"} or up{x=\"",
    "a'} or up{x='",
    "ends in \\",
    "two\nlines",
    ".*",
    "a|b)(c",
    "`${x}` $(id) \\x41 \\u0041",
    "é 日本",
    "#comment",
    "{{ secret.token }}",
    "'; rm -rf /; '",
];

fn with<T>(value: &str, work: impl FnOnce(Scope<'_>) -> T) -> T {
    let values = BTreeMap::from([("x".to_owned(), json!(value))]);
    work(Scope { values: &values, outs: &BTreeMap::new(), run: "r", step: "s", secrets: Secrets::Named })
}

#[test]
fn prometheus_reads_a_value_as_the_value_of_its_label() {
    let lab = need!(monitoring);
    for value in HOSTILE {
        for (operator, quote) in [("=", '"'), ("=", '\''), ("=~", '"')] {
            let body = format!("up{{job{operator}{quote}{{{{ x }}}}{quote}}} > bool 0");
            let query = with(value, |scope| promql::render(&body, &scope)).unwrap();
            let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let path = format!("/api/v1/format_query?query={encoded}");
            let answer: Value = http::get(lab.prometheus, &path).unwrap().json();
            let text = answer["data"].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
            let quoted =
                text.strip_prefix(&format!("up{{job{operator}")).and_then(|rest| rest.strip_suffix("} > bool 0"));
            let found: String = serde_json::from_str(quoted.expect(text)).expect(text);
            let wanted = if operator == "=" { value.to_owned() } else { regex::escape(value) };
            assert_eq!(found, wanted, "{query}");
        }
    }
}

#[test]
fn a_shell_reads_what_is_shown_as_the_same_values() {
    let types = Types::from([("x".to_owned(), NameType::Param(ParamType::String))]);
    for value in HOSTILE {
        let given = with(value, |scope| bash::shown(None, &types, &scope)).unwrap();
        let script = format!("{}\nset -eu\nprintf %s \"$x\"", given.join("\n"));
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value, "{script}");
    }
}
