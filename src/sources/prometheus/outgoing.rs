//! What Prometheus makes of an alert's labels before it notifies: it adds its external labels, and relabels; then once more for
//! each set of Alertmanagers.
//!
//! `/api/v1/alerts` tells the labels as they are before that. Alertmanager only knows those after it, and its fingerprint,
//! to which silences and inhibitions refer, is computed from them. So what is done on the way out is done here too.
//! Source: `global.external_labels`, `alerting.alert_relabel_configs` and `alerting.alertmanagers[].alert_relabel_configs` of the
//! configuration (`/api/v1/status/config`).

use super::relabel::{Relabel, Step};
use crate::domain::alert::Labels;
use serde::Deserialize;

/// `data` of `/api/v1/status/config`.
#[derive(Deserialize)]
pub(super) struct Told {
    yaml: String,
}

/// What is done to labels on their way out.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    external: Labels,
    steps: Vec<Step>,
    /// What follows for each set of Alertmanagers; each set of steps once. Empty: none is configured.
    sets: Vec<Vec<Step>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Configuration {
    global: Global,
    alerting: Alerting,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Global {
    external_labels: Labels,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Alerting {
    alert_relabel_configs: Vec<Relabel>,
    alertmanagers: Vec<Alertmanagers>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Alertmanagers {
    alert_relabel_configs: Vec<Relabel>,
}

impl Outgoing {
    /// From what the server told; `None` when that is no configuration.
    pub(super) fn of(told: &Told) -> Option<Self> {
        let read: Configuration = serde_saphyr::from_str(&told.yaml).ok()?;
        let steps = |configs: &[Relabel]| configs.iter().filter_map(Relabel::step).collect::<Vec<_>>();
        let mut sets: Vec<Vec<Step>> = Vec::new();
        for set in &read.alerting.alertmanagers {
            let steps = steps(&set.alert_relabel_configs);
            if !sets.contains(&steps) {
                sets.push(steps);
            }
        }
        let external = read.global.external_labels;
        Some(Self { external, steps: steps(&read.alerting.alert_relabel_configs), sets })
    }

    /// The labels as the Alertmanagers get them: mostly one set of labels, several where sets of Alertmanagers get different ones,
    /// none where no Alertmanager gets the alert.
    pub(super) fn apply(&self, labels: &Labels) -> Vec<Labels> {
        let mut labels = labels.clone();
        for (name, value) in &self.external {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let Some(labels) = through(&self.steps, labels) else { return Vec::new() };
        if self.sets.is_empty() {
            return vec![labels];
        }
        let mut all: Vec<Labels> = Vec::new();
        for labels in self.sets.iter().filter_map(|steps| through(steps, labels.clone())) {
            if !all.contains(&labels) {
                all.push(labels);
            }
        }
        all
    }

    /// Labels get other names or values on the way, so that they don't tell an alert's own series any more.
    pub(super) fn rewrites(&self) -> bool {
        self.sets.iter().chain([&self.steps]).flatten().any(Step::rewrites)
    }

    /// The external labels that get through.
    pub(super) fn external(&self) -> Labels {
        let mut labels = self.external.clone();
        labels.retain(|name, _| self.steps.iter().all(|step| step.lets_name_pass(name)));
        labels
    }
}

/// Through all steps; `None`: it is dropped by one.
fn through(steps: &[Step], labels: Labels) -> Option<Labels> {
    steps.iter().try_fold(labels, |labels, step| step.apply(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::prometheus::envelope;
    use crate::domain::alert::fingerprint;
    use proptest::prelude::*;

    const CONFIG: &[u8] = include_bytes!("../../../tests/fixtures/prometheus/pair-config.json");

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn of(yaml: &str) -> Outgoing {
        Outgoing::of(&Told { yaml: yaml.to_owned() }).unwrap()
    }

    /// The fingerprint is the one that the pair's Alertmanager gave to this alert of a Prometheus with the external labels
    /// `cluster` and `replica`, of which the latter is dropped.
    #[test]
    fn the_labels_of_a_real_pair_become_those_of_its_alertmanager() {
        let outgoing = Outgoing::of(&envelope::<Told>(CONFIG).unwrap().data).unwrap();
        let disk = labels(&[("alertname", "DiskFilling"), ("instance", "db-1:9100"), ("severity", "warning")]);
        let disk = outgoing.apply(&disk);
        assert_eq!((disk.len(), &*fingerprint(&disk[0])), (1, "399832d02899ba46"));
        assert!(!outgoing.rewrites());
        assert_eq!(outgoing.external(), labels(&[("cluster", "eu")]));
    }

    #[test]
    fn an_alerts_own_label_outranks_an_external_one() {
        let outgoing = of("global: {external_labels: {cluster: eu, zone: 1}}");
        let own = outgoing.apply(&labels(&[("cluster", "us")]));
        assert_eq!(own, [labels(&[("cluster", "us"), ("zone", "1")])]);
    }

    /// What each set of Alertmanagers gets, after what is done for all.
    const SETS: &str = r"
global: {external_labels: {cluster: eu}}
alerting:
  alert_relabel_configs:
    - {source_labels: [severity], regex: debug, action: drop}
    - {source_labels: [instance], regex: '([^:]+)(:\d+)?', target_label: host, replacement: $1}
  alertmanagers:
    - {static_configs: [{targets: [a]}]}
    - {static_configs: [{targets: [b]}]}
    - static_configs: [{targets: [c]}]
      alert_relabel_configs:
        - {source_labels: [team], regex: web, action: keep}
        - {target_label: for, replacement: web}
";

    #[test]
    fn each_set_of_alertmanagers_gets_its_own_labels_once() {
        let outgoing = of(SETS);
        let told = |pairs: &[(&str, &str)]| outgoing.apply(&labels(pairs));
        let common = [("cluster", "eu"), ("host", "db-1"), ("instance", "db-1:9100")];
        assert_eq!(told(&[("instance", "db-1:9100")]), [labels(&common)]);
        let web = told(&[("instance", "db-1:9100"), ("team", "web")]);
        let mut all = common.to_vec();
        all.push(("team", "web"));
        let first = labels(&all);
        all.push(("for", "web"));
        assert_eq!(web, [first, labels(&all)]);
        assert_eq!(told(&[("severity", "debug")]), [] as [Labels; 0]);
        assert!(outgoing.rewrites());
    }

    #[test]
    fn without_external_labels_nothing_is_added() {
        let own = labels(&[("a", "b")]);
        assert_eq!(of("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: x}]").apply(&own), [own]);
        assert!(Outgoing::of(&Told { yaml: "global: [".to_owned() }).is_none());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(yaml in "\\PC{0,60}") {
            let _ = Outgoing::of(&Told { yaml });
        }
    }
}
