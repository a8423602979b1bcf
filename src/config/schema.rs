//! The config as a JSON Schema (draft 2020-12), for editors: of the types that read it, and of every kind of source in the registry.
//!
//! It knows names and types. What only reading can tell (a length of time, an address, two servers of one name) is `check`'s business.

use super::read::{JournalTable, LogsTable, PresenterKeys, RunbooksTable, ScreenTable};
use crate::connect::SiteSettings;
use crate::domain::Limits;
use crate::domain::incident::RulesTable;
use crate::domain::json::without_null;
use crate::domain::notify::Notify;
use crate::domain::risk::Policy;
use crate::domain::secret::SecretRef;
use crate::domain::view::View;
use crate::sources::{Describe, SOURCES, ServerSettings, SourceKind};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The keys that are not a kind of source. A test holds them to those that are read.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Keys {
    /// The name of what is operated, shown in the header and written into every record: a-z, 0-9 and -, at most 32 characters.
    #[schemars(length(max = 32), regex(pattern = "^[a-z0-9-]+$"))]
    environment: Option<String>,
    /// Red frame, writes locked at start. Default: true when the environment's name begins with "prod".
    guarded: Option<bool>,
    /// `auto`, the name of a theme, or the path of a file.
    theme: Option<String>,
    /// `default`, the name of a preset, or the path of a keymap laid over the default one.
    keymap: Option<String>,
    /// How many colours, whatever the terminal seems to show.
    #[schemars(extend("enum" = ["auto", "always", "never", "16", "256", "true"]))]
    colors: Option<String>,
    /// Only ASCII on the screen. Default: by the locale, and by the terminal.
    ascii: Option<bool>,
    /// How somebody who looks elsewhere is told.
    notify: Option<Notify>,
    /// After an unlock writes lock again by themselves: minutes.
    #[schemars(range(min = 1, max = 1440))]
    relock_minutes: Option<u64>,
    /// Where a figure becomes a warning, and where critical.
    limits: Option<Limits>,
    /// The answer that a change takes, by the risk of its runbook.
    policy: Option<Policy>,
    /// A screen that others see.
    presenter: Option<PresenterKeys>,
    /// The record of everything done.
    journal: Option<JournalTable>,
    /// Incidents: how soon somebody answers, how often others are told, who is called when.
    incident: Option<RulesTable>,
    /// Runbooks beside those built in.
    runbooks: Option<RunbooksTable>,
    /// The log view.
    logs: Option<LogsTable>,
    /// What the screen begins with.
    screen: Option<ScreenTable>,
    /// The team's named views.
    view: Option<Vec<View>>,
    /// Servers by name.
    server: Option<Vec<ServerSettings>>,
    /// Web services that runbooks ask, by name.
    http: Option<BTreeMap<String, SiteSettings>>,
    /// Where the secrets are that runbooks name.
    secret: Option<BTreeMap<String, SecretRef>>,
}

/// The schema of a whole config. An environment's file laid over another may hold less than it asks for.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let mut root = Value::from(Keys::json_schema(&mut generator));
    let kinds: Vec<(&SourceKind, Value)> =
        SOURCES.iter().filter_map(|kind| Some((kind, tables(kind, kind.schema?, &mut generator)))).collect();
    for (kind, tables) in kinds {
        root["properties"][kind.name] = tables;
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("quarterdeck's config");
    root["description"] = json!("What quarterdeck looks at, and how. `quarterdeck check` tells what a schema can't.");
    root["$defs"] = Value::Object(generator.take_definitions(true));
    without_null(&mut root);
    root
}

/// `[kind.NAME]`.
fn tables(kind: &SourceKind, describe: Describe, generator: &mut SchemaGenerator) -> Value {
    let mut table = Value::from(describe(generator));
    table["description"] = json!(kind.doc);
    json!({
        "type": "object",
        "description": kind.doc,
        "propertyNames": { "pattern": "^[A-Za-z0-9._-]+$" },
        "additionalProperties": table,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_has_the_keys_that_are_read_each_with_its_meaning() {
        let schema = schema();
        let properties = schema["properties"].as_object().unwrap();
        let kinds = SOURCES.iter().filter(|kind| kind.read.is_some()).map(|kind| kind.name);
        let read: BTreeSet<&str> = super::super::KEYS.into_iter().chain(kinds).collect();
        assert_eq!(properties.keys().map(String::as_str).collect::<BTreeSet<_>>(), read);
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{key}");
        }
        for kind in SOURCES.iter().filter(|kind| kind.read.is_some()) {
            let table = &properties[kind.name]["additionalProperties"];
            assert_eq!(table["additionalProperties"], json!(false), "{}", kind.name);
            for (key, property) in table["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{} {key}", kind.name);
            }
        }
        assert!(!schema.to_string().contains("\"null\""));
    }
}
