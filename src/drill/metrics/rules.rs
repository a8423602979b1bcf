//! Alert rules: read as Prometheus reads them, evaluated over what was scraped; first pending, then firing.

use super::promql::{self, Query, Sample, Value};
use super::series::{Labels, NAME};
use promql_parser::parser::Expr;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rules that the product ships for SpaceTime.
const SHIPPED: &str = include_str!("../../../assets/monitoring/alerts.yml");

#[derive(Deserialize)]
struct File {
    groups: Vec<GroupText>,
}

#[derive(Deserialize)]
struct GroupText {
    name: String,
    rules: Vec<RuleText>,
}

#[derive(Deserialize)]
struct RuleText {
    alert: String,
    expr: String,
    #[serde(rename = "for", default)]
    hold: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A rule and what it has found.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The group that it is in.
    pub group: String,
    /// `alertname`.
    pub name: String,
    /// PromQL, as it is written.
    pub query: String,
    /// How long it must hold before it fires: seconds of the world.
    pub hold: i64,
    /// Labels that it adds.
    pub labels: BTreeMap<String, String>,
    /// Annotations, with their templates.
    pub annotations: BTreeMap<String, String>,
    /// What it has found, by the labels of the alert.
    pub alerts: BTreeMap<Labels, Alert>,
    expr: Expr,
}

/// An alert of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// All its labels, `alertname` among them.
    pub labels: Labels,
    /// Annotations as they read.
    pub annotations: BTreeMap<String, String>,
    /// The second of the world since when it holds.
    pub since: i64,
    /// And since when it fires.
    pub fires: Option<i64>,
    /// The value of the expression.
    pub value: f64,
}

impl Alert {
    /// `pending` or `firing`.
    pub const fn state(&self) -> &'static str {
        if self.fires.is_some() { "firing" } else { "pending" }
    }
}

/// The shipped rules.
///
/// # Errors
/// When they can't be read, which a test excludes.
pub fn shipped() -> Result<Vec<Rule>, String> {
    let file: File = serde_saphyr::from_str(SHIPPED).map_err(|why| why.to_string())?;
    let of = |group: GroupText| group.rules.into_iter().map(move |rule| read(&group.name, rule));
    file.groups.into_iter().flat_map(of).collect()
}

fn read(group: &str, text: RuleText) -> Result<Rule, String> {
    Ok(Rule {
        group: group.to_owned(),
        name: text.alert,
        expr: promql::parse(&text.expr)?,
        query: text.expr.trim().to_owned(),
        hold: seconds(&text.hold)?,
        labels: text.labels,
        annotations: text.annotations,
        alerts: BTreeMap::new(),
    })
}

/// `5m`, `1h`, `30s` or nothing.
fn seconds(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let length = promql_parser::util::parse_duration(text)?;
    Ok(length.as_secs() as i64)
}

impl Rule {
    /// Looks once: at that second of the world, over what was scraped.
    pub fn evaluate(&mut self, second: i64, query: &Query<'_>) {
        let found = match query.run(&self.expr) {
            Ok(Value::Vector(samples)) => samples,
            Ok(Value::Scalar(value)) => vec![Sample { labels: Labels::new(), value, at: query.at }],
            Ok(_) | Err(_) => Vec::new(),
        };
        let before = std::mem::take(&mut self.alerts);
        for sample in found {
            let labels = self.labels_of(&sample);
            let since = before.get(&labels).map_or(second, |alert| alert.since);
            let fires = before.get(&labels).and_then(|alert| alert.fires);
            let fires = fires.or((second - since >= self.hold).then_some(second));
            let annotations =
                self.annotations.iter().map(|(name, text)| (name.clone(), render(text, &sample))).collect();
            self.alerts.insert(labels.clone(), Alert { labels, annotations, since, fires, value: sample.value });
        }
    }

    fn labels_of(&self, sample: &Sample) -> Labels {
        let mut labels = sample.labels.clone();
        labels.remove(NAME);
        labels.insert("alertname".into(), self.name.as_str().into());
        labels.extend(self.labels.iter().map(|(name, value)| (Arc::from(name.as_str()), Arc::from(value.as_str()))));
        labels
    }

