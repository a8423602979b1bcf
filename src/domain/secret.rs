//! Secrets: named and found, never written. A config says where a secret is; it never holds one.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Where a secret comes from: `{ env = "NAME" }`, `{ command = "pass show x" }` or `{ file = "/path" }`.
///
/// A text in its place is refused without being repeated: it may be the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A command run by `sh -c`; the first line it prints.
    Command(String),
    /// A file; its first line.
    File(String),
}

/// A secret in memory: zeroed when dropped, never printed by `Debug`.
pub type Secret = SecretString;

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceOfSecret)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", expecting = "{ env = \"NAME\" }, { command = \"…\" } or { file = \"/path\" }")]
enum Written {
    /// The name of an environment variable.
    Env(String),
    /// A command for `sh -c`; the first line that it prints.
    Command(String),
    /// A file; its first line.
    File(String),
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

struct PlaceOfSecret;

impl<'de> Visitor<'de> for PlaceOfSecret {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("{ env = \"NAME\" }, { command = \"…\" } or { file = \"/path\" }")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom(
            "a secret is never written here: say where it is, as { env = \"NAME\" }, { command = \"…\" } or { file = \"/path\" }",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(&mut map))?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a secret is in one place: keep one of env, command and file"));
        }
        Ok(match written {
            Written::Env(name) => SecretRef::Env(name),
            Written::Command(command) => SecretRef::Command(command),
            Written::File(path) => SecretRef::File(path),
        })
    }
}
