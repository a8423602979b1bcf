//! From serde's words to ours: what is wrong, and the nearest name.

use crate::domain::nearest;

/// What is wrong and how to mend it, for a name that is not known.
pub fn unknown(what: &str, word: &str, known: &[&str]) -> (String, String) {
    let hint = match nearest(word, known.iter().copied()) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("there are: {}", known.join(", ")),
    };
    (format!("there is no {what} {word:?}"), hint)
}

/// Serde's message in the words of a config: keys instead of fields, and the nearest one.
pub fn message(text: &str) -> (String, String) {
    for (start, what) in [("unknown field `", "key"), ("unknown variant `", "choice")] {
        if let Some((word, rest)) = text.strip_prefix(start).and_then(|rest| rest.split_once('`')) {
            let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            return unknown(what, word, &known);
        }
    }
    if let Some(name) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return (format!("the key {name:?} is missing"), format!("add {name} = …"));
    }
    if let Some((found, wanted)) = text.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
        return (format!("this is {found}"), format!("write {wanted}"));
    }
    let (what, hint) = text.split_once(": ").unwrap_or((text, ""));
    (what.to_owned(), hint.to_owned())
}
