//! Relabelling as Prometheus does it: the actions of a `relabel_config`, applied to the labels of an alert. Pure.
//!
//! Source: `model/relabel` of Prometheus. `hashmod` alone is not followed: it is for sharing targets out, and wants MD5.

use crate::domain::alert::Labels;
use regex::{Captures, Regex};
use serde::Deserialize;

/// One `relabel_config`, with Prometheus' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Relabel {
    source_labels: Vec<String>,
    separator: String,
    regex: String,
    target_label: String,
    replacement: String,
    action: String,
}

impl Default for Relabel {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: "replace".to_owned(),
        }
    }
}

/// One step of relabelling, ready to be applied.
#[derive(Clone, Debug)]
pub(super) struct Step {
    config: Relabel,
    regex: Regex,
    action: Kind,
}

/// The expression is part of the configuration.
impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        let parts = |step: &Self| {
            let Relabel { source_labels, separator, regex, target_label, replacement, action: _ } = step.config.clone();
            (source_labels, separator, regex, target_label, replacement, step.action)
        };
        parts(self) == parts(other)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Replace,
    Lowercase,
    Uppercase,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    LabelMap,
    LabelDrop,
    LabelKeep,
}

impl Relabel {
    /// `None` for an action that is not followed, and for an expression that Prometheus could read and we can't.
    pub(super) fn step(&self) -> Option<Step> {
        let action = match self.action.to_lowercase().as_str() {
            "replace" => Kind::Replace,
            "lowercase" => Kind::Lowercase,
            "uppercase" => Kind::Uppercase,
            "keep" => Kind::Keep,
            "drop" => Kind::Drop,
            "keepequal" => Kind::KeepEqual,
            "dropequal" => Kind::DropEqual,
            "labelmap" => Kind::LabelMap,
            "labeldrop" => Kind::LabelDrop,
            "labelkeep" => Kind::LabelKeep,
            _ => return None,
        };
        // Prometheus anchors it, and lets a dot be a line's end too.
        let regex = Regex::new(&format!("^(?s:{})$", self.regex)).ok()?;
        Some(Step { config: self.clone(), regex, action })
    }
}

impl Step {
    /// The labels after it; `None`: what had them is dropped.
    pub(super) fn apply(&self, mut labels: Labels) -> Option<Labels> {
        let value = self.source(&labels);
        let target = &self.config.target_label;
        let same = || labels.get(target).map_or("", String::as_str) == value;
        match self.action {
            Kind::Keep => self.regex.is_match(&value).then_some(labels),
            Kind::Drop => (!self.regex.is_match(&value)).then_some(labels),
            Kind::KeepEqual => same().then_some(labels),
            Kind::DropEqual => (!same()).then_some(labels),
            Kind::Replace => {
                if let Some(found) = self.regex.captures(&value) {
                    set(&mut labels, expanded(&found, target), expanded(&found, &self.config.replacement));
                }
                Some(labels)
            }
            Kind::Lowercase => {
                set(&mut labels, target.clone(), value.to_lowercase());
                Some(labels)
            }
            Kind::Uppercase => {
                set(&mut labels, target.clone(), value.to_uppercase());
                Some(labels)
            }
            Kind::LabelMap => Some(self.mapped(labels)),
            Kind::LabelDrop | Kind::LabelKeep => {
                labels.retain(|name, _| self.lets_name_pass(name));
                Some(labels)
            }
        }
    }

    /// It does not drop a label for its name.
    pub(super) fn lets_name_pass(&self, name: &str) -> bool {
        match self.action {
            Kind::LabelDrop => !self.regex.is_match(name),
            Kind::LabelKeep => self.regex.is_match(name),
            Kind::Replace
            | Kind::Lowercase
            | Kind::Uppercase
            | Kind::Keep
            | Kind::Drop
            | Kind::KeepEqual
            | Kind::DropEqual
            | Kind::LabelMap => true,
        }
    }

    /// It may give a label another value, or make one.
    pub(super) fn rewrites(&self) -> bool {
        matches!(self.action, Kind::Replace | Kind::Lowercase | Kind::Uppercase | Kind::LabelMap)
    }

    /// The values of the source labels, joined. One that is not there is empty.
    fn source(&self, labels: &Labels) -> String {
        let value = |name: &String| labels.get(name).map_or("", String::as_str);
        let values: Vec<&str> = self.config.source_labels.iter().map(value).collect();
        values.join(&self.config.separator)
    }

