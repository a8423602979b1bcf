//! JSON for scripts, harmless also when it is printed to a terminal.

use super::text as outside;
use serde_json::Value;
use std::fmt::Write;

/// Indented, with a line break at the end.
///
/// # Errors
/// When a map has keys that are no text.
pub fn text(value: &Value) -> serde_json::Result<String> {
    Ok(harmless(&serde_json::to_string_pretty(value)?) + "\n")
}

/// On one line, without a line break at the end.
pub fn line(value: &Value) -> String {
    harmless(&value.to_string())
}

/// Makes a JSON Schema one of what people write: what may be absent is just absent, and nobody writes null for it. Defaults go too: a
/// length of time is written otherwise than it is kept.
pub fn without_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    for (key, inner) in only {
                        fields.entry(key).or_insert(inner);
                    }
                }
            }
            fields.remove("default");
            for (key, inner) in fields {
                match inner {
                    // Names of keys are no words of a schema: a key may well be called `default`.
                    Value::Object(named) if key == "properties" => named.values_mut().for_each(without_null),
                    inner => without_null(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The same JSON, with every character that a terminal could act on written as `\u….`: JSON itself only asks that of
/// the first 32.
fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for char in json.chars() {
        if char == '\n' || *outside::clean(char.encode_utf8(&mut [0; 4])) == *char.encode_utf8(&mut [0; 4]) {
            out.push(char);
        } else {
            for unit in char.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_the_same_and_drives_no_terminal() {
        let value = json!({ "name": "a\u{9b}31m\u{202e}b\u{e0041} é 日本 \u{1b}[0m\n" });
        let written = text(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        assert!(written.contains("é 日本") && written.contains("\\u009b31m\\u202eb\\udb40\\udc41"), "{written}");
        assert!(!written.chars().any(|char| char.is_control() && char != '\n'));
    }
}
