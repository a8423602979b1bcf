//! What an engine says of a container, word for word: the client's own types would leave out what they do not know (Podman says
//! more than Docker), and the order of the keys. Without secrets.

use super::{Engine, Place, tls};
use crate::domain::SourceError;
use crate::redact::Redactor;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Number;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// When it is given up.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer, in bytes; a hundred times that of a large one.
const LONGEST: usize = 4 << 20;

impl Engine {
    /// The JSON of one container by its full id, over several lines, its keys in the engine's order. What looks like a secret
    /// (in its environment, its command, its labels) is hidden. Safe to drop at any await.
    ///
    /// # Errors
    /// When the engine can't be reached, knows no such container, or sends something else.
    pub async fn inspect(&self, container: &str, redactor: &Redactor) -> Result<String, SourceError> {
        // What is wrong with an engine that can't be reached is told by this.
        self.client().await?;
        let asked = tokio::time::timeout(LIMIT, self.get(&format!("/containers/{container}/json"))).await;
        let body = asked.unwrap_or_else(|_| {
            let what = format!("the Docker engine at {} does not answer: inspection", self.host());
            Err(SourceError::new(what, format!("it hangs: look at its log ({})", self.log())))
        })?;
        let told = pretty(&body, redactor);
        told.map_err(|error| super::not_docker(self.host(), "inspection", &error.to_string()))
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let (client, base) = self.plain().await?;
        let none = |error: reqwest::Error| self.none(&super::root(&error));
        let mut reply = client.get(format!("{base}{path}")).send().await.map_err(none)?;
        let status = reply.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = reply.chunk().await.map_err(none)? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST {
                let what = format!("the Docker engine at {} sent more than {} MiB", self.host(), LONGEST >> 20);
                return Err(SourceError::new(what, "is it really a Docker engine? check the host in the config"));
            }
        }
        match status {
            200 => Ok(body),
            404 => {
                Err(SourceError::new("the engine knows no such container any more", "it was removed: Esc leads back"))
            }
            status => Err(self.refusal("inspection", status, &String::from_utf8_lossy(&body))),
        }
    }

    /// A client that hands out what was answered as it came, and the address to ask.
    async fn plain(&self) -> Result<(reqwest::Client, String), SourceError> {
        // Already installed by an earlier call: that one is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let local = || "http://localhost".to_owned();
        let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let (builder, base) = match (self.place.as_ref().map_err(Clone::clone)?, &self.ssh) {
            (Place::Unix(path), _) => (builder.unix_socket(PathBuf::from(path)), local()),
            (Place::Ssh { socket, .. }, Some(ssh)) => (builder.unix_socket(ssh.forward_unix(socket).await?), local()),
            (Place::Ssh { .. }, None) => return Err(self.none("there is no connection to its host")),
            (Place::Tcp(address), _) => (builder, format!("http://{address}")),
            (Place::Tls(address, files), _) => {
                (builder.tls_backend_preconfigured(tls::config(files)?), format!("https://{address}"))
            }
        };
        let client = builder.build().map_err(|error| self.none(&super::root(&error)))?;
        Ok((client, base))
    }
}

/// JSON over several lines, without secrets.
fn pretty(body: &[u8], redactor: &Redactor) -> Result<String, serde_json::Error> {
    let mut value: Ordered = serde_json::from_slice(body)?;
    value.hide(redactor);
    serde_json::to_string_pretty(&value)
}

/// A JSON value whose keys stay in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
enum Ordered {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Ordered>),
    Map(Vec<(String, Ordered)>),
}

impl Ordered {
    /// Hides every secret: in texts, and whole where a key says so.
    fn hide(&mut self, redactor: &Redactor) {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
            Self::Text(text) => *text = redactor.text(text).into_owned(),
            Self::List(items) => hide_list(items, redactor),
            Self::Map(fields) => {
                for (name, value) in fields {
                    value.hide(redactor);
                    if let Self::Text(text) = value
                        && crate::redact::is_secret_name(name)
                        && !text.is_empty()
                    {
                        crate::redact::REDACTED.clone_into(text);
                    }
                }
            }
        }
    }
}

/// A list of texts alone may be a command line, or an environment: each is `NAME=VALUE`, which reads like an argument.
fn hide_list(items: &mut [Ordered], redactor: &Redactor) {
    for at in 0..items.len() {
        let before = at.checked_sub(1).and_then(|before| items[before].text()).unwrap_or_default().to_owned();
        match &mut items[at] {
            Ordered::Text(text) => *text = redactor.argument(&before, text),
            other => other.hide(redactor),
        }
    }
}

impl Ordered {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Ordered, E> {
        Ok(Ordered::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Ordered, E> {
        Ok(Ordered::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.into()))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Ordered, E> {
        Ok(Ordered::Number(value.into()))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Ordered, E> {
        Ok(Number::from_f64(value).map_or(Ordered::Null, Ordered::Number))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Ordered, E> {
        Ok(Ordered::Text(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ordered, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Ordered::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Ordered, A::Error> {
        let mut map = Vec::new();
        while let Some(field) = fields.next_entry()? {
            map.push(field);
        }
        Ok(Ordered::Map(map))
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        pretty(text.as_bytes(), &Redactor::default()).unwrap()
    }

    #[test]
    fn keys_stay_as_they_come_and_values_too() {
        let text = "{\n  \"Zeta\": 1,\n  \"Alpha\": [\n    true,\n    null,\n    -2.5\n  ],\n  \"Empty\": {},\n  \"Id\": \"a\\\"b\\n\"\n}";
        assert_eq!(shown(text), text);
    }

    #[test]
    fn no_secret_of_a_container_is_shown() {
        let told = shown(
            r#"{"Config": {"Env": ["PATH=/bin", "DB_PASSWORD=two words", "URL=postgres://web:hunter2@db/app", "EMPTY_TOKEN="],
            "Cmd": ["app", "--token", "abc def", "--port", "80"], "Labels": {"api.token": "xyz"}}, "Args": ["--password=two words"]}"#,
        );
        for secret in ["two words", "hunter2", "abc def", "xyz"] {
            assert!(!told.contains(secret), "{secret} is in {told}");
        }
        for plain in
            ["PATH=/bin", "DB_PASSWORD=‹redacted›", "postgres://web:‹redacted›@db/app", "EMPTY_TOKEN=", "\"80\""]
        {
            assert!(told.contains(plain), "{plain} is not in {told}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "<html>", "{\"a\": }"] {
            assert!(pretty(text.as_bytes(), &Redactor::default()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[{\"a:,=1}\\]]{0,40}") {
            let _ = pretty(&bytes, &Redactor::default());
            let _ = pretty(text.as_bytes(), &Redactor::default());
        }
    }
}
