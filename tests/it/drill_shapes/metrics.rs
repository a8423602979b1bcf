//! The page of a node_exporter: which series it has, their types and the names of their labels.

use super::lacking;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// What the product reads of a page, where it says so.
const READER: &str = include_str!("../../../src/sources/node_exporter/parse.rs");

#[derive(Default, PartialEq)]
struct Family {
    kind: String,
    labels: BTreeSet<BTreeSet<String>>,
}

fn families(page: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    let label = Regex::new("([a-zA-Z_]+)=\"").unwrap();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut all.entry(name.to_owned()).or_default().kind);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap_or_default().to_owned();
            let labels = label.captures_iter(line).map(|found| found[1].to_owned()).collect();
            all.entry(name).or_default().labels.insert(labels);
        }
    }
    all
}

/// The beginnings of names that are read, from the list in the product.
fn read() -> Vec<String> {
    let (_, list) = READER.split_once("const SERIES").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let name = Regex::new(r#""(node_[a-zA-Z0-9_]+)"#).unwrap();
    let names: Vec<String> = name.captures_iter(list).map(|found| found[1].to_owned()).collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// What a drill's page has otherwise than the real one.
pub fn compare(real: &str, drill: &str) -> Vec<String> {
    let (theirs, ours, read) = (families(real), families(drill), read());
    let is_read = |name: &String| read.iter().any(|begin| name.starts_with(begin.as_str()));
    let mut found = Vec::new();
    for (name, family) in &ours {
        match theirs.get(name) {
            Some(known) if known.kind != family.kind => {
                found.push(format!("{name} is a {}, a {} in a drill", known.kind, family.kind));
            }
            Some(known) if !family.labels.is_subset(&known.labels) => {
                found.push(format!("{name} has labels {:?}, {:?} in a drill", known.labels, family.labels));
            }
            Some(_) => {}
            // What this machine's kernel does not tell, another one's does.
            None if is_read(name) => {}
            None => found.push(format!("{name} is in a drill alone")),
        }
    }
    let missing = theirs.keys().filter(|name| is_read(name) && !ours.contains_key(*name) && !lacking::is_unread(name));
    found.extend(missing.map(|name| format!("{name} is not there in a drill")));
    found
}