    /// Each label whose name matches, once more under the name that is made of it.
    fn mapped(&self, labels: Labels) -> Labels {
        let mut mapped = labels.clone();
        for (name, value) in labels {
            if let Some(found) = self.regex.captures(&name) {
                set(&mut mapped, expanded(&found, &self.config.replacement), value);
            }
        }
        mapped
    }
}

/// `$1`, `${1}`, `${name}`, as both Go and this library have them.
fn expanded(found: &Captures<'_>, template: &str) -> String {
    let mut out = String::new();
    found.expand(template, &mut out);
    out
}

/// An empty value takes a label away; there is no label without a name.
fn set(labels: &mut Labels, name: String, value: String) {
    if value.is_empty() {
        labels.remove(&name);
    } else if !name.is_empty() {
        labels.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn after(yaml: &str, pairs: &[(&str, &str)]) -> Option<Labels> {
        serde_saphyr::from_str::<Relabel>(yaml).unwrap().step().unwrap().apply(labels(pairs))
    }

    #[test]
    fn a_value_is_replaced_by_what_was_found_in_others() {
        let host = r"{source_labels: [instance, job], separator: '@', regex: '(.+):\d+@(.+)', target_label: host, replacement: '${2}-$1'}";
        let own = [("instance", "db-1:9100"), ("job", "pg")];
        assert_eq!(after(host, &own), Some(labels(&[own[0], own[1], ("host", "pg-db-1")])));
        let other = [("instance", "db-1")];
        assert_eq!(after(host, &other), Some(labels(&other)), "what does not match stays as it is");
        assert_eq!(
            after("{regex: rep, target_label: replica}", &[("replica", "a")]),
            Some(labels(&[("replica", "a")]))
        );
        assert_eq!(after("{target_label: replica, replacement: ''}", &[("replica", "a")]), Some(labels(&[])));
        let named = "{source_labels: [a], target_label: 'x_$1'}";
        assert_eq!(after(named, &[("a", "b")]), Some(labels(&[("a", "b"), ("x_b", "b")])));
    }

    #[test]
    fn cases_change() {
        let own = [("severity", "Critical")];
        let lower = "{source_labels: [severity], target_label: severity, action: lowercase}";
        assert_eq!(after(lower, &own), Some(labels(&[("severity", "critical")])));
        assert_eq!(after(&lower.replace("lower", "UPPER"), &own), Some(labels(&[("severity", "CRITICAL")])));
    }

    #[test]
    fn alerts_are_kept_and_dropped_by_the_whole_value() {
        let keep = "{source_labels: [team], regex: 'web|db', action: keep}";
        assert!(after(keep, &[("team", "web")]).is_some() && after(keep, &[("team", "webs")]).is_none());
        let drop = "{source_labels: [team], regex: '', action: drop}";
        assert!(after(drop, &[]).is_none() && after(drop, &[("team", "web")]).is_some());
        let equal = "{source_labels: [a], target_label: b, action: keepequal}";
        assert!(after(equal, &[("a", "1"), ("b", "1")]).is_some() && after(equal, &[("a", "1")]).is_none());
        assert!(after(&equal.replace("keep", "drop"), &[("a", "1"), ("b", "1")]).is_none());
    }

    #[test]
    fn names_are_mapped_dropped_and_kept_as_a_whole() {
        let own = [("meta_zone", "a"), ("xmeta_zone", "b")];
        let map = "{regex: 'meta_(.+)', action: labelmap}";
        assert_eq!(after(map, &own), Some(labels(&[own[0], own[1], ("zone", "a")])));
        let drop = "{regex: 'rep|x.*', action: labeldrop}";
        let all = [("rep", "1"), ("replica", "1"), ("xyz", "1")];
        assert_eq!(after(drop, &all), Some(labels(&[("replica", "1")])));
        assert_eq!(after(&drop.replace("drop", "keep"), &all), Some(labels(&[all[0], all[2]])));
    }

    #[test]
    fn what_is_not_followed_is_left_out() {
        let step = |yaml: &str| serde_saphyr::from_str::<Relabel>(yaml).unwrap().step();
        assert!(step("{source_labels: [a], target_label: b, modulus: 8, action: hashmod}").is_none());
        assert!(step("{regex: '(', action: drop}").is_none());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            regex in "\\PC{0,12}",
            replacement in "[$0-9a-z{}é]{0,8}",
            action in "replace|labelmap|lowercase|labeldrop|keep",
        ) {
            let config = Relabel { regex, replacement, action, target_label: "t".into(), ..Relabel::default() };
            if let Some(step) = config.step() {
                let _ = step.apply(labels(&[("a", "b"), ("é", "\u{0}")]));
            }
        }
    }
}
