//! What changed between two values of JSON, as JSON: most of a snapshot is as it was five seconds ago, and need not be written
//! again.
//!
//! Knows nothing of what the values mean, but that rows of a list are known by their `id`, `pid`, `fingerprint` or `name`: one that
//! vanishes does not make all behind it new. A change is an object with one of these members:
//!
//! | member | meaning |
//! | --- | --- |
//! | `=` | this value takes the place of what was there |
//! | `.`, `-` | changes of an object's members, by name; names that are gone |
//! | `@` | changes of a list's elements, by index: as many as before |
//! | `[` | the elements of the new list: an index of the old one, such an index with a change, or a new one as `=` |

use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Members that tell which row of a list is which.
const NAMES: [&str; 4] = ["id", "pid", "fingerprint", "name"];

/// What makes `new` of `old`; `None` when they are the same.
pub fn between(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (old, new) if old == new => None,
        (Value::Object(old), Value::Object(new)) => Some(of_objects(old, new)),
        (Value::Array(old), Value::Array(new)) => Some(of_lists(old, new)),
        (_, new) => Some(whole(new)),
    }
}

fn whole(value: &Value) -> Value {
    json!({ "=": value })
}

fn of_objects(old: &Map<String, Value>, new: &Map<String, Value>) -> Value {
    let change = |(name, new): (&String, &Value)| {
        let change = old.get(name).map_or_else(|| Some(whole(new)), |old| between(old, new));
        Some((name.clone(), change?))
    };
    let mut out = Map::new();
    out.insert(".".to_owned(), Value::Object(new.iter().filter_map(change).collect()));
    let gone: Vec<&String> = old.keys().filter(|name| !new.contains_key(*name)).collect();
    if !gone.is_empty() {
        out.insert("-".to_owned(), json!(gone));
    }
    Value::Object(out)
}

fn of_lists(old: &[Value], new: &[Value]) -> Value {
    if old.len() == new.len() && old.iter().zip(new).all(|(old, new)| name(old) == name(new)) {
        let change = |(index, (old, new))| Some((usize::to_string(&index), between(old, new)?));
        return json!({ "@": old.iter().zip(new).enumerate().filter_map(change).collect::<Map<_, _>>() });
    }
    let places: HashMap<String, usize> =
        old.iter().enumerate().filter_map(|(index, row)| Some((name(row)?, index))).collect();
    let element = |(index, row): (usize, &Value)| {
        // Rows without a name, as plain words are, are compared with what stood in their place.
        let place = name(row).map_or_else(|| (index < old.len()).then_some(index), |name| places.get(&name).copied());
        let Some(place) = place else { return whole(row) };
        between(&old[place], row).map_or_else(|| json!(place), |change| json!([place, change]))
    };
    json!({ "[": new.iter().enumerate().map(element).collect::<Vec<_>>() })
}

fn name(row: &Value) -> Option<String> {
    NAMES.iter().find_map(|name| row.get(name)).map(Value::to_string)
}

/// Makes the change; `None` when it does not fit what is there, as in a damaged file.
pub fn apply(old: Value, change: Value) -> Option<Value> {
    let Value::Object(mut change) = change else { return None };
    if let Some(value) = change.remove("=") {
        return Some(value);
    }
    if let Some(elements) = change.remove("[") {
        return rebuilt(&old, elements);
    }
    match (old, change.remove("."), change.remove("@")) {
        (Value::Object(mut old), Some(Value::Object(changes)), _) => {
            for gone in change.remove("-").iter().filter_map(Value::as_array).flatten() {
                old.remove(gone.as_str()?);
            }
            for (name, change) in changes {
                let before = old.remove(&name).unwrap_or_default();
                old.insert(name, apply(before, change)?);
            }
            Some(Value::Object(old))
        }
        (Value::Array(mut old), _, Some(Value::Object(changes))) => {
            for (index, change) in changes {
                let row = old.get_mut(index.parse::<usize>().ok()?)?;
                *row = apply(row.take(), change)?;
            }
            Some(Value::Array(old))
        }
        _ => None,
    }
}

fn rebuilt(old: &Value, elements: Value) -> Option<Value> {
    let (Value::Array(old), Value::Array(elements)) = (old, elements) else { return None };
    let at = |place: &Value| old.get(usize::try_from(place.as_u64()?).ok()?);
    let element = |element: Value| match element {
        Value::Array(mut pair) if pair.len() == 2 => apply(at(&pair[0])?.clone(), pair.remove(1)),
        Value::Object(mut new) => new.remove("="),
        place => at(&place).cloned(),
    };
    elements.into_iter().map(element).collect::<Option<Vec<_>>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..6_u64).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[=.@-]|[a-c]{0,2}|\\[".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let name = prop_oneof!["[a-c=.@-]", Just("id".to_owned()), Just("name".to_owned()), Just("[".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_change_makes_the_new_of_the_old(old in any_json(), new in any_json()) {
            match between(&old, &new) {
                None => prop_assert_eq!(old, new),
                Some(change) => prop_assert_eq!(apply(old, change), Some(new)),
            }
        }

        #[test]
        fn a_change_that_does_not_fit_makes_nothing_panic(old in any_json(), change in any_json()) {
            let _ = apply(old, change);
        }
    }

    #[test]
    fn a_row_that_vanishes_leaves_the_others_as_they_were() {
        let row = |pid: u32, state: &str| json!({ "pid": pid, "state": state, "query": "select 1" });
        let old = json!([row(1, "idle"), row(2, "idle"), row(3, "idle")]);
        let new = json!([row(2, "active"), row(3, "idle"), row(9, "idle")]);
        let expected = json!({ "[": [[1, { ".": { "state": { "=": "active" } } }], 2, { "=": row(9, "idle") }] });
        assert_eq!(between(&old, &new), Some(expected.clone()));
        assert_eq!(apply(old, expected), Some(new));
    }
}
