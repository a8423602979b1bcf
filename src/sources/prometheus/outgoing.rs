//! What Prometheus makes of an alert's labels before it notifies: it adds its external labels, and relabels.
//!
//! `/api/v1/alerts` tells the labels as they are before that. Alertmanager only knows those after it, and its fingerprint,
//! to which silences and inhibitions refer, is computed from them. So what is done on the way out is done here too.
//! Source: `global.external_labels` and `alerting.alert_relabel_configs` of the configuration (`/api/v1/status/config`).

use crate::domain::alert::Labels;
use regex::Regex;
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
}

/// The relabelling that pairs use: their `replica` label is dropped. Values that are rewritten are not followed.
#[derive(Clone, Debug)]
enum Step {
    Drop(Regex),
    Keep(Regex),
}

impl Step {
    fn lets_pass(&self, name: &str) -> bool {
        match self {
            Self::Drop(names) => !names.is_match(name),
            Self::Keep(names) => names.is_match(name),
        }
    }
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
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Relabel {
    action: String,
    regex: String,
}

impl Relabel {
    fn step(&self) -> Option<Step> {
        // Prometheus anchors it; one that it could read and we can't is left out.
        let names = || Regex::new(&format!("^(?s:{})$", self.regex)).ok();
        match self.action.as_str() {
            "labeldrop" => names().map(Step::Drop),
            "labelkeep" => names().map(Step::Keep),
            _ => None,
        }
    }
}

impl Outgoing {
    /// From what the server told; `None` when that is no configuration.
    pub(super) fn of(told: &Told) -> Option<Self> {
        let read: Configuration = serde_saphyr::from_str(&told.yaml).ok()?;
        let steps = read.alerting.alert_relabel_configs.iter().filter_map(Relabel::step).collect();
        Some(Self { external: read.global.external_labels, steps })
    }

    /// The labels as Alertmanager gets them.
    pub(super) fn apply(&self, labels: &mut Labels) {
        for (name, value) in &self.external {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for step in &self.steps {
            labels.retain(|name, _| step.lets_pass(name));
        }
    }

    /// The external labels that get through.
    pub(super) fn external(&self) -> Labels {
        let mut labels = self.external.clone();
        labels.retain(|name, _| self.steps.iter().all(|step| step.lets_pass(name)));
        labels
    }
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
        let mut disk = labels(&[("alertname", "DiskFilling"), ("instance", "db-1:9100"), ("severity", "warning")]);
        outgoing.apply(&mut disk);
        assert_eq!(&*fingerprint(&disk), "399832d02899ba46");
        assert_eq!(outgoing.external(), labels(&[("cluster", "eu")]));
    }

    #[test]
    fn an_alerts_own_label_outranks_an_external_one() {
        let outgoing = of("global: {external_labels: {cluster: eu, zone: 1}}");
        let mut own = labels(&[("cluster", "us")]);
        outgoing.apply(&mut own);
        assert_eq!(own, labels(&[("cluster", "us"), ("zone", "1")]));
    }

    #[test]
    fn names_are_dropped_and_kept_as_a_whole() {
        let drop = "alerting: {alert_relabel_configs: [{action: labeldrop, regex: 'rep|x.*'}, {action: replace}]}";
        let mut all = labels(&[("rep", "1"), ("replica", "1"), ("xyz", "1")]);
        of(drop).apply(&mut all);
        assert_eq!(all, labels(&[("replica", "1")]));
        let mut all = labels(&[("alertname", "A"), ("b", "1")]);
        of("alerting: {alert_relabel_configs: [{action: labelkeep, regex: alertname}]}").apply(&mut all);
        assert_eq!(all, labels(&[("alertname", "A")]));
    }

    #[test]
    fn without_external_labels_nothing_is_added() {
        let mut own = labels(&[("a", "b")]);
        of("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: x}]").apply(&mut own);
        assert_eq!(own, labels(&[("a", "b")]));
        assert!(Outgoing::of(&Told { yaml: "global: [".to_owned() }).is_none());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(yaml in "\\PC{0,60}", regex in "\\PC{0,12}") {
            let _ = Outgoing::of(&Told { yaml });
            let _ = Relabel { action: "labeldrop".to_owned(), regex }.step();
        }
    }
}
