//! The front matter as a JSON Schema (draft 2020-12), for editors. It knows keys and types; what only reading can tell is the parser's
//! business.

use crate::domain::json::without_null;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

/// A test holds its keys to those that are read.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Front {
    /// The version of the format. It marks the page as a runbook.
    #[schemars(extend("const" = 1))]
    runbook: u8,
    /// Its name in the library, which no other has: a-z, 0-9 and -.
    #[schemars(regex(pattern = "^[a-z0-9-]+$"))]
    id: String,
    /// What it does, in one line.
    title: String,
    /// Who answers for it.
    owner: String,
    /// The day on which somebody last saw that it is right, as 2026-01-31.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    reviewed: String,
    /// The section of the team's handbook that it stands for, as `Database Operations › Daily Backup`.
    handbook: Option<String>,
    /// Names of alerts that offer it; `*` stands for any text.
    #[schemars(length(min = 1))]
    alerts: Option<Vec<String>>,
    /// The pane in whose action menu it stands.
    #[schemars(extend("enum" = ["servers", "containers", "alerts", "databases"]))]
    pane: Option<String>,
    /// A suggested key in that pane.
    key: Option<String>,
    /// Where it may run; absent: everywhere.
    #[schemars(length(min = 1))]
    environments: Option<Vec<String>>,
    /// How much harm it can do. The policy makes a confirmation of it.
    #[schemars(extend("enum" = ["read", "low", "high", "irreversible"]))]
    risk: String,
    /// Who and what is touched as a whole, where its targets alone do not say it, as `all players on $server`. It stands first in the plan.
    affects: Option<String>,
    /// The word that the confirmation begins with: `kill`. Required from `high` up.
    #[schemars(regex(pattern = "^[a-z-]+$"))]
    verb: Option<String>,
    /// What is held while it runs, as `database/primary` or `server/$server`.
    #[schemars(length(min = 1))]
    lock: Option<Vec<String>>,
    /// The connections and roles that it needs, as `postgres/primary` or `role/game`.
    #[schemars(length(min = 1))]
    uses: Option<Vec<String>>,
    /// Where it stops by itself.
    limits: Option<Limits>,
    /// What can be chosen for a run.
    params: Option<Vec<Param>>,
    /// Names of secrets that the config defines.
    #[schemars(length(min = 1))]
    secrets: Option<Vec<String>>,
    /// About how long it takes, as 20m.
    duration: Option<String>,
}

/// Hard stops.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Limits {
    /// The most rows that a plan may find.
    #[schemars(range(min = 1))]
    rows: Option<u64>,
    /// The most hosts that are changed.
    #[schemars(range(min = 1))]
    hosts: Option<u64>,
    /// The longest that a run takes.
    #[schemars(range(min = 1))]
    minutes: Option<u64>,
}

/// A parameter.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Param {
    /// Its name: a-z, 0-9 and _, a letter first.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"))]
    name: String,
    /// What values it takes. A `server` brings its address as `NAME_addr`; an `address` is a host that the config does not know yet.
    #[schemars(extend("enum" = ["int", "string", "bool", "duration", "server", "container", "database", "address", "enum"]))]
    r#type: String,
    /// What it is, and an example, without a full stop: `the version to deploy, such as v1.4.2`.
    description: Option<String>,
    /// It takes a list of them.
    many: Option<bool>,
    /// What it is when nothing is given.
    default: Option<Value>,
    /// It must be given.
    required: Option<bool>,
    /// Least value of an int or a duration.
    min: Option<Bound>,
    /// Greatest value of an int or a duration.
    max: Option<Bound>,
    /// A regular expression that the whole text must match.
    pattern: Option<String>,
    /// The only values that are allowed.
    #[schemars(length(min = 1))]
    choices: Option<Vec<Value>>,
    /// Of a server: the role that it must have, as `role:game`.
    #[schemars(regex(pattern = "^role:"))]
    from: Option<String>,
    /// Of a server: the role of those that are meant as a rule, which come first where one is chosen, as `role:game`.
    #[schemars(regex(pattern = "^role:"))]
    prefer: Option<String>,
    /// What no value means, in a word or two: `any`.
    empty: Option<String>,
}

/// A number, or a length of time as 90s.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Bound {
    Number(i64),
    Span(String),
}

/// The schema of a runbook's front matter.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let mut root = Value::from(Front::json_schema(&mut generator));
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("The front matter of a runbook");
    root["description"] = json!("What stands between the two lines of `---` at the top of a runbook.");
    root["$defs"] = Value::Object(generator.take_definitions(true));
    without_null(&mut root);
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Subject;
    use crate::runbook::model::ParamType;
    use crate::runbook::parse::{KEYS, LIMIT_KEYS, PARAM_KEYS};
    use std::collections::BTreeSet;

    fn keys(table: &Value) -> BTreeSet<&str> {
        let properties = table["properties"].as_object().unwrap();
        assert!(properties.values().all(|property| property["description"].is_string()), "{table}");
        assert_eq!(table["additionalProperties"], json!(false));
        properties.keys().map(String::as_str).collect()
    }

    #[test]
    fn it_has_the_keys_that_are_read_each_with_its_meaning() {
        let schema = schema();
        assert_eq!(keys(&schema), KEYS.into());
        assert_eq!(keys(&schema["$defs"]["Limits"]), LIMIT_KEYS.into());
        assert_eq!(keys(&schema["$defs"]["Param"]), PARAM_KEYS.into());
        assert_eq!(schema["$defs"]["Param"]["properties"]["type"]["enum"], json!(ParamType::ALL.map(ParamType::word)));
        assert_eq!(schema["properties"]["pane"]["enum"], json!(Subject::ALL.map(Subject::word)));
        assert_eq!(schema["required"], json!(["runbook", "id", "title", "owner", "reviewed", "risk"]));
    }

    #[test]
    fn it_takes_what_the_parser_takes() {
        let schema = jsonschema::validator_for(&schema()).unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/runbooks/valid");
        for entry in std::fs::read_dir(folder).unwrap() {
            let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let yaml = source.split("---\n").nth(1).unwrap();
            let front: Value = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(
                schema.iter_errors(&front).map(|error| error.to_string()).collect::<Vec<_>>(),
                [""; 0],
                "{yaml}"
            );
        }
        assert!(!schema.is_valid(&json!({"runbook": 2})));
    }
}
