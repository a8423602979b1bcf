//! What `gh` lists where nobody asks for JSON, and no terminal is there: a line for each thing, its columns apart by tabs.

use serde_json::Value;

/// `gh run list`, `gh pr list` and the like: the keys of its columns, in their order.
const COLUMNS: [(&str, &[&str]); 4] = [
    (
        "run",
        &[
            "status",
            "conclusion",
            "displayTitle",
            "workflowName",
            "headBranch",
            "event",
            "databaseId",
            "elapsed",
            "createdAt",
        ],
    ),
    ("pr", &["number", "title", "headRefName", "state", "createdAt"]),
    ("issue", &["number", "state", "title", "labels", "updatedAt"]),
    ("label", &["name", "description", "color"]),
];

/// The lines, of what is listed.
pub(super) fn table(of: &str, all: &Value) -> String {
    let columns = COLUMNS.iter().find(|(own, _)| *own == of).map_or(&[][..], |(_, columns)| columns);
    let line = |one: &Value| {
        let words: Vec<String> = columns.iter().map(|column| word(&one[column])).collect();
        words.join("\t") + "\n"
    };
    all.as_array().into_iter().flatten().map(line).collect()
}

/// Only what was asked for of each (`--json number,title`).
pub(super) fn only(fields: &str, told: &Value) -> Value {
    let own = |one: &Value| fields.split(',').map(|field| (field.to_owned(), one[field].clone())).collect::<Value>();
    match told {
        Value::Array(all) => all.iter().map(own).collect(),
        one => own(one),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(all) => all.iter().map(|one| word(&one["name"])).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_has_a_line_for_each_and_json_only_what_was_asked_for() {
        let issues = json!([{"number": 71, "state": "OPEN", "title": "a", "labels": [{"name": "hotfix"}, {"name": "p1"}]}, {"number": 70, "title": "b"}]);
        assert_eq!(table("issue", &issues), "71\tOPEN\ta\thotfix, p1\t\n70\t\tb\t\t\n");
        assert_eq!(only("number,title", &issues), json!([{"number": 71, "title": "a"}, {"number": 70, "title": "b"}]));
        assert_eq!(only("status", &json!({"status": "waiting", "id": 1})), json!({"status": "waiting"}));
    }
}
