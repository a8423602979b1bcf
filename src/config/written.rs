//! Whether a table says the same as before: a digest of what is written, wherever it stands.
//!
//! Settings are not compared by what they print: that leaves out what may hold a token.

use std::hash::{DefaultHasher, Hash, Hasher};
use toml::de::DeValue;

/// Of a table's values, but for the keys of `without` at its top. Places and comments do not count; the order of keys does, since it
/// means something to some tables.
pub fn digest(value: &DeValue<'_>, without: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let DeValue::Table(table) = value {
        for (key, inner) in table.iter().filter(|(key, _)| !without.contains(&key.get_ref().as_ref())) {
            key.get_ref().hash(&mut hasher);
            take(inner.get_ref(), &mut hasher);
        }
    } else {
        take(value, &mut hasher);
    }
    hasher.finish()
}

fn take(value: &DeValue<'_>, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        DeValue::String(text) => text.hash(hasher),
        DeValue::Integer(number) => number.to_string().hash(hasher),
        DeValue::Float(number) => number.to_string().hash(hasher),
        DeValue::Boolean(flag) => flag.hash(hasher),
        DeValue::Datetime(time) => time.to_string().hash(hasher),
        DeValue::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| take(item.get_ref(), hasher));
        }
        DeValue::Table(table) => {
            table.len().hash(hasher);
            for (key, inner) in table {
                key.get_ref().hash(hasher);
                take(inner.get_ref(), hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    fn of(text: &str) -> u64 {
        digest(&DeValue::Table(DeTable::parse(text).unwrap().into_inner()), &["roles"])
    }

    #[test]
    fn what_is_written_counts_and_where_it_stands_does_not() {
        let before = of("url = \"http://a/?token=1\"\nn = [1, 2]\nroles = [\"a\"]\n");
        assert_eq!(before, of("# a word\n\nurl = 'http://a/?token=1'\nn = [ 1, 2 ]\nroles = []\n"));
        assert_ne!(before, of("url = \"http://a/?token=2\"\nn = [1, 2]\n"));
        assert_ne!(before, of("url = \"http://a/?token=1\"\nn = [[1], 2]\n"));
        assert_ne!(of("a = 1\n"), of("a = \"1\"\n"));
    }
}
