//! `--output text` of `aws`: values of one level in a line, apart by tabs; what lies below is on lines of its own that begin with its key, in
//! capitals. As awscli's text formatter has it, whose order is that of the keys.

use serde_json::{Map, Value};

/// A document, or what a question has made of it.
pub(super) fn text(told: &Value) -> String {
    let mut out = String::new();
    match told {
        Value::Object(_) | Value::Array(_) => any(told, None, &[], &mut out),
        one => out = word(one) + "\n",
    }
    out
}

fn any(value: &Value, name: Option<&str>, keys: &[&str], out: &mut String) {
    match value {
        Value::Object(own) => object(own, name, keys, out),
        Value::Array(all) => list(all, name, out),
        one => line(name, [word(one)], out),
    }
}

fn list(all: &[Value], name: Option<&str>, out: &mut String) {
    if all.iter().any(Value::is_object) {
        // Who lacks a key that another one has keeps its place.
        let mut keys: Vec<&str> =
            all.iter().filter_map(Value::as_object).flatten().filter(|(_, value)| is_plain(value)).map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        return all.iter().for_each(|one| any(one, name, &keys, out));
    }
    let (plain, deep): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|value| is_plain(value));
    match name {
        _ if plain.is_empty() => {}
        Some(_) if deep.is_empty() => plain.into_iter().for_each(|one| line(name, [word(one)], out)),
        _ => line(name, plain.into_iter().map(word), out),
    }
    for one in deep {
        any(one, name, &[], out);
    }
}

fn object(own: &Map<String, Value>, name: Option<&str>, keys: &[&str], out: &mut String) {
    let mut all: Vec<(&String, &Value)> = own.iter().collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    let plain: Vec<String> = if keys.is_empty() {
        all.iter().filter(|(_, value)| is_plain(value)).map(|(_, value)| word(value)).collect()
    } else {
        keys.iter().map(|key| own.get(*key).filter(|value| is_plain(value)).map(word).unwrap_or_default()).collect()
    };
    if !plain.is_empty() {
        line(name, plain, out);
    }
    all.into_iter().filter(|(_, value)| !is_plain(value)).for_each(|(key, value)| any(value, Some(key), &[], out));
}

fn key<'a>((key, _): (&'a String, &'a Value)) -> &'a str {
    key
}

fn is_plain(value: &Value) -> bool {
    !(value.is_object() || value.is_array())
}

fn line(name: Option<&str>, words: impl IntoIterator<Item = String>, out: &mut String) {
    let words: Vec<String> = name.map(str::to_uppercase).into_iter().chain(words).collect();
    out.push_str(&words.join("\t"));
    out.push('\n');
}

/// As Python writes it.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_lines_of_their_levels() {
        for (told, lines) in [
            (json!("ebs"), "ebs\n"),
            (json!(null), "None\n"),
            (json!(["a", 2, true]), "a\t2\tTrue\n"),
            (json!([["a", 1], ["b", null]]), "a\t1\nb\tNone\n"),
            (json!({"Size": 3, "Name": "x"}), "x\t3\n"),
            (json!({"Names": ["a", "b"]}), "NAMES\ta\nNAMES\tb\n"),
            (
                json!({"Reservations": [{"Id": "r", "Instances": [
                    {"InstanceId": "i-1", "State": {"Name": "running"}, "Tags": [{"Key": "Name", "Value": "game-1"}]},
                    {"InstanceId": "i-2", "Lent": true}]}]}),
                "RESERVATIONS\tr\nINSTANCES\ti-1\t\nSTATE\trunning\nTAGS\tName\tgame-1\nINSTANCES\ti-2\tTrue\n",
            ),
        ] {
            assert_eq!(text(&told), lines, "{told}");
        }
    }
}
