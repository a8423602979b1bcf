//! Records as JSON Lines: one record a line, fields always in the same order, nothing that needs this program to read.

use crate::domain::record::Record;
use std::io::{self, Write};

/// Writes a record as one line. The order of the fields is that of [`Record`]; inside `data` keys are sorted.
pub fn write_line(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::super::chain::tests::chain_of;
    use super::*;
    use serde_json::json;

    #[test]
    fn one_line_a_record_in_a_stable_order() {
        let records = chain_of(1, &[json!({ "z": "a\nb", "a": 1 })]);
        let mut out = Vec::new();
        write_line(&mut out, &records[0]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = format!(
            concat!(
                r#"{{"id":"00000000-0000-0000-0000-0000000003e9","writer":"00000000-0000-0000-0000-000000000001","seq":1,"#,
                r#""prev":"{}","hash":"{}","at":"2023-11-14T22:13:20.12345679Z","mono_ms":10,"incident":null,"#,
                r#""actor":{{"name":"ann","uid":1000,"host":"bastion"}},"kind":"journal.open","#,
                r#""run":"00000000-0000-0000-0000-000000000007","step":"restart/api","role":null,"target":"","#,
                r#""env":"local","data":{{"a":1,"z":"a\nb"}}}}"#,
                "\n"
            ),
            records[0].prev, records[0].hash
        );
        assert_eq!(text, expected);
    }
}
