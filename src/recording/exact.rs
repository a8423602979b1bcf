//! Figures as they were, to the last bit: JSON's reader rounds some of them by a hair, and what is replayed must be what was seen.
//! Those few are written as text, in an object whose one member has a name that no label and no column can have.

use serde_json::{Number, Value, json};

const MARK: &str = "=f64";

/// With every figure that would come back as another one written as text.
pub fn pack(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(text) = inexact(number) {
                *value = json!({ MARK: text });
            }
        }
        Value::Array(items) => items.iter_mut().for_each(pack),
        Value::Object(members) => members.values_mut().for_each(pack),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn inexact(number: &Number) -> Option<String> {
    if !number.is_f64() {
        return None;
    }
    let (figure, text) = (number.as_f64()?, number.to_string());
    let back: Option<f64> = serde_json::from_str(&text).ok();
    (back.map(f64::to_bits) != Some(figure.to_bits())).then_some(text)
}

/// The other way.
pub fn unpack(value: &mut Value) {
    match value {
        Value::Object(members) => match packed(members) {
            Some(figure) => *value = Value::Number(figure),
            None => members.values_mut().for_each(unpack),
        },
        Value::Array(items) => items.iter_mut().for_each(unpack),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn packed(members: &serde_json::Map<String, Value>) -> Option<Number> {
    let text = members.get(MARK).filter(|_| members.len() == 1)?.as_str()?;
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_figure_comes_back_to_the_bit(figure in any::<f64>().prop_filter("JSON has none", |f| f.is_finite())) {
            let given = json!([{ "cpu": figure, "name": "a" }, figure]);
            let mut value = given.clone();
            pack(&mut value);
            let mut back: Value = serde_json::from_str(&value.to_string()).unwrap();
            unpack(&mut back);
            prop_assert_eq!(back[1].as_f64().map(f64::to_bits), Some(figure.to_bits()));
            prop_assert_eq!(back, given);
        }
    }
}
