//! Lines that are JSON: as one readable line, and whole.

use super::level::KEYS as LEVELS;
use crate::domain::text;
use serde_json::{Map, Value};
use std::fmt::Write;

/// What the message is called, the commonest first.
const MESSAGES: [&str; 5] = ["msg", "message", "MESSAGE", "log", "event"];
/// What the time is called.
pub(super) const TIMES: [&str; 6] = ["time", "ts", "timestamp", "@timestamp", "t", "datetime"];

/// It looks like an object; whether it is one shows when it is read.
pub fn is_object(line: &str) -> bool {
    line.trim_start().starts_with('{') && line.trim_end().ends_with('}')
}

fn read(line: &str) -> Option<Map<String, Value>> {
    if !is_object(line) {
        return None;
    }
    match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => Some(fields),
        Ok(_) | Err(_) => None,
    }
}

/// The message of a JSON line; `None` when it is none, or has none.
pub(super) fn message(line: &str) -> Option<String> {
    let fields = read(line)?;
    let found = MESSAGES.iter().find_map(|name| fields.get(*name)).and_then(Value::as_str)?;
    Some(found.to_owned())
}

/// Appends a JSON line as people read it: the message, then `key=value`. Level and time stand in columns of their own; the time is
/// told here when the line has no other. False, and nothing is appended: it is no JSON object.
pub fn fields(line: &str, with_time: bool, out: &mut String) -> bool {
    let Some(fields) = read(line) else { return false };
    let time = TIMES.iter().find_map(|name| fields.get(*name)).filter(|_| with_time);
    let message = MESSAGES.iter().find(|name| fields.get(**name).is_some_and(Value::is_string));
    if let Some(time) = time {
        value(time, out);
        out.push(' ');
    }
    if let Some(Value::String(text)) = message.and_then(|name| fields.get(*name)) {
        text::push_clean(out, text);
    }
    for (name, field) in &fields {
        let shown = LEVELS.contains(&name.as_str()) || TIMES.contains(&name.as_str());
        let told = shown || message.is_some_and(|message| message == name);
        if told {
            continue;
        }
        if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        text::push_clean(out, name);
        out.push('=');
        value(field, out);
    }
    true
}

/// The names and values of an object's own fields, as they are written (texts with their quotes), without reading all of it as JSON:
/// this runs for every line of a file. Of what is no JSON some or none.
pub(super) fn top_fields(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line.trim_start().strip_prefix('{');
    std::iter::from_fn(move || {
        let name = rest?.trim_start().strip_prefix('"')?;
        let (name, after) = name.split_at(text_end(name)?);
        let value = after[1..].trim_start().strip_prefix(':')?.trim_start();
        let end = value_end(value)?;
        rest = value[end..].strip_prefix(',');
        Some((name, value[..end].trim_end()))
    })
}

/// Where a text ends whose opening quote is passed: at its closing one.
fn text_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Where a value ends: at the comma or the bracket behind it.
fn value_end(value: &str) -> Option<usize> {
    let (bytes, mut depth, mut at) = (value.as_bytes(), 0_u32, 0);
    loop {
        match bytes.get(at)? {
            b'"' => at += 1 + text_end(&value[at + 1..])?,
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

fn value(value: &Value, out: &mut String) {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => text::push_clean(out, text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            text::push_clean(out, &value.to_string());
        }
    }
}

/// A JSON line over several lines; any other line as it is.
pub fn pretty(line: &str) -> String {
    let Some(fields) = read(line) else { return line.to_owned() };
    let mut out = String::new();
    // Strings with line breaks in them (stack traces) are what people open a line for.
    for (name, field) in &fields {
        let _ = match field {
            Value::String(text) if text.contains('\n') => {
                let indented: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
                writeln!(out, "{name}:\n{}", indented.join("\n"))
            }
            Value::String(text) => writeln!(out, "{name}: {text}"),
            Value::Array(_) | Value::Object(_) => {
                writeln!(out, "{name}: {}", serde_json::to_string_pretty(field).unwrap_or_default())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => writeln!(out, "{name}: {field}"),
        };
    }
    text::clean_lines(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> Option<String> {
        let mut out = String::new();
        fields(text, false, &mut out).then_some(out)
    }

    #[test]
    fn json_is_one_readable_line_with_the_message_first() {
        let told = line(r#"{"time":"2026-11-25T03:00:00Z","level":"error","user":"a b","code":500,"msg":"it broke"}"#);
        assert_eq!(told.as_deref(), Some("it broke code=500 user=\"a b\""));
        assert_eq!(line(r#"{"a":{"b":[1]}}"#).as_deref(), Some(r#"a={"b":[1]}"#));
        assert_eq!(line("{not json}"), None);
        assert_eq!(line("plain"), None);
    }

    #[test]
    fn what_json_escapes_stays_harmless() {
        assert_eq!(line(r#"{"msg":"a\u001b[31mb\u202e"}"#).as_deref(), Some("a␛[31mb"));
        assert!(pretty(r#"{"stack":"one\n\u001b]0;x\ntwo"}"#).contains("    ␛]0;x"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*|[\\{\\}\\[\\]\",:a-z0-9\\\\]*") {
            let mut out = String::new();
            fields(&text, true, &mut out);
            let _ = pretty(&text);
        }
    }
}