    /// `pending` or `firing`, by the labels of each alert.
    pub fn states(&self) -> BTreeMap<Labels, &'static str> {
        self.alerts.iter().map(|(labels, alert)| (labels.clone(), alert.state())).collect()
    }

    /// `ALERTS`, as Prometheus writes it.
    pub fn series(&self) -> impl Iterator<Item = (Labels, f64)> + '_ {
        self.alerts.values().map(|alert| {
            let mut labels = alert.labels.clone();
            labels.insert(NAME.into(), "ALERTS".into());
            labels.insert("alertstate".into(), alert.state().into());
            (labels, 1.0)
        })
    }
}

/// Fills `{{ $labels.NAME }}` and `{{ $value | FUNCTION }}` in; the two that the shipped rules use are known.
fn render(text: &str, sample: &Sample) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inside, behind)) = after.split_once("}}") else { return out + &rest[before.len()..] };
        out.push_str(&filled(inside.trim(), sample));
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn filled(inside: &str, sample: &Sample) -> String {
    if let Some(name) = inside.strip_prefix("$labels.") {
        return sample.labels.get(name).map_or_else(String::new, ToString::to_string);
    }
    let value = sample.value;
    match inside.strip_prefix("$value").map(|rest| rest.trim_start_matches([' ', '|'])) {
        Some("") => value.to_string(),
        Some("humanizePercentage") => short(value * 100.0, 2) + "%",
        Some("humanizeDuration") => short(value, 3) + "s",
        _ => format!("{{{{ {inside} }}}}"),
    }
}

/// With up to so many places behind the point.
fn short(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::metrics::Past;

    #[test]
    fn the_shipped_rules_are_read() {
        let rules = shipped().unwrap();
        let named: Vec<(&str, i64)> = rules.iter().map(|rule| (rule.name.as_str(), rule.hold)).collect();
        assert!(named.contains(&("ServiceDown", 60)) && named.contains(&("Watchdog", 0)), "{named:?}");
        assert!(rules.iter().all(|rule| rule.name == "Watchdog" || rule.annotations.contains_key("runbook")));
    }

    #[test]
    fn an_alert_is_pending_then_fires_then_is_gone() {
        let mut rule = shipped().unwrap().into_iter().find(|rule| rule.name == "ServiceDown").unwrap();
        let mut past = Past::new(600.0);
        let up: Labels =
            [(NAME, "up"), ("job", "godot"), ("instance", "a:8080")].map(|(a, b)| (a.into(), b.into())).into();
        let mut look = |second: i64, value: f64| {
            past.scrape(second as f64, "a", [(up.clone(), value)]);
            rule.evaluate(second, &Query { past: &past, at: second as f64, speed: 1.0 });
            rule.series().map(|(labels, _)| labels["alertstate"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(look(0, 1.0), Vec::<String>::new());
        assert_eq!(look(10, 0.0), ["pending"]);
        assert_eq!(look(60, 0.0), ["pending"]);
        assert_eq!(look(70, 0.0), ["firing"]);
        assert_eq!(look(80, 1.0), Vec::<String>::new());
        assert_eq!(look(90, 0.0), ["pending"]);
        let alert = rule.alerts.values().next().unwrap();
        assert_eq!(alert.annotations["summary"], "SpaceTime on a:8080 is down");
        assert_eq!(alert.labels["severity"].as_ref(), "critical");
    }

    #[test]
    fn templates_are_filled() {
        let sample = Sample { labels: [("instance".into(), "a".into())].into(), value: 0.1234, at: 0.0 };
        let text = "{{ $value | humanizePercentage }} of {{ $labels.instance }}, {{ $value | humanizeDuration }}, {{ $labels.none }}{{ x }}";
        assert_eq!(render(text, &sample), "12.34% of a, 0.123s, {{ x }}");
        assert_eq!(render("{{ cut", &sample), "{{ cut");
    }
}
