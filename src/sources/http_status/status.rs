//! From a status address's JSON to columns, by JSON pointer (RFC 6901).

use crate::connect::endpoint::Heard;
use crate::domain::Server;
use crate::sources::server::StatusSettings;
use serde_json::Value;

/// Longest text of a column, in characters.
const LONGEST: usize = 80;

/// Adds what the status told: a column for each value that is one, and a note for each that is not.
pub(super) fn tell(server: &mut Server, settings: &StatusSettings, told: &Result<Heard, String>) {
    let value = match told {
        Ok(heard) => value(heard),
        Err(why) => Err(why.clone()),
    };
    let value = match value {
        Ok(value) => value,
        Err(why) => {
            server.notes.push(format!("status at {}: {why}", settings.url));
            // That its columns are not known must be seen in its row.
            server.silent.push("status".to_owned());
            return server.columns.extend(settings.columns.iter().map(|(name, _)| (name.clone(), "—".to_owned())));
        }
    };
    for (name, pointer) in &settings.columns {
        match value.pointer(pointer).map(text) {
            Some(Ok(text)) => server.columns.push((name.clone(), text)),
            Some(Err(what)) => {
                server.notes.push(format!("status: {name} can't be shown: {what} stands at {pointer:?}"));
            }
            None => server.notes.push(format!("status: {name} is not known: nothing stands at {pointer:?}")),
        }
    }
}

/// The whole JSON, or why there is none.
fn value(heard: &Heard) -> Result<Value, String> {
    if !(200..300).contains(&heard.status) {
        return Err(format!("it answers {}", heard.status));
    }
    if !heard.broken.is_empty() {
        return Err(format!("its answer broke off: {}", heard.broken));
    }
    serde_json::from_slice(&heard.body).map_err(|error| format!("its answer is not JSON: {error}"))
}

/// A single value as text; what stands there instead where it is none.
fn text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.chars().take(LONGEST).collect()),
        Value::Bool(yes) => Ok(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Null => Err("null"),
        Value::Array(_) => Err("a list"),
        Value::Object(_) => Err("an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Endpoint;
    use proptest::prelude::*;
    use std::time::Duration;

    fn heard(status: u16, body: &[u8], broken: &str) -> Heard {
        Heard { status, took: Duration::ZERO, body: body.to_vec(), broken: broken.to_owned() }
    }

    fn told(columns: &[(&str, &str)], answer: &Result<Heard, String>) -> Server {
        let columns = columns.iter().map(|(name, pointer)| ((*name).to_owned(), (*pointer).to_owned())).collect();
        let settings = StatusSettings { url: Endpoint::parse("http://game-1/status?key=x").unwrap(), columns };
        let mut server = Server::default();
        tell(&mut server, &settings, answer);
        server
    }

    #[test]
    fn values_become_columns_in_the_order_of_the_config() {
        let body = br#"{"player_count":212,"build":{"version":"1.4.2"},"draining":false,"load":0.5,"a/b":[7]}"#;
        let columns = [
            ("version", "/build/version"),
            ("players", "/player_count"),
            ("draining", "/draining"),
            ("load", "/load"),
            ("first", "/a~1b/0"),
        ];
        let server = told(&columns, &Ok(heard(200, body, "")));
        let shown: Vec<&str> = server.columns.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown, ["1.4.2", "212", "no", "0.5", "7"]);
        assert!(server.notes.is_empty(), "{:?}", server.notes);
    }

    #[test]
    fn what_is_no_value_is_said_and_hides_nothing_else() {
        let columns = [("players", "/players"), ("build", "/build"), ("up", "/up"), ("gone", "/gone")];
        let server = told(&columns, &Ok(heard(200, br#"{"players":3,"build":{},"up":null}"#, "")));
        assert_eq!(server.columns, [("players".to_owned(), "3".to_owned())]);
        assert_eq!(
            server.notes,
            [
                "status: build can't be shown: an object stands at \"/build\"",
                "status: up can't be shown: null stands at \"/up\"",
                "status: gone is not known: nothing stands at \"/gone\"",
            ]
        );
    }

    #[test]
    fn what_is_no_json_is_said_in_words() {
        let note = |answer: &Result<Heard, String>| told(&[("players", "/players")], answer).notes.remove(0);
        assert_eq!(note(&Err("nothing listens there".into())), "status at http://game-1/status: nothing listens there");
        assert_eq!(note(&Ok(heard(503, b"", ""))), "status at http://game-1/status: it answers 503");
        let long = note(&Ok(heard(200, b"{", "it is longer than 1024 KiB")));
        assert_eq!(long, "status at http://game-1/status: its answer broke off: it is longer than 1024 KiB");
        assert!(note(&Ok(heard(200, b"<html>", ""))).contains("its answer is not JSON: expected value"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..64), pointer in "(/[a-z~0-9]*){0,3}") {
            told(&[("x", &pointer)], &Ok(heard(200, &body, "")));
        }
    }
}
