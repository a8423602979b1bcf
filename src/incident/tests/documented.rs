//! The JSON of incidents has the names that docs/incident.md tells, and no others.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

type Names = BTreeSet<String>;

/// Of an incident in which everything happened that can.
fn eventful() -> Value {
    let (mut pen, mut records) = (Pen::new(7, "eve", "bastion"), story());
    let all = [
        (RecordKind::IncidentRole, json!({ "duty": "operations", "name": "ben" })),
        (RecordKind::IncidentRole, json!({ "duty": "scribe", "name": "eve" })),
        (RecordKind::IncidentReopen, json!({ "reason": "it is back" })),
        (RecordKind::IncidentSeverity, json!({ "priority": "P0", "before": "P1", "reason": "all of them" })),
        (RecordKind::IncidentUpdate, json!({ "text": "we look into it" })),
        (RecordKind::AlertFired, json!({ "name": "HighErrorRate", "fingerprint": "f2" })),
        (RecordKind::IncidentMitigate, json!({ "text": "restarted" })),
        (RecordKind::IncidentResolve, json!({ "text": "all well" })),
        (RecordKind::IncidentReport, json!({ "file": "/pm.md", "complete": false, "left": 2 })),
    ];
    records.extend((300..).zip(all).map(|(second, (kind, data))| pen.write(second, Some(id()), kind, data)));
    json::whole(&one(&records), &Rules::default(), at(400))
}

/// The names between backticks in a cell.
fn quoted(cell: &str) -> Names {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each name of the page's table, with those of what stands under it.
fn documented() -> BTreeMap<String, Names> {
    let page = include_str!("../../../docs/incident.md");
    let table = page.split_once("\n## JSON\n").expect("the page has the chapter").1;
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| {
        let row = format!("`{row}");
        let mut cells = row.split('|');
        let (names, own) = (quoted(cells.next().unwrap_or("")), quoted(cells.next().unwrap_or("")));
        names.into_iter().map(move |name| (name, own.clone()))
    })
    .collect()
}

/// The names of an object, or of all objects of a list.
fn names(value: &Value) -> Names {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    all.iter().filter_map(Value::as_object).flat_map(|object| object.keys().cloned()).collect()
}

#[test]
fn every_name_in_the_json_is_documented_and_every_documented_name_is_there() {
    let (value, documented) = (eventful(), documented());
    let mut found: BTreeMap<String, Names> =
        value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), names(value))).collect();
    // What `handover` and `report` print beside those of `list`.
    found.insert("text".to_owned(), Names::new());
    found.insert("kept".to_owned(), ["part", "new", "disputed"].map(str::to_owned).into());
    assert_eq!(found, documented);
    assert_eq!(documented["detected"], &documented["resolved"] | &Names::from(["fingerprint".to_owned()]));
    // Ends that were none are made of moments, too.
    let moment = &documented["resolved"];
    for end in ["mitigated", "resolved", "reopened"] {
        assert_eq!(&names(&value["earlier_ends"][0][end]), moment, "{end}");
    }
    for name in ["detected", "first_change", "earlier_ends", "severities", "updates", "actions", "firing", "clocks"] {
        assert!(!value[name].is_null() && value[name] != json!([]), "{name}: a test of nothing");
    }
}
